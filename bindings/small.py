"""Small calls of okada: plain arguments that nothing has to be asked of twice, in a few microseconds."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from dislok.arrays import is_plain
from dislok.sources import DEFAULT_ORIGIN, ORIGINS, RECTANGLES, Rectangle

_DOUBLE = np.dtype(np.float64)
_ONLY = frozenset((float,))
# Calls before the short way is taken: it has code of its own, for which few calls need not wait.
PATIENCE = 50
_calls = 0


def field(obs: Any, source: Any, nu: Any, origin: Any, of: str) -> np.ndarray | None:
    """Displacement (n, 3) or gradient (n, 9) of few rectangles; None where the usual way has to see to it.

    That is whatever is not a NumPy array or number in double precision as the kernels take it, and whatever
    is wrong: the usual way says what.
    """
    if type(obs) is not np.ndarray or obs.dtype != _DOUBLE or obs.ndim != 2 or not obs.flags.carray:
        return None
    if type(source) not in RECTANGLES or type(nu) is not float or obs.shape[1] not in (2, 3):
        return None
    if origin is None:
        origin = source.origin or DEFAULT_ORIGIN
    elif source.origin not in (None, origin):
        return None
    if type(origin) is not str or origin not in ORIGINS or not _often():
        return None
    src = _rows(source)
    return None if src is None else _kernels().field(obs, src, nu, ORIGINS[origin], of)


def _often() -> bool:
    """Whether small calls are frequent in this process."""
    global _calls
    _calls += _calls < PATIENCE
    return _calls >= PATIENCE


def _rows(source: Rectangle) -> np.ndarray | None:
    """The fields as rows (m, 10), or None."""
    if _ONLY.issuperset(map(type, source)):
        return np.array((source,), _DOUBLE)
    count = 1
    for field in source:
        if type(field) is np.ndarray and field.dtype == _DOUBLE and field.ndim == 1:
            if count != 1 and len(field) not in (1, count):
                return None
            count = max(count, len(field)) if len(field) else 0
        elif not is_plain(field):
            return None
    if not count:
        return None
    rows = np.empty((count, len(source)))
    for k, field in enumerate(source):
        rows[:, k] = field
    return rows


@cache
def _kernels() -> Any:
    return import_module("dislok.kernels.okada.quick")
