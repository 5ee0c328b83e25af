"""Green's matrices of many observers and many sources, compressed: memory and time grow with their sum.

A cluster of sources, seen from afar, can be stood for by a few of its members, its skeleton: their responses,
combined, are the responses of all. The same holds for a cluster of observers. So the part of the matrix where
two clusters are far from each other is ::

    G[I, J] ≈ U_I G[skeleton of I, skeleton of J] V_J

and U and V of a cluster are made of those of its two halves, so that only small matrices are ever stored
(nested interpolative decompositions: Martinsson & Rokhlin 2005; Bebendorf & Venn 2012). What is near is
stored as it is. Skeletons come from pivoted QR decompositions of what a sample of the far observers (or
sources) sees, and each is tested on another sample, which is added where the test fails.

The whole is then compared with the exact matrix, on random rows and columns, and made anew with a smaller
internal tolerance where it is not as good as was asked.

References
----------
Martinsson, P. G., & Rokhlin, V. (2005). A fast direct solver for boundary integral equations in two
dimensions. J. Comput. Phys. 205, 1-23.

Bebendorf, M., & Venn, R. (2012). Constructing nested bases approximations from the entries of non-local
operators. Numer. Math. 121, 609-635.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse.linalg import LinearOperator

from dislok.arrays import Array, ArrayLike, check_finite, guard, is_tensor
from dislok.large.clusters import Tree
from dislok.store import read_arrays, write_arrays

_BLOCKS = ("far", "near", "partners", "neighbours")

Progress = Callable[[str, int, int], object]
"""Called as ``progress(stage, done, total)``."""


class Report(NamedTuple):
    """What was measured of a compressed matrix.

    Attributes
    ----------
    tolerance : float
        What the caller asked for.
    row_error, column_error : float
        Frobenius norm of the error over that of the matrix, estimated from random rows and random columns.
    bytes : int
        Memory of the matrix.
    share : float
        `bytes` over those of the full matrix in the same precision.
    largest_rank : int
        Size of the largest skeleton.
    """

    tolerance: float
    row_error: float
    column_error: float
    bytes: int
    share: float
    largest_rank: int


UNCHECKED = Report(math.nan, math.nan, math.nan, 0, math.nan, 0)


class Basis:
    """Nested skeletons of the clusters of one side of the matrix.

    Parameters
    ----------
    clusters : Tree
    width : int
        Rows or columns of the matrix that belong to one thing.
    skeletons : sequence of ndarray of int
        Rows or columns that stand for each cluster; empty for one that is never seen from afar.
    factors : sequence of ndarray, shape (k, candidates)
        Combine what belongs to a cluster's things (or to its children's skeletons) into its skeleton.
    """

    def __init__(
        self, clusters: Tree, width: int, skeletons: Sequence[np.ndarray], factors: Sequence[np.ndarray]
    ) -> None:
        self.clusters = clusters
        self.width = width
        self.skeletons = skeletons
        self.factors = factors
        self.offset = np.concatenate([[0], np.cumsum([len(s) for s in skeletons])])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of values at the things, as the source families have it."""
        count = len(self.clusters.order)
        return (count, 3, 3) if self.width == 9 else (count, self.width)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays that a file can hold."""
        parts = {f"tree/{name}": value for name, value in self.clusters._asdict().items()}
        parts["width"] = np.array(self.width)
        parts["skeletons"] = np.concatenate(self.skeletons)
        parts["offset"] = self.offset
        parts |= {f"factor/{k}": f for k, f in enumerate(self.factors) if f.size}
        return parts

    @classmethod
    def of_arrays(cls, parts: Mapping[str, np.ndarray]) -> Basis:
        """The basis that `arrays` took apart."""
        clusters = Tree(*(parts[f"tree/{name}"] for name in Tree._fields))
        cuts = parts["offset"]
        skeletons = [parts["skeletons"][a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
        factors = [parts.get(f"factor/{k}", np.zeros((0, 0))) for k in range(clusters.size)]
        return cls(clusters, int(parts["width"]), skeletons, factors)

    def members(self, cluster: int) -> slice:
        """Rows or columns of a cluster, in the order of the tree."""
        return slice(self.clusters.start[cluster] * self.width, self.clusters.stop[cluster] * self.width)

    def places(self, cluster: int) -> slice:
        """Where a cluster's skeleton lies among all."""
        return slice(self.offset[cluster], self.offset[cluster + 1])

    def _below(self, cluster: int) -> slice | None:
        child = self.clusters.child[cluster]
        return slice(self.offset[child], self.offset[child + 2]) if child else None

    def up(self, values: np.ndarray) -> np.ndarray:
        """From things (in the order of the tree) to skeletons."""
        sums = np.zeros((self.offset[-1], values.shape[1]), values.dtype)
        for cluster in reversed(range(self.clusters.size)):
            if len(self.skeletons[cluster]):
                below = self._below(cluster)
                part = values[self.members(cluster)] if below is None else sums[below]
                np.matmul(self.factors[cluster], part, out=sums[self.places(cluster)])
        return sums

    def down(self, sums: np.ndarray, values: np.ndarray) -> None:
        """The transpose of `up`: adds to `values`, and uses `sums` up."""
        for cluster in range(self.clusters.size):
            if len(self.skeletons[cluster]):
                below = self._below(cluster)
                part = values[self.members(cluster)] if below is None else sums[below]
                part += self.factors[cluster].T @ sums[self.places(cluster)]


class HierarchicalMatrix(LinearOperator):
    """A compressed Green's matrix: a linear operator of SciPy, with the products of the source families.

    Flat vectors are the arrays (n, c) of the observers and (m, b) of the sources row by row, so that the
    shape is (n c, m b); c is 3 of displacement and 9 of its gradient. `dislok.okada.operator` and
    `dislok.tde.operator` make it.

    Parameters
    ----------
    rows, columns : Basis
    far, near : dict of int to ndarray
        Blocks by row cluster: its skeleton, or the cluster itself, against all of its partners.
    partners, neighbours : dict of int to ndarray of int
        The places of the columns of these blocks: among the skeletons, or among the sources in the order of
        their tree.
    dtype : dtype
    report : Report
    """

    report: Report

    def __init__(
        self,
        rows: Basis,
        columns: Basis,
        far: dict[int, np.ndarray],
        near: dict[int, np.ndarray],
        partners: dict[int, np.ndarray],
        neighbours: dict[int, np.ndarray],
        dtype: DTypeLike,
        report: Report = UNCHECKED,
    ) -> None:
        self.rows, self.columns = rows, columns
        self.far, self.near = far, near
        self.partners, self.neighbours = partners, neighbours
        self.report = report
        n, m = len(rows.clusters.order) * rows.width, len(columns.clusters.order) * columns.width
        super().__init__(np.dtype(dtype), (n, m))

    @property
    def nbytes(self) -> int:
        """Memory of the blocks and factors."""
        factors = [f for basis in (self.rows, self.columns) for f in basis.factors]
        kept = [*self.far.values(), *self.near.values(), *self.partners.values(), *self.neighbours.values()]
        return sum(each.nbytes for each in (*factors, *kept))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the matrix to an npz file, which appears when it is complete.

        Parameters
        ----------
        path : path
        """
        parts = {
            f"{side}/{k}": v for side in ("rows", "columns") for k, v in getattr(self, side).arrays().items()
        }
        for name in _BLOCKS:
            parts |= {f"{name}/{cluster}": block for cluster, block in getattr(self, name).items()}
        write_arrays(path, parts | {"dtype": str(self.dtype), "report": np.array(self.report, np.float64)})

    def _matmat(self, X: np.ndarray) -> np.ndarray:
        values = _sorted(self.columns, X, self.dtype)
        result = np.zeros((self.shape[0], values.shape[1]), self.dtype)
        skeletons = self.columns.up(values)
        sums = np.zeros((self.rows.offset[-1], values.shape[1]), self.dtype)
        for cluster, block in self.far.items():
            sums[self.rows.places(cluster)] += block @ skeletons[self.partners[cluster]]
        self.rows.down(sums, result)
        for cluster, block in self.near.items():
            result[self.rows.members(cluster)] += block @ values[self.neighbours[cluster]]
        return _unsorted(self.rows, result)

    def _rmatmat(self, X: np.ndarray) -> np.ndarray:
        values = _sorted(self.rows, X, self.dtype)
        result = np.zeros((self.shape[1], values.shape[1]), self.dtype)
        skeletons = self.rows.up(values)
        sums = np.zeros((self.columns.offset[-1], values.shape[1]), self.dtype)
        for cluster, block in self.far.items():
            sums[self.partners[cluster]] += block.T @ skeletons[self.rows.places(cluster)]
        self.columns.down(sums, result)
        for cluster, block in self.near.items():
            result[self.neighbours[cluster]] += block.T @ values[self.rows.members(cluster)]
        return _unsorted(self.columns, result)

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._matmat(x.reshape(-1, 1))

    def _rmatvec(self, x: np.ndarray) -> np.ndarray:
        return self._rmatmat(x.reshape(-1, 1))

    def apply(self, s: ArrayLike) -> Array:
        """The matrix times slip.

        Parameters
        ----------
        s : array or tensor on the CPU, shape (m, b)
            Slip of each source; a tensor's result is differentiable.

        Returns
        -------
        array or tensor, shape (n, 3) or, of the gradient, (n, 3, 3)

        Raises
        ------
        ValueError
            If the shape does not fit.
        """
        return self._product(s, "s", self.columns, self.rows, False)

    def apply_adjoint(self, r: ArrayLike) -> Array:
        """The transposed matrix times residuals.

        Parameters
        ----------
        r : array or tensor on the CPU, shape (n, 3) or, of the gradient, (n, 3, 3)
            Residuals at the observers; a tensor's result is differentiable.

        Returns
        -------
        array or tensor, shape (m, b)

        Raises
        ------
        ValueError
            If the shape does not fit.
        """
        return self._product(r, "r", self.rows, self.columns, True)

    def _product(self, values: ArrayLike, name: str, inner: Basis, outer: Basis, transposed: bool) -> Array:
        space, arrays = guard({name: values})
        if space.on_cuda:
            raise TypeError(f"{name} is on a device; this matrix multiplies arrays on the CPU")
        values, seen = arrays[name], space.fetch(arrays[name])
        if seen is not None:
            check_finite(name, seen)
        if tuple(values.shape) != inner.shape:
            raise ValueError(f"{name} must have shape {inner.shape}, got {tuple(values.shape)}")
        if is_tensor(values):
            from dislok.autograd.linear import product

            return product(self, transposed, values.reshape(-1)).reshape(outer.shape)
        flat = np.asarray(values).reshape(-1)
        return (self.rmatvec(flat) if transposed else self.matvec(flat)).reshape(outer.shape)


def load(path: str | os.PathLike[str]) -> HierarchicalMatrix:
    """The matrix in a file that :meth:`HierarchicalMatrix.save` wrote.

    Parameters
    ----------
    path : path
    """
    parts = read_arrays(path)
    rows, columns = (Basis.of_arrays(_below(parts, side)) for side in ("rows", "columns"))
    blocks = {name: {int(k): b for k, b in _below(parts, name).items()} for name in _BLOCKS}
    tolerance, row_error, column_error, size, share, rank = parts["report"].tolist()
    report = Report(tolerance, row_error, column_error, int(size), share, int(rank))
    return HierarchicalMatrix(rows, columns, **blocks, dtype=str(parts["dtype"]), report=report)


def _below(parts: Mapping[str, np.ndarray], folder: str) -> dict[str, np.ndarray]:
    start = len(folder) + 1
    return {name[start:]: array for name, array in parts.items() if name.startswith(f"{folder}/")}


def _sorted(basis: Basis, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Columns of values in the order of the tree."""
    if values.dtype.kind == "c":
        raise TypeError("the matrix is real; multiply real and imaginary parts one after the other")
    things = values.reshape(-1, basis.width, values.shape[1])[basis.clusters.order]
    return np.ascontiguousarray(things.reshape(values.shape), dtype)


def _unsorted(basis: Basis, values: np.ndarray) -> np.ndarray:
    result = np.empty_like(values)
    shape = (-1, basis.width, values.shape[1])
    result.reshape(shape)[basis.clusters.order] = values.reshape(shape)
    return result
