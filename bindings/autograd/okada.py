"""Derivatives of torch tensors that go through the Okada kernels.

The derivatives themselves are in :mod:`dislok.autograd.derivatives`. Shapes are those of the kernels: obs
(n, 3), src (m, P) with a column for each field of the source, field (n, c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dislok.arrays import Array
from dislok.kernels.backend import Backend, kernel_of
from dislok.kernels.names import Namespace

from .derivatives import Field, Jvp, Jvp2, inspect, over_nu, run, top
from .functions import Given
from .kernels import COMPONENTS, Call, Family
from .matrices import Greens, Hessian, Jacobian
from .products import Apply, ApplyAdjoint

__all__ = [
    "COMPONENTS",
    "SLIPS",
    "SLIP_COLUMN",
    "Okada",
    "apply",
    "apply_adjoint",
    "derivative",
    "field",
    "greens",
    "hessian",
    "inspect",
    "jacobian",
    "over_nu",
]

# First slip column (rake) of a source's row, and the number of its slip components.
SLIP_COLUMN = {"rectangle": 7, "point": 5}
SLIPS = {"rectangle": 3, "point": 4}
PARAMETERS = {"rectangle": 10, "point": 9}
RECTANGLE = PARAMETERS["rectangle"]


@dataclass(frozen=True)
class Okada(Family):
    """Rectangles or points, or "dc3d": rectangles that hold their edges in columns of their own."""

    folder: ClassVar[str] = "okada"
    kind: str
    origin: tuple[float, float]

    @property
    def first_slip(self) -> int:
        """First column of slip: the rake."""
        return SLIP_COLUMN[self.kind]

    @property
    def slips(self) -> int:
        """Number of unit slips."""
        return SLIPS[self.kind]

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return PARAMETERS[self.kind]

    def launch(
        self, module: Backend, name: str, call: Call, arrays: Sequence[Array], last: Sequence[Given]
    ) -> Sequence[Array]:
        """What a kernel makes of tensors' arrays; None for a side that is not wanted."""
        launch = _launch_dc3d if self.kind == "dc3d" else _launch
        return launch(self, module, name, call, arrays, last)

    def unit_slips(self, src: Tensor) -> Tensor:
        """Rows with each unit slip."""
        first, count = self.first_slip, self.slips
        units = torch.zeros(count, src.shape[-1], dtype=src.dtype, device=src.device)
        units[0, first + 1] = 1
        units[1, first], units[1, first + 1] = 90, 1
        for slip in range(2, count):
            units[slip, first + slip] = 1
        return units

    def stack(self, src: Tensor, slip: Tensor) -> Tensor:
        """(2m, P): m sources at rake 0 with strike-slip, opening and inflation, m at rake 90 with dip-slip.

        Exact and differentiable where a pair of rake and size of slip is not: at slip zero.
        """
        return self._stack(src, slip, 90.0)

    def stack_tangent(self, t_src: Tensor, t_slip: Tensor) -> Tensor:
        """The derivative of `stack`."""
        return self._stack(t_src, t_slip, 0.0)

    def _stack(self, src: Tensor, slip: Tensor, rake: float) -> Tensor:
        first = self.first_slip
        zero = torch.zeros_like(slip[:, :1])
        along = torch.cat([src[:, :first], zero, slip[:, :1], slip[:, 2:]], 1)
        down = torch.cat([src[:, :first], zero + rake, slip[:, 1:2], torch.zeros_like(slip[:, 2:])], 1)
        return torch.cat([along, down])

    def unstack(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """The transpose of `stack_tangent`."""
        first = self.first_slip
        along, down = g.chunk(2)
        geometry = along[:, :first] + down[:, :first]
        g_src = torch.cat([geometry, torch.zeros_like(along[:, first:])], 1)
        size = along[:, first + 1 : first + 2], down[:, first + 1 : first + 2], along[:, first + 2 :]
        return g_src, torch.cat(size, 1)


def _launch(
    family: Okada, module: Backend, name: str, call: Call, arrays: Sequence[Array], last: Sequence[Given]
) -> Sequence[Array]:
    obs, src, *rest = arrays
    static: tuple[Given, ...] = (call.nu, family.origin, call.of, call.pairs)
    if name in ("apply", "apply_adjoint"):
        static = static[:3]
    elif name == "field" and call.of == "both":
        name, static = "field_both", (call.nu, family.origin, call.pairs)
    if name == "vjp":
        last = (call.wanted,)
    found = kernel_of(module, name)(family.kind, obs, src, *static, *rest, *last, threads=call.threads)
    # The derivative with respect to nu, the third, comes through `over_nu` instead.
    return found[:2] if isinstance(found, tuple) else [found]


def _launch_dc3d(
    family: Okada, module: Backend, name: str, call: Call, arrays: Sequence[Array], last: Sequence[Given]
) -> Sequence[Array]:
    """Rectangles that hold their edges in columns of their own, in their own frame.

    Derivatives come from a reference point that differs between sources, and so do values on a CUDA device;
    on the CPU values come from the edges as they are.
    """
    obs, src, *rest = arrays
    if name == "field" and isinstance(src, np.ndarray):
        return [_dc3d_values(module, call, obs, src)]
    xp = _array_module(src)
    al1, _, _, aw2 = src[:, RECTANGLE:].T
    length, width = src[:, 3:5].T
    part = replace(family, kind="rectangle", origin=(-al1 / length, aw2 / width))
    cut = [xp.ascontiguousarray(a[:, :RECTANGLE]) if a.shape[1] == src.shape[1] else a for a in (src, *rest)]
    found = _launch(part, module, name, call, [obs, *cut], last)
    padding = ((0, 0), (0, src.shape[1] - RECTANGLE))
    return [xp.pad(a, padding) if a is not None and a.shape[1] == RECTANGLE else a for a in found]


def _array_module(array: Array) -> Namespace:
    """NumPy or CuPy, as the array is of."""
    if isinstance(array, np.ndarray):
        return np
    import cupy

    return cupy


def _dc3d_values(module: Namespace, call: Call, obs: Array, src: Array) -> Array:
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
    return run(Field, Okada(kind, origin), nu, of, pairs, threads, obs, src)


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
        return run(Jvp, Okada(kind, origin), nu, of, pairs, threads, obs, src, *along)
    return run(Jvp2, Okada(kind, origin), nu, of, pairs, threads, *top(obs, src), *along)


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
    return run(Greens, Okada(kind, origin), nu, of, pairs, threads, obs, src)


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
    """Derivatives with respect to the source's parameters (n, c, m, P), or (n, c, P); differentiable."""
    return run(Jacobian, Okada(kind, origin), nu, of, pairs, threads, obs, src)


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
    """Second derivatives with respect to the source's parameters (n, c, m, P, P), or (n, c, P, P)."""
    return run(Hessian, Okada(kind, origin), nu, of, pairs, threads, obs, src)


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
    return run(Apply, Okada(kind, origin), nu, of, False, threads, obs, src, slip)


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
    return run(ApplyAdjoint, Okada(kind, origin), nu, of, False, threads, obs, src, r)
