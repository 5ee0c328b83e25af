"""How to compute records to a stated accuracy: window, frequencies and wavenumbers, found by trying.

A plan is made from rules of thumb and compared, on a few distances, with shorter panels, a later end and a
longer window; it is refined until they agree. Plans are kept: a problem whose depths and distances are a
little different uses the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from . import quadrature, timeseries
from .cost import PlanError, check_band, check_kernels, check_records, check_window
from .integrals import bessel_tables, integrate
from .quadrature import Density, Extent
from .stack import Layers, build
from .timeseries import Window
from .truncation import Grid
from .truncation import rounded as rounded_distance

# Derivatives may be this many times less accurate than what they are derivatives of.
DERIVATIVES = 5.0
_TRIALS = 8
_SHARES = (1.0, 0.4, 0.1)


class Request(NamedTuple):
    """What a plan must serve.

    `layers` is a tuple of tuples; `earliest` the time before which nothing moves (s); `receiver` a depth;
    `lowpass` two frequencies (Hz) or None.
    """

    layers: tuple
    receiver: float
    extent: Extent
    dt: float
    n: int
    start: float
    earliest: float
    lowpass: tuple[float, float] | None
    quantity: str
    accuracy: float


class Band(NamedTuple):
    """A window, its complex frequencies and the filter's spectrum."""

    window: Window
    omega: np.ndarray
    filter: np.ndarray


class Plan(NamedTuple):
    """A window, its complex frequencies, the filter's spectrum, the wavenumbers and the estimated error."""

    window: Window
    omega: np.ndarray
    filter: np.ndarray
    grid: Grid
    matrix: np.ndarray
    error: float


def hashable(layers: Layers) -> tuple:
    """The layers as tuples."""
    fields: list[Any] = list(layers)
    return tuple(f if f is None or np.ndim(f) == 0 else tuple(map(float, f)) for f in fields)


def from_hashable(key: tuple) -> Layers:
    """The inverse of `hashable`."""
    fields: list[Any] = [np.array(f) if isinstance(f, tuple) else f for f in key]
    return Layers(*fields)


def rounded(extent: Extent) -> Extent:
    """The extent of a class of similar problems that contains this one."""
    return Extent(
        float(rounded_distance(extent.nearest)),
        float(rounded_distance(extent.deepest, up=True)),
        float(rounded_distance(extent.distance, up=True)),
        float(rounded_distance(extent.closest)),
    )


def damping(accuracy: float) -> float:
    """alpha T, by which late motion is damped: more allows longer panels, but magnifies their errors."""
    return float(np.clip(1.0 - 1.6 * np.log10(accuracy), 3.0, 9.0))


def first_density(accuracy: float) -> Density:
    """A density that is mostly enough; the constants were measured on stacks of one to six layers.

    Eight Gauss nodes leave exp(-16 arsinh(2 / pole)) of a pole, which is then magnified by exp(alpha T).
    """
    digits = -np.log10(accuracy)
    exponent = damping(accuracy) + np.log(0.1 / accuracy)
    return Density(
        pole=2.0 / np.sinh(exponent / 16.0),
        near=max(7.0 - 0.5 * digits, 2.0),
        phase=max(16.0 - 1.5 * digits, 4.0),
        decay=5.0 + 2.6 * digits,
        margin=1.1,
        turn=46.0 + 12.0 * digits,
    )


def _window(request: Request, stretch: float) -> tuple[Window, np.ndarray]:
    """Window and weights of the filter."""
    dt, accuracy = request.dt, request.accuracy
    amplitude = timeseries.response(request.lowpass, dt)
    weights = timeseries.weights(amplitude, 0.4 * accuracy)
    before = request.start - request.earliest + dt * len(weights)
    skip = max(0, int(np.ceil(before / dt)))
    # the more accurate, the longer the late motion must be let out
    samples = stretch * (skip + request.n * (1.0 - 0.1 * (np.log10(accuracy) + 1.0)))
    check_window(samples, request.n, dt)
    length = int(np.ceil(samples))
    alpha = damping(accuracy) / (length * dt)
    window = Window(dt, request.start - skip * dt, skip, request.n, length, alpha)
    return window, weights


def _band(request: Request, stretch: float) -> Band:
    """The frequencies that records need."""
    window, weights = _window(request, stretch)
    passed = 0.3 / request.dt if request.lowpass is None else request.lowpass[0]
    check_band(passed, window.length, window.wanted, window.dt)
    omega = window.omega(window.length // 2 + 1)
    spectrum = timeseries.spectrum_of(weights, window)
    count = int(np.flatnonzero(np.abs(spectrum) > 0.5 * request.accuracy)[-1]) + 1
    omega, spectrum = omega[:count], spectrum[:count]
    check_records(count, window.length, window.wanted, window.dt)
    return Band(window, omega, spectrum)


def _draft(request: Request, density: Density, band: Band) -> Plan:
    """A plan, not yet verified."""
    grid = quadrature.grid(from_hashable(request.layers), band.omega, request.extent, density)
    matrix = timeseries.matrix(band.window, len(band.omega), request.quantity)
    return Plan(*band, grid, matrix, np.nan)


def _distances(extent: Extent) -> np.ndarray:
    """Distances of a trial."""
    shares = np.maximum(extent.distance * np.array(_SHARES), extent.closest)
    return np.append(shares, min(extent.trial, extent.distance))


def _records(request: Request, plan: Plan) -> list[np.ndarray]:
    """Records of all integrals at the distances and depths of the trial; arrays (columns, ..., n).

    Their derivatives with the distance, then with the depth, follow.
    """
    layers, extent = from_hashable(request.layers), request.extent
    depths = np.unique([request.receiver + extent.nearest, request.receiver + extent.deepest])
    tables = [bessel_tables(plan.grid, _distances(extent))]
    paths = build(layers, request.receiver, depths)
    spectra = integrate(layers, paths, plan.omega, plan.grid, tables)
    return [
        timeseries.records(part * plan.filter, plan.matrix)
        for part in (spectra[:, 0, 0], spectra[:, 1, 0], spectra[:, 0, 1])
    ]


def _error(coarse: list[np.ndarray], fine: list[np.ndarray]) -> float:
    """Largest error of any trial record, over the rms of the strongest at the same distance and depth."""
    worst = 0.0
    for number, (a, b) in enumerate(zip(coarse, fine, strict=True)):
        error, size = np.sqrt(np.mean((a - b) ** 2, axis=-1)), np.sqrt(np.mean(b**2, axis=-1))
        ratio = float(np.max(error.max(axis=0) / size.max(axis=0)))
        worst = max(worst, ratio / (1.0 if number == 0 else DERIVATIVES))
    return worst


@lru_cache(maxsize=64)
def make(request: Request) -> Plan:
    """A plan that serves the request.

    Shorter panels, a later end and a longer window are tried one by one; those that change the records are
    taken, until all of them together change less than the accuracy.

    Raises
    ------
    PlanError
        If no trial reaches the accuracy, or trials would take too long.
    """
    density, stretch = first_density(request.accuracy), 1.0
    errors, spent, layers = [np.inf], 0.0, from_hashable(request.layers)
    for _ in range(_TRIALS):
        band = _band(request, stretch)
        spent += check_kernels(layers, band.omega, request.extent, density, spent)
        plan = _draft(request, density, band)
        records = _records(request, plan)
        longer = _band(request, 1.2 * stretch)
        others = ((density.finer(), band), (density.longer(), band), (density, longer))
        errors = [_error(records, _records(request, _draft(request, *other))) for other in others]
        if sum(errors) <= request.accuracy:
            return plan._replace(error=sum(errors))
        panels, end, window = (error > 0.3 * request.accuracy for error in errors)
        density = density.finer() if panels else density
        density = density.longer() if end else density
        stretch = 1.2 * stretch if window else stretch
    raise PlanError(
        f"the accuracy {request.accuracy:g} was not reached; the last estimates are {errors[0]:.1g} for the"
        f" panels, {errors[1]:.1g} for the largest wavenumber, {errors[2]:.1g} for the window"
    )


@lru_cache(maxsize=64)
def make_grid(
    key: tuple, receiver: float, extent: Extent, omega: tuple[complex, ...], accuracy: float
) -> tuple[Grid, float]:
    """Wavenumbers that serve given frequencies, and the estimated error; like `make`."""
    layers, frequencies = from_hashable(key), np.array(omega)
    distances = _distances(extent)
    depths = np.unique([receiver + extent.nearest, receiver + extent.deepest])
    paths = build(layers, receiver, depths)

    def cost(density: Density, spent: float) -> float:
        return check_kernels(layers, frequencies, extent, density, spent)

    def values(density: Density) -> tuple[Grid, list[np.ndarray]]:
        grid = quadrature.grid(layers, frequencies, extent, density)
        spectra = integrate(layers, paths, frequencies, grid, [bessel_tables(grid, distances)])
        parts = (spectra[:, 0, 0], spectra[:, 1, 0], spectra[:, 0, 1])
        return grid, [part.view(np.float64) for part in parts]

    return settled(values, _error, accuracy, cost)


def settled(
    values: Callable[[Density], tuple[Grid, Any]],
    error: Callable[[Any, Any], float],
    accuracy: float,
    cost: Callable[[Density, float], float],
    about: str = "",
) -> tuple[Grid, float]:
    """The first wavenumbers that are dense and far enough, and the estimated error.

    ``values(density)`` gives wavenumbers and what follows from them, ``error(coarse, fine)`` how far two of
    the latter are apart, ``cost(density, spent)`` how many kernels a trial computes; `about` goes into the
    message of the `PlanError` where the accuracy is not reached.
    """
    density, errors, spent = first_density(accuracy), [np.inf, np.inf], 0.0
    for _ in range(_TRIALS):
        spent += cost(density, spent)
        grid, coarse = values(density)
        errors = [error(coarse, values(other)[1]) for other in (density.finer(), density.longer())]
        if sum(errors) <= accuracy:
            return grid, sum(errors)
        density = density.finer() if errors[0] > 0.4 * accuracy else density
        density = density.longer() if errors[1] > 0.4 * accuracy else density
    raise PlanError(
        f"the accuracy {accuracy:g} was not reached{about}; the last estimates are {errors[0]:.1g} for the"
        f" panels, {errors[1]:.1g} for the largest wavenumber"
    )
