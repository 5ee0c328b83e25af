"""Cells predicted by their mean: Gauss rules of pixels, error bounds, problems that see means, pictures."""

import json

import numpy as np
import pytest
from inversion_cases import LOOK

from dislok.inversion import plot
from dislok.inversion.fault import FaultModel, Los, Problem, load
from dislok.inversion.footprint import TOLERANCE, of_square, orders, rule
from dislok.inversion.mesh import Grid
from dislok.inversion.quadtree import Noise, quadtree
from dislok.inversion.slip import PixelOffsets, SlipModel, SlipProblem
from dislok.inversion.slip import load as load_slip
from dislok.inversion.slip import plot as slip_plot
from dislok.okada import Rectangle, displacement

FAULT = Rectangle(-2.0, -3.0, 1.0, 8.0, 5.0, 25.0, 60.0, 70.0, 2.0)
STEP, SIZE = 0.1, 256
NOISE = Noise(0.002, 0.004, 2.0, np.zeros(0), np.zeros(0))


def pixels():
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) * STEP
    return np.stack(np.meshgrid(axis, -axis), axis=-1)


def field(fault=FAULT):
    return displacement(pixels().reshape(-1, 2), fault).reshape(SIZE, SIZE, 3)


def cells_of(values, holes=True, **options):
    """Cells of a map in which a lake and one pixel in fifty are missing."""
    values = values.copy()
    if holes:
        values[..., 150:170, 30:70] = np.nan
        values[..., np.random.default_rng(3).random((SIZE, SIZE)) < 0.02] = np.nan
    first = pixels()[0, 0]
    words = {"origin": tuple(first), "spacing": (STEP, -STEP), "smallest": 4, "largest": 32}
    return quadtree(values, 0.05, **(words | options))


@pytest.mark.parametrize(("order", "side"), [(1, 1), (1, 7), (2, 5), (3, 8), (4, 64), (8, 8)])
def test_rule_is_exact_for_pixels(order, side):
    x, w = rule(order, side)
    places = np.arange(side)
    for degree in range(2 * order):
        assert w @ (x / side) ** degree == pytest.approx(np.mean((places / side) ** degree), rel=1e-12)
    if order == side:
        np.testing.assert_allclose(x, places, atol=1e-12)


def test_more_places_than_pixels_are_the_pixels():
    assert len(rule(8, 3)[0]) == 3


@pytest.mark.parametrize("missing", [0.0, 0.05, 0.3])
def test_linear_values_have_their_mean_whatever_is_missing(missing, rng):
    present = rng.random((16, 16)) >= missing
    places, weights = of_square(present, 16, 2)
    assert weights.sum() == pytest.approx(1) and np.abs(weights).sum() < 1.1
    np.testing.assert_allclose(weights @ places, np.argwhere(present).mean(axis=0), atol=1e-12)


def test_orders_keep_the_promised_share():
    """A potential with a singular point outside of the square is what a displacement is at its worst."""
    axis = (np.arange(64) + 0.5) / 32 - 1
    x, y = np.meshgrid(axis, axis)
    for ratio in (0.3, 0.5, 1.0, 2.0, 5.0, 20.0):
        n = int(orders(np.array([ratio]), np.array([1.0]))[0])
        values = 1 / np.sqrt(x**2 + y**2 + ratio**2)
        places, weights = of_square(np.ones((64, 64), bool), 64, n)
        u, v = (places.T + 0.5) / 32 - 1
        error = weights @ (1 / np.sqrt(u**2 + v**2 + ratio**2)) - values.mean()
        bound = TOLERANCE if n < 8 else 3e-3
        assert abs(error) < 2 * bound * values.max(), (ratio, n)
    assert orders(np.array([100.0, 0.0]), np.ones(2)).tolist() == [1, 8]


@pytest.mark.parametrize("near", [False, True])
def test_prediction_is_the_mean_over_the_pixels(near):
    """Middles are 10 white sigma off where means are right to a hundredth."""
    image = field() @ LOOK
    cells = cells_of(image)
    grid = Grid(FAULT, 8, 5)
    data = Los.from_cells(cells, LOOK, NOISE, nuisance=None, near=grid.outlines if near else None)
    model = FaultModel(FAULT, fixed=Rectangle._fields[:8], bounds={"slip": (0, 5)})
    predicted = Problem(data, model).predict([2.0])[0][:, 0]
    error = np.abs(predicted - cells.values[:, 0])
    middle = np.abs(displacement(cells.xy, FAULT) @ LOOK - cells.values[:, 0])
    assert middle.max() > 3e-3
    assert error.max() < 2e-4 and error.max() < middle.max() / 20
    whole = cells.pixels > 0.9 * cells.size**2
    assert whole.mean() > 0.8 and error[whole].max() < TOLERANCE * np.abs(image).max()
    assert len(data.points) < (13 if near else 20) * len(cells.xy)


def test_slip_problem_sees_means_too(rng):
    cells = cells_of(np.moveaxis(field()[..., :2], -1, 0), largest=16)
    grid = Grid(FAULT, 4, 2)
    data = PixelOffsets(
        cells.xy, cells.values, sigma=0.01, footprint=cells.footprint(near=grid.outlines), nuisance=None
    )
    problem = SlipProblem(data, SlipModel(grid), length_unit=1000)
    greens = grid.greens(pixels().reshape(-1, 2))[:, :2].reshape(SIZE, SIZE, 2, -1, 3)
    whole = np.flatnonzero(cells.pixels > 0.9 * cells.size**2)
    for i in rng.choice(whole, 6, replace=False):
        a, b = cells.windows()[i]
        truth = greens[a, b][cells.present[a, b]].mean(axis=0)[..., :2]
        got = 0.01 * problem.matrix[2 * i : 2 * i + 2].reshape(truth.shape)
        np.testing.assert_allclose(got, truth, atol=2e-4 * np.abs(greens).max())
    c, r = rng.standard_normal(problem.size), rng.standard_normal(data.size)
    np.testing.assert_allclose(problem.forward(c), problem.matrix @ c, rtol=1e-10)
    assert r @ problem.forward(c) == pytest.approx(problem.backward(r) @ c, rel=1e-10)
    dense, large = problem.solve(0.1), problem.solve_large(0.1, tolerance=1e-12)
    np.testing.assert_allclose(large.coefficients, dense.coefficients, atol=1e-6)


def test_derivatives_of_what_cells_see():
    cells = cells_of(field() @ LOOK, smallest=16)
    data = Los.from_cells(cells, LOOK, NOISE)
    problem = Problem(data, FaultModel(FAULT))
    point = problem.initial + 0.05
    steps = 1e-5 * np.eye(point.size)
    numeric = [
        (problem.log_posterior(point + s)[0] - problem.log_posterior(point - s)[0]) / 2e-5 for s in steps
    ]
    gradient = problem.log_posterior(point)[1]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())
    rows = [(problem.log_posterior(point - s)[1] - problem.log_posterior(point + s)[1]) / 2e-5 for s in steps]
    hessian = problem.hessian(point)
    scale = np.sqrt(np.outer(np.abs(np.diag(hessian)), np.abs(np.diag(hessian))))
    np.testing.assert_allclose(hessian / scale, np.array(rows) / scale, atol=1e-5)


def test_other_coordinates_and_look_maps():
    image = field() @ LOOK
    cells = cells_of(image)
    looks = np.broadcast_to(LOOK[:, None, None], (3, SIZE, SIZE))
    there = Los.from_cells(cells, looks, NOISE, place=lambda xy: (xy + [50.0, -20.0]) / 1000)
    here = Los.from_cells(cells, LOOK, NOISE)
    np.testing.assert_allclose(there.xy, (here.xy + [50.0, -20.0]) / 1000)
    np.testing.assert_allclose(
        there.boxes[:, 2:] - there.boxes[:, :2], cells.size[:, None] * [[STEP / 1000] * 2]
    )
    np.testing.assert_allclose(there.look, here.look, atol=1e-12)


def test_what_does_not_fit_is_named():
    cells = cells_of(field() @ LOOK)
    words = {"displacement": cells.values[:, 0], "look": LOOK, "sigma": 0.01}
    with pytest.raises(ValueError, match=r"LOS: footprint: the cell of datum 0 lies .* \(Footprint.placed"):
        Los(cells.xy / 1000, **words, footprint=cells.footprint())
    with pytest.raises(ValueError, match=f"footprint: expected one of {len(cells.xy)} data, got 3"):
        Los(cells.xy, **words, footprint=cells.chosen([0, 1, 2]).footprint())
    with pytest.raises(TypeError, match="footprint must be a Footprint"):
        Los(cells.xy, **words, footprint=cells)
    with pytest.raises(ValueError, match="place: expected finite places"):
        Los.from_cells(cells, LOOK, NOISE, place=lambda xy: xy[:, 0])
    with pytest.raises(ValueError, match="cells: expected those of one map, got 2"):
        Los.from_cells(cells_of(np.moveaxis(field()[..., :2], -1, 0)), LOOK, NOISE)


def test_cells_are_drawn_as_cells_and_kept(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib")
    cells = cells_of(np.moveaxis(field()[..., :2], -1, 0), smallest=8)
    words = {"sigma": 0.01, "footprint": cells.footprint()}
    data = PixelOffsets(cells.xy, cells.values, **words)
    track = Los(cells.xy, cells.values @ LOOK[:2], LOOK, **words)
    model = FaultModel(FAULT, fixed=Rectangle._fields[:8])
    result = Problem([data, track], model).solve()
    slip = SlipProblem([data, track], SlipModel(Grid(FAULT, 4, 2)), length_unit=1000).solve(0.1)
    figures = {
        plot.offsets(result): 6,
        plot.los(result): 3,
        slip_plot.data_map(slip, name="offsets"): 6,
        slip_plot.data_map(slip, name="LOS"): 3,
    }
    for figure, panels in figures.items():
        drawn = [c for a in figure.axes for c in a.collections if len(c.get_paths()) == len(cells.xy)]
        assert len(drawn) == panels
        low, high = drawn[0].get_datalim(figure.axes[0].transData).get_points()
        np.testing.assert_allclose([*low, *high], [-12.8, -12.8, 12.8, 12.8], atol=1e-9)
    plt.close("all")
    result.save(tmp_path / "fault.json")
    slip.save(tmp_path / "slip.npz")
    for again in (load(tmp_path / "fault.json"), load_slip(tmp_path / "slip.npz")):
        np.testing.assert_allclose(again.fits[0].boxes, cells.boxes)
    record = json.loads((tmp_path / "fault.json").read_text())
    for fit in record["fits"]:
        del fit["boxes"]
    (tmp_path / "old.json").write_text(json.dumps(record))
    assert load(tmp_path / "old.json").fits[0].boxes.shape == (0, 4)
