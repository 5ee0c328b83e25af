"""From a configuration to a folder of results; a run can be stopped and resumed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from dislok.store import write_text

from . import procedure
from .config import Event, load
from .folder import clear, plain_ensemble, write
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
    clear(event, folder, stages, say)
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
    write(event, found.search, result, ensemble, folder, notes[1:], say)
    return result


def _silent(line: str) -> None:
    """Say nothing."""


def _uncertainty(event: Event, found: Search, folder: Path, stages: Stages, say: Progress) -> Ensemble | None:
    options, ensemble = event.uncertainty, None
    solution = (found.state.system.problem, found.state.sources)
    draws, seed = int(options.get("bootstrap", 200)), int(options.get("seed", 0))
    exact = bool(options.get("exact", False))
    if draws:
        pieces = stages.pieces("bootstrap", *solution, draws, seed, exact)
        ensemble = bootstrap(found.state, draws, seed, exact=exact, folder=pieces, progress=say)
    if options.get("leave_one_out", False):
        pieces = stages.pieces("leave-one-out", *solution)
        left = leave_one_out(found.state, folder=pieces, progress=say)
        say(f"jackknife over stations: {_spread(left.spread(jackknife=True))}")
        write_text(folder / "leave_one_out.json", json.dumps(plain_ensemble(left), indent=1))
    if ensemble is not None:
        write_text(folder / "bootstrap.json", json.dumps(plain_ensemble(ensemble), indent=1))
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
        {"crust": name, **conclude(one, event.name, "data").as_dict()}
        for name, one in zip(names, searches, strict=True)
    ]
    weights = dict(zip(table.names, table.weight.tolist(), strict=True))
    whole = {"spread": ensemble.spread(), "weight": weights, "crusts": plain}
    write_text(folder / "crusts.json", json.dumps(whole, indent=1))
    return ensemble


def _spread(spread: dict[str, float]) -> str:
    return (
        f"±{spread['latitude']:.1f} km north, ±{spread['longitude']:.1f} km east, "
        f"±{spread['depth']:.1f} km depth, ±{spread['time']:.1f} s, Mw ±{spread['magnitude']:.2f}"
    )


def timed(say: Progress, began: float, folder: Path) -> None:
    """Say how long it took and where everything is."""
    say(f"{time.perf_counter() - began:.0f} s in all; everything is in {folder}")
