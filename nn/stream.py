"""Pairs as torch data sets: made on the fly without end. Those in files are in `dislok.nn.stored`.

A stream is a seed and a scenario. Its crops are numbered; each epoch takes the next ones, each rank and each
worker its share of them, no crop twice::

    stream = PairStream(Scenario(crop=128), seed=1, crops=4096)
    loader = DataLoader(stream, batch_size=16, num_workers=4)
    for epoch in range(20):
        stream.set_epoch(epoch)
        for batch in loader:
            batch["pre"], batch["post"]            # (16, 1, 128, 128)
            batch["flow"], batch["valid"]          # (16, 2, 128, 128) east, north; (16, 128, 128)

Training that stopped after some batches of an epoch goes on with `PairStream.resume`, as if it had not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch
from torch.utils.data import IterableDataset, get_worker_info

from dislok.nn.pairs.scenario import Scenario

from .stored import PairFiles, Sample, StoredPairs, sample_of

__all__ = ["PairFiles", "PairStream", "Sample", "StoredPairs", "sample_of"]


class PairStream(IterableDataset[Sample]):
    """Crops of a scenario, made when they are asked for.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Of the data set: training and validation have different ones.
    crops : int
        Of an epoch, over all ranks; rounded down to whole groups for each rank, so that all ranks have
        equally many.
    rank, world : int, optional
        Number of this process among those that train together, and how many they are; by default what
        `torch.distributed` says, or else RANK and WORLD_SIZE of the environment, or one process.

    Raises
    ------
    ValueError
        If an epoch has less than one group for each rank.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        crops: int,
        *,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        self.scenario, self.seed = scenario, int(seed)
        self.rank, self.world = _place(rank, world)
        self.groups = crops // scenario.crops_of_group // self.world
        if self.groups < 1:
            least = scenario.crops_of_group * self.world
            raise ValueError(f"crops is {crops}; an epoch has at least a group for each rank, {least} crops")
        self.epoch = 0
        self._done: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        """Crops of an epoch for this rank."""
        return self.groups * self.scenario.crops_of_group

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: its crops are others than those of every other epoch."""
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}; it must not be negative")
        self.epoch, self._done = int(epoch), (0, 0)

    def resume(self, epoch: int, batches: int, batch_size: int) -> None:
        """Go on in the middle of an epoch, after so many batches that this rank has taken from its loader.

        The loader must have as many workers as before; what it makes next is what it would have made. With
        several workers, the groups of a rank must be a multiple of them: else the order of the last batches
        is a matter of time.
        """
        if min(batches, batch_size) < 0 or batch_size < 1:
            raise ValueError(f"batches is {batches} and batch_size {batch_size}; there are no such batches")
        self.set_epoch(epoch)
        self._done = (int(batches), int(batch_size))

    def __iter__(self) -> Iterator[Sample]:
        """The crops of this worker of this rank, from where the epoch was left."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        batches, size = self._done
        self._done = (0, 0)
        if batches and self.groups % workers:
            raise ValueError(
                f"{self.groups} groups of a rank cannot be resumed with {workers} workers: no multiple"
            )
        # a loader takes batches from its workers in turn, and begins with the first
        worker = (worker + batches) % workers
        done = size * len(range(worker, batches, workers))
        mine = range(worker, self.groups, workers)
        each = self.scenario.crops_of_group
        for k, group in enumerate(mine):
            if done >= (k + 1) * each:
                continue
            number = (self.epoch * self.world + self.rank) * self.groups + group
            for crop in self.scenario.group(self.seed, number, skip=max(0, done - k * each)):
                yield sample_of(crop)


def _place(rank: int | None, world: int | None) -> tuple[int, int]:
    """Rank and number of processes."""
    if (rank is None) != (world is None):
        raise ValueError("rank and world are given together or not at all")
    if rank is None or world is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if not 0 <= rank < world:
        raise ValueError(f"rank is {rank}; it must be from 0 to {world - 1}")
    return rank, world
