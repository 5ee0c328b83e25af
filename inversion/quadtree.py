"""Displacement maps and interferograms made small: quadtree cells, and covariances estimated from the data.

`quadtree` divides a map into squares until what varies inside them is below a threshold (Jónsson et al.
2002); missing pixels are NaN. `noise_model` measures how errors are correlated where the ground is at rest,
and `Cells.covariance` carries that to the means of the cells, so that a thousand cells weigh what a million
correlated pixels are worth (Sudhaus & Jónsson 2009).

References
----------
Jónsson, S., Zebker, H., Segall, P. and Amelung, F. (2002). Fault slip distribution of the 1999 Mw 7.1 Hector
Mine earthquake. Bull. Seismol. Soc. Am. 92(4), 1377-1389.

Sudhaus, H. and Jónsson, S. (2009). Improved source modelling through combined use of InSAR and GPS under
consideration of correlated data errors. Geophys. J. Int. 176(2), 389-404.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from .footprint import ORDER, Footprint, of_square, orders
from .variogram import KINDS, Noise, noise_model

__all__ = ["KINDS", "Cells", "Noise", "noise_model", "quadtree"]

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

_SAMPLES = 4
_ROWS = 256


class Cells(NamedTuple):
    """The squares of a quadtree, k of them, from the top row on.

    Attributes
    ----------
    xy : (k, 2) mean east and north of the pixels that are present.
    values : (k, c) their mean, one column for each map.
    pixels : (k,) number of these pixels; row, column, size : (k,) first pixel and side of each square, in
        pixels.
    spacing : (east, north) distance of pixels; shape : of the map; present : (rows, columns) its pixels.
    origin : east and north of the centre of pixel [0, 0].
    """

    xy: Array
    values: Array
    pixels: Indices
    row: Indices
    column: Indices
    size: Indices
    spacing: tuple[float, float]
    shape: tuple[int, int]
    present: Mask
    origin: tuple[float, float] = (0.0, 0.0)

    def chosen(self, which: ArrayLike) -> Cells:
        """Some of the cells: their numbers, or a mask (k,)."""
        use = np.asarray(which)
        names = ("xy", "values", "pixels", "row", "column", "size")
        return self._replace(**{name: getattr(self, name)[use] for name in names})

    @property
    def boxes(self) -> Array:
        """West, south, east and north end (k, 4) of each square."""
        step, first = np.array(self.spacing), np.array(self.origin)
        low = first + (np.stack([self.column, self.row], -1) - 0.5) * step
        high = low + self.size[:, None] * step
        return np.concatenate([np.minimum(low, high), np.maximum(low, high)], axis=1)

    def footprint(self, *, order: int = ORDER, near: ArrayLike | None = None) -> Footprint:
        """The places whose displacement makes the mean of each cell, for `Los` and `PixelOffsets`.

        Parameters
        ----------
        order : int
            Places along the side of a cell; the mean over its pixels is exact for polynomials of degree
            2 order - 1. Four keep it to a thousandth of what varies in a cell that is half its side away
            from what slips.
        near : array_like, shape (..., 2) or (..., 3), optional
            Places where the ground may slip, such as the `outlines` of small patches, in the cells'
            coordinates: the order of each cell then follows from its distance to the nearest, one far away,
            eight beside it.

        Returns
        -------
        Footprint
        """
        count = np.full(len(self.size), gates.count(1, 64)("order", order))
        if near is not None:
            count = self._orders(_places(near))
        points, weights = [], []
        for (a, b), side, n in zip(self.windows(), self.size.tolist(), count.tolist(), strict=True):
            at, share = of_square(self.present[a, b], side, n)
            points.append((at + [a.start, b.start])[:, ::-1])
            weights.append(share)
        owner = np.repeat(np.arange(len(points)), [len(each) for each in weights])
        places = np.array(self.origin) + np.concatenate(points) * np.array(self.spacing)
        return Footprint(places, np.concatenate(weights), owner, self.boxes)

    def _orders(self, near: Array) -> Indices:
        """Places along the side of each cell, by its distance to the nearest of some points."""
        boxes = self.boxes
        half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 2
        apart = np.full(len(boxes), np.inf)
        for first in range(0, len(near), _ROWS):
            some = near[first : first + _ROWS, None]
            flat = np.maximum(np.maximum(boxes[:, :2] - some[..., :2], some[..., :2] - boxes[:, 2:]), 0.0)
            deep = some[..., 2] if near.shape[1] == 3 else np.zeros(some.shape[:2])
            apart = np.minimum(apart, np.sqrt((flat**2).sum(axis=-1) + deep**2).min(axis=0))
        return orders(apart, half)

    def average(self, maps: ArrayLike) -> Array:
        """Mean (k,) or (k, c) over each cell of other maps, say of look vectors.

        Maps are (rows, columns) or (c, rows, columns); the pixels are those present when the cells were made.
        """
        layers = gates.real(nan=True)("maps", maps)
        if layers.shape[-2:] != self.shape or layers.ndim not in (2, 3):
            raise ValueError(
                f"maps: expected shape (c, {self.shape[0]}, {self.shape[1]}), got {layers.shape}"
            )
        stack = layers.reshape(-1, *self.shape)
        means = np.array([stack[:, a, b][:, self.present[a, b]].mean(axis=1) for a, b in self.windows()])
        return means[:, 0] if layers.ndim == 2 else means

    def windows(self) -> list[tuple[slice, slice]]:
        """Rows and columns of every cell."""
        corners = zip(self.row.tolist(), self.column.tolist(), self.size.tolist(), strict=True)
        return [(slice(r, r + s), slice(c, c + s)) for r, c, s in corners]

    def covariance(self, noise: Noise) -> Array:
        """Covariance (k, k) of the cells' means under a noise model.

        The variance of each cell is the exact mean over all pairs of its pixels. Between cells it is the mean
        over pairs of at most 16 pixels of each, spread over the cell.
        """
        gates.instance(Noise)("noise", noise)
        matrix = self._between(noise)
        matrix[np.diag_indices(len(matrix))] = self._within(noise)
        return matrix

    def _within(self, noise: Noise) -> Array:
        variance = np.empty(len(self.pixels))
        for i, (a, b) in enumerate(self.windows()):
            pairs, distance = _pair_counts(self.present[a, b], self.spacing)
            variance[i] = (pairs * noise.covariance(distance)).sum() / self.pixels[i] ** 2
        return variance

    def _between(self, noise: Noise) -> Array:
        points, weights = self._samples()
        k, s = weights.shape
        matrix = np.empty((k, k))
        correlated = noise._replace(white=0.0)
        step = max(1, _ROWS * 256 // max(k, 1))
        for first in range(0, k, step):
            rows = slice(first, first + step)
            near = points[rows].reshape(-1, 1, 2) - points.reshape(1, -1, 2)
            table = correlated.covariance(np.hypot(near[..., 0], near[..., 1])).reshape(-1, s, k, s)
            matrix[rows] = np.einsum("is,isjt,jt->ij", weights[rows], table, weights)
        return (matrix + matrix.T) / 2

    def _samples(self) -> tuple[Array, Array]:
        """Points (k, s, 2) spread over each cell's pixels and their weights (k, s), which sum to one."""
        most = _SAMPLES**2
        points, weights = np.zeros((len(self.pixels), most, 2)), np.zeros((len(self.pixels), most))
        for i, (a, b) in enumerate(self.windows()):
            rows, columns = np.nonzero(self.present[a, b])
            block = (_SAMPLES * rows // self.size[i]) * _SAMPLES + _SAMPLES * columns // self.size[i]
            number = np.bincount(block, minlength=most)
            east, north = (np.bincount(block, v, most) / np.maximum(number, 1) for v in (columns, rows))
            points[i] = np.stack(
                [(east + b.start) * self.spacing[0], (north + a.start) * self.spacing[1]], -1
            )
            weights[i] = number / number.sum()
        return points, weights


@gates.gate(
    maps=gates.real(nan=True),
    threshold=gates.number(above=0),
    origin=gates.pair(gates.number()),
    spacing=gates.pair(gates.number()),
    smallest=gates.count(1),
    largest=gates.count(1),
    least_present=gates.number(above=0, most=1),
)
def quadtree(
    maps: ArrayLike,
    threshold: float,
    *,
    origin: tuple[float, float] = (0.0, 0.0),
    spacing: tuple[float, float] = (1.0, 1.0),
    smallest: int = 4,
    largest: int = 64,
    least_present: float = 0.5,
) -> Cells:
    """Divide maps into squares until their pixels vary by less than a threshold.

    Parameters
    ----------
    maps : array_like, shape (rows, columns) or (c, rows, columns)
        One map, or several of the same ground (east and north offsets, say), NaN where missing. A pixel
        that is missing in one is missing.
    threshold : float
        Standard deviation inside a cell, of the map that varies most, above which it is divided.
    origin : (float, float)
        East and north of the centre of pixel [0, 0].
    spacing : (float, float)
        East and north from one pixel to the next column and to the next row; north is negative where the
        first row is the northernmost.
    smallest, largest : int
        Least and largest side of a cell in pixels; largest is smallest times a power of two.
    least_present : float
        Share of the pixels of a cell that must be present; with fewer it is divided, and dropped at last.

    Returns
    -------
    Cells

    Raises
    ------
    ValueError
        If a shape or a size does not fit, or no cell is left.
    """
    layers = np.asarray(maps)
    layers = layers[None] if layers.ndim == 2 else layers
    if layers.ndim != 3:
        raise ValueError(f"maps: expected shape (rows, columns) or (c, rows, columns), got {layers.shape}")
    levels = _levels(smallest, largest)
    present = np.asarray(np.isfinite(layers).all(axis=0), bool)
    cells = _divide(layers, present, threshold, smallest, levels, least_present)
    if not len(cells):
        raise ValueError("maps: no cell of any size has enough pixels")
    return _cells(layers, present, cells, origin, spacing)


def _places(near: ArrayLike) -> Array:
    """Places (q, 2) or (q, 3)."""
    places = np.atleast_1d(gates.real()("near", near))
    if places.shape[-1] not in (2, 3):
        raise ValueError(f"near: expected shape (..., 2) or (..., 3), got {places.shape}")
    return places.reshape(-1, places.shape[-1])


def _levels(smallest: int, largest: int) -> int:
    ratio = largest / smallest if smallest > 0 else 0.0
    levels = round(np.log2(ratio)) if ratio >= 1 else -1
    if levels < 0 or smallest * 2**levels != largest:
        raise ValueError(
            f"largest must be smallest times a power of two, got {largest!r} and smallest {smallest!r}"
        )
    return levels


def _divide(
    layers: Array, present: Mask, threshold: float, smallest: int, levels: int, least: float
) -> Indices:
    """Cells (k, 3): first row, first column, side."""
    pyramid = _pyramid(layers, present, smallest, levels)
    found, open_ = [], np.ones(pyramid[-1][0].shape, bool)
    for level in range(levels, -1, -1):
        count, first, second = pyramid[level]
        side = smallest * 2**level
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = (second / count - (first / count) ** 2).max(axis=0)
        full = count >= least * side**2
        keep = open_ & full & ((variance <= threshold**2) | (level == 0))
        rows, columns = np.nonzero(keep)
        found.append(np.stack([rows * side, columns * side, np.full(rows.size, side)], axis=-1))
        if level:
            open_ = np.kron(open_ & ~keep & (count > 0), np.ones((2, 2), bool)).astype(bool)
    cells = np.concatenate(found)
    return cells[np.lexsort((cells[:, 1], cells[:, 0]))]


def _pyramid(layers: Array, present: Mask, smallest: int, levels: int) -> list[tuple[Array, Array, Array]]:
    """Number of pixels, their sums and sums of squares in squares of every side, smallest first."""
    side = smallest * 2**levels
    rows, columns = (-(-n // side) * side for n in present.shape)
    middle = np.array([layer[present].mean() if present.any() else 0.0 for layer in layers])
    filled = np.zeros((len(layers), rows, columns))
    filled[:, : present.shape[0], : present.shape[1]] = np.where(present, layers - middle[:, None, None], 0.0)
    count = np.zeros((rows, columns))
    count[: present.shape[0], : present.shape[1]] = present
    level = (_summed(count, smallest), _summed(filled, smallest), _summed(filled**2, smallest))
    pyramid = [level]
    for _ in range(levels):
        level = (_summed(level[0], 2), _summed(level[1], 2), _summed(level[2], 2))
        pyramid.append(level)
    return pyramid


def _summed(table: Array, side: int) -> Array:
    """Sums over squares of the last two axes."""
    *front, rows, columns = table.shape
    return table.reshape(*front, rows // side, side, columns // side, side).sum(axis=(-3, -1))


def _cells(
    layers: Array, present: Mask, cells: Indices, origin: tuple[float, float], spacing: tuple[float, float]
) -> Cells:
    row, column, size = cells.T
    nothing = np.zeros((len(cells), 2))
    made = Cells(nothing, nothing, size, row, column, size, spacing, present.shape, present, origin)
    rows, columns = np.indices(present.shape, dtype=float)
    means = made.average(np.concatenate([layers, columns[None], rows[None]]))
    pixels = np.array([int(present[a, b].sum()) for a, b in made.windows()])
    xy = means[:, -2:] * np.array(spacing) + np.array(origin)
    return made._replace(xy=xy, values=means[:, :-2], pixels=pixels)


def _pair_counts(present: Mask, spacing: tuple[float, float]) -> tuple[Array, Array]:
    """How many ordered pairs of pixels lie each step apart, and the length of the steps."""
    rows, columns = present.shape
    shape = (2 * rows - 1, 2 * columns - 1)
    size = tuple(fft.next_fast_len(n, real=True) for n in shape)
    spectrum = np.abs(fft.rfft2(present.astype(float), size)) ** 2
    pairs = np.rint(fft.irfft2(spectrum, size))
    north = np.fft.fftfreq(size[0], 1 / size[0])[:, None] * spacing[1]
    east = np.fft.fftfreq(size[1], 1 / size[1]) * spacing[0]
    return pairs, np.hypot(east, north)
