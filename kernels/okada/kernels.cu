// Entry points of the Okada family for CuPy (RawModule), one thread an observer, a source or a pair of both, each
// independent of every other; sums run in a fixed order, so that results are reproducible.
//
// okada_<operation>_<kind>_<of>_<f32|f64>; every entry but okada_sum_* takes the arguments of `Arguments`, in its order.
// A translation unit holds them all, or, to compile in seconds, the one that OKADA_NAME, OKADA_LOOP, OKADA_OP, OKADA_KIND,
// OKADA_OF and OKADA_REAL describe, with okada_sum.

#include "pair.cuh"

#include "../loops.cuh"

namespace dislok {
namespace okada {

/// What every entry gets. Arrays are C-contiguous; those that an operation does not use are null.
template <class T> struct Arguments {
    index_t n, m;    // observers, sources
    index_t chunks;  // into how many parts the sum is cut; each writes its own block of `out`
    index_t pairs;   // source i with observer i (n == m, chunks == 1)
    T nu, fa, fb;
    T nu_dot;
    const T *obs, *src;      // (n, 3), (m, parameters)
    const T *fa_of, *fb_of;  // (m): where each source has a reference point of its own, in place of fa, fb
    const T *slip;           // (m, slips): in place of the sources' own
    const T *cot;            // (n, width)
    const T *obs_t, *src_t;  // directions: (n, 3), (m, parameters)
    const T *obs_s, *src_s;
    T* out;

    DISLOK_FN Medium<T> medium() const { return Medium<T>::of(nu); }
    DISLOK_FN index_t begin(index_t chunk, index_t count) const { return chunk * count / chunks; }
};

template <class Kind, class T> DISLOK_FN Source<Kind, T> source_of(const Arguments<T>& g, index_t j) {
    return Source<Kind, T>::read(g.src + j * Kind::parameters, g.fa_of ? g.fa_of[j] : g.fa,
                                 g.fb_of ? g.fb_of[j] : g.fb);
}
template <class Kind, class Of, int N, int K, class T>
DISLOK_FN Chain<Kind, Of, T, N, K> chain_of(const Arguments<T>& g, index_t i, const Source<Kind, T>& source, bool by_z) {
    return chain<Kind, Of, N, K>(Scene<T>::of(source, g.obs + 3 * i), source, g.medium(), by_z);
}
DISLOK_FN constexpr int sign_of(int parameter) { return parameter < 2 ? -1 : 1; }

// ------------------------------------------------------------------------------------------- values

/// Field of the sources' slip, or of `slip`.
template <class Kind, class Of, class T> struct Field {
    static constexpr int width = Of::width;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        Source<Kind, T> source = source_of<Kind>(g, j);
        if (g.slip)
            for (int b = 0; b < Kind::slips; ++b)
                source.u[b] = g.slip[j * Kind::slips + b] * (b == 0 ? source.side : T(1));
        add_field<Kind, Of>(source, g.obs + 3 * i, g.medium(), sum);
    }
};

/// Field of unit slips.
template <class Kind, class Of, class T> struct Greens {
    static constexpr int components = Of::width, width = Kind::slips;
    DISLOK_FN static void write(const Arguments<T>& g, index_t i, index_t j, T* out, index_t stride) {
        T unit[Kind::slips][Of::width];
        unit_fields<Kind, Of>(source_of<Kind>(g, j), g.obs + 3 * i, g.medium(), unit);
        for (int k = 0; k < Of::width; ++k)
            for (int b = 0; b < Kind::slips; ++b) out[k * stride + b] = unit[b][k];
    }
};

/// Unit slips' field times `cot`: the transposed matrix.
template <class Kind, class Of, class T> struct Adjoint {
    static constexpr int width = Kind::slips;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        T unit[Kind::slips][Of::width];
        unit_fields<Kind, Of>(source_of<Kind>(g, j), g.obs + 3 * i, g.medium(), unit);
        for (int b = 0; b < Kind::slips; ++b)
            for (int k = 0; k < Of::width; ++k) sum[b] += unit[b][k] * g.cot[i * Of::width + k];
    }
};

// --------------------------------------------------------------------------------- first derivatives

/// Derivatives by the source's parameters.
template <class Kind, class Of, class T> struct Jacobian {
    static constexpr int components = Of::width, width = Kind::parameters;
    DISLOK_FN static void write(const Arguments<T>& g, index_t i, index_t j, T* out, index_t stride) {
        const Source<Kind, T> source = source_of<Kind>(g, j);
        const auto d = chain_of<Kind, Of, 5, 1>(g, i, source, false);
        for (int k = 0; k < Of::width; ++k)
            for (int p = 0; p < width; ++p) out[k * stride + p] = sign_of(p) * d.out[k].p(Kind::variable(p));
    }
};

/// Gradient of sum(cot * field) by the source's parameters and by Poisson's ratio (last).
template <class Kind, class Of, class T> struct Vjp {
    static constexpr int width = Kind::parameters + 1;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Source<Kind, T> source = source_of<Kind>(g, j);
        const auto d = chain_of<Kind, Of, 5, 1>(g, i, source, false);
        T by_nu[Of::width] = {};
        add_field<Kind, Of>(source, g.obs + 3 * i, Medium<T>::derivative(g.nu), by_nu);
        for (int k = 0; k < Of::width; ++k) {
            const T cot = g.cot[i * Of::width + k];
            for (int p = 0; p < Kind::parameters; ++p) sum[p] += cot * sign_of(p) * d.out[k].p(Kind::variable(p));
            sum[Kind::parameters] += cot * by_nu[k];
        }
    }
};

/// Gradient of sum(cot * field) by the observer's coordinates.
template <class Kind, class Of, class T> struct VjpObserver {
    static constexpr int width = 3;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Source<Kind, T> source = source_of<Kind>(g, j);
        const auto d = chain_of<Kind, Of, 3, 1>(g, i, source, true);
        for (int k = 0; k < Of::width; ++k)
            for (int v = 0; v < 3; ++v) sum[v] += g.cot[i * Of::width + k] * d.out[k].p(v);
    }
};

/// Direction in the chain rule's variables of a motion of observer and source.
template <class Kind, int V, class T>
DISLOK_FN void read_direction(const T* obs_t, const T* src_t, index_t i, index_t j, T (&t)[V]) {
    for (int v = 0; v < V; ++v) t[v] = v < 3 ? obs_t[3 * i + v] : T(0);
    for (int p = 0; p < Kind::parameters; ++p)
        t[Kind::variable(p)] += sign_of(p) * src_t[j * Kind::parameters + p];
}

/// Derivative of the field along (obs_t, src_t, nu_dot).
template <class Kind, class Of, class T> struct Jvp {
    static constexpr int width = Of::width;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Source<Kind, T> source = source_of<Kind>(g, j);
        const auto d = chain_of<Kind, Of, 5, 1>(g, i, source, true);
        constexpr int V = decltype(d)::V;
        T t[V], by_nu[width] = {};
        read_direction<Kind>(g.obs_t, g.src_t, i, j, t);
        if (g.nu_dot != 0) add_field<Kind, Of>(source, g.obs + 3 * i, Medium<T>::derivative(g.nu), by_nu);
        for (int k = 0; k < width; ++k) {
            sum[k] += g.nu_dot * by_nu[k];
            for (int v = 0; v < V; ++v) sum[k] += t[v] * d.out[k].p(v);
        }
    }
};

// -------------------------------------------------------------------------------- second derivatives

/// sum_w h_vw t_w
template <class T, int V> DISLOK_FN T bilinear_row(const Dual2<T, V>& x, int v, const T (&t)[V]) {
    T sum = T(0);
    for (int w = 0; w < V; ++w) sum += x.h(pack_any(v, w)) * t[w];
    return sum;
}

/// Second derivatives by the source's parameters.
template <class Kind, class Of, class T> struct Hessian {
    static constexpr int components = Of::width, P = Kind::parameters, width = P * P;
    DISLOK_FN static void write(const Arguments<T>& g, index_t i, index_t j, T* out, index_t stride) {
        const Source<Kind, T> source = source_of<Kind>(g, j);
        const auto d = chain_of<Kind, Of, 5, 2>(g, i, source, false);
        for (int k = 0; k < components; ++k)
            for (int p = 0; p < P; ++p)
                for (int q = 0; q < P; ++q)
                    out[k * stride + p * P + q] =
                        sign_of(p) * sign_of(q) * d.out[k].h(pack_any(Kind::variable(p), Kind::variable(q)));
    }
};

/// Second derivative along (obs_t, src_t) and (obs_s, src_s).
template <class Kind, class Of, class T> struct Jvp2 {
    static constexpr int width = Of::width;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Source<Kind, T> source = source_of<Kind>(g, j);
        const auto d = chain_of<Kind, Of, 5, 2>(g, i, source, true);
        constexpr int V = decltype(d)::V;
        T t[V], s[V];
        read_direction<Kind>(g.obs_t, g.src_t, i, j, t);
        read_direction<Kind>(g.obs_s, g.src_s, i, j, s);
        for (int k = 0; k < width; ++k)
            for (int v = 0; v < V; ++v) sum[k] += s[v] * bilinear_row(d.out[k], v, t);
    }
};

/// Gradient of sum(cot * jvp(t)) by the source's parameters, or by the observer's coordinates.
template <class Kind, class Of, class T, bool by_source> struct Vjp2Of {
    static constexpr int width = by_source ? Kind::parameters : 3;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Source<Kind, T> source = source_of<Kind>(g, j);
        const auto d = chain_of<Kind, Of, 5, 2>(g, i, source, true);
        constexpr int V = decltype(d)::V;
        T t[V];
        read_direction<Kind>(g.obs_t, g.src_t, i, j, t);
        for (int k = 0; k < Of::width; ++k)
            for (int p = 0; p < width; ++p) {
                const int v = by_source ? Kind::variable(p) : p, sign = by_source ? sign_of(p) : 1;
                sum[p] += sign * g.cot[i * Of::width + k] * bilinear_row(d.out[k], v, t);
            }
    }
};
template <class Kind, class Of, class T> using Vjp2 = Vjp2Of<Kind, Of, T, true>;
template <class Kind, class Of, class T> using Vjp2Observer = Vjp2Of<Kind, Of, T, false>;

}  // namespace okada
}  // namespace dislok

// ------------------------------------------------------------------------------------------- entries

#define OKADA_ENTRY(name, loop, Op, Kind, Of, T)                                                                      \
    extern "C" __global__ void __launch_bounds__(128)                                                                 \
        name(long long n, long long m, long long chunks, long long pairs, T nu, T fa, T fb, T nu_dot, const T* obs,   \
             const T* src, const T* fa_of, const T* fb_of, const T* slip, const T* cot, const T* obs_t,               \
             const T* src_t, const T* obs_s, const T* src_s, T* out) {                                                \
        using namespace dislok::okada;                                                                                \
        dislok::loop<Op<Kind, Of, T>>(Arguments<T>{n, m, chunks, pairs, nu, fa, fb, nu_dot, obs, src, fa_of, fb_of,    \
                                                  slip, cot, obs_t, src_t, obs_s, src_s, out});                       \
    }
#define OKADA_SUM(name, T)                                                                     \
    extern "C" __global__ void name(long long count, long long chunks, const T* in, T* out) {  \
        dislok::sum_chunks(count, chunks, in, out);                                     \
    }

#ifdef OKADA_NAME
OKADA_ENTRY(OKADA_NAME, OKADA_LOOP, OKADA_OP, OKADA_KIND, OKADA_OF, OKADA_REAL)
OKADA_SUM(okada_sum, OKADA_REAL)
#else
#define OKADA_PARTS(operation, loop, Op, kind, Kind, real, T)                                         \
    OKADA_ENTRY(okada_##operation##_##kind##_displacement_##real, loop, Op, Kind, Displacement, T)    \
    OKADA_ENTRY(okada_##operation##_##kind##_gradient_##real, loop, Op, Kind, Gradient, T)
#define OKADA_ENTRIES(kind, Kind, real, T)                                              \
    OKADA_PARTS(field, for_observers, Field, kind, Kind, real, T)                       \
    OKADA_ENTRY(okada_field_##kind##_both_##real, for_observers, Field, Kind, Both, T)  \
    OKADA_PARTS(greens, for_pairs, Greens, kind, Kind, real, T)                         \
    OKADA_PARTS(adjoint, for_sources, Adjoint, kind, Kind, real, T)                     \
    OKADA_PARTS(jacobian, for_pairs, Jacobian, kind, Kind, real, T)                     \
    OKADA_PARTS(vjp, for_sources, Vjp, kind, Kind, real, T)                             \
    OKADA_PARTS(vjp_observer, for_observers, VjpObserver, kind, Kind, real, T)          \
    OKADA_PARTS(jvp, for_observers, Jvp, kind, Kind, real, T)                           \
    OKADA_PARTS(hessian, for_pairs, Hessian, kind, Kind, real, T)                       \
    OKADA_PARTS(vjp2, for_sources, Vjp2, kind, Kind, real, T)                           \
    OKADA_PARTS(vjp2_observer, for_observers, Vjp2Observer, kind, Kind, real, T)        \
    OKADA_PARTS(jvp2, for_observers, Jvp2, kind, Kind, real, T)
#ifndef OKADA_F64_ONLY
OKADA_ENTRIES(rectangle, Rectangle, f32, float)
OKADA_ENTRIES(point, Point, f32, float)
OKADA_SUM(okada_sum_f32, float)
#endif
#ifndef OKADA_F32_ONLY
OKADA_ENTRIES(rectangle, Rectangle, f64, double)
OKADA_ENTRIES(point, Point, f64, double)
OKADA_SUM(okada_sum_f64, double)
#endif
#endif
