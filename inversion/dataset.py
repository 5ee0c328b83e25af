"""A data set: what was measured, where, how well, and which nuisance terms ride on it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from .footprint import Footprint

Nuisance = Literal["offset", "ramp"] | None


class Dataset:
    """Linear functionals of the surface displacement with their errors.

    The base of `Gnss`, `Los` and `PixelOffsets`.

    Attributes
    ----------
    name, kind : str
        `kind` is "gnss", "los" or "offsets".
    xy : (n, 2) east and north of the points, in the length unit of the problem.
    observed : (n, c) measured values, NaN where missing; `sigma` (n, c) their standard deviations.
    labels : names of the c columns.
    index : (k,) point of each datum that is present; `projector` (k, 3) what it sees of E, N, U.
    values : (k,) the data that are present.
    points : (p, 2) places whose displacement the data see: `xy`, or the places of a footprint.
    boxes : (n, 4) west, south, east and north end of the cells of a footprint, empty without one.
    nuisance : names of the nuisance terms; `basis` (k, q) their columns.
    """

    kind: str

    def __init__(
        self,
        name: str,
        xy: ArrayLike,
        observed: Array,
        projector: Array,
        labels: tuple[str, ...],
        footprint: Footprint | None = None,
    ) -> None:
        self.name, self.labels, self.observed = name, labels, observed
        self.xy = _checked(xy, (len(observed), 2), f"{name}: xy")
        self._set_footprint(footprint)
        self._present = np.isfinite(observed)
        if not self._present.any():
            raise ValueError(f"{name}: displacement holds no finite value")
        self.index, self._column = np.nonzero(self._present)
        self.projector = projector[self.index, self._column]
        self.values: Array = observed[self._present]

    @property
    def size(self) -> int:
        """Number of data that are present."""
        return int(self.values.size)

    @property
    def facts(self) -> tuple[object, ...]:
        """All that solutions depend on, for `dislok.store.fingerprint`."""
        weights = None if self.footprint is None else self.footprint.weights
        return (
            self.points, weights, self.index, self.projector, self.sigma, self.values,
            self.whiten(self.values), self.basis,
        )  # fmt: skip

    def reweighted(self, factor: float) -> Dataset:
        """The same data with errors that are `factor` times as large."""
        made = copy.copy(self)
        made.sigma, made._whitener = self.sigma * factor, self._whitener / factor
        made._factor = None if self._factor is None else self._factor * factor
        return made

    def see(self, columns: Array) -> Array:
        """What the data (k, ...) are of a displacement (p, 3, ...) at `points`."""
        return np.einsum("kc,kc...->k...", self.projector, self._averaged(columns)[self.index])

    def see_adjoint(self, values: Array) -> Array:
        """Transpose of `see` for a vector (k,): (p, 3)."""
        force = np.zeros((len(self.xy), 3))
        np.add.at(force, self.index, values[:, None] * self.projector)
        return force if self._average is None else np.asarray(self._average.T @ force)

    def part(self, data: slice) -> tuple[slice, NDArray[np.int64]]:
        """The `points` of some of the n data, and the rows of their values among the k."""
        rows = np.flatnonzero((self.index >= data.start) & (self.index < data.stop))
        if self.footprint is None:
            return data, rows
        ends = np.searchsorted(self.footprint.owner, [data.start, data.stop])
        return slice(int(ends[0]), int(ends[1])), rows

    def see_part(self, data: slice, columns: Array) -> Array:
        """`see` of some of the n data alone, whose points are those of `part`."""
        points, rows = self.part(data)
        if self._average is not None:
            columns = _times(self._average[data, points], columns)
        at = self.index[rows] - data.start
        return np.einsum("kc,kc...->k...", self.projector[rows], columns[at])

    def _averaged(self, columns: Array) -> Array:
        return columns if self._average is None else _times(self._average, columns)

    def _set_footprint(self, footprint: Footprint | None) -> None:
        self.footprint = gates.optional(gates.instance(Footprint))(f"{self.name}: footprint", footprint)
        self._average, self.points, self.boxes = None, self.xy, np.zeros((0, 4))
        if footprint is None:
            return
        n = len(self.xy)
        if len(footprint.boxes) != n:
            raise ValueError(f"{self.name}: footprint: expected one of {n} data, got {len(footprint.boxes)}")
        self._average, self.points, self.boxes = footprint.average, footprint.points, footprint.boxes
        # Cells that come in another unit, or from another place, are far from where their data are.
        off = np.abs(self._average @ footprint.points - self.xy).max(axis=1)
        size = (footprint.boxes[:, 2:] - footprint.boxes[:, :2]).max(axis=1)
        wrong = ~(off <= 0.01 * size)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(
                f"{self.name}: footprint: the cell of datum {i} lies {off[i]:.4g} from its place "
                f"{tuple(self.xy[i].tolist())}; give both in the problem's unit (Footprint.placed)"
            )

    def whiten(self, columns: Array) -> Array:
        """Multiply (k, ...) by the inverse Cholesky factor of the covariance: unit, independent errors."""
        flat = columns.reshape(self.size, -1)
        if self._factor is None:
            white = self._whitener @ flat
        else:
            white = linalg.solve_triangular(self._factor, flat, lower=True, check_finite=False)
        return np.asarray(white).reshape(columns.shape)

    def whiten_adjoint(self, white: Array) -> Array:
        """Transpose of `whiten` for a vector (k,)."""
        if self._factor is None:
            return np.asarray(self._whitener.T @ white)
        return np.asarray(
            linalg.solve_triangular(self._factor, white, lower=True, trans="T", check_finite=False)
        )

    def spread(self, values: Array) -> Array:
        """Put (k,) values back in the (n, c) table, NaN where no datum is."""
        table = np.full(self.observed.shape, np.nan)
        table[self.index, self._column] = values
        return table

    def _set_errors(self, sigma: ArrayLike | None, covariance: ArrayLike | None) -> None:
        if (sigma is None) == (covariance is None):
            raise ValueError(f"{self.name}: give either sigma or covariance")
        self._factor: Array | None = None
        if sigma is not None:
            self.sigma = self._checked_sigma(sigma)
            self._whitener = sparse.csr_array(sparse.diags_array(1 / self.sigma[self._present]))
            return
        matrix = gates.real(nan=True)(f"{self.name}: covariance", covariance)
        n, c = self.observed.shape
        if matrix.shape == (n, c, c):
            self._set_blocks(matrix)
        elif matrix.shape == (n * c, n * c):
            self._set_full(matrix)
        else:
            expected = f"({n}, {c}, {c}) or ({n * c}, {n * c})"
            raise ValueError(f"{self.name}: covariance: expected shape {expected}, got {matrix.shape}")

    def _checked_sigma(self, sigma: ArrayLike) -> Array:
        array = gates.real(nan=True, infinite=True)(f"{self.name}: sigma", sigma)
        if array.ndim == 1 and array.shape == self.observed.shape[:1]:
            array = array[:, None]
        try:
            table = np.broadcast_to(array, self.observed.shape).astype(float)
        except ValueError:
            shape = self.observed.shape
            raise ValueError(
                f"{self.name}: sigma: shape {array.shape} does not fit the data, {shape}"
            ) from None
        bad = self._present & ~(np.isfinite(table) & (table > 0))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(f"{self.name}: sigma must be positive and finite, got {table[at]} at {at}")
        return table

    def _set_blocks(self, blocks: Array) -> None:
        whiteners = []
        for i, (block, use) in enumerate(zip(blocks, self._present, strict=True)):
            if use.any():
                factor = _cholesky(block[np.ix_(use, use)], f"{self.name}: covariance of point {i}")
                whiteners.append(linalg.solve_triangular(factor, np.eye(len(factor)), lower=True))
        self._whitener = sparse.csr_array(sparse.block_diag(whiteners, format="csr"))
        self.sigma = np.sqrt(np.abs(np.diagonal(blocks, axis1=1, axis2=2)))

    def _set_full(self, matrix: Array) -> None:
        use = self._present.ravel()
        self._whitener = sparse.csr_array((0, 0))
        self._factor = _cholesky(matrix[np.ix_(use, use)], f"{self.name}: covariance")
        self.sigma = np.sqrt(np.abs(np.diagonal(matrix))).reshape(self.observed.shape)

    def _set_nuisance(self, nuisance: Nuisance) -> None:
        if not isinstance(nuisance, (str, type(None))) or nuisance not in (None, "offset", "ramp"):
            raise ValueError(f'{self.name}: nuisance must be None, "offset" or "ramp", got {nuisance!r}')
        centre, scale = self._frame()
        shapes = {} if nuisance is None else {"offset": np.ones(self.size)}
        if nuisance == "ramp":
            place = (self.xy[self.index] - centre) / scale
            shapes |= {"east ramp": place[:, 0], "north ramp": place[:, 1]}
        columns, names = [], []
        for c, label in enumerate(self.labels):
            for shape, values in shapes.items():
                columns.append(np.where(self._column == c, values, 0.0))
                names.append(f"{label} {shape}")
        self.nuisance = tuple(names)
        self.basis = np.stack(columns, axis=-1) if columns else np.zeros((self.size, 0))

    def _frame(self) -> tuple[Array, float]:
        """Centre and half-width of the points: a ramp is the change from the centre to the edge."""
        centre = (self.xy.min(axis=0) + self.xy.max(axis=0)) / 2
        return centre, float(max(np.abs(self.xy - centre).max(), np.finfo(float).tiny))


def _times(matrix: sparse.csr_array, columns: Array) -> Array:
    """A sparse matrix times columns (p, ...) of any shape."""
    flat = columns.reshape(len(columns), -1)
    return np.asarray(matrix @ flat).reshape(matrix.shape[0], *columns.shape[1:])


def _checked(values: ArrayLike, shape: tuple[int, ...], what: str) -> Array:
    array = gates.real(nan=True, infinite=True)(what, values)
    if array.shape != shape:
        raise ValueError(
            f"{what}: expected shape {shape}, got {array.shape}; there must be a row for each of displacement"
        )
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{what}: not finite at {at}: {array[at]}")
    return array


def _cholesky(matrix: Array, what: str) -> Array:
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=0):
        raise ValueError(f"{what} is not symmetric")
    try:
        return np.asarray(linalg.cholesky(matrix, lower=True))
    except linalg.LinAlgError as error:
        raise ValueError(f"{what} is not positive definite: {error}") from None


def check_names(datasets: Sequence[Dataset]) -> None:
    """Raise ValueError unless there is a data set and every name occurs once."""
    for i, data in enumerate(datasets):
        gates.instance(Dataset, what="Gnss, Los or PixelOffsets")(f"datasets[{i}]", data)
    names = [data.name for data in datasets]
    if not names:
        raise ValueError("datasets: give at least one data set")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"datasets: the name {twice[0]!r} occurs more than once; set name=")
