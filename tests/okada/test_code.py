"""What makes the kernels fast, read from the machine code: vector registers, no calls, no hidden double."""

import re

import numba
import numpy as np
import pytest

from dislok.kernels.lanes import write_line
from dislok.kernels.okada import numba_cpu as kernels

OPERATIONS = {
    "value": kernels.VALUE,
    "gradient": kernels.GRADIENT,
    "first": kernels.JACOBIAN["rectangle", "displacement"][0],
    "vjp": kernels.vjp_of("rectangle", "displacement", kernels.WANTED)[0],
    "jvp": kernels.JVP["displacement"],
}
ARITHMETIC = re.compile(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)(p|s)[sd]\b.*")


def assembly(function, dtype, *arguments):
    """Machine code of a function of a block's rows, compiled afresh: what is kept on disk cannot be read."""
    fresh = numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"}, nogil=True)(function)
    real = numba.from_dtype(np.dtype(dtype))
    kinds = {"real": real, "count": numba.int64}
    signature = (numba.types.CPointer(real), *(kinds[each] for each in arguments))
    fresh.compile(signature)
    return fresh.inspect_asm(signature)


def near(name, dtype=np.float64, surface=False):
    """Machine code of an operation's closed form."""
    return assembly(kernels.closed_form(OPERATIONS[name], surface), dtype, "real", "real")


def second(dtype):
    """Machine code of second derivatives by the closed form."""
    return assembly(kernels.whole, dtype, "real", "real")


def far(level, dtype=np.float64):
    """Machine code of the quadrature."""
    return assembly(kernels.quadrature(level, False, dtype), dtype, "real", "count", "count")


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
@pytest.mark.parametrize("name", ["value", "gradient"])
def test_closed_form_is_vector_code(name, dtype):
    check(near(name, dtype))


@pytest.mark.parametrize("name", ["value", "gradient", "first"])
def test_surface_is_vector_code(name):
    check(near(name, surface=True))


@pytest.mark.parametrize("level", ["value", "gradient"])
def test_quadrature_is_vector_code(level):
    check(far(level))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_derivatives_are_vector_code(dtype):
    check(near("first", dtype))
    check(second(dtype))
    check(far("first", dtype))
    check(far("second", dtype))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_turning_to_the_caller_is_vector_code(name):
    text = assembly(kernels.finish(OPERATIONS[name]), np.float64)
    assert len(re.findall(r"zmm|ymm", text)) > 20


def test_results_past_the_caches():
    numbers = numba.types.CPointer(numba.float64)
    fresh = numba.njit(lambda rows, k, out: write_line(rows, k, out, k))
    signature = (numbers, numba.uint64, numbers)
    fresh.compile(signature)
    assert re.search(r"\bv?movnt(p[sd]|dq)\b", fresh.inspect_asm(signature))


def test_float32_stays_in_float32():
    text = near("gradient", np.float32)
    assert not re.findall(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)[ps]d\b", text)
