"""Empty, cut, binary, foreign and senseless files at every reader: as ever, or an error of ours with a name.

Every reader gets a sound file and the same file spoilt in some seventy ways. What only looks different (line
ends, marks, blanks) is read as before; what holds too little or too much is refused; nothing else than a
`ValueError` that names the file leaves a reader, and no number without a limit comes out of one.
"""

import re
from datetime import UTC, datetime

import numpy as np
import pytest

obspy = pytest.importorskip("obspy", reason="needs ObsPy")
pytest.importorskip("rasterio", reason="needs rasterio")
pytest.importorskip("meshio", reason="needs meshio")

from test_catalogue import CMTSOLUTION, HYPOCENTRE, NDK, origin, quake, quakeml  # noqa: E402
from test_finite import SRCMOD, SRF1, USGS  # noqa: E402
from test_mesh_files import GMSH2, GMSH4, SQUARE, tsurf  # noqa: E402
from test_sacpz import text as poles_and_zeros  # noqa: E402
from test_series import NOON, geonet, pos, positions, tenv3  # noqa: E402

from dislok import raster  # noqa: E402
from dislok.inversion import cmt, finite  # noqa: E402
from dislok.inversion.cmt import sacpz  # noqa: E402
from dislok.inversion.gnss import read_offsets, read_series  # noqa: E402
from dislok.inversion.mesh import read_mesh_values  # noqa: E402
from dislok.propagator import LayeredModel  # noqa: E402

REFERENCE = datetime(2020, 5, 1, 12, tzinfo=UTC)
TABLE = """station,lat,lon,E,N,U,sE,sN,sU
A,33.0,130.0,0.1,0.2,0.3,0.01,0.01,0.02
B,33.5,130.5,0.1,-0.2,0.3,0.01,0.01,0.02
"""
LAYERS = """thickness(km) vp(km/s) vs(km/s) rho(g/cm3)
1.0 2.5 1.2 2.1
10.0 6.0 3.4 2.7
0.0 8.0 4.6 3.3
"""
NODES = """0.0 5.8 3.46 2.6
20.0 5.8 3.46 2.6
20.0 6.5 3.85 2.9
35.0 6.5 3.85 2.9
mantle
35.0 8.04 4.48 3.58
77.0 8.045 4.49 3.5
"""
MODEL = SRCMOD.format(word="center", htop="2.50", more="", rows="", z0="3", z1="5")


def trace(channel):
    header = {"network": "XX", "station": "ABC", "channel": channel, "delta": 1.0}
    header["starttime"] = obspy.UTCDateTime(REFERENCE) - 20
    return obspy.Trace(np.exp(-((np.arange(1200.0) - 40) ** 2) / 100), header)


def mseed(path):
    obspy.Stream([trace(f"LH{c}") for c in "ENZ"]).write(str(path), format="MSEED")


def station_xml(path):
    station = obspy.core.inventory.Station("ABC", latitude=33.0, longitude=130.0, elevation=0.0)
    network = obspy.core.inventory.Network("XX", stations=[station])
    obspy.Inventory([network], source="test").write(str(path), format="STATIONXML")


def sac(path):
    one = trace("LHE")
    one.stats.sac = {"stla": 33.0, "stlo": 130.0, "cmpaz": 90.0, "cmpinc": 90.0}
    one.write(str(path), format="SAC")


def archive(path):
    values = np.zeros((2, 3, 50)) + np.arange(50)
    np.savez(
        path, disp_enu_m=values, station=np.array(["A", "B"]), lat=np.array([33.0, 34]),
        lon=np.array([130.0, 131]), t=np.arange(50.0), origin_time="2020-05-01T12:00:00",
    )  # fmt: skip


def tiff(path):
    values = np.arange(3000.0, dtype=np.float32).reshape(50, 60)
    raster.write(path, raster.Raster(values, (0.01, 0, 130, 0, -0.01, 34), "EPSG:4326", None))


def records(path):
    if not any(path.parent.glob("*.xml")):
        station_xml(path.parent / "s.xml")
    if path.suffix == ".xml":
        mseed(path.parent / "w.mseed")
    found = cmt.read(path if path.suffix == ".npz" else path.parent, REFERENCE, strict=True)
    return [(r.station, r.latitude, r.longitude, r.values, r.notes) for r in found]


def responses(path):
    return [
        (c.code, c.latitude, c.longitude, c.azimuth, c.dip, str(c.response))
        for network in sacpz.inventory(path) for station in network for c in station
    ]  # fmt: skip


def surface(path):
    mesh, values = read_mesh_values(path)
    return mesh.points, mesh.cells, values


def written(write):
    def content(folder):
        write(folder / "whole.npz" if write is archive else folder / "whole")
        return next(folder.iterdir()).read_bytes()

    return content


def series(write):
    enu = positions(np.random.default_rng(0), NOON[:40])
    return written(lambda path: write(path, enu, NOON[:40]))


TEXTS = {
    "table.csv": (TABLE, read_offsets), "a.param": (USGS.format(a="4e26", b="1.5e26"), finite.read),
    "a.fsp": (MODEL, finite.read), "a.srf": (SRF1, finite.read), "c.txt": (LAYERS, LayeredModel.read),
    "c.nd": (NODES, LayeredModel.read), "v2.msh": (GMSH2, surface), "v4.msh": (GMSH4, surface),
    "m.ts": (tsurf(SQUARE), surface), "CMTSOLUTION": (CMTSOLUTION, cmt.read_event),
    "q.ndk": (NDK, cmt.read_event), "SAC_PZs_XX_A_BHZ": (poles_and_zeros(), responses),
    "a.tenv3": (series(tenv3), read_series), "b.pos": (series(pos), read_series),
    "g.pos": (series(geonet), read_series),
}  # fmt: skip
OTHERS = {
    "w.mseed": (written(mseed), records), "s.xml": (written(station_xml), records),
    "e.sac": (written(sac), records), "t.npz": (written(archive), records),
    "q.xml": (written(quakeml(quake([origin(HYPOCENTRE)]))), cmt.read_event),
    "r.tif": (written(tiff), raster.read),
}  # fmt: skip
FILES = {**TEXTS, **OTHERS}

SAME = {
    "crlf": lambda d: d.replace(b"\n", b"\r\n"), "mark": lambda d: b"\xef\xbb\xbf" + d,
    "blanks at ends": lambda d: d.replace(b"\n", b"   \n"),
    "no last line end": lambda d: d.rstrip(b"\n"),
}  # fmt: skip
WORTHLESS = {
    "empty": lambda d: b"", "blank": lambda d: b"\n\n", "zeros": lambda d: bytes(500),
    "junk": lambda d: np.random.default_rng(1).bytes(700), "page": lambda d: b"<html>404 Not Found</html>\n",
    "json": lambda d: b'{"error": "not found"}\n', "begin": lambda d: d[: len(d) // 20],
}  # fmt: skip
NUMBER = re.compile(rb"(?<![\w.])-?\d+\.\d+(?:[eE][+-]?\d+)?(?![\w.])")
COUNT = re.compile(rb"(?<![\w.])\d+(?![\w.])")


def changed(pattern, share, new):
    """The content with the number at a share of all its numbers replaced."""

    def change(content):
        hits = list(pattern.finditer(content))
        if not hits:
            return b""
        hit = hits[int(share * (len(hits) - 1))]
        return content[: hit.start()] + new + content[hit.end() :]

    return change


SENSELESS = {
    f"{new.decode() or 'nothing'} for number {share}": changed(NUMBER, share, new)
    for share in (0, 0.3, 0.5, 0.7, 1)
    for new in (b"nan", b"inf", b"1e308", b"-1e999", b"abc", b"", b"-999", b"999999999")
} | {
    f"{new.decode()} for count {share}": changed(COUNT, share, new)
    for share in (0, 0.3, 0.5, 0.7, 1)
    for new in (b"999999999", b"-1", b"1e9", b"x")
}  # fmt: skip
CUTS = {
    f"cut at {share}": lambda d, share=share: d[: int(share * len(d))] for share in (0.2, 0.4, 0.6, 0.8, 0.95)
}


def outcome(folder, name, content):
    """What a reader makes of a content: its result as text, or its error."""
    folder.mkdir()
    (folder / name).write_bytes(content)
    with np.printoptions(threshold=10**6, precision=17):
        try:
            return re.sub(r"\s+", " ", repr(FILES[name][1](folder / name))).replace(str(folder), "")
        except ValueError as error:
            return error


@pytest.fixture
def tried(tmp_path):
    """A function that reads a file with a content, each in a folder of its own."""
    count = iter(range(10**6))
    return lambda name, content: outcome(tmp_path / str(next(count)), name, content)


def sound(name, tmp_path):
    whole = FILES[name][0]
    if isinstance(whole, str):
        return whole.encode()
    (tmp_path / "sound").mkdir()
    return whole(tmp_path / "sound")


@pytest.mark.parametrize("name", TEXTS)
def test_what_only_looks_different_is_the_same(tmp_path, tried, name):
    whole = sound(name, tmp_path)
    truth = tried(name, whole)
    assert not isinstance(truth, ValueError), truth
    for kind, change in SAME.items():
        assert str(tried(name, change(whole))) == truth, kind
    wide = tried(name, whole.decode().encode("utf-16"))
    assert str(wide) == truth or (isinstance(wide, ValueError) and name in str(wide)), wide


@pytest.mark.parametrize("name", FILES)
def test_worthless_files_are_refused_by_name(tmp_path, tried, name):
    whole = sound(name, tmp_path)
    for kind, change in WORTHLESS.items():
        found = tried(name, change(whole))
        assert isinstance(found, ValueError) and name in str(found), (kind, found)


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_cut_off(tmp_path, tried, name):
    """Refused, unless a whole file of fewer lines could look the same; records say that they are damaged."""
    whole = sound(name, tmp_path)
    shorter = {"table.csv", "a.tenv3", "b.pos", "c.txt", "c.nd", "CMTSOLUTION"}
    for kind, change in CUTS.items():
        found = tried(name, change(whole))
        if isinstance(found, ValueError):
            assert name in str(found), (kind, found)
        else:
            assert name in shorter or "damaged" in found or found == tried(name, whole), (kind, found)


@pytest.mark.parametrize("name", TEXTS)
def test_senseless_numbers(tmp_path, tried, name):
    """No other error than ours, no endless memory, and no number of absurd size in a result."""
    whole, loud = sound(name, tmp_path), 0
    for kind, change in SENSELESS.items():
        found = tried(name, change(whole))
        loud += isinstance(found, ValueError)
        if isinstance(found, ValueError):
            assert name in str(found), (kind, found)
        else:
            # Values of triangles are the user's own.
            assert name in ("v2.msh", "v4.msh", "m.ts") or not re.search(r"e\+30[0-9]", found), (kind, found)
    assert loud > len(SENSELESS) / 4


MESSAGES = [
    ("table.csv", b"0.1,0.2", b"1e308,0.2", "line 2: E of A must be within 100 m"),
    ("table.csv", b"33.5", b"93.5", "line 3: latitude of B must be within 90, got 93.5"),
    ("c.txt", b"10.0 6.0", b"10.0 abc", "line 3: expected 4 numbers, got '10.0 abc 3.4 2.7'"),
    ("c.txt", b"10.0 6.0", b"x 6.0", "line 3: expected 4 numbers, got 'x 6.0 3.4 2.7'"),
    ("c.nd", b"20.0 6.5", b"deep 6.5", "line 3: expected numbers, got 'deep 6.5 3.85 2.9'"),
    ("a.fsp", b"Nz = 2", b"Nz = 3", "its head says 6 patches, but the table has 4"),
    ("a.fsp", b"LAT = 32.80", b"LAT = 1e300", "hypocentre at latitude 1e"),
    ("CMTSOLUTION", b"12.1000", b"46700", "lies 46700 km deep"),
    ("CMTSOLUTION", b"duration:   9.0", b"duration:  -9.0", "half-duration of -9 s"),
    ("SAC_PZs_XX_A_BHZ", b"33.5", b"133.5", "latitude of XX.A.00.BHZ is 133.5"),
]  # fmt: skip


@pytest.mark.parametrize("name, old, new, words", MESSAGES, ids=[f"{m[0]}: {m[3][:30]}" for m in MESSAGES])
def test_errors_say_where_and_what(tried, name, old, new, words):
    whole = FILES[name][0].encode()
    assert whole.count(old) == 1
    found = tried(name, whole.replace(old, new))
    assert isinstance(found, ValueError) and words in str(found) and name in str(found), found
