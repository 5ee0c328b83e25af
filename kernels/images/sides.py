"""The inverse of a displacement that jumps across lines: each side on its own, by fixed point.

A side is the set of pixels with one pattern of signs of the distances from all lines (`trace`); its field is
continued a little beyond its lines, so that it can be interpolated up to them and iterated across them.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.threads import default_threads, share

from .filters import idle
from .settle import BLOCK, WEIGHTS, solve

LINEAR = 4  # pixels beyond a line to which a field is continued linearly; beyond, it stays what it is


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
def _continued(right, down, label, side, wanted, row, column, out):
    """A side's field beyond it: turned about the nearest pixel of the side, so that slopes go on."""
    h, w = label.shape
    for r in range(h):
        for c in range(w):
            out[r, c, 0], out[r, c, 1] = right[r, c], down[r, c]
            if label[r, c] != side and wanted[r, c]:
                y, x = row[r, c], column[r, c]
                u, v = right[y, x], down[y, x]
                size = max(abs(y - r), abs(x - c), LINEAR)
                behind, beside = y + (y - r) * LINEAR // size, x + (x - c) * LINEAR // size
                if 0 <= behind < h and 0 <= beside < w and label[behind, beside] == side:
                    u, v = u + u - right[behind, beside], v + v - down[behind, beside]
                out[r, c, 0], out[r, c, 1] = u, v


def continued(
    right: np.ndarray, down: np.ndarray, label: np.ndarray, side: int, wanted: np.ndarray
) -> np.ndarray:
    """Planes (h, w, 2) that are those of one side there, and its continuation where else it is wanted."""
    row, column = np.empty(label.shape, np.int32), np.empty(label.shape, np.int32)
    _nearest(label, side, wanted, row, column)
    out = np.empty((*label.shape, 2), np.float32)
    _continued(right, down, label, side, wanted, row, column, out)
    return out


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
        alone = len(present) == 1
        field = np.stack([right, down], -1) if alone else continued(right, down, label, side, wanted)
        jobs = [
            (field, distances, side, margin, tolerance, r, WEIGHTS, *out, depth, count)
            for r in range(0, height, BLOCK)
        ]
        share(solve, jobs, threads or default_threads(), idle)
    return out[0], out[1], (depth > -tolerance) & (count < 2)
