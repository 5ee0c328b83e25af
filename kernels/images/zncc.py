"""How well two images agree under a hypothesis of motion: correlation in a small window around each pixel."""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from ..scalar import maximum, scalar, sqrt
from ..streams import streamed, weighted
from .smooth import window
from .spline import warp_row

FLOOR = 1e-12
# Rows that are taken at a time.
STRIP = 64


@scalar
def correlation(mass, a, b, aa, bb, ab):
    """Zero-mean normalised cross-correlation from weighted sums over a window; 0 where nothing varies."""
    scale = 1.0 / maximum(mass, FLOOR)
    a, b = a * scale, b * scale
    vary_a, vary_b = maximum(aa * scale - a * a, 0.0), maximum(bb * scale - b * b, 0.0)
    return (ab * scale - a * b) / sqrt(vary_a * vary_b + FLOOR)


def known_side(b, bb, ab, mass, mean, variance):
    """Correlation where one image is known to be seen in whole windows: its mean and variance are given."""
    scale = 1.0 / maximum(mass, FLOOR)
    b = b * scale
    vary = maximum(bb * scale - b * b, 0.0)
    return (ab * scale - mean * b) / sqrt(variance * vary + FLOOR)


def all_seen(a, b):
    """What correlation sums where one image is known: b, b², ab."""
    return b, b * b, a * b


def partly_seen(a, b, mass):
    """What correlation sums: mass and, times the mass, a, b, a², b², ab."""
    left, right = mass * a, mass * b
    return mass, left, right, left * a, right * b, left * b


correlate = streamed(correlation)
correlate_known = streamed(known_side)
three = streamed(all_seen)
six = streamed(partly_seen)


@kernel
def gather(ring, row, low, high, whole, places, sums):
    """Sum the rows of the ring around `row` into `sums`; rows outside [low, high) count as nothing."""
    slots, count, n = ring.shape
    reach = whole.size // 2
    first, end = max(low, row - reach), min(high, row + reach + 1)
    taps, flat = whole[first - row + reach : end - row + reach], ring.reshape(-1)
    for k in range(count):
        for r in range(first, end):
            places[r - first] = ((r % slots) * count + k) * n
        weighted(sums[k], flat, places[: end - first], taps)


@kernel
def moved(pre, seen, spline, valid, right, down, origin, place, image, inside):
    """The second image under a hypothesis in a rectangle; whether both images show all of it."""
    low, high, left, end = place
    oy, ox = origin
    n = end - left
    parts, least = np.empty((4, n), np.float32), np.float32(1.0)
    for r in range(low, high):
        a, b = right[r + oy, left + ox : end + ox], down[r + oy, left + ox : end + ox]
        line, cover = inside[r - low], seen[r, left:end]
        warp_row(spline, valid, a, b, r, left, image[r - low], line, parts)
        for c in range(n):
            line[c] *= cover[c]
        for c in range(n):
            least = min(least, line[c])
    return least == np.float32(1.0)


@kernel
def strip(pre, seen, known, spline, valid, right, down, origin, taps, place, rho, mass):
    """`agreement` for a few rows, whose images fit into the cache."""
    r0, r1, c0, c1 = place
    height, width = pre.shape
    reach = taps.size - 1
    low, high = max(r0 - reach, 0), min(r1 + reach, height)
    left, end = max(c0 - reach, 0), min(c1 + reach, width)
    n = end - left
    image, inside = np.empty((high - low, n), np.float32), np.empty((high - low, n), np.float32)
    around = (low, high, left, end)
    count = 3 if moved(pre, seen, spline, valid, right, down, origin, around, image, inside) else 6
    slots = 2 * reach + 1
    ring, sums = np.empty((slots, count, n), np.float32), np.empty((count, n), np.float32)
    pads, places = np.zeros((count, n + 2 * reach), np.float32), np.empty(slots, np.int64)
    whole, steps = window(taps)
    here, used = slice(reach, reach + n), slice(c0 - left, c1 - left)
    for r in range(low, r1 + reach):
        if r < high:
            a, b = pre[r, left:end], image[r - low]
            if count == 3:
                three((pads[0, here], pads[1, here], pads[2, here]), (a, b), ())
            else:
                to = pads[0, here], pads[1, here], pads[2, here], pads[3, here], pads[4, here], pads[5, here]
                six(to, (a, b, inside[r - low]), ())
            for k in range(count):
                weighted(ring[r % slots, k], pads[k], steps, whole)
        m = r - reach
        if m < r0:
            continue
        gather(ring, m, low, high, whole, places, sums)
        target, weight = rho[m - r0], mass[m - r0]
        if count == 3:
            weight[:] = known[0, m, c0:c1]
            rows = sums[0, used], sums[1, used], sums[2, used]
            correlate_known((target,), (*rows, weight, known[1, m, c0:c1], known[2, m, c0:c1]), ())
        else:
            weight[:] = sums[0, used]
            others = sums[1, used], sums[2, used], sums[3, used], sums[4, used], sums[5, used]
            correlate((target,), (weight, *others), ())


@kernel
def planes(pre, seen, image, inside, out, begin, end):
    """What correlation sums, (6, h, w): mass and products in the order of `correlation`."""
    mass = np.empty(pre.shape[1], np.float32)
    for r in range(begin, end):
        for c in range(mass.size):
            mass[c] = seen[r, c] * inside[r, c]
        to = out[0, r], out[1, r], out[2, r], out[3, r], out[4, r], out[5, r]
        six(to, (pre[r], image[r], mass), ())


@kernel
def combine(sums, rho, begin, end):
    """`correlation` of planes of sums (6, h, w)."""
    for r in range(begin, end):
        rows = sums[0, r], sums[1, r], sums[2, r], sums[3, r], sums[4, r], sums[5, r]
        correlate((rho[r],), rows, ())


@kernel
def agreement(pre, seen, known, spline, valid, right, down, origin, taps, place, rho, mass):
    """Correlation and the share of the window that both images show, in a rectangle.

    `known` (3, h, w): share of the window inside the image, mean and variance of `pre` in it, as if all of it
    were seen. `right`, `down` hold the hypothesis; pixel (r, c) of the image is at [r + origin[0],
    c + origin[1]]. `place` is the rectangle (first row, end row, first column, end column); `rho` and `mass`
    have its shape.
    """
    r0, r1, c0, c1 = place
    for r in range(r0, r1, STRIP):
        end = min(r + STRIP, r1)
        rows = slice(r - r0, end - r0)
        part = (r, end, c0, c1)
        strip(pre, seen, known, spline, valid, right, down, origin, taps, part, rho[rows], mass[rows])
