"""Triangles as the kernels want them: a row of numbers each, with the vertices sorted by depth.

The formulas take one triangle, in float64; the functions behind them arrays of triangles, on the processor.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.names import Function, Number
from dislok.kernels.rows import load, store
from dislok.kernels.scalar import absolute, const, fma, maximum, scalar, sqrt, where

from .formula import cross, dot
from .pair import LIFT_ROW, PLAN_ROW, ROW, picked, vectors

# Symmetric rules on the triangle (Dunavant 1985, Int. J. Numer. Meth. Eng. 21, 1129-1148; degree 5 by Radon),
# by degree: weights and barycentric coordinates of one node of each orbit.
ORBITS = {
    1: ((1.0, 1 / 3, 1 / 3),),
    2: ((1 / 3, 1 / 6, 1 / 6),),
    4: (
        (0.223381589678011466, 0.445948490915964886, 0.445948490915964886),
        (0.109951743655321868, 0.0915762135097707435, 0.0915762135097707435),
    ),
    5: (
        (0.225, 1 / 3, 1 / 3),
        (0.132394152788506181, 0.47014206410511509, 0.47014206410511509),
        (0.125939180544827153, 0.101286507323456339, 0.101286507323456339),
    ),
    6: (
        (0.116786275726379366, 0.249286745170910421, 0.249286745170910421),
        (0.0508449063702068169, 0.0630890144915022283, 0.0630890144915022283),
        (0.0828510756183735752, 0.0531450498448169474, 0.310352451033784405),
    ),
    8: (
        (0.144315607677787168, 1 / 3, 1 / 3),
        (0.0950916342672846248, 0.459292588292723156, 0.459292588292723156),
        (0.10321737053471825, 0.170569307751760207, 0.170569307751760207),
        (0.0324584976231980803, 0.0505472283170309755, 0.0505472283170309755),
        (0.0272303141744349943, 0.00839477740995760534, 0.263112829634638113),
    ),
}
# Distance from the centre, in longest sides, from which each rule is used; nearer, the closed form is.
REACH = {
    "float64": {5: 60.0, 4: 110.0, 2: 3500.0, 1: 1e6},
    "float32": {8: 2.0, 5: 6.0, 2: 45.0, 1: 1500.0},
}
# Distance from the longest side, in heights over it, from which a triangle is lifted.
LIFT = {"float64": 200.0, "float32": 8.0}
# Nodes and weights of a lift: Gauss and Legendre's on (0, 1).
LIFT_NODES = ((0.1127016653792583, 5 / 18), (0.5, 4 / 9), (0.8872983346207417, 5 / 18))


def rule(degree):
    """Nodes of the rule of a degree: rows (c2, c3, weight); the weights add up to 1."""
    nodes = set()
    for weight, a, b in ORBITS[degree]:
        c = 1.0 - a - b
        same = [abs(x - y) < 1e-12 for x, y in ((a, b), (b, c), (c, a))]
        places = {(a, b), (b, c), (c, a)} if not all(same) else {(1 / 3, 1 / 3)}
        if not any(same):
            places |= {(b, a), (c, b), (a, c)}
        nodes |= {(*place, weight) for place in places}
    return np.array(sorted(nodes))


def nodes_of(dtype):
    """Nodes and weights of the rules of `REACH` (rules, nodes, 3), and how many each has."""
    rules = [rule(degree) for degree in REACH[dtype.name]]
    counts = np.array([len(own) for own in rules])
    nodes = np.zeros((len(rules), counts.max(), 3), dtype)
    for own, place in zip(rules, nodes, strict=True):
        place[: len(own)] = own
    return nodes, counts


# ----------------------------------------------------------------------------------- one triangle


@scalar
def twice_area(p1, p2, p3):
    """(P2 - P1) x (P3 - P1), accurate also where the sides are all but parallel.

    The roundings of the differences of places count; the differences of products are Kahan's.
    """
    a, b = ([difference(x, y) for x, y in zip(p, p1, strict=True)] for p in (p2, p3))
    out = []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        (ai, di), (aj, dj), (bi, ei), (bj, ej) = a[i], a[j], b[i], b[j]
        right = aj * bi
        whole = fma(ai, bj, -right) + fma(-aj, bi, right)
        out.append(whole + (ai * ej + di * bj - (aj * ei + dj * bi)))
    return out


def difference(a, b):
    """a - b and its rounding (Knuth)."""
    total = a - b
    back = total - a
    return total, (a - (total - back)) - (b + back)


@scalar
def axes_of(normal):
    """Unit vectors of the slip for a normal of any length: along strike, up dip, normal (3 x 3)."""
    size = sqrt(dot(normal, normal))
    x, y, z = (each / size for each in normal)
    largest = maximum(absolute(x), absolute(y))
    flat = largest == 0.0
    largest = where(flat, 1.0, largest)
    a, b = x / largest, y / largest
    level = where(flat, 1.0, sqrt(a * a + b * b))
    up = where(z < 0.0, -1.0, const(1.0, z))
    strike = [where(flat, 0.0, -b / level), where(flat, up, a / level), 0.0 * z]
    return [*strike, *cross((x, y, z), strike), x, y, z]


@scalar
def by_depth(heights):
    """Which vertex is the first, second and third from the top (3), and the sign of that permutation."""
    rows: list[Number] = [(z, const(float(k), z)) for k, z in enumerate(heights)]
    sign = const(1.0, heights[0])
    for k in (0, 1, 0):
        swap = rows[k][0] < rows[k + 1][0]
        upper = [where(swap, y, x) for x, y in zip(rows[k], rows[k + 1], strict=True)]
        lower = [where(swap, x, y) for x, y in zip(rows[k], rows[k + 1], strict=True)]
        rows[k : k + 2] = [upper, lower]
        sign = where(swap, -sign, sign)
    return [*(place for _, place in rows), sign]


@scalar
def table_row(numbers):
    """The numbers of `table` for a triangle's vertices and slip (12), and the order of the vertices (3)."""
    corners, slip = vectors(numbers[:9]), numbers[9:]
    *order, sign = by_depth([p[2] for p in corners])
    p1, p2, p3 = (picked(k, corners) for k in order)
    sides = [[x - y for x, y in zip(p, q, strict=True)] for p, q in ((p2, p1), (p3, p2), (p3, p1))]
    area = [0.5 * x for x in twice_area(p1, p2, p3)]
    axes = [[sign * x for x in axis] for axis in vectors(axes_of([sign * x for x in area]))]
    b = [slip[0] * x + slip[1] * y + slip[2] * z for x, y, z in zip(*axes, strict=True)]
    return [*(x for part in (p1, p2, p3, *sides, area, b, *axes) for x in part), sign, *order]


@scalar
def lift_row(row):
    """The numbers of `lifts` for a row of the table (9), and the height (1)."""
    e12, e23, e13 = sides = vectors(row[9:18])
    lengths = [dot(e, e) for e in sides]
    deepest = (lengths[0] >= lengths[1]) & (lengths[0] >= lengths[2])
    apex = where(deepest, 2.0, where(lengths[1] >= lengths[2], 0.0, const(1.0, lengths[0])))
    # seen from the apex, the base runs along the walk around the triangle
    base = picked(apex, (e23, [-x for x in e13], e12))
    square = dot(base, base)
    way = [x / square for x in cross([2.0 * x for x in row[18:21]], base)]
    ways = [where(absolute(apex - float(k)) < 0.5, x, 0.0) for k in range(3) for x in way]
    return [*ways, sqrt(dot(way, way))]


@scalar
def plan_row(bits, row):
    """The numbers of `plan` for a row of the table; `bits` of the precision that is computed in."""
    corners, sides = vectors(row[:9]), vectors(row[9:18])
    lengths = [sqrt(dot(e, e)) for e in sides]
    first = (lengths[0] >= lengths[1]) & (lengths[0] >= lengths[2])
    longest = where(first, 0.0, where(lengths[1] >= lengths[2], 1.0, const(2.0, lengths[0])))
    size = picked(longest, lengths)
    starts, ends = (corners[0], corners[1], corners[0]), (corners[1], corners[2], corners[2])
    middle = [0.5 * (x + y) for x, y in zip(picked(longest, starts), picked(longest, ends), strict=True)]
    direction = [x / size for x in picked(longest, sides)]
    centre = [(x + y + z) / 3.0 for x, y, z in zip(*corners, strict=True)]
    dtype = f"float{bits}"
    limits = [LIFT[dtype] * lift_row(row)[LIFT_ROW], *(reach * size for reach in REACH[dtype].values())]
    return [*centre, *middle, *direction, 0.5 * size, *(x * x for x in limits)]


@scalar
def plan_double(row):
    """`plan_row` for float64."""
    return plan_row(64, row)


@scalar
def plan_single(row):
    """`plan_row` for float32."""
    return plan_row(32, row)


# ---------------------------------------------------------------------------------- many triangles


@cache
def loop(formula: Function, given: int, found: int) -> Number:
    """Compiled loop that makes rows of `found` numbers of rows of `given` numbers."""

    def each_row(rows, out):
        for j in range(rows.size // given):
            store(out, j * found, 0, found, formula(load(rows, j * given, given)))

    return kernel(each_row)


def each(formula: Function, found: int, *parts: np.ndarray) -> np.ndarray:
    """What a formula makes of every row (m, `found`); the row's `parts` have m rows each."""
    flat = [np.reshape(part, (len(part), math.prod(part.shape[1:]))) for part in parts]
    rows = np.concatenate(flat, axis=1, dtype=np.float64)
    out = np.empty((len(rows), found))
    loop(formula, rows.shape[1], found)(rows.reshape(-1), out.reshape(-1))
    return out


def frame(tri):
    """Unit vectors of the slip: along strike, up dip, normal.

    Nikkhoo & Walter's convention: the normal is (P2 - P1) x (P3 - P1), strike is e_z x normal, dip is
    normal x strike; of a horizontal triangle the strike is north where the normal points up, else south.

    Parameters
    ----------
    tri : array, shape (m, 3, 3)
        Vertices, east, north, up.

    Returns
    -------
    array, shape (m, 3, 3)
        Strike, dip and normal vectors, in rows.
    """
    rows, _ = table(tri)
    return (rows[:, 24:33] * rows[:, 33:]).reshape(-1, 3, 3)


def table(tri, slip=None):
    """Rows of numbers that describe triangles to the kernels, in float64.

    Parameters
    ----------
    tri : array, shape (m, 3, 3)
        Vertices, east, north, up.
    slip : array, shape (m, 3), optional
        Strike slip, dip slip, opening; the Burgers vector is zero without.

    Returns
    -------
    rows : array, shape (m, ROW)
        Vertices sorted from the shallowest to the deepest (9), their differences 12, 23, 13 (9), the area
        vector of the sorted triangle (3), Burgers vector (3), unit vectors of the slip (9), which
        change their sign where the sorting turned the triangle over, and that sign (1).
    order : array of int, shape (m, 3)
        Which vertex of the caller each sorted vertex is.
    """
    rows = each(table_row, ROW + 3, tri, np.zeros((len(tri), 3)) if slip is None else slip)
    return np.ascontiguousarray(rows[:, :ROW]), rows[:, ROW:].astype(np.int64)


def lifts(rows):
    """How the apex of each triangle, the vertex opposite the longest side, is lifted from that side.

    Parameters
    ----------
    rows : array, shape (m, ROW)
        Rows of `table`.

    Returns
    -------
    lift : array, shape (m, LIFT_ROW)
        Way of each vertex (3 x 3): the height, from its foot, for the apex, zero for the others.
    height : array, shape (m,)
        Length of the apex's way.
    """
    found = each(lift_row, LIFT_ROW + 1, rows)
    return found[:, :LIFT_ROW], found[:, LIFT_ROW]


def plan(rows, dtype):
    """Where each method serves: numbers of each triangle for `pair.method`.

    Parameters
    ----------
    rows : array, shape (m, ROW)
        Rows of `table`.
    dtype : str
        "float64" or "float32": the precision that is computed in.

    Returns
    -------
    array, shape (m, PLAN_ROW)
        Centre (3); middle of the longest side (3), its direction (3) and half its length; the squared
        distance from that side from which the triangle is lifted, and those from the centre from which the
        rules of falling degree serve (5 in all).
    """
    return each({"float64": plan_double, "float32": plan_single}[dtype], PLAN_ROW, rows)
