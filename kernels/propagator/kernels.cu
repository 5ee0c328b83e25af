// Entry point of the propagator family for CuPy (RawModule): a thread carries both states through the stack to one
// source, at one frequency and wavenumber, and writes the columns of `pair.COLUMNS` there.

#include "formula.cuh"

namespace dislok {
namespace propagator {

constexpr int PLACE = 13, COLUMNS = 14, BLOCK = 64;
enum Step { CROSS = 0, RECEIVER = 1, SOURCE = 2 };

/// The state from the receiver's side: minors, the receiver's two solutions, SH, logarithms of scale.
struct Carried {
    Z m[5], u[4], v[4], sh[2], receiver;
    double log_psv, log_sh;

    DISLOK_FN void cross(const Place& p, double k, double sign) {
        const Layer layer(p, k, sign);
        const Z d = (2.0 * k) * (p.mu_carried - p.mu);
        shear_minors(d, m), shear_vector(d, u), shear_vector(d, v);
        layer.minors(m), layer.vector(u), layer.vector(v);
        log_sh -= layer.sh(p, sign, sh), log_psv -= layer.gap;
        double largest = 0.0;
        for (int i = 0; i < 5; ++i) largest = larger(largest, size(m[i]));
        const double scale = 1.0 / largest;
        for (int i = 0; i < 5; ++i) m[i] = scale * m[i];
        for (int i = 0; i < 4; ++i) u[i] = scale * u[i], v[i] = scale * v[i];
    }

    DISLOK_FN void meet_receiver(const Place& p, double k) {
        const Z d = (2.0 * k) * p.mu_carried;
        Z n[5] = {m[0], m[1], m[2], m[3], m[4]};
        shear_minors(d, n);
        u[0] = Z(0.0), u[1] = n[0], u[2] = n[1], u[3] = n[2];
        v[0] = -n[0], v[1] = Z(0.0), v[2] = n[3], v[3] = -n[1];
        shear_vector(-d, u), shear_vector(-d, v);
        receiver = sh[0], log_psv = 0.0, log_sh = 0.0;
    }
};

/// The state from the far end.
struct Other {
    Z m[5], sh[2];

    DISLOK_FN void cross(const Place& p, double k, double sign) {
        const Layer layer(p, k, sign);
        shear_minors((2.0 * k) * (p.mu_other - p.mu), m);
        layer.minors(m), layer.sh(p, sign, sh);
        double largest = 0.0;
        for (int i = 0; i < 5; ++i) largest = larger(largest, size(m[i]));
        for (int i = 0; i < 5; ++i) m[i] = (1.0 / largest) * m[i];
    }
};

/// Columns of the elementary sources from rows for U, V (four each) and W (two).
DISLOK_FN void columns(const Place& p, double k, const Z* h, const Z* sh, Z* c) {
    const Z dilation = k * (Z(1.0) - 2.0 * (p.mu * p.inverse_sigma));
    const Z *u = h, *v = h + 4;
    const Z u_hh = (0.5 * k) * u[3], v_hh = (0.5 * k) * v[3], v_1 = p.inverse_mu * v[1];
    const Z w_1 = p.inverse_mu * sh[0], w_2 = (0.5 * k) * sh[1];
    c[0] = -u[2], c[1] = -v[3] - sh[1], c[2] = p.inverse_sigma * u[0] - dilation * u[3], c[3] = v_1 + w_1;
    c[4] = u_hh, c[5] = v_1 - w_1, c[6] = sh[1] - v[3];
    c[7] = -v[2], c[8] = -u[3], c[9] = p.inverse_sigma * v[0] - dilation * v[3], c[10] = v_hh;
    c[11] = p.inverse_mu * u[1], c[12] = v_hh + w_2, c[13] = v_hh - w_2;
}
DISLOK_FN constexpr bool of_force(int column) {
    return column == 0 || column == 1 || column == 6 || column == 7 || column == 8;
}

}  // namespace propagator
}  // namespace dislok

/// Numbers of wavenumbers n, frequencies, sources, places and steps of the two paths; wavenumbers (n); how many of them
/// each frequency and source needs; tapers (source, n); the table of places (frequency, place, number); kind and place
/// of the ends of the carried and the other state; paths, rows of (step, place or source); for each frequency and block
/// of 64 wavenumbers the place and the step at which the other state starts; places of the sources; direction of the
/// carried state; whether columns of forces are wanted. `out` has rows of column, value or depth derivative, real or
/// imaginary part; each (source, frequency, n).
extern "C" __global__ void propagator_columns(
    long long n, long long n_omega, long long n_sources, long long n_places, long long n_carried, long long n_other,
    const double* k, const long long* counts, const double* taper, const double* places, const long long* ends,
    const long long* carried_program, const long long* other_program, const long long* entry, const long long* sources,
    double sign, long long force, double* out) {
    using namespace dislok::propagator;
    const long long tasks = n * n_omega * n_sources, stride = (long long)gridDim.x * blockDim.x;
    for (long long t = (long long)blockIdx.x * blockDim.x + threadIdx.x; t < tasks; t += stride) {
        const long long source = t / (n * n_omega), frequency = (t / n) % n_omega;
        if (t % n >= counts[frequency * n_sources + source]) continue;
        const double kk = k[t % n];
        const double* table = places + frequency * n_places * PLACE;
        Carried carried = {};
        start((int)ends[0], Place(table + ends[1] * PLACE), kk, carried.m, carried.sh);
        for (long long i = 0; i < n_carried; ++i) {
            const long long what = carried_program[2 * i], which = carried_program[2 * i + 1];
            if (what == CROSS) carried.cross(Place(table + which * PLACE), kk, sign);
            if (what == RECEIVER) carried.meet_receiver(Place(table + which * PLACE), kk);
            if (what == SOURCE && which == source) break;
        }
        Other other = {};
        const long long* begin = entry + 2 * (frequency * ((n + BLOCK - 1) / BLOCK) + t % n / BLOCK);
        const int end = begin[1] > 0 ? (int)HALF_SPACE : (int)ends[2];
        start(end, Place(table + begin[0] * PLACE), kk, other.m, other.sh);
        for (long long i = begin[1]; i < n_other; ++i) {
            const long long what = other_program[2 * i], which = other_program[2 * i + 1];
            if (what == CROSS) other.cross(Place(table + which * PLACE), kk, -sign);
            if (what == SOURCE && which == source) break;
        }
        const Place p(table + sources[source] * PLACE);
        const Z d = (2.0 * kk) * (p.mu_carried - p.mu);
        shear_minors(d, carried.m), shear_vector(d, carried.u), shear_vector(d, carried.v);
        shear_minors((2.0 * kk) * (p.mu_other - p.mu), other.m);
        Z h[8], sh[2], c[COLUMNS];
        const Z factor(-sign * exp(carried.log_psv));
        response(carried.m, other.m, carried.u, p.mu, kk, factor, h);
        response(carried.m, other.m, carried.v, p.mu, kk, factor, h + 4);
        const Z in_w = (-sign * exp(carried.log_sh)) * carried.receiver /
                       (other.sh[0] * carried.sh[1] - other.sh[1] * carried.sh[0]);
        sh[0] = -(other.sh[1] * in_w), sh[1] = other.sh[0] * in_w;
        const double end_factor = taper[source * n + t % n];
        for (int order = 0; order < 2; ++order) {
            columns(p, kk, h, sh, c);
            long long row = 0;
            for (int column = 0; column < COLUMNS; ++column) {
                if (!force && of_force(column)) continue;
                out[(4 * row + 2 * order) * tasks + t] = end_factor * c[column].re;
                out[(4 * row + 2 * order + 1) * tasks + t] = end_factor * c[column].im;
                ++row;
            }
            deeper(p, kk, h, sh);
        }
    }
}
