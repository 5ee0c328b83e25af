"""Where ground came from that has moved to a place: the fixed point of one side's field, pixel by pixel.

A field lies in one plane (h, 2 w), right and down in turn, and is interpolated by the cubics through two
neighbours with the slopes of Catmull & Rom. Each pixel starts from what the two pixels above it have found,
which leaves one evaluation to most; squares that lie deep in a side, or far beyond it, need no distances.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from dislok.kernels.cpu import OPTIONS, kernel

from .taps import combine_two, weigh

# references to arrays are counted at every call that is not inlined
part = numba.njit(forceinline=True, **OPTIONS)

STEPS = 40  # most iterations of a fixed point
FINE = 2e-3  # pixels between its last two places; its error is as much less as ground is strained
LOST = -1e6  # depth of what was not found, but has to be painted with something
BLOCK, TILE = 32, 8  # rows of a job; pixels along a square
DEEP = 12.0
"""Pixels from a line from where on a square counts as a whole. Its corners lie 5 from its middle, and what
comes there from up to twice as far."""


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
def _settled(field, h, w, table, weight, column, row, u, v):
    """The displacement of the ground that has come to (column, row), and whether it was found, from a guess.

    Where it was not, it comes from beyond the field, or does not converge.
    """
    for _ in range(STEPS):
        x, y = column - u, row - v
        if not (0 <= x <= w - 1 and 0 <= y <= h - 1):
            return u, v, False
        to_right, to_down = _at(field, h, w, table, weight, x, y)
        change = max(abs(to_right - u), abs(to_down - v))
        u, v = to_right, to_down
        if change < FINE:
            x, y = column - u, row - v
            return u, v, 0 <= x <= w - 1 and 0 <= y <= h - 1
    return u, v, False


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
    field, h, w, table, weight, distances, side, margin, tolerance, deep, tile, start, last,
    out_right, out_down, depth, count,
):  # fmt: skip
    """A square of pixels, from the guess `start` where `last`, of the two rows above, knows nothing."""
    top, bottom, left, right = tile
    for r in range(top, bottom):
        for c in range(left, right):
            u, v = last[0, c, 0], last[0, c, 1]
            if u != u:
                u, v = start
            elif last[1, c, 0] == last[1, c, 0]:
                u, v = u + u - last[1, c, 0], v + v - last[1, c, 1]
            column, row = float(c + margin), float(r + margin)
            u, v, found = _settled(field, h, w, table, weight, column, row, u, v)
            last[1, c, 0], last[1, c, 1] = last[0, c, 0], last[0, c, 1]
            last[0, c, 0], last[0, c, 1] = u if found else np.float32(np.nan), v
            here = np.float32(LOST)
            if found:
                here = np.float32(DEEP) if deep else _inside(distances, side, column - u, row - v)
            count[r, c] += here > tolerance
            if here > depth[r, c]:
                depth[r, c], out_right[r, c], out_down[r, c] = here, u, v


@kernel
def solve(
    field, distances, side, margin, tolerance, top, table, out_right, out_down, depth, count,
):  # fmt: skip
    """The inverse of one side's field in a row of blocks; where it lies deepest in its side so far, it is
    kept.

    `field` (h, w, 2) and `distances` (n, h, w) have a margin around the result (height, width).
    """
    height, width = out_right.shape
    h, w = field.shape[0], field.shape[1]
    flat, weight = field.reshape(-1), np.empty(12, np.float32)
    last = np.full((2, width, 2), np.float32(np.nan))
    nothing = np.float32(np.nan)
    for r in range(top, min(top + BLOCK, height), TILE):
        u, v = np.float32(0), np.float32(0)
        for c in range(0, width, TILE):
            bottom, right = min(r + TILE, height), min(c + TILE, width)
            column, row = float((c + right) // 2 + margin), float((r + bottom) // 2 + margin)
            u, v, found = _settled(flat, h, w, table, weight, column, row, u, v)
            here = np.float32(LOST)
            if found:
                here = _inside(distances, side, column - u, row - v)
            else:
                u, v = np.float32(0), np.float32(0)
            if found and here < -DEEP:
                last[:, c:right] = nothing
                for i in range(r, bottom):
                    for j in range(c, right):
                        if here > depth[i, j]:
                            depth[i, j], out_right[i, j], out_down[i, j] = here, u, v
                continue
            _tile(
                flat, h, w, table, weight, distances, side, margin, tolerance, here > DEEP,
                (r, bottom, c, right), (u, v), last, out_right, out_down, depth, count,
            )  # fmt: skip
