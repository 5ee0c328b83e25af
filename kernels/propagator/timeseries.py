"""From damped spectra to records: one real matrix does the transform, the undamping and the integration.

A spectrum K is known at omega_n = 2 pi n / T - i alpha. Its record v(t) = exp(alpha t) / T times the sum of
Re(K_n exp(i Re(omega_n) t)) over positive and negative n holds on any window of length T; we take one that
begins before the first motion, so that what a filter spreads to earlier times is not mistaken for late
motion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dislok.kernels.names import Array


class Window(NamedTuple):
    """`length` samples `dt` apart from `begin` on; `alpha` is the damping (1/s).

    The caller wants `wanted` of them, from number `skip` on.
    """

    dt: float
    begin: float
    skip: int
    wanted: int
    length: int
    alpha: float

    @property
    def period(self) -> float:
        """Length in seconds."""
        return self.length * self.dt

    def omega(self, count: int) -> np.ndarray:
        """The first frequencies (rad/s), complex."""
        return 2.0 * np.pi * np.arange(count) / self.period - 1j * self.alpha


def matrix(window: Window, count: int, quantity: str) -> np.ndarray:
    """Real matrix (2 count, window.wanted) from Re K_0, Im K_0, Re K_1, ... to samples.

    `quantity`: "velocity" of a step in moment is the record of K itself, "displacement" its integral from the
    beginning of the window, "acceleration" its derivative.
    """
    t = window.begin + window.dt * np.arange(window.length)
    omega = window.omega(count)
    twice = np.where(np.arange(count) == 0, 1.0, 2.0)
    wave: Array = np.exp(1j * omega[:, None] * t) * (twice / window.period)[:, None]
    if quantity == "acceleration":
        wave = wave * (1j * omega[:, None])
    rows = np.stack([wave.real, -wave.imag], axis=1).reshape(2 * count, -1)
    if quantity == "displacement":
        # what comes after the samples wanted is magnified by exp(alpha t): it must not leak through the wrap
        end = window.skip + window.wanted
        after = np.arange(window.length) - end
        rows = integrated(rows * smooth_step(after / max(window.length - end, 1)), window.dt)
    return np.ascontiguousarray(rows[:, window.skip : window.skip + window.wanted])


def integrated(rows: np.ndarray, dt: float) -> np.ndarray:
    """The integral of each row from its first sample, exact for what the samples resolve."""
    n = rows.shape[-1]
    spectrum = np.fft.rfft(rows)
    omega = 2.0 * np.pi * np.fft.rfftfreq(n, dt)
    mean = spectrum[..., :1].real / n
    spectrum[..., 0] = 0.0
    spectrum[..., 1:] /= 1j * omega[1:]
    if n % 2 == 0:
        spectrum[..., -1] = 0.0
    wave = np.fft.irfft(spectrum, n) + mean * (dt * np.arange(n))
    return wave - wave[..., :1]


def records(spectra: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Records of spectra (..., count), complex, by the transform of `matrix`; (..., n)."""
    return spectra.view(np.float64) @ transform


def response(lowpass: tuple[float, float] | None, dt: float) -> np.ndarray:
    """Amplitude of a zero-phase low-pass from 0 to the Nyquist frequency of `dt`, finely sampled.

    The pair of frequencies (Hz) are those between which a cosine falls from 1 to 0; without them, all is
    passed up to 0.3 / dt.
    """
    frequency = np.fft.rfftfreq(1 << 13, dt)
    if lowpass is None:
        return smooth_step((frequency * dt - 0.3) / 0.2)
    low, high = lowpass
    turn = np.clip((frequency - low) / (high - low), 0.0, 1.0)
    return 0.5 * (1.0 + np.cos(np.pi * turn))


def smooth_step(x: np.ndarray) -> np.ndarray:
    """1 below 0, 0 above 1, with all derivatives in between."""
    inside = np.clip(x, 2e-3, 1.0 - 2e-3)
    step = 1.0 / (1.0 + np.exp(1.0 / (1.0 - inside) - 1.0 / inside))
    return np.where(x <= 2e-3, 1.0, np.where(x >= 1.0 - 2e-3, 0.0, step))


def weights(amplitude: np.ndarray, accuracy: float) -> np.ndarray:
    """Weights of a zero-phase filter at times 0, dt, 2 dt, ..., with a smooth end.

    Enough of them that a step is right to `accuracy`.
    """
    full = np.fft.irfft(amplitude)
    series = full[: len(full) // 2]
    # what the weights from each time on would add to the response to a step
    tail = np.abs(np.cumsum(series[::-1])[::-1])
    above = np.flatnonzero(np.maximum.accumulate(tail[::-1])[::-1] > accuracy)
    half = int(above[-1]) + 2 if len(above) else 1
    count = min(int(1.5 * half) + 4, len(series))
    taper = smooth_step((np.arange(count) - half) / max(count - half, 1))
    kept = series[:count] * taper
    # the weights sum to the response at zero frequency
    return kept / (kept[0] + 2.0 * kept[1:].sum()) * amplitude[0]


def spectrum_of(kept: np.ndarray, window: Window) -> np.ndarray:
    """Spectrum, at the window's complex frequencies up to its Nyquist's, of weights that are even in time.

    ``2 cos(omega t)`` at the damped frequencies is a pair of exponentials, and those of times a window's
    length apart are the same: two Fourier transforms of that length.
    """
    length = window.length
    turns = np.arange(1, len(kept)) % length
    grow = np.exp(window.alpha * window.dt * np.arange(1, len(kept)))
    later, earlier = (
        np.bincount(turns, kept[1:] * factor, minlength=length) for factor in (grow, 1.0 / grow)
    )
    return kept[0] + np.conj(np.fft.rfft(later)) + np.fft.rfft(earlier)
