"""Elementary functions against higher precision, in ulps, over the whole range; special values of C99."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from dislok.kernels.scalar import (
    absolute,
    atan,
    atan2,
    copysign,
    cos,
    cos_degrees,
    exp,
    fma,
    log,
    log1p,
    sin,
    sin_degrees,
    sqrt,
)

# Largest error allowed, in ulps of the result; what was measured is up to a tenth smaller.
BOUNDS = {
    sqrt: 0.5,
    log: 0.9,
    log1p: 1.5,
    exp: 1.1,
    sin: 1.0,
    cos: 1.0,
    sin_degrees: 1.5,  # below 1 where the result is a normal number
    cos_degrees: 1.0,
    atan: 1.45,
    atan2: 1.5,
}
UNARY = [f for f in BOUNDS if f is not atan2]
TRUTH = {
    sqrt: mpmath.sqrt,
    log: mpmath.log,
    log1p: mpmath.log1p,
    exp: mpmath.exp,
    sin: mpmath.sin,
    cos: mpmath.cos,
    sin_degrees: lambda x: mpmath.sinpi(x / 180),
    cos_degrees: lambda x: mpmath.cospi(x / 180),
    atan: mpmath.atan,
    atan2: mpmath.atan2,
}
NUMPY = {
    sqrt: np.sqrt,
    log: np.log,
    log1p: np.log1p,
    exp: np.exp,
    sin: np.sin,
    cos: np.cos,
    atan: np.arctan,
    sin_degrees: lambda x: np.sin(np.deg2rad(x)),
    cos_degrees: lambda x: np.cos(np.deg2rad(x)),
}
# Angles beyond which the reduction is not claimed to be accurate.
REACH = {(sin, 64): 1e6, (cos, 64): 1e6, (sin, 32): 1e5, (cos, 32): 1e5}


def names(function):
    return function.__name__


def samples(function, dtype, count, rng):
    """Random arguments in every region where the function behaves differently."""
    bits = np.dtype(dtype).itemsize * 8
    reach = REACH.get((function, bits), 1e4)
    largest, smallest = np.log10(np.finfo(dtype).max) - 0.01, np.log10(np.finfo(dtype).tiny) - 5
    wide = 10.0 ** rng.uniform(smallest, largest, count)
    near = rng.uniform(0.0, 3.0, count)
    if function is log or function is sqrt:
        parts = [wide, near]
    elif function is log1p:
        parts = [wide, near, -(1.0 - 10.0 ** rng.uniform(-6, 0, count)), rng.uniform(-1, 0, count)]
    elif function is exp:
        top = np.log(np.finfo(dtype).max)
        parts = [rng.uniform(-top * 1.03, top, count), rng.uniform(-1, 1, count)]
    elif function is atan:
        parts = [wide, near, -near]
    else:
        angles = 10.0 ** rng.uniform(-8, np.log10(reach), count)
        parts = [angles, -angles, rng.uniform(-400, 400, count)]
    return np.concatenate(parts).astype(dtype)


def ulps(got, truth, dtype):
    """Errors in units of the last place of the truth, of which `truth` is a list of mpmath numbers."""
    rounded = np.array([float(t) for t in truth]).astype(dtype)
    spacing = np.maximum(np.spacing(np.abs(rounded)), np.finfo(dtype).smallest_subnormal)
    return np.array(
        [
            abs(float((mpmath.mpf(float(g)) - t) / float(s)))
            for g, t, s in zip(got, truth, spacing, strict=True)
        ]
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", UNARY, ids=names)
def test_error_against_mpmath(function, dtype, compiled, rng):
    x = samples(function, dtype, 1500, rng)
    with mpmath.workdps(40):
        truth = [TRUTH[function](mpmath.mpf(float(v))) for v in x]
        error = ulps(compiled(function, x), truth, dtype)
    worst = int(np.argmax(error))
    assert error[worst] <= BOUNDS[function], f"{error[worst]:.3f} ulp at {x[worst]!r}"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_atan2_error_against_mpmath(dtype, compiled, rng):
    size = 10.0 ** rng.uniform(-30, 30, 2000)
    ratio = np.concatenate([10.0 ** rng.uniform(-6, 6, 1000), rng.uniform(0.3, 3.0, 1000)])
    y = (size * rng.choice([-1, 1], 2000)).astype(dtype)
    x = (size * ratio * rng.choice([-1, 1], 2000)).astype(dtype)
    with mpmath.workdps(40):
        truth = [mpmath.atan2(float(a), float(b)) for a, b in zip(y, x, strict=True)]
        error = ulps(compiled(atan2, y, x), truth, dtype)
    assert error.max() <= BOUNDS[atan2]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fma_is_rounded_once(dtype, compiled, rng):
    """Where the product all but cancels, and elsewhere."""
    a, b = rng.normal(size=(2, 600)).astype(dtype)
    c = np.where(np.arange(600) % 2, -a * b, rng.normal(size=600)).astype(dtype)
    with mpmath.workdps(60):
        truth = [mpmath.mpf(float(x)) * float(y) + float(z) for x, y, z in zip(a, b, c, strict=True)]
        assert ulps(compiled(fma, a, b, c), truth, dtype).max() <= 0.5
        assert ulps(fma(a, b, c), truth, dtype).max() <= 1.0


def float32_error(got, truth):
    """Errors in ulps of float32 results beside float64 truths; results that are not finite must agree."""
    with np.errstate(all="ignore"):
        rounded = truth.astype(np.float32)
        special = ~np.isfinite(rounded)
        assert np.array_equal(got[special], rounded[special], equal_nan=True)
        return np.abs(got[~special].astype(np.float64) - truth[~special]) / np.spacing(
            np.abs(rounded[~special])
        )


def float32_arguments(function, start, stop, step):
    """Every `step`-th float32 with a bit pattern in [start, stop) where the function promises its bound."""
    x = np.arange(start, stop, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    reach = REACH.get((function, 32))
    if function in (sin_degrees, cos_degrees):
        # NumPy's own argument in radians is exact enough for no more than this.
        reach = 45.0
    return x if reach is None else x[np.abs(x) <= reach]


def check_float32(function, x, compiled):
    with np.errstate(all="ignore"):
        truth = NUMPY[function](x.astype(np.float64))
    error = float32_error(compiled(function, x), truth)
    # The truth itself is rounded to float64.
    assert error.size == 0 or error.max() <= BOUNDS[function] + 1e-6


@pytest.mark.parametrize("function", UNARY, ids=names)
def test_float32_random_bit_patterns(function, compiled, rng):
    patterns = rng.integers(0, 1 << 32, 1 << 20, dtype=np.uint64)
    x = patterns.astype(np.uint32).view(np.float32)
    reach = REACH.get((function, 32), 45.0 if function in (sin_degrees, cos_degrees) else np.inf)
    check_float32(function, x[~(np.abs(x) > reach)], compiled)


@pytest.mark.slow
@pytest.mark.parametrize("function", UNARY, ids=names)
def test_float32_through_all_exponents(function, compiled):
    size = 1 << 28
    for start in range(0, 1 << 32, size):
        check_float32(function, float32_arguments(function, start, start + size, 37), compiled)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", [sqrt, log, log1p, exp, atan, absolute], ids=names)
def test_special_values(function, dtype, compiled):
    info = np.finfo(dtype)
    x = np.array(
        [0.0, -0.0, 1.0, -1.0, -2.0, np.inf, -np.inf, np.nan, info.max, -info.max, info.smallest_subnormal],
        dtype=dtype,
    )
    with np.errstate(all="ignore"):
        expected = NUMPY.get(function, np.absolute)(x)
    got = compiled(function, x)
    exact = ~np.isfinite(expected) | (expected == 0.0)
    assert np.array_equal(got[exact], expected[exact], equal_nan=True)
    np.testing.assert_allclose(got[~exact], expected[~exact], rtol=2 * info.eps, atol=0.0)
    if function in (log1p, atan, sqrt):
        zero = x == 0.0
        assert np.array_equal(got[zero], x[zero])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_atan2_special_values(dtype, compiled):
    info = np.finfo(dtype)
    ends = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, info.max, -info.max, info.smallest_subnormal]
    y, x = (np.array(column, dtype=dtype) for column in zip(*itertools.product(ends, ends), strict=True))
    got, expected = compiled(atan2, y, x), np.arctan2(y, x)
    np.testing.assert_allclose(got, expected, rtol=2 * info.eps, atol=0.0)
    sane = ~np.isnan(expected)
    assert np.array_equal(np.signbit(got[sane]), np.signbit(expected[sane]))


@pytest.mark.parametrize("function", [sin, cos, sin_degrees, cos_degrees], ids=names)
def test_angles_that_are_not_finite(function, compiled):
    assert np.isnan(compiled(function, np.array([np.inf, -np.inf, np.nan]))).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_degrees_are_exact_where_rational(dtype, compiled):
    turns = np.arange(-20, 21)
    assert np.array_equal(
        compiled(sin_degrees, (90.0 * turns).astype(dtype)), np.array([0, 1, 0, -1])[turns % 4]
    )
    assert np.array_equal(
        compiled(cos_degrees, (90.0 * turns).astype(dtype)), np.array([1, 0, -1, 0])[turns % 4]
    )
    halves = np.array([30.0, 150.0, 210.0, 330.0, -30.0, 390.0], dtype=dtype)
    assert np.array_equal(compiled(sin_degrees, halves), np.array([0.5, 0.5, -0.5, -0.5, -0.5, 0.5]))
    assert np.array_equal(compiled(cos_degrees, 90.0 - halves), np.array([0.5, 0.5, -0.5, -0.5, -0.5, 0.5]))


def test_degrees_zeros_have_a_stated_sign(compiled):
    x = np.array([0.0, -0.0, 180.0, -180.0, 360.0, -360.0])
    assert np.array_equal(np.signbit(compiled(sin_degrees, x)), np.signbit(x))
    assert not np.signbit(compiled(cos_degrees, np.array([90.0, -90.0, 270.0, -270.0]))).any()


def test_degrees_stay_exact_far_from_zero(compiled):
    x = np.array([360.0 * 2.0**40 + 30.0, 360.0 * 2.0**30 + 90.0, 360.0 * 2.0**40])
    assert compiled(sin_degrees, x).tolist() == [0.5, 1.0, 0.0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_copysign_reads_the_sign_bit(dtype, compiled):
    a = np.array([1.5, -1.5, 2.0, np.inf], dtype=dtype)
    b = np.array([-0.0, 0.0, -3.0, -1.0], dtype=dtype)
    assert np.array_equal(compiled(copysign, a, b), np.copysign(a, b))


def test_log1p_keeps_small_arguments(compiled):
    x = np.array([5e-324, 1e-300, 1e-17, -1e-17, 2.0**-53])
    np.testing.assert_array_max_ulp(compiled(log1p, x), np.array([math.log1p(v) for v in x]), 1)
