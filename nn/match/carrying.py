"""Motion carried across steps: each pixel tries what others do and keeps what matches best and is shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...kernels import threads
from ...kernels.images import hypothesis as kernels
from ...kernels.images import smooth, spline, zncc
from .planes import BLOCK, FEW, FINE, Level, bands, block_sums, blur

AROUND = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
# Side of the squares that are left out where a hypothesis says nothing new.
TILE = 32
# How far a pixel asks its neighbours.
REACH = 8
# Pixels whose misfit says what is usual.
SAMPLE = (slice(None, None, 3),) * 2


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
    strain : float
        What is added to that per pixel of distance: the gradient of motion that is nothing unusual.
    ramps : tuple of float
        Windows (px) over which a step is spread to a ramp as a hypothesis.
    content : float
        Misfit, in units of its median, up to which a pixel keeps its motion without a trial.
    """

    sigma: float = 2.0
    samples: float = 25.0
    toll: float = 8.0
    evenness: float = 0.01
    small: float = 0.2
    strain: float = 0.06
    ramps: tuple[float, ...] = (1.5, 3.0, 6.0)
    content: float = 0.7

    @property
    def rules(self) -> np.ndarray:
        """What the kernel needs of it."""
        return np.array([2 * self.toll / self.samples, self.evenness, self.small], np.float32)


def correlation(level: Level, field: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of the images under a motion (2, h, w) and the share of the windows that both show."""
    height, width = level.shape
    field = np.ascontiguousarray(field, np.float32)
    if sigma >= 4 * FINE and min(level.shape) >= 64:
        return wide_correlation(level, field, sigma)
    rho, mass = np.empty(level.shape, np.float32), np.empty(level.shape, np.float32)
    taps, known = smooth.taps(sigma), level.known(sigma)

    def part(begin: int, end: int) -> None:
        place = (begin, end, 0, width)
        images = (level.pre, level.seen_pre, known, level.spline, level.valid_post)
        zncc.agreement(*images, field[0], field[1], (0, 0), taps, place, rho[begin:end], mass[begin:end])

    bands(part, height)
    return rho, mass


def wide_correlation(level: Level, field: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """`correlation` in wide windows: sums over blocks, linear between them."""
    height = level.shape[0]
    image, inside, products = (
        *np.empty((2, *level.shape), np.float32),
        np.empty((6, *level.shape), np.float32),
    )
    bands(spline.warp, height, level.spline, level.valid_post, *field, image, inside)
    bands(zncc.planes, height, level.pre, level.seen_pre, image, inside, products)
    sums = np.stack([block_sums(plane, sigma, BLOCK) for plane in products])
    rho, out = np.empty(sums.shape[1:], np.float32), np.empty((2, *level.shape), np.float32)
    zncc.combine(sums, rho, 0, len(rho))
    for small, large in zip((rho, sums[0]), out, strict=True):
        bands(smooth.enlarge, height, small, BLOCK, large)
    return out[0], out[1]


def misfit(level: Level, field: np.ndarray, how: Carry) -> np.ndarray:
    """Share of the variance that is not explained, and its floor; all of it where the windows show little."""
    rho, mass = correlation(level, field, how.sigma)
    good = np.where(mass < 0.3, 0, np.maximum(rho, 0))
    return (1 - good * good + how.evenness).astype(np.float32)


@dataclass
class State:
    """The present motion with a rim that repeats its border, its misfit, and a copy of both to write into.

    `limits`: the change of motion that is news, and the misfit above which a pixel tries hypotheses; `busy`:
    squares in which some do.
    """

    wide: np.ndarray
    rim: int
    score: np.ndarray
    new: np.ndarray
    limits: np.ndarray
    busy: np.ndarray

    def look(self, reach: int) -> None:
        """Find the squares around which motion varies enough, within `reach` pixels, to be news."""
        low_high = np.empty((4, *self.busy.shape), np.float32)
        kernels.extremes(self.wide, self.rim, TILE, low_high)
        size = 2 * -(-reach // TILE) + 1
        spans = [
            ndimage.maximum_filter(high, size) - ndimage.minimum_filter(low, size)
            for low, high in zip(low_high[::2], low_high[1::2], strict=True)
        ]
        self.busy = np.maximum(*spans) > self.limits[0]

    @property
    def field(self) -> np.ndarray:
        """The present motion (2, h, w), a view."""
        height, width = self.score.shape
        return self.wide[:, self.rim : self.rim + height, self.rim : self.rim + width]


@dataclass(frozen=True)
class Hypothesis:
    """The motion ``other[:, r + offset[0], c + offset[1]] + shift`` of pixel (r, c)."""

    other: np.ndarray
    offset: tuple[int, int]
    shift: tuple[float, float] = (0.0, 0.0)


def carried(
    level: Level, field: np.ndarray, offsets: tuple[int, ...], how: Carry, around: bool = False
) -> np.ndarray:
    """The motion after all pixels have tried that of others `offsets` pixels away in eight directions.

    `around` also tries the present motion moved by one pixel in eight directions.
    """
    rim = max(*offsets, REACH)
    score = misfit(level, field, how)
    wide = np.pad(field, ((0, 0), (rim, rim), (rim, rim)), mode="edge")
    limits = np.array([how.small, how.content * np.median(score[SAMPLE])], np.float32)
    squares = np.ones((-(-level.shape[0] // TILE), -(-level.shape[1] // TILE)), np.bool_)
    state = State(wide, rim, score, np.stack([*field, score]), limits, squares)
    if around:
        for dy, dx in AROUND:
            consider(level, state, Hypothesis(wide, (rim, rim), (dx, dy)), how)
    for offset in offsets:
        state.limits[0] = how.small + how.strain * offset
        state.look(offset)
        for dy, dx in AROUND:
            consider(level, state, Hypothesis(wide, (rim + dy * offset, rim + dx * offset)), how)
    state.limits[0] = how.small
    state.look(TILE)
    for sigma in how.ramps if state.busy.any() else ():
        ramp = np.stack([blur(plane, sigma) for plane in wide])
        consider(level, state, Hypothesis(ramp, (rim, rim)), how)
    return np.ascontiguousarray(state.field)


def consider(level: Level, state: State, hypothesis: Hypothesis, how: Carry) -> None:
    """Let pixels take a hypothesis, in place."""
    height = level.shape[0]
    move = (np.float32(hypothesis.shift[0]), np.float32(hypothesis.shift[1]))
    images = (level.pre, level.seen_pre, level.known(how.sigma), level.spline, level.valid_post)
    present = (state.wide, state.rim, state.score)
    tried = (hypothesis.other, hypothesis.offset, move)
    if not state.busy.any():
        return
    changed = np.zeros((*state.busy.shape, 5), np.int64)
    rules = (smooth.taps(how.sigma), how.rules, state.limits, state.busy, TILE, state.new, changed)
    jobs = [(images, present, tried, *rules, row, min(row + TILE, height)) for row in range(0, height, TILE)]
    if height < FEW:
        jobs = [(images, present, tried, *rules, 0, height)]
    threads.share(kernels.sweep, jobs, threads.default_threads(), lambda: None)
    kernels.settle(state.new, state.wide, state.rim, state.score, changed)
