"""Zones in which motion changes from that of one side to that of the other, fast or at once.

No window that is as wide as it is long fits into such a zone. But both sides are known, and what happens
between them is a mixture of both: one number for each pixel, found by windows that lie along the zone and
paths that make neighbours alike. Where nothing is recognised, the median of what is possible is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...kernels.images import zone as kernels
from ...kernels.streams import WIDTH
from .carrying import correlation
from .planes import Level, bands, blur

BLOCK = kernels.BLOCK


@dataclass(frozen=True)
class Window:
    """A long thin Gaussian window.

    Attributes
    ----------
    along, across : float
        Standard deviations, px.
    points : int
        Pixels that it takes.
    samples : float
        Independent samples in it.
    """

    along: float
    across: float
    points: int
    samples: float


@dataclass(frozen=True)
class Zone:
    """What counts as a zone, and how mixtures are weighed.

    Attributes
    ----------
    least : float
        Difference of the two sides (px) from which on they are told apart.
    sharp : float
        Share of that difference which must lie within three blocks of pixels.
    around : int
        Blocks added around a zone.
    sigma : float
        Window in which the sides' motions are averaged, standard deviation in pixels.
    chance, window : float
        Correlation that says nothing, and the window of the correlation that says how far motion is trusted.
    windows : tuple of Window
        Windows that lie along the zone; what they say is added.
    ways : int
        Directions of these windows.
    toll, toll_along : float
        Nats for the whole way from one side to the other, across the zone and along it.
    spacing, beyond : float
        Pixels between mixtures, and how far they go beyond the two sides, as a share of the difference.
    keep, near : float
        Nats by which, and distance (px) from the mean of what is possible at which, motion is replaced.
    hold : float
        How strongly the refinement is held to the motion in zones.
    """

    least: float = 1.5
    sharp: float = 0.55
    around: int = 3
    sigma: float = 12.0
    chance: float = 0.3
    window: float = 2.0
    windows: tuple[Window, ...] = (Window(6.0, 0.7, 56, 7.0), Window(3.0, 0.5, 24, 5.0))
    ways: int = 16
    toll: float = 15.0
    toll_along: float = 30.0
    spacing: float = 0.6
    beyond: float = 0.25
    keep: float = 2.0
    near: float = 0.5
    hold: float = 30.0


MOST = 160


@dataclass(frozen=True)
class Sides:
    """Motions of the low and the high side (2, blocks), their difference, the strike, and where zones are."""

    low: np.ndarray
    high: np.ndarray
    step: np.ndarray
    strike: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Zoned:
    """Motion, and how strongly a refinement should be held to it, px⁻², zero outside of zones."""

    field: np.ndarray
    weight: np.ndarray


def zoned(level: Level, field: np.ndarray, how: Zone) -> Zoned | None:
    """The motion with zones put right, or None where there are none."""
    sides = divided(level, field, how)
    if sides is None:
        return None
    rows, columns, inner = places(level, sides.mask, how)
    if not inner:
        return None
    low, high = (at(planes, rows, columns) for planes in (sides.low, sides.high))
    step = np.hypot(*(high[:, :inner] - low[:, :inner]))
    weights = mixtures(float(np.quantile(step, 0.95)), how)
    cost = likely(level, sides, (rows, columns, inner), (low, high), weights, how)
    return chosen(
        field, (rows[:inner], columns[:inner]), (low[:, :inner], high[:, :inner]), weights, cost, how
    )


def blocks(field: np.ndarray, count: int) -> np.ndarray:
    """Room for `count` planes of blocks."""
    return np.empty((count, field.shape[1] // BLOCK, field.shape[2] // BLOCK), np.float32)


def divided(level: Level, field: np.ndarray, how: Zone) -> Sides | None:
    """The two sides of zones, by two means in wide windows; None where motion does not step."""
    extremes = blocks(field, 1)[0]
    bands(kernels.extremes, len(extremes), field, extremes)
    if ndimage.maximum_filter(extremes, 3).max() < how.least / 3:
        return None
    rho, mass = correlation(level, field, how.window)
    excess = np.where(mass < 0.3, 0, np.maximum(rho - how.chance, 0))
    trust = (excess * excess + 1e-4).astype(np.float32)
    sigma = how.sigma / BLOCK
    sums = blocks(field, 6)
    bands(kernels.squares, sums.shape[1], field, trust, sums)
    own = sums[1:3] / sums[0]
    total, *moments = (blur(plane, sigma) for plane in sums)
    mean = np.stack(moments[:2]) / total
    varied = moments[2] / total - mean[0] ** 2, moments[3] / total - mean[1] ** 2
    along = direction(varied[0] - varied[1], 2 * (moments[4] / total - mean[0] * mean[1]))
    low = high = mean
    smooth = sums
    for _ in range(2):
        middle = 0.5 * (along * (low + high)).sum(0)
        bands(kernels.split, sums.shape[1], field, trust, along, middle, sums)
        smooth = np.stack([blur(plane, sigma) for plane in sums])
        low = smooth[1:3] / np.maximum(smooth[0], 1e-9)
        high = smooth[4:6] / np.maximum(smooth[3], 1e-9)
    share = np.minimum(smooth[0], smooth[3]) / np.maximum(smooth[0] + smooth[3], 1e-9)
    step = np.hypot(*(high - low))
    place = (along * own).sum(0)
    near = ndimage.maximum_filter(place, 3) - ndimage.minimum_filter(place, 3)
    core = (near > how.sharp * step) & (step > how.least) & (share > 0.1) & (near > 1)
    if not core.any():
        return None
    mask = ndimage.binary_dilation(core, np.ones((3, 3)), how.around)
    mask &= (step > 0.7 * how.least) & (share > 0.02)
    return Sides(low, high, step, strike(place), mask)


def direction(difference: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Unit vectors of the largest variance, (2, h, w), turned to agree with each other as far as they can."""
    double = difference + 1j * product
    main = np.angle((double * np.abs(double)).sum()) / 2
    angle = np.angle(double) / 2
    vectors = np.stack([np.cos(angle), np.sin(angle)])
    sign = np.where(vectors[0] * np.cos(main) + vectors[1] * np.sin(main) < 0, -1, 1)
    return (vectors * sign).astype(np.float32)


def strike(plane: np.ndarray) -> np.ndarray:
    """Angle from the columns' axis towards rows along which a plane varies least, in [0, pi)."""
    down, right = np.gradient(ndimage.gaussian_filter(plane, 0.5))
    xx, yy, xy = (ndimage.gaussian_filter(each, 1.2) for each in (right * right, down * down, right * down))
    return np.mod(np.arctan2(2 * xy, xx - yy) / 2 + np.pi / 2, np.pi)


def places(level: Level, mask: np.ndarray, how: Zone) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows and columns of a zone's pixels, then of those within reach of its windows; how many come first."""
    inside = np.repeat(np.repeat(mask, BLOCK, 0), BLOCK, 1)
    farthest = max(int(np.abs(turned(each, how.ways)[0]).max()) for each in how.windows)
    reach = -(-farthest // BLOCK)
    near = np.repeat(np.repeat(ndimage.maximum_filter(mask, 2 * reach + 1), BLOCK, 0), BLOCK, 1)
    inside &= level.seen_pre > 0
    first, second = np.nonzero(inside), np.nonzero(near & ~inside)
    rows, columns = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    return rows, columns, len(first[0])


def at(planes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Planes of blocks at pixels, linear between the middles of blocks."""
    middle = (BLOCK - 1) / 2
    where = [(rows - middle) / BLOCK, (columns - middle) / BLOCK]
    values = [ndimage.map_coordinates(plane, where, order=1, mode="nearest") for plane in planes]
    return np.stack(values).astype(np.float32)


def mixtures(step: float, how: Zone) -> np.ndarray:
    """Weights of the high side."""
    count = int(np.clip((1 + 2 * how.beyond) * step / how.spacing, 12, MOST))
    count += -count % WIDTH
    return np.linspace(-how.beyond, 1 + how.beyond, count).astype(np.float32)


def turned(window: Window, ways: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (ways, points, 2) and weights (ways, points) of a window in all directions."""
    reach = int(np.ceil(2.2 * window.along))
    down, right = (each.ravel() for each in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    offsets, taps = [], []
    for way in range(ways):
        angle = np.pi * way / ways
        along = right * np.cos(angle) + down * np.sin(angle)
        across = down * np.cos(angle) - right * np.sin(angle)
        tap = np.exp(-0.5 * ((along / window.along) ** 2 + (across / window.across) ** 2))
        best = np.argsort(-tap, kind="stable")[: window.points]
        offsets.append(np.stack([down[best], right[best]], -1))
        taps.append(tap[best] / tap[best].sum())
    return np.array(offsets, np.int64), np.array(taps, np.float32)


def likely(
    level: Level,
    sides: Sides,
    where: tuple[np.ndarray, np.ndarray, int],
    motions: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    how: Zone,
) -> np.ndarray:
    """Nats against each mixture at each pixel of a zone, all paths to it summed; the least is zero."""
    rows, columns, inner = where
    images, clean = np.empty((len(rows), len(weights)), np.float32), np.empty(len(rows), np.bool_)
    listed = (*motions, weights, rows, columns, images, clean)
    bands(kernels.warped, len(rows), level.spline, level.valid_post, *listed)
    index = np.full(level.shape, -1, np.int64)
    index[rows, columns] = np.arange(len(rows))
    strikes = sides.strike[rows[:inner] // BLOCK, columns[:inner] // BLOCK]
    way = np.rint(strikes / np.pi * how.ways).astype(np.int64) % how.ways
    images_of = (level.pre, level.seen_pre, images, clean, index, rows, columns, way)
    volume = np.zeros((inner, len(weights)), np.float32)
    each = np.empty_like(volume)
    for window in how.windows:
        nats = np.float32(window.samples / 2), np.float32(0.02)
        bands(kernels.costs, inner, *images_of, *turned(window, how.ways), *nats, each)
        volume += each
    total = np.zeros_like(volume)
    share = np.cos(strikes) ** 4, np.sin(strikes) ** 4
    for way_of in range(4):
        toll = how.toll + (how.toll_along - how.toll) * share[way_of // 2]
        tolls = (toll * (weights[1] - weights[0])).astype(np.float32)
        kernels.paths(volume, index, rows, columns, way_of, tolls, total)
    total -= 3 * volume
    return total - total.min(1, keepdims=True)


def chosen(
    field: np.ndarray,
    where: tuple[np.ndarray, np.ndarray],
    motions: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    cost: np.ndarray,
    how: Zone,
) -> Zoned:
    """The median of what is possible in place of motion that is not."""
    chance = np.exp(-cost)
    chance /= chance.sum(1, keepdims=True)
    mean = chance @ weights
    middle = median(chance, weights)
    variance = np.maximum(chance @ (weights * weights) - mean * mean, 0)
    low, step = motions[0], motions[1] - motions[0]
    square = np.maximum((step * step).sum(0), 1e-12)
    present = ((field[:, where[0], where[1]] - low) * step).sum(0) / square
    spacing = weights[1] - weights[0]
    held = np.clip(np.rint((present - weights[0]) / spacing), 0, len(weights) - 1).astype(np.int64)
    worse = cost[np.arange(len(mean)), held] > how.keep
    replaced = worse & (np.abs(middle - present) * np.sqrt(square) > how.near)
    rows, columns = where[0][replaced], where[1][replaced]
    out, weight = field.copy(), np.zeros(field.shape[1:], np.float32)
    out[:, rows, columns] = (low + middle * step)[:, replaced]
    weight[where[0], where[1]] = how.hold / (variance * square + how.near**2)
    return Zoned(out, weight)


def median(chance: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Medians of distributions (pixels, mixtures), linear within a mixture's share of the axis."""
    below = np.cumsum(chance, 1)
    at = np.minimum((below < 0.5).sum(1), len(weights) - 1)
    each = np.arange(len(at))
    own = chance[each, at]
    share = (0.5 - (below[each, at] - own)) / np.maximum(own, 1e-12)
    return weights[at] + (share - 0.5) * (weights[1] - weights[0])
