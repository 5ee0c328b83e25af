"""The Numba type of a number and its layout in memory."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import register_model

from .jet import pairs
from .lane import FORMATS, Format


class JetType(types.Type):
    """A number of dtype float32 or float64: order 0 a plain value, order 1 with `n` first partials, order 2 with second.

    Parameters
    ----------
    bits : int
        32 or 64.
    n : int
        Number of variables; 0 exactly when `order` is 0.
    order : int
        0, 1 or 2.
    """

    def __init__(self, bits: int, n: int = 0, order: int = 0) -> None:
        if order not in (0, 1, 2) or bits not in FORMATS or n < 0:
            raise ValueError(f"no such number: {bits} bits, {n} variables, order {order}")
        self.bits = bits
        self.order = order if n else 0
        self.n = n if order else 0
        super().__init__(name=f"Number(float{bits}, n={self.n}, order={self.order})")

    @property
    def format(self) -> Format:
        """The floating-point format of the parts."""
        return FORMATS[self.bits]

    @property
    def native(self) -> Any:
        """The Numba float type of the parts."""
        return types.float64 if self.bits == 64 else types.float32

    @property
    def size(self) -> int:
        """Number of floats: value, first partials, packed second partials."""
        return 1 + (self.n if self.order else 0) + (len(pairs(self.n)) if self.order == 2 else 0)


def machine_type(number: JetType) -> Any:
    """LLVM type of a number: a float when plain, an array [value, partials, second partials] otherwise."""
    return number.format.type if number.order == 0 else ir.ArrayType(number.format.type, number.size)


@register_model(JetType)
class JetModel(models.PrimitiveModel):
    """A jet is an array of floats, which LLVM takes apart into registers."""

    def __init__(self, dmm: Any, fe_type: JetType) -> None:
        super().__init__(dmm, fe_type, machine_type(fe_type))
