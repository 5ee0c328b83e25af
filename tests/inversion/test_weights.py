"""Variance components: factors that were put into the errors are found again, of faults and of slip."""

import numpy as np
import pytest
from inversion_cases import BOUNDS, LOOK, TRUTH, gnss, moved, stations

from dislok.inversion import weights
from dislok.inversion.fault import FaultModel, Gnss, Los, Problem
from dislok.inversion.mesh import Grid
from dislok.inversion.slip import SlipModel, SlipProblem
from dislok.okada import Rectangle

FACTORS = np.array([3.0, 0.5])


def two(seed, shape=moved):
    """GNSS with errors three times as large as stated, and a track with errors half as large."""
    rng = np.random.default_rng(seed)
    near, far = stations(60, seed=1), stations(300, seed=2)
    u = shape(near) + 0.012 * rng.standard_normal((60, 3))
    track = shape(far) @ LOOK + 0.005 * rng.standard_normal(300)
    return [Gnss(near, u, 0.004), Los(far, track, LOOK, 0.01, name="T1")]


@pytest.mark.parametrize("loss", ["linear", "huber"])
def test_factors_of_faults(loss):
    problem = Problem(two(1), FaultModel(TRUTH, bounds=BOUNDS), loss=loss, loss_scale=3.0, length_unit=1000)
    lines = []
    found = weights.estimate(problem, progress=lines.append)
    assert found.converged and len(lines) == found.rounds < 10
    np.testing.assert_allclose(found.factors, FACTORS, rtol=0.12)
    # 180 + 300 data, nine unknowns of the fault and three of the ramp.
    if loss == "linear":
        assert found.redundancy.sum() == pytest.approx(480 - 12, abs=1e-6)
    result = found.problem.solve()
    assert result.chi2_reduced == pytest.approx(1.0, abs=0.05) and result.inflation == 1.0
    np.testing.assert_allclose(result.fits[0].sigma, 0.004 * found.factors[0])
    assert "GNSS: errors times" in found.summary() and "converged in" in found.summary()
    np.testing.assert_array_equal(problem.datasets[0].sigma, 0.004)


def test_right_weights_are_better_ones():
    """Over some realisations, estimated weights bring the fault nearer to the truth than stated ones."""
    error = {True: [], False: []}
    for seed in range(8):
        problem = Problem(two(seed), FaultModel(TRUTH, bounds=BOUNDS), length_unit=1000)
        for balanced in error:
            one = weights.estimate(problem).problem if balanced else problem
            result = one.solve()
            truth = np.array([getattr(TRUTH, name) for name in result.names])
            error[balanced].append(np.abs(result.values - truth))
    assert np.median(np.mean(error[True], axis=0) / np.mean(error[False], axis=0)) < 0.9


@pytest.mark.parametrize("smoothing", ["abic", 0.05])
def test_factors_of_slip(smoothing):
    grid = Grid(Rectangle(0.0, 0.0, 1.0, 30.0, 16.0, 30.0, 60.0), 10, 5)
    away = grid.centroids - grid.centroids.mean(axis=0)
    slip = (1.5 * np.exp(-np.sum(away**2, axis=1) / 60.0))[:, None] * [0.0, 1.0, 0.0]
    problem = SlipProblem(
        two(3, lambda xy: grid.apply(xy, slip)), SlipModel(grid, rake=90.0), length_unit=1000
    )
    found = weights.estimate(problem, smoothing=smoothing)
    assert found.converged
    np.testing.assert_allclose(found.factors, FACTORS, rtol=0.15)
    result = found.problem.solve("abic")
    assert result.chi2_reduced == pytest.approx(1.0, abs=0.1)
    # The Green's functions were kept, scaled.
    np.testing.assert_allclose(
        found.problem.whitened_matrix()[:180], problem.whitened_matrix()[:180] / found.factors[0], rtol=1e-9
    )


def test_full_covariances_and_missing_data():
    data = two(4)
    table = data[0].observed.copy()
    table[::7, 2] = np.nan
    covariance = 0.004**2 * np.eye(table.size)
    problem = Problem(
        [Gnss(data[0].xy, table, covariance=covariance), data[1]], FaultModel(TRUTH, bounds=BOUNDS)
    )
    np.testing.assert_allclose(weights.estimate(problem).factors, FACTORS, rtol=0.15)


def test_what_cannot_be_estimated_is_said():
    xy = stations(1)
    few = Gnss(xy, moved(xy), 0.01)
    with pytest.raises(ValueError, match="datasets: none keeps 3 degrees of freedom: GNSS 2.0"):
        weights.estimate(Problem(few, FaultModel(TRUTH, fixed=Rectangle._fields[:8])))
    one = Gnss([[50.0, 50.0]], moved(np.array([[50.0, 50.0]])), 1e-3, name="one")
    found = weights.estimate(Problem([gnss(0.004, 1), one], FaultModel(TRUTH, bounds=BOUNDS)))
    assert found.factors[1] == 1.0 and found.redundancy[1] < 3
    with pytest.raises(TypeError, match="problem must be a Problem or SlipProblem"):
        weights.estimate(few)
