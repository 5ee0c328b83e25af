"""Jets: values and derivatives of formulas against mpmath, the plain Python class, and the compiled code."""

import mpmath
import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from dislok.kernels.scalar import (
    Jet,
    absolute,
    add,
    atan,
    atan2,
    chain,
    const,
    constant,
    copysign,
    cos,
    cos_degrees,
    exp,
    first,
    jet,
    log,
    log1p,
    maximum,
    minimum,
    number,
    polynomial,
    real,
    scalar,
    scale,
    second,
    seed,
    sin,
    sin_degrees,
    sqrt,
    subtract,
    value,
    where,
)

POINT = (0.7, 0.3, 1.2)
TOLERANCE = {np.float64: 2e-15, np.float32: 2e-6}
COEFFICIENTS = (1.0, -2.0, 0.5, 3.0)


@scalar
def mixed(x, y, z):
    r = sqrt(x * x + y * y + z * z)
    return log(r + x) * y / (r + 2) - atan2(x * y, z * r) + 3 / (1.5 - z * x) + x**3 / y**2


@scalar
def elementary(x, y, z):
    return exp(x * y) + log1p(z * x) * sin(y - 2 * z) + cos(x * z) * atan(y / z) - sqrt(z) / (1.0 + x)


@scalar
def degrees(x, y, z):
    return sin_degrees(40 * x + 7 * z) * cos_degrees(30.0 * y * z) + x * y


@scalar
def selected(x, y, z):
    larger = where(x > y, x * z, y) + where(x > 5.0, x, 1.0)
    return larger * maximum(x, y * z) + minimum(x * x, z) - absolute(y - z) * copysign(x * y, -z) + abs(x)


@scalar
def series(x, y, z):
    return polynomial(x * y, COEFFICIENTS) + polynomial(z, COEFFICIENTS) * x


@scalar
def chained(x, y, z):
    r = sqrt(x * x + y * y)
    t = x * z
    # log(r) * t with its derivatives given by hand
    return chain(log(real(r)) * real(t), (t / r, log(r)), (r, t)) + y


@scalar
def from_tuples(x, y, z):
    pair = scale(add((x, (y, z)), (z, (x * y, y))), 0.5)
    left, (up, down) = subtract(pair, (y, (1.0, x)))
    return left * up / (down + 3.0)


FORMULAS = [mixed, elementary, degrees, selected, series, chained, from_tuples]
CHAINED = {chained: lambda x, y, z: mpmath.log(mpmath.sqrt(x * x + y * y)) * x * z + y}


def compiled_jet(formula, order, dtype=np.float64, point=POINT):
    """Value, gradient and Hessian (lower triangle by rows) of `formula` at `point` from compiled code."""

    @numba.njit(error_model="numpy")
    def run(p, out):
        r = formula(seed(p[0], 0, 3, order), seed(p[1], 1, 3, order), seed(p[2], 2, 3, order))
        out[0] = value(r)
        if order >= 1:
            out[1], out[2], out[3] = value(first(r, 0)), value(first(r, 1)), value(first(r, 2))
        if order == 2:
            out[4], out[5], out[6] = value(second(r, 0, 0)), value(second(r, 1, 0)), value(second(r, 1, 1))
            out[7], out[8], out[9] = value(second(r, 2, 0)), value(second(r, 1, 2)), value(second(r, 2, 2))

    out = np.zeros({0: 1, 1: 4, 2: 10}[order], dtype=dtype)
    run(np.array(point, dtype=dtype), out)
    return out


def true_jet(formula, point=POINT):
    """The same ten numbers by differences in 60 digits."""
    function = CHAINED.get(formula, formula)
    orders = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    orders += [(2, 0, 0), (1, 1, 0), (0, 2, 0), (1, 0, 1), (0, 1, 1), (0, 0, 2)]
    with mpmath.workdps(60):
        at = [mpmath.mpf(p) for p in point]
        return np.array(
            [float(mpmath.diff(function, at, order) if any(order) else function(*at)) for order in orders]
        )


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
def test_derivatives_against_mpmath(formula):
    truth = true_jet(formula)
    np.testing.assert_allclose(compiled_jet(formula, 2), truth, rtol=2e-14, atol=2e-14)
    np.testing.assert_allclose(compiled_jet(formula, 1), truth[:4], rtol=2e-14, atol=2e-14)
    np.testing.assert_allclose(compiled_jet(formula, 0), truth[:1], rtol=2e-15, atol=2e-15)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
def test_float32_derivatives(formula):
    got = compiled_jet(formula, 2, np.float32)
    truth = true_jet(formula, [float(np.float32(p)) for p in POINT])
    np.testing.assert_allclose(got, truth, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
def test_plain_python_gives_the_same(formula):
    r = formula(*(seed(p, k, 3, 2) for k, p in enumerate(POINT)))
    plain = [value(r), *(first(r, k) for k in range(3)), second(r, 0, 0), second(r, 1, 0), second(r, 1, 1)]
    plain += [second(r, 2, 0), second(r, 2, 1), second(r, 2, 2)]
    np.testing.assert_allclose(plain, compiled_jet(formula, 2), rtol=1e-14, atol=1e-14)


@scalar
def built(x, y, z):
    return jet(x * y, (y, x, 0))


@scalar
def built_twice(x, y, z):
    return jet(x * y * z, (y * z, x * z, x * y))


def test_jet_from_partials():
    @numba.njit
    def run(out):
        r = built(number(2.0), number(3.0), number(5.0)) * 2.0
        out[0], out[1], out[2], out[3] = value(r), value(first(r, 0)), value(first(r, 1)), value(first(r, 2))

    out = np.empty(4)
    run(out)
    assert out.tolist() == [12.0, 6.0, 4.0, 0.0]


def test_jet_from_partials_that_are_jets_has_second_order():
    @numba.njit
    def run(out):
        r = built_twice(seed(2.0, 0, 3, 1), seed(3.0, 1, 3, 1), seed(5.0, 2, 3, 1))
        out[0], out[1] = value(r), value(first(r, 1))
        out[2], out[3], out[4] = value(second(r, 1, 0)), value(second(r, 2, 0)), value(second(r, 0, 0))

    out = np.empty(5)
    run(out)
    assert out.tolist() == [30.0, 10.0, 5.0, 3.0, 0.0]


def test_jet_refuses_partials_in_other_variables():
    with pytest.raises(TypeError, match="3 partials need jets of order 1 in 3 variables"):
        built(*(seed(1.0, k, 2, 1) for k in (0, 1, 0)))


def returned_type(function, *args):
    """Type that compiled code gives to `function` of arguments of these Numba types."""
    from dislok.kernels.scalar.lowering import formula_type

    return formula_type(function, args)


def test_partials_that_are_zero_by_structure_are_not_stored():
    from dislok.kernels.scalar import JetType

    x = JetType(64, 3, 2, (0,), ())
    y = JetType(64, 3, 2, (1,), ())
    assert returned_type(lambda a, b: a + b, x, y) == JetType(64, 3, 2, (0, 1), ())
    assert returned_type(lambda a, b: a * b, x, y) == JetType(64, 3, 2, (0, 1), (1,))
    assert returned_type(lambda a, b: sqrt(a), x, y) == JetType(64, 3, 2, (0,), (0,))
    assert returned_type(lambda a, b: a / b, x, y) == JetType(64, 3, 2, (0, 1), (1, 2))


def test_a_variable_of_a_loop_carries_what_any_pass_needs():
    @numba.njit
    def run(x, y, out):
        total = 0.0
        for k in range(3):
            total = total + seed(x, 0, 2, 1) * k
        if x > 0.0:
            total = total * seed(y, 1, 2, 1)
        out[0], out[1], out[2] = value(total), value(first(total, 0)), value(first(total, 1))

    out = np.empty(3)
    run(2.0, 5.0, out)
    assert out.tolist() == [30.0, 15.0, 6.0]
    run(-2.0, 5.0, out)
    assert out.tolist() == [-6.0, 3.0, 0.0]


def test_numbers_literals_and_jets_mix():
    @numba.njit
    def run(x, out):
        s, c, plain = seed(x, 0, 1, 1), constant(x, 1, 1), number(x)
        total = 2 * s + c * plain - 1 / (s + 1) + const(3, s)
        out[0], out[1], out[2] = value(total), value(first(total, 0)), value(real(total))

    out = np.empty(3)
    run(2.0, out)
    np.testing.assert_allclose(out, [4 + 4 - 1 / 3 + 3, 2 + 1 / 9, 4 + 4 - 1 / 3 + 3], rtol=1e-15)


def test_comparisons_look_at_values():
    @numba.njit
    def run(x, y):
        a, b = seed(x, 0, 1, 1), number(y)
        return (a < b, a <= b, a > b, a >= b, a == b, a != b, 1.0 < a)

    assert run(1.0, 2.0) == (True, True, False, False, False, True, False)
    assert run(2.0, 2.0) == (False, True, False, True, True, False, True)
    assert run(np.nan, 2.0) == (False, False, False, False, False, True, False)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: seed(1.0, 0, 2, 1) + seed(1.0, 0, 3, 1),
        lambda: seed(1.0, 0, 2, 1) * seed(1.0, 0, 2, 2),
        lambda: number(np.float32(1.0)) + number(1.0),
        lambda: unrolled(number(np.float32(1.0)), number(2.0)),
        lambda: first(seed(1.0, 0, 2, 1), 2),
        lambda: first(number(1.0), 0),
        lambda: seed(1.0, 3, 3, 1),
    ],
    ids=[
        "variables",
        "orders",
        "dtypes",
        "dtypes in a formula",
        "no such partial",
        "no partials",
        "no such variable",
    ],
)
def test_what_does_not_mix_is_a_typing_error(mix):
    with pytest.raises((TypingError, TypeError)):
        numba.njit(mix)()


@scalar
def branching(x):
    return x if x > 0.0 else -x


def test_a_branch_on_a_number_is_refused():
    @numba.njit
    def run(x):
        return value(branching(number(x)))

    with pytest.raises(TypeError, match="use where"):
        run(1.0)


@scalar
def unrolled(x, count):
    powers = [x]
    for _ in range(count - 1):
        powers.append(powers[-1] * x)
    return powers, x > 1.0


def test_a_formula_may_loop_and_return_nested_results():
    @numba.njit
    def run(x):
        (a, b, c), large = unrolled(number(x), 3)
        return value(a), value(b), value(c), large

    assert run(3.0) == (3.0, 9.0, 27.0, True)


@scalar
def with_literals(x):
    return 2, x * number(0.5), sqrt(4.0) * x, jet(x, (0, 3.0))


def test_a_formula_may_return_literals():
    @numba.njit
    def run(x):
        two, half, double, bent = with_literals(number(x))
        return value(two), value(half), value(double), value(first(bent, 0)), value(first(bent, 1))

    assert run(3.0) == (2.0, 1.5, 6.0, 0.0, 3.0)


def test_chain_of_plain_numbers_is_the_value():
    assert chain(2.0, (1.0,), (3.0,)) == 2.0


def test_chain_takes_plain_gradients_as_constant():
    x = seed(2.0, 0, 1, 2)
    r = chain(7.0, (np.float64(3.0),), (x * x,))
    assert (value(r), first(r, 0), second(r, 0, 0)) == (7.0, 12.0, 6.0)


def test_derivatives_at_the_origin_of_a_selection_are_finite():
    # The root of zero has no derivative; the branch that is not taken must not spoil the other.
    r = compiled_jet(guarded, 2, point=(0.0, 0.5, 1.0))
    assert np.isfinite(r).all()


@scalar
def guarded(x, y, z):
    safe = where(x > 0.0, x, 1.0)
    return where(x > 0.0, sqrt(safe), y * z)


def test_python_jets_of_different_kinds_do_not_mix():
    with pytest.raises(TypeError, match="2 variables at order 1, 3 at order 1"):
        seed(1.0, 0, 2, 1) + seed(1.0, 0, 3, 1)


def test_repr_of_a_jet_shows_its_parts():
    assert repr(Jet(1.0, (2.0,))) == "Jet(1.0, (2.0,), None)"
