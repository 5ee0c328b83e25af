"""The weight of single stations in a result: bootstrap, jackknife and leave-one-out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dislok import convert
from dislok import gate as gates
from dislok.store import Arrays, Pieces, Place

from . import tensor as tensors
from .filters import Array
from .problem import Problem, State, evaluate, jacobian
from .result import Centroid, centroids
from .solve import Progress, minimise
from .source import Sources

Solution: TypeAlias = tuple[tuple[Centroid, ...], float]
"""Centroids, and the misfit to the data they were fitted to."""

_PLACE = ("latitude", "longitude", "depth", "time", "half_duration")


class Ensemble(NamedTuple):
    """Solutions for other choices of stations.

    Attributes
    ----------
    labels : (n,) what each one is: "draw 1", or the station that was left out.
    solutions : (n,) tuples of centroids.
    misfit : (n,) ``|d - s|² / |d|²`` of the data each was fitted to.
    """

    labels: NDArray[np.str_]
    solutions: tuple[tuple[Centroid, ...], ...]
    misfit: Array

    def table(self, source: int = 0) -> dict[str, Array]:
        """Numbers of one source in all solutions.

        Latitude, longitude, depth, time, half-duration, Mw, CLVD and tensor (n, 6).
        """
        chosen = [solution[source] for solution in self.solutions]
        tensor = np.stack([c.tensor for c in chosen])
        columns = {
            name: np.array([getattr(c, name) for c in chosen])
            for name in ("latitude", "longitude", "depth", "time", "half_duration", "magnitude")
        }
        return {**columns, "clvd": convert.double_couple(tensors.matrix(tensor)).clvd, "tensor": tensor}

    def spread(self, source: int = 0, *, jackknife: bool = False) -> dict[str, float]:
        """Standard deviation of every column of `table` but the tensor; horizontal ones in km.

        Leaving one of n stations out moves the solution too little: with `jackknife` the sum of squares
        counts (n - 1) / n instead of 1 / (n - 1).
        """
        table = self.table(source)
        n = len(self.labels)
        factor = (n - 1) / np.sqrt(n) if jackknife else 1.0
        to_km = {
            "latitude": 111.19,
            "longitude": 111.19 * float(np.cos(np.deg2rad(table["latitude"].mean()))),
        }
        columns = {name: values for name, values in table.items() if name != "tensor"}
        columns["longitude"] = np.unwrap(columns["longitude"], period=360)
        return {k: float(factor * to_km.get(k, 1.0) * v.std(ddof=1)) for k, v in columns.items()}


@gates.gate(
    state=gates.instance(State),
    draws=gates.count(2),
    seed=gates.count(),
    exact=gates.flag(),
    progress=gates.optional(gates.function()),
)
def bootstrap(
    state: State,
    draws: int = 200,
    seed: int = 0,
    *,
    exact: bool = False,
    folder: Place | Pieces | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Solutions for stations drawn with replacement.

    Parameters
    ----------
    state : State
        The solution for all stations.
    draws : int
        How many.
    seed : int
        Of the generator.
    exact : bool
        Whether every draw is searched for with new kernels, instead of one Gauss-Newton step with those of
        the solution.
    folder : path, optional
        Keeps every finished draw (a tenth of them together unless `exact`), so that an interrupted run can be
        taken up.
    progress : callable, optional
        Gets a line for every tenth of the draws.
    """
    problem = state.system.problem
    stations = problem.stations.tolist()
    counts = np.random.default_rng(seed).multinomial(
        len(stations), np.full(len(stations), 1 / len(stations)), size=draws
    )
    facts = ("bootstrap", problem, state.sources, draws, seed, exact)
    again = _Again(state, exact)
    found: list[Solution] = []
    pieces, tenth = Pieces.at(folder, *facts), max(draws // 10, 1)
    for first in range(0, draws, 1 if exact else tenth):
        part = counts[first : first + (1 if exact else tenth)]
        found += _kept(
            pieces,
            f"draw-{first + 1}",
            lambda part=part: [again(dict(zip(stations, np.sqrt(c), strict=True))) for c in part],  # type: ignore[misc]
        )
        if progress and (len(found) % tenth == 0 or len(found) == draws):
            progress(f"bootstrap {len(found)}/{draws}")
    return _ensemble([f"draw {i + 1}" for i in range(draws)], found)


@gates.gate(
    state=gates.instance(State),
    exact=gates.flag(),
    progress=gates.optional(gates.function()),
)
def leave_one_out(
    state: State,
    *,
    exact: bool = True,
    folder: Place | Pieces | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Solutions that lack one station each; the basis of the jackknife.

    Parameters
    ----------
    state : State
        The solution for all stations.
    exact, folder
        As of `bootstrap`; the solution without each station is kept.
    progress : callable, optional
        Gets a line for every station.
    """
    problem = state.system.problem
    pieces = Pieces.at(folder, "leave one out", problem, state.sources, exact)
    again = _Again(state, exact)
    found: list[Solution] = []
    stations = problem.stations.tolist()
    for i, name in enumerate(stations):
        weights = {other: float(other != name) for other in stations}
        found += _kept(pieces, f"without-{i + 1}", lambda weights=weights: [again(weights)])  # type: ignore[misc]
        if progress:
            progress(f"without {name}: misfit {found[-1][1]:.4f}")
    return _ensemble(stations, found)


class _Again:
    """The solution with other weights of the stations: centroids and misfit."""

    def __init__(self, state: State, exact: bool) -> None:
        self.state, self.exact = state, exact

    @cached_property
    def step(self) -> _Linear:
        return _Linear(self.state)

    def __call__(self, weights: dict[str, float]) -> Solution:
        problem = self.state.system.problem
        if self.exact:
            sources, misfit = _again(problem, self.state, weights)
        else:
            sources, misfit = self.step(weights)
        return centroids(problem, sources), misfit


def _ensemble(labels: list[str], found: list[Solution]) -> Ensemble:
    solutions, misfit = zip(*found, strict=True)
    return Ensemble(np.array(labels), tuple(solutions), np.array(misfit))


def _kept(pieces: Pieces, name: str, compute: Callable[[], list[Solution]]) -> list[Solution]:
    """Centroids and misfit of several solutions, from their piece or computed."""

    def make() -> Arrays:
        made = compute()
        place = [[[getattr(c, field) for field in _PLACE] for c in one] for one, _ in made]
        tensor = [[c.tensor for c in one] for one, _ in made]
        return {
            "place": np.array(place),
            "tensor": np.array(tensor),
            "misfit": np.array([m for _, m in made]),
        }

    kept = pieces.keep(name, make)
    found = []
    for places, tensors_of_one, misfit in zip(kept["place"], kept["tensor"], kept["misfit"], strict=True):
        pairs = zip(places.tolist(), tensors_of_one, strict=True)
        one = tuple(Centroid(**dict(zip(_PLACE, place, strict=True)), tensor=t) for place, t in pairs)
        found.append((one, float(misfit)))
    return found


@gates.gate(state=gates.instance(State))
def sensitivity(state: State) -> dict[str, Array]:
    """How much information on each unknown of the first source each station has.

    Returns
    -------
    dict of str to (n_stations,)
        For "tensor" and every unknown: the station's share of the squared column of the Jacobian, summing
        up to one, in the order of `Problem.stations`.
    """
    problem = state.system.problem
    matrix, _, split = jacobian(state)
    matrix = matrix[: len(state.residual)]
    matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=0), np.finfo(float).tiny)
    member = (problem.row_station == problem.stations[:, None]).astype(float)
    share = member @ matrix**2
    tangents = split // len(state.sources)
    columns = {name: share[:, split + i] for i, name in enumerate(problem.unknowns)}
    return {"tensor": share[:, :tangents].mean(axis=1), **columns}


def _again(problem: Problem, state: State, weights: dict[str, float]) -> tuple[Sources, float]:
    found = minimise(problem.reweighted(weights), state.sources, iterations=6).state
    return found.sources, found.misfit


class _Linear:
    """One Gauss-Newton step from a solution with other weights of the stations."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.matrix, self.residual, self.split = jacobian(state)

    def __call__(self, weights: dict[str, float]) -> tuple[Sources, float]:
        problem, sources = self.state.system.problem, self.state.sources
        rows = np.ones(len(self.residual))
        rows[: len(problem.row_station)] = [weights[name] for name in problem.row_station]
        matrix, residual = self.matrix * rows[:, None], self.residual * rows
        step = tensors.damped(matrix, residual, 0.0)
        low, high = problem.limits(len(sources))
        place = np.clip(sources.values(problem.unknowns) + step[self.split :], low, high)
        tensor = tensors.moved_all(sources.tensor, step[: self.split], problem.constraint)
        left = residual - matrix @ step
        target = problem.target * rows[: len(problem.target)]
        return sources.with_values(problem.unknowns, place).with_tensor(tensor), float(
            left @ left / (target @ target)
        )


@gates.gate(state=gates.instance(State), station=gates.text())
def predicted_without(state: State, station: str) -> tuple[Sources, float]:
    """The solution without a station, and the variance reduction at that station, which it has never seen."""
    problem = state.system.problem
    if station not in problem.stations:
        raise ValueError(f"no station {station!r} in this problem; there are {', '.join(problem.stations)}")
    weights = {other: float(other != station) for other in problem.stations.tolist()}
    sources, _ = _again(problem, state, weights)
    unseen = evaluate(problem, sources, refit=False)
    rows = problem.row_station == station
    left, target = unseen.residual[rows], problem.target[rows]
    return sources, float(1 - left @ left / (target @ target))
