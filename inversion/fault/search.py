"""The search for the best faults: slip solved linearly inside, many starts, then all parameters together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.arrays import Record
from dislok.store import Arrays, Pieces, Place

from ..levenberg import Minimum, Quadratic, minimise, undefined
from ..rectangles import GEOMETRY, PARAMETERS, FaultModel, wrap
from ..starts import spread
from .linear import Profile, profile, project_out
from .result import Result, make_result

if TYPE_CHECKING:
    from .problem import Problem


_COARSE = 1e-7
"""Relative tolerance of a search; the refinement that follows goes to the end."""

_BURIED = 1e-5
"""Relative tolerance of the search with buried faults, which only shows the way."""

_BURIAL = 0.4
"""Depth of buried upper edges over the median distance between neighbouring data points."""

_UNITS = np.array([[0.0, 1.0, 0.0], [90.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
"""Rake, slip and opening of unit strike-slip, dip-slip and opening."""

RAKE, SLIP, OPENING = (PARAMETERS.index(name) for name in ("rake", "slip", "opening"))


@gates.gate(
    starts=gates.count(1, 100_000),
    seed=gates.count(),
    linear_slip=gates.flag(),
    screen=gates.count(1, 1_000_000),
    max_iterations=gates.count(1),
    progress=gates.optional(gates.function()),
)
def solve(
    problem: Problem,
    starts: int = 1,
    *,
    seed: int = 0,
    linear_slip: bool = True,
    screen: int = 20,
    max_iterations: int = 100,
    folder: Place | Pieces | None = None,
    progress: Callable[[str], None] | None = None,
) -> Result:
    """Find the faults of least misfit.

    Parameters
    ----------
    problem : Problem
        What to solve.
    starts : int
        Searches from different places. The first begins at the initial faults; the others at the best of
        ``screen * starts`` points spread evenly through the bounds, which must then be finite for every
        geometric unknown (strike goes round by itself).
    seed : int
        Seed of the spread points; the same seed gives the same result.
    linear_slip : bool
        Solve rake, slip and opening linearly inside the search (variable projection, with Kaufman's
        Jacobian). Rake bounds less than 180 degrees apart become non-negative combinations of the two
        limiting rakes. What is not linear in the slip components, that is priors on rake and slip and an
        upper bound on slip, enters in the refinement of all parameters together that ends every search.
    screen : int
        Points looked at for each further start.
    max_iterations : int
        Trial steps of one search at most, refinement not counted.
    folder : path, optional
        Keeps every finished search, so that an interrupted one of several starts can be taken up.
    progress : callable, optional
        Called with a line of text as each search ends; `print` will do.

    Returns
    -------
    Result

    Notes
    -----
    Where the trace of a fault that reaches the surface passes a data point, the misfit jumps, and a search
    that steps along derivatives gets stuck. So every search first keeps upper edges 0.4 data spacings deep,
    where the misfit is smooth on the scale of the data, and then lets them come up.

    Raises
    ------
    ValueError
        If `starts` is not positive, or several starts are wanted and a geometric unknown has no finite
        bounds.
    """
    search = _SlipInside(problem) if linear_slip and _slip_is_linear(problem) else _Joint(problem)
    buried = _buried(problem, search)
    points = [search.start, *spread(
        lambda point: search.quadratic(np.maximum(point, buried)).value,
        search.names, search.lower, search.upper, starts - 1, screen, seed,
    )]  # fmt: skip
    floor = 1e-26 * float(problem.whitened_data @ problem.whitened_data)
    pieces = Pieces.at(folder, "solve", problem, starts, seed, linear_slip, screen, max_iterations)
    ends: list[Minimum] = []
    for number, point in enumerate(points, start=1):
        kept = pieces.keep(
            f"start-{number}",
            lambda point=point: _arrays(_descend(problem, search, point, buried, max_iterations, floor)),  # type: ignore[misc]
        )
        ends.append(_minimum(kept))
        if progress is not None:
            best = min(end.model.value for end in ends)
            end = f"misfit {ends[-1].model.value:.6g} after {ends[-1].iterations} iterations"
            progress(f"start {number}/{len(points)}: {end}; best {best:.6g}")
    return make_result(problem, ends)


def _arrays(end: Minimum) -> Record:
    return {**end.model._asdict(), **end._asdict(), "model": []}


def _minimum(kept: Arrays) -> Minimum:
    model = Quadratic(float(kept["value"]), kept["gradient"], kept["normal"])
    plain = int(kept["iterations"]), bool(kept["converged"]), kept["history"].tolist()
    return Minimum(kept["point"], model, *plain)


def _descend(
    problem: Problem, search: _Joint | _SlipInside, point: Array, buried: Array, limit: int, floor: float
) -> Minimum:
    """One search: buried, then free to come up, then all unknowns together to the end."""
    stages = []
    for lower, tolerance in ((buried, _BURIED), (search.lower, _COARSE)):
        if lower is search.lower or (buried > search.lower).any():
            stages.append(minimise(search.quadratic, point, lower, search.upper, limit, tolerance, floor))
            point = stages[-1].point
    begin = search.unknowns(point)
    stages.append(minimise(problem.quadratic, begin, problem.lower, problem.upper, limit, floor=floor))
    history = [value for stage in stages for value in stage.history]
    return stages[-1]._replace(iterations=sum(stage.iterations for stage in stages), history=history)


def _buried(problem: Problem, search: _Joint | _SlipInside) -> Array:
    """Lower bounds (p,) that keep upper edges below the surface by a fraction of the spacing of the data."""
    lower = search.lower.copy()
    depth = np.array([kind == "depth" for kind in search.kinds], dtype=bool)
    places = np.concatenate([data.xy for data in problem.datasets])
    if depth.any() and len(places) > 1:
        spacing = float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))
        lower[depth] = np.minimum(np.maximum(lower, _BURIAL * spacing), search.upper)[depth]
    return lower


class _Joint:
    """All unknowns searched together."""

    def __init__(self, problem: Problem) -> None:
        self.names, self.start = problem.names, problem.initial
        self.lower, self.upper = problem.lower, problem.upper
        self.kinds = [name for _, name in problem.owners]
        self.quadratic: Callable[[Array], Quadratic] = problem.quadratic

    def unknowns(self, point: Array) -> Array:
        return point


class _SlipInside:
    """The geometry searched, slip components solved linearly with the nuisance terms."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        keep = [i for i, (_, name) in enumerate(problem.owners) if name in GEOMETRY]
        self.keep = np.array(keep, dtype=int)
        self.names = tuple(problem.names[i] for i in keep)
        self.kinds = [problem.owners[i][1] for i in keep]
        self.lower, self.upper = problem.lower[self.keep], problem.upper[self.keep]
        self.start = problem.initial[self.keep]
        self.precision = problem.prior_precision[self.keep]
        self.bases = [_slip_basis(fault) for fault in problem.faults]
        opens = any("opening" in fault.free or fault.initial[OPENING] for fault in problem.faults)
        self.units = _UNITS if opens else _UNITS[:2]
        nuisance = np.full(problem.design.shape[1], np.inf)
        self.slip_lower = np.concatenate([*(basis.lower for basis in self.bases), -nuisance])
        self.slip_upper = np.concatenate([*(basis.upper for basis in self.bases), nuisance])
        self.owner = [problem.owners[i] for i in keep]

    def quadratic(self, point: Array) -> Quadratic:
        solution = self._solve(point)
        if solution is None:
            return undefined(point.size)
        fit, design, slopes = solution
        columns = self._geometry_columns(slopes, fit.coefficients)
        tangent = project_out(columns, design[:, fit.active], fit.weight)
        deviation = self.problem.prior_deviation(self._full(point))[self.keep]
        value = fit.value + 0.5 * float(deviation**2 @ self.precision)
        gradient = -columns.T @ (fit.weight * fit.residual) + self.precision * deviation
        return Quadratic(value, gradient, tangent.T @ tangent + np.diag(self.precision))

    def unknowns(self, point: Array) -> Array:
        """All unknowns (p,), slip included, at a point of the geometry, put inside the bounds."""
        solution = self._solve(point)
        if solution is None:
            return self._full(point)
        table = self.problem.parameters(self._full(point))
        for row, fault, slip in zip(
            table, self.problem.faults, self._slips(solution[0].coefficients), strict=True
        ):
            _set_slip(row, fault, slip)
        values = np.array([table[m, PARAMETERS.index(name)] for m, name in self.problem.owners])
        return np.clip(values, self.problem.lower, self.problem.upper)

    def _full(self, point: Array) -> Array:
        q = self.problem.initial.copy()
        q[self.keep] = point
        return q

    def _solve(self, point: Array) -> tuple[Profile, Array, Array] | None:
        """Best slip at a geometry: profile, design and whitened derivatives of unit slips."""
        problem = self.problem
        table = problem.parameters(self._full(point))
        at_points = problem.points_jacobian(_unit_sources(table, self.units))
        if not np.isfinite(at_points).all():
            return None
        jacobian = problem.whitened(at_points)
        units = jacobian.reshape(len(jacobian), len(table), len(self.units), 10)
        green = np.zeros((len(jacobian), len(table), 3))
        for k, column in enumerate((SLIP, SLIP, OPENING)[: len(self.units)]):
            green[..., k] = units[:, :, k, column]
        columns = [green[:, m] @ basis.components.T for m, basis in enumerate(self.bases)]
        known = sum(green[:, m] @ basis.known for m, basis in enumerate(self.bases))
        design = np.concatenate([*columns, problem.design], axis=1)
        fit = profile(problem.whitened_data - known, design, problem.loss, self.slip_lower, self.slip_upper)
        return fit, design, units

    def _slips(self, coefficients: Array) -> list[Array]:
        """Strike-slip, dip-slip and opening of every fault from the linear coefficients."""
        ends = np.cumsum([len(basis.lower) for basis in self.bases])
        parts = np.split(coefficients, ends)
        return [b.components.T @ own + b.known for b, own in zip(self.bases, parts, strict=False)]

    def _geometry_columns(self, units: Array, coefficients: Array) -> Array:
        """Derivative (k, p) of the whitened prediction by the geometry, slip held."""
        slips = [slip[: len(self.units)] for slip in self._slips(coefficients)]
        columns = [units[:, m, :, PARAMETERS.index(name)] @ slips[m] for m, name in self.owner]
        return np.stack(columns, axis=-1) if columns else np.zeros((len(units), 0))


class _SlipBasis(NamedTuple):
    """Slip of a fault, ``components.T @ c + known`` in strike-slip, dip-slip, opening; bounds on c."""

    components: Array
    lower: Array
    upper: Array
    known: Array


def _slip_is_linear(problem: Problem) -> bool:
    """A free rake with the amount of slip held is the one case that no linear coefficients describe."""
    return any(name in GEOMETRY for _, name in problem.owners) and not any(
        "rake" in fault.free and "slip" not in fault.free for fault in problem.faults
    )


def _slip_basis(fault: FaultModel) -> _SlipBasis:
    rows: list[tuple[Array, float, float]] = []
    known = np.zeros(3)
    if "slip" in fault.free:
        rows += _shear_rows(fault)
    else:
        known += fault.initial[SLIP] * _direction(float(fault.initial[RAKE]))
    if "opening" in fault.free:
        rows.append((np.array([0.0, 0.0, 1.0]), *fault.bounds["opening"]))
    else:
        known[2] = fault.initial[OPENING]
    components = np.array([row[0] for row in rows]).reshape(-1, 3)
    limits = np.array([row[1:] for row in rows]).reshape(-1, 2)
    return _SlipBasis(components, limits[:, 0], limits[:, 1], known)


def _shear_rows(fault: FaultModel) -> list[tuple[Array, float, float]]:
    low, high = fault.bounds["slip"]
    if "rake" not in fault.free:
        return [(_direction(float(fault.initial[RAKE])), low, high)]
    first, last = fault.bounds["rake"]
    if last - first < 180 and low >= 0:
        return [(_direction(rake), 0.0, np.inf) for rake in (first, last)]
    return [(_direction(rake), -np.inf, np.inf) for rake in (0.0, 90.0)]


def _direction(rake: float) -> Array:
    angle = np.radians(rake)
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _set_slip(row: Array, fault: FaultModel, slip: Array) -> None:
    """Write slip components (3,) into a fault's parameters (10,) as rake, slip and opening."""
    if "opening" in fault.free:
        row[OPENING] = slip[2]
    if "slip" not in fault.free:
        return
    if "rake" not in fault.free:
        row[SLIP] = slip @ _direction(float(fault.initial[RAKE]))
        return
    row[SLIP] = np.hypot(slip[0], slip[1])
    if row[SLIP] > 0:
        row[RAKE] = wrap(np.degrees(np.arctan2(slip[1], slip[0])), *fault.bounds["rake"])


def _unit_sources(table: Array, units: Array) -> Array:
    """Every fault's geometry with each of the unit slips (u, 3) in turn: parameters (u m, 10)."""
    sources = np.repeat(table, len(units), axis=0)
    sources[:, [RAKE, SLIP, OPENING]] = np.tile(units, (len(table), 1))
    return sources
