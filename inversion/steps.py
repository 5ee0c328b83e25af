"""Offsets in series that do not rest: a step beside a trend and seasons, in noise correlated in time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky

from dislok.arrays import HostArray as Array

YEAR = 365.25
"""Days."""

LONGEST = 1500
"""Samples on either side of a step that are used at most: what is farther says nothing of it."""

_NOISES = (
    (0.0, 0.0),
    *((0.5, size) for size in (0.05, 0.15, 0.4, 1.0, 3.0)),
    *((1.0, size) for size in (0.01, 0.05, 0.2, 1.0)),
)
"""Noise that is tried: white, and white with flicker (0.5) or a random walk (1.0) of these relative sizes."""

_OUTLIER = 5.0
_MAD_TO_SIGMA = 1.4826022185056018


class Step(NamedTuple):
    """A step in series of one station.

    Attributes
    ----------
    offset, sigma : (c,) of the step, with the doubt about the noise in it.
    rate : (c,) trend, per unit of time.
    white, coloured : (c,) standard deviations of the noise, of a sample and of a sample's innovation.
    n_before, n_after : (c,) samples used.
    residual : (c, n) data less the fit; NaN where not used.
    """

    offset: Array
    sigma: Array
    rate: Array
    white: Array
    coloured: Array
    n_before: NDArray[np.int64]
    n_after: NDArray[np.int64]
    residual: Array


def fit(
    t: Array, values: Array, step: float, *, year: float | None, others: Sequence[float] = (),
    least: int = 30,
) -> Step:  # fmt: skip
    """Fit a level, a trend, seasons and steps to each component of a station.

    Parameters
    ----------
    t : (n,) times, increasing; gaps do not matter.
    values : (c, n) samples; NaN where missing.
    step : time of the step; samples less than an interval away from it are not used, since they may hold
        both sides.
    year : length of a year in the unit of time; None leaves the seasons out, as does a series shorter than
        one.
    others : times of other steps.
    least : samples that a side must have; with fewer the offset is NaN.

    Notes
    -----
    Every kind of noise of a list is tried: for each, generalised least squares and the restricted
    likelihood. The offset is the mean over all, weighted by likelihood, and its variance that within and
    between them, so that ignorance of the noise counts.
    """
    dt = float(np.median(np.diff(t)))
    near = np.abs(t - step) < (1 - 1e-6) * dt
    nearby = np.argsort(np.abs(np.arange(len(t)) - np.searchsorted(t, step)), kind="stable")
    used = np.zeros(len(t), bool)
    used[nearby[: 2 * LONGEST]] = True
    used &= ~near
    roots = _Roots()
    parts = [_one(t, row, step, used & np.isfinite(row), year, others, least, dt, roots) for row in values]
    return Step(*(np.array(column) for column in zip(*parts, strict=True)))


def _one(
    t: Array, row: Array, step: float, used: NDArray[np.bool_], year: float | None, others: Sequence[float],
    least: int, dt: float, roots: _Roots,
) -> tuple[float, float, float, float, float, int, int, Array]:  # fmt: skip
    used = _calm(t, row, step, used, year, others)
    before, after = int((used & (t < step)).sum()), int((used & (t > step)).sum())
    blank = np.full(len(t), np.nan)
    if min(before, after) < least:
        return (np.nan, np.nan, np.nan, np.nan, np.nan, before, after, blank)
    design = _design(t[used], step, year, others)
    index = np.round((t[used] - t[used][0]) / dt).astype(int)
    first = np.concatenate([[True], np.diff(index) > 0])
    design, index, data = design[first], index[first], row[used][first]
    found = [
        _under(root, size, design, data) for root, (_, size) in zip(roots.at(index), _NOISES, strict=True)
    ]
    weight = np.exp(np.array([one[0] for one in found]) - max(one[0] for one in found))
    weight /= weight.sum()
    solutions = np.array([one[1] for one in found])
    mean = weight @ solutions
    spread = weight @ ((solutions[:, 2] - mean[2]) ** 2 + [one[2] for one in found])
    white, coloured = (float(np.sqrt(weight @ [one[k] ** 2 for one in found])) for k in (3, 4))
    rest = blank.copy()
    rest[used] = row[used] - _design(t[used], step, year, others) @ mean
    return float(mean[2]), float(np.sqrt(spread)), float(mean[1]), white, coloured, before, after, rest


def _design(t: Array, step: float, year: float | None, others: Sequence[float]) -> Array:
    """Columns of a level, a trend, the step, the seasons, the other steps."""
    columns = [np.ones(len(t)), t - step, t > step]
    if year is not None and t[-1] - t[0] > year:
        for harmonic in (1, 2):
            phase = 2 * np.pi * harmonic * (t - step) / year
            columns += [np.cos(phase), np.sin(phase)]
    columns += [t > other for other in others if (t > other).any() and (t < other).any()]
    return np.array(columns, float).T


def _calm(
    t: Array, row: Array, step: float, used: NDArray[np.bool_], year: float | None, others: Sequence[float]
) -> NDArray[np.bool_]:
    """The samples without those far off a robust fit."""
    if used.sum() < 10:
        return used
    design = _design(t[used], step, year, others)
    weight = np.ones(int(used.sum()))
    rest, scale = row[used], 1.0
    for _ in range(10):
        root = np.sqrt(weight)[:, None]
        rest = row[used] - design @ np.linalg.lstsq(root * design, root[:, 0] * row[used], rcond=None)[0]
        scale = max(_MAD_TO_SIGMA * float(np.median(np.abs(rest))), 1e-12 * float(np.abs(row[used]).max()))
        weight = 1 / np.maximum(1.0, np.abs(rest) / max(1.345 * scale, np.finfo(float).tiny))
    kept = used.copy()
    kept[used] = np.abs(rest) <= _OUTLIER * scale
    return kept


def _under(root: Array, size: float, design: Array, data: Array) -> tuple[float, Array, float, float, float]:
    """Restricted log-likelihood, solution, variance of the step, sizes of white and coloured noise."""
    n, p = design.shape
    solved = cho_solve((root, True), np.column_stack([design, data]), check_finite=False)
    normal = design.T @ solved[:, :p]
    inverse = np.linalg.inv(normal)
    solution = inverse @ (design.T @ solved[:, p])
    chi2 = max(float((data - design @ solution) @ (solved[:, p] - solved[:, :p] @ solution)), 1e-300)
    scale = chi2 / (n - p)
    logs = 2 * np.log(np.diag(root)).sum() + np.linalg.slogdet(normal)[1] + (n - p) * np.log(scale)
    deviation = float(np.sqrt(scale))
    return -0.5 * float(logs), solution, float(scale * inverse[2, 2]), deviation, size * deviation


class _Roots:
    """Cholesky factors of all kinds of noise at some samples; those of the last samples are kept."""

    def __init__(self) -> None:
        self.index = b""
        self.roots: list[Array] = []

    def at(self, index: NDArray[np.int64]) -> list[Array]:
        """Lower factors (n, n) for samples with these whole numbers of intervals between them."""
        if index.tobytes() != self.index:
            self.index, self.roots = index.tobytes(), [_root(noise, index) for noise in _NOISES]
        return self.roots


def _root(noise: tuple[float, float], index: NDArray[np.int64]) -> Array:
    order, size = noise
    covariance = np.eye(len(index))
    if size:
        covariance += size**2 * _coloured(order, int(index[-1]) + 1)[np.ix_(index, index)]
    return np.asarray(cholesky(covariance, lower=True, overwrite_a=True, check_finite=False))


@lru_cache(maxsize=2)
def _coloured(order: float, n: int) -> Array:
    """Covariance of fractionally integrated white noise of unit size (Hosking 1981; Williams 2003)."""
    j = np.arange(1, n)
    impulse = np.concatenate([[1.0], np.cumprod((j - 1 + order) / j)])
    covariance = np.outer(impulse, impulse)
    for i in range(1, n):
        covariance[i, 1:] += covariance[i - 1, :-1]
    return covariance
