"""`python -m bench.faults`: the ground's motion by an earthquake on a rough fault, on the pixels of images.

Three ways: `Earthquake.on_grid`; the sum over all triangles at every pixel; and the way of the FaultDeform
paper, the sum at scattered points that are dense near the trace, and `scipy.interpolate.griddata`. Times are
processor seconds of two threads together, errors the largest and the median distance from the sum, over the
largest motion. The sum over all pixels is not run: its time is that of a sample of them.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import griddata

from dislok.nn.faultdeform import PAPER, Earthquake, draw

NEAR = 8
"""Pixels from the trace that count as near."""
SAMPLE = 400


def event(triangles: int) -> Earthquake:
    """A rough strike-slip fault 90 km long that breaks the surface, of about so many triangles."""
    options: dict[str, Any] = {**PAPER, "length": (90.0, 90.0), "dip": (80.0, 80.0)}
    return draw(np.random.default_rng(8), triangles=triangles, **options)


def axes(earthquake: Earthquake, size: int) -> tuple[np.ndarray, np.ndarray]:
    """East and north (km) of a square of pixels around the middle of the trace, or of the map's."""
    line = earthquake.trace[0]
    middle = line[len(line) // 2] if size < 4000 else np.zeros(2)
    pixel = earthquake.metadata["recipe"]["pixel"]
    steps = pixel * (np.arange(size) - 0.5 * (size - 1))
    return middle[0] + steps, middle[1] - steps


def sample(earthquake: Earthquake, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Any:
    """Rows and columns of pixels, half of them near the trace, and which are."""
    j, i = rng.integers(0, len(y), SAMPLE), rng.integers(0, len(x), SAMPLE)
    line = np.concatenate(earthquake.trace)
    inside = (line[:, 0] > x[0]) & (line[:, 0] < x[-1]) & (line[:, 1] > y[-1]) & (line[:, 1] < y[0])
    pixel = x[1] - x[0]
    beside = line[inside][rng.integers(0, inside.sum(), SAMPLE // 2)]
    beside = beside + pixel * rng.uniform(-NEAR / 2, NEAR / 2, beside.shape)
    i[: SAMPLE // 2] = np.clip(np.rint((beside[:, 0] - x[0]) / pixel), 0, len(x) - 1)
    j[: SAMPLE // 2] = np.clip(np.rint((y[0] - beside[:, 1]) / pixel), 0, len(y) - 1)
    near = np.abs(earthquake.distance(x[i], y[j])) < NEAR * pixel
    return j, i, near


def scattered(earthquake: Earthquake, x: np.ndarray, y: np.ndarray, finest: float) -> np.ndarray:
    """Points (n, 2) in and around the pixels, `finest` pixels apart at the trace, farther elsewhere."""
    rng, pixel = np.random.default_rng(1), x[1] - x[0]
    size, found, spacing = pixel * len(x), [], finest * pixel
    middle = np.array([0.5 * (x[0] + x[-1]), 0.5 * (y[0] + y[-1])])
    inner = 0.0
    while True:
        outer = np.inf if spacing > size / 24 else 6.0 * spacing
        axis = np.arange(-0.52 * size, 0.52 * size + spacing, spacing)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) + middle
        grid += spacing * rng.uniform(-0.3, 0.3, grid.shape)
        distance = np.abs(earthquake.distance(*grid.T))
        found.append(grid[(distance >= inner) & (distance < outer)])
        if np.isinf(outer):
            return np.concatenate(found)
        inner, spacing = outer, 2.0 * spacing


def cpu(work: Any) -> tuple[float, Any]:
    """Processor seconds of a call, and its result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def errors(got: np.ndarray, truth: np.ndarray, near: np.ndarray) -> dict[str, float]:
    """Largest and median errors near the trace and elsewhere, over the largest motion."""
    wrong = np.linalg.norm(got - truth, axis=1) / np.linalg.norm(truth, axis=1).max()
    parts = {"near": wrong[near], "elsewhere": wrong[~near]}
    return {
        f"{how} {k}": float(f(v))
        for k, v in parts.items()
        for how, f in (("max", np.max), ("median", np.median))
    }


def measure(sizes: list[int], triangles: int, finest: list[float]) -> dict[str, Any]:
    """All numbers."""
    quake = event(triangles)
    found: dict[str, Any] = {"triangles": len(quake.cells), "magnitude": quake.magnitude, "rows": []}
    x, y = axes(quake, 64)
    quake.on_grid(x, y)
    for size in sizes:
        x, y = axes(quake, size)
        j, i, near = sample(quake, x, y, np.random.default_rng(0))
        places = np.column_stack([x[i], y[j]])
        per_sample, truth = cpu(lambda p=places: quake.at(p))
        wall = time.perf_counter()
        ours, values = cpu(lambda x=x, y=y: quake.on_grid(x, y))
        wall = time.perf_counter() - wall
        direct = per_sample * size**2 / SAMPLE
        row = {"size": size, "way": "on_grid", "cpu": ours, "wall": wall, "direct / this": direct / ours}
        row |= errors(values[j, i], truth, near)
        row["peak GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        found["rows"] += [row, {"size": size, "way": "direct sum (from a sample)", "cpu": direct}]
        del values
        for spacing in finest if size <= 1024 else []:
            points = scattered(quake, x, y, spacing)
            first, moved = cpu(lambda p=points: quake.at(p))
            grid = tuple(np.meshgrid(x, y))
            second, values = cpu(lambda p=points, m=moved, g=grid: griddata(p, m, g, "linear"))
            row = {"size": size, "way": f"griddata, {spacing:g} px at the trace", "cpu": first + second}
            row |= {"points": len(points), **errors(values[j, i], truth, near)}
            found["rows"].append(row)
    return found


def table(found: dict[str, Any]) -> str:
    """The numbers as text."""
    heads = ("size", "way", "cpu", "wall", "points", "max near", "median near", "max elsewhere", "peak GiB")
    lines = [f"{found['triangles']} triangles", " | ".join(f"{h:>13}" for h in heads)]
    for row in found["rows"]:
        cells = [row.get(h, "") for h in heads]
        lines.append(" | ".join(f"{c:>13.3g}" if isinstance(c, float) else f"{c!s:>13}" for c in cells))
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="show in a minute that everything runs")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024, 8000], help="pixels along a side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to FILE")
    options = parser.parse_args(words)
    if options.quick:
        found = measure([128], 2000, [4.0])
    else:
        found = measure(options.sizes, 22_000, [1.0, 4.0])
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
