"""Complex numbers made of the numbers of `dislok.kernels.scalar`.

A part that is zero whatever the data is the structural `ZERO`, which costs nothing: the same formulas compute
with complex numbers at a complex frequency and with real ones in the static limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from dislok.kernels.names import Number
from dislok.kernels.scalar import ZERO, Jet, absolute, cos, exp, jet, real, sin, sqrt, where

# 1/3!, 1/5!, ...: sinh(x)/x to rounding for |x|² < SMALL
SINHC = (1.0 / 6.0, 1.0 / 120.0, 1.0 / 5040.0, 1.0 / 362880.0, 1.0 / 39916800.0, 1.0 / 6227020800.0)
SMALL = 0.1


class Complex:
    """A complex number; its parts are plain numbers or jets, or `ZERO`."""

    __slots__ = ("im", "re")
    __array_ufunc__ = None  # so that ``numpy_float * complex`` asks this class

    def __init__(self, re: Number, im: Number = ZERO) -> None:
        self.re = re
        self.im = im

    def __repr__(self) -> str:
        return f"Complex({self.re!r}, {self.im!r})"

    @property
    def vanishes(self) -> bool:
        """Whether it is zero whatever the data."""
        return self.re is ZERO and self.im is ZERO

    def __neg__(self) -> Complex:
        return Complex(-self.re, -self.im)

    def __add__(self, other: Number) -> Complex:
        if not isinstance(other, Complex):
            return Complex(self.re + other, self.im)
        return Complex(self.re + other.re, self.im + other.im)

    __radd__ = __add__

    def __sub__(self, other: Number) -> Complex:
        return self + -other

    def __rsub__(self, other: Number) -> Complex:
        return -self + other

    def __mul__(self, other: Number) -> Complex:
        if not isinstance(other, Complex):
            return Complex(self.re * other, self.im * other)
        a, b = self, other
        return Complex(product(a.re, b.re) - product(a.im, b.im), product(a.re, b.im) + product(a.im, b.re))

    __rmul__ = __mul__

    def __truediv__(self, other: Complex) -> Complex:
        return self * reciprocal(other)


def product(a: Number, b: Number) -> Number:
    """a b; zero by structure where a factor is, also beside a jet."""
    return ZERO if b is ZERO else a * b


def square(z: Complex) -> Complex:
    """The square, with the two equal halves of the imaginary part taken together."""
    if z.im is ZERO:
        return Complex(z.re * z.re)
    return Complex(z.re * z.re - z.im * z.im, 2.0 * (z.re * z.im))


def reciprocal(z: Complex) -> Complex:
    """1/z."""
    if z.im is ZERO:
        return Complex(1.0 / z.re)
    scale = 1.0 / (z.re * z.re + z.im * z.im)
    return Complex(z.re * scale, -(z.im * scale))


def root(z: Complex) -> Complex:
    """The square root with a positive real part (on the cut: that of a negative imaginary part)."""
    if z.im is ZERO:
        return Complex(sqrt(z.re))
    length = sqrt(z.re * z.re + z.im * z.im)
    large = sqrt(0.5 * (length + absolute(z.re)))
    small = 0.5 * z.im / large
    right, above = z.re >= 0.0, z.im > 0.0
    return Complex(where(right, large, absolute(small)), where(right, small, where(above, large, -large)))


def size(z: Complex) -> Number:
    """|re| + |im|, a length of the number without a root."""
    return absolute(z.re) + (ZERO if z.im is ZERO else absolute(z.im))


def hyperbolic(z: Complex, decay: Number) -> tuple[Complex, Complex]:
    """cosh z and sinh z, both times exp(-|Re z|), from ``decay = exp(-2 |Re z|)``."""
    if z.vanishes:
        return Complex(1.0), Complex(ZERO)
    plus, minus = 0.5 * (1.0 + decay), 0.5 * (1.0 - decay)
    minus = where(z.re < 0.0, -minus, minus)
    if z.im is ZERO:
        return Complex(plus), Complex(minus)
    c, s = cos(z.im), sin(z.im)
    return Complex(plus * c, minus * s), Complex(minus * c, plus * s)


def sinhc(z: Complex, sinh: Complex, decay: Number) -> Complex:
    """sinh(z)/z times exp(-|Re z|), from the scaled sinh and ``decay = exp(-|Re z|)``."""
    if z.vanishes:
        return Complex(1.0)
    z2 = square(z)
    series = Complex(SINHC[-1])
    for term in reversed(SINHC[:-1]):
        series = series * z2 + term
    series = (series * z2 + 1.0) * decay
    length2 = z.re * z.re + (ZERO if z.im is ZERO else z.im * z.im)
    small = length2 < SMALL
    # Any divisor but zero will do where the series is taken.
    safe = Complex(where(small, 1.0, z.re), z.im)
    return select(small, series, sinh / safe)


def select(condition: Number, a: Complex, b: Complex) -> Complex:
    """`a` where `condition`, else `b`."""
    im = ZERO if a.im is ZERO and b.im is ZERO else where(condition, a.im, b.im)
    return Complex(where(condition, a.re, b.re), im)


def decaying(x: Number) -> Number:
    """exp(-x) for x >= 0."""
    return exp(-x)


def pack(numbers: Sequence[Complex], static: bool, order: int) -> tuple[Number, ...]:
    """Complex numbers as a flat tuple of plain numbers, of which some may be the structural `ZERO`.

    `static` leaves the imaginary parts out; at `order` 1 every part is followed by its derivative.
    """
    parts = [part for z in numbers for part in ((z.re,) if static else (z.re, z.im))]
    return flat(parts, order)


def flat(parts: Sequence[Number], order: int) -> tuple[Number, ...]:
    """Real numbers as a tuple of plain ones: at `order` 1 the value of each is followed by its derivative."""
    if order == 0:
        return tuple(parts)
    return tuple(each for part in parts for each in (real(part), slope(part)))


def slope(x: Number) -> Number:
    """The derivative that a number carries; `ZERO` of a plain number."""
    return x.p[0] if isinstance(x, Jet) else ZERO


def jets(numbers: Sequence[Number], order: int) -> list[Number]:
    """The inverse of `flat`."""
    if order == 0:
        return list(numbers)
    return [jet(numbers[i], (numbers[i + 1],)) for i in range(0, len(numbers), 2)]


def unpack(numbers: Sequence[Number], static: bool, order: int) -> list[Complex]:
    """The inverse of `pack`."""
    parts = jets(numbers, order)
    if static:
        return [Complex(part) for part in parts]
    return [Complex(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)]
