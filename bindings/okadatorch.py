"""Drop-in for the public names of OkadaTorch: change the import line, keep the calls.

`SPOINT` and `SRECTF` (surface), `DC3D0` and `DC3D` (surface and below) and `OkadaWrapper` take the same
arguments with the same names, order and defaults, and return the same lists of tensors. Tensors that come out
are differentiable with respect to every tensor that went in, twice.

What differs
    Derivatives are exact everywhere that the field is smooth: also at dip 90°, rake 0, slip 0, and in line
    with an edge. `hessian` takes every pair, also one coordinate and one parameter. A lone "length" or
    "width", a length or width that is not positive, an observer above the surface, Poisson's ratio outside
    (-1, 0.5] and values that are not finite raise `ValueError`; wrong types raise `TypeError`. `DC3D` and
    `DC3D0` keep their return code instead, and so do the methods with ``return_iret=True``: where it is not
    0, the values are 0 and constant, so that derivatives with respect to the source stay finite. Keys that
    are not known are errors. A rectangle that sticks out
    of the ground warns; its numbers are those of the formulas and mean nothing. Sine and cosine of dip count
    as one angle: they need not be normalised, and derivatives run along the circle. Values are checked on the
    CPU only; on a CUDA device that would make the stream wait.

References
----------
Okada, Y. (1985). Bull. Seism. Soc. Am. 75, 1135-1154. Okada, Y. (1992). Bull. Seism. Soc. Am. 82, 1018-1040.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from dislok import gate as gates
from dislok.arrays import check_finite, flag, reject
from dislok.autograd import edges
from dislok.autograd import okada as autograd
from dislok.autograd.kernels import check_alike

__all__ = ["DC3D", "DC3D0", "SPOINT", "SRECTF", "OkadaWrapper"]

Number: TypeAlias = float | Tensor

# Columns of (displacement, row-major gradient) in the order of OkadaTorch's lists.
_INSIDE = (0, 1, 2, 3, 6, 9, 4, 7, 10, 5, 8, 11)
_SURFACE = (0, 1, 2, 3, 4, 6, 7, 9, 10)

_TOP_LEFT, _BOTTOM_LEFT = (0.0, 0.0), (0.0, 1.0)
_ORIGINS = {"topleft": _TOP_LEFT, "center": (0.5, 0.5)}
_COORDINATES = ("x", "y", "z")
_ANGLES = ("strike", "dip", "rake")
_PARAMETERS = {
    "rectangle": (
        "x_fault", "y_fault", "depth", "length", "width", "strike", "dip", "rake", "slip", "opening",
    ),
    "point": ("x_fault", "y_fault", "depth", "strike", "dip", "rake", "slip", "opening", "inflation"),
}  # fmt: skip
_OPTIONAL = ("opening", "inflation")
# Strike of the x axis.
_EAST = 90.0
_RANGES = ("x", "y", "DEPTH", "AL2 - AL1", "AW2 - AW1", "strike", "DIP", "rake", "DISL", "DISL3")
_EDGES = (*_RANGES, "AL1", "AL2", "AW1", "AW2")
_RECTANGLE = ("x", "y", "DEP", "AL", "AW", "strike", "dip", "rake", "DISL", "DISL3")
_POINT = ("x", "y", "DEPTH", "strike", "DIP", "rake", "POT", "POT3", "POT4")


def _given(name: str, value: gates.Given) -> gates.Given:
    """A number or tensor of a call; plain numbers are finite."""
    _number(name, value)
    return value if isinstance(value, Tensor) else gates.number()(name, value)


def _gate(*names: str, **flags: gates.Kind) -> Any:
    """Let the arguments of these names be numbers or tensors."""
    return gates.gate(**dict.fromkeys(names, _given), **flags)


@_gate("ALP", "X", "Y", "D", "SD", "CD", "DISL1", "DISL2", "DISL3", compute_strain=flag)
def SPOINT(
    ALP: Number,
    X: Tensor,
    Y: Tensor,
    D: Number,
    SD: Number,
    CD: Number,
    DISL1: Number,
    DISL2: Number,
    DISL3: Number,
    compute_strain: bool = True,
) -> list[Tensor]:
    """Displacement, strain and tilt at the surface due to a point source.

    Parameters
    ----------
    ALP : float or Tensor
        Medium constant μ / (λ + μ) = 1 - 2ν.
    X, Y : Tensor
        Observers: along strike, and across it on the side up dip. They broadcast against everything else.
    D : float or Tensor
        Depth of the source, positive.
    SD, CD : float or Tensor
        Sine and cosine of dip.
    DISL1, DISL2, DISL3 : float or Tensor
        Strike-slip, dip-slip and tensile potency (length² times the unit of displacement).
    compute_strain : bool
        Whether to return the derivatives too.

    Returns
    -------
    list of Tensor
        ``[U1, U2, U3, U11, U12, U21, U22, U31, U32]``, with ``Uij`` = ∂Ui/∂xj, or the first three.

    Raises
    ------
    ValueError
        If a source is not finite or above the surface, or if Poisson's ratio is out of range.
    """
    to = _converter((X, Y), ALP, D, SD, CD, DISL1, DISL2, DISL3)
    geometry = [to(v) for v in (0.0, 0.0, D, _EAST)] + [_dip(to(SD), to(CD))]
    slips = _slips(to, DISL1, DISL2, DISL3, 0.0)
    nu = _ratio((1 - to(ALP)) / 2 if isinstance(ALP, Tensor) else (1 - ALP) / 2, ", from ALP")
    source = _Local("point", _TOP_LEFT, _POINT, geometry, slips)
    out, _, shape = _field((to(X), to(Y), to(0.0)), source, nu, compute_strain)
    return _list(out, shape, _SURFACE)


@_gate("ALP", "X", "Y", "DEP", "AL", "AW", "SD", "CD", "DISL1", "DISL2", "DISL3", compute_strain=flag)
def SRECTF(
    ALP: Number,
    X: Tensor,
    Y: Tensor,
    DEP: Number,
    AL: Number,
    AW: Number,
    SD: Number,
    CD: Number,
    DISL1: Number,
    DISL2: Number,
    DISL3: Number,
    compute_strain: bool = True,
) -> list[Tensor]:
    """Displacement, strain and tilt at the surface due to a rectangular fault.

    Parameters
    ----------
    ALP : float or Tensor
        Medium constant μ / (λ + μ) = 1 - 2ν.
    X, Y : Tensor
        Observers: along strike from the left end of the fault, and across it from above its lower edge, on
        the side up dip. They broadcast against everything else.
    DEP : float or Tensor
        Depth of the lower edge, positive.
    AL, AW : float or Tensor
        Length and width.
    SD, CD : float or Tensor
        Sine and cosine of dip.
    DISL1, DISL2, DISL3 : float or Tensor
        Strike-slip, dip-slip and tensile dislocation.
    compute_strain : bool
        Whether to return the derivatives too.

    Returns
    -------
    list of Tensor
        ``[U1, U2, U3, U11, U12, U21, U22, U31, U32]``, with ``Uij`` = ∂Ui/∂xj, or the first three.

    Raises
    ------
    ValueError
        If a source is not finite, a length or width not positive, or Poisson's ratio out of range.
    """
    to = _converter((X, Y), ALP, DEP, AL, AW, SD, CD, DISL1, DISL2, DISL3)
    geometry = [to(v) for v in (0.0, 0.0, DEP, AL, AW, _EAST)] + [_dip(to(SD), to(CD))]
    slips = _slips(to, DISL1, DISL2, DISL3)
    nu = _ratio((1 - to(ALP)) / 2 if isinstance(ALP, Tensor) else (1 - ALP) / 2, ", from ALP")
    source = _Local("rectangle", _BOTTOM_LEFT, _RECTANGLE, geometry, slips)
    out, _, shape = _field((to(X), to(Y), to(0.0)), source, nu, compute_strain)
    return _list(out, shape, _SURFACE)


@_gate(
    "ALPHA",
    "X",
    "Y",
    "Z",
    "DEPTH",
    "DIP",
    "POT1",
    "POT2",
    "POT3",
    "POT4",
    compute_strain=flag,
    is_degree=flag,
)
def DC3D0(
    ALPHA: Number,
    X: Tensor,
    Y: Tensor,
    Z: Tensor,
    DEPTH: Number,
    DIP: Number,
    POT1: Number,
    POT2: Number,
    POT3: Number,
    POT4: Number,
    compute_strain: bool = True,
    is_degree: bool = True,
) -> tuple[list[Tensor], Tensor]:
    """Displacement and its gradient inside the half-space due to a point source.

    Parameters
    ----------
    ALPHA : float or Tensor
        Medium constant (λ + μ) / (λ + 2μ) = 1 / (2 (1 - ν)).
    X, Y, Z : Tensor
        Observers: along strike, across it on the side up dip, and up (Z ≤ 0). They broadcast against
        everything else.
    DEPTH : float or Tensor
        Depth of the source, positive.
    DIP : float or Tensor
        Dip, in degrees unless `is_degree` is false.
    POT1, POT2, POT3, POT4 : float or Tensor
        Strike-slip, dip-slip, tensile and inflation potency (length² times the unit of displacement).
    compute_strain : bool
        Whether to return the derivatives too.
    is_degree : bool
        Whether `DIP` is in degrees; else in radians.

    Returns
    -------
    U : list of Tensor
        ``[UX, UY, UZ, UXX, UYX, UZX, UXY, UYY, UZY, UXZ, UYZ, UZZ]``, with ``Uij`` = ∂Ui/∂j, or the first
        three.
    IRET : Tensor of int32
        0 where all is well, 1 at the source, 2 above the surface; where it is not 0, the values are 0.

    Raises
    ------
    ValueError
        If a source is not finite or above the surface, or if Poisson's ratio is out of range.
    """
    to = _converter((X, Y, Z), ALPHA, DEPTH, DIP, POT1, POT2, POT3, POT4)
    geometry = [to(v) for v in (0.0, 0.0, DEPTH, _EAST)] + [_degrees(to(DIP), is_degree)]
    slips = _slips(to, POT1, POT2, POT3, POT4)
    source = _Local("point", _TOP_LEFT, _POINT, geometry, slips)
    return _inside((to(X), to(Y), to(Z)), source, _from_alpha(to, ALPHA), compute_strain)


@_gate(
    "ALPHA", "X", "Y", "Z", "DEPTH", "DIP", "AL1", "AL2", "AW1", "AW2", "DISL1", "DISL2", "DISL3",
    compute_strain=flag, is_degree=flag,
)  # fmt: skip
def DC3D(
    ALPHA: Number,
    X: Tensor,
    Y: Tensor,
    Z: Tensor,
    DEPTH: Number,
    DIP: Number,
    AL1: Number,
    AL2: Number,
    AW1: Number,
    AW2: Number,
    DISL1: Number,
    DISL2: Number,
    DISL3: Number,
    compute_strain: bool = True,
    is_degree: bool = True,
) -> tuple[list[Tensor], Tensor]:
    """Displacement and its gradient inside the half-space due to a rectangular fault.

    Parameters
    ----------
    ALPHA : float or Tensor
        Medium constant (λ + μ) / (λ + 2μ) = 1 / (2 (1 - ν)).
    X, Y, Z : Tensor
        Observers: along strike, across it on the side up dip, and up (Z ≤ 0). They broadcast against
        everything else.
    DEPTH : float or Tensor
        Depth of the reference point, positive.
    DIP : float or Tensor
        Dip, in degrees unless `is_degree` is false.
    AL1, AL2 : float or Tensor
        Range of the fault along strike, from the reference point.
    AW1, AW2 : float or Tensor
        Range of the fault up dip, from the reference point.
    DISL1, DISL2, DISL3 : float or Tensor
        Strike-slip, dip-slip and tensile dislocation.
    compute_strain : bool
        Whether to return the derivatives too.
    is_degree : bool
        Whether `DIP` is in degrees; else in radians.

    Returns
    -------
    U : list of Tensor
        ``[UX, UY, UZ, UXX, UYX, UZX, UXY, UYY, UZY, UXZ, UYZ, UZZ]``, with ``Uij`` = ∂Ui/∂j, or the first
        three.
    IRET : Tensor of int32
        0 where all is well, 1 on an edge, 2 above the surface; where it is not 0, the values are 0.

    Raises
    ------
    ValueError
        If a source is not finite, a range is empty, or Poisson's ratio is out of range.
    """
    for name, low, high in (("AL", AL1, AL2), ("AW", AW1, AW2)):
        if not isinstance(low, Tensor) and not isinstance(high, Tensor) and not low < high:
            raise ValueError(f"{name}1 must be below {name}2, got {low!r} and {high!r}")
    to = _converter((X, Y, Z), ALPHA, DEPTH, DIP, AL1, AL2, AW1, AW2, DISL1, DISL2, DISL3)
    dip = _degrees(to(DIP), is_degree)
    geometry, edges = _anchored(to(DEPTH), dip, [to(v) for v in (AL1, AL2, AW1, AW2)])
    slips = [[*slip, *edges] for slip in _slips(to, DISL1, DISL2, DISL3)]
    source = _Local("dc3d", _TOP_LEFT, _EDGES, geometry, slips)
    return _inside((to(X), to(Y), to(Z)), source, _from_alpha(to, ALPHA), compute_strain)


class OkadaWrapper:
    """One fault, many observers: field, first and second derivatives in east, north, up.

    The methods share their arguments.

    Parameters
    ----------
    coords : mapping of str to Tensor
        "x" (east) and "y" (north), and "z" (up, ≤ 0) where the observers are not all at the surface; tensors
        of one shape, or numbers.
    params : mapping of str to Tensor or float
        "x_fault", "y_fault", "depth", "strike", "dip", "rake" and "slip", and "length" and "width" for a
        rectangle; without them the source is a point and "slip" its potency. "opening", and
        "inflation" of a point, are 0 where they are absent.
    compute_strain : bool
        Whether to return the gradient of the displacement too.
    is_degree : bool
        Whether "strike", "dip" and "rake" are in degrees; else in radians.
    fault_origin : {"topleft", "center"}
        Which point of a rectangle the position and the depth are of.
    nu : float or Tensor
        Poisson's ratio.
    return_iret : bool
        Whether to return (list, IRET) with the return codes of `DC3D`, int32 in the shape of the coordinates;
        observers above the surface are then no error.

    Notes
    -----
    Every method returns a list of tensors of the shape of the coordinates, ``[ux, uy, uz, uxx, uyx, uzx, uxy,
    uyy, uzy, uxz, uyz, uzz]`` with ``uij`` = ∂ui/∂j, or the first three; and raises `ValueError` for a key
    that is missing or unknown, shapes that differ, an observer above the surface, or a value out of range,
    `TypeError` for coordinates that are no tensors.

    Examples
    --------
    >>> import torch
    >>> from dislok.okadatorch import OkadaWrapper
    >>> coords = {"x": torch.tensor([0.0, 5.0]), "y": torch.tensor([5.0, 0.0])}
    >>> params = dict(x_fault=0.0, y_fault=0.0, depth=1.0, length=10.0, width=5.0)
    >>> params |= dict(strike=30.0, dip=60.0, rake=90.0, slip=2.0)
    >>> ux, uy, uz = OkadaWrapper().compute(coords, params, compute_strain=False)
    """

    def compute(
        self,
        coords: Mapping[str, Tensor],
        params: Mapping[str, Number],
        compute_strain: bool = True,
        is_degree: bool = True,
        fault_origin: str = "topleft",
        nu: Number = 0.25,
        return_iret: bool = False,
    ) -> list[Tensor] | tuple[list[Tensor], Tensor]:
        """Displacement and, with `compute_strain`, its gradient."""
        options = (compute_strain, is_degree, fault_origin, nu, return_iret)
        return _wrapped(coords, params, (), *options)

    def gradient(
        self,
        coords: Mapping[str, Tensor],
        params: Mapping[str, Number],
        arg: str,
        compute_strain: bool = True,
        is_degree: bool = True,
        fault_origin: str = "topleft",
        nu: Number = 0.25,
        return_iret: bool = False,
    ) -> list[Tensor] | tuple[list[Tensor], Tensor]:
        """The same list, differentiated with respect to `arg`, a key of `coords` or `params`."""
        options = (compute_strain, is_degree, fault_origin, nu, return_iret)
        return _wrapped(coords, params, (arg,), *options)

    def hessian(
        self,
        coords: Mapping[str, Tensor],
        params: Mapping[str, Number],
        arg1: str,
        arg2: str,
        compute_strain: bool = True,
        is_degree: bool = True,
        fault_origin: str = "topleft",
        nu: Number = 0.25,
        return_iret: bool = False,
    ) -> list[Tensor] | tuple[list[Tensor], Tensor]:
        """The same list, differentiated by `arg1` and `arg2`, any keys of `coords` or `params`."""
        options = (compute_strain, is_degree, fault_origin, nu, return_iret)
        return _wrapped(coords, params, (arg1, arg2), *options)


class _Local(NamedTuple):
    """A source in the frame of its strike; a column is a scalar or has one value per observer."""

    kind: str
    origin: tuple[float, float]
    labels: Sequence[str]
    geometry: Sequence[Tensor]
    slips: Sequence[Sequence[Tensor]]


class _Converter:
    """Gives every number the dtype and device of a call."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device

    def __call__(self, value: Number) -> Tensor:
        if not isinstance(value, Tensor):
            return torch.tensor(float(value), dtype=self.dtype, device=self.device)
        # A scalar follows the coordinates to their device; a whole array must be there already.
        return value.to(self.dtype) if value.ndim else value.to(self.device, self.dtype)


def _converter(coordinates: Sequence[Tensor], *others: Number) -> _Converter:
    """The dtype that torch's own arithmetic would give: that of arrays, else that of scalar tensors."""
    for value in (*coordinates, *others):
        _number("arguments", value)
    tensors = [v for v in (*coordinates, *others) if isinstance(v, Tensor)]
    placed = [t for t in tensors if t.ndim] or tensors
    device = placed[0].device if placed else torch.device("cpu")
    for group in ([t for t in tensors if t.ndim], [t for t in tensors if not t.ndim]):
        dtypes = [t.dtype for t in group if t.is_floating_point()]
        if dtypes:
            return _Converter(reduce(torch.promote_types, dtypes), device)
    return _Converter(torch.get_default_dtype(), device)


def _anchored(depth: Tensor, dip: Tensor, edges: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Geometry of a rectangle of kind "dc3d" and its edges, from DC3D's ranges.

    It is held at DC3D's own reference point, by fractions of length and width that count as constants:
    nothing is rounded, and the shift is zero but its derivatives are not.
    """
    al1, al2, aw1, aw2 = edges
    length, width = al2 - al1, aw2 - aw1
    along = al1 - (al1 / length).detach() * length
    up_dip = aw2 - (aw2 / width).detach() * width
    along, up_dip = along - along.detach(), up_dip - up_dip.detach()
    angle = torch.deg2rad(dip)
    held = [along, up_dip * torch.cos(angle), depth - up_dip * torch.sin(angle)]
    shape = [length, width, torch.full_like(depth, _EAST), dip]
    return [*held, *shape], [edge.detach() for edge in edges]


def _degrees(angle: Tensor, is_degree: bool) -> Tensor:
    return angle if is_degree else torch.rad2deg(angle)


def _dip(sine: Tensor, cosine: Tensor) -> Tensor:
    return torch.rad2deg(torch.atan2(sine, cosine))


def _from_alpha(to: _Converter, alpha: Number) -> Number:
    if not isinstance(alpha, Tensor) and alpha == 0:
        raise ValueError("ALPHA must not be 0: Poisson's ratio would be infinite")
    return _ratio(1 - 1 / (2 * (to(alpha) if isinstance(alpha, Tensor) else alpha)), ", from ALPHA")


def _ratio(nu: Number, source: str = "") -> Number:
    """Poisson's ratio, if it is one; `source` says where it is from."""

    def check(values: np.ndarray, _: np.ndarray) -> None:
        bad = ~((values > -1) & (values <= 0.5))
        if bad.any():
            reject("nu", values.ravel(), bad.ravel(), f"Poisson's ratio{source} must be in (-1, 0.5]")

    if not isinstance(nu, Tensor):
        if not -1 < nu <= 0.5:
            raise ValueError(f"nu is {float(nu)!r}; Poisson's ratio{source} must be in (-1, 0.5]")
        return float(nu)
    if not nu.is_cuda:
        autograd.inspect(check, nu.reshape(-1, 1), nu.reshape(-1, 1))
    return nu


def _slips(to: _Converter, along: Number, down: Number, *rest: Number) -> list[list[Tensor]]:
    """Slip columns of one or two sources that together slip (along, down, rest).

    Two of them, at rake 0 and at rake 90, because derivatives by size and rake are blind at slip zero.
    """
    tail = [to(v) for v in rest]
    if not isinstance(down, Tensor) and down == 0:
        return [[to(0.0), to(along), *tail]]
    if not isinstance(along, Tensor) and along == 0:
        return [[to(90.0), to(down), *tail]]
    return [[to(0.0), to(along), *tail], [to(90.0), to(down), *(to(0.0) for _ in tail)]]


def _field(
    coordinates: Sequence[Tensor], source: _Local, nu: Number, compute_strain: bool
) -> tuple[Tensor, Tensor, torch.Size]:
    """Field (N, 3 or 12), which observers (N,) have none, and the shape that everything broadcasts to."""
    values = [*source.geometry, *(v for slip in source.slips for v in slip)]
    values += [nu] if isinstance(nu, Tensor) else []
    shape = torch.broadcast_shapes(*(v.shape for v in (*coordinates, *values)))
    by_row = any(v.numel() != 1 for v in values)

    def column(value: Tensor) -> Tensor:
        return value.expand(shape).reshape(-1) if by_row else value.reshape(1)

    obs = torch.stack([c.expand(shape).reshape(-1) for c in coordinates], -1)
    tables = [torch.stack([column(v) for v in (*source.geometry, *slip)], -1) for slip in source.slips]
    for table in tables:
        _check(partial(_check_sources, source.kind, source.labels, source.origin), obs, table)
    if isinstance(nu, Tensor):
        nu = column(nu) if by_row else nu.reshape(())
    of = "both" if compute_strain else "displacement"

    def compute(places: Tensor) -> Tensor:
        if not by_row:
            return autograd.field(source.kind, places, torch.cat(tables), nu, source.origin, of)
        parts = [autograd.field(source.kind, places, t, nu, source.origin, of, pairs=True) for t in tables]
        return reduce(torch.add, parts)

    out, bad = edges.kept_apart(compute, obs, torch.cat(tables), 0.0)
    return out, bad, shape


def _inside(
    coordinates: tuple[Tensor, Tensor, Tensor], source: _Local, nu: Number, compute_strain: bool
) -> tuple[list[Tensor], Tensor]:
    """List and return code of DC3D and DC3D0."""
    x, y, z = coordinates
    # Above the surface the kernel is asked about the surface: derivatives of what is masked stay finite.
    out, bad, shape = _field((x, y, z.clamp(max=0)), source, nu, compute_strain)
    above = (z > 0).expand(shape).reshape(-1)
    code = torch.where(above, 2, bad.int()).to(torch.int32)
    out = torch.where(above[:, None], 0.0, out)
    return _list(out, shape, _INSIDE), code.reshape(shape)


def _list(out: Tensor, shape: torch.Size, order: Sequence[int]) -> list[Tensor]:
    """Columns of (N, 3 or 12), each a tensor of its own that callers may change in place."""
    columns = order[: len(order) if out.shape[-1] == 12 else 3]
    return [out.select(-1, k).clone(memory_format=torch.contiguous_format).reshape(shape) for k in columns]


def _wrapped(
    coords: Mapping[str, Number],
    params: Mapping[str, Number],
    args: Sequence[str],
    compute_strain: bool,
    is_degree: bool,
    fault_origin: str,
    nu: Number,
    return_iret: bool,
) -> list[Tensor] | tuple[list[Tensor], Tensor]:
    """What the three methods of `OkadaWrapper` do, by the number of names in `args`."""
    for name, value in (
        ("compute_strain", compute_strain),
        ("is_degree", is_degree),
        ("return_iret", return_iret),
    ):
        flag(name, value)
    for name, mapping in (("coords", coords), ("params", params)):
        if not isinstance(mapping, Mapping):
            raise TypeError(f"{name} must be a mapping of names to values, got {mapping!r:.60}")
    for i, arg in enumerate(args, start=1):
        gates.text()("arg" if len(args) == 1 else f"arg{i}", arg)
    nu = _given("nu", nu)
    kind, names = _kind(params)
    origin = _origin(kind, fault_origin)
    axes = _axes(coords)
    places = [_tensor(f"coords[{axis!r}]", coords[axis]) for axis in axes]
    to = _converter(places, *(params[name] for name in names if name in params))
    zero = [] if "z" in axes else [torch.zeros_like(to(places[0]))]
    obs = torch.stack([v.reshape(-1) for v in (*map(to, places), *zero)], -1)
    src = _source(names, params, to, is_degree)
    _check(partial(_check_sources, kind, names, origin), obs, src, above_fails=not return_iret)
    out, code = _values(kind, obs, src, _ratio(nu), origin, compute_strain, args, axes, names, is_degree)
    listed = _list(out, places[0].shape, _INSIDE)
    return (listed, code.reshape(places[0].shape)) if return_iret else listed


def _values(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: Number,
    origin: tuple[float, float],
    compute_strain: bool,
    args: Sequence[str],
    axes: Sequence[str],
    names: Sequence[str],
    is_degree: bool,
) -> tuple[Tensor, Tensor]:
    """Field, or its derivative, (N, 3 or 12) and return code (N,)."""
    of = "both" if compute_strain else "displacement"
    directions = [_direction(arg, axes, names, obs, src, is_degree) for arg in args]

    def compute(places: Tensor) -> Tensor:
        if directions:
            return autograd.derivative(kind, places, src, nu, origin, of, *directions)
        return autograd.field(kind, places, src, nu, origin, of)

    above = obs[:, 2] > 0
    below = torch.stack([obs[:, 0], obs[:, 1], obs[:, 2].clamp(max=0)], -1)
    out, bad = edges.kept_apart(compute, below, src, 0.0)
    code = torch.where(above, 2, bad.int()).to(torch.int32)
    return torch.where(above[:, None], 0.0, out), code


def _kind(params: Mapping[str, Number]) -> tuple[str, Sequence[str]]:
    alone = {"length", "width"} & set(params)
    if len(alone) == 1:
        raise ValueError(
            f"params has {alone.pop()!r} alone; a rectangle needs 'length' and 'width', a point neither"
        )
    kind = "rectangle" if alone else "point"
    names = _PARAMETERS[kind]
    _require("params", params, [name for name in names if name not in _OPTIONAL])
    _refuse_unknown("params", params, names, f" of a {kind}")
    for name, value in params.items():
        _number(f"params[{name!r}]", value)
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"params[{name!r}] must be a scalar, got shape {tuple(value.shape)}")
    return kind, names


def _origin(kind: str, fault_origin: str) -> tuple[float, float]:
    gates.text()("fault_origin", fault_origin)
    if kind == "point":
        return _TOP_LEFT
    if fault_origin not in _ORIGINS:
        raise ValueError(f"fault_origin must be 'topleft' or 'center', got {fault_origin!r}")
    return _ORIGINS[fault_origin]


def _axes(coords: Mapping[str, Number]) -> Sequence[str]:
    axes = _COORDINATES if "z" in coords else _COORDINATES[:2]
    _require("coords", coords, axes)
    _refuse_unknown("coords", coords, _COORDINATES)
    shape = _tensor("coords['x']", coords["x"]).shape
    for axis in axes:
        value = _tensor(f"coords[{axis!r}]", coords[axis])
        if value.shape != shape:
            raise ValueError(f"coords[{axis!r}] has shape {tuple(value.shape)}, coords['x'] {tuple(shape)}")
    return axes


def _number(name: str, value: object) -> None:
    """Raise a `TypeError` for what is neither a real number nor a tensor of them."""
    kind = str(getattr(value, "dtype", "")).removeprefix("torch.")
    plain = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (plain or isinstance(value, Tensor)) or kind.startswith(("bool", "complex")):
        raise TypeError(f"{name} must be a torch tensor or a number, got {kind} {type(value).__name__}")


def _tensor(name: str, value: Number) -> Tensor:
    """A coordinate as a tensor; Python numbers are of torch's default dtype."""
    _number(name, value)
    return value if isinstance(value, Tensor) else torch.tensor(float(value))


def _refuse_unknown(name: str, given: Mapping[str, object], known: Sequence[str], what: str = "") -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1) or [
                k for k in known if k == str(key).lower()
            ]
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(map(repr, known))}"
            raise ValueError(f"{name}: {key!r} is no key{what}{hint}")


def _require(name: str, given: Mapping[str, object], keys: Sequence[str]) -> None:
    missing = [key for key in keys if key not in given]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(map(repr, missing))}")


def _source(names: Sequence[str], params: Mapping[str, Number], to: _Converter, is_degree: bool) -> Tensor:
    """One row of a source."""
    values = {name: to(params.get(name, 0.0)).reshape(()) for name in names}
    return torch.stack([_degrees(v, is_degree) if n in _ANGLES else v for n, v in values.items()])[None]


def _direction(
    arg: str, axes: Sequence[str], names: Sequence[str], obs: Tensor, src: Tensor, is_degree: bool
) -> tuple[Tensor, Tensor]:
    """Unit change of one coordinate of all observers, or of one parameter."""
    t_obs, t_src = torch.zeros_like(obs), torch.zeros_like(src)
    if arg in axes:
        t_obs[:, axes.index(arg)] = 1
    elif arg in names:
        t_src[:, names.index(arg)] = 1 if is_degree or arg not in _ANGLES else 180 / math.pi
    else:
        raise ValueError(f"Invalid arg is specified: {arg!r}; choose from {', '.join((*axes, *names))}")
    return t_obs, t_src


def _check(check: partial[None], obs: Tensor, src: Tensor, above_fails: bool | None = None) -> None:
    """Look at the values of a call where that does not make a device wait."""

    def look(observers: np.ndarray, sources: np.ndarray) -> None:
        if above_fails is not None:
            check_finite("coords", observers, _COORDINATES)
        if above_fails:
            above = observers > 0
            above[:, :2] = False
            if above.any():
                reject("coords", observers, above, "observers must not be above the surface", _COORDINATES)
        check(sources)

    check_alike(obs, src)
    if not obs.is_cuda:
        autograd.inspect(look, obs, src)


def _check_sources(kind: str, labels: Sequence[str], origin: tuple[float, float], src: np.ndarray) -> None:
    check_finite("params", src, labels)
    depth = src[:, 2].astype(np.float64)
    if kind == "point":
        if (depth < 0).any():
            reject(f"params.{labels[2]}", src[:, 2], depth < 0, "depth must not be negative")
        return
    columns = src.astype(np.float64)
    along, across, dip = columns[:, 3], columns[:, 4], columns[:, 6]
    up_dip = across[:, None] * np.array([origin[1] - 1.0, origin[1]])
    if kind == "dc3d":
        up_dip = columns[:, 12:14]
    for name, size in ((labels[3], along), (labels[4], across)):
        if (size <= 0).any():
            reject(f"params.{name}", size, size <= 0, "it must be positive")
    _warn_outcrop((up_dip * np.sin(np.deg2rad(dip))[:, None]).max(1) - depth, across)


def _warn_outcrop(height: np.ndarray, width: np.ndarray) -> None:
    out = height > 1e-6 * width
    if out.any():
        warnings.warn(
            f"the fault sticks out of the ground by {height[out][0]:.6g}; the numbers are those of the "
            "formulas and have no physical meaning",
            RuntimeWarning,
            stacklevel=2,
        )
