"""The displacement map as a file: a cloud-optimised GeoTIFF whose bands and tags say what they are."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dislok.arrays import Record
from dislok.raster import needed
from dislok.store import sweep, writing

from .coregister import surface
from .grids import Grid
from .inputs import Array
from .tiles import Tile

BANDS = (
    ("east", "px"),
    ("north", "px"),
    ("east", "m"),
    ("north", "m"),
    ("standard deviation of east", "px"),
    ("standard deviation of north", "px"),
    ("score", ""),
    ("valid", ""),
)
BLOCK = 512
"""Pixels along a side of the blocks of a file."""
SIGN = "positive east and positive north: motion of the ground from the first image to the second"
FRAME = "pre: the value at a pixel is the motion of the ground that the first image shows there"


def bands_of(layers: Array, tile: Tile, grid: Grid, coefficients: Array | None) -> Array:
    """The eight bands (8, h, w) of a tile from its six layers, less the surface of co-registration."""
    rows = np.arange(tile.rows.start, tile.rows.stop)
    columns = np.arange(tile.columns.start, tile.columns.stop)
    moved = layers[:2]
    if coefficients is not None:
        moved = moved - np.moveaxis(surface(coefficients, rows, columns, grid.shape), -1, 0)
    to_metres = np.stack([grid.metres(row) for row in (rows[0], rows[-1])])
    share = np.linspace(0, 1, len(rows))[:, None, None]
    matrices = (1 - share) * to_metres[0] + share * to_metres[1]
    east = matrices[:, 0, 0, None] * moved[0] - matrices[:, 0, 1, None] * moved[1]
    north = matrices[:, 1, 0, None] * moved[0] - matrices[:, 1, 1, None] * moved[1]
    return np.concatenate([moved, [east, north], layers[2:]]).astype(np.float32)


def write_map(
    path: Path, grid: Grid, parts: Iterable[tuple[Tile, Array]], tags: dict[str, str], work: Path
) -> None:
    """Write the bands of all tiles into a plain file in a working folder, then as the final one."""
    rasterio = needed()

    plain = work / "map.tif"
    plain.unlink(missing_ok=True)
    with rasterio.Env(GDAL_CACHEMAX=256), rasterio.open(plain, "w", **_profile(grid)) as out:
        for tile, values in parts:
            out.write(values, window=_window(tile))
        out.update_tags(**tags)
        for i, (name, unit) in enumerate(BANDS, 1):
            out.set_band_description(i, f"{name} ({unit})" if unit else name)
            out.set_band_unit(i, unit)
    as_cog(plain, path)
    plain.unlink()


def as_cog(plain: Path, path: Path) -> None:
    """A finished file made into a Cloud Optimized GeoTIFF, which appears when it is complete.

    What an earlier process that was killed left of its own attempt is removed first. The overviews are added
    to the plain file, band by band: GDAL's driver would make them with all bands in each block, which it
    writes anew for each of them (minutes, and many times the size of the map on disk).
    """
    from rasterio import shutil
    from rasterio.enums import Resampling

    sweep(path.parent)
    with writing(path) as draft, needed().Env(GDAL_CACHEMAX=256):
        with needed().open(plain, "r+") as data:
            halvings = max(0, math.ceil(math.log2(max(data.shape) / BLOCK)))
            if halvings:
                data.build_overviews([2**k for k in range(1, halvings + 1)], Resampling.average)
        kept = {"OVERVIEWS": "FORCE_USE_EXISTING"} if halvings else {"OVERVIEWS": "NONE"}
        shutil.copy(plain, draft, driver="COG", **kept, **compression())


def _window(tile: Tile) -> Any:
    from rasterio.windows import Window

    height, width = tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start
    return Window(tile.columns.start, tile.rows.start, width, height)


def _profile(grid: Grid) -> Record:
    from affine import Affine
    from rasterio.crs import CRS

    profile: Record = {"driver": "GTiff", "dtype": "float32", "nodata": np.nan, "count": len(BANDS)}
    profile |= {"height": grid.shape[0], "width": grid.shape[1], "interleave": "band"}
    profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "IF_SAFER"}
    if grid.crs is not None:
        profile |= {"crs": CRS.from_wkt(grid.crs), "transform": Affine(*grid.transform)}
    return profile


def compression() -> dict[str, str]:
    """Options of the final file: quick to write, quick to read in parts."""
    threads = str(os.cpu_count() or 1)
    options = {
        "BLOCKSIZE": str(BLOCK),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": threads,
    }
    return options | {"COMPRESS": "ZSTD", "LEVEL": "1", "PREDICTOR": "FLOATING_POINT", "STATISTICS": "NO"}
