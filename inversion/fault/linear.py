"""The linear half of separable least squares, with robust loss and bounds (Golub & Pereyra 2003)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from dislok.arrays import HostArray as Array

LOSSES = ("linear", "soft_l1", "huber", "cauchy")


class Profile(NamedTuple):
    """Least misfit over the linear coefficients.

    Attributes
    ----------
    value : misfit, half the sum of the losses.
    coefficients : (q,) the linear coefficients.
    residual : (k,) whitened residuals, data less prediction.
    weight : (k,) first derivative of the loss at each residual.
    curvature : (k,) second derivative of the loss with respect to the residual.
    active : (q,) coefficients that are strictly inside their bounds.
    """

    value: float
    coefficients: Array
    residual: Array
    weight: Array
    curvature: Array
    active: NDArray[np.bool_]


class Loss:
    """A robust loss ``scale**2 rho((r / scale)**2)`` of whitened residuals.

    As in `scipy.optimize.least_squares`.
    """

    def __init__(self, name: str = "linear", scale: float = 1.0) -> None:
        if name not in LOSSES:
            raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {name!r}")
        if not (np.isfinite(scale) and scale > 0):
            raise ValueError(f"loss_scale must be positive, got {scale!r}")
        self.name, self.scale = name, float(scale)

    def each(self, residual: Array) -> Array:
        """Half the loss of every residual."""
        return np.asarray(0.5 * self.scale**2 * _RHO[self.name]((residual / self.scale) ** 2)[0])

    def __call__(self, residual: Array) -> tuple[float, Array, Array]:
        """Half the summed loss, and per residual its first derivative over r and its second derivative."""
        z = (residual / self.scale) ** 2
        rho, slope, bend = _RHO[self.name](z)
        return 0.5 * self.scale**2 * float(rho.sum()), slope, slope + 2 * z * bend


def profile(
    data: Array, design: Array, loss: Loss, lower: Array, upper: Array, max_rounds: int = 50
) -> Profile:
    """Minimise the loss of ``data - design @ c`` over ``lower <= c <= upper`` by reweighted least squares.

    Parameters
    ----------
    data, design : ndarray, shapes (k,) and (k, q)
        Whitened data and columns; q may be zero.
    loss : Loss
        What a residual costs.
    lower, upper : ndarray, shape (q,)
        Bounds, infinite where there is none.
    max_rounds : int
        Rounds of reweighting at most; the linear loss needs none.
    """
    coefficients = _bounded_lstsq(data, design, np.ones(data.size), lower, upper)
    residual = data - design @ coefficients
    value, weight, curvature = loss(residual)
    for _ in range(max_rounds if loss.name != "linear" and design.shape[1] else 0):
        coefficients = _bounded_lstsq(data, design, np.sqrt(weight), lower, upper)
        residual = data - design @ coefficients
        previous = value
        value, weight, curvature = loss(residual)
        if previous - value <= 1e-13 * value:
            break
    active = (coefficients > lower) & (coefficients < upper)
    return Profile(value, coefficients, residual, weight, curvature, active)


def project_out(columns: Array, design: Array, weight: Array) -> Array:
    """Weighted columns (k, p) less what the weighted design (k, q) can explain of them."""
    root = np.sqrt(weight)[:, None]
    columns = root * columns
    if not design.shape[1]:
        return columns
    basis, _ = linalg.qr(root * design, mode="economic", check_finite=False)
    return np.asarray(columns - basis @ (basis.T @ columns))


def _bounded_lstsq(data: Array, design: Array, root: Array, lower: Array, upper: Array) -> Array:
    if not design.shape[1]:
        return np.zeros(0)
    a, b = root[:, None] * design, root * data
    free = np.asarray(linalg.lstsq(a, b, check_finite=False, lapack_driver="gelsy")[0])
    if ((free >= lower) & (free <= upper)).all():
        return free
    # The triangular factor is all that the bounded problem needs: its cost does not grow with the data.
    q, r = linalg.qr(a, mode="economic", check_finite=False)
    return np.asarray(optimize.lsq_linear(r, q.T @ b, bounds=(lower, upper), method="bvls").x)


def _linear(z: Array) -> tuple[Array, Array, Array]:
    return z, np.ones_like(z), np.zeros_like(z)


def _soft_l1(z: Array) -> tuple[Array, Array, Array]:
    root = np.sqrt(1 + z)
    return 2 * z / (root + 1), 1 / root, -0.5 / root**3


def _huber(z: Array) -> tuple[Array, Array, Array]:
    root = np.sqrt(np.maximum(z, 1.0))
    return np.where(z <= 1, z, 2 * root - 1), 1 / root, np.where(z <= 1, 0.0, -0.5 / root**3)


def _cauchy(z: Array) -> tuple[Array, Array, Array]:
    return np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2


_RHO = {"linear": _linear, "soft_l1": _soft_l1, "huber": _huber, "cauchy": _cauchy}
