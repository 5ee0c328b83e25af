"""An `Engine` that runs the unmodified `kernels.cu` on the host: g++ with the few lines of `shim.hpp`, called through ctypes."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np

from dislok.kernels.okada import cupy_raw

HERE = Path(__file__).resolve().parent
GRID = [(block, thread) for block in range(2) for thread in range(3)]


def build(target: Path, flags: tuple[str, ...] = ("-O2",), defines: tuple[str, ...] = ()) -> Path:
    """Compile `kernels.cu` into the shared library `target`; raises CalledProcessError with the compiler's words."""
    command = ["g++", "-std=c++17", *flags, *defines, "-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Werror", "-fPIC", "-shared", "-include", str(HERE / "shim.hpp")]
    command += ["-x", "c++", str(cupy_raw.SOURCES[0]), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


class ShimEngine:
    """NumPy arrays; the entries of one or several libraries, on a grid of 2 blocks of 3 threads, one thread after the other."""

    def __init__(self, *libraries: Path) -> None:
        self.libraries = [ctypes.CDLL(str(path)) for path in libraries]

    def empty(self, shape, dtype):
        """An array of NaN: what a kernel forgets to write shows."""
        return np.full(shape, np.nan, dtype)

    def launch(self, entry, tasks, arguments):
        """Run an entry for all threads of the grid."""
        self._run(entry.name, arguments)

    def sum_chunks(self, entry, tasks, arguments):
        """Run the sum over chunks."""
        self._run(f"okada_sum_{entry.real}", arguments)

    def _run(self, name, arguments):
        library = next(lib for lib in self.libraries if hasattr(lib, name))
        given = [_c(a) for a in arguments]
        for block, thread in GRID:
            library.shim_place(block, thread, 2, 3)
            getattr(library, name)(*given)


def _c(argument):
    if argument is None:
        return ctypes.c_void_p(0)
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    kind = {"int64": ctypes.c_longlong, "float32": ctypes.c_float, "float64": ctypes.c_double}[argument.dtype.name]
    return kind(argument)
