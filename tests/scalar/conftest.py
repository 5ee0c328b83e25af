"""Compiled loops over one function on plain numbers, made once for each function."""

from collections.abc import Callable
from functools import cache

import numba
import numpy as np
import pytest

from dislok.kernels.scalar import number, value


@cache
def loop_over(function: Callable, arity: int) -> Callable:
    """Compiled ``out[i] = function(x[i])`` or ``out[i] = function(y[i], x[i])``, and of three."""
    if arity == 1:

        @numba.njit(error_model="numpy")
        def one(x, out):
            for i in range(x.size):
                out[i] = value(function(number(x[i])))

        return one

    @numba.njit(error_model="numpy")
    def two(y, x, out):
        for i in range(x.size):
            out[i] = value(function(number(y[i]), number(x[i])))

    @numba.njit(error_model="numpy")
    def three(z, y, x, out):
        for i in range(x.size):
            out[i] = value(function(number(z[i]), number(y[i]), number(x[i])))

    return two if arity == 2 else three


@pytest.fixture(scope="session")
def compiled() -> Callable:
    """``compiled(function, *arrays)``: the function of the arrays' elements, computed in their dtype."""

    def run(function: Callable, *arrays: np.ndarray) -> np.ndarray:
        out = np.empty_like(arrays[0])
        loop_over(function, len(arrays))(*arrays, out)
        return out

    return run
