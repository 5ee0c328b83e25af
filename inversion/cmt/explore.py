"""The global stage of a search.

The best tensor at every place, depth and time within reach, at low frequencies.

At low frequencies the misfit has few and wide valleys. A hexagonal net of places, all depths of a place in
one sweep of the kernels and all times by moving them along the records find every valley for the price of a
few iterations of a search.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import tensor as tensors
from .data import Dataset, Offsets, Waveforms
from .filters import Array, Filter
from .forward import Field, Geometry
from .problem import Problem, places_of
from .source import Sources

SPACING = 24.0
"""Distance (km) of neighbouring places: a third of the shortest wave that is fitted."""

DEPTHS = (4.0, 9.0, 16.0, 26.0, 38.0, 53.0, 72.0, 95.0)
"""Depths (km) of the net, as far as the bounds allow them."""

STEP = 4.0
"""Time (s) between trials, about."""

STATIONS = 16
"""Stations at most that the net is computed for, spread over the network."""


class Valley(NamedTuple):
    """A local minimum of the misfit on the net.

    Attributes
    ----------
    sources : Sources
        One source with the best tensor there.
    misfit : float
        Squared residual over squared data, weighed by noise (see `dislok.inversion.cmt.balanced`).
    """

    sources: Sources
    misfit: float


def valleys(
    problem: Problem, start: Sources, reach: float, band: Filter | None, most: int = 4
) -> tuple[Valley, ...]:
    """Local minima of the misfit on a net around a start, the best first.

    Double couples are sought among tensors without trace.

    Parameters
    ----------
    problem : Problem
    start : Sources
        One source; what the problem holds stays as it is there.
    reach : float
        Radius (km) of the net.
    band : Filter or None
        Filter of the waveforms; None for their own.
    most : int
        Minima at most.
    """
    problem = problem if band is None else problem.filtered(band)
    east, north = _places(problem, start, reach)
    depth, time = _depths(problem, start), _times(problem, start)
    parts = [_Part(part, problem, start, time) for part in map(_thinned, problem.data)]
    misfit = np.empty((len(east), len(depth), len(time)))
    tensor = np.empty((*misfit.shape, 6))
    for i, (x, y) in enumerate(zip(east, north, strict=True)):
        column = Sources.at(x, y, depth, 0.0, float(start.duration[0]))
        misfit[i], tensor[i] = _solved([part.normal(column) for part in parts], problem.constraint)
    found = []
    for i, k in _minima(east, north, misfit.min(axis=-1))[:most]:
        m = int(np.argmin(misfit[i, k]))
        source = Sources.at(east[i], north[i], depth[k], time[m], float(start.duration[0]))
        found.append(Valley(source.with_tensor(tensor[i, k, m][None]), float(misfit[i, k, m])))
    return tuple(found)


class _Normal(NamedTuple):
    """Normal equations of one data set at (depths, times): (d, t, 6, 6), (d, t, 6), and squared data."""

    matrix: Array
    right: Array
    power: float


class _Part:
    """One data set, its traces weighed, and its kernels at all trial times."""

    def __init__(self, part: Dataset, problem: Problem, start: Sources, time: Array) -> None:
        self.part, self.problem = part, problem
        self.places = _geometry(part, problem)
        self.weight = _levels(part)
        data = np.where(part.mask, part.observed, 0.0)
        self.data = data * self.weight
        self.power = float((self.data**2).sum())
        self.count, self.times, self.back = len(time), None, np.zeros(len(time), int)
        if isinstance(part, Waveforms):
            step = part.stride * part.records.dt
            self.back = np.round(time / step).astype(int)
            begin, end = -self.back.max(), len(part.times) - self.back.min()
            self.times = part.times[0] + step * np.arange(begin, end)
            self.back = -self.back - begin

    def normal(self, column: Sources) -> _Normal:
        field = Field(
            self.part, self.places, self.problem.model, column, 1e-2, self.problem.stf, times=self.times
        )
        green, right = field.green(column), self.data.ravel()
        length, rows = self.data.shape[-1], self.data.size
        matrices, rights = [], []
        for first in self.back:
            moved = green[..., first : first + length, :] if self.times is not None else green
            design = (moved * self.weight[..., None]).reshape(len(green), rows, 6)
            matrices.append(np.swapaxes(design, 1, 2) @ design)
            rights.append(right @ design)
        return _Normal(np.stack(matrices, axis=1), np.stack(rights, axis=1), self.power)


def _solved(parts: list[_Normal], constraint: str) -> tuple[Array, Array]:
    """Misfit (d, t) and tensor (d, t, 6) of the sum of normal equations."""
    matrix, right = sum(part.matrix for part in parts), sum(part.right for part in parts)
    power = sum(part.power for part in parts)
    basis = tensors.tangents(np.zeros(6), "full" if constraint == "full" else "deviatoric")
    inner, target = basis.T @ matrix @ basis, right @ basis
    scale = np.sqrt(np.maximum(np.diagonal(inner, axis1=-2, axis2=-1), np.finfo(float).tiny))
    inner = inner / (scale[..., :, None] * scale[..., None, :]) + 1e-8 * np.eye(basis.shape[1])
    weights = np.linalg.solve(inner, (target / scale)[..., None])[..., 0] / scale
    misfit = 1 - (weights * target).sum(axis=-1) / power
    return misfit, weights @ basis.T


def _places(problem: Problem, start: Sources, reach: float) -> tuple[Array, Array]:
    """Hexagonal net within reach of the start and within bounds; one point where a coordinate is held."""
    rows = int(reach / (SPACING * np.sqrt(0.75)))
    columns = int(reach / SPACING) + 1
    j, i = np.meshgrid(np.arange(-rows, rows + 1), np.arange(-columns, columns + 1))
    x, y = SPACING * (i + 0.5 * (j % 2)), SPACING * np.sqrt(0.75) * j
    inside = np.hypot(x, y) <= reach + 1e-9
    places = np.stack([x[inside], y[inside]], axis=1)
    for axis, name in enumerate(("east", "north")):
        low, high = problem.bounds[name]
        free = name in problem.unknowns
        places[:, axis] = getattr(start, name)[0] + (places[:, axis] if free else 0.0)
        if free:
            places[:, axis] = np.clip(places[:, axis], low, high)
    east, north = np.unique(places, axis=0).T
    return east, north


def _depths(problem: Problem, start: Sources) -> Array:
    if "depth" not in problem.unknowns:
        return start.depth[:1]
    low, high = problem.bounds["depth"]
    inside = [depth for depth in DEPTHS if low <= depth <= high]
    return np.array(inside or [float(np.clip(start.depth[0], low, high))])


def _times(problem: Problem, start: Sources) -> Array:
    if "time" not in problem.unknowns:
        return start.time[:1]
    low, high = problem.bounds["time"]
    return np.linspace(low, high, int(np.ceil((high - low) / STEP)) + 1)


def _thinned(part: Dataset) -> Dataset:
    """A data set with at most `STATIONS` stations, each as far from those before it as can be."""
    used = np.flatnonzero(part.mask.reshape(len(part.station), -1).any(axis=1))
    table = part.table if isinstance(part, Offsets) else part.records
    longitude = np.unwrap(table.longitude, period=360)
    x = np.stack([table.latitude, longitude * np.cos(np.deg2rad(table.latitude.mean()))], axis=1)[used]
    if len(used) <= STATIONS:
        return part if len(used) == len(part.station) else part.select(used)
    chosen = [0]
    away = np.hypot(*(x - x[0]).T)
    while len(chosen) < STATIONS:
        chosen.append(int(np.argmax(away)))
        away = np.minimum(away, np.hypot(*(x - x[chosen[-1]]).T))
    return part.select(used[np.sort(chosen)])


def _geometry(part: Dataset, problem: Problem) -> Geometry:
    return places_of(part, problem.origin)


def _levels(part: Dataset) -> Array:
    """Factors of the shape of the mask that bring traces or offsets to the size of their errors."""
    from .quality import levels

    if isinstance(part, Offsets):
        return np.asarray(part.mask / np.nan_to_num(part.table.sigma, nan=1.0) / np.sqrt(part.mask.sum()))
    weight = np.broadcast_to(np.asarray(part.weight, float), part.mask.shape[:2])
    if np.ptp(weight[part.mask.any(axis=-1)]) == 0:
        weight = weight * levels(part)
    return np.asarray(weight[..., None] * part.mask)


def _minima(east: Array, north: Array, misfit: Array) -> list[tuple[int, int]]:
    """Points (place, depth) of the net with no better neighbour, the best first."""
    near = np.hypot(east[:, None] - east, north[:, None] - north) < 1.2 * SPACING
    across = np.stack([np.where(near, column, np.inf).min(axis=1) for column in misfit.T], axis=1)
    padded = np.pad(across, ((0, 0), (1, 1)), constant_values=np.inf)
    around = np.minimum(np.minimum(padded[:, :-2], padded[:, 2:]), across)
    lowest = [(int(i), int(k)) for i, k in np.argwhere(misfit <= around)]
    return sorted(lowest, key=lambda point: float(misfit[point]))
