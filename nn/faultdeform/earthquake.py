"""Random earthquakes: a rupture, its mesh and slip, and how the ground moves."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from dislok import __version__, tde
from dislok.arrays import ArrayLike, Record
from dislok.convert import magnitude_from_moment

from .faults import Rupture, draw_rupture
from .mesh import Sizes, above, build, sizes_of
from .recipe import Recipe, recipe_of
from .roughness import Field, self_affine, von_karman
from .scaling import law
from .slip import areas, slip_of
from .trace import Trace
from .zone import Zone

SLIP_WAVE = 0.5
"""Shortest wavelength of slip in km."""


class Earthquake:
    """An earthquake on triangles.

    East, north and up are in km, the rupture lies about the origin; slip and displacement are in m.

    Parameters
    ----------
    points : ndarray, shape (p, 3)
        Of the mesh.
    cells : ndarray of int, shape (m, 3)
        Points of its triangles, whose normals point to the right of strike, into the hanging wall.
    slip : ndarray, shape (m, 3)
        Along strike, up dip, and opening, as of `dislok.tde`.
    traces : list of ndarray of int
        Points of the mesh along which the ground breaks, in the direction of strike.
    zone_width, zone_part : float
        Full width in km of the shear beside the traces, and the share of the slip there that it takes.
    trace_factors : list of ndarray, shapes (k - 1,), optional
        Slip at the ground over that of the triangles there, which are means over their depth; for the shear
        beside the traces. By default it is 1.
    rigidity, poisson : float
    metadata : dict
        What else is known; plain values.
    """

    def __init__(
        self,
        points: np.ndarray,
        cells: np.ndarray,
        slip: np.ndarray,
        traces: list[np.ndarray],
        *,
        zone_width: float = 0.0,
        zone_part: float = 0.0,
        trace_factors: list[np.ndarray] | None = None,
        rigidity: float = 30e9,
        poisson: float = 0.25,
        metadata: Record | None = None,
    ) -> None:
        self.points, self.cells, self.slip, self.traces = points, cells, slip, traces
        self.zone_width, self.zone_part, self.trace_factors = zone_width, zone_part, trace_factors
        self.rigidity, self.poisson = rigidity, poisson
        self.metadata = metadata or {}

    def __repr__(self) -> str:
        return f"Earthquake(Mw {self.magnitude:.2f}, {len(self.cells)} triangles)"

    @property
    def triangles(self) -> np.ndarray:
        """Vertices of every triangle, (m, 3, 3)."""
        return self.points[self.cells]

    @property
    def trace(self) -> list[np.ndarray]:
        """Lines (k, 2) along which the ground breaks, east and north in km; none of a blind rupture."""
        return [self.points[line, :2] for line in self.traces]

    @property
    def moment(self) -> float:
        """Seismic moment in N m: rigidity × the sum of area × slip."""
        return float(self.rigidity * 1e6 * (areas(self.triangles) @ np.linalg.norm(self.slip, axis=1)))

    @property
    def magnitude(self) -> float:
        """Moment magnitude."""
        return float(magnitude_from_moment(self.moment))

    @cached_property
    def _trace(self) -> Trace:
        return Trace(self.trace)

    @cached_property
    def _zone(self) -> Zone:
        factors = self.trace_factors or [np.ones(len(line) - 1) for line in self.traces]
        grounds = [f[:, None] * slip for f, slip in zip(factors, self.trace_slip, strict=True)]
        return Zone(self.trace, self.trace_slip, self.zone_width, self.zone_part, grounds)

    @cached_property
    def trace_slip(self) -> list[np.ndarray]:
        """Motion (k - 1, 3) of the right side against the left, east, north, up in m.

        At the pieces of each line of `trace`: the slip of the triangles there.
        """
        vectors = np.einsum("mk,mka->ma", self.slip, np.asarray(tde.frame(self.triangles)))
        return [vectors[above(self.cells, line, len(self.points))] for line in self.traces]

    def side(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """On which side of the nearest trace points lie: 1 to the right of strike, -1 to the left.

        Where nothing breaks the ground it is 0. Beyond the end of a trace its last piece goes on.

        Parameters
        ----------
        x, y : array_like
            East and north in km; they broadcast, so ``side(x, y[:, None])`` is that of a grid.

        Returns
        -------
        ndarray of int8
        """
        distance = self._trace.distance(x, y)
        return np.where(np.isinf(distance), 0, np.sign(distance)).astype(np.int8)

    def distance(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """Distance (km) from the nearest trace, positive to its right; infinite where there is none.

        Parameters as of :meth:`side`.
        """
        return self._trace.distance(x, y)

    def at(self, points: ArrayLike) -> np.ndarray:
        """Displacement (n, 3) in m at places (n, 2) of the ground, each summed over all triangles."""
        places = np.asarray(points, float)
        moved = np.asarray(tde.displacement(places, self.triangles, self.slip, nu=self.poisson))
        return moved + self._zone.correction(places)

    def on_grid(self, x: ArrayLike, y: ArrayLike, *, tolerance: float = 1e-4, **options: Any) -> np.ndarray:
        """Displacement of the ground on a grid.

        The step lies on the trace exactly: every point moves with its own side.

        Parameters
        ----------
        x, y : array_like, shapes (w,) and (h,)
            East and north in km. Row j of the result lies at ``y[j]``: for an image, whose first row is its
            north, y falls.
        tolerance : float
            Largest error over the largest displacement, as of `dislok.tde.on_grid`.
        **options
            Others of `dislok.tde.on_grid`.

        Returns
        -------
        ndarray, shape (h, w, 3)
            East, north and up in m.
        """
        x, y = np.asarray(x, float), np.asarray(y, float)
        out = np.asarray(
            tde.on_grid(x, y, self.triangles, self.slip, tolerance=tolerance, nu=self.poisson, **options)
        )
        self._mend(x, y, out)
        self._zone.add_on_grid(x, y, out)
        return out

    def _mend(self, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
        """Points exactly on a side of a triangle have no value; they get that just to its right."""
        rows, columns = np.nonzero(np.isnan(out[..., 0]))
        if not len(rows):
            return
        places = np.column_stack([x[columns], y[rows]])
        size = np.ptp(self.points[:, :2], axis=0).max()
        for shift in (1e-9, 1e-8, 1e-7):
            off = shift * size * np.array([0.8, 0.6])
            moved = [places + off, places - off]
            side = self.side(*moved[0].T)
            chosen = np.where((side >= 0)[:, None], *moved)
            values = np.asarray(tde.displacement(chosen, self.triangles, self.slip, nu=self.poisson))
            out[rows, columns] = values
            if not np.isnan(values).any():
                return


def make(
    rupture: Rupture, rng: np.random.Generator, recipe: Recipe | None = None, refine: int = 1
) -> Earthquake:
    """The earthquake of a rupture.

    Parameters
    ----------
    rupture : Rupture
    rng : Generator
        Draws roughness and slip.
    recipe : Recipe, optional
    refine : int
        How many times as fine the mesh is, of the same surface and slip.

    Returns
    -------
    Earthquake
    """
    recipe = recipe or Recipe()
    sizes = sizes_of(rupture, recipe)
    waves = Sizes(*(recipe.shortest_wave * v for v in (sizes.smallest, sizes.growth, sizes.largest)))
    extent = rupture.span[1] - rupture.span[0], rupture.width
    x = np.arange(0.0, extent[0], 0.25 * waves.smallest)
    rough = Field(rng, extent, self_affine(recipe.hurst), waves.smallest)
    rough.levelled(x, rupture.roughness * extent[0])
    reach = 2.0 + extent[0] / 3.0, 1.0 + extent[1] / 3.0
    slips = Field(rng, extent, von_karman(recipe.slip_hurst, *reach), max(SLIP_WAVE, waves.smallest))
    slips.standardised(*np.meshgrid(np.linspace(0.0, extent[0], 200), np.linspace(0.0, extent[1], 50)))
    fine = Sizes(sizes.smallest / refine, sizes.growth / refine, sizes.largest / refine)
    surface = build(rupture, fine, rough, waves)
    slip, factors = slip_of(rupture, surface, slips, recipe)
    metadata = {
        **rupture.numbers(),
        "law": recipe.law,
        "law_source": law(recipe.law).source,
        "triangles": len(surface.cells),
        "element": sizes.smallest,
        "dislok": __version__,
        "recipe": recipe.to_dict(),
    }
    return Earthquake(
        surface.points,
        surface.cells,
        slip,
        surface.traces if rupture.top == 0.0 else [],
        zone_width=rupture.zone_width,
        zone_part=rupture.zone_part,
        trace_factors=factors if rupture.top == 0.0 else None,
        rigidity=recipe.rigidity,
        poisson=recipe.poisson,
        metadata=metadata,
    )


def draw(rng: np.random.Generator, recipe: Recipe | None = None, **changes: Any) -> Earthquake:
    """A random earthquake.

    Parameters
    ----------
    rng : Generator
        The same state gives the same earthquake, bit by bit.
    recipe : Recipe, optional
        Distributions; the default is `Recipe()`.
    **changes
        Values of the recipe that are different, such as ``length=(20.0, 40.0)`` or ``pixel=0.01``; those of
        the paper are in `PAPER`.

    Returns
    -------
    Earthquake
        About the origin. All lengths are in km, slip and displacement in m.

    Raises
    ------
    ValueError
        If a value of the recipe is out of its bounds; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from dislok.nn.faultdeform import draw
    >>> earthquake = draw(np.random.default_rng(1), length=(10.0, 12.0), pixel=0.1)
    >>> x = 0.1 * np.arange(-32, 32)
    >>> earthquake.on_grid(x, x[::-1]).shape
    (64, 64, 3)
    """
    recipe = recipe_of(recipe, changes)
    return make(draw_rupture(rng, recipe), rng, recipe)
