"""Pictures of a centroid moment tensor inversion; each function returns a Matplotlib figure.

Matplotlib is imported when a picture is drawn: ``pip install "dislok[plot]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .beachball import draw
from .data import COMPONENTS
from .drawing import OBSERVED, PREDICTED, QUIET, SOURCE, drawn_tensors, subplots, titled
from .filters import Array
from .fit import Fit
from .hypotheses import Profile
from .lune import lune, source_type
from .maps import station_map
from .problem import Problem
from .records import local
from .resample import Ensemble
from .result import Result, centroids
from .solve import Scan
from .summary import place, plus_minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["depth", "lune", "mechanism", "position", "resampled", "source_type", "station_map", "waveforms"]


def mechanism(result: Result, ensemble: Ensemble | None = None, *, title: str = "") -> Figure:
    """Beachballs of all sources with their uncertainty, and the numbers beside them.

    Parameters
    ----------
    result : Result
    ensemble : Ensemble, optional
        Bootstrap solutions to shade the beachballs with, instead of draws from the normal posterior.
    title : str
        Heading.
    """
    n = len(result.centroids)
    figure, axes = subplots(n, 2, (9.0, 3.9 * n), squeeze=False, gridspec_kw={"width_ratios": [1, 1.5]})
    for i in range(n):
        drawn = drawn_tensors(result, ensemble, i)
        ball, words = axes[i]
        draw(ball, result.centroids[i].tensor, drawn, colour=PREDICTED)
        _bare(ball, 1.12)
        words.axis("off")
        words.text(0.0, 0.5, _words(result, i), va="center", fontsize=10, family="monospace", linespacing=1.5)
    return titled(figure, title or f"{result.event}, Mw {result.magnitude:.2f}")


def waveforms(result: Result, *, name: str | None = None, most: int | None = None, title: str = "") -> Figure:
    """Data (dark) and prediction (red) of the stations nearest to the centroid, every fitted component.

    Parameters
    ----------
    result : Result
    name : str, optional
        Which data set; the first with waveforms by default.
    most : int, optional
        Stations at most; all by default.
    title : str
        Heading.
    """
    fit = _chosen(result, name)
    components = [c for c in range(3) if fit.mask[:, c].any()]
    used = np.flatnonzero(fit.mask.reshape(len(fit.station), -1).any(axis=1))
    centroid = result.centroids[0]
    x, y = local(fit.latitude, fit.longitude, centroid.latitude, centroid.longitude)
    distance, azimuth = np.hypot(x, y), np.rad2deg(np.arctan2(x, y)) % 360
    rows = used[np.argsort(distance[used], kind="stable")][:most]
    figure, axes = subplots(
        len(rows), len(components), (4.6 * len(components), 0.62 * len(rows) + 1.1), squeeze=False,
        sharex=True,
        gridspec_kw={"hspace": 0.0},
    )  # fmt: skip
    for row, i in zip(axes, rows, strict=True):
        reach = 1.1 * max(np.abs(np.where(fit.mask[i], fit.observed[i], 0.0)).max(), np.finfo(float).tiny)
        for panel, c in zip(row, components, strict=True):
            _trace(panel, fit, int(i), c, reach)
        row[0].set_ylabel(
            f"{fit.station[i]}\n{distance[i]:.0f} km {azimuth[i]:.0f}°",
            rotation=0,
            ha="right",
            va="center",
            fontsize=7,
        )
    for panel, c in zip(axes[0], components, strict=True):
        panel.set_title({"E": "east", "N": "north", "U": "up"}[COMPONENTS[c]], fontsize=11)
    for panel in axes[-1]:
        panel.set_xlabel("time after the origin time (s)")
        panel.tick_params(labelbottom=True, bottom=True)
    return titled(figure, title or f"{result.event}: data, and prediction in red; peak and percent explained")


def depth(profile: Profile, problem: Problem, *, title: str = "") -> Figure:
    """Misfit along depth with the beachball at each."""
    figure, axes = subplots(1, 1, (8.4, 4.6))
    fall = 100 * (profile.misfit / _positive(profile.misfit.min()) - 1)
    axes.plot(profile.depth, fall, "-", color=SOURCE, lw=1.4, zorder=2)
    span = float(np.ptp(profile.depth)) or 1.0
    height = max(float(np.ptp(fall)), 1.0)
    margin = 0.06 * span
    axes.set_xlim(profile.depth.min() - margin, profile.depth.max() + margin)
    axes.set_ylim(fall.max() + 0.18 * height, fall.min() - 0.22 * height)
    best = int(np.argmin(profile.misfit))
    for i, sources in enumerate(profile.sources):
        tensor = centroids(problem, sources)[0].tensor
        _inset_ball(axes, float(profile.depth[i]), float(fall[i]), tensor, PREDICTED if i == best else SOURCE)
    axes.set(xlabel="depth (km)", ylabel="weighted misfit above the best (%)")
    return titled(figure, title or "Fit along depth; position, time and tensor solved anew at each")


def position(table: Scan, *, title: str = "") -> Figure:
    """Misfit over the map at the best depth and time."""
    figure, axes = subplots(1, 1, (6.6, 5.4))
    i, j, k, m = np.unravel_index(int(np.argmin(table.misfit)), table.misfit.shape)
    fall = 100 * (table.misfit[:, :, k, m].T / _positive(table.misfit.min()) - 1)
    shades = axes.contourf(table.east, table.north, fall, levels=14, cmap="YlGnBu_r")
    axes.contour(table.east, table.north, fall, levels=14, colors="white", linewidths=0.4)
    axes.plot(table.east[i], table.north[j], "o", mfc=PREDICTED, mec="white", ms=9)
    figure.colorbar(shades, ax=axes, label="weighted misfit above the best (%)")
    axes.set_aspect("equal")
    axes.set(xlabel="east of the hypocentre (km)", ylabel="north of the hypocentre (km)")
    return titled(
        figure, title or f"Fit over the map, {table.depth[k]:.1f} km deep, at {table.time[m]:.1f} s"
    )


def resampled(ensemble: Ensemble, result: Result, *, title: str = "") -> Figure:
    """Spread of the solutions of a bootstrap: map, depth against time, magnitude against depth."""
    figure, panels = subplots(1, 3, (12.0, 4.0))
    best, table = result.centroids[0], ensemble.table()
    x, y = local(table["latitude"], table["longitude"], best.latitude, best.longitude)
    pairs = (
        (x, y, "east of the centroid (km)", "north of the centroid (km)", (0.0, 0.0)),
        (table["time"], table["depth"], "centroid time (s)", "depth (km)", (best.time, best.depth)),
        (table["depth"], table["magnitude"], "depth (km)", "Mw", (best.depth, best.magnitude)),
    )
    for panel, (a, b, across, upwards, middle) in zip(panels, pairs, strict=True):
        panel.plot(a, b, "o", ms=3.5, mew=0, alpha=0.4, color=SOURCE)
        panel.plot(*middle, "+", ms=13, mew=2, color=PREDICTED)
        panel.set(xlabel=across, ylabel=upwards)
    panels[0].axis("equal")
    panels[1].invert_yaxis()
    return titled(figure, title or f"{result.event}: {len(ensemble.labels)} solutions for other stations")


def _positive(value: float) -> float:
    return max(float(value), np.finfo(float).tiny)


def _bare(axes: Axes, reach: float) -> None:
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.axis("off")


def _words(result: Result, i: int) -> str:
    c, sigma, spread = result.centroids[i], result.sigma(i), result.spread(i)
    parts = c.decomposition
    north, east = place(c.latitude, c.longitude)

    def error(name: str) -> str:
        return plus_minus(sigma.get(name, np.nan)) if name in sigma else " (fixed)"

    lines = [
        f"Mw        {c.magnitude:.2f}{plus_minus(spread['Mw'], 2)}",
        f"latitude  {north}{error('north')} km",
        f"longitude {east}{error('east')} km",
        f"depth     {c.depth:.1f}{error('depth')} km",
        f"time      {c.time:+.1f}{error('time')} s",
        f"half-dur. {c.half_duration:.1f} s",
        *(f"plane {n}   {s:.0f}° / {d:.0f}° / {r:.0f}°" for n, (s, d, r) in enumerate(c.planes, start=1)),
        f"DC {parts['DC']:.0f} %  CLVD {round(parts['CLVD']):+d} %  ISO {round(parts['ISO']):+d} %",
        f"variance reduction {100 * result.variance_reduction:.1f} %",
    ]
    return "\n".join(lines)


def _chosen(result: Result, name: str | None) -> Fit:
    found = [fit for fit in result.fits if fit.times.size and name in (None, fit.name)]
    if not found:
        known = ", ".join(f"{fit.name} ({fit.kind})" for fit in result.fits)
        raise ValueError(f"no waveforms named {name!r}; there are {known}")
    return found[0]


def _trace(panel: Axes, fit: Fit, i: int, c: int, reach: float) -> None:
    used = fit.mask[i, c]
    panel.set_ylim(-reach, reach)
    panel.set_yticks([])
    panel.tick_params(labelbottom=False, bottom=False)
    for side in ("top", "bottom", "left", "right"):
        panel.spines[side].set_visible(False)
    panel.axhline(0, color="#e3e7ec", lw=0.6, zorder=0)
    if not used.any():
        panel.text(0.02, 0.5, "not used", transform=panel.transAxes, fontsize=6, color=QUIET, va="center")
        return
    panel.plot(fit.times, np.where(used, fit.observed[i, c], np.nan), color=OBSERVED, lw=1.1)
    panel.plot(fit.times, np.where(used, fit.predicted[i, c], np.nan), color=PREDICTED, lw=1.0)
    peak = np.abs(fit.observed[i, c][used]).max()
    label = f"{_size(peak, fit.kind)}\n{100 * fit.by_trace[i, c]:.0f} %"
    panel.text(1.005, 0.5, label, transform=panel.transAxes, fontsize=6, color=QUIET, ha="left", va="center")


def _size(peak: float, kind: str) -> str:
    unit = {"displacement": "m", "velocity": "m/s", "acceleration": "m/s²"}[kind]
    return f"{1000 * peak:.0f} m{unit}" if peak < 1 else f"{peak:.2f} {unit}"


def _inset_ball(axes: Axes, x: float, y: float, tensor: Array, colour: str) -> None:
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    across, upwards = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
    inset = axes.inset_axes((across - 0.0425, upwards - 0.075, 0.085, 0.15))
    draw(inset, tensor, colour=colour)
    _bare(inset, 1.05)
