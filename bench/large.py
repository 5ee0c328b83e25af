"""Large problems: compressed matrices and grids. `python -m bench.large [--quick] [--json FILE]`.

Times are processor time of the whole process, which two threads share. The direct sum is timed on a sample
and scaled up.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dislok import tde


def fault(triangles: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and cells of a bent fault of 80 by 27 km that breaks the surface, of about so many triangles."""
    along = int(np.sqrt(1.5 * triangles))
    down = -(-triangles // (2 * along))
    s, d = np.meshgrid(np.linspace(-40, 40, along + 1), np.linspace(0, 27, down + 1), indexing="ij")
    dip = np.radians(50)
    points = np.stack([10 * np.sin(s / 15) + d * np.cos(dip), s, -d * np.sin(dip)], axis=-1).reshape(-1, 3)
    corner = (np.arange(along)[:, None] * (down + 1) + np.arange(down)).ravel()
    lower = np.stack([corner, corner + 1, corner + down + 1], axis=1)
    upper = np.stack([corner + 1, corner + down + 2, corner + down + 1], axis=1)
    return points, np.concatenate([lower, upper])


def processor_time(call: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
    """Least seconds of several calls, and what the last returned."""
    best, result = np.inf, None
    for _ in range(times):
        begin = time.process_time()
        result = call()
        best = min(best, time.process_time() - begin)
    return float(best), result


def operator(observers: int, triangles: int, tolerance: float, depth: float, dtype: str) -> dict:
    """Build, size and products of a compressed matrix."""
    rng = np.random.default_rng(1)
    mesh = fault(triangles)
    obs = np.column_stack([rng.uniform(-60, 60, (observers, 2)), -depth * rng.random(observers)])
    build, matrix = processor_time(lambda: tde.operator(obs, mesh, tolerance=tolerance, dtype=dtype))
    slip, residual = (rng.standard_normal(size).astype(dtype) for size in matrix.shape[::-1])
    forward, u = processor_time(lambda: matrix.matvec(slip), 3)
    adjoint, s = processor_time(lambda: matrix.rmatvec(residual), 3)
    few = rng.choice(observers, 200, replace=False)
    direct, exact = processor_time(lambda: tde.apply(obs[few], mesh, slip.reshape(-1, 3).astype(float)), 2)
    size = np.linalg.norm(residual) * np.linalg.norm(u)
    return {
        "observers": observers,
        "triangles": len(mesh[1]),
        "depth": depth,
        "dtype": dtype,
        "tolerance": tolerance,
        "build_s": build,
        "forward_s": forward,
        "adjoint_s": adjoint,
        "direct_s": direct * observers / len(few),
        "gibibytes": matrix.nbytes / 2**30,
        "error": max(matrix.report.row_error, matrix.report.column_error),
        "error_of_product": float(np.linalg.norm(u.reshape(-1, 3)[few] - exact) / np.linalg.norm(exact)),
        "adjoint_mismatch": float(abs(residual @ u - slip @ s) / size),
    }


def grid(pixels: int, triangles: int, tolerance: float) -> dict:
    """A map, and its true error at random pixels."""
    rng = np.random.default_rng(2)
    mesh = fault(triangles)
    slip = np.column_stack(
        [rng.normal(0, 0.3, len(mesh[1])), rng.normal(1, 0.5, len(mesh[1])), 0 * mesh[1][:, 0]]
    )
    x, y = np.linspace(-60, 60.3, pixels), np.linspace(-60, 61.1, pixels)
    seconds, u = processor_time(lambda: tde.on_grid(x, y, mesh, slip, tolerance=tolerance))
    i, j = rng.integers(0, pixels, (2, 2000))
    places = np.column_stack([x[i], y[j]])
    direct, exact = processor_time(lambda: tde.displacement(places, mesh, slip), 2)
    wrong = np.abs(u[j, i] - exact).max() / np.linalg.norm(exact, axis=1).max()
    return {
        "pixels": pixels**2,
        "triangles": len(mesh[1]),
        "tolerance": tolerance,
        "seconds": seconds,
        "direct_s": direct * pixels**2 / len(places),
        "error": float(wrong),
    }


def table(rows: list[dict]) -> str:
    """Rows as lines of text."""
    cells = [
        list(rows[0]),
        *([f"{v:.4g}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.large", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="problems a hundred times smaller")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    options = parser.parse_args()
    n = 3000 if options.quick else 100_000
    pixels = 800 if options.quick else 8000
    operator(500, 500, 1e-3, 0.0, "float64")  # compile
    grids = [grid(pixels, 1000, tolerance) for tolerance in (1e-2, 1e-4, 1e-6)]
    print(table(grids), flush=True)
    cases = [(1e-4, 0.0, "float64"), (1e-6, 0.0, "float64"), (1e-4, 25.0, "float32")]
    operators = [operator(n, n, *case) for case in cases]
    print(table(operators))
    if options.json:
        options.json.write_text(json.dumps({"grids": grids, "operators": operators}, indent=1) + "\n")


if __name__ == "__main__":
    main()
