"""Windows of images around an earthquake: where they lie, and how the ground moves in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dislok.nn.pairs import Displacement, of_metres

from .earthquake import Earthquake

AROUND = 2
"""Pixels beyond a window's planes up to which a trace matters there."""


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


def window(
    earthquake: Earthquake,
    middle: Any,
    size: int,
    pixel: float,
    margin: int,
    *,
    tolerance: float = 1e-4,
    threads: int | None = None,
) -> tuple[Displacement, np.ndarray]:
    """How the ground moves in a window of square pixels.

    Parameters
    ----------
    earthquake : Earthquake
    middle : pair of float
        East and north of its middle in km.
    size : int
        Pixels along a side, without the margin.
    pixel : float
        In km.
    margin : int
        Pixels around it that are known too.
    tolerance : float
        As of `Earthquake.on_grid`.
    threads : int, optional

    Returns
    -------
    Displacement
        In pixels, of the ground's true motion.
    ndarray, shape (size, size), float32
        Its vertical motion in m.
    """
    steps = pixel * (np.arange(size + 2 * margin) - 0.5 * (size + 2 * margin - 1))
    x, y = middle[0] + steps, middle[1] - steps
    moved = earthquake.on_grid(x, y, tolerance=tolerance, threads=threads)
    traces = _in_pixels(earthquake.trace, x, y, pixel)
    numbers = {"kind": "faultdeform", "middle": [float(m) for m in middle]}
    found = of_metres(
        moved[..., 0], moved[..., 1], 1e3 * pixel, traces=traces, margin=margin, numbers=numbers
    )
    return found, found.inner(np.ascontiguousarray(moved[..., 2], np.float32))


def _in_pixels(lines: list[np.ndarray], x: np.ndarray, y: np.ndarray, pixel: float) -> tuple[np.ndarray, ...]:
    """Columns and rows of those traces that pass through the planes."""
    found = []
    for line in lines:
        places = np.column_stack([(line[:, 0] - x[0]) / pixel, (y[0] - line[:, 1]) / pixel])
        inside = ((places > -AROUND) & (places < len(x) - 1 + AROUND)).all(axis=1)
        if inside.any():
            # with a piece before and after, so that it ends where it leaves the planes
            first, last = np.flatnonzero(inside)[[0, -1]]
            found.append(places[max(0, first - 1) : last + 2])
    return tuple(found)
