"""Errors of maps: how they are correlated, measured where the ground is at rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from dislok import gate as gates
from dislok.arrays import HostArray as Array

__all__ = ["Noise", "noise_model"]
Mask = NDArray[np.bool_]

_BINS = 30
_DISTANCES = 60
_ROUNDS = 3

KINDS = ("exponential", "spherical", "gaussian", "karman")
"""How a correlation may decay."""

_HURST = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5)


class Noise(NamedTuple):
    """Errors of a map: white noise, and noise whose correlation decays with distance.

    Attributes
    ----------
    white, correlated : standard deviations, in the unit of the map.
    distance : in the unit of the pixel size: where an exponential correlation has decayed to 1/e, a Gaussian
        one to 1/e, a spherical one to zero; the length a of a von Karman correlation.
    lag, semivariance : (b,) what was measured; semivariance in the map's unit squared.
    kind : "exponential", "spherical", "gaussian" or "karman" (von Karman, also called Matern).
    hurst : exponent of a von Karman correlation; at 0.5 it is the exponential one.
    misfit : root mean square of measured over modelled semivariance less one, weighted by pairs of pixels.
    """

    white: float
    correlated: float
    distance: float
    lag: Array
    semivariance: Array
    kind: str = "exponential"
    hurst: float = 0.5
    misfit: float = float("nan")

    def correlation(self, distance: ArrayLike) -> Array:
        """Correlation of the part that is not white."""
        d = gates.real(least=0)("distance", distance)
        return _correlation(gates.choice(*KINDS)("kind", self.kind), d / self.distance, self.hurst)

    def covariance(self, distance: ArrayLike) -> Array:
        """Covariance of two pixels at a distance; the white part belongs to distance zero."""
        d = gates.real(least=0)("distance", distance)
        return np.asarray(self.correlated**2 * self.correlation(d) + np.where(d == 0, self.white**2, 0))

    def variogram(self, lag: ArrayLike) -> Array:
        """Semivariance of the model."""
        h = gates.real(least=0)("lag", lag)
        rise = self.white**2 + self.correlated**2 * (1 - self.correlation(h))
        return np.asarray(np.where(h > 0, rise, 0.0))


@gates.gate(
    values=gates.real(nan=True),
    spacing=gates.pair(gates.number()),
    farthest=gates.optional(gates.number(above=0)),
    pairs=gates.count(1, 10**9),
    deramp=gates.flag(),
    seed=gates.count(),
    kind=gates.choice("best", *KINDS),
    hurst=gates.optional(gates.number(above=0, most=10)),
)
def noise_model(
    values: ArrayLike,
    spacing: tuple[float, float],
    *,
    rest: ArrayLike | None = None,
    farthest: float | None = None,
    pairs: int = 1_000_000,
    deramp: bool = True,
    seed: int = 0,
    kind: str = "exponential",
    hurst: float | None = None,
) -> Noise:
    """Measure the errors of a map where the ground is at rest.

    Parameters
    ----------
    values : array_like, shape (rows, columns)
        The map, NaN where missing.
    spacing : (float, float)
        As of `quadtree`.
    rest : array_like of bool, shape (rows, columns), optional
        Pixels without signal; all by default.
    farthest : float, optional
        Longest distance of pairs; by default half the shorter side of the map.
    pairs : int
        Number of random pairs of pixels.
    deramp : bool
        Take a plane off first.
    seed : int
        Of the random pairs.
    kind : {"exponential", "spherical", "gaussian", "karman", "best"}
        How the correlation decays; "best" takes the kind of the least `Noise.misfit`.
    hurst : float, optional
        Exponent of the von Karman correlation; by default the best of seven between 0.1 and 2.5.

    Returns
    -------
    Noise

    Raises
    ------
    ValueError
        If a shape does not fit or fewer than 100 pixels are at rest.

    Notes
    -----
    The semivariance of pairs, in bins of distance, is fitted by white noise plus the rise of a correlation
    that decays [1]_, each bin weighted by its number of pairs over its squared model value. A plane taken off
    lowers the semivariance at distances comparable with the map's size; `farthest` should stay below that.

    The correlations of two pixels at a distance d, in units of the distance a, are exp(-d), 1 - 3/2 d +
    1/2 d³ below one and zero above, exp(-d²), and 2^(1-H) / Γ(H) d^H K_H(d) with the Hurst exponent H. The
    Gaussian one is so smooth that covariances of many cells without white noise are singular to rounding.

    References
    ----------
    .. [1] Cressie, N. (1985). Fitting variogram models by weighted least squares. Math. Geol. 17, 563-586.
    """
    image = np.array(values, dtype=float)
    if image.ndim != 2:
        raise ValueError(f"values: expected shape (rows, columns), got {image.shape}")
    use = np.isfinite(image)
    if rest is not None:
        calm = gates.ragged("rest", rest)
        if calm.dtype != bool:
            calm = gates.real()("rest", rest).astype(bool)
        if calm.shape != image.shape:
            raise ValueError(f"rest: expected shape {image.shape}, got {calm.shape}")
        use &= calm
    if use.sum() < 100:
        raise ValueError(f"values: at least 100 pixels at rest are needed, got {int(use.sum())}")
    if deramp:
        image = image - _plane(image, use)
    sides = np.abs(np.array(spacing) * image.shape[::-1])
    reach = float(sides.min() / 2) if farthest is None else float(farthest)
    lag, semivariance, number = _semivariance(image, use, spacing, reach, pairs, seed)
    return _best_noise(kind, hurst, lag, semivariance, number)


def _plane(image: Array, use: Mask) -> Array:
    """Least-squares plane of the pixels in use."""
    rows, columns = (axis / axis.size for axis in np.ogrid[: image.shape[0], : image.shape[1]])
    north, east = np.nonzero(use)
    design = np.stack([np.ones(north.size), rows[north, 0], columns[0, east]], axis=-1)
    level, down, across = np.linalg.lstsq(design, image[use], rcond=None)[0]
    return np.asarray(level + down * rows + across * columns)


def _semivariance(
    image: Array, use: Mask, spacing: tuple[float, float], reach: float, pairs: int, seed: int
) -> tuple[Array, Array, Array]:
    """Mean distance, semivariance and number of random pairs in bins of distance."""
    rng = np.random.default_rng(seed)
    pixels = np.argwhere(use)
    first = pixels[rng.integers(len(pixels), size=pairs)]
    length, angle = reach * rng.random(pairs), 2 * np.pi * rng.random(pairs)
    step = np.stack([length * np.sin(angle) / spacing[1], length * np.cos(angle) / spacing[0]], axis=-1)
    second = first + np.rint(step).astype(int)
    inside = ((second >= 0) & (second < image.shape)).all(axis=1) & (first != second).any(axis=1)
    first, second = first[inside], second[inside]
    both = use[tuple(second.T)]
    first, second = first[both], second[both]
    distance = np.hypot(*((second - first) * np.array(spacing[::-1])).T)
    half = 0.5 * (image[tuple(first.T)] - image[tuple(second.T)]) ** 2
    bins = np.minimum((distance / reach * _BINS).astype(int), _BINS - 1)
    number = np.bincount(bins, minlength=_BINS)
    seen = number > 0
    lag, mean = (np.bincount(bins, v, _BINS)[seen] / number[seen] for v in (distance, half))
    return lag, mean, number[seen].astype(float)


def _correlation(kind: str, d: Array, hurst: float) -> Array:
    """Correlation at a distance over that of the model."""
    if kind == "exponential":
        return np.asarray(np.exp(-d))
    if kind == "spherical":
        return np.asarray(np.where(d < 1, 1 - 1.5 * d + 0.5 * d**3, 0.0))
    if kind == "gaussian":
        return np.asarray(np.exp(-(d**2)))
    near = np.maximum(d, 1e-12)
    with np.errstate(under="ignore"):
        values = 2 ** (1 - hurst) / special.gamma(hurst) * near**hurst * special.kv(hurst, near)
    return np.asarray(np.where(d > 1e-12, values, 1.0))


def _best_noise(kind: str, hurst: float | None, lag: Array, semivariance: Array, number: Array) -> Noise:
    """The model of a kind, or of the kind, that fits best."""
    tried = []
    for one in KINDS if kind == "best" else (kind,):
        powers = (0.5,) if one != "karman" else _HURST if hurst is None else (hurst,)
        tried += [_fit_noise(one, power, lag, semivariance, number) for power in powers]
    # What fits no better is no reason to leave the first, simplest kind.
    return min(tried, key=lambda noise: round(noise.misfit, 6))


def _fit_noise(kind: str, hurst: float, lag: Array, semivariance: Array, number: Array) -> Noise:
    """White and correlated part by least squares, with weights that follow the model."""
    noise = Noise(0.0, 0.0, 1.0, lag, semivariance, kind, hurst)
    model = semivariance
    for _ in range(_ROUNDS):
        weight = number / _above(model) ** 2
        distance = _best_distance(noise, weight)
        white, correlated = _fit_at(distance, noise, weight)[0]
        noise = noise._replace(
            white=float(np.sqrt(white)), correlated=float(np.sqrt(correlated)), distance=distance
        )
        model = noise.variogram(lag)
    off = semivariance / _above(model) - 1
    return noise._replace(misfit=float(np.sqrt(np.average(off**2, weights=number))))


def _above(model: Array) -> Array:
    """A semivariance that can be divided by."""
    return np.asarray(np.maximum(model, 1e-12 * model.max(initial=0.0) + 1e-300))


def _best_distance(noise: Noise, weight: Array) -> float:
    """Correlation distance of the least misfit: the best of a row, then between its neighbours."""

    def misfit(log_distance: float) -> float:
        return _fit_at(float(np.exp(log_distance)), noise, weight)[1]

    tried = np.linspace(np.log(noise.lag[0] / 3), np.log(3 * noise.lag[-1]), _DISTANCES)
    i = int(np.argmin([misfit(float(place)) for place in tried]))
    ends = tried[[max(i - 1, 0), min(i + 1, _DISTANCES - 1)]]
    return float(np.exp(optimize.minimize_scalar(misfit, bounds=tuple(ends), method="bounded").x))


def _fit_at(distance: float, noise: Noise, weight: Array) -> tuple[Array, float]:
    root = np.sqrt(weight)
    rise = 1 - _correlation(noise.kind, noise.lag / distance, noise.hurst)
    design = np.stack([np.ones_like(noise.lag), rise], axis=-1)
    variances, norm = optimize.nnls(root[:, None] * design, root * noise.semivariance)
    return variances, float(norm)
