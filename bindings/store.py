"""Files of long computations: written under a temporary name, and marked with the problem they belong to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def fingerprint(*facts: Any) -> str:
    """Digest of plain values and arrays."""
    digest = hashlib.sha256()
    for fact in facts:
        if isinstance(fact, np.ndarray):
            digest.update(repr((fact.shape, fact.dtype.str)).encode())
            digest.update(np.ascontiguousarray(fact).tobytes())
        else:
            digest.update(repr(fact).encode())
    return digest.hexdigest()


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write an npz file under a temporary name, then give it its own."""
    temporary = Path(f"{os.fspath(path)}.part")
    with open(temporary, "wb") as file:
        np.savez(file, **arrays)
    os.replace(temporary, path)


class Pieces:
    """Results of the parts of a long computation, kept in a folder so that it can be taken up again.

    Parameters
    ----------
    folder : path, optional
        None keeps nothing.
    problem : str
        Digest that tells this computation from any other.

    Raises
    ------
    ValueError
        If the folder holds the pieces of another problem.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, problem: str) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder / "problem.npz"
        if not mark.exists():
            write_arrays(mark, {"problem": problem})
        check_problem(mark, problem)

    def keep(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a piece: those in the folder, or new ones that are put there."""
        if self.folder is None:
            return make()
        path = self.folder / f"{name}.npz"
        if path.exists():
            return read_arrays(path)
        arrays = make()
        write_arrays(path, arrays)
        return arrays


def read_arrays(path: str | os.PathLike[str]) -> Arrays:
    """All arrays of an npz file."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def check_problem(path: str | os.PathLike[str], problem: str) -> None:
    """Raise a `ValueError` if a file was written for another problem."""
    if str(read_arrays(path)["problem"]) != problem:
        raise ValueError(f"{os.fspath(path)} belongs to another problem; choose another place")
