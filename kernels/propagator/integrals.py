"""Integrals over wavenumber: kernels of a stack times Bessel functions, as products of matrices.

For a column F of order m the integrals are (1/2 pi) of F(k) J_m(k r) k dk and of F(k) J_m'(k r) k² dk,
which is its derivative with the distance r. The Bessel functions are tabulated once for all frequencies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import j0, j1

from dislok.kernels.threads import default_threads, executor

from .numba_cpu import sweep
from .pair import COLUMNS, ELASTIC, GROUPS, LOSSY, STATIC
from .stack import Layers, Paths, table, table_along

FORCE_COLUMNS = tuple(name for name in COLUMNS if "F" in name)
# J_m(x) = (x/2)^m / m! times the sum of (-x²/4)^n m! / (n! (n + m)!)
SERIES_BELOW = 1.0


class Grid(NamedTuple):
    """Wavenumbers (rad/km, n a multiple of `LANES`), weights of the quadrature, and how many of them each
    frequency needs (multiples of `LANES`)."""

    k: np.ndarray
    weights: np.ndarray
    counts: np.ndarray


def bessel(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J_m(x) and J_m'(x) for m = 0 to 3; arrays (4, ...)."""
    safe = np.where(x > 0.0, x, 1.0)
    first, second = j0(x), j1(x)
    third = 2.0 * second / safe - first
    fourth = 4.0 * third / safe - second
    small = x < SERIES_BELOW
    if small.any():
        third[small], fourth[small] = _series(x[small], 2), _series(x[small], 3)
    values = np.stack([first, second, third, fourth])
    slopes = [-second, 0.5 * (first - third), 0.5 * (second - fourth), third - 3.0 * fourth / safe]
    return values, np.stack(slopes)


def _series(x: np.ndarray, m: int) -> np.ndarray:
    """J_m(x) for small x, without the cancellation of the recurrence."""
    z = -0.25 * x * x
    term = (0.5 * x) ** m / (2.0 if m == 2 else 6.0)
    total = term.copy()
    for n in range(1, 10):
        term = term * z / (n * (n + m))
        total += term
    return total


def bessel_tables(grid: Grid, distances: np.ndarray) -> np.ndarray:
    """Weights times Bessel functions: (order 0 to 3, J or J', distance, wavenumber)."""
    values, slopes = bessel(np.outer(distances, grid.k))
    weights = grid.weights * grid.k / (2.0 * np.pi)
    return np.stack([values * weights, slopes * (weights * grid.k)], axis=1)


def names(force: bool, moment: bool = True) -> list[tuple[int, str]]:
    """(Order, column) of every integral, in the order of the results."""
    kept = [c for c in COLUMNS if (force if c in FORCE_COLUMNS else moment)]
    return [(m, c) for m, group in GROUPS.items() for c in group if c in kept]


def kind_of(layers: Layers, omega: np.ndarray) -> int:
    """The kind of number that these frequencies and layers need."""
    if not np.any(omega):
        return STATIC
    return ELASTIC if layers.qp is None and layers.qs is None else LOSSY


def integrate(
    layers: Layers,
    paths: Paths,
    omega: np.ndarray,
    grid: Grid,
    tables: Sequence[np.ndarray],
    *,
    force: bool = False,
    direction: Layers | None = None,
) -> np.ndarray:
    """All integrals for sources on one side of the receiver.

    Parameters
    ----------
    layers, paths : Layers, Paths
    omega : array (n_omega,), complex
        All zero (the static limit), or none.
    grid : Grid
    tables : sequence of arrays
        `bessel_tables` of the distances of each source, all of one shape (4, 2, n_distances, n); one table
        serves all sources.
    force : bool
        Integrals of single forces as well.
    direction : Layers, optional
        Direction in the space of layer properties.

    Returns
    -------
    array (n_columns, 2, 2, n_sources, n_distances, n_omega), complex
        By column (`names`), J or J', and value or derivative with the source's depth. With `direction`, the
        derivatives along it.
    """
    kind, order = kind_of(layers, omega), 0 if direction is None else 1
    columns = names(force)
    width = 1 if kind == STATIC else 2
    kept = [c for c in COLUMNS if force or c not in FORCE_COLUMNS]
    # a result row is value or derivative along the direction of: (depth derivative, column, part)
    wanted = np.array(
        [
            ((deeper * len(COLUMNS) + COLUMNS.index(c)) * width + part) * (1 + order) + order
            for c in kept
            for deeper in (0, 1)
            for part in range(width)
        ]
    )
    places = (
        table(layers, paths, omega) if direction is None else table_along(layers, direction, paths, omega)
    )
    run, n_sources, n_distances = sweep(kind, order), len(paths.sources), tables[0].shape[2]
    result = np.empty((len(omega), len(columns), 2, 2, width, n_sources, n_distances))
    starts = {m: kept.index(next(c for c in group if c in kept)) for m, group in GROUPS.items()}
    sizes = {m: sum(c in kept for c in group) for m, group in GROUPS.items()}

    def one(index: int) -> None:
        n = int(grid.counts[index])
        values: Any = np.empty((len(wanted), n_sources, n))
        run(
            grid.k[:n],
            places[index],
            paths.ends,
            paths.carried,
            paths.other,
            paths.sources,
            paths.sign,
            wanted,
            values,
        )
        values = values.reshape(len(kept), 2 * width, n_sources, n)
        at = 0
        for m in GROUPS:
            part = values[starts[m] : starts[m] + sizes[m]]
            target = result[index, at : at + sizes[m]]
            at += sizes[m]
            _sum(tables, m, n, part, target)

    _run(one, len(omega))
    parts = np.moveaxis(result, 0, -1)
    total = parts[:, :, :, 0] + (0.0 if width == 1 else 1j * parts[:, :, :, 1])
    return np.ascontiguousarray(total, dtype=complex)


def _sum(tables: Sequence[np.ndarray], m: int, n: int, part: np.ndarray, target: np.ndarray) -> None:
    """Products of the Bessel tables of order m with columns (c, 2 x parts, sources, n)."""
    count, rows, n_sources, _ = part.shape
    n_distances = tables[0].shape[2]
    if len(tables) == 1:
        bessels = tables[0][m, :, :, :n].reshape(2 * n_distances, n)
        product = bessels @ part.reshape(-1, n).T
        shaped = product.reshape(2, n_distances, count, 2, rows // 2, n_sources)
        target[:] = shaped.transpose(2, 0, 3, 4, 5, 1)
        return
    for source, each in enumerate(tables):
        bessels = each[m, :, :, :n].reshape(2 * n_distances, n)
        product = bessels @ part[:, :, source].reshape(-1, n).T
        shaped = product.reshape(2, n_distances, count, 2, rows // 2)
        target[..., source, :] = shaped.transpose(2, 0, 3, 4, 1)


def _run(task: Callable[[int], None], count: int) -> None:
    """Call `task` with 0 to count - 1, on as many threads as Numba is set to."""
    threads = min(default_threads(), count)
    if threads <= 1:
        for index in range(count):
            task(index)
    else:
        list(executor(threads).map(task, range(count)))
