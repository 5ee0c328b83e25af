"""Derivatives of torch tensors that go through the kernels of images.

Values at displaced pixels are linear in the image and smooth in the displacement; their derivatives with
respect to the displacement are `slopes`, those by the image the `adjoint`. Backward and forward mode are
there once; second derivatives with respect to the displacement are not known, and asking for them raises an
error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dislok import backends
from dislok.arrays import Array, ArrayLike
from dislok.kernels.backend import Kernel, kernel_of

from .functions import Batch, Context, Dims, Found, Given, Rule
from .kernels import array_of, stream_of, tensor_of

UNKNOWN = "second derivatives of warped images by the displacement are not known"


@dataclass(frozen=True)
class Spec:
    """What is not differentiated.

    `cells` (n, h, w) says where all taps of the splines are valid, as `Coefficients` do.
    """

    order: int
    shape: tuple[int, int]
    origin: tuple[int, int]
    threads: int | None
    cells: np.ndarray | None = None

    def repeated(self, times: int) -> Spec:
        """For so many batches, one behind the other."""
        return self if self.cells is None else replace(self, cells=np.tile(self.cells, (times, 1, 1)))


def _kernels(device: torch.device) -> ModuleType:
    return backends.load("numba" if device.type == "cpu" else "cupy", "images")


def _evaluate(what: str, spec: Spec, *planes: Tensor) -> list[Tensor]:
    """A kernel for each of n images, (n, h, w)."""
    device, results = planes[0].device, []
    kernels = _kernels(device)
    with stream_of(device):
        for k, arrays in enumerate(zip(*map(array_of, planes), strict=True)):
            if what == "adjoint":
                found = [kernels.adjoint(spec.order, spec.shape, *arrays, spec.origin, spec.threads)]
            else:
                made = kernels.coefficients(arrays[0], spec.order, spec.threads)
                cells = None if spec.cells is None else _placed(spec.cells[k], device)
                found = kernel_of(kernels, what)(
                    spec.order, made, *arrays[1:], cells, spec.origin, spec.threads
                )
            results.append([tensor_of(each, device) for each in found])
        return [torch.stack(each) for each in zip(*results, strict=True)]


def _placed(cells: np.ndarray, device: torch.device) -> Array:
    """Where the kernel can read it."""
    if device.type == "cpu":
        return cells
    import cupy

    return cupy.asarray(cells)


def _folded(function: Rule, info: Batch, in_dims: Dims, spec: Spec, *tensors: Tensor) -> Found:
    """A batch of calls as one, of more images."""
    size = info.batch_size
    fronted = [
        (t.unsqueeze(0).expand(size, *t.shape) if d is None else t.movedim(d, 0)).flatten(0, 1)
        for t, d in zip(tensors, in_dims[1:], strict=True)
    ]
    found = function.apply(spec.repeated(size), *fronted)
    several = isinstance(found, tuple)
    parts = tuple(t.unflatten(0, (size, -1)) for t in (found if several else (found,)))
    return (parts, (0,) * len(parts)) if several else (parts[0], 0)


class _Warp(torch.autograd.Function):
    """Values and where they are valid, of image, right, down."""

    @staticmethod
    def forward(spec: Spec, image: Tensor, right: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
        values, valid = _evaluate("warp", spec, image, right, down)
        return values, valid

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        _remember(ctx, inputs)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Context, grad: Tensor | None, _: None) -> Found:  # pyright: ignore
        if grad is None:
            return None, None, None, None
        image, right, down = ctx.saved_tensors
        asked = ctx.needs_input_grad
        by_image = _Adjoint.apply(ctx.spec, grad, right, down) if asked[1] else None
        if not (asked[2] or asked[3]):
            return None, by_image, None, None
        _, _, by_right, by_down = _Slopes.apply(ctx.spec, image, right, down)
        return None, by_image, grad * by_right, grad * by_down

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Found:
        _, t_image, t_right, t_down = tangents
        image, right, down = ctx.saved_tensors
        total = torch.zeros_like(right)
        if t_image is not None:
            total = total + _Warp.apply(ctx.spec, t_image, right, down)[0]
        if t_right is not None or t_down is not None:
            _, _, by_right, by_down = _Slopes.apply(ctx.spec, image, right, down)
            for slope, tangent in ((by_right, t_right), (by_down, t_down)):
                total = total if tangent is None else total + slope * tangent
        return total, None

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, spec: Spec, *tensors: Tensor) -> Found:  # pyright: ignore
        return _folded(_Warp, info, in_dims, spec, *tensors)


class _Slopes(torch.autograd.Function):
    """Values, where they are valid, and their derivatives by right and down, of image, right, down."""

    @staticmethod
    def forward(spec: Spec, image: Tensor, right: Tensor, down: Tensor) -> tuple[Tensor, ...]:
        return tuple(_evaluate("slopes", spec, image, right, down))

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Found:  # pyright: ignore
        raise NotImplementedError(UNKNOWN)

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Found:
        raise NotImplementedError(UNKNOWN)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, spec: Spec, *tensors: Tensor) -> Found:  # pyright: ignore
        return _folded(_Slopes, info, in_dims, spec, *tensors)


class _Adjoint(torch.autograd.Function):
    """Derivative of a weighted sum of values by the image, of weights, right, down."""

    @staticmethod
    def forward(spec: Spec, weights: Tensor, right: Tensor, down: Tensor) -> Tensor:
        (found,) = _evaluate("adjoint", spec, right, down, weights)
        return found

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        _remember(ctx, inputs)

    @staticmethod
    def backward(ctx: Context, grad: Tensor | None) -> Found:  # pyright: ignore
        if grad is None:
            return None, None, None, None
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            raise NotImplementedError(UNKNOWN)
        _, right, down = ctx.saved_tensors
        return None, _Warp.apply(ctx.spec, grad, right, down)[0], None, None

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Found:
        _, t_weights, t_right, t_down = tangents
        if t_right is not None or t_down is not None:
            raise NotImplementedError(UNKNOWN)
        _, right, down = ctx.saved_tensors
        return _Adjoint.apply(ctx.spec, t_weights, right, down)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, spec: Spec, *tensors: Tensor) -> Found:  # pyright: ignore
        return _folded(_Adjoint, info, in_dims, spec, *tensors)


def _remember(ctx: Context, inputs: Given) -> None:
    ctx.spec, *tensors = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def inputs(
    image: ArrayLike, right: ArrayLike, down: ArrayLike, valid: ArrayLike
) -> tuple[list[Tensor], np.ndarray | None]:
    """Image, right and down as tensors of the image's dtype on its device, and which pixels can be used.

    Raises
    ------
    TypeError
        If the image is no tensor, or one of these holds what a kernel cannot take.
    ValueError
        If a shape does not fit.
    """
    if not isinstance(image, Tensor):
        raise TypeError("image must be a torch tensor where the displacement is one")
    if image.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"image must be float32 or float64, got {image.dtype}")
    if image.ndim < 2 or min(image.shape[-2:]) < 4:
        raise ValueError(f"image must be (..., h, w), 4 by 4 or more, got shape {tuple(image.shape)}")
    planes = [image]
    for name, value in (("right", right), ("down", down)):
        plane = torch.as_tensor(value)
        if plane.is_complex() or plane.dtype == torch.bool:
            raise TypeError(f"{name} must hold real numbers, got {plane.dtype}")
        if plane.ndim < 2:
            raise ValueError(f"{name} must be (..., h, w), got shape {tuple(plane.shape)}")
        planes.append(plane.to(image.device, image.dtype))
    if planes[1].shape != planes[2].shape:
        raise ValueError(f"right has shape {tuple(planes[1].shape)}, but down {tuple(planes[2].shape)}")
    return planes, _known(image, valid)


def _known(image: Tensor, valid: ArrayLike) -> np.ndarray | None:
    """Which pixels can be used; None for all. Values on a device, or under a transform, are not looked at."""
    plain = image.detach()
    functorch: Any = vars(torch._C)["_functorch"]
    seen = plain.device.type == "cpu" and not functorch.is_functorch_wrapped_tensor(plain)
    finite = torch.isfinite(plain).numpy() if seen else np.ones(tuple(image.shape), bool)
    if valid is not None:
        mask = valid.detach().cpu().numpy() if isinstance(valid, Tensor) else np.asarray(valid)
        if mask.dtype != np.bool_:
            raise TypeError(f"valid must be boolean, got dtype {mask.dtype}")
        if mask.shape != tuple(image.shape):
            raise ValueError(f"valid has shape {mask.shape}, but image {tuple(image.shape)}")
        finite = finite & mask
    return None if finite.all() else finite


def filled(image: Tensor, known: np.ndarray, nearest: np.ndarray) -> Tensor:
    """The image with its unknown pixels as the nearest known ones, NaN without any."""
    index = torch.from_numpy(nearest).to(image.device)
    values = torch.gather(image.reshape(index.shape), -1, index).reshape(image.shape)
    lost = torch.from_numpy(np.asarray(~known.any((-2, -1)))).to(image.device)[..., None, None]
    return torch.where(lost, torch.nan, values)


def _flat(tensor: Tensor, lead: Sequence[int]) -> Tensor:
    """Several planes as one axis of them."""
    return tensor.expand(*lead, *tensor.shape[-2:]).reshape(-1, *tensor.shape[-2:])


def _apply(what: str, spec: Spec, lead: Sequence[int], *planes: Tensor) -> list[Tensor]:
    functions: dict[str, Rule] = {"warp": _Warp, "slopes": _Slopes, "adjoint": _Adjoint}
    found = functions[what].apply(spec, *(_flat(p, lead) for p in planes))
    return [t.reshape(*lead, *t.shape[-2:]) for t in (found if isinstance(found, tuple) else (found,))]


# Hidden from torch.compile: traced, the forward mode of a Function is silently wrong.
apply: Kernel = torch.compiler.disable(_apply)
