"""Blocks of pairs: where their results go, and the names that keep machine code apart."""

import numba
import numpy as np
import pytest

from dislok.kernels import cpu
from dislok.kernels.lanes import LANES
from dislok.kernels.okada import blocks
from dislok.kernels.okada import numba_cpu as kernels
from dislok.kernels.scalar import binade, number, value


def block(rng, first, source=0, step=0):
    """Rows and lanes of a block of consecutive observers, the sources `step` apart."""
    lanes = np.stack([first + np.arange(LANES), source + step * np.arange(LANES)], axis=1)
    return rng.normal(size=40 * LANES), lanes


@pytest.mark.parametrize("used", [64, 61, 5, 1])
@pytest.mark.parametrize("size", [1, 3, 8, 9, 30])
@pytest.mark.parametrize("paired", [False, True])
def test_results_lie_side_by_side(rng, used, size, paired):
    rows, lanes = block(rng, 10, 0 if paired else 2, int(paired))
    index = rng.integers(0, 40, size)
    out = np.zeros((100, 4, size))
    widths = (4 * size, 0 if paired else size)
    sink = kernels.sink(out, index, np.arange(size), *widths, False)
    blocks.deliver(rows.copy(), lanes, used, True, sink, np.empty(size * LANES))
    expected = np.zeros_like(out)
    expected[10 : 10 + used, 0 if paired else 2] = rows.reshape(40, LANES)[index, :used].T
    np.testing.assert_array_equal(out, expected)


def test_results_add_up_by_observer(rng):
    rows, lanes = block(rng, 3)
    out = np.ones((80, 2))
    sink = kernels.sink(out, [7, 5], [0, 1], 2, 0)
    for _ in range(2):
        blocks.deliver(rows.copy(), lanes, 50, True, sink, rows[:0])
    expected = np.ones((80, 2))
    for _ in range(2):
        expected[3:53] += rows.reshape(40, LANES)[[7, 5], :50].T
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("used", [64, 33, 1])
def test_results_add_up_by_source(rng, used, step):
    rows, lanes = block(rng, 0, 1, step)
    out = np.zeros((70, 3))
    sink = kernels.sink(out, [4, 0, 9], [2, 0, 1], 0, 3)
    blocks.deliver(rows.copy(), lanes, used, False, sink, rows[:0])
    expected = np.zeros((70, 3))
    for lane in range(used):
        expected[lanes[lane, 1], [2, 0, 1]] += rows.reshape(40, LANES)[[4, 0, 9], lane]
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13)


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
