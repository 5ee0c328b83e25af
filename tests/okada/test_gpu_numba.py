"""The Numba CUDA backend on a GPU against the Numba kernels on the CPU."""

import numpy as np
import pytest

from dislok.kernels.okada import numba_cpu

from . import shim_engine as shim

pytestmark = pytest.mark.gpu

#: Normwise, over the whole result, on random input.
AGREEMENT = {np.float64: 1e-11, np.float32: 2e-4}


@pytest.fixture(scope="module")
def numba_cuda():
    from dislok.kernels.okada import numba_cuda

    return numba_cuda


def on_cupy(array):
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    return cupy.asarray(array)


def on_numba(array):
    from numba import cuda

    return cuda.to_device(array)


def on_torch(array):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("torch is built without CUDA")
    return torch.asarray(array, device="cuda")


MAKERS = {"cupy": on_cupy, "numba": on_numba, "torch": on_torch}


def on_device(make, arguments):
    return [make(a) if isinstance(a, np.ndarray) else a for a in arguments]


def on_host(array):
    for way in ("copy_to_host", "get", "numpy"):
        if hasattr(array, way):
            return getattr(array.cpu() if way == "numpy" else array, way)()
    raise TypeError(type(array))


def outputs(result):
    parts = result if isinstance(result, tuple) else (result,)
    return [on_host(part) for part in parts]


def check(numba_cuda, make, function, arguments, dtype):
    got = outputs(getattr(numba_cuda, function)(*on_device(make, arguments)))
    want = shim.outputs(getattr(numba_cpu, function)(*arguments))
    assert [a.shape for a in got] == [b.shape for b in want]
    for a, b in zip(got, want, strict=True):
        assert a.dtype == dtype
        assert np.linalg.norm(a - b) <= AGREEMENT[dtype] * np.linalg.norm(b)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("function", "of", "pairs"), shim.EVERY)
@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_agrees_with_the_cpu(numba_cuda, rng, kind, function, of, pairs, dtype):
    arguments = shim.random_arguments(rng, function, kind, of, pairs, dtype, 37, 11)
    check(numba_cuda, on_cupy, function, arguments, dtype)


@pytest.mark.parametrize("function", ["field", "greens", "vjp", "apply_adjoint"])
@pytest.mark.parametrize("package", ["numba", "torch"])
def test_arrays_of_other_packages(numba_cuda, rng, package, function):
    arguments = shim.random_arguments(rng, function, "rectangle", "displacement", False, np.float64, 37, 11)
    check(numba_cuda, MAKERS[package], function, arguments, np.float64)


@pytest.mark.parametrize(("n", "m"), [(20_000, 2), (3, 5000)])
@pytest.mark.parametrize("function", ["field", "vjp", "apply_adjoint"])
def test_long_sums(numba_cuda, rng, function, n, m):
    arguments = shim.random_arguments(rng, function, "rectangle", "displacement", False, np.float64, n, m)
    check(numba_cuda, on_cupy, function, arguments, np.float64)


@pytest.mark.parametrize("function", ["field", "vjp", "apply_adjoint"])
def test_the_same_numbers_at_every_run(numba_cuda, rng, function):
    arguments = on_device(
        on_cupy,
        shim.random_arguments(rng, function, "rectangle", "displacement", False, np.float32, 500, 300),
    )
    first, second = (outputs(getattr(numba_cuda, function)(*arguments)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("function", ["field", "greens", "jacobian", "hessian"])
def test_writes_where_it_is_told(numba_cuda, rng, function):
    arguments = on_device(
        on_cupy, shim.random_arguments(rng, function, "point", "displacement", False, np.float64, 20, 30)
    )
    want = getattr(numba_cuda, function)(*arguments)
    out = want * np.nan
    assert getattr(numba_cuda, function)(*arguments, out=out) is out
    np.testing.assert_array_equal(on_host(out), on_host(want))


@pytest.mark.parametrize("given", [False, True])
def test_runs_on_the_current_or_given_stream(numba_cuda, rng, given):
    import cupy

    obs, src = (cupy.asarray(a) for a in shim.random_case(rng, "rectangle", np.float64, 100_000, 1))
    cupy.cuda.Device().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    if given:
        out = numba_cuda.field("rectangle", obs, src, 0.25, (0, 0), "displacement", False, stream=stream)
    else:
        with stream:
            out = numba_cuda.field("rectangle", obs, src, 0.25, (0, 0), "displacement", False)
    stream.synchronize()
    assert bool(cupy.isfinite(out).all())


def test_the_host_does_not_wait(numba_cuda, rng):
    import cupy

    arguments = on_device(
        on_cupy, shim.random_arguments(rng, "field", "rectangle", "gradient", False, np.float64, 400_000, 300)
    )
    numba_cuda.field(*arguments)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        numba_cuda.field(*arguments)
        assert not stream.done
        stream.synchronize()
