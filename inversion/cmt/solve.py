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
from .source import PLACE, Sources
from .steps import Search, Step

STEP = {"east": 20.0, "north": 20.0, "depth": 8.0, "time": 5.0, "duration": 4.0}
"""Longest steps of one iteration of `minimise`: km and s."""

SMALL = {"east": 2e-3, "north": 2e-3, "depth": 2e-3, "time": 5e-4, "duration": 2e-3}
"""Steps at which a search has converged: km and s."""

REACH = 100.0
"""Radius (km) within which `search` looks everywhere by default."""

COARSE = 100.0
"""Tolerance of searches on the way, at low frequencies and in other weights or crusts: 0.2 km, 0.05 s."""

SAME, SAME_TIME = 5.0, 3.0
"""Ends of searches so near each other (km, s) are one minimum."""

HOPELESS = 0.15
"""Share of what the best end of a band explains that another may lack to be followed further."""

MOMENT_DURATION = 2.26e-6
"""Half-duration (s) of a scalar moment M₀ (N·m) is this times the cube root of M₀: the rule of the Global
CMT project, 1.05e-8 times that of the moment in dyn·cm (Ekström et al. 2012).
"""

Progress = Callable[[str], None]


@gates.gate(
    problem=gates.instance(Problem),
    start=gates.instance(Sources),
    iterations=gates.count(1),
)
def gauss_newton(problem: Problem, start: Sources, iterations: int = 10) -> Search:
    """The plain iteration of O'Toole et al. (2012), equation 7, from a linear solution at the start.

    Parameters
    ----------
    problem : Problem
    start : Sources
        Places, times and durations to begin at.
    iterations : int
        At most so many.
    """
    state = evaluate(problem, start, refit=True)
    history = [_step(state, 0.0, None)]
    low, high = problem.limits(len(start))
    for _ in range(iterations):
        matrix, residual, split = jacobian(state)
        step = tensors.damped(matrix, residual, 0.0)
        place = state.sources.values(problem.unknowns)
        sources = state.sources.with_values(problem.unknowns, np.clip(place + step[split:], low, high))
        sources = sources.with_tensor(tensors.moved_all(sources.tensor, step[:split], problem.constraint))
        state = evaluate(problem, sources, refit=False)
        history.append(_step(state, 0.0, None))
        if _is_small(step[split:], problem):
            return Search(state, tuple(history), True)
    return Search(state, tuple(history), False)


@gates.gate(
    problem=gates.instance(Problem),
    start=gates.instance(Sources),
    iterations=gates.count(1),
    scaled_duration=gates.flag(),
    tolerance=gates.number(above=0),
)
def minimise(
    problem: Problem,
    start: Sources,
    iterations: int = 40,
    band: Filter | None = None,
    scaled_duration: bool = False,
    tolerance: float = 1.0,
) -> Search:
    """Damped iteration with the tensors solved anew at every place.

    Parameters
    ----------
    problem : Problem
    start : Sources
    iterations : int
        Trial steps at most; each costs one computation of the kernels.
    band : Filter, optional
        Filter to use instead of the data's own.
    scaled_duration : bool
        Whether half-durations follow from the moment (`MOMENT_DURATION`) instead of being given or solved
        for.
    tolerance : float
        Steps at which it has converged, in those of `SMALL`.
    """
    problem = problem if band is None else problem.filtered(band)
    low, high = problem.limits(len(start))
    start = start.with_values(problem.unknowns, np.clip(start.values(problem.unknowns), low, high))
    state = evaluate(problem, start, refit=True)
    damping, growth = 1e-2, 2.0
    history = [_step(state, damping, band)]
    for _ in range(iterations):
        if not problem.unknowns:
            return Search(state, tuple(history), True)
        step, expected = _damped_step(state, damping, low, high)
        place = state.sources.values(problem.unknowns)
        sources = state.sources.with_values(problem.unknowns, np.clip(place + step, low, high))
        if scaled_duration:
            sources = with_scaled_duration(sources)
        trial = evaluate(problem, sources, refit=True)
        ratio = (state.objective - trial.objective) / max(expected, np.finfo(float).tiny)
        small = _is_small(step / tolerance, problem)
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
    start=gates.optional(gates.instance(Sources)),
    reach=gates.number(least=0),
    iterations=gates.count(1),
    scaled_duration=gates.flag(),
    progress=gates.optional(gates.function()),
)
def search(
    problem: Problem,
    start: Sources | None = None,
    bands: Sequence[Filter] = (CosineLowpass(0.02, 0.06),),
    times: Sequence[float] = tuple(range(-20, 21, 2)),
    reach: float = REACH,
    iterations: int = 40,
    scaled_duration: bool = False,
    folder: Place | Pieces | None = None,
    progress: Progress | None = None,
) -> Search:
    """The best source within reach.

    `minimise` from every valley of the misfit, through lower frequencies first, then through the data's own
    band.

    Parameters
    ----------
    problem : Problem
    start : Sources, optional
        Where to look first; by default at the origin, 15 km deep. Several sources are only moved in time
        before they are searched from.
    bands : sequence of Filter
        What the waveforms go through first, the lowest frequencies first; none for the data's own band only.
    times : sequence of float
        Shifts (s) of the start's time that are tried first; they cost next to nothing, and save a search from
        the neighbouring cycle.
    reach : float
        Radius (km) around the start within which all places, depths and times are tried at the lowest
        frequencies (see `dislok.inversion.cmt.explore`); 0 begins at the start alone. What is held stays.
    iterations : int
        Trial steps at most in every band.
    scaled_duration : bool
        As of `minimise`.
    folder : path, optional
        Keeps the search of every finished band, so that an interrupted run can be taken up.
    progress : callable, optional
        Gets one line for every band.

    Returns
    -------
    Search
        The best one; the other minima, with their misfit in the data's own band, are its `others`.
    """
    start = usual_start(problem) if start is None else start
    facts = (problem, start, bands, times, reach, iterations, scaled_duration)
    pieces = Pieces.at(folder, "search", *facts)

    def through(begin: Sources, number: int, band: Filter | None) -> Search:
        within = problem if band is None else problem.filtered(band)
        name = f"start-{number}-" + ("own-band" if band is None else f"{band.corner:.4g}-Hz")
        found = kept.search(
            pieces, name, within,
            lambda: minimise(
                problem, begin, iterations, band, scaled_duration,
                tolerance=COARSE if band is not None else 1.0,
            ),
        )  # fmt: skip
        if progress:
            progress(_line(found, band, number))
        return found

    first = bands[0] if bands else None
    begins = _begins(problem, start, times, reach, first)
    ends = [Search(evaluate(problem, one, refit=True), (), False) for one in begins]
    for stage, band in enumerate((*bands, None)):
        if stage:
            ends = _worth_following(ends)
        ends = [
            joined_history(one, through(one.state.sources, number, band))
            for number, one in enumerate(ends, 1)
        ]
    return ranked(ends)


def usual_start(problem: Problem) -> Sources:
    """At the origin, 15 km deep (or as deep as the bounds allow), with a half-duration of 5 s."""
    depth = float(np.clip(15.0, *problem.bounds["depth"]))
    return Sources.at(0.0, 0.0, depth, 0.0, 0.0 if problem.stf == "impulse" else 5.0)


def _begins(
    problem: Problem,
    start: Sources,
    times: Sequence[float],
    reach: float,
    band: Filter | None,
) -> list[Sources]:
    """Where searches begin: the start at its best time, and the valleys of the misfit."""
    from . import explore

    lowest = problem if band is None else problem.filtered(band)
    movable = len(times) > 0 and "time" in problem.unknowns
    begins = [best_time(lowest, start, times) if movable else start]
    if reach > 0 and len(start) == 1 and set(PLACE) & set(problem.unknowns):
        begins += [one.sources for one in explore.valleys(problem, start, reach, band)]
    return begins


def _worth_following(ends: list[Search]) -> list[Search]:
    """Ends of a band that are no repetition and not hopelessly worse than the best."""
    best = ranked(ends)
    limit = best.state.misfit + HOPELESS * (1 - best.state.misfit)
    return [best, *(one for one in best.others if one.state.misfit <= limit)]


def joined_history(before: Search, after: Search) -> Search:
    """The later search with the steps of both."""
    return after._replace(history=before.history + after.history)


def ranked(ends: Sequence[Search]) -> Search:
    """The best of several searches, with the others that ended elsewhere as its `others`."""
    kept: list[Search] = []
    for one in sorted(ends, key=lambda end: end.state.objective):
        if not any(_same(one.state.sources, other.state.sources) for other in kept):
            kept.append(one)
    return kept[0]._replace(others=tuple(kept[1:]))


def _same(one: Sources, other: Sources) -> bool:
    """Whether two ends are one minimum."""
    return (
        len(one) == len(other)
        and apart(one, other) < SAME
        and bool((np.abs(one.time - other.time) < SAME_TIME).all())
    )


def apart(one: Sources, other: Sources) -> float:
    """Greatest distance (km) between the sources of two solutions, depth included."""
    gap = [getattr(one, name) - getattr(other, name) for name in PLACE]
    return float(np.linalg.norm(gap, axis=0).max())


def best_time(problem: Problem, start: Sources, shifts: Sequence[float]) -> Sources:
    """The start at that of some shifts of its time (s) that fits best; the kernels are computed once."""
    system, target = problem.at(start), problem.target
    low, high = problem.bounds["time"]
    ends = []
    for shift in shifts:
        moved = start.with_values(("time",), np.clip(start.time + shift, low, high))
        green = system.green(moved)
        fitted = system.fit(moved, green)
        left = target - np.einsum("mke,ke->m", green, fitted.tensor)
        ends.append((float(left @ left), fitted))
    return min(ends, key=lambda end: end[0])[1]


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
    progress: Progress | None = None,
) -> Scan:
    """Misfit on a grid of centroids, every tensor solved for.

    All depths of a place in one sweep of the kernels.

    Parameters
    ----------
    problem : Problem
    east, north, depth, time : sequences of float
        Axes of the grid in km from the hypocentre and s after the reference.
    duration : float
        Half-duration in s.
    progress : callable, optional
        Gets a line for every place.
    """
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
                    tensor[i, j, k, m], misfit[i, j, k, m] = _fit_one(problem, green[:, k])
            if progress:
                progress(f"east {x:g} km, north {y:g} km: misfit {misfit[i, j].min():.3f}")
    x_axis, y_axis, z_axis, t_axis = axes
    return Scan(x_axis, y_axis, z_axis, t_axis, misfit, tensor)


def with_scaled_duration(sources: Sources) -> Sources:
    """The sources with the half-durations that their moments suggest."""
    return sources.with_values(("duration",), MOMENT_DURATION * tensors.size(sources.tensor) ** (1 / 3))


def _fit_one(problem: Problem, green: Array) -> tuple[Array, float]:
    tensor = tensors.best(green[:, None], problem.target, problem.constraint, None, problem.moment_prior)
    residual = problem.target - green @ tensor[0]
    return tensor[0], float(residual @ residual / (problem.target @ problem.target))


def _damped_step(state: State, damping: float, low: Array, high: Array) -> tuple[Array, float]:
    """Step in the unknowns, inside bounds and limits.

    The fall of the objective that the model expects of it comes second.
    """
    matrix, residual, split = jacobian(state)
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


def _line(found: Search, band: Filter | None, number: int) -> str:
    s = found.state.sources
    where = f"{s.east[0]:.1f} km east, {s.north[0]:.1f} km north, {s.depth[0]:.1f} km deep, {s.time[0]:.1f} s"
    name = "data's band" if band is None else f"up to {band.corner:.3g} Hz"
    steps = f"after {len(found.history) - 1} iterations"
    return f"start {number}, {name}: misfit {found.state.misfit:.4f} {steps} at {where}"
