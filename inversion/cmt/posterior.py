"""How uncertain a solution is: its covariance from what the stations disagree about, or from given errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg

from . import tensor as tensors
from .filters import Array
from .problem import State, jacobian
from .source import Sources

ENOUGH = 8
"""Stations from which on their disagreement tells the errors; fewer say too little of it."""


class Posterior(NamedTuple):
    """Uncertainty of a solution.

    Attributes
    ----------
    covariance : (s, s) of the elements of each source: six of the tensor (N·m, true axes), then the unknowns.
    errors : "stations" or "data", see `posterior`.
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


def posterior(state: State, constraint: str, turns: Array, errors: str | None = None) -> Posterior:
    """Covariance of tensors, along true axes, and unknowns.

    Parameters
    ----------
    state : State
        The solution.
    constraint : {"full", "deviatoric", "double_couple"}
    turns : (n, 3, 3)
        From the plane's axes to true axes at the sources.
    errors : {"stations", "data"}, optional
        Whether errors are what the stations disagree about, which includes what crust and point leave out and
        how residuals of one station hang together, or those given with the data, raised to the misfit. By
        default "stations" where there are at least `ENOUGH` of them.

    Raises
    ------
    ValueError
        If `errors` is neither, or there is only one station to disagree.
    """
    stations = len(state.system.problem.stations)
    if errors is None:
        errors = "stations" if stations >= ENOUGH else "data"
    if errors not in ("stations", "data"):
        raise ValueError(f"errors: expected 'stations' or 'data', got {errors!r}")
    if errors == "stations" and stations < 2:
        raise ValueError("errors: one station has none to disagree with; ask for errors='data'")
    matrix, _, split = jacobian(state, constraint)
    inverse, condition = _inverse(matrix)
    parts = [part.whitener for part in state.system.problem.data]
    expected, independent = sum(part.expected for part in parts), sum(part.independent for part in parts)
    chi2, dof = float(state.residual @ state.residual), max(expected - matrix.shape[1], 1.0)
    size = chi2 / dof if state.system.problem.weighted_alike else max(1.0, chi2 / dof)
    if errors == "stations":
        inner = _jackknife(state, matrix, inverse)
    else:
        # Samples of filtered records repeat each other: each counts for its share of the independent ones.
        inner = size * expected / independent * inverse @ inverse.T
    outer = _outwards(state.sources, constraint, len(state.system.problem.unknowns), split, turns)
    return Posterior(outer @ inner @ outer.T, errors, chi2, dof, float(np.sqrt(size)), condition)


def _inverse(matrix: Array) -> tuple[Array, float]:
    """Pseudo-inverse (k, m) of a matrix (m, k) with columns of any scale, and its condition number."""
    length = tensors.column_lengths(matrix)
    left, singular, axes = np.linalg.svd(matrix / length, full_matrices=False)
    kept = singular > 1e-10 * singular[0]
    inverse = (axes[kept].T / singular[kept]) @ left[:, kept].T / length[:, None]
    return inverse, float(singular[0] / singular[kept][-1])


def _jackknife(state: State, matrix: Array, inverse: Array) -> Array:
    """Covariance by leaving out one station after the other, in the linear problem (Bell & McCaffrey 2002).

    The residuals of a station, as they would be had it not been fitted, are its errors: correlated in any way
    among themselves, but not with other stations'. Rows of priors keep the errors they state.
    """
    names = state.system.problem.row_station
    stations = state.system.problem.stations
    covariance = inverse[:, len(names) :] @ inverse[:, len(names) :].T
    for name in stations:
        rows = np.flatnonzero(names == name)
        kept = np.eye(len(rows)) - matrix[rows] @ inverse[:, rows]
        unseen = linalg.lstsq(kept, state.residual[rows])[0]
        moved = inverse[:, rows] @ unseen
        covariance += (len(stations) - 1) / len(stations) * np.outer(moved, moved)
    return covariance


def _outwards(sources: Sources, constraint: str, unknowns: int, split: int, turns: Array) -> Array:
    """Matrix from the columns of the Jacobian to elements, along true axes, and unknowns, by source."""
    n = len(sources)
    step = 6 + unknowns
    matrix = np.zeros((n * step, split + n * unknowns))
    k = split // n
    for i in range(n):
        turned = turns[i] @ tensors.matrix(tensors.tangents(sources.tensor[i], constraint).T) @ turns[i].T
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
    """How far planes (count, 2, 3) are from the best ones (2, 3): in the order, from the side and on the
    turn of the circle that come nearest.
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
