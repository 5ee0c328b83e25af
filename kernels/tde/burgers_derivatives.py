"""What of derivatives all observers of a triangle share: how its Burgers vector moves, whose vertex is whose.

A triangle is given by its vertices as the caller ordered them (9) and its slip (3); tangents likewise. The
kernels know vertices in the order of the table, and the Burgers vector with the sign of that sorting.
"""

from dislok.kernels.scalar import (
    const,
    mixed,
    scalar,
    seed,
    sqrt,
    tangent,
    where,
    with_tangent,
    with_tangents,
)

from .formula import cross, dot, plain
from .pair import dense, picked, vectors
from .triangles import by_depth

TRIANGLE = 12


@scalar
def axes(vertices):
    """Strike, dip and normal vectors, of numbers that carry derivatives.

    The strike of a level triangle has no derivative: it jumps from north to any other direction. Here it then
    keeps its azimuth, so that the other derivatives stay finite.
    """
    p1, p2, p3 = vectors(vertices)
    a, b = ([x - y for x, y in zip(p, p1, strict=True)] for p in (p2, p3))
    normal = unit(cross(a, b))
    level = (plain(normal[0]) == 0.0) & (plain(normal[1]) == 0.0)
    east, north = where(level, 1.0, normal[0]), where(level, 0.0, normal[1])
    across = sqrt(east * east + north * north)
    up = where(plain(normal[2]) > 0.0, 1.0, const(-1.0, plain(normal[2])))
    facing = up * normal[1]
    # of a triangle that looks north this is nothing, and not used
    kept = unit([-(facing * normal[0]), up - facing * normal[1], -(facing * normal[2])])
    ordinary = [-north / across, east / across, 0.0 * across]
    strike = [where(level, x, y) for x, y in zip(kept, ordinary, strict=True)]
    return strike, cross(normal, strike), normal


def unit(a):
    """a over its length."""
    size = sqrt(dot(a, a))
    return [x / size for x in a]


@scalar
def vector(triangle):
    """The Burgers vector, of numbers that carry derivatives."""
    *_, sign = by_depth([plain(z) for z in triangle[2:9:3]])
    strike, dip, normal = axes(triangle[:9])
    s = [sign * x for x in triangle[9:TRIANGLE]]
    return [s[0] * x + s[1] * y + s[2] * z for x, y, z in zip(strike, dip, normal, strict=True)]


def gradient(triangle, g):
    """Derivatives (12) of g . (Burgers vector), on plain numbers or tangents."""
    jets = [seed(x, k, TRIANGLE, 1) for k, x in enumerate(triangle)]
    found = dot(g, vector(jets))
    return [dense(d, found.v) for d in found.p]


def order_of(triangle):
    """The order of the vertices in the table (3)."""
    return by_depth(triangle[2:9:3])[:3]


def places_of(triangle):
    """The place in the table of each vertex (3)."""
    order = order_of(triangle)
    return [
        where(order[0] == k, 0.0, where(order[1] == k, 1.0, const(2.0, order[0]))) for k in (0.0, 1.0, 2.0)
    ]


# Each of these takes one row of numbers: the triangle (12), then what it names.


@scalar
def slopes(numbers):
    """Derivatives of the Burgers vector with the vertices (3 x 9), and their places in the table (3)."""
    jets = [seed(x, k, 9, 1) for k, x in enumerate(numbers[:9])]
    b = vector([*jets, *numbers[9:]])
    return [*(dense(d, x.v) for x in b for d in x.p), *places_of(numbers)]


@scalar
def direction(numbers):
    """Tangents of the table's vertices (9), the Burgers vector (3) and nu, from the caller's (12 + 1)."""
    triangle, t, t_nu = numbers[:TRIANGLE], numbers[TRIANGLE : 2 * TRIANGLE], numbers[2 * TRIANGLE]
    vertices = vectors(t[:9])
    turned = [x for k in order_of(triangle) for x in picked(k, vertices)]
    b = vector([with_tangent(x, d) for x, d in zip(triangle, t, strict=True)])
    return [*turned, *(tangent(x) for x in b), t_nu]


@scalar
def bend(numbers):
    """Second derivative of the Burgers vector (3) along two tangents (12 + 12)."""
    b = vector([with_tangents(numbers[k], numbers[12 + k], numbers[24 + k]) for k in range(TRIANGLE)])
    return [mixed(x) for x in b]


@scalar
def carried(numbers):
    """Gradient (12) from that with the table's vertices and the Burgers vector (9 + 3)."""
    triangle, sums = numbers[:TRIANGLE], numbers[TRIANGLE:]
    corners = vectors(sums[:9])
    own = [x for place in places_of(triangle) for x in picked(place, corners)]
    found = gradient(triangle, sums[9:TRIANGLE])
    return [*(x + y for x, y in zip(own, found, strict=False)), *found[9:]]


@scalar
def bent(numbers):
    """Gradient (12) of g . (derivative of the Burgers vector along t) at fixed g (3) and t (12)."""
    g, t = numbers[TRIANGLE : TRIANGLE + 3], numbers[TRIANGLE + 3 :]
    moving = [with_tangent(x, d) for x, d in zip(numbers[:TRIANGLE], t, strict=True)]
    return [tangent(x) for x in gradient(moving, g)]
