"""Daily positions of GNSS stations: files of NGL and of GAMIT and PBO, and the offsets in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok import gate as gates

from . import steps
from .offsets import Array, OffsetTable, text_lines

ENDINGS = (".tenv3", ".pos")
"""Endings of files with daily positions."""

_MJD = np.datetime64("1858-11-17T00:00:00", "s")
_DAY = 86400.0


class Series(NamedTuple):
    """Positions of a station.

    Attributes
    ----------
    station : name.
    latitude, longitude : degrees; NaN where the file does not say.
    time : (n,) datetime64 in seconds, UTC, increasing; noon of a daily position.
    enu : (n, 3) east, north, up in m from a place near the station.
    sigma : (n, 3) standard deviations in m, as the processing states them.
    """

    station: str
    latitude: float
    longitude: float
    time: NDArray[np.datetime64]
    enu: Array
    sigma: Array


@gates.gate(path=gates.path())
def read_series(path: str | Path) -> Series:
    """Read daily positions.

    ``.tenv3`` of the Nevada Geodetic Laboratory, or ``.pos`` of GAMIT/GLOBK, PBO and their like.

    Raises
    ------
    ValueError
        If the file is neither, or a line is malformed; the message names it.
    """
    file = Path(path)
    lines = text_lines(file)
    if any("reference position" in line.lower() for line in lines[:60]):
        return _sorted(_pos(file, lines))
    head = next((line for line in lines if line.strip()), "")
    if "reflon" in head or re.match(r"\S+ \d\d[A-Z]{3}\d\d \d{4}\.\d", head.strip()):
        return _sorted(_tenv3(file, lines))
    raise ValueError(f"{file}: neither .tenv3 nor .pos; it begins {head[:60]!r}")


@gates.gate(origin_time=gates.instance(datetime), before=gates.number(above=0), after=gates.number(above=0))
def offsets_of_series(
    series: Iterable[Series], origin_time: datetime, *, before: float = 1095.75, after: float = 1095.75,
    other_steps: Sequence[datetime] = (),
) -> OffsetTable:  # fmt: skip
    """Offsets at a time in series of many stations, beside trend, seasons and other steps.

    Parameters
    ----------
    series : iterable of Series
    origin_time : datetime
        UTC time of the earthquake; the position of its day is not used.
    before, after : float
        Days that are used on either side.
    other_steps : sequence of datetime
        Times of other earthquakes or new antennas within.

    Returns
    -------
    OffsetTable
        NaN where fewer than 30 positions lie on a side. Standard deviations come from the scatter about the
        fit, with noise that is correlated over years, see `dislok.inversion.steps`.
    """
    stations = list(series)
    if not stations:
        raise ValueError("series: no stations")
    found = [_offset(one, origin_time, before, after, other_steps) for one in stations]
    return OffsetTable(
        np.array([one.station for one in stations]),
        np.array([one.latitude for one in stations], float),
        np.array([one.longitude for one in stations], float),
        np.array([offset for offset, _ in found]),
        np.array([sigma for _, sigma in found]),
    )


@gates.gate(path=gates.path(), origin_time=gates.instance(datetime), strict=gates.flag())
def offsets_of_files(
    path: str | Path, origin_time: datetime, *, before: float = 1095.75, after: float = 1095.75,
    strict: bool = False,
) -> tuple[OffsetTable, tuple[str, ...]]:  # fmt: skip
    """Offsets at a time in a file or folder of daily positions, and what was left out, with the reason.

    Parameters
    ----------
    path : path
        Files that end in one of `ENDINGS`.
    origin_time, before, after
        As of `offsets_of_series`.
    strict : bool
        Raise a `ValueError` for what would be left out.
    """
    folder = Path(path)
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    files = [file for file in files if file.suffix.lower() in ENDINGS]
    if not files:
        raise ValueError(f"{folder}: no daily positions ({', '.join(ENDINGS)}) in this folder")
    tables, left_out = [], []
    for file in files:
        try:
            table = offsets_of_series([read_series(file)], origin_time, before=before, after=after)
            if not np.isfinite(table.offset).any():
                raise ValueError(
                    f"station {table.station[0]}: too few positions on a side of the origin time"
                )
            tables.append(table)
        except ValueError as error:
            if strict:
                raise
            left_out.append(f"{file.name}: {str(error).removeprefix(f'{file}: ')}")
    if not tables:
        raise ValueError(f"{folder}: no offsets are left: {'; '.join(left_out[:5])}")
    columns = [np.concatenate(column) for column in zip(*tables, strict=True)]
    return OffsetTable(*columns), tuple(left_out)


def _offset(
    one: Series, origin_time: datetime, before: float, after: float, other_steps: Sequence[datetime]
) -> tuple[Array, Array]:
    if not (np.isfinite(one.latitude) and np.isfinite(one.longitude)):
        raise ValueError(
            f"station {one.station}: its file does not say where it is; give series by "
            "_replace(latitude=..., longitude=...)"
        )
    t = _days(one.time, origin_time)
    near = (t >= -before) & (t <= after)
    if near.sum() < 3:
        return np.full(3, np.nan), np.full(3, np.nan)
    others = [float(_days(np.array(_second(when)), origin_time)) for when in other_steps]
    found = steps.fit(t[near], one.enu[near].T, 0.0, year=steps.YEAR, others=others)
    return found.offset, found.sigma


def _days(time: NDArray[np.datetime64], origin: datetime) -> Array:
    return np.asarray((time - _second(origin)).astype(np.float64) / _DAY)


def _second(time: datetime) -> np.datetime64:
    plain = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    return np.datetime64(plain, "s")


def _sorted(series: Series) -> Series:
    order = np.argsort(series.time, kind="stable")
    time, first = np.unique(series.time[order], return_index=True)
    kept = order[first]
    return series._replace(time=time, enu=series.enu[kept], sigma=series.sigma[kept])


def _place(found: Sequence[float], file: Path) -> tuple[float, float]:
    """Latitude, and longitude from -180 to 180."""
    latitude, longitude = found
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        raise ValueError(
            f"{file}: latitude and longitude must be within 90 and 360, got {latitude:g} and {longitude:g}"
        )
    return latitude, (longitude + 180.0) % 360.0 - 180.0


def _tenv3(file: Path, lines: Sequence[str]) -> Series:
    """Columns as in NGL's README: whole and fractional metres of each component stand apart."""
    rows = [(i, line.split()) for i, line in enumerate(lines, start=1) if line.strip()]
    rows = [(i, words) for i, words in rows if words[0].lower() != "site"]
    if not rows:
        raise ValueError(f"{file}: no positions in this file")
    table = np.array([_floats(words, range(2, 20), f"{file}, line {i}", 20) for i, words in rows])
    names = {words[0] for _, words in rows}
    if len(names) > 1:
        raise ValueError(f"{file}: holds several stations: {', '.join(sorted(names))}")
    # Columns from 2: year, MJD, week, day, reference longitude, then three pairs of whole and fraction.
    enu = table[:, [5, 7, 9]] + table[:, [6, 8, 10]]
    place = (np.nan, np.nan)
    if all(len(words) >= 22 for _, words in rows):
        place = _place(_floats(rows[-1][1], (20, 21), f"{file}, line {rows[-1][0]}", 22), file)
    # The modified Julian day is that of the position's day, whose middle is noon.
    time = _MJD + np.round((table[:, 1] + 0.5) * _DAY).astype("timedelta64[s]")
    return Series(names.pop(), *place, time, enu - np.round(enu[0]), table[:, 12:15])


def _pos(file: Path, lines: Sequence[str]) -> Series:
    """Columns by the names of the line that begins with an asterisk."""
    heads = [i for i, line in enumerate(lines) if line.startswith("*") and "dN" in line]
    names = lines[heads[0]].lstrip("*").split() if heads else _POS
    missing = [name for name in ("dN", "dE", "dU", "Sn", "Se", "Su") if name not in names]
    if missing:
        raise ValueError(f"{file}: no column {missing[0]!r}; there are {', '.join(names)}")
    begin = heads[0] + 1 if heads else next(
        (i + 1 for i, line in enumerate(lines) if line.startswith("End Field")), 0
    )  # fmt: skip
    rows = [
        (i, line.split())
        for i, line in enumerate(lines[begin:], start=begin + 1)
        if line.strip() and not line.startswith("*")
    ]
    if not rows:
        raise ValueError(f"{file}: no positions in this file")
    columns = [names.index(name) for name in ("dE", "dN", "dU", "Se", "Sn", "Su")]
    table = np.array([_floats(words, columns, f"{file}, line {i}", max(columns) + 1) for i, words in rows])
    time = np.array([_pos_time(words[0], words[1], f"{file}, line {i}") for i, words in rows])
    head = "\n".join(lines[:begin])
    named = re.search(r"(?i)character id\s*:\s*(\S+)", head)
    place = re.search(r"(?i)neu reference position\s*:\s*(\S+)\s+(\S+)", head)
    if not named or not place:
        raise ValueError(f"{file}: its head does not say the station's name and NEU reference position")
    latitude, longitude = _place(_floats(list(place.groups()), (0, 1), str(file), 2), file)
    return Series(
        named[1], latitude, longitude, time.astype("datetime64[s]"), table[:, :3],
        table[:, 3:],
    )  # fmt: skip


_POS = (
    "YYYYMMDD HHMMSS JJJJJ.JJJJ X Y Z Sx Sy Sz Rxy Rxz Ryz NLat Elong Height dN dE dU Sn Se Su Rne Rnu Reu"
).split()


def _pos_time(day: str, clock: str, where: str) -> np.datetime64:
    """A time from YYYYMMDD and HHMMSS, or from ISO 8601 alone."""
    try:
        if "T" in day:
            return np.datetime64(day, "s")
        clock = clock.zfill(6)
        return np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:6]}", "s")
    except ValueError:
        raise ValueError(f"{where}: not a time: {day} {clock}") from None


def _floats(words: Sequence[str], columns: Iterable[int], where: str, least: int) -> list[float]:
    if len(words) < least:
        raise ValueError(f"{where}: expected {least} fields, got {len(words)}")
    try:
        return [float(words[k]) for k in columns]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
