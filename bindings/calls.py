"""Common ground of the public functions: the call, shapes of results, ``out=``, moduli, strain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from dislok import backends
from dislok.arrays import (
    Array,
    ArrayLike,
    Space,
    TorchSpace,
    check_apart,
    check_finite,
    checked_out,
    finite_number,
    is_tensor,
)
from dislok.kernels.backend import Backend

COMPONENTS = {"displacement": (3,), "gradient": (3, 3)}
# From the nine numbers of a gradient to the six of its symmetric part.
_SYMMETRIC = np.zeros((9, 6))
_SYMMETRIC[[0, 4, 8], [0, 1, 2]] = 1.0
_SYMMETRIC[[1, 3, 2, 6, 5, 7], [3, 3, 4, 4, 5, 5]] = 0.5
BLOCK = 1 << 17  # observers; displacement and gradient of a block take 13 MB in float64


@dataclass(frozen=True)
class Call(ABC):
    """The checked inputs of a call, as the kernels of its family take them.

    Attributes
    ----------
    obs : array, shape (n, 3)
    sources : tuple of array
        Each has a row for every source; of batches one model after the other.
    nu : float or Tensor
    pairs : bool
        Source i with observer i alone.
    space : Space
    factors : dict of str to array
        What the Green's matrix is multiplied with.
    backend : str
    threads : int or None
    batch : tuple of int, optional
        Number of models, and of the sources of each.
    """

    #: Folder of the kernels.
    family: ClassVar[str]
    #: Whether the CPU kernel writes displacement and gradient to two arrays at once.
    writes_both: ClassVar[bool] = False

    obs: Array
    sources: tuple[Array, ...]
    nu: float | Array
    pairs: bool
    space: Space
    factors: dict[str, Array] = field(default_factory=dict)
    backend: str = "numba"
    threads: int | None = None
    batch: tuple[int, int] | None = None

    @property
    def n(self) -> int:
        """Number of observers."""
        return int(self.obs.shape[0])

    @property
    def m(self) -> int:
        """Number of sources."""
        return int(self.sources[0].shape[0])

    @property
    @abstractmethod
    def geometry(self) -> tuple[Any, ...]:
        """The arguments that every kernel starts with."""

    @property
    def compiled(self) -> bool:
        """Whether NumPy arrays meet the CPU kernels."""
        return self.space.framework == "numpy" and self.backend == "numba"

    def of_sources(self, *numbers: int) -> tuple[int, ...]:
        """Trailing axes of a result with so many numbers for each source."""
        return numbers if self.pairs else (self.m, *numbers)

    def kernels(self) -> Backend:
        """The family's kernels of the backend."""
        return backends.load(self.backend, self.family)

    @abstractmethod
    def batches(self) -> ModuleType:
        """The family's CPU kernels of many models."""

    @abstractmethod
    def derivatives(self) -> ModuleType:
        """The family's torch functions; only for tensors, because this imports torch."""


def check_call(call: Call, check_places: Callable[[Array, Array], None], wait: bool, **values: Array) -> None:
    """Check every value of a call that can be seen; those on a device only if `wait`.

    ``check_places(obs, source)`` looks at observers and the first array of sources.
    """
    look = call.space.fetch if wait else call.space.peek
    check_poisson(call.nu, call.space, wait)
    for name, array in {**values, **call.factors}.items():
        seen = look(array)
        if seen is not None:
            check_finite(name, seen)
    places = call.obs, call.sources[0]
    obs, source = map(look, places)
    if obs is not None and source is not None:
        check_places(obs, source)
    elif wait or not call.space.on_cuda:
        call.derivatives().inspect(check_places, *places)


def components_of(of: str) -> tuple[int, ...]:
    """Shape of what ``of=`` names at one observer; `ValueError` for an unknown name."""
    if of not in COMPONENTS:
        raise ValueError(f"unknown of={of!r}; choose from 'displacement', 'gradient'")
    return COMPONENTS[of]


def poisson(given: float | Array, array: Array | None, space: Space) -> float | Array:
    """Poisson's ratio as a float, or as a tensor where it was given as one; a float needs no array."""
    if array is not None and array.ndim:
        raise ValueError(f"nu must be a number, got shape {tuple(array.shape)}")
    if space.framework == "torch" and is_tensor(given):
        return array
    return finite_number("nu", given)


def check_poisson(nu: float | Array, space: Space, wait: bool = False) -> None:
    """Raise a `ValueError` if Poisson's ratio is seen to be out of range; `wait` for a device to see it."""
    seen = nu if isinstance(nu, float) else (space.fetch if wait else space.peek)(nu)
    if seen is not None and not 0.0 <= float(seen) < 0.5:
        raise ValueError(f"nu is {float(seen)!r}; Poisson's ratio must be in [0, 0.5)")


def modulus(mu: ArrayLike, space: Space) -> float | Array:
    """The shear modulus as a float, or as a tensor where it was given as one with tensors."""
    found: Array
    seen: Array
    if space.framework != "torch" or not is_tensor(mu):
        found = seen = finite_number("mu", mu)
    elif mu.ndim:
        raise ValueError(f"mu must be a number, got shape {tuple(mu.shape)}")
    else:
        found = space.asarray(mu)
        seen = space.peek(found)
    if seen is not None and not seen > 0:
        raise ValueError(f"mu is {float(seen)!r}; the shear modulus must be positive")
    return found


def strain_of(g: Array) -> list[Array]:
    """xx, yy, zz, xy, xz, yz of gradients (n, 9)."""
    shear = [0.5 * (g[:, i] + g[:, j]) for i, j in ((1, 3), (2, 6), (5, 7))]
    return [g[:, 0], g[:, 4], g[:, 8], *shear]


def symmetric(g: np.ndarray) -> np.ndarray:
    """xx, yy, zz, xy, xz, yz (n, 6) of a few gradients (n, 9)."""
    return g @ _SYMMETRIC


def stress_of(g: Array, mu: float | Array, nu: float | Array) -> list[Array]:
    """xx, yy, zz, xy, xz, yz of the stress that gradients (n, 9) make by Hooke's law."""
    eps = strain_of(g)
    pressure = 2.0 * mu * nu / (1.0 - 2.0 * nu) * (eps[0] + eps[1] + eps[2])
    shear = [2.0 * mu * e for e in eps]
    return [pressure + shear[0], pressure + shear[1], pressure + shear[2], *shear[3:]]


def two(out: Sequence[Array | None] | None) -> tuple[Array | None, Array | None]:
    """``out=`` of a function with two results, which must not share memory."""
    if out is None:
        return None, None
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(f"out must be two arrays, of displacement and gradient, got {type(out).__name__}")
    check_apart(out[0], out[1])
    return out[0], out[1]


def deliver(space: Space, result: Array, out: Array | None) -> Array:
    """A tensor as it is, or copied to `out`; refused where gradients would be lost."""
    if out is None:
        return result
    checked_out(out, result.shape, space)
    if result.requires_grad:
        raise ValueError("out= cannot carry gradients; leave it out, or compute under torch.no_grad()")
    return out.copy_(result)


def zeros(space: Space, shape: Sequence[int], out: Array | None) -> Array:
    """The sum over nothing, where there are no observers or no sources."""
    result = space.empty(shape) if out is None else out
    result.fill(0)
    return result


def factor(call: Call, name: str, shape: tuple[int, ...]) -> Array:
    """What the Green's matrix is multiplied with, if it has this shape."""
    values = call.factors[name]
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(values.shape)}")
    return values


def flat(call: Call, of: str, array: Array) -> Array:
    """The array with its components along one axis, as the kernels have it; a view."""
    return array if of == "displacement" else array.reshape(call.n, 9, *array.shape[3:])


def target(call: Call, shape: Sequence[int], out: Array | None, *inputs: Array) -> Array:
    """`out` if results of this shape can go there, or a new array."""
    if out is None:
        return call.space.empty(shape)
    return checked_out(out, shape, call.space, (call.obs, *call.sources, *inputs))


def copied(call: Call, result: Array, out: Array | None) -> Array:
    """A result, in `out` if that is given."""
    if call.space.framework == "torch":
        return deliver(call.space, result, out)
    if out is None:
        return result
    place = target(call, result.shape, out)
    place[...] = result
    return place


def flattened(
    call_for: Mapping[str, object], arrays: dict[str, Array], batch: tuple[int, int], space: Space
) -> dict[str, Array]:
    """Arrays of batches, one model after the other; `call_for` is what does not go with batches."""
    for what, given in call_for.items():
        if given:
            raise ValueError(f"{what} takes sources of one model, not batches of shape {batch}")
    broadcast = space.torch.broadcast_to if isinstance(space, TorchSpace) else space.xp.broadcast_to
    return {
        name: broadcast(array, (*batch, *shape)).reshape(-1, *shape)
        for name, (array, shape) in arrays.items()
    }
