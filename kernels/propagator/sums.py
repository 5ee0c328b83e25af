"""What the CUDA backends share: the arrays that threads read, and the sums over wavenumber."""

from __future__ import annotations

import numpy as np

from dislok.kernels.lanes import LANES
from dislok.kernels.names import Array, Namespace

from .pair import GROUPS, PLACE, kept_columns
from .stack import Layers, Paths, table
from .truncation import Grid, reach


def places_by_row(layers: Layers, paths: Paths, omega: np.ndarray) -> np.ndarray:
    """`stack.table` with the numbers of a place side by side, flat."""
    chunks = table(layers, paths, omega).reshape(len(omega), -1, len(PLACE), LANES)
    return np.ascontiguousarray(chunks.transpose(0, 1, 3, 2)).reshape(-1)


def inputs(layers: Layers, paths: Paths, omega: np.ndarray, grid: Grid) -> list[np.ndarray]:
    """What the threads read.

    Wavenumbers, counts (n_omega, n_sources), tapers (n_sources, n), the table of places, ends, the two paths,
    entries (n_omega, blocks, 2) and the sources' places.
    """
    work = reach(layers, paths, omega, grid)
    whole = [work.counts, paths.ends, paths.carried, paths.other, work.entry, paths.sources]
    counts, *steps = (np.ascontiguousarray(each, dtype=np.int64) for each in whole)
    return [grid.k, counts, work.taper, places_by_row(layers, paths, omega), *steps]


def sums(xp: Namespace, values: Array, bessels: Array, columns_of: list[tuple[int, str]]) -> Array:
    """Integrals from columns: Bessel tables times columns, one product for each order.

    Parameters
    ----------
    xp : module
        CuPy, or NumPy.
    values : array (columns, 2, parts, n_sources, n_omega, n)
    bessels : array (1 or n_sources, 4, 2, n_distances, n)
    columns_of : list
        `integrals.names` of the result.

    Returns
    -------
    array (n_columns, 2, 2, n_sources, n_distances, n_omega), complex
        As `integrals.integrate` returns it.
    """
    _, _, parts, n_sources, n_omega, n = values.shape
    kept = kept_columns("F0" in columns_of[0][1])
    n_distances = bessels.shape[3]
    result = xp.empty((len(columns_of), 2, 2, n_sources, n_distances, n_omega), dtype=complex)
    for order in GROUPS:
        of = [i for i, (m, _) in enumerate(columns_of) if m == order]
        first = kept.index(columns_of[of[0]][1])
        group = values[first : first + len(of)].transpose(3, 5, 0, 1, 2, 4).reshape(n_sources, n, -1)
        product = xp.matmul(bessels[:, order].reshape(len(bessels), -1, n), group)
        shaped = product.reshape(n_sources, 2, n_distances, len(of), 2, parts, n_omega)
        total = shaped[..., 0, :] + (1j * shaped[..., 1, :] if parts == 2 else 0.0)
        result[of[0] : of[-1] + 1] = total.transpose(3, 1, 4, 0, 2, 5)
    return result
