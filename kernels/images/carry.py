"""Planes carried along by a displacement on a grid, to the grid of where it leads."""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel

EDGE = 1e-6  # how far outside a triangle a pixel may lie, for rounding


@kernel
def _torn(right, down, usable, r, c, tear):
    """Whether a square of four pixels cannot be carried as a whole."""
    for k in range(2):
        for m in range(2):
            if not usable[r + k, c + m]:
                return True
    for a, b, i, j in ((0, 0, 0, 1), (0, 0, 1, 0), (1, 1, 0, 1), (1, 1, 1, 0)):
        if abs(right[r + a, c + b] - right[r + i, c + j]) > tear:
            return True
        if abs(down[r + a, c + b] - down[r + i, c + j]) > tear:
            return True
    return False


@kernel
def _triangle(right, down, planes, r, c, upper, tear, out, state, placed):
    """Carry half of a square: write the planes at all pixels of the new grid that it covers."""
    h, w = right.shape
    r1, c1, r2, c2 = (r, c + 1, r + 1, c) if upper else (r + 1, c, r, c + 1)
    r0, c0 = (r, c) if upper else (r + 1, c + 1)
    x0, y0 = c0 + float(right[r0, c0]), r0 + float(down[r0, c0])
    ax, ay = c1 + float(right[r1, c1]) - x0, r1 + float(down[r1, c1]) - y0
    bx, by = c2 + float(right[r2, c2]) - x0, r2 + float(down[r2, c2]) - y0
    area = ax * by - ay * bx
    if area <= 0:
        return
    top = max(0, int(np.ceil(y0 + min(0.0, ay, by) - EDGE)))
    bottom = min(h - 1, int(np.floor(y0 + max(0.0, ay, by) + EDGE)))
    first = max(0, int(np.ceil(x0 + min(0.0, ax, bx) - EDGE)))
    last = min(w - 1, int(np.floor(x0 + max(0.0, ax, bx) + EDGE)))
    for i in range(top, bottom + 1):
        for j in range(first, last + 1):
            s = ((j - x0) * by - (i - y0) * bx) / area
            t = ((i - y0) * ax - (j - x0) * ay) / area
            if s < -EDGE or t < -EDGE or s + t > 1 + EDGE:
                continue
            u = (1 - s - t) * right[r0, c0] + s * right[r1, c1] + t * right[r2, c2]
            v = (1 - s - t) * down[r0, c0] + s * down[r1, c1] + t * down[r2, c2]
            if state[i, j]:
                if max(abs(placed[0, i, j] - u), abs(placed[1, i, j] - v)) > tear:
                    state[i, j] = 2
                continue
            state[i, j] = 1
            placed[0, i, j], placed[1, i, j] = u, v
            for k in range(len(planes)):
                out[k, i, j] = (1 - s - t) * planes[k, r0, c0] + s * planes[k, r1, c1] + t * planes[k, r2, c2]


@kernel
def _carry(right, down, usable, planes, tear, out, state, placed):
    h, w = right.shape
    for r in range(h - 1):
        for c in range(w - 1):
            if not _torn(right, down, usable, r, c, tear):
                _triangle(right, down, planes, r, c, True, tear, out, state, placed)
                _triangle(right, down, planes, r, c, False, tear, out, state, placed)


def carry(
    right: np.ndarray, down: np.ndarray, usable: np.ndarray, planes: np.ndarray, tear: float
) -> tuple[np.ndarray, np.ndarray]:
    """Planes (k, h, w) on the new grid, and where (h, w) exactly one piece of ground has come to.

    The displacement is linear over triangles between pixels; squares over which it changes by more than
    `tear` pixels, or with a pixel that is not usable, are left out. What nothing covers is NaN.
    """
    out = np.full(planes.shape, np.nan, planes.dtype)
    state = np.zeros(right.shape, np.uint8)
    _carry(right, down, usable, planes, tear, out, state, np.zeros((2, *right.shape), right.dtype))
    return out, state == 1
