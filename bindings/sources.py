"""Sources as named tuples of arrays that broadcast: fields, reference points, and what makes them valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dislok.arrays import Array, ArrayLike, Record, Space, check_finite

ORIGINS: Mapping[str, tuple[float, float]] = {
    "topleft": (0.0, 0.0),
    "topcenter": (0.5, 0.0),
    "topright": (1.0, 0.0),
    "centerleft": (0.0, 0.5),
    "center": (0.5, 0.5),
    "centerright": (1.0, 0.5),
    "bottomleft": (0.0, 1.0),
    "bottomcenter": (0.5, 1.0),
    "bottomright": (1.0, 1.0),
}
"""Where (x, y, depth) sits on a rectangle: fractions of its length along strike and of its width down dip.

Strike points from left to right, as one sees the fault from its hanging wall.
"""

DEFAULT_ORIGIN = "topleft"

_OUTCROP = {8: 1e-9, 4: 1e-6}  # by the bytes of a number
_NEGATIVE_DEPTH = "depth is positive downwards and must not be negative"


class Rectangle(NamedTuple):
    """Rectangular dislocations (Okada 1985, 1992): one, or many where a field is a vector.

    Every field is a number or a vector; vectors have one length m, or length one. Fields of shape (B, k) are
    B models of k sources each, with the same observers: results have a leading axis B, and sums run over the
    k sources of a model. All lengths share one unit, and displacement comes out in the unit of `slip` and
    `opening`. The order of the fields is the order of the parameters in :func:`dislok.okada.jacobian` and
    :func:`dislok.okada.hessian`.

    Attributes
    ----------
    x, y : float or array, shape (m,)
        East and north coordinate of the reference point: the one that the rectangles carry
        (:meth:`with_origin`), or the one that ``origin=`` of a function chooses, by default "topleft".
    depth : float or array, shape (m,)
        Depth of the reference point, positive downwards.
    length, width : float or array, shape (m,)
        Size along strike and down dip, positive.
    strike : float or array, shape (m,)
        Degrees clockwise from north; the fault dips to the right of it (Aki & Richards).
    dip : float or array, shape (m,)
        Degrees downwards from the horizontal. Any value is allowed.
    rake : float or array, shape (m,)
        Direction of slip of the hanging wall, degrees counterclockwise from strike: 0 is left-lateral, 90 is
        reverse, 180 is right-lateral, -90 is normal.
    slip : float or array, shape (m,)
        Size of the slip.
    opening : float or array, shape (m,)
        Tensile opening, positive when the walls part.

    Examples
    --------
    >>> from dislok import okada
    >>> fault = okada.Rectangle(x=0, y=0, depth=1e3, length=20e3, width=10e3, strike=30, dip=60, rake=90)
    >>> fault._replace(slip=2.0).slip
    2.0
    """

    x: ArrayLike
    y: ArrayLike
    depth: ArrayLike
    length: ArrayLike
    width: ArrayLike
    strike: ArrayLike
    dip: ArrayLike
    rake: ArrayLike = 0.0
    slip: ArrayLike = 1.0
    opening: ArrayLike = 0.0

    @property
    def origin(self) -> str | None:
        """The reference point that the rectangles carry, a key of `ORIGINS`; None where they carry none."""
        return None

    def with_origin(self, origin: str) -> Rectangle:
        """The same numbers, carrying the reference point that (x, y, depth) is.

        Functions use what a rectangle carries and refuse an ``origin=`` that contradicts it. To move the
        reference point, see :func:`dislok.convert.move_origin`.

        Parameters
        ----------
        origin : str
            A key of `ORIGINS`.

        Examples
        --------
        >>> from dislok import okada
        >>> fault = okada.Rectangle(0, 0, 5, 20, 10, 30, 60).with_origin("topcenter")
        >>> fault.origin, fault._replace(slip=2.0).origin
        ('topcenter', 'topcenter')
        """
        fractions(origin)
        return _PLACED[origin]._make(self)


class _Placed(Rectangle):
    """Rectangles that carry their reference point: one class for each, so that copies keep it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{super().__repr__()}.with_origin({self.origin!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Rectangle.with_origin, (Rectangle._make(self), self.origin)


_PLACED: Mapping[str, type[Rectangle]] = {
    name: type("Rectangle", (_Placed,), {"__slots__": (), "origin": name}) for name in ORIGINS
}
RECTANGLES = frozenset((Rectangle, *_PLACED.values()))


class Point(NamedTuple):
    """Point dislocations (Okada 1985, 1992): one, or many where a field is a vector.

    Potencies are moments without their modulus, in length² times the unit of displacement. With lengths and
    displacement in metres, a shear source of moment M₀ has potency M₀ / μ.

    Attributes
    ----------
    x, y : float or array, shape (m,)
        East and north coordinate.
    depth : float or array, shape (m,)
        Depth, positive downwards.
    strike, dip, rake : float or array, shape (m,)
        Degrees, as of :class:`Rectangle`.
    potency : float or array, shape (m,)
        Shear potency: area times slip.
    opening : float or array, shape (m,)
        Tensile potency: area times opening; its moment is M₀ / λ of the paper.
    inflation : float or array, shape (m,)
        Potency of the inflation source: M₀ / μ of the paper.
    """

    x: ArrayLike
    y: ArrayLike
    depth: ArrayLike
    strike: ArrayLike
    dip: ArrayLike
    rake: ArrayLike = 0.0
    potency: ArrayLike = 1.0
    opening: ArrayLike = 0.0
    inflation: ArrayLike = 0.0


Source: TypeAlias = Rectangle | Point

KINDS: Mapping[type, str] = {Rectangle: "rectangle", Point: "point"} | dict.fromkeys(
    _PLACED.values(), "rectangle"
)
UNIT_SOURCES: Mapping[str, int] = {"rectangle": 3, "point": 4}
"""Number of unit sources B of a kind: strike-slip, dip-slip, opening, and for points inflation."""

_LABELS = {kind: source._fields for source, kind in KINDS.items()}  # type: ignore[attr-defined]
_NAMES = {kind: tuple(f"source.{label}" for label in labels) for kind, labels in _LABELS.items()}


def kind_of(source: Source) -> str:
    """The kind of a source, "rectangle" or "point"; `TypeError` for anything else."""
    kind = KINDS.get(type(source))
    if kind is None:
        raise TypeError(f"source must be a Rectangle or a Point, got {type(source).__name__}")
    return kind


def fractions(origin: str) -> tuple[float, float]:
    """Fractions of length and width at which a reference point sits; `ValueError` for an unknown name."""
    if not isinstance(origin, str) or origin not in ORIGINS:
        raise ValueError(f"unknown origin {origin!r}; choose from {', '.join(map(repr, ORIGINS))}")
    return ORIGINS[origin]


def origin_of(source: Source, origin: str | None = None) -> str:
    """The reference point of sources for which a caller gave `origin`.

    Raises
    ------
    ValueError
        If the name is unknown, or the sources carry another.
    """
    carried = source.origin if isinstance(source, Rectangle) else None
    if origin is None:
        return carried or DEFAULT_ORIGIN
    fractions(origin)
    if carried not in (None, origin):
        raise ValueError(
            f"origin must be {carried!r}, which the source carries, or left out; got {origin!r} "
            "(dislok.convert.move_origin moves the reference point)"
        )
    return origin


def named_fields(source: Source) -> Record:
    """The fields by the name that error messages use."""
    return dict(zip(_NAMES[kind_of(source)], source, strict=True))


def batch_of(fields: Mapping[str, Array]) -> tuple[int, int] | None:
    """Shape (B, k) to which fields broadcast of which at least one has two dimensions; None where none has.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    if not any(field.ndim == 2 for field in fields.values()):
        return None
    shape: tuple[int, ...] = ()
    for name, field in fields.items():
        try:
            shape = np.broadcast_shapes(shape, tuple(field.shape))
        except ValueError:
            message = f"{name} has shape {tuple(field.shape)}, which does not fit {shape} of the others"
            raise ValueError(message) from None
    if len(shape) > 2:
        raise ValueError(f"fields of a source have at most two dimensions, (B, k); got {shape}")
    models, sources = (int(size) for size in shape)
    return models, sources


def stack(fields: Mapping[str, Array], space: Space, rows: int | None = None) -> Array:
    """Fields that broadcast as one table.

    Parameters
    ----------
    fields : mapping of str to array, each of shape () or (m,) or (1,)
        Guarded fields by name.
    space : Space
        Where they live.
    rows : int, optional
        Number of rows to which they must broadcast: the observers of ``pairs=True``.

    Returns
    -------
    array, shape (m, number of fields)
        One row for each source; one row where every field is a number.

    Raises
    ------
    ValueError
        If a field has more than one dimension, or if their lengths do not fit.
    """
    size, owner = 1, ""
    for name, field in fields.items():
        if field.ndim > 1:
            raise ValueError(f"{name} must be a number or one-dimensional, got shape {tuple(field.shape)}")
        length = field.shape[0] if field.ndim else 1
        if length != 1 and size != 1 and length != size:
            raise ValueError(f"{name} has length {length} but {owner} has length {size}")
        if length != 1 and size == 1:
            size, owner = length, name
    if rows is not None and size not in (1, rows):
        raise ValueError(
            f"with pairs=True {owner} must have length {rows}, one for each observer; got {size}"
        )
    return space.columns(list(fields.values()), size if rows is None else rows)


def check_values(
    kind: str, table: np.ndarray, origin: tuple[float, float], batch: tuple[int, int] | None = None
) -> None:
    """Raise a `ValueError` that names the first source that cannot be, and why.

    Every value must be finite and every depth positive or zero. A rectangle must have a positive length and
    width and must stay in the ground; its upper edge may rise above the surface by rounding: 1e-9 of its
    width in float64, 1e-6 in float32.

    Parameters
    ----------
    kind : str
        "rectangle" or "point".
    table : ndarray, shape (m, P)
        What :func:`stack` made.
    origin : tuple of float
        Fractions of the reference point.
    batch : tuple of int, optional
        (B, k) of the fields that the rows are made of.
    """
    limits = _limits()
    check_finite("source", table.reshape(*(batch or (len(table),)), table.shape[1]), _LABELS[kind])
    if kind == "point":
        wrong, row = limits.first_bad_point(table)
    else:
        wrong, row = limits.first_bad_rectangle(table, origin[1], _OUTCROP[table.dtype.itemsize])
    if wrong != limits.FINE:
        where = f"{row}" if batch is None else f"{row // batch[1]}, {row % batch[1]}"
        _refuse(kind, table[row].tolist(), where, wrong, origin)


def _refuse(kind: str, values: list[float], where: str, wrong: int, origin: tuple[float, float]) -> None:
    """Raise the error of one source."""
    limits = _limits()
    field = dict(zip(_LABELS[kind], values, strict=True))
    name, rule = {
        limits.NEGATIVE_DEPTH: ("depth", _NEGATIVE_DEPTH),
        limits.LENGTH: ("length", "it must be positive"),
        limits.WIDTH: ("width", "it must be positive"),
        limits.ABOVE: ("depth", _NEGATIVE_DEPTH),
        limits.OUTCROP: ("depth", "the fault would stick out of the ground by "),
    }[wrong]
    if wrong == limits.OUTCROP:
        rule += f"{limits.outcrop(field['depth'], field['width'], field['dip'], origin[1]):.6g}"
    raise ValueError(f"source.{name}[{where}] is {field[name]!r}; {rule}")


@cache
def _limits() -> ModuleType:
    # Imported only when there are values to look at: importing it imports Numba.
    from dislok.kernels.okada import limits

    return limits


def sincos_degrees(angle: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of an angle in degrees, exact at multiples of 90."""
    quarter = np.round(np.asarray(angle, dtype=np.float64) / 90.0)
    rest = np.deg2rad(angle - 90.0 * quarter)
    turn = (quarter % 4).astype(int)
    sine, cosine = np.sin(rest), np.cos(rest)
    return (
        np.choose(turn, [sine, cosine, -sine, -cosine]),
        np.choose(turn, [cosine, -sine, -cosine, sine]),
    )


def down_dip_and_strike(strike: np.ndarray, dip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along strike and down dip, east, north, up.

    Parameters
    ----------
    strike, dip : ndarray, shape (...)
        Degrees.

    Returns
    -------
    along, down : ndarray, shape (..., 3)
    """
    ss, cs = sincos_degrees(strike)
    sd, cd = sincos_degrees(dip)
    along = np.stack(np.broadcast_arrays(ss, cs, np.zeros_like(sd)), axis=-1)
    down = np.stack(np.broadcast_arrays(cs * cd, -ss * cd, -sd), axis=-1)
    return along, down


def points_on(
    table: np.ndarray, origin: tuple[float, float], at: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Points of rectangles in space.

    Parameters
    ----------
    table : ndarray, shape (m, 10)
        What :func:`stack` made.
    origin : tuple of float
        Fractions of the reference point.
    at : sequence of tuple of float
        Fractions of length and width, k of them.

    Returns
    -------
    ndarray, shape (m, k, 3)
        East, north, up (negative below the surface).
    """
    x, y, depth, length, width, strike, dip = table.T[:7]
    along, down = down_dip_and_strike(strike, dip)
    place = np.stack([x, y, -depth], axis=-1)[:, None, :]
    shift = np.asarray(at, dtype=np.float64) - origin
    along = along[:, None, :] * (length[:, None] * shift[:, 0])[..., None]
    down = down[:, None, :] * (width[:, None] * shift[:, 1])[..., None]
    return place + along + down
