"""Interferograms made into motion towards the satellite, and its look vectors, for `quadtree` and `Los`.

Conventions of those who make them, all turned into one: unit vectors (E, N, U) from the ground to the
satellite, and motion towards it positive, in metres.

- ``licsar`` and ``gmtsar``: three planes, the unit vectors from the ground to the satellite (``geo.E``,
  ``geo.N``, ``geo.U``; what SAT_look gives, gridded).
- ``isce``: two planes in degrees, incidence from the vertical, and the direction of the vector to the
  satellite, anticlockwise from north.
- ``heading``: incidence from the vertical and heading of a satellite that looks to its right, in degrees
  clockwise from north; planes, or one number each for a small scene.
- ``hyp3``: two planes in radians, ``lv_theta``, its elevation above the horizontal, and ``lv_phi``, its
  direction, anticlockwise from east.

All of them unwrap phase (rad) that grows away from the satellite. Grids of GMTSAR are netCDF, which
`dislok.raster.read` opens too.
"""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dislok.arrays import HostArray as Array
from dislok.convert import line_of_sight
from dislok.gate import Given

MAKERS = ("licsar", "gmtsar", "isce", "hyp3", "heading")


class Interferogram(NamedTuple):
    """Motion towards the satellite (m) (rows, columns), NaN where missing; look vectors (3, rows, columns).

    `spacing` and `origin` are as `dislok.inversion.quadtree.quadtree` takes them, in the unit of the
    coordinates.
    """

    motion: Array
    look: Array
    spacing: tuple[float, float]
    origin: tuple[float, float]


def look_vectors(maker: str, *planes: ArrayLike) -> Array:
    """Unit vectors (3, ...) from the ground to the satellite from what a maker's files hold.

    Parameters
    ----------
    maker : {"licsar", "gmtsar", "isce", "hyp3", "heading"}
    *planes : array_like
        East, north and up; or incidence and azimuth (degrees); or theta and phi (rad); or incidence and
        heading (degrees): see the module.

    Raises
    ------
    ValueError
        If the maker is not known, the number of planes does not fit, or vectors are not of unit length.
    """
    if maker not in MAKERS:
        raise ValueError(f"maker: expected one of {', '.join(MAKERS)}, got {maker!r}")
    many = 3 if maker in ("licsar", "gmtsar") else 2
    if len(planes) != many:
        raise ValueError(f"look: {maker} has {many} planes, got {len(planes)}")
    first, second, *third = (np.asarray(plane, float) for plane in planes)
    if third:
        return _unit(np.stack([first, second, third[0]]))
    if maker == "heading":
        known = np.isfinite(first) & np.isfinite(second)
        vectors = line_of_sight(np.where(known, first, 0), np.where(known, second, 0))
        return np.where(known, np.moveaxis(vectors, -1, 0), np.nan)
    if maker == "isce":
        incidence, azimuth = np.radians(first), np.radians(second)
        flat = np.sin(incidence)
        return np.stack([-flat * np.sin(azimuth), flat * np.cos(azimuth), np.cos(incidence)])
    return np.stack([np.cos(first) * np.cos(second), np.cos(first) * np.sin(second), np.sin(first)])


def _unit(look: Array) -> Array:
    """Vectors of unit length; NaN where a file holds zeros, as it does outside of its scene."""
    length = np.sqrt((look**2).sum(axis=0))
    wrong = (length != 0) & np.isfinite(length) & (np.abs(length - 1) > 0.01)
    if wrong.any():
        raise ValueError(f"look: expected unit vectors, got one of length {length[wrong][0]:.4g}")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(length > 0, look / length, np.nan)


def motion_of(phase: ArrayLike, wavelength: float) -> Array:
    """Motion towards the satellite (m) of unwrapped phase (rad) that is positive away from it.

    Parameters
    ----------
    phase : array_like
    wavelength : float
        Of the radar (m): 0.0555 for Sentinel-1, 0.2360 for ALOS-2.
    """
    if not 0.005 < wavelength < 2:
        raise ValueError(f"wavelength: expected metres, 0.005 to 2, got {wavelength!r}")
    return -np.asarray(phase, float) * wavelength / (4 * np.pi)


def interferogram(
    phase: Given, look: Given, *, maker: str, wavelength: float, metres: bool = False
) -> Interferogram:
    """Join rasters of one grid.

    Parameters
    ----------
    phase : Raster
        Unwrapped, as `dislok.raster.read` gives it; zero counts as missing where the maker is LiCSAR, ISCE
        or HyP3.
    look : sequence of Raster or float
        As `look_vectors` wants them; a number holds for all of the scene.
    maker : {"licsar", "gmtsar", "isce", "hyp3", "heading"}
    wavelength : float
        Of the radar (m).
    metres : bool
        `phase` holds motion towards the satellite in metres already, as HyP3's ``los_disp`` does.

    Raises
    ------
    ValueError
        If grids differ or are turned, or as of `look_vectors`.
    """
    rasters = [each for each in look if not isinstance(each, Real)]
    for each in rasters:
        if each.shape != phase.shape or not np.allclose(each.transform, phase.transform, rtol=1e-9):
            raise ValueError(f"{each.name}: is not on the grid of {phase.name}")
    a, b, c, d, e, f = phase.transform
    if b or d:
        raise ValueError(f"{phase.name}: its rows do not run from west to east; warp it first")
    values = np.where(phase.valid, phase.values, np.nan).astype(float)
    if maker != "gmtsar":
        values[values == 0] = np.nan
    motion = values if metres else motion_of(values, wavelength)
    vectors = look_vectors(maker, *(_plane(each, phase.shape) for each in look))
    known = np.isfinite(vectors).all(axis=0)
    return Interferogram(np.where(known, motion, np.nan), vectors, (a, e), (c + a / 2, f + e / 2))


def _plane(look: Given, shape: tuple[int, int]) -> Array:
    if isinstance(look, Real):
        return np.full(shape, float(look))
    return np.where(look.valid, look.values, np.nan).astype(float)
