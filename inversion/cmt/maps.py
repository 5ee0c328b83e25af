"""The map of an inversion: stations and how they are fitted, those left out, start, rivals and centroid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import coast
from .beachball import draw
from .drawing import OBSERVED, PREDICTED, QUIET, subplots, titled
from .filters import Array
from .fit import Fit
from .result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def station_map(result: Result, *, title: str = "") -> Figure:
    """Stations in latitude and longitude, coloured by how well they are fitted; those left out as crosses.

    The point where the search began (star), rival minima (rings), the centroids (dots) with their beachballs.
    """
    figure, axes = subplots(1, 1, (9.4, 7.0))
    points, places = None, [np.array([result.origin[::-1]])]
    for fit, marker in zip(result.fits, "^vso" * len(result.fits), strict=False):
        used = np.asarray(fit.mask.reshape(len(fit.station), -1).any(axis=1))
        shade = 100 * by_station(fit)[used]
        x, y = _near(result, fit.longitude), fit.latitude
        places.append(np.stack([x, y], axis=1))
        points = axes.scatter(
            x[used], y[used], c=shade, cmap="RdYlBu", vmin=0, vmax=100, marker=marker, s=46,
            edgecolor=OBSERVED, lw=0.6, zorder=3,
        )  # fmt: skip
        axes.plot(x[~used], y[~used], "x", color="#b3261e", ms=7, mew=1.8, zorder=3)
        for name, a, b, good in zip(fit.station, x, y, used, strict=True):
            axes.annotate(
                str(name), (a, b), xytext=(4, 4), textcoords="offset points", fontsize=6,
                color=QUIET if good else "#b3261e",
            )  # fmt: skip
    assert points is not None
    figure.colorbar(points, ax=axes, shrink=0.8, label="variance reduction of the station (%)")
    for rival in result.rivals:
        for c in rival.centroids:
            axes.plot(
                _near(result, c.longitude),
                c.latitude,
                "o",
                ms=9,
                mfc="none",
                mec="#7a5195",
                mew=1.4,
                zorder=4,
            )
    places += [np.array([[_near(result, c.longitude), c.latitude]]) for c in result.centroids]
    _frame(axes, np.concatenate(places))
    _coast(axes)
    _balls(axes, result)
    axes.plot(*result.origin[::-1], "*", ms=15, mfc="white", mec=OBSERVED, mew=1.2, zorder=8)
    axes.set(xlabel="longitude (°)", ylabel="latitude (°)")
    words = "stations (crosses: left out), start (star), centroid (dot)"
    return titled(figure, title or f"{result.event}: {words}" + (", rivals (rings)" if result.rivals else ""))


def _near(result: Result, longitude: Any) -> Any:
    """Longitudes within half a turn of the origin's, so that no map is cut at the date line."""
    origin = result.origin[1]
    return origin + (longitude - origin + 180) % 360 - 180


def by_station(fit: Fit) -> Array:
    """Variance reduction (n,) of all components of each station."""
    flat = (len(fit.station), -1)
    left = np.where(fit.mask, fit.observed - fit.predicted, 0.0).reshape(flat)
    data = np.where(fit.mask, fit.observed, 0.0).reshape(flat)
    return np.asarray(1 - (left**2).sum(1) / np.maximum((data**2).sum(1), np.finfo(float).tiny))


def _frame(axes: Axes, places: Array) -> None:
    """A square of ground that holds all places, on square axes."""
    low, high = places.min(axis=0), places.max(axis=0)
    middle = (low + high) / 2
    narrow = max(np.cos(np.deg2rad(middle[1])), 0.01)
    half = 0.58 * max((high[0] - low[0]) * narrow, high[1] - low[1], 0.05)
    axes.set_xlim(middle[0] - half / narrow, middle[0] + half / narrow)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_box_aspect(1)
    axes.ticklabel_format(useOffset=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{(value + 180) % 360 - 180:.6g}")


def _coast(axes: Axes) -> None:
    """Coast lines within the frame, which stays as it is."""
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    for line in coast.lines(west, east, south, north):
        axes.plot(*line.T, color="#7f93a3", lw=0.8, zorder=1, scalex=False, scaley=False)


def _balls(axes: Axes, result: Result) -> None:
    """Beachballs beside their centroids, joined to them by lines, so that neither hides the start."""
    for i, c in enumerate(result.centroids):
        share = (c.moment / max(other.moment for other in result.centroids)) ** (1 / 3)
        size = 0.13 * share
        place = _near(result, c.longitude), c.latitude
        x, y = axes.transAxes.inverted().transform(axes.transData.transform(place))
        across = x - 0.16 if x > 0.5 else x + 0.16
        upwards = y - 0.12 if y > 0.5 else y + 0.12 + 0.02 * i
        axes.plot([x, across], [y, upwards], transform=axes.transAxes, color=PREDICTED, lw=1.0, zorder=5)
        axes.plot(*place, "o", ms=7, color=PREDICTED, mec="white", zorder=7)
        inset = axes.inset_axes((across - size / 2, upwards - size / 2, size, size), zorder=6)
        draw(inset, c.tensor, colour=PREDICTED)
        inset.set_xlim(-1.05, 1.05)
        inset.set_ylim(-1.05, 1.05)
        inset.set_aspect("equal")
        inset.axis("off")
