"""The work of `dislok.propagator` once a call is checked: integrals, motion from them, and records.

All of it runs on the CPU or on a CUDA device, with NumPy or CuPy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dislok import arrays, backends, geodesics
from dislok.arrays import Array, ArrayLike, Record
from dislok.kernels.names import Namespace
from dislok.kernels.propagator import bessel, integrals, plan, radiation, timeseries
from dislok.kernels.propagator.quadrature import Extent
from dislok.kernels.propagator.stack import Layers, build
from dislok.kernels.propagator.truncation import Grid, needed

# Moment in N m and km, km/s, g/cm³ inside give metres times this; forces have one km less.
_UNITS = np.repeat([1e-15, 1e-12], [6, 3])

# Numbers of Bessel functions that are held at once (32 MB; what makes them takes several times that).
TABLES = 1 << 22
# And of one source at most; its stations are parted beyond that, though each part costs a sweep.
MOST_TABLES = 1 << 24


class Engine(NamedTuple):
    """The means by which a call is computed.

    `xp` is NumPy or CuPy, `integrate` sums over wavenumber, `space` is that of the caller's CUDA arrays (None
    on the CPU), `held` how many complex numbers may be held at once, `depths` how many depths may share a
    sweep.
    """

    xp: Namespace
    special: Namespace
    integrate: Callable[..., Array]
    space: arrays.Space | None
    held: int
    depths: int

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Follow torch's current stream, where the caller's arrays are torch's."""
        if not isinstance(self.space, arrays.TorchSpace):
            yield
            return
        stream = self.xp.cuda.Stream.from_external(self.space.torch.cuda.current_stream(self.space.device))
        with self.xp.cuda.Device(self.space.device.index), stream:
            yield

    def export(self, array: Array) -> Array:
        """A result as an array of the caller's kind; without a copy."""
        if array is None or not isinstance(self.space, arrays.TorchSpace):
            return array
        return self.space.torch.from_dlpack(array)

    def gathered(self, parts: Sequence[Array], order: np.ndarray) -> Array:
        """Arrays joined along their last axis, whose elements are then taken in this order."""
        xp = self.space.torch if isinstance(self.space, arrays.TorchSpace) else self.xp
        return parts[0] if len(parts) == 1 else xp.concatenate(list(parts), axis=-1)[..., order.tolist()]


def engine(inputs: Record, backend: str | None) -> Engine:
    """The engine for these inputs: that of their device.

    Raises
    ------
    ValueError, TypeError, ImportError
        If the backend is unknown, cannot serve these arrays or lacks a package, or if the inputs mix kinds of
        arrays.
    """
    given = {name: value for name, value in inputs.items() if value is not None}
    if not any(map(_on_device, given.values())):
        backends.select("numpy", False, backend)
        return Engine(np, bessel, integrals.integrate, None, held=4_000_000, depths=1_000_000)
    space = arrays.guard(given).space
    kernels = backends.load(backends.select(space.framework, space.on_cuda, backend), "propagator")
    import cupy as xp
    import cupyx.scipy.special as special

    # A thread goes from the ends of the stack to one source, through every piece between the others' depths.
    return Engine(xp, special, kernels.integrate, space, held=32_000_000, depths=16)


def _on_device(value: ArrayLike) -> bool:
    return bool(value.is_cuda) if arrays.is_tensor(value) else hasattr(value, "__cuda_array_interface__")


class Problem(NamedTuple):
    """The arrays of a call, on the host: sources in a row (s,), stations, rays (s, n_stations)."""

    layers: Layers
    shape: tuple[int, ...]
    depth: np.ndarray
    time: np.ndarray
    strength: np.ndarray | None
    receiver: float
    ray: geodesics.Ray
    force: bool
    engine: Engine

    @property
    def everything(self) -> np.ndarray:
        """Numbers of all sources."""
        return np.arange(len(self.depth))

    @property
    def extent(self) -> Extent:
        """The class of similar problems that this one belongs to."""
        offsets, distance = np.abs(self.depth - self.receiver), self.ray.distance
        return plan.rounded(Extent(offsets.min(), offsets.max(), distance.max(), distance.min()))

    def need_strength(self, what: str) -> None:
        """Raise an error where there is no moment or force to multiply with."""
        if self.strength is None:
            raise ValueError(f"{what} a source with a moment or a force")

    def chunks(self, n_omega: int) -> list[np.ndarray]:
        """Numbers of the sources, sorted by depth, in pieces whose integrals fit into memory."""
        order = np.argsort(self.depth, kind="stable")
        columns = 15 if self.force else 10
        # integrals, and the three patterns of radiation that they are combined with
        per_station = 4 * columns * n_omega + 3 * 3 * radiation.ELEMENTS * columns // 2
        per_source = self.ray.distance.shape[1] * per_station
        pieces = max(1, -(-len(order) * per_source // self.engine.held))
        return np.array_split(order, min(pieces, len(order)))


def evaluate(
    problem: Problem, omega: np.ndarray, grid: Grid, finish: Callable[[Array, np.ndarray], Sequence[Array]]
) -> list[Array]:
    """Fields of all sources, in the caller's order and shape.

    ``finish(values, chosen)`` makes them, or None, from the integrals of some sources.
    """
    chunks = problem.chunks(len(omega))
    with problem.engine.current():
        pieces = [finish(integrate(problem, chosen, omega, grid), chosen) for chosen in chunks]
        order = np.argsort(np.concatenate(chunks))
        joined = [_joined(parts, order, problem) for parts in zip(*pieces, strict=True)]
        return [problem.engine.export(field) for field in joined]


def _joined(parts: Sequence[Array], order: np.ndarray, problem: Problem) -> Array:
    """The pieces of a field for all sources."""
    if parts[0] is None:
        return None
    xp = problem.engine.xp
    whole = parts[0] if len(parts) == 1 else xp.concatenate(parts)
    if not (order[:-1] < order[1:]).all():
        whole = whole[xp.asarray(order)]
    return whole.reshape(*problem.shape, *whole.shape[1:])


def integrate(
    problem: Problem, chosen: np.ndarray, omega: np.ndarray, whole: Grid, direction: Layers | None = None
) -> Array:
    """Integrals of some sources: (sources, stations, columns, J or J', value or depth derivative, omega)."""
    xp, special = problem.engine.xp, problem.engine.special
    along = {} if direction is None else {"direction": direction}
    depth, result = problem.depth[chosen], None
    stations = problem.ray.distance.shape[1]
    for members in _in_memory(
        _sweeps(depth, problem.receiver, problem.engine.depths), problem, chosen, whole
    ):
        depths = depth[members[:, 0]]
        grid = needed(whole, float(np.abs(depths - problem.receiver).min()))
        distances = problem.ray.distance[chosen[members]].reshape(len(depths), -1)
        # a distance of zero is a removable singularity
        distances = np.maximum(distances, 1e-6 * np.abs(depths - problem.receiver)[:, None])
        if (distances == distances[0]).all():
            distances = distances[:1]
        paths = build(problem.layers, problem.receiver, depths)
        pieces = -(-8 * distances.size * len(grid.k) // MOST_TABLES)
        parts = []
        for some in np.array_split(distances, min(max(pieces, 1), distances.shape[1]), axis=1):
            tables = integrals.bessel_tables(grid, some, xp, special)
            parts.append(
                problem.engine.integrate(
                    problem.layers, paths, omega, grid, tables, force=problem.force, **along
                )
            )
        part = parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=4)
        part = part.transpose(3, 4, 0, 1, 2, 5).reshape(*members.shape, stations, *part.shape[:3], -1)
        if result is None:
            result = xp.empty((len(chosen), *part.shape[2:]), dtype=complex)
        result[xp.asarray(members)] = part
    return result


def _in_memory(
    sweeps: Iterator[np.ndarray], problem: Problem, chosen: np.ndarray, grid: Grid
) -> Iterator[np.ndarray]:
    """Sweeps in parts whose Bessel functions fit into memory: sources at other distances need their own."""
    for members in sweeps:
        distances = problem.ray.distance[chosen[members]].reshape(len(members), -1)
        same = (distances == distances[0]).all()
        one = 8 * distances.shape[1] * len(grid.k)  # numbers for a depth
        most = len(members) if same else max(1, TABLES // one)
        yield from np.array_split(members, -(-len(members) // most))


def _sweeps(depth: np.ndarray, receiver: float, most: int) -> Iterator[np.ndarray]:
    """Sources that share a sweep, by rows of equal depth (depths, members).

    They lie on one side of the receiver, at no more than `most` depths, of which each occurs as often.
    """
    for side in (1.0, -1.0):
        for group in _same_count(depth, np.flatnonzero(side * (depth - receiver) > 0.0)):
            members = group.reshape(len(np.unique(depth[group])), -1)
            yield from np.array_split(members, -(-len(members) // most))


def _same_count(depth: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    """Members sorted by depth, in groups in which every depth occurs as often."""
    if not len(members):
        return []
    members = members[np.argsort(depth[members], kind="stable")]
    _, starts, counts = np.unique(depth[members], return_index=True, return_counts=True)
    groups = []
    for count in np.unique(counts):
        groups.append(np.concatenate([members[s : s + count] for s in starts[counts == count]]))
    return groups


class Motion(NamedTuple):
    """Spectra or records of some sources, None for what was not asked.

    `place`: derivatives with respect to x, y and depth, where `finished` to time as well.
    """

    seismogram: Array
    moment: Array
    force: Array
    place: Array


class Wanted(NamedTuple):
    """Which kernels are asked for."""

    moment: bool = False
    force: bool = False
    location: bool = False


def combined(problem: Problem, chosen: np.ndarray, values: Array, wanted: Wanted) -> Motion:
    """Motion from integrals: both are spectra, or both are records."""
    xp = problem.engine.xp
    ray = geodesics.Ray(*(xp.asarray(part[chosen]) for part in problem.ray))
    pattern, by_phi, by_turn = (
        p * xp.asarray(_UNITS)[:, None]
        for p in radiation.patterns(integrals.names(problem.force), ray.phi, ray.turn, xp)
    )
    value, elements = values[:, :, :, 0, 0], xp.swapaxes(pattern, 2, 3)
    of_moment = _product(xp, elements[:, :, :6], value) if wanted.moment else None
    of_force = _product(xp, elements[:, :, 6:], value) if wanted.force else None
    if problem.strength is None:
        return Motion(None, of_moment, of_force, None)
    strength = xp.asarray(problem.strength[chosen])
    whole, turned, rotated = (xp.einsum("sncem,se->sncm", p, strength) for p in (pattern, by_phi, by_turn))
    seismogram = _product(xp, whole, value)
    if not wanted.location:
        return Motion(seismogram, of_moment, of_force, None)
    least = xp.asarray(1e-6 * np.abs(problem.depth[chosen] - problem.receiver))
    distance = xp.maximum(ray.distance, least[:, None])
    slopes = (
        (_product(xp, whole, values[:, :, :, 1, 0]), ray.d_distance),
        (_product(xp, turned, value / distance[:, :, None, None]), ray.r_d_phi),
        (_product(xp, rotated, value), ray.d_turn),
    )
    horizontal = sum(slope[:, :, None] * rate[..., None, None] for slope, rate in slopes)
    deeper = _product(xp, whole, values[:, :, :, 0, 1])[:, :, None]
    return Motion(seismogram, of_moment, of_force, xp.concatenate([horizontal, deeper], axis=2))


def _product(xp: Namespace, coefficients: Array, parts: Array) -> Array:
    """(s, n, ..., columns) times (s, n, columns, omega or time)."""
    inner = coefficients.reshape(*coefficients.shape[:2], -1, coefficients.shape[-1])
    product = inner @ xp.ascontiguousarray(parts).view(np.float64)
    return product.view(parts.dtype).reshape(*coefficients.shape[:-1], parts.shape[-1])


class RecordPlan(NamedTuple):
    """A plan, and the spectrum of filter and time function together.

    `by_duration` is that of their derivative with respect to the half-duration, or None.
    """

    plan: plan.Plan
    factor: np.ndarray
    longer: np.ndarray | None


def recorded(problem: Problem, chosen: np.ndarray, motion: Motion, record: RecordPlan) -> list[Array]:
    """Records of spectra: the five arrays of `Kernels` from the seismogram on."""
    made = record.plan
    return delayed(problem, chosen, motion, made.omega, record.factor, record.longer, made.matrix)


def delayed(
    problem: Problem,
    chosen: np.ndarray,
    motion: Motion,
    omega: np.ndarray,
    factor: np.ndarray | float = 1.0,
    longer: np.ndarray | None = None,
    transform: np.ndarray | None = None,
) -> list[Array]:
    """Spectra times `factor`, late by the sources' times, or their records where there is a transform.

    The fields of `Motion`, the place's with the derivative with respect to time, and the seismogram times
    `longer`.
    """
    xp = problem.engine.xp
    late = np.exp(-1j * omega * problem.time[chosen, None])
    to_time = None if transform is None else xp.asarray(transform)

    def made(spectra: Array, by: np.ndarray | float | None) -> Array:
        if spectra is None or by is None:
            return None
        product = spectra * xp.asarray((by * late).reshape(len(late), *(1,) * (spectra.ndim - 2), -1))
        return product if to_time is None else timeseries.records(product, to_time)

    fields = [made(spectra, factor) for spectra in motion]
    if motion.place is not None:
        later = made(motion.seismogram, factor * (-1j * omega))
        fields[3] = xp.concatenate([fields[3], later[:, :, None]], axis=2)
    return [*fields, made(motion.seismogram, longer)]
