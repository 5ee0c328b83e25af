"""Edge values go through every reader, writer and plot: what has no nodal lines, no samples, no place on the
map; poles, the date line, leap seconds, nothing at all. Each is right, or refused by us.
"""

import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dislok import convert, okada, raster
from dislok.inversion import cmt, fault, finite, gnss, mesh, plot, quadtree, slip
from dislok.inversion.cmt import beachball
from dislok.inversion.cmt.maps import station_map
from dislok.inversion.cmt.resample import Ensemble
from dislok.inversion.mesh.plot import patch_3d, patch_map, patch_section
from dislok.inversion.slip import plot as slip_plot
from dislok.layers import LayeredModel
from dislok.nn.predict import quicklook

TENSORS = {
    "explosion": [1, 1, 1, 0, 0, 0],
    "implosion": [-1, -1, -1, 0, 0, 0],
    "crack": [1, 1, 3, 0, 0, 0],
    "clvd": [-1, -1, 2, 0, 0, 0],
    "flat thrust": [0, 0, 0, 0, 1, 0],
    "vertical strike-slip": [0, 0, 0, 1, 0, 0],
    "hardly a double couple": [1, 1, 1 + 1e-13, 0, 0, 0],
    "nothing": [0, 0, 0, 0, 0, 0],
}


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e25])
@pytest.mark.parametrize("name", TENSORS)
def test_every_tensor_has_a_beachball(name, size, tmp_path, recwarn):
    tensor = size * np.array(TENSORS[name], float)
    draws = tensor * np.linspace(0.9, 1.1, 5)[:, None]
    figure, axes = plt.subplots()
    for given in (None, draws):
        beachball.draw(axes, tensor, given)
    figure.savefig(tmp_path / "ball.png")
    plt.close(figure)
    pushes = axes.images[0].get_array()
    if name in ("explosion", "implosion"):
        inside = np.isfinite(beachball.radiation(tensor[None])[1][0])
        assert set(np.unique(pushes[inside])) == {float(name == "explosion")}
    assert not [str(w.message) for w in recwarn if "contour" in str(w.message).lower()]


# ------------------------------------------------------------- every reader and writer, case by case

HEAD = "station,lat,lon,east,north,up,sigma_east,sigma_north,sigma_up\n"
ROW = "A,{lat},{lon},{east},0.1,0.1,{sigma},0.01,0.01\n"
CMTSOLUTION = """ PDE {time} {lat} 130.0 12.0 6.5 6.5 TEST
event name:      2016
time shift:      1.0
half duration:   2.0
latitude:       {lat}
longitude:     130.0
depth:          12.0
Mrr:       {mrr}
Mtt:      -{mrr}
Mpp:       0.0
Mrt:       0.0
Mrp:       0.0
Mtp:       0.0
"""
QUAKEML = """<?xml version="1.0"?><q:quakeml xmlns="http://quakeml.org/xmlns/bed/1.2"
 xmlns:q="http://quakeml.org/xmlns/quakeml/1.2"><eventParameters publicID="smi:local/a">{}</eventParameters>
</q:quakeml>"""
EVENT = """<event publicID="smi:local/e"><origin publicID="smi:local/o"><time><value>{}</value></time>
<latitude><value>{}</value></latitude><longitude><value>2</value></longitude></origin></event>"""
POSITIONS = (
    "site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m)\nABCD 20JAN01 2020.0000 58849 2086 3 -112.0 "
    "0 0.1 0 0.1 0 0.1 0 0.001 0.001 0.001 0 0 0 {} {} 100\n"
)
CRUST = "3 1.5 0 1.02 1000 0\n10 6 3.5 2.7 600 300\n0 8 4.5 3.3 600 300\n"
CORNERS, CELL = [[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [0.0, 1.0, -2.0]], [[0, 1, 2]]
FAULT = okada.Rectangle(0.0, 0.0, 2.0, 10.0, 5.0, 30.0, 40.0, 90.0, 1.0, 0.0)


def offsets(**values):
    given = {"lat": 1, "lon": 2, "east": 0.1, "sigma": 0.01} | values
    return lambda folder: gnss.read_offsets(written(folder, HEAD + ROW.format(**given)))


def cmtsolution(time="2016 4 15 16 25 6.00", lat=32.0, mrr="1.0e25"):
    return lambda folder: cmt.read_event(written(folder, CMTSOLUTION.format(time=time, lat=lat, mrr=mrr)))


def quakeml(time="2016-04-15T16:25:06Z", latitude=1):
    return lambda folder: cmt.read_event(written(folder, QUAKEML.format(EVENT.format(time, latitude))))


def series(latitude, longitude):
    text = POSITIONS.format(latitude, longitude)
    return lambda folder: gnss.read_series(written(folder, text, "a.tenv3"))


def written(folder, content, name="file"):
    (folder / name).write_text(content)
    return folder / name


def nothing(read, name="file", content=""):
    return lambda folder: read(written(folder, content, name))


def table(name="A", lat=1.0, lon=2.0, offset=0.1, sigma=0.01):
    one = np.ones((1, 3))
    return gnss.OffsetTable(np.array([name]), np.array([lat]), np.array([lon]), offset * one, sigma * one)


def again(model):
    """A table of offsets written and read."""

    def both(folder):
        gnss.write_offsets(folder / "t.csv", model)
        return gnss.read_offsets(folder / "t.csv")

    return both


def triangle(ending):
    """A mesh of one triangle, written with values that are not known, and read."""

    def both(folder):
        mesh.write_mesh(folder / f"m{ending}", mesh.Mesh(CORNERS, CELL), {"slip": np.full((1, 3), np.nan)})
        return mesh.read_mesh_values(folder / f"m{ending}")

    return both


def raster_of(values, transform=(1.0, 0.0, 0.0, 0.0, -2.0, 0.0)):
    def both(folder):
        raster.write(folder / "r.tif", raster.Raster(values, transform, "EPSG:4326", np.nan))
        return raster.read(folder / "r.tif")

    return both


def fault_at(origin, ending, slip=1.0):
    """A finite fault of six patches, written and read: how far its patches moved, and where it slipped."""

    def both(folder):
        patches = mesh.Grid(FAULT, 3, 2).source._replace(rake=90.0, slip=slip, opening=0.0)
        model = finite.from_rectangles(patches, origin, unit=1e3, mu=3e10, shape=((3, 2),))
        finite.write(folder / f"f{ending}", model)
        got = finite.read(folder / f"f{ending}")
        return np.abs(np.subtract(got.rectangles(origin)[:3], model.rectangles(origin)[:3])).max(), got.place

    return both


def sent(lon, lat, lon0, lat0):
    """A place projected and brought back."""

    def both(folder):
        return convert.to_geographic(*convert.to_local(lon, lat, lon0, lat0), lon0, lat0)

    return both


def at(time):
    return lambda quake: quake.begin.time == datetime.fromisoformat(time).replace(tzinfo=UTC)


def near(lon, lat):
    return lambda got: abs((got[0] - lon + 180) % 360 - 180) < 1e-9 and abs(got[1] - lat) < 1e-9


def in_place(longitude):
    return lambda got: got[0] < 1e-3 and abs(got[1][1] - longitude) < 0.05


EDGES = {
    # static offsets
    "offsets, no text": (nothing(gnss.read_offsets), "no station in this table"),
    "offsets, a header": (nothing(gnss.read_offsets, content=HEAD), "no station in this table"),
    "offsets, one station": (offsets(), lambda t: t.offset[0, 0] == 0.1),
    "offsets, pole": (offsets(lat=90), lambda t: t.latitude[0] == 90),
    "offsets, beyond the pole": (offsets(lat=90.5), "latitude of A must be within 90, got 90.5"),
    "offsets, infinite latitude": (offsets(lat="inf"), "latitude of A must be within 90, got inf"),
    "offsets, no latitude": (offsets(lat="nan"), "no latitude of A"),
    "offsets, date line": (offsets(lon=-180), lambda t: t.longitude[0] == -180),
    "offsets, longitude": (offsets(lon=400), "longitude of A must be within 360, got 400"),
    "offsets, infinite": (offsets(east="inf"), "E of A must be within 100 m, got inf"),
    "offsets, infinite error": (offsets(sigma="inf"), "E of A has the standard deviation inf"),
    "offsets, no error": (offsets(sigma=0), "E of A has the standard deviation 0"),
    "offsets written, small errors": (again(table(sigma=1e-7)), lambda t: np.allclose(t.sigma, 1e-7)),
    "offsets written, date line": (again(table(lon=179.999999)), lambda t: abs(t.longitude[0] - 180) < 1e-5),
    "offsets written, a comma": (again(table(name="A,b")), lambda t: t.station[0] == "A,b"),
    "offsets written, nothing known": (again(table(offset=np.nan)), "no offset with a standard deviation"),
    # daily positions
    "positions, no text": (nothing(gnss.read_series, "a.tenv3"), "neither .tenv3 nor .pos"),
    "positions, a header": (nothing(gnss.read_series, "a.tenv3", POSITIONS.split("\n")[0]), "no positions"),
    "positions, one day": (series(33.0, 190.0), lambda s: s.longitude == -170 and len(s.time) == 1),
    "positions, beyond the pole": (series(91.0, 0.0), "must be within 90 and 360, got 91 and 0"),
    # earthquakes
    "CMTSOLUTION": (cmtsolution(), at("2016-04-15T16:25:06")),
    "CMTSOLUTION, second 60": (cmtsolution("2016 4 15 16 25 60.00"), at("2016-04-15T16:26")),
    "CMTSOLUTION, end of a year": (cmtsolution("2016 12 31 23 59 60.00"), at("2017-01-01T00:00")),
    "CMTSOLUTION, leap second": (cmtsolution("2016 12 31 23 59 60.50"), at("2017-01-01T00:00:00.5")),
    "CMTSOLUTION, 1900": (cmtsolution("1900 1 1 0 0 0.00"), at("1900-01-01T00:00")),
    "CMTSOLUTION, 2100": (cmtsolution("2100 12 31 23 59 59.99"), at("2100-12-31T23:59:59.99")),
    "CMTSOLUTION, second 61": (cmtsolution("2016 4 15 16 25 61.0"), "line 1: no date and time.*second 61"),
    "CMTSOLUTION, minute 60": (
        cmtsolution("2016 4 15 16 60 0.0"),
        "line 1: no date and time: 2016 4 15 16 60",
    ),
    "CMTSOLUTION, February": (cmtsolution("2016 2 30 1 0 0.0"), "line 1: no date and time: 2016 2 30"),
    "CMTSOLUTION, no year": (cmtsolution("0 0 0 0 0 0.0"), "line 1: expected catalogue, date, time"),
    "CMTSOLUTION, south pole": (cmtsolution(lat=-90.0), lambda q: q.centroid.latitude == -90),
    "CMTSOLUTION, beyond it": (cmtsolution(lat=-90.5), "lies at latitude -90.5"),
    "CMTSOLUTION, no moment": (
        cmtsolution(mrr="0.0"),
        lambda q: q.tensor == (0.0,) * 6 and q.magnitude == 6.5,
    ),
    "CMTSOLUTION, no number": (cmtsolution(mrr="x"), "Mrr is no number: 'x'"),
    "CMTSOLUTION, infinite": (cmtsolution(mrr="inf"), "Mrr must be finite, got inf"),
    "QuakeML, no text": (nothing(cmt.read_event), "in none of the formats"),
    "QuakeML, no events": (nothing(cmt.read_event, content=QUAKEML.format("")), "no events in this file"),
    "QuakeML, second 60": (quakeml("2016-04-15T16:25:60.00Z"), at("2016-04-15T16:26")),
    "QuakeML, leap second": (quakeml("2016-12-31T23:59:60Z"), at("2017-01-01T00:00")),
    "QuakeML, 1900": (quakeml("1900-01-01T00:00:00Z"), at("1900-01-01T00:00")),
    "QuakeML, 2100": (quakeml("2100-01-01T00:00:00Z"), at("2100-01-01T00:00")),
    "QuakeML, pole": (quakeml(latitude=90), lambda q: q.begin.latitude == 90),
    "QuakeML, beyond it": (quakeml(latitude=91), "lies at latitude 91"),
    # responses
    "poles not conjugate": (lambda _: cmt.Response((), (-1 + 1j,), 1.0), "poles: .* has no conjugate"),
    "zeros not conjugate": (lambda _: cmt.Response((1j,), (), 1.0), "zeros: .* has no conjugate"),
    "poles to the right": (
        lambda _: cmt.Response((), (1 + 0j,), 1.0),
        "poles must lie left of the imaginary",
    ),
    "no poles": (lambda _: cmt.Response((), (), 1.0), lambda r: r.poles == ()),
    # crusts
    "crust, no text": (nothing(LayeredModel.read), "rows must all have 4 or 6 numbers"),
    "crust, Qs of water": (
        nothing(LayeredModel.read, content=CRUST),
        lambda model: (model.layers().qs > 0).all(),
    ),
    "crust, a half-space": (nothing(LayeredModel.read, content="0 8 4.5 3.3\n"), lambda m: len(m.vp) == 1),
    "crust, nothing but water": (nothing(LayeredModel.read, content="5 1.5 0 1\n"), "vs must be positive"),
    # meshes
    "mesh of nothing": (
        lambda _: mesh.Mesh(np.zeros((0, 3)), np.zeros((0, 3), int)),
        "points: expected shape",
    ),
    "one triangle, no neighbour": (lambda _: mesh.laplacian(mesh.Mesh(CORNERS, CELL)), lambda m: m.nnz == 0),
    "one rectangle, no neighbour": (lambda _: mesh.laplacian(mesh.Grid(FAULT, 1, 1)), lambda m: m.nnz == 0),
    "one triangle, finer": (lambda _: mesh.refine(mesh.Mesh(CORNERS, CELL), 1), lambda m: m.size == 4),
    "one triangle, nowhere seen": (
        lambda _: mesh.Mesh(CORNERS, CELL).greens(np.zeros((0, 2))),
        lambda g: g.shape == (0, 3, 1, 3),
    ),
    "one triangle at rest": (
        lambda _: mesh.Mesh(CORNERS, CELL).moment(np.zeros((1, 3))),
        lambda m: not m.any(),
    ),
    "one triangle, Gmsh": (triangle(".msh"), lambda got: got[0].size == 1 and np.isnan(got[1]["slip"]).all()),
    "one triangle, VTU": (triangle(".vtu"), lambda got: got[0].size == 1 and np.isnan(got[1]["slip"]).all()),
    "one triangle, GOCAD": (triangle(".ts"), "GOCAD has them at vertices"),
    "Gmsh, no text": (nothing(mesh.read_mesh, "m.msh"), "meshio cannot read this file"),
    "GOCAD, no text": (nothing(mesh.read_mesh, "m.ts"), "no GOCAD TSurf in this file"),
    "OBJ, no text": (nothing(mesh.read_mesh, "m.obj"), "no triangles in this file"),
    # finite faults
    **{
        f"finite fault {ending} at {origin}": (fault_at(origin, ending), in_place(longitude))
        for ending in (".param", ".fsp", ".srf")
        for origin, longitude in (((0.0, 179.99), -179.97), ((0.0, -180.0), -179.96), ((0.0, 360.0), 0.04))
    },
    "finite fault at the pole": (
        fault_at((90.0, 0.0), ".srf"),
        "longitude must be within 30 degrees of lon0",
    ),
    "finite fault at rest, .srf": (fault_at((1.0, 2.0), ".srf", 0.0), in_place(2.04)),
    "finite fault at rest, .fsp": (fault_at((1.0, 2.0), ".fsp", 0.0), "no patch slips, so .* no magnitude"),
    "finite fault, no text": (nothing(finite.read), "neither .param, .fsp nor SRF"),
    # rasters and maps
    "raster of nothing": (raster_of(np.zeros((0, 0))), "expected at least one pixel, got shape \\(0, 0\\)"),
    "raster of NaN": (raster_of(np.full((3, 3), np.nan)), "no pixel holds anything"),
    "raster of one value": (raster_of(np.ones((1, 1))), "all pixels that hold something have the value 1.0"),
    "raster over the date line": (
        raster_of(np.eye(3), (1.0, 0.0, 179.0, 0.0, -2.0, 90.0)),
        lambda r: r.transform[2] == 179,
    ),
    "map of NaN": (lambda _: tree(np.full((32, 32), np.nan)), "no cell of any size has enough pixels"),
    "map of one pixel": (lambda _: tree(np.zeros((1, 1))), "no cell of any size has enough pixels"),
    "map of nothing": (lambda _: tree(np.zeros((0, 0))), "no cell of any size has enough pixels"),
    "level map": (lambda _: tree(np.ones((32, 32))), lambda cells: len(cells.xy) == 4),
    "noise of NaN": (
        lambda _: quadtree.noise_model(np.full((32, 32), np.nan), (1.0, 1.0)),
        "at least 100 pixels at rest",
    ),
    # places and moments
    **{
        f"place {place}": (sent(*place), near(*place[:2]))
        for place in (
            (179.9, 0.0, -179.9, 0.0),
            (-180.0, 10.0, 180.0, 10.0),
            (540.0, 10.0, 180.0, 10.0),
            (0.0, 90.0, 0.0, 89.0),
            (0.0, -90.0, 0.0, -89.5),
            (10.0, 89.999, 0.0, 89.0),
        )
    },
    "place beside the pole": (sent(120.0, 89.9, 0.0, 90.0), "longitude must be within 30 degrees of lon0"),
    "magnitude of nothing": (
        lambda _: convert.magnitude_from_moment(0.0),
        "moment is 0.0; it must be positive",
    ),
    "planes of an explosion": (lambda _: convert.double_couple(np.eye(3)), "tensor has no deviatoric part"),
    "planes of nothing": (lambda _: convert.double_couple(np.zeros((3, 3))), "tensor has no deviatoric part"),
    "planes of a CLVD": (
        lambda _: convert.double_couple(np.diag([-1.0, -1, 2])),
        lambda d: d.clvd == pytest.approx(0.5),
    ),
    "planes of a flat fault": (
        lambda _: convert.auxiliary_plane(10.0, 0.0, 30.0),
        lambda p: p[1] == pytest.approx(90.0),
    ),
    # data sets
    "no stations": (lambda _: fault.Gnss(np.zeros((0, 2)), np.zeros((0, 3)), 0.01), "holds no finite value"),
    "stations of NaN": (
        lambda _: fault.Gnss(np.ones((2, 2)), np.full((2, 3), np.nan), 0.01),
        "holds no finite value",
    ),
    "steps before all data": (
        lambda _: gnss.static_offsets(DAYS, np.zeros((1, 3, len(DAYS))), np.datetime64("2030-01-01")),
        lambda found: np.isnan(found.offset).all(),
    ),
    "steps in a leap second": (
        lambda _: gnss.static_offsets(DAYS, STEPPED, np.datetime64("2016-12-31T23:59:59")),
        lambda found: np.allclose(found.offset, 0.5, atol=2e-3),
    ),
}
DAYS = np.arange("2015-01-01", "2018-01-01", dtype="datetime64[D]")
STEPPED = 0.5 * (np.datetime64("2017-01-01") <= DAYS) + np.random.default_rng(0).normal(0, 1e-3, (1, 3, 1096))


def tree(values):
    options = {"threshold": 1.0, "origin": (0.0, 0.0), "spacing": (1.0, 1.0), "smallest": 4, "largest": 16}
    return quadtree.quadtree(values, **options)


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_right_or_refused_by_us(name, tmp_path):
    """Each either gives what it should, or an error of ours that says what is wrong."""
    call, expected = EDGES[name]
    if name.startswith(("QuakeML",)):
        pytest.importorskip("obspy")
    if name.startswith("raster"):
        pytest.importorskip("rasterio")
    if any(word in name for word in ("Gmsh", "VTU", "OBJ")):
        pytest.importorskip("meshio")
    if callable(expected):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", module="dislok")
            assert expected(call(tmp_path))
        return
    with pytest.raises((ValueError, TypeError), match=expected) as caught:
        call(tmp_path)
    frames = [Path(frame.filename).resolve() for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert {"bindings", "inversion", "dislok"} & {parent.name for parent in frames[-1].parents}


# ------------------------------------------------------------------------------------------- pictures


def solved(count=4, moved=0.1):
    """A fault whose slip is found from a few stations."""
    xy = np.array([[30.0, 20.0], [25.0, -10.0], [5.0, 5.0], [-20.0, 3.0]])[:count]
    data = fault.Gnss(xy, np.full((count, 3), moved), 0.01)
    fixed = ("x", "y", "depth", "length", "width", "strike", "dip", "rake", "opening")
    return fault.Problem(data, fault.FaultModel(FAULT, fixed=fixed), length_unit=1000).solve(starts=1, seed=0)


def slipped(count=4, moved=0.1):
    xy = np.array([[30.0, 20.0], [25.0, -10.0], [5.0, 5.0], [-20.0, 3.0]])[:count]
    models = [slip.SlipModel(mesh.Grid(FAULT, 1, 1))]
    return slip.SlipProblem(
        [fault.Gnss(xy, np.full((count, 3), moved), 0.01)], models, length_unit=1000
    ).solve(0.1)


PICTURES = {
    "one station": lambda: plot.fit_map(solved(1)),
    "no station on the map": lambda: plot.fit_map(solved(), radius=0.5),
    "nothing moved": lambda: plot.fit_map(solved(moved=0.0)),
    "nothing left": lambda: plot.residuals(solved(moved=0.0)),
    "residuals of one station": lambda: plot.residuals(solved(1)),
    "one patch": lambda: slip_plot.slip_map(slipped()),
    "one patch at rest": lambda: slip_plot.slip_map(slipped(moved=0.0)),
    "section of one patch at rest": lambda: slip_plot.slip_section(slipped(moved=0.0)),
    "slip seen by one station": lambda: slip_plot.fit_map(slipped(1)),
    **{
        f"{draw.__name__} of {value}": lambda draw=draw, value=value: draw(mesh.Mesh(CORNERS, CELL), [value])
        for draw in (patch_map, patch_section, patch_3d)
        for value in (0.0, np.nan, np.inf)
    },
    "map of nothing": lambda: quicklook.draw(np.full((9, 40, 40), np.nan), 1.0, "nothing"),
    "map at rest": lambda: quicklook.draw(np.zeros((9, 40, 40)), 1.0, "rest"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_drawn(name, tmp_path):
    figure = PICTURES[name]()
    figure.savefig(tmp_path / "figure.png", dpi=50)
    assert figure.axes and (tmp_path / "figure.png").stat().st_size > 1000
    plt.close(figure)


@pytest.mark.parametrize("origin", [(0.5, 179.95), (-16.0, -179.98), (89.999, 20.0), (-90.0, 0.0)])
def test_maps_at_the_date_line_and_the_poles(origin, tmp_path):
    """The stations of a small network lie on a small map, on whichever side of the date line."""
    lat = np.clip(origin[0] + np.array([0.3, -0.2, 0.1]), -90, 90)
    lon = (origin[1] + np.array([0.2, -0.3, 0.1]) + 180) % 360 - 180
    fit = SimpleNamespace(
        station=np.array(["A", "B", "C"]), latitude=lat, longitude=lon, mask=np.ones((3, 3, 1), bool),
        observed=np.ones((3, 3, 1)), predicted=np.full((3, 3, 1), 0.9),
    )  # fmt: skip
    centroid = SimpleNamespace(
        latitude=origin[0], longitude=-origin[1] if abs(origin[1]) > 170 else origin[1], moment=1e18,
        tensor=np.array([1.0, -1, 0, 0, 0, 0]),
    )  # fmt: skip
    result = SimpleNamespace(origin=origin, fits=[fit], rivals=[], centroids=[centroid], event="Test")
    figure = station_map(result)
    figure.savefig(tmp_path / "map.png", dpi=50)
    axes = figure.axes[0]
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    if abs(origin[0]) < 80:
        assert high - low < 2.0 and top - bottom < 2.0
    drawn = axes.collections[0].get_offsets()
    assert ((drawn[:, 0] > low) & (drawn[:, 0] < high)).all()
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert all(-180 <= float(text.replace("\N{MINUS SIGN}", "-")) <= 180 for text in labels if text)
    plt.close(figure)


def test_spread_over_the_date_line():
    table = {"longitude": np.array([179.99, -179.99, -179.995]), "latitude": np.zeros(3)}
    ensemble = SimpleNamespace(table=lambda source: table, labels=["A", "B", "C"])
    assert Ensemble.spread(ensemble)["longitude"] < 2.0


# --------------------------------------------------------------------- degrees in the place of lengths


def test_meshes_in_degrees_are_refused():
    geographic = np.array(
        [[130.70, 32.70, 0.0], [130.90, 32.90, 0.0], [130.71, 32.69, -15.0], [130.91, 32.89, -15.0]]
    )
    cells = [[0, 1, 2], [1, 3, 2]]
    for depths in (1.0, 1e3):  # km, m
        with pytest.raises(
            ValueError, match=r"\(130.805, 32.795\) look like longitude and latitude; project"
        ):
            mesh.Mesh(geographic * [1, 1, depths], cells)
    assert mesh.Mesh(geographic, cells, geographic=False).size == 2
    with pytest.raises(ValueError, match="points must be east, north and up"):
        mesh.Mesh(CORNERS, CELL, geographic=True)
    x, y = convert.to_local(geographic[:, 0], geographic[:, 1], 130.8, 32.8)
    assert mesh.Mesh(np.stack([x / 1e3, y / 1e3, geographic[:, 2]], axis=1), cells).size == 2
    # a small fault far from the origin is one
    assert mesh.Mesh(np.array(CORNERS) + [80.0, 50.0, 0.0], CELL).size == 1


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_networks_in_degrees_are_refused(unit, rng):
    """Beside a fault whose length is in km or m."""
    places = [130.7, 32.8] + rng.uniform(-1, 1, (20, 2))
    source = FAULT._replace(x=130.7, y=32.8, length=40.0 * unit, width=15.0 * unit, depth=5.0 * unit)
    words = r"datasets: places near \(130\.\d+, 32\.\d+\) look like longitude and latitude beside a fault of"
    models = [slip.SlipModel(mesh.Grid(source, 2, 2))]
    for xy, expected in ((places, words), (unit * (places - places.mean(axis=0)) * 100, None)):
        data = fault.Gnss(xy, rng.normal(0, 0.1, (20, 3)), 0.01)
        for make, model in ((fault.Problem, fault.FaultModel(source)), (slip.SlipProblem, models)):
            if expected is None:
                make([data], model)
                continue
            with pytest.raises(ValueError, match=expected):
                make([data], model)
