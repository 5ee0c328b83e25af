"""Poles and zeros as SAC has them: `SAC_PZs_...`, `.pz` and `.sacpz` files, as an ObsPy inventory.

Such a file turns displacement into counts. Zeros at the origin are taken to mean a velocity (three or one of
them) or an acceleration (two), which is the same instrument in the words of StationXML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dislok import foreign
from dislok.foreign import Object

from . import units
from .metadata import Code

ENDINGS = (".pz", ".sacpz", ".paz")
"""Endings of such files."""

_NAMES = ("SAC_PZ", "SACPZ")
_FREQUENCY = 1.0
_AT_ORIGIN = 1e-9
# Zeros at the origin of a displacement response, and how many of them make it one of the motion recorded.
_ORDERS = {0: 0, 1: 1, 2: 2, 3: 1}
_MOTION = ("M", "M/S", "M/S**2")
# The same of files whose unit is a velocity's or an acceleration's: some mean displacement all the same.
_AS_DISPLACEMENT = {1: (1, 3), 2: (2,)}
_AS_THEMSELVES = {1: (0, 2), 2: (0,)}
_DATE = re.compile(
    r"(\d{4})[/,.-](\d{1,3})(?:[/-](\d{1,2}))?(?:[T ,.](\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?)?Z?"
)


class Block(NamedTuple):
    """One channel's response: what its comments say, by their names, and roots in rad/s."""

    comments: dict[str, str]
    zeros: tuple[complex, ...]
    poles: tuple[complex, ...]
    constant: float


def is_sacpz(file: Path) -> bool:
    """Whether a file is one of poles and zeros, by its name."""
    return file.suffix.lower() in ENDINGS or file.name.upper().startswith(_NAMES)


def inventory(path: str | Path) -> Object:
    """An ObsPy inventory of a file of poles and zeros, which may hold several channels and epochs.

    Raises
    ------
    ValueError
        If the file is malformed, or says neither in its comments nor by its name whose response it is; the
        message names file and line.
    """
    from obspy.core import inventory as make

    file = Path(path)
    networks: dict[str, Object] = {}
    for block in blocks(file):
        code = _code(file, block)
        network = networks.setdefault(code.network, make.Network(code.network))
        at = {"latitude": 0.0, "longitude": 0.0, "elevation": 0.0}
        for name in ("latitude", "longitude"):
            if block.comments.get(name):
                at[name] = _float(block.comments[name], f"{file}: {name}")
                if not abs(at[name]) <= (90 if name == "latitude" else 360):
                    raise ValueError(f"{file}: {name} of {code} is {at[name]:g}")
        azimuth, dip = _pointing(file, block, code)
        channel = make.Channel(
            code.channel, code.location, depth=0.0, azimuth=azimuth, dip=dip, response=_response(file, block),
            start_date=_date(file, block, "start"), end_date=_date(file, block, "end"), **at,
        )  # fmt: skip
        network.stations.append(make.Station(code.station, channels=[channel], **at))
    return make.Inventory(list(networks.values()), source=file.name)


def blocks(file: Path) -> list[Block]:
    """All responses of a file."""
    found = list(_parsed(file, foreign.text_lines(file)))
    if not found:
        raise ValueError(f"{file}: neither poles nor zeros in this file")
    return found


def _parsed(file: Path, lines: Sequence[str]) -> Iterator[Block]:
    comments: dict[str, str] = {}
    roots: dict[str, list[complex]] = {}
    count: dict[str, int] = {}
    constant, reading = 1.0, ""
    for number, line in enumerate(lines, start=1):
        where, words = f"{file}, line {number}", line.split()
        if not words:
            continue
        key = words[0].upper()
        if words[0].startswith("*"):
            if roots:
                yield _block(file, comments, roots, count, constant)
                comments, roots, count, constant, reading = {}, {}, {}, 1.0, ""
            comments |= _comment(line)
        elif key in ("ZEROS", "POLES"):
            if key in roots:
                yield _block(file, comments, roots, count, constant)
                comments, roots, count, constant = {}, {}, {}, 1.0
            reading, roots[key] = key, []
            count[key] = int(_float(words[1] if len(words) > 1 else "", where))
        elif key == "CONSTANT":
            constant, reading = _float(words[1] if len(words) > 1 else "", where), ""
        elif reading and len(words) >= 2:
            roots[reading].append(complex(_float(words[0], where), _float(words[1], where)))
        else:
            raise ValueError(f"{where}: expected ZEROS, POLES, CONSTANT or a root, got {line.strip()!r:.60}")
    if roots:
        yield _block(file, comments, roots, count, constant)


def _block(
    file: Path, comments: dict[str, str], roots: dict[str, list[complex]], count: dict[str, int],
    constant: float,
) -> Block:  # fmt: skip
    """A response whose roots that are not written out lie at the origin, as SAC has it."""
    full: dict[str, tuple[complex, ...]] = {}
    for key in ("ZEROS", "POLES"):
        own = roots.get(key, [])
        missing = count.get(key, 0) - len(own)
        if missing < 0:
            raise ValueError(f"{file}: {key} {count[key]} is followed by {len(own)} roots")
        full[key] = (*own, *[0j] * missing)
    if not np.isfinite(constant) or constant == 0:
        raise ValueError(f"{file}: CONSTANT must be a number other than zero, got {constant:g}")
    unstable = [pole for pole in full["POLES"] if pole.real >= 0]
    if unstable:
        raise ValueError(f"{file}: a pole at {unstable[0]:g} does not decay")
    return Block(comments, full["ZEROS"], full["POLES"], constant)


def _comment(line: str) -> dict[str, str]:
    """The name and value of a comment: `* STATION   (KSTNM): COLA`."""
    head, colon, value = line.lstrip("* \t").partition(":")
    name = re.sub(r"\(.*?\)", "", head).strip().lower()
    return {name.replace("component", "channel"): value.strip()} if colon and name else {}


def _code(file: Path, block: Block) -> Code:
    names = [block.comments.get(name) for name in ("network", "station", "location", "channel")]
    if not names[1] or not names[3]:
        # SAC_PZs_NETWORK_STATION_CHANNEL_LOCATION_START_END, as data centres call them.
        found = re.match(r"SAC_?PZs?_([^_]*)_([^_]+)_([^_]+)(?:_([^_]*))?", file.name, re.IGNORECASE)
        if found is None:
            raise ValueError(
                f"{file}: says neither in its comments nor by its name whose response it is; call it "
                "SAC_PZs_NETWORK_STATION_CHANNEL_LOCATION"
            )
        names = [found[1], found[2], found[4], found[3]]
    return Code.of(*names)


def _pointing(file: Path, block: Block, code: Code) -> tuple[float | None, float | None]:
    """Azimuth, and dip downwards from the horizontal; None where it may be either of two conventions.

    Some programs write the dip as SEED has it, others SAC's angle from the vertical: 0 is a horizontal of the
    former and a vertical of the latter, which the channel's letter tells.
    """
    azimuth, dip = (_optional(block, name, file) for name in ("azimuth", "dip"))
    if azimuth is not None and not -360 <= azimuth <= 360:
        raise ValueError(f"{file}: azimuth of {code} must be within 360 degrees, got {azimuth:g}")
    azimuth = None if azimuth is None else azimuth % 360
    if dip is None or not -90 <= dip <= 180:
        return azimuth, None
    vertical = code.channel[-1:] in ("Z", "U")
    level = code.channel[-1:] in ("E", "N", "1", "2", "R", "T")
    if dip < 0 or (dip == 0 and level) or (dip == 90 and vertical):
        return azimuth, dip
    if dip > 90 or (dip == 0 and vertical) or (dip == 90 and level):
        return azimuth, dip - 90
    return azimuth, None


def _optional(block: Block, name: str, file: Path) -> float | None:
    text = block.comments.get(name)
    return _float(text, f"{file}: {name}") if text else None


def _response(file: Path, block: Block) -> Object:
    from obspy.core.inventory import Response

    origin = [zero for zero in block.zeros if abs(zero) < _AT_ORIGIN]
    others = [zero for zero in block.zeros if abs(zero) >= _AT_ORIGIN]
    order, taken, factor = _motion(file, block, len(origin))
    zeros = [0j] * (len(origin) - taken) + others
    omega = 2j * np.pi * _FREQUENCY
    size = abs(
        np.prod([omega - zero for zero in zeros]) / np.prod([omega - pole for pole in block.poles] or [1.0])
    )
    if not 1e-30 < abs(block.constant) * size < 1e30:
        raise ValueError(f"{file}: its response at {_FREQUENCY:g} Hz is {block.constant * size:g}")
    found = Response.from_paz(
        zeros, list(block.poles), 1.0, _FREQUENCY, _MOTION[order], "COUNTS",
        _FREQUENCY, normalization_factor=1 / size,
    )  # fmt: skip
    # ObsPy would make the sensitivity positive; a reversed polarity must stay one.
    found.instrument_sensitivity.value = block.constant * float(size) / factor
    return found


def _motion(file: Path, block: Block, origin: int) -> tuple[int, int, float]:
    """Order of the motion that was recorded, how many zeros at the origin stand for it, the unit's factor."""
    stated = _stated(block)
    if stated is None or stated[0] == 0:
        order = _ORDERS.get(origin, 1)
        return order, order, 1.0 if stated is None else stated[1]
    order, factor = stated
    if origin in _AS_THEMSELVES[order]:
        return order, 0, factor
    if origin in _AS_DISPLACEMENT[order]:
        return order, order, factor
    raise ValueError(
        f"{file}: its input unit is {block.comments['input unit']!r}, and {origin} zeros at the origin fit "
        "neither that nor displacement"
    )


def _stated(block: Block) -> tuple[int, float] | None:
    """Order (0 displacement, 1 velocity, 2 acceleration) and size in SI of the input unit."""
    text = block.comments.get("input unit")
    if not text:
        return None
    unit = units.parse(text)
    return ("displacement", "velocity", "acceleration").index(unit.quantity), unit.factor


def _date(file: Path, block: Block, name: str) -> Object:
    """A time of 2009/07/09 00:00:00, 2009,190,00:00:00 or ISO 8601; None where none is said."""
    from obspy import UTCDateTime

    text = block.comments.get(name, "")
    if not text:
        return None
    found = _DATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{file}: {name} is no time: {text!r}")
    year, second, day, *clock = found.groups()
    hour, minute, seconds = (float(part or 0) for part in clock)
    try:
        if day is None:
            midnight = UTCDateTime(year=int(year), julday=int(second))
        else:
            midnight = UTCDateTime(int(year), int(second), int(day))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {name} is no time: {text!r} ({error})") from None
    return midnight + 3600 * hour + 60 * minute + seconds


def _float(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{where}: expected a number, got {text!r}") from None
    if not np.isfinite(value):
        raise ValueError(f"{where}: expected a finite number, got {text!r}")
    return value
