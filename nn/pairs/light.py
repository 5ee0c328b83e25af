"""Sunlight on a surface: shading after Lambert, and cast shadows."""

from __future__ import annotations

import numpy as np

AMBIENT = 0.25  # part of the light that comes from the sky and reaches shadows


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
    from dislok.kernels.images import paint

    turn, lift = np.radians(azimuth), np.radians(elevation)
    down, right, up = -np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)
    turned = abs(right) > abs(down)  # rows must be what the light runs across
    surface = np.ascontiguousarray(height.T if turned else height, np.float32)
    level = (right, down) if turned else (down, right)
    out = np.empty_like(surface)
    paint.light(surface, out, *map(float, (*level, up)), AMBIENT, shadows and elevation < 89)
    return np.ascontiguousarray(out.T) if turned else out
