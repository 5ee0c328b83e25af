"""Waveforms as data centres hand them out: metadata are believed, what is bad is named and left out."""

import re
import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest

obspy = pytest.importorskip("obspy", reason="needs ObsPy")

from obspy.core.inventory import (  # noqa: E402
    Channel,
    InstrumentSensitivity,
    Inventory,
    Network,
    PolesZerosResponseStage,
    Response,
    Station,
)

from dislok.inversion.cmt import config, from_obspy, read, units  # noqa: E402
from dislok.inversion.cmt.orientation import Direction, by_name, unmixing  # noqa: E402

REFERENCE = datetime(2020, 5, 1, 12, tzinfo=UTC)
START = obspy.UTCDateTime(REFERENCE) - 20
T = np.arange(-20.0, 60.0)
MOTION = np.array([0.03 * np.tanh(T / 5), -0.02 * np.tanh((T - 3) / 7), 0.01 * np.exp(-(T**2) / 50)])
"""East, north and up of one station."""

AXES = {
    "ENZ": {"E": (90, 0), "N": (0, 0), "Z": (0, -90)},
    "12Z": {"1": (30, 0), "2": (120, 0), "Z": (0, -90)},
    "123": {"1": (0, -90), "2": (30, 0), "3": (120, 0)},
    "12": {"1": (200, 0), "2": (110, 0)},
    "UVW": {"U": (90, -35.264), "V": (330, -35.264), "W": (210, -35.264)},
    "names lie": {"E": (238, 0), "N": (328, 0), "Z": (0, -90)},
    "reversed": {"E": (270, 0), "N": (0, 0), "Z": (0, 90)},
    "swapped": {"E": (0, 0), "N": (90, 0), "Z": (0, -90)},
    "oblique": {"1": (10, 0), "2": (75, 12), "Z": (40, -80)},
    "no Z": {"E": (90, 0), "N": (0, 0)},
    "no N": {"E": (90, 0), "Z": (0, -90)},
    "no letters": {"X": (45, 0), "Y": (315, 0), "Q": (0, -90)},
}


def same(got, truth):
    np.testing.assert_allclose(got, truth, rtol=1e-6, atol=1e-12 * np.abs(truth).max())


def trace(station, channel, data, **stats):
    header = {"network": "XX", "station": station, "channel": channel, "starttime": START, **stats}
    return obspy.Trace(np.array(data), header)


def recorded(axes, station="A", prefix="LY", motion=MOTION, **stats):
    """What channels in these directions write of a motion."""
    return obspy.Stream(
        [trace(station, prefix + c, Direction(*d).vector @ motion, **stats) for c, d in axes.items()]
    )


def inventory(stations, prefix="LY", place=(33.0, 130.0), responses=None, **channel):
    """Metadata of stations: axes by station's name."""
    at = {"latitude": place[0], "longitude": place[1], "elevation": 0.0}
    network = Network("XX")
    for name, axes in stations.items():
        own = [
            Channel(
                prefix + c, channel.get("location", ""), depth=0.0, azimuth=d[0], dip=d[1],
                response=(responses or {}).get((name, c)),
                **at, **{k: v for k, v in channel.items() if k != "location"},
            )
            for c, d in axes.items()
        ]  # fmt: skip
        network.stations.append(Station(name, channels=own, **at))
    return Inventory([network], source="test")


def sac(trace, **header):
    """A trace with a SAC header."""
    trace.stats.sac = obspy.core.AttribDict({"stla": 33.0, "stlo": 130.0, **header})
    return trace


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_metadata_say_where_channels_point(axes):
    (got,) = from_obspy(recorded(axes), inventory({"A": axes}), REFERENCE)
    known = np.isfinite(got.values[0]).all(axis=1)
    assert known.sum() == len(axes) and got.left_out == ()
    np.testing.assert_allclose(got.values[0][known], MOTION[known], atol=1e-6)


@pytest.mark.parametrize(
    "axes, words",
    [
        ("names lie", [r"LYE: called E, but the inventory says azimuth 238.*148° apart", "LYN"]),
        ("reversed", ["LYE", r"LYZ: called Z.*dip 90°.*180° apart"]),
        ("swapped", ["LYE", "LYN"]),
        ("ENZ", []),
        ("UVW", []),
    ],
)
def test_contradictions_are_reported(axes, words):
    (got,) = from_obspy(recorded(AXES[axes]), inventory({"A": AXES[axes]}), REFERENCE)
    assert len(got.notes) == len(words)
    for line, word in zip(got.notes, words, strict=True):
        assert re.search(word, line)


@pytest.mark.parametrize(
    "axes", [{"E": (0, 0), "N": (0, 0), "Z": (0, 0)}, {"1": (30, 0)}, {"1": (0, 0), "2": (7, 0)}]
)
def test_directions_that_give_no_component_are_refused(axes):
    with pytest.raises(ValueError, match=r"XX\.A\.\.LY.*do not follow from azimuth and dip of"):
        from_obspy(recorded(axes), inventory({"A": axes}), REFERENCE)


def test_names_can_be_believed_instead():
    lie = inventory({"A": AXES["names lie"]})
    (got,) = from_obspy(recorded(AXES["ENZ"]), lie, REFERENCE, orientation="names")
    same(got.values[0], MOTION)


def test_sac_headers_say_where_channels_point():
    """Also without names of the channels; the header loses against an inventory."""
    axes = {"E": (270, 0), "N": (180, 0), "Z": (0, 90)}
    stream = recorded(axes)
    for one, (azimuth, dip) in zip(stream, axes.values(), strict=True):
        sac(one, cmpaz=azimuth, cmpinc=dip + 90)
    (got,) = from_obspy(stream, None, REFERENCE)
    same(got.values[0], MOTION)
    assert len(got.notes) == 3
    nameless = stream.copy()
    for one in nameless:
        one.stats.channel = ""
    (got,) = from_obspy(nameless, None, REFERENCE)
    same(got.values[0], MOTION)
    truth = recorded(AXES["ENZ"])
    for one, other in zip(truth, stream, strict=True):
        one.stats.sac = other.stats.sac
    (got,) = from_obspy(truth, inventory({"A": AXES["ENZ"]}), REFERENCE)
    same(got.values[0], MOTION)


def test_sac_headers_say_what_was_recorded():
    stream = recorded(AXES["ENZ"])
    for one in stream:
        sac(one, idep=7)
    (got,) = from_obspy(stream, None, REFERENCE)
    assert got.quantity == "velocity"
    assert got.notes[0] == (
        "XX.A..LYE, XX.A..LYN, XX.A..LYZ: its header says velocity, in nm by SAC's rule; taken in SI units"
    )
    with pytest.raises(ValueError, match="it holds velocity, not displacement"):
        from_obspy(stream, None, REFERENCE, quantity="displacement")
    (got,) = from_obspy(stream, None, REFERENCE, unit="nm/s")
    same(got.values[0], 1e-9 * MOTION)


def test_gaps_stay_in_the_components_they_belong_to():
    stream = recorded(AXES["12Z"])
    stream[2].data = np.ma.masked_array(stream[2].data, T > 40)
    (got,) = from_obspy(stream, inventory({"A": AXES["12Z"]}), REFERENCE)
    assert np.isfinite(got.values[0, :2]).all() and np.isnan(got.values[0, 2]).sum() == (T > 40).sum()


def test_vertical_needs_no_azimuth_and_names_serve_where_metadata_are_silent():
    table = inventory({"A": {"E": (None, None), "N": (None, 0), "Z": (None, -90)}})
    (got,) = from_obspy(recorded(AXES["ENZ"]), table, REFERENCE)
    same(got.values[0], MOTION)
    assert [line.split(":")[0] for line in got.notes] == ["XX.A..LYE, XX.A..LYN"]


@pytest.mark.parametrize("channel, siblings, found", [
    ("HHE", (), (90, 0)), ("EW1", (), (90, 0)), ("UD2", (), (0, -90)), ("Z", (), (0, -90)),
    ("LYU", (), (0, -90)), ("LHU", ("LHV", "LHW"), None), ("BH1", (), None), ("BHR", (), None),
])  # fmt: skip
def test_what_names_promise(channel, siblings, found):
    assert by_name(channel, siblings) == found


def test_unmixing_is_the_inverse_of_any_set(rng):
    for _ in range(50):
        directions = [Direction(*d) for d in rng.uniform([0, -90], [360, 90], (3, 2))]
        matrix, known = unmixing(directions)
        axes = np.array([d.vector for d in directions])
        if known == [0, 1, 2]:
            np.testing.assert_allclose(matrix @ axes, np.eye(3), atol=1e-9)
        else:
            assert np.linalg.norm(np.linalg.inv(axes), axis=1).max() > 4 or np.linalg.cond(axes) > 20


def paz(gain=1e9, poles=(-0.0123 + 0.0123j, -0.0123 - 0.0123j), units="M/S", frequency=0.02, zeros=(0j, 0j)):
    stage = PolesZerosResponseStage(
        1, gain, frequency, units, "COUNTS", "LAPLACE (RADIANS/SECOND)", frequency, list(zeros), list(poles)
    )
    omega = 2j * np.pi * frequency
    size = abs(np.prod([omega - z for z in zeros]) / np.prod([omega - p for p in poles]))
    stage.normalization_factor = 1 / size
    sensitivity = InstrumentSensitivity(gain, frequency, units, "COUNTS")
    return Response(instrument_sensitivity=sensitivity, response_stages=[stage])


@pytest.mark.parametrize(
    "text, quantity, factor",
    [
        ("M/S/S", "acceleration", 1), ("m/s^2", "acceleration", 1), ("CM/S**2", "acceleration", 0.01),
        ("nm/s", "velocity", 1e-9), ("M/S", "velocity", 1), ("m", "displacement", 1),
        ("Gal", "acceleration", 0.01), ("m s-2", "acceleration", 1), ("MM", "displacement", 1e-3),
        ("meters/second", "velocity", 1), ("micrometers per second", "velocity", 1e-6),
        ("M/(S**2)", "acceleration", 1), ("cm/sec/sec", "acceleration", 0.01), ("g", "acceleration", 9.80665),
        ("m*s**-2", "acceleration", 1), ("MICRONS/S", "velocity", 1e-6), ("m/(s*s)", "acceleration", 1),
    ],
)  # fmt: skip
def test_units_however_they_are_written(text, quantity, factor):
    assert units.parse(text) == (quantity, pytest.approx(factor))
    response = {("A", c): paz(1e6, (), text, zeros=()) for c in "ENZ"}
    counts = recorded(AXES["ENZ"], motion=1e6 * MOTION / factor)
    (got,) = from_obspy(counts, inventory({"A": AXES["ENZ"]}, responses=response), REFERENCE, responses=True)
    assert got.quantity == quantity
    same(got.values[0], MOTION)
    (got,) = from_obspy(
        recorded(AXES["ENZ"], motion=MOTION / factor), inventory({"A": AXES["ENZ"]}), REFERENCE, unit=text
    )
    same(got.values[0], MOTION)


@pytest.mark.parametrize("text", ["PA", "V", "counts", "C", "", "S", "m/s/s/s", "kg m"])
def test_other_units_are_refused(text):
    with pytest.raises(ValueError, match="unit of"):
        units.parse(text)


def test_whole_numbers_are_counts():
    stream = recorded(AXES["ENZ"], motion=1e6 * MOTION)
    for one in stream:
        one.data = one.data.astype(np.int32)
    with pytest.raises(ValueError, match="whole numbers, as of a digitiser"):
        from_obspy(stream, inventory({"A": AXES["ENZ"]}), REFERENCE)
    (got,) = from_obspy(stream, inventory({"A": AXES["ENZ"]}), REFERENCE, unit="um")
    np.testing.assert_allclose(got.values[0], MOTION, atol=1e-6)


def test_gains_and_clocks_of_their_own_make_one_network():
    """Every channel another gain, every station another clock: one table, within a tenth of a percent."""
    names, stream, response = ["A", "B", "C"], obspy.Stream(), {}
    rates = (40.0, 40.000016, 39.99999)
    t = np.arange(-800, 2400) / 40
    slow = np.array([np.exp(-((t - k) ** 2) / 100) for k in (5, 10, 15)])
    for i, (name, rate) in enumerate(zip(names, rates, strict=True)):
        for k, c in enumerate("12Z"):
            gain = 1e8 * (1 + 0.1 * i + 0.03 * k)
            response[name, c] = paz(gain)
            vector = Direction(*AXES["12Z"][c]).vector
            stream += trace(name, f"BH{c}", gain * (vector @ slow), sampling_rate=rate)
    table = inventory(dict.fromkeys(names, AXES["12Z"]), "BH", responses=response)
    (got,) = from_obspy(stream, table, REFERENCE, responses=True)
    assert len(got) == 3 and got.dt == pytest.approx(1 / 40) and got.left_out == ()
    inner = (got.t > -10) & (got.t < 50)
    truth = np.array([np.exp(-((got.t[inner] - k) ** 2) / 100) for k in (5, 10, 15)])
    for values in got.values:
        np.testing.assert_allclose(values[:, inner], truth, atol=1e-3)


def test_responses_of_one_station_are_equalised_before_rotation():
    """N and E through instruments that differ by 20 % in their corner: turned after, not before."""
    t, omega = np.arange(-200, 600.0), 2 * np.pi * np.fft.rfftfreq(4096, 1.0)
    slow = np.array([np.exp(-((t - 60) ** 2) / 800), np.exp(-((t - 90) ** 2) / 400), 0 * t])
    response, stream = {}, obspy.Stream()
    for c, corner in (("1", 0.02), ("2", 0.024), ("Z", 0.02)):
        response["A", c] = paz(1e6, corner * np.array([-0.7 + 0.714j, -0.7 - 0.714j]))
        shape = np.ones(len(omega), complex)
        shape[1:] = response["A", c].get_evalresp_response_for_frequencies(omega[1:] / 2 / np.pi, "VEL")
        shape[0] = 0
        wave = Direction(*AXES["12Z"][c]).vector @ slow
        # ObsPy's sign of the phase is that of the Fourier transform used here.
        data = np.fft.irfft(np.fft.rfft(wave, 4096) * shape, 4096)[: len(t)]
        stream += trace("A", f"LH{c}", data, starttime=obspy.UTCDateTime(REFERENCE) - 200)
    table = inventory({"A": AXES["12Z"]}, "LH", responses=response)
    (got,) = from_obspy(stream, table, REFERENCE, responses=True)
    spectrum = got.response.response(omega[1:] + 0j)
    shape = np.concatenate([[0], spectrum])
    for values, wave in zip(got.values[0], slow, strict=True):
        truth = np.fft.irfft(np.fft.rfft(wave, 4096) * shape, 4096)[: len(t)]
        np.testing.assert_allclose(values, truth, atol=2e-3)


def test_two_rates_under_one_id():
    """The rate that covers most is kept; nothing is laid on the other's axis."""
    stream = recorded(AXES["ENZ"])
    fast = stream[0].slice(stream[0].stats.starttime + 50)
    stream[0].trim(endtime=stream[0].stats.starttime + 50)
    fast.stats.sampling_rate = 2.0
    stream += fast
    (got,) = from_obspy(stream, inventory({"A": AXES["ENZ"]}), REFERENCE)
    assert "LYE at 2 Hz" in got.left_out[0] and "most of it has 1 Hz" in got.left_out[0]
    present = np.isfinite(got.values[0, 0])
    same(got.values[0, 0][present], MOTION[0][present])


def test_pieces_that_contradict_each_other_are_left_out():
    stream = recorded(AXES["ENZ"])
    stream += stream[0].copy()
    assert from_obspy(stream, inventory({"A": AXES["ENZ"]}), REFERENCE)[0].left_out == ()
    stream[-1].data = stream[-1].data[::-1].copy()
    (got,) = from_obspy(stream, inventory({"A": AXES["ENZ"]}), REFERENCE)
    assert "XX.A..LYE: two pieces of it overlap and contradict each other" in got.left_out[0]
    assert np.isnan(got.values[0, 0]).all() and np.isfinite(got.values[0, 1:]).all()


def spoiled_folder(tmp_path):
    """A folder with one good station and everything that goes wrong."""
    good = recorded(AXES["ENZ"])
    good.write(str(tmp_path / "good.mseed"), format="MSEED")
    inventory({"A": AXES["ENZ"], "B": AXES["ENZ"], "R": {"R": (None, None)}}).write(
        str(tmp_path / "stations.xml"), format="STATIONXML"
    )
    old = recorded(AXES["ENZ"], "B", starttime=obspy.UTCDateTime(0))
    old.write(str(tmp_path / "old.mseed"), format="MSEED")
    recorded({"E": (90, 0)}, "ODD").write(str(tmp_path / "stranger.mseed"), format="MSEED")
    recorded({"R": (0, 0)}, "R").write(str(tmp_path / "radial.mseed"), format="MSEED")
    (tmp_path / "README.txt").write_text("Downloaded on Monday.\n")
    (tmp_path / "cut.mseed").write_bytes((tmp_path / "good.mseed").read_bytes()[:70])
    (tmp_path / "event.xml").write_text("<?xml version='1.0'?><q:quakeml xmlns:q='x'/>")
    nameless = trace("C", "", MOTION[0])
    nameless.write(str(tmp_path / "c.sac"), format="SAC")
    return tmp_path


def test_one_bad_file_is_left_out_and_named(tmp_path):
    (got,) = read(spoiled_folder(tmp_path), REFERENCE)
    assert list(got.station) == ["XX.A"]
    same(got.values[0], MOTION)
    said = "\n".join(got.left_out)
    for words in (
        "README.txt: in none of the formats", "cut.mseed", "event.xml", "B..LYE: no samples between",
        "50 years before the reference", "XX.ODD..LYE: the inventory does not know this channel",
        "channel 'LYR' points along an axis of its own", "c.sac: it says neither its channel nor its",
    ):  # fmt: skip
        assert words in said
    with pytest.raises(ValueError, match=r"README\.txt|cut\.mseed|c\.sac|event\.xml"):
        read(tmp_path, REFERENCE, strict=True)


def test_nothing_left_says_why(tmp_path):
    recorded(AXES["ENZ"], starttime=obspy.UTCDateTime(0)).write(str(tmp_path / "a.mseed"), format="MSEED")
    with pytest.raises(ValueError, match=r"no records are left: .*no samples between"):
        read(tmp_path / "a.mseed", REFERENCE)


def test_long_records_are_cut_in_reading(tmp_path):
    """Two days of a station, of which two minutes are asked for."""
    n = 2 * 86400
    slow = trace("A", "LYE", np.arange(n, dtype=np.float64), starttime=obspy.UTCDateTime(REFERENCE) - 86400)
    slow.write(str(tmp_path / "a.mseed"), format="MSEED")
    inventory({"A": {"E": (90, 0)}}).write(str(tmp_path / "s.xml"), format="STATIONXML")
    (got,) = read(tmp_path, REFERENCE, starttime=-60, endtime=datetime(2020, 5, 1, 12, 1))
    np.testing.assert_allclose(got.t, np.arange(-60.0, 61))
    np.testing.assert_allclose(got.values[0, 0], 86400 + got.t)
    with pytest.raises(ValueError, match="endtime must lie after starttime"):
        read(tmp_path, REFERENCE, starttime=60, endtime=-60)


def test_instruments_are_chosen():
    stream = recorded(AXES["ENZ"], prefix="LY") + recorded(AXES["no Z"], prefix="HY", location="10")
    table = inventory({"A": AXES["ENZ"]}) + inventory({"A": AXES["ENZ"]}, "HY", location="10")
    (got,) = from_obspy(stream, table, REFERENCE)
    assert np.isfinite(got.values).all() and "XX.A.10.HYE" in got.left_out[0]
    for options in ({"channels": "HY*"}, {"locations": ["10"]}, {"channels": ["HYE", "HYN"], "strict": True}):
        (got,) = from_obspy(stream, table, REFERENCE, **options)
        assert np.isnan(got.values[0, 2]).all() and got.left_out == ()
    with pytest.raises(ValueError, match="another instrument"):
        from_obspy(stream, table, REFERENCE, strict=True)
    with pytest.raises(ValueError, match=r"asked for is among XX\.A\.\.LYE, .*XX\.A\.10\.HYN"):
        from_obspy(stream, table, REFERENCE, channels="ZZ?")


@pytest.mark.parametrize("location", ["", "--", "00", " "])
def test_codes_need_not_agree_in_every_letter(location):
    stream = recorded(AXES["ENZ"], location=location)
    (got,) = from_obspy(stream, inventory({"A": AXES["ENZ"]}, location="00"), REFERENCE)
    same(got.values[0], MOTION)
    for one in stream:
        one.stats.network = ""
    (got,) = from_obspy(stream, inventory({"A": AXES["ENZ"]}, location="00"), REFERENCE)
    assert len(got) == 1


def test_epochs_of_metadata():
    """The epoch of the earthquake counts; a channel known at other times only is left out."""
    early = inventory({"A": AXES["reversed"]}, end_date=obspy.UTCDateTime(2020, 1, 1))
    late = inventory({"A": AXES["ENZ"]}, start_date=obspy.UTCDateTime(2020, 1, 1))
    with pytest.raises(ValueError, match="at other times only: ever to 2020-01-01"):
        from_obspy(recorded(AXES["ENZ"]), early, REFERENCE)
    (got,) = from_obspy(recorded(AXES["ENZ"]), early + late, REFERENCE)
    same(got.values[0], MOTION)


def test_samples_between_the_steps_are_moved():
    later = recorded(AXES["ENZ"], motion=np.array([np.exp(-((T + 0.37 - 20) ** 2) / 60)] * 3))
    for one in later:
        one.stats.starttime += 0.37
    (got,) = from_obspy(later, inventory({"A": AXES["ENZ"]}), REFERENCE)
    np.testing.assert_allclose(got.t, np.round(got.t), atol=1e-9)
    np.testing.assert_allclose(got.values[0, 0], np.exp(-((got.t - 20) ** 2) / 60), atol=2e-4)


def test_a_sensor_for_air_pressure_is_no_seismometer():
    response = {("A", c): paz(units="PA" if c == "Z" else "M/S") for c in "ENZ"}
    table = inventory({"A": AXES["ENZ"]}, responses=response)
    (got,) = from_obspy(recorded(AXES["ENZ"]), table, REFERENCE, responses=True)
    assert got.left_out == ("XX.A..LYZ: 'PA' is no unit of displacement, velocity or acceleration",)


def test_headers_of_knet():
    """Counts with a factor to m/s², channels by their words, places in the header."""
    stream = recorded({"EW1": (90, 0), "NS1": (0, 0), "UD1": (0, -90)}, prefix="", motion=MOTION / 1e-6)
    for one in stream:
        one.data = np.round(one.data).astype(np.int32)
        one.stats.calib = 1e-6
        one.stats.knet = obspy.core.AttribDict({"stla": 33.0, "stlo": 130.0})
    (got,) = from_obspy(stream, None, REFERENCE)
    assert got.quantity == "acceleration" and (got.latitude[0], got.longitude[0]) == (33.0, 130.0)
    np.testing.assert_allclose(got.values[0], MOTION, atol=1e-6)
    with pytest.raises(ValueError, match="it holds acceleration, not velocity"):
        from_obspy(stream, None, REFERENCE, quantity="velocity")


def test_what_else_is_left_out_alone(tmp_path):
    """A log, a place that is none, an infinite sample; folders of folders are read."""
    (tmp_path / "A").mkdir()
    stream = recorded(AXES["ENZ"])
    stream[0].data[5] = np.inf
    stream.write(str(tmp_path / "A" / "a.mseed"), format="MSEED")
    lost = recorded(AXES["ENZ"], "P")
    for one in lost:
        sac(one, stla=np.nan if one.stats.channel == "LYE" else 95.0)
    log = trace("A", "LOG", MOTION[0])
    log.write(str(tmp_path / "A" / "log.mseed"), format="MSEED")
    inventory({"A": AXES["ENZ"]}).write(str(tmp_path / "s.xml"), format="STATIONXML")
    (got,) = read(tmp_path, REFERENCE)
    assert np.isnan(got.values[0, 0]).sum() == 1 and len(got.left_out) == 1 and "LOG" in got.left_out[0]
    with pytest.raises(
        ValueError, match="XX.P..LYN: its metadata do not say where it is: latitude 95, longitude 130"
    ):
        from_obspy(lost, None, REFERENCE)
    still = recorded({"E": (90, 0)})
    still[0].stats.delta = 1e9
    with pytest.raises(ValueError, match="samples in the window|no records are left"):
        from_obspy(still, inventory({"A": AXES["ENZ"]}), REFERENCE)


def test_angles_from_the_vertical_that_are_none():
    stream = recorded(AXES["ENZ"])
    for one, dip in zip(stream, (0, 0, -90), strict=True):
        sac(one, cmpaz={"E": 90.0}.get(one.stats.channel[-1], 0.0), cmpinc=float(dip))
    stream[2].stats.sac.cmpaz = -12345.0
    (got,) = from_obspy(stream[2:], None, REFERENCE)
    same(got.values[0, 2], MOTION[2])
    assert "its name was believed" in got.notes[0]


TOML = """
[event]
name = "Test"
latitude = 33.2
longitude = 130.2
depth = 10.0
origin_time = "2020-05-01T12:00:00"
[crust]
layers = [[10, 6.0, 3.4, 2.7], [inf, 8.1, 4.6, 3.3]]
[[waveforms]]
file = "data"
components = "ENU"
band = [0.05, 0.2]
window = [0, 40]
"""


def network(folder):
    """Six stations of which one is reversed, one has channels that lie about their names, and one is bad."""
    axes = {name: AXES["ENZ"] for name in "ABCD"} | {"R": AXES["reversed"], "L": AXES["names lie"]}
    stream, table = obspy.Stream(), None
    for i, (name, own) in enumerate(axes.items()):
        stream += recorded(own, name)
        part = inventory({name: own}, place=(33.0 + 0.1 * i, 130.0))
        table = part if table is None else table + part
    stream.write(str(folder / "all.mseed"), format="MSEED")
    recorded(AXES["ENZ"], "Q").write(str(folder / "q.mseed"), format="MSEED")
    table.write(str(folder / "stations.xml"), format="STATIONXML")


def test_a_configuration_reads_by_metadata_and_names_what_it_leaves_out(tmp_path):
    (tmp_path / "data").mkdir()
    network(tmp_path / "data")
    (tmp_path / "e.toml").write_text(TOML)
    (data,) = config.load(tmp_path / "e.toml").problem.data
    assert len(data.records) == 6
    for values in data.records.values:
        np.testing.assert_allclose(values[:, np.isfinite(values[0])], MOTION, atol=1e-6)
    assert sorted(line.split("..")[0] for line in data.notes) == ["XX.L", "XX.L", "XX.R", "XX.R"]
    assert sum("XX.Q..LY" in line for line in data.dropped) == 3
    (tmp_path / "e.toml").write_text(TOML + "strict = true\n")
    with pytest.raises(ValueError, match=r"XX\.Q\.\.LYE: the inventory does not know this channel"):
        config.load(tmp_path / "e.toml")
    (tmp_path / "e.toml").write_text(TOML + 'strict = true\nchannels = "LY*"\nonly = ["A", "XX.B", "R"]\n')
    (tmp_path / "data" / "q.mseed").unlink()
    (data,) = config.load(tmp_path / "e.toml").problem.data
    assert sorted(data.records.station) == ["XX.A", "XX.B", "XX.R"]


def test_two_kinds_of_instruments_become_two_data_sets(tmp_path):
    """The nearest stations of both together; a name of one kind is no stranger to the other."""
    (tmp_path / "data").mkdir()
    network(tmp_path / "data")
    fast = recorded(AXES["ENZ"], "F", sampling_rate=2.0)
    fast.write(str(tmp_path / "data" / "f.mseed"), format="MSEED")
    inventory({"F": AXES["ENZ"]}, place=(33.2, 130.1)).write(
        str(tmp_path / "data" / "f.xml"), format="STATIONXML"
    )
    (tmp_path / "e.toml").write_text(TOML + 'count = 3\nexclude = ["D"]\nsigma = 0.01\n')
    sets = config.load(tmp_path / "e.toml").problem.data
    assert [one.name for one in sets] == [
        "waveforms, displacement at 1 Hz",
        "waveforms, displacement at 2 Hz",
    ]
    assert [sorted(one.records.station) for one in sets] == [["XX.B", "XX.C"], ["XX.F"]]
    assert sets[0].dropped and not sets[1].dropped


def test_a_day_of_records_is_not_held(tmp_path):
    """Three channels of a day at 20 Hz take 41 MB; what is asked for takes a hundredth."""
    day = np.random.default_rng(0).standard_normal(86400 * 20).astype(np.float32)
    table = inventory({"A": AXES["ENZ"]})
    for c in "ENZ":
        one = trace("A", f"LY{c}", day, sampling_rate=20.0, starttime=obspy.UTCDateTime(REFERENCE) - 43200)
        one.write(str(tmp_path / f"{c}.mseed"), format="MSEED")
    table.write(str(tmp_path / "s.xml"), format="STATIONXML")
    read(tmp_path, REFERENCE, starttime=-1, endtime=1)
    tracemalloc.start()
    (got,) = read(tmp_path, REFERENCE, starttime=-60, endtime=300)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert got.values.shape == (1, 3, 7201) and held < 2e6
