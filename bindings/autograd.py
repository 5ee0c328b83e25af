"""What makes a torch tensor that goes through the Okada kernels differentiable.

The kernels give exact derivatives up to the second order, each contracted in one pass. The functions below
hand them to torch as a ladder: the derivative of one rung is the next.

    Field → Vjp (reverse), Jvp (forward) → Vjp2, Jvp2 → RuntimeError

Every rung saves its inputs and recomputes, and has a rule for `backward`, `jvp` and `vmap`, so that all
transforms of `torch.func` compose. `torch.compile` breaks its graph here: the rungs run as they are.

Poisson's ratio needs no rung: a field is exactly a + b / (1 - nu) + c (1 - nu), so a tensor `nu` becomes a
sum of three fields at fixed ratios whose weights are differentiable to any order.

Shapes are those of the kernels: obs (n, 3), src (m, P), field (n, c); c is 3 for `of="displacement"`, 9 for
"gradient" (row-major ∂uᵢ/∂xⱼ) and 12 for "both". All tensors share one dtype, float64 or float32, and one
device.
"""

# torch declares the methods of a Function for any arguments; here each names its own.
# pyright: reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from . import backends

Pair: TypeAlias = Sequence[Tensor | None]

NU_NODES = (0.0, 0.2, 0.4)
COMPONENTS = {"displacement": 3, "gradient": 9, "both": 12}
# First slip column (rake) of a source's row, and the number of its slip components.
SLIP_COLUMN = {"rectangle": 7, "point": 5}
SLIPS = {"rectangle": 3, "point": 4}
RECTANGLE = 10
# A vmapped call is folded into rows of at most this many source-observer pairs.
ROWS = 1 << 15


@dataclass(frozen=True)
class Call:
    """What a kernel is told besides its arrays."""

    kind: str
    nu: float
    origin: tuple[float, float]
    of: str
    pairs: bool
    threads: int | None

    @property
    def components(self) -> int:
        return COMPONENTS[self.of]


# --- kernels


def _array(tensor: Tensor) -> Any:
    """The same numbers as a C-contiguous NumPy or CuPy array, copied only where the layout asks for it."""
    plain = tensor.detach().resolve_neg().contiguous()
    if plain.device.type == "cpu":
        return plain.numpy()
    import cupy

    return cupy.from_dlpack(plain)


def _tensor(array: Any, device: torch.device) -> Tensor:
    return torch.from_numpy(array) if device.type == "cpu" else torch.from_dlpack(array)


@contextmanager
def _stream(device: torch.device) -> Iterator[None]:
    """Work that CuPy starts inside goes to the tensors' device and follows torch's current stream."""
    if device.type == "cpu":
        yield
        return
    import cupy

    stream = cupy.cuda.Stream.from_external(torch.cuda.current_stream(device))
    with cupy.cuda.Device(device.index), stream:
        yield


def _module(tensors: Sequence[Tensor]) -> Any:
    """The backend that serves these tensors, after a look at what they are."""
    first = tensors[0]
    for tensor in tensors:
        if tensor.dtype != first.dtype or tensor.device != first.device:
            raise TypeError(
                "all tensors must share one dtype and one device, "
                f"got {first.dtype} on {first.device} and {tensor.dtype} on {tensor.device}"
            )
    if first.dtype not in (torch.float64, torch.float32):
        raise TypeError(f"tensors must be float64 or float32, got {first.dtype}")
    if first.device.type not in ("cpu", "cuda"):
        raise TypeError(f"tensors must be on the CPU or on a CUDA device, got {first.device}")
    return backends.load("numba" if first.device.type == "cpu" else "cupy")


def _call_kernel(name: str, call: Call, tensors: Sequence[Tensor], *last: Any) -> tuple[Tensor, ...]:
    module = _module(tensors)
    device = tensors[0].device
    with _stream(device):
        arrays = [_array(tensor) for tensor in tensors]
        launch = _launch_dc3d if call.kind == "dc3d" else _launch
        found = launch(module, name, call, arrays, last)
        return tuple(_tensor(array, device) for array in found)


def _launch(module: Any, name: str, call: Call, arrays: Sequence[Any], last: Sequence[Any]) -> Sequence[Any]:
    obs, src, *rest = arrays
    static: tuple[Any, ...] = (call.nu, call.origin, call.of, call.pairs)
    if name in ("apply", "apply_adjoint"):
        static = static[:3]
    elif name == "field" and call.of == "both":
        name, static = "field_both", (call.nu, call.origin, call.pairs)
    found = getattr(module, name)(call.kind, obs, src, *static, *rest, *last, threads=call.threads)
    # The derivative with respect to nu, a float, comes through `over_nu` instead.
    return [array for array in found if not isinstance(array, float)] if isinstance(found, tuple) else [found]


def _launch_dc3d(
    module: Any, name: str, call: Call, arrays: Sequence[Any], last: Sequence[Any]
) -> Sequence[Any]:
    """Rectangles that hold their edges in columns of their own, in their own frame (CPU).

    Values come from the edges as they are, derivatives from a reference point that differs between sources.
    """
    obs, src, *rest = arrays
    if name == "field":
        return [_dc3d_values(module, call, obs, src)]
    al1, _, _, aw2 = src[:, RECTANGLE:].T
    length, width = src[:, 3:5].T
    part = replace(call, kind="rectangle", origin=(-al1 / length, aw2 / width))
    cut = [np.ascontiguousarray(a[:, :RECTANGLE]) if a.shape[1] == src.shape[1] else a for a in (src, *rest)]
    found = _launch(module, name, part, [obs, *cut], last)
    padding = ((0, 0), (0, src.shape[1] - RECTANGLE))
    return [np.pad(a, padding) if a.shape[1] == RECTANGLE else a for a in found]


def _dc3d_values(module: Any, call: Call, obs: Any, src: Any) -> Any:
    """Sum over sources of a kernel that works row by row; slip is along strike or down dip."""
    columns = {"displacement": slice(3), "gradient": slice(3, 12), "both": slice(12)}[call.of]
    rows = [src] if call.pairs else [np.broadcast_to(row, (len(obs), len(row))) for row in src]
    out = np.zeros((len(obs), call.components), obs.dtype)
    for row in rows:
        depth, dip, rake, slip, opening = (row[:, k] for k in (2, 6, 7, 8, 9))
        slips = np.stack([np.where(rake == 0, slip, 0), np.where(rake == 0, 0, slip), opening], 1)
        edges = row[:, RECTANGLE:].T
        found = module.dc3d(*obs.T, depth, dip, *edges, slips, call.nu, threads=call.threads)
        out += found[:, columns]
    return out


def _older_vmap_level() -> int:
    """How deep in torch's older vmap we are.

    `torch.autograd.grad(is_grads_batched=True)`, `functional.jacobian(vectorize=True)` and `gradcheck` still
    use it; it does not know the vmap rule of a Function and hands its batched tensors to `forward`.
    """
    torch._C._vmapmode_increment_nesting()
    return torch._C._vmapmode_decrement_nesting()


def _call_one_by_one(
    level: int, name: str, call: Call, tensors: Sequence[Tensor], *last: Any
) -> tuple[Tensor, ...]:
    """Take the batch of the older vmap off, call the kernel for each member, put the batch back on."""
    if not level:
        return _call_kernel(name, call, tensors, *last)
    fronted = [torch._remove_batch_dim(t, level, 1, 0) for t in tensors]
    size = max(map(len, fronted))
    found = [
        _call_one_by_one(level - 1, name, call, [t[b if len(t) > 1 else 0] for t in fronted], *last)
        for b in range(size)
    ]
    if size == 1:
        return found[0]
    return tuple(torch._add_batch_dim(torch.stack(outs), 0, level) for outs in zip(*found, strict=True))


def _evaluate(name: str, call: Call, tensors: Sequence[Tensor], *last: Any) -> tuple[Tensor, ...]:
    """Run kernel `name` on (obs, src, ...); `last` are arguments that are no tensors."""
    return _call_one_by_one(_older_vmap_level(), name, call, tensors, *last)


def _compute(name: str, call: Call, tensors: Sequence[Tensor], *last: Any) -> tuple[Tensor, ...]:
    """`_evaluate`, and derivatives of displacement and gradient together from those of each."""
    if call.of != "both" or name == "field":
        return _evaluate(name, call, tensors, *last)
    parts = [replace(call, of="displacement"), replace(call, of="gradient")]
    if name not in ("vjp", "vjp2"):
        found = [_evaluate(name, part, tensors, *last)[0] for part in parts]
        return (torch.cat(found, 1),)
    obs, src, cot, *rest = tensors
    cots = cot.split([3, 9], 1)
    sums = [_evaluate(name, part, (obs, src, c, *rest), *last) for part, c in zip(parts, cots, strict=True)]
    return tuple(a + b for a, b in zip(*sums, strict=True))


def _summed(name: str, call: Call, tensors: Sequence[Tensor], *last: Any) -> tuple[Tensor, ...]:
    """A sum over sources (rows per observer) or over observers (rows per source); zeros of nothing."""
    obs, src = tensors[:2]
    if len(obs) and len(src):
        return _compute(name, call, tensors, *last)
    if name in ("vjp", "vjp2"):
        return obs.new_zeros(obs.shape), src.new_zeros(src.shape)
    return (obs.new_zeros(len(obs), call.components),)


def _apply(function: Any, *args: Any) -> Any:
    return function.apply(*args)


# Hidden from torch.compile: traced, the forward mode of a Function is silently wrong.
_run: Callable[..., Any] = torch.compiler.disable(_apply)


# --- vmap


def _fronted(tensors: Sequence[Tensor], dims: Sequence[int | None]) -> list[Tensor]:
    return [t.unsqueeze(0) if d is None else t.movedim(d, 0) for t, d in zip(tensors, dims, strict=True)]


def _fold_rows(function: Any, call: Call, tensors: Sequence[Tensor], size: int) -> list[Tensor]:
    """A batch of calls whose rows do not meet: one call of size times as many rows."""
    n = tensors[0].shape[1]
    rows = [t.expand(size, *t.shape[1:]).flatten(0, 1) for t in tensors]
    return [out.unflatten(0, (size, n)) for out in _run(function, call, *rows)]


def _fold_pairs(
    function: Any, call: Call, sides: str, gives: str, tensors: Sequence[Tensor], size: int
) -> list[Tensor]:
    """A batch of calls that sum over sources or observers: every pair one row, summed afterwards."""
    n, m = tensors[0].shape[1], tensors[1].shape[1]
    axis = {"o": 2, "s": 1}
    rows = [
        t.unsqueeze(axis[side]).expand(size, n, m, t.shape[-1]).flatten(0, 2)
        for t, side in zip(tensors, sides, strict=True)
    ]
    found = _run(function, replace(call, pairs=True), *rows)
    return [out.unflatten(0, (size, n, m)).sum(axis[side]) for out, side in zip(found, gives, strict=True)]


def _chunk(tensors: Sequence[Tensor], start: int, stop: int) -> list[Tensor]:
    return [t if len(t) == 1 else t[start:stop] for t in tensors]


def _fold_chunks(
    function: Any, call: Call, sides: str, gives: str, tensors: Sequence[Tensor], size: int
) -> list[Tensor]:
    """Large calls one after another, small ones together."""
    pairs = tensors[0].shape[1] * tensors[1].shape[1]
    step = max(1, ROWS // max(1, pairs))
    found: list[Sequence[Tensor]] = []
    for start in range(0, size, step):
        part = _chunk(tensors, start, min(start + step, size))
        count = min(step, size - start)
        if count == 1:
            found.append([out.unsqueeze(0) for out in _run(function, call, *(t[0] for t in part))])
        else:
            found.append(_fold_pairs(function, call, sides, gives, part, count))
    return [torch.cat(outs) for outs in zip(*found, strict=True)]


def _fold_observers(
    function: Any, call: Call, sides: str, tensors: Sequence[Tensor], size: int
) -> list[Tensor]:
    """A batch of observers over the same sources is one longer list of observers."""
    n = tensors[0].shape[1]
    rows = [
        t.expand(size, *t.shape[1:]).flatten(0, 1) if side == "o" else t[0]
        for t, side in zip(tensors, sides, strict=True)
    ]
    return [out.unflatten(0, (size, n)) for out in _run(function, call, *rows)]


def _batched(
    function: Any, sides: str, gives: str, info: Any, in_dims: Sequence[int | None], args: Sequence[Any]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """The vmap rule of a function of tensors with a row per observer ("o") or per source ("s")."""
    call, *tensors = args
    dims = in_dims[1:]
    size = info.batch_size
    fronted = _fronted(tensors, dims)
    shared_sources = all(d is None for d, side in zip(dims, sides, strict=True) if side == "s")
    if call.pairs:
        found = _fold_rows(function, call, fronted, size)
    elif shared_sources and gives == "o":
        found = _fold_observers(function, call, sides, fronted, size)
    else:
        found = _fold_chunks(function, call, sides, gives, fronted, size)
    return tuple(found), (0,) * len(gives)


# --- the ladder


class _Rung(Function):
    """Keeps its tensors for both modes, and `None` for derivatives that are not there."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.call, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.set_materialize_grads(False)


def _or_zeros(derivative: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if derivative is None else derivative


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
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
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        raise _no_third_order()

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor | None) -> Any:
        raise _no_third_order()

    @staticmethod
    def vmap(info: Any, in_dims: Any, tensor: Tensor) -> Any:
        return _run(Top, tensor), in_dims[0]


def _no_third_order() -> RuntimeError:
    return RuntimeError(
        "third derivatives of an Okada field were asked for; first and second ones exist. "
        'A field of="gradient" already holds the first derivative with respect to the observers.'
    )


def _not_a_derivative(*tensors: Tensor) -> list[Tensor]:
    """What a rung of second order hands to `Top`, which raises: no numbers, should it ever be left out."""
    return [torch.full_like(tensor, torch.nan) for tensor in tensors]


def _second(function: Any, call: Call, obs: Tensor, src: Tensor, *directions: Tensor) -> tuple[Tensor, ...]:
    """A rung of second order, the top of the ladder."""
    return _run(function, call, _run(Top, obs), _run(Top, src), *directions)


class Field(_Rung):
    """(obs, src) → (field (n, c),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return _summed("field", call, (obs, src))

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        if cot is None:
            return None, None, None
        return None, *_run(Vjp, ctx.call, *ctx.saved_tensors, cot)

    @staticmethod
    def jvp(ctx: Any, _: Any, t_obs: Tensor | None, t_src: Tensor | None) -> Any:
        obs, src = ctx.saved_tensors
        return _run(Jvp, ctx.call, obs, src, _or_zeros(t_obs, obs), _or_zeros(t_src, src))

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _batched(Field, "os", "o", info, in_dims, args)


class Vjp(_Rung):
    """(obs, src, cot (n, c)) → gradients of sum(cot · field): (n, 3), (m, P)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, cot: Tensor) -> tuple[Tensor, ...]:
        return _summed("vjp", call, (obs, src, cot))

    @staticmethod
    def backward(ctx: Any, h_obs: Tensor | None, h_src: Tensor | None) -> Any:
        obs, src, cot = ctx.saved_tensors
        if h_obs is None and h_src is None:
            return None, None, None, None
        direction = _or_zeros(h_obs, obs), _or_zeros(h_src, src)
        of_inputs: Pair = (None, None)
        of_cot = None
        if any(ctx.needs_input_grad[1:3]):
            of_inputs = _second(Vjp2, ctx.call, obs, src, cot, *direction)
        if ctx.needs_input_grad[3]:
            (of_cot,) = _run(Jvp, ctx.call, obs, src, *direction)
        return None, *of_inputs, of_cot

    @staticmethod
    def jvp(ctx: Any, _: Any, t_obs: Tensor | None, t_src: Tensor | None, t_cot: Tensor | None) -> Any:
        obs, src, cot = ctx.saved_tensors
        found: Pair = (None, None)
        if t_cot is not None:
            found = _run(Vjp, ctx.call, obs, src, t_cot)
        if t_obs is not None or t_src is not None:
            turned = _second(Vjp2, ctx.call, obs, src, cot, _or_zeros(t_obs, obs), _or_zeros(t_src, src))
            found = [_sum(a, b) for a, b in zip(found, turned, strict=True)]
        return tuple(found)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _batched(Vjp, "oso", "os", info, in_dims, args)


class Jvp(_Rung):
    """(obs, src, t_obs, t_src) → (derivative of the field along (t_obs, t_src) (n, c),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, t_obs: Tensor, t_src: Tensor) -> tuple[Tensor, ...]:
        return _summed("jvp", call, (obs, src, t_obs, t_src), 0.0)

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        obs, src, t_obs, t_src = ctx.saved_tensors
        of_inputs: Pair = (None, None)
        of_direction: Pair = (None, None)
        if cot is not None and any(ctx.needs_input_grad[1:3]):
            of_inputs = _second(Vjp2, ctx.call, obs, src, cot, t_obs, t_src)
        if cot is not None and any(ctx.needs_input_grad[3:]):
            of_direction = _run(Vjp, ctx.call, obs, src, cot)
        return None, *of_inputs, *of_direction

    @staticmethod
    def jvp(
        ctx: Any,
        _: Any,
        s_obs: Tensor | None,
        s_src: Tensor | None,
        s_t_obs: Tensor | None,
        s_t_src: Tensor | None,
    ) -> Any:
        obs, src, t_obs, t_src = ctx.saved_tensors
        found: Tensor | None = None
        if s_t_obs is not None or s_t_src is not None:
            (found,) = _run(Jvp, ctx.call, obs, src, _or_zeros(s_t_obs, obs), _or_zeros(s_t_src, src))
        if s_obs is not None or s_src is not None:
            second = _or_zeros(s_obs, obs), _or_zeros(s_src, src)
            found = _sum(found, _second(Jvp2, ctx.call, obs, src, t_obs, t_src, *second)[0])
        return (found,)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _batched(Jvp, "osos", "o", info, in_dims, args)


class Vjp2(_Rung):
    """(obs, src, cot, t_obs, t_src) → gradients of sum(cot · Jvp) at fixed t: (n, 3), (m, P)."""

    @staticmethod
    def forward(
        call: Call, obs: Tensor, src: Tensor, cot: Tensor, t_obs: Tensor, t_src: Tensor
    ) -> tuple[Tensor, ...]:
        return _summed("vjp2", call, (obs, src, cot, t_obs, t_src))

    @staticmethod
    def backward(ctx: Any, k_obs: Tensor | None, k_src: Tensor | None) -> Any:
        obs, src, cot, t_obs, t_src = ctx.saved_tensors
        if k_obs is None and k_src is None:
            return (None,) * 6
        second = _or_zeros(k_obs, obs), _or_zeros(k_src, src)
        of_direction: Pair = (None, None)
        of_cot = None
        if ctx.needs_input_grad[3]:
            (of_cot,) = _second(Jvp2, ctx.call, obs, src, t_obs, t_src, *second)
        if any(ctx.needs_input_grad[4:]):
            of_direction = _second(Vjp2, ctx.call, obs, src, cot, *second)
        return None, *_not_a_derivative(obs, src), of_cot, *of_direction

    @staticmethod
    def jvp(ctx: Any, _: Any, s_obs: Any, s_src: Any, s_cot: Any, s_t_obs: Any, s_t_src: Any) -> Any:
        if s_obs is not None or s_src is not None:
            raise _no_third_order()
        obs, src, cot, t_obs, t_src = ctx.saved_tensors
        found: Pair = (None, None)
        if s_cot is not None:
            found = _second(Vjp2, ctx.call, obs, src, s_cot, t_obs, t_src)
        if s_t_obs is not None or s_t_src is not None:
            turned = _second(Vjp2, ctx.call, obs, src, cot, _or_zeros(s_t_obs, obs), _or_zeros(s_t_src, src))
            found = [_sum(a, b) for a, b in zip(found, turned, strict=True)]
        return tuple(found)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _batched(Vjp2, "osoos", "os", info, in_dims, args)


class Jvp2(_Rung):
    """(obs, src, t_obs, t_src, s_obs, s_src) → (second derivative of the field along t and s (n, c),)."""

    @staticmethod
    def forward(
        call: Call, obs: Tensor, src: Tensor, t_obs: Tensor, t_src: Tensor, s_obs: Tensor, s_src: Tensor
    ) -> tuple[Tensor, ...]:
        return _summed("jvp2", call, (obs, src, t_obs, t_src, s_obs, s_src))

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        obs, src, t_obs, t_src, s_obs, s_src = ctx.saved_tensors
        if cot is None:
            return (None,) * 7
        of_t: Pair = (None, None)
        of_s: Pair = (None, None)
        if any(ctx.needs_input_grad[3:5]):
            of_t = _second(Vjp2, ctx.call, obs, src, cot, s_obs, s_src)
        if any(ctx.needs_input_grad[5:]):
            of_s = _second(Vjp2, ctx.call, obs, src, cot, t_obs, t_src)
        return None, *_not_a_derivative(obs, src), *of_t, *of_s

    @staticmethod
    def jvp(ctx: Any, _: Any, d_obs: Any, d_src: Any, *directions: Tensor | None) -> Any:
        if d_obs is not None or d_src is not None:
            raise _no_third_order()
        obs, src, *both = ctx.saved_tensors
        found: Tensor | None = None
        for kept, turned in ((both[2:], directions[:2]), (both[:2], directions[2:])):
            if turned[0] is not None or turned[1] is not None:
                other = _or_zeros(turned[0], obs), _or_zeros(turned[1], src)
                found = _sum(found, _second(Jvp2, ctx.call, obs, src, *kept, *other)[0])
        return (found,)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _batched(Jvp2, "ososos", "o", info, in_dims, args)


# --- matrices


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
    mask[SLIP_COLUMN[call.kind] :] = 0
    return mask


def _unit_slips(call: Call, src: Tensor) -> Tensor:
    """(B, P): the slip columns of a source of unit strike-slip, dip-slip, opening (and inflation)."""
    first, count = SLIP_COLUMN[call.kind], SLIPS[call.kind]
    units = torch.zeros(count, src.shape[-1], dtype=src.dtype, device=src.device)
    units[0, first + 1] = 1
    units[1, first], units[1, first + 1] = 90, 1
    for slip in range(2, count):
        units[slip, first + slip] = 1
    return units


def _matrix(name: str, call: Call, obs: Tensor, src: Tensor, tail: tuple[int, ...]) -> Tensor:
    if len(obs) and len(src):
        return _compute(name, call, (obs, src))[0]
    shape = (call.components,) if call.pairs else (call.components, len(src))
    return obs.new_zeros(len(obs), *shape, *tail)


def _batched_matrix(function: Any, info: Any, in_dims: Sequence[int | None], args: Sequence[Any]) -> Any:
    """The vmap rule of matrices (n, c, m, ...): a batch of rows is a longer list of them."""
    call, *tensors = args
    size = info.batch_size
    obs, src = _fronted(tensors, in_dims[1:])
    n, m = obs.shape[1], src.shape[1]
    if call.pairs:
        return _fold_rows(function, call, (obs, src), size)[0], 0
    if in_dims[2] is None:
        return _run(function, call, obs.flatten(0, 1), src[0])[0].unflatten(0, (size, n)), 0
    if in_dims[1] is None:
        return _run(function, call, obs[0], src.flatten(0, 1))[0].unflatten(2, (size, m)), 2
    return torch.stack([_run(function, call, obs[b], src[b])[0] for b in range(size)]), 0


class Greens(_Rung):
    """(obs, src) → (fields of unit slips (n, c, m, B),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("greens", call, obs, src, (SLIPS[call.kind],)),)

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        if cot is None:
            return None, None, None
        size, rows = Greens.spread(ctx)
        g_obs, g_src = _run(Vjp, replace(ctx.call, pairs=True), *rows, _rows(ctx.call, cot))
        g_src = _gather(ctx.call, g_src, "s", *size) * _geometry(ctx.call, g_src)
        return None, _gather(ctx.call, g_obs, "o", *size), g_src

    @staticmethod
    def jvp(ctx: Any, _: Any, t_obs: Tensor | None, t_src: Tensor | None) -> Any:
        size, (obs, src) = Greens.spread(ctx)
        tangent = [torch.zeros_like(obs), torch.zeros_like(src)]
        if t_obs is not None:
            tangent[0] = _grid(ctx.call, t_obs, "o", *size)
        if t_src is not None:
            tangent[1] = _grid(ctx.call, t_src * _geometry(ctx.call, t_src), "s", *size)
        rows = _run(Jvp, replace(ctx.call, pairs=True), obs, src, *tangent)[0]
        return (_columns(ctx.call, rows, *size),)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        found, dim = _batched_matrix(Greens, info, in_dims, args)
        return (found,), (dim,)

    @staticmethod
    def spread(ctx: Any) -> tuple[tuple[int, int, int], tuple[Tensor, Tensor]]:
        """Every pair of observer and unit slip as a row."""
        obs, src = ctx.saved_tensors
        size = len(obs), len(src), SLIPS[ctx.call.kind]
        units = _unit_slips(ctx.call, src)
        rows = _grid(ctx.call, src * _geometry(ctx.call, src), "s", *size)
        rows = rows.unflatten(0, (-1, len(units))) + units
        return size, (_grid(ctx.call, obs, "o", *size), rows.flatten(0, 1))


class Jacobian(_Rung):
    """(obs, src) → (derivatives with respect to the source's parameters (n, c, m, P),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("jacobian", call, obs, src, (src.shape[1],)),)

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        if cot is None:
            return None, None, None
        size, (obs, src, *direction) = Jacobian.spread(ctx)
        pairs = replace(ctx.call, pairs=True)
        g_obs, g_src = _second(Vjp2, pairs, obs, src, _rows(ctx.call, cot), *direction)
        return None, _gather(ctx.call, g_obs, "o", *size), _gather(ctx.call, g_src, "s", *size)

    @staticmethod
    def jvp(ctx: Any, _: Any, t_obs: Tensor | None, t_src: Tensor | None) -> Any:
        size, (obs, src, *direction) = Jacobian.spread(ctx)
        tangent = [torch.zeros_like(obs), torch.zeros_like(src)]
        if t_obs is not None:
            tangent[0] = _grid(ctx.call, t_obs, "o", *size)
        if t_src is not None:
            tangent[1] = _grid(ctx.call, t_src, "s", *size)
        rows = _second(Jvp2, replace(ctx.call, pairs=True), obs, src, *direction, *tangent)[0]
        return (_columns(ctx.call, rows, *size),)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        found, dim = _batched_matrix(Jacobian, info, in_dims, args)
        return (found,), (dim,)

    @staticmethod
    def spread(ctx: Any) -> tuple[tuple[int, int, int], tuple[Tensor, ...]]:
        """Every pair of observer and parameter as a row (obs, src, direction)."""
        obs, src = ctx.saved_tensors
        size = len(obs), len(src), src.shape[1]
        rows = _grid(ctx.call, obs, "o", *size), _grid(ctx.call, src, "s", *size)
        axes = torch.eye(size[2], dtype=src.dtype, device=src.device).repeat(len(rows[0]) // size[2], 1)
        return size, (*rows, torch.zeros_like(rows[0]), axes)


class Hessian(_Rung):
    """(obs, src) → (second derivatives with respect to the source's parameters (n, c, m, P, P),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("hessian", call, obs, src, (src.shape[1],) * 2),)

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        raise _no_third_order()

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise _no_third_order()

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        found, dim = _batched_matrix(Hessian, info, in_dims, args)
        return (found,), (dim,)


# --- products with the matrix of Green's functions


def _stack(call: Call, src: Tensor, slip: Tensor, rake: float = 90.0) -> Tensor:
    """(2m, P): m sources at rake 0 with strike-slip, opening and inflation, m at `rake` with dip-slip.

    Their field is the product of the Green's functions with `slip` (m, B), exact and differentiable where a
    pair of rake and size of slip is not: at slip zero.
    """
    first = SLIP_COLUMN[call.kind]
    zero = torch.zeros_like(slip[:, :1])
    along = torch.cat([src[:, :first], zero, slip[:, :1], slip[:, 2:]], 1)
    down = torch.cat([src[:, :first], zero + rake, slip[:, 1:2], torch.zeros_like(slip[:, 2:])], 1)
    return torch.cat([along, down])


def _unstack(call: Call, g: Tensor) -> tuple[Tensor, Tensor]:
    """The transpose of `_stack`: gradients with respect to the sources (m, P) and the slip (m, B)."""
    first = SLIP_COLUMN[call.kind]
    along, down = g.chunk(2)
    geometry = along[:, :first] + down[:, :first]
    g_src = torch.cat([geometry, torch.zeros_like(along[:, first:])], 1)
    size = along[:, first + 1 : first + 2], down[:, first + 1 : first + 2], along[:, first + 2 :]
    return g_src, torch.cat(size, 1)


class Apply(_Rung):
    """(obs, src, slip (m, B)) → (Green's functions times slip (n, c),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, slip: Tensor) -> tuple[Tensor, ...]:
        if not (len(obs) and len(src)):
            return (obs.new_zeros(len(obs), call.components),)
        return _compute("apply", call, (obs, src, slip))

    @staticmethod
    def backward(ctx: Any, cot: Tensor | None) -> Any:
        obs, src, slip = ctx.saved_tensors
        if cot is None:
            return None, None, None, None
        if not any(ctx.needs_input_grad[1:3]):
            return None, None, None, _run(ApplyAdjoint, ctx.call, obs, src, cot)[0]
        g_obs, g_stack = _run(Vjp, ctx.call, obs, _stack(ctx.call, src, slip), cot)
        return None, g_obs, *_unstack(ctx.call, g_stack)

    @staticmethod
    def jvp(ctx: Any, _: Any, t_obs: Tensor | None, t_src: Tensor | None, t_slip: Tensor | None) -> Any:
        obs, src, slip = ctx.saved_tensors
        if t_obs is None and t_src is None:
            return _run(Apply, ctx.call, obs, src, t_slip)
        turned = _stack(ctx.call, _or_zeros(t_src, src), _or_zeros(t_slip, slip), rake=0.0)
        return _run(Jvp, ctx.call, obs, _stack(ctx.call, src, slip), _or_zeros(t_obs, obs), turned)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _one_by_one(Apply, info, in_dims, args)


class ApplyAdjoint(_Rung):
    """(obs, src, r (n, c)) → (transposed Green's functions times r (m, B),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, r: Tensor) -> tuple[Tensor, ...]:
        if not (len(obs) and len(src)):
            return (obs.new_zeros(len(src), SLIPS[call.kind]),)
        return _compute("apply_adjoint", call, (obs, src, r))

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> Any:
        obs, src, r = ctx.saved_tensors
        if g is None:
            return None, None, None, None
        of_inputs: tuple[Tensor | None, Tensor | None] = (None, None)
        of_r = None
        if any(ctx.needs_input_grad[1:3]):
            g_obs, g_stack = _run(Vjp, ctx.call, obs, _stack(ctx.call, src, g), r)
            of_inputs = g_obs, _unstack(ctx.call, g_stack)[0]
        if ctx.needs_input_grad[3]:
            (of_r,) = _run(Apply, ctx.call, obs, src, g)
        return None, *of_inputs, of_r

    @staticmethod
    def jvp(ctx: Any, _: Any, t_obs: Tensor | None, t_src: Tensor | None, t_r: Tensor | None) -> Any:
        obs, src, r = ctx.saved_tensors
        found: Tensor | None = None
        if t_r is not None:
            (found,) = _run(ApplyAdjoint, ctx.call, obs, src, t_r)
        if t_obs is not None or t_src is not None:
            none = src.new_zeros(len(src), SLIPS[ctx.call.kind])
            turned = _stack(ctx.call, _or_zeros(t_src, src), none, rake=0.0)
            stack = _stack(ctx.call, src, none)
            g_stack = _second(Vjp2, ctx.call, obs, stack, r, _or_zeros(t_obs, obs), turned)[1]
            found = _sum(found, _unstack(ctx.call, g_stack)[1])
        return (found,)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _one_by_one(ApplyAdjoint, info, in_dims, args)


def _one_by_one(function: Any, info: Any, in_dims: Sequence[int | None], args: Sequence[Any]) -> Any:
    call, *tensors = args
    fronted = _fronted(tensors, in_dims[1:])
    found = [
        _run(function, call, *(t[0 if len(t) == 1 else b] for t in fronted)) for b in range(info.batch_size)
    ]
    return tuple(torch.stack(outs) for outs in zip(*found, strict=True)), (0,) * len(found[0])


# --- checks


class Inspect(Function):
    """Shows real numbers to a check, also below the transforms of torch.func, and returns nothing to use."""

    @staticmethod
    def forward(check: Callable[..., None], obs: Tensor, src: Tensor) -> Tensor:
        plain = [t.detach().resolve_neg().cpu().numpy() for t in (obs, src)]
        check(*plain)
        return obs.new_empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *cot: Any) -> Any:
        return None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return None

    @staticmethod
    def vmap(info: Any, in_dims: Any, check: Any, *tensors: Tensor) -> Any:
        obs, src = (t.flatten(0, 1) for t in _fronted(tensors, in_dims[1:]))
        return _run(Inspect, check, obs, src), None


# --- public


def over_nu(nu: float | Tensor, like: Tensor, function: Callable[[float], Tensor]) -> Tensor:
    """`function` of Poisson's ratio; where that is a tensor, of three fixed ratios, weighted.

    Exact for what is a combination of 1, 1 / (1 - nu) and 1 - nu, as every field and derivative of Okada is.
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
        found = _sum(found, lifted * part)
    assert found is not None
    return found


def _of_call(
    function: Any,
    kind: str,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    pairs: bool,
    threads: int | None,
    *tensors: Tensor,
) -> Tensor:
    def at(value: float) -> Tensor:
        return _run(function, Call(kind, value, origin, of, pairs, threads), *tensors)[0]

    return over_nu(nu, tensors[0], at)


def field(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Field of the sources at the observers (n, c), summed over sources; row by row with `pairs`."""
    return _of_call(Field, kind, nu, origin, of, pairs, threads, obs, src)


def derivative(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    *directions: tuple[Tensor, Tensor],
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Derivative of the field (n, c) along one or two directions (t_obs (n, 3), t_src (m, P))."""
    along = [tensor for direction in directions for tensor in direction]
    if len(directions) == 1:
        return _of_call(Jvp, kind, nu, origin, of, pairs, threads, obs, src, *along)
    top = _run(Top, obs), _run(Top, src)
    return _of_call(Jvp2, kind, nu, origin, of, pairs, threads, *top, *along)


def greens(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Fields of unit slips (n, c, m, B); (n, c, B) with `pairs`. Twice differentiable."""
    return _of_call(Greens, kind, nu, origin, of, pairs, threads, obs, src)


def jacobian(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Derivatives by the source's parameters (n, c, m, P); (n, c, P) with `pairs`. Differentiable."""
    return _of_call(Jacobian, kind, nu, origin, of, pairs, threads, obs, src)


def hessian(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Second derivatives by the source's parameters (n, c, m, P, P); (n, c, P, P) with `pairs`."""
    return _of_call(Hessian, kind, nu, origin, of, pairs, threads, obs, src)


def apply(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    slip: Tensor,
    threads: int | None = None,
) -> Tensor:
    """Green's functions times slip (m, B), without the matrix: (n, c). Twice differentiable."""
    return _of_call(Apply, kind, nu, origin, of, False, threads, obs, src, slip)


def apply_adjoint(
    kind: str,
    obs: Tensor,
    src: Tensor,
    nu: float | Tensor,
    origin: tuple[float, float],
    of: str,
    r: Tensor,
    threads: int | None = None,
) -> Tensor:
    """Transposed Green's functions times r (n, c), without the matrix: (m, B). Differentiable."""
    return _of_call(ApplyAdjoint, kind, nu, origin, of, False, threads, obs, src, r)


def inspect(check: Callable[..., None], obs: Tensor, src: Tensor) -> None:
    """Call `check(obs, src)` on NumPy copies of the values, below any transform of torch.func.

    Batches of vmap arrive folded into the rows: `check` must look at rows of each array alone.
    """
    _run(Inspect, check, obs, src)
