"""Displacement and gradient of a point source at once, for the many nodes of a quadrature.

The displacement is that of `formula.point`, Okada (1992), Tables 2 to 4, written so that its derivatives
share nearly everything. With X = (x, y, d), n the normal, v the slip, Q = (n.X) (v.X), G its gradient,
P = 3 Q / R^5 and a constant vector w:

- part A is a2 P X + a1 (G + (p3 - p4) X) / R^3;
- the terms of part B with q / R^5 are P again, along (x, y, c); the others are the gradient of the potential
  psi = v_y chi_xx - p1 chi_xy, where chi = d log(R + d) - R is harmonic;
- part C is the gradient of c P + p3 z / R^3, mirrored, and second derivatives of 1/R along w.

So all but psi are sums of X, G and w times numbers, and their derivatives sums of products of two of these
and of n_i v_j + n_j v_i.
"""

from typing import NamedTuple

from dislok.kernels.names import Number
from dislok.kernels.scalar import scalar, sqrt

from .formula import TURN, Elastic


class Image(NamedTuple):
    """A place X = (x, y, d) seen from a source or its image, and what depends on it alone.

    `dist`, `r`, `r2`, `r3`, `r5`: R and its powers; `three`, `fifteen`: 3 R^-5, 15 R^-7; `q`, `g`: Q and G.
    """

    place: list[Number]
    dist: Number
    r: Number
    r2: Number
    r3: Number
    r5: Number
    three: Number
    fifteen: Number
    q: Number
    g: list[Number]


class Slip(NamedTuple):
    """The source's plane and slips: sine and cosine of the dip, potencies, v."""

    sd: Number
    cd: Number
    potency: list[Number]
    v: list[Number]


def slip_of(sd, cd, potency):
    """`Slip` of potencies (strike, dip, tensile, inflation), which take the factor 1/(2 pi) of all fields."""
    p1, p2, p3, p4 = (TURN * p for p in potency)
    return Slip(sd, cd, [p1, p2, p3, p4], [p1, p2 * cd - p3 * sd, p2 * sd + p3 * cd])


def image_of(x, y, d, horizontal, slip):
    """`Image` at a place; `horizontal` is x x + y y."""
    dist = sqrt(horizontal + d * d)
    r = 1.0 / dist
    r2 = r * r
    r3 = r * r2
    r5 = r3 * r2
    three = 3.0 * r5
    q = y * slip.sd - d * slip.cd
    w = slip.v[0] * x + slip.v[1] * y + slip.v[2] * d
    g = [slip.v[0] * q, slip.sd * w + slip.v[1] * q, slip.v[2] * q - slip.cd * w]
    return Image([x, y, d], dist, r, r2, r3, r5, three, 5.0 * (three * r2), q * w, g)


class Products(NamedTuple):
    """A field and its gradient in (x, y, d), but for n_i v_j + n_j v_i.

    `u`: displacement; the gradient of its x and y is X_i e_j + f_i X_j + (i = j) `level`, that of its third
    component the row `down`.
    """

    u: list[Number]
    e: list[Number]
    f: list[Number]
    level: Number
    down: list[Number]


def part_a(at, slip, m):
    """u_A as seen from the source itself."""
    p3, p4 = slip.potency[2:]
    ball = m.a1 * (p3 - p4)
    p = m.a2 * at.three
    level, tilt = p * at.q + ball * at.r3, m.a1 * at.three
    fall = (m.a2 * at.fifteen) * at.q + ball * at.three
    d, g_d = at.place[2], at.g[2]
    e = [p * g - fall * x for x, g in zip(at.place, at.g, strict=True)]
    of_x, of_g = d * fall + tilt * g_d, d * p
    down = [of_g * g - of_x * x for x, g in zip(at.place, at.g, strict=True)]
    down[2] = down[2] + level
    u = [x * level + (m.a1 * at.r3) * g for x, g in zip(at.place, at.g, strict=True)]
    return Products(u, e, [-(tilt * g) for g in at.g[:2]], level, down)


def along(slip):
    """w, and the coefficient of R^-3 in what belongs to it of the third component."""
    p1, p2, p3, p4 = slip.potency
    c2, s2 = slip.cd * slip.cd - slip.sd * slip.sd, 2.0 * (slip.sd * slip.cd)
    return [p1 * slip.cd, p2 * c2 - p3 * s2, p2 * s2 + p3 * c2 + p4], p4 - slip.cd * slip.v[2]


def image(at, slip, m, c, z):
    """u_A, the terms of u_B with q / R^5, and z u_C; and u_C + z du_C/dz at a fixed place of the image."""
    x, y, d = at.place
    p1, _, p3, p4 = slip.potency
    w, still = along(slip)
    omega = w[0] * x + w[1] * y + w[2] * d
    # the quadratic form of the third component, and its gradient
    form = p4 * (d * d) + slip.sd * (x * (p1 * y - slip.v[1] * x))
    slopes = [slip.sd * (p1 * y - 2.0 * (slip.v[1] * x)), (slip.sd * p1) * x, 2.0 * (p4 * d)]
    ball, level = m.a1 * (p3 - p4) + m.b * p4, m.a2 - m.k
    p, steep = at.three * at.q, at.fifteen * at.q
    z4, z5, p3z = z * m.c4, z * m.c5, p3 * z
    # part C: its mirrored terms, by X and by G, and those along w
    by_x, by_g = c * steep + p3z * at.three, c * at.three
    c_x, c_g, c_w = m.c4 * (at.three * omega) - m.c5 * by_x, m.c5 * by_g, m.c4 * at.r3
    c_d = m.c4 * (still * at.r3 - at.three * form) + m.c5 * (d * by_x - by_g * at.g[2])
    part_c = [*(v * c_x + c_g * g - c_w * wi for v, g, wi in zip((x, y), at.g, w, strict=False)), c_d]
    sphere, down = ball * at.r3, m.a2 * d - m.k * c
    side, bottom = level * p + sphere, m.a2 * p + sphere
    a1r3 = m.a1 * at.r3
    u = [v * side + a1r3 * g for v, g in zip((x, y), at.g, strict=False)]
    u.append(down * p + d * sphere + a1r3 * at.g[2])
    u = [a + z * b for a, b in zip(u, part_c, strict=True)]
    # derivatives of R in what stands before G and X
    cross, twice = z5 * (c * at.fifteen), z5 * (7.0 * (at.r2 * (c * steep)) + p3z * at.fifteen)
    fall = ball * at.three
    e1 = twice - (level * steep + fall) - z4 * (at.fifteen * omega)
    e2, e3, tilt = level * at.three - cross, z4 * at.three, m.a1 * at.three
    e = [e1 * v + e2 * g + e3 * wi for v, g, wi in zip(at.place, at.g, w, strict=True)]
    f = [e3 * wi - (tilt + cross) * g for g, wi in zip(at.g, w, strict=False)][:2]
    g1 = (
        z4 * (at.fifteen * form - still * at.three)
        - down * steep
        - d * (fall + twice)
        + (cross - tilt) * at.g[2]
    )
    g2 = down * at.three + d * cross
    row = [g1 * v + g2 * g - e3 * q for v, g, q in zip(at.place, at.g, slopes, strict=True)]
    row[2] = row[2] + (bottom + z5 * by_x)
    drift = (z5 * p3) * at.three
    by_z = [part_c[0] - drift * x, part_c[1] - drift * y, part_c[2] + drift * d]
    return Products(u, e, f, side + z4 * (at.three * omega) - z5 * by_x, row), by_z


def potential(at, slip, factor):
    """Gradient and second derivatives of psi in (x, y, d), times a factor."""
    x, y, d = at.place
    p1, v = factor * slip.v[0], factor * slip.v[1]
    s = 1.0 / (at.dist + d)
    rs = at.r * s
    xx, xy = x * x, x * y
    f2 = rs * s
    h2 = -(at.r2 * at.r) * (2.0 * at.dist + d) * (s * s)
    f3 = -at.r3 * (3.0 * at.dist + d) * (s * s * s)
    common = at.r5 * (s * s * s)
    h3 = common * (8.0 * (at.dist * at.dist) + d * (9.0 * at.dist + 3.0 * d))
    f4 = (3.0 * (common * s)) * (5.0 * (at.dist * at.dist) + d * (4.0 * at.dist + d))
    i1, i2 = y * (f2 + xx * f3), x * (f2 + (y * y) * f3)
    gradient = [v * (x * at.r3 - i2) - p1 * i1, v * i1 - p1 * i2, v * (rs + xx * h2) - p1 * (xy * h2)]
    xxxy = xy * (3.0 * f3 + xx * f4)
    xxyy = f2 + (xx + y * y) * f3 + (xy * xy) * f4
    xxxd, xxyd = x * (3.0 * h2 + xx * h3), y * (h2 + xx * h3)
    r_xy, r_xd = at.three * xy, at.three * (x * d)
    dd = v * (at.three * xx - at.r3) - p1 * r_xy
    yy = v * xxyy + p1 * (xxxy + r_xy)
    xy_ = v * xxxy - p1 * xxyy
    xd, yd = v * xxxd - p1 * xxyd, v * xxyd + p1 * (xxxd + r_xd)
    return gradient, [[-(yy + dd), xy_, xd], [xy_, yy, yd], [xd, yd, dd]]


def crossed(slip, side, bottom, side_z, bottom_z):
    """n_i v_j + n_j v_i times numbers: of the first two components and the third with x, y; with z."""
    xy, xd = slip.sd * slip.v[0], -(slip.cd * slip.v[0])
    yy, yd, dd = (
        2.0 * (slip.sd * slip.v[1]),
        slip.sd * slip.v[2] - slip.cd * slip.v[1],
        -2.0 * (slip.cd * slip.v[2]),
    )
    return [
        [None, side * xy, side_z * xd],
        [side * xy, side * yy, side_z * yd],
        [bottom * xd, bottom * yd, bottom_z * dd],
    ]


@scalar
def point_gradient(x, y, z, c, sd, cd, potency, m):
    """Displacement (3) of `formula.point` and its derivatives with x (3), y (3) and z (3)."""
    m = Elastic(*m)
    slip, horizontal = slip_of(sd, cd, potency), x * x + y * y
    here, there = image_of(x, y, c + z, horizontal, slip), image_of(x, y, c - z, horizontal, slip)
    real, (below, by_z) = part_a(here, slip, m), image(there, slip, m, c, z)
    logs, curved = potential(there, slip, m.b * sd)
    u = [a + log - b for a, log, b in zip(below.u, logs, real.u, strict=True)]
    e = [a - b for a, b in zip(below.e[:2], real.e[:2], strict=True)]
    f = [a - b for a, b in zip(below.f, real.f, strict=True)]
    e_z = below.e[2] + real.e[2]
    rows = []
    for i, place in enumerate((x, y)):
        row = [place * e[0] + f[i] * x + curved[i][0], place * e[1] + f[i] * y + curved[i][1]]
        row[i] = row[i] + (below.level - real.level)
        tilt = below.f[i] * there.place[2] + real.f[i] * here.place[2]
        rows.append([*row, by_z[i] - (place * e_z + tilt) - curved[i][2]])
    down = [a + log - b for a, log, b in zip(below.down, curved[2], real.down, strict=True)]
    rows.append([down[0], down[1], by_z[2] - (below.down[2] + real.down[2]) - curved[2][2]])
    far, near, mirror = m.a1 * there.r3, m.a1 * here.r3, (z * m.c5) * (c * there.three)
    twist = crossed(
        slip, far + mirror - near, far - mirror - near, -(far + mirror) - near, mirror - far - near
    )
    rows = [
        [a if b is None else a + b for a, b in zip(row, more, strict=True)]
        for row, more in zip(rows, twist, strict=True)
    ]
    return (*u, *(row[j] for j in range(3) for row in rows))


@scalar
def surface_gradient(x, y, c, sd, cd, potency, m):
    """Displacement (3) of `formula.point_surface` and its derivatives with x (3) and y (3)."""
    m = Elastic(*m)
    slip = slip_of(sd, cd, potency)
    at = image_of(x, y, c, x * x + y * y, slip)
    inflated = m.b * slip.potency[3]
    by_g, by_x = m.k * at.three, inflated * at.three - m.k * (at.fifteen * at.q)
    steep = [by_g * g + by_x * v for v, g in zip(at.place[:2], at.g, strict=False)]
    logs, curved = potential(at, slip, m.b * sd)
    level = inflated * at.r3 - by_g * at.q
    u = [v * level + log for v, log in zip(at.place, logs, strict=True)]
    columns = [[curved[i][j] - at.place[i] * steep[j] for i in range(3)] for j in (0, 1)]
    columns[0][0], columns[1][1] = columns[0][0] + level, columns[1][1] + level
    return (*u, *columns[0], *columns[1])
