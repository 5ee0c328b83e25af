"""The page and the pictures: self-contained, complete, and in agreement with the result; every plot takes
what its documentation says.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from cmt_cases import mechanism

from dislok.inversion.cmt import hypotheses, lune, plot, quality, report, resample, result, solve, summary
from dislok.inversion.cmt.demo import problem, synthetic, true_source

matplotlib = pytest.importorskip("matplotlib", reason="pictures need matplotlib")
matplotlib.use("Agg")


@pytest.fixture(scope="module")
def found():
    spoilt = synthetic()
    spoilt.values[1, 0] = 0.003
    return solve.minimise(quality.screened(problem(spoilt, "ENU")), true_source(), iterations=6)


@pytest.fixture(scope="module")
def outcome(found):
    there = found.state.sources.with_values(("east",), found.state.sources.east + 60.0)
    other = solve.minimise(found.state.system.problem, there, iterations=1)
    return result.conclude(found._replace(others=(other,)), "A <test>", crusts=[there])


@pytest.fixture(scope="module")
def ensemble(found):
    return resample.bootstrap(found.state, 10)


def test_the_page_holds_everything_by_itself(outcome, tmp_path):
    figure = plot.station_map(outcome)
    figure.savefig(tmp_path / "stations.png")
    page = report.html(outcome, {"stations": tmp_path / "stations.png"}, ["bootstrap over stations: a note"])
    assert "A &lt;test&gt;" in page and "<script" not in page and "http" not in page
    assert page.count("data:image/png;base64,") == 1 and "a note" in page
    for name in outcome.fits[0].station:
        assert f"<td>{name}</td>" in page
    assert "S02 E: never moves" in page and "left out" not in page.split("<h2>Left out</h2>")[0]
    assert "out of the question" in page or "not unique" in page


def test_one_definition_of_variance_reduction(outcome):
    """Page, summary, file and pictures quote the same number."""
    percent = f"{100 * outcome.variance_reduction:.1f} %"
    page = report.html(outcome)
    assert percent in page and f"variance reduction {percent}" in outcome.summary()
    assert outcome.as_dict()["variance_reduction"] == outcome.variance_reduction
    left = sum(((f.observed - f.predicted)[f.mask] ** 2).sum() for f in outcome.fits)
    data = sum((f.observed[f.mask] ** 2).sum() for f in outcome.fits)
    assert outcome.variance_reduction == pytest.approx(1 - left / data)
    figure = plot.mechanism(outcome)
    words = " ".join(text.get_text() for text in figure.axes[1].texts)
    assert f"variance reduction {percent}" in words


@pytest.mark.parametrize(
    "latitude, longitude, words",
    [
        (61.3461, -149.928, ("61.346 N", "149.928 W")),
        (-12.5, 210.0, ("12.500 S", "150.000 W")),
        (32.8, 130.75, ("32.800 N", "130.750 E")),
    ],
)
def test_places_have_letters_not_signs(latitude, longitude, words):
    assert summary.place(latitude, longitude) == words


def test_summary_has_no_negative_degrees(outcome):
    c, (latitude, longitude) = outcome.centroids[0], outcome.origin
    turn = -149.928 - c.longitude
    fits = tuple(replace(fit, longitude=fit.longitude + turn) for fit in outcome.fits)
    west = replace(
        outcome, centroids=(replace(c, longitude=-149.928),), fits=fits, origin=(latitude, longitude + turn)
    )
    assert "149.928 W" in west.summary() and not re.search(r"-\d+\.\d+ [EWNS]", west.summary())


def test_every_picture_takes_every_kind_of_argument(found, outcome, ensemble):
    """Results with and without uncertainty, with and without an ensemble, of one source and of two."""
    none = replace(outcome, errors="none", covariance=np.full_like(outcome.covariance, np.nan))
    two = hypotheses.subevents(
        found.state.system.problem, found, 2, grid=2, times=(0.0,), iterations=1
    )[-1]  # fmt: skip
    double = result.conclude(two)
    for one in (outcome, none, double):
        for given in (None, ensemble) if one is not double else (None,):
            plot.mechanism(one, given, title="title")
            plot.source_type(one, given)
        plot.station_map(one)
        plot.waveforms(one)
        plot.waveforms(one, name="waveforms", most=3)
        plot.resampled(ensemble, one)
        assert one.summary()
    with pytest.raises(ValueError, match="no waveforms named 'x'"):
        plot.waveforms(outcome, name="x")
    profile = hypotheses.depth_profile(
        found.state.system.problem, found.state.sources, [30.0, 35.0], iterations=1
    )
    plot.depth(profile, found.state.system.problem)
    plot.position(hypotheses.position_map(found.state.system.problem, found.state.sources, 10.0, 3))
    matplotlib.pyplot.close("all")


def test_all_stations_are_drawn(outcome):
    figure = plot.waveforms(outcome)
    shown = {axes.get_ylabel().split("\n")[0] for axes in figure.axes if axes.get_ylabel()}
    assert shown == set(outcome.fits[0].station)
    matplotlib.pyplot.close("all")


def test_source_types_lie_where_they_belong():
    """Corners of the lune: double couple, CLVDs, explosion, and a tensile crack in a Poisson solid."""
    explosion, clvd = np.array([1.0, 1, 1, 0, 0, 0]), np.array([-0.5, -0.5, 1, 0, 0, 0])
    crack = np.array([1.0, 1, 3, 0, 0, 0])
    gamma, delta = lune.lune(np.stack([mechanism(30, 60, 90, 6), explosion, -explosion, clvd, -clvd, crack]))
    np.testing.assert_allclose(delta, [0, 90, -90, 0, 0, 60.503], atol=1e-3)
    np.testing.assert_allclose(gamma[[0, 3, 4, 5]], [0, -30, 30, -30], atol=1e-6)


def test_the_map_shows_start_and_centroid(outcome):
    """Both markers are there, in degrees, and the beachball covers neither."""
    figure = plot.station_map(outcome)
    axes = figure.axes[0]
    pairs = [pair for line in axes.lines for pair in zip(*line.get_data(), strict=True)]
    points = {(round(float(x), 6), round(float(y), 6)) for x, y in pairs}
    c = outcome.centroids[0]
    assert (round(outcome.origin[1], 6), round(outcome.origin[0], 6)) in points
    assert (round(c.longitude, 6), round(c.latitude, 6)) in points
    figure.canvas.draw()
    (ball,) = axes.child_axes
    for place in (outcome.origin[::-1], (c.longitude, c.latitude)):
        assert not ball.get_window_extent().contains(*axes.transData.transform(place))
    matplotlib.pyplot.close("all")
