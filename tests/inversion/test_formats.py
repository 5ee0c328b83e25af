"""Every format that the documentation lists, by files that ObsPy writes or that come with it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

obspy = pytest.importorskip("obspy", reason="needs ObsPy")

from dislok import foreign  # noqa: E402
from dislok.inversion.cmt import from_obspy, read, read_event  # noqa: E402

REFERENCE = datetime(2020, 5, 1, 12, tzinfo=UTC)
T = np.arange(-20.0, 60.0)
WRITTEN = {
    "MiniSEED": "MSEED", "SAC": "SAC", "SACXY": "SACXY", "GSE2": "GSE2", "SLIST": "SLIST", "TSPAIR": "TSPAIR",
    "SH_ASC": "SH_ASC", "AH": "AH",
}  # fmt: skip
"""Formats that ObsPy writes."""

KEPT = {
    "GSE1": ("io/gse2/tests/data/loc_STAU20031119011659.z", 12),
    "SEISAN": ("io/seisan/tests/data/2001-01-13-1742-24S.KONO__004", 5000),
    "SEG2": ("io/seg2/tests/data/20180307_031245000.0.seg2", 2000),
    "WIN": ("io/win/tests/data/10030302.00", 6000),
    "Kinemetrics": ("io/kinemetrics/tests/data/BI008_MEMA-04823.evt", 230),
    "GCF": ("io/gcf/tests/data/20160603_1955n.gcf", 300),
    "K-NET": ("io/nied/tests/data/test.knet", 5000),
    "REFTEK130": ("io/reftek/tests/data/225051000_00008656", 890),
}
"""Formats that ObsPy only reads, files that come with it, and how many samples they have at least."""


def kept(name):
    path = Path(obspy.__path__[0]) / name
    if not path.is_file():
        pytest.skip(f"this ObsPy comes without {name}")
    return path


@pytest.mark.parametrize("name", WRITTEN)
def test_records_that_obspy_writes(tmp_path, name):
    """Three channels with a place in an inventory become the same records, whatever the file."""
    kind, traces = WRITTEN[name], []
    for k, c in enumerate("ENZ"):
        header = {"network": "XX", "station": "ABC", "channel": f"LH{c}"}
        data = np.round(1000 * np.exp(-((T - 10 * k) ** 2) / 100)).astype(np.int32)
        whole = kind in ("GSE2", "AH")
        header["starttime"] = obspy.UTCDateTime(REFERENCE) - 20
        traces.append(obspy.Trace(data if whole else data.astype(float), header))
    if kind in ("SAC", "SACXY"):
        for one in traces:
            one.write(str(tmp_path / f"{one.stats.channel}.dat"), format=kind)
    else:
        obspy.Stream(traces).write(str(tmp_path / "a.dat"), format=kind)
    station = obspy.core.inventory.Station("ABC", latitude=33.0, longitude=130.0, elevation=0.0)
    network = obspy.core.inventory.Network("XX", stations=[station])
    obspy.Inventory([network], source="test").write(str(tmp_path / "s.xml"), format="STATIONXML")
    (got,) = read(tmp_path, REFERENCE, unit="mm")
    assert got.station[0].endswith("ABC") and (got.latitude[0], got.longitude[0]) == (33.0, 130.0)
    for k in range(3):
        np.testing.assert_allclose(1000 * got.values[0, k], traces[k].data, rtol=1e-5, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KEPT)
def test_records_that_come_with_obspy(name):
    path, least = KEPT[name]
    stream = foreign.waveforms(kept(path))
    assert stream[0].stats.npts >= least and np.ptp(stream[0].data) > 0
    when = stream[0].stats.starttime.datetime.replace(tzinfo=UTC)
    if name == "K-NET":
        (got,) = from_obspy(stream, None, when)
        assert got.quantity == "acceleration" and abs(got.latitude[0]) > 1
    else:
        with pytest.raises(ValueError, match=r"no records are left: .*(says where|does not say its station)"):
            from_obspy(stream, None, when, unit="counts")


METADATA = {
    "StationXML": ("signal/tests/data/IUANMO.xml", "IU.ANMO"),
    "dataless SEED": ("signal/tests/data/IUANMO.dataless", "IU.ANMO"),
    "XML-SEED": ("signal/tests/data/BW_RTSH.xml", "BW.RTSH"),
    "SeisComP XML": ("io/seiscomp/tests/data/EB_response_sc3ml", "EB.EBR"),
    "RESP": ("signal/tests/data/RESP.NZ.CRLZ.10.HHZ", "NZ.CRLZ"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_come_with_obspy(name):
    """A record of one of its channels finds its place, direction and response in the file."""
    path, station = METADATA[name]
    table = foreign.inventory(kept(path))
    network = next(n for n in table for s in n if f"{n.code}.{s.code}" == station)
    site = next(s for s in network if s.code == station.split(".")[1])
    channel = next(c for c in site if c.response is not None and c.code[-1] == "Z")
    when = (channel.start_date or obspy.UTCDateTime(2010, 1, 1)) + 3600
    header = {"network": network.code, "station": site.code, "location": channel.location_code}
    one = obspy.Trace(np.sin(T), {**header, "channel": channel.code, "starttime": when})
    call = from_obspy, (obspy.Stream([one]), table, when.datetime.replace(tzinfo=UTC))
    if name == "RESP":
        # It knows no place, which ObsPy turns into 0° N 0° E.
        with pytest.raises(ValueError, match="do not say where it is"):
            call[0](*call[1], responses=True)
        return
    (got,) = call[0](*call[1], responses=True)
    assert got.station[0] == station and got.latitude[0] == pytest.approx(float(site.latitude), abs=0.02)
    gain = channel.response.instrument_sensitivity.value
    np.testing.assert_allclose(got.values[0, 2], np.sin(T) / gain, rtol=1e-6)
    assert got.quantity in ("velocity", "acceleration") and got.response.poles


@pytest.mark.filterwarnings("ignore")
def test_a_sensitivity_alone_is_no_response():
    table = foreign.inventory(kept("io/seiscomp/tests/data/channel_level.sc3ml"))
    channel = table.select(network="NL", station="HGN", channel="BHZ")[0][0][0]
    header = {"network": "NL", "station": "HGN", "location": channel.location_code, "channel": "BHZ"}
    begin = (channel.start_date or obspy.UTCDateTime(2010, 1, 1)) + 3600
    one = obspy.Trace(np.sin(T), {**header, "starttime": begin})
    with pytest.raises(
        ValueError, match="its sensitivity only, no poles and zeros; get it at response level"
    ):
        from_obspy(obspy.Stream([one]), table, begin.datetime.replace(tzinfo=UTC), responses=True)


@pytest.mark.filterwarnings("ignore")
def test_places_and_responses_from_two_files(tmp_path):
    """RESP has the response, StationXML the place."""
    (tmp_path / "RESP.NZ.CRLZ.10.HHZ").write_bytes(kept("signal/tests/data/RESP.NZ.CRLZ.10.HHZ").read_bytes())
    make = obspy.core.inventory
    at = {"latitude": -43.5, "longitude": 172.6, "elevation": 0.0}
    channel = make.Channel("HHZ", "10", depth=0.0, azimuth=0.0, dip=-90.0, **at)
    site = make.Station("CRLZ", channels=[channel], **at)
    made = obspy.Inventory([make.Network("NZ", stations=[site])], source="test")
    made.write(str(tmp_path / "s.xml"), format="STATIONXML")
    header = {"network": "NZ", "station": "CRLZ", "location": "10", "channel": "HHZ"}
    begin = obspy.UTCDateTime(2011, 1, 1)
    one = obspy.Trace(np.sin(T), {**header, "starttime": begin})
    one.write(str(tmp_path / "a.mseed"), format="MSEED")
    (got,) = read(tmp_path, begin.datetime.replace(tzinfo=UTC), responses=True)
    assert (got.latitude[0], got.longitude[0]) == (-43.5, 172.6) and got.quantity == "velocity"


@pytest.mark.filterwarnings("ignore")
def test_real_axes_are_turned_as_obspy_turns_them():
    """Boreholes with axes 4°, 351° and 356° off: the rotated records that come with ObsPy."""
    table = foreign.inventory(kept("core/tests/data/ffbx.stationxml"))
    raw = foreign.waveforms(kept("core/tests/data/ffbx_unrotated_gaps.mseed"))
    truth = foreign.waveforms(kept("core/tests/data/ffbx_rotated.slist"))
    when = raw[0].stats.starttime.datetime.replace(tzinfo=UTC)
    (got,) = from_obspy(raw, table, when, unit="counts", channels="HH?")
    compared = 0
    for one in truth.select(channel="HH?"):
        row = got.values[
            list(got.station).index(f"BW.{one.stats.station}"), "ENZ".index(one.stats.channel[-1])
        ]
        begin = round((one.stats.starttime.timestamp - when.timestamp() - got.t[0]) / got.dt)
        np.testing.assert_allclose(row[begin : begin + one.stats.npts], one.data, rtol=1e-4, atol=0.5)
        compared += one.stats.npts
    assert compared > 1000


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "path, centroid",
    [
        ("io/cmtsolution/tests/data/CMTSOLUTION", True),
        ("io/ndk/tests/data/C200604092050A.ndk", True),
        ("io/quakeml/tests/data/neries_events.xml", False),
    ],
)
def test_earthquakes_that_come_with_obspy(path, centroid):
    quake = read_event(kept(path), 1)
    assert quake.hypocentre is not None and (quake.centroid is not None) == centroid
    assert quake.tensor is None or len(quake.tensor) == 6
    assert abs((quake.begin.time - datetime(2008, 1, 1, tzinfo=UTC)).days) < 4000


def test_every_listed_format_has_a_test(repository):
    """What the table of records and metadata names is tested above, and all that is tested is named;
    poles and zeros have a file of tests of their own.
    """
    text = (repository / "docs" / "formats.rst").read_text(encoding="utf-8")
    rows = {
        match[1].strip(): re.sub(r"\s+", " ", match[2])
        for match in re.finditer(r"   \* - (.*)\n     - ((?:.*\n)(?:       .*\n)*)", text)
    }
    for row, tested in (("records", {**WRITTEN, **KEPT}), ("station metadata", METADATA)):
        named = {word.strip() for word in re.split(r"[,;]", rows[row])}
        named = {re.sub(r" \(.*\)| through .*", "", word) for word in named} - {"NumPy archives"}
        assert named - {"headers of SAC and K-NET", "SACPZ"} == set(tested)
