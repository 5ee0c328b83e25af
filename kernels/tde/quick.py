"""Small calls: everything between checked arguments and the result in one compiled call.

What is not as it should be is left to the way that says what is wrong; so is code that is not there yet.
"""

from __future__ import annotations

import math

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.limits import LARGEST
from dislok.kernels.pairs.quick import few

from .compiled import FULL, HALF, SURFACE, TRI, code_of
from .finish import FINISHES, ROWS
from .numba_cpu import FIELD
from .pair import LIFT_ROW, PLAN_ROW, ROW
from .triangles import lift_row, loop, plan_double, table_row

DONE, LEFT = 0, 1
# Up to so many pairs a call is small.
SERIAL = 4096
_DTYPE = np.dtype(np.float64)
_LARGEST, _EPS = LARGEST[_DTYPE.itemsize], float(np.finfo(_DTYPE).eps)
# Twice the area over the square of the longest side, of triangles that are degenerate.
_FLAT = 8.0 * _EPS
_FOUND = ROW + 3
_tables = loop(table_row, 12, _FOUND)
_plans = loop(plan_double, ROW, PLAN_ROW)
_lifts = loop(lift_row, ROW, LIFT_ROW + 1)


@kernel
def is_bad(tri, half):
    """Whether a triangle (3, 3) is not finite, above the surface, or degenerate."""
    for k in range(3):
        for j in range(3):
            if not abs(tri[k, j]) <= _LARGEST:
                return True
        if half and tri[k, 2] > 0.0:
            return True
    ax, ay, az = tri[0, 0] - tri[2, 0], tri[0, 1] - tri[2, 1], tri[0, 2] - tri[2, 2]
    bx, by, bz = tri[1, 0] - tri[0, 0], tri[1, 1] - tri[0, 1], tri[1, 2] - tri[0, 2]
    cx, cy, cz = tri[2, 0] - tri[1, 0], tri[2, 1] - tri[1, 1], tri[2, 2] - tri[1, 2]
    a, b, c = ax * ax + ay * ay + az * az, bx * bx + by * by + bz * bz, cx * cx + cy * cy + cz * cz
    area = math.hypot(math.hypot(ay * bz - az * by, az * bx - ax * bz), ax * by - ay * bx)
    return not area > _FLAT * max(a, b, c)


@kernel
def summed(obs, tri, slip, nu, half, code, count, first, out):
    """Result rows from `first` on, added up over a few triangles (m, 3, 3), to `out` (n, width).

    `slip` has shape (m, 3) or (1, 3); `count` is the level's number of rows and `code` has the addresses that
    `run` takes in each space. Returns `LEFT` where values are not what they should be or code is missing;
    `out` then means nothing.
    """
    n, m = obs.shape[0], len(tri)
    places = obs
    if obs.shape[1] == 2:
        places = np.zeros((n, 3))
        places[:, :2] = obs
    bad, below = np.int64(not 0.0 <= nu < 0.5), False
    for i in range(n):
        for j in range(3):
            bad += np.int64(not abs(places[i, j]) <= _LARGEST)
        bad += np.int64(half and places[i, 2] > 0.0)
        below = below or places[i, 2] != 0.0
    for j in range(len(slip)):
        for k in range(3):
            bad += np.int64(not abs(slip[j, k]) <= _LARGEST)
    numbers, table = np.empty((m, 12)), np.empty((m, _FOUND))
    for j in range(m):
        bad += np.int64(is_bad(tri[j], half))
        for k in range(9):
            numbers[j, k] = tri[j, k // 3, k % 3]
        for k in range(3):
            numbers[j, 9 + k] = slip[j % len(slip), k]
    if bad:
        return LEFT
    _tables(numbers.reshape(-1), table.reshape(-1))
    rows, plan = np.ascontiguousarray(table[:, :ROW]), np.empty((m, PLAN_ROW))
    _plans(rows.reshape(-1), plan.reshape(-1))
    narrow = np.int64(0)
    for j in range(m):
        narrow += np.int64(plan[j, 10] < 4.0 * plan[j, 11])
    columns = np.empty((m, TRI + LIFT_ROW if narrow else TRI))
    columns[:, :ROW] = rows
    columns[:, ROW:TRI] = plan
    if narrow:
        lift = np.empty((m, LIFT_ROW + 1))
        _lifts(rows.reshape(-1), lift.reshape(-1))
        columns[:, TRI:] = lift[:, :LIFT_ROW]
    where = HALF if half and below else SURFACE if half else FULL
    addresses = code[0] if where == FULL else code[1] if where == HALF else code[2]
    found = few(places, columns, np.int64(TRI), addresses, False, (nu, _EPS), count, 2 * count, first, out)
    return DONE if found else LEFT


def _field(of):
    name, (first, last) = FIELD[of]
    code = tuple(code_of(name, where, _DTYPE).addresses for where in (FULL, HALF, SURFACE))
    return code, ROWS[FINISHES[name].level], first, last - first


_FIELD = {of: _field(of) for of in FIELD}


def field(obs, tri, slip, nu, half, of):
    """Displacement (n, 3) or its gradient (n, 9) of triangles in double precision; None where it is left."""
    if not 0 < len(obs) * len(tri) <= SERIAL or not (half or obs.shape[1] == 3):
        return None
    code, count, first, width = _FIELD[of]
    out = np.empty((len(obs), width))
    return None if summed(obs, tri, slip, nu, half, code, count, first, out) else out
