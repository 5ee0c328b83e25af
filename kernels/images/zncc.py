"""How well two images agree under a hypothesis of motion: correlation in a small window around each pixel."""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from .smooth import along_row
from .spline import warp_row

FLOOR = np.float32(1e-12)
# Rows that are taken at a time.
STRIP = 64


@kernel
def correlation(mass, a, b, aa, bb, ab):
    """Zero-mean normalised cross-correlation from weighted sums over a window; 0 where nothing varies."""
    scale = np.float32(1.0) / max(mass, FLOOR)
    a *= scale
    b *= scale
    vary_a = max(aa * scale - a * a, np.float32(0.0))
    vary_b = max(bb * scale - b * b, np.float32(0.0))
    return (ab * scale - a * b) / np.sqrt(vary_a * vary_b + FLOOR)


@kernel
def products(pre, image, mass, kind, out):
    """One row of what correlation sums: mass, b, b², ab, and a, a², each times the mass."""
    n = pre.size
    for c in range(n):
        a, b, m = pre[c], image[c], mass[c]
        if kind == 0:
            out[c] = m * b
        elif kind == 1:
            out[c] = m * b * b
        elif kind == 2:
            out[c] = m * a * b
        elif kind == 3:
            out[c] = m
        elif kind == 4:
            out[c] = m * a
        else:
            out[c] = m * a * a


@kernel
def gather(ring, slot, taps, low, high, row, sums):
    """Sum the rows of the ring around `row` into `sums`; rows outside [low, high) count as nothing."""
    count, n = sums.shape
    slots = ring.shape[0]
    for k in range(count):
        target, middle, first = sums[k], ring[slot, k], taps[0]
        for c in range(n):
            target[c] = first * middle[c]
        for j in range(1, taps.size):
            tap = taps[j]
            above, below = ring[(slot + slots - j) % slots, k], ring[(slot + j) % slots, k]
            if row - j >= low and row + j < high:
                for c in range(n):
                    target[c] += tap * (above[c] + below[c])
            elif row - j >= low:
                for c in range(n):
                    target[c] += tap * above[c]
            elif row + j < high:
                for c in range(n):
                    target[c] += tap * below[c]


@kernel
def known_side(sums, mass, mean, variance, out):
    """Correlation along a row where one image is known to be seen in whole windows."""
    for c in range(out.size):
        scale = np.float32(1.0) / max(mass[c], FLOOR)
        b = sums[0, c] * scale
        vary = max(sums[1, c] * scale - b * b, np.float32(0.0))
        out[c] = (sums[2, c] * scale - mean[c] * b) / np.sqrt(variance[c] * vary + FLOOR)


@kernel
def strip(pre, seen, known, spline, valid, right, down, origin, taps, place, rho, mass):
    """`agreement` for a few rows, whose images fit into the cache."""
    r0, r1, c0, c1 = place
    height, width = pre.shape
    reach = taps.size - 1
    low, high = max(r0 - reach, 0), min(r1 + reach, height)
    left, end = max(c0 - reach, 0), min(c1 + reach, width)
    n, oy, ox = end - left, origin[0], origin[1]
    image, inside = np.empty((high - low, n), np.float32), np.empty((high - low, n), np.float32)
    whole = np.float32(1.0)
    for r in range(low, high):
        a, b = right[r + oy, left + ox : end + ox], down[r + oy, left + ox : end + ox]
        warp_row(spline, valid, a, b, r, left, image[r - low], inside[r - low])
        line, cover = inside[r - low], seen[r, left:end]
        for c in range(n):
            line[c] *= cover[c]
            whole = min(whole, line[c])
    count = 3 if whole == np.float32(1.0) else 6
    slots = 2 * reach + 1
    ring, sums = np.empty((slots, count, n), np.float32), np.empty((count, n), np.float32)
    padded, product = np.empty(n + 2 * reach, np.float32), np.empty(n, np.float32)
    shift, long = c0 - left, c1 - c0
    for r in range(low, r1 + reach):
        if r < high:
            for k in range(count):
                products(pre[r, left:end], image[r - low], inside[r - low], k, product)
                along_row(product, taps, padded, ring[r % slots, k])
        middle = r - reach
        if middle < r0:
            continue
        gather(ring, middle % slots, taps, low, high, middle, sums)
        target, weight = rho[middle - r0], mass[middle - r0]
        if count == 3:
            for c in range(long):
                weight[c] = known[0, middle, c0 + c]
            of_row = known[1, middle, c0:c1], known[2, middle, c0:c1]
            known_side(sums[:, shift : shift + long], weight, *of_row, target)
            continue
        for c in range(long):
            k = c + shift
            weight[c] = sums[3, k]
            target[c] = correlation(sums[3, k], sums[4, k], sums[0, k], sums[5, k], sums[1, k], sums[2, k])


@kernel
def planes(pre, seen, image, inside, out, begin, end):
    """What correlation sums, (6, h, w): mass and products in the order of `correlation`."""
    for r in range(begin, end):
        for c in range(pre.shape[1]):
            a, b, m = pre[r, c], image[r, c], seen[r, c] * inside[r, c]
            out[0, r, c], out[1, r, c], out[2, r, c] = m, m * a, m * b
            out[3, r, c], out[4, r, c], out[5, r, c] = m * a * a, m * b * b, m * a * b


@kernel
def combine(sums, rho, begin, end):
    """`correlation` of planes of sums (6, h, w)."""
    for r in range(begin, end):
        for c in range(rho.shape[1]):
            rho[r, c] = correlation(
                sums[0, r, c], sums[1, r, c], sums[2, r, c], sums[3, r, c], sums[4, r, c], sums[5, r, c]
            )


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
