"""The kernels in CUDA C++, compiled by the host's compiler, against those for the CPU and exact splines."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dislok import backends, images
from dislok.kernels.images import cupy_raw, formula, numba_cpu

ENGINE = Path(__file__).resolve().parent.parent / "okada" / "shim_engine.py"
spec = importlib.util.spec_from_file_location("shim_engine", ENGINE)
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)

pytestmark = pytest.mark.needs("g++")
F32, F64 = np.float32, np.float64
SAME = {F32: 3e-6, F64: 1e-13}
SHAPES = [(23, 31), (4, 5), (40, 9)]


class Engine(shim.ShimEngine):
    """Arrays of bool cannot hold NaN, nor be given to ctypes by their dtype's name."""

    def empty(self, shape, dtype):
        return np.ones(shape, bool) if dtype == np.bool_ else super().empty(shape, dtype)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    return shim.build(tmp_path_factory.mktemp("shim"), "-O1", source=cupy_raw.SOURCES[0])


@pytest.fixture(scope="module")
def ours(libraries):
    return cupy_raw.Operations(Engine(libraries))


def case(rng, dtype, shape):
    image = rng.normal(size=shape).astype(dtype)
    right, down = rng.uniform(-6, 6, (2, *shape)).astype(dtype)
    right[0, 0], down[1, 1] = np.nan, np.inf
    right[2, 2], down[2, 2] = 2.0, -1.0
    return image, right, down


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_the_cpu(ours, rng, order, dtype, shape):
    image, right, down = case(rng, dtype, shape)
    plane, want = ours.coefficients(image, order), numba_cpu.coefficients(image, order)
    tolerance = SAME[dtype] * np.abs(want).max()
    np.testing.assert_allclose(plane, want, rtol=0, atol=tolerance)
    cells = rng.random(shape) < 0.8
    for given in (None, cells):
        got = ours.slopes(order, want, right, down, given, (1, -2))
        assert len(ours.warp(order, want, right, down, given)) == 2
        for a, b in zip(got, numba_cpu.slopes(order, want, right, down, given, (1, -2)), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_adjoint_agrees_with_the_cpu(ours, rng, order, dtype, shape):
    _, right, down = case(rng, dtype, shape)
    cot = rng.normal(size=shape).astype(dtype)
    got = ours.adjoint(order, shape, right, down, cot, (1, 2))
    want = numba_cpu.adjoint(order, shape, right, down, cot, (1, 2))
    np.testing.assert_allclose(got, want, rtol=0, atol=30 * SAME[dtype] * np.abs(want).max())


@pytest.mark.parametrize("order", [3, 5])
def test_weights_are_the_splines(ours, order):
    """Coefficients of a single one show each weight, against exact rationals."""
    n = 12
    for t in (0.0, 0.25, 0.625, 0.9375):
        exact = [
            float(sum(p[k] * int(t * 16) ** j / 16**j for j, p in enumerate(formula.pieces(order))))
            for k in range(order + 1)
        ]
        for k in range(order + 1):
            plane = np.zeros((n + 4, n + 6))
            plane[:, 2 + 5 - (order - 1) // 2 + k] = 1.0
            zero = np.zeros((1, 1))
            (value, _) = ours.warp(order, plane, zero + 5 + t, zero)
            np.testing.assert_allclose(value[0, 0], exact[k], rtol=1e-13, atol=1e-16)


def test_pieces_are_a_partition_of_one():
    for order in formula.ORDERS:
        rows = formula.pieces(order)
        assert sum(rows[0]) == 1 and all(sum(row) == 0 for row in rows[1:])


@pytest.mark.needs("nvrtc")
@pytest.mark.parametrize("arch", ["sm_75", "sm_90", "sm_120"])
@pytest.mark.parametrize("real", ["f32", "f64"])
def test_compiles_for_every_gpu(real, arch):
    code, said = compiled(real, "CUBIN", arch)
    assert len(code) > 1000 and "warning" not in said


@pytest.mark.needs("nvrtc")
def test_float32_kernels_hold_no_float64():
    code, _ = compiled("f32", "PTX", "compute_90")
    assert b".f32" in code and not re.findall(rb".*\.f64\b.*", code)


def compiled(real, target, arch):
    """Binary ("CUBIN") or text ("PTX") of the entries of one dtype, and the compiler's words."""
    from cuda.bindings import nvrtc

    words = [*cupy_raw.options(cupy_raw.Entry("", real)), f"--gpu-architecture={arch}"]
    _, program = nvrtc.nvrtcCreateProgram(cupy_raw.SOURCES[0].read_bytes(), b"kernels.cu", 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, len(words), [word.encode() for word in words])

    def fetch(what):
        buffer = b" " * getattr(nvrtc, f"nvrtcGet{what}Size")(program)[1]
        getattr(nvrtc, f"nvrtcGet{what}")(program, buffer)
        return buffer

    said = fetch("ProgramLog").decode()
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, said
    return fetch(target), said


class DeviceArray(np.ndarray):
    """Stands for an array of CuPy: NumPy's functions do not take it by themselves."""

    def __array_finalize__(self, parent):
        """Nothing more."""


class DeviceEngine(Engine):
    """Makes such arrays."""

    def empty(self, shape, dtype):
        return super().empty(shape, dtype).view(DeviceArray)


@pytest.fixture
def cupy(libraries, monkeypatch):
    """The names of CuPy that images use, on host memory, with the kernels in CUDA C++."""
    module = ModuleType("cupy")
    module.ndarray = DeviceArray
    for name in ("asarray", "ascontiguousarray"):
        made = getattr(np, name)
        setattr(module, name, lambda a, *rest, made=made: np.array(made(a, *rest)).view(DeviceArray))
    module.broadcast_to = lambda a, shape: np.broadcast_to(a, shape, subok=True)
    module.take_along_axis = np.take_along_axis
    module.stack = lambda planes: np.stack(planes).view(DeviceArray)
    module.asnumpy = lambda a: np.array(a).view(np.ndarray)
    monkeypatch.setitem(sys.modules, "cupy", module)
    load, kernels = backends.load, cupy_raw.Operations(DeviceEngine(libraries))
    monkeypatch.setattr(
        backends, "load", lambda name, *rest: kernels if name == "cupy" else load(name, *rest)
    )
    return module


@pytest.mark.parametrize("what", ["warp", "slopes"])
def test_public_functions_take_arrays_of_a_device(cupy, rng, what):
    """CuPy in, CuPy out, the numbers of the CPU, with masks, windows and leading axes."""
    image = rng.normal(size=(2, 23, 31))
    right, down = rng.uniform(-4, 4, (2, 2, 10, 12))
    valid = rng.random(image.shape) < 0.95
    there = [cupy.asarray(a) for a in (image, right, down)]
    for given, mask in ((None, None), (valid, valid), (valid, cupy.asarray(valid))):
        want = getattr(images, what)(image, right, down, valid=given, origin=(3, 5))
        got = getattr(images, what)(*there, valid=mask, origin=(3, 5))
        assert type(got) is type(want)
        for a, b in zip(got, want, strict=True):
            assert isinstance(a, DeviceArray) and a.shape == b.shape
            np.testing.assert_allclose(cupy.asnumpy(a), b, rtol=0, atol=1e-12)
    made = images.coefficients(there[0], 3)
    assert isinstance(made.plane, DeviceArray)
    got = images.warp(made, *there[1:]).values
    np.testing.assert_allclose(cupy.asnumpy(got), images.warp(image, right, down, order=3).values, atol=1e-12)
    single = [a.astype(np.float32) for a in there]
    assert images.warp(*single).values.dtype == np.float32


def test_adjoint_of_arrays_of_a_device(cupy, rng):
    cot, right, down = rng.normal(size=(3, 9, 11))
    got = images.adjoint(*(cupy.asarray(a) for a in (cot, right, down)), (12, 14))
    assert isinstance(got, DeviceArray)
    np.testing.assert_allclose(cupy.asnumpy(got), images.adjoint(cot, right, down, (12, 14)), atol=1e-12)


def test_frameworks_do_not_mix_and_threads_are_of_the_cpu(cupy, rng):
    image = rng.normal(size=(9, 9))
    there = cupy.asarray(image)
    with pytest.raises(TypeError, match="NumPy"):
        images.warp(there, image, image)
    with pytest.raises(ValueError, match="threads"):
        images.warp(there, there, there, threads=2)
