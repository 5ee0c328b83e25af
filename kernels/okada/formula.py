"""Okada's dislocations in an elastic half-space, on scalars of any number type.

Point source and rectangle of Okada (1992, Bull. Seismol. Soc. Am. 82, 1018-1040), written so that
nothing cancels and nothing is singular where the field is smooth. Symbols are the paper's: the
source's frame has x along strike, y horizontal and up dip, z up; `c` is the depth of the reference
point, `d = c - z` for the image and `d = c + z` for the real source, `p, q` the components of (y, d)
along and across the fault plane, `xi = x - al`, `eta = p - aw` at the corners, `al` and `aw` the
offsets of the edges along strike and up dip. `yt, dt, ct` stand for y~, d~, c~.

Differences from the published forms, all exact:

* ``R + xi`` and ``R + eta`` of negative arguments are quotients, and where both corners lie on the
  negative side the primitives are reflected, f(xi) -> -f(-xi): the two differ by a constant that the
  difference over the corners removes. This removes the loss along the extensions of the edges.
* I3, I4, J and K have one form for every dip (no 1/cos dip), with two ways to evaluate I3 and I4.
* Sums of logarithms are the logarithm of one ratio; differences of arc tangents one `atan2`.
Tables 2 to 6 are here; derivatives follow from the number type alone. Tables 7 to 9, closed forms of the
derivatives, are in `edges`.
"""

from typing import NamedTuple

from dislok.kernels.names import Number
from dislok.kernels.scalar import (
    absolute,
    add,
    atan,
    chain,
    first,
    log,
    polynomial,
    real,
    scalar,
    sqrt,
    where,
)

TURN = 0.15915494309189535  # 1/(2 pi)
STEEP = 0.35  # |cos dip| below which I3 and I4 are evaluated by their series

# sum z^k/(2k+3), for (x - log1p x)/x^2 with z = (x/(2+x))^2 <= 0.056; error 3e-18
LOG_SERIES = (
    0.3333333333333333,
    0.1999999999999928,
    0.14285714286056456,
    0.11111111048572091,
    0.09090914805829899,
    0.07692015151049456,
    0.06675422398917658,
    0.05731000530202409,
    0.06642479418462775,
)
# sum (-z)^k/(2k+3), for (x - atan x)/x^3 with z = x^2 <= 0.06; error 3e-18
ATAN_SERIES = (
    0.3333333333333333,
    -0.19999999999999224,
    0.1428571428536844,
    -0.11111111051738697,
    0.09090903974749776,
    -0.0769205930103464,
    0.0665954693507444,
    -0.05762236414913131,
    0.0414362927548675,
)


class Elastic(NamedTuple):
    """Coefficients that depend on Poisson's ratio alone, with alpha = 1/(2(1 - nu))."""

    k: Number  # 1, a number so that its derivative can be taken
    a1: Number  # (1 - alpha)/2
    a2: Number  # alpha/2
    b: Number  # (1 - alpha)/alpha
    c4: Number  # 1 - alpha
    c5: Number  # alpha


class Corner(NamedTuple):
    """Primitives of one corner; X and Y may be reflected (see `corner`)."""

    dist: Number  # R
    ix: Number  # 1/(R + xi)
    iy: Number  # 1/(R + eta)
    r: Number  # 1/R
    r3: Number  # 1/R^3
    x11: Number
    y11: Number
    x32: Number
    y32: Number


class ImageTerms(NamedTuple):
    """Terms of one corner with Rd = R + d~, and the pieces of I3 and I4.

    I3 = a3 - ln(Rd)/(1 + sin(dip)) + f3 (steep) or the published form in t3 (gentle); I4 = r4 (steep) or from
    atan(cos(dip) v4) (gentle).
    """

    ie: Number  # 1/(R + eta)
    ide: Number  # 1/Rd
    xd: Number  # xi/Rd
    yd: Number  # y~/Rd
    a3: Number
    t3: Number
    f3: Number
    v4: Number
    r4: Number


class PartA(NamedTuple):
    """Elementary terms, of one corner or summed over the corners, and q."""

    theta: Number
    xy: Number  # xi Y11
    ex: Number  # eta X11
    r: Number  # 1/R
    y11: Number
    x11: Number
    le: Number  # ln(R + eta)
    lx: Number  # ln(R + xi)
    q: Number


class PartB(NamedTuple):
    """Terms of part B with Rd = R + d~."""

    xd: Number  # xi/Rd
    yd: Number  # y~/Rd
    ld: Number  # ln(Rd)
    i3: Number
    i4: Number


class PartC(NamedTuple):
    """Terms of part C; x and e stand for factors xi and eta, a final c for the factor c~."""

    r3: Number
    xr3: Number
    xxr3: Number
    y32: Number
    xy32: Number
    xxy32: Number
    er3c: Number
    r3c: Number
    x11c: Number
    x32c: Number
    ex32c: Number


@scalar
def elastic(nu):
    """`Elastic` of Poisson's ratio."""
    alpha = 0.5 / (1.0 - nu)
    rest = (0.5 - nu) / (1.0 - nu)
    return Elastic(nu * 0.0 + 1.0, 0.5 * rest, 0.5 * alpha, 1.0 - 2.0 * nu, rest, alpha)


@scalar
def elastic_derivative(nu):
    """Derivatives of `elastic` with respect to Poisson's ratio."""
    a = 0.5 / ((1.0 - nu) * (1.0 - nu))
    return Elastic(nu * 0.0, -0.5 * a, 0.5 * a, nu * 0.0 - 2.0, -a, a)


# ------------------------------------------------------------------------------------ slip, from primitives


@scalar
def slip_a(part_a, slip, h, a2):
    """Part A of Table 6 without its logarithms, for slip (U1, U2, U3), in the fault's axes.

    With (h, a2) = (1/2, alpha/2) it is the paper's u_A; the elementary terms of u_B have the same shape
    with (-1, -1), so that sums of the two come from adding the coefficients.
    """
    f = PartA(*part_a)
    u1, u2, u3 = slip
    q, xy, ex, r, y11, x11 = f.q, f.xy, f.ex, f.r, f.y11, f.x11
    aq = a2 * q
    v1 = (h * u1) * f.theta + aq * (u1 * xy + u2 * r - u3 * (q * y11))
    v2 = (h * u2) * f.theta + aq * (u1 * r + u2 * ex - u3 * (q * x11))
    v3 = (h * u3) * f.theta - aq * (q * (u1 * y11 + u2 * x11) + u3 * (ex + xy))
    return v1, v2, v3


@scalar
def slip_a_log(part_a, slip, a1):
    """The logarithms of part A: le = ln(R + eta), lx = ln(R + xi)."""
    f = PartA(*part_a)
    u1, u2, u3 = slip
    t3 = a1 * u3
    return -t3 * f.le, -t3 * f.lx, (a1 * u1) * f.le + (a1 * u2) * f.lx


@scalar
def slip_b(part_b, sd, cd, slip, b):
    """The terms of u_B (Table 6) with R + d~."""
    xd, yd, ld, i3, i4 = PartB(*part_b)
    u1, u2, u3 = slip
    g = b * sd
    g1 = g * u1
    g2 = g * (cd * u2 - sd * u3)
    v1 = (g1 * cd) * xd + (g1 * sd) * i4 + g2 * i3
    v2 = g1 * yd - g2 * xd
    v3 = g2 * i4 - g1 * ld - (g1 * sd) * i3
    return v1, v2, v3


@scalar
def slip_c(part_a, part_c, z, sd, cd, slip, k, c4, c5):
    """Part C of Table 6 for slip (U1, U2, U3); z32 is Z32."""
    f, g = PartA(*part_a), PartC(*part_c)
    u1, u2, u3 = slip
    q, xy, ex, r, y11, x11 = f.q, f.xy, f.ex, f.r, f.y11, f.x11
    h = q * cd - z
    xz = sd * g.xr3 - h * g.xy32
    xxz = sd * g.xxr3 - h * g.xxy32
    z32 = sd * g.r3 - h * g.y32
    yx = cd * ex + (q * sd) * x11
    dx = g.x11c - z * x11
    qx32c = g.x11c - (q * q) * g.x32c
    qy = q * y11
    v1 = (
        c4 * (u1 * (cd * xy) + u2 * (cd * r) - u3 * (sd * r + cd * qy))
        - c5 * (q * (u1 * xz + u2 * g.r3c) + u3 * (z * y11 - (q * q) * z32))
        - (k * u2) * (sd * qy)
    )
    v2 = (
        c4 * (u1 * (cd * r + 2.0 * (sd * qy)) + u2 * yx + (2.0 * u3) * (sd * xy))
        - c5 * (q * (u1 * g.r3c + u2 * g.ex32c) + u3 * qx32c)
        + (k * u3) * dx
    )
    v3 = (
        c4 * (u1 * (cd * qy) + u3 * (yx + cd * xy))
        - c5 * (u1 * (g.er3c - z * y11 + xxz) + u2 * qx32c - u3 * (q * (g.ex32c + xz)))
        - (k * u2) * (dx + sd * xy)
    )
    return v1, v2, v3


@scalar
def turn(v, sd, cd):
    """Rotate from the fault's axes to (x, y, z)."""
    v1, v2, v3 = v
    return v1, cd * v2 - sd * v3, sd * v2 + cd * v3


def depth_part(part_a, part_c, z, sd, cd, slip, m):
    """2 pi times the displacement (x, y, z) that is part C of the image."""
    m = Elastic(*m)
    v1, v2, v3 = slip_c(part_a, part_c, z, sd, cd, slip, m.k, m.c4, m.c5)
    return z * v1, z * (cd * v2 - sd * v3), -z * (sd * v2 + cd * v3)


@scalar
def real_slip(real_a, sd, cd, slip, m):
    """2 pi times the displacement (x, y, z) of the real source for slip (U1, U2, U3)."""
    m = Elastic(*m)
    v = add(slip_a(real_a, slip, -0.5 * m.k, -m.a2), slip_a_log(real_a, slip, -m.a1))
    return turn(v, sd, cd)


@scalar
def image_slip(image, sd, cd, z, slip, m):
    """2 pi times the displacement (x, y, z) of the image, parts A, B and C."""
    part_a, part_b, part_c = image
    m = Elastic(*m)
    # with the elementary terms of part B
    v = add(slip_a(part_a, slip, -0.5 * m.k, m.a2 - m.k), slip_a_log(part_a, slip, m.a1))
    v = add(v, slip_b(part_b, sd, cd, slip, m.b))
    return add(turn(v, sd, cd), depth_part(part_a, part_c, z, sd, cd, slip, m))


@scalar
def surface_slip(part_a, part_b, sd, cd, slip, m):
    """2 pi times the displacement (x, y, z) at the surface from `surface_fields`."""
    m = Elastic(*m)
    v = add(slip_a(part_a, slip, -m.k, -m.k), slip_b(part_b, sd, cd, slip, m.b))
    return turn(v, sd, cd)


@scalar
def surface_z(u, m):
    """du/dz at the traction-free surface from the horizontal derivatives (partials 0 and 1)."""
    b = Elastic(*m).b
    ux, uy, uz = u
    # nu/(1 - nu) with b = 1 - 2 nu
    return -first(uz, 0), -first(uz, 1), -(1.0 - b) / (1.0 + b) * (first(ux, 0) + first(uy, 1))


# ----------------------------------------------------------------------------------------------- primitives


@scalar
def fraction(a, regular, rho2, dist):
    """Numerator and denominator of 1/(R + a), or of the reflected 1/(R - a), without cancellation.

    rho2 = R^2 - a^2; `regular` says that the sum of R and (reflected) a is one of positive numbers.
    """
    big = dist + where(a >= 0.0, a, -a)
    return where(regular, 1.0, big), where(regular, big, rho2)


@scalar
def inverses(a, b, c):
    """1/a, 1/b, 1/c with one division."""
    ab = a * b
    inverse = 1.0 / (ab * c)
    of_ab = inverse * c
    return of_ab * b, of_ab * a, inverse * ab


@scalar
def corner(xi, eta, q, sx, sy):
    """`Corner` of xi, eta, q; X and Y are reflected where sx or sy is -1: f(xi) stands for -f(-xi)."""
    xi2 = xi * xi
    eta2 = eta * eta
    q2 = q * q
    dist = sqrt(xi2 + eta2 + q2)
    nx, dx = fraction(xi, (xi >= 0.0) ^ (sx < 0.0), eta2 + q2, dist)
    ny, dy = fraction(eta, (eta >= 0.0) ^ (sy < 0.0), xi2 + q2, dist)
    r, ix, iy = inverses(dist, dx, dy)
    ix = nx * ix
    iy = ny * iy
    rx = r * ix
    ry = r * iy
    x11 = sx * rx
    y11 = sy * ry
    r2 = r * r
    # X32 = (2R + xi)/(R^3 (R + xi)^2) = X11 (1/R^2 + 1/(R (R + xi)))
    return Corner(dist, ix, iy, r, r * r2, x11, y11, x11 * (r2 + rx), y11 * (r2 + ry))


@scalar
def image_terms(xi, eta, q, yt, dt, sd, cd, dist):
    """`ImageTerms` of one corner."""
    inverse_s = 1.0 / (1.0 + sd)
    c1 = cd * inverse_s
    rd = dist + dt
    ne, de = fraction(eta, eta >= 0.0, xi * xi + q * q, dist)
    t = q + eta * c1
    ct = cd * t
    # v4 = xi/(R + eta + d~ + s R), w = c t3/(2 + c t3)
    wide = de + ne * (dt + sd * dist)
    ie, ide, _ = inverses(de, rd, 1.0)
    iv, iw, _ = inverses(wide, 2.0 * rd + ct, 1.0)
    v4 = xi * ne * iv
    w = ct * iw
    t3 = t * ide
    # (x - log1p x)/x^2 for x = c t3
    phi = 0.5 * (1.0 - w) * (1.0 - w * (1.0 - w) * polynomial(w * w, LOG_SERIES))
    x = cd * v4
    r4 = v4 * (
        (q * (2.0 - sd) - c1 * (dist * (2.0 + sd) + sd * eta)) * ide
        + 2.0 * cd * (v4 * v4) * polynomial(x * x, ATAN_SERIES)
    )
    return ImageTerms(ne * ie, ide, xi * ide, yt * ide, dt * ide * inverse_s, t3, t3 * t3 * phi, v4, r4)


@scalar
def integral_i3(a3, ld, t3, f3, le, sd, cd):
    """I3 from sums over the corners (Table 6, without its 1/cos(dip) at steep dip)."""
    steep = absolute(cd) < STEEP
    safe = where(steep, 1.0, cd)
    gentle = (safe * t3 - le + ld) / (safe * safe)
    return a3 - ld / (1.0 + sd) + where(steep, f3, gentle)


@scalar
def integral_i4(r4, xd, angle, sd, cd):
    """I4 from sums over the corners; `angle` is the sum of atan(cos(dip) v4)."""
    steep = absolute(cd) < STEEP
    safe = where(steep, 1.0, cd)
    return where(steep, r4, (sd * xd - 2.0 * angle / safe) / safe)


# -------------------------------------------------------------------------------- one corner of a rectangle


@scalar
def plane(x, y, d, depth, sd, cd, edges, eps):
    """p, q, rounding noise of eta, whether the observer is on the plane, and the regular sides (sx, sy).

    Of plain numbers. A q that differs from zero by rounding only is zero.
    """
    al1, al2, aw1, aw2 = edges
    p = y * cd + d * sd
    q = y * sd - d * cd
    flat = absolute(q) <= eps * (absolute(y * sd) + depth * absolute(cd))
    noise = eps * (absolute(y * cd) + depth * sd)
    one = 0.0 * x + 1.0
    sx, sy = side((x - al1) + (x - al2), one), side((p - aw1) + (p - aw2), one)
    return p, where(flat, 0.0, q), noise, flat, sx, sy


@scalar
def side(offset, one):
    """+1 or -1, the side on which the primitives are regular."""
    return where(offset < 0.0, -one, one)


@scalar
def snapped(v, noise):
    """Zero for what differs from zero by rounding only, so that edges are singular for every rounding."""
    return where(absolute(v) <= noise, 0.0, v)


@scalar
def corner_a(xi, eta, q, flat, sx, sy):
    """Elementary terms of one corner, and what the other parts need of it."""
    k = corner(xi, eta, q, sx, sy)
    xy = xi * k.y11
    ex = eta * k.x11
    angle = where(flat, 0.0, atan(real(xi) * real(eta) / (real(q) * real(k.dist))))
    theta = chain(angle, (-q * k.y11, -q * k.x11, xy + ex), (xi, eta, q))
    return PartA(theta, xy, ex, k.r, k.y11, k.x11, -sy * log(k.iy), -sx * log(k.ix), q), k


@scalar
def corner_b(xi, eta, q, yt, dt, sd, cd, le, dist):
    """Terms of part B with R + d~ of one corner."""
    f = image_terms(xi, eta, q, yt, dt, sd, cd, dist)
    ld = -log(f.ide)
    i3 = integral_i3(f.a3, ld, f.t3, f.f3, le, sd, cd)
    return PartB(f.xd, f.yd, ld, i3, integral_i4(f.r4, f.xd, atan(cd * f.v4), sd, cd))


@scalar
def corner_c(xi, eta, ct, k):
    """Terms of part C of one corner."""
    xr3 = xi * k.r3
    xy32 = xi * k.y32
    cr3 = ct * k.r3
    cx32 = ct * k.x32
    return PartC(k.r3, xr3, xi * xr3, k.y32, xy32, xi * xy32, eta * cr3, cr3, ct * k.x11, cx32, eta * cx32)


@scalar
def real_corner(xi, eta, q, flat, sx, sy):
    """Part A of one corner of the real source."""
    return corner_a(xi, eta, q, flat, sx, sy)[0]


@scalar
def image_corner(xi, eta, q, yt, dt, ct, sd, cd, flat, sx, sy):
    """Parts A, B and C of one corner of the image."""
    part_a, k = corner_a(xi, eta, q, flat, sx, sy)
    return part_a, corner_b(xi, eta, q, yt, dt, sd, cd, part_a.le, k.dist), corner_c(xi, eta, ct, k)


# --------------------------------------------------------------------------------------------- point source


@scalar
def point_a(x, y, d, p, q, sd, cd, r3, r5, p1, p2, p3, p4, a1, a2):
    """Table 2 of Okada (1992), part A, for the four potencies."""
    s = p * sd + q * cd
    t = p * cd - q * sd
    # the double-couple and tensile terms 3 (..) q/R^5 share their direction (x, y, d)
    g = (3.0 * a2) * r5 * q * (p1 * x + p2 * p - p3 * q)
    b = a1 * r3
    return (
        g * x + b * (p1 * q + (p3 - p4) * x),
        g * y + b * (p1 * (x * sd) + p2 * s + p3 * t - p4 * y),
        g * d + b * (p3 * s - p1 * (x * cd) - p2 * t - p4 * d),
    )


@scalar
def point_b(x, y, d, c, p, q, sd, cd, dist, r, r3, r5, p1, p2, p3, p4, k, b):
    """Table 3, part B; its terms with q/R^5 are those of part A with alpha/2 = -1 and c for d."""
    rd = 1.0 / (dist + d)
    rd2 = rd * rd
    g3 = r3 * (3.0 * dist + d) * (rd2 * rd)
    g2 = r3 * (2.0 * dist + d) * rd2
    i1 = y * (r * rd2 - x * x * g3)
    i2 = x * (r * rd2 - y * y * g3)
    i3 = x * r3 - i2
    i4 = -x * y * g2
    i5 = r * rd - x * x * g2
    g = (-3.0 * k) * r5 * q * (p1 * x + p2 * p - p3 * q)
    bs = b * sd
    bp = b * p4 * r3
    v = p2 * cd - p3 * sd
    return (
        g * x + bs * (v * i3 - p1 * i1) + bp * x,
        g * y + bs * (v * i1 - p1 * i2) + bp * y,
        g * c + bs * (v * i5 - p1 * i4) + bp * d,
    )


@scalar
def point_c(x, y, d, c, z, p, q, sd, cd, r2, r3, r5, p1, p2, p3, p4, c4, c5):
    """Table 4, part C, to be multiplied by z; r2 = 1/R^2."""
    s = p * sd + q * cd
    t = p * cd - q * sd
    a3 = 1.0 - 3.0 * (x * x) * r2
    # common factor of the terms 15 c (..) q/R^7, which share their direction (-x, -y, d)
    g = (5.0 * r2) * q * (p1 * x + p2 * p - p3 * q)
    f4 = c4 * r3
    f5 = (3.0 * c5) * r5
    e = 3.0 * r2
    shear = p2 * t - p3 * s + p4 * d
    return (
        f4 * (e * x * shear - p1 * (a3 * cd)) + f5 * (c * (p1 * q - g * x) - (p3 * z) * x),
        f4 * (e * y * (p1 * (x * cd) + shear) - p2 * (cd * cd - sd * sd) + p3 * (2.0 * sd * cd))
        + f5 * (c * (p1 * (x * sd) + p2 * s + p3 * (t - y) - g * y) - (p3 * z) * y),
        f4
        * (p4 * (1.0 - e * d * d) - p1 * (e * x * y * sd) - p2 * (a3 * sd * cd) - p3 * (1.0 - a3 * (sd * sd)))
        + f5 * (c * (p1 * (x * cd) + p2 * t - p3 * (s - d) + g * d) + (p3 * z) * d),
    )


@scalar
def point(x, y, z, c, sd, cd, potency, m):
    """Displacement (x, y, z) of a point source at depth c for potencies (strike, dip, tensile, inflation).

    Okada (1992), Tables 2 to 4, u = -u_A(d = c + z) + u_A(d = c - z) + u_B + z u_C, times 1/(2 pi).
    NaN at the source.
    """
    m = Elastic(*m)
    p1, p2, p3, p4 = potency
    horizontal = x * x + y * y
    d = c + z
    p = y * cd + d * sd
    q = y * sd - d * cd
    r = 1.0 / sqrt(horizontal + d * d)
    r2 = r * r
    r3 = r * r2
    ax, ay, az = point_a(x, y, d, p, q, sd, cd, r3, r3 * r2, p1, p2, p3, p4, m.a1, m.a2)
    d = c - z
    p = y * cd + d * sd
    q = y * sd - d * cd
    dist = sqrt(horizontal + d * d)
    r = 1.0 / dist
    r2 = r * r
    r3 = r * r2
    r5 = r3 * r2
    bx, by, bz = add(
        point_a(x, y, d, p, q, sd, cd, r3, r5, p1, p2, p3, p4, m.a1, m.a2),
        point_b(x, y, d, c, p, q, sd, cd, dist, r, r3, r5, p1, p2, p3, p4, m.k, m.b),
    )
    cx, cy, cz = point_c(x, y, d, c, z, p, q, sd, cd, r2, r3, r5, p1, p2, p3, p4, m.c4, m.c5)
    return TURN * (bx - ax + z * cx), TURN * (by - ay + z * cy), TURN * (bz - az + z * cz)


@scalar
def point_surface(x, y, c, sd, cd, potency, m):
    """`point` for z = 0, where only part B is left."""
    m = Elastic(*m)
    p1, p2, p3, p4 = potency
    p = y * cd + c * sd
    q = y * sd - c * cd
    dist = sqrt(x * x + y * y + c * c)
    r = 1.0 / dist
    r2 = r * r
    r3 = r * r2
    bx, by, bz = point_b(x, y, c, c, p, q, sd, cd, dist, r, r3, r3 * r2, p1, p2, p3, p4, m.k, m.b)
    return TURN * bx, TURN * by, TURN * bz
