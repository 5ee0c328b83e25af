"""Derivatives of torch tensors that go through a family's kernels, one function of torch for each.

The kernels give exact derivatives up to the second order, each contracted in one pass. The functions below
hand them to torch as a ladder: the derivative of one rung is the next.

    Field → Vjp (reverse), Jvp (forward) → Vjp2, Jvp2 → RuntimeError

Every rung saves its inputs and recomputes, and has a rule for `backward`, `jvp` and `vmap`, so that all
transforms of `torch.func` compose. `torch.compile` breaks its graph here: the rungs run as they are.

Poisson's ratio needs no rung: a field is exactly a + b / (1 - nu) + c (1 - nu), so a tensor `nu` becomes a
sum of three fields at fixed ratios whose weights are differentiable to any order.
"""

# torch declares the methods of a Function for any arguments; here each names its own.
# pyright: reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature
from itertools import compress
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function

from .functions import Batch, Context, Dims, Found, Given, Rule
from .kernels import Call, Family, apply_rung, summed
from .vmap import batched, fronted

Pair: TypeAlias = Sequence[Tensor | None]

NU_NODES = (0.0, 0.2, 0.4)


class Rung(Function):
    """Keeps its tensors for both modes, and `None` for derivatives that are not there."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # torch asks for it in every call; to make it takes longer than a call of a kernel for few observers.
        cls.forward.__signature__ = signature(cls.forward)  # type: ignore[attr-defined]

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        ctx.call, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.set_materialize_grads(False)


def or_zeros(derivative: Tensor | None, like: Tensor) -> Tensor:
    """A derivative, or zeros where there is none."""
    return torch.zeros_like(like) if derivative is None else derivative


def added(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The sum of two derivatives, of which one may not be there."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


class Top(Function):
    """The same numbers; a derivative through here would be the third and raises.

    The rungs of second order see observers and sources through this. Asked for a derivative with respect to a
    direction or a cotangent alone, in which they are linear, autograd does not come through here.
    """

    @staticmethod
    def forward(tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        raise no_third_order()

    @staticmethod
    def jvp(ctx: Context, tangent: Tensor | None) -> Found:
        raise no_third_order()

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, tensor: Tensor) -> Found:
        return apply_rung(Top, tensor), in_dims[0]


def no_third_order() -> RuntimeError:
    """The error of asking for what is not known."""
    return RuntimeError(
        "third derivatives of a dislocation's field were asked for; first and second ones exist. "
        'A field of="gradient" already holds the first derivative with respect to the observers.'
    )


def _not_a_derivative(*tensors: Tensor) -> list[Tensor]:
    """What a rung of second order hands to `Top`, which raises: no numbers, should it ever be left out."""
    return [torch.full_like(tensor, torch.nan) for tensor in tensors]


def second_order(
    function: Rule, call: Call, obs: Tensor, src: Tensor, *directions: Tensor
) -> tuple[Tensor, ...]:
    """A rung of second order, the top of the ladder."""
    return apply_rung(function, call, apply_rung(Top, obs), apply_rung(Top, src), *directions)


class Field(Rung):
    """(obs, src) → (field (n, c),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return summed("field", call, (obs, src))

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        if cot is None:
            return None, None, None
        wanted = tuple(compress(("obs", "src"), ctx.needs_input_grad[1:]))
        return None, *apply_rung(Vjp, replace(ctx.call, wanted=wanted), *ctx.saved_tensors, cot)

    @staticmethod
    def jvp(ctx: Context, _: None, t_obs: Tensor | None, t_src: Tensor | None) -> Found:
        obs, src = ctx.saved_tensors
        return apply_rung(Jvp, ctx.call, obs, src, or_zeros(t_obs, obs), or_zeros(t_src, src))

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        return batched(Field, "os", "o", info, in_dims, args)


class Vjp(Rung):
    """(obs, src, cot (n, c)) → gradients of sum(cot · field): (n, 3), (m, P)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, cot: Tensor) -> tuple[Tensor, ...]:
        return summed("vjp", call, (obs, src, cot))

    @staticmethod
    def backward(ctx: Context, h_obs: Tensor | None, h_src: Tensor | None) -> Found:
        obs, src, cot = ctx.saved_tensors
        if h_obs is None and h_src is None:
            return None, None, None, None
        direction = or_zeros(h_obs, obs), or_zeros(h_src, src)
        of_inputs: Pair = (None, None)
        of_cot = None
        if any(ctx.needs_input_grad[1:3]):
            of_inputs = second_order(Vjp2, ctx.call, obs, src, cot, *direction)
        if ctx.needs_input_grad[3]:
            (of_cot,) = apply_rung(Jvp, ctx.call, obs, src, *direction)
        return None, *of_inputs, of_cot

    @staticmethod
    def jvp(ctx: Context, _: None, t_obs: Tensor | None, t_src: Tensor | None, t_cot: Tensor | None) -> Found:
        obs, src, cot = ctx.saved_tensors
        found: Pair = (None, None)
        if t_cot is not None:
            found = apply_rung(Vjp, ctx.call, obs, src, t_cot)
        if t_obs is not None or t_src is not None:
            turned = second_order(Vjp2, ctx.call, obs, src, cot, or_zeros(t_obs, obs), or_zeros(t_src, src))
            found = [added(a, b) for a, b in zip(found, turned, strict=True)]
        return tuple(found)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        return batched(Vjp, "oso", "os", info, in_dims, args)


class Jvp(Rung):
    """(obs, src, t_obs, t_src) → (derivative of the field along (t_obs, t_src) (n, c),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, t_obs: Tensor, t_src: Tensor) -> tuple[Tensor, ...]:
        return summed("jvp", call, (obs, src, t_obs, t_src), 0.0)

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        obs, src, t_obs, t_src = ctx.saved_tensors
        of_inputs: Pair = (None, None)
        of_direction: Pair = (None, None)
        if cot is not None and any(ctx.needs_input_grad[1:3]):
            of_inputs = second_order(Vjp2, ctx.call, obs, src, cot, t_obs, t_src)
        if cot is not None and any(ctx.needs_input_grad[3:]):
            of_direction = apply_rung(Vjp, ctx.call, obs, src, cot)
        return None, *of_inputs, *of_direction

    @staticmethod
    def jvp(
        ctx: Context,
        _: None,
        s_obs: Tensor | None,
        s_src: Tensor | None,
        s_t_obs: Tensor | None,
        s_t_src: Tensor | None,
    ) -> Found:
        obs, src, t_obs, t_src = ctx.saved_tensors
        found: Tensor | None = None
        if s_t_obs is not None or s_t_src is not None:
            (found,) = apply_rung(Jvp, ctx.call, obs, src, or_zeros(s_t_obs, obs), or_zeros(s_t_src, src))
        if s_obs is not None or s_src is not None:
            second = or_zeros(s_obs, obs), or_zeros(s_src, src)
            found = added(found, second_order(Jvp2, ctx.call, obs, src, t_obs, t_src, *second)[0])
        return (found,)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        return batched(Jvp, "osos", "o", info, in_dims, args)


class Vjp2(Rung):
    """(obs, src, cot, t_obs, t_src) → gradients of sum(cot · Jvp) at fixed t: (n, 3), (m, P)."""

    @staticmethod
    def forward(
        call: Call, obs: Tensor, src: Tensor, cot: Tensor, t_obs: Tensor, t_src: Tensor
    ) -> tuple[Tensor, ...]:
        return summed("vjp2", call, (obs, src, cot, t_obs, t_src))

    @staticmethod
    def backward(ctx: Context, k_obs: Tensor | None, k_src: Tensor | None) -> Found:
        obs, src, cot, t_obs, t_src = ctx.saved_tensors
        if k_obs is None and k_src is None:
            return (None,) * 6
        second = or_zeros(k_obs, obs), or_zeros(k_src, src)
        of_direction: Pair = (None, None)
        of_cot = None
        if ctx.needs_input_grad[3]:
            (of_cot,) = second_order(Jvp2, ctx.call, obs, src, t_obs, t_src, *second)
        if any(ctx.needs_input_grad[4:]):
            of_direction = second_order(Vjp2, ctx.call, obs, src, cot, *second)
        return None, *_not_a_derivative(obs, src), of_cot, *of_direction

    @staticmethod
    def jvp(
        ctx: Context,
        _: None,
        s_obs: Tensor | None,
        s_src: Tensor | None,
        s_cot: Tensor | None,
        s_t_obs: Tensor | None,
        s_t_src: Tensor | None,
    ) -> Found:
        if s_obs is not None or s_src is not None:
            raise no_third_order()
        obs, src, cot, t_obs, t_src = ctx.saved_tensors
        found: Pair = (None, None)
        if s_cot is not None:
            found = second_order(Vjp2, ctx.call, obs, src, s_cot, t_obs, t_src)
        if s_t_obs is not None or s_t_src is not None:
            turned = second_order(
                Vjp2, ctx.call, obs, src, cot, or_zeros(s_t_obs, obs), or_zeros(s_t_src, src)
            )
            found = [added(a, b) for a, b in zip(found, turned, strict=True)]
        return tuple(found)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        return batched(Vjp2, "osoos", "os", info, in_dims, args)


class Jvp2(Rung):
    """(obs, src, t_obs, t_src, s_obs, s_src) → (second derivative of the field along t and s (n, c),)."""

    @staticmethod
    def forward(
        call: Call, obs: Tensor, src: Tensor, t_obs: Tensor, t_src: Tensor, s_obs: Tensor, s_src: Tensor
    ) -> tuple[Tensor, ...]:
        return summed("jvp2", call, (obs, src, t_obs, t_src, s_obs, s_src))

    @staticmethod
    def backward(ctx: Context, cot: Tensor | None) -> Found:
        obs, src, t_obs, t_src, s_obs, s_src = ctx.saved_tensors
        if cot is None:
            return (None,) * 7
        of_t: Pair = (None, None)
        of_s: Pair = (None, None)
        if any(ctx.needs_input_grad[3:5]):
            of_t = second_order(Vjp2, ctx.call, obs, src, cot, s_obs, s_src)
        if any(ctx.needs_input_grad[5:]):
            of_s = second_order(Vjp2, ctx.call, obs, src, cot, t_obs, t_src)
        return None, *_not_a_derivative(obs, src), *of_t, *of_s

    @staticmethod
    def jvp(
        ctx: Context, _: None, d_obs: Tensor | None, d_src: Tensor | None, *directions: Tensor | None
    ) -> Found:
        if d_obs is not None or d_src is not None:
            raise no_third_order()
        obs, src, *both = ctx.saved_tensors
        found: Tensor | None = None
        for kept, turned in ((both[2:], directions[:2]), (both[:2], directions[2:])):
            if turned[0] is not None or turned[1] is not None:
                other = or_zeros(turned[0], obs), or_zeros(turned[1], src)
                found = added(found, second_order(Jvp2, ctx.call, obs, src, *kept, *other)[0])
        return (found,)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, *args: Given) -> Found:
        return batched(Jvp2, "ososos", "o", info, in_dims, args)


# --- checks


class Inspect(Function):
    """Shows real numbers to a check, also below the transforms of torch.func, and returns nothing to use."""

    @staticmethod
    def forward(check: Callable[..., None], obs: Tensor, src: Tensor) -> Tensor:
        plain = [t.detach().resolve_neg().cpu().numpy() for t in (obs, src)]
        check(*plain)
        return obs.new_empty(0)

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Context, *cot: Given) -> Found:
        return None, None, None

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Found:
        return None

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, check: Callable[..., None], *tensors: Tensor) -> Found:
        obs, src = (t.flatten(0, 1) for t in fronted(tensors, in_dims[1:]))
        return apply_rung(Inspect, check, obs, src), None


# --- public


def over_nu(nu: float | Tensor, like: Tensor, function: Callable[[float], Tensor]) -> Tensor:
    """`function` of Poisson's ratio; where that is a tensor, of three fixed ratios, weighted.

    Exact for what is a combination of 1, 1 / (1 - nu) and 1 - nu, as every field and derivative is.
    A `nu` of shape (n,) goes with the rows of the result.
    """
    if not isinstance(nu, Tensor):
        return function(float(nu))
    one_minus = 1 - nu.to(like)
    nodes = [1 - node for node in NU_NODES]
    found: Tensor | None = None
    for k, node in enumerate(nodes):
        others = nodes[:k] + nodes[k + 1 :]
        scale = node / prod(node - other for other in others)
        weight = scale * (one_minus - others[0]) * (one_minus - others[1]) / one_minus
        part = function(NU_NODES[k])
        lifted = weight.reshape(weight.shape + (1,) * (part.ndim - 1)) if weight.ndim == 1 else weight
        found = added(found, lifted * part)
    assert found is not None
    return found


def run(
    function: Rule,
    family: Family,
    nu: float | Tensor,
    of: str,
    pairs: bool,
    threads: int | None,
    *tensors: Tensor,
) -> Tensor:
    """The first result of a rung for one Poisson's ratio, a number or a tensor."""

    def at(value: float) -> Tensor:
        return apply_rung(function, Call(family, value, of, pairs, threads), *tensors)[0]

    return over_nu(nu, tensors[0], at)


def top(*tensors: Tensor) -> list[Tensor]:
    """Observers and sources as a rung of second order must see them."""
    return [apply_rung(Top, tensor) for tensor in tensors]


def inspect(check: Callable[..., None], obs: Tensor, src: Tensor) -> None:
    """Call `check(obs, src)` on NumPy copies of the values, below any transform of torch.func.

    Batches of vmap arrive folded into the rows: `check` must look at rows of each array alone.
    """
    apply_rung(Inspect, check, obs, src)
