"""Schedules of the learning rate, and the optimisers."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from dislok.nn.train.config import Schedule

WARM = 0.1  # share of a one-cycle schedule that rises
FIRST, LAST = 25.0, 1e4  # what the highest rate is divided by at the beginning and at the end


def rate_at(step: int, schedule: Schedule) -> float:
    """Learning rate of one step.

    "halving" halves it every so many epochs, as the paper does. "one-cycle" rises on a cosine during a tenth
    of the steps and falls on another to next to nothing (Smith & Topin 2019).
    """
    if schedule.shape == "halving":
        return schedule.rate * 0.5 ** (step // (schedule.steps * schedule.halve_every))
    total = schedule.steps * schedule.epochs
    warm = max(1, round(WARM * total))
    if step < warm:
        return _between(schedule.rate / FIRST, schedule.rate, step / warm)
    return _between(schedule.rate, schedule.rate / LAST, min(1.0, (step - warm) / max(1, total - warm)))


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Adam, or AdamW that shrinks weights but no biases."""
    groups = [
        {"params": list(_chosen(network, True)), "weight_decay": schedule.decay},
        {"params": list(_chosen(network, False)), "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if schedule.optimiser == "adamw" else torch.optim.Adam
    return kind([group for group in groups if group["params"]], lr=schedule.rate)


def _chosen(network: nn.Module, shrinking: bool) -> Iterable[nn.Parameter]:
    return (parameter for parameter in network.parameters() if (parameter.ndim > 1) == shrinking)


class Average:
    """Exponential average of a network's weights; `decay` grows towards its value from a quick start."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, which are counted from 1."""
        decay = min(self.decay, step / (step + 10))
        for name, value in network.state_dict().items():
            self.weights[name].lerp_(value.detach(), 1 - decay)
