"""Motion carried across steps: each pixel tries what others do and keeps what matches best and is shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels import threads
from ...kernels.images import hypothesis, smooth, zncc
from .planes import FEW, Level, bands

AROUND = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
# Side of the squares that are left out where a hypothesis says nothing new.
TILE = 32


@dataclass(frozen=True)
class Carry:
    """How a hypothesis wins.

    Attributes
    ----------
    sigma : float
        Window of the correlation, standard deviation in pixels.
    samples : float
        Independent samples in that window.
    toll : float
        Nats that a pixel must gain to leave a motion that all its neighbours share.
    evenness : float
        Floor of the unexplained share of the variance.
    small : float
        Difference (px) from the present motion below which a hypothesis is no news.
    """

    sigma: float = 2.0
    samples: float = 25.0
    toll: float = 8.0
    evenness: float = 0.01
    small: float = 0.25

    @property
    def rules(self) -> np.ndarray:
        """What the kernel needs of it."""
        return np.array([2 * self.toll / self.samples, self.evenness, self.small], np.float32)


def correlation(level: Level, field: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of the images under a motion (2, h, w) and the share of the windows that both show."""
    height, width = level.shape
    rho, mass = np.empty(level.shape, np.float32), np.empty(level.shape, np.float32)
    taps = smooth.taps(sigma)

    def part(begin: int, end: int) -> None:
        place = (begin, end, 0, width)
        images = (level.pre, level.seen_pre, level.spline, level.valid_post)
        zncc.agreement(*images, field[0], field[1], (0, 0), taps, place, rho[begin:end], mass[begin:end])

    bands(part, height)
    return rho, mass


def misfit(level: Level, field: np.ndarray, how: Carry) -> np.ndarray:
    """Share of the variance that is not explained, and its floor; all of it where the windows show little."""
    rho, mass = correlation(level, field, how.sigma)
    good = np.where(mass < 0.3, 0, np.maximum(rho, 0))
    return (1 - good * good + how.evenness).astype(np.float32)


def carried(
    level: Level, field: np.ndarray, offsets: tuple[int, ...], how: Carry, around: bool = False
) -> np.ndarray:
    """The motion after all pixels have tried that of others `offsets` pixels away in eight directions.

    `around` also tries the present motion moved by one pixel in eight directions.
    """
    field, score = field.copy(), misfit(level, field, how)
    if around:
        for dy, dx in AROUND:
            try_one(level, field, score, field, (0, 0), (dx, dy), how)
    rim = max(offsets)
    for offset in offsets:
        for dy, dx in AROUND:
            other = np.pad(field, ((0, 0), (rim, rim), (rim, rim)), mode="edge")
            try_one(level, field, score, other, (rim + dy * offset, rim + dx * offset), (0, 0), how)
    return field


def try_one(
    level: Level,
    field: np.ndarray,
    score: np.ndarray,
    other: np.ndarray,
    offset: tuple[int, int],
    shift: tuple[float, float],
    how: Carry,
) -> None:
    """Let pixels take one hypothesis, in place."""
    height, width = level.shape
    new = np.stack([*field, score])
    taps, rules = smooth.taps(how.sigma), how.rules
    move = (np.float32(shift[0]), np.float32(shift[1]))
    images = (level.pre, level.seen_pre, level.spline, level.valid_post)

    def strip(row: int) -> None:
        end = min(row + TILE, height)
        for first, last in runs(field, other, offset, move, row, end, width, how.small):
            place = (row, end, first, last)
            hypothesis.consider(*images, field, score, other, offset, move, taps, rules, place, new)

    jobs = [(row,) for row in range(0, height, TILE)]
    threads.share(strip, jobs, threads.default_threads() if height >= FEW else 1, lambda: None)
    field[:], score[:] = new[:2], new[2]


def runs(field, other, offset, move, row, end, width, small):
    """Stretches of columns in which a hypothesis differs from the present motion."""
    first = None
    for column in range(0, width, TILE):
        place = (row, end, column, min(column + TILE, width))
        news = hypothesis.farthest(field[0], field[1], other[0], other[1], offset, move, place) > small
        if news and first is None:
            first = column
        if not news and first is not None:
            yield first, column
            first = None
    if first is not None:
        yield first, width
