"""Draws from the posterior of a fault inversion by the No-U-Turn sampler on the exact gradient.

 The sampler is mici's dynamic multinomial Hamiltonian Monte Carlo (Hoffman & Gelman 2014, Betancourt 2017).
It moves without bounds: at a bound the unknowns are reflected, which keeps the density as it is. Logarithms
of the distance from a bound, as is usual, have a long tail wherever the posterior reaches the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.arrays import Record
from dislok.store import Pieces, Place, write_arrays

if TYPE_CHECKING:
    from .problem import Problem
    from .result import Result


Object: TypeAlias = Any
"""A module of mici or ArviZ, or an object of one."""

LARGEST_RHAT = 1.03
LEAST_ESS = 100

_PART = 100
"""Draws of a chain that are kept together."""


@dataclass(frozen=True)
class Samples:
    """Draws from the posterior.

    Attributes
    ----------
    names : names of the p unknowns.
    values : (chains, draws, p); log_density : (chains, draws), up to a constant.
    acceptance : mean acceptance statistic of each chain; divergent : number of divergent trajectories in
        each.
    inflation : what the errors of the data were multiplied with.
    """

    names: tuple[str, ...]
    values: Array
    log_density: Array
    acceptance: Array
    divergent: NDArray[np.int64]
    inflation: float = 1.0

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why intervals of these draws are not to be quoted, a line for each reason; empty where they are.

        Chains that disagree (R-hat above 1.03), draws that are worth too few (an effective sample size
        below 100 leaves an interval's end off by a quarter of sigma), more than a hundredth divergent.
        """
        lines = []
        for name, r, size in zip(self.names, rhat(self.values), ess(self.values), strict=True):
            if not r <= LARGEST_RHAT:
                lines.append(f"the chains disagree about {name}: R-hat {r:.3f}, above {LARGEST_RHAT:g}")
            if not size >= LEAST_ESS:
                lines.append(
                    f"{name}: the draws are worth {size:.0f} independent ones, fewer than {LEAST_ESS}"
                )
        if self.divergent.sum() > 0.01 * self.log_density.size:
            lines.append(
                f"{self.divergent.sum()} of {self.log_density.size} trajectories diverged: the draws miss "
                "a part of the posterior"
            )
        return tuple(lines)

    @property
    def flat(self) -> Array:
        """All draws, (chains * draws, p)."""
        return self.values.reshape(-1, len(self.names))

    @property
    def mean(self) -> Array:
        """Posterior mean (p,)."""
        return np.asarray(self.flat.mean(axis=0))

    @property
    def covariance(self) -> Array:
        """Posterior covariance (p, p)."""
        return np.atleast_2d(np.cov(self.flat, rowvar=False))

    def summary(self) -> str:
        """Mean, deviation, 95 % interval, R-hat and effective sample size of every unknown, as text."""
        low, high = np.quantile(self.flat, [0.025, 0.975], axis=0)
        rows = zip(
            self.names,
            self.mean,
            self.flat.std(axis=0),
            low,
            high,
            rhat(self.values),
            ess(self.values),
            strict=True,
        )
        lines = [f"{'unknown':<12}{'mean':>11}{'sigma':>10}{'2.5 %':>11}{'97.5 %':>11}{'R-hat':>8}{'ESS':>7}"]
        lines += [
            f"{n:<12}{m:>11.4f}{s:>10.4f}{a:>11.4f}{b:>11.4f}{r:>8.3f}{e:>7.0f}"
            for n, m, s, a, b, r, e in rows
        ]
        lines.append(
            f"{self.values.shape[0]} chains of {self.values.shape[1]}, {self.divergent.sum()} divergent"
        )
        if self.inflation > 1:
            lines.append(f"with {self.inflation:.2f} times the stated errors of the data")
        lines += [f"NOT to be quoted: {doubt}" for doubt in self.doubts]
        return "\n".join(lines)

    def to_inference_data(self) -> Object:
        """The draws as `arviz.InferenceData`, for its diagnostics and pictures.

        The group ``posterior`` has a variable for every unknown, ``sample_stats`` the log density ``lp``;
        attributes hold the inflation and, of every chain, acceptance and number of divergent trajectories.

        Raises
        ------
        ImportError
            If ArviZ is not installed; the message names the extra.
        """
        try:
            import arviz
        except ImportError as error:
            raise ImportError('InferenceData needs ArviZ: pip install "dislok[arviz]"') from error
        facts = {
            "inference_library": "dislok", "inflation": self.inflation,
            "acceptance": self.acceptance.tolist(), "divergent": self.divergent.tolist(),
        }  # fmt: skip
        return arviz.from_dict(
            posterior={name: self.values[..., i] for i, name in enumerate(self.names)},
            sample_stats={"lp": self.log_density},
            posterior_attrs=facts,
        )

    def save(self, path: str | Path) -> None:
        """Write everything as a NumPy archive."""
        fields = ("values", "log_density", "acceptance", "divergent")
        arrays = {name: getattr(self, name) for name in fields}
        place = Path(path)
        # As NumPy does, which gave the file its ending before.
        place = place if place.suffix == ".npz" else place.with_name(place.name + ".npz")
        arrays |= {"names": np.array(self.names), "inflation": np.array(self.inflation)}
        write_arrays(place, arrays, compressed=True)

    @classmethod
    def load(cls, path: str | Path) -> Samples:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            names = tuple(str(name) for name in archive["names"])
            values, density, acceptance, divergent = (
                archive[key] for key in ("values", "log_density", "acceptance", "divergent")
            )
            inflation = float(archive["inflation"]) if "inflation" in archive else 1.0
            return cls(names, values, density, acceptance, divergent, inflation)


@gates.gate(
    chains=gates.count(1),
    draws=gates.count(1),
    warmup=gates.count(1),
    seed=gates.count(),
    target=gates.number(above=0, below=1),
    max_tree_depth=gates.count(1),
    progress=gates.optional(gates.function()),
)
def sample(
    problem: Problem,
    start: Result | Samples,
    *,
    chains: int = 4,
    draws: int = 500,
    warmup: int = 300,
    seed: int = 0,
    target: float = 0.8,
    max_tree_depth: int = 8,
    folder: Place | Pieces | None = None,
    progress: Callable[[str], None] | None = None,
) -> Samples:
    """Draw from the posterior by the No-U-Turn sampler.

    Parameters
    ----------
    problem : Problem
        Its log posterior, flat inside the bounds where there is no prior, is sampled, with the errors of the
        data as many times larger as `Result.inflation` of the start says. Nuisance terms are at their best
        value for each draw, which for the linear loss is the same as integrating over them.
    start : Result or Samples
        Where to begin: the chains spread around a result by its Gauss-Newton covariance, or go on
        where earlier samples of the same problem ended.
    chains, draws, warmup : int
        Chains, draws kept of each, and draws that adapt step size and metric and are not kept.
    seed : int
        The same seed gives the same draws.
    target : float
        Acceptance statistic that the step size is adapted to.
    max_tree_depth : int
        At most ``2**max_tree_depth`` gradients are spent on one draw.
    folder : path, optional
        Keeps the adaptation and every finished hundred draws of each chain, so that an interrupted run can be
        taken up; the draws are those of a run that was not interrupted.
    progress : callable, optional
        Called with a line of text as each chain ends.

    Raises
    ------
    ImportError
        If mici is not installed; the message names the extra.
    ValueError
        If a count is not positive, or the samples to go on from have other unknowns or too few chains.
    """
    if not isinstance(start, Samples) and not hasattr(start, "parameters"):
        raise TypeError(f"start must be a Result or Samples, got {type(start).__name__}")
    mici = _import_mici()
    box = _Box(problem.lower, problem.upper)
    centre, factor, places = _beginnings(problem, box, start, chains, np.random.default_rng(seed))
    density = _Density(problem, box, centre, factor, start.inflation)
    system = mici.systems.EuclideanMetricSystem(density.energy, grad_neg_log_dens=density.gradient)
    pieces = Pieces.at(
        folder, "sample", problem, centre, factor, places, draws, warmup, seed, target, max_tree_depth,
        start.inflation,
    )  # fmt: skip
    sampler = _Sampler(mici, system, target, max_tree_depth)
    runs = []
    for chain, place in enumerate(places):
        runs.append(_run_chain(sampler, place, (seed, chain), warmup, draws, pieces))
        if progress is not None:
            progress(f"chain {chain + 1}/{chains}: acceptance {runs[-1][2]:.2f}, {runs[-1][3]} divergent")
    z = np.array([run[0] for run in runs])
    values = box.inside(centre + z @ factor.T)
    energy, acceptance, divergent = (np.array([run[k] for run in runs]) for k in (1, 2, 3))
    divergences = divergent.astype(np.int64)
    return Samples(problem.names, values, -energy, acceptance, divergences, start.inflation)


def rhat(values: ArrayLike) -> Array:
    """Rank-normalised split R-hat (Vehtari et al.

    2021) of draws (chains, draws, p): (p,), near 1 when chains agree.
    """
    ranked = _rank_normalised(_split(gates.real(ndim=3)("values", values)))
    n = ranked.shape[1]
    within = ranked.var(axis=1, ddof=1).mean(axis=0)
    between = n * ranked.mean(axis=1).var(axis=0, ddof=1)
    return np.asarray(np.sqrt((n - 1) / n + between / within / n))


def ess(values: ArrayLike) -> Array:
    """Bulk effective sample size (Vehtari et al.

    2021, Geyer's initial monotone sequence) of draws (chains, draws, p).
    """
    ranked = _rank_normalised(_split(gates.real(ndim=3)("values", values)))
    m, n = ranked.shape[:2]
    covariance = _autocovariance(ranked)
    within = covariance[:, 0].mean(axis=0) * n / (n - 1)
    pooled = within * (n - 1) / n + ranked.mean(axis=1).var(axis=0, ddof=1)
    correlation = 1 - (within - covariance.mean(axis=0)) / pooled
    pairs = correlation[: n // 2 * 2].reshape(n // 2, 2, -1).sum(axis=1)
    positive = np.cumprod(pairs > 0, axis=0)
    monotone = np.minimum.accumulate(np.where(positive, pairs, 0.0), axis=0)
    time = np.maximum(2 * monotone.sum(axis=0) - 1, 1 / np.log10(m * n))
    return np.asarray(m * n / time)


class _Box:
    """Unknowns inside their bounds, and the same without bounds: reflected as often as it takes.

    The map keeps volumes, and the density that it unfolds is continuous.
    """

    def __init__(self, lower: Array, upper: Array) -> None:
        self.lower, self.upper = lower, upper
        low, high = np.isfinite(lower), np.isfinite(upper)
        self.both, self.below, self.above = low & high, low & ~high, ~low & high
        self.width = np.subtract(upper, lower, where=self.both, out=np.ones_like(lower))

    def inside(self, t: Array) -> Array:
        """Variables without bounds (..., p) to unknowns."""
        both, below, above = self.both, self.below, self.above
        q = t.copy()
        folded = self._turns(t)[..., both]
        q[..., both] = self.lower[both] + self.width[both] * np.where(folded > 1, 2 - folded, folded)
        q[..., below] = self.lower[below] + np.abs(t[..., below] - self.lower[below])
        q[..., above] = self.upper[above] - np.abs(t[..., above] - self.upper[above])
        return np.clip(q, self.lower, self.upper)

    def sign(self, t: Array) -> Array:
        """Derivative of the unknowns by the variables without bounds, 1 or -1."""
        mirrored = np.where(self.both, self._turns(t) > 1, False)
        mirrored |= (self.below & (t < self.lower)) | (self.above & (t > self.upper))
        return np.where(mirrored, -1.0, 1.0)

    def _turns(self, t: Array) -> Array:
        """Where between two bounds, from 0 to 1, and back from 1 to 2."""
        start = np.where(self.both, self.lower, 0.0)
        return np.asarray(np.mod((t - start) / self.width, 2.0))


FARTHEST = 1e30
"""Parameters beyond which the density counts as zero."""


class _Density:
    """Negative log density and its gradient in standardised variables z, with t = centre + factor z."""

    def __init__(
        self, problem: Problem, box: _Box, centre: Array, factor: Array, inflation: float = 1.0
    ) -> None:
        self.problem, self.box, self.centre, self.factor = problem, box, centre, factor
        self.inflation = inflation

    def gradient(self, z: Array) -> tuple[Array, float]:
        t = self.centre + self.factor @ z
        # A sampler's step may lead anywhere; the density has nothing to say of numbers that overflow.
        if not (np.abs(t) < FARTHEST).all():
            return np.zeros_like(z), np.inf
        q = self.box.inside(t)
        value, slope = self.problem.log_posterior(q)
        if self.inflation != 1 and np.isfinite(value):
            # The errors of the data are larger, those of the priors are not.
            deviation, precision = self.problem.prior_deviation(q), self.problem.prior_precision
            share = 1 - self.inflation**-2
            value = self.inflation**-2 * value - share * 0.5 * float(deviation**2 @ precision)
            slope = self.inflation**-2 * slope - share * precision * deviation
        return -self.factor.T @ (slope * self.box.sign(t)), -value

    def energy(self, z: Array) -> float:
        return self.gradient(z)[1]


class _Sampler:
    """One run of the sampler from a position: a state that can be kept goes in and comes out."""

    def __init__(self, mici: Object, system: Object, target: float, depth: int) -> None:
        self.mici, self.system, self.target, self.depth = mici, system, target, depth

    def __call__(self, place: Array, rng: np.random.Generator, step: float | None, count: int) -> Record:
        """`count` draws that adapt the step size if it is None, and are to be kept otherwise."""
        integrator = self.mici.integrators.LeapfrogIntegrator(self.system, step_size=step)
        sampler = self.mici.samplers.DynamicMultinomialHMC(
            self.system, integrator, rng, max_tree_depth=self.depth
        )
        warmup, draws = (count, 0) if step is None else (0, count)
        adapters = [self.mici.adapters.DualAveragingStepSizeAdapter(self.target)] if step is None else []
        # The search for a first step size goes far out, where exponentials overflow and steps are refused.
        with np.errstate(over="ignore", invalid="ignore"):
            states, traces, statistics = sampler.sample_chains(
                warmup, draws, [place], adapters=adapters, trace_funcs=[self._trace], display_progress=False
            )
        found = {"place": states[0].pos, "step": integrator.step_size}
        if step is not None:
            found |= {"position": traces["pos"][0], "energy": traces["energy"][0]}
            found |= {name: statistics[name][0] for name in ("accept_stat", "diverging")}
        return found

    def _trace(self, state: Object) -> Record:
        return {"pos": state.pos, "energy": self.system.neg_log_dens(state)}


def _run_chain(
    sampler: _Sampler, place: Array, seed: tuple[int, int], warmup: int, draws: int, pieces: Pieces
) -> tuple[Array, Array, float, int]:
    """One chain: positions (draws, p), energies (draws,), acceptance, divergences."""
    name = f"chain-{seed[1] + 1}"
    state = pieces.keep(
        f"{name}-warmup", lambda: sampler(place, np.random.default_rng([*seed, 0]), None, warmup)
    )
    step, parts = float(state["step"]), []
    for first in range(0, draws, _PART):
        rng, count = np.random.default_rng([*seed, 1 + first]), min(_PART, draws - first)
        state = pieces.keep(
            f"{name}-{first + 1}",
            lambda at=state["place"], rng=rng, count=count: sampler(at, rng, step, count),  # type: ignore[misc]
        )
        parts.append(state)
    position, energy, accepted, diverging = (
        np.concatenate([part[key] for part in parts])
        for key in ("position", "energy", "accept_stat", "diverging")
    )
    return position, energy, float(accepted.mean()), int(diverging.sum())


def _beginnings(
    problem: Problem, box: _Box, start: Result | Samples, chains: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Centre (p,) and factor (p, p) that standardise the variables, and a place for every chain."""
    if isinstance(start, Samples):
        if start.names != problem.names or len(start.values) < chains:
            raise ValueError(f"start: samples of {start.names} in {len(start.values)} chains do not fit")
        t = start.flat
        centre: Array = t.mean(axis=0)
        factor = np.asarray(np.linalg.cholesky(np.atleast_2d(np.cov(t, rowvar=False))), dtype=np.float64)
        ends = start.values[:chains, -1]
        places = np.linalg.solve(factor, (ends - centre).T).T
        return centre, factor, np.asarray(places, dtype=np.float64)
    model = problem.quadratic(start.values)
    held = (start.values <= problem.lower) | (start.values >= problem.upper)
    # On a bound the density falls to both sides as an exponential, whose variance is 2 / slope².
    slope = np.where(held, model.gradient / start.inflation**2, 0.0)
    centre = start.values
    model = problem.quadratic(_strictly_inside(problem, centre, model.gradient))
    prior = np.diag(problem.prior_precision)
    curvature = (model.normal - prior) / start.inflation**2 + prior + np.diag(0.5 * slope**2)
    # What the data say nothing about is uniform between its bounds.
    curvature += np.diag(np.where(box.both, 12 / box.width**2, 0.0))
    eigenvalues, vectors = np.linalg.eigh(curvature)
    factor = vectors / np.sqrt(np.maximum(eigenvalues, 1e-10 * eigenvalues.max()))
    return centre, factor, rng.standard_normal((chains, centre.size))


def _strictly_inside(problem: Problem, q: Array, gradient: Array) -> Array:
    """Move unknowns off their bounds by the distance over which the density falls by a factor e."""
    span = problem.upper - problem.lower
    inward = np.where(q <= problem.lower, 1.0, np.where(q >= problem.upper, -1.0, 0.0))
    fall = np.divide(1.0, np.abs(gradient), out=np.full(q.size, np.inf), where=gradient != 0)
    distance = np.minimum(np.minimum(fall, 0.25 * span), 1e6)
    return np.where(inward != 0, q + inward * distance, q)


def _import_mici() -> Any:
    try:
        import mici
        import mici.adapters
        import mici.integrators
        import mici.samplers
        import mici.systems
    except ImportError as error:
        raise ImportError('sampling needs mici: pip install "dislok[sample]"') from error
    return mici


def _split(values: Array) -> Array:
    half = values.shape[1] // 2
    if half < 2:
        raise ValueError(f"expected at least 4 draws of shape (chains, draws, p), got {values.shape}")
    return np.concatenate([values[:, :half], values[:, -half:]])


def _rank_normalised(values: Array) -> Array:
    flat = values.reshape(-1, values.shape[-1])
    rank = stats.rankdata(flat, axis=0)
    return np.asarray(special.ndtri((rank - 0.375) / (len(flat) + 0.25))).reshape(values.shape)


def _autocovariance(values: Array) -> Array:
    n = values.shape[1]
    spectrum = np.fft.rfft(values - values.mean(axis=1, keepdims=True), 2 * n, axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, 2 * n, axis=1)[:, :n] / n
