"""Data that an inversion is fitted to: filtered waveforms in their windows, and static offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from dislok import gate as gates
from dislok.inversion.gnss import OffsetTable

from . import filters
from .filters import Array, CosineLowpass, Filter
from .noise import Estimated, Mask, Noise, autocovariance, factor, freedom, whiten
from .records import QUANTITIES, Records

COMPONENTS = "ENU"

BRIDGED = 5.0
"""Gaps (s) up to which a straight line spoils nothing around them."""

SMEARED = 0.1
"""Share of a filtered sample that may come from bridges: in records of 1 Hz with gaps of 10 to 20 s put into
them, through 0.03 to 0.1 Hz, it is then wrong by 9 % of the record's size.
"""


@dataclass(frozen=True)
class Waveforms:
    """Records made ready for an inversion.

    Attributes
    ----------
    records : Records
        Displacement, velocity or acceleration of a network.
    band : Filter
        Acts on records and on kernels alike.
    window : (start, end)
        Seconds after the records' reference that are fitted; numbers, or arrays (n,) with one for each
        station.
    components : str
        Which of "ENU" are fitted.
    sigma : float or array that broadcasts to (n, 3), optional
        Standard deviation of a filtered sample, in the records' unit. Without it and without `noise` all
        samples count alike, as in O'Toole et al. (2012), and the uncertainty is scaled by the misfit.
    noise : Noise or Estimated, optional
        Noise of the records before filtering, correlated in time, or errors of filtered samples as estimated
        by `dislok.inversion.cmt.weighed`: the full covariance instead of `sigma`.
    model_error : float
        Fraction of a trace's largest sample that is added to its standard deviation, for what the model of
        the crust and a point cannot explain.
    weight : array that broadcasts to (n, 3)
        Factor on the whitened residuals of every station and component; zero leaves it out.
    shift : array that broadcasts to (n,)
        Seconds by which a station's waves come later than the crustal model says.
    quiet : float or array that broadcasts to (n,)
        Time up to which a displacement record rests; the mean up to there is taken away.
    rejected : tuple of (station, component, reason)
        Traces that are not fitted, by name, and why.
    max_gap : float
        A longer gap (s) in what the fit needs of a trace leaves the trace out; shorter ones are bridged for
        the filter and do not count in the fit, nor does what the filter smears of those above `BRIDGED`.
    name : str
        How the result calls this data set.
    """

    records: Records
    band: Filter = field(default_factory=CosineLowpass)
    window: tuple[ArrayLike, ArrayLike] = (0.0, 100.0)
    components: str = COMPONENTS
    sigma: ArrayLike | None = None
    noise: Noise | Estimated | None = None
    model_error: float = 0.0
    weight: ArrayLike = 1.0
    shift: ArrayLike = 0.0
    quiet: ArrayLike = 0.0
    rejected: tuple[tuple[str, str, str], ...] = ()
    max_gap: float = 30.0
    name: str = "waveforms"

    def __post_init__(self) -> None:
        gates.verify(
            self,
            records=gates.instance(Records),
            window=gates.pair(gates.real()),
            components=gates.text(),
            sigma=gates.optional(gates.real()),
            noise=gates.optional(gates.instance(Noise, Estimated)),
            model_error=gates.number(least=0),
            weight=gates.real(),
            shift=gates.real(),
            quiet=gates.real(),
            max_gap=gates.number(least=0),
            name=gates.text(),
        )
        if isinstance(self.noise, Noise):
            for part, value in zip(self.noise._fields, self.noise, strict=True):
                gates.real(least=0)(f"noise.{part}", value)
        filters.check(self.band, 0.5 / self.records.dt)
        if not self.components or set(self.components) - set(COMPONENTS):
            raise ValueError(f"components: expected some of E, N, U, got {self.components!r}")
        if self.sigma is not None and self.noise is not None:
            raise ValueError("give sigma or noise, not both")
        n = len(self.records)
        for name in ("sigma", "weight"):
            self._refuse(name, getattr(self, name), (n, 3), negative=True)
        for name in ("shift", "quiet"):
            self._refuse(name, getattr(self, name), (n,), negative=False)
        for side in self.window:
            self._refuse("window", side, (n,), negative=False)

    def _refuse(self, name: str, value: ArrayLike | None, shape: tuple[int, ...], negative: bool) -> None:
        if value is None:
            return
        array = np.asarray(value, float)
        try:
            table = np.broadcast_to(array, shape)
        except ValueError:
            raise ValueError(
                f"{name}: expected a shape that broadcasts to {shape}, got {array.shape}"
            ) from None
        bad = ~np.isfinite(table) | (negative & (table < 0))
        if name == "sigma":
            bad |= table == 0
        if bad.any():
            where = np.unravel_index(int(np.argmax(bad)), shape)
            station = self.records.station[where[0]]
            raise ValueError(f"{name}: {table[where]} at station {station!s} is not a possible value")

    @property
    def station(self) -> NDArray[np.str_]:
        """Names (n,) of the stations."""
        return self.records.station

    @property
    def weighted_alike(self) -> bool:
        """Whether every sample counts the same for want of a standard deviation."""
        return self.sigma is None and self.noise is None

    @cached_property
    def stride(self) -> int:
        """Every how many samples the filtered records are used.

        Five of them a period of the highest frequency.
        """
        return max(1, int(0.2 / (self.band.corner * self.records.dt)))

    @cached_property
    def times(self) -> Array:
        """Times (n_times,) of the samples in use, seconds after the reference."""
        start, end = (np.asarray(side, float) for side in self.window)
        t = self.records.t
        inside = np.flatnonzero((t >= start.min() - 1e-6) & (t <= end.max() + 1e-6))
        if len(inside) < 8 * self.stride:
            raise ValueError(
                f"window: {start.min():g} to {end.max():g} s holds {len(inside)} samples of records "
                f"from {t[0]:g} to {t[-1]:g} s"
            )
        return t[inside[:: self.stride]]

    @cached_property
    def _prepared(self) -> tuple[Array, Mask, tuple[str, ...]]:
        return _prepare(self)

    @property
    def observed(self) -> Array:
        """Filtered records (n, 3, n_times)."""
        return self._prepared[0]

    @property
    def mask(self) -> Mask:
        """Samples that are fitted, (n, 3, n_times)."""
        return self._prepared[1]

    @property
    def dropped(self) -> tuple[str, ...]:
        """What was left out, in reading too, and why, one line for each trace."""
        return (*self.records.left_out, *self._prepared[2])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was strange in reading and used all the same."""
        return self.records.notes

    @cached_property
    def whitener(self) -> Whitener:
        """Turns tables of samples into rows of a least-squares problem."""
        return Whitener(self)

    def select(self, keep: ArrayLike) -> Waveforms:
        """The data set with some of its stations: an array of indices or of booleans."""
        i = np.asarray(keep)
        n = len(self.records)
        per_station = {name: np.broadcast_to(getattr(self, name), (n,))[i] for name in ("shift", "quiet")}
        start, end = (np.broadcast_to(np.asarray(side, float), (n,))[i] for side in self.window)
        sigma = None if self.sigma is None else np.broadcast_to(self.sigma, (n, 3))[i]
        noise = self.noise
        if isinstance(noise, Noise):
            noise = Noise(*(np.broadcast_to(part, (n, 3))[i] for part in noise))
        elif noise is not None:
            noise = noise._replace(variance=noise.variance[i])
        weight = np.broadcast_to(self.weight, (n, 3))[i]
        return replace(
            self, records=self.records.take(i), window=(start, end), sigma=sigma, noise=noise, weight=weight,
            **per_station,
        )  # fmt: skip

    def filtered(self, band: Filter) -> Waveforms:
        """The data set through another filter; errors estimated for the present one do not go along."""
        noise = None if isinstance(self.noise, Estimated) else self.noise
        return replace(self, band=band, noise=noise)


@dataclass(frozen=True)
class Offsets:
    """Static offsets: data of zero frequency.

    Attributes
    ----------
    table : OffsetTable
        Stations with east, north, up (m) and their standard deviations; NaN where missing.
    components : str
        Which of "ENU" are fitted.
    model_error : float
        Fraction of a station's offset that is added to its standard deviations.
    weight : array that broadcasts to (n, 3)
        Factor on the whitened residuals.
    name : str
        How the result calls this data set.
    left_out : tuple of str
        What could not be read, and why.
    """

    table: OffsetTable
    components: str = "ENU"
    model_error: float = 0.0
    weight: ArrayLike = 1.0
    name: str = "offsets"
    left_out: tuple[str, ...] = ()

    weighted_alike = False

    def __post_init__(self) -> None:
        gates.verify(
            self,
            table=gates.instance(OffsetTable),
            components=gates.text(),
            model_error=gates.number(least=0),
            weight=gates.real(least=0),
            name=gates.text(),
        )
        if not self.components or set(self.components) - set(COMPONENTS):
            raise ValueError(f"components: expected some of E, N, U, got {self.components!r}")
        bad = np.isfinite(self.table.offset) & ~(self.table.sigma > 0)
        if bad.any():
            station = self.table.station[int(np.argmax(bad.any(axis=1)))]
            raise ValueError(f"sigma of station {station!s} is not positive")

    @property
    def station(self) -> NDArray[np.str_]:
        """Names (n,) of the stations."""
        return self.table.station

    @property
    def observed(self) -> Array:
        """Offsets (n, 3) in m."""
        return self.table.offset

    @cached_property
    def mask(self) -> Mask:
        """Offsets that are fitted, (n, 3)."""
        wanted = np.array([c in self.components for c in COMPONENTS])
        weight = np.broadcast_to(np.asarray(self.weight, float), self.table.offset.shape)
        return np.isfinite(self.table.offset) & wanted & (weight > 0)

    @property
    def dropped(self) -> tuple[str, ...]:
        """What could not be read; missing offsets are simply not fitted."""
        return self.left_out

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @cached_property
    def whitener(self) -> Whitener:
        """Turns tables of offsets into rows of a least-squares problem."""
        return Whitener(self)

    def select(self, keep: ArrayLike) -> Offsets:
        """The data set with some of its stations."""
        i = np.asarray(keep)
        weight = np.broadcast_to(np.asarray(self.weight, float), self.table.offset.shape)[i]
        t = self.table
        table = OffsetTable(t.station[i], t.latitude[i], t.longitude[i], t.offset[i], t.sigma[i])
        return replace(self, table=table, weight=weight)


Dataset: TypeAlias = Waveforms | Offsets


class Whitener:
    """Picks the samples of a data set that are fitted and divides them by the root of their covariance.

    Attributes
    ----------
    station_names : (n_rows,) station that each row comes from.
    expected : float
        What the squares of the rows of pure noise sum up to on average.
    independent : float
        Number of independent data: two for every cycle of the band, or what the covariance says.
    """

    def __init__(self, data: Dataset) -> None:
        self.mask = data.mask
        self.station_names = data.station[np.nonzero(self.mask)[0]]
        self._scale = self._diagonal(data)[self.mask]
        self._roots = _roots(data) if isinstance(data, Waveforms) and data.noise is not None else None
        self.expected = self.independent = float(len(self.station_names))
        if self._roots is not None:
            self.expected = self.independent = sum(freedom(root) for root in self._roots)
        elif isinstance(data, Waveforms):
            self.independent *= min(1.0, 2 * data.band.corner * data.records.dt * data.stride)

    def rows(self, table: Array) -> Array:
        """Whitened rows (n_rows, ...) of a table (n, 3[, n_times], ...)."""
        picked = table[self.mask]
        if self._roots is not None:
            parts = np.split(picked, np.cumsum([len(root) for root in self._roots])[:-1])
            picked = np.concatenate([whiten(root, p) for root, p in zip(self._roots, parts, strict=True)])
        return np.asarray(picked * self._scale.reshape(-1, *[1] * (picked.ndim - 1)))

    def _diagonal(self, data: Dataset) -> Array:
        shape = data.mask.shape
        table = np.broadcast_to(np.asarray(data.weight, float), shape[:2])
        if isinstance(data, Offsets):
            reach = data.model_error * np.linalg.norm(np.nan_to_num(data.observed), axis=1, keepdims=True)
            return table / np.hypot(np.nan_to_num(data.table.sigma, nan=1.0), reach)
        if data.sigma is not None:
            table = table / np.hypot(np.broadcast_to(data.sigma, shape[:2]), data.model_error * _peaks(data))
        return np.broadcast_to(table[..., None], shape)


def _peaks(data: Waveforms) -> Array:
    """Largest fitted sample of each trace (n, 3)."""
    return np.asarray(np.where(data.mask, np.abs(data.observed), 0.0).max(axis=-1))


def _roots(data: Waveforms) -> list[Array]:
    """Cholesky factors of the covariance of each trace that has samples, in the order of the rows."""
    assert data.noise is not None
    if isinstance(data.noise, Estimated):
        return _estimated_roots(data, data.noise)
    shape = data.mask.shape[:2]
    white, correlated, time = (np.broadcast_to(np.asarray(part, float), shape) for part in data.noise)
    peaks, known, roots = _peaks(data), {}, []
    for i, c in zip(*np.nonzero(data.mask.any(axis=-1)), strict=True):
        samples = data.mask[i, c]
        size = tuple(float(part[i, c]) for part in (white, correlated, time, data.model_error * peaks))
        key = (*size, samples.tobytes())
        if key not in known:
            known[key] = factor(_trace_covariance(data, size, np.flatnonzero(samples)))
        roots.append(known[key])
    return roots


def _estimated_roots(data: Waveforms, noise: Estimated) -> list[Array]:
    known: dict[tuple[int, bytes], Array] = {}
    roots = []
    for i, c in zip(*np.nonzero(data.mask.any(axis=-1)), strict=True):
        samples = np.flatnonzero(data.mask[i, c])
        key = (int(c), samples.tobytes())
        if key not in known:
            known[key] = factor(noise.correlation[c][np.abs(samples[:, None] - samples)])
        roots.append(np.sqrt(noise.variance[i, c]) * known[key])
    return roots


def _trace_covariance(data: Waveforms, size: Sequence[float], samples: NDArray[np.intp]) -> Array:
    """Covariance of one trace: filtered noise, and a model error as long as the filter rings."""
    white, correlated, time, model = size
    n = len(data.times) * data.stride
    noise = autocovariance((white, correlated, time), data.band, data.records.dt, n)
    lag = np.abs(samples[:, None] - samples) * data.stride
    return noise[lag] + model**2 * np.exp(-lag * data.records.dt / data.band.ringing)


def _prepare(data: Waveforms) -> tuple[Array, Mask, tuple[str, ...]]:
    """Filtered samples, which of them are fitted, and what was left out."""
    records = data.records
    offset = QUANTITIES[records.quantity] == 0
    quiet = np.broadcast_to(np.asarray(data.quiet, float), (len(records),))
    wanted = [COMPONENTS.index(c) for c in COMPONENTS if c in data.components]
    observed = np.full((len(records), 3, len(data.times)), np.nan)
    mask, dropped = np.zeros(observed.shape, bool), []
    refused = {(station, component): reason for station, component, reason in data.rejected}
    picks = np.searchsorted(records.t, data.times - 1e-6)
    weight = np.broadcast_to(np.asarray(data.weight, float), (len(records), 3))
    for i, name in enumerate(records.station):
        inside = _inside(data, i)
        for c in wanted:
            values, reason = _bridged(data, records.values[i, c], inside)
            reason = refused.get((str(name), COMPONENTS[c]), reason)
            if not reason and offset:
                rests = np.isfinite(records.values[i, c]) & (records.t < quiet[i])
                values, reason = _levelled(values, rests, quiet[i])
            used = (inside & _known(data, records.values[i, c]))[picks]
            if not reason and not used.any():
                reason = "its gaps leave nothing to fit"
            if reason:
                dropped.append(f"{name} {COMPONENTS[c]}: {reason}")
                continue
            observed[i, c] = filters.apply(data.band, values, records.dt, offset=offset)[picks]
            mask[i, c] = used & (weight[i, c] > 0)
    if not mask.any():
        raise ValueError(f"{data.name}: nothing is left to fit; " + "; ".join(dropped[:5]))
    return observed, mask, tuple(dropped)


def _inside(data: Waveforms, i: int) -> Mask:
    """Samples of a record that lie in the window of its station."""
    start, end = (np.broadcast_to(np.asarray(side, float), (len(data.records),))[i] for side in data.window)
    t = data.records.t
    return np.asarray((t >= start - 1e-6) & (t <= end + 1e-6))


def _bridged(data: Waveforms, values: Array, inside: Mask) -> tuple[Array, str]:
    """A record without gaps, by straight lines, or the reason why it cannot be used."""
    present = np.isfinite(values)
    if not (present & inside).any():
        return values, "no samples in the window"
    t, ring = data.records.t, data.band.ringing
    near = (t >= t[inside][0] - ring) & (t <= t[inside][-1] + ring)
    first, last = np.flatnonzero(present)[[0, -1]]
    near[:first] = near[last + 1 :] = False
    near |= inside
    gap = _longest_run(near & ~present) * data.records.dt
    if gap > data.max_gap:
        return values, f"a gap of {gap:g} s"
    return np.interp(t, t[present], values[present]), ""


def _known(data: Waveforms, values: Array) -> Mask:
    """Samples that are there and do not feel a bridge over a long gap."""
    present = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (~present).astype(int), [0]])))
    bridged = np.zeros(len(values))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        # Before the first sample and after the last one nothing is bridged.
        if begin > 0 and end < len(values) and (end - begin) * data.records.dt > BRIDGED:
            bridged[begin:end] = 1.0
    if not bridged.any():
        return np.asarray(present)
    return np.asarray(present & (signal.fftconvolve(bridged, _smear(data), mode="same") < SMEARED))


def _smear(data: Waveforms) -> Array:
    """Share of a filtered sample that comes from samples around it, sizes without signs."""
    reach = int(np.ceil(4 * data.band.ringing / data.records.dt))
    one = np.zeros(2 * reach + 1)
    one[reach] = 1.0
    size = np.abs(filters.apply(data.band, one, data.records.dt, offset=False))
    return np.asarray(size / size.sum())


def _levelled(values: Array, rests: Mask, quiet: float) -> tuple[Array, str]:
    """A displacement record less its mean before `quiet`."""
    if not rests.any():
        return values, f"no samples before {quiet:g} s, when it rests; set quiet to a later time"
    return values - values[rests].mean(), ""


def _longest_run(flags: Mask) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
