"""Motion that explains two images and is smooth: the linear equations of one round, and red-black relaxation.

The energy at a pixel, with the image's noise and a Laplacian prior on the motion's gradient, is

    rho(z + d_x I du + d_y I dv) / n_0 + rho(grad z + H (du, dv)) / n_1 + alpha phi(|grad u|)

with the difference `z` of the images under the present motion, `I` their mean and `H` its second derivatives
(Brox et al. 2004; Papenberg et al. 2006). Unknowns of one colour of a chessboard lie next to each other, with
a rim of one: pixel (r, c) of a plane is at [r + 1, plane, (r + c) % 2, c // 2 + 1].
"""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from ..scalar import maximum, scalar, sqrt
from ..streams import placed

# Planes of the equations.
I11, I12, I22, B1, B2, EAST, SOUTH, U, V = range(9)
PLANES = 9


LINES = 2 * PLANES
PAGE = 4096  # bytes after which places share lines of the fastest cache


def room(height: int, width: int) -> np.ndarray:
    """Planes for the equations of an image; its width must be even."""
    return np.zeros((height + 2, PLANES, 2, pitch(width // 2 + 2)), np.float32)


def pitch(columns: int) -> int:
    """Numbers from one line of a row to the next, so that they do not drive each other out of the cache."""

    def nearest(count: int) -> int:
        places = np.sort(np.arange(LINES) * count * 4 % PAGE)
        return int(np.diff(places, append=places[0] + PAGE).min())

    return max(range(columns, columns + columns // 16 + 16), key=nearest)


# --- formulas ---


@scalar
def compared(a, seen, b, inside):
    """Mean of the images, their difference, and whether both are seen; else the first image alone."""
    both = seen * inside
    z = both * (b - a)
    return a + 0.5 * z, z, both


@scalar
def slope(before2, before, after, after2):
    """Derivative of fourth order."""
    return (8.0 / 12.0) * (after - before) - (1.0 / 12.0) * (after2 - before2)


@scalar
def squares(both, z, zx, zy, weight, bright, steep):
    """Sums with this pixel's weight and weighted squares of the residuals of brightness and gradient."""
    return weight + both, bright + both * z * z, steep + both * (zx * zx + zy * zy)


@scalar
def precision(g2, noise, unsure, square, nu):
    """Weight of one equation: inverse variance of noise and of what false motion makes, cut for outliers."""
    return 1.0 / (noise + unsure * g2 + square * nu)


@scalar
def data(
    gx, gy, hxx, hxy, hyy, zx, zy, z, both, n0, next0, n1, next1, u, v, share, unsure, nu, weight0, weight1
):
    """The data's equations: matrix (11, 12, 22) and right side.

    The variances of the brightness and the gradient residual lie by `share` between `n0` and `next0`, `n1`
    and `next1`. `unsure` is the variance (px²) of the motion that the linear equations do not see, `nu` the
    outlier parameter; `weight0`, `weight1` are the weights of the brightness and the gradient.
    """
    bright, steep = n0 + share * (next0 - n0), n1 + share * (next1 - n1)
    w0 = weight0 * both * precision(gx * gx + gy * gy, bright, unsure, z * z, nu)
    g2 = 0.5 * (hxx * hxx + hyy * hyy) + hxy * hxy
    w1 = weight1 * both * precision(g2, steep, unsure, 0.5 * (zx * zx + zy * zy), nu)
    a11 = w0 * gx * gx + w1 * (hxx * hxx + hxy * hxy)
    a12 = w0 * gx * gy + w1 * hxy * (hxx + hyy)
    a22 = w0 * gy * gy + w1 * (hxy * hxy + hyy * hyy)
    q1 = a11 * u + a12 * v - w0 * gx * z - w1 * (hxx * zx + hxy * zy)
    q2 = a12 * u + a22 * v - w0 * gy * z - w1 * (hxy * zx + hyy * zy)
    return a11, a12, a22, q1, q2


@scalar
def held(a11, a22, q1, q2, u, v, weight):
    """The equations with a spring, `weight` px⁻² strong, towards a motion (u, v)."""
    return a11 + weight, a22 + weight, q1 + weight * u, q2 + weight * v


@scalar
def tie(alpha, du, dv, tu, tv, eps2, tau2):
    """How strongly two neighbours are tied: alpha / |grad|, that gives way where the motion steps."""
    g2 = du * du + dv * dv + 0.0625 * (tu * tu + tv * tv)
    return alpha / (sqrt(g2 + eps2) * (1.0 + g2 * tau2))


@scalar
def east(u1, u1e, v1, v1e, u0, u0e, u2, u2e, v0, v0e, v2, v2e, alpha, eps2, tau2):
    """The tie of a pixel to that at its right: rows above (0), of both (1), and below (2)."""
    return tie(alpha, u1e - u1, v1e - v1, u2 - u0 + u2e - u0e, v2 - v0 + v2e - v0e, eps2, tau2)


@scalar
def south(u1w, u1, u1e, u2w, u2, u2e, v1w, v1, v1e, v2w, v2, v2e, alpha, eps2, tau2):
    """The tie of a pixel to that below it: columns at the left (w), of both, and at the right (e)."""
    return tie(alpha, u2 - u1, v2 - v1, u1e - u1w + u2e - u2w, v1e - v1w + v2e - v2w, eps2, tau2)


@scalar
def pull(b, to_west, to_east, to_south, to_north, w, s, e, low, up):
    """The right side with a prior that pulls towards the shape of a motion `s`, not towards a constant.

    What the prior took from that motion is given back: an iteration of Bregman's.
    """
    return b + to_east * (s - e) + to_west * (s - w) + to_south * (s - low) + to_north * (s - up)


@scalar
def inverse(a11, a12, a22, to_west, to_east, to_south, to_north):
    """Inverse of the matrix with the ties on its diagonal."""
    ties = to_east + to_south + to_west + to_north
    a, d = a11 + ties, a22 + ties
    scale = 1.0 / maximum(a * d - a12 * a12, 1e-30)
    return d * scale, -(a12 * scale), a * scale


@scalar
def update(u, v, i11, i12, i22, b1, b2, e, s, w, n, ul, ur, uu, ud, vl, vr, vu, vd, omega):
    """Over-relaxation of one pixel: ties to the east, south, west and north and its neighbours' motion."""
    p = b1 + e * ur + w * ul + n * uu + s * ud
    q = b2 + e * vr + w * vl + n * vu + s * vd
    return u + omega * (i11 * p + i12 * q - u), v + omega * (i12 * p + i22 * q - v)


HERE, PAIR, TRIPLE = (0,), (0, 1), (0, 1, 2)
relaxed = placed(update, *((HERE,) * 11), PAIR, HERE, HERE, PAIR, HERE, HERE)


# --- relaxation ---


@kernel
def relax(flat, n, colour, omega, begin, end, left, right):
    """Over-relaxation of one colour, rows from `begin` to before `end`, its pixels `left` to before `right`.

    `flat` are the planes of the equations as one row, whose lines are `n` apart.
    """
    count = right - left
    if count <= 0:
        return
    row = LINES * n
    for r in range(begin, end):
        k = (r + colour) & 1
        a = (r + 1) * row + colour * n + left + 1
        b = (r + 1) * row + (1 - colour) * n + left + 1
        u, v, beside = a + 2 * U * n, a + 2 * V * n, b + k - 1
        here = (u, v, a + 2 * I11 * n, a + 2 * I12 * n, a + 2 * I22 * n, a + 2 * B1 * n, a + 2 * B2 * n)
        ties = (a + 2 * EAST * n, a + 2 * SOUTH * n, beside + 2 * EAST * n, b - row + 2 * SOUTH * n)
        right = (beside + 2 * U * n, b - row + 2 * U * n, b + row + 2 * U * n)
        down = (beside + 2 * V * n, b - row + 2 * V * n, b + row + 2 * V * n)
        relaxed(flat, (u, v), flat, here + ties + right + down, (omega,), count)


@kernel
def wave(out, sweeps, omega, first, end, cut_top, cut_bottom):
    """Relaxations of alternating colours in one passage over rows from `first` to before `end`.

    Each row is taken up again as soon as its neighbours allow it, while it is in the cache; the result is
    that of one `relax` after another. At a cut, beyond which rows wait, each ends one row earlier.
    """
    flat, n = out.reshape(-1), out.shape[3]
    for r in range(first, end + sweeps):
        for s in range(sweeps):
            row = r - s
            low, high = first + (s if cut_top else 0), end - (s if cut_bottom else 0)
            if low <= row < high:
                relax(flat, n, s % 2, omega, row, row + 1, 0, n - 2)


@kernel
def mend(out, sweeps, omega, cut):
    """The relaxations that two waves left out on both sides of row `cut`."""
    flat, n = out.reshape(-1), out.shape[3]
    for s in range(1, sweeps):
        relax(flat, n, s % 2, omega, cut - s, cut + s, 0, n - 2)


@kernel
def unpack(out, u, v, begin, end):
    """The motion back into planes."""
    n = u.shape[1]
    for r in range(begin, end):
        for colour in range(2):
            first = (r + colour) & 1
            for j in range(n // 2):
                u[r, 2 * j + first] = out[r + 1, U, colour, j + 1]
                v[r, 2 * j + first] = out[r + 1, V, colour, j + 1]
