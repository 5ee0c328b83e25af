"""The kernel in CUDA C++, compiled by the host's compiler, against the CPU kernels."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dislok.kernels.propagator import cupy_raw, integrals
from dislok.kernels.propagator.integrals import Grid, bessel_tables, names
from dislok.kernels.propagator.stack import Layers, build
from dislok.kernels.propagator.truncation import reach

SHIM = Path(__file__).resolve().parents[1] / "okada" / "shim.hpp"
SOLID = Layers(*np.array([[5.0, 15.0, np.inf], [5.0, 6.0, 8.0], [2.9, 3.46, 4.5], [2.5, 2.7, 3.3]]))
OCEAN = Layers(
    *np.array([[3.0, 15.0, np.inf], [1.5, 6.0, 8.0], [0.0, 3.46, 4.5], [1.0, 2.7, 3.3]]),
    np.full(3, 200.0),
    np.full(3, 100.0),
)
STILL, MOVING = np.zeros(1, dtype=complex), np.array([-0.02j, 0.3 - 0.02j, 0.9 - 0.02j])
CASES = [
    (SOLID, 0.0, [4.0, 5.0, 30.0], STILL, False),
    (SOLID, 0.0, [4.0, 30.0], MOVING, True),
    (SOLID, 25.0, [2.0, 12.0], MOVING, True),
    (OCEAN, 3.0, [12.0, 22.0], MOVING, False),
    (OCEAN, 21.0, [12.0], STILL, False),
]


def compiled(path):
    """The kernel as a library of the host, at `path`."""
    flags = ["-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Werror", "-fPIC", "-shared", "-include", str(SHIM)]
    command = ["g++", "-std=c++17", "-O1", *flags, "-x", "c++", str(cupy_raw.SOURCE), "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(path))


@pytest.fixture(scope="module")
def library(compiler, tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("propagator") / "kernels.so")


def pointer(array):
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def run(library, arguments):
    """All threads of a grid of two blocks of three."""
    given = [
        pointer(a)
        if isinstance(a, np.ndarray)
        else ctypes.c_double(a)
        if isinstance(a, float)
        else ctypes.c_longlong(a)
        for a in arguments
    ]
    for block in range(2):
        for thread in range(3):
            library.shim_place(block, thread, 2, 3)
            library.propagator_columns(*given)


@pytest.mark.parametrize("layers, receiver, sources, omega, force", CASES)
def test_cpp_agrees_with_the_cpu(library, layers, receiver, sources, omega, force):
    k = np.linspace(0.01, 1.2, 64)
    grid = Grid(k, np.full(64, 0.02), np.full(len(omega), 64))
    paths = build(layers, receiver, np.array(sources))
    arguments = cupy_raw.arguments(layers, paths, omega, grid, force, np.asarray, np.zeros)
    run(library, arguments)
    values = cupy_raw.shaped(arguments[-1], paths, omega, grid)
    tables = bessel_tables(grid, np.array([20.0, 70.0]))
    got = cupy_raw.sums(np, values, tables[None], names(force))
    want = integrals.integrate(layers, paths, omega, grid, [tables], force=force)
    assert np.abs(got - want).max() < 1e-12 * np.abs(want).max()


def test_ends_of_the_sources_and_of_the_stack(library):
    """Deep sources end early, and short waves do not see the half-space."""
    k = np.linspace(0.01, 9.0, 256)
    counts = np.full(len(MOVING), 256)
    grid = Grid(k, np.full(256, 0.02), counts, MOVING.real / 2.9, decay=30.0)
    paths = build(SOLID, 0.0, np.array([1.0, 4.0, 9.0, 30.0]))
    work = reach(SOLID, paths, MOVING, grid)
    assert len(np.unique(work.counts)) > 1 and (work.taper[1] < 1.0).any() and work.entry[..., 1].any()
    arguments = cupy_raw.arguments(SOLID, paths, MOVING, grid, False, np.asarray, np.zeros)
    run(library, arguments)
    values = cupy_raw.shaped(arguments[-1], paths, MOVING, grid)
    tables = bessel_tables(grid, np.array([20.0, 70.0]))
    got = cupy_raw.sums(np, values, tables[None], names(False))
    want = integrals.integrate(SOLID, paths, MOVING, grid, tables[None])
    assert np.abs(got - want).max() < 1e-12 * np.abs(want).max()


def test_wavenumbers_that_a_frequency_does_not_need_are_left_out(library):
    grid = Grid(np.linspace(0.01, 1.2, 64), np.full(64, 0.02), np.array([64, 0, 10]))
    paths = build(SOLID, 0.0, np.array([4.0]))
    arguments = cupy_raw.arguments(SOLID, paths, MOVING, grid, False, np.asarray, np.zeros)
    run(library, arguments)
    values = cupy_raw.shaped(arguments[-1], paths, MOVING, grid)[:, :, 0, 0]
    assert np.all(values[..., 0, :] != 0.0) and not values[..., 1, :].any()
    assert np.all(values[..., 2, :10] != 0.0) and not values[..., 2, 10:].any()


@pytest.mark.needs("nvrtc")
def test_compiles_for_devices():
    from cuda import core

    options = core.ProgramOptions(std="c++17", arch="sm_80", include_path=[str(cupy_raw.SOURCE.parent)])
    program = core.Program(cupy_raw.SOURCE.read_text(), "c++", options)
    assert program.compile("cubin").code
