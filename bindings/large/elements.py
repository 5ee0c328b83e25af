"""Sources as sets of elements that can be taken in parts, whatever their family.

The work on pieces of a large problem (:mod:`dislok.large.hierarchical`, :mod:`dislok.large.grid`,
:mod:`dislok.scale`) asks nothing else of a family than what is here. The family's own functions are handed
in, so that they may in their turn offer it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np

from dislok import gate as gates
from dislok.arrays import Array, ArrayLike, Record, guard, is_tensor
from dislok.kernels.backend import Kernel
from dislok.large.far import FEW, FINEST, FarField
from dislok.sources import (
    UNIT_SOURCES,
    Point,
    Rectangle,
    Source,
    fractions,
    kind_of,
    named_fields,
    origin_of,
    points_on,
    stack,
)
from dislok.triangles import read, vertices

Columns: TypeAlias = slice | np.ndarray
"""Which elements of all."""

COMPONENTS = {"displacement": 3, "gradient": 9, "strain": 6, "stress": 6}
_OUTLINE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Functions(Protocol):
    """What is asked of the module of a family."""

    check: Callable[..., None]
    displacement: Kernel
    greens: Kernel


class Elements(ABC):
    """Elements of one family with everything that a call about them needs, on the host in float64.

    Attributes
    ----------
    corners : ndarray, shape (m, k, 3)
        Corners of every element: east, north, up.
    slips : int
        Number b of unit sources of an element.
    table : ndarray, shape (m, p)
        Every element as a row of numbers.
    entries : callable
        ``entries(obs, rows of table, of=..., **options)`` is the Green's matrix, also in another process.
    options : dict
        What goes with every call.
    facts : tuple
        Plain values that tell these elements from any others.
    mu : float
        Shear modulus, for stress.
    """

    mu: float = 30e9

    corners: np.ndarray
    slips: int
    table: np.ndarray
    entries: Callable[..., np.ndarray]
    facts: tuple[object, ...]
    options: Record

    @property
    def count(self) -> int:
        """Number m of elements."""
        return len(self.corners)

    @abstractmethod
    def observers(self, obs: ArrayLike) -> np.ndarray:
        """Observers (n, 3) of (n, 3), or (n, 2) at the surface; errors as of the family's functions."""

    def greens(self, obs: np.ndarray, columns: Columns, of: str) -> np.ndarray:
        """Green's matrix (n, ..., k, b) of the elements in `columns`, which are indices or a slice."""
        return self.entries(obs, self.table[columns], of=of, **self.options_of(of))

    def with_mu(self, mu: float | None) -> Elements:
        """These elements, after their shear modulus is set."""
        self.mu = gates.number(above=0)("mu", mu)
        return self

    def options_of(self, of: str) -> Record:
        """What goes with calls of `entries`."""
        return self.options | ({"mu": self.mu} if of == "stress" else {})

    @abstractmethod
    def displacement(self, obs: np.ndarray, columns: Columns) -> np.ndarray:
        """Displacement (n, 3) by the slip of the elements in `columns`."""

    def far(self, tolerance: float) -> FarField | None:
        """How the ground sees many elements at a time, to a tolerance; None where one by one is as good."""
        return None


class OkadaElements(Elements):
    """Rectangles or points.

    Parameters
    ----------
    functions : module
        `dislok.okada`.
    source : Rectangle or Point
    nu : float
    origin : str, optional
    threads : int, optional
        As of :func:`dislok.okada.displacement`.
    """

    def __init__(
        self, functions: Functions, source: Source, nu: float, origin: str | None, threads: int | None = None
    ) -> None:
        self.functions = functions
        kind = kind_of(source)
        named = {name: on_host(name, value) for name, value in named_fields(source).items()}
        space, arrays = guard(named)
        self.table = np.asarray(stack(arrays, space), np.float64)
        self.kind = Point if kind == "point" else Rectangle
        origin = origin_of(source, origin)
        self.entries = partial(_source_entries, functions.greens, self.kind)
        functions.check(np.zeros((0, 3)), _source(self.kind, self.table), nu=nu, origin=origin)
        self.options = {"nu": nu, "origin": origin, "threads": threads}
        outline = ((0.0, 0.0),) if self.kind is Point else _OUTLINE
        self.corners = self._corners(outline, fractions(origin))
        self.slips = UNIT_SOURCES[kind]
        self.facts = (kind, float(nu), origin, self.table)

    def _corners(self, outline: Sequence[tuple[float, float]], at: tuple[float, float]) -> np.ndarray:
        if self.kind is Point:
            return self.table[:, None, :3] * (1.0, 1.0, -1.0)
        return points_on(self.table, at, outline)

    def observers(self, obs: ArrayLike) -> np.ndarray:
        """Observers as the family's functions take them."""
        points = _points(obs)
        self.functions.check(points, Point(0.0, 0.0, 1.0, 0.0, 0.0))
        return _at_surface(points)

    def displacement(self, obs: np.ndarray, columns: Columns) -> np.ndarray:
        """Displacement of all elements together (n, 3)."""
        return self.functions.displacement(obs, _source(self.kind, self.table[columns]), **self.options)


class TriangleElements(Elements):
    """Triangles.

    Parameters
    ----------
    functions : module
        `dislok.tde`.
    triangles : array_like, shape (m, 3, 3), or tuple of points and cells
    slip : array_like, shape (m, 3) or (3,), optional
        What :meth:`displacement` needs.
    nu : float
    space : str
    threads : int, optional
        As of :func:`dislok.tde.displacement`.
    """

    slips = 3

    def __init__(
        self, functions: Functions, triangles: ArrayLike, slip: ArrayLike | None, nu: float, space: str,
        threads: int | None = None,
    ) -> None:  # fmt: skip
        self.functions = functions
        mesh = read(triangles)
        host, arrays = guard({mesh.name: on_host(mesh.name, mesh.points)})
        self.corners = np.asarray(vertices(mesh, arrays[mesh.name], host), np.float64)
        self.table = self.corners.reshape(-1, 9)
        self.entries = partial(_triangle_entries, functions.greens)
        self.options = {"nu": nu, "space": space, "threads": threads}
        given = slip is not None
        values = (
            np.asarray(guard({"slip": on_host("slip", slip)}).arrays["slip"], np.float64) if given else None
        )
        functions.check(np.zeros((0, 3)), self.corners, values, nu=nu, space=space)
        self.slip = np.broadcast_to(values, (self.count, 3)) if values is not None else None
        self.facts = ("triangle", float(nu), space, self.corners, self.slip)

    def observers(self, obs: ArrayLike) -> np.ndarray:
        """Observers as the family's functions take them."""
        points = _points(obs)
        self.functions.check(points, self.corners[:0], nu=self.options["nu"], space=self.options["space"])
        return _at_surface(points)

    def displacement(self, obs: np.ndarray, columns: Columns) -> np.ndarray:
        """Displacement of all elements together (n, 3)."""
        if self.slip is None:
            raise ValueError("these triangles have no slip")
        return self.functions.displacement(obs, self.corners[columns], self.slip[columns], **self.options)

    def far(self, tolerance: float) -> FarField | None:
        """Sums over far triangles, where there are many."""
        if self.slip is None or self.count < FEW or self.options["space"] != "half" or tolerance < FINEST:
            return None
        return FarField(self.corners, self.slip, self.options["nu"], tolerance, self.functions.displacement)


def _source(kind: Any, table: np.ndarray) -> Source:
    return kind(*np.ascontiguousarray(table.T))


def _source_entries(
    greens: Kernel, kind: Any, obs: np.ndarray, table: np.ndarray, **options: Any
) -> np.ndarray:
    found: np.ndarray = greens(obs, _source(kind, table), **options)
    return found


def _triangle_entries(greens: Kernel, obs: np.ndarray, table: np.ndarray, **options: Any) -> np.ndarray:
    found: np.ndarray = greens(obs, table.reshape(-1, 3, 3), **options)
    return found


def _points(obs: ArrayLike) -> np.ndarray:
    return np.asarray(guard({"obs": on_host("obs", obs)}).arrays["obs"], np.float64)


def _at_surface(points: np.ndarray) -> np.ndarray:
    """Points (n, 3) of points (n, 3), or of (n, 2) at the surface."""
    return np.column_stack([points, np.zeros(len(points))]) if points.shape[1] == 2 else points


def on_host(name: str, value: ArrayLike) -> Array:
    """`value`, or the values of a tensor on the CPU; refused where gradients would be lost without a word.

    Raises
    ------
    ValueError
        If a tensor requires gradients.
    TypeError
        If an array is on a device.
    """
    if is_tensor(value):
        if value.requires_grad:
            raise ValueError(f"{name} requires gradients; only slip is differentiable here, so detach it")
        if value.device.type != "cpu":
            raise TypeError(f"{name} is on {value.device}; this works on arrays on the CPU")
        return value.numpy()
    if type(value).__module__.partition(".")[0] == "cupy":
        raise TypeError(f"{name} is a CuPy array; this works on arrays on the CPU")
    return value
