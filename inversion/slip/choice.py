"""The strength of smoothing: Akaike's Bayesian criterion, cross-validation, or the corner of the L-curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize

from dislok.arrays import HostArray as Array

from .linear import reduce, solve, stacked

if TYPE_CHECKING:
    from .problem import SlipProblem


METHODS = ("abic", "evidence", "cv", "lcurve")
_STEPS = 25


@dataclass(frozen=True)
class Choice:
    """A smoothing, and what it was chosen from.

    Attributes
    ----------
    method : "abic", "evidence", "cv" or "lcurve".
    best : the smoothing that was chosen.
    values : (s,) smoothings that were tried; score : (s,) what was made small, for the L-curve the negative
        of its curvature.
    misfit, roughness : (s,) of the slip at each, between its bounds.
    at_end : whether the best of the tried values was the first or the last: try others then.
    """

    method: str
    best: float
    values: Array
    score: Array
    misfit: Array
    roughness: Array
    at_end: bool


def choose(
    problem: SlipProblem,
    method: str = "abic",
    values: ArrayLike | None = None,
    *,
    folds: int = 10,
    seed: int = 0,
) -> Choice:
    """Choose the smoothing of a slip inversion.

    Parameters
    ----------
    problem : SlipProblem
        Data and faults.
    method : "abic", "evidence", "cv" or "lcurve"
        What to make small; see Notes.
    values : array_like, shape (s,), optional
        Smoothings to try, increasing; by default 25 over six decades around the one that gives data and
        smoothing equal traces. Around the best one the search goes on between its neighbours, save for
        "lcurve".
    folds : int
        Parts into which cross-validation divides the points.
    seed : int
        How it divides them.

    Returns
    -------
    Choice

    Notes
    -----
    "abic" is Akaike's Bayesian information criterion with a common unknown factor on all covariances [1]_;
    "evidence" is the same with the covariances taken at their word. Both integrate over slip without bounds:
    with bounds they are a customary approximation [2]_.

    "cv" leaves the points of one fold out, with all their components, fits the others between the bounds, and
    scores the prediction by the covariance that it has given the others: correlated errors do not make it
    optimistic. Leaving data out is the same as giving each of them an unknown of its own.

    "lcurve" is the point of largest curvature of log misfit against log roughness [3]_.

    References
    ----------
    .. [1] Yabuki, T. and Matsu'ura, M. (1992), Geophys. J. Int. 109(2), 363-375.
    .. [2] Fukuda, J. and Johnson, K. M. (2008), Bull. Seismol. Soc. Am. 98(3), 1128-1146.
    .. [3] Hansen, P. C. (1992), SIAM Review 34(4), 561-580.
    """
    if method not in METHODS:
        raise ValueError(f"smoothing: unknown method {method!r}; choose from {', '.join(METHODS)}")
    tried = _default_values(problem) if values is None else _checked_values(values)
    bayes = None if method in ("cv", "lcurve") else _bayesian(problem, known=method == "evidence")
    rows = []
    for value in tried:
        point = problem.solution(value)
        own = np.nan if bayes is None else bayes(point.factor, point.least, value)
        rows.append((own, point.misfit, point.roughness))
    score, misfit, rough = np.array(rows).T
    if bayes is not None:
        best = _between(lambda value: bayes(*_unbounded(problem, value), value), tried, score)
    elif method == "cv":
        predicted = _cross_validation(problem, folds, seed)
        score = np.array([predicted(value) for value in tried])
        best = _between(predicted, tried, score)
    else:
        score = -_curvature(np.log(tried), misfit, rough)
        best = float(tried[np.nanargmin(score)])
    at_end = int(np.nanargmin(score)) in (0, len(tried) - 1)
    return Choice(method, best, tried, score, misfit, rough, at_end)


def _bayesian(problem: SlipProblem, known: bool) -> Callable[[Array, float, float], float]:
    """-2 log marginal likelihood of factor, least sum of squares and smoothing, up to a constant."""
    rank = _rank(problem)
    count = problem.data.size - problem.design.shape[1] + rank - problem.size
    if count <= 0:
        raise ValueError(
            f"{problem.data.size} data are too few for this criterion: smoothing leaves "
            f"{problem.size - rank} combinations of slip free, nuisance terms {problem.design.shape[1]}"
        )

    def score(factor: Array, least: float, smoothing: float) -> float:
        volume = 2 * float(np.log(np.abs(np.diagonal(factor))).sum()) - 2 * rank * np.log(smoothing)
        return (least if known else count * np.log(least)) + volume

    return score


def _unbounded(problem: SlipProblem, smoothing: float) -> tuple[Array, float]:
    factor, _, least = stacked(problem.reduced, problem.roughness, smoothing)
    return factor, least


def _rank(problem: SlipProblem) -> int:
    """Rank of RᵀR: how many combinations of the slip the smoothing holds."""
    rough = problem.roughness
    sizes = linalg.eigvalsh((rough.T @ rough).toarray())
    return int((sizes > sizes.size * np.finfo(float).eps * sizes[-1]).sum())


def _cross_validation(problem: SlipProblem, folds: int, seed: int) -> Callable[[float], float]:
    """Mean squared, normalised error of predicting each fold from the others."""
    parts = [_left_out(problem, part) for part in _folds(problem, folds, seed)]
    white, data = problem.whitened_matrix(), problem.whitened_data
    reduced = []
    for columns in parts:
        basis = linalg.qr(np.column_stack([problem.design, columns]), mode="economic")[0]
        reduced.append(reduce(white - basis @ (basis.T @ white), data - basis @ (basis.T @ data)))

    def score(smoothing: float) -> float:
        total = 0.0
        for columns, part in zip(parts, reduced, strict=True):
            fit = solve(part, problem.roughness, smoothing, problem.lower, problem.upper)
            design = np.column_stack([problem.design, columns])
            error = linalg.lstsq(design, data - white @ fit.coefficients)[0][-columns.shape[1] :]
            total += float(np.sum((columns @ error) ** 2))
        return total / data.size

    return score


def _folds(problem: SlipProblem, folds: int, seed: int) -> list[NDArray[np.bool_]]:
    """Masks (k,) of the data of each fold; the data of one point stay together."""
    points, first = [], 0
    for data in problem.datasets:
        points.append(first + data.index)
        first += len(data.xy)
    owner = np.concatenate(points)
    used = np.unique(owner)
    if not 2 <= folds <= used.size:
        raise ValueError(f"folds must be between 2 and the number of points, {used.size}; got {folds!r}")
    fold = np.empty(first, int)
    fold[np.random.default_rng(seed).permutation(used)] = np.arange(used.size) % folds
    return [fold[owner] == number for number in range(folds)]


def _left_out(problem: SlipProblem, mask: NDArray[np.bool_]) -> Array:
    """Whitened columns (k, left out) of an unknown of its own for each datum that is left out."""
    units, row = np.eye(mask.size)[:, mask], 0
    parts = []
    for data in problem.datasets:
        parts.append(data.whiten(units[row : row + data.size]))
        row += data.size
    return np.concatenate(parts)


def _between(function: Callable[[float], float], tried: Array, score: Array) -> float:
    """The minimum between the neighbours of the best value tried, to a hundredth in the logarithm."""
    i = int(np.nanargmin(score))
    if i in (0, len(tried) - 1):
        return float(tried[i])
    ends = np.log(tried[[i - 1, i + 1]])
    found = optimize.minimize_scalar(
        lambda x: function(float(np.exp(x))), bounds=tuple(ends), method="bounded", options={"xatol": 0.01}
    )
    return float(np.exp(found.x)) if found.fun < score[i] else float(tried[i])


def _curvature(place: Array, misfit: Array, rough: Array) -> Array:
    """Curvature (s,) of the L-curve along it, positive at its corner; the ends have none."""
    tiny = np.finfo(float).tiny
    x, y = np.log(np.maximum(rough, tiny)) / 2, np.log(np.maximum(misfit, tiny)) / 2
    dx, dy = np.gradient(x, place), np.gradient(y, place)
    ddx, ddy = np.gradient(dx, place), np.gradient(dy, place)
    with np.errstate(divide="ignore", invalid="ignore"):
        bend = (dx * ddy - ddx * dy) / (dx**2 + dy**2) ** 1.5
    bend[[0, 1, -2, -1]] = np.nan
    return -bend


def _default_values(problem: SlipProblem) -> Array:
    trace = float((problem.reduced.matrix**2).sum())
    middle = np.sqrt(trace / float((problem.roughness**2).sum()))
    return np.geomspace(1e-3, 1e3, _STEPS) * middle


def _checked_values(values: ArrayLike) -> Array:
    tried = np.asarray(values, dtype=float)
    if tried.ndim != 1 or tried.size < 5 or not (tried > 0).all() or not (np.diff(tried) > 0).all():
        raise ValueError("values: expected at least five increasing positive smoothings")
    return tried
