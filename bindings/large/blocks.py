"""One or several arrays in a Zarr group that fill up block by block; see `dislok.store`.

Every finished block is marked with a checksum of its values, every chunk carries one of its bytes, and chunks
that are not there read as NaN. So a computation can be killed at any moment, and what happened to its files
afterwards is found out by `Blocks.verify` and made good by computing the blocks it names again::

    image, depth = Layout((1000, 64, 64), (10, 64, 64), "float32"), Layout((1000,), (10,), "float64")
    blocks = Blocks.create(path, store.fingerprint(recipe, seed), {"image": image, "depth": depth}, axes=1)
    for index in blocks.missing():
        blocks.write(index, {"image": ..., "depth": ...})
"""

from __future__ import annotations

import itertools
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from dislok import foreign
from dislok.arrays import Values
from dislok.foreign import Object
from dislok.store import Place, writing

__all__ = ["Blocks", "Damage", "Layout"]

Index = tuple[int, ...]
_DONE = "done"
_SET = 1 << 32


class Layout(NamedTuple):
    """Shape, chunks and dtype of an array."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str


class Damage(NamedTuple):
    """The index of a finished block that is not what was written, and what is wrong."""

    block: Index
    reason: str


class Blocks:
    """Arrays of a Zarr group in blocks of one chunk of each array along the first `axes` axes.

    Use `create` or `open`.

    Attributes
    ----------
    group : zarr.Group
        Holds the arrays, and `done`: 0 for missing blocks, else a mark with the checksum.
    problem : str
        Fingerprint of the computation.
    shape : tuple of int
        Number of blocks along each axis.
    """

    def __init__(self, path: Place) -> None:
        self.path = Path(path)
        self.group = _zarr().open_group(os.fspath(path), mode="r+")
        facts = dict(self.group.attrs)
        self.problem = str(facts["problem"])
        self.names = tuple(facts.get("arrays", ("values",)))
        self.done = foreign.zarr_array(self.group, _DONE)
        # A chunk of nothing but NaN is written too, so that a file that is not there is one that has gone.
        with _zarr().config.set({"array.write_empty_chunks": True}):
            self.arrays = {name: foreign.zarr_array(self.group, name) for name in self.names}
        self.shape: Index = tuple(self.done.shape)

    @classmethod
    def create(
        cls,
        path: Place,
        problem: str,
        layouts: Mapping[str, Layout],
        *,
        axes: int | None = None,
        attributes: Values | None = None,
    ) -> Blocks:
        """Open the blocks of a problem, new ones if there are none.

        Parameters
        ----------
        path : path
            Folder of the group.
        problem : str
            As of `dislok.store.fingerprint`.
        layouts : mapping of str to Layout
            The arrays; along the first `axes` axes all must have the same number of chunks, and a block is
            whole along the others.
        axes : int, optional
            All axes of the first array by default.
        attributes : mapping, optional
            Plain facts to keep with the group.

        Raises
        ------
        ValueError
            If the path holds the blocks of another problem, or something else.
        """
        place = Path(path)
        if _is_begun(place):
            return cls(place)._checked(problem)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            _make(place, problem, layouts, _counts(layouts, axes), attributes or {})
        except OSError:
            # Another process may have been quicker.
            if not _is_begun(place):
                raise
        return cls(place)._checked(problem)

    @classmethod
    def open(cls, path: Place) -> Blocks:
        """Open blocks that are there.

        Raises
        ------
        ValueError
            If the path holds no blocks.
        """
        if not _is_begun(Path(path)):
            raise ValueError(f"{os.fspath(path)} holds no blocks of dislok")
        return cls(path)

    def _checked(self, problem: str) -> Blocks:
        if self.problem != problem:
            raise ValueError(f"{self.path} belongs to another array; choose another place")
        return self

    @property
    def total(self) -> int:
        """Number of blocks."""
        return int(np.prod(self.shape))

    def missing(self) -> list[Index]:
        """Indices of the blocks that are not finished, or whose files have gone."""
        marks = self._marks()
        return [index for index in np.ndindex(*self.shape) if not marks[index] or self._gone(index)]

    def write(self, index: Index, values: Mapping[str, np.ndarray]) -> None:
        """Write a block, then mark it: an interruption between the two only means to compute it again."""
        whole = {name: np.asarray(values[name], self.arrays[name].dtype) for name in self.names}
        for name, block in whole.items():
            self.arrays[name][self.region(name, index)] = block
        self.done[index] = _SET | _checksum(whole)

    def read(self, index: Index) -> dict[str, np.ndarray]:
        """The arrays of a block."""
        return {name: np.asarray(self.arrays[name][self.region(name, index)]) for name in self.names}

    def verify(self) -> list[Damage]:
        """Read all finished blocks again; those that are not what was written."""
        marks = self._marks()
        found = []
        for index in np.ndindex(*self.shape):
            if marks[index] and (reason := self._damage(index, int(marks[index]))):
                found.append(Damage(index, reason))
        return found

    def forget(self, indices: Iterable[Index]) -> None:
        """Mark blocks as missing."""
        for index in indices:
            self.done[index] = 0

    def region(self, name: str, index: Index) -> tuple[slice, ...]:
        """Where a block lies in an array."""
        array = self.arrays[name]
        starts = [k * size for k, size in zip(index, array.chunks, strict=False)]
        return tuple(
            slice(s, min(s + size, n)) for s, size, n in zip(starts, array.chunks, array.shape, strict=False)
        )

    def _damage(self, index: Index, mark: int) -> str:
        if gone := self._gone(index):
            return f"{gone} is missing"
        try:
            found = _SET | _checksum(self.read(index))
        except Exception as error:
            # Whatever the codecs trip over.
            return f"{self._file(self.names[0], index)} cannot be read: {error}"
        return "" if found == mark else f"{self._file(self.names[0], index)} holds other values"

    def _marks(self) -> np.ndarray:
        try:
            return np.asarray(self.done[...])
        except Exception:
            # A damaged mark counts as none, and its block is made anew.
            marks = np.zeros(self.shape, np.uint64)
            for index in np.ndindex(*self.shape):
                marks[index] = self._mark(index)
            return marks

    def _mark(self, index: Index) -> int:
        try:
            return int(self.done[index])
        except Exception:
            return 0

    def _gone(self, index: Index) -> str:
        """The first file of a block that is not there, or nothing."""
        for name in self.names:
            for file in self._files(name, index):
                if not file.exists():
                    return str(file.relative_to(self.path))
        return ""

    def _files(self, name: str, index: Index) -> Iterable[Path]:
        array = self.arrays[name]
        rest = [
            range(-(-n // c))
            for n, c in zip(array.shape[len(index) :], array.chunks[len(index) :], strict=True)
        ]
        for more in itertools.product(*rest):
            yield self.path / name / array.metadata.encode_chunk_key((*index, *more))

    def _file(self, name: str, index: Index) -> str:
        return str(next(iter(self._files(name, index))).relative_to(self.path))


def _checksum(arrays: Mapping[str, np.ndarray]) -> int:
    value = 0
    for array in arrays.values():
        value = zlib.crc32(np.ascontiguousarray(array).tobytes(), value)
    return value


def _counts(layouts: Mapping[str, Layout], axes: int | None) -> Index:
    """Number of blocks along each axis, the same of all arrays."""
    first = next(iter(layouts.values()))
    many = len(first.shape) if axes is None else axes
    counts = {
        name: tuple(-(-n // c) for n, c in zip(each.shape[:many], each.chunks[:many], strict=True))
        for name, each in layouts.items()
    }
    if len(set(counts.values())) != 1:
        raise ValueError(f"arrays must have the same number of chunks along the first {many} axes: {counts}")
    return next(iter(counts.values()))


def _make(
    place: Path, problem: str, layouts: Mapping[str, Layout], counts: Index, attributes: Values
) -> None:
    """Make a group with its arrays and attributes, which appear together."""
    with writing(place) as draft:
        group = _zarr().open_group(os.fspath(draft), mode="w")
        for name, layout in layouts.items():
            _new(group, name, layout)
        _new(group, _DONE, Layout(counts, (1,) * len(counts), "uint64"))
        group.attrs.update({**attributes, "problem": problem, "arrays": list(layouts)})


def _new(group: Object, name: str, layout: Layout) -> None:
    codecs = _zarr().codecs
    kind = np.dtype(layout.dtype)
    group.create_array(
        name,
        shape=layout.shape,
        chunks=layout.chunks,
        dtype=kind,
        fill_value=np.nan if kind.kind in "fc" else 0,
        compressors=[codecs.ZstdCodec(), codecs.Crc32cCodec()],
    )


def _is_begun(place: Path) -> bool:
    """Whether there are blocks at a place; what is left of a group that was never complete is removed."""
    if not place.exists() or not any(place.iterdir()):
        return False
    try:
        group = _zarr().open_group(os.fspath(place), mode="r")
    except Exception as error:
        raise ValueError(f"{place} holds something else: {error}") from error
    if "problem" in group.attrs and _DONE in group:
        return True
    if set(group.array_keys()) - {"values", _DONE} or "problem" in group.attrs or dict(group.attrs):
        raise ValueError(f"{place} is a Zarr group of something else; choose another place")
    shutil.rmtree(place)
    return False


def _zarr() -> ModuleType:
    return foreign.installed("zarr", "blocks on disk need Zarr", "scale")
