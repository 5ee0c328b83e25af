"""From two image files to a displacement map: align, co-register, measure in tiles, write."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from dislok import __version__
from dislok.arrays import Record
from dislok.store import Pieces, fingerprint

from . import output
from .coregister import ORDERS, basis, global_shift, robust_surface
from .grids import Grid, Source, on_common_grid
from .inputs import Array
from .methods import Method, method
from .tiles import Say, Tile, layers_of, measure_tiles, plan, thinned


@dataclass(frozen=True)
class Job:
    """What `flow` does besides its files.

    Attributes
    ----------
    method : str
        One of `dislok.nn.predict.methods.METHODS`.
    options : dict
        Options of the method.
    bands : (int, int)
        Bands of the two images, from 1.
    nodata : float, optional
        Value of missing pixels, where the files do not say it.
    coregister : {"shift", "none", "ramp", "quadratic"}
        What is taken off the map as misfit of the images: an offset, nothing, or a polynomial surface of
        first or second order, all fitted so that moved ground does not pull. What was taken off is in the
        tags.
    tile : int
        Side of the tiles (px): memory grows with its square.
    pixel_size : float, optional
        Metres of a pixel, for images without coordinates.
    """

    method: str = "dislok"
    options: Record = field(default_factory=dict)
    bands: tuple[int, int] = (1, 1)
    nodata: float | None = None
    coregister: str = "shift"
    tile: int = 2048
    pixel_size: float | None = None

    def check(self) -> Method:
        """The method.

        Raises
        ------
        ValueError
            If an entry is not one of those that are possible.
        """
        chosen = method(self.method)
        unknown = sorted(set(self.options) - set(chosen.options()))
        if unknown:
            known = ", ".join(chosen.options()) or "none"
            raise ValueError(f"{self.method}: no option {unknown[0]!r}; there are: {known}")
        if self.coregister not in ORDERS:
            raise ValueError(f"coregister: expected one of {', '.join(ORDERS)}, got {self.coregister!r}")
        if self.tile < 128:
            raise ValueError(f"tile: expected at least 128 px, got {self.tile}")
        if self.pixel_size is not None and not self.pixel_size > 0:
            raise ValueError(f"pixel_size: expected metres > 0, got {self.pixel_size}")
        return chosen


def flow(pre: Path, post: Path, out: Path, job: Job | None = None, say: Say | None = None) -> Path:
    """Measure the displacement between two image files and write it.

    Parameters
    ----------
    pre, post : path
        Rasters of any size, resolution, coordinate system and type that overlap.
    out : path
        A GeoTIFF; while it is made, finished tiles are kept in a folder beside it, from which an interrupted
        run goes on.
    job : Job, optional
    say : callable, optional
        Is told the progress, in lines of text.

    Returns
    -------
    path
        `out`: bands east and north in pixels and in metres, their standard deviations (px), score, validity.

    Raises
    ------
    ValueError
        If an entry, a file or its coordinates do not serve, or nothing was found anywhere.
    """
    pre, post, out, job = Path(pre), Path(post), Path(out), job or Job()
    chosen, tell = job.check(), say or (lambda line: None)
    _check_out(out)
    with on_common_grid((pre, post), job.bands, nodata=job.nodata) as (first, second):
        grid = _sized(first.grid, job.pixel_size)
        tell(f"common grid: {grid.shape[0]} rows, {grid.shape[1]} columns")
        work = out.with_name(out.name + ".work")
        problem = fingerprint("flow", __version__, _identity(pre), _identity(post), asdict(job))
        pieces = Pieces(work, problem, others="forget")
        right, down = _shift(first, second, pieces)
        tell(f"the second image lies {right} px to the right and {down} px down")
        tiles = plan(grid.shape, job.tile, chosen.reach, chosen.multiple)
        empty = measure_tiles(first, second, (right, down), chosen, job.options, tiles, pieces, tell)
        for reason, many in empty.reasons.items():
            tell(f"nothing in {many} of {len(tiles)} tiles: {reason}")
        fitted = _coregistered(pieces, tiles, grid, ORDERS[job.coregister])
        tags = _tags(pre, post, job, grid, (right, down), fitted)
        parts = ((t, output.bands_of(v, t, grid, fitted)) for t, v in layers_of(pieces, tiles))
        tell("writing")
        output.write_map(out, grid, parts, tags, work)
    shutil.rmtree(work)
    return out


def _check_out(out: Path) -> None:
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"{out}: the map is a GeoTIFF, its name must end in .tif")
    if not out.parent.is_dir():
        raise ValueError(f"{out}: there is no folder {out.parent}")


def _identity(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def _sized(grid: Grid, pixel_size: float | None) -> Grid:
    return grid if pixel_size is None or grid.crs is not None else Local(grid.shape, pixel_size)


class Local(Grid):
    """A grid without coordinates whose pixel size is known."""

    def __init__(self, shape: tuple[int, int], size: float) -> None:
        super().__init__(shape, (size, 0.0, 0.0, 0.0, -size, 0.0), None)

    def metres(self, row: float) -> np.ndarray:
        """Matrix (2, 2) that turns pixels (right, down) into metres (east, north)."""
        return np.diag([self.transform[0], self.transform[4]])


def _shift(first: Source, second: Source, pieces: Pieces) -> tuple[int, int]:
    found = pieces.keep("shift", lambda: {"shift": np.array(global_shift(first, second))})["shift"]
    return int(found[0]), int(found[1])


def _coregistered(pieces: Pieces, tiles: list[Tile], grid: Grid, order: int | None) -> Array | None:
    if order is None:
        return None
    rows, columns, values = thinned(pieces, tiles)
    design = basis(rows, columns, grid.shape, order)
    if len(values) < 10 * design.shape[1]:
        raise ValueError(f"co-registration of order {order}: only {len(values)} pixels have a displacement")
    return robust_surface(values, design)


def _tags(
    pre: Path, post: Path, job: Job, grid: Grid, shift: tuple[int, int], fitted: Array | None
) -> dict[str, str]:
    taken = "nothing" if fitted is None else repr(np.round(fitted, 6).tolist())
    return {
        "SOFTWARE": f"dislok {__version__}",
        "PRE": pre.name,
        "POST": post.name,
        "METHOD": job.method,
        "METHOD_OPTIONS": repr(job.options),
        "FRAME": output.FRAME,
        "SIGN": output.SIGN,
        "UNIT": "bands 1, 2, 5, 6: pixels; bands 3, 4: metres" + ("" if _has_metres(grid) else " (unknown)"),
        "WHOLE_PIXEL_SHIFT": f"{shift[0]} right, {shift[1]} down",
        "COREGISTRATION": job.coregister,
        "COREGISTRATION_TAKEN_OFF": f"east, north (px) of 1, x, y, x², xy, y² in -1..1: {taken}",
    }


def _has_metres(grid: Grid) -> bool:
    return bool(np.isfinite(grid.metres(0)).all())
