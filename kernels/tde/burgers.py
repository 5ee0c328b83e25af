"""Burgers vectors of triangles: how they change with vertices and slip, once for each triangle."""

from __future__ import annotations

from typing import Any

import numpy as np

from dislok.kernels.scalar import Jet, seed, sqrt, where

VERTICES = 9


def axes(tri: np.ndarray) -> list[list[Jet]]:
    """Strike, dip and normal vectors as jets of second order in the nine coordinates of the vertices.

    The strike of a level triangle has no derivative: it jumps from north to any other direction. Here it then
    keeps its azimuth, so that the other derivatives stay finite.

    Parameters
    ----------
    tri : array, shape (m, 3, 3)
        Vertices, as the caller ordered them.

    Returns
    -------
    list of list of Jet
        ``[k][i]``: component i of vector k, on arrays (m,).
    """
    places: list[Any] = [
        seed(np.asarray(x, float), k, VERTICES, 2) for k, x in enumerate(tri.reshape(-1, 9).T)
    ]
    a, b = ([places[3 * k + i] - places[i] for i in range(3)] for k in (1, 2))
    normal = _unit(_cross(a, b))
    level = (normal[0].v == 0.0) & (normal[1].v == 0.0)
    east, north = (where(level, one, x) for one, x in ((1.0, normal[0]), (0.0, normal[1])))
    across = sqrt(east * east + north * north)
    up = where(normal[2].v > 0.0, 1.0, -1.0)
    dot = up * normal[1]
    # of a triangle that looks north this is nothing, and not used
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = _unit([-(dot * x) if i != 1 else up - dot * x for i, x in enumerate(normal)])
    ordinary = [-north / across, east / across, 0.0 * across]
    strike = [where(level, x, y) for x, y in zip(kept, ordinary, strict=True)]
    return [strike, _cross(normal, strike), normal]


def _cross(a: list[Any], b: list[Any]) -> list[Any]:
    return [a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3] for i in range(3)]


def _unit(a: list[Any]) -> list[Any]:
    size = sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])
    return [x / size for x in a]


class Burgers:
    """Derivatives of the Burgers vectors of triangles.

    Parameters
    ----------
    tri, slip : array, shapes (m, 3, 3) and (m, 3)
        Vertices; strike slip, dip slip, opening.
    sign : array, shape (m,)
        1, or -1 where the kernels turn a triangle over.

    Attributes
    ----------
    axes : array, shape (m, 3, 3)
        ``[:, k, i]``: derivative of component i with slip k.
    turns : array, shape (m, 3, 3, 9)
        ``[:, k, i, q]``: derivative of that with the caller's vertex coordinate q.
    slopes : array, shape (m, 3, 9)
        ``[:, i, q]``: derivative of component i with coordinate q.
    """

    def __init__(self, tri: np.ndarray, slip: np.ndarray, sign: np.ndarray) -> None:
        self._jets = axes(tri)
        self.slip = np.asarray(slip, float)
        self.sign = sign
        self.axes = self._stacked(lambda x: [x.v], tri)[..., 0]
        self.turns = self._stacked(lambda x: x.p, tri)
        self.slopes = np.einsum("mk,mkiq->miq", self.slip, self.turns)

    def _stacked(self, parts: Any, tri: np.ndarray) -> np.ndarray:
        """Parts of the jets as an array (m, 3, 3, parts)."""
        found = [
            [[d + np.zeros(len(tri)) if isinstance(d, np.ndarray) else np.zeros(len(tri)) for d in parts(x)]
             for x in row]
            for row in self._jets
        ]  # fmt: skip
        return np.moveaxis(np.asarray(found), -1, 0) * self.sign[:, None, None, None]

    def along(self, t_tri: np.ndarray, t_slip: np.ndarray) -> np.ndarray:
        """Derivative (m, 3) along tangents of vertices (m, 9) and slip (m, 3)."""
        turned = np.einsum("miq,mq->mi", self.slopes, t_tri)
        return turned + np.einsum("mk,mki->mi", t_slip, self.axes)

    def adjoint(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients with vertices (m, 9) and slip (m, 3) from that with the Burgers vector (m, 3)."""
        return np.einsum("mi,miq->mq", g, self.slopes), np.einsum("mi,mki->mk", g, self.axes)

    def bends(self, g: np.ndarray) -> np.ndarray:
        """Second derivatives (m, 3, 9, 9) of ``g . vector k`` with the vertices."""
        packed = np.einsum("mi,mkih->mkh", g, self._stacked(lambda x: x.h, np.empty((len(g), 9))))
        rows, columns = np.tril_indices(VERTICES)
        full = np.zeros((*packed.shape[:2], VERTICES, VERTICES))
        full[..., rows, columns] = packed
        full[..., columns, rows] = packed
        return full

    def bend(
        self, t_tri: np.ndarray, t_slip: np.ndarray, s_tri: np.ndarray, s_slip: np.ndarray
    ) -> np.ndarray:
        """Second derivative (m, 3) along two tangents of vertices (m, 9) and slip (m, 3)."""
        mixed = np.einsum("mk,mkiq,mq->mi", t_slip, self.turns, s_tri)
        mixed += np.einsum("mk,mkiq,mq->mi", s_slip, self.turns, t_tri)
        each = [self.bends(np.zeros((len(s_tri), 3)) + axis) for axis in np.eye(3)]
        twice = [np.einsum("mk,mkpq,mp,mq->m", self.slip, bends, t_tri, s_tri) for bends in each]
        return mixed + np.stack(twice, axis=1)

    def bent(self, g: np.ndarray, t_tri: np.ndarray, t_slip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients with vertices and slip of ``g . along(t_tri, t_slip)`` at fixed g and tangents."""
        bends = self.bends(g)
        turns = np.einsum("mi,mkiq->mkq", g, self.turns)
        of_tri = np.einsum("mk,mkpq,mq->mp", self.slip, bends, t_tri) + np.einsum("mk,mkq->mq", t_slip, turns)
        return of_tri, np.einsum("mkq,mq->mk", turns, t_tri)
