"""Records that a network would have made: synthetic earthquakes with noise like that of real-time GNSS
positions.
"""

from __future__ import annotations

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
    """Noise (stations, 3, n_times) in m like that of 1 Hz positions: half its power white, half correlated
    over a minute.

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
