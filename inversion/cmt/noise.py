"""Errors of records, alone or correlated in time, and the whitening that makes least squares of them."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from .filters import Array, Filter

Mask: TypeAlias = NDArray[np.bool_]


class Noise(NamedTuple):
    """White noise plus exponentially correlated noise, before any filter.

    Attributes
    ----------
    white, correlated : float or array that broadcasts to (n_stations, 3)
        Standard deviations, in the unit of the records.
    time : float or array that broadcasts to (n_stations, 3)
        Correlation time in s.
    """

    white: float | Array
    correlated: float | Array = 0.0
    time: float | Array = 60.0


class Estimated(NamedTuple):
    """Errors of filtered samples as residuals show them: a variance a trace, one correlation a component.

    Attributes
    ----------
    variance : (n_stations, 3)
        In the unit of the records squared.
    correlation : (3, n_times)
        Correlation of east, north, up at lags of whole samples in use, one at lag 0.
    """

    variance: Array
    correlation: Array


def pooled(residual: Array, mask: Mask) -> Estimated:
    """Estimate from residuals (n_stations, 3, n_times) of all stations together.

    Half of a trace's variance is its own, half the mean of its component: a few cycles of one record say too
    little alone. Lags are weighted by their overlap, which keeps every covariance positive.
    """
    n, _, size = residual.shape
    variance, correlation = np.zeros((n, 3)), np.zeros((3, size))
    count = mask.sum(axis=-1)
    for c in np.flatnonzero(count.any(axis=0)):
        used = count[:, c] > 0
        left = np.where(mask[used, c], residual[used, c], 0.0)
        power = (left**2).sum(axis=-1) / count[used, c]
        # One station that drifts does not tell the errors of all.
        usual = min(float(power.mean()), 2 * float(np.median(power)))
        variance[used, c] = 0.5 * (power + usual)
        spectrum = np.abs(np.fft.rfft(left / np.sqrt(variance[used, c])[:, None], 2 * size)) ** 2
        lags = np.fft.irfft(spectrum.sum(axis=0), 2 * size)[:size]
        correlation[c] = lags / lags[0]
    return Estimated(variance, correlation)


def autocovariance(noise: tuple[float, float, float], band: Filter, dt: float, n: int) -> Array:
    """Autocovariance (n,) at lags of whole samples of noise that went through a filter.

    The density of the process is that of its samples; the filter acts by its squared modulus.
    """
    white, correlated, time = noise
    size = 2 * int(n + np.ceil((8 * band.ringing + 4 * time) / dt))
    lag = np.minimum(np.arange(size), size - np.arange(size)) * dt
    covariance = correlated**2 * np.exp(-lag / time)
    covariance[0] += white**2
    density = np.fft.rfft(covariance).real
    gain = np.abs(band.response((2 * np.pi * np.fft.rfftfreq(size, dt)).astype(complex))) ** 2
    return np.asarray(np.fft.irfft(density * gain, size)[:n])


FLOOR = 1e-3
"""White noise that is added to a covariance, as a share of its diagonal."""


def factor(covariance: Array) -> Array:
    """Lower Cholesky factor of a covariance (n, n), with `FLOOR` of its diagonal added as white noise.

    Filtered noise lacks the frequencies that the filter takes away: its covariance alone cannot be inverted.
    """
    raised = covariance + FLOOR * np.diag(np.diag(covariance))
    return np.asarray(linalg.cholesky(raised, lower=True))


def freedom(root: Array) -> float:
    """Number of independent numbers in n samples.

    `root` (n, n) is the lower Cholesky factor of their covariance.

    Directions without noise of their own, in which there is hardly more than the floor, do not count.
    """
    floor = FLOOR / (1 + FLOOR) * (root**2).sum(axis=1)
    inverse = linalg.solve_triangular(root, np.diag(np.sqrt(floor)), lower=True)
    return float(len(root) - (inverse**2).sum())


def whiten(root: Array, values: Array) -> Array:
    """Values (n, ...) on the axes in which the noise is white and of size one.

    `root` (n, n) is the lower Cholesky factor of its covariance.
    """
    flat = values.reshape(len(values), -1)
    return np.asarray(linalg.solve_triangular(root, flat, lower=True).reshape(values.shape))
