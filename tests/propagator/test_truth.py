"""Static offsets, spectra and derivatives against the shipped truth, made by `tests/reference/make.py`."""

from pathlib import Path

import numpy as np
import pytest

from dislok import propagator

FILE = Path(__file__).resolve().parent.parent / "data" / "spectra.npz"
with np.load(FILE) as file:
    DATA = dict(file)
NAMES = list(DATA["names"])
MOMENT, OMEGA = DATA["moment"], DATA["omega"]


class Case:
    """Truth of one case, and the objects that a user would make for it."""

    def __init__(self, name):
        number = NAMES.index(name)
        self.get = lambda field: DATA[f"{number}/{field}"]
        self.model = propagator.LayeredModel(*self.get("layers").T)
        receiver, depth = map(float, self.get("depths"))
        self.stations = propagator.Stations(*DATA["places"].T, receiver)
        self.source = propagator.PointSource(0.0, 0.0, depth, MOMENT)
        self.forces = propagator.PointSource(np.zeros(3), 0.0, depth, force=np.eye(3))


# These alone are done every time: they hold every kind of place and of end of the stack.
QUICK = ("half-space, stations inside", "at the interface", "crust, stations below the source", "sea floor")
CASES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param)


def relative(got, truth, axis):
    """Largest error of a component, over the length of its vector: its components lie along an axis."""
    return (np.abs(got - truth) / np.linalg.norm(truth, axis=axis, keepdims=True)).max()


def against_strongest(got, truth, axis):
    """Largest error of a component at a station, over the length of the strongest element's vector there."""
    length = np.linalg.norm(truth, axis=1, keepdims=True).max(axis=axis, keepdims=True)
    return (np.abs(got - truth) / length).max()


def elements(moment, force):
    """(places, 3, 9, ...) of kernels (places, 6, 3, ...) and (places, 3, 3, ...)."""
    return np.swapaxes(np.concatenate([moment, force], axis=1), 1, 2)


def spectra_of(case, accuracy, omega):
    """Motion of all elements, slopes of `MOMENT`'s motion, and the estimated error."""
    made = propagator.spectral_kernels(case.model, case.source, case.stations, omega, accuracy=accuracy)
    pushed = propagator.spectra(case.model, case.forces, case.stations, omega, accuracy=accuracy)
    return elements(made.moment, np.swapaxes(pushed, 0, 1)), made.location(MOMENT), made.accuracy


def test_static_offsets(case):
    """Measured: 7e-11 and 6e-11."""
    made = propagator.static_kernels(case.model, case.source, case.stations, force=True, accuracy=1e-10)
    assert relative(elements(made.moment, made.force), case.get("statics"), 1) < 2e-10
    assert relative(made.location[:, :3], case.get("slopes")[..., 0].real, 2) < 2e-10


# The lowest of the frequencies, at which wavenumbers must lie very close, is expensive.
@pytest.mark.parametrize("first", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_spectra(case, first):
    """Measured: 5e-12 and 6e-11."""
    motion, slopes, _ = spectra_of(case, 1e-10, OMEGA[first:])
    assert relative(motion, case.get("motion")[..., first - 1 :], 1) < 2e-11
    assert relative(slopes, case.get("slopes")[..., first:], 2) < 2e-10


@pytest.mark.parametrize("accuracy", [1e-3, 1e-6])
def test_errors_are_below_those_stated(case, accuracy):
    """Motion; slopes may have five times as much, and have 1.8 times."""
    motion, slopes, stated = spectra_of(case, accuracy, OMEGA[2:])
    truth, steep = case.get("motion")[..., 1:], np.swapaxes(case.get("slopes")[..., 2:], 1, 2)
    assert 0.0 < stated < accuracy
    assert against_strongest(motion[:, :, :6], truth[:, :, :6], 2) < stated
    assert against_strongest(motion[:, :, 6:], truth[:, :, 6:], 2) < stated
    assert against_strongest(np.swapaxes(slopes, 1, 2), steep, 2) < 5 * stated


@pytest.mark.parametrize("name", [name for i, name in enumerate(NAMES) if f"{i}/layer_slopes" in DATA])
def test_slopes_with_the_layers(name):
    """Each property's, over the largest slope with a layer's property of this kind."""
    case = Case(name)
    got = propagator.static_layer_kernels(case.model, case.source, case.stations, accuracy=1e-10)
    truth = case.get("layer_slopes")
    largest = np.abs(truth).max(axis=(2, 3), keepdims=True)
    assert (np.abs(got - truth) / largest).max() < 1e-9
