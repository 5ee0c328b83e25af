"""Longitude and latitude in the place of east and north: recognised where they can be nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dislok.arrays import HostArray as Array

_FAR = 20.0  # distance from zero over the extent
_STEEP = 5.0  # depths over horizontal extent
_NETWORK, _AWAY = 3.0, 5.0  # a fault's size, and the distance from zero, over a network's extent


def looks_geographic(points: Array) -> bool:
    """Whether points lie far from zero, seen from their extent, and could be longitude and latitude."""
    middle, extent = points[:, :2].mean(axis=0), np.ptp(points[:, :2], axis=0).max()
    return bool(_possible(points) and np.abs(middle).max() > _FAR * extent and np.abs(middle).min() > extent)


def refuse_mesh(points: Array, geographic: bool | None) -> None:
    """Raise a `ValueError` where a mesh is in degrees beside depths in km or m, or said to be in degrees."""
    steep = np.ptp(points[:, 2]) > _STEEP * np.ptp(points[:, :2], axis=0).max()
    if geographic is None and steep and looks_geographic(points):
        x, y = points[:, :2].mean(axis=0)
        raise ValueError(
            f"points near ({x:.3f}, {y:.3f}) look like longitude and latitude; project them with "
            "dislok.convert.to_local, or say geographic=False"
        )
    if geographic:
        raise ValueError("points must be east, north and up; project them with dislok.convert.to_local")


def refuse_network(xy: Array, sizes: Iterable[float]) -> None:
    """Raise a `ValueError` where stations are in degrees beside faults whose size is in km or m."""
    middle, extent, size = xy.mean(axis=0), np.ptp(xy, axis=0).max(), max(sizes)
    if extent > 0.0 and _possible(xy) and size > _NETWORK * extent and np.abs(middle).max() > _AWAY * extent:
        x, y = middle
        raise ValueError(
            f"datasets: places near ({x:.3f}, {y:.3f}) look like longitude and latitude beside a fault of "
            f"size {size:.3g}; project them, and the fault's place, with dislok.convert.to_local"
        )


def _possible(points: Array) -> bool:
    return bool((np.abs(points[:, 0]) <= 360).all() and (np.abs(points[:, 1]) <= 90).all())
