"""`dislok flow`: what its words mean, and what it does with them."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Measure how the ground moved between satellite images of two dates, to a fraction
of a pixel, with its error, and write it as a GeoTIFF and a picture. The images may
differ in size, resolution, coordinate system and type. With more than two dates,
all pairs of neighbours (see --pairs) are measured, and the motion since the first
date follows from all of them. A run that was stopped goes on where it was when it
is started again.
"""
NAMES = ("dislok", "scarp", "geoflownet", "cosicorr", "micmac", "deepflow", "dis")


def add(commands: Any, raw: Any) -> argparse.ArgumentParser:
    """Add the command to those of `dislok`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "flow", help="displacement between satellite images", description=DESCRIPTION, formatter_class=raw
    )
    command.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="two or more, by date")
    command.add_argument(
        "--out", type=Path, required=True, metavar="OUT.tif", help="the map; a folder for more than two dates"
    )
    best = default_method()
    command.add_argument("--method", choices=NAMES, default=best, help="default: %(default)s")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the method; repeatable"
    )
    command.add_argument("--band", type=int, nargs="+", default=[1], help="band of all images, or of each")
    command.add_argument("--nodata", type=float, help="value of missing pixels where the files do not say it")
    command.add_argument(
        "--coregister",
        choices=("shift", "none", "ramp", "quadratic"),
        default="shift",
        help="what is taken off as misfit of the images (default: %(default)s)",
    )
    command.add_argument(
        "--tile", type=int, default=2048, metavar="PX", help="side of tiles (default: %(default)s)"
    )
    command.add_argument("--pixel-size", type=float, metavar="M", help="of images without coordinates")
    command.add_argument("--pairs", choices=("next", "next2", "all"), default="next2", help="of many dates")
    _post_processing(command.add_argument_group("after the measurement, in this order"))
    command.add_argument("--no-picture", action="store_true", help="write no PNG")
    command.add_argument("--quiet", action="store_true", help="say nothing on the way")
    return command


def default_method() -> str:
    """The matching engine, refined by the shipped network where torch is installed to run it."""
    installed = all(find_spec(name) is not None for name in ("torch", "safetensors"))
    return "scarp" if installed else "dislok"


def _post_processing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--stable", type=Path, metavar="MASK.tif", help="ground at rest (not 0): its median is 0"
    )
    group.add_argument("--destripe", action="store_true", help="take off stripes along rows and columns")
    group.add_argument(
        "--outliers", type=float, metavar="K", help="mask what is K deviations off its neighbours"
    )
    group.add_argument("--median", type=int, metavar="PX", help="edge-preserving median in windows of PX")
    group.add_argument("--smooth", type=float, metavar="PX", help="weighted total variation of this strength")


def job_of(arguments: argparse.Namespace) -> Any:
    """The job that the words describe.

    Raises
    ------
    ValueError
        If an option is not NAME=VALUE, or there are not one or two bands.
    """
    from .run import Job

    bands = arguments.band
    if len(bands) not in (1, len(arguments.images)):
        raise ValueError(f"--band: expected 1 or {len(arguments.images)} numbers, got {len(bands)}")
    return Job(
        arguments.method,
        dict(_option(word) for word in arguments.set),
        (bands[0], bands[-1]),
        arguments.nodata,
        arguments.coregister,
        arguments.tile,
        arguments.pixel_size,
    )


def _option(word: str) -> tuple[str, Any]:
    """Name and value of an option; what is no Python literal is text."""
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"--set: expected NAME=VALUE, got {word!r}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def run(arguments: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Do what the words say; raise ValueError, ImportError or OSError where that is not possible."""
    if len(arguments.images) < 2:
        raise ValueError("give at least two images")
    if not arguments.no_picture and find_spec("matplotlib") is None:
        raise ImportError('the picture needs matplotlib: pip install "dislok[plot]", or --no-picture')
    job = job_of(arguments)
    if len(arguments.images) > 2:
        from .series import flow_series

        flow_series(arguments.images, arguments.out, job, pairs=arguments.pairs, say=say)
        return 0
    from .run import flow

    flow(arguments.images[0], arguments.images[1], arguments.out, job, say)
    _finish(arguments, say)
    return 0


def _finish(arguments: argparse.Namespace, say: Callable[[str], None]) -> None:
    from .post import Steps, process
    from .quicklook import quicklook

    steps = Steps(
        arguments.stable, arguments.destripe, arguments.outliers, arguments.median, arguments.smooth
    )
    if steps != Steps():
        say("post-processing")
        process(arguments.out, steps)
    say(f"wrote {arguments.out}")
    if not arguments.no_picture:
        picture = arguments.out.with_suffix(".png")
        quicklook(arguments.out, picture)
        say(f"wrote {picture}")
