"""Meshes and grids: geometry, fields, roughness, checks that name the element, files."""

import numpy as np
import pytest
from scipy import sparse

from dislok import okada, tde
from dislok.convert import double_couple
from dislok.inversion.mesh import (
    Grid,
    Mesh,
    gradient,
    laplacian,
    listric,
    mass,
    merge,
    mesh_of_rectangle,
    read_mesh,
    refine,
    trace_mesh,
    write_mesh,
)
from dislok.inversion.mesh.operators import roughness
from dislok.okada import Rectangle

FAULT = Rectangle(1.0, -2.0, 0.5, 20.0, 10.0, 35.0, 50.0)
POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, -1], [1, 1, -1.0]])
CELLS = np.array([[0, 1, 2], [1, 3, 2]])


def listric_mesh(patch=2.5):
    return trace_mesh([[0.0, 0.0], [3.0, 8.0], [9.0, 15.0], [12.0, 24.0]], listric(10.0, (70.0, 30.0)), patch)


def equilateral(rows=8, columns=10):
    """Strips of equilateral triangles in a plane of dip 40 degrees."""
    points, cells = [], []
    for j in range(rows + 1):
        for i in range(columns + 1):
            points.append([i + 0.5 * (j % 2), -j * np.sqrt(0.75)])
    for j in range(rows):
        for i in range(columns):
            a, b = j * (columns + 1) + i, (j + 1) * (columns + 1) + i
            cells += [[a, b, a + 1], [a + 1, b, b + 1]] if j % 2 == 0 else [[a, b, b + 1], [a, b + 1, a + 1]]
    s, d = np.array(points).T
    tilt = np.deg2rad(40.0)
    return Mesh(np.stack([-d * np.cos(tilt), s, d * np.sin(tilt)], axis=-1), cells)


def test_triangles_of_a_rectangle_lie_in_it_and_make_its_field(rng):
    grid, mesh = Grid(FAULT, 4, 3), mesh_of_rectangle(FAULT, 4, 3)
    assert mesh.size == 2 * grid.size
    np.testing.assert_allclose([mesh.areas.sum(), grid.areas.sum()], 200.0)
    for patches in (grid, mesh):
        np.testing.assert_allclose(patches.strike, 35.0)
        np.testing.assert_allclose(patches.dip, 50.0)
    xy, slip = rng.uniform(-30, 30, (20, 2)), rng.standard_normal((grid.size, 3))
    whole = grid.apply(xy, slip)
    np.testing.assert_allclose(mesh.apply(xy, np.repeat(slip, 2, axis=0)), whole, atol=1e-13)


@pytest.mark.parametrize("origin", ["topleft", "topcenter", "center", "bottomright"])
def test_uniform_slip_on_a_grid_is_that_of_the_rectangle(origin, rng):
    fault = FAULT._replace(depth=8.0, rake=70.0, slip=2.0)
    grid, xy = Grid(fault, 5, 4, origin), rng.uniform(-30, 30, (15, 2))
    slip = np.tile(2.0 * np.array([np.cos(np.deg2rad(70)), np.sin(np.deg2rad(70)), 0.0]), (grid.size, 1))
    np.testing.assert_allclose(grid.apply(xy, slip), okada.displacement(xy, fault, origin=origin), atol=1e-14)


@pytest.mark.parametrize("patches", [Grid(FAULT, 3, 2), listric_mesh(6.0)], ids=["grid", "mesh"])
def test_products_are_those_of_the_matrix(patches, rng):
    xy, slip, r = (
        rng.uniform(-30, 30, (12, 2)),
        rng.standard_normal((patches.size, 3)),
        rng.standard_normal((12, 3)),
    )
    greens = patches.greens(xy)
    assert greens.shape == (12, 3, patches.size, 3)
    np.testing.assert_allclose(patches.apply(xy, slip), np.einsum("ncma,ma->nc", greens, slip), atol=1e-12)
    np.testing.assert_allclose(patches.apply_adjoint(xy, r), np.einsum("ncma,nc->ma", greens, r), atol=1e-12)


def test_frame_is_that_of_the_kernels():
    mesh = listric_mesh()
    np.testing.assert_allclose(mesh.frame, tde.frame(mesh.triangles), atol=1e-15)
    flat = Mesh([[0, 0, -1], [1, 0, -1], [0, 1, -1.0]], [[0, 2, 1]])
    np.testing.assert_allclose(flat.frame, tde.frame(flat.triangles), atol=1e-15)


def test_profile_has_the_dip_that_was_asked_for():
    profile = listric(12.0, (80.0, 20.0), top=2.0, steps=2000)
    slope = np.rad2deg(np.arctan2(np.diff(profile[:, 1]), np.diff(profile[:, 0])))
    np.testing.assert_allclose(slope, np.linspace(80, 20, 2000), atol=0.05)
    np.testing.assert_allclose(listric(3.0, 45.0)[-1], [3.0, 3.0])
    np.testing.assert_allclose(listric(3.0, (45.0, 45.0 + 1e-9))[-1], [3.0, 3.0])


def test_fault_dips_to_the_right_of_its_trace():
    mesh = trace_mesh([[0.0, 0.0], [0.0, 20.0]], listric(10.0, 60.0), 2.0)
    np.testing.assert_allclose(mesh.strike % 360, 0.0, atol=1e-10)
    np.testing.assert_allclose(mesh.dip, 60.0)
    assert mesh.centroids[:, 0].min() > 0
    assert mesh.areas.sum() == pytest.approx(20 * 10 / np.sin(np.deg2rad(60)))
    dips = listric_mesh(1.0).dip
    assert dips.max() < 71 and dips.min() < 33


def test_vertical_fault_has_its_hanging_wall_to_the_right():
    mesh = trace_mesh([[0.0, 0.0], [10.0, 0.0]], listric(5.0, 90.0), 2.5)
    np.testing.assert_allclose(mesh.strike, 90.0)
    np.testing.assert_allclose(mesh.normals, np.tile([0.0, -1.0, 0.0], (mesh.size, 1)), atol=1e-15)


def test_moment_and_mechanism():
    grid = Grid(FAULT, 4, 3)
    slip = np.tile([np.cos(np.deg2rad(110)), np.sin(np.deg2rad(110)), 0.3], (grid.size, 1))
    assert grid.moment(slip, length_unit=1000).sum() == pytest.approx(30e9 * 200e6)
    found = double_couple(grid.moment_tensor(slip, length_unit=1000))
    assert found.moment == pytest.approx(30e9 * 200e6)
    plane = int(np.argmin(np.abs(found.strike - 35)))
    assert (found.strike[plane], found.dip[plane], found.rake[plane]) == pytest.approx((35, 50, 110))
    assert grid.magnitude(slip, length_unit=1000) == pytest.approx(
        2 / 3 * np.log10(30e9 * 200e6) - 6.07, abs=0.01
    )
    assert grid.magnitude(0 * slip) == -np.inf
    np.testing.assert_allclose(grid.rake(slip), 110.0)


@pytest.mark.parametrize("patches", [Grid(FAULT, 6, 5), equilateral()], ids=str)
def test_laplacian_is_symmetric_and_flat_fields_have_none(patches):
    for edges in ("free", "buried", "locked"):
        matrix = (mass(patches) @ laplacian(patches, edges)).toarray()
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
        size = np.abs(matrix).max()
        assert np.linalg.eigvalsh(matrix).max() < 1e-12 * size
    np.testing.assert_allclose(laplacian(patches) @ np.ones(patches.size), 0.0, atol=1e-12)


def skewed(n=8):
    """A lattice in a plane of dip 35 degrees, its inner points moved at random."""
    rng = np.random.default_rng(3)
    mesh = mesh_of_rectangle(Rectangle(0.0, 0.0, 1.0, 10.0, 10.0, 20.0, 35.0), n, n)
    inner = np.zeros((n + 1, n + 1), bool)
    inner[1:-1, 1:-1] = True
    moves = rng.uniform(-0.3, 0.3, (inner.size, 2)) * inner.ravel()[:, None]
    return Mesh(mesh.points + moves @ mesh.frame[0, :2], mesh.cells)


def test_linear_fields_are_flat_on_skewed_triangles():
    mesh = skewed()
    beside = np.isin(mesh.adjacency.pairs, mesh.adjacency.rim).any(axis=1)
    near_rim = np.unique(np.concatenate([mesh.adjacency.rim, mesh.adjacency.pairs[beside].ravel()]))
    inner = np.setdiff1d(np.arange(mesh.size), near_rim)
    assert len(inner) > 40
    for axis in mesh.frame[0, :2]:
        np.testing.assert_allclose((laplacian(mesh) @ (mesh.centroids @ axis))[inner], 0.0, atol=1e-11)


def test_bent_surfaces_are_unfolded():
    """A field that is linear in the distance along a profile stays flat where the fault bends."""
    profile = np.array([[0.0, 1.0], [3.0, 5.0], [10.0, 6.0]])
    mesh = trace_mesh([[0.0, 0.0], [0.0, 12.0]], profile, 1.0)
    near = mesh.adjacency
    np.testing.assert_allclose(
        np.linalg.norm(near.across[:, 0], axis=1), np.linalg.norm(near.across[:, 1], axis=1)
    )
    np.testing.assert_allclose(
        np.einsum("ec,ec->e", near.across[:, 0], mesh.normals[near.pairs[:, 0]]), 0, atol=1e-12
    )
    flat = np.linalg.norm(mesh.centroids[near.pairs[:, 0]] - mesh.centroids[near.pairs[:, 1]], axis=1)
    bent = np.einsum("ec,ec->e", *mesh.normals[near.pairs].transpose(1, 0, 2)) < 1 - 1e-9
    np.testing.assert_allclose(np.linalg.norm(near.across[~bent, 0], axis=1), flat[~bent])
    assert bent.any() and (np.linalg.norm(near.across[bent, 0], axis=1) > flat[bent]).all()


@pytest.mark.parametrize("patches", [Grid(FAULT, 9, 8), equilateral()], ids=["grid", "equilateral"])
def test_quadratic_fields_are_exact_inside(patches):
    along, up = patches.frame[0, :2]
    s, d = patches.centroids @ along, patches.centroids @ up
    inner = np.setdiff1d(np.arange(patches.size), patches.adjacency.rim)
    bent = laplacian(patches) @ (0.7 * s**2 - 0.2 * d**2 + s * d + 3 * s)
    np.testing.assert_allclose(bent[inner], 2 * (0.7 - 0.2), atol=1e-10)


def test_slope_of_a_linear_field():
    grid = Grid(FAULT, 10, 4)
    s = grid.centroids @ grid.frame[0, 0]
    # Nine of ten columns have a neighbour on each side of an edge.
    assert np.sum((gradient(grid) @ (2 * s)) ** 2) == pytest.approx(4 * 200 * 0.9)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("width", [8.0, 8.3])
def test_roughness_hardly_depends_on_resolution(order, width):
    values = []
    for patch in (1.0, 0.5):
        mesh = trace_mesh([[0.0, 0.0], [0.0, 16.0]], listric(width * np.sin(np.deg2rad(60)), 60.0), patch)
        field = np.cos(np.pi * mesh.centroids[:, 1] / 16.0)
        values.append(np.sum((roughness(mesh, order) @ field) ** 2))
    area = 16 * width
    truth = {0: 0.5, 1: 0.5 * (np.pi / 16) ** 2 * area, 2: 0.5 * (np.pi / 16) ** 4 * area**2}[order]
    assert values[1] == pytest.approx(truth, rel=0.01)
    assert abs(values[1] - truth) < abs(values[0] - truth) or order == 0


def test_locked_edges_are_those_asked_for():
    grid = Grid(FAULT._replace(depth=0.0), 4, 3)
    ones = np.ones(grid.size)
    np.testing.assert_allclose(laplacian(grid, "free") @ ones, 0.0, atol=1e-14)
    buried = (laplacian(grid, "buried") @ ones).reshape(3, 4)
    locked = (laplacian(grid, "locked") @ ones).reshape(3, 4)
    assert (
        abs(buried[0, 1]) < 1e-14
        and abs(buried[1, 1]) < 1e-14
        and buried[2, 1] < -0.1
        and buried[0, 0] < -0.05
    )
    assert locked[0, 1] < -0.1 and abs(locked[1, 1]) < 1e-14
    with pytest.raises(ValueError, match="edges must be one of free, buried, locked; got 'open'"):
        laplacian(grid, "open")


def test_branches_couple_nothing():
    points = np.array([[0, 0, -1], [0, 1, -1], [1, 0, -1], [-1, 0, -1], [0, 0, -2.0]])
    mesh = Mesh(points, [[0, 2, 1], [1, 3, 0], [0, 1, 4]])
    assert len(mesh.adjacency.pairs) == 0


def test_refined_mesh_has_the_same_field(rng):
    mesh = listric_mesh(6.0)
    fine, slip = refine(mesh), rng.standard_normal((mesh.size, 3))
    assert fine.size == 4 * mesh.size
    assert fine.areas.sum() == pytest.approx(mesh.areas.sum())
    xy = rng.uniform(-30, 30, (10, 2))
    np.testing.assert_allclose(fine.apply(xy, np.tile(slip, (4, 1))), mesh.apply(xy, slip), atol=1e-12)


def test_loose_triangles_are_merged():
    mesh = listric_mesh(6.0)
    loose = mesh.triangles.reshape(-1, 3) + 1e-13 * np.arange(9 * mesh.size).reshape(-1, 3) % 3e-12
    points, cells = merge(loose, np.arange(3 * mesh.size).reshape(-1, 3))
    assert len(points) == len(mesh.points)
    assert len(Mesh(points, cells).adjacency.pairs) == len(mesh.adjacency.pairs)


@pytest.mark.parametrize(
    ("points", "cells", "message"),
    [
        (POINTS, [[0, 1, 2], [1, 2, 3]], "triangles 0 and 1: neighbours that face opposite ways"),
        (POINTS, [[0, 1, 2], [1, 3, 9]], r"triangle 1: vertices \[1, 3, 9\] are not all among the 4 points"),
        (POINTS, [[0, 1, 2], [1, 1, 2]], r"triangle 1: degenerate, vertices \[1, 1, 2\]"),
        (POINTS, [[0, 1, 2], [2, 0, 1]], "triangles 0 and 1: have the same vertices"),
        (POINTS, [[0, 1]], r"cells: expected shape \(m, 3\), got \(1, 2\)"),
        (POINTS + [0, 0, 0.5], CELLS, "point 0: above the ground: z = 0.5"),
        (np.vstack([POINTS, [[0, 1, -1]]]), CELLS, "points 2 and 4: both lie at"),
        (POINTS * [1, 1, np.nan], CELLS, "point 0: not finite"),
        (POINTS * [1, 0, 0], CELLS[:1], "degenerate, its corners"),
    ],
)
def test_what_is_wrong_is_named(points, cells, message):
    with pytest.raises(ValueError, match=message):
        Mesh(points, np.array(cells))


def test_other_mistakes():
    with pytest.raises(TypeError, match="cells: expected integers"):
        Mesh(POINTS, CELLS.astype(float))
    with pytest.raises(ValueError, match="n_strike must be at least 1"):
        Grid(FAULT, 0, 2)
    with pytest.raises(ValueError, match="length must be one number"):
        Grid(FAULT._replace(length=np.array([1.0, 2.0])), 2, 2)
    with pytest.raises(ValueError, match="stick out of the ground"):
        Grid(FAULT, 2, 2, "bottomleft")
    with pytest.raises(ValueError, match="dips must lie between 0 and 180"):
        listric(5.0, (0.0, 30.0))
    with pytest.raises(ValueError, match="folds below piece"):
        trace_mesh([[0, 0], [0, 5], [3, 8], [8, 8]], listric(20.0, 20.0), 1.0, across="local")
    with pytest.raises(ValueError, match="points 1 and 2 coincide"):
        trace_mesh([[0, 0], [0, 5], [0, 5]], listric(2.0, 60.0), 1.0)
    with pytest.raises(ValueError, match=r"slip: expected shape \(4, 3\)"):
        Grid(FAULT, 2, 2).moment(np.zeros((3, 3)))


@pytest.mark.parametrize("ending", ["vtu", "msh", "stl", "ply"])
def test_files_hold_the_mesh(tmp_path, ending):
    pytest.importorskip("meshio", reason="files of meshes need meshio")
    mesh = listric_mesh(5.0)
    values = {"slip": np.arange(mesh.size)} if ending in ("vtu", "msh") else None
    write_mesh(tmp_path / f"fault.{ending}", mesh, values, unit=1000)
    read = read_mesh(tmp_path / f"fault.{ending}", unit=0.001)
    tolerance = 1e-5 if ending == "stl" else 1e-12
    assert read.size == mesh.size and len(read.points) == len(mesh.points)
    np.testing.assert_allclose(np.sort(read.areas), np.sort(mesh.areas), rtol=tolerance)
    np.testing.assert_allclose(read.normals.sum(axis=0), mesh.normals.sum(axis=0), rtol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == [f"fault.{ending}"]


def test_files_that_hold_no_fault(tmp_path):
    meshio = pytest.importorskip("meshio", reason="files of meshes need meshio")
    meshio.write(tmp_path / "line.vtu", meshio.Mesh(POINTS, [("line", np.array([[0, 1]]))]))
    with pytest.raises(ValueError, match="no triangles in this file; it holds line"):
        read_mesh(tmp_path / "line.vtu")
    (tmp_path / "junk.vtu").write_text("junk")
    with pytest.raises(ValueError, match="not well-formed XML"):
        read_mesh(tmp_path / "junk.vtu")
    with pytest.raises(ValueError, match=r"'slip' has shape \(3,\) for 2 triangles"):
        write_mesh(tmp_path / "fault.vtu", Mesh(POINTS, CELLS), {"slip": np.zeros(3)})


def test_operators_are_sparse():
    assert sparse.issparse(laplacian(Grid(FAULT, 3, 3))) and sparse.issparse(gradient(Grid(FAULT, 3, 3)))
