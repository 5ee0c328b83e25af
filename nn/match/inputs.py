"""Two images as the engine takes them: checked, in single precision, with masks, on one canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ...kernels.images.masks import uniform

SMALLEST = 64
MANY = 2**18  # pixels whose values say how an image is scaled
ROWS = 64  # rows that are scaled at a time, to stay in the cache
FLAT = 9  # pixels on a side of a square of one value that counts as nothing seen: fill, saturation


class NoMatch(ValueError):
    """Two images between which no motion can be told; the message says why."""


@dataclass(frozen=True)
class Pair:
    """Images of one size, zero where nothing is seen, and their masks of ones and zeros; float32."""

    pre: np.ndarray
    post: np.ndarray
    seen_pre: np.ndarray
    seen_post: np.ndarray


def plane(image: Any, name: str) -> np.ndarray:
    """A real image (h, w) as an array.

    Raises
    ------
    TypeError
        If it lies on another device than the CPU, which is the only one that the engine serves, or holds no
        real numbers.
    ValueError
        If it is not two-dimensional or too small.
    """
    array = on_host(image, name)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"{name} must be an image of shape (h, w), not {array.shape}: choose one band")
    if min(array.shape) < SMALLEST:
        raise ValueError(f"{name} must have at least {SMALLEST} rows and columns, not {array.shape}")
    return array


def on_host(value: Any, name: str) -> np.ndarray:
    """An array or a tensor as an array, without a copy where that can be had.

    Raises
    ------
    TypeError
        If it lies on another device: no trip of the data to the CPU goes unasked.
    """
    module = type(value).__module__.split(".")[0]
    device = str(value.device) if module in ("torch", "cupy") else "cpu"
    if device != "cpu":
        raise TypeError(f"{name} is on {device}; match works on the CPU alone: move it there first")
    if module == "torch":
        value = value.detach()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return np.asarray(value.numpy())
    return np.asarray(value)


def mask(valid: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """A mask of an image's shape; all true for None."""
    if valid is None:
        return np.ones(shape, np.bool_)
    array = on_host(valid, name)
    if array.shape != shape or array.dtype != np.bool_:
        raise ValueError(
            f"{name} must be booleans of shape {shape}, not {array.dtype} of shape {array.shape}"
        )
    return array


def seen_in(image: np.ndarray, valid: np.ndarray, name: str) -> np.ndarray:
    """Pixels that show something: valid, finite, and in no square of one single value.

    Sensors are noisy; where `FLAT` by `FLAT` pixels are alike there is fill, a border or a saturated cloud.

    Raises
    ------
    NoMatch
        If no pixel is left.
    """
    seen = valid & np.isfinite(image)
    if not seen.any():
        raise NoMatch(f"{name} has no valid pixel")
    low, high = image[seen].min(), image[seen].max()
    if low == high:
        raise NoMatch(f"{name} has the value {low:g} in all {seen.sum()} valid pixels: nothing to match")
    alike = uniform(image if seen.all() else np.where(seen, image, low), FLAT)
    return seen if alike is None else seen & ~ndimage.maximum_filter(alike, FLAT)


def sample(image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Seen values on a grid of some `MANY` pixels, or all if those show nothing."""
    step = max(int(np.sqrt(image.size / MANY)), 1)
    grid = (slice(step // 2, None, step),) * 2
    values = image[grid][seen[grid]]
    return values if values.size else image[seen]


def scaled(image: np.ndarray, seen: np.ndarray, name: str) -> np.ndarray:
    """Single precision, median 0 and typical deviation 1, rare extremes cut; 0 where unseen.

    Raises
    ------
    NoMatch
        If no pixel is seen or all have one value.
    """
    values = sample(image, seen).astype(np.float64)
    if not values.size:
        raise NoMatch(f"{name} has no valid pixel that differs from those around it: nothing to match")
    low, middle, high = np.percentile(values, [0.1, 50, 99.9])
    spread = max(values.std(), 1e-300) if high == low else (high - low) / 6
    low, high = low - 3 * spread, high + 3 * spread
    out = np.empty(image.shape, np.float32)
    for r in range(0, len(image), ROWS):
        rows = slice(r, r + ROWS)
        away = np.clip(np.where(seen[rows], image[rows], middle).astype(np.float64), low, high) - middle
        out[rows] = away / spread
    return out


def prepare(pre: Any, post: Any, valid: Any) -> tuple[Pair, tuple[int, int], tuple[int, int]]:
    """A pair on a canvas that holds both, and the shapes of the two images."""
    first, second = plane(pre, "pre"), plane(post, "post")
    masks = valid if isinstance(valid, tuple | list) else (valid, None)
    if len(masks) != 2:
        raise ValueError(
            f"valid must be a mask of pre, or one for pre and one for post, not {len(masks)} items"
        )
    seen_first = seen_in(first, mask(masks[0], first.shape, "valid (pre)"), "pre")
    seen_second = seen_in(second, mask(masks[1], second.shape, "valid (post)"), "post")
    images = scaled(first, seen_first, "pre"), scaled(second, seen_second, "post")
    canvas = tuple(max(sizes) for sizes in zip(first.shape, second.shape, strict=True))
    planes = [spread_out(each, canvas) for each in (*images, seen_first, seen_second)]
    return Pair(*planes), first.shape, second.shape


def spread_out(plane: np.ndarray, canvas: tuple[int, ...]) -> np.ndarray:
    """The plane at the top left of a canvas of zeros, single precision."""
    if plane.shape == canvas:
        return np.ascontiguousarray(plane, np.float32)
    extra = [(0, large - small) for large, small in zip(canvas, plane.shape, strict=True)]
    return np.pad(plane.astype(np.float32), extra)
