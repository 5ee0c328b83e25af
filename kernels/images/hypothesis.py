"""Motions of other places tried at each pixel: it takes one that matches better and that neighbours share."""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from ..scalar import maximum, minimum
from ..streams import streamed
from .zncc import agreement

# Neighbours asked, (rows, columns): two rings.
RING = np.array(
    [(0, 2), (1, 1), (2, 0), (1, -1), (0, -2), (-1, -1), (-2, 0), (-1, 1)]
    + [(0, 5), (3, 3), (5, 0), (3, -3), (0, -5), (-3, -3), (-5, 0), (-3, 3)],
    np.int64,
)


@kernel
def misfit(rho, evenness):
    """Share of the variance that a linear relation of the windows leaves, with a floor for the noise."""
    good = max(rho, np.float32(0.0))
    return np.float32(1.0) - good * good + evenness


@kernel
def worth(wide, rim, score, other, offset, shift, limits, place, marks):
    """The smallest rectangle within `place` that holds all pixels for which a hypothesis is worth a trial.

    Those whose motion it changes by more than `limits[0]` and whose misfit exceeds `limits[1]`; an empty one
    if there are none. `marks` is room for a row.
    """
    r0, r1, c0, c1 = place
    oy, ox = offset
    small, good = limits[0], limits[1]
    su, sv = shift
    top, bottom, left, right = r1, r0, c1, c0
    for c in range(c1 - c0):
        marks[c] = 0
    for r in range(r0, r1):
        a, b = wide[0, r + rim, c0 + rim : c1 + rim], other[0, r + oy, c0 + ox : c1 + ox]
        p, q = wide[1, r + rim, c0 + rim : c1 + rim], other[1, r + oy, c0 + ox : c1 + ox]
        held = score[r, c0:c1]
        count = np.int32(0)
        for c in range(c1 - c0):
            far = (abs(b[c] + su - a[c]) > small) | (abs(q[c] + sv - p[c]) > small)
            hit = np.int32(far & (held[c] > good))
            marks[c] |= hit
            count += hit
        if count > 0:
            top, bottom = min(top, r), r + 1
    for c in range(c1 - c0):
        if marks[c]:
            left, right = min(left, c0 + c), c0 + c + 1
    return top, bottom, left, right


@kernel
def votes(wide, y, x, hu, hv, ring):
    """Share of the neighbours of [y, x] whose motion is nearer to (hu, hv) than to the pixel's own."""
    count = 0
    mu, mv = wide[0, y, x], wide[1, y, x]
    for k in range(ring.shape[0]):
        u, v = wide[0, y + ring[k, 0], x + ring[k, 1]], wide[1, y + ring[k, 0], x + ring[k, 1]]
        a, b, p, q = u - hu, v - hv, u - mu, v - mv
        if a * a + b * b < p * p + q * q:
            count += 1
    return np.float32(count) / np.float32(ring.shape[0])


@kernel
def moved(other, offset, shift, rows, columns):
    """The motion `other` [r + offset[0], c + offset[1]] plus `shift` for ranges of rows and columns."""
    (top, bottom), (left, right) = rows, columns
    out = np.empty((2, bottom - top, right - left), np.float32)
    for k in range(2):
        for r in range(top, bottom):
            source = other[k, r + offset[0], left + offset[1] : right + offset[1]]
            target = out[k, r - top]
            for c in range(right - left):
                target[c] = source[c] + shift[k]
    return out


@kernel
def consider(images, present, tried, taps, rules, place, new):
    """Try a hypothesis in a rectangle: the motion `other` [r + offset[0], c + offset[1]] plus `shift`.

    `images` are the first arguments of `agreement`, `present` the motion, its rim and its misfit: that of
    pixel (r, c) is at [r + rim, c + rim] of `wide` and [r, c] of `score`; `tried` are `other`, `offset` and
    `shift`. A pixel takes the hypothesis where log(misfit now / misfit then) exceeds
    `rules[0]` times (1 - 2 agree), `agree` the share of its neighbours that move so already; never when that
    is worse. `new` (3, h, w) gets motion and misfit. Returns how many pixels took it.
    """
    pre, seen, known, spline, valid = images
    wide, rim, score = present
    r0, r1, c0, c1 = place
    toll, evenness, small = rules[0], rules[1], rules[2]
    height, width = pre.shape
    reach = taps.size - 1
    top, left = max(r0 - reach, 0), max(c0 - reach, 0)
    ends = (top, min(r1 + reach, height)), (left, min(c1 + reach, width))
    hyp = moved(tried[0], tried[1], tried[2], ends[0], ends[1])
    rho, mass = np.empty((r1 - r0, c1 - c0), np.float32), np.empty((r1 - r0, c1 - c0), np.float32)
    agreement(pre, seen, known, spline, valid, hyp[0], hyp[1], (-top, -left), taps, place, rho, mass)
    taken = 0
    for r in range(r0, r1):
        for c in range(c0, c1):
            now = score[r, c]
            then = misfit(rho[r - r0, c - c0], evenness)
            if then >= now or mass[r - r0, c - c0] < np.float32(0.3):
                continue
            hu, hv = hyp[0, r - top, c - left], hyp[1, r - top, c - left]
            du, dv = hu - wide[0, r + rim, c + rim], hv - wide[1, r + rim, c + rim]
            if du * du + dv * dv < small * small:
                continue
            agree = votes(wide, r + rim, c + rim, hu, hv, RING)
            if np.log(now / then) > toll * max(np.float32(1.0) - np.float32(2.0) * agree, np.float32(0.0)):
                new[0, r, c], new[1, r, c], new[2, r, c] = hu, hv, then
                taken += 1
    return taken


def widened(low, high, x):
    """A range that holds one more number."""
    return minimum(low, x), maximum(high, x)


widen = streamed(widened)


@kernel
def extremes(wide, rim, tile, out):
    """Lowest and highest motion in squares of side `tile`: `out` (4, squares, squares), u, u, v, v."""
    height, width = wide.shape[1] - 2 * rim, wide.shape[2] - 2 * rim
    low, high = np.empty(width, np.float32), np.empty(width, np.float32)
    for k in range(2):
        for i in range(out.shape[1]):
            low[:] = wide[k, i * tile + rim, rim : rim + width]
            high[:] = low
            for r in range(i * tile + 1, min((i + 1) * tile, height)):
                widen((low, high), (low, high, wide[k, r + rim, rim : rim + width]), ())
            for j in range(out.shape[2]):
                lowest, highest = low[j * tile], high[j * tile]
                for c in range(j * tile, min((j + 1) * tile, width)):
                    lowest, highest = min(lowest, low[c]), max(highest, high[c])
                out[2 * k, i, j], out[2 * k + 1, i, j] = lowest, highest


@kernel
def sweep(images, present, tried, taps, rules, limits, busy, tile, new, changed, begin, end):
    """`consider` a hypothesis in all squares of side `tile` that begin in rows from `begin` to before `end`.

    Squares that are not `busy` are left out; neighbours in a row for which it is worth a trial are taken
    together. `changed` (rows of squares, squares, 5) gets the rectangles in which pixels took it, else zeros,
    and how many were tried.
    """
    height, width = images[0].shape
    marks = np.empty(tile, np.int32)
    for r in range(begin, end, tile):
        bottom, c = min(r + tile, height), 0
        while c < width:
            first, top, low, start, stop = c, bottom, r, width, 0
            while c < width:
                square = (r, bottom, c, min(c + tile, width))
                if not busy[r // tile, c // tile]:
                    c += tile
                    break
                place = worth(
                    present[0], present[1], present[2], tried[0], tried[1], tried[2], limits, square, marks
                )
                c += tile
                if place[0] >= place[1]:
                    break
                top, low = min(top, place[0]), max(low, place[1])
                start, stop = min(start, place[2]), max(stop, place[3])
            taken = 0
            if start < stop:
                taken = consider(images, present, tried, taps, rules, (top, low, start, stop), new)
            for square_of in range(first, c, tile):
                each = changed[r // tile, square_of // tile]
                each[:] = 0
                if square_of == first and start < stop:
                    each[4] = (low - top) * (stop - start)
                if taken > 0 and max(square_of, start) < min(square_of + tile, stop):
                    each[0], each[1] = top, low
                    each[2], each[3] = max(square_of, start), min(square_of + tile, stop)


@kernel
def settle(new, wide, rim, score, changed):
    """Make what `sweep` wrote the present motion."""
    for i in range(changed.shape[0]):
        for j in range(changed.shape[1]):
            for r in range(changed[i, j, 0], changed[i, j, 1]):
                for c in range(changed[i, j, 2], changed[i, j, 3]):
                    wide[0, r + rim, c + rim], wide[1, r + rim, c + rim] = new[0, r, c], new[1, r, c]
                    score[r, c] = new[2, r, c]
