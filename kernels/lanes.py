"""Blocks of pairs on the CPU: rows of `LANES` numbers, of which vector code takes one lane each."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dislok.kernels.scalar import JetType

LANES = 64


@intrinsic
def load(typing: Any, rows: Any, at: Any, count: Any) -> Any:
    """`count` numbers that lie `LANES` apart, from element `at`."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = types.UniTuple(JetType(64 if rows.dtype == types.float64 else 32), count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, signature, args)
        parts = [builder.load(_row(builder, pointer, k)) for k in range(count.literal_value)]
        return cgutils.pack_array(builder, parts)

    return result(rows, types.uint64, count), generate


@intrinsic
def store(typing: Any, rows: Any, at: Any, numbers: Any) -> Any:
    """Write a tuple of numbers `LANES` apart, from element `at`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, signature, args)
        for k in range(len(numbers)):
            builder.store(builder.extract_value(args[2], k), _row(builder, pointer, k))
        return context.get_dummy_value()

    return types.none(rows, types.uint64, numbers), generate


@intrinsic
def accumulate(typing: Any, rows: Any, at: Any, numbers: Any, sign: Any) -> Any:
    """Add `sign` times a tuple of numbers to rows `LANES` apart, from element `at`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, signature, args)
        flags = ("contract", "nsz")
        for k in range(len(numbers)):
            place = _row(builder, pointer, k)
            term = builder.fmul(args[3], builder.extract_value(args[2], k), flags=flags)
            builder.store(builder.fadd(builder.load(place), term, flags=flags), place)
        return context.get_dummy_value()

    return types.none(rows, types.uint64, numbers, rows.dtype), generate


def _element(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, value=args[0])
    return builder.gep(array.data, [args[1]], inbounds=True)


def _row(builder: Any, pointer: Any, k: int) -> Any:
    return builder.gep(pointer, [ir.Constant(ir.IntType(64), k * LANES)], inbounds=True)
