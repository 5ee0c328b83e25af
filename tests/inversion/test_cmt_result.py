"""Results: conventions, uncertainty, other programs' formats, pictures; resampling of stations."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cmt_cases import ORIGIN, clean, mechanism, start

from dislok import convert
from dislok.inversion.cmt import beachball, output, posterior, resample, result, solve
from dislok.inversion.cmt import tensor as tensors
from dislok.inversion.cmt.data import Waveforms
from dislok.inversion.cmt.demo import CRUST, TRUTH, stations, synthetic, true_source
from dislok.inversion.cmt.problem import Problem
from dislok.inversion.cmt.records import Records


@pytest.fixture(scope="module")
def found():
    """The noisy demo earthquake, inverted."""
    problem = Problem(
        Waveforms(synthetic(), window=(0.0, 63.0), components="EN"), CRUST, ORIGIN, stf="impulse"
    )
    return solve.search(problem, start())


@pytest.fixture(scope="module")
def outcome(found):
    return result.conclude(found, "test event")


def test_source_is_found_within_its_uncertainty(outcome):
    """Place and time lie within four standard deviations of the truth, magnitude and plane close to it."""
    c, sigma = outcome.centroids[0], outcome.sigma()
    for name, unknown, scale in (
        ("latitude", "north", 111.2),
        ("longitude", "east", 92.0),
        ("depth", "depth", 1.0),
    ):
        assert abs(getattr(c, name) - TRUTH[name]) * scale < 4 * sigma[unknown] + 0.3
    assert c.magnitude == pytest.approx(6.6, abs=0.05)
    plane = min(c.planes, key=lambda p: abs(p[0] - 30.0))
    np.testing.assert_allclose(plane, (30, 80, 20), atol=12)


def test_posterior_matches_many_noises():
    """Standard deviations for white noise equal the scatter of 60 solutions by half at most."""
    lat, lon = (v[::2] for v in stations())
    clean_problem = clean(stations_used=np.arange(0, 11, 2))
    quiet = clean_problem.data[0].records
    rng, errors, sigma = np.random.default_rng(3), [], []
    for _ in range(60):
        noisy = Records(
            quiet.station,
            lat,
            lon,
            quiet.t,
            quiet.values + 1e-3 * rng.standard_normal(quiet.values.shape),
            quiet.reference,
        )
        problem = Problem(Waveforms(noisy, window=(0.0, 63.0)), CRUST, ORIGIN, stf="impulse")
        state = solve.minimise(problem, true_source(), iterations=6)
        s = state.state.sources
        errors.append([s.east[0], s.north[0], s.depth[0], s.time[0]])
        if len(sigma) < 5:
            sigma.append(list(result.conclude(state).sigma().values()))
    ratio = np.std(errors, axis=0) / np.mean(sigma, axis=0)
    assert ((ratio > 0.6) & (ratio < 1.6)).all(), ratio


def test_conventions_and_decomposition():
    """A pure double couple and a pure explosion; (r, θ, φ) of a vertical strike-slip fault to the north."""
    c = result.Centroid(34.0, 130.0, 10.0, 0.0, 0.0, mechanism(0, 90, 0, 6.0))
    assert c.decomposition == pytest.approx({"DC": 100, "CLVD": 0, "ISO": 0}, abs=1e-6)
    # Left-lateral slip on a northward plane: M_ne > 0, M_tp = -M_ne.
    moment = float(convert.moment_from_magnitude(6.0))
    assert c.spherical["Mtp"] == pytest.approx(-moment) and c.magnitude == pytest.approx(6.0)
    mixed = result.Centroid(
        34.0, 130.0, 10.0, 0.0, 0.0, mechanism(0, 90, 0, 6.0) + moment * np.array([1, 1, 1, 0, 0, 0])
    )
    assert mixed.decomposition["ISO"] == pytest.approx(50.0)
    clvd = result.Centroid(34.0, 130.0, 10.0, 0.0, 0.0, moment * np.array([-0.5, -0.5, 1, 0, 0, 0]))
    assert clvd.epsilon == pytest.approx(0.5) and abs(clvd.decomposition["CLVD"]) == pytest.approx(100.0)


def test_result_survives_its_file(outcome, tmp_path):
    outcome.save(tmp_path / "r.json")
    again = result.load(tmp_path / "r.json")
    assert again.summary() == outcome.summary()
    np.testing.assert_array_equal(again.fits[0].predicted, outcome.fits[0].predicted)
    plain = json.loads((tmp_path / "r.json").read_text())
    assert plain["centroids"][0]["tensor_rtp"]["Mrr"] == pytest.approx(outcome.centroids[0].spherical["Mrr"])
    assert not list(tmp_path.glob("*.part*"))
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match="does not hold"):
        result.load(tmp_path / "x.json")


def test_summary_names_what_was_left_out(outcome):
    odd = replace(outcome, dropped=("XX.A..LHE: dead",), notes=("XX.B..LHZ: called Z, but reversed",))
    lines = odd.summary().splitlines()
    assert "left out: XX.A..LHE: dead" in lines and "note: XX.B..LHZ: called Z, but reversed" in lines


def test_fit_reports_every_trace(outcome):
    fit = outcome.fits[0]
    assert fit.by_trace.shape == (11, 3) and np.isnan(fit.by_trace[:, 2]).all()
    assert outcome.variance_reduction == pytest.approx(fit.variance_reduction, abs=1e-9)
    assert outcome.misfit == outcome.history[-1]["misfit"]


def test_quakeml_and_cmtsolution_are_read_by_obspy(outcome, tmp_path):
    """ObsPy reads back what was written: place, time, tensor, planes."""
    obspy = pytest.importorskip("obspy", reason="QuakeML needs ObsPy")
    output.write_quakeml(outcome, tmp_path / "q.xml")
    output.write_cmtsolution(outcome, tmp_path / "CMTSOLUTION")
    c = outcome.centroids[0]
    event = obspy.read_events(str(tmp_path / "q.xml"))[0]
    assert event.preferred_origin().depth == pytest.approx(1000 * c.depth)
    assert event.preferred_magnitude().mag == pytest.approx(c.magnitude)
    mechanism_ = event.preferred_focal_mechanism()
    assert mechanism_.moment_tensor.tensor.m_tp == pytest.approx(c.spherical["Mtp"])
    assert mechanism_.nodal_planes.nodal_plane_1.strike == pytest.approx(c.planes[0][0])
    read = obspy.read_events(str(tmp_path / "CMTSOLUTION"), format="CMTSOLUTION")[0]
    tensor = read.focal_mechanisms[0].moment_tensor.tensor
    assert tensor.m_rr == pytest.approx(c.spherical["Mrr"], rel=1e-5)
    times = [origin.time for origin in read.origins if origin.origin_type == "centroid"]
    assert abs(times[0] - obspy.UTCDateTime(outcome.utc())) < 0.01


def test_beachball_pushes_where_the_tension_axis_is():
    """Rays along the T axis push, along the P axis they pull; an explosion pushes everywhere."""
    axis, amplitude = beachball.radiation(np.array([mechanism(0, 90, 0, 0.0), [1, 1, 1, 0, 0, 0]]), 201)
    middle = 100
    north_east = amplitude[0, middle + 60, middle + 60]
    assert north_east > 0 > amplitude[0, middle - 60, middle + 60]
    assert np.nanmin(amplitude[1]) > 0 and np.isnan(amplitude[1, 0, 0])
    east, north = beachball.plane_trace(0.0, 90.0)
    np.testing.assert_allclose(east, 0.0, atol=1e-12)
    assert north[0] == pytest.approx(1.0) and north[-1] == pytest.approx(-1.0)


def test_uncertain_planes_are_matched_across_the_vertical():
    """Dips on both sides of 90° are one cluster, not strikes half a turn apart."""
    best = np.array([[30.0, 89.0, 10.0], [299.8, 80.0, 179.0]])
    drawn = np.array(
        [[[210.0, 88.0, -11.0], [300.0, 79.0, 178.0]], [[299.0, 81.0, -179.0], [31.0, 88.0, 9.0]]]
    )
    away = posterior.matched(drawn, best)
    assert np.abs(away).max() < 4.0


def test_bootstrap_and_jackknife_agree_with_the_posterior(found, outcome):
    """Within a factor of four, for noise that is the same everywhere."""
    drawn = resample.bootstrap(found.state, 100, seed=1)
    left = resample.leave_one_out(found.state, exact=False)
    assert len(drawn.labels) == 100 and list(left.labels) == list(found.state.system.problem.stations)
    for spread in (drawn.spread(), left.spread(jackknife=True)):
        for name, unknown in (
            ("latitude", "north"),
            ("longitude", "east"),
            ("depth", "depth"),
            ("time", "time"),
        ):
            assert 0.2 < spread[name] / outcome.sigma()[unknown] < 6.0, (name, spread)
    again = resample.bootstrap(found.state, 100, seed=1)
    np.testing.assert_array_equal(again.misfit, drawn.misfit)


def test_linear_step_is_the_search_for_small_changes(found):
    """Without one of eleven stations the depth moves by 2 km; one step with the old kernels comes near."""
    problem = found.state.system.problem
    weights = {name: float(name != "S08") for name in problem.stations}
    linear, _ = resample._Linear(found.state)(weights)
    exact, _ = resample._again(problem, found.state, weights)
    change = exact.depth[0] - found.state.sources.depth[0]
    assert abs(change) > 1.5
    assert linear.depth[0] - exact.depth[0] == pytest.approx(0.0, abs=0.4 * abs(change))


def test_left_out_station_is_predicted(found):
    sources, reduction = resample.predicted_without(found.state, "S03")
    assert reduction > 0.7 and abs(sources.depth[0] - 35.0) < 6.0
    with pytest.raises(ValueError, match="no station 'X'"):
        resample.predicted_without(found.state, "X")


def test_sensitivity_adds_up(found):
    table = resample.sensitivity(found.state)
    assert set(table) == {"tensor", "east", "north", "depth", "time"}
    for share in table.values():
        assert share.sum() == pytest.approx(1.0)


def test_warnings_say_what_matters(outcome):
    from dataclasses import replace

    centroid, fit = outcome.centroids[0], outcome.fits[0]
    shallow = replace(
        outcome,
        centroids=(replace(centroid, depth=2.0),),
        fits=(replace(fit, predicted=0.5 * fit.predicted),),
        at_bound=("depth",),
    )
    text = shallow.summary()
    assert "trade off" in text and "depth ended on a bound" in text and "subevents" in text
    assert (
        not outcome.warnings and outcome.station_count == 11 and outcome.nearest == pytest.approx(53, abs=1)
    )
    great = replace(outcome, centroids=(replace(centroid, tensor=1e3 * centroid.tensor),))
    assert "ruptures of this size are about" in great.warnings[0]
    lonely = np.zeros_like(fit.mask)
    lonely[:4] = fit.mask[:4]
    assert replace(outcome, fits=(replace(fit, mask=lonely),)).warnings[0].startswith("warning: 4 stations")


def test_magnitude_is_silver_and_jordans():
    assert tensors.size(mechanism(10, 20, 30, 7.0)) == pytest.approx(
        float(convert.moment_from_magnitude(7.0))
    )
