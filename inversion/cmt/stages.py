"""From a configuration to a folder of results: search, uncertainty, pictures, files; can be stopped and
resumed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dislok import __version__

from . import output, plot, quality, several
from .config import Event, load
from .filters import Array
from .problem import Problem, evaluate
from .resample import Ensemble, bootstrap, leave_one_out
from .result import Centroid, Result, centroids, conclude, write_text
from .solve import Progress, Search, Step, minimise, scan, search
from .source import UNKNOWNS, Sources


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
    stages = Stages(folder / "progress.json", fingerprint(file))
    return invert(load(file), folder, stages, progress)


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
    result = conclude(found, event.constraint, event.name)
    result.save(folder / "result.json")
    say("\n" + result.summary() + "\n")
    ensemble = _uncertainty(event, found, folder, stages, say)
    notes = [result.summary()]
    if ensemble is not None:
        notes.append(f"bootstrap over stations: {_spread(ensemble.spread())}")
    if event.crusts:
        crusts = _crusts(event, found, folder, say)
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
    found = stages.search("search", problem, event.constraint, lambda: _search(event, problem, say))
    for i in range(event.quality):
        rejected = quality.outliers(found.state)
        if not any(rejected):
            break
        for bad in rejected:
            for station, component, reason in bad:
                say(f"left out: {station} {component}: {reason}")
        problem = quality.rejecting(problem, rejected)
        found = _continued(f"without bad traces {i + 1}", event, problem, found, stages)
    if event.errors == "residuals":
        found = _continued("with weights", event, quality.weighed(found.state), found, stages)
        say(f"errors as the residuals show them: misfit {found.state.misfit:.4f}")
    return found


def _continued(name: str, event: Event, problem: Problem, found: Search, stages: Stages) -> Search:
    """The search from where it ended, in a changed problem."""

    def compute() -> Search:
        start, scaled = found.state.sources, event.scaled_duration
        more = minimise(problem, start, event.constraint, event.iterations, scaled_duration=scaled)
        return Search(more.state, found.history + more.history, more.converged)

    return stages.search(name, problem, event.constraint, compute)


def _search(event: Event, problem: Problem, say: Progress) -> Search:
    start = event.start
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
        scaled_duration=event.scaled_duration, progress=say,
    )  # fmt: skip
    if event.subevents > 1:
        found = several.subevents(
            problem, found, event.subevents, event.constraint, iterations=event.iterations, progress=say
        )[-1]
    return found


def _uncertainty(event: Event, found: Search, folder: Path, stages: Stages, say: Progress) -> Ensemble | None:
    options, ensemble = event.uncertainty, None
    if options.get("bootstrap", 200):
        ensemble = stages.ensemble(
            "bootstrap",
            lambda: bootstrap(
                found.state, event.constraint, int(options.get("bootstrap", 200)),
                int(options.get("seed", 0)), exact=bool(options.get("exact", False)), progress=say,
            ),
        )  # fmt: skip
    if options.get("leave_one_out", False):
        left = stages.ensemble(
            "leave_one_out", lambda: leave_one_out(found.state, event.constraint, progress=say)
        )
        say(f"jackknife over stations: {_spread(left.spread(jackknife=True))}")
        write_text(folder / "leave_one_out.json", json.dumps(_plain_ensemble(left), indent=1))
    if ensemble is not None:
        write_text(folder / "bootstrap.json", json.dumps(_plain_ensemble(ensemble), indent=1))
    return ensemble


def _crusts(event: Event, found: Search, folder: Path, say: Progress) -> Ensemble:
    """Solutions with the crust given and with the others, written to a file."""
    problem = found.state.system.problem
    models = {"given": problem.model, **event.crusts}
    table = several.compare_models(problem, models, found.state.sources, event.constraint, progress=say)
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
        partial = folder / f"{name}.part"
        figure.savefig(partial, dpi=130, format="png")
        partial.replace(folder / name)
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


def fingerprint(config: Path) -> str:
    """What a configuration and the files beside it that it names amount to: finished stages are good for
    this only.
    """
    text = config.read_text(encoding="utf-8")
    digest = hashlib.sha256(f"{__version__}\n{text}".encode())
    for word in sorted({part for part in text.replace("'", '"').split('"')}):
        file = config.parent / word
        if word and len(word) < 500 and "\n" not in word and file.exists():
            members = sorted(file.iterdir()) if file.is_dir() else [file]
            digest.update(
                "".join(f"{m.name} {m.stat().st_size} {m.stat().st_mtime_ns}" for m in members).encode()
            )
    return digest.hexdigest()


class Stages:
    """Finished stages of a run, kept in a file from which an interrupted run goes on.

    Parameters
    ----------
    path : Path or None
        The file; None keeps nothing.
    key : str
        Fingerprint of what the stages depend on; stages of another are forgotten.
    """

    def __init__(self, path: Path | None, key: str = "") -> None:
        self.path, self.key = path, key
        self._kept: dict[str, Any] = {}
        if path is not None and path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            self._kept = known["stages"] if known.get("key") == key else {}

    def search(self, name: str, problem: Problem, constraint: str, compute: Callable[[], Search]) -> Search:
        """A search, from the file or computed."""
        if name not in self._kept:
            found = compute()
            self._keep(
                name, {"history": [_plain_step(s) for s in found.history], "converged": found.converged}
            )
            return found
        kept = self._kept[name]
        history = tuple(_step(plain) for plain in kept["history"])
        state = evaluate(problem, history[-1].sources, constraint, refit=False)
        return Search(state, history, kept["converged"])

    def ensemble(self, name: str, compute: Callable[[], Ensemble]) -> Ensemble:
        """An ensemble, from the file or computed."""
        if name not in self._kept:
            self._keep(name, _plain_ensemble(compute()))
        kept = self._kept[name]
        solutions = tuple(tuple(_centroid(c) for c in one) for one in kept["solutions"])
        return Ensemble(np.array(kept["labels"]), solutions, np.array(kept["misfit"]))

    def _keep(self, name: str, plain: Any) -> None:
        self._kept[name] = plain
        if self.path is not None:
            write_text(self.path, json.dumps({"key": self.key, "stages": self._kept}))


def _plain_step(step: Step) -> dict[str, Any]:
    sources = {name: getattr(step.sources, name).tolist() for name in (*UNKNOWNS, "tensor")}
    return {"misfit": step.misfit, "objective": step.objective, "damping": step.damping, "sources": sources}


def _step(plain: dict[str, Any]) -> Step:
    arrays: dict[str, Array] = {name: np.array(value) for name, value in plain["sources"].items()}
    return Step(Sources(**arrays), plain["misfit"], plain["objective"], plain["damping"], None)


def _plain_ensemble(ensemble: Ensemble) -> dict[str, Any]:
    names = ("latitude", "longitude", "depth", "time", "half_duration")
    solutions = [
        [{**{n: getattr(c, n) for n in names}, "tensor": c.tensor.tolist()} for c in one]
        for one in ensemble.solutions
    ]
    return {"labels": ensemble.labels.tolist(), "misfit": ensemble.misfit.tolist(), "solutions": solutions}


def _centroid(plain: dict[str, Any]) -> Centroid:
    return Centroid(**{**plain, "tensor": np.array(plain["tensor"])})


def timed(say: Progress, began: float, folder: Path) -> None:
    """Say how long it took and where everything is."""
    say(f"{time.perf_counter() - began:.0f} s in all; everything is in {folder}")
