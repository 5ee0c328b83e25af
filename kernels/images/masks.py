"""Masks at displaced pixels."""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel


@kernel
def _landing(mask, right, down, out):
    h, w = mask.shape
    flat, edge, bottom = mask.reshape(-1), w - 1.0, h - 1.0
    for r in range(out.shape[0]):
        to_right, to_down, row = right[r], down[r], out[r]
        for c in range(np.uint64(out.shape[1])):
            x, y = float(np.int64(c)) + to_right[c], r + float(to_down[c])
            good = x >= 0.0 and y >= 0.0 and x <= edge and y <= bottom
            if good:
                i, j = np.uint64(y), np.uint64(x)
                at, beside = i * np.uint64(w) + j, np.uint64(x > j)
                below = np.uint64(w) if y > i else np.uint64(0)
                good = flat[at] & flat[at + beside] & flat[at + below] & flat[at + below + beside]
            row[c] = good


def landing(mask: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Whether a mask (h, w) holds at all of the up to four pixels around (r + down, c + right)."""
    out = np.empty(right.shape, np.bool_)
    _landing(mask, right, down, out)
    return out
