"""Rectangles of Okada (1992): values and derivatives at once, edge by edge (Tables 7 to 9).

Sums over the corners are jets in "local" variables::

    xi, eta, q, dip, length, width, z

where a derivative with respect to xi (eta) moves all corners alike, and those with length and width move the
second end or edge alone. Every derivative is the paper's closed form, not a derivative of the evaluated
expression, so that it is finite on the fault plane, at xi = 0 and at dip 90 degrees. Jets of order 2 come of
the same lines when the numbers of the corners are jets of order 1 (`order` in what follows). Symbols are
those of `formula`.
"""

from typing import NamedTuple

from dislok.kernels.names import Number
from dislok.kernels.scalar import (
    Jet,
    absolute,
    atan2,
    jet,
    log,
    packed,
    polynomial,
    real,
    scalar,
    subtract,
    where,
)

from .formula import (
    ATAN_SERIES,
    LOG_SERIES,
    STEEP,
    PartA,
    PartB,
    PartC,
    corner,
    image_terms,
    integral_i3,
    integral_i4,
    plane,
    snapped,
)

DIP = 3  # place among the local variables


class Monomials(NamedTuple):
    """Primitives that the displacement needs; x stands for a factor xi."""

    r: Number
    x11: Number
    y11: Number
    xy: Number  # xi Y11
    r3: Number
    xr3: Number
    xxr3: Number
    x32: Number
    y32: Number
    xy32: Number
    xxy32: Number


class Fifth(NamedTuple):
    """Primitives that only derivatives need (Table 9); x stands for a factor xi."""

    r5: Number
    xr5: Number
    xxr5: Number
    xxxr5: Number
    x53: Number
    y53: Number
    xy53: Number
    xxy53: Number
    xxxy53: Number


class ImageSlopes(NamedTuple):
    """Derivatives of the terms with R + d~ (Tables 7 to 9)."""

    xd11: Number  # xi D11
    yd11: Number  # y~ D11
    j2: Number
    j3: Number
    j5: Number
    j6: Number
    k3: Number
    k4: Number
    r: Number  # 1/R


# ----------------------------------------------------------------------------------------------- primitives


@scalar
def corner_fifth(k):
    """1/R^5, X53, Y53 (Table 9) of a corner."""
    r = k.r
    r2 = r * r
    rx = r * k.ix
    ry = r * k.iy
    x53 = k.x11 * (3.0 * r2 * (r2 + rx) + 2.0 * (rx * rx))
    y53 = k.y11 * (3.0 * r2 * (r2 + ry) + 2.0 * (ry * ry))
    return r * (r2 * r2), x53, y53


@scalar
def monomials(xi, k):
    """`Monomials` of a corner."""
    xi2 = xi * xi
    return Monomials(
        k.r, k.x11, k.y11, xi * k.y11, k.r3, xi * k.r3, xi2 * k.r3, k.x32, k.y32, xi * k.y32, xi2 * k.y32
    )


@scalar
def monomials_fifth(xi, k):
    """`Fifth` of a corner."""
    r5, x53, y53 = corner_fifth(k)
    xi2 = xi * xi
    return Fifth(r5, xi * r5, xi2 * r5, xi2 * (xi * r5), x53, y53, xi * y53, xi2 * y53, xi2 * (xi * y53))


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
    """`ImageSlopes` of one corner, in forms without 1/cos(dip)."""
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
    return ImageSlopes(xi * d11, yt * d11, j2, j3, j5, j6, k3, cd * xi * rie - sd * k1, r)


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


# ----------------------------------------------------------------------------------------------------- jets


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
    return -q * e.y11, e.y11 - e.xxy32, -eta * e.r3, -e.xr3, -e.xy32, -e.r3, e.xy, e.r


def elementary_jets(e, end, eta, q, theta, last):
    """Jets of theta, xy, ex, r, y11, x11, le, lx on one edge eta = const (logarithms without value).

    `e` holds the differences of `monomials` between the two ends, `end` those of the second end. All
    derivatives are the closed forms of Okada (1992), Tables 7 to 9.
    """
    x = xi_slopes(e, eta, q)
    tl = xi_slopes(end, eta, q)
    ex = eta * e.x11
    er3 = eta * e.r3
    ex32 = eta * e.x32
    zero = real(0.0 * e.r)
    return (
        local(theta, x[0], -q * e.x11, e.xy + ex, 0, tl[0], last),
        local(e.xy, x[1], -e.xr3, -q * e.xy32, 0, tl[1], last),
        local(ex, x[2], e.x11 - eta * ex32, -q * ex32, 0, tl[2], last),
        local(e.r, x[3], -er3, -q * e.r3, 0, tl[3], last),
        local(e.y11, x[4], -e.r3, -q * e.y32, 0, tl[4], last),
        local(e.x11, x[5], -ex32, -q * e.x32, 0, tl[5], last),
        local(zero, x[6], e.r, q * e.y11, 0, tl[6], last),
        local(zero, x[7], ex, q * e.x11, 0, tl[7], last),
    )


def xi_slopes_c(e, f, eta):
    """Derivatives with respect to xi of the terms of `part_c_jets`."""
    return (
        -3.0 * f.xr5,
        e.r3 - 3.0 * f.xxr5,
        2.0 * e.xr3 - 3.0 * f.xxxr5,
        -3.0 * (eta * f.xr5),
        -f.xy53,
        e.y32 - f.xxy53,
        2.0 * e.xy32 - f.xxxy53,
        -e.r3,
        -3.0 * f.r5,
        -3.0 * (eta * f.r5),
    )


def part_c_jets(e, f, end, end_fifth, eta, q, last):
    """Jets of r3, xr3, xxr3, er3, y32, xy32, xxy32, x11, x32, ex32 on one edge."""
    x = xi_slopes_c(e, f, eta)
    tl = xi_slopes_c(end, end_fifth, eta)
    q3 = -3.0 * q
    e3 = -3.0 * eta
    ex53 = eta * f.x53
    return (
        local(e.r3, x[0], e3 * f.r5, q3 * f.r5, 0, tl[0], last),
        local(e.xr3, x[1], e3 * f.xr5, q3 * f.xr5, 0, tl[1], last),
        local(e.xxr3, x[2], e3 * f.xxr5, q3 * f.xxr5, 0, tl[2], last),
        local(eta * e.r3, x[3], e.r3 + e3 * (eta * f.r5), q3 * (eta * f.r5), 0, tl[3], last),
        local(e.y32, x[4], -3.0 * f.r5, -q * f.y53, 0, tl[4], last),
        local(e.xy32, x[5], -3.0 * f.xr5, -q * f.xy53, 0, tl[5], last),
        local(e.xxy32, x[6], -3.0 * f.xxr5, -q * f.xxy53, 0, tl[6], last),
        local(e.x11, x[7], -eta * e.x32, -q * e.x32, 0, tl[7], last),
        local(e.x32, x[8], -ex53, -q * f.x53, 0, tl[8], last),
        local(eta * e.x32, x[9], e.x32 - eta * ex53, -q * ex53, 0, tl[9], last),
    )


def edge(xi1, xi2, eta, q, sx, sy, flat, last):
    """Elementary jets of one edge, and what the other parts and the logarithms need of its two corners."""
    k1 = corner(xi1, eta, q, sx, sy)
    k2 = corner(xi2, eta, q, sx, sy)
    m1 = monomials(xi1, k1)
    m2 = monomials(xi2, k2)
    e = Monomials(*subtract(m1, m2))
    theta = theta_difference(real(xi1), real(xi2), real(eta), real(q), real(k1.dist), real(k2.dist), flat)
    return elementary_jets(e, m2, eta, q, theta, last), (xi1, xi2, eta, q), e, m2, k1, k2


def edge_c(edge, last):
    """Part C's jets of one edge."""
    (xi1, xi2, eta, q), e, end, k1, k2 = edge
    f1 = monomials_fifth(xi1, k1)
    f2 = monomials_fifth(xi2, k2)
    return part_c_jets(e, Fifth(*subtract(f1, f2)), end, f2, eta, q, last)


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
    tx, ty, td = part_b_slopes(ImageSlopes(*subtract(slopes1, slopes2)), e.xy, sd, cd)
    tl, _, _ = part_b_slopes(slopes2, end.xy, sd, cd)
    by_dip = (turns[0], turns[1], yd, turns[2], turns[3])
    zero = real(0.0 * xd)
    jets = tuple(
        local(v, tx[k], cd * ty[k] + sd * td[k], sd * ty[k] - cd * td[k], by_dip[k], tl[k], last)
        for k, v in enumerate((xd, yd, zero, zero, zero))
    )
    return jets, tuple(real(v) for v in pieces), angle, (real(ide1), real(ide2))


def corner_image(xi, eta, q, yt, dt, sd, cd, corner):
    """`image_terms`, `image_slopes` and `image_turns` of one corner."""
    f = image_terms(xi, eta, q, yt, dt, sd, cd, corner.dist)
    slopes = image_slopes(xi, eta, q, yt, dt, sd, cd, corner.dist, corner.r, f.ie, f.ide)
    turns = image_turns(dt, sd, cd, f.ide, f.xd, f.yd, f.t3, f.v4)
    return f.ide, (f.xd, f.yd, f.a3, f.t3, f.f3, f.r4), f.v4, slopes, turns


def part_b_slopes(slopes, xy, sd, cd):
    """Derivatives of xd, yd, ld, I3, I4 with xi, y~ and d~ (Okada 1992, Tables 7 to 9)."""
    j2, j3, j5, j6, xd11, yd11 = slopes.j2, slopes.j3, slopes.j5, slopes.j6, slopes.xd11, slopes.yd11
    return (
        (-j5, -j2, xd11, sd * j3 - cd * j2 - xy, j6),
        (-j2, j5 + slopes.r, yd11, cd * j5 - sd * j6, j3),
        (-xd11, -yd11, slopes.r, slopes.k3, slopes.k4),
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
    return PartB(xd, yd, ld_, i3, i4)


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
    le = le + sy * log_ratio(*(real(k.iy) for k in corners))
    lx = lx + sx * log_ratio(*(real(k.ix) for k in corners))
    return PartA(theta, xy, ex, r, y11, x11, le, lx, jet(q, across)), edge1, edge2


def part_b_fields(y, z, c, sd, cd, edges, part_a, both, order):
    """Local jets of xd, yd, ld, I3, I4 summed over the corners."""
    sd_, cd_ = placed_angles(sd, cd, order)
    images = []
    for aw, each, last in ((edges[2], both[0], False), (edges[3], both[1], True)):
        place = edge_place(y, z, c, aw, sd, cd, last, order)
        images.append(edge_image(each, place, sd_, cd_, last))
    jets, pieces, angle, _ = (subtract(a, b) for a, b in zip(*images, strict=True))
    ld = log_ratio(*images[0][3], *images[1][3])
    return part_b_jets(jets, pieces, angle, real(part_a.le), ld, sd_, cd_)


def part_c_fields(y, z, c, sd, cd, edges, both, order):
    """Local jets of part C's terms summed over the corners; r3c and so on carry the edge's depth c~."""
    jets1, jets2 = edge_c(both[0], False), edge_c(both[1], True)
    c1 = edge_depth(y, z, c, edges[2], sd, cd, False, order)
    c2 = edge_depth(y, z, c, edges[3], sd, cd, True, order)
    r3, xr3, xxr3, _, y32, xy32, xxy32, _, _, _ = subtract(jets1, jets2)
    er3c, r3c, x11c, x32c, ex32c = (c1 * jets1[k] - c2 * jets2[k] for k in (3, 0, 7, 8, 9))
    return PartC(r3, xr3, xxr3, y32, xy32, xxy32, er3c, r3c, x11c, x32c, ex32c)


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
