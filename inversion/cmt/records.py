"""Displacement, velocity and acceleration records of a network, as they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dislok import gate as gates
from dislok.store import read_arrays

from .filters import Array, Complex

QUANTITIES = {"displacement": 0, "velocity": 1, "acceleration": 2}
"""Kinds of record, and how often displacement is differentiated to get them."""


def _roots(name: str, value: object) -> tuple[complex, ...]:
    """Roots of a response, real or in pairs that are conjugate to each other."""
    array = gates.ragged(name, value)
    if array.size and (array.dtype.kind not in "iufc" or array.ndim != 1 or np.ma.isMaskedArray(value)):
        raise TypeError(f"{name} must be complex numbers in a row, got {value!r:.60}")
    roots = tuple(complex(root) for root in array.tolist())
    if not np.isfinite(np.array(roots, complex)).all():
        raise ValueError(f"{name} must be finite, got {roots}")
    if name == "poles" and any(root.real >= 0 for root in roots):
        raise ValueError(f"response: poles must lie left of the imaginary axis, got {roots}")
    for root in roots:
        twins = sum(np.isclose(other, root.conjugate(), rtol=1e-4) for other in roots)
        if root.imag and twins != sum(np.isclose(other, root, rtol=1e-4) for other in roots):
            raise ValueError(
                f"{name}: {root} has no conjugate among them; the response of an instrument is real in time"
            )
    return roots


def _names(name: str, value: object) -> NDArray[np.str_]:
    array = gates.ragged(name, value)
    if array.dtype.kind != "U" or array.ndim != 1:
        raise TypeError(f"{name} must be names in a row, got {array.dtype} of shape {array.shape}")
    return array


def _utc(name: str, value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, got {value!r:.60}")
    # Times without a zone are UTC.
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


@dataclass(frozen=True)
class Response:
    """Response of an instrument: sensitivity · Π(s - zero) / Π(s - pole) with s = iω.

    Attributes
    ----------
    zeros, poles : tuple of complex
        Roots in rad/s; all poles left of the imaginary axis.
    sensitivity : float
        Factor, with whatever normalisation the poles and zeros need.
    """

    zeros: tuple[complex, ...] = ()
    poles: tuple[complex, ...] = ()
    sensitivity: float = 1.0

    def __post_init__(self) -> None:
        gates.verify(self, zeros=_roots, poles=_roots, sensitivity=gates.number())
        if self.sensitivity == 0:
            raise ValueError("sensitivity is 0.0; it must not be zero")

    def response(self, omega: Complex) -> Complex:
        """Value at complex angular frequencies (rad/s)."""
        s = 1j * np.asarray(omega, complex)
        value = np.full_like(s, self.sensitivity)
        for zero in self.zeros:
            value = value * (s - zero)
        for pole in self.poles:
            value = value / (s - pole)
        return value


@dataclass(frozen=True)
class Records:
    """Records of one kind on one time axis.

    Attributes
    ----------
    station : (n,) names, each once.
    latitude, longitude : (n,) degrees.
    t : (n_times,) seconds after `reference`, evenly spaced.
    values : (n, 3, n_times) east, north, up in m, m/s or m/s² (or the instrument's unit); NaN where missing.
    reference : UTC time of t = 0, usually the origin time of the hypocentre.
    quantity : "displacement", "velocity" or "acceleration".
    response : response of the instruments, where it was not removed.
    left_out : what could not be read, and why.
    notes : what was read though it looks strange.
    """

    station: NDArray[np.str_]
    latitude: Array
    longitude: Array
    t: Array
    values: Array
    reference: datetime
    quantity: str = "displacement"
    response: Response = field(default_factory=Response)
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        gates.verify(
            self,
            station=_names,
            latitude=gates.real(nan=True, infinite=True, ndim=1),
            longitude=gates.real(nan=True, infinite=True, ndim=1),
            t=gates.real(nan=True, infinite=True),
            values=gates.real(nan=True),
            reference=_utc,
            quantity=gates.choice(*QUANTITIES),
            response=gates.instance(Response),
        )
        n, m = len(self.station), self.t.size
        if self.values.shape != (n, 3, m):
            raise ValueError(f"values: expected shape ({n}, 3, {m}), got {self.values.shape}")
        for name in ("latitude", "longitude"):
            _check_places(name, getattr(self, name), self.station)
        _check_times(self.t)
        _check_names(self.station)

    @property
    def dt(self) -> float:
        """Sampling interval in s."""
        return float((self.t[-1] - self.t[0]) / (len(self.t) - 1))

    def __len__(self) -> int:
        return len(self.station)

    def take(self, index: ArrayLike) -> Records:
        """The records of some stations: an array of indices or of booleans."""
        i = np.asarray(index)
        return replace(
            self,
            station=self.station[i],
            latitude=self.latitude[i],
            longitude=self.longitude[i],
            values=self.values[i],
        )

    def named(self, stations: Iterable[str]) -> Records:
        """The records of the named stations, in that order."""
        known = {str(name): i for i, name in enumerate(self.station)}
        wanted = list(stations)
        missing = [name for name in wanted if name not in known]
        if missing:
            raise ValueError(f"no records of station {missing[0]!r}; there are {', '.join(known)}")
        return self.take([known[name] for name in wanted])

    def without(self, stations: Iterable[str]) -> Records:
        """The records of all stations but the named ones; every name must exist."""
        names = set(stations)
        unknown = names - {str(name) for name in self.station}
        if unknown:
            raise ValueError(f"cannot leave out {sorted(unknown)[0]!r}: there are no records of that station")
        return self.take(np.array([str(name) not in names for name in self.station]))

    def distance(self, latitude: float, longitude: float) -> Array:
        """Distance of every station from a point in km."""
        east, north = local(self.latitude, self.longitude, latitude, longitude)
        return np.hypot(east, north)

    def between(self, latitude: float, longitude: float, nearest: float, farthest: float) -> Records:
        """The stations from `nearest` up to `farthest` km away from a point, the nearest first."""
        distance = self.distance(latitude, longitude)
        order = np.argsort(distance, kind="stable")
        keep = (distance[order] >= nearest) & (distance[order] <= farthest)
        if not keep.any():
            raise ValueError(
                f"no station between {nearest:g} and {farthest:g} km; they lie at {distance.min():.0f} to "
                f"{distance.max():.0f} km"
            )
        return self.take(order[keep])

    def utc(self, seconds: float) -> datetime:
        """UTC time of `seconds` after the reference."""
        return self.reference + timedelta(seconds=float(seconds))


def local(
    latitude: ArrayLike, longitude: ArrayLike, latitude0: float, longitude0: float
) -> tuple[Array, Array]:
    """East and north in km of a reference point (transverse Mercator on WGS84)."""
    from dislok.convert import to_local

    east, north = to_local(longitude, latitude, longitude0, latitude0)
    return np.asarray(east, float) / 1000, np.asarray(north, float) / 1000


@gates.gate(path=gates.path())
def read_archive(path: str | Path) -> Records:
    """Read a NumPy archive of displacement records.

    Parameters
    ----------
    path : path
        Archive with the entries ``disp_enu_m`` (n, 3, n_times) in m with NaN where missing, ``station``,
        ``lat``, ``lon`` (n,), ``t`` (n_times,) in s and ``origin_time`` (UTC). Alternatively to ``t``:
        ``t_first`` (n,) and ``dt``, and ``reference_time``.
    """
    z = read_arrays(path)
    clock = "origin_time" if "origin_time" in z else "reference_time"
    axis = ("t",) if "t" in z else ("t_first", "dt")
    for name in ("disp_enu_m", "station", "lat", "lon", clock, *axis):
        if name not in z:
            raise ValueError(f"{path}: no entry {name!r}; there are {', '.join(z) or 'none'}")
    try:
        values = gates.real(None, None, None, nan=True)("disp_enu_m", z["disp_enu_m"])
        reference = parse_utc(str(z[clock]))
        if "t" in z:
            t = gates.real(None)("t", z["t"])
        else:
            t, values = _aligned(values, gates.real(None)("t_first", z["t_first"]), float(z["dt"]))
        latitude, longitude = (gates.real(None)(name, z[name]) for name in ("lat", "lon"))
        return Records(z["station"].astype(str), latitude, longitude, t, values, reference)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


@gates.gate(text=gates.text())
def parse_utc(text: str) -> datetime:
    """A UTC time from ISO 8601, with or without its zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not a time in ISO 8601: {text!r}") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def merge(parts: Sequence[Records]) -> Records:
    """Records of one kind and time axis in one table; a station in two of them is refused."""
    first = parts[0]
    for part in parts[1:]:
        same = (part.t.shape == first.t.shape) and np.allclose(part.t, first.t, atol=1e-6)
        if not same or part.reference != first.reference or part.quantity != first.quantity:
            raise ValueError(
                "records to be merged must share time axis, reference and quantity; give each kind of record "
                "its own Waveforms instead"
            )
    return replace(
        first,
        station=np.concatenate([part.station for part in parts]),
        latitude=np.concatenate([part.latitude for part in parts]),
        longitude=np.concatenate([part.longitude for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        left_out=tuple(line for part in parts for line in part.left_out),
        notes=tuple(line for part in parts for line in part.notes),
    )


def _aligned(values: Array, first: Array, dt: float) -> tuple[Array, Array]:
    """Put records that begin at different times (whole samples apart) on one axis."""
    shift = np.round((first - first.min()) / dt).astype(int)
    if np.abs(first - first.min() - shift * dt).max() > 0.01 * dt:
        raise ValueError("t_first: records do not start whole samples apart")
    n = values.shape[-1]
    table = np.full((*values.shape[:2], n + int(shift.max())), np.nan)
    for row, record, s in zip(table, values, shift, strict=True):
        row[:, s : s + n] = record
    return first.min() + dt * np.arange(table.shape[-1]), table


def _check_places(name: str, values: Array, station: NDArray[np.str_]) -> None:
    limit = 90.0 if name == "latitude" else 360.0
    if values.shape != station.shape:
        raise ValueError(f"{name}: expected shape {station.shape}, got {values.shape}")
    bad = ~(np.abs(values) <= limit)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name}: {values[i]} of station {station[i]!s} is not within ±{limit:g} degrees")


def _check_times(t: Array) -> None:
    if t.ndim != 1 or t.size < 3:
        raise ValueError(f"t: expected shape (n_times,) with at least 3 times, got {t.shape}")
    steps = np.diff(t)
    if not (np.isfinite(steps).all() and steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-3)):
        raise ValueError("t: times must be finite, increasing and evenly spaced; mark gaps by NaN in values")


def _check_names(station: NDArray[np.str_]) -> None:
    names, counts = np.unique(station, return_counts=True)
    if (counts > 1).any():
        name = names[np.argmax(counts > 1)]
        raise ValueError(f"station {name!s} has {counts.max()} records; keep one of them")
    if not len(names):
        raise ValueError("no records")
