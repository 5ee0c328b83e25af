"""The Numba CUDA backend without a GPU: its threads in Numba's simulator, its code for devices."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dislok.kernels.propagator import integrals
from dislok.kernels.propagator.integrals import Grid, bessel_tables, names
from dislok.kernels.propagator.stack import Layers, build

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
numba_cuda = pytest.importorskip("dislok.kernels.propagator.numba_cuda")

SOLID = Layers(*np.array([[5.0, 15.0, np.inf], [5.0, 6.0, 8.0], [2.9, 3.46, 4.5], [2.5, 2.7, 3.3]]))
OCEAN = Layers(
    *np.array([[3.0, 15.0, np.inf], [1.5, 6.0, 8.0], [0.0, 3.46, 4.5], [1.0, 2.7, 3.3]]),
    np.full(3, 200.0),
    np.full(3, 100.0),
)
STILL, MOVING = np.zeros(1, dtype=complex), np.array([-0.02j, 0.9 - 0.02j])
DISTANCES = np.array([20.0, 70.0])
CASES = [
    (SOLID, 0.0, [4.0, 5.0, 30.0], STILL, False),
    (SOLID, 0.0, [4.0, 30.0], MOVING, True),
    (SOLID, 25.0, [2.0, 12.0], MOVING, False),
    (OCEAN, 3.0, [12.0], MOVING, False),
]


USED = 6


def grids_for(omega):
    """A few wavenumbers for the simulator, whose threads are slow, and a block of them for the CPU."""
    k, weights = np.linspace(0.05, 1.2, 64), np.zeros(64)
    weights[:USED] = 0.2
    whole = Grid(k, weights, np.full(len(omega), 64))
    return Grid(k[:USED], weights[:USED], np.full(len(omega), USED)), whole


@pytest.mark.parametrize("cases", [CASES[:1], pytest.param(CASES[1:], marks=pytest.mark.slow)])
def test_simulated_threads_agree_with_the_cpu(tmp_path, cases):
    tasks = []
    for layers, receiver, sources, omega, force in cases:
        paths = build(layers, receiver, np.array(sources))
        tasks.append((layers, paths, omega, grids_for(omega)[0], force))
    given, results = tmp_path / "tasks.pickle", tmp_path / "results.pickle"
    given.write_bytes(pickle.dumps(tasks))
    script = Path(__file__).with_name("simulate.py")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, script, given, results]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for (layers, paths, omega, grid, force), flat in zip(
        tasks, pickle.loads(results.read_bytes()), strict=True
    ):
        whole = grids_for(omega)[1]
        everything, tables = bessel_tables(whole, DISTANCES), bessel_tables(grid, DISTANCES)
        want = integrals.integrate(layers, paths, omega, whole, [everything], force=force)
        parts = 2 if np.any(omega) else 1
        values = flat.reshape(-1, 2, parts, len(paths.sources), len(omega), len(grid.k))
        for bessels in (tables[None], np.repeat(tables[None], len(paths.sources), axis=0)):
            got = numba_cuda.sums(np, values, bessels, names(force))
            assert np.abs(got - want).max() < 1e-12 * np.abs(want).max()


@pytest.mark.needs("nvrtc", "nvvm")
@pytest.mark.slow
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_kernels_compile_for_devices(kind):
    from numba import cuda, types

    real, rows, steps = types.float64[::1], types.int64[:, ::1], types.int64[:, :, ::1]
    read = (real, rows, types.float64[:, ::1], real, rows, rows, rows, steps, types.int64[::1])
    signature = (*read, types.float64, real)
    kernel = numba_cuda.sweep_kernel(kind, 0)
    code, _ = cuda.compile_ptx(kernel.py_func, signature, cc=(8, 0))
    assert ".entry" in code and "fma.rn.f64" in code
