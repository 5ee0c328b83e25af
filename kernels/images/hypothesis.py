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
def farthest(u, v, other_u, other_v, offset, shift, place):
    """Largest difference between the present motion and a hypothesis, in a rectangle."""
    r0, r1, c0, c1 = place
    oy, ox = offset
    su, sv = shift
    largest = np.float32(0.0)
    for r in range(r0, r1):
        a, b = u[r, c0:c1], v[r, c0:c1]
        p, q = other_u[r + oy, c0 + ox : c1 + ox], other_v[r + oy, c0 + ox : c1 + ox]
        for c in range(c1 - c0):
            d = max(abs(p[c] + su - a[c]), abs(q[c] + sv - b[c]))
            largest = max(largest, d)
    return largest


@kernel
def votes(u, v, r, c, hu, hv, ring):
    """Neighbours whose motion is nearer to (hu, hv) than to the pixel's own; those outside abstain."""
    height, width = u.shape
    for_it, asked = 0, 0
    mu, mv = u[r, c], v[r, c]
    for k in range(ring.shape[0]):
        y, x = r + ring[k, 0], c + ring[k, 1]
        if 0 <= y < height and 0 <= x < width:
            a, b = u[y, x] - hu, v[y, x] - hv
            p, q = u[y, x] - mu, v[y, x] - mv
            asked += 1
            if a * a + b * b < p * p + q * q:
                for_it += 1
    return np.float32(for_it) / np.float32(max(asked, 1))


@kernel
def consider(pre, seen, spline, valid, field, score, other, offset, shift, taps, rules, place, new):
    """Try a hypothesis in a rectangle: the motion `other` [r + offset[0], c + offset[1]] plus `shift`.

    `field` (2, h, w) is the present motion and `score` (h, w) its misfit. A pixel takes the hypothesis where
    log(misfit now / misfit then) exceeds `rules[0]` times (1 - 2 agree), `agree` the share of its neighbours
    that move so already; never when that is worse. `new` (3, h, w) gets motion and misfit. Returns how many
    pixels took it.
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
            du, dv = hu - field[0, r, c], hv - field[1, r, c]
            if du * du + dv * dv < small * small:
                continue
            agree = votes(field[0], field[1], r, c, hu, hv, RING)
            if np.log(now / then) > toll * max(np.float32(1.0) - np.float32(2.0) * agree, np.float32(0.0)):
                new[0, r, c], new[1, r, c], new[2, r, c] = hu, hv, then
                taken += 1
    return taken
