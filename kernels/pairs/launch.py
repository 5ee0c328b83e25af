"""One call on the processor: which side lanes run along, how threads share them, where results go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dislok.kernels.lanes import LANES
from dislok.kernels.names import Array
from dislok.kernels.threads import default_threads, share

from .blocks import CHUNK, GIVEN_UP, WAYS, run
from .code import Code

# Results of more bytes are written past the caches.
CACHED = 1 << 22


class Sums(NamedTuple):
    """Result rows (from, to) that are summed over the sources, and over the observers."""

    of_obs: tuple[int, int] = (0, 0)
    of_src: tuple[int, int] = (0, 0)


NOTHING = Sums()


class Matrix(NamedTuple):
    """Result rows that are kept for every pair, and where they go.

    Attributes
    ----------
    rows, to : array of int
        Rows, and their places relative to a pair's.
    out : array
        Flat.
    by_obs, by_src : int
        How far apart the pairs of neighbouring observers, and of neighbouring sources, lie.
    streamed : bool
        Past the caches, where neighbouring lanes are neighbours there.
    """

    rows: np.ndarray
    to: np.ndarray
    out: np.ndarray
    by_obs: int
    by_src: int
    streamed: bool


def matrix(rows: Array, to: Array, out: np.ndarray, by_obs: int, by_src: int) -> Matrix:
    """Where rows go that are kept; what the caches cannot hold goes past them."""
    rows, to = (np.ascontiguousarray(each, np.int64).reshape(-1) for each in (rows, to))
    dense = len(to) > 0 and to[-1] - to[0] == len(to) - 1 and bool((np.diff(to) == 1).all())
    streamed = out.nbytes > CACHED and dense and out.ctypes.data % out.itemsize == 0
    return Matrix(rows, to, out.reshape(-1), by_obs, by_src, streamed)


def both(kept: Sequence[Matrix], dtype: np.dtype) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """As many as `run` takes."""
    nothing = matrix((), (), np.empty(0, dtype), 0, 0)
    full = [*kept, *[nothing] * (2 - len(kept))]
    return tuple(full[0]), tuple(full[1])


class Lanes(NamedTuple):
    """How the pairs of `n` observers and `m` sources become lanes."""

    along: tuple[bool, bool]
    lanes: int
    others: int


def lanes_of(n: int, m: int, paired: bool, beside: bool) -> Lanes:
    """Lanes along the longer side, or along both; along the sources if they had better be neighbours."""
    if paired:
        return Lanes((True, True), n, 1)
    by_sources = m >= min(n, LANES) if beside else m > n and n < 16 * LANES
    return Lanes((False, True), m, n) if by_sources else Lanes((True, False), n, m)


class PairSet(ABC):
    """Observers and sources of one call, as `blocks.run` wants them.

    Attributes
    ----------
    obs : array, shape (n, 3)
    m : int
        Number of sources.
    nu, rounding : float
        Poisson's ratio, and what the code is told of rounding.
    paired : bool
        Source i with observer i only.
    """

    #: Whether lanes of neighbouring sources are worth more than full blocks where every pair is kept.
    beside: bool = False

    def __init__(self, obs: np.ndarray, m: int, nu: float, rounding: float, paired: bool) -> None:
        self.obs, self.m, self.paired = obs, m, paired
        self.dtype = obs.dtype
        self.numbers = self.dtype.type(nu), self.dtype.type(rounding)

    @property
    def alone(self) -> bool:
        """Whether every observer has one source only, so that nothing is summed."""
        return self.m == 1 or self.paired

    @abstractmethod
    def columns(self, of_src: np.ndarray | None) -> tuple[np.ndarray, int]:
        """What code reads of sources with what belongs to them, and the first column of its last part."""

    def shared(self, of_obs: np.ndarray | None, of_src: np.ndarray | None) -> tuple[Array, ...]:
        """Observers with what belongs to them, columns of the sources, and what all code is given."""
        obs = self.obs if of_obs is None else np.concatenate([self.obs, of_obs], axis=1)
        src, last = self.columns(of_src)
        return np.ascontiguousarray(obs, self.dtype), src, (*self.numbers, last)

    def launch(
        self,
        code: Code,
        of_obs: np.ndarray | None = None,
        of_src: np.ndarray | None = None,
        sums: Sums = NOTHING,
        kept: Sequence[Matrix] = (),
        threads: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run an operation on all pairs.

        Parameters
        ----------
        code : Code
        of_obs, of_src : array, shapes (n, k) and (m, k), optional
            What belongs to observers and sources beside their places.
        sums : Sums
            Rows that are summed.
        kept : sequence of Matrix
            Rows that are kept, in at most two arrays.
        threads : int, optional

        Returns
        -------
        array, array, shapes (n, k) and (m, k)
            Sums over the sources of each observer, and over the observers of each source.
        """
        obs, src, numbers = self.shared(of_obs, of_src)
        n, m = len(obs), len(src)
        along, lanes, others = lanes_of(n, m, self.paired, self.beside and bool(kept))
        workers = _workers(code, lanes, n if self.paired else n * m, threads)
        chunk = min(CHUNK, -(-lanes // (4 * workers * LANES)) * LANES)
        of_lanes, of_others = spans(along, sums)
        lane_sums = np.zeros((lanes, of_lanes[1] - of_lanes[0]), self.dtype)
        other_sums = np.zeros((workers, 0 if all(along) else others, of_others[1] - of_others[0]), self.dtype)
        places = both(kept, self.dtype)
        stop = np.zeros(1, np.int64)

        def work(worker: int) -> None:
            memory = scratch(obs, src, along, code, of_lanes[1] - of_lanes[0], places)
            run(
                obs, src, along, chunk, (worker, workers), code.addresses, code.fused, numbers, code.zeroed,
                (of_lanes, lane_sums), (of_others, other_sums[worker]), places, memory, stop,
            )  # fmt: skip

        jobs = [(worker,) for worker in range(workers)]
        give_up = partial(stop.fill, GIVEN_UP)
        if lanes and others:
            share(work, jobs, workers, give_up)
        while stop[0]:
            code.compile(int(stop[0]) - 1)
            stop[0], other_sums[...] = 0, 0.0
            share(work, jobs, workers, give_up)
        total = other_sums[0] if workers == 1 else other_sums.sum(axis=0)
        if self.paired:
            of_obs, of_src = (lane_sums[:, a - of_lanes[0] : b - of_lanes[0]] for a, b in sums)
            return of_obs, of_src
        return (lane_sums, total) if along[0] else (total, lane_sums)

    def summed(
        self, code: Code, rows: tuple[int, int], out: np.ndarray | None, threads: int | None, **parts: Any
    ) -> np.ndarray:
        """Result rows (from, to) added up over the sources, (n, rows), in `out` if given."""
        if self.alone:
            width = rows[1] - rows[0]
            if out is None:
                out = np.empty((len(self.obs), width), self.dtype)
            kept = [matrix(np.arange(*rows), np.arange(width), out, width, 0)]
            self.launch(code, kept=kept, threads=threads, **parts)
            return out
        found, _ = self.launch(code, sums=Sums(of_obs=rows), threads=threads, **parts)
        if out is None:
            return found
        out[...] = found
        return out

    def kept(
        self, code: Code, index: np.ndarray, out: np.ndarray | None, threads: int | None, **parts: Any
    ) -> np.ndarray:
        """Result rows ``index[c, v]`` of every pair as (n, c, m, v), or (n, c, v) for pairs."""
        if out is None:
            between = () if self.paired else (self.m,)
            out = np.empty((len(self.obs), len(index), *between, index.shape[1]), self.dtype)
        self.launch(code, kept=[self.places(index, out)], threads=threads, **parts)
        return out

    def places(self, index: np.ndarray, out: np.ndarray, first: int = 0, apart: int = 1) -> Matrix:
        """Result rows ``index[c, v]`` to ``out[n, first + apart * c, m, v]``, without m for pairs."""
        m = 1 if self.paired else self.m
        count, size = index.shape
        to = m * size * (first + apart * np.arange(count)[:, None]) + np.arange(size)
        return matrix(index, to, out, apart * count * m * size, 0 if self.paired else size)


def _workers(code: Code, lanes: int, pairs: int, threads: int | None) -> int:
    if pairs <= code.serial:
        return 1
    return max(1, min(threads or default_threads(), -(-lanes // LANES)))


def spans(along: tuple[bool, bool], sums: Sums) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows that are summed for each lane, and for each member of the other side."""
    if all(along):
        spans = [span for span in sums if span[1] > span[0]] or [(0, 0)]
        return (min(a for a, _ in spans), max(b for _, b in spans)), (0, 0)
    return (sums.of_obs, sums.of_src) if along[0] else (sums.of_src, sums.of_obs)


def scratch(
    obs: np.ndarray, src: np.ndarray, along: tuple[bool, bool], code: Code, summed: int, kept: Array
) -> tuple[np.ndarray, ...]:
    """Work memory of `run`: `summed` rows for each lane, those that are kept of a block side by side."""
    sizes = [a.shape[1] * (CHUNK if runs else LANES) for a, runs in ((obs, along[0]), (src, along[1]))]
    sizes += [a.shape[1] * LANES for a in (obs, src)]
    sizes += [code.rows * LANES, max(len(each[0]) for each in kept) * LANES, summed * CHUNK, CHUNK + 2, WAYS]
    lists = np.empty(CHUNK + 1, np.int64), np.empty(WAYS, np.int64), np.empty((WAYS, 2, LANES), np.int64)
    return (*(np.empty(size, obs.dtype) for size in sizes), *lists)
