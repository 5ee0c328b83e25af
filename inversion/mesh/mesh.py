"""Triangulated fault surfaces: `Mesh`, checked when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from dislok import gate as gates
from dislok import tde

from ..degrees import refuse_mesh
from .patches import Adjacency, Array, Indices, Patches, refuse, surface_points

if TYPE_CHECKING:
    from dislok.large.hierarchical import HierarchicalMatrix

TOLERANCE = 1e-9
"""Share of a mesh's extent below which points coincide or stick out of the ground by rounding alone."""

THINNEST = 1e-6
"""Least height of a triangle over its longest side."""


class Mesh(Patches):
    """A fault surface of triangles.

    Parameters
    ----------
    points : array_like, shape (p, 3)
        East, north and up of the vertices, z <= 0; a vertex above the ground by rounding (1e-9 of the extent)
        is put on it.
    cells : array_like of int, shape (m, 3)
        Vertices of each triangle. Seen from the hanging wall they go round counterclockwise:
        (P2 - P1) × (P3 - P1) points into the hanging wall. `dislok.tde.orient` turns triangles so.
    geographic : bool, optional
        False where coordinates are certainly lengths, whatever they look like; by default a mesh that looks
        like longitude, latitude and a depth in km or m is refused.

    Raises
    ------
    ValueError
        If a shape does not fit, an index is out of range, a vertex is not finite or lies above the ground,
        two vertices coincide (`merge` joins them), a triangle is degenerate or occurs twice, two neighbours
        face opposite ways, or the points look like longitude and latitude. The message names the element.

    Notes
    -----
    Edges that three or more triangles share, where faults branch, couple nothing: slip may jump there.
    """

    def __init__(self, points: ArrayLike, cells: ArrayLike, *, geographic: bool | None = None) -> None:
        self.points = _checked_points(points)
        refuse_mesh(self.points, gates.optional(gates.flag())("geographic", geographic))
        self.cells = checked_cells(cells, len(self.points))
        self.outlines = self.points[self.cells]
        self._set_geometry()
        self._check_points_differ()
        self.adjacency = self._adjacency()

    def __repr__(self) -> str:
        return f"Mesh({len(self.points)} points, {self.size} triangles, area {self.areas.sum():.4g})"

    @property
    def triangles(self) -> Array:
        """Vertices of every triangle, (m, 3, 3)."""
        return self.outlines

    def greens(self, xy: ArrayLike, nu: float = 0.25) -> Array:
        """Surface displacement (n, 3, m, 3) at points (n, 2) per unit slip of each kind."""
        return np.asarray(tde.greens(surface_points(xy), self.triangles, nu=nu))

    def apply(self, xy: ArrayLike, slip: Array, nu: float = 0.25) -> Array:
        """Surface displacement (n, 3) of slip (m, 3); the matrix is never made."""
        return np.asarray(tde.apply(surface_points(xy), self.triangles, slip, nu=nu))

    def apply_adjoint(self, xy: ArrayLike, r: Array, nu: float = 0.25) -> Array:
        """Transposed matrix times residuals (n, 3): (m, 3)."""
        return np.asarray(tde.apply_adjoint(surface_points(xy), self.triangles, r, nu=nu))

    def operator(self, xy: ArrayLike, nu: float = 0.25, **options: Any) -> HierarchicalMatrix:
        """The matrix at points (n, 2) in low-rank pieces; options as of `dislok.tde.operator`."""
        return tde.operator(surface_points(xy), self.triangles, nu=nu, **options)

    def _set_geometry(self) -> None:
        a, b, c = self.outlines.transpose(1, 0, 2)
        cross = np.cross(b - a, c - a)
        double = np.linalg.norm(cross, axis=-1)
        longest = np.max([np.linalg.norm(side, axis=-1) for side in (b - a, c - b, a - c)], axis=0)
        thin = ~(double > THINNEST * longest**2)
        if thin.any():
            i = int(np.argmax(thin))
            corners = ", ".join(str(tuple(float(v) for v in p)) for p in self.outlines[i])
            refuse("triangle", i, f"degenerate, its corners {corners} lie on a line")
        self.areas, self.normals = double / 2, cross / double[:, None]
        self.centroids = self.outlines.mean(axis=1)

    def _check_points_differ(self) -> None:
        extent = np.ptp(self.points, axis=0).max()
        twins = KDTree(self.points).query_pairs(TOLERANCE * extent, output_type="ndarray")
        if len(twins):
            i, j = (int(v) for v in twins[np.lexsort(twins.T[::-1])[0]])
            place = tuple(float(v) for v in self.points[i])
            refuse("points", f"{i} and {j}", f"both lie at {place}; `merge` joins such points")

    def _adjacency(self) -> Adjacency:
        edges, owner = directed_edges(self.cells)
        group, count = _groups(edges)
        paired = _paired(group, count)
        _check_orientation(edges[paired], owner[paired])
        length = np.linalg.norm(self.points[edges[:, 0]] - self.points[edges[:, 1]], axis=-1)
        # The centroid of a triangle lies a third of its height above each side.
        height = 2 * self.areas[owner] / (3 * length)
        along = (self.points[edges[:, 1]] - self.points[edges[:, 0]]) / length[:, None]
        rim = np.flatnonzero(count[group] == 1)
        top = np.abs(self.points[edges[rim], 2]).max(axis=-1, initial=0.0)
        at_surface = top <= TOLERANCE * np.ptp(self.points, axis=0).max()
        pairs, first = owner[paired], paired[:, 0]
        shift = np.einsum("ec,ec->e", self.centroids[pairs[:, 1]] - self.centroids[pairs[:, 0]], along[first])
        # Going round counterclockwise, the outer side of an edge is to its right: along × normal.
        outwards = np.cross(along[paired], self.normals[pairs]) * height[paired].sum(axis=1)[:, None, None]
        across = outwards + np.stack([shift, -shift], axis=-1)[..., None] * along[first][:, None]
        return Adjacency(
            pairs, length[first], along[first], across, owner[rim], length[rim], height[rim], at_surface,
            self.points[edges[rim]],
        )  # fmt: skip


def checked_cells(cells: ArrayLike, points: int) -> Indices:
    """Triangles (m, 3) as int64; a ValueError names the first that cannot be."""
    if np.ma.is_masked(cells):
        raise TypeError("cells is a masked array; drop its masked elements first")
    array = np.asarray(gates.ragged("cells", cells))
    if array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise ValueError(f"cells: expected shape (m, 3), got {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"cells: expected integers, got {array.dtype}")
    table = array.astype(np.int64)
    wild = ((table < 0) | (table >= points)).any(axis=1)
    if wild.any():
        i = int(np.argmax(wild))
        refuse("triangle", i, f"vertices {table[i].tolist()} are not all among the {points} points")
    ordered = np.sort(table, axis=1)
    same = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if same.any():
        i = int(np.argmax(same))
        refuse("triangle", i, f"degenerate, vertices {table[i].tolist()} are not three")
    _check_once(ordered)
    return table


def directed_edges(cells: Indices) -> tuple[Indices, Indices]:
    """Edges (3m, 2) in the sense in which their triangles go round, and the triangle (3m,) of each."""
    edges = np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]])
    return edges, np.tile(np.arange(len(cells)), 3)


def _groups(edges: Indices) -> tuple[Indices, Indices]:
    """Number of the undirected edge that each directed one belongs to, and how many share it."""
    _, group, count = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    return group.reshape(-1), count


def _paired(group: Indices, count: Indices) -> Indices:
    """The two directed edges (e, 2) of every undirected one that two triangles share."""
    shared = np.flatnonzero(count[group] == 2)
    return shared[np.argsort(group[shared], kind="stable")].reshape(-1, 2)


def _check_once(ordered: Indices) -> None:
    _, first, count = np.unique(ordered, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        i = int(first[np.argmax(count > 1)])
        j = int(np.flatnonzero((ordered == ordered[i]).all(axis=1))[1])
        refuse("triangles", f"{i} and {j}", f"have the same vertices {ordered[i].tolist()}")


def _check_orientation(edges: NDArray[np.int64], owner: NDArray[np.int64]) -> None:
    against = edges[:, 0, 0] == edges[:, 1, 0]
    if against.any():
        i, j = sorted(int(v) for v in owner[np.argmax(against)])
        refuse(
            "triangles", f"{i} and {j}", "neighbours that face opposite ways; `dislok.tde.orient` turns them"
        )


def _checked_points(points: ArrayLike) -> Array:
    array = gates.real(nan=True, infinite=True)("points", points)
    if array.ndim != 2 or array.shape[1] != 3 or len(array) < 3:
        raise ValueError(f"points: expected shape (p, 3) with p >= 3, got {array.shape}")
    wild = ~np.isfinite(array).all(axis=1)
    if wild.any():
        i = int(np.argmax(wild))
        refuse("point", i, f"not finite: {tuple(array[i])}")
    above = array[:, 2] > TOLERANCE * np.ptp(array, axis=0).max()
    if above.any():
        i = int(np.argmax(above))
        refuse("point", i, f"above the ground: z = {array[i, 2]:g}, up is positive and the ground is at 0")
    array[:, 2] = np.minimum(array[:, 2], 0.0)
    return array
