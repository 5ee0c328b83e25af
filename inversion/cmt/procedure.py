"""The whole way from records to a result, the same for the command line and for `invert`.

Traces that are bad to look at are left out; every place within reach is tried, all traces on one level;
stations that contradict the solution are left out; errors are taken from what is left; the solution is
looked at in other crusts. What is done is said, and can be kept and taken up again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates
from dislok.arrays import Record
from dislok.propagator import LayeredModel
from dislok.store import Place

from . import crusts, guesses, hypotheses, kept, quality
from .data import Dataset
from .filters import Array, CosineLowpass, Filter
from .kept import Stages
from .posterior import FEWEST
from .problem import Problem, State, evaluate
from .result import Result, conclude
from .solve import (
    COARSE,
    REACH,
    Progress,
    Search,
    joined_history,
    minimise,
    ranked,
    scan,
    search,
    usual_start,
)
from .source import Sources

BANDS = (CosineLowpass(0.02, 0.06),)
"""What waveforms go through first."""

ROUNDS = 3
"""How many times at most bad traces are left out and the search goes on."""

FOLLOWED = 3
"""Rivals at most that are followed to the end."""


@dataclass(frozen=True)
class Options:
    """How an inversion is done; see `invert`."""

    bands: Sequence[Filter] = BANDS
    iterations: int = 40
    scaled_duration: bool = False
    reach: float = REACH
    quality: bool = True
    errors: str = "residuals"
    crusts: Mapping[str, LayeredModel] | None = None
    subevents: int = 1
    grid: Mapping[str, Sequence[float]] | None = None

    @property
    def facts(self) -> tuple[object, ...]:
        """All that a run depends on, for `dislok.store.fingerprint`."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


class Found(NamedTuple):
    """A solution and its like in other crusts.

    Attributes
    ----------
    search : Search
        The solution, with its rivals.
    crusts : Comparison or None
        Solutions in the other crusts that were given.
    changes : (k, m) or None
        How the residuals change in crusts as wrong as crusts are, where none were given.
    """

    search: Search
    crusts: hypotheses.Comparison | None
    changes: Array | None


@gates.gate(
    problem=gates.instance(Problem),
    start=gates.optional(gates.instance(Sources)),
    event=gates.text(),
    reach=gates.number(least=0),
    iterations=gates.count(1),
    scaled_duration=gates.flag(),
    quality=gates.flag(),
    errors=gates.choice("residuals", "given"),
    subevents=gates.count(1),
    progress=gates.optional(gates.function()),
)
def invert(
    problem: Problem,
    start: Sources | None = None,
    *,
    event: str = "earthquake",
    bands: Sequence[Filter] = BANDS,
    reach: float = REACH,
    iterations: int = 40,
    scaled_duration: bool = False,
    quality: bool = True,
    errors: str = "residuals",
    crusts: Mapping[str, LayeredModel] | None = None,
    subevents: int = 1,
    folder: Place | None = None,
    progress: Progress | None = None,
) -> Result:
    """The centroid moment tensor of a problem with its uncertainty: what ``dislok cmt`` does, in one call.

    Parameters
    ----------
    problem : Problem
    start : Sources, optional
        Where to look first; by default at the origin, 15 km deep.
    event : str
        What to call it.
    bands, reach, iterations, scaled_duration
        As of `dislok.inversion.cmt.search`.
    quality : bool
        Whether bad traces are left out, before and after the search.
    errors : {"residuals", "given"}
        Whether a last search weighs the waveforms by what is left of them.
    crusts : mapping of str to LayeredModel, optional
        Other crusts whose solutions go into the uncertainty; by default twenty as wrong as crusts are
        (velocities off by 6 %, thicknesses by 15 %; `dislok.inversion.cmt.disturbed`), none for an empty
        mapping.
    subevents : int
        Number of sources.
    folder : path, optional
        Keeps every finished stage, so that an interrupted run can be taken up.
    progress : callable, optional
        Gets lines of text.

    Returns
    -------
    Result
        Its uncertainty is the larger of what the data's errors and the stations' disagreement say, with what
        other crusts and other minima would move.

    Raises
    ------
    ValueError
        If displacement cannot be in metres, or nothing is left to fit.
    """
    options = Options(tuple(bands), iterations, scaled_duration, reach, quality, errors, crusts, subevents)
    found = find(
        problem, start, options, Stages(None if folder is None else Path(folder)), progress or _silent
    )
    return concluded(found, options, event)


def concluded(found: Found, options: Options, event: str) -> Result:
    """The result of what was found."""
    others = () if found.crusts is None else tuple(one.state.sources for one in found.crusts.searches)
    return conclude(found.search, event, crusts=others, changes=found.changes)


def _silent(line: str) -> None:
    """Say nothing."""


def find(
    problem: Problem, start: Sources | None, options: Options, stages: Stages, say: Callable[[str], None]
) -> Found:
    """Search, again without traces that turn out to be bad, again with errors as the residuals show them.

    Then in other crusts.
    """
    start = usual_start(problem) if start is None else start
    weight = [part.weight for part in problem.data]
    if options.quality:
        problem = quality.screened(problem)
    for part in problem.data:
        for line in part.dropped:
            say(f"left out: {line}")
    robust = options.errors == "residuals"
    found = _first(quality.balanced(problem) if robust else problem, start, options, stages, say)
    if options.quality:
        found = _cleaned(found, start, options, stages, say)
    if robust:
        # Equal weights first, but for stations that stand out by their relative misfit: near ones, which a
        # point fits worst in metres, are not given up, and a drifting one does not speak for all.
        factors = _huber(_moderated(found, options, stages, 0))
        alike = found.state.system.problem
        parts = [_eased(part, own, factors) for part, own in zip(alike.data, weight, strict=True)]
        found = _continued("equal-weights", alike.with_data(parts), found, options, stages)
        found = _continued("with-weights", quality.weighed(found.state, weight), found, options, stages)
        say(f"errors as the residuals show them: {_where(found.state.sources)}")
    if options.subevents > 1:
        problem = found.state.system.problem
        facts = (problem, found.state.sources, options.iterations, options.subevents)
        found = hypotheses.subevents(
            problem, found._replace(others=()), options.subevents,
            iterations=options.iterations, folder=stages.pieces("subevents", *facts), progress=say,
        )[-1]  # fmt: skip
    return Found(
        found, _in_given_crusts(found, options, stages, say), _in_wrong_crusts(found, options, stages)
    )


def _cleaned(
    found: Search, start: Sources, options: Options, stages: Stages, say: Callable[[str], None]
) -> Search:
    """The solution without the stations and traces that contradict it."""
    for i in range(ROUNDS):
        rejected = _contradicting(_moderated(found, options, stages, i + 1), stages, i + 1)
        if not any(rejected):
            break
        for bad in rejected:
            for station, component, reason in bad:
                say(f"left out: {station} {component}: {reason}")
        less = quality.rejecting(found.state.system.problem, rejected)
        if i == 0 and _stations_lost(found.state.system.problem, less):
            # What contradicts the solution may have led to it.
            again = _first(less, start, options, stages, say, "search-again")
            found = ranked([again, *again.others])
        else:
            found = _continued(f"without-bad-traces-{i + 1}", less, found, options, stages)
    return found


def _contradicting(state: State, stages: Stages, number: int) -> list[quality.Rejected]:
    """What is to be left out: one station if one fault explains much, else all that is contradicted."""
    problem, rejected = state.system.problem, quality.outliers(state)
    guess = guesses.wrong(state)
    if guess is None:
        pieces = stages.pieces(f"reversed-{number}", problem, state.sources)
        tried = count(1)

        def search_turned(turned: Problem) -> State:
            run = partial(minimise, turned, state.sources, 15, tolerance=COARSE)
            return kept.search(pieces, f"trial-{next(tried)}", turned, run).state

        guess = guesses.reversed_station(state, search_turned)
    if guess is None:
        return rejected
    return [guess.rejected if guess.station in part.station else () for part in problem.data]


def _stations_lost(before: Problem, after: Problem) -> bool:
    return len(after.stations) < len(before.stations)


def _moderated(found: Search, options: Options, stages: Stages, number: int) -> State:
    """The solution with less say for stations that it fits badly (Huber's weights), to judge all by."""
    problem, state = found.state.system.problem, found.state
    pieces = stages.pieces(f"judged-{number}", problem, state.sources)
    for i in (1, 2):
        eased = problem.reweighted(_huber(state))
        moved = kept.search(
            pieces, f"round-{i}", eased,
            lambda eased=eased, state=state: minimise(  # type: ignore[misc]
                eased, state.sources, 8, tolerance=COARSE
            ),
        )  # fmt: skip
        state = evaluate(problem, moved.state.sources, refit=False)
    return state


def _huber(state: State) -> dict[str, float]:
    """Factors on the residuals of stations: one up to 1.5 times the median misfit, then falling."""
    problem, left = state.system.problem, state.residual
    rows = {name: problem.row_station == name for name in problem.stations.tolist()}
    size = {
        name: float(np.sqrt((left[own] ** 2).sum() / _power(problem, name))) for name, own in rows.items()
    }
    limit = 1.5 * float(np.median(list(size.values())))
    return {name: float(np.sqrt(min(1.0, limit / max(one, 1e-12)))) for name, one in size.items()}


def _eased(part: Dataset, weight: ArrayLike, factors: Mapping[str, float]) -> Dataset:
    """A data set with its own weights and a factor for every station."""
    factor = np.array([[factors.get(str(name), 1.0)] for name in part.station])
    return replace(part, weight=np.broadcast_to(np.asarray(weight, float), (len(factor), 3)) * factor)


def _power(problem: Problem, name: str) -> float:
    rows = problem.target[problem.row_station == name]
    return max(float(rows @ rows), np.finfo(float).tiny)


def _continued(name: str, problem: Problem, found: Search, options: Options, stages: Stages) -> Search:
    """The search, and its rivals, from where they ended in a changed problem."""
    ends = [found, *found.others[:FOLLOWED]]
    facts = (options.iterations, options.scaled_duration, [end.state.sources for end in ends])
    pieces = stages.pieces(name, problem, *facts)
    more = [
        kept.search(
            pieces, f"minimum-{i}", problem,
            lambda end=end: minimise(  # type: ignore[misc]
                problem, end.state.sources, options.iterations,
                scaled_duration=options.scaled_duration, tolerance=1.0 if end is found else COARSE,
            ),
        )
        for i, end in enumerate(ends, 1)
    ]  # fmt: skip
    return ranked([joined_history(one, two) for one, two in zip(ends, more, strict=True)])


def _first(
    problem: Problem,
    start: Sources,
    options: Options,
    stages: Stages,
    say: Callable[[str], None],
    name: str = "search",
) -> Search:
    facts = (options.bands, options.reach, options.iterations, options.scaled_duration)
    pieces = stages.pieces(name, problem, start, *facts, options.grid)
    if pieces.finished:
        say(f"going on where an earlier run was stopped, from {pieces.folder}")
    if options.grid:
        start = _on_grid(problem, start, options, say)
    reach = 0.0 if options.grid else options.reach
    return search(
        problem, start, options.bands, reach=reach, iterations=options.iterations,
        scaled_duration=options.scaled_duration, folder=pieces, progress=say,
    )  # fmt: skip


def _on_grid(problem: Problem, start: Sources, options: Options, say: Callable[[str], None]) -> Sources:
    """The best point of the grid that was asked for."""
    say("grid of starting points:")
    axes: Record = {
        "east": [0.0],
        "north": [0.0],
        "depth": start.depth,
        "time": [0.0],
        **(options.grid or {}),
    }
    coarse = problem.filtered(options.bands[0]) if options.bands else problem
    half = float(start.duration[0])
    table = scan(
        coarse, axes["east"], axes["north"], axes["depth"], axes["time"], duration=half,
        progress=say,
    )  # fmt: skip
    return table.best(half)


def _in_given_crusts(
    found: Search, options: Options, stages: Stages, say: Callable[[str], None]
) -> hypotheses.Comparison | None:
    problem = found.state.system.problem
    if not options.crusts:
        return None
    models = dict(options.crusts)
    pieces = stages.pieces("crusts", problem, models, found.state.sources)
    return hypotheses.compare_models(problem, models, found.state.sources, folder=pieces, progress=say)


def _in_wrong_crusts(found: Search, options: Options, stages: Stages) -> Array | None:
    """What crusts as wrong as crusts are change, where no others were given."""
    if options.crusts is not None or len(found.state.system.problem.stations) < FEWEST:
        return None
    pieces = stages.pieces("wrong-crusts", found.state.system.problem, found.state.sources)
    rng = np.random.default_rng(0)
    return pieces.keep("changes", lambda: {"changes": crusts.in_other_crusts(found.state, rng)})["changes"]


def _where(sources: Sources) -> str:
    s = sources
    return f"{s.east[0]:.1f} km east, {s.north[0]:.1f} km north, {s.depth[0]:.1f} km deep, {s.time[0]:.1f} s"
