"""Faults of one station that would explain what a solution leaves: axes that are reversed or swapped, a jump.

Each is tried in the linear problem around the solution, in which the sources take up what they can: so a
fault shows even where it has led the solution astray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import filters
from . import tensor as tensors
from .data import COMPONENTS, Waveforms
from .filters import Array
from .posterior import FEWEST
from .problem import Problem, State, jacobian
from .records import QUANTITIES

WORTH = 0.75
"""Share of the whole squared residual that a fault must leave at most to be believed."""

OWN = 0.3
"""Share of its squared record that the station or trace may then still leave."""

ALMOST = 0.6
"""The same of a station that is reversed in a search among few."""

SURE = 0.1
"""Share of the squared residual of a trace that a jump may leave."""

STRANGE, USUAL = 3.0, 1.5
"""Residual of a trace, in medians of its component, that asks for a jump, and that a jump must leave."""

AXES = (
    ("ENU", (0, 1, 2), (-1, -1, -1), "reversed"),
    ("EN", (0, 1, 2), (-1, -1, 1), "reversed"),
    ("E", (0, 1, 2), (-1, 1, 1), "reversed"),
    ("N", (0, 1, 2), (1, -1, 1), "reversed"),
    ("U", (0, 1, 2), (1, 1, -1), "reversed"),
    ("EN", (1, 0, 2), (1, 1, 1), "swapped"),
)
"""Components that may be wrong, where each record then belongs, its sign, and the word for it."""


SMALL = 12
"""Stations up to which a search with each of them reversed is made: one of few leads a solution astray."""


_AXIS = "an axis is not where it is said to be"


class Guess(NamedTuple):
    """A fault that explains much.

    Attributes
    ----------
    station, components : whose.
    reason : in words.
    left : share of the whole squared residual that is left if it is put right.
    """

    station: str
    components: str
    reason: str
    left: float

    @property
    def rejected(self) -> tuple[tuple[str, str, str], ...]:
        """The traces that are not to be fitted, with the reason."""
        return tuple((self.station, component, self.reason) for component in self.components)


class _Linear:
    """The linear problem around a solution."""

    def __init__(self, state: State) -> None:
        problem = state.system.problem
        matrix = jacobian(state.under("full"))[0][: len(problem.target)]
        self.basis = np.linalg.qr(matrix / tensors.column_lengths(matrix))[0]
        self.rest = state.residual - self.basis @ (self.basis.T @ state.residual)
        self.total = float(self.rest @ self.rest)

    def without(self, change: Array, rows: NDArray[np.intp]) -> tuple[float, Array]:
        """Whole squared residual, and residuals of some rows, if what the data have there changes."""
        taken = self.basis[rows].T @ change
        left = self.total + 2 * float(self.rest[rows] @ change) + float(change @ change - taken @ taken)
        return left, self.rest[rows] + change - self.basis[rows] @ taken


def wrong(state: State) -> Guess | None:
    """The fault of one station that explains most, if it explains enough."""
    linear = _Linear(state)
    found = [*_axes(state, linear), *_jumps(state, linear)]
    return min(found, key=lambda guess: guess.left, default=None)


def reversed_station(state: State, search: Callable[[Problem], State]) -> Guess | None:
    """The station of a small network without which turned around the others are not understood.

    Parameters
    ----------
    state : State
        The solution.
    search : callable
        Gives the solution of a changed problem.
    """
    problem = state.system.problem
    found, before = [], state.misfit
    if not FEWEST < len(problem.stations) <= SMALL:
        return None
    for k, part in enumerate(problem.data):
        for i in np.flatnonzero(part.mask.any(axis=(1, 2))) if isinstance(part, Waveforms) else ():
            values = part.records.values.copy()
            values[i] *= -1
            turned = replace(part, records=replace(part.records, values=values))
            after = search(problem.with_data([*problem.data[:k], turned, *problem.data[k + 1 :]]))
            rows = after.system.problem.row_station == part.station[i]
            data = after.system.problem.target[rows]
            own = float((after.residual[rows] ** 2).sum() / max(data @ data, np.finfo(float).tiny))
            found.append((after.misfit / before, own, part, int(i)))
    if not found:
        return None
    left, own, best, k = min(found, key=lambda one: one[0])
    if left > WORTH or own > ALMOST:
        return None
    used = "".join(c for c, mask in zip(COMPONENTS, best.mask[k], strict=True) if mask.any())
    return Guess(str(best.station[k]), used, f"fits if its {_words(used)} reversed: {_AXIS}", left)


def _parts(state: State) -> Iterator[tuple[Waveforms, int, Array]]:
    """Data sets of waveforms with the first of their rows, and the factors on their rows."""
    problem, first = state.system.problem, 0
    for part in problem.data:
        count = len(part.whitener.station_names)
        if isinstance(part, Waveforms):
            yield part, first, problem.row_weight[first : first + count]
        first += count


def _axes(state: State, linear: _Linear) -> Iterator[Guess]:
    for part, first, weight in _parts(state):
        names = part.whitener.station_names
        target = state.system.problem.target[first : first + len(names)]
        for i in np.flatnonzero(part.mask.any(axis=(1, 2))):
            rows = np.flatnonzero(names == part.station[i])
            used = "".join(c for k, c in enumerate(COMPONENTS) if part.mask[i, k].any())
            tried = set()
            for components, order, signs, word in AXES:
                concerned = "".join(c for c in components if c in used)
                if not concerned or (word, concerned) in tried or (word == "swapped" and concerned != "EN"):
                    continue
                tried.add((word, concerned))
                table = part.observed.copy()
                table[i] = np.array(signs)[:, None] * table[i, list(order)]
                turned = part.whitener.rows(np.nan_to_num(table))[rows] * weight[rows]
                left, own = linear.without(turned - target[rows], first + rows)
                if left < WORTH * linear.total and own @ own < OWN * float(turned @ turned):
                    whole = concerned if word == "swapped" else used if len(concerned) > 1 else concerned
                    reason = f"fits if its {_words(concerned)} {word}: {_AXIS}"
                    yield Guess(str(part.station[i]), whole, reason, left / linear.total)


def _words(components: str) -> str:
    names = {"E": "east", "N": "north", "U": "vertical"}
    words = [names[c] for c in components]
    return f"{words[0]} is" if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]} are"


def _jumps(state: State, linear: _Linear) -> Iterator[Guess]:
    """Jumps of single traces of displacement, at any time."""
    for part, first, weight in _parts(state):
        if QUANTITIES[part.records.quantity]:
            continue
        rest = np.zeros(part.mask.shape)
        rest[part.mask] = linear.rest[first : first + len(weight)]
        used = np.asarray(part.mask.any(axis=-1))
        size = np.sqrt((rest**2).sum(axis=-1) / np.maximum(part.mask.sum(axis=-1), 1))
        usual = np.array([np.median(size[used[:, c], c]) if used[:, c].any() else np.inf for c in range(3)])
        steps = _steps(part)
        place = np.cumsum(part.mask.ravel()).reshape(part.mask.shape) - 1
        for i, c in np.argwhere(used & (size > STRANGE * usual)):
            rows = first + place[i, c][part.mask[i, c]]
            columns = np.zeros((len(steps), *part.mask.shape))
            columns[:, i, c] = steps
            shapes = (
                part.whitener.rows(np.moveaxis(columns, 0, -1))[rows - first] * weight[rows - first, None]
            )
            k, height = _best(linear, rows, shapes)
            left, own = linear.without(-height * shapes[:, k], rows)
            before = float(linear.rest[rows] @ linear.rest[rows])
            if own @ own < SURE * before and np.sqrt(own @ own / len(own)) < USUAL * usual[c]:
                reason = (
                    f"a jump of {height:.3g} at {part.times[k]:g} s, which the other traces do not predict"
                )
                yield Guess(str(part.station[i]), COMPONENTS[c], reason, left / linear.total)


def _steps(part: Waveforms) -> Array:
    """Filtered steps (k, n_times) of height one at each of the times that are fitted."""
    t = part.records.t
    picks = np.searchsorted(t, part.times - 1e-6)
    raised = (t >= part.times[:, None] - 1e-6).astype(float)
    return np.stack([filters.apply(part.band, one, part.records.dt)[picks] for one in raised])


def _best(linear: _Linear, rows: NDArray[np.intp], shapes: Array) -> tuple[int, float]:
    """Which shape (m, k) explains most of the residual, and its factor."""
    taken = linear.basis[rows].T @ shapes
    power = np.maximum((shapes**2).sum(axis=0) - (taken**2).sum(axis=0), np.finfo(float).tiny)
    along = linear.rest[rows] @ shapes
    k = int(np.argmax(along**2 / power))
    return k, float(along[k] / power[k])
