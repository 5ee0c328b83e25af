"""A fault made of patches of any shape, as a slip inversion needs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dislok import gate as gates
from dislok.arrays import HostArray as Array
from dislok.convert import magnitude_from_moment, moment_from_slip

if TYPE_CHECKING:
    from dislok.large.hierarchical import HierarchicalMatrix

Indices = NDArray[np.int64]

_HORIZONTAL = 1e-12


class Adjacency(NamedTuple):
    """Which patches touch, along which edges; lengths in the unit of the coordinates.

    Attributes
    ----------
    pairs : (e, 2) the two patches of every inner edge; length : (e,) of the edge.
    along : (e, 3) unit vector along the edge.
    across : (e, 2, 3) from the first centroid to the second, unfolded into the plane of the first patch, and
        from the second to the first in the plane of the second.
    rim : (b,) the patch of every outer edge; rim_length, rim_distance : (b,) of the edge, and of the centroid
        from it; at_surface : (b,) whether the edge lies at the ground's surface; rim_ends : (b, 2, 3) where
        the edge begins and ends.
    """

    pairs: Indices
    length: Array
    along: Array
    across: Array
    rim: Indices
    rim_length: Array
    rim_distance: Array
    at_surface: NDArray[np.bool_]
    rim_ends: Array

    @property
    def shift(self) -> Array:
        """How far the second centroid lies from the first along their edge, (e,)."""
        return np.einsum("ec,ec->e", self.across[:, 0], self.along)

    @property
    def distance(self) -> Array:
        """Distance of the centroids square to their edge, unfolded, (e,)."""
        return np.linalg.norm(self.across[:, 0] - self.shift[:, None] * self.along, axis=-1)


class Patches(ABC):
    """m patches of constant slip, in east, north, up (z <= 0 in the ground).

    Slip is (m, 3): strike-slip (left-lateral positive), dip-slip (reverse positive) and opening, in the frame
    of each patch. `Mesh` and `Grid` are the two kinds.

    Attributes
    ----------
    outlines : (m, k, 3) corners of the patches, k = 3 or 4.
    centroids : (m, 3), areas : (m,), normals : (m, 3) unit vectors into the hanging wall.
    adjacency : which patches touch.
    """

    outlines: Array
    centroids: Array
    areas: Array
    normals: Array
    adjacency: Adjacency

    @property
    def size(self) -> int:
        """Number of patches."""
        return len(self.areas)

    @property
    def frame(self) -> Array:
        """Unit vectors along strike, up dip and along the normal, (m, 3, 3): row i of a patch is axis i."""
        return frame_of(self.normals)

    @property
    def strike(self) -> Array:
        """Strike (m,) in degrees, [0, 360)."""
        along = self.frame[:, 0]
        return np.asarray(np.rad2deg(np.arctan2(along[:, 0], along[:, 1])) % 360.0)

    @property
    def dip(self) -> Array:
        """Dip (m,) in degrees, [0, 180]: above 90 where the surface overhangs."""
        return np.asarray(np.rad2deg(np.arccos(np.clip(self.normals[:, 2], -1.0, 1.0))))

    def rake(self, slip: ArrayLike) -> Array:
        """Rake (m,) in degrees of slip (m, 3) or (m, 2), (-180, 180]; 0 where nothing slips."""
        values = gates.real()("slip", slip)
        return np.asarray(np.rad2deg(np.arctan2(values[:, 1], values[:, 0])))

    def moment(self, slip: ArrayLike, mu: float = 30e9, length_unit: float = 1.0) -> Array:
        """Seismic moment (m,) in N m of every patch: shear modulus times area times shear slip.

        Parameters
        ----------
        slip : array_like, shape (m, 3) or (m, 2)
            Slip in metres.
        mu : float
            Shear modulus (Pa).
        length_unit : float
            Metres in one unit of the coordinates.
        """
        length_unit = gates.number(above=0)("length_unit", length_unit)
        mu = gates.number(above=0)("mu", mu)
        size = np.linalg.norm(self._checked_slip(slip)[:, :2], axis=-1)
        return np.asarray(moment_from_slip(size, self.areas * length_unit**2, mu), np.float64)

    def moment_tensor(self, slip: ArrayLike, mu: float = 30e9, length_unit: float = 1.0) -> Array:
        """Sum of the moment tensors of the shear slip, (3, 3) in N m, axes east, north, up.

        Its scalar moment is below the sum of `moment` where slip or surface turn. Parameters as of `moment`.
        """
        frame = self.frame
        vectors = np.einsum("ma,mac->mc", self._checked_slip(slip)[:, :2], frame[:, :2])
        mu, length_unit = gates.number(above=0)("mu", mu), gates.number(above=0)("length_unit", length_unit)
        half = np.einsum("m,mi,mj->ij", mu * self.areas * length_unit**2, vectors, frame[:, 2])
        return np.asarray(half + half.T)

    def magnitude(self, slip: ArrayLike, mu: float = 30e9, length_unit: float = 1.0) -> float:
        """Moment magnitude of the summed `moment`; minus infinity without slip."""
        total = float(self.moment(slip, mu, length_unit).sum())
        return float(magnitude_from_moment(total)) if total > 0 else float("-inf")

    @abstractmethod
    def greens(self, xy: ArrayLike, nu: float = 0.25) -> Array:
        """Surface displacement (n, 3, m, 3) at points (n, 2) per unit slip of each kind."""

    @abstractmethod
    def apply(self, xy: ArrayLike, slip: Array, nu: float = 0.25) -> Array:
        """Surface displacement (n, 3) of slip (m, 3); the matrix is never made."""

    @abstractmethod
    def apply_adjoint(self, xy: ArrayLike, r: Array, nu: float = 0.25) -> Array:
        """Transposed matrix times residuals (n, 3): (m, 3)."""

    @abstractmethod
    def operator(self, xy: ArrayLike, nu: float = 0.25, **options: Any) -> HierarchicalMatrix:
        """The matrix at points (n, 2) in low-rank pieces; options as of `dislok.tde.operator`."""

    def _checked_slip(self, slip: ArrayLike) -> Array:
        values = gates.real()("slip", slip)
        if values.shape not in ((self.size, 2), (self.size, 3)):
            raise ValueError(f"slip: expected shape ({self.size}, 3) or ({self.size}, 2), got {values.shape}")
        return values


def frame_of(normals: Array) -> Array:
    """Strike, up-dip and normal vectors (m, 3, 3) of unit normals (m, 3).

    Strike is up × normal, as published by Nikkhoo & Walter (2015); of a horizontal patch it is north, turned
    south where the normal points down.
    """
    flat = np.hypot(normals[:, 0], normals[:, 1]) < _HORIZONTAL
    strike = np.stack([-normals[:, 1], normals[:, 0], np.zeros(len(normals))], axis=-1)
    north = normals[:, 2:] * np.array([0.0, 1.0, 0.0])
    strike = np.where(flat[:, None], north, strike)
    strike = strike / np.linalg.norm(strike, axis=-1, keepdims=True)
    return np.asarray(np.stack([strike, np.cross(normals, strike), normals], axis=1), np.float64)


def surface_points(xy: ArrayLike) -> Array:
    """Points (n, 2) at the surface as (n, 3)."""
    points = gates.real()("xy", xy)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"xy: expected shape (n, 2), got {points.shape}")
    return np.column_stack([points, np.zeros(len(points))])


def refuse(what: str, where: Any, rule: str) -> None:
    """Raise a ValueError that names an element of a mesh."""
    raise ValueError(f"{what} {where}: {rule}")
