"""The demonstration: the fault of the 2016 Mw 7.0 Kumamoto earthquake from real GNSS offsets."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dislok.convert import to_geographic, to_local
from dislok.okada import Rectangle

from .events import KUMAMOTO_EPICENTRE, kumamoto2016
from .fault import FaultModel, Gnss, Problem, Result, Samples
from .fault.result import seismic_moment
from .fits import moment_magnitude
from .gnss import OffsetTable

PUBLISHED = {"strike": 224.0, "dip": 65.0}
"""Fault model of the National Research Institute for Earth Science and Disaster Resilience (NIED), Mw 7.0 to
7.1.
"""

MODEL_ERROR = 0.10
"""One plane of uniform slip is not the earthquake: this fraction of each station's offset is added to its
error.
"""

COMMON_ERROR = 0.003
"""Error (m) added to every component for what the records' own noise does not show: reference frame and
aftershocks.
"""


def kumamoto_problem(table: OffsetTable | None = None) -> Problem:
    """The inverse problem of the demo: one fault, kilometres around the epicentre, a robust loss.

    Parameters
    ----------
    table : OffsetTable, optional
        Offsets to invert; the table that ships with dislok by default.
    """
    table = kumamoto2016() if table is None else table
    latitude, longitude = KUMAMOTO_EPICENTRE
    xy = np.stack(to_local(table.longitude, table.latitude, longitude, latitude), axis=-1) / 1000
    size = np.linalg.norm(table.offset, axis=-1, keepdims=True)
    sigma = np.sqrt(table.sigma**2 + COMMON_ERROR**2 + (MODEL_ERROR * size) ** 2)
    fault = FaultModel(
        Rectangle(0.0, 0.0, 2.0, 30.0, 15.0, 180.0, 60.0).with_origin("topcenter"),
        bounds={
            "x": (-40, 40),
            "y": (-40, 40),
            "depth": (0, 15),
            "length": (5, 80),
            "width": (3, 30),
            "dip": (30, 90),
            "slip": (0, 20),
        },
    )
    return Problem(Gnss(xy, table.offset, sigma), fault, loss="soft_l1", loss_scale=2.0, length_unit=1000)


def run(out: Path) -> int:
    """Invert the Kumamoto offsets, print the result and write pictures and result.json into a folder.

    Parameters
    ----------
    out : Path
        Existing folder for map.png, residuals.png, marginals.png and result.json.

    Returns
    -------
    int
        Exit status: 0.
    """
    began = time.perf_counter()
    problem = kumamoto_problem()
    count = len(problem.datasets[0].xy)
    print(f"The 2016-04-15 (UTC) Kumamoto earthquake, Japan: static offsets of {count} GNSS stations,")
    print("measured by dislok in real 1 Hz records (GSI GEONET). Which fault made them?\n")
    print("Compiling, then searching from several places:", flush=True)
    result = problem.solve(starts=6, seed=3, progress=_say)
    print(f"\n{result.summary()}\n\n{_comparison(result)}\n", flush=True)
    samples = _draw(problem, result)
    _write(result, samples, out)
    seconds = time.perf_counter() - began
    seconds = time.perf_counter() - began
    print(f"{seconds:.0f} s in all; see map.png, residuals.png, marginals.png and result.json in {out}")
    return 0


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _draw(problem: Problem, result: Result) -> Samples | None:
    if find_spec("mici") is None:
        print('No sampling without mici, marginals by Laplace alone: pip install "dislok[sample]"\n')
        return None
    print("Sampling the posterior with its exact gradient:", flush=True)
    samples = problem.sample(result, chains=4, draws=250, warmup=100, seed=3, progress=_say)
    low, high = np.quantile(_magnitudes(samples, result), [0.025, 0.975])
    how = "NOT to be relied on, see above" if samples.doubts else "with 95 % probability"
    print(f"\n{samples.summary()}\nMw between {low:.2f} and {high:.2f} {how}\n", flush=True)
    return samples


def _magnitudes(samples: Samples, result: Result) -> NDArray[np.float64]:
    table = np.repeat(result.parameters, len(samples.flat), axis=0)
    for i, name in enumerate(samples.names):
        table[:, Rectangle._fields.index(name)] = samples.flat[:, i]
    moment = seismic_moment(table, result.length_unit, result.shear_modulus)
    return np.array([moment_magnitude(m) for m in moment])


def _comparison(result: Result) -> str:
    found = dict(zip(result.names, zip(result.values, result.sigma, strict=True), strict=True))
    lines = [f"{'':<10}{'dislok, this table':>22}{'published (NIED)':>20}"]
    for name, published in PUBLISHED.items():
        value, sigma = found[name]
        lines.append(f"{name:<10}{f'{value:.1f} +- {sigma:.1f}':>22}{published:>20.0f}")
    lines.append(f"{'Mw':<10}{result.magnitude:>22.2f}{'7.0 to 7.1':>20}")
    latitude, longitude = KUMAMOTO_EPICENTRE
    x, y = (1000 * found[name][0] for name in ("x", "y"))
    lon, lat = to_geographic(x, y, longitude, latitude)
    lines.append(
        f"middle of the upper edge at {float(lat):.3f} N, {float(lon):.3f} E, {found['depth'][0]:.1f} km deep"
    )
    return "\n".join(lines)


def _write(result: Result, samples: Samples | None, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    from . import plot

    heading = f"2016 Kumamoto earthquake, Mw {result.magnitude:.2f}"
    pictures = {
        "map.png": plot.fit_map(result, title=f"{heading}: GNSS offsets and the fault found from them"),
        "residuals.png": plot.residuals(result, title=f"{heading}: what one plane of uniform slip leaves"),
        "marginals.png": plot.marginals(result, samples, reference=PUBLISHED, title=f"{heading}: posterior"),
    }
    for name, figure in pictures.items():
        figure.savefig(out / name, dpi=130)
        plt.close(figure)
    result.save(out / "result.json")
