"""Planes that the engine works on: locally normalised images with their masks, and half-size images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...kernels import threads
from ...kernels.images import smooth, spline

# Rows below which threads do not pay.
FEW = 384


def bands(kernel: Callable[..., Any], height: int, *arguments: Any) -> None:
    """Run a kernel whose last arguments are a first and an end row, shared out among threads."""
    workers = threads.default_threads()
    if workers == 1 or height < FEW:
        kernel(*arguments, 0, height)
        return
    edges = np.linspace(0, height, workers + 1).astype(int)
    jobs = [(*arguments, int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    threads.share(kernel, jobs, workers, lambda: None)


# Standard deviation, in blocks, that a window must keep to be taken on means of blocks; their side, pixels.
FINE = 1.4
BLOCK = 4


def blur(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian window over a plane, zero outside; a wide one on means of blocks, linear between them."""
    factor = BLOCK if sigma >= BLOCK * FINE else 2 if sigma >= 2 * FINE else 1
    if factor > 1 and min(plane.shape) >= 4 * factor:
        return blurred_blocks(plane, sigma, factor)
    return blurred(plane, sigma)


def blurred_blocks(plane: np.ndarray, sigma: float, factor: int) -> np.ndarray:
    """`blurred` on means of blocks; the variance of the way there and back is taken off."""
    plane = np.ascontiguousarray(plane, np.float32)
    out = np.empty_like(plane)
    bands(smooth.enlarge, len(out), block_sums(plane, sigma, factor), factor, out)
    return out


def block_sums(plane: np.ndarray, sigma: float, factor: int) -> np.ndarray:
    """Gaussian windows over a plane in the middles of blocks, narrower by what `enlarge` adds."""
    means = np.empty(tuple(-(-n // factor) for n in plane.shape), np.float32)
    bands(smooth.gather_blocks, len(means), plane, factor, means)
    return blurred(means, float(np.sqrt(sigma**2 - factor**2 / 3)) / factor)


def blurred(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian window over a plane, zero outside."""
    taps = smooth.taps(sigma)
    along, out = np.empty_like(plane), np.empty_like(plane)
    bands(smooth.rows, plane.shape[0], plane, taps, along)
    bands(smooth.columns, plane.shape[0], along, taps, out)
    return out


def normalise(image: np.ndarray, mass: np.ndarray, sigma: float, least: float = 1e-5) -> np.ndarray:
    """The image less its local mean, over its local deviation; 0 where `mass` is 0 or nothing varies.

    A deviation below `least` of the largest one counts as that much.
    """
    weight = np.maximum(blur(mass, sigma), 1e-12)
    mean = blur(image * mass, sigma) / weight
    away = (image - mean) * mass
    spread = np.sqrt(np.maximum(blur(away * away, sigma) / weight, 0))
    floor = least * float(spread.max(initial=0.0)) + 1e-30
    return (away / np.maximum(spread, floor)).astype(np.float32)


def halve(image: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every second pixel of a smoothed image, and where enough of it is seen."""
    weight = blur(mass, 1.0)
    seen = (weight[::2, ::2] > 0.5).astype(np.float32)
    mean = blur(image * mass, 1.0) / np.maximum(weight, 1e-12)
    return np.ascontiguousarray(mean[::2, ::2] * seen), seen


def double(plane: np.ndarray) -> np.ndarray:
    """Motion on a grid twice as fine, in its pixels: bilinear between the coarse points."""
    height, width = plane.shape
    out = np.empty((2 * height, 2 * width), np.float32)
    twice = 2 * plane
    out[::2, ::2] = twice
    out[1::2, ::2] = 0.5 * (twice + np.concatenate([twice[1:], twice[-1:]]))
    even = out[:, ::2]
    out[:, 1::2] = 0.5 * (even + np.concatenate([even[:, 1:], even[:, -1:]], axis=1))
    return out


@dataclass(frozen=True)
class Level:
    """Two locally normalised images of one size and what is seen of them.

    Attributes
    ----------
    pre, post : ndarray, shape (h, w), float32
        Zero where nothing is seen.
    seen_pre, seen_post : ndarray, shape (h, w), float32
        One where the image shows something, else zero.
    """

    pre: np.ndarray
    post: np.ndarray
    seen_pre: np.ndarray
    seen_post: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pre.shape[0], self.pre.shape[1]

    @cached_property
    def images(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The first image, where it is seen, and the second one as kernels warp it, with its mask."""
        return self.pre, self.seen_pre, self.spline, self.valid_post

    @cached_property
    def spline(self) -> np.ndarray:
        """Coefficients of `post` with their rim."""
        return spline.coefficients(self.post)

    @cached_property
    def windows(self) -> dict[float, np.ndarray]:
        """For windows used so far, their share inside the image, and the mean and variance of `pre`."""
        return {}

    def known(self, sigma: float) -> np.ndarray:
        """Share of windows inside the image, mean and variance of `pre` in them, (3, h, w)."""
        if sigma not in self.windows:
            share, mean, square = (blurred(p, sigma) for p in (np.ones_like(self.pre), self.pre, self.pre**2))
            mean /= share
            self.windows[sigma] = np.stack([share, mean, np.maximum(square / share - mean * mean, 0)])
        return self.windows[sigma]

    @cached_property
    def valid_post(self) -> np.ndarray:
        """Where `post` shows something; (0, 0) where that is everywhere."""
        valid = self.seen_post > 0
        return np.empty((0, 0), np.bool_) if valid.all() else valid


def pyramid(
    pre: np.ndarray,
    post: np.ndarray,
    seen_pre: np.ndarray,
    seen_post: np.ndarray,
    sigmas: tuple[float, ...],
) -> list[Level]:
    """Levels from the finest on, each half as large as the one before; the windows of their normalisation."""
    levels = []
    for k, sigma in enumerate(sigmas):
        if k:
            pre, seen_pre = halve(pre, seen_pre)
            post, seen_post = halve(post, seen_post)
        images = (normalise(pre, seen_pre, sigma), normalise(post, seen_post, sigma))
        levels.append(Level(*images, seen_pre, seen_post))
    return levels
