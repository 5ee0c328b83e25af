"""The smooth lines of a rupture's segments and branches, beside its axis: x along strike, y to the right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dislok.arrays import ArrayLike

from .recipe import Recipe

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


def choice(rng: np.random.Generator, shares: ArrayLike) -> int:
    """A place drawn with these shares."""
    total = np.cumsum(shares)
    return int(np.searchsorted(total, rng.uniform() * total[-1], side="right"))


def draw_strands(rng: np.random.Generator, recipe: Recipe, length: float) -> tuple[Strand, ...]:
    """The lines of a rupture's segments and branches, about its middle."""
    count = 1 + choice(rng, recipe.segments)
    cuts = rng.dirichlet(np.full(count, 6.0)) * length
    strands: list[Strand] = []
    place, heading = np.zeros(2), 0.0
    for part in cuts:
        turns = _bends(rng, recipe)
        step, side = min(recipe.pick(rng, "step"), 0.25 * part), float(rng.choice([-1.0, 1.0]))
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


def line(length: float, start: ArrayLike, heading: float, turns: ArrayLike = ()) -> tuple[Strand, float]:
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
