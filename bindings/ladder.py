"""The ladder of derivatives that makes a torch tensor that goes through a family's kernels differentiable.

The kernels give exact derivatives up to the second order, each contracted in one pass. The functions below
hand them to torch as a ladder: the derivative of one rung is the next.

    Field → Vjp (reverse), Jvp (forward) → Vjp2, Jvp2 → RuntimeError

Every rung saves its inputs and recomputes, and has a rule for `backward`, `jvp` and `vmap`, so that all
transforms of `torch.func` compose. `torch.compile` breaks its graph here: the rungs run as they are.

Poisson's ratio needs no rung: a field is exactly a + b / (1 - nu) + c (1 - nu), so a tensor `nu` becomes a
sum of three fields at fixed ratios whose weights are differentiable to any order.

Shapes are those of the kernels: obs (n, 3), src (m, P), field (n, c); c is 3 for `of="displacement"`, 9 for
"gradient" (row-major ∂uᵢ/∂xⱼ) and 12 for "both". All tensors share one dtype, float64 or float32, and one
device. What a row of src holds is the family's matter: see :class:`Family`.
"""

# torch declares the methods of a Function for any arguments; here each names its own.
# pyright: reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import signature
from itertools import compress
from math import prod
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function

from . import backends

Pair: TypeAlias = Sequence[Tensor | None]

NU_NODES = (0.0, 0.2, 0.4)
COMPONENTS = {"displacement": 3, "gradient": 9, "both": 12}
# A vmapped call is folded into rows of at most this many source-observer pairs.
ROWS = 1 << 15


class Family:
    """What the ladder must know of a family of sources, whose rows are geometry and then slip.

    Attributes
    ----------
    folder : str
        Folder of the family's kernels.
    first_slip : int
        First column of a source's row that is slip.
    slips : int
        Number B of unit slips.
    parameters : int
        Number P of columns, the first of a row, that a Jacobian differentiates with.
    """

    folder: ClassVar[str]

    @property
    def first_slip(self) -> int:
        raise NotImplementedError

    @property
    def slips(self) -> int:
        raise NotImplementedError

    @property
    def parameters(self) -> int:
        raise NotImplementedError

    def launch(self, module: Any, name: str, call: Call, arrays: Sequence[Any], last: Sequence[Any]) -> Any:
        """Arrays that kernel `name` of a backend's module makes of (obs, src, ...) and numbers.

        None for the side of a gradient that is not wanted.
        """
        raise NotImplementedError

    def unit_slips(self, src: Tensor) -> Tensor:
        """(B, columns): rows with each unit slip, and zero for the geometry."""
        raise NotImplementedError

    def stack(self, src: Tensor, slip: Tensor) -> Tensor:
        """Rows of sources whose field is the product of the Green's functions of `src` with `slip` (m, B)."""
        raise NotImplementedError

    def stack_tangent(self, t_src: Tensor, t_slip: Tensor) -> Tensor:
        """The derivative of `stack` along (t_src, t_slip)."""
        raise NotImplementedError

    def unstack(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """The transpose of `stack_tangent`: gradients with respect to src and slip."""
        raise NotImplementedError


@dataclass(frozen=True)
class Call:
    """What a kernel is told besides its arrays.

    `wanted` are the sides, "obs" and "src", of which a gradient is used: a kernel may leave the other out.
    """

    family: Family
    nu: float
    of: str
    pairs: bool
    threads: int | None
    wanted: tuple[str, ...] = ("obs", "src")

    @property
    def components(self) -> int:
        return COMPONENTS[self.of]


# --- kernels


def array_of(tensor: Tensor) -> Any:
    """The same numbers as a C-contiguous NumPy or CuPy array, copied only where the layout asks for it."""
    plain = tensor.detach().resolve_neg().contiguous()
    if plain.device.type == "cpu":
        return plain.numpy()
    import cupy

    return cupy.from_dlpack(plain)


def tensor_of(array: Any, device: torch.device) -> Tensor:
    return torch.from_numpy(array) if device.type == "cpu" else torch.from_dlpack(array)


@contextmanager
def stream_of(device: torch.device) -> Iterator[None]:
    """Work that CuPy starts inside goes to the tensors' device and follows torch's current stream."""
    if device.type == "cpu":
        yield
        return
    import cupy

    stream = cupy.cuda.Stream.from_external(torch.cuda.current_stream(device))
    with cupy.cuda.Device(device.index), stream:
        yield


def check_alike(*tensors: Tensor) -> None:
    """Raise a `TypeError` if no backend serves these tensors, or if they differ in dtype or device."""
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


def _call_kernel(name: str, call: Call, tensors: Sequence[Tensor], *last: Any) -> tuple[Tensor, ...]:
    check_alike(*tensors)
    device = tensors[0].device
    module = backends.load("numba" if device.type == "cpu" else "cupy", call.family.folder)
    with stream_of(device):
        arrays = [array_of(tensor) for tensor in tensors]
        found = call.family.launch(module, name, call, arrays, last)
        return tuple(
            torch.zeros_like(tensors[k]) if array is None else tensor_of(array, device)
            for k, array in enumerate(found)
        )


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

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # torch asks for it in every call; to make it takes longer than a call of a kernel for few observers.
        cls.forward.__signature__ = signature(cls.forward)  # type: ignore[attr-defined]

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
        "third derivatives of a dislocation's field were asked for; first and second ones exist. "
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
        wanted = tuple(compress(("obs", "src"), ctx.needs_input_grad[1:]))
        return None, *_run(Vjp, replace(ctx.call, wanted=wanted), *ctx.saved_tensors, cot)

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
    mask[call.family.first_slip :] = 0
    return mask


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
        return (_matrix("greens", call, obs, src, (call.family.slips,)),)

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
        size = len(obs), len(src), ctx.call.family.slips
        units = ctx.call.family.unit_slips(src)
        rows = _grid(ctx.call, src * _geometry(ctx.call, src), "s", *size)
        rows = rows.unflatten(0, (-1, len(units))) + units
        return size, (_grid(ctx.call, obs, "o", *size), rows.flatten(0, 1))


class Jacobian(_Rung):
    """(obs, src) → (derivatives with respect to the source's parameters (n, c, m, P),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("jacobian", call, obs, src, (call.family.parameters,)),)

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
        size = len(obs), len(src), ctx.call.family.parameters
        rows = _grid(ctx.call, obs, "o", *size), _grid(ctx.call, src, "s", *size)
        axes = torch.eye(size[2], src.shape[1], dtype=src.dtype, device=src.device)
        axes = axes.repeat(len(rows[0]) // size[2], 1)
        return size, (*rows, torch.zeros_like(rows[0]), axes)


class Hessian(_Rung):
    """(obs, src) → (second derivatives with respect to the source's parameters (n, c, m, P, P),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor) -> tuple[Tensor, ...]:
        return (_matrix("hessian", call, obs, src, (call.family.parameters,) * 2),)

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
        g_obs, g_stack = _run(Vjp, ctx.call, obs, ctx.call.family.stack(src, slip), cot)
        return None, g_obs, *ctx.call.family.unstack(g_stack)

    @staticmethod
    def jvp(ctx: Any, _: Any, t_obs: Tensor | None, t_src: Tensor | None, t_slip: Tensor | None) -> Any:
        obs, src, slip = ctx.saved_tensors
        if t_obs is None and t_src is None:
            return _run(Apply, ctx.call, obs, src, t_slip)
        turned = ctx.call.family.stack_tangent(_or_zeros(t_src, src), _or_zeros(t_slip, slip))
        return _run(Jvp, ctx.call, obs, ctx.call.family.stack(src, slip), _or_zeros(t_obs, obs), turned)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        return _one_by_one(Apply, info, in_dims, args)


class ApplyAdjoint(_Rung):
    """(obs, src, r (n, c)) → (transposed Green's functions times r (m, B),)."""

    @staticmethod
    def forward(call: Call, obs: Tensor, src: Tensor, r: Tensor) -> tuple[Tensor, ...]:
        if not (len(obs) and len(src)):
            return (obs.new_zeros(len(src), call.family.slips),)
        return _compute("apply_adjoint", call, (obs, src, r))

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> Any:
        obs, src, r = ctx.saved_tensors
        if g is None:
            return None, None, None, None
        of_inputs: tuple[Tensor | None, Tensor | None] = (None, None)
        of_r = None
        if any(ctx.needs_input_grad[1:3]):
            g_obs, g_stack = _run(Vjp, ctx.call, obs, ctx.call.family.stack(src, g), r)
            of_inputs = g_obs, ctx.call.family.unstack(g_stack)[0]
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
            none = src.new_zeros(len(src), ctx.call.family.slips)
            turned = ctx.call.family.stack_tangent(_or_zeros(t_src, src), none)
            stack = ctx.call.family.stack(src, none)
            g_stack = _second(Vjp2, ctx.call, obs, stack, r, _or_zeros(t_obs, obs), turned)[1]
            found = _sum(found, ctx.call.family.unstack(g_stack)[1])
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
        found = _sum(found, lifted * part)
    assert found is not None
    return found


def run(
    function: Any,
    family: Family,
    nu: float | Tensor,
    of: str,
    pairs: bool,
    threads: int | None,
    *tensors: Tensor,
) -> Tensor:
    """The first result of a rung for one Poisson's ratio, a number or a tensor."""

    def at(value: float) -> Tensor:
        return _run(function, Call(family, value, of, pairs, threads), *tensors)[0]

    return over_nu(nu, tensors[0], at)


def top(*tensors: Tensor) -> list[Tensor]:
    """Observers and sources as a rung of second order must see them."""
    return [_run(Top, tensor) for tensor in tensors]


def inspect(check: Callable[..., None], obs: Tensor, src: Tensor) -> None:
    """Call `check(obs, src)` on NumPy copies of the values, below any transform of torch.func.

    Batches of vmap arrive folded into the rows: `check` must look at rows of each array alone.
    """
    _run(Inspect, check, obs, src)
