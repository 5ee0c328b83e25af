"""From a configuration to a folder of results: search, uncertainty, pictures, files; can be stopped and
resumed.
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

from dislok.store import write_text, writing

from . import kept, output, plot, quality, several
from .config import Event, load
from .kept import Stages
from .problem import Problem
from .resample import Ensemble, bootstrap, leave_one_out
from .result import Result, centroids, conclude
from .solve import Progress, Search, minimise, scan, search


def run(config: str | Path, out: str | Path, progress: Progress | None = None) -> Result:
    """Invert the event of a TOML file and write everything into a folder.

    Parameters
    ----------
    config : path
        See `dislok.inversion.cmt.config`.
    out : path
        Folder, made if it does not exist. What an earlier, interrupted run of the same configuration and
        data finished is taken from there.
    progress : callable, optional
        Gets lines of text.
    """
    file, folder = Path(config), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    return invert(load(file), folder, Stages(folder / "progress"), progress)


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
    found = _find(event, stages, say)
    result = replace(conclude(found, event.constraint, event.name), hypocentre_depth=event.depth)
    result.save(folder / "result.json")
    say("\n" + result.summary() + "\n")
    ensemble = _uncertainty(event, found, folder, stages, say)
    notes = [result.summary()]
    if ensemble is not None:
        notes.append(f"bootstrap over stations: {_spread(ensemble.spread())}")
    if event.crusts:
        crusts = _crusts(event, found, folder, stages, say)
        notes.append(f"between {len(crusts.labels)} crusts: {_spread(crusts.spread())}")
    for line in notes[1:]:
        say(line)
    write_text(folder / "summary.txt", "\n".join(notes) + "\n")
    _write(event, found, result, ensemble, folder, say)
    return result


def _silent(line: str) -> None:
    """Say nothing."""


def _find(event: Event, stages: Stages, say: Progress) -> Search:
    """Search, again without traces that turn out to be bad, again with errors as the residuals show them."""
    problem = quality.screened(event.problem) if event.quality else event.problem
    for part in problem.data:
        for line in part.dropped:
            say(f"left out: {line}")
    found = _search(event, problem, stages, say)
    for i in range(event.quality):
        rejected = quality.outliers(found.state)
        if not any(rejected):
            break
        for bad in rejected:
            for station, component, reason in bad:
                say(f"left out: {station} {component}: {reason}")
        problem = quality.rejecting(problem, rejected)
        found = _continued(f"without-bad-traces-{i + 1}", event, problem, found, stages)
    if event.errors == "residuals":
        found = _continued("with-weights", event, quality.weighed(found.state), found, stages)
        say(f"errors as the residuals show them: misfit {found.state.misfit:.4f}")
    return found


def _continued(name: str, event: Event, problem: Problem, found: Search, stages: Stages) -> Search:
    """The search from where it ended, in a changed problem."""
    facts = (event.iterations, event.scaled_duration)
    pieces = stages.pieces(name, problem, found.state.sources, event.constraint, *facts)

    def compute() -> Search:
        start, scaled = found.state.sources, event.scaled_duration
        more = minimise(problem, start, event.constraint, event.iterations, scaled_duration=scaled)
        return Search(more.state, found.history + more.history, more.converged)

    return kept.search(pieces, "search", problem, event.constraint, compute)


def _search(event: Event, problem: Problem, stages: Stages, say: Progress) -> Search:
    start = event.start
    facts = (event.constraint, event.bands, event.reach, event.iterations, event.scaled_duration, event.grid)
    pieces = stages.pieces("search", problem, start, *facts)
    if pieces.finished:
        say(f"going on where an earlier run was stopped, from {pieces.folder}")
    if event.grid:
        say("grid of starting points:")
        axes: dict[str, Any] = {
            "east": [0.0],
            "north": [0.0],
            "depth": start.depth,
            "time": [0.0],
            **event.grid,
        }
        coarse = problem.filtered(event.bands[0]) if event.bands else problem
        table = scan(
            coarse, axes["east"], axes["north"], axes["depth"], axes["time"],
            duration=float(start.duration[0]), constraint=event.constraint, progress=say,
        )  # fmt: skip
        start = table.best(float(start.duration[0]))
    found = search(
        problem, start, event.constraint, event.bands, reach=event.reach, iterations=event.iterations,
        scaled_duration=event.scaled_duration, folder=pieces, progress=say,
    )  # fmt: skip
    if event.subevents > 1:
        more = (problem, found.state.sources, event.constraint, event.iterations, event.subevents)
        found = several.subevents(
            problem, found, event.subevents, event.constraint, iterations=event.iterations,
            folder=stages.pieces("subevents", *more), progress=say,
        )[-1]  # fmt: skip
    return found


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


def _crusts(event: Event, found: Search, folder: Path, stages: Stages, say: Progress) -> Ensemble:
    """Solutions with the crust given and with the others, written to a file."""
    problem = found.state.system.problem
    models = {"given": problem.model, **event.crusts}
    pieces = stages.pieces("crusts", problem, models, found.state.sources, event.constraint)
    table = several.compare_models(
        problem, models, found.state.sources, event.constraint, folder=pieces, progress=say
    )
    solutions = tuple(centroids(problem, one.state.sources) for one in table.searches)
    ensemble = Ensemble(
        np.array(table.names), solutions, np.array([one.state.misfit for one in table.searches])
    )
    plain = [
        {"crust": name, "weight": float(weight), **conclude(one, event.constraint, event.name).as_dict()}
        for name, one, weight in zip(table.names, table.searches, table.weight, strict=True)
    ]
    whole = {"spread": ensemble.spread(), "crusts": plain}
    write_text(folder / "crusts.json", json.dumps(whole, indent=1))
    return ensemble


def _write(
    event: Event, found: Search, result: Result, ensemble: Ensemble | None, folder: Path, say: Progress
) -> None:
    for i in range(len(result.centroids)):
        name = "CMTSOLUTION" if len(result.centroids) == 1 else f"CMTSOLUTION_{i + 1}"
        output.write_cmtsolution(result, folder / name, i)
    if find_spec("obspy") is None:
        say('no quakeml.xml without ObsPy: pip install "dislok[seis]"')
    else:
        output.write_quakeml(result, folder / "quakeml.xml")
    if find_spec("matplotlib") is None:
        say('no pictures without Matplotlib: pip install "dislok[plot]"')
    else:
        _draw(event, found, result, ensemble, folder)


def _draw(event: Event, found: Search, result: Result, ensemble: Ensemble | None, folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    pictures: dict[str, Callable[[], Any]] = {
        "mechanism.png": lambda: plot.mechanism(result, ensemble),
        "stations.png": lambda: plot.station_map(result),
    }
    if any(fit.times.size for fit in result.fits):
        pictures["waveforms.png"] = lambda: plot.waveforms(result)
    if ensemble is not None:
        pictures["bootstrap.png"] = lambda: plot.resampled(ensemble, result)
    if len(result.centroids) == 1:
        pictures["depth.png"] = lambda: plot.depth(_profile(event, found), event.problem)
        pictures["position.png"] = lambda: plot.position(_map(event, found))
    for name, picture in pictures.items():
        figure = picture()
        with writing(folder / name) as draft:
            figure.savefig(draft, dpi=130, format="png")
        plt.close(figure)


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
