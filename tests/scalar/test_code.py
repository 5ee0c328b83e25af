"""The machine code of formulas: vector registers, no library calls, float32 all the way, CPU and CUDA."""

import platform
import re
import time

import numba
import numpy as np
import pytest
from llvmlite import binding

from dislok.kernels.scalar import (
    atan,
    atan2,
    cos,
    exp,
    first,
    log,
    log1p,
    number,
    scalar,
    seed,
    sin,
    sin_degrees,
    sqrt,
    value,
)

JIT = {"error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}

needs_x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly")


@scalar
def sample(x, y, z):
    r = sqrt(x * x + y * y + z * z)
    return 0.5 * log(r + 2 * x) + atan2(x * y, z * r) / 3.0 - 1e-3


@scalar
def everything(x, y, z):
    return sample(x, y, z) + exp(-x) * sin(y) + log1p(x * x) * cos(z) + atan(y / z) * sin_degrees(x)


@numba.njit(**JIT)
def plain_loop(x, y, z, out):
    for i in range(x.size):
        out[i] = value(everything(number(x[i]), number(y[i]), number(z[i])))


@numba.njit(**JIT)
def dual_loop(x, y, z, out):
    for i in range(x.size):
        r = sample(seed(x[i], 0, 3, 1), seed(y[i], 1, 3, 1), seed(z[i], 2, 3, 1))
        out[np.uint64(4 * i)] = value(r)
        out[np.uint64(4 * i + 1)] = value(first(r, 0))
        out[np.uint64(4 * i + 2)] = value(first(r, 1))
        out[np.uint64(4 * i + 3)] = value(first(r, 2))


LOOPS = [plain_loop, dual_loop]


def compile_for(loop, dtype):
    array = numba.types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    signature = (array, array, array, array)
    loop.compile(signature)
    return signature


@needs_x86
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loop", LOOPS, ids=lambda f: f.__name__)
def test_loops_are_vectorised(loop, dtype):
    assembly = loop.inspect_asm(compile_for(loop, dtype))
    packed = "pd" if dtype is np.float64 else "ps"
    wide = re.findall(rf"\bv?(?:div|sqrt|f?n?m(?:ul|add\d+)){packed}\s.*%([xyz])mm", assembly)
    features = binding.get_host_cpu_features()
    assert len(wide) > 20, "no packed arithmetic"
    if features.get("avx2"):
        assert {"y", "z"} & set(wide), "only 128-bit registers"


@needs_x86
@pytest.mark.parametrize("loop", LOOPS, ids=lambda f: f.__name__)
def test_loops_call_no_library(loop):
    assembly = loop.inspect_asm(compile_for(loop, np.float64))
    called = re.findall(
        r"\b(?:log|log1p|atan|atan2|exp|sin|cos|sqrt|fma)f?\b(?=@|$|\))", assembly, re.MULTILINE
    )
    assert not called


@pytest.mark.parametrize("loop", LOOPS, ids=lambda f: f.__name__)
def test_float32_code_has_no_double(loop):
    code = loop.inspect_llvm(compile_for(loop, np.float32))
    arithmetic = [line for line in code.splitlines() if "double" in line and " = " in line]
    assert not arithmetic


def test_a_large_formula_compiles_in_seconds():
    @scalar
    def large(x, y, z):
        terms = [x, y, z]
        for k in range(300):
            terms.append(terms[k] * terms[k + 1] / (terms[k + 2] + 1.5))
        return sum(terms[-5:], x)

    @numba.njit(**JIT)
    def run(x):
        return value(first(large(seed(x, 0, 3, 2), seed(x, 1, 3, 2), seed(x, 2, 3, 2)), 1))

    start = time.process_time()
    run(0.5)
    # 900 operations take about one second; a minute would mean that something is quadratic.
    assert time.process_time() - start < 30.0


def ptx_of_a_kernel(dtype):
    """PTX of a CUDA kernel for compute capability 8.0, without a device."""
    from numba import cuda

    def kernel(x, y, z, out):
        i = cuda.grid(1)
        if i < x.size:
            r = everything(seed(x[i], 0, 3, 1), seed(y[i], 1, 3, 1), seed(z[i], 2, 3, 1))
            out[i] = value(r) + value(first(r, 0)) + value(first(r, 2))

    array = numba.types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    ptx, _ = cuda.compile_ptx(kernel, (array, array, array, array), cc=(8, 0))
    return ptx


@pytest.mark.needs("numba-cuda", "nvrtc", "nvvm")
def test_cuda_float32_code_has_no_double():
    ptx = ptx_of_a_kernel(np.float32)
    arithmetic = [line for line in ptx.splitlines() if re.search(r"\.f64\b", line)]
    assert not arithmetic
    assert "fma.rn.f32" in ptx


@pytest.mark.needs("numba-cuda", "nvrtc", "nvvm")
def test_cuda_float64_code():
    assert "fma.rn.f64" in ptx_of_a_kernel(np.float64)


def test_importing_the_numbers_does_not_import_cuda():
    import subprocess
    import sys

    code = "import sys, dislok.kernels.scalar; print('numba.cuda' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
