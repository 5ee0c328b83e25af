"""`python -m bench.flow_zones FOLDER`: width and offset of fault zones as each method sees them.

Straight faults whose slip is spread over zones of several widths, on the images of FOLDER. Profiles across
the fault are stacked along it; the zone is where strain exceeds 0.5 %, as in the paper on GeoFlowNet (figures
5 and 6), of the measured and of the true displacement by the same function.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dislok.nn import pairs
from dislok.nn.predict import methods, profiles

from .flow_checks import LEAST, TEXTURES, read
from .report import machine, table

ZONES = (0.0, 4.0, 8.0, 16.0, 32.0)  # px over which the slip is spread
SIZE, REACH, ALONG = 256, 60, 60  # px: image, half profile, half of the stacked piece
INNER, OUTER = 30, 58  # px from the trace: where the offset is fitted
MOTION = (3.0, 3.0)  # px: largest
KNOWN = ("scarp", "dislok", "geoflownet", "cosicorr", "micmac", "deepflow", "dis")


def fault(zone: float) -> pairs.ScrewFault:
    """A straight fault through the middle whose slip is spread over a zone."""
    fixed = {"depth": 600.0, "roughness": 1e-7, "variation": 0.0, "zone": zone, "tip": False, "offset": 0.0}
    return pairs.ScrewFault(**{name: pairs.Fixed(value) for name, value in fixed.items()})


def drawn(grounds: list[pairs.Texture], zone: float, rng: np.random.Generator) -> pairs.Pair:
    """A pair with such a fault."""
    moved = pairs.amplitude_in(fault(zone).draw(rng, (SIZE, SIZE)), rng, MOTION)
    return pairs.make_pair(pairs.Library(grounds).draw(rng, moved.right.shape), moved, rng)


def across(values: np.ndarray, strike: float) -> profiles.Profile:
    """The stacked profile of a map (h, w, 2) across the fault through its middle."""
    middle, step = (SIZE - 1) / 2, ALONG * np.array([-np.cos(np.radians(strike)), np.sin(np.radians(strike))])
    begin, end = (tuple(middle + sign * step) for sign in (-1, 1))
    return profiles.stacked(values, np.isfinite(values).all(-1), begin, end, REACH)


def seen(values: np.ndarray, strike: float) -> dict[str, Any]:
    """Width of the zone, offset, and the profile itself."""
    profile = across(values, strike)
    width, offset = profiles.zone_width(profile), profiles.offset(profile, INNER, OUTER)
    return {"width": width.value, "offset": float(offset.value[0]), "profile": profile.values[:, 0].tolist()}


def measured(pair: pairs.Pair, by: str) -> np.ndarray:
    """East and north of every pixel, whether it counts as valid or not."""
    found = methods.measure(pair.pre, pair.post, by=by)
    return np.nan_to_num(np.asarray(found.values, float))


def study(folder: Path, names: list[str], count: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """For each width, what the truth and each method show in so many pairs."""
    grounds = [pairs.of_image(p) for p in (read(folder, n) for n in TEXTURES) if min(p.shape) >= LEAST]
    result: dict[str, list[dict[str, Any]]] = {}
    for place, zone in enumerate(ZONES):
        rows = []
        for number in range(count):
            pair = drawn(grounds, zone, np.random.default_rng((seed, place, number)))
            strike = pair.meta["displacement"]["strike"]
            maps = {"truth": np.asarray(pair.flow_pre.values, float)}
            maps |= {name: measured(pair, name) for name in names}
            rows.append({name: seen(values, strike) for name, values in maps.items()})
        result[f"{zone:g}"] = rows
        print(f"zones of {zone:g} px done", flush=True)
    return result


def middle(rows: list[dict[str, Any]], name: str, of: Callable[[dict[str, Any]], float]) -> float:
    """Median over pairs."""
    return float(np.median([of(row[name]) for row in rows]))


def lines(found: dict[str, list[dict[str, Any]]], names: list[str]) -> list[list[str]]:
    """Widths by method, and the error of the offset in per cent."""
    rows = []
    for name in ("truth", *names):
        widths = [f"{middle(each, name, lambda one: one['width']):.1f}" for each in found.values()]
        wrong = [
            abs(row[name]["offset"] / row["truth"]["offset"] - 1) for each in found.values() for row in each
        ]
        rows.append([name, *widths, f"{100 * np.median(wrong):.2f}"])
    return rows


def draw(found: dict[str, list[dict[str, Any]]], names: list[str], file: Path) -> None:
    """Profiles of one pair without a zone and of one with, and widths beside the true ones."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes = figure.subplots(1, 3)
    distance = np.arange(-REACH, REACH + 1)
    for ax, zone in zip(axes, ("0", "16"), strict=False):
        for name in ("truth", *names):
            style: dict[str, Any] = {"color": "k", "lw": 2.5, "alpha": 0.6} if name == "truth" else {"lw": 1}
            ax.plot(distance, found[zone][0][name]["profile"], label=name, **style)
        ax.set(xlim=(-30, 30), xlabel="distance from the trace (px)", ylabel="motion along strike (px)")
        ax.set_title("slip at the trace" if zone == "0" else f"slip spread over {zone} px", loc="left")
    axes[0].legend(frameon=False, fontsize=7)
    true = [middle(rows, "truth", lambda one: one["width"]) for rows in found.values()]
    axes[2].plot([0, 60], [0, 60], color="k", lw=2.5, alpha=0.3)
    for name in names:
        axes[2].plot(true, [middle(r, name, lambda one: one["width"]) for r in found.values()], ".-", lw=1)
    axes[2].set(xlabel="true width of the zone (px)", ylabel="measured width (px)")
    axes[2].set_title("width by 0.5 % of strain", loc="left")
    figure.savefig(file, dpi=110)


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: {key: each[key] for key in ("width", "offset")} for name, each in row.items()}


def main(words: list[str] | None = None) -> int:
    """Measure, print, draw, and write the results."""
    options = parser().parse_args(words)
    names = options.method or list(KNOWN)
    found = study(options.images, names, options.pairs, options.seed)
    head = ["method", *(f"over {zone:g} px" for zone in ZONES), "offset off by %"]
    print(table("width of the fault zone (px), median", head, lines(found, names)))
    if options.figure:
        draw(found, names, options.figure)
    if options.json:
        kept = {zone: [_numbers(row) for row in rows] for zone, rows in found.items()}
        options.json.write_text(json.dumps({"facts": machine(), "zones": kept}, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m bench.flow_zones", description=__doc__)
    result.add_argument("images", type=Path, help="folder of images")
    result.add_argument("--pairs", type=int, default=8, help="of each width")
    result.add_argument("--seed", type=int, default=5, help="of the pairs")
    result.add_argument("--method", action="append", choices=KNOWN, help="this one; repeatable")
    result.add_argument("--figure", type=Path, help="also draw profiles and widths")
    result.add_argument("--json", type=Path, help="also write everything to this file")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
