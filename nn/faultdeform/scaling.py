"""Sizes of earthquakes on faults of a given length: published scaling laws, by name.

Lengths and widths are in km. Every law gives the median moment magnitude of a rupture of a given length, its
scatter, and the median width down dip. Magnitudes are those of :func:`dislok.convert.moment_from_magnitude`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log10

from dislok.convert import magnitude_from_moment, moment_from_magnitude

MECHANISMS = ("strike-slip", "normal", "reverse", "oblique")


@dataclass(frozen=True)
class Law:
    """A scaling law.

    Attributes
    ----------
    magnitude : callable
        ``magnitude(length, width, mechanism)``, median Mw.
    sigma : dict
        Standard deviation of Mw about the median, by mechanism.
    width : callable
        ``width(length, magnitude, mechanism)``, median in km.
    source : str
        Where the numbers are published.
    """

    magnitude: Callable[[float, float, str], float]
    sigma: dict[str, float]
    width: Callable[[float, float, str], float]
    source: str


Lines = dict[str, tuple[float, float]]


def _on_line(lines: Lines, mechanism: str, x: float) -> float:
    intercept, slope = lines[mechanism]
    return intercept + slope * x


def _aspect(length: float, magnitude: float, mechanism: str) -> float:
    """Wesnousky's aspect ratio L/W = 0.088 L^0.96 of strike-slip ruptures."""
    return length / (0.088 * length**0.96)


# Surface rupture length; "oblique" takes the line of all mechanisms.
_WESNOUSKY: Lines = {
    "strike-slip": (5.56, 0.87),
    "normal": (6.12, 0.47),
    "reverse": (4.11, 1.88),
    "oblique": (5.30, 1.02),
}
_WELLS: Lines = {
    "strike-slip": (5.16, 1.12),
    "normal": (4.86, 1.32),
    "reverse": (5.00, 1.22),
    "oblique": (5.08, 1.16),
}
_WELLS_WIDTH: Lines = {
    "strike-slip": (-0.76, 0.27),
    "normal": (-1.14, 0.35),
    "reverse": (-1.61, 0.41),
    "oblique": (-1.01, 0.32),
}
# log10 L and log10 W as functions of Mw; "oblique" takes that of strike-slip.
_THINGBAIJAM: Lines = {
    "strike-slip": (-2.943, 0.681),
    "normal": (-1.722, 0.485),
    "reverse": (-2.693, 0.614),
    "oblique": (-2.943, 0.681),
}
_THINGBAIJAM_WIDTH: Lines = {
    "strike-slip": (-0.543, 0.261),
    "normal": (-0.829, 0.323),
    "reverse": (-1.669, 0.435),
    "oblique": (-0.543, 0.261),
}
_THINGBAIJAM_SIGMA = {"strike-slip": 0.151, "normal": 0.128, "reverse": 0.083, "oblique": 0.151}


def _leonard(length: float, width: float, mechanism: str) -> float:
    if mechanism in ("strike-slip", "oblique"):
        return 4.17 + 1.667 * log10(length) if length <= 45.0 else 5.27 + log10(length)
    return 4.24 + 1.667 * log10(length) if length > 5.4 else 4.0 + 2.0 * log10(length)


def _leonard_width(length: float, magnitude: float, mechanism: str) -> float:
    """W = C L^(2/3), with C of 15 m^(1/3) for strike slip, which stops growing at 45 km, or 17.5 m^(1/3)."""
    slips = mechanism in ("strike-slip", "oblique")
    metres = min(length, 45.0) * 1e3 if slips else length * 1e3
    return (15.0 if slips else 17.5) * metres ** (2.0 / 3.0) / 1e3


def _thingbaijam(length: float, width: float, mechanism: str) -> float:
    intercept, slope = _THINGBAIJAM[mechanism]
    return (log10(length) - intercept) / slope


SCHOLZ_STRAIN = 2.7e-5
"""Mean slip over length, the middle (on a log scale) of 1.25e-5 to 6e-5 for strike-slip earthquakes."""
SCHOLZ_RIGIDITY = 30e9


def _scholz(length: float, width: float, mechanism: str) -> float:
    """Slip that grows with the length of the rupture: D = α L."""
    slip = SCHOLZ_STRAIN * length * 1e3
    return float(magnitude_from_moment(SCHOLZ_RIGIDITY * slip * length * width * 1e6))


def _same(sigma: float) -> dict[str, float]:
    return dict.fromkeys(MECHANISMS, sigma)


LAWS: dict[str, Law] = {
    "wesnousky2008": Law(
        lambda length, width, mechanism: _on_line(_WESNOUSKY, mechanism, log10(length)),
        {"strike-slip": 0.24, "normal": 0.27, "reverse": 0.24, "oblique": 0.28},
        _aspect,
        "Wesnousky, S. G. (2008), BSSA 98, 1609-1632: Mw of the length of the surface rupture, and L/W",
    ),
    "wells1994": Law(
        lambda length, width, mechanism: _on_line(_WELLS, mechanism, log10(length)),
        {"strike-slip": 0.28, "normal": 0.34, "reverse": 0.28, "oblique": 0.28},
        lambda length, magnitude, mechanism: 10.0 ** _on_line(_WELLS_WIDTH, mechanism, magnitude),
        "Wells, D. L. & Coppersmith, K. J. (1994), BSSA 84, 974-1002: Mw of the surface rupture's length",
    ),
    "leonard2014": Law(
        _leonard,
        _same(0.25),
        _leonard_width,
        "Leonard, M. (2014), BSSA 104, 2953-2965 (widths: 2010, BSSA 100, 1971-1988), interplate; it gives "
        "no scatter of Mw on length, 0.25 is in the middle of those of the others",
    ),
    "thingbaijam2017": Law(
        _thingbaijam,
        {k: _THINGBAIJAM_SIGMA[k] / _THINGBAIJAM[k][1] for k in MECHANISMS},
        lambda length, magnitude, mechanism: 10.0 ** _on_line(_THINGBAIJAM_WIDTH, mechanism, magnitude),
        "Thingbaijam, K. K. S., Mai, P. M. & Goda, K. (2017), BSSA 107, 2225-2246: log L and log W of Mw, "
        "turned around",
    ),
    "scholz": Law(
        _scholz,
        _same(2.0 / 3.0 * log10(6e-5 / SCHOLZ_STRAIN)),
        _aspect,
        "Scholz, C. H. (2002), The Mechanics of Earthquakes and Faulting, 2nd ed.: slip is a share "
        f"{SCHOLZ_STRAIN:g} of the length (range 1.25e-5 to 6e-5)",
    ),
}
"""Scaling laws by name."""


def law(name: str) -> Law:
    """The law of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in LAWS:
        raise ValueError(f"law must be one of {', '.join(map(repr, LAWS))}, got {name!r}")
    return LAWS[name]


def mean_slip(magnitude: float, length: float, width: float, rigidity: float = 30e9) -> float:
    """Mean slip in m of a rupture of a magnitude, and a length and width in km."""
    return float(moment_from_magnitude(magnitude)) / (rigidity * length * width * 1e6)
