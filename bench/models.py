"""Many models at a few stations, and small calls: ``python -m bench.models``.

Models of two faults or triangles at a hundred stations, all in one call, beside a Python loop over our own
calls and other codes that are installed, on a share of the models; then calls of one source at 1 and at 30
stations. All times are those of the processor, on one thread.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dislok import okada, tde

from . import peers, problems

STATIONS, FAULTS = 100, 2


def cpu(work: Callable[[], object], rounds: int = 3) -> float:
    """Least processor seconds of a few rounds."""
    work()
    best = np.inf
    for _ in range(rounds):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def models(count: int) -> tuple[np.ndarray, okada.Rectangle]:
    """Stations on the ground, and faults below them."""
    rng = np.random.default_rng(1)

    def uniform(low, high):
        return rng.uniform(low, high, (count, FAULTS))

    obs = np.c_[rng.uniform(-30, 30, (STATIONS, 2)), np.zeros(STATIONS)]
    return obs, okada.Rectangle(
        uniform(-10, 10), uniform(-10, 10), uniform(5, 9), uniform(2, 9), uniform(1, 4), uniform(0, 360),
        uniform(10, 80), uniform(-180, 180), uniform(0.1, 3), uniform(-0.1, 0.1),
    )  # fmt: skip


def batches(count: int, share: int) -> dict[str, float]:
    """ns a pair of one call for all models, of a loop over some of them."""
    obs, source = models(count)
    some = [type(source)(*(field[b] for field in source)) for b in range(share)]
    pairs = STATIONS * FAULTS
    whole = cpu(lambda: okada.displacement(obs, source, threads=1), 1)
    loop = cpu(lambda: [okada.displacement(obs, each) for each in some])
    jacobian = cpu(lambda: okada.jacobian(obs, type(source)(*(f[:share] for f in source)), threads=1), 1)
    jacobians = cpu(lambda: [okada.jacobian(obs, each) for each in some])
    return {
        "displacement, one call": whole / count / pairs * 1e9,
        "displacement, loop over models": loop / share / pairs * 1e9,
        "Jacobian, one call": jacobian / share / pairs * 1e9,
        "Jacobian, loop over models": jacobians / share / pairs * 1e9,
    }


def triangles(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stations on the ground, two triangles of each model below them, and their slip."""
    rng = np.random.default_rng(2)
    tri = rng.uniform(-5, 5, (count, FAULTS, 3, 3)) + rng.uniform(-10, 10, (count, FAULTS, 1, 3))
    tri[..., 2] = -rng.uniform(1, 15, tri.shape[:-1])
    return models(1)[0], tri, rng.normal(size=(count, FAULTS, 3))


def batches_of_triangles(count: int, share: int) -> dict[str, float]:
    """As `batches`, of triangles."""
    obs, tri, slip = triangles(count)
    pairs, some = STATIONS * FAULTS * 1e-9, list(zip(tri[:share], slip[:share], strict=True))
    whole = cpu(lambda: tde.displacement(obs, tri, slip, threads=1), 1)
    loop = cpu(lambda: [tde.displacement(obs, *each) for each in some])
    jacobian = cpu(lambda: tde.jacobian(obs, tri[:share], slip[:share], threads=1), 1)
    jacobians = cpu(lambda: [tde.jacobian(obs, *each) for each in some])
    return {
        "triangles, displacement, one call": whole / count / pairs,
        "triangles, displacement, loop over models": loop / share / pairs,
        "triangles, Jacobian, one call": jacobian / share / pairs,
        "triangles, Jacobian, loop over models": jacobians / share / pairs,
    }


def others(share: int, faults: int, stations: int) -> dict[str, float]:
    """Microseconds of a call of other codes, one model after the other."""
    found = {}
    present, absent = peers.find()
    problem = problems.problem("rectangle", "near", True, faults, stations, np.float64)
    for peer in present:
        run = peer.run("displacement", problem, 1)
        if run is not None:
            found[peer.name] = cpu(lambda run=run: [run.call() for _ in range(share)]) / share * 1e6
    for each in absent:
        print(f"not there: {each.name}: {each.reason}", file=sys.stderr)
    return found


def small() -> dict[str, float]:
    """Microseconds of a call of one fault or triangle."""
    fault = okada.Rectangle(0.0, 0.0, 5.0, 9.0, 4.0, 30.0, 40.0, 90.0, 1.0)
    obs, tri, slip = triangles(1)
    found = {}
    for n in (1, 30):
        few = obs[:n].copy()
        calls: dict[str, Callable[[], object]] = {
            f"{n} stations": lambda few=few: okada.displacement(few, fault),
            f"{n} stations, strain": lambda few=few: okada.strain(few, fault),
            f"{n} stations, triangle": lambda few=few: tde.displacement(few, tri[0, :1], slip[0, :1]),
            f"{n} stations, triangle, strain": lambda few=few: tde.strain(few, tri[0, :1], slip[0, :1]),
        }
        for name, call in calls.items():
            found[name] = cpu(lambda call=call: [call() for _ in range(1000)], 5) * 1e3
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--share", type=int, default=1000, help="models of the loops and the other codes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    found = {
        "ns a pair": batches(options.models, options.share)
        | batches_of_triangles(options.models, options.share),
        "us, 2 faults, 100 stations": others(options.share // 10, FAULTS, STATIONS),
        "us, 1 fault, 30 stations": others(options.share // 10, 1, 30),
        "us, ours": small(),
    }
    ours = found["ns a pair"]["displacement, one call"]
    for name, value in found["ns a pair"].items():
        print(f"{name:<42} {value:9.1f} ns a pair {value / ours:7.2f} x")
    model, thirty = ours * 1e-3 * FAULTS * STATIONS, found["us, ours"]["30 stations"]
    for name, value in found["us, 2 faults, 100 stations"].items():
        print(f"{name:<34} {value:9.1f} us a model {value / model:7.2f} x ours in one call")
    for name, value in found["us, ours"].items():
        print(f"a call of ours, {name:<30} {value:9.1f} us")
    for name, value in found["us, 1 fault, 30 stations"].items():
        print(f"{name + ', 30 stations':<34} {value:9.1f} us         {value / thirty:7.2f} x ours")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
