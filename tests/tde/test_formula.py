"""What the formula must show whatever its truth: identities, symmetries, physics, agreement of methods."""

from functools import partial

import mpmath
import numpy as np
import pytest

from dislok import okada
from dislok.kernels.tde import pair, triangles

from . import plain

LONG = np.longdouble
NU = 0.3


def vectors(rows):
    return rows[:, :3]


def gradients(rows):
    """[n, i, j] = du_i/dx_j from rows of level "gradient"."""
    return rows[:, 3:].reshape(-1, 3, 3)


def slips_for(tri, b):
    """Slip components that make the Burgers vectors b."""
    return np.einsum("mki,mi->mk", triangles.frame(tri), b)


# ------------------------------------------------------------------------------------ identities


def test_two_triangles_make_a_rectangle(rng):
    """Beside the kernels of rectangular dislocations, which were written from other formulas."""
    strike, dip = np.radians(50.0), np.radians(70.0)
    along = np.array([np.sin(strike), np.cos(strike), 0.0])
    up_dip = np.array([-np.cos(strike) * np.cos(dip), np.sin(strike) * np.cos(dip), np.sin(dip)])
    bottom_left = np.array([0.3, -0.2, -4.0])
    bottom_right, top_left = bottom_left + 2.0 * along, bottom_left + 1.5 * up_dip
    top_right = top_left + 2.0 * along
    tri = np.array([[bottom_left, bottom_right, top_right], [bottom_left, top_right, top_left]])
    obs = 4.0 * rng.normal(size=(40, 3))
    obs[:, 2] = -np.abs(obs[:, 2])
    rake = np.radians(30.0)
    slip = np.array([1.2 * np.cos(rake), 1.2 * np.sin(rake), 0.4])
    got = sum(
        plain.near("gradient", 1, obs, np.broadcast_to(each, (40, 3, 3)), np.broadcast_to(slip, (40, 3)), NU)
        for each in tri
    )
    east, north, up = top_left
    source = okada.Rectangle(east, north, -up, 2.0, 1.5, 50.0, 70.0, 30.0, 1.2, 0.4)
    np.testing.assert_allclose(vectors(got), okada.displacement(obs, source, nu=NU), rtol=0, atol=1e-13)
    np.testing.assert_allclose(gradients(got), okada.gradient(obs, source, nu=NU), rtol=0, atol=1e-13)


@pytest.mark.parametrize("half", [0, 1])
def test_a_closed_surface_carries_what_it_encloses(half, rng):
    """A uniform Burgers vector over a tetrahedron is a rigid motion inside and nothing outside."""
    corners = rng.normal(size=(4, 3)) - (0.0, 0.0, 5.0)
    faces = np.array([[corners[j] for j in range(4) if j != k] for k in range(4)])
    normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    inward = np.einsum("ki,ki->k", normals, corners - faces[:, 0]) > 0.0
    faces[inward] = faces[inward][:, [1, 0, 2]]
    b = np.array([0.7, -0.4, 1.1])
    weights = rng.dirichlet(np.ones(4), 20)
    obs = np.concatenate([weights @ corners, 6.0 + rng.normal(size=(20, 3)) * (1, 1, 0) - (0, 0, 9.0)])
    slip = slips_for(faces, np.broadcast_to(b, (4, 3)))
    total = sum(
        plain.near("value", half, obs, np.broadcast_to(face, (40, 3, 3)), np.broadcast_to(each, (40, 3)), NU)
        for face, each in zip(faces, slip, strict=True)
    )
    # the side to which the normals point moves by b against the other
    np.testing.assert_allclose(total[:20], np.broadcast_to(-b, (20, 3)), atol=3e-14)
    np.testing.assert_allclose(total[20:], 0.0, atol=3e-14)


@pytest.mark.parametrize("half", [0, 1])
def test_a_triangle_is_the_sum_of_its_parts(half, scene):
    obs, tri, slip = scene
    middle = 0.5 * (tri[:, 1] + tri[:, 2])
    parts = [np.stack([tri[:, 0], tri[:, 1], middle], 1), np.stack([tri[:, 0], middle, tri[:, 2]], 1)]
    total = sum(plain.near("gradient", half, obs, part, slip, NU) for part in parts)
    whole = plain.near("gradient", half, obs, tri, slip, NU)
    assert plain.relative(total, whole).max() < 1e-11


@pytest.mark.parametrize("half", [0, 1])
def test_the_jump_across_the_triangle_is_the_slip(half, scene):
    _, tri, slip = scene
    inside, normal = tri.mean(axis=1), triangles.frame(tri)[:, 2]
    above, below = (
        plain.near("value", half, inside + sign * 1e-9 * normal, tri, slip, NU) for sign in (1.0, -1.0)
    )
    b = np.einsum("mk,mki->mi", slip, triangles.frame(tri))
    np.testing.assert_allclose(above - below, b, atol=1e-7)
    np.testing.assert_array_equal(np.isfinite(plain.near("gradient", half, inside, tri, slip, NU)), True)


def test_in_the_plane_counts_as_the_positive_side(rng):
    """In the caller's order of the vertices, whatever the order of their depths."""
    corners = np.array([[0.0, 0.0, -1.0], [2.0, 0.0, -2.0], [0.5, 2.0, -3.0]])
    orders = [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)]
    tri = np.array([corners[list(order)] for order in orders])
    slip = np.tile([0.0, 0.0, 1.0], (6, 1))
    centre = np.broadcast_to(corners.mean(axis=0), (6, 3))
    normal = triangles.frame(tri)[:, 2]
    on = plain.near("value", 1, centre, tri, slip, NU)
    above = plain.near("value", 1, centre + 1e-12 * normal, tri, slip, NU)
    np.testing.assert_allclose(on, above, atol=1e-11)


@pytest.mark.parametrize("level", ["value", "gradient", "greens", "first"])
def test_the_order_of_the_vertices_changes_names_only(level, scene):
    obs, tri, slip = scene
    slip = slips_for(tri, np.einsum("mk,mki->mi", slip, triangles.frame(tri)))
    turned = plain.near(level, 1, obs, tri[:, [1, 2, 0]], slip, NU)
    assert plain.relative(turned, plain.near(level, 1, obs, tri, slip, NU)).max() < 1e-11


# ------------------------------------------------------------------------------------ symmetries


@pytest.mark.parametrize("half", [0, 1])
def test_turns_and_moves_with_the_axes(half, scene):
    obs, tri, slip = scene
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    shift = np.array([0.25, -0.5, 0.0])
    there = plain.near("gradient", half, obs @ turn.T + shift, tri @ turn.T + shift, slip, NU)
    here = plain.near("gradient", half, obs, tri, slip, NU)
    np.testing.assert_allclose(vectors(there), vectors(here) @ turn.T, atol=1e-13)
    np.testing.assert_allclose(gradients(there), turn @ gradients(here) @ turn.T, atol=1e-12)


def test_full_space_turns_with_any_axes(scene, rng):
    obs, tri, slip = scene
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    b = np.einsum("mk,mki->mi", slip, triangles.frame(tri))
    tilted = tri @ turn.T
    there = plain.near("value", 0, obs @ turn.T, tilted, slips_for(tilted, b @ turn.T), NU)
    np.testing.assert_allclose(there, plain.near("value", 0, obs, tri, slip, NU) @ turn.T, atol=1e-13)


def test_scales_with_the_unit_of_length(scene):
    obs, tri, slip = scene
    scale = 2.0**40
    np.testing.assert_array_equal(
        plain.near("value", 1, scale * obs, scale * tri, slip, NU), plain.near("value", 1, obs, tri, slip, NU)
    )


def test_continuous_where_a_side_becomes_vertical_or_level(rng):
    """Vertical and level sides are no special cases: their neighbours' values tend to theirs."""
    obs = np.tile([[1.3, -0.7, -0.4]], (12, 1))
    for edge in ((0.0, 0.0, -1.0), (1.0, 0.3, 0.0)):
        tilt = np.concatenate([[0.0], 10.0 ** np.arange(-14.0, -3.0)])
        start, third = np.array([0.1, 0.2, -1.0]), np.array([-0.9, 1.1, -2.0])
        end = start + np.array(edge) + tilt[:, None] * np.array([0.6, -0.8, 0.5])
        tri = np.stack([np.broadcast_to(start, (12, 3)), end, np.broadcast_to(third, (12, 3))], axis=1)
        rows = plain.near("gradient", 1, obs, tri, np.ones((12, 3)), NU)
        change = np.abs(rows[1:] - rows[0]).max(axis=1)
        assert (change < 10.0 * tilt[1:] + 1e-13).all()


# --------------------------------------------------------------------------------------- physics


def test_the_surface_is_free_of_traction(scene):
    obs, tri, slip = scene
    obs = obs * (1.0, 1.0, 0.0)
    g = gradients(plain.near("gradient", 1, obs, tri, slip, NU))
    lame = 2.0 * NU / (1.0 - 2.0 * NU)
    stress = g + g.transpose(0, 2, 1) + lame * np.trace(g, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    assert np.abs(stress[:, :, 2]).max() < 1e-12 * np.abs(stress).max()


@pytest.mark.parametrize("half", [0, 1])
def test_stress_is_in_equilibrium(half, scene):
    """Navier's equation, from exact second derivatives with the observer."""
    obs, tri, slip = scene
    rows = plain.rows_of(tri, slip)
    given = plain.columns(rows, float), plain.columns(obs, float), np.full(len(obs), NU)
    bend = np.zeros((len(obs), 3, 3, 3))
    for j in range(3):
        direction = np.zeros(14)
        direction[[j, 3 + j, 6 + j]] = 1.0
        direction[9] = j == 2
        moved = plain.by_sides(pair.side_along, half, *given, np.finfo(float).eps, tuple(direction))[:, 45:]
        bend[..., j] = -moved[:, 3:30].reshape(-1, 3, 3, 3).sum(axis=2)
        bend[..., 2, j] += moved[:, 30:33]
    np.testing.assert_allclose(bend, bend.transpose(0, 1, 3, 2), atol=1e-10 * np.abs(bend).max())
    force = np.einsum("nikk->ni", bend) + np.einsum("nkki->ni", bend) / (1.0 - 2.0 * NU)
    assert np.abs(force).max() < 1e-12 * np.abs(bend).max()


def test_deep_down_the_half_space_is_a_full_space(scene):
    obs, tri, slip = scene
    down = np.array([0.0, 0.0, 1e5])
    half = plain.near("value", 1, obs - down, tri - down, slip, NU)
    assert plain.relative(half, plain.near("value", 0, obs - down, tri - down, slip, NU)).max() < 1e-7


# --------------------------------------------------------------------- methods, number types, slopes


@pytest.mark.parametrize("level", [*pair.LEVELS, "first"])
@pytest.mark.parametrize("half", [0, 1])
def test_rules_tend_to_the_closed_form(level, half, scene):
    obs, tri, slip = scene
    obs = obs * 12.0
    truth = plain.near(level, half, obs, tri, slip, NU, LONG)
    size = np.linalg.norm(tri - np.roll(tri, 1, axis=1), axis=2).max(axis=1)
    distance = np.linalg.norm(obs - tri.mean(axis=1), axis=1) / size
    for degree in triangles.ORBITS:
        error = plain.relative(plain.far(level, half, obs, tri, slip, NU, degree), truth)
        # near nodal planes the displacement is small beside its neighbours
        assert np.all(error < 10.0 * distance ** -(degree + 1.0) + 1e-13)


@pytest.mark.parametrize("level", pair.LEVELS)
@pytest.mark.parametrize("half", [0, 1])
def test_lifting_a_narrow_triangle(level, half, scene, rng):
    """Truth is the closed form with 64 bits of mantissa, which can afford what a width of 1e-4 costs."""
    obs, tri, slip = scene
    apex = rng.integers(0, 3, len(tri))
    each, f = np.arange(len(tri)), rng.uniform(0.0, 1.0, len(tri))
    f[:10] = 0.0
    a, b = tri[each, (apex + 1) % 3], tri[each, (apex + 2) % 3]
    tri[each, apex] = a + f[:, None] * (b - a) + 1e-4 * rng.normal(size=a.shape)
    tri[:, :, 2] = -np.abs(tri[:, :, 2])
    obs[:, 2] -= 1.0
    keep = plain.methods(obs, tri) == 1
    assert keep.sum() > 40
    obs, tri, slip = obs[keep], tri[keep], slip[keep]
    truth = plain.near(level, half, obs, tri, slip, NU, LONG)
    got = plain.lifted(level, half, obs, tri, slip, np.full(len(tri), NU))
    error = plain.relative(got, truth)
    assert np.median(error) < 3e-14 and error.max() < 1e-11
    closed = plain.relative(plain.near(level, half, obs, tri, slip, NU), truth)
    assert np.median(closed) > 1e-12
    rows = plain.rows_of(tri, slip)
    given = (
        plain.columns(rows, float),
        plain.columns(triangles.lifts(rows)[0], float),
        plain.columns(obs, float),
    )
    formula, nu = partial(pair.side_lifted, pair.LEVELS.index(level)), np.full(len(tri), NU)
    eps = np.finfo(float).eps
    sides = sum(plain.by_sides(formula, half, *given, nu, eps, *node) for node in triangles.LIFT_NODES)
    assert plain.relative(sides, got).max() < 1e-11


@pytest.mark.parametrize("level", pair.LEVELS)
def test_observers_at_the_surface_have_a_shorter_way(level, scene):
    obs, tri, slip = scene
    obs = obs * (1.0, 1.0, 0.0)
    index, eps = pair.LEVELS.index(level), np.finfo(float).eps
    given = (
        plain.columns(plain.rows_of(tri, slip), float),
        plain.columns(obs, float),
        np.full(len(tri), NU),
        eps,
    )
    truth = plain.near(level, 1, obs, tri, slip, NU)
    assert plain.relative(np.array(pair.near_surface(index, *given)).T, truth).max() < 1e-12
    sides = plain.by_sides(partial(pair.side_near, index), pair.SURFACE, *given)
    assert plain.relative(sides, truth).max() < 1e-12


def test_first_derivatives_at_the_surface_have_a_shorter_way(scene):
    obs, tri, slip = scene
    obs = obs * (1.0, 1.0, 0.0)
    given = plain.columns(plain.rows_of(tri, slip), float), plain.columns(obs, float), np.full(len(tri), NU)
    got = plain.by_sides(pair.side_first, pair.SURFACE, *given, np.finfo(float).eps)
    assert plain.relative(got, plain.near("first", 1, obs, tri, slip, NU)).max() < 1e-12


@pytest.mark.parametrize("level", pair.LEVELS)
@pytest.mark.parametrize("half", [0, 1])
def test_the_closed_form_is_a_sum_over_sides(level, half, scene):
    obs, tri, slip = scene
    given = plain.columns(plain.rows_of(tri, slip), float), plain.columns(obs, float), np.full(len(tri), NU)
    sides = plain.by_sides(
        partial(pair.side_near, pair.LEVELS.index(level)), half, *given, np.finfo(float).eps
    )
    assert plain.relative(sides, plain.near(level, half, obs, tri, slip, NU)).max() < 1e-12


@pytest.mark.parametrize("half", [0, 1])
def test_any_number_type_goes_in(half, scene):
    """The same text on mpmath's numbers, with 40 digits, is the truth for float64."""
    obs, tri, slip = (x[:4] for x in scene)
    got = plain.near("value", half, obs, tri, slip, NU)
    rows = plain.rows_of(tri, slip)
    with mpmath.workdps(40):
        for k in range(4):
            numbers = [mpmath.mpf(float(x)) for x in rows[k]]
            place, nu = [mpmath.mpf(float(x)) for x in obs[k]], mpmath.mpf(NU)
            corners = [numbers[3 * i : 3 * i + 3] for i in range(3)]
            sides = [[y - x for x, y in zip(corners[i], corners[j], strict=True)] for i, j in pair.ENDS]
            numbers[9:18] = [x for side in sides for x in side]
            truth = pair.near(0, half, tuple(numbers), place, nu, mpmath.mpf(10) ** -40)
            np.testing.assert_allclose(got[k], [float(x) for x in truth], rtol=0, atol=1e-14)


def moved(obs, tri, slip, way, step):
    """Rows, observer, nu with 64 bits of mantissa after a step along a direction of level "first"."""
    rows = plain.rows_of(tri, slip, LONG)
    seen = way[:, :9].reshape(-1, 3, 3).astype(LONG)
    rise = np.zeros((len(obs), 3), LONG)
    rise[:, 2] = way[:, 9]
    rows[:, :9] += step * (rise[:, None] - seen).reshape(-1, 9)
    edges = plain.edges_of(rows[:, :9].reshape(-1, 3, 3))
    rows[:, 9:18], rows[:, 18:21] = edges.reshape(-1, 9), np.cross(edges[:, 0], edges[:, 2]) / LONG(2)
    rows[:, 21:24] += step * way[:, 11:]
    return plain.columns(rows, LONG), plain.columns(obs + step * rise, LONG), LONG(NU) + step * way[:, 10]


def difference(rows_at, step):
    """Derivative of rows by four central differences, the next term is of order step^4."""
    near, wide = (rows_at(k * step) - rows_at(-k * step) for k in (1, 2))
    return (8 * near - wide) / (12 * step)


@pytest.mark.parametrize("half", [0, 1])
def test_derivatives_of_three_orders(half, scene, rng):
    """Each order along a direction beside differences of the order below with 64 bits of mantissa."""
    obs, tri, slip = scene
    ways = [rng.normal(size=(len(tri), 14)) for _ in range(2)]
    args = plain.columns(plain.rows_of(tri, slip), float), plain.columns(obs, float), np.full(len(tri), NU)
    eps, long_eps, step = np.finfo(float).eps, LONG(np.finfo(LONG).eps), LONG(2e-5)
    along = [plain.columns(way, float) for way in ways]
    rows = plain.by_sides(pair.side_along, half, *args, eps, along[0])

    def value(s):
        return plain.by_sides(pair.side_first, half, *moved(obs, tri, slip, ways[0], s), long_eps)

    def slope(s):
        given = moved(obs, tri, slip, ways[1], s)
        way = plain.columns(ways[0], LONG)
        return plain.by_sides(pair.side_along, half, *given, long_eps, way)[:, 45:]

    truth = difference(value, step)
    assert np.median(plain.relative(rows[:, 45:], truth)) < 1e-13
    assert np.quantile(plain.relative(rows[:, 45:], truth), 0.9) < 1e-11
    by_place, by_slip = rows[:, 3:30].reshape(-1, 3, 9), rows[:, 33:42].reshape(-1, 3, 3)
    way = ways[0]
    total = (
        np.einsum("niq,nq->ni", by_place, -way[:, :9])
        + rows[:, 30:33] * way[:, 9:10]
        + np.einsum("nij,nj->ni", by_slip, way[:, 11:])
        + rows[:, 42:45] * way[:, 10:11]
    )
    assert np.quantile(plain.relative(total, truth[:, :3]), 0.9) < 1e-11
    twice = plain.by_sides(pair.side_twice, half, *args, eps, *along)
    truth = difference(slope, step)
    assert np.median(plain.relative(twice, truth)) < 1e-12
    assert np.quantile(plain.relative(twice, truth), 0.9) < 1e-10


def test_higher_derivatives_by_other_methods(scene, rng):
    """Rules far away beside the closed form."""
    obs, tri, slip = scene
    ways = [plain.columns(rng.normal(size=(len(tri), 14)), float) for _ in range(2)]
    nu, eps = np.full(len(tri), NU), np.finfo(float).eps
    args = plain.columns(plain.rows_of(tri, slip), float), plain.columns(obs * 30.0, float), nu
    far = sum(np.array(pair.far_along(1, *args, *node, ways[0])).T for node in triangles.rule(8))
    near = plain.by_sides(pair.side_along, 1, *args, eps, ways[0])
    assert np.median(plain.relative(far[:, 45:], near[:, 45:])) < 1e-11
    far = sum(np.array(pair.far_twice(1, *args, *node, *ways)).T for node in triangles.rule(8))
    near = plain.by_sides(pair.side_twice, 1, *args, eps, *ways)
    assert np.median(plain.relative(far, near)) < 1e-11


# ---------------------------------------------------------------------------------------- tables


def test_rules_integrate_polynomials():
    for degree in triangles.ORBITS:
        c2, c3, weight = triangles.rule(degree).T
        for i in range(degree + 1):
            for j in range(degree + 1 - i):
                truth = 2.0 * mpmath.factorial(i) * mpmath.factorial(j) / mpmath.factorial(i + j + 2)
                np.testing.assert_allclose(np.sum(weight * c2**i * c3**j), float(truth), rtol=1e-14)


def test_areas_of_slivers_keep_their_digits():
    """The products of the sides agree in all but the last digits."""
    tri = np.array([[[0.1, 0.2, -0.3], [3.1, 4.7, -1.9], [1.6000000000000003, 2.45, -1.1]]])
    with mpmath.workdps(40):
        a, b = (
            [mpmath.mpf(float(y)) - mpmath.mpf(float(x)) for x, y in zip(tri[0, 0], p, strict=True)]
            for p in (tri[0, 1], tri[0, 2])
        )
        truth = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        got = triangles.twice_area(*tri[0])
        np.testing.assert_allclose(got, [float(x) for x in truth], rtol=1e-15, atol=1e-31)


def test_frames_of_level_and_vertical_triangles():
    """Nikkhoo & Walter's convention, as published."""
    level = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    north_wall = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, -1.0], [0.0, 0.0, -2.0]])
    axes = triangles.frame(np.array([level, level[::-1], north_wall]))
    np.testing.assert_array_equal(axes[0], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(axes[1], [[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
    np.testing.assert_array_equal(axes[2], [[0, -1, 0], [0, 0, 1], [-1, 0, 0]])
