"""Displacement beside a vertical strike-slip fault with a rough trace, along its strike."""

from __future__ import annotations

import math

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.scalar import absolute, atan, copysign, exp, scalar, sqrt, value

TURN = 1.0 / math.pi


@scalar
def wall(d, slip, depth):
    """Displacement of a wall at a distance d from a screw dislocation that slips down to a depth."""
    return slip * copysign(0.5 - TURN * atan(absolute(d) / depth), d)


@scalar
def sheared(d, zone):
    """What of the jump has been made up for at a distance d within a zone of distributed shear."""
    rest = exp(-4.0 * absolute(d) / zone)
    return (1.0 - rest) / (1.0 + rest)


@scalar
def tapered(along, d, taper):
    """What of the slip there is `along` a rupture from its tip.

    On the fault it rises as an ellipse does, elsewhere as a crack's sqrt(r) sin(angle / 2).
    """
    reach = (sqrt(along * along + d * d) + along) / (2.0 * taper)
    rest = 0.5 * (absolute(1.0 - reach) + 1.0 - reach)
    return sqrt(1.0 - rest * rest)


@kernel
def screw(origin, direction, offsets, variation, smoothed, end, taper, depth, zone, out):
    """Fill `out` (h, w) with the displacement along strike of a screw dislocation that slips 1 on average.

    `origin` and `direction` are column and row of a point of the line and of the unit vector along strike;
    `offsets` of the trace to its right and `variation` of slip are one pixel apart, the middle one at the
    origin. Variation is felt half at `smoothed` pixels from the trace. The rupture begins at `end` along
    strike, where slip rises over `taper` pixels, as an ellipse does; -inf: nowhere. It reaches to `depth`
    pixels (Weertman & Weertman 1964); a jump is spread over `zone` pixels, or over none.
    """
    h, w = out.shape
    half, last = 0.5 * len(offsets), float(len(offsets) - 2)
    along, across, slip, row = np.empty(w), np.empty(w), np.empty(w), np.empty(w)
    count = np.uint64(w)
    for r in range(h):
        y = r - origin[1]
        for c in range(count):
            x = float(np.int64(c)) - origin[0]
            along[c] = x * direction[0] + y * direction[1]
            place = along[c] + half
            below = np.floor(min(max(place, 0.0), last))
            part, k = place - below, np.uint64(np.int64(below))
            after = k + np.uint64(1)
            d = y * direction[0] - x * direction[1]
            d -= offsets[k] + part * (offsets[after] - offsets[k])
            more = variation[k] + part * (variation[after] - variation[k])
            across[c] = d
            slip[c] = 1.0 + more / (1.0 + (d / smoothed) * (d / smoothed))
        if end > -np.inf:
            for c in range(count):
                slip[c] *= value(tapered(along[c] - end, across[c], taper))
        for c in range(count):
            row[c] = value(wall(across[c], slip[c], depth))
        if zone > 0:
            for c in range(count):
                row[c] *= value(sheared(across[c], zone))
        for c in range(count):
            out[r, c] = row[c]
