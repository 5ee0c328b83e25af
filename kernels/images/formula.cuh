// B-splines of order 3 and 5 in CUDA C++: weights of the taps, their derivatives, and the poles of the filter that turns
// pixels into coefficients. Written from the splines' closed forms, beta(x) for |x| in [0, 1], [1, 2], [2, 3], and not
// from formula.py.
#pragma once

#include "../scalar/scalar.cuh"

namespace dislok {
namespace images {

template <int Order> constexpr int TAPS = Order + 1;

/// The spline of order 3 at a distance, by its pieces, as functions of 1 - (distance within the piece).
template <class T> DISLOK_FN void spline_weights(T t, T (&w)[4], T (&d)[4]) {
    const T s = T(1) - t, sixth = T(1) / T(6);
    w[0] = sixth * s * s * s, w[3] = sixth * t * t * t;
    w[1] = sixth * (T(4) - t * t * (T(6) - T(3) * t)), w[2] = sixth * (T(4) - s * s * (T(6) - T(3) * s));
    d[0] = T(-0.5) * s * s, d[3] = T(0.5) * t * t;
    d[1] = t * (T(1.5) * t - T(2)), d[2] = -s * (T(1.5) * s - T(2));
}

/// 120 times the piece of the quintic spline between one and two pixels away, and its derivative.
template <class T> DISLOK_FN T outer(T t) {
    return T(1) + t * (T(5) + t * (T(10) + t * (T(10) + t * (T(5) - T(5) * t))));
}
template <class T> DISLOK_FN T outer_slope(T t) {
    return T(5) + t * (T(20) + t * (T(30) + t * (T(20) - T(25) * t)));
}
/// 120 times the piece within one pixel, and its derivative.
template <class T> DISLOK_FN T inner(T t) {
    const T q = t * t;
    return T(66) - q * (T(60) - q * (T(30) - T(10) * t));
}
template <class T> DISLOK_FN T inner_slope(T t) { return t * (T(-120) + t * t * (T(120) - T(50) * t)); }

template <class T> DISLOK_FN void spline_weights(T t, T (&w)[6], T (&d)[6]) {
    const T s = T(1) - t, part = T(1) / T(120), t4 = t * t * t * t, s4 = s * s * s * s;
    w[0] = part * s4 * s, w[5] = part * t4 * t;
    w[1] = part * outer(s), w[4] = part * outer(t);
    w[2] = part * inner(t), w[3] = part * inner(s);
    d[0] = T(-5) * part * s4, d[5] = T(5) * part * t4;
    d[1] = -part * outer_slope(s), d[4] = part * outer_slope(t);
    d[2] = part * inner_slope(t), d[3] = -part * inner_slope(s);
}

/// Poles of the filter: of z^2 + 4 z + 1, and of z^4 + 26 z^3 + 66 z^2 + 26 z + 1; and how far they reach.
template <class T, int Order> DISLOK_FN T pole(int k) {
    if (Order == 3) return T(-0.26794919243112270647);
    return k == 0 ? T(-0.43057534709997379138) : T(-0.04309628820326465382);
}
template <int Order> constexpr int POLES = Order / 2;
/// What keeps a constant along one axis: 6 for the cubic, 120 for the quintic spline.
template <class T, int Order> DISLOK_FN constexpr T gain() { return T(Order == 3 ? 6 : 120); }

}  // namespace images
}  // namespace dislok
