"""Moment tensors as unknowns.

Six numbers, what a constraint leaves of them, and their best values for a fixed place.

A tensor is a row of six numbers, east-east, north-north, up-up, east-north, east-up and north-up, in N·m. A
constraint is a surface in the space of these numbers: all of it ("full"), the plane of zero trace
("deviatoric") or the curved surface of double couples ("double_couple"). One moves on it along its
tangents.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg

from .filters import Array

CONSTRAINTS = ("full", "deviatoric", "double_couple")

_ROW, _COLUMN = np.array([0, 1, 2, 0, 0, 1]), np.array([0, 1, 2, 1, 2, 2])
_DEVIATORIC = np.array(
    [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [-1, -1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
    float,
)
_SPIN = np.array(
    [
        [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
        [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
    ],
    float,
)


class MomentPrior(NamedTuple):
    """Normal prior of the logarithm of one source's scalar moment.

    Attributes
    ----------
    moment : float
        Expected scalar moment (N·m).
    sigma : float
        Standard deviation of its natural logarithm.
    """

    moment: float
    sigma: float


def matrix(tensor: Array) -> Array:
    """Symmetric matrices (..., 3, 3) of rows of six (..., 6)."""
    full = np.empty((*tensor.shape[:-1], 3, 3))
    full[..., _ROW, _COLUMN] = tensor
    full[..., _COLUMN, _ROW] = tensor
    return full


def row(full: Array) -> Array:
    """Rows of six (..., 6) of symmetric matrices (..., 3, 3)."""
    return full[..., _ROW, _COLUMN]


def size(tensor: Array) -> Array:
    """Scalar moment √(Σ M_ij² / 2) of tensors (..., 6).

    This norm is smooth everywhere (Silver & Jordan 1982).
    """
    return np.asarray(np.sqrt((tensor[..., :3] ** 2).sum(-1) / 2 + (tensor[..., 3:] ** 2).sum(-1)))


def nearest_double_couple(tensor: Array) -> Array:
    """The double couples (n, 6) with the axes of tensors (n, 6) and half the spread of their eigenvalues."""
    values, axes = np.linalg.eigh(matrix(tensor))
    moment = (values[:, 2] - values[:, 0]) / 2
    pure = moment[:, None] * np.array([-1.0, 0.0, 1.0])
    return row(np.einsum("nij,nj,nkj->nik", axes, pure, axes))


def tangents(tensor: Array, constraint: str) -> Array:
    """Directions (6, k) in which a tensor (6,) may move: k = 6, 5 or 4."""
    if constraint == "full":
        return np.eye(6)
    if constraint == "deviatoric":
        return _DEVIATORIC
    m = matrix(tensor)
    turned = [row(spin @ m - m @ spin) for spin in _SPIN]
    return np.stack([tensor, *turned], axis=1)


def moved(tensor: Array, step: Array, constraint: str) -> Array:
    """The tensor (6,) after a step (k,) along its tangents, on the surface of the constraint."""
    if constraint != "double_couple":
        return tensor + tangents(tensor, constraint) @ step
    rotation = _rotation(step[1:])
    return row(np.exp(step[0]) * rotation @ matrix(tensor) @ rotation.T)


def _rotation(vector: Array) -> Array:
    """Rotation (3, 3) about a vector (3,) by its length, by Rodrigues' formula."""
    spin, angle = np.tensordot(vector, _SPIN, 1), np.linalg.norm(vector)
    half = np.sinc(angle / (2 * np.pi))
    return np.asarray(np.eye(3) + np.sinc(angle / np.pi) * spin + 0.5 * half**2 * spin @ spin)


def blocks(tensor: Array, constraint: str) -> Array:
    """Tangents of several tensors (n, 6) side by side, (6 n, k n)."""
    return linalg.block_diag(*(tangents(one, constraint) for one in tensor))


def moved_all(tensor: Array, step: Array, constraint: str) -> Array:
    """`moved` for tensors (n, 6) and a step (n k,)."""
    return np.stack(
        [moved(m, s, constraint) for m, s in zip(tensor, step.reshape(len(tensor), -1), strict=True)]
    )


def best(green: Array, data: Array, constraint: str, start: Array | None, prior: MomentPrior | None) -> Array:
    """Tensors that fit data best at fixed places and times.

    Parameters
    ----------
    green : (m, n, 6)
        Whitened data per unit of each element of n tensors.
    data : (m,)
        Whitened data.
    constraint : str
        One of `CONSTRAINTS`.
    start : (n, 6), optional
        Where to begin on a curved surface, besides the linear solution.
    prior : MomentPrior, optional
        Of every tensor's size.

    Returns
    -------
    (n, 6)
    """
    n = green.shape[1]
    design = green.reshape(len(data), 6 * n)
    scale = column_lengths(design)
    # Columns of a shallow source differ by orders of magnitude; the triangle keeps what normal equations
    # square.
    orthogonal, triangle = np.linalg.qr(design / scale)
    target = orthogonal.T @ data
    system = _Small(triangle, target, scale, constraint, prior)
    linear = system.linear(n)
    if constraint != "double_couple" and prior is None:
        return linear
    starts = [linear if start is None else start, linear]
    if prior is not None:
        starts.append(linear * (prior.moment / size(linear))[:, None])
    if constraint == "double_couple":
        starts = [nearest_double_couple(one) for one in starts]
    ends = [system.descend(one) for one in starts]
    return min(ends, key=system.misfit)


class _Small(NamedTuple):
    """The problem of the tensors alone: at most six rows a tensor, whatever the number of data."""

    triangle: Array
    target: Array
    scale: Array
    constraint: str
    prior: MomentPrior | None

    def linear(self, n: int) -> Array:
        """Least squares without prior, on the flat surface of the constraint."""
        flat = "full" if self.constraint == "full" else "deviatoric"
        basis = linalg.block_diag(*[tangents(np.zeros(6), flat)] * n)
        weights, *_ = np.linalg.lstsq(self.triangle * self.scale @ basis, self.target, rcond=None)
        return (basis @ weights).reshape(n, 6)

    def residual(self, tensor: Array) -> Array:
        left = self.target - self.triangle @ (self.scale * tensor.ravel())
        return np.concatenate([left, prior_residual(tensor, self.prior)])

    def misfit(self, tensor: Array) -> float:
        return float((self.residual(tensor) ** 2).sum())

    def descend(self, tensor: Array) -> Array:
        """Levenberg-Marquardt on the surface of the constraint."""
        damping, value = 1e-6, self.misfit(tensor)
        for _ in range(60):
            slope = np.concatenate([self.triangle * self.scale, -prior_slope(tensor, self.prior)])
            step = damped(slope @ blocks(tensor, self.constraint), self.residual(tensor), damping)
            trial = moved_all(tensor, step, self.constraint)
            found = self.misfit(trial)
            if found < value:
                gain, tensor, value = value - found, trial, found
                damping = max(damping / 10, 1e-12)
                if gain < 1e-14 * value:
                    break
            elif damping > 1e6:
                break
            else:
                damping *= 10
        return tensor


def prior_residual(tensor: Array, prior: MomentPrior | None) -> Array:
    """Expected less actual logarithm of every tensor's moment in standard deviations, (n,).

    None without prior.
    """
    if prior is None:
        return np.zeros(0)
    return np.asarray((np.log(prior.moment) - np.log(size(tensor))) / prior.sigma)


def prior_slope(tensor: Array, prior: MomentPrior | None) -> Array:
    """Derivative of `prior_residual` with respect to all elements, (n, 6 n); no rows without prior."""
    n = len(tensor)
    if prior is None:
        return np.zeros((0, 6 * n))
    weights = np.array([0.5, 0.5, 0.5, 1.0, 1.0, 1.0])
    slope = -weights * tensor / size(tensor)[:, None] ** 2 / prior.sigma
    return linalg.block_diag(*slope[:, None, :])


def damped(matrix: Array, residual: Array, damping: float) -> Array:
    """Least-squares step with Marquardt's scaling by the columns' length."""
    scale = column_lengths(matrix)
    scaled = matrix / scale
    if damping > 0:
        scaled = np.concatenate([scaled, np.sqrt(damping) * np.eye(scaled.shape[1])])
        residual = np.concatenate([residual, np.zeros(len(scale))])
    step, *_ = np.linalg.lstsq(scaled, residual, rcond=None)
    return np.asarray(step / scale)


def column_lengths(matrix: Array) -> Array:
    """Euclidean length of every column, one for those of zeros."""
    length = np.linalg.norm(matrix, axis=0)
    return np.where(length > 0, length, 1.0)
