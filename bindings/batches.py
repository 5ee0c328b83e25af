"""Batches of models: sources of shape (B, k, ...) with the same observers, in one launch.

`one` is what launches an operation on a single model (`launches.launch`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dislok.arrays import Array, TorchSpace
from dislok.calls import Call, components_of, copied, target
from dislok.kernels.backend import kernel_of

Launch = Callable[[Call, str, str, tuple[int, ...], Array | None], Array]


def launch(
    call: Call, operation: str, of: str, tail: tuple[int, ...], out: Array | None, one: Launch
) -> Array:
    """An operation on every model: (B, n, components), or with k and the rest of `tail` behind."""
    assert call.batch is not None
    count, size = call.batch
    rest = (size, *tail[1:]) if tail else ()
    shape = (count, call.n, *components_of(of), *rest)
    place = None
    if out is not None and call.space.framework != "torch":
        place = target(call, shape, out)
    if not (count and call.n and size):
        result = call.space.empty(shape)
        result[...] = 0
    elif call.compiled:
        kernel = kernel_of(call.batches(), operation)
        there = None if place is None else place.reshape(count, call.n, -1, *rest)
        found = kernel(*call.geometry, of, size, out=there, threads=call.threads)
        return found.reshape(shape) if place is None else place
    else:
        result = _by_pairs(call, operation, of, rest, one)
    return copied(call, result, out)


def _by_pairs(call: Call, operation: str, of: str, rest: tuple[int, ...], one: Launch) -> Array:
    """By pairs of an observer and a source, where there is no loop over models: tensors and devices.

    Each pair has numbers of its own, of which torch takes the derivatives back to the models'.
    """
    assert call.batch is not None
    (count, size), n, components = call.batch, call.n, components_of(of)
    moved: Callable[..., Array]
    if isinstance(call.space, TorchSpace):
        obs = call.obs.expand(count * size, n, 3).reshape(-1, 3)
        sources = tuple(array.repeat_interleave(n, dim=0) for array in call.sources)
        moved = call.space.torch.movedim
    else:
        xp = call.space.xp
        obs = xp.ascontiguousarray(xp.broadcast_to(call.obs, (count * size, n, 3)).reshape(-1, 3))
        sources, moved = tuple(xp.repeat(array, n, axis=0) for array in call.sources), xp.moveaxis
    pairs = replace(call, obs=obs, sources=sources, pairs=True, batch=None)
    found = one(pairs, operation, of, rest[1:], None)
    found = found.reshape(count, size, n, *components, *rest[1:])
    return moved(found, 1, 2 + len(components)) if rest else found.sum(1)


def fields(call: Call, first: Array | None, second: Array | None, one: Launch) -> tuple[Array, Array]:
    """Displacement (B, n, 3) and gradient (B, n, 3, 3)."""
    assert call.batch is not None
    if not (call.compiled and call.n and call.m):
        return one(call, "field", "displacement", (), first), one(call, "field", "gradient", (), second)
    count, size = call.batch
    u = target(call, (count, call.n, 3), first)
    g = target(call, (count, call.n, 3, 3), second)
    both = call.batches().field_both(*call.geometry, size, threads=call.threads)
    u[...], g[...] = both[..., :3], both[..., 3:].reshape(g.shape)
    return u, g
