"""The CuPy backend on a GPU against the Numba kernels on the CPU."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dislok.kernels.okada import cupy_raw

spec = importlib.util.spec_from_file_location("shim_engine", Path(__file__).with_name("shim_engine.py"))
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)

pytestmark = pytest.mark.gpu

#: Normwise, over the whole result, on random input.
AGREEMENT = {np.float64: 1e-10, np.float32: 2e-3}


@pytest.fixture(scope="module")
def cupy():
    import cupy

    return cupy


@pytest.fixture(scope="module")
def numba_cpu():
    from dislok.kernels.okada import numba_cpu

    return numba_cpu


def on_device(cupy, arguments):
    return [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]


def close(got, want, dtype):
    return all(
        np.linalg.norm(a - b) <= AGREEMENT[dtype] * np.linalg.norm(b) for a, b in zip(got, want, strict=True)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("function", "of", "pairs"), shim.EVERY)
@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_agrees_with_the_cpu(cupy, numba_cpu, rng, kind, function, of, pairs, dtype):
    arguments = shim.random_arguments(rng, function, kind, of, pairs, dtype, 37, 11)
    got = shim.outputs(getattr(cupy_raw, function)(*on_device(cupy, arguments)))
    want = shim.outputs(getattr(numba_cpu, function)(*arguments))
    assert [a.shape for a in got] == [b.shape for b in want]
    assert close(got, want, dtype)


@pytest.mark.parametrize("function", ["field", "vjp", "apply_adjoint"])
def test_the_same_numbers_at_every_run(cupy, rng, function):
    arguments = on_device(
        cupy, shim.random_arguments(rng, function, "rectangle", "displacement", False, np.float32, 500, 300)
    )
    first, second = (shim.outputs(getattr(cupy_raw, function)(*arguments)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_runs_on_the_current_stream(cupy, rng):
    obs, src = shim.random_case(rng, "rectangle", np.float64, 100_000, 1)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        out = cupy_raw.field(
            "rectangle", cupy.asarray(obs), cupy.asarray(src), 0.25, (0, 0), "displacement", False
        )
        stream.synchronize()
    assert bool(cupy.isfinite(out).all())


def test_more_entries_than_32_bits_count(cupy):
    if cupy.cuda.runtime.memGetInfo()[0] < 12 << 30:
        pytest.skip("needs 12 GiB of free GPU memory")
    n, m = 16_000, 15_000  # 3 n m B = 2.16e9 entries
    obs = cupy.zeros((n, 3), np.float32)
    obs[:, 0] = cupy.arange(n)
    src = cupy.tile(cupy.asarray([0.0, 0, 5, 4, 3, 30, 60, 0, 1, 0], np.float32), (m, 1))
    matrix = cupy_raw.greens("rectangle", obs, src, 0.25, (0.5, 0.5), "displacement", False)
    assert bool(cupy.array_equal(matrix[:, :, 0], matrix[:, :, -1]))
    assert bool(cupy.isfinite(matrix[-1]).all())
