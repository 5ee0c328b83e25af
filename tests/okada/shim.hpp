// The little of CUDA that kernels.cu uses, for a host compiler: the kernel becomes a C function, one call one thread.
#pragma once
#include <cmath>

#define __device__
#define __global__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(threads)

struct Dim3 {
    unsigned x;
};
static thread_local Dim3 blockIdx, threadIdx, blockDim, gridDim;
using std::atan;
using std::atan2;
using std::fabs;
using std::floor;
using std::fma;
using std::ilogb;
using std::ldexp;
using std::log;
using std::log1p;
using std::nan;
using std::nanf;
using std::rint;
using std::sqrt;
template <class T> T sinpi(T x) { return std::sin(x * T(3.14159265358979323846)); }
template <class T> T cospi(T x) { return std::cos(x * T(3.14159265358979323846)); }

template <class T> T atomicAdd(T* place, T value) {
    const T before = *place;
    *place += value;
    return before;
}

/// Sets the place of the next calls in the grid.
extern "C" void shim_place(unsigned block, unsigned thread, unsigned blocks, unsigned threads) {
    blockIdx.x = block, threadIdx.x = thread, gridDim.x = blocks, blockDim.x = threads;
}
