"""What makes the kernels fast, read from the machine code: vector registers, no calls, no hidden double."""

import re

import numba
import numpy as np
import pytest

from dislok.kernels.okada import numba_cpu as kernels

LEVELS = ("value", "gradient", "first", "second")
ARITHMETIC = re.compile(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)(p|s)[sd]\b.*")


def assembly(function, dtype, kind):
    """Machine code of a kernel, compiled afresh (code from the cache cannot be inspected)."""
    fresh = numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"}, nogil=True)(
        function.py_func
    )
    rows = numba.types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    real, integer = rows.dtype, numba.int64
    counts = numba.types.Array(integer, 1, "A")
    signature = {
        "near": (rows, integer, integer, integer, real, real),
        "far": (rows, integer, integer, integer, real, counts, counts),
        "finish": (rows, integer, integer, integer),
    }[kind]
    fresh.compile(signature)
    return fresh.inspect_asm(signature)


def check(text):
    """Nearly all arithmetic is packed, and nothing is called in the loops."""
    packed = scalar = 0
    for match in ARITHMETIC.finditer(text):
        if match.group(1) == "p":
            packed += "ymm" in match.group(0) or "zmm" in match.group(0)
        else:
            scalar += 1
    assert packed > 50
    # what is left is done once for a block
    assert scalar < 0.1 * packed, (packed, scalar)
    called = set(re.findall(r"call\w*\s+\*?(\S+)", text)) | set(re.findall(r"movabsq\s+\$(\w+)", text))
    assert not {name for name in called if re.search(r"log|atan|sin|cos|pow|exp|sqrt", name)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("level", LEVELS[:2])
def test_closed_form_is_vector_code(level, dtype):
    check(assembly(kernels.NEAR[level], dtype, "near"))


@pytest.mark.parametrize("level", LEVELS[:2])
def test_surface_is_vector_code(level):
    check(assembly(kernels.NEAR_SURFACE[level], np.float64, "near"))


@pytest.mark.parametrize("level", LEVELS[:2])
def test_quadrature_is_vector_code(level):
    check(assembly(kernels.FAR[level], np.float64, "far"))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("level", LEVELS[2:])
def test_derivatives_are_vector_code(level, dtype):
    check(assembly(kernels.NEAR[level], dtype, "near"))
    check(assembly(kernels.FAR[level], dtype, "far"))


@pytest.mark.parametrize("name", ["value", "gradient", "first", "vjp", "jvp"])
def test_turning_to_the_caller_is_vector_code(name):
    text = assembly(getattr(kernels, f"finish_{name}"), np.float64, "finish")
    assert len(re.findall(r"zmm|ymm", text)) > 20


def test_float32_stays_in_float32():
    text = assembly(kernels.NEAR["gradient"], np.float32, "near")
    assert not re.findall(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)[ps]d\b", text)
