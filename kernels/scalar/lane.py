"""LLVM values with Python operators: what the elementary functions and the jet rules emit code through.

Every floating-point instruction carries `FLAGS`: contraction to fused multiply-add, division by reciprocals,
and no care for the sign of a zero result. NaN and infinity keep their meaning, and nothing is reassociated.
"""

from __future__ import annotations

from llvmlite import ir

from dislok.kernels.names import Builder, Number, Value

from .symbol import Symbol, Undecided

FLAGS = ("contract", "nsz", "arcp")


class Format:
    """The layout of float32 or float64: LLVM types, field widths and the landmarks of the number range."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.type = ir.DoubleType() if bits == 64 else ir.FloatType()
        self.integer = ir.IntType(bits)
        self.mantissa = 52 if bits == 64 else 23
        self.bias = 1023 if bits == 64 else 127
        self.suffix = "f64" if bits == 64 else "f32"
        self.max_exponent = self.bias
        self.min_normal = 2.0 ** (1 - self.bias)
        # Adding `round_magic` rounds to an integer whose low bits are the low bits of the sum.
        self.round_magic = 1.5 * 2.0**self.mantissa


FORMATS = {64: Format(64), 32: Format(32)}


class Truth(Undecided):
    """A boolean (i1)."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Builder, value: Value) -> None:
        self.builder = builder
        self.value = value

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.or_(self.value, other.value))

    def __xor__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.xor(self.value, other.value))

    def __invert__(self) -> Truth:
        return Truth(self.builder, self.builder.not_(self.value))


class Bits:
    """The bit pattern of a `Lane`, an unsigned integer of the same width."""

    __slots__ = ("builder", "format", "kind", "value")

    def __init__(self, kind: type[Lane], builder: Builder, format: Format, value: Value) -> None:
        self.kind = kind
        self.builder = builder
        self.format = format
        self.value = value

    def _other(self, other: Bits | int) -> Number:
        return other.value if isinstance(other, Bits) else ir.Constant(self.format.integer, other)

    def _new(self, value: Value) -> Bits:
        return Bits(self.kind, self.builder, self.format, value)

    def __add__(self, other: Bits | int) -> Bits:
        return self._new(self.builder.add(self.value, self._other(other)))

    def __sub__(self, other: Bits | int) -> Bits:
        return self._new(self.builder.sub(self.value, self._other(other)))

    def __and__(self, other: Bits | int) -> Bits:
        return self._new(self.builder.and_(self.value, self._other(other)))

    def __or__(self, other: Bits | int) -> Bits:
        return self._new(self.builder.or_(self.value, self._other(other)))

    def __xor__(self, other: Bits | int) -> Bits:
        return self._new(self.builder.xor(self.value, self._other(other)))

    def __lshift__(self, count: int) -> Bits:
        return self._new(self.builder.shl(self.value, self._other(count)))

    def __rshift__(self, count: int) -> Bits:
        return self._new(self.builder.lshr(self.value, self._other(count)))

    def negative(self) -> Truth:
        """Whether the sign bit is set."""
        return Truth(self.builder, self.builder.icmp_signed("<", self.value, self._other(0)))

    def nonzero(self) -> Truth:
        """Whether any bit is set."""
        return Truth(self.builder, self.builder.icmp_unsigned("!=", self.value, self._other(0)))

    def floating(self) -> Lane:
        """The number with these bits."""
        return self.kind(self.builder, self.format, self.builder.bitcast(self.value, self.format.type))


class Lane(Symbol):
    """A float32 or float64 LLVM value; Python numbers beside it become constants of its type."""

    __slots__ = ("builder", "format", "value")

    def __init__(self, builder: Builder, format: Format, value: Value) -> None:
        self.builder = builder
        self.format = format
        self.value = value

    def constant(self, number: float) -> Lane:
        """`number` rounded to this lane's type."""
        return self._new(ir.Constant(self.format.type, float(number)))

    def _other(self, other: Lane | float) -> Number:
        if isinstance(other, Lane):
            if other.format is not self.format:
                raise TypeError("float32 and float64 numbers do not mix")
            return other.value
        return self.constant(other).value

    def _new(self, value: Value) -> Number:
        return type(self)(self.builder, self.format, value)

    def _arithmetic(self, instruction: str, other: Number, swapped: bool = False) -> Number:
        if not isinstance(other, Lane | int | float):
            return NotImplemented
        operands = (self._other(other), self.value) if swapped else (self.value, self._other(other))
        return self._new(getattr(self.builder, instruction)(*operands, flags=FLAGS))

    def __add__(self, other: Number) -> Number:
        return self._arithmetic("fadd", other)

    def __radd__(self, other: Number) -> Number:
        return self._arithmetic("fadd", other, swapped=True)

    def __sub__(self, other: Number) -> Number:
        return self._arithmetic("fsub", other)

    def __rsub__(self, other: Number) -> Number:
        return self._arithmetic("fsub", other, swapped=True)

    def __mul__(self, other: Number) -> Number:
        return self._arithmetic("fmul", other)

    def __rmul__(self, other: Number) -> Number:
        return self._arithmetic("fmul", other, swapped=True)

    def __truediv__(self, other: Number) -> Number:
        return self._arithmetic("fdiv", other)

    def __rtruediv__(self, other: Number) -> Number:
        return self._arithmetic("fdiv", other, swapped=True)

    def __neg__(self) -> Lane:
        return self._new(self.builder.fneg(self.value, flags=FLAGS))

    def _compare(self, sign: str, other: Number) -> Number:
        if not isinstance(other, Lane | int | float):
            return NotImplemented
        compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        return Truth(self.builder, compare(sign, self.value, self._other(other)))

    def __lt__(self, other: Number) -> Number:
        return self._compare("<", other)

    def __le__(self, other: Number) -> Number:
        return self._compare("<=", other)

    def __gt__(self, other: Number) -> Number:
        return self._compare(">", other)

    def __ge__(self, other: Number) -> Number:
        return self._compare(">=", other)

    def __eq__(self, other: Number) -> Number:
        return self._compare("==", other)

    def __ne__(self, other: Number) -> Number:
        return self._compare("!=", other)

    __hash__ = None  # type: ignore[assignment]

    def select(self, condition: Truth, other: Lane | float) -> Lane:
        """Itself where `condition`, else `other`."""
        return self._new(self.builder.select(condition.value, self.value, self._other(other)))

    def bits(self) -> Bits:
        """The bit pattern."""
        return Bits(
            type(self), self.builder, self.format, self.builder.bitcast(self.value, self.format.integer)
        )

    def intrinsic(self, name: str, *others: Lane | float) -> Lane:
        """LLVM's intrinsic of this name (``sqrt``, ``fabs``, ``copysign``) on this and `others`."""
        module = self.builder.module
        kinds = [self.format.type] * (1 + len(others))
        function = module.declare_intrinsic(
            f"llvm.{name}", [self.format.type], ir.FunctionType(kinds[0], kinds)
        )
        values = [self.value, *(self._other(other) for other in others)]
        return self._new(self.builder.call(function, values, fastmath=FLAGS))
