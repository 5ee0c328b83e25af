"""Cubic B-splines for hypotheses of motion: coefficients with a rim of two pixels, values between pixels.

Formulas: Unser, Aldroubi & Eden (1993), "B-spline signal processing: Part II"; mirror symmetry at the border.
"""

from __future__ import annotations

import math

import numpy as np

from ..cpu import kernel

RIM = 2
POLE = math.sqrt(3.0) - 2.0
# The pole's powers after this many pixels are below single precision.
HORIZON = 14


@kernel
def filter_columns(plane, begin, end):
    """Turn samples into coefficients along columns, in place, for columns from `begin` to before `end`."""
    n, pole = plane.shape[0], np.float32(POLE)
    gain = np.float32(6.0)
    width = end - begin
    first = np.zeros(width, np.float32)
    power = np.float32(1.0)
    for k in range(min(HORIZON, n)):
        row = plane[k, begin:end]
        for c in range(width):
            first[c] += power * row[c]
        power *= pole
    top = plane[0, begin:end]
    for c in range(width):
        top[c] = gain * first[c]
    for r in range(1, n):
        row, before = plane[r, begin:end], plane[r - 1, begin:end]
        for c in range(width):
            row[c] = gain * row[c] + pole * before[c]
    last = pole / (pole * pole - np.float32(1.0))
    if n > 1:
        row, before = plane[n - 1, begin:end], plane[n - 2, begin:end]
        for c in range(width):
            row[c] = last * (row[c] + pole * before[c])
    for k in range(1, n):
        row, after = plane[n - 1 - k, begin:end], plane[n - k, begin:end]
        for c in range(width):
            row[c] = pole * (after[c] - row[c])


def coefficients(plane: np.ndarray) -> np.ndarray:
    """Coefficients of the interpolating cubic spline, with a mirrored rim of `RIM` pixels, (h + 4, w + 4)."""
    work = np.array(plane, np.float32, order="C")
    if work.shape[0] > 1:
        filter_columns(work, 0, work.shape[1])
    work = np.ascontiguousarray(work.T)
    if work.shape[0] > 1:
        filter_columns(work, 0, work.shape[1])
    rim = tuple((RIM, RIM) for _ in range(2))
    return np.pad(np.ascontiguousarray(work.T), rim, mode="reflect")


@kernel
def weights(t):
    """Cubic B-spline at the four pixels around a point `t` after the second one."""
    one, sixth = np.float32(1.0), np.float32(1.0 / 6.0)
    s = one - t
    w0 = sixth * s * s * s
    w3 = sixth * t * t * t
    w1 = np.float32(2.0 / 3.0) - t * t * (one - np.float32(0.5) * t)
    return w0, w1, one - w0 - w1 - w3, w3


@kernel
def value(spline, x, y):
    """Value at column `x` and row `y` of the image, which must lie inside it."""
    top, left = np.int64(y), np.int64(x)
    y0, y1, y2, y3 = weights(y - np.float32(top))
    x0, x1, x2, x3 = weights(x - np.float32(left))
    i, j = np.uint64(top + RIM - 1), np.uint64(left + RIM - 1)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    a = y0 * spline[i, j]
    b = y0 * spline[i, j + one]
    c = y0 * spline[i, j + two]
    d = y0 * spline[i, j + three]
    a += y1 * spline[i + one, j]
    b += y1 * spline[i + one, j + one]
    c += y1 * spline[i + one, j + two]
    d += y1 * spline[i + one, j + three]
    a += y2 * spline[i + two, j]
    b += y2 * spline[i + two, j + one]
    c += y2 * spline[i + two, j + two]
    d += y2 * spline[i + two, j + three]
    a += y3 * spline[i + three, j]
    b += y3 * spline[i + three, j + one]
    c += y3 * spline[i + three, j + two]
    d += y3 * spline[i + three, j + three]
    return x0 * a + x1 * b + x2 * c + x3 * d


@kernel
def warp_row(spline, valid, right, down, row, column, out, inside):
    """Values at the points where the pixels of a row from `column` on have gone.

    Points outside the image, or next to pixels without a value, get zero and are not `inside`.
    """
    height, width = valid.shape
    top, edge = np.float32(height - 1), np.float32(width - 1)
    half, zero = np.float32(0.5), np.float32(0.0)
    for c in range(right.size):
        x = np.float32(column + c) + right[c]
        y = np.float32(row) + down[c]
        good = (x >= zero) & (y >= zero) & (x <= edge) & (y <= top)
        if good:
            good = valid[np.uint64(np.int64(y + half)), np.uint64(np.int64(x + half))]
        if good:
            out[c] = value(spline, x, y)
            inside[c] = np.float32(1.0)
        else:
            out[c] = zero
            inside[c] = zero


@kernel
def warp(spline, valid, right, down, out, inside, begin, end):
    """`warp_row` for rows from `begin` to before `end`."""
    for r in range(begin, end):
        warp_row(spline, valid, right[r], down[r], r, 0, out[r], inside[r])
