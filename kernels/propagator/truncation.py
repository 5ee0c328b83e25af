"""How far each source needs the wavenumbers and the stack: deep sources end early, short waves see little.

At the wavenumber k waves decay with the vertical distance like exp(-k z). A source far from the receiver
needs no wavenumbers beyond a few times one over that distance, and layers far below the sources reflect
nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dislok.kernels.lanes import LANES
from dislok.kernels.names import Array, Namespace

from . import bessel as own
from .pair import CROSS, HALF_SPACE
from .stack import Layers, Paths
from .timeseries import smooth_step

# Distances are rounded to steps of this many to a factor of two: nearby problems share wavenumbers and ends.
_STEPS = 4.0
# Exponent at which a wave that comes back from below is lost in rounding, and a margin on slow waves.
_LOST, _MARGIN = 42.0, 1.2


class Grid(NamedTuple):
    """Wavenumbers of a quadrature.

    `k` (rad/km, n a multiple of `LANES`) and `weights`; `counts`: how many of them each frequency needs,
    multiples of `LANES`; `zone`: the wavenumber of each frequency's slowest wave; `decay`: the largest k h, h
    being the vertical distance of source and receiver; `turn`: k times the distance to the `closest` station,
    by which the integration ends behind all waves, infinite where it ends by `decay`. Without a zone every
    source needs all of the counts.
    """

    k: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    zone: np.ndarray | None = None
    decay: float = 0.0
    turn: float = np.inf
    closest: float = 0.0

    def end(self, offset: Array) -> Array:
        """Largest wavenumber that sources at a rounded vertical distance from the receiver need."""
        assert self.zone is not None
        return np.minimum(self.decay / offset, self.zone.max() + behind_waves(self.turn, self.closest))


def behind_waves(turn: float, closest: float) -> float:
    """How far behind the waves the closest station needs wavenumbers."""
    return turn / closest if closest > 0.0 else np.inf


class Reach(NamedTuple):
    """What a sweep computes.

    `counts` (n_omega, n_sources): wavenumbers of each source; `taper` (n_sources, n): the factors with which
    its integrands end; `active` (n_omega, blocks): how many sources, the nearest ones, need a block of
    `LANES` wavenumbers; `entry` (n_omega, blocks, 2): place that stands for all below it, and the step of the
    other state's path from there; step 0 is the end of the stack itself.
    """

    counts: np.ndarray
    taper: np.ndarray
    active: np.ndarray
    entry: np.ndarray

    def pieces(self, frequency: int) -> list[tuple[slice, int, int]]:
        """The wavenumbers of one frequency in pieces that the same sources need: sources, begin, end."""
        counts, found, begin = self.counts[frequency], [], 0
        rising = counts[0] <= counts[-1]
        for end in sorted(set(counts.tolist())):
            needing = int(np.count_nonzero(counts >= end))
            first = len(counts) - needing if rising else 0
            found.append((slice(first, first + needing), begin, end))
            begin = end
        return found


def rounded(x: np.ndarray | float, up: bool = False) -> np.ndarray:
    """Positive distances rounded to steps that are equal in their logarithm."""
    # an offset keeps the steps away from round numbers
    exponent = _STEPS * np.log2(np.maximum(x, 1e-6)) + 0.3
    return 2.0 ** (((np.ceil(exponent) if up else np.floor(exponent)) - 0.3) / _STEPS)


def whole_blocks(k: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Number of wavenumbers up to the limits, in whole blocks."""
    counts = np.searchsorted(k, limits) + 1
    return np.minimum(-(-counts // LANES) * LANES, len(k))


def needed(grid: Grid, nearest: float) -> Grid:
    """The part of a grid that sources need which are so far from the receiver in depth."""
    if grid.zone is None:
        return grid
    end = max(float(grid.zone.max()), float(grid.end(rounded(nearest))))
    n = int(whole_blocks(grid.k, np.array(end)))
    return grid._replace(k=grid.k[:n], weights=grid.weights[:n], counts=np.minimum(grid.counts, n))


def reach(layers: Layers, paths: Paths, omega: np.ndarray, grid: Grid) -> Reach:
    """The work of a sweep over these sources, frequencies and wavenumbers."""
    counts, taper = _ends(paths, grid)
    begins = np.arange(0, len(grid.k), LANES)
    active = np.sum(counts[:, None] > begins[:, None], axis=2)
    return Reach(counts, taper, active, _entry(layers, paths, omega, grid.k[begins], active))


def _ends(paths: Paths, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Counts and tapers of the sources."""
    n_sources = len(paths.sources)
    if grid.zone is None:
        return np.repeat(grid.counts[:, None], n_sources, axis=1), np.ones((n_sources, len(grid.k)))
    last, waves = grid.end(rounded(paths.offsets)), float(grid.zone.max())
    counts = whole_blocks(grid.k, np.maximum(grid.zone[:, None], last))
    cut = last < grid.decay / rounded(paths.offsets)
    uncut = np.ones_like(grid.k)
    return counts, np.stack(
        [uncut if early else roll_off(grid.k, waves, end) for early, end in zip(cut, last, strict=True)]
    )


def cut_off(grid: Grid, distances: Array, xp: Namespace = np, special: Namespace = own) -> Array:
    """Factors (..., n) of the wavenumbers at distances (...): an end before the integrands have decayed.

    What is smooth in k has no part in the motion at a distance r but for k r of order one. The end must be
    smooth itself: that of an integrated Gaussian leaves as little at its sides as in its transform if its
    half-width is the root of `turn` / 4 of its standard lengths.
    """
    waves = 0.0 if grid.zone is None else float(grid.zone.max())
    half = xp.asarray(distances)[..., None] * (2.0 / grid.turn)
    return 0.5 * special.erfc(0.5 * np.sqrt(grid.turn) * (half * (xp.asarray(grid.k) - waves) - 1.0))


def roll_off(k: np.ndarray, waves: float, end: float) -> np.ndarray:
    """A smooth end for integrands that still oscillate with the distance when they have decayed with depth.

    Where the integration ends far beyond the waves, a sharp end would leave a term that falls only with one
    over the distance.
    """
    begin = max(waves, 0.55 * end)
    if begin > 0.8 * end:
        return np.ones_like(k)
    return smooth_step((k - begin) / (end - begin))


def _entry(
    layers: Layers, paths: Paths, omega: np.ndarray, begins: np.ndarray, active: np.ndarray
) -> np.ndarray:
    """Where the other state may begin: the first cut from below which nothing comes back to the receiver."""
    entry = np.zeros((*active.shape, 2), dtype=np.int64)
    entry[..., 0] = paths.ends[1, 1]
    if paths.ends[1, 0] != HALF_SPACE:
        return entry
    slow = layers.vs[layers.vs > 0.0].min()
    q2 = begins**2 - (_MARGIN * omega.real[:, None] / slow) ** 2
    depths = paths.cuts[paths.cut_of_source]
    deepest = depths[np.maximum(active, 1) - 1]
    with np.errstate(divide="ignore"):
        there = 0.5 * (_LOST / np.sqrt(np.maximum(q2, 0.0)) + deepest + paths.receiver)
    cut = np.searchsorted(paths.cuts, np.maximum(there, deepest))
    # behind the step that crosses the piece below a cut
    turns = np.zeros(len(paths.cuts) + 1, dtype=np.int64)
    crossed = np.flatnonzero(paths.other[:, 0] == CROSS)
    turns[paths.other[crossed, 1]] = crossed + 1
    entry[..., 1] = turns[cut]
    entry[..., 0] = np.where(entry[..., 1] > 0, cut, entry[..., 0])
    return entry
