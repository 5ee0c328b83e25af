"""Static offsets from records: levels, honest errors under correlated noise, and the table that ships."""

import numpy as np
import pytest

from dislok.inversion.events import KUMAMOTO_EPICENTRE, kumamoto2016, main, measure_kumamoto2016
from dislok.inversion.gnss import read_offsets, static_offsets, write_offsets

TIMES = np.arange(-120.0, 300.0)


def white(rng, n):
    return rng.standard_normal((n, 3, TIMES.size))


def autoregressive(rng, n, time):
    """First-order noise of unit variance and a correlation time in samples."""
    decay = np.exp(-1 / time)
    noise = rng.standard_normal((n, 3, TIMES.size))
    noise[..., 1:] *= np.sqrt(1 - decay**2)
    for k in range(1, TIMES.size):
        noise[..., k] += decay * noise[..., k - 1]
    return noise


def random_walk(rng, n):
    return np.cumsum(0.1 * rng.standard_normal((n, 3, TIMES.size)), axis=-1)


NOISES = {
    "white": white,
    "correlated 5 s": lambda rng, n: autoregressive(rng, n, 5) + 0.5 * white(rng, n),
    "correlated 30 s": lambda rng, n: autoregressive(rng, n, 30) + 0.5 * white(rng, n),
    "correlated 100 s": lambda rng, n: autoregressive(rng, n, 100) + 0.3 * white(rng, n),
    "random walk": lambda rng, n: random_walk(rng, n) + 0.3 * white(rng, n),
}


@pytest.mark.parametrize("kind", NOISES)
def test_stated_error_is_the_real_one(kind, rng):
    """Over 1200 records the errors scatter by what sigma says, with outliers and gaps in every record."""
    records = NOISES[kind](rng, 400)
    records[..., TIMES >= 0] += 7.0
    outlier, gap = rng.random(records.shape) < 0.03, rng.random(records.shape) < 0.05
    records[outlier] += 50 * rng.standard_normal(outlier.sum())
    records[gap] = np.nan
    measured = static_offsets(TIMES, records, settle=100)
    scatter = np.std((measured.offset - 7.0) / measured.sigma)
    assert 0.8 < scatter < 1.25
    assert measured.usable().mean() > 0.95


def test_error_of_white_noise_is_that_of_two_medians(rng):
    measured = static_offsets(TIMES, white(rng, 200), settle=100)
    expected = np.sqrt(np.pi / 2 * (1 / 120 + 1 / 200))
    assert np.median(measured.sigma) == pytest.approx(expected, rel=0.1)
    assert (measured.n_before == 120).all() and (measured.n_after == 200).all()


def test_noiseless_step_is_exact():
    records = np.where(TIMES >= 10, 0.5, 0.1) * np.ones((2, 3, 1))
    measured = static_offsets(TIMES, records, origin_time=10, settle=20)
    np.testing.assert_allclose(measured.offset, 0.4, rtol=1e-15)
    np.testing.assert_allclose(measured.sigma, 0.0, atol=1e-15)


def test_shaking_does_not_matter(rng):
    quiet = white(rng, 4)
    shaken = quiet.copy()
    shaken[..., (TIMES > 0) & (TIMES < 80)] += 1e3
    np.testing.assert_array_equal(
        static_offsets(TIMES, quiet, settle=80).offset, static_offsets(TIMES, shaken, settle=80).offset
    )


def test_step_and_settling_time_per_station(rng):
    records = 0.01 * white(rng, 3)
    origin = np.array([-20.0, 0.0, 40.0])
    records += np.where(TIMES >= origin[:, None], 1.0, 0.0)[:, None]
    measured = static_offsets(TIMES, records, origin, settle=[50, 60, 70])
    np.testing.assert_allclose(measured.offset, 1.0, atol=0.01)
    np.testing.assert_array_equal(measured.n_before[:, 0], [100, 120, 160])


def test_windows_can_be_shortened(rng):
    measured = static_offsets(TIMES, white(rng, 2), settle=100, before=50, after=70)
    assert (measured.n_before == 50).all() and (measured.n_after == 70).all()


def test_disturbed_records_are_found(rng):
    records = 0.01 * white(rng, 40)
    records[0, 1] += 0.001 * np.maximum(TIMES - 60, 0)  # creeps on
    records[1, 2, rng.random(TIMES.size) < 0.4] += 0.3  # jumps between two levels
    records[2] *= 30  # shakes all the time
    records[3, :, TIMES > 50] = np.nan  # stops
    usable = static_offsets(TIMES, records, settle=100).usable()
    assert not usable[:4].any()
    assert usable[4:].all()


def test_too_few_samples_give_nan(rng):
    measured = static_offsets(TIMES, white(rng, 2), origin_time=-100, settle=10, min_samples=30)
    assert np.isnan(measured.offset).all() and np.isnan(measured.sigma).all()


def test_a_single_record_can_stand_alone(rng):
    records = autoregressive(rng, 1, 10)
    alone, pooled = (static_offsets(TIMES, records, pool=pool) for pool in (False, True))
    np.testing.assert_array_equal(alone.offset, pooled.offset)
    assert np.all(alone.sigma > 0.1) and np.all(alone.sigma < 2)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"t": np.zeros((2, 2))}, r"t: expected shape \(n_times,\)"),
        ({"t": np.r_[TIMES[:-1], 500.0]}, "evenly spaced"),
        (
            {"enu": np.zeros((3, TIMES.size))},
            r"enu: expected shape \(n_stations, n_components, 420\), got \(3, 420\)",
        ),
        ({"settle": [1.0, 2.0]}, r"settle: expected a number or shape \(3,\), got \(2,\)"),
        ({"origin_time": [0.0, np.nan, 0.0]}, r"origin_time\[1\] is nan; it must be finite"),
    ],
)
def test_messages(change, message):
    arguments = {"t": TIMES, "enu": np.zeros((3, 3, TIMES.size))} | change
    with pytest.raises(ValueError, match=message):
        static_offsets(**arguments)


def test_table_round_trip(tmp_path):
    table = kumamoto2016()
    write_offsets(tmp_path / "table.csv", table, ["one line", "another"])
    again = read_offsets(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().startswith("# one line\n# another\nstation,")
    for before, after in zip(table, again, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "line, message", [("A,1,2", "line 2: expected 9 fields, got 3"), ("A,1,2,3,4,5,6,7,x", "'x'")]
)
def test_malformed_table(tmp_path, line, message):
    path = tmp_path / "table.csv"
    path.write_text(f"station,lat,lon,E,N,U,sE,sN,sU\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_offsets(path)


def test_empty_table(tmp_path):
    (tmp_path / "table.csv").write_text("# nothing\n")
    with pytest.raises(ValueError, match="no station"):
        read_offsets(tmp_path / "table.csv")


def test_shipped_table_is_plausible():
    table = kumamoto2016()
    assert 100 < len(table.station) < 131
    assert len(set(table.station)) == len(table.station)
    assert 0.3 < np.abs(table.offset).max() < 1.5
    assert (table.sigma > 0).all() and np.median(table.sigma) < 0.006
    latitude, longitude = KUMAMOTO_EPICENTRE
    assert (np.abs(table.latitude - latitude) < 1.4).all() and (
        np.abs(table.longitude - longitude) < 1.7
    ).all()


def test_shipped_table_is_what_the_records_say(shared, tmp_path):
    archive = shared / "real" / "kumamoto2016.npz"
    if not archive.is_file():
        pytest.skip(f"displacement records not found: {archive}")
    measured, shipped = measure_kumamoto2016(archive), kumamoto2016()
    np.testing.assert_array_equal(measured.station, shipped.station)
    np.testing.assert_allclose(measured.offset, shipped.offset, atol=6e-6)
    np.testing.assert_allclose(measured.sigma, shipped.sigma, atol=6e-6)
    assert main([str(archive), str(tmp_path / "again.csv")]) == 0
    np.testing.assert_array_equal(read_offsets(tmp_path / "again.csv").offset, shipped.offset)


def test_measuring_command_says_how_it_is_used(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
