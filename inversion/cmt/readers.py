"""Records from files: ObsPy streams, MiniSEED and SAC folders, archives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dislok import foreign
from dislok import gate as gates
from dislok.foreign import Object
from dislok.inversion.gnss import OffsetTable, read_offsets

from . import sacpz
from .filters import Array
from .findings import Findings, Options
from .instruments import component_rows, one_instrument
from .orientation import parallel
from .records import QUANTITIES, Records, Response, read_archive
from .sampling import alike, axis, converted, laid_out, nominal, same_rate, same_response
from .traces import Channel, channels, outside

ORIENTATIONS = ("metadata", "names")
_TABLES = (".xml", ".dataless", ".resp")
_TIMES = gates.optional(
    gates.instance(datetime, int, float, what="a datetime, or seconds after the reference")
)

_KINDS = {
    "reference": gates.instance(datetime),
    "quantity": gates.optional(gates.choice(*QUANTITIES)),
    "responses": gates.flag(),
    "unit": gates.optional(gates.text()),
    "channels": gates.optional(gates.anything()),
    "locations": gates.optional(gates.anything()),
    "orientation": gates.choice(*ORIENTATIONS),
    "starttime": _TIMES,
    "endtime": _TIMES,
    "strict": gates.flag(),
}


@gates.gate(path=gates.path(), inventory=gates.optional(gates.path()), **_KINDS)
def read(
    path: str | Path,
    reference: datetime,
    *,
    quantity: str | None = None,
    inventory: str | Path | None = None,
    responses: bool = False,
    unit: str | None = None,
    channels: str | Sequence[str] | None = None,
    locations: str | Sequence[str] | None = None,
    orientation: str = "metadata",
    starttime: datetime | float | None = None,
    endtime: datetime | float | None = None,
    strict: bool = False,
) -> tuple[Records, ...]:
    """Read records, from a file or a folder.

    A NumPy archive (see `read_archive`), or MiniSEED, SAC and their like.

    Parameters
    ----------
    path : path
        Files of a folder that cannot be read are left out, and named in `Records.left_out`. A folder that has
        folders only is read with all of them.
    reference : datetime
        UTC time of t = 0; an archive has its own.
    quantity, responses, unit, channels, locations, orientation, starttime, endtime, strict
        As of `from_obspy`.
    inventory : path, optional
        A file or a folder of StationXML, dataless SEED, RESP or SAC's poles and zeros with places,
        orientations and responses; those in the folder of the records by default.

    Returns
    -------
    tuple of Records
        One for each sampling rate, quantity and kind of response.
    """
    source = Path(path)
    if source.suffix == ".npz":
        if quantity not in (None, "displacement") or responses:
            raise ValueError(f"{source}: an archive holds displacement in m, not {quantity} or counts")
        archive = read_archive(source)
        span = (_seconds(starttime, archive.reference), _seconds(endtime, archive.reference))
        return (_within(archive, *span),)
    obspy = foreign.installed("obspy", "seismic formats need ObsPy", "seis")
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    findings = Findings(strict)
    files = _files(source)
    waves = [f for f in files if not _is_table(f)]
    if not waves:
        raise ValueError(f"{source}: no waveforms in this folder")
    stations = _stations(files, inventory, obspy, findings)
    options = _options(
        reference, quantity, responses, unit, channels, locations, orientation, starttime, endtime
    )
    stream = obspy.Stream()
    for file in waves:
        stream.extend(_traces(file, options, findings))
    return _collected(stream, stations, options, reference, findings)


@gates.gate(**_KINDS)
def from_obspy(
    stream: Object,
    inventory: Object,
    reference: datetime,
    *,
    quantity: str | None = None,
    responses: bool = False,
    unit: str | None = None,
    channels: str | Sequence[str] | None = None,
    locations: str | Sequence[str] | None = None,
    orientation: str = "metadata",
    starttime: datetime | float | None = None,
    endtime: datetime | float | None = None,
    strict: bool = False,
) -> tuple[Records, ...]:
    """Records of an ObsPy stream.

    Parameters
    ----------
    stream : obspy.Stream
        Channels of any names and directions; gaps stay gaps.
    inventory : obspy.Inventory or None
        Places and directions of the channels; headers of SAC and K-NET files serve for what it does not know.
        Codes are compared without blanks, and without locations where that leaves one channel.
    reference : datetime
        UTC time of t = 0.
    quantity : {"displacement", "velocity", "acceleration"}, optional
        What the samples are, displacement by default. Where `unit` or `responses` tell, what they must be.
    responses : bool
        Whether samples are an instrument's counts, to be modelled with the inventory's poles and zeros.
    unit : str, optional
        Unit of the samples, "nm/s" say; SI by default. Whole numbers are refused without a unit, because they
        are a digitiser's; ``"counts"`` takes them as they are.
    channels, locations : str or sequence of str, optional
        Channel codes, with ``*`` and ``?``, and location codes to use ("" or "--" for an empty one). Of
        several instruments of a station the one with the most components, samples, and the first name is
        used.
    orientation : {"metadata", "names"}
        Whether the inventory and headers say where channels point, or only their names.
    starttime, endtime : datetime or float, optional
        What is kept, as times or in seconds after the reference; a day before and after it by default.
    strict : bool
        Raise a `ValueError` for what would be left out.

    Returns
    -------
    tuple of Records
        One for each sampling rate, quantity and kind of response, since these are computed separately; the
        largest first. What was left out, and what is strange, stands in the first one.

    Raises
    ------
    ValueError
        If nothing is left, or, if `strict`, something is left out; the message names it.

    Notes
    -----
    The sensitivity of each channel is divided out, responses of one station that differ are brought to one,
    and then east, north and up follow from the channels' azimuths and dips: oblique axes, reversed ones, and
    such as are not at right angles to each other included.
    """
    if not len(stream):
        raise ValueError("stream: no traces")
    options = _options(
        reference, quantity, responses, unit, channels, locations, orientation, starttime, endtime
    )
    return _collected(stream, inventory, options, reference, Findings(strict))


@gates.gate(path=gates.path())
def read_offset_table(path: str | Path) -> OffsetTable:
    """Read static offsets; the same as `dislok.inversion.gnss.read_offsets`."""
    return read_offsets(path)


def _files(source: Path) -> list[Path]:
    """The file, or the files of a folder; those of its folders where it has none with waveforms itself."""
    if not source.is_dir():
        return [source]
    found = [f for f in sorted(source.iterdir()) if f.is_file() and not f.name.startswith(".")]
    if any(not _is_table(file) for file in found):
        return found
    return [f for f in sorted(source.rglob("*")) if f.is_file() and not f.name.startswith(".")]


def _is_table(file: Path) -> bool:
    name = file.name.upper()
    return file.suffix.lower() in _TABLES or name.startswith("RESP.") or sacpz.is_sacpz(file)


def _stations(files: Sequence[Path], given: str | Path | None, obspy: Object, findings: Findings) -> Object:
    """The inventory of all files with metadata, or None where there are none."""
    where = None if given is None else Path(given)
    if where is not None:
        files = sorted(where.iterdir()) if where.is_dir() else [where]
    tables = [f for f in files if _is_table(f) or (where is not None and f == where)]
    stations = obspy.Inventory() if tables else None
    for table in tables:
        try:
            stations += sacpz.inventory(table) if sacpz.is_sacpz(table) else foreign.inventory(table)
        except ValueError as error:
            if where is not None:
                raise
            findings.leave_out(table.name, str(error).removeprefix(f"{table}: "))
    return stations


def _options(
    reference: datetime, quantity: str | None, responses: bool, unit: str | None,
    channels: str | Sequence[str] | None, locations: str | Sequence[str] | None, orientation: str,
    starttime: datetime | float | None, endtime: datetime | float | None,
) -> Options:  # fmt: skip
    start, end = _seconds(starttime, reference), _seconds(endtime, reference)
    if start is not None and end is not None and not start < end:
        raise ValueError(f"endtime must lie after starttime, got {start:g} and {end:g} s after the reference")
    return Options(
        _timestamp(reference), start, end, quantity, responses, unit,
        _words("channels", channels), _words("locations", locations), orientation,
    )  # fmt: skip


def _words(name: str, value: str | Sequence[str] | None) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str) else () if value is None else value
    if not isinstance(words, (tuple, list)) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{name} must be text or several texts, got {value!r:.60}")
    return tuple(words)


def _seconds(value: datetime | float | None, reference: datetime) -> float | None:
    return _timestamp(value) - _timestamp(reference) if isinstance(value, datetime) else value


def _timestamp(time: datetime) -> float:
    """Seconds after 1970; times without a zone are UTC."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _within(records: Records, start: float | None, end: float | None) -> Records:
    low, high = -np.inf if start is None else start, np.inf if end is None else end
    inside = (records.t >= low - 1e-6) & (records.t <= high + 1e-6)
    if inside.sum() < 3:
        raise ValueError(
            f"no samples between {low:g} and {high:g} s; they go from {records.t[0]:g} to {records.t[-1]:g} s"
        )
    return (
        records if inside.all() else replace(records, t=records.t[inside], values=records.values[..., inside])
    )


def _traces(file: Path, options: Options, findings: Findings) -> list[Object]:
    """The traces of a file, cut to what is asked for, so that the rest of a long file can be forgotten."""
    from obspy import UTCDateTime

    start, end = (UTCDateTime(options.reference + side) for side in options.window)
    try:
        stream = foreign.waveforms(file, starttime=start, endtime=end)
    except ValueError as error:
        findings.leave_out(file.name, str(error).removeprefix(f"{file}: "))
        return []
    lengths = [trace.stats.mseed.record_length for trace in stream if "mseed" in trace.stats]
    if lengths and (cut := file.stat().st_size % min(lengths)):
        findings.note(file.name, f"damaged: its last {cut} bytes are no whole record")
    kept = []
    for trace in stream:
        if trace.stats.endtime < start or trace.stats.starttime > end:
            trace.data = trace.data[:0]
        elif trace.stats.sampling_rate > 0:
            trace.trim(start, end)
            trace.data = trace.data.copy()
        trace.file = file.name
        kept.append(trace)
    if not kept:
        others = foreign.waveforms(file, headonly=True)
        for trace in others:
            begins = trace.stats.starttime.timestamp - options.reference
            findings.leave_out(trace.id, outside(options.window, begins))
        if not others:
            findings.leave_out(file.name, "it holds no samples; its records are cut off or empty")
    return kept


def _collected(
    stream: Object, inventory: Object, options: Options, reference: datetime, findings: Findings
) -> tuple[Records, ...]:
    by_station: dict[str, list[Channel]] = defaultdict(list)
    for channel in channels(stream, inventory, options, findings):
        by_station[channel.code.name].append(channel)
    groups: list[list[tuple[str, list[Channel]]]] = []
    for name, members in by_station.items():
        kept = one_instrument(members, findings)
        for group in groups:
            if _belongs(kept[0], group[0][1][0]):
                group.append((name, kept))
                break
        else:
            groups.append([(name, kept)])
    tables = [table for group in groups if (table := _records(group, reference, findings)) is not None]
    if not tables:
        if not by_station and not findings.left_out:
            codes = ", ".join(sorted({trace.id for trace in stream})[:10])
            raise ValueError(f"none of the channels and locations asked for is among {codes}")
        raise findings.nothing("no records are left")
    tables.sort(key=lambda table: (-len(table), table.dt))
    tables[0] = replace(tables[0], left_out=tuple(findings.left_out), notes=tuple(findings.notes))
    return tuple(tables)


def _belongs(channel: Channel, other: Channel) -> bool:
    """Whether two stations' records go into one table."""
    kind = same_rate(channel.dt, other.dt) and channel.quantity == other.quantity
    if not kind:
        return False
    pair = (channel.response, other.response, other.dt)
    return channel.response == other.response or same_response(*pair) or alike(*pair)


def _records(
    group: list[tuple[str, list[Channel]]], reference: datetime, findings: Findings
) -> Records | None:
    """One table of records on whole steps after the reference."""
    every = [channel for _, members in group for channel in members]
    dt, response = nominal([channel.dt for channel in every]), every[0].response
    t = axis([piece for channel in every for piece in channel.pieces], dt)
    if len(t) < 3:
        for channel in every:
            findings.leave_out(channel.code, f"{len(t)} samples in the window")
        return None
    names, places, values = [], [], []
    for name, members in group:
        rows, used = _rows(members, t, dt, response, findings)
        if not used:
            continue
        enu, known = component_rows(used, rows)
        lost = _unresolved(used, known)
        if lost:
            codes = ", ".join(str(channel.code) for channel in lost)
            findings.leave_out(codes, _why(lost))
        if known:
            names.append(name)
            places.append(used[0].place)
            values.append(enu)
    if not names:
        return None
    at = np.array(places, float)
    return Records(
        np.array(names), at[:, 0], at[:, 1], t, np.array(values), reference, every[0].quantity, response
    )


def _rows(
    members: list[Channel], t: Array, dt: float, response: Response, findings: Findings
) -> tuple[Array, list[Channel]]:
    """Samples (k, n) of a station's channels as one kind of instrument has them."""
    rows, used = [], []
    for channel in members:
        try:
            if not (same_response(channel.response, response, dt) or alike(channel.response, response, dt)):
                raise ValueError("its response is another than that of the station's other channels")
            rows.append(converted(laid_out(channel.pieces, t), channel.response, response, dt))
            used.append(channel)
        except ValueError as error:
            findings.leave_out(channel.code, error)
    twins = parallel([channel.direction for channel in used]) if used else []
    for channel, twin in zip(used, twins, strict=True):
        if twin:
            findings.leave_out(channel.code, f"{_why([channel])}, which another channel has, too")
    kept = [i for i, twin in enumerate(twins) if not twin]
    return np.array([rows[i] for i in kept]), [used[i] for i in kept]


def _unresolved(members: list[Channel], known: list[int]) -> list[Channel]:
    """Channels that no component could be made of."""
    matrix = np.array([channel.direction.vector for channel in members])
    return [
        channel
        for channel, vector in zip(members, matrix, strict=True)
        if np.linalg.norm(np.delete(vector, known)) > 0.5
    ]


def _why(lost: Sequence[Channel]) -> str:
    angles = "; ".join(f"{c.direction.azimuth:g}°, {c.direction.dip:g}°" for c in lost)
    return f"east, north and up do not follow from azimuth and dip of {angles}"
