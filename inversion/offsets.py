"""Tables of static offsets, from and to text files with a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.foreign import text_lines
from dislok.store import writing

_STATION = {"station", "site", "sta", "name", "code", "id", "stnm", "stn", "marker"}
_LATITUDE = {"lat", "latitude", "slat", "stla", "nlat"}
_LONGITUDE = {"lon", "long", "longitude", "lng", "slon", "stlo", "elong"}
_COMPONENTS = {
    "E": {"e", "east", "ee", "de", "ue", "ux", "dx", "easting"},
    "N": {"n", "north", "nn", "dn", "un", "uy", "dy", "northing"},
    "U": {"u", "up", "uu", "du", "uz", "dz", "v", "z", "vert", "vertical"},
}
_SIGMA = re.compile(r"(?:sigma|sig|std|sd|err|error|s|d?sigma)_?(.+)|(.+)_(?:sigma|sig|std|sd|err|error|unc)")
_UNITS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
_ENDING = re.compile(r"(.*?)_?[\[(]?(mm|cm|m)[\])]?")
_MISSING = {"", "nan", "na", "n/a", "none", "null", "-", "--", "*"}
_FARTHEST, _VAGUEST = 100.0, 1e6
"""Metres that no station is moved by an earthquake, and that no standard deviation has."""


class OffsetTable(NamedTuple):
    """Offsets of a network.

    Station names, latitude and longitude (degrees), offset and sigma (n, 3) in metres, ENU.
    """

    station: NDArray[np.str_]
    latitude: Array
    longitude: Array
    offset: Array
    sigma: Array


class _Column(NamedTuple):
    """What a column holds.

    "station", "latitude", "longitude", or a component or its error, in metres times `factor`.
    """

    what: str
    factor: float = 1.0


@gates.gate(path=gates.path())
def read_offsets(path: str | Path) -> OffsetTable:
    """Read static offsets from text with a header: what `write_offsets` writes, and other tables like it.

    Parameters
    ----------
    path : path
        Columns in any order, between commas, semicolons, tabs or blanks: station, latitude, longitude, east,
        north, up and their standard deviations, under their usual names (``lat``, ``E``, ``de``, ``sE``,
        ``sigma_east``, ...), in m, or in what the name says (``E_mm``, ``north (cm)``). An empty cell is a
        missing value. Lines that begin with ``#`` are comments; the last one before the numbers may be the
        header.

    Returns
    -------
    OffsetTable
        NaN where an offset or its standard deviation is missing, and for a component without columns.

    Raises
    ------
    ValueError
        If a column or a place is missing, or a line is malformed; the message names it.
    """
    header, rows = _lines(Path(path))
    columns = _columns(header, path)
    stations, numbers = [], []
    for line, row in rows:
        station, values = _row(columns, row, f"{path}, line {line}")
        stations.append(station)
        numbers.append(values)
    if not stations:
        raise ValueError(f"{path}: no station in this table")
    table = np.array(numbers)
    offset, sigma = table[:, 2:5], table[:, 5:8]
    missing = np.isnan(offset) | np.isnan(sigma)
    gone = missing.all(axis=1)
    if gone.all():
        raise ValueError(f"{path}: no offset with a standard deviation in this table")
    offset, sigma = (np.where(missing, np.nan, part) for part in (offset, sigma))
    return OffsetTable(np.array(stations), table[:, 0], table[:, 1], offset, sigma)


@gates.gate(path=gates.path())
def write_offsets(path: str | Path, table: OffsetTable, header: Sequence[str] = ()) -> None:
    """Write a table of offsets as CSV (metres, five decimals) under comment lines `header`.

    Missing values stay empty.
    """
    with writing(path) as draft, open(draft, "w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {line}\n" for line in header)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["station", "lat", "lon", "east", "north", "up", "sigma_east", "sigma_north", "sigma_up"]
        )
        for name, lat, lon, offset, sigma in zip(*table, strict=True):
            values = ["" if np.isnan(v) else f"{v:.5f}" for v in offset]
            # No error that is there rounds to zero.
            values += ["" if np.isnan(v) else f"{v:.5f}" if v >= 1e-4 else f"{v:.3g}" for v in sigma]
            writer.writerow([name, f"{lat:.5f}", f"{lon:.5f}", *values])


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The words of the header, and those of every row with its number."""
    numbered = [(i, line.strip()) for i, line in enumerate(text_lines(path), start=1)]
    comments = [line for _, line in numbered if line.startswith("#")]
    plain = [(i, line) for i, line in numbered if line and not line.startswith("#")]
    if not plain:
        raise ValueError(f"{path}: no station in this table")
    first = plain[0][1]
    if _kinds(_split(first, _separator(first))):
        header, plain = first, plain[1:]
    elif comments and _kinds(_split(comments[-1].lstrip("# "), _separator(comments[-1]))):
        header = comments[-1].lstrip("# ")
    else:
        raise ValueError(f"{path}: no header says which column is which; it begins {first[:60]!r}")
    between = _separator(header)
    words = _split(header, between)
    rows = []
    for i, line in plain:
        row = _split(line, between)
        # A comma after the last value is no other column.
        if len(row) == len(words) + 1 and not row[-1]:
            row = row[:-1]
        if len(row) != len(words):
            raise ValueError(f"{path}, line {i}: expected {len(words)} fields, got {len(row)}")
        rows.append((i, row))
    return words, rows


def _separator(line: str) -> str | None:
    return next((mark for mark in (",", ";", "\t") if mark in line), None)


def _split(line: str, between: str | None) -> list[str]:
    if between is None:
        return line.split()
    return [word.strip() for word in next(csv.reader([line], delimiter=between))]


def _kinds(words: Sequence[str]) -> list[_Column]:
    """The columns that are known among these words."""
    return [column for word in words if (column := column_of(word)) is not None]


def column_of(word: str) -> _Column | None:
    """What a header's word stands for, or None."""
    name = re.sub(r"[\s.]+", "_", word.strip().lower()).strip("_*")
    for what, names in (("station", _STATION), ("latitude", _LATITUDE), ("longitude", _LONGITUDE)):
        if re.sub(r"_?[\[(]?deg(rees)?[\])]?$", "", name) in names:
            return _Column(what)
    base, factor = name, 1.0
    ending = _ENDING.fullmatch(name)
    if ending and (ending[1] in _all_names() or _error_of(ending[1].strip("_"))):
        base, factor = ending[1].strip("_"), _UNITS[ending[2]]
    for component, names in _COMPONENTS.items():
        if base in names:
            return _Column(component, factor)
    error = _error_of(base)
    return _Column(f"s{error}", factor) if error else None


def _all_names() -> set[str]:
    return set().union(*_COMPONENTS.values())


def _error_of(name: str) -> str:
    """The component whose standard deviation a name is, or nothing."""
    found = _SIGMA.fullmatch(name)
    inner = (found[1] or found[2]).strip("_") if found else ""
    return next((c for c, names in _COMPONENTS.items() if inner in names), "")


def _columns(words: Sequence[str], path: str | Path) -> list[_Column | None]:
    columns = [column_of(word) for word in words]
    known = [column.what for column in columns if column is not None]
    for what in known:
        if known.count(what) > 1:
            twins = [w for w, c in zip(words, columns, strict=True) if c is not None and c.what == what]
            raise ValueError(f"{path}: columns {', '.join(twins)} hold the same")
    for what in ("station", "latitude", "longitude", "E", "N", "sE", "sN"):
        if what not in known:
            raise ValueError(f"{path}: no column {what!r}; there are {', '.join(words)}")
    if "U" in known and "sU" not in known:
        raise ValueError(f"{path}: no column 'sU'; there are {', '.join(words)}")
    return columns


_ORDER = ("latitude", "longitude", "E", "N", "U", "sE", "sN", "sU")


def _row(columns: Sequence[_Column | None], row: Sequence[str], where: str) -> tuple[str, list[float]]:
    """Station, and latitude, longitude, offsets and errors in the order of `_ORDER`."""
    values: dict[str, float] = {what: np.nan for what in _ORDER}
    station = ""
    for column, word in zip(columns, row, strict=True):
        if column is None:
            continue
        if column.what == "station":
            station = word
        else:
            values[column.what] = column.factor * _number(word, where)
    if not station:
        raise ValueError(f"{where}: no station")
    for what in ("latitude", "longitude"):
        if np.isnan(values[what]):
            raise ValueError(f"{where}: no {what} of {station}")
    for what, most in (("latitude", 90), ("longitude", 360)):
        if not abs(values[what]) <= most:
            raise ValueError(f"{where}: {what} of {station} must be within {most}, got {values[what]:g}")
    for component in "ENU":
        if not np.isnan(values[component]) and not abs(values[component]) <= _FARTHEST:
            raise ValueError(
                f"{where}: {component} of {station} must be within {_FARTHEST:g} m, got "
                f"{values[component]:g} m; a column in another unit says so in its name (E_mm), and a "
                "missing value is an empty cell or NaN"
            )
        sigma = values[f"s{component}"]
        if np.isfinite(values[component]) and not 0 < sigma <= _VAGUEST:
            raise ValueError(f"{where}: {component} of {station} has the standard deviation {sigma:g}")
    return station, list(values.values())


def _number(word: str, where: str) -> float:
    if word.lower() in _MISSING:
        return np.nan
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{where}: not a number: {word!r}") from None
