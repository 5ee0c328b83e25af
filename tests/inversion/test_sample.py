"""The sampler draws from the posterior that the search maximises; its diagnostics tell bad chains."""

import sys

import numpy as np
import pytest
from inversion_cases import BOUNDS, NAMES, TRUTH, fault, gnss
from scipy import stats

from dislok.inversion.fault import FaultModel, Gnss, Problem, Samples
from dislok.inversion.fault.sample import _Box, ess, rhat

GEOMETRY = {name: getattr(TRUTH, name) for name in NAMES[:7]}


@pytest.fixture(scope="module")
def nine():
    """A well-determined fault with all nine unknowns, its result and its draws."""
    problem = Problem(gnss(0.003, 4), FaultModel(TRUTH, bounds=BOUNDS), length_unit=1000)
    result = problem.solve()
    return problem, result, problem.sample(result, chains=2, draws=400, warmup=100, seed=1)


def test_draws_follow_laplace_where_the_posterior_is_normal(nine):
    _, result, samples = nine
    sigma = result.sigma
    assert np.abs(samples.mean - result.values).max() < 0.35 * sigma.max()
    assert np.abs((samples.mean - result.values) / sigma).max() < 0.35
    np.testing.assert_allclose(samples.flat.std(axis=0), sigma, rtol=0.15)
    got, expected = (c / np.outer(sigma, sigma) for c in (samples.covariance, result.covariance))
    np.testing.assert_allclose(got, expected, atol=0.25)


def test_chains_have_converged(nine):
    samples = nine[2]
    assert rhat(samples.values).max() < 1.03
    assert ess(samples.values).min() > 200
    assert samples.divergent.sum() == 0
    assert (np.abs(samples.acceptance - 0.8) < 0.15).all()


def test_log_density_is_the_log_posterior(nine):
    problem, _, samples = nine
    expected = [problem.log_posterior(q)[0] for q in samples.values[0, :5]]
    np.testing.assert_allclose(samples.log_density[0, :5], expected, rtol=1e-9)


def test_same_seed_same_draws_and_chains_go_on(nine):
    problem, _, samples = nine
    twice = [problem.sample(samples, chains=1, draws=10, warmup=10, seed=5).values for _ in range(2)]
    np.testing.assert_array_equal(*twice)


def test_summary_and_archive(nine, tmp_path):
    samples = nine[2]
    samples.save(tmp_path / "draws.npz")
    again = Samples.load(tmp_path / "draws.npz")
    assert again.summary() == samples.summary()
    assert "R-hat" in samples.summary() and "2 chains of 400, 0 divergent" in samples.summary()
    np.testing.assert_array_equal(again.values, samples.values)


@pytest.mark.parametrize("upper", [1.51, np.inf])
def test_bounds_cut_the_posterior(upper):
    """With geometry and rake known the posterior of the slip is a normal distribution cut at its bounds."""
    held = GEOMETRY | {"rake": TRUTH.rake}
    free = Problem(gnss(0.05, 1), FaultModel(TRUTH, fixed=held)).solve()
    mean, sigma = free.values[0], free.sigma[0]
    lower = mean - 0.3 * sigma
    upper = upper if np.isinf(upper) else mean + 0.8 * sigma
    problem = Problem(gnss(0.05, 1), FaultModel(TRUTH, fixed=held, bounds={"slip": (lower, upper)}))
    samples = problem.sample(problem.solve(), chains=2, draws=600, warmup=150, seed=2)
    cut = stats.truncnorm((lower - mean) / sigma, (upper - mean) / sigma, mean, sigma)
    assert samples.flat.min() >= lower and samples.flat.max() <= upper
    error = cut.std() / np.sqrt(ess(samples.values)[0])
    assert samples.mean[0] == pytest.approx(cut.mean(), abs=4.5 * error)
    assert samples.flat.std() == pytest.approx(cut.std(), rel=0.12)


def test_a_fault_at_its_bound_can_be_sampled():
    shallow = TRUTH._replace(depth=0.0)
    problem = Problem(gnss(0.01, 3), FaultModel(shallow, bounds=BOUNDS | {"depth": (0, 1.0)}))
    result = problem.solve()
    assert result.at_bound[2]
    samples = problem.sample(result, chains=2, draws=100, warmup=100)
    assert ((samples.flat >= problem.lower) & (samples.flat <= problem.upper)).all()


def test_box_reflects(rng):
    lower, upper = np.array([-1.0, 0.0, -np.inf, -np.inf]), np.array([3.0, np.inf, 5.0, np.inf])
    box = _Box(lower, upper)
    t = 20 * rng.normal(size=(500, 4))
    q = box.inside(t)
    assert ((q >= lower) & (q <= upper)).all()
    inside = (t >= lower) & (t <= upper)
    np.testing.assert_allclose(q[inside], t[inside], rtol=1e-12)
    np.testing.assert_allclose(
        box.inside(2 * np.array([3.0, 0, 5, 0]) - t)[:, [0, 2]], q[:, [0, 2]], atol=1e-12
    )
    np.testing.assert_allclose(box.inside(t + [8, 0, 0, 0])[:, 0], q[:, 0], atol=1e-12)
    h = 1e-7
    slopes = (box.inside(t + h) - box.inside(t - h)) / (2 * h)
    np.testing.assert_allclose(box.sign(t), slopes, atol=1e-6)


def test_effective_size_of_correlated_chains(rng):
    """An autoregressive chain of coefficient a is worth (1 - a) / (1 + a) of its draws."""
    chains = rng.standard_normal((4, 4000, 2))
    chains[:, 1:, 1] *= np.sqrt(1 - 0.8**2)
    for k in range(1, 4000):
        chains[:, k, 1] += 0.8 * chains[:, k - 1, 1]
    size = ess(chains)
    assert size[0] == pytest.approx(16000, rel=0.1)
    assert size[1] == pytest.approx(16000 / 9, rel=0.2)
    np.testing.assert_allclose(rhat(chains), 1.0, atol=0.01)


def test_chains_that_disagree_are_told(rng):
    chains = rng.standard_normal((4, 500, 1))
    chains[0] += 2
    assert rhat(chains)[0] > 1.2
    drifting = rng.standard_normal((4, 500, 1)) + np.linspace(0, 3, 500)[:, None]
    assert rhat(drifting)[0] > 1.2


@pytest.mark.parametrize(
    "options, message",
    [
        ({"chains": 0}, "chains must be at least 1"),
        ({"draws": 0}, "draws must be"),
        ({"warmup": 0}, "warmup must be"),
    ],
)
def test_counts_are_checked(nine, options, message):
    problem, result, _ = nine
    with pytest.raises(ValueError, match=message):
        problem.sample(result, **options)


def test_samples_of_other_unknowns_are_refused(nine):
    other = Problem(gnss(), fault(fixed=["dip"]))
    with pytest.raises(ValueError, match="do not fit"):
        other.sample(nine[2])
    with pytest.raises(ValueError, match="at least 4 draws"):
        rhat(np.zeros((2, 3, 1)))


def test_missing_sampler_names_the_extra(nine, monkeypatch):
    monkeypatch.setitem(sys.modules, "mici", None)
    with pytest.raises(ImportError, match=r"pip install \"dislok\[sample\]\""):
        nine[0].sample(nine[1])


def test_an_interrupted_run_is_taken_up(nine, tmp_path, monkeypatch):
    """Finished draws are kept, and the result is that of a run that was not interrupted."""
    from dislok.inversion.fault import sample as module

    problem, result, _ = nine
    options = {"chains": 2, "draws": 250, "warmup": 40, "seed": 4}
    want = problem.sample(result, **options)
    run, calls = module._Sampler.__call__, []

    def stopped(self, *arguments):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return run(self, *arguments)

    monkeypatch.setattr(module._Sampler, "__call__", stopped)
    with pytest.raises(KeyboardInterrupt):
        problem.sample(result, folder=tmp_path, **options)
    got = problem.sample(result, folder=tmp_path, **options)
    assert len(calls) == 6 + 3
    for name in ("values", "log_density", "acceptance", "divergent"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
    with pytest.raises(ValueError, match="belongs to another problem"):
        problem.sample(result, folder=tmp_path, **{**options, "seed": 5})


def test_finished_starts_are_kept(nine, tmp_path, monkeypatch):
    from dislok.inversion.fault import search as module

    problem = nine[0]
    want = problem.solve(3, screen=4, seed=1)
    descend, calls = module._descend, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return descend(*arguments)

    monkeypatch.setattr(module, "_descend", stopped)
    with pytest.raises(KeyboardInterrupt):
        problem.solve(3, screen=4, seed=1, folder=tmp_path)
    got = problem.solve(3, screen=4, seed=1, folder=tmp_path)
    assert len(calls) == 4
    np.testing.assert_array_equal(got.values, want.values)
    assert got.summary() == want.summary()


def test_doubts_spoil_the_statement(rng):
    """Chains that disagree, too few draws, divergences: each is said, and good chains leave no doubt."""

    def samples(values, divergent=0):
        zeros = np.zeros(values.shape[:2])
        return Samples(("depth", "dip"), values, zeros, zeros[:, 0], np.full(len(values), divergent))

    good = rng.standard_normal((4, 300, 2))
    assert samples(good).doubts == () and "NOT" not in samples(good).summary()
    apart = good + np.array([[0.0, 0], [0, 0], [0, 0], [1.5, 0]])[:, None]
    assert any("disagree about depth: R-hat" in line for line in samples(apart).doubts)
    slow = np.repeat(rng.standard_normal((4, 15, 2)), 20, axis=1)
    assert any("dip: the draws are worth" in line for line in samples(slow).doubts)
    (line,) = samples(good, divergent=4).doubts
    assert line.startswith("16 of 1200 trajectories diverged")
    assert samples(good, divergent=4).summary().endswith(f"NOT to be quoted: {line}")


def test_draws_follow_the_inflated_errors(nine):
    """Errors stated a fifth of what they are: the draws spread as with the errors of the residuals."""
    data = gnss(0.003, 4)
    problem = Problem(Gnss(data.xy, data.observed, 0.0006), FaultModel(TRUTH, bounds=BOUNDS))
    result = problem.solve()
    assert result.inflation == pytest.approx(5, rel=0.15)
    np.testing.assert_allclose(result.sigma, nine[1].sigma, rtol=0.15)
    samples = problem.sample(result, chains=2, draws=300, warmup=100, seed=1)
    np.testing.assert_allclose(samples.flat.std(axis=0), result.sigma, rtol=0.2)
    assert samples.inflation == result.inflation and "times the stated errors" in samples.summary()


def test_inference_data_and_diagnostics_of_arviz(rng):
    """ArviZ says of the same draws what is said here."""
    arviz = pytest.importorskip("arviz", reason="needs ArviZ")
    chains = np.cumsum(rng.standard_normal((4, 500, 2)), axis=1) * 0.05 + rng.standard_normal((4, 500, 2))
    samples = Samples(
        ("dip", "slip"), chains, -(chains**2).sum(axis=-1), np.full(4, 0.8), np.zeros(4, int), 1.5
    )
    data = samples.to_inference_data()
    assert set(data.posterior.data_vars) == {"dip", "slip"} and data.posterior.attrs["inflation"] == 1.5
    np.testing.assert_array_equal(data.posterior["slip"], chains[..., 1])
    np.testing.assert_array_equal(data.sample_stats["lp"], samples.log_density)
    ours, theirs = rhat(chains), arviz.rhat(data, method="rank")
    np.testing.assert_allclose(ours, [theirs["dip"], theirs["slip"]], rtol=0.02)
    sizes = arviz.ess(data, method="bulk")
    np.testing.assert_allclose(ess(chains), [sizes["dip"], sizes["slip"]], rtol=0.1)


def test_inference_data_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    samples = Samples(("x",), np.zeros((1, 9, 1)), np.zeros((1, 9)), np.ones(1), np.zeros(1, int))
    with pytest.raises(ImportError, match=r"pip install \"dislok\[arviz\]\""):
        samples.to_inference_data()
