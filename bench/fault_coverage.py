"""`python -m bench.fault_coverage`: how often the truth lies inside what fault inversions state.

Random rectangular faults under a random GNSS network and an interferogram with correlated errors, which are
measured beside the fault and carried to the cells of a quadtree. The inversion begins away from the truth,
with the weights of the data sets estimated. Three cases: errors of the stations as stated; twice as large;
and cells predicted by the displacement at their middle, in the place of their mean.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from dislok.convert import line_of_sight
from dislok.inversion import weights
from dislok.inversion.fault import FaultModel, Gnss, Los, Problem
from dislok.inversion.quadtree import Noise, noise_model, quadtree
from dislok.okada import Rectangle, displacement

SIZE, STEP = 128, 0.5
LOOK = line_of_sight(38.0, -12.0)
NOISE = Noise(0.003, 0.006, 6.0, np.zeros(0), np.zeros(0))
CASES = ("errors as stated", "twice the errors of stations", "middles of cells")
SIGMA = 0.003


def fault(rng: np.random.Generator) -> Rectangle:
    """A random fault of magnitude 6.5 or so under a map of 64 km."""
    length = rng.uniform(10, 22)
    return Rectangle(
        *rng.uniform(-6, 6, 2), rng.uniform(1, 5), length, rng.uniform(0.4, 0.8) * length,
        rng.uniform(0, 360), rng.uniform(35, 80), rng.uniform(-180, 180), rng.uniform(0.8, 2.0),
    ).with_origin("topcenter")  # fmt: skip


def field(rng: np.random.Generator) -> np.ndarray:
    """Errors of an interferogram (SIZE, SIZE)."""
    lag = np.minimum(np.arange(2 * SIZE), 2 * SIZE - np.arange(2 * SIZE)) * STEP
    power = np.fft.fft2(NOISE._replace(white=0.0).covariance(np.hypot(lag[:, None], lag))).real
    wave = rng.standard_normal((2 * SIZE, 2 * SIZE)) + 1j * rng.standard_normal((2 * SIZE, 2 * SIZE))
    smooth = np.fft.fft2(np.sqrt(np.maximum(power, 0)) * wave)[:SIZE, :SIZE].real / (2 * SIZE)
    return np.asarray(smooth + NOISE.white * rng.standard_normal((SIZE, SIZE)))


def data(truth: Rectangle, case: str, rng: np.random.Generator) -> list[Any]:
    """Stations and cells of one earthquake."""
    xy = rng.uniform(-40, 40, (30, 2))
    factor = 2.0 if case == CASES[1] else 1.0
    u = displacement(xy, truth) + factor * SIGMA * rng.standard_normal((30, 3))
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) * STEP
    pixels = np.stack(np.meshgrid(axis, axis), axis=-1)
    image = (displacement(pixels.reshape(-1, 2), truth) @ LOOK).reshape(SIZE, SIZE) + field(rng)
    calm = np.hypot(*np.moveaxis(pixels, -1, 0)) > 26
    noise = noise_model(image, (STEP, STEP), rest=calm, kind="best", pairs=200_000)
    cells = quadtree(
        image, 0.02, origin=(axis[0], axis[0]), spacing=(STEP, STEP), smallest=4, largest=32
    )  # fmt: skip
    if case == CASES[2]:
        track = Los(cells.xy, cells.values[:, 0], LOOK, covariance=cells.covariance(noise))
    else:
        track = Los.from_cells(cells, LOOK, noise)
    return [Gnss(xy, u, SIGMA), track]


def measured(seed: int, case: str) -> dict[str, Any] | None:
    """Errors over stated standard deviations of one earthquake; None where an unknown ended on its bound."""
    rng = np.random.default_rng([seed, CASES.index(case)])
    truth = fault(rng)
    off = {"x": 2, "y": 2, "depth": 0.5, "length": 2, "width": 1, "strike": 8, "dip": 5}
    guess = truth._replace(**{
        name: np.clip(getattr(truth, name) + step * rng.uniform(-1, 1), *LIMITS.get(name, (-1e9, 1e9)))
        for name, step in off.items()
    }).with_origin("topcenter")  # fmt: skip
    problem = Problem(data(truth, case, rng), FaultModel(guess, bounds=LIMITS), length_unit=1000)
    found = weights.estimate(problem)
    result = found.problem.solve()
    if result.at_bound.any() or not np.isfinite(result.sigma).all():
        return None
    error = result.values - np.array([getattr(truth, name) for name in result.names])
    for i, name in enumerate(result.names):
        if name in ("strike", "rake"):
            error[i] -= 360 * np.round(error[i] / 360)
    whole = float(error @ np.linalg.solve(result.covariance, error))
    z = dict(zip(result.names, (error / result.sigma).tolist(), strict=True))
    return {"z": z, "chi2": whole, "factors": found.factors.tolist()}


LIMITS = {
    "x": (-30, 30), "y": (-30, 30), "depth": (0.2, 15), "length": (3, 60), "width": (2, 40), "dip": (15, 90),
}  # fmt: skip


def study(count: int, cases: tuple[str, ...] = CASES) -> dict[str, Any]:
    """All numbers."""
    found: dict[str, Any] = {}
    for case in cases:
        began = time.process_time()
        rows = [row for row in (measured(seed, case) for seed in range(count)) if row is not None]
        z = np.abs([list(row["z"].values()) for row in rows])
        inside = {
            name: [float((z[:, i] < s).mean()) for s in (1.0, 1.96)] for i, name in enumerate(rows[0]["z"])
        }
        inside["all parameters"] = [float((z < s).mean()) for s in (1.0, 1.96)]
        chi2 = np.array([row["chi2"] for row in rows])
        inside["the fault as a whole"] = [
            float((chi2 < stats.chi2.ppf(p, z.shape[1])).mean()) for p in (0.6827, 0.95)
        ]
        factors = np.median([row["factors"] for row in rows], axis=0).tolist()
        seconds = (time.process_time() - began) / count
        found[case] = {
            "events": len(rows), "of": count, "inside": inside, "factors": factors, "seconds": seconds,
        }  # fmt: skip
    return found


def table(found: dict[str, Any]) -> str:
    """The numbers as text."""
    names = list(next(iter(found.values()))["inside"])
    lines = [f"{'inside 68 % and 95 %':<24}" + "".join(f"{case:>32}" for case in found)]
    for name in names:
        cells = (one["inside"][name] for one in found.values())
        lines.append(f"{name:<24}" + "".join(f"{100 * a:>22.0f} % {100 * b:>5.0f} %" for a, b in cells))
    lines.append(
        f"{'earthquakes':<24}" + "".join(f"{one['events']:>25} of {one['of']:>3}" for one in found.values())
    )
    words = [", ".join(f"{f:.2f}" for f in one["factors"]) for one in found.values()]
    lines.append(f"{'factors on errors':<24}" + "".join(f"{word:>32}" for word in words))
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fault_coverage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="show in a minute that everything runs")
    parser.add_argument("--events", type=int, default=100, help="earthquakes of each case")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to FILE")
    options = parser.parse_args(words)
    found = study(2 if options.quick else options.events)
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
