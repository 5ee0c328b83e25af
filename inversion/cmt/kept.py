"""The store of a run's finished parts, and searches as the arrays that are kept; see `dislok.store`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dislok import __version__
from dislok.store import Arrays, Pieces, fingerprint

from .problem import Problem, evaluate
from .source import UNKNOWNS, Sources
from .steps import Search, Step


class Stages:
    """A folder with the finished parts of every stage of a run.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def pieces(self, stage: str, *facts: object) -> Pieces:
        """Where a stage keeps its parts; those of an earlier run that began from other facts are removed."""
        if self.folder is None:
            return Pieces(None, "")
        return Pieces(self.folder / stage, fingerprint(__version__, stage, *facts), others="forget")


def search(pieces: Pieces, name: str, problem: Problem, compute: Callable[[], Search]) -> Search:
    """A search, from its piece or computed."""
    fresh: list[Search] = []

    def make() -> Arrays:
        fresh.append(compute())
        return _of_search(fresh[0])

    kept = pieces.keep(name, make)
    if fresh:
        return fresh[0]
    steps = _steps(kept)
    state = evaluate(problem, steps[-1].sources, refit=False)
    return Search(state, steps, bool(kept["converged"]))


def _of_search(found: Search) -> Arrays:
    """Arrays of all steps; one step may have more sources than another, so they stand one after the other."""
    steps = found.history
    arrays = {
        name: np.concatenate([getattr(step.sources, name) for step in steps])
        for name in (*UNKNOWNS, "tensor")
    }
    numbers = np.array([[step.misfit, step.objective, step.damping] for step in steps])
    count = np.array([len(step.sources) for step in steps])
    return {**arrays, "numbers": numbers, "count": count, "converged": np.array(found.converged)}


def _steps(kept: Arrays) -> tuple[Step, ...]:
    ends = np.cumsum(kept["count"])[:-1]
    parts = [np.split(kept[name], ends) for name in (*UNKNOWNS, "tensor")]
    steps = []
    for *own, numbers in zip(*parts, kept["numbers"].tolist(), strict=True):
        misfit, objective, damping = numbers
        sources = Sources(**dict(zip((*UNKNOWNS, "tensor"), own, strict=True)))
        steps.append(Step(sources, misfit, objective, damping, None))
    return tuple(steps)
