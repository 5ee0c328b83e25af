"""`dislok faultdeform`: data sets of earthquakes and pairs of images from the command line.

Nothing heavy is imported before something is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Draw random earthquakes on rough faults, compute how the ground moves, and write
pairs of images with the truth on both grids.

  dislok faultdeform --out FOLDER --n 100        make a data set, or go on with it
  dislok faultdeform show FOLDER                 draw what is in it

The data set follows from its seed and recipe: every run makes the same one, bit by
bit. One that was stopped, killed even, goes on where it was when the same line is
given again. A recipe is a TOML file whose names and values are those of
dislok.nn.faultdeform.Recipe.
"""


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command understands."""
    add = command.add_argument
    add("action", nargs="?", choices=("make", "show"), default="make", help="default: %(default)s")
    add("folder", nargs="?", type=Path, metavar="FOLDER", help="show: the data set")
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the data set; show: where pictures go (default: FOLDER-show)",
    )
    add("--n", type=int, default=14000, help="earthquakes (default: %(default)s, as published)")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--size", type=int, default=256, metavar="PIXELS", help="side of a window (default: %(default)s)")
    add("--windows", type=int, default=1, metavar="N", help="of each earthquake (default: %(default)s)")
    add(
        "--place",
        choices=("trace", "grid"),
        default="trace",
        help="windows at random points of the rupture, or side by side around its middle "
        "(default: %(default)s)",
    )
    add(
        "--amplitudes",
        choices=("one", "all", "physical"),
        default="one",
        help="largest motion of a window: in one of the published ranges, a pair in each, or as it is "
        "(default: %(default)s)",
    )
    add("--images", type=Path, metavar="FOLDER", help="GeoTIFFs of the ground (default: procedural ground)")
    add("--recipe", type=Path, metavar="FILE.toml", help="distributions of the earthquakes")
    add("--paper", action="store_true", help="only what the paper describes: single strike-slip faults")
    add("--layout", choices=("zarr", "faultdeform"), default="zarr", help="files (default: %(default)s)")
    add("--dask", metavar="ADDRESS", help='compute on this dask cluster; "local" starts one here')
    add("--repair", action="store_true", help="read all that is there first, and make what is damaged again")
    add("--quiet", action="store_true", help="say nothing on the way")


def run(given: argparse.Namespace, say: Callable[[str], object] = print) -> int:
    """Do what was asked for.

    Raises
    ------
    ValueError, OSError, ImportError
        About what was given.
    """
    if given.action == "show":
        from dislok.nn.faultdeform.show import show

        if given.folder is None:
            raise ValueError("show needs the folder of a data set")
        target = given.out or given.folder.with_name(f"{given.folder.name}-show")
        for path in show(given.folder, target):
            say(str(path))
        return 0
    if given.out is None:
        raise ValueError("--out is missing: where the data set goes")
    if given.folder is not None:
        raise ValueError(f"{given.folder}: where the data set goes is said by --out")
    return _make(given, say)


def _make(given: argparse.Namespace, say: Callable[[str], object]) -> int:
    from dislok.nn.faultdeform.files import DataSet, write
    from dislok.nn.faultdeform.published import export

    data = DataSet(
        n=given.n,
        seed=given.seed,
        size=given.size,
        windows=given.windows,
        place=given.place,
        amplitudes=given.amplitudes,
        images=_images(given.images),
        recipe=recipe_from(given.recipe, given.paper),
    )
    if given.layout == "faultdeform" and given.dask:
        raise ValueError("--dask writes Zarr; it does not go with --layout faultdeform")
    with _client(given.dask) as client, _bar(given.quiet) as report:
        if given.layout == "faultdeform":
            names = export(data, given.out, progress=report)
            counts = ", ".join(f"{len(own)} {split}" for split, own in names.items())
            say(f"{given.out}: {counts}")
            return 0
        blocks = write(data, given.out, client=client, repair=given.repair, progress=report)
    say(f"{given.out}: {blocks.total} earthquakes, {blocks.total * data.samples} pairs")
    return 0


def _images(folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    found = tuple(sorted(str(p) for p in folder.glob("*") if p.suffix.lower() in (".tif", ".tiff")))
    if not found:
        raise ValueError(f"--images: {folder} holds no .tif file")
    return found


def recipe_from(path: Path | None, paper: bool) -> Any:
    """A recipe from a TOML file and the paper's values.

    Raises
    ------
    ValueError
        If the file is no TOML, or a value in it is none of a recipe.
    """
    from dislok.nn.faultdeform.recipe import PAPER, read, recipe_of

    recipe = recipe_of(None, PAPER if paper else {})
    return recipe if path is None else read(path, recipe)


@contextmanager
def _client(address: str | None) -> Any:
    if address is None:
        yield None
        return
    from dislok.scale import needed

    distributed = needed("distributed")
    with distributed.Client() if address == "local" else distributed.Client(address) as client:
        yield client


@contextmanager
def _bar(quiet: bool) -> Any:
    """A bar with rate and time left, and what moves it."""
    from tqdm import tqdm

    bars: list[Any] = []

    def report(done: int, total: int) -> None:
        if quiet:
            return
        if not bars:
            # what was there before does not count for the rate
            bars.append(tqdm(total=total, initial=done, unit="earthquake", smoothing=0.1))
        bars[0].update(done - bars[0].n)

    try:
        yield report
    finally:
        for bar in bars:
            bar.close()
