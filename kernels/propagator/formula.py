"""Plane P-SV and SH waves in one homogeneous layer, and the response of a stack to a jump at the source.

Motion-stress vectors are (U, V, P, S) and (W, T) of O'Toole & Woodhouse (2011) and O'Toole, Valentine &
Woodhouse (2012, appendix), z up; k is the horizontal wavenumber (rad/km), w = rho omega². Formulas are in
*sheared* coordinates P - 2 mu k V, S - 2 mu k U, in which nothing is divided by omega²: they hold at every
frequency, zero included. Two independent P-SV solutions are carried as the 2x2 minors (12, 13, 14, 23, 34) of
their vectors (Gilbert & Backus 1966; Woodhouse 1980); minor 24 is minus minor 13.

All exponential growth is taken out: functions of a layer are returned times exp(-(x + |a|)), minors times
exp(-2 x), where x and a are the real parts of (zp + zs) h / 2 and (zp - zs) h / 2.
"""

from __future__ import annotations

from typing import NamedTuple

from dislok.kernels.names import Number
from dislok.kernels.scalar import ZERO, absolute, const, maximum

from .complexes import Complex, decaying, hyperbolic, reciprocal, root, sinhc, size, square


class Medium(NamedTuple):
    """A homogeneous elastic solid at one frequency: 1/sigma, 1/mu, mu, w; sigma = lambda + 2 mu."""

    inverse_sigma: Complex
    inverse_mu: Complex
    mu: Complex
    w: Complex


class Slowness(NamedTuple):
    """Vertical wavenumbers zp, zs of a medium at k, and their half sum and half difference."""

    zp: Complex
    zs: Complex
    mean: Complex
    half_difference: Complex


class Vectors(NamedTuple):
    """Functions that carry (U, V, P, S) through a layer, times exp(-(x + |a|))."""

    cp: Complex
    cs: Complex
    xp: Complex
    xs: Complex
    e0: Complex
    e1: Complex
    e2: Complex


class Minors(NamedTuple):
    """Functions that carry the five minors through a layer, times exp(-2 x); `one` is the constant 1."""

    one: Number
    cc: Complex
    xx: Complex
    a: Complex
    b: Complex
    c14: Complex
    c23: Complex
    f1: Complex
    big_l: Complex


def slowness(medium: Medium, k: Complex) -> Slowness:
    """Vertical wavenumbers; their difference is never taken from their values."""
    k2 = square(k)
    zp = root(k2 - medium.w * medium.inverse_sigma)
    zs = root(k2 - medium.w * medium.inverse_mu)
    mean = (zp + zs) * 0.5
    difference = medium.w * (medium.inverse_mu - medium.inverse_sigma) / (mean * 4.0)
    return Slowness(zp, zs, mean, difference)


def layer(medium: Medium, k: Complex, h: Number, sign: Number) -> tuple[Vectors, Minors, Number]:
    """Functions of a layer of thickness `h`, upward (`sign` 1) or downward (-1).

    Returns
    -------
    Vectors, Minors
        Scaled as described at the head of this file.
    number
        x - |a| >= 0, by which the logarithm of the minors' scale exceeds that of the vectors'.
    """
    zp, zs, mean, half = slowness(medium, k)
    s1 = medium.inverse_sigma + medium.inverse_mu
    s2 = medium.inverse_mu - medium.inverse_sigma
    q = s2 / (mean * 2.0)
    inverse_zpzs = reciprocal(zp * zs)
    inverse_zp, inverse_zs = inverse_zpzs * zs, inverse_zpzs * zp
    k2, w = square(k), medium.w

    sh, dh = mean * h, half * h
    slow = ZERO if dh.vanishes else absolute(dh.re)
    decay_d = 1.0 if dh.vanishes else decaying(slow)
    gap = sh.re - slow
    ratio = decaying(gap)
    decay_s = decay_d * ratio
    cosh_s, sinh_s = hyperbolic(sh, decay_s * decay_s)
    cosh_d, sinh_d = hyperbolic(dh, decay_d * decay_d)
    sinhc_d = sinhc(dh, sinh_d, decay_d)

    even, odd = cosh_s * cosh_d, sinh_s * sinh_d
    rise, fall = sinh_s * cosh_d, cosh_s * sinh_d
    qh = q * h
    xp, xs = (rise + fall) * inverse_zp * sign, (rise - fall) * inverse_zs * sign
    dx = q * inverse_zpzs * (sh * cosh_s * sinhc_d - rise) * sign
    dc = sinh_s * qh * sinhc_d
    k2dx = k2 * dx
    vectors = Vectors(
        cp=even + odd,
        cs=even - odd,
        xp=xp,
        xs=xs,
        e0=k * dc,
        e1=k2dx + xs * medium.inverse_mu,
        e2=xp * medium.inverse_sigma - k2dx,
    )

    ratio2 = ratio * ratio
    cosh_2s, sinh_2s = square(cosh_s) + square(sinh_s), cosh_s * sinh_s * 2.0
    cosh_2d = (square(cosh_d) + square(sinh_d)) * ratio2
    sinh_2d = cosh_d * sinh_d * (2.0 * ratio2)
    xx = (cosh_2s - cosh_2d) * inverse_zpzs * 0.5
    b = (sinh_2s + sinh_2d) * inverse_zp * (0.5 * sign)
    a = (sinh_2s - sinh_2d) * inverse_zs * (0.5 * sign)
    big_q = q * inverse_zpzs * (sh * sinhc_d * cosh_d * (2.0 * ratio2) - sinh_2s) * (0.5 * sign)
    g = square(qh * sinhc_d) * (0.5 * ratio2)
    theta = s1 * 0.5 + w * square(q) * 0.5
    k2q = k2 * big_q
    minors = Minors(
        one=decay_s * decay_s,
        cc=(cosh_2s + cosh_2d) * 0.5,
        xx=xx,
        a=a,
        b=b,
        c14=k2q + a * medium.inverse_mu,
        c23=k2q - b * medium.inverse_sigma,
        f1=w * g - theta * xx,
        big_l=xx * (medium.inverse_sigma * medium.inverse_mu + k2 * square(q)) - k2 * g * 2.0,
    )
    return vectors, minors, gap


def carry_vector(f: Vectors, k: Complex, w: Complex, vector: list[Complex]) -> list[Complex]:
    """(U, V, P, S), sheared, on the other side of a layer."""
    u, v, p, s = vector
    kxp, kxs = k * f.xp, k * f.xs
    return [
        f.cp * u + kxs * v + f.e2 * p + f.e0 * s,
        kxp * u + f.cs * v - f.e0 * p + f.e1 * s,
        f.cp * p - kxp * s - w * f.xp * u,
        f.cs * s - kxs * p - w * f.xs * v,
    ]


def carry_minors(f: Minors, z: Slowness, k: Complex, w: Complex, minors: list[Complex]) -> list[Complex]:
    """The minors (12, 13, 14, 23, 34), sheared, on the other side of a layer."""
    m12, m13, m14, m23, m34 = minors
    outer = w * f.f1 + f.one
    ka, kb, kf1, kxx = k * f.a, k * f.b, k * f.f1, k * f.xx
    wa, wb, wkxx = w * f.a, w * f.b, w * kxx
    return [
        outer * m12 + kf1 * m13 * 2.0 + f.c14 * m14 + f.c23 * m23 + f.big_l * m34,
        wkxx * m12 + (k * kxx * 2.0 + f.one) * m13 - kb * m14 + ka * m23 + kf1 * m34,
        f.cc * m14 - wa * m12 - ka * m13 * 2.0 - square(z.zp) * f.xx * m23 - f.c23 * m34,
        wb * m12 + kb * m13 * 2.0 - square(z.zs) * f.xx * m14 + f.cc * m23 - f.c14 * m34,
        square(w) * f.xx * m12 + wkxx * m13 * 2.0 - wb * m14 + wa * m23 + outer * m34,
    ]


def carry_sh(
    medium: Medium, zs: Complex, k: Complex, h: Number, sign: Number, vector: list[Complex]
) -> tuple[list[Complex], Number]:
    """(W, T) on the other side of a layer times exp(-Re zs h), and that exponent."""
    x = zs * h
    decay = decaying(x.re)
    cosh, sinh = hyperbolic(x, decay * decay)
    xs = sinh / zs * sign
    w, t = vector
    stiffness = medium.mu * square(zs)
    return [cosh * w + xs * medium.inverse_mu * t, stiffness * xs * w + cosh * t], x.re


def shear_vector(d: Complex, vector: list[Complex]) -> list[Complex]:
    """A vector in the coordinates of another modulus: ``d = 2 k (mu of the old - mu of the new)``."""
    u, v, p, s = vector
    return [u, v, p + d * v, s + d * u]


def shear_minors(d: Complex, minors: list[Complex]) -> list[Complex]:
    """Minors in the coordinates of another modulus: ``d = 2 k (mu of the old - mu of the new)``."""
    m12, m13, m14, m23, m34 = minors
    dm12 = d * m12
    return [m12, m13 + dm12, m14, m23, m34 - d * (m13 * 2.0 + dm12)]


def half_space(medium: Medium, k: Complex) -> tuple[list[Complex], list[Complex]]:
    """Minors and (W, T) of the waves that decay downwards, at the top of a half-space; sheared."""
    z = slowness(medium, k)
    k2 = square(k)
    ratio = medium.mu * medium.inverse_sigma
    xi = (medium.w * medium.inverse_sigma - k2 * (ratio + 1.0)) * medium.inverse_mu / (k2 + z.zp * z.zs)
    return [xi, k, -z.zp, z.zs, medium.w], [unit(k), medium.mu * z.zs]


def unit(like: Complex) -> Complex:
    """The number one, of the same kind."""
    return Complex(const(1.0, like.re))


def free_surface(k: Complex) -> tuple[list[Complex], list[Complex]]:
    """Minors and (W, T) at a free surface."""
    zero = Complex(const(0.0, k.re))
    return [unit(k), zero, zero, zero, zero], [unit(k), zero]


def sea_floor(
    k: Complex, inverse_sigma: Complex, w: Complex, depth: Number
) -> tuple[list[Complex], list[Complex]]:
    """Minors and (W, T) under a fluid layer of thickness `depth`; in the static limit a free surface."""
    minors, sh = free_surface(k)
    if w.vanishes:
        return minors, sh
    zf = root(square(k) - w * inverse_sigma)
    x = zf * depth
    decay = decaying(x.re)
    cosh, sinh = hyperbolic(x, decay * decay)
    minors[3] = -(w / zf * (sinh / cosh))
    return minors, sh


def receiver_vectors(minors: list[Complex]) -> tuple[list[Complex], list[Complex]]:
    """The solutions whose products with a jump give U and V at the receiver; minors not sheared there."""
    m12, m13, m14, m23, _ = minors
    zero = Complex(const(0.0, m12.re))
    return [zero, m12, m13, m14], [-m12, zero, m23, -m13]


def response_rows(
    carried: list[Complex], other: list[Complex], vector: list[Complex], mu: Complex, k: Complex
) -> list[Complex]:
    """Response to a jump (sU, sV, sP, sS) at the source, as a row of four.

    Parameters
    ----------
    carried, other : list of 5 Complex
        Minors at the source, sheared, from the receiver's side and from the other one.
    vector : list of 4 Complex
        One of `receiver_vectors`, carried to the source.
    """
    l12, l13, l14, l23, l34 = other
    u12, u13, u14, u23, u34 = carried
    delta = l12 * u34 + l13 * u13 * 2.0 + l14 * u23 + l23 * u14 + l34 * u12
    j1, j2, j3, j4 = vector[2], vector[3], -vector[0], -vector[1]
    p1 = l12 * j2 + l13 * j3 + l14 * j4
    p2 = l23 * j3 - l12 * j1 - l13 * j4
    p3 = l34 * j4 - l13 * j1 - l23 * j2
    p4 = l13 * j2 - l14 * j1 - l34 * j3
    shear = mu * k * 2.0
    scale = reciprocal(delta)
    rows = [-p3 - shear * p2, -p4 - shear * p1, p1, p2]
    return [row * scale for row in rows]


def response_sh(carried: list[Complex], other: list[Complex], receiver: Complex) -> list[Complex]:
    """Response W to a jump (sW, sT) at the source; `receiver` is the carried W at the receiver."""
    wl, tl = other
    wu, tu = carried
    scale = receiver / (wl * tu - tl * wu)
    return [-(tl * scale), wl * scale]


def moved_deeper(medium: Medium, k: Complex, rows: list[Complex]) -> list[Complex]:
    """The derivative of `response_rows` with the depth of the source (O'Toole et al. 2012, A34-A38).

    The jump s that a source makes changes with its depth by A s, A being the matrix of the equations of
    motion in the source's layer; the row for the changed jump is the row times A.
    """
    hu, hv, hp, hs = rows
    sigma, mu, w = medium.inverse_sigma, medium.mu, medium.w
    k_lambda = k * (1.0 - mu * sigma * 2.0)
    gamma = mu * (1.0 - mu * sigma) * 4.0
    return [
        -(k * hv) - w * hp,
        k_lambda * hu + (square(k) * gamma - w) * hs,
        sigma * hu - k_lambda * hs,
        medium.inverse_mu * hv + k * hp,
    ]


def moved_deeper_sh(medium: Medium, k: Complex, row: list[Complex]) -> list[Complex]:
    """The derivative of `response_sh` with the depth of the source."""
    hw, ht = row
    return [(medium.mu * square(k) - medium.w) * ht, medium.inverse_mu * hw]


def largest(numbers: list[Complex]) -> Number:
    """The largest size of complex numbers."""
    sizes = [size(z) for z in numbers]
    result = sizes[0]
    for each in sizes[1:]:
        result = maximum(result, each)
    return result
