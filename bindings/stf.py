"""Source time functions: how the moment is released, as unit-area pulses centred at zero time.

The moment history of a source is its moment tensor times the integral of the pulse. A pulse is known by its
spectrum at complex angular frequency, so that damped frequencies can be used:
``spectrum(omega) = integral of s(t) exp(-i omega t) dt``.

Any callable from complex angular frequency (rad/s, an array) to the spectrum serves as well as the classes
here, which also know how the spectrum changes with their half-duration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from dislok import gate as gates

__all__ = [
    "Boxcar",
    "Gaussian",
    "HalfCosine",
    "Impulse",
    "Samples",
    "SourceTimeFunction",
    "Trapezoid",
    "Triangle",
]

Spectrum: TypeAlias = Callable[[np.ndarray], np.ndarray]
# Half-durations of a Gaussian before it is negligible.
_GAUSSIAN_REACH = 3.0


class SourceTimeFunction(Protocol):
    """What a source time function offers."""

    @property
    def reach(self) -> float:
        """Seconds before and after zero within which the pulse lies."""
        ...

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """Spectrum at complex angular frequencies (rad/s)."""
        ...


@dataclass(frozen=True)
class Impulse:
    """All moment at once: a step in moment."""

    reach: float = field(default=0.0, init=False)

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """One."""
        return np.ones_like(omega)


@dataclass(frozen=True)
class _Pulse:
    """A pulse that lies within its half_duration (s) before and after zero."""

    half_duration: float

    def __post_init__(self) -> None:
        gates.verify(self, half_duration=gates.number(above=0))

    @property
    def reach(self) -> float:
        """Seconds before and after zero within which the pulse lies."""
        return self.half_duration


class Boxcar(_Pulse):
    """A constant rate from -half_duration to half_duration (s)."""

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """sin x / x with x = omega half_duration."""
        return _sinc(omega * self.half_duration)

    def slope(self, omega: np.ndarray) -> np.ndarray:
        """Derivative of the spectrum with the half-duration."""
        return omega * _sinc_slope(omega * self.half_duration)


class Triangle(_Pulse):
    """A rate that rises for half_duration (s) and falls for as long."""

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """(sin x / x)² with x = omega half_duration / 2."""
        return _sinc(0.5 * omega * self.half_duration) ** 2

    def slope(self, omega: np.ndarray) -> np.ndarray:
        """Derivative of the spectrum with the half-duration."""
        x = 0.5 * omega * self.half_duration
        return omega * _sinc(x) * _sinc_slope(x)


class HalfCosine(_Pulse):
    """A rate (1 + cos(pi t / h)) / (2 h) for t from -h to h, the half_duration (s); the Hann pulse."""

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """A sum of three boxcars' spectra, which has no singular points."""
        x = omega * self.half_duration
        return _sinc(x) + 0.5 * (_sinc(x - np.pi) + _sinc(x + np.pi))

    def slope(self, omega: np.ndarray) -> np.ndarray:
        """Derivative of the spectrum with the half-duration."""
        x = omega * self.half_duration
        return omega * (_sinc_slope(x) + 0.5 * (_sinc_slope(x - np.pi) + _sinc_slope(x + np.pi)))


class Gaussian(_Pulse):
    """A Gaussian rate whose standard deviation is half of half_duration (s)."""

    @property
    def reach(self) -> float:
        """Longest time from the centre at which the function is not zero (s)."""
        return _GAUSSIAN_REACH * self.half_duration

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """exp(-(omega half_duration)² / 8)."""
        return np.exp(-((omega * self.half_duration) ** 2) / 8.0)

    def slope(self, omega: np.ndarray) -> np.ndarray:
        """Derivative of the spectrum with the half-duration."""
        return -0.25 * omega**2 * self.half_duration * self.spectrum(omega)


@dataclass(frozen=True)
class Trapezoid(_Pulse):
    """A rate from -half_duration to half_duration (s) that rises and falls for `rise` seconds each."""

    rise: float

    def __post_init__(self) -> None:
        super().__post_init__()
        gates.verify(self, rise=gates.number(above=0))
        if not 0.0 < self.rise <= self.half_duration:
            raise ValueError(f"rise must be positive and at most half_duration, got {self.rise}")

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """The product of two boxcars' spectra."""
        long = omega * (self.half_duration - 0.5 * self.rise)
        return _sinc(long) * _sinc(0.5 * omega * self.rise)

    def slope(self, omega: np.ndarray) -> np.ndarray:
        """Derivative of the spectrum with the half-duration, the rise being constant."""
        long = omega * (self.half_duration - 0.5 * self.rise)
        return omega * _sinc_slope(long) * _sinc(0.5 * omega * self.rise)


@dataclass(frozen=True)
class Samples:
    """A rate known by its values at `start`, `start` + `dt`, ... (s), with straight lines between.

    It is scaled to unit area.
    """

    values: tuple[float, ...]
    dt: float
    start: float = 0.0

    def __post_init__(self) -> None:
        gates.verify(self, dt=gates.number(above=0), start=gates.number())
        values = gates.real(None)("values", self.values)
        object.__setattr__(self, "values", tuple(values.tolist()))
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or not values.sum():
            raise ValueError("values must be a sequence of finite numbers whose sum is not zero")

    @property
    def reach(self) -> float:
        """Longest time from the centre at which the function is not zero (s)."""
        last = self.start + self.dt * (len(self.values) - 1)
        return max(abs(self.start), abs(last)) + self.dt

    def spectrum(self, omega: np.ndarray) -> np.ndarray:
        """The sum of the samples' triangles."""
        values = np.asarray(self.values, dtype=float)
        times = self.start + self.dt * np.arange(len(values))
        phase = np.exp(-1j * np.multiply.outer(omega, times))
        return phase @ (values / values.sum()) * _sinc(0.5 * omega * self.dt) ** 2


def _sinc(x: np.ndarray) -> np.ndarray:
    """sin x / x."""
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    x2 = x * x
    return np.where(small, 1.0 - x2 / 6.0 * (1.0 - x2 / 20.0 * (1.0 - x2 / 42.0)), np.sin(safe) / safe)


def _sinc_slope(x: np.ndarray) -> np.ndarray:
    """Derivative of sin x / x."""
    small = np.abs(x) < 0.05
    safe = np.where(small, 1.0, x)
    x2 = x * x
    series = -x / 3.0 * (1.0 - x2 / 10.0 * (1.0 - x2 / 28.0 * (1.0 - x2 / 54.0)))
    return np.where(small, series, (np.cos(safe) - np.sin(safe) / safe) / safe)
