"""Unknowns of one fault: directions of slip, their bounds, and what counts as rough."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from ..mesh.operators import EDGES, roughness
from ..mesh.patches import Patches

Limits = tuple[float, float]


class SlipModel:
    """Slip to be found on one fault.

    Each patch has q coefficients, one for each direction of slip; its slip is their sum. Without `rake` the
    directions are strike and dip, without bounds. With `rake` there is one direction, and with a `spread` too
    there are two, ``rake - spread`` and ``rake + spread``; these coefficients are not negative, so that the
    rake stays between the two.

    Parameters
    ----------
    patches : Patches
        A `dislok.inversion.mesh.Mesh` or `Grid`.
    rake : float or array_like, shape (m,), optional
        Rake in degrees.
    spread : float
        Half the range of rakes, in [0, 90) degrees.
    opening : bool
        Seek an opening too, not negative.
    bounds, opening_bounds : (float, float), optional
        Lower and upper limit of every coefficient of slip, and of opening, in place of the above.
    order : 0, 1 or 2
        What is kept small: the slip itself, its gradient (Sobolev), or its Laplacian.
    edges : "free", "buried" or "locked"
        What lies outside the fault; see `dislok.inversion.mesh.operators`. "buried" lets slip end abruptly at
        the ground's surface only.
    weight : float
        Factor on this fault's roughness relative to that of others.

    Attributes
    ----------
    directions : (m, q, 3) strike-slip, dip-slip and opening of a unit of each coefficient.
    lower, upper : (m q,) bounds, in the order of ``coefficients (m, q).ravel()``.

    Raises
    ------
    ValueError
        If a shape does not fit, bounds are reversed, or an option is unknown.
    """

    def __init__(
        self,
        patches: Patches,
        rake: ArrayLike | None = None,
        spread: float = 0.0,
        *,
        opening: bool = False,
        bounds: Limits | None = None,
        opening_bounds: Limits = (0.0, np.inf),
        order: int = 2,
        edges: str = "buried",
        weight: float = 1.0,
    ) -> None:
        gates.instance(Patches, what="a Mesh or a Grid")("patches", patches)
        opening, order = gates.flag()("opening", opening), gates.count()("order", order)
        spread, weight = gates.number()("spread", spread), gates.number()("weight", weight)
        rake = None if rake is None else gates.real()("rake", rake)
        edges = gates.text()("edges", edges)
        if edges not in EDGES or order not in (0, 1, 2):
            raise ValueError(f"order must be 0, 1 or 2 and edges one of {EDGES}; got {order!r} and {edges!r}")
        if not (np.isfinite(weight) and weight > 0):
            raise ValueError(f"weight must be positive, got {weight!r}")
        self.patches, self.order, self.edges, self.weight = patches, order, edges, float(weight)
        shear = _shear_directions(rake, spread, patches.size)
        free = (-np.inf, np.inf) if rake is None else (0.0, np.inf)
        limits = [_limits("bounds", free if bounds is None else bounds)] * shear.shape[1]
        if opening:
            shear = np.concatenate([shear, np.broadcast_to([0.0, 0.0, 1.0], (patches.size, 1, 3))], axis=1)
            limits.append(_limits("opening_bounds", opening_bounds))
        self.directions: Array = shear
        self.lower, self.upper = np.tile(np.array(limits), (patches.size, 1)).T

    @property
    def size(self) -> int:
        """Number of coefficients, m q."""
        return self.directions.shape[0] * self.directions.shape[1]

    def slip(self, coefficients: Array) -> Array:
        """Slip (m, 3) of coefficients (m q,)."""
        table = coefficients.reshape(self.directions.shape[:2])
        return np.einsum("mq,mqa->ma", table, self.directions)

    def adjoint(self, force: Array) -> Array:
        """Transpose of `slip`: from (m, 3) to (m q,)."""
        return np.einsum("ma,mqa->mq", force, self.directions).ravel()

    def roughness(self) -> sparse.csr_array:
        """Matrix R, (r, m q): ``|R c|²`` is the roughness, summed over the components of slip."""
        smooth: Any = roughness(self.patches, self.order, self.edges) * np.sqrt(self.weight)
        axes = [axis for axis in range(3) if self.directions[..., axis].any()]
        return sparse.csr_array(sparse.vstack([smooth @ self.along(axis) for axis in axes]))

    def along(self, axis: int) -> sparse.csr_array:
        """Matrix (m, m q) from coefficients to strike-slip (0), dip-slip (1) or opening (2)."""
        m, q = self.directions.shape[:2]
        place = (np.repeat(np.arange(m), q), np.arange(m * q))
        return sparse.csr_array((self.directions[..., axis].ravel(), place), shape=(m, m * q))


def _shear_directions(rake: ArrayLike | None, spread: float, m: int) -> Array:
    if not 0 <= spread < 90:
        raise ValueError(f"spread must be in [0, 90) degrees, got {spread!r}")
    if rake is None:
        if spread:
            raise ValueError("spread needs a rake")
        return np.broadcast_to(np.eye(3)[:2], (m, 2, 3)).copy()
    given = np.asarray(rake, dtype=float)
    if given.shape not in ((), (m,)) or not np.isfinite(given).all():
        raise ValueError(f"rake: expected a finite number or shape ({m},), got shape {given.shape}")
    offsets = np.array([-spread, spread]) if spread else np.zeros(1)
    angle = np.deg2rad(np.broadcast_to(given, (m,))[:, None] + offsets)
    return np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1)


def _limits(what: str, pair: Limits) -> Limits:
    lower, upper = gates.pair(gates.number(infinite=True))(what, pair)
    if not lower < upper:
        raise ValueError(f"{what}: needs lower < upper, got ({lower:g}, {upper:g})")
    return lower, upper
