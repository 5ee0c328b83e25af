"""The inverse of a displacement that jumps across lines: each side on its own, by fixed point.

A side is the set of pixels with one pattern of signs of the distances from all lines (`trace`); its field is
continued a little beyond its lines, so that it can be interpolated up to them and iterated across them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.threads import default_threads, share

from .filters import idle

LINEAR = 4  # pixels beyond a line to which a field is continued linearly; beyond, it stays what it is
STEPS = 40  # most iterations of a fixed point
COARSE, FINE = 1e-2, 2e-4  # pixels between its last two places, by linear and by cubic interpolation
LOST = -1e6  # depth of what was not found, but has to be painted with something
DEPTH = 2.0  # pixels beyond a line from where on the linear one is enough
BLOCK = 32


@kernel
def _nearest(label, side, row, column):
    """For every pixel the row and column of a nearest pixel of a side, by two sweeps over the image."""
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
                    side_step = -1 if way == 0 else 1
                    _closer(row, column, r, c, r, c + side_step)
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
def _continued(field, label, side, row, column, out):
    """A side's field beyond it: turned about the nearest pixel of the side, so that slopes go on."""
    h, w = field.shape
    for r in range(h):
        for c in range(w):
            y, x = row[r, c], column[r, c]
            value = field[y, x]
            size = max(abs(y - r), abs(x - c), LINEAR)
            behind, beside = y + (y - r) * LINEAR // size, x + (x - c) * LINEAR // size
            if 0 <= behind < h and 0 <= beside < w and label[behind, beside] == side:
                value = np.float32(2) * value - field[behind, beside]
            out[r, c] = value


def continued(fields: tuple[np.ndarray, ...], label: np.ndarray, side: int) -> list[np.ndarray]:
    """Planes (h, w) that are those of one side there, and its continuation elsewhere."""
    row, column = np.empty(label.shape, np.int32), np.empty(label.shape, np.int32)
    _nearest(label, side, row, column)
    result = [np.empty_like(field) for field in fields]
    for field, out in zip(fields, result, strict=True):
        _continued(field, label, side, row, column, out)
    return result


@kernel
def _cubic(t):
    """Weights of four neighbours: the cubic through the inner two with the slopes of Catmull & Rom."""
    s = 1.0 - t
    return (
        -0.5 * t * s * s,
        1.0 + 0.5 * t * t * (3.0 * t - 5.0),
        1.0 + 0.5 * s * s * (3.0 * s - 5.0),
        -0.5 * s * t * t,
    )


@kernel
def _clamped(index, n):
    return 0 if index < 0 else n - 1 if index > n - 1 else index


@kernel
def _both(right, down, x, y):
    """Two fields at column x and row y, inside them."""
    h, w = right.shape
    i, j = int(y), int(x)
    across, along = _cubic(x - j), _cubic(y - i)
    to_right, to_down = 0.0, 0.0
    for a in range(4):
        r = _clamped(i + a - 1, h)
        for b in range(4):
            c = _clamped(j + b - 1, w)
            weight = along[a] * across[b]
            to_right += weight * right[r, c]
            to_down += weight * down[r, c]
    return to_right, to_down


@kernel
def _linear(field, x, y):
    """A field at column x and row y, inside it."""
    h, w = field.shape
    i, j = min(int(y), h - 2), min(int(x), w - 2)
    t, s = y - i, x - j
    above = field[i, j] + s * (field[i, j + 1] - field[i, j])
    below = field[i + 1, j] + s * (field[i + 1, j + 1] - field[i + 1, j])
    return above + t * (below - above)


@kernel
def _settled(fine, right, down, column, row, x, y, tolerance):
    """Where the ground came from that has moved to a place, by fixed point from (x, y), and its displacement.

    The last of the five results says whether it was found.
    """
    h, w = right.shape
    u, v = 0.0, 0.0
    for _ in range(STEPS):
        if not (0 <= x <= w - 1 and 0 <= y <= h - 1):
            return x, y, u, v, False
        if fine:
            u, v = _both(right, down, x, y)
        else:
            u, v = _linear(right, x, y), _linear(down, x, y)
        change = max(abs(column - u - x), abs(row - v - y))
        x, y = column - u, row - v
        if change < tolerance:
            return x, y, u, v, 0 <= x <= w - 1 and 0 <= y <= h - 1
    return x, y, u, v, False


@kernel
def _inside(distances, side, x, y):
    """How deep in its side a place lies: pixels from the nearest line, negative beyond it."""
    depth = np.inf
    for k in range(len(distances)):
        distance = _linear(distances[k], x, y)
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
    right, down, distances, label, side, margin, reach, tolerance, top, out_right, out_down, depth, count
):
    """The inverse of one side's field in a row of blocks; where it lies deepest in its side so far, it is
    kept.

    Blocks that the side is further from than ground moves, `reach`, are left out.
    """
    height, width = out_right.shape
    for left in range(0, width, BLOCK):
        if not _near(label, side, top + margin - reach, left + margin - reach, BLOCK + 2 * reach):
            continue
        for r in range(top, min(top + BLOCK, height)):
            u, v = 0.0, 0.0
            for c in range(left, min(left + BLOCK, width)):
                column, row = float(c + margin), float(r + margin)
                # the ground beside comes from beside: a start that leaves little to do
                x, y, u, v, found = _settled(False, right, down, column, row, column - u, row - v, COARSE)
                here = _inside(distances, side, x, y) if found else LOST
                if found and here > -DEPTH:
                    x, y, u, v, found = _settled(True, right, down, column, row, x, y, FINE)
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
    for side in present:
        parts: Any = continued((right, down), label, side) if len(present) > 1 else (right, down)
        jobs = [
            (*parts, distances, label, side, margin, reach, tolerance, r, *out, depth, count)
            for r in range(0, height, BLOCK)
        ]
        share(_solve, jobs, threads or default_threads(), idle)
    return out[0], out[1], (depth > -tolerance) & (count < 2)
