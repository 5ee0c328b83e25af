// Triangular dislocations in an elastic half-space and full space (Nikkhoo & Walter 2015), for any number type.
//
// By Stokes' theorem the surface integral of the derivatives of Mindlin's solution, in Okada's (1992) form, becomes a
// solid angle and integrals along the three sides, each taken from end to end in closed form. With R from a point of
// the triangle to the observer, t the direction of a side in which R grows, m = R x t, alpha = 1 / (2 (1 - nu)):
//
//   4 pi u = b Omega + sum L t x b + alpha grad B                                    full space
//          + b Omega' + sum L' t x b + (2 - alpha) grad B'                           and half space:
//          + (1 - 2 nu) sum t x (L' b_h + M conj(b_h)) + z C
//
// grad B = sum ((b . m) g - L t x b); L, g, e are the integrals of 1/R, R/R^3, 1/R^3 along a side, M that of
// zeta^2/R with zeta = (R_x + i R_y) / (R + R_z); primes mark the mirrored observer. The sums walk around the
// triangle. Differentiation is left to the number type; where it would lose digits, slopes stand in closed form.
#pragma once

#include "../scalar/scalar.cuh"

namespace dislok {
namespace tde {

using ::atan2;
using ::fabs;
using ::fma;
using ::log1p;

// ------------------------------------------------------------------------------------------- numbers

/// The value and N partial derivatives to order K; a plain real where there is nothing to differentiate.
template <class T, int N, int K> struct Number {
    using type = Jet<T, N, K>;
};
template <class T, int N> struct Number<T, N, 0> {
    using type = T;
};
template <class T, int K> struct Number<T, 0, K> {
    using type = T;
};
template <class T> struct Number<T, 0, 0> {
    using type = T;
};
template <class T, int N, int K> using number_t = typename Number<T, N, K>::type;

template <class T, int N, int K> DISLOK_FN Jet<T, N, K> log1p(const Jet<T, N, K>& x) {
    const T r = T(1) / (T(1) + x.v());
    return compose(x, log1p(x.v()), r, -r * r, 2 * r * r * r);
}

/// Adds g dx to the derivatives of `out`.
template <class T> DISLOK_FN void follow(T&, T, T) {}
template <class T, int N, int K>
DISLOK_FN void follow(Jet<T, N, K>& out, const Jet<T, N, K>& g, const Jet<T, N, K>& x) {
    add_differential(out, g, x);
}

template <class J> struct Vector {
    J x, y, z;
    friend DISLOK_FN Vector operator+(const Vector& a, const Vector& b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
    friend DISLOK_FN Vector operator-(const Vector& a, const Vector& b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
    friend DISLOK_FN Vector operator*(const J& s, const Vector& a) { return {s * a.x, s * a.y, s * a.z}; }
};
template <class J> DISLOK_FN J dot(const Vector<J>& a, const Vector<J>& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
template <class J> DISLOK_FN Vector<J> cross(const Vector<J>& a, const Vector<J>& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
template <class J> DISLOK_FN Vector<scalar_t<J>> value(const Vector<J>& a) {
    return {dislok::value(a.x), dislok::value(a.y), dislok::value(a.z)};
}
template <class J, class T> DISLOK_FN Vector<J> with_value(const Vector<J>& a, const Vector<T>& v) {
    return {dislok::with_value(a.x, v.x), dislok::with_value(a.y, v.y), dislok::with_value(a.z, v.z)};
}
/// A plain factor times a vector: cheaper than with a factor of the vector's number type.
template <class J> DISLOK_FN Vector<J> times(scalar_t<J> s, const Vector<J>& a) { return {s * a.x, s * a.y, s * a.z}; }
template <class J> DISLOK_FN Vector<J> negative(const Vector<J>& a) { return {-a.x, -a.y, -a.z}; }

template <class J> struct Complex {
    J re, im;
    friend DISLOK_FN Complex operator+(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
    friend DISLOK_FN Complex operator-(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }
    friend DISLOK_FN Complex operator*(const J& s, const Complex& a) { return {s * a.re, s * a.im}; }
    friend DISLOK_FN Complex operator*(const Complex& a, const Complex& b) {
        return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    }
    friend DISLOK_FN Complex operator/(const Complex& a, const Complex& b) {
        const J size = inverse(b.re * b.re + b.im * b.im);
        return size * (a * conj(b));
    }
    friend DISLOK_FN Complex conj(const Complex& a) { return {a.re, -a.im}; }
};

template <class J> DISLOK_FN Complex<J> times(scalar_t<J> s, const Complex<J>& a) { return {s * a.re, s * a.im}; }

// ---------------------------------------------------------------------------------------------- sides

/// A side of the triangle as an observer sees it; in the direction t, which does not descend, R grows from a to b.
template <class J> struct Side {
    using T = scalar_t<J>;
    T walk;  // 1 where a comes before b in a walk around the triangle, else -1
    Vector<J> a, b, t;
    J length, ra, rb, ia, ib;  // distances R of the ends and their reciprocals
    Vector<J> m, w, g;         // w is the sum of the ends' unit vectors
    J perimeter, d, kappa, e, log;  // kappa = length / d, d = R_a R_b + R_a . R_b

    /// `edge` runs from the first to the second vertex, which the observer sees at `first` and `second`; of a distance
    /// below `blur` no digit is known, and the field is not a number.
    DISLOK_FN static Side of(const Vector<J>& first, const Vector<J>& second, const Vector<J>& edge, T blur) {
        Side s;
        const bool descends = dislok::value(edge.z) <= 0;
        s.walk = descends ? T(1) : T(-1);
        s.a = descends ? first : second;
        s.b = descends ? second : first;
        s.length = sqrt(dot(edge, edge));
        s.t = (-s.walk * inverse(s.length)) * edge;
        s.ra = sqrt(dot(s.a, s.a));
        s.rb = sqrt(dot(s.b, s.b));
        s.ia = inverse(s.ra);
        s.ib = inverse(s.rb);
        s.integrate(blur);
        return s;
    }
    DISLOK_FN void integrate(T blur) {
        m = cross(dislok::value(ra) < dislok::value(rb) ? a : b, t);
        const J product = ra * rb, facing = dot(a, b);
        const J square = dot(m, m);
        const bool on_side = dislok::value(square) <= blur * blur;
        // where the observer looks at the side from nearby, the two cancel
        if (dislok::value(facing) >= 0)
            d = product + facing;
        else
            d = on_side ? J(T(0)) : length * length * square / (product - facing);
        perimeter = ra + rb;
        kappa = length / d;
        w = ia * a + ib * b;
        g = kappa * w;
        e = kappa * (ia + ib);
        log = log1p(kappa * (perimeter + length));
    }
};

/// Solid angle of the triangle, positive where the area vector points; 2 pi inside it, by rounding or exactly.
///
/// Van Oosterom & Strackee (1983); `area` is twice the area vector, `noise` what rounding makes of the height.
template <class J, class T>
DISLOK_FN J solid_angle(const Side<J> (&sides)[3], const Vector<J> (&places)[3], const Vector<T>& area, T noise) {
    const Vector<T> p = value(places[0]), q = value(places[1]), r = value(places[2]);
    const T dp = sqrt(dot(p, p)), dq = sqrt(dot(q, q)), dr = sqrt(dot(r, r));
    const Vector<T> closest = dr < dp && dr < dq ? r : dp < dq ? p : q;
    T height = dot(area, closest);
    if (fabs(height) <= noise) height = T(0);
    const T below = dp * dq * dr + dot(p, q) * dr + dot(q, r) * dp + dot(p, r) * dq;
    J omega = J(2 * atan2(height, below));
    DISLOK_ROLLED
    for (int k = 0; k < 3; ++k) {
        const Side<J>& s = sides[k];
        const J fa = -s.walk * (s.kappa * s.ia), fb = -s.walk * (s.kappa * s.ib);
        follow(omega, fa * s.m.x, s.a.x), follow(omega, fa * s.m.y, s.a.y), follow(omega, fa * s.m.z, s.a.z);
        follow(omega, fb * s.m.x, s.b.x), follow(omega, fb * s.m.y, s.b.y), follow(omega, fb * s.m.z, s.b.z);
    }
    return omega;
}

// -------------------------------------------------------- the integral of zeta^2 / R along a side

/// (atanh(x) / x - 1) / x^2 in powers of z = x^2, |z| < 1/8.
template <class J> DISLOK_FN Complex<J> arc_tail(const Complex<J>& z) {
    using T = scalar_t<J>;
    constexpr int terms = sizeof(T) == 8 ? 19 : 9;
    Complex<J> sum = {J(T(1) / T(2 * terms + 1)), J(T(0))};
    DISLOK_ROLLED
    for (int k = terms - 2; k >= 0; --k) {
        sum = sum * z;
        sum.re = sum.re + T(1) / T(2 * k + 3);
    }
    return sum;
}

/// M of a side that the observer sees from above.
///
/// From the projections zeta of the ends and s of the side's direction, delta = zeta_b - zeta_a, and
/// f = ln((1 + conj(s) zeta_b) / (1 + conj(s) zeta_a)):  M = s^2 (L - f) + (f - conj(s) delta) / conj(s)^2 - s delta.
/// With f = 2 atanh(q / 2) the part of f behind q is taken without cancellation.
template <class J> DISLOK_FN Complex<J> projected(const Side<J>& side) {
    using T = scalar_t<J>;
    // a gentle side is followed in the direction in which the observer lies
    const bool back = dislok::value(side.t.z) < T(0.5) && dislok::value(dot(side.t, side.a + side.b)) < 0;
    const Vector<J> a = back ? side.b : side.a, b = back ? side.a : side.b, t = back ? negative(side.t) : side.t;
    const J far_a = (back ? side.rb : side.ra) + a.z, far_b = (back ? side.ra : side.rb) + b.z;
    const J growth = t.z + dot(t, a + b) / side.perimeter;
    const J rise = inverse(T(1) + t.z), by_far = inverse(far_a);
    const Complex<J> s = {t.x * rise, t.y * rise}, zeta = {a.x * by_far, a.y * by_far};
    const J step = side.length / far_b;
    const Complex<J> delta = {step * (t.x - zeta.re * growth), step * (t.y - zeta.im * growth)};
    const Complex<J> middle = {zeta.re + T(0.5) * delta.re, zeta.im + T(0.5) * delta.im};
    Complex<J> base = middle * conj(s);
    base.re = base.re + T(1);
    const Complex<J> d = delta / base, q = d * conj(s), z = times(T(0.25), q * q);
    const T zr = dislok::value(z.re), zi = dislok::value(z.im);
    Complex<J> rest, third;  // f - q, and 4 (f - q) / conj(s)^2
    if (zr * zr + zi * zi < T(1) / T(64)) {
        const Complex<J> r = d * d * d * arc_tail(z);
        third = r * conj(s);
        rest = times(T(0.25), third * conj(s) * conj(s));
    } else {
        const T la = dislok::value(side.length), ga = dislok::value(growth), ta = dislok::value(t.z);
        const Complex<T> sv = {dislok::value(s.re), dislok::value(s.im)};
        const Complex<T> ah = {dislok::value(a.x), dislok::value(a.y)}, bh = {dislok::value(b.x), dislok::value(b.y)};
        Complex<T> pa = ah * conj(sv), pb = bh * conj(sv);
        const T across = pa.im;
        pa.re += dislok::value(far_a), pb.re += dislok::value(far_b);
        const T modulus = T(0.5) * (dislok::value(side.log) - log1p(la * ga / dislok::value(far_a)));
        const T angle = -atan2(across * la * (T(1) + ga - ta), pb.re * pa.re + pb.im * pa.im);
        rest = {J(modulus - dislok::value(q.re)), J(angle - dislok::value(q.im))};
        Complex<J> left = {T(1) - z.re, -z.im};
        const Complex<J> slope = z / left;
        follow(rest.re, slope.re, q.re), follow(rest.re, -slope.im, q.im);
        follow(rest.im, slope.im, q.re), follow(rest.im, slope.re, q.im);
        third = times(T(4), rest) / (conj(s) * conj(s));
    }
    const Complex<J> log = {side.log, J(T(0))};
    return s * s * (log - q - rest) + times(T(0.25), third) - middle * d - s * delta;
}

// ---------------------------------------------------------------------------------------- closed form

/// Elastic constants as factors of the field's parts; those of the derivative with nu give that derivative.
template <class J> struct Medium {
    J one, alpha, layer;  // 1, 1 / (2 (1 - nu)), 1 - 2 nu
    DISLOK_FN static Medium of(const J& nu) {
        using T = scalar_t<J>;
        return {J(T(1)), inverse(T(2) - T(2) * nu), T(1) - T(2) * nu};
    }
};

/// One triangle and one observer, or the mirrored one: what of the field does not depend on the slip.
template <class J> struct Sight {
    Side<J> sides[3];
    J omega;

    template <class T>
    DISLOK_FN static Sight of(const Vector<J> (&places)[3], const Vector<J> (&edges)[3], const Vector<T>& area, T noise,
                              T blur) {
        Sight out;
        DISLOK_ROLLED
        for (int k = 0; k < 3; ++k) out.sides[k] = Side<J>::of(places[k], places[(k + 1) % 3], edges[k], blur);
        out.omega = solid_angle(out.sides, places, area, noise);
        return out;
    }
    /// one (b Omega + sum L t x b) + alpha grad B
    DISLOK_FN Vector<J> burgers(const Vector<J>& b, const J& one, const J& alpha) const {
        Vector<J> sum = one * omega * b;
        DISLOK_ROLLED
        for (int k = 0; k < 3; ++k) {
            const Side<J>& s = sides[k];
            sum = sum + (s.walk * ((one - alpha) * s.log)) * cross(s.t, b) + (s.walk * (alpha * dot(b, s.m))) * s.g;
        }
        return sum;
    }
    /// sum t x (L b_h + M conj(b_h))
    DISLOK_FN Vector<J> layer(const Vector<J>& b, const Complex<J> (&projections)[3]) const {
        using T = scalar_t<J>;
        const Complex<J> level = {b.x, b.y};
        Vector<J> sum = {J(T(0)), J(T(0)), J(T(0))};
        DISLOK_ROLLED
        for (int k = 0; k < 3; ++k) {
            const Side<J>& s = sides[k];
            const Complex<J> along = (s.walk * s.log) * level + times(s.walk, projections[k] * conj(level));
            sum = sum + cross(s.t, Vector<J>{along.re, along.im, J(T(0))});
        }
        return sum;
    }
    /// C, with the factors of its parts with 1 and with alpha.
    DISLOK_FN Vector<J> part_c(const Vector<J>& b, const J& z, const J& one, const J& alpha) const {
        using T = scalar_t<J>;
        Vector<J> sum = {J(T(0)), J(T(0)), J(T(0))};
        DISLOK_ROLLED
        for (int k = 0; k < 3; ++k) sum = sum + times(sides[k].walk, c_of_side(sides[k], b, z, one, alpha));
        return {T(-2) * sum.x, T(-2) * sum.y, T(2) * sum.z};
    }
    DISLOK_FN static Vector<J> c_of_side(const Side<J>& s, const Vector<J>& b, const J& z, const J& one,
                                         const J& alpha) {
        using T = scalar_t<J>;
        const Vector<J> turn = cross(s.t, b), ua = s.ia * s.a, ub = s.ib * s.b;
        const J moment = dot(b, s.m), stretch = s.perimeter / s.d, pa = s.kappa * s.ia, pb = s.kappa * s.ib;
        const J shear = alpha - one, az = alpha * z;
        // derivatives of g with the observer's height, and of e with its place
        Vector<J> by_height = (-stretch * s.g.z) * s.w - (pa * ua.z) * ua - (pb * ub.z) * ub;
        by_height.z = by_height.z + s.e;
        const Vector<J> by_place = (-stretch * s.e) * s.w - (pa * s.ia) * ua - (pb * s.ib) * ub;
        Vector<J> c = (shear * turn.z) * s.g - (one * b.z * s.e) * s.m + (alpha * s.g.z + az * s.e) * turn +
                      moment * (alpha * by_height + az * by_place);
        c.z = c.z - T(2) * shear * moment * s.e;
        return c;
    }
};

/// What the field of a triangle is computed from.
template <class J> struct Scene {
    using T = scalar_t<J>;
    Vector<J> places[3];   // observer minus vertex
    Vector<J> mirrored[3];  // the mirrored observer minus vertex
    Vector<J> edges[3];    // 12, 23, 31
    Vector<J> area;        // twice the area vector
    J z;
    T noise, blur;  // what rounding makes of the height times twice the area, and of a distance
    bool half;
};

/// Displacements for B Burgers vectors by the closed form.
template <class J, int B>
DISLOK_CALL void closed_form(const Scene<J>& k, const Medium<J>& medium, const Vector<J> (&b)[B], Vector<J> (&u)[B]) {
    using T = scalar_t<J>;
    const T quarter = T(1) / (T(4) * pi<T>());
    const Vector<T> area = value(k.area);
    {
        const Sight<J> real = Sight<J>::of(k.places, k.edges, area, k.noise, k.blur);
        for (int i = 0; i < B; ++i) u[i] = times(quarter, real.burgers(b[i], medium.one, medium.alpha));
    }
    if (!k.half) return;
    const Sight<J> image = Sight<J>::of(k.mirrored, k.edges, area, k.noise, k.blur);
    Complex<J> projections[3];
    DISLOK_ROLLED
    for (int side = 0; side < 3; ++side) projections[side] = projected(image.sides[side]);
    for (int i = 0; i < B; ++i) {
        Vector<J> sum = image.burgers(b[i], medium.one, T(2) * medium.one - medium.alpha);
        sum = sum + medium.layer * image.layer(b[i], projections);
        u[i] = u[i] + times(quarter, sum + k.z * image.part_c(b[i], k.z, medium.one, medium.alpha));
    }
}

}  // namespace tde
}  // namespace dislok
