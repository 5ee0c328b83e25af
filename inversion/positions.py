"""Files of daily positions of a GNSS station: of NGL, of GAMIT and PBO, of GEONET."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok.arrays import HostArray as Array

_MJD = np.datetime64("1858-11-17T00:00:00", "s")
_DAY = 86400.0
_AWAY = 1e5
"""Metres from the first position that no station goes."""


class Series(NamedTuple):
    """Positions of a station.

    Attributes
    ----------
    station : name.
    latitude, longitude : degrees; NaN where the file does not say.
    time : (n,) datetime64 in seconds, UTC, increasing; noon of a daily position.
    enu : (n, 3) east, north, up in m from a place near the station.
    sigma : (n, 3) standard deviations in m, as the processing states them; NaN where it does not.
    origin : X, Y and Z in m of that place, where it is known.
    """

    station: str
    latitude: float
    longitude: float
    time: NDArray[np.datetime64]
    enu: Array
    sigma: Array
    origin: tuple[float, float, float] | None = None


def tenv3(file: Path, lines: Sequence[str]) -> Series | None:
    """The positions in lines of a ``.tenv3``, None if they are no such lines.

    Columns as in NGL's README: whole and fractional metres of each component stand apart.
    """
    head = next((line for line in lines if line.strip()), "")
    if "reflon" not in head and not re.match(r"\S+ \d\d[A-Z]{3}\d\d \d{4}\.\d", head.strip()):
        return None
    rows = [(i, line.split()) for i, line in enumerate(lines, start=1) if line.strip()]
    rows = [(i, words) for i, words in rows if words[0].lower() != "site"]
    table = _table(file, rows, range(2, 20), 20)
    names = {words[0] for _, words in rows}
    if len(names) > 1:
        raise ValueError(f"{file}: holds several stations: {', '.join(sorted(names))}")
    # Columns from 2: year, MJD, week, day, reference longitude, then three pairs of whole and fraction.
    enu = table[:, [5, 7, 9]] + table[:, [6, 8, 10]]
    # The modified Julian day is that of the position's day, whose middle is noon.
    for (i, words), year, day in zip(rows, table[:, 0], table[:, 1], strict=True):
        if not abs(year - 2000 - (day - 51544) / 365.25) < 0.02:
            raise ValueError(f"{file}, line {i}: year {words[2]} and modified Julian day {words[3]} disagree")
    time = _MJD + np.round((table[:, 1] + 0.5) * _DAY).astype("timedelta64[s]")
    place = (np.nan, np.nan)
    if len(rows[0][1]) >= 22:
        place = _place(_floats(rows[-1][1], (20, 21), f"{file}, line {rows[-1][0]}"), file)
    return _series(file, rows, names.pop(), place, time, enu - np.round(enu[0]), table[:, 12:15])


def pos(file: Path, lines: Sequence[str]) -> Series | None:
    """The positions in lines of a ``.pos`` of GAMIT or PBO, None if they are no such lines.

    Columns by the names of the line that begins with an asterisk.
    """
    if not any("reference position" in line.lower() for line in lines[:60]):
        return None
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
    columns = [names.index(name) for name in ("dE", "dN", "dU", "Se", "Sn", "Su")]
    table = _table(file, rows, columns, max(columns) + 1)
    time = np.array([_pos_time(words[0], words[1], f"{file}, line {i}") for i, words in rows])
    head = "\n".join(lines[:begin])
    named = re.search(r"(?i)character id\s*:\s*(\S+)", head)
    place = re.search(r"(?i)neu reference position\s*:\s*(\S+)\s+(\S+)", head)
    if not named or not place:
        raise ValueError(f"{file}: its head does not say the station's name and NEU reference position")
    at = _place(_floats(list(place.groups()), (0, 1), f"{file}: NEU reference position"), file)
    return _series(file, rows, named[1], at, time.astype("datetime64[s]"), table[:, :3], table[:, 3:])


def geonet(file: Path, lines: Sequence[str]) -> Series | None:
    """The positions in lines of a ``.pos`` of GEONET (F2, F3, F5), None if they are no such lines."""
    if not any(line.startswith("+SITE/INF") for line in lines[:20]):
        return None
    begin, end = (
        next((i for i, line in enumerate(lines) if line.startswith(mark)), None)
        for mark in ("+DATA", "-DATA")
    )
    named = re.search(r"^\s*ID\s+(\S+)", "\n".join(lines[:begin]), re.MULTILINE)
    if begin is None or named is None:
        raise ValueError(f"{file}: its head does not say the station's ID, or no line +DATA follows")
    if end is None:
        raise ValueError(f"{file}: ends before the line -DATA")
    rows = [
        (i, line.split())
        for i, line in enumerate(lines[begin + 1 : end], start=begin + 2)
        if line.strip() and not line.startswith("*")
    ]
    table = _table(file, rows, range(4, 9), 9)
    time = np.array([_day(words, f"{file}, line {i}") for i, words in rows]).astype("datetime64[s]")
    latitude, longitude = _place(table[0, 3:], file)
    enu = (table[:, :3] - table[0, :3]) @ axes(latitude, longitude).T
    unknown = np.full(enu.shape, np.nan)
    found = _series(file, rows, named[1], (latitude, longitude), time, enu, unknown)
    return found._replace(origin=tuple(table[0, :3].tolist()))


def axes(latitude: float, longitude: float) -> Array:
    """East, north and up (3, 3) in X, Y, Z of the Earth."""
    a, b = np.deg2rad(longitude), np.deg2rad(latitude)
    return np.array(
        [
            [-np.sin(a), np.cos(a), 0.0],
            [-np.sin(b) * np.cos(a), -np.sin(b) * np.sin(a), np.cos(b)],
            [np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)],
        ]
    )


def joined(one: Series, other: Series) -> Series:
    """The positions of one station from two files, as of two years."""
    assert one.origin is not None and other.origin is not None
    away = axes(one.latitude, one.longitude) @ np.subtract(other.origin, one.origin)
    if np.linalg.norm(away) > _AWAY:
        raise ValueError(
            f"station {one.station}: two files place it {np.linalg.norm(away) / 1e3:.0f} km apart"
        )
    time = np.concatenate([one.time, other.time])
    enu, sigma = np.concatenate([one.enu, other.enu + away]), np.concatenate([one.sigma, other.sigma])
    return in_order(one._replace(time=time, enu=enu, sigma=sigma))


def in_order(series: Series) -> Series:
    """The positions by time, the first of each."""
    order = np.argsort(series.time, kind="stable")
    time, first = np.unique(series.time[order], return_index=True)
    kept = order[first]
    return series._replace(time=time, enu=series.enu[kept], sigma=series.sigma[kept])


def _series(
    file: Path, rows: Sequence[tuple[int, Sequence[str]]], name: str, place: tuple[float, float],
    time: NDArray[np.datetime64], enu: Array, sigma: Array,
) -> Series:  # fmt: skip
    """Positions of the days that have one."""
    known = np.asarray(np.isfinite(enu).all(axis=1))
    if not known.any():
        raise ValueError(f"{file}: no positions in this file")
    first = enu[np.argmax(known)]
    away = np.abs(np.where(known[:, None], enu, first) - first).max(axis=1)
    bad = np.asarray(away > _AWAY)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{file}, line {rows[i][0]}: lies {away[i]:.3g} m from the first position")
    return Series(name, *place, time[known], enu[known], sigma[known])


def _table(
    file: Path, rows: Sequence[tuple[int, Sequence[str]]], columns: Iterable[int], least: int
) -> Array:
    """Numbers (n, k) of some columns; every row has as many fields as the first, NaN marks missing ones."""
    if not rows:
        raise ValueError(f"{file}: no positions in this file")
    width, columns = max(len(rows[0][1]), least), list(columns)
    for i, words in rows:
        if len(words) != width:
            raise ValueError(f"{file}, line {i}: expected {width} fields, got {len(words)}")
    table = np.array([_floats(words, columns, f"{file}, line {i}") for i, words in rows])
    if np.isinf(table).any():
        i, k = np.argwhere(np.isinf(table))[0]
        raise ValueError(f"{file}, line {rows[i][0]}: {rows[i][1][columns[k]]} is not finite")
    return table


def _place(found: Sequence[float] | Array, file: Path) -> tuple[float, float]:
    """Latitude, and longitude from -180 to 180."""
    latitude, longitude = (float(value) for value in found)
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        raise ValueError(
            f"{file}: latitude and longitude must be within 90 and 360, got {latitude:g} and {longitude:g}"
        )
    return latitude, (longitude + 180.0) % 360.0 - 180.0


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


def _day(words: Sequence[str], where: str) -> np.datetime64:
    """A time from year, month, day and HH:MM:SS."""
    year, month, day, clock = words[:4]
    try:
        return np.datetime64(f"{year}-{month.zfill(2)}-{day.zfill(2)}T{clock}", "s")
    except ValueError:
        raise ValueError(f"{where}: not a time: {year} {month} {day} {clock}") from None


def _floats(words: Sequence[str], columns: Iterable[int], where: str) -> list[float]:
    try:
        return [float(words[k]) for k in columns]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
