"""Seismograms and static offsets of torch tensors: what differentiates them.

Only first derivatives: the kernels are recomputed in the backward pass, and asking for a derivative of that
raises. Results live on the CPU in float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from dislok import propagator
from dislok.layers import PROPERTIES, LayeredModel

SOURCE = propagator.PointSource._fields


class Call(NamedTuple):
    """What is not differentiated; `record` is (dt, n), or () for static offsets."""

    model: LayeredModel
    source: Any
    stations: Any
    record: tuple
    keywords: dict[str, Any]

    def kernels(self, model: LayeredModel, source: Any, **wanted: bool) -> propagator.Kernels:
        """Kernels of this call."""
        function: Any = propagator.kernels if self.record else propagator.static_kernels
        return function(model, source, self.stations, *self.record, **self.keywords, **wanted)

    def layer_kernels(self, model: LayeredModel, source: Any, wanted: np.ndarray) -> np.ndarray:
        """Derivatives with the layers' properties."""
        function: Any = propagator.layer_kernels if self.record else propagator.static_layer_kernels
        return function(model, source, self.stations, *self.record, **self.keywords, wanted=wanted)


def _differentiable(model: Any, source: Any, stations: Any, record: tuple, keywords: dict) -> torch.Tensor:
    """The result as a tensor that knows its derivatives."""
    values = [*source, *(getattr(model, name) for name in PROPERTIES)]
    for name, value in zip((*SOURCE, *PROPERTIES), values, strict=True):
        if isinstance(value, torch.Tensor) and (value.is_cuda or not value.is_floating_point()):
            raise TypeError(
                f"{name} must be a floating-point tensor on the CPU, got {value.dtype} on {value.device}"
            )
    tensors = [value if isinstance(value, torch.Tensor) else None for value in values]
    return _Motion.apply(Call(model, source, stations, record, keywords), *tensors)


# Dynamo would trace into the kernels' Python.
differentiable: Any = torch.compiler.disable(_differentiable)


def _plain(call: Call, tensors: Any) -> tuple[LayeredModel, Any]:
    """Model and source with NumPy arrays in place of tensors."""
    arrays = [None if t is None else t.detach().numpy().astype(np.float64) for t in tensors]
    source = [old if new is None else new for old, new in zip(call.source, arrays, strict=False)]
    properties = [
        getattr(call.model, name) if new is None else new
        for name, new in zip(PROPERTIES, arrays[len(SOURCE) :], strict=True)
    ]
    thickness, vp, vs, rho = properties
    lossy = (call.model.qp, call.model.qs, call.model.reference_frequency)
    return LayeredModel(thickness, vp, vs, rho, *lossy), propagator.PointSource(*source)


class _Motion(torch.autograd.Function):
    """Motion as a function of the source's fields and the layers' properties."""

    @staticmethod
    def forward(call: Call, *tensors: Any) -> torch.Tensor:
        model, source = _plain(call, tensors)
        return torch.from_numpy(call.kernels(model, source, moment=False, location=False).seismogram)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        call, *tensors = inputs
        ctx.call, ctx.given = call, [t is not None for t in tensors]
        ctx.save_for_backward(*(t for t in tensors if t is not None))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore
        saved = iter(ctx.saved_tensors)
        tensors = [next(saved) if given else None for given in ctx.given]
        needed = dict(zip((*SOURCE, *PROPERTIES), ctx.needs_input_grad[1:], strict=True))
        slopes = _gradients(ctx.call, tensors, grad.numpy(), needed)
        shaped = [
            None if slope is None or t is None else _reduced(torch.from_numpy(slope), t)
            for slope, t in zip(slopes, tensors, strict=True)
        ]
        return (None, *shaped)


def _gradients(
    call: Call, tensors: Any, grad: np.ndarray, needed: dict[str, bool]
) -> list[np.ndarray | None]:
    """Gradients with respect to every field and property, in the shapes that the kernels have."""
    model, source = _plain(call, tensors)
    place = any(needed[name] for name in ("x", "y", "depth", "time"))
    kernels = call.kernels(model, source, moment=needed["moment"], force=needed["force"], location=place)
    record = 1 if call.record else 0
    sources = grad.ndim - 2 - record
    # sum over stations, components and samples: all axes of `grad` behind those of the sources
    letters = "sct"[: 2 + record]

    def contracted(kernel: np.ndarray) -> np.ndarray:
        return np.einsum(f"...{letters},...sp{letters[1:]}->...p", grad, kernel)

    result: dict[str, np.ndarray | None] = dict.fromkeys((*SOURCE, *PROPERTIES))
    if needed["moment"]:
        result["moment"] = contracted(kernels.moment)
    if needed["force"]:
        result["force"] = contracted(kernels.force)
    if place:
        slopes = contracted(kernels.location)
        result |= {name: slopes[..., i] for i, name in enumerate(("x", "y", "depth", "time"))}
    wanted = np.array([[needed[name]] * len(model.layers().vp) for name in PROPERTIES])
    if wanted.any():
        by_layer = call.layer_kernels(model, source, wanted)
        flat = by_layer.reshape(*by_layer.shape[: sources + 1], -1, *by_layer.shape[sources + 3 :])
        summed = contracted(flat).reshape(-1, 4, wanted.shape[1]).sum(axis=0)
        result |= {name: summed[i] for i, name in enumerate(PROPERTIES)}
    return list(result.values())


def _reduced(slope: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A gradient summed over the axes along which the input was broadcast."""
    if like.shape[-2:] == (3, 3) and slope.shape[-1:] == (6,):
        slope = _as_matrix(slope)
    return slope.sum_to_size(like.shape).to(like.dtype)


def _as_matrix(slope: torch.Tensor) -> torch.Tensor:
    """Gradient with the nine elements of a moment tensor, of which each off-diagonal pair is one number.

    The kernels read the upper triangle; half of the gradient goes to each element of a pair.
    """
    xx, yy, zz, xy, xz, yz = slope.unbind(-1)
    rows = [(xx, xy / 2, xz / 2), (xy / 2, yy, yz / 2), (xz / 2, yz / 2, zz)]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
