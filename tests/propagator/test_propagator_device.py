"""The public functions on CUDA arrays: the numbers of the CPU, from both backends.

Without a card, CuPy is played by NumPy, the kernel in CUDA C++ is compiled for the host, and Numba's runs in
its simulator. The tests marked `gpu` take the real ones.
"""

import ctypes
import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dislok import propagator, stf
from dislok.kernels.propagator import cupy_raw
from dislok.propagator import LayeredModel, PointSource, Stations

HERE = Path(__file__).resolve().parent
CRUST = LayeredModel([5.0, 15.0, np.inf], [5.0, 6.0, 8.0], [2.9, 3.46, 4.5], [2.5, 2.7, 3.3])
OCEAN = LayeredModel([3.0, 15.0, np.inf], [1.5, 6.0, 8.0], [0.0, 3.46, 4.5], [1.0, 2.7, 3.3])
X, Y = np.array([13.0, -20.0, 0.0]), np.array([4.0, 31.0, 0.0])
MOMENT = np.array([1.0, -2.0, 1.5, 0.3, 0.4, -0.5]) * 1e18
DEPTH = np.array([12.0, 7.0, 12.0, 25.0])
RECORD = {"lowpass": (0.05, 0.2), "accuracy": 1e-2}


def module_at(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return module_at("test_cuda_cpp").compiled(tmp_path_factory.mktemp("device") / "kernels.so")


@pytest.fixture
def host_cupy(monkeypatch, library):
    """CuPy on the host, whose kernels are run by one thread that takes all tasks."""
    cupy = module_at("host_cupy").install(lambda *named: monkeypatch.setitem(sys.modules, *named))

    def kernel(blocks, threads, arguments):
        library.shim_place(0, 0, 1, 1)
        kinds = {np.int64: ctypes.c_longlong, np.float64: ctypes.c_double}
        given = [ctypes.c_void_p(a.ctypes.data) if a.ndim else kinds[type(a)](a) for a in arguments]
        library.propagator_columns(*given)

    monkeypatch.setattr(cupy_raw, "_kernel", lambda: kernel)
    return cupy


def put(source, stations, to):
    """A source and stations whose arrays are on a device."""
    moved = {name: to(value) for name, value in source._asdict().items() if isinstance(value, np.ndarray)}
    return source._replace(**moved), stations._replace(x=to(stations.x), y=to(stations.y))


def check(got, want, bound=1e-10):
    """Every field is the CPU's, and is on the device."""
    for name, value in want._asdict().items():
        found = getattr(got, name)
        if name in ("times", "accuracy") or value is None:
            assert type(found) is type(value)
        else:
            assert hasattr(found, "__cuda_array_interface__") and found.shape == value.shape, name
            error = np.abs(as_numpy(found) - value).max()
            assert error <= bound * np.abs(value).max(), name


def as_numpy(value):
    return value.cpu().numpy() if hasattr(value, "cpu") else value.get()


CALLS = {
    "records": lambda *a, **b: propagator.kernels(
        CRUST, *a, 1.0, 48, stf=stf.Triangle(3.0), force=True, **RECORD, **b
    ),
    "statics": lambda *a, **b: propagator.static_kernels(CRUST, *a, force=True, **b),
    "statics under the sea": lambda *a, **b: propagator.static_kernels(OCEAN, *a, **b),
}
SOURCES = PointSource(np.array([0.0, 1.0, -2.0, 0.5]), 0.3, DEPTH, MOMENT, np.array([1.0, 2.0, -3.0]) * 1e12)


@pytest.mark.parametrize("name", CALLS)
def test_cupy_gives_the_numbers_of_the_cpu(host_cupy, name):
    stations = Stations(X, Y)
    want = CALLS[name](SOURCES, stations)
    check(CALLS[name](*put(SOURCES, stations, host_cupy.asarray)), want)


def test_one_call_is_cut_into_pieces_that_fit(host_cupy, monkeypatch):
    stations = Stations(X, Y, 10.0)  # sources above and below
    want = propagator.static_kernels(CRUST, SOURCES, stations)
    make = propagator.engine
    monkeypatch.setattr(propagator, "engine", lambda *a: make(*a)._replace(depths=1))
    check(propagator.static_kernels(CRUST, *put(SOURCES, stations, host_cupy.asarray)), want)
    monkeypatch.setattr(propagator, "engine", lambda *a: make(*a)._replace(held=1))
    check(propagator.static_kernels(CRUST, *put(SOURCES, stations, host_cupy.asarray)), want)


def test_spectra_on_a_device(host_cupy):
    omega = [0.5 - 0.03j, 0.0, 0.2 - 0.03j]
    there = put(SOURCES, Stations(X, Y), host_cupy.asarray)
    want = propagator.spectra(CRUST, SOURCES, Stations(X, Y), omega, accuracy=1e-4)
    got = propagator.spectra(CRUST, *there, omega, accuracy=1e-4)
    assert type(got) is host_cupy.ndarray and np.abs(got.get() - want).max() < 1e-10 * np.abs(want).max()
    want = propagator.spectral_kernels(CRUST, SOURCES, Stations(X, Y), omega[:1])
    got = propagator.spectral_kernels(CRUST, *there, omega[:1])
    assert np.abs(got.moment.get() - want.moment).max() < 1e-10 * np.abs(want.moment).max()
    moved, truth = got.location(MOMENT).get(), want.location(MOMENT)
    assert np.abs(moved - truth).max() < 1e-10 * np.abs(truth).max()


def test_what_does_not_go_together_is_refused(host_cupy):
    here, there = (SOURCES, Stations(X, Y)), put(SOURCES, Stations(X, Y), host_cupy.asarray)
    with pytest.raises(ValueError, match="'cupy' needs CUDA arrays"):
        propagator.statics(CRUST, *here, backend="cupy")
    with pytest.raises(ValueError, match="'numba' runs on the CPU"):
        propagator.statics(CRUST, *there, backend="numba")
    with pytest.raises(ValueError, match="unknown backend 'fortran'"):
        propagator.statics(CRUST, *here, backend="fortran")
    with pytest.raises(TypeError, match="use one framework"):
        propagator.statics(CRUST, there[0], here[1])
    with pytest.raises(ValueError, match="layer kernels are computed on the CPU only"):
        propagator.static_layer_kernels(CRUST, *there)


@pytest.mark.slow
def test_simulated_threads_behind_the_public_functions(tmp_path):
    """Numba's simulator, in a process of its own."""
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    results = tmp_path / "results.pickle"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, HERE / "simulate_public.py", results]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for got, want in pickle.loads(results.read_bytes()):
        assert got.shape == want.shape and np.abs(got - want).max() < 1e-11 * np.abs(want).max()


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["cupy", "numba-cuda"])
@pytest.mark.parametrize("name", CALLS)
def test_on_a_card(name, backend):
    cupy = pytest.importorskip("cupy")
    stations = Stations(X, Y)
    check(CALLS[name](*put(SOURCES, stations, cupy.asarray), backend=backend), CALLS[name](SOURCES, stations))


@pytest.mark.gpu
def test_torch_on_a_card():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch is built without CUDA")
    here = Stations(X, Y)

    def there(value):
        return torch.as_tensor(value, dtype=torch.float64, device="cuda")

    source, stations = put(SOURCES, here, there)
    check(propagator.static_kernels(CRUST, source, stations), propagator.static_kernels(CRUST, SOURCES, here))
    depth = source.depth.clone().requires_grad_()
    motion = propagator.statics(CRUST, source._replace(depth=depth), stations)
    assert motion.is_cuda
    (slope,) = torch.autograd.grad(motion.sum(), depth)
    truth = propagator.static_kernels(CRUST, SOURCES, here).location[:, :, 2].sum(axis=(1, 2))
    assert np.abs(slope.cpu().numpy() - truth).max() < 1e-10 * np.abs(truth).max()


@pytest.mark.gpu
@pytest.mark.slow
def test_a_thousand_positions_on_a_card():
    cupy = pytest.importorskip("cupy")
    draw = np.random.default_rng(5)
    x, y, depth = draw.uniform(-20, 20, 1000), draw.uniform(-20, 20, 1000), np.tile(np.arange(5.0, 25.0), 50)
    stations = Stations(*draw.uniform(-150, 150, (2, 50)))
    source = PointSource(x, y, depth, MOMENT)
    got = propagator.kernels(CRUST, *put(source, stations, cupy.asarray), 1.0, 128, **RECORD)
    some = [0, 13, 999]
    few = PointSource(x[some], y[some], depth[some], MOMENT)
    want = propagator.kernels(CRUST, few, stations, 1.0, 128, **RECORD)
    picked = got._replace(
        **{name: getattr(got, name)[cupy.asarray(some)] for name in ("seismogram", "moment", "location")}
    )
    check(picked, want, bound=0.02)  # the plan of the thousand has other wavenumbers
