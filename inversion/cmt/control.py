"""Signs that something is wrong with a record.

Signs of bad data in the record itself, and beside the prediction of a solution.

Every test answers with a reason in words, or with nothing. Those of records alone need no solution: constant,
frozen, clipped, with a spike or a jump, noisier than the network, the same as another station's. Those
beside a prediction find a clock that is off, a place or an axis that is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from . import filters
from .data import COMPONENTS, Waveforms
from .filters import Array
from .fit import Fit
from .records import QUANTITIES, Records

SPIKE = 6.0
"""Bend at one sample that is too sharp, in the sharpest bends elsewhere in the record."""

JUMP = 3.0
"""Jump between two samples that is too large, in the largest within `AROUND` samples to either side."""

AROUND = 10

STILL = 10
"""Samples of one value in a row that no instrument at rest gives."""

CLIPPED = 6
"""Samples on the largest or least value that are too many, if no other value is nearly as frequent."""

SAME = 0.1
"""Difference of two records' steps, relative to the steps, below which they are one record."""

UNITS = (0.05, 20.0)
"""Noise before the earthquake and median peak (m) above which displacement cannot be in metres."""

EARLIEST = 6.0
"""Least lag (s) that is blamed on a clock."""

LATEST = 70.0
"""Greatest lag (s) that is tried."""

BETTER = 0.35
"""Share of a station's squared residual that a lag must leave at most to be believed."""

STRANGE = 4.0
"""Residual that is too much where the prediction hardly helps, in medians of the network."""

LACKING = 0.7
"""Share of a trace's squared residual that a jump must explain."""

UNLIKE, FEW = 2.2, 6
"""Residual of a station, in errors that are to be expected, that is too much, in medians of the network;
twice as much of fewer stations than `FEW`, whose median says little.
"""

AGAINST, MANY = 5.0, 8
"""Squared residual over squared data of a station that was not fitted that is too much, if so many are."""

HELPS = 0.3
"""Variance reduction of a station above which the prediction is taken to help."""


def of_record(t: Array, values: Array, near: NDArray[np.bool_]) -> str:
    """What is wrong with one trace by itself, or nothing.

    Parameters
    ----------
    t : (n,)
        Times in s.
    values : (n,)
        Samples, NaN where missing.
    near : (n,) of bool
        Samples that the fit needs.
    """
    present = np.isfinite(values)
    time, whole = t[present], values[present]
    if len(whole) < 8:
        return ""
    if np.ptp(whole) == 0:
        return "never moves"
    needed = near[present]
    return (
        _clipped(whole[needed])
        or _still(time, whole, needed)
        or _jump(time[needed], whole[needed])
        or _spike(time[needed], whole[needed])
    )


def _still(t: Array, values: Array, near: NDArray[np.bool_]) -> str:
    """A stretch of one value among those that the fit needs."""
    same = np.concatenate([[False], (np.diff(values) == 0) & near[1:]])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(int), [0]])))
    if not len(edges):
        return ""
    lengths = edges[1::2] - edges[::2]
    k = int(np.argmax(lengths))
    if lengths[k] < STILL:
        return ""
    first, last = edges[2 * k] - 1, edges[2 * k + 1] - 1
    return f"stands still from {t[first]:g} to {t[last]:g} s"


def _clipped(values: Array) -> str:
    """Too many samples on the largest or the least value."""
    if len(values) < CLIPPED:
        return ""
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) < 3:
        return ""
    ordinary = max(int(counts[1:-1].max()), 1)
    for end in (-1, 0):
        if counts[end] >= CLIPPED and counts[end] > 3 * ordinary:
            return f"clipped at {levels[end]:.3g} ({counts[end]} samples)"
    return ""


def _jump(t: Array, values: Array) -> str:
    """A step from one sample to the next that stays, out of rest: shaken ground may do the same."""
    if len(values) < 2 * AROUND:
        return ""
    steps = np.diff(values)
    size = np.abs(steps)
    rest = 6 * float(np.median(size))
    for k in np.argsort(size)[::-1][:3]:
        around = np.concatenate([size[max(k - AROUND, 0) : max(k - 1, 0)], size[k + 2 : k + 2 + AROUND]])
        calm = len(around) >= AROUND and 0 < around.max() <= rest
        if not calm or size[k] <= JUMP * around.max():
            continue
        before, after = values[max(k - 4, 0) : k + 1], values[k + 1 : k + 6]
        if abs(np.median(after) - np.median(before)) > 0.6 * size[k]:
            return f"a jump of {steps[k]:.3g} at {t[k + 1]:g} s"
    return ""


def _spike(t: Array, values: Array) -> str:
    """One sample that lies far off its neighbours."""
    if len(values) < 8:
        return ""
    bend = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    k = int(np.argmax(bend))
    others = np.concatenate([bend[: max(k - 1, 0)], bend[k + 2 :]])
    return f"a spike at {t[k + 1]:g} s" if len(others) and bend[k] > SPIKE * others.max() > 0 else ""


def repeated(records: Records) -> dict[int, int]:
    """Stations whose record is that of an earlier one under another name: {station: the earlier one}."""
    steps = np.nan_to_num(np.diff(records.values, axis=-1)).reshape(len(records), -1)
    length = np.linalg.norm(steps, axis=1)
    safe = np.where(length > 0, length, 1.0)
    alike = (steps / safe[:, None]) @ (steps / safe[:, None]).T
    found: dict[int, int] = {}
    for i, j in np.argwhere(np.tril(alike > 1 - SAME, -1)):
        if length[i] > 0 and np.linalg.norm(steps[i] - steps[j]) < SAME * length[i]:
            found.setdefault(int(i), int(j))
    return found


def refuse_units(records: Records, noise: Array) -> None:
    """Refuse displacement that cannot be in metres.

    Raises
    ------
    ValueError
        If the noise before the earthquake, or the peak of most records, is that of no network on Earth.
    """
    if QUANTITIES[records.quantity] or records.response.poles or records.response.sensitivity != 1:
        return
    rest = float(np.median(noise[noise > 0])) if (noise > 0).any() else 0.0
    moved = np.nanmax(np.abs(records.values - records.values[..., :1]), axis=(1, 2), initial=0.0)
    peak = float(np.nanmedian(moved))
    for value, limit, words in ((rest, UNITS[0], "noise before the earthquake"), (peak, UNITS[1], "peak")):
        if value > limit:
            raise ValueError(
                f"records: displacement must be in m; a {words} of {value:.3g} m looks like millimetres or "
                "centimetres: convert the records"
            )


def beside(fit: Fit, unseen: Array, level: Array, explained: Collection[int] = ()) -> dict[int, str]:
    """Stations that contradict a solution, with reasons.

    Parameters
    ----------
    fit : Fit
        Data and prediction.
    unseen : (n,)
        Squared residual over squared data of every station as if it had not been fitted; NaN where it is not
        fitted.
    level : (n, 3)
        Factors that bring traces to the size of their errors.
    explained : collection of int, optional
        Stations whose misfit a bad component explains: their clock is judged alone.
    """
    used = np.flatnonzero(np.isfinite(unseen))
    if len(used) < 3:
        return {}
    left = np.where(fit.mask, (fit.observed - fit.predicted) * level[..., None], 0.0)
    size = np.sqrt((left**2).sum(axis=(1, 2)) / np.maximum(fit.mask.sum(axis=(1, 2)), 1))
    found = {}
    unlike = UNLIKE if len(used) >= FEW else 2 * UNLIKE
    for i in used:
        others = used[used != i]
        lag, share = _lag(fit, int(i))
        typical, times = float(np.median(unseen[others])), float(size[i] / np.median(size[others]))
        alone = int(i) not in explained
        if abs(lag) >= EARLIEST and share < BETTER and unseen[i] > 2 * typical:
            word = "late" if lag > 0 else "early"
            found[int(i)] = f"comes {abs(lag):.0f} s {word}: its clock or its place is off"
        elif alone and unseen[i] > 1 - HELPS and times > unlike:
            found[int(i)] = (
                f"residual {times:.1f} times the network's, unlike what the others predict: its clock, its "
                "place, an axis or its unit is off"
            )
        elif alone and len(used) >= MANY and unseen[i] > AGAINST * max(typical, 1.0):
            found[int(i)] = (
                f"the others predict a record that differs by {np.sqrt(unseen[i]):.1f} times its size: its "
                "clock, its place, an axis or its unit is off"
            )
    return found


def jumps(data: Waveforms, fit: Fit) -> tuple[tuple[str, str, str], ...]:
    """Traces whose largest jump between two samples is what the prediction lacks, with reasons.

    Slips of the receiver's cycles amid the shaking.
    """
    records, found = data.records, []
    if QUANTITIES[records.quantity]:
        return ()
    left = np.where(fit.mask, fit.observed - fit.predicted, 0.0)
    typical = np.sqrt(np.median((left**2).sum(axis=-1)[fit.mask.any(axis=-1)]))
    inside = (records.t[1:] >= data.times[0]) & (records.t[1:] <= data.times[-1])
    picks = np.searchsorted(records.t, data.times - 1e-6)
    for i, c in zip(*np.nonzero(fit.mask.any(axis=-1)), strict=True):
        steps = np.where(inside, np.nan_to_num(np.diff(records.values[i, c])), 0.0)
        size = np.sort(np.abs(steps))
        if not size[-1] or size[-1] < 2.5 * size[-2] or size[-1] < 8 * np.median(size[size > 0]):
            continue
        k = int(np.argmax(np.abs(steps)))
        step = filters.apply(data.band, (records.t > records.t[k]).astype(float), records.dt)[picks]
        step, own = step[fit.mask[i, c]], left[i, c][fit.mask[i, c]]
        height = float(own @ step) / max(float(step @ step), np.finfo(float).tiny)
        rest = float(((own - height * step) ** 2).sum())
        lacking = rest < (1 - LACKING) * float(own @ own) and abs(height - steps[k]) < 0.5 * abs(steps[k])
        if lacking and np.sqrt(own @ own) > STRANGE * typical:
            words = f"a jump of {steps[k]:.3g} at {records.t[k + 1]:g} s, which the prediction lacks"
            found.append((str(records.station[i]), COMPONENTS[c], words))
    return tuple(found)


def _lag(fit: Fit, i: int) -> tuple[float, float]:
    """Delay (s) of a station's record that fits best, and the share of its squared residual that is left."""
    t, lags = fit.times, np.arange(-LATEST, LATEST + 1)
    components = [c for c in range(3) if fit.mask[i, c].any()]

    def power(lag: float) -> float:
        moved = [np.interp(t - lag, t, fit.predicted[i, c]) for c in components]
        return float(
            sum(
                ((fit.observed[i, c] - one)[fit.mask[i, c]] ** 2).sum()
                for c, one in zip(components, moved, strict=True)
            )
        )

    table = np.array([power(lag) for lag in lags])
    best = int(np.argmin(table))
    return float(lags[best]), float(table[best] / max(power(0.0), np.finfo(float).tiny))


def named(
    stations: Sequence[str], found: dict[int, str], components: str
) -> tuple[tuple[str, str, str], ...]:
    """Rejections (station, component, reason) of all components of the stations found."""
    return tuple(
        (str(stations[i]), c, reason)
        for i, reason in sorted(found.items())
        for c in COMPONENTS
        if c in components
    )
