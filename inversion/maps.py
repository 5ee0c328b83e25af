"""Displacement maps made into pixel offsets: cells of a quadtree, with the covariance of the map's errors."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dislok import gate as gates
from dislok import raster
from dislok.arrays import HostArray as Array

from .quadtree import Cells, Noise, noise_model, quadtree

Mask = NDArray[np.bool_]
_BANDS = (3, 4, 5, 6, 8)


class Plane(NamedTuple):
    """A map as the quadtree wants it, in metres.

    Attributes
    ----------
    values, sigma : ndarray, shape (2, rows, columns)
        East and north, NaN where not valid, and their standard deviations.
    spacing : (float, float)
        East from column to column and north from row to row (negative for rows that go south).
    origin : (float, float)
        East and north of the first pixel's centre.
    """

    values: Array
    sigma: Array
    spacing: tuple[float, float]
    origin: tuple[float, float]


def plane_of(source: gates.Given, pixel: float | None, origin: tuple[float, float] | None) -> Plane:
    """A map from a file of `dislok flow`, or from an object with `values`, `error` and `valid` in pixels."""
    if isinstance(source, str | os.PathLike):
        if pixel is not None:
            raise ValueError("pixel: a file says itself how large its pixels are")
        return _from_file(source, origin)
    if pixel is None or not pixel > 0:
        raise ValueError(f"pixel: expected metres > 0 for a map without coordinates, got {pixel!r}")
    if getattr(source, "error", None) is None:
        raise ValueError("source: the map states no error; measure with a method that does")
    if getattr(source, "frame", "pre") != "pre":
        raise ValueError(
            "source: expected a map in the frame 'pre': displacement where the ground was before"
        )
    h, w = source.valid.shape
    values = np.where(source.valid[..., None], source.values, np.nan) * pixel
    east, north = (-(w - 1) / 2 * pixel, (h - 1) / 2 * pixel) if origin is None else origin
    sigma = np.moveaxis(np.asarray(source.error, float) * pixel, -1, 0)
    return Plane(np.moveaxis(values.astype(float), -1, 0), sigma, (pixel, -pixel), (east, north))


def _from_file(path: str | os.PathLike[str], origin: tuple[float, float] | None) -> Plane:
    """The bands in metres; places are metres from `origin`, by default the middle."""
    with raster.opened(path) as data:
        if data.count != 8 or "FRAME" not in data.tags():
            raise ValueError(f"{os.fspath(path)}: is no displacement map of `dislok flow`")
        layers = data.read(_BANDS).astype(float)
        pixels = data.read((1, 2)).astype(float)
        transform = tuple(data.transform)[:6]
        if transform[1] or transform[3]:
            raise ValueError(f"{os.fspath(path)}: its rows do not run from west to east; warp it first")
    valid = layers[4] > 0.5
    if not np.isfinite(layers[0][valid]).any():
        raise ValueError(f"{os.fspath(path)}: holds no metres: its images had no coordinates")
    if not np.isfinite(layers[2][valid]).any():
        raise ValueError(f"{os.fspath(path)}: states no error; measure with a method that does")
    values = np.where(valid, layers[:2], np.nan)
    size = np.array([_ratio(layers[k], pixels[k], valid) for k in range(2)])
    sigma = layers[2:4] * size[:, None, None]
    return _placed(values, sigma, transform, size, origin)


def _ratio(metres: Array, pixels: Array, valid: Mask) -> float:
    """Metres of a pixel, from the two kinds of bands."""
    use = valid & np.isfinite(metres) & np.isfinite(pixels)
    return float((metres[use] * pixels[use]).sum() / (pixels[use] ** 2).sum())


def _placed(
    values: Array,
    sigma: Array,
    transform: tuple[float, ...],
    size: Array,
    origin: tuple[float, float] | None,
) -> Plane:
    a, _, c, _, e, f = transform
    _, h, w = values.shape
    x0, y0 = (c + a * w / 2, f + e * h / 2) if origin is None else origin
    scale = size / np.abs([a, e])
    spacing = (a * scale[0], e * scale[1])
    first = ((c + a / 2 - x0) * scale[0], (f + e / 2 - y0) * scale[1])
    return Plane(values, sigma, (float(spacing[0]), float(spacing[1])), (float(first[0]), float(first[1])))


def cells_of(plane: Plane, threshold: float | None, smallest: int, largest: int) -> tuple[Cells, Array]:
    """Cells, and the standard deviation (k, 2) of a pixel in each.

    Cells of the smallest size that still vary by more than the threshold are left out: a rupture runs
    through them, and the mean of its sides moves like neither.
    """
    known = np.isfinite(plane.sigma).all(axis=0) & (plane.sigma > 0).all(axis=0)
    values = np.where(known, plane.values, np.nan)
    if not np.isfinite(values).any():
        raise ValueError("source: no pixel of the map is valid and has an error")
    limit = _threshold(plane) if threshold is None else threshold
    cells = quadtree(
        values, limit, origin=plane.origin, spacing=plane.spacing, smallest=smallest, largest=largest
    )
    variance = cells.average(values**2) - cells.values**2
    torn = (cells.size == smallest) & (np.sqrt(np.maximum(variance, 0)).max(axis=1) > limit)
    if torn.all():
        raise ValueError(f"threshold: every cell varies by more than {limit:g} m; raise it")
    cells = cells.chosen(~torn)
    return cells, np.sqrt(cells.average(np.where(known, plane.sigma**2, np.nan)))


def without_rupture(plane: Plane, line: ArrayLike, margin: float) -> Plane:
    """A map without the pixels beside a rupture, where what measured it mixes the two sides.

    Parameters
    ----------
    plane : Plane
    line : array_like, shape (k, 2)
        East and north along the rupture, in the unit of the map.
    margin : float
        Half-width of what is left out, in pixels.
    """
    places = gates.real(None, 2)("rupture", line)
    if len(places) < 2:
        raise ValueError(f"rupture: expected at least two places, got {len(places)}")
    h, w = plane.values.shape[1:]
    # In pixels, so that the margin means the same along rows and columns.
    x, y = ((places[:, k] - plane.origin[k]) / plane.spacing[k] for k in range(2))
    rows, columns = np.mgrid[:h, :w]
    near = np.zeros((h, w), bool)
    for a, b, c, d in zip(x[:-1], y[:-1], np.diff(x), np.diff(y), strict=True):
        along = ((columns - a) * c + (rows - b) * d) / max(c * c + d * d, np.finfo(float).tiny)
        along = np.clip(along, 0.0, 1.0)
        near |= np.hypot(columns - a - along * c, rows - b - along * d) <= margin
    return plane._replace(values=np.where(near, np.nan, plane.values))


def _threshold(plane: Plane) -> float:
    """Three typical errors, but at least a twentieth of the range of the motion."""
    noise = 3 * float(np.nanmedian(plane.sigma[np.isfinite(plane.values)]))
    low, high = np.nanpercentile(plane.values, (2, 98), axis=(1, 2))
    return max(noise, 0.05 * float((high - low).max()))


def covariance_of(
    cells: Cells,
    sigma: Array,
    plane: Plane,
    correlation: float,
    rest: ArrayLike | None,
    explained: ArrayLike | None,
) -> Array:
    """Covariance (2k, 2k) of the cells' means, east and north of each after the other.

    Errors of pixels are the map's, correlated over a distance; with ground at rest, or motion that is
    explained, both the distance and how far the map's errors are from what they say are measured there.
    """
    if explained is not None:
        plane = plane._replace(values=plane.values - _explained(explained, plane.values.shape))
        rest = np.isfinite(plane.values).all(axis=0) if rest is None else rest
    k = len(cells.pixels)
    matrix = np.zeros((k, 2, k, 2))
    for c in range(2):
        noise = _noise(plane, c, correlation, rest)
        matrix[:, c, :, c] = cells.covariance(noise) * sigma[:, None, c] * sigma[None, :, c]
    return matrix.reshape(2 * k, 2 * k)


def _explained(motion: ArrayLike, shape: tuple[int, ...]) -> Array:
    """East and north (2, h, w) of motion (h, w, 2)."""
    values = gates.real()("explained", motion)
    if values.shape != (*shape[1:], 2):
        raise ValueError(f"explained: expected shape {(*shape[1:], 2)}, got {values.shape}")
    return np.moveaxis(values, -1, 0)


def _noise(plane: Plane, component: int, correlation: float, rest: ArrayLike | None) -> Noise:
    """Noise in units of the stated error."""
    nothing = np.zeros(0)
    if rest is None:
        return Noise(0.0, 1.0, correlation * abs(plane.spacing[0]), nothing, nothing)
    share = plane.values[component] / plane.sigma[component]
    found = noise_model(share, plane.spacing, rest=rest, deramp=True)
    return found if found.white > 0 or found.correlated > 0 else found._replace(white=1.0)
