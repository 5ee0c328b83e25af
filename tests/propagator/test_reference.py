"""Spectra, static offsets and seismograms against pyprop8 and an independent prototype."""

import numpy as np
import pytest

from dislok import propagator
from dislok.kernels.propagator.integrals import Grid, bessel_tables, integrate, names
from dislok.kernels.propagator.radiation import patterns
from dislok.kernels.propagator.stack import Layers, build

CASES = [
    "S1_T1_35",
    "S2_T1_10",
    "S3_T1_3p24",
    "S4_HS_12",
    "S5_ocean_20",
    "S6_J1_8",
    "S7_T1_20_rec6",
    "S8_T1_15_force",
    "S9_T1_5_interface",
]
TIMED = [case for case in CASES if case[:2] not in ("S8", "S9", "S4")]


@pytest.fixture(scope="module")
def data(shared):
    return np.load(shared / "refs" / "propagator.npz")


class Case:
    """One case: in the reference's units (1e12 N m, mm) and components (r, t, z)."""

    def __init__(self, data, name):
        self.get = lambda field: data[f"{name}/{field}"]
        self.r, self.phi = self.get("r"), self.get("phi")
        self.model = propagator.LayeredModel(*self.get("layers").T)
        moment = self.get("M")
        self.moment = moment[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
        self.stations = propagator.Stations(
            self.r * np.cos(self.phi), self.r * np.sin(self.phi), float(self.get("zr"))
        )
        self.source = propagator.PointSource(
            0.0, 0.0, float(self.get("zs")), 1e12 * self.moment, 1e9 * self.get("F")[:, 0]
        )

    def radial(self, enu, axis=1):
        """Components r, t, z in place of east, north, up."""
        e, n, u = np.moveaxis(enu, axis, 0)
        shape = (-1, *(1,) * (e.ndim - 1))
        c, s = np.cos(self.phi).reshape(shape), np.sin(self.phi).reshape(shape)
        return np.stack([e * c + n * s, n * c - e * s, u], axis=axis)


@pytest.mark.parametrize("name", CASES)
def test_same_wavenumbers_give_the_same_spectra(data, name):
    """On pyprop8's own trapezoid; its cancellation spoils it at low frequencies."""
    case, omega = Case(data, name), data["omega"]
    kmax, count = case.get("trap_kmax_nk")
    k = np.linspace(0.0, kmax, int(count))
    weights = np.full(len(k), k[1])
    weights[-1] *= 0.5
    fill = -(len(k) - 1) % 64
    k, weights = np.append(k[1:], np.full(fill, kmax)), np.append(weights[1:], np.zeros(fill))
    layers = Layers(*case.get("layers").T)
    columns = names(True)
    pattern, _, _ = patterns(columns, case.phi, -case.phi)
    strength = np.append(case.moment, case.get("F")[:, 0])
    for those, bound in (([0], 5e-14), ([3, 4, 5, 6, 7], 5e-11)):
        grid = Grid(k, weights, np.full(len(those), len(k)))
        paths = build(layers, float(case.get("zr")), np.array([float(case.get("zs"))]))
        values = integrate(layers, paths, omega[those], grid, [bessel_tables(grid, case.r)], force=True)
        for got, field in (
            (values[:, 0, 0, 0], case.get("spec_trap")),
            (values[:, 1, 0, 0], case.get("dspec_trap")[:, 6]),
            (-values[:, 0, 1, 0], case.get("dspec_trap")[:, 10]),
        ):
            motion = np.einsum("rcen,e,nrw->rcw", pattern, strength, got)
            truth = field[..., those]
            assert np.abs(motion - truth).max() < bound * np.abs(truth).max()


@pytest.mark.parametrize("name", CASES)
def test_static_offsets(data, name):
    case = Case(data, name)
    truth = case.get("static_xyz")
    for accuracy, bound in ((1e-6, 2e-7), (1e-9, 1e-10)):
        got = 1e3 * propagator.statics(case.model, case.source, case.stations, accuracy=accuracy)
        assert np.abs(got - truth).max() < bound * np.abs(truth).max()


@pytest.mark.parametrize(
    "name",
    [
        name if name[:2] in ("S1", "S7", "S8") else pytest.param(name, marks=pytest.mark.slow)
        for name in CASES
    ],
)
def test_spectra(data, name):
    case = Case(data, name)
    omega = data["omega"]
    got = case.radial(1e3 * propagator.spectra(case.model, case.source, case.stations, omega, accuracy=1e-6))
    truth = case.get("spec_conv")
    error = np.abs(got - truth).max(axis=(0, 1)) / np.abs(truth).max(axis=(0, 1))
    assert error.max() < 1e-6


def rms_error(got, truth):
    """Largest over stations of the rms error over the rms, all components together."""
    axes = tuple(range(1, truth.ndim))
    return np.sqrt(np.max(((got - truth) ** 2).sum(axis=axes) / (truth**2).sum(axis=axes)))


# accuracy asked for: bounds on the excitation kernels and the location kernels, measured 1.0 and 2.9 (1e-3)
BOUNDS = {1e-2: (1.2e-2, 2.5e-2), 1e-3: (1.2e-3, 3.5e-3), 1e-4: (1.2e-4, 5e-4)}


@pytest.mark.parametrize("accuracy", [1e-2, 1e-3, pytest.param(1e-4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TIMED)
def test_seismograms_keep_the_accuracy_asked_for(data, name, accuracy):
    case = Case(data, name)
    got = propagator.kernels(
        case.model, case.source, case.stations, 1.0, 96, lowpass=(0.05, 0.2), accuracy=accuracy
    )
    excitation, location = BOUNDS[accuracy]
    moment = case.radial(1e15 * got.moment, axis=2)
    assert rms_error(moment, case.get("true_mt_rtz")) < excitation
    assert rms_error(case.radial(1e3 * got.location[:, 2]), -case.get("true_dz_rtz")) < location
    assert rms_error(case.radial(1e3 * got.location[:, 3]), case.get("true_dt_rtz")) < location
    # moving the source along its radius moves the station the other way
    c, s = np.cos(case.phi)[:, None, None], np.sin(case.phi)[:, None, None]
    outward = -(got.location[:, 0] * c + got.location[:, 1] * s)
    assert rms_error(case.radial(1e3 * outward), case.get("true_dr_rtz")) < location
