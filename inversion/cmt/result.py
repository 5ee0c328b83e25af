"""The result of an inversion: centroids and tensors with their uncertainty, the fit, the way there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from dislok import convert
from dislok import gate as gates
from dislok.arrays import Record
from dislok.store import write_arrays, write_text

from . import tensor as tensors
from .data import Offsets
from .filters import Array
from .fit import Fit, fits, total_reduction
from .forward import meridian_rotation
from .posterior import Doubt, matched, normal, posterior
from .problem import Problem
from .quality import beyond_noise
from .records import local, parse_utc
from .solve import Search, apart
from .source import Sources
from .steps import Step
from .summary import explains

FORMAT = "dislok centroid moment tensor 1"

LEAST = 1e-3
"""Probability relative to the best one's below which a rival is out of the question."""

_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class Centroid:
    """One point source on the Earth.

    Attributes
    ----------
    latitude, longitude : degrees; depth : km.
    time : centroid time in seconds after the reference; half_duration : s.
    tensor : (6,) elements ee, nn, uu, en, eu, nu in N·m, along true east, north, up at the centroid.
    """

    latitude: float
    longitude: float
    depth: float
    time: float
    half_duration: float
    tensor: Array

    def in_frame(self, frame: str = "USE") -> Array:
        """The tensor (3, 3) in a frame of `dislok.convert`: "USE" is (r, θ, φ), or "NED", or "ENU"."""
        return np.asarray(convert.change_frame(tensors.matrix(self.tensor), "ENU", frame))

    @property
    def spherical(self) -> dict[str, float]:
        """Mrr, Mtt, Mpp, Mrt, Mrp, Mtp in N·m."""
        m = self.in_frame("USE")
        names = ("Mrr", "Mtt", "Mpp", "Mrt", "Mrp", "Mtp")
        return {name: float(m[pair]) for name, pair in zip(names, _PAIRS, strict=True)}

    @property
    def double_couple(self) -> convert.DoubleCouple:
        """Nodal planes, moment and remainder of the tensor."""
        return convert.double_couple(tensors.matrix(self.tensor))

    @property
    def moment(self) -> float:
        """Scalar moment √(Σ M_ij² / 2) in N·m."""
        return float(tensors.size(self.tensor))

    @property
    def magnitude(self) -> float:
        """Moment magnitude Mw."""
        return float(convert.magnitude_from_moment(self.moment))

    @property
    def planes(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Strike, dip and rake of both nodal planes in degrees."""
        dc = self.double_couple
        first, second = zip(dc.strike, dc.dip, dc.rake, strict=True)
        return tuple(map(float, first)), tuple(map(float, second))  # type: ignore[return-value]

    @property
    def epsilon(self) -> float:
        """Least over largest size of the deviatoric eigenvalues: 0 for a double couple, 0.5 for a CLVD."""
        return abs(float(self.double_couple.clvd))

    @property
    def decomposition(self) -> dict[str, float]:
        """Percent of isotropic part, double couple and CLVD (Jost & Herrmann 1989).

        Signs of ISO and CLVD kept.
        """
        dc = self.double_couple
        iso, clvd = float(dc.isotropic), float(dc.clvd)
        largest = np.abs(np.linalg.eigvalsh(tensors.matrix(self.tensor)) - iso).max()
        part = abs(iso) / (abs(iso) + largest)
        return {
            "ISO": 100 * float(np.sign(iso) * part),
            "DC": 100 * float((1 - part) * (1 - 2 * abs(clvd))),
            "CLVD": 100 * float((1 - part) * 2 * clvd),
        }


@dataclass(frozen=True)
class Rival:
    """Another minimum of the misfit.

    Attributes
    ----------
    centroids : its sources.
    misfit : ``|d - s|² / |d|²`` of the whitened data, to be compared with that of the result.
    variance_reduction : as of the result.
    distance : km from the result's source, depth included.
    weight : its probability beside the best, 0 where it is out of the question.
    """

    centroids: tuple[Centroid, ...]
    misfit: float
    variance_reduction: float
    distance: float
    weight: float


@dataclass(frozen=True)
class Result:
    """Best sources with their uncertainty.

    Attributes
    ----------
    event : what the inversion is about.
    centroids : the sources.
    covariance : (s, s) of the elements of each source: six of the tensor (N·m, true axes), then the unknowns.
    errors : where it comes from: "largest" of all that is known, "stations" that disagree, the errors of the
        "data", or "none" where there are too few stations to tell, or the model does not explain the data.
    unknowns : names of the unknowns besides the tensor.
    constraint, stf, origin, reference : as given; origin is (latitude, longitude), reference a UTC time.
    misfit : ``|d - s|² / |d|²`` of the whitened data, the relative RMS of O'Toole et al. (2012).
    chi2, dof : squared whitened residuals, and what noise of the assumed size would leave of them on average.
    error_scale : factor on the standard deviations that the misfit made necessary.
    condition : condition number of the scaled Jacobian.
    fits : data and prediction of every data set; dropped : what was left out and why.
    history : misfit, and place, time, duration of the first source at every iteration.
    converged : whether the search converged.
    at_bound : names of the unknowns that ended on a bound.
    notes : what was strange in reading and used all the same.
    hypocentre_depth : km, where it is known.
    rivals : other minima of the misfit, the best first.
    crusts : number of other crusts whose effect is in the covariance.
    """

    event: str
    centroids: tuple[Centroid, ...]
    covariance: Array
    errors: str
    unknowns: tuple[str, ...]
    constraint: str
    stf: str
    origin: tuple[float, float]
    reference: str
    misfit: float
    chi2: float
    dof: float
    error_scale: float
    condition: float
    fits: tuple[Fit, ...]
    dropped: tuple[str, ...]
    history: tuple[dict[str, float], ...]
    converged: bool
    at_bound: tuple[str, ...]
    notes: tuple[str, ...] = ()
    hypocentre_depth: float | None = None
    rivals: tuple[Rival, ...] = ()
    crusts: int = 0

    @property
    def unique(self) -> bool:
        """Whether no other minimum is nearly as good."""
        return not any(rival.weight > 0 for rival in self.rivals)

    @property
    def variance_reduction(self) -> float:
        """1 minus squared residual over squared data, of what was fitted, without weights.

        The mean of all data sets.
        """
        return total_reduction(self.fits)

    @property
    def total_tensor(self) -> Array:
        """Sum (6,) of all sources' tensors."""
        return np.asarray(sum(c.tensor for c in self.centroids))

    @property
    def magnitude(self) -> float:
        """Moment magnitude of the sum of all sources."""
        return float(convert.magnitude_from_moment(tensors.size(self.total_tensor)))

    @property
    def station_count(self) -> int:
        """Number of stations with something that was fitted."""
        used = (fit.station[fit.mask.reshape(len(fit.station), -1).any(axis=1)] for fit in self.fits)
        return len(np.unique(np.concatenate(list(used))))

    @property
    def nearest(self) -> float:
        """Distance (km) from a centroid to the station nearest to it, of those that were fitted."""
        near = []
        for fit in self.fits:
            used = fit.mask.reshape(len(fit.station), -1).any(axis=1)
            for c in self.centroids:
                x, y = local(fit.latitude[used], fit.longitude[used], c.latitude, c.longitude)
                near.append(np.hypot(x, y).min(initial=np.inf))
        return float(min(near))

    def utc(self, source: int = 0) -> datetime:
        """Centroid time of a source."""
        return parse_utc(self.reference) + timedelta(seconds=self.centroids[source].time)

    def sigma(self, source: int = 0) -> dict[str, float]:
        """Standard deviations of a source's unknowns, in km and s; NaN where none can be stated."""
        step = 6 + len(self.unknowns)
        root = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))[source * step + 6 : (source + 1) * step]
        return {name: float(value) for name, value in zip(self.unknowns, root, strict=True)}

    def draws(self, count: int = 400, source: int = 0, seed: int = 0) -> tuple[Array, Array]:
        """Tensors (count, 6) and unknowns (count, q) drawn from the normal posterior.

        Unknowns are offsets from the best.
        """
        step = 6 + len(self.unknowns)
        block = self.covariance[source * step : (source + 1) * step, source * step : (source + 1) * step]
        drawn = normal(block, count, np.random.default_rng(seed))
        return self.centroids[source].tensor + drawn[:, :6], drawn[:, 6:]

    def spread(self, source: int = 0, count: int = 400) -> dict[str, float]:
        """Standard deviations of what follows from the tensor.

        Mw, CLVD, and each plane's strike, dip and rake; NaN where none can be stated.
        """
        names = [f"{name}{i}" for i in (1, 2) for name in ("strike", "dip", "rake")]
        if self.errors == "none":
            return dict.fromkeys(("Mw", "CLVD", *names), float("nan"))
        drawn, _ = self.draws(count, source)
        dc = convert.double_couple(tensors.matrix(drawn))
        best = self.centroids[source].planes
        nearest = matched(np.stack([dc.strike, dc.dip, dc.rake], axis=-1), np.array(best))
        angles = dict(zip(names, nearest.reshape(count, 6).std(axis=0), strict=True))
        magnitude = convert.magnitude_from_moment(tensors.size(drawn)).std()
        return {
            "Mw": float(magnitude),
            "CLVD": float(np.std(dc.clvd)),
            **{k: float(v) for k, v in angles.items()},
        }

    def summary(self) -> str:
        """The result in words."""
        from .summary import summary

        return summary(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before using the result."""
        from .summary import warnings

        return warnings(self)

    def as_dict(self) -> Record:
        """The result without waveforms, as plain values that JSON can hold."""
        plain = {
            key: value
            for key, value in asdict(self).items()
            if key not in ("fits", "centroids", "covariance", "rivals")
        }
        plain["format"] = FORMAT
        plain["magnitude"] = self.magnitude
        plain["variance_reduction"] = self.variance_reduction
        plain["covariance"] = None if self.errors == "none" else self.covariance.tolist()
        plain["unique"] = self.unique
        plain["rivals"] = [_plain_rival(rival) for rival in self.rivals]
        plain["centroids"] = [_plain_centroid(self, i) for i in range(len(self.centroids))]
        plain["fits"] = [fit.as_dict() for fit in self.fits]
        plain["warnings"] = list(self.warnings)
        return plain

    def save(self, path: str | Path) -> None:
        """Write JSON, and the waveforms beside it in a NumPy archive of the same name."""
        target = Path(path)
        archive = {}
        for i, fit in enumerate(self.fits):
            for name in ("station", "latitude", "longitude", "times", "observed", "predicted", "mask"):
                archive[f"{i}/{name}"] = getattr(fit, name)
        write_arrays(target.with_suffix(".npz"), archive, compressed=True)
        write_text(target, json.dumps(self.as_dict(), indent=1))


@gates.gate(path=gates.path())
def load(path: str | Path) -> Result:
    """Read a result that `Result.save` wrote, with its waveforms."""
    source = Path(path)
    plain = json.loads(source.read_text(encoding="utf-8"))
    if plain.get("format") != FORMAT:
        raise ValueError(f"{source} does not hold a {FORMAT!r}")
    with np.load(source.with_suffix(".npz"), allow_pickle=False) as archive:
        fits = tuple(
            Fit(entry["name"], entry["kind"], *(archive[f"{i}/{name}"] for name in _FIT_ARRAYS))
            for i, entry in enumerate(plain["fits"])
        )
    centroids = tuple(_centroid(c) for c in plain["centroids"])
    listed = tuple(
        Rival(
            tuple(_centroid(c) for c in one["centroids"]),
            one["misfit"],
            one["variance_reduction"],
            one["distance"],
            one["weight"],
        )
        for one in plain.get("rivals", ())
    )
    known = {f for f in Result.__dataclass_fields__ if f not in ("fits", "centroids", "covariance", "rivals")}
    rest: Record = {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items() if key in known}
    size = len(centroids) * (6 + len(rest["unknowns"]))
    covariance = (
        np.full((size, size), np.nan) if plain["covariance"] is None else np.array(plain["covariance"])
    )
    return Result(centroids=centroids, covariance=covariance, fits=fits, rivals=listed, **rest)


def _centroid(plain: Record) -> Centroid:
    names = ("latitude", "longitude", "depth", "time", "half_duration")
    return Centroid(**{name: plain[name] for name in names}, tensor=np.array(plain["tensor_enu"]))


_FIT_ARRAYS = ("station", "latitude", "longitude", "times", "observed", "predicted", "mask")


def conclude(
    found: Search,
    event: str = "earthquake",
    errors: str = "largest",
    *,
    crusts: Sequence[Sources] = (),
    changes: Array | None = None,
) -> Result:
    """Turn the end of a search into a result.

    Parameters
    ----------
    found : Search
    event : str
        What to call it.
    errors : {"largest", "stations", "data"}, optional
        Where its uncertainty comes from, see `dislok.inversion.cmt.posterior.posterior`.
    crusts : sequence of Sources, optional
        Solutions in other crusts; the mean square of their distances goes into the uncertainty. So do rival
        minima that are nearly as good.
    changes : (k, m), optional
        How the residuals change in k other crusts, see `dislok.inversion.cmt.crusts.in_other_crusts`.

    Notes
    -----
    Where a point does not explain the data, no uncertainty is stated: it takes half of what is no noise, four
    fifths where stations lie within half a rupture's length, and 30 % of all.
    """
    state = found.state
    problem = state.system.problem
    rotations = source_rotations(problem, state.sources)
    listed = rivals(found)
    doubts = [Doubt(one, 1 / len(crusts)) for one in crusts]
    doubts += [
        Doubt(one.state.sources, rival.weight) for one, rival in zip(found.others, listed, strict=True)
    ]
    shown = fits(state)
    stated = posterior(state, rotations, errors, [d for d in doubts if d.weight > 0], changes)
    low, high = problem.limits(len(state.sources))
    values = state.sources.values(problem.unknowns)
    on_bound = (values <= low + 1e-6) | (values >= high - 1e-6)
    at_bound = {problem.unknowns[i % len(problem.unknowns)] for i in np.flatnonzero(on_bound)}
    clocks = [part.records.reference.isoformat() for part in problem.data if not isinstance(part, Offsets)]
    found_one = Result(
        event=event,
        centroids=centroids(problem, state.sources),
        **stated._asdict(),
        unknowns=problem.unknowns,
        constraint=problem.constraint,
        stf=problem.stf,
        origin=problem.origin,
        reference=clocks[0] if clocks else "1970-01-01T00:00:00+00:00",
        misfit=state.misfit,
        fits=shown,
        dropped=tuple(line for part in problem.data for line in part.dropped),
        notes=tuple(line for part in problem.data for line in part.notes),
        history=tuple(_plain_step(step) for step in found.history),
        converged=found.converged,
        at_bound=tuple(sorted(at_bound)),
        rivals=listed,
        crusts=len(crusts) if changes is None else len(changes),
    )
    if errors != "largest" or explains(found_one, beyond_noise(state)):
        return found_one
    return replace(found_one, errors="none", covariance=np.full_like(stated.covariance, np.nan))


def rivals(found: Search) -> tuple[Rival, ...]:
    """The other minima of a search beside the best one.

    A rival's weight is what its misfit leaves of its probability: exp(-Δ/2) with the squared whitened
    residuals scaled to the number of independent data at the best, shared out among all.
    """
    state = found.state
    problem = state.system.problem
    parts = [part.whitener for part in problem.data]
    independent = max(sum(part.independent for part in parts) - 10, 1.0)
    rise = [independent * (one.state.objective / state.objective - 1) for one in found.others]
    likely = np.exp(-0.5 * np.maximum(rise, 0.0)) if rise else np.zeros(0)
    likely = np.where(likely > LEAST, likely, 0.0) / (1 + likely.sum())
    return tuple(
        Rival(
            centroids(problem, one.state.sources),
            one.state.misfit,
            total_reduction(fits(one.state)),
            apart(state.sources, one.state.sources),
            float(weight),
        )
        for one, weight in zip(found.others, likely, strict=True)
    )


def source_rotations(problem: Problem, sources: Sources) -> Array:
    """Rotations (n, 3, 3) from the plane's axes to true east, north, up at the sources."""
    lon, lat = convert.to_geographic(1e3 * sources.east, 1e3 * sources.north, *problem.origin[::-1])
    return meridian_rotation(lat, lon, problem.origin)


def centroids(problem: Problem, sources: Sources) -> tuple[Centroid, ...]:
    """The sources on the Earth, their tensors along true axes."""
    lon, lat = convert.to_geographic(1e3 * sources.east, 1e3 * sources.north, *problem.origin[::-1])
    rotation = source_rotations(problem, sources)
    true = tensors.row(rotation @ tensors.matrix(sources.tensor) @ np.swapaxes(rotation, -1, -2))
    columns = np.stack([lat, lon, sources.depth, sources.time, sources.duration], axis=1)
    found = []
    for numbers, tensor in zip(columns, true, strict=True):
        latitude, longitude, depth, time, half_duration = (float(v) for v in numbers)
        found.append(Centroid(latitude, longitude, depth, time, half_duration, tensor))
    return tuple(found)


def _plain_centroid(result: Result, i: int) -> Record:
    sigma = {**result.sigma(i), **result.spread(i)}
    stated = {name: value if np.isfinite(value) else None for name, value in sigma.items()}
    return {**_plain_place(result.centroids[i]), "utc": result.utc(i).isoformat(), "sigma": stated}


def _plain_place(c: Centroid) -> Record:
    dc = c.double_couple
    planes: Sequence[tuple[float, ...]] = c.planes
    return {
        "latitude": c.latitude,
        "longitude": c.longitude,
        "depth": c.depth,
        "time": c.time,
        "half_duration": c.half_duration,
        "tensor_enu": c.tensor.tolist(),
        "tensor_rtp": c.spherical,
        "tensor_ned": tensors.row(c.in_frame("NED")).tolist(),
        "moment": c.moment,
        "magnitude": c.magnitude,
        "planes": [dict(zip(("strike", "dip", "rake"), plane, strict=True)) for plane in planes],
        "epsilon": c.epsilon,
        "clvd": float(dc.clvd),
        "decomposition": c.decomposition,
    }


def _plain_rival(rival: Rival) -> Record:
    plain = {name: getattr(rival, name) for name in ("misfit", "variance_reduction", "distance", "weight")}
    return {**plain, "centroids": [_plain_place(c) for c in rival.centroids]}


def _plain_step(step: Step) -> dict[str, float]:
    s = step.sources
    values = {name: float(getattr(s, name)[0]) for name in ("east", "north", "depth", "time", "duration")}
    return {"misfit": step.misfit, **values, "tensor": s.tensor[0].tolist()}
