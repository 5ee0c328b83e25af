"""Slip without a stored matrix: products with the Green's functions, and conjugate gradients on each face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from dislok.arrays import HostArray as Array

from .quadratic import Boxed, Mask, minimise

if TYPE_CHECKING:
    from .problem import SlipProblem


_PROBES = 4
_ROUGHLY = 1e-2


class ProductNormal:
    """N = GᵀG + λ²RᵀR by products alone, memory O(data + patches).

    On a face, conjugate gradients are preconditioned by λ²RᵀR plus the mean of the diagonal of GᵀG: what they
    still have to find is the part of slip that the data see.

    Parameters
    ----------
    problem : SlipProblem
        Gives ``forward`` and ``backward``.
    smoothing : float
        λ, positive.
    tolerance : float
        Relative residual of each solution.
    max_iterations : int
        Products at most on one face.
    """

    def __init__(
        self, problem: SlipProblem, smoothing: float, tolerance: float = 1e-10, max_iterations: int = 2000
    ) -> None:
        self.problem, self.tolerance, self.max_iterations = problem, tolerance, max_iterations
        rough = problem.roughness
        self.penalty = sparse.csc_array(smoothing**2 * (rough.T @ rough))
        self.shift, self.products = self._mean_diagonal(), 0
        self._face = np.isinf(problem.lower) & np.isinf(problem.upper)

    def product(self, x: Array) -> Array:
        """N x."""
        self.products += 1
        return self.problem.backward(self.problem.forward(x)) + self.penalty @ x

    def solve_face(self, free: Mask, rhs: Array) -> Array:
        """Solve ``N[free, free] x = rhs``; a RuntimeError says when the iterations did not suffice."""
        count, full = int(free.sum()), np.zeros(free.size)
        # While the bounds that hold still change, an exact solution would be thrown away.
        settled = np.array_equal(free, self._face)
        self._face = free

        def on_face(x: Array) -> Array:
            full[free] = x
            return self.product(full)[free]

        face = self.penalty[free][:, free]
        factor = splu(sparse.csc_matrix(face + self.shift * sparse.eye_array(count)))
        x, status = cg(
            LinearOperator((count, count), matvec=on_face, dtype=float),
            rhs,
            rtol=self.tolerance if settled else max(self.tolerance, _ROUGHLY),
            maxiter=self.max_iterations,
            M=LinearOperator((count, count), matvec=factor.solve, dtype=float),
        )
        if status:
            raise RuntimeError(
                f"{self.max_iterations} products did not reach a residual of {self.tolerance:g}; "
                "raise the smoothing, the tolerance or max_iterations"
            )
        return np.asarray(x)

    def _mean_diagonal(self) -> float:
        """Mean of the diagonal of GᵀG, from a few random signs (Hutchinson)."""
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (_PROBES, self.problem.size))
        images = [self.problem.forward(sign) for sign in signs]
        return max(float(np.mean([v @ v for v in images])) / self.problem.size, np.finfo(float).tiny)


def solve_products(
    problem: SlipProblem, smoothing: float, tolerance: float, max_iterations: int
) -> tuple[Boxed, int]:
    """Minimise misfit plus smoothing between the problem's bounds; also how many products it took."""
    normal = ProductNormal(problem, smoothing, tolerance, max_iterations)
    rhs = problem.backward(problem.data)
    found = minimise(normal, rhs, problem.lower, problem.upper, tolerance=10 * tolerance)
    return found, normal.products
