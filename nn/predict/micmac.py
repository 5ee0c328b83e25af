"""Regularised correlation of 9 x 9 windows, after the principles of MicMac.

From coarse to fine: at each resolution the candidates around the field that is known get their cost (eq. 1 of
the GeoFlowNet paper), dynamic programming along lines in eight directions regularises it, and the best one is
taken; at full resolution the candidates come ever closer (see `dislok.kernels.images.blocks`).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from dislok.kernels.images import blocks
from dislok.kernels.threads import default_threads, share

from ..flow import FlowMap
from .inputs import Array, Mask, checked_pair, fill, whole_windows

_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
_STEPS = (0.5, 0.25, 0.125, 0.0625)
_REACH = 4


def micmac(
    pre: Array,
    post: Array,
    *,
    valid: Mask | None = None,
    search: float = 20.0,
    least: float = 0.5,
    gamma: float = 2.0,
    smoothness: float = 0.3,
    threads: int | None = None,
) -> FlowMap:
    """Displacement by regularised correlation.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    search : float
        Largest displacement that is looked for (px).
    least, gamma : float
        C_min and γ of the cost: correlations below the first count as the first.
    smoothness : float
        Cost of a change of displacement by one pixel between neighbours.
    threads : int, optional

    Returns
    -------
    FlowMap
        In the frame of `pre`, in steps of 1/16 px; its error is None. The score is the correlation of the
        windows; it ends at `least`. Pixels whose windows leave the images, or meet missing pixels, are not
        valid.

    Raises
    ------
    ValueError
        If shapes or numbers do not fit.
    """
    pre, post, good = checked_pair(pre, post, valid)
    if not (search > 0 and 0 <= least < 1 and gamma > 0 and smoothness >= 0):
        raise ValueError(
            "search, least, gamma, smoothness: expected > 0, in [0, 1), > 0, >= 0, "
            f"got {search}, {least}, {gamma}, {smoothness}"
        )
    jobs = default_threads() if threads is None else threads
    levels = max(0, int(np.ceil(np.log2(max(search, 1) / _REACH))))
    pyramid = _pyramid(fill(pre, good), fill(post, good), levels)
    regular = _Regular(least, gamma, smoothness, jobs)
    right, down = (np.zeros(pyramid[-1][0].shape, np.float32) for _ in range(2))
    regular.improve(*pyramid[-1], right, down, 1.0, 2 * _REACH + 1)
    for level in pyramid[-2::-1]:
        right, down = (_finer(plane, level[0].shape) for plane in (right, down))
        regular.improve(*level, right, down, 1.0, 5)
    costs = np.empty(0)
    for step in _STEPS:
        costs = regular.improve(*pyramid[0], right, down, step, 3)
    return _flow(right, down, costs, good, least, gamma)


class _Regular:
    """One round at one resolution: costs of candidates, regularisation, choice."""

    def __init__(self, least: float, gamma: float, smoothness: float, threads: int) -> None:
        self.least, self.gamma = np.float32(least), np.float32(gamma)
        self.alpha, self.threads = np.float32(smoothness), threads

    def improve(self, pre: Array, post: Array, right: Array, down: Array, step: float, n: int) -> Array:
        """Move the field in place; return the cost of what it moved to."""
        h, w = pre.shape
        a, b = (np.pad(image, blocks.MARGIN + 8, mode="reflect")[8:-8, 8:-8].copy() for image in (pre, post))
        costs = np.empty((h, w, n * n), np.float32)
        bands = [(i, min(i + 32, h)) for i in range(0, h, 32)]
        fixed = (right, down, np.float32(step), n)
        share(
            lambda first, last: blocks.window_costs(a, b, *fixed, self.least, self.gamma, first, last, costs),
            bands,
            self.threads,
            lambda: None,
        )
        totals = self._totals(costs, right, down, np.float32(step), n)
        before = right.copy(), down.copy()
        blocks.choose(totals, np.float32(step), n, 0, h, right, down)
        label = self._label(before, right, down, step, n)
        return np.take_along_axis(costs, label[..., None], axis=-1)[..., 0]

    def _totals(self, costs: Array, right: Array, down: Array, step: np.float32, n: int) -> Array:
        sums = [np.zeros_like(costs) for _ in range(min(2, self.threads))]
        halves = [_DIRECTIONS[i :: len(sums)] for i in range(len(sums))]

        def half(directions: tuple, total: Array) -> None:
            for dr, dc in directions:
                blocks.scan(costs, right, down, step, n, self.alpha, dr, dc, 0, len(right), total)

        share(half, list(zip(halves, sums, strict=True)), self.threads, lambda: None)
        # The cost of the pixel itself is in each of the eight sums.
        return sum(sums[1:], sums[0]) - np.float32(len(_DIRECTIONS) - 1) * costs

    @staticmethod
    def _label(before: tuple[Array, Array], right: Array, down: Array, step: float, n: int) -> Array:
        j, i = (
            np.rint((now - old) / step).astype(np.int64) + n // 2
            for old, now in zip(before, (right, down), strict=True)
        )
        return i * n + j


def _pyramid(pre: Array, post: Array, levels: int) -> list[tuple[Array, Array]]:
    """The pair at full resolution, a half, a quarter, ..."""
    pairs = [(pre, post)]
    for _ in range(levels):
        if min(pairs[-1][0].shape) < 32:
            break
        pairs.append((_halved(pairs[-1][0]), _halved(pairs[-1][1])))
    return pairs


def _halved(image: Array) -> Array:
    return np.ascontiguousarray(ndimage.gaussian_filter(image, 1.0)[::2, ::2])


def _finer(plane: Array, shape: tuple[int, ...]) -> Array:
    """A field of half the resolution in pixels of the finer one; whole numbers stay whole."""
    return np.ascontiguousarray((2 * plane).repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]])


def _flow(right: Array, down: Array, costs: Array, good: Mask, least: float, gamma: float) -> FlowMap:
    values = np.stack([right, -down], axis=-1)
    above = np.clip(1 - costs / (1 - least), 0, 1) ** (1 / gamma)
    score = (least + (1 - least) * above).astype(np.float32)
    return FlowMap(values, None, whole_windows(good, values, blocks.HALF, blocks.HALF), "pre", score)
