"""Formulas along rows: vector code over consecutive numbers, whatever the compiler knows of where they lie.

A compiler must prove that no row overlaps another before it takes several numbers at once; with a dozen
slices of one array it gives up. Here the formula itself is emitted on vectors.
"""

from __future__ import annotations

from itertools import zip_longest

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dislok.kernels.names import Builder, Context, Function, Intrinsic, Kernel, Kind, Signature, Value
from dislok.kernels.scalar.lane import FLAGS, FORMATS, Bits, Format, Lane

WIDTH = 8


class _Vectors(Format):
    """float32 numbers, `WIDTH` at a time."""

    def __init__(self) -> None:
        super().__init__(32)
        self.type = ir.VectorType(self.type, WIDTH)
        self.integer = ir.VectorType(self.integer, WIDTH)
        self.suffix = f"v{WIDTH}f32"


VECTORS = _Vectors()


class _WideBits(Bits):
    """The bit patterns of a `Wide`."""

    def _other(self, other: Bits | int) -> Value:
        return other.value if isinstance(other, Bits) else ir.Constant(self.format.integer, [other] * WIDTH)

    def _new(self, value: Value) -> Bits:
        return _WideBits(self.kind, self.builder, self.format, value)


class Wide(Lane):
    """A vector of float32 numbers in place of one; Python numbers beside it stand in all of its lanes."""

    def constant(self, number: float) -> Wide:
        """`number` in every lane."""
        return self._new(ir.Constant(self.format.type, [float(number)] * WIDTH))

    def bits(self) -> Bits:
        """The bit pattern of every lane."""
        return _WideBits(
            Wide, self.builder, self.format, self.builder.bitcast(self.value, self.format.integer)
        )

    def intrinsic(self, name: str, *others: Lane | float) -> Lane:
        """LLVM's intrinsic of this name on this and `others`, lane by lane."""
        kinds = [self.format.type] * (1 + len(others))
        kind = ir.FunctionType(kinds[0], kinds)
        module, mangled = self.builder.module, f"llvm.{name}.{self.format.suffix}"
        function = cgutils.get_or_insert_function(module, kind, mangled)
        values = [self.value, *(self._other(other) for other in others)]
        return self._new(self.builder.call(function, values, fastmath=FLAGS))


def streamed(formula: Function, *shifts: tuple[int, ...]) -> Kernel:
    """A formula as an operation of compiled code on rows.

    ``run(out, rows, constants)`` takes tuples: arrays (n,) of float32 to write, to read, and float32
    numbers. For each place the formula gets the numbers of each row that lie so many places further
    (`shifts`, one tuple for each row, none for the place itself), then the constants, and returns as many as
    `out` has. Rows that are read at shifts are that much longer. A row may be read and written; no other
    overlap is looked for.
    """

    def run(typing: Context, out: Value, rows: Value, constants: Value) -> Value:
        _checked(formula, (*out, *rows))

        def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
            targets, count = _places(context, builder, signature.args[0], args[0])
            sources = _places(context, builder, signature.args[1], args[1])[0]
            _loops(builder, formula, (targets, sources), args[2], count, shifts)
            return context.get_dummy_value()

        return types.none(out, rows, constants), generate

    return _named(run, formula)


def placed(formula: Function, *shifts: tuple[int, ...]) -> Kernel:
    """`streamed` for rows that are parts of arrays, of which no slices need be taken.

    ``run(out, to, rows, at, constants, count)``: flat arrays to write and to read, a tuple or one for all
    rows, with the elements at which rows begin, of 64 bits, and the length of the rows.
    """

    def run(
        typing: Context, out: Value, to: Value, rows: Value, at: Value, constants: Value, count: Value
    ) -> Value:
        _checked(formula, [array for each in (out, rows) for array in _many(each)])

        def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
            ends = []
            for arrays, places in ((0, 1), (2, 3)):
                kinds, values, numbers = signature.args[arrays], args[arrays], args[places]
                offsets = cgutils.unpack_tuple(builder, numbers)
                if isinstance(kinds, types.Array):
                    values = [context.make_array(kinds)(context, builder, value=values).data] * len(offsets)
                else:
                    values = _places(context, builder, kinds, values)[0]
                pairs = zip(values, offsets, strict=True)
                ends.append([builder.gep(first, [offset], inbounds=True) for first, offset in pairs])
            _loops(builder, formula, (ends[0], ends[1]), args[4], args[5], shifts)
            return context.get_dummy_value()

        whole = types.int64
        kinds = types.UniTuple(whole, len(to)), types.UniTuple(whole, len(at))
        return types.none(out, kinds[0], rows, kinds[1], constants, whole), generate

    return _named(run, formula)


def _named(run: Function, formula: Function) -> Kernel:
    run.__name__ = run.__qualname__ = formula.__name__
    run.__doc__ = formula.__doc__
    return intrinsic(run)


def _many(arrays: Value) -> Value:
    return (arrays,) if isinstance(arrays, types.Array) else arrays


def _checked(formula: Function, arrays: Value) -> None:
    for array in arrays:
        if not (isinstance(array, types.Array) and array.layout == "C" and array.dtype == types.float32):
            raise TypeError(f"{formula.__name__}: rows must be contiguous float32, not {array}")


def _loops(
    builder: Builder,
    formula: Function,
    rows: tuple[list[Value], list[Value]],
    constants: Value,
    count: Value,
    shifts: tuple[tuple[int, ...], ...],
) -> None:
    """The formula along rows to write and to read: vectors first, then what is left."""
    numbers = cgutils.unpack_tuple(builder, constants)
    taken = [(row, k) for row, each in zip_longest(rows[1], shifts, fillvalue=(0,)) for k in each]
    whole = builder.and_(count, ir.Constant(count.type, -WIDTH))
    zero = ir.Constant(count.type, 0)
    for low, high, step in ((zero, whole, WIDTH), (whole, count, 1)):
        ends = low, high, ir.Constant(count.type, step)
        with cgutils.for_range_slice(builder, *ends, count.type) as (index, _):
            _step(builder, formula, rows[0], taken, numbers, index, step == WIDTH)


def _places(context: Context, builder: Builder, kinds: Kind, arrays: Value) -> tuple[list[Value], Value]:
    """Where rows begin, and how many numbers the first one has."""
    made = [
        context.make_array(kind)(context, builder, value=value)
        for kind, value in zip(kinds, cgutils.unpack_tuple(builder, arrays), strict=True)
    ]
    return [each.data for each in made], cgutils.unpack_tuple(builder, made[0].shape)[0]


def _step(
    builder: Builder, formula: Value, targets: list, taken: list, numbers: list, index: Value, wide: bool
) -> None:
    """The formula at one place, or at `WIDTH` places at once."""
    fmt, kind = (VECTORS, Wide) if wide else (FORMATS[32], Lane)
    values = []
    for row, shift in taken:
        place = builder.add(index, ir.Constant(index.type, shift))
        values.append(builder.load(_at(builder, row, place, fmt), align=4))
    fixed = [_splat(builder, each) if wide else each for each in numbers]
    found = formula(*(kind(builder, fmt, each) for each in (*values, *fixed)))
    results = found if isinstance(found, tuple | list) else (found,)
    for row, result in zip(targets, results, strict=True):
        builder.store(result.value, _at(builder, row, index, fmt), align=4)


def _at(builder: Builder, row: Value, index: Value, fmt: Format) -> Value:
    return builder.bitcast(builder.gep(row, [index], inbounds=True), fmt.type.as_pointer())


def _splat(builder: Builder, value: Value) -> Value:
    empty = ir.Constant(VECTORS.type, ir.Undefined)
    single = builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(single, empty, mask)


@intrinsic
def least(typing: Context, row: Kind) -> Intrinsic:
    """The smallest number of a contiguous row of float32 of at least one."""
    if not (isinstance(row, types.Array) and row.layout == "C" and row.dtype == types.float32):
        raise TypeError(f"least: expected a contiguous row of float32, not {row}")

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        made = context.make_array(row)(context, builder, value=args[0])
        place, count = made.data, cgutils.unpack_tuple(builder, made.shape)[0]
        found = [cgutils.alloca_once(builder, fmt.type) for fmt in (VECTORS, FORMATS[32])]
        first = builder.load(place)
        builder.store(_splat(builder, first), found[0])
        builder.store(first, found[1])
        whole = builder.and_(count, ir.Constant(count.type, -WIDTH))
        zero = ir.Constant(count.type, 0)
        for low, high, step, fmt, each in (
            (zero, whole, WIDTH, VECTORS, found[0]),
            (whole, count, 1, FORMATS[32], found[1]),
        ):
            ends = low, high, ir.Constant(count.type, step)
            with cgutils.for_range_slice(builder, *ends, count.type) as (index, _):
                value = builder.load(_at(builder, place, index, fmt), align=4)
                builder.store(_smaller(builder, value, builder.load(each)), each)
        best, lanes = builder.load(found[1]), builder.load(found[0])
        for k in range(WIDTH):
            best = _smaller(builder, builder.extract_element(lanes, ir.Constant(ir.IntType(32), k)), best)
        return best

    return types.float32(row), generate


def _smaller(builder: Builder, a: Value, b: Value) -> Value:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


BLOCK = 4  # vectors that are summed at a time


@intrinsic
def weighted(typing: Context, out: Kind, source: Kind, places: Kind, weights: Kind) -> Intrinsic:
    """A window along rows or across them: ``out[k]`` = sum over j of ``weights[j] * source[places[j] + k]``.

    `out` (n,) and `source`, flat, are contiguous float32 that do not overlap; `places` are of 64 bits.
    """
    for array, dtype in zip((out, source, places, weights), WEIGHTED, strict=True):
        if not (isinstance(array, types.Array) and array.layout == "C" and array.dtype == dtype):
            raise TypeError(f"weighted: expected a contiguous array of {dtype}, not {array}")

    def generate(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        made = [
            context.make_array(kind)(context, builder, value=value)
            for kind, value in zip(signature.args, args, strict=True)
        ]
        size, many = (cgutils.unpack_tuple(builder, made[k].shape)[0] for k in (0, 2))
        begin = ir.Constant(size.type, 0)
        for vectors, fmt in ((BLOCK, VECTORS), (1, VECTORS), (1, FORMATS[32])):
            step = vectors * (WIDTH if fmt is VECTORS else 1)
            end = builder.and_(size, ir.Constant(size.type, -step))
            ends = begin, end, ir.Constant(size.type, step)
            with cgutils.for_range_slice(builder, *ends, size.type) as (index, _):
                _summed(builder, [each.data for each in made], many, index, vectors, fmt)
            begin = end
        return context.get_dummy_value()

    return types.none(out, source, places, weights), generate


WEIGHTED = (types.float32, types.float32, types.int64, types.float32)


def _summed(
    builder: Builder, rows: list[Value], many: Value, index: Value, vectors: int, fmt: Format
) -> None:
    """Sums at some vectors of places."""
    out, source, places, weights = rows
    zero = (
        _splat(builder, ir.Constant(FORMATS[32].type, 0.0)) if fmt is VECTORS else ir.Constant(fmt.type, 0.0)
    )
    sums = [cgutils.alloca_once(builder, fmt.type) for _ in range(vectors)]
    for each in sums:
        builder.store(zero, each)
    with cgutils.for_range(builder, many) as loop:
        place = builder.load(builder.gep(places, [loop.index], inbounds=True))
        weight = builder.load(builder.gep(weights, [loop.index], inbounds=True))
        factor = _splat(builder, weight) if fmt is VECTORS else weight
        row = builder.gep(source, [builder.add(place, index)], inbounds=True)
        for k, each in enumerate(sums):
            value = builder.load(_at(builder, row, ir.Constant(index.type, k * WIDTH), fmt), align=4)
            term = builder.fmul(value, factor, flags=FLAGS)
            builder.store(builder.fadd(builder.load(each), term, flags=FLAGS), each)
    for k, each in enumerate(sums):
        place = builder.add(index, ir.Constant(index.type, k * WIDTH))
        builder.store(builder.load(each), _at(builder, out, place, fmt), align=4)
