"""Wrong crusts: what they do to a solution, and to residuals.

All stations feel the error of a crust alike: neither their residuals nor their disagreement tell what it
moves. So the solution is looked at in crusts that are as wrong as crusts are, as Hallo & Gallovič (2016) do.
What such crusts explain of the residuals is theirs, and not once more the data's; and where the residuals ask
for more of it than chance would, the crusts' part grows.

References
----------
Hallo, M. & Gallovič, F. (2016). Fast and cheap approximation of Green function uncertainty for waveform-based
earthquake source inversions. Geophys. J. Int. 207, 1012-1029.
MacKay, D. J. C. (1992). Bayesian interpolation. Neural Computation 4, 415-447.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from .data import Dataset, Offsets
from .filters import Array
from .forward import Field
from .problem import State
from .synthetic import displaced, numbers

WRONG = 0.06
"""How wrong crusts are: standard deviation of the logarithm of their velocities."""

CRUSTS = 20
"""Crusts that a solution is looked at in."""

ROUGH = 1e-2
"""Relative accuracy of kernels in other crusts."""

CHANCE = 0.95
"""Probability of a size of the crusts' part up to which it is taken for chance."""


class Explained(NamedTuple):
    """What crusts have to do with residuals.

    Attributes
    ----------
    residual : (m,) what they leave of the residuals.
    factor : on their covariance, one or more, as the residuals ask for it.
    """

    residual: Array
    factor: float


def in_other_crusts(
    state: State, rng: np.random.Generator, count: int = CRUSTS, size: float = WRONG
) -> Array:
    """How the residuals (m,) of a solution change in crusts as wrong as crusts are, (count, m).

    Parameters
    ----------
    state : State
    rng : numpy.random.Generator
        Draws the crusts, see `dislok.inversion.cmt.disturbed` and `balanced`.
    count : int
        Number of crusts.
    size : float
        Standard deviation of the logarithm of their velocities.
    """
    problem = state.system.problem
    wrong = balanced(rng, count, numbers(problem.model))
    models = [problem.model, *(displaced(problem.model, one, size) for one in wrong)]
    first, *others = [_predicted(state, model) for model in models]
    return np.array([first - other for other in others])


def balanced(rng: np.random.Generator, count: int, k: int) -> Array:
    """Standard normal numbers (count, k) whose mean squares and products are one and zero exactly.

    Of twenty loose draws the square of one number is off by a third, and with it what the crusts are said to
    move, of every earthquake alike. Where there are more numbers than draws, the first ones are balanced.
    """
    drawn = rng.standard_normal((count, k))
    some = k if k <= count else count // 2
    drawn[:, :some] = np.sqrt(count) * np.linalg.qr(drawn[:, :some])[0]
    return drawn


def _predicted(state: State, model: object) -> Array:
    """Whitened prediction of a solution in a crust."""
    problem, sources = state.system.problem, state.sources
    rows = []
    for part, places in zip(problem.data, problem.places, strict=True):
        field = Field(part, places, model, sources, ROUGH, problem.stf)  # type: ignore[arg-type]
        moved = np.einsum("k...e,ke->...", field.green(sources), sources.tensor)
        rows.append(part.whitener.rows(moved))
    return np.asarray(np.concatenate(rows) * problem.row_weight)


def explained(state: State, left: Array, changes: Array) -> Explained:
    """What crusts explain of residuals, one of the size that is expected being as likely as normal numbers.

    Parameters
    ----------
    state : State
        The solution.
    left : (k, m)
        What the solution's unknowns cannot take up of the changes of the residuals in each of k crusts.
    changes : (k, m)
        Those changes.
    """
    count, m = changes.shape
    columns = left.T / np.sqrt(count)
    residual, repeated = state.residual, m / max(_independent(state), 1.0)
    inner = columns.T @ columns
    rest, known, size = residual, 1.0, 0.0
    for _ in range(2):
        noise = float(rest @ rest) / m
        ridge = inner + repeated * noise * np.eye(count)
        weights = np.linalg.solve(ridge, columns.T @ residual)
        # So many numbers of the crusts the residuals determine (MacKay 1992), each of size one by chance.
        known = max(float(np.trace(np.linalg.solve(ridge, inner))), 1e-3)
        size = float(weights @ weights) / known
        rest = residual - columns @ (weights / max(1.0, np.sqrt(size)))
    usual = float(stats.chi2.ppf(CHANCE, known)) / known
    return Explained(rest, max(1.0, size / usual))


def _independent(state: State) -> float:
    """Number of independent data: two for every cycle of the band."""
    return float(sum(_share(part) * len(part.whitener.station_names) for part in state.system.problem.data))


def _share(part: Dataset) -> float:
    return (
        1.0 if isinstance(part, Offsets) else min(1.0, 2 * part.band.corner * part.records.dt * part.stride)
    )
