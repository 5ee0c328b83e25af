"""Files of meshes from other programs: elements, values, units, coordinates."""

import struct

import numpy as np
import pytest

from dislok.convert import to_local
from dislok.inversion.mesh import Mesh, listric, read_mesh, read_mesh_values, trace_mesh, write_mesh

GMSH2 = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
1
2 1 "fault"
$EndPhysicalNames
$Nodes
5
1 0 0 -1
2 1 0 -1
3 1 1 -2
7 0 1 -2
9 5 5 5
$EndNodes
$Elements
4
1 15 2 0 1 1
2 1 2 0 1 1 2
13 2 2 1 1 1 2 3
14 2 2 1 1 1 3 7
$EndElements
$ElementData
1
"slip"
1
0.0
3
0
3
2
13 1.5 0 -1
14 2.5 1 -2
$EndElementData
$ElementData
1
"patch"
1
0.0
3
0
1
1
14 7
$EndElementData
"""
GMSH4 = """$MeshFormat
4.1 0 8
$EndMeshFormat
$Entities
0 0 1 0
1 0 0 -2 1 1 -1 0 0
$EndEntities
$Nodes
1 4 1 7
2 1 0 4
1
2
3
7
0 0 -1
1 0 -1
1 1 -2
0 1 -2
$EndNodes
$Elements
1 2 13 14
2 1 2 2
13 1 2 3
14 1 3 7
$EndElements
$ElementData
1
"slip"
1
0.0
3
0
1
2
13 1.5
14 2.5
$EndElementData
"""
TSURF = """GOCAD TSurf 1
HEADER {{
name: a fault
}}
GOCAD_ORIGINAL_COORDINATE_SYSTEM
NAME Default
AXIS_NAME {names}
AXIS_UNIT {units}
ZPOSITIVE {up}
END_ORIGINAL_COORDINATE_SYSTEM
PROPERTIES slip rake
TFACE
PVRTX 1 {a} 1.0 90
PVRTX 2 {b} 2.0 90
PVRTX 3 {c} 3.0 90
TFACE
ATOM 4 1
ATOM 5 3
VRTX 6 {d}
TRGL 1 2 3
TRGL 4 5 6
BSTONE 2
BORDER 7 2 3
END
"""
SQUARE = np.array([[0, 0, -1.0], [1, 0, -1], [1, 1, -2], [0, 1, -2]])


def tsurf(points, names='"X" "Y" "Z"', units='"m" "m" "m"', up="Elevation"):
    corners = {k: " ".join(f"{v:.9g}" for v in p) for k, p in zip("abcd", points, strict=True)}
    return TSURF.format(names=names, units=units, up=up, **corners)


@pytest.mark.parametrize("text", [GMSH2, GMSH4])
def test_gmsh_with_values_of_some_elements(tmp_path, text):
    (tmp_path / "f.msh").write_text(text)
    mesh, values = read_mesh_values(tmp_path / "f.msh")
    assert mesh.size == 2 and len(mesh.points) == 4
    slip = values["slip"] if values["slip"].ndim == 1 else values["slip"][:, 0]
    np.testing.assert_array_equal(slip, [1.5, 2.5])
    if text is GMSH2:
        np.testing.assert_array_equal(values["slip"], [[1.5, 0, -1], [2.5, 1, -2]])
        np.testing.assert_array_equal(values["patch"], [np.nan, 7])


def binary2(order="<", name="ElementData"):
    """`GMSH2` in binary, as Gmsh writes it: values of elements 13 and 14, one of them without a patch."""
    points = [(1, 0, 0, -1), (2, 1, 0, -1), (3, 1, 1, -2), (7, 0, 1, -2), (9, 5, 5, 5)]
    out = b"$MeshFormat\n2.2 1 8\n" + struct.pack(order + "i", 1) + b"\n$EndMeshFormat\n$Nodes\n5\n"
    out += b"".join(struct.pack(order + "i3d", *point) for point in points) + b"\n$EndNodes\n"
    out += b"$Elements\n4\n"
    for kind, rows in ((15, [(1, 0, 1, 1)]), (1, [(2, 0, 1, 1, 2)]), (2, [(13, 1, 1, 1, 2, 3)])):
        out += struct.pack(order + "3i", kind, len(rows), 2)
        out += b"".join(struct.pack(f"{order}{len(row)}i", *row) for row in rows)
    out += struct.pack(order + "3i", 2, 1, 2) + struct.pack(order + "6i", 14, 1, 1, 1, 3, 7)
    out += b"\n$EndElements\n"
    head = '${}\n1\n"{}"\n1\n0.0\n3\n0\n{}\n{}\n'
    out += head.format(name, "slip", 3, 2).encode()
    out += struct.pack(order + "i3d", 14, 2.5, 1, -2) + struct.pack(order + "i3d", 13, 1.5, 0, -1)
    out += f"\n$End{name}\n".encode() + head.format(name, "patch", 1, 1).encode()
    return out + struct.pack(order + "id", 14, 7.0) + f"\n$End{name}\n".encode()


def binary41():
    """`GMSH4` in binary; the nodes know where they lie on their surface."""
    out = b"$MeshFormat\n4.1 1 8\n" + struct.pack("<i", 1) + b"\n$EndMeshFormat\n"
    out += b"$Nodes\n" + struct.pack("<4Q3iQ4Q", 1, 4, 1, 7, 2, 1, 1, 4, 1, 2, 3, 7)
    out += b"".join(struct.pack("<5d", *p, 0.5, 0.5) for p in SQUARE) + b"\n$EndNodes\n"
    out += b"$Elements\n" + struct.pack("<4Q3iQ", 1, 2, 13, 14, 2, 1, 2, 2)
    out += struct.pack("<8Q", 13, 1, 2, 3, 14, 1, 3, 7) + b"\n$EndElements\n"
    out += b'$ElementData\n1\n"slip"\n1\n0.0\n3\n0\n1\n1\n' + struct.pack("<id", 14, 2.5)
    return out + b"\n$EndElementData\n"


@pytest.mark.parametrize("order", "<>")
def test_binary_gmsh_with_values_of_some_elements(tmp_path, order):
    (tmp_path / "f.msh").write_bytes(binary2(order))
    (tmp_path / "t.msh").write_text(GMSH2)
    (mesh, values), (same, text) = (read_mesh_values(tmp_path / name) for name in ("f.msh", "t.msh"))
    np.testing.assert_array_equal(mesh.points, same.points)
    np.testing.assert_array_equal(mesh.cells, same.cells)
    for name in ("slip", "patch"):
        np.testing.assert_array_equal(values[name], text[name])


def test_binary_gmsh_of_version_4(tmp_path):
    (tmp_path / "f.msh").write_bytes(binary41())
    mesh, values = read_mesh_values(tmp_path / "f.msh")
    assert mesh.size == 2 and len(mesh.points) == 4
    np.testing.assert_array_equal(values["slip"], [np.nan, 2.5])


def test_values_of_nodes_are_averaged(tmp_path):
    """Those of some nodes only leave the triangles of the others without."""
    data = '$NodeData\n1\n"u"\n1\n0\n3\n0\n1\n4\n1 1\n2 2\n3 6\n9 0\n$EndNodeData\n'
    (tmp_path / "f.msh").write_text(GMSH2 + data)
    np.testing.assert_array_equal(read_mesh_values(tmp_path / "f.msh")[1]["u"], [3.0, np.nan])


@pytest.mark.parametrize("cut", [60, 120, 200, 300, 420])
def test_binary_gmsh_that_ends_early_is_refused(tmp_path, cut):
    (tmp_path / "f.msh").write_bytes(binary2()[:cut])
    with pytest.raises(ValueError, match=r"f\.msh: cannot be read as Gmsh 2\.2"):
        read_mesh(tmp_path / "f.msh")


@pytest.mark.parametrize(
    "change, words",
    [
        (("13 2 2 1 1 1 2 3\n", "13 2 2 1 1 1 2\n"), "has 2 nodes, a triangle has 3"),
        (("3\n2\n13 1.5 0 -1", "3\n3\n13 1.5 0 -1"), "promises 3 rows"),
        (("13 1.5 0 -1", "13 1.5 0"), "promises 2 rows of 3 numbers"),
        (("3 1 1 -2", "2 1 1 -2"), "5 nodes have 4 numbers"),
        (("$Nodes\n5", "$Nodes\n8"), "8 lines are promised"),
        (("13 2 2 1 1 1 2 3", "13 2 2 1 1 1 2 99"), "cannot be read as Gmsh 2.2"),
        (("13 2 2 1 1 1 2 3", "13 16 2 1 1 1 2 3 7 1 2 3 7"), "elements quad8"),
        (
            ("13 2 2 1 1 1 2 3\n14 2 2 1 1 1 3 7", "13 1 2 1 1 1 2\n14 1 2 1 1 1 3"),
            "no triangles.*line, vertex",
        ),
    ],
)
def test_gmsh_that_is_no_fault(tmp_path, change, words):
    (tmp_path / "f.msh").write_text(GMSH2.replace(*change))
    with pytest.raises(ValueError, match=rf"f\.msh: .*{words}"):
        read_mesh(tmp_path / "f.msh")


def test_gocad(tmp_path):
    """Vertices with properties, two parts that share vertices; metres, kilometres, depth positive."""
    for text, unit in (
        (tsurf(1000 * SQUARE), 1e-3),
        (tsurf(SQUARE, units='"km" "km" "km"'), 1.0),
        (tsurf(SQUARE * [1, 1, -1], up="Depth"), 1.0),
    ):
        (tmp_path / "f.ts").write_text(text)
        mesh, values = read_mesh_values(tmp_path / "f.ts", unit=unit)
        assert mesh.size == 2 and len(mesh.points) == 4
        np.testing.assert_allclose(np.sort(mesh.points, axis=0), np.sort(SQUARE, axis=0))
        assert values["slip"][0] == 2.0 and np.isnan(values["slip"][1])
    for old, new, words in (
        ("TRGL 1 2 3", "TRGL 1 2 8", "malformed TRGL"), ("GOCAD TSurf", "GOCAD PLine", "no GOCAD TSurf"),
        ("TRGL", "SEG", "no triangles"), ('"m" "m" "m"', '"m" "m" "km"', "several units: m, m, km"),
    ):  # fmt: skip
        (tmp_path / "f.ts").write_text(tsurf(SQUARE).replace(old, new))
        with pytest.raises(ValueError, match=words):
            read_mesh(tmp_path / "f.ts")


PLACES = np.array([[130.0, 32.5, -1.0], [130.1, 32.5, -1], [130.1, 32.6, -2], [130.0, 32.6, -2]])


def test_longitude_and_latitude_are_projected_where_somebody_says_so(tmp_path):
    pytest.importorskip("meshio", reason="files of meshes need meshio")
    east, north = to_local(PLACES[:, 0], PLACES[:, 1], 130.0, 32.5)
    truth = np.column_stack([east / 1000, north / 1000, PLACES[:, 2]])
    write_mesh(tmp_path / "f.vtu", Mesh(PLACES, [[0, 1, 2], [0, 2, 3]], geographic=False))
    with pytest.raises(ValueError, match=r"points near \(130.050, 32.550\) look like longitude and latitude"):
        read_mesh(tmp_path / "f.vtu")
    with pytest.raises(ValueError, match="does not say the unit of its depths"):
        read_mesh(tmp_path / "f.vtu", geographic=True, origin=(32.5, 130.0))
    with pytest.raises(ValueError, match="origin is for geographic meshes"):
        read_mesh(tmp_path / "f.vtu", geographic=False, origin=(32.5, 130.0))
    mesh = read_mesh(tmp_path / "f.vtu", geographic=True, origin=(32.5, 130.0), depth_unit=1000, unit=1e-3)
    np.testing.assert_allclose(mesh.points, truth, atol=1e-9)
    assert read_mesh(tmp_path / "f.vtu", geographic=False).size == 2
    (tmp_path / "f.ts").write_text(tsurf(PLACES, '"Lon" "Lat" "Z"', '"deg" "deg" "km"'))
    with pytest.raises(ValueError, match="is in longitude and latitude; give origin"):
        read_mesh(tmp_path / "f.ts")
    mesh = read_mesh(tmp_path / "f.ts", origin=(32.5, 130.0), unit=1e-3)
    np.testing.assert_allclose(np.sort(mesh.points, axis=0), np.sort(truth, axis=0), atol=1e-6)


def test_larger_elements_are_split(tmp_path):
    """A quad by its shorter diagonal, a triangle with six nodes into four; values go along."""
    meshio = pytest.importorskip("meshio", reason="files of meshes need meshio")
    flat = [[0, 0], [2, 0], [3, 1], [0, 1], [4, 0], [3, 0], [3.5, 0.5], [2.5, 0.5]]
    points = np.column_stack([flat, np.full(len(flat), -1.0)])
    cells = [("quad", np.array([[0, 1, 2, 3]])), ("triangle6", np.array([[1, 4, 2, 5, 6, 7]]))]
    data = {"slip": [np.array([1.0]), np.array([2.0])]}
    meshio.Mesh(points, cells, cell_data=data, point_data={"x": points[:, 0]}).write(tmp_path / "f.vtu")
    mesh, values = read_mesh_values(tmp_path / "f.vtu")
    assert mesh.size == 6 and mesh.areas.sum() == pytest.approx(2.5 + 1)
    np.testing.assert_array_equal(values["slip"], [1, 1, 2, 2, 2, 2])
    np.testing.assert_allclose(values["x"], mesh.centroids[:, 0])
    edges = {tuple(sorted(map(tuple, mesh.points[c][:, :2]))) for c in mesh.cells[:2]}
    assert any({(2, 0), (0, 1)} <= set(e) for e in edges)


@pytest.mark.parametrize("ending", ["vtu", "vtk", "msh"])
def test_slip_is_read_back(tmp_path, rng, ending):
    pytest.importorskip("meshio", reason="files of meshes need meshio")
    mesh = trace_mesh([[0, 0], [2, 10], [6, 20]], listric(12.0, (65.0, 30.0)), 3.0)
    slip = rng.standard_normal((mesh.size, 3))
    write_mesh(tmp_path / f"f.{ending}", mesh, {"slip": slip, "number": np.arange(mesh.size)}, unit=1000)
    again, values = read_mesh_values(tmp_path / f"f.{ending}", unit=1e-3)
    np.testing.assert_allclose(again.centroids, mesh.centroids, atol=1e-9)
    np.testing.assert_allclose(values["slip"], slip)
    np.testing.assert_array_equal(values["number"], np.arange(mesh.size))
    observed = [m.apply([[1.0, 2.0], [-3.0, 4.0]], s) for m, s in ((mesh, slip), (again, values["slip"]))]
    np.testing.assert_allclose(*observed, atol=1e-9)


def test_gocad_is_written(tmp_path):
    mesh = trace_mesh([[0, 0], [2, 10]], listric(5.0, 60.0), 2.0)
    write_mesh(tmp_path / "f.ts", mesh, unit=1000)
    again = read_mesh(tmp_path / "f.ts", unit=1e-3)
    np.testing.assert_allclose(again.centroids, mesh.centroids, atol=1e-12)
    with pytest.raises(ValueError, match="GOCAD has them at vertices"):
        write_mesh(tmp_path / "g.ts", mesh, {"slip": np.zeros(mesh.size)})
