"""Faults found from GNSS and line-of-sight data: recovery, statistics, constraints, loss, messages."""

from dataclasses import replace

import numpy as np
import pytest
from inversion_cases import BOUNDS, GUESS, LOOK, NAMES, TRUTH, fault, gnss, moved, stations, truth_of
from scipy import stats

from dislok.inversion.fault import FaultModel, Gnss, Los, Problem, load
from dislok.inversion.fits import inflation_of
from dislok.okada import Rectangle


@pytest.mark.parametrize("linear_slip", [True, False])
def test_noise_free_fault_is_recovered(linear_slip):
    guess = GUESS if linear_slip else GUESS._replace(x=2.0, y=0.0, strike=50.0, rake=90.0)
    result = Problem(gnss(), FaultModel(guess, bounds=BOUNDS)).solve(linear_slip=linear_slip)
    assert result.converged and result.iterations <= 30
    np.testing.assert_allclose(result.values, truth_of(result.names), rtol=1e-8)
    assert result.variance_reduction == pytest.approx(1.0, abs=1e-12)


def test_gradient_and_hessian_are_those_of_the_posterior(rng):
    data = [
        gnss(seed=1),
        Los(stations(30, seed=4), moved(stations(30, seed=4)) @ LOOK, LOOK, 0.02, name="T1"),
    ]
    problem = Problem(data, fault(prior={"dip": (60, 5)}), loss="soft_l1", loss_scale=1.5)
    point = truth_of(problem.names) + np.array([0.3, 0.3, 0.3, 1, 1, 3, 3, 3, 0.1]) * rng.standard_normal(9)
    steps = 1e-5 * np.eye(9)
    gradient = problem.log_posterior(point)[1]
    numeric = [
        (problem.log_posterior(point + s)[0] - problem.log_posterior(point - s)[0]) / 2e-5 for s in steps
    ]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
    rows = [(problem.log_posterior(point - s)[1] - problem.log_posterior(point + s)[1]) / 2e-5 for s in steps]
    hessian = problem.hessian(point)
    scale = np.sqrt(np.outer(np.abs(np.diag(hessian)), np.abs(np.diag(hessian))))
    np.testing.assert_allclose(hessian / scale, np.array(rows) / scale, atol=1e-6)


def test_errors_are_those_predicted():
    """Over 60 realisations of the noise, squared normalised errors follow chi-square of nine degrees."""
    distances = []
    for seed in range(60):
        result = Problem(gnss(0.003, seed), FaultModel(TRUTH, bounds=BOUNDS)).solve()
        error = result.values - truth_of(result.names)
        distances.append(error @ np.linalg.solve(result.covariance, error))
    assert stats.kstest(distances, "chi2", args=(9,)).pvalue > 1e-3
    assert np.sum(distances) == pytest.approx(9 * 60, rel=0.2)


def test_laplace_tends_to_gauss_newton_as_noise_vanishes():
    result = Problem(gnss(1e-6, 3), fault()).solve()
    np.testing.assert_allclose(result.covariance, result.covariance_gauss_newton, rtol=1e-2, atol=1e-14)


def test_many_starts_find_what_one_misses():
    guess = GUESS._replace(x=-15.0, y=15.0, strike=300.0, dip=80.0)
    problem = Problem(gnss(0.01, 2), FaultModel(guess, bounds=BOUNDS))
    lines = []
    many = problem.solve(starts=6, seed=1, progress=lines.append)
    assert len(lines) == 6 and len(many.starts) == 6
    assert many.misfit == pytest.approx(many.starts[:, 0].min())
    assert many.chi2_reduced < 1.4
    np.testing.assert_array_equal(many.starts, problem.solve(starts=6, seed=1).starts)


def test_bounds_hold():
    bounds = BOUNDS | {"dip": (10, 40), "rake": (0, 100), "slip": (0, 1.2)}
    result = Problem(gnss(seed=2), fault(bounds=bounds)).solve()
    found = dict(zip(result.names, result.values, strict=True))
    held = dict(zip(result.names, result.at_bound, strict=True))
    assert found["dip"] <= 40 and found["rake"] <= 100 and found["slip"] <= 1.2
    assert held["dip"] and np.isnan(result.sigma[result.names.index("dip")])
    assert np.isfinite(result.sigma[~result.at_bound]).all()
    assert "at bound" in result.summary()


def test_minimum_inside_bounds_is_stationary_and_outside_is_blocked():
    problem = Problem(gnss(seed=2), fault(bounds=BOUNDS | {"dip": (10, 40)}))
    result = problem.solve()
    gradient = -problem.log_posterior(result.values)[1] * np.nan_to_num(result.sigma, nan=1.0)
    assert np.abs(gradient[~result.at_bound]).max() < 1e-3
    assert gradient[result.names.index("dip")] < 0


def test_fixed_parameters_stay():
    result = Problem(gnss(), fault(fixed={"dip": 50.0, "rake": 120.0})).solve()
    assert "dip" not in result.names and "rake" not in result.names
    assert result.faults.dip[0] == 50 and result.faults.rake[0] == 120
    np.testing.assert_allclose(result.values, truth_of(result.names), rtol=1e-8)


@pytest.mark.parametrize("fixed", [("slip",), ("slip", "rake"), NAMES[:7]])
def test_any_part_can_be_fixed(fixed):
    held = {name: getattr(TRUTH, name) for name in fixed}
    guess = GUESS._replace(rake=100.0)
    result = Problem(gnss(), FaultModel(guess, bounds=BOUNDS, fixed=held)).solve()
    np.testing.assert_allclose(result.values, truth_of(result.names), rtol=1e-7)


def test_prior_and_data_meet_by_their_weights():
    """For a linear unknown, the answer is the mean of data and prior by inverse variance."""
    geometry = {name: getattr(TRUTH, name) for name in NAMES[:8]}
    alone = Problem(gnss(seed=1), FaultModel(TRUTH, fixed=geometry)).solve()
    for away in (2.0, -1.0, 300.0):
        prior = alone.values[0] + away * alone.sigma[0]
        model = FaultModel(TRUTH, fixed=geometry, prior={"slip": (prior, alone.sigma[0])})
        both = Problem(gnss(seed=1), model).solve()
        assert both.values[0] == pytest.approx((alone.values[0] + prior) / 2, rel=1e-8)
        if away < 3:
            assert both.inflation == 1.0
            assert both.sigma[0] == pytest.approx(alone.sigma[0] / np.sqrt(2), rel=1e-9)
        else:
            # A prior that the data contradict leaves residuals, which are said.
            assert both.inflation > 1 and both.sigma[0] > alone.sigma[0] / np.sqrt(2)


def test_strong_priors_win_whatever_they_are_on():
    prior = {"dip": (45.0, 1e-5), "strike": (393.0, 1e-5), "rake": (480.0, 1e-5), "slip": (1.0, 1e-6)}
    result = Problem(gnss(seed=1), fault(prior=prior)).solve()
    found = dict(zip(result.names, result.values, strict=True))
    assert found["dip"] == pytest.approx(45, abs=1e-3)
    assert found["strike"] == pytest.approx(33, abs=1e-3)
    assert found["rake"] == pytest.approx(120, abs=1e-3)
    assert found["slip"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy"])
def test_robust_loss_lets_outliers_go(loss, rng):
    u = moved(stations()) + 0.003 * rng.standard_normal((60, 3))
    u[::10] += rng.normal(0, 0.5, (6, 3))
    plain, robust = (
        Problem(Gnss(stations(), u, 0.003), FaultModel(TRUTH, bounds=BOUNDS), loss=kind).solve(starts=4)
        for kind in ("linear", loss)
    )
    error = [np.abs(r.values - truth_of(r.names)) for r in (plain, robust)]
    assert (error[1] < 5 * robust.sigma).all()
    assert np.linalg.norm(error[1] / robust.sigma) < 0.2 * np.linalg.norm(error[0] / robust.sigma)


def test_full_covariance_is_whitened_data(rng):
    """Correlated data with their covariance say what their independent combinations with unit errors say."""
    xy, u = stations(12), moved(stations(12))
    root = 0.01 * (np.eye(36) + 0.2 * rng.standard_normal((36, 36)))
    u = u + (root @ rng.standard_normal(36)).reshape(12, 3)
    model = FaultModel(TRUTH, bounds=BOUNDS)
    problem = Problem(Gnss(xy, u, covariance=root @ root.T), model)
    result = problem.solve()
    residual = (u - moved(xy, result.faults)).ravel()
    assert result.chi2 == pytest.approx(residual @ np.linalg.solve(root @ root.T, residual), rel=1e-9)
    jacobian = problem.points_jacobian(result.parameters)[:, :, 0, :9].reshape(36, 9)
    normal = jacobian.T @ np.linalg.solve(root @ root.T, jacobian)
    np.testing.assert_allclose(result.covariance_gauss_newton, np.linalg.inv(normal), rtol=1e-6)


def test_diagonal_block_and_full_covariance_agree():
    xy, u, sigma = stations(), moved(stations()) + 0.005, np.array([0.01, 0.02, 0.03])
    u[3, 1] = np.nan
    blocks = np.broadcast_to(np.diag(sigma**2), (60, 3, 3))
    full = np.diag(np.tile(sigma**2, 60))
    kinds = [{"sigma": sigma}, {"covariance": blocks}, {"covariance": full}]
    results = [Problem(Gnss(xy, u, **kind), fault()).solve() for kind in kinds]
    for other in results[1:]:
        np.testing.assert_allclose(other.values, results[0].values, rtol=1e-6)
        np.testing.assert_allclose(other.covariance, results[0].covariance, rtol=1e-4, atol=1e-9)


def test_components_in_any_order_and_missing_data():
    xy, u = stations(), moved(stations())
    u[5, 0] = u[7] = np.nan
    result = Problem(Gnss(xy, u[:, [2, 0]], 0.01, components="UE"), fault()).solve()
    np.testing.assert_allclose(result.values, truth_of(result.names), rtol=1e-7)
    assert np.isnan(result.fits[0].residual[7]).all() and result.dof == 120 - 3 - 9


def test_los_ramp_is_found_with_the_fault():
    xy = stations(300, seed=3)
    place = xy / np.abs(xy - (xy.max(0) + xy.min(0)) / 2).max()
    ramp = 0.12 + 0.3 * place[:, 0] - 0.2 * place[:, 1]
    track = Los(xy, moved(xy) @ LOOK + ramp, LOOK, 0.01, nuisance="ramp", name="T54")
    result = Problem(track, fault()).solve(starts=4)
    np.testing.assert_allclose(result.values, truth_of(result.names), rtol=1e-6)
    terms = result.fits[0].nuisance
    assert terms["LOS east ramp"] == pytest.approx(0.3, abs=1e-7)
    assert terms["LOS north ramp"] == pytest.approx(-0.2, abs=1e-7)
    np.testing.assert_allclose(result.fits[0].residual, 0, atol=1e-8)


def test_los_and_gnss_together_with_an_offset_of_each():
    xy = stations(200, seed=3)
    look = np.stack([LOOK, LOOK * [-1, 1, 1]])[np.arange(200) % 2]
    track = Los(xy, np.einsum("nc,nc->n", moved(xy), look) - 0.4, look, 0.01, nuisance="offset")
    shifted = moved(stations()) + [0.1, -0.2, 0.3]
    result = Problem([Gnss(stations(), shifted, 0.01, nuisance="offset"), track], fault()).solve(starts=4)
    np.testing.assert_allclose(result.values, truth_of(result.names), rtol=1e-7)
    np.testing.assert_allclose(list(result.fits[0].nuisance.values()), [0.1, -0.2, 0.3], rtol=1e-8)
    assert result.fits[1].nuisance["LOS offset"] == pytest.approx(-0.4, rel=1e-8)


def test_two_faults():
    second = Rectangle(-12.0, 10.0, 1.0, 12.0, 8.0, 100.0, 70.0, -20.0, 0.8).with_origin("topcenter")
    xy = stations(120)
    u = moved(xy) + moved(xy, second)
    models = [
        FaultModel(TRUTH._replace(x=1.0, strike=40.0, dip=60.0), bounds=BOUNDS),
        FaultModel(second._replace(y=13.0, depth=2.0, strike=90.0), bounds=BOUNDS),
    ]
    result = Problem(Gnss(xy, u, 0.01), models).solve()
    assert result.names[:2] == ("x_1", "y_1") and result.names[-1] == "slip_2"
    expected = np.r_[truth_of(NAMES), truth_of(NAMES, second)]
    np.testing.assert_allclose(result.values, expected, rtol=1e-7)
    assert result.moment.shape == (2,)


def test_opening_is_found_when_asked_for():
    dyke = Rectangle(2.0, 1.0, 1.0, 10.0, 6.0, 20.0, 80.0, 0.0, 0.0, 2.0).with_origin("topcenter")
    model = FaultModel(
        Rectangle(0.0, 0.0, 2.0, 8.0, 5.0, 30.0, 70.0).with_origin("topcenter"),
        bounds=BOUNDS | {"opening": (0, 10)},
        fixed={"rake": 0.0, "slip": 0.0},
    )
    result = Problem(Gnss(stations(), moved(stations(), dyke), 0.01), model).solve()
    np.testing.assert_allclose(result.values, truth_of(result.names, dyke), rtol=1e-7)


def test_rake_bounds_are_a_cone_in_the_linear_search():
    narrow = BOUNDS | {"rake": (60, 100)}
    result = Problem(gnss(), fault(bounds=narrow)).solve()
    assert result.values[result.names.index("rake")] == pytest.approx(100)
    wide = Problem(gnss(), fault(bounds=BOUNDS | {"rake": (60, 180)})).solve()
    np.testing.assert_allclose(wide.values, truth_of(wide.names), rtol=1e-8)


def test_units_and_axes_do_not_matter():
    """Metres instead of kilometres, and axes that are turned, give the same fault."""
    plain = Problem(gnss(0.01, 5), fault(), length_unit=1000).solve()
    factor = np.array([1e3, 1e3, 1e3, 1e3, 1e3, 1, 1, 1, 1])
    data, model = gnss(0.01, 5), fault()
    bounds = {k: (a * 1e3, b * 1e3) if k != "dip" else (a, b) for k, (a, b) in BOUNDS.items()}
    guess = Rectangle(*(np.array(model.initial) * np.r_[factor, 1])).with_origin("topcenter")
    metres = Problem(Gnss(1e3 * data.xy, data.observed, 0.01), FaultModel(guess, bounds=bounds)).solve()
    np.testing.assert_allclose(metres.values, plain.values * factor, rtol=1e-7)
    assert metres.magnitude == pytest.approx(plain.magnitude, rel=1e-9)


def test_magnitude_is_that_of_the_definition():
    result = Problem(gnss(), fault(), length_unit=1000, shear_modulus=32e9).solve()
    moment = 32e9 * 22e3 * 10e3 * 1.5
    assert result.moment.sum() == pytest.approx(moment, rel=1e-7)
    assert result.magnitude == pytest.approx((np.log10(moment) - 9.1) / 1.5, rel=1e-9)


def test_result_survives_json(tmp_path):
    track = Los(stations(40), moved(stations(40)) @ LOOK, LOOK, 0.01)
    result = Problem([gnss(seed=1), track], fault(bounds=BOUNDS | {"dip": (10, 40)})).solve()
    result.save(tmp_path / "result.json")
    again = load(tmp_path / "result.json")
    assert again.summary() == result.summary()
    np.testing.assert_array_equal(again.covariance, result.covariance)
    np.testing.assert_array_equal(again.upper, result.upper)
    np.testing.assert_array_equal(again.fits[1].look, result.fits[1].look)
    assert again.at_bound.dtype == bool and again.fits[1].nuisance == result.fits[1].nuisance


def test_other_json_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="not a saved fault inversion"):
        load(tmp_path / "other.json")


def test_station_on_the_edge_of_a_fault():
    """Where the displacement has no value there is no posterior either; searches go on elsewhere."""
    surface = TRUTH._replace(depth=0.0)
    xy = np.vstack([stations(), [[surface.x, surface.y]]])
    u = moved(xy[:-1], surface)
    data = Gnss(xy, np.vstack([u, [[0.0, 0.0, 0.0]]]), 0.01)
    problem = Problem(data, FaultModel(surface, bounds=BOUNDS), loss="cauchy")
    assert problem.log_posterior(problem.initial)[0] == -np.inf
    assert problem.quadratic(problem.initial).value == np.inf
    with pytest.raises(ValueError, match="lies on the edge of a fault"):
        problem.fit(problem.initial)
    with pytest.warns(RuntimeWarning, match="no Laplace covariance"):
        result = problem.solve(starts=4)
    assert np.isfinite(result.misfit) and np.isnan(result.covariance).all()


XY, U = stations(5), np.zeros((5, 3))


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: Gnss(XY, U[:, :2], 1.0),
            r"displacement: expected shape \(n, 3\) for components 'ENU', got \(5, 2\)",
        ),
        (lambda: Gnss(XY[:4], U, 1.0), r"GNSS: xy: expected shape \(5, 2\), got \(4, 2\)"),
        (lambda: Gnss(XY * np.inf, U, 1.0), r"GNSS: xy: not finite at \(0, 0\)"),
        (lambda: Gnss(XY, U), "GNSS: give either sigma or covariance"),
        (
            lambda: Gnss(XY, U, [1.0, 0.0, 1.0], name="net"),
            r"net: sigma must be positive and finite, got 0.0 at \(0, 1\)",
        ),
        (lambda: Gnss(XY, U, np.ones((4, 3))), r"sigma: shape \(4, 3\) does not fit"),
        (lambda: Gnss(XY, U, 1.0, components="ENX"), "distinct letters of 'ENU', got 'ENX'"),
        (
            lambda: Gnss(XY, U, covariance=np.eye(4)),
            r"covariance: expected shape \(5, 3, 3\) or \(15, 15\), got \(4, 4\)",
        ),
        (lambda: Gnss(XY, U, covariance=-np.eye(15)), "covariance is not positive definite"),
        (lambda: Gnss(XY, U, covariance=np.triu(np.ones((15, 15)))), "covariance is not symmetric"),
        (lambda: Gnss(XY, U * np.nan, 1.0), "displacement holds no finite value"),
        (
            lambda: Gnss(XY, U, 1.0, nuisance="tilt"),
            'nuisance must be None, "offset" or "ramp", got \'tilt\'',
        ),
        (lambda: Los(XY, U, LOOK, 1.0), r"LOS: displacement: expected shape \(n,\), got \(5, 3\)"),
        (lambda: Los(XY, U[:, 0], [1, 1, 1], 1.0), "look must be unit vectors; number 0 has length 1.73205"),
        (lambda: Los(XY, U[:, 0], np.eye(2), 1.0), r"look: expected shape \(3,\) or \(5, 3\)"),
        (
            lambda: FaultModel(GUESS, bounds={"lenght": (0, 1)}),
            "bounds: unknown parameter 'lenght'; known are x, y,",
        ),
        (lambda: FaultModel(GUESS, fixed=["top"]), "fixed: unknown parameter 'top'"),
        (lambda: FaultModel(GUESS, bounds={"dip": (50, 40)}), "bounds: dip needs lower < upper"),
        (lambda: FaultModel(GUESS, bounds={"dip": (50, 80)}), r"dip = 38 lies outside its bounds \(50, 80\)"),
        (lambda: FaultModel(GUESS, bounds={"width": (-1, 80)}), "bounds: width must stay positive"),
        (lambda: FaultModel(GUESS, bounds={"depth": (-1, 80)}), "bounds: depth must not be negative"),
        (
            lambda: FaultModel(GUESS, prior={"dip": (50, 0)}),
            "prior: dip needs a finite mean and a positive deviation",
        ),
        (lambda: FaultModel(GUESS._replace(x=[1.0, 2.0])), "initial: x must be one finite number"),
        (lambda: Problem([], fault()), "at least one data set"),
        (lambda: Problem([gnss(), gnss()], fault()), "the name 'GNSS' occurs more than once"),
        (lambda: Problem(gnss(), []), "at least one fault"),
        (lambda: Problem(gnss(), fault(), origin="center"), "origin must lie on the upper edge"),
        (lambda: Problem(gnss(), fault(), loss="l1"), "loss: expected one of linear, soft_l1"),
        (lambda: Problem(gnss(), fault(), loss_scale=0.0), "loss_scale must be positive"),
        (lambda: Problem(gnss(), fault(fixed=NAMES)), "every parameter is fixed"),
        (lambda: Problem(Gnss(XY[:2], U[:2], 1.0), fault()), "6 data cannot determine 9 unknowns"),
        (lambda: Problem(gnss(), fault()).solve(starts=0), "starts must be at least 1"),
        (lambda: Problem(gnss(), fault(bounds={})).solve(starts=2), "x has no finite bounds"),
    ],
)
def test_messages_name_the_offender(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_initial_must_be_a_rectangle():
    with pytest.raises(TypeError, match="expected a Rectangle, got tuple"):
        FaultModel((0, 0, 1, 1, 1, 0, 45))


@pytest.mark.parametrize("factor", [0.02, 0.3, 1.0, 3.0])
def test_errors_are_as_large_as_the_residuals_say(factor):
    """Stated too small they are inflated, by no more and no less; stated well or too large they are kept."""
    data = gnss(0.01, 7)
    prior = {"dip": (50.0, 0.2)}
    model = FaultModel(TRUTH, bounds=BOUNDS, prior=prior)
    honest = Problem(data, model).solve()
    found = Problem(Gnss(data.xy, data.observed, 0.01 * factor), model).solve()
    assert honest.inflation == 1.0
    if factor < 1:
        assert found.inflation == pytest.approx(1 / factor, rel=0.1)
        np.testing.assert_allclose(found.sigma, honest.sigma, rtol=0.12)
        # The prior is not what the residuals speak about.
        assert found.sigma[found.names.index("dip")] < 0.2
        assert "times the stated errors" in found.summary()
    else:
        assert found.inflation == 1.0 and "times the stated" not in found.summary()


def test_bounds_that_were_hit_are_said():
    result = Problem(gnss(seed=2), fault(bounds=BOUNDS | {"dip": (10, 40)})).solve()
    assert "sigma of the others holds for dip at the bound" in result.summary()


@pytest.mark.parametrize(("cost", "dof", "factor"), [(100, 100, 1), (130, 100, 1), (400, 100, 2), (5, 0, 1)])
def test_inflation(cost, dof, factor):
    assert inflation_of(cost, dof) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("unit", "words"),
    [(1.0, "are they in km?"), (1000.0, None), (1e6, "are they in m?")],
)
def test_units_that_cannot_be_are_doubted(unit, words):
    """Kilometres taken as metres, and the other way round, are said in the summary."""
    result = Problem(gnss(), fault(), length_unit=unit).solve()
    if words is None:
        assert "DOUBTFUL" not in result.summary()
    else:
        (line,) = [line for line in result.summary().splitlines() if "DOUBTFUL" in line]
        assert words in line and f"length_unit is {unit:g}" in line


def test_rivals_are_other_minima_that_are_nearly_as_good():
    result = Problem(gnss(0.01, 2), fault()).solve()
    assert result.rivals.shape == (0, 10) and "NOT unique" not in result.summary()
    best = np.array([result.misfit, *result.values])
    step = np.zeros(10)
    step[1 + result.names.index("dip")] = 5 * result.sigma[result.names.index("dip")]
    turn = np.zeros(10)
    turn[1 + result.names.index("strike")] = 360.0
    more = np.array([3.0, *np.zeros(9)])
    starts = np.stack(
        [best + more + step, best, best + turn, best + 1.1 * more + step, best + 10 * more - step]
    )
    rivals = replace(result, starts=starts).rivals
    assert len(rivals) == 1 and rivals[0, 0] == pytest.approx(6.0)
    np.testing.assert_allclose(rivals[0, 1:], (best + step)[1:])
    assert "NOT unique: chi-square is only 6.0 more at x " in replace(result, starts=starts).summary()
    # Errors that count three times make one of the last too.
    assert len(replace(result, starts=starts, inflation=3.0).rivals) == 2
