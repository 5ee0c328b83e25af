"""Facts that `dislok info` tells: versions, backends, devices, threads, cache folder, and what is missing."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import dislok
from dislok import backends
from dislok.arrays import Record

PACKAGES = {
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "numba": ("numba",),
    "torch": ("torch",),
    "cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
    "numba-cuda": ("numba-cuda",),
    "matplotlib": ("matplotlib",),
    "dask": ("dask",),
    "zarr": ("zarr",),
    "obspy": ("obspy",),
    "pyrocko": ("pyrocko",),
}
EXTRAS = {
    "torch": "torch",
    "matplotlib": "plot",
    "dask": "scale",
    "zarr": "scale",
    "obspy": "seis",
    "pyrocko": "crust",
}


def installed(names: tuple[str, ...]) -> str | None:
    """Version of the first of these distributions that is installed, without importing it."""
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def cpu_name() -> str:
    """Marketing name of the processor where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def vector_bits() -> int:
    """Width in bits of the widest vector registers that compiled kernels can use on this processor."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    widths = {"avx512f": 512, "avx": 256, "sse2": 128, "neon": 128}
    return max((bits for name, bits in widths.items() if features.get(name)), default=64)


def cache_folder() -> str:
    """Folder in which Numba keeps the machine code of the CPU kernels."""
    from dislok.kernels.okada import numba_cpu

    paths = (getattr(getattr(value, "stats", None), "cache_path", None) for value in vars(numba_cpu).values())
    return next((str(path) for path in paths if path), "none")


def collect() -> Record:
    """Everything that `dislok info` shows, as plain values that JSON can hold.

    Returns
    -------
    dict
        Keys ``dislok``, ``python``, ``system``, ``cpu``, ``vector_bits``, ``threads``, ``cache``,
        ``packages`` (name: version or None), ``backends`` (one dict each: name, usable, reason, install,
        devices) and ``missing`` (package: the command that installs it).
    """
    import numba

    packages = {name: installed(distributions) for name, distributions in PACKAGES.items()}
    return {
        "dislok": dislok.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": cpu_name(),
        "vector_bits": vector_bits(),
        "threads": numba.get_num_threads(),
        "cache": cache_folder(),
        "packages": packages,
        "backends": [status._asdict() for status in backends.available()],
        "missing": {p: f'pip install "dislok[{extra}]"' for p, extra in EXTRAS.items() if not packages[p]},
    }


def _backend_lines(status: Record) -> Iterator[str]:
    if status["usable"]:
        yield f"  {status['name']:<12} {status['reason']}, on {', '.join(status['devices'])}"
        return
    yield f"  {status['name']:<12} not usable: {status['reason']}"
    if status["install"]:
        yield f"  {'':<12} to install it: {status['install']}"


def lines(facts: Record) -> Iterator[str]:
    """The facts of `collect` as lines to read."""
    yield f"dislok {facts['dislok']}, Python {facts['python']}, {facts['system']}"
    yield f"CPU: {facts['cpu']}, {facts['vector_bits']}-bit vectors, {facts['threads']} threads"
    yield f"Compiled kernels are kept in {facts['cache']}"
    yield ""
    yield "Packages"
    for name, number in facts["packages"].items():
        missing = f"not installed; {facts['missing'][name]}" if name in facts["missing"] else "not installed"
        yield f"  {name:<12} {number or missing}"
    yield ""
    yield "Backends"
    for status in facts["backends"]:
        yield from _backend_lines(status)
