"""How the `numba_cuda` of every family launches its kernels: arrays, streams, long sums.

Arrays are CuPy's, torch's or Numba's, C-contiguous and on Numba's current device. Sums over many terms at few
places are cut into interleaved parts with a thread each, and these are added in a fixed order: no atomics,
the same numbers in every run. Nothing here waits for the device.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda

from dislok.kernels.cpu import keep
from dislok.kernels.names import Array, Kernel, Stream

THREADS = 128  # of a block
FEWEST_BLOCKS = 128  # Numba warns of fewer; threads without a task end at once
# Threads worth starting: sums of fewer are cut into parts.
PARALLEL = 1 << 16
# Parts into which the sum over all pairs (of the derivative with nu) is cut.
LAST_PARTS = 1024


def compiled(function: Callable) -> Kernel:
    """Kernel from a function; machine code is kept on disk, for the sources behind it only."""
    try:
        dispatcher = cuda.jit(cache=True)(function)
    except RuntimeError:  # no folder to keep machine code in
        return cuda.jit(function)
    if hasattr(dispatcher, "_cache"):  # the simulator has none
        keep(dispatcher, Path(function.__code__.co_filename).resolve())
    return dispatcher


@cache
def total_kernel() -> Kernel:
    """Kernel that adds up every `out.size`-th number of a part of an array, a thread for each."""

    def total(numbers, begin, end, out):
        k = cuda.grid(1)
        if k < out.size:
            add = out.dtype.type(0)
            for at in range(begin + k, end, out.size):
                add += numbers[at]
            out[k] = add

    return compiled(total)


@cache
def add_kernel() -> Kernel:
    """Kernel that adds an array to another, a thread for each number."""

    def add(numbers, out):
        k = cuda.grid(1)
        if k < out.size:
            out[k] += numbers[k]

    return compiled(add)


def framework_of(array: Array) -> str:
    """Name of the package that an array comes from."""
    return type(array).__module__.partition(".")[0]


def flat(array: Array) -> Array:
    """One-dimensional view of a C-contiguous array on the device; it waits for nothing."""
    if not getattr(array, "__cuda_ndarray__", False):
        # the work is on the array's own stream: synchronising, which is the default here, would stop the host
        array = cuda.as_cuda_array(array, sync=False)
    return array.reshape(array.size)


def current_stream(array: Array) -> Stream:
    """The stream that work on an array belongs to."""
    if framework_of(array) == "torch":
        import torch

        return torch.cuda.current_stream(array.device)
    cupy = sys.modules.get("cupy")
    return cupy.cuda.get_current_stream() if cupy is not None else 0


def stream_for_numba(stream: Stream) -> Stream:
    """A stream of any package, or its address, as one of Numba's."""
    if hasattr(stream, "__cuda_stream__"):
        stream = stream.__cuda_stream__()[1]
    elif hasattr(stream, "cuda_stream"):  # of torch
        stream = stream.cuda_stream
    return cuda.external_stream(int(stream)) if stream else 0


def allocator(like: Array, stream: Stream) -> Callable[[Sequence[int]], Array]:
    """Function that makes arrays of a shape, of the package and dtype of `like`, for use on a stream."""
    framework = framework_of(like)
    if framework == "torch":
        return like.new_empty
    if framework == "cupy":
        import cupy

        return lambda shape: cupy.empty(shape, like.dtype)
    return lambda shape: cuda.device_array(shape, like.dtype, stream=stream)


def made_current(like: Array, stream: Stream) -> Array:
    """Context in which the package of `like` allocates for `stream`, one of Numba's or 0, the default."""
    framework = framework_of(like)
    if framework == "torch":
        import torch

        default = torch.cuda.default_stream(like.device)
        own = torch.cuda.ExternalStream(int(stream), device=like.device) if stream else default
        return torch.cuda.stream(own)
    if framework == "cupy":
        import cupy

        return cupy.cuda.Stream.from_external(stream) if stream else cupy.cuda.Stream.null
    return contextlib.nullcontext()


def parts_of(owners: int, others: int) -> int:
    """Into how many parts a sum over `others` is cut, for each of `owners`; known from the shapes alone."""
    return max(1, min(others, PARALLEL // max(owners, 1)))


class Launch:
    """The observers of one call on the device, and where and how its kernels run.

    Parameters
    ----------
    obs : array on the device, shape (n, 3)
    m : int
        Number of sources.
    nu : float
    pairs : bool
        Source i with observer i only.
    stream : stream, int or None
        None takes the stream that work on `obs` belongs to.
    """

    def __init__(self, obs: Array, m: int, nu: float, pairs: bool, stream: Stream) -> None:
        self.n, self.m, self.paired = len(obs), m, bool(pairs)
        self.stream = stream_for_numba(current_stream(obs) if stream is None else stream)
        self.scope = contextlib.nullcontext() if stream is None else made_current(obs, self.stream)
        self.empty = allocator(obs, self.stream)
        self.obs = flat(obs)
        self.real = np.dtype(self.obs.dtype).type
        self.bits = 8 * self.obs.dtype.itemsize
        self.nu = self.real(nu)

    def start(self, kernel: Kernel, tasks: int, *arguments: Any) -> None:
        """Run a kernel with threads for so many tasks."""
        if tasks:
            blocks = max(-(-tasks // THREADS), FEWEST_BLOCKS)
            kernel[blocks, THREADS, self.stream](*arguments)

    def each(self, run: Callable[..., None], shape: Sequence[int], axes: int, out: Array | None) -> Array:
        """An array (`shape`) of what pairs have, `axes` tasks a pair.

        ``run(tasks, owners, others, parts, out)`` starts the kernel that fills the flat array `out`.
        """
        with self.scope:
            if out is None:
                out = self.empty(shape)
            tasks = (self.n if self.paired else self.n * self.m) * axes
            if tasks:
                run(tasks, self.n, self.m, 1, flat(out))
        return out

    def sum(
        self, run: Callable[..., None], by_source: bool, size: int, width: int, out: Array | None = None
    ) -> Array:
        """Sums (owners, `width`) of `size` numbers at the observers or at the sources.

        ``run(tasks, owners, others, parts, out)`` starts the kernel; what does not fit in a row lies behind
        all rows. It is summed over the owners, too, and comes second, an array without axes.
        """
        owners, others = (self.m, self.n) if by_source else (self.n, self.m)
        parts = 1 if self.paired else parts_of(owners, others)
        tasks = owners * parts if others else 0
        with self.scope:
            if out is None:
                out = self.empty((owners, width))
            whole = tasks and parts == 1 and size == width
            numbers = flat(out) if whole else flat(self.empty((max(tasks * size, 1),)))
            if tasks:
                run(tasks, owners, others, parts, numbers)
            if not whole and owners:
                self._add_up(numbers, 0, tasks * width, flat(out))
        return out if size == width else (out, self._rest(numbers, tasks * width, tasks * size))

    def _rest(self, numbers: Array, begin: int, end: int) -> Array:
        with self.scope:
            few, rest = flat(self.empty((LAST_PARTS,))), self.empty((1,))
            self._add_up(numbers, begin, end, few)
            self._add_up(few, 0, LAST_PARTS, flat(rest))
        return rest.reshape(())

    def _add_up(self, numbers: Array, begin: int, end: int, out: Array) -> None:
        self.start(total_kernel(), out.size, numbers, begin, end, out)

    def added(self, numbers: Array, out: Array) -> Array:
        """`out`, to which `numbers` of the same shape have been added."""
        target = flat(out)
        self.start(add_kernel(), target.size, flat(numbers), target)
        return out
