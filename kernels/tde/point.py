"""The far field of a triangle: points of potency, on scalars of any number type.

The integrand of `formula`: the derivatives of Mindlin's solution in the form of Okada (1992, Bull. Seismol.
Soc. Am. 82, 1018-1040) for a piece of area with the area vector n and the Burgers vector b. All is written in
unit vectors and ratios, so that nothing overflows far away.
"""

from dislok.kernels.scalar import scalar, sqrt

from .formula import QUARTER_TURN, combine, dot, times, times_conjugate


@scalar
def direction(r):
    """Unit vector of r, and 1/|r|."""
    inverse = 1.0 / sqrt(dot(r, r))
    return tuple(inverse * x for x in r), inverse


@scalar
def point_full(e, b, n, shear, normal):
    """Displacement of a point times 4 pi R^2: shear (b n.e + n b.e - b.n e) + 3 normal e b.e n.e."""
    be, ne = dot(b, e), dot(n, e)
    along = 3.0 * normal * be * ne - shear * dot(b, n)
    return [shear * (x * ne + y * be) + along * w for x, y, w in zip(b, n, e, strict=True)]


@scalar
def point_layer(e, b, n):
    """R^2 times the gradient of (b_h.n_h + Re(zeta^2 conj(b_h n_h)))/R."""
    inverse = 1.0 / (1.0 + e[2])
    zeta = (e[0] * inverse, e[1] * inverse)
    v = times_conjugate(zeta, times(b[:2], n[:2]))
    w = v[0] * zeta[0] - v[1] * zeta[1]
    level = b[0] * n[0] + b[1] * n[1] + w
    twice = 2.0 * inverse
    bend = level + twice * w
    return [twice * v[0] - bend * e[0], -(twice * v[1]) - bend * e[1], -(level * e[2]) - 2.0 * w]


@scalar
def point_c(e, b, n, height, alpha):
    """R^3 times part C (times 4 pi), `height` being z/R."""
    be, ne, bn = dot(b, e), dot(n, e), dot(b, n)
    p = be * ne
    shear, normal = 1.0 - alpha, 3.0 * alpha
    twist = b[2] * ne + n[2] * be - bn * e[2]
    depth = normal * (e[2] + height)
    along = normal * height * bn - 3.0 * shear * twist - 5.0 * depth * p
    by_b, by_n = shear * n[2] + depth * ne, shear * b[2] + depth * be
    c = [by_b * x + by_n * y + along * w for x, y, w in zip(b, n, e, strict=True)]
    c[2] = c[2] + normal * p - shear * bn + 2.0 * shear * (3.0 * p - bn)
    return [-2.0 * c[0], -2.0 * c[1], 2.0 * c[2]]


@scalar
def point(r, mirrored, b, n, z, nu):
    """Displacement of a piece of area.

    Parameters
    ----------
    r, mirrored : vector
        Observer minus point; the same of the mirrored observer, None in full space.
    b, n : vector
        Burgers vector, area vector.
    z, nu : number
        Height of the observer (negative), Poisson's ratio.
    """
    alpha = 0.5 / (1.0 - nu)
    e, inverse = direction(r)
    u = point_full(e, scaled(inverse, b), scaled(inverse, n), 1.0 - alpha, alpha)
    if mirrored is not None:
        e, inverse = direction(mirrored)
        b, n = scaled(inverse, b), scaled(inverse, n)
        height = inverse * z
        u = combine(1.0, u, 1.0, point_full(e, b, n, alpha - 1.0, 2.0 - alpha))
        u = combine(1.0, u, 1.0 - 2.0 * nu, point_layer(e, b, n))
        u = combine(1.0, u, height, point_c(e, b, n, height, alpha))
    return [QUARTER_TURN * x for x in u]


@scalar
def scaled(s, a):
    """s a."""
    return tuple(s * x for x in a)
