"""A picture of a displacement map: both components, the error or the score, and a profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dislok import raster
from dislok.store import writing

from .inputs import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST = 1400


def quicklook(path: Path, picture: Path) -> None:
    """Draw the map in a file of `flow` as a PNG.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    layers, step, title = _read(path)
    figure = draw(layers, step, title)
    with writing(picture) as draft:
        figure.savefig(draft, dpi=110)


def _read(path: Path) -> tuple[Array, float, str]:
    """Bands (8, h, w) at a size for the screen, pixels of the map for each of them, a title."""
    with raster.opened(path) as data:
        step = max(1.0, max(data.shape) / _LARGEST)
        shape = (data.count, max(1, round(data.height / step)), max(1, round(data.width / step)))
        layers = data.read(out_shape=shape)
        tags = data.tags()
    return layers, step, f"{tags.get('PRE', '')} → {tags.get('POST', '')}, {tags.get('METHOD', '')}"


def draw(layers: Array, step: float, title: str) -> Figure:
    """The figure of bands (8, h, w)."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "dislok[plot]"') from error
    valid = layers[7] > 0.5
    shown = np.where(valid, layers[:2], np.nan)
    h, w = valid.shape
    extent = (0, w * step, h * step, 0)
    figure = Figure(figsize=(13, 2.5 + 10.5 * min(h / w, 1.5)), layout="constrained")
    figure.suptitle(title)
    top, bottom = figure.subplots(2, 2, height_ratios=(1, 1))
    limit = _limit(shown)
    for axes, values, name in zip(top, shown, ("east", "north"), strict=True):
        image = axes.imshow(
            values, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent, interpolation="nearest"
        )
        axes.set(title=f"{name} (px)", xlabel="column", ylabel="row")
        figure.colorbar(image, ax=axes, shrink=0.9, label="px")
    arrows(top[0], shown, step)
    _quality(figure, bottom[0], layers, valid, extent)
    _profile(bottom[1], top, shown, np.where(valid, layers[2:6], np.nan), step)
    return figure


def arrows(axes: Axes, shown: Array, step: float = 1.0, *, across: int = 24) -> Any:
    """Draw motion as arrows: the median of each square, with the length of a typical one in a key.

    Parameters
    ----------
    axes : matplotlib Axes
        With columns to the right and rows downwards.
    shown : ndarray, shape (2, h, w)
        East and north in pixels, NaN where not valid.
    step : float
        Pixels of the axes from value to value.
    across : int
        How many arrows the longer side has.

    Returns
    -------
    matplotlib Quiver
    """
    box = max(1, -(-max(shown.shape[1:]) // across))
    east, north = (_medians(plane, box) for plane in shown)
    place = ((np.arange(n) + 0.5) * box * step for n in reversed(east.shape))
    length = _typical(np.hypot(east, north))
    # Half again as long as a square is wide.
    drawn = axes.quiver(
        *np.meshgrid(*place),
        east,
        north,
        angles="uv",
        scale_units="x",
        scale=length / (1.5 * box * step),
        width=0.0025,
        color="0.15",
    )
    axes.quiverkey(drawn, 0.88, 1.03, length, f"{length:.2g} px", labelpos="E")
    return drawn


def _medians(plane: Array, box: int) -> Array:
    """Medians of squares of which at least half is known; NaN for the others."""
    h, w = plane.shape
    rows, columns = -(-h // box), -(-w // box)
    padded = np.full((rows * box, columns * box), np.nan)
    padded[:h, :w] = plane
    squares = padded.reshape(rows, box, columns, box).swapaxes(1, 2).reshape(rows, columns, -1)
    known = np.isfinite(squares).sum(-1) * 2 >= box * box
    result = np.full((rows, columns), np.nan)
    result[known] = np.nanmedian(squares[known], axis=-1)
    return result


def _typical(length: Array) -> float:
    """A length of one digit that most are shorter than."""
    finite = length[np.isfinite(length)]
    high = float(np.percentile(finite, 95)) if finite.size else 1.0
    if not high > 0:
        return 1.0
    digit = 10.0 ** np.floor(np.log10(high))
    return float(np.ceil(high / digit) * digit)


def _limit(shown: Array) -> float:
    finite = np.abs(shown[np.isfinite(shown)])
    return max(float(np.percentile(finite, 99.5)), 1e-3) if finite.size else 1.0


def _quality(
    figure: Figure, axes: Axes, layers: Array, valid: Array, extent: tuple[float, float, float, float]
) -> None:
    """Standard deviation where there is one, else the score, else where the map is valid."""
    error = np.hypot(layers[4], layers[5])
    if np.isfinite(error).any():
        values, name, top = error, "standard deviation (px)", float(np.nanpercentile(error, 98))
    elif np.isfinite(layers[6]).any():
        values, name, top = layers[6], "score", 1.0
    else:
        values, name, top = valid.astype(float), "valid", 1.0
    image = axes.imshow(
        values, cmap="viridis", vmin=0, vmax=max(top, 1e-6), extent=extent, interpolation="nearest"
    )
    axes.set(title=name, xlabel="column", ylabel="row")
    figure.colorbar(image, ax=axes, shrink=0.9)


def _profile(axes: Axes, maps: Any, shown: Array, rest: Array, step: float) -> None:
    """Along the row or column that crosses the largest change."""
    along, at = _line(shown)
    for k, name in enumerate(("east", "north")):
        values = shown[k, at] if along == "row" else shown[k, :, at]
        sigma = rest[2 + k, at] if along == "row" else rest[2 + k, :, at]
        place = (np.arange(len(values)) + 0.5) * step
        axes.plot(place, values, lw=1, label=name)
        axes.fill_between(place, values - sigma, values + sigma, alpha=0.25, lw=0)
    for each in maps:
        (each.axhline if along == "row" else each.axvline)((at + 0.5) * step, color="k", lw=0.6, ls="--")
    other = "column" if along == "row" else "row"
    axes.set(title=f"{along} {int((at + 0.5) * step)} (dashed)", xlabel=other, ylabel="px")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)


def _line(shown: Array) -> tuple[str, int]:
    """The row or column, across the way the field changes most, on which it changes most."""
    box = max(1, min(shown.shape[1:]) // 60)
    # Medians of squares: single wild pixels are no rupture.
    thin = np.stack([_medians(plane, box) for plane in shown])
    right, down = (np.nansum(np.abs(np.diff(thin, axis=axis)), axis=(0, axis)) for axis in (2, 1))
    if right.sum() >= down.sum():
        return "row", min(int(np.argmax(right)) * box + box // 2, shown.shape[1] - 1)
    return "column", min(int(np.argmax(down)) * box + box // 2, shown.shape[2] - 1)
