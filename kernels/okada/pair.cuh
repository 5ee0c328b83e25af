// One source and one observer: geometry, choice between the closed form and the quadrature, and the chain rule from
// the local variables of formula.cuh to the variables of the caller.
#pragma once

#include "formula.cuh"

namespace dislok {
namespace okada {

/// What a quantity is: components of the displacement, of its gradient (row-major, [i, j] = du_i / dx_j), or both.
struct Displacement {
    static constexpr int width = 3;
    static constexpr bool value = true, slope = false;
};
struct Gradient {
    static constexpr int width = 9;
    static constexpr bool value = false, slope = true;
};
struct Both {
    static constexpr int width = 12;
    static constexpr bool value = true, slope = true;
};

// Variables of the chain rule, in this order: east, north, up of the observer, depth, strike, dip, then length and width
// of a rectangle, then what the field is linear in: rake, slip or potency, opening, inflation. The source's x and y are
// minus the observer's. `variable(p)` finds parameter p of the caller among them.
constexpr int EAST = 0, NORTH = 1, UP = 2, DEPTH = 3, STRIKE = 4, DIP = 5, LENGTH = 6, WIDTH = 7;

struct Rectangle {
    static constexpr int parameters = 10, slips = 3, shape = 8;
    DISLOK_FN static int variable(int p) {
        return p == 2 ? DEPTH : p == 3 ? LENGTH : p == 4 ? WIDTH : p == 5 ? STRIKE : p == 6 ? DIP : p < 2 ? p : p + 1;
    }
};
struct Point {
    static constexpr int parameters = 9, slips = 4, shape = 6;
    DISLOK_FN static int variable(int p) { return p < 2 ? p : p + 1; }
};
DISLOK_FN constexpr bool is_length(int variable) { return variable <= DEPTH || variable == LENGTH || variable == WIDTH; }

/// A source as the formulas want it: sin(dip) >= 0 for rectangles (dip and dip + 180 are one plane, seen from its two
/// sides), trigonometry done, slip in the fault's frame.
template <class Kind, class T> struct Source {
    T x, y, depth, length, width;
    T sin_strike, cos_strike, sin_dip, cos_dip, sin_rake, cos_rake;
    T along0, along1, up0, up1;  // ends in units of length and width, along strike and up dip
    T slip, u[4];
    T side = 1;  // -1 where the rake is counted from the other side of the plane

    DISLOK_FN static Source read(const T* p, T fa, T fb) {
        constexpr bool rectangle = Kind::parameters == 10;
        Source s;
        s.x = p[0], s.y = p[1], s.depth = p[2];
        s.length = rectangle ? p[3] : T(0);
        s.width = rectangle ? p[4] : T(0);
        const T* angle = p + (rectangle ? 5 : 3);
        sincos_degrees(angle[0], s.sin_strike, s.cos_strike);
        sincos_degrees(angle[1], s.sin_dip, s.cos_dip);
        sincos_degrees(angle[2], s.sin_rake, s.cos_rake);
        s.along0 = -fa, s.along1 = 1 - fa, s.up0 = fb - 1, s.up1 = fb;
        if (rectangle && s.sin_dip < 0) s.turn_over();
        s.slip = angle[3];
        s.u[0] = s.slip * s.cos_rake, s.u[1] = s.slip * s.sin_rake, s.u[2] = angle[4];
        s.u[3] = rectangle ? T(0) : angle[5];
        return s;
    }
    /// The same plane from its other side: strike slip changes its sign, dip slip and opening do not.
    DISLOK_FN void turn_over() {
        const T low = up0;
        sin_dip = -sin_dip, cos_dip = -cos_dip, cos_rake = -cos_rake, side = -side;
        up0 = -up1, up1 = -low;
    }
    /// Derivative of u by linear variable v: rake in degrees, slip, opening, inflation.
    DISLOK_FN T slope(int v, int b) const {
        if (v == 0) return b == 0 ? -degree<T>() * side * u[1] : b == 1 ? degree<T>() * side * u[0] : T(0);
        if (v == 1) return b == 0 ? cos_rake : b == 1 ? sin_rake : T(0);
        return b == v ? T(1) : T(0);
    }
    /// Second derivative by rake and v = 0 (rake) or 1 (slip).
    DISLOK_FN T bend(int v, int b) const {
        if (b > 1) return T(0);
        if (v == 0) return -degree<T>() * degree<T>() * u[b];
        return degree<T>() * side * (b == 0 ? -sin_rake : cos_rake);
    }
};

/// The observer in the source's frame (along strike, horizontally up dip, up), in units of the pair's size, a power of
/// two: no fifth power of a distance overflows, and a change of the length unit changes nothing but the unit.
template <class T> struct Scene {
    T per_unit;  // 1 / unit
    T x, y, z, depth, length, width, s, c;
    T real_p, real_q, image_p, image_q;
    bool real_plane, image_plane, singular;

    template <class Kind> DISLOK_FN static Scene of(const Source<Kind, T>& source, const T* obs) {
        const T east = obs[0] - source.x, north = obs[1] - source.y;
        Scene g;
        g.x = east * source.sin_strike + north * source.cos_strike;
        g.y = north * source.sin_strike - east * source.cos_strike;
        const T far = larger(larger(fabs(g.x), fabs(g.y)), larger(source.depth, fabs(obs[2])));
        g.per_unit = T(1) / power_of_two(larger(far, larger(source.length, source.width)));
        g.x *= g.per_unit, g.y *= g.per_unit;
        g.z = obs[2] * g.per_unit, g.depth = source.depth * g.per_unit;
        g.length = source.length * g.per_unit, g.width = source.width * g.per_unit;
        g.s = source.sin_dip, g.c = source.cos_dip;
        g.project();
        g.singular = Kind::slips == 4 ? g.x == 0 && g.y == 0 && g.depth + g.z == 0 : g.on_edge(source);
        return g;
    }
    /// Coordinates in the fault's plane and normal to it, for the real source and the image; on the plane to rounding?
    DISLOK_FN void project() {
        const T real = depth + z, image = depth - z;
        real_p = y * c + real * s, real_q = y * s - real * c;
        image_p = y * c + image * s, image_q = y * s - image * c;
        const T tiny = rounding(fabs(y * s) + fabs(depth * c) + fabs(z * c));
        real_plane = fabs(real_q) <= tiny, image_plane = fabs(image_q) <= tiny;
    }
    DISLOK_FN static T rounding(T size) { return 8 * Precision<T>::epsilon() * size; }

    template <class Kind> DISLOK_FN bool on_edge(const Source<Kind, T>& f) const {
        if (!real_plane) return false;
        const T tx = rounding(fabs(x) + length), tp = rounding(fabs(y * c) + fabs(depth * s) + fabs(z * s) + width);
        const T x0 = x - f.along0 * length, x1 = x - f.along1 * length;
        const T p0 = real_p - f.up0 * width, p1 = real_p - f.up1 * width;
        const bool beside = x0 >= -tx && x1 <= tx, level = p0 >= -tp && p1 <= tp;
        return beside && level && (fabs(x0) <= tx || fabs(x1) <= tx || fabs(p0) <= tp || fabs(p1) <= tp);
    }
    /// The point (a, b) of the fault, in units of length along strike and of width up dip.
    DISLOK_FN Place<T> place(T a, T b) const {
        return {x - a * length, y - b * width * c, z, depth - b * width * s, s, c};
    }
    /// How the corner (a, b) sees the observer at coordinates p in and q normal to the plane, of the source or its image.
    template <class Kind> DISLOK_FN View<T> view(const Source<Kind, T>& f, T a, T b, T p, T q, bool plane) const {
        const T middle_x = (f.along0 + f.along1) / 2 * length, middle_p = (f.up0 + f.up1) / 2 * width;
        const T xi = x - a * length, eta = p - b * width;
        const T other_xi = x - (f.along0 + f.along1 - a) * length, other_eta = p - (f.up0 + f.up1 - b) * width;
        const bool turned = eta * other_eta > 0 ? flat(xi, smaller(fabs(eta), fabs(other_eta)), q)
                                                : xi * other_xi > 0 && flat(smaller(fabs(xi), fabs(other_xi)), eta, q);
        return {eta, q, x < middle_x ? T(-1) : T(1), p < middle_p ? T(-1) : T(1), plane, turned};
    }
    /// Theta beyond 45 degrees: there the corners at the two ends of an edge cancel to a small difference from 90.
    DISLOK_FN static bool flat(T xi, T eta, T q) {
        const T x2 = xi * xi, e2 = eta * eta, q2 = q * q;
        return x2 * e2 > q2 * (x2 + e2 + q2);
    }
};

/// Where the quadrature is good to rounding and the closed form, whose corners cancel, is not: they lose R^2 / (L W) ulp
/// by their number, and R / depth more where a shallow source and its image cancel.
template <class T> struct Quadrature {
    static constexpr bool wide = sizeof(T) == 8;
    int along, up;  // nodes; 0: use the closed form

    template <class Kind> DISLOK_FN static Quadrature choose(const Scene<T>& g, const Source<Kind, T>& f) {
        const T dx = g.x - (f.along0 + f.along1) / 2 * g.length, dp = g.real_p - (f.up0 + f.up1) / 2 * g.width;
        const T r2 = dx * dx + dp * dp + g.real_q * g.real_q, size = larger(g.length, g.width);
        const T area = g.length * g.width, deep = g.depth + g.width * g.s - g.z;
        const bool lossy = r2 >= T(wide ? 64 : 6) * area || r2 * sqrt(r2) >= T(wide ? 1000 : 30) * area * deep;
        if (!(lossy && r2 >= T(2.25) * size * size)) return {0, 0};
        return {nodes(g.length * g.length / (16 * r2)), nodes(g.width * g.width / (16 * r2))};
    }
    /// Nodes for an error below rounding: it falls by `ratio` = (length / (4 R))^2 per node.
    DISLOK_FN static int nodes(T ratio) {
        int n = 1;
        for (T error = ratio; error > T(wide ? 1e-18 : 1e-9) && n < Gauss<T>::most; error *= ratio) ++n;
        return n;
    }
};

/// Sends sink.add<J>(f, a, b, weight) for every corner or node (a, b); returns the area by which to multiply.
template <class J, class T, class Sink>
DISLOK_FN bool visit(const Scene<T>& g, const Source<Rectangle, T>& source, const Medium<T>& m, bool ground, Sink& sink) {
    const Quadrature<T> rule = Quadrature<T>::choose(g, source);
    const T a0 = (source.along0 + source.along1) / 2, b0 = (source.up0 + source.up1) / 2;
    J f[4][3];
    DISLOK_ROLLED
    for (int node = 0; node < rule.along * rule.up; ++node) {
        const int i = node / rule.up, j = node % rule.up;
        const T a = a0 + Gauss<T>::node(rule.along, i), b = b0 + Gauss<T>::node(rule.up, j);
        point_source(g.place(a, b), m, ground, f);
        sink.add(f, a, b, Gauss<T>::weight(rule.along, i) * Gauss<T>::weight(rule.up, j));
    }
    if (rule.along) return true;
    DISLOK_ROLLED
    for (int corner = 0; corner < 4; ++corner) {
        const T a = corner & 1 ? source.along1 : source.along0, b = corner & 2 ? source.up1 : source.up0;
        const View<T> real = g.view(source, a, b, g.real_p, g.real_q, g.real_plane);
        const View<T> image = g.view(source, a, b, g.image_p, g.image_q, g.image_plane);
        rectangle_corner(g.place(a, b), real, image, m, ground, f);
        sink.add(f, a, b, corner == 0 || corner == 3 ? T(1) : T(-1));
    }
    return false;
}
template <class J, class T, class Sink>
DISLOK_FN bool visit(const Scene<T>& g, const Source<Point, T>&, const Medium<T>& m, bool ground, Sink& sink) {
    J f[4][3];
    point_source(g.place(T(0), T(0)), m, ground, f);
    sink.add(f, T(0), T(0), T(1));
    return false;
}

// ------------------------------------------------------------------------------------------- values

/// v from the fault's frame to east, north, up; `stride` apart.
template <class T> DISLOK_FN void to_geographic(T sin_strike, T cos_strike, T* v, int stride) {
    const T x = v[0], y = v[stride];
    v[0] = x * sin_strike - y * cos_strike;
    v[stride] = x * cos_strike + y * sin_strike;
}

/// Sum over corners or nodes; J is a plain number, or carries the three spatial derivatives.
template <class Kind, class J> struct Total {
    J f[Kind::slips][3];

    DISLOK_FN Total() {
        for (int b = 0; b < Kind::slips; ++b)
            for (int i = 0; i < 3; ++i) f[b][i] = J(scalar_t<J>(0));
    }
    template <class T> DISLOK_FN void add(const J (&term)[4][3], T, T, T weight) {
        for (int b = 0; b < Kind::slips; ++b)
            for (int i = 0; i < 3; ++i) f[b][i] = f[b][i] + weight * term[b][i];
    }
};

/// Number type that gives Of: the value alone, or with its spatial derivatives.
template <class Of, class T> struct Needs {
    using type = Dual<T, 3>;
};
template <class T> struct Needs<Displacement, T> {
    using type = T;
};

/// The parts of Of in `w`, a vector in the fault's frame, to out[width] in geographic components.
template <class Of, class T, class J>
DISLOK_FN void write_parts(const Scene<T>& g, T sin_strike, T cos_strike, T scale, const J w[3], T* out) {
    if constexpr (Of::value) {
        for (int i = 0; i < 3; ++i) out[i] = scale * value(w[i]);
        to_geographic(sin_strike, cos_strike, out, 1);
    }
    if constexpr (Of::slope) {
        T* slope = out + (Of::value ? 3 : 0);
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) slope[3 * i + j] = scale * g.per_unit * w[i].p(j);
        for (int i = 0; i < 3; ++i) to_geographic(sin_strike, cos_strike, slope + 3 * i, 1);
        for (int j = 0; j < 3; ++j) to_geographic(sin_strike, cos_strike, slope + j, 3);
    }
}

/// 1 / (2 pi), and the powers of length in a potency.
template <class Kind, class T> DISLOK_FN T amplitude(const Scene<T>& g, bool area) {
    const T per_turn = T(0.5) / pi<T>();
    if (Kind::slips == 4) return per_turn * g.per_unit * g.per_unit;
    return area ? per_turn * g.length * g.width : per_turn;
}

/// Field of each unit slip (strike, dip, opening; points: inflation), out[b][width]. NaN on an edge or at a point source.
template <class Kind, class Of, class T>
DISLOK_FN void unit_fields(const Source<Kind, T>& source, const T* obs, const Medium<T>& m, T (*out)[Of::width]) {
    using J = typename Needs<Of, T>::type;
    const Scene<T> g = Scene<T>::of(source, obs);
    Total<Kind, J> total;
    const bool ground = !Of::slope && g.z == 0;
    const bool area = visit<J>(g, source, m, ground, total);
    const T scale = g.singular ? Precision<T>::not_a_number() : amplitude<Kind>(g, area);
    for (int b = 0; b < Kind::slips; ++b)
        write_parts<Of>(g, source.sin_strike, source.cos_strike, b == 0 ? scale * source.side : scale, total.f[b], out[b]);
}

/// Adds the field of the source's slip u to out[width].
template <class Kind, class Of, class T>
DISLOK_FN void add_field(const Source<Kind, T>& source, const T* obs, const Medium<T>& m, T* out) {
    T unit[Kind::slips][Of::width];
    unit_fields<Kind, Of>(source, obs, m, unit);
    for (int b = 0; b < Kind::slips; ++b)
        for (int i = 0; i < Of::width; ++i) out[i] += (b == 0 ? source.side : T(1)) * source.u[b] * unit[b][i];
}

// --------------------------------------------------------------------------------------- chain rule

/// Derivatives of the five local variables (xi, y~, z, depth, dip) of the point (a, b) of the fault by the variables of
/// the chain rule, the observer's and the source's shape; angles of the caller in degrees.
template <int N, int G, class T> struct Slopes {
    T d[N][G];
    T east[2], north[2], strike[2], width[2], dip[2];  // second ones: (E, strike), (N, strike), (strike, strike) of xi, y~;
                                                       // (W, dip), (dip, dip) of y~, depth

    template <class Kind> DISLOK_FN Slopes(const Scene<T>& g, const Source<Kind, T>& f, T a, T b) {
        const T deg = degree<T>(), w = b * g.width;
        for (int k = 0; k < N; ++k)
            for (int v = 0; v < G; ++v) d[k][v] = T(0);
        d[0][EAST] = f.sin_strike, d[0][NORTH] = f.cos_strike;
        d[1][EAST] = -f.cos_strike, d[1][NORTH] = f.sin_strike;
        d[2][UP] = T(1);
        if constexpr (N > 3) {
            d[0][STRIKE] = -g.y * deg, d[1][STRIKE] = g.x * deg;
            d[3][DEPTH] = T(1), d[4][DIP] = deg;
            east[0] = f.cos_strike * deg, east[1] = f.sin_strike * deg;
            north[0] = -f.sin_strike * deg, north[1] = f.cos_strike * deg;
            strike[0] = -g.x * deg * deg, strike[1] = -g.y * deg * deg;
        }
        if constexpr (G > LENGTH) {
            d[0][LENGTH] = -a;
            d[1][WIDTH] = -b * g.c, d[1][DIP] = w * g.s * deg;
            d[3][WIDTH] = -b * g.s, d[3][DIP] = -w * g.c * deg;
            width[0] = b * g.s * deg, width[1] = -b * g.c * deg;
            dip[0] = w * g.c * deg * deg, dip[1] = w * g.s * deg * deg;
        }
    }
    /// out_v += sum_k p_k d_kv
    template <int V, int K> DISLOK_FN void add_first(const Jet<T, N, K>& x, T scale, Jet<T, V, K>& out) const {
        for (int v = 0; v < G; ++v) {
            T sum = T(0);
            for (int k = 0; k < N; ++k) sum += x.p(k) * d[k][v];
            out.p(v) += scale * sum;
        }
    }
    /// out_vw += sum_kl h_kl d_kv d_lw + sum_k p_k d2_kvw
    template <int V> DISLOK_CALL void add_second(const Dual2<T, N>& x, T scale, Dual2<T, V>& out) const {
        for (int v = 0; v < G; ++v) {
            T column[N];
            for (int k = 0; k < N; ++k) {
                column[k] = T(0);
                for (int l = 0; l < N; ++l) column[k] += x.h(pack_any(k, l)) * d[l][v];
            }
            for (int w = v; w < G; ++w) {
                T sum = T(0);
                for (int k = 0; k < N; ++k) sum += d[k][w] * column[k];
                out.h(pack(w, v)) += scale * sum;
            }
        }
        out.h(pack(STRIKE, EAST)) += scale * (x.p(0) * east[0] + x.p(1) * east[1]);
        out.h(pack(STRIKE, NORTH)) += scale * (x.p(0) * north[0] + x.p(1) * north[1]);
        out.h(pack(STRIKE, STRIKE)) += scale * (x.p(0) * strike[0] + x.p(1) * strike[1]);
        if constexpr (G > LENGTH) {
            out.h(pack(WIDTH, DIP)) += scale * (x.p(1) * width[0] + x.p(3) * width[1]);
            out.h(pack(DIP, DIP)) += scale * (x.p(1) * dip[0] + x.p(3) * dip[1]);
        }
    }
};

/// f(variable) * u, from f's value and derivatives.
template <class T, int V, int K>
DISLOK_FN Jet<T, V, K> times(const Jet<T, V, K>& u, int variable, T f0, T f1, T f2) {
    Jet<T, V, K> out = f0 * u;
    if constexpr (K > 1) {
        for (int v = 0; v < V; ++v) out.h(pack_any(v, variable)) += f1 * u.p(v) * (v == variable ? T(2) : T(1));
        out.h(pack(variable, variable)) += f2 * u.v();
    }
    out.p(variable) += f1 * u.v();
    return out;
}

/// Of and its derivatives to order K by the chain rule's variables: those of the observer alone (N = 3) or all (N = 5).
template <class Kind, class Of, class T, int N, int K> struct Chain {
    static constexpr int G = N == 3 ? 3 : Kind::shape, linear = N == 3 ? 0 : Kind::slips, V = G + linear;
    using J = Jet<T, N, K + (Of::slope ? 1 : 0)>;
    using D = Jet<T, V, K>;
    static constexpr int order = J::order;

    const Scene<T>& g;
    const Source<Kind, T>& source;
    D out[Of::width];

    DISLOK_FN Chain(const Scene<T>& scene, const Source<Kind, T>& from) : g(scene), source(from) {
        for (int i = 0; i < Of::width; ++i) out[i] = D(T(0));
    }
    DISLOK_FN void add(const J (&term)[4][3], T a, T b, T weight) {
        const Slopes<N, G, T> slopes(g, source, a, b);
        DISLOK_UNROLL
        for (int i = 0; i < Of::width; ++i) {
            Jet<T, N, K> f[Kind::slips];
            for (int s = 0; s < Kind::slips; ++s)
                if constexpr (Of::slope)
                    f[s] = partial(term[s][i / 3], i % 3);
                else
                    f[s] = term[s][i];
            add_component(f, slopes, weight, out[i]);
        }
    }
    DISLOK_FN void add_component(const Jet<T, N, K>* f, const Slopes<N, G, T>& slopes, T weight, D& to) {
        const Jet<T, N, K> w = combine(f, [this](int b) { return source.u[b]; });
        to.v() += weight * w.v();
        slopes.add_first(w, weight, to);
        if constexpr (K > 1) slopes.add_second(w, weight, to);
        for (int v = 0; v < linear; ++v) {
            const Jet<T, N, K> column = combine(f, [this, v](int b) { return source.slope(v, b); });
            to.p(G + v) += weight * column.v();
            if constexpr (K > 1) {
                D mixed(T(0));
                slopes.add_first(column, weight, mixed);
                for (int k = 0; k < G; ++k) to.h(pack(G + v, k)) += mixed.p(k);
                if (v < 2) to.h(pack(G + v, G)) += weight * combine(f, [this, v](int b) { return source.bend(v, b); }).v();
            }
        }
    }
    template <class F> DISLOK_FN static Jet<T, N, K> combine(const Jet<T, N, K>* f, F factor) {
        Jet<T, N, K> sum = factor(0) * f[0];
        for (int b = 1; b < Kind::slips; ++b) sum = sum + factor(b) * f[b];
        return sum;
    }
    /// Components to east, north, up; the strike turns the axes too.
    DISLOK_FN void rotate(int at, int stride) {
        const D x = out[at], y = out[at + stride];
        out[at] = by_sine(x) - by_cosine(y);
        out[at + stride] = by_cosine(x) + by_sine(y);
    }
    DISLOK_FN D by_sine(const D& u) const { return by_strike(u, source.sin_strike, source.cos_strike); }
    DISLOK_FN D by_cosine(const D& u) const { return by_strike(u, source.cos_strike, -source.sin_strike); }
    DISLOK_FN static D by_strike(const D& u, T f, T f1) {
        const T deg = degree<T>();
        if constexpr (N == 3)
            return f * u;
        else
            return times(u, STRIKE, f, f1 * deg, -f * deg * deg);
    }
    /// Units, area and axes: call once, when every term is in.
    DISLOK_FN void finish(bool area) {
        const T scale = g.singular ? Precision<T>::not_a_number() : amplitude<Kind>(g, false) * (Of::slope ? g.per_unit : T(1));
        DISLOK_UNROLL
        for (int i = 0; i < Of::width; ++i) {
            if (area) out[i] = by_area(out[i]);
            out[i] = scale * out[i];
            unscale(out[i]);
        }
        DISLOK_UNROLL
        for (int i = 0; i < Of::width / 3; ++i) rotate(3 * i, 1);
        if constexpr (Of::slope)
            DISLOK_UNROLL
            for (int j = 0; j < 3; ++j) rotate(j, 3);
    }
    DISLOK_FN D by_area(const D& u) const {
        if constexpr (G > LENGTH)
            return times(times(u, LENGTH, g.length, T(1), T(0)), WIDTH, g.width, T(1), T(0));
        else
            return g.length * g.width * u;
    }
    DISLOK_FN void unscale(D& u) const {
        for (int v = 0; v < G; ++v) u.p(v) *= is_length(v) ? g.per_unit : T(1);
        if constexpr (K > 1)
            for (int v = 0, n = 0; v < V; ++v)
                for (int w = 0; w <= v; ++w, ++n)
                    u.h(n) *= (v < G && is_length(v) ? g.per_unit : T(1)) * (w < G && is_length(w) ? g.per_unit : T(1));
    }
};

/// Of with its derivatives; `by_z`: those by the observer's z are wanted too.
template <class Kind, class Of, int N, int K, class T>
DISLOK_CALL Chain<Kind, Of, T, N, K> chain(const Scene<T>& g, const Source<Kind, T>& source, const Medium<T>& m, bool by_z) {
    Chain<Kind, Of, T, N, K> d(g, source);
    const bool ground = !Of::slope && !by_z && g.z == 0;
    d.finish(visit<typename Chain<Kind, Of, T, N, K>::J>(g, source, m, ground, d));
    return d;
}

}  // namespace okada
}  // namespace dislok
