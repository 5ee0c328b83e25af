"""Searches for the sources that fit best.

`gauss_newton` is the iteration of O'Toole et al. (2012): all unknowns move at once by the full step.
`minimise` is the one to use: the tensors, which are linear, are solved anew at every trial place (variable
projection), the steps in place, time and duration are damped (Levenberg-Marquardt) and limited, and a step
that does not help is not made. `search` runs it through lower frequencies first, where the basin of the
true source is wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dislok import gate as gates
from dislok.store import Pieces, Place

from . import kept
from . import tensor as tensors
from .filters import Array, CosineLowpass, Filter
from .problem import Problem, State, evaluate, jacobian
from .source import Sources
from .steps import Search, Step

STEP = {"east": 20.0, "north": 20.0, "depth": 8.0, "time": 5.0, "duration": 4.0}
"""Longest steps of one iteration of `minimise`: km and s."""

SMALL = {"east": 2e-3, "north": 2e-3, "depth": 2e-3, "time": 5e-4, "duration": 2e-3}
"""Steps at which a search has converged: km and s."""

MOMENT_DURATION = 2.26e-6
"""Half-duration (s) of a scalar moment M₀ (N·m) is this times the cube root of M₀: the rule of the Global
CMT project, 1.05e-8 times that of the moment in dyn·cm (Ekström et al. 2012).
"""

_CONSTRAINT = gates.choice(*tensors.CONSTRAINTS)

Progress = Callable[[str], None]


@gates.gate(
    problem=gates.instance(Problem),
    start=gates.instance(Sources),
    constraint=_CONSTRAINT,
    iterations=gates.count(1),
)
def gauss_newton(
    problem: Problem, start: Sources, constraint: str = "deviatoric", iterations: int = 10
) -> Search:
    """The plain iteration of O'Toole et al. (2012), equation 7, from a linear solution at the start.

    Parameters
    ----------
    problem : Problem
    start : Sources
        Places, times and durations to begin at.
    constraint : {"full", "deviatoric", "double_couple"}
    iterations : int
        At most so many.

    Raises
    ------
    ValueError
        If the constraint is unknown.
    """
    _check(constraint)
    state = evaluate(problem, start, constraint, refit=True)
    history = [_step(state, 0.0, None)]
    low, high = problem.limits(len(start))
    for _ in range(iterations):
        matrix, residual, split = jacobian(state, constraint)
        step = tensors.damped(matrix, residual, 0.0)
        place = state.sources.values(problem.unknowns)
        sources = state.sources.with_values(problem.unknowns, np.clip(place + step[split:], low, high))
        sources = sources.with_tensor(tensors.moved_all(sources.tensor, step[:split], constraint))
        state = evaluate(problem, sources, constraint, refit=False)
        history.append(_step(state, 0.0, None))
        if _is_small(step[split:], problem):
            return Search(state, tuple(history), True)
    return Search(state, tuple(history), False)


@gates.gate(
    problem=gates.instance(Problem),
    start=gates.instance(Sources),
    constraint=_CONSTRAINT,
    iterations=gates.count(1),
    scaled_duration=gates.flag(),
)
def minimise(
    problem: Problem,
    start: Sources,
    constraint: str = "deviatoric",
    iterations: int = 40,
    band: Filter | None = None,
    scaled_duration: bool = False,
) -> Search:
    """Damped iteration with the tensors solved anew at every place.

    Parameters
    ----------
    problem : Problem
    start : Sources
    constraint : {"full", "deviatoric", "double_couple"}
    iterations : int
        Trial steps at most; each costs one computation of the kernels.
    band : Filter, optional
        Filter to use instead of the data's own.
    scaled_duration : bool
        Whether half-durations follow from the moment (`MOMENT_DURATION`) instead of being given or solved
        for.
    """
    _check(constraint)
    problem = problem if band is None else problem.filtered(band)
    low, high = problem.limits(len(start))
    start = start.with_values(problem.unknowns, np.clip(start.values(problem.unknowns), low, high))
    state = evaluate(problem, start, constraint, refit=True)
    damping, growth = 1e-2, 2.0
    history = [_step(state, damping, band)]
    for _ in range(iterations):
        if not problem.unknowns:
            return Search(state, tuple(history), True)
        step, expected = _damped_step(state, constraint, damping, low, high)
        place = state.sources.values(problem.unknowns)
        sources = state.sources.with_values(problem.unknowns, np.clip(place + step, low, high))
        if scaled_duration:
            sources = with_scaled_duration(sources)
        trial = evaluate(problem, sources, constraint, refit=True)
        ratio = (state.objective - trial.objective) / max(expected, np.finfo(float).tiny)
        small = _is_small(step, problem)
        if trial.objective < state.objective:
            state = trial
            damping, growth = max(damping * max(0.1, 1 - (2 * min(ratio, 1.0) - 1) ** 3), 1e-9), 2.0
            history.append(_step(state, damping, band))
        else:
            damping, growth = damping * growth, 2 * growth
        if small or damping > 1e9:
            return Search(state, tuple(history), True)
    return Search(state, tuple(history), False)


@gates.gate(
    problem=gates.instance(Problem),
    start=gates.instance(Sources),
    constraint=_CONSTRAINT,
    reach=gates.number(least=0),
    iterations=gates.count(1),
    scaled_duration=gates.flag(),
    progress=gates.optional(gates.function()),
)
def search(
    problem: Problem,
    start: Sources,
    constraint: str = "deviatoric",
    bands: Sequence[Filter] = (CosineLowpass(0.02, 0.06),),
    times: Sequence[float] = tuple(range(-20, 21, 2)),
    reach: float = 0.0,
    iterations: int = 40,
    scaled_duration: bool = False,
    folder: Place | Pieces | None = None,
    progress: Progress | None = None,
) -> Search:
    """`minimise` through lower frequencies first, then through the data's own band.

    Parameters
    ----------
    problem : Problem
    start : Sources
    constraint : {"full", "deviatoric", "double_couple"}
    bands : sequence of Filter
        What the waveforms go through first, the lowest frequencies first; none for the data's own band only.
    times : sequence of float
        Shifts (s) of the start's time that are tried first; they cost next to nothing, and save a search from
        the neighbouring cycle.
    reach : float
        If positive, the search begins at the best of nine places, so many km apart, and three depths, where
        these are not held.
    iterations : int
        Trial steps at most in every band.
    scaled_duration : bool
        As of `minimise`.
    folder : path, optional
        Keeps the search of every finished band, so that an interrupted run can be taken up.
    progress : callable, optional
        Gets one line for every band.
    """
    facts = (problem, start, constraint, bands, times, reach, iterations, scaled_duration)
    pieces = Pieces.at(folder, "search", *facts)
    history: list[Step] = []
    if times and "time" in problem.unknowns:
        first = problem.filtered(bands[0]) if bands else problem
        start = best_start(first, start, constraint, times, reach)

    def stage(number: int, band: Filter | None, begin: Sources) -> Search:
        within = problem if band is None else problem.filtered(band)
        found = kept.search(
            pieces, f"band-{number}", within, constraint,
            lambda: minimise(problem, begin, constraint, iterations, band, scaled_duration),
        )  # fmt: skip
        history.extend(found.history)
        if progress:
            progress(_line(found, band))
        return found

    for number, band in enumerate(bands, 1):
        start = stage(number, band, start).state.sources
    found = stage(len(bands) + 1, None, start)
    return Search(found.state, tuple(history), found.converged)


def best_time(problem: Problem, start: Sources, constraint: str, shifts: Sequence[float]) -> Sources:
    """The start at that of some shifts of its time (s) that fits best; the kernels are computed once."""
    system, target = problem.at(start), problem.target
    low, high = problem.bounds["time"]
    ends = []
    for shift in shifts:
        moved = start.with_values(("time",), np.clip(start.time + shift, low, high))
        green = system.green(moved)
        fitted = system.fit(moved, constraint, green)
        left = target - np.einsum("mke,ke->m", green, fitted.tensor)
        ends.append((float(left @ left), fitted))
    return min(ends, key=lambda end: end[0])[1]


def best_start(
    problem: Problem, start: Sources, constraint: str, shifts: Sequence[float], reach: float
) -> Sources:
    """`best_time` at the start or, if `reach` is positive, at the best of nine places and three depths; what
    is held stays where it is.
    """
    tried = [start]
    if reach > 0:
        free = set(problem.unknowns)
        deep, across, along = start.depth[:1], np.zeros(1), np.zeros(1)
        if "depth" in free:
            deep = np.clip(start.depth[0] * np.array([0.5, 1.0, 1.7]), *problem.bounds["depth"])
        if "east" in free:
            across = reach * np.array([-1.0, 0.0, 1.0])
        if "north" in free:
            along = reach * np.array([-1.0, 0.0, 1.0])
        tried = [
            start.with_values(
                ("east", "north", "depth"), np.array([start.east[0] + x, start.north[0] + y, z] * len(start))
            )
            for x in across
            for y in along
            for z in deep
        ]
    ends = [best_time(problem, one, constraint, shifts) for one in tried]
    return min(ends, key=lambda one: evaluate(problem, one, constraint, refit=False).objective)


class Scan(NamedTuple):
    """Misfit on a grid of places and times.

    Attributes
    ----------
    east, north, depth, time : (a,), (b,), (c,), (d,) axes in km and s.
    misfit : (a, b, c, d) ``|d - s|² / |d|²`` with the best tensor at each point.
    tensor : (a, b, c, d, 6) that tensor.
    """

    east: Array
    north: Array
    depth: Array
    time: Array
    misfit: Array
    tensor: Array

    def best(self, duration: float = 0.0) -> Sources:
        """The source at the grid's best point."""
        i, j, k, m = np.unravel_index(int(np.argmin(self.misfit)), self.misfit.shape)
        source = Sources.at(self.east[i], self.north[j], self.depth[k], self.time[m], duration)
        return source.with_tensor(self.tensor[i, j, k, m][None])


@gates.gate(
    problem=gates.instance(Problem),
    east=gates.real(),
    north=gates.real(),
    depth=gates.real(above=0),
    time=gates.real(),
    duration=gates.number(least=0),
    constraint=_CONSTRAINT,
    progress=gates.optional(gates.function()),
)
def scan(
    problem: Problem,
    east: Sequence[float] | Array,
    north: Sequence[float] | Array,
    depth: Sequence[float] | Array,
    time: Sequence[float] | Array,
    *,
    duration: float = 0.0,
    constraint: str = "deviatoric",
    progress: Progress | None = None,
) -> Scan:
    """Misfit on a grid of centroids, every tensor solved for; all depths of a place in one sweep of the
    kernels.

    Parameters
    ----------
    problem : Problem
    east, north, depth, time : sequences of float
        Axes of the grid in km from the hypocentre and s after the reference.
    duration : float
        Half-duration in s.
    constraint : {"full", "deviatoric", "double_couple"}
    progress : callable, optional
        Gets a line for every place.
    """
    _check(constraint)
    axes = [np.atleast_1d(np.asarray(axis, float)) for axis in (east, north, depth, time)]
    shape = tuple(len(axis) for axis in axes)
    misfit, tensor = np.empty(shape), np.empty((*shape, 6))
    for i, x in enumerate(axes[0]):
        for j, y in enumerate(axes[1]):
            column = Sources.at(x, y, axes[2], 0.0, duration)
            system = problem.at(column)
            for m, t in enumerate(axes[3]):
                timed = Sources.at(x, y, axes[2], t, duration)
                green = system.green(timed)
                for k in range(shape[2]):
                    tensor[i, j, k, m], misfit[i, j, k, m] = _fit_one(problem, green[:, k], constraint)
            if progress:
                progress(f"east {x:g} km, north {y:g} km: misfit {misfit[i, j].min():.3f}")
    x_axis, y_axis, z_axis, t_axis = axes
    return Scan(x_axis, y_axis, z_axis, t_axis, misfit, tensor)


def with_scaled_duration(sources: Sources) -> Sources:
    """The sources with the half-durations that their moments suggest."""
    return sources.with_values(("duration",), MOMENT_DURATION * tensors.size(sources.tensor) ** (1 / 3))


def _fit_one(problem: Problem, green: Array, constraint: str) -> tuple[Array, float]:
    tensor = tensors.best(green[:, None], problem.target, constraint, None, problem.moment_prior)
    residual = problem.target - green @ tensor[0]
    return tensor[0], float(residual @ residual / (problem.target @ problem.target))


def _damped_step(
    state: State, constraint: str, damping: float, low: Array, high: Array
) -> tuple[Array, float]:
    """Step in the unknowns, inside bounds and limits, and the fall of the objective that the model expects
    of it.
    """
    matrix, residual, split = jacobian(state, constraint)
    problem = state.system.problem
    # What the tensors can take up of each column and of the residual is theirs: variable projection.
    basis, _ = np.linalg.qr(matrix[:, :split] / tensors.column_lengths(matrix[:, :split]))
    reduced = matrix[:, split:] - basis @ (basis.T @ matrix[:, split:])
    left = residual - basis @ (basis.T @ residual)
    place = state.sources.values(problem.unknowns)
    step = tensors.damped(reduced, left, damping)
    step = _shortened(step, np.tile([STEP[name] for name in problem.unknowns], len(state.sources)))
    step = np.clip(place + step, low, high) - place
    after = left - reduced @ step
    return step, float(left @ left - after @ after)


def _shortened(step: Array, longest: Array) -> Array:
    """A step scaled down until no unknown moves further than its limit."""
    return np.asarray(step / max(1.0, float((np.abs(step) / longest).max())))


def _is_small(step: Array, problem: Problem) -> bool:
    limits = np.array([SMALL[name] for name in problem.unknowns])
    return bool((np.abs(step.reshape(-1, len(limits))) < limits).all())


def _step(state: State, damping: float, band: Filter | None) -> Step:
    return Step(state.sources, state.misfit, state.objective, damping, band)


def _line(found: Search, band: Filter | None) -> str:
    s = found.state.sources
    where = f"{s.east[0]:.1f} km east, {s.north[0]:.1f} km north, {s.depth[0]:.1f} km deep, {s.time[0]:.1f} s"
    name = "data's band" if band is None else f"up to {band.corner:.3g} Hz"
    return f"{name}: misfit {found.state.misfit:.4f} after {len(found.history) - 1} iterations at {where}"


def _check(constraint: str) -> None:
    if constraint not in tensors.CONSTRAINTS:
        raise ValueError(f"unknown constraint {constraint!r}; choose from {', '.join(tensors.CONSTRAINTS)}")
