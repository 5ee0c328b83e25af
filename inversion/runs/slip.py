"""`dislok slip`: slip on faults of patches from the data that a TOML file names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from dislok import schema
from dislok.arrays import Values
from dislok.layers import LayeredModel
from dislok.okada import Rectangle
from dislok.store import write_text

from ..cmt.config import read_crust
from ..mesh import Grid, listric, read_mesh, trace_mesh
from ..mesh.patches import Patches
from ..page import Drawing
from ..rectangles import PARAMETERS
from ..slip import Choice, SlipModel, SlipProblem, SlipResult, plot
from . import keys, report
from .inputs import Inputs, Place, read
from .outputs import Cell, check_rasters, data_tables, draw, radius, table
from .progress import Say, balanced, claim, facts, resumed, silent

OUTPUTS = (
    "slip.npz", "summary.txt", "patches.csv", "data-*.csv", "cells-*.tif", "report.html", "choice.png",
    "slip.png", "section.png", "sigma.png", "restoration.png", "map-*.png", "data-*.png",
)  # fmt: skip
"""Names of the files of a run."""


def run_slip(config: str | Path, out: str | Path, progress: Say | None = None) -> SlipResult:
    """Find the slip that a TOML file asks for and write everything into a folder.

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
    SlipResult

    Raises
    ------
    ValueError
        If the file says what cannot be, or a file of data does not hold what is asked for; the message names
        the key. Nothing is written then.
    """
    file, folder, say = Path(config), Path(out), progress or silent
    found = schema.read(file, keys.SLIP)
    check_rasters(found)
    models = models_of(found, file.parent)
    near = np.concatenate([model.patches.outlines.reshape(-1, 3) for model in models])
    inputs = read(found, file.parent, near)
    problem = problem_of(found, inputs, models, file.parent)
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder, OUTPUTS, facts(keys.SLIP, found, file.parent), say)
    smoothing = found["smoothing"]
    how = smoothing.get("value", smoothing["method"])
    say(f"{problem.data.size} data, {problem.size} coefficients of slip")
    problem, notes = balanced(problem, smoothing["weights"], folder, say, smoothing=how)
    chosen = _chosen(problem, how, folder, say)
    result = problem.solve(chosen)
    result.save(folder / "slip.npz")
    _write(result, chosen, found, inputs, [*inputs.notes, *notes], folder, say)
    return result


def models_of(config: Values, folder: Path) -> list[SlipModel]:
    """The faults of a configuration, with what is sought on each."""
    place, models = Place(config["event"]), []
    for i, part in enumerate(config["faults"]):
        try:
            options = {name: part[name] for name in ("opening", "order", "edges", "weight")}
            spread = part["spread"] if "rake" in part else 0.0
            models.append(SlipModel(_patches(part, place, folder), part.get("rake"), spread, **options))
        except (ValueError, OSError) as error:
            raise type(error)(f"faults[{i}]: {error}") from error
    return models


def _patches(part: Values, place: Place, folder: Path) -> Patches:
    if "mesh" in part:
        origin = (place.lat, place.lon) if part["geographic"] else None
        unit = part["mesh_unit"]
        return read_mesh(folder / part["mesh"], unit=unit, geographic=part["geographic"], origin=origin)
    if "trace" in part:
        line = place.local(*np.array(part["trace"]).T)
        return trace_mesh(line, listric(part["to_depth"], part["dips"], part["top"]), part["patch"])
    rectangle = Rectangle(*(part[name] for name in PARAMETERS[:7])).with_origin(part["origin"])
    return Grid(rectangle, part["n_strike"], part["n_dip"])


def problem_of(config: Values, inputs: Inputs, models: list[SlipModel], folder: Path) -> SlipProblem:
    """The linear problem that a configuration describes."""
    elastic = config["elastic"]
    return SlipProblem(
        inputs.datasets, models, nu=elastic["nu"], shear_modulus=elastic["shear_modulus"],
        length_unit=1000.0, crust=_crust(config, inputs, folder), join=config["smoothing"]["join"],
    )  # fmt: skip


def _crust(config: Values, inputs: Inputs, folder: Path) -> LayeredModel | None:
    if "crust" not in config:
        return None
    place = Place(config["event"])
    xy = np.concatenate([data.xy for data in inputs.datasets])
    lon, lat = place.geographic(xy.mean(axis=0))
    return read_crust(config["crust"], (place.lat, place.lon), folder, (float(lat), float(lon)))


def _chosen(problem: SlipProblem, how: float | str, folder: Path, say: Say) -> float | Choice:
    """The smoothing, or how it was chosen."""
    if not isinstance(how, str):
        return how
    pieces = resumed(folder / "progress" / "smoothing", (problem, how), say)
    say(f"choosing the smoothing ({how}):")
    kept = pieces.keep("choice", lambda: vars(problem.choose(how)))
    chosen = Choice(
        str(kept["method"]), float(kept["best"]), kept["values"], kept["score"], kept["misfit"],
        kept["roughness"], bool(kept["at_end"]),
    )  # fmt: skip
    say(f"  smoothing {chosen.best:.4g}")
    return chosen


def _write(
    result: SlipResult, chosen: float | Choice, config: Values, inputs: Inputs, notes: list[str],
    folder: Path, say: Say,
) -> None:  # fmt: skip
    place = Place(config["event"])
    if isinstance(chosen, Choice) and chosen.at_end:
        notes.append("the best smoothing is at the end of those that were tried: it is not to be relied on")
    lines = [result.summary(), *notes]
    write_text(folder / "summary.txt", "\n".join(lines) + "\n")
    say("\n" + "\n".join(lines) + "\n")
    table(folder / "patches.csv", *_patch_table(result, place))
    data_tables(result.fits, inputs, place, folder)
    drawn = draw(_pictures(result, chosen), folder, say)
    page = report.of_slip(config["event"]["name"], result, place, notes, drawn)
    write_text(folder / "report.html", page)


def _patch_table(result: SlipResult, place: Place) -> tuple[list[str], list[list[Cell]]]:
    """Every patch: middle, orientation, area, slip and its standard deviation."""
    head = [
        "fault", "longitude", "latitude", "depth_km", "east_km", "north_km", "strike", "dip", "area_km2",
        "strike_slip_m", "dip_slip_m", "opening_m", "sigma_strike_slip_m", "sigma_dip_slip_m",
        "sigma_opening_m", "rake", "moment_Nm",
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for i, (patches, slip, sigma) in enumerate(zip(result.patches, result.slip, result.sigma, strict=True)):
        centre = patches.centroids
        moment = patches.moment(slip, result.shear_modulus, result.length_unit)
        numbers = np.column_stack([
            place.geographic(centre[:, :2]), -centre[:, 2], centre[:, :2], patches.strike, patches.dip,
            patches.areas, slip, sigma, patches.rake(slip), moment,
        ])  # fmt: skip
        rows += [[i + 1, *row] for row in numbers.tolist()]
    return head, rows


def _pictures(result: SlipResult, chosen: float | Choice) -> dict[str, Drawing]:
    found: dict[str, Drawing] = {
        "slip": lambda: plot.slip_map(result),
        "section": lambda: plot.slip_section(result),
        "sigma": lambda: plot.slip_section(result, what="sigma"),
        "restoration": lambda: plot.slip_section(result, what="restoration"),
    }
    if isinstance(chosen, Choice):
        found["choice"] = lambda: plot.choice(chosen)
    middle = np.concatenate([patches.centroids[:, :2] for patches in result.patches]).mean(axis=0)
    for fit in result.fits:
        name, one = fit.name, {"name": fit.name}
        if fit.kind == "gnss":
            found[f"map-{name}"] = partial(plot.fit_map, result, radius=radius(fit, middle), **one)
        else:
            found[f"data-{name}"] = partial(plot.data_map, result, **one)
    return found
