"""Compiled backends: the choice of the one that serves a call.

=============  ==========================  ======================================
name           serves                      needs
=============  ==========================  ======================================
numba          arrays on the CPU           nothing more
cupy           CUDA arrays (the default)   CuPy: ``pip install "dislok[cuda13]"``
numba-cuda     CuPy arrays, when asked     numba-cuda: the same line
=============  ==========================  ======================================

Each serves every family of kernels. For a driver of CUDA 12 the extra is called ``cuda12``. A CUDA array is
never computed on the CPU, and an array on the CPU never travels to a device.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from functools import cache
from typing import Any, NamedTuple

NAMES = ("numba", "cupy", "numba-cuda")
_MODULES = {"numba": "numba_cpu", "cupy": "cupy_raw", "numba-cuda": "numba_cuda"}
_NEEDS = {"cupy": ("cupy",), "numba-cuda": ("numba_cuda", "cupy")}
INSTALL = 'pip install "dislok[cuda13]"   (or "dislok[cuda12]", as your driver has it)'
MINIMUM_CUPY = (14, 0, 1)


class Status(NamedTuple):
    """Whether a backend can be used here; what :func:`available` returns for each.

    Attributes
    ----------
    name : str
        The name that ``backend=`` takes.
    usable : bool
        Whether a call with it would work on this machine.
    reason : str
        Why not, or the version where it is usable.
    install : str
        The line that installs what is missing; empty where nothing is.
    devices : tuple of str
        Names of the devices that it would run on.
    """

    name: str
    usable: bool
    reason: str
    install: str = ""
    devices: tuple[str, ...] = ()


def select(framework: str, on_cuda: bool, backend: str | None = None) -> str:
    """Name of the backend for arrays of a framework and a kind of device.

    Parameters
    ----------
    framework : str
        "numpy", "torch" or "cupy".
    on_cuda : bool
        Whether the arrays are on a CUDA device.
    backend : str, optional
        What the caller asked for: "numba", "cupy" or "numba-cuda".

    Returns
    -------
    str
        One of `NAMES`.

    Raises
    ------
    ValueError
        If the name is unknown, or if that backend cannot serve these arrays.
    """
    if backend is not None and backend not in NAMES:
        raise ValueError(f"unknown backend {backend!r}; choose from {', '.join(map(repr, NAMES))}")
    if not on_cuda and backend in ("cupy", "numba-cuda"):
        raise ValueError(f"backend {backend!r} needs CUDA arrays, but the inputs are on the CPU")
    if on_cuda and backend == "numba":
        raise ValueError(
            "backend 'numba' runs on the CPU, but the inputs are CUDA arrays; copy them explicitly"
        )
    if framework == "torch" and backend == "numba-cuda":
        raise ValueError("backend 'numba-cuda' takes CuPy arrays; torch tensors on CUDA are served by 'cupy'")
    return backend or ("cupy" if on_cuda else "numba")


@cache
def load(name: str, family: str = "okada") -> Any:
    """Import the kernels of a backend.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    family : str
        Folder of the kernels.

    Raises
    ------
    ImportError
        If a package that the backend needs is missing; the message has the line that installs it.
    """
    for package in _NEEDS.get(name, ()):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"backend {name!r} needs {package}, which is not installed: {INSTALL}")
    return importlib.import_module(f"dislok.kernels.{family}.{_MODULES[name]}")


def check_threads(threads: int | None, on_cuda: bool) -> None:
    """Raise a clear error if `threads` is not a number of threads that this process can use.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is less than one or more than ``NUMBA_NUM_THREADS``, or if the arrays are on a CUDA device.
    """
    if threads is None:
        return
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise TypeError(f"threads must be an integer, got {type(threads).__name__}")
    if on_cuda:
        raise ValueError("threads= is for arrays on the CPU, but the inputs are CUDA arrays")
    most = _most_threads()
    if not 1 <= threads <= most:
        raise ValueError(f"threads must be between 1 and {most}, got {threads}")


@cache
def _most_threads() -> int:
    from numba.core import config

    return int(vars(config)["NUMBA_NUM_THREADS"])


def available() -> tuple[Status, ...]:
    """The state of every backend on this machine; imports what is installed, never raises.

    Returns
    -------
    tuple of Status
        In the order of `NAMES`.
    """
    return tuple(_status(name) for name in NAMES)


def _status(name: str) -> Status:
    if name == "numba":
        return Status(name, True, f"numba {importlib.metadata.version('numba')}", devices=("CPU",))
    for package in _NEEDS[name]:
        if importlib.util.find_spec(package) is None:
            return Status(name, False, f"{package} is not installed", INSTALL)
    try:
        return _cuda_status(name)
    # Drivers and broken installations fail in ways that no list of exceptions covers; the reason is shown.
    except Exception as error:
        return Status(name, False, f"{type(error).__name__}: {error}")


def _cuda_status(name: str) -> Status:
    cupy = importlib.import_module("cupy")
    if _release(cupy.__version__) < MINIMUM_CUPY:
        needed = ".".join(map(str, MINIMUM_CUPY))
        return Status(name, False, f"cupy {cupy.__version__} is older than {needed}", INSTALL)
    runtime = cupy.cuda.runtime
    devices = tuple(runtime.getDeviceProperties(i)["name"].decode() for i in range(runtime.getDeviceCount()))
    if not devices:
        return Status(name, False, "no CUDA device")
    if name == "cupy":
        return Status(name, True, f"cupy {cupy.__version__}", devices=devices)
    return Status(name, True, f"numba-cuda {importlib.metadata.version('numba-cuda')}", devices=devices)


def _release(version: str) -> tuple[int, ...]:
    """(14, 0, 1) of "14.0.1" or "14.0.1rc1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
