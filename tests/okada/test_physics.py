"""What any right solution must show: symmetries, boundary conditions, equilibrium, limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dislok.kernels.okada import numba_cpu as kernels
from dislok.kernels.okada.sources import REACH, SWITCH

NU = 0.25
TOPLEFT = (0.0, 0.0)
FAULT = np.array([[3.0, -2.0, 4.0, 20.0, 8.0, 40.0, 55.0, 30.0, 1.5, 0.4]])
X, Y, DEPTH, LENGTH, WIDTH, STRIKE, DIP, RAKE, SLIP, OPENING = range(10)


def displacement(obs, src, nu=NU, origin=TOPLEFT):
    return kernels.field(
        "rectangle", np.atleast_2d(np.asarray(obs, float)), src, nu, origin, "displacement", False
    )


def gradient(obs, src, nu=NU, origin=TOPLEFT):
    obs = np.atleast_2d(np.asarray(obs, float))
    return kernels.field("rectangle", obs, src, nu, origin, "gradient", False).reshape(-1, 3, 3)


def changed(**values):
    src = FAULT.copy()
    for name, value in values.items():
        src[:, globals()[name.upper()]] = value
    return src


def stress(g, nu):
    """Cauchy stress over the shear modulus."""
    strain = (g + g.swapaxes(-1, -2)) / 2
    trace = np.trace(strain, axis1=-2, axis2=-1)[..., None, None]
    return 2 * strain + 2 * nu / (1 - 2 * nu) * trace * np.eye(3)


angles = st.floats(0, 360)
places = st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(-20, 0))


@settings(deadline=None, max_examples=40)
@given(angle=angles, place=places, shift=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)))
def test_field_turns_and_moves_with_the_axes(angle, place, shift):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])  # clockwise, as the strike
    x, y, _ = turn @ [FAULT[0, X], FAULT[0, Y], 0]
    moved = changed(x=x + shift[0], y=y + shift[1], strike=FAULT[0, STRIKE] + angle)
    obs = turn @ np.array(place) + [*shift, 0]
    expected = turn @ displacement(place, FAULT)[0]
    # rounding of the shifted coordinates times the gradient
    assert np.linalg.norm(displacement(obs, moved)[0] - expected) < 1e-11 * np.linalg.norm(expected) + 1e-11


@pytest.mark.parametrize(("cut", "at"), [("length", 0.37), ("width", 0.61)])
def test_two_parts_make_the_whole(rng, cut, at):
    obs = np.stack([rng.uniform(-40, 40, 200), rng.uniform(-40, 40, 200), -rng.uniform(0, 20, 200)], 1)
    size = FAULT[0, LENGTH if cut == "length" else WIDTH]
    strike, dip = np.radians(FAULT[0, [STRIKE, DIP]])
    if cut == "length":
        step = at * size * np.array([np.sin(strike), np.cos(strike), 0])
    else:
        step = (
            at * size * np.array([np.cos(dip) * np.cos(strike), -np.cos(dip) * np.sin(strike), np.sin(dip)])
        )
    x, y, depth = FAULT[0, :3] + step
    parts = [changed(**{cut: at * size}), changed(**{cut: (1 - at) * size}, x=x, y=y, depth=depth)]
    whole = displacement(obs, FAULT)
    assert np.abs(displacement(obs, np.concatenate(parts)) - whole).max() < 1e-13 * np.abs(whole).max()


def test_surface_carries_no_traction(rng):
    for nu in (0.0, 0.25, 0.49):
        obs = np.stack([rng.uniform(-40, 40, 200), rng.uniform(-40, 40, 200), np.zeros(200)], 1)
        for z in (0.0, -1e-13):
            obs[:, 2] = z
            sigma = stress(gradient(obs, FAULT, nu), nu)
            assert np.abs(sigma[:, :, 2]).max() < 1e-11 * np.abs(sigma).max()


def test_surface_path_agrees_with_the_general_one(rng):
    """An observer at the surface beside one below it, which rules the short cut out."""
    obs = np.stack([rng.uniform(-80, 80, 300), rng.uniform(-80, 80, 300), np.zeros(300)], 1)
    mixed = np.concatenate([obs, [[0.0, 0.0, -50.0]]])
    call = (FAULT, NU, TOPLEFT, "displacement", False)
    for operation in (kernels.field, kernels.jacobian):
        short, general = (operation("rectangle", o, *call) for o in (obs, mixed))
        assert np.abs(short - general[:-1]).max() < 2e-13 * np.abs(short).max()
    short, general = gradient(obs, FAULT), gradient(mixed, FAULT)[:-1]
    assert np.abs(short - general).max() < 1e-12 * np.abs(short).max()


def test_stress_is_in_equilibrium(rng):
    obs = np.stack([rng.uniform(-30, 30, 30), rng.uniform(-30, 30, 30), -rng.uniform(12, 20, 30)], 1)
    h = 1e-3
    total = np.zeros((30, 3))
    for k in range(3):
        step = np.zeros(3)
        step[k] = h
        sides = [stress(gradient(obs + s * step, FAULT), NU) for s in (1, -1)]
        total += (sides[0] - sides[1])[:, :, k] / (2 * h)
    scale = np.abs(stress(gradient(obs, FAULT), NU)).max()
    assert np.abs(total).max() < 1e-6 * scale


def test_slip_is_the_jump_across_the_fault():
    """u(hanging wall) - u(footwall) = slip vector, opening positive."""
    strike, dip, rake = np.radians(FAULT[0, [STRIKE, DIP, RAKE]])
    along = np.array([np.sin(strike), np.cos(strike), 0])
    up_dip = np.array([-np.cos(dip) * np.cos(strike), np.cos(dip) * np.sin(strike), np.sin(dip)])
    normal = np.cross(along, -up_dip) * -1  # towards the hanging wall: up
    assert normal[2] > 0
    middle = [FAULT[0, X], FAULT[0, Y], -FAULT[0, DEPTH]] + 10 * along - 4 * up_dip
    sides = [displacement(middle + s * 1e-9 * normal, FAULT)[0] for s in (1, -1)]
    slip = FAULT[0, SLIP] * (np.cos(rake) * along + np.sin(rake) * up_dip) + FAULT[0, OPENING] * normal
    assert np.abs(sides[0] - sides[1] - slip).max() < 1e-8
    on = displacement(middle, FAULT)[0]
    assert np.abs(on - (sides[0] + sides[1]) / 2).max() < 1e-8


@pytest.mark.parametrize("dip", [0.0, 90.0, 180.0])
def test_continuous_across_special_dips(rng, dip):
    """The published formulas change form there; displacement, gradient and derivatives may not."""
    obs = np.stack([rng.uniform(-40, 40, 100), rng.uniform(-40, 40, 100), -rng.uniform(0, 3, 100)], 1)
    call = (NU, TOPLEFT, "displacement", False)
    for operation in (kernels.field, kernels.jacobian, kernels.hessian):
        at, beside = (
            operation("rectangle", obs, changed(dip=d, depth=15.0), *call) for d in (dip, dip + 1e-9)
        )
        assert np.isfinite(at).all()
        assert np.abs(at - beside).max() < 1e-8 * np.abs(at).max()


def test_dip_and_strike_name_one_plane_twice(rng):
    """Strike + 180 and dip -> 180 - dip is the same plane, walked the other way."""
    obs = np.stack([rng.uniform(-40, 40, 50), rng.uniform(-40, 40, 50), -rng.uniform(0, 20, 50)], 1)
    centre = (0.5, 0.5)
    whole = displacement(obs, changed(depth=12.0), origin=centre)
    other = changed(depth=12.0, strike=FAULT[0, STRIKE] + 180, dip=180 - FAULT[0, DIP])
    other[0, RAKE] = -FAULT[0, RAKE]
    other[0, OPENING] = FAULT[0, OPENING]
    # seen from its other side the plane's strike slip keeps its sense and its dip slip changes it
    assert np.abs(displacement(obs, other, origin=centre) - whole).max() < 1e-12 * np.abs(whole).max()


@pytest.mark.parametrize("power", [-60, -7, 9, 60])
def test_results_scale_with_the_unit_of_length(rng, power):
    """Exactly, for powers of two."""
    obs = np.stack([rng.uniform(-300, 300, 300), rng.uniform(-300, 300, 300), -rng.uniform(0, 20, 300)], 1)
    factor = 2.0**power
    scaled = FAULT.copy()
    scaled[:, [X, Y, DEPTH, LENGTH, WIDTH]] *= factor
    assert np.array_equal(displacement(obs * factor, scaled), displacement(obs, FAULT))
    assert np.array_equal(gradient(obs * factor, scaled) * factor, gradient(obs, FAULT))
    call = (NU, TOPLEFT, "displacement", False)
    big, small = (
        kernels.jacobian("rectangle", obs * factor, scaled, *call),
        kernels.jacobian("rectangle", obs, FAULT, *call),
    )
    for column, weight in zip(range(10), (factor,) * 5 + (1.0,) * 5, strict=True):
        assert np.array_equal(big[..., column] * weight, small[..., column])


def test_far_field_is_a_point_source(rng):
    directions = rng.normal(size=(50, 3))
    directions[:, 2] = -np.abs(directions[:, 2])
    obs = 1e6 * directions / np.linalg.norm(directions, axis=1)[:, None]
    src = changed(depth=20.0, x=0.0, y=0.0)
    point = np.array(
        [[0, 0, 20.0, *src[0, [STRIKE, DIP, RAKE]], 160 * src[0, SLIP], 160 * src[0, OPENING], 0]]
    )
    a = displacement(obs, src, origin=(0.5, 0.5))
    b = kernels.field("point", obs, point, NU, TOPLEFT, "displacement", False)
    assert (np.linalg.norm(a - b, axis=1) < 1e-9 * np.linalg.norm(b, axis=1)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_closed_form_meets_quadrature(rng, dtype):
    """No step where one method hands over to the other."""
    reach, (switch, _) = REACH[np.dtype(dtype)], SWITCH[np.dtype(dtype)]
    src = changed(depth=30.0, length=10.0, width=10.0, x=0.0, y=0.0).astype(dtype)
    direction = np.array([0.6, 0.64, -0.48])
    centre = np.array([0, 0, -30.0])
    for limit in [switch, *reach[:4]]:
        obs = centre + 5.0 * limit * direction * np.array([[1 - 1e-6], [1 + 1e-6]])
        obs = obs[obs[:, 2] <= 0].astype(dtype)
        u = kernels.field("rectangle", obs, src, NU, (0.5, 0.5), "displacement", False).astype(float)
        step = np.linalg.norm(u[0] - u[1]) / np.linalg.norm(u[0])
        assert step < 1e-5 + {np.float64: 1e-11, np.float32: 1e-4}[dtype]
