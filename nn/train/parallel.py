"""Trainings that several processes share: each takes its part of every batch, all take the same step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import distributed, nn


class Group(Protocol):
    """The processes of a training as one of them sees them."""

    first: bool

    def share(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the group."""
        ...

    def part(self, batch: int) -> range:
        """Which samples of a batch are this process's."""
        ...

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes so."""
        ...


class Alone:
    """A training in one process."""

    first = True

    def share(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over the processes."""
        return network

    def part(self, batch: int) -> range:
        """Which samples of a batch are this process's."""
        return range(batch)

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes so."""
        return wish


class Together:
    """One of the processes that torchrun started."""

    def __init__(self) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self.first = self.rank == 0

    def share(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over the processes."""
        return nn.parallel.DistributedDataParallel(network)

    def part(self, batch: int) -> range:
        """Which samples of a batch are this process's."""
        if batch % self.size:
            raise ValueError(f"schedule.batch, {batch}, must be a multiple of the {self.size} processes")
        mine = batch // self.size
        return range(self.rank * mine, (self.rank + 1) * mine)

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes so."""
        wishes = torch.tensor(float(wish))
        if distributed.get_backend() == "nccl":
            wishes = wishes.cuda()
        distributed.all_reduce(wishes, distributed.ReduceOp.MAX)
        return bool(wishes.item())


@contextmanager
def group(device: str) -> Iterator[Group]:
    """The group that torchrun made, or this process alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Alone()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Together()
    finally:
        distributed.destroy_process_group()
