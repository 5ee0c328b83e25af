"""Gmsh files of versions 2 and 4.1, in text and binary: nodes, elements, and values of some of them.

Values stand beside the numbers of their elements or nodes, so that those of a part of a mesh come back where
they belong.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .patches import Array, Indices

QUAD, TRIANGLE, TRIANGLE6 = "quad", "triangle", "triangle6"

# Gmsh's numbers of elements, and how many nodes each has.
_KINDS = {
    1: ("line", 2), 2: (TRIANGLE, 3), 3: (QUAD, 4), 4: ("tetra", 4), 5: ("hexahedron", 8), 6: ("wedge", 6),
    7: ("pyramid", 5), 8: ("line3", 3), 9: (TRIANGLE6, 6), 10: ("quad9", 9), 11: ("tetra10", 10),
    15: ("vertex", 1), 16: ("quad8", 8), 26: ("line4", 4),
}  # fmt: skip
_FORMAT = re.compile(
    rb"\s*(?:\$Comments.*?\$EndComments\s*)?\$MeshFormat\s+(2(?:\.\d+)?|4\.1)\s+([01])\s+(\d+)[ \t]*\r?\n",
    re.S,
)


class Block(NamedTuple):
    """Elements of one kind, with values by name."""

    kind: str
    cells: Indices
    values: dict[str, Array]


class _Values(NamedTuple):
    """One field: numbers (width,) of elements or nodes by their tags."""

    name: str
    rows: Mapping[int, Sequence[float]]


Element = tuple[str, int, Sequence[int]]
"""Kind, tag, tags of the nodes."""


def read(file: Path) -> tuple[Array, list[Block], dict[str, Array]] | None:
    """Points, blocks of elements and values of points by name; None if it is no such file.

    Raises
    ------
    ValueError
        If the file is malformed; the message names it.
    """
    whole = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    head = _FORMAT.match(whole)
    if head is None:
        return None
    version = head[1].decode()
    try:
        source: _Text | _Binary = _Text(whole, version)
        if head[2] == b"1":
            source = _Binary(whole, version, head)
        tags, points = source.nodes()
        elements = list(source.elements())
        fields = [_Values(*one) for one in source.data("ElementData")]
        nodal = [_Values(*one) for one in source.data("NodeData")]
        place = {int(tag): i for i, tag in enumerate(tags)}
        if len(place) != len(points):
            raise ValueError(f"{len(points)} nodes have {len(place)} numbers")
        blocks = _blocks(elements, fields, place)
    except (IndexError, KeyError, ValueError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read as Gmsh {version}: {error!r}") from None
    return points, blocks, {one.name: _table(one, list(place)) for one in nodal}


def _blocks(elements: Sequence[Element], fields: Sequence[_Values], place: Mapping[int, int]) -> list[Block]:
    kinds: dict[str, list[tuple[int, list[int]]]] = {}
    for kind, tag, own in elements:
        kinds.setdefault(kind, []).append((tag, [place[int(node)] for node in own]))
    blocks = []
    for kind, members in kinds.items():
        tags = [tag for tag, _ in members]
        known = [one for one in fields if any(tag in one.rows for tag in tags)]
        cells = np.array([own for _, own in members], np.int64)
        blocks.append(Block(kind, cells, {one.name: _table(one, tags) for one in known}))
    return blocks


def _table(field: _Values, tags: Sequence[int]) -> Array:
    """Numbers (n,) or (n, width) in the order of tags; NaN where the field says nothing."""
    width = len(next(iter(field.rows.values()))) if field.rows else 1
    table = np.array([field.rows.get(tag, [np.nan] * width) for tag in tags], float).reshape(-1, width)
    return table[:, 0] if width == 1 else table


class _Text:
    """A file in text."""

    def __init__(self, whole: bytes, version: str) -> None:
        self.sections = list(_sections(whole.decode("utf-8", errors="replace").splitlines()))
        self.four = version.startswith("4")

    def body(self, name: str) -> list[str]:
        return [body for own, body in self.sections if own == name][0]

    def nodes(self) -> tuple[Sequence[int], Array]:
        body = self.body("Nodes")
        if self.four:
            return _text_nodes4(body)
        rows = [line.split() for line in _counted(body)]
        return [int(row[0]) for row in rows], np.array([[float(v) for v in row[1:4]] for row in rows])

    def elements(self) -> Iterator[Element]:
        body = self.body("Elements")
        if self.four:
            yield from _text_elements4(body)
            return
        for line in _counted(body):
            row = [int(v) for v in line.split()]
            kind, width = _KINDS[row[1]]
            if len(row) != 3 + row[2] + width:
                raise ValueError(f"element {row[0]} has {len(row) - 3 - row[2]} nodes, a {kind} has {width}")
            yield kind, row[0], row[3 + row[2] :]

    def data(self, name: str) -> Iterator[tuple[str, dict[int, list[float]]]]:
        for own, body in self.sections:
            if own == name:
                i, tags = 0, []
                for _ in range(3):
                    count = int(body[i])
                    tags.append(list(body[i + 1 : i + 1 + count]))
                    i += 1 + count
                width, number = int(tags[2][1]), int(tags[2][2])
                rows = [line.split() for line in body[i : i + number]]
                if len(rows) != number or any(len(row) != 1 + width for row in rows):
                    raise ValueError(f"{name} promises {number} rows of {width} numbers")
                yield _named(tags[0]), {int(row[0]): [float(v) for v in row[1:]] for row in rows}


def _counted(body: Sequence[str]) -> Sequence[str]:
    """The lines after the first, which says how many they are."""
    count = int(body[0])
    if len(body) < 1 + count:
        raise ValueError(f"{count} lines are promised, {len(body) - 1} are there")
    return body[1 : 1 + count]


def _named(tags: Sequence[str]) -> str:
    return tags[0].strip().strip('"') if tags else "values"


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, begin = "", 0
    for i, line in enumerate(lines):
        word = line.strip()
        if word.startswith("$End") and name:
            yield name, [text for text in lines[begin:i] if text.strip()]
            name = ""
        elif word.startswith("$") and not name:
            name, begin = word[1:], i + 1
    if name:
        raise ValueError(f"the file ends before $End{name}")


def _text_nodes4(body: Sequence[str]) -> tuple[list[int], Array]:
    tags: list[int] = []
    points: list[list[float]] = []
    i = 1
    while i < len(body):
        count = int(body[i].split()[3])
        tags += [int(line.split()[0]) for line in body[i + 1 : i + 1 + count]]
        points += [[float(v) for v in line.split()[:3]] for line in body[i + 1 + count : i + 1 + 2 * count]]
        i += 1 + 2 * count
    return tags, np.array(points)


def _text_elements4(body: Sequence[str]) -> Iterator[Element]:
    i = 1
    while i < len(body):
        _, _, number, count = (int(v) for v in body[i].split())
        kind, width = _KINDS[number]
        for line in body[i + 1 : i + 1 + count]:
            row = [int(v) for v in line.split()]
            yield kind, row[0], row[1 : 1 + width]
        i += 1 + count


class _Binary:
    """A binary file; the number one behind its format tells the order of bytes."""

    def __init__(self, whole: bytes, version: str, head: re.Match[bytes]) -> None:
        if head[3] != b"8":
            raise ValueError(f"numbers of {head[3].decode()} bytes; 8 are read")
        one = whole[head.end() : head.end() + 4]
        orders: dict[bytes, Literal["<", ">"]] = {struct.pack("<i", 1): "<", struct.pack(">i", 1): ">"}
        if one not in orders:
            raise ValueError("the number one does not follow its format")
        self.whole, self.four = whole, version.startswith("4")
        self.order: Literal["<", ">"] = orders[one]

    def start(self, name: str, begin: int = 0) -> int:
        """Where the content of a section begins, -1 if there is none after `begin`."""
        found = re.compile(rb"(?:^|\n)\$" + name.encode() + rb"\s*?\n").search(self.whole, begin)
        return found.end() if found else -1

    def take(self, at: int, dtype: Any, count: int) -> tuple[NDArray[Any], int]:
        """Numbers and where they end."""
        kind = np.dtype(dtype).newbyteorder(self.order)
        end = at + count * kind.itemsize
        if count < 0 or end > len(self.whole):
            raise ValueError("the file ends within its numbers")
        return np.frombuffer(self.whole, kind, count, at), end

    def line(self, at: int) -> tuple[str, int]:
        end = self.whole.index(b"\n", at)
        return self.whole[at:end].decode("utf-8", errors="replace").strip(), end + 1

    def nodes(self) -> tuple[NDArray[Any], Array]:
        at = self.start("Nodes")
        if at < 0:
            raise ValueError("no nodes")
        if self.four:
            return self._nodes4(at)
        count, at = self.line(at)
        rows, _ = self.take(at, [("tag", "i4"), ("place", "f8", (3,))], int(count))
        return rows["tag"], rows["place"].astype(float)

    def _nodes4(self, at: int) -> tuple[NDArray[Any], Array]:
        (blocks, *_), at = self.take(at, "u8", 4)
        tags, points = [], []
        for _ in range(int(blocks)):
            (dim, _, parametric), at = self.take(at, "i4", 3)
            (count,), at = self.take(at, "u8", 1)
            own, at = self.take(at, "u8", int(count))
            width = 3 + (int(dim) if parametric else 0)
            places, at = self.take(at, "f8", width * int(count))
            tags.append(own)
            points.append(places.reshape(-1, width)[:, :3].astype(float))
        return np.concatenate(tags), np.concatenate(points)

    def elements(self) -> Iterator[Element]:
        at = self.start("Elements")
        if at < 0:
            raise ValueError("no elements")
        yield from self._elements4(at) if self.four else self._elements2(at)

    def _elements2(self, at: int) -> Iterator[Element]:
        text, at = self.line(at)
        left = int(text)
        while left > 0:
            (number, count, tags), at = self.take(at, "i4", 3)
            kind, width = _KINDS[int(number)]
            rows, at = self.take(at, "i4", int(count) * (1 + int(tags) + width))
            for row in rows.reshape(int(count), -1):
                yield kind, int(row[0]), row[1 + int(tags) :].tolist()
            if count < 1:
                raise ValueError("a block of no elements")
            left -= int(count)

    def _elements4(self, at: int) -> Iterator[Element]:
        (blocks, *_), at = self.take(at, "u8", 4)
        for _ in range(int(blocks)):
            (_, _, number), at = self.take(at, "i4", 3)
            (count,), at = self.take(at, "u8", 1)
            kind, width = _KINDS[int(number)]
            rows, at = self.take(at, "u8", int(count) * (1 + width))
            for row in rows.reshape(int(count), -1):
                yield kind, int(row[0]), row[1:].tolist()

    def data(self, name: str) -> Iterator[tuple[str, dict[int, list[float]]]]:
        at = self.start(name)
        while at >= 0:
            tags = []
            for _ in range(3):
                text, at = self.line(at)
                own = []
                for _ in range(int(text)):
                    word, at = self.line(at)
                    own.append(word)
                tags.append(own)
            width, number = int(tags[2][1]), int(tags[2][2])
            rows, at = self.take(at, [("tag", "i4"), ("values", "f8", (width,))], number)
            yield _named(tags[0]), dict(zip(rows["tag"].tolist(), rows["values"].tolist(), strict=True))
            at = self.start(name, at)
