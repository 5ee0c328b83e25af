"""What a plan would cost, before anything is computed: hopeless ones are refused, with what makes them so."""

from __future__ import annotations

import warnings

import numpy as np

from .quadrature import Density, Extent, bounds, smooth_panel
from .stack import Layers

# Kernels at a wavenumber and a frequency, of which a plan may try so many: some minutes on one core. Fewer
# where sources `NEAR` the stations (km) or waves slower than any ground's ask for them. From `LONG` on it
# is said.
MOST_WAVENUMBERS, MOST_KERNELS, FEW_KERNELS, LONG = 4e6, 9e7, 2e7, 1e7
NEAR = 0.1
SECONDS = 1.5e-6  # for one of them, at least
TRIAL = 4.5  # times as many are tried before a plan is verified
# Samples of a window, and numbers of the matrix that makes records (4 GB).
MOST_SAMPLES, MOST_NUMBERS = 1 << 26, 1 << 29


class PlanError(ArithmeticError):
    """The stated accuracy was not reached, or would cost too much."""


def check_window(length: float, wanted: int, dt: float) -> None:
    """Raise a `PlanError` where a record has too many samples."""
    if not length < MOST_SAMPLES:
        raise PlanError(
            f"n={wanted} samples of dt={dt:g} s need a window of {length:.2g}, more than {MOST_SAMPLES};"
            " ask for fewer, or compute stations and pieces apart"
        )


def check_records(count: int, length: int, wanted: int, dt: float) -> None:
    """Raise a `PlanError` where the transform from frequencies to samples does not fit into memory."""
    if 2 * count * length > MOST_NUMBERS:
        raise PlanError(
            f"n={wanted} samples of dt={dt:g} s and {count} frequencies need a transform of"
            f" {2 * count * length:.2g} numbers, more than {MOST_NUMBERS:.2g}; take fewer samples, a longer"
            " dt or a lower lowpass"
        )


def check_band(passed: float, length: int, wanted: int, dt: float) -> None:
    """Raise a `PlanError` where the frequencies (Hz) that are passed alone are too many."""
    check_records(int(passed * length * dt), length, wanted, dt)


def check_kernels(
    layers: Layers, omega: np.ndarray, extent: Extent, density: Density, spent: float = 0.0
) -> float:
    """How many kernels one trial of a plan computes.

    Raises
    ------
    PlanError
        If there are too many wavenumbers at too many frequencies, after `spent` kernels of earlier trials.
    """
    zone, limits, fine, alpha = bounds(layers, omega, extent, density)
    step = smooth_panel(layers, extent, density)
    panels = np.maximum(limits - zone, 0.0) / step(float(limits.max()))
    if alpha > 0.0:
        panels += zone / min(fine, step(float(zone.max())))
    wavenumbers, kernels = 8.0 * float(panels.max()), TRIAL * 8.0 * float(panels.sum())
    reason, strange = _reason(layers, omega, extent, density, float(zone.max()))
    most = min(FEW_KERNELS, MOST_KERNELS) if strange else MOST_KERNELS
    if wavenumbers > MOST_WAVENUMBERS or spent + kernels > most:
        more = f", after {spent:.1g} in vain" if spent else ""
        raise PlanError(
            f"this needs about {wavenumbers:.1g} wavenumbers and {kernels:.1g} kernels{more}, more than"
            f" {MOST_WAVENUMBERS:.1g} and {most:.1g}: {reason}"
        )
    if spent <= LONG < spent + kernels:
        warnings.warn(
            f"to plan this takes {SECONDS * (spent + kernels):.0f} seconds on one core or more: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )
    return kernels


def _reason(
    layers: Layers, omega: np.ndarray, extent: Extent, density: Density, zone: float
) -> tuple[str, bool]:
    """The input that asks for most, and whether it is one that hardly any earthquake has."""
    reach, velocity = density.decay / extent.nearest, np.where(layers.vs > 0.0, layers.vs, layers.vp)
    frequency, slow = float(omega.real.max()) / (2.0 * np.pi), int(np.argmin(velocity))
    if reach > zone:
        return (
            f"a source within {extent.nearest:.2g} km of the stations' depth needs wavenumbers to {reach:.2g}"
            " per km; take it deeper, or a lower accuracy"
        ), extent.nearest < NEAR
    if velocity[slow] < 0.2 * np.median(velocity) or velocity[slow] < 0.1:
        return f"waves as slow as {velocity[slow]:g} km/s in layer {slow} at {frequency:.3g} Hz", True
    return (
        f"{len(omega)} frequencies up to {frequency:.3g} Hz (dt, n and lowpass) at distances up to"
        f" {extent.distance:.3g} km"
    ), False
