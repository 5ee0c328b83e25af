"""The Numba type of a number and its layout in memory."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.typeconv import Conversion
from numba.extending import register_model

from dislok.kernels.names import Context, Kind, Value

from .jets import Jet, pairs
from .lane import FORMATS, Format
from .symbol import MARK, ZERO


class JetType(types.Type):
    """A number: its float width, variables, order, and which of its partials are not zero by structure.

    Parameters
    ----------
    bits : int
        32 or 64.
    n, order : int
        Number of variables and highest derivative (0, 1, 2). Either being 0 makes a plain number.
    p, h : tuple of int, optional
        Indices of the first partials and of the packed second partials that are carried.
    """

    def __init__(
        self, bits: int, n: int = 0, order: int = 0, p: tuple[int, ...] = (), h: tuple[int, ...] = ()
    ) -> None:
        if order not in (0, 1, 2) or bits not in FORMATS or n < 0:
            raise ValueError(f"no such number: {bits} bits, {n} variables, order {order}")
        self.bits = bits
        self.n, self.order = (n, order) if n and order else (0, 0)
        self.p, self.h = tuple(p), tuple(h)
        super().__init__(name=f"Number({bits}, {self.n}, {self.order}, {self.p}, {self.h})")

    @staticmethod
    def like(bits: int, pattern: Kind) -> JetType:
        """Type of what a rule returned: a jet, whose zeros count, or any plain number."""
        if not isinstance(pattern, Jet):
            return JetType(bits)
        p, h = ([k for k, d in enumerate(part or ()) if d is not ZERO] for part in (pattern.p, pattern.h))
        return JetType(bits, pattern.n, pattern.order, tuple(p), tuple(h))

    @property
    def format(self) -> Format:
        """The floating-point format of the parts."""
        return FORMATS[self.bits]

    @property
    def native(self) -> Kind:
        """The Numba float type of the parts."""
        return types.float64 if self.bits == 64 else types.float32

    @property
    def size(self) -> int:
        """Number of floats: value, first partials, second partials."""
        return 1 + len(self.p) + len(self.h)

    def filled(self, parts: Value) -> Value:
        """The jet or plain number with these parts: value, carried first and carried second partials."""
        parts = list(parts)
        if self.order == 0:
            return parts[0]
        first = dict(zip(self.p, parts[1:], strict=False))
        second = dict(zip(self.h, parts[1 + len(self.p) :], strict=True))
        p = [first.get(k, ZERO) for k in range(self.n)]
        h = [second.get(k, ZERO) for k in range(len(pairs(self.n)))] if self.order == 2 else None
        return Jet(parts[0], p, h)

    def parts(self, number: Value) -> list[Value]:
        """The parts of a number that this type carries, in order."""
        if not isinstance(number, Jet):
            return [number] + [ZERO] * (self.size - 1)
        second = number.h or ()
        return [number.v, *(number.p[k] for k in self.p), *(second[k] for k in self.h)]

    def pattern(self) -> Kind:
        """A number of this type with marks for parts."""
        return self.filled([MARK] * self.size)

    def unify(self, typingctx: Context, other: Kind) -> Kind:
        """The type that holds both: the union of the partials; a plain number or literal joins any jet."""
        if isinstance(other, types.Integer | types.Float):
            return self
        if not isinstance(other, JetType) or self.bits != other.bits:
            return None
        kinds = {(t.n, t.order) for t in (self, other) if t.order}
        if len(kinds) > 1:
            return None
        n, order = kinds.pop() if kinds else (0, 0)
        p, h = sorted({*self.p, *other.p}), sorted({*self.h, *other.h})
        return JetType(self.bits, n, order, tuple(p), tuple(h))

    def can_convert_to(self, typingctx: Context, other: Kind) -> Kind:
        """A number converts to a type that carries everything that it carries."""
        if isinstance(other, JetType) and other == self.unify(typingctx, other):
            return Conversion.safe
        return None


def machine_type(number: JetType) -> Kind:
    """LLVM type of a number: a float when plain, an array [value, partials, second partials] otherwise."""
    return number.format.type if number.order == 0 else ir.ArrayType(number.format.type, number.size)


@register_model(JetType)
class JetModel(models.PrimitiveModel):
    """A jet is an array of floats, which LLVM takes apart into registers."""

    def __init__(self, dmm: Value, fe_type: JetType) -> None:
        super().__init__(dmm, fe_type, machine_type(fe_type))
