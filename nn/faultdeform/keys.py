"""Keys that a recipe of earthquakes may have, in Python and in a file: see `dislok.schema`."""

from __future__ import annotations

from dislok.arrays import Record
from dislok.gate import Given
from dislok.schema import Key, Kind, Table, choice, count, listed, number, pair, span

from .scaling import LAWS, MECHANISMS


def _shares(name: str, value: Given) -> list[float]:
    found = list(listed(_SHARE, 1, 20)(name, value))
    if not sum(found) > 0.0:
        raise ValueError(f"{name} must be shares of which one is above 0, got {value!r:.60}")
    return found


def _some(name: str, values: Record) -> None:
    if not sum(values.values()) > 0.0:
        raise ValueError(f"{name} must be shares of which one is above 0, got {values!r:.80}")


_SHARE = number(least=0, most=1)
_ANGLE = number(least=0, most=45)
_LENGTH = number(least=1, most=1000)
_DIP = span(number(least=10, most=90))
_HURST = number(least=0.05, most=0.99)

RECIPE = Table(
    "Distributions of random earthquakes.",
    {
        "length": Key(span(_LENGTH), "of the rupture, logarithmic", unit="km"),
        "dip_slip_length": Key(_LENGTH, "longest rupture that is not strike-slip", unit="km"),
        "width": Key(span(number(least=0.5, most=100)), "limits of the width down dip", unit="km"),
        "width_scatter": Key(number(least=0, most=0.5), "standard deviation of log10 of the width"),
        "aspect": Key(number(least=0.1, most=10), "least length over width"),
        "deepest": Key(number(least=0.5, most=100), "no rupture below", unit="km"),
        "mechanism": Table(
            "Shares of mechanisms; those that are not there are 0.",
            {name: Key(_SHARE, "share; 0 where only others are given") for name in MECHANISMS}, check=_some,
        ),
        "rake_spread": Key(_ANGLE, "standard deviation of the rake", unit="degrees"),
        "dip": Key(_DIP, "of strike-slip faults", unit="degrees"),
        "dip_uniform": Key(_SHARE, "share of them whose dip is uniform; the others are steep"),
        "dip_spread": Key(_ANGLE, "of the others about 90 degrees", unit="degrees"),
        "dip_normal": Key(_DIP, "of normal and oblique faults", unit="degrees"),
        "dip_reverse": Key(_DIP, "of reverse faults", unit="degrees"),
        "law": Key(choice(*LAWS), "scaling law"),
        "scatter": Key(number(least=0, most=5), "of the magnitude about it, in its own deviations"),
        "rigidity": Key(number(least=1e9, most=1e12), "of the crust", unit="Pa"),
        "poisson": Key(number(least=0, most=0.499), "Poisson's ratio"),
        "hurst": Key(pair(_HURST), "Hurst exponents of the surface along strike and down dip"),
        "roughness": Key(
            span(number(least=1e-8, most=0.05)), "rms of the surface over its length, logarithmic"
        ),
        "shortest_wave": Key(number(least=3, most=100), "shortest wave of the roughness", unit="elements"),
        "slip_hurst": Key(_HURST, "Hurst exponent of slip"),
        "slip_variation": Key(number(least=0, most=2), "standard deviation of slip over its mean"),
        "taper": Key(number(least=0.01, most=0.5), "share of length and width over which slip falls to 0"),
        "deficit_share": Key(_SHARE, "share of events with less slip near the surface"),
        "deficit": Key(span(_SHARE), "how much less"),
        "deficit_depth": Key(span(number(least=0.1, most=50)), "down to about where", unit="km"),
        "segments": Key(
            Kind("a list of at least 1 values, each a number at least 0 and at most 1", _shares),
            "shares of ruptures with one, two, three ... segments",
        ),
        "step": Key(span(number(least=0.1, most=20)), "offset of the next segment", unit="km"),
        "overlap": Key(span(number(least=-5, most=5)), "of segments over their offset; negative for a gap"),
        "bends": Key(number(least=0, most=5), "mean number of bends of a segment"),
        "bend": Key(span(number(least=0, most=30)), "change of strike at a bend", unit="degrees"),
        "branch": Key(_SHARE, "share of events with a branch"),
        "branch_angle": Key(span(number(least=5, most=45)), "to either side", unit="degrees"),
        "branch_length": Key(span(_SHARE), "over that of its segment"),
        "branch_slip": Key(span(_SHARE), "share of the slip that turns into it"),
        "blind": Key(_SHARE, "share of events that do not reach the surface"),
        "blind_depth": Key(span(number(least=0.05, most=20)), "of their upper edge", unit="km"),
        "zone": Key(_SHARE, "share of events with distributed shear beside the trace"),
        "zone_width": Key(span(number(least=1e-4, most=10)), "full width of it, logarithmic", unit="km"),
        "zone_part": Key(span(_SHARE), "share of the slip at the surface that is distributed"),
        "pixel": Key(number(least=1e-6, most=1), "size of the images' pixels", unit="km"),
        "element": Key(number(least=0.5, most=1000), "size of the mesh's cells at the trace", unit="pixels"),
        "growth": Key(number(least=0.02, most=0.5), "of the elements for every km of depth"),
        "triangles": Key(count(200, 10_000_000), "about as many at most"),
    },
)  # fmt: skip
