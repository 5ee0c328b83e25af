"""A pair on a device: the formulas of the table of operations, each by its place there.

Nothing here knows where the numbers come from, and how many threads there are.
"""

from __future__ import annotations

from dislok.kernels.scalar import ZERO, scalar

from . import burgers_derivatives as burgers
from . import levels, pair
from .levels import ALL, DIRECTION, DIRECTIONS
from .operations import EXTRAS, operation_at
from .pair import LEVELS, LIFT_ROW, PLAN_ROW, ROW
from .triangles import lift_row, plan_row, table_row

#: Places in a triangle's columns, and their number without what belongs to an operation.
PLAN, LIFT, EXTRA = ROW, ROW + PLAN_ROW, ROW + PLAN_ROW + LIFT_ROW
TRIANGLE = burgers.TRIANGLE


# --------------------------------------------------------------------------------- of a triangle alone


@scalar
def columns(place, bits, triangle, t, s, t_nu):
    """What a thread reads of a triangle: a row of the table, its plan, its lift, and what an operation wants.

    Parameters
    ----------
    place, bits : int
        Place of the operation in `operations.NAMES`; 64 or 32, for the precision that pairs are computed in.
    triangle, t, s : tuple of 12 numbers
        Vertices and slip; two tangents of them.
    t_nu : number
        Tangent of Poisson's ratio.
    """
    row = table_row(triangle)[:ROW]
    return [*row, *plan_row(bits, row), *lift_row(row)[:LIFT_ROW], *extra(place, triangle, t, s, t_nu)]


def extra(place, triangle, t, s, t_nu):
    """Numbers of a triangle beside its place."""
    wanted = operation_at(place).extra
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
    this = operation_at(place)
    along = [axis] if this.axes > 1 else []
    of_obs = [x for part in (*along, *(t_obs, s_obs)[: this.tangents]) for x in part]
    of_tri = [*([ZERO] * DIRECTION if along else []), *own[: EXTRAS[this.extra]]]
    cot = list(cot[: this.cot])
    if along and cot:
        cot = [sum((cot[3 * i + k] * axis[k] for k in range(3)), ZERO) for i in range(3)]
    finish = this.finish
    still = [ZERO] * (finish.of_obs - len(of_obs) - len(cot))
    return [*of_obs, *still, *cot], [*of_tri, *[ZERO] * (finish.of_tri - len(of_tri))]


def level_of(place):
    """Place of an operation's level in `ALL`."""
    return ALL.index(operation_at(place).finish.level)


def has_lift(place):
    """Whether narrow triangles are lifted."""
    return level_of(place) < len(LEVELS)


def has_surface(place):
    """Whether the closed form is another for an observer at the surface."""
    return not DIRECTIONS.get(operation_at(place).finish.level)


@scalar
def side(place, part, row, obs, nu, eps, which, given):
    """What a side (0, 1 or 2) of a part of the field (`pair.OWN` and so on) adds to the rows of a level."""
    of_obs, of_tri = parts(place, given)
    return levels.side(level_of(place), part, row, obs, nu, eps, of_obs, of_tri, which)


@scalar
def lifted(place, part, row, lift, obs, nu, eps, node, which):
    """What a side adds to the rows of a level from one node across a narrow triangle."""
    at, weight = node
    return pair.side_lifted(level_of(place), part, row, lift, obs, nu, eps, at, weight, which)


@scalar
def far(place, half, row, obs, nu, node, given):
    """Rows of an operation's level from one node of a rule."""
    c2, c3, weight = node
    of_obs, of_tri = parts(place, given)
    return levels.far(level_of(place), half, row, obs, nu, c2, c3, weight, of_obs, of_tri)


@scalar
def outcome(place, rows, given):
    """The numbers that are kept of a pair, of one axis where there are several."""
    this = operation_at(place)
    finish = this.finish.formula
    found = rows if finish is None else finish(*parts(place, given), rows)
    return [found[k] for k in this.kept]


@scalar
def ordered(place, numbers):
    """A sum in the order of its row: results of axes become the second index."""
    this = operation_at(place)
    if not this.per_axis:
        return list(numbers)
    count = len(this.kept)
    return [numbers[axis * count + i] for i in range(count) for axis in range(this.axes)]


@scalar
def added(a, b):
    """The sum of two rows."""
    return [x + y for x, y in zip(a, b, strict=True)]
