"""One self-contained HTML page of an inversion: numbers, warnings, stations, traces, rivals, pictures.

All numbers are those of the `Result`; pictures are embedded, so that the page can be sent by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from dislok.store import write_text

from .. import page
from .data import COMPONENTS
from .fit import Fit
from .maps import by_station
from .records import local
from .result import Result
from .summary import place, uncertainty_words

CAPTIONS = {
    "mechanism": "Mechanism",
    "source_type": "Source type",
    "stations": "Stations, start and centroid",
    "waveforms": "All traces: data dark, prediction red; peak and percent explained",
    "depth": "Misfit along depth",
    "position": "Misfit over the map",
    "bootstrap": "Solutions for stations drawn with replacement",
}
"""Pictures by name, in the order of the page."""


def html(result: Result, pictures: Mapping[str, Path] | None = None, notes: Sequence[str] = ()) -> str:
    """The page as text.

    Parameters
    ----------
    result : Result
    pictures : mapping of str to Path, optional
        PNG files by name; those in `CAPTIONS` have their places, others follow.
    notes : sequence of str, optional
        Further lines, say the spread of a bootstrap.
    """
    shown = {name: page.picture(Path(path)) for name, path in (pictures or {}).items()}
    names = [*CAPTIONS, *(name for name in shown if _kind(name) not in CAPTIONS)]
    figures = [
        f"<h2>{escape(CAPTIONS.get(name, name))}</h2>"
        + "".join(v for k, v in shown.items() if _kind(k) == name)
        for name in names
        if any(_kind(k) == name for k in shown)
    ]
    body = [
        *page.warnings(result.warnings),
        *_solutions(result),
        f"<p>{escape(uncertainty_words(result))}</p>",
        *(f"<p>{escape(line)}</p>" for line in (*notes, *result.notes)),
        "<h2>Fit</h2>",
        _fits(result),
        "<h2>Rivals</h2>",
        _rivals(result),
        "<h2>Left out</h2>",
        _left_out(result),
        *figures,
        "<h2>Stations</h2>",
        *(_stations(fit, result) for fit in result.fits),
    ]
    what = f"Centroid moment tensor ({result.constraint.replace('_', ' ')}, {result.stf})"
    return page.page(result.event, what, body)


def write(
    result: Result, path: str | Path, pictures: Mapping[str, Path] | None = None, notes: Sequence[str] = ()
) -> None:
    """Write the page; see `html`."""
    write_text(Path(path), html(result, pictures, notes))


def _kind(name: str) -> str:
    """What a picture shows: "waveforms-2" shows waveforms."""
    return name.split("-")[0]


def _solutions(result: Result) -> list[str]:
    tables = []
    for i, c in enumerate(result.centroids):
        sigma, spread = result.sigma(i), result.spread(i)
        north, east = place(c.latitude, c.longitude)
        rows = [
            ("Mw", f"{c.magnitude:.2f}", _error(spread["Mw"], 2)),
            ("latitude", north, _error(sigma.get("north"), 1, " km")),
            ("longitude", east, _error(sigma.get("east"), 1, " km")),
            ("depth (km)", f"{c.depth:.1f}", _error(sigma.get("depth"), 1)),
            ("centroid time (s)", f"{c.time:+.1f}", _error(sigma.get("time"), 1)),
            ("centroid time (UTC)", result.utc(i).strftime("%Y-%m-%d %H:%M:%S"), ""),
            ("half-duration (s)", f"{c.half_duration:.1f}", _error(sigma.get("duration"), 1)),
        ]
        for number, plane in enumerate(c.planes, 1):
            errors = [_error(spread[f"{name}{number}"], 0) for name in ("strike", "dip", "rake")]
            angles = " / ".join(f"{angle:.0f}°" for angle in plane)
            rows.append((f"plane {number}: strike / dip / rake", angles, " / ".join(errors).strip(" /")))
        rows += [(name, f"{value:+.3e} N·m", "") for name, value in c.spherical.items()]
        rows += [(name, f"{value:.0f} %", "") for name, value in c.decomposition.items()]
        title = "Solution" if len(result.centroids) == 1 else f"Source {i + 1}"
        tables += [f"<h2>{title}</h2>", page.table(("", "value", "± 1 σ"), rows)]
    return tables


def _error(value: float | None, digits: int, unit: str = "") -> str:
    if value is None:
        return "held"
    return f"{value:.{digits}f}{unit}" if np.isfinite(value) else ""


def _fits(result: Result) -> str:
    rows = [
        (fit.name, fit.kind, str(_used(fit).sum()), f"{100 * fit.variance_reduction:.1f} %")
        for fit in result.fits
    ]
    whole = [("all", "", str(result.station_count), f"{100 * result.variance_reduction:.1f} %")]
    note = (
        '<p class="quiet">Variance reduction: 1 minus squared residual over squared data of all filtered '
        "samples that were fitted, without weights; of several data sets the mean.</p>"
    )
    return page.table(("data", "kind", "stations", "variance reduction"), rows + whole) + note


def _used(fit: Fit) -> np.ndarray:
    return np.asarray(fit.mask.reshape(len(fit.station), -1).any(axis=1))


def _rivals(result: Result) -> str:
    if not result.rivals:
        return "<p>No other minimum was found.</p>"
    c = result.centroids[0]
    rows = [_rival("best", c, 0.0, result.variance_reduction, "")]
    for i, rival in enumerate(result.rivals, 1):
        probable = f"{rival.weight:.2f}" if rival.weight > 0 else "out of the question"
        rows.append(_rival(str(i), rival.centroids[0], rival.distance, rival.variance_reduction, probable))
    words = "The solution is not unique." if not result.unique else "None of these is nearly as good."
    head = (
        "",
        "latitude",
        "longitude",
        "depth",
        "time",
        "Mw",
        "plane",
        "distance",
        "variance reduction",
        "probability",
    )
    return f"<p>{words}</p>" + page.table(head, rows)


def _rival(name: str, c: object, distance: float, reduction: float, probable: str) -> tuple[str, ...]:
    from .result import Centroid

    assert isinstance(c, Centroid)
    plane = "/".join(f"{angle:.0f}" for angle in c.planes[0])
    numbers = (f"{c.depth:.0f} km", f"{c.time:+.1f} s", f"{c.magnitude:.2f}", plane, f"{distance:.0f} km")
    return (name, *place(c.latitude, c.longitude), *numbers, f"{100 * reduction:.1f} %", probable)


def _left_out(result: Result) -> str:
    if not result.dropped:
        return "<p>Nothing.</p>"
    items = "".join(f'<li class="out">{escape(line)}</li>' for line in result.dropped)
    return f"<ul>{items}</ul>"


def _stations(fit: Fit, result: Result) -> str:
    c = result.centroids[0]
    x, y = local(fit.latitude, fit.longitude, c.latitude, c.longitude)
    distance, azimuth, whole = np.hypot(x, y), np.rad2deg(np.arctan2(x, y)) % 360, by_station(fit)
    rows = []
    for i in np.argsort(distance, kind="stable"):
        traces = [f"{100 * v:.0f} %" if np.isfinite(v) else "–" for v in fit.by_trace[i]]
        total = f"{100 * whole[i]:.0f} %" if _used(fit)[i] else "left out"
        where = place(float(fit.latitude[i]), float(fit.longitude[i]))
        rows.append(
            (str(fit.station[i]), *where, f"{distance[i]:.0f} km", f"{azimuth[i]:.0f}°", *traces, total)
        )
    head = ("station", "latitude", "longitude", "distance", "azimuth", *COMPONENTS, "all")
    return f"<h3>{escape(fit.name)}</h3>" + page.table(head, rows)
