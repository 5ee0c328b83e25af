"""Where ground came from that has moved to a place: the fixed point of one side's field, pixel by pixel.

A field lies in one plane (h, 2 w), right and down in turn, and is interpolated by the cubics through two
neighbours with the slopes of Catmull & Rom. Each pixel starts from what the pixel above it has found and from
the strain of its square, which leaves one evaluation to most; squares that lie deep in a side, or far beyond
it, need no distances.
"""

from __future__ import annotations

import numba
import numpy as np

from dislok.kernels.cpu import OPTIONS, kernel

from .taps import combine_two, weigh

# references to arrays are counted at every call that is not inlined
part = numba.njit(forceinline=True, **OPTIONS)

STEPS = 40  # most iterations of a fixed point
FINE = 2e-3  # pixels between its last two places; its error is as much less as ground is strained
EASY = 1e-2  # the same far from lines, where Newton's steps know the strain within a few hundredths
LOST = -1e6  # depth of what was not found, but has to be painted with something
BLOCK, TILE, HALF = 32, 8, 4  # rows that begin anew; pixels along a square, and half of it
PLAIN = (np.float32(1), np.float32(0), np.float32(0), np.float32(1))
DEEP, FAR = 12.0, 8.0
"""Pixels from a line, in a side and beyond it, from where on a square counts as a whole. Its corners lie 5
from its middle, and what comes there from farther where the ground was strained."""


def _weights() -> np.ndarray:
    """Factors of t cubed ... 1 of four neighbours' weights: once each, and twice each."""
    cubic = 0.5 * np.array([[-1, 3, -3, 1], [2, -5, 4, -1], [-1, 0, 1, 0], [0, 2, 0, 0]], np.float32)
    return np.concatenate([cubic.reshape(-1), np.repeat(cubic, 2, 1).reshape(-1)])


WEIGHTS = _weights()


@part
def _clamped(index, n):
    return 0 if index < 0 else n - 1 if index > n - 1 else index


@part
def _at(field, h, w, table, weight, x, y):
    """The field of shape (h, w) at column x and row y inside it; `weight` is room for twelve numbers."""
    i, j = int(y), int(x)
    zero, four = np.uint64(0), np.uint64(4)
    weigh(table, zero, np.float32(y - i), weight, zero, 4, 4)
    weigh(table, np.uint64(16), np.float32(x - j), weight, four, 4, 8)
    if 0 < i < h - 2 and 0 < j < w - 2:
        at = np.uint64(2 * ((i - 1) * w + j - 1))
        return combine_two(field, at, np.uint64(2 * w), weight, zero, four, 4, 8)
    u, v = np.float32(0), np.float32(0)
    for a in range(4):
        r = _clamped(i + a - 1, h)
        for b in range(4):
            k = 2 * (r * w + _clamped(j + b - 1, w))
            share = weight[a] * weight[4 + 2 * b]
            u += share * field[k]
            v += share * field[k + 1]
    return u, v


@part
def _settled(field, h, w, table, weight, column, row, u, v, newton, enough):
    """The displacement of the ground that has come to (column, row), and whether it was found, from a guess.

    `newton` is the inverse of one plus the strain (u by x, u by y, v by x, v by y). Where nothing was found,
    the ground comes from beyond the field, or does not converge.
    """
    right, bottom = w - 1.0, h - 1.0
    for _ in range(STEPS):
        x, y = column - u, row - v
        if not (x >= 0.0 and y >= 0.0 and x <= right and y <= bottom):
            return u, v, False
        to_right, to_down = _at(field, h, w, table, weight, x, y)
        more_u, more_v = to_right - u, to_down - v
        u += newton[0] * more_u + newton[1] * more_v
        v += newton[2] * more_u + newton[3] * more_v
        if max(abs(more_u), abs(more_v)) < enough:
            x, y = column - u, row - v
            return u, v, x >= 0.0 and y >= 0.0 and x <= right and y <= bottom
    return u, v, False


@part
def _strain(field, h, w, x, y):
    """Slopes of a field about a place: u by x, u by y, v by x, v by y, over the size of a square."""
    i, j = min(max(int(y), HALF), h - 1 - HALF), min(max(int(x), HALF), w - 1 - HALF)
    before, after = 2 * (i * w + j - HALF), 2 * (i * w + j + HALF)
    above, below = 2 * ((i - HALF) * w + j), 2 * ((i + HALF) * w + j)
    scale = np.float32(0.5 / HALF)
    return (
        scale * (field[after] - field[before]),
        scale * (field[below] - field[above]),
        scale * (field[after + 1] - field[before + 1]),
        scale * (field[below + 1] - field[above + 1]),
    )


@part
def _newton(strain):
    """The inverse of one plus a strain, or one where that is nearly singular."""
    a, b, c, d = strain
    a, d = a + np.float32(1), d + np.float32(1)
    size = a * d - b * c
    if size < np.float32(0.2):
        return PLAIN
    size = np.float32(1) / size
    return size * d, -size * b, -size * c, size * a


@part
def _inside(distances, side, x, y):
    """How deep in its side a place lies: pixels from the nearest line, negative beyond it."""
    count, h, w = distances.shape
    i, j = min(int(y), h - 2), min(int(x), w - 2)
    t, s = np.float32(y - i), np.float32(x - j)
    depth = np.float32(np.inf)
    for k in range(count):
        above = distances[k, i, j] + s * (distances[k, i, j + 1] - distances[k, i, j])
        below = distances[k, i + 1, j] + s * (distances[k, i + 1, j + 1] - distances[k, i + 1, j])
        distance = above + t * (below - above)
        depth = min(depth, distance if side >> k & 1 else -distance)
    return depth


@kernel
def _tile(
    field, h, w, table, weight, distances, side, margin, tolerance, deep, top, bottom, left, right, width,
    start_u, start_v, strain, last, out_right, out_down, depth, count,
):  # fmt: skip
    """A square of pixels; the guess is `start` where `last`, of the row above, knows nothing.

    `last` holds u and v for each column; the planes of the result are flat.
    """
    one, two = np.uint64(1), np.uint64(2)
    newton, enough = _newton(strain), np.float32(EASY if deep else FINE)
    fall_u = newton[0] * strain[1] + newton[1] * strain[3]
    fall_v = newton[2] * strain[1] + newton[3] * strain[3]
    for r in range(top, bottom):
        row, at = float(r + margin), np.uint64(r * width + left)
        k, column = np.uint64(2 * left), float(left + margin)
        for _ in range(right - left):
            u, v = last[k] + fall_u, last[k + one] + fall_v
            if u != u:
                u, v = start_u, start_v
            u, v, found = _settled(field, h, w, table, weight, column, row, u, v, newton, enough)
            last[k], last[k + one] = u if found else np.float32(np.nan), v
            here = np.float32(LOST)
            if found:
                here = np.float32(DEEP) if deep else _inside(distances, side, column - u, row - v)
            count[at] += here > tolerance
            if here > depth[at]:
                depth[at], out_right[at], out_down[at] = here, u, v
            k, at, column = k + two, at + one, column + 1.0


@kernel
def solve(
    field, distances, side, margin, tolerance, top, end, table, out_right, out_down, depth, count,
):  # fmt: skip
    """The inverse of one side's field in rows from `top` to before `end`.

    Where it lies deepest in its side so far, it is kept. Each block of rows begins anew.

    `field` (h, w, 2) and `distances` (n, h, w) have a margin around the result (height, width).
    """
    width = out_right.shape[1]
    h, w = field.shape[0], field.shape[1]
    flat, weight = field.reshape(-1), np.empty(12, np.float32)
    to_right, to_down, deepest, counts = (
        out_right.reshape(-1),
        out_down.reshape(-1),
        depth.reshape(-1),
        count.reshape(-1),
    )
    last, nothing = np.empty(2 * width, np.float32), np.float32(np.nan)
    for r in range(top, end, TILE):
        if (r - top) % BLOCK == 0:
            last[:] = nothing
        u, v = np.float32(0), np.float32(0)
        for c in range(0, width, TILE):
            bottom, right = min(r + TILE, end), min(c + TILE, width)
            column, row = float((c + right) // 2 + margin), float((r + bottom) // 2 + margin)
            u, v, found = _settled(flat, h, w, table, weight, column, row, u, v, PLAIN, np.float32(FINE))
            if not (u == u and v == v):  # a field may have holes
                u, v = np.float32(0), np.float32(0)
            x, y = min(max(column - u, 0.0), w - 1.0), min(max(row - v, 0.0), h - 1.0)
            here = _inside(distances, side, x, y)
            if here < -FAR:
                last[2 * c : 2 * right] = nothing
                _paint(r, bottom, c, right, here, u, v, out_right, out_down, depth)
                continue
            if not found:
                u, v = np.float32(0), np.float32(0)
            _tile(
                flat, h, w, table, weight, distances, side, margin, tolerance, found and here > DEEP,
                r, bottom, c, right, width, u, v, _strain(flat, h, w, x, y), last,
                to_right, to_down, deepest, counts,
            )  # fmt: skip


@kernel
def _paint(top, bottom, left, right, here, u, v, out_right, out_down, depth):
    """Give a square that is far beyond a side what its middle has, where nothing is nearer."""
    for r in range(top, bottom):
        for c in range(left, right):
            if here > depth[r, c]:
                depth[r, c], out_right[r, c], out_down[r, c] = here, u, v
