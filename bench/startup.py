"""Seconds of processor until a new process has its first result: ``python -m bench.startup``.

Every public function once in a process of its own, with machine code on disk, beside cutde in the same run;
with ``--first`` also with an empty folder, and with ``--shipped FOLDER`` with an empty folder and the machine
code of a package (``dislok compile --ship FOLDER``). Python and NumPy count for none: what counts is
importing the code and the call. The last column says how many files the folder gained.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CALL = """
import sys, time
import numpy as np
begin = time.process_time()
{code}
print(time.process_time() - begin)
"""
OURS = """
from dislok import rehearsal
rehearsal.once("{family}", "{operation}")
"""
SHIPPED = """
from pathlib import Path
from dislok.kernels import keeping
keeping.SHIPPED = Path("{folder}")
"""
CUTDE = """
from cutde.halfspace import disp
obs = np.array([[1.0, 2.0, -1.0], [300.0, 200.0, -1.0]])
tri = np.array([[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.0, 6.0, -4.0]]])
disp(obs, np.repeat(tri, 2, axis=0), np.ones((2, 3)), 0.25)
"""
PUBLIC = {
    "okada": "displacement gradient fields strain stress greens apply apply_adjoint jacobian hessian".split(),
    "tde": "displacement gradient fields strain stress greens apply apply_adjoint jacobian".split(),
    "propagator": "statics seismograms layer_kernels static_layer_kernels".split(),
}


def seconds(code: str, folder: str) -> float:
    """Processor seconds of a process, past Python and NumPy."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, imports compile sources every time
    command = [sys.executable, "-c", CALL.format(code=code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return float("nan")
    return float(done.stdout.split()[-1])


def afresh(code: str) -> float:
    """Processor seconds of a process that finds an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds(code, folder)


def measure(first: bool, shipped: Path | None, rounds: int, only: list[str]) -> list[dict]:
    """A row for each function: seconds of the first process, with a package's code, the second, cutde."""
    rows = []
    kept = os.environ.get("NUMBA_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".numba_cache"))
    for family, operations in PUBLIC.items():
        for operation in operations:
            if only and not any(word in f"{family}.{operation}" for word in only):
                continue
            code = OURS.format(family=family, operation=operation)
            row = {"function": f"{family}.{operation}", "first": None, "shipped": None}
            if first:
                row["first"] = afresh(code)
            if shipped is not None:
                row["shipped"] = afresh(SHIPPED.format(folder=shipped.resolve()) + code)
            seconds(code, kept)
            files = sum(1 for _ in Path(kept).rglob("*.code"))
            pairs = [(seconds(code, kept), seconds(CUTDE, kept)) for _ in range(rounds)]
            row["second"], row["cutde"] = map(statistics.median, zip(*pairs, strict=True))
            row["files added"] = sum(1 for _ in Path(kept).rglob("*.code")) - files
            rows.append(row)
            print(line(row), flush=True)
    return rows


def line(row: dict) -> str:
    """A row to read."""
    first = "" if row["first"] is None else f"  first {row['first']:6.2f} s"
    first += "" if row["shipped"] is None else f"  first, shipped {row['shipped']:5.2f} s"
    return (
        f"{row['function']:<34} second {row['second']:6.3f} s  cutde {row['cutde']:6.3f} s"
        f"  files added {row['files added']}{first}"
    )


def main() -> int:
    """Measure and print; 1 where the folder grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__.splitlines()[0])
    parser.add_argument("--first", action="store_true", help="also with an empty folder: minutes")
    parser.add_argument("--shipped", type=Path, metavar="FOLDER", help="machine code of a package")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    rows = measure(options.first, options.shipped, options.rounds, options.only)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return int(any(row["files added"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
