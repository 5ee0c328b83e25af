"""The choice among a station's instruments, and east, north, up from its channels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from . import orientation
from .filters import Array
from .findings import Findings
from .sampling import same_rate
from .traces import Channel


def one_instrument(members: list[Channel], findings: Findings) -> list[Channel]:
    """The channels of a station's best instrument; what the others have is left out."""
    kinds: dict[Any, list[Channel]] = defaultdict(list)
    for channel in members:
        kinds[channel.instrument].append(channel)
    longest = max(1e-9, *(_reach(members) for members in kinds.values()))
    # Gaps of a few percent do not decide, so that all stations of a network have the same instrument.
    best = min(
        kinds,
        key=lambda kind: (-len(_axes(kinds[kind])), -round(5 * _reach(kinds[kind]) / longest), kind),
    )
    for kind, others in kinds.items():
        if kind != best:
            chosen = ".".join(best).strip(".") or "without a name"
            names = ", ".join(str(channel.code) for channel in others)
            findings.leave_out(
                names, f"the station has another instrument, {chosen}; choose by channels, locations"
            )
    kept = _three(kinds[best])
    for other in kinds[best]:
        if other not in kept:
            findings.leave_out(other.code, f"the instrument has {', '.join(str(c.code) for c in kept)}")
    return _of_one_kind(kept, findings)


def _axes(members: Sequence[Channel]) -> list[int]:
    apart = _apart(_three(members))
    return orientation.unmixing([channel.direction for channel in apart])[1] if apart else []


def _three(members: Sequence[Channel]) -> list[Channel]:
    """At most three channels: those called E, N, Z, where raw ones stand beside them."""
    if len(members) <= 3:
        return list(members)
    return sorted(members, key=lambda one: orientation.by_name(one.code.channel) is None)[:3]


def _apart(members: Sequence[Channel]) -> list[Channel]:
    """The channels that do not point the same way as another one."""
    twins = orientation.parallel([channel.direction for channel in members])
    return [channel for channel, twin in zip(members, twins, strict=True) if not twin]


def _reach(members: Sequence[Channel]) -> float:
    """Seconds that all channels of an instrument hold together."""
    return sum(channel.samples * channel.dt for channel in members)


def _of_one_kind(members: list[Channel], findings: Findings) -> list[Channel]:
    """The channels of an instrument that share sampling rate and quantity with most of it."""
    first = max(
        members, key=lambda one: sum(same_rate(one.dt, o.dt) and one.quantity == o.quantity for o in members)
    )
    kept = []
    for one in members:
        if one.quantity != first.quantity:
            findings.leave_out(one.code, f"it records {one.quantity}, {first.code} {first.quantity}")
        elif not same_rate(one.dt, first.dt):
            findings.leave_out(one.code, f"it has {1 / one.dt:g} Hz, {first.code} {1 / first.dt:g} Hz")
        else:
            kept.append(replace(one, dt=first.dt))
    return kept


def component_rows(members: Sequence[Channel], rows: Array) -> tuple[Array, list[int]]:
    """East, north, up (3, n) of a station from rows (k, n) of its channels, and which of them are there."""
    matrix, known = orientation.unmixing([channel.direction for channel in members])
    return orientation.mixed(matrix, rows), known
