"""Meshes made from rectangles, from traces with a profile, and from other meshes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from dislok import gate as gates
from dislok import okada
from dislok.okada import Rectangle
from dislok.sources import fractions, origin_of, points_on

from .grid import checked_counts, rectangle_row
from .mesh import TOLERANCE, Mesh, checked_cells
from .patches import Array, Indices

_STEPS = 64


def mesh_of_rectangle(fault: Rectangle, n_strike: int, n_dip: int, origin: str | None = None) -> Mesh:
    """Mesh of a rectangular fault: ``2 n_strike n_dip`` triangles, diagonals alternating.

    Parameters
    ----------
    fault, n_strike, n_dip, origin
        As of `dislok.inversion.mesh.Grid`.
    """
    rows, columns = checked_counts(n_strike, n_dip)
    table = rectangle_row(fault)
    okada.check(np.zeros((1, 2)), fault, origin=origin)
    at = [(s, d) for d in np.linspace(0, 1, rows + 1) for s in np.linspace(0, 1, columns + 1)]
    points = points_on(table, fractions(origin_of(fault, origin)), at)[0]
    return Mesh(points, lattice(columns, rows))


def listric(depth: float, dips: tuple[float, float] | float, top: float = 0.0, steps: int = _STEPS) -> Array:
    """Profile of a fault whose dip changes linearly with depth.

    Parameters
    ----------
    depth, top : float
        Depth of the lower and the upper edge, positive downwards.
    dips : (float, float) or float
        Dip in degrees at the upper and at the lower edge, both in (0, 180); one number for a plane.
    steps : int
        Pieces of the polyline.

    Returns
    -------
    ndarray, shape (steps + 1, 2)
        Horizontal distance from the trace, positive to the right of strike, and depth.
    """
    depth, top = gates.number()("depth", depth), gates.number()("top", top)
    steps = gates.count(1, 10**7)("steps", steps)
    if not 0 <= top < depth:
        raise ValueError(f"depth: expected 0 <= top < depth, got top {top!r} and depth {depth!r}")
    given = gates.real()("dips", dips)
    if given.shape not in ((), (1,), (2,)):
        raise ValueError(f"dips must be one angle or two, got shape {given.shape}")
    ends = np.broadcast_to(given, (2,))
    if not ((ends > 0) & (ends < 180)).all():
        raise ValueError(f"dips must lie between 0 and 180 degrees, got {dips!r}")
    z = np.linspace(top, depth, steps + 1)
    first, last = np.deg2rad(ends)
    if first == last:
        return np.stack([(z - top) / np.tan(first), z], axis=-1)
    # The integral of cot(dip) over depth, log(sin(first + change) / sin(first)) / rate, without cancellation.
    rate = (last - first) / (depth - top)
    change = rate * (z - top)
    gain = np.sin(change) / np.tan(first) - 2 * np.sin(change / 2) ** 2
    return np.stack([np.log1p(gain) / rate, z], axis=-1)


def trace_mesh(trace: ArrayLike, profile: ArrayLike, patch: float, across: str = "mean") -> Mesh:
    """Mesh of a fault with a curved trace and a curved profile.

    Parameters
    ----------
    trace : array_like, shape (k, 2)
        East and north of the upper edge, in the direction of strike: the fault dips to the right of it.
    profile : array_like, shape (j, 2)
        Horizontal distance to the right of the trace, and depth, from the upper edge down; see `listric`.
    patch : float
        Length of the triangles' sides along trace and profile, nearly.
    across : "mean" or "local"
        Direction in which the profile is laid off: square to the line from the trace's first to its last
        point, or to the trace at each point, which turns with it and may fold a deep fault.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, a depth is negative, the trace ends where it begins,
        or the mesh cannot be (it folds, say); the message says where.
    """
    line, curve = _polyline(trace, "trace"), _polyline(profile, "profile")
    patch = gates.number(above=0)("patch", patch)
    gates.text()("across", across)
    if (curve[:, 1] < 0).any():
        i = int(np.argmax(curve[:, 1] < 0))
        raise ValueError(f"profile: depth is positive downwards, got {curve[i, 1]} at point {i}")
    along, right = _even(line, patch), _even(curve, patch)
    side = _right_of(along, across)
    points = np.empty((len(right), len(along), 3))
    points[..., :2] = along + right[:, None, :1] * side
    points[..., 2] = -right[:, None, 1]
    mesh = Mesh(points.reshape(-1, 3), lattice(len(along) - 1, len(right) - 1))
    _check_not_folded(mesh, side, 2 * (len(along) - 1))
    return mesh


def refine(mesh: Mesh, times: int = 1) -> Mesh:
    """Mesh with every triangle cut into four by the middles of its sides, again and again.

    The four parts of triangle i of the mesh before are i, i + m, i + 2m, i + 3m, the last in the middle.
    """
    gates.instance(Mesh)("mesh", mesh)
    for _ in range(gates.count(0, 12)("times", times)):
        mesh = _halved(mesh)
    return mesh


def merge(points: ArrayLike, cells: ArrayLike, tolerance: float = TOLERANCE) -> tuple[Array, Indices]:
    """Join points that coincide, and drop those that no triangle uses, as for a mesh of loose triangles.

    Parameters
    ----------
    points, cells : array_like, shapes (p, 3) and (m, 3)
        Any triangles; ``points.reshape(-1, 3)`` and ``np.arange(3 * m).reshape(m, 3)`` of vertices (m, 3, 3).
    tolerance : float
        Points nearer than this share of the extent are one.

    Returns
    -------
    points, cells : ndarray, shapes (q, 3) and (m, 3)
    """
    table = gates.real(None, 3)("points", points)
    tolerance = gates.number(least=0)("tolerance", tolerance)
    if not len(table):
        raise ValueError("points: there are none")
    near = KDTree(table).query_pairs(tolerance * np.ptp(table, axis=0).max(), output_type="ndarray")
    stands_for = np.arange(len(table))
    for i, j in near[np.lexsort(near.T[::-1])]:
        stands_for[j] = min(stands_for[j], stands_for[i])
    used, numbered = np.unique(stands_for[checked_cells(cells, len(table))], return_inverse=True)
    return table[used], numbered.reshape(-1, 3)


def lattice(columns: int, rows: int) -> Indices:
    """Triangles (2 rows columns, 3) of a lattice of points that are numbered row by row."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    a = row * (columns + 1) + column
    b, c, d = a + 1, a + columns + 2, a + columns + 1
    even = ((row + column) % 2 == 0)[:, None]
    first = np.where(even, np.stack([a, d, c], axis=-1), np.stack([a, d, b], axis=-1))
    second = np.where(even, np.stack([a, c, b], axis=-1), np.stack([b, d, c], axis=-1))
    return np.stack([first, second], axis=1).reshape(-1, 3)


def _polyline(values: ArrayLike, what: str) -> Array:
    line = gates.real(nan=True, infinite=True)(what, values)
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2:
        raise ValueError(f"{what}: expected shape (k, 2) with k >= 2, got {line.shape}")
    if not np.isfinite(line).all():
        raise ValueError(f"{what}: not finite at point {int(np.argmin(np.isfinite(line).all(axis=1)))}")
    still = ~(np.linalg.norm(np.diff(line, axis=0), axis=1) > 0)
    if still.any():
        raise ValueError(f"{what}: points {int(np.argmax(still))} and {int(np.argmax(still)) + 1} coincide")
    return line


def _even(line: Array, step: float) -> Array:
    """The polyline at even distances, of about `step`, along it."""
    place = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, place[-1], max(round(place[-1] / step), 1) + 1)
    return np.stack([np.interp(at, place, column) for column in line.T], axis=-1)


def _right_of(line: Array, across: str) -> Array:
    """Unit vectors (k, 2) to the right of a line."""
    if across == "mean":
        forward = np.broadcast_to(line[-1] - line[0], line.shape)
    elif across == "local":
        forward = np.gradient(line, axis=0)
    else:
        raise ValueError(f'across must be "mean" or "local", got {across!r}')
    size = np.linalg.norm(forward, axis=1, keepdims=True)
    if not (size > 0).all():
        at = int(np.argmin(size[:, 0]))
        raise ValueError(f"trace: no direction at point {at}: it returns to where it was")
    return np.stack([forward[:, 1], -forward[:, 0]], axis=-1) / size


def _check_not_folded(mesh: Mesh, side: Array, per_row: int) -> None:
    """Down a profile the strike of a fault turns little; where it turns round, the fault has folded."""
    strike = mesh.frame[:, 0].reshape(-1, per_row, 3)
    folded = (np.einsum("rka,ka->rk", strike, strike[0]) < 0).any(axis=0)
    if folded.any():
        place = int(np.argmax(folded)) // 2
        raise ValueError(
            f"trace: the fault folds below piece {place} of {len(side) - 1}: it turns within its own depth; "
            'across="mean" lays all profiles off in one direction'
        )


def _halved(mesh: Mesh) -> Mesh:
    p = len(mesh.points)
    sides = np.concatenate([mesh.cells[:, [0, 1]], mesh.cells[:, [1, 2]], mesh.cells[:, [2, 0]]])
    unique, which = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
    ab, bc, ca = p + which.reshape(3, -1)
    a, b, c = mesh.cells.T
    parts: Sequence[Sequence[Indices]] = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    cells = np.concatenate([np.stack(part, axis=-1) for part in parts])
    return Mesh(np.concatenate([mesh.points, mesh.points[unique].mean(axis=1)]), cells, geographic=False)
