"""From files to a folder: configuration, ObsPy, resuming, the command line, the demonstration; real
earthquakes.
"""

import json

import numpy as np
import pytest
from cmt_cases import ORIGIN

from dislok.cli import main
from dislok.inversion.cmt import config, procedure, readers, resample, solve, stages
from dislok.inversion.cmt.demo import CRUST, synthetic
from dislok.inversion.cmt.demo import stations as sites
from dislok.inversion.cmt.records import Records

pytest.importorskip("matplotlib", reason="runs draw with matplotlib")

LAYERS = "[[0.1,3.2,2.0,2.1],[1.9,5.15,2.85,2.5],[3.0,5.5,3.2,2.6],"
LAYERS += "[13,6.0,3.46,2.7],[14,6.7,3.87,2.8],[inf,7.7,4.3,3.3]]"
TOML = f"""
[event]
name = "Test"
latitude = {ORIGIN[0]}
longitude = {ORIGIN[1]}
depth = 30.0

[crust]
layers = {LAYERS}

[[waveforms]]
file = "records.npz"
band = [0.05, 0.2]
window = [0, 63]
nearest = 35
exclude = ["S11"]

[source]
stf = "impulse"

[search]
reach = 0

[uncertainty]
bootstrap = 20
depths = [30.0, 36.0]
map = {{ grid = 3 }}
"""


@pytest.fixture(scope="module")
def records():
    return synthetic()


@pytest.fixture
def folder(tmp_path, records):
    np.savez(
        tmp_path / "records.npz", disp_enu_m=records.values, station=records.station, lat=records.latitude,
        lon=records.longitude, t=records.t, origin_time=records.reference.isoformat(),
    )  # fmt: skip
    (tmp_path / "event.toml").write_text(TOML)
    return tmp_path


def test_run_writes_everything_and_resumes(folder, monkeypatch, capsys):
    """All files are there; a second run takes the search from the first; `--quiet` is quiet."""
    assert main(["cmt", str(folder / "event.toml"), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    out = folder / "event"
    for name in (
        "result.json",
        "result.npz",
        "CMTSOLUTION",
        "report.html",
        "summary.txt",
        "bootstrap.json",
    ):
        assert (out / name).stat().st_size > 100
    for name in ("mechanism", "source_type", "stations", "waveforms", "depth", "position", "bootstrap"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob("*.draft*"))
    first = json.loads((out / "result.json").read_text())
    assert abs(first["centroids"][0]["depth"] - 35.0) < 5
    monkeypatch.setattr(solve, "minimise", lambda *_: pytest.fail("the search was done before"))
    monkeypatch.setattr(resample, "_Linear", lambda *_: pytest.fail("the draws were done before"))
    said: list[str] = []
    assert stages.run(folder / "event.toml", out, said.append).magnitude == pytest.approx(first["magnitude"])
    assert said[0].startswith("going on where an earlier run was stopped")


def test_a_changed_problem_starts_anew(folder, monkeypatch):
    """What was kept is good for the same data and options only, whatever the files are called."""
    stages.run(folder / "event.toml", folder / "out")
    (folder / "event.toml").write_text(TOML.replace("depths = [30.0, 36.0]", "depths = [30.0, 36.0, 40.0]"))
    calls = []
    minimise = solve.minimise
    monkeypatch.setattr(solve, "minimise", lambda *a, **k: (calls.append(1), minimise(*a, **k))[1])
    stages.run(folder / "event.toml", folder / "out")
    assert not calls, "the search does not depend on the depths of a picture"
    (folder / "event.toml").write_text(TOML.replace("nearest = 35", "nearest = 50"))
    stages.run(folder / "event.toml", folder / "out")
    assert len(calls) == 2
    with np.load(folder / "records.npz") as archive:
        arrays = dict(archive)
    arrays["disp_enu_m"][3, 0] += 1e-4 * np.arange(arrays["disp_enu_m"].shape[-1])
    np.savez(folder / "records.npz", **arrays)
    stages.run(folder / "event.toml", folder / "out")
    assert len(calls) == 4


def test_killed_runs_keep_what_they_finished(folder, monkeypatch):
    """A run that ends after its first band goes on with the second; a damaged piece is computed again."""
    minimise, calls = solve.minimise, []

    def once(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return minimise(*arguments, **options)

    monkeypatch.setattr(solve, "minimise", once)
    with pytest.raises(KeyboardInterrupt):
        stages.run(folder / "event.toml", folder / "out")
    whole = stages.run(folder / "event.toml", folder / "other")
    calls[:] = [1, 1]
    again = stages.run(folder / "event.toml", folder / "out")
    assert len(calls) == 3
    assert again.summary() == whole.summary()
    (folder / "out" / "progress" / "search" / "start-1-0.06-Hz.npz").write_bytes(b"PK")
    with pytest.warns(UserWarning, match=r"start-1-0\.06-Hz\.npz is damaged.*made anew"):
        stages.run(folder / "event.toml", folder / "out")
    assert len(calls) == 4


def test_ensembles_are_kept(folder, tmp_path):
    event = config.load(folder / "event.toml")
    found = solve.search(event.problem, event.start, event.bands)
    for function, options in (
        (resample.bootstrap, {"draws": 25}),
        (resample.bootstrap, {"draws": 2, "exact": True}),
        (resample.leave_one_out, {"exact": False}),
    ):
        place = tmp_path / f"kept-{function.__name__}-{len(options)}"
        want = function(found.state, **options)
        got = [function(found.state, folder=place, **options) for _ in range(2)]
        for one in got:
            np.testing.assert_array_equal(one.misfit, want.misfit)
            np.testing.assert_array_equal(one.labels, want.labels)
            for name, values in one.table().items():
                np.testing.assert_array_equal(values, want.table()[name])
        with pytest.raises(ValueError, match="belongs to another problem"):
            function(found.state.under("full"), folder=place, **options)


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("nearest = 35", "nearst = 35", "unknown key 'waveforms[0].nearst'"),
        ("[crust]", "[crus]", "unknown key 'crus'; did you mean crust?"),
        ("depth = 30.0", "", "'event.depth' is missing"),
        ('exclude = ["S11"]', 'exclude = ["S99"]', "cannot leave out 'S99'"),
        ('stf = "impulse"', 'stf = "sawtooth"', "sawtooth"),
        (
            'stf = "impulse"',
            'constraint = "clvd"',
            "source.constraint must be one of full, deviatoric, double_couple, got 'clvd'",
        ),
        ('stf = "impulse"', 'fixed = ["strike"]', "source.fixed[0] must be one of east, north, depth"),
        ("band = [0.05, 0.2]", "band = [0.05, 0.8]", "Nyquist"),
        ("nearest = 35", "nearest = 900", "no station between"),
        ("[event]", "[event", "Expected"),
        (f"layers = {LAYERS}", "", "exactly one of layers, file, crust2"),
        ('file = "records.npz"', 'file = "nothing.npz"', "nothing.npz"),
        ('file = "records.npz"', 'file = "records.npz"\nquantity = "velocity"', "holds displacement"),
        (
            "[search]",
            '[search]\nerrors = "guessed"',
            "search.errors must be one of given, residuals, got 'guessed'",
        ),
        ("nearest = 35", 'response = "flat"', "waveforms[0].response must be one of inventory, got 'flat'"),
        ("nearest = 35", "response = { pole = [] }", "unknown key 'waveforms[0].response.pole'"),
    ],
)
def test_mistakes_in_a_configuration_are_named(folder, capsys, old, new, words):
    (folder / "event.toml").write_text(TOML.replace(old, new))
    assert main(["cmt", str(folder / "event.toml")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith("dislok: error: ")


def test_the_crust_at_the_hypocentre_or_at_the_stations(folder, monkeypatch):
    """`crust2` says where its profile is taken; what it may say is checked."""
    asked = []
    monkeypatch.setattr(
        config.LayeredModel, "crust2", classmethod(lambda cls, *place: (asked.append(place), CRUST)[1])
    )
    for value in ("true", '"event"', '"stations"', "[10.5, 20]"):
        (folder / "event.toml").write_text(TOML.replace(f"layers = {LAYERS}", f"crust2 = {value}"))
        problem = config.load(folder / "event.toml").problem
    stations = problem.data[0].records
    middle = (stations.latitude.mean(), stations.longitude.mean())
    np.testing.assert_allclose(asked, [ORIGIN, ORIGIN, middle, (10.5, 20.0)])
    (folder / "event.toml").write_text(TOML.replace(f"layers = {LAYERS}", 'crust2 = "here"'))
    with pytest.raises(ValueError, match="crust2 must be one of event, stations, got 'here'"):
        config.load(folder / "event.toml")


def test_files_of_another_configuration_do_not_stay(folder):
    """A second run with other data removes the pictures and files of the first, and says so."""
    out, said = folder / "out", []
    stages.run(folder / "event.toml", out)
    assert "Test" in (out / "report.html").read_text("utf-8")
    (out / "notes.txt").write_text("mine")
    stages.run(folder / "event.toml", out, said.append)
    assert not any("removed" in line for line in said)
    changed = TOML.replace("nearest = 35", "nearest = 50").replace("bootstrap = 20", "bootstrap = 0")
    (folder / "event.toml").write_text(changed)
    stages.run(folder / "event.toml", out, said.append)
    assert any(line.startswith("removed") for line in said)
    assert not (out / "bootstrap.json").exists() and not (out / "bootstrap.png").exists()
    assert (out / "notes.txt").read_text() == "mine"


def test_durations_subevents_and_filters_of_a_configuration(folder):
    text = TOML.replace(
        'stf = "impulse"', 'stf = "triangle"\nduration = "scaled"\nsubevents = 2\nfixed = ["depth"]'
    )
    text = text.replace(
        "band = [0.05, 0.2]", "butterworth = { low = 0.01, high = 0.1, order = 3 }\nsigma = 0.002"
    )
    (folder / "event.toml").write_text(text)
    event = config.load(folder / "event.toml")
    assert event.scaled_duration and event.subevents == 2
    assert event.problem.unknowns == ("east", "north", "time")
    assert event.problem.data[0].band.order == 3 and len(event.problem.stations) == 10


def test_quality_and_weights_of_a_configuration(folder, records, capsys):
    """A dead channel is named and left out, unless the file says to keep it; weights come from residuals."""
    values = records.values.copy()
    values[0, 0] = 0.0
    np.savez(
        folder / "records.npz", disp_enu_m=values, station=records.station, lat=records.latitude,
        lon=records.longitude, t=records.t, origin_time=records.reference.isoformat(),
    )  # fmt: skip
    (folder / "event.toml").write_text(TOML)
    outcome = stages.run(folder / "event.toml", folder / "out", print)
    said = capsys.readouterr().out
    assert outcome.dropped == ("S01 E: never moves",) and "left out: S01 E: never moves" in said
    assert "errors as the residuals show them" in said and outcome.errors == "largest"
    assert abs(outcome.centroids[0].depth - 35.0) < 2.0
    again = stages.run(folder / "event.toml", folder / "out")
    assert again.summary() == outcome.summary()
    (folder / "event.toml").write_text(TOML.replace("[search]", "[search]\nquality = false\niterations = 1"))
    event = config.load(folder / "event.toml")
    kept = procedure.find(event.problem, event.start, event.options, stages.Stages(None), lambda line: None)
    assert kept.search.state.system.problem.data[0].dropped == ()


def test_responses_of_a_configuration(folder, records):
    """Counts of an accelerometer: poles and zeros from the file, or those of the inventory."""
    obspy = pytest.importorskip("obspy", reason="needs ObsPy")
    (folder / "acc").mkdir()
    _stream(records, obspy).write(str(folder / "acc" / "a.mseed"), format="MSEED")
    table = _inventory(obspy)
    table.write(str(folder / "acc" / "stations.xml"), format="STATIONXML")
    text = TOML.replace('file = "records.npz"', 'file = "acc"\nquantity = "acceleration"\nRESPONSE')
    text = text.replace('exclude = ["S11"]', "").replace(
        'name = "Test"', f'name = "Test"\norigin_time = "{records.reference.isoformat()}"'
    )
    written = "response = { poles = [[-4.4, 4.5], [-4.4, -4.5]], zeros = [], sensitivity = 4e4 }"
    (folder / "event.toml").write_text(text.replace("RESPONSE", written))
    (data,) = config.load(folder / "event.toml").problem.data
    assert data.records.quantity == "acceleration" and data.records.response.sensitivity == 4e4
    assert data.records.response.poles == (-4.4 + 4.5j, -4.4 - 4.5j)
    (folder / "event.toml").write_text(text.replace("RESPONSE", 'response = "inventory"'))
    with pytest.raises(ValueError, match="XX.S"):
        config.load(folder / "event.toml")
    paz = obspy.core.inventory.Response.from_paz([], [-4.4 + 4.5j, -4.4 - 4.5j], 4e4, input_units="M/S**2")
    for station in table[0].stations:
        for channel in station.channels:
            channel.response = paz
    table.write(str(folder / "acc" / "stations.xml"), format="STATIONXML")
    (folder / "event.toml").write_text(
        text.replace("RESPONSE", 'response = "inventory"').replace("acceleration", "velocity")
    )
    with pytest.raises(ValueError, match="answers to M/S\\*\\*2, which is not velocity"):
        config.load(folder / "event.toml")
    (folder / "event.toml").write_text(text.replace("RESPONSE", 'response = "inventory"'))
    (data,) = config.load(folder / "event.toml").problem.data
    omega = np.array([1e-3 + 0j, 2.0])
    expected = np.abs(paz.get_evalresp_response_for_frequencies(omega.real / 2 / np.pi, output="ACC"))
    expected /= paz.instrument_sensitivity.value
    np.testing.assert_allclose(np.abs(data.records.response.response(omega)), expected, rtol=1e-3)
    order = [list(records.station).index(name.split(".")[1]) for name in data.records.station]
    counts = paz.instrument_sensitivity.value * data.records.values
    np.testing.assert_allclose(counts, records.values[order], rtol=1e-9, atol=1e-12)


def _stream(records: Records, obspy, letters="ENZ"):
    traces = []
    for name, values in zip(records.station, records.values, strict=True):
        for letter, row in zip(letters, values, strict=True):
            header = {
                "network": "XX",
                "station": name,
                "channel": f"LY{letter}",
                "sampling_rate": 1 / records.dt,
            }
            header["starttime"] = obspy.UTCDateTime(records.utc(records.t[0]))
            traces.append(obspy.Trace(row.copy(), header))
    return obspy.Stream(traces)


def _inventory(obspy):
    from obspy.core.inventory import Channel, Inventory, Network, Station

    lat, lon = sites()
    network = Network("XX")
    for i, (a, b) in enumerate(zip(lat, lon, strict=True)):
        place = dict(latitude=a, longitude=b, elevation=0.0)
        angles = {"E": (90, 0), "N": (0, 0), "Z": (0, -90), "1": (30, 0), "2": (120, 0)}
        channels = [
            Channel(f"LY{c}", "", depth=0.0, azimuth=azimuth, dip=dip, sample_rate=1.0, **place)
            for c, (azimuth, dip) in angles.items()
        ]
        network.stations.append(Station(f"S{i + 1:02d}", channels=channels, **place))
    return Inventory([network], source="test")


def test_obspy_streams_become_records(records, tmp_path):
    """MiniSEED and StationXML in a folder give the same records; a gap stays a gap."""
    obspy = pytest.importorskip("obspy", reason="needs ObsPy")
    stream = _stream(records, obspy)
    stream[0] = stream[0].slice(endtime=stream[0].stats.starttime + 50)
    stream += _stream(records, obspy)[0].slice(starttime=stream[0].stats.starttime + 60)
    stream.write(str(tmp_path / "a.mseed"), format="MSEED")
    _inventory(obspy).write(str(tmp_path / "stations.xml"), format="STATIONXML")
    (read,) = readers.read(tmp_path, records.reference)
    order = [list(read.station).index(f"XX.{name}") for name in records.station]
    gap = np.isnan(read.values[order[0], 0])
    assert gap.sum() == 9
    np.testing.assert_allclose(read.values[order][1:], records.values[1:], atol=1e-12)
    np.testing.assert_allclose(read.latitude[order], records.latitude, atol=1e-6)
    np.testing.assert_allclose(read.t, records.t)


def test_unrotated_channels_are_turned(records):
    """Axes 30° off north give east and north back; without azimuths they are refused."""
    obspy = pytest.importorskip("obspy", reason="needs ObsPy")
    turned = _stream(records, obspy, "12Z")
    angle = np.deg2rad(30)
    for i, (east, north, _) in enumerate(records.values):
        turned[3 * i].data = north * np.cos(angle) + east * np.sin(angle)
        turned[3 * i + 1].data = east * np.cos(angle) - north * np.sin(angle)
    (read,) = readers.from_obspy(turned, _inventory(obspy), records.reference)
    np.testing.assert_allclose(read.values, records.values, atol=1e-9)
    for network in (inventory := _inventory(obspy)):
        for channel in (c for station in network for c in station):
            channel.azimuth = None
    with pytest.raises(ValueError, match="an inventory or a header must say its azimuth"):
        readers.from_obspy(turned.select(channel="LY[12]"), inventory, records.reference)


def test_other_sampling_rates_and_clocks(records):
    """Half the stations at 2 Hz come as records of their own; samples between seconds are moved onto them."""
    obspy = pytest.importorskip("obspy", reason="needs ObsPy")
    t = np.arange(-60, 60, 0.5)
    wave = np.exp(-((t - 5) ** 2) / 200)
    header = {"network": "XX", "station": "S01", "channel": "LYE", "sampling_rate": 2.0}
    fast = obspy.Trace(wave, {**header, "starttime": obspy.UTCDateTime(records.utc(-60))})
    slow = _stream(records.take([1]), obspy)
    groups = readers.from_obspy(obspy.Stream([fast]) + slow, _inventory(obspy), records.reference)
    assert sorted(group.dt for group in groups) == [0.5, 1.0]
    late = np.arange(-60, 60, 1.0) + 0.3
    shifted = obspy.Trace(
        np.exp(-((late - 5) ** 2) / 200),
        {**header, "sampling_rate": 1.0, "starttime": obspy.UTCDateTime(records.utc(late[0]))},
    )
    (read,) = readers.from_obspy(obspy.Stream([shifted]), _inventory(obspy), records.reference)
    assert np.allclose(read.t, np.round(read.t))
    inner = np.isfinite(read.values[0, 0]) & (np.abs(read.t) < 40)
    np.testing.assert_allclose(read.values[0, 0][inner], np.exp(-((read.t[inner] - 5) ** 2) / 200), atol=1e-3)


def test_duplicates_and_strangers_are_refused(records):
    obspy = pytest.importorskip("obspy", reason="needs ObsPy")
    double = _stream(records.take([0]), obspy)
    double += double.copy()
    for trace in double[3:]:
        trace.stats.location = "10"
    (read,) = readers.from_obspy(double, _inventory(obspy), records.reference)
    assert len(read.left_out) == 1 and "XX.S01.10.LYE" in read.left_out[0] and "another" in read.left_out[0]
    with pytest.raises(ValueError, match=r"XX\.S01\.10\.LYE.*another instrument.*choose by channels"):
        readers.from_obspy(double, _inventory(obspy), records.reference, strict=True)
    stranger = _stream(records.take([0]), obspy)
    stranger[0].stats.station = "NOWHERE"
    (read,) = readers.from_obspy(stranger, _inventory(obspy), records.reference)
    assert read.left_out == ("XX.NOWHERE..LYE: the inventory does not know this channel",)
    with pytest.raises(ValueError, match="inventory does not know"):
        readers.from_obspy(stranger, _inventory(obspy), records.reference, strict=True)
    with pytest.raises(ValueError, match="neither an inventory nor its header"):
        readers.from_obspy(stranger, None, records.reference)


def test_offset_tables(tmp_path):
    (tmp_path / "o.csv").write_text(
        "# note\nlon,lat,E_mm,N_mm,U_mm,sE_mm,sN_mm,sU_mm,station\n121.0,23.5,10,-20,5,1,1,3,AAAA\n"
    )
    table = readers.read_offset_table(tmp_path / "o.csv")
    np.testing.assert_allclose(table.offset, [[0.01, -0.02, 0.005]])
    np.testing.assert_allclose(table.sigma, [[0.001, 0.001, 0.003]])
    (tmp_path / "p.csv").write_text("lon,lat,station\n121.0,23.5,AAAA\n")
    with pytest.raises(ValueError, match="no header says which column is which|no column 'E'"):
        readers.read_offset_table(tmp_path / "p.csv")


@pytest.mark.slow
def test_demo_finds_its_earthquake(tmp_path, capsys):
    assert main(["demo", "cmt", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("SYNTHETIC data") and "variance reduction" in text
    assert abs(json.loads((tmp_path / "result.json").read_text())["magnitude"] - 6.6) < 0.05


def _real(shared, folder, event, crust, waveforms, rest):
    """The result of `dislok cmt` for a real earthquake, without its pictures and bootstrap."""
    (folder / "event.toml").write_text(
        f"""
[event]
{event}
[crust]
layers = {crust}
[[waveforms]]
{waveforms.format(folder=shared / "real")}
band = [0.03, 0.1]
farthest = 150
count = 40
{rest}
"""
    )
    one = config.load(folder / "event.toml")
    found = procedure.find(one.problem, one.start, one.options, stages.Stages(None), lambda line: None)
    return procedure.concluded(found, one.options, one.name)


KUMAMOTO = 'name = "2016 Kumamoto"\nlatitude = 32.791\nlongitude = 130.754\ndepth = 10.0'
KYUSHU = "[[1,2.5,1.2,2.1], [10,6,3.4,2.7], [10,6.6,3.7,2.9], [10,7.2,4,3.1], [inf,8.1,4.6,3.35]]"
RIDGECREST = 'name = "2019 Ridgecrest"\nlatitude = 35.77\nlongitude = -117.599\ndepth = 8.0'
MOJAVE = "[[0.5,2.5,1.2,2.1], [10,6.1,3.5,2.75], [10,6.3,3.6,2.8], [10.5,6.6,3.6,2.9], [inf,8,4.6,3.3]]"


@pytest.mark.slow
def test_kumamoto(shared, tmp_path):
    """The real Mw 7.0 earthquake of 2016, 10 km deep, from 40 stations beyond 40 km: 94.9 % and the published
    plane (224/65).
    """
    waveforms = 'file = "{folder}/kumamoto2016.npz"\nwindow = [0, 160]\nnearest = 40'
    outcome = _real(
        shared,
        tmp_path,
        KUMAMOTO,
        KYUSHU,
        waveforms + '\ncomponents = "EN"',
        '[source]\nhalf_duration = 8.0\nfixed = ["depth"]\n[search]\nerrors = "given"',
    )
    assert outcome.variance_reduction > 0.949
    plane = min(outcome.centroids[0].planes, key=lambda p: abs(p[0] - 224))
    np.testing.assert_allclose(plane[:2], (224, 65), atol=3)
    assert outcome.magnitude == pytest.approx(7.06, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(
    "event, crust, file, plane, depth",
    [
        (KUMAMOTO, KYUSHU, "kumamoto2016.npz", (224, 65), (7, 14)),
        (RIDGECREST, MOJAVE, "ridgecrest2019.npz", (321, 81), (4, 10)),
    ],
    ids=["kumamoto", "ridgecrest"],
)
def test_depth_is_found_with_vertical_components_and_weights(
    shared, tmp_path, event, crust, file, plane, depth
):
    """Three components of stations from 25 km on, weighed by residuals: a depth inside the crust's
    seismogenic part, and the published plane within 10 degrees.
    """
    waveforms = f'file = "{{folder}}/{file}"\nnearest = 25\nwindow = [0, 120]\ncomponents = "ENU"'
    rest = '[source]\nhalf_duration = 8.0\n[search]\nerrors = "residuals"'
    outcome = _real(shared, tmp_path, event, crust, waveforms, rest)
    c = outcome.centroids[0]
    found = min(c.planes, key=lambda p: abs(p[0] - plane[0]))
    np.testing.assert_allclose(found[:2], plane, atol=10)
    assert depth[0] < c.depth < depth[1] and 6.95 < c.magnitude < 7.15
    if file.startswith("ridgecrest"):
        assert any(line.startswith("P586 E: never moves") for line in outcome.dropped)


def test_crust_of_the_demo_is_table_1():
    assert np.sum(CRUST.thickness[:-1]) == pytest.approx(32.0)
