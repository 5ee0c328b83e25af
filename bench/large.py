"""Large problems: compressed matrices and grids. `python -m bench.large [--quick] [--json FILE]`.

One block of a matrix, of observers far from the fault, stands beside the adaptive cross approximation of
cutde (where it is installed), which compresses such blocks and no whole matrix.

Times are processor time of the whole process, which two threads share. The direct sum is timed on a sample
and scaled up.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dislok import tde

from .report import machine


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


def far_block(size: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Observers beside a fault, as far from it as it is long, and the mesh of the fault."""
    rng = np.random.default_rng(3)
    mesh = fault(size)
    return rng.uniform([100, -20, -20], [140, 20, 0], (len(mesh[1]), 3)), mesh


def dense(factors: list[tuple[np.ndarray, np.ndarray]], columns: np.ndarray) -> np.ndarray:
    """Some columns of the matrix of a block that cutde compressed."""
    ((u, v),) = factors
    return u @ v[:, columns]


def block(size: int, tolerance: float) -> list[dict]:
    """Dislok and cutde compress the same block in turns; errors of both on the same columns."""
    obs, mesh = far_block(size)
    tri = np.ascontiguousarray(mesh[0][mesh[1]])
    rng = np.random.default_rng(4)
    sample = np.sort(rng.choice(len(tri), min(100, len(tri)), replace=False))
    columns = (3 * sample[:, None] + np.arange(3)).ravel()
    exact = tde.greens(obs, tri[sample]).reshape(3 * len(obs), -1)
    norm = float(np.linalg.norm(exact)) * np.sqrt(len(tri) / len(sample))
    unit = np.zeros((3 * len(tri), len(columns)))
    unit[columns, np.arange(len(columns))] = 1.0
    codes: dict[str, tuple[Callable[[], Any], Callable[[Any], np.ndarray], Callable[[Any], int]]] = {
        "dislok": (
            lambda: tde.operator(obs, mesh, tolerance=tolerance),
            lambda matrix: matrix.matmat(unit),
            lambda matrix: matrix.nbytes,
        )
    }
    try:
        aca = importlib.import_module("cutde.halfspace").disp_aca
    except ImportError as error:
        print(f"cutde: {error}")
    else:
        # its tolerance is that of the next term's Frobenius norm, and no part of the matrix's
        ends = [np.array([0]), np.array([len(obs)]), np.array([0]), np.array([len(tri)])]
        codes["cutde"] = (
            lambda: aca(obs, tri, *ends, 0.25, [tolerance * norm], [1000]),
            lambda factors: dense(factors, columns),
            lambda factors: sum(part.nbytes for part in factors[0]),
        )
    seconds = {name: np.inf for name in codes}
    for _ in range(3):
        for name, (build, *_) in codes.items():
            seconds[name] = min(seconds[name], processor_time(build)[0])
    rows = []
    for name, (build, part, held) in codes.items():
        tracemalloc.start()
        found = build()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append(
            {
                "code": name,
                "observers": len(obs),
                "triangles": len(tri),
                "tolerance": tolerance,
                "seconds": seconds[name],
                "mebibytes": held(found) / 2**20,
                "peak_mebibytes": peak / 2**20,
                "full_mebibytes": 72 * len(obs) * len(tri) / 2**20,
                "error": float(np.linalg.norm(part(found) - exact) / np.linalg.norm(exact)),
            }
        )
    return rows


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
    facts = machine()
    n, far = (3000, 500) if options.quick else (100_000, 5000)
    pixels = 800 if options.quick else 8000
    operator(500, 500, 1e-3, 0.0, "float64")  # compile
    blocks = [row for tolerance in (1e-4, 1e-6) for row in block(far, tolerance)]
    print(table(blocks), flush=True)
    grids = [grid(pixels, 1000, tolerance) for tolerance in (1e-2, 1e-4, 1e-6)]
    print(table(grids), flush=True)
    cases = [(1e-4, 0.0, "float64"), (1e-6, 0.0, "float64"), (1e-4, 25.0, "float32")]
    operators = [operator(n, n, *case) for case in cases]
    print(table(operators))
    if options.json:
        options.json.write_text(
            json.dumps({"facts": facts, "blocks": blocks, "grids": grids, "operators": operators}, indent=1)
            + "\n"
        )


if __name__ == "__main__":
    main()
