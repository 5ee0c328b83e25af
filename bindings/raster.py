"""Georeferenced planes of numbers: images and maps, one type for all of dislok.

Files are read and written by rasterio, which is imported when it is needed: ``pip install "dislok[nn]"``.
Formats that name other files, such as VRT, and addresses on the network are not opened.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from dislok.affine import Transform, backwards, moved, placed
from dislok.arrays import Array, ArrayLike

__all__ = ["DRIVERS", "Raster", "common", "opened", "read", "write"]

DRIVERS = ("GTiff", "JP2OpenJPEG", "HFA", "ENVI", "PNG", "NITF", "netCDF")
"""Formats that are read, by their names in GDAL."""

PIXEL = 1e-3  # pixels by which two grids may be apart and still count as one


Dataset: TypeAlias = Any
"""An open data set of rasterio."""


@dataclass(frozen=True)
class Raster:
    """One band.

    Attributes
    ----------
    values : ndarray, shape (h, w)
        As the file has them.
    transform : tuple of float
        (a, b, c, d, e, f): x = a column + b row + c and y = d column + e row + f are the upper left corner of
        a pixel; e is negative where row 0 is the north.
    crs : str or None
        Coordinate reference system, as "EPSG:32611" or WKT.
    nodata : float or None
        The value of pixels that hold nothing; NaN never holds anything.
    mask : ndarray, shape (h, w), bool, or None
        Further pixels that hold nothing are False.
    name : str
        File and band, for messages.
    """

    values: np.ndarray
    transform: Transform = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    crs: str | None = None
    nodata: float | None = None
    mask: np.ndarray | None = None
    name: str = "raster"

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises
        ------
        ValueError
            That names the raster and what does not fit.
        """
        if self.values.ndim != 2:
            raise ValueError(f"{self.name}: values must be (h, w), got shape {self.values.shape}")
        if self.mask is not None and self.mask.shape != self.values.shape:
            raise ValueError(f"{self.name}: mask has shape {self.mask.shape}, values {self.values.shape}")
        a, b, _, d, e, _ = self.transform
        if not math.isfinite(sum(self.transform)) or a * e - b * d == 0:
            raise ValueError(f"{self.name}: transform {self.transform} maps no plane")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def spacing(self) -> tuple[float, float]:
        """Size of a pixel across and down, in the unit of the coordinate system."""
        a, b, _, d, e, _ = self.transform
        return math.hypot(a, d), math.hypot(b, e)

    @property
    def valid(self) -> np.ndarray:
        """Which pixels hold something, (h, w), bool."""
        known = np.isfinite(self.values) if self.values.dtype.kind == "f" else np.ones(self.shape, bool)
        if self.nodata is not None and math.isfinite(self.nodata):
            known &= self.values != self.nodata
        return known if self.mask is None else known & self.mask

    def window(self, top: int, left: int, shape: tuple[int, int]) -> Raster:
        """A part of it, without a copy.

        Raises
        ------
        ValueError
            If it reaches beyond.
        """
        if min(top, left) < 0 or top + shape[0] > self.shape[0] or left + shape[1] > self.shape[1]:
            raise ValueError(f"{self.name}: window {shape} at ({top}, {left}) reaches beyond {self.shape}")
        part = slice(top, top + shape[0]), slice(left, left + shape[1])
        mask = None if self.mask is None else self.mask[part]
        return replace(self, values=self.values[part], mask=mask, transform=moved(self.transform, left, top))

    def xy(self, row: ArrayLike, column: ArrayLike) -> tuple[Array, Array]:
        """Coordinates of the middle of pixels."""
        return placed(self.transform, column + 0.5, row + 0.5)

    def rowcol(self, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
        """Row and column, with fractions, at coordinates: 0 is the middle of the first pixel."""
        column, row = placed(backwards(self.transform), x, y)
        return row - 0.5, column - 0.5


def needed() -> ModuleType:
    """Rasterio, or a word on how to get it."""
    try:
        import rasterio
        import rasterio.errors
    except ImportError as error:
        raise ImportError('raster files need rasterio: pip install "dislok[nn]"') from error
    return rasterio


def read(
    path: str | os.PathLike[str],
    band: int = 1,
    window: tuple[int, int, int, int] | None = None,
    *,
    variable: str | None = None,
    screen: bool = True,
) -> Raster:
    """Read a band of a file, or a part of it.

    Any type of real numbers is read, of any number of bits, and kept as it is. Pixels count as empty where
    the file says so, by its nodata value, its mask, or an alpha band.

    Parameters
    ----------
    path : path
        A local file in one of the formats `DRIVERS`.
    band : int, optional
        From 1.
    window : tuple of int, optional
        Row, column, height and width of the part.
    variable : str, optional
        Which variable of a netCDF file, where it holds several.
    screen : bool, optional
        Refuse a part in which no pixel holds anything, or all hold one value: nothing can be seen in it.

    Raises
    ------
    ImportError
        If rasterio is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no raster, has no such band, the band is a palette, an alpha band or complex, the window
        reaches beyond, or there is nothing to see; the message names file, band and reason.
    """
    rasterio = needed()
    name = f"{os.fspath(path)}, band {band}"
    with opened(path, variable) as data:
        check_band(data, band, name)
        found = _read(rasterio, data, band, window, name)
    return screened(found) if screen else found


def opened(path: str | os.PathLike[str], variable: str | None = None) -> Dataset:
    """A data set of rasterio to read from, by the first of the `DRIVERS` that knows the file.

    Parameters
    ----------
    path : path
    variable : str, optional
        Which variable of a netCDF file, where it holds several.

    Raises
    ------
    ImportError
        If rasterio is not installed.
    FileNotFoundError
        If there is no such local file: addresses of networks and of archives are none.
    ValueError
        If it is in none of these formats, or holds several variables of which none or another is chosen; the
        message names it.
    """
    rasterio, file, reasons = needed(), Path(path), []
    if not file.is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such file")
    if variable is not None:
        return _variable(rasterio, file, variable)
    for driver in DRIVERS:
        try:
            with warnings.catch_warnings(), _complaints() as said:
                warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
                data = rasterio.open(file, driver=driver)
            if lost := next((line for line in said if "IO error" in line or "corrupt" in line), None):
                data.close()
                raise ValueError(f"{file}: damaged or cut off: {lost}")
            return _only(data, file) if driver == "netCDF" else data
        except rasterio.errors.RasterioIOError as error:
            reasons.append(str(error))
    told = next(
        (each for each in reasons if "not recognized" not in each), "in none of the formats of DRIVERS"
    )
    raise ValueError(f"{file} cannot be read as a raster: {told}")


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What GDAL complains about meanwhile, and would go on without."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("rasterio._env")
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


def _variables(data: Dataset) -> list[str]:
    return [name.rpartition(":")[2] for name in data.subdatasets]


def _only(data: Dataset, file: Path) -> Dataset:
    """The data set of a netCDF file that holds one variable."""
    if data.count:
        return data
    names = ", ".join(_variables(data)) or "none of rows and columns"
    data.close()
    raise ValueError(f"{file}: choose one of its variables with variable=...: {names}")


def _variable(rasterio: ModuleType, file: Path, variable: str) -> Dataset:
    """One variable of a netCDF file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            with rasterio.open(file, driver="netCDF") as data:
                names = _variables(data)
        except rasterio.errors.RasterioIOError as error:
            raise ValueError(f"{file} cannot be read as netCDF: {error}") from error
        if names and variable not in names:
            raise ValueError(f"{file}: has no variable {variable!r}; there are {', '.join(names)}")
        try:
            return rasterio.open(f'NETCDF:"{file}":{variable}', driver="netCDF")
        except rasterio.errors.RasterioIOError as error:
            raise ValueError(f"{file}: its variable {variable!r} cannot be read: {error}") from error


def check_band(data: Dataset, band: int, name: str) -> None:
    """Raise a `ValueError` for a band that holds no brightness."""
    meanings = needed().enums.ColorInterp
    if not 1 <= band <= data.count:
        raise ValueError(f"{name}: the file has bands 1 to {data.count}")
    meaning = data.colorinterp[band - 1]
    if meaning == meanings.palette:
        raise ValueError(f"{name}: its numbers are places in a palette of colours, not brightness")
    if meaning == meanings.alpha:
        raise ValueError(f"{name}: it is the alpha band, which holds no brightness; choose another")
    if "complex" in data.dtypes[band - 1]:
        raise ValueError(f"{name}: it holds complex numbers; give their amplitude")


def _read(rasterio: ModuleType, data: Dataset, band: int, window: Any, name: str) -> Raster:
    h, w = data.height, data.width
    top, left, height, width = (0, 0, h, w) if window is None else (int(n) for n in window)
    if min(top, left) < 0 or min(height, width) < 1 or top + height > h or left + width > w:
        raise ValueError(f"{name}: window {(top, left, height, width)} reaches beyond {(h, w)}")
    part = rasterio.windows.Window(left, top, width, height)
    try:
        values = data.read(band, window=part)
        mask = data.read_masks(band, window=part) > 0
    except rasterio.errors.RasterioIOError as error:
        raise ValueError(f"{name}: damaged: {error}") from None
    if data.driver == "netCDF" and data.transform == rasterio.Affine.identity():
        raise ValueError(f"{name}: its axes state no units such as degrees_east or m: it has no place")
    known = data.crs is not None or data.transform != rasterio.Affine.identity()
    transform = tuple(data.transform)[:6] if known else (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    nodata = None if data.nodata is None else float(data.nodata)
    crs = None if data.crs is None else data.crs.to_string()
    whole = Raster(np.empty((h, w), np.bool_), transform, crs, nodata, None, name)
    there = whole.window(top, left, (height, width)).transform
    return Raster(values, there, crs, nodata, None if mask.all() else mask, name)


def screened(raster: Raster) -> Raster:
    """The raster itself.

    Raises
    ------
    ValueError
        If no pixel holds anything, or all that do have one value.
    """
    known = raster.valid
    if not known.any():
        raise ValueError(f"{raster.name}: no pixel holds anything: all are nodata, masked or NaN")
    low = raster.values[known].min()
    if low == raster.values[known].max():
        raise ValueError(f"{raster.name}: all pixels that hold something have the value {low}")
    return raster


def common(first: Raster, second: Raster) -> tuple[Raster, Raster]:
    """The parts of two rasters that cover one area, pixel on pixel.

    Raises
    ------
    ValueError
        If they have other coordinate systems, pixels or grids, or no area in common; the message names both.
    """
    pair = f"{first.name} and {second.name}"
    if first.crs != second.crs:
        raise ValueError(f"{pair} have other coordinate systems: {first.crs} and {second.crs}")
    size = max(first.shape + second.shape)
    shear = [abs(p - q) * size for p, q in zip(first.transform, second.transform, strict=True)]
    scale = min(first.spacing)
    if max(shear[k] for k in (0, 1, 3, 4)) > PIXEL * scale:
        raise ValueError(f"{pair} have other pixels: {first.transform[:5]} and {second.transform[:5]}")
    row, column = first.rowcol(*second.xy(0, 0))
    top, left = round(row), round(column)
    if max(abs(row - top), abs(column - left)) > PIXEL:
        apart = f"{row - top:.3f} rows and {column - left:.3f} columns"
        raise ValueError(f"{pair} have grids that lie {apart} apart: resample one")
    h = min(first.shape[0], top + second.shape[0]) - max(0, top)
    w = min(first.shape[1], left + second.shape[1]) - max(0, left)
    if min(h, w) < 1:
        raise ValueError(f"{pair} have no area in common: the second lies {top} rows and {left} columns off")
    return _parts(first, second, top, left, (h, w))


def _parts(
    first: Raster, second: Raster, top: int, left: int, shape: tuple[int, int]
) -> tuple[Raster, Raster]:
    above, beside = max(0, top), max(0, left)
    return first.window(above, beside, shape), second.window(above - top, beside - left, shape)


def write(
    path: str | os.PathLike[str],
    raster: Raster,
    *,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    compress: str | None = "deflate",
) -> None:
    """Write a GeoTIFF; the file appears when it is complete.

    Parameters
    ----------
    path : path
    raster : Raster
        A mask is written as nodata, for which floating-point values need no value: NaN is taken.
    description : str, optional
        What the band is.
    tags : mapping, optional
        Further words.
    compress : str, optional
        As GDAL calls it; None for none.

    Raises
    ------
    ValueError
        If integers have a mask but no nodata value.
    """
    from dislok.store import writing

    rasterio = needed()
    values, nodata = raster.values, raster.nodata
    if not values.size:
        raise ValueError(f"{raster.name}: expected at least one pixel, got shape {values.shape}")
    if raster.mask is not None:
        if nodata is None and values.dtype.kind != "f":
            raise ValueError(f"{raster.name}: integers with a mask need a nodata value to be written")
        nodata = math.nan if nodata is None else nodata
        values = np.where(raster.mask, values, np.asarray(nodata, values.dtype))
    profile = {
        "driver": "GTiff", "height": raster.shape[0], "width": raster.shape[1], "count": 1,
        "dtype": values.dtype.name, "transform": rasterio.Affine(*raster.transform), "crs": raster.crs,
        "nodata": nodata, "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    profile |= {"compress": compress} if compress else {}
    if min(raster.shape) >= 512:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with writing(path) as draft:
        with rasterio.open(draft, "w", **profile) as file:
            file.write(values, 1)
            file.set_band_description(1, description)
            file.update_tags(**(tags or {}))
