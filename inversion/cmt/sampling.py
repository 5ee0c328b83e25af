"""Pieces of channels put on one axis of time: clocks, sampling rates, gaps and instruments that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .filters import Array, Complex
from .records import Response

SAME_RATE = 1e-4
"""Relative difference of sampling intervals below which they are one interval, measured by another clock."""

IN_STEP = 1e-3
"""Share of a sampling interval below which samples lie where they should."""

SAME_RESPONSE = 1e-3
"""Relative difference of responses that does not count."""

ALIKE = 2.0
"""Largest ratio of two responses that are brought to one by a filter."""

_TAPS = 16
_LOWEST = 1e-3
_CHUNK = 1 << 16


class Piece(NamedTuple):
    """Samples without interruption of the clock.

    The first at `start` (s after the reference), then every `dt`; NaN where missing.
    """

    start: float
    dt: float
    samples: Array

    @property
    def end(self) -> float:
        """Time of the last sample."""
        return self.start + self.dt * (len(self.samples) - 1)


def nominal(intervals: Sequence[float]) -> float:
    """The interval that nearly equal ones mean: a whole number of samples a second or seconds a sample."""
    middle = float(np.median(intervals))
    for value in (1 / middle, middle):
        whole = round(value)
        if whole and abs(value - whole) <= SAME_RATE * whole:
            return 1 / whole if value == 1 / middle else float(whole)
    return middle


def same_rate(a: float, b: float) -> bool:
    """Whether two sampling intervals are one."""
    return abs(a - b) <= SAME_RATE * max(a, b)


def axis(pieces: Sequence[Piece], dt: float) -> Array:
    """Whole steps after the reference from the first to the last sample of all pieces."""
    first = int(np.ceil(min(piece.start for piece in pieces) / dt - IN_STEP))
    last = int(np.floor(max(piece.end for piece in pieces) / dt + IN_STEP))
    return np.asarray(dt * np.arange(first, max(last, first) + 1))


def laid_out(pieces: Sequence[Piece], t: Array) -> Array:
    """The pieces of one channel on an axis; samples between its steps are moved by band-limited shifts.

    Raises
    ------
    ValueError
        If pieces overlap and contradict each other, or have gaps and lie between the steps.
    """
    row = np.full(len(t), np.nan)
    for piece in pieces:
        low, values = _on_axis(piece, t)
        high = low + len(values)
        before, size = row[low:high], np.nanmax(np.abs(values), initial=0.0)
        both = np.isfinite(before) & np.isfinite(values)
        # Twice the same samples are the same; where a shift moved one of them, nearly.
        if (np.abs(before - values)[both] > 1e-2 * size).any():
            at = t[low + int(np.argmax(both & (np.abs(before - values) > 1e-2 * size)))]
            raise ValueError(f"two pieces of it overlap and contradict each other at {at:g} s")
        row[low:high] = np.where(np.isfinite(values), values, before)
    return row


def _on_axis(piece: Piece, t: Array) -> tuple[int, Array]:
    """Index of the first step within a piece, and the piece at its steps."""
    dt = t[1] - t[0] if len(t) > 1 else piece.dt
    low = max(int(np.ceil((piece.start - t[0]) / dt - IN_STEP)), 0)
    high = min(int(np.floor((piece.end - t[0]) / dt + IN_STEP)) + 1, len(t))
    if high <= low:
        return 0, np.empty(0)
    position = (t[low:high] - piece.start) / piece.dt
    nearest = np.rint(position).astype(int)
    if np.abs(position - nearest).max() <= IN_STEP:
        return low, piece.samples[np.clip(nearest, 0, len(piece.samples) - 1)]
    return low, _between(piece.samples, position)


def _between(samples: Array, position: Array) -> Array:
    """Samples at fractional positions, by a windowed sinc of 32 points; NaN near gaps."""
    gaps = ~np.isfinite(samples)
    if gaps.all():
        return np.full(len(position), np.nan)
    steps = np.arange(len(samples))
    padded = np.pad(np.interp(steps, steps[~gaps], samples[~gaps]), _TAPS, mode="edge")
    holes = np.concatenate([[0], np.cumsum(np.pad(gaps, _TAPS))])
    found = np.empty(len(position))
    for begin in range(0, len(position), _CHUNK):
        part = position[begin : begin + _CHUNK]
        base = np.floor(part).astype(int)
        offset = np.arange(1 - _TAPS, _TAPS + 1)
        lag = offset - (part - base)[:, None]
        weights = np.sinc(lag) * np.cos(np.pi * lag / (2 * _TAPS + 2)) ** 2
        index = base[:, None] + offset + _TAPS
        values = np.einsum("nk,nk->n", padded[index.clip(0, len(padded) - 1)], weights) / weights.sum(axis=1)
        near = holes[(base + 2 + _TAPS).clip(0, len(holes) - 1)] - holes[(base + _TAPS).clip(0)]
        found[begin : begin + _CHUNK] = np.where(near > 0, np.nan, values)
    return found


def _omega(dt: float) -> Complex:
    """Angular frequencies from 1 mHz to near the Nyquist frequency."""
    return np.asarray(2 * np.pi * np.geomspace(min(_LOWEST, 0.05 / dt), 0.4 / dt, 60), np.complex128)


def ratio(response: Response, other: Response, dt: float) -> Array:
    """Sizes of the quotient of two responses from 1 mHz to the Nyquist frequency."""
    omega = _omega(dt)
    return np.asarray(np.abs(response.response(omega) / other.response(omega)))


def same_response(response: Response, other: Response, dt: float) -> bool:
    """Whether two responses are one, phase included, as far as records can tell."""
    omega = _omega(dt)
    a, b = response.response(omega), other.response(omega)
    return bool((np.abs(a - b) <= SAME_RESPONSE * np.abs(b)).all())


def alike(response: Response, other: Response, dt: float) -> bool:
    """Whether a filter that enlarges nothing much brings records of one response to another."""
    zeros = [sum(abs(zero) < 1e-9 for zero in each.zeros) for each in (response, other)]
    size = ratio(response, other, dt)
    return zeros[0] == zeros[1] and bool((size < ALIKE).all() and (size > 1 / ALIKE).all())


def converted(row: Array, response: Response, target: Response, dt: float) -> Array:
    """A record as an instrument with another, similar response would have written it; gaps stay gaps."""
    present = np.isfinite(row)
    if not present.any() or same_response(response, target, dt):
        return row
    n = len(row)
    whole = np.interp(np.arange(n), np.flatnonzero(present), row[present])
    level = whole[0] + (whole[-1] - whole[0]) * np.linspace(0, 1, n)
    size = 1 << int(np.ceil(np.log2(2 * n)))
    omega = np.asarray(2 * np.pi * np.fft.rfftfreq(size, dt), np.complex128)
    omega[0] = 1e-3 * omega[1]
    factor = target.response(omega) / response.response(omega)
    spectrum = np.fft.rfft(whole - level, size) * factor
    changed = np.fft.irfft(spectrum, size)[:n] + level * float(factor[0].real)
    return np.where(present, changed, np.nan)
