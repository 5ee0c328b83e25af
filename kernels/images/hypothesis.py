"""Motions of other places tried at each pixel: it takes one that matches better and that neighbours share."""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
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
def consider(pre, seen, spline, valid, wide, rim, score, other, offset, shift, taps, rules, place, new):
    """Try a hypothesis in a rectangle: the motion `other` [r + offset[0], c + offset[1]] plus `shift`.

    The present motion of pixel (r, c) is at [r + rim, c + rim] of `wide` (2, h + 2 rim, w + 2 rim), its
    misfit in `score` (h, w). A pixel takes the hypothesis where log(misfit now / misfit then) exceeds
    `rules[0]` times (1 - 2 agree), `agree` the share of its neighbours that move so already; never when that
    is worse. `new` (3, h, w) gets motion and misfit. Returns how many pixels took it.
    """
    r0, r1, c0, c1 = place
    toll, evenness, small = rules[0], rules[1], rules[2]
    height, width = pre.shape
    reach = taps.size - 1
    top, bottom = max(r0 - reach, 0), min(r1 + reach, height)
    left, right = max(c0 - reach, 0), min(c1 + reach, width)
    hyp = np.empty((2, bottom - top, right - left), np.float32)
    oy, ox = offset
    for k in range(2):
        for r in range(top, bottom):
            source = other[k, r + oy, left + ox : right + ox]
            target = hyp[k, r - top]
            for c in range(right - left):
                target[c] = source[c] + shift[k]
    rho = np.empty((r1 - r0, c1 - c0), np.float32)
    mass = np.empty((r1 - r0, c1 - c0), np.float32)
    agreement(pre, seen, spline, valid, hyp[0], hyp[1], (-top, -left), taps, place, rho, mass)
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


@kernel
def sweep(images, present, tried, taps, rules, limits, tile, new, changed, begin, end):
    """`consider` a hypothesis in all squares of side `tile` that begin in rows from `begin` to before `end`.

    `images`, `present` and `tried` are the arguments of `consider` in groups; `changed` (rows of squares,
    squares, 4) gets the rectangles in which pixels took it, else zeros.
    """
    pre, seen, spline, valid = images
    wide, rim, score = present
    other, offset, shift = tried
    height, width = pre.shape
    marks = np.empty(tile, np.int32)
    for r in range(begin, end, tile):
        for c in range(0, width, tile):
            square = (r, min(r + tile, height), c, min(c + tile, width))
            place = worth(wide, rim, score, other, offset, shift, limits, square, marks)
            taken = 0
            if place[0] < place[1]:
                taken = consider(
                    pre, seen, spline, valid, wide, rim, score, other, offset, shift, taps, rules, place, new
                )
            for k in range(4):
                changed[r // tile, c // tile, k] = place[k] if taken > 0 else 0


@kernel
def settle(new, wide, rim, score, changed):
    """Make what `sweep` wrote the present motion."""
    for i in range(changed.shape[0]):
        for j in range(changed.shape[1]):
            for r in range(changed[i, j, 0], changed[i, j, 1]):
                for c in range(changed[i, j, 2], changed[i, j, 3]):
                    wide[0, r + rim, c + rim], wide[1, r + rim, c + rim] = new[0, r, c], new[1, r, c]
                    score[r, c] = new[2, r, c]
