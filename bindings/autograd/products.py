"""Products with the matrix of Green's functions of torch tensors, without the matrix."""

# torch declares the methods of a Function for any arguments; here each names its own.
# pyright: reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false

from __future__ import annotations

from torch import Tensor

from .derivatives import Jvp, Rung, Vjp, Vjp2, added, or_zeros, second_order
from .functions import Batch, Context, Dims, Found, Given
from .kernels import Call, apply_rung, compute
from .vmap import one_by_one


class Apply(Rung):
    """(obs, src, slip (m, B)) → (Green's functions times slip (n, c),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, slip: Tensor) -> tuple[Tensor, ...]:
        if not (len(obs) and len(src)):
            return (obs.new_zeros(len(obs), call.components),)
        return compute("apply", call, (obs, src, slip))

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        obs, src, slip = ctx.saved_tensors
        if cot is None:
            return None, None, None, None
        if not any(ctx.needs_input_grad[1:3]):
            return None, None, None, apply_rung(ApplyAdjoint, ctx.call, obs, src, cot)[0]
        g_obs, g_stack = apply_rung(Vjp, ctx.call, obs, ctx.call.family.stack(src, slip), cot)
        return None, g_obs, *ctx.call.family.unstack(g_stack)

    @staticmethod
    def jvp(
        ctx: Context, _: None, t_obs: Tensor | None, t_src: Tensor | None, t_slip: Tensor | None
    ) -> Found:
        obs, src, slip = ctx.saved_tensors
        if t_obs is None and t_src is None:
            return apply_rung(Apply, ctx.call, obs, src, t_slip)
        turned = ctx.call.family.stack_tangent(or_zeros(t_src, src), or_zeros(t_slip, slip))
        return apply_rung(Jvp, ctx.call, obs, ctx.call.family.stack(src, slip), or_zeros(t_obs, obs), turned)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        return one_by_one(Apply, info, in_dims, args)


class ApplyAdjoint(Rung):
    """(obs, src, r (n, c)) → (transposed Green's functions times r (m, B),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, r: Tensor) -> tuple[Tensor, ...]:
        if not (len(obs) and len(src)):
            return (obs.new_zeros(len(src), call.family.slips),)
        return compute("apply_adjoint", call, (obs, src, r))

    @staticmethod
    def backward(ctx: Context, g: Tensor | None) -> Found:
        obs, src, r = ctx.saved_tensors
        if g is None:
            return None, None, None, None
        of_inputs: tuple[Tensor | None, Tensor | None] = (None, None)
        of_r = None
        if any(ctx.needs_input_grad[1:3]):
            g_obs, g_stack = apply_rung(Vjp, ctx.call, obs, ctx.call.family.stack(src, g), r)
            of_inputs = g_obs, ctx.call.family.unstack(g_stack)[0]
        if ctx.needs_input_grad[3]:
            (of_r,) = apply_rung(Apply, ctx.call, obs, src, g)
        return None, *of_inputs, of_r

    @staticmethod
    def jvp(ctx: Context, _: None, t_obs: Tensor | None, t_src: Tensor | None, t_r: Tensor | None) -> Found:
        obs, src, r = ctx.saved_tensors
        found: Tensor | None = None
        if t_r is not None:
            (found,) = apply_rung(ApplyAdjoint, ctx.call, obs, src, t_r)
        if t_obs is not None or t_src is not None:
            none = src.new_zeros(len(src), ctx.call.family.slips)
            turned = ctx.call.family.stack_tangent(or_zeros(t_src, src), none)
            stack = ctx.call.family.stack(src, none)
            g_stack = second_order(Vjp2, ctx.call, obs, stack, r, or_zeros(t_obs, obs), turned)[1]
            found = added(found, ctx.call.family.unstack(g_stack)[1])
        return (found,)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        return one_by_one(ApplyAdjoint, info, in_dims, args)
