"""Derivatives of torch tensors that go through the triangle kernels.

The derivatives themselves are in :mod:`dislok.autograd.derivatives`. A row of its sources is a triangle's
nine coordinates and its slip. Shapes are those of the kernels: obs (n, 3), tri (m, 3, 3), slip (m, 3), field
(n, c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dislok.arrays import Array
from dislok.kernels.backend import Backend, kernel_of

from .derivatives import Field, inspect, run
from .functions import Given
from .kernels import Call, Family
from .matrices import Greens, Jacobian
from .products import Apply, ApplyAdjoint

__all__ = ["Triangles", "apply", "apply_adjoint", "field", "greens", "inspect", "jacobian", "joined"]

VERTICES = 9
# Which of the arrays after observers and sources are tangents of sources.
_OF_SOURCES = {"jvp": (1,), "vjp2": (2,), "jvp2": (1, 3)}


@dataclass(frozen=True)
class Triangles(Family):
    """Triangles in a half-space or a full space."""

    folder: ClassVar[str] = "tde"
    space: str

    @property
    def first_slip(self) -> int:
        """First column of slip, behind the vertices."""
        return VERTICES

    @property
    def slips(self) -> int:
        """Number of unit slips."""
        return 3

    @property
    def parameters(self) -> int:
        """Number of coordinates of the vertices."""
        return VERTICES

    def launch(
        self, module: Backend, name: str, call: Call, arrays: Sequence[Array], last: Sequence[Given]
    ) -> Sequence[Array]:
        """What a kernel makes of tensors' arrays."""
        obs, src, *rest = arrays
        tri, slip = _parted(src)
        static: tuple[Given, ...] = (call.nu, self.space, call.of, call.pairs)
        if name in ("apply", "apply_adjoint"):
            return [kernel_of(module, name)(obs, tri, *static[:3], *rest, threads=call.threads)]
        if name in ("greens", "jacobian"):
            slips = () if name == "greens" else (slip,)
            return [kernel_of(module, name)(obs, tri, *slips, *static, threads=call.threads)]
        if name == "field" and call.of == "both":
            name, static = "field_both", (call.nu, self.space, call.pairs)
        turned = [
            part
            for k, array in enumerate(rest)
            for part in (_parted(array) if k in _OF_SOURCES.get(name, ()) else (array,))
        ]
        found = kernel_of(module, name)(obs, tri, slip, *static, *turned, *last, threads=call.threads)
        return _united(src, found) if name in ("vjp", "vjp2") else [found]

    def unit_slips(self, src: Tensor) -> Tensor:
        """Rows with each unit slip."""
        return torch.eye(src.shape[-1], dtype=src.dtype, device=src.device)[VERTICES:]

    def stack(self, src: Tensor, slip: Tensor) -> Tensor:
        """Rows with this slip."""
        return torch.cat([src[:, :VERTICES], slip], 1)

    def stack_tangent(self, t_src: Tensor, t_slip: Tensor) -> Tensor:
        """The derivative of `stack`, which is linear."""
        return self.stack(t_src, t_slip)

    def unstack(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """The transpose of `stack_tangent`."""
        vertices, slip = g[:, :VERTICES], g[:, VERTICES:]
        return torch.cat([vertices, torch.zeros_like(slip)], 1), slip


def _parted(src: Array) -> tuple[Array, Array]:
    """Triangles (m, 3, 3) and slips (m, 3) of rows."""
    return src[:, :VERTICES].copy().reshape(-1, 3, 3), src[:, VERTICES:].copy()


def _united(src: Array, gradients: Sequence[Array]) -> list[Array]:
    """Gradients with respect to observers and rows, from those with observers, triangles and slips.

    The derivative with respect to nu comes through `derivatives.over_nu` instead.
    """
    of_obs, of_tri, of_slip, *_ = gradients
    rows = src.copy()
    rows[:, :VERTICES] = of_tri.reshape(-1, VERTICES)
    rows[:, VERTICES:] = of_slip
    return [of_obs, rows]


def joined(tri: Tensor, slip: Tensor) -> Tensor:
    """Rows (m, 12) of triangles and their slips."""
    return torch.cat([tri.reshape(-1, VERTICES), slip], 1)


def _without_slip(tri: Tensor) -> Tensor:
    return joined(tri, tri.new_zeros(len(tri), 3))


def field(
    obs: Tensor,
    tri: Tensor,
    slip: Tensor,
    nu: float | Tensor,
    space: str,
    of: str,
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Field of the triangles at the observers (n, c), summed over triangles; row by row with `pairs`."""
    if slip.requires_grad and not (pairs or obs.requires_grad or tri.requires_grad or of == "both"):
        # linear in the slip: the way back needs the transposed matrix alone
        return apply(obs, tri, nu, space, of, slip, threads)
    return run(Field, Triangles(space), nu, of, pairs, threads, obs, joined(tri, slip))


def greens(
    obs: Tensor,
    tri: Tensor,
    nu: float | Tensor,
    space: str,
    of: str,
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Fields of unit slips (n, c, m, 3); (n, c, 3) with `pairs`. Twice differentiable."""
    return run(Greens, Triangles(space), nu, of, pairs, threads, obs, _without_slip(tri))


def jacobian(
    obs: Tensor,
    tri: Tensor,
    slip: Tensor,
    nu: float | Tensor,
    space: str,
    of: str,
    pairs: bool = False,
    threads: int | None = None,
) -> Tensor:
    """Derivatives with respect to the nine coordinates (n, c, m, 9), or (n, c, 9); differentiable."""
    return run(Jacobian, Triangles(space), nu, of, pairs, threads, obs, joined(tri, slip))


def apply(
    obs: Tensor,
    tri: Tensor,
    nu: float | Tensor,
    space: str,
    of: str,
    slip: Tensor,
    threads: int | None = None,
) -> Tensor:
    """Green's functions times slip (m, 3), without the matrix: (n, c). Twice differentiable."""
    return run(Apply, Triangles(space), nu, of, False, threads, obs, _without_slip(tri), slip)


def apply_adjoint(
    obs: Tensor,
    tri: Tensor,
    nu: float | Tensor,
    space: str,
    of: str,
    r: Tensor,
    threads: int | None = None,
) -> Tensor:
    """Transposed Green's functions times r (n, c), without the matrix: (m, 3). Differentiable."""
    return run(ApplyAdjoint, Triangles(space), nu, of, False, threads, obs, _without_slip(tri), r)
