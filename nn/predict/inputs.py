"""Common input of the classical methods: checked images, missing pixels, local normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dislok.kernels.images.masks import landing

from ..match.planes import normalise

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def checked_pair(pre: Array, post: Array, valid: Mask | None) -> tuple[Array, Array, Mask]:
    """Both images as float32 and where both can be used."""
    first, second = np.asarray(pre), np.asarray(post)
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            f"pre and post: expected two images of one shape (h, w), got {first.shape}, {second.shape}"
        )
    good = np.isfinite(first) & np.isfinite(second)
    if valid is not None:
        if np.shape(valid) != first.shape:
            raise ValueError(f"valid: expected shape {first.shape}, got {np.shape(valid)}")
        good &= np.asarray(valid, bool)
    if not good.any():
        raise ValueError("pre and post: no pixel can be used in both")
    return first.astype(np.float32), second.astype(np.float32), good


def fill(image: Array, good: Mask, sigma: float = 8.0) -> Array:
    """The image without gaps: a smooth surface in them, so that no window sees an edge that is none."""
    if good.all():
        return np.ascontiguousarray(image)
    mean, weight = _smooth(image, good, sigma)
    level = np.float32(np.median(image[good]))
    smooth = np.where(weight > 1e-3, mean, level)
    return np.where(good, image, smooth).astype(np.float32)


def _smooth(image: Array, good: Mask, sigma: float) -> tuple[Array, Array]:
    """Gaussian mean over the pixels that are there, and their weight."""
    weight = ndimage.gaussian_filter(good.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(good, image, 0).astype(np.float32), sigma)
    return total / np.maximum(weight, 1e-6), weight


def normalised(image: Array, good: Mask, sigma: float) -> Array:
    """Local normalisation, less the mean and over the deviation in Gaussian windows; 0 where missing."""
    return normalise(np.where(good, image, 0).astype(np.float32), good.astype(np.float32), sigma, 1e-3)


def eight_bit(image: Array, good: Mask, low: float, high: float) -> Array:
    """The image as numbers from 0 to 255."""
    scaled = (fill(image, good) - low) * (255.0 / max(high - low, 1e-12))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def whole_windows(good: Mask, values: Array, inner: int, outer: int) -> Mask:
    """Where the window of `pre` at a pixel, and that of `post` where it went, hold only usable pixels."""
    whole = ndimage.minimum_filter(np.pad(good, inner), 2 * inner + 1)[inner:-inner, inner:-inner]
    small = ndimage.minimum_filter(np.pad(good, outer), 2 * outer + 1)[outer:-outer, outer:-outer]
    return whole & landed(small, values)


def landed(good: Mask, values: Array) -> Mask:
    """Where displaced pixels (east, north) fall between ones that can be used."""
    right, down = (np.ascontiguousarray(a, np.float32) for a in (values[..., 0], -values[..., 1]))
    return landing(np.ascontiguousarray(good), right, down)
