"""Words for what no type says: numbers of formulas, arrays of devices, parts of compilers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Number: TypeAlias = Any
"""What a formula computes with: a float, an array, a jet or tangent over them, a lane, a mark."""

Function: TypeAlias = Callable[..., Any]
"""A formula or another function, whatever it is given."""

Kernel: TypeAlias = Any
"""What a compiler made of a function."""

Array: TypeAlias = Any
"""An array in the memory of the processor or of a device."""

Stream: TypeAlias = Any
"""A stream of a device, of any package."""

Namespace: TypeAlias = Any
"""A module that computes with arrays, NumPy's or CuPy's."""

Kind: TypeAlias = Any
"""A type of Numba's or LLVM's."""

Value: TypeAlias = Any
"""A value in LLVM's code, or several."""

Context: TypeAlias = Any
"""A context of Numba's, of types or of code."""

Builder: TypeAlias = Any
"""What adds instructions to LLVM's code."""

Signature: TypeAlias = Any
"""Types of a function's arguments and of its result."""

Intrinsic: TypeAlias = Any
"""The signature of an intrinsic and what makes its code; None where the arguments have other types."""
