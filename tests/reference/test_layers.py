"""The waves behind the shipped spectra: known limits, identities, and the file is theirs."""

import sys
from pathlib import Path

import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "okada")]

import layers  # noqa: E402
import published  # noqa: E402
import spectra  # noqa: E402

mpf, mpc = mpmath.mpf, mpmath.mpc
K, OMEGA = mpf("0.7"), mpc("0.6", "-0.15")
FORCES = (0, 1, 5)
SYSTEMS = [*spectra.CASES.values()]


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(45):
        yield


def largest(values):
    return max(abs(v) for v in np.ravel(values))


def apart(got, truth):
    return largest(got - truth) / largest(truth)


def point(place, depth, dip, slip, nu):
    """Okada's point source that strikes along x, of unit potency."""
    small = mpf(10) ** -12
    with mpmath.workdps(80):
        edges = (-small, small, -small, small)
        u = published.rectangle(*map(mpf, place), 0, depth, dip, *edges, slip=slip, nu=nu)
        return np.array([float(v / (4 * small**2)) for v in u])


@pytest.mark.parametrize("slip", np.eye(3, dtype=int).tolist())
def test_a_half_space_at_rest_is_okadas(slip):
    (_, vp, vs, rho), place = spectra.HALF[0], (4.0, -3.0)
    found = spectra.spectra(spectra.HALF, 0.0, 4.0, [place], 0.0)[0, 0, :, :6].real
    mu, sigma = mpf(rho) * mpf(vs) ** 2, mpf(rho) * mpf(vp) ** 2
    nu = (sigma - 2 * mu) / (2 * (sigma - mu))
    s, c = np.sin(np.radians(40.0)), np.cos(np.radians(40.0))
    normal, along = np.array([0.0, -s, c]), np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
    moved = slip @ along
    tensor = float(mu) * (np.outer(normal, moved) + np.outer(moved, normal))
    tensor += float(sigma - 2 * mu) * normal.dot(moved) * np.eye(3)
    got = 1e15 * found @ [tensor[i, j] for i, j in spectra.ELEMENTS]
    want = point(place, mpf(4), mpf(40), [mpf(v) for v in slip], nu)
    assert np.abs(got - want).max() < 1e-13 * np.abs(want).max()


def stokes(x, layer, omega):
    """Displacement (3, 3) of forces in a full space."""
    _, vp, vs, rho = (mpf(v) for v in layer)
    r = mpmath.sqrt(sum(v * v for v in x))
    found = np.zeros((3, 3), dtype=object)
    first, second, shear = mpf(0), mpf(0), mpf(0)
    for sign, speed in ((1, vs), (-1, vp)):
        ik = mpc(0, 1) * omega / speed
        wave = mpmath.exp(-ik * r) / r
        first += sign * wave * (-ik - 1 / r)
        second += sign * wave * (ik * ik + 2 * ik / r + 2 / r**2)
        shear = shear or -ik * ik * wave
    for i, j in np.ndindex(3, 3):
        found[i, j] = x[i] * x[j] / r**2 * (second - first / r) + (i == j) * (first / r + shear)
    return found / (4 * mpmath.pi * rho * omega**2)


def test_deep_inside_there_is_only_stokes():
    """At a frequency that decays in time so fast that nothing comes back from the surface."""
    omega, place, step = 3 - 6j, (1.0, 1.2), mpf(10) ** -15
    x = [mpf(1), mpf("1.2"), mpf(-4)]
    rule = spectra.Rule(18, 60.0, 1.0)
    got = spectra.spectra(spectra.HALF, 24.0, 20.0, [(1.0, float(x[1]))], omega, rule)[0, 0]
    forces = stokes(x, spectra.HALF[0], mpc(omega))
    slopes = []
    for axis in range(3):
        sides = [
            stokes([v + sign * step * (i == axis) for i, v in enumerate(x)], spectra.HALF[0], mpc(omega))
            for sign in (1, -1)
        ]
        slopes.append((sides[0] - sides[1]) / (2 * step))
    columns = []
    for i, j in spectra.ELEMENTS:
        both = slopes[j][:, i] + slopes[i][:, j]
        columns.append(-both * 1e-15 / (2 if i == j else 1))
    want = np.column_stack([*columns, *(forces.T * 1e-12)]).astype(complex)
    assert place == (1.0, float(x[1]))
    assert spectra.relative(got, want, 0) < 1e-12


@pytest.mark.parametrize("omega", [mpc(0), OMEGA])
def test_layers_of_one_medium_are_none(omega):
    medium = spectra.HALF[0][1:]
    cut = [(mpf(2), *medium), (mpf(5), *medium), *spectra.HALF]
    for receiver, depth in ((0, 6), (1, 8), (9, 3)):
        one = layers.response(spectra.HALF, receiver, depth, K, omega)
        assert apart(layers.response(cut, receiver, depth, K, omega), one) < 1e-38


@pytest.mark.parametrize("case", SYSTEMS, ids=spectra.CASES)
@pytest.mark.parametrize("omega", [mpc(0), OMEGA])
def test_source_and_station_change_places(case, omega):
    stack, receiver, depth = case
    one = layers.response(stack, receiver, depth, K, omega)[0][:, FORCES]
    other = layers.response(stack, depth, receiver, K, omega)[0][:, FORCES]
    one, other = one[:, [0, 2, 1]], other[:, [0, 2, 1]]  # forces along the wave, across, down
    turned = np.array([[1, 1, -1], [1, 1, 1], [-1, 1, 1]])  # the wave runs the other way
    assert apart(one, turned * other.T) < 1e-30


@pytest.mark.parametrize("case", SYSTEMS, ids=spectra.CASES)
def test_moments_are_couples_and_slopes_are_differences(case):
    stack, receiver, depth = case
    step, ik = mpf(10) ** -14, mpc(0, 1) * K
    depth = mpf(depth) + 1 if depth == 12.0 else mpf(depth)  # a source at an interface has no slope
    made, slope = layers.response(stack, receiver, depth, K, OMEGA)
    f_r, f_z, m_rr, m_rz, m_zz, f_t, m_rt, m_tz = range(8)
    for couple, wanted in (
        (m_rr, -ik * made[:, f_r]),
        (m_rt, -ik * made[:, f_t]),
        (m_zz, slope[:, f_z]),
        (m_tz, slope[:, f_t]),
        (m_rz, slope[:, f_r] - ik * made[:, f_z]),
    ):
        assert apart(made[:, couple], wanted) < 1e-35
    sides = [layers.response(stack, receiver, depth + s * step, K, OMEGA)[0] for s in (1, -1)]
    assert apart((sides[0] - sides[1]) / (2 * step), slope) < 1e-25


@pytest.mark.parametrize("name", ["crust", "half-space", "sea floor"])
def test_the_ground_carries_no_traction(name):
    """Nor does a sea floor along itself; across it the water pushes."""
    stack, receiver, depth = spectra.CASES[name]
    step, layer = mpf(10) ** -22, next(layer for layer in stack if layer[2])
    here, below = (layers.response(stack, receiver + s, depth, K, OMEGA)[0] for s in (mpf(0), step))
    slope, ik = (below - here) / step, mpc(0, 1) * K
    sigma, mu, _ = layers.moduli(layer, OMEGA)
    shear = mu * (slope[0] + ik * here[2])
    across = mu * slope[1]
    normal = sigma * slope[2] + (sigma - 2 * mu) * ik * here[0]
    size = largest(mu * slope)
    assert max(largest(shear), largest(across)) < 1e-18 * size
    if name == "sea floor":
        assert largest(normal) > 1e-3 * size
    else:
        assert largest(normal) < 1e-18 * size


def test_water_is_a_solid_that_has_lost_its_rigidity():
    stack, receiver, depth = spectra.CASES["sea floor"]
    with mpmath.workdps(300):
        fluid = layers.response(stack, receiver, depth, K, OMEGA)[0]
        near = []
        for vs in (mpf("0.01"), mpf("0.001")):
            soft = [(*stack[0][:2], vs, stack[0][3]), *stack[1:]]
            near.append(apart(layers.response(soft, receiver, depth, K, OMEGA)[0], fluid))
    assert near[1] < 1e-3 and abs(near[0] / near[1] - 10) < 0.5


def test_rest_is_the_limit_of_slow_motion():
    for case in SYSTEMS:
        stack = [layer[:4] for layer in case[0]]
        slow = layers.response(stack, *case[1:], K, mpc(0, "-1e-10"))
        assert apart(slow, layers.response(stack, *case[1:], K, mpc(0))) < 1e-17


def test_losses_are_causal_and_none_at_the_reference_frequency():
    lossy, layer = spectra.LOSSY[0], spectra.CRUST[0]
    still = mpc(0, -2 * mpmath.pi)
    for a, b in zip(layers.moduli(lossy, still), layers.moduli(layer, still), strict=True):
        assert abs(a - b) < mpf(10) ** -40 * abs(b)
    sigma, mu, _ = layers.moduli(lossy, mpc(2 * mpmath.pi))
    assert (
        abs(sigma.imag / sigma.real - 1 / mpf(200)) < 1e-40 and abs(mu.imag / mu.real - 1 / mpf(80)) < 1e-40
    )


def test_two_paths_of_wavenumbers_agree(repository):
    file = np.load(repository / "tests" / "data" / "spectra.npz")
    assert max(float(file[f"{n}/apart"]) for n in range(len(file["names"]))) < 1e-11


def test_the_file_is_what_the_waves_give(repository):
    path = repository / "tests" / "data" / "spectra.npz"
    file, (name, case) = np.load(path), next(iter(spectra.CASES.items()))
    assert path.stat().st_size < 100_000 and list(file["names"]) == list(spectra.CASES)
    got = spectra.spectra(*case, file["places"][:1], 0.0)
    assert name == file["names"][0] and case[1:] == tuple(file["0/depths"])
    assert spectra.relative(got[:, 0].real, file["0/statics"][:1], 1) < 1e-13
