"""Times of samples as numbers: seconds, datetime64 of any unit, decimal years."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from . import steps

_YEARS = (1950.0, 2150.0)


def instants(**limits: bool) -> gates.Kind:
    """Numbers, or times as datetime64 of any unit."""

    def check(name: str, value: gates.Given) -> gates.Given:
        if isinstance(value, datetime):
            value = np.datetime64(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)
        array = gates.ragged(name, value)
        if array.dtype.kind != "M":
            return gates.real(**limits)(name, value)
        if np.isnat(array).any():
            raise ValueError(f"{name}: not a time (NaT) at index {int(np.argmax(np.isnat(array)))}")
        return array

    return check


class Clock(NamedTuple):
    """Times as numbers, and the length of a year in their unit where that is known.

    Also whether they are half a day or more apart.
    """

    t: Array
    origin: Array
    year: float | None
    daily: bool


def clock(t: gates.Given, origin: gates.Given) -> Clock:
    """Seconds after the first sample of datetime64, days after it of decimal years, else numbers as given."""
    kinds = {np.asarray(part).dtype.kind == "M" for part in (t, origin)}
    if len(kinds) > 1:
        raise TypeError("t and origin_time must both be numbers or both be datetime64")
    if kinds == {True}:
        first = t.reshape(-1)[0] if t.size else np.datetime64(0, "s")
        seconds = [(part - first) / np.timedelta64(1, "s") for part in (t, origin)]
        far = float(np.median(np.diff(seconds[0]))) if t.ndim == 1 and t.size > 1 else 0.0
        return Clock(seconds[0], np.asarray(seconds[1]), 86400 * steps.YEAR, far >= 43200)
    if t.ndim == 1 and t.size > 1:
        far = float(np.median(np.diff(t)))
        if _YEARS[0] < t.min() and t.max() < _YEARS[1] and 0.5 <= far * steps.YEAR < 40:
            days = [(np.asarray(part) - t[0]) * steps.YEAR for part in (t, origin)]
            return Clock(days[0], days[1], steps.YEAR, True)
        if far >= 43200:
            return Clock(t, origin, 86400 * steps.YEAR, True)
    return Clock(t, origin, None, False)
