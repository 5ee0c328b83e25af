"""What makes the kernels fast, read from the machine code: vector registers, no calls, no hidden double."""

import re

import numba
import numpy as np
import pytest

from dislok.kernels.lanes import write_line
from dislok.kernels.okada import compiled as codes
from dislok.kernels.okada.operations import OPERATIONS as table

OPERATIONS = {
    "value": table["field", "displacement", "rectangle"],
    "gradient": table["field", "both", "rectangle"],
    "first": table["jacobian", "displacement", "rectangle"],
    "vjp": table["vjp", "displacement", "rectangle"],
    "jvp": table["jvp", "displacement", "rectangle"],
}
ARITHMETIC = re.compile(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)(p|s)[sd]\b.*")


def assembly(function, dtype=np.float64, finish=False):
    """Machine code of a function of a block, compiled afresh: what is kept on disk cannot be read."""
    fresh = numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"}, nogil=True)(function)
    real = numba.from_dtype(np.dtype(dtype))
    blocks = (*[numba.types.CPointer(real)] * 3, numba.int64)
    signature = blocks if finish else (*blocks, real, real, numba.int64, real)
    fresh.compile(signature)
    return fresh.inspect_asm(signature)


def work(name):
    return codes.Work(OPERATIONS[name], OPERATIONS[name].kept)


def near(name, dtype=np.float64, surface=False):
    """Machine code of an operation's closed form."""
    return assembly(codes._fused(work(name), surface), dtype)


def second(dtype):
    """Machine code of second derivatives by the closed form."""
    return assembly(codes._whole(), dtype)


def far(level, dtype=np.float64):
    """Machine code of the quadrature."""
    return assembly(codes._quadrature(level, False, dtype, None), dtype)


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
    text = assembly(codes._finish(work(name)), finish=True)
    assert len(re.findall(r"zmm|ymm", text)) > 10
    assert not re.findall(r"\bv?(?:mul|add|sub)sd\b", text)


def test_results_past_the_caches():
    numbers = numba.types.CPointer(numba.float64)
    fresh = numba.njit(lambda rows, k, out: write_line(rows, k, out, k))
    signature = (numbers, numba.uint64, numbers)
    fresh.compile(signature)
    assert re.search(r"\bv?movnt(p[sd]|dq)\b", fresh.inspect_asm(signature))


def test_float32_stays_in_float32():
    text = near("gradient", np.float32)
    assert not re.findall(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)[ps]d\b", text)
