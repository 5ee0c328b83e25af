"""Meshes from and to files: Gmsh, GOCAD TSurf, VTK, STL, PLY, OBJ, Abaqus and others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from dislok import foreign, tde
from dislok import gate as gates
from dislok.convert import to_local
from dislok.store import write_text, writing

from ..degrees import looks_geographic
from .build import merge
from .formats import Content, content
from .mesh import Mesh
from .patches import Array

_PLACE = gates.optional(gates.pair(gates.number(least=-360, most=360)))


@gates.gate(
    path=gates.path(), unit=gates.number(above=0), turn=gates.flag(),
    geographic=gates.optional(gates.flag()), origin=_PLACE, depth_unit=gates.optional(gates.number(above=0)),
)  # fmt: skip
def read_mesh(
    path: str | Path, *, unit: float = 1.0, turn: bool = True, geographic: bool | None = None,
    origin: tuple[float, float] | None = None, depth_unit: float | None = None,
) -> Mesh:  # fmt: skip
    """Read the surface in a file.

    Parameters
    ----------
    path : path
        ``.ts`` of GOCAD, ``.msh`` of Gmsh, or a file with one of the endings in `dislok.foreign.MESHES`;
        coordinates are east, north, up. Quads and six-node triangles are split.
    unit : float
        Factor from the file's unit to that of the mesh: 0.001 from metres to kilometres. Of a geographic
        mesh: from metres.
    turn : bool
        Turn triangles by `dislok.tde.orient`; without it the file's own sense must be consistent.
    geographic : bool, optional
        Whether the first two coordinates are longitude and latitude, to be projected by
        `dislok.convert.to_local`; what the file says by default.
    origin : (latitude, longitude), optional
        Where a geographic mesh has east = north = 0.
    depth_unit : float, optional
        Metres in the unit of a geographic mesh's third coordinate, 1000 for km; what the file says by
        default.

    Raises
    ------
    ImportError
        If the format needs meshio, which is not installed.
    ValueError
        If the file holds no triangles, or they cannot be a fault (see `Mesh`), or coordinates look like
        longitude and latitude and nothing says so.
    """
    return read_mesh_values(
        path, unit=unit, turn=turn, geographic=geographic, origin=origin, depth_unit=depth_unit
    )[0]


@gates.gate(
    path=gates.path(), unit=gates.number(above=0), turn=gates.flag(),
    geographic=gates.optional(gates.flag()), origin=_PLACE, depth_unit=gates.optional(gates.number(above=0)),
)  # fmt: skip
def read_mesh_values(
    path: str | Path, *, unit: float = 1.0, turn: bool = True, geographic: bool | None = None,
    origin: tuple[float, float] | None = None, depth_unit: float | None = None,
) -> tuple[Mesh, dict[str, Array]]:  # fmt: skip
    """Read the surface in a file with the values of its triangles: slip, say, as `write_mesh` wrote it.

    Parameters
    ----------
    path, unit, turn, geographic, origin, depth_unit
        As of `read_mesh`.

    Returns
    -------
    mesh : Mesh
    values : dict of name to ndarray, shape (m,) or (m, k)
        Values of vertices are averaged over their triangles; NaN where the file has none. Triangles are in
        the order of `mesh`; turning one around changes no component of its slip.
    """
    found = content(path)
    points = _projected(Path(path), found, unit, geographic, origin, depth_unit)
    try:
        joined, cells = merge(points, found.cells)
        surface = tde.orient((joined, cells)) if turn else (joined, cells)
        return Mesh(*surface, geographic=False), found.values
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _projected(
    path: Path, found: Content, unit: float, geographic: bool | None, origin: tuple[float, float] | None,
    depth_unit: float | None,
) -> Array:  # fmt: skip
    """East, north and up of the points in the mesh's unit."""
    said = found.geographic if geographic is None else geographic
    if said is None and looks_geographic(found.points):
        x, y = found.points[:, :2].mean(axis=0)
        raise ValueError(
            f"{path}: points near ({x:.3f}, {y:.3f}) look like longitude and latitude; say geographic=True "
            "with an origin, or geographic=False"
        )
    if not said:
        if origin is not None:
            raise ValueError("origin is for geographic meshes; say geographic=True")
        return found.points * unit
    if origin is None:
        raise ValueError(f"{path}: is in longitude and latitude; give origin=(latitude, longitude)")
    metres = depth_unit or found.metres
    if metres is None:
        raise ValueError(f"{path}: does not say the unit of its depths; give depth_unit, 1000 for km")
    east, north = to_local(found.points[:, 0], found.points[:, 1], origin[1], origin[0])
    return np.asarray(np.column_stack([east, north, metres * found.points[:, 2]]) * unit, np.float64)


@gates.gate(path=gates.path(), mesh=gates.instance(Mesh), unit=gates.number(above=0))
def write_mesh(
    path: str | Path, mesh: Mesh, values: Mapping[str, ArrayLike] | None = None, *, unit: float = 1.0
) -> None:
    """Write a mesh, with values of its triangles where the format has room for them.

    Parameters
    ----------
    path : path
        The ending chooses the format: .vtu or .vtk for ParaView, .msh for Gmsh, .ts for GOCAD (without
        values), .stl and others.
    mesh : Mesh
        What to write.
    values : mapping of name to array_like, shape (m,) or (m, k)
        Slip, say.
    unit : float
        Factor from the mesh's unit to that of the file.
    """
    given = gates.mapping(gates.real(nan=True))("values", {} if values is None else values)
    for name, array in given.items():
        if not array.ndim or len(array) != mesh.size:
            raise ValueError(f"values: {name!r} has shape {array.shape} for {mesh.size} triangles")
    if Path(path).suffix.lower() in (".ts", ".tsurf"):
        if given:
            raise ValueError("values: GOCAD has them at vertices, not in triangles; write .vtu or .msh")
        write_text(Path(path), _tsurf_text(mesh, unit))
        return
    meshio = foreign.installed("meshio", "files of meshes need meshio", "mesh")
    data = {name: [array] for name, array in given.items()}
    whole = meshio.Mesh(mesh.points * unit, [("triangle", mesh.cells)], cell_data=data)
    with writing(path) as draft:
        # meshio would take the ending .msh for Ansys.
        whole.write(draft, foreign.MESHES.get(draft.suffix.lower()))


def _tsurf_text(mesh: Mesh, unit: float) -> str:
    lines = ["GOCAD TSurf 1", "HEADER {", "name: fault", "}", "TFACE"]
    lines += [
        f"VRTX {i} {x:.17g} {y:.17g} {z:.17g}" for i, (x, y, z) in enumerate(mesh.points * unit, start=1)
    ]
    lines += ["TRGL " + " ".join(str(k) for k in row) for row in (mesh.cells + 1).tolist()]
    return "\n".join([*lines, "END", ""])
