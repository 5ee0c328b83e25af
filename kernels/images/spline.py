"""Cubic B-splines for hypotheses of motion: coefficients with a rim of two pixels, values between pixels.

Formulas: Unser, Aldroubi & Eden (1993), "B-spline signal processing: Part II"; mirror symmetry at the border.
"""

from __future__ import annotations

import math

import numpy as np

from ..cpu import kernel
from ..scalar import scalar
from ..scalar import value as number
from ..streams import streamed

RIM = 2
# Pixels from which on neighbours that move alike are taken together, and the farthest that anything moves.
SHORT = 4
LONGEST = np.float32(1e6)
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


@scalar
def weights(t):
    """Cubic B-spline at the four pixels around a point `t` after the second one."""
    s = 1.0 - t
    w0 = (1.0 / 6.0) * s * s * s
    w3 = (1.0 / 6.0) * t * t * t
    w1 = (2.0 / 3.0) - t * t * (1.0 - 0.5 * t)
    return w0, w1, 1.0 - w0 - w1 - w3, w3


@scalar
def between(*numbers):
    """Value between pixels: four coefficients of each of four rows, fractions right and down."""
    x, y = weights(numbers[16]), weights(numbers[17])
    columns = [sum(y[i] * numbers[4 * i + j] for i in range(1, 4)) + y[0] * numbers[j] for j in range(4)]
    return x[0] * columns[0] + x[1] * columns[1] + x[2] * columns[2] + x[3] * columns[3]


def taken_apart(right, down):
    """Whole pixels right and down, and fractions."""
    x, y = right.intrinsic("floor"), down.intrinsic("floor")
    return x, y, right - x, down - y


blend = streamed(between, *((0, 1, 2, 3),) * 4)
apart = streamed(taken_apart)


@kernel
def at(spline, top, left, tx, ty):
    """Value at fractions right and down of the image's pixel (top, left); -1 is before the first."""
    i, j = np.uint64(top + RIM - 1), np.uint64(left + RIM - 1)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    k, m, n = i + one, i + two, i + three
    return number(
        between(
            spline[i, j], spline[i, j + one], spline[i, j + two], spline[i, j + three],
            spline[k, j], spline[k, j + one], spline[k, j + two], spline[k, j + three],
            spline[m, j], spline[m, j + one], spline[m, j + two], spline[m, j + three],
            spline[n, j], spline[n, j + one], spline[n, j + two], spline[n, j + three],
            tx, ty,
        )
    )  # fmt: skip


@kernel
def value(spline, x, y):
    """Value at column `x` and row `y` of the image, which must lie inside it."""
    top, left = np.int64(y), np.int64(x)
    return at(spline, top, left, x - np.float32(left), y - np.float32(top))


@kernel
def seen_at(valid, x, y):
    """Whether the pixel nearest to column `x` and row `y` is valid; all are without a mask, (0, 0)."""
    half = np.float32(0.5)
    return valid.size == 0 or valid[np.uint64(np.int64(y + half)), np.uint64(np.int64(x + half))]


@kernel
def single(spline, valid, right, down, parts, row, column, c, out, inside):
    """`warp_row` for one pixel."""
    top, edge = spline.shape[0] - 2 * RIM - 1, spline.shape[1] - 2 * RIM - 1
    x, y = np.float32(column + c) + right[c], np.float32(row) + down[c]
    zero = np.float32(0.0)
    good = (x >= zero) & (y >= zero) & (x <= np.float32(edge)) & (y <= np.float32(top))
    out[c] = inside[c] = zero
    if good and seen_at(valid, x, y):
        i, j = row + np.int64(parts[1, c]), column + c + np.int64(parts[0, c])
        out[c] = at(spline, min(max(i, -1), top), min(max(j, -1), edge), parts[2, c], parts[3, c])
        inside[c] = np.float32(1.0)


@kernel
def run(spline, valid, right, down, parts, row, column, begin, end, out, inside):
    """`warp_row` for pixels that move by the same whole pixels, to rows that are not the last one."""
    width = spline.shape[1] - 2 * RIM
    i, first = row + np.int64(parts[1, begin]), column + np.int64(parts[0, begin])
    low, high = min(max(begin, -first), end), max(min(end, width - 1 - first), begin)
    if i < 0 or low >= high:
        low = high = begin
    for c in range(begin, end):
        inside[c] = np.float32(c >= low and c < high)
    if high < end and high + first == width - 1:
        single(spline, valid, right, down, parts, row, column, high, out, inside)
    for c in range(begin, low):
        out[c] = np.float32(0.0)
    for c in range(high, end):
        if inside[c] == np.float32(0.0):
            out[c] = np.float32(0.0)
    if low >= high:
        return
    n, j, k = high - low, first + low + RIM - 1, i + RIM - 1
    rows = (
        spline[k, j : j + n + 3],
        spline[k + 1, j : j + n + 3],
        spline[k + 2, j : j + n + 3],
        spline[k + 3, j : j + n + 3],
        parts[2, low:high],
        parts[3, low:high],
    )
    blend((out[low:high],), rows, ())
    if valid.size > 0:
        for c in range(low, high):
            if not seen_at(valid, np.float32(column + c) + right[c], np.float32(row) + down[c]):
                out[c] = inside[c] = np.float32(0.0)


@kernel
def warp_row(spline, valid, right, down, row, column, out, inside, parts):
    """Values at the points where the pixels of a row from `column` on have gone.

    Points outside the image, or next to pixels that are not `valid`, get zero and are not `inside`; `valid`
    is (0, 0) where all are. `parts` (4, n) is room.
    """
    n, last = right.size, spline.shape[0] - 2 * RIM - 1
    apart((parts[0, :n], parts[1, :n], parts[2, :n], parts[3, :n]), (right, down), ())
    begin = 0
    while begin < n:
        x, y, end = parts[0, begin], parts[1, begin], begin + 1
        while end < n and parts[0, end] == x and parts[1, end] == y:
            end += 1
        if end - begin < SHORT or row + np.int64(y) >= last or np.abs(x) > LONGEST or np.abs(y) > LONGEST:
            for c in range(begin, end):
                single(spline, valid, right, down, parts, row, column, c, out, inside)
        else:
            run(spline, valid, right, down, parts, row, column, begin, end, out, inside)
        begin = end


@kernel
def warp(spline, valid, right, down, out, inside, begin, end):
    """`warp_row` for rows from `begin` to before `end`."""
    parts = np.empty((4, right.shape[1]), np.float32)
    for r in range(begin, end):
        warp_row(spline, valid, right[r], down[r], r, 0, out[r], inside[r], parts)
