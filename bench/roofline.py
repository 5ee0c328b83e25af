"""How much of the core's peak the formulas reach: operations per pair counted, over the time that a pair
takes.
"""

from collections.abc import Callable
from typing import Any

from . import ours, peak
from .cases import Case
from .counting import Operations
from .formulas import COUNTED
from .measure import Work, duels
from .suite import Settings, nanoseconds, threads


def bound(operations: Operations, best: peak.Peak) -> float:
    """Nanoseconds that a pair's operations take at the measured rates, if all multiplications pair up with
    additions and nothing overlaps with divisions and roots; selects and operations on bits are free here."""
    fused = max(operations.add, operations.multiply) * 2 / best.gigaflops
    return fused + operations.divide * best.divide + operations.root * best.root


def rows(settings: Settings, say: Callable[[str], Any]) -> list[dict]:
    """One row for each formula that can be counted."""
    found = []
    with threads(1):
        best = peak.measure()
        for name, (case, count) in COUNTED.items():
            if not settings.only or any(w.lower() in name.lower() for w in settings.only):
                say(f"roofline: {name}")
                found.append(_row(name, case, count(), best, settings))
    return found


def _row(name: str, case: Case, operations: Operations, best: peak.Peak, settings: Settings) -> dict:
    problem = case.problem(settings.size(case))
    call = ours.run(case.operation, problem, 1).call
    call()
    seconds = duels(call, {"": Work((call,))}, settings.budget / 4, settings.least)[""].ours.seconds
    taken = nanoseconds(seconds, problem.pairs)
    return {
        "case": name,
        **operations._asdict(),
        "flops": operations.flops,
        "ns": taken,
        "gigaflops": operations.flops / taken,
        "peak_gigaflops": best.gigaflops,
        "divide_ns": best.divide,
        "root_ns": best.root,
        "share_of_peak": operations.flops / taken / best.gigaflops,
        "bound_ns": bound(operations, best),
        "share_of_bound": bound(operations, best) / taken,
    }
