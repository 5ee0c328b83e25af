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

from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import numpy as np

from dislok import gate as gates
from dislok import geodesics
from dislok.arrays import Array, ArrayLike, Record
from dislok.kernels.propagator import plan, radiation
from dislok.kernels.propagator.cost import PlanError
from dislok.kernels.propagator.stack import Layers
from dislok.layers import LayeredModel
from dislok.motion import (
    Motion,
    Problem,
    RecordPlan,
    Wanted,
    combined,
    delayed,
    engine,
    evaluate,
    integrate,
    recorded,
)
from dislok.stf import Impulse, SourceTimeFunction, Spectrum

if TYPE_CHECKING:
    from dislok.finite import StaticTable

__all__ = [
    "Kernels",
    "LayeredModel",
    "PlanError",
    "PointSource",
    "SpectralKernels",
    "Stations",
    "StaticTable",
    "excitation_kernels",
    "greens",
    "kernels",
    "layer_kernels",
    "location_kernels",
    "seismograms",
    "spectra",
    "spectral_kernels",
    "static_kernels",
    "static_layer_kernels",
    "static_table",
    "statics",
]

ELEMENTS = ("xx", "yy", "zz", "xy", "xz", "yz")
_QUANTITIES = ("displacement", "velocity", "acceleration")
_LOCATION = "location kernels need"

_MODEL = gates.instance(LayeredModel)
_N = gates.count(2, 1 << 24)


def _DT(name: str, value: gates.Given) -> float:
    """A sampling interval (s)."""
    return gates.number(least=1e-6, most=1e6)(name, gates.number(above=0)(name, value))


_FARTHEST = 6000.0
_LOWPASS = gates.optional(gates.pair(gates.number(least=0), rising=True))
_ACCURACY = gates.number(above=0, below=1)
_BACKEND = gates.optional(gates.text())
_FLAGS = {"moment": gates.flag(), "location": gates.flag(), "force": gates.flag()}


class Recording(TypedDict, total=False):
    """How motion is recorded: parameters of :func:`kernels` that follow the number of samples."""

    start: float
    stf: SourceTimeFunction | Spectrum | None
    lowpass: tuple[float, float] | None
    quantity: str
    accuracy: float
    backend: str | None


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

    x: ArrayLike
    y: ArrayLike
    depth: ArrayLike
    moment: ArrayLike | None = None
    force: ArrayLike | None = None
    time: ArrayLike = 0.0


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

    x: ArrayLike
    y: ArrayLike
    depth: float | None = None
    geometry: str = "cartesian"


_CALL = {"model": _MODEL, "source": gates.instance(PointSource), "stations": gates.instance(Stations)}
_RECORD = {
    "dt": _DT,
    "n": _N,
    "start": gates.number(least=-1e8, most=1e8),
    "lowpass": _LOWPASS,
    "quantity": gates.choice(*_QUANTITIES),
    "accuracy": _ACCURACY,
}


class Kernels(NamedTuple):
    """Motion and its derivatives; fields that were not asked for are None.

    Static kernels and spectra have no `times`, and the last axis is left out or that of the frequencies.
    """

    times: Array
    """(n,): seconds after the reference time."""
    seismogram: Array
    """S + (n_stations, 3, n): motion that the source's moment and force make."""
    moment: Array
    """S + (n_stations, 6, 3, n): per N m of each element of the moment tensor."""
    force: Array
    """S + (n_stations, 3, 3, n): per N of force east, north, up."""
    location: Array
    """S + (n_stations, 4, 3, n): derivative of `seismogram` with x, y, depth (per km, or x and y per degree)
    and time (per s)."""
    duration: Array
    """S + (n_stations, 3, n): derivative of `seismogram` with the half-duration of the time function."""
    accuracy: float
    """Estimated error, relative to the strongest motion at a station; derivatives may have five times it."""


@gates.gate(**_CALL, **_RECORD, **_FLAGS, backend=_BACKEND)
def kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    dt: float,
    n: int,
    *,
    start: float = 0.0,
    stf: SourceTimeFunction | Spectrum | None = None,
    lowpass: tuple[float, float] | None = None,
    quantity: str = "displacement",
    accuracy: float = 1e-3,
    moment: bool = True,
    location: bool = True,
    force: bool = False,
    backend: str | None = None,
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
        same distance; derivatives with respect to the location may have five times as much. It is verified
        when a problem of this kind is first met.
    moment, location, force : bool
        Which kernels to compute.
    backend : {"numba", "cupy", "numba-cuda"}, optional
        By default what suits the arrays: "cupy" where the source or the stations are CUDA arrays, of CuPy or
        torch, and the results then are; see :mod:`dislok.backends`. The host looks at depths and distances,
        and waits for the device to do so.

    Returns
    -------
    Kernels

    Raises
    ------
    ValueError, TypeError
        For an input that makes no sense; the message names it.
    PlanError
        If the accuracy cannot be reached, or only at a cost of many minutes; the message names what makes it
        so: a source close to the stations' depth, slow layers, many samples or high frequencies.
    """
    _check_record(dt, n, start, lowpass, quantity, accuracy)
    wanted = Wanted(moment, force, location)
    problem = checked(model, source, stations, wanted, backend)
    record = record_plan(problem, dt, n, start, stf, lowpass, quantity, accuracy, location)

    def finish(values: Array, chosen: np.ndarray) -> list[Array]:
        return recorded(problem, chosen, combined(problem, chosen, values, wanted), record)

    fields = evaluate(problem, record.plan.omega, record.plan.grid, finish)
    return Kernels._make([start + dt * np.arange(n), *fields, record.plan.error])


@gates.gate(**_CALL, **_RECORD)
def layer_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    dt: float,
    n: int,
    *,
    start: float = 0.0,
    stf: SourceTimeFunction | Spectrum | None = None,
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
    model, source, stations, dt, n, start, stf, lowpass, quantity, accuracy
        As of :func:`kernels`.
    wanted : array of bool, shape (4, n_layers), optional
        The derivatives to compute; the others are zero.

    Returns
    -------
    array, shape S + (n_stations, 4, n_layers, 3, n)
        Per km, km/s, km/s and g/cm³; zero for the thickness of the half-space and the vs of an ocean.
    """
    _check_record(dt, n, start, lowpass, quantity, accuracy)
    problem = _on_cpu(checked(model, source, stations, Wanted()))
    record = record_plan(problem, dt, n, start, stf, lowpass, quantity, accuracy)
    omega = record.plan.omega

    def records(motion: Motion) -> np.ndarray:
        return recorded(problem, problem.everything, motion, record)[0]

    return _along_layers(problem, omega, record.plan.grid, records, wanted)


@gates.gate(**_CALL, accuracy=_ACCURACY)
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
    problem = _on_cpu(checked(model, source, stations, Wanted()))
    omega = np.zeros(1, dtype=complex)
    grid, _ = _grid(problem, omega, accuracy)
    return _along_layers(problem, omega, grid, lambda motion: motion.seismogram[..., 0].real, wanted)


def _on_cpu(problem: Problem) -> Problem:
    """The problem itself, if layer kernels can be computed for it."""
    problem.need_strength("layer kernels need")
    if problem.engine.space is not None:
        raise ValueError("layer kernels are computed on the CPU only, but the inputs are CUDA arrays")
    return problem


def _along_layers(problem: Problem, omega, grid, finish, wanted) -> np.ndarray:
    """Derivatives with respect to the properties of the layers, by one sweep for each."""
    layers, count = problem.layers, len(problem.layers.vp)
    exists = np.ones((4, count), dtype=bool)
    exists[0, -1], exists[2, 0] = False, not layers.ocean
    asked = exists if wanted is None else exists & np.asarray(wanted, dtype=bool)
    result: np.ndarray | None = None
    for row, layer in np.argwhere(asked):
        unit = np.zeros((4, count))
        unit[row, layer] = 1.0
        along = Layers(unit[0], unit[1], unit[2], unit[3], layers.qp, layers.qs)
        values = integrate(problem, problem.everything, omega, grid, along)
        slopes = finish(combined(problem, problem.everything, values, Wanted()))
        if result is None:
            result = np.zeros((*slopes.shape[:2], 4, count, *slopes.shape[2:]))
        result[:, :, row, layer] = slopes
    if result is None:
        raise ValueError("wanted names no derivative that exists")
    return result.reshape(*problem.shape, *result.shape[1:])


@gates.gate(**_CALL, dt=_DT, n=_N)
def excitation_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    dt: float,
    n: int,
    **keywords: Unpack[Recording],
) -> np.ndarray:
    """Motion per N m of each element of the moment tensor: `Kernels.moment` of :func:`kernels`.

    Returns
    -------
    array, shape S + (n_stations, 6, 3, n)
    """
    return kernels(model, source, stations, dt, n, location=False, **keywords).moment


@gates.gate(**_CALL, dt=_DT, n=_N)
def location_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    dt: float,
    n: int,
    **keywords: Unpack[Recording],
) -> np.ndarray:
    """Derivatives of seismograms with respect to x, y, depth and time: `Kernels.location` of :func:`kernels`.

    Returns
    -------
    array, shape S + (n_stations, 4, 3, n)
    """
    return kernels(model, source, stations, dt, n, moment=False, **keywords).location


@gates.gate(**_CALL, dt=_DT, n=_N)
def seismograms(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    dt: float,
    n: int,
    **keywords: Unpack[Recording],
) -> Array:
    """Motion of the stations; parameters as in :func:`kernels`.

    A torch tensor among the source's fields or the model's properties makes the result a tensor, which is
    differentiable with respect to them.

    Returns
    -------
    array, shape S + (n_stations, 3, n)
        East, north and up (m, m/s or m/s²).
    """
    _need_source(source, "seismograms need")
    if _holds_torch(model, source):
        functions = kernels, layer_kernels, PointSource
        return _differentiable(functions, model, source, stations, (dt, n), keywords)
    result = kernels(model, source, stations, dt, n, moment=False, location=False, **keywords)
    return result.seismogram


def _need_source(source: PointSource, what: str) -> None:
    if source.moment is None and source.force is None:
        raise ValueError(f"{what} a source with a moment or a force")


def _differentiable(functions: tuple[Any, ...], *call: Any) -> Array:
    # Imported only when a tensor has arrived: importing it imports torch.
    from dislok.autograd.propagator import Functions, differentiable

    return differentiable(Functions(*functions), *call)


def _holds_torch(model: LayeredModel, source: PointSource) -> bool:
    """Whether any property of the model or the source is a torch tensor."""
    values = (*source, *(getattr(model, name) for name in ("thickness", "vp", "vs", "rho")))
    return any(type(value).__module__.partition(".")[0] == "torch" for value in values)


@gates.gate(**_CALL, **_FLAGS, accuracy=_ACCURACY, backend=_BACKEND)
def static_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    *,
    accuracy: float = 1e-6,
    moment: bool = True,
    location: bool = True,
    force: bool = False,
    backend: str | None = None,
) -> Kernels:
    """Static offsets and their derivatives: `Kernels` without the axis of time.

    The derivative with respect to time is zero. The accuracy is relative to the largest offset that any
    elementary source makes at the same distance; `backend` as in :func:`kernels`.
    """
    problem = checked(model, source, stations, Wanted(moment, force, location), backend)
    made = _at_frequencies(problem, np.zeros(1), accuracy, Wanted(moment, force, location))
    fields: Any = made._asdict()
    for name in ("seismogram", "moment", "force", "location"):
        fields[name] = None if fields[name] is None else fields[name][..., 0].real
    return Kernels(**fields)


@gates.gate(**_CALL, accuracy=_ACCURACY, backend=_BACKEND)
def statics(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    *,
    accuracy: float = 1e-6,
    backend: str | None = None,
) -> Array:
    """Static offsets (m), shape S + (n_stations, 3); parameters and torch as in :func:`seismograms`."""
    _need_source(source, "static offsets need")
    keywords: Record = {"accuracy": accuracy, "backend": backend}
    if _holds_torch(model, source):
        functions = static_kernels, static_layer_kernels, PointSource
        return _differentiable(functions, model, source, stations, (), keywords)
    return static_kernels(model, source, stations, moment=False, location=False, **keywords).seismogram


@gates.gate(**_CALL, accuracy=_ACCURACY, backend=_BACKEND)
def spectra(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    omega: ArrayLike,
    *,
    accuracy: float = 1e-6,
    backend: str | None = None,
) -> Any:
    """Spectra of the velocity that a step in moment or force makes (m/s per Hz).

    Parameters
    ----------
    model, source, stations
        As of :func:`seismograms`.
    omega : array_like, shape (n_omega,)
        Complex angular frequencies (rad/s) with real parts not negative and negative imaginary parts, or 0;
        the transform is that of exp(-i omega t).
    accuracy : float
        Relative to the strongest motion at the same station.
    backend : str, optional
        As in :func:`kernels`.

    Returns
    -------
    array, shape S + (n_stations, 3, n_omega), complex
    """
    _need_source(source, "spectra need")
    omega = _frequencies(omega)
    bad = np.flatnonzero(~((omega == 0.0) | ((omega.imag < 0.0) & (omega.real >= 0.0))))
    if omega.ndim != 1 or len(bad):
        raise ValueError(f"omega must have negative imaginary parts, or be 0; got {omega[bad[:1]]}")
    problem = checked(model, source, stations, Wanted(), backend)
    order = np.argsort(omega != 0.0, kind="stable")  # still ones first, which have a kernel of their own
    kinds = np.split(omega[order], [int(np.count_nonzero(omega == 0.0))])
    parts = [_at_frequencies(problem, each, accuracy, Wanted()).seismogram for each in kinds if len(each)]
    return problem.engine.gathered(parts, np.argsort(order))


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

    def __init__(self, problem: Problem, omega: np.ndarray, values: np.ndarray, accuracy: float) -> None:
        self.omega, self.accuracy = omega, accuracy
        self._problem, self._values = problem, values
        self.moment = self._combined(problem, Wanted(moment=True)).moment

    def location(self, moment: ArrayLike) -> np.ndarray:
        """Derivatives with respect to the place of sources of given tensors, from the same integrals.

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
        return self._combined(problem, Wanted(location=True)).place

    def _combined(self, problem: Problem, wanted: Wanted) -> Motion:
        """Motion in the shape of the sources."""
        with problem.engine.current():
            motion = combined(problem, problem.everything, self._values, wanted)
            shaped = (None if f is None else f.reshape(*problem.shape, *f.shape[1:]) for f in motion)
            return Motion._make(map(problem.engine.export, shaped))


@gates.gate(**_CALL, accuracy=_ACCURACY, backend=_BACKEND)
def spectral_kernels(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    omega: ArrayLike,
    *,
    accuracy: float = 1e-3,
    backend: str | None = None,
) -> SpectralKernels:
    """Spectra per element of the moment tensor, and the derivatives with respect to the place of any tensor.

    For inversions, which find the tensor from the first and then need the second: both come from one sweep.

    Parameters
    ----------
    model, source, stations : LayeredModel, PointSource, Stations
        Moment and time of the source do not count.
    omega : array_like, shape (n_omega,)
        Complex angular frequencies as of :func:`spectra`, or [0] for static offsets.
    accuracy : float
        Relative to the strongest motion of any element at the same station.
    backend : str, optional
        As in :func:`kernels`.
    """
    problem = checked(model, source._replace(moment=None, force=None, time=0.0), stations, Wanted(), backend)
    omega = _frequencies(omega)
    if np.any(omega) and not ((omega.imag < 0.0) & (omega.real >= 0.0)).all():
        raise ValueError(f"omega must have negative imaginary parts, or be [0]; got {omega}")
    grid, error = _grid(problem, omega, accuracy)
    with problem.engine.current():
        values = integrate(problem, problem.everything, omega, grid)
    return SpectralKernels(problem, omega, values, error)


def _model_or_table(name: str, value: gates.Given) -> gates.Given:
    """A layered model, or a table of one."""
    return value if isinstance(value, _finite().StaticTable) else _MODEL(name, value)


@gates.gate(
    model=_MODEL,
    depth=gates.pair(gates.number(least=0, most=_FARTHEST), rising=True),
    distance=gates.number(least=0, most=_FARTHEST),
    receiver=gates.optional(gates.number(least=0)),
    accuracy=_ACCURACY,
)
def static_table(
    model: LayeredModel,
    depth: tuple[float, float],
    distance: float,
    *,
    receiver: float | None = None,
    accuracy: float = 1e-6,
) -> StaticTable:
    """What layers add to the static field of any point source, tabulated for :func:`greens`.

    Parameters
    ----------
    model : LayeredModel
    depth : (float, float)
        Depths between which sources will lie (km).
    distance : float
        Largest horizontal distance of a source and a station (km).
    receiver : float, optional
        Depth of the stations (km); by default the ground.
    accuracy : float
        Error allowed, relative to the strongest field of any point source at the same place. It is verified
        between the nodes, and against more wavenumbers. :func:`greens` needs a tenth of what it is asked for.

    Returns
    -------
    StaticTable
        With `save(path)` and `StaticTable.load(path)`.

    Raises
    ------
    ValueError, TypeError
        For an input that makes no sense; the message names it.
    PlanError
        If the accuracy cannot be reached, or only at too high a cost.
    """
    _check_accuracy(accuracy)
    ground = model.receiver_depth
    receiver = ground if receiver is None else receiver
    _check_receiver(receiver, ground)
    if depth[0] < ground:
        raise ValueError(f"depth must lie below the ground at {ground:g} km, got {depth[0]:g}")
    return _finite().static_table(model, depth, distance, receiver, accuracy)


@gates.gate(
    model=_model_or_table,
    stations=gates.instance(Stations),
    accuracy=_ACCURACY,
    origin=gates.optional(gates.text()),
    with_error=gates.flag(),
)
def greens(
    model: LayeredModel | StaticTable,
    patches: gates.Given,
    stations: Stations,
    *,
    accuracy: float = 1e-4,
    origin: str | None = None,
    with_error: bool = False,
) -> Any:
    """Green's matrix of a finite fault in a layered crust: static offsets per unit slip of each patch.

    In a homogeneous half-space it is that of :func:`dislok.okada.greens` or :func:`dislok.tde.greens`. What
    layers add to that is integrated over the patches by Gauss points, whose number doubles until the sums
    agree. Patches may cross interfaces and reach the ground.

    Parameters
    ----------
    model : LayeredModel or StaticTable
        A table of :func:`static_table` saves most of the time where many faults are tried in one crust.
    patches : Rectangle, triangles, Mesh or Grid
        In km: :class:`dislok.okada.Rectangle` with vectors as fields, triangles (m, 3, 3) or (points, cells)
        with z up, or patches of `dislok.inversion.mesh`. Depth and z count from the ground; in an ocean that
        is the sea floor.
    stations : Stations
        Cartesian (km), at one depth.
    accuracy : float
        Error allowed in the 3 by 3 numbers of a patch and a station, relative to their norm.
    origin : str, optional
        Reference point of the rectangles, as of :func:`dislok.okada.displacement`.
    with_error : bool
        Return the estimated error as well.

    Returns
    -------
    array, shape (n_stations, 3, m, 3)
        East, north and up (m) for a metre of strike-slip, dip-slip and opening of each patch; NaN at a
        station on the edge of a patch. With `with_error` a tuple of this and a float.

    Raises
    ------
    ValueError, TypeError
        For an input that makes no sense; the message names it.
    PlanError
        If the accuracy cannot be reached, or only at too high a cost.

    Examples
    --------
    >>> from dislok import okada, propagator
    >>> crust = propagator.LayeredModel([5.0, float("inf")], [5.2, 6.5], [3.0, 3.7], [2.6, 2.9])
    >>> fault = okada.Rectangle(0.0, 0.0, 1.0, 20.0, 10.0, strike=30.0, dip=60.0)
    >>> propagator.greens(crust, fault, propagator.Stations([10.0, -5.0], [0.0, 8.0])).shape
    (2, 3, 1, 3)
    """
    _check_accuracy(accuracy)
    if stations.geometry != "cartesian":
        raise ValueError(
            "stations.geometry must be 'cartesian', since patches are in km; dislok.convert.to_local helps"
        )
    x, y = (np.atleast_1d(_numbers(f"station {n}", getattr(stations, n))) for n in ("x", "y"))
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ValueError(
            f"station x and y must be one-dimensional and of one length, got {x.shape}, {y.shape}"
        )
    depth = None if stations.depth is None else gates.number()("stations.depth", stations.depth)
    result, error = _finite().greens(
        model, patches, np.column_stack([x, y]), depth, accuracy, origin, _FARTHEST
    )
    return (result, error) if with_error else result


def _finite() -> ModuleType:
    # Imported only when it is used: it imports okada and tde.
    from dislok import finite

    return finite


def __getattr__(name: str) -> Any:
    if name == "StaticTable":
        return _finite().StaticTable
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _grid(problem: Problem, omega: np.ndarray, accuracy: float) -> tuple[Any, float]:
    """Wavenumbers for these frequencies, verified, and the estimated error."""
    _check_accuracy(accuracy)
    key = tuple(complex(each) for each in omega)
    return plan.make_grid(plan.hashable(problem.layers), problem.receiver, problem.extent, key, accuracy)


def _at_frequencies(problem: Problem, omega: np.ndarray, accuracy: float, wanted: Wanted) -> Kernels:
    """Spectra and their derivatives at given frequencies, all of them 0 or none."""
    grid, error = _grid(problem, omega, accuracy)

    def finish(values: Array, chosen: np.ndarray) -> list[Array]:
        return delayed(problem, chosen, combined(problem, chosen, values, wanted), omega)

    return Kernels._make([None, *evaluate(problem, omega, grid, finish), error])


def checked(
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    wanted: Wanted,
    backend: str | None = None,
) -> Problem:
    """Arrays of the call, checked, for what is `wanted` of it."""
    places = {f"source {name}": value for name, value in source._asdict().items()}
    means = engine(places | {"station x": stations.x, "station y": stations.y}, backend)
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
    receiver = ground if stations.depth is None else gates.number()("stations.depth", stations.depth)
    _check_depths(depth, receiver, ground)
    gates.choice("cartesian", "geographic")("stations.geometry", stations.geometry)
    if stations.geometry == "geographic":
        _check_degrees(x, y, "source")
        _check_degrees(sx, sy, "station")
    rays = geodesics.geographic if stations.geometry == "geographic" else geodesics.cartesian
    ray = rays(x[:, None], y[:, None], sx, sy)
    _check_distances(ray.distance, stations.geometry)
    strength = _strength(source, shape)
    force = wanted.force or source.force is not None
    problem = Problem(layers, shape, depth, time, strength, receiver, ray, force, means)
    if wanted.location:
        problem.need_strength(_LOCATION)
    return problem


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """A finite float64 array."""
    if np.ma.is_masked(values):
        raise TypeError(f"{name} is a masked array; drop or fill its masked elements first")
    gates.refuse_truth(name, values)
    values = values.detach().cpu() if hasattr(values, "detach") else values
    array = np.asarray(values.get() if hasattr(values, "__cuda_array_interface__") else values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"{name} must be finite, got {array[tuple(index)]} at {index}")
    return array


def _frequencies(omega: ArrayLike) -> np.ndarray:
    """Complex angular frequencies (n_omega,), finite."""
    array = np.atleast_1d(gates.ragged("omega", omega.detach().cpu() if hasattr(omega, "detach") else omega))
    if array.dtype.kind not in "fiuc" or np.ma.isMaskedArray(omega):
        raise TypeError(f"omega must be complex numbers, got {type(omega).__name__} of {array.dtype}")
    if array.ndim != 1 or not array.size:
        raise ValueError(f"omega must have shape (n_omega,), got {array.shape}")
    if not np.isfinite(array).all():
        at = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"omega[{at}] is {array[at]}; it must be finite")
    return array.astype(complex)


def _check_depths(depth: np.ndarray, receiver: float, ground: float) -> None:
    _check_receiver(receiver, ground)
    for index, each in enumerate(depth):
        if each < ground or each == receiver:
            raise ValueError(
                f"sources must lie below the ground at {ground:g} km depth and not at the stations' depth"
                f" {receiver:g} km, got depth {each:g} of source {index}"
            )


def _check_receiver(receiver: float, ground: float) -> None:
    if not np.isfinite(receiver) or receiver < ground:
        raise ValueError(f"stations must be at or below the ground at {ground:g} km depth, got {receiver:g}")


def _check_distances(distance: np.ndarray, geometry: str) -> None:
    """Flat layers say nothing about places farther away, and would take for ever to say it."""
    far = np.argwhere(distance > _FARTHEST)
    if len(far):
        source, station = far[0]
        hint = "; x and y are in km: are they in metres?" if geometry == "cartesian" else ""
        raise ValueError(
            f"station[{station}] must be within {_FARTHEST:g} km of source[{source}], got "
            f"{distance[source, station]:.6g} km{hint}"
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


def record_plan(problem, dt, n, start, stf, lowpass, quantity, accuracy, longer=False) -> RecordPlan:
    """How to compute the records; with `longer`, also their derivative with respect to the half-duration.

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
        extent=problem.extent,
        dt=float(dt),
        n=int(n),
        start=float(start),
        earliest=step * float(np.floor(earliest / step + 0.4)) - 0.4 * step,
        lowpass=band,
        quantity=quantity,
        accuracy=float(accuracy),
    )
    made = plan.make(request)
    slope = getattr(pulse, "slope", None) if longer else None
    by_duration = None if slope is None else made.filter * np.asarray(slope(made.omega))
    return RecordPlan(made, made.filter * np.asarray(spectrum(made.omega)), by_duration)


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
