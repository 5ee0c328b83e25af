"""Motion that explains two images and is smooth: the linear equations of one round, and red-black relaxation.

The energy at a pixel, with the image's noise and a Laplacian prior on the motion's gradient, is

    rho(z + d_x I du + d_y I dv) / n_0 + rho(grad z + H (du, dv)) / n_1 + alpha phi(|grad u|)

with the difference `z` of the images under the present motion, `I` their mean and `H` its second derivatives
(Brox et al. 2004; Papenberg et al. 2006). Unknowns of one colour of a chessboard lie next to each other, with
a rim of one: pixel (r, c) is at [(r + c) % 2, r + 1, c // 2 + 1].
"""

from __future__ import annotations

import numpy as np

from ..cpu import kernel

# Planes of the equations.
I11, I12, I22, B1, B2, EAST, SOUTH, U, V = range(9)
PLANES = 9


def room(height: int, width: int) -> np.ndarray:
    """Planes for the equations of an image; its width must be even."""
    return np.zeros((PLANES, 2, height + 2, width // 2 + 2), np.float32)


@kernel
def slope_row(plane, row, out_x, out_y):
    """Derivatives along columns and rows, of fourth order inside; the border repeats itself."""
    height, n = plane.shape
    a, b = np.float32(8.0 / 12.0), np.float32(1.0 / 12.0)
    middle = plane[row]
    for c in range(2, n - 2):
        out_x[c] = a * (middle[c + 1] - middle[c - 1]) - b * (middle[c + 2] - middle[c - 2])
    for c in (0, 1, n - 2, n - 1):
        out_x[c] = np.float32(0.5) * (middle[min(c + 1, n - 1)] - middle[max(c - 1, 0)])
    top, up = plane[max(row - 2, 0)], plane[max(row - 1, 0)]
    down, low = plane[min(row + 1, height - 1)], plane[min(row + 2, height - 1)]
    for c in range(n):
        out_y[c] = a * (down[c] - up[c]) - b * (low[c] - top[c])


@kernel
def slopes(plane, out_x, out_y, begin, end):
    """`slope_row` for rows from `begin` to before `end`."""
    for r in range(begin, end):
        slope_row(plane, r, out_x[r], out_y[r])


@kernel
def difference(pre, seen, image, inside, mean, change, begin, end):
    """Mean of the images and their difference, the first image alone where the other shows nothing."""
    half = np.float32(0.5)
    for r in range(begin, end):
        a, s, b, i, m, z = pre[r], seen[r], image[r], inside[r], mean[r], change[r]
        for c in range(a.size):
            both = s[c] * i[c]
            z[c] = both * (b[c] - a[c])
            m[c] = a[c] + half * z[c]


@kernel
def residual(change, cx, cy, seen, inside, noise, begin, end):
    """Weights and weighted squares of the residuals: planes (weight, brightness, gradient)."""
    for r in range(begin, end):
        z, zx, zy, s, i = change[r], cx[r], cy[r], seen[r], inside[r]
        n0, n1, n2 = noise[0, r], noise[1, r], noise[2, r]
        for c in range(z.size):
            both = s[c] * i[c]
            n0[c] = both
            n1[c] = both * z[c] * z[c]
            n2[c] = both * (zx[c] * zx[c] + zy[c] * zy[c])


@kernel
def precision(g2, noise, unsure, square, nu):
    """Weight of one equation: inverse variance of noise and of what false motion makes, cut for outliers."""
    variance = noise + unsure * g2
    return np.float32(1.0) / (variance + square * nu)


@kernel
def equations(mean_x, mean_y, xx, xy, yx, yy, change, cx, cy, both, n0, n1, u, v, settings, out, begin, end):
    """Data part of the equations into planes I11 ... B2 of `out` (the matrix, not yet its inverse).

    `n0`, `n1` are the variances of the brightness and the gradient residual; `settings` holds the variance
    (px²) of the motion that the linear equations do not see, the outlier parameter, and the weights of the
    brightness and the gradient.
    """
    unsure, nu, weight0, weight1 = settings[0], settings[1], settings[2], settings[3]
    half = np.float32(0.5)
    n = change.shape[1]
    for r in range(begin, end):
        for colour in range(2):
            first = (r + colour) & 1
            p11, p12, p22 = out[I11, colour, r + 1], out[I12, colour, r + 1], out[I22, colour, r + 1]
            q1, q2 = out[B1, colour, r + 1], out[B2, colour, r + 1]
            for j in range(n // 2):
                c = 2 * j + first
                gx, gy, z = mean_x[r, c], mean_y[r, c], change[r, c]
                hxx, hyy = xx[r, c], yy[r, c]
                hxy = half * (xy[r, c] + yx[r, c])
                zx, zy = cx[r, c], cy[r, c]
                seen = both[r, c]
                w0 = weight0 * seen * precision(gx * gx + gy * gy, n0[r, c], unsure, z * z, nu)
                g2 = half * (hxx * hxx + hyy * hyy) + hxy * hxy
                w1 = weight1 * seen * precision(g2, n1[r, c], unsure, half * (zx * zx + zy * zy), nu)
                a11 = w0 * gx * gx + w1 * (hxx * hxx + hxy * hxy)
                a12 = w0 * gx * gy + w1 * hxy * (hxx + hyy)
                a22 = w0 * gy * gy + w1 * (hxy * hxy + hyy * hyy)
                p11[j + 1], p12[j + 1], p22[j + 1] = a11, a12, a22
                q1[j + 1] = a11 * u[r, c] + a12 * v[r, c] - w0 * gx * z - w1 * (hxx * zx + hxy * zy)
                q2[j + 1] = a12 * u[r, c] + a22 * v[r, c] - w0 * gy * z - w1 * (hxy * zx + hyy * zy)


@kernel
def attach(field, weight, out, begin, end):
    """Add springs towards a motion (2, h, w), `weight` px⁻² strong, to the equations."""
    n = weight.shape[1]
    for r in range(begin, end):
        for colour in range(2):
            first = (r + colour) & 1
            for j in range(n // 2):
                c = 2 * j + first
                tie = weight[r, c]
                out[I11, colour, r + 1, j + 1] += tie
                out[I22, colour, r + 1, j + 1] += tie
                out[B1, colour, r + 1, j + 1] += tie * field[0, r, c]
                out[B2, colour, r + 1, j + 1] += tie * field[1, r, c]


@kernel
def tie(alpha, du, dv, tu, tv, eps2, tau2):
    """How strongly two neighbours are tied: alpha / |grad|, that gives way where the motion steps."""
    g2 = du * du + dv * dv + np.float32(0.0625) * (tu * tu + tv * tv)
    return alpha / (np.sqrt(g2 + eps2) * (np.float32(1.0) + g2 * tau2))


@kernel
def stiffness(u, v, alpha, eps, tau, out, begin, end):
    """How strongly each pixel is tied to its neighbours at the right and below, planes EAST and SOUTH.

    The tie of a Laplacian prior, alpha / |grad|, that gives way altogether where the motion steps by more
    than `tau`.
    """
    height, n = u.shape
    eps2, tau2 = eps * eps, np.float32(1.0) / (tau * tau)
    east, south = np.empty(n, np.float32), np.empty(n, np.float32)
    for r in range(begin, end):
        up, low = max(r - 1, 0), min(r + 1, height - 1)
        u0, u1, u2, v0, v1, v2, a = u[up], u[r], u[low], v[up], v[r], v[low], alpha[r]
        for c in range(n - 1):
            tu = u2[c] - u0[c] + u2[c + 1] - u0[c + 1]
            tv = v2[c] - v0[c] + v2[c + 1] - v0[c + 1]
            east[c] = tie(a[c], u1[c + 1] - u1[c], v1[c + 1] - v1[c], tu, tv, eps2, tau2)
        for c in range(1, n - 1):
            tu = u1[c + 1] - u1[c - 1] + u2[c + 1] - u2[c - 1]
            tv = v1[c + 1] - v1[c - 1] + v2[c + 1] - v2[c - 1]
            south[c] = tie(a[c], u2[c] - u1[c], v2[c] - v1[c], tu, tv, eps2, tau2)
        for c in (0, n - 1):
            e, w = min(c + 1, n - 1), max(c - 1, 0)
            tu, tv = u1[e] - u1[w] + u2[e] - u2[w], v1[e] - v1[w] + v2[e] - v2[w]
            south[c] = tie(a[c], u2[c] - u1[c], v2[c] - v1[c], tu, tv, eps2, tau2)
        east[n - 1] = np.float32(0.0)
        if r == height - 1:
            south[:] = np.float32(0.0)
        for colour in range(2):
            first = (r + colour) & 1
            right, below = out[EAST, colour, r + 1], out[SOUTH, colour, r + 1]
            for j in range(n // 2):
                right[j + 1] = east[2 * j + first]
                below[j + 1] = south[2 * j + first]


@kernel
def relieve(field, out, begin, end):
    """Let the prior pull towards the shape of a motion (2, h, w), not towards a constant: after `stiffness`.

    What the prior took from that motion is given back: an iteration of Bregman's.
    """
    height, n = field.shape[1], field.shape[2]
    for r in range(begin, end):
        up, low = max(r - 1, 0), min(r + 1, height - 1)
        for colour in range(2):
            first = (r + colour) & 1
            other = 1 - colour
            for j in range(n // 2):
                c = 2 * j + first
                e, w = min(c + 1, n - 1), max(c - 1, 0)
                east, south = out[EAST, colour, r + 1, j + 1], out[SOUTH, colour, r + 1, j + 1]
                west, north = out[EAST, other, r + 1, j + first], out[SOUTH, other, r, j + 1]
                for k in range(2):
                    u = field[k]
                    pull = east * (u[r, c] - u[r, e]) + west * (u[r, c] - u[r, w])
                    pull += south * (u[r, c] - u[low, c]) + north * (u[r, c] - u[up, c])
                    out[B1 + k, colour, r + 1, j + 1] += pull


@kernel
def invert(out, u, v, begin, end):
    """Add the ties to the matrices, replace those by their inverses, and start from (u, v)."""
    n = u.shape[1]
    for r in range(begin, end):
        for colour in range(2):
            first = (r + colour) & 1
            other = 1 - colour
            p11, p12, p22 = out[I11, colour, r + 1], out[I12, colour, r + 1], out[I22, colour, r + 1]
            for j in range(1, n // 2 + 1):
                tie = out[EAST, colour, r + 1, j] + out[SOUTH, colour, r + 1, j]
                tie += out[EAST, other, r + 1, j - 1 + first] + out[SOUTH, other, r, j]
                a, b, d = p11[j] + tie, p12[j], p22[j] + tie
                inverse = np.float32(1.0) / max(a * d - b * b, np.float32(1e-30))
                p11[j], p12[j], p22[j] = d * inverse, -b * inverse, a * inverse
                out[U, colour, r + 1, j] = u[r, 2 * (j - 1) + first]
                out[V, colour, r + 1, j] = v[r, 2 * (j - 1) + first]


@kernel
def relax(out, colour, omega, begin, end):
    """Over-relaxation of one colour, rows from `begin` to before `end`."""
    other = 1 - colour
    n = out.shape[3] - 2
    for r in range(begin, end):
        k = (r + colour) & 1
        i11, i12, i22 = (
            out[I11, colour, r + 1, 1 : n + 1],
            out[I12, colour, r + 1, 1 : n + 1],
            out[I22, colour, r + 1, 1 : n + 1],
        )
        b1, b2 = out[B1, colour, r + 1, 1 : n + 1], out[B2, colour, r + 1, 1 : n + 1]
        we, ws = out[EAST, colour, r + 1, 1 : n + 1], out[SOUTH, colour, r + 1, 1 : n + 1]
        ww, wn = out[EAST, other, r + 1, k : n + k], out[SOUTH, other, r, 1 : n + 1]
        u, v = out[U, colour, r + 1, 1 : n + 1], out[V, colour, r + 1, 1 : n + 1]
        ul, ur = out[U, other, r + 1, k : n + k], out[U, other, r + 1, k + 1 : n + k + 1]
        vl, vr = out[V, other, r + 1, k : n + k], out[V, other, r + 1, k + 1 : n + k + 1]
        uu, ud = out[U, other, r, 1 : n + 1], out[U, other, r + 2, 1 : n + 1]
        vu, vd = out[V, other, r, 1 : n + 1], out[V, other, r + 2, 1 : n + 1]
        for j in range(n):
            p = b1[j] + we[j] * ur[j] + ww[j] * ul[j] + wn[j] * uu[j] + ws[j] * ud[j]
            q = b2[j] + we[j] * vr[j] + ww[j] * vl[j] + wn[j] * vu[j] + ws[j] * vd[j]
            a = i11[j] * p + i12[j] * q
            b = i12[j] * p + i22[j] * q
            u[j] += omega * (a - u[j])
            v[j] += omega * (b - v[j])


@kernel
def wave(out, sweeps, omega, first, end, cut_top, cut_bottom):
    """Relaxations of alternating colours in one passage over rows from `first` to before `end`.

    Each row is taken up again as soon as its neighbours allow it, while it is in the cache; the result is
    that of one `relax` after another. At a cut, beyond which rows wait, each ends one row earlier.
    """
    for r in range(first, end + sweeps):
        for s in range(sweeps):
            row = r - s
            low, high = first + (s if cut_top else 0), end - (s if cut_bottom else 0)
            if low <= row < high:
                relax(out, s % 2, omega, row, row + 1)


@kernel
def mend(out, sweeps, omega, cut):
    """The relaxations that two waves left out on both sides of row `cut`."""
    for s in range(1, sweeps):
        relax(out, s % 2, omega, cut - s, cut + s)


@kernel
def unpack(out, u, v, begin, end):
    """The motion back into planes."""
    n = u.shape[1]
    for r in range(begin, end):
        for colour in range(2):
            first = (r + colour) & 1
            for j in range(n // 2):
                u[r, 2 * j + first] = out[U, colour, r + 1, j + 1]
                v[r, 2 * j + first] = out[V, colour, r + 1, j + 1]


@kernel
def unpack_three(out, planes, begin, end):
    """The data's matrices (11, 12, 22) back into planes (3, h, w), before they are inverted."""
    n = planes.shape[2]
    for r in range(begin, end):
        for colour in range(2):
            first = (r + colour) & 1
            for j in range(n // 2):
                planes[0, r, 2 * j + first] = out[I11, colour, r + 1, j + 1]
                planes[1, r, 2 * j + first] = out[I12, colour, r + 1, j + 1]
                planes[2, r, 2 * j + first] = out[I22, colour, r + 1, j + 1]
