"""Seismograms and all their derivatives beside pyprop8: ``python -m bench.propagator``.

Eleven stations at 30 to 150 km on a crust of six layers, samples of 1 s, cosine low-pass from 0.05 to
0.2 Hz; six excitation kernels and four location kernels. Times are CPU seconds of one thread in one process,
the codes in turns, best of several. Errors are rms over a record relative to it, the largest of the
stations, against dislok at an accuracy of 1e-5, which agrees with converged references of other codes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dislok import propagator

from .measure import pinned, usable_cores

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


def in_turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Best CPU seconds of each call, one after the other in every round."""
    best = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            repeats = 1 if name == "pyprop8" else 5
            for _ in range(repeats):
                begin = time.process_time()
                call()
                best[name] = min(best[name], time.process_time() - begin)
    return best


def measure(n: int, depths: tuple[float, ...], rounds: int) -> list[dict[str, Any]]:
    """A row for each depth and code, printed as well."""
    rows = []
    for depth in depths:
        calls: dict[str, Callable[[], Any]] = {"pyprop8": pyprop8(depth, n)}
        calls |= {f"dislok {accuracy:g}": ours(depth, n, accuracy) for accuracy in ACCURACIES}
        truth = ours(depth, n, 1e-5)()
        quality = {name: errors(call(), truth) for name, call in calls.items()}
        seconds = in_turns(calls, rounds)
        for name in calls:
            rows.append(
                {
                    "n": n,
                    "depth": depth,
                    "code": name,
                    "seconds": seconds[name],
                    "times": seconds["pyprop8"] / seconds[name],
                    "excitation": quality[name][0],
                    "location": quality[name][1],
                }
            )
        for row in rows[-len(calls) :]:
            print(
                f"{row['n']:4d} {row['depth']:6.2f} {row['code']:15s} {1e3 * row['seconds']:8.1f}"
                f" {row['times']:7.0f} {row['excitation']:11.1e} {row['location']:9.1e}",
                flush=True,
            )
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """The curve of accuracy against CPU time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
    for number, depth in enumerate(sorted({row["depth"] for row in rows}, reverse=True)):
        these = [row for row in rows if row["depth"] == depth]
        line = [(1e3 * row["seconds"], row["excitation"]) for row in these if row["code"] != "pyprop8"]
        axes.plot(*zip(*line, strict=True), "o-", color=f"C{number}", label=f"dislok, source at {depth:g} km")
        for row in these:
            if row["code"] == "pyprop8":
                axes.plot(
                    1e3 * row["seconds"],
                    row["excitation"],
                    "s",
                    color=f"C{number}",
                    label=f"pyprop8, {depth:g} km",
                )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="CPU time of all kernels (ms)",
        ylabel="error of the excitation kernels",
    )
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.propagator", description=__doc__)
    parser.add_argument("--n", type=int, action="append", help="samples; repeatable (64 and 128)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    import numba

    numba.set_num_threads(1)
    print("  n  depth  code             CPU ms   times  excitation  location", flush=True)
    with pinned(set(usable_cores()[-1:])):
        rows = [row for n in options.n or (64, 128) for row in measure(n, DEPTHS, options.rounds)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.figure:
        draw([row for row in rows if row["n"] == rows[-1]["n"]], options.figure)


if __name__ == "__main__":
    main()
