"""Triangular dislocations as published, in high precision: Nikkhoo & Walter (2015) with mpmath.

Angular dislocations of a full space (their appendix A) and the correction for the free surface (Comninou &
Dundurs 1975, whose symbols it keeps). Nothing here is shared with the package. Derivatives are central
differences. Not exactly on the triangle's sides, on their prolongations, or in its plane.
"""

from mpmath import acos, atan, atan2, cos, log, matrix, mpf, pi, sin, sqrt, tan

STEP = mpf(10) ** -40
ZERO = mpf(0)
TINY = mpf(10) ** -45


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def minus(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def unit(a):
    length = sqrt(dot(a, a))
    return [x / length for x in a]


def added(*vectors):
    return [sum(parts) for parts in zip(*vectors, strict=True)]


def turned(rows, vector):
    """Components of a vector along the rows."""
    return [dot(row, vector) for row in rows]


def back(rows, vector):
    """The vector with these components along the rows."""
    return [sum(row[i] * v for row, v in zip(rows, vector, strict=True)) for i in range(3)]


def axes(triangle):
    """Normal, strike and dip; of a horizontal triangle north is the strike, and of its image south."""
    normal = unit(cross(minus(triangle[1], triangle[0]), minus(triangle[2], triangle[0])))
    strike = cross([ZERO, ZERO, mpf(1)], normal)
    if strike[0] == 0 and strike[1] == 0:
        strike = [ZERO, -normal[2] if triangle[0][2] > 0 else normal[2], ZERO]
    strike = unit(strike)
    return [normal, strike, cross(normal, strike)]


def angular(x, y, z, alpha, b, nu):
    """Displacement of an angular dislocation in a full space."""
    bx, by, bz = b
    c, s, k = cos(alpha), sin(alpha), 1 - 2 * nu
    eta, zeta, r = y * c - z * s, y * s + z * c, sqrt(x * x + y * y + z * z)
    a, e = r - z, r - zeta
    logs = c * log(e) - log(a)
    along_x = (
        x * y / r / a - x * eta / r / e,
        eta * s / e - y * eta / r / e + y * y / r / a + k * logs,
        eta * c / e - y / r - eta * z / r / e - k * s * log(e),
    )
    along_y = (
        x * x * c / r / e - x * x / r / a - k * logs,
        x * (y * c / r / e - s * c / e - y / r / a),
        x * (z * c / r / e - c * c / e + 1 / r),
    )
    along_z = (
        s * (k * log(e) - x * x / r / e),
        x * s * (s / e - y / r / e),
        x * s * (c / e - z / r / e),
    )
    total = zip(along_x, along_y, along_z, strict=True)
    return [(bx * u + by * v + bz * w) / (8 * pi * (1 - nu)) for u, v, w in total]


def corner(place, alpha, b, nu, vertex, side):
    """Displacement, in the triangle's axes, of the angular dislocation at a vertex."""
    rows = ((side[2], -side[1]), (side[1], side[2]))
    y1, z1 = turned(rows, (place[1] - vertex[1], place[2] - vertex[2]))
    u, v, w = angular(place[0], y1, z1, alpha - pi, [b[0], *turned(rows, b[1:])], nu)
    return [u, rows[0][0] * v + rows[1][0] * w, rows[0][1] * v + rows[1][1] * w]


def configuration(y, z, p1, p2, p3):
    """+1 or -1: which angular dislocations avoid their singular lines here."""
    (_, y1, z1), (_, y2, z2), (_, y3, z3) = p1, p2, p3
    size = (z2 - z3) * (y1 - y3) + (y3 - y2) * (z1 - z3)
    a = ((z2 - z3) * (y - y3) + (y3 - y2) * (z - z3)) / size
    b = ((z3 - z1) * (y - y3) + (y1 - y3) * (z - z3)) / size
    c = 1 - a - b
    away = (a <= 0 and b > c > a) or (b <= 0 and c > a > b) or (c <= 0 and a > b > c)
    return -1 if away else 1


def full_space(place, triangle, slip, nu):
    """Displacement (east, north, up) for slip (strike, dip, tensile)."""
    rows = axes(triangle)
    b = [slip[2], slip[0], slip[1]]
    x = turned(rows, minus(place, triangle[1]))
    p = [turned(rows, minus(vertex, triangle[1])) for vertex in triangle]
    e12, e13, e23 = unit(minus(p[1], p[0])), unit(minus(p[2], p[0])), unit(minus(p[2], p[1]))
    angles = acos(dot(e12, e13)), acos(-dot(e12, e23)), acos(dot(e23, e13))
    sign = configuration(x[1], x[2], *p)
    sides = [[-sign * v for v in e13], [sign * v for v in e12], [sign * v for v in e23]]
    parts = [corner(x, angle, b, nu, at, side) for angle, at, side in zip(angles, p, sides, strict=True)]
    r1, r2, r3 = (minus(vertex, x) for vertex in p)
    n1, n2, n3 = (sqrt(dot(r, r)) for r in (r1, r2, r3))
    below = n1 * n2 * n3 + dot(r1, r2) * n3 + dot(r1, r3) * n2 + dot(r2, r3) * n1
    burgers = -2 * atan2(dot(r1, cross(r2, r3)), below) / (4 * pi)
    return back(rows, added(*parts, [v * burgers for v in b]))


def surface_angular(y1, y2, y3, beta, b, nu, a):
    """Correction for the free surface of an angular dislocation whose vertex lies at depth `a`."""
    s, c = sin(beta), cos(beta)
    cot, m, k = c / s, 2 * (1 - nu), 1 - 2 * nu
    y3, h = y3 + 2 * a, y3 + a
    z1, z3, r = y1 * c + y3 * s, y3 * c - y1 * s, sqrt(y1**2 + y2**2 + (y3) ** 2)
    p, q, fi = r + y3, r + z3, 2 * atan(-y2 / (-(r + y3) / tan(beta / 2) + y1))
    along_1 = (
        -m * k * fi * cot**2 + k * y2 / p * ((k - a / r) * cot - y1 / p * (nu + a / r))
        + k * y2 * c * cot / q * (c + a / r) + a * y2 * h * cot / r**3
        + y2 * h / (r * p) * (-k * cot + y1 / p * (2 * nu + a / r) + a * y1 / r**2)
        + y2 * h / (r * q)
        * (c / q * ((r * c + y3) * (k * c - a / r) * cot + m * (r * s - y1) * c) - a * y3 * c * cot / r**2),
        k * ((m * cot**2 - nu) * log(p) - (m * cot**2 + k) * c * log(q))
        - k / p * (y1 * cot * (k - a / r) + nu * y3 - a + y2**2 / p * (nu + a / r))
        - k * z1 * cot / q * (c + a / r) - a * y1 * h * cot / r**3
        + h / p * (-2 * nu + (k * y1 * cot - a) / r + y2**2 / (r * p) * (2 * nu + a / r) + a * y2**2 / r**3)
        + h / q
        * (c**2 - (k * z1 * cot + a * c) / r + a * y3 * z1 * cot / r**3
           - (y2**2 * c**2 - a * z1 * cot / r * (r * c + y3)) / (r * q)),
        m * (k * fi * cot + y2 / p * (2 * nu + a / r) - y2 * c / q * (c + a / r))
        + y2 * h / r * (2 * nu / p + a / r**2)
        + y2 * h * c / (r * q) * (k - (r * c + y3) / q * (c + a / r) - a * y3 / r**2),
    )  # fmt: skip
    along_2 = (
        k * ((m * cot**2 + nu) * log(p) - (m * cot**2 + 1) * c * log(q))
        + k / p * (-k * y1 * cot + nu * y3 - a + a * y1 * cot / r + y1**2 / p * (nu + a / r))
        - k * cot / q * (z1 * c - a * (r * s - y1) / (r * c)) - a * y1 * h * cot / r**3
        + h / p * (2 * nu + (k * y1 * cot + a) / r - y1**2 / (r * p) * (2 * nu + a / r) - a * y1**2 / r**3)
        + h * cot / q
        * (-c * s + a * y1 * y3 / (r**3 * c)
           + (r * s - y1) / r * (m * c - (r * c + y3) / q * (1 + a / (r * c)))),
        m * k * fi * cot**2 + k * y2 / p * (-(k - a / r) * cot + y1 / p * (nu + a / r))
        - k * y2 * cot / q * (1 + a / (r * c)) - a * y2 * h * cot / r**3
        + y2 * h / (r * p) * (k * cot - 2 * nu * y1 / p - a * y1 / r * (1 / r + 1 / p))
        + y2 * h * cot / (r * q) * (-m * c + (r * c + y3) / q * (1 + a / (r * c)) + a * y3 / (r**2 * c)),
        -m * k * cot * (log(p) - c * log(q)) - m * y1 / p * (2 * nu + a / r) + m * z1 / q * (c + a / r)
        + h / r * (k * cot - 2 * nu * y1 / p - a * y1 / r**2)
        - h / q
        * (c * s + (r * c + y3) * cot / r * (m * c - (r * c + y3) / q)
           + a / r * (s - y3 * z1 / r**2 - z1 * (r * c + y3) / (r * q))),
    )  # fmt: skip
    along_3 = (
        k * (y2 / p * (1 + a / r) - y2 * c / q * (c + a / r)) - y2 * h / r * (a / r**2 + 1 / p)
        + y2 * h * c / (r * q) * ((r * c + y3) / q * (c + a / r) + a * y3 / r**2),
        k * (-s * log(q) - y1 / p * (1 + a / r) + z1 / q * (c + a / r)) + y1 * h / r * (a / r**2 + 1 / p)
        - h / q
        * (s * (c - a / r) + z1 / r * (1 + a * y3 / r**2)
           - (y2**2 * c * s - a * z1 / r * (r * c + y3)) / (r * q)),
        m * fi + m * (y2 * s / q * (c + a / r))
        + y2 * h * s / (r * q) * (1 + (r * c + y3) / q * (c + a / r) + a * y3 / r**2),
    )  # fmt: skip
    total = zip(along_1, along_2, along_3, strict=True)
    return [(b[0] * u + b[1] * v + b[2] * w) / (4 * pi * (1 - nu)) for u, v, w in total]


def surface_side(place, b, start, end, nu):
    """Correction for the free surface of one side; a vertical one has none."""
    side = minus(end, start)
    if side[0] == 0 and side[1] == 0:
        return [ZERO] * 3
    # the limit of a horizontal side
    beta = acos(-side[2] / sqrt(dot(side, side))) + (TINY if side[2] == 0 else 0)
    down = [ZERO, ZERO, mpf(-1)]
    along = unit([side[0], side[1], ZERO])
    rows = [along, cross(down, along), down]
    here, far = turned(rows, minus(place, start)), turned(rows, minus(place, end))
    turn = beta - pi if beta * here[0] >= 0 else beta
    of_slip = turned(rows, b)
    parts = [surface_angular(*at, turn, of_slip, nu, -v[2]) for at, v in ((here, start), (far, end))]
    return back(rows, minus(parts[1], parts[0]))


def half_space(place, triangle, slip, nu):
    """Displacement (east, north, up) for slip (strike, dip, tensile) below a free surface at z = 0."""
    b = back(axes(triangle), [slip[2], slip[0], slip[1]])
    p1, p2, p3 = triangle
    image = [[x, y, -z] for x, y, z in triangle]
    sides = [surface_side(place, b, *ends, nu) for ends in ((p1, p2), (p2, p3), (p3, p1))]
    return added(full_space(place, triangle, slip, nu), full_space(place, image, slip, nu), *sides)


def numbers(values):
    """Numbers of mpmath in place of floats, which are exact."""
    return [numbers(v) for v in values] if hasattr(values, "__len__") else mpf(float(values))


def gradient(field, place, *rest):
    """Derivatives with the place: rows by component, columns by coordinate."""
    columns = []
    for k in range(3):
        sides = [field([v + sign * STEP * (i == k) for i, v in enumerate(place)], *rest) for sign in (1, -1)]
        columns.append([(a - b) / (2 * STEP) for a, b in zip(*sides, strict=True)])
    return matrix(columns).T.tolist()
