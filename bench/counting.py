"""Operations of a formula, counted by running the formula itself on numbers that write down what is done to
them.

The numbers are the kernels' own LLVM lanes over a builder that emits nothing: it gives every distinct
operation a name, as a compiler's elimination of common subexpressions does, so that what is counted is what
remains, inside of logarithms and arc tangents included. Only operations that reach the result count, and only
those that change from pair to pair.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from dislok.kernels.scalar import Jet
from dislok.kernels.scalar.lane import FORMATS, Lane, Truth

FLOPS = ("fadd", "fsub", "fmul", "fdiv", "sqrt")
COMMUTE = ("fadd", "fmul", "and_", "or_", "xor", "add")


class Operations(NamedTuple):
    """Distinct operations behind a result.

    Attributes
    ----------
    add, multiply, divide, root : int
        Floating-point additions (and subtractions), multiplications, divisions and square roots.
    select : int
        Selects and comparisons.
    other : int
        Signs, absolute values and operations on bits.
    """

    add: int
    multiply: int
    divide: int
    root: int
    select: int
    other: int

    @property
    def flops(self) -> int:
        """Additions, multiplications, divisions and square roots, each as one."""
        return self.add + self.multiply + self.divide + self.root


class Recorder:
    """Stands in for an LLVM builder: every distinct operation gets a number."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, tuple]] = []
        self._known: dict[tuple[str, tuple], int] = {}

    def node(self, name: str, operands: Sequence[Any]) -> int:
        """The number of this operation on these operands, a new one only if it is new."""
        keys = tuple(x if isinstance(x, int) else str(x) for x in operands)
        if name in COMMUTE:
            keys = tuple(sorted(keys, key=str))
        key = (name, keys)
        if key not in self._known:
            self._known[key] = len(self.operations)
            self.operations.append(key)
        return self._known[key]

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *operands, flags=(): self.node(name, operands)

    @property
    def module(self) -> "Recorder":
        return self

    def declare_intrinsic(self, name: str, *_: Any) -> str:
        """The name itself: `call` gets it back."""
        return name.removeprefix("llvm.")

    def bitcast(self, value: int, _: Any) -> int:
        """Costs nothing and changes nothing that is counted."""
        return value

    def call(self, function: str, values: Sequence[Any], fastmath: Any = ()) -> int:
        return self.node(function, values)

    def variable(self, name: str, per_pair: bool = True) -> Lane:
        """An input of the formula; what follows from inputs that are not `per_pair` alone is not counted."""
        return Lane(self, FORMATS[64], self.node("input" if per_pair else "constant", (name,)))

    def count(self, results: Iterable[Any]) -> Operations:
        """What lies behind `results`: lanes, jets of lanes, or plain numbers (which cost nothing)."""
        reached: set[int] = set()
        waiting = [lane.value for lane in _lanes(results)]
        while waiting:
            current = waiting.pop()
            if isinstance(current, int) and current not in reached:
                reached.add(current)
                waiting.extend(k for k in self.operations[current][1] if isinstance(k, int))
        changing: set[int] = set()
        # Operands come before what is made of them.
        for k in sorted(reached):
            name, operands = self.operations[k]
            if name == "input" or any(isinstance(x, int) and x in changing for x in operands):
                changing.add(k)
        return _summed(Counter(self.operations[k][0] for k in changing))


def _lanes(values: Iterable[Any]) -> list[Lane | Truth]:
    found: list[Lane | Truth] = []
    for value in values:
        if isinstance(value, Lane | Truth):
            found.append(value)
        elif isinstance(value, Jet):
            found += _lanes([value.v, *value.p, *(value.h or ())])
        elif isinstance(value, list | tuple):
            found += _lanes(value)
    return found


def _summed(counts: Counter) -> Operations:
    """Counts of LLVM instructions by the classes of `Operations`."""
    counts.pop("input", None)
    add, multiply = counts.pop("fadd", 0) + counts.pop("fsub", 0), counts.pop("fmul", 0)
    divide, root = counts.pop("fdiv", 0), counts.pop("sqrt", 0)
    select = sum(
        counts.pop(k, 0) for k in ("select", "fcmp_ordered", "fcmp_unordered", "icmp_signed", "icmp_unsigned")
    )
    return Operations(add, multiply, divide, root, select, sum(counts.values()))
