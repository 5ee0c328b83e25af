// Plane waves in layers and the response to a jump at the source, in CUDA C++: the mathematics of formula.py again,
// written from O'Toole & Woodhouse (2011) and O'Toole, Valentine & Woodhouse (2012) in sheared coordinates.
//
// Vectors are (U, V, P, S), z up; minors (12, 13, 14, 23, 34) with 24 = -13. Exponential growth is taken out: vectors
// come times exp(-|Re (zp + zs)| h / 2 - |Re (zp - zs)| h / 2), minors times exp(-Re (zp + zs) h).
#pragma once

#include "../scalar/scalar.cuh"

namespace dislok {
namespace propagator {

/// A complex number in double precision.
struct Z {
    double re, im;
    DISLOK_FN Z(double r = 0.0, double i = 0.0) : re(r), im(i) {}
};
DISLOK_FN Z operator+(Z a, Z b) { return Z(a.re + b.re, a.im + b.im); }
DISLOK_FN Z operator-(Z a, Z b) { return Z(a.re - b.re, a.im - b.im); }
DISLOK_FN Z operator-(Z a) { return Z(-a.re, -a.im); }
DISLOK_FN Z operator*(Z a, Z b) { return Z(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re); }
DISLOK_FN Z operator*(double a, Z b) { return Z(a * b.re, a * b.im); }
DISLOK_FN Z inverse(Z a) {
    const double d = a.re * a.re + a.im * a.im;
    return Z(a.re / d, -a.im / d);
}
DISLOK_FN Z operator/(Z a, Z b) { return a * inverse(b); }
DISLOK_FN double size(Z a) { return fabs(a.re) + fabs(a.im); }

/// The square root with a positive real part.
DISLOK_FN Z root(Z a) {
    const double length = sqrt(a.re * a.re + a.im * a.im);
    const double large = sqrt(0.5 * (length + fabs(a.re)));
    const double small = large == 0.0 ? 0.0 : 0.5 * a.im / large;
    if (a.re >= 0.0) return Z(large, small);
    return Z(fabs(small), a.im > 0.0 ? large : -large);
}

/// exp(a) times exp(-shift), for a real shift.
DISLOK_FN Z scaled_exp(Z a, double shift) {
    const double e = exp(a.re - shift);
    return Z(e * cos(a.im), e * sin(a.im));
}

/// cosh and sinh times exp(-|Re a|).
struct Hyperbolic {
    Z cosh, sinh;
    DISLOK_FN explicit Hyperbolic(Z a) {
        const double shift = fabs(a.re);
        const Z up = scaled_exp(a, shift), down = scaled_exp(-a, shift);
        cosh = 0.5 * (up + down), sinh = 0.5 * (up - down);
    }
};

/// sinh(a) / a times exp(-|Re a|), from the scaled sinh; a Taylor series near 0.
DISLOK_FN Z sinhc(Z a, Z sinh) {
    const double length2 = a.re * a.re + a.im * a.im;
    if (length2 > 0.1) return sinh / a;
    const Z a2 = a * a;
    Z sum(1.0);
    for (int n = 8; n > 0; --n) sum = Z(1.0) + a2 * sum * Z(1.0 / (2.0 * n * (2.0 * n + 1.0)));
    return exp(-fabs(a.re)) * sum;
}

/// A solid at one frequency, as a row of the table of places gives it.
struct Place {
    double thickness;
    Z inverse_sigma, inverse_mu, mu, w, mu_carried, mu_other;
    DISLOK_FN explicit Place(const double* row)
        : thickness(row[0]), inverse_sigma(row[1], row[2]), inverse_mu(row[3], row[4]), mu(row[5], row[6]),
          w(row[7], row[8]), mu_carried(row[9], row[10]), mu_other(row[11], row[12]) {}
};

/// Vertical wavenumbers; S and D are their half sum and half difference, D not taken from their values.
struct Slowness {
    Z zp, zs, S, D, q;
    DISLOK_FN Slowness(const Place& m, double k) {
        const Z k2(k * k), s2 = m.inverse_mu - m.inverse_sigma;
        zp = root(k2 - m.w * m.inverse_sigma), zs = root(k2 - m.w * m.inverse_mu);
        S = 0.5 * (zp + zs);
        q = s2 / (2.0 * S);
        D = 0.5 * (m.w * q);
    }
};

/// All that carries states through a layer, upward for `sign` 1, downward for -1.
struct Layer {
    Slowness z;
    Z cp, cs, xp, xs, e0, e1, e2;
    Z cc, xx, a, b, c14, c23, f1, l, w;
    double k, one, gap;

    DISLOK_FN Layer(const Place& m, double wavenumber, double sign) : z(m, wavenumber), w(m.w), k(wavenumber) {
        const double h = m.thickness;
        const Z Sh = h * z.S, Dh = h * z.D, k2(k * k), zpzs = z.zp * z.zs;
        const Hyperbolic s(Sh), d(Dh);
        const Z dc = sinhc(Dh, d.sinh);
        gap = fabs(Sh.re) - fabs(Dh.re);
        one = exp(-2.0 * fabs(Sh.re));
        const double shrink = exp(-2.0 * gap);

        cp = s.cosh * d.cosh + s.sinh * d.sinh, cs = s.cosh * d.cosh - s.sinh * d.sinh;
        xp = sign * ((s.sinh * d.cosh + s.cosh * d.sinh) / z.zp);
        xs = sign * ((s.sinh * d.cosh - s.cosh * d.sinh) / z.zs);
        const Z dx = sign * (z.q * (Sh * s.cosh * dc - s.sinh * d.cosh) / zpzs);
        e0 = k * (s.sinh * (h * z.q) * dc);
        e1 = k2 * dx + xs * m.inverse_mu;
        e2 = xp * m.inverse_sigma - k2 * dx;

        const Z cosh2s = s.cosh * s.cosh + s.sinh * s.sinh, sinh2s = 2.0 * (s.sinh * s.cosh);
        const Z cosh2d = shrink * (d.cosh * d.cosh + d.sinh * d.sinh), sinh2d = (2.0 * shrink) * (d.sinh * d.cosh);
        cc = 0.5 * (cosh2s + cosh2d);
        xx = 0.5 * ((cosh2s - cosh2d) / zpzs);
        b = (0.5 * sign) * ((sinh2s + sinh2d) / z.zp);
        a = (0.5 * sign) * ((sinh2s - sinh2d) / z.zs);
        const Z Q = (0.5 * sign) * (z.q * ((2.0 * shrink) * (Sh * dc * d.cosh) - sinh2s) / zpzs);
        const Z G = (0.5 * shrink * h * h) * (z.q * z.q * dc * dc);
        const Z theta = 0.5 * (m.inverse_sigma + m.inverse_mu + w * z.q * z.q);
        c14 = k2 * Q + a * m.inverse_mu, c23 = k2 * Q - b * m.inverse_sigma;
        f1 = w * G - theta * xx;
        l = xx * (m.inverse_sigma * m.inverse_mu + k2 * z.q * z.q) - 2.0 * (k2 * G);
    }

    DISLOK_FN void vector(Z* v) const {
        const Z U = v[0], V = v[1], P = v[2], S = v[3];
        v[0] = cp * U + k * (xs * V) + e2 * P + e0 * S;
        v[1] = k * (xp * U) + cs * V - e0 * P + e1 * S;
        v[2] = cp * P - w * xp * U - k * (xp * S);
        v[3] = cs * S - w * xs * V - k * (xs * P);
    }

    DISLOK_FN void minors(Z* m) const {
        const Z m12 = m[0], m13 = m[1], m14 = m[2], m23 = m[3], m34 = m[4], wf = w * f1 + Z(one);
        m[0] = wf * m12 + (2.0 * k) * (f1 * m13) + c14 * m14 + c23 * m23 + l * m34;
        m[1] = k * (w * xx * m12) + (Z(one) + (2.0 * k * k) * xx) * m13 - k * (b * m14) + k * (a * m23) + k * (f1 * m34);
        m[2] = cc * m14 - w * a * m12 - (2.0 * k) * (a * m13) - z.zp * z.zp * xx * m23 - c23 * m34;
        m[3] = w * b * m12 + (2.0 * k) * (b * m13) - z.zs * z.zs * xx * m14 + cc * m23 - c14 * m34;
        m[4] = w * w * xx * m12 + (2.0 * k) * (w * xx * m13) - w * b * m14 + w * a * m23 + wf * m34;
    }

    /// (W, T), and the exponent that is taken out of them.
    DISLOK_FN double sh(const Place& m, double sign, Z* v) const {
        const Z x = m.thickness * z.zs;
        const Hyperbolic f(x);
        const Z W = v[0], T = v[1], s = sign * f.sinh;
        v[0] = f.cosh * W + s / z.zs * m.inverse_mu * T;
        v[1] = m.mu * z.zs * s * W + f.cosh * T;
        return fabs(x.re);
    }
};

/// Coordinates of another modulus: d = 2 k (mu of the old - mu of the new).
DISLOK_FN void shear_vector(Z d, Z* v) { v[2] = v[2] + d * v[1], v[3] = v[3] + d * v[0]; }
DISLOK_FN void shear_minors(Z d, Z* m) {
    m[4] = m[4] - 2.0 * (d * m[1]) - d * d * m[0];
    m[1] = m[1] + d * m[0];
}

/// Minors and (W, T): of the half-space, under a free surface or under the sea.
enum End { SURFACE = 0, SEA_FLOOR = 1, HALF_SPACE = 2 };
DISLOK_FN void start(int end, const Place& p, double k, Z* m, Z* sh) {
    for (int i = 0; i < 5; ++i) m[i] = Z(0.0);
    m[0] = Z(1.0), sh[0] = Z(1.0), sh[1] = Z(0.0);
    if (end == HALF_SPACE) {
        const Slowness z(p, k);
        const Z k2(k * k);
        m[0] = (p.w * p.inverse_sigma - k2 * (Z(1.0) + p.mu * p.inverse_sigma)) * p.inverse_mu / (k2 + z.zp * z.zs);
        m[1] = Z(k), m[2] = -z.zp, m[3] = z.zs, m[4] = p.w;
        sh[1] = p.mu * z.zs;
    }
    if (end == SEA_FLOOR) {
        const Z zf = root(Z(k * k) - p.w * p.inverse_sigma);
        const Hyperbolic f(p.thickness * zf);
        m[3] = -(p.w / zf * (f.sinh / f.cosh));
    }
}

/// Rows for a jump (sU, sV, sP, sS): the response of the solution `v` at the source.
DISLOK_FN void response(const Z* u, const Z* l, const Z* v, Z mu, double k, Z factor, Z* row) {
    const Z delta = l[0] * u[4] + 2.0 * (l[1] * u[1]) + l[2] * u[3] + l[3] * u[2] + l[4] * u[0];
    const Z j1 = v[2], j2 = v[3], j3 = -v[0], j4 = -v[1], c = factor / delta, shear = (2.0 * k) * mu;
    const Z p1 = l[0] * j2 + l[1] * j3 + l[2] * j4, p2 = l[3] * j3 - l[0] * j1 - l[1] * j4;
    const Z p3 = l[4] * j4 - l[1] * j1 - l[3] * j2, p4 = l[1] * j2 - l[2] * j1 - l[4] * j3;
    row[0] = c * (-p3 - shear * p2), row[1] = c * (-p4 - shear * p1), row[2] = c * p1, row[3] = c * p2;
}

/// A row times the matrix of the equations of motion: the derivative with the source's depth (A34-A38).
DISLOK_FN void deeper(const Place& p, double k, Z* h, Z* sh) {
    const Z lambda = Z(1.0) - 2.0 * (p.mu * p.inverse_sigma), gamma = 4.0 * (p.mu * (Z(1.0) - p.mu * p.inverse_sigma));
    for (int i = 0; i < 2; ++i, h += 4) {
        const Z U = h[0], V = h[1], P = h[2], S = h[3];
        h[0] = -(k * V) - p.w * P;
        h[1] = k * (lambda * U) + ((k * k) * gamma - p.w) * S;
        h[2] = p.inverse_sigma * U - k * (lambda * S);
        h[3] = p.inverse_mu * V + k * P;
    }
    const Z W = sh[0], T = sh[1];
    sh[0] = ((k * k) * p.mu - p.w) * T, sh[1] = p.inverse_mu * W;
}

}  // namespace propagator
}  // namespace dislok
