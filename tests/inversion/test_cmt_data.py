"""Records as they come: gaps, missing components, wrong tables; what is used, bridged or refused."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from dislok.inversion.cmt.data import Offsets, Waveforms
from dislok.inversion.cmt.filters import CosineLowpass
from dislok.inversion.cmt.noise import Noise
from dislok.inversion.cmt.records import Records, Response, merge, parse_utc, read_archive
from dislok.inversion.gnss import OffsetTable

REFERENCE = datetime(2016, 4, 15, 16, 25, 6, tzinfo=UTC)
T = np.arange(-60.0, 180.0)


def records(n=3, **changes):
    """Smooth steps of 1, 2, ... cm at n stations."""
    step = np.tanh((T - 30) / 6) / 2 + 0.5
    values = 0.01 * np.arange(1, n + 1)[:, None, None] * np.ones((1, 3, 1)) * step
    base = Records(
        np.array([f"A{i}" for i in range(n)]),
        33.0 + 0.1 * np.arange(n),
        np.full(n, 130.0),
        T,
        values,
        REFERENCE,
    )
    return replace(base, **changes)


def test_level_is_taken_away_and_step_kept():
    raised = records(values=records().values + 5.0)
    data = Waveforms(raised, CosineLowpass(0.03, 0.1), (0.0, 120.0), "E")
    np.testing.assert_allclose(data.observed[:, 0, -1], [0.01, 0.02, 0.03], rtol=1e-3)
    assert np.isnan(data.observed[:, 1]).all() and not data.mask[:, 1:].any()


def test_short_gap_is_bridged_and_does_not_count():
    values = records().values.copy()
    values[0, 0, 100:104] = np.nan
    data = Waveforms(records(values=values), window=(0.0, 100.0))
    whole = Waveforms(records(), window=(0.0, 100.0))
    assert not data.dropped
    assert whole.mask[0, 0].sum() - data.mask[0, 0].sum() == 4
    used = data.mask[0, 0]
    np.testing.assert_allclose(data.observed[0, 0][used], whole.observed[0, 0][used], atol=4e-5)


def test_long_gap_and_missing_component_are_left_out_with_a_reason():
    values = records().values.copy()
    values[0, 0, 100:131] = np.nan
    values[1, 1] = np.nan
    data = Waveforms(records(values=values), window=(0.0, 100.0))
    assert data.dropped == ("A0 E: a gap of 31 s", "A1 N: no samples in the window")
    assert not data.mask[0, 0].any() and not data.mask[1, 1].any() and data.mask[0, 1].all()


def test_around_a_long_gap_nothing_counts_that_feels_its_bridge():
    """What is fitted beside a gap of 20 s is what would be there without it."""
    values = records().values.copy()
    values[0, 0, 100:120] = np.nan
    data, whole = (Waveforms(one, window=(0.0, 100.0)) for one in (records(values=values), records()))
    assert not data.dropped
    used, ring = data.mask[0, 0], data.band.ringing
    lost = whole.times[whole.mask[0, 0] & ~used]
    gap, ring = data.records.t[[100, 119]], ring
    assert lost.min() >= gap[0] - ring - 1 and lost.max() <= gap[1] + ring + 1 and len(lost) >= 20
    largest = np.abs(whole.observed[0, 0]).max()
    np.testing.assert_allclose(data.observed[0, 0][used], whole.observed[0, 0][used], atol=0.03 * largest)


def test_what_lies_between_gaps_of_many_seconds_is_used(rng):
    """Gaps as a real station has them: what is fitted is right to a tenth of the record."""
    t = np.arange(-120.0, 200.0)
    shaken = np.convolve(rng.standard_normal(len(t)), np.hanning(12), "same")
    shaken *= np.exp(-(((t - 50) / 40) ** 2))
    whole = replace(records(), t=t, values=np.tile(shaken, (3, 3, 1)))
    values = whole.values.copy()
    for begin, end in ((-18, -5), (-1, 11), (40, 50), (55, 75), (101, 113), (115, 125)):
        values[0, 0, (t >= begin) & (t <= end)] = np.nan
    band, window = CosineLowpass(0.03, 0.1), (0.0, 120.0)
    gappy, full = (Waveforms(one, band, window) for one in (replace(whole, values=values), whole))
    used = gappy.mask[0, 0]
    assert not gappy.dropped and used.sum() * gappy.stride >= 25
    wrong = (gappy.observed - full.observed)[0, 0][used]
    assert np.sqrt((wrong**2).mean()) < 0.1 * full.observed[0, 0].std()


def test_gaps_that_leave_nothing_are_named():
    values = records().values.copy()
    for begin in range(40, len(T), 13):
        values[0, 0, begin : begin + 10] = np.nan
    data = Waveforms(records(values=values), window=(0.0, 100.0))
    assert "A0 E: its gaps leave nothing to fit" in data.dropped


def test_record_that_begins_late_needs_a_later_quiet_time():
    values = records().values.copy()
    values[..., T < 0] = np.nan
    with pytest.raises(ValueError, match="no samples before 0 s, when it rests; set quiet"):
        Waveforms(records(values=values)).observed  # noqa: B018
    assert Waveforms(records(values=values), quiet=5.0).mask.any()


def test_nothing_left_is_an_error():
    with pytest.raises(ValueError, match="nothing is left to fit"):
        Waveforms(records(values=np.full((3, 3, len(T)), np.nan))).observed  # noqa: B018


def test_low_bands_use_fewer_samples():
    """Five samples for every period of the highest frequency: every third of 1 Hz for 0.06 Hz."""
    data = Waveforms(records(), CosineLowpass(0.02, 0.06), (0.0, 120.0))
    assert data.stride == 3
    np.testing.assert_allclose(np.diff(data.times), 3.0)


def test_windows_of_stations():
    data = Waveforms(records(), window=(np.array([0.0, 10.0, 20.0]), 60.0))
    assert [int(data.times[row][0]) for row in data.mask[:, 0]] == [0, 10, 20]


def test_weights_and_sigma_scale_rows():
    data = Waveforms(
        records(),
        window=(0.0, 50.0),
        components="EN",
        sigma=(2.0, 4.0, 1.0),
        weight=np.array([[1.0], [3.0], [0.0]]),
    )
    rows = data.whitener.rows(np.ones((3, 3, len(data.times))))
    assert set(np.round(rows, 12)) == {0.5, 0.25, 1.5, 0.75}
    assert set(data.whitener.station_names) == {"A0", "A1"}


def test_correlated_noise_is_whitened(rng):
    """Rows of noise that has the assumed covariance have variance one."""
    draws = []
    decay = np.exp(-1 / 30.0)
    for _ in range(40):
        noise = rng.standard_normal((3, 3, len(T)))
        for i in range(1, len(T)):
            noise[..., i] = decay * noise[..., i - 1] + np.sqrt(1 - decay**2) * noise[..., i]
        draws.append(noise)
    model = Noise(0.3, 1.0, 30.0)
    ratio = []
    for noise in draws:
        whole = noise + 0.3 * rng.standard_normal(noise.shape)
        data = Waveforms(records(values=whole), CosineLowpass(0.05, 0.2), (40.0, 100.0), noise=model)
        rows = data.whitener.rows(data.observed)
        ratio.append(rows @ rows / data.whitener.expected)
    # A band up to 0.2 Hz has fewer independent numbers than samples. The mean before the shaking was taken
    # away from every record, so a little more than one is left.
    assert data.whitener.expected < 0.6 * len(rows)
    assert 0.95 < np.mean(ratio) < 1.3


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"station": np.array(["A0", "A1", "A0"])}, "station A0 has 2 records"),
        ({"latitude": np.array([33.0, 95.0, 33.0])}, "95.0 of station A1"),
        ({"values": np.zeros((3, 2, len(T)))}, "expected shape"),
        ({"t": np.where(np.arange(len(T)) > 50, T + 0.5, T)}, "evenly spaced"),
        ({"quantity": "jerk"}, "displacement, velocity, acceleration"),
    ],
)
def test_wrong_tables_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        records(**changes)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"components": "EZ"}, "E, N, U"),
        ({"sigma": 1.0, "noise": Noise(1.0)}, "not both"),
        ({"sigma": np.array([[1.0], [0.0], [1.0]])}, "station A1"),
        ({"shift": np.zeros(7)}, r"broadcasts to \(3,\)"),
        ({"band": CosineLowpass(0.4, 0.9)}, "Nyquist"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Waveforms(records(), **options)


def test_choosing_stations():
    table = records(5)
    assert list(table.named(["A3", "A1"]).station) == ["A3", "A1"]
    assert "A2" not in table.without(["A2"]).station
    assert list(table.between(33.0, 130.0, 5.0, 35.0).station) == ["A1", "A2", "A3"]
    for call in (lambda: table.named(["B"]), lambda: table.without(["B"]), lambda: table.between(0, 0, 0, 1)):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(ValueError, match="has 2 records"):
        merge([table, table])


def test_archive_is_read(tmp_path):
    table = records()
    np.savez(
        tmp_path / "a.npz", disp_enu_m=table.values, station=table.station, lat=table.latitude,
        lon=table.longitude,
        t=T, origin_time="2016-04-15T16:25:06",
    )  # fmt: skip
    read = read_archive(tmp_path / "a.npz")
    assert read.reference == REFERENCE
    np.testing.assert_array_equal(read.values, table.values)
    np.savez(tmp_path / "b.npz", station=table.station)
    with pytest.raises(ValueError, match="no entry 'disp_enu_m'"):
        read_archive(tmp_path / "b.npz")
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_utc("yesterday")


def test_offsets_are_whitened_and_checked():
    table = OffsetTable(
        np.array(["A", "B"]), np.array([33.0, 34.0]), np.array([130.0, 130.0]),
        np.array([[0.1, 0.2, np.nan], [0.0, 0.1, 0.1]]), np.full((2, 3), 0.01),
    )  # fmt: skip
    rows = Offsets(table, "EN").whitener.rows(table.offset)
    np.testing.assert_allclose(rows, [10, 20, 0, 10])
    with pytest.raises(ValueError, match="sigma of station B"):
        Offsets(table._replace(sigma=np.array([[0.01] * 3, [0.0] * 3])))


def test_response_of_poles_and_zeros():
    """A damped oscillator of 1 s against its formula; poles in the wrong half are refused."""
    omega0, h = 2 * np.pi, 0.7
    roots = tuple(np.roots([1, 2 * h * omega0, omega0**2]))
    omega = np.array([0.1, 3.0, 20.0])
    got = Response((0j, 0j), roots, 2.0).response(omega + 0j)
    expected = 2.0 * (1j * omega) ** 2 / ((1j * omega) ** 2 + 2 * h * omega0 * 1j * omega + omega0**2)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="left of the imaginary axis"):
        Response(poles=(1 + 1j,))
