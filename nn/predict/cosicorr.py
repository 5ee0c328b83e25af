"""Frequency-domain sub-pixel correlation of windows, after the principles of COSI-Corr.

Two windows: the large one finds the shift to a pixel by phase correlation, the small one, moved by it, finds
the rest from the slope of its cross-spectrum's phase, over frequencies of sufficient power and with weights
that let go of those that do not fit (Leprince et al. 2007; see `dislok.kernels.images.phase`).
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from dislok.kernels.images import phase
from dislok.kernels.threads import default_threads, share

from ..flow import FlowMap
from .inputs import Array, Mask, checked_pair, fill, whole_windows

_COARSE = 4
_BATCH = 512
_LEAST = 0.68  # windows of unrelated noise agree to 0.62 +- 0.03


def cosicorr(
    pre: Array,
    post: Array,
    *,
    valid: Mask | None = None,
    windows: tuple[int, int] = (64, 32),
    threshold: float = 0.9,
    iterations: int = 2,
    threads: int | None = None,
) -> FlowMap:
    """Displacement by phase correlation in two windows.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    windows : (int, int)
        Sides of the first and the second window (px), even. The first one limits the largest displacement, to
        a third of it or so.
    threshold : float
        Mask of frequencies: 1 keeps those above the mean logarithmic power of a window, 0 hardly any.
    iterations : int
        How often the weights of the frequencies are found anew.
    threads : int, optional

    Returns
    -------
    FlowMap
        In the frame of `pre`. The score is one minus the mean squared misfit of phases over four. Pixels
        whose windows leave the images, meet missing pixels, or have nothing in common are not valid.

    Raises
    ------
    ValueError
        If shapes do not fit or a window is odd, or larger than the images.
    """
    pre, post, good = checked_pair(pre, post, valid)
    _check_windows(windows, pre.shape)
    margin = 2 * windows[0]
    a, b = (np.pad(fill(image, good), margin, mode="reflect") for image in (pre, post))
    jobs = default_threads() if threads is None else threads
    start = _integers(a, b, windows[0], margin, jobs)
    table = _fractions(a, b, start, windows[1], threshold, iterations, margin, jobs)
    return _flow(table, start, good, windows)


def _check_windows(windows: tuple[int, int], shape: tuple[int, ...]) -> None:
    for size in windows:
        if size < 8 or size % 2 or 2 * size > min(shape):
            raise ValueError(
                f"windows: expected even sides from 8 to half of the images' {shape}, got {tuple(windows)}"
            )


def _integers(a: Array, b: Array, size: int, margin: int, threads: int) -> Array:
    """Whole-pixel shift (h, w, 2), found at every fourth pixel."""
    h, w = a.shape[0] - 2 * margin, a.shape[1] - 2 * margin
    rows, columns = np.arange(0, h, _COARSE), np.arange(0, w, _COARSE)
    found = np.zeros((len(rows), len(columns), 2), np.int64)

    def row(i: int) -> None:
        at = np.full(len(columns), rows[i] + margin)
        one, two = (_spectra(image, at, columns + margin, size) for image in (a, b))
        cross = one.conj() * two
        cross /= np.abs(cross) + np.float32(1e-12)
        phase.peaks(fft.irfft2(cross, s=(size, size)), found[i])

    share(row, [(i,) for i in range(len(rows))], threads, lambda: None)
    return np.repeat(np.repeat(found, _COARSE, 0), _COARSE, 1)[:h, :w]


def _spectra(image: Array, rows: Array, columns: Array, size: int) -> Array:
    """Half spectra (b, n, n // 2 + 1) of Hann windows centred at pixels."""
    taper = np.sin(np.pi * np.arange(size) / size).astype(np.float32) ** 2
    out = np.empty((len(rows), size, size), np.float32)
    phase.windows(image, rows, columns, taper, out)
    return fft.rfft2(out)


def _fractions(
    a: Array, b: Array, start: Array, size: int, threshold: float, rounds: int, margin: int, threads: int
) -> Array:
    """What `phase.fit` finds at every pixel, (h, w, 5)."""
    h, w = start.shape[:2]
    table = np.empty((h, w, 5), np.float32)
    down = (2 * np.pi * np.fft.fftfreq(size)).astype(np.float32)
    right = (2 * np.pi * np.fft.rfftfreq(size)).astype(np.float32)

    def part(i: int, first: int) -> None:
        columns = np.arange(first, min(first + _BATCH, w))
        rows = np.full(len(columns), i)
        shift = start[i, columns]
        one = _spectra(a, rows + margin, columns + margin, size)
        two = _spectra(b, rows + margin + shift[:, 1], columns + margin + shift[:, 0], size)
        phase.fit(one, two, threshold, rounds, down, right, table[i, columns[0] : columns[-1] + 1])

    share(part, [(i, first) for i in range(h) for first in range(0, w, _BATCH)], threads, lambda: None)
    return table


def _flow(table: Array, start: Array, good: Mask, windows: tuple[int, int]) -> FlowMap:
    moved = start + table[..., :2]
    values = np.stack([moved[..., 0], -moved[..., 1]], axis=-1).astype(np.float32)
    # Frequencies of a tapered window are not independent: its effective area is (3/8)² of it.
    error = np.sqrt(table[..., 2:4] / 0.14).astype(np.float32)
    inside = whole_windows(good, values, max(windows) // 2, windows[1] // 2)
    settled = np.abs(table[..., :2]).max(axis=-1) < 1.5
    return FlowMap(values, error, inside & settled & (table[..., 4] > _LEAST), "pre", table[..., 4].copy())
