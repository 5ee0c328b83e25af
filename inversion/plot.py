"""Pictures of an inversion: `fit_map`, `residuals`, `marginals`, `los`, `offsets`, as Matplotlib figures.

Matplotlib is imported when a picture is drawn: ``pip install "dislok[plot]"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.convert import corners

from .fault.result import Result
from .fault.sample import Samples
from .fits import Fit, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.figure import Figure


_RESULT = {
    "result": gates.instance(Result),
    "name": gates.optional(gates.text()),
    "title": gates.text(),
}

OBSERVED, PREDICTED, FAULT = "#20252b", "#d1495b", "#2a6f97"
COMPONENTS = {"E": "#2a6f97", "N": "#d1495b", "U": "#8a8f98"}


@gates.gate(**_RESULT, radius=gates.optional(gates.number(above=0)))
def fit_map(
    result: Result, *, name: str | None = None, radius: float | None = None, title: str = ""
) -> Figure:
    """Map of measured and predicted GNSS offsets, horizontal and vertical, with the faults.

    Parameters
    ----------
    result : Result
        An inversion of GNSS data.
    name : str, optional
        Which data set; the first of GNSS by default.
    radius : float, optional
        Half-width of the map around the faults, in the result's length unit; by default twice their largest
        side.
    title : str
        Heading.
    """
    fit = _chosen(result, "gnss", name)
    centre, radius = _frame(result, radius)
    near = (np.abs(fit.xy - centre) < radius).all(axis=1)
    observed, predicted = (_enu(fit, values)[near] for values in (fit.observed, fit.predicted))
    panels = {"horizontal": [0, 1], "vertical": [2]}
    shown = {what: parts for what, parts in panels.items() if observed[:, parts].any()} or {
        "horizontal": panels["horizontal"]
    }
    figure, axes = _subplots(1, len(shown), (5.5 * len(shown), 5.8), squeeze=False)
    for panel, (what, parts) in zip(axes[0], shown.items(), strict=True):
        _draw_faults(panel, result)
        for values, colour in ((observed, OBSERVED), (predicted, PREDICTED)):
            _draw_arrows(panel, fit.xy[near], values[:, parts], colour, observed[:, parts], radius)
        panel.scatter(*fit.xy[near].T, s=6, color=OBSERVED, zorder=3, linewidths=0)
        panel.set_title(what, fontsize=11)
        _dress_map(panel, result, centre, radius)
    _arrow_legend(axes[0, 0])
    return _titled(figure, title)


@gates.gate(**_RESULT)
def residuals(result: Result, *, name: str | None = None, title: str = "") -> Figure:
    """Residuals of GNSS offsets.

    As arrows on the map, and over their standard deviation against the distance.
    """
    fit = _chosen(result, "gnss", name)
    figure, (left, right) = _subplots(1, 2, (11.0, 5.2))
    residual = _enu(fit, fit.residual)
    centre = _outline(result).reshape(-1, 3)[:, :2].mean(axis=0)
    reach = 1.08 * float(np.abs(fit.xy - centre).max())
    _draw_faults(left, result)
    _draw_arrows(left, fit.xy, residual[:, :2], OBSERVED, residual[:, :2], 0.6 * reach)
    left.scatter(*fit.xy.T, s=5, color=OBSERVED, zorder=3, linewidths=0)
    _dress_map(left, result, centre, reach)
    left.set_title("horizontal, measured less predicted", fontsize=11)
    distance = np.hypot(*(fit.xy - centre).T)
    for c, label in enumerate(fit.labels):
        scaled = fit.residual[:, c] / fit.sigma[:, c]
        right.plot(distance, scaled, "o", ms=4, mew=0, alpha=0.75, color=COMPONENTS[label], label=label)
    right.axhspan(-2, 2, color="#eceff3", zorder=0)
    right.axhline(0, color="#9aa3ad", lw=0.8, zorder=1)
    right.set_xlabel(f"distance from the middle of the faults ({unit_of('x', result.length_unit)})")
    right.set_ylabel("residual / standard deviation")
    right.set_title("band: two standard deviations", fontsize=11)
    right.margins(y=0.14)
    right.legend(ncols=len(fit.labels), loc="upper right", frameon=False, fontsize=9, columnspacing=1.2)
    return _titled(figure, title)


@gates.gate(
    result=gates.instance(Result),
    samples=gates.optional(gates.instance(Samples)),
    reference=gates.optional(gates.mapping(gates.number())),
    title=gates.text(),
)
def marginals(
    result: Result,
    samples: Samples | None = None,
    *,
    reference: Mapping[str, float] | None = None,
    title: str = "",
) -> Figure:
    """Corner plot of the posterior: draws (filled) and Laplace approximation (lines).

    Parameters
    ----------
    result : Result
        Best values and Laplace covariance.
    samples : Samples, optional
        Draws of the same unknowns.
    reference : mapping of name to value, optional
        Values to mark, say of a published model.
    title : str
        Heading.
    """
    if samples is not None and samples.names != result.names:
        raise ValueError(f"samples of {samples.names} do not belong to a result of {result.names}")
    p = len(result.names)
    figure, axes = _subplots(
        p, p, (1.25 * p + 1.2, 1.25 * p + 0.8), squeeze=False, gridspec_kw={"wspace": 0.08, "hspace": 0.08}
    )
    draws = None if samples is None else _near(samples.flat, result)
    limits = [_limits(result, draws, i, (reference or {}).get(name)) for i, name in enumerate(result.names)]
    for i in range(p):
        for j in range(p):
            panel = axes[i, j]
            if j > i:
                panel.axis("off")
                continue
            if i == j:
                _draw_marginal(panel, result, draws, i, limits[i])
            else:
                _draw_pair(panel, result, draws, j, i, limits)
            _mark(panel, result.names, i, j, reference or {})
            _dress_corner(panel, result, i, j, limits)
    _corner_legend(figure, samples is not None, bool(reference))
    figure.align_labels()
    return _titled(figure, title)


@gates.gate(**_RESULT)
def los(result: Result, *, name: str | None = None, title: str = "") -> Figure:
    """Line-of-sight displacement: data, prediction with nuisance terms, and residual on one colour scale.

    Means over the cells of a quadtree are drawn as cells.
    """
    return _pixels(result, _chosen(result, "los", name), title)


@gates.gate(**_RESULT)
def offsets(result: Result, *, name: str | None = None, title: str = "") -> Figure:
    """Pixel offsets: data, prediction and residual as of `los`, a row for each direction."""
    return _pixels(result, _chosen(result, "offsets", name), title)


def _pixels(result: Result, fit: Fit, title: str) -> Figure:
    rows, unit = len(fit.labels), unit_of("x", result.length_unit)
    figure, axes = _subplots(rows, 3, (12.0, 4.4 * rows), sharex=True, sharey=True, squeeze=False)
    tables = {"data": fit.observed, "prediction": fit.predicted, "residual": fit.residual}
    for row, label in enumerate(fit.labels):
        limit = float(np.nanquantile(np.abs(fit.observed[:, row]), 0.995))
        drawn: Any = None
        for panel, (what, values) in zip(axes[row], tables.items(), strict=True):
            drawn = draw_values(panel, fit, values[:, row], limit)
            _draw_faults(panel, result)
            panel.set_title(what if rows == 1 else f"{what} {label}", fontsize=11)
            panel.set_aspect("equal")
            panel.set_xlabel(f"east ({unit})")
        axes[row, 0].set_ylabel(f"north ({unit})")
        figure.colorbar(drawn, ax=list(axes[row]), shrink=0.85, label=f"{fit.name} (m)")
    return _titled(figure, title)


def draw_values(panel: Axes, fit: Fit, values: Array, limit: float) -> Collection:
    """Values (n,) of a data set in colours between -limit and limit: its cells, or points without."""
    scale = {"cmap": "RdBu_r", "linewidths": 0}
    seen = np.isfinite(values)
    if not len(fit.boxes):
        size = float(np.clip(7e4 / len(fit.xy), 1.5, 60.0))
        return panel.scatter(
            *fit.xy[seen].T, c=values[seen], s=size, marker="s", vmin=-limit, vmax=limit, **scale
        )
    from matplotlib.collections import PolyCollection

    corners = fit.boxes[seen][:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    drawn = PolyCollection(list(corners), array=values[seen], antialiased=False, **scale)
    drawn.set_clim(-limit, limit)
    panel.add_collection(drawn)
    panel.autoscale_view()
    return drawn


def _subplots(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "dislok[plot]"') from error
    return plt.subplots(rows, columns, figsize=size, layout="constrained", **options)


def _titled(figure: Figure, title: str) -> Figure:
    if title:
        figure.suptitle(title, fontsize=13)
    return figure


def _chosen(result: Result, kind: str, name: str | None) -> Fit:
    fits = [fit for fit in result.fits if fit.kind == kind and name in (None, fit.name)]
    if not fits:
        known = ", ".join(f"{fit.name} ({fit.kind})" for fit in result.fits)
        raise ValueError(f"no data set of kind {kind!r} named {name!r}; there are {known}")
    return fits[0]


def _enu(fit: Fit, values: Array) -> Array:
    """Values (n, c) as east, north, up (n, 3), zero where a component was not measured."""
    table = np.zeros((len(values), 3))
    for c, label in enumerate(fit.labels):
        table[:, "ENU".index(label)] = np.nan_to_num(values[:, c])
    return table


def _outline(result: Result) -> Array:
    return np.asarray(corners(result.faults), np.float64)


def _frame(result: Result, radius: float | None) -> tuple[Array, float]:
    outline = _outline(result)[..., :2].reshape(-1, 2)
    sides = result.parameters[:, 3:5]
    return outline.mean(axis=0), float(radius or 2.0 * sides.max())


def _draw_faults(panel: Axes, result: Result) -> None:
    for quad in _outline(result)[..., :2]:
        panel.fill(*quad.T, facecolor=FAULT, alpha=0.18, edgecolor=FAULT, lw=0.8, zorder=1)
        panel.plot(*quad[:2].T, color=FAULT, lw=2.4, solid_capstyle="round", zorder=2)


def _draw_arrows(panel: Axes, xy: Array, arrows: Array, colour: str, measured: Array, radius: float) -> None:
    """Horizontal arrows (n, 2) or upright ones (n, 1), to a scale that suits the largest measured ones."""
    sizes = [np.linalg.norm(each, axis=-1) for each in (measured, arrows)]
    large = next((x for size in sizes if len(size) and (x := float(np.quantile(size, 0.98))) > 0.0), 0.0)
    if not large:
        return
    scale = 0.30 * radius / large
    east = arrows[:, 0] if arrows.shape[1] == 2 else np.zeros(len(arrows))
    width = 0.0042 if colour == OBSERVED else 0.0024
    quiver = panel.quiver(
        *xy.T, scale * east, scale * arrows[:, -1], angles="xy", scale_units="xy", scale=1, color=colour,
        width=width, headwidth=4, headlength=5, headaxislength=4.5, zorder=4,
    )  # fmt: skip
    if colour == OBSERVED:
        key = _round_below(large)
        panel.quiverkey(quiver, 0.86, 1.03, scale * key, _length_label(key), labelpos="W", coordinates="axes")


def _arrow_legend(panel: Axes) -> None:
    from matplotlib.lines import Line2D

    pairs = ((OBSERVED, "measured"), (PREDICTED, "predicted"))
    handles = [Line2D([], [], color=colour, lw=2, label=label) for colour, label in pairs]
    panel.legend(
        handles=handles, loc="lower left", frameon=True, framealpha=0.9, edgecolor="none", fontsize=9
    )


def _round_below(value: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is not above a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step for step in (1.0, 2.0, 5.0) if step * power <= value * (1 + 1e-12)) * power)


def _length_label(metres: float) -> str:
    return (
        f"{metres:g} m"
        if metres >= 0.1
        else f"{100 * metres:g} cm"
        if metres >= 0.01
        else f"{1000 * metres:g} mm"
    )


def _dress_map(panel: Axes, result: Result, centre: Array, radius: float) -> None:
    unit = unit_of("x", result.length_unit)
    panel.set_xlim(centre[0] - radius, centre[0] + radius)
    panel.set_ylim(centre[1] - radius, centre[1] + radius)
    panel.set_aspect("equal")
    panel.set_xlabel(f"east ({unit})")
    panel.set_ylabel(f"north ({unit})")


def _near(flat: Array, result: Result) -> Array:
    """Draws with angles brought to the turn of the best value."""
    draws = flat.copy()
    for i, name in enumerate(result.names):
        if name.split("_")[0] in ("strike", "rake"):
            draws[:, i] -= 360 * np.round((draws[:, i] - result.values[i]) / 360)
    return draws


def _limits(result: Result, draws: Array | None, i: int, reference: float | None) -> tuple[float, float]:
    value, sigma = result.values[i], np.nan_to_num(result.sigma[i])
    low, high = value - 3.2 * sigma, value + 3.2 * sigma
    if draws is not None:
        low, high = value - 2.2 * sigma, value + 2.2 * sigma
        inner = np.quantile(draws[:, i], [0.004, 0.996])
        low, high = min(low, inner[0]), max(high, inner[1])
    if reference is not None and abs(reference - value) < 6 * sigma:
        low, high = min(low, reference - 0.5 * sigma), max(high, reference + 0.5 * sigma)
    low, high = min(low, value), max(high, value)
    low, high = max(low, result.lower[i]), min(high, result.upper[i])
    return (low, high) if high > low else (value - 1.0, value + 1.0)


def _draw_marginal(
    panel: Axes, result: Result, draws: Array | None, i: int, limits: tuple[float, float]
) -> None:
    if draws is not None:
        panel.hist(draws[:, i], bins=32, range=limits, density=True, color=FAULT, alpha=0.35, lw=0)
    sigma = result.sigma[i]
    if np.isfinite(sigma):
        x = np.linspace(*limits, 200)
        panel.plot(
            x,
            np.exp(-0.5 * ((x - result.values[i]) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)),
            color=OBSERVED,
            lw=1.1,
        )
    else:
        panel.axvline(result.values[i], color=OBSERVED, lw=1.1)
    panel.set_ylim(bottom=0)


def _draw_pair(
    panel: Axes, result: Result, draws: Array | None, j: int, i: int, limits: list[tuple[float, float]]
) -> None:
    if draws is not None:
        bins = int(np.clip(0.6 * np.sqrt(len(draws)), 10, 40))
        counts, x, y = np.histogram2d(draws[:, j], draws[:, i], bins=bins, range=[limits[j], limits[i]])
        panel.pcolormesh(
            x,
            y,
            np.where(counts > 0, counts, np.nan).T,
            cmap="Blues",
            vmin=-0.25 * counts.max(),
            rasterized=True,
        )
    block = result.covariance[np.ix_([j, i], [j, i])]
    if np.isfinite(block).all():
        angle = np.linspace(0, 2 * np.pi, 120)
        circle = np.linalg.cholesky(block) @ np.stack([np.cos(angle), np.sin(angle)])
        for radius in (1, 2):
            panel.plot(
                result.values[j] + radius * circle[0],
                result.values[i] + radius * circle[1],
                color=OBSERVED,
                lw=0.8,
            )
    panel.set_ylim(*limits[i])


def _mark(panel: Axes, names: tuple[str, ...], i: int, j: int, reference: Mapping[str, float]) -> None:
    if names[j] in reference:
        panel.axvline(reference[names[j]], color=PREDICTED, lw=1.0, ls="--")
    if i != j and names[i] in reference:
        panel.axhline(reference[names[i]], color=PREDICTED, lw=1.0, ls="--")


def _dress_corner(panel: Axes, result: Result, i: int, j: int, limits: list[tuple[float, float]]) -> None:
    p = len(result.names)
    panel.set_xlim(*limits[j])
    panel.tick_params(labelsize=7, length=2, labelbottom=i == p - 1, labelleft=j == 0 and i > 0, left=i != j)
    panel.locator_params(nbins=4, axis="x")
    if i != j:
        panel.locator_params(nbins=4, axis="y")
    else:
        panel.set_yticks([])
    if i == p - 1:
        panel.set_xlabel(f"{result.names[j]} ({unit_of(result.names[j], result.length_unit)})", fontsize=9)
        panel.tick_params(axis="x", rotation=45)
    if j == 0 and i > 0:
        panel.set_ylabel(f"{result.names[i]} ({unit_of(result.names[i], result.length_unit)})", fontsize=9)


def _corner_legend(figure: Figure, sampled: bool, marked: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=OBSERVED, lw=1.1, label="Laplace: normal curve, 1 and 2 sigma ellipses")
    ]
    if sampled:
        handles.insert(0, Patch(color=FAULT, alpha=0.35, lw=0, label="draws of the No-U-Turn sampler"))
    if marked:
        handles.append(Line2D([], [], color=PREDICTED, lw=1.0, ls="--", label="reference"))
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.97, 0.94), frameon=False, fontsize=10)
