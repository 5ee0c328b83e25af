"""A rectangle cut into smaller rectangles: `Grid`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates
from dislok import okada
from dislok.okada import Rectangle
from dislok.sources import down_dip_and_strike, fractions, origin_of, points_on, sincos_degrees

from .mesh import TOLERANCE
from .patches import Adjacency, Array, Indices, Patches, surface_points

if TYPE_CHECKING:
    from dislok.large.hierarchical import HierarchicalMatrix

_QUAD = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Grid(Patches):
    """A rectangular fault of ``n_strike × n_dip`` equal rectangles, numbered along strike, then downwards.

    Parameters
    ----------
    fault : Rectangle
        Seven numbers of geometry; its rake, slip and opening do not matter.
    n_strike, n_dip : int
        Number of patches along strike and down dip.
    origin : str, optional
        Point of the rectangle that x, y and depth mean, a key of `dislok.okada.ORIGINS`; by default what the
        rectangle carries, or "topleft".

    Attributes
    ----------
    fault : Rectangle that carries the reference point "topleft"; shape : (n_dip, n_strike).
    source : Rectangle of arrays (m,), carrying "topleft": the patches.

    Raises
    ------
    ValueError
        If a number of patches is not positive, a field is not one number, or the fault is none or sticks out
        of the ground.
    """

    def __init__(self, fault: Rectangle, n_strike: int, n_dip: int, origin: str | None = None) -> None:
        self.shape = checked_counts(n_strike, n_dip)
        table = rectangle_row(fault)
        here = fractions(origin_of(fault, origin))
        okada.check(np.zeros((1, 2)), fault, origin=origin)
        x, y, z = points_on(table, here, [(0.0, 0.0)])[0, 0]
        self.fault = Rectangle(x, y, max(-z, 0.0), *table[0, 3:7]).with_origin("topleft")
        self.source = self._cut()
        self.outlines, self.centroids = self._places()
        self.areas = np.full(self.size, self.source.length[0] * self.source.width[0])
        along, down = down_dip_and_strike(self.source.strike, self.source.dip)
        self.normals = np.cross(down, along)
        self.adjacency = self._adjacency()

    @property
    def size(self) -> int:
        """Number of patches."""
        return self.shape[0] * self.shape[1]

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"Grid({columns} along strike x {rows} down dip, area {self.areas.sum():.4g})"

    def greens(self, xy: ArrayLike, nu: float = 0.25) -> Array:
        """Surface displacement (n, 3, m, 3) at points (n, 2) per unit slip of each kind."""
        return np.asarray(okada.greens(surface_points(xy), self.source, nu=nu))

    def apply(self, xy: ArrayLike, slip: Array, nu: float = 0.25) -> Array:
        """Surface displacement (n, 3) of slip (m, 3); the matrix is never made."""
        return np.asarray(okada.apply(surface_points(xy), self.source, slip, nu=nu))

    def apply_adjoint(self, xy: ArrayLike, r: Array, nu: float = 0.25) -> Array:
        """Transposed matrix times residuals (n, 3): (m, 3)."""
        return np.asarray(okada.apply_adjoint(surface_points(xy), self.source, r, nu=nu))

    def operator(self, xy: ArrayLike, nu: float = 0.25, **options: Any) -> HierarchicalMatrix:
        """The matrix at points (n, 2) in low-rank pieces; options as of `dislok.okada.operator`."""
        return okada.operator(surface_points(xy), self.source, nu=nu, **options)

    def _cut(self) -> Any:
        rows, columns = self.shape
        x, y, depth, length, width, strike, dip = (float(v) for v in self.fault[:7])
        row, column = np.divmod(np.arange(self.size), columns)
        s, d = column * (length / columns), row * (width / rows)
        along, down = (v.ravel() for v in down_dip_and_strike(np.array([strike]), np.array([dip])))
        east, north, _ = along[:, None] * s + down[:, None] * d
        deep = depth + d * float(sincos_degrees(dip)[0])
        same = (np.full(self.size, v) for v in (length / columns, width / rows, strike, dip))
        return Rectangle(x + east, y + north, deep, *same).with_origin("topleft")

    def _places(self) -> tuple[Array, Array]:
        table = np.stack(np.broadcast_arrays(*self.source), axis=-1).astype(float)
        outlines = points_on(table, (0.0, 0.0), _QUAD)
        return outlines, outlines.mean(axis=1)

    def _adjacency(self) -> Adjacency:
        number = np.arange(self.size).reshape(self.shape)
        length, width = self.source.length[0], self.source.width[0]
        along, down = self.frame[0, 0], -self.frame[0, 1]
        steps = np.array([[length * along, -length * along], [width * down, -width * down]], np.float64)
        beside = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=-1)
        below = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=-1)
        sides = np.concatenate([number[:, 0], number[:, -1]])
        ends = np.concatenate([number[0], number[-1]])
        outcrop = float(self.fault.depth) <= TOLERANCE * float(self.fault.width)
        surface = np.zeros(len(sides) + len(ends), bool)
        surface[len(sides) : len(sides) + self.shape[1]] = outcrop
        return Adjacency(
            pairs=np.concatenate([beside, below]),
            length=np.repeat([width, length], [len(beside), len(below)]),
            along=np.repeat(np.stack([down, along]), [len(beside), len(below)], axis=0),
            across=np.repeat(steps, [len(beside), len(below)], axis=0),
            rim=np.concatenate([sides, ends]),
            rim_length=np.repeat([width, length], [len(sides), len(ends)]),
            rim_distance=np.repeat([length / 2, width / 2], [len(sides), len(ends)]),
            at_surface=surface,
            rim_ends=self._rim_ends(number),
        )

    def _rim_ends(self, number: Indices) -> Array:
        """Ends (b, 2, 3) of the outer edges, in the order of the adjacency."""
        parts = ((number[:, 0], [0, 3]), (number[:, -1], [1, 2]), (number[0], [0, 1]), (number[-1], [3, 2]))
        return np.concatenate([self.outlines[which][:, corners] for which, corners in parts])


def checked_counts(n_strike: int, n_dip: int) -> tuple[int, int]:
    """Rows and columns of a grid, (n_dip, n_strike), both positive."""
    return gates.count(1, 10**6)("n_dip", n_dip), gates.count(1, 10**6)("n_strike", n_strike)


def rectangle_row(fault: Rectangle) -> Array:
    """The ten fields of one Rectangle as a row (1, 10)."""
    if not isinstance(fault, Rectangle):
        raise TypeError(f"fault: expected a Rectangle, got {type(fault).__name__}")
    row = []
    for name, value in zip(Rectangle._fields, fault, strict=True):
        array = gates.real()(f"fault.{name}", value)
        if array.size != 1:
            raise ValueError(f"fault: {name} must be one number, got shape {array.shape}")
        row.append(float(array.reshape(())))
    return np.array([row])
