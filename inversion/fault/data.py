"""Data sets: what was measured, where, how well, and which nuisance terms ride on it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from ..footprint import Footprint
from ..quadtree import Cells, Noise

Nuisance = Literal["offset", "ramp"] | None

_AXES = {"E": 0, "N": 1, "U": 2}


class Dataset:
    """Linear functionals of the surface displacement with their errors; made through `Gnss` or `Los`.

    Attributes
    ----------
    name, kind : str
        `kind` is "gnss" or "los".
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


class Gnss(Dataset):
    """Static offsets of GNSS stations.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        East and north of the stations, in the problem's length unit.
    displacement : array_like, shape (n, c)
        Offsets in the unit of slip, one column for each letter of `components`; NaN where one is missing.
    sigma : array_like, broadcasting to (n, c), optional
        Standard deviations. Give either these or `covariance`.
    covariance : array_like, shape (n, c, c) or (n c, n c), optional
        Covariance of each station's components, or of all data in the order of ``displacement.ravel()``.
    components : str
        Letters out of E, N, U that the columns stand for.
    nuisance : None, "offset" or "ramp"
        Per component, a common translation of the network ("offset"), with a tilt ("ramp"); solved linearly.
    name : str
        Name in messages, tables and figures.

    Raises
    ------
    ValueError
        If a shape does not fit, an error is not positive, or a covariance is not positive definite.
    """

    kind = "gnss"

    def __init__(
        self,
        xy: ArrayLike,
        displacement: ArrayLike,
        sigma: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        components: str = "ENU",
        nuisance: Nuisance = None,
        name: str = "GNSS",
    ) -> None:
        gates.text()(f"{name}: components", components)
        if not components or set(components) - set(_AXES) or len(set(components)) < len(components):
            raise ValueError(f"{name}: components must be distinct letters of 'ENU', got {components!r}")
        name = gates.text()("name", name)
        observed = gates.real(nan=True)(f"{name}: displacement", displacement)
        if observed.ndim != 2 or observed.shape[1] != len(components):
            raise ValueError(
                f"{name}: displacement: expected shape (n, {len(components)}) for components {components!r}, "
                f"got {observed.shape}"
            )
        axes = np.eye(3)[[_AXES[letter] for letter in components]]
        projector = np.broadcast_to(axes, (len(observed), *axes.shape))
        super().__init__(name, xy, observed, projector, tuple(components))
        self._set_errors(sigma, covariance)
        self._set_nuisance(nuisance)


class Los(Dataset):
    """Line-of-sight displacement, as from InSAR.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        East and north of the pixels, in the problem's length unit.
    displacement : array_like, shape (n,)
        Displacement along `look`, in the unit of slip; NaN where missing.
    look : array_like, shape (3,) or (n, 3)
        Unit vectors (E, N, U) along which displacement counts positive: from the ground to the satellite if
        motion towards it is positive.
    sigma : array_like, scalar or shape (n,), optional
        Standard deviations. Give either these or `covariance`.
    covariance : array_like, shape (n, n), optional
        Full covariance of the pixels.
    nuisance : None, "offset" or "ramp"
        A constant, or a constant with slopes in east and north, solved linearly; the slopes are the change
        from the centre of the data to their edge.
    name : str
        Name in messages, tables and figures.
    footprint : Footprint, optional
        Of data that are means over cells, ``cells.footprint()``, in the problem's length unit: each datum is
        then predicted by the mean over its cell, not by the displacement at `xy`.

    Raises
    ------
    ValueError
        If a shape does not fit, a look vector is not of unit length, an error is not positive, or a
        covariance is not positive definite.
    """

    kind = "los"

    def __init__(
        self,
        xy: ArrayLike,
        displacement: ArrayLike,
        look: ArrayLike,
        sigma: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        nuisance: Nuisance = "ramp",
        name: str = "LOS",
        footprint: Footprint | None = None,
    ) -> None:
        name = gates.text()("name", name)
        observed = gates.real(nan=True)(f"{name}: displacement", displacement)
        if observed.ndim != 1:
            raise ValueError(f"{name}: displacement: expected shape (n,), got {observed.shape}")
        self.look = _looks(look, len(observed), name)
        super().__init__(name, xy, observed[:, None], self.look[:, None, :], ("LOS",), footprint)
        self._set_errors(sigma, covariance)
        self._set_nuisance(nuisance)

    @classmethod
    def from_cells(
        cls,
        cells: Cells,
        look: ArrayLike,
        noise: Noise,
        *,
        place: Callable[[Array], Array] | None = None,
        near: ArrayLike | None = None,
        nuisance: Nuisance = "ramp",
        name: str = "LOS",
    ) -> Los:
        """Means of quadtree cells, with the covariance of their errors, each predicted by its cell's mean.

        Parameters
        ----------
        cells : Cells
            Of one map, from `dislok.inversion.quadtree.quadtree`.
        look : array_like, shape (3,), (k, 3) or (3, rows, columns)
            Unit vectors as of the class, one for all, one for each cell, or a map of them.
        noise : Noise
            Errors of the map's pixels.
        place : callable, optional
            From the cells' coordinates (m, 2) to the problem's; the same by default.
        near : array_like, shape (..., 2) or (..., 3), optional
            As of `Cells.footprint`.
        nuisance, name
            As of the class.

        Returns
        -------
        Los
        """
        gates.instance(Cells)("cells", cells)
        gates.instance(Noise)("noise", noise)
        place = gates.optional(gates.function())("place", place)
        if cells.values.shape[1] != 1:
            raise ValueError(f"cells: expected those of one map, got {cells.values.shape[1]} maps")
        vectors = gates.real(nan=True)("look", look)
        if vectors.ndim == 3:
            if vectors.shape != (3, *cells.shape):
                raise ValueError(f"look: expected shape {(3, *cells.shape)}, got {vectors.shape}")
            vectors = cells.average(vectors)
            vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
        footprint = cells.footprint(near=near)
        if place is not None:
            footprint = footprint.placed(place)
        xy, covariance = footprint.average @ footprint.points, cells.covariance(noise)
        return cls(xy, cells.values[:, 0], vectors, None, covariance, nuisance, name, footprint)


def _times(matrix: sparse.csr_array, columns: Array) -> Array:
    """A sparse matrix times columns (p, ...) of any shape."""
    flat = columns.reshape(len(columns), -1)
    return np.asarray(matrix @ flat).reshape(matrix.shape[0], *columns.shape[1:])


def _looks(look: ArrayLike, n: int, name: str) -> Array:
    vectors = gates.real()(f"{name}: look", look)
    if vectors.shape not in ((3,), (n, 3)):
        raise ValueError(f"{name}: look: expected shape (3,) or ({n}, 3), got {vectors.shape}")
    vectors = np.broadcast_to(vectors, (n, 3))
    length = np.linalg.norm(vectors, axis=-1)
    wrong = ~(np.abs(length - 1) < 1e-3)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"{name}: look must be unit vectors; number {at} has length {length[at]:.6g}")
    return vectors


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
