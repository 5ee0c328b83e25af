"""One source and one observer: from the geometry of a pair to the caller's axes and parameters.

`formula` works in the source's frame (x along strike, y up dip and horizontal) and gives jets in seven
variables of that frame. Here the jets become rows of numbers (`frame_*`), and those rows the displacement,
its gradient and the derivatives with respect to the source's parameters in east, north, up (`finish_*`), once
for every backend. Between the two a backend may add up rows: over the nodes of a quadrature, or over the
corners.

A `pair` is a tuple of the numbers named in `PAIR`. Its lengths are in a unit that keeps them near 1; `unit`
is the reciprocal of that unit, with which every derivative with respect to a length is multiplied.
"""

from dislok.kernels.scalar import ZERO, Jet, Tangent, const, scalar, with_tangent

from .edges import rectangle_fields, surface_fields
from .formula import (
    TURN,
    elastic,
    elastic_derivative,
    image_corner,
    image_slip,
    plane,
    point,
    point_surface,
    real_corner,
    real_slip,
    snapped,
    surface_slip,
    surface_z,
)
from .nodes import point_gradient, surface_gradient

PAIR = (
    "east", "north", "z", "depth", "sin_strike", "cos_strike", "sin_dip", "cos_dip",
    "al1", "al2", "aw1", "aw2", "l1", "l2", "w1", "w2",
    "u1", "u2", "u3", "u4", "slip", "turn", "sin_rake", "cos_rake", "unit",
)  # fmt: skip
# What is differentiated with. Hessians leave out the last.
VARIABLES = (
    "x", "y", "depth", "length", "width", "strike", "dip", "rake", "slip", "opening", "inflation", "z", "nu",
)  # fmt: skip
X, Y, DEPTH, LENGTH, WIDTH, STRIKE, DIP, RAKE, SLIP, OPENING, INFLATION, Z, NU = range(13)
# Place among the frame's variables x, y, z, depth, dip, length, width.
FRAME = {DEPTH: 3, LENGTH: 5, WIDTH: 6, DIP: 4, Z: 2}
GEOMETRY = (X, Y, DEPTH, LENGTH, WIDTH, STRIKE, DIP, Z)
SLIPS = (SLIP, RAKE, OPENING, INFLATION, NU)
OBSERVER = (X, Y, Z)
LENGTHS = (X, Y, DEPTH, LENGTH, WIDTH, Z)
ANGLES = (STRIKE, DIP, RAKE)
DEGREE = 0.017453292519943295

# Numbers that frame_* and finish_* return.
LEVELS = ("value", "gradient", "greens", "greens_gradient", "first", "second")
FRAME_ROWS = {
    "value": 3, "gradient": 12, "greens": 12, "greens_gradient": 48, "first": 39, "second": 228, "third": 408,
    "parameters": 168,
}  # fmt: skip
HESSIAN = 78  # packed second derivatives in the first twelve variables


def packed(i, j):
    """Place of the pair (i, j) in a packed lower triangle."""
    return i * (i + 1) // 2 + j if i >= j else j * (j + 1) // 2 + i


# Parts of a jet in the frame's variables without derivatives with respect to z.
WITHOUT_Z = [k for k in range(8) if k != 3]
WITHOUT_Z += [8 + packed(i, j) for i in range(7) for j in range(i + 1) if 2 not in (i, j)]


def named(pair, *names):
    """Members of a pair."""
    return [pair[PAIR.index(name)] for name in names]


def rows(jets, count, like, places=range(36)):
    """Those of the first `count` parts (value, partials, second partials) that `places` names, as numbers."""
    out = []
    for x in jets:
        parts = [x.v, *x.p, *(x.h or ())] if isinstance(x, Jet) else [x]
        parts += [ZERO] * (count - len(parts))
        out += [const(0.0, like) if parts[k] is ZERO else parts[k] for k in places if k < count]
    return out


def truncated(x):
    """A jet, or tuples of jets, without second partials."""
    if isinstance(x, tuple | list):
        return tuple(truncated(each) for each in x)
    return Jet(x.v, x.p) if isinstance(x, Jet) else x


def source_slip(pair):
    """The source's strike slip, dip slip, opening and inflation."""
    return tuple(named(pair, "u1", "u2", "u3", "u4"))


def unit_fields(pair, m, displacement):
    """Displacement of unit strike slip, dip slip, opening and inflation, three jets each."""
    (turn,) = named(pair, "turn")
    one = const(1.0, turn)
    slips = [[one if i == k else ZERO for i in range(4)] for k in range(4)]
    strike, *others = (displacement(slip, m, 1) for slip in slips)
    return [turn * x for x in strike], *(list(each) for each in others)


def slip_fields(pair, m, displacement):
    """Derivatives of the displacement with `SLIPS` but nu, with rake per unit slip."""
    sr, cr = named(pair, "sin_rake", "cos_rake")
    strike, dip, opening, inflation = unit_fields(pair, m, displacement)
    pairs = list(zip(strike, dip, strict=True))
    slip = [cr * a + sr * b for a, b in pairs]
    rake = [cr * b - sr * a for a, b in pairs]
    return slip, rake, opening, inflation


def observer_in_frame(pair):
    """x and y of the observer in the source's frame."""
    east, north, ss, cs = named(pair, "east", "north", "sin_strike", "cos_strike")
    return east * ss + north * cs, north * ss - east * cs


def edges_and_rates(pair):
    """Edges, and the rates of xi and eta there with length and width."""
    return named(pair, "al1", "al2", "aw1", "aw2"), named(pair, "l1", "l2", "w1", "w2")


# ------------------------------------------------------------------------------ rows in the frame


def frame_rows(level, pair, nu, displacement):
    """Rows of a level from ``displacement(slip, elastic constants, order)``, which returns three jets."""
    (z,) = named(pair, "z")
    m = elastic(nu)
    if level.startswith("greens"):
        count = 1 if level == "greens" else 4
        return [row for jets in unit_fields(pair, m, displacement) for row in rows(jets, count, z)]
    own = source_slip(pair)
    if level == "parameters":
        fields = (displacement(own, m, 2), *slip_fields(pair, m, displacement))
        counts = (36, 8, 8, 8, 8)
        return [
            x for jets, count in zip(fields, counts, strict=True) for x in rows(jets, count, z, WITHOUT_Z)
        ]
    count = {"value": 1, "gradient": 4, "first": 8, "second": 36, "third": 36}[level]
    out = rows(displacement(own, m, 2 if count == 36 else 1), count, z)
    if level in ("first", "second", "third"):
        others = list(slip_fields(pair, m, displacement))
        if level != "third":
            others.append(displacement(own, elastic_derivative(nu), 1))
        out += [row for jets in others for row in rows(jets, 1 if level == "first" else 8, z)]
    return out


@scalar
def near(level, pair, nu, eps):
    """Rows of a rectangle by its closed form; `level` is a place in `LEVELS`."""
    order = 2 if LEVELS[level] == "second" else 1
    x, y, z, c, sd, cd = frame_jets(pair, order)
    edges, rates = edges_and_rates(pair)
    fields = rectangle_fields(x.v, y.v, z.v, c.v, sd.v, cd.v, edges, eps, order)
    of_real, of_image = (local_variables(x, y, d, sd, cd, z, rates) for d in (c + z, c - z))
    return frame_rows(LEVELS[level], pair, nu, chained(fields, of_real, of_image))


def chained(fields, of_real, of_image):
    """Displacement as `frame_rows` wants it, from local jets; the local variables are jets in the frame's."""
    low = truncated(fields)

    def displacement(u, m, order):
        real, parts, s, t, z = fields if order == 2 else low
        a = real_slip(real, s, t, u[:3], m)
        b = image_slip(parts, s, t, z, u[:3], m)
        return [(composed(a[i], of_real) + composed(b[i], of_image)) * TURN for i in range(3)]

    return displacement


def local_variables(x, y, d, sd, cd, z, rates):
    """The local variables of `formula`, of which only derivatives count, as jets in the frame's."""
    order, one = x.order, const(1.0, x.v)
    nothing = const(0.0, x.v)
    l1, _, w1, _ = rates
    length, width, dip = (variable(nothing, k, one, order) for k in (5, 6, 4))
    return x + l1 * length, y * cd + d * sd + w1 * width, y * sd - d * cd, dip, length, width, z


@scalar
def near_surface(level, pair, nu, eps):
    """`near` for an observer at the surface, but not for level "second"."""
    displacement = at_surface(pair, eps, 1)
    return frame_rows(
        LEVELS[level], pair, nu, lambda u, m, order: traction_free(displacement(u, m, order), m)
    )


@scalar
def near_surface_parameters(pair, nu, eps):
    """Rows of level "parameters", which lacks derivatives with respect to z and nu, at the surface."""
    return frame_rows("parameters", pair, nu, at_surface(pair, eps, 2))


def at_surface(pair, eps, order):
    """Displacement at the surface as `frame_rows` wants it, but without derivatives with respect to z."""
    x, y, z, c, sd, cd = frame_jets(pair, order)
    edges, rates = edges_and_rates(pair)
    fields = surface_fields(x.v, y.v, c.v, sd.v, cd.v, edges, eps, order)
    outer = local_variables(x, y, c, sd, cd, z, rates)
    low = truncated(fields)

    def displacement(u, m, order):
        part_a, part_b, s, t = fields if order == 2 else low
        return [composed(ui, outer) * TURN for ui in surface_slip(part_a, part_b, s, t, u[:3], m)]

    return displacement


@scalar
def near_corner(pair, nu, eps, al, aw, rate_l, rate_w):
    """Rows of level "second" of one corner; their signed sum over the corners is the rectangle's."""
    return corner_rows("second", pair, nu, eps, al, aw, rate_l, rate_w)


def corner_rows(level, pair, nu, eps, al, aw, rate_l, rate_w):
    """Rows of a level with second derivatives of one corner.

    The terms are functions of few variables of the corner (xi, eta, q, dip, z); derivatives are taken with
    those and carried to the frame's seven at the end.
    """
    x, y, z, c, sd, cd = frame_jets(pair, 2)
    edge_l, edge_w = variable(al, 5, -rate_l, 2), variable(aw, 6, -rate_w, 2)
    edges, _ = edges_and_rates(pair)
    place = edge_l, edge_w, edges, eps
    of_real, (xi, eta, q, _, _), regular = corner_variables(x, y, z, c + z, c.v - z.v, sd, cd, *place)
    sin_dip, cos_dip = local_angles(sd.v, cd.v, 3, 5)
    real = real_corner(xi, eta, q, *regular)
    of_image, (xi, eta, q, _, z_), regular = corner_variables(x, y, z, c - z, c.v - z.v, sd, cd, *place)
    ct = c.v - aw * sd.v
    yt = with_value(eta * cos_dip + q * sin_dip, y.v - aw * cd.v)
    dt = with_value(eta * sin_dip - q * cos_dip, ct - z.v)
    image = image_corner(xi, eta, q, yt, dt, with_value(dt + z_, ct), sin_dip, cos_dip, *regular)
    fields = real, image, sin_dip, cos_dip, z_
    return frame_rows(level, pair, nu, chained(fields, of_real, of_image))


def corner_variables(x, y, z, d, depth, sd, cd, edge_l, edge_w, edges, eps):
    """A corner's xi, eta, q, dip, z in the frame's variables, those as variables, and how to reflect."""
    p, q, noise, *regular = plane(x.v, y.v, d.v, depth, sd.v, cd.v, edges, eps)
    eta = with_value(y * cd + d * sd - edge_w, snapped(p - edge_w.v, noise))
    dip = variable(const(0.0, q), 4, const(1.0, q), 2)
    outer = (x - edge_l, eta, with_value(y * sd - d * cd, q), dip, z)
    return outer, local_jets(outer), regular


@scalar
def far_node(level, pair, nu, g, h, weight):
    """Rows of one node of a quadrature of point sources over a rectangle.

    The node lies at the fraction `g` of the way from al1 to al2 and `h` from aw1 to aw2; `weight` is its
    share of the area. A point source is a rectangle of unit area with one node in its middle. Derivatives are
    taken with the node's own place and dip, and carried to the frame's seven variables at the end.
    """
    return node_rows(LEVELS[level], pair, nu, g, h, weight)


@scalar
def far_node_surface(level, pair, nu, g, h, weight):
    """`far_node` for an observer at the surface; `level` is not that of "second"."""
    outer, area, sd, cd = node_of(pair, g, h, weight, 1)
    if LEVELS[level] == "gradient":
        return surface_gradient_rows(pair, nu, outer, area, sd, cd)
    xn, yn, _, cn, _ = local_jets(outer)
    sn, tn = local_angles(sd.v, cd.v, 4, 5, 1)

    def displacement(u, m, order):
        jets = point_surface(xn, yn, cn, sn, tn, u, m)
        return traction_free([area * composed(ui, outer) for ui in jets], m)

    return frame_rows(LEVELS[level], pair, nu, displacement)


@scalar
def far_node_parameters(pair, nu, g, h, weight):
    """Rows of level "parameters" of one node, for an observer at the surface."""
    outer, area, sd, cd = node_of(pair, g, h, weight, 2)
    xn, yn, _, cn, _ = local_jets(outer)
    node = (xn, yn, cn, *local_angles(sd.v, cd.v, 4, 5))
    lower = truncated(node)

    def displacement(u, m, order):
        xn, yn, cn, sn, tn = node if order == 2 else lower
        jets = point_surface(xn, yn, cn, sn, tn, u, m)
        size = area if order == 2 else truncated(area)
        return [size * composed(ui, outer) for ui in jets]

    return frame_rows("parameters", pair, nu, displacement)


def node_rows(level, pair, nu, g, h, weight):
    """Rows of a level of one node of a quadrature."""
    if level == "gradient":
        return gradient_rows(pair, nu, *node_of(pair, g, h, weight, 1))
    order = 2 if level in ("second", "third") else 1
    outer, area, sd, cd = node_of(pair, g, h, weight, order)
    node = (*local_jets(outer)[:4], *local_angles(sd.v, cd.v, 4, 5, order))
    lower = truncated(node)

    def displacement(u, m, order):
        xn, yn, z, cn, sn, tn = node if order == 2 else lower
        jets = point(xn, yn, z, cn, sn, tn, u, m)
        size = area if order == 2 else truncated(area)
        return [size * composed(ui, outer) for ui in jets]

    return frame_rows(level, pair, nu, displacement)


def gradient_rows(pair, nu, outer, area, sd, cd):
    """Rows of level "gradient" of one node; arguments as `node_of` gives them."""
    x, y, z, c = (each.v for each in outer[:4])
    potency = [area.v * each for each in source_slip(pair)]
    found = point_gradient(x, y, z, c, sd.v, cd.v, potency, elastic(nu))
    return [found[i + 3 * k] for i in range(3) for k in range(4)]


def surface_gradient_rows(pair, nu, outer, area, sd, cd):
    """`gradient_rows` for an observer at the surface."""
    x, y, z, c = (each.v for each in outer[:4])
    m, potency = elastic(nu), [area.v * each for each in source_slip(pair)]
    found = surface_gradient(x, y, c, sd.v, cd.v, potency, m)
    jets = [Jet(found[i], [found[3 + i], found[6 + i], *[ZERO] * 5]) for i in range(3)]
    return rows(traction_free(jets, m), 4, z)


def node_of(pair, g, h, weight, order):
    """A node's x, y, z, depth, dip, its area, and sine and cosine of the dip, in the frame's variables."""
    (al1, al2, aw1, aw2), (l1, l2, w1, w2) = edges_and_rates(pair)
    x, y, z, c, sd, cd = frame_jets(pair, order)
    al = variable(al1 + g * (al2 - al1), 5, -(l1 + g * (l2 - l1)), order)
    aw = variable(aw1 + h * (aw2 - aw1), 6, -(w1 + h * (w2 - w1)), order)
    length = variable(weight * (al2 - al1), 5, weight * (l1 - l2), order)
    area = length * variable(aw2 - aw1, 6, w1 - w2, order)
    dip = variable(const(0.0, g), 4, const(1.0, g), order)
    return (x - al, y - aw * cd, z, c - aw * sd, dip), area, sd, cd


def traction_free(jets, m):
    """Displacement at the surface with the derivatives with respect to z that leave it free of traction."""
    slopes = surface_z(jets, m)
    return [
        ui if ui is ZERO else Jet(ui.v, [*ui.p[:2], dz, *ui.p[3:]])
        for ui, dz in zip(jets, slopes, strict=True)
    ]


def variable(v, k, slope, order):
    """A number linear in the frame's variable `k`, as a jet in all seven."""
    p = [slope if i == k else ZERO for i in range(7)]
    return Jet(v, p, [ZERO] * 28 if order == 2 else None)


def frame_jets(pair, order):
    """x, y, z, depth, sin(dip), cos(dip) as jets in the frame's variables."""
    z, c, sd, cd = named(pair, "z", "depth", "sin_dip", "cos_dip")
    x, y = observer_in_frame(pair)
    one = const(1.0, z)
    places = [variable(v, k, one, order) for k, v in enumerate((x, y, z, c))]
    return (*places, *local_angles(sd, cd, 4, 7, order))


def local_angles(sd, cd, k, n, order=2):
    """sin(dip) and cos(dip) as jets in `n` variables of which number `k` is the dip."""
    jets = []
    for v, slope in ((sd, cd), (cd, -sd)):
        p = [slope if i == k else ZERO for i in range(n)]
        h = [-v if i == packed(k, k) else ZERO for i in range(n * (n + 1) // 2)]
        jets.append(Jet(v, p, h if order == 2 else None))
    return jets


def local_jets(outer):
    """Jets with the values of `outer`, each a variable of its own."""
    n = len(outer)
    one = const(1.0, outer[0].v)
    return [
        Jet(
            x.v,
            [one if i == k else ZERO for i in range(n)],
            None if x.h is None else [ZERO] * (n * (n + 1) // 2),
        )
        for k, x in enumerate(outer)
    ]


def with_value(x, v):
    """The jet `x` with the value `v`, which is `x` with less rounding; partials and tangent stay."""
    if isinstance(x.v, Tangent):
        v = with_tangent(v, x.v.t)
    return Jet(v, x.p, x.h)


def composed(f, outer):
    """A jet in variables that are the jets `outer`, as a jet in the variables of those."""
    if f is ZERO:
        return f
    n = outer[0].n
    p = [sum((fa * x.p[i] for fa, x in zip(f.p, outer, strict=True)), ZERO) for i in range(n)]
    if f.h is None:
        return Jet(f.v, p)
    bent = [
        [sum((f.h[packed(a, b)] * x.p[j] for b, x in enumerate(outer)), ZERO) for j in range(n)]
        for a in range(len(outer))
    ]
    h = []
    for i in range(n):
        for j in range(i + 1):
            curve = sum((x.p[i] * bent[a][j] for a, x in enumerate(outer)), ZERO)
            h.append(sum((fa * x.h[packed(i, j)] for fa, x in zip(f.p, outer, strict=True)), curve))
    return Jet(f.v, p, h)


# ------------------------------------------------------------------- from the frame to the caller


def to_caller(pair, v):
    """A vector in the frame turned to east, north, up."""
    ss, cs = named(pair, "sin_strike", "cos_strike")
    return [v[0] * ss - v[1] * cs, v[0] * cs + v[1] * ss, v[2]]


def finish_value(pair, frame):
    """Displacement from the rows of level "value"."""
    return to_caller(pair, frame)


def finish_gradient(pair, frame):
    """Displacement, then its gradient row by row, from the rows of level "gradient"."""
    ss, cs, unit = named(pair, "sin_strike", "cos_strike", "unit")
    parts = [frame[4 * i : 4 * i + 4] for i in range(3)]
    value = to_caller(pair, [part[0] for part in parts])
    by_x, by_y, by_z = (to_caller(pair, [unit * part[k] for part in parts]) for k in (1, 2, 3))
    out = list(value)
    for i in range(3):
        out += [by_x[i] * ss - by_y[i] * cs, by_x[i] * cs + by_y[i] * ss, by_z[i]]
    return out


def finish_greens(pair, frame):
    """Displacement (3) for each of four unit slips."""
    return [x for k in range(4) for x in to_caller(pair, frame[3 * k : 3 * k + 3])]


def finish_greens_gradient(pair, frame):
    """Gradient (9) for each of four unit slips."""
    return [x for k in range(4) for x in finish_gradient(pair, frame[12 * k : 12 * k + 12])[3:]]


class Field:
    """Displacement in the frame: a vector, its seven first and, if known, 28 second derivatives."""

    def __init__(self, v, p, h=None):
        self.v = v
        self.p = p
        self.h = h

    @classmethod
    def of_rows(cls, frame, count):
        """The field of three runs of `count` rows: value, first and second partials of each component."""
        parts = [frame[count * i : count * (i + 1)] for i in range(3)]
        column = list(zip(*parts, strict=True))
        return cls(column[0], column[1:8], column[8:36] if count > 8 else None)

    def along(self, place, a):
        """Derivative with respect to the geometric variable `a`, a vector in the frame."""
        x, y, ss, cs = place
        dx, dy = self.p[0], self.p[1]
        if a == X:
            return [cs * dy[i] - ss * dx[i] for i in range(3)]
        if a == Y:
            return [-(cs * dx[i]) - ss * dy[i] for i in range(3)]
        if a == STRIKE:
            turned = [x * dy[i] - y * dx[i] for i in range(3)]
            return [turned[0] + self.v[1], turned[1] - self.v[0], turned[2]]
        return list(self.p[FRAME[a]])

    def slope(self, place, a):
        """The field's derivative with respect to `a` as a field with first derivatives of its own."""
        x, y, _, _ = place
        if a != STRIKE:
            k = FRAME[a]
            return Field(self.p[k], [self.h[packed(k, j)] for j in range(7)])
        slopes = []
        for j in range(7):
            dx, dy = self.h[packed(0, j)], self.h[packed(1, j)]
            # the frame's axes turn too: (u_y, -u_x, 0)
            slope = [x * dy[i] - y * dx[i] for i in range(3)]
            slope = [slope[0] + self.p[j][1], slope[1] - self.p[j][0], slope[2]]
            if j == 0:
                slope = [slope[i] + self.p[1][i] for i in range(3)]
            if j == 1:
                slope = [slope[i] - self.p[0][i] for i in range(3)]
            slopes.append(slope)
        return Field(self.along(place, STRIKE), slopes)

    def along_both(self, place, a, b):
        """Second derivative with respect to the geometric variables `a` and `b`."""
        inner, outer = sorted((a, b), key=(STRIKE, DEPTH, LENGTH, WIDTH, DIP, Z, X, Y).index)
        if inner in (X, Y):
            return self._horizontal(place, a, b)
        return self.slope(place, inner).along(place, outer)

    def _horizontal(self, place, a, b):
        """Second derivative with two of x and y."""
        _, _, ss, cs = place
        weights = {X: (-ss, cs), Y: (-cs, -ss)}
        (ax, ay), (bx, by) = weights[a], weights[b]
        xx, xy, yy = self.h[packed(0, 0)], self.h[packed(0, 1)], self.h[packed(1, 1)]
        mixed = ax * by + ay * bx
        return [ax * bx * xx[i] + mixed * xy[i] + ay * by * yy[i] for i in range(3)]


def factor(a, unit):
    """What a derivative in the frame is multiplied with to be one with the caller's variable `a`."""
    return unit if a in LENGTHS else DEGREE if a in ANGLES else 1.0


def place_of(pair):
    """x, y in the frame, and the strike's sine and cosine."""
    ss, cs = named(pair, "sin_strike", "cos_strike")
    return (*observer_in_frame(pair), ss, cs)


def slip_factor(pair, a):
    """What the field of a unit of `SLIPS` is multiplied with: the rake turns the whole slip."""
    (slip,) = named(pair, "slip")
    return slip if a == RAKE else 1.0


def finish_first(pair, frame):
    """Displacement (3), then its derivatives with respect to `VARIABLES` (3 x 13), from level "first"."""
    (unit,) = named(pair, "unit")
    own = Field.of_rows(frame, 8)
    place = place_of(pair)
    columns = {a: own.along(place, a) for a in GEOMETRY}
    for k, a in enumerate(SLIPS):
        columns[a] = [slip_factor(pair, a) * x for x in frame[24 + 3 * k : 27 + 3 * k]]
    return first_rows(pair, own, columns, unit)


def finish_vjp(pair, frame, weights):
    """Derivatives of a combination of displacements with `VARIABLES` (13), from the rows of level "first".

    The weights are turned to the frame, so that all else is done once and not for three components.
    """
    (unit,) = named(pair, "unit")
    x, y, ss, cs = place_of(pair)
    w = [weights[0] * ss + weights[1] * cs, weights[1] * ss - weights[0] * cs, weights[2]]
    own = Field.of_rows(frame, 8)
    slopes = [dot(p, w) for p in own.p]
    dx, dy = slopes[0], slopes[1]
    columns = {a: slopes[k] for a, k in FRAME.items()}
    columns |= {a: slip_factor(pair, a) * dot(frame[24 + 3 * k : 27 + 3 * k], w) for k, a in enumerate(SLIPS)}
    columns[X] = cs * dy - ss * dx
    columns[Y] = -(cs * dx) - ss * dy
    columns[STRIKE] = x * dy - y * dx + (own.v[1] * w[0] - own.v[0] * w[1])
    return [factor(a, unit) * columns[a] for a in range(len(VARIABLES))]


def first_rows(pair, own, columns, unit):
    """Displacement and its first derivatives, turned and scaled."""
    turned = [to_caller(pair, [factor(a, unit) * x for x in columns[a]]) for a in range(len(VARIABLES))]
    return [*to_caller(pair, own.v), *(turned[a][i] for i in range(3) for a in range(len(VARIABLES)))]


def finish_second(pair, frame):
    """What `finish_first` returns (42), second derivatives (3 x 78), those with nu and x, y, z (3 x 3)."""
    own = Field.of_rows(frame, 36)
    fields = {a: Field.of_rows(frame[108 + 24 * k : 132 + 24 * k], 8) for k, a in enumerate(SLIPS)}
    return second_rows(pair, own, fields)


def finish_parameters(pair, frame):
    """What `finish_second` returns, from the rows of level "parameters"; all with z or nu is zero."""
    of_own, of_slip = len(WITHOUT_Z), 7
    rows = [without_z(frame[of_own * i : of_own * (i + 1)], 36) for i in range(3)]
    own = Field.of_rows([x for part in rows for x in part], 36)
    nothing = Field([ZERO] * 3, [[ZERO] * 3] * 7)
    fields = {a: nothing for a in SLIPS}
    for k, a in enumerate(SLIPS[:-1]):
        start = 3 * (of_own + of_slip * k)
        rows = [without_z(frame[start + of_slip * i : start + of_slip * (i + 1)], 8) for i in range(3)]
        fields[a] = Field.of_rows([x for part in rows for x in part], 8)
    return second_rows(pair, own, fields)


def without_z(rows, count):
    """All `count` parts of a jet from those of `WITHOUT_Z`."""
    parts = [ZERO] * count
    for k, row in zip(WITHOUT_Z, rows, strict=False):
        parts[k] = row
    return parts


def second_rows(pair, own, fields):
    """What `finish_second` returns, from the field and its derivatives with respect to `SLIPS`."""
    (unit,) = named(pair, "unit")
    place = place_of(pair)
    columns = {a: own.along(place, a) for a in GEOMETRY}
    columns |= {a: [slip_factor(pair, a) * x for x in fields[a].v] for a in SLIPS}
    out = first_rows(pair, own, columns, unit)
    seconds = []
    for a in range(NU):
        for b in range(a + 1):
            column = second(pair, own, fields, place, a, b)
            scaled = [factor(a, unit) * (factor(b, unit) * x) for x in column]
            seconds.append(to_caller(pair, scaled))
    out += [column[i] for i in range(3) for column in seconds]
    mixed = [to_caller(pair, [factor(a, unit) * x for x in fields[NU].along(place, a)]) for a in OBSERVER]
    return out + [column[i] for i in range(3) for column in mixed]


def second(pair, own, fields, place, a, b):
    """Second derivative with two of the variables, a vector in the frame."""
    slips = [v for v in (a, b) if v in SLIPS]
    if not slips:
        return own.along_both(place, a, b)
    if len(slips) == 1:
        (v,) = slips
        other = b if v == a else a
        return [slip_factor(pair, v) * x for x in fields[v].along(place, other)]
    if {a, b} == {RAKE, SLIP}:
        return list(fields[RAKE].v)
    if a == b == RAKE:
        (slip,) = named(pair, "slip")
        return [-slip * x for x in fields[SLIP].v]
    return [0.0 * x for x in own.v]


# -------------------------------------------------------------- products that need no stored matrix


def jacobian_row(out, c, of_gradient):
    """Derivatives with respect to `VARIABLES` of component `c` of the displacement or of its gradient."""
    if not of_gradient:
        return out[3 + 13 * c : 16 + 13 * c]
    i, j = divmod(c, 3)
    a = OBSERVER[j]
    sign = 1.0 if a == Z else -1.0
    start = 42 + HESSIAN * i
    return [sign * out[start + packed(a, b)] for b in range(NU)] + [sign * out[42 + 3 * HESSIAN + 3 * i + j]]


def transposed_product(out, cotangent):
    """sum_c cotangent_c d(component c of the gradient)/d(variable): 13 numbers."""
    total = [0.0 * cotangent[0]] * len(VARIABLES)
    for c, weight in enumerate(cotangent):
        row = jacobian_row(out, c, True)
        total = [t + weight * x for t, x in zip(total, row, strict=True)]
    return total


def with_observer(gradient):
    """A gradient with respect to `VARIABLES`, followed by that with the observer's east, north and up."""
    return [*gradient, -gradient[X], -gradient[Y], gradient[Z]]


def product(out, tangent, count, of_gradient):
    """sum_v d(component c)/d(v) tangent_v for `count` components."""
    return [dot(jacobian_row(out, c, of_gradient), tangent) for c in range(count)]


def dot(a, b):
    """Sum of products."""
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total = total + x * y
    return total


def hessian_product(out, tangent, i):
    """Second derivatives of displacement component `i` times a tangent in the first twelve variables."""
    start = 42 + HESSIAN * i
    return [dot([out[start + packed(a, b)] for b in range(NU)], tangent[:NU]) for a in range(NU)]


def transposed_second(out, cotangent, tangent):
    """sum_ib cotangent_i d2u_i/d(a)d(b) tangent_b for twelve variables a."""
    columns = [[w * x for x in hessian_product(out, tangent, i)] for i, w in enumerate(cotangent)]
    return [columns[0][a] + columns[1][a] + columns[2][a] for a in range(NU)]


def second_product(out, tangent, other):
    """sum_ab d2u_i/d(a)d(b) tangent_a other_b."""
    return [dot(hessian_product(out, tangent, i), other[:NU]) for i in range(3)]


# ---------------------------------------------------- what a launch calls: pair, extra rows, frame rows


@scalar
def pair_value(pair, extra, frame):
    """Displacement (3)."""
    return finish_value(pair, frame)


@scalar
def pair_gradient(pair, extra, frame):
    """Displacement (3) and gradient (9)."""
    return finish_gradient(pair, frame)


@scalar
def pair_greens(pair, extra, frame):
    """Displacement for unit strike slip, dip slip, opening, inflation (4 x 3)."""
    return finish_greens(pair, frame)


@scalar
def pair_greens_gradient(pair, extra, frame):
    """Gradient for unit strike slip, dip slip, opening, inflation (4 x 9)."""
    return finish_greens_gradient(pair, frame)


@scalar
def pair_adjoint(pair, extra, frame):
    """Unit slips' displacements times a vector (4)."""
    return by_slip(finish_greens(pair, frame), extra[:3])


@scalar
def pair_adjoint_gradient(pair, extra, frame):
    """Unit slips' gradients times a matrix (4)."""
    return by_slip(finish_greens_gradient(pair, frame), extra[:9])


def by_slip(greens, weights):
    """Four sums of products."""
    count = len(weights)
    return [dot(greens[count * k : count * (k + 1)], weights) for k in range(4)]


@scalar
def pair_first(pair, extra, frame):
    """Displacement (3) and its derivatives with respect to `VARIABLES` (3 x 13)."""
    return finish_first(pair, frame)


@scalar
def pair_vjp(pair, extra, frame):
    """Derivatives of a combination of displacements, with weights `extra`: see `with_observer` (13 + 3)."""
    return with_observer(finish_vjp(pair, frame, extra[:3]))


@scalar
def pair_jvp(pair, extra, frame):
    """Derivative of the displacement along the tangent `extra` (3)."""
    return product(finish_first(pair, frame), extra[:13], 3, False)


@scalar
def pair_second(pair, extra, frame):
    """As `finish_second` (285)."""
    return finish_second(pair, frame)


@scalar
def pair_parameters(pair, extra, frame):
    """As `finish_parameters` (285)."""
    return finish_parameters(pair, frame)


@scalar
def pair_jacobian_gradient(pair, extra, frame):
    """Derivatives of the gradient with respect to `VARIABLES` (9 x 13)."""
    out = finish_second(pair, frame)
    return [x for c in range(9) for x in jacobian_row(out, c, True)]


@scalar
def pair_vjp_gradient(pair, extra, frame):
    """Derivatives of a combination of gradients: see `with_observer` (13 + 3)."""
    return with_observer(transposed_product(finish_second(pair, frame), extra[:9]))


@scalar
def pair_jvp_gradient(pair, extra, frame):
    """Derivative of the gradient along a tangent (9)."""
    return product(finish_second(pair, frame), extra[:13], 9, True)


@scalar
def pair_vjp2(pair, extra, frame):
    """Derivatives of ``cotangent . (derivative along a tangent)``: see `with_observer` (12 + 3)."""
    return with_observer(transposed_second(finish_second(pair, frame), extra[:3], extra[3:16]))


@scalar
def pair_jvp2(pair, extra, frame):
    """Second derivative of the displacement along two tangents (3)."""
    return second_product(finish_second(pair, frame), extra[:13], extra[13:26])
