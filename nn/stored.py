"""Pairs in files as map-style torch data sets: archives, or the Zarr groups of `dislok faultdeform`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dislok.arrays import Record
from dislok.nn.pairs.scenario import Crop, crop_of, finite

Sample = dict[str, Tensor]


def sample_of(crop: Crop) -> Sample:
    """A crop as tensors: pre, post (1, h, w), flow (2, h, w) east and north, valid (h, w), and more."""
    return {
        "pre": torch.from_numpy(crop.pre)[None],
        "post": torch.from_numpy(crop.post)[None],
        "flow": torch.from_numpy(crop.flow),
        "valid": torch.from_numpy(crop.valid),
        "distance": torch.from_numpy(crop.distance),
        "amplitude": torch.tensor(crop.amplitude, dtype=torch.float32),
        "index": torch.tensor(crop.number),
    }


class PairFiles(Dataset[Sample]):
    """Pairs in files, one each, as `dislok.nn.pairs.files.save` writes them.

    Parameters
    ----------
    paths : path of a folder, or sequence of paths
        A folder stands for all ``*.npz`` in it, sorted by name.
    crop : int, optional
        Take a random square of so many pixels of each pair, another in each epoch; None takes all of it.
    seed : int, optional
        Of the squares.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        crop: int | None = None,
        seed: int = 0,
    ) -> None:
        if isinstance(paths, (str, os.PathLike)):
            found = sorted(Path(paths).glob("*.npz"))
        else:
            found = [Path(path) for path in paths]
        if not found:
            raise FileNotFoundError(f"no pairs in {paths}: files are called *.npz")
        self.paths, self.crop, self.seed, self.epoch = found, crop, int(seed), 0

    def __len__(self) -> int:
        """Number of files."""
        return len(self.paths)

    def set_epoch(self, epoch: int) -> None:
        """Take other squares."""
        self.epoch = int(epoch)

    def __getitem__(self, index: int) -> Sample:
        """A pair, or a square of it."""
        from dislok.nn.pairs.files import load

        crop = crop_of(load(self.paths[index]), index)
        if self.crop is None:
            return sample_of(crop)
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return sample_of(_square(crop, self.crop, rng, self.paths[index]))


def _square(crop: Crop, size: int, rng: np.random.Generator, path: Path) -> Crop:
    h, w = crop.valid.shape
    if min(h, w) < size:
        raise ValueError(f"{path} is {h} by {w} pixels, less than the crop of {size}")
    top, left = int(rng.integers(h - size + 1)), int(rng.integers(w - size + 1))
    part = (..., slice(top, top + size), slice(left, left + size))
    pre, post, flow, valid, distance = (np.ascontiguousarray(a[part]) for a in crop[:5])
    return Crop(pre, post, flow, valid, distance, crop.amplitude, crop.number)


class StoredPairs(Dataset[Sample]):
    """The pairs of a data set that `dislok faultdeform` wrote.

    Parameters
    ----------
    path : path
        The Zarr group; of one that is not complete, the earthquakes that are finished now.
    split : {"train", "validation", "test"}, optional
        Only that part of the earthquakes, in the published shares; by default all.
    frame : {"pre", "post"}, optional
        Whose grid the truth is on.
    crop, seed : int, optional
        As of `PairFiles`.

    Raises
    ------
    ValueError
        If the group holds something else, or no pair of the split.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        split: str | None = None,
        frame: str = "pre",
        crop: int | None = None,
        seed: int = 0,
    ) -> None:
        from dislok.nn.faultdeform.published import SPLITS, split_of

        if split not in (None, *SPLITS):
            raise ValueError(f"split is {split!r}; choose from {', '.join(SPLITS)}")
        if frame not in ("pre", "post"):
            raise ValueError(f"frame is {frame!r}; choose 'pre' or 'post'")
        self.path, self.frame, self.crop, self.seed, self.epoch = Path(path), frame, crop, int(seed), 0
        missing = {index[0] for index in self._blocks.missing()}
        total = self._blocks.total
        quakes = [k for k in range(total) if k not in missing and split in (None, split_of(k, total))]
        if not quakes:
            raise ValueError(f"{path} holds no finished pair" + (f" of {split}" if split else ""))
        samples, *_, size = self._blocks.arrays["pre"].shape[1:]
        if crop is not None and crop > size:
            raise ValueError(f"crop is {crop}; pairs of {path} have {size} pixels")
        self.places = [(k, s) for k in quakes for s in range(samples)]

    @cached_property
    def _blocks(self) -> Any:
        from dislok.large.blocks import Blocks

        blocks = Blocks.open(self.path)
        if "faultdeform" not in blocks.group.attrs or "distance" not in blocks.arrays:
            raise ValueError(f"{self.path} holds no data set that this version of FaultDeform wrote")
        return blocks

    def __getstate__(self) -> Record:
        """What a worker gets: it opens the group itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_blocks"}

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.places)

    def set_epoch(self, epoch: int) -> None:
        """Take other squares."""
        self.epoch = int(epoch)

    def about(self, index: int) -> Record:
        """What is known about a pair and its earthquake: every number that was drawn."""
        from dislok.nn.faultdeform.about import about

        k, s = self.places[index]
        told = about(self._blocks, k)
        return {**told["pairs"][s], "number": k, "earthquake": told["earthquake"]}

    def __getitem__(self, index: int) -> Sample:
        """A pair, or a square of it."""
        place = self.places[index]
        names = ("pre", "post", f"flow_{self.frame}", f"valid_{self.frame}", "distance")
        pre, post, flow, valid, distance = (np.asarray(self._blocks.arrays[name][place]) for name in names)
        amplitude = float(np.hypot(*flow).max(where=valid, initial=0.0))
        whole = Crop(finite(pre), finite(post), flow, valid, distance, amplitude, index)
        if self.crop is None:
            return sample_of(whole)
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return sample_of(_square(whole, self.crop, rng, self.path))
