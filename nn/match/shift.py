"""One shift for two whole images, by phase correlation."""

from __future__ import annotations

import numpy as np


def whole_shift(pre: np.ndarray, post: np.ndarray) -> tuple[int, int]:
    """Rows and columns by which `post` shows things farther down and right than `pre`.

    The highest peak of the inverse transform of the cross-power spectrum's phase (Kuglin & Hines 1975) of
    images that are zero where nothing is seen, with room for shifts of up to their size.
    """
    from scipy import fft

    size = [fft.next_fast_len(2 * n, real=True) for n in pre.shape]
    cross = np.conj(fft.rfft2(pre, size)) * fft.rfft2(post, size)
    peaks = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-12 * np.abs(cross).max() + 1e-30), size)
    row, column = np.unravel_index(int(peaks.argmax()), peaks.shape)
    return signed(int(row), size[0]), signed(int(column), size[1])


def signed(index: int, size: int) -> int:
    """An index of a periodic axis as a shift."""
    return index - size if index > size // 2 else index


def moved(plane: np.ndarray, down: int, right: int) -> np.ndarray:
    """The plane with [r + down, c + right] brought to [r, c], zeros where it shows nothing."""
    out = np.zeros_like(plane)
    height, width = plane.shape
    if abs(down) >= height or abs(right) >= width:
        return out
    rows, columns = slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0))
    taken = plane[max(down, 0) : height - max(-down, 0), max(right, 0) : width - max(-right, 0)]
    out[rows, columns] = taken
    return out
