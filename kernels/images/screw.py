"""Displacement beside a vertical strike-slip fault with a rough trace, along its strike."""

from __future__ import annotations

import math

import numpy as np

from dislok.kernels.cpu import kernel


@kernel
def screw(origin, direction, offsets, variation, smoothed, end, taper, depth, zone, out):
    """Fill `out` (h, w) with the displacement along strike of a screw dislocation that slips 1 on average.

    `origin` and `direction` are column and row of a point of the line and of the unit vector along strike;
    `offsets` of the trace to its right and `variation` of slip are one pixel apart, the middle one at the
    origin. Variation is felt half at `smoothed` pixels from the trace. The rupture begins at `end` along
    strike, where slip rises over `taper` pixels, as an ellipse does; -inf: nowhere. It reaches to `depth`
    pixels (Weertman & Weertman 1964); a jump is spread over `zone` pixels, or over none.
    """
    length = len(offsets)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            x, y = c - origin[0], r - origin[1]
            along = x * direction[0] + y * direction[1]
            place = along + length / 2
            below = min(max(int(place), 0), length - 2)
            part = place - below
            d = y * direction[0] - x * direction[1]
            d -= offsets[below] + part * (offsets[below + 1] - offsets[below])
            slip = variation[below] + part * (variation[below + 1] - variation[below])
            slip = 1.0 + slip / (1.0 + (d / smoothed) ** 2)
            if end > -np.inf:
                # on the fault the distance from its tip; elsewhere as a crack's sqrt(r) sin(angle / 2)
                reach = (math.hypot(along - end, d) + along - end) / (2.0 * taper)
                slip *= math.sqrt(1.0 - max(1.0 - reach, 0.0) ** 2)
            far = math.atan2(depth, abs(d)) / math.pi
            out[r, c] = slip * far * (math.tanh(2.0 * d / zone) if zone > 0 else 1.0 if d > 0 else -1.0)
