"""Few pairs from compiled code: one operation summed over the sources, in the caller's thread."""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES

from .blocks import CHUNK, WAYS, run


@kernel
def few(obs, src, last, code, fused, numbers, zeroed, rows, first, out):
    """Result rows from `first` on, summed over the sources, to `out` (n, width); whether it could be done.

    `src` are a family's columns, of which the last part begins at `last`; `code`, `fused`, `zeroed`, `rows`
    are those of a `Code`, `numbers` Poisson's ratio and rounding.
    """
    n, m = len(obs), len(src)
    # literals would make Numba compile `run` anew
    nought, one, no = np.int64(0), np.int64(1), n < 0
    by_sources = m > n and n < 16 * LANES
    along = (not by_sources, by_sources)
    lanes = m if by_sources else n
    # as in a launch by one thread, so that the numbers are the same
    chunk = np.int64(min(CHUNK, (lanes + 4 * LANES - 1) // (4 * LANES) * LANES))
    width = np.int64(out.shape[1])
    if by_sources:
        out[:] = 0.0
    span, none, nowhere = (first, first + width), np.empty((0, 0)), (nought, nought)
    whole, empty = np.empty(0, np.int64), np.empty(0)
    by_lane, by_other = ((nowhere, none), (span, out)) if by_sources else ((span, out), (nowhere, none))
    work = (
        np.empty(obs.shape[1] * (chunk if along[0] else LANES)),
        np.empty(src.shape[1] * (chunk if along[1] else LANES)),
        np.empty(obs.shape[1] * LANES),
        np.empty(src.shape[1] * LANES),
        np.empty(rows * LANES),
        empty,
        np.empty(width * CHUNK),
        np.empty(CHUNK + 2),
        np.empty(WAYS),
        np.empty(CHUNK + 1, np.int64),
        np.empty(WAYS, np.int64),
        np.empty((WAYS, 2, LANES), np.int64),
    )
    nothing = (whole, whole, empty, nought, nought, no)
    stop = np.zeros(1, np.int64)
    run(
        obs, src, along, chunk, (nought, one), code, fused, (numbers[0], numbers[1], last), zeroed,
        by_lane, by_other, (nothing, nothing), work, stop,
    )  # fmt: skip
    return stop[0] == 0
