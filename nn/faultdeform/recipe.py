"""From what distributions earthquakes are drawn: every number that a paper leaves open, with its default.

Lengths are in km and slip is in m throughout; angles are in degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from dislok import schema
from dislok.arrays import Record, Values

from .keys import RECIPE

Range = tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """Distributions of random earthquakes.

    A pair is the range of a uniform distribution, unless something else is said. What the FaultDeform paper
    (Table I and section III) states is marked *stated*; the rest are choices, with their reasons.

    Attributes
    ----------
    length : pair
        Length of the rupture; logarithmic, as earthquakes are many more the smaller they are. 5 to 150 km is
        stated.
    dip_slip_length : float
        Longest rupture that is not strike-slip: the laws for dip slip rest on shorter ones.
    width : pair
        Limits of the width down dip, which follows the scaling law. 5 to 17 km is stated.
    width_scatter : float
        Standard deviation of log10 of the width: about that of Thingbaijam et al. (2017).
    aspect : float
        Least length over width: short ruptures do not reach through the crust.
    deepest : float
        No rupture below. 15 km is stated.
    mechanism : mapping
        Shares of "strike-slip", "normal", "reverse", "oblique". The paper has strike-slip alone, which moves
        the ground most in a nadir view; some of the others teach a network that steps may also be extension.
    rake_spread : float
        Standard deviation of the rake about 0, 180, -90 or 90. Oblique rakes are uniform 25 to 65 degrees
        from strike-slip.
    dip : pair
        Stated: 30 to 90, to either side (strike is uniform over 0 to 360, and the fault dips to its right).
    dip_uniform : float
        Share of strike-slip events whose dip is uniform in `dip`; the others have
        90 - abs(N(0, `dip_spread`)), as most strike-slip faults are steep.
    dip_spread : float
    dip_normal, dip_reverse : pair
        Dips of the other faults, from Anderson's theory with a friction of 0.4 to 0.8; oblique ones take
        the former.
    law : str
        Scaling law, a key of `dislok.nn.faultdeform.LAWS`. The paper cites Wesnousky (2008) and Scholz.
    scatter : float
        Scatter of the magnitude about the law's median, in its own standard deviations (cut at two).
    rigidity, poisson : float
        In Pa; Poisson's ratio.
    hurst : pair
        Hurst exponents of the surface along strike and down dip. 0.8 is stated; Candela et al. (2012) find
        0.6 along slip and 0.8 across it.
    roughness : pair
        Root mean square of level sections of the surface about their trends, over its length; logarithmic.
        Natural faults lie between 1e-3 and 1e-2; what is left out at the upper end bends and steps make up
        for.
    shortest_wave : float
        Shortest wavelength of the roughness in elements of the mesh: with 16, a mesh twice as fine moves
        the ground by about 1e-3 of the slip at most. The waves that are left out are mostly lower than a
        third of a pixel.
    slip_hurst : float
        Hurst exponent of slip (von Kármán); Mai & Beroza (2002) find 0.75.
    slip_variation : float
        Standard deviation of slip over its mean, before tapering.
    taper : float
        Share of a fault's length at each end, and of its width at the bottom, over which slip falls to zero
        as a quarter of a sine. Blind ruptures taper at the top too.
    deficit_share, deficit, deficit_depth
        Share of events with a shallow slip deficit (not systematic, as stated); slip near the surface is
        less by the factor 1 - deficit exp(-z / depth). Fialko et al. (2005) and later work find 10 to 60 %
        over 1 to 4 km.
    segments : tuple of float
        Shares of ruptures with one, two, three ... segments. The paper has one.
    step : pair
        Offset of the next segment to either side: beyond 4 km ruptures stop (Wesnousky 2006). At most a
        quarter of the segment's length.
    overlap : pair
        Overlap of two segments over their offset; negative for a gap.
    bends : float
        Mean number of bends of a segment (Poisson).
    bend : pair
        Change of strike at a bend, to either side.
    branch : float
        Share of events with a branch.
    branch_angle, branch_length, branch_slip : pair
        Angle to either side; length over that of its segment; share of the slip that turns into it.
    blind : float
        Share of events that do not reach the surface.
    blind_depth : pair
        Depth of their upper edge.
    zone : float
        Share of events with distributed shear beside the trace: a dislocation alone always steps perfectly.
    zone_width : pair
        Full width of that shear; logarithmic.
    zone_part : pair
        Share of the slip at the surface that is distributed.
    pixel : float
        Size of a pixel of the images, 15 m being that of Landsat's panchromatic band, stated.
    element : float
        Size of the elements of the mesh at the trace, in pixels; smaller on ruptures with short strands.
    growth : float
        Growth of the elements with depth: so much longer for every km.
    triangles : int
        About as many triangles at most; for long faults `element` and `growth` are larger by a common factor.
    """

    length: Range = (5.0, 150.0)
    dip_slip_length: float = 60.0
    width: Range = (5.0, 17.0)
    width_scatter: float = 0.1
    aspect: float = 0.5
    deepest: float = 15.0
    mechanism: Mapping[str, float] = field(
        default_factory=lambda: {"strike-slip": 0.8, "normal": 0.06, "reverse": 0.07, "oblique": 0.07}
    )
    rake_spread: float = 10.0
    dip: Range = (30.0, 90.0)
    dip_uniform: float = 0.3
    dip_spread: float = 15.0
    dip_normal: Range = (45.0, 75.0)
    dip_reverse: Range = (30.0, 55.0)
    law: str = "wesnousky2008"
    scatter: float = 1.0
    rigidity: float = 30e9
    poisson: float = 0.25
    hurst: Range = (0.8, 0.8)
    roughness: Range = (1e-3, 6e-3)
    shortest_wave: float = 16.0
    slip_hurst: float = 0.75
    slip_variation: float = 0.5
    taper: float = 0.2
    deficit_share: float = 0.7
    deficit: Range = (0.1, 0.6)
    deficit_depth: Range = (1.0, 4.0)
    segments: tuple[float, ...] = (0.6, 0.25, 0.15)
    step: Range = (0.3, 4.0)
    overlap: Range = (-0.5, 1.5)
    bends: float = 0.5
    bend: Range = (3.0, 20.0)
    branch: float = 0.15
    branch_angle: Range = (12.0, 35.0)
    branch_length: Range = (0.2, 0.5)
    branch_slip: Range = (0.2, 0.8)
    blind: float = 0.05
    blind_depth: Range = (0.5, 3.0)
    zone: float = 0.3
    zone_width: Range = (0.05, 1.0)
    zone_part: Range = (0.2, 1.0)
    pixel: float = 0.015
    element: float = 2.0
    growth: float = 0.12
    triangles: int = 36_000

    def __post_init__(self) -> None:
        given = {each.name: schema.plain(getattr(self, each.name)) for each in fields(self)}
        for name, value in schema.checked(given, RECIPE).items():
            object.__setattr__(self, name, schema.fixed(value))

    def to_dict(self) -> Record:
        """Plain values, for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def pick(self, rng: np.random.Generator, name: str, logarithmic: bool = False) -> float:
        """A number from the range of this name."""
        low, high = getattr(self, name)
        if logarithmic:
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return float(rng.uniform(low, high))


PAPER: Record = {
    "mechanism": {"strike-slip": 1.0},
    "segments": (1.0,),
    "bends": 0.0,
    "branch": 0.0,
    "blind": 0.0,
    "zone": 0.0,
}
"""What makes a recipe that of the paper: ``draw(rng, **PAPER)``."""


def recipe_of(base: Recipe | None, changes: Values) -> Recipe:
    """A recipe with some values changed; lists count as tuples.

    Raises
    ------
    ValueError
        If there is no such value, or one is out of its bounds.
    """
    return replace(base or Recipe(), **schema.checked(schema.plain(changes), RECIPE))


def read(path: str | Path, base: Recipe | None = None) -> Recipe:
    """A recipe with what a TOML file changes.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no TOML or says something else; every mistake is named.
    """
    return replace(base or Recipe(), **schema.read(path, RECIPE))
