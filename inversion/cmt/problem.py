"""The least-squares problem: data sets, crust and priors; residuals and Jacobian of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok import gate as gates
from dislok import propagator

from . import tensor as tensors
from .data import Dataset, Offsets, Waveforms
from .filters import Array, Filter
from .forward import STF, Field, Geometry, geometry
from .source import BOUNDS, PLACE, UNKNOWNS, Sources
from .tensor import MomentPrior


class Prior(NamedTuple):
    """Normal prior of one unknown of every source.

    Attributes
    ----------
    mean, sigma : float
        In the unit of the unknown.
    """

    mean: float
    sigma: float


class Problem:
    """Data sets, a crust, and what is known before.

    Parameters
    ----------
    data : Waveforms, Offsets or sequence of them
        What is fitted.
    model : LayeredModel
        The crust.
    origin : (latitude, longitude)
        Hypocentre: the origin of the plane on which sources move.
    stf : str, optional
        Source time function, a key of `dislok.inversion.cmt.forward.STF`.
    unknowns : tuple of str, optional
        What moves besides the tensor: some of "east", "north", "depth", "time", "duration"; by default all
        that the data can tell: no duration of an impulse, neither time nor duration of offsets alone.
    bounds : mapping of str to (low, high), optional
        Limits of the unknowns; by default 100 km to either side, 1 to 100 km depth, 25 s before to 60 s
        after the reference, and half-durations of 0.2 to 60 s.
    prior : mapping of str to (mean, sigma), optional
        Normal priors of the unknowns. "moment" is one too: expected scalar moment (N·m) and the standard
        deviation of its natural logarithm.
    accuracy : float, optional
        Relative accuracy of the kernels.
    constraint : {"full", "deviatoric", "double_couple"}
        What moment tensors are allowed.

    Raises
    ------
    ValueError
        If names, bounds or priors do not fit, or a prior stands beside data without standard deviations.
    """

    BOUNDS = BOUNDS

    def __init__(
        self,
        data: Dataset | Sequence[Dataset],
        model: propagator.LayeredModel,
        origin: tuple[float, float],
        *,
        stf: str = "triangle",
        unknowns: Sequence[str] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        prior: Mapping[str, tuple[float, float]] | None = None,
        accuracy: float = 1e-3,
        constraint: str = "deviatoric",
    ) -> None:
        self.data = gates.several("data", data, (Waveforms, Offsets))
        gates.instance(propagator.LayeredModel)("model", model)
        origin = gates.pair(gates.number(least=-360, most=360))("origin", origin)
        gates.number(least=-90, most=90)("origin[0]", origin[0])
        stf = gates.choice(*STF)("stf", stf)
        unknowns = _usual(self.data, stf) if unknowns is None else unknowns
        accuracy = gates.number(above=0, below=1)("accuracy", accuracy)
        if isinstance(unknowns, (str, bytes)) or not isinstance(unknowns, Sequence):
            raise TypeError(f"unknowns must be a sequence of names, got {unknowns!r:.60}")
        for i, name in enumerate(unknowns):
            gates.choice(*UNKNOWNS)(f"unknowns[{i}]", name)
        pairs = gates.mapping(gates.pair(gates.number(infinite=True)))
        bounds = pairs("bounds", {} if bounds is None else bounds)
        prior = pairs("prior", {} if prior is None else prior)
        self.model, self.origin, self.stf, self.accuracy = model, origin, stf, accuracy
        self.constraint = gates.choice(*tensors.CONSTRAINTS)("constraint", constraint)
        self.unknowns = tuple(name for name in UNKNOWNS if name in unknowns)
        self.bounds = {**self.BOUNDS, **(bounds or {})}
        self.prior = {name: Prior(*pair) for name, pair in (prior or {}).items() if name != "moment"}
        moment = (prior or {}).get("moment")
        self.moment_prior = None if moment is None else MomentPrior(*moment)
        self._check(unknowns)
        self.places = tuple(places_of(part, origin) for part in self.data)
        self.target = np.concatenate([part.whitener.rows(part.observed) for part in self.data])
        self.row_weight = np.ones_like(self.target)

    def _check(self, unknowns: Sequence[str]) -> None:
        if not self.data:
            raise ValueError("data: no data set")
        unknown = {*unknowns, *self.bounds, *self.prior} - set(UNKNOWNS)
        if unknown:
            raise ValueError(f"unknown quantity {sorted(unknown)[0]!r}; choose from {', '.join(UNKNOWNS)}")
        if self.stf not in STF:
            raise ValueError(f"unknown source time function {self.stf!r}; choose from {', '.join(STF)}")
        if self.stf == "impulse" and "duration" in self.unknowns:
            raise ValueError("an impulse has no duration to solve for; choose a source time function")
        for name, (low, high) in self.bounds.items():
            if not low < high:
                raise ValueError(f"bounds of {name}: {low} is not below {high}")
        clocks = {part.records.reference for part in self.data if isinstance(part, Waveforms)}
        if len(clocks) > 1:
            raise ValueError(
                f"records count time from different references: {', '.join(map(str, sorted(clocks)))}"
            )
        if (self.prior or self.moment_prior) and any(part.weighted_alike for part in self.data):
            raise ValueError("a prior needs data with standard deviations: give the waveforms sigma or noise")
        if len(self.data) > 1 and any(part.weighted_alike for part in self.data):
            raise ValueError("several data sets need standard deviations: give the waveforms sigma or noise")

    @property
    def facts(self) -> tuple[object, ...]:
        """All that solutions depend on, for `dislok.store.fingerprint`."""
        return (
            self.data, self.model, self.origin, self.stf, self.accuracy, self.unknowns, self.bounds,
            self.prior, self.moment_prior, self.constraint, self.target, self.row_weight,
        )  # fmt: skip

    @property
    def weighted_alike(self) -> bool:
        """Whether all samples count the same for want of standard deviations."""
        return any(part.weighted_alike for part in self.data)

    @property
    def row_station(self) -> NDArray[np.str_]:
        """Station that each row of the problem comes from."""
        return np.concatenate([part.whitener.station_names for part in self.data])

    def with_data(self, data: Sequence[Dataset]) -> Problem:
        """The same problem for other data sets."""
        return self._changed(data=data)

    def with_model(self, model: propagator.LayeredModel) -> Problem:
        """The same problem in another crust."""
        return self._changed(model=model)

    def with_unknowns(self, unknowns: Sequence[str]) -> Problem:
        """The same problem with other unknowns."""
        return self._changed(unknowns=unknowns)

    def with_constraint(self, constraint: str) -> Problem:
        """The same problem with other moment tensors allowed."""
        other = copy(self)
        other.constraint = gates.choice(*tensors.CONSTRAINTS)("constraint", constraint)
        return other

    def with_target(self, target: Array) -> Problem:
        """The same problem for other whitened data (m,), say the residuals of a solution."""
        other = copy(self)
        other.target = target
        return other

    def reweighted(self, weights: Mapping[str, float]) -> Problem:
        """The same problem with a factor on the residuals of every named station, one for the others."""
        other = copy(self)
        factor = np.array([weights.get(str(name), 1.0) for name in self.row_station])
        other.row_weight, other.target = self.row_weight * factor, self.target * factor
        return other

    def _changed(self, **changes: Any) -> Problem:
        prior: dict[str, tuple[float, float]] = dict(self.prior)
        if self.moment_prior is not None:
            prior["moment"] = self.moment_prior
        arguments = {"data": self.data, "model": self.model, "unknowns": self.unknowns, **changes}
        return Problem(
            origin=self.origin,
            stf=self.stf,
            bounds=self.bounds,
            prior=prior,
            accuracy=self.accuracy,
            constraint=self.constraint,
            **arguments,
        )

    def filtered(self, band: Filter) -> Problem:
        """The same problem with its waveforms through another filter."""
        return self.with_data([p.filtered(band) if isinstance(p, Waveforms) else p for p in self.data])

    def keeping(self, keep: NDArray[np.str_] | set[str]) -> Problem:
        """The same problem with the named stations only."""
        names = sorted(keep)
        parts = [(part, np.isin(part.station, names)) for part in self.data]
        return self.with_data([part.select(flags) for part, flags in parts if flags.any()])

    @property
    def stations(self) -> NDArray[np.str_]:
        """Names of all stations with at least one fitted sample, sorted."""
        return np.unique(self.row_station)

    def at(self, sources: Sources) -> System:
        """The problem's linear part at the places of sources."""
        fields = tuple(
            Field(part, places, self.model, sources, self.accuracy, self.stf)
            for part, places in zip(self.data, self.places, strict=True)
        )
        return System(self, fields)

    def prior_rows(self, sources: Sources) -> tuple[Array, Array]:
        """Residuals (p,) of the priors of places, times and durations.

        Their slopes in the unknowns (p, n q) come second.
        """
        count = len(self.unknowns)
        residual, slope = [], []
        for k in range(len(sources)):
            for name, (mean, sigma) in self.prior.items():
                residual.append((mean - float(getattr(sources, name)[k])) / sigma)
                row = np.zeros(count * len(sources))
                if name in self.unknowns:
                    row[k * count + self.unknowns.index(name)] = 1 / sigma
                slope.append(row)
        return np.array(residual), np.array(slope).reshape(len(residual), count * len(sources))

    def limits(self, sources: int) -> tuple[Array, Array]:
        """Bounds of the unknowns of so many sources, each (n q,)."""
        pairs = np.array([self.bounds[name] for name in self.unknowns]).reshape(-1, 2)
        low, high = np.tile(pairs, (sources, 1)).T
        return low, high


class System:
    """Kernels of all data sets at fixed places: rows of a least-squares problem for what is left."""

    def __init__(self, problem: Problem, fields: tuple[Field, ...]) -> None:
        self.problem, self.fields = problem, fields

    def green(self, sources: Sources) -> Array:
        """Whitened data per N·m of each element, (m, n, 6)."""
        return self._rows([field.green(sources) for field in self.fields])

    def slopes(self, sources: Sources) -> Array:
        """Whitened derivatives with respect to the unknowns, (m, n, q)."""
        return self._rows([field.slopes(sources, self.problem.unknowns) for field in self.fields])

    def _rows(self, tables: list[Array]) -> Array:
        parts = [
            np.stack([field.data.whitener.rows(one) for one in table], axis=1)
            for field, table in zip(self.fields, tables, strict=True)
        ]
        rows = np.concatenate(parts)
        return np.asarray(rows * self.problem.row_weight[:, None, None])

    def fit(self, sources: Sources, green: Array | None = None) -> Sources:
        """The sources with the tensors that fit best."""
        green = self.green(sources) if green is None else green
        start, problem = sources.tensor if sources.tensor.any() else None, self.problem
        found = tensors.best(green, problem.target, problem.constraint, start, problem.moment_prior)
        return sources.with_tensor(found)


class State(NamedTuple):
    """Sources with their residuals.

    Attributes
    ----------
    sources : Sources
    system : System at their places.
    green : (m, n, 6) whitened kernels.
    residual : (m,) whitened data less prediction.
    objective : float, squares of residuals and priors summed up.
    """

    sources: Sources
    system: System
    green: Array
    residual: Array
    objective: float

    @property
    def misfit(self) -> float:
        """``|d - s|² / |d|²``, what O'Toole et al. (2012) call relative RMS: 1 minus variance reduction."""
        target = self.system.problem.target
        return float(self.residual @ self.residual / (target @ target))

    def under(self, constraint: str) -> State:
        """The same sources and residuals where other moment tensors are allowed."""
        problem = self.system.problem.with_constraint(constraint)
        return self._replace(system=System(problem, self.system.fields))


def evaluate(problem: Problem, sources: Sources, *, refit: bool) -> State:
    """Residuals of sources, whose tensors are first replaced by the best ones if `refit`."""
    system = problem.at(sources)
    green = system.green(sources)
    if refit:
        sources = system.fit(sources, green)
    residual = problem.target - np.einsum("mke,ke->m", green, sources.tensor)
    before = problem.prior_rows(sources)[0]
    moment = tensors.prior_residual(sources.tensor, problem.moment_prior)
    objective = float(residual @ residual + before @ before + moment @ moment)
    return State(sources, system, green, residual, objective)


def jacobian(state: State) -> tuple[Array, Array, int]:
    """Slopes of the prediction in tangents and unknowns, residuals below which those of the priors stand.

    Returns
    -------
    matrix : (m + p, n (k + q))
        Columns: tangents of all tensors, then unknowns of all sources.
    residual : (m + p,)
    tangents : int
        Number of the columns of tensors.
    """
    problem, sources = state.system.problem, state.sources
    basis = tensors.blocks(sources.tensor, problem.constraint)
    rows = len(state.residual)
    left = state.green.reshape(rows, -1) @ basis
    right = state.system.slopes(sources).reshape(rows, -1)
    before, before_slope = problem.prior_rows(sources)
    moment = tensors.prior_residual(sources.tensor, problem.moment_prior)
    moment_slope = -tensors.prior_slope(sources.tensor, problem.moment_prior) @ basis
    matrix = np.block(
        [
            [left, right],
            [np.zeros((len(before), left.shape[1])), before_slope],
            [moment_slope, np.zeros((len(moment), right.shape[1]))],
        ]
    )
    return matrix, np.concatenate([state.residual, before, moment]), left.shape[1]


def _usual(data: Sequence[Dataset], stf: str) -> tuple[str, ...]:
    """What can be solved for."""
    if not any(isinstance(part, Waveforms) for part in data):
        return PLACE
    return UNKNOWNS[:-1] if stf == "impulse" else UNKNOWNS


def places_of(part: Dataset, origin: tuple[float, float]) -> Geometry:
    """Where the stations of a data set lie about an origin (longitude, latitude)."""
    table = part.table if isinstance(part, Offsets) else part.records
    return geometry(table.latitude, table.longitude, origin)
