"""Roughness of a field that is constant on patches: finite volumes on any mesh or grid.

Between two neighbours the slope is the difference over the distance from centroid to edge to centroid, as if
the surface were unfolded. On rectangles and on equilateral triangles that is exact for quadratic fields at
inner patches; on other triangles it is the customary two-point approximation.

Outside an edge the field either goes on as it is ("free"), or it is zero on the edge ("locked"). "buried"
locks every edge but those at the ground's surface, where slip may end abruptly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .patches import Array, Patches

EDGES = ("free", "buried", "locked")


def gradient(patches: Patches, edges: str = "free") -> sparse.csr_array:
    """Matrix (e, m) with ``|D f|²`` = ∫ |∇f|² dA.

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


def laplacian(patches: Patches, edges: str = "free") -> sparse.csr_array:
    """Matrix (m, m) of the Laplacian: ``L f`` in units of f over length².

    ``mass @ L`` is symmetric and has no positive eigenvalue. Parameters as of `gradient`.
    """
    slopes = gradient(patches, edges)
    return sparse.csr_array(sparse.diags_array(-1 / patches.areas) @ (slopes.T @ slopes))


def mass(patches: Patches) -> sparse.dia_array:
    """Diagonal matrix (m, m) of the areas: ``f @ M @ f`` = ∫ f² dA."""
    return sparse.diags_array(patches.areas)


def roughness(patches: Patches, order: int, edges: str = "free") -> sparse.csr_array:
    """Matrix R, (k, m), whose ``|R f|²`` measures roughness in units of f², whatever the mesh's resolution.

    Order 0 is ∫ f² dA / S, order 1 is ∫ |∇f|² dA, order 2 is S ∫ (Δf)² dA, S being the area of all patches.
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


def _held(patches: Patches, edges: str) -> NDArray[np.bool_]:
    if edges not in EDGES:
        raise ValueError(f"edges must be one of {', '.join(EDGES)}; got {edges!r}")
    surface = patches.adjacency.at_surface
    return {"free": np.zeros_like(surface), "buried": ~surface, "locked": np.ones_like(surface)}[edges]
