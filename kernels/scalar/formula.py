"""The `scalar` decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .lowering import bind_formula

F = TypeVar("F", bound=Callable[..., Any])


def scalar(function: F) -> F:
    """Make a formula on numbers callable from compiled code, for every number type, on CPU and CUDA.

    The function is returned unchanged: called from Python it runs as it stands, on whatever it is given.
    Where compiled code calls it, its body runs once, at compile time, on symbolic numbers, and only the
    arithmetic becomes code: a straight line without calls. So the body is ordinary Python: it may loop,
    index, build lists, call other formulas and use integers and literals that are known when the code is
    compiled. It cannot branch on the value of a number; that is what `where` is for.

    Parameters
    ----------
    function : callable
        A function of positional arguments: numbers, booleans, tuples of them, integers known at compile time.
        Native floats become plain numbers. It returns a number or boolean or a (nested) sequence of them,
        which compiled code receives as a tuple.
    """
    bind_formula(function)
    return function
