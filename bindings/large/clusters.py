"""Cluster trees of things in space, and the pairs of clusters that see each other from afar."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Tree(NamedTuple):
    """Clusters of things, each the union of its two children; parents come before their children.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        The things, so that every cluster is a run of them.
    start, stop : ndarray of int, shape (t,)
        The run of each cluster in `order`.
    child : ndarray of int, shape (t,)
        The first of two consecutive children; 0 where a cluster has none.
    parent : ndarray of int, shape (t,)
        -1 for the first cluster, which holds everything.
    low, high : ndarray, shape (t, 3)
        Corners of the box around each cluster, extents of the things included.
    """

    order: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    child: np.ndarray
    parent: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def size(self) -> int:
        """Number of clusters."""
        return len(self.start)

    def run(self, cluster: int) -> slice:
        """Where a cluster's things lie in `order`."""
        return slice(self.start[cluster], self.stop[cluster])

    def things(self, cluster: int) -> np.ndarray:
        """The things of a cluster."""
        return self.order[self.run(cluster)]


def tree(low: np.ndarray, high: np.ndarray, leaf: int) -> Tree:
    """Halve a set of boxes across its longest extent until no cluster has more than `leaf` of them.

    Parameters
    ----------
    low, high : ndarray, shape (n, 3)
        Corners of the boxes; equal for points.
    leaf : int
        Most boxes in a cluster without children.
    """
    centre = np.ascontiguousarray(0.5 * (low + high).T)
    order = np.arange(len(low))
    runs, child, parent = [(0, len(low))], [0], [-1]
    cluster = 0
    while cluster < len(runs):
        start, stop = runs[cluster]
        if stop - start > leaf:
            here = order[start:stop]
            middle = (stop - start) // 2
            axis = np.argmax([np.ptp(row[here]) for row in centre])
            order[start:stop] = here[np.argpartition(centre[axis, here], middle)]
            child[cluster] = len(runs)
            runs += [(start, start + middle), (start + middle, stop)]
            child += [0, 0]
            parent += [cluster, cluster]
        cluster += 1
    first, last = np.array(runs).T
    children = np.array(child)
    lows = _boxes(low[order], first, children, np.minimum)
    highs = _boxes(high[order], first, children, np.maximum)
    return Tree(order, first, last, children, np.array(parent), lows, highs)


def _boxes(things: np.ndarray, start: np.ndarray, child: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """Extreme corners (t, 3) of clusters, from those of their things in order."""
    leaves = np.flatnonzero(child == 0)
    leaves = leaves[np.argsort(start[leaves])]
    found = np.empty((len(start), 3))
    found[leaves] = extreme.reduceat(things, start[leaves], axis=0)
    for cluster in np.flatnonzero(child)[::-1]:
        extreme(found[child[cluster]], found[child[cluster] + 1], out=found[cluster])
    return found


def partition(rows: Tree, columns: Tree, separation: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of clusters that together hold every pair of things once.

    Parameters
    ----------
    rows, columns : Tree
    separation : float
        Two clusters are far from each other where the gap between their boxes is at least this many times
        the longer of the boxes' diagonals.

    Returns
    -------
    far : ndarray of int, shape (f, 2)
        Pairs (row cluster, column cluster) that are far from each other.
    near : ndarray of int, shape (k, 2)
        Pairs of clusters without children that are not.
    """
    far, near = [], []
    pairs = np.zeros((1, 2), int)
    while len(pairs):
        i, j = pairs.T
        apart = _apart(rows, columns, i, j, separation)
        leaves = (rows.child[i] == 0) & (columns.child[j] == 0)
        far.append(pairs[apart])
        near.append(pairs[~apart & leaves])
        pairs = _descend(rows, columns, pairs[~apart & ~leaves])
    return np.concatenate(far), np.concatenate(near)


def _apart(rows: Tree, columns: Tree, i: np.ndarray, j: np.ndarray, separation: float) -> np.ndarray:
    gap = np.maximum(rows.low[i] - columns.high[j], columns.low[j] - rows.high[i])
    distance = np.linalg.norm(np.maximum(gap, 0.0), axis=1)
    extent = [np.linalg.norm(t.high[k] - t.low[k], axis=1) for t, k in ((rows, i), (columns, j))]
    return (distance > 0) & (distance >= separation * np.maximum(*extent))


def _descend(rows: Tree, columns: Tree, pairs: np.ndarray) -> np.ndarray:
    """All pairs of the children of two clusters; a cluster without children stands for itself."""
    first = [np.where(t.child[k] > 0, t.child[k], k) for t, k in zip((rows, columns), pairs.T, strict=True)]
    second = [f + (t.child[k] > 0) for f, t, k in zip(first, (rows, columns), pairs.T, strict=True)]
    all_four = [np.stack([a, b], axis=1) for a in (first[0], second[0]) for b in (first[1], second[1])]
    return np.unique(np.concatenate(all_four), axis=0)
