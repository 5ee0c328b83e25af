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


@kernel
def _uniform(beside, above, half, run, tall, out):
    height, width = out.shape
    found = False
    for r in range(height):
        length = 0
        for c in range(width):
            length = length + 1 if c > 0 and beside[r, c - 1] else 0
            run[c] = length
        for c in range(width):
            last = min(c + half, width - 1)
            if run[last] < last - max(c - half, 0):
                tall[c] = 0
            elif r > 0 and tall[c] > 0 and above[r - 1, c]:
                tall[c] += 1
            else:
                tall[c] = 1
        for y in range(r - half, height if r == height - 1 else r - half + 1):
            if y >= 0:
                for c in range(width):
                    out[y, c] = tall[c] > r - max(y - half, 0)
                    found |= out[y, c]
    return found


def uniform(image: np.ndarray, size: int) -> np.ndarray | None:
    """Pixels in whose square of `size` (odd) by `size` pixels all have one value; None without any.

    Of a square across the edge, the part inside the image counts.
    """
    out = np.zeros(image.shape, np.bool_)
    beside, above = image[:, 1:] == image[:, :-1], image[1:] == image[:-1]
    room = np.zeros((2, image.shape[1]), np.int64)
    return out if _uniform(beside, above, size // 2, *room, out) else None
