"""Records that a network would have made.

Synthetic earthquakes with noise like that of real-time GNSS positions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from dislok.propagator import LayeredModel

from .data import Waveforms
from .filters import Array, CosineLowpass
from .forward import Field, geometry
from .records import QUANTITIES, Records
from .source import Sources

REFERENCE = datetime(2005, 3, 20, 1, 53, 40, tzinfo=UTC)


def synthetic_records(
    latitude: Array,
    longitude: Array,
    model: LayeredModel,
    sources: Sources,
    origin: tuple[float, float],
    *,
    dt: float = 1.0,
    end: float = 120.0,
    before: float = 60.0,
    stf: str = "impulse",
    quantity: str = "displacement",
    accuracy: float = 1e-4,
) -> Records:
    """Records without noise of sources, from `before` seconds before the reference to `end` after it.

    They hold all frequencies up to 0.6 of the Nyquist frequency, with a smooth end at 0.95 of it.

    Parameters
    ----------
    latitude, longitude : (n,)
        Stations.
    model : LayeredModel
        The crust.
    sources : Sources
        With tensors; places on the plane around `origin`.
    origin : (latitude, longitude)
        Of that plane.
    dt, end, before : float
        Sampling interval and span in s.
    stf : str
        Source time function, a key of `dislok.inversion.cmt.forward.STF`.
    quantity : {"displacement", "velocity", "acceleration"}
    accuracy : float
        Relative accuracy of the kernels.
    """
    if quantity not in QUANTITIES:
        raise ValueError(f"quantity: expected one of {', '.join(QUANTITIES)}, got {quantity!r}")
    nyquist = 0.5 / dt
    times = dt * np.arange(-round(before / dt), round(end / dt) + 1)
    names = np.array([f"S{i + 1:02d}" for i in range(len(latitude))])
    empty = np.zeros((len(names), 3, len(times)))
    records = Records(names, latitude, longitude, times, empty, REFERENCE, quantity)
    band = CosineLowpass(0.6 * nyquist, 0.95 * nyquist)
    table = Waveforms(records, band, (times[0], times[-1]), "ENU")
    field = Field(table, geometry(latitude, longitude, origin), model, sources, accuracy, stf)
    values = np.einsum("ksite,ke->sit", field.green(sources), sources.tensor)
    return Records(names, latitude, longitude, times, values, REFERENCE, quantity)


def gnss_noise(
    stations: int,
    times: Array,
    rng: np.random.Generator,
    *,
    size: Array | tuple[float, ...] = (2.2, 2.5, 5.2),
) -> Array:
    """Noise (stations, 3, n_times) in m like that of 1 Hz positions.

    Half its power white, half correlated over a minute.

    Parameters
    ----------
    stations : int
    times : (n_times,)
        Evenly spaced, in s.
    rng : numpy.random.Generator
    size : (3,)
        Standard deviation east, north, up in mm; by default those of a national network's real-time records.
    """
    shape = (stations, 3, len(times))
    decay = np.exp(-(times[1] - times[0]) / 60.0)
    kicks = rng.standard_normal(shape)
    walk = np.empty(shape)
    walk[..., 0] = kicks[..., 0]
    for i in range(1, len(times)):
        walk[..., i] = decay * walk[..., i - 1] + np.sqrt(1 - decay**2) * kicks[..., i]
    sigma = 1e-3 * np.asarray(size, float)[:, None]
    return np.asarray(sigma * np.sqrt(0.5) * (walk + rng.standard_normal(shape)))


def position_noise(
    stations: int,
    times: Array,
    rng: np.random.Generator,
    *,
    white: float = 2.0,
    flicker: float = 2.0,
    walk: float = 0.15,
    vertical: float = 2.2,
) -> Array:
    """Noise (stations, 3, n_times) in m like that of precise point positions: white, flicker and random walk.

    Parameters
    ----------
    stations : int
    times : (n_times,)
        Evenly spaced, in s.
    rng : numpy.random.Generator
    white, flicker : float
        Standard deviations of the horizontal components over the span, in mm.
    walk : float
        Random walk in mm after a second.
    vertical : float
        Factor on the vertical component.
    """
    n = len(times)
    step = float(times[1] - times[0])
    shape = (stations, 3)
    frequency = np.fft.rfftfreq(2 * n, step)
    # Amplitudes of 1/√f make a power of 1/f; the constant part stays away.
    shaping = np.zeros_like(frequency)
    shaping[1:] = 1 / np.sqrt(frequency[1:])
    drawn = np.fft.irfft(np.fft.rfft(rng.standard_normal((*shape, 2 * n))) * shaping, 2 * n)[..., :n]
    drawn *= flicker / np.sqrt(np.mean(drawn.std(axis=-1) ** 2))
    walked = walk * np.sqrt(step) * np.cumsum(rng.standard_normal((*shape, n)), axis=-1)
    size = 1e-3 * np.array([1.0, 1.0, vertical])[:, None]
    return np.asarray(size * (white * rng.standard_normal((*shape, n)) + drawn + walked))


def disturbed(model: LayeredModel, rng: np.random.Generator, size: float = 0.06) -> LayeredModel:
    """A crust as wrong as crusts are.

    Velocities off by `size` (relative), half of its square in all layers alike, half in each; vp/vs by a
    third of it, thicknesses by two and a half times as much.

    Parameters
    ----------
    model : LayeredModel
    rng : numpy.random.Generator
    size : float
        Standard deviation of the logarithm of velocities.
    """
    return displaced(model, rng.standard_normal(numbers(model)), size)


def numbers(model: LayeredModel) -> int:
    """How many numbers make a crust wrong: one of all speeds, and three of each layer."""
    return 1 + 3 * len(np.asarray(model.vp))


def displaced(model: LayeredModel, wrong: Array, size: float) -> LayeredModel:
    """The crust of `disturbed` for given standard normal numbers (k,), see `numbers`."""
    layers, ratios, thicknesses = wrong[1:].reshape(3, -1)
    speed = np.exp(np.sqrt(0.5) * size * (wrong[0] + layers))
    ratio = np.exp(size / 3 * ratios)
    thickness = np.asarray(model.thickness, float) * np.exp(2.5 * size * thicknesses)
    return replace(
        model, thickness=thickness, vp=np.asarray(model.vp) * speed, vs=np.asarray(model.vs) * speed * ratio,
        rho=np.asarray(model.rho) * speed**0.4,
    )  # fmt: skip
