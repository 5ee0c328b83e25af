"""The inverse of a displacement that jumps across lines: each side on its own, by fixed point.

A side is the set of pixels with one pattern of signs of the distances from all lines (`trace`); its field is
continued a little beyond its lines, so that it can be interpolated up to them and iterated across them.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.threads import default_threads, portions, share

from .filters import idle
from .settle import BLOCK, WEIGHTS, solve

BEYOND = 12.0  # pixels to which a side's field is continued beyond where its ground has come
LINEAR = 4  # pixels beyond a line to which a field is continued linearly; beyond, it stays what it is


@kernel
def _sides(distances, label, count):
    """The side of every pixel, and how many pixels each of them has."""
    lines, h, w = distances.shape
    for r in range(h):
        own = label[r]
        own[:] = 0
        for k in range(lines):
            row, bit = distances[k, r], np.uint8(1 << k)
            for c in range(np.uint64(w)):
                own[c] |= bit if row[c] > 0 else np.uint8(0)
        for c in range(w):
            count[own[c]] += 1


@kernel
def _overrun(right, down, distances, label):
    """How far beyond a line ground has moved that lay on its other side, in pixels."""
    h, w = label.shape
    most = np.float32(0)
    for r in range(h):
        for c in range(w):
            y, x = int(np.rint(r + down[r, c])), int(np.rint(c + right[r, c]))
            if 0 <= y < h and 0 <= x < w and label[y, x] != label[r, c]:
                crossed, depth = label[y, x] ^ label[r, c], np.float32(0)
                for k in range(len(distances)):
                    if crossed >> k & 1:
                        depth = max(depth, abs(distances[k, y, x]))
                most = max(most, depth)
    return most


@kernel
def _around(distances, reach, wanted, first, last):
    """Pixels nearer to a line than `reach`, and before which and after which column a row has none."""
    lines, h, w = distances.shape
    for r in range(h):
        row = wanted[r]
        row[:] = False
        for k in range(lines):
            one = distances[k, r]
            for c in range(np.uint64(w)):
                row[c] |= abs(one[c]) < reach
        first[r], last[r] = w, 0
        for c in range(w):
            if row[c]:
                first[r], last[r] = min(first[r], c), c + 1


@kernel
def _nearest(label, side, wanted, first, last, row, column):
    """For every wanted pixel the row and column of a nearest pixel of a side, by two sweeps."""
    h, w = label.shape
    far = 4 * (h + w)
    for r in range(h):
        for c in range(max(first[r] - 1, 0), min(last[r] + 1, w)):
            own = label[r, c] == side
            row[r, c], column[r, c] = (r, c) if own else (far, far)
    for turn in range(2):
        for i in range(h):
            r = i if turn == 0 else h - 1 - i
            step = -1 if turn == 0 else 1
            for way in range(2):
                for j in range(last[r] - first[r]):
                    c = first[r] + j if way == 0 else last[r] - 1 - j
                    if not wanted[r, c] or label[r, c] == side:
                        continue
                    _closer(label, side, wanted, row, column, r, c, r, c + (-1 if way == 0 else 1))
                    if way == 0:
                        for k in range(-1, 2):
                            _closer(label, side, wanted, row, column, r, c, r + step, c + k)


@kernel
def _closer(label, side, wanted, row, column, r, c, there, beside):
    """Take the nearest pixel of a neighbour if it is nearer."""
    h, w = row.shape
    if 0 <= there < h and 0 <= beside < w:
        if label[there, beside] == side:
            y, x = there, beside
        elif wanted[there, beside]:
            y, x = row[there, beside], column[there, beside]
        else:
            return
        old_y, old_x = row[r, c] - r, column[r, c] - c
        if (y - r) * (y - r) + (x - c) * (x - c) < old_y * old_y + old_x * old_x:
            row[r, c], column[r, c] = y, x


@kernel
def _continued(right, down, label, side, wanted, first, last, row, column, out):
    """A side's field beyond it: turned about the nearest pixel of the side, so that slopes go on."""
    h, w = label.shape
    for r in range(h):
        for c in range(first[r], last[r]):
            out[r, c, 0], out[r, c, 1] = right[r, c], down[r, c]
            if label[r, c] != side and wanted[r, c] and row[r, c] < h:
                y, x = row[r, c], column[r, c]
                u, v = right[y, x], down[y, x]
                size = max(abs(y - r), abs(x - c), LINEAR)
                behind, beside = y + (y - r) * LINEAR // size, x + (x - c) * LINEAR // size
                if 0 <= behind < h and 0 <= beside < w and label[behind, beside] == side:
                    u, v = u + u - right[behind, beside], v + v - down[behind, beside]
                out[r, c, 0], out[r, c, 1] = u, v


class Sides:
    """The field of each side, continued beyond its lines, from planes that hold all of them.

    Parameters
    ----------
    right, down : ndarray, shape (h, w), float32
    distances : ndarray, shape (n, h, w), float32
        From lines, with signs.
    reach : float, optional
        Pixels to which fields are continued; by default a little farther than where ground has come.

    Attributes
    ----------
    label : ndarray, shape (h, w), uint8
        The side of each pixel.
    present : list of int
        Sides that have pixels.
    """

    def __init__(
        self, right: np.ndarray, down: np.ndarray, distances: np.ndarray, reach: float | None = None
    ) -> None:
        shape = right.shape
        self._planes = right, down
        self._field = np.stack([right, down], -1)
        self.label, count = np.empty(shape, np.uint8), np.zeros(256, np.int64)
        _sides(distances, self.label, count)
        self.present = np.flatnonzero(count).tolist()
        if len(self.present) > 1:
            if reach is None:
                reach = float(_overrun(right, down, distances, self.label)) + BEYOND
                reach = np.inf if reach >= distances.max() else reach
            self._band = np.empty(shape, np.bool_), *(np.empty(shape[0], np.int32) for _ in range(2))
            _around(distances, np.float32(reach), *self._band)
            self._near = np.empty(shape, np.int32), np.empty(shape, np.int32)

    def field(self, side: int) -> np.ndarray:
        """The field (h, w, 2) of a side, right and down, until the next one is asked for."""
        if len(self.present) > 1:
            _nearest(self.label, side, *self._band, *self._near)
            _continued(*self._planes, self.label, side, *self._band, *self._near, self._field)
        return self._field


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
    from beyond the fields. `tolerance` is in pixels, for rounding at lines. At most eight lines.
    """
    height, width = (n - 2 * margin for n in right.shape)
    out = np.full((2, height, width), np.nan, np.float32)
    depth, count = np.full((height, width), -np.inf, np.float32), np.zeros((height, width), np.int16)
    sides, threads = Sides(right, down, distances), threads or default_threads()
    for side in sides.present:
        field = sides.field(side)
        jobs = [
            (field, distances, side, margin, tolerance, *rows, WEIGHTS, *out, depth, count)
            for rows in portions(height, BLOCK, width, threads)
        ]
        share(solve, jobs, threads, idle)
    return out[0], out[1], (depth > -tolerance) & (count < 2)
