"""Roughness of a field that is constant on patches: finite volumes on any mesh or grid.

Between two neighbours the slope is the difference over the distance from centroid to edge to centroid, as if
the surface were unfolded. On rectangles and on equilateral triangles the Laplacian of a quadratic field is
exact at inner patches, on any mesh that of a linear one.

Outside an edge the field either goes on as it is ("free"), or it is zero on the edge ("locked"). "buried"
locks every edge but those at the ground's surface, where slip may end abruptly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dislok import gate as gates

from .joined import Joined
from .patches import Array, Patches

EDGES = ("free", "buried", "locked")


@gates.gate(patches=gates.instance(Patches, Joined), edges=gates.choice(*EDGES))
def gradient(patches: Patches | Joined, edges: str = "free") -> sparse.csr_array:
    """Matrix D, (e, m), of slopes: ``|D f|² = ∫ |∇f|² dA``.

    Parameters
    ----------
    patches : Patches
        A mesh or grid.
    edges : "free", "buried" or "locked"
        What lies outside.

    Returns
    -------
    sparse array, shape (inner edges and locked edges, m)
        Rows are slopes times the square root of the area over which they hold.
    """
    near = patches.adjacency
    held = _held(patches, edges)
    rows = np.arange(len(near.pairs))
    weight = np.sqrt(near.length / near.distance)
    inner = sparse.coo_array(
        (np.concatenate([-weight, weight]), (np.tile(rows, 2), near.pairs.T.ravel())),
        shape=(len(rows), patches.size),
    )
    steep = np.sqrt(near.rim_length[held] / near.rim_distance[held])
    outer = sparse.coo_array(
        (steep, (np.arange(held.sum()), near.rim[held])), shape=(int(held.sum()), patches.size)
    )
    return sparse.csr_array(sparse.vstack([inner, outer]))


@gates.gate(patches=gates.instance(Patches, Joined), edges=gates.choice(*EDGES))
def laplacian(patches: Patches | Joined, edges: str = "free") -> sparse.csr_array:
    """Matrix (m, m) of the Laplacian: ``L f`` in units of f over length². Parameters as of `gradient`.

    Where the line between two centroids is not square to their edge, the slope across the edge is freed of
    the part along it, from the gradients of both patches: linear fields have no Laplacian at inner patches of
    any mesh. On grids, and wherever all lines are square, ``mass @ L`` is symmetric without positive
    eigenvalues.
    """
    near, m = patches.adjacency, patches.size
    e = np.arange(len(near.pairs))
    first, second = (
        sparse.coo_array((np.ones(e.size), (e, near.pairs[:, k])), shape=(e.size, m)) for k in (0, 1)
    )
    skew = -near.shift[:, None] * near.along / 2
    slopes = second - first
    for axis, part in enumerate(_cell_gradient(patches)):
        slopes = slopes + sparse.diags_array(skew[:, axis]) @ (first + second) @ part
    flux = sparse.diags_array(near.length / near.distance) @ slopes
    held = _held(patches, edges)
    loss = np.bincount(near.rim[held], (near.rim_length / near.rim_distance)[held], m).astype(float)
    outflow = (first - second).T @ flux - sparse.diags_array(loss)
    return sparse.csr_array(sparse.diags_array(1 / patches.areas) @ outflow)


@gates.gate(patches=gates.instance(Patches, Joined))
def mass(patches: Patches | Joined) -> sparse.dia_array:
    """Diagonal matrix M, (m, m), of the areas: ``f @ M @ f = ∫ f² dA``."""
    return sparse.diags_array(patches.areas)


def roughness(patches: Patches | Joined, order: int, edges: str = "free") -> sparse.csr_array:
    """Matrix R, (k, m), whose ``|R f|²`` measures roughness in units of f², whatever the mesh's resolution.

    Order 0 is ``∫ f² dA / S``, order 1 is ``∫ |∇f|² dA``, order 2 is ``S ∫ (Δf)² dA``, with S the area of all
    patches.
    """
    total = float(patches.areas.sum())
    root: Array = np.sqrt(patches.areas)
    if order == 0:
        return sparse.csr_array(sparse.diags_array(root / np.sqrt(total)))
    if order == 1:
        return gradient(patches, edges)
    if order == 2:
        return sparse.csr_array(sparse.diags_array(root * np.sqrt(total)) @ laplacian(patches, edges))
    raise ValueError(f"order must be 0, 1 or 2, got {order!r}")


def _cell_gradient(patches: Patches | Joined) -> list[sparse.csr_array]:
    """Matrices (m, m) of the east, north and up slope in each patch's plane, by least squares."""
    near, m = patches.adjacency, patches.size
    owner, other = near.pairs.T.ravel(), near.pairs[:, ::-1].T.ravel()
    steps = near.across.transpose(1, 0, 2).reshape(-1, 3)
    normal = np.zeros((m, 3, 3))
    np.add.at(normal, owner, steps[:, :, None] * steps[:, None])
    inverse = np.linalg.pinv(normal, rcond=1e-6, hermitian=True)
    weights = np.einsum("kcd,kd->kc", inverse[owner], steps)
    parts = []
    for axis in range(3):
        w = weights[:, axis]
        own = sparse.diags_array(np.bincount(owner, w, m).astype(float))
        parts.append(sparse.csr_array(sparse.coo_array((w, (owner, other)), shape=(m, m)) - own))
    return parts


def _held(patches: Patches | Joined, edges: str) -> NDArray[np.bool_]:
    if edges not in EDGES:
        raise ValueError(f"edges must be one of {', '.join(EDGES)}; got {edges!r}")
    surface = patches.adjacency.at_surface
    return {"free": np.zeros_like(surface), "buried": ~surface, "locked": np.ones_like(surface)}[edges]
