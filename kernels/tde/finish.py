"""From the rows of a level to those of a result, which pairs keep or which are summed.

A finish gets what belongs to the pair's observer and to its triangle, and the rows of the level; it returns
the rows of the result. Derivatives with respect to the vertices are first those at a fixed Burgers vector,
with the vertices in the order of the table; what the Burgers vector adds is alike for all observers and comes
later.
"""

from __future__ import annotations

from typing import NamedTuple

from dislok.kernels.names import Function
from dislok.kernels.scalar import ZERO, scalar, where

from .levels import DIRECTION
from .pair import FRAME_ROWS

# rows of level "first"
VALUE, PLACES, Z, SLIP, NU, COUNT = 0, 3, 30, 33, 42, 45
# rows of each level; "along" has those of "first", and as many that are their derivatives along a direction
ROWS = FRAME_ROWS | {"first": COUNT, "along": 2 * COUNT, "twice": COUNT}


class Finish(NamedTuple):
    """The result rows of a pair.

    Attributes
    ----------
    level : str
        Level of the formula.
    formula : callable or None
        ``formula(of_obs, of_tri, rows)``; None where the level's rows are the result.
    of_obs, of_tri : int
        How many numbers belong to an observer and to a triangle beside its place.
    """

    level: str
    formula: Function | None = None
    of_obs: int = 0
    of_tri: int = 0


def with_observer(rows, i):
    """Derivatives of component i with the observer: vertices move against it."""
    p = rows[PLACES + 9 * i : PLACES + 9 * i + 9]
    moved = [-(p[k] + p[3 + k] + p[6 + k]) for k in range(3)]
    return [moved[0], moved[1], moved[2] + rows[Z + i]]


@scalar
def jacobian(of_obs, of_tri, rows):
    """Derivatives with respect to the caller's vertices (3 x 9).

    A triangle brings the slopes of its Burgers vector (3 x 9), and the place in the table's order of each of
    its vertices (3).
    """
    found = []
    for i in range(3):
        b = rows[SLIP + 3 * i : SLIP + 3 * i + 3]
        for q in range(9):
            place = of_tri[27 + q // 3]
            p = [rows[PLACES + 9 * i + 3 * k + q % 3] for k in range(3)]
            own = where(place < 0.5, p[0], where(place < 1.5, p[1], p[2]))
            found.append(own + b[0] * of_tri[q] + b[1] * of_tri[9 + q] + b[2] * of_tri[18 + q])
    return found


@scalar
def adjoint(of_obs, of_tri, rows):
    """Contraction with a residual (3): gradients with respect to observer, vertices, Burgers vector, nu."""
    sums = contracted(of_obs, rows)
    p, z = sums[PLACES : PLACES + 9], sums[PLACES + 9]
    moved = [-(p[k] + p[3 + k] + p[6 + k]) for k in range(3)]
    return [moved[0], moved[1], moved[2] + z, *p, *sums[PLACES + 10 :]]


def contracted(cot, rows):
    """Rows of level "first" summed over the components: 3 unused, vertices 9, z, Burgers vector 3, nu."""
    groups = [(PLACES, 9), (Z, 1), (SLIP, 3), (NU, 1)]
    sums = [ZERO] * 3
    for start, count in groups:
        for q in range(count):
            terms = [cot[i] * rows[start + count * i + q] for i in range(3)]
            sums.append(terms[0] + terms[1] + terms[2])
    return sums


@scalar
def tangent(of_obs, of_tri, rows):
    """Derivative along tangents of the observer (3), the vertices (9), the Burgers vector (3) and nu."""
    found = []
    for i in range(3):
        moved = with_observer(rows, i)
        terms = [moved[k] * of_obs[k] for k in range(3)]
        terms += [rows[PLACES + 9 * i + q] * of_tri[q] for q in range(9)]
        terms += [rows[SLIP + 3 * i + j] * of_tri[9 + j] for j in range(3)]
        terms.append(rows[NU + i] * of_tri[12])
        found.append(sum(terms, ZERO))
    return found


# Levels "along" and "twice" read their directions first: 3 numbers of an observer, `DIRECTION` of a triangle.


@scalar
def jacobian_along(of_obs, of_tri, rows):
    """`jacobian` of the derivative along the direction; a triangle's other numbers follow the direction."""
    return jacobian(of_obs, of_tri[DIRECTION:], rows[COUNT:])


@scalar
def adjoint_along(of_obs, of_tri, rows):
    """`adjoint` of the derivative along the direction, then contracted slopes of the Burgers vector."""
    cot = of_obs[3:]
    still = [[cot[i] * rows[SLIP + 3 * i + j] for i in range(3)] for j in range(3)]
    return [*adjoint(cot, of_tri, rows[COUNT:]), *(x + y + z for x, y, z in still)]


@scalar
def tangent_along(of_obs, of_tri, rows):
    """`tangent` of the derivative along the direction, and what a bend of the Burgers vector (3) adds."""
    turned = tangent(of_obs[3:], of_tri[DIRECTION:], rows[COUNT:])
    bend = of_tri[2 * DIRECTION :]
    return [x + sum((rows[SLIP + 3 * i + j] * bend[j] for j in range(3)), ZERO) for i, x in enumerate(turned)]


@scalar
def adjoint_twice(of_obs, of_tri, rows):
    """`adjoint` of the derivative along both directions."""
    return adjoint(of_obs[6:], of_tri, rows)


@scalar
def tangent_twice(of_obs, of_tri, rows):
    """`tangent` of the derivative along both directions, along a third."""
    return tangent(of_obs[6:], of_tri[2 * DIRECTION :], rows)


@scalar
def slips(of_obs, of_tri, rows):
    """Contraction of displacements for unit slips with a residual (3)."""
    terms = [[of_obs[i] * rows[3 * k + i] for i in range(3)] for k in range(3)]
    return [x + y + z for x, y, z in terms]


@scalar
def slips_gradient(of_obs, of_tri, rows):
    """Contraction of gradients for unit slips with a residual (9)."""
    return [sum((of_obs[c] * rows[12 * k + 3 + c] for c in range(9)), ZERO) for k in range(3)]


FINISHES = {
    "value": Finish("value"),
    "gradient": Finish("gradient"),
    "greens": Finish("greens"),
    "greens_gradient": Finish("greens_gradient"),
    "slips": Finish("greens", slips, of_obs=3),
    "slips_gradient": Finish("greens_gradient", slips_gradient, of_obs=9),
    "jacobian": Finish("first", jacobian, of_tri=30),
    "adjoint": Finish("first", adjoint, of_obs=3),
    "tangent": Finish("first", tangent, of_obs=3, of_tri=DIRECTION),
    "jacobian_along": Finish("along", jacobian_along, of_obs=3, of_tri=DIRECTION + 30),
    "adjoint_along": Finish("along", adjoint_along, of_obs=6, of_tri=DIRECTION),
    "tangent_along": Finish("along", tangent_along, of_obs=6, of_tri=2 * DIRECTION + 3),
    "adjoint_twice": Finish("twice", adjoint_twice, of_obs=9, of_tri=2 * DIRECTION),
    "tangent_twice": Finish("twice", tangent_twice, of_obs=9, of_tri=3 * DIRECTION),
}
