"""What layers add to a homogeneous half-space: static integrals of point sources, as a table.

Around a source, the static field in layers is that in a homogeneous half-space with the medium of the
source's layer, which is known in closed form even for finite faults, plus what interfaces reflect and
refract. That difference has no singularity at the source: it is as smooth as the way over the nearest
interface is long, also for sources at the surface. It is tabulated over depth and distance by Chebyshev
polynomials, on panels that are no longer than that way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from . import quadrature
from .cost import PlanError, check_kernels
from .integrals import bessel_tables, integrate
from .plan import settled
from .quadrature import Density, Extent
from .stack import Layers, build
from .truncation import Grid, roll_off

_STILL = np.zeros(1, dtype=complex)
# Chebyshev nodes of a panel at the first attempt, what they grow by, and how many at most.
_NODES, _MORE, _MOST = 12, 4, 28
# Length of a panel of distances in arsinh(r / scale); integrals are analytic within pi / 2 of the real axis.
_WIDTH = 1.0
# Share of the accuracy that the wavenumbers may use.
_SHARE = 0.3


class Panel(NamedTuple):
    """The table for sources of one layer between two depths.

    `top`, `bottom` (km); `scale`: r = scale sinh(s), where panels in s are `width` long from 0 on;
    `coefficients` (orders in depth, panels, orders in s, columns): of Chebyshev polynomials; `error`:
    estimated, relative to the strongest integral at the same place.
    """

    layer: int
    top: float
    bottom: float
    scale: float
    width: float
    coefficients: np.ndarray
    error: float

    def at(self, depths: np.ndarray) -> np.ndarray:
        """Coefficients over distance alone for some depths: (depths, panels, orders, columns)."""
        x = (2.0 * depths - self.top - self.bottom) / (self.bottom - self.top)
        waves = chebyshev.chebvander(x, len(self.coefficients) - 1)
        return np.tensordot(waves, self.coefficients, axes=1)

    def values(self, depths: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """The difference (depths, distances, columns)."""
        s = np.arcsinh(distances / self.scale) / self.width
        piece = np.minimum(s.astype(int), self.coefficients.shape[1] - 1)
        waves = chebyshev.chebvander(2.0 * (s - piece) - 1.0, self.coefficients.shape[2] - 1)
        return np.einsum("dnkc,nk->dnc", self.at(depths)[:, piece], waves)


def way(layers: Layers, layer: int, receiver: float, depth: float) -> float:
    """The shortest vertical way (km) from a source to the receiver that the difference has."""
    top = float(layers.tops[layer])
    bottom = top + float(layers.thickness[layer])
    if not top <= receiver < bottom:
        return abs(depth - receiver)
    above = depth + receiver - 2.0 * top if layer > (1 if layers.ocean else 0) else np.inf
    return min(above, 2.0 * bottom - depth - receiver)


def cuts(layers: Layers, layer: int, receiver: float, top: float, bottom: float) -> list[tuple[float, float]]:
    """Depths from `top` to `bottom` in ranges no longer than the way from their ends.

    Raises
    ------
    PlanError
        If there is no way: where the receiver lies on an interface and sources come as close as they like.
    """
    if top < receiver < bottom:
        ranges = ((top, receiver), (receiver, bottom))
    else:
        least = min(way(layers, layer, receiver, depth) for depth in (top, bottom))
        if bottom - top <= least:
            return [(top, bottom)]
        if least < 1e-3 * (bottom - top):
            raise PlanError(
                f"sources at {top:g} to {bottom:g} km come within {max(least, 0.0):.2g} km of stations at"
                f" {receiver:g} km, which lie on or next to an interface; place the stations elsewhere"
            )
        middle = 0.5 * (top + bottom)
        ranges = ((top, middle), (middle, bottom))
    return [each for ends in ranges for each in cuts(layers, layer, receiver, *ends)]


def compute(
    layers: Layers, layer: int, receiver: float, grid: Grid, depths: np.ndarray, distances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The difference (depths, distances, columns) for sources on one side of the receiver.

    The size of the strongest integral (depths, distances) comes second.
    """
    ground = float(layers.thickness[0]) if layers.ocean else 0.0
    vp, vs, rho = (np.array([p[layer]]) for p in (layers.vp, layers.vs, layers.rho))
    alone = Layers(np.array([np.inf]), vp, vs, rho)
    tables = bessel_tables(grid, distances[None])
    stacks = ((layers, receiver, depths), (alone, receiver - ground, depths - ground))
    layered, plain = (
        integrate(stack, build(stack, at, z), _STILL, grid, tables)[:, 0, 0, ..., 0].real.transpose(1, 2, 0)
        for stack, at, z in stacks
    )
    return layered - plain, np.maximum(np.abs(layered), np.abs(plain)).max(axis=-1)


def make(
    layers: Layers, layer: int, receiver: float, ends: tuple[float, float], distance: float, accuracy: float
) -> Panel:
    """The table for sources between two depths and distances up to one; see `Panel`.

    Raises
    ------
    PlanError
        If the accuracy cannot be reached, or only at too high a cost.
    """
    nearest = min(way(layers, layer, receiver, depth) for depth in ends)
    deepest = max(nearest, *(abs(depth - receiver) for depth in ends))
    pieces = max(1, int(np.ceil(np.arcsinh(distance / nearest) / _WIDTH)))
    width = max(float(np.arcsinh(distance / nearest)) / pieces, 1e-3)
    # each range of distances has its own wavenumbers, as far ones need fewer and closer ones
    edges = nearest * np.sinh(width * np.arange(pieces + 1))
    extents = [Extent(nearest, deepest, hi, lo) for lo, hi in zip(edges[:-1], edges[1:], strict=True)]
    found = [_grid(layers, layer, receiver, ends, extent, _SHARE * accuracy) for extent in extents]
    grids, error = [grid for grid, _ in found], max(each for _, each in found)

    def tabulate(depths: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        s = _pieces(width, pieces, count)
        made = [
            compute(layers, layer, receiver, grid, depths, nearest * np.sinh(row))
            for grid, row in zip(grids, s, strict=True)
        ]
        return nearest * np.sinh(s), *(np.stack(each, axis=1) for each in zip(*made, strict=True))

    wrong = np.inf
    for count in range(_NODES, _MOST + 1, _MORE):
        _, values, _ = tabulate(_nodes(*ends, count), count)
        to_orders = np.linalg.inv(chebyshev.chebvander(_chebyshev(count), count - 1))
        coefficients = np.einsum("ad,bn,dpnc->apbc", to_orders, to_orders, values)
        panel = Panel(layer, *ends, nearest, width, np.ascontiguousarray(coefficients), error)
        between = _nodes(*ends, 5)
        distances, exact, size = tabulate(between, 7)
        got = panel.values(between, distances.ravel()).reshape(exact.shape)
        wrong = float((np.abs(got - exact).max(axis=-1) / size).max())
        if wrong <= (1.0 - _SHARE) * accuracy:
            return panel._replace(error=error + wrong)
    raise PlanError(
        f"the accuracy {accuracy:g} was not reached for sources at {ends[0]:g} to {ends[1]:g} km: what lies"
        f" between the nodes of a table has an error of {wrong:.1g}"
    )


def _grid(
    layers: Layers, layer: int, receiver: float, ends: tuple[float, float], extent: Extent, accuracy: float
) -> tuple[Grid, float]:
    """Wavenumbers for the difference, and the estimated error; as `plan.make_grid`."""
    depths = _nodes(*ends, 3)
    distances = np.array([extent.closest, 0.5 * (extent.closest + extent.distance), extent.distance])

    def cost(density: Density, spent: float) -> float:
        return check_kernels(layers, _STILL, extent, density, spent)

    def values(density: Density) -> tuple[Grid, tuple[np.ndarray, np.ndarray]]:
        grid = _even(quadrature.grid(layers, _STILL, extent, density))
        return grid, compute(layers, layer, receiver, grid, depths, distances)

    about = f" for sources at {ends[0]:g} to {ends[1]:g} km"
    return settled(values, _apart, accuracy, cost, about)


def _apart(coarse: tuple[np.ndarray, np.ndarray], fine: tuple[np.ndarray, np.ndarray]) -> float:
    """Largest difference of two tables over the size of the first one's values."""
    values, size = coarse
    return float((np.abs(fine[0] - values).max(axis=-1) / size).max())


def _even(grid: Grid) -> Grid:
    """The same wavenumbers for every depth, with a smooth end: what depends on depth must be smooth in it."""
    end = 1.0 if np.isfinite(grid.turn) else roll_off(grid.k, 0.0, float(grid.k[-1]))
    return Grid(grid.k, grid.weights * end, grid.counts, turn=grid.turn)


def _chebyshev(count: int) -> np.ndarray:
    """Zeros of a Chebyshev polynomial, rising."""
    return -np.cos(np.pi * (np.arange(count) + 0.5) / count)


def _nodes(first: float, last: float, count: int) -> np.ndarray:
    return 0.5 * (first + last) + 0.5 * (last - first) * _chebyshev(count)


def _pieces(width: float, pieces: int, count: int) -> np.ndarray:
    """Nodes (pieces, count) of arsinh(r / scale)."""
    return width * (np.arange(pieces)[:, None] + 0.5 * (_chebyshev(count) + 1.0))
