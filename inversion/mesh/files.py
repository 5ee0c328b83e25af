"""Meshes from and to files, through meshio: Gmsh, VTK, STL, PLY, OBJ, Abaqus and others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from dislok import foreign, tde
from dislok import gate as gates
from dislok.store import writing

from .build import merge
from .mesh import Mesh


@gates.gate(path=gates.path(), unit=gates.number(above=0), turn=gates.flag())
def read_mesh(path: str | Path, *, unit: float = 1.0, turn: bool = True) -> Mesh:
    """Read the triangles of a file.

    Parameters
    ----------
    path : path
        A file with one of the endings in `dislok.foreign.MESHES`; coordinates are east, north, up.
    unit : float
        Factor from the file's unit to that of the mesh: 0.001 from metres to kilometres.
    turn : bool
        Turn triangles by `dislok.tde.orient`; without it the file's own sense must be consistent.

    Raises
    ------
    ImportError
        If meshio is not installed.
    ValueError
        If the file holds no triangles, or they cannot be a fault (see `Mesh`).
    """
    content = foreign.mesh(path)
    blocks = [block.data for block in content.cells if block.type == "triangle"]
    if not blocks:
        kinds = ", ".join(sorted({block.type for block in content.cells})) or "nothing"
        raise ValueError(f"{path}: no triangles in this file; it holds {kinds}")
    points, cells = merge(np.asarray(content.points, float) * unit, np.concatenate(blocks).astype(np.int64))
    return Mesh(*(tde.orient((points, cells)) if turn else (points, cells)))


@gates.gate(path=gates.path(), mesh=gates.instance(Mesh), unit=gates.number(above=0))
def write_mesh(
    path: str | Path, mesh: Mesh, values: Mapping[str, ArrayLike] | None = None, *, unit: float = 1.0
) -> None:
    """Write a mesh, with values of its triangles where the format has room for them.

    Parameters
    ----------
    path : path
        The ending chooses the format: .vtu or .vtk for ParaView, .msh for Gmsh, .stl and others.
    mesh : Mesh
        What to write.
    values : mapping of name to array_like, shape (m,) or (m, k)
        Slip, say.
    unit : float
        Factor from the mesh's unit to that of the file.
    """
    meshio = foreign.installed("meshio", "files of meshes need meshio", "mesh")
    given = gates.mapping(gates.real(nan=True))("values", {} if values is None else values)
    data = {name: [array] for name, array in given.items()}
    for name, (array,) in data.items():
        if not array.ndim or len(array) != mesh.size:
            raise ValueError(f"values: {name!r} has shape {array.shape} for {mesh.size} triangles")
    content = meshio.Mesh(mesh.points * unit, [("triangle", mesh.cells)], cell_data=data)
    with writing(path) as draft:
        # meshio would take the ending .msh for Ansys.
        content.write(draft, foreign.MESHES.get(draft.suffix.lower()))
