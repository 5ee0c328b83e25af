"""Displacement of random earthquakes on the pixels of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .displacement import Displacement, of_metres
from .distributions import Distribution, Fixed, Uniform
from .fields import Shape

MOST = 8  # traces that can be told apart in a window


def of_earthquake(
    earthquake: Any,
    spacing: float,
    shape: Shape,
    margin: int = 56,
    *,
    centre: tuple[float, float] = (0.0, 0.0),
    **options: Any,
) -> Displacement:
    """How an earthquake moves the pixels of an image.

    Parameters
    ----------
    earthquake : Earthquake
        Of `dislok.nn.faultdeform`.
    spacing : float
        Metres of a pixel.
    shape : tuple of int
        Rows and columns of the window.
    margin : int, optional
        Pixels around it; more than the ground moves.
    centre : tuple of float, optional
        East and north of the window's middle in km.
    **options
        Of `Earthquake.on_grid`.

    Returns
    -------
    Displacement
        In pixels: metres over spacing.

    Raises
    ------
    ValueError
        If more than eight of its traces cross the window.
    """
    return seen(earthquake, spacing, shape, margin, centre=centre, **options)[0]


def seen(
    earthquake: Any,
    spacing: float,
    shape: Shape,
    margin: int = 56,
    *,
    centre: tuple[float, float] = (0.0, 0.0),
    **options: Any,
) -> tuple[Displacement, np.ndarray]:
    """What `of_earthquake` gives, and the vertical motion in m in the window (h, w), float32."""
    h, w = shape[0] + 2 * margin, shape[1] + 2 * margin
    step = spacing / 1e3
    x = centre[0] + step * (np.arange(w) - (w - 1) / 2)
    y = centre[1] - step * (np.arange(h) - (h - 1) / 2)
    moved = earthquake.on_grid(x, y, **options)
    lines = [np.column_stack([line[:, 0] - x[0], y[0] - line[:, 1]]) / step for line in earthquake.trace]
    traces = tuple(line for line in lines if _crosses(line, (h, w)))
    if len(traces) > MOST:
        raise ValueError(f"{len(traces)} traces cross the window; {MOST} can be told apart")
    numbers = {"kind": "earthquake", "centre": list(centre), "magnitude": earthquake.magnitude}
    numbers["up"] = float(np.abs(moved[..., 2]).max() / spacing)
    found = of_metres(moved[..., 0], moved[..., 1], spacing, traces=traces, margin=margin, numbers=numbers)
    return found, np.ascontiguousarray(found.inner(moved[..., 2]), np.float32)


def _crosses(line: np.ndarray, shape: Shape) -> bool:
    """Whether a line's points come near a grid."""
    low, high = line.min(0), line.max(0)
    return bool((high >= 0).all() and low[0] < shape[1] and low[1] < shape[0])


@dataclass(frozen=True)
class Earthquakes:
    """Random earthquakes as the source of displacement of a `Scenario`.

    Attributes
    ----------
    recipe : object or None
        `dislok.nn.faultdeform.Recipe`; None takes its default.
    spacing : Distribution
        Metres of a pixel.
    place : Distribution
        Where along the rupture the window lies, 0 ... 1; the window's middle is within a third of it beside
        the trace.
    tolerance : float
        Largest error over the largest displacement.
    """

    recipe: Any = None
    spacing: Distribution = Fixed(15.0)
    place: Distribution = Uniform(0.0, 1.0)
    tolerance: float = 1e-3

    def draw(self, rng: np.random.Generator, shape: Shape, margin: int = 56) -> Displacement:
        """An earthquake in a window of `shape` pixels, with the amplitude that it has."""
        from dislok.nn.faultdeform import draw

        earthquake, spacing = draw(rng, self.recipe), self.spacing.draw(rng)
        lines = earthquake.trace or [earthquake.points[:, :2]]
        line = lines[int(rng.integers(len(lines)))]
        middle = line[min(int(self.place.draw(rng) * len(line)), len(line) - 1)]
        off = rng.uniform(-1 / 3, 1 / 3, 2) * np.array(shape[::-1]) * spacing / 1e3
        centre = (float(middle[0] + off[0]), float(middle[1] + off[1]))
        return of_earthquake(earthquake, spacing, shape, margin, centre=centre, tolerance=self.tolerance)
