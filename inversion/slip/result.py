"""The result of a slip inversion: slip, uncertainty, resolution, fit; it stands without the problem."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.arrays import Record
from dislok.okada import Rectangle
from dislok.store import write_arrays

from ..fits import Fit, inflation_of, moment_magnitude, unit_doubts, variance_reduction
from ..mesh.grid import Grid
from ..mesh.mesh import Mesh
from ..mesh.patches import Patches
from .linear import Solution, covariance
from .quadratic import Boxed

if TYPE_CHECKING:
    from .problem import SlipProblem


_FORMAT = "dislok slip inversion 1"


@dataclass(frozen=True)
class SlipResult:
    """Slip on every fault, with its uncertainty.

    Attributes
    ----------
    patches : the faults; slip : (m, 3) strike-slip, dip-slip, opening of each of them.
    directions : (m, q, 3) of each fault, what a unit of each coefficient slips.
    coefficients : (u,) of all faults; at_bound : (u,) those that a bound holds.
    smoothing : λ; misfit : squared length of the whitened residuals; roughness : ``|R c|²``.
    count : number of data less nuisance terms.
    covariance : (u, u) posterior covariance of the coefficients under the stated errors and the smoothing as
        prior, those at bounds held; empty if it was not asked for.
    resolution : (u, u) what the estimate is of a unit of each coefficient, in columns; empty likewise.
    fits : data and prediction of every data set.
    nu, length_unit, shear_modulus : as of the problem.
    rounds : of the search for what the bounds hold; products with the Green's functions of a large problem.
    converged : whether that search ended by itself.
    """

    patches: tuple[Patches, ...]
    slip: tuple[Array, ...]
    directions: tuple[Array, ...]
    coefficients: Array
    at_bound: NDArray[np.bool_]
    smoothing: float
    misfit: float
    roughness: float
    count: int
    covariance: Array
    resolution: Array
    fits: tuple[Fit, ...]
    nu: float
    length_unit: float
    shear_modulus: float
    rounds: int
    converged: bool

    @property
    def moment(self) -> Array:
        """Seismic moment (N m) of every fault: shear modulus times area times shear slip, summed."""
        return np.array(
            [
                patches.moment(slip, self.shear_modulus, self.length_unit).sum()
                for patches, slip in zip(self.patches, self.slip, strict=True)
            ]
        )

    @property
    def moment_tensor(self) -> Array:
        """Moment tensor (3, 3) in N m of all faults together, axes east, north, up."""
        parts = zip(self.patches, self.slip, strict=True)
        return np.sum([p.moment_tensor(s, self.shear_modulus, self.length_unit) for p, s in parts], axis=0)

    @property
    def magnitude(self) -> float:
        """Moment magnitude of the summed moments; minus infinity without slip."""
        return moment_magnitude(float(self.moment.sum()))

    @property
    def parameters(self) -> float:
        """Number of parameters that the data determine: the trace of the resolution; NaN without it."""
        return float(np.trace(self.resolution)) if self.resolution.size else float("nan")

    @property
    def chi2_reduced(self) -> float:
        """Misfit over data less `parameters`: one where the errors are as stated."""
        return self.misfit / (self.count - self.parameters)

    @property
    def variance_reduction(self) -> float:
        """See `dislok.inversion.fits.variance_reduction`, over all data sets."""
        return variance_reduction(self.fits)

    @property
    def inflation(self) -> float:
        """What the errors of the data count in `sigma`, because the residuals are larger than they allow.

        As of `dislok.inversion.fits.inflation_of`: 1 where chance explains them, or without the
        resolution.
        """
        if not self.resolution.size:
            return 1.0
        return inflation_of(self.misfit, round(self.count - self.parameters))

    @property
    def sigma(self) -> tuple[Array, ...]:
        """Standard deviations (m, 3) of the slip of every fault, for directions held fixed.

        From `covariance`, with the errors of the data, and of the smoothing relative to them, times
        `inflation`.
        """
        blocks = _propagated(self._blocks(self.covariance), self.directions)
        return tuple(self.inflation * block for block in blocks)

    @property
    def restoration(self) -> tuple[Array, ...]:
        """Diagonal of the resolution, (m, q), of every fault: 1 where data decide, 0 where smoothing does."""
        blocks = self._blocks(self.resolution)
        return tuple(
            np.diagonal(block).reshape(d.shape[:2]) for block, d in zip(blocks, self.directions, strict=True)
        )

    def summary(self) -> str:
        """Slip, moment and fit as text."""
        lines = []
        for i, (patches, slip, moment) in enumerate(zip(self.patches, self.slip, self.moment, strict=True)):
            size = np.linalg.norm(slip[:, :2], axis=1)
            top = int(np.argmax(size))
            rake = float(patches.rake(slip)[top])
            lines.append(
                f"fault {i + 1}: {patches.size} patches, largest slip {size[top]:.3g} m (rake {rake:.0f}) "
                f"at depth {-patches.centroids[top, 2]:.3g}, moment {moment:.3g} N m"
            )
        lines.append(f"moment {self.moment.sum():.3g} N m, Mw {self.magnitude:.2f}")
        most = np.array([np.linalg.norm(slip[:, :2], axis=1).max() for slip in self.slip])
        sizes = np.array([np.sqrt(patches.areas.sum()) for patches in self.patches])
        lines += unit_doubts(most, sizes, self.magnitude, self.length_unit)
        known = f" (less {self.parameters:.1f} parameters)" if self.resolution.size else ""
        lines.append(
            f"smoothing {self.smoothing:.4g}, variance reduction {100 * self.variance_reduction:.2f} %, "
            f"chi-square {self.misfit:.1f} for {self.count} data{known}"
        )
        if self.inflation > 1:
            lines.append(f"sigma with {self.inflation:.2f} times the stated errors, as residuals ask for")
        lines += map(str, self.fits)
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write everything as a NumPy archive (.npz)."""
        write_arrays(path, _record(self), compressed=True)

    def _blocks(self, matrix: Array) -> list[Array]:
        """The square blocks of every fault in a matrix (u, u)."""
        if not matrix.size:
            raise ValueError("this result holds no uncertainty: solve with uncertainty=True")
        ends = np.cumsum([0, *(d.shape[0] * d.shape[1] for d in self.directions)])
        return [matrix[a:b, a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]


@gates.gate(path=gates.path())
def load(path: str | Path) -> SlipResult:
    """Read a result that `SlipResult.save` wrote.

    Raises
    ------
    ValueError
        If the file is not such a record.
    """
    with np.load(path, allow_pickle=False) as archive:
        if "format" not in archive or str(archive["format"]) != _FORMAT:
            raise ValueError(f"{path}: not a saved slip inversion")
        return _from_record({name: archive[name] for name in archive.files})


def make_result(problem: SlipProblem, smoothing: float, solution: Solution, uncertainty: bool) -> SlipResult:
    """Turn a dense solution into a result."""
    spread = resolution = np.zeros((0, 0))
    if uncertainty:
        spread = covariance(solution.factor, solution.free)
        resolution = spread @ (problem.reduced.matrix.T @ problem.reduced.matrix)
    return _assembled(
        problem, smoothing, solution.coefficients, ~solution.free, spread, resolution, solution.rounds,
        solution.converged,
    )  # fmt: skip


def make_large_result(problem: SlipProblem, smoothing: float, found: Boxed, products: int) -> SlipResult:
    """Turn a solution by products into a result; `rounds` counts the products."""
    nothing = np.zeros((0, 0))
    return _assembled(problem, smoothing, found.x, ~found.free, nothing, nothing, products, found.converged)


def _assembled(
    problem: SlipProblem,
    smoothing: float,
    coefficients: Array,
    at_bound: NDArray[np.bool_],
    spread: Array,
    resolution: Array,
    rounds: int,
    converged: bool,
) -> SlipResult:
    moved = problem.displacement(coefficients)
    nuisance = problem.nuisance(moved)
    residual = problem.data - problem.without_nuisance(problem.whitened(moved))
    bends = problem.roughness @ coefficients
    return SlipResult(
        patches=tuple(model.patches for model in problem.models),
        slip=tuple(problem.slips(coefficients)),
        directions=tuple(model.directions for model in problem.models),
        coefficients=coefficients,
        at_bound=at_bound,
        smoothing=smoothing,
        misfit=float(residual @ residual),
        roughness=float(bends @ bends),
        count=problem.data.size - problem.design.shape[1],
        covariance=spread,
        resolution=resolution,
        fits=problem.fits(moved, nuisance),
        nu=problem.nu,
        length_unit=problem.length_unit,
        shear_modulus=problem.shear_modulus,
        rounds=rounds,
        converged=converged,
    )


def _propagated(blocks: list[Array], directions: tuple[Array, ...]) -> list[Array]:
    """Standard deviations (m, 3) of slip from the covariance of its coefficients."""
    deviations = []
    for block, direction in zip(blocks, directions, strict=True):
        m, q = direction.shape[:2]
        own = np.einsum("mqmr->mqr", block.reshape(m, q, m, q))
        variance = np.einsum("mqa,mqr,mra->ma", direction, own, direction)
        deviations.append(np.sqrt(np.maximum(variance, 0.0)))
    return deviations


_PLAIN = (
    "coefficients", "at_bound", "smoothing", "misfit", "roughness", "count", "covariance", "resolution", "nu",
    "length_unit", "shear_modulus", "rounds", "converged",
)  # fmt: skip
_OF_FIT = ("xy", "observed", "predicted", "sigma", "look", "boxes")


def _record(result: SlipResult) -> Record:
    record: Record = {"format": _FORMAT, "faults": len(result.slip), "data": len(result.fits)}
    record |= {name: getattr(result, name) for name in _PLAIN}
    for i, patches in enumerate(result.patches):
        record |= {f"fault{i}.slip": result.slip[i], f"fault{i}.directions": result.directions[i]}
        if isinstance(patches, Mesh):
            record |= {f"fault{i}.points": patches.points, f"fault{i}.cells": patches.cells}
        elif isinstance(patches, Grid):
            record |= {f"fault{i}.fault": np.array(patches.fault, float), f"fault{i}.shape": patches.shape}
    for i, fit in enumerate(result.fits):
        record |= {f"data{i}.{name}": getattr(fit, name) for name in _OF_FIT}
        record |= {f"data{i}.words": [fit.name, fit.kind, *fit.labels]}
        record |= {f"data{i}.terms": list(fit.nuisance), f"data{i}.amounts": list(fit.nuisance.values())}
    return record


def _from_record(record: Record) -> SlipResult:
    faults = range(int(record["faults"]))
    plain = {name: record[name].item() if not record[name].ndim else record[name] for name in _PLAIN}
    return SlipResult(
        patches=tuple(_patches(record, f"fault{i}") for i in faults),
        slip=tuple(record[f"fault{i}.slip"] for i in faults),
        directions=tuple(record[f"fault{i}.directions"] for i in faults),
        fits=tuple(_fit(record, f"data{i}") for i in range(int(record["data"]))),
        **plain,
    )


def _patches(record: Record, key: str) -> Patches:
    if f"{key}.points" in record:
        return Mesh(record[f"{key}.points"], record[f"{key}.cells"], geographic=False)
    rows, columns = record[f"{key}.shape"].tolist()
    return Grid(Rectangle(*record[f"{key}.fault"].tolist()), columns, rows)


def _fit(record: Record, key: str) -> Fit:
    name, kind, *labels = record[f"{key}.words"].tolist()
    arrays = {field: record[f"{key}.{field}"] for field in _OF_FIT if f"{key}.{field}" in record}
    amounts = zip(record[f"{key}.terms"].tolist(), record[f"{key}.amounts"].tolist(), strict=True)
    return Fit(name=name, kind=kind, labels=tuple(labels), nuisance=dict(amounts), **arrays)
