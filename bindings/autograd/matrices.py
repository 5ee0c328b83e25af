"""Green's matrices, Jacobians and Hessians of torch tensors: a number for every pair."""

# torch declares the methods of a Function for any arguments; here each names its own.
# pyright: reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from .derivatives import Jvp, Jvp2, Rung, Vjp, Vjp2, no_third_order, second_order
from .functions import Batch, Context, Dims, Found, Given, Rule
from .kernels import Call, apply_rung, compute
from .vmap import fold_rows, fronted

# Torch's older vmap knows reshape, but neither flatten nor unflatten.


def _grid(call: Call, tensor: Tensor, side: str, n: int, m: int, k: int) -> Tensor:
    """Repeat rows of observers or sources so that there is one for every pair and every one of k columns."""
    width = tensor.shape[-1]
    if call.pairs:
        return tensor.unsqueeze(1).expand(n, k, width).reshape(n * k, width)
    lifted = tensor.reshape((n, 1, 1, width) if side == "o" else (1, m, 1, width))
    return lifted.expand(n, m, k, width).reshape(n * m * k, width)


def _gather(call: Call, rows: Tensor, side: str, n: int, m: int, k: int) -> Tensor:
    """The transpose of `_grid`: sum what belongs to the same observer or source."""
    width = rows.shape[-1]
    if call.pairs:
        return rows.reshape(n, k, width).sum(1)
    return rows.reshape(n, m, k, width).sum((1, 2) if side == "o" else (0, 2))


def _columns(call: Call, rows: Tensor, n: int, m: int, k: int) -> Tensor:
    """Rows (n·m·k, c) as a matrix (n, c, m, k); (n, c, k) in pairs."""
    shape = (n, k) if call.pairs else (n, m, k)
    return rows.reshape(*shape, rows.shape[-1]).movedim(-1, 1)


def _rows(call: Call, matrix: Tensor) -> Tensor:
    """The inverse of `_columns`."""
    turned = matrix.movedim(1, -1)
    return turned.reshape(prod(turned.shape[:-1]), turned.shape[-1])


def _geometry(call: Call, src: Tensor) -> Tensor:
    """1 in the columns of a source that are geometry, 0 in those of slip."""
    mask = torch.ones(src.shape[-1], dtype=src.dtype, device=src.device)
    mask[call.family.first_slip :] = 0
    return mask


def _matrix(name: str, call: Call, obs: Tensor, src: Tensor, tail: tuple[int, ...]) -> Tensor:
    if len(obs) and len(src):
        return compute(name, call, (obs, src))[0]
    shape = (call.components,) if call.pairs else (call.components, len(src))
    return obs.new_zeros(len(obs), *shape, *tail)


def _batched_matrix(function: Rule, info: Batch, in_dims: Dims, args: Sequence[Given]) -> Found:
    """The vmap rule of matrices (n, c, m, ...): a batch of rows is a longer list of them."""
    call, *tensors = args
    size = info.batch_size
    obs, src = fronted(tensors, in_dims[1:])
    n, m = obs.shape[1], src.shape[1]
    if call.pairs:
        return fold_rows(function, call, (obs, src), size)[0], 0
    if in_dims[2] is None:
        return apply_rung(function, call, obs.flatten(0, 1), src[0])[0].unflatten(0, (size, n)), 0
    if in_dims[1] is None:
        return apply_rung(function, call, obs[0], src.flatten(0, 1))[0].unflatten(2, (size, m)), 2
    return torch.stack([apply_rung(function, call, obs[b], src[b])[0] for b in range(size)]), 0


class Greens(Rung):
    """(obs, src) → (fields of unit slips (n, c, m, B),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("greens", call, obs, src, (call.family.slips,)),)

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        if cot is None:
            return None, None, None
        size, rows = Greens.spread(ctx)
        g_obs, g_src = apply_rung(Vjp, replace(ctx.call, pairs=True), *rows, _rows(ctx.call, cot))
        g_src = _gather(ctx.call, g_src, "s", *size) * _geometry(ctx.call, g_src)
        return None, _gather(ctx.call, g_obs, "o", *size), g_src

    @staticmethod
    def jvp(ctx: Context, _: None, t_obs: Tensor | None, t_src: Tensor | None) -> Found:
        size, (obs, src) = Greens.spread(ctx)
        tangent = [torch.zeros_like(obs), torch.zeros_like(src)]
        if t_obs is not None:
            tangent[0] = _grid(ctx.call, t_obs, "o", *size)
        if t_src is not None:
            tangent[1] = _grid(ctx.call, t_src * _geometry(ctx.call, t_src), "s", *size)
        rows = apply_rung(Jvp, replace(ctx.call, pairs=True), obs, src, *tangent)[0]
        return (_columns(ctx.call, rows, *size),)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        found, dim = _batched_matrix(Greens, info, in_dims, args)
        return (found,), (dim,)

    @staticmethod
    def spread(ctx: Context) -> tuple[tuple[int, int, int], tuple[Tensor, Tensor]]:
        """Every pair of observer and unit slip as a row."""
        obs, src = ctx.saved_tensors
        size = len(obs), len(src), ctx.call.family.slips
        units = ctx.call.family.unit_slips(src)
        rows = _grid(ctx.call, src * _geometry(ctx.call, src), "s", *size)
        rows = rows.unflatten(0, (-1, len(units))) + units
        return size, (_grid(ctx.call, obs, "o", *size), rows.flatten(0, 1))


class Jacobian(Rung):
    """(obs, src) → (derivatives with respect to the source's parameters (n, c, m, P),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("jacobian", call, obs, src, (call.family.parameters,)),)

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        if cot is None:
            return None, None, None
        size, (obs, src, *direction) = Jacobian.spread(ctx)
        pairs = replace(ctx.call, pairs=True)
        g_obs, g_src = second_order(Vjp2, pairs, obs, src, _rows(ctx.call, cot), *direction)
        return None, _gather(ctx.call, g_obs, "o", *size), _gather(ctx.call, g_src, "s", *size)

    @staticmethod
    def jvp(ctx: Context, _: None, t_obs: Tensor | None, t_src: Tensor | None) -> Found:
        size, (obs, src, *direction) = Jacobian.spread(ctx)
        tangent = [torch.zeros_like(obs), torch.zeros_like(src)]
        if t_obs is not None:
            tangent[0] = _grid(ctx.call, t_obs, "o", *size)
        if t_src is not None:
            tangent[1] = _grid(ctx.call, t_src, "s", *size)
        rows = second_order(Jvp2, replace(ctx.call, pairs=True), obs, src, *direction, *tangent)[0]
        return (_columns(ctx.call, rows, *size),)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        found, dim = _batched_matrix(Jacobian, info, in_dims, args)
        return (found,), (dim,)

    @staticmethod
    def spread(ctx: Context) -> tuple[tuple[int, int, int], tuple[Tensor, ...]]:
        """Every pair of observer and parameter as a row (obs, src, direction)."""
        obs, src = ctx.saved_tensors
        size = len(obs), len(src), ctx.call.family.parameters
        rows = _grid(ctx.call, obs, "o", *size), _grid(ctx.call, src, "s", *size)
        axes = torch.eye(size[2], src.shape[1], dtype=src.dtype, device=src.device)
        axes = axes.repeat(len(rows[0]) // size[2], 1)
        return size, (*rows, torch.zeros_like(rows[0]), axes)


class Hessian(Rung):
    """(obs, src) → (second derivatives with respect to the source's parameters (n, c, m, P, P),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("hessian", call, obs, src, (call.family.parameters,) * 2),)

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        raise no_third_order()

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Found:
        raise no_third_order()

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        found, dim = _batched_matrix(Hessian, info, in_dims, args)
        return (found,), (dim,)
