"""The functions that every backend of Okada's dislocations and of triangles has, whatever compiles them."""

from __future__ import annotations

from typing import Any, Protocol

from dislok.kernels.names import Array, Function

Kernel = Function


class Backend(Protocol):
    """Kernels of a family: a module (`numba_cpu`, `numba_cuda`) or an object (of `cupy_raw`).

    Arrays are C-contiguous and of one dtype, float32 or float64; nothing is checked. Every function takes
    observers (n, 3), sources (rows (m, P) of okada; vertices (m, 3, 3) and slip (m, 3) of tde), Poisson's
    ratio, what else places the sources (origin of okada, space of tde), ``of`` ("displacement" or "gradient",
    of c components), ``pairs`` (source i with observer i only) where it has a meaning, then what is listed
    here, and ``threads``. `numba_cpu` of the family has the order.
    """

    def field(self, *given: Array, **options: Any) -> Array:
        """Displacement (n, 3) or its gradient (n, 9), summed over the sources, in ``out`` if given."""

    def field_both(self, *given: Array, **options: Any) -> Array:
        """Displacement and gradient in one pass, (n, 12)."""

    def greens(self, *given: Array, **options: Any) -> Array:
        """Response to unit slips, (n, c, m, B), or (n, c, B) for pairs, in ``out`` if given."""

    def jacobian(self, *given: Array, **options: Any) -> Array:
        """Derivatives with respect to sources, (n, c, m, P), or (n, c, P) for pairs, in ``out`` if given."""

    def apply(self, *given: Array, **options: Any) -> Array:
        """Green's matrix times slip (m, B): (n, c)."""

    def apply_adjoint(self, *given: Array, **options: Any) -> Array:
        """Transposed Green's matrix times residuals (n, c): (m, B)."""

    def vjp(self, *given: Array, **options: Any) -> Array:
        """Gradients of ``sum(cot * field)`` with respect to observers, sources and Poisson's ratio."""

    def jvp(self, *given: Array, **options: Any) -> Array:
        """Derivative of the field along tangents of observers, sources and Poisson's ratio, (n, c)."""

    def vjp2(self, *given: Array, **options: Any) -> Array:
        """Gradients of ``sum(cot * jvp(t))`` with respect to observers and sources; t held fixed."""

    def jvp2(self, *given: Array, **options: Any) -> Array:
        """Second derivative of the field along two tangents, (n, c)."""


def kernel_of(functions: object, name: str) -> Kernel:
    """The function with a name, of a backend or of what else has those of one."""
    found: Kernel = getattr(functions, name)
    return found
