"""`python -m bench.coverage`: how often the truth lies inside what centroid moment tensors state as
uncertainty.

Random double couples under random networks, in crusts that the inversion does not know, with noise like that
of GNSS positions, are inverted by `dislok.inversion.cmt.invert` with its defaults, but for the radius in
which places are tried (`REACH`): most of the time would go into hopeless ones. Every finished earthquake is a
line of the file, so that a study can be stopped and gone on with.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dislok import convert
from dislok.inversion import cmt
from dislok.inversion.cmt import tensor as tensors
from dislok.inversion.cmt.posterior import matched
from dislok.propagator import LayeredModel

ORIGIN = (34.0, 130.0)
STATIONS = (3, 5, 8, 12, 30)
SPAN = (20.0, 150.0)
REACH = 30.0
"""Radius (km) in which places are tried; the sources lie within 14 km of where the search begins."""

BAND, WINDOW = (0.03, 0.1), (0.0, 120.0)
PARAMETERS = ("east", "north", "depth", "time", "duration", "Mw", "strike", "dip", "rake")
ELEMENTS = ("ee", "nn", "uu", "en", "eu", "nu")
CRUSTS = (
    LayeredModel(
        [1, 10, 10, 10, np.inf], [2.5, 6, 6.6, 7.2, 8.1], [1.2, 3.4, 3.7, 4, 4.6], [2.1, 2.7, 2.9, 3.1, 3.35]
    ),
    LayeredModel(
        [0.5, 10, 10, 10.5, np.inf],
        [2.5, 6.1, 6.3, 6.6, 8],
        [1.2, 3.5, 3.6, 3.6, 4.6],
        [2.1, 2.75, 2.8, 2.9, 3.3],
    ),
    LayeredModel(
        [0.5, 10.5, 11, 12, np.inf],
        [2.5, 6, 6.6, 7.2, 8],
        [1.2, 3.5, 3.7, 4, 4.6],
        [2.1, 2.7, 2.9, 3.1, 3.35],
    ),
)
"""CRUST 2.0 profiles of Kumamoto, Ridgecrest and Anchorage."""


def scenario(rng: np.random.Generator, stations: int) -> tuple[cmt.Problem, cmt.Sources]:
    """A problem and the source that is to be found."""
    crust = CRUSTS[int(rng.integers(len(CRUSTS)))]
    azimuth, far = rng.uniform(0, 2 * np.pi, stations), 1e3 * rng.uniform(*SPAN, stations)
    lon, lat = convert.to_geographic(far * np.sin(azimuth), far * np.cos(azimuth), ORIGIN[1], ORIGIN[0])
    moment = float(convert.moment_from_magnitude(rng.uniform(6.6, 7.3)))
    # Normals and slips without a preferred direction.
    plane = rng.uniform(0, 360), np.rad2deg(np.arccos(rng.uniform(0, 1))), rng.uniform(-180, 180)
    tensor = tensors.row(np.asarray(convert.moment_tensor(*plane, moment)))
    half = 2.26e-6 * moment ** (1 / 3) * np.exp(0.25 * rng.standard_normal())
    truth = cmt.Sources.at(
        *rng.uniform(-10, 10, 2), rng.uniform(5, 40), half + rng.uniform(0, 3), half
    ).with_tensor(tensor[None])
    records = cmt.synthetic_records(
        np.asarray(lat), np.asarray(lon), cmt.disturbed(crust, rng), truth, ORIGIN, end=WINDOW[1] + 45,
        stf="triangle", accuracy=1e-3,
    )  # fmt: skip
    records.values[...] += cmt.position_noise(stations, records.t, rng)
    return cmt.Problem(cmt.Waveforms(records, cmt.CosineLowpass(*BAND), WINDOW), crust, ORIGIN), truth


def measured(seed: int, stations: int) -> dict[str, Any]:
    """Errors and stated standard deviations of one earthquake."""
    problem, truth = scenario(np.random.default_rng([seed, stations]), stations)
    began = time.process_time()
    result = cmt.invert(problem, reach=REACH)
    seconds = time.process_time() - began
    c, sigma, spread = result.centroids[0], result.sigma(), result.spread()
    lon, lat = convert.to_geographic(1e3 * truth.east, 1e3 * truth.north, ORIGIN[1], ORIGIN[0])
    east, north = convert.to_local(c.longitude, c.latitude, float(lon[0]), float(lat[0]))
    true = convert.double_couple(tensors.matrix(truth.tensor[0]))
    planes = np.array(list(zip(true.strike, true.dip, true.rake, strict=True)))
    angles = matched(np.array(c.planes)[None], planes)[0]
    # The better determined plane is the one that is read.
    best = int(np.argmin([spread["strike1"], spread["strike2"]])) if np.isfinite(spread["strike1"]) else 0
    error = [east / 1e3, north / 1e3, c.depth - truth.depth[0], c.time - truth.time[0]]
    error += [c.half_duration - truth.duration[0]]
    error += [
        c.magnitude - float(convert.magnitude_from_moment(tensors.size(truth.tensor)[0])),
        *angles[best],
    ]
    stated = [
        *sigma.values(),
        spread["Mw"],
        *(spread[f"{name}{best + 1}"] for name in ("strike", "dip", "rake")),
    ]
    elements = np.sqrt(np.diag(result.covariance)[:6]) if result.errors != "none" else np.full(6, np.nan)
    error += (c.tensor - truth.tensor[0]).tolist()
    return {
        "stations": stations, "seed": seed, "seconds": seconds, "errors": result.errors, "unique":
        result.unique, "variance_reduction": result.variance_reduction, "error": [float(one) for one in
        error], "sigma": [float(one) if np.isfinite(one) else None for one in [*stated, *elements]],
    }  # fmt: skip


def study(file: Path, counts: Sequence[int], seeds: Iterable[int]) -> list[dict[str, Any]]:
    """All earthquakes asked for: those that the file holds, and the others, which are appended to it."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {(row["stations"], row["seed"]) for row in rows}
    for seed in seeds:
        for stations in counts:
            if (stations, seed) in done:
                continue
            rows.append(measured(seed, stations))
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(rows[-1]) + "\n")
    return rows


def coverage(rows: Sequence[dict[str, Any]], most: float) -> np.ndarray:
    """Percent of errors within so many standard deviations, by parameter: (15,)."""
    ratio = np.array([np.abs(row["error"]) / np.array(row["sigma"], float) for row in rows])
    return 100 * (ratio < most).mean(axis=0)


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares by number of stations, and the rows they come from."""
    shares = {}
    for count in sorted({row["stations"] for row in rows}):
        own = [row for row in rows if row["stations"] == count]
        stated = [row for row in own if row["errors"] != "none"]
        shares[str(count)] = {"earthquakes": len(own), "stated": len(stated)}
        if stated:
            for most in (1, 2):
                shares[str(count)][f"within {most} sigma"] = coverage(stated, most).round(1).tolist()
    names = [*PARAMETERS, *ELEMENTS]
    return {"parameters": names, "reach_km": REACH, "shares_percent": shares, "rows": list(rows)}


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the documentation, as reStructuredText."""
    heads = ["stations", "earthquakes", "with σ", "within", *PARAMETERS, "tensor", "all"]
    lines = [".. list-table::", "   :header-rows: 1", ""]
    table = [heads]
    for count in sorted({row["stations"] for row in rows}):
        own = [row for row in rows if row["stations"] == count]
        stated = [row for row in own if row["errors"] != "none"]
        first = [str(count), str(len(own)), str(len(stated))]
        if not stated:
            table.append([*first, *["–"] * (len(heads) - 3)])
            continue
        for most in (1, 2):
            share = coverage(stated, most)
            places, tensor = share[: len(PARAMETERS)], share[len(PARAMETERS) :]
            cells = [f"{value:.0f}" for value in (*places, tensor.mean(), share.mean())]
            table.append([*first, f"{most} σ", *cells])
            first = [""] * 3
    for row in table:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}".rstrip() for i, cell in enumerate(row)]
    return "\n".join(lines)


def as_json(found: dict[str, Any]) -> str:
    """All numbers, an earthquake in a line."""
    head = json.dumps({key: value for key, value in found.items() if key != "rows"}, indent=1)
    rows = ",\n  ".join(json.dumps(row) for row in found["rows"])
    return f'{head[:-2]},\n "rows": [\n  {rows}\n ]\n}}\n'


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m bench.coverage", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--file", type=Path, default=Path("coverage.jsonl"), help="results, appended to")
    parser.add_argument("--stations", default=",".join(map(str, STATIONS)), help="sizes of the networks")
    parser.add_argument("--events", type=int, default=60, help="earthquakes for each size")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--json", type=Path, help="write all numbers and the shares")
    given = parser.parse_args(argv)
    counts = [int(part) for part in given.stations.split(",")]
    rows = study(given.file, counts, range(given.first, given.first + given.events))
    print(report(rows))
    if given.json:
        given.json.write_text(as_json(summed(rows)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
