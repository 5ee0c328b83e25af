// Loops of the entry points of every family: what a thread computes, as `Op` says. `Args` holds n observers, m sources,
// into how many chunks sums are cut, whether source i goes with observer i alone, and `out`. Needs scalar.cuh before it.
#pragma once

namespace dislok {

DISLOK_FN index_t first_task() { return index_t(blockIdx.x) * blockDim.x + threadIdx.x; }
DISLOK_FN index_t task_stride() { return index_t(blockDim.x) * gridDim.x; }

/// out[chunk, i, :] = sum over the chunk's sources of Op.
template <class Op, class T, template <class> class Args> DISLOK_FN void for_observers(const Args<T>& g) {
    for (index_t task = first_task(); task < g.n * g.chunks; task += task_stride()) {
        const index_t i = task % g.n, chunk = task / g.n;
        T sum[Op::width] = {};
        const index_t begin = g.pairs ? i : g.begin(chunk, g.m), end = g.pairs ? i + 1 : g.begin(chunk + 1, g.m);
        for (index_t j = begin; j < end; ++j) Op::add(g, i, j, sum);
        for (int k = 0; k < Op::width; ++k) g.out[task * Op::width + k] = sum[k];
    }
}
/// out[chunk, j, :] = sum over the chunk's observers of Op.
template <class Op, class T, template <class> class Args> DISLOK_FN void for_sources(const Args<T>& g) {
    for (index_t task = first_task(); task < g.m * g.chunks; task += task_stride()) {
        const index_t j = task % g.m, chunk = task / g.m;
        T sum[Op::width] = {};
        const index_t begin = g.pairs ? j : g.begin(chunk, g.n), end = g.pairs ? j + 1 : g.begin(chunk + 1, g.n);
        for (index_t i = begin; i < end; ++i) Op::add(g, i, j, sum);
        for (int k = 0; k < Op::width; ++k) g.out[task * Op::width + k] = sum[k];
    }
}
/// out[i, component, j, :] for every pair; with `pairs` there is no axis j.
template <class Op, class T, template <class> class Args> DISLOK_FN void for_pairs(const Args<T>& g) {
    const index_t sources = g.pairs ? 1 : g.m;
    for (index_t task = first_task(); task < g.n * sources; task += task_stride()) {
        const index_t i = task / sources, j = task % sources;
        T* out = g.out + (i * Op::components * sources + j) * Op::width;
        Op::write(g, i, g.pairs ? i : j, out, sources * Op::width);
    }
}

/// out[k] = sum over chunks of in[chunk, k], in order.
template <class T> DISLOK_FN void sum_chunks(index_t count, index_t chunks, const T* in, T* out) {
    for (index_t k = first_task(); k < count; k += task_stride()) {
        T sum = T(0);
        for (index_t chunk = 0; chunk < chunks; ++chunk) sum += in[chunk * count + k];
        out[k] = sum;
    }
}

}  // namespace dislok
