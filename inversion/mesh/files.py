"""Meshes from and to files, through meshio: Gmsh, VTK, STL, PLY, Abaqus, and whatever else it knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike

from dislok import tde

from .build import merge
from .mesh import Mesh


def read_mesh(path: str | Path, *, unit: float = 1.0, turn: bool = True) -> Mesh:
    """Read the triangles of a file.

    Parameters
    ----------
    path : path
        A file that meshio can read; coordinates are east, north, up.
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
    meshio = _meshio()
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        content = meshio.read(path)
    except (Exception, SystemExit) as error:
        # meshio ends the process when a reader gives up, and its readers raise whatever their formats bring.
        raise ValueError(f"{path}: meshio cannot read this file: {error}") from error
    blocks = [block.data for block in content.cells if block.type == "triangle"]
    if not blocks:
        kinds = ", ".join(sorted({block.type for block in content.cells})) or "nothing"
        raise ValueError(f"{path}: no triangles in this file; it holds {kinds}")
    points, cells = merge(np.asarray(content.points, float) * unit, np.concatenate(blocks).astype(np.int64))
    return Mesh(*(tde.orient((points, cells)) if turn else (points, cells)))


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
    meshio = _meshio()
    data = {name: [np.asarray(array, float)] for name, array in (values or {}).items()}
    for name, (array,) in data.items():
        if len(array) != mesh.size:
            raise ValueError(f"values: {name!r} has {len(array)} rows for {mesh.size} triangles")
    place = Path(path)
    # The ending stays the last, since it chooses the format.
    draft = place.with_name(f".{place.stem}.{os.getpid()}{place.suffix}")
    try:
        meshio.write(draft, meshio.Mesh(mesh.points * unit, [("triangle", mesh.cells)], cell_data=data))
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def _meshio() -> ModuleType:
    try:
        import meshio
    except ImportError as error:
        raise ImportError('files of meshes need meshio: pip install "dislok[mesh]"') from error
    return meshio
