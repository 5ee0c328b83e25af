"""Slip inversion: against plain least squares and SciPy, criteria by definition, truth, messages."""

import numpy as np
import pytest
from inversion_cases import LOOK
from scipy import linalg, optimize

from dislok.inversion.mesh import Grid, listric, trace_mesh
from dislok.inversion.slip import Gnss, Los, PixelOffsets, SlipModel, SlipProblem, load
from dislok.inversion.slip.quadratic import DenseNormal, minimise
from dislok.okada import Rectangle

FAULT = Rectangle(0.0, 0.0, 0.0, 30.0, 16.0, 30.0, 60.0)
GRID = Grid(FAULT, 10, 5)


def bump(patches, size=1.5, rake=110.0):
    """Smooth slip (m, 3) around the middle of a fault."""
    away = patches.centroids - patches.centroids.mean(axis=0)
    amount = size * np.exp(-np.sum(away**2, axis=1) / 40.0)
    turn = np.deg2rad(rake)
    return amount[:, None] * np.array([np.cos(turn), np.sin(turn), 0.0])


def places(n=50, seed=0):
    return np.random.default_rng(seed).uniform(-35, 35, (n, 2)) + [8, 12]


def gnss(patches=GRID, sigma=0.004, seed=1, n=50, **options):
    xy = places(n)
    noise = sigma * np.random.default_rng(seed).standard_normal((n, 3))
    return Gnss(xy, patches.apply(xy, bump(patches)) + noise, sigma, **options)


def los(patches=GRID, n=80, seed=5, **options):
    """Line-of-sight data with correlated errors, an offset and a ramp."""
    xy = places(n, seed)
    apart = np.linalg.norm(xy[:, None] - xy, axis=-1)
    covariance = 0.008**2 * np.exp(-apart / 8.0) + 0.002**2 * np.eye(n)
    noise = np.linalg.cholesky(covariance) @ np.random.default_rng(seed).standard_normal(n)
    values = patches.apply(xy, bump(patches)) @ LOOK + noise + 0.05 + 0.001 * xy[:, 0]
    return Los(xy, values, LOOK, covariance=covariance, **options)


def stack(problem, smoothing):
    """Data and smoothing as one plain system, nuisance terms as unknowns."""
    rows = np.hstack([problem.whitened_matrix(), problem.design])
    rough = np.hstack(
        [problem.roughness.toarray(), np.zeros((problem.roughness.shape[0], problem.design.shape[1]))]
    )
    return np.vstack([rows, smoothing * rough]), np.concatenate([problem.whitened_data, np.zeros(len(rough))])


def mesh():
    return trace_mesh([[0.0, 0.0], [4.0, 10.0], [12.0, 22.0]], listric(12.0, (70.0, 40.0)), 4.0)


@pytest.mark.parametrize("patches", [GRID, mesh()], ids=["grid", "mesh"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_unbounded_slip_is_plain_least_squares(patches, order):
    problem = SlipProblem([gnss(patches, nuisance="offset"), los(patches)], SlipModel(patches, order=order))
    result = problem.solve(0.3)
    rows, right = stack(problem, 0.3)
    plain = linalg.lstsq(rows, right)[0]
    np.testing.assert_allclose(result.coefficients, plain[: problem.size], atol=1e-9)
    terms = [value for fit in result.fits for value in fit.nuisance.values()]
    np.testing.assert_allclose(terms, plain[problem.size :], atol=1e-9)
    covariance = linalg.inv(rows.T @ rows)[: problem.size, : problem.size]
    np.testing.assert_allclose(result.covariance, covariance, atol=1e-8 * np.abs(covariance).max())
    data = rows[: len(problem.data)]
    seen = (linalg.inv(rows.T @ rows) @ data.T @ data)[: problem.size, : problem.size]
    np.testing.assert_allclose(result.resolution, seen, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({"rake": 110.0, "spread": 40.0}, "nnls"),
        ({"rake": 90.0}, "nnls"),
        ({"rake": 110.0, "spread": 40.0, "bounds": (0.0, 0.5)}, "bvls"),
        ({"bounds": (-0.4, 0.6)}, "bvls"),
        ({"rake": 110.0, "spread": 40.0, "opening": True, "opening_bounds": (-0.1, 0.02)}, "bvls"),
    ],
)
def test_bounded_slip_is_that_of_scipy(options, method):
    model = SlipModel(GRID, **options)
    problem = SlipProblem(gnss(), model)
    for smoothing in (1e-4, 0.03, 3.0):
        rows, right = stack(problem, smoothing)
        if method == "nnls":
            truth = optimize.nnls(rows, right)[0]
        else:
            truth = optimize.lsq_linear(rows, right, (model.lower, model.upper), method="bvls", tol=1e-14).x
        result = problem.solve(smoothing)
        assert result.converged
        value = np.sum((rows @ result.coefficients - right) ** 2)
        assert value <= np.sum((rows @ truth - right) ** 2) * (1 + 1e-9)
        assert ((result.coefficients >= model.lower) & (result.coefficients <= model.upper)).all()
        if smoothing > 1e-3:
            np.testing.assert_allclose(result.coefficients, truth, atol=1e-7)
            held = np.minimum(truth - model.lower, model.upper - truth) < 1e-9
            np.testing.assert_array_equal(result.at_bound, held)
            assert not result.covariance[result.at_bound].any()


@pytest.mark.parametrize("seed", range(8))
def test_boxes_are_solved_as_by_scipy(seed):
    rng = np.random.default_rng(seed)
    rows, right = (
        rng.standard_normal((60, 40)) @ np.diag(10.0 ** rng.uniform(-2, 1, 40)),
        rng.standard_normal(60),
    )
    lower = np.where(rng.random(40) < 0.2, -np.inf, -rng.random(40))
    upper = np.where(rng.random(40) < 0.2, np.inf, rng.random(40))
    found = minimise(DenseNormal(rows), rows.T @ right, lower, upper)
    truth = optimize.lsq_linear(rows, right, (lower, upper), method="bvls", tol=1e-15).x
    assert found.converged and found.rounds < 40
    np.testing.assert_allclose(found.x, truth, atol=1e-7)


@pytest.mark.parametrize("options", [{}, {"rake": 110.0, "spread": 45.0}], ids=["free", "bounded"])
@pytest.mark.parametrize("patches", [GRID, mesh()], ids=["grid", "mesh"])
def test_products_alone_find_the_same_slip(patches, options):
    problem = SlipProblem([gnss(patches, nuisance="ramp"), los(patches)], SlipModel(patches, **options))
    dense, large = problem.solve(0.2), problem.solve_large(0.2, tolerance=1e-11)
    np.testing.assert_allclose(large.coefficients, dense.coefficients, atol=1e-7)
    assert large.misfit == pytest.approx(dense.misfit, rel=1e-8)
    assert large.converged and large.rounds < 400
    with pytest.raises(ValueError, match="holds no uncertainty"):
        large.sigma  # noqa: B018


@pytest.mark.parametrize("patches", [GRID, mesh()], ids=["grid", "mesh"])
def test_compressed_products_find_the_same_slip(patches):
    data = [gnss(patches, n=150), los(patches)]
    problem = SlipProblem(data, SlipModel(patches, rake=110.0, spread=45.0))
    plain = problem.solve_large(0.2)
    problem.compress(1e-7)
    found = problem.solve_large(0.2)
    np.testing.assert_allclose(found.coefficients, plain.coefficients, atol=2e-5)
    assert found.misfit == pytest.approx(plain.misfit, rel=1e-5)


def test_products_are_adjoint_and_those_of_the_matrix(rng):
    problem = SlipProblem(
        [gnss(nuisance="ramp"), los()], SlipModel(GRID, rake=100.0, spread=30.0, opening=True)
    )
    x, r = rng.standard_normal(problem.size), rng.standard_normal(problem.data.size)
    np.testing.assert_allclose(problem.forward(x), problem.matrix @ x, atol=1e-10)
    np.testing.assert_allclose(problem.backward(r), problem.matrix.T @ r, atol=1e-10)
    assert abs(problem.forward(x) @ r - x @ problem.backward(r)) < 1e-12 * np.linalg.norm(
        problem.forward(x)
    ) * np.linalg.norm(r)


def test_too_few_products_are_an_error():
    with pytest.raises(RuntimeError, match="2 products did not reach a residual of 1e-12"):
        SlipProblem(gnss(), SlipModel(GRID)).solve_large(0.2, tolerance=1e-12, max_iterations=2)


def marginal(problem, smoothing):
    """Covariance of whitened data under errors and a proper prior, by its definition."""
    rough = smoothing * problem.roughness.toarray()
    return np.eye(problem.data.size) + problem.matrix @ linalg.inv(rough.T @ rough) @ problem.matrix.T


def test_evidence_and_abic_are_marginal_likelihoods():
    problem = SlipProblem(los(nuisance=None), SlipModel(GRID, edges="locked"))
    values = np.geomspace(0.05, 5.0, 6)
    evidence, abic = [], []
    for value in values:
        spread = marginal(problem, value)
        size, fit = np.linalg.slogdet(spread)[1], problem.data @ np.linalg.solve(spread, problem.data)
        evidence.append(size + fit)
        abic.append(size + problem.data.size * np.log(fit))
    for method, truth in (("evidence", evidence), ("abic", abic)):
        score = problem.choose(method, values).score
        np.testing.assert_allclose(score - score[0], np.array(truth) - truth[0], atol=1e-6)


def test_flat_slip_costs_nothing_and_is_counted():
    """Free edges leave uniform slip to the data alone: the criterion still has its minimum near the truth."""
    problem = SlipProblem(gnss(n=80), SlipModel(GRID, edges="free"))
    assert not problem.choose("abic").at_end


def test_cross_validation_predicts_each_point_from_the_others():
    """Leave one point out, with correlated errors: refitted without it, and predicted with what is known."""
    n, smoothing = 14, 0.5
    data = los(n=n, nuisance="offset")
    problem = SlipProblem(data, SlipModel(GRID, rake=110.0, spread=40.0))
    covariance = linalg.inv(data.whiten(np.eye(n)).T @ data.whiten(np.eye(n)))
    matrix, errors = linalg.solve(data.whiten(np.eye(n)), problem.whitened_matrix()), []
    for i in range(n):
        rest = np.delete(np.arange(n), i)
        own = covariance[np.ix_(rest, rest)]
        part = Los(data.xy[rest], data.values[rest], LOOK, covariance=own, nuisance="offset")
        fit = SlipProblem(part, SlipModel(GRID, rake=110.0, spread=40.0)).solve(smoothing, uncertainty=False)
        left = (data.values - matrix @ fit.coefficients) - fit.fits[0].nuisance["LOS offset"]
        gain = linalg.solve(own, covariance[rest, i])
        errors.append((left[i] - gain @ left[rest]) ** 2 / (covariance[i, i] - gain @ covariance[rest, i]))
    score = problem.choose("cv", smoothing * np.geomspace(0.5, 2.0, 5), folds=n).score[2]
    assert score == pytest.approx(np.mean(errors), rel=1e-6)


@pytest.mark.parametrize("method", ["abic", "evidence", "cv", "lcurve"])
def test_chosen_smoothing_is_nearly_the_best(method):
    """No smoothing would have come much nearer to the true slip."""
    patches, truth = GRID, bump(GRID)
    problem = SlipProblem([gnss(n=80), los()], SlipModel(patches, rake=110.0, spread=45.0))
    chosen = problem.choose(method, seed=2)

    def error(smoothing):
        return np.linalg.norm(problem.solve(smoothing, uncertainty=False).slip[0] - truth)

    assert not chosen.at_end
    assert error(chosen.best) < 1.5 * min(error(value) for value in chosen.values)
    assert (np.diff(chosen.misfit) >= -1e-6 * chosen.misfit[1:]).all()
    assert (np.diff(chosen.roughness) <= 1e-6 * chosen.roughness[:-1]).all()


@pytest.mark.parametrize("patches", [GRID, mesh()], ids=["grid", "mesh"])
def test_slip_is_recovered_with_its_moment_and_errors_as_stated(patches):
    data = [gnss(patches, n=120, sigma=0.002, nuisance="offset"), los(patches, n=150)]
    result = SlipProblem(data, SlipModel(patches, rake=110.0, spread=45.0), length_unit=1000).solve("abic")
    truth = bump(patches)
    assert result.converged
    assert np.linalg.norm(result.slip[0] - truth) < 0.25 * np.linalg.norm(truth)
    assert result.moment[0] == pytest.approx(patches.moment(truth, length_unit=1000).sum(), rel=0.1)
    assert result.chi2_reduced == pytest.approx(1.0, abs=0.2)
    assert result.variance_reduction > 0.95
    assert 5 < result.parameters < 60
    rakes = patches.rake(result.slip[0])[np.linalg.norm(result.slip[0], axis=1) > 0.05]
    assert ((rakes > 65 - 1e-6) & (rakes < 155 + 1e-6)).all()


def test_posterior_covers_slip_drawn_from_the_prior(rng):
    """Over many earthquakes drawn from the smoothing as prior, errors are as large as stated."""
    model = SlipModel(GRID, edges="locked")
    rough = 2.0 * model.roughness().toarray()
    root = linalg.inv(linalg.cholesky(rough.T @ rough))
    xy, distances = places(30), []
    for _ in range(60):
        c = root @ rng.standard_normal(model.size)
        u = GRID.apply(xy, model.slip(c)) + 0.003 * rng.standard_normal((30, 3))
        result = SlipProblem(Gnss(xy, u, 0.003), model).solve(2.0)
        error = result.coefficients - c
        distances.append(error @ linalg.solve(result.covariance, error))
    assert np.mean(distances) == pytest.approx(model.size, rel=0.06)


def test_two_faults_share_the_data():
    second = Grid(Rectangle(25.0, -20.0, 2.0, 20.0, 10.0, 120.0, 45.0), 5, 4)
    xy = places(150) * 1.3
    u = GRID.apply(xy, bump(GRID)) + second.apply(xy, bump(second, 1.0, -90.0))
    models = [SlipModel(GRID, rake=110.0), SlipModel(second, rake=-90.0)]
    result = SlipProblem(Gnss(xy, u, 0.001), models, length_unit=1000).solve("evidence")
    assert len(result.slip) == len(result.moment) == len(result.sigma) == 2
    for patches, slip, rake in zip((GRID, second), result.slip, (110.0, -90.0), strict=True):
        truth = bump(patches, *((1.5, rake) if patches is GRID else (1.0, rake)))
        assert np.linalg.norm(slip - truth) < 0.15 * np.linalg.norm(truth)
    assert "fault 2: 20 patches" in result.summary()


def test_pixel_offsets_are_those_of_gnss_components_and_of_looks():
    xy, u = places(40), GRID.apply(places(40), bump(GRID))
    model = SlipModel(GRID, rake=110.0)
    plain = SlipProblem(Gnss(xy, u[:, :2], 0.01, components="EN", nuisance="ramp"), model).solve(0.3)
    pixels = SlipProblem(PixelOffsets(xy, u[:, :2], sigma=0.01, nuisance="ramp"), model).solve(0.3)
    np.testing.assert_allclose(pixels.coefficients, plain.coefficients, atol=1e-12)
    assert pixels.fits[0].labels == ("E", "N")
    azimuth = np.array([-0.17, np.sqrt(1 - 0.17**2), 0.0])
    both = PixelOffsets(
        xy, u @ np.stack([LOOK, azimuth]).T, [LOOK, azimuth], 0.01, nuisance=None, labels=["range", "azimuth"]
    )
    tracks = [Los(xy, u @ v, v, 0.01, nuisance=None, name=n) for v, n in ((LOOK, "r"), (azimuth, "a"))]
    np.testing.assert_allclose(
        SlipProblem(both, model).solve(0.3).coefficients,
        SlipProblem(tracks, model).solve(0.3).coefficients,
        atol=1e-12,
    )


@pytest.mark.parametrize("patches", [GRID, mesh()], ids=["grid", "mesh"])
def test_saved_results_come_back(patches, tmp_path):
    problem = SlipProblem([gnss(patches), los(patches)], SlipModel(patches, rake=90.0), length_unit=1000)
    result = problem.solve(0.3)
    result.save(tmp_path / "slip.npz")
    again = load(tmp_path / "slip.npz")
    assert again.summary() == result.summary()
    np.testing.assert_array_equal(again.slip[0], result.slip[0])
    np.testing.assert_allclose(again.patches[0].centroids, patches.centroids)
    np.testing.assert_array_equal(again.sigma[0], result.sigma[0])
    assert again.fits[1].nuisance == result.fits[1].nuisance
    assert [path.name for path in tmp_path.iterdir()] == ["slip.npz"]
    np.savez(tmp_path / "other.npz", x=1)
    with pytest.raises(ValueError, match="not a saved slip inversion"):
        load(tmp_path / "other.npz")


def test_mistakes_are_named():
    data, model = gnss(), SlipModel(GRID)
    with pytest.raises(ValueError, match=r"smoothing: unknown method 'gcv'"):
        SlipProblem(data, model).solve("gcv")
    with pytest.raises(ValueError, match="smoothing must not be negative, got -1.0"):
        SlipProblem(data, model).solve(-1)
    with pytest.raises(ValueError, match="leave some slip undetermined"):
        SlipProblem(gnss(n=5), model).solve(0.0)
    with pytest.raises(ValueError, match="the name 'GNSS' occurs more than once"):
        SlipProblem([data, gnss()], model)
    with pytest.raises(ValueError, match="spread needs a rake"):
        SlipModel(GRID, spread=30.0)
    with pytest.raises(ValueError, match=r"rake: expected a finite number or shape \(50,\)"):
        SlipModel(GRID, rake=np.zeros(7))
    with pytest.raises(ValueError, match="needs lower < upper"):
        SlipModel(GRID, rake=90.0, bounds=(1.0, 0.0))
    with pytest.raises(TypeError, match="patches must be a Mesh or a Grid, got Rectangle"):
        SlipModel(FAULT)
    with pytest.raises(ValueError, match="cannot tell their nuisance terms apart"):
        SlipProblem(Gnss(places(2)[:1], np.zeros((1, 3)), 0.1, nuisance="ramp"), model)
    on_edge = Gnss(GRID.outlines[7, 0, :2][None], np.zeros((1, 3)), 0.1)
    with pytest.raises(ValueError, match="GNSS: point 0 at .* lies on the edge of a patch"):
        SlipProblem(on_edge, model).solve(1.0)
    with pytest.raises(ValueError, match=r"directions: expected shape \(2, 3\) or \(5, 2, 3\)"):
        PixelOffsets(places(5), np.zeros((5, 2)), np.eye(3), sigma=0.1)
    with pytest.raises(ValueError, match="number 1 has length 2"):
        PixelOffsets(places(5), np.zeros((5, 2)), [[1, 0, 0], [0, 2, 0]], sigma=0.1)
    with pytest.raises(ValueError, match="folds must be between 2 and the number of points, 50"):
        SlipProblem(data, model).choose("cv", folds=51)


def test_errors_that_are_larger_than_stated_count():
    """Residuals three times as large as the errors say triple the standard deviations, and are said."""
    xy = places(120)
    noise = 0.012 * np.random.default_rng(1).standard_normal((120, 3))
    values = GRID.apply(xy, bump(GRID)) + noise
    results = [
        SlipProblem(Gnss(xy, values, sigma), SlipModel(GRID, rake=110.0), length_unit=1000).solve("abic")
        for sigma in (0.012, 0.004)
    ]
    right, wrong = results
    assert right.inflation == 1.0 and wrong.inflation == pytest.approx(3.0, rel=0.1)
    np.testing.assert_allclose(wrong.sigma[0][:, 1], right.sigma[0][:, 1], rtol=0.15)
    assert f"sigma with {wrong.inflation:.2f} times" in wrong.summary()
    assert "sigma with" not in right.summary()
