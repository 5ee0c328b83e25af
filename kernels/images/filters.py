"""The recursive filter that turns an image into coefficients of splines, on the CPU.

Coefficients lie in a plane with a margin on every side: `BEFORE` pixels above and left, mirrored; as many
below and on the right, where there are some more columns, of zeros, so that vectors may read beyond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.names import Array
from dislok.kernels.threads import default_threads, portions, share

from .formula import POLES, gain, horizon

BEFORE, BEYOND = 2, 6  # rows and columns before the first; columns on both sides together
STRIP = 64  # columns that are filtered side by side
BLOCK = 8  # rows that are


@kernel
def filter_along(data, at, n, step, width, poles, horizons):
    """Filter `width` sequences of `n` numbers, side by side, `step` apart, from element `at`, in place."""
    count, last = np.uint64(width), np.uint64(at + (n - 1) * step)
    stride, first = np.uint64(step), np.uint64(at)
    for p in range(len(poles)):
        z = poles[p]
        _begin(data, at, n, step, width, z, horizons[p])
        before = first
        for _ in range(n - 1):
            here = before + stride
            for i in range(count):
                data[here + i] += z * data[before + i]
            before = here
        end = z / (z * z - data.dtype.type(1))
        for i in range(count):
            data[last + i] = end * (data[last + i] + z * data[last - stride + i])
        after = last
        for _ in range(n - 1):
            here = after - stride
            for i in range(count):
                data[here + i] = z * (data[after + i] - data[here + i])
            after = here


@kernel
def _begin(data, at, n, step, width, z, far):
    """The first number of the forward filter: of a sequence for ever mirrored at both ends."""
    one = data.dtype.type(1)
    count, first, stride = np.uint64(width), np.uint64(at), np.uint64(step)
    if far < n:
        power = one
        for k in range(1, far):
            power *= z
            there = first + np.uint64(k) * stride
            for i in range(count):
                data[first + i] += power * data[there + i]
        return
    period = 2 * n - 2
    for k in range(1, n):
        power = z**k + (z ** (period - k) if k < n - 1 else data.dtype.type(0))
        there = first + np.uint64(k) * stride
        for i in range(count):
            data[first + i] += power * data[there + i]
    scale = one / (one - z**period)
    for i in range(count):
        data[first + i] *= scale


@kernel
def _columns(image, h, w, factor, plane, stride, first, last, poles, horizons):
    """Copy columns of an image, times a factor, into the plane, and filter them."""
    for begin in range(first, last, STRIP):
        end = min(begin + STRIP, last)
        count = np.uint64(end - begin)
        for r in range(h):
            source, target = np.uint64(r * w + begin), np.uint64((r + BEFORE) * stride + BEFORE + begin)
            for i in range(count):
                plane[target + i] = factor * image[source + i]
        filter_along(plane, BEFORE * stride + BEFORE + begin, h, stride, end - begin, poles, horizons)


@kernel
def _rows(plane, h, w, stride, first, last, poles, horizons):
    """Filter rows of the plane, turned so that they lie side by side, and mirror them into the margins."""
    turned = np.empty(w * BLOCK, plane.dtype)
    for begin in range(first, last, BLOCK):
        _block(plane, w, stride, begin, min(begin + BLOCK, last), turned, poles, horizons)


@kernel
def _block(plane, w, stride, begin, end, turned, poles, horizons):
    """Some rows, at most `BLOCK`; `turned` is room for them."""
    for r in range(begin, end):
        source, lane = np.uint64((r + BEFORE) * stride + BEFORE), np.uint64(r - begin)
        for c in range(np.uint64(w)):
            turned[c * np.uint64(BLOCK) + lane] = plane[source + c]
    for r in range(end, begin + BLOCK):
        for c in range(w):
            turned[c * BLOCK + r - begin] = 0.0
    filter_along(turned, 0, w, BLOCK, BLOCK, poles, horizons)
    for r in range(begin, end):
        target, lane = np.uint64((r + BEFORE) * stride + BEFORE), np.uint64(r - begin)
        for c in range(np.uint64(w)):
            plane[target + c] = turned[c * np.uint64(BLOCK) + lane]
        _mirror_row(plane, (r + BEFORE) * stride, w)


@kernel
def _mirror_row(plane, at, w):
    """Fill the margins of a row."""
    for k in range(1, BEFORE + 1):
        plane[at + BEFORE - k] = plane[at + BEFORE + k]
        plane[at + BEFORE + w - 1 + k] = plane[at + BEFORE + w - 1 - k]
    for k in range(BEFORE + BEFORE + w, w + BEYOND):
        plane[at + k] = 0.0


@kernel
def _mirror_rows(plane, h, stride):
    """Fill the margins above and below."""
    for k in range(1, BEFORE + 1):
        for c in range(stride):
            plane[(BEFORE - k) * stride + c] = plane[(BEFORE + k) * stride + c]
            plane[(BEFORE + h - 1 + k) * stride + c] = plane[(BEFORE + h - 1 - k) * stride + c]


def idle() -> None:
    """What to do when a thread fails: the others end by themselves."""


def _filters(order: int, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Poles, and how far each reaches in this precision."""
    poles, eps = np.array(POLES[order], dtype), float(np.finfo(dtype).eps) / 4
    return poles, np.array([horizon(z, eps) for z in POLES[order]])


def coefficients(image: np.ndarray, order: int, threads: int | None = None) -> np.ndarray:
    """Coefficients of an image (h, w), in a plane (h + 4, w + 6) with mirrored margins."""
    h, w = image.shape
    plane = np.empty((h + BEFORE + BEFORE, w + BEYOND), image.dtype)
    flat, source, stride = plane.reshape(-1), image.reshape(-1), w + BEYOND
    filters = _filters(order, image.dtype)
    factor, threads = image.dtype.type(gain(order) ** 2), threads or default_threads()
    strips = portions(w, STRIP, h, threads)
    jobs = [(source, h, w, factor, flat, stride, *strip, *filters) for strip in strips]
    share(_columns, jobs, threads, idle)
    blocks = portions(h, BLOCK, w, threads)
    share(_rows, [(flat, h, w, stride, *block, *filters) for block in blocks], threads, idle)
    _mirror_rows(flat, h, stride)
    return plane


def unfiltered(plane: Array, filtered: Callable[[Array], Array]) -> Array:
    """The adjoint of `coefficients`, which is `filtered`: from a plane, which is used up, to an image (h, w).

    The matrix F of the filter along an axis is not symmetric because the edges are mirrors, but with 1/2 for
    the two edge pixels and 1 for all others on the diagonal of D, F D^-1 is: so is D F^-1, whose entries are
    the spline's.
    """
    h, w = plane.shape[0] - 2 * BEFORE, plane.shape[1] - BEYOND
    rest = plane
    for axis, n in ((0, h), (1, w)):
        rest = _folded(rest, axis, n)
        _edges(rest, axis, 2.0)
    rest = filtered(rest.copy())[BEFORE : BEFORE + h, BEFORE : BEFORE + w].copy()
    for axis in (0, 1):
        _edges(rest, axis, 0.5)
    return rest


def _folded(plane: np.ndarray, axis: int, n: int) -> np.ndarray:
    """The plane without its margins on an axis, which are added to the pixels that they mirror."""
    rows = np.moveaxis(plane, axis, 0)
    inner = rows[BEFORE : BEFORE + n]
    for k in range(1, BEFORE + 1):
        inner[k] += rows[BEFORE - k]
        inner[n - 1 - k] += rows[BEFORE + n - 1 + k]
    return np.moveaxis(inner, 0, axis)


def _edges(plane: np.ndarray, axis: int, factor: float) -> None:
    """Multiply the first and the last row or column."""
    rows = np.moveaxis(plane, axis, 0)
    rows[0] *= factor
    rows[-1] *= factor
