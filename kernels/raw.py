"""CUDA C++ on CuPy arrays: how the `cupy_raw` of every family launches the entries of its `kernels.cu`."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from dislok.kernels.names import Array, Kernel

FOLDER = Path(__file__).resolve().parent
#: Sources that every `kernels.cu` includes.
SHARED = (FOLDER / "loops.cuh", FOLDER / "scalar" / "scalar.cuh")

#: Threads worth starting: sums over fewer observers (or sources) are cut into chunks that run side by side.
PARALLEL = 1 << 16
BLOCK = 128
MOST_BLOCKS = 1 << 20


class Entry(Protocol):
    """One entry of a `kernels.cu`, hashable."""

    @property
    def name(self) -> str:
        """Its name there."""


class Engine(Protocol):
    """Makes arrays and runs entries: CuPy does, and in the tests a host compiler."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A new C-contiguous array."""

    def launch(self, entry: Any, tasks: int, arguments: tuple[Array, ...]) -> None:
        """Run an entry with threads for `tasks`; an array may be None."""

    def sum_chunks(self, entry: Any, tasks: int, arguments: tuple[Array, ...]) -> None:
        """Run the sum over the chunks that an entry wrote."""


def suffix(dtype: DTypeLike) -> str:
    """With what the names of entries end: "f32" or "f64"."""
    return {4: "f32", 8: "f64"}[np.dtype(dtype).itemsize]


def chunks_of(tasks: int, terms: int) -> int:
    """Into how many parts to cut a sum of `terms` at each of `tasks` places; depends on the shapes alone."""
    return max(1, min(terms, PARALLEL // max(tasks, 1)))


def defined(prefix: str, sources: tuple[Path, ...], chosen: dict[str, str]) -> tuple[str, ...]:
    """Compiler options for macros of a `kernels.cu`; full IEEE arithmetic, never fast-math."""
    # CuPy's cache of binaries knows the source but not what it includes: the digest stands for that.
    chosen = {**chosen, "DIGEST": digest(sources)}
    return (
        "-std=c++17",
        f"-I{sources[0].parent}",
        *(f"-D{prefix}_{key}={value}" for key, value in chosen.items()),
    )


def selected(operation: str, by: str, entry: Any) -> dict[str, str]:
    """Macros that choose loop, functor and precision of an operation whose results belong to `by`."""
    return {
        "LOOP": {"pair": "for_pairs", "observer": "for_observers"}.get(by, "for_sources"),
        "OP": operation.title().replace("_", ""),
        "OF": entry.of.title(),
        "REAL": {"f32": "float", "f64": "double"}[entry.real],
    }


@functools.cache
def digest(sources: tuple[Path, ...]) -> str:
    """Hash of CUDA sources, as a C identifier."""
    return "x" + hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def summed(
    engine: Engine,
    entry: Any,
    run: Callable[[int, int, Array], None],
    places: int,
    terms: int,
    out: Array,
) -> Array:
    """Sums of so many terms at each place, in `out` (places, width); few places are cut into chunks.

    ``run(tasks, chunks, parts)`` launches the entry so that it writes `parts`, (chunks, places, width).
    """
    chunks = chunks_of(places, terms)
    parts = out if chunks == 1 else engine.empty((chunks, *out.shape), out.dtype)
    run(places * chunks, chunks, parts)
    if chunks > 1:
        count = places * out.shape[1]
        engine.sum_chunks(entry, count, (np.int64(count), np.int64(chunks), parts, out))
    return out


class CupyEngine:
    """CuPy arrays on the current device and stream.

    Parameters
    ----------
    module : callable
        The `cupy.RawModule` that holds an entry, compiled when it is first needed.
    total : str
        Name of the sum over chunks, in each module.
    """

    def __init__(self, module: Callable[[Any], Kernel], total: str) -> None:
        self.module = module
        self.total = total

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A new C-contiguous array on the current device."""
        import cupy

        return cupy.empty(shape, dtype)

    def launch(self, entry: Entry, tasks: int, arguments: tuple[Array, ...]) -> None:
        """Run an entry on the current stream."""
        self._run(self.module(entry).get_function(entry.name), tasks, arguments)

    def sum_chunks(self, entry: Entry, tasks: int, arguments: tuple[Array, ...]) -> None:
        """Run the sum over chunks on the current stream."""
        self._run(self.module(entry).get_function(self.total), tasks, arguments)

    @staticmethod
    def _run(function: Kernel, tasks: int, arguments: tuple[Array, ...]) -> None:
        if tasks:
            blocks = min(-(-tasks // BLOCK), MOST_BLOCKS)
            function((blocks,), (BLOCK,), tuple(np.uint64(0) if a is None else a for a in arguments))
