"""Weighted local means on planes: Gaussian windows as sums along rows and columns, zero outside the plane."""

from __future__ import annotations

import math

import numpy as np

from ..cpu import kernel


def taps(sigma: float, reach: float = 3.0) -> np.ndarray:
    """The right half of a Gaussian window, its sum over both sides one; float32, from the middle outwards."""
    steps = np.arange(max(int(math.ceil(reach * sigma)), 1) + 1)
    half = np.exp(-0.5 * (steps / sigma) ** 2)
    return (half / (2 * half.sum() - half[0])).astype(np.float32)


@kernel
def along_row(row, taps, padded, out):
    """Sum a row with a symmetric window; `padded` is room for the row and the reach on both sides."""
    n, reach = row.size, taps.size - 1
    padded[:reach] = 0
    padded[reach + n : 2 * reach + n] = 0
    middle = padded[reach : reach + n]
    for c in range(n):
        middle[c] = row[c]
    first = taps[0]
    for c in range(n):
        out[c] = first * middle[c]
    for j in range(1, reach + 1):
        tap = taps[j]
        left = padded[reach - j : reach - j + n]
        right = padded[reach + j : reach + j + n]
        for c in range(n):
            out[c] += tap * (left[c] + right[c])


@kernel
def rows(plane, taps, out, begin, end):
    """Sums along rows, from row `begin` to before row `end`."""
    padded = np.empty(plane.shape[1] + 2 * taps.size, np.float32)
    for r in range(begin, end):
        along_row(plane[r], taps, padded, out[r])


@kernel
def columns(plane, taps, out, begin, end):
    """Sums along columns, for rows from `begin` to before `end`."""
    height, n = plane.shape
    for r in range(begin, end):
        target, middle, first = out[r], plane[r], taps[0]
        for c in range(n):
            target[c] = first * middle[c]
        for j in range(1, taps.size):
            tap = taps[j]
            if r >= j:
                above = plane[r - j]
                for c in range(n):
                    target[c] += tap * above[c]
            if r + j < height:
                below = plane[r + j]
                for c in range(n):
                    target[c] += tap * below[c]


def blurred(image: np.ndarray, sigma: float, reach: float) -> np.ndarray:
    """An image (h, w), float32, under a Gaussian window of so many sigmas; its edges are mirrors."""
    window = taps(sigma, reach)
    edge = len(window) - 1
    wide = np.pad(np.asarray(image, np.float32), edge, mode="symmetric")
    across, out = np.empty_like(wide), np.empty_like(wide)
    rows(wide, window, across, 0, len(wide))
    columns(across, window, out, 0, len(wide))
    return np.ascontiguousarray(out[edge:-edge, edge:-edge])
