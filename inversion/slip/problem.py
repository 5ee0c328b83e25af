"""The linear inverse problem: data sets and faults of patches, joined by smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, sparse

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.layers import LayeredModel

from ..dataset import Dataset
from ..degrees import refuse_network
from ..observations import Observed
from .crust import LayeredPatches
from .large import solve_products
from .linear import Reduced, Solution, reduce, solve
from .model import SlipModel
from .roughness import roughness_of

if TYPE_CHECKING:
    from dislok.large.hierarchical import HierarchicalMatrix

    from .choice import Choice
    from .result import SlipResult


_CHUNK = 4096


class SlipProblem(Observed):
    """Slip on faults that explains data sets.

    The misfit is the squared length of the whitened residuals; the slip minimises misfit plus λ² times
    roughness between its bounds, with λ the `smoothing`. Nuisance terms of the data are eliminated exactly.

    Parameters
    ----------
    datasets : sequence of Gnss, Los and PixelOffsets
        At least one; their names must differ.
    models : sequence of SlipModel
        At least one; the displacements add.
    nu : float
        Poisson's ratio.
    length_unit : float
        Metres in one unit of the coordinates: 1000 for kilometres. Slip and displacement are in metres for
        the moment.
    shear_modulus : float
        For the moment only (Pa).
    crust : LayeredModel, optional
        Layers in place of a half-space of Poisson's ratio `nu`: Green's functions are then those of
        `dislok.propagator.greens`, stored as one matrix for each fault.
    accuracy : float
        Of these Green's functions.
    join : bool
        Let slip be smooth across the edges that faults share, as those of the segments of one fault do:
        strike slip goes on as strike slip, dip slip as dip slip. Where faults share no edge it does nothing.

    Attributes
    ----------
    lower, upper : (u,) bounds of the coefficients of all faults, one fault after the other.
    roughness : sparse (r, u), R.
    whitened_data : (k,) with unit, independent errors; data : (k,) the same, nuisance terms projected out.

    Raises
    ------
    ValueError
        If there is no data set or fault, names clash, or data cannot tell the nuisance terms apart.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset] | Dataset,
        models: Sequence[SlipModel] | SlipModel,
        *,
        nu: float = 0.25,
        length_unit: float = 1.0,
        shear_modulus: float = 30e9,
        crust: LayeredModel | None = None,
        accuracy: float = 1e-4,
        join: bool = True,
    ) -> None:
        super().__init__(datasets, nu, length_unit, shear_modulus)
        self.models = gates.several("models", models, SlipModel)
        if not self.models:
            raise ValueError("models: give at least one fault")
        self.lower = np.concatenate([model.lower for model in self.models])
        self.upper = np.concatenate([model.upper for model in self.models])
        self.join = gates.flag()("join", join)
        self.set_roughness(self.models)
        refuse_network(
            self.points, [float(np.ptp(m.patches.outlines, axis=(0, 1)).max()) for m in self.models]
        )
        self._products: list[HierarchicalMatrix] | None = None
        self._whitened: Array | None = None
        accuracy = gates.number(least=1e-10, most=0.1)("accuracy", accuracy)
        crust = gates.optional(gates.instance(LayeredModel))("crust", crust)
        self.crust, self.accuracy = crust, accuracy
        self._layered = (
            None
            if crust is None
            else [LayeredPatches(crust, m.patches, self.points, length_unit, accuracy) for m in self.models]
        )

    def _set_data(self) -> None:
        super()._set_data()
        self._basis = orthonormal(self.design)
        self.data = self.without_nuisance(self.whitened_data)

    def reweighted(self, factors: Sequence[float]) -> Self:
        """The same problem with the errors of each data set so many times as large.

        It keeps the Green's functions of its data, which are not computed again.
        """
        made = super().reweighted(factors)
        for name in ("matrix", "reduced"):
            made.__dict__.pop(name, None)
        scale = np.repeat(1 / np.asarray(factors, float), [data.size for data in self.datasets])
        made._whitened = self.whitened_matrix() * scale[:, None]
        return made

    def set_roughness(self, models: Sequence[SlipModel]) -> None:
        """Measure roughness on other faults of as many patches, as where the shape of a fault is sought."""
        self.roughness = roughness_of(models, self.join)

    @property
    def facts(self) -> tuple[object, ...]:
        """All that solutions depend on, for `dislok.store.fingerprint`."""
        faults = [(model.patches.outlines, model.directions) for model in self.models]
        rough = sparse.coo_array(self.roughness)
        return (
            self.datasets, faults, self.lower, self.upper, rough.row, rough.col, rough.data, self.nu,
            self.crust, self.accuracy, self.length_unit,
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Number of coefficients u of slip."""
        return self.lower.size

    @cached_property
    def matrix(self) -> Array:
        """Whitened data (k, u) of a unit of each coefficient, nuisance terms projected out."""
        return self.without_nuisance(self.whitened_matrix())

    @cached_property
    def reduced(self) -> Reduced:
        """Matrix and data in triangular form."""
        return reduce(self.matrix, self.data)

    def solve(self, smoothing: float | str | Choice, *, uncertainty: bool = True) -> SlipResult:
        """Find the slip with a stored matrix.

        Parameters
        ----------
        smoothing : float, Choice, or "abic", "evidence", "cv" or "lcurve"
            λ, or how to choose it; see `choose`.
        uncertainty : bool
            Compute posterior covariance and resolution, (u, u) each.
        """
        from .choice import Choice
        from .result import make_result

        if isinstance(smoothing, str):
            smoothing = self.choose(smoothing)
        best = smoothing.best if isinstance(smoothing, Choice) else checked_smoothing(smoothing)
        return make_result(self, best, self.solution(best), uncertainty)

    def solution(self, smoothing: float) -> Solution:
        """Coefficients at one smoothing."""
        return solve(self.reduced, self.roughness, smoothing, self.lower, self.upper)

    def solve_large(
        self, smoothing: float, *, tolerance: float = 1e-8, max_iterations: int = 2000
    ) -> SlipResult:
        """Find the slip by products with the Green's functions, in memory O(data + patches).

        Parameters
        ----------
        smoothing : float
            λ, positive.
        tolerance : float
            Relative residual of each system of equations.
        max_iterations : int
            Products at most for one system.

        Raises
        ------
        RuntimeError
            If `max_iterations` do not suffice.
        """
        from .result import make_large_result

        if not checked_smoothing(smoothing) > 0:
            raise ValueError("smoothing must be positive without a stored matrix")
        found, products = solve_products(self, smoothing, tolerance, max_iterations)
        return make_large_result(self, smoothing, found, products)

    def compress(self, tolerance: float = 1e-5, **options: Any) -> None:
        """Let `solve_large` multiply by matrices in low-rank pieces: 1e5 data times 1e5 patches fit.

        Parameters
        ----------
        tolerance : float
            Largest error of each matrix, relative to it, in the Frobenius norm.
        **options
            ``folder``, ``progress``, ``dtype`` as of `dislok.tde.operator`.
        """
        if self._layered is not None:
            raise ValueError("matrices of a layered crust are stored as they are and cannot be compressed")
        self._products = [
            model.patches.operator(self.points, self.nu, tolerance=tolerance, **options)
            for model in self.models
        ]

    def choose(
        self, method: str = "abic", values: ArrayLike | None = None, *, folds: int = 10, seed: int = 0
    ) -> Choice:
        """Choose the smoothing; see `dislok.inversion.slip.choice.choose`."""
        from .choice import choose

        return choose(self, method, values, folds=folds, seed=seed)

    def slips(self, coefficients: Array) -> list[Array]:
        """Slip (m, 3) of every fault."""
        return [model.slip(part) for model, part in zip(self.models, self._parts(coefficients), strict=True)]

    def displacement(self, coefficients: Array) -> Array:
        """Displacement (n, 3) at all points, from the Green's functions themselves."""
        total = np.zeros((len(self.points), 3))
        for k, (model, slip) in enumerate(zip(self.models, self.slips(coefficients), strict=True)):
            if self._layered is None:
                total += model.patches.apply(self.points, slip, self.nu)
            else:
                total += self._layered[k].apply(slip)
        return total

    def forward(self, coefficients: Array) -> Array:
        """``matrix @ coefficients``, (k,), without the matrix."""
        if self._products is None:
            moved = self.displacement(coefficients)
        else:
            slips = zip(self._products, self.slips(coefficients), strict=True)
            moved = np.sum([np.asarray(product.apply(slip)) for product, slip in slips], axis=0)
        return self.without_nuisance(self.whitened(moved))

    def backward(self, white: Array) -> Array:
        """``matrix.T @ white``, (u,), without the matrix."""
        force = self.adjoint(self.without_nuisance(white))
        if self._layered is not None:
            pulls = [fault.apply_adjoint(force) for fault in self._layered]
        elif self._products is None:
            pulls = [model.patches.apply_adjoint(self.points, force, self.nu) for model in self.models]
        else:
            pulls = [np.asarray(product.apply_adjoint(force)) for product in self._products]
        return np.concatenate([m.adjoint(pull) for m, pull in zip(self.models, pulls, strict=True)])

    def whitened_matrix(self) -> Array:
        """Whitened data (k, u) of a unit of each coefficient."""
        if self._whitened is not None:
            return self._whitened
        return np.concatenate([data.whiten(self._responses(data)) for data in self.datasets])

    def without_nuisance(self, columns: Array) -> Array:
        """Whitened columns (k, ...) less what the nuisance terms can explain of them."""
        return columns - self._basis @ (self._basis.T @ columns)

    def nuisance(self, displacement: Array) -> Array:
        """Nuisance coefficients (q,) that go with a displacement (n, 3)."""
        if not self.design.shape[1]:
            return np.zeros(0)
        left = self.whitened_data - self.whitened(displacement)
        return np.asarray(linalg.lstsq(self.design, left)[0])

    def _parts(self, coefficients: Array) -> list[Array]:
        ends = np.cumsum([model.size for model in self.models])
        return np.split(coefficients, ends[:-1])

    def _responses(self, data: Dataset) -> Array:
        """What a data set sees (k, u) of a unit of each coefficient; the points in chunks that fit."""
        table = np.empty((data.size, self.size))
        step = max(1, _CHUNK * len(data.xy) // len(data.points))
        for first in range(0, len(data.xy), step):
            chunk = slice(first, min(first + step, len(data.xy)))
            table[data.part(chunk)[1]] = self._seen(data, chunk)
        bad = ~np.isfinite(table).all(axis=1)
        if bad.any():
            at = int(data.index[np.argmax(bad)])
            raise ValueError(
                f"{data.name}: point {at} at {tuple(data.xy[at].tolist())} lies on the edge of a patch, "
                "where the displacement has no value"
            )
        return table

    def _seen(self, data: Dataset, chunk: slice) -> Array:
        columns = []
        points = data.points[data.part(chunk)[0]]
        for k, model in enumerate(self.models):
            if self._layered is None:
                greens = model.patches.greens(points, self.nu)
            else:
                greens = self._layered[k].greens(points)
            seen = data.see_part(chunk, greens)
            columns.append(np.einsum("kma,mqa->kmq", seen, model.directions).reshape(len(seen), -1))
        return np.concatenate(columns, axis=1)


def orthonormal(design: Array) -> Array:
    """Orthonormal basis (k, q) of a design's columns, which must be independent."""
    if not design.shape[1]:
        return design
    basis, factor = linalg.qr(design, mode="economic")
    size = np.abs(np.diagonal(factor))
    if not (len(size) == design.shape[1] and (size > 1e-10 * np.linalg.norm(design, axis=0)).all()):
        raise ValueError("the data cannot tell their nuisance terms apart; use fewer")
    return np.asarray(basis)


def checked_smoothing(value: float) -> float:
    """A smoothing that is a finite number, positive or zero."""
    return float(gates.number(least=0)("smoothing", value))
