"""The inverse of a displacement that jumps across lines: each side on its own, by fixed point.

A side is the set of pixels with one pattern of signs of the distances from all lines (`trace`); its field is
continued a little beyond its lines, so that it can be interpolated up to them and iterated across them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from dislok.kernels.cpu import OPTIONS, kernel
from dislok.kernels.threads import default_threads, share

from .filters import idle
from .taps import combine

# references to arrays are counted at every call that is not inlined
part = numba.njit(forceinline=True, **OPTIONS)

LINEAR = 4  # pixels beyond a line to which a field is continued linearly; beyond, it stays what it is
STEPS = 40  # most iterations of a fixed point
COARSE, FINE = 1e-2, 2e-3  # pixels between its last two places, by linear and by cubic interpolation
LOST = -1e6  # depth of what was not found, but has to be painted with something
DEPTH = 2.0  # pixels beyond a line from where on the linear one is enough
BLOCK = 32


@kernel
def _nearest(label, side, wanted, row, column):
    """For every wanted pixel the row and column of a nearest pixel of a side, by two sweeps."""
    h, w = label.shape
    far = 4 * (h + w)
    for r in range(h):
        for c in range(w):
            own = label[r, c] == side
            row[r, c], column[r, c] = (r, c) if own else (far, far)
    for turn in range(2):
        for i in range(h):
            r = i if turn == 0 else h - 1 - i
            step = -1 if turn == 0 else 1
            for way in range(2):
                for j in range(w):
                    c = j if way == 0 else w - 1 - j
                    if not wanted[r, c] or label[r, c] == side:
                        continue
                    _closer(row, column, r, c, r, c + (-1 if way == 0 else 1))
                    if way == 0:
                        for k in range(-1, 2):
                            _closer(row, column, r, c, r + step, c + k)


@kernel
def _closer(row, column, r, c, there, beside):
    """Take the nearest pixel of a neighbour if it is nearer."""
    h, w = row.shape
    if 0 <= there < h and 0 <= beside < w:
        y, x = row[there, beside], column[there, beside]
        old_y, old_x = row[r, c] - r, column[r, c] - c
        if (y - r) * (y - r) + (x - c) * (x - c) < old_y * old_y + old_x * old_x:
            row[r, c], column[r, c] = y, x


@kernel
def _continued(field, label, side, wanted, row, column, out):
    """A side's field beyond it: turned about the nearest pixel of the side, so that slopes go on."""
    h, w = field.shape
    for r in range(h):
        for c in range(w):
            value = field[r, c]
            if label[r, c] != side and wanted[r, c]:
                y, x = row[r, c], column[r, c]
                value = field[y, x]
                size = max(abs(y - r), abs(x - c), LINEAR)
                behind, beside = y + (y - r) * LINEAR // size, x + (x - c) * LINEAR // size
                if 0 <= behind < h and 0 <= beside < w and label[behind, beside] == side:
                    value = np.float32(2) * value - field[behind, beside]
            out[r, c] = value


def continued(
    fields: tuple[np.ndarray, ...], label: np.ndarray, side: int, wanted: np.ndarray
) -> list[np.ndarray]:
    """Planes (h, w) that are those of one side there, and its continuation where else it is wanted."""
    row, column = np.empty(label.shape, np.int32), np.empty(label.shape, np.int32)
    _nearest(label, side, wanted, row, column)
    result = [np.empty_like(field) for field in fields]
    for field, out in zip(fields, result, strict=True):
        _continued(field, label, side, wanted, row, column, out)
    return result


@part
def _cubic(t):
    """Weights of four neighbours: the cubic through the inner two with the slopes of Catmull & Rom."""
    s = 1.0 - t
    return (
        -0.5 * t * s * s,
        1.0 + 0.5 * t * t * (3.0 * t - 5.0),
        1.0 + 0.5 * s * s * (3.0 * s - 5.0),
        -0.5 * s * t * t,
    )


@part
def _clamped(index, n):
    return 0 if index < 0 else n - 1 if index > n - 1 else index


@part
def _both(right, down, flat_right, flat_down, weight, x, y):
    """Two fields, given in two shapes, at column x and row y; `weight` is room for eight numbers."""
    h, w = right.shape
    i, j = int(y), int(x)
    weight[4], weight[5], weight[6], weight[7] = _cubic(x - j)
    weight[0], weight[1], weight[2], weight[3] = _cubic(y - i)
    if 0 < i < h - 2 and 0 < j < w - 2:
        at, stride = np.uint64((i - 1) * w + j - 1), np.uint64(w)
        zero, half = np.uint64(0), np.uint64(4)
        return (
            combine(flat_right, at, stride, weight, zero, half, 4, 4),
            combine(flat_down, at, stride, weight, zero, half, 4, 4),
        )
    to_right, to_down = np.float32(0), np.float32(0)
    for a in range(4):
        r = _clamped(i + a - 1, h)
        for b in range(4):
            c = _clamped(j + b - 1, w)
            to_right += weight[a] * weight[4 + b] * right[r, c]
            to_down += weight[a] * weight[4 + b] * down[r, c]
    return to_right, to_down


@part
def _linear(field, x, y):
    """A field at column x and row y, inside it."""
    h, w = field.shape
    i, j = min(int(y), h - 2), min(int(x), w - 2)
    t, s = y - i, x - j
    above = field[i, j] + s * (field[i, j + 1] - field[i, j])
    below = field[i + 1, j] + s * (field[i + 1, j + 1] - field[i + 1, j])
    return np.float32(above + t * (below - above))


@part
def _settled(fine, right, down, flat_right, flat_down, weight, column, row, x, y, tolerance):
    """Where the ground came from that has moved to a place, by fixed point from (x, y), and its displacement.

    The last of the five results says whether it was found.
    """
    h, w = right.shape
    u, v = np.float32(0), np.float32(0)
    for _ in range(STEPS):
        if not (0 <= x <= w - 1 and 0 <= y <= h - 1):
            return x, y, u, v, False
        if fine:
            u, v = _both(right, down, flat_right, flat_down, weight, x, y)
        else:
            u, v = _linear(right, x, y), _linear(down, x, y)
        change = max(abs(column - u - x), abs(row - v - y))
        x, y = column - u, row - v
        if change < tolerance:
            return x, y, u, v, 0 <= x <= w - 1 and 0 <= y <= h - 1
    return x, y, u, v, False


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
def _near(label, side, top, left, size):
    """Whether a square of pixels touches a side."""
    h, w = label.shape
    for r in range(max(0, top), min(h, top + size)):
        for c in range(max(0, left), min(w, left + size)):
            if label[r, c] == side:
                return True
    return False


@kernel
def _solve(
    right,
    down,
    flat_right,
    flat_down,
    distances,
    label,
    side,
    margin,
    reach,
    tolerance,
    top,
    out_right,
    out_down,
    depth,
    count,
):
    """The inverse of one side's field in a row of blocks; where it lies deepest in its side so far, it is
    kept.

    Blocks that the side is further from than ground moves, `reach`, are left out.
    """
    height, width = out_right.shape
    weight = np.empty(8, np.float32)
    for left in range(0, width, BLOCK):
        if not _near(label, side, top + margin - reach, left + margin - reach, BLOCK + 2 * reach):
            continue
        for r in range(top, min(top + BLOCK, height)):
            u, v = np.float32(0), np.float32(0)
            for c in range(left, min(left + BLOCK, width)):
                column, row = float(c + margin), float(r + margin)
                # the ground beside comes from beside: a start that leaves little to do
                x, y = column - u, row - v
                x, y, u, v, found = _settled(
                    False, right, down, flat_right, flat_down, weight, column, row, x, y, COARSE
                )
                here = _inside(distances, side, x, y) if found else LOST
                if found and here > -DEPTH:
                    x, y, u, v, found = _settled(
                        True, right, down, flat_right, flat_down, weight, column, row, x, y, FINE
                    )
                    here = _inside(distances, side, x, y) if found else LOST
                count[r, c] += here > tolerance
                if here > depth[r, c]:
                    depth[r, c], out_right[r, c], out_down[r, c] = here, u, v


def inverse(
    right: np.ndarray,
    down: np.ndarray,
    distances: np.ndarray,
    margin: int,
    tolerance: float,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Displacement (right, down) on the grid of where the ground has gone, and whether one side shows there.

    Fields (h, w) and distances from lines (n, h, w) have a margin around the window of the result. A pixel
    that the ground of no side, or of several, has come to counts as not known; so does one whose ground comes
    from beyond the fields. `tolerance` is in pixels, for rounding at lines. At
    most eight lines.
    """
    height, width = (n - 2 * margin for n in right.shape)
    label = np.zeros(right.shape, np.uint8)
    for k, distance in enumerate(distances):
        label |= (distance > 0).astype(np.uint8) << k
    out = np.full((2, height, width), np.nan, np.float32)
    depth, count = np.full((height, width), -np.inf, np.float32), np.zeros((height, width), np.int16)
    reach = int(np.ceil(max(np.nanmax(np.abs(right)), np.nanmax(np.abs(down))))) + 2
    present = np.flatnonzero(np.bincount(label.reshape(-1))).tolist()
    close = reach + LINEAR < distances.max(initial=0)
    wanted = np.abs(distances).min(0) < reach + LINEAR if close else np.ones(label.shape, np.bool_)
    for side in present:
        parts: Any = continued((right, down), label, side, wanted) if len(present) > 1 else (right, down)
        flat = [part.reshape(-1) for part in parts]
        jobs = [
            (*parts, *flat, distances, label, side, margin, reach, tolerance, r, *out, depth, count)
            for r in range(0, height, BLOCK)
        ]
        share(_solve, jobs, threads or default_threads(), idle)
    return out[0], out[1], (depth > -tolerance) & (count < 2)
