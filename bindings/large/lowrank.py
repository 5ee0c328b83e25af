"""Far blocks of Green's matrices as products of two factors, found from few of their rows and columns.

The columns of a random sample of sources span, to the tolerance, those of all; the observers at which this
span is best told apart then fix the coefficients of every column. So only the sample's columns and these
observers' rows are ever computed, and a few more of both, which the factors were not made from, to measure
the error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from dislok import gate as gates
from dislok.arrays import ArrayLike
from dislok.large.elements import COMPONENTS, Elements

SAMPLE = 6  # sources, for each decimal of the tolerance, at first
FRESH = 10  # sources and observers of a test
ROUNDS = 6
# error of the span over the tolerance, from the first attempt on
SPAN = {"matrix": (0.3, 0.1, 0.03), "row": (0.1, 0.03, 0.01)}

WAYS = tuple(SPAN)

Entries = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Factors(NamedTuple):
    """A block as ``u @ v``.

    Attributes
    ----------
    u : ndarray, shape (n c, k)
        c rows for each observer: 3 of displacement, 9 of its gradient, 6 of strain and stress.
    v : ndarray, shape (k, m b)
        b columns for each source.
    row_error, column_error : float
        Measured on random observers and random sources: Frobenius norm of the error over that of these rows
        or columns; by rows, the largest of any observer's error over its own rows.
    """

    u: np.ndarray
    v: np.ndarray
    row_error: float
    column_error: float


class Block:
    """A block whose entries are computed when they are asked for.

    Parameters
    ----------
    entries : callable
        ``entries(observers, sources)`` gives their rows and columns as a matrix.
    n, m : int
        Number of observers and sources.
    by : {"matrix", "row"}
        What errors are relative to: the whole, or each observer's rows.
    """

    def __init__(self, entries: Entries, n: int, m: int, by: str) -> None:
        self.entries, self.n, self.m, self.by = entries, n, m, by

    def columns(self, sources: np.ndarray) -> np.ndarray:
        """Columns of some sources."""
        return self.entries(np.arange(self.n), sources)

    def error(self, wrong: np.ndarray, exact: np.ndarray) -> float:
        """Size of the error of some rows or columns of all observers given."""
        if self.by == "matrix":
            whole = float(np.linalg.norm(exact))
            return float(np.linalg.norm(wrong)) / whole if whole else 0.0
        observers = len(self.scales(exact))
        own = np.linalg.norm(wrong.reshape(observers, -1), axis=1) / self.scales(exact)
        return float(own.max())

    def scales(self, rows: np.ndarray) -> np.ndarray:
        """Norms of the rows of each observer; 1 where they are zero."""
        count = len(rows) // self.width
        size = np.linalg.norm(rows.reshape(count, -1), axis=1)
        return np.where(size > 0.0, size, 1.0)

    width = 3


def factorise(block: Block, tolerance: float, rng: np.random.Generator) -> Factors | None:
    """The factors, or None where the tolerance was not reached.

    Parameters
    ----------
    block : Block
    tolerance : float
    rng : Generator
    """
    amount = int(SAMPLE * np.log10(10.0 / tolerance))
    order, used, seen = rng.permutation(block.m), 0, None
    for _ in range(ROUNDS):
        sample, fresh = order[used : used + amount], order[used + amount : used + amount + FRESH]
        made = block.columns(sample)
        seen = made if seen is None else np.concatenate([seen, made], axis=1)
        used += len(sample)
        test = (block.columns(fresh), fresh) if len(fresh) else (seen, order)
        found = _attempt(block, seen, test, tolerance, rng)
        if found is not None or not len(fresh):
            return found
        amount = used // 2
    return None


def _attempt(
    block: Block,
    seen: np.ndarray,
    test: tuple[np.ndarray, np.ndarray],
    tolerance: float,
    rng: np.random.Generator,
) -> Factors | None:
    """Factors from some columns, tested on others: the test's columns and whose they are."""
    weights = np.ones(len(seen))
    if block.by == "row":
        weights = np.repeat(1.0 / block.scales(seen), block.width)
    basis, triangle = linalg.qr(weights[:, None] * seen, mode="economic", check_finite=False)
    left, values, _ = linalg.svd(triangle, check_finite=False)
    tail = np.sqrt(np.cumsum(values[::-1] ** 2))[::-1]
    weighed = weights[:, None] * test[0]
    for share in SPAN[block.by]:
        rank = max(1, int(np.count_nonzero(tail > share * tolerance * tail[0])))
        span = basis @ left[:, :rank]
        left_over = (weighed - span @ (span.T @ weighed)) / weights[:, None]
        if block.error(left_over, test[0]) <= tolerance:
            found = _joined(block, weights, span, test, rng)
            if max(found[2:]) <= tolerance:
                return found
    return None


def _observers(span: np.ndarray, width: int) -> np.ndarray:
    """Observers whose rows tell the columns of a span apart: pivots of an elimination."""
    _, pivots, _ = linalg.lapack.dgetrf(span)
    order = np.arange(len(span))
    for k, other in enumerate(pivots):
        order[[k, other]] = order[[other, k]]
    return np.unique(order[: span.shape[1]] // width)


def _joined(
    block: Block,
    weights: np.ndarray,
    span: np.ndarray,
    columns: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> Factors:
    """Factors of a span, and their errors; `columns`: some of the block, and whose they are."""
    every, width = np.arange(block.m), block.width
    observers = _observers(span, width)
    rows = _flat(observers, width)
    exact = block.entries(observers, every)
    inverse = linalg.pinv(span[rows], check_finite=False)
    u, v = span / weights[:, None], inverse @ (weights[rows, None] * exact)
    test, which = columns
    per_source = v.shape[1] // block.m
    column_error = block.error(u @ v[:, _flat(which[: test.shape[1] // per_source], per_source)] - test, test)
    others = rng.choice(block.n, min(block.n, FRESH), replace=False)
    fresh = block.entries(others, every)
    row_error = block.error(u[_flat(others, width)] @ v - fresh, fresh)
    return Factors(u, v, row_error, column_error)


def _flat(things: np.ndarray, width: int) -> np.ndarray:
    return (things[:, None] * width + np.arange(width)).reshape(-1)


def entries_of(points: np.ndarray, elements: Elements, of: str) -> Entries:
    """What computes entries of the Green's matrix of observers and elements."""

    def entries(observers: np.ndarray, sources: np.ndarray) -> np.ndarray:
        values = elements.greens(points[observers], sources, of)
        flat = values.reshape(len(observers) * COMPONENTS[of], -1)
        if not np.isfinite(flat).all():
            at = int(observers[np.argmin(np.isfinite(flat).all(axis=1)) // COMPONENTS[of]])
            raise ValueError(f"obs[{at}] lies on an edge of a source, where the matrix has no value")
        return flat

    return entries


def block_of(points: np.ndarray, elements: Elements, of: str, by: str) -> Block:
    """All observers and all elements as one block."""
    block = Block(entries_of(points, elements, of), len(points), elements.count, by)
    block.width = COMPONENTS[of]
    return block


def factors(
    obs: ArrayLike, elements: Elements, blocks: Sequence[Any] | None, of: str, tolerance: float, by: str
) -> Factors | list[Factors]:
    """Factors of blocks; see `dislok.okada.factors`."""
    gates.choice(*COMPONENTS)("of", of)
    gates.choice(*WAYS)("tolerance_by", by)
    gates.number(least=1e-11, below=1)("tolerance", tolerance)
    points = elements.observers(obs)
    if blocks is None:
        return _factors(points, elements, (slice(None), slice(None)), "the block", of, tolerance, by)
    if isinstance(blocks, (str, bytes)) or not hasattr(blocks, "__len__"):
        raise TypeError(f"blocks must be a sequence of pairs (observers, sources), got {blocks!r:.60}")
    return [
        _factors(points, elements, gates.pair(gates.anything())(f"blocks[{k}]", pair), f"blocks[{k}]", of,
                 tolerance, by)
        for k, pair in enumerate(blocks)
    ]  # fmt: skip


def _factors(
    points: np.ndarray, elements: Elements, pair: Any, name: str, of: str, tolerance: float, by: str
) -> Factors:
    observers, sources = (
        _indices(f"{name}[{side}]", some, count)
        for side, (some, count) in enumerate(zip(pair, (len(points), elements.count), strict=True))
    )
    inner = entries_of(points, elements, of)
    block = Block(lambda i, j: inner(observers[i], sources[j]), len(observers), len(sources), by)
    block.width = COMPONENTS[of]
    found = factorise(block, tolerance, np.random.default_rng([len(observers), len(sources)]))
    if found is None:
        raise RuntimeError(f"{name} did not reach the tolerance {tolerance:g}; are its sources far away?")
    return found


def _indices(name: str, some: Any, count: int) -> np.ndarray:
    """Numbers of observers or sources, of a slice or an array."""
    if isinstance(some, slice):
        found = np.arange(count)[some]
    else:
        found = np.asarray(gates.ragged(name, some))
        if found.ndim != 1 or found.dtype.kind not in "iu":
            raise TypeError(f"{name} must be a slice or a vector of integers, got {some!r:.60}")
        bad = (found < 0) | (found >= count)
        if bad.any():
            raise ValueError(f"{name} has {found[bad][0]}; there are {count}")
    if not len(found):
        raise ValueError(f"{name} is empty")
    return found
