"""From a configuration to a folder of results: search, uncertainty, pictures, files.

Can be stopped and resumed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dislok.store import fingerprint, write_text

from .. import page
from . import output, plot, procedure, report, several
from .config import Event, load
from .kept import Stages
from .resample import Ensemble, bootstrap, leave_one_out
from .result import Result, centroids, conclude
from .solve import Progress, Search


def run(config: str | Path, out: str | Path, progress: Progress | None = None) -> Result:
    """Invert the event of a TOML file and write everything into a folder.

    Parameters
    ----------
    config : path
        See `dislok.inversion.cmt.config`.
    out : path
        Folder, made if it does not exist. What an earlier, interrupted run of the same configuration and
        data finished is taken from there; files of another configuration are removed.
    progress : callable, optional
        Gets lines of text.
    """
    file, folder = Path(config), Path(out)
    event = load(file)
    folder.mkdir(parents=True, exist_ok=True)
    return invert(event, folder, Stages(folder / "progress"), progress)


def invert(event: Event, folder: Path, stages: Stages, progress: Progress | None = None) -> Result:
    """All stages of an event, with their files.

    Parameters
    ----------
    event : Event
    folder : Path
        Existing folder for the files.
    stages : Stages
        Where finished stages are kept.
    progress : callable, optional
        Gets lines of text.
    """
    say = progress or _silent
    _clear(event, folder, stages, say)
    found = procedure.find(event.problem, event.start, event.options, stages, say)
    result = procedure.concluded(found, event.options, event.name)
    result = replace(result, hypocentre_depth=event.depth)
    result.save(folder / "result.json")
    say("\n" + result.summary() + "\n")
    ensemble = _uncertainty(event, found.search, folder, stages, say)
    notes = [result.summary()]
    if ensemble is not None:
        notes.append(f"bootstrap over stations: {_spread(ensemble.spread())}")
    if found.crusts is not None:
        crusts = _crusts(event, found, folder)
        notes.append(f"between {len(crusts.labels)} crusts: {_spread(crusts.spread())}")
    for line in notes[1:]:
        say(line)
    write_text(folder / "summary.txt", "\n".join(notes) + "\n")
    _write(event, found.search, result, ensemble, folder, notes[1:], say)
    return result


OUTPUTS = (
    "result.json", "result.npz", "summary.txt", "bootstrap.json", "leave_one_out.json", "crusts.json",
    "CMTSOLUTION", "CMTSOLUTION_*", "quakeml.xml", "report.html", "mechanism.png", "stations.png",
    "waveforms*.png", "depth.png", "position.png", "bootstrap.png", "source_type.png",
)  # fmt: skip
"""Names of the files of a run."""


def _clear(event: Event, folder: Path, stages: Stages, say: Progress) -> None:
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


def _silent(line: str) -> None:
    """Say nothing."""


def _uncertainty(event: Event, found: Search, folder: Path, stages: Stages, say: Progress) -> Ensemble | None:
    options, ensemble = event.uncertainty, None
    solution = (found.state.system.problem, found.state.sources, event.constraint)
    draws, seed = int(options.get("bootstrap", 200)), int(options.get("seed", 0))
    exact = bool(options.get("exact", False))
    if draws:
        pieces = stages.pieces("bootstrap", *solution, draws, seed, exact)
        ensemble = bootstrap(
            found.state, event.constraint, draws, seed, exact=exact, folder=pieces, progress=say
        )
    if options.get("leave_one_out", False):
        pieces = stages.pieces("leave-one-out", *solution)
        left = leave_one_out(found.state, event.constraint, folder=pieces, progress=say)
        say(f"jackknife over stations: {_spread(left.spread(jackknife=True))}")
        write_text(folder / "leave_one_out.json", json.dumps(_plain_ensemble(left), indent=1))
    if ensemble is not None:
        write_text(folder / "bootstrap.json", json.dumps(_plain_ensemble(ensemble), indent=1))
    return ensemble


def _crusts(event: Event, found: procedure.Found, folder: Path) -> Ensemble:
    """Solutions with the crust given and with the others, written to a file."""
    table, best = found.crusts, found.search
    assert table is not None
    searches = [best, *table.searches]
    names = ["given", *table.names]
    solutions = tuple(centroids(one.state.system.problem, one.state.sources) for one in searches)
    misfits = np.array([one.state.misfit for one in searches])
    ensemble = Ensemble(np.array(names), solutions, misfits)
    plain = [
        {"crust": name, **conclude(one, event.constraint, event.name, "data").as_dict()}
        for name, one in zip(names, searches, strict=True)
    ]
    weights = dict(zip(table.names, table.weight.tolist(), strict=True))
    whole = {"spread": ensemble.spread(), "weight": weights, "crusts": plain}
    write_text(folder / "crusts.json", json.dumps(whole, indent=1))
    return ensemble


def _write(
    event: Event,
    found: Search,
    result: Result,
    ensemble: Ensemble | None,
    folder: Path,
    notes: list[str],
    say: Progress,
) -> None:
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
    pictures: dict[str, Callable[[], Any]] = {
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


def _profile(event: Event, found: Search) -> several.Profile:
    best = float(found.state.sources.depth[0])
    depths = event.uncertainty.get("depths")
    if depths is None:
        low, high = event.problem.bounds["depth"]
        steps = np.linspace(max(low, 0.3 * best), min(high, max(2.0 * best, best + 8.0)), 8)
        # A beachball close to the best one's would hide it.
        apart = steps[np.abs(steps - best) > 0.5 * (steps[1] - steps[0])]
        depths = np.unique(np.append(apart, best))
    return several.depth_profile(
        found.state.system.problem, found.state.sources, event.constraint, depths, iterations=4
    )


def _map(event: Event, found: Search) -> Any:
    options = {"reach": 15.0, "grid": 9, **event.uncertainty.get("map", {})}
    return several.position_map(found.state.system.problem, found.state.sources, event.constraint, **options)


def _spread(spread: dict[str, float]) -> str:
    return (
        f"±{spread['latitude']:.1f} km north, ±{spread['longitude']:.1f} km east, "
        f"±{spread['depth']:.1f} km depth, ±{spread['time']:.1f} s, Mw ±{spread['magnitude']:.2f}"
    )


def _plain_ensemble(ensemble: Ensemble) -> dict[str, Any]:
    names = ("latitude", "longitude", "depth", "time", "half_duration")
    solutions = [
        [{**{n: getattr(c, n) for n in names}, "tensor": c.tensor.tolist()} for c in one]
        for one in ensemble.solutions
    ]
    return {"labels": ensemble.labels.tolist(), "misfit": ensemble.misfit.tolist(), "solutions": solutions}


def timed(say: Progress, began: float, folder: Path) -> None:
    """Say how long it took and where everything is."""
    say(f"{time.perf_counter() - began:.0f} s in all; everything is in {folder}")
