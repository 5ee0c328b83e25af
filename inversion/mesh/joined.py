"""Faults that adjoin made one for smoothing: `joined` finds the stretches of edges that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from .patches import Adjacency, Array, Indices, Patches

_CLOSE = 0.5
"""Distance, over the shorter edge's length, below which edges of two faults adjoin: those of rectangles that
dip and strike differently part with depth.
"""

_SLIVER = 1e-2
"""Share of the shorter edge below which a common stretch is none."""

_FOLD = 0.5
"""Cosine between the outward directions of two patches at their edge above which they lie side by side."""


class Joined:
    """Patches of several faults, numbered one fault after the other, with what touches what.

    Parameters
    ----------
    faults : sequence of Patches
        Edges on the rims of two of them that lie on each other, or nearly, join their patches; where
        three or more meet, all are joined. Strike slip goes on as strike slip, and dip slip as dip slip.

    Attributes
    ----------
    areas : (m,); adjacency : as of `Patches`; seams : (s, 2) pairs of patches across faults.
    """

    def __init__(self, faults: Sequence[Patches]) -> None:
        self.areas = np.concatenate([fault.areas for fault in faults])
        first = np.cumsum([0, *(fault.size for fault in faults)])
        parts = [_shifted(fault.adjacency, n) for fault, n in zip(faults, first[:-1].tolist(), strict=True)]
        whole = Adjacency(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        fault_of = np.repeat(np.arange(len(faults)), [len(part.rim) for part in parts])
        centroids = np.concatenate([fault.centroids for fault in faults])
        seams = _seams(whole, fault_of, centroids)
        self.seams: Indices = whole.rim[np.stack([seams.first, seams.second], -1)]
        self.adjacency = _with(whole, seams, self.seams)

    @property
    def size(self) -> int:
        """Number of patches."""
        return len(self.areas)


class _Seams(NamedTuple):
    """Stretches that two rim edges share: numbers of the edges, length, direction, unfolded steps."""

    first: Indices
    second: Indices
    length: Array
    along: Array
    across: Array


def _shifted(near: Adjacency, n: int) -> Adjacency:
    return near._replace(pairs=near.pairs + n, rim=near.rim + n)


def _seams(near: Adjacency, fault_of: NDArray[np.int64], centroids: Array) -> _Seams:
    """All stretches that edges of different faults share."""
    a, b = _neighbours(near, fault_of).T
    start, step = near.rim_ends[a, 0], near.rim_ends[a, 1] - near.rim_ends[a, 0]
    length = near.rim_length[a]
    along = step / length[:, None]
    ends = near.rim_ends[b] - start[:, None]
    place = np.einsum("sec,sc->se", ends, along)
    off = np.linalg.norm(ends - place[..., None] * along[:, None], axis=-1).max(axis=1)
    low, high = np.maximum(place.min(axis=1), 0.0), np.minimum(place.max(axis=1), length)
    shared = high - low
    short = np.minimum(length, near.rim_length[b])
    outward = [_outward(near, k, along, centroids) for k in (a, b)]
    folded = np.einsum("sc,sc->s", *outward) > _FOLD
    keep = (off < _CLOSE * short) & (shared > _SLIVER * short) & ~folded
    a, b, along, shared = a[keep], b[keep], along[keep], shared[keep]
    shift = np.einsum("sc,sc->s", centroids[near.rim[b]] - centroids[near.rim[a]], along)
    height = (near.rim_distance[a] + near.rim_distance[b])[:, None]
    across = [
        height * outward[0][keep] + shift[:, None] * along,
        height * outward[1][keep] - shift[:, None] * along,
    ]
    return _Seams(a, b, shared, along, np.stack(across, axis=1))


def _neighbours(near: Adjacency, fault_of: NDArray[np.int64]) -> Indices:
    """Pairs (s, 2) of rim edges of different faults that are near enough to touch."""
    middle = near.rim_ends.mean(axis=1)
    tree = KDTree(middle)
    pairs = tree.query_pairs(float(near.rim_length.max(initial=0.0)), output_type="ndarray")
    pairs = pairs[fault_of[pairs[:, 0]] != fault_of[pairs[:, 1]]]
    apart = np.linalg.norm(middle[pairs[:, 0]] - middle[pairs[:, 1]], axis=1)
    reach = near.rim_length[pairs].sum(axis=1) / 2
    return np.asarray(pairs[apart < 1.01 * reach], dtype=np.int64)


def _outward(near: Adjacency, edge: Indices, along: Array, centroids: Array) -> Array:
    """Unit vectors from the centroids of the patches of some edges, square to the edges."""
    step = near.rim_ends[edge].mean(axis=1) - centroids[near.rim[edge]]
    step = step - np.einsum("sc,sc->s", step, along)[:, None] * along
    size = np.linalg.norm(step, axis=1, keepdims=True)
    # Edges square to each other, which are none of a seam, may leave nothing.
    return np.asarray(step / np.maximum(size, np.finfo(float).tiny))


def _with(near: Adjacency, seams: _Seams, pairs: Indices) -> Adjacency:
    """An adjacency in which the shared stretches lie inside."""
    edges = np.concatenate([seams.first, seams.second])
    lost = np.bincount(edges, np.tile(seams.length, 2), len(near.rim))
    left = near.rim_length - np.minimum(lost, near.rim_length)
    open_ = left > _SLIVER * near.rim_length
    return Adjacency(
        pairs=np.concatenate([near.pairs, pairs]),
        length=np.concatenate([near.length, seams.length]),
        along=np.concatenate([near.along, seams.along]),
        across=np.concatenate([near.across, seams.across]),
        rim=near.rim[open_],
        rim_length=left[open_],
        rim_distance=near.rim_distance[open_],
        at_surface=near.at_surface[open_],
        rim_ends=near.rim_ends[open_],
    )
