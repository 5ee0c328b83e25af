"""Warping of images on CuPy arrays: the CUDA C++ of `kernels.cu`, launched on the current stream.

The functions are those of `numba_cpu`: no checks, C-contiguous planes of one dtype on the current device.
`threads` belongs to the common signature; a GPU has no use for it. Nothing here waits for the device.
`Operations` is what they do on any `Engine`, which makes arrays and launches entries of the source.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dislok.kernels.names import Array, Kernel
from dislok.kernels.raw import SHARED, CupyEngine, Engine, defined, suffix

from .filters import BEFORE, BEYOND, unfiltered

FOLDER = Path(__file__).resolve().parent
SOURCES = (FOLDER / "kernels.cu", FOLDER / "formula.cuh", *SHARED)


class Entry(NamedTuple):
    """One entry of `kernels.cu`."""

    operation: str
    real: str  # "f32" or "f64"

    @property
    def name(self) -> str:
        """Its name there."""
        return f"images_{self.operation}_{self.real}"


def options(entry: Entry) -> tuple[str, ...]:
    """Compiler options for the entries of one dtype; full IEEE arithmetic, never fast-math."""
    return defined("IMAGES", SOURCES, {f"{entry.real.upper()}_ONLY": "1"})


class Operations:
    """The backend functions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def coefficients(self, image: Array, order: int, threads: int | None = None) -> Array:
        """See `coefficients`."""
        (h, w), real = image.shape, suffix(image.dtype)
        columns = self._filtered(image, order)
        turned = self._filtered(columns.T.copy(), order)
        plane = self.engine.empty((h + 2 * BEFORE, w + BEYOND), image.dtype)
        self.engine.launch(Entry("margins", real), plane.size, (np.int64(h), np.int64(w), turned, plane))
        return plane

    def _filtered(self, image: Array, order: int) -> Array:
        """An image with each of its columns filtered."""
        out = self.engine.empty(image.shape, image.dtype)
        arguments = (*map(np.int64, image.shape), image, out)
        self.engine.launch(Entry(f"filter_{order}", suffix(image.dtype)), image.shape[1], arguments)
        return out

    def warp(self, order, plane, right, down, cells=None, origin=(0, 0), threads=None):
        """See `warp`."""
        return self._warp(order, plane, right, down, cells, origin, slopes=False)

    def slopes(self, order, plane, right, down, cells=None, origin=(0, 0), threads=None):
        """See `slopes`."""
        return self._warp(order, plane, right, down, cells, origin, slopes=True)

    def _warp(self, order, plane, right, down, cells, origin, *, slopes):
        out, *by = (self.engine.empty(right.shape, plane.dtype) for _ in range(3 if slopes else 1))
        inside = self.engine.empty(right.shape, np.dtype(np.bool_))
        numbers = _numbers((plane.shape[0] - 2 * BEFORE, plane.shape[1] - BEYOND), right.shape, origin)
        arguments = (*numbers, plane, right, down, cells, out, inside, *(by or (None, None)))
        self.engine.launch(Entry(f"warp_{order}", suffix(plane.dtype)), right.size, arguments)
        return [out, inside, *by]

    def adjoint(self, order, shape, right, down, cot, origin=(0, 0), threads=None):
        """See `adjoint`."""
        plane = self.engine.empty((shape[0] + 2 * BEFORE, shape[1] + BEYOND), cot.dtype)
        plane.fill(0)
        arguments = (*_numbers(shape, right.shape, origin), right, down, cot, plane)
        self.engine.launch(Entry(f"spread_{order}", suffix(cot.dtype)), right.size, arguments)
        return unfiltered(plane, lambda image: self.coefficients(image, order))


def _numbers(shape: Array, window: Array, origin: Array) -> tuple[np.int64, ...]:
    """Rows and columns of the image and of the window, and where the window begins."""
    return tuple(np.int64(n) for n in (*shape, *window, *origin))


@functools.cache
def module(real: str) -> Kernel:
    """The compiled entries of one dtype."""
    import cupy

    return cupy.RawModule(code=SOURCES[0].read_text(), options=options(Entry("", real)))


_CUPY = Operations(CupyEngine(lambda entry: module(entry.real), "none"))


def coefficients(image: Array, order: int, threads: int | None = None) -> Array:
    """Coefficients of an image (h, w), in a plane (h + 4, w + 6) with mirrored margins."""
    return _CUPY.coefficients(image, order)


def warp(order, plane, right, down, cells=None, origin=(0, 0), threads=None):
    """Values of the image of the coefficients `plane` at (r + down, c + right), and where they are known."""
    return _CUPY.warp(order, plane, right, down, cells, origin)


def slopes(order, plane, right, down, cells=None, origin=(0, 0), threads=None):
    """What `warp` returns, and the derivatives of the values by `right` and by `down`."""
    return _CUPY.slopes(order, plane, right, down, cells, origin)


def adjoint(order, shape, right, down, cot, origin=(0, 0), threads=None):
    """Derivative of the sum of `cot` times the values that `warp` gives by each pixel of the image, `shape`.

    Numbers are added in an order that is not fixed: two calls agree to rounding.
    """
    return _CUPY.adjoint(order, shape, right, down, cot, origin)
