"""Lanes of CUDA code: the same operators, with libdevice behind the elementary functions.

Numba's CUDA target takes the types and operations of `lowering` over from the CPU's registries; only the code
differs, and `lowering` asks the compiling context which kind of lane it wants. Nothing here imports the CUDA
compiler.
"""

from __future__ import annotations

from llvmlite import ir

from dislok.kernels.names import Function, Number

from . import elementary
from .lane import Lane

# LLVM's name of an intrinsic and libdevice's name of the same function.
NAMES = {"sqrt": "sqrt", "fabs": "fabs", "copysign": "copysign", "fma": "fma"}


class DeviceLane(Lane):
    """A lane whose functions are calls into libdevice; float32 calls the ``f`` variants."""

    __slots__ = ()

    def __neg__(self) -> DeviceLane:
        # The older of NVVM's two dialects has no fneg.
        return self._new(self.builder.fsub(self.constant(-0.0).value, self.value))

    def call(self, name: str, *others: Number) -> DeviceLane:
        """libdevice's function `name` of this and `others`."""
        symbol = f"__nv_{name}{'f' if self.format.bits == 32 else ''}"
        kinds = [self.format.type] * (1 + len(others))
        function = self.builder.module.globals.get(symbol)
        if function is None:
            function = ir.Function(self.builder.module, ir.FunctionType(kinds[0], kinds), symbol)
        values = [self.value, *(self._other(other) for other in others)]
        return self._new(self.builder.call(function, values))

    def intrinsic(self, name: str, *others: Number) -> DeviceLane:
        """The function that LLVM calls `name`."""
        return self.call(NAMES[name], *others)


class Libdevice:
    """Elementary functions on `DeviceLane`.

    Those that libdevice lacks are `elementary`'s own, and sin and cos too: libdevice reduces large angles in
    a branch that computes in float64.
    """

    sqrt = staticmethod(elementary.sqrt)
    fma = staticmethod(elementary.fma)
    binade = staticmethod(elementary.binade)
    absolute = staticmethod(elementary.absolute)
    copysign = staticmethod(elementary.copysign)
    sin = staticmethod(elementary.sin)
    cos = staticmethod(elementary.cos)
    sin_degrees = staticmethod(elementary.sin_degrees)
    cos_degrees = staticmethod(elementary.cos_degrees)

    def __getattr__(self, name: str) -> Function:
        return lambda x, *others: x.call(name, *others)
