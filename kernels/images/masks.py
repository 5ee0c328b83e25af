"""Masks at displaced pixels."""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel


@kernel
def _landing(mask, right, down, out):
    h, w = mask.shape
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            x, y = c + float(right[r, c]), r + float(down[r, c])
            good = False
            if 0 <= x <= w - 1 and 0 <= y <= h - 1:
                i, j = int(y), int(x)
                k, m = min(i + (y > i), h - 1), min(j + (x > j), w - 1)
                good = mask[i, j] and mask[i, m] and mask[k, j] and mask[k, m]
            out[r, c] = good


def landing(mask: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Whether a mask (h, w) holds at all of the up to four pixels around (r + down, c + right)."""
    out = np.empty(right.shape, np.bool_)
    _landing(mask, right, down, out)
    return out
