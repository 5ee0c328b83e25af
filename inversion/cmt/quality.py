"""Trust in traces: bad ones found before and after a search, errors from residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from . import control, filters
from . import tensor as tensors
from .data import COMPONENTS, Waveforms
from .filters import Array
from .fit import Fit, fits
from .noise import pooled
from .posterior import FEWEST
from .problem import Problem, State, jacobian
from .records import QUANTITIES

NOISY = 6.0
"""Noise before the earthquake that is too much, in medians of the network."""

STRANGE = 4.0
"""Residual that is too much where the prediction does not help at all, in medians of the network."""

MODEL = 0.3
"""Share of a trace that a crust and a point are taken to miss before anything is known of it."""

MOST = 1 / 3
"""Share of all traces above which not they are to blame for their misfit but the model is."""

Rejected: TypeAlias = tuple[tuple[str, str, str], ...]


def screened(problem: Problem) -> Problem:
    """The problem without traces that are bad to look at: dead, with a spike, noisier than the network.

    What is left out, and why, stands in `Waveforms.dropped` and in the result.
    """
    return rejecting(problem, [_bad(p) if isinstance(p, Waveforms) else () for p in problem.data])


def outliers(state: State) -> list[Rejected]:
    """Traces of each data set that contradict a solution.

    Records of stations whose clock, place, axes or unit are off, as the others predict them, and traces whose
    misfit is far above the network's and that the solution makes no smaller.

    None where they are more than `MOST` of a data set.
    """
    found: list[Rejected] = []
    unseen = left_out(state)
    for part, fit in zip(state.system.problem.data, fits(state), strict=True):
        bad: Rejected = ()
        if isinstance(part, Waveforms):
            table = np.array([unseen.get(str(name), np.nan) for name in part.station])
            slips = control.jumps(part, fit)
            traces = (*slips, *(one for one in _strange(fit) if one[:2] not in {s[:2] for s in slips}))
            # One bad component does not condemn its station.
            alone = {int(np.flatnonzero(part.station == name)[0]) for name, _, _ in traces}
            whole = control.named(
                part.station.tolist(), control.beside(fit, table, levels(part), alone), part.components
            )
            whole = tuple(one for one in whole if _fitted(part, one))
            done = {one[:2] for one in whole}
            bad = (*whole, *(one for one in traces if one[:2] not in done))
            if len(_left(part, bad)) < FEWEST <= len(_left(part, ())):
                bad = traces
        found.append(bad if len(bad) <= MOST * fit.mask.any(axis=-1).sum() else ())
    return found


def _left(part: Waveforms, bad: Rejected) -> set[str]:
    """Stations with something to fit beside bad traces."""
    lost = {one[:2] for one in bad}
    used = zip(*np.nonzero(part.mask.any(axis=-1)), strict=True)
    return {str(part.station[i]) for i, c in used if (str(part.station[i]), COMPONENTS[c]) not in lost}


def left_out(state: State) -> dict[str, float]:
    """Squared residual over squared data of every station as if not fitted, in the linear problem."""
    problem = state.system.problem
    matrix, _, _ = jacobian(state.under("full"))
    scaled = matrix / tensors.column_lengths(matrix)
    inverse = np.linalg.pinv(scaled, rcond=1e-8)
    names, found = problem.row_station, {}
    for name in problem.stations:
        rows = np.flatnonzero(names == name)
        # (1 - K K⁺)⁻¹ r by Woodbury's identity, in a system of the size of the unknowns.
        inner = np.eye(scaled.shape[1]) - inverse[:, rows] @ scaled[rows]
        moved = np.linalg.lstsq(inner, inverse[:, rows] @ state.residual[rows], rcond=1e-6)[0]
        unseen = state.residual[rows] + scaled[rows] @ moved
        power = float(problem.target[rows] @ problem.target[rows])
        found[str(name)] = float(unseen @ unseen) / max(power, np.finfo(float).tiny)
    return found


def balanced(problem: Problem) -> Problem:
    """The problem with traces weighed by noise and `MODEL` of their size, where nothing better is known.

    So one station, near and large or wrong, cannot speak for all, nor can many that hold hardly more than
    noise. Data sets with errors stay as they are.
    """
    parts = []
    for part in problem.data:
        if isinstance(part, Waveforms) and part.weighted_alike:
            part = replace(part, weight=np.asarray(part.weight, float) * levels(part))
        parts.append(part)
    return problem.with_data(parts)


def levels(data: Waveforms) -> Array:
    """Factors (n, 3) that bring traces to the size of their errors, relative to the network's median.

    Errors are the noise before the earthquake, never less than the network's, and `MODEL` of the trace's
    size.
    """
    power = np.where(data.mask, data.observed, 0.0) ** 2
    size = np.sqrt(power.sum(axis=-1) / np.maximum(data.mask.sum(axis=-1), 1))
    noise = _rest(data)
    usual = np.array([np.median(c[c > 0]) if (c > 0).any() else 0.0 for c in noise.T])
    level = np.hypot(MODEL * size, np.maximum(noise, usual))
    typical = float(np.median(level[size > 0])) if (size > 0).any() else 1.0
    return np.asarray(np.where(size > 0, typical / np.where(level > 0, level, 1.0), 0.0))


def rejecting(problem: Problem, rejected: list[Rejected]) -> Problem:
    """The problem without some traces of each data set."""
    parts = [
        replace(part, rejected=(*part.rejected, *bad)) if isinstance(part, Waveforms) and bad else part
        for part, bad in zip(problem.data, rejected, strict=True)
    ]
    return problem.with_data(parts) if any(rejected) else problem


def weighed(state: State, weight: Sequence[ArrayLike] | None = None) -> Problem:
    """The problem of a solution, with errors of the waveforms as its residuals show them.

    The covariance of a trace has the autocorrelation that all residuals of its component have in common,
    and half its own, half their mean variance; never less than the trace's noise before the earthquake.

    Parameters
    ----------
    state : State
    weight : sequence, one for each data set, optional
        Factors to give the data sets instead of those they have.
    """
    problem = state.system.problem
    parts = []
    for i, (part, fit) in enumerate(zip(problem.data, fits(state), strict=True)):
        if weight is not None:
            part = replace(part, weight=weight[i])
        if isinstance(part, Waveforms):
            # A trace that had no weight has residuals all the same.
            noise = pooled(np.where(part.mask, fit.observed - fit.predicted, 0.0), part.mask)
            noise = noise._replace(variance=np.maximum(noise.variance, _rest(part) ** 2))
            part = replace(part, sigma=None, noise=noise, model_error=0.0)
        parts.append(part)
    return problem.with_data(parts)


def beyond_noise(state: State) -> float:
    """Variance reduction of data and residuals less the noise before the earthquake; the mean of data sets.

    Where nothing is known of the noise, none is taken away.
    """
    found = []
    for part, fit in zip(state.system.problem.data, fits(state), strict=True):
        data = np.where(fit.mask, fit.observed, 0.0)
        left = np.where(fit.mask, fit.observed - fit.predicted, 0.0)
        if isinstance(part, Waveforms):
            noise = float((_rest(part) ** 2 * part.mask.sum(axis=-1)).sum())
        else:
            noise = float((np.nan_to_num(part.table.sigma) ** 2 * part.mask).sum())
        signal = float((data**2).sum()) - noise
        found.append(1 - max(float((left**2).sum()) - noise, 0.0) / signal if signal > 0 else 0.0)
    return float(np.mean(found))


def _bad(data: Waveforms) -> Rejected:
    """Traces that are not to be fitted, and why."""
    noise, found, t = _rest(data), [], data.records.t
    control.refuse_units(data.records, noise)
    near = (t >= data.times[0] - data.band.ringing) & (t <= data.times[-1] + data.band.ringing)
    typical = np.array([np.median(c[c > 0]) if (c > 0).any() else np.inf for c in noise.T])
    for i, c in zip(*np.nonzero(data.mask.any(axis=-1)), strict=True):
        reason = control.of_record(t, data.records.values[i, c], near)
        if reason != "never moves" and noise[i, c] > NOISY * typical[c]:
            reason = f"noise before the earthquake {noise[i, c] / typical[c]:.0f} times the network's"
        if reason:
            found.append((str(data.station[i]), COMPONENTS[c], reason))
    done = {(station, c) for station, c, _ in found}
    twice = {i: f"repeats the record of {data.station[j]}" for i, j in control.repeated(data.records).items()}
    again = control.named(data.station.tolist(), twice, data.components)
    return (*found, *(one for one in again if one[:2] not in done and _fitted(data, one)))


def _fitted(data: Waveforms, trace: tuple[str, str, str]) -> bool:
    i = int(np.flatnonzero(data.station == trace[0])[0])
    return bool(data.mask[i, COMPONENTS.index(trace[1])].any())


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
