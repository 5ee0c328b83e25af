"""Complete seismograms and static offsets in a layered half-space, and their derivatives.

A point source at any depth, with a moment tensor, a single force or both, moves stations at one depth. One
computation serves all stations, all elements of the source and all derivatives; sources at many depths share
it too. The method is that of O'Toole & Woodhouse (2011) and O'Toole, Valentine & Woodhouse (2012), in a form
that holds at every frequency including zero.

Units: km, km/s, g/cm³ and s for the model and the geometry, N m and N for the source, metres (m/s, m/s²) for
the motion. Results have components east, north and up. Depth is positive down. Moment tensors are six numbers
xx, yy, zz, xy, xz, yz with x east, y north, z up; derivatives with an off-diagonal element count it twice, as
the symmetric tensor has it.

References
----------
O'Toole, T. B. & Woodhouse, J. H. (2011). Numerically stable computation of complete synthetic seismograms
including the static displacement in plane layered media. Geophys. J. Int. 187, 1516-1536.

O'Toole, T. B., Valentine, A. P. & Woodhouse, J. H. (2012). Centroid-moment tensor inversions using high-rate
GPS waveforms. Geophys. J. Int. 191, 257-270.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dislok import geodesics
from dislok.kernels.propagator import integrals, plan, radiation, timeseries
from dislok.kernels.propagator.plan import PlanError
from dislok.kernels.propagator.quadrature import Extent
from dislok.kernels.propagator.stack import Layers, build
from dislok.layers import LayeredModel
from dislok.stf import Impulse

__all__ = [
    "Kernels",
    "LayeredModel",
    "PlanError",
    "PointSource",
    "SpectralKernels",
    "Stations",
    "excitation_kernels",
    "kernels",
    "layer_kernels",
    "location_kernels",
    "seismograms",
    "spectra",
    "spectral_kernels",
    "static_kernels",
    "static_layer_kernels",
    "statics",
]

ELEMENTS = ("xx", "yy", "zz", "xy", "xz", "yz")
_QUANTITIES = ("displacement", "velocity", "acceleration")
# Moment in N m and km, km/s, g/cm³ inside give metres times this; forces have one km less.
_MOMENT_UNIT, _FORCE_UNIT = 1e-15, 1e-12
# Numbers of the integrals held at once (complex, 16 bytes each).
_CHUNK = 4_000_000


class PointSource(NamedTuple):
    """Point sources whose position and time broadcast against each other to a shape S.

    Parameters
    ----------
    x, y : array_like
        East and north (km), or longitude and latitude (degrees) with stations in geographic coordinates.
    depth : array_like
        Depth (km), positive down.
    moment : array_like, shape (6,), (3, 3), S + (6,) or S + (3, 3), optional
        Moment tensor (N m).
    force : array_like, shape (3,) or S + (3,), optional
        Force east, north, up (N).
    time : array_like
        Seconds by which all motion is late: the centroid time.
    """

    x: Any
    y: Any
    depth: Any
    moment: Any = None
    force: Any = None
    time: Any = 0.0


class Stations(NamedTuple):
    """Where motion is wanted.

    Parameters
    ----------
    x, y : array_like, shape (n_stations,)
        East and north (km), or longitude and latitude (degrees).
    depth : float, optional
        One depth for all stations (km); by default the surface, or the sea floor.
    geometry : {"cartesian", "geographic"}
        Geographic coordinates are those of WGS84.
    """

    x: Any
    y: Any
    depth: float | None = None
    geometry: str = "cartesian"


class Kernels(NamedTuple):
    """Motion and its derivatives; fields that were not asked for are None.

    Static kernels and spectra have no `times`, and the last axis is left out or that of the frequencies.
    """

    times: Any
    """(n,): seconds after the reference time."""
    seismogram: Any
    """S + (n_stations, 3, n): motion that the source's moment and force make."""
    moment: Any
    """S + (n_stations, 6, 3, n): per N m of each element of the moment tensor."""
    force: Any
    """S + (n_stations, 3, 3, n): per N of force east, north, up."""
    location: Any
    """S + (n_stations, 4, 3, n): derivative of `seismogram` with x, y, depth (per km, or x and y per degree)
    and time (per s)."""
    duration: Any
    """S + (n_stations, 3, n): derivative of `seismogram` with the half-duration of the time function."""
    accuracy: float
    """Estimated error, relative to the strongest motion at a station; derivatives may have five times it."""


class _Problem(NamedTuple):
    """The arrays of a call: sources in a row (s,), stations, rays (s, n_stations)."""

    layers: Layers
    shape: tuple[int, ...]
    depth: np.ndarray
    time: np.ndarray
    strength: np.ndarray | None
    receiver: float
    ray: geodesics.Ray
    force: bool


def _problem(model: LayeredModel, source: PointSource, stations: Stations, force: bool) -> _Problem:
    """Arrays of the call, checked."""
    layers = model.layers()
    x, y, depth, time = (_numbers(n, getattr(source, n)) for n in ("x", "y", "depth", "time"))
    try:
        shape = np.broadcast_shapes(x.shape, y.shape, depth.shape, time.shape)
    except ValueError:
        shapes = [a.shape for a in (x, y, depth, time)]
        raise ValueError(f"source x, y, depth and time must broadcast, got shapes {shapes}") from None
    x, y, depth, time = (np.broadcast_to(a, shape).reshape(-1) for a in (x, y, depth, time))
    sx, sy = (
        np.atleast_1d(_numbers("station x", stations.x)),
        np.atleast_1d(_numbers("station y", stations.y)),
    )
    if sx.shape != sy.shape or sx.ndim != 1 or not len(sx):
        raise ValueError(
            f"station x and y must be one-dimensional and of one length, got {sx.shape}, {sy.shape}"
        )
    ground = model.receiver_depth
    receiver = ground if stations.depth is None else float(stations.depth)
    _check_depths(depth, receiver, ground)
    if stations.geometry not in ("cartesian", "geographic"):
        raise ValueError(f'geometry must be "cartesian" or "geographic", got {stations.geometry!r}')
    if stations.geometry == "geographic":
        _check_degrees(x, y, "source")
        _check_degrees(sx, sy, "station")
    rays = geodesics.geographic if stations.geometry == "geographic" else geodesics.cartesian
    ray = rays(x[:, None], y[:, None], sx, sy)
    strength = _strength(source, shape)
    force = force or source.force is not None
    return _Problem(layers, shape, depth, time, strength, receiver, ray, force)


def _numbers(name: str, values: Any) -> np.ndarray:
    """A finite float64 array."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"{name} must be finite, got {array[tuple(index)]} at {index}")
    return array


def _check_depths(depth: np.ndarray, receiver: float, ground: float) -> None:
    if not np.isfinite(receiver) or receiver < ground:
        raise ValueError(f"stations must be at or below the ground at {ground:g} km depth, got {receiver:g}")
    for index, each in enumerate(depth):
        if each < ground or each == receiver:
            raise ValueError(
                f"sources must lie below the ground at {ground:g} km depth and not at the stations' depth"
                f" {receiver:g} km, got depth {each:g} of source {index}"
            )


def _check_degrees(longitude: np.ndarray, latitude: np.ndarray, name: str) -> None:
    for title, values, limit in (("longitude (x)", longitude, 360.0), ("latitude (y)", latitude, 90.0)):
        bad = np.flatnonzero(np.abs(values) > limit)
        if len(bad):
            raise ValueError(
                f"{name} {title} must be within ±{limit:g} degrees, got {values[bad[0]]:g} at {bad[0]}"
            )


def _strength(source: PointSource, shape: tuple[int, ...]) -> np.ndarray | None:
    """Elements of every source (s, 9): moment tensor and force; None for a source without either."""
    if source.moment is None and source.force is None:
        return None
    count = int(np.prod(shape))
    strength = np.zeros((count, radiation.ELEMENTS))
    if source.moment is not None:
        moment = _numbers("moment", source.moment)
        if moment.shape[-2:] == (3, 3) and moment.shape[:-2] in ((), shape):
            if not np.allclose(moment, np.swapaxes(moment, -1, -2), rtol=1e-9, atol=0.0):
                raise ValueError("moment must be symmetric")
            moment = np.stack(
                [moment[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], -1
            )
        if moment.shape not in ((6,), (*shape, 6)):
            raise ValueError(
                f"moment must have shape (6,), (3, 3) or these after {shape}, got {moment.shape}"
            )
        strength[:, :6] = np.broadcast_to(moment, (*shape, 6)).reshape(-1, 6)
    if source.force is not None:
        force = _numbers("force", source.force)
        if force.shape not in ((3,), (*shape, 3)):
            raise ValueError(f"force must have shape (3,) or {(*shape, 3)}, got {force.shape}")
        strength[:, 6:] = np.broadcast_to(force, (*shape, 3)).reshape(-1, 3)
    return strength


def _extent(problem: _Problem) -> Extent:
    offsets = np.abs(problem.depth - problem.receiver)
    return plan.rounded(Extent(offsets.min(), offsets.max(), problem.ray.distance.max()))


def _chunks(problem: _Problem, n_omega: int) -> list[np.ndarray]:
    """Numbers of the sources, sorted by depth, in pieces whose integrals fit into memory."""
    order = np.argsort(problem.depth, kind="stable")
    per_source = problem.ray.distance.shape[1] * n_omega * 4 * (15 if problem.force else 10)
    pieces = max(1, -(-len(order) * per_source // _CHUNK))
    return np.array_split(order, min(pieces, len(order)))


def _integrals(
    problem: _Problem,
    chosen: np.ndarray,
    omega: np.ndarray,
    grid: integrals.Grid,
    direction: Layers | None = None,
) -> np.ndarray:
    """Integrals of some sources: (sources, stations, columns, J or J', value or depth derivative, omega)."""
    result: Any = None
    for side in (1.0, -1.0):
        offset = side * (problem.depth[chosen] - problem.receiver)
        for group in _same_count(problem.depth[chosen], np.flatnonzero(offset > 0.0)):
            depths = np.unique(problem.depth[chosen][group])
            members = group.reshape(len(depths), -1)
            distances = problem.ray.distance[chosen[members]].reshape(len(depths), -1)
            # a distance of zero is a removable singularity
            distances = np.maximum(distances, 1e-6 * np.abs(depths - problem.receiver)[:, None])
            if (distances == distances[0]).all():
                distances = distances[:1]
            tables = [integrals.bessel_tables(grid, row) for row in distances]
            paths = build(problem.layers, problem.receiver, depths)
            part = integrals.integrate(
                problem.layers, paths, omega, grid, tables, force=problem.force, direction=direction
            )
            stations = problem.ray.distance.shape[1]
            part = part.reshape(*part.shape[:3], len(depths), members.shape[1], stations, len(omega))
            if result is None:
                result = np.empty((len(chosen), stations, *part.shape[:3], len(omega)), dtype=complex)
            result[members] = part.transpose(3, 4, 5, 0, 1, 2, 6)
    return result


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


class _Motion(NamedTuple):
    """Spectra of some sources, or None for what was not asked; `place`: derivatives with x, y and depth."""

    seismogram: Any
    moment: Any
    force: Any
    place: Any


def _motion(
    problem: _Problem, chosen: np.ndarray, values: np.ndarray, moment: bool, force: bool, place: bool
):
    """Spectra, or records, from those of integrals."""
    columns = integrals.names(problem.force)
    ray = geodesics.Ray(*(part[chosen] for part in problem.ray))
    pattern, by_phi, by_turn = radiation.patterns(columns, ray.phi, ray.turn)
    units = np.repeat([_MOMENT_UNIT, _FORCE_UNIT], [6, 3])
    pattern, by_phi, by_turn = (p * units[:, None] for p in (pattern, by_phi, by_turn))
    value = values[:, :, :, 0, 0]

    def combine(coefficients: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """(s, n, ..., columns) times (s, n, columns, omega or time)."""
        inner = coefficients.reshape(*coefficients.shape[:2], -1, coefficients.shape[-1])
        product = inner @ np.ascontiguousarray(parts).view(np.float64)
        return product.view(parts.dtype).reshape(*coefficients.shape[:-1], parts.shape[-1])

    elements = np.swapaxes(pattern, 2, 3)
    of_moment = combine(elements[:, :, :6], value) if moment else None
    of_force = combine(elements[:, :, 6:], value) if force else None
    if problem.strength is None:
        return _Motion(None, of_moment, of_force, None)
    strength = problem.strength[chosen]

    def contracted(p: np.ndarray) -> np.ndarray:
        return np.einsum("snecm,se->sncm", np.swapaxes(p, 2, 3), strength)

    whole, turned, rotated = (contracted(p) for p in (pattern, by_phi, by_turn))
    seismogram = combine(whole, value)
    if not place:
        return _Motion(seismogram, of_moment, of_force, None)
    distance = np.maximum(ray.distance, 1e-6 * np.abs(problem.depth[chosen] - problem.receiver)[:, None])
    along, around = combine(whole, values[:, :, :, 1, 0]), combine(turned, value / distance[:, :, None, None])
    spun = combine(rotated, value)
    slopes = (along[:, :, None], around[:, :, None], spun[:, :, None])
    rates = (ray.d_distance, ray.r_d_phi, ray.d_turn)
    horizontal = sum(slope * rate[..., None, None] for slope, rate in zip(slopes, rates, strict=True))
    deeper = combine(whole, values[:, :, :, 0, 1])[:, :, None]
    return _Motion(seismogram, of_moment, of_force, np.concatenate([horizontal, deeper], axis=2))


def kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    dt: float,
    n: int,
    *,
    start: float = 0.0,
    stf: Any = None,
    lowpass: tuple[float, float] | None = None,
    quantity: str = "displacement",
    accuracy: float = 1e-3,
    moment: bool = True,
    location: bool = True,
    force: bool = False,
) -> Kernels:
    """Seismograms and their derivatives with everything that describes the source.

    Parameters
    ----------
    model : LayeredModel
    source : PointSource
        Moment and force may be absent where neither seismograms nor location kernels are wanted.
    stations : Stations
    dt : float
        Sampling interval (s).
    n : int
        Number of samples.
    start : float
        Time of the first sample (s).
    stf : source time function, optional
        From `dislok.stf`, or a callable from complex angular frequency to a spectrum; by default an impulse,
        that is a step in moment.
    lowpass : (float, float), optional
        Frequencies (Hz) between which a zero-phase low-pass falls from 1 to 0 as a cosine. Without it, all is
        passed up to 0.3 / dt, and what is above falls smoothly to nothing at 0.5 / dt.
    quantity : {"displacement", "velocity", "acceleration"}
        Displacement keeps the static offset.
    accuracy : float
        Error allowed in any seismogram, rms relative to the strongest of the elementary seismograms at the
        same distance; derivatives with the location may have five times as much. It is verified when a
        problem of this kind is first met.
    moment, location, force : bool
        Which kernels to compute.

    Returns
    -------
    Kernels

    Raises
    ------
    ValueError, TypeError
        For an input that makes no sense; the message names it.
    PlanError
        If the accuracy cannot be reached.
    """
    _check_record(dt, n, start, lowpass, quantity, accuracy)
    problem = _problem(model, source, stations, force)
    if location:
        _need_strength(problem, "location kernels need")
    recipe, factor, slope = _recipe(problem, dt, n, start, stf, lowpass, quantity, accuracy)
    pieces = []
    for chosen in _chunks(problem, len(recipe.omega)):
        values = _integrals(problem, chosen, recipe.omega, recipe.grid)
        late = np.exp(-1j * recipe.omega * problem.time[chosen, None])
        motion = _motion(problem, chosen, values, moment, force, location)
        pieces.append(_recorded(motion, recipe, factor, late, location, slope))
    order = np.argsort(np.concatenate(_chunks(problem, len(recipe.omega))))
    fields = [_joined(parts, order, problem.shape) for parts in zip(*pieces, strict=True)]
    return Kernels._make([start + dt * np.arange(n), *fields, recipe.error])


def _recorded(
    motion: _Motion, recipe: plan.Plan, factor: np.ndarray, late: np.ndarray, location: bool, slope: Any
):
    """Records of spectra: the five fields of `Kernels`."""
    factor = factor * late

    def record(spectra: Any, by: np.ndarray) -> Any:
        if spectra is None:
            return None
        shaped = by.reshape(len(by), *(1,) * (spectra.ndim - 2), -1)
        return timeseries.records(spectra * shaped, recipe.matrix)

    seismogram = record(motion.seismogram, factor)
    place = record(motion.place, factor)
    if place is not None:
        later = record(motion.seismogram, factor * (-1j * recipe.omega))
        place = np.concatenate([place, later[:, :, None]], axis=2)
    longer: Any = None
    if slope is not None and location:
        longer = record(motion.seismogram, recipe.filter * np.asarray(slope(recipe.omega)) * late)
    return seismogram, record(motion.moment, factor), record(motion.force, factor), place, longer


def _joined(parts: Any, order: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The pieces of all sources in the caller's order."""
    if parts[0] is None:
        return None
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if not (order[:-1] < order[1:]).all():
        whole = whole[order]
    return whole.reshape(*shape, *whole.shape[1:])


def _recipe(problem, dt, n, start, stf, lowpass, quantity, accuracy) -> tuple[plan.Plan, np.ndarray, Any]:
    """The plan, the spectrum of filter and time function together, and the latter's slope if it has one.

    Times are rounded, not at round numbers, so that nearby problems share a plan.
    """
    pulse = Impulse() if stf is None else stf
    spectrum = getattr(pulse, "spectrum", pulse)
    if not callable(spectrum):
        raise TypeError(f"stf must be a source time function or a callable, got {type(stf).__name__}")
    earliest = float(problem.time.min()) - float(getattr(pulse, "reach", 0.0))
    step = 4.0 * dt
    band = None if lowpass is None else (float(lowpass[0]), float(lowpass[1]))
    request = plan.Request(
        layers=plan.hashable(problem.layers),
        receiver=problem.receiver,
        extent=_extent(problem),
        dt=float(dt),
        n=int(n),
        start=float(start),
        earliest=step * float(np.floor(earliest / step + 0.4)) - 0.4 * step,
        lowpass=band,
        quantity=quantity,
        accuracy=float(accuracy),
    )
    recipe = plan.make(request)
    return recipe, recipe.filter * np.asarray(spectrum(recipe.omega)), getattr(pulse, "slope", None)


def _check_record(dt, n, start, lowpass, quantity, accuracy) -> None:
    if not (np.isfinite(dt) and dt > 0.0):
        raise ValueError(f"dt must be positive, got {dt}")
    if n != int(n) or n < 2:
        raise ValueError(f"n must be an integer of at least 2, got {n}")
    if not np.isfinite(start):
        raise ValueError(f"start must be finite, got {start}")
    if quantity not in _QUANTITIES:
        raise ValueError(f"quantity must be one of {', '.join(_QUANTITIES)}, got {quantity!r}")
    _check_accuracy(accuracy)
    if lowpass is not None and not (0.0 <= lowpass[0] < lowpass[1] <= 0.5 / dt):
        raise ValueError(f"lowpass must be two rising frequencies up to {0.5 / dt:g} Hz, got {lowpass}")


def _check_accuracy(accuracy: float) -> None:
    if not 1e-12 <= accuracy <= 0.1:
        raise ValueError(f"accuracy must lie between 1e-12 and 0.1, got {accuracy}")


def layer_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    dt: float,
    n: int,
    *,
    start: float = 0.0,
    stf: Any = None,
    lowpass: tuple[float, float] | None = None,
    quantity: str = "displacement",
    accuracy: float = 1e-3,
    wanted: np.ndarray | None = None,
) -> np.ndarray:
    """Derivatives of seismograms with the thickness, vp, vs and rho of every layer.

    Sources and stations stay where they are when a thickness changes and the interfaces below move. The
    derivatives do not exist where an interface passes through a source.

    Parameters
    ----------
    wanted : array of bool, shape (4, n_layers), optional
        The derivatives to compute; the others are zero. All other parameters are those of :func:`kernels`.

    Returns
    -------
    array, shape S + (n_stations, 4, n_layers, 3, n)
        Per km, km/s, km/s and g/cm³; zero for the thickness of the half-space and the vs of an ocean.
    """
    _check_record(dt, n, start, lowpass, quantity, accuracy)
    problem = _problem(model, source, stations, False)
    _need_strength(problem, "layer kernels need")
    recipe, factor, _ = _recipe(problem, dt, n, start, stf, lowpass, quantity, accuracy)
    late = np.exp(-1j * recipe.omega * problem.time[:, None])

    def records(field: np.ndarray) -> np.ndarray:
        return timeseries.records(field * (factor * late)[:, None, None], recipe.matrix)

    return _along_layers(problem, recipe.omega, recipe.grid, records, wanted)


def static_layer_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    *,
    accuracy: float = 1e-6,
    wanted: np.ndarray | None = None,
) -> np.ndarray:
    """Derivatives of static offsets with the layers: as `layer_kernels`, without the axis of time."""
    _check_accuracy(accuracy)
    problem = _problem(model, source, stations, False)
    _need_strength(problem, "layer kernels need")
    omega = np.zeros(1, dtype=complex)
    grid, _ = plan.make_grid(
        plan.hashable(problem.layers), problem.receiver, _extent(problem), tuple(omega), accuracy
    )
    return _along_layers(problem, omega, grid, lambda field: field[..., 0].real, wanted)


def _along_layers(problem: _Problem, omega, grid, finish, wanted) -> np.ndarray:
    """Derivatives with the properties of the layers, by one sweep for each."""
    layers, count = problem.layers, len(problem.layers.vp)
    exists = np.ones((4, count), dtype=bool)
    exists[0, -1], exists[2, 0] = False, not layers.ocean
    asked = exists if wanted is None else exists & np.asarray(wanted, dtype=bool)
    everything = np.arange(len(problem.depth))
    result: Any = None
    for row, layer in np.argwhere(asked):
        unit = np.zeros((4, count))
        unit[row, layer] = 1.0
        along = Layers(unit[0], unit[1], unit[2], unit[3], layers.qp, layers.qs)
        values = _integrals(problem, everything, omega, grid, along)
        slopes = finish(_motion(problem, everything, values, False, False, False).seismogram)
        if result is None:
            result = np.zeros((*slopes.shape[:2], 4, count, *slopes.shape[2:]))
        result[:, :, row, layer] = slopes
    if result is None:
        raise ValueError("wanted names no derivative that exists")
    return result.reshape(*problem.shape, *result.shape[1:])


def _need_strength(problem: _Problem, what: str) -> None:
    if problem.strength is None:
        raise ValueError(f"{what} a source with a moment or a force")


def excitation_kernels(model, source, stations, dt, n, **keywords) -> np.ndarray:
    """Motion per N m of each element of the moment tensor: `Kernels.moment` of :func:`kernels`.

    Returns
    -------
    array, shape S + (n_stations, 6, 3, n)
    """
    return kernels(model, source, stations, dt, n, location=False, **keywords).moment


def location_kernels(model, source, stations, dt, n, **keywords) -> np.ndarray:
    """Derivatives of seismograms with x, y, depth and time: `Kernels.location` of :func:`kernels`.

    Returns
    -------
    array, shape S + (n_stations, 4, 3, n)
    """
    return kernels(model, source, stations, dt, n, moment=False, **keywords).location


def seismograms(model, source, stations, dt, n, **keywords) -> np.ndarray:
    """Motion of the stations; parameters as in :func:`kernels`.

    A torch tensor among the source's fields or the model's properties makes the result a tensor, which is
    differentiable with respect to them.

    Returns
    -------
    array, shape S + (n_stations, 3, n)
        East, north and up (m, m/s or m/s²).
    """
    if source.moment is None and source.force is None:
        raise ValueError("seismograms need a source with a moment or a force")
    if _holds_torch(model, source):
        from dislok.propagator_autograd import differentiable

        return differentiable(model, source, stations, (dt, n), keywords)
    result = kernels(model, source, stations, dt, n, moment=False, location=False, **keywords)
    return result.seismogram


def _holds_torch(model: LayeredModel, source: PointSource) -> bool:
    """Is any property of the model or the source a torch tensor?"""
    values = (*source, *(getattr(model, name) for name in ("thickness", "vp", "vs", "rho")))
    return any(type(value).__module__.partition(".")[0] == "torch" for value in values)


def static_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    *,
    accuracy: float = 1e-6,
    moment: bool = True,
    location: bool = True,
    force: bool = False,
) -> Kernels:
    """Static offsets and their derivatives: `Kernels` without the axis of time.

    The derivative with time is zero. The accuracy is relative to the largest offset that any elementary
    source makes at the same distance.
    """
    return _at_frequencies(
        model,
        source,
        stations,
        np.zeros(1),
        accuracy,
        moment,
        location,
        force,
        lambda field: field[..., 0].real,
    )


def statics(
    model: LayeredModel, source: PointSource, stations: Stations, *, accuracy: float = 1e-6
) -> np.ndarray:
    """Static offsets (m), shape S + (n_stations, 3)."""
    if source.moment is None and source.force is None:
        raise ValueError("static offsets need a source with a moment or a force")
    if _holds_torch(model, source):
        from dislok.propagator_autograd import differentiable

        return differentiable(model, source, stations, (), {"accuracy": accuracy})
    result = static_kernels(model, source, stations, accuracy=accuracy, moment=False, location=False)
    return result.seismogram


def spectra(
    model: LayeredModel, source: PointSource, stations: Stations, omega: Any, *, accuracy: float = 1e-6
) -> np.ndarray:
    """Spectra of the velocity that a step in moment or force makes (m/s per Hz).

    Parameters
    ----------
    omega : array_like, shape (n_omega,)
        Complex angular frequencies (rad/s) with real parts not negative and negative imaginary parts, or 0;
        the transform is that of exp(-i omega t).

    Returns
    -------
    array, shape S + (n_stations, 3, n_omega), complex
    """
    if source.moment is None and source.force is None:
        raise ValueError("spectra need a source with a moment or a force")
    omega = np.atleast_1d(np.asarray(omega, dtype=complex))
    bad = np.flatnonzero(~((omega == 0.0) | ((omega.imag < 0.0) & (omega.real >= 0.0))))
    if omega.ndim != 1 or len(bad):
        raise ValueError(f"omega must have negative imaginary parts, or be 0; got {omega[bad[:1]]}")
    result: Any = None
    for still in (True, False):
        those = np.flatnonzero((omega == 0.0) == still)
        if len(those):
            part = _at_frequencies(
                model, source, stations, omega[those], accuracy, False, False, False, lambda field: field
            ).seismogram
            if result is None:
                result = np.zeros((*part.shape[:-1], len(omega)), dtype=complex)
            result[..., those] = part
    return result


class SpectralKernels:
    """Spectra of point sources whose moment tensors are still open; what :func:`spectral_kernels` returns.

    Attributes
    ----------
    omega : array (n_omega,), complex
        Angular frequencies (rad/s).
    moment : array, shape S + (n_stations, 6, 3, n_omega), complex
        Velocity that a step in each element of the moment tensor makes (m/s per Hz per N m); at frequency 0
        the static offset (m per N m).
    accuracy : float
        Estimated error, relative to the strongest motion at a station.
    """

    def __init__(self, problem: _Problem, omega: np.ndarray, values: np.ndarray, accuracy: float) -> None:
        self.omega, self.accuracy = omega, accuracy
        self._problem, self._values = problem, values
        self._all = np.arange(len(problem.depth))
        moment = _motion(problem, self._all, values, True, False, False).moment
        self.moment = moment.reshape(*problem.shape, *moment.shape[1:])

    def location(self, moment: Any) -> np.ndarray:
        """Derivatives with the place of sources of given tensors, from the same integrals.

        Parameters
        ----------
        moment : array_like, shape (6,), (3, 3) or these after S
            Moment tensors (N m).

        Returns
        -------
        array, shape S + (n_stations, 3, 3, n_omega), complex
            With x, y (per km, or per degree) and depth (per km); then east, north, up.
        """
        shape = self._problem.shape
        strength = _strength(PointSource(0.0, 0.0, 1.0, moment=moment), shape)
        problem = self._problem._replace(strength=strength)
        place = _motion(problem, self._all, self._values, False, False, True).place
        return place.reshape(*shape, *place.shape[1:])


def spectral_kernels(
    model: LayeredModel, source: PointSource, stations: Stations, omega: Any, *, accuracy: float = 1e-3
) -> SpectralKernels:
    """Spectra per element of the moment tensor, and the derivatives with the place of any tensor.

    For inversions, which find the tensor from the first and then need the second: both come from one sweep.

    Parameters
    ----------
    model, source, stations : LayeredModel, PointSource, Stations
        Moment and time of the source do not count.
    omega : array_like, shape (n_omega,)
        Complex angular frequencies as of :func:`spectra`, or [0] for static offsets.
    accuracy : float
        Relative to the strongest motion of any element at the same station.
    """
    _check_accuracy(accuracy)
    problem = _problem(model, PointSource(source.x, source.y, source.depth), stations, False)
    omega = np.atleast_1d(np.asarray(omega, dtype=complex))
    if np.any(omega) and not ((omega.imag < 0.0) & (omega.real >= 0.0)).all():
        raise ValueError(f"omega must have negative imaginary parts, or be [0]; got {omega}")
    key = tuple(complex(each) for each in omega)
    grid, error = plan.make_grid(
        plan.hashable(problem.layers), problem.receiver, _extent(problem), key, accuracy
    )
    values = _integrals(problem, np.arange(len(problem.depth)), omega, grid)
    return SpectralKernels(problem, omega, values, error)


def _at_frequencies(model, source, stations, omega, accuracy, moment, location, force, finish) -> Kernels:
    """Kernels at given frequencies, by a grid of wavenumbers that is verified."""
    _check_accuracy(accuracy)
    problem = _problem(model, source, stations, force)
    if location:
        _need_strength(problem, "location kernels need")
    key = tuple(complex(each) for each in omega)
    extent = _extent(problem)
    grid, error = plan.make_grid(plan.hashable(problem.layers), problem.receiver, extent, key, accuracy)
    late = np.exp(-1j * omega * problem.time[:, None]) if np.any(omega) else np.ones((len(problem.depth), 1))
    pieces = []
    for chosen in _chunks(problem, len(omega)):
        values = _integrals(problem, chosen, omega, grid)
        motion = _motion(problem, chosen, values, moment, force, location)
        seismogram, of_moment, of_force, place = (
            None if f is None else f * late[chosen].reshape(len(chosen), *(1,) * (f.ndim - 2), -1)
            for f in motion
        )
        if place is not None:
            later = seismogram * (-1j * omega)
            place = np.concatenate([place, later[:, :, None]], axis=2)
        pieces.append([None if f is None else finish(f) for f in (seismogram, of_moment, of_force, place)])
    order = np.argsort(np.concatenate(_chunks(problem, len(omega))))
    fields = [_joined(parts, order, problem.shape) for parts in zip(*pieces, strict=True)]
    return Kernels._make([None, *fields, None, error])
