"""Profiles across a fault, stacked along it: offset with its error, and the width of the fault zone.

Lengths are pixels of the map and displacement is in the unit of the map. The trace runs in a direction;
positive distances lie to its right. Parallel motion counts along the trace, perpendicular motion to its
right, so that the parallel offset (right side less left side) of a right-lateral fault is negative.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage, optimize, signal, stats

from .inputs import Array, Mask

STRAIN = 0.005
_BLOCKS = 10


class Profile(NamedTuple):
    """Motion across a fault.

    Attributes
    ----------
    distance : ndarray, shape (d,)
        From the trace, px, positive to its right.
    values : ndarray, shape (d, 2)
        Mean parallel and perpendicular motion over the lines.
    error : ndarray, shape (d, 2)
        Standard error of the mean, from the scatter of the lines and its autocorrelation.
    lines : ndarray, shape (t, d, 2)
        Every line; NaN where the map is not valid.
    """

    distance: Array
    values: Array
    error: Array
    lines: Array


class Offset(NamedTuple):
    """Parallel and perpendicular offset (2,), right side less left side, and its standard error."""

    value: Array
    error: Array


class Width(NamedTuple):
    """Width of a fault zone and its standard error (px); where it begins and ends (px from the trace)."""

    value: float
    error: float
    begin: float
    end: float


class Arctangent(NamedTuple):
    """Fit ``a + b x + s/π atan((x - x0) / w)``: offset s, half-width w (half of s is within ± w), place x0.

    Each is (value, standard error).
    """

    offset: tuple[float, float]
    half_width: tuple[float, float]
    place: tuple[float, float]


def stacked(
    values: Array, valid: Mask, begin: tuple[float, float], end: tuple[float, float], reach: float
) -> Profile:
    """Profiles perpendicular to a straight piece of a trace, one for each pixel along it, and their mean.

    Parameters
    ----------
    values : ndarray, shape (h, w, 2)
        East and north displacement.
    valid : ndarray of bool, shape (h, w)
    begin, end : (row, column)
        Of the piece of the trace.
    reach : float
        Half the length of the profiles (px).

    Returns
    -------
    Profile

    Raises
    ------
    ValueError
        If the piece is shorter than ten pixels or fewer than ten lines have values.
    """
    first, last = np.array(begin, float), np.array(end, float)
    length = float(np.hypot(*(last - first)))
    if length < 10:
        raise ValueError(f"begin and end: the trace must be at least 10 px long, got {length:.1f}")
    along = (last - first) / length
    right = np.array([along[1], -along[0]])
    distance = np.arange(-np.floor(reach), np.floor(reach) + 1)
    steps = np.arange(0, np.floor(length) + 1)
    place = first + steps[:, None, None] * along + distance[None, :, None] * right
    sampled = _sampled(values, valid, place)
    # Rows grow southwards: east is +column and north is -row.
    axes = np.array([[along[1], -along[0]], [right[1], -right[0]]])
    lines = sampled @ axes.T
    if np.isfinite(lines).any(axis=(1, 2)).sum() < 10:
        raise ValueError("fewer than ten lines across the trace have valid pixels")
    mean, error = _blocked(lines)
    return Profile(distance, mean, error, lines)


def _sampled(values: Array, valid: Mask, place: Array) -> Array:
    """Bilinear values at places (..., 2) of rows and columns; NaN where a pixel that counts is not valid."""
    where = np.moveaxis(place, -1, 0)
    weight = ndimage.map_coordinates(valid.astype(float), where, order=1, cval=0)
    filled = np.where(valid[..., None], np.nan_to_num(values), 0).astype(float)
    found = np.stack([ndimage.map_coordinates(filled[..., k], where, order=1) for k in range(2)], -1)
    return np.where((weight > 0.999)[..., None], found, np.nan)


def _blocked(table: Array) -> tuple[Array, Array]:
    """Mean over the first axis and its standard error, for neighbours that share their errors.

    The lines are worth as many independent ones as their autocorrelation says, summed up to where it falls
    below a twentieth; Student's distribution of so few is allowed for.
    """
    good = np.isfinite(table)
    n = good.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, np.nansum(table, axis=0) / n, np.nan)
        away = np.where(good, table - mean, 0)
        variance = (away**2).sum(axis=0) / np.maximum(n - 1, 1)
        time, going = np.ones(mean.shape), n > 2
        for k in range(1, len(table) // 3):
            pairs = (good[k:] & good[:-k]).sum(axis=0)
            share = (away[k:] * away[:-k]).sum(axis=0) / np.maximum(pairs, 1) / np.maximum(variance, 1e-300)
            going = going & (share > 0.05)
            if not going.any():
                break
            time += np.where(going, 2 * share, 0)
        many = np.maximum(n / time, 2.0)
        # The mean was taken from the same lines: they scatter less around it than around the truth.
        spread = np.sqrt(variance / np.maximum(many - 1, 1))
    return mean, np.where(n > 2, spread * stats.t.ppf(0.8413, np.maximum(many - 1, 1)), np.nan)


def offset(profile: Profile, inner: float, outer: float) -> Offset:
    """Offset across a fault: straight lines through both sides, extrapolated to the trace.

    Parameters
    ----------
    profile : Profile
    inner, outer : float
        Distances (px) between which the lines are fitted; the fault zone lies within `inner`.

    Returns
    -------
    Offset
        The error is that of the mean over correlated lines: it holds what varies along the trace.

    Raises
    ------
    ValueError
        If a side has too few values.
    """
    sides = []
    for sign in (1, -1):
        use = (sign * profile.distance >= inner) & (sign * profile.distance <= outer)
        if use.sum() < 3:
            raise ValueError(f"inner, outer: three distances are needed on a side, got {int(use.sum())}")
        sides.append(_at_trace(profile.lines[:, use], profile.distance[use]))
    with np.errstate(invalid="ignore"):
        value, error = _blocked(sides[0] - sides[1])
    if not np.isfinite(value).all():
        raise ValueError("no line has enough valid pixels on both sides of the trace")
    return Offset(value, error)


def _at_trace(lines: Array, distance: Array) -> Array:
    """Value at zero (t, 2) of the straight line through each of (t, d, 2) if half are there."""
    good = np.isfinite(lines)
    x = np.where(good, distance[None, :, None], 0)
    y = np.where(good, lines, 0)
    n, sx, sy, sxx, sxy = good.sum(1), x.sum(1), y.sum(1), (x * x).sum(1), (x * y).sum(1)
    determinant = n * sxx - sx * sx
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (sxx * sy - sx * sxy) / determinant
    return np.where((n >= lines.shape[1] / 2) & (determinant > 0), found, np.nan)


def zone_width(profile: Profile, *, strain: float = STRAIN, window: int = 5) -> Width:
    """Width over which the parallel motion's gradient across the fault exceeds a strain.

    The definition of the GeoFlowNet paper (0.5 %), automated: the gradient is the slope of a local
    parabola, and the zone is what lies around its largest value without falling below `strain` over more
    than a window. A perfect step is seen as wide as the window less one pixel. Displacement must be in
    pixels.

    Parameters
    ----------
    profile : Profile
    strain : float
        Change of displacement over distance.
    window : int
        Length of the local parabola (px), odd.

    Returns
    -------
    Width
        The error is that of a jackknife over blocks of lines. Zero where the strain is nowhere exceeded.

    Raises
    ------
    ValueError
        If the profile has gaps near the fault.
    """
    value, begin, end = _zone(profile.distance, profile.values[:, 0], strain, window)
    parts = np.array_split(np.arange(len(profile.lines)), _BLOCKS)
    without = []
    for part in parts:
        mean, _ = _blocked(np.delete(profile.lines[..., :1], part, axis=0))
        without.append(_zone(profile.distance, mean[:, 0], strain, window)[0])
    error = np.sqrt((_BLOCKS - 1) * np.var(without))
    return Width(value, float(error), begin, end)


def _zone(distance: Array, parallel: Array, strain: float, window: int) -> tuple[float, float, float]:
    known = np.isfinite(parallel)
    if known.mean() < 0.8:
        raise ValueError(f"profile: {1 - known.mean():.0%} of its distances have no value")
    filled = np.interp(distance, distance[known], parallel[known])
    slope = np.abs(signal.savgol_filter(filled, window, 2, deriv=1))
    top = int(np.argmax(slope))
    if slope[top] < strain:
        return 0.0, 0.0, 0.0
    begin, end = _crossing(distance, slope, top, -1, strain), _crossing(distance, slope, top, 1, strain)
    return float(end - begin), float(begin), float(end)


def _crossing(distance: Array, slope: Array, top: int, step: int, strain: float) -> float:
    at = top
    while 0 <= at + step < len(slope) and slope[at + step] >= strain:
        at += step
    if not 0 <= at + step < len(slope):
        return float(distance[at])
    share = (slope[at] - strain) / (slope[at] - slope[at + step])
    return float(distance[at] + step * share)


def arctangent(profile: Profile) -> Arctangent:
    """Fit the motion of a fault zone, ``a + b x + s/π atan((x - x0)/w)``, to the parallel component.

    Returns
    -------
    Arctangent
        Errors are those of a jackknife over blocks of lines.

    Raises
    ------
    ValueError
        If fewer than ten distances have a value.
    """
    best = _arctangent(profile.distance, profile.values[:, 0])
    parts = np.array_split(np.arange(len(profile.lines)), _BLOCKS)
    without = []
    for part in parts:
        mean, _ = _blocked(np.delete(profile.lines[..., :1], part, axis=0))
        without.append(_arctangent(profile.distance, mean[:, 0], best))
    error = np.sqrt((_BLOCKS - 1) * np.var(without, axis=0))
    pairs = [(float(v), float(e)) for v, e in zip(best, error, strict=True)]
    return Arctangent(pairs[2], pairs[3], pairs[4])


def _arctangent(distance: Array, parallel: Array, start: Array | None = None) -> Array:
    """a, b, s, w, x0."""
    use = np.isfinite(parallel)
    if use.sum() < 10:
        raise ValueError(f"profile: ten values are needed, got {int(use.sum())}")
    x, y = distance[use], parallel[use]

    def rest(p: Array) -> Array:
        return p[0] + p[1] * x + p[2] / np.pi * np.arctan((x - p[4]) / abs(p[3])) - y

    if start is not None:
        starts = [start]
    else:
        jump = np.median(y[x > 0]) - np.median(y[x < 0])
        starts = [np.array([np.median(y), 0.0, jump, w, 0.0]) for w in (1.0, 4.0, 16.0)]
    found = [optimize.least_squares(rest, p, x_scale=[1, 0.01, 1, 1, 1]) for p in starts]
    best: Array = min(found, key=lambda each: each.cost).x
    best[3] = max(abs(best[3]), 1e-6)
    return best
