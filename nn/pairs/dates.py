"""Windows of two dates of one scene that can be used, as ground with a real second date.

The second date is resampled by the polynomial of the alignment together with the displacement, in one
interpolation, so that the truth needs no correction; what the polynomial does not explain,
`Alignment.spread`, is the error of the labels, and windows in which it is large are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dislok.raster import Raster, common

from .alignment import AlignedPart, Alignment, align
from .textures import Shape, Texture, of_image


@dataclass(frozen=True)
class DateWindow:
    """A window of two dates that can be used: both as textures, and their alignment."""

    first: Texture
    second: Texture
    alignment: Alignment
    corner: Shape


@dataclass(frozen=True)
class Dated:
    """A square of ground at two dates; `in_truth` as of `TwoDates`."""

    first: Texture
    second: Texture
    alignment: AlignedPart
    in_truth: bool


@dataclass(frozen=True)
class TwoDates:
    """Ground with a real second date, for scenarios: squares that are cut from windows of two dates.

    Attributes
    ----------
    windows : sequence of DateWindow
        What `windows` found to be usable: ``tuple(windows(raster.read(a), raster.read(b)))``, of as many
        scenes as one likes.
    in_truth : bool
        How the dates lie on one another beyond whole pixels stays in the images and is added to the truth,
        so that the second date is resampled by the displacement alone, as in the published data set. By
        default it is taken out of the images, in the same interpolation, and the truth is that of the
        ground.
    """

    windows: Sequence[DateWindow]
    in_truth: bool = False

    def __post_init__(self) -> None:
        """Check that there is one."""
        if not self.windows:
            raise ValueError("there is no window of two dates that can be used")

    def draw(self, rng: np.random.Generator, shape: Shape) -> Dated:
        """A square of so many pixels.

        Raises
        ------
        ValueError
            If no window is as large.
        """
        fit = [w for w in self.windows if min(w.first.shape) >= max(shape)]
        if not fit or shape[0] != shape[1]:
            largest = max(min(w.first.shape) for w in self.windows)
            raise ValueError(f"a square of {shape} pixels was asked for; windows have {largest} at most")
        window = fit[int(rng.integers(len(fit)))]
        top, left = (int(rng.integers(a - b + 1)) for a, b in zip(window.first.shape, shape, strict=True))
        first, second = (texture.window(top, left, shape) for texture in (window.first, window.second))
        return Dated(first, second, window.alignment.part(top, left, shape[0]), self.in_truth)


def windows(
    pre: Raster,
    post: Raster,
    size: int = 1024,
    *,
    step: int | None = None,
    correlation: float = 0.9,
    spread: float = 0.1,
    order: int = 1,
    empty: float = 0.0,
) -> Iterator[DateWindow]:
    """Windows of two dates of one scene that can be used.

    Parameters
    ----------
    pre, post : Raster
        On grids that fit on one another; the area in common is cut into windows.
    size, step : int, optional
        Pixels of a window, and from one to the next; by default windows do not overlap.
    correlation : float, optional
        Least correlation of both dates after alignment.
    spread : float, optional
        Largest `Alignment.spread` in pixels.
    order : int, optional
        Of the alignment.
    empty : float, optional
        Largest part of the pixels that hold nothing.

    Raises
    ------
    ValueError
        If the rasters do not go together, or their common area is smaller than a window.
    """
    first, second = common(pre, post)
    if min(first.shape) < size:
        raise ValueError(
            f"{first.name} and {second.name} have {first.shape} pixels in common, less than {size}"
        )
    step = size if step is None else step
    for top in range(0, first.shape[0] - size + 1, step):
        for left in range(0, first.shape[1] - size + 1, step):
            parts = [raster.window(top, left, (size, size)) for raster in (first, second)]
            known = parts[0].valid & parts[1].valid
            if 1 - known.mean() > empty or any(np.ptp(p.values[known]) == 0 for p in parts):
                continue
            try:
                found = align(parts[0].values, parts[1].values, valid=known, order=order)
            except ValueError:  # nothing to hold on to in this window
                continue
            if found.correlation >= correlation and found.spread <= spread:
                one, two = (of_image(p.values, valid=known, kind=p.name) for p in parts)
                yield DateWindow(one, two, found, (top, left))
