"""Where motion steps: mixtures of the motions of both sides, matched in windows that lie along the step.

A pixel's motion is ``a + w_k (b - a)`` with the motions `a` and `b` of the two sides and weights `w_k`. What
slides along a line keeps its order along that line, however fast motion changes across: a window that is long
along the line and thin across recognises it.
"""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from ..scalar import log, maximum, minimum, scalar, sqrt, where
from ..streams import least, placed, streamed
from .spline import RIM, seen_at, value

HUGE = np.float32(1e9)
# Pixels on a side of the blocks that say what the two sides do.
BLOCK = 4


@kernel
def extremes(field, out, begin, end):
    """Range of motion in each block, the larger of both components, for rows of blocks before `end`."""
    for i in range(begin, end):
        for j in range(out.shape[1]):
            most = np.float32(0)
            for k in range(2):
                low = high = field[k, i * BLOCK, j * BLOCK]
                for r in range(i * BLOCK, (i + 1) * BLOCK):
                    for c in range(j * BLOCK, (j + 1) * BLOCK):
                        low, high = min(low, field[k, r, c]), max(high, field[k, r, c])
                most = max(most, high - low)
            out[i, j] = most


@kernel
def split(field, trust, along, middle, out, begin, end):
    """Trust and motion, summed over the pixels of blocks on either side of `middle`.

    `along` (2, blocks) is the direction in which motion differs, `middle` (blocks) the border on that axis;
    `out` (6, blocks): trust, trust times right, trust times down, of the low and of the high side.
    """
    for i in range(begin, end):
        for j in range(out.shape[2]):
            ex, ey, border = along[0, i, j], along[1, i, j], middle[i, j]
            for k in range(6):
                out[k, i, j] = 0
            for r in range(i * BLOCK, (i + 1) * BLOCK):
                for c in range(j * BLOCK, (j + 1) * BLOCK):
                    u, v, t = field[0, r, c], field[1, r, c], trust[r, c]
                    side = 0 if u * ex + v * ey < border else 3
                    out[side, i, j] += t
                    out[side + 1, i, j] += t * u
                    out[side + 2, i, j] += t * v


@kernel
def squares(field, trust, out, begin, end):
    """Trust times 1, right, down, and their squares and product, summed over blocks: `out` (6, blocks)."""
    for i in range(begin, end):
        for j in range(out.shape[2]):
            for k in range(6):
                out[k, i, j] = 0
            for r in range(i * BLOCK, (i + 1) * BLOCK):
                for c in range(j * BLOCK, (j + 1) * BLOCK):
                    u, v, t = field[0, r, c], field[1, r, c], trust[r, c]
                    out[0, i, j] += t
                    out[1, i, j] += t * u
                    out[2, i, j] += t * v
                    out[3, i, j] += t * u * u
                    out[4, i, j] += t * v * v
                    out[5, i, j] += t * u * v


@kernel
def warped(spline, valid, a, b, weights, rows, columns, out, clean, begin, end):
    """Values of the second image at listed pixels under every mixture, NaN where it shows nothing.

    `a`, `b` (2, pixels) are the motions of the two sides; `out` is (pixels, mixtures), `clean` (pixels) says
    where all are shown.
    """
    top, edge = np.float32(spline.shape[0] - 2 * RIM - 1), np.float32(spline.shape[1] - 2 * RIM - 1)
    for p in range(begin, end):
        r, c = rows[p], columns[p]
        u, v = a[0, p], a[1, p]
        du, dv = b[0, p] - u, b[1, p] - v
        clean[p] = True
        for k in range(weights.size):
            x = np.float32(c) + u + weights[k] * du
            y = np.float32(r) + v + weights[k] * dv
            out[p, k] = np.nan
            if x >= 0 and y >= 0 and x <= edge and y <= top and seen_at(valid, x, y):
                out[p, k] = value(spline, x, y)
            else:
                clean[p] = False


def added(y, b, bb, ab, tap, tap_a):
    """Sums over a window with one more point, that all mixtures show."""
    return b + tap * y, bb + tap * y * y, ab + tap_a * y


@scalar
def added_if_seen(y, mass, a, aa, b, bb, ab, tap, value):
    """Sums over a window with one more point, where a mixture shows it: it is no number where not."""
    seen = y == y
    m, y = where(seen, tap, 0.0), where(seen, y, 0.0)
    return m + mass, a + m * value, aa + m * value * value, b + m * y, bb + m * y * y, ab + m * y * value


@scalar
def misfit(mass, a, aa, b, bb, ab, nats, floor):
    """Nats of a mixture from the sums over a window; none where it shows little."""
    scale = 1.0 / maximum(mass, 0.3)
    ma, mb = a * scale, b * scale
    va, vb = maximum(aa * scale - ma * ma, 0.0), maximum(bb * scale - mb * mb, 0.0)
    rho = maximum((ab * scale - ma * mb) / sqrt(va * vb + 1e-9), 0.0)
    return where(mass > 0.3, nats * log(maximum(1.0 - rho * rho, 0.0) + floor), 0.0)


add = placed(added)
add_if_seen = placed(added_if_seen)
rate = streamed(misfit)


@kernel
def costs(pre, seen, images, clean, index, rows, columns, way, offsets, taps, nats, floor, out, begin, end):
    """Misfit in nats of every mixture at listed pixels.

    `images` and `clean` are from `warped`. `index` (h, w) is the line of a pixel in them, or -1; `way`
    (pixels) chooses one of the windows whose points are `offsets` (windows, points, 2) with weights `taps`
    (windows, points).
    """
    height, width = pre.shape
    sums = np.empty((6, images.shape[1]), np.float32)
    every = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    flat, lines, many = sums.reshape(-1), images.reshape(-1), images.shape[1]
    some, all_of = (3 * many, 4 * many, 5 * many), (0, many, 2 * many, 3 * many, 4 * many, 5 * many)
    for p in range(begin, end):
        w = way[p]
        sums[:] = np.float32(0.0)
        whole = True
        mass = a = aa = np.float32(0.0)
        for t in range(taps.shape[1]):
            r, c = rows[p] + offsets[w, t, 0], columns[p] + offsets[w, t, 1]
            if r < 0 or c < 0 or r >= height or c >= width:
                continue
            tap, q, value_a = taps[w, t] * seen[r, c], index[r, c], pre[r, c]
            if q < 0 or tap == np.float32(0.0):
                continue
            line = (q * many,)
            if whole and not clean[q]:
                sums[0], sums[1], sums[2] = mass, a, aa
                whole = False
            if whole:
                mass += tap
                a += tap * value_a
                aa += tap * value_a * value_a
                add(flat, some, (lines, flat, flat, flat), line + some, (tap, tap * value_a), many)
            else:
                rows_of = lines, flat, flat, flat, flat, flat, flat
                add_if_seen(flat, all_of, rows_of, line + all_of, (tap, value_a), many)
        if whole:
            sums[0], sums[1], sums[2] = mass, a, aa
        rate((out[p],), every, (nats, floor))


def nearer(middle, left, right, toll):
    """The least cost of a mixture and of two others, from which it costs a toll to come."""
    return minimum(middle, minimum(left, right) + toll)


def arrived(cost, way, least):
    """Cost of a mixture and of the way to it, over that of the best one before."""
    return cost + way - least


def summed(a, b):
    """Costs of paths so far, and of one more."""
    return a + b


approach = streamed(nearer)
arrive = streamed(arrived)
together = streamed(summed)


@kernel
def message(cost, before, toll, rooms, now):
    """Costs of a pixel's mixtures along a path from those of the pixel before, a toll for each step.

    `rooms` (2, n + 2 m) have m, at least n, numbers on both sides that are `HUGE`: from places 1, 2, 4 ...
    away in turn, every place is reached.
    """
    n = cost.size
    m = (rooms.shape[1] - n) // 2
    inner, source, away = slice(m, m + n), 0, 1
    rooms[0, inner] = before
    lowest = least(before)
    while away < n:
        cells = rooms[source]
        sides = cells[m - away : m - away + n], cells[m + away : m + away + n]
        approach((rooms[1 - source, inner],), (cells[inner], *sides), (np.float32(away) * toll,))
        source, away = 1 - source, 2 * away
    arrive((now,), (cost, rooms[source, inner]), (lowest,))


@kernel
def paths(volume, index, rows, columns, direction, tolls, total):
    """Add to `total` the costs along paths through listed pixels, direction 0 right, 1 left, 2 down, 3 up.

    The pixels are in the order of rows, then columns.
    """
    height, width = index.shape
    count, many = volume.shape
    dr = 0 if direction < 2 else (1 if direction == 2 else -1)
    dc = (1 if direction == 0 else -1) if direction < 2 else 0
    reached = np.empty((count, many), np.float32)
    rooms = np.full((2, 3 * many), HUGE, np.float32)
    for s in range(count):
        p = s if direction % 2 == 0 else count - 1 - s
        r, c = rows[p] - dr, columns[p] - dc
        q = -1
        if r >= 0 and c >= 0 and r < height and c < width:
            q = index[r, c]
        if q < 0 or q >= count:
            reached[p] = volume[p]
        else:
            message(volume[p], reached[q], tolls[p], rooms, reached[p])
        together((total[p],), (total[p], reached[p]), ())
