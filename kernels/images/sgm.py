"""Whole-pixel motion by exhaustive search, with a prior for smooth fields and sharp steps along paths.

Hirschmüller (2008), "Stereo processing by semiglobal matching and mutual information", equation 13, for
motion in two directions: neighbouring labels differ by one pixel in a row or a column or both.
"""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from ..scalar import log, maximum, minimum, scalar, sqrt, where
from ..streams import least, streamed, weighted
from .smooth import window

HUGE = np.float32(1e9)


@scalar
def nats_of(total, weight_a, mean_a, square_a, weight_b, mean_b, square_b, nats):
    """Cost of a shift from the sum of products of both images in a window; nothing where little is seen."""
    weight = minimum(weight_a, weight_b)
    vary_a, vary_b = square_a - mean_a * mean_a, square_b - mean_b * mean_b
    seen = maximum(weight, 0.2)
    rho = (total / seen - mean_a * mean_b) / sqrt(maximum(vary_a * vary_b, 1e-6))
    rho = minimum(maximum(rho, 0.0), 1.0)
    return where(weight < 0.2, 0.0, weight * nats * log(1.01 - rho * rho))


def product(a, b):
    """Of both images."""
    return a * b


def summed(a, b):
    """Costs of paths so far, and of one more."""
    return a + b


@scalar
def nearest(left, middle, right):
    """The least of three neighbours."""
    return minimum(minimum(left, middle), right)


@scalar
def arrived(cost, own, up, middle, down, one, far, best):
    """Cost of a label from those of the pixel before: its own, its neighbours' and the best of all."""
    return cost + minimum(minimum(own, nearest(up, middle, down) + one), best + far) - best


rate = streamed(nats_of)
multiply = streamed(product)
across = streamed(nearest, (0, 1, 2))
arrive = streamed(arrived)
add = streamed(summed)
# Columns that are turned at a time.
TURNED = 16


@kernel
def costs(a, b, moments_a, moments_b, shifts, taps, nats, volume, begin, end):
    """Cost of shifts, in nats, into `volume` (h, w, labels), for rows from `begin` to before `end`.

    `moments` (3, h, w) hold each image's local weight, mean and mean square, on its own. `shifts` (labels,
    2): rows and columns; a column that reaches beyond the image in both directions marks a label that is
    none and costs `HUGE`.
    """
    height, n = a.shape
    reach, labels = taps.size - 1, shifts.shape[0]
    whole, steps = window(taps)
    slots = 2 * reach + 1
    places, padded = np.empty(slots, np.int64), np.zeros(n + 2 * reach, np.float32)
    ring = np.zeros((labels, slots, n), np.float32)
    flat, total, line = ring.reshape(-1), np.empty(n, np.float32), np.empty((labels, n), np.float32)
    for r in range(max(begin - reach, 0), end + reach):
        m = r - reach
        first, last = max(m - reach, 0), min(m + reach + 1, height)
        for s in range(labels):
            dy, dx = shifts[s, 0], shifts[s, 1]
            low, high, y = max(0, -dx), min(n, n - dx), m + dy
            if r < height:
                row = ring[s, r % slots]
                if 0 <= r + dy < height and high > low:
                    padded[:] = np.float32(0.0)
                    multiply(
                        (padded[reach + low : reach + high],),
                        (a[r, low:high], b[r + dy, low + dx : high + dx]),
                        (),
                    )
                    weighted(row, padded, steps, whole)
                else:
                    row[:] = np.float32(0.0)
            if m < begin:
                continue
            line[s] = np.float32(0.0) if dx > -n else HUGE
            if y < 0 or y >= height or high <= low:
                continue
            for k in range(first, last):
                places[k - first] = (s * slots + k % slots) * n
            weighted(total, flat, places[: last - first], whole[first - m + reach : last - m + reach])
            one = moments_a[0, m, low:high], moments_a[1, m, low:high], moments_a[2, m, low:high]
            p, q = low + dx, high + dx
            two = moments_b[0, y, p:q], moments_b[1, y, p:q], moments_b[2, y, p:q]
            rate((line[s, low:high],), (total[low:high], *one, *two), (nats,))
        if m >= begin:
            for left in range(0, n, TURNED):
                for s in range(labels):
                    for c in range(left, min(left + TURNED, n)):
                        volume[m, c, s] = line[s, c]


@kernel
def paths(volume, wide, one, far, total, direction, begin, end):
    """Add the costs along paths in a direction (0 right, 1 left, 2 down, 3 up) to `total`.

    Paths from `begin` to before `end`: rows for directions 0 and 1, columns for the others. Labels lie in
    rows of `wide`, of which the first and the last one are none.
    """
    height, width, labels = volume.shape
    steps = width if direction < 2 else height
    # A row of labels that are none before the first and after the last one, and one more at both ends.
    size = labels + 2 * wide + 2
    before, best = np.full(size, HUGE, np.float32), np.empty(size, np.float32)
    inner = slice(wide + 1, wide + 1 + labels)
    for line in range(begin, end):
        before[inner] = np.float32(0.0)
        for k in range(steps):
            at = k if direction % 2 == 0 else steps - 1 - k
            r, c = (line, at) if direction < 2 else (at, line)
            across((best[1 : size - 1],), (before,), ())
            now, lowest = before[inner], least(before[inner])
            rows = best[1 : 1 + labels], best[inner], best[1 + 2 * wide : 1 + 2 * wide + labels]
            arrive((now,), (volume[r, c], now, *rows), (one, far, lowest))
            add((total[r, c],), (total[r, c], now), ())


@kernel
def winners(total, shifts, u, v, begin, end):
    """The shift of least cost at each pixel."""
    labels = shifts.shape[0]
    for r in range(begin, end):
        for c in range(u.shape[1]):
            best, least = 0, total[r, c, 0]
            for s in range(1, labels):
                if total[r, c, s] < least:
                    best, least = s, total[r, c, s]
            v[r, c] = np.float32(shifts[best, 0])
            u[r, c] = np.float32(shifts[best, 1])
