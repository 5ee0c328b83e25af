"""Six stations, one of them mounted the wrong way round, from MiniSEED and StationXML to a moment tensor.

With metadata that say so, nothing of it is left in the result; without, it is found and left out.
"""

from datetime import UTC, datetime

import numpy as np
import pytest
from cmt_cases import ORIGIN, mechanism

from dislok import convert
from dislok.inversion import cmt
from dislok.inversion.cmt.demo import CRUST
from dislok.inversion.cmt.orientation import Direction

obspy = pytest.importorskip("obspy", reason="needs ObsPy")

from obspy.core.inventory import Channel, Inventory, Network, Station  # noqa: E402

REFERENCE = datetime(2020, 5, 1, 12, tzinfo=UTC)
TRUTH = cmt.Sources.at(3.0, -2.0, 12.0, 5.0, 3.5).with_tensor(mechanism(35.0, 55.0, 80.0, 6.78)[None])
AZIMUTH, FAR = np.array([20.0, 80.0, 140.0, 200.0, 260.0, 320.0]), np.array([60.0, 90, 50, 110, 75, 65])
RIGHT = {"E": (90.0, 0.0), "N": (0.0, 0.0), "Z": (0.0, -90.0)}
REVERSED = {"E": (270.0, 0.0), "N": (180.0, 0.0), "Z": (0.0, 90.0)}


def _records():
    angle = np.deg2rad(AZIMUTH)
    lon, lat = convert.to_geographic(1e3 * FAR * np.sin(angle), 1e3 * FAR * np.cos(angle), *ORIGIN[::-1])
    made = cmt.synthetic_records(
        np.asarray(lat), np.asarray(lon), CRUST, TRUTH, ORIGIN, end=160.0, stf="triangle"
    )
    made.values[...] += cmt.gnss_noise(len(made), made.t, np.random.default_rng(3))
    return made


def _written(folder, records, turned, described):
    """MiniSEED as the stations, one of them turned, have recorded, and a StationXML that describes it."""
    network = Network("XX")
    for i, name in enumerate(records.station):
        axes = REVERSED if name == turned else RIGHT
        at = {"latitude": records.latitude[i], "longitude": records.longitude[i], "elevation": 0.0}
        said = axes if described else RIGHT
        own = [Channel("LY" + c, "", depth=0.0, azimuth=a, dip=d, **at) for c, (a, d) in said.items()]
        network.stations.append(Station(str(name), channels=own, **at))
        for c, direction in axes.items():
            header = {
                "network": "XX", "station": str(name), "channel": "LY" + c, "delta": records.dt,
                "starttime": obspy.UTCDateTime(REFERENCE) + records.t[0],
            }  # fmt: skip
            samples = Direction(*direction).vector @ records.values[i]
            obspy.Trace(samples, header).write(str(folder / f"{name}.{c}.mseed"), format="MSEED")
    Inventory([network], source="test").write(str(folder / "stations.xml"), format="STATIONXML")


def _inverted(folder):
    (records,) = cmt.read(folder, REFERENCE)
    data = cmt.Waveforms(records, cmt.CosineLowpass(0.03, 0.1), (0.0, 120.0))
    return cmt.invert(cmt.Problem(data, CRUST, ORIGIN), reach=40.0)


@pytest.mark.slow
@pytest.mark.parametrize("turned", ["S01", "S03", "S06"])
def test_a_reversed_station_of_six_makes_no_difference(tmp_path, turned):
    """Every sample comes back with its sign, and the source within what is stated."""
    made = _records()
    _written(tmp_path, made, turned, described=True)
    (got,) = cmt.read(tmp_path, REFERENCE)
    np.testing.assert_allclose(got.values, made.values, rtol=0, atol=1e-12)
    assert any(f"XX.{turned}" in line and "apart" in line for line in got.notes)
    result = _inverted(tmp_path)
    c, sigma, spread = result.centroids[0], result.sigma(), result.spread()
    assert result.dropped == () and result.variance_reduction > 0.9
    assert abs(c.magnitude - 6.78) < spread["Mw"] and abs(c.depth - 12.0) < sigma["depth"]
    assert spread["Mw"] < 0.1 and sigma["depth"] < 4.0


@pytest.mark.slow
@pytest.mark.parametrize("turned", [f"S0{i}" for i in range(1, 7)])
def test_a_reversed_station_that_nothing_describes_is_found(tmp_path, turned):
    """It alone is left out, with its reason, and the source is what the others say."""
    _written(tmp_path, _records(), turned, described=False)
    result = _inverted(tmp_path)
    c = result.centroids[0]
    assert {line.split()[0] for line in result.dropped} == {f"XX.{turned}"}
    assert all("axis" in line for line in result.dropped)
    assert abs(c.magnitude - 6.78) < 0.05 and abs(c.depth - 12.0) < 1.5 and result.sigma()["depth"] < 3.0
