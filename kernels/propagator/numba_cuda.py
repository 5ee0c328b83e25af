"""Responses of a layered half-space on CUDA devices: the steps of the CPU, compiled for the device by Numba.

A thread carries both states through the stack to one source, at one frequency and wavenumber, and writes the
columns there; the sums over wavenumber are then products of matrices. Arrays are CuPy's, and so are the
products.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import cuda

from dislok.kernels.cuda import compiled
from dislok.kernels.lanes import LANES
from dislok.kernels.names import Array, Kernel, Stream
from dislok.kernels.rows import load, store
from dislok.kernels.scalar import number, scalar

from .integrals import kind_of, names
from .pair import (
    CROSS,
    HALF_SPACE,
    PLACE,
    RECEIVER,
    SEA_FLOOR,
    STATIC,
    SURFACE,
    cross_carried,
    cross_other,
    kept_columns,
    meet_receiver,
    meet_source,
    start_carried,
    start_other,
)
from .stack import Layers, Paths
from .sums import inputs, sums
from .truncation import Grid

THREADS = 64  # of a block: a thread needs most of the registers there are


@scalar
def tapered_columns(kind, force, side, factor, carried, other, k, place):
    """`meet_source` times a factor, in the order column, depth derivative, part; only the columns wanted."""
    result = meet_source(kind, 0, force, side, carried, other, k, place)
    width, kept = 1 if kind == STATIC else 2, len(kept_columns(bool(force)))
    return tuple(
        result[(deeper * kept + column) * width + part] * factor
        for column in range(kept)
        for deeper in (0, 1)
        for part in range(width)
    )


@cache
def sweep_kernel(kind: int, force: int) -> Kernel:
    """Kernel for one kind of number, with or without the columns of single forces (1 or 0)."""
    row = len(PLACE)

    def sweep(k, counts, taper, places, ends, carried_program, other_program, entry, sources, sign, out):
        t = cuda.grid(1)
        n, n_omega = k.size, counts.shape[0]
        if t >= n * n_omega * sources.size:
            return
        at, source = t % n, t // (n * n_omega)
        frequency = (t // n) % n_omega
        if at >= counts[frequency, source]:
            return
        kk = number(k[at])
        base = frequency * (places.size // n_omega)
        place = load(places, base + ends[0, 1] * row, row)
        if ends[0, 0] == SURFACE:
            carried = start_carried(kind, 0, SURFACE, kk, place)
        elif ends[0, 0] == SEA_FLOOR:
            carried = start_carried(kind, 0, SEA_FLOOR, kk, place)
        else:
            carried = start_carried(kind, 0, HALF_SPACE, kk, place)
        for turn in range(carried_program.shape[0]):
            what, which = carried_program[turn, 0], carried_program[turn, 1]
            if what == CROSS:
                place = load(places, base + which * row, row)
                carried = cross_carried(kind, 0, number(sign), carried, kk, place)
            elif what == RECEIVER:
                place = load(places, base + which * row, row)
                carried = meet_receiver(kind, 0, number(sign), carried, kk, place)
            elif which == source:
                break
        start = entry[frequency, at // LANES, 1]
        place = load(places, base + entry[frequency, at // LANES, 0] * row, row)
        if start > 0:
            other = start_other(kind, 0, HALF_SPACE, kk, place)
        elif ends[1, 0] == SURFACE:
            other = start_other(kind, 0, SURFACE, kk, place)
        elif ends[1, 0] == SEA_FLOOR:
            other = start_other(kind, 0, SEA_FLOOR, kk, place)
        else:
            other = start_other(kind, 0, HALF_SPACE, kk, place)
        for turn in range(start, other_program.shape[0]):
            what, which = other_program[turn, 0], other_program[turn, 1]
            if what == CROSS:
                place = load(places, base + which * row, row)
                other = cross_other(kind, 0, number(-sign), other, kk, place)
            elif which == source:
                break
        place = load(places, base + sources[source] * row, row)
        factor = number(taper[source, at])
        numbers = tapered_columns(kind, force, number(-sign), factor, carried, other, kk, place)
        store(out, t, n * n_omega * sources.size, 1, numbers)

    return compiled(sweep)


def columns(
    layers: Layers,
    paths: Paths,
    omega: np.ndarray,
    grid: Grid,
    force: bool,
    to_device: Callable[[Array], Array],
    zeros: Callable[[int], Array],
    stream: Stream = 0,
) -> Array:
    """Columns at every frequency and wavenumber, on the device.

    Parameters
    ----------
    layers, paths, omega, grid, force
        As for `integrals.integrate`, on the host.
    to_device : callable
        Makes a device array of a NumPy one.
    zeros : callable
        Makes a device array of so many zeros.
    stream : Numba's stream, optional

    Returns
    -------
    device array (rows x n_sources x n_omega x n,)
        Rows are column, value or depth derivative, real or imaginary part; zero beyond a frequency's count.
    """
    kind = kind_of(layers, omega)
    rows = len(kept_columns(force)) * 2 * (1 if kind == STATIC else 2)
    threads = len(grid.k) * len(omega) * len(paths.sources)
    out = zeros(rows * threads)
    given = map(to_device, inputs(layers, paths, omega, grid))
    kernel = sweep_kernel(kind, int(force))
    kernel[-(-threads // THREADS), THREADS, stream](*given, float(paths.sign), out)
    return out


def integrate(
    layers: Layers, paths: Paths, omega: np.ndarray, grid: Grid, bessels: Array, *, force: bool = False
) -> Array:
    """All integrals, as `integrals.integrate` computes them on the CPU, as a CuPy array.

    `bessels` is a CuPy array of the tables of all sources, or of one that serves all: (1 or n_sources, 4, 2,
    n_distances, n).
    """
    import cupy

    address = cupy.cuda.get_current_stream().ptr
    stream = cuda.external_stream(address) if address else 0
    flat = columns(layers, paths, omega, grid, force, cupy.asarray, cupy.zeros, stream)
    parts = 1 if kind_of(layers, omega) == STATIC else 2
    shaped = flat.reshape(-1, 2, parts, len(paths.sources), len(omega), len(grid.k))
    return sums(cupy, shaped, bessels, names(force))
