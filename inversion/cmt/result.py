"""What an inversion found: centroids and tensors with their uncertainty, the fit, and how it was reached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from dislok import convert
from dislok import gate as gates
from dislok.store import write_arrays, write_text

from . import tensor as tensors
from .data import Offsets
from .filters import Array
from .fit import Fit, fits
from .forward import meridian_turn
from .posterior import matched, normal, posterior
from .problem import Problem
from .records import local, parse_utc
from .solve import Search
from .source import UNITS, Sources

FORMAT = "dislok centroid moment tensor 1"

FEW = 6
"""Stations below which a result warns."""

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
        """Percent of isotropic part, double couple and CLVD (Jost & Herrmann 1989); signs of ISO and CLVD
        kept.
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
class Result:
    """Best sources with their uncertainty.

    Attributes
    ----------
    event : what the inversion is about.
    centroids : the sources.
    covariance : (s, s) of the elements of each source: six of the tensor (N·m, true axes), then the unknowns.
    errors : where it comes from: "stations" that disagree, or the errors of the "data".
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

    @property
    def variance_reduction(self) -> float:
        """Of the filtered waveforms, without weights; of the whitened data where there are offsets or several
        data sets.
        """
        plain = len(self.fits) == 1 and self.fits[0].times.size > 0
        return self.fits[0].variance_reduction if plain else 1 - self.misfit

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
        """Standard deviations of a source's unknowns, in km and s."""
        step = 6 + len(self.unknowns)
        root = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))[source * step + 6 : (source + 1) * step]
        return {name: float(value) for name, value in zip(self.unknowns, root, strict=True)}

    def draws(self, count: int = 400, source: int = 0, seed: int = 0) -> tuple[Array, Array]:
        """Tensors (count, 6) and unknowns (count, q), as offsets from the best, drawn from the normal
        posterior.
        """
        step = 6 + len(self.unknowns)
        block = self.covariance[source * step : (source + 1) * step, source * step : (source + 1) * step]
        drawn = normal(block, count, np.random.default_rng(seed))
        return self.centroids[source].tensor + drawn[:, :6], drawn[:, 6:]

    def spread(self, source: int = 0, count: int = 400) -> dict[str, float]:
        """Standard deviations of what follows from the tensor: Mw, CLVD, and each plane's strike, dip and
        rake.
        """
        drawn, _ = self.draws(count, source)
        dc = convert.double_couple(tensors.matrix(drawn))
        best = self.centroids[source].planes
        nearest = matched(np.stack([dc.strike, dc.dip, dc.rake], axis=-1), np.array(best))
        names = [f"{name}{i}" for i in (1, 2) for name in ("strike", "dip", "rake")]
        angles = dict(zip(names, nearest.reshape(count, 6).std(axis=0), strict=True))
        magnitude = convert.magnitude_from_moment(tensors.size(drawn)).std()
        return {
            "Mw": float(magnitude),
            "CLVD": float(np.std(dc.clvd)),
            **{k: float(v) for k, v in angles.items()},
        }

    def summary(self) -> str:
        """The result in words."""
        lines = [
            f"{self.event}: {self.constraint.replace('_', ' ')} moment tensor, "
            f"{self.stf} source time function"
        ]
        for i in range(len(self.centroids)):
            lines.extend(_describe(self, i))
        if len(self.centroids) > 1:
            lines.append(f"sum of {len(self.centroids)} sources: Mw {self.magnitude:.2f}")
        lines.append(
            f"variance reduction {100 * self.variance_reduction:.1f} % (relative RMS {self.misfit:.4f}), "
            f"{len(self.history) - 1} iterations, {'converged' if self.converged else 'NOT CONVERGED'}"
        )
        lines.extend(
            f"{fit.name}: {len(fit.station)} stations, {100 * fit.variance_reduction:.1f} %"
            for fit in self.fits
        )
        origin = "what the stations disagree about" if self.errors == "stations" else "the errors of the data"
        lines.append(f"uncertainties (±, one standard deviation) from {origin}")
        lines.extend(self.warnings)
        lines.extend(f"note: {line}" for line in self.notes)
        lines.extend(f"left out: {line}" for line in self.dropped)
        return "\n".join(lines)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before using the result."""
        found = []
        if not self.converged:
            found.append("warning: the search did not converge")
        if self.at_bound:
            found.append(f"warning: {', '.join(self.at_bound)} ended on a bound")
        if self.variance_reduction < 0.8:
            found.append(
                "warning: a point source of this kind leaves a fifth of the data or more; try a duration, "
                "lower frequencies, farther stations or several subevents"
            )
        if self.station_count < FEW:
            found.append(f"warning: {self.station_count} stations hardly tell one mechanism from another")
        nearest, length = self.nearest, 10 ** (0.59 * self.magnitude - 2.44)
        if nearest < length / 2:
            found.append(
                f"warning: a station lies {nearest:.0f} km from a centroid; ruptures of this size are about "
                f"{length:.0f} km long (Wells & Coppersmith 1994), which no point describes from so near; "
                "leave near stations out, or try several subevents or a line"
            )
        if any(_is_shallow(self, i) for i in range(len(self.centroids))):
            found.append(
                "warning: so shallow a source hardly feels its dip-slip elements on vertical planes; dip and "
                "moment trade off, so fix the depth, ask for a double couple or give a prior"
            )
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """The result without waveforms, as plain values that JSON can hold."""
        plain = {
            key: value
            for key, value in asdict(self).items()
            if key not in ("fits", "centroids", "covariance")
        }
        plain["format"] = FORMAT
        plain["magnitude"] = self.magnitude
        plain["variance_reduction"] = self.variance_reduction
        plain["covariance"] = self.covariance.tolist()
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
    centroids = tuple(
        Centroid(
            c["latitude"],
            c["longitude"],
            c["depth"],
            c["time"],
            c["half_duration"],
            np.array(c["tensor_enu"]),
        )
        for c in plain["centroids"]
    )
    known = {f for f in Result.__dataclass_fields__ if f not in ("fits", "centroids", "covariance")}
    rest: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in plain.items() if key in known
    }
    return Result(centroids=centroids, covariance=np.array(plain["covariance"]), fits=fits, **rest)


_FIT_ARRAYS = ("station", "latitude", "longitude", "times", "observed", "predicted", "mask")


def conclude(found: Search, constraint: str, event: str = "earthquake", errors: str | None = None) -> Result:
    """Turn the end of a search into a result.

    Parameters
    ----------
    found : Search
    constraint : str
        As given to the search.
    event : str
        What to call it.
    errors : {"stations", "data"}, optional
        Where its uncertainty comes from, see `dislok.inversion.cmt.posterior.posterior`.
    """
    state = found.state
    problem = state.system.problem
    turns = source_turns(problem, state.sources)
    found_errors = posterior(state, constraint, turns, errors)
    low, high = problem.limits(len(state.sources))
    values = state.sources.values(problem.unknowns)
    on_bound = (values <= low + 1e-6) | (values >= high - 1e-6)
    at_bound = {problem.unknowns[i % len(problem.unknowns)] for i in np.flatnonzero(on_bound)}
    clocks = [part.records.reference.isoformat() for part in problem.data if not isinstance(part, Offsets)]
    return Result(
        event=event,
        centroids=centroids(problem, state.sources),
        **found_errors._asdict(),
        unknowns=problem.unknowns,
        constraint=constraint,
        stf=problem.stf,
        origin=problem.origin,
        reference=clocks[0] if clocks else "1970-01-01T00:00:00+00:00",
        misfit=state.misfit,
        fits=fits(state),
        dropped=tuple(line for part in problem.data for line in part.dropped),
        notes=tuple(line for part in problem.data for line in part.notes),
        history=tuple(_plain_step(step) for step in found.history),
        converged=found.converged,
        at_bound=tuple(sorted(at_bound)),
    )


def source_turns(problem: Problem, sources: Sources) -> Array:
    """Rotations (n, 3, 3) from the plane's axes to true east, north, up at the sources."""
    lon, lat = convert.to_geographic(1e3 * sources.east, 1e3 * sources.north, *problem.origin[::-1])
    return meridian_turn(lat, lon, problem.origin)


def centroids(problem: Problem, sources: Sources) -> tuple[Centroid, ...]:
    """The sources on the Earth, their tensors along true axes."""
    lon, lat = convert.to_geographic(1e3 * sources.east, 1e3 * sources.north, *problem.origin[::-1])
    turn = source_turns(problem, sources)
    true = tensors.row(turn @ tensors.matrix(sources.tensor) @ np.swapaxes(turn, -1, -2))
    columns = np.stack([lat, lon, sources.depth, sources.time, sources.duration], axis=1)
    found = []
    for numbers, tensor in zip(columns, true, strict=True):
        latitude, longitude, depth, time, half_duration = (float(v) for v in numbers)
        found.append(Centroid(latitude, longitude, depth, time, half_duration, tensor))
    return tuple(found)


def _is_shallow(result: Result, i: int) -> bool:
    depth = result.centroids[i].depth
    return depth < 4.0 and result.constraint != "double_couple"


def _describe(result: Result, i: int) -> list[str]:
    c, sigma, spread = result.centroids[i], result.sigma(i), result.spread(i)
    (s1, d1, r1), (s2, d2, r2) = c.planes
    errors = {name: f" ± {sigma[name]:.1f}" if name in sigma else " (fixed)" for name in UNITS}
    head = "" if len(result.centroids) == 1 else f"source {i + 1}: "
    elements = "  ".join(f"{name} {value:+.3e}" for name, value in c.spherical.items())
    parts = c.decomposition
    return [
        f"{head}Mw {c.magnitude:.2f} ± {spread['Mw']:.2f}, M0 {c.moment:.2e} N·m",
        f"  centroid {c.latitude:.3f} N (±{sigma.get('north', 0.0):.1f} km), {c.longitude:.3f} E "
        f"(±{sigma.get('east', 0.0):.1f} km), depth {c.depth:.1f}{errors['depth']} km",
        f"  centroid time {c.time:+.1f}{errors['time']} s, "
        f"half-duration {c.half_duration:.1f}{errors['duration']} s",
        f"  strike/dip/rake {s1:.0f}/{d1:.0f}/{r1:.0f} (±{spread['strike1']:.0f}/{spread['dip1']:.0f}/"
        f"{spread['rake1']:.0f}) and {s2:.0f}/{d2:.0f}/{r2:.0f} (±{spread['strike2']:.0f}/"
        f"{spread['dip2']:.0f}/{spread['rake2']:.0f})",
        f"  {elements}",
        f"  DC {parts['DC']:.0f} %, CLVD {round(parts['CLVD']):+d} %, "
        f"ISO {round(parts['ISO']):+d} %, ε {c.epsilon:.2f}",
    ]


def _plain_centroid(result: Result, i: int) -> dict[str, Any]:
    c = result.centroids[i]
    dc = c.double_couple
    planes: Sequence[Any] = c.planes
    return {
        "latitude": c.latitude,
        "longitude": c.longitude,
        "depth": c.depth,
        "time": c.time,
        "utc": result.utc(i).isoformat(),
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
        "sigma": {**result.sigma(i), **result.spread(i)},
    }


def _plain_step(step: Any) -> dict[str, float]:
    s = step.sources
    values = {name: float(getattr(s, name)[0]) for name in ("east", "north", "depth", "time", "duration")}
    return {"misfit": step.misfit, **values, "tensor": s.tensor[0].tolist()}
