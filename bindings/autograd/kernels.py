"""Families of sources for torch, and their compiled kernels called with tensors.

Shapes are those of the kernels: obs (n, 3), src (m, P), field (n, c); c is 3 for `of="displacement"`, 9 for
"gradient" (row-major ∂uᵢ/∂xⱼ) and 12 for "both". All tensors share one dtype, float64 or float32, and one
device. What a row of src holds is the family's matter: see :class:`Family`.
"""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from dislok import backends
from dislok.arrays import Array
from dislok.kernels.backend import Backend, Kernel

from .functions import Found, Given, Rule

COMPONENTS = {"displacement": 3, "gradient": 9, "both": 12}


class Family(ABC):
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
    @abstractmethod
    def first_slip(self) -> int:
        """First column of a source's row that is slip."""

    @property
    @abstractmethod
    def slips(self) -> int:
        """Number of unit slips."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of columns that a Jacobian differentiates with respect to."""

    @abstractmethod
    def launch(
        self, module: Backend, name: str, call: Call, arrays: Sequence[Array], last: Sequence[Given]
    ) -> Sequence[Array]:
        """Arrays that kernel `name` of a backend's module makes of (obs, src, ...) and numbers.

        None for the side of a gradient that is not wanted.
        """

    @abstractmethod
    def unit_slips(self, src: Tensor) -> Tensor:
        """(B, columns): rows with each unit slip, and zero for the geometry."""

    @abstractmethod
    def stack(self, src: Tensor, slip: Tensor) -> Tensor:
        """Rows of sources whose field is the product of the Green's functions of `src` with `slip` (m, B)."""

    @abstractmethod
    def stack_tangent(self, t_src: Tensor, t_slip: Tensor) -> Tensor:
        """The derivative of `stack` along (t_src, t_slip)."""

    @abstractmethod
    def unstack(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """The transpose of `stack_tangent`: gradients with respect to src and slip."""


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
        """Numbers of the field at an observer."""
        return COMPONENTS[self.of]


def array_of(tensor: Tensor) -> Array:
    """The same numbers as a C-contiguous NumPy or CuPy array, copied only where the layout asks for it."""
    plain = tensor.detach().resolve_neg().contiguous()
    if plain.device.type == "cpu":
        return plain.numpy()
    import cupy

    return cupy.from_dlpack(plain)


def tensor_of(array: Array, device: torch.device) -> Tensor:
    """The same numbers as a tensor."""
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


def _call_kernel(name: str, call: Call, tensors: Sequence[Tensor], *last: Given) -> tuple[Tensor, ...]:
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


def older_vmap_level() -> int:
    """How deep in torch's older vmap we are.

    `torch.autograd.grad(is_grads_batched=True)`, `functional.jacobian(vectorize=True)` and `gradcheck` still
    use it; it does not know the vmap rule of a Function and hands its batched tensors to `forward`.
    """
    torch._C._vmapmode_increment_nesting()
    return torch._C._vmapmode_decrement_nesting()


def _call_one_by_one(
    level: int, name: str, call: Call, tensors: Sequence[Tensor], *last: Given
) -> tuple[Tensor, ...]:
    """Take the batch of the older vmap off, call the kernel for each member, put the batch back on."""
    if not level:
        return _call_kernel(name, call, tensors, *last)
    members = [torch._remove_batch_dim(t, level, 1, 0) for t in tensors]
    size = max(map(len, members))
    found = [
        _call_one_by_one(level - 1, name, call, [t[b if len(t) > 1 else 0] for t in members], *last)
        for b in range(size)
    ]
    if size == 1:
        return found[0]
    return tuple(torch._add_batch_dim(torch.stack(outs), 0, level) for outs in zip(*found, strict=True))


def _evaluate(name: str, call: Call, tensors: Sequence[Tensor], *last: Given) -> tuple[Tensor, ...]:
    """Run kernel `name` on (obs, src, ...); `last` are arguments that are no tensors."""
    return _call_one_by_one(older_vmap_level(), name, call, tensors, *last)


def compute(name: str, call: Call, tensors: Sequence[Tensor], *last: Given) -> tuple[Tensor, ...]:
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


def summed(name: str, call: Call, tensors: Sequence[Tensor], *last: Given) -> tuple[Tensor, ...]:
    """A sum over sources (rows per observer) or over observers (rows per source); zeros of nothing."""
    obs, src = tensors[:2]
    if len(obs) and len(src):
        return compute(name, call, tensors, *last)
    if name in ("vjp", "vjp2"):
        return obs.new_zeros(obs.shape), src.new_zeros(src.shape)
    return (obs.new_zeros(len(obs), call.components),)


def _apply(function: Rule, *args: Given) -> Found:
    return function.apply(*args)


# Hidden from torch.compile: traced, the forward mode of a Function is silently wrong.
apply_rung: Kernel = torch.compiler.disable(_apply)
