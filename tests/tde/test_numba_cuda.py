"""The Numba CUDA backend of triangles without a GPU: its code for devices, its threads in the simulator."""

import os
import pickle
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numba
import numpy as np
import pytest

from dislok.kernels.cpu import fingerprint
from dislok.kernels.tde import numba_cpu

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
numba_cuda = pytest.importorskip("dislok.kernels.tde.numba_cuda")
operations = pytest.importorskip("dislok.kernels.tde.operations")

F32, F64 = np.float32, np.float64
#: Largest difference from the CPU, relative to the norm of the whole result.
AGREEMENT = {F64: 1e-10, F32: 2e-3}
ALL = 1 << 16
SIMULATE = Path(__file__).resolve().parent.parent / "okada" / "simulate.py"

# ------------------------------------------------------------------------------------- the simulator


def simulate(folder, tasks):
    """Results of tasks (function, arguments, threads worth starting) as lists of arrays."""
    given, results = folder / "tasks.pickle", folder / "results.pickle"
    given.write_bytes(pickle.dumps(tasks))
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    words = [sys.executable, SIMULATE, "tde", given, results]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return pickle.loads(results.read_bytes())


def scene(dtype, n=4, m=4):
    """Observers, one on the ground, and triangles: far, level, narrow, and near, in this order."""
    rng = np.random.default_rng(7)
    obs = np.c_[rng.uniform(-20, 20, (n, 2)), -rng.uniform(1, 10, n)]
    obs[1, 2] = 0
    tri = np.c_[rng.uniform(-10, 10, (m, 2)), rng.uniform(-15, -10, m)][:, None]
    tri = tri + rng.uniform(-4, 4, (m, 3, 3))
    tri[0] += [800, -900, 0]
    tri[1, :, 2] = -12
    tri[2, 2] = 0.4 * tri[2, 0] + 0.6 * tri[2, 1] + 0.01 * rng.normal(size=3)
    return obs.astype(dtype), tri.astype(dtype), rng.normal(size=(m, 3)).astype(dtype)


FUNCTIONS = ("field", "greens", "jacobian", "vjp", "jvp", "vjp2", "jvp2", "apply", "apply_adjoint")


def arguments_of(function, of, space, pairs, given):
    """Positional arguments of a backend function."""
    rng = np.random.default_rng(8)
    obs, tri, slip = given
    cot = rng.normal(size=(len(obs), 3 if of == "displacement" else 9)).astype(obs.dtype)
    t, s = ([0.1 * rng.normal(size=a.shape).astype(a.dtype) for a in given] for _ in range(2))
    head = (
        (obs, tri, 0.3, space) if function in ("greens", "apply", "apply_adjoint") else (*given, 0.3, space)
    )
    tail = {
        "field_both": (pairs,),
        "apply": (of, slip),
        "apply_adjoint": (of, cot),
        "vjp": (of, pairs, cot),
        "jvp": (of, pairs, *t, 0.7),
        "vjp2": (of, pairs, cot, *t),
        "jvp2": (of, pairs, *t, *s),
    }
    return (*head, *tail.get(function, (of, pairs)))


def cases():
    """Every function with the settings that it knows: (function, of, space, pairs)."""
    for space in ("half", "full"):
        for pairs in (False, True):
            yield "field_both", "both", space, pairs
            for of in ("displacement", "gradient"):
                for function in FUNCTIONS:
                    if not (pairs and function.startswith("apply")):
                        yield function, of, space, pairs


def check(folder, names, given):
    """Compare the simulator with the CPU, for sums in one part, in unequal ones, and in as many as terms."""
    dtype = given[0].dtype.type
    tasks = [
        (function, arguments_of(function, of, space, pairs, given), (1, 7, ALL)[k % 3])
        for k, (function, of, space, pairs) in enumerate(names)
    ]
    for name, (function, arguments, _), got in zip(names, tasks, simulate(folder, tasks), strict=True):
        want = getattr(numba_cpu, function)(*arguments)
        want = [np.asarray(part) for part in (want if isinstance(want, tuple) else (want,))]
        assert [a.shape for a in got] == [b.shape for b in want], name
        for a, b in zip(got, want, strict=True):
            assert a.dtype == dtype, name
            assert np.linalg.norm(a - b) <= AGREEMENT[dtype] * np.linalg.norm(b), name


#: Those that stand for the others in a short run.
SOME = [
    ("field_both", "both", "half", False),
    ("field", "displacement", "full", True),
    ("greens", "displacement", "half", False),
    ("apply_adjoint", "gradient", "full", False),
    ("jacobian", "displacement", "full", False),
    ("vjp", "displacement", "half", False),
]


def test_simulated_threads_agree_with_the_cpu(tmp_path):
    check(tmp_path, SOME, scene(F64, 3))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [F64, F32])
def test_every_simulated_function_agrees_with_the_cpu(tmp_path, dtype):
    check(tmp_path, list(cases()), scene(dtype))


def test_simulated_threads_at_singular_points_and_on_the_plane(tmp_path):
    tri = np.array([[[0.0, 0.0, -2.0], [2.0, 0.0, -2.0], [0.0, 2.0, -4.0]]])
    places = [tri[0, 0], 0.5 * (tri[0, 0] + tri[0, 1]), tri[0].mean(axis=0), [np.nan, 1, 0], [5.0, 5, 0]]
    arguments = (np.array(places), tri, np.array([[1.0, 2.0, 3.0]]), 0.25, "half", False)
    (got,) = simulate(tmp_path, [("field_both", arguments, ALL)])
    want = numba_cpu.field_both(*arguments)
    np.testing.assert_array_equal(np.isnan(got[0]), np.isnan(want))
    np.testing.assert_allclose(got[0], want, rtol=1e-10, atol=1e-13)


def test_nothing_to_sum_and_nowhere_to_sum_it(tmp_path):
    obs, tri, slip = scene(F64)
    lengths = [(0, 3), (3, 0), (0, 0)]
    functions = ("field", "vjp", "vjp2", "apply_adjoint", "jacobian")
    tasks = [
        (function, arguments_of(function, "displacement", "half", False, (obs[:n], tri[:m], slip[:m])), ALL)
        for function in functions
        for n, m in lengths
    ]
    for (function, arguments, _), got in zip(tasks, simulate(tmp_path, tasks), strict=True):
        n, m = len(arguments[0]), len(arguments[1])
        assert not any(np.any(a) for a in got)
        shapes = {"apply_adjoint": [(m, 3)], "jacobian": [(n, 3, m, 9)], "field": [(n, 3)]}
        of_all = [(n, 3), (m, 3, 3), (m, 3), ()]
        assert [a.shape for a in got] == shapes.get(function, of_all[: len(got)])


# --------------------------------------------------------------------------------- code for devices

#: Most bytes of a thread's local memory, which hold what registers cannot: float64, float32, by level.
STACK = {
    "value": (500, 64),
    "gradient": (3700, 800),
    "greens": (1200, 64),
    "greens_gradient": (4600, 1000),
    "first": (4200, 1100),
    "along": (9600, 3700),
    "twice": (24000, 9500),
}
#: Recipes that stand for the others in a short run.
SHORT = [("field", "displacement"), ("adjoint", "displacement"), ("field", "both")]


def signature(bits):
    """Argument types of a kernel of `operation_kernel`."""
    real = numba.from_dtype(np.dtype(f"f{bits // 8}"))
    array = numba.types.Array(real, 1, "C")
    return (*[array] * 5, real, *[numba.int64] * 4, numba.boolean, array)


@cache
def code_of(name, half, bits, capability):
    """PTX of a recipe's kernel."""
    from numba import cuda

    kernel = numba_cuda.operation_kernel(operations.NAMES.index(name), half, bits)
    return cuda.compile_ptx(kernel.py_func, signature(bits), cc=capability)[0]


def resources(ptx, capability):
    """Registers and bytes of local memory of a thread."""
    from cuda import core

    arch = f"sm_{capability[0]}{capability[1]}"
    options = core.LinkerOptions(arch=arch, ptxas_options=["-v"], verbose=True)
    linker = core.Linker(core.ObjectCode.from_ptx(ptx.encode()), options=options)
    linker.link("cubin")
    words = linker.get_info_log()
    registers, stack = re.search(r"Used (\d+) registers", words), re.search(r"(\d+) bytes stack frame", words)
    assert registers and stack, words
    return int(registers[1]), int(stack[1])


def check_code(name, half, bits, capability):
    ptx = code_of(name, half, bits, capability)
    if bits == 32:
        assert not re.findall(r".*\.f64\b.*", ptx)
    assert f"fma.rn.f{bits}" in ptx
    assert not re.findall(r"\b(?:red|atom)\.", ptx)
    registers, stack = resources(ptx, capability)
    level = operations.OPERATIONS[name].finish.level
    assert registers <= 255
    assert stack <= STACK[level][bits == 32]


@pytest.mark.needs("nvrtc", "nvvm", "nvJitLink")
@pytest.mark.parametrize(("bits", "capability"), [(64, (9, 0)), (32, (8, 0))])
@pytest.mark.parametrize("name", SHORT, ids="-".join)
def test_code_of_some_kernels(name, bits, capability):
    check_code(name, 1, bits, capability)


@pytest.mark.needs("nvrtc", "nvvm", "nvJitLink")
@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("name", operations.NAMES, ids="-".join)
def test_code_of_every_kernel(name, bits, half):
    check_code(name, half, bits, (8, 0))


@pytest.mark.needs("nvrtc", "nvvm")
@pytest.mark.parametrize("bits", [64, 32])
def test_code_of_what_is_done_once_for_each_triangle(bits):
    """In float64, whatever the precision of the pairs."""
    from numba import cuda

    array, integer = numba.types.Array(numba.from_dtype(np.dtype(f"f{bits // 8}")), 1, "C"), numba.int64
    for name in (("field", "displacement"), ("jvp2", "displacement"), ("jacobian", "displacement")):
        kernel = numba_cuda.prepare_kernel(operations.NAMES.index(name), bits)
        types = (*[array] * 6, numba.float64, integer, array)
        ptx, _ = cuda.compile_ptx(kernel.py_func, types, cc=(8, 0))
        assert "fma.rn.f64" in ptx
    for bends in (0, 1):
        types = (*[array] * 5, integer, array, *[integer] * 3, array, array)
        ptx, _ = cuda.compile_ptx(numba_cuda.carry_kernel(bends).py_func, types, cc=(8, 0))
        assert "fma.rn.f64" in ptx


def test_machine_code_on_disk_knows_all_sources():
    kernel = numba_cuda.operation_kernel(0, 1, 64)
    source = Path(numba_cuda.__file__).resolve()
    assert kernel._cache._cache_file._source_stamp == fingerprint(source)


def test_the_backend_is_loaded_by_its_name():
    pytest.importorskip("cupy", reason="CuPy is not installed")
    from dislok import backends

    assert backends.load("numba-cuda", "tde") is numba_cuda
