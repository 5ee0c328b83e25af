"""Triangles seen from the ground: many at a time, as points of potency, where they are far enough.

They answer :mod:`dislok.large.grid`, which asks for the displacement at some places of a rectangle of ground
by all triangles that are farther than so much from it, and which triangles are left. Clusters of triangles
are replaced by a few points, single triangles by the points of a rule; only what is nearer than a few of its
own sizes is computed in closed form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dislok.kernels.names import Function
from dislok.kernels.tde.potency import DEGREES, NUMBERS, add_points, at_place, bound, summarise, walk
from dislok.kernels.threads import share
from dislok.large.clusters import tree
from dislok.triangles import frame

FEW = 1000
"""Fewer triangles are computed one by one."""
FINEST = 1e-8
"""Tolerances below are not for sums of points."""
LEAF = 96
"""Most triangles in a cluster without children."""
PART = 32
"""Places that a thread takes at a time."""
THETA = 3.0
"""From how many of its radii on a cluster is replaced by points."""
REACH = (0.35, 0.45, 0.55, 0.6, 0.75)
"""Of the rules of `DEGREES`: the distance over a triangle's longest side at which a rule of degree k is off
by t of the triangle's own displacement is about ``REACH t^(-1/(k + 1))``."""


class Left(NamedTuple):
    """Sources that have not been summed: clusters, and single triangles."""

    clusters: np.ndarray
    triangles: np.ndarray

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(len(self.clusters) or len(self.triangles))


class FarField:
    """The displacement of the ground by triangles with slip, in a half-space.

    Parameters
    ----------
    corners : ndarray, shape (m, 3, 3)
    slip : ndarray, shape (m, 3)
    nu : float
    tolerance : float
        Error of a part of the displacement over that part, about.
    exact : callable
        `dislok.tde.displacement`, for triangles that are close.
    """

    def __init__(
        self, corners: np.ndarray, slip: np.ndarray, nu: float, tolerance: float, exact: Function
    ) -> None:
        self.exact = exact
        self.corners, self.slip, self.nu = np.ascontiguousarray(corners), slip, nu
        frames = np.asarray(frame(corners))
        burgers = np.einsum("mk,mka->ma", slip, frames)
        sides = corners[:, [1, 2, 0]] - corners
        area = 0.5 * np.cross(sides[:, 0], -sides[:, 2])
        self.tensors = _tensors(burgers, area)
        self.lows, self.highs = corners.min(axis=1), corners.max(axis=1)
        self.middles, self.sizes = corners.mean(axis=1), np.linalg.norm(sides, axis=2).max(axis=1)
        self.reach = np.array(REACH) * tolerance ** (-1.0 / (np.array(DEGREES) + 1.0))
        self._cluster(area, tolerance)
        self._rooms = [4096, 512, 512, 2048]

    def _cluster(self, area: np.ndarray, tolerance: float) -> None:
        self.tree = tree(self.lows, self.highs, LEAF)
        count = self.tree.size
        total = np.concatenate([np.zeros((1, 3)), np.cumsum(area[self.tree.order], axis=0)])
        normal = total[self.tree.stop] - total[self.tree.start]
        self.axes = _axes(normal)
        t = self.tree
        self.centre, self.half = np.zeros((2, count, 3))
        bound(self.corners, t.order, t.start, t.stop, self.axes, self.centre, self.half)
        self.radius = np.linalg.norm(self.half, axis=1)
        ratio = THETA * self.radius[:, None] / np.maximum(self.half, 1e-9 * self.radius[:, None])
        decay = np.log(ratio + np.sqrt(np.maximum(ratio * ratio - 1.0, 0.0)))
        self.counts = np.clip(np.ceil(np.log(2.0 / tolerance) / decay), 1, 32).astype(np.int64)
        self.first = np.concatenate([[0], np.cumsum(self.counts.prod(axis=1))])
        self.nodes = np.zeros((self.first[-1], NUMBERS))
        summarise(
            self.corners, self.tensors, t.order, t.start, t.stop, t.child, self.centre, self.axes, self.half,
            self.counts, self.first, self.nodes,
        )  # fmt: skip

    def everything(self) -> Left:
        """All sources."""
        return Left(np.zeros(1, np.int64), np.empty(0, np.int64))

    def summed(
        self, x: np.ndarray, y: np.ndarray, rectangle: np.ndarray, separation: float, left: Left
    ) -> tuple[np.ndarray | None, Left]:
        """Displacement (n, 3) at places in a rectangle by what is farther from it, and what is not.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
        rectangle : ndarray, shape (4,)
            East and north of its middle, and half lengths.
        separation : float
            What is summed is at least so far away; negative sums everything.
        left : Left
            What has not been summed before.

        Returns
        -------
        displacement : ndarray or None
            None if nothing is that far away.
        left : Left
        """
        points, close, rest = self._walk(rectangle, separation, left)
        if not len(points) and not len(close):
            return None, rest
        moved = np.zeros((3, len(x)))
        add_points(x, y, points, len(points), 1.0 - 2.0 * self.nu, *moved)
        out = np.ascontiguousarray(moved.T)
        if len(close):
            places = np.column_stack([x, y])
            out += self.exact(places, self.corners[close], self.slip[close], nu=self.nu, threads=1)
        return out, rest

    def scattered(self, x: np.ndarray, y: np.ndarray, threads: int = 1) -> np.ndarray:
        """Displacement (n, 3) by everything at places that are far from each other."""
        moved = np.zeros((3, len(x)))
        pairs: list[np.ndarray] = [np.empty(0, np.int64)] * len(x)

        def work(first: int, last: int) -> None:
            lanes = np.empty((3, 32))
            for i in range(first, last):
                at = np.array([x[i], y[i], 0.0, 0.0])
                points, pairs[i], _ = self._walk(at, -1.0, self.everything())
                moved[:, i] = at_place(x[i], y[i], points, len(points), 1.0 - 2.0 * self.nu, lanes)

        share(work, [(i, min(i + PART, len(x))) for i in range(0, len(x), PART)], threads, lambda: None)
        own = np.repeat(np.arange(len(x)), [len(c) for c in pairs])
        if len(own):
            each = np.concatenate(pairs)
            near = self.exact(
                np.column_stack([x, y])[own], self.corners[each], self.slip[each], nu=self.nu, pairs=True
            )
            for c in range(3):
                moved[c] += np.bincount(own, near[:, c], len(x))
        return np.ascontiguousarray(moved.T)

    def _walk(
        self, rectangle: np.ndarray, separation: float, left: Left
    ) -> tuple[np.ndarray, np.ndarray, Left]:
        t = self.tree
        while True:
            rooms = list(self._rooms)
            points = np.empty((rooms[0], NUMBERS))
            close, clusters, triangles = (np.empty(n, np.int64) for n in rooms[1:])
            found = np.zeros(4, np.int64)
            walk(
                rectangle, separation, left.clusters, left.triangles,
                t.order, t.start, t.stop, t.child, t.low, t.high, self.centre, self.radius, THETA, self.first,
                self.nodes, self.corners, self.tensors, self.lows, self.highs, self.middles, self.sizes,
                self.reach, points, close, clusters, triangles, found,
            )  # fmt: skip
            if (found <= rooms).all():
                rest = Left(clusters[: found[2]], triangles[: found[3]])
                return points[: found[0]], close[: found[1]], rest
            self._rooms = [max(a, int(1.5 * b)) for a, b in zip(self._rooms, found, strict=True)]


def _tensors(burgers: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Potency (m, 6) of Burgers vectors and area vectors."""
    outer = 0.5 * (burgers[:, :, None] * area[:, None, :] + area[:, :, None] * burgers[:, None, :])
    return np.ascontiguousarray(outer[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]])


def _axes(normal: np.ndarray) -> np.ndarray:
    """Axes (t, 3, 3) of clusters: level along strike, up dip, and across."""
    size = np.linalg.norm(normal, axis=1, keepdims=True)
    across = np.where(size > 0.0, normal / np.where(size > 0.0, size, 1.0), [0.0, 0.0, 1.0])
    along = np.cross([0.0, 0.0, 1.0], across)
    level = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(level > 1e-6, along / np.where(level > 1e-6, level, 1.0), [1.0, 0.0, 0.0])
    return np.stack([along, np.cross(across, along), across], axis=1)
