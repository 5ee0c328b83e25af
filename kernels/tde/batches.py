"""Many models with the same observers: batches of triangles in one launch, threads over the batches."""

from __future__ import annotations

import numpy as np

from dislok.kernels.pairs.batches import Batches

from . import burgers_derivatives as burgers
from .levels import DIRECTION
from .numba_cpu import COMPONENTS, FIELD, Triangles, _axis, _greens_rows


def _batches(
    obs: np.ndarray, tri: np.ndarray, slip: np.ndarray | None, nu: float, space: str, size: int
) -> Batches[Triangles]:
    return Batches(Triangles(obs, tri, slip, nu, space, False), size)


def field(obs, tri, slip, nu, space, of, size, out=None, threads=None):
    """Displacement (batches, n, 3) or its gradient (batches, n, 9), summed over its `size` triangles."""
    name, rows = FIELD[of]
    batches = _batches(obs, tri, slip, nu, space, size)
    return batches.summed(batches.pairs.code(name), rows, out, threads)


def field_both(obs, tri, slip, nu, space, size, threads=None):
    """Displacement and gradient in one pass, (batches, n, 12)."""
    batches = _batches(obs, tri, slip, nu, space, size)
    return batches.summed(batches.pairs.code("gradient"), (0, 12), None, threads)


def greens(obs, tri, nu, space, of, size, out=None, threads=None):
    """Response to unit slips: (batches, n, c, size, 3)."""
    batches = _batches(obs, tri, None, nu, space, size)
    name, index = _greens_rows(of)
    if out is None:
        out = np.empty((batches.number, len(obs), len(index), size, 3), obs.dtype)
    batches.kept(batches.pairs.code(name), index, out, threads)
    return out


def jacobian(obs, tri, slip, nu, space, of, size, out=None, threads=None):
    """Derivatives with respect to the nine coordinates of the vertices: (batches, n, c, size, 9)."""
    batches = _batches(obs, tri, slip, nu, space, size)
    pairs = batches.pairs
    slopes, index = pairs.each(burgers.slopes, 30), np.arange(27).reshape(3, 9)
    if out is None:
        out = np.empty((batches.number, len(obs), COMPONENTS[of], size, 9), obs.dtype)
    if of == "displacement":
        batches.kept(pairs.code("jacobian"), index, out, threads, of_src=slopes)
        return out
    slopes = np.concatenate([np.zeros((len(tri), DIRECTION)), slopes], axis=1)
    for j in range(3):
        batches.kept(pairs.code("jacobian_along"), index, out, threads, j, 3, _axis(obs, j), slopes)
    return out
