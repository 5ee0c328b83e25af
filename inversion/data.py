"""Data of GNSS, of line-of-sight displacement and of pixel offsets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from .dataset import Dataset, Nuisance
from .footprint import Footprint
from .maps import cells_of, covariance_of, plane_of, without_rupture
from .quadtree import Cells, Noise

_AXES = {"E": 0, "N": 1, "U": 2}
_EAST_NORTH = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


class Gnss(Dataset):
    """Static offsets of GNSS stations.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        East and north of the stations, in the problem's length unit.
    displacement : array_like, shape (n, c)
        Offsets in the unit of slip, one column for each letter of `components`; NaN where one is missing.
    sigma : array_like, broadcasting to (n, c), optional
        Standard deviations. Give either these or `covariance`.
    covariance : array_like, shape (n, c, c) or (n c, n c), optional
        Covariance of each station's components, or of all data in the order of ``displacement.ravel()``.
    components : str
        Letters out of E, N, U that the columns stand for.
    nuisance : None, "offset" or "ramp"
        Per component, a common translation of the network ("offset"), with a tilt ("ramp"); solved linearly.
    name : str
        Name in messages, tables and figures.

    Raises
    ------
    ValueError
        If a shape does not fit, an error is not positive, or a covariance is not positive definite.
    """

    kind = "gnss"

    def __init__(
        self,
        xy: ArrayLike,
        displacement: ArrayLike,
        sigma: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        components: str = "ENU",
        nuisance: Nuisance = None,
        name: str = "GNSS",
    ) -> None:
        gates.text()(f"{name}: components", components)
        if not components or set(components) - set(_AXES) or len(set(components)) < len(components):
            raise ValueError(f"{name}: components must be distinct letters of 'ENU', got {components!r}")
        name = gates.text()("name", name)
        observed = gates.real(nan=True)(f"{name}: displacement", displacement)
        if observed.ndim != 2 or observed.shape[1] != len(components):
            raise ValueError(
                f"{name}: displacement: expected shape (n, {len(components)}) for components {components!r}, "
                f"got {observed.shape}"
            )
        axes = np.eye(3)[[_AXES[letter] for letter in components]]
        projector = np.broadcast_to(axes, (len(observed), *axes.shape))
        super().__init__(name, xy, observed, projector, tuple(components))
        self._set_errors(sigma, covariance)
        self._set_nuisance(nuisance)


class Los(Dataset):
    """Line-of-sight displacement, as from InSAR.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        East and north of the pixels, in the problem's length unit.
    displacement : array_like, shape (n,)
        Displacement along `look`, in the unit of slip; NaN where missing.
    look : array_like, shape (3,) or (n, 3)
        Unit vectors (E, N, U) along which displacement counts positive: from the ground to the satellite if
        motion towards it is positive.
    sigma : array_like, scalar or shape (n,), optional
        Standard deviations. Give either these or `covariance`.
    covariance : array_like, shape (n, n), optional
        Full covariance of the pixels.
    nuisance : None, "offset" or "ramp"
        A constant, or a constant with slopes in east and north, solved linearly; the slopes are the change
        from the centre of the data to their edge.
    name : str
        Name in messages, tables and figures.
    footprint : Footprint, optional
        Of data that are means over cells, ``cells.footprint()``, in the problem's length unit: each datum is
        then predicted by the mean over its cell, not by the displacement at `xy`.

    Raises
    ------
    ValueError
        If a shape does not fit, a look vector is not of unit length, an error is not positive, or a
        covariance is not positive definite.
    """

    kind = "los"

    def __init__(
        self,
        xy: ArrayLike,
        displacement: ArrayLike,
        look: ArrayLike,
        sigma: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        nuisance: Nuisance = "ramp",
        name: str = "LOS",
        footprint: Footprint | None = None,
    ) -> None:
        name = gates.text()("name", name)
        observed = gates.real(nan=True)(f"{name}: displacement", displacement)
        if observed.ndim != 1:
            raise ValueError(f"{name}: displacement: expected shape (n,), got {observed.shape}")
        n = len(observed)
        self.look = np.broadcast_to(_unit(f"{name}: look", look, (3,), (n, 3)), (n, 3))
        super().__init__(name, xy, observed[:, None], self.look[:, None, :], ("LOS",), footprint)
        self._set_errors(sigma, covariance)
        self._set_nuisance(nuisance)

    @classmethod
    def from_cells(
        cls,
        cells: Cells,
        look: ArrayLike,
        noise: Noise,
        *,
        place: Callable[[Array], Array] | None = None,
        near: ArrayLike | None = None,
        nuisance: Nuisance = "ramp",
        name: str = "LOS",
    ) -> Los:
        """Means of quadtree cells, with the covariance of their errors, each predicted by its cell's mean.

        Parameters
        ----------
        cells : Cells
            Of one map, from `dislok.inversion.quadtree.quadtree`.
        look : array_like, shape (3,), (k, 3) or (3, rows, columns)
            Unit vectors as of the class, one for all, one for each cell, or a map of them.
        noise : Noise
            Errors of the map's pixels.
        place : callable, optional
            From the cells' coordinates (m, 2) to the problem's; the same by default.
        near : array_like, shape (..., 2) or (..., 3), optional
            As of `Cells.footprint`.
        nuisance, name
            As of the class.

        Returns
        -------
        Los
        """
        gates.instance(Cells)("cells", cells)
        gates.instance(Noise)("noise", noise)
        place = gates.optional(gates.function())("place", place)
        if cells.values.shape[1] != 1:
            raise ValueError(f"cells: expected those of one map, got {cells.values.shape[1]} maps")
        vectors = gates.real(nan=True)("look", look)
        if vectors.ndim == 3:
            if vectors.shape != (3, *cells.shape):
                raise ValueError(f"look: expected shape {(3, *cells.shape)}, got {vectors.shape}")
            vectors = cells.average(vectors)
            vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
        footprint = cells.footprint(near=near)
        if place is not None:
            footprint = footprint.placed(place)
        xy, covariance = footprint.average @ footprint.points, cells.covariance(noise)
        return cls(xy, cells.values[:, 0], vectors, None, covariance, nuisance, name, footprint)


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
        n, c = observed.shape
        projector = _unit(f"{name}: directions", directions, (c, 3), (n, c, 3))
        projector = np.broadcast_to(projector, (n, c, 3))
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
        source: gates.Given,
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


def _unit(what: str, given: ArrayLike, *shapes: tuple[int, ...]) -> Array:
    """Unit vectors of one of two shapes."""
    vectors = gates.real()(what, given)
    if vectors.shape not in shapes:
        raise ValueError(f"{what}: expected shape {shapes[0]} or {shapes[1]}, got {vectors.shape}")
    length = np.linalg.norm(vectors, axis=-1)
    wrong = ~(np.abs(length - 1) < 1e-3)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        number = ", ".join(map(str, at)) or "0"
        raise ValueError(f"{what} must be unit vectors; number {number} has length {length[at]:.6g}")
    return vectors
