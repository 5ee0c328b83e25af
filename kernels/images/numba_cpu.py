"""Warping of images on the CPU: values and slopes at displaced pixels, and what is adjoint to them.

No checks; planes are C-contiguous and of one dtype, float32 or float64. Displacements are taken apart into
whole pixels and a fraction before a pixel's own place is added, so that nothing is lost in large images.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.names import Kernel
from dislok.kernels.threads import default_threads, portions, share

from .filters import BEFORE, BEYOND, coefficients, idle, unfiltered
from .formula import lanes, weights
from .taps import combine, spread, weigh

__all__ = ["adjoint", "coefficients", "slopes", "supported", "warp"]

LARGEST = 1e9  # displacements beyond count as outside
ROWS = 16  # least rows that a thread takes at once


@kernel
def place(shift, at, n):
    """Pixel 0 ... n - 2 and fraction in [0, 1] of the position at + shift, and whether it is in 0 ... n - 1.

    Outside it is the nearest edge. The fraction of what is not a number is not one.
    """
    zero = shift - shift
    whole = np.floor(shift)
    fraction = shift - whole
    known = abs(whole) < LARGEST
    index = at + (np.int64(whole) if known else 0)
    before, after = index < 0, index > n - 2
    inside = known and not before and (not after or (index == n - 1 and fraction == zero))
    index = 0 if before else n - 2 if after else index
    fraction = zero if before else zero + np.float32(1) if after else fraction
    return index, fraction, inside


@kernel
def places(shifts, first, step, n, index, fraction, inside):
    """`place` for many at once, at first + k step + shift; what is outside is no more inside.

    `index` is of 32 bits: vectors convert to those.
    """
    one, largest, size = np.float32(1), np.float32(LARGEST), np.int32(n)
    for k in range(np.uint64(len(shifts))):
        shift = shifts[k]
        zero = shift - shift
        whole = np.floor(shift)
        part = shift - whole
        known = abs(whole) < largest
        at = np.int32(first) + np.int32(np.int64(k)) * np.int32(step) + np.int32(whole if known else zero)
        before, after = at < 0, at > size - np.int32(2)
        inside[k] &= known and not before and (not after or (at == size - np.int32(1) and part == zero))
        index[k] = np.int32(0) if before else size - np.int32(2) if after else at
        fraction[k] = zero if before else zero + one if after else part


@cache
def _weigh(order: int, slopes: bool) -> Kernel:
    """Weights of the taps at fractions down and right: 2 or, with those of the slopes, 4 rows of `lanes`."""
    count, width = order + 1, lanes(order)
    size = count * width

    def weights_at(table, down, right, out):
        weigh(table, np.uint64(0), down, out, np.uint64(0), count, width)
        weigh(table, np.uint64(0), right, out, np.uint64(width), count, width)
        if slopes:
            weigh(table, np.uint64(size), down, out, np.uint64(2 * width), count, width)
            weigh(table, np.uint64(size), right, out, np.uint64(3 * width), count, width)

    return kernel(weights_at)


@cache
def _warp(order: int, slopes: bool) -> Kernel:
    """The kernel of some rows: values, whether they are known, and slopes."""
    count, width = order + 1, lanes(order)
    skip = BEFORE - (order - 1) // 2
    weigh_both = _weigh(order, slopes)

    def rows(
        plane, stride, h, w, right, down, across, top, left, begin, end, table, cells, out, inside, by_x, by_y
    ):
        scratch = np.empty(4 * width, plane.dtype)
        index, fraction = np.empty((2, across), np.int32), np.empty((2, across), plane.dtype)
        masked, first = len(cells) > 0, skip * (stride + 1)
        zero, here = np.uint64(0), np.uint64(width)
        beside, further = np.uint64(2 * width), np.uint64(3 * width)
        for r in range(begin, end):
            at, row = np.uint64(r * across), inside[r * across : (r + 1) * across]
            row[:] = True
            places(down[r * across : (r + 1) * across], top + r, 0, h, index[0], fraction[0], row)
            places(right[r * across : (r + 1) * across], left, 1, w, index[1], fraction[1], row)
            for c in range(np.uint64(across)):
                y, x = np.int64(index[0, c]), np.int64(index[1, c])
                weigh_both(table, fraction[0, c], fraction[1, c], scratch)
                to, step = np.uint64(y * stride + x + first), np.uint64(stride)
                out[at + c] = combine(plane, to, step, scratch, zero, here, count, width)
                if masked:
                    row[c] &= cells[y * w + x]
                if slopes:
                    by_x[at + c] = combine(plane, to, step, scratch, zero, further, count, width)
                    by_y[at + c] = combine(plane, to, step, scratch, beside, here, count, width)

    return kernel(rows)


def _run(
    order: int,
    with_slopes: bool,
    plane: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    cells: np.ndarray | None,
    origin: tuple[int, int],
    threads: int | None,
) -> list[np.ndarray]:
    height, across = right.shape
    size = height * across
    out, by_x, by_y = (np.empty(n, plane.dtype) for n in (size, *(size * with_slopes,) * 2))
    inside = np.empty(size, np.bool_)
    h, w = plane.shape[0] - 2 * BEFORE, plane.shape[1] - BEYOND
    flat, mask = plane.reshape(-1), np.empty(0, np.bool_) if cells is None else cells.reshape(-1)
    fields, table = (right.reshape(-1), down.reshape(-1)), weights(order, plane.dtype.name).reshape(-1)
    threads = threads or default_threads()
    jobs = [
        (flat, plane.shape[1], h, w, *fields, across, *origin, *rows, table, mask, out, inside, by_x, by_y)
        for rows in portions(height, ROWS, across, threads)
    ]
    share(_warp(order, with_slopes), jobs, threads, idle)
    return [a.reshape(height, across) for a in (out, inside, by_x, by_y)[: 4 if with_slopes else 2]]


def warp(order, plane, right, down, cells=None, origin=(0, 0), threads=None):
    """Values of the image of the coefficients `plane` at (r + down, c + right), and whether they are known.

    `origin` is the image's pixel on which the displacements' first one lies. `cells` says of which squares of
    pixels all taps are known (see `supported`). Outside the image the value is that of the nearest edge.
    """
    return _run(order, False, plane, right, down, cells, origin, threads)


def slopes(order, plane, right, down, cells=None, origin=(0, 0), threads=None):
    """What `warp` returns, and the derivatives of the values by `right` and by `down`."""
    return _run(order, True, plane, right, down, cells, origin, threads)


@cache
def _spread(order: int) -> Kernel:
    """The kernel of one band of the plane, of which it writes the rows `low` ... `high` - 1."""
    count, width = order + 1, lanes(order)
    skip = BEFORE - (order - 1) // 2
    weigh_both = _weigh(order, False)

    def band(plane, stride, h, w, right, down, across, top, left, height, table, cot, low, high):
        scratch = np.empty(4 * width, plane.dtype)
        for r in range(height):
            for c in range(across):
                at = r * across + c
                y, v, _ = place(down[at], top + r, h)
                x, u, _ = place(right[at], left + c, w)
                if y + skip >= high or y + skip + count <= low or v != v or u != u:
                    continue
                weigh_both(table, v, u, scratch)
                for k in range(max(0, low - y - skip), min(count, high - y - skip)):
                    to = np.uint64((y + skip + k) * stride + x + skip)
                    spread(plane, to, scratch, cot[at] * scratch[k], np.uint64(width), width)

    return kernel(band)


def adjoint(order, shape, right, down, cot, origin=(0, 0), threads=None):
    """Derivative of the sum of `cot` times the values that `warp` gives by each pixel of the image, `shape`.

    Displacements that are not numbers count for nothing.
    """
    h, w = shape
    plane = np.zeros((h + 2 * BEFORE, w + BEYOND), cot.dtype)
    threads, rows = threads or default_threads(), plane.shape[0]
    band = -(-rows // threads)
    table = weights(order, cot.dtype.name).reshape(-1)
    head = (plane.reshape(-1), plane.shape[1], h, w, right.reshape(-1), down.reshape(-1), right.shape[1])
    jobs = [
        (*head, *origin, right.shape[0], table, cot.reshape(-1), low, min(low + band, rows))
        for low in range(0, rows, band)
    ]
    share(_spread(order), jobs, threads, idle)
    return unfiltered(plane, lambda image: coefficients(image, order, threads))


def supported(valid: np.ndarray, order: int) -> np.ndarray:
    """Of which squares of four pixels, named by their upper left, all taps are valid; (h, w), bool.

    Pixels beyond the edges count as the mirror says.
    """
    before = (order - 1) // 2
    found = np.pad(valid, ((before, before + 1),) * 2, mode="reflect")
    for axis in (0, 1):
        n = valid.shape[axis]
        parts = [found.take(range(k, k + n), axis) for k in range(order + 1)]
        found = np.logical_and.reduce(parts)
    return np.ascontiguousarray(found)
