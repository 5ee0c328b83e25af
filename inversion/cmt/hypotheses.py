"""More than one hypothesis: subevents, lines, crustal models, misfit along depth and over the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dislok import gate as gates
from dislok.propagator import LayeredModel
from dislok.store import Pieces, Place

from . import kept
from .filters import Array
from .problem import Problem, evaluate
from .solve import Progress, Scan, Search, minimise, scan
from .source import Sources


@gates.gate(
    problem=gates.instance(Problem),
    first=gates.instance(Search),
    count=gates.count(1),
    reach=gates.number(above=0),
    grid=gates.count(1),
    times=gates.real(None),
    iterations=gates.count(1),
    progress=gates.optional(gates.function()),
)
def subevents(
    problem: Problem,
    first: Search,
    count: int,
    *,
    reach: float = 30.0,
    grid: int = 5,
    times: Sequence[float] = (-12.0, -6.0, 0.0, 6.0, 12.0),
    iterations: int = 40,
    folder: Place | Pieces | None = None,
    progress: Progress | None = None,
) -> tuple[Search, ...]:
    """Add point sources one by one, and move all of them together.

    Each is added where it explains most of what is left.

    Parameters
    ----------
    problem : Problem
    first : Search
        The solution with one source.
    count : int
        Number of sources at last.
    reach : float
        Half-width (km) of the square around the first source in which a new one is begun.
    grid : int
        Points of that square on a side.
    times : sequence of float
        Delays (s) from the first source at which a new one is begun.
    iterations : int
        Trial steps at most for every number of sources.
    folder : path, optional
        Keeps the search with every number of sources, so that an interrupted run can be taken up.
    progress : callable, optional
        Gets a line for every number of sources.

    Returns
    -------
    tuple of Search
        For 1, 2, ..., `count` sources.
    """
    facts = (problem, first.state.sources, count, reach, grid, times, iterations)
    pieces, found = Pieces.at(folder, "subevents", *facts), [first]
    offsets = np.linspace(-reach, reach, grid)

    def one_more() -> Search:
        start = _newcomer(problem, found[-1], offsets, np.asarray(times, float))
        return minimise(problem, found[-1].state.sources.joined(start), iterations)

    while len(found) < count:
        found.append(kept.search(pieces, f"sources-{len(found) + 1}", problem, one_more))
        if progress:
            progress(f"{len(found)} sources: misfit {found[-1].state.misfit:.4f}")
    return tuple(found)


def _newcomer(problem: Problem, found: Search, offsets: Array, times: Array) -> Sources:
    """The best single source for what the present ones leave."""
    main = found.state.sources.take(0)
    depth = main.depth
    if "depth" in problem.unknowns:
        depth = np.unique(np.clip(main.depth[0] * np.array([0.6, 1.0, 1.4]), *problem.bounds["depth"]))
    rest = problem.with_target(found.state.residual)
    table = scan(
        rest, main.east[0] + offsets, main.north[0] + offsets, depth, main.time[0] + times,
        duration=float(main.duration[0]),
    )  # fmt: skip
    return table.best(float(main.duration[0]))


class Comparison(NamedTuple):
    """Solutions for several crustal models.

    Attributes
    ----------
    names : names of the models.
    searches : the solutions.
    weight : (n,) probability of each model, all being equally likely before: exp(-Δχ²/2) with the errors
    scaled to
        the best one's misfit.
    """

    names: tuple[str, ...]
    searches: tuple[Search, ...]
    weight: Array


@gates.gate(
    problem=gates.instance(Problem),
    start=gates.instance(Sources),
    models=gates.mapping(gates.instance(LayeredModel)),
    progress=gates.optional(gates.function()),
)
def compare_models(
    problem: Problem,
    models: Mapping[str, LayeredModel],
    start: Sources,
    *,
    folder: Place | Pieces | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Invert with several crustal models.

    Parameters
    ----------
    problem : Problem
        Its own model counts only if it is among `models`.
    models : mapping of str to LayeredModel
    start : Sources
        Where every search begins.
    folder : path, optional
        Keeps the search with every model, so that an interrupted run can be taken up.
    progress : callable, optional
        Gets a line for every model.
    """
    if not models:
        raise ValueError("models: no crustal model to compare")
    pieces = Pieces.at(folder, "crusts", problem, models, start)
    searches = []
    for i, (name, model) in enumerate(models.items(), 1):
        changed = problem.with_model(model)
        searches.append(
            kept.search(
                pieces, f"crust-{i}", changed,
                lambda changed=changed: minimise(changed, start, tolerance=10.0),  # type: ignore[misc]
            )
        )  # fmt: skip
        if progress:
            progress(f"crust {name}: misfit {searches[-1].state.misfit:.4f}")
    objective = np.array([s.state.objective for s in searches])
    per_row = objective.min() / max(len(problem.target) - 10, 1)
    fall = (objective - objective.min()) / (per_row if problem.weighted_alike else max(per_row, 1.0))
    weight = np.exp(-0.5 * fall)
    return Comparison(tuple(models), tuple(searches), weight / weight.sum())


class Profile(NamedTuple):
    """Misfit along depth, everything else solved anew at each.

    Attributes
    ----------
    depth : (n,) km.
    misfit : (n,) ``|d - s|² / |d|²``.
    sources : the solution at each depth.
    """

    depth: Array
    misfit: Array
    sources: tuple[Sources, ...]


@gates.gate(
    problem=gates.instance(Problem),
    solution=gates.instance(Sources),
    depth=gates.real(None, above=0),
    iterations=gates.count(1),
)
def depth_profile(
    problem: Problem, solution: Sources, depth: Sequence[float] | Array, iterations: int = 8
) -> Profile:
    """Best misfit at fixed depths of the first source, begun at a solution."""
    unknowns = tuple(name for name in problem.unknowns if name != "depth")
    held = problem.with_unknowns(unknowns)
    values, found = np.asarray(depth, float), []
    for z in values:
        moved = np.concatenate([[z], solution.depth[1:]])
        found.append(minimise(held, solution.with_values(("depth",), moved), iterations).state)
    return Profile(values, np.array([s.misfit for s in found]), tuple(s.sources for s in found))


@gates.gate(
    problem=gates.instance(Problem),
    solution=gates.instance(Sources),
    reach=gates.number(above=0),
    grid=gates.count(1),
)
def position_map(problem: Problem, solution: Sources, reach: float = 20.0, grid: int = 11) -> Scan:
    """Misfit over the horizontal position of a single source, at its depth and time."""
    if len(solution) != 1:
        raise ValueError(f"a map of the misfit is of one source, not of {len(solution)}")
    offsets = np.linspace(-reach, reach, grid)
    return scan(
        problem, solution.east[0] + offsets, solution.north[0] + offsets, solution.depth, solution.time,
        duration=float(solution.duration[0]),
    )  # fmt: skip


@gates.gate(
    problem=gates.instance(Problem),
    solution=gates.instance(Search),
    azimuth=gates.number(),
    length=gates.number(above=0),
    count=gates.count(1),
    speed=gates.number(),
)
def line_source(
    problem: Problem,
    solution: Search,
    azimuth: float,
    length: float,
    count: int,
    speed: float,
) -> Search:
    """Replace a point by points on a horizontal line that break one after the other.

    Parameters
    ----------
    problem : Problem
    solution : Search
        With one source.
    azimuth : float
        Direction of the rupture in degrees clockwise from north.
    length : float
        km.
    count : int
        Number of points.
    speed : float
        Rupture velocity in km/s; its sign chooses the end that breaks first.

    Returns
    -------
    Search
        Each point with a tensor of its own, places and times held.
    """
    one = solution.state.sources
    along = length * (np.arange(count) + 0.5) / count - length / 2
    angle = np.deg2rad(azimuth)
    line = Sources.at(
        one.east[0] + along * np.sin(angle),
        one.north[0] + along * np.cos(angle),
        one.depth[0],
        one.time[0] + along / speed,
        max(one.duration[0] / count, problem.bounds["duration"][0]) if one.duration[0] else 0.0,
    )
    state = evaluate(problem.with_unknowns(()), line, refit=True)
    return Search(state, solution.history, True)
