"""Uncertainty of a solution.

The larger of what errors of the data and disagreement of the stations say, and what wrong crusts and rival
minima add.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg, stats

from . import crusts
from . import tensor as tensors
from .filters import Array
from .problem import State, jacobian
from .source import Sources

FEWEST = 4
"""Stations below which no uncertainty is stated: too few to disagree, and to tell a mechanism."""

ERRORS = ("largest", "stations", "data")
"""Where an uncertainty may come from, see `posterior`."""


class Posterior(NamedTuple):
    """Uncertainty of a solution.

    Attributes
    ----------
    covariance : (s, s) of the elements of each source: six of the tensor (N·m, true axes), then the
    unknowns; NaN
        where `errors` is "none".
    errors : "largest", "stations", "data" or "none", see `posterior`.
    chi2, dof : squared whitened residuals, and what noise of the assumed size would leave of them on average.
    error_scale : factor on the errors of the data that the misfit made necessary.
    condition : condition number of the scaled Jacobian.
    """

    covariance: Array
    errors: str
    chi2: float
    dof: float
    error_scale: float
    condition: float


class Doubt(NamedTuple):
    """Another solution that is not to be excluded, as the share of it in the statement.

    Attributes
    ----------
    sources : Sources
        In another crust, or at another minimum.
    weight : float
        Share of its squared distance from the solution that is added to the covariance.
    """

    sources: Sources
    weight: float


def posterior(
    state: State,
    rotations: Array,
    errors: str = "largest",
    doubts: Sequence[Doubt] = (),
    changes: Array | None = None,
) -> Posterior:
    """Covariance of tensors, along true axes, and unknowns.

    Parameters
    ----------
    state : State
        The solution.
    rotations : (n, 3, 3)
        From the plane's axes to true axes at the sources.
    errors : {"largest", "stations", "data"}, optional
        "data": errors given with the data, or as residuals show them, raised to the misfit. "stations": what
        the stations disagree about, each left out in turn, which includes what crust and point leave out and
        how residuals of one station hang together. "largest": the larger of both for every element, with what
        `changes` add; nothing ("none") with fewer than `FEWEST` stations.
    changes : (k, m), optional
        How the residuals of the solution change in k other crusts, see
        `dislok.inversion.cmt.crusts.in_other_crusts`: the mean square of what they would move is added, and
        what they explain of the residuals is not once more the data's.
    doubts : sequence of Doubt, optional
        Solutions in other crusts and at rival minima, whose distance is added.

    Raises
    ------
    ValueError
        If `errors` is none of these, or there is only one station to disagree.
    """
    stations = len(state.system.problem.stations)
    if errors not in ERRORS:
        raise ValueError(f"errors: expected 'largest', 'stations' or 'data', got {errors!r}")
    if errors == "stations" and stations < 2:
        raise ValueError("errors: one station has none to disagree with; ask for errors='data'")
    matrix, residual, split = jacobian(state)
    inverse, condition = _inverse(matrix)
    parts = [part.whitener for part in state.system.problem.data]
    expected, independent = sum(part.expected for part in parts), sum(part.independent for part in parts)
    chi2, dof = float(state.residual @ state.residual), max(expected - matrix.shape[1], 1.0)
    size = chi2 / dof if state.system.problem.weighted_alike else max(1.0, chi2 / dof)
    # Samples of filtered records repeat each other: each counts for its share of the independent ones.
    given = size * expected / independent * inverse @ inverse.T
    outer = _outwards(state, split, rotations)
    if errors == "data":
        covariance = outer @ given @ outer.T
    elif errors == "stations":
        covariance = outer @ _jackknife(state, matrix, inverse, residual) @ outer.T
    elif stations < FEWEST:
        errors, covariance = "none", np.full((len(outer), len(outer)), np.nan)
    else:
        residual, moved = residual.copy(), np.zeros((len(outer), 0))
        if changes is not None:
            m = changes.shape[1]
            steps = inverse[:, :m] @ changes.T
            found = crusts.explained(state, (changes.T - matrix[:m] @ steps).T, changes)
            given = given * (found.residual @ found.residual) / max(chi2, np.finfo(float).tiny)
            residual[:m] = found.residual
            moved = np.sqrt(found.factor / len(changes)) * (outer @ steps)
        # A scatter that so few stations tell is itself uncertain, which Student's distribution knows.
        student = float(stats.t.ppf(stats.norm.cdf(1.0), stations - 1))
        by_stations = student**2 * _jackknife(state, matrix, inverse, residual)
        covariance = _largest([outer @ one @ outer.T for one in (given, by_stations)]) + moved @ moved.T
    for doubt in doubts:
        away = _elements(doubt.sources, rotations, state) - _elements(state.sources, rotations, state)
        covariance = covariance + doubt.weight * np.outer(away, away)
    return Posterior(covariance, errors, chi2, dof, float(np.sqrt(size)), condition)


def _largest(covariances: Sequence[Array]) -> Array:
    """A covariance with the largest standard deviations of several, correlated as in the largest of them."""
    deviations = np.sqrt([np.maximum(np.diag(one), 0.0) for one in covariances])
    most = deviations.max(axis=0)
    safe = np.where(most > 0, most, 1.0)
    base = int(np.argmax((deviations / safe).mean(axis=1)))
    own = np.where(deviations[base] > 0, deviations[base], 1.0)
    correlation = covariances[base] / np.outer(own, own)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation * np.outer(most, most))


def _elements(sources: Sources, rotations: Array, state: State) -> Array:
    """Tensor along true axes and unknowns of all sources in one row."""
    true = tensors.row(rotations @ tensors.matrix(sources.tensor) @ np.swapaxes(rotations, -1, -2))
    unknowns = sources.values(state.system.problem.unknowns).reshape(len(sources), -1)
    return np.concatenate([true, unknowns], axis=1).ravel()


def _inverse(matrix: Array) -> tuple[Array, float]:
    """Pseudo-inverse (k, m) of a matrix (m, k) with columns of any scale, and its condition number."""
    length = tensors.column_lengths(matrix)
    left, singular, axes = np.linalg.svd(matrix / length, full_matrices=False)
    kept = singular > 1e-10 * singular[0]
    inverse = (axes[kept].T / singular[kept]) @ left[:, kept].T / length[:, None]
    return inverse, float(singular[0] / singular[kept][-1])


def _jackknife(state: State, matrix: Array, inverse: Array, residual: Array) -> Array:
    """Covariance by leaving out one station after the other, in the linear problem (Bell & McCaffrey 2002).

    The residuals of a station, as they would be had it not been fitted, are its errors: correlated in any way
    among themselves, but not with other stations'. Rows of priors keep the errors they state.
    """
    names = state.system.problem.row_station
    stations = state.system.problem.stations
    length = tensors.column_lengths(matrix)
    scaled, back = matrix / length, inverse * length[:, None]
    covariance = back[:, len(names) :] @ back[:, len(names) :].T
    for name in stations:
        rows = np.flatnonzero(names == name)
        # K⁺ (1 - K K⁺)⁻¹ r = (1 - K⁺ K)⁻¹ K⁺ r: a system of the size of the unknowns, not of the samples.
        kept = np.eye(len(length)) - back[:, rows] @ scaled[rows]
        moved = linalg.lstsq(kept, back[:, rows] @ residual[rows], cond=1e-8)[0]
        covariance += (len(stations) - 1) / len(stations) * np.outer(moved, moved)
    return np.asarray(covariance / np.outer(length, length))


def _outwards(state: State, split: int, rotations: Array) -> Array:
    """Matrix from the columns of the Jacobian to elements, along true axes, and unknowns, by source."""
    problem, tensor = state.system.problem, state.sources.tensor
    n, unknowns = len(tensor), len(problem.unknowns)
    step = 6 + unknowns
    matrix = np.zeros((n * step, split + n * unknowns))
    k = split // n
    for i in range(n):
        own = tensors.matrix(tensors.tangents(tensor[i], problem.constraint).T)
        turned = rotations[i] @ own @ rotations[i].T
        matrix[i * step : i * step + 6, i * k : (i + 1) * k] = tensors.row(turned).T
        rows, columns = i * step + 6, split + i * unknowns
        matrix[rows : rows + unknowns, columns : columns + unknowns] = np.eye(unknowns)
    return matrix


def normal(covariance: Array, count: int, rng: np.random.Generator) -> Array:
    """Draws (count, n) of a normal distribution whose covariance may be singular and badly scaled."""
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.where(scale > 0, scale, 1.0)
    values, axes = np.linalg.eigh(covariance / np.outer(scale, scale))
    return rng.standard_normal((count, len(scale))) * np.sqrt(np.maximum(values, 0.0)) @ axes.T * scale


def matched(planes: Array, best: Array) -> Array:
    """How far planes (count, 2, 3) are from the best ones (2, 3).

    In the order, from the side and on the turn of the circle that come nearest.
    """

    def off(p: Array, one: Array) -> Array:
        # A steep plane may come with its strike from the other side.
        other = np.array([180.0, 180.0, 0.0]) + p * np.array([1.0, -1.0, -1.0])
        away = np.stack([p, other]) - one
        away -= 360 * np.round(away / 360) * np.array([1, 0, 1])
        nearest = np.argmin((away**2).sum(axis=-1), axis=0)
        return np.asarray(np.take_along_axis(away, nearest[None, :, None], axis=0)[0])

    pairs = [np.stack([off(planes[:, i], best[0]), off(planes[:, 1 - i], best[1])], axis=1) for i in (0, 1)]
    straight, crossed = pairs
    swap = (crossed**2).sum((1, 2)) < (straight**2).sum((1, 2))
    return np.where(swap[:, None, None], crossed, straight)
