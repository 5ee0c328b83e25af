"""Filters that act alike on records and on kernels.

A filter is its response, a function of the complex angular frequency ω with time dependence e^{iωt}.
Records are filtered at real frequencies; kernels are computed below the real axis, where the same formula
is continued.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Complex: TypeAlias = NDArray[np.complex128]


class Filter(Protocol):
    """What a filter must offer: response, highest frequency, and how long it rings."""

    @property
    def corner(self) -> float:
        """Frequency (Hz) above which the response is negligible."""
        ...

    @property
    def ringing(self) -> float:
        """Time (s) over which the filter smears a sharp event, to either side."""
        ...

    def response(self, omega: Complex) -> Complex:
        """Response at angular frequencies (rad/s), real or with a negative imaginary part."""
        ...


class CosineLowpass(NamedTuple):
    """Low-pass without phase shift: one up to `low`, a half cosine down to zero at `high` (O'Toole et al.

    2012).

    Attributes
    ----------
    low, high : float
        Corner frequencies in Hz, 0 <= low < high.
    """

    low: float = 0.05
    high: float = 0.2

    @property
    def corner(self) -> float:
        """Frequency (Hz) of the zero."""
        return self.high

    @property
    def ringing(self) -> float:
        """Two periods of the middle of the flank (s)."""
        return 2.0 / (self.low + self.high)

    def response(self, omega: Complex) -> Complex:
        """Response at complex angular frequencies.

        The flank is an entire function, so it continues by itself.
        """
        low, high = 2 * np.pi * self.low, 2 * np.pi * self.high
        frequency = np.abs(np.real(omega))
        # The sign makes it real on the real axis for both halves of a real signal's spectrum.
        turned = np.where(np.real(omega) < 0, -omega, omega)
        flank = 0.5 * (1 + np.cos(np.pi * (turned - low) / (high - low)))
        return np.where(frequency <= low, 1.0 + 0j, np.where(frequency < high, flank, 0.0))


class Butterworth(NamedTuple):
    """Butterworth low-pass, high-pass or band-pass, causal or (run forth and back) without phase shift.

    Attributes
    ----------
    low : float
        Lower corner in Hz; 0 for a low-pass, which keeps the static offset.
    high : float
        Upper corner in Hz; infinity for a high-pass.
    order : int
        Number of poles of each flank.
    zero_phase : bool
        Whether the response is the squared modulus, as of a filter run in both directions.
    """

    low: float = 0.0
    high: float = 0.1
    order: int = 4
    zero_phase: bool = True

    @property
    def corner(self) -> float:
        """Frequency (Hz) at which the response has fallen to 1e-3."""
        power = 2 * self.order if self.zero_phase else self.order
        return self.high * 1e3 ** (1.0 / power)

    @property
    def ringing(self) -> float:
        """Time (s) in which the slowest pole decays by three e-foldings."""
        slowest = min(self.high, self.low or self.high)
        return 3.0 / (2 * np.pi * slowest * np.sin(np.pi / (2 * self.order)))

    def response(self, omega: Complex) -> Complex:
        """Response at complex angular frequencies with a small negative imaginary part."""
        s = 1j * np.asarray(omega, complex)
        response = self._causal(s)
        # On the real axis H(-s) is the conjugate of H(s): their product continues |H|².
        return response * self._causal(-s) if self.zero_phase else response

    def _causal(self, s: Complex) -> Complex:
        response = np.ones_like(s)
        if np.isfinite(self.high):
            response = response / _polynomial(s / (2 * np.pi * self.high), self.order)
        if self.low > 0:
            x = s / (2 * np.pi * self.low)
            response = response * x**self.order / _polynomial(x, self.order)
        return response


def _polynomial(s: Complex, order: int) -> Complex:
    """Butterworth's polynomial, whose roots lie on the left half of the unit circle."""
    angles = np.pi * (2 * np.arange(1, order + 1) + order - 1) / (2 * order)
    return np.prod([s - np.exp(1j * a) for a in angles], axis=0)


def check(band: Filter, nyquist: float) -> None:
    """Refuse a filter with impossible corners, or one that lets frequencies above `nyquist` (Hz) through."""
    if isinstance(band, CosineLowpass) and not 0 <= band.low < band.high:
        raise ValueError(f"band: corners must satisfy 0 <= low < high, got {band.low} and {band.high} Hz")
    if isinstance(band, Butterworth) and not (0 <= band.low < band.high and band.order >= 1):
        raise ValueError(f"band: corners must satisfy 0 <= low < high and order >= 1, got {tuple(band)}")
    if not band.corner <= nyquist:
        raise ValueError(
            f"band: passes frequencies up to {band.corner:.3g} Hz, above the Nyquist frequency "
            f"{nyquist:.3g} Hz"
        )


def apply(band: Filter, records: Array, dt: float, *, offset: bool = True) -> Array:
    """Filter evenly sampled records as if they went on at their first and last level for ever.

    Parameters
    ----------
    band : Filter
        The filter.
    records : (..., n)
        Samples without gaps.
    dt : float
        Sampling interval in s.
    offset : bool
        Whether records may end at another level than they begin, as displacement does; velocity and
        acceleration do not, and are continued by zero.

    Returns
    -------
    (..., n)

    Notes
    -----
    A record that ends on a step must not be put on a circle. Its differences do end at zero: they are
    filtered, padded with zeros, and summed up again.
    """
    n = records.shape[-1]
    pad = int(np.ceil(4 * band.ringing / dt))
    size = _fast_length(n + 2 * pad)
    moved = np.diff(records, axis=-1, prepend=records[..., :1]) if offset else records
    padded = np.zeros((*records.shape[:-1], size))
    padded[..., pad : pad + n] = moved
    omega = 2 * np.pi * np.fft.rfftfreq(size, dt)
    spectrum = np.fft.rfft(padded) * band.response(omega.astype(complex))
    filtered = np.fft.irfft(spectrum, size)
    if not offset:
        return np.asarray(filtered[..., pad : pad + n])
    # The static level passes by the response at zero frequency.
    level = records[..., :1] * band.response(np.zeros(1, complex)).real
    return np.asarray(np.cumsum(filtered, axis=-1)[..., pad : pad + n] + level)


def _fast_length(n: int) -> int:
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real=True))
