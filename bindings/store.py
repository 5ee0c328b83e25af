"""Long work that can be stopped, taken up again, and trusted afterwards.

All long computations of dislok keep what they have finished with three things from here:

`fingerprint`
    A digest of everything that a result depends on. What was kept for one digest is never used for another.
`writing`, `write_text`, `write_arrays`
    Files that appear when they are complete: written under a name of their own, flushed to the disk, renamed.
`Pieces`
    Results of the parts of a computation, as named sets of arrays in a folder; `dislok.large.blocks.Blocks`
    is its sibling for one large array in Zarr. Both find out what is damaged, name it, and make it anew.

A computation that can be killed at any moment and goes on where it was::

    from dislok import store

    problem = store.fingerprint("my search", 1, data, options)
    pieces = store.Pieces(folder, problem)
    if pieces.finished:
        print(f"going on: {pieces.finished} parts are there already")
    for k in range(count):
        part = pieces.keep(f"part-{k}", lambda: {"misfit": ..., "place": ...})  # kept, or computed now
    store.write_arrays(folder / "result.npz", {...})
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
import re
import shutil
import socket
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from dislok.arrays import Values

__all__ = [
    "Arrays", "Damaged", "Pieces", "check_problem", "fingerprint", "read_arrays", "write_arrays",
    "write_text", "writing",
]  # fmt: skip

Arrays = dict[str, np.ndarray]
Place = str | os.PathLike[str]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, slice, date, datetime, os.PathLike)


class Damaged(ValueError):
    """A file of results was changed or cut off after it had been written."""


def fingerprint(*facts: object) -> str:
    """Digest of plain values, arrays, tuples, lists, mappings and dataclasses of them.

    Other objects say with a tuple of these, `facts`, what they are.

    Raises
    ------
    TypeError
        If a fact is of a kind whose contents cannot be seen, a function say.
    """
    digest = hashlib.sha256()
    for fact in facts:
        _digest(digest, fact)
    return digest.hexdigest()


def _digest(digest: hashlib._Hash, fact: Any) -> None:
    """Add a fact with its kind and size, so that no two different facts run together."""
    if hasattr(fact, "detach"):
        fact = fact.detach().cpu().numpy()
    if isinstance(fact, np.ma.MaskedArray):
        _digest(digest, ("masked", np.ma.getmaskarray(fact), fact.filled(0)))
    elif isinstance(fact, np.ndarray | np.generic):
        if fact.dtype.hasobject:
            raise TypeError(f"cannot tell arrays of {fact.dtype} apart")
        digest.update(f"array {fact.dtype.str} {fact.shape};".encode())
        digest.update(np.ascontiguousarray(fact).tobytes())
    elif isinstance(fact, _PLAIN):
        word = os.fspath(fact) if isinstance(fact, os.PathLike) else fact
        text = repr(word).encode()
        digest.update(f"{type(word).__name__} {len(text)};".encode() + text)
    elif isinstance(fact, Mapping):
        _members(digest, "mapping", sorted(fact.items(), key=lambda item: str(item[0])))
    elif isinstance(fact, set | frozenset):
        _members(digest, "set", sorted(fact, key=str))
    elif isinstance(fact, tuple | list):
        _members(digest, type(fact).__name__, fact)
    elif dataclasses.is_dataclass(fact) and not isinstance(fact, type):
        fields = [(field.name, getattr(fact, field.name)) for field in dataclasses.fields(fact)]
        _members(digest, type(fact).__qualname__, fields)
    elif isinstance(facts := getattr(fact, "facts", None), tuple):
        _members(digest, type(fact).__qualname__, facts)
    else:
        raise TypeError(f"cannot tell values of type {type(fact).__qualname__} apart: {fact!r:.60}")


def _members(digest: hashlib._Hash, kind: str, members: Collection[Any]) -> None:
    digest.update(f"{kind} {len(members)};".encode())
    for member in members:
        _digest(digest, member)


@contextmanager
def writing(path: Place) -> Iterator[Path]:
    """Give a name to write a file or folder under; on success it gets its own name, else it is removed.

    The draft has the same ending, lies in the same folder, and is flushed to the disk before it is renamed:
    whoever looks finds the old file or the new one, never half of one. Folders replace only empty folders.
    """
    place = Path(path)
    draft = place.with_name(f".{place.stem}.{_owner()}.draft{place.suffix}")
    try:
        yield draft
        _flush(draft)
        os.replace(draft, place)
    except BaseException:
        # Some writers put files of their own beside the one that they make.
        for left in place.parent.glob(f"{glob.escape(draft.name)}*"):
            _remove(left)
        raise
    _flush(place.parent)


def write_text(path: Place, text: str) -> None:
    """Write a text file (UTF-8) that appears when it is complete."""
    with writing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_arrays(path: Place, arrays: Values, *, compressed: bool = False) -> None:
    """Write an npz file, with a checksum of every array, that appears when it is complete."""
    with writing(path) as draft, open(draft, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, allow_pickle=False, **arrays)


def read_arrays(path: Place) -> Arrays:
    """All arrays of an npz file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    Damaged
        If it is no npz file of plain arrays, or a checksum does not fit; the message names the file.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except FileNotFoundError:
        raise
    except Exception as error:
        # Whatever the ZIP and NumPy readers trip over.
        raise Damaged(f"{os.fspath(path)} is damaged: {error}") from error


class Pieces:
    """Results of the parts of a long computation, kept in a folder so that it can be taken up again.

    Parameters
    ----------
    folder : path, optional
        None keeps nothing.
    problem : str
        Fingerprint that tells this computation from any other.
    others : {"refuse", "forget"}
        What to do if the folder holds the pieces of another problem: raise, or remove them.

    Attributes
    ----------
    finished : int
        Number of pieces that were there at the beginning.

    Raises
    ------
    ValueError
        If the folder holds the pieces of another problem, and `others` is "refuse".
    """

    def __init__(self, folder: Place | None, problem: str, *, others: str = "refuse") -> None:
        self.folder = None if folder is None else Path(folder)
        self.finished = 0
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        sweep(self.folder)
        self._claim(self.folder / "problem.npz", problem, others)
        self.finished = len(self.names())

    @classmethod
    def at(cls, folder: Place | Pieces | None, *facts: object) -> Pieces:
        """Pieces in a folder for the problem of these facts, or those that were made for it already."""
        if isinstance(folder, Pieces):
            return folder
        return cls(folder, "" if folder is None else fingerprint(*facts))

    def _claim(self, mark: Path, problem: str, others: str) -> None:
        try:
            known: str | None = str(read_arrays(mark)["problem"])
        except FileNotFoundError:
            known = None
        except (Damaged, KeyError) as error:
            warnings.warn(f"{error}; its pieces are made anew", stacklevel=4)
            known = ""
        if known not in (None, problem):
            if known and others == "refuse":
                raise ValueError(f"{mark} belongs to another problem; choose another place")
            self.clear()
        if known != problem:
            write_arrays(mark, {"problem": problem})

    def names(self) -> list[str]:
        """Names of the pieces that are there."""
        files = () if self.folder is None else self.folder.glob("[!.]*.npz")
        return sorted(file.stem for file in files if file.name != "problem.npz")

    def keep(self, name: str, make: Callable[[], Values]) -> Arrays:
        """The arrays of a piece: those in the folder, or new ones that are put there.

        A damaged piece is named in a warning and made anew.
        """
        if self.folder is None:
            return {key: np.asarray(value) for key, value in make().items()}
        path = self._path(name)
        if path.exists():
            try:
                return read_arrays(path)
            except Damaged as error:
                warnings.warn(f"{error}; it is made anew", stacklevel=2)
        arrays = {key: np.asarray(value) for key, value in make().items()}
        write_arrays(path, arrays)
        return arrays

    def verify(self) -> dict[str, str]:
        """Read everything; what is wrong with each damaged piece, by name."""
        wrong = {}
        for name in self.names():
            try:
                read_arrays(self._path(name))
            except Damaged as error:
                wrong[name] = str(error)
        return wrong

    def clear(self) -> None:
        """Remove all pieces, and the mark of their problem; other files in the folder stay."""
        if self.folder is not None:
            for name in self.names():
                self._path(name).unlink(missing_ok=True)
            (self.folder / "problem.npz").unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) or name == "problem":
            raise ValueError(f"{name!r} is no name of a piece: letters, digits, and - _ . after the first")
        assert self.folder is not None
        return self.folder / f"{name}.npz"


def check_problem(path: Place, problem: str) -> None:
    """Raise a `ValueError` if a file was written for another problem."""
    if str(read_arrays(path)["problem"]) != problem:
        raise ValueError(f"{os.fspath(path)} belongs to another problem; choose another place")


def _owner() -> str:
    return f"{re.sub('[^A-Za-z0-9-]', '-', socket.gethostname())}-{os.getpid()}"


def sweep(folder: Path) -> None:
    """Remove drafts of processes of this machine that are no more, and what they left beside them."""
    host = _owner().rpartition("-")[0]
    for draft in folder.glob(f".*.{host}-*.draft*"):
        number = draft.name.partition(f".{host}-")[2].partition(".")[0]
        if number.isdigit() and not _alive(int(number)):
            _remove(draft)


def _alive(process: int) -> bool:
    if os.name != "posix":
        return True  # there, asking ends the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Bring a file to the disk, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some file systems have no such call for folders; the rename is atomic all the same.
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)
