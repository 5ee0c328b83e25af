"""`dislok fault`: rectangular faults from the data that a TOML file names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dislok import schema
from dislok.arrays import Record, Values
from dislok.okada import Rectangle
from dislok.store import write_text

from .. import plot
from ..fault import FaultModel, Problem, Result, Samples
from ..page import Drawing
from ..rectangles import PARAMETERS
from . import keys, report
from .inputs import Inputs, Place, read
from .outputs import Cell, check_rasters, data_tables, draw, interval, radius, table
from .progress import Say, balanced, claim, facts, resumed, silent

OUTPUTS = (
    "result.json", "samples.npz", "summary.txt", "faults.csv", "data-*.csv", "cells-*.tif", "report.html",
    "marginals.png", "map-*.png", "residuals-*.png", "data-*.png",
)  # fmt: skip
"""Names of the files of a run."""


def run_fault(config: str | Path, out: str | Path, progress: Say | None = None) -> Result:
    """Find the faults of a TOML file and write everything into a folder.

    Parameters
    ----------
    config : path
        See :doc:`/configuration`.
    out : path
        Folder, made if it does not exist. What an earlier, interrupted run of the same configuration and data
        finished is taken from there; files of another one are removed.
    progress : callable, optional
        Gets lines of text.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If the file says what cannot be, or a file of data does not hold what is asked for; the message names
        the key. Nothing is written then.
    """
    file, folder, say = Path(config), Path(out), progress or silent
    found = schema.read(file, keys.FAULT)
    check_rasters(found)
    inputs = read(found, file.parent)
    problem = problem_of(found, inputs)
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder, OUTPUTS, facts(keys.FAULT, found, file.parent), say)
    problem, notes = balanced(problem, found["search"]["weights"], folder, say, **_starts(found))
    result = _solved(problem, found, folder, say)
    samples = _sampled(problem, result, found["samples"], found["search"]["seed"], folder, say)
    _write(result, samples, found, inputs, [*inputs.notes, *notes], folder, say)
    return result


def _starts(config: Values) -> Record:
    return {name: config["search"][name] for name in ("starts", "seed")}


def problem_of(config: Values, inputs: Inputs) -> Problem:
    """The inverse problem that a configuration describes."""
    search, elastic = config["search"], config["elastic"]
    return Problem(
        inputs.datasets, [fault_of(part) for part in config["faults"]], nu=elastic["nu"],
        shear_modulus=elastic["shear_modulus"], loss=search["loss"], loss_scale=search["loss_scale"],
        length_unit=1000.0,
    )  # fmt: skip


def fault_of(part: Values) -> FaultModel:
    """One fault of a configuration."""
    rectangle = Rectangle(*(part[name] for name in PARAMETERS)).with_origin(part["origin"])
    return FaultModel(rectangle, part.get("bounds"), part["fixed"], part.get("prior"))


def _solved(problem: Problem, config: Values, folder: Path, say: Say) -> Result:
    options = _starts(config)
    pieces = resumed(folder / "progress" / "solve", (problem, options), say)
    say("searching:")
    result = problem.solve(**options, folder=pieces, progress=lambda line: say(f"  {line}"))
    result.save(folder / "result.json")
    return result


def _sampled(
    problem: Problem, result: Result, options: Mapping[str, int], seed: int, folder: Path, say: Say
) -> Samples | None:
    if not options["draws"]:
        return None
    if find_spec("mici") is None:
        say('no draws from the posterior without mici: pip install "dislok[sample]"')
        return None
    counts = {name: options[name] for name in ("chains", "draws", "warmup")}
    pieces = resumed(folder / "progress" / "sample", (problem, result.values, counts, seed), say)
    say("sampling:")
    samples = problem.sample(
        result, **counts, seed=seed, folder=pieces, progress=lambda line: say(f"  {line}")
    )
    samples.save(folder / "samples.npz")
    return samples


def _write(
    result: Result, samples: Samples | None, config: Values, inputs: Inputs, notes: list[str],
    folder: Path, say: Say,
) -> None:  # fmt: skip
    place = Place(config["event"])
    parts = [result.summary(), *notes] + ([samples.summary()] if samples is not None else [])
    write_text(folder / "summary.txt", "\n".join(parts) + "\n")
    say("\n" + "\n".join(parts) + "\n")
    table(folder / "faults.csv", *_fault_table(result, samples, place))
    data_tables(result.fits, inputs, place, folder)
    drawn = draw(_pictures(result, samples), folder, say)
    page = report.of_faults(config["event"]["name"], result, samples, place, notes, drawn)
    write_text(folder / "report.html", page)


def _fault_table(result: Result, samples: Samples | None, place: Place) -> tuple[list[str], list[list[Cell]]]:
    """Every parameter of every fault: value, standard deviation and 95 % interval."""
    head = ["fault", "parameter", "value", "sigma", "low_95", "high_95", "note"]
    many, rows = len(result.parameters) > 1, []
    for m, row in enumerate(result.parameters):
        for name, value in zip(PARAMETERS, row.tolist(), strict=True):
            full = f"{name}_{m + 1}" if many else name
            if full not in result.names:
                rows.append([m + 1, name, value, np.nan, np.nan, np.nan, "fixed"])
                continue
            i = result.names.index(full)
            sigma, note = float(result.sigma[i]), "at bound" if result.at_bound[i] else ""
            low, high = interval(result, samples, i)
            rows.append([m + 1, name, value, sigma, low, high, note])
        lon, lat = place.geographic(row[None, :2])[0]
        rows += [[m + 1, "longitude", lon, *[np.nan] * 3, "of the origin point"],
                 [m + 1, "latitude", lat, *[np.nan] * 3, "of the origin point"]]  # fmt: skip
        rows.append([m + 1, "moment_Nm", float(result.moment[m]), *[np.nan] * 3, ""])
    return head, rows


def _pictures(result: Result, samples: Samples | None) -> dict[str, Drawing]:
    found: dict[str, Drawing] = {"marginals": partial(plot.marginals, result, samples)}
    middle = result.parameters[:, :2].mean(axis=0)
    for fit in result.fits:
        name, one = fit.name, {"name": fit.name}
        if fit.kind == "gnss":
            found[f"map-{name}"] = partial(plot.fit_map, result, radius=radius(fit, middle), **one)
            found[f"residuals-{name}"] = partial(plot.residuals, result, **one)
        else:
            found[f"data-{name}"] = partial(plot.los if fit.kind == "los" else plot.offsets, result, **one)
    return found
