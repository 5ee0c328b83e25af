"""The two things that are trained: networks that find a field, and the one that refines it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dislok.nn.geoflownet.scarp import Refined
from dislok.nn.geoflownet.weights import build, load
from dislok.nn.train.config import Loss, Network
from dislok.nn.train.losses import endpoint_error, mean_over, multi_scale, refining
from dislok.nn.train.samples import Batch

PASS_DECAY = 0.8  # weight of each earlier pass, as in MicroFlow


def network_of(config: Network) -> nn.Module:
    """The network that is asked for: new, or from a file of weights."""
    if config.start:
        network = load(config.start).train()
        if network.settings() != _settings(config):  # type: ignore[operator]
            raise ValueError(f"{config.start} is not the network that network.* describes")
        return network
    return build(_settings(config))


def _settings(config: Network) -> dict[str, object]:
    settings: dict[str, object] = {"architecture": config.architecture, "width": config.width}
    if config.architecture != "scarp":
        settings["channels"] = 2
    return settings if config.passes == 1 else {**settings, "passes": config.passes}


def loss_of(said: Refined | Sequence[Tensor], batch: Batch, loss: Loss, passes: int = 1) -> Tensor:
    """The loss of a network's output on a batch."""
    if isinstance(said, Refined):
        return refining(said, batch.truth, batch.weight, loss.likelihood)
    scales = loss.weights if passes == 1 else [PASS_DECAY**age for age in range(passes)]
    return multi_scale(said, batch.truth, batch.weight, scales, loss.relative)


@torch.no_grad()
def error_of(said: Refined | Sequence[Tensor], batch: Batch) -> Tensor:
    """Full-resolution endpoint error of each pair (pixels), by which trainings are judged."""
    found = said.change if isinstance(said, Refined) else said[0]
    return mean_over(endpoint_error(found.float(), batch.truth), (batch.weight > 0).float())


def size_of(batch: Batch) -> Tensor:
    """Mean length of the true field of each pair (pixels): the error of saying nothing."""
    known = (batch.weight > 0).float()
    return mean_over(endpoint_error(torch.zeros_like(batch.truth), batch.truth), known)
