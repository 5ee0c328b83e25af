"""Earthquakes from files of catalogues: QuakeML, CMTSOLUTION, ndk; hypocentre and centroid kept apart."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dislok import foreign
from dislok import gate as gates
from dislok.foreign import Object, text_lines

from . import solutions

_ELEMENTS = ("m_rr", "m_tt", "m_pp", "m_rt", "m_rp", "m_tp")


class Place(NamedTuple):
    """A time (UTC) and a place: degrees, depth in km, or NaN where a file does not say it."""

    time: datetime
    latitude: float
    longitude: float
    depth: float


class Quake(NamedTuple):
    """An earthquake of a catalogue.

    Attributes
    ----------
    name : what the catalogue calls it.
    hypocentre : where and when it began; None where only a centroid is known.
    centroid : where and when its moment was released on average, or None.
    half_duration : s, or None.
    tensor : Mrr, Mtt, Mpp, Mrt, Mrp, Mtp in N·m, or None.
    magnitude : the preferred or first one, or None.
    """

    name: str
    hypocentre: Place | None
    centroid: Place | None
    half_duration: float | None = None
    tensor: tuple[float, ...] | None = None
    magnitude: float | None = None

    @property
    def begin(self) -> Place:
        """The hypocentre, or the centroid where there is none."""
        found = self.hypocentre or self.centroid
        assert found is not None
        return found


@gates.gate(path=gates.path(), number=gates.optional(gates.count(1)))
def read_event(path: str | Path, number: int | None = None) -> Quake:
    """Read an earthquake from QuakeML, CMTSOLUTION, ndk or SeisComP XML; needs the extra ``seis``.

    Parameters
    ----------
    path : path
    number : int, optional
        Which one of several, the first being 1.

    Raises
    ------
    ValueError
        If the file cannot be read, holds several events and `number` is not given, or an event without a
        place.
    """
    events = _events(path)
    if not events:
        raise ValueError(f"{path}: no events in this file")
    if number is None and len(events) > 1:
        names = ", ".join(event.name if isinstance(event, Quake) else _name(event) for event in events[:5])
        raise ValueError(f"{path}: holds {len(events)} events ({names}, ...); give number, 1 for the first")
    if number is not None and number > len(events):
        raise ValueError(f"{path}: number is {number}, but there are {len(events)} events")
    event = events[(number or 1) - 1]
    return _checked(path, event if isinstance(event, Quake) else _quake(path, event))


def _events(path: str | Path) -> list[Object]:
    """Earthquakes of a file: ours, or ObsPy's events."""
    foreign.refuse(path)
    try:
        lines = text_lines(path)
    except ValueError:
        lines = []
    if not solutions.recognised(lines):
        return list(foreign.events(path))
    try:
        found = solutions.parsed(lines)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return [
        Quake(one.name, Place(*one.begin), Place(*one.centroid), one.half_duration, one.tensor, one.magnitude)
        for one in found
    ]


def _checked(path: str | Path, quake: Quake) -> Quake:
    """An earthquake on the Earth."""
    for place in (quake.hypocentre, quake.centroid):
        if place is not None and not (abs(place.latitude) <= 90 and abs(place.longitude) <= 360):
            raise ValueError(
                f"{path}: event {quake.name} lies at latitude {place.latitude:g}, longitude "
                f"{place.longitude:g}; expected degrees within 90 and 360"
            )
        if place is not None and not (np.isnan(place.depth) or -10 <= place.depth <= 1000):
            raise ValueError(
                f"{path}: event {quake.name} lies {place.depth:g} km deep; expected -10 to 1000 km"
            )
    if quake.half_duration is not None and not 0 <= quake.half_duration <= 3600:
        raise ValueError(
            f"{path}: event {quake.name} has a half-duration of {quake.half_duration:g} s; expected 0 to 3600"
        )
    return quake


def _quake(path: str | Path, event: Object) -> Quake:
    tensors = [m.moment_tensor for m in _first(event.preferred_focal_mechanism(), event.focal_mechanisms)]
    tensor = next((t for t in tensors if t is not None and t.tensor is not None), None)
    placed = [
        origin for origin in event.origins if None not in (origin.time, origin.latitude, origin.longitude)
    ]
    centroid = _centroid(placed, tensor)
    begins = [o for o in _first(event.preferred_origin(), placed) if o in placed and o is not centroid]
    begins.sort(key=lambda origin: origin.origin_type not in ("hypocenter", None))
    if not placed:
        raise ValueError(f"{path}: event {_name(event)} has no origin with time, latitude and longitude")
    magnitudes = _first(event.preferred_magnitude(), event.magnitudes)
    source = getattr(tensor, "source_time_function", None)
    duration = getattr(source, "duration", None)
    return Quake(
        _name(event),
        _place(begins[0]) if begins else None,
        _place(centroid) if centroid is not None else None,
        None if duration is None else float(duration) / 2,
        _elements(tensor),
        float(magnitudes[0].mag) if magnitudes else None,
    )


def _first(preferred: Object, others: list[Object]) -> list[Object]:
    """All of a list, the preferred one first."""
    return ([preferred] if preferred is not None else []) + [one for one in others if one is not preferred]


def _centroid(origins: list[Object], tensor: Object) -> Object:
    """The origin that is called a centroid, or from which the tensor was derived beside another one."""
    for origin in origins:
        if origin.origin_type == "centroid":
            return origin
    derived = None if tensor is None else tensor.derived_origin_id
    if derived is None or len(origins) < 2:
        return None
    return next((origin for origin in origins if origin.resource_id == derived), None)


def _place(origin: Object) -> Place:
    depth = np.nan if origin.depth is None else float(origin.depth) / 1000.0
    time = origin.time.datetime.replace(tzinfo=UTC)
    return Place(time, float(origin.latitude), float(origin.longitude), depth)


def _elements(tensor: Object) -> tuple[float, ...] | None:
    if tensor is None:
        return None
    values = [getattr(tensor.tensor, name) for name in _ELEMENTS]
    return None if None in values else tuple(float(value) for value in values)


def _name(event: Object) -> str:
    texts = {str(one.type): str(one.text) for one in event.event_descriptions if one.text}
    for kind in ("earthquake name", "region name", "Flinn-Engdahl region"):
        if kind in texts:
            return texts[kind].strip()
    return next(iter(texts.values()), str(event.resource_id).rsplit("/", 1)[-1])
