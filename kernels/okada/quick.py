"""Small calls: everything between checked arguments and the result in one compiled call.

What is not as it should be is left to the way that says what is wrong; so is code that is not there yet.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES
from dislok.kernels.limits import LARGEST

from .blocks import CHUNK, EXTRA, FRAME, ROOM, run
from .limits import FINE, first_bad_rectangle
from .numba_cpu import FIELD, FIELD_ROWS, FRAME_ROWS, SERIAL, at_surface, codes, fill_rectangles
from .sources import REACH, SWITCH, TABLE

DONE, LEFT = 0, 1
_WIDTH = len(TABLE)
_ROWS = (FRAME + max(FRAME_ROWS["value"], FRAME_ROWS["gradient"], 12)) * LANES
_DTYPE = np.dtype(np.float64)
_LARGEST, _ROUNDING = LARGEST[_DTYPE.itemsize], 8.0 * float(np.finfo(_DTYPE).eps)
_RULES = (REACH[_DTYPE], *SWITCH[_DTYPE])
# Of a width: how far an upper edge may be above the surface.
_OUTCROP = 1e-9


@kernel
def summed(obs, src, nu, fa, fb, code, first, out):
    """Result rows from `first` on, added up over a few rectangles (m, 10), to `out` (n, width).

    `code` has the addresses that `run` takes, for observers inside and at the surface. Returns `LEFT` where
    values are not what they should be or code is missing; `out` then means nothing.
    """
    n, m = obs.shape[0], len(src)
    # literals would make Numba compile `run` anew
    yes, no, nought, row = n >= 0, n < 0, np.int64(0), np.int64(EXTRA)
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
    work = (
        np.empty(_ROWS),
        np.empty(out.shape[1] * LANES),
        np.empty(CHUNK, np.int64),
        np.empty((ROOM * LANES, 2), np.int64),
        np.empty((ROOM, 3), np.int64),
    )
    flat = out.reshape(-1)
    if m != 1:
        flat[:] = 0.0
    none, nothing = np.empty(0), np.empty(0, np.int64)
    width = np.int64(out.shape[1])
    sink = (flat, np.arange(first, first + width), np.arange(width), width, nought, m != 1, no)
    unused = (none, nothing, nothing, nought, nought, yes, no)
    way = (np.empty((0, 3)), np.empty((0, 11)), 0.0, row)
    start, missing = run(
        (places, table, no), (nought, n, nought, m), nought, n * m, _RULES,
        code[np.int64(at_surface(places))], yes, (nu, _ROUNDING), (np.empty((0, 0)), row, nought), (way, way),
        (sink, unused, unused), work,
    )  # fmt: skip
    return DONE if missing < 0 else LEFT


_FIELD = {of: (codes(FIELD[of], _DTYPE), *FIELD_ROWS[of]) for of in FIELD}


def field(obs, src, nu, origin, of):
    """Displacement (n, 3) or its gradient (n, 9) of rectangles in double precision; None where it is left."""
    if not 0 < len(obs) * len(src) <= SERIAL["first"]:
        return None
    code, first, width = _FIELD[of]
    out = np.empty((len(obs), width))
    return None if summed(obs, src, nu, *origin, code, first, out) else out
