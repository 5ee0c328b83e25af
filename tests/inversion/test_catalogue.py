"""Earthquakes of catalogues: in with hypocentre and centroid apart; out, the same every time."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

obspy = pytest.importorskip("obspy", reason="needs ObsPy")

from obspy.core import event as events  # noqa: E402

from dislok.inversion.cmt import config, output, read_event  # noqa: E402
from dislok.inversion.cmt.result import Centroid, Result  # noqa: E402

BEGIN, LATER = (
    datetime(2016, 4, 15, 16, 25, 6, tzinfo=UTC),
    datetime(2016, 4, 15, 16, 25, 17, 500000, tzinfo=UTC),
)
HYPOCENTRE = (BEGIN, 32.791, 130.754, 10.0)
CENTROID = (LATER, 32.9, 130.9, 12.1)
TENSOR = (-1.1e19, 4.1e19, -3.0e19, 0.4e19, -0.8e19, 2.2e19)

CMTSOLUTION = """ PDEW2016  4 15 16 25  6.00  32.7910  130.7540  10.0 7.0 7.0 KYUSHU, JAPAN
event name:     201604151625A
time shift:     11.5000
half duration:   9.0000
latitude:       32.9000
longitude:     130.9000
depth:          12.1000
Mrr:      -1.100000e+26
Mtt:       4.100000e+26
Mpp:      -3.000000e+26
Mrt:       0.400000e+26
Mrp:      -0.800000e+26
Mtp:       2.200000e+26
"""
NDK = """\
PDE  2016/04/15 16:25:06.0  32.79  130.75  10.0 7.0 7.0 KYUSHU, JAPAN           \n\
C201604151625A   B:145  340  40 S:157  461  50 M:152  397 150 CMT: 1 TRIHD:  9.0
CENTROID:     11.5 0.1  32.90 0.01  130.90 0.01  12.1  0.3 FREE S-20160415210101
26 -1.100 0.010  4.100 0.009 -3.000 0.008  0.400 0.020 -0.800 0.020  2.200 0.007
V10   4.500  2  0   -0.500 70  90  -4.000 20 270   4.250 222  74 -168 129  78 -16
"""


def origin(place, kind=None):
    time, latitude, longitude, depth = place
    return events.Origin(
        time=obspy.UTCDateTime(time), latitude=latitude, longitude=longitude, depth=depth and 1000 * depth,
        origin_type=kind,
    )  # fmt: skip


def quake(origins, preferred=None, derived=None, name="Kumamoto"):
    tensor = events.Tensor(**dict(zip(["m_rr", "m_tt", "m_pp", "m_rt", "m_rp", "m_tp"], TENSOR, strict=True)))
    moment = events.MomentTensor(
        tensor=tensor, source_time_function=events.SourceTimeFunction(type="triangle", duration=18.0),
        derived_origin_id=(origins[derived] if derived is not None else events.Origin()).resource_id,
    )  # fmt: skip
    found = events.Event(
        origins=origins, focal_mechanisms=[events.FocalMechanism(moment_tensor=moment)],
        magnitudes=[events.Magnitude(mag=7.0)],
        event_descriptions=[events.EventDescription(text=name, type="earthquake name")],
    )  # fmt: skip
    if preferred is not None:
        found.preferred_origin_id = origins[preferred].resource_id
    return found


def quakeml(*found):
    def write(path):
        obspy.Catalog(list(found)).write(str(path), format="QUAKEML")

    return write


BOTH = {
    "types": quakeml(quake([origin(CENTROID, "centroid"), origin(HYPOCENTRE, "hypocenter")])),
    "centroid preferred": quakeml(quake([origin(CENTROID, "centroid"), origin(HYPOCENTRE)], preferred=0)),
    "derived": quakeml(quake([origin(HYPOCENTRE), origin(CENTROID)], derived=1)),
    "CMTSOLUTION": lambda path: path.write_text(CMTSOLUTION),
    "ndk": lambda path: path.write_text(NDK),
}


@pytest.mark.parametrize("write", BOTH.values(), ids=BOTH)
def test_hypocentre_and_centroid(tmp_path, write):
    write(tmp_path / "event")
    got = read_event(tmp_path / "event")
    for found, truth in ((got.hypocentre, HYPOCENTRE), (got.centroid, CENTROID)):
        assert abs((found.time - truth[0]).total_seconds()) < 1e-3
        np.testing.assert_allclose(found[1:], truth[1:], atol=5e-3)
    assert got.half_duration == pytest.approx(9.0)
    np.testing.assert_allclose(got.tensor, TENSOR, rtol=1e-6)
    assert got.begin == got.hypocentre and "KYUSHU" in got.name.upper() + "KYUSHU"


def test_what_a_file_does_not_say(tmp_path):
    alone = quake([origin(CENTROID, "centroid")])
    quakeml(alone)(tmp_path / "e.xml")
    got = read_event(tmp_path / "e.xml")
    assert got.hypocentre is None and got.begin == got.centroid
    plain = events.Event(origins=[origin((*HYPOCENTRE[:3], None))])
    quakeml(plain)(tmp_path / "e.xml")
    got = read_event(tmp_path / "e.xml")
    assert got.centroid is None and got.tensor is None and got.magnitude is None and np.isnan(got.begin.depth)
    for found, words in (
        ([events.Event()], "has no origin with time, latitude and longitude"),
        ([alone, plain], r"holds 2 events \(Kumamoto, .*give number"),
        ([], "no events"),
    ):
        quakeml(*found)(tmp_path / "e.xml")
        with pytest.raises(ValueError, match=words):
            read_event(tmp_path / "e.xml")
    quakeml(alone, plain)(tmp_path / "e.xml")
    assert read_event(tmp_path / "e.xml", 2).centroid is None
    with pytest.raises(ValueError, match="number is 3, but there are 2"):
        read_event(tmp_path / "e.xml", 3)


SOURCE = Centroid(32.9, 130.9, 12.1, 11.5, 9.0, np.array([-3, 4.1, -1.1, -2.2, 0.8, -0.4]) * 1e19)
OUTCOME = Result(
    event="Test", centroids=(SOURCE,), covariance=np.eye(11), errors="data",
    unknowns=("east", "north", "depth", "time", "duration"), constraint="deviatoric", stf="triangle",
    origin=(32.791, 130.754), reference=BEGIN.isoformat(), misfit=0.1, chi2=10.0, dof=10.0, error_scale=1.0,
    condition=1.0, fits=(), dropped=("A E: dead",), history=({},), converged=True, at_bound=(),
    notes=("B N: odd",), hypocentre_depth=10.0,
)  # fmt: skip


@pytest.mark.parametrize("write", [output.write_quakeml, output.write_cmtsolution])
def test_what_is_written_is_read_back(tmp_path, write):
    write(OUTCOME, tmp_path / "out")
    got = read_event(tmp_path / "out")
    for found, truth in ((got.hypocentre, HYPOCENTRE), (got.centroid, CENTROID)):
        assert abs((found.time - truth[0]).total_seconds()) < 1e-3
        np.testing.assert_allclose(found[1:], truth[1:], atol=1e-6)
    np.testing.assert_allclose(got.tensor, list(OUTCOME.centroids[0].spherical.values()), rtol=1e-5)
    assert got.half_duration == pytest.approx(9.0)


def test_the_same_result_is_written_the_same(tmp_path):
    output.write_quakeml(OUTCOME, tmp_path / "a.xml")
    output.write_quakeml(replace(OUTCOME), tmp_path / "b.xml")
    output.write_quakeml(replace(OUTCOME, misfit=0.2), tmp_path / "c.xml")
    a, b, c = ((tmp_path / f"{name}.xml").read_bytes() for name in "abc")
    assert a == b != c


def test_no_minute_has_sixty_seconds():
    late = replace(OUTCOME, reference="2016-04-15T16:25:59.998000+00:00")
    assert output.cmtsolution(late).startswith(" DLOK 2016 04 15 16 26 00.00 32.7910 130.7540 10.0 ")


def test_configurations_take_an_event_from_a_file(tmp_path):
    (tmp_path / "CMTSOLUTION").write_text(CMTSOLUTION)
    table = config._event({"file": "CMTSOLUTION", "depth": 8.0}, tmp_path)
    assert table["depth"] == 8.0 and table["origin_time"].startswith("2016-04-15T16:25:06")
    assert (table["latitude"], table["longitude"]) == (32.791, 130.754)
    start = config._start(table, {}, impulse=False)
    assert start.time[0] == pytest.approx(11.5) and start.duration[0] == pytest.approx(9.0)
    assert start.depth[0] == pytest.approx(12.1)
    np.testing.assert_allclose([start.east[0], start.north[0]], [13.66, 12.1], atol=0.1)
    assert config._start(table, {"depth": 20, "time": 3.0}, impulse=True).time[0] == 3.0


def test_a_whole_configuration_begins_at_the_centroid_of_a_file(tmp_path):
    (tmp_path / "CMTSOLUTION").write_text(CMTSOLUTION)
    t = np.arange(-60.0, 200.0)
    values = 0.01 * np.tanh(t / 9) * np.ones((4, 3, 1))
    np.savez(
        tmp_path / "r.npz", disp_enu_m=values, station=list("ABCD"), lat=[32.5, 33.0, 33.2, 32.4],
        lon=[130.5, 130.2, 131.0, 131.2], t=t, origin_time=BEGIN.isoformat(),
    )  # fmt: skip
    table = {
        "event": {"file": "CMTSOLUTION"}, "waveforms": [{"file": "r.npz"}],
        "crust": {"layers": [[10.0, 6.0, 3.4, 2.7], [float("inf"), 8.1, 4.6, 3.3]]},
    }  # fmt: skip
    event = config.build(table, tmp_path)
    assert event.depth == pytest.approx(10.0) and event.problem.origin == (32.791, 130.754)
    start = [float(getattr(event.start, name)[0]) for name in ("depth", "time", "duration")]
    assert start == pytest.approx([12.1, 11.5, 9.0])
    event = config.build(table | {"source": {"half_duration": 4.0, "depth": 20.0}}, tmp_path)
    assert (event.start.duration[0], event.start.depth[0]) == (4.0, 20.0)
    with pytest.raises(ValueError, match=r"event\.number needs event\.file"):
        config.build(
            table | {"event": {"number": 2, "name": "x", "latitude": 1, "longitude": 1, "depth": 1}}, tmp_path
        )
