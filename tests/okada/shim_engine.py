"""Helpers of the tests of `kernels.cu`: an `Engine` that runs it on the host, and random input.

The engine is the unmodified source, compiled by g++ with the few lines of `shim.hpp`, called through ctypes.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np

from dislok.kernels.okada import cupy_raw
from dislok.kernels.okada.sources import COMPONENTS, SLIP_COMPONENTS

SHIM = Path(__file__).resolve().parent / "shim.hpp"
WARNINGS = ("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Werror")


def build(folder: Path, *flags: str, source: Path = cupy_raw.SOURCES[0]) -> list[Path]:
    """Compile the `kernels.cu` of a family for float32 and for float64, side by side.

    Raises
    ------
    RuntimeError
        With the compiler's words.
    """
    family = source.parent.name
    libraries = [folder / f"{family}_{real}.so" for real in ("F32", "F64")]
    running = []
    for library in libraries:
        only = f"-D{family.upper()}_{library.stem[-3:]}_ONLY"
        command = ["g++", "-std=c++17", *flags, *WARNINGS, only, "-fPIC", "-shared", "-include", str(SHIM)]
        command += ["-x", "c++", str(source), "-o", str(library)]
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in running:
        words = process.communicate()[1]
        if process.returncode:
            raise RuntimeError(words)
    return libraries


class ShimEngine:
    """NumPy arrays; the entries of the libraries on a small grid, one thread after the other."""

    def __init__(self, libraries: list[Path], blocks: int = 2, threads: int = 3) -> None:
        self.libraries = [ctypes.CDLL(str(path)) for path in libraries]
        self.blocks, self.threads = blocks, threads

    def empty(self, shape, dtype):
        """An array of NaN: what a kernel forgets to write shows."""
        return np.full(shape, np.nan, dtype)

    def launch(self, entry, tasks, arguments):
        """Run an entry for all threads of the grid."""
        self._run(entry.name, arguments)

    def sum_chunks(self, entry, tasks, arguments):
        """Run the sum over chunks."""
        family = entry.name.partition("_")[0]
        self._run(f"{family}_sum_{entry.real}", arguments)

    def _run(self, name, arguments):
        library = next(lib for lib in self.libraries if hasattr(lib, name))
        given = [_c(a) for a in arguments]
        for block in range(self.blocks):
            for thread in range(self.threads):
                library.shim_place(block, thread, self.blocks, self.threads)
                getattr(library, name)(*given)


def _c(argument):
    if argument is None:
        return ctypes.c_void_p(0)
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    kinds = {"int64": ctypes.c_longlong, "float32": ctypes.c_float, "float64": ctypes.c_double}
    return kinds[argument.dtype.name](argument)


def random_case(rng, kind, dtype, n=7, m=5):
    """Observers (n, 3), half of them on the ground, and sources (m, P), one of them far away."""
    obs = np.c_[rng.uniform(-30, 30, (n, 2)), rng.choice([0, 1], n) * rng.uniform(-20, 0, n)]
    place = np.c_[rng.uniform(-20, 20, (m, 2)), rng.uniform(8, 15, m)]
    place[0] = 900, -700, 12
    angles = np.c_[rng.uniform(-180, 360, m), rng.uniform(1, 89, m), rng.uniform(-180, 180, m)]
    shape = rng.uniform(2, 8, (m, 2)) if kind == "rectangle" else np.empty((m, 0))
    amount = rng.uniform(-2, 2, (m, 2 if kind == "rectangle" else 3))
    return obs.astype(dtype), np.hstack([place, shape, angles, amount]).astype(dtype)


def random_arguments(rng, function, kind, of, pairs, dtype, n=7, m=5):
    """Positional arguments of a backend function."""
    m = n if pairs else m
    obs, src = random_case(rng, kind, dtype, n, m)

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    def directions():
        return normal(n, 3), normal(*src.shape) * np.asarray(0.1, dtype)

    c, slips = WIDTH[of], SLIP_COMPONENTS[kind]
    head = (kind, obs, src, 0.23, (0.3, 0.6))
    if function == "field_both":
        return (*head, pairs)
    if function in ("apply", "apply_adjoint"):
        return (*head, of, normal(m, slips) if function == "apply" else normal(n, c))
    rest = {
        "vjp": lambda: (normal(n, c),),
        "jvp": lambda: (*directions(), 0.7),
        "vjp2": lambda: (normal(n, c), *directions()),
        "jvp2": lambda: (*directions(), *directions()),
    }.get(function, lambda: ())
    return (*head, of, pairs, *rest())


WIDTH = COMPONENTS | {"both": 12}
FUNCTIONS = ("field", "field_both", "greens", "jacobian", "hessian", "vjp", "jvp", "vjp2", "jvp2")
#: Every backend function with the settings that it knows: (function, of, pairs).
EVERY = [
    (function, of, pairs)
    for function in (*FUNCTIONS, "apply", "apply_adjoint")
    for of in (("both",) if function == "field_both" else ("displacement", "gradient"))
    for pairs in ((False,) if function.startswith("apply") else (False, True))
]


def outputs(result):
    """Result of a backend function as a list of host arrays."""
    parts = result if isinstance(result, tuple) else (result,)
    return [np.asarray(part.get() if hasattr(part, "get") else part) for part in parts]


def normwise(got, truth):
    """|got - truth| / |truth| over the last axis, 0 where both vanish."""
    size = np.linalg.norm(truth, axis=-1)
    return np.linalg.norm(got - truth, axis=-1) / np.where(size == 0, 1, size)
