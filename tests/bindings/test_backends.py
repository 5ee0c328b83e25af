"""Which backend serves a call, and what is said where none can."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from dislok import backends


@pytest.mark.parametrize(
    ("framework", "on_cuda", "asked", "expected"),
    [
        ("numpy", False, None, "numba"),
        ("torch", False, None, "numba"),
        ("numpy", False, "numba", "numba"),
        ("cupy", True, None, "cupy"),
        ("torch", True, None, "cupy"),
        ("torch", True, "cupy", "cupy"),
        ("cupy", True, "numba-cuda", "numba-cuda"),
    ],
)
def test_the_arrays_decide(framework, on_cuda, asked, expected):
    assert backends.select(framework, on_cuda, asked) == expected


@pytest.mark.parametrize(
    ("framework", "on_cuda", "asked", "message"),
    [
        ("numpy", False, "fortran", "^unknown backend 'fortran'; choose from 'numba', 'cupy', 'numba-cuda'$"),
        ("numpy", False, "cupy", "^backend 'cupy' needs CUDA arrays, but the inputs are on the CPU$"),
        (
            "torch",
            False,
            "numba-cuda",
            "^backend 'numba-cuda' needs CUDA arrays, but the inputs are on the CPU$",
        ),
        ("cupy", True, "numba", "^backend 'numba' runs on the CPU, but the inputs are CUDA arrays"),
        ("torch", True, "numba-cuda", "^backend 'numba-cuda' takes CuPy arrays; torch tensors on CUDA are"),
    ],
)
def test_a_backend_that_cannot_serve_is_refused(framework, on_cuda, asked, message):
    with pytest.raises(ValueError, match=message):
        backends.select(framework, on_cuda, asked)


@pytest.mark.parametrize(
    ("name", "package"), [("cupy", "cupy"), ("numba-cuda", "numba_cuda"), ("numba-cuda", "cupy")]
)
def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch, name, package):
    find_spec = importlib.util.find_spec
    present = SimpleNamespace()

    def found(wanted, *rest):
        if wanted in ("cupy", "numba_cuda"):
            return None if wanted == package else present
        return find_spec(wanted, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    message = rf"^backend '{name}' needs {package}, which is not installed: pip install \"dislok\[cuda13\]\""
    with pytest.raises(ImportError, match=message):
        backends.load(name)


@pytest.mark.parametrize("family", ["okada", "propagator", "tde"])
def test_every_backend_has_every_family(family):
    for name in backends.NAMES:
        assert importlib.util.find_spec(f"dislok.kernels.{family}.{backends._MODULES[name]}") is not None


def test_every_backend_has_a_status():
    found = backends.available()
    assert [status.name for status in found] == list(backends.NAMES)
    assert found[0].usable
    for status in found[1:]:
        assert status.usable == bool(status.devices)
        assert status.reason


def test_a_driver_that_fails_is_a_reason_and_no_exception(monkeypatch):
    def fails():
        raise RuntimeError("no driver")

    cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=fails))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(__version__="14.1.0", cuda=cuda, __spec__=cuda))
    status = backends.available()[1]
    assert (status.usable, status.reason) == (False, "RuntimeError: no driver")


def test_an_old_cupy_is_not_usable(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(__version__="13.6.0rc1", __spec__=object()))
    status = backends.available()[1]
    assert (status.usable, status.reason) == (False, "cupy 13.6.0rc1 is older than 14.0.1")
    assert "pip install" in status.install


@pytest.mark.parametrize("threads", [None, 1])
def test_threads_that_are_there_are_allowed(threads):
    backends.check_threads(threads, on_cuda=False)


@pytest.mark.parametrize("threads", [0, -1, 10**6])
def test_threads_that_are_not_there_are_refused(threads):
    with pytest.raises(ValueError, match=rf"^threads must be between 1 and \d+, got {threads}$"):
        backends.check_threads(threads, on_cuda=False)


@pytest.mark.parametrize("threads", [1.0, "2", True])
def test_threads_must_be_an_integer(threads):
    with pytest.raises(TypeError, match=r"^threads must be an integer, got \w+$"):
        backends.check_threads(threads, on_cuda=False)


def test_threads_are_for_the_cpu():
    with pytest.raises(ValueError, match="^threads= is for arrays on the CPU"):
        backends.check_threads(2, on_cuda=True)
