"""Seismograms and all their derivatives beside other codes: ``python -m bench.propagator``.

Eleven stations at 30 to 150 km on a crust of six layers, samples of 1 s, cosine low-pass from 0.05 to
0.2 Hz; six excitation kernels and four location kernels of dislok and pyprop8, and the records alone of an
explosion and of double couples of the codes in `bench.forward`. Times are CPU seconds of one thread, of
this process and those that a code starts, the codes in turns, best of several. Errors are rms over a record
relative to it, the largest of the stations, against dislok at an accuracy of 1e-5, which agrees with
converged references of other codes; those of the codes without derivatives are of an explosion's velocity.
``--gpu`` measures a thousand source positions at fifty stations on a CUDA device, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dislok import propagator

from . import forward
from .measure import pinned, usable_cores
from .report import machine

# Table 1 of O'Toole, Valentine & Woodhouse (2012): thickness, vp, vs, rho.
CRUST = np.array(
    [
        [0.1, 3.2, 2.0, 2.1],
        [1.9, 5.15, 2.85, 2.5],
        [3.0, 5.5, 3.2, 2.6],
        [13.0, 6.0, 3.46, 2.7],
        [14.0, 6.7, 3.87, 2.8],
        [np.inf, 7.7, 4.3, 3.3],
    ]
)
DISTANCE = np.linspace(30.0, 150.0, 11)
AZIMUTH = np.linspace(0.3, 5.9, 11)
X, Y = DISTANCE * np.cos(AZIMUTH), DISTANCE * np.sin(AZIMUTH)
TENSOR = np.array([[1.0, 0.3, 0.4], [0.3, -2.0, -0.5], [0.4, -0.5, 1.5]])
BAND = (0.05, 0.2)
ACCURACIES = (2e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
DEPTHS = (35.0, 10.0, 3.24)


def ours(depth: float, n: int, accuracy: float) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """A call that gives excitation kernels (stations, 6, 3, n) in m per N m and location kernels."""
    model = propagator.LayeredModel(*CRUST.T)
    source = propagator.PointSource(0.0, 0.0, depth, 1e12 * TENSOR)
    stations = propagator.Stations(X, Y)

    def call() -> tuple[np.ndarray, np.ndarray]:
        made = propagator.kernels(model, source, stations, 1.0, n, lowpass=BAND, accuracy=accuracy)
        return 1e15 * made.moment, 1e3 * made.location

    return call


def pyprop8(depth: float, n: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """The same of pyprop8 with its defaults, in mm per 1e12 N m."""
    import pyprop8 as pp
    from pyprop8.utils import clp_filter

    model = pp.LayeredStructureModel([tuple(row) for row in CRUST])
    source = pp.PointSource(0.0, 0.0, depth, TENSOR, np.zeros((3, 1)), 0.0)
    stations = pp.ListOfReceivers(X, Y)
    wanted = pp.DerivativeSwitches(moment_tensor=True, x=True, y=True, z=True, time=True)
    low, high = (2.0 * np.pi * f for f in BAND)

    def call() -> tuple[np.ndarray, np.ndarray]:
        _, _, slopes = pp.compute_seismograms(
            model,
            source,
            stations,
            n,
            1.0,
            derivatives=wanted,
            show_progress=False,
            source_time_function=lambda w: clp_filter(w, low, high),
        )
        # its order: xx yy zz xy xz yz, then x y z (up) and time
        location = slopes[:, 6:10].copy()
        location[:, 2] *= -1.0
        return slopes[:, :6], location

    return call


def error(got: np.ndarray, truth: np.ndarray) -> float:
    """Largest rms error of a station over the rms of its records."""
    axes = tuple(range(1, truth.ndim))
    return float(np.sqrt(np.max(((got - truth) ** 2).sum(axis=axes) / (truth**2).sum(axis=axes))))


def errors(got: tuple[np.ndarray, np.ndarray], truth: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Errors of the excitation kernels and, the worst of four, of the location kernels."""
    return error(got[0], truth[0]), max(error(got[1][:, i], truth[1][:, i]) for i in range(4))


def spent() -> float:
    """CPU seconds of this process and of those that it has started."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def in_turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Best CPU seconds of each call, one after the other in every round."""
    best = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            repeats = 5 if name.startswith("dislok") else 1
            for _ in range(repeats):
                begin = spent()
                call()
                best[name] = min(best[name], spent() - begin)
    return best


def explosion(depth: float, n: int) -> np.ndarray:
    """Vertical and radial velocity (stations, 2, n) of the explosion that the forward codes compute."""
    source = propagator.PointSource(0.0, 0.0, depth, forward.NEWTON_METRES * np.eye(3))
    made = propagator.seismograms(
        propagator.LayeredModel(*CRUST.T),
        source,
        propagator.Stations(DISTANCE, np.zeros_like(DISTANCE)),
        1.0,
        n,
        lowpass=BAND,
        quantity="velocity",
        accuracy=1e-5,
    )
    return made[:, [2, 0]]


def measure(n: int, depths: tuple[float, ...], rounds: int) -> list[dict[str, Any]]:
    """A row for each depth and code, printed as well."""
    rows = []
    for depth in depths:
        case = forward.Case(CRUST, depth, DISTANCE, n, BAND)
        others = {name: make(case) for name, make in forward.find()[0].items()}
        calls: dict[str, Callable[[], Any]] = {"pyprop8": pyprop8(depth, n)}
        calls |= {f"dislok {accuracy:g}": ours(depth, n, accuracy) for accuracy in ACCURACIES}
        truth = ours(depth, n, 1e-5)()
        quality: dict[str, tuple[float, float | None]] = {
            name: errors(call(), truth) for name, call in calls.items()
        }
        exploded = explosion(depth, n)
        for name, code in others.items():
            code.call()
            quality[name] = error(code.explosion(), exploded), None
            calls[name] = code.call
        seconds = in_turns(calls, rounds)
        for name in calls:
            row = {
                "n": n,
                "depth": depth,
                "code": name,
                "seconds": seconds[name],
                "times": seconds["pyprop8"] / seconds[name],
                "excitation": quality[name][0],
                "location": quality[name][1],
            }
            rows.append(row)
            location = "      -" if row["location"] is None else f"{row['location']:9.1e}"
            print(
                f"{n:4d} {depth:6.2f} {name:18s} {1e3 * row['seconds']:8.1f} {row['times']:7.0f}"
                f" {row['excitation']:11.1e} {location}",
                flush=True,
            )
    return rows


def gpu(positions: int = 1000, n_stations: int = 50, n: int = 128, rounds: int = 5) -> dict[str, float]:
    """Seconds (median, device synchronised) of all kernels of many source positions, for each CUDA backend.

    Raises
    ------
    NoDevice
        If there is no CUDA device, or what drives it is not installed.
    """
    from .gpu import usable

    ready = usable()
    import cupy

    draw = np.random.default_rng(1)
    x, y = draw.uniform(-20.0, 20.0, (2, positions))
    depth = np.resize(np.arange(5.0, 25.0), positions)
    stations = propagator.Stations(*map(cupy.asarray, draw.uniform(-150.0, 150.0, (2, n_stations))))
    source = propagator.PointSource(*map(cupy.asarray, (x, y, depth, 1e12 * TENSOR)))
    model = propagator.LayeredModel(*CRUST.T)
    found = {}
    for backend in ready:
        taken = []
        for _ in range(rounds + 1):  # the first compiles and finds the plan
            cupy.cuda.Device().synchronize()
            begin = time.perf_counter()
            propagator.kernels(model, source, stations, 1.0, n, lowpass=BAND, accuracy=1e-2, backend=backend)
            cupy.cuda.Device().synchronize()
            taken.append(time.perf_counter() - begin)
        found[backend] = statistics.median(taken[1:])
        print(
            f"{positions} positions x {n_stations} stations x {n} samples, {backend}: {found[backend]:.3f} s"
        )
    return found


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """The curve of accuracy against CPU time: a panel for each depth, deepest first."""
    import matplotlib.pyplot as plt

    depths = sorted({row["depth"] for row in rows}, reverse=True)
    size = {"figsize": (3.4 * len(depths), 3.6), "sharex": True, "sharey": True, "squeeze": False}
    figure, panels = plt.subplots(1, len(depths), layout="constrained", **size)
    for axes, depth in zip(panels[0], depths, strict=True):
        these = [row for row in rows if row["depth"] == depth]
        mine = [row for row in these if row["code"].startswith("dislok")]
        axes.plot(*_points(mine), "o-", color="C0", label="dislok, all derivatives")
        for number, name in enumerate(("pyprop8", "PyGRT", "PyFK", "axitra", "QSEIS"), 1):
            theirs = [row for row in these if row["code"].split(",")[0] == name]
            if theirs:
                what = "all derivatives" if name == "pyprop8" else "none"
                axes.plot(*_points(theirs), "s--", color=f"C{number}", label=f"{name}, {what}")
        axes.set(xscale="log", yscale="log", title=f"source at {depth:g} km", xlabel="CPU time (ms)")
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel("error of the records")
    panels[0][0].legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _points(rows: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    return [1e3 * row["seconds"] for row in rows], [row["excitation"] for row in rows]


def main() -> int:
    """Measure and print.

    Returns
    -------
    int
        0; 2 where `--gpu` finds no device.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.propagator", description=__doc__)
    parser.add_argument("--n", type=int, action="append", help="samples; repeatable (64 and 128)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path, help="a PNG of what was measured with the last --n")
    parser.add_argument("--gpu", action="store_true", help="the GPU part, and nothing else")
    options = parser.parse_args()
    facts = machine()
    if options.gpu:
        from .gpu import NoDevice

        try:
            found: Any = gpu()
        except NoDevice as reason:
            print(f"no GPU to measure: {reason}", file=sys.stderr)
            return 2
    else:
        found = _on_one_core(options)
    if options.json:
        options.json.write_text(json.dumps({"facts": facts, "rows": found}, indent=1) + "\n")
    return 0


def _on_one_core(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The CPU part."""
    import numba

    numba.set_num_threads(1)
    for name in forward.find()[1]:
        print(f"absent: {name}", flush=True)
    print("   n  depth code                 CPU ms   times  excitation  location", flush=True)
    with pinned(set(usable_cores()[-1:])):
        rows = [row for n in options.n or (64, 128) for row in measure(n, DEPTHS, options.rounds)]
    if options.figure:
        draw([row for row in rows if row["n"] == rows[-1]["n"]], options.figure)
    return rows


if __name__ == "__main__":
    sys.exit(main())
