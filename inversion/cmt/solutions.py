"""CMTSOLUTION files, as SPECFEM and the Global CMT project write them: one earthquake or several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dislok.convert import magnitude_from_moment

_HEAD = re.compile(r"\s*[A-Za-z]*\s*(\d{4})((?:\s+[-+]?(?:\d+\.?\d*|\.\d+)){10})(?:\s+(.*))?$")
_ELEMENTS = ("Mrr", "Mtt", "Mpp", "Mrt", "Mrp", "Mtp")
_NUMBERS = ("time shift", "half duration", "latitude", "longitude", "depth", *_ELEMENTS)
_DYNE_CM = 1e-7  # N·m


class Solution(NamedTuple):
    """An earthquake of the file: times (UTC), places in degrees and km, moments in N·m.

    Moments are rr, tt, pp, rt, rp, tp; `magnitude` is theirs, or what the first line says where they vanish.
    """

    name: str
    begin: tuple[datetime, float, float, float]
    centroid: tuple[datetime, float, float, float]
    half_duration: float
    tensor: tuple[float, ...]
    magnitude: float | None


def recognised(lines: Sequence[str]) -> bool:
    """Whether these are the lines of a CMTSOLUTION."""
    some = [line for line in lines[:20] if line.strip()]
    return len(some) > 1 and some[1].strip().lower().startswith("event name")


def parsed(lines: Sequence[str]) -> list[Solution]:
    """The earthquakes in these lines.

    Raises
    ------
    ValueError
        If a line cannot be read or is missing; the message names it.
    """
    some = [(i, line) for i, line in enumerate(lines, start=1) if line.strip()]
    heads = [k for k, (_, line) in enumerate(some) if ":" not in line]
    return [_solution(some[a:b]) for a, b in zip(heads, [*heads[1:], len(some)], strict=True)]


def _solution(lines: Sequence[tuple[int, str]]) -> Solution:
    place, head = lines[0]
    found = _HEAD.match(head)
    if found is None:
        raise ValueError(
            f"line {place}: expected catalogue, date, time, place and magnitudes, got {head.strip()!r:.80}"
        )
    month, day, hour, minute, *rest = found[2].split()
    second, latitude, longitude, depth, body, surface = map(float, rest)
    begin = _time(place, (found[1], month, day, hour, minute), second)
    words = {
        key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for _, line in lines[1:])
    }
    values = {name: _number(name, words, place) for name in _NUMBERS}
    shift, half, *centre = (values[name] for name in _NUMBERS[:5])
    tensor = tuple(_DYNE_CM * values[name] for name in _ELEMENTS)
    moment = (0.5 * sum(v * v for v in tensor[:3]) + sum(v * v for v in tensor[3:])) ** 0.5
    said = next((m for m in (surface, body) if m > 0), None)
    return Solution(
        words.get("event name") or (found[3] or "").strip(),
        (begin, latitude, longitude, depth),
        (begin + timedelta(seconds=shift), centre[0], centre[1], centre[2]),
        half,
        tensor,
        float(magnitude_from_moment(moment)) if moment > 0 else said,
    )


def _time(line: int, words: Sequence[str], second: float) -> datetime:
    """Second 60, of rounding or a leap second, begins the next minute."""
    try:
        if not 0 <= second < 61:
            raise ValueError(f"second {second:g}")
        year, month, day, hour, minute = map(int, words)
        return datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"line {line}: no date and time: {' '.join(words)} {second:g} ({error})") from None


def _number(name: str, words: dict[str, str], line: int) -> float:
    if name.lower() not in words:
        raise ValueError(f"the event of line {line} has no line '{name}:'")
    try:
        value = float(words[name.lower()].lower().replace("d", "e"))
    except ValueError:
        raise ValueError(
            f"the event of line {line}: {name} is no number: {words[name.lower()]!r:.40}"
        ) from None
    if not abs(value) < 1e70:
        raise ValueError(f"the event of line {line}: {name} must be finite, got {value:g}")
    return value
