"""Motion that nothing in the images supports gives way to what recognised ground around it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...kernels.images import smooth as kernels
from .carrying import correlation
from .planes import Level, bands, blur


@dataclass(frozen=True)
class Fill:
    """When motion counts as recognised.

    Attributes
    ----------
    window : float
        Of the correlation, standard deviation in pixels.
    least : float
        Correlation above which smooth motion is recognised.
    rough : float
        How much more correlation motion needs for each pixel per pixel of its mean gradient: by chance, any
        two images correlate under a motion that is wild enough.
    around : float
        Window of that mean.
    wide : float
        Window in which both motions are compared where the present one is not recognised.
    gain : float
        Squared correlation there by which the present motion must be the better one to stay.
    far : float
        Difference of both (px) that matters.
    sure : float
        How strongly (px⁻²) motion in a zone is held from which on it stays.
    wider : tuple of (float, float)
        Windows in which motion that is not recognised may still be, and the correlation that it needs there:
        the wider, the less comes about by chance.
    apart : float
        How far the correlation in every narrower window may lie below that in a wider one: what a wide window
        knows of its rim says nothing about its middle.
    calm : float
        Mean gradient of the motion up to which wider windows are asked: they see both sides of a step.
    """

    window: float = 6.0
    least: float = 0.5
    rough: float = 1.5
    around: float = 6.0
    wide: float = 8.0
    gain: float = 0.15
    far: float = 1.0
    sure: float = 12.0
    wider: tuple[tuple[float, float], ...] = ((12.0, 0.3), (24.0, 0.18))
    apart: float = 0.15
    calm: float = 0.03


def roughness(field: np.ndarray, sigma: float) -> np.ndarray:
    """Mean length of the motion's gradient in windows; steps count as one pixel per pixel."""
    out = np.empty(field.shape[1:], np.float32)
    bands(kernels.gradient, len(out), np.ascontiguousarray(field), out)
    return blur(out, sigma)


@dataclass(frozen=True)
class Look:
    """Correlation in wide windows, roughness of the motion, and where both images are seen, all (h, w)."""

    likeness: np.ndarray
    rough: np.ndarray
    shown: np.ndarray

    def known(self, how: Fill) -> np.ndarray:
        """Where the images are alike enough under a motion as rough as this one."""
        return self.shown & (self.likeness > how.least + how.rough * self.rough)


def looked(level: Level, field: np.ndarray, how: Fill) -> Look:
    """How a motion looks."""
    likeness, mass = correlation(level, field, how.window)
    return Look(likeness, roughness(field, how.around), (mass > 0.3) & (level.seen_pre > 0))


def recognised(level: Level, field: np.ndarray, look: Look, how: Fill) -> np.ndarray:
    """Where a motion is recognised, in windows of one size or another."""
    known = look.known(how)
    if known[look.shown].all():
        return known
    calm, least = look.shown & (look.rough < how.calm), look.likeness
    for window, enough in how.wider:
        rho = correlation(level, field, window)[0]
        known = known | (calm & (rho > enough) & (least > rho - how.apart))
        least = np.minimum(least, rho)
    return known


def filled(
    level: Level, field: np.ndarray, how: Fill, sure: np.ndarray | None = None
) -> tuple[np.ndarray, Look]:
    """The motion with what is not recognised replaced by what recognised ground around it says; how it looks.

    It stays where it matches clearly better than that, where both agree, and where it is `sure`.
    """
    look = looked(level, field, how)
    known = look.known(how)
    if known.all() or not known.any():
        return field, look
    around = spread_from(field, known)
    differs = ~known & (np.hypot(*(around - field)) > how.far)
    if sure is not None:
        differs &= ~sure
    if not differs.any():
        return field, look
    now, then = (np.maximum(correlation(level, each, how.wide)[0], 0) ** 2 for each in (field, around))
    field = np.where(differs & (now - then < how.gain), around, field)
    return field, looked(level, field, how)


def spread_from(field: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Motion of known pixels, smoothly continued into all others by means of ever larger blocks."""
    sums = np.empty((3, *(-(-n // 2) for n in known.shape)), np.float32)
    kernels.known_sums(field, known, sums)
    scales = [sums]
    while min(scales[-1].shape[1:]) > 1:
        scales.append(halved(scales[-1]))
    out = scales[-1][1:] / np.maximum(scales[-1][0], 1e-6)
    for finer in reversed(scales[:-1]):
        coarse = enlarged(out, finer.shape[1:])
        weight = np.minimum(finer[0], 1)
        own = finer[1:] / np.maximum(finer[0], 1e-6)
        out = weight * own + (1 - weight) * coarse
    return np.where(known, field, enlarged(out, known.shape)).astype(np.float32)


def halved(planes: np.ndarray) -> np.ndarray:
    """Sums of two by two pixels, a last odd row or column on its own."""
    extra = [(0, 0), *((0, size % 2) for size in planes.shape[1:])]
    wide = np.pad(planes, extra)
    rows = wide[:, ::2] + wide[:, 1::2]
    return rows[:, :, ::2] + rows[:, :, 1::2]


def enlarged(planes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Planes on a grid twice as fine, linear between the middles of blocks."""
    out = []
    for plane in planes:
        for axis in range(2):
            near = np.repeat(plane, 2, axis)
            ends = np.take(plane, [0], axis), np.take(plane, [-1], axis)
            low = np.repeat(np.concatenate([ends[0], plane], axis), 2, axis)
            high = np.repeat(np.concatenate([plane, ends[1]], axis), 2, axis)
            other = np.where(
                (np.arange(near.shape[axis]) % 2 == 0).reshape([-1, 1] if axis == 0 else [1, -1]),
                np.take(low, np.arange(near.shape[axis]), axis),
                np.take(high, np.arange(2, near.shape[axis] + 2), axis),
            )
            plane = 0.75 * near + 0.25 * other
        out.append(ndimage.uniform_filter(plane, 3, mode="nearest")[: shape[0], : shape[1]])
    return np.stack(out)
