"""Traces along which the ground breaks, and the side of them on which a point lies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree


class Nearest(NamedTuple):
    """What is known of points beside a trace.

    Attributes
    ----------
    distance : ndarray
        From the nearest point of the trace, positive to the right.
    piece : ndarray of int
        Straight piece on which that point lies.
    share : ndarray
        Where on the piece: 0 at its start, 1 at its end.
    beyond : ndarray of bool
        Whether the nearest point is an end of the trace.
    """

    distance: np.ndarray
    piece: np.ndarray
    share: np.ndarray
    beyond: np.ndarray


class Line:
    """A polyline of pieces of about equal length.

    Parameters
    ----------
    points : ndarray, shape (k, 2)
    """

    def __init__(self, points: np.ndarray) -> None:
        self.points = points
        self.steps = np.diff(points, axis=0)
        self.lengths = np.linalg.norm(self.steps, axis=1)
        right = np.stack([self.steps[:, 1], -self.steps[:, 0]], axis=-1) / self.lengths[:, None]
        # At a corner the sides are told by the mean of the normals of the two pieces.
        self.corner = np.concatenate([right[:1], 0.5 * (right[1:] + right[:-1]), right[-1:]])
        self.right = right
        self.tree = KDTree(points)

    def nearest(self, places: np.ndarray) -> Nearest:
        """The nearest points of the line to places (n, 2)."""
        count = len(self.steps)
        _, vertices = self.tree.query(places, k=2)
        best = np.full(len(places), np.inf)
        piece, share = np.zeros(len(places), np.int64), np.zeros(len(places))
        for candidate in np.concatenate([vertices - 1, vertices], axis=1).T:
            own = np.clip(candidate, 0, count - 1)
            along = np.einsum("na,na->n", places - self.points[own], self.steps[own]) / self.lengths[own] ** 2
            along = np.clip(along, 0.0, 1.0)
            off = places - self.points[own] - along[:, None] * self.steps[own]
            square = np.einsum("na,na->n", off, off)
            closer = square < best
            best[closer], piece[closer], share[closer] = square[closer], own[closer], along[closer]
        off = places - self.points[piece] - share[:, None] * self.steps[piece]
        inner = ((share > 0.0) & (share < 1.0))[:, None]
        normal = np.where(inner, self.right[piece], self.corner[piece + (share >= 1.0)])
        sign = np.where(np.einsum("na,na->n", off, normal) >= 0.0, 1.0, -1.0)
        beyond = ((piece == 0) & (share <= 0.0)) | ((piece == count - 1) & (share >= 1.0))
        return Nearest(sign * np.sqrt(best), piece, share, beyond)


class Trace:
    """All lines along which the ground breaks.

    Parameters
    ----------
    lines : list of ndarray, shapes (k, 2)
    """

    def __init__(self, lines: list[np.ndarray]) -> None:
        self.lines = [Line(points) for points in lines]

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance from the nearest line, positive to its right; infinite where there is none."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        places = np.column_stack([x.ravel(), y.ravel()])
        found = np.full(len(places), np.inf)
        for line in self.lines:
            own = line.nearest(places).distance
            found = np.where(np.abs(own) < np.abs(found), own, found)
        return found.reshape(x.shape)
