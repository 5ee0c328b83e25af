"""Small calls: everything between checked arguments and the result in one compiled call.

What is not as it should be is left to the way that says what is wrong; so is code that is not there yet.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.limits import LARGEST
from dislok.kernels.pairs.blocks import at_surface
from dislok.kernels.pairs.quick import few

from .compiled import SERIAL, code_of
from .limits import FINE, first_bad_rectangle
from .numba_cpu import fill_rectangles
from .operations import OPERATIONS
from .sources import COMPONENTS, KINDS, TABLE

DONE, LEFT = 0, 1
_WIDTH = len(TABLE)
_DTYPE = np.dtype(np.float64)
_LARGEST, _ROUNDING = LARGEST[_DTYPE.itemsize], 8.0 * float(np.finfo(_DTYPE).eps)
# Of a width: how far an upper edge may be above the surface.
_OUTCROP = 1e-9


@kernel
def summed(obs, src, nu, fa, fb, code, rows, first, out):
    """Result rows from `first` on, added up over a few rectangles (m, 10), to `out` (n, width).

    `code` has the addresses that `run` takes, for observers inside and at the surface; `rows` is their
    scratch. Returns `LEFT` where values are not what they should be or code is missing; `out` then means
    nothing.
    """
    n, m = obs.shape[0], len(src)
    places = obs
    if obs.shape[1] == 2:
        places = np.zeros((n, 3))
        places[:, :2] = obs
    bad = np.int64(not 0.0 <= nu < 0.5)
    for i in range(n):
        for j in range(3):
            bad += np.int64(not abs(places[i, j]) <= _LARGEST)
        bad += np.int64(places[i, 2] > 0.0)
    for i in range(m):
        for j in range(10):
            bad += np.int64(not abs(src[i, j]) <= _LARGEST)
    if bad or first_bad_rectangle(src, fb, _OUTCROP)[0] != FINE:
        return LEFT
    table = np.empty((m, _WIDTH))
    fill_rectangles(src, np.full(1, fa), np.full(1, fb), table)
    addresses = code[1] if at_surface(places) else code[0]
    last = np.int64(_WIDTH)
    found = few(places, table, last, addresses, True, (nu, _ROUNDING), np.int64(0), rows, first, out)
    return DONE if found else LEFT


def _code(of):
    operation = OPERATIONS["field", of, KINDS[0]]._replace(by="pair", width=0)
    first, last = operation.kept[0], operation.kept[-1] + 1
    kept = tuple(range(last))
    codes = [code_of(operation._replace(kept=kept), kept, at, _DTYPE) for at in (False, True)]
    return tuple(code.addresses for code in codes), codes[0].rows, first, last - first


_FIELD = {of: _code(of) for of in COMPONENTS}


def field(obs, src, nu, origin, of):
    """Displacement (n, 3) or its gradient (n, 9) of rectangles in double precision; None where it is left."""
    if not 0 < len(obs) * len(src) <= SERIAL["first"]:
        return None
    code, rows, first, width = _FIELD[of]
    out = np.empty((len(obs), width))
    return None if summed(obs, src, nu, *origin, code, rows, first, out) else out
