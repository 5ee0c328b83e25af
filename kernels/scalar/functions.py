"""The words formulas are written in: constructors, selections and elementary functions on numbers.

Each function takes whatever a formula may meet: Python and NumPy numbers and arrays, mpmath numbers, `Jet`
over any of them, and, while the compiler asks for code, LLVM lanes. Inside compiled code the same names are
bound to instructions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dislok.kernels.names import Function, Number

from . import elementary
from .device import DeviceLane, Libdevice
from .jets import Jet, packed, pairs, value_of
from .symbol import ZERO, Mark, Marks, Symbol, Undecided, literal
from .tangents import Tangent, primal


class _NumpyNamespace:
    """Elementary functions on Python floats and NumPy arrays."""

    sqrt, log, log1p, exp, sin, cos = np.sqrt, np.log, np.log1p, np.exp, np.sin, np.cos
    atan, atan2, absolute, copysign = np.arctan, np.arctan2, np.absolute, np.copysign

    @staticmethod
    def binade(x: Number) -> Number:
        return np.ldexp(1.0, np.frexp(x)[1] - 1)

    @staticmethod
    def fma(a: Number, b: Number, c: Number) -> Number:
        product = a * b
        (a1, a2), (b1, b2) = _halves(a), _halves(b)
        rest = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2
        total = product + c
        back = total - product
        return total + ((product - (total - back)) + (c - back) + rest)

    @staticmethod
    def sin_degrees(x: Number) -> Number:
        return _degrees(x, 0)

    @staticmethod
    def cos_degrees(x: Number) -> Number:
        return _degrees(x, 1)


def _halves(x: Number) -> tuple[Number, Number]:
    """A NumPy number as the sum of two with half its digits each (Veltkamp)."""
    x = np.asarray(x)[()]
    scaled = x * x.dtype.type(2.0 ** (-(-(np.finfo(x.dtype).nmant + 1) // 2)) + 1.0)
    high = scaled - (scaled - x)
    return high, x - high


def _degrees(x: Number, advance: int) -> Number:
    """sin (advance 0) or cos (advance 1) of NumPy degrees, with an exact reduction to ±45 degrees."""
    turns = np.round(x / 90.0)
    rest = x - 90.0 * turns
    turns = np.mod(turns + advance, 4.0)
    sine = np.where(np.absolute(rest) == 30.0, np.copysign(0.5, rest), np.sin(np.deg2rad(rest)))
    result = np.where(np.mod(turns, 2.0) == 1.0, np.cos(np.deg2rad(rest)), sine)
    return np.where(turns >= 2.0, -result, result).astype(np.result_type(x), copy=False)[()]


class _MpmathNamespace:
    """Elementary functions on mpmath numbers."""

    def __getattr__(self, name: str) -> Function:
        import mpmath

        special = {
            "absolute": mpmath.fabs,
            "copysign": lambda a, b: mpmath.fabs(a) if b >= 0 else -mpmath.fabs(a),
            "fma": lambda a, b, c: a * b + c,
            "sin_degrees": lambda x: mpmath.sinpi(x / mpmath.mpf(180)),
            "cos_degrees": lambda x: mpmath.cospi(x / mpmath.mpf(180)),
        }
        return special.get(name) or getattr(mpmath, name)


class _TangentNamespace:
    """Elementary functions on tangents: those of jets in one variable."""

    def __getattr__(self, name: str) -> Function:
        function = globals()[name]
        return lambda *args: Tangent(function(*(x.jet for x in args)))


_NUMPY, _MPMATH, _MARKS, _DEVICE = _NumpyNamespace(), _MpmathNamespace(), Marks(), Libdevice()
_TANGENTS = _TangentNamespace()


def _namespace(*values: Number) -> Number:
    """Where to find the elementary functions for values of this kind."""
    for value in values:
        for kind, namespace in ((Tangent, _TANGENTS), (Mark, _MARKS), (DeviceLane, _DEVICE)):
            if isinstance(value, kind):
                return namespace
        if isinstance(value, Symbol):
            return elementary
        if type(value).__module__.startswith("mpmath"):
            return _MPMATH
    return _NUMPY


def _alike(*values: Number) -> list[Number]:
    """Literals among `values` turned into symbols where others are, all into tangents where one is."""
    kinds = (Tangent, Symbol)
    symbol = next((v for kind in kinds for v in values if isinstance(v, kind)), None)
    if symbol is None:
        return list(values)
    return [v if isinstance(v, type(symbol)) else symbol.constant(v) for v in values]


def _model(*values: Number) -> Jet | None:
    """The first jet among `values`."""
    return next((v for v in values if isinstance(v, Jet)), None)


def _promoted(x: Number, model: Jet) -> Jet:
    """`x` as a jet of the same kind as `model`; a plain number gets zero partials."""
    if isinstance(x, Jet):
        return x
    _, x = _alike(model.v, x)
    return Jet(x, [ZERO] * model.n, None if model.h is None else [ZERO] * len(model.h))


# --- constructors and parts ---


def number(x: Number) -> Number:
    """A native float as a plain number of the same dtype, the type formulas compute with."""
    return np.float64(x) if type(x) in (int, float) else x


def constant(x: Number, n: int, order: int) -> Number:
    """`x` as a jet of `n` variables at `order` with zero partials; order 0 gives a plain number.

    `n` and `order` must be known when the code is compiled.
    """
    x = number(x)
    if order == 0 or n == 0:
        return x
    return Jet(x, [ZERO] * n, [ZERO] * len(pairs(n)) if order == 2 else None)


def seed(x: Number, k: int, n: int, order: int) -> Number:
    """`x` as variable `k` of `n`: its `k`-th first partial is 1, all others 0; of order 0 a plain number.

    `k`, `n` and `order` must be known when the code is compiled.
    """
    if not 0 <= k < max(n, 1):
        raise IndexError(f"variable {k} of {n}")
    jet = constant(x, n, order)
    if not isinstance(jet, Jet):
        return jet
    return Jet(jet.v, [literal(1.0, jet.v) if i == k else ZERO for i in range(n)], jet.h)


def const(c: Number, like: Number) -> Number:
    """The literal `c` as a number of the same kind as `like`, partials zero."""
    return like.constant(c) if isinstance(like, Jet) else literal(c, like)


def value(x: Number) -> Number:
    """The value of a number, as a native float in compiled code."""
    return value_of(x)


def real(x: Number) -> Number:
    """The value of a number as a plain number: the partials are dropped."""
    return value_of(x)


def first(x: Number, k: int) -> Number:
    """The `k`-th first partial, as a plain number."""
    if x is ZERO:
        return x
    if not 0 <= k < x.n:
        raise IndexError(f"variable {k} of {x.n}")
    return _dense(x.p[k], x)


def second(x: Number, i: int, j: int) -> Number:
    """The second partial with respect to variables `i` and `j`, as a plain number."""
    if not (0 <= i < x.n and 0 <= j < x.n):
        raise IndexError(f"variables {i} and {j} of {x.n}")
    return _dense(x.h[packed(i, j)], x)


def _dense(partial: Number, x: Jet) -> Number:
    return literal(0.0, x.v) if partial is ZERO else partial


# --- selections ---


def where(condition: Number, a: Number, b: Number) -> Number:
    """`a` where `condition` holds, else `b`; both are computed."""
    model = _model(a, b)
    if model is None:
        return _where(condition, a, b)
    a, b = _promoted(a, model), _promoted(b, model)
    return a.zip(b, lambda s, t: _where(condition, s, t), _where(condition, a.v, b.v))


def _where(condition: Number, a: Number, b: Number) -> Number:
    if a is ZERO or b is ZERO:
        if a is b:
            return ZERO
        a, b = (literal(0.0, b), b) if a is ZERO else (a, literal(0.0, a))
    if isinstance(a, Tangent) or isinstance(b, Tangent):
        a, b = _alike(a, b)
        return Tangent(where(condition, a.jet, b.jet))
    if isinstance(condition, Undecided):
        a, b = _alike(a, b)
        return a.select(condition, b)
    if np.ndim(condition) == 0:
        return a if condition else b
    return np.where(condition, a, b)


def minimum(a: Number, b: Number) -> Number:
    """The smaller of `a` and `b`, with its partials; `b` where they are equal."""
    return where(_less(a, b), a, b)


def maximum(a: Number, b: Number) -> Number:
    """The larger of `a` and `b`, with its partials; `b` where they are equal."""
    return where(_less(b, a), a, b)


def _less(a: Number, b: Number) -> Number:
    left, right = _alike(value_of(a), value_of(b))
    return left < right


def absolute(x: Number) -> Number:
    """Absolute value; the partials at 0 are those of +x or -x by the sign bit."""
    if not isinstance(x, Jet):
        return _namespace(x).absolute(x)
    sign = copysign(literal(1.0, x.v), x.v)
    return x.map(lambda d: d * sign, absolute(x.v))


def copysign(a: Number, b: Number) -> Number:
    """The magnitude of `a` with the sign of `b`'s value; `b` counts as locally constant."""
    sign_of = value_of(b)
    if not isinstance(a, Jet):
        if isinstance(b, Jet):
            return _promoted(copysign(a, sign_of), b)
        a, sign_of = _alike(a, sign_of)
        return _namespace(a, sign_of).copysign(a, sign_of)
    ones = literal(1.0, a.v)
    sign = copysign(ones, a.v) * copysign(ones, sign_of)
    return a.map(lambda d: d * sign, copysign(a.v, sign_of))


# --- elementary functions ---


def sqrt(x: Number) -> Number:
    """Square root; NaN below 0."""
    if not isinstance(x, Jet):
        return _namespace(x).sqrt(x)
    root = sqrt(x.v)
    slope = 0.5 / root
    return x.compose(root, slope, lambda: -(slope * (0.5 / x.v)))


def fma(a: Number, b: Number, c: Number) -> Number:
    """a b + c of plain numbers, rounded once (NumPy's: within an ulp)."""
    a, b, c = _alike(a, b, c)
    return _namespace(a).fma(a, b, c)


def binade(x: Number) -> Number:
    """The largest power of two that is not above the magnitude of a plain number; 0 for subnormals."""
    return _namespace(x).binade(x)


def log(x: Number) -> Number:
    """Natural logarithm; -inf at 0, NaN below."""
    if not isinstance(x, Jet):
        return _namespace(x).log(x)
    slope = 1.0 / x.v
    return x.compose(log(x.v), slope, lambda: -(slope * slope))


def log1p(x: Number) -> Number:
    """log(1 + x), accurate near 0; -inf at -1, NaN below."""
    if not isinstance(x, Jet):
        return _namespace(x).log1p(x)
    slope = 1.0 / (1.0 + x.v)
    return x.compose(log1p(x.v), slope, lambda: -(slope * slope))


def exp(x: Number) -> Number:
    """Exponential."""
    if not isinstance(x, Jet):
        return _namespace(x).exp(x)
    result = exp(x.v)
    return x.compose(result, result, lambda: result)


def sin(x: Number) -> Number:
    """Sine of radians."""
    if not isinstance(x, Jet):
        return _namespace(x).sin(x)
    result = sin(x.v)
    return x.compose(result, cos(x.v), lambda: -result)


def cos(x: Number) -> Number:
    """Cosine of radians."""
    if not isinstance(x, Jet):
        return _namespace(x).cos(x)
    result = cos(x.v)
    return x.compose(result, -sin(x.v), lambda: -result)


def sin_degrees(x: Number) -> Number:
    """Sine of degrees, exact at multiples of 30 where rational; partials are per degree."""
    if not isinstance(x, Jet):
        return _namespace(x).sin_degrees(x)
    result, unit = sin_degrees(x.v), _degree(x.v)
    return x.compose(result, cos_degrees(x.v) * unit, lambda: -(result * (unit * unit)))


def cos_degrees(x: Number) -> Number:
    """Cosine of degrees, exact at multiples of 30 where rational; partials are per degree."""
    if not isinstance(x, Jet):
        return _namespace(x).cos_degrees(x)
    result, unit = cos_degrees(x.v), _degree(x.v)
    return x.compose(result, -(sin_degrees(x.v) * unit), lambda: -(result * (unit * unit)))


def _degree(x: Number) -> Number:
    """π/180 in the precision of `x`."""
    if _namespace(primal(x)) is _MPMATH:
        import mpmath

        return mpmath.pi / 180
    return math.pi / 180.0


def atan(x: Number) -> Number:
    """Inverse tangent, in (-π/2, π/2)."""
    if not isinstance(x, Jet):
        return _namespace(x).atan(x)
    slope = 1.0 / (1.0 + x.v * x.v)
    return x.compose(atan(x.v), slope, lambda: -2.0 * x.v * (slope * slope))


def atan2(y: Number, x: Number) -> Number:
    """Angle of the point (x, y), in [-π, π]."""
    model = _model(y, x)
    if model is None:
        y, x = _alike(y, x)
        return _namespace(y, x).atan2(y, x)
    y, x = _promoted(y, model), _promoted(x, model)
    inverse = 1.0 / (x.v * x.v + y.v * y.v)
    gy, gx = x.v * inverse, -(y.v * inverse)
    p = [gy * dy + gx * dx for dy, dx in zip(y.p, x.p, strict=True)]
    if x.h is None or y.h is None:
        return Jet(atan2(y.v, x.v), p)
    # With z = x + iy, the angle is Im log z: its second derivative is Im(z''/z - z'_i z'_j / z²).
    radial = [gy * dx - gx * dy for dy, dx in zip(y.p, x.p, strict=True)]
    h = [
        gy * y.h[k] + gx * x.h[k] - (radial[i] * p[j] + p[i] * radial[j])
        for k, (i, j) in enumerate(pairs(model.n))
    ]
    return Jet(atan2(y.v, x.v), p, h)


def power(x: Number, exponent: int) -> Number:
    """`x` to an integer power known at compile time, by repeated squaring: ``x ** 3``."""
    if not isinstance(exponent, int):
        raise TypeError(f"only integer powers known at compile time, got {exponent!r}")
    if exponent < 0:
        return 1.0 / power(x, -exponent)
    if exponent == 0:
        return const(1.0, x)
    half = power(x, exponent // 2) if exponent > 1 else None
    if half is None:
        return x
    return half * half * x if exponent % 2 else half * half


def polynomial(x: Number, coefficients: Sequence[float]) -> Number:
    """Polynomial in `x`, `coefficients` lowest power first, by Horner's rule."""
    if not isinstance(x, Jet):
        return _horner(x, coefficients)
    slopes = [k * c for k, c in enumerate(coefficients)][1:] or [0.0 * coefficients[0]]
    bends = [k * c for k, c in enumerate(slopes)][1:] or [0.0 * coefficients[0]]
    return x.compose(_horner(x.v, coefficients), _horner(x.v, slopes), lambda: _horner(x.v, bends))


def _horner(x: Number, coefficients: Sequence[Number]) -> Number:
    total = literal(coefficients[-1], x)
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def chain(v: Number, gradients: Sequence[Number], variables: Sequence[Number]) -> Number:
    """The value of `v` with derivatives by the chain rule from closed-form partial derivatives.

    Parameters
    ----------
    v : number
        The function's value; its own partials (and tangent) are ignored.
    gradients : tuple of numbers
        Partial derivative of the function with respect to each of `variables`. A plain number counts as
        constant.
    variables : tuple of numbers
        The variables, jets of one kind; plain numbers contribute nothing.

    Returns
    -------
    number
        p_i = Σ g_k x_k,i and h_ij = Σ (g_k),j x_k,i + g_k x_k,ij for i >= j.
    """
    v = _chain_tangent(value_of(v), gradients, variables)
    model = _model(*variables, *gradients)
    if model is None:
        return v
    terms = [(g, x) for g, x in zip(gradients, variables, strict=True) if isinstance(x, Jet)]
    base = _promoted(v, model).v
    p = [sum([value_of(g) * x.p[i] for g, x in terms], ZERO) for i in range(model.n)]
    if model.h is None:
        return Jet(base, p)
    return Jet(base, p, [sum(_chain_second(terms, i, j), ZERO) for i, j in pairs(model.n)])


def _chain_tangent(v: Number, gradients: Sequence[Number], variables: Sequence[Number]) -> Number:
    """The plain number `v` with the tangent that follows from those of the variables."""
    if not any(isinstance(value_of(x), Tangent) for x in variables):
        return v
    inside = [[_jet_of(value_of(x)) for x in numbers] for numbers in (gradients, variables)]
    return Tangent(chain(primal(v), *inside))


def _jet_of(x: Number) -> Number:
    """The jet that a tangent holds; any other number as it is."""
    return x.jet if isinstance(x, Tangent) else x


def _chain_second(terms: Sequence[tuple[Number, Number]], i: int, j: int) -> list[Number]:
    bent = [g.p[j] * x.p[i] for g, x in terms if isinstance(g, Jet)]
    return bent + [value_of(g) * x.h[packed(i, j)] for g, x in terms]


def jet(v: Number, partials: Sequence[Number]) -> Number:
    """The jet with value `v` and the given first partials, one for each variable.

    Plain numbers make a jet of order 1. Jets of order 1 in the same variables (`v` and every partial that is
    not plain) make one of order 2, whose second partials are the first partials of `partials`. The integer
    literal 0 stands for a partial that is zero whatever the data.
    """
    n = len(partials)
    p = [ZERO if isinstance(g, int) and g == 0 else g for g in partials]
    model = _model(v, *p)
    if model is None:
        return Jet(v, [d if d is ZERO else _alike(v, d)[1] for d in p])
    if (model.n, model.order) != (n, 1):
        raise TypeError(f"{n} partials need jets of order 1 in {n} variables, got {model.order} in {model.n}")
    slopes: list[Number] = [g if g is ZERO else _promoted(g, model) for g in p]
    h = [ZERO if slopes[i] is ZERO else slopes[i].p[j] for i, j in pairs(n)]
    return Jet(_promoted(v, model).v, [value_of(slope) for slope in slopes], h)


# Operators of the floors below.
for _kind in (Symbol, Jet):
    _kind.__abs__, _kind.__pow__ = absolute, power


# --- tuples ---


def add(a: Number, b: Number) -> Number:
    """Sum of two tuples of numbers, element by element, nested tuples too."""
    return tuple(add(s, t) for s, t in zip(a, b, strict=True)) if isinstance(a, tuple) else a + b


def subtract(a: Number, b: Number) -> Number:
    """Difference of two tuples of numbers, element by element, nested tuples too."""
    return tuple(subtract(s, t) for s, t in zip(a, b, strict=True)) if isinstance(a, tuple) else a - b


def scale(a: Number, factor: Number) -> Number:
    """A tuple of numbers, or nested tuples of them, times the number `factor`."""
    return tuple(scale(s, factor) for s in a) if isinstance(a, tuple) else a * factor
