"""Surface displacement on grids of many points, to a given tolerance, from few evaluations.

Away from the sources the displacement is smooth, and a polynomial through a few nodes of a patch of the
ground has all that is needed of it. Patches are halved again and again; a source takes part in a patch's
polynomial as soon as it is far enough from the patch for its size, and children take over their parent's
polynomial. So each source is evaluated at a few nodes of a few patches of each size, and point by point
only in the smallest patches, beside a fault that breaks the surface; many triangles are summed at a time
(:mod:`dislok.large.far`). Every new part of a polynomial is compared with the sources at points of the patch,
and every tile of the result with all sources, one by one, at random points; what fails is done again, finer.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from dislok.arrays import Array, ArrayLike, check_finite, finite_number, guard, is_tensor
from dislok.kernels.threads import default_threads, share
from dislok.large.elements import Elements, on_host
from dislok.large.far import FarField, Left
from dislok.store import check_problem, fingerprint, read_arrays, write_arrays

TILE = 1024  # most points along a side of what is computed and written at once
DIRECT = 256  # a patch with no more points than this is not worth a polynomial
SEPARATION = 1.0  # distance of a far source over half the longer side of a patch
CHECKS = 8  # points of a patch at which a polynomial is compared with its sources
VERIFIED = 16  # points of a tile that are computed again, exactly
PILOT = 32  # points along a side of the grid that tell how large the displacement is
SHARE = 0.2  # of the tolerance, for the sources that join a polynomial at one patch
ATTEMPTS = 3

Progress = Callable[[str, int, int], object]


class Tile(NamedTuple):
    """A finished part of the grid.

    Attributes
    ----------
    rows, columns : slice
        Where it lies: places along y and along x.
    values : ndarray, shape (rows, columns, 3)
        East, north and up displacement.
    error : float
        Largest error that was seen at random points of it, over the largest displacement.
    """

    rows: slice
    columns: slice
    values: np.ndarray
    error: float


class Patch(NamedTuple):
    """A part of the grid, and what is known of it.

    Attributes
    ----------
    rows, columns : slice
    smooth : ndarray, shape (p, p, 3)
        Displacement by all far sources at the nodes of the patch, north to east.
    near : ndarray of int or Left
        The other sources.
    """

    rows: slice
    columns: slice
    smooth: np.ndarray
    near: Any

    @property
    def points(self) -> int:
        """Number of points of the grid."""
        return (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)

    @property
    def has_near(self) -> bool:
        """Whether there are other sources."""
        return self.near.any if isinstance(self.near, Left) else bool(len(self.near))


class Basis:
    """Polynomials through the Chebyshev nodes of an interval.

    Parameters
    ----------
    order : int
        Number p of nodes.
    """

    def __init__(self, order: int) -> None:
        self.nodes = np.cos(np.pi * (np.arange(order) + 0.5) / order)
        self._to_coefficients = 2.0 / order * chebvander(self.nodes, order - 1).T
        self._to_coefficients[0] *= 0.5

    def at(self, places: np.ndarray) -> np.ndarray:
        """Weights (k, p) of the nodes' values at places in [-1, 1]."""
        angle = np.arccos(np.clip(places, -1.0, 1.0))
        return np.cos(angle[:, None] * np.arange(len(self.nodes))) @ self._to_coefficients


class Ground:
    """The grid, the sources, and the polynomials of one order.

    Parameters
    ----------
    x, y : ndarray, shapes (w,) and (h,)
    elements : Elements
    order : int
        Nodes along a side of a patch.
    allowed : float
        Largest error of a polynomial's new part, in the unit of displacement.
    far : FarField, optional
        Sums of many sources at a time.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        elements: Elements,
        order: int,
        allowed: float,
        far: FarField | None = None,
    ) -> None:
        self.x, self.y, self.elements, self.allowed, self.far = x, y, elements, allowed, far
        self.basis = Basis(order)
        self.low, self.high = elements.corners.min(axis=1), elements.corners.max(axis=1)

    def whole(self) -> Patch:
        """The patch of all points, with nothing known of it."""
        order = len(self.basis.nodes)
        everything = slice(0, len(self.y)), slice(0, len(self.x))
        sources = self.far.everything() if self.far else np.arange(self.elements.count)
        return Patch(*everything, np.zeros((order, order, 3)), sources)

    def _interval(self, axis: np.ndarray, part: slice) -> tuple[float, float]:
        """Centre and half length."""
        first, last = axis[part.start], axis[part.stop - 1]
        return 0.5 * float(first + last), 0.5 * float(abs(last - first))

    def _weights(self, axis: np.ndarray, part: slice, places: np.ndarray) -> np.ndarray:
        centre, half = self._interval(axis, part)
        return self.basis.at((places - centre) / half if half else np.zeros(len(places)))

    def _nodes(self, axis: np.ndarray, part: slice) -> np.ndarray:
        centre, half = self._interval(axis, part)
        return centre + half * self.basis.nodes

    def exact(self, x: np.ndarray, y: np.ndarray, sources: np.ndarray) -> np.ndarray:
        """Displacement (n, 3) by some sources at points of the ground."""
        if not len(sources):
            return np.zeros((len(x), 3))
        return self.elements.displacement(np.column_stack([x, y, np.zeros(len(x))]), sources)

    def _is_far(self, patch: Patch) -> np.ndarray:
        """Which of a patch's near sources are far enough from it."""
        (cx, hx), (cy, hy) = self._interval(self.x, patch.columns), self._interval(self.y, patch.rows)
        middle, half = np.array([cx, cy, 0.0]), np.array([hx, hy, 0.0])
        low, high = self.low[patch.near] - middle - half, middle - half - self.high[patch.near]
        gap = np.maximum(np.maximum(low, high), 0.0)
        return np.linalg.norm(gap, axis=1) >= SEPARATION * max(hx, hy)

    def _by_far(self, x: np.ndarray, y: np.ndarray, patch: Patch) -> tuple[np.ndarray | None, Any]:
        """Displacement at points of a patch by those near sources that are far enough, and the others."""
        if self.far:
            rectangle = self._rectangle(patch)
            return self.far.summed(x, y, rectangle, SEPARATION * rectangle[2:].max(), patch.near)
        is_far = self._is_far(patch)
        far = patch.near[is_far]
        return (self.exact(x, y, far) if len(far) else None), patch.near[~is_far]

    def _by_near(self, x: np.ndarray, y: np.ndarray, patch: Patch) -> np.ndarray:
        """Displacement at points of a patch by its near sources."""
        if self.far:
            moved, _ = self.far.summed(x, y, self._rectangle(patch), -1.0, patch.near)
            return np.zeros((len(x), 3)) if moved is None else moved
        return self.exact(x, y, patch.near)

    def _rectangle(self, patch: Patch) -> np.ndarray:
        """Middle and half lengths (4,) of a patch."""
        (cx, hx), (cy, hy) = self._interval(self.x, patch.columns), self._interval(self.y, patch.rows)
        return np.array([cx, cy, hx, hy])

    def with_far(self, patch: Patch) -> Patch:
        """The patch with those sources in its polynomial that are far enough and pass the check."""
        nodes_x, nodes_y = self._nodes(self.x, patch.columns), self._nodes(self.y, patch.rows)
        test_x, test_y = self._tests(patch)
        grid_y, grid_x = (a.ravel() for a in np.meshgrid(nodes_y, nodes_x, indexing="ij"))
        every_x, every_y = np.concatenate([grid_x, test_x]), np.concatenate([grid_y, test_y])
        found, rest = self._by_far(every_x, every_y, patch)
        if found is None:
            return patch
        values = found[: len(grid_x)].reshape(patch.smooth.shape)
        along = self._weights(self.x, patch.columns, test_x)
        across = self._weights(self.y, patch.rows, test_y)
        guess = (np.tensordot(across, values, 1) * along[:, :, None]).sum(axis=1)
        # Not the other way round: a NaN must not pass.
        if not np.abs(guess - found[len(grid_x) :]).max() <= self.allowed:
            return patch
        return patch._replace(smooth=patch.smooth + values, near=rest)

    def _tests(self, patch: Patch) -> tuple[np.ndarray, np.ndarray]:
        """Corners of a patch, where polynomials are worst, and places within that belong to no pattern."""
        golden = np.arange(1, CHECKS - 3)
        t = 2.0 * np.concatenate([[0, 0, 1, 1], golden * 0.7548776662 % 1]) - 1.0
        u = 2.0 * np.concatenate([[0, 1, 0, 1], golden * 0.5698402910 % 1]) - 1.0
        (cx, hx), (cy, hy) = self._interval(self.x, patch.columns), self._interval(self.y, patch.rows)
        return cx + hx * t, cy + hy * u

    def part(self, patch: Patch, rows: slice, columns: slice) -> Patch:
        """A part of a patch, with the patch's polynomial."""
        across = self._weights(self.y, patch.rows, self._nodes(self.y, rows))
        along = self._weights(self.x, patch.columns, self._nodes(self.x, columns))
        smooth = np.matmul(along, np.tensordot(across, patch.smooth, 1))
        return Patch(rows, columns, smooth, patch.near)

    def halves(self, patch: Patch) -> Iterator[Patch]:
        """Two or four parts that are less elongated."""
        heights, widths = halved(patch.rows, patch.columns)
        for rows in heights:
            for columns in widths:
                yield self.part(patch, rows, columns)

    def fill(self, patch: Patch, values: np.ndarray) -> None:
        """Write the displacement at all points of a patch."""
        patch = self.with_far(patch) if patch.points > DIRECT else patch
        if patch.has_near and patch.points > DIRECT:
            for part in self.halves(patch):
                j, i = patch.rows.start, patch.columns.start
                here = values[part.rows.start - j : part.rows.stop - j]
                self.fill(part, here[:, part.columns.start - i : part.columns.stop - i])
            return
        x, y = self.x[patch.columns], self.y[patch.rows]
        across, along = self._weights(self.y, patch.rows, y), self._weights(self.x, patch.columns, x)
        np.matmul(along, np.tensordot(across, patch.smooth, 1), out=values)
        if patch.has_near:
            grid_y, grid_x = (a.ravel() for a in np.meshgrid(y, x, indexing="ij"))
            values += self._by_near(grid_x, grid_y, patch).reshape(values.shape)

    def fill_all(self, patch: Patch, values: np.ndarray) -> None:
        """As :meth:`fill`, by several threads where the sources are summed many at a time."""
        if self.far is None:
            self.fill(patch, values)
            return
        threads = self.elements.options["threads"] or default_threads()
        jobs = self._pieces(patch, 8 * threads if threads > 1 else 1)
        ended: list[bool] = []

        def work(piece: Patch) -> None:
            if not ended:
                rows = slice(piece.rows.start - patch.rows.start, piece.rows.stop - patch.rows.start)
                columns = slice(
                    piece.columns.start - patch.columns.start, piece.columns.stop - patch.columns.start
                )
                self.fill(piece, values[rows, columns])

        share(work, [(piece,) for piece in jobs], threads, lambda: ended.append(True))

    def _pieces(self, patch: Patch, count: int) -> list[Patch]:
        """A patch in about `count` parts, those with near sources in smaller ones."""
        found = [patch]
        while len(found) < count:
            large = [piece for piece in found if piece.has_near and piece.points > 4 * DIRECT]
            if not large:
                break
            largest = max(large, key=lambda piece: piece.points)
            found.remove(largest)
            # split as `fill` would do it, so that the values do not depend on the number of threads
            joined = self.with_far(largest)
            found += self.halves(joined) if joined.has_near else [joined]
        return found

    def error(self, tile: Patch, values: np.ndarray) -> float:
        """Largest error at random points of a tile; points with no value in either do not count."""
        rng = np.random.default_rng([tile.rows.start, tile.columns.start])
        j, i = (rng.integers(0, size, VERIFIED) for size in values.shape[:2])
        x, y = self.x[tile.columns][i], self.y[tile.rows][j]
        truth = self.exact(x, y, np.arange(self.elements.count))
        wrong = np.abs(values[j, i] - truth)
        wrong[np.isnan(values[j, i]) & np.isnan(truth)] = 0.0
        return float(wrong.max())


def halved(rows: slice, columns: slice) -> tuple[list[slice], list[slice]]:
    """Both ranges in halves, or only the one that has more than twice as many points as the other."""
    high, wide = rows.stop - rows.start, columns.stop - columns.start
    return (
        [rows] if 2 * high < wide or high == 1 else _two(rows),
        [columns] if 2 * wide < high or wide == 1 else _two(columns),
    )


def _two(part: slice) -> list[slice]:
    middle = (part.start + part.stop) // 2
    return [slice(part.start, middle), slice(middle, part.stop)]


class Grid:
    """The displacement on a whole grid, tile by tile.

    Parameters
    ----------
    x, y : ndarray, shapes (w,) and (h,)
    elements : Elements
    tolerance : float
        Largest error over the largest displacement.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, elements: Elements, tolerance: float) -> None:
        self.tolerance = tolerance
        # The polynomials converge by a factor of 1 + √2 a node where a source lies below a patch's middle.
        order = 2 + int(np.ceil(np.log(1.0 / tolerance) / np.log(1.0 + np.sqrt(2.0))))
        far = elements.far(tolerance)
        self.largest = _largest(Ground(x, y, elements, order, 0.0, far))
        # Later attempts take the sources one by one.
        self.grounds = [
            Ground(x, y, elements, order + 4 * k, SHARE * 0.2**k * tolerance * self.largest, far)
            for k, far in enumerate([far] + [None] * (ATTEMPTS - 1))
        ]
        self.whole = self.grounds[0].whole()

    def tiles(self, wanted: Callable[[slice, slice], bool] = lambda rows, columns: True) -> Iterator[Tile]:
        """The tiles in a fixed order; those that are not wanted are left out, at no cost.

        Raises
        ------
        RuntimeError
            If the tolerance cannot be reached.
        """
        yield from self._tiles(self.whole, wanted)

    def _tiles(self, patch: Patch, wanted: Callable[[slice, slice], bool]) -> Iterator[Tile]:
        if _fits(patch.rows, patch.columns):
            if wanted(patch.rows, patch.columns):
                yield self._tile(patch)
            return
        if any(wanted(*tile) for tile in tiling(patch.rows, patch.columns)):
            ground = self.grounds[0]
            for part in ground.halves(ground.with_far(patch)):
                yield from self._tiles(part, wanted)

    def _tile(self, patch: Patch) -> Tile:
        shape = (patch.rows.stop - patch.rows.start, patch.columns.stop - patch.columns.start, 3)
        values = np.empty(shape)
        error = np.inf
        for attempt, ground in enumerate(self.grounds):
            # Later attempts owe nothing to the polynomial of the tile's surroundings.
            start = patch if attempt == 0 else ground.whole()._replace(rows=patch.rows, columns=patch.columns)
            ground.fill_all(start, values)
            error = ground.error(patch, values)
            if error <= self.tolerance * self.largest:
                return Tile(patch.rows, patch.columns, values, error and error / self.largest)
        raise RuntimeError(
            f"rows {patch.rows.start} to {patch.rows.stop} and columns {patch.columns.start} to "
            f"{patch.columns.stop} of the grid have an error of {error:.3g}; "
            f"{self.tolerance * self.largest:.3g} was asked for"
        )


def _fits(rows: slice, columns: slice) -> bool:
    return max(rows.stop - rows.start, columns.stop - columns.start) <= TILE


def tiling(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    """Rows and columns of all tiles of a part of a grid, in order."""
    if _fits(rows, columns):
        return [(rows, columns)]
    heights, widths = halved(rows, columns)
    return [tile for high in heights for wide in widths for tile in tiling(high, wide)]


def _largest(ground: Ground) -> float:
    """Largest displacement at a sample of the grid: all over it, and above every source."""
    pilot = PILOT // 2 if ground.far else PILOT
    i, j = (np.unique(np.linspace(0, len(a) - 1, pilot).astype(int)) for a in (ground.x, ground.y))
    grid_j, grid_i = (a.ravel() for a in np.meshgrid(j, i, indexing="ij"))
    middle = 0.5 * (ground.low + ground.high)[:: max(1, ground.elements.count // pilot**2)]
    above_i, above_j = (_nearest(a, middle[:, k]) for k, a in enumerate((ground.x, ground.y)))
    places = np.stack([np.concatenate([grid_i, above_i]), np.concatenate([grid_j, above_j])])
    i, j = np.unique(places, axis=1)
    x, y = ground.x[i], ground.y[j]
    if ground.far:
        moved = ground.far.scattered(x, y, ground.elements.options["threads"] or default_threads())
    else:
        moved = ground.exact(x, y, ground.whole().near)
    sizes = np.linalg.norm(moved, axis=1)
    return float(np.nanmax(sizes, initial=0.0))


def _nearest(axis: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Index of the point of a monotonic axis nearest to each place."""
    rising = axis if axis[0] <= axis[-1] else -axis
    middles = 0.5 * (rising[1:] + rising[:-1])
    return np.searchsorted(middles, places if axis is rising else -places)


def on_grid(
    x: ArrayLike,
    y: ArrayLike,
    elements: Elements,
    *,
    tolerance: float,
    out: Array | None = None,
    marks: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Array:
    """Displacement on a grid, all of it or into `out`; see `dislok.tde.on_grid`."""
    axes = checked_axis("x", x), checked_axis("y", y)
    check_tolerance(tolerance)
    shape = (len(axes[1]), len(axes[0]), 3)
    if out is None:
        if marks is not None:
            raise ValueError("marks= needs out=, an array that lasts as long as the file")
        out = np.empty(shape)
    else:
        _check_out(out, shape)
    everything = tiling(slice(0, shape[0]), slice(0, shape[1]))
    done = Done(marks, fingerprint(*axes, *elements.facts, tolerance), everything, out)
    number = {_corner(*tile): k for k, tile in enumerate(everything)}
    grid = Grid(*axes, elements, tolerance)
    for tile in grid.tiles(lambda rows, columns: not done.sums[number[_corner(rows, columns)]]):
        out[tile.rows, tile.columns] = tile.values
        if hasattr(out, "flush"):
            out.flush()
        done.mark(number[_corner(tile.rows, tile.columns)], out[tile.rows, tile.columns])
        if progress is not None:
            progress("tiles", int(done.marked.sum()), len(everything))
    return out


def tiles(x: ArrayLike, y: ArrayLike, elements: Elements, *, tolerance: float) -> Iterator[Tile]:
    """Displacement on a grid, tile by tile; see `dislok.tde.grid_tiles`."""
    axes = checked_axis("x", x), checked_axis("y", y)
    check_tolerance(tolerance)
    return Grid(*axes, elements, tolerance).tiles()


def _check_out(out: Array, shape: tuple[int, ...]) -> None:
    """Raise if a grid cannot be written to ``out=``: an array of NumPy, Zarr or the like."""
    if not hasattr(out, "shape") or not hasattr(out, "__setitem__"):
        raise TypeError(f"out must be an array that can be written to, got {type(out).__name__}")
    if tuple(out.shape) != shape:
        raise ValueError(f"out must have shape {shape}, got {tuple(out.shape)}")
    if str(getattr(out, "dtype", None)).removeprefix("torch.") not in ("float64", "float32"):
        raise TypeError(f"out must have dtype float64 or float32, got {getattr(out, 'dtype', None)}")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ValueError("out is read-only")
    if is_tensor(out):
        raise TypeError("out must be a NumPy array or the like, got a torch tensor")


class Done:
    """Which parts of a result are finished, also from one run of a program to the next.

    Parameters
    ----------
    path : path, optional
        File that remembers; None forgets.
    problem : str
        Digest that tells this result from any other.
    parts : sequence of tuple of slice
        Rows and columns of the parts.
    out : array
        What holds them. A part counts as finished if it is marked and `out` still holds what was written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        problem: str,
        parts: Sequence[tuple[slice, slice]],
        out: Array,
    ) -> None:
        self.path, self.problem = path, problem
        self.sums = np.zeros(len(parts), np.int64)
        if path is not None and Path(path).exists():
            check_problem(path, problem)
            known = read_arrays(path).get("sums", self.sums)
            for k in np.flatnonzero(known).tolist():
                if _checksum(out[parts[k]]) == known[k]:
                    self.sums[k] = known[k]

    @property
    def marked(self) -> np.ndarray:
        """Whether each part is finished."""
        return self.sums != 0

    def mark(self, part: int, values: ArrayLike) -> None:
        """Remember that a part is finished, and what `out` holds there."""
        self.sums[part] = _checksum(values)
        if self.path is not None:
            write_arrays(self.path, {"problem": self.problem, "sums": self.sums})


def _checksum(values: ArrayLike) -> int:
    return (1 << 32) | zlib.crc32(np.ascontiguousarray(values).tobytes())


def _corner(rows: slice, columns: slice) -> tuple[int, int]:
    return rows.start, columns.start


def checked_axis(name: str, values: ArrayLike) -> np.ndarray:
    """East or north coordinates of a grid in float64.

    Raises
    ------
    ValueError
        If they are not a vector, empty, not finite, or neither rising nor falling.
    """
    _, arrays = guard({name: on_host(name, values)})
    axis = np.asarray(arrays[name], np.float64)
    if axis.ndim != 1 or not len(axis):
        raise ValueError(f"{name} must be a vector of coordinates, got shape {tuple(axis.shape)}")
    check_finite(name, axis)
    steps = np.diff(axis)
    turn = np.flatnonzero(np.sign(steps) != (np.sign(steps[0]) if len(steps) and steps[0] else 1.0))
    if len(turn):
        k = int(turn[0])
        raise ValueError(
            f"{name}[{k}] is {axis[k]} and {name}[{k + 1}] is {axis[k + 1]}; {name} must rise or fall"
        )
    return axis


def check_tolerance(tolerance: float) -> None:
    """Raise a `ValueError` if a tolerance cannot be reached."""
    if not 1e-10 <= finite_number("tolerance", tolerance) < 1.0:
        raise ValueError(f"tolerance is {tolerance!r}; it must be at least 1e-10 and less than 1")
