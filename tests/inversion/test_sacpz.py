"""Poles and zeros as SAC has them: the same counts as StationXML, or a refusal that names file and line."""

from datetime import UTC, datetime

import numpy as np
import pytest

obspy = pytest.importorskip("obspy", reason="needs ObsPy")

from obspy.core.inventory import Response  # noqa: E402

from dislok.inversion.cmt import read, sacpz  # noqa: E402
from dislok.inversion.cmt.metadata import instrument  # noqa: E402

REFERENCE = datetime(2011, 5, 1, tzinfo=UTC)
STS2 = {
    "zeros": [0j, 0j], "poles": [-0.0370 + 0.0370j, -0.0370 - 0.0370j, -131 + 467.3j, -131 - 467.3j, -251.3],
}  # fmt: skip
SENSITIVITY = 6.3e8


def _paz(**changes):
    roots = {**STS2, **changes}
    factor = _constant(roots["zeros"], roots["poles"], 1.0)
    made = Response.from_paz(
        roots["zeros"], roots["poles"], SENSITIVITY, input_units="M/S", normalization_factor=factor
    )
    made.instrument_sensitivity.value = SENSITIVITY
    return made


def _constant(zeros, poles, sensitivity=SENSITIVITY):
    s = 2j * np.pi
    return sensitivity * abs(np.prod([s - p for p in poles]) / np.prod([s - z for z in zeros] or [1]))


def text(zeros=3, unit="M", constant=None, poles=STS2["poles"], written=None, **header):
    """A file of three zeros at the origin, as displacement has them."""
    said = {
        "NETWORK   (KNETWK)": "XX", "STATION    (KSTNM)": "A", "LOCATION   (KHOLE)": "00",
        "CHANNEL   (KCMPNM)": "BHZ", "START": "2010/01/01 00:00:00.000", "END": "2012,001,00:00:00",
        "LATITUDE": "33.5", "LONGITUDE": "130.5", "DIP": "0.0", "AZIMUTH": "0.0", "INPUT UNIT": unit,
        "OUTPUT UNIT": "COUNTS", **header,
    }  # fmt: skip
    constant = _constant([0j] * 2, poles) if constant is None else constant
    lines = ["* ****", *(f"* {k:18}: {v}" for k, v in said.items() if v is not None), "* ****"]
    lines += [f"ZEROS {zeros}", *["0 0"] * (zeros if written is None else written), f"POLES {len(poles)}"]
    lines += [f"  {complex(p).real:.6e} {complex(p).imag:.6e}" for p in poles]
    return "\n".join([*lines, f"CONSTANT {constant:.9e}"]) + "\n"


def _found(tmp_path, content, name="SAC_PZs_XX_A_BHZ_00"):
    (tmp_path / name).write_text(content)
    ((network,),) = [sacpz.inventory(tmp_path / name)]
    return network, network[0][0]


OMEGA = 2 * np.pi * np.geomspace(0.01, 5, 12)


def _same_counts(response, quantity="velocity"):
    """Counts of a metre of motion at all periods are those of the sensor."""
    got, want = instrument(response), instrument(_paz())
    assert got.quantity == quantity
    factor = {"velocity": 1.0, "displacement": 1j * OMEGA, "acceleration": 1 / (1j * OMEGA)}[quantity]
    ours = got.gain * got.response.response(OMEGA.astype(complex))
    np.testing.assert_allclose(ours, want.gain * want.response.response(OMEGA.astype(complex)) * factor, 1e-5)


def test_a_file_as_data_centres_write_it(tmp_path):
    network, channel = _found(tmp_path, text())
    assert (network.code, network[0].code, channel.code, channel.location_code) == ("XX", "A", "BHZ", "00")
    assert (channel.latitude, channel.longitude, channel.azimuth, channel.dip) == (33.5, 130.5, 0.0, -90.0)
    assert channel.start_date == obspy.UTCDateTime(2010, 1, 1)
    assert channel.end_date == obspy.UTCDateTime(2012, 1, 1)
    _same_counts(channel.response)


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "METERS"}, {"unit": None}, {"unit": "M/S"}, {"unit": "M/S", "zeros": 2}, {"written": 0},
        {"written": 1}, {"unit": "NM", "constant": 1e-9 * _constant([0j] * 2, STS2["poles"])},
    ],
)  # fmt: skip
def test_however_it_says_the_same(tmp_path, changes):
    """Unit missing, in words, of the sensor itself, in nm; zeros not written out lie at the origin."""
    _same_counts(_found(tmp_path, text(**changes))[1].response)


def test_obspy_writes_what_is_read(tmp_path):
    network, channel = _found(tmp_path, text())
    channel.response = _paz()
    made = obspy.Inventory([network], source="test")
    made.write(str(tmp_path / "again.sacpz"), format="SACPZ")
    _same_counts(sacpz.inventory(tmp_path / "again.sacpz")[0][0][0].response)
    assert sacpz.inventory(tmp_path / "again.sacpz")[0][0][0].dip == -90.0


def test_a_reversed_sensor_stays_one(tmp_path):
    channel = _found(tmp_path, text(constant=-_constant([0j] * 2, STS2["poles"])))[1]
    assert instrument(channel.response).gain < 0


def test_accelerometers_have_two_zeros(tmp_path):
    poles = [-100 + 50j, -100 - 50j]
    channel = _found(tmp_path, text(zeros=2, poles=poles, constant=2e5))[1]
    found = instrument(channel.response)
    assert found.quantity == "acceleration" and found.response.zeros == ()
    value = found.gain * found.response.response(np.array([0.1 + 0j]))
    np.testing.assert_allclose(value, 2e5 / np.prod([-p for p in poles]).real, rtol=1e-2)


@pytest.mark.parametrize(
    "channel, dip, found",
    [
        ("BHZ", "0.0", -90.0), ("BHZ", "-90", -90.0), ("BHZ", "90", 90.0), ("BHZ", "180", 90.0),
        ("BHE", "90", 0.0), ("BHE", "0", 0.0), ("BH1", "90.0", 0.0), ("BH3", "0", None),
        ("BHW", "54.7", None), ("BHE", None, None), ("BHZ", "400", None),
    ],
)  # fmt: skip
def test_dips_of_two_conventions(tmp_path, channel, dip, found):
    """SEED's from the horizontal, SAC's from the vertical; where it may be either, nothing is said."""
    changes = {"CHANNEL   (KCMPNM)": channel, "DIP": dip}
    assert _found(tmp_path, text(**changes))[1].dip == found


def test_several_epochs_and_channels_in_one_file(tmp_path):
    later = {"START": "2012/01/01 00:00:00", "END": "2599/12/31 23:59:59"}
    other = {"CHANNEL   (KCMPNM)": "BHE", "AZIMUTH": "90.0", "DIP": "90.0"}
    whole = text() + "\n" + text(constant=1e15, **later) + text(**other)
    (tmp_path / "all.pz").write_text(whole)
    table = sacpz.inventory(tmp_path / "all.pz")
    channels = [channel for station in table[0] for channel in station]
    assert [c.code for c in channels] == ["BHZ", "BHZ", "BHE"]
    now = [c for c in channels if c.code == "BHZ" and c.is_active(obspy.UTCDateTime(2011, 5, 1))]
    assert len(now) == 1
    _same_counts(now[0].response)


def test_without_comments_the_name_says_whose(tmp_path):
    bare = "\n".join(line for line in text().splitlines() if not line.startswith("*"))
    network, channel = _found(tmp_path, bare, "SAC_PZs_IU_COLA_BHZ_10_2009.190.00.00.00")
    assert (network.code, network[0].code, channel.code, channel.location_code) == ("IU", "COLA", "BHZ", "10")
    _same_counts(channel.response)
    with pytest.raises(ValueError, match="says neither in its comments nor by its name"):
        _found(tmp_path, bare, "mine.pz")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda s: s.replace("CONSTANT", "CONSTANTS"), "line 25: expected a number, got 'CONSTANTS'"),
        (lambda s: s.replace("ZEROS 3", "ZEROS three"), "line 15: expected a number, got 'three'"),
        (lambda s: s.replace("ZEROS 3", "ZEROS 2"), "ZEROS 2 is followed by 3 roots"),
        (lambda s: s.split("ZEROS")[0], "neither poles nor zeros"),
        (lambda s: s.replace("-2.513", "2.513"), "does not decay"),
        (lambda s: s.replace("33.5", "1.23R"), "latitude: expected a number, got '1.23R'"),
        (lambda s: s.replace("2010/01/01", "2010/13/01"), "start is no time"),
        (lambda s: s.replace("2010/01/01", "yesterday"), "start is no time"),
        (lambda s: s.replace(": M\n", ": PA\n"), "no unit of displacement"),
        (lambda s: s.replace(": M\n", ": M/S**2\n"), "fit neither that nor displacement"),
        (lambda s: s[: s.index("CONSTANT")] + "CONSTANT 0\n", "CONSTANT must be"),
        (lambda s: s[: s.index("CONSTANT")] + "CONSTANT nan\n", "expected a finite number"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused(tmp_path, change, words):
    (tmp_path / "a.pz").write_text(change(text()))
    with pytest.raises(ValueError, match=words) as error:
        sacpz.inventory(tmp_path / "a.pz")
    assert "a.pz" in str(error.value) or "unit" in words


def test_counts_beside_their_files(tmp_path):
    """A folder of SAC files with poles and zeros: in m/s, up where SAC's angle says so."""
    t = np.arange(0.0, 120.0)
    for channel, azimuth, dip in (("BHZ", "0", "0"), ("BHN", "0", "90"), ("BHE", "90", "90")):
        header = {"network": "XX", "station": "A", "location": "00", "channel": channel, "sampling_rate": 1.0}
        one = obspy.Trace(
            np.round(1e6 * np.sin(t / 5)).astype(np.int32),
            {**header, "starttime": obspy.UTCDateTime(REFERENCE)},
        )
        one.write(str(tmp_path / f"{channel}.mseed"), format="MSEED")
        named = {"CHANNEL   (KCMPNM)": channel, "AZIMUTH": azimuth, "DIP": dip}
        (tmp_path / f"SAC_PZs_XX_A_{channel}_00").write_text(text(**named))
    (got,) = read(tmp_path, REFERENCE, responses=True)
    assert got.quantity == "velocity" and got.left_out == ()
    assert (got.latitude[0], got.longitude[0]) == (33.5, 130.5)
    shape = got.response.response(np.array([2j * 0 + 2 * np.pi]))
    np.testing.assert_allclose(np.abs(shape), 1.0, rtol=1e-9)
    np.testing.assert_allclose(got.values[0], np.tile(1e6 * np.sin(t / 5) / SENSITIVITY, (3, 1)), atol=1e-9)
