"""Code for blocks of pairs, known by its address and compiled when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from dislok.kernels.cpu import address
from dislok.kernels.names import Builder, Context, Intrinsic, Signature, Value

from .blocks import FINISH, FIRST, METHOD

_compiling = Lock()


class Code:
    """What `blocks.run` calls for an operation.

    Parameters
    ----------
    methods : int
        Number of methods.
    make : callable
        ``make(place)`` compiles the code at a place and returns its address.
    zeroed, rows : int
        Rows that are set to zero for the methods to add to; rows that they write in all.
    fused : bool
        The first method gives the result's rows at once.
    serial : int
        Up to this many pairs a call stays in the caller's thread.
    """

    def __init__(
        self,
        methods: int,
        make: Callable[[int], int],
        zeroed: int,
        rows: int,
        fused: bool = False,
        serial: int = 4096,
    ) -> None:
        self.addresses = np.zeros(FIRST + methods, np.int64)
        self.make, self.zeroed, self.rows = make, zeroed, rows
        self.fused, self.serial = fused, serial

    def compile(self, place: int) -> None:
        """Fill in an address."""
        with _compiling:
            if not self.addresses[place]:
                self.addresses[place] = self.make(place)


def native(dtype: np.dtype) -> types.Type:
    """Numba's type of a precision."""
    return types.float64 if dtype == np.float64 else types.float32


def compiled(function: Callable[..., None], place: int, dtype: np.dtype) -> int:
    """Address of a function that `blocks.run` calls at a place."""
    real = native(dtype)
    pointer = types.CPointer(real)
    if place == METHOD:
        return address(function, pointer, pointer, types.int64, types.int64, types.int64, pointer)
    blocks = pointer, pointer, pointer, types.int64
    return address(function, *blocks, *(() if place == FINISH else (real, real, types.int64, real)))


@intrinsic
def apart(typing: Context) -> Intrinsic:
    """Promise that the arrays of the function that calls this do not overlap: LLVM need not make sure."""

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        for argument in builder.function.args:
            if argument.type.is_pointer:
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), generate
