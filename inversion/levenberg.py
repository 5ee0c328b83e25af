"""Levenberg-Marquardt under bounds: each step solves the damped quadratic model exactly inside the box."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from dislok.arrays import HostArray as Array


class Quadratic(NamedTuple):
    """Objective at a point: value, gradient (p,) and positive semidefinite Gauss-Newton matrix (p, p)."""

    value: float
    gradient: Array
    normal: Array


def undefined(size: int) -> Quadratic:
    """The model at a point where the objective has no value: infinite, and flat."""
    return Quadratic(np.inf, np.zeros(size), np.eye(size))


class Minimum(NamedTuple):
    """Where the search ended.

    Point (p,), model there, iterations, whether it converged, objective per iteration.
    """

    point: Array
    model: Quadratic
    iterations: int
    converged: bool
    history: list[float]


def minimise(
    objective: Callable[[Array], Quadratic],
    start: Array,
    lower: Array,
    upper: Array,
    max_iterations: int = 100,
    tolerance: float = 1e-14,
    floor: float = 0.0,
) -> Minimum:
    """Minimise an objective with a Gauss-Newton model inside a box.

    Parameters
    ----------
    objective : callable
        Maps a point (p,) to a `Quadratic`; the value may be infinite where the model is not defined.
    start, lower, upper : (p,)
        Where to begin, and the box.
    max_iterations : int
        Trial steps at most, each costing one evaluation.
    tolerance : float
        Converged when a step is predicted to lower the objective by less than this fraction of it,
    floor : float
        or by less than this: what rounding leaves of a perfect fit.

    Notes
    -----
    The damping follows Nielsen (1999); Marquardt's scaling by the diagonal makes steps independent of units.
    """
    point = np.clip(start, lower, upper)
    model = objective(point)
    if not np.isfinite(model.value):
        return Minimum(point, model, 0, False, [model.value])
    damping, growth, scale = 1e-3, 2.0, np.diag(model.normal).copy()
    history = [model.value]
    for iteration in range(1, max_iterations + 1):
        scale = np.maximum(scale * 0.5, np.diag(model.normal))
        step = _bounded_step(model, damping * _floor(scale), lower - point, upper - point)
        expected = -(model.gradient @ step + 0.5 * step @ model.normal @ step)
        if not expected > max(tolerance * model.value, floor):
            # A heavily damped step promises little anywhere; only an almost free one tells convergence.
            if damping <= 1e-2 or not expected > 0:
                point, model = _last_step(objective, point, step, model)
                return Minimum(point, model, iteration - 1, True, history)
            damping, growth = damping / 10, 2.0
            continue
        trial = objective(point + step)
        ratio = (model.value - trial.value) / expected if np.isfinite(trial.value) else -1.0
        if ratio > 0:
            point, model = point + step, trial
            damping *= max(0.1, 1 - (2 * float(ratio) - 1) ** 3)
            damping, growth = max(damping, 1e-14), 2.0
        else:
            damping, growth = damping * growth, growth * 2
            if damping > 1e14:
                return Minimum(point, model, iteration, True, history)
        history.append(model.value)
    return Minimum(point, model, max_iterations, False, history)


def _last_step(
    objective: Callable[[Array], Quadratic], point: Array, step: Array, model: Quadratic
) -> tuple[Array, Quadratic]:
    """Take the step that is too small to matter for the objective, unless it harms: it squares the error."""
    trial = objective(point + step)
    return (point + step, trial) if trial.value <= model.value else (point, model)


def _floor(scale: Array) -> Array:
    return np.maximum(scale, 1e-14 * max(float(scale.max(initial=0.0)), np.finfo(float).tiny))


def _bounded_step(model: Quadratic, damping: Array, lower: Array, upper: Array) -> Array:
    """Minimise ``g.s + s.(H + D).s / 2`` over ``lower <= s <= upper``."""
    root = np.sqrt(np.diag(model.normal) + damping)
    matrix = (model.normal + np.diag(damping)) / np.outer(root, root)
    factor = linalg.cholesky(matrix + 1e-15 * np.eye(len(root)), lower=True, check_finite=False)
    target = -linalg.solve_triangular(factor, model.gradient / root, lower=True, check_finite=False)
    scaled = linalg.solve_triangular(factor, target, lower=True, trans="T", check_finite=False)
    low, high = lower * root, upper * root
    if not ((scaled >= low) & (scaled <= high)).all():
        # A parameter that sits on its bound needs an interval of some width for the solver.
        solution = optimize.lsq_linear(factor.T, target, (low, np.maximum(high, low + 1e-300)), method="bvls")
        scaled = solution.x
    return np.clip(scaled / root, lower, upper)
