"""Records and offsets from files: ObsPy streams, MiniSEED and SAC folders, tables."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dislok import foreign
from dislok import gate as gates
from dislok.inversion.gnss import OffsetTable

from .data import COMPONENTS
from .filters import Array
from .records import QUANTITIES, Records, Response, read_archive

_DIRECTIONS = {"E": 0, "N": 1, "Z": 2, "U": 2}


@gates.gate(
    path=gates.path(),
    reference=gates.instance(datetime),
    quantity=gates.choice(*QUANTITIES),
    inventory=gates.optional(gates.path()),
    responses=gates.flag(),
)
def read(
    path: str | Path,
    reference: datetime,
    *,
    quantity: str = "displacement",
    inventory: str | Path | None = None,
    responses: bool = False,
) -> tuple[Records, ...]:
    """Read records: a NumPy archive (see `read_archive`), or a file or folder of MiniSEED, SAC and their
    like.

    Parameters
    ----------
    path : path
    reference : datetime
        UTC time of t = 0; an archive has its own.
    quantity : {"displacement", "velocity", "acceleration"}
    inventory : path, optional
        StationXML with places, orientations and responses; the folder's own ``*.xml`` by default.
    responses : bool
        As of `from_obspy`.

    Returns
    -------
    tuple of Records
        One for each sampling rate and response.
    """
    source = Path(path)
    if source.suffix == ".npz":
        if quantity != "displacement" or responses:
            raise ValueError(f"{source}: an archive holds displacement in m, not {quantity} or counts")
        return (read_archive(source),)
    obspy = foreign.installed("obspy", "seismic formats need ObsPy", "seis")
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    tables = [f for f in files if f.suffix.lower() == ".xml"] if inventory is None else [Path(inventory)]
    waves = [f for f in files if f.is_file() and f.suffix.lower() != ".xml" and not f.name.startswith(".")]
    if not waves:
        raise ValueError(f"{source}: no waveforms in this folder")
    stream = obspy.Stream()
    for file in waves:
        stream += foreign.waveforms(file)
    stations = obspy.Inventory() if tables else None
    for table in tables:
        stations += foreign.inventory(table)
    return from_obspy(stream, stations, reference, quantity=quantity, responses=responses)


@gates.gate(reference=gates.instance(datetime), quantity=gates.choice(*QUANTITIES), responses=gates.flag())
def from_obspy(
    stream: Any,
    inventory: Any,
    reference: datetime,
    *,
    quantity: str = "displacement",
    responses: bool = False,
) -> tuple[Records, ...]:
    """Records of an ObsPy stream.

    Parameters
    ----------
    stream : obspy.Stream
        Channels E, N, Z, or 1, 2, Z to be turned with the inventory's azimuths; gaps stay gaps.
    inventory : obspy.Inventory or None
        Places of the stations; SAC headers serve where it is None.
    reference : datetime
        UTC time of t = 0.
    quantity : {"displacement", "velocity", "acceleration"}
        What the samples are, in SI units, or what the instrument answers to if `responses`.
    responses : bool
        Whether samples are an instrument's counts, to be modelled with the inventory's poles and zeros.

    Returns
    -------
    tuple of Records
        One for each sampling rate and response, since these are computed separately.

    Raises
    ------
    ValueError
        If a station has no place, two records of one component, or channels 1 and 2 without azimuths.
    """
    if not len(stream):
        raise ValueError("stream: no traces")
    turned = _rotated(stream.copy(), inventory)
    groups: dict[Any, dict[str, dict[int, Any]]] = defaultdict(dict)
    for (station, component), traces in _by_component(turned).items():
        response = _response(inventory, traces[0], quantity) if responses else Response()
        rate = round(float(traces[0].stats.sampling_rate), 6)
        groups[rate, response].setdefault(station, {})[component] = traces
    return tuple(
        _records(members, 1 / rate, response, inventory, reference, quantity)
        for (rate, response), members in sorted(groups.items(), key=lambda item: -item[0][0])
    )


@gates.gate(path=gates.path())
def read_offset_table(path: str | Path) -> OffsetTable:
    """Read static offsets from CSV with a header.

    Parameters
    ----------
    path : path
        Columns ``station, lat, lon, E_mm, N_mm, U_mm, sE_mm, sN_mm, sU_mm`` in any order; without ``_mm`` the
        numbers are in m. Lines that begin with ``#`` are comments.
    """
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    if not rows:
        raise ValueError(f"{path}: no station in this table")
    unit = 1e-3 if "E_mm" in rows[0] else 1.0
    ending = "_mm" if unit == 1e-3 else ""
    offset = _columns(path, rows, [f"{c}{ending}" for c in COMPONENTS])
    sigma = _columns(path, rows, [f"s{c}{ending}" for c in COMPONENTS])
    place = _columns(path, rows, ["lat", "lon"])
    names = np.array([row["station"] for row in rows])
    columns = (place[:, 0], place[:, 1], unit * offset, unit * sigma)
    return OffsetTable(names, *(np.asarray(column, np.float64) for column in columns))


def _columns(path: str | Path, rows: list[dict[str, str]], names: list[str]) -> Array:
    missing = [name for name in names if name not in rows[0]]
    if missing:
        raise ValueError(f"{path}: no column {missing[0]!r}; there are {', '.join(rows[0])}")
    try:
        return np.array([[float(row[name]) for name in names] for row in rows])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _rotated(stream: Any, inventory: Any) -> Any:
    odd = sorted({trace.id for trace in stream if trace.stats.channel[-1] in "12"})
    if not odd:
        return stream
    if inventory is None:
        raise ValueError(f"{odd[0]} points along an axis of its own; an inventory must say its azimuth")
    return stream.rotate("->ZNE", inventory=inventory)


def _by_component(stream: Any) -> dict[tuple[str, int], list[Any]]:
    """Traces of each station and component; several are pieces of one channel."""
    pieces: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for trace in stream:
        letter = trace.stats.channel[-1:]
        if letter not in _DIRECTIONS:
            raise ValueError(f"{trace.id}: channel {trace.stats.channel!r} is not one of E, N, Z")
        key = (f"{trace.stats.network}.{trace.stats.station}".lstrip("."), _DIRECTIONS[letter])
        pieces[key].append(trace)
    for (station, component), traces in pieces.items():
        ids = sorted({trace.id for trace in traces})
        if len(ids) > 1:
            raise ValueError(
                f"station {station} has two records of component {COMPONENTS[component]}: {', '.join(ids)}; "
                "keep one"
            )
    return pieces


def _response(inventory: Any, trace: Any, quantity: str) -> Response:
    """Poles and zeros of a channel, with its sensitivity at the frequency for which that is stated."""
    if inventory is None:
        raise ValueError(f"{trace.id}: no inventory to take the response from")
    try:
        response = inventory.get_response(trace.id, trace.stats.starttime)
        paz, stated = response.get_paz(), response.instrument_sensitivity
        unit, value, frequency = stated.input_units.upper(), float(stated.value), float(stated.frequency)
    except Exception as error:
        # ObsPy raises bare exceptions here, without the channel in some of them.
        raise ValueError(f"{trace.id}: the inventory has no poles, zeros and sensitivity ({error})") from None
    if _UNITS.get(unit) != quantity:
        raise ValueError(f"{trace.id}: the instrument answers to {unit}, which is not {quantity}")
    if paz.pz_transfer_function_type not in _ROOT_UNITS:
        raise ValueError(f"{trace.id}: no poles and zeros of the type {paz.pz_transfer_function_type}")
    scale = _ROOT_UNITS[paz.pz_transfer_function_type]
    zeros, poles = (tuple(scale * complex(root) for root in roots) for roots in (paz.zeros, paz.poles))
    size = float(np.abs(Response(zeros, poles).response(np.array([2 * np.pi * frequency + 0j])))[0])
    if size == 0:
        raise ValueError(f"{trace.id}: its sensitivity is stated at {frequency:g} Hz, where it has none")
    return Response(zeros, poles, value / size)


_UNITS = {"M": "displacement", "M/S": "velocity", "M/S**2": "acceleration"}
_ROOT_UNITS = {"LAPLACE (RADIANS/SECOND)": 1.0, "LAPLACE (HERTZ)": 2 * np.pi}


def _records(
    members: dict[str, dict[int, Any]],
    dt: float,
    response: Response,
    inventory: Any,
    reference: datetime,
    quantity: str,
) -> Records:
    """One table of records on the samples nearest to whole steps after the reference."""
    traces = [trace for parts in members.values() for pieces in parts.values() for trace in pieces]
    start = min(trace.stats.starttime.timestamp for trace in traces) - reference.timestamp()
    end = max(trace.stats.endtime.timestamp for trace in traces) - reference.timestamp()
    first, count = int(np.ceil(start / dt - 1e-6)), int(np.floor((end - start) / dt + 1e-6)) + 1
    t = dt * (first + np.arange(count))
    values = np.full((len(members), 3, count), np.nan)
    for i, parts in enumerate(members.values()):
        for component, pieces in parts.items():
            for trace in pieces:
                _place(values[i, component], t, trace, reference.timestamp())
    places = np.array([_coordinates(inventory, next(iter(parts.values()))[0]) for parts in members.values()])
    return Records(
        np.array(list(members)), places[:, 0], places[:, 1], t, values, reference, quantity, response
    )


def _place(row: Array, t: Array, trace: Any, reference: float) -> None:
    """Put the samples of a piece where they belong; between samples by a band-limited shift."""
    data: Array = np.ma.filled(np.ma.asarray(trace.data, float), np.nan)
    dt = t[1] - t[0]
    start = trace.stats.starttime.timestamp - reference
    index = int(np.ceil((start - t[0]) / dt - 1e-3))
    lag = (t[0] + index * dt - start) / dt
    if lag > 1e-3:
        data = _advanced(data, lag, trace.id)
    low, high = max(index, 0), min(index + len(data), len(row))
    row[low:high] = data[low - index : high - index]


def _advanced(data: Array, lag: float, name: str) -> Array:
    """Samples `lag` (0 to 1) sampling intervals later, by a windowed sinc of 32 points."""
    if not np.isfinite(data).all():
        raise ValueError(
            f"{name}: samples lie between those of the other records, and there are gaps; split it"
        )
    offset = np.arange(-16, 17) - lag
    weights = np.sinc(offset) * np.cos(np.pi * offset / 34) ** 2
    padded = np.pad(data, 16, mode="edge")
    return np.asarray(np.convolve(padded, weights[::-1] / weights.sum(), mode="valid"))[:-1]


def _coordinates(inventory: Any, trace: Any) -> tuple[float, float]:
    if inventory is not None:
        try:
            found = inventory.get_coordinates(trace.id, trace.stats.starttime)
        except Exception as error:
            raise ValueError(f"{trace.id}: the inventory does not know this channel ({error})") from None
        return found["latitude"], found["longitude"]
    sac = getattr(trace.stats, "sac", {})
    if "stla" not in sac or "stlo" not in sac:
        raise ValueError(f"{trace.id}: neither an inventory nor a SAC header says where this station is")
    return float(sac["stla"]), float(sac["stlo"])
