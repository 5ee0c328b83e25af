"""Interpolative decompositions of small matrices: a few columns of which all columns are combinations."""

from __future__ import annotations

import math

import numpy as np

from dislok.kernels.cpu import kernel

# Loops run over the columns of a row, innermost, so that nothing is summed across lanes.


@kernel
def triangle(work, tolerance, r, pivots):
    """Pivoted QR decomposition by modified Gram-Schmidt, stopped early; `work` is used up.

    Writes rows of R, columns in their own order, and the pivots. Returns how many: as many as it takes until
    what is left of all columns has a Frobenius norm of at most `tolerance` times that at the start.
    """
    rows, columns = np.uint64(work.shape[0]), np.uint64(work.shape[1])
    left = np.zeros(work.shape[1])
    direction = np.zeros(work.shape[0])
    for i in range(rows):
        for j in range(columns):
            left[j] += work[i, j] * work[i, j]
    limit = tolerance * tolerance * left.sum()
    rank = 0
    while rank < min(work.shape) and (rank == 0 or left.sum() > limit):
        pivot = int(np.argmax(left))
        length = math.sqrt(left[pivot])
        if length == 0.0:
            break
        for i in range(rows):
            direction[i] = work[i, pivot] / length
        r[rank] = 0.0
        for i in range(rows):
            for j in range(columns):
                r[rank, j] += direction[i] * work[i, j]
        left[:] = 0.0
        for i in range(rows):
            for j in range(columns):
                work[i, j] -= direction[i] * r[rank, j]
                left[j] += work[i, j] * work[i, j]
        pivots[rank] = pivot
        rank += 1
        for k in range(rank):
            left[pivots[k]] = 0.0
    return rank


@kernel
def solve(r, pivots, rank, factor):
    """Combine pivot columns into all columns: back substitution with the triangle of the pivots."""
    columns = np.uint64(r.shape[1])
    for back in range(rank):
        k = rank - 1 - back
        factor[k] = r[k]
        for later in range(k + 1, rank):
            weight = r[k, pivots[later]]
            for j in range(columns):
                factor[k, j] -= weight * factor[later, j]
        diagonal = r[k, pivots[k]]
        for j in range(columns):
            factor[k, j] /= diagonal
    for k in range(rank):
        for j in range(rank):
            factor[j, pivots[k]] = 0.0
        factor[k, pivots[k]] = 1.0


@kernel
def miss(values, chosen, factor):
    """Square of the Frobenius norm of ``values - values[:, chosen] @ factor``, and of that of `values`."""
    columns = np.uint64(values.shape[1])
    rest = np.zeros(values.shape[1])
    wrong = np.zeros(values.shape[1])
    whole = np.zeros(values.shape[1])
    for i in range(np.uint64(values.shape[0])):
        for j in range(columns):
            rest[j] = values[i, j]
            whole[j] += values[i, j] * values[i, j]
        for k in range(len(chosen)):
            weight = values[i, chosen[k]]
            for j in range(columns):
                rest[j] -= weight * factor[k, j]
        for j in range(columns):
            wrong[j] += rest[j] * rest[j]
    return wrong.sum(), whole.sum()


def interpolative(values: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns of which all columns are combinations, up to an error in the Frobenius norm.

    Parameters
    ----------
    values : ndarray, shape (n, m)
    tolerance : float
        Norm of the error over that of `values`, measured orthogonally to the columns chosen.

    Returns
    -------
    chosen : ndarray of int, shape (k,)
    factor : ndarray, shape (k, m)
        ``values ≈ values[:, chosen] @ factor``. Of zeros, one column is chosen.
    """
    most = min(values.shape)
    r, pivots = np.empty((most, values.shape[1])), np.zeros(most, np.int64)
    rank = triangle(np.array(values, np.float64, order="C"), tolerance, r, pivots)
    factor = np.zeros((max(rank, 1), values.shape[1]))
    solve(r, pivots, rank, factor)
    return pivots[: max(rank, 1)], factor
