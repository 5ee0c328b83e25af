"""Pixel offsets: displacement along several directions at each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates

from ..fault.data import Array, Dataset, Nuisance
from ..footprint import Footprint
from ..quadtree import Cells

_EAST_NORTH = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


class PixelOffsets(Dataset):
    """Displacement of pixels as image correlation measures it: east and north, or range and azimuth.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        East and north of the pixels, in the problem's length unit.
    displacement : array_like, shape (n, c)
        Displacement along each direction, in the unit of slip; NaN where missing.
    directions : array_like, shape (c, 3) or (n, c, 3)
        Unit vectors (E, N, U) along which the columns count positive; east and north by default.
    sigma : array_like, broadcasting to (n, c), optional
        Standard deviations. Give either these or `covariance`.
    covariance : array_like, shape (n, c, c) or (n c, n c), optional
        Covariance of each pixel's columns, or of all data in the order of ``displacement.ravel()``.
    nuisance : None, "offset" or "ramp"
        Per column, a constant, or a constant with slopes in east and north, solved linearly.
    labels : sequence of str, optional
        Names of the columns; "E", "N" by default, else "1", "2", ...
    name : str
        Name in messages, tables and figures.
    footprint : Footprint, optional
        Of data that are means over cells, ``cells.footprint()``, in the problem's length unit: each datum is
        then predicted by the mean over its cell, not by the displacement at `xy`.

    Raises
    ------
    ValueError
        If a shape does not fit, a direction is not of unit length, an error is not positive, or a covariance
        is not positive definite.
    """

    kind = "offsets"
    cells: Cells | None = None

    def __init__(
        self,
        xy: ArrayLike,
        displacement: ArrayLike,
        directions: ArrayLike = _EAST_NORTH,
        sigma: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        nuisance: Nuisance = "offset",
        labels: Sequence[str] | None = None,
        name: str = "offsets",
        footprint: Footprint | None = None,
    ) -> None:
        name = gates.text()("name", name)
        observed = gates.real(nan=True)(f"{name}: displacement", displacement)
        if observed.ndim != 2:
            raise ValueError(f"{name}: displacement: expected shape (n, c), got {observed.shape}")
        projector = _checked_directions(directions, observed.shape, name)
        if labels is None:
            named = directions is _EAST_NORTH
            labels = ("E", "N") if named else tuple(str(i + 1) for i in range(observed.shape[1]))
        labels = [gates.text()(f"labels[{i}]", each) for i, each in enumerate(_listed("labels", labels))]
        if len(labels) != observed.shape[1]:
            raise ValueError(f"{name}: labels: expected {observed.shape[1]} names, got {len(labels)}")
        super().__init__(name, xy, observed, projector, tuple(labels), footprint)
        self._set_errors(sigma, covariance)
        self._set_nuisance(nuisance)

    @classmethod
    def from_map(
        cls,
        source: Any,
        *,
        pixel: float | None = None,
        origin: tuple[float, float] | None = None,
        length_unit: float = 1000.0,
        threshold: float | None = None,
        smallest: int = 8,
        largest: int = 64,
        correlation: float = 28.0,
        rest: ArrayLike | None = None,
        explained: ArrayLike | None = None,
        near: ArrayLike | None = None,
        rupture: ArrayLike | None = None,
        margin: float = 16.0,
        nuisance: Nuisance = "offset",
        name: str = "offsets",
    ) -> PixelOffsets:
        """Offsets from a displacement map: means of quadtree cells, with the covariance of the map's errors.

        Parameters
        ----------
        source : path, or object with `values`, `error` (h, w, 2) and `valid` (h, w)
            A file of ``dislok flow``, or a map in pixels such as a `dislok.nn.flow.FlowMap`.
        pixel : float, optional
            Metres of a pixel; for objects.
        origin : (float, float), optional
            For files, the coordinates that become (0, 0), by default the middle; for objects, east and north
            (m) of the first pixel, by default so that the middle is (0, 0).
        length_unit : float
            Metres of the problem's unit of length. Displacement is in metres.
        threshold : float, optional
            Standard deviation (m) in a cell above which it is divided: by default three errors of a pixel, or
            a twentieth of the range of the motion. Smallest cells above it are left out: a rupture runs
            through them.
        smallest, largest : int
            Sides of the cells (px).
        correlation : float
            Distance (px) over which errors of pixels are correlated (to 1/e); by default what the errors of
            `dislok.nn.match` were measured to have on a smooth field.
        rest : array_like of bool, shape (h, w), optional
            Ground at rest, where correlation and size of the errors are measured instead.
        explained : array_like, shape (h, w, 2), optional
            Motion (m), east and north of each pixel, by a model that was found before: correlation and size
            of the errors are measured in what it leaves, on `rest` or everywhere. Errors of the model are
            errors of its data then.
        near : array_like, shape (..., 2) or (..., 3), optional
            Where the ground may slip, in the problem's unit of length, as of `Cells.footprint`.
        rupture : array_like, shape (k, 2), optional
            East and north along a rupture of the ground, in the problem's unit of length: what measures a map
            mixes the two sides within its windows, so pixels nearer than `margin` (px) are left out.
        margin : float
            See `rupture`.
        nuisance, name
            As of the class.

        Returns
        -------
        PixelOffsets
            Each datum is predicted by the mean over its cell. The attribute `cells` holds the quadtree.

        Raises
        ------
        ValueError
            If the map has no error, no valid pixel or no pixel size, or a number does not fit.
        """
        from .maps import cells_of, covariance_of, plane_of, without_rupture

        if not (length_unit > 0 and correlation > 0):
            raise ValueError(f"length_unit, correlation: expected > 0, got {length_unit!r}, {correlation!r}")
        plane = plane_of(source, pixel, origin)
        if rupture is not None:
            line = gates.real(None, 2)("rupture", rupture) * length_unit
            plane = without_rupture(plane, line, gates.number(least=0)("margin", margin))
        cells, sigma = cells_of(plane, threshold, smallest, largest)
        covariance = covariance_of(cells, sigma, plane, correlation, rest, explained)
        places = None if near is None else gates.real()("near", near) * length_unit
        footprint = cells.footprint(near=places).placed(lambda xy: xy / length_unit)
        made = cls(
            cells.xy / length_unit, cells.values, covariance=covariance, nuisance=nuisance, name=name,
            footprint=footprint,
        )  # fmt: skip
        made.cells = cells
        return made


def _listed(name: str, values: Sequence[str]) -> Sequence[str]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name} must be a sequence of names, got {values!r:.60}")
    return values


def _checked_directions(directions: ArrayLike, shape: tuple[int, ...], name: str) -> Array:
    n, c = shape
    vectors = gates.real()(f"{name}: directions", directions)
    if vectors.shape not in ((c, 3), (n, c, 3)):
        raise ValueError(f"{name}: directions: expected shape ({c}, 3) or ({n}, {c}, 3), got {vectors.shape}")
    length = np.linalg.norm(vectors, axis=-1)
    wrong = ~(np.abs(length - 1) < 1e-3)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"{name}: directions must be unit vectors; number {at} has length {length[at]:.6g}")
    return np.broadcast_to(vectors, (n, c, 3))
