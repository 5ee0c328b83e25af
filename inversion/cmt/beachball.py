"""Beachballs: the first motions of a moment tensor on the lower half of the focal sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dislok import convert

from . import tensor as tensors
from .filters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#20252b"


def radiation(tensor: Array, grid: int = 201) -> tuple[Array, Array]:
    """Amplitude of P waves on the lower focal hemisphere, equal area, for tensors.

    Parameters
    ----------
    tensor : (n, 6)
        Elements ee, nn, uu, en, eu, nu.
    grid : int
        Points on a side.

    Returns
    -------
    axis : (grid,)
        East and north coordinates from -1 to 1.
    amplitude : (n, grid, grid)
        Rows go north, columns go east; NaN outside the ball.
    """
    axis = np.linspace(-1, 1, grid)
    east, north = np.meshgrid(axis, axis)
    radius2 = east**2 + north**2
    # Lambert's projection: radius √2 sin(θ/2) for a ray at θ from straight down.
    lift = np.sqrt(np.maximum(2 - radius2, 0.0))
    ray = np.stack([east * lift, north * lift, radius2 - 1], axis=-1)
    amplitude = np.einsum("xyi,nij,xyj->nxy", ray, tensors.matrix(tensor), ray)
    return axis, np.where(radius2 <= 1, amplitude, np.nan)


def draw(
    axes: Axes,
    tensor: Array,
    draws: Array | None = None,
    *,
    centre: tuple[float, float] = (0.0, 0.0),
    radius: float = 1.0,
    colour: str = "#d1495b",
    zorder: float = 5.0,
) -> None:
    """Draw a beachball, shaded by the share of the posterior that has a push there.

    Parameters
    ----------
    axes : matplotlib Axes
    tensor : (6,)
        The best tensor, whose nodal lines are drawn.
    draws : (n, 6), optional
        Tensors from the posterior; without them the best one alone is shaded.
    centre, radius : of the ball, in data coordinates.
    colour : of pushes.
    zorder : of the ball.
    """
    from matplotlib.colors import LinearSegmentedColormap

    shades: Any = LinearSegmentedColormap.from_list("pushes", ["white", colour])
    axis, best = radiation(tensor[None])
    share = np.mean(radiation(tensor[None] if draws is None else draws)[1] > 0, axis=0)
    x, y = centre[0] + radius * axis, centre[1] + radius * axis
    box = (x[0], x[-1], y[0], y[-1])
    picture = axes.imshow(
        share, extent=box, origin="lower", cmap=shades, vmin=0, vmax=1, zorder=zorder, aspect="auto"
    )
    circle = _circle(axes, centre, radius, zorder + 2)
    picture.set_clip_path(circle)
    if np.nanmin(best) < 0 < np.nanmax(best):
        # Explosions and implosions have no nodal lines.
        lines = axes.contour(
            x, y, np.nan_to_num(best[0]), levels=[0.0], colors=INK, linewidths=1.2, zorder=zorder + 1
        )
        lines.set_clip_path(circle)
    _draw_planes(axes, tensor, centre, radius, zorder + 1)


def _circle(axes: Axes, centre: tuple[float, float], radius: float, zorder: float) -> Any:
    from matplotlib.patches import Circle

    circle = Circle(centre, radius, fill=False, edgecolor=INK, lw=1.4, zorder=zorder)
    axes.add_patch(circle)
    return circle


def _draw_planes(
    axes: Axes, tensor: Array, centre: tuple[float, float], radius: float, zorder: float
) -> None:
    """The nodal planes of the nearest double couple, dashed, where they differ from the nodal lines."""
    matrix = tensors.matrix(tensor)
    values = np.linalg.eigvalsh(matrix)
    if not values[-1] - values[0] > 1e-9 * np.abs(values).max():
        return
    dc = convert.double_couple(matrix)
    if abs(float(dc.clvd)) < 0.02:
        return
    for strike, dip in zip(dc.strike, dc.dip, strict=True):
        x, y = plane_trace(float(strike), float(dip))
        axes.plot(
            centre[0] + radius * x, centre[1] + radius * y, color=INK, lw=0.7, ls=(0, (3, 2)), zorder=zorder
        )


def plane_trace(strike: float, dip: float, points: int = 90) -> tuple[Array, Array]:
    """East and north (points,) of a plane's cut with the lower focal hemisphere, equal area, radius one."""
    along = np.deg2rad(np.linspace(0, 180, points))
    s, d = np.deg2rad(strike), np.deg2rad(dip)
    level, down_dip = np.cos(along), np.sin(along)
    north = level * np.cos(s) - down_dip * np.cos(d) * np.sin(s)
    east = level * np.sin(s) + down_dip * np.cos(d) * np.cos(s)
    down = down_dip * np.sin(d)
    shrink = 1 / np.sqrt(1 + down)
    return east * shrink, north * shrink
