"""What makes the kernels fast, read from the machine code: vector registers, no calls, no hidden double."""

import re

import numba
import numpy as np
import pytest

from dislok.kernels.tde import compiled as codes
from dislok.kernels.tde.finish import FINISHES
from dislok.kernels.tde.triangles import nodes_of

ARITHMETIC = re.compile(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)(p|s)[sd]\b.*")


def assembly(function, dtype, kind):
    """Machine code of a function, compiled afresh."""
    fresh = numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"})(function)
    real = numba.from_dtype(np.dtype(dtype))
    pointer = numba.types.CPointer(real)
    blocks = (pointer, pointer, pointer, numba.int64)
    method = (*blocks, real, real, numba.int64, real)
    signature = {"method": method, "sides": (*blocks, real, real), "finish": blocks}[kind]
    fresh.compile(signature)
    return fresh.inspect_asm(signature)


def check(text):
    """Nearly all arithmetic is packed, and no function is called."""
    packed = scalar = 0
    for match in ARITHMETIC.finditer(text):
        if match.group(1) == "p":
            packed += "ymm" in match.group(0) or "zmm" in match.group(0)
        else:
            scalar += 1
    assert packed >= 9
    assert scalar < 0.1 * packed, (packed, scalar)
    called = set(re.findall(r"call\w*\s+\*?(\S+)", text)) | set(re.findall(r"movabsq\s+\$(\w+)", text))
    assert not {name for name in called if re.search(r"log|atan|sin|cos|pow|exp|sqrt", name)}


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(
    ("level", "dtype"), [("value", "float64"), ("gradient", "float64"), ("value", "float32")]
)
def test_closed_form_is_vector_code(level, dtype, half):
    text = assembly(codes._closed_form(level, half, np.dtype(dtype).type), dtype, "method")
    check(text)
    if dtype == "float32":
        assert not re.findall(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)[ps]d\b", text)


def test_lift_is_vector_code():
    check(assembly(codes._lifted("value", 1, np.float64), "float64", "method"))


@pytest.mark.parametrize("level", ["value", "first"])
def test_quadrature_is_vector_code(level):
    check(assembly(codes._quadrature(level, 1, *nodes_of(np.dtype("float64"))), "float64", "method"))


@pytest.mark.slow
@pytest.mark.parametrize("level", ["first", "along", "twice"])
def test_derivatives_are_vector_code(level):
    check(assembly(codes._sides(level, 1, np.float64), "float64", "sides"))


@pytest.mark.parametrize("name", [name for name, operation in FINISHES.items() if operation.formula])
def test_results_are_vector_code(name):
    check(assembly(codes._finish(FINISHES[name]), "float64", "finish"))
