// Entry points of the triangles for CuPy (RawModule), one thread an observer, a triangle or a pair of both, each
// independent of every other; sums run in a fixed order, so that results are reproducible.
//
// A translation unit holds the one entry that TDE_NAME, TDE_LOOP, TDE_OP, TDE_OF and TDE_REAL describe, with tde_sum,
// or, where TDE_NAME is not given, all of them.

#include "pair.cuh"

#include "../loops.cuh"

namespace dislok {
namespace tde {

/// What every entry gets. Arrays are C-contiguous; those that an operation does not use are null.
template <class T> struct Arguments {
    index_t n, m;    // observers, triangles
    index_t chunks;  // into how many parts the sum is cut; each writes its own block of `out`
    index_t pairs;   // triangle i with observer i (n == m, chunks == 1)
    index_t half;    // half space, else full space
    T nu, nu_dot;
    const T *obs, *tri, *slip;        // (n, 3), (m, 9), (m, 3)
    const T* cot;                     // (n, width)
    const T *obs_t, *tri_t, *slip_t;  // directions, as obs, tri, slip
    const T *obs_s, *tri_s, *slip_s;
    T* out;

    DISLOK_FN index_t begin(index_t chunk, index_t count) const { return chunk * count / chunks; }
};

/// What is differentiated: components, and whether they are derivatives with the observer.
struct Displacement {
    static constexpr int width = 3, first = 0, axes = 0;
};
struct Gradient {
    static constexpr int width = 9, first = 3, axes = 3;
};
struct Both {
    static constexpr int width = 12, first = 0, axes = 3;
};

// ------------------------------------------------------------------------------------------- seeding

/// A direction in which a pair may move: observer, vertices, slip, nu.
template <class T> struct Direction {
    static constexpr int size = 16, obs = 0, vertices = 3, slip = 12, nu = 15;
    static constexpr int pass = 3;  // so many of them at once, where all of a triangle are wanted
    T c[size];

    DISLOK_FN static Direction unit(int which) {
        Direction d;
        for (int k = 0; k < size; ++k) d.c[k] = T(k == which);
        return d;
    }
    DISLOK_FN static Direction read(const T* obs_t, const T* tri_t, const T* slip_t, T nu_t, index_t i, index_t j) {
        Direction d;
        for (int k = 0; k < 3; ++k) d.c[obs + k] = obs_t[3 * i + k];
        for (int k = 0; k < 9; ++k) d.c[vertices + k] = tri_t[9 * j + k];
        for (int k = 0; k < 3; ++k) d.c[slip + k] = slip_t[3 * j + k];
        d.c[nu] = nu_t;
        return d;
    }
};

template <class J, class T, int D> DISLOK_FN J seeded(T x, int place, int axes, const Direction<T> (&along)[D]) {
    J out = J(x);
    if constexpr (Shape<J>::variables > 0) {
        for (int k = 0; k < axes; ++k) out.p(k) = T(place == k);
        for (int k = axes; k < Shape<J>::variables; ++k) out.p(k) = along[k - axes].c[place];
    }
    return out;
}

/// The field of B slips of pair (i, j), with derivatives to order K along D directions.
template <class Of, int D, int K, class T, int B> struct PairField {
    static constexpr int variables = Of::axes + (K > 0 ? D : 0), order = K + (Of::axes > 0);
    using J = number_t<T, variables, order>;
    Vector<J> u[B];

    DISLOK_FN PairField(const Arguments<T>& g, index_t i, index_t j, const T (&slips)[B][3], const Direction<T> (&along)[D]) {
        using At = Direction<T>;
        Inputs<J> in;
        in.obs = vector(g.obs + 3 * i, At::obs, along);
        for (int v = 0; v < 3; ++v) in.vertices[v] = vector(g.tri + 9 * j + 3 * v, At::vertices + 3 * v, along);
        const J nu = seeded<J>(g.nu, At::nu, Of::axes, along);
        J s[B][3];
        for (int b = 0; b < B; ++b)
            for (int k = 0; k < 3; ++k) s[b][k] = seeded<J>(slips[b][k], At::slip + k, Of::axes, along);
        displacements(in, s, Medium<J>::of(nu), g.half != 0, u);
    }
    DISLOK_FN static Vector<J> vector(const T* x, int place, const Direction<T> (&along)[D]) {
        return {seeded<J>(x[0], place, Of::axes, along), seeded<J>(x[1], place + 1, Of::axes, along),
                seeded<J>(x[2], place + 2, Of::axes, along)};
    }
    DISLOK_FN const J& component(int b, int i) const { return i == 0 ? u[b].x : i == 1 ? u[b].y : u[b].z; }

    /// Component c of the field, differentiated along the directions that are named.
    template <class... At> DISLOK_FN T value(int b, int c, At... at) const {
        const int k = c + Of::first;
        if (k < 3) return derivative(component(b, k), (at + Of::axes)...);
        return derivative(component(b, (k - 3) / 3), (k - 3) % 3, (at + Of::axes)...);
    }
    DISLOK_FN static T derivative(const J& x) { return dislok::value(x); }
    DISLOK_FN static T derivative(const J& x, int a) {
        if constexpr (order > 0 && variables > 0) return x.p(a);
        return T(0);
    }
    DISLOK_FN static T derivative(const J& x, int a, int b) {
        if constexpr (order > 1) return x.h(pack_any(a, b));
        return T(0);
    }
    DISLOK_FN static T derivative(const J& x, int a, int b, int c) {
        if constexpr (order > 2) return x.t(pack_any(a, b, c));
        return T(0);
    }
};

template <class T> struct Slips {
    T own[1][3];
    DISLOK_FN Slips(const Arguments<T>& g, index_t j) {
        for (int k = 0; k < 3; ++k) own[0][k] = g.slip ? g.slip[3 * j + k] : T(0);
    }
};

// ------------------------------------------------------------------------------------------- values

/// Field of the triangles' slip.
template <class Of, class T> struct Field {
    static constexpr int width = Of::width;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Direction<T> none[1] = {};
        const PairField<Of, 1, 0, T, 1> field(g, i, j, Slips<T>(g, j).own, none);
        for (int c = 0; c < width; ++c) sum[c] += field.value(0, c);
    }
};

template <class Of, class T> struct UnitSlips : PairField<Of, 1, 0, T, 3> {
    DISLOK_FN UnitSlips(const Arguments<T>& g, index_t i, index_t j)
        : PairField<Of, 1, 0, T, 3>(g, i, j, {{T(1), T(0), T(0)}, {T(0), T(1), T(0)}, {T(0), T(0), T(1)}}, {Direction<T>{}}) {}
};

/// Field of unit slips.
template <class Of, class T> struct Greens {
    static constexpr int components = Of::width, width = 3;
    DISLOK_FN static void write(const Arguments<T>& g, index_t i, index_t j, T* out, index_t stride) {
        const UnitSlips<Of, T> field(g, i, j);
        for (int c = 0; c < components; ++c)
            for (int b = 0; b < 3; ++b) out[c * stride + b] = field.value(b, c);
    }
};

/// Unit slips' field times `cot`: the transposed matrix.
template <class Of, class T> struct Adjoint {
    static constexpr int width = 3;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const UnitSlips<Of, T> field(g, i, j);
        for (int b = 0; b < 3; ++b)
            for (int c = 0; c < Of::width; ++c) sum[b] += field.value(b, c) * g.cot[i * Of::width + c];
    }
};

// --------------------------------------------------------------------------------- first derivatives


/// Derivatives with the vertices' coordinates.
template <class Of, class T> struct Jacobian {
    static constexpr int components = Of::width, width = 9;
    DISLOK_FN static void write(const Arguments<T>& g, index_t i, index_t j, T* out, index_t stride) {
        DISLOK_ROLLED
        for (int q = 0; q < width; q += Direction<T>::pass) {
            Direction<T> along[Direction<T>::pass];
            for (int d = 0; d < Direction<T>::pass; ++d) along[d] = Direction<T>::unit(Direction<T>::vertices + q + d);
            const PairField<Of, Direction<T>::pass, 1, T, 1> field(g, i, j, Slips<T>(g, j).own, along);
            for (int c = 0; c < components; ++c)
                for (int d = 0; d < Direction<T>::pass; ++d) out[c * stride + q + d] = field.value(0, c, d);
        }
    }
};

/// Gradient of sum(cot * field) with the numbers from `begin` on of a direction.
template <class Of, class T, int begin, int count> struct VjpOf {
    static constexpr int width = count;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        DISLOK_ROLLED
        for (int q = 0; q < count; q += Direction<T>::pass) {
            Direction<T> along[Direction<T>::pass];
            for (int d = 0; d < Direction<T>::pass; ++d) along[d] = Direction<T>::unit(begin + q + d);
            const PairField<Of, Direction<T>::pass, 1, T, 1> field(g, i, j, Slips<T>(g, j).own, along);
            for (int d = 0; d < Direction<T>::pass && q + d < count; ++d)
                for (int c = 0; c < Of::width; ++c) sum[q + d] += g.cot[i * Of::width + c] * field.value(0, c, d);
        }
    }
};
/// With vertices, slip and nu.
template <class Of, class T> using Vjp = VjpOf<Of, T, Direction<T>::vertices, 13>;
template <class Of, class T> using VjpObserver = VjpOf<Of, T, Direction<T>::obs, 3>;

/// Derivative along (obs_t, tri_t, slip_t, nu_dot).
template <class Of, class T> struct Jvp {
    static constexpr int width = Of::width;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Direction<T> along[1] = {Direction<T>::read(g.obs_t, g.tri_t, g.slip_t, g.nu_dot, i, j)};
        const PairField<Of, 1, 1, T, 1> field(g, i, j, Slips<T>(g, j).own, along);
        for (int c = 0; c < width; ++c) sum[c] += field.value(0, c, 0);
    }
};

// -------------------------------------------------------------------------------- second derivatives

/// Second derivative along (obs_t, tri_t, slip_t) and (obs_s, tri_s, slip_s).
template <class Of, class T> struct Jvp2 {
    static constexpr int width = Of::width;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        const Direction<T> along[2] = {Direction<T>::read(g.obs_t, g.tri_t, g.slip_t, T(0), i, j),
                                       Direction<T>::read(g.obs_s, g.tri_s, g.slip_s, T(0), i, j)};
        const PairField<Of, 2, 2, T, 1> field(g, i, j, Slips<T>(g, j).own, along);
        for (int c = 0; c < width; ++c) sum[c] += field.value(0, c, 0, 1);
    }
};

/// Gradient of sum(cot * jvp(t)) with the numbers from `begin` on of a direction.
template <class Of, class T, int begin, int count> struct Vjp2Of {
    static constexpr int width = count;
    DISLOK_FN static void add(const Arguments<T>& g, index_t i, index_t j, T* sum) {
        DISLOK_ROLLED
        for (int q = 0; q < count; ++q) {
            const Direction<T> along[2] = {Direction<T>::read(g.obs_t, g.tri_t, g.slip_t, T(0), i, j),
                                           Direction<T>::unit(begin + q)};
            const PairField<Of, 2, 2, T, 1> field(g, i, j, Slips<T>(g, j).own, along);
            for (int c = 0; c < Of::width; ++c) sum[q] += g.cot[i * Of::width + c] * field.value(0, c, 0, 1);
        }
    }
};
/// With vertices and slip.
template <class Of, class T> using Vjp2 = Vjp2Of<Of, T, Direction<T>::vertices, 12>;
template <class Of, class T> using Vjp2Observer = Vjp2Of<Of, T, Direction<T>::obs, 3>;

}  // namespace tde
}  // namespace dislok

// ------------------------------------------------------------------------------------------- entries

#define TDE_ENTRY(name, loop, Op, Of, T)                                                                              \
    extern "C" __global__ void __launch_bounds__(128)                                                                 \
        name(long long n, long long m, long long chunks, long long pairs, long long half, T nu, T nu_dot,             \
             const T* obs, const T* tri, const T* slip, const T* cot, const T* obs_t, const T* tri_t,                 \
             const T* slip_t, const T* obs_s, const T* tri_s, const T* slip_s, T* out) {                              \
        using namespace dislok::tde;                                                                                  \
        dislok::loop<Op<Of, T>>(Arguments<T>{n, m, chunks, pairs, half, nu, nu_dot, obs, tri, slip, cot, obs_t,       \
                                             tri_t, slip_t, obs_s, tri_s, slip_s, out});                              \
    }
#define TDE_SUM(name, T)                                                                       \
    extern "C" __global__ void name(long long count, long long chunks, const T* in, T* out) {  \
        dislok::sum_chunks(count, chunks, in, out);                                            \
    }

#ifdef TDE_NAME
TDE_ENTRY(TDE_NAME, TDE_LOOP, TDE_OP, TDE_OF, TDE_REAL)
TDE_SUM(tde_sum, TDE_REAL)
#else
#define TDE_PARTS(operation, loop, Op, real, T)                                  \
    TDE_ENTRY(tde_##operation##_displacement_##real, loop, Op, Displacement, T)  \
    TDE_ENTRY(tde_##operation##_gradient_##real, loop, Op, Gradient, T)
#define TDE_ENTRIES(real, T)                                       \
    TDE_PARTS(field, for_observers, Field, real, T)                \
    TDE_ENTRY(tde_field_both_##real, for_observers, Field, Both, T) \
    TDE_PARTS(greens, for_pairs, Greens, real, T)                  \
    TDE_PARTS(adjoint, for_sources, Adjoint, real, T)              \
    TDE_PARTS(jacobian, for_pairs, Jacobian, real, T)              \
    TDE_PARTS(vjp, for_sources, Vjp, real, T)                      \
    TDE_PARTS(vjp_observer, for_observers, VjpObserver, real, T)   \
    TDE_PARTS(jvp, for_observers, Jvp, real, T)                    \
    TDE_PARTS(vjp2, for_sources, Vjp2, real, T)                    \
    TDE_PARTS(vjp2_observer, for_observers, Vjp2Observer, real, T) \
    TDE_PARTS(jvp2, for_observers, Jvp2, real, T)
#ifndef TDE_F64_ONLY
TDE_ENTRIES(f32, float)
TDE_SUM(tde_sum_f32, float)
#endif
#ifndef TDE_F32_ONLY
TDE_ENTRIES(f64, double)
TDE_SUM(tde_sum_f64, double)
#endif
#endif
