"""A result in words: the summary, and what a reader must know before using it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .posterior import FEWEST
from .source import UNITS

if TYPE_CHECKING:
    from .result import Centroid, Result

FEW = 6
"""Stations below which a result warns."""

EXPLAINED, WELL, LEAST = 0.5, 0.8, 0.3
"""Variance reduction beyond noise below which no uncertainty is stated; the same where stations are near; and
noise included.
"""

SHALLOW = 4.0
"""Depth (km) above which dip-slip elements on vertical planes are hardly felt."""

SOURCES = {
    "largest": "the larger of what the data's errors and the stations' disagreement say",
    "stations": "what the stations disagree about",
    "data": "the errors of the data",
}


def place(latitude: float, longitude: float, digits: int = 3) -> tuple[str, str]:
    """Latitude and longitude with their letters: ("61.346 N", "149.928 W")."""
    turned = (longitude + 180) % 360 - 180
    north, east = "N" if latitude >= 0 else "S", "E" if turned >= 0 else "W"
    return f"{abs(latitude):.{digits}f} {north}", f"{abs(turned):.{digits}f} {east}"


def plus_minus(value: float, digits: int = 1) -> str:
    """An uncertainty, as " ± 1.2", or nothing where none is stated."""
    return f" ± {value:.{digits}f}" if np.isfinite(value) else ""


def summary(result: Result) -> str:
    """The result in words, line by line."""
    lines = [
        f"{result.event}: {result.constraint.replace('_', ' ')} moment tensor, "
        f"{result.stf} source time function"
    ]
    for i in range(len(result.centroids)):
        lines.extend(_described(result, i))
    if len(result.centroids) > 1:
        lines.append(f"sum of {len(result.centroids)} sources: Mw {result.magnitude:.2f}")
    ended = "converged" if result.converged else "NOT CONVERGED"
    lines.append(
        f"variance reduction {100 * result.variance_reduction:.1f} % (unweighted), "
        f"{max(len(result.history) - 1, 0)} iterations, {ended}"
    )
    lines.extend(
        f"{fit.name}: {used_stations(fit)} stations, {100 * fit.variance_reduction:.1f} %"
        for fit in result.fits
    )
    lines.append(uncertainty_words(result))
    lines.extend(_rival_lines(result))
    lines.extend(result.warnings)
    lines.extend(f"note: {line}" for line in result.notes)
    lines.extend(f"left out: {line}" for line in result.dropped)
    return "\n".join(lines)


def used_stations(fit: object) -> int:
    """Stations of a data set with something that was fitted."""
    mask = fit.mask  # type: ignore[attr-defined]
    return int(mask.reshape(len(mask), -1).any(axis=1).sum())


def warnings(result: Result) -> tuple[str, ...]:
    """What a reader must know before using the result."""
    found = []
    if not result.converged:
        found.append("warning: the search did not converge")
    if not result.unique:
        found.append(f"warning: NOT UNIQUE: {_tenable(result)}")
    if result.at_bound:
        found.append(f"warning: {', '.join(result.at_bound)} ended on a bound")
    if result.variance_reduction < WELL:
        found.append(
            "warning: a point source of this kind leaves a fifth of the data or more; try a duration, "
            "lower frequencies, farther stations or several subevents"
        )
    if result.station_count < FEW:
        found.append(f"warning: {result.station_count} stations hardly tell one mechanism from another")
    found.extend(_rupture_warning(result))
    if result.constraint != "double_couple" and any(c.depth < SHALLOW for c in result.centroids):
        found.append(
            "warning: so shallow a source hardly feels its dip-slip elements on vertical planes; dip and "
            "moment trade off, so fix the depth, ask for a double couple or give a prior"
        )
    return tuple(found)


def explains(result: Result, beyond_noise: float) -> bool:
    """Whether a point explains so much of the data that its uncertainty means something.

    Half of what is no noise, or `WELL` of it where stations lie within half a rupture's length, and `LEAST`
    of all.

    Parameters
    ----------
    result : Result
    beyond_noise : float
        Variance reduction of what is left of the data, and of the residuals, without their noise.
    """
    near = result.nearest < rupture_length(result.magnitude) / 2
    reduction = max(result.variance_reduction, beyond_noise)
    return reduction >= (WELL if near else EXPLAINED) and result.variance_reduction >= LEAST


def rupture_length(magnitude: float) -> float:
    """Length (km) of ruptures of a magnitude (Wells & Coppersmith 1994, table 2A)."""
    return float(10 ** (0.59 * magnitude - 2.44))


def _rupture_warning(result: Result) -> list[str]:
    nearest, length = result.nearest, rupture_length(result.magnitude)
    if nearest >= length / 2:
        return []
    return [
        f"warning: a station lies {nearest:.0f} km from a centroid; ruptures of this size are about "
        f"{length:.0f} km long (Wells & Coppersmith 1994), which no point describes from so near; "
        "leave near stations out, or try several subevents or a line"
    ]


def uncertainty_words(result: Result) -> str:
    """Where the uncertainty comes from."""
    if result.errors == "none" and result.station_count < FEWEST:
        return (
            f"no uncertainty is stated: {result.station_count} stations are too few to disagree; "
            f"it takes {FEWEST}"
        )
    if result.errors == "none":
        return (
            "no uncertainty is stated: the model does not explain the data (variance reduction "
            f"{100 * result.variance_reduction:.0f} %, the nearest station {result.nearest:.0f} km away)"
        )
    words = f"uncertainties (±, one standard deviation): {SOURCES[result.errors]}"
    if result.crusts:
        words += f", with what {result.crusts} other crusts would change"
    if not result.unique:
        words += " and between minima"
    return words


def _tenable(result: Result) -> str:
    count = sum(rival.weight > 0 for rival in result.rivals)
    far = max(rival.distance for rival in result.rivals if rival.weight > 0)
    others = "another minimum fits" if count == 1 else f"{count} other minima fit"
    return f"{others} nearly as well, up to {far:.0f} km away"


def _rival_lines(result: Result) -> list[str]:
    lines = []
    for i, rival in enumerate(result.rivals, 1):
        c = rival.centroids[0]
        probable = f"probability {rival.weight:.2f}" if rival.weight > 0 else "out of the question"
        lines.append(
            f"rival {i}: {' '.join(place(c.latitude, c.longitude))}, {c.depth:.0f} km deep, {c.time:+.1f} s, "
            f"Mw {c.magnitude:.2f}, {rival.distance:.0f} km away, "
            f"variance reduction {100 * rival.variance_reduction:.1f} %, {probable}"
        )
    return lines


def _described(result: Result, i: int) -> list[str]:
    c, sigma, spread = result.centroids[i], result.sigma(i), result.spread(i)
    north, east = place(c.latitude, c.longitude)
    errors = {name: plus_minus(sigma[name]) if name in sigma else " (fixed)" for name in UNITS}
    aside = {
        name: f" (±{sigma[name]:.1f} km)" if np.isfinite(sigma.get(name, np.nan)) else "" for name in sigma
    }
    head = "" if len(result.centroids) == 1 else f"source {i + 1}: "
    elements = "  ".join(f"{name} {value:+.3e}" for name, value in c.spherical.items())
    parts = c.decomposition
    return [
        f"{head}Mw {c.magnitude:.2f}{plus_minus(spread['Mw'], 2)}, M0 {c.moment:.2e} N·m",
        f"  centroid {north}{aside.get('north', '')}, {east}{aside.get('east', '')}, "
        f"depth {c.depth:.1f}{errors['depth']} km",
        f"  centroid time {c.time:+.1f}{errors['time']} s, "
        f"half-duration {c.half_duration:.1f}{errors['duration']} s",
        f"  strike/dip/rake {_plane(c, spread, 0)} and {_plane(c, spread, 1)}",
        f"  {elements}",
        f"  DC {parts['DC']:.0f} %, CLVD {round(parts['CLVD']):+d} %, "
        f"ISO {round(parts['ISO']):+d} %, ε {c.epsilon:.2f}",
    ]


def _plane(c: Centroid, spread: dict[str, float], number: int) -> str:
    angles = "/".join(f"{angle:.0f}" for angle in c.planes[number])
    errors = [spread[f"{name}{number + 1}"] for name in ("strike", "dip", "rake")]
    if not np.isfinite(errors).all():
        return angles
    return f"{angles} (±{'/'.join(f'{error:.0f}' for error in errors)})"
