"""Numbers that carry their derivative along one direction, inside a formula.

A jet whose parts are tangents has, beside the partials up to its order, the derivative of every one of them
along the direction: one order more, without the partials of that order that nobody asks for. The rules are
those of a jet in one variable. A tangent that is zero by structure costs nothing.

Along two directions at once (`with_tangents`) the jet is one of order 2 in two variables, and the derivative
along the one and then the other (`mixed`) is another order more.

Tangents live while a formula runs: they are made from plain numbers with `with_tangent` and taken apart with
`tangent` and `primal` before the formula returns.
"""

from __future__ import annotations

from collections.abc import Callable

from dislok.kernels.names import Number

from .jets import Jet
from .symbol import ZERO, Symbol, Zero, literal


class Tangent(Symbol):
    """A plain number and its derivative along a direction, held as a jet in one variable.

    Parameters
    ----------
    jet : Jet
        Of order 1 in one variable, or of order 2 in two; its parts are plain numbers of any kind.
    """

    __slots__ = ("jet",)

    def __init__(self, jet: Jet) -> None:
        self.jet = jet

    @property
    def v(self) -> Number:
        """The number."""
        return self.jet.v

    @property
    def t(self) -> Number:
        """Its derivative; `ZERO` where it is zero by structure."""
        return self.jet.p[0]

    def __repr__(self) -> str:
        return f"Tangent({self.v!r}, {self.t!r})"

    def constant(self, number: Number) -> Tangent:
        """A literal or a number without a tangent as one whose tangent is zero."""
        if isinstance(number, Tangent):
            return number
        h = None if self.jet.h is None else [ZERO] * len(self.jet.h)
        return Tangent(Jet(literal(number, self.v), [ZERO] * self.jet.n, h))

    def _binary(self, other: Number, operation: Callable[[Number, Number], Number]) -> Number:
        if isinstance(other, Jet | Zero):
            return NotImplemented
        return Tangent(operation(self.jet, other.jet if isinstance(other, Tangent) else other))

    def __add__(self, other: Number) -> Number:
        return self._binary(other, lambda a, b: a + b)

    __radd__ = __add__

    def __sub__(self, other: Number) -> Number:
        return self._binary(other, lambda a, b: a - b)

    def __rsub__(self, other: Number) -> Number:
        return self._binary(other, lambda a, b: b - a)

    def __mul__(self, other: Number) -> Number:
        if type(other) in (int, float) and other == 0:
            # ``0.0 * like`` makes numbers of the same kind: no tangent is to come of it
            return self.constant(self.v * other)
        return self._binary(other, lambda a, b: a * b)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Number:
        return self._binary(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Number) -> Number:
        return self._binary(other, lambda a, b: b / a)

    def __neg__(self) -> Tangent:
        return Tangent(-self.jet)

    def _compare(self, other: Number, comparison: Callable[[Number, Number], Number]) -> Number:
        return NotImplemented if isinstance(other, Jet) else comparison(self.v, primal(other))

    def __lt__(self, other: Number) -> Number:
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other: Number) -> Number:
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other: Number) -> Number:
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other: Number) -> Number:
        return self._compare(other, lambda a, b: a >= b)

    def __eq__(self, other: Number) -> Number:
        return self._compare(other, lambda a, b: a == b)

    def __ne__(self, other: Number) -> Number:
        return self._compare(other, lambda a, b: a != b)

    __hash__ = None  # type: ignore[assignment]


def with_tangent(x: Number, t: Number) -> Tangent:
    """The plain number `x` with the derivative `t` along the direction of a formula's tangents.

    The integer literal 0 stands for a derivative that is zero whatever the data. Jets are made of such
    numbers, not the other way round.
    """
    if isinstance(x, Jet) or isinstance(t, Jet):
        raise TypeError("a tangent belongs to a plain number, got a jet")
    return Tangent(Jet(primal(x), [ZERO if t is ZERO or (isinstance(t, int) and t == 0) else t]))


def with_tangents(x: Number, first: Number, second: Number, mixed: Number = ZERO) -> Tangent:
    """The plain number `x` with its derivatives along two directions and along both; `ZERO` for none.

    All numbers of a formula that meet each other have one direction, or all have two.
    """
    return Tangent(Jet(x, [first, second], [ZERO, mixed, ZERO]))


def tangent(x: Number) -> Number:
    """The derivative of a plain number along the direction; 0 for a number without a tangent."""
    t = x.t if isinstance(x, Tangent) else ZERO
    return _nothing(primal(x)) if t is ZERO else t


def mixed(x: Number) -> Number:
    """The derivative of a plain number along both of two directions; 0 where it has none."""
    t = x.jet.h[1] if isinstance(x, Tangent) and x.jet.h is not None else ZERO
    return _nothing(primal(x)) if t is ZERO else t


def _nothing(like: Number) -> Number:
    """Zero of the same kind."""
    return like.constant(0.0) if isinstance(like, Jet) else literal(0.0, like)


def primal(x: Number) -> Number:
    """A plain number without its tangent."""
    return x.v if isinstance(x, Tangent) else x
