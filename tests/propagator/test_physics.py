"""What must hold whatever the code: half-space and full-space solutions, reciprocity, symmetry, causality."""

import mpmath
import numpy as np
import pytest

from dislok import okada, propagator, stf
from dislok.propagator import LayeredModel, PointSource, Stations

CRUST = LayeredModel(
    [0.1, 1.9, 3.0, 13.0, 14.0, np.inf],
    [3.2, 5.15, 5.5, 6.0, 6.7, 7.7],
    [2.0, 2.85, 3.2, 3.46, 3.87, 4.3],
    [2.1, 2.5, 2.6, 2.7, 2.8, 3.3],
)
VP, VS, RHO = 6.0, 3.46, 2.7
HALF_SPACE = LayeredModel([np.inf], [VP], [VS], [RHO])
MOMENT = np.array([1.0, -2.0, 1.5, 0.3, 0.4, -0.5]) * 1e18
STATIONS = Stations([3.0, -20.0, 55.0, 5.0], [4.0, 31.0, -70.0, -1.0])
BAND = {"lowpass": (0.05, 0.2), "accuracy": 1e-3}


def moment_of(strike, dip, rake, m0):
    """Moment tensor east, north, up of a double couple (Aki & Richards 2002, box 4.4)."""
    f, d, r = np.deg2rad([strike, dip, rake])
    nn = -(np.sin(d) * np.cos(r) * np.sin(2 * f) + np.sin(2 * d) * np.sin(r) * np.sin(f) ** 2)
    ne = np.sin(d) * np.cos(r) * np.cos(2 * f) + 0.5 * np.sin(2 * d) * np.sin(r) * np.sin(2 * f)
    nd = -(np.cos(d) * np.cos(r) * np.cos(f) + np.cos(2 * d) * np.sin(r) * np.sin(f))
    ee = np.sin(d) * np.cos(r) * np.sin(2 * f) - np.sin(2 * d) * np.sin(r) * np.cos(f) ** 2
    ed = -(np.cos(d) * np.cos(r) * np.sin(f) - np.cos(2 * d) * np.sin(r) * np.cos(f))
    dd = np.sin(2 * d) * np.sin(r)
    return m0 * np.array([ee, nn, dd, ne, -ed, -nd])


@pytest.mark.parametrize("strike, dip, rake", [(0.0, 90.0, 0.0), (37.0, 40.0, 75.0), (250.0, 15.0, -160.0)])
@pytest.mark.parametrize("receiver", [0.0, 2.0, 20.0])
def test_statics_of_a_half_space_are_okadas_point_source(strike, dip, rake, receiver):
    mu = RHO * VS**2 * 1e9
    potency = 1e9
    nu = 0.5 * (VP**2 - 2 * VS**2) / (VP**2 - VS**2)
    x, y = np.array([3.0, -20.0, 0.5, 60.0]), np.array([4.0, 31.0, 0.0, -10.0])
    point = okada.Point(0.0, 0.0, 9e3, strike, dip, rake, potency)
    obs = np.stack([1e3 * x, 1e3 * y, np.full(4, -1e3 * receiver)], axis=-1)
    truth = okada.displacement(obs, point, nu=nu)
    source = PointSource(0.0, 0.0, 9.0, moment_of(strike, dip, rake, mu * potency))
    got = propagator.statics(HALF_SPACE, source, Stations(x, y, receiver), accuracy=1e-9)
    size = np.linalg.norm(truth, axis=1)
    assert (np.linalg.norm(got - truth, axis=1) / size).max() < 1e-8


def full_space(omega, offset, moment, vp=VP, vs=VS):
    """Displacement spectrum of a moment tensor in a full space, by differentiating its potentials."""
    ka, kb = omega / vp, omega / vs

    def potential(x, y, z):
        r = mpmath.sqrt(x * x + y * y + z * z)
        return (mpmath.exp(-1j * kb * r) - mpmath.exp(-1j * ka * r)) / r

    def shear(x, y, z):
        r = mpmath.sqrt(x * x + y * y + z * z)
        return kb * kb * mpmath.exp(-1j * kb * r) / r

    m = np.array(
        [
            [moment[0], moment[3], moment[4]],
            [moment[3], moment[1], moment[5]],
            [moment[4], moment[5], moment[2]],
        ]
    )
    scale = 1 / (4 * mpmath.pi * RHO * omega**2)
    result = []
    for i in range(3):
        total = mpmath.mpc(0)
        for p in range(3):
            for q in range(3):
                orders = [0, 0, 0]
                for axis in (i, p, q):
                    orders[axis] += 1
                green = mpmath.diff(potential, offset, tuple(orders))
                if i == p:
                    order = [0, 0, 0]
                    order[q] = 1
                    green += mpmath.diff(shear, offset, tuple(order))
                total -= m[p, q] * green * scale
        result.append(complex(total))
    return np.array(result)


@pytest.mark.parametrize("receiver", [497.0, 504.0])
def test_far_below_the_surface_is_a_full_space(receiver):
    omega = 1.0 - 0.3j
    source = PointSource(0.0, 0.0, 500.0, MOMENT)
    got = propagator.spectra(HALF_SPACE, source, Stations([4.0], [-2.5], receiver), omega, accuracy=1e-9)[
        0, :, 0
    ]
    with mpmath.workdps(40):
        truth = full_space(mpmath.mpc(omega), (4.0, -2.5, 500.0 - receiver), MOMENT) * 1e-15
    assert np.abs(got - truth).max() < 1e-8 * np.abs(truth).max()


def test_forces_are_reciprocal():
    """Exchanging the places and the directions of force and motion changes nothing."""
    omega = [0.0, 0.5 - 0.03j]
    a, b = (0.0, 0.0, 12.0), (17.0, -9.0, 3.0)
    units = np.eye(3)

    def green(source, station):
        return np.stack(
            [
                propagator.spectra(
                    CRUST,
                    PointSource(*source, force=unit),
                    Stations([station[0]], [station[1]], station[2]),
                    omega,
                    accuracy=1e-9,
                )[0]
                for unit in units
            ]
        )

    down, up = green(a, b), green(b, a)
    assert np.abs(down - np.swapaxes(up, 0, 1)).max() < 1e-8 * np.abs(down).max()


def test_moment_is_a_couple_of_forces():
    step, east = 1e-3, np.array([0.0, 1.0, 0.0])
    stations = Stations([17.0], [-9.0])
    pair = [
        propagator.statics(CRUST, PointSource(x, 0.0, 12.0, force=east), stations, accuracy=1e-10)
        for x in (step, -step)
    ]
    couple = (pair[0] - pair[1]) / (2.0 * step * 1e3)
    other = [
        propagator.statics(CRUST, PointSource(0.0, y, 12.0, force=east[[1, 0, 2]]), stations, accuracy=1e-10)
        for y in (step, -step)
    ]
    couple += (other[0] - other[1]) / (2.0 * step * 1e3)
    moment = propagator.statics(
        CRUST, PointSource(0.0, 0.0, 12.0, [0, 0, 0, 1, 0, 0]), stations, accuracy=1e-10
    )
    assert np.abs(couple - moment).max() < 1e-6 * np.abs(moment).max()


def test_field_turns_and_moves_with_the_axes():
    angle = 0.7
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    tensor = np.array([[1.0, 0.3, 0.4], [0.3, -2.0, -0.5], [0.4, -0.5, 1.5]]) * 1e18
    x, y = np.array(STATIONS.x), np.array(STATIONS.y)
    plain = propagator.seismograms(CRUST, PointSource(0.0, 0.0, 12.0, tensor), STATIONS, 1.0, 64, **BAND)
    moved = Stations(c * x - s * y + 5.0, s * x + c * y - 3.0)
    turned = propagator.seismograms(
        CRUST, PointSource(5.0, -3.0, 12.0, turn @ tensor @ turn.T), moved, 1.0, 64, **BAND
    )
    truth = np.einsum("ij,sjt->sit", turn, plain)
    assert np.abs(turned - truth).max() < 1e-11 * np.abs(truth).max()


def test_records_end_at_the_static_offset_and_begin_at_rest():
    source = PointSource(0.0, 0.0, 12.0, MOMENT)
    record = propagator.seismograms(
        CRUST,
        source,
        STATIONS,
        1.0,
        160,
        start=-60.0,
        stf=stf.Triangle(4.0),
        lowpass=(0.05, 0.2),
        accuracy=1e-4,
    )
    still = propagator.statics(CRUST, source, STATIONS)
    size = np.abs(record).max(axis=(1, 2))
    assert (np.abs(record[:, :, :20]).max(axis=(1, 2)) < 2e-4 * size).all()
    assert (np.abs(record[:, :, -20:] - still[:, :, None]).max(axis=(1, 2)) < 3e-3 * size).all()


def test_velocity_and_acceleration_are_derivatives_of_displacement():
    source = PointSource(0.0, 0.0, 12.0, MOMENT)
    u, v, a = (
        propagator.seismograms(
            CRUST, source, STATIONS, 0.25, 400, lowpass=(0.05, 0.2), accuracy=1e-4, quantity=quantity
        )
        for quantity in ("displacement", "velocity", "acceleration")
    )
    # a low-passed record is smooth: central differences of fourth order
    for field, slope in ((u, v), (v, a)):
        steps = 8 * (field[..., 3:-1] - field[..., 1:-3]) - (field[..., 4:] - field[..., :-4])
        assert np.abs(steps / (12 * 0.25) - slope[..., 2:-2]).max() < 2e-3 * np.abs(slope).max()


@pytest.mark.parametrize("receiver", [497.0, 504.0])
def test_attenuation_far_below_the_surface_is_that_of_a_full_space(receiver):
    """Velocities become complex: v sqrt(1 + 2 / (pi Q) ln(i omega / omega_0))."""
    omega, reference = 1.0 - 0.3j, 0.5
    model = LayeredModel([np.inf], [VP], [VS], [RHO], [80.0], [40.0], reference)
    source = PointSource(0.0, 0.0, 500.0, MOMENT)
    got = propagator.spectra(model, source, Stations([4.0], [-2.5], receiver), omega, accuracy=1e-9)[0, :, 0]
    with mpmath.workdps(40):
        log = 2 / mpmath.pi * mpmath.log(1j * mpmath.mpc(omega) / (2 * mpmath.pi * reference))
        vp, vs = VP * mpmath.sqrt(1 + log / 80), VS * mpmath.sqrt(1 + log / 40)
        truth = full_space(mpmath.mpc(omega), (4.0, -2.5, 500.0 - receiver), MOMENT, vp, vs) * 1e-15
    assert np.abs(got - truth).max() < 1e-8 * np.abs(truth).max()


def test_little_attenuation_is_hardly_felt():
    source = PointSource(0.0, 0.0, 12.0, MOMENT)
    lossy = LayeredModel(*CRUST.layers()[:4], np.full(6, 2e6), np.full(6, 1e6))
    plain, other = (propagator.seismograms(m, source, STATIONS, 1.0, 64, **BAND) for m in (CRUST, lossy))
    assert np.abs(other - plain).max() < 1e-4 * np.abs(plain).max()


def test_a_thin_ocean_is_no_ocean():
    properties = np.array([CRUST.vp, CRUST.vs, CRUST.rho])
    wet = LayeredModel(
        np.append(1e-6, CRUST.thickness),
        *(np.append(v, p) for v, p in zip((1.5, 0.0, 1.02), properties, strict=True)),
    )
    source = PointSource(0.0, 0.0, 12.0, MOMENT)
    omega = 0.6 - 0.03j
    dry = propagator.spectra(CRUST, source, STATIONS, omega)
    assert np.abs(propagator.spectra(wet, source, STATIONS, omega) - dry).max() < 1e-5 * np.abs(dry).max()


def test_splitting_a_layer_changes_nothing():
    rows = np.array([CRUST.thickness, CRUST.vp, CRUST.vs, CRUST.rho]).T
    split = np.insert(rows, 4, rows[3], axis=0)
    split[3:5, 0] = 5.0, 8.0
    source = PointSource(0.0, 0.0, 12.0, MOMENT)
    for omega in (0.0, 0.6 - 0.03j):
        plain = propagator.spectra(CRUST, source, STATIONS, omega, accuracy=1e-8)
        got = propagator.spectra(LayeredModel(*split.T), source, STATIONS, omega, accuracy=1e-8)
        assert np.abs(got - plain).max() < 1e-7 * np.abs(plain).max()


def test_a_hundred_layers_and_high_frequencies_stay_finite():
    thickness = np.append(np.full(100, 0.7), np.inf)
    vs = np.linspace(0.5, 4.5, 101)
    model = LayeredModel(thickness, 1.8 * vs, vs, 1.5 + 0.4 * vs)
    source = PointSource(0.0, 0.0, 30.0, MOMENT)
    spectrum = propagator.spectra(model, source, Stations([10.0], [0.0]), [0.0, 20.0 - 0.5j], accuracy=1e-3)
    assert np.isfinite(spectrum).all() and np.abs(spectrum).min() > 0.0
