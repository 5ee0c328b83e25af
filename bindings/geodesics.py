"""Distance and azimuths from a source to stations, and how they change when the source moves.

Cartesian coordinates are east and north in km. Geographic ones are longitude and latitude in degrees on the
WGS84 ellipsoid, by Vincenty's inverse formula, differentiated by carrying jets through it.

References
----------
Vincenty, T. (1975). Direct and inverse solutions of geodesics on the ellipsoid with application of nested
equations. Survey Review 23(176), 88-93.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dislok.kernels.scalar import Jet, atan2, cos, first, seed, sin, sqrt, value

SEMI_MAJOR = 6378.137
FLATTENING = 1.0 / 298.257223563
_ITERATIONS = 12

Numbers: TypeAlias = Any
"""Numbers of any kind that formulas take: plain, arrays, jets."""


class Ray(NamedTuple):
    """The horizontal way from sources to stations; arrays of one shape, derivatives with one axis of 2 more.

    `distance` km; `phi`: direction at the source, radians counter-clockwise from east; `turn`: what is to be
    added to phi for the direction at the station. `d_distance`, `d_turn` and `r_d_phi` (the distance times
    the derivative of phi) are with respect to the source's x and y (km, or degrees).
    """

    distance: np.ndarray
    phi: np.ndarray
    turn: np.ndarray
    d_distance: np.ndarray
    r_d_phi: np.ndarray
    d_turn: np.ndarray


def cartesian(x: np.ndarray, y: np.ndarray, station_x: np.ndarray, station_y: np.ndarray) -> Ray:
    """Rays on a plane; where source and station coincide, phi is 0."""
    east, north = station_x - x, station_y - y
    distance, phi = np.hypot(east, north), np.arctan2(north, east)
    c, s = np.cos(phi), np.sin(phi)
    return Ray(
        distance,
        phi,
        np.zeros_like(phi),
        np.stack([-c, -s], axis=-1),
        np.stack([s, -c], axis=-1),
        np.zeros((*phi.shape, 2)),
    )


def geographic(x: np.ndarray, y: np.ndarray, station_x: np.ndarray, station_y: np.ndarray) -> Ray:
    """Rays along geodesics; x is longitude, y latitude.

    Raises
    ------
    ValueError
        Where a station is nearly opposite to a source on the globe.
    """
    radian = np.pi / 180.0
    x, y, station_x, station_y = np.broadcast_arrays(x, y, station_x, station_y)
    # On top of each other there is no direction: look at a station a millimetre east.
    station_x = np.where((x == station_x) & (y == station_y), station_x + 1e-8, station_x)
    longitude = seed(x * radian, 0, 2, 1)
    latitude = seed(y * radian, 1, 2, 1)
    distance, azimuth, end_azimuth = _inverse(latitude, longitude, station_y * radian, station_x * radian)
    if not np.isfinite(distance.v).all():
        raise ValueError("a station lies nearly opposite to a source on the globe")
    r, turn = value(distance), azimuth - end_azimuth
    slopes = [
        np.stack([_slope(each, k) for k in (0, 1)], axis=-1) * radian for each in (distance, azimuth, turn)
    ]
    turned = np.remainder(value(turn) + np.pi, 2.0 * np.pi) - np.pi
    phi = 0.5 * np.pi - value(azimuth)
    return Ray(r, phi, turned, slopes[0], -slopes[1] * r[..., None], slopes[2])


def _slope(number: Jet, k: int) -> np.ndarray:
    return np.broadcast_to(first(number, k), np.shape(value(number)))


class _Arc(NamedTuple):
    """A great circle of the auxiliary sphere, in Vincenty's symbols."""

    sin_sigma: Numbers
    cos_sigma: Numbers
    sigma: Numbers
    middle: Numbers
    cos2_alpha: Numbers
    excess: Numbers


def _sphere(turn: Numbers, su1: Numbers, cu1: Numbers, su2: Numbers, cu2: Numbers) -> _Arc:
    """The arc between reduced latitudes (sines, cosines) whose longitudes are `turn` apart on the sphere.

    Also by how much that exceeds the difference on the ellipsoid.
    """
    f, s, c = FLATTENING, sin(turn), cos(turn)
    across, along = cu2 * s, cu1 * su2 - su1 * (cu2 * c)
    sin_sigma = sqrt(across * across + along * along)
    cos_sigma = su1 * su2 + cu1 * (cu2 * c)
    sigma = atan2(sin_sigma, cos_sigma)
    sin_alpha = cu1 * (cu2 * s) / sin_sigma
    cos2_alpha = 1.0 - sin_alpha * sin_alpha + 1e-30  # along the equator it is 0, times 0
    middle = cos_sigma - 2.0 * su1 * su2 / cos2_alpha
    big_c = f / 16.0 * cos2_alpha * (4.0 + f * (4.0 - 3.0 * cos2_alpha))
    inner = middle + big_c * cos_sigma * (2.0 * middle * middle - 1.0)
    excess = (1.0 - big_c) * f * sin_alpha * (sigma + big_c * sin_sigma * inner)
    return _Arc(sin_sigma, cos_sigma, sigma, middle, cos2_alpha, excess)


def _inverse(lat1: Numbers, lon1: Numbers, lat2: Numbers, lon2: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Distance (km) and azimuths at both ends (radians clockwise from north)."""
    f = FLATTENING
    t1, t2 = (1.0 - f) * sin(lat1) / cos(lat1), (1.0 - f) * np.tan(lat2)
    cu1, cu2 = 1.0 / sqrt(1.0 + t1 * t1), 1.0 / np.sqrt(1.0 + t2 * t2)
    su1, su2 = t1 * cu1, t2 * cu2
    length = lon2 - lon1
    turn = length
    for _ in range(_ITERATIONS):
        turn = length + _sphere(turn, su1, cu1, su2, cu2).excess
    arc = _sphere(turn, su1, cu1, su2, cu2)
    sin_sigma, cos_sigma, sigma, middle = arc.sin_sigma, arc.cos_sigma, arc.sigma, arc.middle
    second = f * (2.0 - f) / (1.0 - f) ** 2
    u2 = arc.cos2_alpha * second
    big_a = 1.0 + u2 / 16384.0 * (4096.0 + u2 * (u2 * (320.0 - 175.0 * u2) - 768.0))
    big_b = u2 / 1024.0 * (256.0 + u2 * (u2 * (74.0 - 47.0 * u2) - 128.0))
    cubic = big_b / 6.0 * middle * (4.0 * sin_sigma * sin_sigma - 3.0) * (4.0 * middle * middle - 3.0)
    change = big_b * sin_sigma * (middle + big_b / 4.0 * (cos_sigma * (2.0 * middle * middle - 1.0) - cubic))
    distance = SEMI_MAJOR * (1.0 - f) * big_a * (sigma - change)
    s, c = sin(turn), cos(turn)
    azimuth = atan2(cu2 * s, cu1 * su2 - su1 * (cu2 * c))
    end_azimuth = atan2(cu1 * s, cu1 * (su2 * c) - su1 * cu2)
    return distance, azimuth, end_azimuth
