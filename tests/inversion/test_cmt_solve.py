"""The searches: the tests of O'Toole et al. (2012), constraints, durations, priors, joint data, subevents."""

from dataclasses import replace

import numpy as np
import pytest
from cmt_cases import EXPLOSION_AND_SHEAR, ORIGIN, clean, distance, mechanism, start

from dislok import convert
from dislok.inversion.cmt import explore, hypotheses, quality, solve
from dislok.inversion.cmt import tensor as tensors
from dislok.inversion.cmt.data import Offsets, Waveforms
from dislok.inversion.cmt.demo import CRUST, problem, stations, synthetic, true_source
from dislok.inversion.cmt.filters import Butterworth, CosineLowpass
from dislok.inversion.cmt.forward import Field, geometry, meridian_rotation
from dislok.inversion.cmt.problem import Problem, evaluate, jacobian
from dislok.inversion.cmt.records import Response
from dislok.inversion.cmt.result import conclude
from dislok.inversion.cmt.source import UNKNOWNS, Sources
from dislok.inversion.cmt.synthetic import gnss_noise, synthetic_records
from dislok.inversion.gnss import OffsetTable


@pytest.fixture(scope="module")
def table3():
    """Mw 6.6, strike 30, dip 80, rake 20; horizontal components (table 3)."""
    return clean()


def test_table_2_strike_slip_and_explosion():
    """Table 2: true parameters in at most six iterations, relative RMS below 1e-4, from 15 km away."""
    truth = true_source(EXPLOSION_AND_SHEAR)
    found = solve.gauss_newton(clean(truth, components="ENU").with_constraint("full"), start(), iterations=6)
    misfit = [step.misfit for step in found.history]
    assert 0.5 < misfit[0] < 0.7 and misfit[-1] < 1e-4
    assert distance(found.state.sources, truth) < 0.05
    assert found.state.sources.time[0] == pytest.approx(2.0, abs=0.01)
    np.testing.assert_allclose(found.state.sources.tensor[0] / 1e19, EXPLOSION_AND_SHEAR / 1e19, atol=0.01)


@pytest.mark.parametrize("method", [solve.gauss_newton, solve.minimise])
def test_table_3_horizontal_components_and_zero_trace(table3, method):
    """Table 3: the same without vertical components, trace held at zero; plain and damped."""
    truth = true_source()
    found = method(table3, start(), iterations=7)
    # Six iterations as in the paper; the seventh finds that nothing moves any more.
    sixth = found.history[min(6, len(found.history) - 1)]
    assert 0.6 < found.history[0].misfit < 0.85 and sixth.misfit < 1e-4
    assert distance(sixth.sources, truth) < 0.05
    assert sixth.sources.tensor[0, :3].sum() == pytest.approx(0.0, abs=1e6)
    np.testing.assert_allclose(sixth.sources.tensor / 1e19, truth.tensor / 1e19, atol=0.01)


def test_low_frequencies_first_converge_from_far(table3):
    """From 75 km and 10 s away the plain iteration is lost; low frequencies first find it."""
    far = start(east=45.0, north=-40.0, depth=20.0, time=-8.0)
    assert solve.gauss_newton(table3, far, iterations=10).state.misfit > 0.05
    found = solve.search(table3, far)
    assert found.converged and found.state.misfit < 1e-4
    assert distance(found.state.sources, true_source()) < 0.05


def test_double_couple_is_found_and_stays_one(table3):
    found = solve.minimise(table3.with_constraint("double_couple"), start())
    values = np.linalg.eigvalsh(tensors.matrix(found.state.sources.tensor[0]))
    np.testing.assert_allclose(values / values[2], [-1, 0, 1], atol=1e-9)
    assert found.state.misfit < 1e-4


@pytest.mark.parametrize("stf", ["triangle", "half-cosine", "boxcar", "gaussian"])
def test_half_duration_is_found(stf):
    truth = replace(true_source(), duration=np.array([6.0]))
    problem = clean(truth, stf=stf, window=(0.0, 80.0))
    problem = problem.with_unknowns(UNKNOWNS)
    found = solve.minimise(problem, start(duration=3.0)).state
    assert found.sources.duration[0] == pytest.approx(6.0, abs=0.05)
    assert distance(found.sources, truth) < 0.1


def test_duration_scaled_from_the_moment():
    """Mw 6.6 (1e19 N·m) makes 2.26e-6 · 1e19^(1/3) = 4.87 s."""
    truth = solve.with_scaled_duration(true_source())
    assert truth.duration[0] == pytest.approx(4.87, abs=0.01)
    problem = clean(truth, stf="triangle")
    found = solve.minimise(problem, start(duration=1.0), scaled_duration=True).state
    assert found.misfit < 1e-3
    assert found.sources.duration[0] == pytest.approx(4.87, abs=0.02)


@pytest.mark.parametrize("band", [CosineLowpass(0.05, 0.2), Butterworth(0.0, 0.1, 4)])
@pytest.mark.parametrize("quantity", ["displacement", "velocity", "acceleration"])
def test_slopes_are_differences(band, quantity):
    """Slopes of place, time and duration equal central differences of the prediction to 1e-5."""
    lat, lon = (v[:3] for v in stations())
    records = synthetic_records(lat, lon, CRUST, true_source(), ORIGIN, end=60.0, quantity=quantity)
    data, places = Waveforms(records, band, (0.0, 60.0), "ENU"), geometry(lat, lon, ORIGIN)
    source = Sources.at(-3.0, 4.0, 27.3, 1.0, 4.0).with_tensor(mechanism(30, 60, 45, 6.5)[None])
    slopes = Field(data, places, CRUST, source, 1e-7, "triangle").slopes(source, UNKNOWNS)[0]

    def predicted(moved):
        return Field(data, places, CRUST, moved, 1e-7, "triangle").green(moved)[0] @ moved.tensor[0]

    for i, name in enumerate(UNKNOWNS):
        h = 2e-3
        ahead, behind = (replace(source, **{name: getattr(source, name) + s * h}) for s in (1, -1))
        difference = (predicted(ahead) - predicted(behind)) / (2 * h)
        error = np.abs(difference - slopes[..., i]).max() / np.abs(difference).max()
        assert error < 1e-5, (name, error)


def test_last_sample_is_the_static_offset():
    """Long after the waves the displacement is that of zero frequency."""
    lat, lon = (v[:4] for v in stations())
    source = true_source()
    records = synthetic_records(lat, lon, CRUST, source, ORIGIN, end=200.0)
    table = OffsetTable(records.station, lat, lon, np.zeros((4, 3)), np.ones((4, 3)))
    field = Field(Offsets(table), geometry(lat, lon, ORIGIN), CRUST, source, 1e-6)
    static = field.green(source)[0] @ source.tensor[0]
    np.testing.assert_allclose(records.values[..., -1], static, atol=2e-3 * np.abs(static).max())


def test_north_turns_by_the_convergence_of_meridians():
    """On a transverse Mercator plane true north leans by (lon - lon0) sin(lat) to the middle meridian."""
    turn = meridian_rotation(np.array([34.0, -34.0]), np.array([131.5, 131.5]), (34.0, 130.0))
    angle = np.rad2deg(np.arctan2(turn[:, 0, 1], turn[:, 0, 0]))
    np.testing.assert_allclose(
        angle, [1.5 * np.sin(np.deg2rad(34)), -1.5 * np.sin(np.deg2rad(34))], rtol=1e-3
    )
    # Seen from the plane, true north east of the meridian points to the west.
    assert (turn[0] @ np.array([-np.sin(np.deg2rad(0.8388)), np.cos(np.deg2rad(0.8388)), 0]))[1] > 0.99999


def test_static_offsets_join_the_waveforms(table3):
    """Offsets of zero frequency and waveforms in one problem; each alone and both give the same source."""
    lat, lon = stations()
    truth = true_source()
    empty = OffsetTable(
        np.array([f"G{i}" for i in range(len(lat))]),
        lat,
        lon,
        np.zeros((len(lat), 3)),
        np.full((len(lat), 3), 1e-4),
    )
    field = Field(Offsets(empty), geometry(lat, lon, ORIGIN), CRUST, truth, 1e-5)
    offsets = Offsets(empty._replace(offset=field.green(truth)[0] @ truth.tensor[0]))
    waves = replace(table3.data[0], sigma=1e-3)
    joint = Problem([waves, offsets], CRUST, ORIGIN, stf="impulse")
    found = solve.minimise(joint, start())
    assert distance(found.state.sources, truth) < 0.05 and found.state.misfit < 1e-4
    alone = Problem(offsets, CRUST, ORIGIN, stf="impulse", unknowns=("east", "north", "depth"))
    found = solve.minimise(alone, start(east=-5.0, north=6.0))
    assert distance(found.state.sources, truth) < 0.2


def test_accelerometers_join_with_their_own_response():
    """Counts of a damped oscillator, band-passed, invert for the same source as displacement does."""
    lat, lon = (v[::2] for v in stations())
    truth = replace(true_source(), duration=np.array([4.0]))
    records = synthetic_records(lat, lon, CRUST, truth, ORIGIN, end=140.0, before=100.0, stf="triangle",
                                quantity="acceleration")  # fmt: skip
    response = Response((), tuple(np.roots([1, 2 * 0.7 * 2.0, 4.0])), 4.0 * 3e4)
    omega = 2 * np.pi * np.fft.rfftfreq(2048, 1.0)
    counts = np.fft.irfft(np.fft.rfft(records.values, 2048) * response.response(omega + 0j), 2048)
    counts = replace(records, values=counts[..., : len(records.t)], response=response)
    data = Waveforms(counts, Butterworth(0.02, 0.08, 3), (0.0, 100.0), "ENU")
    problem = Problem(data, CRUST, ORIGIN, stf="triangle")
    found = solve.search(problem, start(duration=4.0), bands=(), reach=0.0).state
    assert found.misfit < 1e-3 and distance(found.sources, truth) < 0.3
    np.testing.assert_allclose(found.sources.tensor / 1e19, truth.tensor / 1e19, atol=0.03)


def test_three_kinds_of_data_join():
    """Displacement at four stations, counts of accelerometers at four others, offsets at the last three, all
    with noise: together they miss the source by less than half as much as displacement alone, and, weighed
    by residuals, by what their uncertainty says.
    """
    lat, lon = stations()
    truth = replace(true_source(), duration=np.array([4.0]))
    rng = np.random.default_rng(2)

    def made(which, **options):
        return synthetic_records(
            lat[which], lon[which], CRUST, truth, ORIGIN, end=140.0, before=100.0, stf="triangle", **options
        )

    shown = made(slice(0, 11, 3))
    shown = replace(shown, values=shown.values + gnss_noise(4, shown.t, rng))
    waves = Waveforms(shown, CosineLowpass(0.05, 0.2), (0.0, 100.0), sigma=2e-3)
    response = Response((), tuple(np.roots([1, 2 * 0.7 * 2.0, 4.0])), 4.0 * 3e4)
    shaken = made(slice(1, 11, 3), quantity="acceleration")
    omega = 2 * np.pi * np.fft.rfftfreq(2048, 1.0)
    counts = np.fft.irfft(np.fft.rfft(shaken.values, 2048) * response.response(omega + 0j), 2048)
    counts = counts[..., : len(shaken.t)] + 5.0 * rng.standard_normal(shaken.values.shape)
    shaken = replace(shaken, station=np.array([f"A{i}" for i in range(4)]), values=counts, response=response)
    strong = Waveforms(
        shaken, Butterworth(0.02, 0.08, 3), (0.0, 100.0), "ENU", sigma=3.0, name="strong motion"
    )
    last = made(slice(2, 11, 3)).values[..., -1] + 1e-3 * rng.standard_normal((3, 3))
    names = np.array(["G0", "G1", "G2"])
    table = OffsetTable(names, lat[2:11:3], lon[2:11:3], last, np.full((3, 3), 1e-3))
    alone = Problem(waves, CRUST, ORIGIN, stf="triangle", unknowns=UNKNOWNS)
    joint = Problem([waves, strong, Offsets(table)], CRUST, ORIGIN, stf="triangle", unknowns=UNKNOWNS)
    single, found = (solve.minimise(one, start(duration=4.0)) for one in (alone, joint))
    assert distance(found.state.sources, truth) < 0.5 * distance(single.state.sources, truth)
    better = solve.minimise(quality.weighed(found.state), found.state.sources)
    sigma = np.array(list(conclude(better).sigma().values()))
    error = better.state.sources.values(UNKNOWNS) - truth.values(UNKNOWNS)
    assert (np.abs(error) < 3 * sigma).all() and sigma[2] < 1.0


def test_prior_of_the_depth_is_obeyed(table3):
    tight = Problem(
        replace(table3.data[0], sigma=1.0), CRUST, ORIGIN, stf="impulse", prior={"depth": (20.0, 1e-4)}
    )
    found = solve.minimise(tight, start()).state
    assert found.sources.depth[0] == pytest.approx(20.0, abs=1e-2)


def test_bounds_hold(table3):
    bounded = Problem(table3.data, CRUST, ORIGIN, stf="impulse", bounds={"depth": (5.0, 25.0)})
    found = solve.minimise(bounded, start(depth=20.0)).state
    assert found.sources.depth[0] == pytest.approx(25.0, abs=1e-6)


def test_two_subevents_are_told_apart():
    """Two sources, 35 km and 12 s apart, from a single one; together they leave almost nothing."""
    first = true_source(mechanism(30, 80, 20, 6.6))
    second = Sources.at(first.east + 20.0, first.north - 28.0, 22.0, 14.0).with_tensor(
        mechanism(210, 50, 90, 6.5)[None]
    )
    both = first.joined(second)
    problem = clean(both, window=(0.0, 90.0), band=CosineLowpass(0.04, 0.12))
    one = solve.search(problem, start())
    table = hypotheses.subevents(problem, one, 2, reach=30.0, grid=4, times=(-6.0, 6.0, 14.0), iterations=30)
    assert one.state.misfit > 0.1 and table[-1].state.misfit < 5e-3
    found = table[-1].state.sources
    gaps = [min(distance(found.take(i), one) for i in range(2)) for one in (first, second)]
    assert max(gaps) < 2.0


def test_true_crust_wins():
    """Data of one crust: it gets the probability, a faster one does not."""
    fast = type(CRUST)(CRUST.thickness, 1.1 * np.array(CRUST.vp), 1.1 * np.array(CRUST.vs), CRUST.rho)
    records = synthetic()
    problem = Problem(Waveforms(records, window=(0.0, 63.0), sigma=2e-3), CRUST, ORIGIN, stf="impulse")
    table = hypotheses.compare_models(problem, {"true": CRUST, "fast": fast}, true_source())
    assert table.weight[0] > 0.95 and table.weight.sum() == pytest.approx(1.0)


def test_profile_and_map_have_their_minimum_at_the_source(table3):
    truth = true_source()
    profile = hypotheses.depth_profile(table3, truth, [30.0, 35.0, 40.0], iterations=5)
    assert np.argmin(profile.misfit) == 1 and profile.misfit[1] < 1e-4
    table = hypotheses.position_map(table3, truth, reach=10.0, grid=3)
    assert np.unravel_index(np.argmin(table.misfit), table.misfit.shape)[:2] == (1, 1)
    best = table.best()
    assert distance(best, truth) < 1e-6


def test_line_source_follows_a_rupture():
    """Five points that break one after the other, from one: nearly all is explained, and more than by a
    point.
    """
    along = np.linspace(-16, 16, 5)
    truth = Sources.at(along * np.sin(0.5), along * np.cos(0.5), 20.0, 8 + along / 2.5, 2.0).with_tensor(
        np.repeat(mechanism(28.6, 85, 5, 6.2)[None], 5, axis=0)
    )
    problem = clean(truth, stf="triangle", window=(0.0, 90.0))
    point = solve.search(problem, start(depth=20.0, time=6.0, duration=8.0))
    line = hypotheses.line_source(problem.with_constraint("double_couple"), point, 28.6, 40.0, 5, 2.5)
    assert line.state.misfit < 0.5 * point.state.misfit


def test_jacobian_has_the_rows_of_priors(table3):
    problem = Problem(
        replace(table3.data[0], sigma=1e-3),
        CRUST,
        ORIGIN,
        stf="impulse",
        prior={"depth": (30.0, 2.0), "moment": (1e19, 0.3)},
    )
    state = evaluate(problem, true_source(), refit=False)
    matrix, residual, split = jacobian(state)
    assert matrix.shape == (len(problem.target) + 2, 5 + 4) and split == 5
    assert residual[-2] == pytest.approx(-2.5)
    size = float(tensors.size(true_source().tensor)[0])
    assert residual[-1] == pytest.approx(-np.log(size / 1e19) / 0.3)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"unknowns": ("east", "strike")}, "must be one of east, north, depth, time, duration; got 'strike'"),
        ({"stf": "sawtooth"}, "stf must be one of .*; got 'sawtooth'"),
        ({"unknowns": ("duration",)}, "impulse has no duration"),
        ({"bounds": {"depth": (9.0, 3.0)}}, "bounds of depth: 9.0 is not below 3.0"),
        ({"prior": {"depth": (9.0, 3.0)}}, "a prior needs data with standard deviations"),
    ],
)
def test_impossible_problems_are_refused(table3, options, words):
    with pytest.raises(ValueError, match=words):
        Problem(table3.data, CRUST, ORIGIN, **{"stf": "impulse", **options})


def test_clocks_must_agree(table3):
    waves = replace(table3.data[0], sigma=1e-3)
    other = replace(waves, records=replace(waves.records, reference=waves.records.utc(1.0)))
    with pytest.raises(ValueError, match="different references"):
        Problem([waves, other], CRUST, ORIGIN, stf="impulse")


def test_unknown_constraint_is_refused(table3):
    with pytest.raises(ValueError, match="constraint must be one of .*; got 'clvd'"):
        table3.with_constraint("clvd")
    with pytest.raises(ValueError, match="constraint must be one of .*; got 'clvd'"):
        Problem(table3.data, CRUST, ORIGIN, stf="impulse", constraint="clvd")


def test_moment_of_the_demo_is_the_papers():
    """Table 3 prints Mw 6.6 as 1.05e19 N·m in these elements of 1e19: Mrr 0.117, Mtt -0.831, Mtp -0.513."""
    use = convert.change_frame(tensors.matrix(true_source().tensor[0]), "ENU", "USE") / 1e19
    np.testing.assert_allclose(
        [use[0, 0], use[1, 1], use[2, 2], use[0, 1], use[0, 2], use[1, 2]],
        [0.1170, -0.8310, 0.7140, 0.0194, 0.3600, -0.5130],
        rtol=0.07,
        atol=5e-3,
    )


def test_a_start_from_many_places_moves_nothing_that_is_held():
    """With `reach`, and for a second source, a held depth stays; a held east stays at the start."""
    held = clean().with_unknowns(("north", "time"))
    begins = explore.valleys(held, start(depth=30.0, east=2.0), 40.0, CosineLowpass(0.02, 0.06))
    for one in begins:
        s = one.sources
        assert s.depth[0] == 30.0 and s.east[0] == 2.0 and abs(s.north[0]) <= 40.0
    found = solve.minimise(held, begins[0].sources, iterations=1)
    two = hypotheses.subevents(held, found, 2, grid=2, times=(0.0,), iterations=1)[-1]
    assert two.state.sources.depth[1] == 30.0


def test_valleys_are_those_of_a_search_point_by_point():
    """The misfit on the net, all times at once, is that of `scan` with the same weights, to the kernels'
    accuracy; the best valley is the true one.
    """
    truth = true_source()
    problem = clean(components="ENU")
    best, *_ = explore.valleys(problem, start(), 60.0, CosineLowpass(0.02, 0.06))
    s = best.sources
    assert distance(s, truth) < explore.SPACING and abs(s.time[0] - truth.time[0]) < 2 * explore.STEP
    low = problem.filtered(CosineLowpass(0.02, 0.06))
    part, even = low.data[0], quality.balanced(low)
    # Times on the net are whole samples of the filtered records.
    step = part.stride * part.records.dt
    at = s.with_values(("time",), step * np.round(s.time / step))
    exact = evaluate(even, at, refit=True)
    assert best.misfit == pytest.approx(exact.misfit, rel=0.1)


@pytest.mark.parametrize("azimuth", [20, 200])
def test_the_default_search_finds_its_way_from_far(azimuth):
    """From 70 km and 25 s off, with noise: the true minimum, others with what they leave."""
    x, y = 70 * np.sin(np.deg2rad(azimuth)), 70 * np.cos(np.deg2rad(azimuth))
    found = solve.search(problem(synthetic(), "ENU"), start(east=x, north=y, depth=12.0, time=25.0))
    assert found.converged and distance(found.state.sources, true_source()) < 3.0
    for rival in found.others:
        assert rival.state.objective > found.state.objective
        assert solve.apart(rival.state.sources, found.state.sources) >= solve.SAME
