"""Slip in a layered crust."""

import numpy as np
import pytest

from dislok import propagator
from dislok.inversion.fault import Gnss
from dislok.inversion.mesh import Grid, Mesh
from dislok.inversion.slip import SlipModel, SlipProblem
from dislok.okada import Rectangle

GRID = Grid(Rectangle(0.0, 0.0, 0.0, 20e3, 12e3, 30.0, 60.0), 5, 3)
MESH = Mesh(
    1e3 * np.array([[0.0, 0, -1], [8, 0, -1], [0, 6, -7], [8, 6, -8], [0, 9, -11], [8, 9, -12]]),
    [[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]],
)
CRUST = propagator.LayeredModel([4.0, 10.0, np.inf], [4.8, 6.0, 7.8], [2.5, 3.5, 4.4], [2.4, 2.7, 3.3])


def data(rng, displacement=None):
    xy = rng.uniform(-40e3, 40e3, (60, 2))
    return Gnss(xy, np.zeros((60, 3)) if displacement is None else displacement(xy), sigma=1e-3)


@pytest.mark.parametrize("patches", [GRID, MESH], ids=["grid", "mesh"])
def test_layers_that_do_not_differ_are_the_half_space(patches, rng):
    uniform = propagator.LayeredModel([4.0, np.inf], [6.0, 6.0], [np.sqrt(12.0)] * 2, [2.7, 2.7])
    model, seen = SlipModel(patches), data(rng)
    plain = SlipProblem(seen, model, nu=0.25)
    layered = SlipProblem(seen, model, crust=uniform)
    assert np.abs(layered.matrix - plain.matrix).max() < 1e-6 * np.abs(plain.matrix).max()
    x, r = rng.normal(size=plain.size), rng.normal(size=plain.data.size)
    for name, vector in (("forward", x), ("backward", r), ("displacement", x)):
        a, b = (getattr(each, name)(vector) for each in (layered, plain))
        assert np.abs(a - b).max() < 1e-6 * np.abs(b).max(), name


def test_slip_is_found_in_the_crust_that_made_the_data(rng):
    slip = np.zeros((GRID.size, 3))
    slip[:, 1] = 1.0 + np.sin(np.arange(GRID.size))
    km = propagator.Stations

    def displacement(xy):
        source = GRID.source
        scaled = source._replace(**{name: getattr(source, name) / 1e3 for name in source._fields[:5]})
        return np.einsum("ncma,ma->nc", propagator.greens(CRUST, scaled, km(*xy.T / 1e3)), slip)

    seen = data(rng, displacement)
    model = SlipModel(GRID, rake=90.0)
    found = SlipProblem(seen, model, crust=CRUST).solve(1e-3)
    assert np.abs(found.slip[0][:, 1] - slip[:, 1]).max() < 0.02
    assert found.misfit < 1.0
    same = SlipProblem(seen, model, crust=CRUST).solve_large(1e-3)
    assert np.abs(same.slip[0] - found.slip[0]).max() < 1e-3
    wrong = SlipProblem(seen, model).solve(1e-3)
    assert wrong.misfit > 100.0 * max(found.misfit, 1.0)


def test_refusals(rng):
    problem = SlipProblem(data(rng), SlipModel(GRID), crust=CRUST)
    with pytest.raises(ValueError, match="cannot be compressed"):
        problem.compress()
    with pytest.raises(TypeError, match="crust must be a LayeredModel"):
        SlipProblem(data(rng), SlipModel(GRID), crust=[1.0])
    with pytest.raises(ValueError, match="accuracy must be at least"):
        SlipProblem(data(rng), SlipModel(GRID), crust=CRUST, accuracy=0.0)
