"""Sunlight on a surface: shading after Lambert, and cast shadows."""

from __future__ import annotations

import numpy as np

AMBIENT = 0.25  # part of the light that comes from the sky and reaches shadows
FARTHEST = 256  # pixels along which shadows are followed


def shading(height: np.ndarray, azimuth: float, elevation: float, *, shadows: bool = True) -> np.ndarray:
    """Light that falls on a surface, 1 on level ground in the sun.

    Parameters
    ----------
    height : ndarray, shape (h, w)
        In pixels; row 0 is north.
    azimuth, elevation : float
        Of the sun, degrees clockwise from north and above the horizon.
    shadows : bool, optional
        Whether what stands in the way casts shadows; a slope that turns away from the sun is dark anyway.

    Returns
    -------
    ndarray, shape (h, w), float32

    Raises
    ------
    ValueError
        If the sun is not above the horizon.
    """
    if not 0 < elevation <= 90:
        raise ValueError(f"elevation is {elevation!r}; the sun must be above the horizon, to 90 degrees")
    turn, lift = np.radians(azimuth), np.radians(elevation)
    east, north, up = np.sin(turn) * np.cos(lift), np.cos(turn) * np.cos(lift), np.sin(lift)
    by_row, by_column = np.gradient(height.astype(np.float32))
    facing = (up - east * by_column + north * by_row) / np.sqrt(1 + by_column**2 + by_row**2)
    direct = np.maximum(facing, 0.0) / up
    if shadows and elevation < 89:
        direct *= _sunlit(height, turn, np.tan(lift))
    return ((1 - AMBIENT) * direct + AMBIENT).astype(np.float32)


def _sunlit(height: np.ndarray, turn: float, rise: float) -> np.ndarray:
    from dislok.kernels.images import paint

    surface = np.ascontiguousarray(height, np.float32)
    out = np.empty_like(surface)
    most = min(FARTHEST, int(float(np.ptp(surface)) / rise) + 2)
    paint.shadows(surface, out, float(np.sin(turn)), float(np.cos(turn)), float(rise), most)
    return out
