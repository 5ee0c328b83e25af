"""Observers at which a field has no value, and derivatives that these do not spoil.

On an edge the result is NaN, and so is every derivative there. A program that masks such observers
afterwards, ``torch.where(u.isfinite(), u, 0).sum()``, would still get NaN for the gradient with respect to
the sources: zero times NaN is NaN. So these observers are moved away before derivatives are taken, and their
values are put in as constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def kept_apart(
    compute: Callable[[Tensor], Tensor], obs: Tensor, others: Tensor, value: float
) -> tuple[Tensor, Tensor]:
    """What ``compute(obs)`` is, with rows that have no value replaced by a constant, and which these are.

    Parameters
    ----------
    compute : callable
        From observers (n, 3) to a field (n, ...).
    obs : Tensor, shape (n, 3)
    others : Tensor
        Coordinates and sizes of the sources: the observers are moved far beyond all of them.
    value : float
        What the replaced rows hold.
    """
    found = compute(obs)
    bad = found.isnan().flatten(1).any(1)
    if can_look(bad) and not bad.any():
        return found, bad
    reach = 4.0 * (obs.detach().abs().amax() + others.detach().abs().amax() + 1.0)
    far = torch.stack([reach, reach, torch.zeros_like(reach)])
    found = compute(torch.where(bad[:, None], far, obs))
    constant = torch.full_like(found, value)
    return torch.where(bad.reshape(-1, *[1] * (found.ndim - 1)), constant, found), bad


def can_look(tensor: Tensor) -> bool:
    """Whether values can be looked at: not on a device, which would have to wait, nor inside `torch.func`."""
    core: Any = torch._C
    return not tensor.is_cuda and not core._functorch.is_functorch_wrapped_tensor(tensor)


def guarded(compute: Callable[[Tensor], Tensor], obs: Tensor, *sources: Tensor | None) -> Tensor:
    """The field with NaN where it has no value, whose derivatives are zero there.

    On a device and inside `torch.func`, where values cannot be looked at, the derivatives are NaN there.
    """
    tensors = [obs, *(s for s in sources if isinstance(s, Tensor))]
    needed = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    if not (needed and obs.numel() and all(can_look(t) for t in tensors)):
        return compute(obs)
    others = torch.cat([t.detach().reshape(-1) for t in tensors[1:]])
    return kept_apart(compute, obs, others, float("nan"))[0]
