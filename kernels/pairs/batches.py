"""Many models with the same observers: batches of sources in one launch, threads over the batches."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES
from dislok.kernels.threads import default_threads, share

from .blocks import CHUNK, GIVEN_UP, run
from .code import Code
from .launch import NOTHING, Matrix, PairSet, Sums, both, lanes_of, matrix, scratch, spans

# Pairs between two looks at whether the call has been given up.
PIECE = 1 << 15


@kernel
def run_batches(
    obs, src, size, span, along, chunk, code, fused, numbers, zeroed, of_lanes, of_others, out, kept, step,
    work, stop,
):  # fmt: skip
    """`blocks.run` for batches ``span[0]`` to ``span[1]`` of `size` sources.

    Rows that are summed for lanes or for members of the other side go to `out` (batches, n, rows); what is
    kept of pairs begins `step` numbers later for each batch. Returns the batch to go on with.
    """
    (index, to, flat, by_obs, by_src, streamed), nothing = kept
    empty = np.zeros((0, 0), obs.dtype)
    for batch in range(span[0], span[1]):
        own = out[batch]
        own[:] = 0.0
        of_lane, of_other = (own, empty) if along[0] else (empty, own)
        run(
            obs, src[batch * size : (batch + 1) * size], along, chunk, (np.int64(0), np.int64(1)), code,
            fused, numbers, zeroed, (of_lanes, of_lane), (of_others, of_other),
            ((index, to, flat[batch * step :], by_obs, by_src, streamed), nothing), work, stop,
        )  # fmt: skip
        if stop[0]:
            return batch
    return span[1]


P = TypeVar("P", bound=PairSet)


class Batches(NamedTuple, Generic[P]):
    """Batches of one call: their sources lie one after the other, `size` of each batch."""

    pairs: P
    size: int

    @property
    def number(self) -> int:
        """How many there are."""
        return self.pairs.m // self.size

    def launch(
        self, code: Code, sums: Sums, kept: Matrix | None, step: int, out: np.ndarray | None,
        threads: int | None, of_obs: np.ndarray | None = None, of_src: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Run an operation; sums go to `out` (batches, n, rows) or results of pairs where `kept` says."""
        dtype = self.pairs.dtype
        obs, src, numbers = self.pairs.shared(of_obs, of_src)
        along, lanes, _ = lanes_of(len(obs), self.size, False, self.pairs.beside and kept is not None)
        of_lanes, of_others = spans(along, sums)
        places = both([kept] if kept else [], dtype)
        place = np.empty((self.number, 0, 0), dtype) if out is None else out
        chunk = min(CHUNK, -(-lanes // LANES) * LANES)
        stop = np.zeros(1, np.int64)

        def work(begin: int, end: int) -> None:
            memory = scratch(obs, src, along, code, of_lanes[1] - of_lanes[0], places)
            missing = np.zeros(1, np.int64)
            while begin < end and not stop[0]:
                begin = run_batches(
                    obs, src, self.size, (begin, end), along, chunk, code.addresses, code.fused, numbers,
                    code.zeroed, of_lanes, of_others, place, places, step, memory, missing,
                )  # fmt: skip
                if missing[0]:
                    code.compile(int(missing[0]) - 1)
                    missing[0] = 0

        jobs, threads = self._jobs(code, threads)
        share(work, jobs, threads, lambda: stop.fill(GIVEN_UP))

    def _jobs(self, code: Code, threads: int | None) -> tuple[list[tuple[int, int]], int]:
        threads = threads or default_threads()
        pairs = max(len(self.pairs.obs) * self.size, 1)
        if pairs * self.number <= code.serial:
            threads = 1
        many = max(1, min(PIECE // pairs, -(-self.number // (4 * threads))))
        return [(a, min(a + many, self.number)) for a in range(0, self.number, many)], threads

    def summed(
        self, code: Code, rows: tuple[int, int], out: np.ndarray | None, threads: int | None
    ) -> np.ndarray:
        """Result rows (from, to) added up over the sources of each batch: (batches, n, rows)."""
        n, width = len(self.pairs.obs), rows[1] - rows[0]
        if out is None:
            out = np.empty((self.number, n, width), self.pairs.dtype)
        if self.size == 1:
            kept = matrix(np.arange(*rows), np.arange(width), out, width, 0)
            self.launch(code, NOTHING, kept, n * width, None, threads)
        else:
            self.launch(code, Sums(of_obs=rows), None, 0, out, threads)
        return out

    def kept(
        self, code: Code, index: np.ndarray, out: np.ndarray, threads: int | None, first: int = 0,
        apart: int = 1, of_obs: np.ndarray | None = None, of_src: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Result rows ``index[c, v]`` of every pair to ``out[batch, n, first + apart * c, source, v]``."""
        count, numbers = index.shape
        to = self.size * numbers * (first + apart * np.arange(count)[:, None]) + np.arange(numbers)
        by_obs = apart * count * self.size * numbers
        kept = matrix(index, to, out, by_obs, numbers)
        self.launch(code, NOTHING, kept, len(self.pairs.obs) * by_obs, None, threads, of_obs, of_src)
