"""Finite faults in a layered crust, against closed forms, sums of point sources, and each other."""

import time
import tracemalloc

import numpy as np
import pytest

from dislok import convert, okada, propagator, tde
from dislok.inversion.mesh import Grid, Mesh
from dislok.kernels.propagator import difference, integrals, patches, radiation
from dislok.okada import Rectangle
from dislok.propagator import LayeredModel, Stations

CRUST = LayeredModel([3.0, 12.0, np.inf], [5.0, 6.0, 7.8], [2.8, 3.5, 4.4], [2.5, 2.7, 3.3])
XY = np.array([[4.0, 1.0], [-25.0, 10.0], [8.0, -60.0], [1.5, 6.0]])
PLACES = Stations(*XY.T)
#: From the ground through two interfaces, vertical and dipping.
FAULTS = Rectangle(
    np.array([0.0, -4.0]), np.array([1.0, 2.0]), np.array([0.0, 4.0]), np.array([9.0, 12.0]),
    np.array([7.0, 15.0]), np.array([35.0, 140.0]), np.array([70.0, 60.0]),
)  # fmt: skip


def poisson(model, layer):
    ratio = (model.vs[layer] / model.vp[layer]) ** 2
    return (0.5 - ratio) / (1.0 - ratio)


def surface(xy):
    return np.column_stack([xy, np.zeros(len(xy))])


def wrong(got, truth):
    """Largest error of a patch at a station, relative to the norm of its numbers."""
    return float(np.sqrt(((got - truth) ** 2).sum((1, 3)) / (truth**2).sum((1, 3))).max())


def triangles_of(source):
    return convert.triangles(source).reshape(-1, 3, 3)


@pytest.mark.parametrize("layers", [1, 3])
def test_in_a_half_space_it_is_okadas_and_that_of_triangles(layers):
    """Also where the half-space is cut into layers that do not differ."""
    model = LayeredModel([3.0, 4.0, np.inf][-layers:], *([v] * layers for v in (6.0, 3.2, 2.7)))
    nu = poisson(model, 0)
    got = propagator.greens(model, FAULTS, PLACES, accuracy=1e-6)
    assert wrong(got, okada.greens(surface(XY), FAULTS, nu=nu)) < 1e-9
    tri = triangles_of(FAULTS)
    got = propagator.greens(model, tri, PLACES, accuracy=1e-6)
    assert wrong(got, tde.greens(surface(XY), tri, nu=nu)) < 1e-9


def points_on(source, model, order):
    """Point sources (place, moment of three unit slips) that stand for one rectangle, layer by layer."""
    x, w = np.polynomial.legendre.leggauss(order)
    x, w = 0.5 * (x + 1.0), 0.5 * w
    strike, dip = np.radians([source.strike, source.dip])
    along = np.array([np.sin(strike), np.cos(strike), 0.0])
    down = np.array([np.cos(strike) * np.cos(dip), -np.sin(strike) * np.cos(dip), -np.sin(dip)])
    normal, tops = np.cross(down, along), np.cumsum(model.thickness)
    ends = (tops[:-1] - source.depth) / (source.width * np.sin(dip))
    ends = np.concatenate([[0.0], ends[(ends > 0.0) & (ends < 1.0)], [1.0]])
    places, moments = [], []
    for begin, end in zip(ends[:-1], ends[1:], strict=True):
        for s, ws in zip(x, w, strict=True):
            for d, wd in zip(begin + (end - begin) * x, (end - begin) * w, strict=True):
                at = [source.x, source.y, -source.depth] + s * source.length * along + d * source.width * down
                layer = int(np.searchsorted(tops, -at[2]))
                mu = model.rho[layer] * model.vs[layer] ** 2
                lame = model.rho[layer] * model.vp[layer] ** 2 - 2.0 * mu
                area = 1e15 * source.length * source.width * ws * wd
                for slip in (along, -down, normal):
                    pair = mu * (np.outer(slip, normal) + np.outer(normal, slip))
                    places.append(at)
                    moments.append(area * (pair + (lame * np.eye(3) if slip is normal else 0.0)))
    return np.array(places), np.array(moments)


def summed(source, model, stations, order):
    """Green's matrix (n, 3, 1, 3) of one rectangle as a sum of point sources."""
    at, moment = points_on(source, model, order)
    made = propagator.statics(
        model, propagator.PointSource(at[:, 0], at[:, 1], -at[:, 2], moment), stations, accuracy=1e-8
    )
    return made.reshape(-1, 3, len(stations.x), 3).sum(0).transpose(1, 2, 0)[:, :, None]


@pytest.mark.parametrize("accuracy", [1e-2, 1e-4, 1e-6])
def test_in_layers_it_is_the_sum_of_point_sources(accuracy):
    buried = Rectangle(-4.0, 2.0, 4.0, 12.0, 15.0, 140.0, 60.0)
    truth = summed(buried, CRUST, PLACES, 20)
    assert wrong(truth, summed(buried, CRUST, PLACES, 16)) < 1e-7
    got, error = propagator.greens(CRUST, buried, PLACES, accuracy=accuracy, with_error=True)
    assert wrong(got, truth) < error <= accuracy or wrong(got, truth) < 1e-7
    tri = triangles_of(buried)
    both = propagator.greens(CRUST, tri, PLACES, accuracy=accuracy)
    # triangles have their own strike and dip, which here are those of the rectangle
    assert wrong(both.sum(axis=2, keepdims=True), truth) < accuracy


def test_stations_inside_the_earth(rng):
    """In the layer of the fault, and in another; above it and below."""
    buried = Rectangle(-4.0, 2.0, 4.0, 6.0, 5.0, 140.0, 60.0)
    for depth in (1.0, 9.5, 18.0):
        there = Stations(XY[:, 0] + 15.0, XY[:, 1] + 15.0, depth)
        truth = summed(buried, CRUST, there, 10)
        assert wrong(propagator.greens(CRUST, buried, there, accuracy=1e-4), truth) < 1e-4


def test_sea_floor():
    ocean = LayeredModel([2.0, *CRUST.thickness], [1.5, *CRUST.vp], [0.0, *CRUST.vs], [1.0, *CRUST.rho])
    dry = propagator.greens(CRUST, FAULTS, PLACES)
    assert wrong(propagator.greens(ocean, FAULTS, PLACES), dry) < 1e-6


def test_near_a_fault_that_breaks_the_ground():
    """Where no sum of points converges: rectangles are two triangles, and the sum of their parts."""
    breaking = Rectangle(0.0, 0.0, 0.0, 10.0, 6.0, 20.0, 75.0)
    xy = np.array([[0.3, 0.4], [1.0, 5.0], [2.0, 3.0], [-0.05, 1.0]])
    near = Stations(*xy.T)
    whole = propagator.greens(CRUST, breaking, near, accuracy=1e-5)
    tri = propagator.greens(CRUST, triangles_of(breaking), near, accuracy=1e-5)
    assert wrong(tri.sum(axis=2, keepdims=True), whole) < 1e-5
    parts = propagator.greens(CRUST, Grid(breaking, 3, 4), near, accuracy=1e-5)
    assert wrong(parts.sum(axis=2, keepdims=True), whole) < 1e-5
    # the layers matter here
    assert wrong(okada.greens(surface(xy), breaking), whole) > 0.01


def test_thin_soft_ground():
    """A layer of 100 m: what it adds is rough, and patches are quartered until it is seen."""
    soft = LayeredModel([0.1, 2.9, np.inf], [2.0, 5.0, 6.0], [0.6, 2.8, 3.5], [1.8, 2.5, 2.7])
    fault = Rectangle(0.0, 0.0, 0.0, 4.0, 3.0, 20.0, 75.0)
    near = Stations([0.3, 1.0, 4.0], [0.4, 2.0, -3.0])
    whole, error = propagator.greens(soft, fault, near, accuracy=1e-4, with_error=True)
    assert error <= 1e-4
    tri = propagator.greens(soft, triangles_of(fault), near, accuracy=1e-4)
    assert wrong(tri.sum(axis=2, keepdims=True), whole) < 1e-4


def test_patches_of_the_inversion_and_reference_points():
    grid = Grid(Rectangle(0.0, 0.0, 1.0, 10.0, 6.0, 20.0, 75.0), 2, 2)
    mesh = Mesh([[0, 0, -1], [4, 0, -1], [0, 4, -5], [4, 4, -4]], [[0, 1, 2], [1, 3, 2]])
    of_grid = propagator.greens(CRUST, grid, PLACES)
    assert np.array_equal(of_grid, propagator.greens(CRUST, grid.source, PLACES))
    of_mesh = propagator.greens(CRUST, mesh, PLACES)
    assert np.array_equal(of_mesh, propagator.greens(CRUST, (mesh.points, mesh.cells), PLACES))
    moved = convert.move_origin(grid.source, "topleft", "center")
    plain = Rectangle._make(moved)
    assert wrong(propagator.greens(CRUST, plain, PLACES, origin="center"), of_grid) < 1e-9
    assert wrong(propagator.greens(CRUST, plain.with_origin("center"), PLACES), of_grid) < 1e-9


def test_a_station_on_an_edge_has_no_value():
    breaking = Rectangle(0.0, 0.0, 0.0, 10.0, 6.0, 0.0, 90.0)
    got = propagator.greens(CRUST, breaking, Stations([0.0, 3.0], [5.0, 5.0]))
    assert np.isnan(got[0]).any()
    assert np.isfinite(got[1]).all()


def test_tables_serve_many_faults(tmp_path):
    table = propagator.static_table(CRUST, (0.0, 20.0), 90.0, accuracy=1e-6)
    assert 0 < table.error <= 1e-6
    direct = propagator.greens(CRUST, FAULTS, PLACES)
    assert wrong(propagator.greens(table, FAULTS, PLACES), direct) < 1e-4
    table.save(tmp_path / "crust.npz")
    again = propagator.StaticTable.load(tmp_path / "crust.npz")
    assert np.array_equal(propagator.greens(again, FAULTS, PLACES), propagator.greens(table, FAULTS, PLACES))
    for call, words in (
        (lambda: propagator.greens(table, FAULTS._replace(depth=9.0), PLACES), "depths of 0 to 20 km, got"),
        (lambda: propagator.greens(table, FAULTS, Stations([200.0], [0.0])), "distances up to 90 km, got"),
        (lambda: propagator.greens(table, FAULTS, PLACES._replace(depth=1.0)), "stations at 0 km, got 1"),
        (lambda: propagator.greens(table, FAULTS, PLACES, accuracy=1e-9), "the table has an error of"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="holds no table"):
        propagator.StaticTable.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stations": PLACES._replace(geometry="geographic")}, "stations.geometry must be 'cartesian'"),
        ({"stations": Stations([1.0, 2.0], [1.0])}, "station x and y"),
        ({"stations": PLACES._replace(depth=-1.0)}, "stations.depth must be at least 0 km"),
        ({"patches": FAULTS._replace(length=-1.0)}, r"source.length\[0\] is -1.0; it must be positive"),
        ({"patches": [[[0, 0, 1], [1, 0, -1], [0, 1, -1]]]}, "must not reach above the surface"),
        ({"stations": Stations([4e3], [1e4])}, "stations must be within .* are they in metres"),
        ({"origin": "middle"}, "unknown origin 'middle'"),
        ({"accuracy": 1e-15}, "accuracy must lie between"),
    ],
)
def test_refusals(change, words):
    call = {"model": CRUST, "patches": FAULTS, "stations": PLACES} | change
    with pytest.raises(ValueError, match=words):
        propagator.greens(**call)


def test_stations_at_an_interface_inside_a_fault_are_refused():
    with pytest.raises(propagator.PlanError, match="which lie on or next to an interface"):
        propagator.greens(CRUST, FAULTS, PLACES._replace(depth=3.0))


def test_time_and_memory_of_a_fault():
    """200 patches at 400 stations: the point sources of which they are sums are never held together."""
    draw = np.random.default_rng(5)
    grid = Grid(Rectangle(0.0, 0.0, 0.0, 40.0, 20.0, 30.0, 60.0), 20, 10)
    places = Stations(*draw.uniform(-100, 100, (2, 400)))
    propagator.greens(CRUST, grid, Stations([1.0], [1.0]))
    start = time.process_time()
    tracemalloc.start()
    got, error = propagator.greens(CRUST, grid, places, accuracy=1e-4, with_error=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - start < 20.0
    assert peak < 300e6
    assert error <= 1e-4
    assert got.shape == (400, 3, 200, 3)


def test_panels_are_no_longer_than_the_way_from_them():
    layers = CRUST.layers()
    ranges = difference.cuts(layers, 1, 0.0, 3.0, 15.0)
    assert ranges[0][0] == 3.0
    assert ranges[-1][1] == 15.0
    assert all(b - a <= a for a, b in ranges)
    assert difference.way(layers, 0, 0.0, 1.0) == 5.0
    assert difference.way(layers, 1, 4.0, 5.0) == 3.0
    assert difference.way(layers, 1, 14.0, 14.5) == 1.5


def test_motion_from_a_table_is_that_of_the_patterns(rng):
    """The closed forms of the loop against the general ones."""
    stations, points, moments = rng.normal(size=(5, 2)), rng.normal(size=(3, 2)), rng.normal(size=(3, 3, 6))
    coefficients, owner = rng.normal(size=(3, 2, 4, patches.COLUMNS)), np.array([0, 1, 1])
    out = np.zeros((2, 5, 3, 3))
    patches.add_all(stations, points, moments, owner, coefficients, 1.3, 1.1, out)
    expected = np.zeros_like(out)
    for p in range(3):
        for i in range(5):
            east, north = stations[i] - points[p]
            s = np.arcsinh(np.hypot(east, north) / 1.3) / 1.1
            piece = min(int(s), 1)
            waves = np.polynomial.chebyshev.chebval(2.0 * (s - piece) - 1.0, coefficients[p, piece])
            phi, names = np.arctan2(north, east)[None], integrals.names(False)
            pattern = radiation.patterns(names, phi, np.zeros(1))[0][0, :, :6]
            expected[owner[p], i] += np.einsum("cem,ke,m->ck", pattern, moments[p], waves)
    assert np.abs(out - expected).max() < 1e-13 * np.abs(expected).max()
