"""Many models with the same observers: batches of triangles in one launch, threads over the batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES
from dislok.kernels.threads import default_threads, share

from . import burgers
from .blocks import CHUNK, MISSING, run
from .codes import TRI, code_of, compile_code
from .directions import DIRECTION
from .numba_cpu import (
    COMPONENTS,
    FIELD,
    NOTHING,
    SERIAL,
    Problem,
    Sums,
    _axis,
    _greens_rows,
    _scratch,
    _spans,
)
from .recipes import OPERATIONS, ROWS

# Pairs between two looks at whether the call has been given up.
PIECE = 1 << 15


@kernel
def run_batches(obs, tri, size, span, along, chunk, lift, code, constants, count, sums, kept, work, stop):
    """`blocks.run` for batches ``span[0]`` to ``span[1]`` of `size` triangles.

    `sums` are rows that are summed for each lane and for each member of the other side, and the array
    (batches, n, rows) to which they go; `kept` is a `Kept`. Returns the batch to go on with.
    """
    index, to, flat, by_obs, by_tri, step = kept
    by_lane, by_other, out = sums
    empty = np.zeros((0, 0), obs.dtype)
    for batch in range(span[0], span[1]):
        own = out[batch]
        own[:] = 0.0
        lanes, others = (own, empty) if along[0] else (empty, own)
        run(
            obs, tri[batch * size : (batch + 1) * size], along, chunk, (np.int64(0), np.int64(1)), lift, code,
            constants, count, (by_lane, lanes), (by_other, others),
            (index, to, flat[batch * step :], by_obs, by_tri), work, stop,
        )  # fmt: skip
        if stop[0]:
            return batch
    return span[1]


class Kept(NamedTuple):
    """Result rows that are kept for every pair, where they go, and the numbers of a batch."""

    rows: np.ndarray
    to: np.ndarray
    out: np.ndarray
    by_obs: int
    by_tri: int
    step: int


class Batches(NamedTuple):
    """Batches of one call: their triangles lie one after the other, `size` of each batch."""

    problem: Problem
    number: int
    size: int

    def along(self, kept: bool) -> tuple[bool, bool]:
        """As of `Problem`, for one batch."""
        n, m = len(self.problem.obs), self.size
        by_triangles = m >= min(n, LANES) if kept else m > n and n < 16 * LANES
        return not by_triangles, by_triangles

    def launch(
        self, name: str, sums: Sums = NOTHING, kept: Kept | None = None, of_obs: np.ndarray | None = None,
        of_tri: np.ndarray | None = None, out: np.ndarray | None = None, threads: int | None = None,
    ) -> None:  # fmt: skip
        """Run an operation; sums go to `out` (batches, n, rows) or results of pairs where `kept` says."""
        problem, dtype = self.problem, self.problem.dtype
        threads = threads or default_threads()
        pairs = max(len(problem.obs) * self.size, 1)
        if pairs * self.number <= SERIAL:
            threads = 1
        many = max(1, min(PIECE // pairs, -(-self.number // (4 * threads))))
        jobs = [(a, min(a + many, self.number)) for a in range(0, self.number, many)]
        along = self.along(kept is not None)
        obs = problem.obs if of_obs is None else np.concatenate([problem.obs, of_obs], axis=1)
        obs, tri = np.ascontiguousarray(obs, dtype), problem.columns(of_tri)
        lanes = len(obs) if along[0] else self.size
        by_lane, others = _spans(along, sums)
        none, whole = np.empty(0, dtype), np.empty(0, np.int64)
        given = kept or Kept(whole, whole, none, 0, 0, 0)
        place = np.empty((self.number, 0, 0), dtype) if out is None else out
        case, count = (name, problem.where, dtype), ROWS[OPERATIONS[name].level]
        lift = TRI + (0 if of_tri is None else of_tri.shape[1])
        chunk = min(CHUNK, -(-lanes // LANES) * LANES)
        constants = dtype.type(problem.nu), np.finfo(dtype).eps
        over: list[bool] = []

        def work(begin: int, end: int) -> None:
            scratch = _scratch(obs, tri, along, count, by_lane[1] - by_lane[0])
            while begin < end and not over:
                stop = np.zeros(1, np.int64)
                begin = run_batches(
                    obs, tri, self.size, (begin, end), along, chunk, lift, code_of(*case), constants, count,
                    (by_lane, others, place), tuple(given), scratch, stop,
                )  # fmt: skip
                if stop[0]:
                    compile_code(int(stop[0]) - MISSING, *case)

        share(work, jobs, threads, lambda: over.append(True))


def _batches(obs: np.ndarray, tri: np.ndarray, slip: np.ndarray | None, nu: float, space: str, size: int):
    return Batches(Problem(obs, tri, slip, nu, space, False), len(tri) // size, size)


def _summed(batches: Batches, name: str, span: tuple[int, int], out: Any, threads: Any) -> np.ndarray:
    """Result rows added up over the triangles of each batch: (batches, n, rows)."""
    if out is None:
        out = np.empty((batches.number, len(batches.problem.obs), span[1] - span[0]), batches.problem.dtype)
    batches.launch(name, Sums(of_obs=span), out=out, threads=threads)
    return out


def _kept(
    batches: Batches, name: str, index: np.ndarray, of_tri: np.ndarray | None, out: np.ndarray, threads: Any,
    of_obs: np.ndarray | None = None, first: int = 0, apart: int = 1,
) -> None:  # fmt: skip
    """Result rows ``index[c, v]`` of every pair to ``out[batch, n, first + apart * c, triangle, v]``."""
    count, numbers = index.shape
    size = batches.size
    to = size * numbers * (first + apart * np.arange(count)[:, None]) + np.arange(numbers)
    by_obs = apart * count * size * numbers
    step = len(batches.problem.obs) * by_obs
    kept = Kept(index.ravel(), to.ravel(), out.reshape(-1), by_obs, numbers, step)
    batches.launch(name, kept=kept, of_obs=of_obs, of_tri=of_tri, threads=threads)


def field(obs, tri, slip, nu, space, of, size, out=None, threads=None):
    """Displacement (batches, n, 3) or its gradient (batches, n, 9), summed over its `size` triangles."""
    return _summed(_batches(obs, tri, slip, nu, space, size), *FIELD[of], out, threads)


def field_both(obs, tri, slip, nu, space, size, threads=None):
    """Displacement and gradient in one pass, (batches, n, 12)."""
    return _summed(_batches(obs, tri, slip, nu, space, size), "gradient", (0, 12), None, threads)


def greens(obs, tri, nu, space, of, size, out=None, threads=None):
    """Response to unit slips: (batches, n, c, size, 3)."""
    batches = _batches(obs, tri, None, nu, space, size)
    name, index = _greens_rows(of)
    if out is None:
        out = np.empty((batches.number, len(obs), len(index), size, 3), obs.dtype)
    _kept(batches, name, index, None, out, threads)
    return out


def jacobian(obs, tri, slip, nu, space, of, size, out=None, threads=None):
    """Derivatives with respect to the nine coordinates of the vertices: (batches, n, c, size, 9)."""
    batches = _batches(obs, tri, slip, nu, space, size)
    slopes, index = batches.problem.each(burgers.slopes, 30), np.arange(27).reshape(3, 9)
    if out is None:
        out = np.empty((batches.number, len(obs), COMPONENTS[of], size, 9), obs.dtype)
    if of == "displacement":
        _kept(batches, "jacobian", index, slopes, out, threads)
        return out
    slopes = np.concatenate([np.zeros((len(tri), DIRECTION)), slopes], axis=1)
    for j in range(3):
        _kept(batches, "jacobian_along", index, slopes, out, threads, _axis(obs, j), j, 3)
    return out
