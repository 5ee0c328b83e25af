"""Formulas along rows: every length, places beside, rows that are read and written, and what is refused."""

import numba
import numpy as np
import pytest

from dislok.kernels.cpu import OPTIONS
from dislok.kernels.scalar import log, maximum, sqrt, where
from dislok.kernels.streams import WIDTH, least, placed, streamed, weighted

LENGTHS = [1, 3, WIDTH - 1, WIDTH, WIDTH + 1, 4 * WIDTH, 4 * WIDTH + 3, 100]


def slope(before, after, scale):
    return scale * (after - before)


def both(a, b):
    return maximum(a, b), where(a < b, 0.0, sqrt(a))


def logarithm(x):
    return log(x)


slopes, pairs, logs = streamed(slope, (0, 2)), streamed(both), streamed(logarithm)
shifted = placed(slope, (0, 2))


@numba.njit(**OPTIONS)
def run_slopes(out, row, scale):
    slopes((out,), (row,), (scale,))


@numba.njit(**OPTIONS)
def run_pairs(first, second, a, b):
    pairs((first, second), (a, b), ())


@numba.njit(**OPTIONS)
def run_logs(row):
    logs((row,), (row,), ())


@numba.njit(**OPTIONS)
def run_shifted(plane, to, at, count):
    flat = plane.reshape(-1)
    shifted(flat, (to,), flat, (at,), (np.float32(0.5),), count)


@numba.njit(**OPTIONS)
def run_weighted(out, source, places, weights):
    weighted(out, source, places, weights)


@numba.njit(**OPTIONS)
def run_least(row):
    return least(row)


@pytest.mark.parametrize("n", LENGTHS)
def test_a_formula_sees_its_neighbours(rng, n):
    row, out = rng.random(n + 2).astype(np.float32), np.full(n, 7, np.float32)
    run_slopes(out, row, np.float32(0.5))
    np.testing.assert_array_equal(out, np.float32(0.5) * (row[2:] - row[:-2]))


@pytest.mark.parametrize("n", LENGTHS)
def test_results_may_take_the_place_of_what_was_read(rng, n):
    a, b = (rng.random(n).astype(np.float32) for _ in range(2))
    truth = np.maximum(a, b), np.where(a < b, 0, np.sqrt(a))
    run_pairs(a, b, a, b)
    np.testing.assert_array_equal([a, b], truth)


@pytest.mark.parametrize("n", [WIDTH, 3])
def test_elementary_functions_are_those_of_single_numbers(rng, n):
    row = np.concatenate([rng.uniform(1e-6, 1e6, n - 2), [1.0, 1e-40]]).astype(np.float32)
    truth = np.log(row.astype(float))
    run_logs(row)
    np.testing.assert_allclose(row, truth, rtol=2e-7, atol=1e-7)


def test_rows_of_one_array_need_no_slices(rng):
    plane = rng.random((3, 40)).astype(np.float32)
    before = plane.copy()
    run_shifted(plane, 40 + 1, 80, 37)
    np.testing.assert_array_equal(plane[1, 1:38], np.float32(0.5) * (before[2, 2:39] - before[2, :37]))
    plane[1, 1:38] = before[1, 1:38]
    np.testing.assert_array_equal(plane, before)


@pytest.mark.parametrize("n", LENGTHS)
def test_weighted_sums_are_those_of_numpy(rng, n):
    source, weights = rng.random(500).astype(np.float32), rng.random(5).astype(np.float32)
    places, out = np.array([0, 7, 120, 121, 399]), np.empty(n, np.float32)
    run_weighted(out, source, places, weights)
    truth = sum(w * source[p : p + n].astype(float) for w, p in zip(weights, places, strict=True))
    np.testing.assert_allclose(out, truth, rtol=1e-6)
    run_weighted(out, source, places[:0], weights[:0])
    assert not out.any()


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("at", [0, -1])
def test_the_least_is_found_wherever_it_is(rng, n, at):
    row = rng.random(n).astype(np.float32)
    row[at] = -3
    assert run_least(row) == -3


def test_rows_of_other_kinds_are_refused():
    row = np.zeros(20, np.float32)
    with pytest.raises(TypeError, match="rows must be contiguous float32"):
        run_slopes(row[::2], row, np.float32(1))
    with pytest.raises(TypeError, match="rows must be contiguous float32"):
        run_slopes(np.zeros(8), row, np.float32(1))
