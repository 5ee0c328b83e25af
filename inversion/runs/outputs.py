"""Files that runs write beside their result: tables of values and residuals, cells as GeoTIFF, pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dislok import raster
from dislok.arrays import HostArray as Array
from dislok.arrays import Values
from dislok.store import writing

from .. import page
from ..fault import Fit, Result, Samples
from ..page import Drawing
from .inputs import Inputs, MapCells, Place
from .progress import Say

Cell: TypeAlias = "str | int | float | np.generic"
"""What stands in a place of a table."""


def table(path: Path, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a table as CSV."""
    with writing(path) as draft, open(draft, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([[_cell(value) for value in row] for row in rows])


def _cell(value: Cell) -> Cell:
    if isinstance(value, float | np.floating):
        number = float(value)
        return "" if np.isnan(number) else f"{number:.6g}" if abs(number) < 1e5 else f"{number:.8g}"
    return value


def slug(name: str) -> str:
    """A data set's name as a part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def data_tables(fits: Sequence[Fit], inputs: Inputs, place: Place, folder: Path) -> list[Path]:
    """A CSV of every data set: places, data, prediction, residual, error; and a GeoTIFF of its cells."""
    files = []
    for fit in fits:
        files.append(folder / f"data-{slug(fit.name)}.csv")
        lonlat = place.geographic(fit.xy)
        stations = inputs.stations.get(fit.name, [str(i + 1) for i in range(len(fit.xy))])
        head = ["name", "longitude", "latitude", "east_km", "north_km"]
        words = ("observed", "predicted", "residual", "sigma")
        head += [f"{word}_{label}" for label in fit.labels for word in words]
        columns = np.stack([getattr(fit, word) for word in words], axis=-1).reshape(len(fit.xy), -1)
        numbers = np.column_stack([lonlat, fit.xy, columns])
        table(files[-1], head, ([s, *row] for s, row in zip(stations, numbers.tolist(), strict=True)))
        if fit.name in inputs.grids:
            files.append(cells_tif(folder / f"cells-{slug(fit.name)}.tif", fit, inputs.grids[fit.name]))
    return files


def cells_tif(path: Path, fit: Fit, grid: MapCells) -> Path:
    """A GeoTIFF on the map's grid: observed, predicted and residual of each cell, for every direction."""
    import rasterio

    h, w = grid.cells.shape
    bands = [(f"{word} {label}", getattr(fit, word)[:, c]) for c, label in enumerate(fit.labels)
             for word in ("observed", "predicted", "residual")]  # fmt: skip
    profile = {
        "driver": "GTiff", "height": h, "width": w, "count": len(bands), "dtype": "float32", "crs": grid.crs,
        "transform": rasterio.Affine(*grid.transform), "nodata": np.nan, "compress": "deflate",
    }  # fmt: skip
    windows = grid.cells.windows()
    with writing(path) as draft, rasterio.open(draft, "w", **profile) as file:
        for number, (word, values) in enumerate(bands, start=1):
            plane = np.full((h, w), np.nan, np.float32)
            for (a, b), value in zip(windows, values.tolist(), strict=True):
                plane[a, b][grid.cells.present[a, b]] = value
            file.write(plane, number)
            file.set_band_description(number, f"{word} (m)")
    return path


def radius(fit: Fit, middle: Array) -> float:
    """Half-width (km) of a map around a place that holds most stations."""
    return float(np.quantile(np.abs(fit.xy - middle).max(axis=1), 0.8)) * 1.05


def draw(pictures: Mapping[str, Drawing], folder: Path, say: Say) -> dict[str, Path]:
    """Draw and write pictures; their files by name."""
    if find_spec("matplotlib") is None:
        say('no pictures without Matplotlib: pip install "dislok[plot]"')
        return {}
    files = page.drawn({slug(name): picture for name, picture in pictures.items()}, folder)
    return {name: files[slug(name)] for name in pictures}


def interval(result: Result, samples: Samples | None, i: int) -> tuple[float, float]:
    """95 % of an unknown: of draws, where there are some that may be quoted, else 1.96 sigma."""
    if samples is not None and not samples.doubts:
        low, high = np.quantile(samples.flat[:, i], [0.025, 0.975])
        return float(low), float(high)
    value, sigma = float(result.values[i]), 1.96 * float(result.sigma[i])
    return value - sigma, value + sigma


def check_rasters(config: Values) -> None:
    """Raise an ImportError at once where a configuration names rasters and nothing can read them."""
    if config.get("interferograms") or config.get("offset_maps"):
        raster.needed()
