"""Dense least squares with smoothing: reduced once by QR, then solved for any smoothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse

from dislok.arrays import HostArray as Array

from .quadratic import Boxed, DenseNormal, minimise


class Reduced(NamedTuple):
    """``|d - G c|² = |t - T c|² + rest`` for every c: T (r, u) and t (r,) with r <= u + 1."""

    matrix: Array
    data: Array
    rest: float


class Solution(NamedTuple):
    """Minimum of ``|t - T c|² + λ² |R c|²`` in a box.

    Attributes
    ----------
    coefficients : (u,); free : (u,) those not held by a bound.
    misfit : ``|d - G c|²``, whitened; roughness : ``|R c|²``.
    factor : (u, u) upper triangular S with ``SᵀS = TᵀT + λ²RᵀR``.
    least : misfit and ``λ² |R c|²`` together where no bound holds.
    rounds, converged : of the search for what the bounds hold.
    """

    coefficients: Array
    free: NDArray[np.bool_]
    misfit: float
    roughness: float
    factor: Array
    least: float
    rounds: int
    converged: bool


def reduce(matrix: Array, data: Array) -> Reduced:
    """Replace whitened data (k,) and matrix (k, u) by their triangular factor where that is smaller."""
    k, u = matrix.shape
    if k <= u:
        return Reduced(matrix, data, 0.0)
    joined = linalg.qr(np.column_stack([matrix, data]), mode="r", check_finite=False)[0][: u + 1]
    return Reduced(joined[:u, :u], joined[:u, u], float(joined[u, u] ** 2) if k > u else 0.0)


def solve(
    reduced: Reduced, rough: sparse.csr_array, smoothing: float, lower: Array, upper: Array
) -> Solution:
    """Minimise misfit plus ``smoothing²`` times roughness between bounds.

    Parameters
    ----------
    reduced : Reduced
        Of u unknowns.
    rough : sparse array, shape (r, u)
        R.
    smoothing : float
        λ, positive or zero.
    lower, upper : (u,)
        Bounds, infinite where there is none.

    Raises
    ------
    ValueError
        If data and smoothing together leave a coefficient undetermined.
    """
    factor, target, least = stacked(reduced, rough, smoothing)
    free = np.ones(target.size, bool)
    coefficients = np.asarray(linalg.solve_triangular(factor, target, check_finite=False))
    rounds, converged = 0, True
    if not ((coefficients >= lower) & (coefficients <= upper)).all():
        boxed = _boxed(factor, target, lower, upper)
        coefficients, free, rounds, converged = boxed
    residual = reduced.data - reduced.matrix @ coefficients
    misfit = float(residual @ residual) + reduced.rest
    bends = rough @ coefficients
    return Solution(coefficients, free, misfit, float(bends @ bends), factor, least, rounds, converged)


def stacked(reduced: Reduced, rough: sparse.csr_array, smoothing: float) -> tuple[Array, Array, float]:
    """Triangular factor (u, u), right-hand side (u,) and least sum of squares of data and smoothing."""
    u = reduced.matrix.shape[1]
    rows = np.concatenate([reduced.matrix, smoothing * rough.toarray()])
    right = np.concatenate([reduced.data, np.zeros(rough.shape[0])])
    joined = linalg.qr(np.column_stack([rows, right]), mode="r", check_finite=False)[0]
    factor, target = joined[:u, :u], joined[:u, u]
    size = np.abs(np.diagonal(factor))
    if len(factor) < u or not (size > 1e-13 * size.max(initial=0.0)).all():
        raise ValueError(
            "data and smoothing leave some slip undetermined; "
            "raise the smoothing, lock the edges, or use order 0"
        )
    least = float(joined[u, u] ** 2) if len(joined) > u else 0.0
    return factor, target, least + reduced.rest


def covariance(factor: Array, free: NDArray[np.bool_]) -> Array:
    """Inverse (u, u) of ``SᵀS`` over the free coefficients, zero for those that a bound holds."""
    inverse = np.zeros_like(factor)
    if free.all():
        root = linalg.solve_triangular(factor, np.eye(len(factor)), check_finite=False)
    else:
        part = linalg.qr(factor[:, free], mode="r", check_finite=False)[0][: free.sum()]
        root = linalg.solve_triangular(part, np.eye(len(part)), check_finite=False)
    inverse[np.ix_(free, free)] = root @ root.T
    return inverse


def _boxed(factor: Array, target: Array, lower: Array, upper: Array) -> Boxed:
    """Minimise ``|s - S c|`` in a box, quickly; by SciPy where the normal matrix is near singular."""
    try:
        found = minimise(DenseNormal(factor), factor.T @ target, lower, upper)
    except linalg.LinAlgError:
        found = Boxed(target, target > 0, 0, False)
    if found.converged:
        return found._replace(x=_polished(factor, target, found, lower, upper))
    if not lower.any() and np.isposinf(upper).all():
        x = optimize.nnls(factor, target, maxiter=30 * target.size)[0]
        return Boxed(x, x > 0, found.rounds, True)
    slow = optimize.lsq_linear(factor, target, (lower, upper), method="bvls", max_iter=30 * target.size)
    return Boxed(np.clip(slow.x, lower, upper), slow.active_mask == 0, found.rounds + slow.nit, slow.success)


def _polished(factor: Array, target: Array, boxed: Boxed, lower: Array, upper: Array) -> Array:
    """The same minimum from the factor itself, whose condition is the root of the normal matrix's."""
    inside = boxed.free & (boxed.x > lower) & (boxed.x < upper)
    held = np.where(inside, 0.0, boxed.x)
    part = linalg.lstsq(factor[:, inside], target - factor @ held, lapack_driver="gelsy", check_finite=False)[
        0
    ]
    better = held.copy()
    better[inside] = part
    return better if ((better >= lower) & (better <= upper)).all() else boxed.x
