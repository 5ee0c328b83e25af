"""Sources as sets of elements that can be taken in parts, whatever their family.

What works on pieces of a large problem (:mod:`dislok.hierarchical`, :mod:`dislok.grid`, :mod:`dislok.scale`)
asks nothing else of a family than what is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from dislok import okada
from dislok.arrays import guard, is_tensor
from dislok.sources import UNIT_SOURCES, Point, Source, fractions, kind_of, named_fields, points_on, stack

COMPONENTS = {"displacement": 3, "gradient": 9}
_OUTLINE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Elements(ABC):
    """Elements of one family with everything that a call about them needs, on the host in float64.

    Attributes
    ----------
    corners : ndarray, shape (m, k, 3)
        Corners of every element: east, north, up.
    slips : int
        Number b of unit sources of an element.
    facts : tuple
        Plain values that tell these elements from any others.
    """

    corners: np.ndarray
    slips: int
    facts: tuple[Any, ...]

    @property
    def count(self) -> int:
        """Number m of elements."""
        return len(self.corners)

    @abstractmethod
    def greens(self, obs: np.ndarray, columns: Any, of: str = "displacement") -> np.ndarray:
        """Green's matrix (n, c, k, b) of the elements in `columns` (indices or a slice), c of 3 or 9."""

    @abstractmethod
    def displacement(self, obs: np.ndarray, columns: Any) -> np.ndarray:
        """Displacement (n, 3) by the slip of the elements in `columns`."""


class OkadaElements(Elements):
    """Rectangles or points.

    Parameters
    ----------
    source : Rectangle or Point
    nu : float
    origin : str
    threads : int, optional
        As of :func:`dislok.okada.displacement`.
    """

    def __init__(self, source: Source, nu: float, origin: str, threads: int | None = None) -> None:
        kind = kind_of(source)
        named = {name: on_host(name, value) for name, value in named_fields(source).items()}
        space, arrays = guard(named)
        self.table = np.asarray(stack(arrays, space), np.float64)
        okada.check(np.zeros((0, 3)), self._source(slice(None), type(source)), nu=nu, origin=origin)
        self.kind = type(source)
        self.options = {"nu": nu, "origin": origin, "threads": threads}
        outline = ((0.0, 0.0),) if self.kind is Point else _OUTLINE
        self.corners = self._corners(outline, fractions(origin))
        self.slips = UNIT_SOURCES[kind]
        self.facts = (kind, float(nu), origin, self.table)

    def _source(self, columns: Any, kind: Any) -> Source:
        return kind(*np.ascontiguousarray(self.table[columns].T))

    def _corners(self, outline: Sequence[tuple[float, float]], at: tuple[float, float]) -> np.ndarray:
        if self.kind is Point:
            return self.table[:, None, :3] * (1.0, 1.0, -1.0)
        return points_on(self.table, at, outline)

    def greens(self, obs: np.ndarray, columns: Any, of: str = "displacement") -> np.ndarray:
        return okada.greens(obs, self._source(columns, self.kind), of=of, **self.options)

    def displacement(self, obs: np.ndarray, columns: Any) -> np.ndarray:
        return okada.displacement(obs, self._source(columns, self.kind), **self.options)


def on_host(name: str, value: Any) -> Any:
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


def observers(obs: Any) -> np.ndarray:
    """Observers (n, 3) in float64 of (n, 3), or (n, 2) at the surface; finite and not above the surface.

    Raises
    ------
    TypeError, ValueError
        As :func:`dislok.okada.displacement` does.
    """
    _, arrays = guard({"obs": on_host("obs", obs)})
    points = np.asarray(arrays["obs"], np.float64)
    okada.check(points, okada.Point(0.0, 0.0, 1.0, 0.0, 0.0))
    if points.shape[1] == 2:
        points = np.column_stack([points, np.zeros(len(points))])
    return points
