"""Vector code of the taps of one pixel: their weights, and the sum of a square of coefficients times them."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dislok.kernels.names import Builder, Context, Intrinsic, Kind, Signature, Value

FLAGS = ("contract", "nsz", "reassoc")


@intrinsic
def weigh(
    typing: Context, table: Kind, at: Kind, t: Kind, out: Kind, to: Kind, count: Kind, lanes: Kind
) -> Intrinsic:
    """Write `lanes` polynomials of t, whose `count` rows of factors, highest power first, begin at `at`."""
    if not (isinstance(count, types.IntegerLiteral) and isinstance(lanes, types.IntegerLiteral)):
        return None

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        n, width = count.literal_value, lanes.literal_value
        vector = ir.VectorType(context.get_data_type(table.dtype), width)
        place = _address(context, builder, signature.args[0], args[0], args[1])
        power = _splat(builder, args[2], vector)
        total = _load(builder, place, 0, vector)
        for j in range(1, n):
            product = builder.fmul(total, power, flags=FLAGS)
            total = builder.fadd(product, _load(builder, place, j * width, vector), flags=FLAGS)
        target = _address(context, builder, signature.args[3], args[3], args[4])
        builder.store(total, builder.bitcast(target, vector.as_pointer()), align=_bytes(vector))
        return context.get_dummy_value()

    kinds = (table, types.uint64, table.dtype, out, types.uint64, count, lanes)
    return types.none(*kinds), generate


@intrinsic
def combine(
    typing: Context,
    plane: Kind,
    at: Kind,
    stride: Kind,
    w: Kind,
    down: Kind,
    across: Kind,
    count: Kind,
    lanes: Kind,
) -> Intrinsic:
    """Sum over `count` rows of `plane`, `stride` apart from element `at`, weighted down and across.

    Row by row: ``w[down + row]`` times the products of `lanes` neighbours with ``w[across:]``.
    """
    if not (isinstance(count, types.IntegerLiteral) and isinstance(lanes, types.IntegerLiteral)):
        return None

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        width = lanes.literal_value
        total = _weighted(context, builder, signature, args, count.literal_value, width)
        return _sum(builder, total, width)

    kinds = (plane, types.uint64, types.uint64, w, types.uint64, types.uint64, count, lanes)
    return plane.dtype(*kinds), generate


@intrinsic
def combine_two(
    typing: Context,
    plane: Kind,
    at: Kind,
    stride: Kind,
    w: Kind,
    down: Kind,
    across: Kind,
    count: Kind,
    lanes: Kind,
) -> Intrinsic:
    """What `combine` gives, of two planes that lie in one, their numbers in turn: two sums.

    The weights at ``w[across:]`` stand twice each.
    """
    if not (isinstance(count, types.IntegerLiteral) and isinstance(lanes, types.IntegerLiteral)):
        return None

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        width = lanes.literal_value
        total = _weighted(context, builder, signature, args, count.literal_value, width)
        sums = [_sum(builder, _every_second(builder, total, width, k), width // 2) for k in range(2)]
        return context.make_tuple(builder, signature.return_type, sums)

    kinds = (plane, types.uint64, types.uint64, w, types.uint64, types.uint64, count, lanes)
    return types.UniTuple(plane.dtype, 2)(*kinds), generate


def _weighted(
    context: Context, builder: Builder, signature: Signature, args: Value, rows: int, width: int
) -> Value:
    """Rows of neighbours, each times its weight, summed up; times the weights across."""
    kinds = signature.args
    vector = ir.VectorType(context.get_data_type(kinds[0].dtype), width)
    place = _address(context, builder, kinds[0], args[0], args[1])
    weight = _address(context, builder, kinds[3], args[3], args[4])
    total = None
    for row in range(rows):
        factor = _splat(builder, builder.load(_beyond(builder, weight, row)), vector)
        term = builder.fmul(_load(builder, place, 0, vector), factor, flags=FLAGS)
        total = term if total is None else builder.fadd(total, term, flags=FLAGS)
        place = builder.gep(place, [args[2]], inbounds=True)
    beside = _address(context, builder, kinds[3], args[3], args[5])
    return builder.fmul(total, _load(builder, beside, 0, vector), flags=FLAGS)


def _every_second(builder: Builder, vector: Kind, width: int, first: int) -> Value:
    lanes = list(range(first, width, 2))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), width // 2), lanes)
    return builder.shuffle_vector(vector, vector, mask)


@intrinsic
def spread(
    typing: Context, plane: Kind, at: Kind, w: Kind, factor: Kind, across: Kind, lanes: Kind
) -> Intrinsic:
    """Add `factor` times ``w[across:]`` to `lanes` neighbours of `plane` from element `at`."""
    if not isinstance(lanes, types.IntegerLiteral):
        return None

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        vector = ir.VectorType(context.get_data_type(plane.dtype), lanes.literal_value)
        place = _address(context, builder, signature.args[0], args[0], args[1])
        beside = _address(context, builder, signature.args[2], args[2], args[4])
        times = _splat(builder, args[3], vector)
        term = builder.fmul(_load(builder, beside, 0, vector), times, flags=FLAGS)
        total = builder.fadd(_load(builder, place, 0, vector), term, flags=FLAGS)
        builder.store(total, builder.bitcast(place, vector.as_pointer()), align=_bytes(vector))
        return context.get_dummy_value()

    return types.none(plane, types.uint64, w, plane.dtype, types.uint64, lanes), generate


def _address(context: Context, builder: Builder, kind: Kind, array: Value, at: Value) -> Value:
    """Where an element of an array lies."""
    data = context.make_array(kind)(context, builder, value=array).data
    return builder.gep(data, [at], inbounds=True)


def _beyond(builder: Builder, place: Value, count: int) -> Value:
    return builder.gep(place, [ir.Constant(ir.IntType(64), count)], inbounds=True)


def _bytes(vector: Kind) -> int:
    """Alignment of an element."""
    return 4 if isinstance(vector.element, ir.FloatType) else 8


def _load(builder: Builder, place: Value, offset: int, vector: Kind) -> Value:
    there = builder.bitcast(_beyond(builder, place, offset), vector.as_pointer())
    return builder.load(there, align=_bytes(vector))


def _splat(builder: Builder, value: Value, vector: Kind) -> Value:
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)


def _sum(builder: Builder, vector: Kind, width: int) -> Value:
    """Sum of the lanes, by halves."""
    while width > 1:
        half = width // 2
        halves = [
            builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), half), part))
            for part in (list(range(half)), list(range(half, width)))
        ]
        vector, width = builder.fadd(*halves, flags=FLAGS), half
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))
