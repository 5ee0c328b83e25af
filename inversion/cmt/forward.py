"""Motion of point sources in a layered crust at the stations of a data set: kernels, filtered and in time.

The spectra of unit sources at a place are computed once; filter, instrument, source time function, time
shift and the derivatives of the last two are factors on them. Sources and stations lie on one transverse
Mercator plane around the hypocentre; what is computed along its axes is turned to true east and north at
each station.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dislok import propagator
from dislok import stf as shapes

from .data import Dataset, Offsets, Waveforms
from .filters import Array, Butterworth, Complex
from .records import QUANTITIES, local
from .source import PLACE, Sources

DAMPING = 3.0
"""Damping α T over the length T of the time circle; what goes round once is e^-3 of itself, behind all that
counts.
"""

EARLY = 30.0
"""Seconds before the first sample at which the time circle begins; a source may move earlier by nearly so
much.
"""

STF = {
    "impulse": None,
    "boxcar": shapes.Boxcar,
    "triangle": shapes.Triangle,
    "half-cosine": shapes.HalfCosine,
    "gaussian": shapes.Gaussian,
}
"""Source time functions by name, each with a half-duration but the impulse."""


class Geometry(NamedTuple):
    """Stations on the plane of an inversion.

    Attributes
    ----------
    x, y : (n,) km east and north of the origin along the plane's axes.
    rotation : (n, 3, 3) from the plane's axes to true east, north, up.
    """

    x: Array
    y: Array
    rotation: Array


def geometry(latitude: Array, longitude: Array, origin: tuple[float, float]) -> Geometry:
    """Places of stations on the plane around `origin` (latitude, longitude), and the rotation of north."""
    x, y = local(latitude, longitude, *origin)
    return Geometry(x, y, meridian_rotation(latitude, longitude, origin))


def meridian_rotation(latitude: Array, longitude: Array, origin: tuple[float, float]) -> Array:
    """Rotations (n, 3, 3) that take vectors along the plane's axes to true east, north, up at places."""
    step = np.where(np.asarray(latitude) > 0, -1e-4, 1e-4)
    x, y = local(latitude, longitude, *origin)
    further_x, further_y = local(latitude + step, longitude, *origin)
    angle = np.arctan2((further_x - x) * np.sign(step), (further_y - y) * np.sign(step))
    rotation = np.zeros((*np.shape(angle), 3, 3))
    rotation[..., 0, 0] = rotation[..., 1, 1] = np.cos(angle)
    rotation[..., 0, 1], rotation[..., 1, 0] = -np.sin(angle), np.sin(angle)
    rotation[..., 2, 2] = 1.0
    return rotation


class Circle(NamedTuple):
    """Frequencies of a time circle and what takes spectra to samples.

    Attributes
    ----------
    omega : (n_omega,) complex angular frequencies, α below the real axis.
    synthesis : (n_omega, n_times) complex; samples are the real part of spectra times it.
    """

    omega: Complex
    synthesis: Complex


def circle(data: Waveforms, times: Array | None = None) -> Circle:
    """The frequencies that a data set needs, with its filter and instruments already in the synthesis.

    At other times (s) than its own if they are given.
    """
    times, band = data.times if times is None else times, data.band
    early = min(times[0], 0.0) - EARLY - band.ringing
    length = 1.5 * (times[-1] - early)
    if isinstance(band, Butterworth):
        # The damped contour must stay clear of the poles of the filter's backward half.
        length = max(length, 2 * DAMPING * band.ringing / 3)
    count = int(np.ceil(band.corner * length))
    omega = 2 * np.pi * np.arange(count + 1) / length - 1j * DAMPING / length
    factor = 2 / length * band.response(omega) * data.records.response.response(omega)
    factor[0] /= 2
    grown = np.exp(1j * omega[:, None] * times)
    order = QUANTITIES[data.records.quantity]
    if order == 0:
        # Each exponential is integrated exactly from a time at which nothing has happened yet.
        grown = grown - np.exp(1j * omega * early)[:, None]
    return Circle(omega, (factor * (1j * omega) ** (order - 1))[:, None] * grown)


class Field:
    """Kernels of one data set for sources at fixed places; times, durations and tensors are still free.

    Parameters
    ----------
    data : Dataset
        Waveforms or offsets.
    places : Geometry
        Its stations.
    model : LayeredModel
        The crust.
    sources : Sources
        Where the sources are.
    accuracy : float
        Relative accuracy asked of the kernels.
    stf : str
        Name of the source time function, a key of `STF`.
    times : (n_times,), optional
        Times (s) to compute waveforms at instead of those that are fitted.
    """

    def __init__(
        self,
        data: Dataset,
        places: Geometry,
        model: propagator.LayeredModel,
        sources: Sources,
        accuracy: float,
        stf: str = "impulse",
        *,
        times: Array | None = None,
    ) -> None:
        self.data, self.stf = data, stf
        self.circle = None if isinstance(data, Offsets) else circle(data, times)
        omega = np.zeros(1, complex) if self.circle is None else self.circle.omega
        self._rotation = places.rotation
        self._spectra = propagator.spectral_kernels(
            model,
            propagator.PointSource(sources.east, sources.north, sources.depth),
            propagator.Stations(places.x, places.y),
            omega,
            accuracy=accuracy,
        )

    def green(self, sources: Sources) -> Array:
        """Data per N·m of each tensor element, (n_sources, n_stations, 3[, n_times], 6)."""
        rows = [self._samples(self._spectra.moment[k] * self._pulse(sources, k)) for k in range(len(sources))]
        return np.stack([np.moveaxis(row, 1, -1) for row in rows])

    def slopes(self, sources: Sources, unknowns: tuple[str, ...]) -> Array:
        """Derivatives of the data with respect to the unknowns of each source.

        Shape (n_sources, n_stations, 3[, n_times], n_unknowns).
        """
        tables = []
        location = self._spectra.location(sources.tensor) if set(PLACE) & set(unknowns) else None
        for k in range(len(sources)):
            place = None if location is None else location[k]
            spectra = np.stack([self._slope(sources, k, name, place) for name in unknowns], axis=1)
            tables.append(np.moveaxis(self._samples(spectra), 1, -1))
        return np.stack(tables)

    def _slope(self, sources: Sources, k: int, name: str, place: Complex | None) -> Complex:
        """Spectrum (n_stations, 3, n_omega) of the derivative with respect to one unknown."""
        pulse = self._pulse(sources, k)[:, 0]
        if name in PLACE:
            assert place is not None
            return np.asarray(place[:, PLACE.index(name)] * pulse)
        whole = np.einsum("smcw,m->scw", self._spectra.moment[k], sources.tensor[k])
        if self.circle is None:
            return np.zeros_like(whole)
        if name == "time":
            return whole * pulse * (-1j * self.circle.omega)
        return whole * self._pulse(sources, k, slope=True)[:, 0]

    def _pulse(self, sources: Sources, k: int, slope: bool = False) -> Complex:
        """Source time function (or its slope) and time shifts, (n_stations, 1, 1, n_omega).

        The slope is that in the half-duration.
        """
        stations = len(self._rotation)
        if self.circle is None:
            return np.ones((stations, 1, 1, 1), complex)
        assert isinstance(self.data, Waveforms)
        omega = self.circle.omega
        late = sources.time[k] + np.broadcast_to(np.asarray(self.data.shift, float), (stations,))
        shape = _stf_spectrum(self.stf, float(sources.duration[k]), omega, slope)
        return (shape * np.exp(-1j * omega * late[:, None]))[:, None, None]

    def _samples(self, spectra: Complex) -> Array:
        """Samples of spectra (n_stations, q, 3, n_omega) along true east, north, up.

        (n_stations, q, 3[, n_times]).
        """
        if self.circle is None:
            return np.einsum("sij,sqj->sqi", self._rotation, spectra[..., 0].real)
        parts = np.concatenate([spectra.real, spectra.imag], axis=-1)
        matrix = np.concatenate([self.circle.synthesis.real, -self.circle.synthesis.imag])
        return np.einsum("sij,sqjt->sqit", self._rotation, parts @ matrix, optimize=True)


def _stf_spectrum(name: str, half_duration: float, omega: Complex, slope: bool) -> Complex:
    shape = STF[name]
    if shape is None or half_duration == 0:
        return np.zeros_like(omega) if slope else np.ones_like(omega)
    function = shape(half_duration)
    return np.asarray(function.slope(omega) if slope else function.spectrum(omega))
