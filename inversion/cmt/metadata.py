"""Station metadata and headers of files on a channel: place, direction, response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from dislok.foreign import Object

from . import units
from .filters import Complex
from .orientation import Direction
from .records import Response

_UNSET = -12345.0
# SAC's numbers of what a file holds.
_DEPENDENT = {6: "displacement", 7: "velocity", 8: "acceleration"}
_ROOT_UNITS = {"LAPLACE (RADIANS/SECOND)": 1.0, "LAPLACE (HERTZ)": 2 * np.pi}


class Code(NamedTuple):
    """Network, station, location and channel, without blanks, in capitals."""

    network: str
    station: str
    location: str
    channel: str

    @classmethod
    def of(cls, network: Object, station: Object, location: Object, channel: Object) -> Code:
        """A code from what files hold: dashes and blanks stand for an empty location."""
        words = (str(word or "").strip().upper() for word in (network, station, location, channel))
        return cls(*(word.strip("-") if word.strip("-") == "" else word for word in words))

    def __str__(self) -> str:
        return ".".join(self)

    @property
    def name(self) -> str:
        """Network and station, as records are called."""
        return f"{self.network}.{self.station}".lstrip(".")


@dataclass(frozen=True)
class Entry:
    """One epoch of a channel in an inventory, or of a whole station where `code.channel` is empty."""

    code: Code
    start: float
    end: float
    latitude: float
    longitude: float
    azimuth: float | None = None
    dip: float | None = None
    response: Object = None


class Inventory:
    """The channels of an ObsPy inventory, found by codes that need not agree in every letter.

    Parameters
    ----------
    inventory : obspy.Inventory or None
        None knows nothing.
    """

    def __init__(self, inventory: Object) -> None:
        self.entries = tuple(_entries(inventory)) if inventory is not None else ()

    def find(self, code: Code, time: float) -> Entry | None:
        """The entry of a channel at a time (s after 1970); None where no inventory was given.

        Raises
        ------
        ValueError
            If the inventory does not know the channel, or not at this time, or has several that fit.
        """
        if not self.entries:
            return None
        found = self._alike(code)
        if not found:
            raise ValueError("the inventory does not know this channel")
        now = [entry for entry in found if entry.start <= time <= entry.end]
        if not now:
            epochs = ", ".join(f"{_day(entry.start)} to {_day(entry.end)}" for entry in found)
            raise ValueError(f"the inventory knows this channel at other times only: {epochs}")
        if len({entry.code for entry in now}) > 1:
            raise ValueError(
                f"several channels of the inventory fit: {', '.join(str(entry.code) for entry in now)}"
            )
        return _together(now)

    def _alike(self, code: Code) -> list[Entry]:
        """Entries of a channel, compared by fewer and fewer of its codes until there are some."""
        channels = [entry for entry in self.entries if entry.code.channel]
        for fields in (code._fields, ("network", "station", "channel"), ("station", "channel")):
            found = [e for e in channels if all(getattr(e.code, f) == getattr(code, f) for f in fields)]
            if "network" not in fields:
                # Networks may differ only where one side has none.
                found = [entry for entry in found if not (entry.code.network and code.network)]
            if found:
                return found
        stations = [e for e in self.entries if not e.code.channel and e.code.station == code.station]
        return [e for e in stations if e.code.network in ("", code.network) or not code.network]


def _together(entries: list[Entry]) -> Entry:
    """What several entries of a channel say together, as where places and responses come from two files.

    Of epochs that overlap the one that began last corrects the others.
    """
    last, *others = sorted(entries, key=lambda entry: -entry.start)
    for other in others:
        changes: dict[str, Object] = {
            name: getattr(other, name)
            for name in ("azimuth", "dip", "response")
            if getattr(last, name) is None
        }
        if not np.isfinite(last.latitude):
            changes |= {"latitude": other.latitude, "longitude": other.longitude}
        last = replace(last, **changes)
    return last


def _entries(inventory: Object) -> Iterator[Entry]:
    for network in inventory:
        for station in network:
            place = (station.latitude, station.longitude)
            for channel in station:
                yield Entry(
                    Code.of(network.code, station.code, channel.location_code, channel.code),
                    *_epoch(channel),
                    *_place(channel, place),
                    _number(channel.azimuth),
                    _number(channel.dip),
                    channel.response,
                )
            if not station.channels:
                code = Code.of(network.code, station.code, "", "")
                yield Entry(code, *_epoch(station), *(_degrees(v) for v in place))


def _epoch(part: Object) -> tuple[float, float]:
    start = -np.inf if part.start_date is None else part.start_date.timestamp
    return start, np.inf if part.end_date is None else part.end_date.timestamp


def _place(channel: Object, station: tuple[Object, Object]) -> tuple[float, float]:
    own = (channel.latitude, channel.longitude)
    latitude, longitude = station if None in own else own
    place = _degrees(latitude), _degrees(longitude)
    # Files that know no places, as RESP, come with zeros.
    return (np.nan, np.nan) if place == (0.0, 0.0) else place


def _degrees(value: Object) -> float:
    return np.nan if value is None else float(value)


def _number(value: Object) -> float | None:
    return None if value is None or not np.isfinite(float(value)) else float(value)


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).date()}" if np.isfinite(seconds) else "ever"


class Header(NamedTuple):
    """What a file's own header says; None for what it does not."""

    latitude: float | None = None
    longitude: float | None = None
    azimuth: float | None = None
    dip: float | None = None
    quantity: str | None = None


def header(trace: Object) -> Header:
    """The place, direction and quantity in a SAC or K-NET header of an ObsPy trace."""
    sac, knet = trace.stats.get("sac", {}), trace.stats.get("knet", {})
    if not sac:
        return Header(_set(knet, "stla"), _set(knet, "stlo"))
    place = _set(sac, "stla"), _set(sac, "stlo")
    incidence = _set(sac, "cmpinc")
    if incidence is not None and not 0.0 <= incidence <= 180.0:
        # An angle from the vertical is none of these; whoever wrote it meant something else.
        incidence = None
    return Header(
        *((None, None) if place == (0.0, 0.0) else place),
        _set(sac, "cmpaz"),
        None if incidence is None else incidence - 90.0,
        _DEPENDENT.get(int(sac.get("idep", 5))),
    )


def _set(table: Object, key: str) -> float | None:
    value = table.get(key)
    return None if value is None or float(value) == _UNSET or not np.isfinite(float(value)) else float(value)


def direction(azimuth: float | None, dip: float | None, name: Direction | None) -> Direction | None:
    """The direction that metadata say, as far as they say one.

    A vertical needs no azimuth. A horizontal needs no dip where its name is a horizontal's, too.
    """
    if dip is not None and abs(abs(dip) - 90.0) < 1e-6:
        return Direction(0.0, dip)
    if azimuth is None:
        return None
    if dip is None:
        return None if name and name.dip else Direction(azimuth, 0.0)
    return Direction(azimuth, dip)


class Instrument(NamedTuple):
    """What an instrument's numbers mean.

    Attributes
    ----------
    quantity : what it answers to.
    gain : numbers per m, m/s or m/s² at the frequency of its sensitivity.
    response : shape of its response: 1 at that frequency.
    """

    quantity: str
    gain: float
    response: Response


def instrument(response: Object) -> Instrument:
    """The sensitivity and all analogue poles and zeros of an ObsPy response.

    Raises
    ------
    ValueError
        If there is no sensitivity, or its unit is none of ground motion, or the response at its frequency is
        zero.
    """
    stated = getattr(response, "instrument_sensitivity", None)
    if stated is None or stated.value is None or not stated.value:
        raise ValueError("the inventory has no poles, zeros and sensitivity of it")
    if not response.response_stages:
        raise ValueError(
            "the inventory has its sensitivity only, no poles and zeros; get it at response level"
        )
    quantity, factor = units.parse(stated.input_units or "")
    gain = float(stated.value) / factor
    zeros, poles, scale = _roots(response)
    shape = Response(zeros, poles)
    if stated.frequency is None:
        return Instrument(quantity, gain, Response(zeros, poles, scale))
    omega: Complex = np.array([2 * np.pi * float(stated.frequency) + 0j])
    size = float(np.abs(shape.response(omega))[0])
    if size == 0 or not np.isfinite(size):
        raise ValueError(f"its sensitivity is stated at {float(stated.frequency):g} Hz, where it has none")
    return Instrument(quantity, gain, Response(zeros, poles, 1 / size))


def _roots(response: Object) -> tuple[tuple[complex, ...], tuple[complex, ...], float]:
    """Zeros and poles (rad/s) of all analogue stages, and the product of their normalisation factors."""
    zeros: list[complex] = []
    poles: list[complex] = []
    scale = 1.0
    for stage in response.response_stages:
        kind = getattr(stage, "pz_transfer_function_type", None)
        if kind in _ROOT_UNITS:
            unit = _ROOT_UNITS[kind]
            zeros += [unit * complex(root) for root in stage.zeros]
            poles += [unit * complex(root) for root in stage.poles]
            # The factor belongs to roots in the stage's own unit.
            scale *= float(stage.normalization_factor) * unit ** (len(stage.poles) - len(stage.zeros))
    return tuple(zeros), tuple(poles), scale
