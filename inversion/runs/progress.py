"""The memory of a run: whose outputs a folder holds, and which stages have finished."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dislok import __version__, schema
from dislok.arrays import Record, Values
from dislok.gate import Given
from dislok.store import Pieces, fingerprint, write_text

from .. import weights
from ..fault.problem import Problem
from ..slip.problem import SlipProblem

Say = Callable[[str], None]


def silent(line: str) -> None:
    """Say nothing."""


def facts(table: schema.Table, config: Values, folder: Path) -> list[object]:
    """All that a run depends on: what the configuration says and what its files hold."""
    return [__version__, _plain(config), *(_digest(folder / name) for name in schema.files(table, config))]


def _plain(value: Given) -> Given:
    """Values of a configuration; dates as text."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else str(value)


def _digest(place: Path) -> list[str]:
    """Digest of a file, or of all in a folder."""
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]


def claim(folder: Path, patterns: Sequence[str], facts: Sequence[object], say: Say) -> None:
    """Remove the files of a run of another configuration or other data, which would look like this one's."""
    digest, mark = fingerprint(*facts), folder / "progress" / "outputs.txt"
    if mark.exists() and mark.read_text("utf-8") == digest:
        return
    old = [file for pattern in patterns for file in folder.glob(pattern)]
    if old and mark.exists():
        say(f"removed {len(old)} files of another run from {folder}")
        for file in old:
            file.unlink()
    mark.parent.mkdir(parents=True, exist_ok=True)
    write_text(mark, digest)


P = TypeVar("P", Problem, SlipProblem)


def balanced(
    problem: P, how: str, folder: Path, say: Say, **options: Any
) -> tuple[P, list[str]]:  # fmt: skip
    """The problem with the relative weights that are asked for, and words about them."""
    if how == "given" or len(problem.datasets) < 2:
        return problem, []
    pieces = Pieces(
        folder / "progress" / "weights", fingerprint(__version__, problem, options), others="forget"
    )
    if not pieces.finished:
        say("relative weights of data sets:")
    kept = pieces.keep("weights", lambda: _estimated(problem, say, options))
    lines = kept["words"].tolist()
    return problem.reweighted(kept["factors"].tolist()), lines


def _estimated(problem: Problem | SlipProblem, say: Say, options: Values) -> Record:
    found = weights.estimate(problem, progress=lambda line: say(f"  {line}"), **options)
    return {"factors": found.factors, "words": np.array(found.summary().splitlines())}


def resumed(folder: Path, facts: tuple[object, ...], say: Say) -> Pieces:
    """Where a stage keeps its parts; says what is there already."""
    pieces = Pieces(folder, fingerprint(__version__, *facts), others="forget")
    if pieces.finished:
        say(f"going on where an earlier run was stopped: {pieces.finished} parts of {folder.name} are there")
    return pieces
