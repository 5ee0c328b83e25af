"""The demonstration of slip: where the fault of the 2016 Mw 7.0 Kumamoto earthquake slipped."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from dislok.convert import double_couple, to_local

from ..data import Gnss
from ..events import KUMAMOTO_EPICENTRE, kumamoto2016
from ..gnss import OffsetTable
from ..mesh import Mesh, listric, trace_mesh
from .choice import Choice
from .model import SlipModel
from .problem import SlipProblem
from .result import SlipResult

HYPOCENTRE = (32.7557, 130.7616, 13.58)
"""Latitude, longitude (degrees) and depth (km) where the rupture began (NIED, double-difference location)."""

STRIKE, DIP = 224.0, 65.0
"""Plane of the National Research Institute for Earth Science and Disaster Resilience (NIED)."""

PUBLISHED = {"moment": 5.5e19, "largest slip": 3.8}
"""Kubo et al. (2016), Earth Planets Space 68:161, strong motion on a curved fault: N m and m."""

MODEL_ERROR, COMMON_ERROR, REACH = 0.05, 0.003, 100.0
"""Share of each offset, and metres, added to its error; distance (km) of the farthest station."""


def kumamoto_fault(patch: float = 2.5) -> Mesh:
    """NIED's plane as triangles, in kilometres around the epicentre, from the ground to 22 km depth.

    Parameters
    ----------
    patch : float
        Side of a triangle (km), nearly.
    """
    latitude, longitude = KUMAMOTO_EPICENTRE
    azimuth = np.deg2rad(STRIKE)
    along, right = np.array([np.sin(azimuth), np.cos(azimuth)]), np.array([np.cos(azimuth), -np.sin(azimuth)])
    beginning = np.array(to_local(HYPOCENTRE[1], HYPOCENTRE[0], longitude, latitude)) / 1000
    outcrop = beginning - right * HYPOCENTRE[2] / np.tan(np.deg2rad(DIP))
    return trace_mesh([outcrop - 40 * along, outcrop + 20 * along], listric(22.0, DIP), patch)


def kumamoto_data(table: OffsetTable | None = None) -> Gnss:
    """GNSS offsets near the epicentre, with what an elastic half-space is not added to their errors.

    Parameters
    ----------
    table : OffsetTable, optional
        Offsets; the table that ships with dislok by default.
    """
    table = kumamoto2016() if table is None else table
    latitude, longitude = KUMAMOTO_EPICENTRE
    xy = np.stack(to_local(table.longitude, table.latitude, longitude, latitude), axis=-1) / 1000
    near = np.hypot(xy[:, 0], xy[:, 1]) < REACH
    size = np.linalg.norm(table.offset[near], axis=1, keepdims=True)
    sigma = np.sqrt(table.sigma[near] ** 2 + COMMON_ERROR**2 + (MODEL_ERROR * size) ** 2)
    return Gnss(xy[near], table.offset[near], sigma)


def kumamoto_problem(patch: float = 2.5) -> SlipProblem:
    """Slip on `kumamoto_fault` from `kumamoto_data`: rakes within 45 degrees of -160, fading at depth."""
    model = SlipModel(kumamoto_fault(patch), rake=-160.0, spread=45.0)
    return SlipProblem(kumamoto_data(), model, length_unit=1000)


def run(out: Path) -> int:
    """Find the slip of the Kumamoto earthquake, print it, and write pictures and slip.npz into a folder.

    Parameters
    ----------
    out : Path
        Existing folder for choice.png, slip.png, fit.png, restoration.png and slip.npz.

    Returns
    -------
    int
        Exit status: 0.
    """
    began = time.perf_counter()
    print("Slip of the 2016-04-15 (UTC) Kumamoto earthquake, Japan, on NIED's fault plane (224/65), from")
    print("static GNSS offsets. Compiling, then choosing the smoothing by ABIC:", flush=True)
    problem = kumamoto_problem()
    chosen = problem.choose("abic")
    result = problem.solve(chosen)
    print(f"\n{result.summary()}\n\n{_comparison(result)}\n", flush=True)
    _write(result, chosen, out)
    seconds = time.perf_counter() - began
    print(f"{seconds:.0f} s in all; see choice.png, slip.png, fit.png, restoration.png and slip.npz in {out}")
    return 0


def _comparison(result: SlipResult) -> str:
    whole = double_couple(result.moment_tensor)
    plane = int(np.argmin(np.abs(whole.strike - STRIKE)))
    largest = float(np.linalg.norm(result.slip[0], axis=1).max())
    angles = f"{whole.strike[plane]:.0f}/{whole.dip[plane]:.0f}/{whole.rake[plane]:.0f}"
    return "\n".join(
        [
            f"{'':<28}{'dislok':>12}{'Kubo et al. (2016)':>22}",
            f"{'moment (N m)':<28}{result.moment.sum():>12.2g}{PUBLISHED['moment']:>22.2g}",
            f"{'largest slip (m)':<28}{largest:>12.1f}{PUBLISHED['largest slip']:>22.1f}",
            f"{'mean strike/dip/rake':<28}{angles:>12}",
        ]
    )


def _write(result: SlipResult, chosen: Choice, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    from . import plot

    heading = f"2016 Kumamoto earthquake, Mw {result.magnitude:.2f}"
    pictures = {
        "choice.png": plot.choice(chosen, title="How smooth is the slip?"),
        "slip.png": plot.slip_section(result, title=f"{heading}: slip from GNSS"),
        "fit.png": plot.fit_map(result, radius=50, title=f"{heading}: GNSS offsets"),
        "restoration.png": plot.slip_section(result, what="restoration", title="What the data decide"),
    }
    for name, figure in pictures.items():
        figure.savefig(out / name, dpi=130)
        plt.close(figure)
    result.save(out / "slip.npz")
