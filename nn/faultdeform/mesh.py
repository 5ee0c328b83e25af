"""Triangles on the rough surface of a rupture: small at the trace, larger with depth.

Every strand is covered by rows of points at the same distances down dip. Between two rows with different
numbers of points the triangles are those of a zipper: each next one is closed by the point that comes first.
Where a branch starts, its points are those of its parent, so that the two surfaces share their edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .faults import Rupture
from .recipe import Recipe
from .roughness import Field

FLATTEN = 0.9
"""Distance of two rows over the length of their elements: about that of equilateral triangles."""
STEP = 0.06
"""Largest change of slip from one element at the trace to the next by the taper, over the slip beyond it."""
ROWS = 6
"""At least so many rows of elements."""


@dataclass(frozen=True)
class Sizes:
    """Length of the elements as it depends on depth, in km.

    Attributes
    ----------
    smallest, growth, largest : float
    """

    smallest: float
    growth: float
    largest: float

    def at(self, depth: np.ndarray | float) -> np.ndarray:
        """Length of an element at a depth."""
        return np.minimum(self.smallest + self.growth * np.asarray(depth), self.largest)


def sizes_of(rupture: Rupture, recipe: Recipe) -> Sizes:
    """Element sizes that keep to a recipe's number of triangles."""
    largest = min(rupture.width / ROWS, min(s.length for s in rupture.strands) / 2.0)
    coarser, smallest = 1.0, min(recipe.element * recipe.pixel, largest)
    while _count(rupture, Sizes(smallest, coarser * recipe.growth, largest)) > recipe.triangles:
        if smallest == largest:
            break
        coarser *= 1.05
        smallest = min(coarser * recipe.element * recipe.pixel, largest)
    if rupture.top > 0.0:
        return Sizes(smallest, coarser * recipe.growth, largest)
    # a quarter of a sine rises by STEP from one element to the next at the tip of the shortest strand
    tips = STEP * 2.0 / np.pi * recipe.taper * min(s.length for s in rupture.strands)
    finer = min(tips, smallest)
    while _count(rupture, Sizes(finer, coarser * recipe.growth, largest)) > recipe.triangles:
        if finer == smallest:
            break
        finer = min(1.05 * finer, smallest)
    return Sizes(finer, coarser * recipe.growth, largest)


def _count(rupture: Rupture, sizes: Sizes) -> float:
    """About how many triangles a mesh will have."""
    length = sum(s.length for s in rupture.strands)
    size = sizes.at(rupture.top + rows(rupture, sizes) * np.sin(np.deg2rad(rupture.dip)))
    return float((2.0 * length / size).sum())


def rows(rupture: Rupture, sizes: Sizes) -> np.ndarray:
    """Distances of the rows of points down dip, from 0 to the rupture's width."""
    sine = np.sin(np.deg2rad(rupture.dip))
    found = [0.0]
    while found[-1] < rupture.width:
        here = FLATTEN * float(sizes.at(rupture.top + sine * found[-1]))
        # as long as the elements in the middle of the row are
        found.append(found[-1] + FLATTEN * float(sizes.at(rupture.top + sine * (found[-1] + 0.5 * here))))
    row = np.array(found)
    return row * (rupture.width / row[-1])


class Surface(NamedTuple):
    """A rupture's mesh, with where its points lie on the smooth fault.

    Attributes
    ----------
    points : ndarray, shape (p, 3)
        East, north, up in km.
    cells : ndarray of int, shape (m, 3)
        Counterclockwise seen from the hanging wall, to the right of strike.
    strand : ndarray of int, shape (m,)
        Of each triangle.
    x, d : ndarray, shape (p,)
        Along the axis, and down dip.
    traces : list of ndarray of int
        Points of the upper edge of each strand, along strike.
    """

    points: np.ndarray
    cells: np.ndarray
    strand: np.ndarray
    x: np.ndarray
    d: np.ndarray
    traces: list[np.ndarray]


def build(rupture: Rupture, sizes: Sizes, rough: Field, waves: Sizes) -> Surface:
    """The mesh.

    Parameters
    ----------
    rupture : Rupture
    sizes : Sizes
        Of the elements.
    rough : Field
        Distance of the surface from the smooth fault, at right angles to it.
    waves : Sizes
        Shortest wavelengths of it by depth.
    """
    row = rows(rupture, sizes)
    size = sizes.at(rupture.top + row * np.sin(np.deg2rad(rupture.dip)))
    points = _Points(rupture, row, size)
    for k in range(len(rupture.strands)):
        points.cover(k)
    number, t, d = points.table()
    x, y = _lines(rupture, number.astype(int), t)
    cells = np.concatenate(points.cells)
    owner = np.repeat(points.owner, [len(c) for c in points.cells])
    return Surface(on_surface(rupture, x, y, d, rough, waves), cells, owner, x, d, points.traces)


class _Points:
    """Numbers the points of all strands, row by row, and makes the triangles."""

    def __init__(self, rupture: Rupture, row: np.ndarray, size: np.ndarray) -> None:
        self.strands, self.row, self.size = rupture.strands, row, size
        self.columns = [self._places(k) for k in range(len(self.strands))]
        # points of the columns of every strand, from top to bottom
        self.ids: list[np.ndarray] = []
        self.places: list[np.ndarray] = []
        self.cells: list[np.ndarray] = []
        self.owner: list[int] = []
        self.traces: list[np.ndarray] = []
        self.count = 0

    def table(self) -> np.ndarray:
        """Strand, distance along it, and distance down dip, of all points: (3, p)."""
        return np.concatenate(self.places).T

    def _places(self, k: int) -> np.ndarray:
        """Where along a strand there is a column of points from top to bottom: ends, and branches."""
        strand = self.strands[k]
        starts = [float(np.interp(s.x[0], strand.x, strand.t)) for s in self.strands if s.parent == k]
        return np.array([0.0, *sorted(starts), strand.length])

    def cover(self, k: int) -> None:
        """Points and triangles of a strand."""
        columns, strand = self.columns[k], self.strands[k]
        ids = np.empty((len(columns), len(self.row)), np.int64)
        ids[0] = -1
        if strand.parent >= 0:
            trunk = self.strands[strand.parent]
            start = np.interp(strand.x[0], trunk.x, trunk.t)
            ids[0] = self.ids[strand.parent][np.argmin(np.abs(self.columns[strand.parent] - start))]
        above: list[np.ndarray] = []
        for j, size in enumerate(self.size):
            panels = []
            for c, (a, b) in enumerate(zip(columns[:-1], columns[1:], strict=True)):
                n = max(1, round((b - a) / size))
                panels.append(self._panel(k, j, a + (b - a) * np.arange(n + 1) / n, int(ids[c, j])))
                ids[c, j], ids[c + 1, j] = panels[-1][0], panels[-1][-1]
            for upper, lower in zip(above, panels, strict=False):
                self.cells.append(zipper(upper, lower))
                self.owner.append(k)
            if j == 0:
                self.traces.append(np.concatenate([panels[0], *(p[1:] for p in panels[1:])]))
            above = panels
        self.ids.append(ids)

    def _panel(self, k: int, j: int, t: np.ndarray, first: int) -> np.ndarray:
        """Numbers of the points of a row between two columns; the first may have one already."""
        new = t if first < 0 else t[1:]
        own = np.arange(self.count, self.count + len(new))
        self.count += len(new)
        self.places.append(np.stack([np.full(len(new), k), new, np.full(len(new), self.row[j])], axis=-1))
        return own if first < 0 else np.concatenate([[first], own])


def _lines(rupture: Rupture, number: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.empty(len(t)), np.empty(len(t))
    for k, strand in enumerate(rupture.strands):
        own = number == k
        x[own], y[own] = np.interp(t[own], strand.t, strand.x), np.interp(t[own], strand.t, strand.y)
    return x, y


def on_surface(
    rupture: Rupture, x: np.ndarray, y: np.ndarray, d: np.ndarray, rough: Field, waves: Sizes
) -> np.ndarray:
    """Points (p, 3) of the rough surface, which is laid off level, so that its rows stay level."""
    dip = np.deg2rad(rupture.dip)
    depth = rupture.top + d * np.sin(dip)
    off = rough(x - rupture.span[0], d, waves.at(depth)) / np.sin(dip)
    return np.column_stack([rupture.ground(x, y + off + d * np.cos(dip)), -depth])


def zipper(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Triangles (n + m, 3) between two rows of n + 1 and m + 1 points that share their ends' columns."""
    n, m = len(upper) - 1, len(lower) - 1
    order = np.argsort(np.concatenate([(np.arange(n) + 0.5) / n, (np.arange(m) + 0.5) / m]), kind="stable")
    above = order < n
    i: np.ndarray = np.cumsum(above) - above
    j: np.ndarray = np.arange(n + m) - i
    third = np.where(above, upper[np.minimum(i + 1, n)], lower[np.minimum(j + 1, m)])
    return np.stack([upper[i], lower[j], third], axis=-1)


def above(cells: np.ndarray, line: np.ndarray, points: int) -> np.ndarray:
    """Triangles (k - 1,) that have the pieces of a line of k points for a side; all `points` are so many."""
    corners = cells.astype(np.int64)
    edges = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]], axis=2) @ [points, 1]
    order = np.argsort(edges, axis=None, kind="stable")
    wanted = np.sort(np.stack([line[:-1], line[1:]], axis=1), axis=1) @ [points, 1]
    return order[np.searchsorted(edges.ravel()[order], wanted)] // 3
