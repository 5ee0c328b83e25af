"""The types that torch and the methods of a `torch.autograd.Function` exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

Context: TypeAlias = Any
"""What a function keeps: its tensors, and whatever else it sets as an attribute."""

Given: TypeAlias = Any
"""An argument: a tensor, None, or what is not differentiated."""

Found: TypeAlias = Any
"""Tensors, or None where there is no derivative."""

Rule: TypeAlias = Any
"""A function of torch, whose ``apply`` is called."""

Dims: TypeAlias = Sequence[int | None]
"""The axis of the batch of every argument, None where it has none."""


class Batch(Protocol):
    """What `torch.vmap` tells of a batch."""

    @property
    def batch_size(self) -> int:
        """Number of members."""
        ...
