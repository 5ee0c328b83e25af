// Number types for formulas that are written once and differentiated by the number that goes in.
//
// A formula is `template <class J>` on one of
//   float, double      the value alone (a plain real)
//   Dual<T, N>         value and N first partial derivatives
//   Dual2<T, N>        and N (N + 1) / 2 second ones
//   Dual3<T, N>        and N (N + 1) (N + 2) / 6 third ones
// Integer and T operands convert without touching the partials. Nothing here promotes float to double.
#pragma once

#define DISLOK_FN __device__ __forceinline__
// For functions so large that a copy at every call would cost minutes of compilation and the instruction cache.
#define DISLOK_CALL __device__ __noinline__


// Loops of which many stand in one formula stay loops beyond order 1: unrolled, they would be megabytes of code.
#define DISLOK_ROLLED _Pragma("unroll 1")
#define DISLOK_UNROLL _Pragma("unroll (order > 1 ? 1 : 16)")

namespace dislok {

using index_t = long long;

// The global overloads for float and double, beside which those for jets are declared below.
using ::atan;
using ::log;
using ::sqrt;

// ---------------------------------------------------------------------------------------------- reals

template <class T> struct Precision;
template <> struct Precision<float> {
    DISLOK_FN static constexpr float epsilon() { return 1.1920929e-7f; }
    DISLOK_FN static float not_a_number() { return nanf(""); }
};
template <> struct Precision<double> {
    DISLOK_FN static constexpr double epsilon() { return 2.220446049250313e-16; }
    DISLOK_FN static double not_a_number() { return nan(""); }
};

template <class T> DISLOK_FN T pi() { return T(3.14159265358979323846); }
template <class T> DISLOK_FN T degree() { return T(0.0174532925199432957692); }
template <class T> DISLOK_FN T larger(T a, T b) { return a > b ? a : b; }
template <class T> DISLOK_FN T smaller(T a, T b) { return a < b ? a : b; }

/// Sine and cosine of an angle in degrees; exact at multiples of 90, so that a vertical fault is vertical.
template <class T> DISLOK_FN void sincos_degrees(T angle, T& s, T& c) {
    const T turns = rint(angle / T(90));
    const T half_turns = (angle - turns * T(90)) / T(180);
    const T quadrant = turns - T(4) * floor(turns / T(4));
    const T sr = sinpi(half_turns), cr = cospi(half_turns);
    s = quadrant == T(0) ? sr : quadrant == T(1) ? cr : quadrant == T(2) ? -sr : -cr;
    c = quadrant == T(0) ? cr : quadrant == T(1) ? -sr : quadrant == T(2) ? -cr : sr;
}

/// A power of two within a factor of two of |x|: dividing by it is exact. 1 for x = 0.
template <class T> DISLOK_FN T power_of_two(T x) { return x == T(0) ? T(1) : ldexp(T(1), ilogb(x)); }

// ----------------------------------------------------------------------------------------------- jets

/// Place of the partial (i, j), i >= j, in packed storage; of (i, j, k), i >= j >= k, likewise.
DISLOK_FN constexpr int pack(int i, int j) { return i * (i + 1) / 2 + j; }
DISLOK_FN constexpr int pack(int i, int j, int k) { return i * (i + 1) * (i + 2) / 6 + pack(j, k); }
DISLOK_FN constexpr int pack_any(int i, int j) { return i >= j ? pack(i, j) : pack(j, i); }
DISLOK_FN constexpr int pack_any(int i, int j, int k) {
    return i >= j ? (j >= k ? pack(i, j, k) : i >= k ? pack(i, k, j) : pack(k, i, j))
                  : (i >= k ? pack(j, i, k) : j >= k ? pack(j, k, i) : pack(k, j, i));
}

/// Truncated Taylor expansion of order K in N variables.
template <class T, int N, int K> struct Jet {
    static constexpr int order = K, first = 1, second = 1 + N, third = second + (K > 1 ? N * (N + 1) / 2 : 0);
    static constexpr int size = third + (K > 2 ? N * (N + 1) * (N + 2) / 6 : 0);
    T c[size];  // value, first partials, second ones packed, third ones packed

    Jet() = default;
    DISLOK_FN Jet(T value) {
        DISLOK_UNROLL
        for (int i = 0; i < size; ++i) c[i] = T(0);
        c[0] = value;
    }
    DISLOK_FN T& v() { return c[0]; }
    DISLOK_FN T v() const { return c[0]; }
    DISLOK_FN T& p(int i) { return c[first + i]; }
    DISLOK_FN T p(int i) const { return c[first + i]; }
    DISLOK_FN T& h(int n) { return c[second + n]; }
    DISLOK_FN T h(int n) const { return c[second + n]; }
    DISLOK_FN T& t(int n) { return c[third + n]; }
    DISLOK_FN T t(int n) const { return c[third + n]; }

    /// x a + y b, with plain factors.
    DISLOK_FN static Jet combine(T x, const Jet& a, T y, const Jet& b) {
        Jet out;
        DISLOK_UNROLL
        for (int i = 0; i < size; ++i) out.c[i] = x * a.c[i] + y * b.c[i];
        return out;
    }
    friend DISLOK_FN Jet operator*(const Jet& a, T b) {
        Jet out;
        DISLOK_UNROLL
        for (int i = 0; i < size; ++i) out.c[i] = a.c[i] * b;
        return out;
    }
    friend DISLOK_FN Jet operator+(const Jet& a, const Jet& b) { return combine(T(1), a, T(1), b); }
    friend DISLOK_FN Jet operator-(const Jet& a, const Jet& b) { return combine(T(1), a, T(-1), b); }
    friend DISLOK_FN Jet operator-(const Jet& a) { return a * T(-1); }
    friend DISLOK_FN Jet operator+(Jet a, T b) { return a.c[0] += b, a; }
    friend DISLOK_FN Jet operator+(T a, Jet b) { return b.c[0] += a, b; }
    friend DISLOK_FN Jet operator-(Jet a, T b) { return a.c[0] -= b, a; }
    friend DISLOK_FN Jet operator-(T a, const Jet& b) { return a + -b; }
    friend DISLOK_FN Jet operator*(T a, const Jet& b) { return b * a; }
    friend DISLOK_FN Jet operator/(const Jet& a, T b) { return a * (T(1) / b); }
    friend DISLOK_FN Jet operator*(const Jet& a, const Jet& b) { return product(a, b); }
    friend DISLOK_FN Jet operator/(const Jet& a, const Jet& b) { return a * inverse(b); }
    friend DISLOK_FN Jet operator/(T a, const Jet& b) { return a * inverse(b); }
};

template <class T, int N> using Dual = Jet<T, N, 1>;
template <class T, int N> using Dual2 = Jet<T, N, 2>;
template <class T, int N> using Dual3 = Jet<T, N, 3>;

/// Product rule. To order 1 it stands where it is used, the higher ones are called.
template <class T, int N> DISLOK_FN Dual<T, N> product(const Dual<T, N>& a, const Dual<T, N>& b) {
    Dual<T, N> out;
    out.v() = a.v() * b.v();
    for (int i = 0; i < N; ++i) out.p(i) = a.v() * b.p(i) + b.v() * a.p(i);
    return out;
}
template <class T, int N> DISLOK_CALL Dual2<T, N> product(const Dual2<T, N>& a, const Dual2<T, N>& b) {
    Dual2<T, N> out;
    out.v() = a.v() * b.v();
    for (int i = 0; i < N; ++i) out.p(i) = a.v() * b.p(i) + b.v() * a.p(i);
    for (int i = 0, n = 0; i < N; ++i)
        for (int j = 0; j <= i; ++j, ++n)
            out.h(n) = a.v() * b.h(n) + b.v() * a.h(n) + (a.p(i) * b.p(j) + a.p(j) * b.p(i));
    return out;
}
template <class T, int N> DISLOK_CALL Dual3<T, N> product(const Dual3<T, N>& a, const Dual3<T, N>& b) {
    Dual3<T, N> out;
    out.v() = a.v() * b.v();
    for (int i = 0; i < N; ++i) out.p(i) = a.v() * b.p(i) + b.v() * a.p(i);
    for (int i = 0, n = 0, m = 0; i < N; ++i)
        for (int j = 0; j <= i; ++j, ++n) {
            out.h(n) = a.v() * b.h(n) + b.v() * a.h(n) + (a.p(i) * b.p(j) + a.p(j) * b.p(i));
            for (int k = 0; k <= j; ++k, ++m) {
                const int ik = pack(i, k), jk = pack(j, k);
                out.t(m) = a.v() * b.t(m) + b.v() * a.t(m) + (a.p(i) * b.h(jk) + a.p(j) * b.h(ik) + a.p(k) * b.h(n))
                         + (b.p(i) * a.h(jk) + b.p(j) * a.h(ik) + b.p(k) * a.h(n));
            }
        }
    return out;
}

/// f(x) by the chain rule, from the derivatives f0, f1, f2, f3 of f at x's value.
template <class T, int N> DISLOK_FN Dual<T, N> compose(const Dual<T, N>& x, T f0, T f1, T = T(0), T = T(0)) {
    Dual<T, N> out = x * f1;
    out.v() = f0;
    return out;
}
template <class T, int N> DISLOK_CALL Dual2<T, N> compose(const Dual2<T, N>& x, T f0, T f1, T f2, T = T(0)) {
    Dual2<T, N> out;
    out.v() = f0;
    for (int i = 0; i < N; ++i) out.p(i) = f1 * x.p(i);
    for (int i = 0, n = 0; i < N; ++i)
        for (int j = 0; j <= i; ++j, ++n) out.h(n) = f1 * x.h(n) + f2 * x.p(i) * x.p(j);
    return out;
}
template <class T, int N> DISLOK_CALL Dual3<T, N> compose(const Dual3<T, N>& x, T f0, T f1, T f2, T f3) {
    Dual3<T, N> out;
    out.v() = f0;
    for (int i = 0; i < N; ++i) out.p(i) = f1 * x.p(i);
    for (int i = 0, n = 0, m = 0; i < N; ++i)
        for (int j = 0; j <= i; ++j, ++n) {
            out.h(n) = f1 * x.h(n) + f2 * x.p(i) * x.p(j);
            for (int k = 0; k <= j; ++k, ++m) {
                const T mixed = x.p(i) * x.h(pack(j, k)) + x.p(j) * x.h(pack(i, k)) + x.p(k) * x.h(n);
                out.t(m) = f1 * x.t(m) + f2 * mixed + f3 * x.p(i) * x.p(j) * x.p(k);
            }
        }
    return out;
}

// ------------------------------------------------------------------------- functions of reals and jets

template <class J> struct Scalar {
    using type = J;
};
template <class T, int N, int K> struct Scalar<Jet<T, N, K>> {
    using type = T;
};
template <class J> using scalar_t = typename Scalar<J>::type;

template <class T> DISLOK_FN T value(T x) { return x; }
template <class T, int N, int K> DISLOK_FN T value(const Jet<T, N, K>& x) { return x.v(); }

DISLOK_FN float inverse(float x) { return 1.0f / x; }
DISLOK_FN double inverse(double x) { return 1.0 / x; }
template <class T, int N, int K> DISLOK_FN Jet<T, N, K> inverse(const Jet<T, N, K>& x) {
    const T f = T(1) / x.v(), f2 = f * f;
    return compose(x, f, -f2, 2 * f2 * f, -6 * f2 * f2);
}

template <class T, int N, int K> DISLOK_FN Jet<T, N, K> sqrt(const Jet<T, N, K>& x) {
    const T f = sqrt(x.v()), r = T(1) / f, r2 = r * r;
    return compose(x, f, r / 2, -r * r2 / 4, 3 * r * r2 * r2 / 8);
}

template <class T, int N, int K> DISLOK_FN Jet<T, N, K> log(const Jet<T, N, K>& x) {
    const T r = T(1) / x.v();
    return compose(x, log(x.v()), r, -r * r, 2 * r * r * r);
}

template <class T, int N, int K> DISLOK_FN Jet<T, N, K> atan(const Jet<T, N, K>& x) {
    const T r = T(1) / (1 + x.v() * x.v());
    return compose(x, atan(x.v()), r, -2 * x.v() * r * r, (6 * x.v() * x.v() - 2) * r * r * r);
}

/// cos a of an angle (radian) whose cosine and sine are given; sin a is turned_cosine(a, s, -c).
template <class T> DISLOK_FN T turned_cosine(T, T c, T) { return c; }
template <class T, int N, int K> DISLOK_FN Jet<T, N, K> turned_cosine(const Jet<T, N, K>& a, T c, T s) {
    return compose(a, c, -s, -c, s);
}

/// A plain number in place of x's value; the partials stay.
template <class T> DISLOK_FN T with_value(T, T v) { return v; }
template <class T, int N, int K> DISLOK_FN Jet<T, N, K> with_value(Jet<T, N, K> x, T v) { return x.v() = v, x; }

/// The independent variable number `at` with value x; a constant where `at` is not among the N variables.
template <class J> struct Seed {
    DISLOK_FN static J variable(J x, int) { return x; }
};
template <class T, int N, int K> struct Seed<Jet<T, N, K>> {
    DISLOK_FN static Jet<T, N, K> variable(T x, int at) {
        Jet<T, N, K> out(x);
        if (at < N) out.p(at) = T(1);
        return out;
    }
};

/// Adds g * dx to the derivatives of `out`, where g is the partial derivative of a potential by x.
template <class T, int N> DISLOK_FN void add_differential(Dual<T, N>& out, const Dual<T, N>& g, const Dual<T, N>& x) {
    for (int i = 0; i < N; ++i) out.p(i) += g.v() * x.p(i);
}
template <class T, int N> DISLOK_CALL void add_differential(Dual2<T, N>& out, const Dual2<T, N>& g, const Dual2<T, N>& x) {
    for (int i = 0, n = 0; i < N; ++i) {
        out.p(i) += g.v() * x.p(i);
        for (int j = 0; j <= i; ++j, ++n) out.h(n) += g.p(j) * x.p(i) + g.v() * x.h(n);
    }
}
template <class T, int N> DISLOK_CALL void add_differential(Dual3<T, N>& out, const Dual3<T, N>& g, const Dual3<T, N>& x) {
    for (int i = 0, n = 0, m = 0; i < N; ++i) {
        out.p(i) += g.v() * x.p(i);
        for (int j = 0; j <= i; ++j, ++n) {
            out.h(n) += g.p(j) * x.p(i) + g.v() * x.h(n);
            for (int k = 0; k <= j; ++k, ++m)
                out.t(m) += g.h(pack(j, k)) * x.p(i) + g.p(j) * x.h(pack(i, k)) + g.p(k) * x.h(n) + g.v() * x.t(m);
        }
    }
}

/// A potential of the variables x, y, z whose value and whose three partial derivatives are known.
template <class T> DISLOK_FN T potential(T v, T, T, T, T, T, T) { return v; }
template <class T, int N, int K>
DISLOK_FN Jet<T, N, K> potential(T v, const Jet<T, N, K>& gx, const Jet<T, N, K>& gy, const Jet<T, N, K>& gz,
                                 const Jet<T, N, K>& x, const Jet<T, N, K>& y, const Jet<T, N, K>& z) {
    Jet<T, N, K> out(v);
    add_differential(out, gx, x);
    add_differential(out, gy, y);
    add_differential(out, gz, z);
    return out;
}

/// Partial derivative by variable m, itself a jet of one order less.
template <class T, int N, int K> DISLOK_FN auto partial(const Jet<T, N, K>& x, int m) {
    if constexpr (K == 1) {
        return x.p(m);
    } else {
        Jet<T, N, K - 1> out;
        out.v() = x.p(m);
        for (int i = 0; i < N; ++i) out.p(i) = x.h(pack_any(i, m));
        if constexpr (K > 2)
            for (int i = 0, n = 0; i < N; ++i)
                for (int j = 0; j <= i; ++j, ++n) out.h(n) = x.t(pack_any(i, j, m));
        return out;
    }
}

}  // namespace dislok
