"""Data that see more of the ground than a point: the mean over the pixels of a cell.

The mean of a displacement over the pixels of a square is a sum over few places. With n places along a side,
those of the Gauss rule whose weights are the pixels themselves (the zeros of the discrete Chebyshev
polynomial, Gautschi 2004, section 1.5.2), it is exact for polynomials of degree 2 n - 1 in east and north,
and with as many places as pixels it is the mean itself. A displacement varies over the distance r to what
slips: in a square of half side h its error falls as (r/h + √(1 + r²/h²))^(-2n), and n follows from that.

Where a few pixels are missing, the places stay, with the weights that integrate the polynomial through them
over the pixels that are there. Where many are, as in a lake or along a rupture, the square is cut into
(2 n)² and at least 64 blocks, each standing for its pixels at their middle: no place lies where there is
no pixel.

References
----------
Gautschi, W. (2004). Orthogonal Polynomials: Computation and Approximation. Oxford University Press.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from dislok.arrays import HostArray as Array

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

ORDER = 4
"""Places along the side of a cell where nobody says how far away the fault is."""

MOST = 8
"""Places along the side of a cell that the fault touches."""

TOLERANCE = 1e-4
"""Share of the motion in a cell that its mean may be off, where the distance to the fault is known."""

SCATTERED = 0.9
"""Share of pixels above which the missing ones count as few."""


class Footprint(NamedTuple):
    """Places on the ground whose weighted displacement each of n data sees.

    Attributes
    ----------
    points : (p, 2) east and north of all places; weights : (p,), which sum to one for each datum.
    owner : (p,) the datum of each place, rising.
    boxes : (n, 4) west, south, east and north end of each datum's cell.
    """

    points: Array
    weights: Array
    owner: Indices
    boxes: Array

    @property
    def average(self) -> sparse.csr_array:
        """Matrix (n, p) from values at the places to data."""
        shape = (len(self.boxes), len(self.points))
        return sparse.csr_array((self.weights, (self.owner, np.arange(len(self.owner)))), shape=shape)

    def placed(self, place: Callable[[Array], Array]) -> Footprint:
        """The same in other coordinates: `place` maps (k, 2) to (k, 2)."""
        points, ends = (np.asarray(place(xy), float) for xy in (self.points, self.boxes.reshape(-1, 2)))
        if points.shape != self.points.shape or not np.isfinite(points).all():
            raise ValueError(f"place: expected finite places {self.points.shape}, got shape {points.shape}")
        ends = ends.reshape(-1, 4)
        boxes = np.concatenate(
            [np.minimum(ends[:, :2], ends[:, 2:]), np.maximum(ends[:, :2], ends[:, 2:])], 1
        )
        return Footprint(points, self.weights, self.owner, boxes)


def orders(distance: Array, half: Array, tolerance: float = TOLERANCE) -> Indices:
    """Places along a side (k,) that keep the error of a mean below a share of the motion in the cell.

    Parameters
    ----------
    distance, half : (k,)
        From each cell to what slips, and half of its side.
    tolerance : float
        That share.
    """
    ratio = distance / half
    falls = 2 * np.log(ratio + np.sqrt(ratio**2 + 1))
    with np.errstate(divide="ignore"):
        needed = np.ceil(-np.log(tolerance) / falls)
    return np.clip(np.nan_to_num(needed, posinf=MOST), 1, MOST).astype(np.int64)


@lru_cache(maxsize=1024)
def rule(order: int, side: int) -> tuple[Array, Array]:
    """Places and weights (n,) of the Gauss rule for `side` pixels, in pixels from the first one's centre."""
    n = min(order, side)
    k = np.arange(1, n)
    # Recurrence of the discrete Chebyshev polynomials on side points, scaled to [-1, 1].
    beta = k**2 * (1 - (k / side) ** 2) / (4 * k**2 - 1)
    x, vectors = linalg.eigh_tridiagonal(np.zeros(n), np.sqrt(beta))
    return np.asarray((x + 1) * side / 2 - 0.5), np.asarray(vectors[0] ** 2)


def of_square(present: Mask, side: int, order: int) -> tuple[Array, Array]:
    """Places (q, 2), row and column in pixels, and weights (q,) of the mean over the pixels of a square.

    Parameters
    ----------
    present : (rows, columns)
        Its pixels, fewer than `side` where the map ends.
    side : int
        Of the square, in pixels.
    order : int
        Places along the side.
    """
    whole = present.shape == (side, side) and bool(present.all())
    # Without the symmetry of a whole square, a rule is exact to half the degree.
    order = order if whole else max(order, ORDER)
    if present.shape != (side, side) or present.mean() < SCATTERED:
        return _of_pixels(present, side, 2 * order)
    x, w = rule(order, side)
    rows, columns = np.meshgrid(x, x, indexing="ij")
    weights = np.outer(w, w) if whole else _of_most(present, side, order)
    return np.stack([rows.ravel(), columns.ravel()], -1), weights.ravel()


def _of_most(present: Mask, side: int, order: int) -> Array:
    """Weights (n, n) of the places of the Gauss rule for the mean over some of its pixels."""
    lagrange = _lagrange(order, side)
    return np.asarray(lagrange @ present @ lagrange.T / present.sum())


@lru_cache(maxsize=1024)
def _lagrange(order: int, side: int) -> Array:
    """Lagrange's polynomials of the places of a rule at its pixels, (n, side)."""
    x, pixels = rule(order, side)[0], np.arange(side)
    apart = x[:, None] - x + np.eye(len(x))
    steps = np.where(np.eye(len(x), dtype=bool)[..., None], 1.0, pixels - x[:, None])
    return np.asarray(np.prod(steps, axis=1) / np.prod(apart, axis=1)[:, None])


def _of_pixels(present: Mask, side: int, blocks: int) -> tuple[Array, Array]:
    """The middle of the pixels in each of blocks x blocks parts, and their share of all."""
    rows, columns = np.nonzero(present)
    blocks = min(blocks, side)
    block = (blocks * rows // side) * blocks + blocks * columns // side
    number = np.bincount(block, minlength=blocks**2)
    seen = number > 0
    middle = [np.bincount(block, v, blocks**2)[seen] / number[seen] for v in (rows, columns)]
    return np.stack(middle, -1), number[seen] / number.sum()
