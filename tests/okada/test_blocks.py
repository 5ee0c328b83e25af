"""Powers of two, rows without repetition, and the names that keep machine code apart."""

import numba
import numpy as np
import pytest

from dislok.kernels import cpu
from dislok.kernels.okada.numba_cpu import distinct
from dislok.kernels.scalar import binade, number, value


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_powers_of_two_below(rng, dtype):
    @numba.njit
    def compiled(x):
        return value(binade(number(x)))

    limits = np.finfo(dtype)
    for x in [1.0, 1.5, 2.0, -3.0, limits.max, limits.tiny, *np.exp(rng.uniform(-80, 80, 50))]:
        expected = np.ldexp(1.0, np.frexp(dtype(x))[1] - 1)
        assert compiled(dtype(x)) == expected == binade(dtype(x))
    assert compiled(dtype(0.0)) == 0.0


def test_functions_of_one_factory_have_names_of_their_own():
    def factory(k):
        def made(rows):
            rows[0] = k

        return made

    names = set()
    for k in range(3):
        function = factory(k)
        cpu.distinguish(function)
        names.add(function.__qualname__)
    again = factory(1)
    cpu.distinguish(again)
    assert len(names) == 3 and again.__qualname__ in names


def test_rows_that_are_kept_twice_are_computed_once():
    rows, places = distinct((7, 2, 2, 9, 7))
    assert rows == (2, 7, 9)
    assert [rows[k] for k in places] == [7, 2, 2, 9, 7]
