"""Rules of `torch.func.vmap`: batches of calls as fewer, larger ones."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .functions import Batch, Dims, Found, Given, Rule
from .kernels import Call, apply_rung

# A vmapped call is folded into rows of at most this many source-observer pairs.
ROWS = 1 << 15


def fronted(tensors: Sequence[Tensor], dims: Sequence[int | None]) -> list[Tensor]:
    """Tensors with the batch as their first axis, of length 1 where they have none."""
    return [t.unsqueeze(0) if d is None else t.movedim(d, 0) for t, d in zip(tensors, dims, strict=True)]


def fold_rows(function: Rule, call: Call, tensors: Sequence[Tensor], size: int) -> list[Tensor]:
    """A batch of calls whose rows do not meet: one call of size times as many rows."""
    n = tensors[0].shape[1]
    rows = [t.expand(size, *t.shape[1:]).flatten(0, 1) for t in tensors]
    return [out.unflatten(0, (size, n)) for out in apply_rung(function, call, *rows)]


def _fold_pairs(
    function: Rule, call: Call, sides: str, gives: str, tensors: Sequence[Tensor], size: int
) -> list[Tensor]:
    """A batch of calls that sum over sources or observers: every pair one row, summed afterwards."""
    n, m = tensors[0].shape[1], tensors[1].shape[1]
    axis = {"o": 2, "s": 1}
    rows = [
        t.unsqueeze(axis[side]).expand(size, n, m, t.shape[-1]).flatten(0, 2)
        for t, side in zip(tensors, sides, strict=True)
    ]
    found = apply_rung(function, replace(call, pairs=True), *rows)
    return [out.unflatten(0, (size, n, m)).sum(axis[side]) for out, side in zip(found, gives, strict=True)]


def _chunk(tensors: Sequence[Tensor], start: int, stop: int) -> list[Tensor]:
    return [t if len(t) == 1 else t[start:stop] for t in tensors]


def _fold_chunks(
    function: Rule, call: Call, sides: str, gives: str, tensors: Sequence[Tensor], size: int
) -> list[Tensor]:
    """Large calls one after another, small ones together."""
    pairs = tensors[0].shape[1] * tensors[1].shape[1]
    step = max(1, ROWS // max(1, pairs))
    found: list[Sequence[Tensor]] = []
    for start in range(0, size, step):
        part = _chunk(tensors, start, min(start + step, size))
        count = min(step, size - start)
        if count == 1:
            found.append([out.unsqueeze(0) for out in apply_rung(function, call, *(t[0] for t in part))])
        else:
            found.append(_fold_pairs(function, call, sides, gives, part, count))
    return [torch.cat(outs) for outs in zip(*found, strict=True)]


def _fold_observers(
    function: Rule, call: Call, sides: str, tensors: Sequence[Tensor], size: int
) -> list[Tensor]:
    """A batch of observers over the same sources is one longer list of observers."""
    n = tensors[0].shape[1]
    rows = [
        t.expand(size, *t.shape[1:]).flatten(0, 1) if side == "o" else t[0]
        for t, side in zip(tensors, sides, strict=True)
    ]
    return [out.unflatten(0, (size, n)) for out in apply_rung(function, call, *rows)]


def batched(
    function: Rule, sides: str, gives: str, info: Batch, in_dims: Dims, args: Sequence[Given]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """The vmap rule of a function of tensors with a row per observer ("o") or per source ("s")."""
    call, *tensors = args
    dims = in_dims[1:]
    size = info.batch_size
    members = fronted(tensors, dims)
    shared_sources = all(d is None for d, side in zip(dims, sides, strict=True) if side == "s")
    if call.pairs:
        found = fold_rows(function, call, members, size)
    elif shared_sources and gives == "o":
        found = _fold_observers(function, call, sides, members, size)
    else:
        found = _fold_chunks(function, call, sides, gives, members, size)
    return tuple(found), (0,) * len(gives)


def one_by_one(function: Rule, info: Batch, in_dims: Dims, args: Sequence[Given]) -> Found:
    """The vmap rule of a function that is called for every member of a batch."""
    call, *tensors = args
    members = fronted(tensors, in_dims[1:])
    found = [
        apply_rung(function, call, *(t[0 if len(t) == 1 else b] for t in members))
        for b in range(info.batch_size)
    ]
    return tuple(torch.stack(outs) for outs in zip(*found, strict=True)), (0,) * len(found[0])
