"""Triangles as the kernels want them: a row of numbers each, with the vertices sorted by depth."""

from __future__ import annotations

import numpy as np

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
ROW = 34


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
    normal = twice_area(tri)
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    level = np.hypot(normal[:, 0], normal[:, 1])
    flat = level == 0.0
    safe = np.where(flat, 1.0, level)
    east = np.where(flat, 0.0, -normal[:, 1] / safe)
    north = np.where(flat, np.sign(normal[:, 2]), normal[:, 0] / safe)
    strike = np.stack([east, north, 0.0 * east], axis=1)
    return np.stack([strike, np.cross(normal, strike), normal], axis=1)


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
    tri = np.asarray(tri, float)
    axes = frame(tri)
    order = np.argsort(-tri[:, :, 2], axis=1, kind="stable")
    turned = np.take_along_axis(tri, order[:, :, None], axis=1)
    parity = np.where((order[:, 1] - order[:, 0]) % 3 == 1, 1.0, -1.0)
    edges = edges_of(turned)
    axes = axes * parity[:, None, None]
    b = np.zeros((len(tri), 3)) if slip is None else np.einsum("mk,mki->mi", slip, axes)
    parts = [turned, edges, 0.5 * twice_area(turned), b, axes, parity]
    return np.concatenate([part.reshape(len(tri), -1) for part in parts], axis=1), order


def lifts(rows):
    """How the apex of each triangle, the vertex opposite the longest side, is lifted from that side.

    Parameters
    ----------
    rows : array, shape (m, ROW)
        Rows of `table`.

    Returns
    -------
    lift : array, shape (m, 18)
        Way of each vertex (3 x 3): the height, from its foot, for the apex, zero for the others; and the
        coefficients (3 x 3) that make these ways of the vertices.
    height : array, shape (m,)
        Length of the apex's way.
    """
    tri, edges = rows[:, :9].reshape(-1, 3, 3), rows[:, 9:18].reshape(-1, 3, 3)
    each = np.arange(len(rows))
    apex = np.array([2, 0, 1])[np.argmax(np.linalg.norm(edges, axis=2), axis=1)]
    start, end = (apex + 1) % 3, (apex + 2) % 3
    base = tri[each, end] - tri[each, start]
    square = np.einsum("mi,mi->m", base, base)
    foot = np.einsum("mi,mi->m", tri[each, apex] - tri[each, start], base) / square
    way = np.cross(2.0 * rows[:, 18:21], base)
    # the sides run 12, 23, 13: seen from the apex, the base runs along the walk around the triangle
    way = way / square[:, None]
    lift = np.zeros((len(rows), 2, 3, 3))
    lift[each, 0, apex] = way
    lift[each, 1, apex, apex] = 1.0
    lift[each, 1, apex, start] = foot - 1.0
    lift[each, 1, apex, end] = -foot
    return lift.reshape(-1, 18), np.linalg.norm(way, axis=1)


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
    array, shape (m, 15)
        Centre (3); middle of the longest side (3), its direction (3) and half its length; the squared
        distance from that side from which the triangle is lifted, and those from the centre from which the
        rules of falling degree serve (5 in all).
    """
    tri, edges = rows[:, :9].reshape(-1, 3, 3), rows[:, 9:18].reshape(-1, 3, 3)
    lengths = np.linalg.norm(edges, axis=2)
    longest = np.argmax(lengths, axis=1)
    each = np.arange(len(rows))
    size = lengths[each, longest]
    middle = 0.5 * (tri[each, np.array([0, 1, 0])[longest]] + tri[each, np.array([1, 2, 2])[longest]])
    _, height = lifts(rows)
    limits = [LIFT[dtype] * height] + [reach * size for reach in REACH[dtype].values()]
    direction = edges[each, longest] / size[:, None]
    columns = [tri.mean(axis=1), middle, direction, 0.5 * size[:, None], np.square(limits).T]
    return np.concatenate(columns, axis=1)


def edges_of(tri):
    """Sides 12, 23, 13 of triangles: end minus start, shape (m, 3, 3)."""
    p1, p2, p3 = tri.transpose(1, 0, 2)
    return np.stack([p2 - p1, p3 - p2, p3 - p1], axis=1)


def twice_area(tri):
    """(P2 - P1) x (P3 - P1), with the roundings of the differences and products kept: shape (m, 3)."""
    p1, p2, p3 = tri.transpose(1, 2, 0)
    a, da = difference(p2, p1)
    b, db = difference(p3, p1)
    out = []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        left, left_rest = product(a[i], b[j])
        right, right_rest = product(a[j], b[i])
        total, rest = difference(left, right)
        mixed = a[i] * db[j] + da[i] * b[j] - (a[j] * db[i] + da[j] * b[i])
        out.append(total + (rest + (left_rest - right_rest) + mixed))
    return np.stack(out, axis=1)


def difference(a, b):
    """a - b and its rounding (Knuth)."""
    total = a - b
    back = total - a
    return total, (a - (total - back)) - (b + back)


def product(a, b):
    """a b and its rounding (Dekker)."""
    total = a * b
    (a1, a2), (b1, b2) = halves(a), halves(b)
    return total, ((a1 * b1 - total) + a1 * b2 + a2 * b1) + a2 * b2


def halves(a):
    """A float64 as the sum of two with 26 bits each (Veltkamp)."""
    scaled = 134217729.0 * a
    high = scaled - (scaled - a)
    return high, a - high
