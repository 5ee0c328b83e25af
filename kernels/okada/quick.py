"""Small calls: everything between checked arguments and the result in one compiled call.

What is not as it should be is left to the way that says what is wrong; so is code that is not there yet.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES
from dislok.kernels.limits import LARGEST

from .blocks import CHUNK, FRAME, ROOM, run
from .limits import FINE, first_bad_rectangle
from .numba_cpu import (
    FIELD,
    FIELD_ROWS,
    FRAME_ROWS,
    SERIAL,
    _code,
    _no_sink,
    _uncontracted,
    at_surface,
    fill_rectangles,
)
from .sources import REACH, SWITCH, TABLE

DONE, LEFT = 0, 1
_WIDTH = len(TABLE)
_ROWS = (FRAME + max(FRAME_ROWS["value"], FRAME_ROWS["gradient"], 12)) * LANES
_DTYPE = np.dtype(np.float64)


@kernel
def summed(obs, src, nu, fa, fb, tolerance, largest, rules, inside, surface, inputs, nothing, index, to, out):
    """Rows `index` of the result, added up over a few rectangles (m, 10), to `out` (n, width).

    `inside` and `surface` are addresses of code, as `run` takes them. Returns `LEFT` where values are not
    what they should be or code is missing; `out` then means nothing.
    """
    n, m = obs.shape[0], len(src)
    yes, no = n >= 0, n < 0  # literals would make Numba compile `run` anew
    places = obs
    if obs.shape[1] == 2:
        places = np.zeros((n, 3))
        places[:, :2] = obs
    bad = np.int64(not 0.0 <= nu < 0.5)
    for i in range(n):
        for j in range(3):
            bad += np.int64(not abs(places[i, j]) <= largest)
        bad += np.int64(places[i, 2] > 0.0)
    for i in range(m):
        for j in range(10):
            bad += np.int64(not abs(src[i, j]) <= largest)
    if bad or first_bad_rectangle(src, fb[0], tolerance)[0] != FINE:
        return LEFT
    table = np.empty((m, _WIDTH))
    fill_rectangles(src, fa, fb, table)
    code = surface if at_surface(places) else inside
    work = (
        np.empty(_ROWS),
        np.empty(len(index) * LANES),
        np.empty(CHUNK, np.int64),
        np.empty((ROOM * LANES, 2), np.int64),
        np.empty((ROOM, 3), np.int64),
    )
    width = out.shape[1]
    flat = out.reshape(-1)
    if m != 1:
        flat[:] = 0.0
    sink = (flat, index, to, width, np.int64(0), m != 1, no)
    start, missing = run(
        (places, table, no), (np.int64(0), n, np.int64(0), m), np.int64(0), n * m, rules, code, yes,
        (nu, 8.0 * 2.220446049250313e-16), inputs[0], inputs[1], (sink, nothing, nothing), work,
    )  # fmt: skip
    return DONE if missing < 0 else LEFT


_LARGEST = LARGEST[_DTYPE.itemsize]
_RULES = (REACH[_DTYPE], *SWITCH[_DTYPE])
_INDEX = {of: np.arange(first, first + width) for of, (first, width) in FIELD_ROWS.items()}
_TO = {of: np.arange(width) for of, (_, width) in FIELD_ROWS.items()}
_CODES = {of: [_code(FIELD[of], surface, _DTYPE) for surface in (False, True)] for of in FIELD}
_FRACTIONS = {value: np.array([value]) for value in (0.0, 0.5, 1.0)}


def field(obs, src, nu, origin, of):
    """Displacement (n, 3) or its gradient (n, 9) of rectangles in double precision; None where it is left."""
    if not 0 < len(obs) * len(src) <= SERIAL:
        return None
    index = _INDEX[of]
    out = np.empty((len(obs), len(index)))
    fa, fb = _FRACTIONS[origin[0]], _FRACTIONS[origin[1]]
    left = summed(
        obs, src, nu, fa, fb, 1e-9, _LARGEST, _RULES, *_CODES[of], _uncontracted(_DTYPE), _no_sink(_DTYPE),
        index, _TO[of], out,
    )  # fmt: skip
    return None if left else out
