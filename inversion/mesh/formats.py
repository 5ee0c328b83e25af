"""Files of meshes as triangles with values: Gmsh and GOCAD TSurf, the others through meshio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok import foreign

from . import gmsh
from .gmsh import QUAD, TRIANGLE, TRIANGLE6, Block
from .patches import Array, Indices

_SPLIT6 = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]])
_FLAT = {"vertex", "line", "line3", "line4", "tetra", "hexahedron", "wedge", "pyramid", "tetra10"}
_METRES = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "km": 1000.0, "ft": 0.3048, "feet": 0.3048}
_ANGLES = {"deg", "degree", "degrees", "lon", "lat", "longitude", "latitude"}


class Content(NamedTuple):
    """Triangles of a file.

    Attributes
    ----------
    points : (p, 3) coordinates as the file has them, but up positive where it says that depth is.
    cells : (m, 3) vertices of triangles; larger elements are split.
    values : numbers (m, ...) of each triangle by name; those of vertices are averaged, those of split
        elements repeated.
    geographic : whether the file says that the first two coordinates are longitude and latitude; None where
        it says nothing.
    metres : metres in the unit of the file (of the third coordinate if geographic), or None.
    """

    points: Array
    cells: Indices
    values: dict[str, Array]
    geographic: bool | None = None
    metres: float | None = None


def content(path: str | Path) -> Content:
    """Read a file of a mesh.

    Raises
    ------
    ValueError
        If the file cannot be read, holds no triangles, or surfaces of other elements than can be split.
    """
    file = Path(path)
    if file.suffix.lower() in (".ts", ".tsurf"):
        return _tsurf(file, foreign.text_lines(file))
    if file.suffix.lower() == ".msh":
        foreign.refuse(file)
        found = gmsh.read(file)
        if found is not None:
            return _triangles(file, *found)
    mesh = foreign.mesh(file)
    blocks = [
        Block(
            block.type, np.asarray(block.data, np.int64),
            {name: np.asarray(parts[k]) for name, parts in mesh.cell_data.items()},
        )
        for k, block in enumerate(mesh.cells)
    ]  # fmt: skip
    points = np.asarray(mesh.points, float)
    nodal = {name: np.asarray(table) for name, table in mesh.point_data.items()}
    return _triangles(file, points, blocks, nodal)


def _triangles(file: Path, points: Array, blocks: Sequence[Block], nodal: dict[str, NDArray[Any]]) -> Content:
    """All surfaces as triangles."""
    found = [block for block in blocks if block.kind in (TRIANGLE, TRIANGLE6, QUAD)]
    other = sorted({block.kind for block in blocks} - {TRIANGLE, TRIANGLE6, QUAD} - _FLAT)
    if other:
        raise ValueError(
            f"{file}: holds elements {', '.join(other)}; triangles, triangle6 and quads are read"
        )
    if not found:
        kinds = ", ".join(sorted({block.kind for block in blocks})) or "nothing"
        raise ValueError(f"{file}: no triangles in this file; it holds {kinds}")
    points = np.column_stack([points, np.zeros((len(points), 3 - points.shape[1]))])
    cells, owner = zip(*(_split(points, block) for block in found), strict=True)
    values = _joined(found, owner)
    corners = np.concatenate(cells)
    for name, table in nodal.items():
        if table.dtype.kind in "iuf" and name not in values:
            values[name] = np.asarray(table, float)[corners].mean(axis=1)
    return Content(points, corners, values)


def _split(points: Array, block: Block) -> tuple[Indices, Indices]:
    """Triangles (m, 3) of a block, and the element that each comes from."""
    rows = np.arange(len(block.cells))
    if block.kind == TRIANGLE:
        return block.cells, rows
    if block.kind == TRIANGLE6:
        return block.cells[:, _SPLIT6].reshape(-1, 3), np.repeat(rows, 4)
    a, b, c, d = points[block.cells].transpose(1, 0, 2)
    shorter = np.linalg.norm(c - a, axis=-1) <= np.linalg.norm(d - b, axis=-1)
    order = np.where(shorter[:, None], [0, 1, 2, 0, 2, 3], [0, 1, 3, 1, 2, 3])
    return np.take_along_axis(block.cells, order, axis=1).reshape(-1, 3), np.repeat(rows, 2)


def _joined(blocks: Sequence[Block], owner: Sequence[Indices]) -> dict[str, Array]:
    """Values of all blocks by name; NaN for blocks without them."""
    values: dict[str, Array] = {}
    for name in dict.fromkeys(name for block in blocks for name in block.values):
        tables = [block.values.get(name) for block in blocks]
        shape = next(table.shape[1:] for table in tables if table is not None)
        if any(
            table is not None and (table.dtype.kind not in "iuf" or table.shape[1:] != shape)
            for table in tables
        ):
            continue
        parts = [
            np.full((len(rows), *shape), np.nan) if table is None else np.asarray(table, float)[rows]
            for table, rows in zip(tables, owner, strict=True)
        ]
        values[name] = np.concatenate(parts)
    return values


def _tsurf(file: Path, lines: Sequence[str]) -> Content:
    """A GOCAD TSurf: vertices with properties, triangles, and what its coordinate system says."""
    points: list[list[float]] = []
    values: list[list[float]] = []
    cells: list[list[int]] = []
    place: dict[str, int] = {}
    names: list[str] = []
    system: dict[str, list[str]] = {}
    if not any(line.split()[:2] == ["GOCAD", "TSurf"] for line in lines):
        raise ValueError(f"{file}: no GOCAD TSurf in this file")
    for number, line in enumerate(lines, start=1):
        words = [word.strip('"') for word in line.split()]
        key = words[0] if words else ""
        try:
            if key == "GOCAD":
                place = {}
            elif key in ("AXIS_NAME", "AXIS_UNIT", "ZPOSITIVE", "NAME"):
                system.setdefault(key, words[1:])
            elif key == "PROPERTIES":
                names = names or words[1:]
            elif key in ("VRTX", "PVRTX"):
                place[words[1]] = len(points)
                points.append([float(v) for v in words[2:5]])
                values.append([float(v) for v in words[5 : 5 + len(names)]] if key == "PVRTX" else [])
            elif key in ("ATOM", "PATOM"):
                place[words[1]] = place[words[2]]
            elif key == "TRGL":
                cells.append([place[word] for word in words[1:4]])
        except (IndexError, KeyError, ValueError) as error:
            raise ValueError(f"{file}, line {number}: malformed {key} ({error})") from None
    if not cells:
        raise ValueError(f"{file}: no triangles in this file; it holds {len(points)} vertices")
    return _placed(file, points, values, cells, names, system)


def _placed(
    file: Path, points: list[list[float]], values: list[list[float]], cells: list[list[int]],
    names: list[str], system: dict[str, list[str]],
) -> Content:  # fmt: skip
    table, corners = np.array(points, float), np.array(cells, np.int64)
    if table.shape[1] != 3:
        raise ValueError(f"{file}: vertices must have three coordinates")
    if system.get("ZPOSITIVE", ["Elevation"])[0].lower() == "depth":
        table[:, 2] *= -1
    units = [unit.lower() for unit in system.get("AXIS_UNIT", [])]
    axes = [name.lower() for name in system.get("AXIS_NAME", [])]
    geographic = bool(set(units[:2]) & _ANGLES or set(axes[:2]) & _ANGLES)
    if geographic and axes[:1] and axes[0].startswith("lat"):
        table = table[:, [1, 0, 2]]
    metres = [_METRES.get(unit) for unit in (units[2:] if geographic else units)]
    if len(set(metres)) > 1:
        raise ValueError(f"{file}: its axes have several units: {', '.join(units)}")
    width = max((len(row) for row in values), default=0)
    padded = np.array([row + [np.nan] * (width - len(row)) for row in values]).reshape(len(values), width)
    means = {name: padded[corners, k].mean(axis=1) for k, name in enumerate(names[:width])}
    return Content(
        table, corners, means, geographic if units or axes else None, metres[0] if metres else None
    )
