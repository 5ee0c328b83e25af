"""Triangular dislocations in an elastic half-space and full space, on scalars of any number type.

The field is that of Nikkhoo & Walter (2015, Geophys. J. Int. 201, 1119-1141), but it is not put together from
angular dislocations. The triangle's surface integral of the derivatives of Mindlin's solution, in the form of
Okada (1992, Bull. Seismol. Soc. Am. 82, 1018-1040), is turned by Stokes' theorem into a solid angle and
integrals along the three sides, each of which is taken from end to end in closed form::

    4 pi u = b Omega + Lambda x b + alpha grad B                                    (full space)
           + b Omega' + Lambda' x b + (2 - alpha) grad B'                           (and half space)
           + (1 - 2 nu) sum t x (L' b_h + M' conj b_h) + z C'

with alpha = 1/(2(1 - nu)), the Burgers vector b, its horizontal part b_h as a complex number, and the sums
over the sides Lambda = sum L t, B = -sum (b . m) L. Primes mark the mirrored observer (east, north, -up). Of
a side that runs from R_A to R_B = R_A + length t, R being observer minus point of the side:

* L is the integral of 1/R, its gradient -g, m = R x t;
* M is the integral of zeta^2/R, where zeta = (R_east + i R_north)/(R + R_up) is the stereographic projection
  of R;
* C' and the gradients are elementary.

Nothing here has the poles of the angular dislocation at a vertical side. Differences between the ends of a
side are taken in closed form, so that short sides and distant observers cost no digits.
"""

from dislok.kernels.names import Number
from dislok.kernels.scalar import (
    Jet,
    Tangent,
    absolute,
    atan2,
    chain,
    log1p,
    primal,
    real,
    scalar,
    sqrt,
    where,
)

QUARTER_TURN = 0.07957747154594767  # 1/(4 pi)
SERIES = 0.02  # |q|^2 below which the arc tangent's remainder is a series
FLAT = 0.5  # sine of a side's inclination below which it may be followed upwards
# (atanh(q)/q - 1)/q^2 in powers of q^2, and its derivative; the next terms are below 1e-16
REMAINDER = tuple(1.0 / (2 * k + 3) for k in range(9))
REMAINDER_SLOPE = tuple(k / (2 * k + 3) for k in range(1, 10))
SIGNS = (1.0, 1.0, -1.0)  # of the sides 12, 23, 13 in a walk around the triangle


@scalar
def plain(x):
    """The value of a number without any derivative."""
    return primal(real(x))


@scalar
def lowered(numbers):
    """Numbers with one order of derivatives less: of jets that of the jets, else that of the tangents."""
    if not any(isinstance(x, Jet) for x in numbers):
        return [Tangent(lower(x.jet)) if isinstance(x, Tangent) and x.jet.h else primal(x) for x in numbers]
    return [lower(x) if isinstance(x, Jet) else x for x in numbers]


@scalar
def lower(x):
    """A jet of order 2 as one of order 1, a jet of order 1 as a plain number."""
    return x.v if x.h is None else Jet(x.v, x.p)


# -------------------------------------------------------------------------------- vectors, complex numbers


@scalar
def dot(a, b):
    """Scalar product of two vectors."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@scalar
def cross(a, b):
    """Vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@scalar
def combine(s, a, t, b):
    """s a + t b, of vectors a, b of any length."""
    return tuple(s * x + t * y for x, y in zip(a, b, strict=True))


@scalar
def times(a, b):
    """Product of two complex numbers (real, imaginary)."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


@scalar
def times_conjugate(a, b):
    """a times the complex conjugate of b."""
    return a[0] * b[0] + a[1] * b[1], a[1] * b[0] - a[0] * b[1]


@scalar
def over(a, b):
    """Quotient of two complex numbers."""
    inverse = 1.0 / (b[0] * b[0] + b[1] * b[1])
    quotient = times_conjugate(a, b)
    return quotient[0] * inverse, quotient[1] * inverse


# ------------------------------------------------------------------------------------ vertices and sides


class Vertex:
    """A vertex as the observer sees it: the vector R from it to the observer, its length, and the like.

    `far` is R + R_up and `zeta` the stereographic projection (R_east, R_north)/(R + R_up); only a mirrored
    observer, for whom R_up >= 0, has them.
    """

    def __init__(self, r, mirrored):
        self.r = r
        self.dist = sqrt(dot(r, r))
        self.inverse = 1.0 / self.dist
        self.unit = tuple(self.inverse * x for x in r)
        if mirrored:
            self.far = self.dist + r[2]
            inverse = 1.0 / self.far
            self.zeta = (r[0] * inverse, r[1] * inverse)


class Direction:
    """A side of the triangle, from its shallower to its deeper end: its length and the unit vector t.

    R grows along t, so that t_up >= 0.

    `sigma` is the stereographic projection of t; `sigma_up` that of -t for a side of gentle inclination,
    which is then also followed from B to A.
    """

    def __init__(self, edge):
        self.length = sqrt(dot(edge, edge))
        inverse = -1.0 / self.length
        self.t = tuple(inverse * x for x in edge)
        flat = real(self.t[2]) < FLAT
        rise = 1.0 / (1.0 + self.t[2])
        fall = -1.0 / (1.0 - where(flat, self.t[2], 0.0))
        self.flat = flat
        self.sigma = (self.t[0] * rise, self.t[1] * rise)
        self.sigma_up = (self.t[0] * fall, self.t[1] * fall)


class Side:
    """What the integrals along a side share: ends A and B, kappa = length/D with D = R_A R_B + R_A . R_B.

    m = R x t; w = R_A/|R_A| + R_B/|R_B|; g = kappa w, the integral of R/R^3; e3, the integral of 1/R^3.
    """

    def __init__(self, start, end, direction, blur):
        self.a, self.b, self.direction = start, end, direction
        length, t = direction.length, direction.t
        closer = real(start.dist) < real(end.dist)
        self.m = cross(tuple(where(closer, p, q) for p, q in zip(start.r, end.r, strict=True)), t)
        product = plain(start.dist) * plain(end.dist)
        p, q, m = ([plain(x) for x in v] for v in (start.r, end.r, self.m))
        facing, square = dot(p, q), dot(m, m)
        # no digit of a distance within the rounding of the coordinates is known: on the side, NaN
        square = where(square <= dot(blur, blur), 0.0, square)
        moment = (plain(length) * square) * plain(length)
        # R_A R_B + R_A . R_B cancels where the observer looks at the side from nearby
        ahead = facing >= 0.0
        sum_of_both = where(ahead, product + facing, moment / where(ahead, 1.0, product - facing))
        self.w = tuple(p + q for p, q in zip(start.unit, end.unit, strict=True))
        slopes = [start.dist * x for x in self.w]
        self.d = chain(sum_of_both, [end.dist * x for x in self.w] + slopes, [*start.r, *end.r])
        self.inverse_d = 1.0 / self.d
        self.kappa = length * self.inverse_d
        self.g = tuple(self.kappa * x for x in self.w)
        self.perimeter = start.dist + end.dist
        self.e3 = self.kappa * (start.inverse + end.inverse)

    def log(self):
        """Integral of 1/R."""
        a, b, direction = self.a, self.b, self.direction
        v = log1p(plain(self.kappa) * plain(self.perimeter + direction.length))
        slopes = [-(self.kappa * x) for x in (*a.unit, *b.unit)]
        stretch = self.perimeter * self.inverse_d
        return chain(v, [*slopes, stretch], [*a.r, *b.r, direction.length])


@scalar
def solid_angle(area, turn, vertices, blur):
    """Solid angle that the triangle fills, positive on the side to which its area vector points; plain.

    Van Oosterom & Strackee (1983, IEEE Trans. Biomed. Eng. 30, 125-126). In the plane inside the triangle it
    is 2 pi times `turn`.
    """
    p, q, r = (tuple(plain(x) for x in v.r) for v in vertices)
    dp, dq, dr = (plain(v.dist) for v in vertices)
    height = turn * closest_height(area, (p, q, r), (dp, dq, dr))
    height = where(absolute(height) <= 2.0 * dot([absolute(n) for n in area], blur), 0.0, height)
    below = dp * dq * dr + dot(p, q) * dr + dot(q, r) * dp + dot(p, r) * dq
    return 2.0 * turn * atan2(height, below)


@scalar
def with_angle_slopes(angle, signs, sides):
    """The solid angle with its derivatives, which are a sum over the sides: - kappa m/R with either end."""
    slopes, variables = [], []
    for sign, side in zip(signs, sides, strict=True):
        for end in (side.a, side.b):
            slopes += [-sign * (side.kappa * end.inverse * x) for x in side.m]
            variables += list(end.r)
    return chain(angle, slopes, variables)


@scalar
def closest_height(area, places, dists):
    """Twice the area times the height above the triangle's plane, by way of the closest vertex."""
    p, q, r = places
    first = dists[0] < dists[1]
    closest = [where(first, x, y) for x, y in zip(p, q, strict=True)]
    third = dists[2] < where(first, dists[0], dists[1])
    closest = [where(third, x, y) for x, y in zip(r, closest, strict=True)]
    return 2.0 * dot(area, closest)


# ------------------------------------------------------------------- the integral of zeta^2/R along a side


@scalar
def stereographic(side, log):
    """M, the integral of zeta^2/R along a side seen by a mirrored observer: a complex number.

    A gentle side is followed in the direction in which the observer lies.
    """
    a, b, direction = side.a, side.b, side.direction
    advance = dot(direction.t, [p + q for p, q in zip(a.r, b.r, strict=True)])
    back = direction.flat & (plain(advance) < 0.0)
    way = where(back, -1.0, 1.0 + 0.0 * plain(advance))
    s = [where(back, up, down) for up, down in zip(direction.sigma_up, direction.sigma, strict=True)]
    # zeta_B - zeta_A with the length taken out
    growth = direction.t[2] + advance / side.perimeter
    step = way * direction.length / b.far
    delta = [step * (x - y * growth) for x, y in zip(direction.t[:2], a.zeta, strict=True)]
    f = logarithm_of_projection(side, plain(log), plain(growth), way, [plain(x) for x in s])
    middle = [0.5 * (x + y) for x, y in zip(a.zeta, b.zeta, strict=True)]
    variables = [*s, *delta, *middle, log]
    v = Projection([plain(x) for x in variables], f).value()
    if not any(isinstance(x, Jet | Tangent) for x in variables):
        return v
    slopes = Projection(lowered(variables), f).slopes()
    return tuple(chain(x, slope, variables) for x, slope in zip(v, slopes, strict=True))


class Projection:
    """The integral of zeta^2/R from projections: s of the side's direction, zeta of the ends.

    The ends enter by delta = zeta_B - zeta_A and their mean, `middle`; A and B change places on the way back.
    With f = ln((1 + conj(s) zeta_B)/(1 + conj(s) zeta_A))::

        M = s^2 (L - f) + (f - conj(s) delta)/conj(s)^2 - s delta

    f = 2 atanh(conj(s) d/2) with d = delta/(1 + conj(s) middle); what is left of it after its first term, r,
    is had without cancellation.
    """

    def __init__(self, variables, f):
        self.s, self.delta, self.middle = (variables[k : k + 2] for k in (0, 2, 4))
        self.log = variables[6]
        facing = times_conjugate(self.middle, self.s)
        self.base = (1.0 + facing[0], facing[1])
        self.d = over(self.delta, self.base)
        self.q = times_conjugate(self.d, self.s)
        self.r = remainder(self.d, self.s, f)
        self.third = times_conjugate(self.r, self.s)
        rest = times_conjugate(times_conjugate(self.third, self.s), self.s)
        f = combine(1.0, self.q, 0.25, rest)
        self.without = (self.log - f[0], -f[1])

    def value(self):
        """M."""
        small = combine(0.25, self.third, -1.0, times(self.middle, self.d))
        m = combine(1.0, times(times(self.s, self.s), self.without), 1.0, small)
        return combine(1.0, m, -1.0, times(self.s, self.delta))

    def slopes(self):
        """Derivatives of M's real part and of its imaginary part with s, delta, the middle and L."""
        square = times(self.s, self.s)
        size = self.s[0] * self.s[0] + self.s[1] * self.s[1]
        z = times(self.q, self.q)
        # (1 + conj(s) zeta_A) (1 + conj(s) zeta_B) = base ends
        ends = times(self.base, (1.0 - 0.25 * z[0], -0.25 * z[1]))
        share = over(self.d, ends)
        product = combine(1.0, times(self.middle, self.middle), -0.25, times(self.delta, self.delta))
        mean = combine(1.0 + size, self.middle, 1.0, times_conjugate(product, self.s))
        mean = over(combine(1.0, self.s, 1.0, mean), times(self.base, ends))
        by_delta = [-(1.0 + size) * x for x in mean]
        by_middle = [(size * size - 1.0) * x for x in share]
        by_s = combine(2.0, times(self.s, self.without), -1.0, self.delta)
        conjugate = self.by_conjugate(square, share)
        both, odd = combine(1.0, by_s, 1.0, conjugate), combine(1.0, by_s, -1.0, conjugate)
        return (
            (both[0], -odd[1], by_delta[0], -by_delta[1], by_middle[0], -by_middle[1], square[0]),
            (both[1], odd[0], by_delta[1], by_delta[0], by_middle[1], by_middle[0], square[1]),
        )

    def by_conjugate(self, square, share):
        """Derivative with conj(s); `share` is delta/((1 + conj(s) zeta_A) (1 + conj(s) zeta_B))."""
        cubic = combine(0.25, times(times(self.d, self.d), share), -0.5, self.r)
        lever = over(times(self.middle, self.middle), self.base)
        return combine(1.0, combine(1.0, times(lever, self.d), 1.0, cubic), -1.0, times(square, share))


@scalar
def logarithm_of_projection(side, log, growth, way, s):
    """f = ln((1 + conj(s) zeta_B)/(1 + conj(s) zeta_A)) of plain numbers, along the way that is followed.

    `growth` is the growth of R + R_up over the length of the side.
    """
    a, b = side.a, side.b
    length, rise = plain(side.direction.length), plain(side.direction.t[2])
    far_a, far_b = plain(a.far), plain(b.far)
    za, zb = ([plain(x) for x in end.r[:2]] for end in (a, b))
    across = s[0] * za[1] - s[1] * za[0]
    pa, pb = times_conjugate(za, s), times_conjugate(zb, s)
    p = times_conjugate((far_b + pb[0], pb[1]), (far_a + pa[0], pa[1]))
    turn = atan2(across * length * (1.0 + way * (growth - rise)), p[0])
    return 0.5 * (log - way * log1p(length * growth / far_a)), -turn


@scalar
def remainder(d, s, f):
    """r = 4 (f - conj(s) d)/conj(s)^3 = d^3 (1/3 + z/5 + z^2/7 ...), z = (conj(s) d/2)^2."""
    plain_d, plain_s = [plain(x) for x in d], [plain(x) for x in s]
    q = times_conjugate(plain_d, plain_s)
    z = [0.25 * x for x in times(q, q)]
    small = z[0] * z[0] + z[1] * z[1] < SERIES * SERIES
    series = times(times(plain_d, times(plain_d, plain_d)), real_polynomial(z, REMAINDER))
    inverse = conjugate_inverse(plain_s, small)
    rest = (4.0 * (f[0] - q[0]), 4.0 * (f[1] - q[1]))
    direct = times(times(inverse, times(inverse, inverse)), rest)
    v = [where(small, x, y) for x, y in zip(series, direct, strict=True)]
    return remainder_slopes(v, d, s, small)


@scalar
def conjugate_inverse(s, unused):
    """1/conj(s); some number where it is `unused`, because s may be zero there."""
    inverse = 1.0 / where(unused, 1.0, s[0] * s[0] + s[1] * s[1])
    return inverse * s[0], inverse * s[1]


@scalar
def remainder_slopes(v, d, s, small):
    """The remainder `v` with its slopes: d^2/(1 - z) with d, (d^3/(1 - z) - 3 r)/conj(s) with conj(s)."""
    if not any(isinstance(x, Jet | Tangent) for x in (*d, *s)):
        return v
    low = lowered([*d, *s])
    low_d, low_s = low[:2], low[2:]
    r = remainder_slopes(v, low_d, low_s, small)
    square = times(low_d, low_d)
    q = times_conjugate(low_d, low_s)
    z = [0.25 * x for x in times(q, q)]
    by_d = over(square, (1.0 - z[0], -z[1]))
    cube = times(low_d, by_d)
    gap = [x - 3.0 * y for x, y in zip(cube, r, strict=True)]
    direct = times(conjugate_inverse(low_s, small), gap)
    fifth = times(times(square, times(low_d, square)), real_polynomial(z, REMAINDER_SLOPE))
    series = times_conjugate(fifth, (0.5 * low_s[0], 0.5 * low_s[1]))
    by_s = [where(small, x, y) for x, y in zip(series, direct, strict=True)]
    # a function of d and conj(s): its derivative with i d and with -i conj(s) is i times that
    real_part = [by_d[0], -by_d[1], by_s[0], by_s[1]]
    imaginary = [by_d[1], by_d[0], by_s[1], -by_s[0]]
    variables = (*d, *s)
    return chain(v[0], real_part, variables), chain(v[1], imaginary, variables)


@scalar
def real_polynomial(z, coefficients):
    """A polynomial with real coefficients, lowest power first, at a complex number."""
    twice, square = 2.0 * z[0], z[0] * z[0] + z[1] * z[1]
    upper, top = 0.0 * z[0], coefficients[-1] + 0.0 * z[0]
    for c in reversed(coefficients[1:-1]):
        upper, top = top, c + twice * top - square * upper
    return coefficients[0] + z[0] * top - square * upper, z[1] * top


# ------------------------------------------------------------------------------------------ the field


@scalar
def line_integrals(signs, sides, logs, b):
    """Lambda x b and grad B of sides."""
    spin = gradient = (0.0, 0.0, 0.0)
    for sign, side, log in zip(signs, sides, logs, strict=True):
        spin = combine(1.0, spin, sign * log, cross(side.direction.t, b))
        gradient = combine(1.0, gradient, sign * dot(b, side.m), side.g)
    return spin, combine(1.0, gradient, -1.0, spin)


@scalar
def surface_layer(signs, sides, logs, projections, b):
    """Sum over the sides of t x (L b_h + M conj b_h)."""
    total = (0.0, 0.0, 0.0)
    for sign, side, log, m in zip(signs, sides, logs, projections, strict=True):
        k = combine(log, b[:2], 1.0, times_conjugate(m, b[:2]))
        t = side.direction.t
        term = (-(t[2] * k[1]), t[2] * k[0], t[0] * k[1] - t[1] * k[0])
        total = combine(1.0, total, sign, term)
    return total


@scalar
def image_slopes(side):
    """Derivatives of g and e3 of a side: (dg/d(up), de3/dx)."""
    a, b = side.a, side.b
    stretch = side.perimeter * side.inverse_d
    pa, pb = side.kappa * a.inverse, side.kappa * b.inverse
    g3, e3 = [], []
    for i in range(3):
        bend = -(stretch * side.w[i])
        g = bend * side.g[2] - pa * a.unit[i] * a.unit[2] - pb * b.unit[i] * b.unit[2]
        g3.append(g + side.e3 if i == 2 else g)
        e3.append(bend * side.e3 - pa * a.inverse * a.unit[i] - pb * b.inverse * b.unit[i])
    return g3, e3


@scalar
def part_c(signs, sides, b, z, alpha):
    """C' of the displacement, to be multiplied with the observer's height z."""
    total = (0.0, 0.0, 0.0)
    for sign, side in zip(signs, sides, strict=True):
        g3, e3 = image_slopes(side)
        turn = cross(side.direction.t, b)
        moment = dot(b, side.m)
        az = alpha * z
        of_g = (alpha - 1.0) * turn[2]
        of_turn = alpha * side.g[2] + az * side.e3
        lift = b[2] * side.e3
        term = [
            of_g * side.g[i] - lift * side.m[i] + of_turn * turn[i] + moment * (alpha * g3[i] + az * e3[i])
            for i in range(3)
        ]
        term[2] = term[2] + 2.0 * (1.0 - alpha) * moment * side.e3
        total = combine(1.0, total, sign, term)
    return [-2.0 * total[0], -2.0 * total[1], 2.0 * total[2]]


class Geometry:
    """The integrals of a triangle that do not depend on its slip, for an observer.

    Parameters
    ----------
    places, mirrored : sequence of 3 vectors, or None
        Observer minus vertex, vertices from the shallowest to the deepest; the same of the mirrored observer,
        None in full space. At the surface the two are one, and `places` is None.
    edges : sequence of 3 vectors
        The sides 12, 23, 13, end minus start.
    area : vector
        Area vector (P2 - P1) x (P3 - P1)/2; its derivatives are not used.
    turn : number
        1 where observers in the plane count as on the side to which the area vector points, else -1.
    z, nu : number
        Height of the observer (negative), Poisson's ratio.
    blur : vector
        Rounding of the coordinates: so close to the plane, an observer counts as in it; to a side, as on it.
    """

    def __init__(self, places, mirrored, edges, area, turn, z, nu, blur):
        directions = [Direction(edge) for edge in edges]
        self.z, self.nu = z, nu
        around = directions, area, turn, blur
        self.real: Number = None if places is None else Sides(*walk(places, *around, False))
        self.image: Number = None if mirrored is None else Image(*walk(mirrored, *around, True))

    def displacement(self, b):
        """Displacement for the Burgers vector `b`."""
        alpha = 0.5 / (1.0 - self.nu)
        if self.image is None:
            parts = [self.real.burgers(b, alpha)]
        elif self.real is None:
            parts = [self.image.at_surface(b, self.nu)]
        else:
            parts = [self.real.burgers(b, alpha), self.image.free_surface(b, self.z, self.nu)]
        return [QUARTER_TURN * sum(xs[1:], xs[0]) for xs in zip(*parts, strict=True)]


def walk(places, directions, area, turn, blur, mirrored):
    """The sides 12, 23, 13 of a triangle, their signs in a walk around it, and its solid angle."""
    v1, v2, v3 = vertices = [Vertex(r, mirrored) for r in places]
    ends = zip((v1, v2, v1), (v2, v3, v3), directions, strict=True)
    sides = [Side(start, end, direction, blur) for start, end, direction in ends]
    return sides, SIGNS, solid_angle(area, turn, vertices, blur)


class Sides:
    """Sides of a triangle, their signs, their logarithms; the solid angle with their share of its slopes."""

    def __init__(self, each, signs, angle):
        self.each, self.signs = each, signs
        self.logs = [side.log() for side in each]
        self.omega = with_angle_slopes(angle, signs, each)

    def burgers(self, b, alpha):
        """b Omega + Lambda x b + alpha grad B: the field in full space, times 4 pi."""
        spin, gradient = line_integrals(self.signs, self.each, self.logs, b)
        return [self.omega * x + y + alpha * w for x, y, w in zip(b, spin, gradient, strict=True)]


class Image(Sides):
    """Sides as a mirrored observer sees them."""

    def __init__(self, each, signs, angle):
        super().__init__(each, signs, angle)
        self.projections = [stereographic(side, log) for side, log in zip(each, self.logs, strict=True)]

    def layer(self, b, nu):
        """The part of the field with M, times 4 pi."""
        layer = surface_layer(self.signs, self.each, self.logs, self.projections, b)
        return [(1.0 - 2.0 * nu) * x for x in layer]

    def free_surface(self, b, z, nu):
        """What the free surface adds to the field, times 4 pi."""
        alpha = 0.5 / (1.0 - nu)
        u = combine(1.0, self.burgers(b, 2.0 - alpha), 1.0, self.layer(b, nu))
        return combine(1.0, u, z, part_c(self.signs, self.each, b, z, alpha))

    def at_surface(self, b, nu):
        """The whole field, times 4 pi, of an observer at the surface: real and mirrored place are one."""
        return combine(2.0, self.burgers(b, 1.0), 1.0, self.layer(b, nu))
