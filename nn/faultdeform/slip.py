"""Slip on the triangles of a rupture: how much, and in which direction within each."""

from __future__ import annotations

import numpy as np

from dislok import tde

from .faults import Rupture
from .mesh import Surface, above
from .recipe import Recipe
from .roughness import Field
from .strands import Strand

_PARTS = 4


def _inner(parts: int) -> np.ndarray:
    """Barycentric coordinates (parts², 3) of the centres of equal parts of a triangle."""
    found = []
    for i in range(parts):
        for j in range(parts - i):
            found.append((i + 1 / 3, j + 1 / 3))
            if i + j < parts - 1:
                found.append((i + 2 / 3, j + 2 / 3))
    ab = np.array(found) / parts
    return np.column_stack([ab, 1.0 - ab.sum(axis=1)])


INNER = _inner(_PARTS)


def amounts(rupture: Rupture, surface: Surface, field: Field, recipe: Recipe) -> np.ndarray:
    """Slip (m,) of the triangles up to a factor: its mean over each of them."""
    x = surface.x[surface.cells] @ INNER.T
    d = surface.d[surface.cells] @ INNER.T
    slip = np.empty_like(x)
    for k in range(len(rupture.strands)):
        own = surface.strand == k
        slip[own] = _amount(rupture, k, x[own], d[own], field, recipe)
    return slip.mean(axis=1)


def amounts_at_traces(rupture: Rupture, surface: Surface, field: Field, recipe: Recipe) -> list[np.ndarray]:
    """Slip (n - 1,) at the ground, up to the same factor: its mean over each piece of each trace."""
    found = []
    for k, trace in enumerate(surface.traces):
        ends = surface.x[trace]
        x = ends[:-1, None] + np.diff(ends)[:, None] * (np.arange(_PARTS) + 0.5) / _PARTS
        found.append(_amount(rupture, k, x, np.zeros_like(x), field, recipe).mean(axis=1))
    return found


def _amount(
    rupture: Rupture, k: int, x: np.ndarray, d: np.ndarray, field: Field, recipe: Recipe
) -> np.ndarray:
    """Slip of strand k at places along the axis and down dip, up to a factor."""
    slip = np.maximum(1.0 + recipe.slip_variation * field(x - rupture.span[0], d), 0.0)
    slip *= _down(rupture, d, recipe.taper) * _deficit(rupture, d)
    return slip * along(rupture, k, x, recipe.taper)


def quarter(share: np.ndarray) -> np.ndarray:
    """A quarter of a sine from 0 at 0 to 1 at 1 and beyond."""
    return np.sin(0.5 * np.pi * np.clip(share, 0.0, 1.0))


def _down(rupture: Rupture, d: np.ndarray, taper: float) -> np.ndarray:
    found = quarter((rupture.width - d) / (taper * rupture.width))
    return found * quarter(d / (taper * rupture.width)) if rupture.top > 0.0 else found


def _deficit(rupture: Rupture, d: np.ndarray) -> np.ndarray:
    if not rupture.deficit:
        return np.ones_like(d)
    depth = rupture.top + d * np.sin(np.deg2rad(rupture.dip))
    return 1.0 - rupture.deficit * np.exp(-depth / rupture.deficit_depth)


def along(rupture: Rupture, k: int, x: np.ndarray, taper: float) -> np.ndarray:
    """How slip varies along a strand: its ends, and what branches take over."""
    strand = rupture.strands[k]
    if strand.parent >= 0:
        trunk = along(rupture, strand.parent, np.full(1, strand.x[0]), taper)
        return trunk * strand.share * _end(strand, x, taper)
    t = np.interp(x, strand.x, strand.t)
    reach = taper * strand.length
    found = quarter(t / reach) * quarter((strand.length - t) / reach)
    for branch in rupture.strands:
        if branch.parent == k:
            taken = branch.share * _end(branch, x, taper)
            found = found * np.where(x >= branch.x[0], 1.0 - taken, 1.0)
    return found


def _end(branch: Strand, x: np.ndarray, taper: float) -> np.ndarray:
    """The slip of a branch falls from its start on."""
    t = np.interp(x, branch.x, branch.t)
    return quarter((branch.length - t) / ((1.0 - taper) * branch.length))


def directions(rupture: Rupture, surface: Surface) -> np.ndarray:
    """Unit vectors (m, 3) of the slip of the right side against the left: within each triangle.

    The direction is that of the rake on the smooth fault there, projected on the triangle.
    """
    corners = surface.points[surface.cells]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    smooth = _smooth_direction(rupture, surface)
    found = smooth - np.einsum("ma,ma->m", smooth, normal)[:, None] * normal
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _smooth_direction(rupture: Rupture, surface: Surface) -> np.ndarray:
    """Unit vectors (m, 3) of the rake on the fault without its roughness."""
    dip, rake = np.deg2rad(rupture.dip), np.deg2rad(rupture.rake)
    x = surface.x[surface.cells].mean(axis=1)
    strike = np.zeros((len(x), 3))
    for k, strand in enumerate(rupture.strands):
        own = surface.strand == k
        middles = 0.5 * (strand.x[1:] + strand.x[:-1])
        bend = [np.interp(x[own], middles, np.diff(v) / np.diff(strand.t)) for v in (strand.x, strand.y)]
        strike[own, :2] = rupture.ground(*bend)
    strike /= np.linalg.norm(strike, axis=1, keepdims=True)
    down = np.array([*(np.cos(dip) * rupture.right), -np.sin(dip)])
    up = -down + (strike @ down)[:, None] * strike
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    return np.cos(rake) * strike + np.sin(rake) * up


def slip_of(
    rupture: Rupture, surface: Surface, field: Field, recipe: Recipe
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Slip (m, 3) in m along strike, up dip and opening, in the frame of each triangle.

    And along each trace the slip at the ground over that of the triangles there, (n - 1,).

    It is scaled to the moment of the rupture: moment = rigidity × the sum of area × slip. The opening is 0.
    """
    triangles = surface.points[surface.cells]
    frame = np.asarray(tde.frame(triangles))
    size = amounts(rupture, surface, field, recipe)
    factors = []
    for trace, ground in zip(surface.traces, amounts_at_traces(rupture, surface, field, recipe), strict=True):
        there = size[above(surface.cells, trace, len(surface.points))]
        factors.append(np.divide(ground, there, out=np.ones_like(ground), where=there > 0.0))
    size *= rupture.moment / (recipe.rigidity * 1e6 * (areas(triangles) @ size))
    slip = np.einsum("mka,ma->mk", frame, directions(rupture, surface)) * size[:, None]
    slip[:, 2] = 0.0
    return slip, factors


def areas(triangles: np.ndarray) -> np.ndarray:
    """Areas (m,) of triangles (m, 3, 3)."""
    a, b, c = triangles.transpose(1, 0, 2)
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
