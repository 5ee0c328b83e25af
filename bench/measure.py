"""Clocks: one core, calls of dislok and of the others in turn, medians and quartiles."""

import gc
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Times(NamedTuple):
    """Seconds of one call, round by round, and how much of that time this process really ran.

    Attributes
    ----------
    seconds : list of float
        Wall time.
    share : float
        Processor time over wall time, all rounds together; clearly below 1 (per thread) the machine was busy.
    """

    seconds: list[float]
    share: float


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
    """Keep every thread of this process on `cores` while the block runs; Linux only, elsewhere nothing is pinned."""
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
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def once(call: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def in_turn(calls: dict[str, Callable[[], Any]], budget: float, rounds: tuple[int, int] = (5, 25)) -> dict[str, Times]:
    """Time calls one after the other, round after round, so that noise of the machine meets all of them.

    Parameters
    ----------
    calls : dict
        The calls, already warm.
    budget : float
        Seconds that all rounds together should take; the number of rounds stays within `rounds`.

    Returns
    -------
    dict of Times
        Under the same names. A call shorter than 2 ms is repeated within its round and averaged.
    """
    first = {name: once(call)[0] for name, call in calls.items()}
    repeat = {name: max(1, int(np.ceil(2e-3 / max(t, 1e-7)))) for name, t in first.items()}
    per_round = sum(repeat[name] * t for name, t in first.items())
    count = int(np.clip(budget / per_round, *rounds))
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(count):
            for name, call in calls.items():
                samples[name].append(_repeated(call, repeat[name]))
    finally:
        gc.enable()
    return {name: _times(sample) for name, sample in samples.items()}


def _repeated(call: Callable[[], Any], repeat: int) -> tuple[float, float]:
    def several() -> None:
        for _ in range(repeat):
            call()

    wall, cpu = once(several)
    return wall / repeat, cpu / repeat


def _times(sample: list[tuple[float, float]]) -> Times:
    wall, cpu = zip(*sample, strict=True)
    return Times(list(wall), sum(cpu) / sum(wall))


def ratios(numerator: Times, denominator: Times) -> Spread:
    """Quotient of two calls, round by round."""
    return spread(np.array(numerator.seconds) / np.array(denominator.seconds))


def processor() -> str:
    """The processor's name, with its model where the name alone says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in reversed(lines))}
    wide = "AVX-512" if "avx512f" in fields.get("flags", "") else "AVX2" if "avx2" in fields.get("flags", "") else "SSE"
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}, {wide})"
