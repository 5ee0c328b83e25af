"""Relative weights of data sets by variance components: how much larger their errors are than stated.

Every data set's errors get a factor such that its residuals are as large as the degrees of freedom that it
keeps allow (Helmert's estimator in the iteration of Förstner 1979; Koch & Kusche 2002 with smoothing). Data
sets of few data and many, or with errors that were guessed, then meet as what they are worth.

References
----------
Förstner, W. (1979). Ein Verfahren zur Schätzung von Varianz- und Kovarianzkomponenten. Allgemeine
Vermessungs-Nachrichten 86, 446-453.

Koch, K.-R. and Kusche, J. (2002). Regularization of geopotential determination from satellite data by
variance components. J. Geodesy 76, 259-268.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from .dataset import Dataset
from .fault.problem import Problem
from .slip.choice import METHODS
from .slip.problem import SlipProblem, checked_smoothing

LEAST = 3.0
"""Degrees of freedom that a data set must keep for its factor to be estimated."""


class Weights(NamedTuple):
    """Factors on the errors of data sets.

    Attributes
    ----------
    problem : the problem with these errors; of faults it begins where the last search ended.
    names : of the data sets; factors : (d,) on their errors.
    redundancy : (d,) degrees of freedom that each keeps; where they are fewer than three the factor stays.
    smoothing : λ of the last round, of slip; NaN of faults.
    rounds, converged : of the iteration.
    """

    problem: Problem | SlipProblem
    names: tuple[str, ...]
    factors: Array
    redundancy: Array
    smoothing: float
    rounds: int
    converged: bool

    def summary(self) -> str:
        """A line for each data set."""
        rows = zip(self.names, self.factors, self.redundancy, strict=True)
        lines = [f"{name}: errors times {f:.3g}, redundancy {r:.1f}" for name, f, r in rows]
        state = "converged" if self.converged else "NOT converged"
        return "\n".join([*lines, f"variance components {state} in {self.rounds} rounds"])


@gates.gate(
    problem=gates.instance(Problem, SlipProblem),
    rounds=gates.count(1, 1000),
    tolerance=gates.number(above=0, below=1),
    starts=gates.count(1, 100_000),
    seed=gates.count(),
    progress=gates.optional(gates.function()),
)
def estimate(
    problem: Problem | SlipProblem,
    *,
    smoothing: float | str = "abic",
    rounds: int = 20,
    tolerance: float = 0.01,
    starts: int = 1,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Weights:
    """Estimate the factors on the errors of a problem's data sets.

    Parameters
    ----------
    problem : Problem or SlipProblem
        Of faults or of slip.
    smoothing : float or str
        Of slip: λ, or how it is chosen anew in every round, as of `SlipProblem.solve`.
    rounds : int
        Solutions at most.
    tolerance : float
        Converged where no factor changes by more than this share.
    starts, seed : int
        Of the first search for faults; the later ones begin at its end.
    progress : callable, optional
        Gets a line of text after every round.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        If no data set keeps three degrees of freedom.
    """
    if not isinstance(smoothing, str):
        smoothing = checked_smoothing(smoothing)
    elif smoothing not in METHODS:
        raise ValueError(f"smoothing: unknown method {smoothing!r}; choose from {', '.join(METHODS)}")
    names = tuple(data.name for data in problem.datasets)
    factors, chosen, converged, done = np.ones(len(names)), float("nan"), False, 0
    redundancy: Array = factors
    # From here on the Green's functions of slip are kept.
    problem = problem.reweighted(factors.tolist())
    for done in range(1, rounds + 1):
        if isinstance(problem, Problem):
            problem, leverage, cost = _of_faults(problem, starts if done == 1 else 1, seed)
        else:
            chosen, leverage, cost = _of_slip(problem, smoothing)
        rows = np.repeat(np.arange(len(names)), [data.size for data in problem.datasets])
        redundancy = np.bincount(rows, 1 - leverage, len(names)).astype(float)
        spent = np.bincount(rows, cost, len(names)).astype(float)
        change = _changes(spent, redundancy, problem.datasets)
        problem, factors = problem.reweighted(change.tolist()), factors * change
        if progress is not None:
            words = ", ".join(f"{name} {factor:.3g}" for name, factor in zip(names, factors, strict=True))
            progress(f"round {done}: errors times {words}")
        if (np.abs(change - 1) <= tolerance).all():
            converged = True
            break
    return Weights(problem, names, factors, redundancy, chosen, done, converged)


def _changes(cost: Array, redundancy: Array, datasets: Sequence[Dataset]) -> Array:
    """Factor (d,) by which the errors of each data set are to grow."""
    known = redundancy >= LEAST
    if not known.any():
        worst = ", ".join(f"{d.name} {r:.1f}" for d, r in zip(datasets, redundancy, strict=True))
        raise ValueError(f"datasets: none keeps {LEAST:g} degrees of freedom: {worst}")
    exact = 1e-20 * sum(float(data.whiten(data.values) @ data.whiten(data.values)) for data in datasets)
    change = np.sqrt(np.maximum(cost, exact) / np.where(known, redundancy, 1.0))
    # A first solution under wrong weights may be far off; no factor runs away from it.
    return np.where(known, np.clip(change, 0.1, 10.0), 1.0)


def _of_faults(problem: Problem, starts: int, seed: int) -> tuple[Problem, Array, Array]:
    """The problem at its best point, and leverage and cost (k,) of every datum there."""
    best = problem.solve(starts, seed=seed)
    problem = problem.begun_at(best.values)
    jacobian, fit = problem.linearised(best.values)
    root = np.sqrt(fit.weight)[:, None]
    free = ~best.at_bound
    prior = np.diag(np.sqrt(problem.prior_precision))[:, free]
    rows = np.concatenate(
        [root * np.column_stack([jacobian[:, free], problem.design]), _padded(prior, problem)]
    )
    return problem, _leverage(rows, len(root)), 2 * problem.loss.each(fit.residual)


def _padded(prior: Array, problem: Problem) -> Array:
    return np.column_stack([prior, np.zeros((len(prior), problem.design.shape[1]))])


def _of_slip(problem: SlipProblem, smoothing: float | str) -> tuple[float, Array, Array]:
    """λ, and leverage and squared residual (k,) of every whitened datum."""
    chosen = problem.choose(smoothing).best if isinstance(smoothing, str) else float(smoothing)
    found = problem.solution(chosen)
    matrix = np.column_stack([problem.whitened_matrix()[:, found.free], problem.design])
    rough = chosen * problem.roughness.toarray()[:, found.free]
    rough = np.column_stack([rough, np.zeros((len(rough), problem.design.shape[1]))])
    residual = problem.data - problem.matrix @ found.coefficients
    return chosen, _leverage(np.concatenate([matrix, rough]), len(matrix)), residual**2


def _leverage(rows: Array, count: int) -> Array:
    """How much each of the first rows decides of its own prediction, (count,)."""
    basis, factor, _ = linalg.qr(rows, mode="economic", pivoting=True, check_finite=False)
    size = np.abs(np.diagonal(factor))
    rank = int((size > 1e-12 * size.max(initial=0.0)).sum())
    return np.asarray((basis[:count, :rank] ** 2).sum(axis=1))
