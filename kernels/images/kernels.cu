// Entry points of images for CuPy (RawModule): a thread filters a column, or does one pixel.
//
// Coefficients lie in a plane with margins of two pixels above, below and on the left, mirrored, and four on the right,
// of which two are. Only `spread` lets threads meet, by atomic additions: the order of its sums is not fixed.

#include "formula.cuh"

#include "../loops.cuh"

namespace dislok {
namespace images {

constexpr index_t BEFORE = 2, BEYOND = 6;

/// Pixel of a sequence of n that an index beyond its ends stands for: the ends are mirrors.
DISLOK_FN index_t mirrored(index_t k, index_t n) { return k < 0 ? -k : k >= n ? 2 * n - 2 - k : k; }

/// A position from pixel `at` on, in 0 ... n - 1, as a pixel 0 ... n - 2 and a fraction 0 ... 1; else the nearest edge.
template <class T> struct Place {
    index_t index;
    T fraction;
    bool inside;

    DISLOK_FN Place(T shift, index_t at, index_t n) {
        const T zero = shift - shift, whole = floor(shift);
        const bool known = fabs(whole) < T(1e9);
        index = at + (known ? index_t(whole) : 0), fraction = shift - whole;
        const bool before = index < 0, after = index > n - 2;
        inside = known && !before && (!after || (index == n - 1 && fraction == zero));
        if (before) index = 0, fraction = zero;
        if (after) index = n - 2, fraction = zero + T(1);
    }
};

/// Filter each of `count` columns of n numbers; `out` gets them times the gain of one axis.
template <class T, int Order> DISLOK_FN void filter(index_t n, index_t count, const T* in, T* out) {
    for (index_t c = first_task(); c < count; c += task_stride()) {
        for (index_t k = 0; k < n; ++k) out[k * count + c] = gain<T, Order>() * in[k * count + c];
        for (int p = 0; p < POLES<Order>; ++p) {
            const T z = pole<T, Order>(p);
            // the first number of a sequence that is mirrored for ever: a whole period of 2 n - 2
            T sum = T(0), power = T(1);
            for (index_t k = 0; k < 2 * n - 2 && fabs(power) > T(0.05) * Precision<T>::epsilon(); ++k, power *= z)
                sum += power * out[mirrored(k, n) * count + c];
            out[c] = fabs(power) > T(0.05) * Precision<T>::epsilon() ? sum / (T(1) - power) : sum;
            for (index_t k = 1; k < n; ++k) out[k * count + c] += z * out[(k - 1) * count + c];
            T* last = out + (n - 1) * count + c;
            *last = z / (z * z - T(1)) * (*last + z * *(last - count));
            for (index_t k = n - 2; k >= 0; --k)
                out[k * count + c] = z * (out[(k + 1) * count + c] - out[k * count + c]);
        }
    }
}

/// The plane of coefficients that `turned` (w, h) holds with its axes exchanged.
template <class T> DISLOK_FN void margins(index_t h, index_t w, const T* turned, T* plane) {
    const index_t stride = w + BEYOND, rows = h + 2 * BEFORE;
    for (index_t task = first_task(); task < rows * stride; task += task_stride()) {
        const index_t r = task / stride - BEFORE, c = task % stride - BEFORE;
        plane[task] = c < w + BEFORE ? turned[mirrored(c, w) * h + mirrored(r, h)] : T(0);
    }
}

/// Values, whether they are known, and slopes where there are arrays for them.
template <class T, int Order>
DISLOK_FN void warp(index_t h, index_t w, index_t height, index_t across, index_t top, index_t left, const T* plane,
                    const T* right, const T* down, const unsigned char* cells, T* out, unsigned char* inside, T* by_x,
                    T* by_y) {
    constexpr index_t skip = BEFORE - (Order - 1) / 2;
    for (index_t task = first_task(); task < height * across; task += task_stride()) {
        const Place<T> y(down[task], top + task / across, h), x(right[task], left + task % across, w);
        T v[TAPS<Order>], dv[TAPS<Order>], u[TAPS<Order>], du[TAPS<Order>];
        spline_weights(y.fraction, v, dv), spline_weights(x.fraction, u, du);
        const T* first = plane + (y.index + skip) * (w + BEYOND) + x.index + skip;
        T value = T(0), slope_x = T(0), slope_y = T(0);
        for (int a = 0; a < TAPS<Order>; ++a) {
            T row = T(0), row_x = T(0);
            for (int b = 0; b < TAPS<Order>; ++b) {
                const T number = first[a * (w + BEYOND) + b];
                row += u[b] * number, row_x += du[b] * number;
            }
            value += v[a] * row, slope_x += v[a] * row_x, slope_y += dv[a] * row;
        }
        out[task] = value;
        if (inside) inside[task] = x.inside && y.inside && (!cells || cells[y.index * w + x.index]);
        if (by_x) by_x[task] = slope_x;
        if (by_y) by_y[task] = slope_y;
    }
}

/// Adds what each weight does to the plane.
template <class T, int Order>
DISLOK_FN void spread(index_t h, index_t w, index_t height, index_t across, index_t top, index_t left, const T* right,
                      const T* down, const T* cot, T* plane) {
    constexpr index_t skip = BEFORE - (Order - 1) / 2;
    for (index_t task = first_task(); task < height * across; task += task_stride()) {
        const Place<T> y(down[task], top + task / across, h), x(right[task], left + task % across, w);
        if (y.fraction != y.fraction || x.fraction != x.fraction) continue;
        T v[TAPS<Order>], u[TAPS<Order>], unused[TAPS<Order>];
        spline_weights(y.fraction, v, unused), spline_weights(x.fraction, u, unused);
        T* first = plane + (y.index + skip) * (w + BEYOND) + x.index + skip;
        for (int a = 0; a < TAPS<Order>; ++a)
            for (int b = 0; b < TAPS<Order>; ++b)
                atomicAdd(first + a * (w + BEYOND) + b, cot[task] * v[a] * u[b]);
    }
}

}  // namespace images
}  // namespace dislok

// ------------------------------------------------------------------------------------------- entries

#define IMAGES_ORDER(order, real, T)                                                                                  \
    extern "C" __global__ void images_filter_##order##_##real(long long n, long long count, const T* in, T* out) {    \
        dislok::images::filter<T, order>(n, count, in, out);                                                          \
    }                                                                                                                 \
    extern "C" __global__ void images_warp_##order##_##real(                                                          \
        long long h, long long w, long long height, long long across, long long top, long long left, const T* plane,  \
        const T* right, const T* down, const unsigned char* cells, T* out, unsigned char* inside, T* by_x, T* by_y) { \
        dislok::images::warp<T, order>(h, w, height, across, top, left, plane, right, down, cells, out, inside, by_x, \
                                       by_y);                                                                         \
    }                                                                                                                 \
    extern "C" __global__ void images_spread_##order##_##real(                                                        \
        long long h, long long w, long long height, long long across, long long top, long long left, const T* right,  \
        const T* down, const T* cot, T* plane) {                                                                      \
        dislok::images::spread<T, order>(h, w, height, across, top, left, right, down, cot, plane);                   \
    }
#define IMAGES_ENTRIES(real, T)                                                                                       \
    IMAGES_ORDER(3, real, T)                                                                                          \
    IMAGES_ORDER(5, real, T)                                                                                          \
    extern "C" __global__ void images_margins_##real(long long h, long long w, const T* turned, T* plane) {           \
        dislok::images::margins(h, w, turned, plane);                                                                 \
    }

#ifndef IMAGES_F64_ONLY
IMAGES_ENTRIES(f32, float)
#endif
#ifndef IMAGES_F32_ONLY
IMAGES_ENTRIES(f64, double)
#endif
