"""Which traces to trust, and how far: bad ones found before and after a search, errors from residuals."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from . import filters
from .data import COMPONENTS, Waveforms
from .filters import Array
from .fit import Fit, fits
from .noise import pooled
from .problem import Problem, State
from .records import QUANTITIES

NOISY = 6.0
"""Noise before the earthquake that is too much, in medians of the network."""

SPIKE = 6.0
"""Bend at one sample that is too sharp, in the sharpest bends elsewhere in the record."""

STRANGE = 4.0
"""Residual that is too much where the prediction does not help at all, in medians of the network."""

MOST = 1 / 3
"""Share of all traces above which not they are to blame for their misfit but the model is."""

Rejected: TypeAlias = tuple[tuple[str, str, str], ...]


def screened(problem: Problem) -> Problem:
    """The problem without traces that are bad to look at: dead, with a spike, noisier than the network.

    What is left out, and why, stands in `Waveforms.dropped` and in the result.
    """
    return rejecting(problem, [_bad(p) if isinstance(p, Waveforms) else () for p in problem.data])


def outliers(state: State) -> list[Rejected]:
    """Traces of each data set whose misfit is far above the network's and that the solution makes no smaller.

    None where they are more than `MOST` of a data set.
    """
    found: list[Rejected] = []
    for part, fit in zip(state.system.problem.data, fits(state), strict=True):
        bad = _strange(fit) if isinstance(part, Waveforms) else ()
        found.append(bad if len(bad) <= MOST * fit.mask.any(axis=-1).sum() else ())
    return found


def rejecting(problem: Problem, rejected: list[Rejected]) -> Problem:
    """The problem without some traces of each data set."""
    parts = [
        replace(part, rejected=(*part.rejected, *bad)) if isinstance(part, Waveforms) and bad else part
        for part, bad in zip(problem.data, rejected, strict=True)
    ]
    return problem.with_data(parts) if any(rejected) else problem


def weighed(state: State) -> Problem:
    """The problem of a solution, with errors of the waveforms as its residuals show them.

    The covariance of a trace has the autocorrelation that all residuals of its component have in common,
    and half its own, half their mean variance; never less than the trace's noise before the earthquake.
    """
    problem = state.system.problem
    parts = []
    for part, fit in zip(problem.data, fits(state), strict=True):
        if isinstance(part, Waveforms):
            noise = pooled(np.where(fit.mask, fit.observed - fit.predicted, 0.0), fit.mask)
            noise = noise._replace(variance=np.maximum(noise.variance, _rest(part) ** 2))
            part = replace(part, sigma=None, noise=noise, model_error=0.0)
        parts.append(part)
    return problem.with_data(parts)


def _bad(data: Waveforms) -> Rejected:
    """Traces that are not to be fitted, and why."""
    noise, found = _rest(data), []
    typical = np.array([np.median(c[c > 0]) if (c > 0).any() else np.inf for c in noise.T])
    for i, c in zip(*np.nonzero(data.mask.any(axis=-1)), strict=True):
        values = data.records.values[i, c]
        present = np.isfinite(values)
        reason = _spike(data.records.t[present], values[present])
        if np.ptp(values[present]) == 0:
            reason = "never moves"
        elif noise[i, c] > NOISY * typical[c]:
            reason = f"noise before the earthquake {noise[i, c] / typical[c]:.0f} times the network's"
        if reason:
            found.append((str(data.station[i]), COMPONENTS[c], reason))
    return tuple(found)


def _spike(t: Array, values: Array) -> str:
    """What is wrong with a record of which one sample lies far off its neighbours, or nothing."""
    if len(values) < 8:
        return ""
    bend = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    k = int(np.argmax(bend))
    others = np.concatenate([bend[: max(k - 1, 0)], bend[k + 2 :]])
    return f"a spike at {t[k + 1]:g} s" if bend[k] > SPIKE * others.max() > 0 else ""


def _strange(fit: Fit) -> Rejected:
    """Traces that no source of this kind explains, though it explains the others."""
    used = np.asarray(fit.mask.any(axis=-1))
    worse = np.asarray(fit.by_trace < 0)
    left = np.where(fit.mask, fit.observed - fit.predicted, 0.0)
    size = np.sqrt((left**2).sum(axis=-1) / np.maximum(fit.mask.sum(axis=-1), 1))
    found = []
    for i, c in zip(*np.nonzero(used & worse), strict=True):
        ratio = size[i, c] / np.median(size[used[:, c], c])
        if ratio > STRANGE:
            reason = f"residual {ratio:.0f} times the network's, larger than the record itself"
            found.append((str(fit.station[i]), COMPONENTS[c], reason))
    return tuple(found)


def _rest(data: Waveforms) -> Array:
    """Standard deviations (n, 3) of the filtered traces before the earthquake; 0 where nothing is known."""
    records, found = data.records, np.zeros(data.mask.shape[:2])
    quiet = np.broadcast_to(np.asarray(data.quiet, float), (len(records),)) - data.band.ringing
    for i, c in zip(*np.nonzero(data.mask.any(axis=-1)), strict=True):
        values, present = records.values[i, c], np.isfinite(records.values[i, c])
        rests = present & (records.t < quiet[i])
        if rests.sum() >= 8:
            whole = np.interp(records.t, records.t[present], values[present])
            whole = filters.apply(data.band, whole, records.dt, offset=QUANTITIES[records.quantity] == 0)
            found[i, c] = whole[rests].std()
    return found
