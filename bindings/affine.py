"""Affine maps from columns and rows of pixels to coordinates, as GDAL has them.

A transform (a, b, c, d, e, f) says x = a column + b row + c and y = d column + e row + f.
"""

from __future__ import annotations

from collections.abc import Sequence

from dislok.arrays import Array, ArrayLike

Transform = tuple[float, float, float, float, float, float]


def placed(transform: Sequence[float], column: ArrayLike, row: ArrayLike) -> tuple[Array, Array]:
    """Coordinates of points that lie `column` and `row` pixels from the first pixel's corner."""
    a, b, c, d, e, f = transform[:6]
    return a * column + b * row + c, d * column + e * row + f


def moved(transform: Sequence[float], column: float, row: float) -> Transform:
    """The transform of the pixels from another first one on."""
    a, b, _, d, e, _ = transform[:6]
    c, f = placed(transform, column, row)
    return a, b, c, d, e, f


def backwards(transform: Sequence[float]) -> Transform:
    """The transform from coordinates to pixels.

    Raises
    ------
    ValueError
        If all pixels lie on a line.
    """
    a, b, c, d, e, f = transform[:6]
    determinant = a * e - b * d
    if not determinant:
        raise ValueError(f"transform: pixels have no area: {tuple(transform[:6])}")
    a, b, d, e = e / determinant, -b / determinant, -d / determinant, a / determinant
    return a, b, -a * c - b * f, d, e, -d * c - e * f
