"""Convex quadratic problems in a box, by projected Newton steps (Bertsekas 1982).

Each round holds the coefficients that press against their bounds, solves for the others exactly, and projects
the step back into the box. The rounds are few, because the set of held coefficients settles quickly; without
bounds there is one. The same rounds serve dense matrices and products alone.

References
----------
Bertsekas, D. P. (1982). Projected Newton methods for optimization problems with simple constraints.
SIAM J. Control Optim. 20(2), 221-246.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dislok.arrays import HostArray as Array

Mask = NDArray[np.bool_]

_ROUNDS = 200
_HALVINGS = 40


class Normal(Protocol):
    """A symmetric positive definite matrix N, (u, u)."""

    def product(self, x: Array) -> Array:
        """N x."""
        ...

    def solve_face(self, free: Mask, rhs: Array) -> Array:
        """Solve ``N[free, free] x = rhs``."""
        ...


class DenseNormal:
    """N = SᵀS of a stored factor S (k, u)."""

    def __init__(self, factor: Array) -> None:
        self.matrix: Array = factor.T @ factor

    def product(self, x: Array) -> Array:
        """N x."""
        return self.matrix @ x

    def solve_face(self, free: Mask, rhs: Array) -> Array:
        """Solve ``N[free, free] x = rhs`` by Cholesky."""
        factor = linalg.cho_factor(self.matrix[np.ix_(free, free)], check_finite=False)
        return np.asarray(linalg.cho_solve(factor, rhs, check_finite=False))


class Boxed(NamedTuple):
    """Minimum (u,), which coefficients are free of their bounds (u,), rounds, and whether it converged."""

    x: Array
    free: Mask
    rounds: int
    converged: bool


def minimise(
    normal: Normal,
    rhs: Array,
    lower: Array,
    upper: Array,
    tolerance: float = 1e-10,
    start: Array | None = None,
) -> Boxed:
    """Minimise ``x N x / 2 - rhs x`` over ``lower <= x <= upper``.

    Parameters
    ----------
    normal : Normal
        The matrix.
    rhs, lower, upper : (u,)
        Right-hand side and bounds, infinite where there is none.
    tolerance : float
        Converged when the gradient of the free coefficients is below this share of the largest of `rhs`.
    start : (u,), optional
        Where to begin.
    """
    x = np.clip(np.zeros(rhs.size) if start is None else start, lower, upper)
    goal = tolerance * max(float(np.abs(rhs).max(initial=0.0)), np.finfo(float).tiny)
    gradient = normal.product(x) - rhs
    free = _inner(x, gradient, lower, upper)
    for round_ in range(_ROUNDS):
        if float(np.abs(gradient[free]).max(initial=0.0)) <= goal:
            return Boxed(x, free, round_, True)
        step = np.zeros(x.size)
        step[free] = -normal.solve_face(free, gradient[free])
        x, gradient, moved = _search(normal, x, gradient, step, lower, upper)
        if not moved:
            return Boxed(x, free, round_, False)
        free = _inner(x, gradient, lower, upper)
    return Boxed(x, free, _ROUNDS, False)


def _inner(x: Array, gradient: Array, lower: Array, upper: Array) -> Mask:
    """Coefficients that do not press against a bound."""
    return ~(((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0)))


def _search(
    normal: Normal, x: Array, gradient: Array, step: Array, lower: Array, upper: Array
) -> tuple[Array, Array, bool]:
    """Halve a step until its projection lowers the objective enough (Armijo): x, gradient, success."""
    for halving in range(_HALVINGS):
        trial = np.clip(x + 0.5**halving * step, lower, upper)
        change = trial - x
        curved = normal.product(change)
        slope = float(gradient @ change)
        if slope < 0 and slope + 0.5 * float(change @ curved) <= 1e-4 * slope:
            return trial, gradient + curved, True
    return x, gradient, False
