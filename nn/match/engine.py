"""Search, carry, refine: the motion between two images on their common grid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .calming import Trust, calmed
from .carrying import Carry, carried, correlation
from .filling import Fill, Look, filled
from .planes import Level, double, pyramid
from .refining import Refine, Solution, refined, relieved
from .search import Search, start
from .zones import Zone, zoned

LEVELS = 4


@dataclass(frozen=True)
class Settings:
    """What the engine does; the defaults serve all ranges of motion and all sensors.

    Attributes
    ----------
    reach : float
        Farthest motion to look for, px.
    contrast : tuple of float
        Windows of the local normalisation, from the finest of four levels on, standard deviations in pixels
        of the level. Wide ones leave shading in, in which the texture of the coarser levels drowns.
    search, carry, refine, zone, fill
        Settings of the steps.
    middle, fine : tuple of int
        Distances (px of the level) over which motion is carried on the coarser levels and on the finest.
    passes : int
        Times that carrying and refining alternate on the finest level.
    trust : Trust
        Where the search is not believed.
    soft : tuple of float
        Gradients below which the prior is quadratic before the last refinement: coarse, middle, finest level.
        What is nearly rigid would take long to move.
    """

    reach: float = 64.0
    contrast: tuple[float, ...] = (10.0, 10.0, 3.0, 3.0)
    search: Search = field(default_factory=Search)
    carry: Carry = field(default_factory=Carry)
    refine: Refine = field(default_factory=Refine)
    zone: Zone = field(default_factory=Zone)
    fill: Fill = field(default_factory=Fill)
    middle: tuple[int, ...] = (1, 2, 4)
    fine: tuple[int, ...] = (2, 6, 16)
    around: bool = False
    again: tuple[int, ...] = (4,)
    trust: Trust = field(default_factory=Trust)
    soft: tuple[float, float, float] = (0.2, 0.1, 0.04)

    def __post_init__(self) -> None:
        """Check what has one value a level."""
        if len(self.contrast) != LEVELS or min(self.contrast) <= 0:
            raise ValueError(f"contrast must be {LEVELS} positive windows, not {self.contrast}")


@dataclass
class Result:
    """What the engine found on the finest level.

    Attributes
    ----------
    level : Level
        The normalised images.
    field : ndarray, shape (2, h, w)
        Motion towards higher columns and rows, px.
    precision : ndarray, shape (3, h, w)
        What each pixel says about it, px⁻²: matrices 11, 12, 22.
    rho, mass : ndarray, shape (h, w)
        Correlation in a small window and the share of it that both images show.
    look : Look
        Correlation in wide windows, and the motion's roughness.
    """

    level: Level
    field: np.ndarray
    precision: np.ndarray
    rho: np.ndarray
    mass: np.ndarray
    look: Look


def solve(
    pre: np.ndarray, post: np.ndarray, seen_pre: np.ndarray, seen_post: np.ndarray, how: Settings
) -> Result:
    """Motion between two images of one size, float32, with masks of ones and zeros."""
    shape = pre.shape
    planes = [padded(plane, 2**LEVELS) for plane in (pre, post, seen_pre, seen_post)]
    levels = pyramid(planes[0], planes[1], planes[2], planes[3], how.contrast)
    field = calmed(levels[2], np.stack(start(levels, how.reach, how.search)), how.trust)
    field = coarse(levels[2], field, how)
    field = middle(levels[1], np.stack([double(plane) for plane in field]), how)
    solution, look = finest(levels[0], np.stack([double(plane) for plane in field]), how)
    rho, mass = correlation(levels[0], solution.field, how.carry.sigma)
    rows, columns = slice(shape[0]), slice(shape[1])
    level = Level(
        *(
            np.ascontiguousarray(plane[rows, columns])
            for plane in (levels[0].pre, levels[0].post, levels[0].seen_pre, levels[0].seen_post)
        )
    )
    cut = (slice(None), rows, columns)
    look = Look(*(plane[rows, columns] for plane in (look.likeness, look.rough, look.shown)))
    return Result(
        level, solution.field[cut], solution.precision[cut], rho[rows, columns], mass[rows, columns], look
    )


def padded(plane: np.ndarray, multiple: int) -> np.ndarray:
    """The plane with zeros below and at the right, to a size that is a multiple."""
    extra = [(0, -size % multiple) for size in plane.shape]
    return np.ascontiguousarray(np.pad(plane, extra), np.float32)


def coarse(level: Level, field: np.ndarray, how: Settings) -> np.ndarray:
    """Whole pixels of the search made finer."""
    soft = replace(how.refine, eps=how.soft[0])
    field = refined(level, field, replace(soft, rounds=3 * soft.rounds)).field
    field = carried(level, field, how.middle, how.carry, around=True)
    return refined(level, field, soft).field


def middle(level: Level, field: np.ndarray, how: Settings) -> np.ndarray:
    """Carry and refine once."""
    field = carried(level, field, (*how.middle, 8), how.carry, around=True)
    return refined(level, field, replace(how.refine, eps=how.soft[1])).field


def finest(level: Level, field: np.ndarray, how: Settings) -> tuple[Solution, Look]:
    """Carry and refine until the traces are sharp; what is not recognised follows what is."""
    soft = replace(how.refine, eps=how.soft[2])
    field = carried(level, field, how.fine, how.carry, around=how.around)
    field = refined(level, field, soft).field
    if how.again:
        field = carried(level, field, how.again, how.carry)
    found = zoned(level, field, how.zone)
    held = None if found is None else (found.field, found.weight)
    solution = refined(level, field if found is None else found.field, how.refine, held)
    solution = relieved(level, solution, how.refine, held)
    sure = None if found is None else found.weight > how.fill.sure
    solution.field, look = filled(level, solution.field, how.fill, sure)
    return solution, look
