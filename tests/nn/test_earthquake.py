"""Random earthquakes: their numbers, meshes, slip, and the step at the trace."""

import json

import numpy as np
import pytest

from dislok import tde
from dislok.convert import magnitude_from_moment
from dislok.inversion.mesh import Mesh
from dislok.nn.faultdeform import LAWS, PAPER, Recipe, draw, draw_rupture, make
from dislok.nn.faultdeform.slip import areas

SMALL = {"length": (8.0, 14.0), "pixel": 0.03}
BRANCHED = {**SMALL, "branch": 1.0, "segments": (1.0,), "blind": 0.0, "bends": 0.0, "zone": 0.0}


def quality(triangles):
    """4 √3 area over the sum of the squared sides: 1 for an equilateral triangle."""
    sides = triangles[:, [1, 2, 0]] - triangles
    return 4.0 * np.sqrt(3.0) * areas(triangles) / (sides**2).sum(axis=(1, 2))


@pytest.fixture(scope="module", params=range(8))
def earthquake(request):
    return draw(np.random.default_rng(request.param), **SMALL)


@pytest.fixture(scope="module")
def branched():
    return draw(np.random.default_rng(5), **BRANCHED)


def beside(earthquake, off, rng, count=60):
    """Points to the left and the right of pieces of the traces, the pieces' slip, and their lengths."""
    left, right, slip = [], [], []
    for line, own in zip(earthquake.trace, earthquake.trace_slip, strict=True):
        k = rng.integers(0, len(own), count)
        middle, along = 0.5 * (line[k] + line[k + 1]), line[k + 1] - line[k]
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1)[:, None]
        left.append(middle - off * normal)
        right.append(middle + off * normal)
        slip.append(own[k])
    return np.concatenate(left), np.concatenate(right), np.concatenate(slip)


# ---------------------------------------------------------------------------------------- numbers


def test_one_seed_is_one_earthquake():
    first, second = (draw(np.random.default_rng(3), **SMALL) for _ in range(2))
    for name in ("points", "cells", "slip"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.metadata == second.metadata
    other = draw(np.random.default_rng(4), **SMALL)
    assert other.points.shape != first.points.shape or not np.array_equal(other.points, first.points)


def test_moment_is_that_of_the_slip(earthquake):
    area = areas(earthquake.triangles) * 1e6
    moment = earthquake.rigidity * (area @ np.linalg.norm(earthquake.slip, axis=1))
    assert earthquake.moment == pytest.approx(moment, rel=1e-14)
    assert earthquake.moment == pytest.approx(earthquake.metadata["moment"], rel=1e-12)
    assert earthquake.magnitude == pytest.approx(earthquake.metadata["magnitude"], abs=1e-12)
    assert earthquake.magnitude == pytest.approx(magnitude_from_moment(moment))


def test_metadata_tell_everything_and_are_plain(earthquake):
    told = json.loads(json.dumps(earthquake.metadata))
    assert told == earthquake.metadata
    assert told["law"] in LAWS and told["law_source"] == LAWS[told["law"]].source
    assert Recipe(**{k: tuple(v) if isinstance(v, list) else v for k, v in told["recipe"].items()}) == Recipe(
        **SMALL
    )
    assert told["triangles"] == len(earthquake.cells)


def test_rupture_keeps_to_the_recipe(rng):
    recipe = Recipe()
    ruptures = [draw_rupture(rng, recipe) for _ in range(400)]
    length = np.array([r.length for r in ruptures])
    assert length.min() >= 5.0 and length.max() <= 150.0
    # logarithmic: the median is the geometric mean of the limits
    slips = np.array([r.mechanism == "strike-slip" for r in ruptures])
    assert np.median(length[slips]) == pytest.approx(np.sqrt(5.0 * 150.0), rel=0.2)
    assert slips.mean() == pytest.approx(0.8, abs=0.06)
    for r in ruptures:
        assert 30.0 <= r.dip <= 90.0 and -180.0 <= r.rake <= 180.0 and 0.0 <= r.strike < 360.0
        assert r.width <= 17.0 and r.top + r.width * np.sin(np.deg2rad(r.dip)) <= 15.0 + 1e-9
        assert r.length >= 0.5 * r.width * (1 - 1e-9)
        assert abs(r.magnitude - r.median) <= 2.0 * LAWS["wesnousky2008"].sigma[r.mechanism] + 1e-9
    assert np.mean([r.top > 0.0 for r in ruptures]) == pytest.approx(0.05, abs=0.03)
    assert np.mean([len(r.strands) > 1 for r in ruptures]) > 0.35


def test_paper_has_single_strike_slip_faults_that_break_the_ground(rng):
    for _ in range(50):
        rupture = draw_rupture(rng, Recipe(**PAPER))
        assert rupture.mechanism == "strike-slip" and len(rupture.strands) == 1
        assert rupture.top == 0.0 and rupture.zone_width == 0.0
        assert min(abs(rupture.rake), 180.0 - abs(rupture.rake)) <= 25.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lenght": (1.0, 2.0)}, "unknown key 'lenght'; did you mean length\\?"),
        (
            {"length": (20.0, 10.0)},
            "length must be two numbers, the second not below the first, got \\[20.0, 10.0",
        ),
        ({"dip": (5.0, 90.0)}, "dip\\[0\\] must be at least 10 and at most 90, got 5.0"),
        ({"law": "mine"}, "law must be one of wesnousky2008.* got 'mine'"),
        ({"mechanism": {"thrust": 1.0}}, "unknown key 'mechanism.thrust'"),
        ({"segments": (0.0, 0.0)}, "segments must be shares of which one is above 0"),
        ({"pixel": float("nan")}, "pixel must be finite, got nan"),
        ({"triangles": 10}, "triangles must be at least 200 .* got 10"),
    ],
)
def test_wrong_recipes_are_refused_by_name(changes, message, rng):
    with pytest.raises(ValueError, match=message):
        draw(rng, **changes)


# ------------------------------------------------------------------------------------------- mesh


def test_mesh_passes_the_checks_of_inversions(earthquake):
    mesh = Mesh(earthquake.points, earthquake.cells)
    assert quality(mesh.triangles).min() > 0.55
    # closed: along its rim alone a triangle has no neighbour, and the traces are the rim at the surface
    at_surface = mesh.adjacency.rim[mesh.adjacency.at_surface]
    assert len(at_surface) == sum(len(line) - 1 for line in earthquake.traces)


def test_normals_point_into_the_hanging_wall(earthquake):
    mesh = Mesh(earthquake.points, earthquake.cells)
    strike = np.deg2rad(earthquake.metadata["strike"])
    right = np.array([np.cos(strike), -np.sin(strike), 0.0])
    assert (mesh.normals @ right).min() > 0.2


def test_elements_are_small_at_the_trace_and_grow_with_depth(earthquake):
    recipe, element = earthquake.metadata["recipe"], earthquake.metadata["element"]
    assert 0.3 * recipe["element"] * recipe["pixel"] < element <= recipe["element"] * recipe["pixel"]
    for line in earthquake.trace:
        step = np.linalg.norm(np.diff(line, axis=0), axis=1)
        assert np.median(step) == pytest.approx(element, rel=0.1)
    depth = -earthquake.triangles[..., 2].mean(axis=1)
    size = np.sqrt(areas(earthquake.triangles))
    if earthquake.trace:
        near, far = depth < 0.2, depth > 0.7 * depth.max()
        assert size[far].mean() > 5.0 * size[near].mean()


@pytest.mark.parametrize("seed", range(6))
def test_area_is_that_of_the_fault(seed):
    """The lines times the width; a strand off the axis is a parallelogram, for all dip in one direction.

    The tolerance is for a rough surface whose dip is by chance not that of its plane.
    """
    recipe, start = Recipe(**SMALL), np.random.default_rng(seed)
    rupture = draw_rupture(start, recipe)
    dip, wanted = np.deg2rad(rupture.dip), 0.0
    for strand in rupture.strands:
        ahead = np.diff(strand.x) / np.diff(strand.t)
        tilt = np.sqrt(np.sin(dip) ** 2 + (np.cos(dip) * ahead) ** 2)
        wanted += rupture.width * (tilt * np.diff(strand.t)).sum()
    assert areas(make(rupture, start, recipe).triangles).sum() == pytest.approx(wanted, rel=0.06)


def test_number_of_triangles_is_limited():
    long = draw(np.random.default_rng(0), length=(140.0, 150.0), mechanism={"strike-slip": 1.0})
    assert 15_000 < len(long.cells) < 36_000
    assert 2.0 * 0.015 <= long.metadata["element"] <= 5.0 * 0.015
    coarse = draw(np.random.default_rng(0), length=(140.0, 150.0), triangles=2000)
    assert len(coarse.cells) < 2500


def test_branch_shares_its_edge_with_its_parent(branched):
    assert len(branched.traces) == 2
    trunk, branch = branched.traces
    assert branch[0] in trunk
    mesh = Mesh(branched.points, branched.cells)
    edges = np.sort(mesh.cells[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count == 3).sum() >= 10 and count.max() == 3


def test_strands_do_not_cross():
    """The right side of a strand never holds a point of another one that lies beside it on the left."""
    found = 0
    for seed in range(30):
        recipe = Recipe(**SMALL, segments=(0.0, 0.5, 0.5), branch=0.5)
        rupture = draw_rupture(np.random.default_rng(seed), recipe)
        for k, a in enumerate(rupture.strands):
            for b in rupture.strands[:k]:
                inside = (a.x >= b.x[0]) & (a.x <= b.x[-1]) & (a.t > (0.5 if a.parent >= 0 else 0.0))
                apart = a.y[inside] - np.interp(a.x[inside], b.x, b.y)
                found += len(apart) > 0
                assert len(apart) == 0 or (np.sign(apart) == np.sign(apart[0])).all()
    assert found > 20


# ------------------------------------------------------------------------------------------- slip


def test_slip_lies_in_its_triangles_and_is_finite(earthquake):
    assert np.isfinite(earthquake.slip).all()
    assert not earthquake.slip[:, 2].any()


def test_slip_follows_the_rake(earthquake):
    told = earthquake.metadata
    vector = earthquake.slip * areas(earthquake.triangles)[:, None]
    rake = np.rad2deg(np.arctan2(vector[:, 1].sum(), vector[:, 0].sum()))
    # tolerance: strands may lie 30 degrees off the strike, which tilts the rake of dipping faults
    assert abs((rake - told["rake"] + 180.0) % 360.0 - 180.0) < 15.0


def test_slip_vanishes_at_the_ends(earthquake):
    size = np.linalg.norm(earthquake.slip, axis=1)
    depth = -earthquake.triangles[..., 2].mean(axis=1)
    bottom = depth > depth.max() * 0.97
    assert size[bottom].max() < 0.45 * size.max()
    for own in earthquake.trace_slip:
        ends = np.linalg.norm(own[[-1]], axis=1)
        assert ends.max() < 0.1 * size.max()


# ------------------------------------------------------------------------------------------- step


def test_step_at_the_trace_is_the_slip_of_its_triangle(earthquake, rng):
    if not earthquake.trace:
        pytest.skip("blind")
    plain = earthquake
    left, right, slip = beside(plain, 1e-7, rng)
    both = np.concatenate([left, right])
    moved = np.asarray(tde.displacement(both, plain.triangles, plain.slip))
    jump = moved[len(left) :] - moved[: len(left)]
    largest = np.linalg.norm(plain.slip, axis=1).max()
    np.testing.assert_allclose(jump, slip, atol=1e-5 * largest)


def test_no_pixel_mixes_the_sides(rng):
    """Half a pixel to either side of the trace, on the grid, the ground has moved apart by the slip."""
    quake = draw(np.random.default_rng(11), **{**SMALL, **PAPER})
    pixel = 0.03
    left, right, slip = beside(quake, 0.5 * pixel, rng, 200)
    largest = np.linalg.norm(quake.slip, axis=1).max()
    jump = quake.at(right) - quake.at(left)
    # within half a pixel the ground strains by some 1e-3 of the slip; a mixed pixel would lack half of it
    assert np.abs(jump - slip).max() < 0.05 * largest
    assert np.median(np.abs(jump - slip).max(axis=1)) < 0.01 * largest


def test_grid_is_the_sum_over_all_triangles(earthquake, rng):
    x = np.linspace(-9.0, 9.0, 60)
    found = earthquake.on_grid(x, x[::-1])
    j, i = rng.integers(0, 60, (2, 100))
    truth = earthquake.at(np.column_stack([x[i], x[::-1][j]]))
    np.testing.assert_allclose(found[j, i], truth, atol=2e-4 * np.abs(found).max())


def test_points_on_the_trace_belong_to_a_side():
    quake = draw(np.random.default_rng(11), **{**SMALL, **PAPER})
    line = quake.trace[0]
    place = line[len(line) // 2]
    found = quake.on_grid(place[:1], place[1:])
    assert np.isfinite(found).all()


def test_side_changes_at_the_trace(earthquake, rng):
    x = np.linspace(-5.0, 5.0, 20)
    if not earthquake.trace:
        assert not earthquake.side(x[None], x[:, None]).any()
        assert np.isinf(earthquake.distance(x, x)).all()
        return
    left, right, _ = beside(earthquake, 1e-3, rng)
    assert (earthquake.side(*left.T) == -1).all() and (earthquake.side(*right.T) == 1).all()
    np.testing.assert_allclose(earthquake.distance(*right.T), 1e-3, rtol=1e-6)
    assert earthquake.side(x[None], x[:, None]).shape == (20, 20)


def test_distributed_shear_replaces_part_of_the_step(rng):
    seed, width, part = 11, 0.6, 0.5
    changes = {**SMALL, **PAPER, "zone": 1.0, "zone_width": (width, width), "zone_part": (part, part)}
    quake = draw(np.random.default_rng(seed), **changes)
    assert quake.zone_width == pytest.approx(width) and quake.zone_part == part
    plain = lambda p: np.asarray(tde.displacement(p, quake.triangles, quake.slip))  # noqa: E731
    largest = np.linalg.norm(quake.slip, axis=1).max()
    left, right, slip = beside(quake, 1e-6, rng)
    inner = np.linalg.norm(left - quake.trace[0][0], axis=1) > width
    inner &= np.linalg.norm(left - quake.trace[0][-1], axis=1) > width
    jump = quake.at(right) - quake.at(left)
    np.testing.assert_allclose(jump[inner], (1.0 - part) * slip[inner], atol=1e-4 * largest)
    outside = np.concatenate(beside(quake, 0.51 * width, rng)[:2])
    far = np.abs(quake.distance(*outside.T)) > 0.5 * width
    np.testing.assert_array_equal(quake.at(outside[far]), plain(outside[far]))


def test_zone_on_a_grid_is_that_at_points(rng):
    changes = {**SMALL, **PAPER, "zone": 1.0, "zone_width": (0.5, 0.5)}
    quake = draw(np.random.default_rng(2), **changes)
    x = np.linspace(-6.0, 6.0, 90)
    grid = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    found = np.zeros((90, 90, 3))
    quake._zone.add_on_grid(x, x, found)
    np.testing.assert_allclose(found.reshape(-1, 3), quake._zone.correction(grid), atol=1e-12)
    assert np.abs(found).max() > 0.1


# ------------------------------------------------------------------------------------ convergence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "changes"),
    [*((seed, {"zone": 0.0}) for seed in (1, 2, 4, 8, 11))]
    + [(seed, {"zone": 1.0, "length": (5.0, 40.0)}) for seed in (21, 24, 34)]
    # ruptures of two short strands that dip gently
    + [(seed, {"zone": 0.0, "length": (5.0, 10.0), "dip": (30.0, 40.0), "blind": 0.0}) for seed in (72, 73)],
)
def test_mesh_twice_as_fine_moves_the_ground_alike(seed, changes, rng):
    recipe = Recipe(**changes)
    start = np.random.default_rng(seed)
    rupture = draw_rupture(start, recipe)
    state = start.bit_generator.state
    coarse = make(rupture, start, recipe)
    start.bit_generator.state = state
    fine = make(rupture, start, recipe, refine=2)
    assert len(fine.cells) > 3 * len(coarse.cells)
    assert fine.moment == pytest.approx(coarse.moment)
    two_pixels = 2.0 * recipe.pixel
    places = [rng.uniform(-0.7 * rupture.length, 0.7 * rupture.length, (100, 2))]
    for off in two_pixels * np.array([1.01, 2.0, 4.0, 10.0, 40.0]):
        places += beside(coarse, off, rng, 40)[:2] if coarse.trace else []
    points = np.concatenate(places)
    points = points[np.abs(coarse.distance(*points.T)) > two_pixels]
    wrong = np.abs(fine.at(points) - coarse.at(points)).max()
    assert wrong < 1e-3 * np.linalg.norm(coarse.slip, axis=1).max()
