"""The start: exhaustive search for whole-pixel motion on small images, with a smooth prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.images import sgm, smooth
from .planes import Level, bands, blur


@dataclass(frozen=True)
class Search:
    """How the exhaustive search weighs.

    Attributes
    ----------
    sigma : float
        Window of the correlation, standard deviation in pixels of the level.
    samples : float
        Independent samples in that window: what turns correlation into nats.
    bend, step : float
        Toll in nats for neighbours that differ by one pixel and by more.
    spare : int
        Pixels by which the range of motion found on the coarser level is widened.
    """

    sigma: float = 2.5
    samples: float = 30.0
    bend: float = 20.0
    step: float = 100.0
    spare: int = 2


Box = tuple[int, int, int, int]


def moments(image: np.ndarray, seen: np.ndarray, sigma: float) -> np.ndarray:
    """Local weight, mean and mean square, (3, h, w)."""
    weight = blur(seen, sigma)
    safe = np.maximum(weight, 1e-6)
    return np.stack([weight, blur(image * seen, sigma) / safe, blur(image * image * seen, sigma) / safe])


def exhaustive(level: Level, box: Box, how: Search) -> tuple[np.ndarray, np.ndarray]:
    """Best whole-pixel motion (right, down) among those from `box` (rows low, high; columns low, high)."""
    (height, width), (low, high, left, right) = level.shape, box
    rows, columns = np.arange(low, high + 1), np.arange(left, right + 1)
    # A column on either side that is no motion keeps rows of labels apart.
    columns = np.pad(columns, 1, constant_values=-width)
    shifts = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    volume = np.empty((height, width, len(shifts)), np.float32)
    windows = [
        moments(image, seen, how.sigma)
        for image, seen in ((level.pre, level.seen_pre), (level.post, level.seen_post))
    ]
    taps, nats = smooth.taps(how.sigma), np.float32(how.samples / 2)
    bands(sgm.costs, height, level.pre, level.post, *windows, shifts, taps, nats, volume)
    total = np.zeros_like(volume)
    for direction in range(4):
        lines = height if direction < 2 else width
        tolls = np.float32(how.bend), np.float32(how.step)
        bands(sgm.paths, lines, volume, len(columns), *tolls, total, direction)
    u, v = np.empty(level.shape, np.float32), np.empty(level.shape, np.float32)
    bands(sgm.winners, height, total, shifts, u, v)
    return u, v


def start(levels: list[Level], reach: float, how: Search) -> tuple[np.ndarray, np.ndarray]:
    """Motion on the last but one level; the last one only says which range to search.

    `reach` is the farthest motion to look for, in pixels of the finest level.
    """
    coarse, fine = levels[-1], levels[-2]
    far = max(int(np.ceil(reach / 2 ** (len(levels) - 1))), 1)
    u, v = exhaustive(coarse, (-far, far, -far, far), how)
    return exhaustive(fine, (*extent(v, coarse, how.spare), *extent(u, coarse, how.spare)), how)


def extent(plane: np.ndarray, level: Level, spare: int) -> tuple[int, int]:
    """Range of motion, in pixels of a level twice as large, that all but a few seen pixels have."""
    known = plane[level.seen_pre > 0]
    if not known.size:
        return -spare, spare
    low, high = np.quantile(known, [0.02, 0.98])
    return int(np.floor(2 * low)) - spare, int(np.ceil(2 * high)) + spare
