"""Slip and the fault's shape together: variable projection with the exact derivatives of the displacement.

For every shape the best slip follows linearly; what is left is a function of the shape alone. Its gradient
is exact, also where bounds hold slip, because the slip is at its minimum. Its Gauss-Newton matrix is that of
Kaufman (1975): the derivatives of the data by the shape, less what slip can explain of them.

References
----------
Golub, G. and Pereyra, V. (2003). Separable nonlinear least squares: the variable projection method and its
applications. Inverse Problems 19(2), R1-R26.

Kaufman, L. (1975). A variable projection method for solving separable nonlinear least squares problems.
BIT 15, 49-57.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from dislok import gate as gates
from dislok import okada, tde
from dislok.arrays import HostArray as Array
from dislok.okada import Rectangle
from dislok.sources import fractions, sincos_degrees

from ..dataset import Dataset
from ..fits import inflation_of
from ..levenberg import Minimum, Quadratic, minimise, undefined
from ..mesh.grid import Grid
from ..mesh.mesh import Mesh
from ..mesh.patches import Patches, surface_points
from ..rectangles import FaultModel, common_origin
from ..starts import rival_lines, rivals_of, spread
from .linear import Solution
from .model import SlipModel
from .problem import SlipProblem, checked_smoothing
from .result import SlipResult, make_result

Limits = tuple[float, float]

_CHUNK = 512


class Shape(Protocol):
    """A fault whose shape depends on t numbers.

    Attributes
    ----------
    names : of the numbers; start, lower, upper : (t,) where to begin, and bounds.
    mean, precision : (t,) Gaussian prior; the precision is zero where there is none.
    """

    names: tuple[str, ...]
    start: Array
    lower: Array
    upper: Array
    mean: Array
    precision: Array

    def patches(self, values: Array) -> Patches | None:
        """The fault, or None where it cannot be."""
        ...

    def derivative(self, values: Array, xy: Array, slip: Array, nu: float) -> Array:
        """Derivative (n, 3, t) of the displacement at points (n, 2) by the numbers, slip (m, 3) held."""
        ...


class GridShape:
    """A `dislok.inversion.mesh.Grid` whose rectangle is sought.

    Parameters
    ----------
    model : FaultModel
        The rectangle: its initial values, bounds, fixed parameters and priors. Rake, slip and opening do not
        matter; they are those of the patches.
    n_strike, n_dip : int
        Number of patches.
    origin : "topleft", "topcenter" or "topright", optional
        Point of the rectangle that x, y and depth mean; by default what the model's rectangle carries, or
        "topleft".
    """

    def __init__(self, model: FaultModel, n_strike: int, n_dip: int, origin: str | None = None) -> None:
        gates.instance(FaultModel)("model", model)
        n_strike, n_dip = gates.count(1)("n_strike", n_strike), gates.count(1)("n_dip", n_dip)
        origin = common_origin([model], origin)
        self.n_strike, self.n_dip, self.origin = n_strike, n_dip, origin
        self.names = tuple(name for name in model.free if name in Rectangle._fields[:7])
        if not self.names:
            raise ValueError(
                "model: every parameter of the geometry is fixed, there is no shape to solve for"
            )
        self._template = np.array(model.initial)
        self._where = [Rectangle._fields.index(name) for name in self.names]
        self.start = self._template[self._where]
        self.lower, self.upper = np.array([model.bounds[name] for name in self.names]).T
        prior = np.array([model.prior.get(name, (0.0, np.inf)) for name in self.names])
        self.mean, self.precision = prior[:, 0], prior[:, 1] ** -2.0
        self.patches(self.start)

    def rectangle(self, values: Array) -> Rectangle:
        """The whole fault; it carries its origin."""
        table = self._template.copy()
        table[self._where] = values
        return Rectangle(*table.tolist()).with_origin(self.origin)

    def patches(self, values: Array) -> Grid:
        """The fault's grid."""
        return Grid(self.rectangle(values), self.n_strike, self.n_dip, self.origin)

    def derivative(self, values: Array, xy: Array, slip: Array, nu: float) -> Array:
        """Derivative (n, 3, t) of the surface displacement."""
        grid = self.patches(values)
        source = grid.source._replace(
            rake=np.rad2deg(np.arctan2(slip[:, 1], slip[:, 0])),
            slip=np.hypot(slip[:, 0], slip[:, 1]),
            opening=slip[:, 2],
        )
        moved = self._patch_derivative(values)[:, :, self._where]
        parts = []
        for first in range(0, len(xy), _CHUNK):
            points = surface_points(xy[first : first + _CHUNK])
            by_patch = np.asarray(okada.jacobian(points, source, nu=nu))[..., :7]
            parts.append(np.einsum("ncmp,mpt->nct", by_patch, moved))
        return np.concatenate(parts)

    def _patch_derivative(self, values: Array) -> Array:
        """Derivative (m, 7, 7) of every patch's seven parameters by the fault's."""
        fault = self.rectangle(values)
        length, width = float(fault.length), float(fault.width)
        row, column = np.divmod(np.arange(self.n_strike * self.n_dip), self.n_strike)
        s, d = column / self.n_strike - fractions(self.origin)[0], row / self.n_dip
        (ss, cs), (sd, cd) = sincos_degrees(float(fault.strike)), sincos_degrees(float(fault.dip))
        degree = np.deg2rad(1.0)
        table = np.zeros((row.size, 7, 7))
        table[:, range(7), range(7)] = [1, 1, 1, 1 / self.n_strike, 1 / self.n_dip, 1, 1]
        table[:, 0, 3], table[:, 1, 3] = s * ss, s * cs
        table[:, 0, 4], table[:, 1, 4], table[:, 2, 4] = d * cs * cd, -d * ss * cd, d * sd
        table[:, 0, 5] = degree * (s * length * cs - d * width * ss * cd)
        table[:, 1, 5] = degree * (-s * length * ss - d * width * cs * cd)
        table[:, 0, 6], table[:, 1, 6] = -degree * d * width * cs * sd, degree * d * width * ss * sd
        table[:, 2, 6] = degree * d * width * cd
        return table


class MeshShape:
    """A `dislok.inversion.mesh.Mesh` whose vertices move along given fields.

    Parameters
    ----------
    mesh : Mesh
        The fault when all numbers are zero.
    moves : mapping of name to array_like, shape (p, 3)
        How every vertex moves per unit of a number: ``np.ones((p, 1)) * [1, 0, 0]`` shifts the fault east,
        and one vertex's normal in a table of zeros lets that vertex bulge.
    bounds : mapping of name to (lower, upper)
        Limits; none by default.
    prior : mapping of name to (mean, standard deviation)
        Gaussian prior knowledge.

    Raises
    ------
    ValueError
        If a shape does not fit, bounds are reversed or do not hold zero, or a name is unknown.
    """

    def __init__(
        self,
        mesh: Mesh,
        moves: Mapping[str, ArrayLike],
        bounds: Mapping[str, Limits] | None = None,
        prior: Mapping[str, Limits] | None = None,
    ) -> None:
        gates.instance(Mesh)("mesh", mesh)
        moves = gates.mapping(lambda name, value: value)("moves", moves)
        self.mesh, self.names = mesh, tuple(moves)
        if not moves:
            raise ValueError("moves: give at least one field")
        limits_of = gates.mapping(gates.pair(gates.number(infinite=True)))
        bounds = limits_of("bounds", {} if bounds is None else bounds)
        prior = limits_of("prior", {} if prior is None else prior)
        fields = [_checked_field(name, field, mesh) for name, field in moves.items()]
        self.moves = np.stack(fields, axis=-1)
        for what, given in (("bounds", bounds or {}), ("prior", prior or {})):
            unknown = set(given) - set(self.names)
            if unknown:
                raise ValueError(f"{what}: no field is named {sorted(unknown)[0]!r}")
        limits = np.array([(bounds or {}).get(name, (-np.inf, np.inf)) for name in self.names])
        self.lower, self.upper = limits.T
        if not ((self.lower <= 0) & (self.upper >= 0) & (self.lower < self.upper)).all():
            raise ValueError("bounds must hold zero, where the search begins, and be apart")
        known = np.array([(prior or {}).get(name, (0.0, np.inf)) for name in self.names])
        self.mean, self.precision = known[:, 0], known[:, 1] ** -2.0
        self.start = np.zeros(len(self.names))

    def patches(self, values: Array) -> Mesh | None:
        """The fault's mesh; None where a vertex leaves the ground."""
        points = self.mesh.points + self.moves @ values
        above = points[:, 2] > 1e-9 * np.ptp(points, axis=0).max()
        return None if above.any() else Mesh(points, self.mesh.cells, geographic=False)

    def derivative(self, values: Array, xy: Array, slip: Array, nu: float) -> Array:
        """Derivative (n, 3, t) of the surface displacement."""
        points = self.mesh.points + self.moves @ values
        surface = (np.minimum(points, [np.inf, np.inf, 0.0]), self.mesh.cells)
        parts = []
        for first in range(0, len(xy), _CHUNK):
            obs = surface_points(xy[first : first + _CHUNK])
            by_point = np.asarray(tde.jacobian(obs, surface, slip, nu=nu))
            parts.append(np.einsum("ncpj,pjt->nct", by_point, self.moves))
        return np.concatenate(parts)


@dataclass(frozen=True)
class ShapeResult:
    """Best shapes with their uncertainty, and the slip on them.

    Attributes
    ----------
    names : of the t numbers (with _1, _2, ... when there are several faults); values : (t,).
    covariance : (t, t) Gauss-Newton covariance, that of the slip included; NaN for numbers at a bound.
    at_bound : (t,) numbers that ended on a bound.
    slip : the slip on the best shapes.
    misfit : half of data misfit, smoothing and prior together.
    history : misfit after every step; iterations, converged : of the best search.
    starts : (s, t + 1) misfit and numbers where every search ended, the best first.
    inflation : what the errors of the data were multiplied with in the covariance, because what is left is
        larger than they allow (`dislok.inversion.fits.inflation_of`); 1 where it is not.
    """

    names: tuple[str, ...]
    values: Array
    covariance: Array
    at_bound: NDArray[np.bool_]
    slip: SlipResult
    misfit: float
    history: tuple[float, ...]
    iterations: int
    converged: bool
    starts: Array
    inflation: float = 1.0

    @property
    def sigma(self) -> Array:
        """Standard deviations (t,)."""
        return np.sqrt(np.diagonal(self.covariance))

    @property
    def rivals(self) -> Array:
        """Other minima (r, t + 1): how much larger chi-square is there, and the numbers.

        See `dislok.inversion.starts.rivals_of`.
        """
        return rivals_of(self.starts, self.names, self.sigma, self.inflation)

    def summary(self) -> str:
        """A table of the shape with its uncertainty, then the slip, as text."""
        lines = [f"{'shape':<12}{'value':>11}{'sigma':>11}"]
        for name, value, sigma, held in zip(self.names, self.values, self.sigma, self.at_bound, strict=True):
            lines.append(f"{name:<12}{value:>11.4f}{'at bound' if held else f'{sigma:.4g}':>11}")
        state = "converged" if self.converged else "NOT converged"
        lines.append(f"{state} in {self.iterations} iterations; {len(self.starts)} starts")
        if self.at_bound.any():
            held = ", ".join(name for name, hit in zip(self.names, self.at_bound, strict=True) if hit)
            lines.append(f"sigma of the others holds for {held} at the bound; widen it")
        if self.inflation > 1:
            lines.append(f"sigma with {self.inflation:.2f} times the stated errors, as residuals ask for")
        lines += rival_lines(self.rivals, self.names)
        return "\n".join([*lines, self.slip.summary()])


@gates.gate(
    model=gates.function(),
    nu=gates.number(least=0, below=0.5),
    length_unit=gates.number(above=0),
    shear_modulus=gates.number(above=0),
    max_iterations=gates.count(1),
    starts=gates.count(1, 100_000),
    seed=gates.count(),
    screen=gates.count(1, 1_000_000),
    progress=gates.optional(gates.function()),
)
def solve_shape(
    datasets: Sequence[Dataset] | Dataset,
    shapes: Sequence[Shape] | Shape,
    model: Callable[[Patches], SlipModel],
    smoothing: float,
    *,
    nu: float = 0.25,
    length_unit: float = 1.0,
    shear_modulus: float = 30e9,
    max_iterations: int = 50,
    starts: int = 1,
    seed: int = 0,
    screen: int = 4,
    progress: Callable[[str], None] | None = None,
) -> ShapeResult:
    """Find the shape of faults and the slip on them together.

    Parameters
    ----------
    datasets, nu, length_unit, shear_modulus
        As of `SlipProblem`.
    shapes : sequence of GridShape and MeshShape
        The faults.
    model : callable
        Makes the SlipModel of a fault: ``lambda patches: SlipModel(patches, rake=90, spread=45)``.
    smoothing : float
        λ, say of `SlipProblem.choose` on the first shape. Roughness is measured on the first shape,
        so that no fault grows to be smooth.
    max_iterations : int
        Steps at most of each search.
    starts : int
        Searches from different places: from the shapes' own, and from the best of ``screen * starts`` spread
        evenly through the bounds, which must then be finite (strike goes round by itself). The misfit of a
        shape often has several minima: one start can end far away with a small standard deviation.
    seed : int
        Of the spread places.
    screen : int
        Places looked at for each further start.
    progress : callable, optional
        Gets a line of text as each search ends.

    Returns
    -------
    ShapeResult
        The best; its `rivals` are other minima that the data do not rule out.

    Raises
    ------
    ValueError
        If the first shape cannot be, several starts are wanted and a number has no finite bounds, or as
        `SlipProblem` does.
    """
    faults: Sequence[Shape] = gates.several("shapes", shapes, (GridShape, MeshShape))
    constants = (nu, length_unit, shear_modulus)
    search = search_from(datasets, faults, model, checked_smoothing(smoothing), constants)
    lower = np.concatenate([shape.lower for shape in faults])
    upper = np.concatenate([shape.upper for shape in faults])
    names = _numbered(faults)
    points = [np.concatenate([shape.start for shape in faults])]
    points += spread(search.value, names, lower, upper, starts - 1, screen, seed)
    ends: list[Minimum] = []
    for point in points:
        ends.append(minimise(search.quadratic, point, lower, upper, max_iterations, tolerance=1e-8))
        if progress is not None:
            values = ", ".join(f"{n} {v:.4g}" for n, v in zip(names, ends[-1].point, strict=True))
            progress(f"start {len(ends)}/{len(points)}: misfit {ends[-1].model.value:.6g} at {values}")
    return _shape_result(search, sorted(ends, key=lambda end: end.model.value), names, lower, upper)


def _shape_result(
    search: Search, ends: list[Minimum], names: tuple[str, ...], lower: Array, upper: Array
) -> ShapeResult:
    best = ends[0]
    at_bound = (best.point <= lower) | (best.point >= upper)
    # The search rests only where the faults can be.
    problem = search.problem(search.patches(best.point) or search.first)
    slip = make_result(problem, search.smoothing, problem.solution(search.smoothing), uncertainty=True)
    inflation = inflation_of(slip.misfit, round(slip.count - slip.parameters) - len(names))
    return ShapeResult(
        names=names,
        values=best.point,
        covariance=inflation**2 * _inverse(best.model.normal, at_bound),
        at_bound=at_bound,
        slip=slip,
        misfit=best.model.value,
        history=tuple(best.history),
        iterations=best.iterations,
        converged=best.converged,
        starts=np.array([[end.model.value, *end.point] for end in ends]),
        inflation=inflation,
    )


def _numbered(faults: Sequence[Shape]) -> tuple[str, ...]:
    many = len(faults) > 1
    return tuple(f"{n}_{i + 1}" if many else n for i, shape in enumerate(faults) for n in shape.names)


class Search(NamedTuple):
    """The misfit as a function of the shapes alone; `first` are the faults on which roughness is measured."""

    datasets: Sequence[Dataset] | Dataset
    shapes: Sequence[Shape]
    model: Callable[[Patches], SlipModel]
    smoothing: float
    constants: tuple[float, float, float]
    first: list[Patches]

    def problem(self, patches: list[Patches]) -> SlipProblem:
        """The linear problem on some faults."""
        nu, length_unit, shear_modulus = self.constants
        problem = SlipProblem(
            self.datasets,
            [self.model(fault) for fault in patches],
            nu=nu,
            length_unit=length_unit,
            shear_modulus=shear_modulus,
        )
        problem.set_roughness([self.model(fault) for fault in self.first])
        return problem

    def value(self, point: Array) -> float:
        """The value alone; infinite where the faults cannot be."""
        patches = self.patches(point)
        if patches is None:
            return float("inf")
        try:
            return self._value(point, self.problem(patches).solution(self.smoothing))
        except ValueError:
            # A datum lies on an edge, where the displacement has no value.
            return float("inf")

    def _value(self, point: Array, solution: Solution) -> float:
        mean = np.concatenate([shape.mean for shape in self.shapes])
        precision = np.concatenate([shape.precision for shape in self.shapes])
        value = solution.misfit + self.smoothing**2 * solution.roughness
        return 0.5 * (value + float((point - mean) ** 2 @ precision))

    def quadratic(self, point: Array) -> Quadratic:
        """Value, gradient and Gauss-Newton matrix, slip and nuisance terms eliminated."""
        patches = self.patches(point)
        if patches is None:
            return undefined(point.size)
        problem = self.problem(patches)
        solution = problem.solution(self.smoothing)
        moved = self._derivative(problem, point, problem.slips(solution.coefficients))
        columns = problem.without_nuisance(problem.whitened(moved))
        residual = problem.data - problem.matrix @ solution.coefficients
        mean = np.concatenate([shape.mean for shape in self.shapes])
        precision = np.concatenate([shape.precision for shape in self.shapes])
        left = _beyond_slip(problem, self.smoothing, solution.free, columns)
        normal = left.T @ left + np.diag(precision)
        return Quadratic(
            self._value(point, solution), precision * (point - mean) - columns.T @ residual, normal
        )

    def patches(self, point: Array) -> list[Patches] | None:
        """The faults at a point (t,), None where one of them cannot be."""
        return _faults([shape.patches(part) for shape, part in self._parts(point)])

    def _parts(self, point: Array) -> list[tuple[Shape, Array]]:
        ends = np.cumsum([len(shape.names) for shape in self.shapes])
        return list(zip(self.shapes, np.split(point, ends[:-1]), strict=True))

    def _derivative(self, problem: SlipProblem, point: Array, slips: list[Array]) -> Array:
        parts = zip(self._parts(point), slips, strict=True)
        columns = [shape.derivative(own, problem.points, slip, problem.nu) for (shape, own), slip in parts]
        return np.concatenate(columns, axis=-1)


def search_from(
    datasets: Sequence[Dataset] | Dataset,
    shapes: Sequence[Shape],
    model: Callable[[Patches], SlipModel],
    smoothing: float,
    constants: tuple[float, float, float],
) -> Search:
    """A search that begins at the shapes' own start; a ValueError if they cannot be."""
    first = _faults([shape.patches(shape.start) for shape in shapes])
    if first is None:
        raise ValueError("shapes: the first shape cannot be: a vertex lies above the ground")
    return Search(datasets, shapes, model, smoothing, constants, first)


def _faults(found: Sequence[Patches | None]) -> list[Patches] | None:
    there = [fault for fault in found if fault is not None]
    return there if len(there) == len(found) else None


def _beyond_slip(problem: SlipProblem, smoothing: float, free: NDArray[np.bool_], columns: Array) -> Array:
    """Columns (k, t), with the rows of the smoothing, less what free slip can explain of them."""
    rough = smoothing * problem.roughness.toarray()[:, free]
    basis = linalg.qr(np.concatenate([problem.matrix[:, free], rough]), mode="economic")[0]
    padded = np.concatenate([columns, np.zeros((len(rough), columns.shape[1]))])
    return np.asarray(padded - basis @ (basis.T @ padded))


def _checked_field(name: str, field: ArrayLike, mesh: Mesh) -> Array:
    array = gates.real()(f"moves[{name!r}]", field)
    if array.shape != mesh.points.shape or not np.isfinite(array).all():
        expected = f"finite numbers of shape {mesh.points.shape}"
        raise ValueError(f"moves: {name}: expected {expected}, got shape {array.shape}")
    return array


def _inverse(normal: Array, held: NDArray[np.bool_]) -> Array:
    """Inverse over the numbers that are not held, NaN elsewhere."""
    inverse = np.full(normal.shape, np.nan)
    use = np.ix_(~held, ~held)
    inverse[use] = linalg.pinvh(normal[use])
    return inverse
