"""Tables of elementary seismograms over distance and depth: computed once, interpolated ever after.

A table holds the records of all wavenumber integrals at every distance and depth, with their derivatives
along both, so that bicubic Hermite interpolation has an error of fourth order and can itself be
differentiated. The error is measured between the nodes when a table is made. Tables are Zarr groups: only the
depths that a call needs are read.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from dislok import __version__, foreign, propagator
from dislok import gate as gates
from dislok.arrays import Array, ArrayLike, Record
from dislok.foreign import zarr_array
from dislok.kernels.propagator import integrals, timeseries
from dislok.kernels.propagator.stack import build
from dislok.layers import PROPERTIES, LayeredModel
from dislok.motion import Problem, RecordPlan, Wanted, combined
from dislok.propagator import PointSource, Stations
from dislok.stf import SourceTimeFunction, Spectrum
from dislok.store import Pieces, fingerprint, writing

__all__ = ["GreensTable", "greens_table"]

# Sources closer than this to an interface count as on it (km).
_NUDGE = 1e-6
_VERSION = 1
# Interpolated places at which a new table is tried.
_TRIALS = 24
# Depths that are computed and kept together.
_TOGETHER = 16


@dataclass(frozen=True)
class GreensTable:
    """An opened table.

    Attributes
    ----------
    distances, depths : array
        Nodes (km); depths next to an interface come twice, on both sides of it.
    times : array, shape (n,)
        Seconds.
    error : float
        Largest error of interpolation found between nodes, rms relative to the strongest elementary
        seismogram there.
    """

    records: Array
    distances: np.ndarray
    depths: np.ndarray
    times: np.ndarray
    receiver: float
    accuracy: float
    error: float

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> GreensTable:
        """Open a table that `greens_table` has written."""
        gates.path()("path", path)
        if not Path(path).is_dir():
            raise FileNotFoundError(f"{path}: no such table")
        group = _zarr().open_group(str(path), mode="r")
        attributes = dict(group.attrs)
        if attributes.get("dislok_table") != _VERSION:
            raise ValueError(f"{path} is no table of seismograms of this version of dislok")
        distances, depths, times = (
            np.asarray(zarr_array(group, name)[:]) for name in ("distances", "depths", "times")
        )
        receiver, accuracy, error = (float(attributes[name]) for name in ("receiver", "accuracy", "error"))
        return cls(zarr_array(group, "records"), distances, depths, times, receiver, accuracy, error)

    def kernels(
        self, source: PointSource, stations: Stations, *, moment: bool = True, location: bool = True
    ) -> propagator.Kernels:
        """Kernels as `dislok.propagator.kernels` computes them, by interpolation.

        The derivative with respect to time is that of the band-limited record, less good at its ends. Source
        times must be zero.

        Raises
        ------
        ValueError
            If a distance or depth lies outside of the table.
        """
        wanted = Wanted(moment=moment, location=location)
        problem = propagator.checked(LayeredModel([np.inf], [2.0], [1.0], [1.0]), source, stations, wanted)
        self._check(problem, stations)
        values = np.stack(
            [self._interpolated(d, r) for d, r in zip(problem.depth, problem.ray.distance, strict=True)]
        )
        motion = combined(problem, problem.everything, values, wanted)
        place = motion.place
        if place is not None:
            rate = _rate(motion.seismogram, float(self.times[1] - self.times[0]))
            place = np.concatenate([place, -rate[:, :, None]], axis=2)
        fields = [
            None if f is None else f.reshape(*problem.shape, *f.shape[1:])
            for f in (motion.seismogram, motion.moment, None, place)
        ]
        return propagator.Kernels._make([self.times, *fields, None, self.accuracy + self.error])

    def _check(self, problem: Problem, stations: Stations) -> None:
        if problem.engine.space is not None:
            raise ValueError("a table is on the CPU, but the inputs are CUDA arrays")
        if np.any(problem.time != 0.0):
            raise ValueError("a table has no time shifts: source.time must be 0")
        if stations.depth is not None and stations.depth != self.receiver:
            raise ValueError(f"the table is for stations at {self.receiver:g} km, got {stations.depth:g}")
        if problem.force:
            raise ValueError("a table holds no single forces")
        ranges = (("distance", problem.ray.distance, self.distances), ("depth", problem.depth, self.depths))
        for name, values, nodes in ranges:
            outside = values[(values < nodes[0]) | (values > nodes[-1])]
            if len(outside):
                raise ValueError(
                    f"the table has {name}s from {nodes[0]:g} to {nodes[-1]:g} km, got {outside.flat[0]:g}"
                )

    def _interpolated(self, depth: float, distance: np.ndarray) -> np.ndarray:
        """Records of one source (stations, columns, J or J', value or depth derivative, n)."""
        i = int(np.clip(np.searchsorted(self.depths, depth, side="right") - 1, 0, len(self.depths) - 2))
        j = np.clip(np.searchsorted(self.distances, distance, side="right") - 1, 0, len(self.distances) - 2)
        # [depth node, distance node, J or J', value or depth derivative, column, n]
        rows = np.asarray(self.records[i : i + 2])
        corners = np.stack([rows[:, j], rows[:, j + 1]], axis=1)
        in_depth = _hermite(depth, self.depths[i], self.depths[i + 1])
        in_distance = _hermite(distance, self.distances[j], self.distances[j + 1])
        # in_*: [value or slope of the result, node, value or slope at the node(, station)]
        return np.einsum("dae,pbqs,absqect->scpdt", in_depth, in_distance, corners, optimize=True)


def _rate(records: np.ndarray, dt: float) -> np.ndarray:
    """Derivative of records (..., n) with time, after they are continued by reflection at both ends."""
    n = records.shape[-1]
    back = records[..., ::-1]
    first, last = records[..., :1], records[..., -1:]
    long = np.concatenate([2.0 * first - back[..., :-1], records, 2.0 * last - back[..., 1:]], axis=-1)
    step = (long[..., -1:] - long[..., :1]) / (long.shape[-1] - 1)
    level = long - step * np.arange(long.shape[-1])
    spectrum = np.fft.rfft(level[..., :-1])
    omega = 2.0 * np.pi * np.fft.rfftfreq(long.shape[-1] - 1, dt)
    slope = np.fft.irfft(1j * omega * spectrum, long.shape[-1] - 1) + step / dt
    return slope[..., n - 1 : 2 * n - 1]


def _hermite(x: ArrayLike, left: ArrayLike, right: ArrayLike) -> np.ndarray:
    """Weights of values and slopes at two nodes, for the value and the slope at x: (2, node, 2, ...)."""
    step = right - left
    t = (x - left) / step
    value = [
        [(1 + 2 * t) * (1 - t) ** 2, t * (1 - t) ** 2 * step],
        [t * t * (3 - 2 * t), -t * t * (1 - t) * step],
    ]
    slope = [
        [-6 * t * (1 - t) / step, (1 - t) * (1 - 3 * t)],
        [6 * t * (1 - t) / step, -t * (2 - 3 * t)],
    ]
    return np.array([value, slope])


@gates.gate(
    path=gates.path(),
    model=gates.instance(LayeredModel),
    dt=gates.number(above=0),
    n=gates.count(2),
    start=gates.number(),
    accuracy=gates.number(above=0, below=1),
    interpolation=gates.number(above=0),
    receiver=gates.optional(gates.number()),
    lowpass=gates.optional(gates.pair(gates.number(least=0), rising=True)),
    quantity=gates.choice("displacement", "velocity", "acceleration"),
    distances=gates.real(None),
    depths=gates.real(None),
)
def greens_table(
    path: str | os.PathLike[str],
    model: LayeredModel,
    distances: ArrayLike,
    depths: ArrayLike,
    dt: float,
    n: int,
    *,
    start: float = 0.0,
    stf: SourceTimeFunction | Spectrum | None = None,
    lowpass: tuple[float, float] | None = None,
    quantity: str = "displacement",
    receiver: float | None = None,
    accuracy: float = 1e-3,
    interpolation: float = 1e-2,
) -> GreensTable:
    """Compute a table of elementary seismograms and write it as a Zarr group.

    Parameters
    ----------
    path : path
        Folder of the group; it must not exist.
    model : LayeredModel
    distances, depths : array_like
        Rising nodes (km). A distance step of a tenth of the shortest wavelength is usually enough.
    receiver : float, optional
        Depth of the stations (km); by default the ground.
    interpolation : float
        Error allowed between nodes, rms relative to the strongest elementary seismogram at the same place.
    dt, n, start, stf, lowpass, quantity, accuracy
        As of :func:`dislok.propagator.kernels`.

    Returns
    -------
    GreensTable

    Notes
    -----
    What is computed is kept in a folder beside the table, its name with ``.part``, until the table is
    complete: the same call goes on where an interrupted one was.

    Raises
    ------
    FileExistsError
        If there is something at `path`.
    ValueError
        If the interpolation is not good enough: the nodes must be closer. Nothing is written then.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists")
    foreign.installed("zarr", "tables of seismograms need Zarr", "scale")
    propagator._check_record(dt, n, start, lowpass, quantity, accuracy)
    ground = model.receiver_depth
    receiver = ground if receiver is None else float(receiver)
    distances, depths = _nodes("distances", distances), _nodes("depths", depths)
    nodes = _both_sides(depths, model.interfaces)
    moment = np.ones(6)
    places = propagator.Stations(distances, np.zeros_like(distances), receiver)
    problem = propagator.checked(model, propagator.PointSource(0.0, 0.0, nodes, moment), places, Wanted())
    record = propagator.record_plan(problem, dt, n, start, stf, lowpass, quantity, accuracy)
    draft = path.with_name(f"{path.name}.part")
    facts = (model, receiver, nodes, distances, dt, n, record.plan.omega, record.factor, record.plan.matrix)
    pieces = Pieces(draft, fingerprint(__version__, "greens_table", *facts), others="forget")
    rows = _records(problem, record, nodes, distances, pieces)
    times = start + dt * np.arange(n)
    table = GreensTable(rows, distances, nodes, times, receiver, record.plan.error, np.nan)
    error = _trial(table, problem, record)
    if error > interpolation:
        shutil.rmtree(draft)
        raise ValueError(
            f"interpolation between these nodes has errors up to {error:.2g}, more than {interpolation:g}:"
            " take closer distances or depths"
        )
    attributes = {
        "dislok_table": _VERSION,
        "receiver": receiver,
        "accuracy": record.plan.error,
        "error": error,
        "quantity": quantity,
        "lowpass": None if lowpass is None else list(lowpass),
        "columns": [f"{name} J{order}" for order, name in integrals.names(False)],
        "model": {
            name: getattr(model.layers(), name).tolist()[: None if name != "thickness" else -1]
            for name in PROPERTIES
        },
    }
    _write(path, {"records": rows, "distances": distances, "depths": nodes, "times": times}, attributes)
    shutil.rmtree(draft)
    return GreensTable.open(path)


def _records(
    problem: Problem, record: RecordPlan, depths: np.ndarray, distances: np.ndarray, kept: Pieces
) -> np.ndarray:
    """Records (depths, distances, J or J', value or depth derivative, columns, n).

    Depths on one side of the receiver go through one sweep, in pieces that fit into memory and are kept.
    """
    held = problem.engine.held // (len(distances) * len(record.plan.omega) * 40)
    many = max(1, min(held, _TOGETHER))
    sides = np.split(depths, [int(np.searchsorted(depths, problem.receiver))])
    pieces = [side[i : i + many] for side in sides for i in range(0, len(side), many)]
    return np.concatenate(
        [
            kept.keep(
                f"depths-{k}",
                lambda piece=piece: {"records": _sweep(problem, record, piece, distances)},  # type: ignore[misc]
            )["records"]
            for k, piece in enumerate(pieces)
        ]
    )


def _sweep(problem: Problem, record: RecordPlan, depths: np.ndarray, distances: np.ndarray) -> np.ndarray:
    grid, omega = record.plan.grid, record.plan.omega
    nearest = np.maximum(distances, 1e-6 * np.abs(depths - problem.receiver).min())
    paths = build(problem.layers, problem.receiver, depths)
    spectra = integrals.integrate(
        problem.layers, paths, omega, grid, integrals.bessel_tables(grid, nearest[None])
    )
    return timeseries.records(
        np.ascontiguousarray(spectra.transpose(3, 4, 1, 2, 0, 5)) * record.factor, record.plan.matrix
    )


def _trial(table: GreensTable, problem: Problem, record: RecordPlan) -> float:
    """Largest error of interpolation at places in the middle of cells, spread over the table."""
    cells = np.flatnonzero(np.diff(table.depths) > 4.0 * _NUDGE)  # not those across an interface
    cells = cells[np.unique(np.linspace(0, len(cells) - 1, min(_TRIALS, len(cells))).astype(int))]
    depths = 0.5 * (table.depths[cells] + table.depths[cells + 1])
    middles = 0.5 * (table.distances[1:] + table.distances[:-1])
    truth = _records(problem, record, depths, middles, Pieces(None, ""))[:, :, 0, 0]
    got = np.stack([table._interpolated(depth, middles)[:, :, 0, 0] for depth in depths])
    error = np.sqrt(np.mean((got - truth) ** 2, axis=-1)).max(axis=-1)
    return float((error / np.sqrt(np.mean(truth**2, axis=-1)).max(axis=-1)).max())


def _nodes(name: str, values: ArrayLike) -> np.ndarray:
    nodes = np.asarray(values, dtype=np.float64)
    if nodes.ndim != 1 or len(nodes) < 2 or not np.isfinite(nodes).all() or not (np.diff(nodes) > 0.0).all():
        raise ValueError(f"{name} must be at least two rising finite numbers")
    if name == "distances" and nodes[0] < 0.0:
        raise ValueError(f"distances must not be negative, got {nodes[0]:g}")
    return nodes


def _both_sides(depths: np.ndarray, interfaces: np.ndarray) -> np.ndarray:
    """Depths with a node on either side of every interface between them: kernels jump there."""
    inside = interfaces[(interfaces > depths[0] + _NUDGE) & (interfaces < depths[-1] - _NUDGE)]
    away = [d for d in depths if not len(inside) or np.abs(inside - d).min() > _NUDGE]
    return np.unique(np.concatenate([away, inside - _NUDGE, inside + _NUDGE]))


def _write(path: Path, arrays: dict[str, np.ndarray], attributes: Record) -> None:
    """Write a Zarr group, which appears when it is complete."""
    with writing(path) as draft:
        group = _zarr().open_group(str(draft), mode="w")
        for name, values in arrays.items():
            chunks = (1, *values.shape[1:]) if name == "records" else values.shape
            codecs = _zarr().codecs
            array = group.create_array(
                name, shape=values.shape, chunks=chunks, dtype=values.dtype, fill_value=np.nan,
                compressors=[codecs.ZstdCodec(), codecs.Crc32cCodec()],
            )  # fmt: skip
            array[:] = values
        group.attrs.update(attributes)


def _zarr() -> ModuleType:
    return foreign.installed("zarr", "tables of seismograms need Zarr", "scale")
