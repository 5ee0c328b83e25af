"""Which sources the formulas cannot take: the first offender in one compiled pass."""

from __future__ import annotations

import math

from dislok.kernels.cpu import kernel

FINE, NEGATIVE_DEPTH, LENGTH, WIDTH, ABOVE, OUTCROP = range(6)
"""What is wrong with a source, in the order in which it is said; `ABOVE` is the depth of a rectangle."""


@kernel
def first_bad_point(src):
    """(what is wrong, row) of the first point with a negative depth; src has shape (m, 9)."""
    for j in range(len(src)):
        if src[j, 2] < 0.0:
            return NEGATIVE_DEPTH, j
    return FINE, 0


@kernel
def first_bad_rectangle(src, fraction, tolerance):
    """(what is wrong, row) of the first rectangle that cannot be; src has shape (m, 10).

    `fraction` of the width is above the reference point; the upper edge may be above the surface by
    `tolerance` times the width.
    """
    worst, row = FINE, 0
    for j in range(len(src)):
        wrong = wrong_with(src[j, 2], src[j, 3], src[j, 4], src[j, 6], fraction, tolerance)
        if wrong != FINE and (worst == FINE or wrong < worst):
            worst, row = wrong, j
    return worst, row


@kernel
def wrong_with(depth, length, width, dip, fraction, tolerance):
    """The first thing that is wrong with a rectangle."""
    if length <= 0.0:
        return LENGTH
    if width <= 0.0:
        return WIDTH
    if float(depth) < -tolerance * width:
        return ABOVE
    if outcrop(depth, width, dip, fraction) > tolerance * width:
        return OUTCROP
    return FINE


@kernel
def outcrop(depth, width, dip, fraction):
    """How far the upper edge is above the surface, in double precision; negative for a buried fault."""
    descent = float(width) * math.sin(math.radians(float(dip)))
    # one edge lies this much above the reference point; a negative dip makes it the other one
    return max(fraction * descent, (fraction - 1.0) * descent) - float(depth)
