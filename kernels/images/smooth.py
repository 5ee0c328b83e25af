"""Weighted local means on planes: Gaussian windows as sums along rows and columns, zero outside the plane."""

from __future__ import annotations

import math

import numpy as np

from ..cpu import kernel
from ..streams import weighted


def taps(sigma: float, reach: float = 3.0) -> np.ndarray:
    """The right half of a Gaussian window, its sum over both sides one; float32, from the middle outwards."""
    steps = np.arange(max(int(math.ceil(reach * sigma)), 1) + 1)
    half = np.exp(-0.5 * (steps / sigma) ** 2)
    return (half / (2 * half.sum() - half[0])).astype(np.float32)


@kernel
def window(taps):
    """Both halves of a symmetric window, and where its numbers lie from the first one on."""
    reach = taps.size - 1
    whole, places = np.empty(2 * reach + 1, np.float32), np.arange(2 * reach + 1)
    for j in range(reach + 1):
        whole[reach - j] = whole[reach + j] = taps[j]
    return whole, places


@kernel
def along_row(row, whole, places, padded, out):
    """Sum a row with a window (see `window`); `padded` is room for the row and the reach on both sides."""
    n, reach = row.size, whole.size // 2
    padded[:reach] = 0
    padded[reach + n : 2 * reach + n] = 0
    padded[reach : reach + n] = row
    weighted(out, padded, places, whole)


@kernel
def across(plane, row, whole, places, out):
    """Sum a row of a plane and those above and below it with a window; `places` is room."""
    height, n = plane.shape
    reach = whole.size // 2
    low, high = max(reach - row, 0), min(reach + height - row, whole.size)
    for j in range(low, high):
        places[j] = (row - reach + j) * n
    weighted(out, plane.reshape(-1), places[low:high], whole[low:high])


@kernel
def rows(plane, taps, out, begin, end):
    """Sums along rows, from row `begin` to before row `end`."""
    whole, places = window(taps)
    padded = np.empty(plane.shape[1] + 2 * taps.size, np.float32)
    for r in range(begin, end):
        along_row(plane[r], whole, places, padded, out[r])


@kernel
def columns(plane, taps, out, begin, end):
    """Sums along columns, for rows from `begin` to before `end`."""
    whole, places = window(taps)
    for r in range(begin, end):
        across(plane, r, whole, places, out[r])


def blurred(image: np.ndarray, sigma: float, reach: float) -> np.ndarray:
    """An image (h, w), float32, under a Gaussian window of so many sigmas; its edges are mirrors."""
    window = taps(sigma, reach)
    edge = len(window) - 1
    wide = np.pad(np.asarray(image, np.float32), edge, mode="symmetric")
    across, out = np.empty_like(wide), np.empty_like(wide)
    rows(wide, window, across, 0, len(wide))
    columns(across, window, out, 0, len(wide))
    return np.ascontiguousarray(out[edge:-edge, edge:-edge])


@kernel
def share(offset, factor):
    """Share that a pixel, so many after the middle of a block of `factor` pixels, has of the next block."""
    return (np.float32(offset) + np.float32(0.5)) / np.float32(factor)


@kernel
def gather_blocks(plane, factor, out, begin, end):
    """Means over tents two blocks wide, the reverse of `enlarge`, rows of blocks `begin` to before `end`.

    `factor` is even; pixels before the first middle and after the last belong to the nearest block.
    """
    height, width = plane.shape
    rows, n = out.shape
    half = factor // 2
    scale = np.float32(1.0) / np.float32(factor * factor)
    wide = np.zeros((n + 1) * factor, np.float32)
    line = wide[half : half + width]
    for i in range(begin, end):
        line[:] = np.float32(0.0)
        for k in range(2 * factor):
            r = (i - 1) * factor + half + k
            if r < 0 or r >= height:
                continue
            weight = share(k, factor) if k < factor else np.float32(1.0) - share(k - factor, factor)
            if (i == 0 and k < factor) or (i == rows - 1 and k >= factor):
                weight = np.float32(1.0)
            row = plane[r]
            for c in range(width):
                line[c] += weight * row[c]
        target = out[i]
        target[:] = np.float32(0.0)
        for k in range(factor):
            t = share(k, factor)
            target[0] += (np.float32(1.0) - t) * wide[k]
            target[n - 1] += t * wide[n * factor + k]
            for j in range(n):
                target[j] += t * wide[j * factor + k] + (np.float32(1.0) - t) * wide[(j + 1) * factor + k]
        for j in range(n):
            target[j] *= scale


@kernel
def enlarge(blocks, factor, out, begin, end):
    """Blocks back on pixels, linear between their middles, rows of `out` from `begin` to before `end`."""
    rows, n = blocks.shape
    width = out.shape[1]
    half = factor // 2
    line = np.empty(n, np.float32)
    wide = np.empty((n + 1) * factor, np.float32)
    for r in range(begin, end):
        i = (r - half + factor) // factor - 1
        t = share(r - half - i * factor, factor)
        a, b = blocks[min(max(i, 0), rows - 1)], blocks[min(max(i + 1, 0), rows - 1)]
        for j in range(n):
            line[j] = a[j] + t * (b[j] - a[j])
        for k in range(factor):
            t = share(k, factor)
            wide[k] = line[0]
            for j in range(1, n):
                wide[j * factor + k] = line[j - 1] + t * (line[j] - line[j - 1])
            wide[n * factor + k] = line[n - 1]
        target = out[r]
        for c in range(width):
            target[c] = wide[c + half]


@kernel
def known_sums(field, known, out):
    """Number of known pixels of two by two, and the sums of their motion, (3, blocks)."""
    height, width = known.shape
    out[:] = np.float32(0.0)
    for r in range(height):
        for c in range(width):
            if known[r, c]:
                out[0, r // 2, c // 2] += np.float32(1.0)
                out[1, r // 2, c // 2] += field[0, r, c]
                out[2, r // 2, c // 2] += field[1, r, c]


@kernel
def gradient(field, out, begin, end):
    """Length of the motion's gradient, at most one pixel per pixel, rows from `begin` to before `end`."""
    height, width = out.shape
    for r in range(begin, end):
        below = min(r + 1, height - 1)
        u, v, low_u, low_v, target = field[0, r], field[1, r], field[0, below], field[1, below], out[r]
        for c in range(width - 1):
            a, b, p, q = u[c + 1] - u[c], v[c + 1] - v[c], low_u[c] - u[c], low_v[c] - v[c]
            target[c] = min(np.sqrt(a * a + b * b + p * p + q * q), np.float32(1.0))
        a, b = low_u[width - 1] - u[width - 1], low_v[width - 1] - v[width - 1]
        target[width - 1] = min(np.sqrt(a * a + b * b), np.float32(1.0))
