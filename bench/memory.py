"""Peak memory of large calls, each in a process of its own: `python -m bench.memory NAME` prints one row as
JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import ours
from .measure import usable_cores
from .problems import Problem, fault, observers, patches

# Beyond the result: what a call may take besides, whatever its size (work of the chunks, threads, allocator).
ALLOWANCE = 100e6


class Load(NamedTuple):
    """A large call: `sources` patches along each side of the fault (1 keeps it whole)."""

    operation: str
    n: int
    sources: int
    surface: bool = False

    def problem(self, n: int) -> Problem:
        """The same with `n` observers."""
        src = fault() if self.sources == 1 else patches(self.sources, self.sources)
        return Problem("rectangle", observers("near", n, self.surface), src, self.surface)


LOADS = {
    "displacement, 1e7 observers, 1 fault": Load("displacement", 10_000_000, 1),
    "displacement + gradient, 1e6 observers, 1 fault": Load("fields", 1_000_000, 1),
    "displacement, 1e4 observers, 1e4 faults": Load("displacement", 10_000, 100),
    "Jacobian of displacement, 1e6 observers, 1 fault": Load("jacobian", 1_000_000, 1),
    "value + VJP of displacement, 1e6 observers, 1 fault": Load("vjp", 1_000_000, 1),
}


class NotMeasurable(RuntimeError):
    """This system does not tell a process its peak memory."""


def status(field: str) -> int:
    """Bytes of a field of this process's status."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError as error:
        raise NotMeasurable(str(error)) from error
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def forget_peak() -> None:
    """Let the peak start from what is held now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise NotMeasurable(str(error)) from error


def measure(name: str, quick: bool = False) -> dict:
    """Peak of one of `LOADS` beyond what was held before the call, result included."""
    load = LOADS[name]
    problem = load.problem(load.n // 10 if quick else load.n)
    threads = min(2, len(usable_cores()))
    ours.run(load.operation, load.problem(16), threads).call()
    run = ours.run(load.operation, problem, threads)
    forget_peak()
    before, begin = status("VmRSS"), time.perf_counter()
    got: Any = run.call()
    seconds, peak = time.perf_counter() - begin, status("VmHWM") - before
    size = returned(got)
    return {
        "case": name,
        "observers": len(problem.obs),
        "sources": len(problem.src),
        "output_bytes": size,
        "peak_bytes": peak,
        "beyond_output_bytes": peak - size,
        "bound_bytes": ALLOWANCE,
        "met": bool(peak - size <= ALLOWANCE),
        "seconds": seconds,
    }


def returned(got: Any) -> int:
    """Bytes of the arrays that a call returned; of a loss and its gradient, the displacement that the loss
    was made of is the caller's and not counted."""
    arrays = got if isinstance(got, tuple) else (got,)
    return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))


def rows(names: list[str], quick: bool, say: Callable[[str], Any]) -> list[dict]:
    """One row for each load; what cannot be measured says why."""
    found = []
    for name in names:
        say(f"memory: {name}")
        command = [sys.executable, "-m", "bench.memory", name, *(["--quick"] if quick else [])]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            found.append(json.loads(done.stdout.splitlines()[-1]))
        else:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            found.append({"case": name, "error": last})
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], "--quick" in sys.argv[2:])))
