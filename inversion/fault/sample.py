"""Draws from the posterior of a fault inversion by the No-U-Turn sampler on the exact gradient.
 The sampler is mici's dynamic multinomial Hamiltonian Monte Carlo (Hoffman & Gelman 2014, Betancourt 2017).
It moves in unbounded variables, a logarithm or logit of the distance to each bound, whose volume change is
part of the density.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from dislok import gate as gates
from dislok.store import Pieces, Place, write_arrays

if TYPE_CHECKING:
    from .problem import Problem
    from .result import Result

Array = NDArray[np.float64]

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
    """

    names: tuple[str, ...]
    values: Array
    log_density: Array
    acceptance: Array
    divergent: NDArray[np.int64]

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
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write everything as a NumPy archive."""
        fields = ("values", "log_density", "acceptance", "divergent")
        arrays = {name: getattr(self, name) for name in fields}
        place = Path(path)
        # As NumPy does, which gave the file its ending before.
        place = place if place.suffix == ".npz" else place.with_name(place.name + ".npz")
        write_arrays(place, {"names": np.array(self.names), **arrays}, compressed=True)

    @classmethod
    def load(cls, path: str | Path) -> Samples:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            names = tuple(str(name) for name in archive["names"])
            return cls(names, *(archive[key] for key in ("values", "log_density", "acceptance", "divergent")))


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
    folder: Place | None = None,
    progress: Callable[[str], None] | None = None,
) -> Samples:
    """Draw from the posterior by the No-U-Turn sampler.

    Parameters
    ----------
    problem : Problem
        Its log posterior, flat inside the bounds where there is no prior, is sampled. Nuisance terms are at
        their best value for each draw, which for the linear loss is the same as integrating over them.
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
    density = _Density(problem, box, centre, factor)
    system = mici.systems.EuclideanMetricSystem(density.energy, grad_neg_log_dens=density.gradient)
    pieces = Pieces.at(
        folder, "sample", problem, centre, factor, places, draws, warmup, seed, target, max_tree_depth
    )
    sampler = _Sampler(mici, system, target, max_tree_depth)
    runs = []
    for chain, place in enumerate(places):
        runs.append(_run_chain(sampler, place, (seed, chain), warmup, draws, pieces))
        if progress is not None:
            progress(f"chain {chain + 1}/{chains}: acceptance {runs[-1][2]:.2f}, {runs[-1][3]} divergent")
    z = np.array([run[0] for run in runs])
    values = box.inside(centre + z @ factor.T)
    energy, acceptance, divergent = (np.array([run[k] for run in runs]) for k in (1, 2, 3))
    volume = box.log_volume(centre + z @ factor.T)
    return Samples(problem.names, values, -energy - volume, acceptance, divergent.astype(np.int64))


def rhat(values: ArrayLike) -> Array:
    """Rank-normalised split R-hat (Vehtari et al. 2021) of draws (chains, draws, p): (p,), near 1 when chains
    agree.
    """
    ranked = _rank_normalised(_split(gates.real(ndim=3)("values", values)))
    n = ranked.shape[1]
    within = ranked.var(axis=1, ddof=1).mean(axis=0)
    between = n * ranked.mean(axis=1).var(axis=0, ddof=1)
    return np.asarray(np.sqrt((n - 1) / n + between / within / n))


def ess(values: ArrayLike) -> Array:
    """Bulk effective sample size (Vehtari et al. 2021, Geyer's initial monotone sequence) of draws (chains,
    draws, p).
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
    """Map between a box and unbounded variables: logit between two bounds, logarithm from one."""

    def __init__(self, lower: Array, upper: Array) -> None:
        self.lower, self.upper = lower, upper
        low, high = np.isfinite(lower), np.isfinite(upper)
        self.both, self.below, self.above = low & high, low & ~high, ~low & high
        self.width = np.subtract(upper, lower, where=self.both, out=np.zeros_like(lower))

    def inside(self, t: Array) -> Array:
        """Unbounded variables (..., p) to unknowns."""
        both, below, above = self.both, self.below, self.above
        q = t.copy()
        q[..., both] = self.lower[both] + self.width[both] * special.expit(t[..., both])
        q[..., below] = self.lower[below] + np.exp(t[..., below])
        q[..., above] = self.upper[above] - np.exp(t[..., above])
        return q

    def outside(self, q: Array) -> Array:
        """Unknowns (..., p) strictly inside the bounds to unbounded variables."""
        both, below, above = self.both, self.below, self.above
        t = q.copy()
        t[..., both] = special.logit((q[..., both] - self.lower[both]) / self.width[both])
        t[..., below] = np.log(q[..., below] - self.lower[below])
        t[..., above] = np.log(self.upper[above] - q[..., above])
        return t

    def slopes(self, t: Array) -> tuple[Array, Array]:
        """First and second derivative of the unknowns by the unbounded variables."""
        one = self.below | self.above
        s = special.expit(t)
        logistic = self.width * s * (1 - s)
        power = np.where(self.above, -1.0, 1.0) * np.exp(np.where(one, t, 0.0))
        first = np.where(self.both, logistic, np.where(one, power, 1.0))
        second = np.where(self.both, logistic * (1 - 2 * s), np.where(one, power, 0.0))
        return first, second

    def log_volume(self, t: Array) -> Array:
        """Logarithm of the volume change, summed over the last axis."""
        both, one = self.both, self.below | self.above
        logistic = special.log_expit(t[..., both]) + special.log_expit(-t[..., both])
        constant = np.log(self.width[both]).sum()
        return np.asarray(constant + logistic.sum(axis=-1) + t[..., one].sum(axis=-1))

    def log_volume_slope(self, t: Array) -> Array:
        """Derivative of `log_volume`."""
        return np.where(self.both, 1 - 2 * special.expit(t), np.where(self.below | self.above, 1.0, 0.0))


FARTHEST = 1e30
"""Parameters beyond which the density counts as zero."""


class _Density:
    """Negative log density and its gradient in standardised unbounded variables z, with t = centre + factor
    z.
    """

    def __init__(self, problem: Problem, box: _Box, centre: Array, factor: Array) -> None:
        self.problem, self.box, self.centre, self.factor = problem, box, centre, factor

    def gradient(self, z: Array) -> tuple[Array, float]:
        t = self.centre + self.factor @ z
        q = self.box.inside(t)
        # A sampler's step may lead anywhere; the density has nothing to say of numbers that overflow.
        if not (np.abs(q) < FARTHEST).all():
            return np.zeros_like(z), np.inf
        value, slope = self.problem.log_posterior(q)
        first = self.box.slopes(t)[0]
        energy = -value - float(self.box.log_volume(t))
        return -self.factor.T @ (slope * first + self.box.log_volume_slope(t)), energy

    def energy(self, z: Array) -> float:
        return self.gradient(z)[1]


class _Sampler:
    """One run of the sampler from a position: a state that can be kept goes in and comes out."""

    def __init__(self, mici: Any, system: Any, target: float, depth: int) -> None:
        self.mici, self.system, self.target, self.depth = mici, system, target, depth

    def __call__(
        self, place: Array, rng: np.random.Generator, step: float | None, count: int
    ) -> dict[str, Any]:
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

    def _trace(self, state: Any) -> dict[str, Any]:
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
    """Centre (p,) and factor (p, p) that standardise the unbounded variables, and a place for every chain."""
    if isinstance(start, Samples):
        if start.names != problem.names or len(start.values) < chains:
            raise ValueError(f"start: samples of {start.names} in {len(start.values)} chains do not fit")
        t = box.outside(start.flat)
        centre: Array = t.mean(axis=0)
        factor = np.asarray(np.linalg.cholesky(np.atleast_2d(np.cov(t, rowvar=False))), dtype=np.float64)
        ends = box.outside(start.values[:chains, -1])
        places = np.linalg.solve(factor, (ends - centre).T).T
        return centre, factor, np.asarray(places, dtype=np.float64)
    model = problem.quadratic(start.values)
    centre = box.outside(_strictly_inside(problem, start.values, model.gradient))
    first, second = box.slopes(centre)
    model = problem.quadratic(box.inside(centre))
    bend = np.where(box.both, 2 * special.expit(centre) * special.expit(-centre), 0.0)
    curvature = model.normal * np.outer(first, first) + np.diag(np.maximum(model.gradient * second, 0) + bend)
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
