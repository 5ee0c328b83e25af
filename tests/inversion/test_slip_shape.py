"""Slip and shape together: exact gradients, truth found, bounds, priors, messages."""

from dataclasses import replace

import numpy as np
import pytest

from dislok.inversion.fault import FaultModel, Gnss
from dislok.inversion.mesh import listric, trace_mesh
from dislok.inversion.slip import SlipModel
from dislok.inversion.slip.geometry import GridShape, MeshShape, search_from, solve_shape
from dislok.okada import Rectangle

TRUTH = Rectangle(3.0, -2.0, 1.5, 24.0, 12.0, 33.0, 50.0)
BOUNDS = {
    "x": (-20, 20),
    "y": (-20, 20),
    "depth": (0.5, 10),
    "dip": (10, 85),
    "length": (5, 50),
    "width": (3, 25),
}
CONSTANTS = (0.25, 1000.0, 30e9)


def slipping(patches):
    """Slip (m, 3) of a smooth patch in the middle."""
    away = patches.centroids - patches.centroids.mean(axis=0)
    amount = 2.0 * np.exp(-np.sum(away**2, axis=1) / 40.0)
    return amount[:, None] * [-0.3, 0.9, 0.0]


def model(patches):
    return SlipModel(patches, rake=110.0, spread=45.0)


def data_of(patches, sigma=0.002, seed=0):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-40, 40, (100, 2))
    u = patches.apply(xy, slipping(patches))
    return Gnss(xy, u + sigma * rng.standard_normal(u.shape), sigma, nuisance="offset")


def grid_shape(start=TRUTH, fixed=("length", "width"), **options):
    return GridShape(FaultModel(start, bounds=BOUNDS, fixed=list(fixed), **options), 8, 4)


def curved():
    return trace_mesh([[0.0, 0.0], [2.0, 8.0], [8.0, 16.0]], listric(11.0, (65.0, 45.0), top=1.0), 4.0)


def mesh_shape(**options):
    mesh = curved()
    deep = (mesh.points[:, 2:] - mesh.points[:, 2].max()) * np.array([1.0, 0.0, 0.0])
    moves = {
        "east": np.ones((len(mesh.points), 1)) * [1.0, 0.0, 0.0],
        "steeper": deep,
        "down": np.ones((len(mesh.points), 1)) * [0.0, 0.0, -1.0],
    }
    return MeshShape(mesh, moves, **options)


def numeric_gradient(function, point, step=1e-5):
    steps = step * np.eye(point.size)
    return np.array([(function(point + s) - function(point - s)) / (2 * step) for s in steps])


@pytest.mark.parametrize(
    ("shape", "point"),
    [
        (grid_shape(fixed=()), np.array([2.0, -1.0, 2.0, 22.0, 13.0, 40.0, 45.0])),
        (mesh_shape(prior={"down": (0.3, 1.0)}), np.array([0.5, 0.05, 0.4])),
    ],
    ids=["grid", "mesh"],
)
def test_gradient_is_exact_where_bounds_hold_slip(shape, point):
    search = search_from(data_of(shape.patches(shape.start)), (shape,), model, 0.2, CONSTANTS)
    solution = search.problem(search.patches(point)).solution(0.2)
    assert 0 < solution.free.sum() < solution.free.size
    gradient = search.quadratic(point).gradient
    numeric = numeric_gradient(lambda p: search.quadratic(p).value, point)
    np.testing.assert_allclose(gradient, numeric, rtol=2e-5, atol=2e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("kind", ["grid", "mesh"])
def test_derivative_of_the_displacement(kind, rng):
    shape = grid_shape(fixed=()) if kind == "grid" else mesh_shape()
    point = shape.start + 0.05
    xy, slip = rng.uniform(-30, 30, (7, 2)), rng.standard_normal((shape.patches(point).size, 3))
    exact = shape.derivative(point, xy, slip, 0.25)
    steps = 1e-5 * np.eye(point.size)
    numeric = [
        (shape.patches(point + s).apply(xy, slip) - shape.patches(point - s).apply(xy, slip)) / 2e-5
        for s in steps
    ]
    np.testing.assert_allclose(exact, np.stack(numeric, axis=-1), atol=1e-8 * np.abs(exact).max() + 1e-8)


def test_rectangle_is_found_with_its_slip():
    start = TRUTH._replace(x=0.0, y=0.0, strike=45.0, dip=40.0)
    result = solve_shape(
        data_of(grid_shape().patches(grid_shape().start)), grid_shape(start), model, 0.1, length_unit=1000
    )
    assert result.converged and result.iterations < 40
    truth = np.array([getattr(TRUTH, name) for name in result.names])
    free = ~result.at_bound
    assert (np.abs(result.values - truth)[free] < 4 * result.sigma[free]).all()
    assert result.sigma[result.names.index("dip")] < 2.0
    assert result.slip.chi2_reduced == pytest.approx(1.0, abs=0.25)
    assert (np.diff(result.history) <= 0).all()
    assert "strike" in result.summary() and "fault 1: 32 patches" in result.summary()


def test_mesh_is_moved_to_where_it_slipped():
    shape, truth = mesh_shape(prior={"down": (0.5, 0.05)}), np.array([2.0, 0.15, 0.5])
    result = solve_shape(data_of(shape.patches(truth), sigma=0.001), shape, model, 0.1)
    assert result.converged
    assert (np.abs(result.values - truth) < 4 * result.sigma).all()
    np.testing.assert_allclose(result.values, truth, atol=0.5)


def test_prior_and_bounds_hold():
    data = data_of(grid_shape().patches(grid_shape().start))
    held = solve_shape(data, grid_shape(prior={"dip": (40.0, 1e-4)}), model, 0.1)
    assert held.values[held.names.index("dip")] == pytest.approx(40.0, abs=1e-2)
    shape = MeshShape(
        curved(), {"east": np.ones((len(curved().points), 3)) * [1, 0, 0]}, bounds={"east": (-1, 1)}
    )
    far = shape.patches(np.array([1.0]))
    moved = data_of(far)
    result = solve_shape(Gnss(moved.xy + [3.0, 0.0], moved.observed, 0.002), shape, model, 0.1)
    assert result.at_bound[0] and result.values[0] == 1.0 and np.isnan(result.sigma[0])


def test_two_faults_are_named():
    shapes = (grid_shape(), grid_shape(TRUTH._replace(x=19.0)))
    data = data_of(shapes[0].patches(shapes[0].start))
    result = solve_shape(data, shapes, model, 0.1, max_iterations=2)
    assert result.names[0] == "x_1" and result.names[-1] == "dip_2"
    assert len(result.slip.slip) == 2


def test_mistakes_are_named():
    mesh = curved()
    with pytest.raises(ValueError, match="origin must lie on the upper edge"):
        GridShape(FaultModel(TRUTH, bounds=BOUNDS), 4, 4, "center")
    with pytest.raises(ValueError, match="every parameter of the geometry is fixed"):
        GridShape(FaultModel(TRUTH, fixed=Rectangle._fields[:7]), 4, 4)
    with pytest.raises(ValueError, match="moves: give at least one field"):
        MeshShape(mesh, {})
    with pytest.raises(ValueError, match="moves: east: expected finite numbers of shape"):
        MeshShape(mesh, {"east": np.ones(3)})
    with pytest.raises(ValueError, match="bounds: no field is named 'west'"):
        MeshShape(mesh, {"east": np.ones_like(mesh.points)}, bounds={"west": (0, 1)})
    with pytest.raises(ValueError, match="bounds must hold zero"):
        MeshShape(mesh, {"east": np.ones_like(mesh.points)}, bounds={"east": (1, 2)})
    assert mesh_shape().patches(np.array([0.0, 0.0, -2.0])) is None


BOXED = BOUNDS | {"strike": (0, 90)}


def boxed(start=TRUTH, **options):
    """Only strike and dip sought, between bounds."""
    fixed = ("x", "y", "depth", "length", "width")
    return GridShape(FaultModel(start, bounds=BOXED, fixed=fixed, **options), 6, 3)


def test_several_starts_find_the_best_and_say_the_others():
    data = data_of(boxed().patches(boxed().start))
    far = boxed(TRUTH._replace(strike=85.0, dip=12.0))
    lines = []
    many = solve_shape(
        data, far, model, 0.1, length_unit=1000, starts=3, seed=1, progress=lines.append, max_iterations=25
    )
    assert len(lines) == 3 and many.starts.shape == (3, 3)
    assert (np.diff(many.starts[:, 0]) >= 0).all() and many.misfit == many.starts[0, 0]
    np.testing.assert_array_equal(many.values, many.starts[0, 1:])
    assert (np.abs(many.values - [33.0, 50.0]) < 4 * many.sigma).all()
    again = solve_shape(data, far, model, 0.1, length_unit=1000, starts=3, seed=1, max_iterations=25)
    np.testing.assert_array_equal(again.starts, many.starts)
    assert "3 starts" in many.summary()


def result_with(starts, **changes):
    data = data_of(boxed().patches(boxed().start))
    found = solve_shape(data, boxed(), model, 0.1, max_iterations=5)
    return replace(found, starts=np.array(starts), covariance=np.diag([1.0, 4.0]), **changes)


def test_rivals_are_other_minima_that_are_nearly_as_good():
    starts = [
        [10.0, 33.0, 50.0],
        [10.1, 34.0, 51.0],
        [14.0, 33.0, 60.0],
        [14.1, 33.5, 61.0],
        [90.0, 5.0, 80.0],
    ]
    found = result_with(starts, inflation=1.0)
    np.testing.assert_allclose(found.rivals, [[8.0, 33.0, 60.0]])
    assert "NOT unique: chi-square is only 8.0 more at strike 33, dip 60" in found.summary()
    # Errors that turned out twice as large make a rival of what was out of the question.
    assert len(result_with(starts, inflation=4.0).rivals) == 2


def test_errors_larger_than_stated_are_said():
    data = data_of(boxed().patches(boxed().start), sigma=0.006)
    stated = Gnss(data.xy, data.observed, 0.002, nuisance="offset")
    right, wrong = (solve_shape(d, boxed(), model, 0.1, max_iterations=15) for d in (data, stated))
    assert right.inflation == 1.0 and wrong.inflation == pytest.approx(3.0, rel=0.2)
    assert "times the stated errors" in wrong.summary()
    assert wrong.sigma[1] > 0.6 * right.sigma[1]


def test_starts_need_bounds():
    data = data_of(boxed().patches(boxed().start))
    shape = GridShape(FaultModel(TRUTH, bounds={"dip": (10, 85)}, fixed=["length", "width", "depth"]), 4, 2)
    with pytest.raises(ValueError, match="x has no finite bounds, from which 3 starts could be drawn"):
        solve_shape(data, shape, model, 0.1, starts=3)
