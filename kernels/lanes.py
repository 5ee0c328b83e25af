"""Blocks of pairs on the CPU: rows of `LANES` numbers, of which vector code takes one lane each."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dislok.kernels.cpu import kernel
from dislok.kernels.names import Builder, Context, Intrinsic, Kind, Signature, Value
from dislok.kernels.scalar import JetType

LANES = 64
TILE = 8  # lanes and rows that are turned together
LINE = 64  # bytes of a cache line


@intrinsic
def load(typing: Context, rows: Kind, at: Kind, count: Kind) -> Intrinsic:
    """`count` numbers that lie `LANES` apart, from element `at`."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = types.UniTuple(JetType(64 if rows.dtype == types.float64 else 32), count.literal_value)

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        pointer = _element(context, builder, signature, args)
        parts = [builder.load(_row(builder, pointer, k)) for k in range(count.literal_value)]
        return cgutils.pack_array(builder, parts)

    return result(rows, types.uint64, count), generate


@intrinsic
def store(typing: Context, rows: Kind, at: Kind, numbers: Kind) -> Intrinsic:
    """Write a tuple of numbers `LANES` apart, from element `at`."""

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        pointer = _element(context, builder, signature, args)
        for k in range(len(numbers)):
            builder.store(builder.extract_value(args[2], k), _row(builder, pointer, k))
        return context.get_dummy_value()

    return types.none(rows, types.uint64, numbers), generate


@intrinsic
def accumulate(typing: Context, rows: Kind, at: Kind, numbers: Kind, sign: Kind) -> Intrinsic:
    """Add `sign` times a tuple of numbers to rows `LANES` apart, from element `at`."""

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        pointer = _element(context, builder, signature, args)
        flags = ("contract", "nsz")
        for k in range(len(numbers)):
            place = _row(builder, pointer, k)
            term = builder.fmul(args[3], builder.extract_value(args[2], k), flags=flags)
            builder.store(builder.fadd(builder.load(place), term, flags=flags), place)
        return context.get_dummy_value()

    return types.none(rows, types.uint64, numbers, rows.dtype), generate


@intrinsic
def transpose(typing: Context, rows: Kind, at: Kind, out: Kind, to: Kind, stride: Kind) -> Intrinsic:
    """Write `TILE` consecutive lanes of `TILE` rows, which begin at the elements `at` of `rows`.

    The numbers of a lane come to lie side by side in the array `out`, lane after lane `stride` apart, from
    element `to`.
    """

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        source = _first(context, builder, signature.args[0], args[0])
        target = _first(context, builder, signature.args[2], args[2])
        vector = ir.VectorType(context.get_data_type(rows.dtype), TILE)
        size = rows.dtype.bitwidth // 8
        block = []
        for begin in cgutils.unpack_tuple(builder, args[1]):
            place = builder.bitcast(builder.gep(source, [begin], inbounds=True), vector.as_pointer())
            block.append(builder.load(place, align=size))
        for lane, numbers in enumerate(_transposed(builder, block)):
            offset = builder.add(args[3], builder.mul(args[4], ir.Constant(ir.IntType(64), lane)))
            place = builder.bitcast(builder.gep(target, [offset], inbounds=True), vector.as_pointer())
            builder.store(numbers, place, align=size)
        return context.get_dummy_value()

    return types.none(rows, types.UniTuple(types.uint64, TILE), out, types.uint64, types.uint64), generate


@kernel
def lane_sum(rows, first, used):
    """Sum of the first `used` lanes of the row at `first`, whose place it takes, by halves."""
    for k in range(first + used, first + LANES):
        rows[k] = 0.0
    half = LANES // 2
    while half:
        for k in range(np.uint64(first), np.uint64(first + half)):
            rows[k] += rows[k + np.uint64(half)]
        half //= 2
    return rows[first]


@intrinsic
def write_line(typing: Context, numbers: Kind, at: Kind, out: Kind, to: Kind) -> Intrinsic:
    """Copy `LINE` bytes from element `at` to element `to` of `out`, which begins a line, past the caches.

    Memory is not read first, as it is for an ordinary store. `fence` orders such stores before what follows.
    """

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        size = numbers.dtype.bitwidth // 8
        vector = ir.VectorType(context.get_data_type(numbers.dtype), LINE // size).as_pointer()
        source = _first(context, builder, signature.args[0], args[0])
        target = _first(context, builder, signature.args[2], args[2])
        place = builder.bitcast(builder.gep(source, [args[1]], inbounds=True), vector)
        line = builder.bitcast(builder.gep(target, [args[3]], inbounds=True), vector)
        written = builder.store(builder.load(place, align=size), line, align=LINE)
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.none(numbers, types.uint64, out, types.uint64), generate


@intrinsic
def fence(typing: Context) -> Intrinsic:
    """Let all stores so far be seen by other threads before any later one."""

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.none(), generate


def _transposed(builder: Builder, block: list[Value]) -> list[Value]:
    """`TILE` vectors of `TILE` elements, turned: each step swaps the two halves of ever smaller squares."""
    half = TILE // 2
    while half:
        chosen = [[k + (TILE - half if k & half else 0) for k in range(TILE)]]
        chosen.append([k + (TILE if k & half else half) for k in range(TILE)])
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), TILE), mask) for mask in chosen]
        turned = list(block)
        for i in (i for i in range(TILE) if not i & half):
            turned[i] = builder.shuffle_vector(block[i], block[i + half], masks[0])
            turned[i + half] = builder.shuffle_vector(block[i], block[i + half], masks[1])
        block, half = turned, half // 2
    return block


def _element(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
    return builder.gep(_first(context, builder, signature.args[0], args[0]), [args[1]], inbounds=True)


def _first(context: Context, builder: Builder, kind: Kind, value: Value) -> Value:
    """Where the first element of an array lies; a pointer says so itself."""
    is_array = isinstance(kind, types.Array)
    return context.make_array(kind)(context, builder, value=value).data if is_array else value


def _row(builder: Builder, pointer: Value, k: int) -> Value:
    return builder.gep(pointer, [ir.Constant(ir.IntType(64), k * LANES)], inbounds=True)
