"""What calls cost: memory that does not grow with the sources, plans that are refused before they start."""

import time
import tracemalloc
import warnings

import numpy as np
import pytest

from dislok import convert, motion, okada, propagator
from dislok.kernels.propagator import timeseries
from dislok.kernels.propagator.quadrature import Extent
from dislok.kernels.propagator.timeseries import Window

MOMENT = [1e17, -2e17, 1e17, 3e16, 0.0, 0.0]
STATIONS = propagator.Stations([30.0, -60.0], [40.0, 20.0])
ABOVE = propagator.Stations([0.0, -60.0], [0.0, 20.0])


def crust(vs=3.5):
    return propagator.LayeredModel([1.0, 20.0, np.inf], [6.0, 6.7, 7.8], [vs, 3.9, 4.4], [2.7, 2.9, 3.3])


def source(depth):
    return propagator.PointSource(0.0, 0.0, depth, moment=MOMENT)


def record(depth=12.0, dt=1.0, n=128, vs=3.5, stations=STATIONS):
    return propagator.seismograms(crust(vs), source(depth), stations, dt, n)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: record(depth=1e-5, stations=ABOVE), "source within 8.6e-06 km of the stations' depth"),
        (lambda: propagator.statics(crust(), source(1e-7), ABOVE), "source within 9.1e-07 km"),
        (lambda: propagator.spectra(crust(), source(1e-7), ABOVE, [0.0]), "source within 9.1e-07 km"),
        (lambda: record(dt=1e-6), "frequencies up to 5e[+]05 Hz"),
        (lambda: record(dt=1e-3, n=100_000), "n=100000 samples of dt=0.001 s and .* frequencies"),
        (lambda: record(n=3 * 10**6), "n=3000000 samples of dt=1 s"),
        (lambda: record(dt=15.0, n=10**7), "n=10000000 samples of dt=15 s"),
        (lambda: record(vs=0.01), "waves as slow as 0.01 km/s in layer 0 at 0.5 Hz"),
        (lambda: record(stations=propagator.Stations([5000.0], [0.0]), dt=0.05, n=4000), "distances up to"),
        (lambda: propagator.spectra(crust(), source(12.0), STATIONS, [1e5 - 1e-3j]), "frequencies up to 1"),
    ],
)
def test_hopeless_plans_name_the_input_before_they_start(call, reason):
    start = time.process_time()
    with pytest.raises(propagator.PlanError, match=reason):
        call()
    assert time.process_time() - start < 5.0


def test_waves_slower_than_any_ground_are_refused_by_the_model():
    with pytest.raises(ValueError, match="vs must be between 0.01 and 20 km/s, got 0.001 in layer 0"):
        record(vs=1e-3)


def test_ordinary_plans_are_far_from_the_limits(monkeypatch):
    monkeypatch.setattr("dislok.kernels.propagator.cost.MOST_KERNELS", 4e6)
    propagator.plan.make.cache_clear()
    assert np.isfinite(record(depth=3.0)).all()


def test_long_plans_are_announced(monkeypatch):
    """With what makes them long; and ended where trials are in vain."""
    propagator.plan.make.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record(n=32)
    propagator.plan.make.cache_clear()
    monkeypatch.setattr("dislok.kernels.propagator.cost.LONG", 1e3)
    with pytest.warns(RuntimeWarning, match="to plan this takes .* seconds on one core or more: "):
        record(n=32)
    propagator.plan.make.cache_clear()
    monkeypatch.setattr("dislok.kernels.propagator.cost.MOST_KERNELS", 4e5)
    monkeypatch.setattr("dislok.kernels.propagator.plan._error", lambda a, b: 1.0)
    with pytest.raises(propagator.PlanError, match="kernels, after .* in vain, more than"):
        record(n=32)
    propagator.plan.make.cache_clear()


def many(count, stations):
    """A finite fault: sources at depths and distances of their own."""
    draw = np.random.default_rng(3)
    x, y = draw.uniform(-20, 20, (2, count))
    sources = propagator.PointSource(x, y, draw.uniform(3, 20, count), moment=MOMENT)
    return sources, propagator.Stations(*draw.uniform(-100, 100, (2, stations)))


def test_memory_does_not_grow_with_the_sources():
    model = crust()
    sources, stations = many(60, 120)
    propagator.statics(model, *many(2, 2), accuracy=1e-4)
    tracemalloc.start()
    propagator.statics(model, sources, stations, accuracy=1e-4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6


def test_parts_give_the_same_numbers(monkeypatch):
    sources, stations = many(9, 5)
    whole = propagator.static_kernels(crust(), sources, stations)
    monkeypatch.setattr(motion, "TABLES", 1)
    monkeypatch.setattr(motion, "MOST_TABLES", 1)
    parts = propagator.static_kernels(crust(), sources, stations)
    for name in ("seismogram", "moment", "location"):
        a, b = getattr(whole, name), getattr(parts, name)
        assert np.abs(a - b).max() < 1e-13 * np.abs(a).max()


@pytest.mark.parametrize("length", [64, 100, 301])
def test_spectrum_of_weights_is_their_sum(length, rng):
    """Also of series that are longer than the window."""
    kept = rng.normal(size=150) * np.exp(-np.arange(150) / 30)
    window = Window(0.5, 0.0, 3, 50, length, 0.01)
    omega = window.omega(length // 2 + 1)
    direct = kept[0] + 2.0 * np.cos(np.outer(omega, 0.5 * np.arange(1, 150))) @ kept[1:]
    assert np.abs(timeseries.spectrum_of(kept, window) - direct).max() < 1e-13 * np.abs(direct).max()


def test_fine_sampling_of_a_low_band_costs_little():
    """The same records from samples fifty times as close take the same frequencies."""
    coarse = propagator.seismograms(crust(), source(12.0), STATIONS, 0.5, 64, lowpass=(0.05, 0.1))
    start = time.process_time()
    fine = propagator.seismograms(crust(), source(12.0), STATIONS, 0.05, 640, lowpass=(0.05, 0.1))
    assert time.process_time() - start < 20.0
    assert np.abs(fine[..., ::10] - coarse).max() < 2e-2 * np.abs(coarse).max()


def decayed(monkeypatch):
    """Let integrations end where the integrands have decayed with the source's depth, and nowhere before."""
    monkeypatch.setattr(motion.Problem, "extent", property(_extent_without_closest))


def _extent_without_closest(problem):
    offsets = np.abs(problem.depth - problem.receiver)
    return propagator.plan.rounded(Extent(offsets.min(), offsets.max(), problem.ray.distance.max()))


@pytest.mark.parametrize("accuracy", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("depth", [0.5, 0.05])
def test_shallow_sources_far_away_are_as_in_a_half_space(depth, accuracy):
    """Okada's point source, with all its derivatives, at stations far beyond the depth."""
    model = propagator.LayeredModel([np.inf], [6.0], [3.0], [2.7])
    x, y = np.array([4.0, -20.0, 90.0]), np.array([3.0, 20.0, -10.0])
    at = propagator.PointSource(0.0, 0.0, depth, moment=convert.moment_tensor(30.0, 60.0, 40.0, 1e18))
    made = propagator.static_kernels(model, at, propagator.Stations(x, y), accuracy=accuracy)
    potency = 1e18 / (2700.0 * 3000.0**2)
    point = okada.Point(0.0, 0.0, 1e3 * depth, 30.0, 60.0, 40.0, potency=potency)
    obs = 1e3 * np.column_stack([x, y])
    exact = okada.displacement(obs, point, nu=1.0 / 3.0)  # lambda is twice mu
    slopes = 1e3 * okada.jacobian(obs, point, nu=1.0 / 3.0)[:, :, 0, :3]
    size = np.linalg.norm(exact, axis=1, keepdims=True)
    assert (np.abs(made.seismogram - exact) / size).max() < 3 * accuracy
    # what the accuracy is relative to is the strongest of all elementary sources, of which this is a mixture
    scale = np.linalg.norm(slopes, axis=1, keepdims=True)
    wrong = np.abs(made.location[:, :3].transpose(0, 2, 1) - slopes) / scale
    assert wrong.max() < 40 * accuracy


def test_shallow_sources_in_layers_are_as_before(monkeypatch):
    """The integrals that end early are those that end when all has decayed."""
    near = propagator.Stations([3.0, -60.0], [4.0, 20.0])
    early = propagator.seismograms(crust(), source(0.2), near, 1.0, 64, lowpass=(0.1, 0.2), accuracy=1e-4)
    still = propagator.statics(crust(), source(0.2), near, accuracy=1e-8)
    decayed(monkeypatch)
    late = propagator.seismograms(crust(), source(0.2), near, 1.0, 64, lowpass=(0.1, 0.2), accuracy=1e-4)
    wrong = np.sqrt(np.mean((early - late) ** 2, axis=(1, 2)) / np.mean(late**2, axis=(1, 2)))
    assert wrong.max() < 2e-4
    slow = propagator.statics(crust(), source(0.2), near, accuracy=1e-8)
    assert np.abs(still - slow).max(axis=1) == pytest.approx(0.0, abs=3e-8 * np.abs(slow).max())


@pytest.mark.parametrize("depth", [1e-2, 1e-5])
def test_shallow_sources_cost_no_more_than_deep_ones(depth):
    """Far from the stations; motion is that of a source a little deeper."""
    near = propagator.Stations([3.0, -60.0], [4.0, 20.0])
    start = time.process_time()
    got = propagator.static_kernels(crust(), source(depth), near, location=False)
    assert time.process_time() - start < 10.0
    assert got.accuracy <= 1e-6
    deeper = propagator.statics(crust(), source(depth + 0.01), near)
    change = np.abs(got.seismogram - deeper).max() / np.abs(deeper).max()
    assert 1e-5 < change < 0.02
