"""Small calls: plain arguments that nothing has to be asked of twice, in a few microseconds."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np

from dislok.arrays import is_plain
from dislok.gate import Given
from dislok.sources import DEFAULT_ORIGIN, ORIGINS, RECTANGLES, Rectangle

_DOUBLE = np.dtype(np.float64)
_ONLY = frozenset((float,))
# Calls before the short way is taken: it has code of its own, for which few calls need not wait.
PATIENCE = 50
_calls = 0


def field(family: str, of: str, obs: Given, *given: Given) -> np.ndarray | None:
    """Displacement (n, 3) or gradient (n, 9) of few sources; None where the usual way has to see to it.

    That is whatever is not a NumPy array or number in double precision as the kernels take it, and whatever
    is wrong: the usual way says what. `given` is what the family's functions take beside observers: source,
    nu and origin of okada, triangles, slip, nu and space of tde.
    """
    if type(obs) is not np.ndarray or obs.dtype is not _DOUBLE or obs.ndim != 2 or not obs.flags.carray:
        return None
    if obs.shape[1] != 3 and obs.shape[1] != 2:
        return None
    arguments = (_rectangles if family == "okada" else _triangles)(*given)
    if arguments is None or not _often():
        return None
    return _kernels(family).field(obs, *arguments, of)


def _often() -> bool:
    """Whether small calls are frequent in this process."""
    global _calls
    _calls += _calls < PATIENCE
    return _calls >= PATIENCE


def _rectangles(
    source: Given, nu: Given, origin: Given
) -> tuple[np.ndarray, float, tuple[float, float]] | None:
    """Rows (m, 10), Poisson's ratio, fractions of the origin."""
    if type(source) not in RECTANGLES or type(nu) is not float:
        return None
    if origin is None:
        origin = source.origin or DEFAULT_ORIGIN
    elif source.origin not in (None, origin):
        return None
    at = ORIGINS.get(origin) if type(origin) is str else None
    rows = None if at is None else _rows(source)
    return None if rows is None or at is None else (rows, nu, at)


def _rows(source: Rectangle) -> np.ndarray | None:
    """The fields as rows (m, 10), or None."""
    if _ONLY.issuperset(map(type, source)):
        return np.fromiter(source, _DOUBLE, len(source)).reshape(1, -1)
    count = 1
    for each in source:
        if type(each) is np.ndarray and each.dtype == _DOUBLE and each.ndim == 1:
            if count != 1 and len(each) not in (1, count):
                return None
            count = max(count, len(each)) if len(each) else 0
        elif not is_plain(each):
            return None
    if not count:
        return None
    rows = np.empty((count, len(source)))
    for k, each in enumerate(source):
        rows[:, k] = each
    return rows


def _triangles(
    tri: Given, slip: Given, nu: Given, space: Given
) -> tuple[np.ndarray, np.ndarray, float, bool] | None:
    """Vertices (m, 3, 3), slips (m, 3) or (1, 3), Poisson's ratio, whether there is a surface."""
    if type(tri) is not np.ndarray or tri.dtype is not _DOUBLE or tri.shape[1:] != (3, 3):
        return None
    if type(slip) is not np.ndarray or slip.dtype is not _DOUBLE or type(nu) is not float:
        return None
    if not tri.flags.carray or not slip.flags.carray or type(space) is not str:
        return None
    if slip.ndim == 1:
        slip = slip.reshape(1, -1)
    if slip.ndim != 2 or slip.shape[1] != 3 or len(slip) not in (1, len(tri)):
        return None
    return (tri, slip, nu, space == "half") if space in ("half", "full") else None


@cache
def _kernels(family: str) -> ModuleType:
    if family == "okada":
        from dislok.kernels.okada import quick as okada

        return okada
    from dislok.kernels.tde import quick as tde

    return tde
