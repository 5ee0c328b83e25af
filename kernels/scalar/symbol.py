"""Stand-ins for values while code is made: a partial that is always zero, a value of unknown size.

Formulas depend on few of their variables at each step. A partial that is zero by structure is never stored or
computed: it is the singleton `ZERO`, and the rules of `jets` need not know.
"""

from __future__ import annotations

from collections.abc import Callable

from dislok.kernels.names import Function, Number


class Symbol:
    """Anything that stands for a number of a compiled formula."""

    __slots__ = ()
    __array_ufunc__ = None  # so that ``numpy_float * symbol`` asks the symbol

    def constant(self, number: float) -> Number:
        """The literal `number` as a symbol of the same kind."""
        raise NotImplementedError

    def __pos__(self) -> Number:
        return self

    #: Hung in by `functions`, which stands above.
    __abs__: Callable[[Number], Number]
    __pow__: Callable[[Number, int], Number]


def literal(c: Number, like: Number) -> Number:
    """The literal `c` as a value of the same kind as the value `like`."""
    if isinstance(c, Symbol):
        return c
    return like.constant(c) if isinstance(like, Symbol) else like * 0 + c


class Zero:
    """Exactly zero: swallows factors, vanishes from sums."""

    __slots__ = ()
    __array_ufunc__ = None  # so that ``array * ZERO`` asks this class

    def __add__(self, other: Number) -> Number:
        return other

    __radd__ = __add__

    def __sub__(self, other: Number) -> Number:
        return -other

    def __rsub__(self, other: Number) -> Number:
        return other

    def __mul__(self, other: Number) -> Zero:
        return self

    __rmul__ = __mul__
    __truediv__ = __mul__

    def __neg__(self) -> Zero:
        return self

    def __repr__(self) -> str:
        return "ZERO"


ZERO = Zero()


class Undecided:
    """The truth of a comparison of numbers, which is not known when code is made."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on the value of a number: use where(...), & and |")


class TruthMark(Undecided):
    """Some boolean."""

    __slots__ = ()

    def _binary(self, other: Number) -> TruthMark:
        return self

    __and__ = __or__ = __xor__ = _binary

    def __invert__(self) -> TruthMark:
        return self


TRUTH_MARK = TruthMark()


class Mark(Symbol):
    """Some number, all that matters when only the structure of a result is asked for."""

    __slots__ = ()

    def constant(self, number: float) -> Mark:
        """Itself: a constant has no known value either."""
        return self

    def select(self, condition: Number, other: Number) -> Mark:
        """Either of two numbers is some number."""
        return self

    def _binary(self, other: Number) -> Number:
        return self if isinstance(other, Mark | int | float) else NotImplemented

    def _compare(self, other: Number) -> Number:
        return TRUTH_MARK if isinstance(other, Mark | int | float) else NotImplemented

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _binary
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _compare
    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> Mark:
        return self

    def __getattr__(self, name: str) -> Function:
        raise AttributeError(f"a plain number has no {name}")


MARK = Mark()


class Marks:
    """Every elementary function of marks is a mark."""

    def __getattr__(self, name: str) -> Function:
        return lambda *args: MARK
