"""Pictures of a slip inversion: `slip_map`, `slip_section`, `fit_map`, `data_map` and `choice`.

Matplotlib is imported when a picture is drawn: ``pip install "dislok[plot]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from .. import plot as pictures
from ..fits import Fit, unit_of
from ..mesh.patches import Patches
from ..mesh.plot import draw_patches, figure_of, section, with_unit
from .choice import Choice
from .result import SlipResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_RESULT = {"result": gates.instance(SlipResult), "title": gates.text()}
_RADIUS = gates.optional(gates.number(above=0))
_NAME = gates.optional(gates.text())
_WORDS = {
    "abic": "ABIC",
    "evidence": "-2 log evidence",
    "cv": "squared normalised prediction error",
    "lcurve": "negative curvature",
}


@gates.gate(**_RESULT, radius=_RADIUS)
def slip_map(result: SlipResult, *, radius: float | None = None, title: str = "") -> Figure:
    """Size of the slip from above, with arrows along its horizontal direction (hanging wall).

    Parameters
    ----------
    result : SlipResult
        An inversion.
    radius : float, optional
        Half-width of the map around the faults; by default what holds them.
    title : str
        Heading.
    """
    figure, axes = figure_of((6.4, 5.8))
    drawn = _draw_slip(axes, result)
    for patches, slip in zip(result.patches, result.slip, strict=True):
        _draw_directions(axes, patches, slip, _largest(result))
    _dress(axes, result, radius)
    figure.colorbar(drawn, ax=axes, label="slip (m)", shrink=0.85)
    return _titled(figure, title)


@gates.gate(**_RESULT, what=gates.text())
def slip_section(result: SlipResult, *, what: str = "slip", title: str = "") -> Figure:
    """Every fault seen from its hanging wall, distance along strike and depth, with the direction of slip.

    Parameters
    ----------
    result : SlipResult
        An inversion.
    what : "slip", "sigma" or "restoration"
        What colours the patches: the size of the slip, its standard deviation, or the diagonal of the
        resolution.
    title : str
        Heading.
    """
    values, label = _chosen(result, what)
    count = len(result.patches)
    figure, axes = figure_of((8.5, 3.4 * count), count, squeeze=False)
    top = max(float(v.max()) for v in values)
    drawn: Any = None
    for panel, patches, slip, own in zip(axes[:, 0], result.patches, result.slip, values, strict=True):
        outlines = section(patches)
        drawn = draw_patches(panel, outlines, own, vmin=0.0, vmax=max(top, 1e-300))
        if what == "slip":
            _draw_rakes(panel, outlines, slip, _largest(result))
        unit = unit_of("x", result.length_unit)
        panel.set(xlabel=with_unit("distance along strike", unit), ylabel=with_unit("depth", unit))
        panel.set_aspect("equal")
        panel.invert_yaxis()
    figure.colorbar(drawn, ax=list(axes[:, 0]), label=label, shrink=0.85)
    return _titled(figure, title)


@gates.gate(**_RESULT, name=_NAME, radius=_RADIUS)
def fit_map(
    result: SlipResult, *, name: str | None = None, radius: float | None = None, title: str = ""
) -> Figure:
    """Map of measured and predicted GNSS offsets over the slip.

    Parameters
    ----------
    result : SlipResult
        An inversion of GNSS data.
    name : str, optional
        Which data set; the first of GNSS by default.
    radius, title
        As of `slip_map`.
    """
    fit = _gnss(result, name)
    observed, predicted = (pictures._enu(fit, values) for values in (fit.observed, fit.predicted))
    figure, axes = figure_of((12.0, 5.8), 1, 2)
    drawn: Any = None
    for panel, parts, what in zip(axes, ([0, 1], [2]), ("horizontal", "vertical"), strict=True):
        drawn = _draw_slip(panel, result, alpha=0.75)
        centre, reach = _dress(panel, result, radius)
        near = (np.abs(fit.xy - centre) < reach).all(axis=1)
        if observed[near][:, parts].any():
            for values, tint in ((observed, pictures.OBSERVED), (predicted, pictures.PREDICTED)):
                arrows = values[near][:, parts]
                pictures._draw_arrows(panel, fit.xy[near], arrows, tint, observed[near][:, parts], reach)
        panel.set_title(what, fontsize=11)
    pictures._arrow_legend(axes[0])
    figure.colorbar(drawn, ax=list(axes), label="slip (m)", shrink=0.85)
    return _titled(figure, title)


@gates.gate(**_RESULT, name=_NAME)
def data_map(result: SlipResult, *, name: str | None = None, title: str = "") -> Figure:
    """Data, prediction and residual of line-of-sight displacement or pixel offsets, one row for each column.

    Means over the cells of a quadtree are drawn as cells.

    Parameters
    ----------
    result : SlipResult
        An inversion of such data.
    name : str, optional
        Which data set; the first that is not GNSS by default.
    title : str
        Heading.
    """
    fit = _pixels(result, name)
    rows = len(fit.labels)
    figure, axes = figure_of((12.0, 4.2 * rows), rows, 3, squeeze=False, sharex=True, sharey=True)
    unit = unit_of("x", result.length_unit)
    for row, label in enumerate(fit.labels):
        limit = float(np.nanquantile(np.abs(fit.observed[:, row]), 0.995))
        drawn: Any = None
        for panel, what in zip(axes[row], ("observed", "predicted", "residual"), strict=True):
            drawn = pictures.draw_values(panel, fit, getattr(fit, what)[:, row], limit)
            panel.set(title=f"{what} {label}", xlabel=with_unit("east", unit), aspect="equal")
        axes[row, 0].set_ylabel(with_unit("north", unit))
        figure.colorbar(drawn, ax=list(axes[row]), label=f"{fit.name} (m)", shrink=0.85)
    return _titled(figure, title)


@gates.gate(chosen=gates.instance(Choice), title=gates.text())
def choice(chosen: Choice, *, title: str = "") -> Figure:
    """What the smoothing was chosen from: the score, and the L-curve."""
    figure, (left, right) = figure_of((10.0, 4.2), 1, 2)
    left.plot(chosen.values, chosen.score, "o-", color=pictures.FAULT, ms=4)
    left.axvline(chosen.best, color=pictures.PREDICTED, lw=1.2)
    left.set(xscale="log", xlabel="smoothing", ylabel=_WORDS[chosen.method])
    right.plot(chosen.roughness, chosen.misfit, "o-", color=pictures.FAULT, ms=4)
    at = np.interp(np.log(chosen.best), np.log(chosen.values), np.arange(len(chosen.values)))
    index = np.arange(len(chosen.values))
    place = [np.exp(np.interp(at, index, np.log(v))) for v in (chosen.roughness, chosen.misfit)]
    right.plot(*place, "o", ms=10, mfc="none", mec=pictures.PREDICTED, mew=1.6)
    right.set(xscale="log", yscale="log", xlabel="roughness", ylabel="misfit (chi-square)")
    return _titled(figure, title)


def _draw_slip(axes: Axes, result: SlipResult, **options: Any) -> Any:
    drawn: Any = None
    for patches, slip in zip(result.patches, result.slip, strict=True):
        size = np.linalg.norm(slip[:, :2], axis=1)
        drawn = draw_patches(axes, patches.outlines[..., :2], size, vmin=0.0, vmax=_largest(result))
        drawn.set(zorder=1, **options)
    return drawn


def _draw_directions(axes: Axes, patches: Patches, slip: Array, largest: float) -> None:
    """Arrows along the horizontal slip of the hanging wall, on patches that slip enough to see."""
    seen = np.linalg.norm(slip[:, :2], axis=1) > 0.15 * largest
    vectors = np.einsum("ma,mac->mc", slip[:, :2], patches.frame[:, :2])[:, :2]
    _arrows(axes, patches.centroids[seen, :2], vectors[seen], largest, np.sqrt(patches.areas.mean()))


def _draw_rakes(axes: Axes, outlines: Array, slip: Array, largest: float) -> None:
    """Arrows along the slip of the hanging wall in the plane of the section; up is towards less depth."""
    seen = np.linalg.norm(slip[:, :2], axis=1) > 0.15 * largest
    side = np.sqrt(np.ptp(outlines[..., 0], axis=1).mean() * np.ptp(outlines[..., 1], axis=1).mean())
    vectors = slip[seen, :2] * np.array([1.0, -1.0])
    _arrows(axes, outlines[seen].mean(axis=1), vectors, largest, side)


def _arrows(axes: Axes, places: Array, vectors: Array, largest: float, side: float) -> None:
    scale = 1.5 * side / largest
    axes.quiver(
        *places.T, *(scale * vectors).T, angles="xy", scale_units="xy", scale=1, pivot="mid", units="xy",
        width=0.08 * side, headwidth=4, headlength=4, headaxislength=3.5, color=pictures.OBSERVED, zorder=4,
    )  # fmt: skip


def _largest(result: SlipResult) -> float:
    return max(*(float(np.linalg.norm(s[:, :2], axis=1).max()) for s in result.slip), 1e-300)


def _dress(axes: Axes, result: SlipResult, radius: float | None) -> tuple[Array, float]:
    corners = np.concatenate([patches.outlines[..., :2].reshape(-1, 2) for patches in result.patches])
    low, high = corners.min(axis=0), corners.max(axis=0)
    centre, reach = (low + high) / 2, float(radius or 0.6 * (high - low).max())
    unit = unit_of("x", result.length_unit)
    axes.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach))
    axes.set(xlabel=with_unit("east", unit), ylabel=with_unit("north", unit), aspect="equal")
    return centre, reach


def _chosen(result: SlipResult, what: str) -> tuple[list[Array], str]:
    if what == "slip":
        return [np.linalg.norm(slip[:, :2], axis=1) for slip in result.slip], "slip (m)"
    if what == "sigma":
        return [np.linalg.norm(sigma[:, :2], axis=1) for sigma in result.sigma], "standard deviation (m)"
    if what == "restoration":
        return [part.mean(axis=1) for part in result.restoration], "restoration"
    raise ValueError(f"what must be 'slip', 'sigma' or 'restoration', got {what!r}")


def _gnss(result: SlipResult, name: str | None) -> Fit:
    return _fit_of([fit for fit in result.fits if fit.kind == "gnss"], result, name)


def _pixels(result: SlipResult, name: str | None) -> Fit:
    return _fit_of([fit for fit in result.fits if fit.kind != "gnss"], result, name)


def _fit_of(fits: list[Fit], result: SlipResult, name: str | None) -> Fit:
    fitting = [fit for fit in fits if name in (None, fit.name)]
    if not fitting:
        known = ", ".join(f"{fit.name} ({fit.kind})" for fit in result.fits)
        raise ValueError(f"no such data set named {name!r}; there are {known}")
    return fitting[0]


def _titled(figure: Figure, title: str) -> Figure:
    if title:
        figure.suptitle(title, fontsize=13)
    return figure
