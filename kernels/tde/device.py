"""What a thread on a device computes of a pair: recipes by name, and the formulas that read them.

A recipe says which operation (`recipes`) it runs, what that is given of the pair's observer and triangle, and
which numbers are kept. Nothing here knows where the numbers come from, and how many threads there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dislok.kernels.scalar import ZERO, scalar

from . import burgers, directions, pair
from .directions import ALL, DIRECTION, DIRECTIONS
from .pair import LEVELS, LIFT_ROW, PLAN_ROW, ROW
from .recipes import OPERATIONS, ROWS, Operation
from .triangles import lift_row, plan_row, table_row

#: Places in a triangle's columns, and their number without what belongs to a recipe.
PLAN, LIFT, EXTRA = ROW, ROW + PLAN_ROW, ROW + PLAN_ROW + LIFT_ROW
TRIANGLE = burgers.TRIANGLE


class Recipe(NamedTuple):
    """What is computed of a pair, and to whom it belongs.

    Parameters
    ----------
    name : str
        The operation's name in `recipes.OPERATIONS`.
    by : {"pair", "observer", "triangle"}
        A thread writes the result of a pair, or the sum of an observer or of a triangle.
    kept : tuple of int
        Which numbers of the operation are kept.
    width : int
        How many of them lie side by side; the rest of a sum, if any, goes to the end of the array.
    extra : str
        Key of `EXTRAS`: what belongs to a triangle beside its place.
    cot : int
        Numbers of an observer that the result is contracted with.
    tangents : int
        Tangents of the observer that the operation is given.
    axes : int
        3 where the displacement is differentiated along east, north and up, one after the other.
    """

    name: str
    by: str
    kept: tuple[int, ...]
    width: int
    extra: str = "none"
    cot: int = 0
    tangents: int = 0
    axes: int = 1

    @property
    def operation(self) -> Operation:
        """What is done."""
        return OPERATIONS[self.name]

    @property
    def rows(self) -> int:
        """Number of rows of the level."""
        return ROWS[self.operation.level]

    @property
    def per_axis(self) -> bool:
        """Whether every axis has results of its own."""
        return self.axes > 1 and not self.cot

    @property
    def size(self) -> int:
        """How many numbers are kept of a pair, or of a sum."""
        return len(self.kept) * (self.axes if self.per_axis else 1)


#: Numbers of a triangle beside its place that a recipe may want.
EXTRAS = {"none": 0, "slopes": 30, "tangent": DIRECTION, "tangents": 2 * DIRECTION + 3, "bend": DIRECTION}


def recipe(name: str, by: str, kept: Iterable[int], **others: object) -> Recipe:
    """The recipe that keeps these numbers; in one run where no `width` is given."""
    kept = tuple(kept)
    return Recipe(name, by, kept, **{"width": len(kept), **others})  # type: ignore[arg-type]


def all_recipes() -> dict[tuple[str, str], Recipe]:
    """Recipes by (operation, of); "both" is the displacement with its gradient."""
    u, axes = "displacement", {"axes": 3}
    once, twice = {"extra": "tangent", "tangents": 1}, {"extra": "tangents", "tangents": 2}
    return {
        ("field", u): recipe("value", "observer", range(3)),
        ("field", "gradient"): recipe("gradient", "observer", range(3, 12)),
        ("field", "both"): recipe("gradient", "observer", range(12)),
        ("greens", u): recipe("greens", "pair", unit_slips(3, 0, 3), width=3),
        ("greens", "gradient"): recipe("greens_gradient", "pair", unit_slips(12, 3, 9), width=3),
        ("adjoint", u): recipe("slips", "triangle", range(3), cot=3),
        ("adjoint", "gradient"): recipe("slips_gradient", "triangle", range(3), cot=9),
        ("jacobian", u): recipe("jacobian", "pair", range(27), width=9, extra="slopes"),
        ("jacobian", "gradient"): recipe(
            "jacobian_along", "pair", range(27), width=9, extra="slopes", **axes
        ),
        ("vjp", u): recipe("adjoint", "triangle", range(3, 16), width=12, cot=3),
        ("vjp", "gradient"): recipe("adjoint_along", "triangle", range(3, 16), width=12, cot=9, **axes),
        ("vjp_observer", u): recipe("adjoint", "observer", range(3), cot=3),
        ("vjp_observer", "gradient"): recipe("adjoint_along", "observer", range(3), cot=9, **axes),
        ("jvp", u): recipe("tangent", "observer", range(3), **once),
        ("jvp", "gradient"): recipe("tangent_along", "observer", range(3), width=9, **axes, **once),
        ("vjp2", u): recipe("adjoint_along", "triangle", (*range(3, 15), 16, 17, 18), cot=3, **once),
        ("vjp2", "gradient"): recipe("adjoint_twice", "triangle", range(3, 15), cot=9, **axes, **once),
        ("vjp2_observer", u): recipe("adjoint_along", "observer", range(3), cot=3, **once),
        ("vjp2_observer", "gradient"): recipe("adjoint_twice", "observer", range(3), cot=9, **axes, **once),
        ("jvp2", u): recipe("tangent_along", "observer", range(3), **twice),
        ("jvp2", "gradient"): recipe("tangent_twice", "observer", range(3), width=9, **axes, **twice),
        ("bend", "gradient"): recipe("tangent_along", "observer", range(3), width=9, extra="bend", **axes),
    }


def unit_slips(rows: int, first: int, count: int) -> list[int]:
    """Rows `first` and later of three slips with `rows` each, in the order component, slip."""
    return [first + c + rows * k for c in range(count) for k in range(3)]


RECIPES = all_recipes()
# Compiled code names a recipe by its place.
NAMES = tuple(RECIPES)


def recipe_at(place: int) -> Recipe:
    """The recipe that compiled code means."""
    return RECIPES[NAMES[place]]


# --------------------------------------------------------------------------------- of a triangle alone


@scalar
def columns(place, bits, triangle, t, s, t_nu):
    """What a thread reads of a triangle: a row of the table, its plan, its lift, and what a recipe wants.

    Parameters
    ----------
    place, bits : int
        Place of the recipe in `NAMES`; 64 or 32, for the precision that pairs are computed in.
    triangle, t, s : tuple of 12 numbers
        Vertices and slip; two tangents of them.
    t_nu : number
        Tangent of Poisson's ratio.
    """
    row = table_row(triangle)[:ROW]
    return [*row, *plan_row(bits, row), *lift_row(row)[:LIFT_ROW], *extra(place, triangle, t, s, t_nu)]


def extra(place, triangle, t, s, t_nu):
    """Numbers of a triangle beside its place."""
    wanted = recipe_at(place).extra
    if wanted == "slopes":
        return burgers.slopes(triangle)
    if wanted == "none":
        return []
    if wanted == "tangent":
        return burgers.direction((*triangle, *t, t_nu))
    bend = burgers.bend((*triangle, *t, *s))
    still = 0.0 * t_nu
    if wanted == "bend":
        return [*[still] * 9, *bend, still]
    each = [burgers.direction((*triangle, *tangent, still)) for tangent in (t, s)]
    return [*each[0], *each[1], *bend]


# ------------------------------------------------------------------------------------------ of a pair


def parts(place, given):
    """What an operation gets of the observer and of the triangle; a direction along an axis comes first.

    `given` are the axis, two tangents of the observer, what is contracted with, and the triangle's `EXTRAS`.
    """
    axis, t_obs, s_obs, cot, own = given
    this = recipe_at(place)
    along = [axis] if this.axes > 1 else []
    of_obs = [x for part in (*along, *(t_obs, s_obs)[: this.tangents]) for x in part]
    of_tri = [*([ZERO] * DIRECTION if along else []), *own[: EXTRAS[this.extra]]]
    cot = list(cot[: this.cot])
    if along and cot:
        cot = [sum((cot[3 * i + k] * axis[k] for k in range(3)), ZERO) for i in range(3)]
    operation = this.operation
    still = [ZERO] * (operation.of_obs - len(of_obs) - len(cot))
    return [*of_obs, *still, *cot], [*of_tri, *[ZERO] * (operation.of_tri - len(of_tri))]


def level_of(place):
    """Place of a recipe's level in `ALL`."""
    return ALL.index(recipe_at(place).operation.level)


def has_lift(place):
    """Whether narrow triangles are lifted."""
    return level_of(place) < len(LEVELS)


def has_surface(place):
    """Whether the closed form is another for an observer at the surface."""
    return not DIRECTIONS.get(recipe_at(place).operation.level)


@scalar
def side(place, part, row, obs, nu, eps, which, given):
    """What a side (0, 1 or 2) of a part of the field (`pair.OWN` and so on) adds to the rows of a level."""
    of_obs, of_tri = parts(place, given)
    return directions.side(level_of(place), part, row, obs, nu, eps, of_obs, of_tri, which)


@scalar
def lifted(place, part, row, lift, obs, nu, eps, node, which):
    """What a side adds to the rows of a level from one node across a narrow triangle."""
    at, weight = node
    return pair.side_lifted(level_of(place), part, row, lift, obs, nu, eps, at, weight, which)


@scalar
def far(place, half, row, obs, nu, node, given):
    """Rows of a recipe's level from one node of a rule."""
    c2, c3, weight = node
    of_obs, of_tri = parts(place, given)
    return directions.far(level_of(place), half, row, obs, nu, c2, c3, weight, of_obs, of_tri)


@scalar
def outcome(place, rows, given):
    """The numbers that are kept of a pair, of one axis where there are several."""
    this = recipe_at(place)
    finish = this.operation.finish
    found = rows if finish is None else finish(*parts(place, given), rows)
    return [found[k] for k in this.kept]


@scalar
def ordered(place, numbers):
    """A sum in the order of its row: results of axes become the second index."""
    this = recipe_at(place)
    if not this.per_axis:
        return list(numbers)
    count = len(this.kept)
    return [numbers[axis * count + i] for i in range(count) for axis in range(this.axes)]


@scalar
def added(a, b):
    """The sum of two rows."""
    return [x + y for x, y in zip(a, b, strict=True)]
