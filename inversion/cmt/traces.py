"""Channels of a stream with what is known of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from dislok.foreign import Object

from . import orientation, units
from .findings import Findings, Options
from .metadata import Code, Entry, Header, Inventory, direction, header, instrument
from .orientation import Direction
from .records import Response
from .sampling import Piece, nominal, same_rate


@dataclass(frozen=True)
class Channel:
    """One channel: its samples in m, m/s or m/s² times the shape of its response."""

    code: Code
    pieces: tuple[Piece, ...]
    dt: float
    place: tuple[float, float]
    direction: Direction
    quantity: str
    response: Response

    @property
    def instrument(self) -> tuple[str, str]:
        """What it shares with the other channels of its instrument."""
        return self.code.location, orientation.instrument_of(self.code.channel)

    @property
    def samples(self) -> int:
        """Number of samples that are there."""
        return sum(int(np.isfinite(piece.samples).sum()) for piece in self.pieces)


def channels(
    stream: Iterable[Object], inventory: Object, options: Options, findings: Findings
) -> list[Channel]:
    """All channels of an ObsPy stream that can be used."""
    traces = _by_code(stream, options, findings)
    names = defaultdict(list)
    for code in traces:
        names[code.name, code.location, orientation.instrument_of(code.channel)].append(code.channel)
    known, found = Inventory(inventory), []
    for code, parts in traces.items():
        siblings = names[code.name, code.location, orientation.instrument_of(code.channel)]
        try:
            found.append(_channel(code, parts, siblings, known, options, findings))
        except ValueError as error:
            findings.leave_out(code, error)
    return found


def _by_code(stream: Iterable[Object], options: Options, findings: Findings) -> dict[Code, list[Object]]:
    traces: dict[Code, list[Object]] = {}
    for trace in stream:
        stats = trace.stats
        code = Code.of(stats.network, stats.station, stats.location, stats.channel)
        if not _chosen(code, options):
            continue
        if not code.station:
            findings.leave_out(_where(trace, code), "it does not say its station")
        elif not code.channel and _unnamed(trace) is None:
            findings.leave_out(_where(trace, code), "it says neither its channel nor its direction")
        else:
            named = code if code.channel else code._replace(channel=_unnamed(trace) or "")
            traces.setdefault(named, []).append(trace)
    return traces


def _chosen(code: Code, options: Options) -> bool:
    channel = not options.channels or any(fnmatchcase(code.channel, p.upper()) for p in options.channels)
    if not options.locations:
        return channel
    return channel and code.location in {Code.of("", "", word, "").location for word in options.locations}


def _where(trace: Object, code: Code) -> str:
    return getattr(trace, "file", "") or str(code)


def _unnamed(trace: Object) -> str | None:
    """A name for a channel that has none, from the direction in its header."""
    says = header(trace)
    pointing = direction(says.azimuth, says.dip, None)
    if pointing is None:
        return None
    return f"{orientation.NAMELESS}{pointing.azimuth:g}/{pointing.dip:g}"


def _channel(
    code: Code, traces: list[Object], siblings: Sequence[str], known: Inventory, options: Options,
    findings: Findings,
) -> Channel:  # fmt: skip
    pieces = _pieces(code, traces, options, findings)
    says = header(traces[0])
    entry = _entry(code, known, options.reference + _moment(pieces), says, findings)
    quantity, gain, response = _meaning(code, traces[0], entry, says, options, findings)
    scaled = tuple(piece._replace(samples=piece.samples / gain) for piece in pieces)
    return Channel(
        code, scaled, nominal([piece.dt for piece in pieces]), _place(code, entry, says, findings),
        _pointing(code, siblings, entry, says, options, findings), quantity, response,
    )  # fmt: skip


def _pieces(code: Code, traces: list[Object], options: Options, findings: Findings) -> tuple[Piece, ...]:
    """Samples in the window, of the one sampling rate that covers most of it."""
    start, end = options.window
    rates: list[list[Piece]] = []
    far = 0.0
    for trace in traces:
        piece = _cut(_piece(trace, options.reference), start, end)
        if not len(piece.samples):
            far = trace.stats.starttime.timestamp - options.reference
            continue
        for same in rates:
            if same_rate(same[0].dt, piece.dt):
                same.append(piece)
                break
        else:
            rates.append([piece])
    if not rates:
        raise ValueError(outside(options.window, far))
    rates.sort(key=lambda same: -sum(piece.dt * len(piece.samples) for piece in same))
    for other in rates[1:]:
        spans = f"{other[0].start:g} to {other[-1].end:g} s"
        findings.leave_out(
            f"{code} at {1 / other[0].dt:g} Hz, {spans}", f"most of it has {1 / rates[0][0].dt:g} Hz"
        )
    return tuple(rates[0])


def outside(window: tuple[float, float], begins: float) -> str:
    """What is wrong with a trace that begins so many seconds after the reference."""
    start, end = window
    return f"no samples between {start:g} and {end:g} s; it begins {_span(begins)} the reference"


def _span(seconds: float) -> str:
    size, side = abs(seconds), "after" if seconds > 0 else "before"
    for unit, length in (("years", 3.156e7), ("days", 86400.0)):
        if size > 2 * length:
            return f"{size / length:.0f} {unit} {side}"
    return f"{size:g} s {side}"


def _piece(trace: Object, reference: float) -> Piece:
    stats = trace.stats
    if not stats.sampling_rate > 0:
        raise ValueError(f"its sampling rate is {stats.sampling_rate:g} Hz")
    return Piece(stats.starttime.timestamp - reference, 1 / float(stats.sampling_rate), trace.data)


def _cut(piece: Piece, start: float, end: float) -> Piece:
    """The samples from `start` to `end`, as numbers of their own: the whole trace can be forgotten."""
    low = max(int(np.ceil((start - piece.start) / piece.dt - 1e-3)), 0)
    high = min(int(np.floor((end - piece.start) / piece.dt + 1e-3)) + 1, len(piece.samples))
    part = piece.samples[low : max(high, low)]
    values = np.array(np.ma.filled(np.ma.asarray(part, float), np.nan), float)
    values[~np.isfinite(values)] = np.nan
    return Piece(piece.start + low * piece.dt, piece.dt, values)


def _moment(pieces: Sequence[Piece]) -> float:
    """The time nearest to the reference that the pieces hold."""
    start, end = min(p.start for p in pieces), max(p.end for p in pieces)
    return float(np.clip(0.0, start, end))


def _entry(code: Code, known: Inventory, time: float, says: Header, findings: Findings) -> Entry | None:
    try:
        return known.find(code, time)
    except ValueError as error:
        if says.latitude is None or says.longitude is None:
            raise
        findings.note(code, f"{error}; the header of its file was used")
        return None


def _place(code: Code, entry: Entry | None, says: Header, findings: Findings) -> tuple[float, float]:
    place = _said_place(code, entry, says, findings)
    if not (abs(place[0]) <= 90 and abs(place[1]) <= 360):
        raise ValueError(
            f"its metadata do not say where it is: latitude {place[0]:g}, longitude {place[1]:g}"
        )
    return place


def _said_place(code: Code, entry: Entry | None, says: Header, findings: Findings) -> tuple[float, float]:
    own = (says.latitude, says.longitude)
    if entry is None:
        if own[0] is None or own[1] is None:
            raise ValueError("neither an inventory nor its header says where this station is")
        return own[0], own[1]
    place = (entry.latitude, entry.longitude)
    if not np.isfinite(place).all():
        return (own[0], own[1]) if own[0] is not None and own[1] is not None else place
    if own[0] is not None and own[1] is not None:
        apart = 111.2 * np.hypot(own[0] - place[0], (own[1] - place[1]) * np.cos(np.deg2rad(place[0])))
        if apart > 1.0:
            findings.note(
                code, f"the header of its file lies {apart:.0f} km from the inventory, which was used"
            )
    return place


def _meaning(
    code: Code, trace: Object, entry: Entry | None, says: Header, options: Options, findings: Findings
) -> tuple[str, float, Response]:
    """Quantity, numbers per SI unit, and response of a channel's samples."""
    if options.responses:
        if entry is None or entry.response is None:
            raise ValueError("no inventory to take the response from")
        found = instrument(entry.response)
        if options.quantity and found.quantity != options.quantity:
            unit = entry.response.instrument_sensitivity.input_units
            raise ValueError(f"the instrument answers to {unit}, which is not {options.quantity}")
        if not found.response.poles:
            findings.note(code, "its response has neither poles nor zeros; taken as the same at all periods")
        return found.quantity, found.gain, found.response
    calibration = float(trace.stats.get("calib", 1.0))
    if "knet" in trace.stats:
        return _same("acceleration", options.quantity), 1 / calibration, Response()
    if options.unit is None:
        if np.asarray(trace.data).dtype.kind in "iu":
            raise ValueError(
                "its samples are whole numbers, as of a digitiser; take the responses from an inventory, or "
                "say the unit"
            )
        if says.quantity is None:
            return options.quantity or "displacement", 1.0, Response()
        findings.note(code, f"its header says {says.quantity}, in nm by SAC's rule; taken in SI units")
        return _same(says.quantity, options.quantity), 1.0, Response()
    if options.unit.lower() in units.COUNTS:
        return options.quantity or "displacement", 1.0, Response()
    unit = units.parse(options.unit)
    return _same(unit.quantity, options.quantity), 1 / unit.factor, Response()


def _same(found: str, wanted: str | None) -> str:
    if wanted and found != wanted:
        raise ValueError(f"it holds {found}, not {wanted}")
    return found


def _pointing(
    code: Code, siblings: Sequence[str], entry: Entry | None, says: Header, options: Options,
    findings: Findings,
) -> Direction:  # fmt: skip
    """The direction of a channel: what the inventory says, or the header, or the name; in this order."""
    named = orientation.by_name(code.channel, siblings)
    if options.orientation == "metadata":
        sources: list[tuple[str, Callable[[], Direction | None]]] = []
        if entry is not None:
            sources.append(("inventory", lambda: direction(entry.azimuth, entry.dip, named)))
        sources.append(("header", lambda: direction(says.azimuth, says.dip, named)))
        for source, said in sources:
            found = said()
            if found is not None:
                _report(code, named, found, source, findings)
                return found
    if named is None:
        raise ValueError(
            f"channel {code.channel!r} points along an axis of its own; an inventory or a header must say "
            "its azimuth and dip"
        )
    if options.orientation == "metadata" and (entry is not None or says.latitude is not None):
        findings.note(code, "its metadata do not say its direction; its name was believed")
    return named


def _report(code: Code, named: Direction | None, found: Direction, source: str, findings: Findings) -> None:
    angle = orientation.contradiction(named, found)
    if angle:
        findings.note(
            code,
            f"called {orientation.letter_of(code.channel)}, but the {source} says azimuth "
            f"{found.azimuth:g}°, dip {found.dip:g}° ({angle:.0f}° apart); the {source} was believed",
        )
