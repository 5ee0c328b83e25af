"""The shape of a rupture: its size, and the smooth lines of its segments and branches.

A rupture is described beside an axis: x runs along its strike, y to the right of it, where it dips, and d
down dip. All of its strands dip alike and share one rough surface, laid off from their lines: so they can
neither cross at depth nor open where they meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dislok.convert import moment_from_magnitude

from .recipe import Recipe
from .scaling import law

STEPS = 400
"""Pieces of the line of a strand."""
STEEPEST = 40.0
"""Largest angle in degrees between a strand and the rupture's axis."""
SHORTEST_BRANCH = 2.0
CLEARANCE = 0.15
"""Least distance of two strands beside each other, in km."""


class Strand(NamedTuple):
    """A segment or a branch: a smooth line, along which the rough trace runs.

    Attributes
    ----------
    t, x, y : ndarray, shape (k,)
        Distance along the line, place along the axis, which rises, and to the right of it.
    parent : int
        Number of the strand that a branch starts from, or -1.
    share : float
        Share of its parent's slip that a branch takes over; 1 for segments.
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    parent: int = -1
    share: float = 1.0

    @property
    def length(self) -> float:
        """Length of the line."""
        return float(self.t[-1])


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

    def numbers(self) -> dict[str, Any]:
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
    mechanism = kinds[_choice(rng, [recipe.mechanism[k] for k in kinds])]
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


def _choice(rng: np.random.Generator, shares: Any) -> int:
    total = np.cumsum(shares)
    return int(np.searchsorted(total, rng.uniform() * total[-1], side="right"))


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


# --------------------------------------------------------------------------------------- lines


def draw_strands(rng: np.random.Generator, recipe: Recipe, length: float) -> tuple[Strand, ...]:
    """The lines of a rupture's segments and branches, about its middle."""
    count = 1 + _choice(rng, recipe.segments)
    cuts = rng.dirichlet(np.full(count, 6.0)) * length
    strands: list[Strand] = []
    place, heading = np.zeros(2), 0.0
    for part in cuts:
        turns = _bends(rng, recipe)
        step, side = recipe.pick(rng, "step"), float(rng.choice([-1.0, 1.0]))
        overlap = recipe.pick(rng, "overlap") * step
        if strands:
            place = _next(strands[-1], side * step, np.clip(overlap, -0.3 * part, 0.3 * part))
        strand, heading = line(float(part), place, heading, turns)
        if strands and not clear(strand, strands):
            # side by side where they overlap and one bends: the next begins where the last ends
            strand, heading = line(float(part), _next(strands[-1], side * step, 0.0), heading, turns)
        strands.append(strand)
    strands = _levelled(strands)
    if rng.uniform() < recipe.branch:
        strands += _branch(rng, recipe, strands)
    return tuple(strands)


def _bends(rng: np.random.Generator, recipe: Recipe) -> list[tuple[float, float]]:
    """Where along a segment it bends (0 to 1), and by how many degrees."""
    count = int(rng.poisson(recipe.bends))
    return [
        (float(rng.uniform(0.2, 0.8)), float(rng.choice([-1.0, 1.0])) * recipe.pick(rng, "bend"))
        for _ in range(count)
    ]


def line(length: float, start: Any, heading: float, turns: Any = ()) -> tuple[Strand, float]:
    """A line of a length from a place, and its heading at the end: degrees from the axis, to the right.

    It turns smoothly, within a twentieth of its length, never further than `STEEPEST` from the axis.
    """
    t = np.linspace(0.0, length, STEPS + 1)
    angle = np.full(t.shape, heading)
    for at, turn in sorted(turns):
        turn = -turn if abs(heading + turn) > 0.7 * STEEPEST else turn
        angle = angle + 0.5 * turn * (1.0 + np.tanh((t / length - at) / 0.025))
        heading += turn
    middle = np.deg2rad(np.clip(0.5 * (angle[1:] + angle[:-1]), -STEEPEST, STEEPEST))
    steps = np.diff(t)
    x = np.concatenate([[0.0], np.cumsum(steps * np.cos(middle))])
    y = np.concatenate([[0.0], np.cumsum(steps * np.sin(middle))])
    return Strand(t, start[0] + x, start[1] + y), float(angle[-1])


def _next(last: Strand, step: float, overlap: float) -> np.ndarray:
    """Where the next segment starts: beside the end of the last, back by the overlap."""
    x = last.x[-1] - overlap
    return np.array([x, np.interp(x, last.x, last.y) + step])


def _levelled(strands: list[Strand]) -> list[Strand]:
    """Turned and moved so that the ends lie on the axis, as far from the origin as each other."""
    first = np.array([strands[0].x[0], strands[0].y[0]])
    last = np.array([strands[-1].x[-1], strands[-1].y[-1]])
    c, s = (last - first) / np.hypot(*(last - first))
    middle = 0.5 * (first + last)
    turned = [
        strand._replace(
            x=c * (strand.x - middle[0]) + s * (strand.y - middle[1]),
            y=c * (strand.y - middle[1]) - s * (strand.x - middle[0]),
        )
        for strand in strands
    ]
    # a sharp turn of the whole could bring a strand to run back along the axis
    return turned if all((np.diff(strand.x) > 0).all() for strand in turned) else strands


def clear(strand: Strand, others: list[Strand], skip: float = 0.0) -> bool:
    """Whether a strand, from `skip` km along it on, neither crosses nor touches the others."""
    for other in others:
        inside = (strand.x >= other.x[0]) & (strand.x <= other.x[-1]) & (strand.t >= skip)
        apart = strand.y[inside] - np.interp(strand.x[inside], other.x, other.y)
        if len(apart) and (np.abs(apart).min() < CLEARANCE or np.ptp(np.sign(apart)) > 0):
            return False
    return True


def _branch(rng: np.random.Generator, recipe: Recipe, strands: list[Strand]) -> list[Strand]:
    """One branch, if there is room for one to either side."""
    parent = int(rng.integers(len(strands)))
    trunk = strands[parent]
    k = int(rng.uniform(0.25, 0.7) * STEPS)
    angle, side = recipe.pick(rng, "branch_angle"), float(rng.choice([-1.0, 1.0]))
    length = recipe.pick(rng, "branch_length") * trunk.length
    share = recipe.pick(rng, "branch_slip")
    heading = np.rad2deg(np.arctan2(trunk.y[k + 1] - trunk.y[k], trunk.x[k + 1] - trunk.x[k]))
    for turn in (side * angle, -side * angle):
        if length < SHORTEST_BRANCH or abs(heading + turn) > STEEPEST:
            continue
        found, _ = line(length, (trunk.x[k], trunk.y[k]), float(heading + turn))
        away = 1.2 * CLEARANCE / np.sin(np.deg2rad(angle))
        if clear(found, strands, skip=away):
            return [found._replace(parent=parent, share=share)]
    return []
