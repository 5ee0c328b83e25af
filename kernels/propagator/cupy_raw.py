"""Responses of a layered half-space on CUDA devices by the kernel in CUDA C++, launched through CuPy.

The formulas are those of `formula.cuh`, written independently of those of the other backends. Arrays are
CuPy's; nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from dislok.kernels.lanes import LANES
from dislok.kernels.names import Array, Kernel
from dislok.kernels.raw import SHARED, defined

from .integrals import names
from .pair import kept_columns
from .stack import Layers, Paths
from .sums import inputs, sums
from .truncation import Grid

__all__ = ["arguments", "integrate", "shaped", "sums"]

SOURCE = Path(__file__).resolve().with_name("kernels.cu")
THREADS = 64  # of a block: a thread needs most of the registers there are


def arguments(
    layers: Layers,
    paths: Paths,
    omega: np.ndarray,
    grid: Grid,
    force: bool,
    to_device: Callable[[Array], Array],
    zeros: Callable[[int], Array],
) -> list[Array]:
    """Arguments of the kernel, the last of which is the array that it fills.

    `to_device` makes a device array of a NumPy one, `zeros` one of so many zeros.
    """
    tasks = len(grid.k) * len(omega) * len(paths.sources)
    return [
        len(grid.k),
        len(omega),
        len(paths.sources),
        -(-len(paths.layer) // LANES) * LANES,
        len(paths.carried),
        len(paths.other),
        *map(to_device, inputs(layers, paths, omega, grid)),
        float(paths.sign),
        int(force),
        zeros(4 * len(kept_columns(force)) * tasks),
    ]


def shaped(flat: Array, paths: Paths, omega: np.ndarray, grid: Grid) -> Array:
    """What the kernel wrote: (columns, 2, parts, n_sources, n_omega, n)."""
    return flat.reshape(-1, 2, 2, len(paths.sources), len(omega), len(grid.k))


@cache
def _kernel() -> Kernel:
    import cupy

    options = defined("PROPAGATOR", (SOURCE, SOURCE.with_name("formula.cuh"), *SHARED), {})
    return cupy.RawModule(code=SOURCE.read_text(), options=options).get_function("propagator_columns")


def integrate(
    layers: Layers, paths: Paths, omega: np.ndarray, grid: Grid, bessels: Array, *, force: bool = False
) -> Array:
    """All integrals, as `integrals.integrate` computes them on the CPU, as a CuPy array.

    `bessels` is a CuPy array of the tables of all sources, or of one that serves all: (1 or n_sources, 4, 2,
    n_distances, n).
    """
    import cupy

    given = arguments(layers, paths, omega, grid, force, cupy.asarray, cupy.zeros)
    tasks = len(grid.k) * len(omega) * len(paths.sources)
    typed = {int: np.int64, float: np.float64}
    launched = [typed[type(a)](a) if type(a) in typed else a for a in given]
    _kernel()((-(-tasks // THREADS),), (THREADS,), tuple(launched))
    return sums(cupy, shaped(given[-1], paths, omega, grid), bessels, names(force))
