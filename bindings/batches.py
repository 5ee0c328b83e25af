"""Batches of models: sources of shape (B, k) with the same observers, in one launch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from dislok.arrays import Array, checked_out
from dislok.calls import components_of, deliver


def launch(call: Any, operation: str, of: str, tail: tuple[int, ...], out: Array | None) -> Array:
    """Run an operation of okada on every model.

    Parameters
    ----------
    call : _Call
        Checked inputs, with the sources of all models one after the other.
    operation : {"field", "greens", "jacobian", "hessian"}
    of : {"displacement", "gradient"}
    tail : tuple of int
        Of operations on each source: number of all sources, then the shape of what belongs to one.
    out : array, optional

    Returns
    -------
    array, shape (B, n, components of `of`), or with k and the rest of `tail` behind
    """
    count, size = call.batch
    rest = (size, *tail[1:]) if tail else ()
    shape = (count, call.n, *components_of(of), *rest)
    compiled = call.space.framework == "numpy" and call.backend == "numba"
    target = None
    if out is not None and call.space.framework != "torch":
        target = checked_out(out, shape, call.space, (call.obs, call.src))
    if not (count and call.n and size):
        result = call.space.empty(shape)
        result[...] = 0
    elif compiled:
        kernel = getattr(import_module("dislok.kernels.okada.batches"), operation)
        flat = None if target is None else target.reshape(count, call.n, -1, *rest)
        found = kernel(*call.geometry, of, size, out=flat, threads=call.threads)
        return found.reshape(shape) if out is None else out
    else:
        result = _by_pairs(call, operation, of, rest)
    if call.space.framework == "torch":
        return deliver(call.space, result, out)
    if target is None:
        return result
    target[...] = result
    return target


def _by_pairs(call: Any, operation: str, of: str, rest: tuple[int, ...]) -> Array:
    """By pairs of an observer and a source, where there is no loop over models: tensors and devices.

    Each pair has numbers of its own, of which torch takes the derivatives back to the models'.
    """
    from dislok import okada

    (count, size), n, components = call.batch, call.n, components_of(of)
    if call.space.framework == "torch":
        obs = call.obs.expand(count * size, n, 3).reshape(-1, 3)
        src = call.src.repeat_interleave(n, dim=0)
        moved: Callable[..., Array] = call.space.torch.movedim
    else:
        xp = call.space.xp
        obs = xp.ascontiguousarray(xp.broadcast_to(call.obs, (count * size, n, 3)).reshape(-1, 3))
        src, moved = xp.repeat(call.src, n, axis=0), xp.moveaxis
    pairs = call._replace(obs=obs, src=src, pairs=True, batch=None)
    found = okada._launch(pairs, operation, of, rest[1:], None)
    found = found.reshape(count, size, n, *components, *rest[1:])
    return moved(found, 1, 2 + len(components)) if rest else found.sum(1)


def fields(call: Any, first: Array | None, second: Array | None) -> tuple[Array, Array]:
    """Displacement (B, n, 3) and gradient (B, n, 3, 3)."""
    if call.space.framework == "numpy" and call.backend == "numba" and call.n and call.m:
        count, size = call.batch
        u = _target(call, (count, call.n, 3), first)
        g = _target(call, (count, call.n, 3, 3), second)
        kernel = import_module("dislok.kernels.okada.batches").field_both
        both = kernel(*call.geometry, size, threads=call.threads)
        u[...], g[...] = both[..., :3], both[..., 3:].reshape(g.shape)
        return u, g
    return launch(call, "field", "displacement", (), first), launch(call, "field", "gradient", (), second)


def _target(call: Any, shape: tuple[int, ...], out: Array | None) -> Array:
    if out is None:
        return call.space.empty(shape)
    return checked_out(out, shape, call.space, (call.obs, call.src))


def from_gradient(call: Any, components: Callable[[Array], list[Array]], out: Array | None) -> Array:
    """Six numbers (B, n, 6) that follow from the gradient at each observer."""
    count, n = call.batch[0], call.n
    g = launch(call, "field", "gradient", (), None).reshape(count * n, 9)
    result = call.space.columns(components(g), count * n).reshape(count, n, 6)
    if call.space.framework == "torch":
        return deliver(call.space, result, out)
    if out is None:
        return result
    target = _target(call, (count, n, 6), out)
    target[...] = result
    return target
