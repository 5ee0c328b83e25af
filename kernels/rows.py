"""Numbers that lie side by side in arrays, as tuples: for loops that take one row after the other.

Plain Python, which the simulator of CUDA devices runs; compiled code, for the processor and for devices, gets
loads and stores at constant distances, which leave small local arrays in registers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba.core import cgutils, imputils, types
from numba.core.typing import templates

from dislok.kernels.names import Builder, Context, Signature, Value
from dislok.kernels.scalar import JetType


def load(array, at, count):
    """`count` numbers from element `at` on; `count` is known when the code is compiled."""
    return tuple(array[at + k] for k in range(count))


def load_double(array, at, count):
    """`load` in float64, whatever the array holds."""
    return tuple(np.float64(array[at + k]) for k in range(count))


def store(array, at, jump, row, numbers):
    """Write a tuple in rows of `row` numbers (known when the code is compiled) that begin `jump` apart."""
    for k, x in enumerate(numbers):
        array[at + (k // row) * jump + k % row] = x


def clear(array, count):
    """Set the first `count` elements (known when the code is compiled) to zero."""
    for k in range(count):
        array[k] = 0.0


def accumulate(array, at, step, numbers, sign):
    """Add `sign` times a tuple to elements `step` apart (known when the code is compiled), from `at` on."""
    for k, x in enumerate(numbers):
        array[at + k * step] += sign * x


def _load_type(array, at, count):
    if not isinstance(count, types.IntegerLiteral):
        return None
    return types.UniTuple(JetType(array.dtype.bitwidth), count.literal_value)


def _load_double_type(array, at, count):
    return (
        types.UniTuple(JetType(64), count.literal_value) if isinstance(count, types.IntegerLiteral) else None
    )


def _load_code(context, builder, signature, args):
    wanted = context.get_data_type(signature.return_type.dtype)
    parts = []
    for k in range(signature.return_type.count):
        number = builder.load(element(context, builder, signature, args, k))
        parts.append(number if number.type == wanted else builder.fpext(number, wanted))
    return cgutils.pack_array(builder, parts)


def _store_type(array, at, jump, row, numbers):
    return types.none if isinstance(row, types.IntegerLiteral) else None


def _store_code(context, builder, signature, args):
    _, at, jump, row, _ = args
    length = signature.args[3].literal_value
    for k in range(len(signature.args[4])):
        start = builder.add(at, builder.mul(jump, ir.Constant(at.type, k // length)))
        place = element(context, builder, signature, (args[0], start), k % length)
        number = builder.extract_value(args[4], k)
        same = number.type == place.type.pointee
        builder.store(number if same else builder.fptrunc(number, place.type.pointee), place)
    return context.get_dummy_value()


def _clear_type(array, count):
    return types.none if isinstance(count, types.IntegerLiteral) else None


def _clear_code(context, builder, signature, args):
    begin = ir.Constant(ir.IntType(64), 0)
    for k in range(signature.args[1].literal_value):
        place = element(context, builder, signature, (args[0], begin), k)
        builder.store(ir.Constant(place.type.pointee, 0.0), place)
    return context.get_dummy_value()


def _accumulate_type(array, at, step, numbers, sign):
    return types.none if isinstance(step, types.IntegerLiteral) else None


def _accumulate_code(context, builder, signature, args):
    flags = ("contract", "nsz")
    step = signature.args[2].literal_value
    for k in range(len(signature.args[3])):
        place = element(context, builder, signature, args, k * step)
        term = builder.fmul(args[4], builder.extract_value(args[3], k), flags=flags)
        builder.store(builder.fadd(builder.load(place), term, flags=flags), place)
    return context.get_dummy_value()


def element(context: Context, builder: Builder, signature: Signature, args: Value, k: int) -> Value:
    """Pointer to element ``args[1] + k`` of the array ``args[0]``."""
    array = context.make_array(signature.args[0])(context, builder, value=args[0])
    start = builder.gep(array.data, [args[1]], inbounds=True)
    return builder.gep(start, [ir.Constant(ir.IntType(64), k)], inbounds=True)


def bind(function: Callable, typer: Callable, code: Callable) -> None:
    """Give compiled code an implementation of a Python function; indices become 64-bit integers."""

    def generic(self: Value, args: Value, kws: Value) -> Value:
        result = typer(*args)
        if result is None:
            return None
        wide = [types.int64 if ty in types.integer_domain else ty for ty in args]
        return templates.signature(result, *wide)

    members = {"key": function, "generic": generic, "prefer_literal": True}
    template = type(f"Row_{function.__name__}", (templates.AbstractTemplate,), members)
    templates.builtin_registry.register_global(function, types.Function(template))
    imputils.builtin_registry.lower(function, types.VarArg(types.Any))(code)


bind(load, _load_type, _load_code)
bind(load_double, _load_double_type, _load_code)
bind(store, _store_type, _store_code)
bind(clear, _clear_type, _clear_code)
bind(accumulate, _accumulate_type, _accumulate_code)
