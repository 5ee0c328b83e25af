"""Static Green's matrix of a finite fault in layers: `python -m bench.crust [--quick] [--json FILE]`.

A fault of rectangles, ten rows from the ground down, and stations around it. Peers have point sources only:
pyprop8 (where it is installed) and `dislok.propagator.statics` sum 25 of them for a patch, which is not
enough near the fault; pyprop8 is timed on a few points and scaled up. Processor time; errors against the
matrix at an accuracy of 1e-6, of the stations beyond 8 km from all patches and of all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dislok import propagator
from dislok.inversion.mesh import Grid
from dislok.okada import Rectangle

from .large import processor_time, table
from .propagator import CRUST
from .report import machine

ORDER, FEW = 5, 4


def points(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Places (m 25, 3) and unit moments (m 25, 3, 3, 3) of point sources, N m."""
    x, w = np.polynomial.legendre.leggauss(ORDER)
    x, w = 0.5 * (x + 1.0), 0.5 * w
    corner, along, down = grid.outlines[:, 0], *(grid.outlines[:, k] - grid.outlines[:, 0] for k in (1, 3))
    s, d = (each.ravel()[None, :, None] for each in np.meshgrid(x, x))
    at = (corner[:, None] + s * along[:, None] + d * down[:, None]).reshape(-1, 3)
    layer = np.searchsorted(np.cumsum(CRUST[:-1, 0]), -at[:, 2])
    mu = CRUST[layer, 3] * CRUST[layer, 2] ** 2
    lame = CRUST[layer, 3] * CRUST[layer, 1] ** 2 - 2.0 * mu
    frame = np.repeat(grid.frame, ORDER**2, axis=0)
    pair = frame[:, :, :, None] * frame[:, 2][:, None, None, :]
    moment = mu[:, None, None, None] * (pair + pair.swapaxes(-1, -2))
    moment[:, 2] += lame[:, None, None] * np.eye(3)
    weights = np.repeat(grid.areas, ORDER**2) * np.tile(np.outer(w, w).ravel(), len(grid.areas))
    return at, 1e15 * weights[:, None, None, None] * moment


def by_points(at: np.ndarray, moment: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """The matrix as sums of `propagator.statics`."""
    model = propagator.LayeredModel(*CRUST.T)
    source = propagator.PointSource(*(each[:, None] for each in (at[:, 0], at[:, 1], -at[:, 2])))
    made = propagator.static_kernels(model, source, propagator.Stations(*xy.T), location=False, accuracy=1e-4)
    six = np.stack([moment[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], -1)
    each = np.einsum("pnec,pke->npck", made.moment[:, 0], six)
    return each.reshape(len(xy), -1, ORDER**2, 3, 3).sum(axis=2).transpose(0, 2, 1, 3)


def pyprop8(at: np.ndarray, moment: np.ndarray, xy: np.ndarray) -> Callable[[], Any]:
    """The static field of some point sources, by pyprop8 with its defaults."""
    import pyprop8 as pp

    model = pp.LayeredStructureModel([tuple(row) for row in CRUST])
    stations = pp.ListOfReceivers(*xy.T)
    sources = [
        pp.PointSource(x, y, -z, 1e-12 * m, np.zeros((3, 3, 1)), np.zeros(3))
        for (x, y, z), m in zip(at, moment, strict=True)
    ]
    return lambda: [pp.compute_static(model, source, stations) for source in sources]


def measure(columns: int, stations: int) -> list[dict[str, Any]]:
    """Rows of the table."""
    grid = Grid(Rectangle(-20.0, -20.0, 0.0, 40.0, 20.0, 30.0, 60.0), columns, 10)
    xy = np.random.default_rng(5).uniform(-100, 100, (stations, 2))
    model, places = propagator.LayeredModel(*CRUST.T), propagator.Stations(*xy.T)
    at, moment = points(grid)
    away = np.hypot(*(xy[:, None] - grid.centroids[:, :2]).transpose(2, 0, 1)).min(axis=1) > 8.0
    truth = propagator.greens(model, grid, places, accuracy=1e-6)
    norm = np.sqrt((truth**2).sum(axis=(1, 3)))

    def row(code: str, seconds: float, matrix: np.ndarray | None) -> dict[str, Any]:
        found = {"code": code, "patches": grid.size, "stations": stations, "seconds": seconds}
        if matrix is None:
            return found | {"error_away": np.nan, "error": np.nan}
        wrong = np.sqrt(((matrix - truth) ** 2).sum(axis=(1, 3))) / norm
        return found | {"error_away": float(wrong[away].max()), "error": float(wrong.max())}

    rows = []
    for accuracy in (1e-2, 1e-3, 1e-4):
        seconds, got = processor_time(
            lambda a=accuracy: propagator.greens(model, grid, places, accuracy=a), 3
        )
        rows.append(row(f"greens {accuracy:g}", seconds, got))
    rows.append(row("sums of statics", *processor_time(lambda: by_points(at, moment, xy))))
    try:
        few = np.linspace(0, len(at) - 1, FEW).astype(int)
        seconds, _ = processor_time(pyprop8(at[few], moment[few], xy), 2)
    except ImportError as error:
        print(f"pyprop8: {error}")
    else:
        rows.append(row("sums of pyprop8, scaled up", seconds * len(at) / FEW, None))
    for each in rows:
        each["ratio"] = each["seconds"] / rows[1]["seconds"]
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.crust", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the patches and stations")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    options = parser.parse_args()
    facts = machine()
    propagator.greens(
        propagator.LayeredModel(*CRUST.T), Rectangle(0.0, 0.0, 0.0, 4.0, 3.0, 30.0, 60.0),
        propagator.Stations([3.0], [4.0]),
    )  # compile  # fmt: skip
    rows = measure(2, 40) if options.quick else measure(10, 200)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
