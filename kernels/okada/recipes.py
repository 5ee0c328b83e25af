"""What a kernel on a device computes of a pair: recipes by name, and the formulas that read them.

A backend whose kernels are compiled one operation at a time needs to know of each: the rows in the frame that
it is made of, what they are contracted with, and which numbers are kept. Here that is data (`RECIPES`).
Nothing here knows where the numbers come from, and how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dislok.kernels.scalar import ZERO, absolute, maximum, scalar

from . import pair as formulas
from . import third
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

Formula = Callable[..., Any]
_LENGTHS = frozenset(int(k) for k in LENGTH_ROWS)


class Recipe(NamedTuple):
    """What is computed of a pair, and to whom it belongs.

    Parameters
    ----------
    kind : {"rectangle", "point"}
    by : {"pair", "observer", "source"}
        A thread writes the result of a pair, or the sum of an observer or of a source.
    level : str
        Rows in the frame that the result is made of.
    formula : callable
        Result rows from the pair, what it is contracted with, and the rows in the frame.
    pick : callable
        The numbers that are kept, from the result rows.
    size : int
        How many they are.
    width : int
        How many of them lie side by side. The rest of a sum, if any, goes to the end of the array.
    cot : int
        Numbers of an observer that the result is contracted with.
    tangents : int
        Tangents of observers and sources that it is contracted with.
    axes : int
        Directions east, north and up along which the pair is differentiated once more, one a thread.
    """

    kind: str
    by: str
    level: str
    formula: Formula
    pick: Formula
    size: int
    width: int
    cot: int = 0
    tangents: int = 0
    axes: int = 1

    @property
    def rows(self) -> int:
        """Number of rows in the frame."""
        return FRAME_ROWS[self.level]


def recipe(kind: str, by: str, level: str, formula: Formula, kept: Iterable[int], **others: int) -> Recipe:
    """The recipe that keeps the result rows `kept`; in one run where no `width` is given."""
    kept = tuple(kept)

    def pick(numbers: Sequence[Any]) -> list[Any]:
        return [numbers[k] for k in kept]

    return Recipe(kind, by, level, formula, pick, len(kept), **{"width": len(kept), **others})


def by_observer(of_source: Recipe) -> Recipe:
    """The recipe that keeps a gradient's derivatives with the observer's coordinates."""

    def pick(numbers: Sequence[Any]) -> list[Any]:
        return [-numbers[X], -numbers[Y], numbers[Z]]

    return of_source._replace(by="observer", pick=pick, size=3, width=3)


def of_displacement(kind: str) -> dict[str, Recipe]:
    """Recipes of what is done with the displacement."""
    columns, slips = PARAMETERS[kind], SLIP_COMPONENTS[kind]
    p = len(columns)
    greens = [c + 3 * b for c in range(3) for b in range(slips)]
    jacobian = [3 + len(VARIABLES) * c + v for c in range(3) for v in columns]
    hessian = [42 + k for k in hessian_rows(columns)]
    vjp = recipe(kind, "source", "first", formulas.pair_vjp, (*columns, NU), width=p, cot=3)
    vjp2 = recipe(kind, "source", "second", formulas.pair_vjp2, columns, cot=3, tangents=1)
    return {
        "field": recipe(kind, "observer", "value", formulas.pair_value, range(3)),
        "greens": recipe(kind, "pair", "greens", formulas.pair_greens, greens, width=slips),
        "adjoint": recipe(kind, "source", "greens", formulas.pair_adjoint, range(slips), cot=3),
        "jacobian": recipe(kind, "pair", "first", formulas.pair_first, jacobian, width=p),
        "hessian": recipe(kind, "pair", "second", formulas.pair_second, hessian, width=p * p),
        "jvp": recipe(kind, "observer", "first", formulas.pair_jvp, range(3), tangents=1),
        "jvp2": recipe(kind, "observer", "second", formulas.pair_jvp2, range(3), tangents=2),
        "vjp": vjp,
        "vjp_observer": by_observer(vjp),
        "vjp2": vjp2,
        "vjp2_observer": by_observer(vjp2),
    }


def of_gradient(kind: str) -> dict[str, Recipe]:
    """Recipes of what is done with the displacement's gradient."""
    columns, slips = PARAMETERS[kind], SLIP_COMPONENTS[kind]
    p = len(columns)
    greens = [c + 9 * b for c in range(9) for b in range(slips)]
    jacobian = [len(VARIABLES) * c + v for c in range(9) for v in columns]
    adjoint = formulas.pair_adjoint_gradient
    vjp = recipe(kind, "source", "second", formulas.pair_vjp_gradient, (*columns, NU), width=p, cot=9)
    vjp2 = recipe(kind, "source", "third", third.pair_vjp2_gradient, columns, cot=9, tangents=1)
    return {
        "field": recipe(kind, "observer", "gradient", formulas.pair_gradient, range(3, 12)),
        "greens": recipe(kind, "pair", "greens_gradient", formulas.pair_greens_gradient, greens, width=slips),
        "adjoint": recipe(kind, "source", "greens_gradient", adjoint, range(slips), cot=9),
        "jacobian": recipe(kind, "pair", "second", formulas.pair_jacobian_gradient, jacobian, width=p),
        "hessian": recipe(
            kind, "pair", "third", third.pair_third, hessian_rows(columns), width=p * p, axes=3
        ),
        "jvp": recipe(kind, "observer", "second", formulas.pair_jvp_gradient, range(9), tangents=1),
        "jvp2": recipe(kind, "observer", "third", third.pair_jvp2_gradient, range(9), tangents=2),
        "vjp": vjp,
        "vjp_observer": by_observer(vjp),
        "vjp2": vjp2,
        "vjp2_observer": by_observer(vjp2),
    }


def hessian_rows(columns: Sequence[int]) -> list[int]:
    """Rows of the packed second derivatives of three components, for all pairs of columns."""
    return [HESSIAN * c + packed(a, b) for c in range(3) for a in columns for b in columns]


def all_recipes() -> dict[tuple[str, str, str], Recipe]:
    """Recipes by (operation, of, kind); "both" is the displacement with its gradient."""
    recipes: dict[tuple[str, str, str], Recipe] = {}
    for kind in KINDS:
        both = recipe(kind, "observer", "gradient", formulas.pair_gradient, range(12))
        families = {
            "displacement": of_displacement(kind), "gradient": of_gradient(kind), "both": {"field": both},
        }  # fmt: skip
        for of, family in families.items():
            recipes |= {(name, of, kind): each for name, each in family.items()}
    return recipes


RECIPES = all_recipes()
# Compiled code names a recipe by its place.
NAMES = tuple(RECIPES)


# ------------------------------------------------------------------------------------- rows of a pair


@scalar
def closed_form(place, surface, pair, nu, eps):
    """Rows in the frame of a rectangle up to level "first"; `surface`: the observer has z = 0."""
    level = LEVELS.index(RECIPES[NAMES[place]].level)
    return (formulas.near_surface if surface else formulas.near)(level, pair, nu, eps)


@scalar
def corner(place, pair, nu, eps, al, aw, rate_l, rate_w, t_obs, t_src):
    """Rows in the frame of one corner of a rectangle, levels "second" and "third"."""
    this = RECIPES[NAMES[place]]
    if this.level == "second":
        return formulas.near_corner(pair, nu, eps, al, aw, rate_l, rate_w)
    return third.near_corner_third(pair, tangent(this, t_obs, t_src), nu, eps, al, aw, rate_l, rate_w)


@scalar
def node(place, surface, pair, nu, g, h, weight, t_obs, t_src):
    """Rows in the frame of one node of a quadrature; `surface`: the observer has z = 0."""
    this = RECIPES[NAMES[place]]
    if this.level == "third":
        return third.far_node_third(pair, tangent(this, t_obs, t_src), nu, g, h, weight)
    formula = formulas.far_node_surface if surface and this.level != "second" else formulas.far_node
    return formula(LEVELS.index(this.level), pair, nu, g, h, weight)


@scalar
def outcome(place, pair, frame, cot, t_obs, t_src, s_obs, s_src, t_nu):
    """The numbers that are kept of a pair."""
    this = RECIPES[NAMES[place]]
    cotangent = list(cot[: this.cot])
    along = tangent(this, t_obs, t_src, t_nu) if this.tangents or this.axes > 1 else []
    extra = along + cotangent if this.level == "third" else cotangent + along
    if this.tangents > 1:
        extra += tangent(this, s_obs, s_src)
    return this.pick(this.formula(pair, extra, frame))


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
    """`method_code` of a pair, computed in the source's unit of length so that squares stay in range."""
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
