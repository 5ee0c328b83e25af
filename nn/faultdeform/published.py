"""Data sets in the layout of the published FaultDeform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from dislok.nn.pairs import RANGES, Pair
from dislok.store import Pieces, Place

from .files import DataSet

SPLITS = {"train": 10, "validation": 2, "test": 2}
"""Shares of the published splits: contiguous blocks of earthquakes."""


def export(
    data: DataSet, folder: Place, *, progress: Callable[[int, int], object] | None = None
) -> dict[str, list[str]]:
    """Write a data set in the layout of the published one, as far as it is described.

    A file ``NNNNNN_S_sample.npy.npz`` for sample NNNNNN and range S (0 to 3) of the amplitude, in a folder
    for each split, with the images (`int_array_1`, `int_array_2`: pre and post, uint16, 0 for no data) and
    the motion to the east and north in pixels on the grid of the second image (`float_array_1`,
    `float_array_2`; NaN where the ground is not seen in both).

    Parameters
    ----------
    data : DataSet
        Its `amplitudes` are "all" in any case.
    folder : path
    progress : callable, optional
        Called as ``progress(done, total)``, in earthquakes.

    Returns
    -------
    dict of list of str
        Names of the files of each split.

    Raises
    ------
    FileNotFoundError, ValueError
        If an image cannot be used.
    """
    data = replace(data, amplitudes="all")
    data.check()
    report = progress or (lambda done, total: None)
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    pieces = {split: Pieces(Path(folder) / split, data.problem) for split in SPLITS}
    for k in range(data.n):
        report(k, data.n)
        split = split_of(k, data.n)
        numbers = range(k * data.windows, (k + 1) * data.windows)
        own = [f"{number:06d}_{s}_sample.npy" for number in numbers for s in range(len(RANGES))]
        names[split] += own
        if not set(own) <= set(pieces[split].names()):
            for name, (pair, _, _) in zip(own, data.pairs_of(k), strict=True):
                pieces[split].keep(name, partial(_published, pair))
    report(data.n, data.n)
    return names


def split_of(k: int, n: int) -> str:
    """The split that earthquake k of n belongs to."""
    ends = np.cumsum(list(SPLITS.values())) / sum(SPLITS.values())
    return list(SPLITS)[int(np.searchsorted(ends * n, k, side="right"))]


def _published(pair: Pair) -> dict[str, np.ndarray]:
    top = max(float(np.nanmax(image)) for image in (pair.pre, pair.post))
    images = [np.nan_to_num(1.0 + image * (65534.0 / top), nan=0.0) for image in (pair.pre, pair.post)]
    moved = np.where(pair.flow_post.valid[..., None], pair.flow_post.values, np.nan).astype(np.float32)
    return {
        "int_array_1": images[0].clip(0, 65535).astype(np.uint16),
        "int_array_2": images[1].clip(0, 65535).astype(np.uint16),
        "float_array_1": np.ascontiguousarray(moved[..., 0]),
        "float_array_2": np.ascontiguousarray(moved[..., 1]),
    }
