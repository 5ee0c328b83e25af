"""Coast lines for maps: land of Natural Earth (1:10 million, public domain), simplified to two kilometres."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from .filters import Array

_UNIT = 100.0
"""Steps of the file in a degree."""


def lines(west: float, east: float, south: float, north: float) -> list[Array]:
    """Coast lines (n, 2), longitude and latitude in degrees, that come into a frame.

    Parameters
    ----------
    west, east, south, north : float
        Sides of the frame in degrees; longitudes may go beyond ±180, and those of the lines then do, too.
    """
    found = []
    for line, low, high in _world():
        for turn in (-360.0, 0.0, 360.0):
            if low[0] + turn < east and high[0] + turn > west and low[1] < north and high[1] > south:
                found += _within(line + np.array([turn, 0.0]), west, east, south, north)
    return found


def _within(line: Array, west: float, east: float, south: float, north: float) -> list[Array]:
    """The runs of a line whose segments come into a frame."""
    low, high = np.minimum(line[:-1], line[1:]), np.maximum(line[:-1], line[1:])
    inside = (low[:, 0] < east) & (high[:, 0] > west) & (low[:, 1] < north) & (high[:, 1] > south)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [line[begin : end + 1] for begin, end in zip(edges[::2], edges[1::2], strict=True)]


@cache
def _world() -> list[tuple[Array, Array, Array]]:
    """All lines, each with its south-western and north-eastern corner."""
    with (
        as_file(files("dislok.inversion") / "data" / "coast.npz") as path,
        np.load(path, allow_pickle=False) as kept,
    ):
        size, step = kept["size"], kept["step"]
    # Steps of 16 bits: from one line to the next they may wrap, and the sum unwraps them again.
    points: NDArray[np.int16] = np.cumsum(step, axis=0, dtype=np.int16)
    parts = np.split(points / _UNIT, np.cumsum(size)[:-1])
    return [(part, part.min(axis=0), part.max(axis=0)) for part in parts]
