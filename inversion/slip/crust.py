"""Patches in a layered crust: the Green's functions of a slip problem whose ground is not homogeneous."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from dislok import propagator
from dislok.arrays import HostArray as Array
from dislok.layers import LayeredModel

from ..mesh.patches import Patches


class LayeredPatches:
    """One fault in a layered crust and all points of the data; products with a stored matrix.

    Parameters
    ----------
    crust : LayeredModel
    patches : Patches
        In the coordinates of the data.
    points : (n, 2) all points of the data.
    length_unit : float
        Metres in one unit of the coordinates; those of the crust are kilometres.
    accuracy : float
        As of `dislok.propagator.greens`.
    """

    def __init__(
        self, crust: LayeredModel, patches: Patches, points: Array, length_unit: float, accuracy: float
    ) -> None:
        self.scale, self.points, self.accuracy = length_unit / 1e3, points, accuracy
        self.triangles = getattr(patches, "triangles", None)
        if self.triangles is not None:
            self.patches = self.scale * self.triangles
        else:
            source = patches.source  # type: ignore[attr-defined]
            lengths = {name: self.scale * getattr(source, name) for name in source._fields[:5]}
            self.patches = source._replace(**lengths)
        outlines = self.scale * patches.outlines
        depth = -outlines[..., 2] + crust.receiver_depth
        corners = outlines[..., :2].reshape(-1, 2)
        low, high = (f(np.concatenate([corners, self.scale * points]), axis=0) for f in (np.min, np.max))
        margin = 1e-3 * max(float(np.ptp(depth)), 1e-3 * float(depth.max()))
        top = max(crust.receiver_depth, float(depth.min()) - margin)
        self.model = propagator.static_table(
            crust,
            (top, float(depth.max()) + margin),
            1.01 * float(np.linalg.norm(high - low)),
            accuracy=max(0.05 * accuracy, 1e-12),
        )

    def greens(self, xy: Array) -> Array:
        """Surface displacement (n, 3, m, 3) at points (n, 2) per unit slip of each kind."""
        places = propagator.Stations(*(self.scale * xy).T)
        return np.asarray(propagator.greens(self.model, self.patches, places, accuracy=self.accuracy))

    @cached_property
    def matrix(self) -> Array:
        """`greens` at all points."""
        return self.greens(self.points)

    def apply(self, slip: Array) -> Array:
        """Displacement (n, 3) of all points by slip (m, 3)."""
        return np.einsum("ncma,ma->nc", self.matrix, slip)

    def apply_adjoint(self, force: Array) -> Array:
        """Transposed matrix times residuals (n, 3): (m, 3)."""
        return np.einsum("ncma,nc->ma", self.matrix, force)
