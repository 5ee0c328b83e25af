"""Random fields with power spectra that fall as a power of the frequency."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import fft

from dislok.kernels.images.noise import normal

Shape = tuple[int, int]


@cache
def frequencies(shape: Shape) -> np.ndarray:
    """Radial frequency (cycles per pixel) of each number of a real transform, (h, w // 2 + 1)."""
    rows, columns = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    return np.hypot(rows[:, None], columns).astype(np.float32)


def _logarithms(f: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(f)


@cache
def _round(shape: Shape) -> np.ndarray:
    """Logarithms of `frequencies`."""
    return _logarithms(frequencies(shape))


def power_law(
    rng: np.random.Generator,
    shape: Shape,
    slope: float,
    *,
    longest: float | None = None,
    stretch: tuple[float, float] = (1.0, 0.0),
) -> np.ndarray:
    """A Gaussian field whose power spectral density falls as frequency to the power -slope.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    slope : float
        0 is white; photographs of the ground have 1.2 to 3.4.
    longest : float, optional
        Wavelength in pixels above which the spectrum is flat; the field's own size by default.
    stretch : tuple of float, optional
        How many times longer the field is along than across an azimuth, and that azimuth in degrees from
        north.

    Returns
    -------
    ndarray, shape (h, w), float32
        Mean 0 and standard deviation 1; it repeats itself at opposite edges of a grid that is slightly
        larger than the field.
    """
    size = (fft.next_fast_len(shape[0], real=True), fft.next_fast_len(shape[1], real=True))
    f = _logarithms(_stretched(size, *stretch)) if stretch[0] != 1.0 else _round(size)
    lowest = np.float32(-np.log(longest or max(size)))
    amplitude = np.exp(np.float32(-slope / 2) * np.maximum(f, lowest))
    amplitude[0, 0] = 0.0
    # of these columns the inverse transform uses the real part of the field alone, half of the power
    amplitude[:, [0, -1] if size[1] % 2 == 0 else [0]] *= np.float32(np.sqrt(2.0))
    white = normal(rng, (*f.shape, 2)).view(np.complex64)[..., 0]
    return normalised(fft.irfft2(white * amplitude, size)[: shape[0], : shape[1]])


def _stretched(size: Shape, factor: float, azimuth: float) -> np.ndarray:
    """Frequencies that are `factor` times higher along an azimuth."""
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    sine, cosine = np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))
    along, across = columns * sine - rows * cosine, columns * cosine + rows * sine
    return np.hypot(factor * along, across).astype(np.float32)


def normalised(field: np.ndarray) -> np.ndarray:
    """A field with mean 0 and standard deviation 1, float32; a constant becomes 0."""
    field = np.ascontiguousarray(field, np.float32) - np.float32(field.mean())
    spread = float(np.sqrt(np.mean(field * field)))
    return field * np.float32(1 / spread) if spread > 0 else field


def smooth(rng: np.random.Generator, shape: Shape, knots: int = 4) -> np.ndarray:
    """A smooth field of standard deviation about 1, from `knots` by `knots` random numbers; cheap."""
    coarse = rng.standard_normal((knots, knots)).astype(np.float32)
    # of so few numbers a sum of BLAS is slower, in threads above all
    rows = np.einsum("ra,ab->rb", _upsampled(knots, shape[0]), coarse)
    return np.einsum("rb,cb->rc", rows, _upsampled(knots, shape[1]))


def _upsampled(knots: int, size: int) -> np.ndarray:
    """Weights of each knot at each pixel, (size, knots), of the cosines through all knots."""
    places = (np.arange(size) + 0.5) / size
    orders = np.arange(knots)
    at_pixels = np.cos(np.pi * places[:, None] * orders)
    at_knots = np.cos(np.pi * (np.arange(knots)[:, None] + 0.5) / knots * orders)
    return np.linalg.solve(at_knots.T, at_pixels.T).T.astype(np.float32)


def spectral_slope(field: np.ndarray, band: tuple[float, float] = (0.02, 0.3)) -> float:
    """Slope of a field's power spectral density between two frequencies (cycles per pixel), with a window."""
    h, w = field.shape
    window = np.hanning(h)[:, None] * np.hanning(w)
    power = np.abs(fft.rfft2((field - field.mean()) * window)) ** 2
    f = frequencies((h, w))
    edges = np.geomspace(*band, 16)
    which = np.digitize(f, edges)
    x, y = [], []
    for k in range(1, len(edges)):
        ring = which == k
        if ring.any():
            x.append(np.log(f[ring].mean()))
            y.append(np.log(power[ring].mean()))
    return -float(np.polyfit(x, y, 1)[0])
