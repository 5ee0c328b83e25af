"""Conversions around earthquake sources: magnitudes, mechanisms, rectangles, map coordinates, lines of sight.

Every function takes numbers, sequences or NumPy arrays that broadcast against each other, computes in float64
and returns NumPy arrays (scalars for scalars). Angles are degrees, with strike, dip and rake of Aki &
Richards. An input that is not finite, or out of its range, is a `ValueError` that names the first offender;
an array of another framework is a `TypeError`.

References
----------
Aki, K. & Richards, P. G. (2002). Quantitative Seismology, 2nd ed., box 4.4.

Karney, C. F. F. (2011). Transverse Mercator with an accuracy of a few nanometers. J. Geodesy 85, 475-485.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dislok import gate as gates
from dislok.arrays import ArrayLike, check_finite, guard, reject
from dislok.sources import (
    ORIGINS,
    Rectangle,
    check_values,
    fractions,
    named_fields,
    origin_of,
    points_on,
    sincos_degrees,
    stack,
)

__all__ = [
    "DoubleCouple",
    "auxiliary_plane",
    "change_frame",
    "corners",
    "double_couple",
    "line_of_sight",
    "magnitude_from_moment",
    "moment_from_magnitude",
    "moment_from_slip",
    "moment_tensor",
    "move_origin",
    "rectangle_from_corners",
    "slip_from_moment",
    "to_geographic",
    "to_local",
    "triangles",
]

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Plane: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]

# Rows: the axes of each frame in north, east, down.
_FRAMES = {
    "NED": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "ENU": np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]),
    "USE": np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]]),
}
_CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def magnitude_from_moment(moment: ArrayLike) -> FloatArray:
    """Moment magnitude Mw = (log₁₀ M₀ - 9.1) / 1.5, the IASPEI standard.

    Parameters
    ----------
    moment : array_like, shape (...)
        Scalar moment in N·m, positive.

    Returns
    -------
    ndarray, shape (...)
    """
    m0 = _positive("moment", moment)
    return (np.log10(m0) - 9.1) / 1.5


def moment_from_magnitude(magnitude: ArrayLike) -> FloatArray:
    """Scalar moment in N·m of a moment magnitude; the inverse of :func:`magnitude_from_moment`.

    Parameters
    ----------
    magnitude : array_like, shape (...)
        Moment magnitude Mw.

    Returns
    -------
    ndarray, shape (...)
    """
    return 10.0 ** (1.5 * _number("magnitude", magnitude) + 9.1)


def moment_from_slip(slip: ArrayLike, area: ArrayLike, mu: ArrayLike = 30e9) -> FloatArray:
    """Scalar moment μ A s of uniform slip.

    Parameters
    ----------
    slip : array_like, shape (...)
        Slip in m, not negative.
    area : array_like, shape (...)
        Area of the fault in m², positive.
    mu : array_like, optional
        Shear modulus in Pa, positive.

    Returns
    -------
    ndarray, shape (...)
        Moment in N·m.
    """
    return _positive("mu", mu) * _positive("area", area) * _not_negative("slip", slip)


def slip_from_moment(moment: ArrayLike, area: ArrayLike, mu: ArrayLike = 30e9) -> FloatArray:
    """Uniform slip M₀ / (μ A) that makes a scalar moment.

    Parameters
    ----------
    moment : array_like, shape (...)
        Scalar moment in N·m, not negative.
    area : array_like, shape (...)
        Area of the fault in m², positive.
    mu : array_like, optional
        Shear modulus in Pa, positive.

    Returns
    -------
    ndarray, shape (...)
        Slip in m.

    Examples
    --------
    >>> from dislok import convert
    >>> round(float(convert.slip_from_moment(convert.moment_from_magnitude(7.0), 40e3 * 15e3)), 3)
    2.212
    """
    return _not_negative("moment", moment) / (_positive("mu", mu) * _positive("area", area))


def auxiliary_plane(strike: ArrayLike, dip: ArrayLike, rake: ArrayLike) -> Plane:
    """The other nodal plane of a double couple.

    Parameters
    ----------
    strike, dip, rake : array_like, shape (...)
        One nodal plane.

    Returns
    -------
    strike, dip, rake : ndarray, shape (...)
        The other one: strike in [0, 360), dip in [0, 90], rake in (-180, 180]. A horizontal plane gets strike
        0.
    """
    normal, slip = _normal_and_slip(strike, dip, rake)
    return _plane(slip, normal)


@gates.gate(frame=gates.choice(*_FRAMES))
def moment_tensor(
    strike: ArrayLike, dip: ArrayLike, rake: ArrayLike, moment: ArrayLike = 1.0, *, frame: str = "ENU"
) -> FloatArray:
    """Moment tensor of a double couple.

    Parameters
    ----------
    strike, dip, rake : array_like, shape (...)
        One of its nodal planes.
    moment : array_like, shape (...), optional
        Scalar moment.
    frame : {"ENU", "NED", "USE"}, optional
        Axes: east, north, up; north, east, down; or up, south, east, which is the (r, θ, φ) of moment-tensor
        catalogues.

    Returns
    -------
    ndarray, shape (..., 3, 3)
        Symmetric, in the unit of `moment`.
    """
    normal, slip = _normal_and_slip(strike, dip, rake)
    size = _number("moment", moment)[..., None, None]
    product = slip[..., :, None] * normal[..., None, :]
    return change_frame(size * (product + np.swapaxes(product, -1, -2)), "NED", frame)


@gates.gate(source=gates.choice(*_FRAMES), target=gates.choice(*_FRAMES))
def change_frame(tensor: ArrayLike, source: str, target: str) -> FloatArray:
    """A tensor in other axes.

    Parameters
    ----------
    tensor : array_like, shape (..., 3, 3)
        Components in the axes `source`.
    source, target : {"ENU", "NED", "USE"}
        As the `frame` of :func:`moment_tensor`.

    Returns
    -------
    ndarray, shape (..., 3, 3)
        Components in the axes `target`.
    """
    turn = _frame(target) @ _frame(source).T
    return turn @ _tensor(tensor) @ turn.T


class DoubleCouple(NamedTuple):
    """The double couple nearest to a moment tensor; what :func:`double_couple` returns.

    Attributes
    ----------
    strike, dip, rake : ndarray, shape (..., 2)
        The two nodal planes, the one of the smaller strike first.
    moment : ndarray, shape (...)
        Scalar moment: half the difference of the greatest and the least eigenvalue.
    clvd : ndarray, shape (...)
        ``-λ₂ / max(|λ₁|, |λ₃|)`` of the deviatoric eigenvalues λ₁ >= λ₂ >= λ₃, in [-0.5, 0.5]; 0 for a double
        couple.
    isotropic : ndarray, shape (...)
        Mean of the eigenvalues, in the unit of the tensor.
    """

    strike: FloatArray
    dip: FloatArray
    rake: FloatArray
    moment: FloatArray
    clvd: FloatArray
    isotropic: FloatArray


@gates.gate(frame=gates.choice(*_FRAMES))
def double_couple(tensor: ArrayLike, *, frame: str = "ENU") -> DoubleCouple:
    """Nodal planes, size and remainder of a moment tensor.

    Parameters
    ----------
    tensor : array_like, shape (..., 3, 3)
        Symmetric moment tensor.
    frame : {"ENU", "NED", "USE"}, optional
        Its axes, as of :func:`moment_tensor`.

    Returns
    -------
    DoubleCouple

    Raises
    ------
    ValueError
        If the tensor is not symmetric, or has no deviatoric part.
    """
    m = change_frame(tensor, frame, "NED")
    scale = np.abs(m).max(axis=(-2, -1))
    if (np.abs(m - np.swapaxes(m, -1, -2)).max(axis=(-2, -1)) > 1e-6 * scale).any():
        raise ValueError("tensor is not symmetric")
    values, axes = np.linalg.eigh(m)
    isotropic = values.mean(axis=-1)
    spread = values[..., 2] - values[..., 0]
    if not (spread > 1e-12 * scale).all():
        raise ValueError("tensor has no deviatoric part, so no double couple")
    deviatoric = values - isotropic[..., None]
    clvd = -deviatoric[..., 1] / np.abs(deviatoric).max(axis=-1)
    pressure, tension = axes[..., 0], axes[..., 2]
    normal, slip = (tension + pressure) / np.sqrt(2.0), (tension - pressure) / np.sqrt(2.0)
    planes = _by_strike(_plane(normal, slip), _plane(slip, normal))
    return DoubleCouple(*planes, spread / 2.0, clvd, isotropic)


def corners(source: Rectangle, *, origin: str | None = None) -> FloatArray:
    """Corners of rectangles.

    Parameters
    ----------
    source : Rectangle
        The m rectangles.
    origin : str, optional
        Where their (x, y, depth) sits, a key of :data:`dislok.okada.ORIGINS`; by default what they carry, or
        "topleft".

    Returns
    -------
    ndarray, shape (m, 4, 3)
        East, north and up of the corners top left, top right, bottom right, bottom left; up is negative below
        the surface.
    """
    table, here = _table(source, origin)
    return points_on(table, here, _CORNERS)


def triangles(source: Rectangle, *, origin: str | None = None) -> FloatArray:
    """Rectangles cut in two triangles each, whose normals point up and whose slip means the same.

    Parameters
    ----------
    source : Rectangle
        The m rectangles.
    origin : str, optional
        As of :func:`corners`.

    Returns
    -------
    ndarray, shape (2 m, 3, 3)
        Triangle, vertex, and east, north, up. Triangles 2i and 2i + 1 make rectangle i.
    """
    top_left, top_right, bottom_right, bottom_left = np.moveaxis(corners(source, origin=origin), 1, 0)
    lower = np.stack([bottom_left, bottom_right, top_right], axis=1)
    upper = np.stack([bottom_left, top_right, top_left], axis=1)
    return np.stack([lower, upper], axis=1).reshape(-1, 3, 3)


@gates.gate(rake=gates.real(), slip=gates.real(), opening=gates.real())
def rectangle_from_corners(
    corners: ArrayLike, rake: ArrayLike = 0.0, slip: ArrayLike = 1.0, opening: ArrayLike = 0.0
) -> Rectangle:
    """Rectangles of given corners; the inverse of :func:`corners` with ``origin="topleft"``.

    Parameters
    ----------
    corners : array_like, shape (m, 4, 3)
        East, north and up of the corners top left, top right, bottom right, bottom left.
    rake, slip, opening : array_like, optional
        Fields of the result.

    Returns
    -------
    Rectangle
        With (x, y, depth) at its top left corner and strike in [0, 360).

    Raises
    ------
    ValueError
        If four corners make no rectangle with a horizontal upper edge, to 1e-6 of its size.
    """
    points = _number("corners", corners)
    if points.ndim != 3 or points.shape[1:] != (4, 3):
        raise ValueError(f"corners must have shape (m, 4, 3), got {points.shape}")
    top, side = points[:, 1] - points[:, 0], points[:, 3] - points[:, 0]
    length, width = np.linalg.norm(top, axis=1), np.linalg.norm(side, axis=1)
    _check_rectangles(points, top, side, length, width)
    strike = np.rad2deg(np.arctan2(top[:, 0], top[:, 1])) % 360.0
    ss, cs = sincos_degrees(strike)
    dip = np.rad2deg(np.arctan2(-side[:, 2], cs * side[:, 0] - ss * side[:, 1]))
    x, y, up = points[:, 0].T
    return Rectangle(x, y, -up, length, width, strike, dip, rake, slip, opening)


@gates.gate(origin=gates.choice(*ORIGINS), to=gates.choice(*ORIGINS))
def move_origin(source: Rectangle, origin: str, to: str) -> Rectangle:
    """The same rectangles with (x, y, depth) at another reference point.

    Parameters
    ----------
    source : Rectangle
        The m rectangles.
    origin, to : str
        Where (x, y, depth) sits now, and where it shall sit; keys of :data:`dislok.okada.ORIGINS`.

    Returns
    -------
    Rectangle
        With x, y and depth of shape (m,), and the other fields as they were. It carries `to`.
    """
    table, here = _table(source, origin)
    place = points_on(table, here, [fractions(to)])[:, 0]
    return source._replace(x=place[:, 0], y=place[:, 1], depth=-place[:, 2]).with_origin(to)


@gates.gate(look=gates.choice("right", "left"))
def line_of_sight(incidence: ArrayLike, heading: ArrayLike, *, look: str = "right") -> FloatArray:
    """Unit vector from the ground to a side-looking radar satellite.

    Its product with a displacement is the motion towards the satellite.

    Parameters
    ----------
    incidence : array_like, shape (...)
        Angle at the ground between the vertical and the satellite, in [0, 90).
    heading : array_like, shape (...)
        Direction of flight, clockwise from north: about -10 ascending, about 190 descending.
    look : {"right", "left"}, optional
        Side of the track on which the satellite looks.

    Returns
    -------
    ndarray, shape (..., 3)
        East, north, up.
    """
    if look not in ("right", "left"):
        raise ValueError(f"unknown look {look!r}; choose from 'right', 'left'")
    angle = _number("incidence", incidence)
    _refuse("incidence", angle, (angle < 0) | (angle >= 90), "it must be in [0, 90)")
    si, ci = sincos_degrees(angle)
    sh, ch = sincos_degrees(_number("heading", heading))
    side = 1.0 if look == "right" else -1.0
    return np.stack(np.broadcast_arrays(-side * si * ch, side * si * sh, ci), axis=-1)


def to_local(lon: ArrayLike, lat: ArrayLike, lon0: float, lat0: float) -> tuple[FloatArray, FloatArray]:
    """East and north of a reference point: transverse Mercator on WGS84, with its meridian there.

    The projection itself is accurate to nanometres (Krüger's series to sixth order, Karney 2011). It keeps
    angles, has scale one on the meridian of the reference point, and stretches distances by 1 + x² / 2R²
    aside from it: 0.012 % at x = 100 km, 0.05 % at 200 km, 0.3 % at 500 km. Grid north turns from north by
    (lon - lon0) sin(lat).

    Parameters
    ----------
    lon, lat : array_like, shape (...)
        Geodetic longitude and latitude on WGS84; longitude within 30 degrees of `lon0`.
    lon0, lat0 : float
        Reference point.

    Returns
    -------
    x, y : ndarray, shape (...)
        East and north in m.
    """
    xi, eta = _krueger(_longitude_from(lon, lon0), _latitude("lat", lat))
    xi0, _ = _krueger(np.zeros(()), _latitude("lat0", lat0))
    return _RECTIFYING * eta, _RECTIFYING * (xi - xi0)


def to_geographic(x: ArrayLike, y: ArrayLike, lon0: float, lat0: float) -> tuple[FloatArray, FloatArray]:
    """Longitude and latitude of local coordinates; the inverse of :func:`to_local`.

    Parameters
    ----------
    x, y : array_like, shape (...)
        East and north of the reference point in m.
    lon0, lat0 : float
        Reference point.

    Returns
    -------
    lon, lat : ndarray, shape (...)
        Geodetic longitude, in [-180, 180), and latitude on WGS84.
    """
    xi0, _ = _krueger(np.zeros(()), _latitude("lat0", lat0))
    zeta = _number("y", y) / _RECTIFYING + xi0 + 1j * _number("x", x) / _RECTIFYING
    zeta = zeta - _series(_BETA, zeta)
    xi, eta = zeta.real, zeta.imag
    lon = np.rad2deg(np.arctan2(np.sinh(eta), np.cos(xi))) + _number("lon0", lon0)
    tau = _geodetic(np.sin(xi) / np.hypot(np.sinh(eta), np.cos(xi)))
    return (lon + 180.0) % 360.0 - 180.0, np.rad2deg(np.arctan(tau))


# WGS84, and Krüger's series in its third flattening (Karney 2011, equations 35 and 36).
_A, _F = 6378137.0, 1.0 / 298.257223563
_E = np.sqrt(_F * (2.0 - _F))
_N = _F / (2.0 - _F)
_RECTIFYING = _A / (1.0 + _N) * (1.0 + _N**2 / 4.0 + _N**4 / 64.0 + _N**6 / 256.0)
_POWERS = _N ** np.arange(1, 7)
_ALPHA = _POWERS @ np.array(
    [
        [1 / 2, 0, 0, 0, 0, 0],
        [-2 / 3, 13 / 48, 0, 0, 0, 0],
        [5 / 16, -3 / 5, 61 / 240, 0, 0, 0],
        [41 / 180, 557 / 1440, -103 / 140, 49561 / 161280, 0, 0],
        [-127 / 288, 281 / 630, 15061 / 26880, -179 / 168, 34729 / 80640, 0],
        [
            7891 / 37800,
            -1983433 / 1935360,
            167603 / 181440,
            6601661 / 7257600,
            -3418889 / 1995840,
            212378941 / 319334400,
        ],
    ]
)
_BETA = _POWERS @ np.array(
    [
        [1 / 2, 0, 0, 0, 0, 0],
        [-2 / 3, 1 / 48, 0, 0, 0, 0],
        [37 / 96, 1 / 15, 17 / 480, 0, 0, 0],
        [-1 / 360, -437 / 1440, -37 / 840, 4397 / 161280, 0, 0],
        [-81 / 512, 46 / 105, -209 / 4480, -11 / 504, 4583 / 161280, 0],
        [
            96199 / 604800,
            -1118711 / 3870720,
            5569 / 90720,
            -830251 / 7257600,
            -108847 / 3991680,
            20648693 / 638668800,
        ],
    ]
)


def _number(name: str, value: ArrayLike) -> FloatArray:
    """`value` as a finite float64 array, zero-dimensional for a number."""
    space, arrays = guard({name: value})
    if space.framework != "numpy":
        raise TypeError(f"{name} is a {type(value).__name__}; conversions take numbers and NumPy arrays")
    array = np.array(arrays[name], np.float64)
    check_finite(name, array)
    return array


def _refuse(name: str, values: ArrayLike, bad: ArrayLike, rule: str) -> None:
    if np.any(bad):
        reject(name, values, bad, rule)


def _positive(name: str, value: ArrayLike) -> FloatArray:
    array = _number(name, value)
    _refuse(name, array, array <= 0, "it must be positive")
    return array


def _not_negative(name: str, value: ArrayLike) -> FloatArray:
    array = _number(name, value)
    _refuse(name, array, array < 0, "it must not be negative")
    return array


def _frame(name: str) -> NDArray[np.int64]:
    if name not in _FRAMES:
        raise ValueError(f"unknown frame {name!r}; choose from {', '.join(map(repr, _FRAMES))}")
    return _FRAMES[name]


def _tensor(tensor: ArrayLike) -> FloatArray:
    array = _number("tensor", tensor)
    if array.shape[-2:] != (3, 3):
        raise ValueError(f"tensor must have shape (..., 3, 3), got {array.shape}")
    return array


def _normal_and_slip(strike: ArrayLike, dip: ArrayLike, rake: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Upward normal of the fault and direction of slip of its hanging wall, north, east, down."""
    (ss, cs), (sd, cd), (sr, cr) = (
        sincos_degrees(_number(name, angle))
        for name, angle in (("strike", strike), ("dip", dip), ("rake", rake))
    )
    normal = (-sd * ss, sd * cs, -cd)
    slip = (cr * cs + cd * sr * ss, cr * ss - cd * sr * cs, -sr * sd)
    vectors = np.broadcast_arrays(*normal, *slip)
    return np.stack(vectors[:3], axis=-1), np.stack(vectors[3:], axis=-1)


def _plane(normal: FloatArray, slip: FloatArray) -> Plane:
    """Strike, dip and rake of a plane with that normal and slip, which may point down together."""
    up = np.where(normal[..., 2:] > 0, -1.0, 1.0)
    normal, slip = up * normal, up * slip
    level = np.hypot(normal[..., 0], normal[..., 1])
    strike = np.where(level > 1e-12, np.arctan2(-normal[..., 0], normal[..., 1]), 0.0)
    dip = np.arctan2(level, -normal[..., 2])
    ss, cs, sd, cd = np.sin(strike), np.cos(strike), np.sin(dip), np.cos(dip)
    along = slip[..., 0] * cs + slip[..., 1] * ss
    up_dip = cd * (slip[..., 0] * ss - slip[..., 1] * cs) - sd * slip[..., 2]
    rake = np.rad2deg(np.arctan2(up_dip, along))
    rake = np.where(rake <= -180.0, 180.0, rake)
    return _wrapped(np.rad2deg(strike)), np.rad2deg(dip)[()], rake[()]


def _wrapped(strike: FloatArray) -> FloatArray:
    """An angle in [0, 360); a tiny negative one would round to 360."""
    turned = strike % 360.0
    return np.where(turned >= 360.0, 0.0, turned)[()]


def _by_strike(first: Plane, second: Plane) -> Plane:
    """Two planes on a last axis, the one of the smaller strike first."""
    strike, dip, rake = (np.stack(both, axis=-1) for both in zip(first, second, strict=True))
    order = np.argsort(strike, axis=-1, kind="stable")
    sort = partial(np.take_along_axis, indices=order, axis=-1)
    return sort(strike), sort(dip), sort(rake)


def _table(source: Rectangle, origin: str | None) -> tuple[FloatArray, tuple[float, float]]:
    """All numbers (m, 10), and where on a rectangle (x, y, depth) sits."""
    if not isinstance(source, Rectangle):
        raise TypeError(f"source must be a Rectangle, got {type(source).__name__}")
    space, arrays = guard(named_fields(source))
    if space.framework != "numpy":
        raise TypeError("source has tensors; conversions take numbers and NumPy arrays")
    table, here = stack(arrays, space), fractions(origin_of(source, origin))
    check_values("rectangle", table, here)
    return table.astype(np.float64), here


def _check_rectangles(
    points: FloatArray, top: FloatArray, side: FloatArray, length: FloatArray, width: FloatArray
) -> None:
    tolerance = 1e-6 * np.maximum(length, width)
    gap = np.linalg.norm(points[:, 0] + points[:, 2] - points[:, 1] - points[:, 3], axis=1)
    slant = np.abs(np.einsum("ij,ij->i", top, side)) / np.where(tolerance > 0, np.maximum(length, width), 1.0)
    bad = (length == 0) | (width == 0) | (gap > tolerance) | (slant > tolerance)
    if bad.any():
        raise ValueError(f"corners[{int(np.argmax(bad))}] do not make a rectangle")
    tilted = np.abs(top[:, 2]) > tolerance
    if tilted.any():
        raise ValueError(f"corners[{int(np.argmax(tilted))}] have an upper edge that is not horizontal")


def _latitude(name: str, value: ArrayLike) -> FloatArray:
    latitude = _number(name, value)
    _refuse(name, latitude, np.abs(latitude) > 90, "latitude must be in [-90, 90]")
    return latitude


def _longitude_from(lon: ArrayLike, lon0: float) -> FloatArray:
    away = (_number("lon", lon) - _number("lon0", lon0) + 180.0) % 360.0 - 180.0
    _refuse("lon - lon0", away, np.abs(away) > 30, "longitude must be within 30 degrees of lon0")
    return away


def _krueger(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Northing and easting in units of the rectifying radius."""
    sl, cl = np.sin(np.deg2rad(lon)), np.cos(np.deg2rad(lon))
    tau = _conformal(np.tan(np.deg2rad(lat)))
    xi, eta = np.arctan2(tau, cl), np.arcsinh(sl / np.hypot(tau, cl))
    zeta = xi + 1j * eta
    zeta = zeta + _series(_ALPHA, zeta)
    return zeta.real, zeta.imag


def _series(coefficients: FloatArray, zeta: ArrayLike) -> Any:
    return sum(c * np.sin(2 * (j + 1) * zeta) for j, c in enumerate(coefficients))


def _conformal(tau: FloatArray) -> FloatArray:
    """Tangent of the conformal latitude of the tangent of a latitude (Karney 2011, equations 7 to 9)."""
    root = np.hypot(1.0, tau)
    sigma = np.sinh(_E * np.arctanh(_E * tau / root))
    return tau * np.hypot(1.0, sigma) - sigma * root


def _geodetic(conformal: FloatArray) -> FloatArray:
    """The inverse of `_conformal` by Newton's method (Karney 2011, equations 19 to 21)."""
    tau = conformal / (1.0 - _E**2)
    for _ in range(4):
        off = conformal - _conformal(tau)
        slope = (1.0 - _E**2) * np.hypot(1.0, conformal) * np.hypot(1.0, tau) / (1.0 + (1.0 - _E**2) * tau**2)
        tau = tau + off / slope
    return tau
