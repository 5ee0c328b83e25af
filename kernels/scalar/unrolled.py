"""Formulas with loops and lists: Python that runs once, at compile time, and leaves straight-line code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .lowering import bind_unrolled

F = TypeVar("F", bound=Callable[..., Any])


def unrolled(function: F) -> F:
    """Make a formula callable from compiled code by running its body at compile time.

    The body is ordinary Python on numbers and (nested) tuples of them: it may loop, index, build lists and
    call other formulas, because it runs on symbolic values; only the arithmetic becomes code. It cannot
    branch on the value of a number. Large formulas compile several times faster this way than through
    `scalar`. Called from Python, the function runs as it stands.

    Parameters
    ----------
    function : callable
        A function of positional arguments: numbers, tuples of numbers, or integers known at compile time. It
        returns a number or a (nested) sequence of numbers, which compiled code receives as a tuple.
    """
    bind_unrolled(function)
    return function
