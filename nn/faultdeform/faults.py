"""The shape of a rupture: its size, attitude and kind.

A rupture is described beside an axis: x runs along its strike, y to the right of it, where it dips, and d
down dip. All of its strands dip alike and share one rough surface, laid off from their lines: so they can
neither cross at depth nor open where they meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dislok.arrays import Record
from dislok.convert import moment_from_magnitude

from .recipe import Recipe
from .scaling import law
from .strands import Strand, choice, draw_strands


@dataclass(frozen=True)
class Rupture:
    """Everything about an earthquake but its random fields.

    Attributes
    ----------
    mechanism : str
    strike, dip, rake : float
        Degrees. The dip is to the right of strike.
    length, width, top : float
        Along strike, down dip, depth of the upper edge: km.
    magnitude, moment : float
        Mw, and N m.
    median : float
        Mw that the law has for this length.
    deficit, deficit_depth : float
        Share of the slip that lacks at the surface, and the depth (km) over which it comes back.
    roughness : float
        Root mean square of the trace over its length.
    zone_width, zone_part : float
        Full width (km) of the shear beside the trace, and the share of the slip that it takes; 0 for none.
    strands : tuple of Strand
        Segments first, then branches.
    """

    mechanism: str
    strike: float
    dip: float
    rake: float
    length: float
    width: float
    top: float
    magnitude: float
    median: float
    deficit: float
    deficit_depth: float
    roughness: float
    zone_width: float
    zone_part: float
    strands: tuple[Strand, ...]

    @property
    def moment(self) -> float:
        """Seismic moment in N m."""
        return float(moment_from_magnitude(self.magnitude))

    @property
    def span(self) -> tuple[float, float]:
        """Where along the axis the rupture begins and ends."""
        return min(float(s.x[0]) for s in self.strands), max(float(s.x[-1]) for s in self.strands)

    @property
    def right(self) -> np.ndarray:
        """Unit vector (east, north) to the right of strike."""
        a = np.deg2rad(self.strike)
        return np.array([np.cos(a), -np.sin(a)])

    @property
    def ahead(self) -> np.ndarray:
        """Unit vector (east, north) along strike."""
        a = np.deg2rad(self.strike)
        return np.array([np.sin(a), np.cos(a)])

    def ground(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """East and north (..., 2) of places along and beside the axis."""
        return x[..., None] * self.ahead + y[..., None] * self.right

    def numbers(self) -> Record:
        """Plain values, for JSON; the strands as their ends and lengths."""
        plain = {k: v for k, v in vars(self).items() if k != "strands"}
        strands = [
            {
                "length": s.length,
                "parent": s.parent,
                "share": s.share,
                "ends": self.ground(s.x[[0, -1]], s.y[[0, -1]]).tolist(),
            }
            for s in self.strands
        ]
        return {**plain, "moment": self.moment, "strands": strands}


def draw_rupture(rng: np.random.Generator, recipe: Recipe) -> Rupture:
    """A rupture from a recipe's distributions."""
    kinds = sorted(recipe.mechanism)
    mechanism = kinds[choice(rng, [recipe.mechanism[k] for k in kinds])]
    length = recipe.pick(rng, "length", logarithmic=True)
    if mechanism != "strike-slip":
        low = min(recipe.length[0], recipe.dip_slip_length)
        length = min(length, max(low, float(rng.uniform(low, recipe.dip_slip_length))))
    dip, rake = _dip(rng, recipe, mechanism), _rake(rng, recipe, mechanism)
    blind = rng.uniform() < recipe.blind
    top, width, median = _depths(rng, recipe, mechanism, length, dip, recipe.pick(rng, "blind_depth") * blind)
    spread = recipe.scatter * law(recipe.law).sigma[mechanism]
    has_deficit = rng.uniform() < recipe.deficit_share and not blind
    has_zone = rng.uniform() < recipe.zone and not blind
    zone_width, zone_part = recipe.pick(rng, "zone_width", logarithmic=True), recipe.pick(rng, "zone_part")
    return Rupture(
        mechanism=mechanism,
        strike=float(rng.uniform(0.0, 360.0)),
        dip=dip,
        rake=rake,
        length=length,
        width=width,
        top=top,
        magnitude=median + spread * float(np.clip(rng.standard_normal(), -2.0, 2.0)),
        median=median,
        deficit=recipe.pick(rng, "deficit") * has_deficit,
        deficit_depth=recipe.pick(rng, "deficit_depth"),
        roughness=recipe.pick(rng, "roughness", logarithmic=True),
        zone_width=zone_width * has_zone,
        zone_part=zone_part * has_zone,
        strands=draw_strands(rng, recipe, length),
    )


def _dip(rng: np.random.Generator, recipe: Recipe, mechanism: str) -> float:
    if mechanism == "reverse":
        return recipe.pick(rng, "dip_reverse")
    if mechanism != "strike-slip":
        return recipe.pick(rng, "dip_normal")
    if rng.uniform() < recipe.dip_uniform:
        return recipe.pick(rng, "dip")
    return float(np.clip(90.0 - abs(recipe.dip_spread * rng.standard_normal()), *recipe.dip))


def _rake(rng: np.random.Generator, recipe: Recipe, mechanism: str) -> float:
    side = float(rng.choice([0.0, 180.0]))
    if mechanism == "oblique":
        tilt = float(rng.uniform(25.0, 65.0) * rng.choice([-1.0, 1.0]))
        return side + tilt if side == 0.0 else (180.0 - tilt if tilt > 0 else -180.0 - tilt)
    about = {"strike-slip": side, "normal": -90.0, "reverse": 90.0}[mechanism]
    rake = about + recipe.rake_spread * float(np.clip(rng.standard_normal(), -2.5, 2.5))
    return rake - 360.0 if rake > 180.0 else rake


def _depths(
    rng: np.random.Generator, recipe: Recipe, mechanism: str, length: float, dip: float, top: float
) -> tuple[float, float, float]:
    """Depth of the upper edge, width, and the law's median magnitude."""
    rule, sine = law(recipe.law), np.sin(np.deg2rad(dip))
    guess = rule.magnitude(length, recipe.width[0], mechanism)
    spread = 10.0 ** (recipe.width_scatter * float(np.clip(rng.standard_normal(), -2.0, 2.0)))
    width = min(rule.width(length, guess, mechanism) * spread, length / recipe.aspect)
    width = min(float(np.clip(width, *recipe.width)), recipe.deepest / sine)
    top = min(top, recipe.deepest - min(width, recipe.width[0]) * sine)
    width = min(width, (recipe.deepest - top) / sine)
    return top, width, rule.magnitude(length, width, mechanism)
