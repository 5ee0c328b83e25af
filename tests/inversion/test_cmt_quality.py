"""Bad traces are found, good ones are not; errors from residuals and from stations hold what they promise."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from cmt_cases import ORIGIN, clean, distance, mechanism, start

from dislok import convert
from dislok.inversion.cmt import noise, output, plot, posterior, quality, result, solve
from dislok.inversion.cmt.data import Waveforms
from dislok.inversion.cmt.demo import CRUST, problem, synthetic, true_source
from dislok.inversion.cmt.filters import CosineLowpass
from dislok.inversion.cmt.problem import Problem, evaluate
from dislok.inversion.cmt.source import Sources
from dislok.inversion.cmt.synthetic import gnss_noise, synthetic_records


@pytest.fixture(scope="module")
def records():
    return synthetic()


def _spoilt(records):
    """A dead, a noisy and a spiky trace, in this order S01 E, S02 N, S03 E; S05 E moves the wrong way."""
    values = records.values.copy()
    values[0, 0] = 0.003
    values[1, 1] += 0.03 * np.random.default_rng(1).standard_normal(values.shape[-1])
    values[2, 0, 80] += 0.2
    values[4, 0] *= -4.0
    return replace(records, values=values)


def test_good_traces_are_kept(records):
    """Nothing is wrong with noise as GNSS has it, nor with records without noise."""
    for one in (problem(records), problem(records, "ENU"), clean()):
        assert quality.screened(one) is one


def test_bad_traces_are_found_before_and_after_the_search(records):
    screened = quality.screened(problem(_spoilt(records)))
    assert [line.split(":")[0] for line in screened.data[0].dropped] == ["S01 E", "S02 N", "S03 E"]
    words = " ".join(screened.data[0].dropped)
    assert "never moves" in words and "times the network's" in words and "a spike at 20 s" in words
    found = solve.minimise(screened, true_source())
    (bad,) = quality.outliers(found.state)
    assert [trace[:2] for trace in bad] == [("S05", "E")] and "larger than the record itself" in bad[0][2]
    mended = quality.rejecting(screened, [bad])
    assert quality.outliers(solve.minimise(mended, found.state.sources).state) == [()]
    assert result.conclude(solve.minimise(mended, true_source())).dropped[3].startswith("S05 E")


def test_many_outliers_accuse_the_model(records):
    """With the source held 60 km away no trace is rejected."""
    away = true_source()
    far = replace(away, east=away.east + 60.0, tensor=-20 * away.tensor)
    assert quality.outliers(evaluate(problem(records), far, refit=False)) == [()]


def test_pooled_residuals_have_the_covariance_of_their_process():
    """A correlation of ten samples and sizes of one and three come back from 60 traces, gaps or not."""
    rng, n = np.random.default_rng(0), 80
    decay = np.exp(-1 / 10)
    walk = rng.standard_normal((60, 3, n))
    for i in range(1, n):
        walk[..., i] = decay * walk[..., i - 1] + np.sqrt(1 - decay**2) * walk[..., i]
    walk[30:] *= 3.0
    mask = np.ones(walk.shape, bool)
    mask[:, 2] = False
    mask[5, 0, 10:20] = False
    found = noise.pooled(walk, mask)
    lag = np.arange(20)
    np.testing.assert_allclose(found.correlation[:2, :20], [decay**lag * (1 - lag / n)] * 2, atol=0.15)
    assert np.sqrt(found.variance[:30, 0].mean()) == pytest.approx(np.sqrt(0.5 * (1 + 5)), rel=0.1)
    assert (found.variance[:, 2] == 0).all()


def test_weights_from_residuals_find_the_source_better(records):
    """With equal weights the demonstration misses its source by a kilometre, with errors as residuals show
    them by less than half of that; another round of weights moves it by less than its uncertainty.
    """
    found = solve.search(problem(records), start())
    better = solve.minimise(quality.weighed(found.state), found.state.sources)
    truth = true_source()
    assert distance(better.state.sources, truth) < 0.5 * distance(found.state.sources, truth)
    again = solve.minimise(quality.weighed(better.state), better.state.sources)
    outcome = result.conclude(better)
    unknowns = better.state.system.problem.unknowns
    moved = again.state.sources.values(unknowns) - better.state.sources.values(unknowns)
    assert (np.abs(moved) < list(outcome.sigma().values())).all()
    assert outcome.variance_reduction == pytest.approx(outcome.fits[0].variance_reduction)
    lower = better.state.system.problem.filtered(CosineLowpass(0.02, 0.06))
    assert lower.weighted_alike


def test_errors_are_named_and_checked(records):
    few = problem(records).keeping({"S01", "S03", "S05", "S08"})
    found = solve.minimise(few, true_source(), iterations=2)
    each = {name: result.conclude(found, errors=name) for name in posterior.ERRORS}
    assert all(one.errors == name for name, one in each.items())
    assert "errors of the data" in each["data"].summary() and "disagreement" in each["largest"].summary()
    for unknown, most in each["largest"].sigma().items():
        assert most >= 0.999 * max(each["data"].sigma()[unknown], each["stations"].sigma()[unknown])
    with pytest.raises(ValueError, match="expected 'largest', 'stations' or 'data', got 'noise'"):
        result.conclude(found, errors="noise")
    one = solve.minimise(problem(records).keeping({"S01"}), true_source(), iterations=1)
    with pytest.raises(ValueError, match="one station"):
        posterior.posterior(one.state, np.eye(3)[None], "stations")


def test_three_stations_state_no_uncertainty(records, tmp_path):
    """Numbers without an error, said so, in words, in files and in pictures."""
    few = problem(records, "ENU").keeping({"S01", "S05", "S10"})
    outcome = result.conclude(solve.minimise(few, true_source(), iterations=2), "few")
    assert outcome.errors == "none" and np.isnan(list(outcome.sigma().values())).all()
    text = outcome.summary()
    assert "no uncertainty is stated: 3 stations" in text and "±" not in text and "nan" not in text
    outcome.save(tmp_path / "few.json")
    plain = json.loads((tmp_path / "few.json").read_text())
    assert plain["covariance"] is None and set(plain["centroids"][0]["sigma"].values()) == {None}
    assert result.load(tmp_path / "few.json").summary() == text
    assert "nan" not in output.cmtsolution(outcome)
    if find_spec("obspy"):
        assert "nan" not in str(output.quakeml(outcome)[0].preferred_origin()).lower()
    if find_spec("matplotlib"):
        plot.mechanism(outcome)


def test_crusts_and_rivals_widen_the_uncertainty(records):
    """What another crust moves, and what another minimum that is as good would move, is added in squares."""
    found = solve.minimise(problem(records), true_source())
    alone = result.conclude(found)
    here = found.state.sources
    there = replace(here, depth=here.depth + 3.0)
    with_crusts = result.conclude(found, crusts=[there, there])
    assert with_crusts.sigma()["depth"] == pytest.approx(np.hypot(alone.sigma()["depth"], 3.0))
    assert with_crusts.sigma()["time"] == pytest.approx(alone.sigma()["time"])
    assert with_crusts.crusts == 2 and "2 other crusts" in with_crusts.summary()
    state = evaluate(found.state.system.problem, there, refit=False)
    twin = found._replace(state=state._replace(objective=found.state.objective))
    both = result.conclude(found._replace(others=(twin,)))
    assert not both.unique and "NOT UNIQUE: another minimum fits nearly as well" in both.summary()
    assert both.rivals[0].weight == pytest.approx(0.5) and both.rivals[0].distance == pytest.approx(3.0)
    assert both.sigma()["depth"] == pytest.approx(np.hypot(alone.sigma()["depth"], 3.0 * np.sqrt(0.5)))
    worse = twin._replace(state=state._replace(objective=3 * found.state.objective))
    apart = result.conclude(found._replace(others=(worse,)))
    assert apart.unique and "rival 1:" in apart.summary() and "out of the question" in apart.summary()
    assert apart.sigma() == alone.sigma()


def _scenario(seed, count=12):
    """A random double couple under random stations, with GNSS-like noise, in the crust of the demo."""
    rng = np.random.default_rng(seed)
    azimuth, far = np.deg2rad(rng.uniform(0, 360, count)), 1e3 * rng.uniform(30, 140, count)
    lon, lat = convert.to_geographic(far * np.sin(azimuth), far * np.cos(azimuth), ORIGIN[1], ORIGIN[0])
    tensor = mechanism(rng.uniform(0, 360), rng.uniform(20, 90), rng.uniform(-180, 180), 6.6)
    place = (rng.uniform(-5, 5), rng.uniform(-5, 5), rng.uniform(8, 25), 2.0)
    truth = Sources.at(*place).with_tensor(tensor[None])
    records = synthetic_records(lat, lon, CRUST, truth, ORIGIN, end=120.0)
    records.values[...] += gnss_noise(count, records.t, rng)
    return Problem(
        Waveforms(records, CosineLowpass(0.03, 0.1), (0.0, 70.0)), CRUST, ORIGIN, stf="impulse"
    ), truth


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_promise():
    """24 random earthquakes, 4 unknowns each: 68 % of the truths within one standard deviation, give or take
    what 96 numbers in 24 groups scatter; with weights from residuals errors are at most a half.
    """
    within, size = {"equal": [], "weighed": []}, {"equal": [], "weighed": []}
    for seed in range(24):
        one, truth = _scenario(seed)
        found = solve.minimise(one, truth, iterations=10)
        better = solve.minimise(quality.weighed(found.state), found.state.sources, iterations=8)
        for name, search in (("equal", found), ("weighed", better)):
            sigma = np.array(list(result.conclude(search).sigma().values()))
            error = search.state.sources.values(one.unknowns) - truth.values(one.unknowns)
            within[name].append(np.abs(error) < sigma)
            size[name].append(np.abs(error))
    assert 0.58 < np.mean(within["equal"]) < 0.8 and 0.58 < np.mean(within["weighed"]) < 0.82
    assert (np.median(size["weighed"], axis=0) < 0.5 * np.median(size["equal"], axis=0)).all()
