"""The files of a run in its folder: catalogue files, pictures, tables, the page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dislok.arrays import Record
from dislok.store import fingerprint, write_text

from .. import page
from . import hypotheses, output, plot, report
from .config import Event
from .kept import Stages
from .resample import Ensemble
from .result import Result
from .solve import Progress, Scan, Search

OUTPUTS = (
    "result.json", "result.npz", "summary.txt", "bootstrap.json", "leave_one_out.json", "crusts.json",
    "CMTSOLUTION", "CMTSOLUTION_*", "quakeml.xml", "report.html", "mechanism.png", "stations.png",
    "waveforms*.png", "depth.png", "position.png", "bootstrap.png", "source_type.png",
)  # fmt: skip
"""Names of the files of a run."""


def clear(event: Event, folder: Path, stages: Stages, say: Progress) -> None:
    """Remove the files of a run of another configuration or other data, which would look like this one's."""
    facts = fingerprint(event.name, event.problem, event.start, event.options.facts, event.uncertainty)
    mark = (stages.folder or folder / "progress") / "outputs.txt"
    old = [file for pattern in OUTPUTS for file in folder.glob(pattern)]
    if old and mark.parent.is_dir() and not (mark.exists() and mark.read_text("utf-8") == facts):
        say(f"removed {len(old)} files of another run from {folder}")
        for file in old:
            file.unlink()
    if stages.folder is not None:
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_text(mark, facts)


def write(
    event: Event,
    found: Search,
    result: Result,
    ensemble: Ensemble | None,
    folder: Path,
    notes: list[str],
    say: Progress,
) -> None:
    """Write all files of a result; say what is missing for want of a package."""
    for i in range(len(result.centroids)):
        name = "CMTSOLUTION" if len(result.centroids) == 1 else f"CMTSOLUTION_{i + 1}"
        output.write_cmtsolution(result, folder / name, i)
    if find_spec("obspy") is None:
        say('no quakeml.xml without ObsPy: pip install "dislok[seis]"')
    else:
        output.write_quakeml(result, folder / "quakeml.xml")
    drawn: dict[str, Path] = {}
    if find_spec("matplotlib") is None:
        say('no pictures without Matplotlib: pip install "dislok[plot]"')
    else:
        drawn = _draw(event, found, result, ensemble, folder)
    report.write(result, folder / "report.html", drawn, notes)


def _draw(
    event: Event, found: Search, result: Result, ensemble: Ensemble | None, folder: Path
) -> dict[str, Path]:
    """Draw and write all pictures; their files by name."""
    pictures: dict[str, page.Drawing] = {
        "mechanism": lambda: plot.mechanism(result, ensemble),
        "source_type": lambda: plot.source_type(result, ensemble),
        "stations": lambda: plot.station_map(result),
    }
    for i, fit in enumerate(one for one in result.fits if one.times.size):
        pictures["waveforms" if i == 0 else f"waveforms-{i + 1}"] = lambda fit=fit: plot.waveforms(  # type: ignore[misc]
            result, name=fit.name
        )
    if ensemble is not None:
        pictures["bootstrap"] = lambda: plot.resampled(ensemble, result)
    if len(result.centroids) == 1:
        pictures["depth"] = lambda: plot.depth(_profile(event, found), event.problem)
        pictures["position"] = lambda: plot.position(_map(event, found))
    return page.drawn(pictures, folder)


def _profile(event: Event, found: Search) -> hypotheses.Profile:
    best = float(found.state.sources.depth[0])
    depths = event.uncertainty.get("depths")
    if depths is None:
        low, high = event.problem.bounds["depth"]
        steps = np.linspace(max(low, 0.3 * best), min(high, max(2.0 * best, best + 8.0)), 8)
        # A beachball close to the best one's would hide it.
        apart = steps[np.abs(steps - best) > 0.5 * (steps[1] - steps[0])]
        depths = np.unique(np.append(apart, best))
    return hypotheses.depth_profile(found.state.system.problem, found.state.sources, depths, iterations=4)


def _map(event: Event, found: Search) -> Scan:
    options = {"reach": 15.0, "grid": 9, **event.uncertainty.get("map", {})}
    return hypotheses.position_map(found.state.system.problem, found.state.sources, **options)


def plain_ensemble(ensemble: Ensemble) -> Record:
    """An ensemble as JSON holds it."""
    names = ("latitude", "longitude", "depth", "time", "half_duration")
    solutions = [
        [{**{n: getattr(c, n) for n in names}, "tensor": c.tensor.tolist()} for c in one]
        for one in ensemble.solutions
    ]
    return {"labels": ensemble.labels.tolist(), "misfit": ensemble.misfit.tolist(), "solutions": solutions}
