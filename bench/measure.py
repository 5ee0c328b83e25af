"""Clocks: one core, calls of dislok and of the others in turn, medians and quartiles."""

import ctypes
import gc
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Seconds below which a call is repeated, those below which the first of a turn is not counted, and the most
# rounds of one comparison.
SHORTEST = 2e-3
SETTLING = 0.5
MOST_ROUNDS = 25


class Times(NamedTuple):
    """Seconds of one call, round by round.

    Attributes
    ----------
    seconds : list of float
        Wall time.
    processor : list of float
        Processor time of the whole process: the same for one thread on a quiet machine, and nearly the same
        on a busy one.
    """

    seconds: list[float]
    processor: list[float]

    @property
    def share(self) -> float:
        """Processor time over wall time; clearly below 1 (per thread) the machine was busy."""
        return sum(self.processor) / sum(self.seconds)


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float


def spread(values: Any) -> Spread:
    """Median, lower and upper quartile of some numbers."""
    low, median, high = np.quantile(np.asarray(values, dtype=float), (0.25, 0.5, 0.75))
    return Spread(float(median), float(low), float(high))


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Keep every thread of this process on `cores` while the block runs; Linux only, elsewhere nothing is
    pinned.
    """
    before = _move(cores)
    try:
        yield
    finally:
        if before is not None:
            _move(before)


def _move(cores: set[int]) -> set[int] | None:
    if not hasattr(os, "sched_setaffinity"):
        return None
    before = os.sched_getaffinity(0)
    # Pools of worker threads exist already and do not follow the main thread.
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), cores)
        except ProcessLookupError:
            continue
    return before


def usable_cores() -> list[int]:
    """The cores that this process may use."""
    return (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )


def once(call: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


class Duel(NamedTuple):
    """One other code against dislok, round by round.

    Attributes
    ----------
    ours, theirs : Times
        Of the same rounds.
    pieces : int
        In how many pieces the other code's work was timed: its seconds are those of one piece times this
        number.
    """

    ours: Times
    theirs: Times
    pieces: int

    @property
    def faster(self) -> Spread:
        """How many times faster dislok is."""
        return spread(np.array(self.theirs.seconds) / np.array(self.ours.seconds))

    @property
    def faster_by_processor(self) -> Spread:
        """The same by processor time."""
        return spread(np.array(self.theirs.processor) / np.array(self.ours.processor))


class Work(NamedTuple):
    """A call, or some of the equal pieces that it falls into.

    Attributes
    ----------
    pieces : tuple of callables
        What is timed, in turn; several pieces are timed once each.
    share : int
        How many pieces make the whole.
    """

    pieces: tuple[Callable[[], Any], ...]
    share: int = 1


def duels(ours: Callable[[], Any], others: dict[str, Work], budget: float, least: int = 3) -> dict[str, Duel]:
    """Time dislok and each of the others in turn, so that noise of the machine meets both.

    Parameters
    ----------
    ours : callable
        Warm already.
    others : dict
        Their work under their names.
    budget : float
        Seconds that all rounds together should take.
    least : int
        The least number of rounds, whatever they take.

    Returns
    -------
    dict of Duel
        Under the same names.
    """
    samples: dict[str, list] = {name: [] for name in others}
    needed = max([least, *(len(w.pieces) for w in others.values())])
    with _no_collection():
        begin, count = time.perf_counter(), 0
        while count < needed or (time.perf_counter() - begin < budget and count < MOST_ROUNDS):
            for name, work in others.items():
                if len(work.pieces) == 1 or count < len(work.pieces):
                    piece, whole = work.pieces[count % len(work.pieces)], len(work.pieces) == 1
                    samples[name].append((timed(ours), timed(piece, work.share, settle=whole)))
            count += 1
    return {name: _duel(sample, others[name].share) for name, sample in samples.items()}


def _duel(sample: list, share: int) -> Duel:
    ours, theirs = zip(*sample, strict=True)
    return Duel(_times(ours), _times(theirs), share)


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def give_back() -> None:
    """Return freed memory to the system, where the allocator is glibc's; elsewhere nothing happens."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def timed(call: Callable[[], Any], factor: int = 1, settle: bool = True) -> tuple[float, float]:
    """Wall and processor seconds of one call times `factor`; short calls are repeated and averaged.

    What the code before has freed, which can be gigabytes, is given back to the system first and not by the
    allocator during a call that is timed. The first call of a turn, which has to ask for its own memory, is
    not counted where it is short.
    """
    give_back()
    wall, cpu = once(call)
    if settle and wall < SETTLING:
        wall, cpu = once(call)
    repeat = int(SHORTEST / max(wall, 1e-7))
    for _ in range(repeat):
        more = once(call)
        wall, cpu = wall + more[0], cpu + more[1]
    return wall * factor / (repeat + 1), cpu * factor / (repeat + 1)


def _times(sample: Any) -> Times:
    wall, cpu = zip(*sample, strict=True)
    return Times(list(wall), list(cpu))


def processor() -> str:
    """The processor's name, with its model where the name alone says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in reversed(lines))}
    wide = (
        "AVX-512"
        if "avx512f" in fields.get("flags", "")
        else "AVX2"
        if "avx2" in fields.get("flags", "")
        else "SSE"
    )
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}, {wide})"
