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
* Derivatives of the primitives are the paper's closed forms, not derivatives of the evaluated
  expressions, so that they are finite on the fault plane, at xi = 0 and at dip 90 degrees.
"""

from dislok.kernels.scalar import (
    Jet,
    absolute,
    add,
    atan,
    atan2,
    chain,
    first,
    jet,
    log,
    packed,
    polynomial,
    real,
    scalar,
    sqrt,
    subtract,
    where,
)

TURN = 0.15915494309189535  # 1/(2 pi)
DIP = 3  # place among the local variables: see "rectangle" below
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


@scalar
def elastic(nu):
    """Coefficients (1, (1-alpha)/2, alpha/2, (1-alpha)/alpha, 1-alpha, alpha), alpha = 1/(2(1-nu))."""
    alpha = 0.5 / (1.0 - nu)
    rest = (0.5 - nu) / (1.0 - nu)
    return nu * 0.0 + 1.0, 0.5 * rest, 0.5 * alpha, 1.0 - 2.0 * nu, rest, alpha


@scalar
def elastic_derivative(nu):
    """Derivatives of `elastic` with respect to Poisson's ratio."""
    a = 0.5 / ((1.0 - nu) * (1.0 - nu))
    return nu * 0.0, -0.5 * a, 0.5 * a, nu * 0.0 - 2.0, -a, a


# --------------------------------------------------------------------------- slip, from primitives


@scalar
def slip_a(part_a, slip, h, a2):
    """Part A of Table 6 without its logarithms, for slip (U1, U2, U3), in the fault's axes.

    With (h, a2) = (1/2, alpha/2) it is the paper's u_A; the elementary terms of u_B have the same shape
    with (-1, -1), so that sums of the two are had by adding the coefficients.
    """
    theta, xy, ex, r, y11, x11, _, _, q = part_a
    u1, u2, u3 = slip
    aq = a2 * q
    v1 = (h * u1) * theta + aq * (u1 * xy + u2 * r - u3 * (q * y11))
    v2 = (h * u2) * theta + aq * (u1 * r + u2 * ex - u3 * (q * x11))
    v3 = (h * u3) * theta - aq * (q * (u1 * y11 + u2 * x11) + u3 * (ex + xy))
    return v1, v2, v3


@scalar
def slip_a_log(part_a, slip, a1):
    """The logarithms of part A: le = ln(R + eta), lx = ln(R + xi)."""
    le, lx = part_a[6:8]
    u1, u2, u3 = slip
    t3 = a1 * u3
    return -t3 * le, -t3 * lx, (a1 * u1) * le + (a1 * u2) * lx


@scalar
def slip_b(part_b, sd, cd, slip, b):
    """The terms of u_B (Table 6) with R + d~: xd = xi/(R+d~), yd = y~/(R+d~), ld = ln(R+d~)."""
    xd, yd, ld, i3, i4 = part_b
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
    """Part C of Table 6 for slip (U1, U2, U3); names ending in c carry the factor c~, z32 is Z32."""
    _, xy, ex, r, y11, x11, _, _, q = part_a
    u1, u2, u3 = slip
    r3, xr3, xxr3, y32, xy32, xxy32, er3c, r3c, x11c, x32c, ex32c = part_c
    h = q * cd - z
    xz = sd * xr3 - h * xy32
    xxz = sd * xxr3 - h * xxy32
    z32 = sd * r3 - h * y32
    yx = cd * ex + (q * sd) * x11
    dx = x11c - z * x11
    qx32c = x11c - (q * q) * x32c
    qy = q * y11
    v1 = (
        c4 * (u1 * (cd * xy) + u2 * (cd * r) - u3 * (sd * r + cd * qy))
        - c5 * (q * (u1 * xz + u2 * r3c) + u3 * (z * y11 - (q * q) * z32))
        - (k * u2) * (sd * qy)
    )
    v2 = (
        c4 * (u1 * (cd * r + 2.0 * (sd * qy)) + u2 * yx + (2.0 * u3) * (sd * xy))
        - c5 * (q * (u1 * r3c + u2 * ex32c) + u3 * qx32c)
        + (k * u3) * dx
    )
    v3 = (
        c4 * (u1 * (cd * qy) + u3 * (yx + cd * xy))
        - c5 * (u1 * (er3c - z * y11 + xxz) + u2 * qx32c - u3 * (q * (ex32c + xz)))
        - (k * u2) * (dx + sd * xy)
    )
    return v1, v2, v3


@scalar
def turn(v, sd, cd):
    """Rotate from the fault's axes to (x, y, z)."""
    v1, v2, v3 = v
    return v1, cd * v2 - sd * v3, sd * v2 + cd * v3


# ------------------------------------------------------------------------------------- primitives


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
    """R, 1/(R + sx xi), 1/(R + sy eta) and 1/R, 1/R^3, X11, Y11, X32, Y32.

    X and Y are reflected where sx or sy is -1: f(xi) stands for -f(-xi).
    """
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
    return dist, ix, iy, r, r * r2, x11, y11, x11 * (r2 + rx), y11 * (r2 + ry)


@scalar
def corner_fifth(r, ix, iy, x11, y11):
    """1/R^5, X53, Y53 (Table 9) from the results of `corner`."""
    r2 = r * r
    rx = r * ix
    ry = r * iy
    x53 = x11 * (3.0 * r2 * (r2 + rx) + 2.0 * (rx * rx))
    y53 = y11 * (3.0 * r2 * (r2 + ry) + 2.0 * (ry * ry))
    return r * (r2 * r2), x53, y53


@scalar
def monomials(xi, k):
    """Powers of xi times the primitives that the displacement needs, from what `corner` says."""
    _, _, _, r, r3, x11, y11, x32, y32 = k
    xi2 = xi * xi
    return r, x11, y11, xi * y11, r3, xi * r3, xi2 * r3, x32, y32, xi * y32, xi2 * y32


@scalar
def monomials_fifth(xi, k):
    """Powers of xi times the primitives that only the derivatives need, from what `corner` says."""
    _, ix, iy, r, _, x11, y11, _, _ = k
    r5, x53, y53 = corner_fifth(r, ix, iy, x11, y11)
    xi2 = xi * xi
    return r5, xi * r5, xi2 * r5, xi2 * (xi * r5), x53, y53, xi * y53, xi2 * y53, xi2 * (xi * y53)


@scalar
def image_terms(xi, eta, q, yt, dt, sd, cd, dist):
    """Terms with R + d~ of one corner: 1/(R + eta), 1/Rd, xi/Rd, y~/Rd and the pieces of I3 and I4.

    I3 = a3 - ln(Rd)/(1+s) + f3 (steep) or the published form in t3 (gentle);
    I4 = r4 (steep) or from atan(cos(dip) v4) (gentle).
    """
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
    return ne * ie, ide, xi * ide, yt * ide, dt * ide * inverse_s, t3, t3 * t3 * phi, v4, r4


@scalar
def image_turns(dt, sd, cd, ide, xd, yd, t, v4):
    """Derivatives with dip, at fixed xi, eta and q, of the terms of part B of one corner.

    Returns those of xd and yd; I3's (without its logarithm) and I4's for steep dip, where I3 = a3 + f3 -
    ln(Rd)/(1+s) and I4 = r4 have lost their denominators cos(dip); that of ln(Rd) is yd.
    """
    one_s = 1.0 + sd
    c1 = cd / one_s
    depth = dt * ide
    x = cd * t
    w = x / (2.0 + x)
    rest = 1.0 - w
    # (1/2 - phi(x))/x with phi(x) = (x - log1p x)/x^2
    kappa = (0.25 * rest) * (1.0 + (rest * rest) * polynomial(w * w, LOG_SERIES))
    y = cd * v4
    psi = polynomial(y * y, ATAN_SERIES)
    t2 = t * t
    sine_depth = sd * depth
    i3 = -(c1 * (depth + depth * depth) + 2.0 * (t * depth)) / one_s - t2 * (c1 + (2.0 * sd) * (t * kappa))
    i4 = v4 * (
        (2.0 + ((1.0 - sd) * depth) * (2.0 + sd - sine_depth)) / one_s
        + (c1 * t) * (2.0 + sd - 2.0 * sine_depth)
        - sd * t2
        + (4.0 * sd) * ((v4 * v4) * psi)
    )
    return -xd * yd, -(depth + yd * yd), i3, i4


@scalar
def image_slopes(xi, eta, q, yt, dt, sd, cd, dist, r, ie, ide):
    """xi D11, y~ D11, J2, J3, J5, J6, K3, K4 of one corner, in forms without 1/cos(dip)."""
    one_s = 1.0 + sd
    c1 = cd / one_s
    d11 = r * ide
    rie = r * ie
    j2 = xi * yt * ide * d11
    j5 = -(dt + yt * yt * ide) * d11
    k1 = xi * (dist * c1 + yt) * ide * rie
    k3 = ((xi * xi + q * dist * c1) * rie - 1.0) * ide
    j3 = xi * ((dist + dt) * dist / one_s + yt * (dist * c1 - q)) * (ide * ide) * rie
    g = q - c1 * dist * (1.0 + sd + sd * sd) - cd * sd * eta
    f = sd * eta * (eta * cd + 2.0 * sd * q) + q * q * ie * g
    j6 = d11 * (q * dist * ie / one_s - yt + f * ide)
    # K4 with Y11 as it is: a reflected one would differ by a constant along eta only
    return xi * d11, yt * d11, j2, j3, j5, j6, k3, cd * xi * rie - sd * k1


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


@scalar
def theta_difference(xi1, xi2, eta, q, dist1, dist2, flat):
    """Theta(xi1) - Theta(xi2), Theta = atan(xi eta/(q R)); zero on the plane (`flat`)."""
    aq = absolute(q)
    n1 = xi1 * eta
    n2 = xi2 * eta
    m1 = aq * dist1
    m2 = aq * dist2
    angle = atan2(n1 * m2 - n2 * m1, m1 * m2 + n1 * n2)
    return where(flat, 0.0, where(q < 0.0, -angle, angle))


# --------------------------------------------------------- rectangle: value and derivatives at once
#
# Sums over the corners are jets in "local" variables:
#
#     xi, eta, q, dip, length, width, z
#
# where a derivative with xi (eta) moves all corners alike, and those with length and width move the second
# end or edge alone. Every derivative is a closed form in numbers of the corners, so that jets of order 2 come
# of the same lines when those numbers are jets of order 1 (`order` in what follows).


def placed(v, slopes, order):
    """A number of a corner, with its slopes in the local variables where second derivatives are wanted."""
    return v if order == 1 else jet(v, slopes)


def local(v, tx, te, tq, dip, tl, last):
    """Local jet of a term on one edge; `tl` belongs to its second end.

    `last` says that it is the second edge. The second edge's eta shrinks as the width grows.
    """
    return jet(v, (tx, te, tq, dip, tl, -te if last else 0, 0))


def xi_slopes(e, eta, q):
    """Derivatives with respect to xi of theta, xy, ex, r, y11, x11, le, lx on an edge."""
    r, x11, y11, xy, r3, xr3, xxr3, x32, y32, xy32, xxy32 = e
    return -q * y11, y11 - xxy32, -eta * r3, -xr3, -xy32, -r3, xy, r


def elementary_jets(e, end, eta, q, theta, last):
    """Jets of theta, xy, ex, r, y11, x11, le, lx on one edge eta = const (logarithms without value).

    `e` holds the differences of `monomials` between the two ends, `end` those of the second end. All
    derivatives are the closed forms of Okada (1992), Tables 7 to 9.
    """
    r, x11, y11, xy, r3, xr3, xxr3, x32, y32, xy32, xxy32 = e
    x = xi_slopes(e, eta, q)
    tl = xi_slopes(end, eta, q)
    ex = eta * x11
    er3 = eta * r3
    ex32 = eta * x32
    zero = real(0.0 * r)
    return (
        local(theta, x[0], -q * x11, xy + ex, 0, tl[0], last),
        local(xy, x[1], -xr3, -q * xy32, 0, tl[1], last),
        local(ex, x[2], x11 - eta * ex32, -q * ex32, 0, tl[2], last),
        local(r, x[3], -er3, -q * r3, 0, tl[3], last),
        local(y11, x[4], -r3, -q * y32, 0, tl[4], last),
        local(x11, x[5], -ex32, -q * x32, 0, tl[5], last),
        local(zero, x[6], r, q * y11, 0, tl[6], last),
        local(zero, x[7], ex, q * x11, 0, tl[7], last),
    )


def xi_slopes_c(e, f, eta):
    """Derivatives with respect to xi of the terms of `part_c_jets`."""
    r, x11, y11, xy, r3, xr3, xxr3, x32, y32, xy32, xxy32 = e
    r5, xr5, xxr5, xxxr5, x53, y53, xy53, xxy53, xxxy53 = f
    return (
        -3.0 * xr5,
        r3 - 3.0 * xxr5,
        2.0 * xr3 - 3.0 * xxxr5,
        -3.0 * (eta * xr5),
        -xy53,
        y32 - xxy53,
        2.0 * xy32 - xxxy53,
        -r3,
        -3.0 * r5,
        -3.0 * (eta * r5),
    )


def part_c_jets(e, f, end, end_fifth, eta, q, last):
    """Jets of r3, xr3, xxr3, er3, y32, xy32, xxy32, x11, x32, ex32 on one edge."""
    r, x11, y11, xy, r3, xr3, xxr3, x32, y32, xy32, xxy32 = e
    r5, xr5, xxr5, xxxr5, x53, y53, xy53, xxy53, xxxy53 = f
    x = xi_slopes_c(e, f, eta)
    tl = xi_slopes_c(end, end_fifth, eta)
    q3 = -3.0 * q
    e3 = -3.0 * eta
    ex53 = eta * x53
    return (
        local(r3, x[0], e3 * r5, q3 * r5, 0, tl[0], last),
        local(xr3, x[1], e3 * xr5, q3 * xr5, 0, tl[1], last),
        local(xxr3, x[2], e3 * xxr5, q3 * xxr5, 0, tl[2], last),
        local(eta * r3, x[3], r3 + e3 * (eta * r5), q3 * (eta * r5), 0, tl[3], last),
        local(y32, x[4], -3.0 * r5, -q * y53, 0, tl[4], last),
        local(xy32, x[5], -3.0 * xr5, -q * xy53, 0, tl[5], last),
        local(xxy32, x[6], -3.0 * xxr5, -q * xxy53, 0, tl[6], last),
        local(x11, x[7], -eta * x32, -q * x32, 0, tl[7], last),
        local(x32, x[8], -ex53, -q * x53, 0, tl[8], last),
        local(eta * x32, x[9], x32 - eta * ex53, -q * ex53, 0, tl[9], last),
    )


def edge(xi1, xi2, eta, q, sx, sy, flat, last):
    """Elementary jets of one edge, and what the other parts and the logarithms need of its two corners."""
    k1 = corner(xi1, eta, q, sx, sy)
    k2 = corner(xi2, eta, q, sx, sy)
    m1 = monomials(xi1, k1)
    m2 = monomials(xi2, k2)
    e = subtract(m1, m2)
    theta = theta_difference(real(xi1), real(xi2), real(eta), real(q), real(k1[0]), real(k2[0]), flat)
    return elementary_jets(e, m2, eta, q, theta, last), (xi1, xi2, eta, q), e, m2, k1, k2


def edge_c(edge, last):
    """Part C's jets of one edge."""
    (xi1, xi2, eta, q), e, end, k1, k2 = edge
    f1 = monomials_fifth(xi1, k1)
    f2 = monomials_fifth(xi2, k2)
    return part_c_jets(e, subtract(f1, f2), end, f2, eta, q, last)


def edge_image(edge, place, sd, cd, last):
    """Local jets of xd, yd, ld, I3, I4 on one edge, without logarithms: the last three lack values.

    Returns the jets; the differences of a3, t3, f3, r4; the angle of v4; and 1/(R+d~) of both corners.
    """
    (xi1, xi2, eta, q), e, end, k1, k2 = edge
    yt, dt = place
    ide1, pieces1, v1, slopes1, turns1 = corner_image(xi1, eta, q, yt, dt, sd, cd, k1)
    ide2, pieces2, v2, slopes2, turns2 = corner_image(xi2, eta, q, yt, dt, sd, cd, k2)
    xd, yd, *pieces = subtract(pieces1, pieces2)
    turns = subtract(turns1, turns2)
    v1, v2, c = real(v1), real(v2), real(cd)
    angle = atan2(c * (v1 - v2), 1.0 + (c * v1) * (c * v2))
    tx, ty, td = part_b_slopes(subtract(slopes1, slopes2), e[3], sd, cd)
    tl, _, _ = part_b_slopes(slopes2, end[3], sd, cd)
    by_dip = (turns[0], turns[1], yd, turns[2], turns[3])
    zero = real(0.0 * xd)
    jets = tuple(
        local(v, tx[k], cd * ty[k] + sd * td[k], sd * ty[k] - cd * td[k], by_dip[k], tl[k], last)
        for k, v in enumerate((xd, yd, zero, zero, zero))
    )
    return jets, tuple(real(v) for v in pieces), angle, (real(ide1), real(ide2))


def corner_image(xi, eta, q, yt, dt, sd, cd, corner):
    """`image_terms`, `image_slopes` with 1/R, and `image_turns` of one corner."""
    dist, r = corner[0], corner[3]
    ie, ide, xd, yd, a3, t3, f3, v4, r4 = image_terms(xi, eta, q, yt, dt, sd, cd, dist)
    slopes = image_slopes(xi, eta, q, yt, dt, sd, cd, dist, r, ie, ide)
    turns = image_turns(dt, sd, cd, ide, xd, yd, t3, v4)
    return ide, (xd, yd, a3, t3, f3, r4), v4, (*slopes, r), turns


def part_b_slopes(slopes, xy, sd, cd):
    """Derivatives of xd, yd, ld, I3, I4 with xi, y~ and d~ (Okada 1992, Tables 7 to 9)."""
    xd11, yd11, j2, j3, j5, j6, k3, k4, r = slopes
    return (
        (-j5, -j2, xd11, sd * j3 - cd * j2 - xy, j6),
        (-j2, j5 + r, yd11, cd * j5 - sd * j6, j3),
        (-xd11, -yd11, r, k3, k4),
    )


@scalar
def log_ratio(a11, a12, a21, a22):
    """Sum over the corners of -ln(a) with their signs."""
    return log((a12 * a21) / (a11 * a22))


def part_b_jets(jets, pieces, angle, le, ld, sd, cd):
    """Local jets of xd, yd, ld, I3, I4: `jets` summed over the corners, completed by values and logarithms.

    For gentle dip the derivatives of I3 and I4 with dip are those of yd/c - (le - s ld)/c^2 and s xd/c -
    2 angle/c^2, where le does not change and the angle does so by -xd/2.
    """
    xd, yd, by_ld, by_i3, by_i4 = jets
    a3, t3, f3, r4 = pieces
    s, c = real(sd), real(cd)
    steep = absolute(c) < STEEP
    ld_ = Jet(ld, by_ld.p, by_ld.h)
    i3 = Jet(integral_i3(a3, ld, t3, f3, le, s, c), by_i3.p, by_i3.h)
    i4 = Jet(integral_i4(r4, real(xd), angle, s, c), by_i4.p, by_i4.h)

    def turn3(i3, by_steep, yd_turn, ld, sd, cd):
        one_s = 1.0 + sd
        gentle = (yd_turn + ld + 2.0 * (sd * i3)) / where(steep, 1.0, cd)
        return where(steep, by_steep + (cd * ld) / (one_s * one_s), gentle)

    def turn4(i4, by_steep, xd_turn, xd, sd, cd):
        return where(steep, by_steep, 2.0 * xd + sd * (xd_turn + 2.0 * i4) / where(steep, 1.0, cd))

    i3 = with_turn(i3, turn3, slope(i3, DIP), slope(yd, DIP), lower(ld_), sd, cd)
    i4 = with_turn(i4, turn4, slope(i4, DIP), slope(xd, DIP), lower(xd), sd, cd)
    return xd, yd, ld_, i3, i4


def with_turn(term, turn, *numbers):
    """A jet with its derivative with dip, ``turn(term, *numbers)``, a function of numbers one order lower."""
    plain = turn(real(term), *(real(v) for v in numbers))
    p = [plain if k == DIP else v for k, v in enumerate(term.p)]
    if term.h is None:
        return Jet(term.v, p)
    by_dip = turn(Jet(term.v, p), *numbers)
    h = list(term.h)
    for k in range(DIP + 1):  # with those behind it, theirs with dip are known
        h[packed(DIP, k)] = by_dip.p[k]
    return Jet(term.v, p, h)


def lower(v):
    """A jet without its highest derivatives."""
    return v.v if v.h is None else Jet(v.v, v.p)


def slope(v, k):
    """The derivative of a jet with variable `k`, a number one order lower."""
    return v.p[k] if v.h is None else Jet(v.p[k], [v.h[packed(k, i)] for i in range(v.n)])


@scalar
def side(offset, one):
    """+1 or -1, the side on which the primitives are regular."""
    return where(offset < 0.0, -one, one)


def part_a_fields(x, y, d, depth, sd, cd, edges, eps, order):
    """Local jets of the elementary terms summed over the corners, and of q; then both edges (see `edge`).

    `edges` = (al1, al2, aw1, aw2), d = c + z or c - z, depth = c - z.
    """
    al1, al2, aw1, aw2 = edges
    p, q, noise, flat, sx, sy = plane(x, y, d, depth, sd, cd, edges, eps)
    one = 0.0 * q + 1.0
    ends = placed(x - al1, (one, 0, 0, 0, 0, 0, 0), order), placed(x - al2, (one, 0, 0, 0, -one, 0, 0), order)
    eta1 = placed(snapped(p - aw1, noise), (0, one, 0, 0, 0, 0, 0), order)
    eta2 = placed(snapped(p - aw2, noise), (0, one, 0, 0, 0, -one, 0), order)
    across = (0, 0, one, 0, 0, 0, 0)
    q = placed(q, across, order)
    jets1, *edge1 = edge(*ends, eta1, q, sx, sy, flat, False)
    jets2, *edge2 = edge(*ends, eta2, q, sx, sy, flat, True)
    theta, xy, ex, r, y11, x11, le, lx = subtract(jets1, jets2)
    corners = (*edge1[3:], *edge2[3:])
    le = le + sy * log_ratio(*(real(k[2]) for k in corners))
    lx = lx + sx * log_ratio(*(real(k[1]) for k in corners))
    return (theta, xy, ex, r, y11, x11, le, lx, jet(q, across)), edge1, edge2


def part_b_fields(y, z, c, sd, cd, edges, part_a, both, order):
    """Local jets of xd, yd, ld, I3, I4 summed over the corners."""
    sd_, cd_ = placed_angles(sd, cd, order)
    images = []
    for aw, each, last in ((edges[2], both[0], False), (edges[3], both[1], True)):
        place = edge_place(y, z, c, aw, sd, cd, last, order)
        images.append(edge_image(each, place, sd_, cd_, last))
    jets, pieces, angle, _ = (subtract(a, b) for a, b in zip(*images, strict=True))
    ld = log_ratio(*images[0][3], *images[1][3])
    return part_b_jets(jets, pieces, angle, real(part_a[6]), ld, sd_, cd_)


def part_c_fields(y, z, c, sd, cd, edges, both, order):
    """Local jets of part C's terms summed over the corners; r3c and so on carry the edge's depth c~."""
    jets1, jets2 = edge_c(both[0], False), edge_c(both[1], True)
    c1 = edge_depth(y, z, c, edges[2], sd, cd, False, order)
    c2 = edge_depth(y, z, c, edges[3], sd, cd, True, order)
    r3, xr3, xxr3, _, y32, xy32, xxy32, _, _, _ = subtract(jets1, jets2)
    er3c, r3c, x11c, x32c, ex32c = (c1 * jets1[k] - c2 * jets2[k] for k in (3, 0, 7, 8, 9))
    return r3, xr3, xxr3, y32, xy32, xxy32, er3c, r3c, x11c, x32c, ex32c


def edge_place(y, z, c, aw, sd, cd, last, order):
    """y~ = eta cos(dip) + q sin(dip) and d~ = eta sin(dip) - q cos(dip) of an edge."""
    yt, dt = y - aw * cd, (c - aw * sd) - z
    return (
        placed(yt, (0, cd, sd, -dt, 0, -cd if last else 0, 0), order),
        placed(dt, (0, sd, -cd, yt, 0, -sd if last else 0, 0), order),
    )


def edge_depth(y, z, c, aw, sd, cd, last, order):
    """Local jet of the depth c~ = d~ + z of an edge."""
    sd_, cd_ = placed_angles(sd, cd, order)
    yt, _ = edge_place(y, z, c, aw, sd, cd, last, order)
    return jet(c - aw * sd, (0, sd_, -cd_, yt, 0, -sd_ if last else 0, 0.0 * c + 1.0))


def placed_angles(sd, cd, order):
    """sin(dip) and cos(dip)."""
    return placed(sd, (0, 0, 0, cd, 0, 0, 0), order), placed(cd, (0, 0, 0, -sd, 0, 0, 0), order)


def angle_jets(sd, cd, order):
    """Local jets of sin(dip) and cos(dip)."""
    sd_, cd_ = placed_angles(sd, cd, order)
    return jet(sd, (0, 0, 0, cd_, 0, 0, 0)), jet(cd, (0, 0, 0, -sd_, 0, 0, 0))


@scalar
def rectangle_fields(x, y, z, c, sd, cd, edges, eps, order):
    """All sums over a rectangle's corners as local jets: the real source's, the image's parts A, B, C.

    Local jets of sin(dip), cos(dip) and z follow.
    """
    real_a, _, _ = part_a_fields(x, y, c + z, c - z, sd, cd, edges, eps, order)
    part_a, *both = part_a_fields(x, y, c - z, c - z, sd, cd, edges, eps, order)
    part_b = part_b_fields(y, z, c, sd, cd, edges, part_a, both, order)
    part_c = part_c_fields(y, z, c, sd, cd, edges, both, order)
    by_z = (0, 0, 0, 0, 0, 0, 0.0 * z + 1.0)
    return real_a, (part_a, part_b, part_c), *angle_jets(sd, cd, order), jet(placed(z, by_z, order), by_z)


@scalar
def surface_fields(x, y, c, sd, cd, edges, eps, order):
    """As `rectangle_fields` for z = 0, where parts A cancel and part C vanishes."""
    part_a, *both = part_a_fields(x, y, c, c, sd, cd, edges, eps, order)
    part_b = part_b_fields(y, 0.0 * c, c, sd, cd, edges, part_a, both, order)
    return part_a, part_b, *angle_jets(sd, cd, order)


def depth_part(part_a, part_c, z, sd, cd, slip, m):
    """2 pi times the displacement (x, y, z) that is part C of the image."""
    k, _, _, _, c4, c5 = m
    v1, v2, v3 = slip_c(part_a, part_c, z, sd, cd, slip, k, c4, c5)
    return z * v1, z * (cd * v2 - sd * v3), -z * (sd * v2 + cd * v3)


@scalar
def real_slip(real_a, sd, cd, slip, m):
    """2 pi times the displacement (x, y, z) of the real source for slip (U1, U2, U3)."""
    k, a1, a2, _, _, _ = m
    v = add(slip_a(real_a, slip, -0.5 * k, -a2), slip_a_log(real_a, slip, -a1))
    return turn(v, sd, cd)


@scalar
def image_slip(image, sd, cd, z, slip, m):
    """2 pi times the displacement (x, y, z) of the image, parts A, B and C."""
    part_a, part_b, part_c = image
    k, a1, a2, b, _, _ = m
    # with the elementary terms of part B
    v = add(slip_a(part_a, slip, -0.5 * k, a2 - k), slip_a_log(part_a, slip, a1))
    v = add(v, slip_b(part_b, sd, cd, slip, b))
    return add(turn(v, sd, cd), depth_part(part_a, part_c, z, sd, cd, slip, m))


@scalar
def surface_slip(part_a, part_b, sd, cd, slip, m):
    """2 pi times the displacement (x, y, z) at the surface from `surface_fields`."""
    k, _, _, b, _, _ = m
    v = add(slip_a(part_a, slip, -k, -k), slip_b(part_b, sd, cd, slip, b))
    return turn(v, sd, cd)


@scalar
def surface_z(u, m):
    """du/dz at the traction-free surface from the horizontal derivatives (partials 0 and 1)."""
    _, _, _, b, _, _ = m
    ux, uy, uz = u
    # nu/(1 - nu) with b = 1 - 2 nu
    return -first(uz, 0), -first(uz, 1), -(1.0 - b) / (1.0 + b) * (first(ux, 0) + first(uy, 1))


# ------------------------------------------------------- rectangle: derivatives by number type alone


@scalar
def corner_a(xi, eta, q, flat, sx, sy):
    """Elementary terms of one corner, in the order of `elementary_jets`, and what the other parts need."""
    k = corner(xi, eta, q, sx, sy)
    dist, ix, iy, r, r3, x11, y11, x32, y32 = k
    xy = xi * y11
    ex = eta * x11
    angle = where(flat, 0.0, atan(real(xi) * real(eta) / (real(q) * real(dist))))
    theta = chain(angle, (-q * y11, -q * x11, xy + ex), (xi, eta, q))
    return (theta, xy, ex, r, y11, x11, -sy * log(iy), -sx * log(ix)), k


@scalar
def corner_b(xi, eta, q, yt, dt, sd, cd, le, dist):
    """Terms of part B with R + d~ of one corner."""
    _, ide, xd, yd, a3, t3, f3, v4, r4 = image_terms(xi, eta, q, yt, dt, sd, cd, dist)
    ld = -log(ide)
    i3 = integral_i3(a3, ld, t3, f3, le, sd, cd)
    return xd, yd, ld, i3, integral_i4(r4, xd, atan(cd * v4), sd, cd)


@scalar
def corner_c(xi, eta, ct, r3, x11, x32, y32):
    """Terms of part C of one corner, in the order of `part_c_fields`."""
    xr3 = xi * r3
    xy32 = xi * y32
    cr3 = ct * r3
    cx32 = ct * x32
    return r3, xr3, xi * xr3, y32, xy32, xi * xy32, eta * cr3, cr3, ct * x11, cx32, eta * cx32


@scalar
def real_corner(xi, eta, q, flat, sx, sy):
    """Part A of one corner of the real source."""
    terms, _ = corner_a(xi, eta, q, flat, sx, sy)
    return (*terms, q)


@scalar
def image_corner(xi, eta, q, yt, dt, ct, sd, cd, flat, sx, sy):
    """Parts A, B and C of one corner of the image."""
    terms_a, k = corner_a(xi, eta, q, flat, sx, sy)
    dist, ix, iy, r, r3, x11, y11, x32, y32 = k
    terms_b = corner_b(xi, eta, q, yt, dt, sd, cd, terms_a[6], dist)
    return (*terms_a, q), terms_b, corner_c(xi, eta, ct, r3, x11, x32, y32)


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
def snapped(v, noise):
    """Zero for what differs from zero by rounding only, so that edges are singular for every rounding."""
    return where(absolute(v) <= noise, 0.0, v)


# ------------------------------------------------------------------------------------ point source


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
    k, a1, a2, b, c4, c5 = m
    p1, p2, p3, p4 = potency
    horizontal = x * x + y * y
    d = c + z
    p = y * cd + d * sd
    q = y * sd - d * cd
    r = 1.0 / sqrt(horizontal + d * d)
    r2 = r * r
    r3 = r * r2
    ax, ay, az = point_a(x, y, d, p, q, sd, cd, r3, r3 * r2, p1, p2, p3, p4, a1, a2)
    d = c - z
    p = y * cd + d * sd
    q = y * sd - d * cd
    dist = sqrt(horizontal + d * d)
    r = 1.0 / dist
    r2 = r * r
    r3 = r * r2
    r5 = r3 * r2
    bx, by, bz = add(
        point_a(x, y, d, p, q, sd, cd, r3, r5, p1, p2, p3, p4, a1, a2),
        point_b(x, y, d, c, p, q, sd, cd, dist, r, r3, r5, p1, p2, p3, p4, k, b),
    )
    cx, cy, cz = point_c(x, y, d, c, z, p, q, sd, cd, r2, r3, r5, p1, p2, p3, p4, c4, c5)
    return TURN * (bx - ax + z * cx), TURN * (by - ay + z * cy), TURN * (bz - az + z * cz)


@scalar
def point_surface(x, y, c, sd, cd, potency, m):
    """`point` for z = 0, where only part B is left."""
    k, _, _, b, _, _ = m
    p1, p2, p3, p4 = potency
    p = y * cd + c * sd
    q = y * sd - c * cd
    dist = sqrt(x * x + y * y + c * c)
    r = 1.0 / dist
    r2 = r * r
    r3 = r * r2
    bx, by, bz = point_b(x, y, c, c, p, q, sd, cd, dist, r, r3, r3 * r2, p1, p2, p3, p4, k, b)
    return TURN * bx, TURN * by, TURN * bz
