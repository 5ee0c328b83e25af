"""Two dates of one scene: how they lie on one another, and windows of them that can be used.

Two acquisitions are never registered perfectly. A shift of whole pixels is found for the window, then the
rest in tiles of it by the phase of their cross-spectra, and a polynomial of low order is fitted to the tiles,
robustly. The second date is resampled by that polynomial together with the displacement, in one
interpolation, so that the truth needs no correction; what the polynomial does not explain,
`Alignment.spread`, is the error of the labels, and windows in which it is large are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from dislok import images
from dislok.raster import Raster, common

from .textures import Shape, Texture, of_image
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


@dataclass(frozen=True)
class DateWindow:
    """A window of two dates that can be used: both as textures, and their alignment."""

    first: Texture
    second: Texture
    alignment: Alignment
    corner: Shape


@dataclass(frozen=True)
class Dated:
    """A square of ground at two dates; `in_truth` as of `TwoDates`."""

    first: Texture
    second: Texture
    alignment: AlignedPart
    in_truth: bool


@dataclass(frozen=True)
class TwoDates:
    """Ground with a real second date, for scenarios: squares that are cut from windows of two dates.

    Attributes
    ----------
    windows : sequence of DateWindow
        What `windows` found to be usable: ``tuple(windows(raster.read(a), raster.read(b)))``, of as many
        scenes as one likes.
    in_truth : bool
        How the dates lie on one another beyond whole pixels stays in the images and is added to the truth,
        so that the second date is resampled by the displacement alone, as in the published data set. By
        default it is taken out of the images, in the same interpolation, and the truth is that of the
        ground.
    """

    windows: Sequence[DateWindow]
    in_truth: bool = False

    def __post_init__(self) -> None:
        """Check that there is one."""
        if not self.windows:
            raise ValueError("there is no window of two dates that can be used")

    def draw(self, rng: np.random.Generator, shape: Shape) -> Dated:
        """A square of so many pixels.

        Raises
        ------
        ValueError
            If no window is as large.
        """
        fit = [w for w in self.windows if min(w.first.shape) >= max(shape)]
        if not fit or shape[0] != shape[1]:
            largest = max(min(w.first.shape) for w in self.windows)
            raise ValueError(f"a square of {shape} pixels was asked for; windows have {largest} at most")
        window = fit[int(rng.integers(len(fit)))]
        top, left = (int(rng.integers(a - b + 1)) for a, b in zip(window.first.shape, shape, strict=True))
        first, second = (texture.window(top, left, shape) for texture in (window.first, window.second))
        return Dated(first, second, window.alignment.part(top, left, shape[0]), self.in_truth)


def windows(
    pre: Raster,
    post: Raster,
    size: int = 1024,
    *,
    step: int | None = None,
    correlation: float = 0.9,
    spread: float = 0.1,
    order: int = 1,
    empty: float = 0.0,
) -> Iterator[DateWindow]:
    """Windows of two dates of one scene that can be used.

    Parameters
    ----------
    pre, post : Raster
        On grids that fit on one another; the area in common is cut into windows.
    size, step : int, optional
        Pixels of a window, and from one to the next; by default windows do not overlap.
    correlation : float, optional
        Least correlation of both dates after alignment.
    spread : float, optional
        Largest `Alignment.spread` in pixels.
    order : int, optional
        Of the alignment.
    empty : float, optional
        Largest part of the pixels that hold nothing.

    Raises
    ------
    ValueError
        If the rasters do not go together, or their common area is smaller than a window.
    """
    first, second = common(pre, post)
    if min(first.shape) < size:
        raise ValueError(
            f"{first.name} and {second.name} have {first.shape} pixels in common, less than {size}"
        )
    step = size if step is None else step
    for top in range(0, first.shape[0] - size + 1, step):
        for left in range(0, first.shape[1] - size + 1, step):
            parts = [raster.window(top, left, (size, size)) for raster in (first, second)]
            known = parts[0].valid & parts[1].valid
            if 1 - known.mean() > empty or any(np.ptp(p.values[known]) == 0 for p in parts):
                continue
            try:
                found = align(parts[0].values, parts[1].values, valid=known, order=order)
            except ValueError:  # nothing to hold on to in this window
                continue
            if found.correlation >= correlation and found.spread <= spread:
                one, two = (of_image(p.values, valid=known, kind=p.name) for p in parts)
                yield DateWindow(one, two, found, (top, left))
