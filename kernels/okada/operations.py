"""What can be computed of a pair: the table of operations that every backend reads, and their formulas.

An operation is made of rows in the frame (a level), contracted or not with numbers of the observer and of the
source, and keeps some of what results. Nothing here knows where the numbers come from, and how many threads
there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dislok.kernels.names import Function
from dislok.kernels.scalar import ZERO, absolute, maximum, scalar, where

from . import pair as formulas
from . import third_derivatives as third
from .pair import FRAME_ROWS, HESSIAN, LEVELS, NU, PAIR, VARIABLES, X, Y, Z, packed
from .sources import (
    KINDS,
    LENGTH_ROWS,
    PARAMETERS,
    REACH,
    SLIP_COMPONENTS,
    SWITCH,
    TABLE,
    method_code,
)

Formula = Function
_LENGTHS = frozenset(int(k) for k in LENGTH_ROWS)
ALL_LEVELS = (*LEVELS, "third", "parameters")


class Operation(NamedTuple):
    """What is computed of a pair, and to whom it belongs.

    Parameters
    ----------
    kind : {"rectangle", "point"}
    by : {"pair", "observer", "source"}
        The result is that of a pair, or the sum of an observer or of a source.
    level : str
        Rows in the frame that the result is made of.
    formula : callable
        Result rows from the pair, what it is contracted with, and the rows in the frame.
    kept : tuple of int
        The result rows that are kept.
    width : int
        How many of them lie side by side. The rest of a sum, if any, goes to the end of the array.
    cot : int
        Numbers of an observer that the result is contracted with.
    tangents : int
        Tangents of observers and sources that it is contracted with.
    axes : int
        Directions east, north and up along which the pair is differentiated once more, one after the other.
    """

    kind: str
    by: str
    level: str
    formula: Formula
    kept: tuple[int, ...]
    width: int
    cot: int = 0
    tangents: int = 0
    axes: int = 1

    @property
    def rows(self) -> int:
        """Number of rows in the frame."""
        return FRAME_ROWS[self.level]

    @property
    def size(self) -> int:
        """How many rows are kept."""
        return len(self.kept)

    @property
    def fused(self) -> bool:
        """Whether the closed form is taken in one piece, for observers at the surface in a shorter one."""
        return self.level not in ("second", "third")

    @property
    def parameters(self) -> tuple[int, ...]:
        """Places of the source's parameters in `VARIABLES`."""
        return PARAMETERS[self.kind]


def operation(
    kind: str, by: str, level: str, formula: Formula, kept: Iterable[int], **others: int
) -> Operation:
    """The operation that keeps these result rows, all in one run where no `width` is given."""
    kept = tuple(kept)
    return Operation(kind, by, level, formula, kept, **{"width": len(kept), **others})


def by_observer(of_source: Operation, first: int) -> Operation:
    """The operation that keeps a gradient with respect to the observer, in the rows from `first` on."""
    return of_source._replace(by="observer", kept=tuple(range(first, first + 3)), width=3)


def of_displacement(kind: str) -> dict[str, Operation]:
    """Operations on the displacement."""
    columns, slips = PARAMETERS[kind], SLIP_COMPONENTS[kind]
    p = len(columns)
    greens = [c + 3 * b for c in range(3) for b in range(slips)]
    jacobian = [3 + len(VARIABLES) * c + v for c in range(3) for v in columns]
    hessian = [42 + k for k in hessian_rows(columns)]
    vjp = operation(kind, "source", "first", formulas.pair_vjp, (*columns, NU), width=p, cot=3)
    vjp2 = operation(kind, "source", "second", formulas.pair_vjp2, columns, cot=3, tangents=1)
    return {
        "field": operation(kind, "observer", "value", formulas.pair_value, range(3)),
        "greens": operation(kind, "pair", "greens", formulas.pair_greens, greens, width=slips),
        "adjoint": operation(kind, "source", "greens", formulas.pair_adjoint, range(slips), cot=3),
        "jacobian": operation(kind, "pair", "first", formulas.pair_first, jacobian, width=p),
        "hessian": operation(kind, "pair", "second", formulas.pair_second, hessian, width=p * p),
        "jvp": operation(kind, "observer", "first", formulas.pair_jvp, range(3), tangents=1),
        "jvp2": operation(kind, "observer", "second", formulas.pair_jvp2, range(3), tangents=2),
        "vjp": vjp,
        "vjp_observer": by_observer(vjp, len(VARIABLES)),
        "vjp2": vjp2,
        "vjp2_observer": by_observer(vjp2, NU),
    }


def of_gradient(kind: str) -> dict[str, Operation]:
    """Operations on the displacement's gradient."""
    columns, slips = PARAMETERS[kind], SLIP_COMPONENTS[kind]
    p = len(columns)
    greens = [c + 9 * b for c in range(9) for b in range(slips)]
    jacobian = [len(VARIABLES) * c + v for c in range(9) for v in columns]
    adjoint = formulas.pair_adjoint_gradient
    vjp = operation(kind, "source", "second", formulas.pair_vjp_gradient, (*columns, NU), width=p, cot=9)
    vjp2 = operation(kind, "source", "third", third.pair_vjp2_gradient, columns, cot=9, tangents=1)
    return {
        "field": operation(kind, "observer", "gradient", formulas.pair_gradient, range(3, 12)),
        "greens": operation(
            kind, "pair", "greens_gradient", formulas.pair_greens_gradient, greens, width=slips
        ),
        "adjoint": operation(kind, "source", "greens_gradient", adjoint, range(slips), cot=9),
        "jacobian": operation(kind, "pair", "second", formulas.pair_jacobian_gradient, jacobian, width=p),
        "hessian": operation(
            kind, "pair", "third", third.pair_third, hessian_rows(columns), width=p * p, axes=3
        ),
        "jvp": operation(kind, "observer", "second", formulas.pair_jvp_gradient, range(9), tangents=1),
        "jvp2": operation(kind, "observer", "third", third.pair_jvp2_gradient, range(9), tangents=2),
        "vjp": vjp,
        "vjp_observer": by_observer(vjp, len(VARIABLES)),
        "vjp2": vjp2,
        "vjp2_observer": by_observer(vjp2, NU),
    }


def hessian_rows(columns: Sequence[int]) -> list[int]:
    """Rows of the packed second derivatives of three components, for all pairs of columns."""
    return [HESSIAN * c + packed(a, b) for c in range(3) for a in columns for b in columns]


def all_operations() -> dict[tuple[str, str, str], Operation]:
    """Operations by (name, of, kind); "both" is the displacement with its gradient."""
    found: dict[tuple[str, str, str], Operation] = {}
    for kind in KINDS:
        both = operation(kind, "observer", "gradient", formulas.pair_gradient, range(12))
        families = {
            "displacement": of_displacement(kind), "gradient": of_gradient(kind), "both": {"field": both},
        }  # fmt: skip
        for of, family in families.items():
            found |= {(name, of, kind): each for name, each in family.items()}
    return found


OPERATIONS = all_operations()
# Compiled code names an operation by its place.
NAMES = tuple(OPERATIONS)


# ------------------------------------------------------------------------------------- rows of a pair


@scalar
def closed_form(place, surface, pair, nu, eps):
    """Rows in the frame of a rectangle up to level "first"; `surface`: the observer has z = 0."""
    level = LEVELS.index(OPERATIONS[NAMES[place]].level)
    return (formulas.near_surface if surface else formulas.near)(level, pair, nu, eps)


@scalar
def corner(place, pair, nu, eps, al, aw, rate_l, rate_w, t_obs, t_src):
    """Rows in the frame of one corner of a rectangle, levels "second" and "third"."""
    this = OPERATIONS[NAMES[place]]
    if this.level == "second":
        return formulas.near_corner(pair, nu, eps, al, aw, rate_l, rate_w)
    return third.near_corner_third(pair, tangent(this, t_obs, t_src), nu, eps, al, aw, rate_l, rate_w)


@scalar
def node(place, surface, pair, nu, g, h, weight, t_obs, t_src):
    """Rows in the frame of one node of a quadrature; `surface`: the observer has z = 0."""
    this = OPERATIONS[NAMES[place]]
    if this.level == "third":
        return third.far_node_third(pair, tangent(this, t_obs, t_src), nu, g, h, weight)
    formula = formulas.far_node_surface if surface and this.level != "second" else formulas.far_node
    return formula(LEVELS.index(this.level), pair, nu, g, h, weight)


@scalar
def outcome(place, pair, frame, cot, t_obs, t_src, s_obs, s_src, t_nu):
    """The numbers that are kept of a pair."""
    this = OPERATIONS[NAMES[place]]
    return finished(this, this.kept, pair, frame, cot, t_obs, t_src, s_obs, s_src, t_nu)


def finished(this, kept, pair, frame, cot, t_obs, t_src, s_obs, s_src, t_nu):
    """Result rows of an operation that are `kept`, from what the pair is contracted with."""
    cotangent = list(cot[: this.cot])
    along = tangent(this, t_obs, t_src, t_nu) if this.tangents or this.axes > 1 else []
    extra = along + cotangent if this.level == "third" else cotangent + along
    if this.tangents > 1:
        extra += tangent(this, s_obs, s_src)
    found = this.formula(pair, extra, frame)
    return [found[k] for k in kept]


def tangent(this, of_observer, of_source, of_nu=ZERO):
    """Tangent in `VARIABLES` of a pair, from those of the observer, the source's parameters and nu."""
    full = [ZERO] * len(VARIABLES)
    if this.tangents:
        for v, x in zip(PARAMETERS[this.kind], of_source, strict=True):
            full[v] = x
    full[X] = full[X] - of_observer[0]
    full[Y] = full[Y] - of_observer[1]
    full[Z], full[NU] = of_observer[2], of_nu
    return full


# --------------------------------------------------------------------------------- geometry of a pair


def entries(row, *names):
    """Columns of a row of the table of sources."""
    return [row[TABLE.index(name)] for name in names]


@scalar
def method(bits, row, place):
    """`method_code` of a pair for a precision, in the source's unit of length: squares stay in range."""
    dtype = np.dtype(f"f{bits // 8}")
    x, y, cx, cy, unit = entries(row, "x", "y", "centre_x", "centre_y", "unit")
    depth, a, b = (unit * x for x in entries(row, "centre_depth", "half_length", "half_width"))
    east, north, z = unit * (place[0] - (x + cx)), unit * (place[1] - (y + cy)), unit * place[2]
    up = z + depth
    switch, amplification = SWITCH[dtype]
    reach = [float(r) for r in REACH[dtype]]
    largest = maximum(a, b)
    near, far = reach[-1] * largest, switch * largest
    limit = (4.0 * amplification) * (a * b)
    r2 = east * east + north * north + up * up
    return method_code(r2, depth - z, near * near, far * far, limit, a, b, reach)


@scalar
def surely_near(bits, row, place):
    """1 where `method` needs no second look: the closed form serves."""
    x, y, cx, cy = entries(row, "x", "y", "centre_x", "centre_y")
    depth, a, b = entries(row, "centre_depth", "half_length", "half_width")
    east, north, up = place[0] - (x + cx), place[1] - (y + cy), place[2] + depth
    near = float(REACH[np.dtype(f"f{bits // 8}")][-1]) * maximum(a, b)
    return where(east * east + north * north + up * up < near * near, 1.0, 0.0 * near)


@scalar
def distance(row, place):
    """The largest difference in a coordinate between the observer and the reference point or its image."""
    x, y, depth = entries(row, "x", "y", "depth")
    level = maximum(absolute(place[0] - x), absolute(place[1] - y))
    return maximum(level, depth - place[2])


@scalar
def pair_of(row, place, unit):
    """The numbers of `PAIR`, lengths times `unit`."""
    numbers = [place[0] - row[0], place[1] - row[1], place[2], *row[2 : len(PAIR) - 1]]
    return [unit * x if k in _LENGTHS else unit if PAIR[k] == "unit" else x for k, x in enumerate(numbers)]


@scalar
def own_slips(row, slips):
    """Columns u1 to u4 of the table for given slip components."""
    (turn,) = entries(row, "turn")
    return [turn * slips[0], *slips[1:], *[0.0 * turn] * (4 - len(slips))]
