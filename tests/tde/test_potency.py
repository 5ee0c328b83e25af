"""Points of potency against Okada's points, rules and clusters against the closed form."""

import numba
import numpy as np
import pytest

from dislok import okada, tde
from dislok.kernels.tde import potency
from dislok.large.far import FarField, _tensors

from .test_code import ARITHMETIC


def scene(rng, columns=60, rows=12):
    """A bent, rough fault of small triangles that breaks the surface, with rough slip: corners and slip."""
    a, b = np.meshgrid(np.linspace(-20, 20, columns + 1), np.linspace(0, 15, rows + 1), indexing="ij")
    rough = 0.05 * rng.standard_normal(a.shape)
    places = np.stack([4 * np.sin(a / 9) + 0.6 * b + rough, a, -0.8 * b], axis=-1).reshape(-1, 3)
    corner = (np.arange(columns)[:, None] * (rows + 1) + np.arange(rows)).ravel()
    step = rows + 1
    cells = np.concatenate(
        [
            np.stack([corner, corner + step, corner + 1], axis=1),
            np.stack([corner + step, corner + step + 1, corner + 1], axis=1),
        ]
    )
    return places[cells], rng.standard_normal((len(cells), 3)) + [1.0, 0.5, 0.0]


def vectors(strike, dip, rake):
    """Normal into the hanging wall and slip vector: east, north, up (Aki & Richards)."""
    s, d, r = np.deg2rad([strike, dip, rake])
    along, right = np.array([np.sin(s), np.cos(s), 0.0]), np.array([np.cos(s), -np.sin(s), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    normal = np.sin(d) * right + np.cos(d) * up
    return normal, np.cos(r) * along + np.sin(r) * (np.sin(d) * up - np.cos(d) * right)


def moved_by(points, x, y, nu):
    out = np.zeros((3, len(x)))
    potency.add_points(x, y, points, len(points), 1.0 - 2.0 * nu, *out)
    return out.T


@pytest.mark.parametrize("nu", [0.0, 0.25, 0.4])
def test_point_is_that_of_okada(rng, nu):
    for strike, dip, rake, opening in [(30, 40, 70, 0.0), (200, 90, -160, 0.0), (310, 15, 0, 2.5)]:
        source = okada.Point(1.0, -2.0, 3.0, strike, dip, rake, potency=1.7, opening=opening)
        x, y = rng.uniform(-20, 20, (2, 50))
        want = okada.displacement(np.column_stack([x, y]), source, nu=nu)
        normal, slip = vectors(strike, dip, rake)
        tensor = _tensors((1.7 * slip + opening * normal)[None], normal[None])
        points = np.concatenate([[[1.0, -2.0, -3.0]], tensor], axis=1)
        np.testing.assert_allclose(moved_by(points, x, y, nu), want, atol=1e-13 * np.abs(want).max())


def test_one_place_is_as_many(rng):
    points = np.column_stack(
        [rng.uniform(-5, 5, (77, 2)), rng.uniform(-9, -1, 77), rng.standard_normal((77, 6))]
    )
    x, y = rng.uniform(-9, 9, (2, 5))
    want = moved_by(points, x, y, 0.25)
    got = [potency.at_place(a, b, points, 77, 0.5, np.empty((3, 32))) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_weights_interpolate_polynomials(count):
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    out = np.empty(count)
    for t in (-1.0, -0.3, 0.0, 0.77):
        potency.weights(t, count, out)
        for power in range(count):
            assert out @ nodes**power == pytest.approx(t**power, abs=1e-13)


@pytest.mark.parametrize(("tolerance", "bound"), [(1e-2, 1e-2), (1e-4, 1e-4), (1e-6, 1e-6), (1e-8, 1e-8)])
def test_sums_keep_to_the_tolerance(rng, tolerance, bound):
    corners, slip = scene(rng)
    field = FarField(corners, slip, 0.25, tolerance, tde.displacement)
    places = np.concatenate([rng.uniform(-40, 40, (60, 2)), rng.uniform(-6, 6, (60, 2))])
    want = tde.displacement(places, corners, slip)
    got = field.scattered(*places.T.copy())
    assert np.abs(got - want).max() < bound * np.linalg.norm(want, axis=1).max()
    np.testing.assert_array_equal(field.scattered(*places.T.copy(), threads=2), got)


def test_parts_of_the_sum_are_the_sum(rng):
    """What joins at a large rectangle, at a part of it, and at last, is everything, once."""
    corners, slip = scene(rng)
    field = FarField(corners, slip, 0.3, 1e-6, tde.displacement)
    x, y = rng.uniform([[1.0], [2.0]], [[3.0], [5.0]], (2, 40))
    total, left = np.zeros((40, 3)), field.everything()
    for rectangle, separation in (([0, 0, 8, 8], 8.0), ([2, 2, 4, 4], 4.0), ([2, 3.5, 1, 1.5], -1.0)):
        moved, left = field.summed(x, y, np.array(rectangle, float), separation, left)
        total += 0.0 if moved is None else moved
    assert not left.any
    want = tde.displacement(np.column_stack([x, y]), corners, slip, nu=0.3)
    np.testing.assert_allclose(total, want, atol=1e-6 * np.linalg.norm(want, axis=1).max())


def test_little_room_is_made_larger(rng):
    corners, slip = scene(rng)
    field = FarField(corners, slip, 0.25, 1e-4, tde.displacement)
    want = field.scattered(np.array([1.0]), np.array([2.0]))
    field._rooms = [1, 1, 1, 1]
    np.testing.assert_array_equal(field.scattered(np.array([1.0]), np.array([2.0])), want)


def test_level_and_single_clusters_have_axes(rng):
    """Level triangles have no strike, and a cluster of one direction no thickness."""
    corners, slip = scene(rng)
    corners = corners.copy()
    corners[..., 2] = -4.0
    field = FarField(corners, slip, 0.25, 1e-5, tde.displacement)
    np.testing.assert_allclose(
        field.axes @ field.axes.transpose(0, 2, 1), np.broadcast_to(np.eye(3), field.axes.shape), atol=1e-12
    )
    places = rng.uniform(-30, 30, (40, 2))
    want = tde.displacement(places, corners, slip)
    got = field.scattered(*places.T.copy())
    assert np.abs(got - want).max() < 1e-5 * np.linalg.norm(want, axis=1).max()


def test_sum_over_points_is_vector_code():
    fresh = numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"})(potency.add_points.py_func)
    array = numba.types.Array(numba.float64, 1, "C")
    table = numba.types.Array(numba.float64, 2, "C")
    signature = (array, array, table, numba.int64, numba.float64, array, array, array)
    fresh.compile(signature)
    text = fresh.inspect_asm(signature)
    arithmetic = [m for m in ARITHMETIC.finditer(text) if m.group(1) == "p"]
    # beside the loop over vectors there is one over what is left at the end
    assert sum("ymm" in m.group(0) or "zmm" in m.group(0) for m in arithmetic) >= 40
    assert "sqrtpd" in text
