"""Daily positions of GNSS stations: files of NGL and of GAMIT and PBO, and the offsets in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dislok import gate as gates
from dislok.foreign import text_lines

from . import positions, steps
from .offsets import Array, OffsetTable
from .positions import Series

ENDINGS = (".tenv3", ".pos")
"""Endings of files with daily positions."""

_DAY = 86400.0


@gates.gate(path=gates.path())
def read_series(path: str | Path) -> Series:
    """Read daily positions.

    ``.tenv3`` of the Nevada Geodetic Laboratory, ``.pos`` of GAMIT/GLOBK, PBO and their like, or ``.pos`` of
    Japan's GEONET (F3, F5), which have no errors. Days without a number are left out.

    Raises
    ------
    ValueError
        If the file is neither, or a line is malformed; the message names it.
    """
    file = Path(path)
    lines = text_lines(file)
    for parsed in (positions.pos, positions.geonet, positions.tenv3):
        found = parsed(file, lines)
        if found is not None:
            return positions.in_order(found)
    head = next((line for line in lines if line.strip()), "")
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
    tables: list[OffsetTable] = []
    left_out: list[str] = []
    for file, one in _stations(files, strict, left_out):
        try:
            table = offsets_of_series([one], origin_time, before=before, after=after)
            if not np.isfinite(table.offset).any():
                raise ValueError(
                    f"station {table.station[0]}: too few positions on a side of the origin time"
                )
            tables.append(table)
        except ValueError as error:
            _left_out(file, error, strict, left_out)
    if not tables:
        raise ValueError(f"{folder}: no offsets are left: {'; '.join(left_out[:5])}")
    columns = [np.concatenate(column) for column in zip(*tables, strict=True)]
    return OffsetTable(*columns), tuple(left_out)


def _stations(files: Iterable[Path], strict: bool, left_out: list[str]) -> list[tuple[Path, Series]]:
    """Files and their series; those that a network splits by years become one series a station."""
    found: list[tuple[Path, Series]] = []
    place: dict[str, int] = {}
    for file in files:
        try:
            one = read_series(file)
            if one.origin is not None and one.station in place:
                k = place[one.station]
                found[k] = (found[k][0], positions.joined(found[k][1], one))
                continue
        except ValueError as error:
            _left_out(file, error, strict, left_out)
            continue
        if one.origin is not None:
            place[one.station] = len(found)
        found.append((file, one))
    return found


def _left_out(file: Path, error: ValueError, strict: bool, left_out: list[str]) -> None:
    """Note why a file is not used; raise if `strict`."""
    if strict:
        raise error
    left_out.append(f"{file.name}: {str(error).removeprefix(f'{file}: ')}")


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
