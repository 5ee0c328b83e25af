"""Random fields on a fault: self-affine roughness and von Kármán slip, band-limited, at any point.

A field is white noise shaped in the wavenumber domain. Wavelengths that the elements of a mesh could not
follow are left out: near the ground's surface the shortest is that of the recipe, deeper it grows with the
elements.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import fft, ndimage

SECTIONS = 9
Power = Callable[[np.ndarray, np.ndarray], np.ndarray]
MARGIN = 2.0
"""The field is periodic over this many times the part that is used, so that its ends know nothing of each
other."""


def self_affine(hurst: tuple[float, float]) -> Power:
    """Power of a self-affine surface whose sections along x and along d have these Hurst exponents.

    The spectrum of a section with exponent H falls as k^-(1 + 2H). With ``1/(|kx|^p + |kd|^q)`` for the
    surface, integrating over the other wavenumber gives p (1 - 1/q) = 1 + 2 Hx and q (1 - 1/p) = 1 + 2 Hd.
    Equal exponents give the isotropic surface, k^-(2 + 2H).
    """
    a, b = 1.0 + 2.0 * hurst[0], 1.0 + 2.0 * hurst[1]
    p, q = (a * b - 1.0) / (b - 1.0), (a * b - 1.0) / (a - 1.0)
    m = np.sqrt(p * q)

    def power(kx: np.ndarray, kd: np.ndarray) -> np.ndarray:
        total = np.abs(kx) ** (2.0 * p / m) + np.abs(kd) ** (2.0 * q / m)
        return np.where(total > 0.0, total, np.inf) ** (-0.5 * m)

    return power


def von_karman(hurst: float, along: float, down: float) -> Power:
    """Power of a von Kármán field with correlation lengths along x and d (Mai & Beroza 2002, JGR 107)."""

    def power(kx: np.ndarray, kd: np.ndarray) -> np.ndarray:
        k2 = (2.0 * np.pi * along * kx) ** 2 + (2.0 * np.pi * down * kd) ** 2
        return (1.0 + k2) ** (-(hurst + 1.0))

    return power


class Field:
    """A random field over a rectangle of a fault.

    Parameters
    ----------
    rng : Generator
    extent : (float, float)
        From 0 to these along x and down d.
    power : callable
        Power at wavenumbers (cycles per unit of length) along x and down d, up to a factor.
    shortest : float
        Shortest wavelength.
    """

    def __init__(self, rng: np.random.Generator, extent: tuple[float, float], power: Power, shortest: float):
        self.shortest, self.step = shortest, shortest / 4.0
        self.extent = extent
        counts = [int(MARGIN * e / self.step) + 16 for e in (extent[1], extent[0])]
        size = [fft.next_fast_len(n, real=True) for n in counts]
        waves = fft.rfft2(rng.standard_normal(size))
        kd, kx = fft.fftfreq(size[0], self.step)[:, None], fft.rfftfreq(size[1], self.step)[None]
        waves *= np.sqrt(power(kx, kd))
        waves[0, 0] = 0.0
        self.levels = list(self._levels(waves, kx, kd, size))
        self.scale, self.mean, self.slope = 1.0, 0.0, 0.0

    def _levels(self, waves, kx, kd, size):
        """Splines of the field without wavelengths below the shortest, twice it, four times it, ..."""
        k = np.hypot(kx, kd)
        level, shape = 0, list(size)
        while min(shape) >= 16 or level == 0:
            keep = np.where(k <= 1.0 / (self.shortest * 2.0**level), waves, 0.0)
            half = (shape[0] + 1) // 2
            rows = np.r_[0:half, size[0] - (shape[0] - half) : size[0]]
            cut = keep[rows, : shape[1] // 2 + 1]
            values = fft.irfft2(cut, s=shape) * (shape[0] * shape[1] / (size[0] * size[1]))
            spacing = (self.step * size[0] / shape[0], self.step * size[1] / shape[1])
            ends = [int(np.ceil(e / h)) + _RIM for e, h in zip(self.extent[::-1], spacing, strict=True)]
            rows, columns = (np.arange(-_RIM, end) % n for end, n in zip(ends, shape, strict=True))
            yield _Spline(values[rows[:, None], columns], spacing)
            shape = [2 * (n // 4) for n in shape]
            level += 1

    def __call__(self, x: np.ndarray, d: np.ndarray, wavelength: np.ndarray | float = 0.0) -> np.ndarray:
        """Values at points, without wavelengths below `wavelength` at each."""
        x, d, wavelength = np.broadcast_arrays(x, d, np.asarray(wavelength, float))
        level = np.log2(np.maximum(wavelength / self.shortest, 1.0))
        level = np.minimum(level, len(self.levels) - 1.0)
        out = np.zeros(x.shape)
        for k, spline in enumerate(self.levels):
            weight = np.maximum(1.0 - np.abs(level - k), 0.0)
            here = weight > 0.0
            if here.any():
                out[here] += weight[here] * spline(x[here], d[here])
        return self.scale * (out - self.mean - self.slope * x)

    def levelled(self, x: np.ndarray, rms: float) -> Field:
        """The field without the trend of its section along d = 0, with this root mean square.

        It is that of sections along x without their trends, on average over `SECTIONS` of them: one alone may
        by chance be nearly straight.
        """
        found, trend = [], np.zeros(2)
        for d in np.linspace(self.extent[1], 0.0, SECTIONS):
            section = self(x, np.full_like(x, d))
            trend = np.polyfit(x, section, 1)
            found.append(np.mean((section - np.polyval(trend, x)) ** 2))
        self.slope, self.mean = trend
        self.scale = rms / np.sqrt(np.mean(found))
        return self

    def standardised(self, x: np.ndarray, d: np.ndarray) -> Field:
        """The field with mean 0 and standard deviation 1 over these points."""
        values = self(x, d)
        self.mean, self.scale = values.mean(), 1.0 / values.std()
        return self


_RIM = 8  # steps of the grid around the part that is used, where the spline feels its ends


class _Spline:
    """Cubic spline through a grid, the point (0, 0) lying some steps within it."""

    def __init__(self, values: np.ndarray, spacing: tuple[float, float]) -> None:
        self.coefficients = ndimage.spline_filter(values, order=3, mode="mirror")
        self.spacing = spacing

    def __call__(self, x: np.ndarray, d: np.ndarray) -> np.ndarray:
        places = _RIM + np.stack([d / self.spacing[0], x / self.spacing[1]])
        return ndimage.map_coordinates(self.coefficients, places, order=3, mode="mirror", prefilter=False)


def hurst_of(profile: np.ndarray, shortest: float, longest: float, spacing: float = 1.0) -> float:
    """Hurst exponent of an even profile, from the slope of its spectrum between two wavelengths.

    The spectrum is that of the profile without its trend, under a Hann window, averaged in bins of equal
    width in log k; its slope is -(1 + 2H).
    """
    n = len(profile)
    place = np.arange(n)
    flat = profile - np.polyval(np.polyfit(place, profile, 1), place)
    power = np.abs(np.fft.rfft(flat * np.hanning(n))) ** 2
    k = np.fft.rfftfreq(n, spacing)
    edges = np.geomspace(1.0 / longest, 1.0 / shortest, 13)
    bins = [(k >= low) & (k < high) for low, high in zip(edges[:-1], edges[1:], strict=True)]
    filled = [b for b in bins if b.any()]
    slope = np.polyfit([np.log(k[b]).mean() for b in filled], [np.log(power[b].mean()) for b in filled], 1)[0]
    return float(-0.5 * (slope + 1.0))
