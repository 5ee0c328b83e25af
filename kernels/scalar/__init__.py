"""Numbers that formulas are written in: floats, first- and second-order jets; elementary functions.

A formula is a function decorated with `scalar` that uses ``+ - * / **``, comparisons, Python literals and the
names below, and never asks what its numbers are::

    from dislok.kernels.scalar import first, number, scalar, seed, sqrt, value

    @scalar
    def distance(x, y):
        return sqrt(x * x + y * y)

    @numba.njit(error_model="numpy")
    def slope(x, y):                                       # native floats in and out
        return value(first(distance(seed(x, 0, 2, 1), seed(y, 1, 2, 1)), 0))

Literals take the dtype of the numbers they meet, so a formula on float32 stays in float32.
"""

from .formula import scalar
from .functions import (
    absolute,
    add,
    atan,
    atan2,
    binade,
    chain,
    const,
    constant,
    copysign,
    cos,
    cos_degrees,
    exp,
    first,
    fma,
    jet,
    log,
    log1p,
    maximum,
    minimum,
    number,
    polynomial,
    power,
    real,
    scale,
    second,
    seed,
    sin,
    sin_degrees,
    sqrt,
    subtract,
    value,
    where,
)
from .jets import Jet, packed
from .lowering import register
from .symbol import ZERO
from .tangents import Tangent, mixed, primal, tangent, with_tangent, with_tangents
from .types import JetType

register()

__all__ = [
    "ZERO",
    "Jet",
    "JetType",
    "Tangent",
    "absolute",
    "add",
    "atan",
    "atan2",
    "binade",
    "chain",
    "const",
    "constant",
    "copysign",
    "cos",
    "cos_degrees",
    "exp",
    "first",
    "fma",
    "jet",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "mixed",
    "number",
    "packed",
    "polynomial",
    "power",
    "primal",
    "real",
    "scalar",
    "scale",
    "second",
    "seed",
    "sin",
    "sin_degrees",
    "sqrt",
    "subtract",
    "tangent",
    "value",
    "where",
    "with_tangent",
    "with_tangents",
]
