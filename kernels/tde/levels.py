"""Rows of level "first", and along one direction or two: directions as the launch holds them, and formulas.

A direction holds what moves the observer (3), and `DIRECTION` numbers of the triangle: vertices in the
table's order (9), Burgers vector (3), nu.
"""

from dislok.kernels.scalar import scalar

from .pair import LEVELS, far_along, far_twice, first_far, side_along, side_first, side_near, side_twice
from .pair import far as far_plain

DIRECTION = 13
# How many directions a level has, of those whose closed form is taken side by side.
DIRECTIONS = {"first": 0, "along": 1, "twice": 2}
ALL = (*LEVELS, *DIRECTIONS)


def directed(of_obs, of_tri):
    """A direction in the variables of level "first": observer minus vertices, z, nu, Burgers vector."""
    moved = [of_obs[i % 3] - of_tri[i] for i in range(9)]
    return [*moved, of_obs[2], of_tri[12], *of_tri[9:12]]


def both(of_obs, of_tri):
    """Two directions that lie one after the other."""
    return directed(of_obs[:3], of_tri[:DIRECTION]), directed(of_obs[3:], of_tri[DIRECTION:])


# The formulas of every level. What belongs to observer and triangle begins with the directions, if any.


@scalar
def side(level, part, triangle, obs, nu, eps, of_obs, of_tri, which):
    """What a side (0, 1 or 2) adds to the rows of a level (place in `ALL`) by the closed form.

    `part` is one of those of `pair.side_near`; `pair.SURFACE` is not for levels along directions.
    """
    name = ALL[level]
    if name == "first":
        return side_first(part, triangle, obs, nu, eps, which)
    if name == "along":
        return side_along(part, triangle, obs, nu, eps, directed(of_obs, of_tri), which)
    if name == "twice":
        first, second = both(of_obs, of_tri)
        return side_twice(part, triangle, obs, nu, eps, first, second, which)
    return side_near(level, part, triangle, obs, nu, eps, which)


@scalar
def far(level, half, triangle, obs, nu, c2, c3, weight, of_obs, of_tri):
    """Rows of a level (place in `ALL`) from one node of a rule."""
    name = ALL[level]
    if name == "first":
        return first_far(half, triangle, obs, nu, c2, c3, weight)
    if name == "along":
        return far_along(half, triangle, obs, nu, c2, c3, weight, directed(of_obs, of_tri))
    if name == "twice":
        return far_twice(half, triangle, obs, nu, c2, c3, weight, *both(of_obs, of_tri))
    return far_plain(level, half, triangle, obs, nu, c2, c3, weight)
