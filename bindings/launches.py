"""From a checked call to the kernels of its backend, or to torch's functions, and back to arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from dislok import batches
from dislok.arrays import Array, ArrayLike, checked_out
from dislok.calls import (
    BLOCK,
    COMPONENTS,
    Call,
    components_of,
    copied,
    deliver,
    flat,
    modulus,
    strain_of,
    stress_of,
    target,
    two,
    zeros,
)
from dislok.kernels.backend import kernel_of

C = TypeVar("C", bound=Call)


def launch(call: Call, operation: str, of: str, tail: tuple[int, ...], out: Array | None) -> Array:
    """Run an operation whose result has the components of `of` and then `tail` for each observer."""
    if call.batch is not None:
        return batches.launch(call, operation, of, tail, out, launch)
    shape = (call.n, *components_of(of), *tail)
    if call.space.framework == "torch":
        function = kernel_of(call.derivatives(), operation)
        tensor = guarded(call, lambda c: function(*c.geometry, of, call.pairs, call.threads))
        return deliver(call.space, tensor.reshape(shape), out)
    place = None if out is None else flat(call, of, target(call, shape, out))
    if not (call.n and call.m):
        return zeros(call.space, shape, out)
    kernel = kernel_of(call.kernels(), operation)
    result = kernel(*call.geometry, of, call.pairs, out=place, threads=call.threads)
    return result.reshape(shape) if out is None else out


def guarded(call: C, compute: Callable[[C], Array]) -> Array:
    """A result in tensors; observers without a value do not spoil its derivatives."""
    if call.batch is not None:
        return compute(call)
    from dislok.autograd import edges

    return edges.guarded(lambda obs: compute(replace(call, obs=obs)), call.obs, *call.sources)


def product(
    call: Call, operation: str, of: str, given: Array, shape: tuple[int, ...], out: Array | None
) -> Array:
    """The Green's matrix or its transpose times a factor."""
    if call.space.framework == "torch":
        found = kernel_of(call.derivatives(), operation)(*call.geometry, of, given, call.threads)
        return deliver(call.space, found.reshape(shape), out)
    place = None if out is None else target(call, shape, out, given)
    if not (call.n and call.m):
        return zeros(call.space, shape, out)
    kernel = kernel_of(call.kernels(), operation)
    result = kernel(*call.geometry, of, given, threads=call.threads).reshape(shape)
    if place is None:
        return result
    place[...] = result
    return place


def fields(call: Call, out: Array | None) -> tuple[Array, Array]:
    """Displacement (n, 3) and gradient (n, 3, 3) in one pass; of batches (B, n, ...)."""
    first, second = two(out)
    if call.batch is not None:
        return batches.fields(call, first, second, launch)
    if call.space.framework == "torch":
        function = call.derivatives().field
        both = guarded(call, lambda c: function(*c.geometry, "both", call.pairs, call.threads))
        u, g = both[:, :3], both[:, 3:].reshape(-1, 3, 3)
        return deliver(call.space, u, first), deliver(call.space, g, second)
    u = target(call, (call.n, 3), first)
    g = target(call, (call.n, 3, 3), second)
    if call.writes_both and call.backend == "numba" and call.n and call.m:
        call.kernels().field_both(*call.geometry, call.pairs, out=(u, g), threads=call.threads)
        return u, g
    for rows, both in blocks(call, 12, "field_both", call.pairs):
        u[rows] = both[:, :3]
        g[rows] = both[:, 3:].reshape(-1, 3, 3)
    return u, g


def from_gradient(call: Call, components: Callable[[Array], list[Array]], out: Array | None) -> Array:
    """Six numbers for each observer that follow from the gradient there."""
    if call.batch is not None or call.space.framework == "torch":
        g = launch(call, "field", "gradient", (), None)
        shape = (*g.shape[:-2], 6)
        result = call.space.columns(components(g.reshape(-1, 9)), math.prod(shape[:-1])).reshape(shape)
        return copied(call, result, out)
    result = target(call, (call.n, 6), out)
    for rows, g in blocks(call, 9, "field", "gradient", call.pairs):
        for k, component in enumerate(components(g)):
            result[rows, k] = component
    return result


def blocks(call: Call, width: int, operation: str, *how: Any) -> Iterator[tuple[slice, Array]]:
    """Results (rows, width) for one block of observers after the other."""
    for start in range(0, call.n, BLOCK):
        rows = slice(start, min(start + BLOCK, call.n))
        sources = tuple(array[rows] for array in call.sources) if call.pairs else call.sources
        part = replace(call, obs=call.obs[rows], sources=sources)
        if part.m:
            kernel = kernel_of(part.kernels(), operation)
            yield rows, kernel(*part.geometry, *how, threads=part.threads)
        else:
            yield rows, zeros(part.space, (part.n, width), None)


GREENS = (*COMPONENTS, "strain", "stress")


def greens(call: Call, of: str, mu: ArrayLike, numbers: int, out: Array | None) -> Array:
    """Green's matrix; that of strain and stress, (n, 6, m, b), from that of the gradient."""
    if of not in GREENS:
        raise ValueError(f"unknown of={of!r}; choose from {', '.join(map(repr, GREENS))}")
    if of in COMPONENTS:
        return launch(call, "greens", of, call.of_sources(numbers), out)
    if call.batch is not None:
        raise ValueError(f"of={of!r} is for one model at a time; the sources are {call.batch[0]} models")
    stiffness = modulus(mu, call.space)
    g = launch(call, "greens", "gradient", call.of_sources(numbers), None)
    flat = g.reshape(call.n, 9, *g.shape[3:])
    space: Any = call.space
    parts = strain_of(flat) if of == "strain" else stress_of(flat, stiffness, call.nu)
    if space.framework == "torch":
        return deliver(space, space.torch.stack(parts, 1), out)
    result = space.xp.stack(parts, 1)
    if out is None:
        return result
    checked_out(out, result.shape, space)
    out[...] = result
    return out
