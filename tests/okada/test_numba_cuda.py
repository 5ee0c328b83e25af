"""The Numba CUDA backend without a GPU: its code for devices, and its threads in Numba's simulator."""

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
from dislok.kernels.okada import numba_cpu
from dislok.kernels.okada.sources import TABLE, source_table

from . import shim_engine as shim

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
launching = pytest.importorskip("dislok.kernels.cuda")
numba_cuda = pytest.importorskip("dislok.kernels.okada.numba_cuda")

F32, F64 = np.float32, np.float64
#: Largest difference from the CPU, relative to the norm of the whole result.
AGREEMENT = {F64: 1e-11, F32: 2e-4}
ALL = 1 << 16

# ------------------------------------------------------------------------------------- the simulator


def simulate(folder, tasks):
    """Results of tasks (function, arguments, threads worth starting) as lists of arrays."""
    given, results = folder / "tasks.pickle", folder / "results.pickle"
    given.write_bytes(pickle.dumps(tasks))
    script = Path(__file__).with_name("simulate.py")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, script, "okada", given, results], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return pickle.loads(results.read_bytes())


def third_order(function, of):
    return of == "gradient" and function in ("hessian", "vjp2", "jvp2")


def tasks_of(kind, dtype, wanted):
    """A task for each function and setting: seven observers at most, three sources or fewer."""
    rng = np.random.default_rng(4)
    tasks = {}
    for function, of, pairs in shim.EVERY:
        # the same sums in one part, in unequal parts, and with as many parts as terms
        for parallel in (1, 7, ALL) if function in ("field", "vjp") and of == "displacement" else (ALL,):
            arguments = shim.random_arguments(rng, function, kind, of, pairs, dtype, 4, 3)
            if wanted(function, of):
                tasks[function, of, pairs, parallel] = (function, arguments, parallel)
    return tasks


def check(folder, tasks, dtype):
    """Compare the simulator with the CPU."""
    results = simulate(folder, list(tasks.values()))
    for (name, (function, arguments, _)), got in zip(tasks.items(), results, strict=True):
        want = shim.outputs(getattr(numba_cpu, function)(*arguments))
        assert [a.shape for a in got] == [b.shape for b in want], name
        for a, b in zip(got, want, strict=True):
            assert a.dtype == dtype, name
            assert np.linalg.norm(a - b) <= AGREEMENT[dtype] * np.linalg.norm(b), name


@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_simulated_threads_agree_with_the_cpu(tmp_path, kind):
    check(tmp_path, tasks_of(kind, F64, lambda *case: not third_order(*case)), F64)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_every_simulated_function_agrees_with_the_cpu(tmp_path, kind, dtype):
    check(tmp_path, tasks_of(kind, dtype, lambda *case: True), dtype)


def test_simulated_threads_at_singular_points_and_on_the_plane(tmp_path):
    src = np.array([[0.0, 0, 0, 4, 2, 90, 90, 30, 1, 0.5], [3.0, 1, 5, 4, 2, 20, -40, 30, 1, 0.5]])
    obs = np.array([[0.0, 0, 0], [4.0, 0, -2], [2.0, 0, -1], [2.0, 0, 0], [np.nan, 1, 0], [5.0, 5, 0]])
    arguments = ("rectangle", obs, src, 0.25, (0.0, 0.0), "gradient", False)
    (got,) = simulate(tmp_path, [("field", arguments, ALL)])
    want = numba_cpu.field(*arguments)
    np.testing.assert_array_equal(np.isnan(got[0]), np.isnan(want))
    np.testing.assert_allclose(got[0], want, rtol=1e-10, atol=1e-13)


def test_nothing_to_sum_and_nowhere_to_sum_it(tmp_path):
    rng = np.random.default_rng(5)
    cases = [(0, 3), (3, 0), (0, 0)]
    functions = ("field", "vjp", "vjp2", "apply_adjoint", "jacobian", "hessian")
    tasks = [
        (f, shim.random_arguments(rng, f, "point", "displacement", False, F64, 4, 4), ALL) for f in functions
    ]
    tasks = [(f, shortened(a, n, m), parts) for f, a, parts in tasks for n, m in cases]
    for (function, arguments, _), got in zip(tasks, simulate(tmp_path, tasks), strict=True):
        n, m = len(arguments[1]), len(arguments[2])
        assert not any(np.any(a) for a in got)
        first = {
            "field": (n, 3),
            "apply_adjoint": (m, 4),
            "jacobian": (n, 3, m, 9),
            "hessian": (n, 3, m, 9, 9),
        }
        assert got[0].shape == first.get(function, (n, 3))


def shortened(arguments, n, m):
    """Arguments whose arrays of observers have n rows and those of sources m."""
    kind, obs, src, nu, origin, of, pairs_or_r, *rest = arguments
    by_length = {3: n, src.shape[1]: m}
    cut = [a[: by_length[a.shape[1]]] if isinstance(a, np.ndarray) else a for a in (pairs_or_r, *rest)]
    return (kind, obs[:n], src[:m], nu, origin, of, *cut)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_sources_are_prepared_as_on_the_host(tmp_path, kind, dtype, rng):
    _, src = shim.random_case(rng, kind, dtype, 1, 60)
    dip = src.shape[1] - 4
    src[:, dip] = np.resize([0, -0.0, 90, -90, 180, -180, 30, -30, 60, 89.9], len(src))
    slips = rng.normal(size=(len(src), shim.SLIP_COMPONENTS[kind])).astype(dtype)
    origin = (0.25, 0.75)
    plain, replaced = simulate(
        tmp_path, [("table", (kind, src, origin, given), ALL) for given in (None, slips)]
    )
    want = source_table(kind, src, origin)
    np.testing.assert_allclose(plain[0], want, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)
    first = TABLE.index("u1")
    want[:, first : first + 4] = 0
    want[:, first : first + slips.shape[1]] = slips
    want[:, first] *= want[:, TABLE.index("turn")]
    np.testing.assert_allclose(replaced[0], want, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)


def test_sources_may_have_reference_points_of_their_own(tmp_path, rng):
    _, src = shim.random_case(rng, "rectangle", F64, 1, 5)
    fractions = rng.uniform(0, 1, (2, 5))
    (got,) = simulate(tmp_path, [("table", ("rectangle", src, tuple(fractions), None), ALL)])
    want = [source_table("rectangle", src[j : j + 1], tuple(fractions[:, j]))[0] for j in range(5)]
    np.testing.assert_allclose(got[0], want, rtol=1e-15, atol=1e-15)


# --------------------------------------------------------------------------------- code for devices

#: Most bytes of a thread's local memory, which hold what registers cannot: float64, float32, by level.
STACK = {
    "value": (64, 0),
    "gradient": (1000, 64),
    "greens": (400, 0),
    "greens_gradient": (2600, 300),
    "first": (4000, 1100),
    "second": (10500, 4000),
    "third": (20000, 9000),
}
#: Recipes that stand for the others in a short run: those with the least and the most rows in the frame.
SHORT = [
    ("field", "displacement", "rectangle"),
    ("field", "both", "rectangle"),
    ("vjp", "displacement", "rectangle"),
    ("adjoint", "displacement", "point"),
    ("hessian", "displacement", "point"),
]


def signature(bits):
    """Argument types of a kernel of `operation_kernel`."""
    real = numba.from_dtype(np.dtype(f"f{bits // 8}"))
    array = numba.types.Array(real, 1, "C")
    return (*[array] * 7, real, real, *[numba.int64] * 4, numba.boolean, array)


@cache
def code_of(name, bits, capability):
    """PTX of a recipe's kernel."""
    from numba import cuda

    kernel = numba_cuda.operation_kernel(numba_cuda.NAMES.index(name), bits)
    return cuda.compile_ptx(kernel.py_func, signature(bits), cc=capability)[0]


def resources(ptx, capability):
    """Registers and bytes of local memory of a thread."""
    from cuda import core

    options = core.LinkerOptions(
        arch=f"sm_{capability[0]}{capability[1]}", ptxas_options=["-v"], verbose=True
    )
    linker = core.Linker(core.ObjectCode.from_ptx(ptx.encode()), options=options)
    linker.link("cubin")
    words = linker.get_info_log()
    registers = re.search(r"Used (\d+) registers", words)
    stack = re.search(r"(\d+) bytes stack frame", words)
    assert registers and stack, words
    return int(registers[1]), int(stack[1])


def check_code(name, bits, capability):
    ptx = code_of(name, bits, capability)
    if bits == 32:
        assert not re.findall(r".*\.f64\b.*", ptx)
    assert f"fma.rn.f{bits}" in ptx
    assert not re.findall(r"\b(?:red|atom)\.", ptx)
    registers, stack = resources(ptx, capability)
    operation = numba_cuda.OPERATIONS[name]
    assert registers <= 255
    assert stack <= STACK[operation.level][bits == 32]


@pytest.mark.needs("nvrtc", "nvvm", "nvJitLink")
@pytest.mark.parametrize(("bits", "capability"), [(64, (9, 0)), (32, (8, 0))])
@pytest.mark.parametrize("name", SHORT, ids="-".join)
def test_code_of_some_kernels(name, bits, capability):
    check_code(name, bits, capability)


@pytest.mark.needs("nvrtc", "nvvm", "nvJitLink")
@pytest.mark.slow
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("name", numba_cuda.NAMES, ids="-".join)
def test_code_of_every_kernel(name, bits, capability):
    check_code(name, bits, capability)


@pytest.mark.needs("nvrtc", "nvvm")
@pytest.mark.parametrize("bits", [64, 32])
def test_code_of_the_other_kernels(bits):
    from numba import cuda

    real = numba.from_dtype(np.dtype(f"f{bits // 8}"))
    array, integer = numba.types.Array(real, 1, "C"), numba.int64
    prepare = (array, array, real, real, array, array, numba.boolean, integer, array)
    kernels = [(numba_cuda.prepare_kernel(kind, 3), prepare) for kind in ("rectangle", "point")]
    kernels.append((launching.total_kernel(), (array, integer, integer, array)))
    kernels.append((launching.add_kernel(), (array, array)))
    for kernel, types in kernels:
        ptx, _ = cuda.compile_ptx(kernel.py_func, types, cc=(8, 0))
        assert f".f{bits}" in ptx
        assert not re.findall(rf".*\.f{96 - bits}\b.*", ptx)


def test_machine_code_on_disk_knows_all_sources():
    kernel = numba_cuda.operation_kernel(0, 64)
    source = Path(numba_cuda.__file__).resolve()
    assert kernel._cache._cache_file._source_stamp == fingerprint(source)


def test_the_backend_is_loaded_by_its_name():
    pytest.importorskip("cupy", reason="CuPy is not installed")
    from dislok import backends

    assert backends.load("numba-cuda") is numba_cuda


def test_importing_dislok_does_not_import_cuda():
    code = "import sys, dislok, dislok.okada; print('numba.cuda' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
