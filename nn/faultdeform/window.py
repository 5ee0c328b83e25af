"""Windows of images around an earthquake: where they lie, and the ground in them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from dislok.nn.pairs import AnyGround, Library, of_image
from dislok.nn.pairs.procedural import Maker

from .earthquake import Earthquake


def place_windows(
    earthquake: Earthquake, rng: np.random.Generator, count: int, size: int, pixel: float, place: str
) -> np.ndarray:
    """Middles (count, 2) of windows, east and north in km.

    Parameters
    ----------
    earthquake : Earthquake
    rng : Generator
    count : int
    size : int
        Pixels along a side.
    pixel : float
        In km.
    place : {"trace", "grid"}
        "trace": at random points of the rupture, off by up to a third of the window; "grid": side by side
        around the middle of the rupture, as the published data set has 3 × 3.

    Raises
    ------
    ValueError
        If a grid is asked for and the count is no square.
    """
    if place == "grid":
        side = round(count**0.5)
        if side * side != count:
            raise ValueError(f"windows must be a square number for a grid of them, got {count}")
        axis = size * pixel * (np.arange(side) - 0.5 * (side - 1))
        north, east = np.meshgrid(axis[::-1], axis, indexing="ij")
        return np.column_stack([east.ravel(), north.ravel()])
    if place != "trace":
        raise ValueError(f'place must be "trace" or "grid", got {place!r}')
    lines = earthquake.trace
    points = np.concatenate(lines) if lines else earthquake.triangles.mean(axis=1)[:, :2]
    middles = points[rng.integers(0, len(points), count)]
    return middles + size * pixel * rng.uniform(-1 / 3, 1 / 3, (count, 2))


def ground_of(images: tuple[str, ...]) -> Maker:
    """What draws the ground: windows of images, or procedures where there are none.

    Images are read again when their files have changed.

    Raises
    ------
    FileNotFoundError, ValueError
        As of `dislok.raster.read` and `dislok.nn.pairs.of_image`.
    """
    if not images:
        return AnyGround()
    return _library(images, tuple(Path(path).stat().st_mtime_ns for path in images))


@lru_cache(maxsize=1)
def _library(images: tuple[str, ...], changed: tuple[int, ...]) -> Library:
    """Scenes of files that were changed at times (ns)."""
    from dislok import raster

    read = [(path, raster.read(path)) for path in images]
    return Library([of_image(scene.values, valid=scene.valid, kind=Path(path).name) for path, scene in read])
