"""Point sources of an inversion: places, times, durations and tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates

from .filters import Array

PLACE = ("east", "north", "depth")
UNKNOWNS = (*PLACE, "time", "duration")
UNITS = {"east": "km", "north": "km", "depth": "km", "time": "s", "duration": "s"}
BOUNDS = {
    "east": (-100.0, 100.0),
    "north": (-100.0, 100.0),
    "depth": (1.0, 100.0),
    "time": (-25.0, 60.0),
    "duration": (0.2, 60.0),
}
"""Limits of the unknowns where nothing else is said."""


@dataclass(frozen=True)
class Sources:
    """One or several point sources.

    Attributes
    ----------
    east, north : (n,) km from the hypocentre, on the plane of the inversion.
    depth : (n,) km.
    time : (n,) centroid time, seconds after the records' reference.
    duration : (n,) half-duration of the source time function in s; 0 for an impulse.
    tensor : (n, 6) elements ee, nn, uu, en, eu, nu along the plane's axes, in N·m.
    """

    east: Array
    north: Array
    depth: Array
    time: Array
    duration: Array
    tensor: Array

    def __len__(self) -> int:
        return len(self.east)

    @classmethod
    def at(
        cls,
        east: ArrayLike = 0.0,
        north: ArrayLike = 0.0,
        depth: ArrayLike = 10.0,
        time: ArrayLike = 0.0,
        duration: ArrayLike = 0.0,
    ) -> Sources:
        """Sources without a tensor yet; numbers and sequences broadcast against each other."""
        fields = {"east": east, "north": north, "depth": depth, "time": time, "duration": duration}
        given = (np.atleast_1d(gates.real()(name, value)) for name, value in fields.items())
        x, y, z, t, half = (v.copy() for v in np.broadcast_arrays(*given))
        return cls(x, y, z, t, half, np.zeros((len(x), 6)))

    def values(self, unknowns: tuple[str, ...]) -> Array:
        """The unknowns of all sources in one row, source by source."""
        return np.stack([getattr(self, name) for name in unknowns], axis=1).ravel()

    def with_values(self, unknowns: tuple[str, ...], values: Array) -> Sources:
        """The sources with other values of the unknowns."""
        table = values.reshape(len(self), len(unknowns))
        return replace(self, **{name: table[:, i].copy() for i, name in enumerate(unknowns)})

    def with_tensor(self, tensor: Array) -> Sources:
        """The sources with other tensors (n, 6)."""
        return replace(self, tensor=tensor)

    def joined(self, other: Sources) -> Sources:
        """These sources and others in one."""
        names = (*UNKNOWNS, "tensor")
        return Sources(**{n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in names})

    def take(self, index: ArrayLike) -> Sources:
        """Some of the sources."""
        i = np.atleast_1d(np.asarray(index))
        return Sources(**{n: getattr(self, n)[i] for n in (*UNKNOWNS, "tensor")})
