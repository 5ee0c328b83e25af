"""Units of records as files write them: `M/S**2`, `nm/s`, `cm s-2`, `Gal`, `counts`."""

from __future__ import annotations

import re
from typing import NamedTuple

COUNTS = ("count", "counts", "ct", "cts", "digitalcounts", "digitalunits", "du")
"""Words for the numbers of a digitiser, without a physical unit."""

_STANDARD_GRAVITY = 9.80665
_PREFIXES = {
    "": 1.0, "nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "centi": 1e-2, "deci": 1e-1, "kilo": 1e3,
    "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "k": 1e3,
}  # fmt: skip
_LONG = re.compile(r"(nano|micro|milli|centi|deci|kilo|)(?:meter|metre)s?(.*)")
_GALS = re.compile(r"(milli|micro|[mu]?)gals?")
_SECOND = r"(?:seconds?|secs?|s)"
_TAILS = {
    0: r"",
    1: rf"(?:/|per){_SECOND}|{_SECOND}\^?-1",
    2: rf"(?:/|per)\(?{_SECOND}\^?2\)?|(?:(?:/|per){_SECOND}){{2}}|{_SECOND}\^?-2|(?:/|per){_SECOND}squared"
    rf"|/\({_SECOND}{_SECOND}\)|(?:{_SECOND}\^?-1){{2}}",
}
_QUANTITIES = ("displacement", "velocity", "acceleration")


class Unit(NamedTuple):
    """What a unit measures, and how many m, m/s or m/s² it is."""

    quantity: str
    factor: float


def parse(text: str) -> Unit:
    """What a unit is, however it is written.

    Raises
    ------
    ValueError
        If it is no unit of ground motion; the message repeats it.
    """
    plain = re.sub(r"[\s._·]+", "", str(text)).lower().replace("**", "^").replace("²", "^2").replace("⁻", "-")
    plain = re.sub(r"microns?", "micrometer", plain.replace("*", ""))
    gal = _GALS.fullmatch(plain)
    if gal:
        return Unit("acceleration", 0.01 * _PREFIXES[gal[1]])
    if plain == "g":
        return Unit("acceleration", _STANDARD_GRAVITY)
    for prefix, tail in _split(plain):
        for order, pattern in _TAILS.items():
            if re.fullmatch(pattern, tail):
                return Unit(_QUANTITIES[order], _PREFIXES[prefix])
    if plain in COUNTS:
        raise ValueError(f"{text!r} are a digitiser's numbers, not a unit of ground motion")
    raise ValueError(f"{text!r} is no unit of displacement, velocity or acceleration")


def _split(plain: str) -> list[tuple[str, str]]:
    """Ways to read a text as a prefix, metres and what follows."""
    long = _LONG.fullmatch(plain)
    if long:
        return [(long[1], long[2])]
    return [
        (prefix, plain[len(prefix) + 1 :])
        for prefix in ("", "n", "u", "µ", "μ", "m", "c", "d", "k")
        if plain.startswith(prefix + "m")
    ]
