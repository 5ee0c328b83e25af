"""Finite faults in a layered crust: static Green's matrices of rectangles and triangles.

The response of a patch is that in a homogeneous half-space with the medium of the patch's layer, in closed
form, plus what the layers add to it, which has no singularity on the patch: it is integrated over the patch
by Gauss points, twice as many until they agree, or on quarters. Patches are cut where they cross an
interface. What layers add to a point source is tabulated over depth and distance, once for all patches and
stations. Lengths are in km.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from dislok import __version__, okada, tde
from dislok import gate as gates
from dislok.arrays import Array, Record
from dislok.gate import Given
from dislok.kernels.propagator.cost import PlanError
from dislok.kernels.propagator.difference import Panel, cuts, make
from dislok.kernels.propagator.patches import add_all
from dislok.kernels.propagator.stack import Layers
from dislok.large.elements import OkadaElements, TriangleElements
from dislok.layers import LayeredModel
from dislok.sources import Rectangle, down_dip_and_strike, fractions
from dislok.store import read_arrays, write_arrays

# Orders of Gauss quadrature along each side: each is compared with the one before.
_ORDERS = (1, 2, 4, 8)
_HALVINGS = 12
# Accuracy of the table over that of the matrix: patches may respond less than the strongest point source.
_TABLE = 0.1
# Numbers that are held at once beside the result (64 MB).
_HELD = 1 << 23
# A patch that reaches less beyond an interface, relative to its size, does not cross it.
_ROUNDING = 1e-9


class Pieces(NamedTuple):
    """Parallelograms, or triangles, spanned by two sides at a corner; everything (q, ...).

    `owner`: number of the patch; `layer`: of the stack; `share`: area over that of the patch; `unit`: moment
    tensors xx, yy, zz, xy, xz, yz (q, 3, 6) of a unit of each slip on the piece (in 10¹⁵ N m).
    """

    corner: np.ndarray
    first: np.ndarray
    second: np.ndarray
    owner: np.ndarray
    layer: np.ndarray
    share: np.ndarray
    unit: np.ndarray

    def take(self, which: Array) -> Pieces:
        """Some of the pieces."""
        return Pieces(*(field[which] for field in self))

    def quarters(self, triangular: bool) -> Pieces:
        """Four pieces of each."""
        a, b = 0.5 * self.first, 0.5 * self.second
        corners = [self.corner, self.corner + a, self.corner + b, self.corner + a + b]
        signs = np.array([1.0, 1.0, 1.0, -1.0 if triangular else 1.0])
        firsts, seconds = ([sign * side for sign in signs] for side in (a, b))
        rest = [np.tile(f, (4, *(1,) * (f.ndim - 1))) for f in self[3:]]
        share, unit = 0.25 * rest[2], 0.25 * rest[3]
        corner, first, second = (np.concatenate(f) for f in (corners, firsts, seconds))
        return Pieces(corner, first, second, rest[0], rest[1], share, unit)


class Patches:
    """Patches of one family as the integration wants them."""

    def __init__(self, patches: Given, origin: str | None) -> None:
        patches = _plain(patches)
        self.triangular = not isinstance(patches, Rectangle)
        if self.triangular:
            try:
                elements: Any = TriangleElements(tde, patches, None, 0.25, "half")
            except (TypeError, ValueError) as error:
                raise type(error)(f"patches: {error}") from error
            self.corners = elements.corners
            self.frame = np.asarray(tde.frame(self.corners))
        else:
            elements = OkadaElements(okada, patches, 0.25, origin)
            self.corners = elements.corners.copy()
            self.corners[..., 2] = np.minimum(self.corners[..., 2], 0.0)
            self.table = elements.table
            along, down = down_dip_and_strike(*self.table.T[5:7])
            self.frame = np.stack([along, -down, np.cross(down, along)], axis=1)
        self.count = len(self.corners)

    def pieces(self, layers: Layers, ground: float) -> Pieces:
        """The patches, cut at the interfaces of layers."""
        planes = ground - layers.tops[(2 if layers.ocean else 1) :]
        corner, first, second, owner = self._cut(planes)
        middle = corner + (first + second) / (3.0 if self.triangular else 2.0)
        solid = layers.tops[(1 if layers.ocean else 0) :]
        layer = np.searchsorted(solid, ground - middle[:, 2], side="right") - 1 + int(layers.ocean)
        areas = np.linalg.norm(np.cross(first, second), axis=-1) * (0.5 if self.triangular else 1.0)
        whole = np.bincount(owner, areas, self.count)
        unit = areas[:, None, None] * _moments(self.frame[owner], layers, layer)
        return Pieces(corner, first, second, owner, layer, areas / whole[owner], unit)

    def _cut(self, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if self.triangular:
            tri, owner = self.corners, np.arange(self.count)
            for z in planes:
                tri, owner = _cut_triangles(tri, owner, float(z))
            return tri[:, 0], tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0], owner
        corner, along, down = self.corners[:, 0], *(self.corners[:, k] - self.corners[:, 0] for k in (1, 3))
        parts = []
        for j in range(self.count):
            at = (planes - corner[j, 2]) / down[j, 2] if down[j, 2] != 0.0 else np.zeros(0)
            ends = np.sort(np.concatenate([[0.0, 1.0], at[(at > _ROUNDING) & (at < 1.0 - _ROUNDING)]]))
            parts += [(j, begin, end - begin) for begin, end in zip(ends[:-1], ends[1:], strict=True)]
        owner = np.array([part[0] for part in parts])
        begin, length = np.array([part[1:] for part in parts]).T[..., None]
        return corner[owner] + begin * down[owner], along[owner], length * down[owner], owner

    def closed(self, obs: np.ndarray, pieces: Pieces, nu: float) -> np.ndarray:
        """Response (n, 3, q, 3) of pieces in a homogeneous half-space."""
        if self.triangular:
            corner = pieces.corner
            tri = np.stack([corner, corner + pieces.first, corner + pieces.second], axis=1)
            tri[..., 2] = np.minimum(tri[..., 2], 0.0)
            return np.asarray(tde.greens(obs, tri, nu=nu))
        strike, dip = self.table[pieces.owner, 5:7].T
        width = np.linalg.norm(pieces.second, axis=1)
        length = self.table[pieces.owner, 3]
        x, y, z = pieces.corner.T
        source = Rectangle(x, y, np.maximum(-z, 0.0), length, width, strike, dip)
        return np.asarray(okada.greens(obs, source, nu=nu))


def _plain(patches: Given) -> Given:
    """Rectangles or triangles of whatever describes patches; `dislok.inversion.mesh` has them as fields."""
    return getattr(patches, "triangles", getattr(patches, "source", patches))


def _moments(frame: np.ndarray, layers: Layers, layer: np.ndarray) -> np.ndarray:
    """Moment tensors (q, 3, 6) of a unit slip along each axis of frames (q, 3, 3), per area (GPa)."""
    mu = (layers.rho * layers.vs**2)[layer]
    lame = (layers.rho * layers.vp**2)[layer] - 2.0 * mu
    normal = frame[:, 2]
    tensor = frame[:, :, :, None] * normal[:, None, None, :]
    tensor = mu[:, None, None, None] * (tensor + tensor.swapaxes(-1, -2))
    tensor[:, 2] += lame[:, None, None] * np.eye(3)
    return np.stack([tensor[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], -1)


def _cut_triangles(tri: np.ndarray, owner: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Triangles cut along a level plane, each part wound as the whole is."""
    height = tri[..., 2] - z
    size = np.ptp(tri, axis=1).max(axis=-1)
    height = np.where(np.abs(height) <= _ROUNDING * size[:, None], 0.0, height)
    crossed = (height.max(axis=1) > 0.0) & (height.min(axis=1) < 0.0)
    found, owners = [tri[~crossed]], [owner[~crossed]]
    for t, h, j in zip(tri[crossed], height[crossed], owner[crossed], strict=True):
        parts = _sides(t, h)
        found.append(np.array(parts))
        owners.append(np.full(len(parts), j))
    return np.concatenate(found), np.concatenate(owners)


def _sides(triangle: np.ndarray, height: np.ndarray) -> list[np.ndarray]:
    """Parts of one triangle above and below the plane of height zero."""
    parts = []
    for side in (1.0, -1.0):
        polygon = []
        for k in range(3):
            a, b, p, q = side * height[k], side * height[k - 2], triangle[k], triangle[k - 2]
            if a >= 0.0:
                polygon.append(p)
            if a * b < 0.0:
                polygon.append(p + (q - p) * (a / (a - b)))
        parts += [np.stack([polygon[0], polygon[k], polygon[k + 1]]) for k in range(1, len(polygon) - 1)]
    return parts


@cache
def _gauss(order: int, triangular: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fractions of both sides and weights, which sum to 1, of `order` squared points on a piece."""
    x, w = np.polynomial.legendre.leggauss(order + int(triangular))
    x, w = 0.5 * (x + 1.0), 0.5 * w
    u, v = (each.ravel() for each in np.meshgrid(x, x, indexing="ij"))
    weights = np.outer(w, w).ravel()
    # the square is folded into a triangle, whose area element is that of the square times 1 - u
    return (u, v * (1.0 - u), 2.0 * weights * (1.0 - u)) if triangular else (u, v, weights)


class StaticTable:
    """What layers add to the static field of point sources, over depth and distance.

    `dislok.propagator.static_table` makes it, and `dislok.propagator.greens` takes it in place of the model.

    Attributes
    ----------
    model : LayeredModel
    depth : (float, float)
        Sources may lie between these depths (km).
    distance : float
        Largest horizontal distance (km).
    receiver : float
        Depth of the stations (km).
    error : float
        Estimated, relative to the strongest field of any point source at the same place.
    """

    def __init__(
        self, model: LayeredModel, depth: tuple[float, float], distance: float, receiver: float, panels: Any
    ) -> None:
        self.model, self.depth, self.distance, self.receiver = model, depth, distance, receiver
        self.panels: list[Panel] = panels
        self.error = max((panel.error for panel in panels), default=0.0)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to an npz file, which appears when it is complete."""
        layers = self.model.layers()
        arrays: Record = {f"model/{name}": v for name, v in zip(_ROWS, layers[:4], strict=True)}
        arrays["facts"] = np.array([*self.depth, self.distance, self.receiver, float(len(self.panels))])
        for k, panel in enumerate(self.panels):
            arrays[f"panel/{k}"] = panel.coefficients
            arrays[f"numbers/{k}"] = np.array([*panel[:5], panel.error])
        write_arrays(path, arrays | {"version": __version__})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StaticTable:
        """The table in a file that `save` wrote."""
        gates.path()("path", path)
        parts = read_arrays(path)
        if "facts" not in parts or "numbers/0" not in parts:
            raise ValueError(f"{path} holds no table of static fields")
        thickness, vp, vs, rho = (parts[f"model/{name}"] for name in _ROWS)
        model = LayeredModel(thickness, vp, vs, rho)
        low, high, distance, receiver, count = parts["facts"].tolist()
        panels = []
        for k in range(int(count)):
            layer, top, bottom, scale, width, error = parts[f"numbers/{k}"].tolist()
            panels.append(Panel(int(layer), top, bottom, scale, width, parts[f"panel/{k}"], error))
        return cls(model, (low, high), distance, receiver, panels)

    def add(
        self,
        stations: np.ndarray,
        points: np.ndarray,
        layer: np.ndarray,
        moments: np.ndarray,
        owner: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Add to `out` (owners, n, 3, c) what layers add to points (p, 3) with c moment tensors each."""
        ground = self.model.receiver_depth
        depth, left = ground - points[:, 2], np.ones(len(points), bool)
        for panel in self.panels:
            slack = 1e-6 * (panel.bottom - panel.top)
            inside = left & (layer == panel.layer)
            inside &= (depth >= panel.top - slack) & (depth <= panel.bottom + slack)
            left &= ~inside
            for some in np.array_split(np.flatnonzero(inside), 1 + int(inside.sum()) // _PLACES):
                if len(some):
                    there = points[some, :2], moments[some], owner[some], panel.at(depth[some])
                    add_all(stations, *there, panel.scale, panel.width, out)
        if left.any():
            raise ValueError(
                f"the table is for depths of {self.depth[0]:g} to {self.depth[1]:g} km, got"
                f" {depth[left][0]:g}"
            )


# Margin on distances.
_WIDER = 1.01
_ROWS = ("thickness", "vp", "vs", "rho")
# Points whose coefficients are held at once.
_PLACES = 2048


def static_table(
    model: LayeredModel, depth: tuple[float, float], distance: float, receiver: float, accuracy: float
) -> StaticTable:
    """The table of `dislok.propagator.static_table`, of checked arguments."""
    layers = model.layers()
    first, panels = 1 if layers.ocean else 0, []
    # a half-space without interfaces adds nothing
    for layer in range(first, len(layers.vp)) if len(layers.vp) > first + 1 else ():
        top = max(depth[0], float(layers.tops[layer]))
        bottom = min(depth[1], float(layers.tops[layer] + layers.thickness[layer]))
        if top < bottom:
            for ends in cuts(layers, layer, receiver, top, bottom):
                panels.append(make(layers, layer, receiver, ends, distance, accuracy))
    return StaticTable(model, depth, distance, receiver, panels)


def greens(
    model: LayeredModel | StaticTable,
    patches: Given,
    stations: np.ndarray,
    receiver: float | None,
    accuracy: float,
    origin: str | None,
    farthest: float,
) -> tuple[np.ndarray, float]:
    """Green's matrix and its estimated error; see `dislok.propagator.greens`."""
    if origin is not None:
        fractions(origin)
    found = Patches(patches, origin)
    crust = model.model if isinstance(model, StaticTable) else model
    receiver = crust.receiver_depth if receiver is None else receiver
    distance = _farthest(found, stations)
    if distance > farthest:
        raise ValueError(
            f"stations must be within {farthest:g} km of all patches, got {distance:.6g} km;"
            " x and y are in km: are they in metres?"
        )
    if not isinstance(model, StaticTable):
        if receiver < crust.receiver_depth:
            raise ValueError(f"stations.depth must be at least {crust.receiver_depth:g} km, got {receiver:g}")
        depth, distance = span(found, crust, stations)
        table = static_table(crust, depth, distance, receiver, 0.5 * _TABLE * accuracy)
        return matrix(table, found, stations, 0.5 * accuracy)
    _check_table(model, found, stations, receiver, 0.5 * _TABLE * accuracy)
    return matrix(model, found, stations, 0.5 * accuracy)


def _check_table(
    table: StaticTable, patches: Patches, stations: np.ndarray, receiver: float, accuracy: float
) -> None:
    """Raise a ValueError where a table does not serve these patches and stations."""
    if receiver != table.receiver:
        raise ValueError(f"the table is for stations at {table.receiver:g} km, got {receiver:g}")
    if table.error > accuracy:
        raise ValueError(f"the table has an error of {table.error:.2g}; this needs {accuracy:.2g}")
    corners = patches.corners.reshape(-1, 3)
    depth = table.model.receiver_depth - corners[:, 2]
    bad = (depth < table.depth[0] - 1e-9 * depth) | (depth > table.depth[1] + 1e-9 * depth)
    if bad.any():
        limits = f"{table.depth[0]:g} to {table.depth[1]:g}"
        raise ValueError(f"the table is for depths of {limits} km, got {depth[bad][0]:g}")
    farthest = _farthest(patches, stations)
    if farthest > table.distance:
        raise ValueError(f"the table is for distances up to {table.distance:g} km, got {farthest:g}")


def span(patches: Patches, model: LayeredModel, stations: np.ndarray) -> tuple[tuple[float, float], float]:
    """Depths and the largest distance that a table must serve, with a margin."""
    depth = model.receiver_depth - patches.corners[..., 2]
    low, high = float(depth.min()), float(depth.max())
    margin = 1e-3 * max(high - low, 1e-3 * high)
    return (max(model.receiver_depth, low - margin), high + margin), _WIDER * _farthest(patches, stations)


def _farthest(patches: Patches, stations: np.ndarray) -> float:
    """Largest horizontal distance of a station from a corner of a patch."""
    corners = patches.corners[..., :2].reshape(-1, 2)
    step = max(1, _HELD // (4 * len(stations)))
    parts = (corners[k : k + step, None] - stations for k in range(0, len(corners), step))
    return max(float(np.hypot(d[..., 0], d[..., 1]).max()) for d in parts)


def matrix(
    table: StaticTable, patches: Patches, stations: np.ndarray, accuracy: float
) -> tuple[np.ndarray, float]:
    """Green's matrix (n, 3, m, 3) and the estimated error; see `dislok.propagator.greens`."""
    layers, ground = table.model.layers(), table.model.receiver_depth
    obs = np.column_stack([stations, np.full(len(stations), ground - table.receiver)])
    result = np.zeros((len(obs), 3, patches.count, 3))
    whole, worst = patches.pieces(layers, ground), 0.0
    for some, those in _parts(whole, patches.count, len(obs)):
        block = result[:, :, some]
        for layer in np.unique(those.layer):
            mine = those.take(those.layer == layer)
            closed = patches.closed(obs, mine, _poisson(layers, int(layer)))
            for k, owner in enumerate(mine.owner - some.start):
                block[:, :, owner] += closed[:, :, k]
        if table.panels:
            size = np.sqrt(np.nansum(block**2, axis=(1, 3))).T
            size[np.isnan(block).any(axis=(1, 3)).T] = np.inf
            local = those._replace(owner=those.owner - some.start)
            added, error = _added(table, patches.triangular, local, stations, size, accuracy)
            block += added.transpose(1, 2, 0, 3)
            worst = max(worst, error)
    return result, worst + table.error / _TABLE


def _poisson(layers: Layers, layer: int) -> float:
    """Poisson's ratio of a layer."""
    ratio = (layers.vs[layer] / layers.vp[layer]) ** 2
    return float((0.5 - ratio) / (1.0 - ratio))


def _parts(pieces: Pieces, count: int, stations: int) -> Iterator[tuple[slice, Pieces]]:
    """Runs of patches whose work fits into memory, and their pieces."""
    step = max(1, _HELD // (9 * 4 * max(stations, 1)))
    for start in range(0, count, step):
        some = slice(start, min(start + step, count))
        yield some, pieces.take((pieces.owner >= some.start) & (pieces.owner < some.stop))


def _added(
    table: StaticTable,
    triangular: bool,
    pieces: Pieces,
    stations: np.ndarray,
    size: np.ndarray,
    accuracy: float,
) -> tuple[np.ndarray, float]:
    """What layers add (m, n, 3, 3), and the estimated error relative to `size` (m, n)."""
    total, worst = np.zeros((*size.shape, 3, 3)), 0.0
    for _ in range(_HALVINGS):
        coarse = _integral(table, triangular, pieces, stations, _ORDERS[0])
        for order in _ORDERS[1:]:
            fine = _integral(table, triangular, pieces, stations, order)
            wrong = np.sqrt(np.sum((fine - coarse) ** 2, axis=(2, 3))) / size[pieces.owner]
            wrong = wrong.max(axis=1)
            done = wrong <= accuracy * pieces.share
            np.add.at(total, pieces.owner[done], fine[done])
            worst += float(np.bincount(pieces.owner[done], wrong[done], len(size)).max())
            pieces, coarse = pieces.take(~done), fine[~done]
            if not len(pieces.owner):
                return total, worst
        pieces = pieces.quarters(triangular)
    raise PlanError(
        f"the accuracy {accuracy:g} was not reached by patches that were quartered {_HALVINGS} times: is a"
        " station buried next to a fault at an interface?"
    )


def _integral(
    table: StaticTable, triangular: bool, pieces: Pieces, stations: np.ndarray, order: int
) -> np.ndarray:
    """What layers add to pieces (q, n, 3, 3), by one order of quadrature."""
    u, v, weights = _gauss(order, triangular)
    points = pieces.corner[:, None] + u[:, None] * pieces.first[:, None] + v[:, None] * pieces.second[:, None]
    moments = weights[:, None, None] * pieces.unit[:, None]
    count, many = len(pieces.owner), len(weights)
    out = np.zeros((count, len(stations), 3, 3))
    owner, layer = np.repeat(np.arange(count), many), np.repeat(pieces.layer, many)
    table.add(stations, points.reshape(-1, 3), layer, moments.reshape(-1, 3, 6), owner, out)
    return out
