"""Many models with the same observers: batches of sources in one launch, threads over the batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import from_dtype

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES
from dislok.kernels.threads import default_threads, share

from .blocks import CHUNK, FRAME, ROOM, run
from .numba_cpu import (
    FIELD,
    FIELD_ROWS,
    FRAME_ROWS,
    GRADIENT,
    GREENS,
    HESSIANS,
    JACOBIAN,
    PIECE,
    SERIAL,
    Operation,
    Problem,
    Sink,
    _no_sink,
    _uncontracted,
    code_for,
    codes,
    sink,
    source_rows,
)
from .sources import COMPONENTS, PARAMETERS, REACH, SLIP_COMPONENTS, SWITCH


@kernel
def run_batches(geometry, size, span, start, rules, code, fused, constants, cot, ways, sinks, step, work):
    """`blocks.run` for batches ``span[0]`` to ``span[1]`` of `size` sources, from pair `start` of the first.

    The first sink's array begins `step` numbers later for each batch. Returns the batch and the pair to go on
    with, and what is missing for it, -1 for nothing.
    """
    n = len(geometry[0])
    first, second, third = sinks
    out, index, to, by_observer, by_source, add, streamed = first
    for batch in range(span[0], span[1]):
        here = (out[batch * step :], index, to, by_observer, by_source, add, streamed)
        part = (np.int64(0), n, batch * size, (batch + 1) * size)
        start, missing = run(
            geometry, part, start, n * size, rules, code, fused, constants, cot, ways,
            (here, second, third), work,
        )  # fmt: skip
        if missing >= 0:
            return batch, start, missing
        start = 0
    return span[1], 0, -1


class Batches(NamedTuple):
    """Batches of one call: their sources lie one after the other, `size` of each batch."""

    problem: Problem
    number: int
    size: int

    def launch(self, operation: Operation, to: Sink, step: int, threads: int | None) -> None:
        """Evaluate an operation; results go to a sink whose array begins `step` numbers later for each."""
        threads = threads or default_threads()
        pairs = max(len(self.problem.obs) * self.size, 1)
        if pairs * self.number <= SERIAL[operation.level]:
            threads = 1
        many = max(1, min(PIECE // pairs, -(-self.number // (4 * threads))))
        jobs = [(a, min(a + many, self.number)) for a in range(0, self.number, many)]
        share(self._evaluator(operation, to, step), jobs, threads, self.problem.stop)

    def _evaluator(self, operation: Operation, to: Sink, step: int) -> Callable[[int, int], None]:
        problem = self.problem
        dtype, none = problem.dtype, _no_sink(problem.dtype)
        code = codes(operation, dtype)[int(problem.surface)]
        rules = (REACH[dtype], *SWITCH[dtype])
        given = (problem.obs, problem.table, False), self.size
        how = rules, code, operation.fused, problem.constants, *_uncontracted(dtype), (to, none, none), step

        def evaluate(begin: int, end: int) -> None:
            start, work = 0, scratch(operation, dtype, len(to[1]))
            while begin < end and not problem.stopped:
                begin, start, missing = run_batches(*given, (begin, end), start, *how, work)
                if missing >= 0:
                    code[missing] = code_for(missing, operation, problem.surface, from_dtype(dtype))

        return evaluate


def scratch(operation: Operation, dtype: np.dtype, wanted: int) -> tuple[np.ndarray, ...]:
    """Work memory of `run`."""
    rows = FRAME + max(FRAME_ROWS[operation.level], operation.rows)
    return (
        np.empty(rows * LANES, dtype),
        np.empty(wanted * LANES, dtype),
        np.empty(CHUNK, np.int64),
        np.empty((ROOM * LANES, 2), np.int64),
        np.empty((ROOM, 3), np.int64),
    )


def _batches(kind: str, obs: np.ndarray, src: np.ndarray, nu: float, origin: Any, size: int) -> Batches:
    return Batches(Problem(obs, source_rows(kind, src, origin), nu, False), len(src) // size, size)


def _summed(
    batches: Batches, operation: Operation, rows: tuple[int, int], out: Any, threads: Any
) -> np.ndarray:
    """Result rows added up over the sources of each batch: (batches, n, rows)."""
    first, width = rows
    shape = (batches.number, len(batches.problem.obs), width)
    several = batches.size > 1
    if out is None:
        out = np.empty(shape, batches.problem.dtype)
    if several:
        out[...] = 0
    to = sink(out, np.arange(first, first + width), np.arange(width), width, 0, several)
    batches.launch(operation, to, shape[1] * width, threads)
    return out.reshape(shape)


def _kept(batches: Batches, operation: Operation, index: np.ndarray, out: Any, threads: Any) -> np.ndarray:
    """Result rows of every pair: (batches, n, components, sources, numbers)."""
    n, k, (count, numbers) = len(batches.problem.obs), batches.size, index.shape
    shape = (batches.number, n, count, k, numbers)
    if out is None:
        out = np.empty(shape, batches.problem.dtype)
    to = np.arange(count)[:, None] * k * numbers + np.arange(numbers)
    # sources are counted through all batches
    step = n * count * k * numbers - k * numbers
    batches.launch(operation, sink(out, index, to, count * k * numbers, numbers, False), step, threads)
    return out.reshape(shape)


def field(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Displacement (batches, n, 3) or its gradient (batches, n, 9), summed over its `size` sources."""
    return _summed(_batches(kind, obs, src, nu, origin, size), FIELD[of], FIELD_ROWS[of], out, threads)


def field_both(kind, obs, src, nu, origin, size, threads=None):
    """Displacement and gradient in one pass, (batches, n, 12)."""
    return _summed(_batches(kind, obs, src, nu, origin, size), GRADIENT, (0, 12), None, threads)


def greens(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Response to unit slips: (batches, n, c, size, B)."""
    count, slips = COMPONENTS[of], SLIP_COMPONENTS[kind]
    index = np.arange(count)[:, None] + count * np.arange(slips)[None, :]
    return _kept(_batches(kind, obs, src, nu, origin, size), GREENS[of], index, out, threads)


def jacobian(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Derivatives with the sources' parameters: (batches, n, c, size, P)."""
    operation, index = JACOBIAN[kind, of]
    return _kept(_batches(kind, obs, src, nu, origin, size), operation, index, out, threads)


def hessian(kind, obs, src, nu, origin, of, size, out=None, threads=None):
    """Second derivatives of the displacement: (batches, n, 3, size, P, P)."""
    if of != "displacement":
        raise ValueError("of='gradient' has no batches; call hessian for each batch")
    batches = _batches(kind, obs, src, nu, origin, size)
    operation, index = HESSIANS[kind, "parameters" if batches.problem.surface else "second"]
    found = _kept(batches, operation, index, out, threads)
    return found.reshape(*found.shape[:4], *(len(PARAMETERS[kind]),) * 2)
