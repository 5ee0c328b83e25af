"""What files of meshes hold, as triangles with values: Gmsh and GOCAD TSurf, the others through meshio."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok import foreign

from .patches import Array, Indices

_QUAD, _TRIANGLE, _TRIANGLE6 = "quad", "triangle", "triangle6"
_SPLIT6 = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]])
_FLAT = {"vertex", "line", "line3", "line4", "tetra", "hexahedron", "wedge", "pyramid", "tetra10"}
# Gmsh's numbers of elements, and how many nodes each has.
_GMSH = {
    1: ("line", 2), 2: (_TRIANGLE, 3), 3: (_QUAD, 4), 4: ("tetra", 4), 5: ("hexahedron", 8), 6: ("wedge", 6),
    7: ("pyramid", 5), 8: ("line3", 3), 9: (_TRIANGLE6, 6), 10: ("quad9", 9), 11: ("tetra10", 10),
    15: ("vertex", 1), 16: ("quad8", 8), 26: ("line4", 4),
}  # fmt: skip
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


class _Block(NamedTuple):
    """Elements of one kind, with values by name."""

    kind: str
    cells: Indices
    values: dict[str, Array]


def content(path: str | Path) -> Content:
    """Read a file of a mesh.

    Raises
    ------
    ValueError
        If the file cannot be read, holds no triangles, or surfaces of other elements than can be split.
    """
    file = Path(path)
    if file.suffix.lower() in (".ts", ".tsurf"):
        foreign.refuse(file)
        return _tsurf(file, file.read_text(encoding="utf-8", errors="replace").splitlines())
    if file.suffix.lower() == ".msh":
        foreign.refuse(file)
        text = _gmsh_text(file)
        if text is not None:
            points, blocks = _gmsh(file, text)
            return _triangles(file, points, blocks, {})
    mesh = foreign.mesh(file)
    blocks = [
        _Block(
            block.type, np.asarray(block.data, np.int64),
            {name: np.asarray(parts[k]) for name, parts in mesh.cell_data.items()},
        )
        for k, block in enumerate(mesh.cells)
    ]  # fmt: skip
    points = np.asarray(mesh.points, float)
    nodal = {name: np.asarray(table) for name, table in mesh.point_data.items()}
    return _triangles(file, points, blocks, nodal)


def _triangles(
    file: Path, points: Array, blocks: Sequence[_Block], nodal: dict[str, NDArray[Any]]
) -> Content:
    """All surfaces as triangles."""
    found = [block for block in blocks if block.kind in (_TRIANGLE, _TRIANGLE6, _QUAD)]
    other = sorted({block.kind for block in blocks} - {_TRIANGLE, _TRIANGLE6, _QUAD} - _FLAT)
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


def _split(points: Array, block: _Block) -> tuple[Indices, Indices]:
    """Triangles (m, 3) of a block, and the element that each comes from."""
    rows = np.arange(len(block.cells))
    if block.kind == _TRIANGLE:
        return block.cells, rows
    if block.kind == _TRIANGLE6:
        return block.cells[:, _SPLIT6].reshape(-1, 3), np.repeat(rows, 4)
    a, b, c, d = points[block.cells].transpose(1, 0, 2)
    shorter = np.linalg.norm(c - a, axis=-1) <= np.linalg.norm(d - b, axis=-1)
    order = np.where(shorter[:, None], [0, 1, 2, 0, 2, 3], [0, 1, 3, 1, 2, 3])
    return np.take_along_axis(block.cells, order, axis=1).reshape(-1, 3), np.repeat(rows, 2)


def _joined(blocks: Sequence[_Block], owner: Sequence[Indices]) -> dict[str, Array]:
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


def _gmsh_text(file: Path) -> list[str] | None:
    """Lines of a Gmsh file of version 2 or 4 in text; None if it is binary or another."""
    head = file.read_bytes()[:200]
    found = re.match(rb"\s*(?:\$Comments.*?\$EndComments\s*)?\$MeshFormat\s+(\d)[\d.]*\s+(\d)", head, re.S)
    if found is None or found[1] not in (b"2", b"4") or found[2] != b"0":
        return None
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, begin = "", 0
    for i, line in enumerate(lines):
        word = line.strip()
        if word.startswith("$End") and name:
            yield name, [text for text in lines[begin:i] if text.strip()]
            name = ""
        elif word.startswith("$") and not name:
            name, begin = word[1:], i + 1


def _gmsh(file: Path, lines: Sequence[str]) -> tuple[Array, list[_Block]]:
    """Points and blocks of a Gmsh file in text, values by the numbers of their elements."""
    parts = list(_sections(lines))
    version = next((body[0].split()[0] for name, body in parts if name == "MeshFormat"), "2.2")
    try:
        nodes = [body for name, body in parts if name == "Nodes"][0]
        elements = [body for name, body in parts if name == "Elements"][0]
        four = version.startswith("4")
        tags, points = _gmsh_nodes4(nodes) if four else _gmsh_nodes2(nodes)
        rows = list(_gmsh_elements4(elements) if four else _gmsh_elements2(elements))
        data = [_gmsh_data(body) for name, body in parts if name == "ElementData"]
        place = {int(tag): i for i, tag in enumerate(tags)}
        kinds: dict[str, list[tuple[int, list[int]]]] = {}
        for kind, tag, own in rows:
            kinds.setdefault(kind, []).append((tag, [place[node] for node in own]))
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read as Gmsh {version}: {error!r}") from None
    blocks = []
    for kind, members in kinds.items():
        cells = np.array([own for _, own in members], np.int64)
        values = {}
        for name, table in data:
            width = len(next(iter(table.values()))) if table else 1
            known = [table.get(tag, [np.nan] * width) for tag, _ in members]
            if any(tag in table for tag, _ in members):
                values[name] = (
                    np.array(known, float).squeeze(axis=1) if width == 1 else np.array(known, float)
                )
        blocks.append(_Block(kind, cells, values))
    return points, blocks


def _gmsh_nodes2(body: Sequence[str]) -> tuple[list[int], Array]:
    rows = [line.split() for line in body[1 : 1 + int(body[0])]]
    return [int(row[0]) for row in rows], np.array([[float(v) for v in row[1:4]] for row in rows])


def _gmsh_nodes4(body: Sequence[str]) -> tuple[list[int], Array]:
    tags: list[int] = []
    points: list[list[float]] = []
    i = 1
    while i < len(body):
        count = int(body[i].split()[3])
        tags += [int(line.split()[0]) for line in body[i + 1 : i + 1 + count]]
        points += [[float(v) for v in line.split()[:3]] for line in body[i + 1 + count : i + 1 + 2 * count]]
        i += 1 + 2 * count
    return tags, np.array(points)


def _gmsh_elements2(body: Sequence[str]) -> Iterator[tuple[str, int, list[int]]]:
    for line in body[1 : 1 + int(body[0])]:
        row = [int(v) for v in line.split()]
        kind, width = _GMSH[row[1]]
        yield kind, row[0], row[3 + row[2] : 3 + row[2] + width]


def _gmsh_elements4(body: Sequence[str]) -> Iterator[tuple[str, int, list[int]]]:
    i = 1
    while i < len(body):
        _, _, number, count = (int(v) for v in body[i].split())
        kind, width = _GMSH[number]
        for line in body[i + 1 : i + 1 + count]:
            row = [int(v) for v in line.split()]
            yield kind, row[0], row[1 : 1 + width]
        i += 1 + count


def _gmsh_data(body: Sequence[str]) -> tuple[str, dict[int, list[float]]]:
    """Name, and values by the number of the element: text tags, real tags, whole tags, rows."""
    i, tags = 0, []
    for _ in range(3):
        count = int(body[i])
        tags.append(list(body[i + 1 : i + 1 + count]))
        i += 1 + count
    rows = [line.split() for line in body[i : i + int(tags[2][2])]]
    return tags[0][0].strip().strip('"'), {int(row[0]): [float(v) for v in row[1:]] for row in rows}


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
