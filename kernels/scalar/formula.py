"""The `scalar` decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba.extending import overload

F = TypeVar("F", bound=Callable[..., Any])

# Every formula in the order of definition, for targets that are enabled later.
FORMULAS: list[Callable[..., Any]] = []

JIT_OPTIONS: dict[str, Any] = {
    "forceinline": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp"},
    "no_cpython_wrapper": True,
    "nopython": True,
}

_listeners: list[Callable[[Callable[..., Any]], None]] = []


def scalar(function: F) -> F:
    """Make a formula on numbers callable from compiled code, for every number type, on every enabled target.

    The function itself is returned unchanged: called from Python it runs as plain Python on whatever it is
    given. Numba compiles it, always inlined, once for each combination of number types that compiled code
    calls it with.

    Parameters
    ----------
    function : callable
        A module-level function of positional arguments that uses only operators, the names of
        `dislok.kernels.scalar`, other formulas and module constants.
    """
    overload(function, jit_options=JIT_OPTIONS, strict=False)(_always(function))
    FORMULAS.append(function)
    for listener in _listeners:
        listener(function)
    return function


def on_each_formula(listener: Callable[[Callable[..., Any]], None]) -> None:
    """Call `listener` with every formula defined so far and every one to come."""
    for function in FORMULAS:
        listener(function)
    _listeners.append(listener)


def _always(function: Callable[..., Any]) -> Callable[..., Any]:
    """Overload rule that answers with the formula for any argument types."""

    def choose(*args: Any) -> Callable[..., Any]:
        return function

    return choose
