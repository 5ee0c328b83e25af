"""Rasters on a common grid: where two images overlap, and how windows of both are read there.

The common grid is the coarser one of the two images', cut to their overlap. An image that lies on it, up to
whole pixels, is read as it is; the other one is resampled once, window by window, while it is read (GDAL's
warp).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dislok import raster
from dislok.affine import backwards, moved, placed
from dislok.arrays import Record
from dislok.raster import Dataset

from .inputs import Array, Mask

_WHOLE = 1e-3


@dataclass(frozen=True)
class Grid:
    """Pixels on the ground.

    Attributes
    ----------
    shape : (rows, columns)
    transform : (a, b, c, d, e, f)
        Corner of pixel [row, column]: x = a column + b row + c, y = d column + e row + f.
    crs : str or None
        Coordinate system, as WKT; None where the images have none.
    """

    shape: tuple[int, int]
    transform: tuple[float, ...]
    crs: str | None

    def metres(self, row: float) -> np.ndarray:
        """Matrix (2, 2) that turns pixels (right, down) of a row into metres (east, north), or NaN."""
        a, b, _, d, e, f = self.transform
        steps = np.array([[a, b], [d, e]])
        if self.crs is None:
            return np.full((2, 2), np.nan)
        from rasterio.crs import CRS

        system = CRS.from_wkt(self.crs)
        if not system.is_geographic:
            return steps * float(system.linear_units_factor[1])
        latitude = math.radians(f + d * self.shape[1] / 2 + e * (row + 0.5))
        return steps * np.array(degree_lengths(latitude))[:, None]


def degree_lengths(latitude: float) -> tuple[float, float]:
    """Metres of a degree of longitude and of latitude (rad) on the WGS 84 ellipsoid."""
    axis, e2 = 6378137.0, 6.69437999014e-3
    w2 = 1 - e2 * math.sin(latitude) ** 2
    across, along = axis / math.sqrt(w2), axis * (1 - e2) / w2**1.5
    return math.radians(across * math.cos(latitude)), math.radians(along)


class Source:
    """One band of an image on a common grid; made by `on_common_grid`."""

    def __init__(
        self, data: Dataset, band: int, grid: Grid, offset: tuple[int, int], nodata: float | None = None
    ) -> None:
        self._data, self._band, self._nodata = data, band, nodata
        self.grid, self.offset = grid, offset

    def read(self, rows: slice, columns: slice) -> tuple[Array, Mask]:
        """A window as float32 and where it has values; it may leave the image, where there are none."""
        from rasterio.windows import Window

        top, left = rows.start + self.offset[0], columns.start + self.offset[1]
        bottom, right = rows.stop + self.offset[0], columns.stop + self.offset[1]
        shape = (bottom - top, right - left)
        values, good = np.zeros(shape, np.float32), np.zeros(shape, bool)
        r0, r1 = max(top, 0), min(bottom, self._data.height)
        c0, c1 = max(left, 0), min(right, self._data.width)
        if r0 < r1 and c0 < c1:
            window = Window(c0, r0, c1 - c0, r1 - r0)
            inside = (slice(r0 - top, r1 - top), slice(c0 - left, c1 - left))
            part = self._data.read(self._band, window=window)
            values[inside] = part
            good[inside] = (self._data.read_masks(self._band, window=window) > 0) & (part != self._nodata)
        good &= np.isfinite(values)
        return np.where(good, values, np.float32(np.nan)), good


@contextmanager
def on_common_grid(
    paths: tuple[Path, Path], bands: tuple[int, int] = (1, 1), *, nodata: float | None = None
) -> Iterator[tuple[Source, Source]]:
    """Open two images and give them on one grid.

    Raises
    ------
    ValueError
        If a file is no raster or has no such band, one has coordinates and the other has not, or they do not
        overlap.
    """
    with _opened(paths[0], bands[0]) as first, _opened(paths[1], bands[1]) as second:
        if (first.crs is None) != (second.crs is None):
            without = paths[0] if first.crs is None else paths[1]
            raise ValueError(f"{without}: no coordinate system, but the other image has one")
        grid, keeps = _common(first, second, paths)
        sources = []
        with _closing() as later:
            for data, band, kept in zip((first, second), bands, keeps, strict=True):
                sources.append(_source(data, band, grid, kept, nodata, later))
            yield sources[0], sources[1]


@contextmanager
def _closing() -> Iterator[list[Dataset]]:
    later: list[Dataset] = []
    try:
        yield later
    finally:
        for each in later:
            each.close()


@contextmanager
def _opened(path: Path, band: int) -> Iterator[Dataset]:
    with raster.opened(path) as data:
        raster.check_band(data, band, f"{path}, band {band}")
        if data.crs is None and (data.gcps[0] or data.rpcs):
            raise ValueError(
                f"{path}: is not map projected (it has ground control points or RPCs): rectify it"
            )
        yield data


def _common(first: Dataset, second: Dataset, paths: tuple[Path, Path]) -> tuple[Grid, tuple[bool, bool]]:
    """The grid, and which of the images is kept as it is."""
    if first.crs is None:
        shape = (min(first.height, second.height), min(first.width, second.width))
        return Grid(shape, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), None), (True, True)
    bounds = _bounds_in(second, first)
    pixel = math.sqrt(abs(first.transform.determinant))
    other = math.sqrt((bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) / (second.width * second.height))
    # A rotated outline is larger than the image, hence the tenth.
    base, rest, flip = (second, first, True) if other > 1.1 * pixel else (first, second, False)
    grid = _cut(base, _bounds_in(rest, base), paths)
    same = _whole_offset(rest, grid) is not None
    return grid, ((same, True) if flip else (True, same))


def _bounds_in(data: Dataset, base: Dataset) -> tuple[float, float, float, float]:
    from rasterio.warp import transform_bounds

    if data.crs == base.crs:
        return tuple(data.bounds)
    return transform_bounds(data.crs, base.crs, *data.bounds, densify_pts=21)


def _cut(base: Dataset, bounds: tuple[float, float, float, float], paths: tuple[Path, Path]) -> Grid:
    """The part of the grid of an image that bounds cover, in whole pixels."""
    left, bottom, right, top = bounds
    corners = [placed(backwards(base.transform), x, y) for x in (left, right) for y in (bottom, top)]
    columns, rows = zip(*corners, strict=True)
    c0, r0 = max(0, math.ceil(min(columns) - _WHOLE)), max(0, math.ceil(min(rows) - _WHOLE))
    c1 = min(base.width, math.floor(max(columns) + _WHOLE))
    r1 = min(base.height, math.floor(max(rows) + _WHOLE))
    if c1 <= c0 or r1 <= r0:
        raise ValueError(f"{paths[0]} and {paths[1]} do not overlap")
    return Grid((r1 - r0, c1 - c0), moved(base.transform, c0, r0), base.crs.to_wkt())


def _whole_offset(data: Dataset, grid: Grid) -> tuple[int, int] | None:
    """Row and column of the grid's first pixel in an image, or None where its pixels lie elsewhere."""
    if data.crs is None:
        return (0, 0)
    if data.crs.to_wkt() != grid.crs:
        return None
    theirs, worst = backwards(data.transform), 0.0
    column, row = placed(theirs, *placed(grid.transform, 0, 0))
    for corner in ((0, 0), (grid.shape[1], 0), (0, grid.shape[0])):
        x, y = placed(theirs, *placed(grid.transform, *corner))
        worst = max(worst, abs(x - round(column) - corner[0]), abs(y - round(row) - corner[1]))
    return (round(row), round(column)) if worst < _WHOLE else None


def _source(
    data: Dataset, band: int, grid: Grid, kept: bool, nodata: float | None, later: list[Dataset]
) -> Source:
    offset = _whole_offset(data, grid) if kept else (0, 0)
    assert offset is not None
    if not kept:
        data = _warped(data, grid, nodata)
        later.append(data)
    return Source(data, band, grid, offset, nodata if kept else None)


def _warped(data: Dataset, grid: Grid, nodata: float | None) -> Dataset:
    """The image as it looks on the grid, resampled where and when it is read."""
    from affine import Affine
    from rasterio.crs import CRS
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    options: Record = {"resampling": Resampling.lanczos, "warp_mem_limit": 64}
    options |= {"height": grid.shape[0], "width": grid.shape[1], "transform": Affine(*grid.transform)}
    if nodata is not None:
        options |= {"src_nodata": nodata, "nodata": nodata}
    elif data.nodata is None:
        options["add_alpha"] = not any(each.name == "alpha" for each in data.colorinterp)
    return WarpedVRT(data, crs=CRS.from_wkt(grid.crs), **options)
