"""Jets: a value with its first and second partial derivatives, and the rules that carry them along.

The rules are written once, here. The values inside can be anything with arithmetic: NumPy arrays and mpmath
numbers when a formula runs in plain Python, or LLVM values (`lane.Lane`) when the compiler asks for the code
of an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dislok.kernels.names import Number

from .symbol import ZERO, literal


def packed(i: int, j: int) -> int:
    """Place of the second derivative (i, j) in the packed lower triangle."""
    return i * (i + 1) // 2 + j if i >= j else j * (j + 1) // 2 + i


def pairs(n: int) -> list[tuple[int, int]]:
    """The pairs (i, j), i >= j, in the order in which they are packed."""
    return [(i, j) for i in range(n) for j in range(i + 1)]


class Jet:
    """A value, its first partials `p` and, at order 2, its second partials `h` (packed lower triangle)."""

    __slots__ = ("h", "p", "v")
    __array_ufunc__ = None  # so that ``array * jet`` asks the jet

    def __init__(self, v: Number, p: Sequence[Number], h: Sequence[Number] | None = None) -> None:
        self.v = v
        self.p = tuple(p)
        self.h = None if h is None else tuple(h)

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.p)

    @property
    def order(self) -> int:
        """Highest derivative carried: 1 or 2."""
        return 1 if self.h is None else 2

    def __repr__(self) -> str:
        return f"Jet({self.v!r}, {self.p!r}, {self.h!r})"

    def map(self, function: Callable[[Number], Number], value: Number) -> Jet:
        """Jet with `value` and every partial sent through `function`, a linear map."""
        return Jet(
            value, [function(d) for d in self.p], None if self.h is None else [function(d) for d in self.h]
        )

    def zip(self, other: Jet, function: Callable[[Number, Number], Number], value: Number) -> Jet:
        """Jet with `value` and the partials of both joined by `function`, a bilinear or selecting map."""
        _check_alike(self, other)
        first = [function(a, b) for a, b in zip(self.p, other.p, strict=True)]
        if self.h is None or other.h is None:
            return Jet(value, first)
        return Jet(value, first, [function(a, b) for a, b in zip(self.h, other.h, strict=True)])

    def compose(self, value: Number, slope: Number, bend: Callable[[], Number]) -> Jet:
        """f(self) from f, f' and (a thunk of) f'' at the value."""
        p = [slope * d for d in self.p]
        if self.h is None:
            return Jet(value, p)
        second = bend()
        bent = [second * d for d in self.p]
        h = [slope * d + bent[i] * self.p[j] for d, (i, j) in zip(self.h, pairs(self.n), strict=True)]
        return Jet(value, p, h)

    def __neg__(self) -> Jet:
        return self.map(lambda d: -d, -self.v)

    def __pos__(self) -> Jet:
        return self

    #: Hung in by `functions`, which stands above.
    __abs__: Callable[[Number], Number]
    __pow__: Callable[[Number, int], Number]

    def constant(self, number: Number) -> Jet:
        """A literal as a jet of the same kind, partials zero."""
        h = None if self.h is None else [ZERO] * len(self.h)
        return Jet(literal(number, self.v), [ZERO] * self.n, h)

    def __add__(self, other: Number) -> Jet:
        if isinstance(other, Jet):
            return self.zip(other, lambda a, b: a + b, self.v + other.v)
        return Jet(self.v + other, self.p, self.h)

    __radd__ = __add__

    def __sub__(self, other: Number) -> Jet:
        if isinstance(other, Jet):
            return self.zip(other, lambda a, b: a - b, self.v - other.v)
        return Jet(self.v - other, self.p, self.h)

    def __rsub__(self, other: Number) -> Jet:
        return self.map(lambda d: -d, other - self.v)

    def __mul__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            return self.map(lambda d: d * other, self.v * other)
        if other is self:
            return self.squared()
        _check_alike(self, other)
        a, b = self, other
        p = [a.v * db + da * b.v for da, db in zip(a.p, b.p, strict=True)]
        if a.h is None or b.h is None:
            return Jet(a.v * b.v, p)
        h = [
            a.v * b.h[k] + a.h[k] * b.v + (a.p[i] * b.p[j] + a.p[j] * b.p[i])
            for k, (i, j) in enumerate(pairs(a.n))
        ]
        return Jet(a.v * b.v, p, h)

    def squared(self) -> Jet:
        """The square, with the two equal halves of the product rule taken together."""
        twice = self.v + self.v
        return self.compose(self.v * self.v, twice, lambda: 2.0)

    def __rmul__(self, other: Number) -> Jet:
        return self * other

    def __truediv__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            inverse = 1.0 / other
            return self.map(lambda d: d * inverse, self.v / other)
        _check_alike(self, other)
        a, b = self, other
        q, inverse = a.v / b.v, 1.0 / b.v
        p = [(da - q * db) * inverse for da, db in zip(a.p, b.p, strict=True)]
        if a.h is None or b.h is None:
            return Jet(q, p)
        h = [
            (a.h[k] - q * b.h[k] - (p[i] * b.p[j] + p[j] * b.p[i])) * inverse
            for k, (i, j) in enumerate(pairs(a.n))
        ]
        return Jet(q, p, h)

    def __rtruediv__(self, other: Number) -> Jet:
        q, inverse = other / self.v, 1.0 / self.v
        slope = -(q * inverse)
        return self.compose(q, slope, lambda: -2.0 * (slope * inverse))

    def __lt__(self, other: Number) -> Number:
        return self.v < value_of(other)

    def __le__(self, other: Number) -> Number:
        return self.v <= value_of(other)

    def __gt__(self, other: Number) -> Number:
        return self.v > value_of(other)

    def __ge__(self, other: Number) -> Number:
        return self.v >= value_of(other)

    def __eq__(self, other: Number) -> Number:
        return self.v == value_of(other)

    def __ne__(self, other: Number) -> Number:
        return self.v != value_of(other)

    __hash__ = None  # type: ignore[assignment]


def value_of(x: Number) -> Number:
    """The value inside a jet; anything else as it is."""
    return x.v if isinstance(x, Jet) else x


def _check_alike(a: Jet, b: Jet) -> None:
    if (a.n, a.order) != (b.n, b.order):
        kinds = f"{a.n} variables at order {a.order}, {b.n} at order {b.order}"
        raise TypeError(f"jets of different kinds do not mix: {kinds}")
