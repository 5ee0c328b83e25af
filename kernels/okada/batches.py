"""Many models with the same observers: batches of sources in one launch, threads over the batches."""

from __future__ import annotations

import numpy as np

from dislok.kernels.names import Array
from dislok.kernels.pairs.batches import Batches

from .numba_cpu import Sources, at_the_surface, distinct, source_rows
from .operations import OPERATIONS, Operation
from .sources import PARAMETERS


def _batches(
    kind: str, obs: np.ndarray, src: np.ndarray, nu: float, origin: Array, size: int
) -> Batches[Sources]:
    return Batches(Sources(obs, source_rows(kind, src, origin), nu, False), size)


def _summed(batches: Batches[Sources], operation: Operation, out: Array, threads: Array) -> np.ndarray:
    first, last = operation.kept[0], operation.kept[-1] + 1
    code = batches.pairs.code(operation, tuple(range(last)))
    return batches.summed(code, (first, last), out, threads)


def _kept(
    batches: Batches[Sources], operation: Operation, trailing: tuple[int, ...], out: Array, threads: Array
) -> Array:
    """Result rows of every pair: (batches, n, components, sources, *trailing)."""
    rows, index = distinct(operation.kept)
    index = index.reshape(-1, operation.width)
    if out is None:
        shape = (batches.number, len(batches.pairs.obs), len(index), batches.size, *trailing)
        out = np.empty(shape, batches.pairs.dtype)
    batches.kept(batches.pairs.code(operation, rows), index, out, threads)
    return out


def field(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Displacement (batches, n, 3) or its gradient (batches, n, 9), summed over its `size` sources."""
    return _summed(_batches(kind, obs, src, nu, origin, size), OPERATIONS["field", of, kind], out, threads)


def field_both(kind, obs, src, nu, origin, size, threads=None):
    """Displacement and gradient in one pass, (batches, n, 12)."""
    return _summed(
        _batches(kind, obs, src, nu, origin, size), OPERATIONS["field", "both", kind], None, threads
    )


def greens(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Response to unit slips: (batches, n, c, size, B)."""
    operation = OPERATIONS["greens", of, kind]
    return _kept(_batches(kind, obs, src, nu, origin, size), operation, (operation.width,), out, threads)


def jacobian(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Derivatives with respect to the sources' parameters: (batches, n, c, size, P)."""
    operation = OPERATIONS["jacobian", of, kind]
    return _kept(_batches(kind, obs, src, nu, origin, size), operation, (operation.width,), out, threads)


def hessian(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Second derivatives of the displacement: (batches, n, 3, size, P, P)."""
    if of != "displacement":
        raise ValueError("of='gradient' has no batches; call hessian for each batch")
    batches, operation = _batches(kind, obs, src, nu, origin, size), OPERATIONS["hessian", of, kind]
    chosen = at_the_surface(operation) if batches.pairs.surface else operation
    return _kept(batches, chosen, (len(PARAMETERS[kind]),) * 2, out, threads)
