"""What Numba must know to compile formulas: the result type of every operation on numbers, and its code.

Both come from running the plain Python rules of `jets` and `functions`: on marks for the type, which finds
the partials that are zero by structure, and on LLVM lanes for the code. Everything is bound to Numba's common
registries, from which numba-cuda takes over what other packages than Numba define; which kind of lane makes
the code depends on the target that compiles.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import imputils, types
from numba.core.typing import templates

from dislok.kernels.names import Builder, Context, Function, Kind, Signature, Value

from . import functions
from .device import DeviceLane
from .lane import FORMATS, Format, Lane, Truth
from .symbol import MARK, TRUTH_MARK, ZERO, TruthMark
from .tangents import Tangent
from .types import JetType, machine_type

Rule = Function
# Argument pattern: any number of arguments of any type.
ANYTHING = (types.VarArg(types.Any),)

ARITHMETIC: tuple[Function, ...] = (operator.add, operator.sub, operator.mul, operator.truediv)
COMPARISONS: tuple[Function, ...] = (
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
)
UNARY: tuple[Function, ...] = (operator.neg, operator.pos, abs)
# A number from anything.
MAKERS: tuple[Function, ...] = (
    functions.number,
    functions.constant,
    functions.seed,
    functions.real,
    functions.first,
    functions.second,
)
# A number where an argument is a number, a native float where all are native.
ELEMENTARY: tuple[Function, ...] = (
    functions.where,
    functions.const,
    functions.power,
    functions.polynomial,
    functions.chain,
    functions.jet,
    functions.add,
    functions.subtract,
    functions.scale,
    functions.sqrt,
    functions.fma,
    functions.binade,
    functions.log,
    functions.log1p,
    functions.exp,
    functions.sin,
    functions.cos,
    functions.sin_degrees,
    functions.cos_degrees,
    functions.atan,
    functions.atan2,
    functions.absolute,
    functions.copysign,
    functions.minimum,
    functions.maximum,
)
# These read small integers from the types of their arguments.
LITERAL: tuple[Function, ...] = (*MAKERS, functions.power, functions.jet)


# --- result types ---


def _leaves(args: Kind) -> Iterator[Kind]:
    """The types of `args`, tuples opened."""
    for ty in args:
        if isinstance(ty, types.BaseTuple):
            yield from _leaves(ty.types)
        else:
            yield ty


def _width(args: Kind) -> int | None:
    """Bits of the floats that these types are computed in: the numbers' bits, else the native floats'."""
    leaves = list(_leaves(args))
    numbers = {ty.bits for ty in leaves if isinstance(ty, JetType)}
    if len(numbers) > 1:
        return None
    natives = {ty for ty in leaves if isinstance(ty, types.Float)}
    return numbers.pop() if numbers else 32 if natives == {types.float32} else 64


def _sketch(ty: Kind, literal: bool) -> Kind:
    """What a rule sees in place of a value of type `ty` when it is run for the structure of its result."""
    if isinstance(ty, JetType):
        return ty.pattern()
    if literal and isinstance(ty, types.IntegerLiteral):
        return ty.literal_value
    if isinstance(ty, types.BaseTuple):
        return tuple(_sketch(t, literal) for t in ty.types)
    if isinstance(ty, types.Boolean):
        return TRUTH_MARK
    if isinstance(ty, types.Integer | types.Float):
        return MARK
    raise TypeError(f"{ty} is not a number")


@cache
def result_type(rule: Rule, args: tuple[Kind, ...], literal: bool) -> Kind:
    """Type of ``rule(*args)``, a number or tuple of numbers; None where the rule does not apply."""
    bits = _width(args)
    if bits is None:
        return None
    try:
        return _typed(bits, rule(*(_sketch(ty, literal) for ty in args)))
    except (TypeError, AttributeError, IndexError, ValueError):
        return None


def _typed(bits: int, pattern: Kind) -> Kind:
    if isinstance(pattern, tuple | list):
        return types.BaseTuple.from_types([_typed(bits, part) for part in pattern])
    if any(isinstance(part, Tangent) for part in (pattern, functions.value(pattern))):
        raise TypeError("a formula cannot return tangents: take them apart with tangent(x) and primal(x)")
    return types.boolean if isinstance(pattern, TruthMark) else JetType.like(bits, pattern)


@cache
def formula_type(rule: Rule, args: tuple[Kind, ...]) -> Kind:
    """Result of a formula that runs at compile time; its mistakes are raised, not hidden."""
    bits = _width(args)
    if bits is None:
        raise TypeError(f"{rule.__name__}: float32 and float64 numbers do not mix")
    return _typed(bits, rule(*(_sketch(ty, True) for ty in args)))


def _has_number(args: Kind) -> bool:
    return any(isinstance(ty, JetType) for ty in _leaves(args))


def maker_type(rule: Rule, args: tuple[Kind, ...]) -> Kind:
    """Result of a function that makes a number, from numbers or natives."""
    return result_type(rule, args, True)


def elementary_type(rule: Rule, args: tuple[Kind, ...]) -> Kind:
    """Result of a function that gives natives for natives."""
    made = result_type(rule, args, rule in LITERAL)
    if made is None or _has_number(args) or not isinstance(made, JetType):
        return made
    return made.native if made.order == 0 else made


def operator_type(rule: Rule, args: tuple[Kind, ...]) -> Kind:
    """Result of an operator; not ours where all is native."""
    return result_type(rule, args, False) if _has_number(args) else None


def power_type(rule: Rule, args: tuple[Kind, ...]) -> Kind:
    """Result of ``x ** k``."""
    return result_type(functions.power, args, True) if isinstance(args[0], JetType) else None


def comparison_type(rule: Rule, args: tuple[Kind, ...]) -> Kind:
    """Result of a comparison."""
    return None if operator_type(operator.add, args) is None else types.boolean


def value_type(rule: Rule, args: tuple[Kind, ...]) -> Kind:
    """Result of ``value(x)``."""
    return args[0].native if isinstance(args[0], JetType) else None


# --- code ---


def unpacked(context: Context, builder: Builder, ty: Kind, value: Value, fmt: Format, literal: bool) -> Value:
    """The Python object that a rule computes with, for a machine value of Numba type `ty`."""
    if isinstance(ty, JetType):
        return ty.filled(_lane(context, builder, fmt, part) for part in _machine_parts(builder, ty, value))
    if literal and isinstance(ty, types.IntegerLiteral):
        return ty.literal_value
    if isinstance(ty, types.Boolean):
        return Truth(builder, value)
    if isinstance(ty, types.BaseTuple):
        parts = [(t, builder.extract_value(value, i)) for i, t in enumerate(ty.types)]
        return tuple(unpacked(context, builder, t, part, fmt, literal) for t, part in parts)
    native = types.float64 if fmt.bits == 64 else types.float32
    return _lane(context, builder, fmt, context.cast(builder, value, ty, native))


def _lane(context: Context, builder: Builder, fmt: Format, value: Value) -> Lane:
    return (DeviceLane if context.target_name == "cuda" else Lane)(builder, fmt, value)


def _machine_parts(builder: Builder, ty: JetType, value: Value) -> list[Value]:
    if ty.order == 0:
        return [value]
    return [builder.extract_value(value, i) for i in range(ty.size)]


def packed_up(context: Context, builder: Builder, ty: Kind, result: Value) -> Value:
    """The machine value of Numba type `ty` for what a rule returned."""
    if isinstance(ty, types.BaseTuple):
        parts = zip(ty.types, result, strict=True)
        return context.make_tuple(builder, ty, [packed_up(context, builder, t, part) for t, part in parts])
    if not isinstance(ty, JetType):
        return result.value if isinstance(result, Truth) else _machine(ty, result)
    if ty.order == 0:
        return _machine(ty, functions.value(result))
    aggregate = ir.Constant(machine_type(ty), ir.Undefined)
    for place, part in enumerate(ty.parts(result)):
        aggregate = builder.insert_value(aggregate, _machine(ty, part), place)
    return aggregate


def _machine(ty: Kind, part: Kind) -> Kind:
    """The machine value of a lane, or of a literal or structural zero among the results of a formula."""
    if isinstance(part, Lane):
        return part.value
    fmt = ty.format if isinstance(ty, JetType) else FORMATS[ty.bitwidth]
    return ir.Constant(fmt.type, 0.0 if part is ZERO else float(part))


def implementation(rule: Rule, literal: bool) -> Rule:
    """Lowering function that runs `rule` on lanes."""

    def lower(context: Context, builder: Builder, signature: Signature, args: Value) -> Value:
        fmt = FORMATS[_width(signature.args) or 64]
        inputs = zip(signature.args, args, strict=True)
        values = [unpacked(context, builder, ty, value, fmt, literal) for ty, value in inputs]
        return packed_up(context, builder, signature.return_type, rule(*values))

    return lower


def convert(context: Context, builder: Builder, fromty: Kind, toty: JetType, value: Value) -> Value:
    """A number or native as a number type that carries at least as much."""
    return packed_up(context, builder, toty, unpacked(context, builder, fromty, value, toty.format, False))


# --- registration ---


def bind(key: Kind, typer: Rule, rule: Rule, literal: bool, *patterns: tuple[Any, ...]) -> None:
    """Bind a function or operator to Numba.

    Parameters
    ----------
    key : callable
        What compiled code calls.
    typer : callable
        Gives the result type from `key` and the argument types, or None.
    rule : callable
        Gives the code, run on lanes.
    literal : bool
        Whether integer literals among the arguments arrive as Python integers.
    *patterns : tuple
        Argument types for which the code holds.
    """

    def generic(self: Kind, args: Kind, kws: Kind) -> Kind:
        result = None if kws else typer(key, tuple(args))
        return None if result is None else templates.signature(result, *args)

    members = {"key": key, "generic": generic, "prefer_literal": literal}
    template = type(f"Number_{key.__name__}", (templates.AbstractTemplate,), members)
    templates.builtin_registry.register_global(key, types.Function(template))
    for pattern in patterns:
        imputils.builtin_registry.lower(key, *pattern)(implementation(rule, literal))


def bind_formula(function: Rule) -> None:
    """Bind a formula, which runs at compile time."""
    bind(function, formula_type, function, True, ANYTHING)


def register() -> None:
    """Bind all operations on numbers."""
    mixed = ((JetType, JetType), (JetType, types.Number), (types.Number, JetType))
    for key in ARITHMETIC:
        bind(key, operator_type, key, False, *mixed)
    for key in COMPARISONS:
        bind(key, comparison_type, _by_value(key), False, *mixed)
    for key in UNARY:
        bind(key, operator_type, functions.absolute if key is abs else key, False, (JetType,))
    bind(operator.pow, power_type, functions.power, True, (JetType, types.IntegerLiteral))
    for function in MAKERS:
        bind(function, maker_type, function, True, ANYTHING)
    for function in ELEMENTARY:
        bind(function, elementary_type, function, function in LITERAL, ANYTHING)
    bind(functions.value, value_type, functions.value, False, (JetType,))
    for source in (JetType, types.Integer, types.Float):
        imputils.builtin_registry.lower_cast(source, JetType)(convert)


def _by_value(comparison: Rule) -> Rule:
    return lambda a, b: comparison(functions.value(a), functions.value(b))
