"""How well two images agree under a hypothesis of motion: correlation in a small window around each pixel."""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from .smooth import along_row
from .spline import warp_row

SUMS = 6
FLOOR = np.float32(1e-12)


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
def fill(pre, seen, image, inside, ring, slot, taps, padded, product):
    """Sums along one row of what correlation needs, into slot `slot` of the ring."""
    n = pre.size
    for k in range(SUMS):
        for c in range(n):
            mass = seen[c] * inside[c]
            a, b = pre[c], image[c]
            if k == 0:
                product[c] = mass
            elif k == 1:
                product[c] = mass * a
            elif k == 2:
                product[c] = mass * b
            elif k == 3:
                product[c] = mass * a * a
            elif k == 4:
                product[c] = mass * b * b
            else:
                product[c] = mass * a * b
        along_row(product, taps, padded, ring[slot, k])


@kernel
def gather(ring, slot, taps, low, high, row, sums):
    """Sum the rows of the ring around `row` into `sums`; rows outside [low, high) count as nothing."""
    n, slots = sums.shape[1], ring.shape[0]
    for k in range(SUMS):
        target, middle, first = sums[k], ring[slot, k], taps[0]
        for c in range(n):
            target[c] = first * middle[c]
        for j in range(1, taps.size):
            tap = taps[j]
            if row - j >= low:
                above = ring[(slot + slots - j) % slots, k]
                for c in range(n):
                    target[c] += tap * above[c]
            if row + j < high:
                below = ring[(slot + j) % slots, k]
                for c in range(n):
                    target[c] += tap * below[c]


@kernel
def agreement(pre, seen, spline, valid, right, down, origin, taps, place, rho, mass):
    """Correlation and the share of the window that both images show, in a rectangle.

    `right`, `down` hold the hypothesis; pixel (r, c) of the image is at [r + origin[0], c + origin[1]].
    `place` is the rectangle (first row, end row, first column, end column); `rho` and `mass` have its shape.
    """
    r0, r1, c0, c1 = place
    height, width = pre.shape
    reach = taps.size - 1
    low, high = max(r0 - reach, 0), min(r1 + reach, height)
    left, end = max(c0 - reach, 0), min(c1 + reach, width)
    n = end - left
    slots = 2 * reach + 1
    ring = np.empty((slots, SUMS, n), np.float32)
    padded = np.empty(n + 2 * reach, np.float32)
    image, inside, product = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    sums = np.empty((SUMS, n), np.float32)
    oy, ox = origin
    for r in range(low, r1 + reach):
        if r < high:
            a, b = right[r + oy, left + ox : end + ox], down[r + oy, left + ox : end + ox]
            warp_row(spline, valid, a, b, r, left, image, inside)
            fill(pre[r, left:end], seen[r, left:end], image, inside, ring, r % slots, taps, padded, product)
        middle = r - reach
        if middle >= r0:
            gather(ring, middle % slots, taps, low, high, middle, sums)
            target, weight, shift = rho[middle - r0], mass[middle - r0], c0 - left
            for c in range(c1 - c0):
                k = c + shift
                target[c] = correlation(
                    sums[0, k], sums[1, k], sums[2, k], sums[3, k], sums[4, k], sums[5, k]
                )
                weight[c] = sums[0, k]
