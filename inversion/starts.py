"""Searches from several places: where they begin, and which of their ends the data do not rule out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import qmc

from dislok.arrays import HostArray as Array


def spread(
    value: Callable[[Array], float],
    names: Sequence[str],
    lower: Array,
    upper: Array,
    count: int,
    screen: int,
    seed: int,
) -> list[Array]:
    """The `count` best of ``screen * count`` points that fill the bounds evenly and have a finite value.

    Free strikes and rakes go round by themselves; a ValueError names what else has no finite bounds.
    """
    if count == 0:
        return []
    low, high = lower.copy(), upper.copy()
    for i, name in enumerate(names):
        if name.split("_")[0] in ("strike", "rake") and not np.isfinite([low[i], high[i]]).any():
            low[i], high[i] = 0.0, 360.0
        if not np.isfinite([low[i], high[i]]).all():
            raise ValueError(f"{name} has no finite bounds, from which {count + 1} starts could be drawn")
    number = int(np.ceil(np.log2(max(count * screen, 2))))
    points = low + qmc.Sobol(len(low), seed=seed).random_base2(number) * (high - low)
    values = np.array([value(point) for point in points])
    order = np.argsort(values, kind="stable")[: int(min(count, np.isfinite(values).sum()))]
    return [points[i] for i in order]


def rivals_of(starts: Array, names: tuple[str, ...], sigma: Array, inflation: float) -> Array:
    """Minima besides the best that the data do not rule out.

    Parameters
    ----------
    starts : (s, p + 1)
        Misfit and unknowns where every search ended.
    names : of the unknowns; strikes and rakes differ the short way round.
    sigma : (p,)
        Standard deviations at the best; ends within two of them of a better end are the same minimum.
    inflation : float
        What the errors of the data are multiplied with.

    Returns
    -------
    ndarray, shape (r, p + 1)
        Those whose chi-square, under these errors, is less than 25 more than the best's: how much, and the
        unknowns.
    """
    ends = starts[np.argsort(starts[:, 0], kind="stable")]
    periods = np.array([360.0 if name.split("_")[0] in ("strike", "rake") else np.inf for name in names])
    scale = np.where(sigma > 0, np.nan_to_num(sigma, nan=np.inf), np.inf)
    seen, found = [ends[0, 1:]], []
    for more, point in zip(2 * (ends[:, 0] - ends[0, 0]) / inflation**2, ends[:, 1:], strict=True):
        apart = [point - one for one in seen]
        apart = [np.where(np.isfinite(periods), gap - 360 * np.round(gap / 360), gap) for gap in apart]
        if more < 25 and min(np.abs(gap / scale).max() for gap in apart) > 2:
            seen.append(point)
            found.append([more, *point])
    return np.array(found).reshape(-1, len(names) + 1)


def rival_lines(rivals: Array, names: tuple[str, ...]) -> list[str]:
    """Rivals as lines of text."""
    lines = []
    for more, *point in rivals.tolist():
        words = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, point, strict=True))
        lines.append(f"NOT unique: chi-square is only {more:.1f} more at {words}")
    return lines
