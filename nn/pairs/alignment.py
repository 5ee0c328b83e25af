"""Alignment of two dates of one scene.

Two acquisitions are never registered perfectly. A shift of whole pixels is found for the window, then the
rest in tiles of it by the phase of their cross-spectra, and a polynomial of low order is fitted to the tiles,
robustly. What the polynomial does not explain is `Alignment.spread`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from dislok import images

from .textures import Shape
from .turns import matrix

TILE = 64  # pixels of a tile
LEAST = 6  # tiles of a fit
THRESHOLD, ROUNDS = 0.9, 2  # of the fit of phases: see `dislok.kernels.images.phase`


@dataclass(frozen=True)
class Alignment:
    """Where the second date shows what the first one shows, in a window.

    Attributes
    ----------
    terms : ndarray, shape (2, k)
        Of the polynomials for right and down in places between -1 and 1: 1, x, y and, of order 2, xx, xy, yy.
    shape : tuple of int
        Rows and columns of the window.
    spread : float
        Robust standard deviation of the tiles about the polynomials, of the worse component, in pixels.
    correlation : float
        Of both dates after alignment.
    tiles : int
        Tiles that the fit has used.
    """

    terms: np.ndarray
    shape: Shape
    spread: float
    correlation: float
    tiles: int

    def at(self, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (right, down) of the second date at places of the first, in pixels of the window."""
        basis = _basis(column, row, self.shape, self.terms.shape[1])
        right, down = (np.tensordot(terms, np.stack(basis), 1) for terms in self.terms)
        return right, down

    def part(self, top: int, left: int, size: int) -> AlignedPart:
        """How both dates lie on one another in a square of the window."""
        return AlignedPart(self, (top, left), size)


@dataclass(frozen=True)
class AlignedPart:
    """An alignment in the pixels of a square of its window, which may be turned.

    Attributes
    ----------
    alignment : Alignment
    corner : tuple of int
        Row and column of the square's first pixel in the window.
    size : int
        Pixels along a side.
    way : int
        As of `dislok.nn.pairs.turns`.
    """

    alignment: Alignment
    corner: Shape
    size: int
    way: int = 0

    def turned(self, way: int) -> AlignedPart:
        """The same, of the square turned."""
        return replace(self, way=way)

    def at(self, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (right, down) of the second date at places of the first, in pixels of the square."""
        turn, middle = matrix(self.way), 0.5 * (self.size - 1)
        x, y = (a * (column - middle) + b * (row - middle) + middle for a, b in turn)
        moved = self.alignment.at(x + self.corner[1], y + self.corner[0])
        right, down = (a * moved[0] + b * moved[1] for a, b in turn.T)
        return right, down


def _basis(column: np.ndarray, row: np.ndarray, shape: Shape, count: int) -> list[np.ndarray]:
    x, y = 2 * column / shape[1] - 1, 2 * row / shape[0] - 1
    return [np.ones_like(x), x, y, x * x, x * y, y * y][:count]


def align(
    first: np.ndarray, second: np.ndarray, *, valid: np.ndarray | None = None, order: int = 1
) -> Alignment:
    """How two dates of a window lie on one another.

    Parameters
    ----------
    first, second : ndarray, shape (h, w)
    valid : ndarray, shape (h, w), bool, optional
        Pixels that both dates hold; tiles with others are not used.
    order : {0, 1, 2}, optional
        Of the polynomials.

    Raises
    ------
    ValueError
        If there are too few tiles that can be used.
    """
    from dislok.nn.match.shift import whole_shift

    if order not in (0, 1, 2):
        raise ValueError(f"order is {order!r}; choose 0, 1 or 2")
    if first.shape != second.shape:
        raise ValueError(f"both dates must have one shape, got {first.shape} and {second.shape}")
    known = np.ones(first.shape, bool) if valid is None else valid
    known = known & np.isfinite(first) & np.isfinite(second)
    one, two = (np.where(known, a, np.median(a[known])).astype(np.float32) for a in (first, second))
    down, right = whole_shift(one - one.mean(), two - two.mean())
    places, moves = _tiles(one, two, known, (right, down))
    if len(places) < LEAST:
        raise ValueError(f"{len(places)} tiles of {TILE} pixels can be used; an alignment needs {LEAST}")
    count = (1, 3, 6)[order]
    basis = np.stack(_basis(places[:, 0], places[:, 1], first.shape, count), 1)
    terms, spreads = zip(*(_robust(basis, moves[:, k]) for k in range(2)), strict=True)
    found = Alignment(np.stack(terms), first.shape, max(spreads), 0.0, len(places))
    rows, columns = np.mgrid[: first.shape[0], : first.shape[1]].astype(float)
    back = images.warp(two, *found.at(columns, rows), valid=known)
    both = back.valid & known
    correlation = float(np.corrcoef(one[both], back.values[both])[0, 1]) if both.any() else 0.0
    return Alignment(found.terms, first.shape, found.spread, correlation, found.tiles)


def _tiles(
    one: np.ndarray, two: np.ndarray, known: np.ndarray, shift: Shape
) -> tuple[np.ndarray, np.ndarray]:
    """Middles (column, row) of tiles, and how far the second date lies right and down there."""
    from dislok.kernels.images import phase

    right, down = shift
    h, w = one.shape
    half = TILE // 2
    grid = np.mgrid[half : h - half + 1 : half, half : w - half + 1 : half].reshape(2, -1)
    there = grid + [[down], [right]]
    inside = ((there >= half) & (there <= np.array([[h], [w]]) - half)).all(0)
    rows, columns = grid[:, inside]
    clear = [
        known[r - half : r + half, c - half : c + half].all() for r, c in zip(rows, columns, strict=True)
    ]
    rows, columns = (np.ascontiguousarray(a[np.array(clear, bool)]) for a in (rows, columns))
    if not len(rows):
        return np.empty((0, 2)), np.empty((0, 2))
    taper = np.hanning(TILE + 1)[:TILE].astype(np.float32)
    spectra = []
    for image, (r, c) in ((one, (rows, columns)), (two, (rows + down, columns + right))):
        tiles = np.empty((len(rows), TILE, TILE), np.float32)
        phase.windows(image, r, c, taper, tiles)
        spectra.append(fft.rfft2(tiles).astype(np.complex64))
    omega = [(2 * np.pi * f(TILE)).astype(np.float32) for f in (np.fft.fftfreq, np.fft.rfftfreq)]
    found = np.empty((len(rows), 5), np.float32)
    phase.fit(*spectra, np.float32(THRESHOLD), ROUNDS, *omega, found)
    good = np.abs(found[:, :2]).max(1) < 1.5
    return np.stack([columns, rows], 1)[good].astype(float), found[good, :2].astype(float) + [right, down]


def _robust(basis: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Terms that fit values but for outliers (Tukey's weights), and the robust spread of what is left."""
    weight = np.ones(len(values))
    terms, scale = np.zeros(basis.shape[1]), 0.0
    for _ in range(12):
        root = np.sqrt(weight)[:, None]
        terms = np.linalg.lstsq(root * basis, root[:, 0] * values, rcond=None)[0]
        rest = values - basis @ terms
        scale = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
        weight = np.clip(1 - (rest / (4.685 * max(scale, 1e-6))) ** 2, 0, None) ** 2
    return terms, scale
