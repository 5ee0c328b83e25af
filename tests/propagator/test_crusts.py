"""Crustal models in the formats of other programs, told by their headers, or refused."""

import numpy as np
import pytest

from dislok.propagator import LayeredModel

THREE = np.array([[5, 5.0, 2.9, 2.5], [15, 6.0, 3.46, 2.7], [np.inf, 8.0, 4.5, 3.3]])
LOSSY = np.column_stack([THREE, [300, 600, 1200], [150, 300, 600]])

CRUST1 = """
 ilat,ilon,crustal type:   41 281
 topography:    1.6400000
  layers: vp,vs,rho,bottom
   1.50   0.00   1.02   1.64
   3.81   1.94   0.92   1.64
   2.50   1.07   2.11   1.54
   0.00   0.00   0.00   1.54
   0.00   0.00   0.00   1.54
   6.10   3.55   2.74 -19.54
   6.30   3.65   2.78 -38.22
   7.00   3.99   2.95 -46.51
 pn,sn,rho-mantle:    8.20   4.55   3.35
"""
CRUST2 = """type, latitude, longitude, elevation:   D4              47.0000    -3.0000 -4500.0000
crustal thickness, ave. vp, vs, rho:        30.5000     6.4000     3.6000     2.8000
Mantle below Moho: ave. vp, vs, rho:         8.1000     4.6000     3.3500

 7-layer crustal model (thickness, vp,vs,rho)
    0.0000    3.8100    1.9400    0.9200  ice
    4.5000    1.5000    0.0000    1.0200  water
    0.5000    2.5000    1.2000    2.1000  soft sed.
    0.0000    4.0000    2.1000    2.4000  hard sed.
   10.0000    6.0000    3.4000    2.7000  upper crust
   10.0000    6.6000    3.7000    2.9000  middle crust
   10.0000    7.2000    4.0000    3.1000  lower crust
"""
QSEIS = """# 1. source depth [km]
17.0
#	MULTILAYERED MODEL
 5                               |int: no_model_lines;
# no  depth[km]  vp[km/s]  vs[km/s]  rho[g/cm^3]   qp      qs
#---------------------------------------------------------
  1   0.0   5.0  2.9   2.5  300.0 150.0
  2   5.0   5.0  2.9   2.5  300.0 150.0
  3   5.0   6.0  3.46  2.7  600.0 300.0
  4  20.0   6.0  3.46  2.7  600.0 300.0
  5  20.0   8.0  4.5   3.3 1200.0 600.0
#------------------
 0
"""
AXITRA = """&input
nfreq=256,tl=100.,aw=2.,nr=10,ns=1,xl=500000.,ikmax=100000,
latlon=.false.,freesurface=.true.,sourcefile="source",statfile="station"
//
{rows}
"""
ND = """0.0 5.0 2.9 2.5
5.0 5.0 2.9 2.5
5.0 6.0 3.46 2.7
20. 6.0 3.46 2.7
mantle
20. 8.0 4.5 3.3
"""
KM = "5 5.0 2.9 2.5\n15 6.0 3.46 2.7\n0 8.0 4.5 3.3\n"
TOPS = "0 5.0 2.9 2.5\n5 6.0 3.46 2.7\n20 8.0 4.5 3.3\n"
LOSSY_KM = "5 5.0 2.9 2.5 300 150\n15 6.0 3.46 2.7 600 300\n0 8.0 4.5 3.3 1200 600\n"
CPS = """MODEL.01
TEST
ISOTROPIC
KGS
FLAT EARTH
1-D
CONSTANT VELOCITY
LINE08
H(KM) VP(KM/S) VS(KM/S) RHO(GM/CC) QP QS ETAP ETAS FREFP FREFS
5 5.0 2.9 2.5 300 150 0 0 1 1
15 6.0 3.46 2.7 600 300 0 0 1 1
0 8.0 4.5 3.3 1200 600 0 0 1 1
"""
MTINV = """###
### a model
# thick  vp     qp     vs       qb   rho
5 5.0 300 2.9 150 2.5
15 6.0 600 3.46 300 2.7
700 8.0 1200 4.5 600 3.3
"""
THIN = """# thickness (m) vs (m/s) vp (m/s) density (kg/m^3)
5 290 500 2500
15 346 600 2700
0 450 800 3300
"""
AXITRA_THICKNESS = """5000. 5000. 2900. 2500. 300. 150.
15000. 6000. 3460. 2700. 600. 300.
0. 8000. 4500. 3300. 1200. 600."""
AXITRA_DEPTH = """0. 5000. 2900. 2500. 300. 150.
5000. 6000. 3460. 2700. 600. 300.
20000. 8000. 4500. 3300. 1200. 600."""
SOLID1 = [
    [0.1, 2.5, 1.07, 2.11], [21.08, 6.1, 3.55, 2.74], [18.68, 6.3, 3.65, 2.78], [8.29, 7, 3.99, 2.95],
    [np.inf, 8.2, 4.55, 3.35],
]  # fmt: skip
SOLID2 = [
    [0.5, 2.5, 1.2, 2.1], [10, 6, 3.4, 2.7], [10, 6.6, 3.7, 2.9], [10, 7.2, 4, 3.1],
    [np.inf, 8.1, 4.6, 3.35],
]  # fmt: skip
FORMATS = {
    "plain": ("c.txt", KM, THREE),
    "plain, infinite": ("c.txt", KM.replace("\n0 ", "\ninf "), THREE),
    "mark": ("c.txt", "\ufeff" + KM.replace(" ", ", "), THREE),
    "PyGRT": ("milrow", LOSSY_KM, LOSSY),
    "fk, MudPy": (
        "m.mod", "5 2.9 5.0 2.5 150 300\n15 3.46 6.0 2.7 300 600\n0 4.5 8.0 3.3 600 1200\n", LOSSY
    ),
    "depths": ("c.txt", TOPS, THREE),
    "SI": ("c.txt", "5000 5000 2900 2500\n15000 6000 3460 2700\n0 8000 4500 3300\n", THREE),
    "depths in m": (
        "c.txt",
        "depth[m] vp[m/s] vs[m/s] rho[kg/m3]\n0 5000 2900 2500\n5000 6000 3460 2700\n20000 8000 4500 3300\n",
        THREE,
    ),
    "thin layers in m": ("c.txt", THIN, THREE * [1e-3, 0.1, 0.1, 1]),
    "units in names": ("c.csv", "depth_km,vp_km_s,vs_kms,rho_gcc\n" + TOPS.replace(" ", ","), THREE),
    "bottoms": ("c.csv", "bottom,vp,vs,rho\n5,5.0,2.9,2.5\n20,6.0,3.46,2.7\n40,8.0,4.5,3.3\n", THREE),
    "tops": ("c.csv", "Top (km),Vp (km/s),Vs (km/s),Rho (g/cm3)\n" + TOPS.replace(" ", ","), THREE),
    "CPS": ("model96", CPS, LOSSY),
    "mtinv": ("a.mod", MTINV, LOSSY),
    "units below": (
        "f.txt", "DEPTH\tP-VEL\tS-VEL\tDENS\n[km]\t[km/s]\t[km/s]\t[g/cm^3]\n" + TOPS, THREE
    ),
    "QSEIS": ("q.inp", QSEIS, LOSSY),
    "QSEIS rows": (
        "q.dat", "1 0 5 2.9 2.5\n2 5 5 2.9 2.5\n3 5 6 3.46 2.7\n4 20 6 3.46 2.7\n5 20 8 4.5 3.3\n", THREE
    ),
    "axitra, thickness": ("axi.data", AXITRA.format(rows=AXITRA_THICKNESS), LOSSY),
    "axitra, depth": ("axi.data", AXITRA.format(rows=AXITRA_DEPTH), LOSSY),
    "nd": ("m.nd", ND, THREE),
    "CRUST 1.0": ("c1.txt", CRUST1, SOLID1),
    "CRUST 2.0": ("c2.txt", CRUST2, SOLID2),
}  # fmt: skip


def rows_of(model):
    columns = [model.thickness, model.vp, model.vs, model.rho]
    return np.column_stack(columns + ([] if model.qp is None else [model.qp, model.qs]))


@pytest.mark.parametrize("name, text, truth", FORMATS.values(), ids=FORMATS)
def test_formats(tmp_path, name, text, truth):
    (tmp_path / name).write_text(text, encoding="utf-8")
    np.testing.assert_allclose(rows_of(LayeredModel.read(tmp_path / name)), truth, rtol=1e-9)


REFUSED = {
    "thickness or depth": (
        "2 5 2.9 2.5\n10 6 3.46 2.7\n35 8 4.5 3.3\n", "cannot tell whether 2, 10, 35 are thicknesses"
    ),
    "km or m": ("5 5000 2900 2500\n15 6000 3460 2700\n0 8000 4500 3300\n", "lengths up to 15 are km or m"),
    "m, with km/s": ("5000 5 2.9 2.5\n15000 6 3.46 2.7\n0 8 4.5 3.3\n", "lengths up to 15000 are km or m"),
    "vp or vs": ("5 5 2.9 2.5\n15 3.46 6 2.7\n0 8 4.5 3.3\n", "which column is vp and which vs"),
    "header against numbers": (
        "depth[km] vp[km/s] vs[km/s] rho\n0 5000 2900 2.5\n9 6000 3460 2.7\n", "no velocity"
    ),
    "falling depths": ("depth vp vs rho\n0 5 2.9 2.5\n9 6 3.4 2.7\n3 8 4.5 3.3\n", "must not decrease"),
    "no density": ("depth vp vs\n0 5 2.9\n9 6 3.4\n", "no density"),
    "one Q": ("depth vp vs rho qp\n0 5 2.9 2.5 100\n9 6 3.4 2.7 200\n", "only one of Qp and Qs"),
    "no length": ("no vp vs rho\n1 5 2.9 2.5\n2 6 3.4 2.7\n", "no thickness and no depth"),
    "tops below the ground": ("top vp vs rho\n3 5 2.9 2.5\n9 6 3.4 2.7\n", "must begin at 0"),
    "other length": ("depth[ft] vp vs rho\n0 5 2.9 2.5\n9 6 3.4 2.7\n", "lengths in 'ft'"),
    "Qs before Qp": (
        "5 2.9 5 2.5 300 150\n15 3.46 6 2.7 600 300\n0 4.5 8 3.3 900 400\n", "Qp seems to stand before"
    ),
    "cut CRUST1": ("\n".join(CRUST1.splitlines()[:7]), "looks like CRUST 1.0, but"),
    "three columns": ("5 5.0 2.9\n", "4 or 6 numbers"),
}  # fmt: skip


@pytest.mark.parametrize("text, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_told_is_refused(tmp_path, text, words):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"c\.txt: .*{words}"):
        LayeredModel.read(tmp_path / "c.txt")


def test_the_caller_can_tell(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text(REFUSED["thickness or depth"][0])
    for depths, thickness in (("thickness", [2, 10]), ("bottoms", [2, 8])):
        np.testing.assert_allclose(LayeredModel.read(path, depths=depths).thickness[:-1], thickness)
    path.write_text(REFUSED["km or m"][0])
    np.testing.assert_allclose(LayeredModel.read(path, unit="m").thickness[:-1], [0.005, 0.015])
    np.testing.assert_allclose(LayeredModel.read(path, unit="km").thickness[:-1], [5, 15])
    path.write_text("thickness[km] vp vs rho\n5 5 2.9 2.5\n9 6 3.4 2.7\n")
    with pytest.raises(ValueError, match="depths is 'tops', but its header says thickness"):
        LayeredModel.read(path, depths="tops")
    with pytest.raises(ValueError, match="depths"):
        LayeredModel.read(path, depths="roofs")


def test_gradients_become_thin_layers_that_keep_the_travel_time(tmp_path):
    """Velocity that grows by half over 20 km; and what lies deeper than 300 km is cut off."""
    path = tmp_path / "g.nd"
    path.write_text("0 4 2.3 2.5\n20 6 3.45 2.8\n20 8 4.5 3.3\n2900 13 7 5.5\n2900 8 0 10\n6371 11 0 13\n")
    model = LayeredModel.read(path)
    inside = np.cumsum(model.thickness) <= 20.0001
    assert inside.sum() > 15 and (np.abs(np.diff(model.vp[inside]) / model.vp[inside][1:]) < 0.03).all()
    time = (model.thickness / model.vp)[inside].sum()
    assert time == pytest.approx(20 * np.log(6 / 4) / 2, rel=1e-4)
    assert np.cumsum(model.thickness)[-2] == pytest.approx(300)


def test_mudpy_table_of_a_real_earthquake(shared):
    """Thickness, vs, vp, rho, Qs, Qp, as the README of these data says."""
    model = LayeredModel.read(shared / "real" / "nantou2013_vel1D_CWB.mod")
    assert (model.vp > model.vs).all() and (model.qp == 600).all() and (model.qs == 300).all()
    np.testing.assert_allclose(model.thickness[:3], [2, 2, 5])
