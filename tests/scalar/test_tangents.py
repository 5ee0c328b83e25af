"""Tangents: the derivative of jets along a direction, against differences in 60 digits and compiled code."""

import mpmath
import numba
import numpy as np
import pytest

from dislok.kernels.scalar import (
    ZERO,
    Tangent,
    absolute,
    atan,
    atan2,
    chain,
    copysign,
    cos,
    cos_degrees,
    exp,
    log,
    log1p,
    maximum,
    number,
    polynomial,
    primal,
    real,
    scalar,
    seed,
    sin,
    sin_degrees,
    sqrt,
    tangent,
    value,
    where,
    with_tangent,
    with_tangents,
)
from dislok.kernels.scalar import mixed as mixed_part

POINT = (0.7, 0.3, 1.2)
DIRECTION = (0.4, -0.8, 0.5)


def mixed(x, y, z):
    r = sqrt(x * x + y * y + z * z)
    return log(r + x) * y / (r + 2) - atan2(x * y, z * r) + 3 / (1.5 - z * x) + x**3 / y**2


def elementary(x, y, z):
    turned = sin_degrees(40 * x + 7 * z) * cos_degrees(30.0 * y)
    return exp(x * y) + log1p(z * x) * sin(y - 2 * z) + cos(x * z) * atan(y / z) + turned


def selected(x, y, z):
    larger = where(x > y, x * z, y) + where(x > 5.0, x, 1.0) * z
    return larger * maximum(x, y * z) - absolute(y - z) * copysign(x * y, -z) + abs(-x) + (2.0 - x)


def series(x, y, z):
    return polynomial(x * y, (1.0, -2.0, 0.5, 3.0)) + polynomial(z, (0.5, 1.0)) * x


def chained(x, y, z):
    r = sqrt(x * x + y * y)
    t = x * z
    return chain(log(real(r)) * real(t), (t / r, log(r)), (r, t)) + y


FORMULAS = (mixed, elementary, selected, series, chained)


def parts(jet):
    return [jet.v, *jet.p, *jet.h]


def seeded(numbers, order=2):
    return [seed(x, k, 3, order) for k, x in enumerate(numbers)]


def along(formula, numbers, direction):
    """Tangents of all parts of a formula's second-order jet."""
    moved = [with_tangent(x, t) for x, t in zip(numbers, direction, strict=True)]
    return [tangent(part) for part in parts(formula(*seeded(moved)))]


def difference(formula):
    """The same by a central difference, good to 25 digits."""
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -15
        point, direction = [mpmath.mpf(x) for x in POINT], [mpmath.mpf(t) for t in DIRECTION]
        ends = [
            parts(formula(*seeded([x + s * h * t for x, t in zip(point, direction, strict=True)])))
            for s in (1, -1)
        ]
        return [(a - b) / (2 * h) if a is not ZERO else mpmath.mpf(0) for a, b in zip(*ends, strict=True)]


@pytest.mark.parametrize("formula", FORMULAS)
def test_high_precision(formula):
    with mpmath.workdps(60):
        got = along(formula, [mpmath.mpf(x) for x in POINT], [mpmath.mpf(t) for t in DIRECTION])
        worst = max(abs(a - b) for a, b in zip(got, difference(formula), strict=True))
    assert worst < 1e-20


@pytest.mark.parametrize("formula", FORMULAS)
def test_float64(formula):
    truth = np.array([float(x) for x in difference(formula)])
    got = along(formula, [np.float64(x) for x in POINT], [np.float64(t) for t in DIRECTION])
    np.testing.assert_allclose(np.array(got), truth, rtol=0, atol=2e-14 * np.abs(truth).max())


@pytest.mark.parametrize("formula", FORMULAS)
def test_two_directions(formula):
    """The derivative along the second direction of the tangents along the first."""
    other = (-0.3, 0.6, 0.9)
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -15
        numbers = [mpmath.mpf(x) for x in POINT]
        ways = [[mpmath.mpf(t) for t in way] for way in (DIRECTION, other)]
        ends = [
            along(formula, [x + s * h * t for x, t in zip(numbers, ways[1], strict=True)], ways[0])
            for s in (1, -1)
        ]
        truth = [(a - b) / (2 * h) for a, b in zip(*ends, strict=True)]
        both = [with_tangents(*parts) for parts in zip(numbers, *ways, strict=True)]
        got = parts(formula(*seeded(both)))
        assert max(abs(mixed_part(a) - b) for a, b in zip(got, truth, strict=True)) < 1e-20
        assert [tangent(x) for x in got] == along(formula, numbers, ways[0])


def test_arrays():
    numbers = [np.array([x, 1.5 * x]) for x in POINT]
    got = along(selected, numbers, DIRECTION)
    for k in range(2):
        alone = along(selected, [x[k] for x in numbers], DIRECTION)
        np.testing.assert_allclose([np.broadcast_to(g, 2)[k] for g in got], alone)


@scalar
def compiled_along(x, y, z, dx, dy, dz):
    moved = [with_tangent(x, dx), with_tangent(y, dy), with_tangent(z, dz)]
    return [tangent(part) for f in FORMULAS for part in parts(f(*seeded(moved)))]


@numba.njit(error_model="numpy")
def compiled_loop(x, y, out):
    found = compiled_along(number(x[0]), number(x[1]), number(x[2]), number(y[0]), number(y[1]), number(y[2]))
    for k in range(len(found)):
        out[k] = value(found[k])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 2e-14), (np.float32, 1e-5)])
def test_compiled(dtype, tolerance):
    truth = np.array([[float(x) for x in difference(f)] for f in FORMULAS])
    out = np.empty(truth.size, dtype)
    compiled_loop(np.array(POINT, dtype), np.array(DIRECTION, dtype), out)
    scale = np.abs(truth).max(axis=1, keepdims=True)
    assert (np.abs(out.reshape(truth.shape) - truth) / scale).max() < tolerance


def test_plain_numbers_without_jets():
    x = with_tangent(2.0, 3.0)
    assert (tangent(x * x), tangent(1.0 / x), tangent(sqrt(x))) == (12.0, -0.75, pytest.approx(1.5 / 2**0.5))
    assert tangent(chain(5.0, (2.0,), (x,))) == 6.0
    assert (primal(x), primal(7.0), tangent(7.0)) == (2.0, 7.0, 0.0)
    assert x > 1.0 and x <= with_tangent(2.0, 0) and x != 3.0


def test_zero_by_structure_stays_so():
    x, still = with_tangent(2.0, 1.0), with_tangent(3.0, 0)
    results = (still * still, still / 2.0, sqrt(still), -still, still - 1.0, 0.0 * x, 0 * x)
    assert all(isinstance(r, Tangent) and r.t is ZERO for r in results)
    assert tangent(still) == 0.0


def test_tangents_belong_to_plain_numbers():
    with pytest.raises(TypeError, match="got a jet"):
        with_tangent(seed(1.0, 0, 1, 1), 1.0)


@scalar
def escaping(x):
    return with_tangent(x, 1.0)


def test_tangents_stay_inside_a_formula():
    @numba.njit
    def call(x):
        return value(escaping(number(x)))

    with pytest.raises(Exception, match="cannot return tangents"):
        call(1.0)
