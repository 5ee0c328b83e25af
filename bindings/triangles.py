"""Triangles as arrays or meshes: reading them, what makes them valid, their frames and their orientation."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from dislok.arrays import Array, ArrayLike, Space, TorchSpace, check_finite, guard, is_tensor, reject
from dislok.kernels.names import Namespace

# A triangle is degenerate when twice its area, over the square of its longest side, is rounding.
_FLAT = {"float64": 8 * np.finfo(np.float64).eps, "float32": 8 * np.finfo(np.float32).eps}


Triangles: TypeAlias = ArrayLike | tuple[ArrayLike, ArrayLike]
"""Vertices (m, 3, 3), or a mesh: points (p, 3) and three of them for each cell (m, 3)."""


class Mesh(NamedTuple):
    """What a caller gave as triangles, taken apart.

    Attributes
    ----------
    points : array_like
        Vertices (m, 3, 3), or the points (p, 3) of a mesh.
    cells : ndarray, shape (m, 3), or None
        Three points of each triangle of a mesh.
    """

    points: ArrayLike
    cells: np.ndarray | None

    @property
    def name(self) -> str:
        """The name that an error message uses for `points`."""
        return "triangles" if self.cells is None else "points"


def read(triangles: Triangles) -> Mesh:
    """Take (points, cells) apart, which is a tuple of two; anything else is an array of vertices.

    Raises
    ------
    TypeError
        If the cells are not integers.
    ValueError
        If the cells have the wrong shape.
    """
    if not (isinstance(triangles, tuple) and len(triangles) == 2):
        return Mesh(triangles, None)
    points, cells = triangles
    return Mesh(points, _cells(cells))


def _cells(cells: ArrayLike) -> np.ndarray:
    if is_tensor(cells):
        cells = cells.detach().cpu().numpy()
    elif hasattr(cells, "get"):  # of CuPy
        cells = cells.get()
    array = np.asarray(cells)
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"cells must have shape (m, 3), got {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"cells must be integers, got dtype {array.dtype}")
    return np.ascontiguousarray(array, np.int64)


def vertices(mesh: Mesh, points: Array, space: Space, batches: bool = False) -> Array:
    """Vertices (m, 3, 3), with `batches` also (B, k, 3, 3), of guarded points; of a tensor differentiable.

    Raises
    ------
    ValueError
        If the shape of the points does not fit, or if a cell asks for a point that is not there.
    """
    if mesh.cells is None:
        if points.ndim not in ((3, 4) if batches else (3,)) or tuple(points.shape[-2:]) != (3, 3):
            raise ValueError(
                "triangles must have shape (m, 3, 3), or be a tuple of points (p, 3) and cells (m, 3), "
                f"got shape {tuple(points.shape)}"
            )
        return points
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must have shape (p, 3), got {tuple(points.shape)}")
    _check_cells(mesh.cells, points.shape[0])
    return points[_index(mesh.cells, space)]


def _check_cells(cells: np.ndarray, count: int) -> None:
    bad = (cells < 0) | (cells >= count)
    if bad.any():
        j, k = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"cells[{j}, {k}] is {cells[j, k]}; there are {count} points")


def _index(cells: np.ndarray, space: Space) -> Array:
    if isinstance(space, TorchSpace):
        return space.torch.as_tensor(cells, device=space.device)
    return space.xp.asarray(cells)


def check_vertices(name: str, tri: np.ndarray, half: bool) -> None:
    """Raise a `ValueError` that names the first triangle that cannot be, and why.

    Every coordinate must be finite, in a half-space none above the surface, and no triangle degenerate: three
    vertices on a line, to the rounding of their differences.

    Parameters
    ----------
    name : str
        What the caller calls the triangles.
    tri : ndarray, shape (..., 3, 3)
        Vertices.
    half : bool
        Whether there is a surface.
    """
    check_finite(name, tri)
    if half and tri.size and tri[..., 2].max() > 0:
        above = tri > 0
        above[..., :2] = False
        reject(name, tri, above, "triangles must not reach above the surface (z <= 0)")
    sides = (tri - tri[..., [2, 0, 1], :]).astype(np.float64)
    longest = (sides**2).sum(-1).max(-1, initial=0.0)
    # Squares of areas of huge triangles would overflow.
    doubled = np.abs(np.cross(sides[..., 0, :], sides[..., 1, :]))
    area = np.hypot(np.hypot(doubled[..., 0], doubled[..., 1]), doubled[..., 2])
    flat = area <= _FLAT[tri.dtype.name] * longest
    if flat.any():
        at = [int(k) for k in np.argwhere(flat)[0]]
        where, corners = ", ".join(map(str, at)), tri[tuple(at)].tolist()
        raise ValueError(f"{name}[{where}] is degenerate: its vertices {corners} lie on a line")


def frame(triangles: Triangles) -> Array:
    """Unit vectors along strike, up dip and along the normal of each triangle.

    The normal is (P2 - P1) × (P3 - P1), normalised: seen from the side to which it points, the vertices run
    counterclockwise. Strike is horizontal, along ẑ × normal; dip is normal × strike, and points upwards, or
    lies level. For a level triangle, which has no strike, strike is north if its normal points up, and south
    if it points down (Nikkhoo & Walter 2015).

    Parameters
    ----------
    triangles : array_like, shape (m, 3, 3), or tuple
        Vertices, or (points, cells) of a mesh.

    Returns
    -------
    array, shape (m, 3, 3)
        ``[j, 0]`` is the strike, ``[j, 1]`` the dip and ``[j, 2]`` the normal vector of triangle j, in east,
        north, up. Slip (s, d, o) moves the side of the normal by s strike + d dip + o normal against the
        other.

    Raises
    ------
    TypeError, ValueError
        If the triangles have the wrong dtype or shape, or are degenerate.

    Examples
    --------
    >>> from dislok import tde
    >>> tde.frame([[[0, 0, -1], [1, 0, -1], [0, 1, -1]]])[0]
    array([[ 0.,  1.,  0.],
           [-1.,  0.,  0.],
           [ 0.,  0.,  1.]])
    """
    mesh = read(triangles)
    space, arrays = guard({mesh.name: mesh.points})
    tri = vertices(mesh, arrays[mesh.name], space)
    seen = space.peek(tri)
    if seen is not None:
        check_vertices("triangles", seen, half=False)
    return _frame(tri, _namespace(space))


def _namespace(space: Space) -> Namespace:
    return space.torch if isinstance(space, TorchSpace) else space.xp


def _frame(tri: Array, xp: Namespace) -> Array:
    """`frame` of checked vertices, computed in double precision."""
    exact = tri.to(xp.float64) if is_tensor(tri) else tri.astype(xp.float64)
    (ax, ay, az), (bx, by, bz) = ((exact[:, k] - exact[:, 0]).T for k in (1, 2))
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    size = (nx * nx + ny * ny + nz * nz) ** 0.5
    nx, ny, nz = nx / size, ny / size, nz / size
    level = (nx == 0) & (ny == 0)
    one, zero = xp.ones_like(nz), xp.zeros_like(nz)
    # the root has no derivative at zero: a level triangle must not come near it, not even unused
    across = xp.where(level, one, nx * nx + ny * ny) ** 0.5
    east = xp.where(level, zero, -ny / across)
    north = xp.where(level, xp.where(nz > 0, one, -one), nx / across)
    dip = (-nz * north, nz * east, nx * north - ny * east)
    rows = [xp.stack(row, -1) for row in ((east, north, zero), dip, (nx, ny, nz))]
    result = xp.stack(rows, 1)
    return result.to(tri.dtype) if is_tensor(tri) else result.astype(tri.dtype)


def orient(triangles: Triangles, *, towards: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Triangles:
    """Turn triangles of a mesh around so that neighbours agree on which side their normals point to.

    Each connected piece is turned as a whole so that its area-weighted normals point `towards` a direction on
    the whole. Where that leaves a piece undecided, as up does for a vertical fault, east decides, and then
    north.

    Parameters
    ----------
    triangles : array_like, shape (m, 3, 3), or tuple
        Vertices, where equal ones are shared, or (points, cells) of a mesh.
    towards : tuple of float, optional
        East, north, up.

    Returns
    -------
    array, shape (m, 3, 3), or tuple
        What was given, with the second and third vertex exchanged where a triangle was turned around.

    Raises
    ------
    TypeError, ValueError
        If the triangles have the wrong dtype or shape or are degenerate; if a piece cannot be oriented, as
        the strip of Möbius; the message names two neighbours.

    Notes
    -----
    Three or more triangles at one side, where a fault branches, have no common orientation; they are not
    counted as neighbours there.
    """
    mesh = read(triangles)
    space, arrays = guard({mesh.name: mesh.points})
    points = arrays[mesh.name]
    seen = space.fetch(vertices(mesh, points, space))
    if seen is None:
        raise TypeError("orient does not work inside a transform of torch.func")
    check_vertices("triangles", seen, half=False)
    turned = _to_turn(_welded(seen) if mesh.cells is None else mesh.cells, seen, np.asarray(towards, float))
    if mesh.cells is None:
        order = np.where(turned[:, None], [0, 2, 1], [0, 1, 2])
        rows = np.arange(len(seen))[:, None]
        return points[_index(rows, space), _index(order, space)]
    cells = mesh.cells.copy()
    cells[turned] = cells[turned][:, [0, 2, 1]]
    return triangles[0], cells


def _welded(tri: np.ndarray) -> np.ndarray:
    """Cells of loose triangles: equal vertices are one point."""
    _, index = np.unique(tri.reshape(-1, 3), axis=0, return_inverse=True)
    return index.reshape(-1, 3)


def _to_turn(cells: np.ndarray, tri: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Which triangles must be turned around, (m,) of bool."""
    if not len(cells):
        return np.zeros(0, bool)
    first, second, same = _neighbours(cells)
    count, piece, sign = _signs(len(cells), first, second, same)
    wrong = sign[first] * sign[second] != np.where(same, -1, 1)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(
            f"the mesh cannot be oriented: triangles {first[k]} and {second[k]} share a side and would "
            "have to point to different sides"
        )
    normals = np.cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0]).astype(np.float64) * sign[:, None]
    total, size = np.zeros((count, 3)), np.zeros(count)
    np.add.at(total, piece, normals)
    np.add.at(size, piece, np.linalg.norm(normals, axis=1))
    return sign * _sides(total, size, towards)[piece] < 0


def _neighbours(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of triangles that share a side with nobody else, and whether they run along it the same way."""
    ends = np.stack([cells, np.roll(cells, -1, axis=1)], axis=-1).reshape(-1, 2)
    forward = ends[:, 0] < ends[:, 1]
    order = np.lexsort(np.sort(ends, axis=1).T)
    ordered = np.sort(ends, axis=1)[order]
    start = np.flatnonzero(np.r_[True, (np.diff(ordered, axis=0) != 0).any(1)])
    twice = start[np.diff(np.r_[start, len(ordered)]) == 2]
    one, other = order[twice], order[twice + 1]
    return one // 3, other // 3, forward[one] == forward[other]


def _signs(
    m: int, first: np.ndarray, second: np.ndarray, same: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of connected pieces, the piece of each triangle, and +-1 so that neighbours agree."""
    relation = np.where(same, -1, 1)
    # Only loose meshes ask for it, and to load it takes longer than to compute.
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    graph = csr_array((np.r_[relation, relation], (np.r_[first, second], np.r_[second, first])), (m, m))
    count, piece = connected_components(graph, directed=False)
    known = {(int(a), int(b)): int(r) for a, b, r in zip(first, second, relation, strict=True)}
    sign = np.ones(m, np.int64)
    for root in np.unique(piece, return_index=True)[1]:
        order, parent = breadth_first_order(graph, root, directed=False)
        for j in order[1:]:
            i = int(parent[j])
            sign[j] = sign[i] * known.get((i, int(j)), known.get((int(j), i), 1))
    return count, piece, sign


def _sides(total: np.ndarray, size: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """+-1 for each piece with the sum of its normals: the first direction that decides."""
    sides = np.zeros(len(total), np.int64)
    for direction in (towards, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)):
        along = total @ np.asarray(direction)
        decided = np.abs(along) > 1e-9 * size * np.linalg.norm(direction)
        sides = np.where((sides == 0) & decided, np.sign(along).astype(np.int64), sides)
    return np.where(sides == 0, 1, sides)
