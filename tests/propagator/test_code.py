"""What makes the kernels fast, read from the machine code: vector registers and no calls."""

import re

import numba
import numpy as np
import pytest

from dislok.kernels.propagator import numba_cpu as kernels
from dislok.kernels.propagator.pair import (
    ELASTIC,
    STATIC,
    carried_rows,
    cross_carried,
    cross_other,
    other_rows,
)

ARITHMETIC = re.compile(r"\bv(?:f?n?m(?:add|sub)\w*|add|sub|mul|div|sqrt)(p|s)[sd]\b.*")
REAL, PLACE = numba.float64[::1], numba.uint64


def assembly(dispatcher, signature):
    """Machine code of a kernel, compiled afresh: code from the cache cannot be inspected."""
    options = {"error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}, "nogil": True}
    fresh = numba.njit(**options)(dispatcher.py_func)
    fresh.compile(signature)
    return fresh.inspect_asm(signature)


def check(text):
    """The loop is packed, and no function of a library is called.

    A scalar copy of it stays, for arrays that would overlap.
    """
    packed = scalar = 0
    for match in ARITHMETIC.finditer(text):
        if match.group(1) == "p":
            packed += "ymm" in match.group(0) or "zmm" in match.group(0)
        else:
            scalar += 1
    assert packed > 50
    assert packed > 0.8 * scalar, (packed, scalar)
    called = set(re.findall(r"call\w*\s+\*?(\S+)", text)) | set(re.findall(r"movabsq\s+\$(\w+)", text))
    assert not {name for name in called if re.search(r"sin|cos|pow|exp|sqrt", name)}


STEP = (numba.float64, REAL, PLACE, REAL, PLACE, REAL)
STEPS = {"carried": (cross_carried, carried_rows), "other": (cross_other, other_rows)}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", [STATIC, ELASTIC])
def test_steps_are_vector_code(name, kind):
    formula, rows = STEPS[name]
    check(assembly(kernels._step(formula, kind, 0, rows(kind, 0)), STEP))


def test_columns_are_vector_code():
    signature = (numba.float64, REAL, PLACE, REAL, PLACE, REAL, REAL, PLACE, REAL)
    check(assembly(kernels._meet(ELASTIC, 0, 1), signature))


def test_a_table_holds_more_places_than_lanes():
    """Places beyond the first sixty-four lie in another chunk of the table."""
    from dislok.kernels.propagator.integrals import Grid, integrate
    from dislok.kernels.propagator.stack import Layers, build

    k = np.linspace(0.05, 0.8, 64)
    grid = Grid(k, np.full(64, 0.01), np.array([64]))
    table = np.random.default_rng(1).standard_normal((4, 2, 3, 64))
    omega = np.array([0.5 - 0.05j])
    few = Layers(*np.array([[20.0, np.inf], [6.0, 8.0], [3.46, 4.5], [2.7, 3.3]]))
    split = [np.append(np.full(100, 0.2), np.inf)]
    split += [np.append(np.full(100, values[0]), values[1]) for values in few[1:4]]
    want, got = (
        integrate(layers, build(layers, 0.0, np.array([7.1])), omega, grid, [table])
        for layers in (few, Layers(*split))
    )
    assert np.abs(got - want).max() < 1e-11 * np.abs(want).max()
