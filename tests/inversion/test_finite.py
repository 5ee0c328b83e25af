"""Finite-fault models of other programs: read, used, written and read again with their moment."""

import re
from dataclasses import replace

import numpy as np
import pytest

from dislok import okada
from dislok.convert import to_local
from dislok.inversion import finite
from dislok.inversion.mesh import Grid
from dislok.propagator import LayeredModel

ENDINGS = ["param", "fsp", "srf"]
PLACE = (32.8, 130.8)


@pytest.fixture
def model(rng):
    """Two segments, 4 x 3 and 2 x 2, with rupture and rise times."""
    faults = [okada.Rectangle(0, 0, 1.0, 20, 12, 224, 65), okada.Rectangle(-12, 10, 2.0, 10, 8, 205, 80)]
    parts = [Grid(fault, n, m).source for fault, n, m in zip(faults, (4, 2), (3, 2), strict=True)]
    columns = [np.concatenate([np.broadcast_to(p[k], p.x.shape) for p in parts]) for k in range(7)]
    slip = rng.uniform(0.1, 4.0, 16)
    slip[5] = 0.0
    whole = okada.Rectangle(*columns, rake=rng.uniform(-180, -140, 16), slip=slip)
    made = finite.from_rectangles(
        whole, PLACE, point="topleft", shape=((4, 3), (2, 2)), name="Kumamoto", mu=rng.uniform(20e9, 50e9, 16)
    )
    times = {"rupture_time": rng.uniform(0, 10, 16), "rise_time": rng.uniform(0.5, 4, 16)}
    return replace(made, **times, hypocentre=(*PLACE, 11.0))


@pytest.mark.parametrize("ending", ENDINGS)
def test_round_trips_keep_everything(tmp_path, model, ending):
    finite.write(tmp_path / f"m.{ending}", model)
    again = finite.read(tmp_path / f"m.{ending}")
    assert again.total_moment == pytest.approx(model.total_moment, rel=1e-6)
    np.testing.assert_allclose(again.moment, model.moment, rtol=1e-5)
    assert again.shape == model.shape
    np.testing.assert_array_equal(again.segment, model.segment)
    for name in (
        "latitude",
        "longitude",
        "depth",
        "strike",
        "dip",
        "length",
        "width",
        "slip",
        "rupture_time",
    ):
        np.testing.assert_allclose(getattr(again, name), getattr(model, name), atol=2e-5, err_msg=name)
    moved = model.slip > 0
    np.testing.assert_allclose(again.rake[moved] % 360, model.rake[moved] % 360, atol=1e-4)
    np.testing.assert_allclose(
        np.asarray(again.rise_time)[moved], np.asarray(model.rise_time)[moved], atol=1e-4
    )
    xy = np.array([[5.0, 5.0], [-20.0, 3.0], [8.0, -15.0]])
    u = [okada.displacement(xy, one.rectangles(PLACE)) for one in (model, again)]
    np.testing.assert_allclose(*u, rtol=2e-5, atol=1e-7)


def test_rectangles_and_moments(model):
    """The model's rectangles are those it was made of; moments follow from a crust where asked."""
    grid = Grid(okada.Rectangle(0, 0, 1.0, 20, 12, 224, 65), 4, 3)
    xy = np.array([[5.0, 5.0], [-20.0, 3.0]])
    first = okada.Rectangle(*(np.asarray(v)[:12] for v in model.rectangles(PLACE)[:9])).with_origin("center")
    same = okada.Rectangle(*grid.source[:7], rake=model.rake[:12], slip=model.slip[:12]).with_origin(
        "topleft"
    )
    np.testing.assert_allclose(okada.displacement(xy, first), okada.displacement(xy, same), rtol=1e-6)
    crust = LayeredModel([5, np.inf], [5, 7], [3, 4], [2.5, 3])
    moment = model.with_moment(crust).moment
    modulus = np.where(model.depth < 5, 2.5 * 9, 3 * 16) * 1e9
    np.testing.assert_allclose(moment, modulus * model.area * model.slip)
    assert model.with_moment(30e9).magnitude == pytest.approx(
        2 / 3 * (np.log10(30e9 * (model.area * model.slip).sum()) - 9.1), abs=0.01
    )


def test_slip_of_an_inversion_goes_out(tmp_path, rng):
    grid = Grid(okada.Rectangle(3.0, -2.0, 1.0, 20, 12, 224, 65), 4, 3)
    slip = np.column_stack([rng.uniform(-3, 0, 12), rng.uniform(-1, 1, 12), np.zeros(12)])
    model = finite.from_grid(grid, slip, PLACE, mu=32e9)
    assert model.total_moment == pytest.approx(32e9 * 5e3 * 4e3 * np.hypot(*slip[:, :2].T).sum())
    finite.write(tmp_path / "m.fsp", model)
    xy = np.array([[5.0, 5.0], [-20.0, 3.0]])
    truth = grid.apply(xy, slip)
    again = okada.displacement(xy, finite.read(tmp_path / "m.fsp").rectangles(PLACE))
    np.testing.assert_allclose(again, truth, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"slip: expected shape \(12, 3\)"):
        finite.from_grid(grid, slip[:5], PLACE)
    with pytest.raises(ValueError, match="rectangles open"):
        finite.from_grid(grid, slip + [0, 0, 0.1], PLACE)


USGS = """#Total number of fault_segments=     1
#Fault_segment =   1 nx(Along-strike)=   2 Dx= 15.00km ny(downdip)=   1 Dy=  9.60km
#Boundary of Fault_segment     1. EQ in cell 13,4. Lon: 93.0725   Lat: 2.3484
#Lon.  Lat.  Depth
   130.0 32.0 5.0
   130.2 32.2 5.0
   130.2 32.2 13.0
   130.0 32.0 13.0
   130.0 32.0 5.0
#Lat. Lon. depth slip rake strike dip t_rup t_ris t_fal mo
   32.05 130.05  9.0  150.0 -160.0 224.0 65.0  1.5  1.0  2.0  {a}
   32.15 130.15  9.0   50.0 -170.0 224.0 65.0  3.5  1.0  2.0  {b}
"""


@pytest.mark.parametrize("unit", [1e7, 1.0])
def test_usgs_file(tmp_path, unit):
    """Slip in cm, moment in dyn·cm, or in N·m where only that is a modulus of rock."""
    moment = 33e9 * 15e3 * 9.6e3 * np.array([1.5, 0.5])
    (tmp_path / "basic_inversion.param").write_text(
        USGS.format(a=f"{unit * moment[0]:.3e}", b=f"{unit * moment[1]:.3e}")
    )
    model = finite.read(tmp_path / "basic_inversion.param")
    np.testing.assert_allclose(model.slip, [1.5, 0.5])
    np.testing.assert_allclose(model.moment, moment, rtol=1e-3)
    np.testing.assert_allclose(model.rise_time, 3.0)
    assert model.shape == ((2, 1),) and model.magnitude == pytest.approx(6.59, abs=0.01)


SRCMOD = """% --------------------------------- FINITE-SOURCE RUPTURE MODEL ---------------------------------
%
% Event : Somewhere 1/2/2003 [Author (2004)]
% EventTAG: s2003TEST
%
% Loc  : LAT = 32.80 \tLON = 130.80 \tDEP = 10.0
% Size : LEN = 20 km \tWID = 10 km \tMw = 6.5 \tMo = 6.6e18 Nm
% Mech : STRK = 0 \tDIP = 30 \tRAKE = 90 \tHtop = {htop} km
% Rupt : HypX = 10 km \tHypz = 5 km \tavTr = 1 s \tavVr = 2.5 km/s
%
% Invs : Nx = 2 \tNz = 2 \tFmin = 0.01 Hz \tFmax = 1 Hz
% Invs : Dx = 10 km \tDz = 5 km
% Invs : Ntw = 1 \tNsg = 1
%
%   Coordinates are given for {word} of each subfault or segment: |'|
%    LAT       LON      X==EW    Y==NS     Z       SLIP {more}
% -------------------------------------------------------------------------
   32.7550  130.8000   0.0000  -5.0000  {z0}   1.0 {rows}
   32.8450  130.8000   0.0000   5.0000  {z0}   2.0 {rows}
   32.7550  130.8463   4.3300  -5.0000  {z1}   3.0 {rows}
   32.8450  130.8463   4.3300   5.0000  {z1}   4.0 {rows}
"""


@pytest.mark.parametrize("word", ["center", "top-center"])
@pytest.mark.parametrize("htop", ["2.50", "3.75", ""])
def test_srcmod_file(tmp_path, word, htop):
    """Places of upper edges or middles: the depth of the top tells, or the text where that is silent."""
    text = SRCMOD.format(word=word, htop=htop or "unknown", z0=3.75, z1=6.25, more="", rows="")
    (tmp_path / "s.fsp").write_text(text)
    model = finite.read(tmp_path / "s.fsp")
    top = htop == "3.75" or (not htop and word == "top-center")
    # Width 5 km at 30°: half of it is 1.25 km down and 2.165 km east.
    np.testing.assert_allclose(model.depth[[0, 2]], [5.0, 7.5] if top else [3.75, 6.25], atol=1e-6)
    east, _ = to_local(model.longitude, model.latitude, 130.8, 32.8)
    assert east[0] / 1000 == pytest.approx(2.165 if top else 0.0, abs=0.01)
    assert model.shape == ((2, 2),) and (model.rake == 90).all() and model.hypocentre == (32.8, 130.8, 10.0)
    assert model.name.startswith("Somewhere") and np.isnan(model.moment).all()
    with pytest.raises(ValueError, match="moment of patch 0 is not known; use with_moment"):
        model.total_moment  # noqa: B018
    assert model.with_moment().total_moment == pytest.approx(30e9 * 50e6 * 10)


def test_srcmod_columns(tmp_path):
    more = "RAKE TRUP RISE SF_MOMENT"
    (tmp_path / "s.fsp").write_text(
        SRCMOD.format(word="center", htop="", z0=3.75, z1=6.25, more=more, rows="-100 -999 2.5 1.5e18")
    )
    model = finite.read(tmp_path / "s.fsp")
    assert (model.rake == -100).all() and model.total_moment == 6e18
    assert np.isnan(model.rupture_time).all() and (np.asarray(model.rise_time) == 2.5).all()


SRF1 = """1.0
PLANE 1
130.8 32.8 2 1 20.0 10.0
0 90 1.0 0.0 5.0
POINTS 2
130.8 32.71 6.0 0 90 1.0e+12 0.5 0.1
0 100.0 4 100.0 0 0.0 0
100. 400. 400. 100.
130.8 32.89 6.0 0 90 1.0e+12 1.5 0.1
0 0.0 0 0.0 0 0.0 0
"""


def test_srf_of_version_1(tmp_path):
    """Slip along two axes adds up as vectors; there is no modulus."""
    (tmp_path / "m.srf").write_text(SRF1)
    model = finite.read(tmp_path / "m.srf")
    np.testing.assert_allclose(model.slip, [np.sqrt(2), 0])
    assert model.rake[0] == pytest.approx(45) and np.isnan(model.moment[0]) and model.shape == ((2, 1),)
    np.testing.assert_allclose(model.length, 10.0)
    np.testing.assert_allclose(model.width, 10.0)
    assert np.asarray(model.rise_time)[0] == pytest.approx(0.4)


def test_slip_rates_add_up_to_slip(tmp_path, model):
    finite.write(tmp_path / "m.srf", model)
    words = (tmp_path / "m.srf").read_text().split("POINTS")[1].split("\n")
    i, seen = 1, 0
    while i < len(words) and words[i]:
        head, second = words[i].split(), words[i + 1].split()
        count, rows = int(second[2]), -(-int(second[2]) // 6)
        rates = [float(v) for row in words[i + 2 : i + 2 + rows] for v in row.split()]
        assert len(rates) == count and sum(rates) * float(head[7]) == pytest.approx(
            float(second[1]), rel=1e-5
        )
        i, seen = i + 2 + rows, seen + 1
    assert seen == 12


FSP = SRCMOD.replace("{word}", "center").replace("{htop}", "1").replace("{z0}", "3").replace("{z1}", "5")
SECOND = "0 100.0 4 100.0 0 {} 0"
DAMAGED = {
    "another format": ("a.param", "hello\n", "neither .param, .fsp nor SRF; it begins 'hello'"),
    "no rock": ("a.param", USGS.format(a=1, b=1), "shear modulus of"),
    "cut": (
        "a.param",
        USGS.format(a=1e26, b=1e25).rsplit("\n", 2)[0],
        "expected 2 rows of 11 numbers, got 1",
    ),
    "column": ("a.param", USGS.replace("t_rup", "t0").format(a=1, b=1), "no column 't_rup'"),
    "cut srf": ("a.srf", SRF1.replace("100. 400. 400. 100.\n", ""), "ends in the middle of a patch"),
    "opening": ("a.srf", SRF1.replace(SECOND.format("0.0"), SECOND.format("3.0")), "patch 0 opens by 3 cm"),
    "plane": ("a.srf", SRF1.replace("32.8 2 1", "32.8 3 1"), "PLANE says 3 patches, POINTS has 2"),
    "size": (
        "a.fsp",
        re.sub("Dx = 10 km", "", FSP).format(more="", rows=""),
        "not say strike, dip, Dx and Dz",
    ),
    "names": ("a.fsp", FSP.format(more="RAKE TRUP", rows="90"), "names 8 columns"),
}


@pytest.mark.parametrize("name, text, words", DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{re.escape(name)}: .*({words})"):
        finite.read(tmp_path / name)


def test_what_a_format_cannot_hold(tmp_path, model):
    odd = replace(model, strike=model.strike + np.arange(16))
    with pytest.raises(ValueError, match="segment 0: strike goes from 224 to 235"):
        finite.write(tmp_path / "m.fsp", odd)
    finite.write(tmp_path / "m.param", odd)
    with pytest.raises(ValueError, match="the ending '.txt' is none of .param, .fsp, .srf"):
        finite.write(tmp_path / "m.txt", model)
    with pytest.raises(ValueError, match="moment of patch 0 is not known"):
        finite.write(tmp_path / "n.srf", replace(model, moment=np.full(16, np.nan)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.param"]
    with pytest.raises(ValueError, match="slip of patch 2 is negative"):
        replace(model, slip=np.where(np.arange(16) == 2, -1.0, model.slip))
    with pytest.raises(ValueError, match="dip of patch 0 is 95"):
        replace(model, dip=np.full(16, 95.0))
