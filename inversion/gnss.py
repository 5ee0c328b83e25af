"""Static offsets from GNSS displacement records, and tables of them.

An offset is the difference of two medians: the level after the shaking less the level before it. The noise
of real-time positions is correlated over minutes, so its uncertainty cannot come from the scatter over the
square root of the number of samples. It comes from the record's variogram, which needs no knowledge of the
level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from . import steps
from .clocks import clock, instants
from .offsets import OffsetTable, read_offsets, write_offsets
from .series import Series, offsets_of_files, offsets_of_series, read_series

__all__ = [
    "OffsetTable", "Series", "StaticOffsets", "offsets_of_files", "offsets_of_series", "read_offsets",
    "read_series", "static_offsets", "write_offsets",
]  # fmt: skip


MAD_TO_SIGMA = 1.4826022185056018
"""Standard deviation of a normal distribution over its median absolute deviation."""

_DECILES_TO_SIGMA = 2.5631031310892007
_CORRELATION_TIMES = 24
_LAGS = 18


MODELS = ("auto", "levels", "trend")
"""What a record is besides its step: nothing, or a trend and seasons."""

_DRIFTING = 0.8


def _drifts(times: Array, records: Array, step: Array) -> bool:
    """Whether one trend before and after the step is most of what most records have besides it."""
    shares = []
    for station, at in zip(records, step[:, 0], strict=True):
        for row in station:
            present = np.isfinite(row)
            sides = [present & (times < at), present & (times > at)]
            if min(side.sum() for side in sides) < 30:
                continue
            x = np.concatenate([times[side] - times[side].mean() for side in sides])
            y = np.concatenate([row[side] - row[side].mean() for side in sides])
            rest = y - (x @ y) / (x @ x) * x
            shares.append(1 - (rest @ rest) / (y @ y) if y @ y > 0 else 0.0)
    return bool(shares) and float(np.median(shares)) > _DRIFTING


def _beside_trends(
    times: Array, records: Array, step: Array, before: float, after: float, least: int, year: float | None
) -> StaticOffsets:
    """Steps beside trends and seasons, in the form of static offsets; correlation times are infinite."""
    found = []
    for station, at in zip(records, step, strict=True):
        near = (times >= at - before) & (times <= at + after)
        found.append(steps.fit(times[near], station[:, near], float(at), year=year, least=least))
    offset, sigma, white, coloured = (
        np.array([getattr(one, name) for one in found]) for name in ("offset", "sigma", "white", "coloured")
    )
    early, late = (np.array([getattr(one, name) for one in found]) for name in ("n_before", "n_after"))
    nothing = np.where(np.isfinite(offset), 0.0, np.nan)
    noise = np.stack([white, coloured, np.where(np.isfinite(white), np.inf, np.nan)], axis=-1)
    return StaticOffsets(offset, sigma, early, late, nothing, nothing + 1.0, noise)


class StaticOffsets(NamedTuple):
    """Static offsets of many records, with the noise that their uncertainty rests on.

    Attributes
    ----------
    offset : (n_stations, n_components) offsets, in the unit of the records; NaN where not measurable.
    sigma : (n_stations, n_components) standard deviation of `offset`.
    n_before, n_after : (n_stations, n_components) samples in the window before the step and after it.
    drift : (n_stations, n_components) how far the two halves of a window lie apart, in standard deviations of
        that
        difference under the noise model, for the worse window: large where the record does not rest.
    spread : (n_stations, n_components) distance of the outer deciles of a window over what the noise model
        has, for
        the worse window: large where the record jumps between levels.
    noise : (n_stations, n_components, 3) white and correlated standard deviation (unit of the records) and
        correlation time (unit of time).
    """

    offset: Array
    sigma: Array
    n_before: NDArray[np.int64]
    n_after: NDArray[np.int64]
    drift: Array
    spread: Array
    noise: Array

    def usable(self, drift: float = 4.0, spread: float = 3.0, noise: float = 5.0) -> NDArray[np.bool_]:
        """Stations, (n_stations,), whose offset is measured and can be trusted in every component.

        Drift and spread must lie below their limits, and sigma below `noise` times the median of all
        stations.
        """
        calm = np.isfinite(self.sigma) & (np.abs(self.drift) < drift) & (self.spread < spread)
        return np.asarray((calm & (self.sigma < noise * np.nanmedian(self.sigma, axis=0))).all(axis=-1))


@gates.gate(
    t=instants(nan=True, infinite=True),
    enu=gates.real(nan=True),
    origin_time=instants(),
    model=gates.choice(*MODELS),
    settle=gates.real(),
    before=gates.number(above=0, infinite=True),
    after=gates.number(above=0, infinite=True),
    min_samples=gates.count(2),
    pool=gates.flag(),
)
def static_offsets(
    t: ArrayLike,
    enu: ArrayLike,
    origin_time: ArrayLike = 0.0,
    *,
    settle: ArrayLike = 90.0,
    before: float = np.inf,
    after: float = np.inf,
    min_samples: int = 30,
    pool: bool = True,
    model: str = "auto",
) -> StaticOffsets:
    """Measure the static offset of displacement records at a known time.

    Parameters
    ----------
    t : array_like, shape (n_times,)
        Sample times, evenly spaced: numbers, ``datetime64`` of any unit, which is taken in seconds, or
        decimal years, taken in days. Daily positions may have gaps.
    enu : array_like, shape (n_stations, n_components, n_times)
        Displacement records, NaN where a sample is missing; any unit.
    origin_time : float or array_like, shape (n_stations,)
        Time of the step, given as `t` is: samples before it are the quiet level.
    settle : float or array_like, shape (n_stations,)
        Time after `origin_time` at which the shaking is over. It depends on the distance.
    before, after : float
        Length of the window that ends at the step, and of the one that begins when the record has settled;
        all by default.
    min_samples : int
        Fewer samples than this in either window make the offset NaN.
    pool : bool
        Take the shape of the noise (its correlation time and the share of white noise) from all stations
        together, one for each component, and only its size from each record. A record of a few minutes says
        little about its own noise of a few minutes' period, so a single record's uncertainty is often several
        times too small. Not for the model "trend".
    model : {"auto", "levels", "trend"}
        "levels": the difference of two medians, for records that rest before and after. "trend": a step
        beside a trend and, where the unit of time is known, yearly and half-yearly seasons, for daily
        positions; `settle` is not used, and samples less than one interval from the step are left out.
        "auto": "trend" where samples are half a day or more apart by ``datetime64``, decimal years or
        seconds, or where most records drift on both sides of the step alike; else "levels".

    Returns
    -------
    StaticOffsets

    Raises
    ------
    ValueError
        If a shape does not fit, or times are not finite and evenly spaced (a gap is NaN in `enu`, not a
        missing time).

    Notes
    -----
    The levels are medians, so outliers and short transients do not matter. For the uncertainty, the
    variogram ``V(h) = var(x(t + h) - x(t)) / 2`` is measured robustly at about 18 lags inside the two
    windows and modelled as white noise plus an exponentially correlated process; for weights ``a`` that sum
    to zero, as those of a difference of two levels do, the variance is ``-a.T @ V @ a``, also where the
    noise is a random walk without a level [1]_. The white part counts ``pi / 2``, the price of a median.

    References
    ----------
    .. [1] Cressie, N. (1993), Statistics for Spatial Data, sections 2.3 and 2.4.
    """
    times_of = clock(t, origin_time)
    times, records = _check_records(times_of.t, enu, even=model == "levels" or not times_of.daily)
    step = _per_station(times_of.origin, len(records), "origin_time")[:, None]
    if model == "trend" or (model == "auto" and (times_of.daily or _drifts(times, records, step))):
        return _beside_trends(times, records, step[:, 0], before, after, min_samples, times_of.year)
    rest = step + _per_station(settle, len(records), "settle")[:, None]
    present = np.isfinite(records)
    early = present & ((times < step) & (times >= step - before))[:, None]
    late = present & ((times >= rest) & (times < rest + after))[:, None]
    variogram = _fit_variogram(records, early, late, times[1] - times[0], pool)
    offset = _level(records, late) - _level(records, early)
    sigma = _sigma_of_difference(early, late, variogram)
    n_early, n_late = early.sum(axis=-1), late.sum(axis=-1)
    missing = np.minimum(n_early, n_late) < min_samples
    windows = [np.where(window, records, np.nan) for window in (early, late)]
    drift = _larger(*(_drift(window, variogram) for window in windows))
    spread = _larger(*(_spread(window, variogram) for window in windows))
    noise = np.stack([np.sqrt(variogram.white), np.sqrt(variogram.correlated), variogram.time], axis=-1)
    offset, sigma, drift, spread = (np.where(missing, np.nan, v) for v in (offset, sigma, drift, spread))
    return StaticOffsets(offset, sigma, n_early, n_late, drift, spread, noise)


class _Variogram(NamedTuple):
    """White and correlated variance and correlation time, each (n_stations, n_components).

    The sampling interval comes last.
    """

    white: Array
    correlated: Array
    time: Array
    dt: float

    def at(self, lag: NDArray[np.int64]) -> Array:
        """Model at `lag` samples, (..., n_lags); the white part times pi/2, as in a median."""
        decay = np.exp(-lag * self.dt / self.time[..., None])
        white = np.where(lag > 0, self.white[..., None] * np.pi / 2, 0.0)
        return np.asarray(white + self.correlated[..., None] * (1 - decay))


def _check_records(t: Array, enu: ArrayLike, even: bool) -> tuple[Array, Array]:
    times, records = np.asarray(t, dtype=float), np.asarray(enu, dtype=float)
    if times.ndim != 1 or times.size < 3:
        raise ValueError(f"t: expected shape (n_times,) with at least 3 times, got {times.shape}")
    if records.ndim != 3 or records.shape[-1] != times.size:
        raise ValueError(f"enu: expected shape (n_stations, n_components, {times.size}), got {records.shape}")
    intervals = np.diff(times)
    rising = np.isfinite(intervals).all() and bool((intervals > 0).all())
    if not rising or (even and not np.allclose(intervals, intervals[0], rtol=1e-3)):
        raise ValueError("t: times must be finite, increasing and evenly spaced; mark gaps by NaN in enu")
    return times, records


def _per_station(value: ArrayLike, n: int, name: str) -> Array:
    array = np.asarray(value, dtype=float)
    if array.shape not in ((), (n,)):
        raise ValueError(f"{name}: expected a number or shape ({n},), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: not finite at index {int(np.argmin(np.isfinite(np.atleast_1d(array))))}")
    return np.broadcast_to(array, (n,))


def _median(values: Array) -> Array:
    """Median over the last axis, NaN left out; NaN where nothing is left."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=-1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[-1] - 1), axis=-1)
    return np.where(count[..., 0] > 0, (low + high)[..., 0] / 2, np.nan)


def _level(records: Array, window: NDArray[np.bool_]) -> Array:
    return _median(np.where(window, records, np.nan))


def _fit_variogram(
    records: Array, early: NDArray[np.bool_], late: NDArray[np.bool_], dt: float, pool: bool
) -> _Variogram:
    """Fit white plus exponentially correlated noise to the robust variogram inside the two windows."""
    longest = max(int(early.sum(axis=-1).max()), int(late.sum(axis=-1).max()), 4)
    lags = np.unique(np.geomspace(1, longest * 3 // 4, _LAGS).astype(int))
    both = [np.where(window, records, np.nan) for window in (early, late)]
    measured = np.stack([_robust_variance(both, lag) for lag in lags], axis=-1) / 2
    if not pool:
        return _fit_model(measured, lags, dt)
    network = _median(measured.swapaxes(0, -1)).T[None]
    scale = _scale(measured, network, lags)
    model = _fit_model(network, lags, dt)
    time = np.broadcast_to(model.time, scale.shape)
    return _Variogram(model.white * scale, model.correlated * scale, time, dt)


def _scale(measured: Array, network: Array, lags: NDArray[np.int64]) -> Array:
    """Variance of each record relative to the network's, over all lags; short lags are known better."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(measured / network)
    known = np.isfinite(ratio)
    weight = known / np.sqrt(lags)
    total = weight.sum(axis=-1)
    mean = np.where(known, ratio * weight, 0.0).sum(axis=-1) / np.maximum(total, np.finfo(float).tiny)
    return np.where(total > 0, np.exp(mean), 1.0)


def _fit_model(measured: Array, lags: NDArray[np.int64], dt: float) -> _Variogram:
    # A difference over lag h repeats itself about every h samples: that many fewer are independent.
    present = np.isfinite(measured)
    measured = np.where(present, measured, 0.0)
    size = measured.max(axis=-1, keepdims=True)
    floor = np.where(size > 0, 1e-9 * size, 1.0)
    weight = present / (np.maximum(measured, floor) ** 2 * lags)
    times = np.geomspace(dt, 4 * lags[-1] * dt, _CORRELATION_TIMES)
    fits = [_nonnegative_fit(measured, weight, 1 - np.exp(-lags * dt / time)) for time in times]
    best = np.argmin([fit[2] for fit in fits], axis=0)
    white, correlated = (
        np.take_along_axis(np.array([fit[k] for fit in fits]), best[None], 0)[0] for k in (0, 1)
    )
    return _Variogram(white, correlated, times[best], dt)


def _robust_variance(windows: list[Array], lag: int) -> Array:
    """Variance of the differences over `lag` samples inside each window, from their median size."""
    pairs = np.concatenate([w[..., lag:] - w[..., :-lag] for w in windows], axis=-1)
    return (MAD_TO_SIGMA * _median(np.abs(pairs))) ** 2


def _nonnegative_fit(y: Array, weight: Array, shape: Array) -> tuple[Array, Array, Array]:
    """Least squares ``y = a + b shape`` with a, b >= 0: (a, b, misfit) for every row."""
    s0, s1, s2 = weight.sum(-1), weight @ shape, weight @ shape**2
    y0, y1 = (weight * y).sum(-1), (weight * y) @ shape
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = s0 * s2 - s1**2
        a = (s2 * y0 - s1 * y1) / determinant
        b = (s0 * y1 - s1 * y0) / determinant
        only_a, only_b = y0 / s0, y1 / s2
    inside = (a >= 0) & (b >= 0)
    a, b = (
        np.where(inside, a, np.where(b < 0, only_a, 0.0)),
        np.where(inside, b, np.where(b < 0, 0.0, only_b)),
    )
    a, b = np.nan_to_num(a, nan=np.inf, posinf=np.inf), np.nan_to_num(b, nan=0.0)
    with np.errstate(invalid="ignore"):
        misfit = (weight * (y - a[..., None] - b[..., None] * shape) ** 2).sum(-1)
    return a, b, np.where(np.isfinite(misfit), misfit, np.inf)


def _sigma_of_difference(first: NDArray[np.bool_], second: NDArray[np.bool_], model: _Variogram) -> Array:
    """Standard deviation of the difference of the levels of two windows, from the variogram."""
    weights = second / np.maximum(second.sum(-1, keepdims=True), 1)
    weights = weights - first / np.maximum(first.sum(-1, keepdims=True), 1)
    n = weights.shape[-1]
    spectrum = np.fft.rfft(weights, 2 * n)
    overlap = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[..., :n]
    variance = -2 * (overlap * model.at(np.arange(n))).sum(-1)
    return np.sqrt(np.maximum(variance, 0.0))


def _drift(window: Array, model: _Variogram) -> Array:
    """Difference of the two halves of a window (NaN outside) over its standard deviation."""
    present = np.isfinite(window)
    rank = np.cumsum(present, axis=-1)
    first = present & (2 * rank <= rank[..., -1:])
    second = present & ~first
    return _ratio(_level(window, second) - _level(window, first), _sigma_of_difference(first, second, model))


def _spread(window: Array, model: _Variogram) -> Array:
    """Distance of the outer deciles of a window (NaN outside) over that of the noise model."""
    ordered, count = np.sort(window, axis=-1), np.isfinite(window).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, np.maximum(count - 1, 0) * k // 10, -1)[..., 0] for k in (1, 9))
    return _ratio(high - low, _DECILES_TO_SIGMA * np.sqrt(model.white + model.correlated))


def _ratio(value: Array, scale: Array) -> Array:
    return np.divide(value, scale, out=np.full_like(value, np.nan), where=scale > 0)


def _larger(a: Array, b: Array) -> Array:
    return np.where(np.abs(a) > np.abs(b), a, b)


def _numbers(fields: Sequence[str], where: str) -> list[float]:
    if len(fields) != 8:
        raise ValueError(f"{where}: expected 9 fields, got {len(fields) + 1}")
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
