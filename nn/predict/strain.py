"""Strain of the ground from a displacement map, by local planes instead of differences of two pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .inputs import Array, Mask


class Strain(NamedTuple):
    """Two-dimensional strain of the ground; all planes (h, w), NaN where too little is valid.

    Attributes
    ----------
    east, north, shear : E_ee, E_nn and E_en, tension positive.
    dilatation : E_ee + E_nn.
    largest_shear : half the difference of the principal strains.
    rotation : ½ (∂u_n/∂e - ∂u_e/∂n), anticlockwise positive, rad.
    error : standard deviation of each of the four gradients (E_ee, ∂u_e/∂n, ∂u_n/∂e, E_nn), (4, h, w).
    """

    east: Array
    north: Array
    shear: Array
    dilatation: Array
    largest_shear: Array
    rotation: Array
    error: Array


def strain(
    values: Array,
    valid: Mask,
    *,
    sigma: Array | None = None,
    window: float = 8.0,
    correlation: float = 5.0,
) -> Strain:
    """Strain by least squares: a plane through each component in a Gaussian window around every pixel.

    Parameters
    ----------
    values : ndarray, shape (h, w, 2)
        East and north displacement in pixels.
    valid : ndarray of bool, shape (h, w)
    sigma : ndarray, shape (h, w, 2), optional
        Standard deviations: weights, and the error. Without them pixels weigh the same and the error is
        that of a standard deviation of one pixel.
    window : float
        Standard deviation of the Gaussian window (px): features smaller than that are smoothed.
    correlation : float
        Distance (px) over which the map's errors are correlated (Gaussian), for the error of the strain.

    Returns
    -------
    Strain

    Raises
    ------
    ValueError
        If a shape or a number does not fit.
    """
    if values.shape != (*valid.shape, 2):
        raise ValueError(f"values: expected shape {(*valid.shape, 2)}, got {values.shape}")
    if not (window > 0 and correlation >= 0):
        raise ValueError(f"window, correlation: expected > 0 and >= 0, got {window}, {correlation}")
    slopes, errors = [], []
    for k in range(2):
        spread = np.ones(valid.shape) if sigma is None else sigma[..., k].astype(float)
        good = valid & np.isfinite(values[..., k]) & np.isfinite(spread) & (spread > 0)
        weight = np.where(good, 1 / np.where(good, spread, 1) ** 2, 0)
        found, error = _planes(np.where(good, values[..., k], 0), weight, window, correlation)
        slopes.append(found)
        errors.append(error)
    (ee, en), (ne, nn) = slopes
    shear = (en + ne) / 2
    largest = np.hypot((ee - nn) / 2, shear)
    return Strain(ee, nn, shear, ee + nn, largest, (ne - en) / 2, np.concatenate(errors))


def _planes(u: Array, weight: Array, window: float, correlation: float) -> tuple[Array, Array]:
    """Gradient (2, h, w) by east and north of the plane through `u`, and its standard deviation."""
    moment = _moments(weight, window)
    data = _moments(weight * u, window)
    normal = np.stack([[moment[i][j] for j in range(3)] for i in range(3)])
    normal = np.moveaxis(normal, (0, 1), (-2, -1))
    full = 2 * np.pi * window**2 * np.median(weight[weight > 0]) if (weight > 0).any() else 1.0
    enough = moment[0][0] > 0.1 * full
    normal[~enough] = np.eye(3)
    inverse = np.linalg.inv(normal)
    right = np.stack([data[0][k] for k in range(3)], -1)
    found = np.einsum("...ab,...b->...a", inverse, right)
    # Errors correlated over c: windows of σ see them as if each pixel stood for an area of 4πc² at most.
    area = max(1.0, 4 * np.pi * correlation**2 / (1 + correlation**2 / window**2) ** 2)
    half = _moments(weight, window / np.sqrt(2))
    spread = np.moveaxis(np.stack([[half[i][j] for j in range(3)] for i in range(3)]), (0, 1), (-2, -1))
    variance = np.einsum("...ab,...bc,...ca->...a", inverse, spread, inverse)
    error = np.sqrt(np.maximum(variance, 0) * area)
    out, sure = (np.where(enough[..., None], x, np.nan)[..., 1:] for x in (found, error))
    return np.moveaxis(out, -1, 0), np.moveaxis(sure, -1, 0)


def _moments(plane: Array, sigma: float) -> list[list[Array]]:
    """Sums of a plane over a Gaussian window (height one) times 1, e, n and their products: rows 1, e, n."""
    reach = int(np.ceil(4 * sigma))
    x = np.arange(-reach, reach + 1.0)
    g = np.exp(-0.5 * (x / sigma) ** 2)
    taps = [g, g * x, g * x * x]

    def total(east: int, north: int) -> Array:
        rows = ndimage.correlate1d(plane, taps[north] * (-1) ** north, axis=0, mode="constant")
        return ndimage.correlate1d(rows, taps[east], axis=1, mode="constant")

    return [
        [total(0, 0), total(1, 0), total(0, 1)],
        [total(1, 0), total(2, 0), total(1, 1)],
        [total(0, 1), total(1, 1), total(0, 2)],
    ]
