"""One triangle and one observer: what each operation needs of the formula, in east, north, up.

The numbers of a triangle (a row of `triangles.table`) come first, then the observer's place. Nothing is
turned into a frame of the triangle; slip enters as the Burgers vector, which is part of the row.

Three ways lead to the same rows: `near`, the closed form; `lifted`, a quadrature across a triangle that is
narrow beside its distance; `far`, a quadrature of points.
"""

from dislok.kernels.scalar import (
    ZERO,
    Jet,
    Tangent,
    absolute,
    const,
    maximum,
    mixed,
    primal,
    real,
    scalar,
    seed,
    tangent,
    where,
    with_tangent,
    with_tangents,
)

from .formula import (
    QUARTER_TURN,
    Direction,
    Geometry,
    Image,
    Side,
    Sides,
    Vertex,
    cross,
    dot,
    solid_angle,
)
from .point import point

LEVELS = ("value", "gradient", "greens", "greens_gradient")
FRAME_ROWS = {"value": 3, "gradient": 12, "greens": 9, "greens_gradient": 36}
# places in a row of the table
VERTICES, EDGES, AREA, BURGERS, FRAME, TURN, ROW = 0, 9, 18, 21, 24, 33, 34
LIFT_ROW = 9
PLAN_ROW = 15
# places in a direction: observer minus vertices, z, nu, Burgers vector
Z, NU, SLIP = 9, 10, 11
ENDS = ((0, 1), (1, 2), (0, 2))  # of the sides
# parts of the field: the triangle's own, its image's, and both together for an observer at the surface
OWN, IMAGE, SURFACE = 0, 1, 2


@scalar
def near(level, half, triangle, obs, nu, eps):
    """Rows of a level by the closed form.

    Parameters
    ----------
    level : int
        Index in `LEVELS`.
    half : int
        1 for the half space, 0 for the full space.
    triangle : tuple of `ROW` numbers
        A row of the table.
    obs : tuple of 3 numbers
        East, north, up.
    nu, eps : number
        Poisson's ratio; the spacing of the numbers at 1.

    Returns
    -------
    list of numbers
        ``value``: displacement (3). ``gradient``: displacement (3), du_i/dx_j (9). ``greens``: displacement
        for unit strike slip, dip slip, opening (3 x 3). ``greens_gradient``: what ``gradient`` gives, for
        each (3 x 12).
    """
    view = seen(half, triangle, observer(level, obs), nu)
    return rows_of(level, triangle, Geometry(**view, blur=blur(triangle, obs, eps)))


@scalar
def near_surface(level, triangle, obs, nu, eps):
    """Rows of a level as `near`, for an observer at the surface of the half space: its z is not looked at."""
    obs = observer_at_surface(level, obs)
    view = seen(1, triangle, obs, nu)
    view["places"] = None
    geometry = Geometry(**view, blur=blur(triangle, [real(x) for x in obs], eps))
    fields = [geometry.displacement(b) for b in slips(level, triangle)]
    return [x for u in fields for x in (traction_free(u, nu) if "gradient" in LEVELS[level] else u)]


@scalar
def lifted(level, half, triangle, lift, obs, nu, eps, node, weight):
    """Rows of a level (as `near`) from one node of a quadrature across a narrow triangle.

    The apex sweeps the triangle on its way from the foot of its height (0) to its place (1), and the field is
    the integral of its derivative along the way. The field of a triangle that is many times narrower than
    distant would be a small difference between its long sides.

    Parameters
    ----------
    lift : tuple of `LIFT_ROW` numbers
        A row of `triangles.lifts`.
    node, weight : number
        Place of the apex on its way, weight of the node.
    """
    rest = with_tangent(1.0 - node, -1.0)
    view = on_the_way(seen(half, triangle, observer(level, obs), nu), vectors(lift), rest)
    geometry = Geometry(**view, blur=blur(triangle, obs, eps))
    return [weight * x for x in rows_of(level, triangle, geometry, tangent)]


@scalar
def side_near(level, part, triangle, obs, nu, eps, side):
    """What a side adds to the rows of `near`.

    The closed form is the sum over the sides 0, 1, 2 of the parts `OWN` and, in the half space, `IMAGE`; or
    of `SURFACE` for an observer at the surface, whose z is not looked at.
    """
    angle = angle_of(part, triangle, obs, eps, side)
    field, z = side_seen(level, part, triangle, obs, eps, angle, side)
    fields = [part_of(part, field, b, z, nu) for b in slips(level, triangle)]
    if part == SURFACE and "gradient" in LEVELS[level]:
        return [x for u in fields for x in traction_free(u, nu)]
    return [x for u in fields for x in with_slopes(u)]


@scalar
def side_lifted(level, part, triangle, lift, obs, nu, eps, node, weight, side):
    """What a side adds to the rows of `lifted`; parts as of `side_near`, without `SURFACE`."""
    rest = with_tangent(1.0 - node, -1.0)
    # the solid angle itself has no place among the derivatives along the way
    field, z = side_seen(level, part, triangle, obs, eps, 0.0 * side, side, lift, rest)
    fields = [part_of(part, field, b, z, nu) for b in slips(level, triangle)]
    return [weight * x for u in fields for x in with_slopes(u, tangent)]


def side_seen(level, part, triangle, obs, eps, angle, side, lift=None, rest=None):
    """A side as the observer sees it, on the way of a lift if there is one; and the observer's z."""
    x, y, z = (observer_at_surface if part == SURFACE else observer)(level, obs)
    orders = tuple(zip(*ENDS, strict=True))
    corners = [picked_vectors(side, triangle[VERTICES:EDGES], order) for order in orders]
    ends = [[p - q for p, q in zip((x, y, -z if part else z), corner, strict=True)] for corner in corners]
    edge = picked_vectors(side, triangle[EDGES:AREA], (0, 1, 2))
    if lift is not None:
        ways = [picked_vectors(side, lift[:9], order) for order in orders]
        ends = [
            [p + rest * w for p, w in zip(end, way, strict=True)] for end, way in zip(ends, ways, strict=True)
        ]
        edge = [p + rest * (v - w) for p, v, w in zip(edge, *ways, strict=True)]
    return side_alone(part, ends, edge, blur(triangle, obs, eps), angle, side), z


def side_alone(part, ends, edge, close, angle, side):
    """A side, with the solid angle that goes with it."""
    start, end = (Vertex(r, part != OWN) for r in ends)
    signs = [where(side < 1.5, 1.0, -1.0 + 0.0 * side)]
    return (Image if part else Sides)([Side(start, end, Direction(edge), close)], signs, angle)


def part_of(part, field, b, z, nu):
    """Displacement of a part of the field."""
    if part == SURFACE:
        u = field.at_surface(b, nu)
    else:
        u = field.free_surface(b, z, nu) if part else field.burgers(b, 0.5 / (1.0 - nu))
    return [QUARTER_TURN * x for x in u]


@scalar
def side_first(part, triangle, obs, nu, eps, side):
    """What a side adds to the rows of level "first" by the closed form; parts as of `side_near`.

    These are displacement (3), its derivatives with respect to the vertices' coordinates (3 x 9), with z
    apart from the distances to the vertices (3), with the Burgers vector (3 x 3), with nu (3).
    """
    angle = angle_of(part, triangle, obs, eps, side)
    rows = side_rows(side_field(part, triangle, obs, nu, eps, angle, side), side, primal)
    return surface_first(rows, nu) if part == SURFACE else rows


@scalar
def side_along(part, triangle, obs, nu, eps, direction, side):
    """What a side adds to the rows of level "first", then to their derivatives along a direction (45 + 45).

    Parameters are those of `side_twice`.
    """
    angle = angle_of(part, triangle, obs, eps, side)
    u = side_field(part, triangle, obs, nu, eps, angle, side, direction)
    return side_rows(u, side, primal) + side_rows(u, side, tangent)


@scalar
def side_twice(part, triangle, obs, nu, eps, direction, other, side):
    """What a side adds to the derivatives of the rows of level "first" along two directions (45).

    The closed form is the sum over the sides 0, 1, 2 and, in the half space, over those of the image. One
    piece of code for all three sides is small enough to be compiled and to stay in the processor's cache.

    Parameters
    ----------
    part : int
        Literal `OWN` or `IMAGE`.
    direction, other : tuple of 14 numbers
        In the order observer minus each vertex (3 x 3), z, nu, Burgers vector (3).
    side : number
        0, 1 or 2.
    """
    # the solid angle itself has no place among second derivatives
    u = side_field(part, triangle, obs, nu, eps, 0.0 * side, side, direction, other)
    return side_rows(u, side, mixed)


def picked(side, options):
    """The option number `side` (0, 1, 2), a number or a vector."""
    if isinstance(options[0], tuple | list):
        return [picked(side, each) for each in zip(*options, strict=True)]
    return where(side < 0.5, options[0], where(side < 1.5, options[1], options[2]))


def picked_vectors(side, numbers, order):
    """One of three vectors, which come in some order for the sides."""
    return picked(side, [vectors(numbers)[k] for k in order])


def angle_of(part, triangle, obs, eps, side):
    """The solid angle for the first side, zero for the others."""
    place = (*obs[:2], -obs[2]) if part else obs
    corners = vectors(triangle[VERTICES:EDGES])
    seen = [Vertex([x - p for x, p in zip(place, corner, strict=True)], False) for corner in corners]
    angle = solid_angle(triangle[AREA:BURGERS], triangle[TURN], seen, blur(triangle, obs, eps))
    return where(side < 0.5, angle, 0.0)


def side_field(part, triangle, obs, nu, eps, angle, side, *directions):
    """A side's displacement: jets in its ends (3 + 3), z, nu and b (3), tangents along directions."""
    orders = tuple(zip(*ENDS, strict=True))
    ways = [
        [*(x for order in orders for x in picked_vectors(side, way[:Z], order)), *way[Z:]]
        for way in directions
    ]

    def number(v, slopes):
        return Jet(
            moving(v, slopes, *ways), [const(slopes[k], v) if k in slopes else ZERO for k in range(11)]
        )

    place = (*obs[:2], -obs[2]) if part else obs
    ends = []
    for at, order in zip((0, 3), orders, strict=True):
        corner = picked_vectors(side, triangle[VERTICES:EDGES], order)
        slopes = [{at: 1.0}, {at + 1: 1.0}, {at + 2: 1.0, 6: -2.0} if part else {at + 2: 1.0}]
        ends.append([number(x - p, slope) for x, p, slope in zip(place, corner, slopes, strict=True)])
    edge = picked_vectors(side, triangle[EDGES:AREA], (0, 1, 2))
    edge = [number(x, {i: 1.0, 3 + i: -1.0}) for i, x in enumerate(edge)]
    z, ratio = number(obs[2], {6: 1.0}), number(nu, {7: 1.0})
    b = [number(x, {8 + i: 1.0}) for i, x in enumerate(triangle[BURGERS:FRAME])]
    field = side_alone(part, ends, edge, blur(triangle, obs, eps), angle, side)
    return part_of(part, field, b, z, ratio)


def side_rows(u, side, part):
    """Rows of level "first" from a side's jets: its ends' derivatives are those of two vertices."""
    rows = [part(x.v) for x in u]
    for x in u:
        a, b = ([-part(dense(d, x.v)) for d in x.p[k : k + 3]] for k in (0, 3))
        none = [0.0] * 3
        for options in ((a, none, a), (b, a, none), (none, b, b)):
            rows += [picked(side, three) for three in zip(*options, strict=True)]
    for block in (slice(6, 7), slice(8, 11), slice(7, 8)):
        rows += [part(dense(d, x.v)) for x in u for d in x.p[block]]
    return rows


@scalar
def far(level, half, triangle, obs, nu, c2, c3, weight):
    """Rows of a level (as `near`) from one node of a rule: the point P1 + c2 (P2 - P1) + c3 (P3 - P1)."""
    obs = observer(level, obs)
    r, mirrored = from_node(half, triangle, obs, c2, c3)
    n = [weight * x for x in triangle[AREA:BURGERS]]
    return [x for b in slips(level, triangle) for x in with_slopes(point(r, mirrored, b, n, obs[2], nu))]


@scalar
def far_along(half, triangle, obs, nu, c2, c3, weight, direction):
    """Rows of level "first", then their derivatives along a direction, from one node of a rule."""
    rows = first_far(half, triangle, obs, nu, c2, c3, weight, direction)
    return [primal(x) for x in rows] + [tangent(x) for x in rows]


@scalar
def far_twice(half, triangle, obs, nu, c2, c3, weight, direction, other):
    """Derivatives of the rows of level "first" along two directions (45), from one node of a rule."""
    return [mixed(x) for x in first_far(half, triangle, obs, nu, c2, c3, weight, direction, other)]


@scalar
def method(plan, obs):
    """How a pair is computed: 0 closed form, 1 lifted, 2 and more the rules as `triangles.REACH` has them.

    Parameters
    ----------
    plan : tuple of `PLAN_ROW` numbers
        A row of `triangles.plan`.
    obs : tuple of 3 numbers
        East, north, up.
    """
    r = [x - c for x, c in zip(obs, plan[3:6], strict=True)]
    along = dot(r, plan[6:9])
    beyond = maximum(absolute(along) - plan[9], 0.0)
    across = cross(r, plan[6:9])
    code = where(dot(across, across) + beyond * beyond >= plan[10], 1.0, 0.0 * along)
    r = [x - c for x, c in zip(obs, plan[:3], strict=True)]
    distance = dot(r, r)
    for k, limit in enumerate(plan[11:PLAN_ROW]):
        code = where(distance >= limit, k + 2.0, code)
    return code


# ------------------------------------------------------------------------------ numbers of each level


def vectors(numbers):
    """A flat sequence cut into vectors."""
    return [tuple(numbers[k : k + 3]) for k in range(0, len(numbers), 3)]


def blur(triangle, obs, eps):
    """Rounding of the coordinates: so much may be wrong in the place of the observer beside the triangle."""
    return tuple(eps * (absolute(x) + absolute(p)) for x, p in zip(obs, triangle, strict=False))


def observer(level, obs):
    """The observer's place; seeds where its derivatives are wanted."""
    if "gradient" not in LEVELS[level]:
        return obs
    return tuple(seed(x, k, 3, 1) for k, x in enumerate(obs))


def observer_at_surface(level, obs):
    """The same of an observer whose z is zero."""
    if "gradient" not in LEVELS[level]:
        return obs[0], obs[1], const(0.0, obs[0])
    return seed(obs[0], 0, 2, 1), seed(obs[1], 1, 2, 1), const(0.0, obs[0])


def slips(level, triangle):
    """The Burgers vectors of a level."""
    return vectors(triangle[FRAME:TURN] if "greens" in LEVELS[level] else triangle[BURGERS:FRAME])


def moving(v, slopes, *directions):
    """A plain number with derivatives {variable: slope}, as a tangent along directions, if there are any."""
    tangents = [sum((c * direction[k] for k, c in slopes.items()), ZERO) for direction in directions]
    if not tangents:
        return v
    return with_tangent(v, *tangents) if len(tangents) == 1 else with_tangents(v, *tangents)


def seen(half, triangle, obs, nu):
    """The triangle as the observer, whose place carries the derivatives, sees it: what makes `Geometry`."""
    places = [[x - p for x, p in zip(obs, p, strict=True)] for p in vectors(triangle[VERTICES:EDGES])]
    below = [-obs[2] - p for p in triangle[2:EDGES:3]]
    return {
        "places": places,
        "mirrored": [[*r[:2], up] for r, up in zip(places, below, strict=True)] if half else None,
        "edges": vectors(triangle[EDGES:AREA]),
        "area": triangle[AREA:BURGERS],
        "turn": triangle[TURN],
        "z": obs[2],
        "nu": nu,
    }


def on_the_way(view, ways, rest):
    """What is seen when the vertices have `rest` of their ways before them."""

    def moved(r, way):
        return [x + rest * w for x, w in zip(r, way, strict=True)]

    changed = dict(view)
    for name in ("places", "mirrored"):
        if view[name] is not None:
            changed[name] = [moved(r, way) for r, way in zip(view[name], ways, strict=True)]
    changed["edges"] = [
        moved(edge, [a - b for a, b in zip(ways[start], ways[end], strict=True)])
        for (start, end), edge in zip(ENDS, view["edges"], strict=True)
    ]
    return changed


# -------------------------------------------------------------------------------------------- rows


def rows_of(level, triangle, geometry, part=lambda x: x):
    """Rows of a level; `part` is what is taken of each number."""
    return [x for b in slips(level, triangle) for x in with_slopes(geometry.displacement(b), part)]


def with_slopes(u, part=lambda x: x):
    """Displacement and, of jets, its derivatives, component by component."""
    if not isinstance(u[0], Jet):
        return [part(x) for x in u]
    return [part(x.v) for x in u] + [part(dense(d, x.v)) for x in u for d in x.p]


def traction_free(u, nu):
    """Displacement at the surface and its gradient from jets in east and north: no traction acts there."""
    v, (ux, uy, uz) = [x.v for x in u], [[dense(d, x.v) for d in x.p] for x in u]
    lost = nu / (1.0 - nu)
    return [*v, *ux, -uz[0], *uy, -uz[1], *uz, -(lost * (ux[0] + uy[1]))]


def surface_first(rows, nu):
    """Rows of level "first" at the surface; that with respect to z follows from there being no traction."""
    by_place = [
        [rows[3 + 9 * i + k] + rows[6 + 9 * i + k] + rows[9 + 9 * i + k] for k in range(3)] for i in range(3)
    ]
    lost = nu / (1.0 - nu)
    by_z = [by_place[2][0], by_place[2][1], lost * (by_place[0][0] + by_place[1][1])]
    return [*rows[:30], *(x + by_place[i][2] for i, x in enumerate(by_z)), *rows[33:]]


def dense(d, like):
    """A derivative as a number, also where it is zero by structure."""
    return const(0.0, like) if d is ZERO else d


def from_node(half, triangle, obs, c2, c3):
    """Observer and mirrored observer minus a node."""
    e12, _, e13 = vectors(triangle[EDGES:AREA])
    shift = [c2 * x + c3 * y for x, y in zip(e12, e13, strict=True)]
    r = [(x - p) - d for x, p, d in zip(obs, triangle, shift, strict=False)]
    return r, [r[0], r[1], (-obs[2] - triangle[2]) - shift[2]] if half else None


def first_far(half, triangle, obs, nu, c2, c3, weight, *directions):
    """Rows of level "first" from a node as numbers, tangents along directions where such are given.

    By way of derivatives with respect to the node's place (3), the area vector (3), z, nu and b (3).
    """
    r, mirrored = from_node(half, triangle, obs, c2, c3)
    shares = (1.0 - c2 - c3, c2, c3)
    slopes = [{3 * k + i: share for k, share in enumerate(shares)} for i in range(3)]
    edges, n = moving_triangle(triangle, *directions)
    z = moving(obs[2], {Z: 1.0}, *directions)
    nu = moving(nu, {NU: 1.0}, *directions)
    b = [moving(x, {SLIP + i: 1.0}, *directions) for i, x in enumerate(triangle[BURGERS:FRAME])]

    def variables(numbers, at):
        return [Jet(v, [one if k == at + i else ZERO for k in range(11)]) for i, v in enumerate(numbers)]

    one = const(1.0, obs[0])
    place = variables([moving(x, slope, *directions) for x, slope in zip(r, slopes, strict=True)], 0)
    piece, (height, ratio), slip = (
        variables([weight * x for x in n], 3),
        variables([z, nu], 6),
        variables(b, 8),
    )
    if half:
        below = moving(mirrored[2], slopes[2] | {Z: -2.0}, *directions)
        partials = {2: one, 6: -2.0 * one}
        mirrored = [*place[:2], Jet(below, [partials.get(k, ZERO) for k in range(11)])]
    u = point(place, mirrored, slip, piece, height, ratio)
    by_vertex = [x for each in u for x in vertex_slopes(each.p[:3], each.p[3:6], edges, shares, weight)]
    blocks = (slice(6, 7), slice(8, 11), slice(7, 8))
    return [x.v for x in u] + by_vertex + [dense(d, x.v) for block in blocks for x in u for d in x.p[block]]


def moving_triangle(triangle, *directions):
    """Edges and area vector of a triangle, tangents along directions where such are given."""
    edges = [
        [moving(x, {3 * start + i: 1.0, 3 * end + i: -1.0}, *directions) for i, x in enumerate(edge)]
        for (start, end), edge in zip(ENDS, vectors(triangle[EDGES:AREA]), strict=True)
    ]
    area = triangle[AREA:BURGERS]
    if not directions:
        return edges, area
    # the value of the table has more digits
    grown = [0.5 * x for x in cross(edges[0], edges[2])]
    return edges, [Tangent(Jet(x, g.jet.p, g.jet.h)) for x, g in zip(area, grown, strict=True)]


def vertex_slopes(by_place, by_area, edges, shares, weight):
    """Derivatives with respect to the vertices from those with a node's place and area vector."""
    e12, e23, e13 = edges
    grown = [(0.5 * weight) * d for d in by_area]
    return [
        sign * turn - share * moved
        for share, sign, edge in zip(shares, (1.0, -1.0, 1.0), (e23, e13, e12), strict=True)
        for turn, moved in zip(cross(grown, edge), by_place, strict=True)
    ]
