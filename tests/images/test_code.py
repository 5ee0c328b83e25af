"""What makes the kernels of images fast, read from the machine code: vector registers, and no calls."""

import re
from functools import partial

import numba
import pytest

from dislok.kernels.cpu import OPTIONS
from dislok.kernels.images import filters, noise, numba_cpu, paint, screw, settle
from dislok.kernels.waiting import interruptible

ARITHMETIC = re.compile(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)(p|s)[sd]\b.*")
F32, F64, I64, B = (
    numba.types.Array(t, 1, "C") for t in (numba.float32, numba.float64, numba.int64, numba.b1)
)
INT, FULL32, FULL64 = numba.int64, *(numba.types.Array(t, 2, "C") for t in (numba.float32, numba.float64))


def assembly(function, *arguments):
    """Machine code of a function, compiled afresh."""
    fresh = numba.njit(**OPTIONS)(function)
    # kernels that it calls are compiled on the way, in this thread
    interruptible((fresh, str(arguments)), partial(fresh.compile, arguments))
    return fresh.inspect_asm(arguments)


def counted(text):
    """Operations on whole vectors (of 32 bytes or more), and all others on floating-point numbers."""
    packed = scalar = 0
    for match in ARITHMETIC.finditer(text):
        whole = match.group(1) == "p" and ("ymm" in match.group(0) or "zmm" in match.group(0))
        packed, scalar = packed + whole, scalar + (not whole)
    return packed, scalar


def calls(text):
    """Mathematical functions of a library that are called."""
    called = set(re.findall(r"call\w*\s+\*?(\S+)", text)) | set(re.findall(r"movabsq\s+\$(\w+)", text))
    return {name for name in called if re.search(r"log|atan|sin|cos|pow|exp|sqrt|tanh|hypot", name)}


@pytest.mark.parametrize("slopes", [False, True])
@pytest.mark.parametrize(("plane", "order"), [(F32, 5), (F64, 5), (F64, 3)])
def test_a_warped_pixel_is_vector_code(plane, order, slopes):
    """Weights and sums of all taps of a pixel: a row of them is one register (two for float64)."""
    place = (INT, INT, INT, plane, plane, INT, INT, INT, INT, INT, plane, B)
    text = assembly(numba_cpu._warp(order, slopes).py_func, plane, *place, plane, B, plane, plane)
    packed, _ = counted(text)
    # Horner's steps of two kinds of weights, and a row of taps each
    assert packed >= (2 * order + order + 1) * (2 if slopes else 1)
    assert not calls(text)


@pytest.mark.parametrize("plane", [F32, F64])
def test_filters_run_side_by_side(plane):
    packed, scalar = counted(assembly(filters.filter_along.py_func, plane, INT, INT, INT, INT, plane, I64))
    assert packed >= 9 and scalar < 4 * packed


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (noise._fill.py_func, (numba.uint64, F32)),
        (screw.screw.py_func, (F64, F64, F64, F64, *(numba.float64,) * 5, FULL32)),
        (paint._facing.py_func, (FULL32, INT, *(numba.float32,) * 3, F32)),
        (paint._followed.py_func, (F32, F32, numba.float64, numba.float64, F32)),
    ],
)
def test_planes_are_made_in_vectors(function, arguments):
    text = assembly(function, *arguments)
    packed, _ = counted(text)
    assert packed >= (2 if function is paint._followed.py_func else 9)
    assert not calls(text)


def test_fixed_points_are_vector_code():
    """Both components of a field are one sum over a register of eight numbers."""
    planes = numba.types.Array(numba.float32, 3, "C")
    tail = (FULL32, FULL32, FULL32, numba.types.Array(numba.int16, 2, "C"))
    text = assembly(
        settle.solve.py_func, planes, planes, INT, INT, numba.float64, INT, INT, F32, *tail
    ) + assembly(
        settle._tile.py_func, F32, INT, INT, F32, F32, planes, INT, INT, numba.float64, numba.b1,
        *(INT,) * 5, numba.float32, numba.float32, numba.types.UniTuple(numba.float32, 4), F32, F32, F32, F32,
        numba.types.Array(numba.int16, 1, "C"),
    )  # fmt: skip
    assert counted(text)[0] >= 6
    assert not calls(text)
