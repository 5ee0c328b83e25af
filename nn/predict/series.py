"""More than two dates: all pairs measured, their closure, and the motion of every date from all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from dislok import raster
from dislok.arrays import Record

from .inputs import Array, Mask
from .output import as_cog
from .run import Job, flow
from .tiles import Say

Pair = tuple[int, int]
_BAND = 64


class Series(NamedTuple):
    """Motion of every date since the first.

    Attributes
    ----------
    values : ndarray, shape (dates, h, w, 2)
        East and north displacement (px); zero for the first date, NaN where no chain of pairs leads there.
    error : ndarray, shape (dates, h, w, 2)
        Standard deviation, from those of the pairs, grown where the pairs contradict each other.
    closure : ndarray, shape (h, w)
        Root mean square of the residuals of all pairs in units of their errors; near 1 where errors are
        honest, NaN where no pair is redundant.
    """

    values: Array
    error: Array
    closure: Array


def pairs_of(dates: int, which: str) -> list[Pair]:
    """Pairs (earlier, later): of neighbours, "next"; also over one, "next2"; or "all"."""
    reach = {"next": 1, "next2": 2, "all": dates}[which]
    return [(i, j) for i in range(dates) for j in range(i + 1, min(dates, i + reach + 1))]


def invert(pairs: list[Pair], values: Array, error: Array, valid: Mask) -> Series:
    """Least squares of a network of pairs on one grid.

    Parameters
    ----------
    pairs : list of (int, int)
    values, error : ndarray, shape (pairs, h, w, 2)
        Displacement (px) of each pair, all on the grid of the first date, and its standard deviation.
    valid : ndarray of bool, shape (pairs, h, w)

    Returns
    -------
    Series
    """
    dates = max(max(pair) for pair in pairs) + 1
    design = np.zeros((len(pairs), dates - 1))
    for k, (i, j) in enumerate(pairs):
        design[k, j - 1] = 1
        if i:
            design[k, i - 1] = -1
    h, w = valid.shape[1:]
    out, sigma = np.full((2, dates, h, w, 2), np.nan, np.float32)
    out[0] = sigma[0] = 0
    closure = np.full((h, w), np.nan, np.float32)
    for first in range(0, h, _BAND):
        rows = slice(first, first + _BAND)
        part = _solve(design, values[:, rows], error[:, rows], valid[:, rows])
        out[1:, rows], sigma[1:, rows], closure[rows] = part
    return Series(out, sigma, closure)


def _solve(design: Array, values: Array, error: Array, valid: Mask) -> tuple[Array, Array, Array]:
    """Motion and error (dates - 1, r, w, 2) and closure (r, w) of some rows."""
    good = valid[..., None] & np.isfinite(values) & np.isfinite(error)
    weight = np.where(good, 1 / np.maximum(error, 1e-3) ** 2, 0).astype(float)
    data = np.where(good, values, 0)
    normal = np.einsum("ka,k...,kb->...ab", design, weight, design)
    right = np.einsum("ka,k...->...a", design, weight * data)
    known = np.linalg.matrix_rank(normal, hermitian=True) == design.shape[1]
    normal[~known] = np.eye(design.shape[1])
    inverse = np.linalg.inv(normal)
    found = np.einsum("...ab,...b->...a", inverse, right)
    rest = data - np.einsum("ka,...a->k...", design, found)
    spare = (good.sum(axis=0) - design.shape[1]).sum(axis=-1)
    square = (weight * rest**2).sum(axis=(0, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        closure = np.where((spare > 0) & known.all(-1), np.sqrt(square / spare), np.nan)
    sigma = np.sqrt(np.einsum("...aa->...a", inverse)) * np.fmax(np.nan_to_num(closure), 1)[..., None, None]
    found, sigma = (np.where(known[..., None], x, np.nan) for x in (found, sigma))
    return np.moveaxis(found, -1, 0), np.moveaxis(sigma, -1, 0), closure


def to_first(pairs: list[Pair], values: Array, error: Array, valid: Mask) -> tuple[Array, Array, Mask]:
    """Maps of pairs, each on the grid of its earlier image, on that of the first date.

    What the ground shows at x on the first date lies at x + u on a later one, u from the chain of pairs
    that begins with the longest step.
    """
    chain: dict[int, Array] = {0: np.zeros(values.shape[1:], np.float32)}
    moved, sigma, good = values.copy(), error.copy(), valid.copy()
    for k in sorted(range(len(pairs)), key=lambda k: (pairs[k][0], -pairs[k][1])):
        i, j = pairs[k]
        if i:
            moved[k], sigma[k], good[k] = _at(values[k], error[k], valid[k], chain[i])
        step = chain[i] + np.where(good[k][..., None], moved[k], 0)
        chain.setdefault(j, step)
    return moved, sigma, good


def _at(values: Array, error: Array, valid: Mask, u: Array) -> tuple[Array, Array, Mask]:
    """A map where the ground of the first date has gone."""
    h, w = valid.shape
    place = np.stack([np.arange(h)[:, None] - u[..., 1], np.arange(w)[None] + u[..., 0]])
    weight = ndimage.map_coordinates(valid.astype(np.float32), place, order=1, cval=0)
    layers = np.concatenate([values, error], -1)
    filled = np.where(valid[..., None], np.nan_to_num(layers), 0)
    found = np.stack([ndimage.map_coordinates(filled[..., k], place, order=1) for k in range(4)], -1)
    found = found / np.maximum(weight, 1e-6)[..., None]
    return found[..., :2].astype(np.float32), found[..., 2:].astype(np.float32), weight > 0.5


def flow_series(
    images: list[Path], folder: Path, job: Job, *, pairs: str = "next2", say: Say | None = None
) -> Path:
    """Measure all pairs of a series of images and the motion of every date since the first.

    Parameters
    ----------
    images : list of path
        By date; all on the grid of the first one.
    folder : path
        Gets ``pair-I-J.tif`` for each pair, as of `dislok.nn.predict.run.flow`, and ``series.tif``: two
        bands for each later date (east and north, px), two with their errors, and the closure.
    job : Job
    pairs : {"next", "next2", "all"}
        Which pairs are measured.
    say : callable, optional

    Returns
    -------
    path
        The folder.

    Raises
    ------
    ValueError
        If a map's grid differs from that of the first, or its method states no error.
    """
    folder, tell = Path(folder), say or (lambda line: None)
    folder.mkdir(parents=True, exist_ok=True)
    chosen, layers, profiles = pairs_of(len(images), pairs), [], []
    for i, j in chosen:
        out = folder / f"pair-{i + 1}-{j + 1}.tif"
        if not out.exists():
            tell(f"dates {i + 1} and {j + 1}")
            flow(images[i], images[j], out, replace(job), tell)
        with raster.opened(out) as data:
            layers.append(data.read([1, 2, 5, 6, 8]))
            profiles.append(data.profile)
        if layers[-1].shape != layers[0].shape or profiles[-1]["transform"] != profiles[0]["transform"]:
            raise ValueError(f"{images[j]}: not on the grid of {images[0]}; resample the series to one grid")
    stack = np.moveaxis(np.stack(layers), 1, -1)
    values, error, valid = stack[..., :2], stack[..., 2:4], stack[..., 4] > 0.5
    if not np.isfinite(error[valid]).any():
        error = np.ones_like(error)
        tell(f"{job.method} states no error: all pairs weigh the same, errors of the series are relative")
    result = invert(chosen, *to_first(chosen, values, error, valid))
    _write(folder / "series.tif", result, profiles[0], [path.name for path in images])
    tell(f"wrote {folder / 'series.tif'}, median closure {np.nanmedian(result.closure):.2f}")
    return folder


def _write(path: Path, result: Series, profile: Record, names: list[str]) -> None:
    bands: list[Array] = []
    words: list[str] = []
    for k, name in enumerate(names[1:], 1):
        both = np.concatenate([result.values[k], result.error[k]], -1)
        bands += list(np.moveaxis(both, -1, 0))
        words += [f"{name}: {what} (px)" for what in ("east", "north", "error of east", "error of north")]
    plain = path.with_name(f".{path.stem}.plain.tif")
    kept = {key: profile[key] for key in ("width", "height", "crs", "transform", "dtype", "nodata")}
    try:
        with raster.needed().open(
            plain, "w", driver="GTiff", count=len(bands) + 1, bigtiff="IF_SAFER", interleave="band", **kept
        ) as out:
            for i, (values, word) in enumerate(
                zip([*bands, result.closure], [*words, "closure"], strict=True), 1
            ):
                out.write(values.astype(np.float32), i)
                out.set_band_description(i, word)
            out.update_tags(DATES=", ".join(names), FRAME="first date", UNIT="pixels since the first date")
        as_cog(plain, path)
    finally:
        plain.unlink(missing_ok=True)
