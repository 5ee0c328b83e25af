"""Input of the refining network: two images in register so far as is known, and what else could be true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from dislok import images

SCALES = (20.0, 6.0)  # pixels, standard deviations of the windows of the two local normalisations
FLOOR = 0.02  # of the image's own standard deviation: flat ground is not raised to full contrast
LIMIT = 6.0  # local standard deviations
OFFSETS = (5, 14)  # pixels from which motions are carried
ALTERNATIVES = 2
WINDOW = 5  # pixels, over which images are compared
STEPS = (7, 19)  # pixels, over which least-squares steps are taken
FARTHEST = 2.0  # pixels of such a step
MOVES = ALTERNATIVES + len(STEPS)
AROUND = 17  # pixels, over which the mean motion is taken
SMALL = 0.05  # pixels at which motions enter linearly
CHANNELS = 2 * len(SCALES) + 4 + 3 * MOVES


class Planes(NamedTuple):
    """An image, normalised locally at each of `SCALES`, and where it is known.

    Attributes
    ----------
    values : ndarray, shape (scales, h, w), float32
        Zero where unknown.
    valid : ndarray, shape (h, w), bool
    """

    values: np.ndarray
    valid: np.ndarray


def planes(image: np.ndarray, valid: np.ndarray | None = None, scales: tuple[float, ...] = SCALES) -> Planes:
    """Normalise an image by the mean and the standard deviation around each pixel.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        Any unit; what is not finite is unknown.
    valid : ndarray, shape (h, w), bool, optional
        What is known of it.
    scales : tuple of float
        Standard deviations of the windows in pixels.
    """
    known = np.isfinite(image) if valid is None else np.isfinite(image) & valid
    pixels = np.where(known, image, 0).astype(np.float32)
    if not known.any():
        return Planes(np.zeros((len(scales), *image.shape), np.float32), known)
    centre = np.float32(np.median(pixels[known]))
    pixels = np.where(known, pixels - centre, 0)
    floor = FLOOR * pixels[known].std() + np.finfo(np.float32).tiny
    values = [np.where(known, _normalised(pixels, known, scale, floor), 0) for scale in scales]
    return Planes(np.stack(values).astype(np.float32), known)


def _normalised(pixels: np.ndarray, known: np.ndarray, scale: float, floor: float) -> np.ndarray:
    share = np.maximum(_blurred(known.astype(np.float32), scale), 1e-3)
    mean = _blurred(pixels, scale) / share
    variance = _blurred(pixels * pixels, scale) / share - mean * mean
    return np.clip((pixels - mean) / np.sqrt(np.maximum(variance, 0) + floor * floor), -LIMIT, LIMIT)


def _blurred(plane: np.ndarray, scale: float) -> np.ndarray:
    return ndimage.gaussian_filter(plane, scale, truncate=3, mode="nearest")


def features(pre: Planes, post: Planes, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Input of the network for one pair and the motion that is known of it so far.

    Parameters
    ----------
    pre, post : Planes
        The images before and after.
    right, down : ndarray, shape (h, w), float32
        Motion in pixels of the grid before; finite.

    Returns
    -------
    ndarray, shape (CHANNELS, h, w), float32
        The images before and, warped, after at each scale; the motion relative to its surroundings; the
        logarithm of the misfit; where both images are known; then, for each of `MOVES` ways to change the
        motion, the change in pixels and the logarithm of its misfit or of its standard deviation. The
        first moves are the motions around that match best, the others least-squares steps over windows.
    """
    coefficients = images.coefficients(post.values, 3)
    warped, inside = _moved(coefficients, post.valid, right, down)
    both = inside & pre.valid
    misfit = _misfit(pre, warped, both)
    others = _alternatives(pre, post, coefficients, right, down) + _steps(pre, warped, both)
    surroundings = [
        np.arcsinh((plane - ndimage.uniform_filter(plane, AROUND, mode="nearest")) / SMALL)
        for plane in (right, down)
    ]
    stack = [*pre.values, *(warped * both), *surroundings, misfit, both, *others]
    return np.stack([np.asarray(plane, np.float32) for plane in stack])


def _moved(
    coefficients: images.Coefficients, valid: np.ndarray, right: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """An image's planes at displaced pixels, and whether the nearest of its pixels is known."""
    moved = images.warp(coefficients, right, down)
    h, w = right.shape
    rows = np.rint(np.arange(h)[:, None] + down).astype(np.intp)
    columns = np.rint(np.arange(w) + right).astype(np.intp)
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    known = inside & valid[rows.clip(0, h - 1), columns.clip(0, w - 1)]
    return np.asarray(moved.values, np.float32), known


def _misfit(pre: Planes, warped: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Mean square of the difference at the finer scale; where it is unknown, that of unlike images."""
    square = np.where(both, (pre.values[-1] - warped[-1]) ** 2, 2.0)
    return np.log(ndimage.uniform_filter(square.astype(np.float32), WINDOW, mode="nearest").clip(1e-3))


def _alternatives(
    pre: Planes, post: Planes, coefficients: images.Coefficients, right: np.ndarray, down: np.ndarray
) -> list[np.ndarray]:
    """Of the motions around each pixel those that match best there: difference right, down, and misfit."""
    finest = images.Coefficients(coefficients.plane[-1:], None, coefficients.order)
    best = np.full((ALTERNATIVES, *right.shape), np.inf, np.float32)
    kept = np.zeros((ALTERNATIVES, 2, *right.shape), np.float32)
    for offset in OFFSETS:
        for rows, columns in ((0, offset), (0, -offset), (offset, 0), (-offset, 0)):
            there = [_shifted(plane, rows, columns) for plane in (right, down)]
            warped, inside = _moved(finest, post.valid, *there)
            misfit = _misfit(pre, warped, inside & pre.valid)
            _insert(best, kept, misfit, np.stack((there[0] - right, there[1] - down)))
    planes_of = np.concatenate((kept, best[:, None]), 1)
    return list(planes_of.reshape(-1, *right.shape))


def _steps(pre: Planes, warped: np.ndarray, both: np.ndarray) -> list[np.ndarray]:
    """Least-squares steps (Lucas & Kanade 1981) over each window: right, down, log of the deviation."""
    before, after = pre.values[-1], warped[-1]
    difference = np.where(both, before - after, 0)
    down, right = np.gradient(np.where(both, (before + after) / 2, 0))
    products = (
        right * right,
        right * down,
        down * down,
        right * difference,
        down * difference,
        difference**2,
    )
    found: list[np.ndarray] = []
    for size in STEPS:
        xx, xy, yy, xe, ye, ee = (ndimage.uniform_filter(each, size, mode="nearest") for each in products)
        # As if a little texture of every direction were everywhere: no step where there is none.
        xx, yy = xx + 1e-3, yy + 1e-3
        determinant = xx * yy - xy * xy
        moves = (yy * xe - xy * ye) / determinant, (xx * ye - xy * xe) / determinant
        deviation = np.sqrt(np.maximum(ee, 1e-6) * (xx + yy) / determinant) / size
        found += [*(move.clip(-FARTHEST, FARTHEST) for move in moves), np.log(deviation)]
    return found


def _shifted(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """What is `rows` below and `columns` to the right of each pixel, or at the border nearest to it."""
    h, w = plane.shape
    down = np.clip(np.arange(h) + rows, 0, h - 1)
    right = np.clip(np.arange(w) + columns, 0, w - 1)
    return plane[down[:, None], right]


def _insert(best: np.ndarray, kept: np.ndarray, misfit: np.ndarray, motion: np.ndarray) -> None:
    """Keep the alternatives in order of their misfit."""
    for rank in range(len(best)):
        better = misfit < best[rank]
        best[rank], misfit = np.where(better, misfit, best[rank]), np.where(better, best[rank], misfit)
        kept[rank], motion = np.where(better, motion, kept[rank]), np.where(better, kept[rank], motion)
