// One triangle and one observer: from the caller's numbers to the field, by the method that serves best there.
//
// Everything that a displacement depends on is a number of one type; how many of its derivatives are wanted, and with
// what, is said by how these numbers are seeded. A pair is computed by the closed form; from points (a quadrature over
// the triangle) where the ends of the closed form would cancel; and by a quadrature over the way of its apex where the
// triangle is much narrower than distant.
#pragma once

#include "formula.cuh"

namespace dislok {
namespace tde {

/// The places that a displacement depends on.
template <class J> struct Inputs {
    Vector<J> obs, vertices[3];
};

/// a b - c d with one rounding more than exact (Kahan).
template <class T> DISLOK_FN T difference_of_products(T a, T b, T c, T d) {
    const T cd = c * d;
    return fma(a, b, -cd) + fma(-c, d, cd);
}
/// Rounding of total = a - b (Knuth).
template <class T> DISLOK_FN T rounding_of_difference(T a, T b, T total) {
    const T back = total - a;
    return (a - (total - back)) - (b + back);
}
/// (P2 - P1) x (P3 - P1), with the roundings of the differences.
template <class T> DISLOK_FN Vector<T> twice_area(const Vector<T>& p1, const Vector<T>& p2, const Vector<T>& p3) {
    const Vector<T> a = p2 - p1, b = p3 - p1;
    const Vector<T> da = {rounding_of_difference(p2.x, p1.x, a.x), rounding_of_difference(p2.y, p1.y, a.y),
                          rounding_of_difference(p2.z, p1.z, a.z)};
    const Vector<T> db = {rounding_of_difference(p3.x, p1.x, b.x), rounding_of_difference(p3.y, p1.y, b.y),
                          rounding_of_difference(p3.z, p1.z, b.z)};
    const Vector<T> product = {difference_of_products(a.y, b.z, a.z, b.y), difference_of_products(a.z, b.x, a.x, b.z),
                               difference_of_products(a.x, b.y, a.y, b.x)};
    return product + cross(a, db) + cross(da, b);
}

/// Unit vectors along strike, up dip, normal (Nikkhoo & Walter 2015). The strike of a level triangle is north where the
/// normal points up, else south; with the vertices it then keeps its azimuth.
template <class J> struct Frame {
    Vector<J> strike, dip, normal;

    DISLOK_FN static Frame of(const Vector<J>& area) {
        using T = scalar_t<J>;
        Frame f;
        f.normal = inverse(sqrt(dot(area, area))) * area;
        const Vector<J>& n = f.normal;
        if (dislok::value(n.x) == 0 && dislok::value(n.y) == 0) {
            const T up = dislok::value(n.z) > 0 ? T(1) : T(-1);
            const J lean = up * n.y;
            const Vector<J> kept = {-lean * n.x, up - lean * n.y, -lean * n.z};
            f.strike = inverse(sqrt(dot(kept, kept))) * kept;
        } else {
            const J level = inverse(sqrt(n.x * n.x + n.y * n.y));
            f.strike = {-level * n.y, level * n.x, J(T(0))};
        }
        f.dip = cross(f.normal, f.strike);
        return f;
    }
    DISLOK_FN Vector<J> burgers(const J& s, const J& d, const J& o) const { return s * strike + d * dip + o * normal; }
};

// ------------------------------------------------------------------------------------------- points

/// Symmetric rules on the triangle (Dunavant 1985; degree 5 by Radon): from what distance of the centre, in longest
/// sides, each serves, and its orbits of nodes (weight, two of the barycentric coordinates, number of nodes).
template <class T> struct Rules {
    static constexpr int count = 6;
    DISLOK_FN static T reach(int rule) {
        static constexpr T wide[6] = {T(14), T(25), T(60), T(110), T(3500), T(1e6)};
        static constexpr T narrow[6] = {T(2), T(3), T(6), T(8), T(45), T(1500)};
        return sizeof(T) == 8 ? wide[rule] : narrow[rule];
    }
    DISLOK_FN static int begin(int rule) {
        static constexpr int table[7] = {0, 5, 8, 11, 13, 14, 15};
        return table[rule];
    }
    DISLOK_FN static const T* orbit(int k) {
        static constexpr T third = T(1) / T(3);
        static constexpr T table[15][4] = {
            {T(0.144315607677787168), third, third, T(1)},
            {T(0.0950916342672846248), T(0.459292588292723156), T(0.459292588292723156), T(3)},
            {T(0.10321737053471825), T(0.170569307751760207), T(0.170569307751760207), T(3)},
            {T(0.0324584976231980803), T(0.0505472283170309755), T(0.0505472283170309755), T(3)},
            {T(0.0272303141744349943), T(0.00839477740995760534), T(0.263112829634638113), T(6)},
            {T(0.116786275726379366), T(0.249286745170910421), T(0.249286745170910421), T(3)},
            {T(0.0508449063702068169), T(0.0630890144915022283), T(0.0630890144915022283), T(3)},
            {T(0.0828510756183735752), T(0.0531450498448169474), T(0.310352451033784405), T(6)},
            {T(0.225), third, third, T(1)},
            {T(0.132394152788506181), T(0.47014206410511509), T(0.47014206410511509), T(3)},
            {T(0.125939180544827153), T(0.101286507323456339), T(0.101286507323456339), T(3)},
            {T(0.223381589678011466), T(0.445948490915964886), T(0.445948490915964886), T(3)},
            {T(0.109951743655321868), T(0.0915762135097707435), T(0.0915762135097707435), T(3)},
            {T(1) / T(3), T(1) / T(6), T(1) / T(6), T(3)},
            {T(1), third, third, T(1)}};
        return table[k];
    }
    /// Coordinates of node number `which` of an orbit: (a, b) and what their exchange with 1 - a - b makes of them.
    DISLOK_FN static void node(const T* orbit, int which, T& c2, T& c3) {
        const T a = orbit[1], b = orbit[2], c = T(1) - a - b;
        c2 = which == 0 || which == 3 ? a : which == 1 || which == 4 ? b : c;
        c3 = which == 0 || which == 5 ? b : which == 1 || which == 3 ? c : a;
    }
};

/// shear (b n.e + n b.e - b.n e) + 3 normal e b.e n.e, the displacement of a point in full space times 4 pi R^2.
template <class J>
DISLOK_FN Vector<J> point_full(const Vector<J>& e, const Vector<J>& b, const Vector<J>& n, const J& shear,
                               const J& normal) {
    using T = scalar_t<J>;
    const J be = dot(b, e), ne = dot(n, e);
    return (shear * ne) * b + (shear * be) * n + (T(3) * normal * be * ne - shear * dot(b, n)) * e;
}

/// Gradient of (b_h . n_h + Re(zeta^2 conj(b_h n_h))) / R, the surface layer's part.
template <class J> DISLOK_FN Vector<J> point_layer(const Vector<J>& e, const Vector<J>& b, const Vector<J>& n) {
    using T = scalar_t<J>;
    const J by = inverse(T(1) + e.z);
    const Complex<J> zeta = {e.x * by, e.y * by}, v = zeta * conj(Complex<J>{b.x, b.y} * Complex<J>{n.x, n.y});
    const J w = v.re * zeta.re - v.im * zeta.im, level = b.x * n.x + b.y * n.y + w, bend = level + T(2) * by * w;
    return {T(2) * by * v.re - bend * e.x, -(T(2) * by * v.im) - bend * e.y, -(level * e.z) - T(2) * w};
}

/// Part C of a point, `height` being z / R.
template <class J>
DISLOK_FN Vector<J> point_c(const Vector<J>& e, const Vector<J>& b, const Vector<J>& n, const J& height, const J& one,
                            const J& alpha) {
    using T = scalar_t<J>;
    const J be = dot(b, e), ne = dot(n, e), bn = dot(b, n), p = be * ne;
    const J shear = one - alpha, normal = T(3) * alpha, depth = normal * (e.z + height);
    const J twist = b.z * ne + n.z * be - bn * e.z;
    Vector<J> c = (shear * n.z + depth * ne) * b + (shear * b.z + depth * be) * n +
                  (normal * height * bn - T(3) * shear * twist - T(5) * depth * p) * e;
    c.z = c.z + normal * p - shear * bn + T(2) * shear * (T(3) * p - bn);
    return {T(-2) * c.x, T(-2) * c.y, T(2) * c.z};
}

/// Displacement of a piece of area `n`.
template <class J>
DISLOK_CALL Vector<J> point(const Vector<J>& r, const Vector<J>& mirrored, const Vector<J>& b, const Vector<J>& n,
                            const J& z, const Medium<J>& medium, bool half) {
    using T = scalar_t<J>;
    J inv = inverse(sqrt(dot(r, r)));
    Vector<J> u = point_full(inv * r, inv * b, inv * n, medium.one - medium.alpha, medium.alpha);
    if (half) {
        inv = inverse(sqrt(dot(mirrored, mirrored)));
        const Vector<J> e = inv * mirrored, bi = inv * b, ni = inv * n;
        const J height = inv * z;
        u = u + point_full(e, bi, ni, medium.alpha - medium.one, T(2) * medium.one - medium.alpha);
        u = u + medium.layer * point_layer(e, bi, ni) + height * point_c(e, bi, ni, height, medium.one, medium.alpha);
    }
    return times(T(1) / (T(4) * pi<T>()), u);
}

// -------------------------------------------------------------------------------------------- method

constexpr int CLOSED = -2, LIFTED = -1;  // else the number of a rule

/// How a pair is computed.
template <class T> struct Choice {
    int method;
    int apex;  // vertex opposite the longest side
    T foot;    // place of its foot on that side, in its length

    DISLOK_FN static Choice of(const Vector<T>& obs, const Vector<T> (&p)[3], const Vector<T>& area) {
        Choice c;
        T longest = T(-1);
        for (int k = 0; k < 3; ++k) {
            const Vector<T> edge = p[(k + 1) % 3] - p[k];
            const T square = dot(edge, edge);
            if (square > longest) longest = square, c.apex = (k + 2) % 3;
        }
        const Vector<T> start = p[(c.apex + 1) % 3], base = p[(c.apex + 2) % 3] - start;
        const T size = sqrt(longest), width = sqrt(dot(area, area)) / size;
        c.foot = dot(p[c.apex] - start, base) / longest;
        const Vector<T> direction = (T(1) / size) * base, r = obs - (start + T(0.5) * base);
        const Vector<T> off = cross(r, direction);
        const T beyond = larger(fabs(dot(r, direction)) - T(0.5) * size, T(0));
        const T limit = (sizeof(T) == 8 ? T(50) : T(8)) * width;
        c.method = dot(off, off) + beyond * beyond >= limit * limit ? LIFTED : CLOSED;
        const Vector<T> out = obs - (T(1) / T(3)) * (p[0] + p[1] + p[2]);
        const T distance = sqrt(dot(out, out));
        for (int rule = 0; rule < Rules<T>::count; ++rule)
            if (distance >= Rules<T>::reach(rule) * size) c.method = rule;
        return c;
    }
};

// ------------------------------------------------------------------------------------------- a pair

/// Places of the triangle as the observer and the mirrored one see them; sides are still missing.
template <class J> DISLOK_FN Scene<J> scene_of(const Inputs<J>& in, bool half) {
    Scene<J> k;
    for (int v = 0; v < 3; ++v) {
        k.places[v] = in.obs - in.vertices[v];
        k.mirrored[v] = {k.places[v].x, k.places[v].y, -in.obs.z - in.vertices[v].z};
        k.edges[v] = in.vertices[(v + 1) % 3] - in.vertices[v];
    }
    k.z = in.obs.z;
    k.half = half;
    return k;
}

/// Twice the area vector as a number: its value keeps the roundings of the vertices' differences.
template <class J> DISLOK_FN Vector<J> area_of(const Scene<J>& k, const Vector<scalar_t<J>>& area) {
    return with_value(cross(k.edges[0], k.edges[1]), area);
}

/// The scene when the apex has gone `tau` of its way from its foot, in the closed form's numbers.
template <class J> DISLOK_FN Scene<J> lifted_scene(const Scene<J>& k, int apex, scalar_t<J> foot, const J& tau) {
    using T = scalar_t<J>;
    const int start = (apex + 1) % 3, end = (apex + 2) % 3;
    // the height, from the foot to the apex: without cancellation by way of the area
    const Vector<J> base = k.edges[start];
    const Vector<T> along = value(base), exact = (T(1) / dot(along, along)) * cross(value(k.area), along);
    const Vector<J> way = with_value(times(foot - T(1), k.edges[apex]) + times(foot, k.edges[end]), exact);
    Scene<J> out = k;
    const J rest = T(1) - tau;
    out.places[apex] = k.places[apex] + rest * way;
    out.mirrored[apex] = k.mirrored[apex] + rest * way;
    // from the apex to the start, and from the end to the apex
    out.edges[apex] = negative(times(foot, base) + tau * way);
    out.edges[end] = tau * way - times(T(1) - foot, base);
    return out;
}

/// A number's slope along its last variable, without that variable.
template <class T> DISLOK_FN T last_slope(const Jet<T, 1, 1>& x) { return x.p(0); }
template <class T, int N, int K> DISLOK_FN Jet<T, N - 1, K - 1> last_slope(const Jet<T, N, K>& x) {
    const auto slope = partial(x, N - 1);
    Jet<T, N - 1, K - 1> out;
    out.v() = slope.v();
    for (int i = 0; i < N - 1; ++i) out.p(i) = slope.p(i);
    if constexpr (K > 2)
        for (int n = 0; n < N * (N - 1) / 2; ++n) out.h(n) = slope.h(n);
    return out;
}
/// A number with one variable and one order more, on which it does not depend yet.
template <class T> DISLOK_FN Jet<T, 1, 1> widened(T x) { return Jet<T, 1, 1>(x); }
template <class T, int N, int K> DISLOK_FN Jet<T, N + 1, K + 1> widened(const Jet<T, N, K>& x) {
    Jet<T, N + 1, K + 1> out(x.v());
    for (int i = 0; i < N; ++i) out.p(i) = x.p(i);
    if constexpr (K > 1)
        for (int n = 0; n < N * (N + 1) / 2; ++n) out.h(n) = x.h(n);
    return out;
}
template <class J> DISLOK_FN auto widened(const Vector<J>& a) -> Vector<decltype(widened(a.x))> {
    return {widened(a.x), widened(a.y), widened(a.z)};
}

template <class J> struct Shape {
    static constexpr int variables = 0, order = 0;
};
template <class T, int N, int K> struct Shape<Jet<T, N, K>> {
    static constexpr int variables = N, order = K;
};

/// Displacements by a quadrature over the apex's way (Gauss and Legendre, three nodes).
template <class J, int B>
DISLOK_CALL void lifted(const Scene<J>& k, const Choice<scalar_t<J>>& choice, const Medium<J>& medium,
                        const Vector<J> (&b)[B], Vector<J> (&u)[B]) {
    using T = scalar_t<J>;
    using W = decltype(widened(k.z));
    constexpr int variable = Shape<W>::variables - 1;
    static constexpr T nodes[3] = {T(0.1127016653792583115), T(0.5), T(0.8872983346207416885)};
    static constexpr T weights[3] = {T(5) / T(18), T(4) / T(9), T(5) / T(18)};
    Scene<W> wide;
    for (int v = 0; v < 3; ++v) {
        wide.places[v] = widened(k.places[v]), wide.mirrored[v] = widened(k.mirrored[v]);
        wide.edges[v] = widened(k.edges[v]);
    }
    wide.area = widened(k.area), wide.z = widened(k.z), wide.noise = k.noise, wide.blur = k.blur, wide.half = k.half;
    const Medium<W> constants = {widened(medium.one), widened(medium.alpha), widened(medium.layer)};
    Vector<W> slips[B], found[B];
    for (int i = 0; i < B; ++i) slips[i] = widened(b[i]), u[i] = {J(T(0)), J(T(0)), J(T(0))};
    DISLOK_ROLLED
    for (int node = 0; node < 3; ++node) {
        const W tau = Seed<W>::variable(nodes[node], variable);
        closed_form(lifted_scene(wide, choice.apex, choice.foot, tau), constants, slips, found);
        for (int i = 0; i < B; ++i) {
            const Vector<J> slope = {last_slope(found[i].x), last_slope(found[i].y), last_slope(found[i].z)};
            u[i] = u[i] + times(weights[node], slope);
        }
    }
}

/// Displacements by a rule's points.
template <class J, int B>
DISLOK_CALL void from_points(const Scene<J>& k, int rule, const Medium<J>& medium, const Vector<J> (&b)[B],
                             Vector<J> (&u)[B]) {
    using T = scalar_t<J>;
    for (int i = 0; i < B; ++i) u[i] = {J(T(0)), J(T(0)), J(T(0))};
    DISLOK_ROLLED
    for (int o = Rules<T>::begin(rule); o < Rules<T>::begin(rule + 1); ++o) {
        const T* orbit = Rules<T>::orbit(o);
        DISLOK_ROLLED
        for (int which = 0; which < int(orbit[3]); ++which) {
            T c2, c3;
            Rules<T>::node(orbit, which, c2, c3);
            const Vector<J> shift = times(c3, k.edges[2]) - times(c2, k.edges[0]);
            const Vector<J> r = k.places[0] + shift, mirrored = k.mirrored[0] + shift;
            const Vector<J> n = times(T(0.5) * orbit[0], k.area);
            for (int i = 0; i < B; ++i) u[i] = u[i] + point(r, mirrored, b[i], n, k.z, medium, k.half);
        }
    }
}

/// The same pair in a unit of length, a power of two, that keeps distances near 1: no power of them overflows, and a
/// change of the unit of length changes nothing. Derivatives stay those with the caller's coordinates.
template <class J> DISLOK_FN Inputs<J> in_own_unit(const Inputs<J>& in) {
    using T = scalar_t<J>;
    const Vector<T> first = value(in.vertices[0]);
    T size = T(0);
    const Vector<T> others[3] = {value(in.obs), value(in.vertices[1]), value(in.vertices[2])};
    for (int k = 0; k < 3; ++k) {
        const Vector<T> r = others[k] - first;
        size = larger(size, larger(fabs(r.x), larger(fabs(r.y), fabs(r.z))));
    }
    const T unit = T(1) / power_of_two(size);
    return {times(unit, in.obs),
            {times(unit, in.vertices[0]), times(unit, in.vertices[1]), times(unit, in.vertices[2])}};
}

/// Displacements for B slips (strike, dip, opening) of a triangle.
template <class J, int B>
DISLOK_CALL void displacements(const Inputs<J>& given, const J (&slips)[B][3], const Medium<J>& medium, bool half,
                               Vector<J> (&u)[B]) {
    using T = scalar_t<J>;
    const Inputs<J> in = in_own_unit(given);
    const Vector<T> obs = value(in.obs), p[3] = {value(in.vertices[0]), value(in.vertices[1]), value(in.vertices[2])};
    const Vector<T> area = twice_area(p[0], p[1], p[2]);
    Scene<J> k = scene_of(in, half);
    k.area = area_of(k, area);
    const Vector<T> rounded = {Precision<T>::epsilon() * (fabs(obs.x) + fabs(p[0].x)),
                               Precision<T>::epsilon() * (fabs(obs.y) + fabs(p[0].y)),
                               Precision<T>::epsilon() * (fabs(obs.z) + fabs(p[0].z))};
    k.noise = fabs(area.x) * rounded.x + fabs(area.y) * rounded.y + fabs(area.z) * rounded.z;
    k.blur = sqrt(dot(rounded, rounded));
    const Frame<J> frame = Frame<J>::of(k.area);
    Vector<J> b[B];
    for (int i = 0; i < B; ++i) b[i] = frame.burgers(slips[i][0], slips[i][1], slips[i][2]);
    const Choice<T> choice = Choice<T>::of(obs, p, area);
    if (choice.method >= 0) return from_points(k, choice.method, medium, b, u);
    if constexpr (Shape<J>::order < 3) {
        if (choice.method == LIFTED) return lifted(k, choice, medium, b, u);
    }
    closed_form(k, medium, b, u);
}

}  // namespace tde
}  // namespace dislok
