"""Checks of the parameters of a public function, said once at its door.

`dislok.arrays.guard` brings the arrays of a call into one space; this is its sibling for everything else::

    @gate(dt=number(above=0), n=count(2), quantity=choice("displacement", "velocity"), pool=flag())
    def f(dt, n, *, quantity="displacement", pool=True): ...

A value that a parameter cannot be is a `TypeError` or `ValueError` that names the parameter, what is
expected, the value and, of arrays, the element. Nothing is computed with truth values, strings or dates, no
imaginary part and no mask is dropped. What passes arrives as a plain float, int, bool, str or float64 array.
"""

from __future__ import annotations

import functools
import inspect
import operator
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np

from dislok.arrays import check_finite, guard, is_tensor, reject

__all__ = [
    "Kind", "anything", "choice", "count", "flag", "function", "gate", "instance", "mapping", "number",
    "optional", "pair", "path", "real", "several", "text", "verify",
]  # fmt: skip

Given: TypeAlias = Any
"""Whatever a caller hands in, before it is checked; and what it is afterwards."""

Kind = Callable[[str, Given], Given]
"""Takes the name and the value of a parameter; returns the value to use, or raises."""

_LARGEST = 1e70  # as of the kernels: powers of larger numbers overflow

_SINGULAR = {"data": "data set", "datasets": "data set", "faults": "fault", "models": "fault"}

F = TypeVar("F", bound=Callable[..., Given])


def gate(**kinds: Kind) -> Callable[[F], F]:
    """Let the arguments of a function pass the given kinds before it is called."""

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        unknown = set(kinds) - set(signature.parameters)
        assert not unknown, f"{function.__qualname__} has no parameters {sorted(unknown)}"

        @functools.wraps(function)
        def call(*args: Given, **kwargs: Given) -> Given:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__qualname__}(): {error}") from None
            given = bound.arguments
            for name, kind in kinds.items():
                if name in given:
                    given[name] = kind(name, given[name])
            return function(*bound.args, **bound.kwargs)

        return call  # type: ignore[return-value]

    return decorate


def verify(thing: object, **kinds: Kind) -> None:
    """Let fields of a frozen dataclass pass the given kinds, in its ``__post_init__``."""
    for name, kind in kinds.items():
        object.__setattr__(thing, name, kind(name, getattr(thing, name)))


def number(
    *, least: float | None = None, above: float | None = None, most: float | None = None,
    below: float | None = None, infinite: bool = False,
) -> Kind:  # fmt: skip
    """A real number within limits, finite unless `infinite`."""
    rule = _rule(least, above, most, below)

    def check(name: str, value: Given) -> float:
        array = _numbers(name, value)
        if array.ndim:
            raise TypeError(f"{name} must be a number, got {_described(value)}")
        found = float(array)
        if np.isnan(found) or (np.isinf(found) and not infinite):
            raise ValueError(f"{name} must be finite, got {found!r}")
        if not _inside(found, least, above, most, below):
            raise ValueError(f"{name} must {rule}, got {found!r}")
        if abs(found) > _LARGEST and np.isfinite(found):
            raise ValueError(f"{name} must be at most {_LARGEST:g} in size, got {found!r}")
        return found

    return check


def count(least: int = 0, most: int | None = None) -> Kind:
    """A whole number, also one that comes as a float."""
    rule = _rule(least, None, most, None)

    def check(name: str, value: Given) -> int:
        found = number()(name, value)
        if found != int(found):
            raise ValueError(f"{name} must be an integer, got {found!r}")
        if not _inside(found, least, None, most, None):
            raise ValueError(f"{name} must {rule}, got {int(found)}")
        return operator.index(value) if isinstance(value, int) else int(found)

    return check


def flag() -> Kind:
    """True or False."""

    def check(name: str, value: Given) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name} must be True or False, got {_described(value)}")
        return bool(value)

    return check


def choice(*words: str) -> Kind:
    """One of some words."""

    def check(name: str, value: Given) -> str:
        if not isinstance(value, str) or value not in words:
            kind = ValueError if isinstance(value, str) else TypeError
            raise kind(f"{name} must be one of {', '.join(words)}; got {_described(value)}")
        return str(value)

    return check


def text() -> Kind:
    """A string."""
    return instance(str)


def path() -> Kind:
    """The name of a file or folder."""

    def check(name: str, value: Given) -> Given:
        if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
            raise TypeError(f"{name} must be the name of a file, got {_described(value)}")
        if "\0" in str(value):
            raise ValueError(f"{name} is {value!r}; names of files hold no zero bytes")
        return value

    return check


def instance(*kinds: type, what: str = "") -> Kind:
    """An object of one of some classes."""
    words = what or " or ".join(kind.__name__ for kind in kinds)

    def check(name: str, value: Given) -> Given:
        if not isinstance(value, kinds):
            raise TypeError(f"{name} must be {'' if what else 'a '}{words}, got {_described(value)}")
        return value

    return check


def function() -> Kind:
    """Something that can be called."""

    def check(name: str, value: Given) -> Given:
        if not callable(value):
            raise TypeError(f"{name} must be callable, got {_described(value)}")
        return value

    return check


def mapping(values: Kind, keys: Collection[str] | None = None) -> Kind:
    """A mapping of names, of which `keys` are all that are known, to values of a kind."""

    def check(name: str, value: Given) -> dict[str, Given]:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a mapping of names to values, got {_described(value)}")
        unknown = [key for key in value if not isinstance(key, str) or (keys is not None and key not in keys)]
        if unknown:
            known = "" if keys is None else f"; there are {', '.join(keys)}"
            raise ValueError(f"{name}: unknown name {unknown[0]!r}{known}")
        return {key: values(f"{name}[{key!r}]", each) for key, each in value.items()}

    return check


def pair(of: Kind, *, rising: bool = False) -> Kind:
    """Two values of a kind, the first below the second where `rising`."""

    def check(name: str, value: Given) -> tuple[Given, Given]:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__len__") or len(value) != 2:
            raise TypeError(f"{name} must be two values, got {_described(value)}")
        first, second = of(f"{name}[0]", value[0]), of(f"{name}[1]", value[1])
        if rising and not first < second:
            raise ValueError(f"{name} must be two rising numbers, got ({first!r}, {second!r})")
        return first, second

    return check


def several(name: str, value: Given, kind: type | tuple[type, ...]) -> tuple[Given, ...]:
    """One object of a class, or a sequence of at least one, as a tuple."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    what = " or ".join(each.__name__ for each in kinds)
    if isinstance(value, kinds):
        return (value,)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be one or several {what}, got {_described(value)}")
    found = tuple(instance(*kinds)(f"{name}[{i}]", each) for i, each in enumerate(value))
    if not found:
        what = {"data": "data set", "datasets": "data set", "faults": "fault", "models": "fault"}.get(
            name, what
        )
        raise ValueError(f"{name}: give at least one {what}")
    return found


def ragged(name: str, value: Given) -> np.ndarray:
    """An array of whatever kind; a `ValueError` names what has no shape."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None


def optional(kind: Kind) -> Kind:
    """None, or a value of a kind."""

    def check(name: str, value: Given) -> Given:
        return None if value is None else kind(name, value)

    return check


def anything() -> Kind:
    """What the function checks by itself."""
    return lambda name, value: value


def real(
    *shape: int | None, nan: bool = False, infinite: bool = False, least: float | None = None,
    above: float | None = None, most: float | None = None, below: float | None = None,
    ndim: int | None = None,
) -> Kind:  # fmt: skip
    """Real numbers as a float64 array, of the given shape if there is one (None for any length).

    With `nan`, missing values may be NaN, and masked ones become NaN.
    """
    rule = _rule(least, above, most, below)

    def check(name: str, value: Given) -> np.ndarray:
        array = _numbers(name, value, masked=nan)
        _check_shape(name, array, shape, ndim)
        if not (nan or infinite):
            check_finite(name, array)
        elif not nan:
            _refuse(name, array, np.isnan(array), "it must be a number")
        elif not infinite:
            _refuse(name, array, np.isinf(array), "it must not be infinite")
        if rule:
            bad = ~np.asarray(_inside(array, least, above, most, below))
            _refuse(name, array, bad & ~np.isnan(array), f"it must {rule}")
        return array

    return check


def _numbers(name: str, value: Given, masked: bool = False) -> np.ndarray:
    """Real numbers of any shape in float64."""
    if is_tensor(value):
        if value.requires_grad:
            raise TypeError(f"{name} requires gradients, which would be lost here; detach it")
        value = value.cpu().numpy()
    if isinstance(value, (bool, np.bool_, str, bytes, complex)) or value is None:
        raise TypeError(f"{name} must be real numbers, got {_described(value)}")
    if isinstance(value, np.ma.MaskedArray) and masked and value.dtype.kind in "iuf":
        value = np.ma.filled(value.astype(np.float64), np.nan)
    refuse_truth(name, value)
    space, arrays = guard({name: value})
    if space.framework != "numpy":
        raise TypeError(f"{name} is a {type(value).__name__}; pass an array on the CPU")
    # A copy: what is kept must not change with the caller's array.
    return np.array(arrays[name], np.float64)


def refuse_truth(name: str, value: Given) -> None:
    """NumPy makes numbers of the truth values in a list of numbers."""
    if isinstance(value, (list, tuple)):
        for each in value:
            if isinstance(each, (bool, np.bool_)):
                raise TypeError(f"{name} must be real numbers, got a list with {each!r}")
            refuse_truth(name, each)


def _check_shape(name: str, array: np.ndarray, shape: tuple[int | None, ...], ndim: int | None) -> None:
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension{'s'[: ndim != 1]}, got shape {array.shape}")
    if not shape:
        return
    fits = len(shape) == array.ndim and all(
        n is None or n == m for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits:
        letters = iter("nmk")
        wanted = ", ".join(next(letters) if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have shape ({wanted}{',' * (len(shape) == 1)}), got {array.shape}")


def _refuse(name: str, array: np.ndarray, bad: np.ndarray, rule: str) -> None:
    if bad.any():
        reject(name, array, bad, rule)


def _inside(value: Given, least: Given, above: Given, most: Given, below: Given) -> Given:
    fine: Given = True
    for limit, compare in (
        (least, operator.ge),
        (above, operator.gt),
        (most, operator.le),
        (below, operator.lt),
    ):
        if limit is not None:
            fine = fine & compare(value, limit)
    return fine


def _rule(least: float | None, above: float | None, most: float | None, below: float | None) -> str:
    words = (("at least", least), ("above", above), ("at most", most), ("below", below))
    rule = " and ".join(f"{word} {limit:g}" for word, limit in words if limit is not None)
    return {"above 0": "be positive", "at least 0": "not be negative"}.get(rule, rule and f"be {rule}")


def _described(value: Given) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None and shape != ():
        return f"{type(value).__name__} of shape {tuple(shape)}"
    return (
        f"{value!r:.60}"
        if isinstance(value, (str, bytes, bool, int, float, complex, type(None)))
        else (f"{type(value).__name__} {value!r:.60}")
    )
