"""Tables of offsets and daily positions as others write them; steps beside trends and seasons."""

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest

from dislok.inversion import steps
from dislok.inversion.cmt import config
from dislok.inversion.gnss import (
    OffsetTable,
    offsets_of_series,
    read_offsets,
    read_series,
    static_offsets,
    write_offsets,
)
from dislok.inversion.series import offsets_of_files

TABLES = {
    "ours": "station,lat,lon,east,north,up,sigma_east,sigma_north,sigma_up\n"
    "AAAA,33.5,130.5,0.01,-0.02,,0.001,0.002,\n",
    "mm": "station,lat,lon,E_mm,N_mm,U_mm,sE_mm,sN_mm,sU_mm\nAAAA,33.5,130.5,10,-20,,1,2,\n",
    "mark": "\ufeffstation,lat,lon,E,N,U,sE,sN,sU\nAAAA,33.5,130.5,0.01,-0.02,nan,0.001,0.002,nan\n",
    "blanks": " Station , Lat , Lon , E , N , sE , sN \n\n"
    " AAAA , 33.5 , 130.5 , 0.01 , -0.02 , 0.001 , 0.002 ,\n",
    "columns": "# from somewhere\n# lon lat de(mm) dn(mm) se(mm) sn(mm) site\n130.5 33.5 10 -20 1 2 AAAA\n",
    "semicolons": "site;latitude;longitude;east (cm);north (cm);std_east (cm);std_north (cm)\n"
    "AAAA;33.5;130.5;1;-2;.1;.2\n",
    "tabs": "Name\tLongitude\tLatitude\tUe\tUn\tUz\tSig_Ue\tSig_Un\tSig_Uz\n"
    "AAAA\t130.5\t33.5\t.01\t-.02\t-\t.001\t.002\t-\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_tables_however_they_are_written(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    table = read_offsets(tmp_path / "t.csv")
    assert list(table.station) == ["AAAA"]
    assert (table.latitude[0], table.longitude[0]) == (33.5, 130.5)
    np.testing.assert_allclose(table.offset, [[0.01, -0.02, np.nan]])
    np.testing.assert_allclose(table.sigma, [[0.001, 0.002, np.nan]])


def test_what_is_written_is_read_back(tmp_path, rng):
    offset = np.round(rng.standard_normal((5, 3)), 5)
    sigma = np.round(rng.uniform(0.001, 0.1, (5, 3)), 5)
    offset[2, 2] = sigma[2, 2] = offset[4, 0] = sigma[4, 0] = np.nan
    table = OffsetTable(np.array(list("ABCDE")), np.full(5, -12.5), np.arange(5) * 1.0, offset, sigma)
    write_offsets(tmp_path / "t.csv", table, ["a note"])
    for before, after in zip(table, read_offsets(tmp_path / "t.csv"), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "text, words",
    [
        ("1,2,3,4\n5,6,7,8\n", "no header says which column is which"),
        ("station,lat,E,N,sE,sN\nA,1,0,0,1,1\n", "no column 'longitude'"),
        ("station,lat,lon,E,N,U,sE,sN\nA,1,2,0,0,0,1,1\n", "no column 'sU'"),
        ("station,lat,lon,E,N,sE,sN\nA,1,2,0,0,1\n", "line 2: expected 7 fields, got 6"),
        ("station,lat,lon,E,N,sE,sN\nA,1,2,0,zero,1,1\n", "line 2: not a number: 'zero'"),
        ("station,lat,lon,E,N,sE,sN\nA,,2,0,0,1,1\n", "line 2: no latitude of A"),
        ("station,lat,lon,E,N,sE,sN\nA,1,2,0,0,0,1\n", "line 2: E of A has the standard deviation 0"),
        ("station,lat,lon,E,N,sE,sN\nA,1,2,0,0,,1\n", "line 2: E of A has the standard deviation nan"),
        ("station,lat,lon,E,E_mm,N,sE,sN\nA,1,2,0,0,0,1,1\n", "columns E, E_mm hold the same"),
        ("station,lat,lon,E,N,sE,sN\n", "no station in this table"),
        ("a\x00b", "no text"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_offsets(tmp_path / "t.csv")


ORIGIN = datetime(2016, 4, 15, 16, 25, tzinfo=UTC)
NOON = np.datetime64("2014-01-01T12:00:00", "s") + np.arange(1500) * np.timedelta64(86400, "s")


def positions(rng, time=NOON, rate=0.03, step=0.05, noise=0.001):
    """East, north and up (n, 3) with trend, seasons and step; half the step north, none up."""
    days = (time - np.datetime64(ORIGIN.replace(tzinfo=None), "s")) / np.timedelta64(86400, "s")
    season = 0.003 * np.cos(2 * np.pi * days / 365.25 + 1) + 0.001 * np.sin(4 * np.pi * days / 365.25)
    shape = (rate * days / 365.25 + season)[:, None] * [1, -1, 0.5]
    return (
        shape
        + step * np.array([1, 0.5, 0]) * (days > 0)[:, None]
        + noise * rng.standard_normal((len(days), 3))
    )


def tenv3(path, enu, time=NOON, name="AAAA", places=True):
    lines = ["site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m) "
             "____up(m) _ant(m) sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu"
             + " _latitude(deg) _longitude(deg) __height(m)" * places]  # fmt: skip
    for t, (e, n, u) in zip(time, enu, strict=True):
        mjd = int((t - np.datetime64("1858-11-17", "s")) / np.timedelta64(86400, "s"))
        day = t.astype(datetime).strftime("%y%b%d").upper()
        whole = [int(v) for v in np.floor([1375 + e, 3766317 + n, 21 + u])]
        part = np.array([1375 + e, 3766317 + n, 21 + u]) - whole
        lines.append(
            f"{name} {day} {2000 + (mjd - 51544) / 365.25:.4f} {mjd} 1 2 -118.3 {whole[0]} "
            f"{part[0]:.6f} "
            f"{whole[1]} {part[1]:.6f} {whole[2]} {part[2]:.6f} 0.0614 0.0008 0.0010 0.0042 -0.09 0.15 -0.34"
            + " 33.5 -229.5 20.0" * places
        )  # fmt: skip
    path.write_text("\n".join(lines) + "\n")


def pos(path, enu, time=NOON, name="BBBB"):
    columns = "YYYYMMDD HHMMSS JJJJJ.JJJJ X Y Z Sx Sy Sz Rxy Rxz Ryz NLat Elong Height dN dE dU "
    columns += "Sn Se Su Rne Rnu Reu Soln"
    lines = [
        "PBO Station Position Time Series. Reference Frame : IGS14", "Format Version: 1.1.0",
        f"4-character ID: {name}", "NEU Reference position :  33.5 130.5 20.0 (IGS14/WGS84)",
        "Start Field Description", "dN   Difference in North", "End Field Description", "*" + columns,
    ]  # fmt: skip
    for t, (e, n, u) in zip(time, enu, strict=True):
        stamp = t.astype(datetime).strftime("%Y%m%d %H%M%S")
        lines.append(
            f" {stamp} 57000.5 1 2 3 .1 .1 .1 0 0 0 33.5 130.5 20.0 {n:.5f} {e:.5f} {u:.5f} .001 .0008 .0042 "
            "0 0 0 final"
        )  # fmt: skip
    path.write_text("\n".join(lines) + "\n")


GEONET = """+SITE/INF
 ID           {name}
 RINEX        0842
 J_NAME       岡部Ａ
 E_NAME       OKABE-A
-SITE/INF

+SOLVER/INF
 SOFT_NAME    Bernese
 COORDINATE   ITRF2014
 ELLIPSOID    GRS80
-SOLVER/INF

+DATA
*yyyy mm dd HH:MM:SS       X (m)             Y (m)             Z (m)           Lat. (deg.)       Lon. (deg.)
*----+--+--+--------+-----------------+-----------------+-----------------+-----------------+----------
{rows}
*----+--+--+--------+-----------------+-----------------+-----------------+-----------------+----------
-DATA
"""


def geonet(path, enu, time=NOON, name="000842"):
    """Positions on the Earth with places in degrees, as from a geodetic library."""
    geodesy = pytest.importorskip("rasterio.warp", reason="needs rasterio")
    lon, lat = np.deg2rad(130.5), np.deg2rad(33.5)
    turn = positions_of(lon, lat)
    (x,), (y,), (z,) = geodesy.transform("EPSG:4979", "EPSG:4978", [130.5], [33.5], [20.0])
    rows = []
    for t, one in zip(time, enu, strict=True):
        place = np.array([x, y, z]) + turn @ one
        stamp = t.astype(datetime).strftime("%Y %m %d %H:%M:%S")
        rows.append(f" {stamp} " + " ".join(f"{v:.10E}" for v in (*place, 33.5, 130.5, 20.0)))
    path.write_text(GEONET.format(name=name, rows="\n".join(rows)), encoding="utf-8")


def positions_of(lon, lat):
    """X, Y, Z (3, 3) of unit steps east, north and up."""
    east = [-np.sin(lon), np.cos(lon), 0]
    up = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    return np.column_stack([east, np.cross(up, east), up])


def test_years_of_a_station_of_geonet_are_one_series(tmp_path, rng):
    """A file a year, as they are handed out, and another station; a step beside the change of the year."""
    enu = positions(rng)
    for year in (2014, 2015, 2016, 2017, 2018):
        own = NOON.astype("datetime64[Y]") == np.datetime64(str(year))
        if own.any():
            geonet(tmp_path / f"000842.{year % 100}.pos", enu[own], NOON[own])
    geonet(tmp_path / "000843.16.pos", enu[:900], NOON[:900], name="000843")
    table, left_out = offsets_of_files(tmp_path, ORIGIN, before=500, after=500)
    assert table.station.tolist() == ["000842", "000843"] and left_out == ()
    for offset, sigma in zip(table.offset, table.sigma, strict=True):
        assert (np.abs(offset - [0.05, 0.025, 0]) < 4 * sigma).all() and (sigma < 2e-3).all()
    (tmp_path / "000842.15.pos").write_text("+SITE/INF\n ID 000842\n-SITE/INF\n+DATA\n 2015 01\n")
    _, left_out = offsets_of_files(tmp_path, ORIGIN, before=500, after=500)
    assert left_out == ("000842.15.pos: ends before the line -DATA",)


@pytest.mark.parametrize(
    "write, name, ending", [(tenv3, "AAAA", "tenv3"), (pos, "BBBB", "pos"), (geonet, "000842", "pos")]
)
def test_files_of_daily_positions(tmp_path, rng, write, name, ending):
    """A 30 mm/yr trend is no part of the step, which comes with an honest error."""
    enu = positions(rng, noise=0.001)
    write(tmp_path / f"a.{ending}", enu)
    series = read_series(tmp_path / f"a.{ending}")
    assert series.station == name and (series.latitude, series.longitude) == (33.5, 130.5)
    np.testing.assert_array_equal(series.time, NOON)
    np.testing.assert_allclose(
        series.enu - series.enu[0], enu - enu[0], atol=2e-4 if write is geonet else 2e-5
    )
    if write is not geonet:
        np.testing.assert_allclose(series.sigma, np.tile([0.0008, 0.001, 0.0042], (1500, 1)))
    table = offsets_of_series([series], ORIGIN, before=500, after=500)
    assert (np.abs(table.offset[0] - [0.05, 0.025, 0]) < 4 * table.sigma[0]).all()
    assert (table.sigma[0] > 5e-5).all() and (table.sigma[0] < 1e-3).all()


def test_files_that_are_no_positions(tmp_path, rng):
    enu = positions(rng, NOON[:3])
    for text, words in (
        ("hello\n", "neither .tenv3 nor .pos"),
        ("site YYMMMDD reflon\n", "no positions in this file"),
        ("site YYMMMDD reflon\nAAAA 10JUL28 2010.5\n", "line 2: expected 20 fields, got 3"),
        ("NEU Reference position : 1 2 3\n*YYYYMMDD dN dE\n", "no column 'dU'"),
    ):
        (tmp_path / "x.tenv3").write_text(text)
        with pytest.raises(ValueError, match=words):
            read_series(tmp_path / "x.tenv3")
    tenv3(tmp_path / "y.tenv3", enu, NOON[:3], places=False)
    with pytest.raises(ValueError, match="AAAA: its file does not say where it is"):
        offsets_of_series([read_series(tmp_path / "y.tenv3")], ORIGIN)
    pos(tmp_path / "b.pos", enu, NOON[:3])
    (tmp_path / "b.pos").write_text(
        (tmp_path / "b.pos").read_text().replace("20140102 120000", "20141302 120000")
    )
    with pytest.raises(ValueError, match="line 10: not a time: 20141302 120000"):
        read_series(tmp_path / "b.pos")


TIMES = {
    "D": NOON.astype("datetime64[D]"),
    "s": NOON,
    "ns": NOON.astype("datetime64[ns]"),
    "decimal years": 2000
    + (NOON - np.datetime64("2000-01-01T00", "s")) / np.timedelta64(86400, "s") / 365.25,
    "seconds": (NOON - NOON[0]) / np.timedelta64(1, "s"),
    "days": (NOON - NOON[0]) / np.timedelta64(86400, "s"),
}


@pytest.mark.parametrize("kind", TIMES)
def test_static_offsets_know_daily_positions(kind, rng):
    """Times of any kind, default settings: neither the trend of 30 mm/yr nor the seasons are in the step."""
    t, when = TIMES[kind], np.datetime64(ORIGIN.replace(tzinfo=None), "s")
    step = {
        "decimal years": 2000
        + (when - np.datetime64("2000-01-01", "s")) / np.timedelta64(86400, "s") / 365.25,
        "seconds": (when - NOON[0]) / np.timedelta64(1, "s"),
        "days": (when - NOON[0]) / np.timedelta64(86400, "s"),
    }.get(kind, when)
    near = slice(400, 1250)
    measured = static_offsets(t[near], positions(rng)[near].T[None], step)
    error = measured.offset[0] - [0.05, 0.025, 0]
    assert (np.abs(error) < 4 * measured.sigma[0]).all() and (measured.sigma < 2e-3).all()
    assert measured.usable().all()
    with pytest.raises(TypeError, match="both be numbers or both be datetime64"):
        static_offsets(TIMES["s"], positions(rng).T[None], 5.0)


def test_records_that_rest_are_still_levels(rng):
    t = np.arange(-120.0, 300.0)
    records = 0.002 * rng.standard_normal((3, 3, t.size)) + 0.1 * (t > 0)
    auto, levels = (static_offsets(t, records, settle=10, model=model) for model in ("auto", "levels"))
    np.testing.assert_array_equal(auto.offset, levels.offset)


@pytest.mark.slow
@pytest.mark.parametrize("flicker", [0.0, 0.3, 1.0])
def test_stated_errors_of_steps_are_the_real_ones(flicker):
    """White noise with flicker of several sizes: the errors scatter by what sigma says, 95 % within 1.96."""
    rng = np.random.default_rng(11)
    t = np.arange(-200.0, 160.0)
    root = np.linalg.cholesky(steps._coloured(0.5, t.size))
    wrong = []
    for _ in range(60):
        noise = rng.standard_normal((3, t.size)) + flicker * rng.standard_normal((3, t.size)) @ root.T
        row = 0.03 * t / 365.25 + 0.05 * (t > 0.3) + 0.002 * noise
        found = steps.fit(t, row, 0.3, year=None)
        wrong.extend((found.offset - 0.05) / found.sigma)
    assert 0.75 < np.std(wrong) < 1.15
    assert np.mean(np.abs(wrong) < 1.96) > 0.93


def test_outliers_and_gaps_do_not_matter(rng):
    t = np.arange(-300.0, 220.0)
    row = 0.03 * t / 365.25 + 0.05 * (t > 0.3) + 0.002 * rng.standard_normal((1, t.size))
    whole = steps.fit(t, row, 0.3, year=steps.YEAR)
    row[0, rng.integers(t.size, size=5)] += 0.3
    row[:, rng.random(t.size) < 0.1] = np.nan
    found = steps.fit(t, row, 0.3, year=steps.YEAR)
    assert abs(found.offset[0] - whole.offset[0]) < found.sigma[0] < 1.5 * whole.sigma[0]


def test_other_steps_and_short_sides(rng):
    t = np.arange(-300.0, 300.0)
    row = 0.05 * (t > 0) + 0.2 * (t > 100) + 0.001 * rng.standard_normal((1, t.size))
    for others, good in itertools.product([(), (100.0,)], [True]):
        found = steps.fit(t, row, 0.0, year=steps.YEAR, others=others)
        assert (abs(found.offset[0] - 0.05) < 4 * found.sigma[0]) == good or not others
        assert (found.sigma[0] < 1e-3) == bool(others)
    assert np.isnan(steps.fit(t[:320], row[:, :320], 0.0, year=None).offset).all()


def test_high_rate_times_may_be_datetimes(rng):
    """Milliseconds, with the origin time between two samples: the same as numbers of seconds."""
    t = np.arange(-120.0, 300.0)
    records = 0.002 * rng.standard_normal((2, 3, t.size)) + 0.1 * (t > 0.4)
    when = np.datetime64("2016-04-15T16:25:06.400", "ms")
    times = when - np.timedelta64(400, "ms") + (1000 * t).astype("timedelta64[ms]")
    numbers, dates = (
        static_offsets(t, records, 0.4, settle=10),
        static_offsets(times, records, when, settle=10),
    )
    np.testing.assert_allclose(numbers.offset, dates.offset)
    np.testing.assert_allclose(numbers.sigma, dates.sigma, rtol=1e-6)


def test_a_folder_of_positions_in_a_configuration(tmp_path, rng):
    (tmp_path / "daily").mkdir()
    near = slice(550, 1150)
    for write, name, ending in ((tenv3, "AAAA", "tenv3"), (pos, "BBBB", "pos")):
        write(tmp_path / "daily" / f"{name}.{ending}", positions(rng)[near], NOON[near], name)
    late = NOON[near] + np.timedelta64(20 * 365, "D")
    tenv3(tmp_path / "daily" / "LATE.tenv3", positions(rng)[near], late, "LATE")
    (tmp_path / "daily" / "BAD.pos").write_text("hello\n")
    event = {"origin_time": ORIGIN.isoformat()}
    table, left_out = config._offset_table({"file": "daily", "before": 250.0}, event, tmp_path / "daily")
    assert list(table.station) == ["AAAA", "BBBB"]
    assert (np.abs(table.offset - [0.05, 0.025, 0]) < 4 * table.sigma).all()
    assert left_out == (
        "BAD.pos: neither .tenv3 nor .pos; it begins 'hello'",
        "LATE.tenv3: station LATE: too few positions on a side of the origin time",
    )
    with pytest.raises(ValueError, match=r"BAD\.pos: neither"):
        config._offset_table({"file": "daily", "strict": True}, event, tmp_path / "daily")
    with pytest.raises(ValueError, match="lacks 'origin_time', which daily needs"):
        config._offset_table({"file": "daily"}, {}, tmp_path / "daily")
