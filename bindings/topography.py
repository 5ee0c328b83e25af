"""Displacement at stations on mountains: what is done in practice to a half-space, and how far off it is.

`dislok.okada` and `dislok.tde` have a flat ground at z = 0, and no observers above it. Two corrections are
usual, and both are offered here:

- "reference": the flat ground lies at one elevation, the same for all stations. Right where the relief is
  small beside the depth of the source.
- "varying": for each station the flat ground lies at that station's elevation, so that the source is as deep
  below the station as it really is (Williams & Wadge 1998). Exact for a plateau at any elevation; what
  neighbouring slopes do is left out.

Both leave out how slopes turn the ground's motion and focus its strain. How much that is can be measured
where it is known exactly, on a plane that slopes: the documentation has a table, which a test holds.

References
----------
Williams, C. A. and Wadge, G. (1998). The effects of topography on magma chamber deformation models:
application to Mt. Etna and radar interferometry. Geophysical Research Letters 25(10), 1549-1552.

Williams, C. A. and Wadge, G. (2000). An accurate and efficient method for including the effects of
topography in three-dimensional elastic models of ground deformation with applications to radar
interferometry. Journal of Geophysical Research 105(B4), 8103-8120.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates
from dislok import okada, tde
from dislok.arrays import HostArray as Array
from dislok.arrays import Record, guard
from dislok.gate import Given
from dislok.sources import Point, Rectangle, kind_of, named_fields, origin_of, stack

__all__ = ["displacement"]

METHODS = ("varying", "reference")

_nu = gates.number(least=0, below=0.5)


@gates.gate(
    xy=gates.real(None, 2),
    elevation=gates.real(),
    slip=gates.optional(gates.real()),
    method=gates.choice(*METHODS),
    reference=gates.optional(gates.number()),
    nu=_nu,
    origin=gates.optional(gates.text()),
)
def displacement(
    xy: ArrayLike,
    elevation: ArrayLike,
    source: Given,
    slip: ArrayLike | None = None,
    *,
    method: str = "varying",
    reference: float | None = None,
    nu: float = 0.25,
    origin: str | None = None,
) -> Array:
    """Displacement of all sources together at stations of any elevation.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        East and north of the stations.
    elevation : array_like, shape (n,) or ()
        Of the stations above the level from which depths count, sea level say; in the unit of `xy`.
    source : Rectangle, Point, or triangles
        The m sources; see :mod:`dislok.okada`, and for triangles (m, 3, 3) or (points, cells)
        :mod:`dislok.tde`. Depth and z count from the level of elevation 0. A source may rise above it, but
        not above the ground.
    slip : array_like, shape (m, 3) or (3,), optional
        Of triangles, and only of them.
    method : {"varying", "reference"}, optional
        The correction; see the module.
    reference : float, optional
        Elevation of the flat ground of "reference"; by default the mean of the stations.
    nu : float, optional
        Poisson's ratio.
    origin : str, optional
        As of :func:`dislok.okada.displacement`.

    Returns
    -------
    array, shape (n, 3)
        East, north and up.

    Raises
    ------
    ValueError, TypeError
        If a shape does not fit, a value is not finite, or a source sticks out of the ground of a station.

    Examples
    --------
    >>> import numpy as np
    >>> from dislok import okada, topography
    >>> fault = okada.Rectangle(x=0, y=0, depth=3, length=8, width=4, strike=0, dip=60, rake=-90)
    >>> topography.displacement([[1.0, 2.0], [4.0, 2.0]], [0.5, 2.8], fault).shape
    (2, 3)
    """
    points, height = _stations(np.asarray(xy), np.asarray(elevation))
    if method == "varying":
        if reference is not None:
            raise ValueError(f"reference must be left out for the method 'varying', got {reference!r}")
    elif reference is None:
        height = np.full(len(height), height.mean() if len(height) else 0.0)
    else:
        height = np.full(len(height), reference)
    if isinstance(source, (Rectangle, Point)):
        if slip is not None:
            raise ValueError("slip must be left out for rectangles and points, which hold theirs")
        return _of_rectangles(points, height, source, nu, origin)
    if slip is None:
        raise TypeError(f"source must be a Rectangle or Point where no slip is given, got {source!r:.60}")
    if origin is not None:
        raise ValueError(f"origin must be left out for triangles, got {origin!r}")
    return _of_triangles(points, height, source, np.asarray(slip), nu)


def _stations(xy: Array, elevation: Array) -> tuple[Array, Array]:
    if elevation.shape not in ((), (len(xy),)):
        raise ValueError(
            f"elevation must have shape ({len(xy)},), one for each station, got {elevation.shape}"
        )
    return xy, np.array(np.broadcast_to(elevation, (len(xy),)), np.float64)


def _of_rectangles(xy: Array, height: Array, source: Given, nu: float, origin: str | None) -> Array:
    space, fields = guard(named_fields(source))
    if space.framework != "numpy":
        raise TypeError("source must be numbers and NumPy arrays")
    table = np.asarray(stack(fields, space), np.float64)
    kind = Point if kind_of(source) == "point" else Rectangle
    options: Record = {"nu": nu, "origin": origin_of(source, origin)}
    if len(height):
        lowest = kind(*table.T)._replace(depth=table[:, 2] + height.min())
        _in_the_ground(height, lambda: okada.check(np.zeros((1, 2)), lowest, **options))
    if _level(height):
        lifted = kind(*table.T)
        return np.asarray(okada.displacement(xy, lifted._replace(depth=table[:, 2] + height[0]), **options))
    total = np.zeros((len(xy), 3))
    for row in table:
        lifted = kind(*row)._replace(depth=row[2] + height)
        total += np.asarray(okada.displacement(xy, lifted, pairs=True, **options))
    return total


def _of_triangles(xy: Array, height: Array, source: Given, slip: Array, nu: float) -> Array:
    corners = source
    if isinstance(source, tuple):
        points, cells = source
        corners = np.asarray(points, np.float64)[np.asarray(cells)]
    corners = gates.real(None, 3, 3)("source", corners)
    slip = np.broadcast_to(slip, (len(corners), 3)) if slip.shape == (3,) else slip
    slip = gates.real(len(corners), 3)("slip", slip)
    if len(height) and corners[..., 2].max(initial=-np.inf) > height.min():
        top = corners[..., 2].max()
        raise ValueError(
            f"elevation[{height.argmin()}] is {height.min():g}, below the source, which rises to {top:g}"
        )
    up = height[:, None, None] * np.array([0.0, 0.0, 1.0])
    if _level(height):
        return np.asarray(tde.displacement(xy, corners - up[0], slip, nu=nu))
    total = np.zeros((len(xy), 3))
    for triangle, own in zip(corners, slip, strict=True):
        each = np.broadcast_to(own, (len(xy), 3))
        total += np.asarray(tde.displacement(xy, triangle - up, each, nu=nu, pairs=True))
    return total


def _in_the_ground(height: Array, check: Callable[[], None]) -> None:
    """Say for which station a source is none that can be."""
    try:
        check()
    except ValueError as error:
        raise ValueError(
            f"elevation[{height.argmin()}] is {height.min():g}; seen from there {error}"
        ) from None


def _level(height: Array) -> bool:
    """Whether all stations have one elevation, and there are any."""
    return len(height) > 0 and bool((height == height[0]).all())
