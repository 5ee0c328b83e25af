"""Integrals over wavenumber: kernels of a stack times Bessel functions, as products of matrices.

For a column F of order m the integrals are (1/2 pi) of F(k) J_m(k r) k dk and of F(k) J_m'(k r) k² dk,
which is its derivative with the distance r. The Bessel functions are tabulated once for all frequencies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dislok.kernels.names import Array, Namespace
from dislok.kernels.threads import default_threads, share

from . import bessel as own
from .numba_cpu import sweep
from .pair import COLUMNS, ELASTIC, FORCE_COLUMNS, GROUPS, LOSSY, STATIC, kept_columns
from .stack import Layers, Paths, table, table_along
from .truncation import Grid, cut_off, reach

# OpenBLAS shares larger products among threads, each of which would wait for those of the other frequencies.
_UNTHREADED = 1 << 18
# J_m(x) = (x/2)^m / m! times the sum of (-x²/4)^n m! / (n! (n + m)!)
SERIES_BELOW = 1.0


def bessel(x: Array, xp: Namespace = np, special: Namespace = own) -> tuple[Array, Array]:
    """J_m(x) and J_m'(x) for m = 0 to 3; arrays (4, ...). `xp` is NumPy or CuPy, `special` its functions."""
    safe = xp.where(x > 0.0, x, 1.0)
    first, second = special.j0(x), special.j1(x)
    third = 2.0 * second / safe - first
    fourth = 4.0 * third / safe - second
    small = x < SERIES_BELOW
    if xp is not np:  # whose values are not looked at
        near = xp.minimum(x, SERIES_BELOW)
        third, fourth = xp.where(small, _series(near, 2), third), xp.where(small, _series(near, 3), fourth)
    elif small.any():
        third[small], fourth[small] = _series(x[small], 2), _series(x[small], 3)
    values = xp.stack([first, second, third, fourth])
    slopes = [-second, 0.5 * (first - third), 0.5 * (second - fourth), third - 3.0 * fourth / safe]
    return values, xp.stack(slopes)


def _series(x: Array, m: int) -> Array:
    """J_m(x) for small x, without the cancellation of the recurrence."""
    z = -0.25 * x * x
    term = (0.5 * x) ** m / (2.0 if m == 2 else 6.0)
    total = term.copy()
    for n in range(1, 10):
        term = term * z / (n * (n + m))
        total += term
    return total


def bessel_tables(grid: Grid, distances: np.ndarray, xp: Namespace = np, special: Namespace = own) -> Array:
    """Weights times Bessel functions of distances (..., d): (..., order 0 to 3, J or J', d, wavenumber)."""
    k, weights = xp.asarray(grid.k), xp.asarray(grid.weights * grid.k / (2.0 * np.pi))
    values, slopes = bessel(xp.asarray(distances)[..., None] * k, xp, special)
    if np.isfinite(grid.turn):
        weights = weights * cut_off(grid, distances, xp, special)
    tables = xp.stack([values * weights, slopes * (weights * k)], axis=-3)
    return xp.moveaxis(tables, 0, -4)


def names(force: bool, moment: bool = True) -> list[tuple[int, str]]:
    """(Order, column) of every integral, in the order of the results."""
    kept = [c for c in COLUMNS if (force if c in FORCE_COLUMNS else moment)]
    return [(m, c) for m, group in GROUPS.items() for c in group if c in kept]


def kind_of(layers: Layers, omega: np.ndarray) -> int:
    """The kind of number that these frequencies and layers need."""
    if not np.any(omega):
        return STATIC
    return ELASTIC if layers.qp is None and layers.qs is None else LOSSY


class Rows(NamedTuple):
    """Where a sweep's results go: those of one order of the Bessel functions lie together, source by source.

    `which`: rows of the kernel's result, in the order of `names`, value or depth derivative, part; `begin`
    and `stride`: where each begins and how far apart the sources are, in units of the number of wavenumbers;
    `of_order`: for each order, its columns.
    """

    which: np.ndarray
    begin: np.ndarray
    stride: np.ndarray
    of_order: dict[int, slice]


def rows_of(kind: int, order: int, force: bool, n_sources: int) -> Rows:
    """The rows that `integrate` asks of a sweep."""
    columns, kept, width = names(force), kept_columns(force), 1 if kind == STATIC else 2
    orders = [m for m, _ in columns]
    of_order = {m: slice(orders.index(m), orders.index(m) + orders.count(m)) for m in GROUPS}
    which, begin, stride = [], [], []
    for number, (m, column) in enumerate(columns):
        first, count = of_order[m].start, orders.count(m)
        for part in range(2 * width):
            deeper, half = divmod(part, width)
            row = (deeper * len(kept) + kept.index(column)) * width + half
            which.append(row * (1 + order) + order)
            begin.append(2 * width * (first * n_sources + number - first) + part)
            stride.append(2 * width * count)
    return Rows(np.array(which), np.array(begin), np.array(stride), of_order)


def integrate(
    layers: Layers,
    paths: Paths,
    omega: np.ndarray,
    grid: Grid,
    tables: Array,
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
    tables : array (n_sources or 1, 4, 2, n_distances, n)
        `bessel_tables` of the distances of each source; one table serves all sources.
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
    places = (
        table(layers, paths, omega) if direction is None else table_along(layers, direction, paths, omega)
    )
    tables = np.asarray(tables)
    n_sources, n_distances = len(paths.sources), tables.shape[3]
    bessels = {m: tables[:, m].reshape(len(tables), 2 * n_distances, -1) for m in GROUPS}
    run, work = sweep(kind, order, force), reach(layers, paths, omega, grid)
    rows, width = rows_of(kind, order, force, n_sources), 1 if kind == STATIC else 2
    sizes = {m: 2 * width * (of.stop - of.start) for m, of in rows.of_order.items()}
    totals = {m: np.empty((len(omega), n_sources, 2 * n_distances, size)) for m, size in sizes.items()}

    def one(index: int) -> None:
        n, pieces = int(work.counts[index].max()), work.pieces(index)
        values: Array = np.empty(n_sources * len(rows.which) * n)
        run(
            grid.k[:n],
            places[index],
            paths.ends,
            paths.carried,
            paths.other,
            paths.sources,
            paths.sign,
            work.active[index],
            work.entry[index],
            rows.which,
            rows.begin * n,
            rows.stride * n,
            work.taper[:, :n].reshape(-1),
            values,
        )
        at = 0
        for m, size in sizes.items():
            columns = values[at : at + n_sources * size * n].reshape(n_sources, size, n)
            _sum(bessels[m], columns, pieces, totals[m][index])
            at += n_sources * size * n

    _run(one, len(omega))
    result = np.empty((n_sources, n_distances, len(names(force)), 2, 2, len(omega)), dtype=complex)
    for m, of in rows.of_order.items():
        shaped = totals[m].reshape(len(omega), n_sources, 2, n_distances, -1, 2, width)
        parts = shaped.transpose(6, 1, 3, 4, 2, 5, 0)
        result[:, :, of].real = parts[0]
        result[:, :, of].imag = parts[1] if width == 2 else 0.0
    return result.transpose(2, 3, 4, 0, 1, 5)


def _sum(
    bessels: np.ndarray, columns: np.ndarray, pieces: list[tuple[slice, int, int]], total: np.ndarray
) -> None:
    """Bessel tables times columns, summed over the wavenumbers that each source needs.

    Tables of one order (n_sources or 1, 2 d, n), columns (n_sources, c, n), `total` (n_sources, 2 d, c).
    """
    for those, begin, end in pieces:
        block = columns[those, :, begin:end].swapaxes(1, 2)
        tables = bessels[those if len(bessels) > 1 else slice(None), :, begin:end]
        step = max(_UNTHREADED // block[0].size, 4)
        for at in range(0, total.shape[1], step):
            product = tables[:, at : at + step] @ block
            if begin == 0:  # which all sources need
                total[:, at : at + step] = product
            else:
                total[those, at : at + step] += product


def _run(task: Callable[[int], None], count: int) -> None:
    """Call `task` with 0 to count - 1, on as many threads as Numba is set to."""
    share(task, [(index,) for index in range(count)], default_threads(), lambda: None)
