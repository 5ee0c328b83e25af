"""Okada (1992) as published, in high precision: the truth that needs no file.

Displacement of a rectangle from Table 6 with Chinnery's notation, written from the paper and evaluated with
mpmath; nothing here is shared with the package. Derivatives are central differences with a step of 1e-20 at
60 digits, good to about 40 digits. Not for dip exactly 90 degrees, nor exactly on the fault's plane.
"""

from mpmath import atan, cos, log, mp, mpf, pi, radians, sin, sqrt

mp.dps = 60
STEP = mpf(10) ** -20


def corner_a(xi, eta, q, alpha):
    """Part A of the three slips: rows strike, dip, tensile."""
    r = sqrt(xi**2 + eta**2 + q**2)
    x11, y11 = 1 / (r * (r + xi)), 1 / (r * (r + eta))
    theta = atan(xi * eta / (q * r))
    a1, a2 = (1 - alpha) / 2, alpha / 2
    return (
        (theta / 2 + a2 * xi * q * y11, a2 * q / r, a1 * log(r + eta) - a2 * q**2 * y11),
        (a2 * q / r, theta / 2 + a2 * eta * q * x11, a1 * log(r + xi) - a2 * q**2 * x11),
        (
            -a1 * log(r + eta) - a2 * q**2 * y11,
            -a1 * log(r + xi) - a2 * q**2 * x11,
            theta / 2 - a2 * q * (eta * x11 + xi * y11),
        ),
    )


def corner_b(xi, eta, q, alpha, s, c):
    """Part B."""
    r = sqrt(xi**2 + eta**2 + q**2)
    x11, y11 = 1 / (r * (r + xi)), 1 / (r * (r + eta))
    yt, dt = eta * c + q * s, eta * s - q * c
    theta = atan(xi * eta / (q * r))
    x = sqrt(xi**2 + q**2)
    i4 = s / c * xi / (r + dt)
    if xi != 0:
        i4 += 2 / c**2 * atan((eta * (x + q * c) + x * (r + x) * s) / (xi * (r + x) * c))
    i3 = yt / (c * (r + dt)) - (log(r + eta) - s * log(r + dt)) / c**2
    i2 = log(r + dt) + s * i3
    i1 = -xi / (r + dt) * c - i4 * s
    b = (1 - alpha) / alpha
    return (
        (
            -xi * q * y11 - theta - b * i1 * s,
            -q / r + b * yt / (r + dt) * s,
            q**2 * y11 - b * i2 * s,
        ),
        (
            -q / r + b * i3 * s * c,
            -eta * q * x11 - theta - b * xi / (r + dt) * s * c,
            q**2 * x11 + b * i4 * s * c,
        ),
        (
            q**2 * y11 - b * i3 * s**2,
            q**2 * x11 + b * xi / (r + dt) * s**2,
            q * (eta * x11 + xi * y11) - theta - b * i4 * s**2,
        ),
    )


def corner_c(xi, eta, q, z, alpha, s, c):
    """Part C."""
    r = sqrt(xi**2 + eta**2 + q**2)
    x11, y11 = 1 / (r * (r + xi)), 1 / (r * (r + eta))
    x32 = (2 * r + xi) / (r**3 * (r + xi) ** 2)
    y32 = (2 * r + eta) / (r**3 * (r + eta) ** 2)
    yt, dt = eta * c + q * s, eta * s - q * c
    ct, h = dt + z, q * c - z
    z32 = s / r**3 - h * y32
    a, e = 1 - alpha, alpha
    return (
        (
            a * xi * y11 * c - e * xi * q * z32,
            a * (c / r + 2 * q * y11 * s) - e * ct * q / r**3,
            a * q * y11 * c - e * (ct * eta / r**3 - z * y11 + xi**2 * z32),
        ),
        (
            a * c / r - q * y11 * s - e * ct * q / r**3,
            a * yt * x11 - e * ct * eta * q * x32,
            -dt * x11 - xi * y11 * s - e * ct * (x11 - q**2 * x32),
        ),
        (
            -a * (s / r + q * y11 * c) - e * (z * y11 - q**2 * z32),
            a * 2 * xi * y11 * s + dt * x11 - e * ct * (x11 - q**2 * x32),
            a * (yt * x11 + xi * y11 * c) + e * q * (ct * eta * x32 + xi * z32),
        ),
    )


def rectangle(x, y, z, depth, dip, al1, al2, aw1, aw2, slip, nu):
    """Displacement (x along strike, y up dip, z up) for slip (strike, dip, tensile)."""
    x, y, z, depth, dip, al1, al2, aw1, aw2, nu = (
        mpf(v) for v in (x, y, z, depth, dip, al1, al2, aw1, aw2, nu)
    )
    s, c = sin(radians(dip)), cos(radians(dip))
    alpha = 1 / (2 * (1 - nu))
    total = [mpf(0)] * 3
    for al, aw, sign in ((al1, aw1, 1), (al1, aw2, -1), (al2, aw1, -1), (al2, aw2, 1)):
        xi = x - al
        d = depth + z
        real = corner_a(xi, y * c + d * s - aw, y * s - d * c, alpha)
        d = depth - z
        eta, q = y * c + d * s - aw, y * s - d * c
        image = (
            corner_a(xi, eta, q, alpha),
            corner_b(xi, eta, q, alpha, s, c),
            corner_c(xi, eta, q, z, alpha, s, c),
        )
        for k, u in enumerate(slip):
            f = [image[0][k][i] - real[k][i] + image[1][k][i] for i in range(3)]
            g = image[2][k]
            parts = (
                f[0] + z * g[0],
                (f[1] + z * g[1]) * c - (f[2] + z * g[2]) * s,
                (f[1] - z * g[1]) * s + (f[2] - z * g[2]) * c,
            )
            for i in range(3):
                total[i] += sign * mpf(u) / (2 * pi) * parts[i]
    return total


def slope(arguments, k, **keywords):
    """Derivative of `rectangle` with argument number `k`."""
    sides = []
    for sign in (1, -1):
        moved = [mpf(a) for a in arguments]
        moved[k] += sign * STEP
        sides.append(rectangle(*moved, **keywords))
    return [(a - b) / (2 * STEP) for a, b in zip(*sides, strict=True)]
