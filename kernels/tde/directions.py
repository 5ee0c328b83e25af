"""Rows of level "first" along one direction or two: directions as the launch holds them, and the formulas.

A direction holds what moves the observer (3), and `DIRECTION` numbers of the triangle: vertices in the
table's order (9), Burgers vector (3), nu.
"""

from dislok.kernels.scalar import scalar

from .pair import far_along, far_twice, side_along, side_twice

DIRECTION = 13
# How many directions a level has.
DIRECTIONS = {"along": 1, "twice": 2}


def directed(of_obs, of_tri):
    """A direction in the variables of level "first": observer minus vertices, z, nu, Burgers vector."""
    moved = [of_obs[i % 3] - of_tri[i] for i in range(9)]
    return [*moved, of_obs[2], of_tri[12], *of_tri[9:12]]


def both(of_obs, of_tri):
    """Two directions that lie one after the other."""
    return directed(of_obs[:3], of_tri[:DIRECTION]), directed(of_obs[3:], of_tri[DIRECTION:])


@scalar
def side_level_along(image, triangle, obs, nu, eps, of_obs, of_tri, side):
    """What a side (0, 1 or 2) adds to the rows of level "along" by the closed form, itself or its image."""
    return side_along(image, triangle, obs, nu, eps, directed(of_obs, of_tri), side)


@scalar
def side_level_twice(image, triangle, obs, nu, eps, of_obs, of_tri, side):
    """What a side (0, 1 or 2) adds to the rows of level "twice" by the closed form, itself or its image."""
    direction, other = both(of_obs, of_tri)
    return side_twice(image, triangle, obs, nu, eps, direction, other, side)


@scalar
def far_level_along(half, triangle, obs, nu, c2, c3, weight, of_obs, of_tri):
    """Rows of level "along" from one node of a rule."""
    return far_along(half, triangle, obs, nu, c2, c3, weight, directed(of_obs, of_tri))


@scalar
def far_level_twice(half, triangle, obs, nu, c2, c3, weight, of_obs, of_tri):
    """Rows of level "twice" from one node of a rule."""
    return far_twice(half, triangle, obs, nu, c2, c3, weight, *both(of_obs, of_tri))


SIDE = {"along": side_level_along, "twice": side_level_twice}
FAR = {"along": far_level_along, "twice": far_level_twice}
