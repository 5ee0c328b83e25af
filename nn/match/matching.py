"""`match` and `trace`: from two images to displacement with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..flow import FRAMES, FlowMap
from . import doubt
from .carrying import Carry, correlation
from .engine import Result, Settings, solve
from .filling import Fill, recognised
from .inputs import NoMatch, Pair, prepare
from .planes import halve, normalise
from .shift import moved, whole_shift

# Correlation that recognised ground has, the mean gradient of motion above which any two images correlate by
# chance, and the share of pixels that must pass both.
RECOGNISED = 0.4
ROUGH = 0.1
ENOUGH = 0.05


def match(
    pre: Any,
    post: Any,
    *,
    valid: Any = None,
    reference: str = "pre",
    both_ways: bool = False,
    settings: Settings | None = None,
) -> FlowMap:
    """Measure how far the ground has moved between two images.

    Every pixel tries the motion of others, near and far, and keeps the one under which a small window matches
    best; a refinement whose smoothness follows the noise then measures fractions of a pixel.

    Parameters
    ----------
    pre, post : array_like, shapes (h, w) and (h', w')
        One band each, any real type; NaN where nothing is known. Pixel [0, 0] of both shows the same place,
        up to the motion that is sought and one shift of the whole image, which is found by itself.
    valid : array_like of bool, or a pair of them, optional
        Pixels of `pre`, or of `pre` and of `post` (either may be None), that show the ground.
    reference : "pre" or "post"
        On which image's grid the result lives.
    both_ways : bool
        Also match the images the other way round, and call no pixel valid that is not led back to within a
        pixel of itself. Takes twice the time; values and errors stay what they are.
    settings : Settings, optional
        Other than the defaults, which serve all ranges and sensors.

    Returns
    -------
    FlowMap
        East and north displacement in pixels (row 0 is north) on the grid of the reference, its standard
        deviation, where it can be used, and the correlation of the images in small windows.

    Raises
    ------
    TypeError
        If an image lies on another device than the CPU, or holds no real numbers.
    ValueError
        If a shape does not fit.
    NoMatch
        If an image is empty or constant, or nothing in the one is recognised in the other: a ValueError whose
        message says why.

    Notes
    -----
    Some 200 bytes a pixel are held at the peak: 20 GB for 10 000 by 10 000 pixels. The range of motion is
    found from the whole image, which is therefore not cut; ``dislok flow`` maps larger images in tiles, with
    bounded memory, from and to disk.
    """
    if reference not in FRAMES:
        raise ValueError(f"reference must be one of {FRAMES}, not {reference!r}")
    backwards = reference == "post"
    if backwards:
        pre, post = post, pre
        valid = valid[::-1] if isinstance(valid, tuple | list) else (None, valid)
    pair, shape, _ = prepare(pre, post, valid)
    how = settings or Settings()
    result, shift = solved(pair, how)
    field = result.field + np.array(shift[::-1], np.float32)[:, None, None]
    sign = -1 if backwards else 1
    cut = slice(shape[0]), slice(shape[1])
    usable = doubt.usable(result, how.fill)
    if both_ways:
        usable &= doubt.leads_back(field, returning(pair, how))
    return FlowMap(
        values=np.stack([sign * field[0], -sign * field[1]], -1)[cut],
        error=doubt.deviation(result)[cut],
        valid=usable[cut],
        frame=reference,
        score=result.rho[cut],
    )


def returning(pair: Pair, settings: Settings) -> np.ndarray:
    """Motion (2, h, w) from the second image to the first."""
    result, shift = solved(Pair(pair.post, pair.pre, pair.seen_post, pair.seen_pre), settings)
    moved_by: np.ndarray = result.field + np.array(shift[::-1], np.float32)[:, None, None]
    return moved_by


def solved(pair: Pair, settings: Settings) -> tuple[Result, tuple[int, int]]:
    """The engine's result, and the shift (rows, columns) of the whole image that it does not hold."""
    shift = far_shift(pair, settings.reach)
    post, seen = moved(pair.post, *shift), moved(pair.seen_post, *shift)
    result = solve(pair.pre, post, pair.seen_pre, seen, settings)
    found_again(result, settings.fill)
    return result, shift


def far_shift(pair: Pair, reach: float) -> tuple[int, int]:
    """The shift of the whole image if it is too large for the search, else none."""
    pre, seen_pre = halve(*halve(pair.pre, pair.seen_pre))
    post, seen_post = halve(*halve(pair.post, pair.seen_post))
    images = [normalise(pre, seen_pre, 4.0), normalise(post, seen_post, 4.0)]
    small = Pair(pre, post, seen_pre, seen_post)
    down, right = whole_shift(*images)
    near = 4 * max(abs(down), abs(right)) <= reach / 2
    if near or peak(images, small, (down, right)) <= peak(images, small, (0, 0)):
        return 0, 0
    return 4 * down, 4 * right


def peak(images: list[np.ndarray], pair: Pair, shift: tuple[int, int]) -> float:
    """Correlation of the whole images after a shift; 0 where they hardly overlap."""
    both = pair.seen_pre * moved(pair.seen_post, *shift)
    count = both.sum()
    if count < 0.05 * pair.seen_pre.sum():
        return 0.0
    a, b = images[0] * both, moved(images[1], *shift) * both
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-30))


def found_again(result: Result, how: Fill) -> None:
    """Raise NoMatch where hardly anything of one image is found in the other."""
    look = result.look
    seen = look.shown
    if not seen.any():
        raise NoMatch("pre and post have no place in common that both show")
    smooth = look.rough < ROUGH
    if ((look.likeness > RECOGNISED) & smooth)[seen].mean() >= ENOUGH:
        return
    known = recognised(result.level, np.ascontiguousarray(result.field), look, how) & smooth
    if (share := float(known[seen].mean())) < ENOUGH:
        middle = float(np.median(look.likeness[seen]))
        raise NoMatch(
            "nothing of pre is recognised in post: in windows of any size, the correlation under a smooth "
            f"motion stands out from chance in {share:.1%} of the pixels, and its median in windows of "
            f"{how.window:g} px is {middle:.2f}; "
            "do the images show the same place, and is the motion within reach?"
        )


@dataclass(frozen=True)
class Trace:
    """What a network gets of two images: planes on the grid of `pre`, float32.

    Attributes
    ----------
    pre, post : ndarray, shape (h, w)
        Locally normalised images, `post` not moved (but for `shift`).
    field : ndarray, shape (2, h, w)
        Present motion towards higher columns and rows, px, without `shift`.
    error : ndarray, shape (2, h, w)
        Its standard deviation.
    cost : ndarray, shape (h, w)
        1 minus the correlation in a small window under `field`.
    hypotheses : ndarray, shape (k, 2, h, w)
        Other motions that neighbours have, best first.
    costs : ndarray, shape (k, h, w)
        Their costs.
    valid : ndarray, shape (h, w), bool
    shift : tuple of int
        Rows and columns by which all of `post` was moved before.
    """

    pre: np.ndarray
    post: np.ndarray
    field: np.ndarray
    error: np.ndarray
    cost: np.ndarray
    hypotheses: np.ndarray
    costs: np.ndarray
    valid: np.ndarray
    shift: tuple[int, int]


def trace(
    pre: Any, post: Any, *, valid: Any = None, count: int = 3, settings: Settings | None = None
) -> Trace:
    """Run the engine and give everything that it knows.

    Parameters
    ----------
    pre, post, valid, settings
        As for `match`.
    count : int
        Number of other hypotheses for each pixel.
    """
    how = settings or Settings()
    pair, shape, _ = prepare(pre, post, valid)
    result, shift = solved(pair, how)
    hypotheses, costs = others(result, how.carry, count)
    cut = slice(shape[0]), slice(shape[1])
    return Trace(
        pre=result.level.pre[cut],
        post=result.level.post[cut],
        field=result.field[(slice(None), *cut)],
        error=np.moveaxis(doubt.deviation(result), -1, 0)[(slice(None), *cut)],
        cost=1 - result.rho[cut],
        hypotheses=hypotheses[(slice(None), slice(None), *cut)],
        costs=costs[(slice(None), *cut)],
        valid=doubt.usable(result, how.fill)[cut],
        shift=shift,
    )


# Places whose motion is another hypothesis: far enough to lie across a trace, near enough to matter.
AWAY = tuple((dy * n, dx * n) for n in (4, 8, 16) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)))


def others(result: Result, how: Carry, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` motions of places around each pixel that match best, and their costs, best first."""
    tried, costs = [], []
    rim = max(max(abs(y), abs(x)) for y, x in AWAY)
    wide = np.pad(result.field, ((0, 0), (rim, rim), (rim, rim)), mode="edge")
    height, width = result.level.shape
    for dy, dx in AWAY:
        other = np.ascontiguousarray(wide[:, rim + dy : rim + dy + height, rim + dx : rim + dx + width])
        rho, mass = correlation(result.level, other, how.sigma)
        tried.append(other)
        costs.append(np.where(mass < 0.3, 1, 1 - rho))
    order = np.argsort(np.stack(costs), axis=0, kind="stable")[:count]
    chosen = np.take_along_axis(np.stack(tried), order[:, None], axis=0)
    return chosen, np.take_along_axis(np.stack(costs), order, axis=0).astype(np.float32)
