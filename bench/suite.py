"""The measurements: each returns plain rows (dictionaries of numbers and words) for the tables and the
JSON.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import ours
from .cases import CASES, DTYPES, THREADED, Case, chosen, named
from .measure import Duel, Spread, Work, duels, pinned, usable_cores
from .peers import Absent, Peer, Run

# Observers of the comparison of results, and how far the medians may lie apart before a time means nothing.
COMPARED = 1000
TOLERANCE = {8: 1e-4, 4: 5e-2}  # by the bytes of a number
QUICK = 5000


class Settings:
    """How long to measure.

    Parameters
    ----------
    quick : bool
        Fewer observers and rounds: shows that everything runs. Codes that spend their time in Python look
        slower than they are.
    only : list of str
        Parts of the names of cases to keep; empty keeps all.
    """

    def __init__(self, quick: bool = False, only: list[str] | None = None) -> None:
        self.quick = quick
        self.only = only or []
        self.budget = 0.5 if quick else 4.0
        self.least = 2 if quick else 3

    def size(self, case: Case) -> int:
        """Number of observers of a case."""
        return min(case.n, QUICK) if self.quick else case.n

    def wants(self, name: str) -> bool:
        """Whether the case of this name is to be measured."""
        return not self.only or any(word.lower() in name.lower() for word in self.only)

    def work(self, run: Run) -> Work:
        """What is timed of another code's run."""
        if not run.parts:
            return Work((run.call,))
        return Work(run.parts[:2] if self.quick else run.parts, len(run.parts))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Pin to the last cores that may be used, and let torch use as many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with pinned(set(usable_cores()[-count:])):
            yield
    finally:
        torch.set_num_threads(before)


def compare(peers: list[Peer], settings: Settings, say: Callable[[str], Any]) -> list[dict]:
    """Every case on one core: one row for each code that has the operation."""
    rows = []
    with threads(1):
        for case in chosen(CASES, settings.only):
            say(case.name)
            rows += _compare_one(case, peers, settings)
    return rows


def _compare_one(case: Case, peers: list[Peer], settings: Settings) -> list[dict]:
    problem, small = case.problem(settings.size(case)), case.problem(COMPARED)
    runs = {p.name: p.run(case.operation, problem, 1) for p in peers if p.name not in case.leave_out}
    others = {name: run for name, run in runs.items() if run is not None}
    mine = ours.run(case.operation, problem, 1)
    reference = result(ours.run(case.operation, small, 1))
    apart = {p.name: difference(_of(p, case, small), reference) for p in peers if p.name in others}
    mine.call()
    work = {name: settings.work(run) for name, run in others.items()}
    met = duels(
        mine.call, work or {"": Work((mine.call,))}, settings.budget, min(case.rounds, settings.least)
    )
    return [
        row(case.name, name, duel, problem.pairs, apart.get(name, 0.0), case.goal, case.dtype)
        | {"observers": len(problem.obs)}
        for name, duel in met.items()
    ]


def _of(peer: Peer, case: Case, small: Any) -> NDArray:
    run = peer.run(case.operation, small, 1)
    assert run is not None  # it had one for the large problem
    return result(run)


def result(run: Run) -> NDArray:
    """The numbers of a run, or of the first piece of one that falls into pieces."""
    return run.result((run.parts[0] if run.parts else run.call)())


def row(
    case: str, name: str, duel: Duel, pairs: int, apart: float, goal: tuple = (), dtype: type = np.float64
) -> dict:
    """What a duel with the code `name` says; `goal` is a code, and how many times faster than it to be."""
    wanted = goal[1] if goal and goal[0] == name else None
    faster = duel.faster
    return {
        "case": case,
        "pairs": pairs,
        "other": name,
        "ours_ns": nanoseconds(duel.ours.seconds, pairs),
        "other_ns": nanoseconds(duel.theirs.seconds, pairs) if name else None,
        "times_faster": spread_row(faster) if name else None,
        "times_faster_by_processor": spread_row(duel.faster_by_processor) if name else None,
        "goal": wanted,
        "met": None if wanted is None else bool(faster.median >= wanted),
        "difference": apart,
        "agrees": bool(apart <= TOLERANCE[np.dtype(dtype).itemsize]),
        "rounds": len(duel.ours.seconds),
        "pieces": duel.pieces,
        "processor_share": min(duel.ours.share, duel.theirs.share),
    }


def nanoseconds(seconds: list[float], pairs: int) -> float:
    """Median, per pair."""
    return float(np.median(seconds)) / pairs * 1e9


def spread_row(s: Spread) -> dict:
    """Median and quartiles as a dictionary."""
    return {"median": s.median, "low": s.low, "high": s.high}


def difference(theirs: NDArray, mine: NDArray) -> float:
    """Median over observers of the normwise relative difference, for the derivative or field that differs
    most.

    Parameters
    ----------
    theirs : array, shape (n, c, ...)
        May cover fewer parameters than ours, and hold NaN where it says nothing.
    mine : array, shape (n, c, ...)
    """
    mine = mine[tuple(slice(0, size) for size in theirs.shape)]
    fields = [slice(0, 3), slice(3, 12)] if theirs.ndim == 2 and theirs.shape[1] == 12 else [slice(None)]
    return max(_worst_column(theirs[:, f].astype(float), mine[:, f].astype(float)) for f in fields)


def _worst_column(theirs: NDArray, mine: NDArray) -> float:
    a, b = (x.reshape(*x.shape[:2], -1) for x in (theirs, mine))
    size = np.linalg.norm(a, axis=1)
    size[size == 0] = 1.0
    ratio = np.linalg.norm(a - b, axis=1) / size
    known = ~np.isnan(a).any(axis=(0, 1))
    return float(np.median(ratio[:, known], axis=0).max())


def scaling(peers: list[Peer], settings: Settings, say: Callable[[str], Any]) -> list[dict]:
    """Two threads against one, each code with itself; none where only one core may be used."""
    rows: list[dict] = []
    if len(usable_cores()) < 2:
        return rows
    with threads(2):
        for case in chosen(THREADED, settings.only):
            say(f"two threads: {case.name}")
            problem = case.problem(settings.size(case))
            one, two = (ours.run(case.operation, problem, k).call for k in (1, 2))
            rows.append(scaling_row(case.name, "dislok", one, two, problem.pairs, settings, goal=1.8))
            rows += [
                scaling_row(case.name, p.name, *calls, problem.pairs, settings)
                for p in peers
                if p.name == "pyrocko" and (calls := _one_and_two(p, case.operation, problem))
            ]
    return rows


def _one_and_two(peer: Peer, operation: str, problem: Any) -> tuple[Callable, Callable] | None:
    one, two = (peer.run(operation, problem, k) for k in (1, 2))
    return (one.call, two.call) if one and two else None


def scaling_row(
    case: str,
    name: str,
    one: Callable,
    two: Callable,
    pairs: int,
    settings: Settings,
    goal: float | None = None,
) -> dict:
    """What two threads make of one."""
    one()
    two()
    duel = duels(two, {name: Work((one,))}, settings.budget, settings.least)[name]
    faster = duel.faster
    return {
        "case": case,
        "code": name,
        "one_ns": nanoseconds(duel.theirs.seconds, pairs),
        "two_ns": nanoseconds(duel.ours.seconds, pairs),
        "times_faster": spread_row(faster),
        "goal": goal,
        "met": None if goal is None else bool(faster.median >= goal),
        # Two threads that both run use twice the wall time.
        "processor_share": min(duel.ours.share / 2, duel.theirs.share),
    }


def dtypes(settings: Settings, say: Callable[[str], Any]) -> list[dict]:
    """float32 against float64, both dislok, on one core."""
    rows = []
    with threads(1):
        for case in (c for c in map(named, DTYPES) if chosen((c,), settings.only)):
            say(f"float32: {case.name}")
            narrow = case._replace(dtype=np.float32)
            n = settings.size(case)
            first, second = (ours.run(c.operation, c.problem(n), 1).call for c in (narrow, case))
            rows.append({"case": case.name, **_against(first, second, n, settings, ("float32", "float64"))})
    return rows


def overhead(settings: Settings, say: Callable[[str], Any]) -> list[dict]:
    """Public functions against the kernels below them, on one core: what the checks cost."""
    rows = []
    with threads(1):
        for case in (c for c in map(named, DTYPES) if chosen((c,), settings.only)):
            say(f"checks: {case.name}")
            problem = case.problem(settings.size(case))
            calls = ours.kernel(case.operation, problem, 1), ours.run(case.operation, problem, 1).call
            rows.append(
                {"case": case.name, **_against(*calls, problem.pairs, settings, ("kernel", "public"))}
            )
    return rows


def _against(
    first: Callable, second: Callable, pairs: int, settings: Settings, names: tuple[str, str]
) -> dict:
    first()
    second()
    duel = duels(first, {"": Work((second,))}, settings.budget / 2, settings.least)[""]
    return {
        f"{names[0]}_ns": nanoseconds(duel.ours.seconds, pairs),
        f"{names[1]}_ns": nanoseconds(duel.theirs.seconds, pairs),
        "ratio": spread_row(duel.faster),
    }


def presence(peers: list[Peer], absent: list[Absent]) -> dict:
    """Which codes were measured, and why the others were not."""
    return {"present": {p.name: p.version for p in peers}, "absent": {a.name: a.reason for a in absent}}
