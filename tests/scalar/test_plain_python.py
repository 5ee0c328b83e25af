"""Formulas as plain Python: NumPy arrays, mpmath numbers and jets over them, and Numba switched off."""

import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest

from dislok.kernels.scalar import (
    absolute,
    atan2,
    copysign,
    cos_degrees,
    first,
    log,
    log1p,
    minimum,
    number,
    polynomial,
    scalar,
    seed,
    sin_degrees,
    sqrt,
    value,
    where,
)


@scalar
def formula(x, y):
    r = sqrt(x * x + y * y)
    turned = atan2(y, x) + log1p(absolute(x)) * sin_degrees(30 * y)
    return where(x > y, turned, log(r + 1)) + minimum(x, y) * polynomial(r, (1.0, 0.5)) + copysign(r, x)


X = np.array([0.3, 1.4, -0.8])
Y = np.array([0.9, 0.2, -1.7])


def test_numpy_arrays():
    got = formula(X, Y)
    assert got.shape == (3,)
    np.testing.assert_allclose(
        got, [formula(number(a), number(b)) for a, b in zip(X.tolist(), Y.tolist(), strict=True)]
    )


def test_float32_arrays_stay_float32():
    assert formula(X.astype(np.float32), Y.astype(np.float32)).dtype == np.float32


def test_mpmath_numbers():
    with mpmath.workdps(50):
        exact = [formula(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(X, Y, strict=True)]
    assert all(isinstance(e, mpmath.mpf) for e in exact)
    np.testing.assert_allclose(formula(X, Y), [float(e) for e in exact], rtol=1e-14)


def test_jets_over_arrays():
    r = formula(seed(X, 0, 2, 1), seed(Y, 1, 2, 1))
    step = 1e-6
    central = (formula(X + step, Y) - formula(X - step, Y)) / (2 * step)
    np.testing.assert_allclose(value(r), formula(X, Y))
    np.testing.assert_allclose(first(r, 0), central, rtol=1e-8)


def test_jets_over_mpmath_numbers():
    with mpmath.workdps(50):
        x, y = mpmath.mpf("0.3"), mpmath.mpf("0.9")
        r = formula(seed(x, 0, 2, 1), seed(y, 1, 2, 1))
        exact = mpmath.diff(formula, (x, y), (1, 0))
        assert mpmath.almosteq(first(r, 0), exact, 1e-20)


def test_division_by_zero_is_infinite_not_an_error():
    with np.errstate(divide="ignore"):
        assert 1.0 / number(0.0) == np.inf


@pytest.mark.parametrize("turn", [-3, 0, 1, 2, 5])
def test_degrees_are_exact_in_plain_python(turn):
    assert sin_degrees(np.float64(90.0 * turn)) == [0, 1, 0, -1][turn % 4]
    assert cos_degrees(np.float64(90.0 * turn)) == [1, 0, -1, 0][turn % 4]
    assert sin_degrees(np.float64(30.0)) == cos_degrees(np.float64(60.0)) == 0.5


SCRIPT = """
import numba, numpy as np
from dislok.kernels.scalar import atan2, first, log, scalar, seed, value

@scalar
def f(x, y):
    return atan2(y, x) * log(x + 2)

@numba.njit
def run(x, y, out):
    for i in range(x.size):
        out[i] = value(first(f(seed(x[i], 0, 2, 1), seed(y[i], 1, 2, 1)), 0))

out = np.empty(2)
run(np.array([1.0, 2.0]), np.array([3.0, 4.0]), out)
print(repr(out.tolist()))
"""


def test_the_jit_can_be_switched_off():
    answers = []
    for off in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": off}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        answers.append([float(v) for v in done.stdout.strip(" []\n").split(",")])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-14)
