"""`python -m bench.flow --method NAME`: displacement between two images, scored against known displacement.

The files hold pairs of 256 by 256 pixels, ten for each of four ranges of motion, eight of one date and two of
two dates each. Errors are those of valid points of the central 128 by 128 pixels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import flow_peers
from .report import machine, table

RANGES = ("[.01,1]", "[1,5]", "[5,15]", "[15,50]")
CENTRE = slice(64, 192)
NEAR = 8
FAR = 1.0


@dataclass(frozen=True)
class Sample:
    """A pair of images and how far the ground between them has moved.

    Attributes
    ----------
    pre, post : ndarray, shape (h, w)
    flow : ndarray, shape (2, h, w)
        Displacement towards higher columns and rows in pixels, on the grid of `pre`.
    distance : ndarray, shape (h, w)
        Signed distance to the trace in pixels.
    valid : ndarray, shape (h, w), bool
        Points that `post` shows.
    group : str
        Range and kind: the cell of the table.
    """

    pre: np.ndarray
    post: np.ndarray
    flow: np.ndarray
    distance: np.ndarray
    valid: np.ndarray
    group: str


Estimate = tuple[np.ndarray, np.ndarray]
Method = Callable[[np.ndarray, np.ndarray], Estimate]


def samples(file: Path) -> Iterator[Sample]:
    """The pairs of a benchmark file."""
    with np.load(file) as held:
        fields = {name: held[name] for name in ("pre", "post", "flow", "dist", "valid", "rng")}
        kinds = [each["kind"] for each in json.loads(str(held["meta"]))]
    for i, kind in enumerate(kinds):
        name = RANGES[fields["rng"][i]]
        yield Sample(
            *(fields[key][i] for key in ("pre", "post", "flow", "dist", "valid")),
            group=name if kind == "single" else f"two-date {name}",
        )


def score(estimate: Any, sample: Sample) -> dict[str, float]:
    """Errors of an estimate in the centre of a sample.

    Parameters
    ----------
    estimate : (right, down) or FlowMap
        Displacement on the grid of `sample.pre`. Points without a number count as points without motion.
    sample : Sample

    Returns
    -------
    dict
        ``epe``: mean length of the error (px); ``near``: the same within 8 pixels of the trace; ``median``;
        ``wild``: share of points off by more than 1 px; ``bias``: length of the mean error; ``missing``:
        share of points without a number.
    """
    right, down = estimate if isinstance(estimate, tuple) else (estimate.right, estimate.down)
    inside = (slice(64, 192),) * 2
    found = np.stack([right, down])[(slice(None), *inside)].astype(float)
    missing = ~np.isfinite(found).all(axis=0)
    error = np.where(missing, 0.0, found) - sample.flow[(slice(None), *inside)]
    keep = sample.valid[inside]
    near = keep & (np.abs(sample.distance[inside].astype(int)) <= NEAR)
    length = np.hypot(*error)
    return {
        "epe": float(length[keep].mean()),
        "near": float(length[near].mean()) if near.any() else float("nan"),
        "median": float(np.median(length[keep])),
        "wild": float((length[keep] > FAR).mean()),
        "bias": float(np.hypot(*(each[keep].mean() for each in error))),
        "missing": float(missing[keep].mean()),
    }


def methods() -> dict[str, Method]:
    """Ours and those of other codes that are installed."""
    return {"dislok": ours, "scarp": refined} | flow_peers.find()


def ours(pre: np.ndarray, post: np.ndarray) -> Estimate:
    """The engine, with its defaults."""
    from dislok.nn.match import match

    found = match(pre, post)
    return found.right, found.down


def refined(pre: np.ndarray, post: np.ndarray) -> Estimate:
    """The engine, refined by the shipped network."""
    from dislok.nn.geoflownet.apply import scarp

    found = scarp(pre, post)
    return found.right, found.down


def network(weights: Path) -> Method:
    """A network that searches, with weights of its own."""
    from dislok.nn.geoflownet.single import geoflownet

    def found(pre: np.ndarray, post: np.ndarray) -> Estimate:
        field = geoflownet(pre, post, weights=str(weights))
        return field.right, field.down

    return found


def evaluate(method: Method, file: Path) -> list[dict[str, Any]]:
    """Scores of every pair of a file, and the processor time that each took."""
    rows = []
    for sample in samples(file):
        begin = time.process_time()
        estimate = method(sample.pre, sample.post)
        seconds = time.process_time() - begin
        rows.append({"group": sample.group, "seconds": seconds} | score(estimate, sample))
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over the pairs of each group."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    order = sorted(groups, key=lambda group: (group.startswith("two"), RANGES.index(group.split()[-1])))
    measures = [key for key in rows[0] if key != "group"]
    return {
        group: {
            key: float(np.nanmean([row[key] for row in rows if row["group"] == group])) for key in measures
        }
        for group in order
    }


def render(found: dict[str, dict[str, dict[str, float]]], measure: str, digits: int = 3) -> str:
    """Methods down, groups across."""
    groups = list(next(iter(found.values())))
    lines = [[name, *(f"{rows[g][measure]:.{digits}f}" for g in groups)] for name, rows in found.items()]
    return table(measure, ["method", *groups], lines)


def main(words: list[str] | None = None) -> int:
    """Score methods on benchmark files and print the tables."""
    options = parser().parse_args(words)
    known = methods()
    for name in options.method or list(known):
        if name not in known:
            raise SystemExit(f"no method {name!r}; there are {', '.join(known)}")
    result: dict[str, Any] = {"facts": machine(), "files": {}}
    for file in options.file:
        found = {name: summary(evaluate(known[name], file)) for name in options.method or list(known)}
        result["files"][file.stem] = found
        print(f"\n{file.stem}\n")
        for measure in ("epe", "near", "wild", "bias", "seconds"):
            print(render(found, measure, 4 if measure == "wild" else 3))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m bench.flow", description=__doc__)
    result.add_argument("--method", action="append", help="this method alone; repeatable")
    result.add_argument(
        "--file", action="append", type=Path, required=True, help="benchmark file; repeatable"
    )
    result.add_argument("--json", type=Path, help="also write everything to this file")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
