"""What Numba must know to compile formulas: the result type of every operation on numbers, and its code.

The code comes from running the plain Python rules of `jet` and `functions` on LLVM lanes. `register` binds everything to
one target's registries, so that the CPU and CUDA share this file.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types

from . import functions
from .jet import Jet
from .lane import FORMATS, Lane, Truth
from .types import JetType, machine_type

ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv)
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
UNARY = (operator.neg, operator.pos, abs)
# Every argument is a number or a literal; the result is the richest of them.
ELEMENTARY = (
    functions.sqrt,
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

Rule = Callable[..., Any]


# --- result types ---


def richest(args: Any) -> Any:
    """The type that mixed arguments are computed in, or None: numbers win over literals, jets over plain numbers."""
    numbers = [a for a in args if isinstance(a, JetType)]
    if not all(isinstance(a, JetType | types.Number) for a in args):
        return None
    if not numbers:
        natives = {a for a in args if isinstance(a, types.Float)}
        return types.float32 if natives == {types.float32} else types.float64
    best = max(numbers, key=lambda number: number.size)
    fits = all(a.bits == best.bits and (a == best or a.order == 0) for a in numbers)
    return best if fits else None


def _literal(ty: Any) -> int | None:
    return ty.literal_value if isinstance(ty, types.IntegerLiteral) else None


def _bits(ty: Any) -> int | None:
    """Width of the plain number that a native float or number `ty` makes."""
    if isinstance(ty, JetType):
        return ty.bits if ty.order == 0 else None
    if not isinstance(ty, types.Number) or isinstance(ty, types.Complex):
        return None
    return 32 if ty == types.float32 else 64


def number_type(x: Any) -> Any:
    """Result of ``number(x)``."""
    bits = _bits(x)
    return None if bits is None else JetType(bits)


def constant_type(x: Any, n: Any, order: Any) -> Any:
    """Result of ``constant(x, n, order)``."""
    bits, count, level = _bits(x), _literal(n), _literal(order)
    if bits is None or count is None or level not in (0, 1, 2):
        return None
    return JetType(bits, count, level)


def seed_type(x: Any, k: Any, n: Any, order: Any) -> Any:
    """Result of ``seed(x, k, n, order)``."""
    place, result = _literal(k), constant_type(x, n, order)
    if result is None or place is None or (result.order and not 0 <= place < result.n):
        return None
    return result


def const_type(c: Any, like: Any) -> Any:
    """Result of ``const(c, like)``."""
    return like if isinstance(like, JetType) and isinstance(c, types.Number) else None


def value_type(x: Any) -> Any:
    """Result of ``value(x)``."""
    return x.native if isinstance(x, JetType) else None


def real_type(x: Any) -> Any:
    """Result of ``real(x)``."""
    return JetType(x.bits) if isinstance(x, JetType) else None


def first_type(x: Any, k: Any) -> Any:
    """Result of ``first(x, k)``."""
    place = _literal(k)
    if not isinstance(x, JetType) or place is None or x.order < 1 or not 0 <= place < x.n:
        return None
    return JetType(x.bits)


def second_type(x: Any, i: Any, j: Any) -> Any:
    """Result of ``second(x, i, j)``."""
    if not isinstance(x, JetType) or x.order < 2 or first_type(x, i) is None or first_type(x, j) is None:
        return None
    return JetType(x.bits)


def where_type(condition: Any, a: Any, b: Any) -> Any:
    """Result of ``where(condition, a, b)``."""
    return richest((a, b)) if isinstance(condition, types.Boolean) else None


def power_type(x: Any, exponent: Any) -> Any:
    """Result of ``x ** exponent``."""
    return x if isinstance(x, JetType) and _literal(exponent) is not None else None


def polynomial_type(x: Any, coefficients: Any) -> Any:
    """Result of ``polynomial(x, coefficients)``."""
    return x if isinstance(x, JetType | types.Float) and isinstance(coefficients, types.BaseTuple) else None


def chain_type(v: Any, gradients: Any, variables: Any) -> Any:
    """Result of ``chain(v, gradients, variables)``."""
    if not isinstance(gradients, types.BaseTuple) or not isinstance(variables, types.BaseTuple):
        return None
    if len(gradients) != len(variables):
        return None
    result = richest((*variables, *gradients))
    return result if isinstance(result, JetType) and richest((result, v)) is not None else None


SHAPED: tuple[tuple[Any, Rule], ...] = (
    (functions.number, number_type),
    (functions.constant, constant_type),
    (functions.seed, seed_type),
    (functions.const, const_type),
    (functions.value, value_type),
    (functions.real, real_type),
    (functions.first, first_type),
    (functions.second, second_type),
    (functions.where, where_type),
    (functions.power, power_type),
    (functions.polynomial, polynomial_type),
    (functions.chain, chain_type),
)


# --- code ---


def unpacked(context: Any, builder: Any, ty: Any, value: Any, fmt: Any) -> Any:
    """The Python object that the rules compute with, for a machine value of Numba type `ty`."""
    if isinstance(ty, types.IntegerLiteral):
        return ty.literal_value
    if isinstance(ty, types.Boolean):
        return Truth(builder, value)
    if isinstance(ty, types.BaseTuple):
        parts = [builder.extract_value(value, i) for i in range(len(ty))]
        return tuple(
            unpacked(context, builder, t, part, fmt) for t, part in zip(ty.types, parts, strict=True)
        )
    if not isinstance(ty, JetType):
        native = types.float64 if fmt.bits == 64 else types.float32
        return Lane(builder, fmt, context.cast(builder, value, ty, native))
    if ty.order == 0:
        return Lane(builder, fmt, value)
    lanes = [Lane(builder, fmt, builder.extract_value(value, i)) for i in range(ty.size)]
    return Jet(lanes[0], lanes[1 : 1 + ty.n], lanes[1 + ty.n :] if ty.order == 2 else None)


def packed_up(builder: Any, ty: Any, result: Any) -> Any:
    """The machine value of Numba type `ty` for what a rule returned."""
    if isinstance(result, Truth | Lane):
        if not isinstance(ty, JetType) or ty.order == 0:
            return result.value
        raise TypeError(f"expected {ty}, a rule returned a plain number")
    lanes = [result.v, *result.p, *(result.h or ())]
    aggregate = ir.Constant(machine_type(ty), ir.Undefined)
    for place, lane in enumerate(lanes):
        aggregate = builder.insert_value(aggregate, lane.value, place)
    return aggregate


def _format(signature: Any) -> Any:
    """The float format an operation computes in."""
    for ty in (signature.return_type, *signature.args):
        if isinstance(ty, JetType):
            return ty.format
    return FORMATS[32 if signature.return_type == types.float32 else 64]


def implementation(rule: Rule) -> Rule:
    """Lowering function that runs `rule` on lanes."""

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        fmt = _format(signature)
        values = [unpacked(context, builder, t, a, fmt) for t, a in zip(signature.args, args, strict=True)]
        return packed_up(builder, signature.return_type, _lifted(signature, rule(*values)))

    return lower


def _lifted(signature: Any, result: Any) -> Any:
    """A plain result where the signature promises a jet (``copysign(plain, jet)``) gets zero partials."""
    ty = signature.return_type
    if isinstance(result, Lane) and isinstance(ty, JetType) and ty.order:
        return functions.constant(result, ty.n, ty.order)
    return result


# --- registration ---


def template(base: Any, make_signature: Any, key: Any, rule: Rule, literal: bool) -> Any:
    """Typing template of `key` whose result type is ``rule(*argument types)``, None where it does not apply."""

    def generic(self: Any, args: Any, kws: Any) -> Any:
        if kws:
            return None
        try:
            result = rule(*args)
        except TypeError:
            return None
        return None if result is None else make_signature(result, *args)

    name = f"Number_{getattr(key, '__name__', key)}"
    return type(name, (base,), {"key": key, "generic": generic, "prefer_literal": literal})


def _arithmetic(*args: Any) -> Any:
    return richest(args) if any(isinstance(a, JetType) for a in args) else None


def _comparison(*args: Any) -> Any:
    return None if _arithmetic(*args) is None else types.boolean


def register(typing: Any, lowering: Any, base: Any, make_signature: Any, any_type: Any, many: Any) -> None:
    """Bind all operations to one target.

    Parameters
    ----------
    typing, lowering : registry
        The target's registries of types and of implementations.
    base, make_signature : class, callable
        The target's AbstractTemplate and signature.
    any_type, many : type, class
        The target's wildcards for one argument of any type and for any number of arguments.
    """

    def bind(key: Any, rule: Rule, code: Rule, literal: bool, patterns: tuple[Any, ...]) -> None:
        made = template(base, make_signature, key, rule, literal)
        typing.register_global(key, types.Function(made))
        lowering.lower(key, *patterns)(implementation(code))

    for key in (*ARITHMETIC, *COMPARISONS):
        rule = _comparison if key in COMPARISONS else _arithmetic
        made = template(base, make_signature, key, rule, False)
        typing.register_global(key, types.Function(made))
        for patterns in ((JetType, JetType), (JetType, types.Number), (types.Number, JetType)):
            lowering.lower(key, *patterns)(implementation(key))
    for key in UNARY:
        bind(key, _arithmetic, key, False, (JetType,))
    bind(operator.pow, power_type, functions.power, True, (JetType, types.IntegerLiteral))
    for function in ELEMENTARY:
        bind(function, lambda *args: richest(args), function, False, (many(any_type),))
    for function, rule in SHAPED:
        bind(function, rule, _code(function), True, (many(any_type),))


def _code(function: Any) -> Rule:
    return {functions.number: _same, functions.value: functions.value_of}.get(function, function)


def _same(x: Any) -> Any:
    return x


def register_cpu() -> None:
    """Bind everything to Numba's CPU target."""
    from numba.core import imputils
    from numba.core.typing import templates

    register(
        templates.builtin_registry,
        imputils.builtin_registry,
        templates.AbstractTemplate,
        templates.signature,
        types.Any,
        types.VarArg,
    )
