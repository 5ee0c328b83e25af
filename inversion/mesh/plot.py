"""Pictures of patches coloured by a value: from above, along strike, and in space.

Matplotlib is imported when a picture is drawn: ``pip install "dislok[plot]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from .patches import Patches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.figure import Figure


EDGE = "#8a8f98"
_PATCHES = {
    "patches": gates.instance(Patches, what="a Mesh or a Grid"),
    "label": gates.text(),
    "unit": gates.text(),
}


@gates.gate(**_PATCHES)
def patch_map(
    patches: Patches, values: ArrayLike, *, label: str = "", unit: str = "", **colours: Any
) -> Figure:
    """Patches from above, coloured by values (m,).

    Parameters
    ----------
    patches : Patches
        Mesh or grid.
    values : array_like, shape (m,)
        One value for each patch.
    label : str
        What the values are, with their unit.
    unit : str
        Unit of the coordinates.
    **colours
        ``cmap``, ``vmin``, ``vmax``.
    """
    figure, axes = figure_of((6.0, 5.4))
    drawn = draw_patches(axes, patches.outlines[..., :2], checked_values(patches, values), **colours)
    axes.set(xlabel=with_unit("east", unit), ylabel=with_unit("north", unit), aspect="equal")
    figure.colorbar(drawn, ax=axes, label=label, shrink=0.85)
    return figure


@gates.gate(**_PATCHES)
def patch_section(
    patches: Patches, values: ArrayLike, *, label: str = "", unit: str = "", **colours: Any
) -> Figure:
    """Patches seen from the hanging wall: distance along the mean strike, and depth.

    Parameters as of `patch_map`.
    """
    figure, axes = figure_of((8.0, 3.6))
    drawn = draw_patches(axes, section(patches), checked_values(patches, values), **colours)
    axes.set(xlabel=with_unit("distance along strike", unit), ylabel=with_unit("depth", unit), aspect="equal")
    axes.invert_yaxis()
    figure.colorbar(drawn, ax=axes, label=label, shrink=0.85)
    return figure


@gates.gate(**_PATCHES)
def patch_3d(
    patches: Patches,
    values: ArrayLike,
    *,
    label: str = "",
    unit: str = "",
    view: tuple[float, float] = (35.0, -60.0),
    **colours: Any,
) -> Figure:
    """Patches in space.

    Parameters
    ----------
    patches, values, label, unit
        As of `patch_map`.
    view : (float, float)
        Elevation and azimuth of the eye, degrees.
    **colours
        ``cmap``, ``vmin``, ``vmax``.
    """
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    figure, axes = figure_of((7.0, 5.6), subplot_kw={"projection": "3d"})
    low, high = patches.outlines.min(axis=(0, 1)), patches.outlines.max(axis=(0, 1))
    drawn = Poly3DCollection(list(patches.outlines), linewidths=0.15, edgecolors=EDGE)
    colour(drawn, checked_values(patches, values), **colours)
    axes.add_collection3d(drawn)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], max(high[2], 0.0)))
    axes.set_box_aspect(np.maximum(high - low, 0.15 * (high - low).max()))
    axes.set(xlabel=with_unit("east", unit), ylabel=with_unit("north", unit), zlabel=with_unit("up", unit))
    axes.view_init(*view)
    figure.colorbar(drawn, ax=axes, label=label, shrink=0.6, pad=0.1)
    return figure


def section(patches: Patches) -> Array:
    """Outlines (m, k, 2) along the mean strike and downwards; the least distance along strike is zero."""
    along = (patches.frame[:, 0] * patches.areas[:, None]).sum(axis=0)
    along /= np.linalg.norm(along)
    distance = patches.outlines @ along
    return np.stack([distance - distance.min(), -patches.outlines[..., 2]], axis=-1)


def draw_patches(axes: Axes, outlines: Array, values: Array, **colours: Any) -> Collection:
    """Draw outlines (m, k, 2) coloured by values (m,) and let the axes hold them."""
    from matplotlib.collections import PolyCollection

    drawn = PolyCollection(list(outlines), linewidths=0.15, edgecolors=EDGE)
    colour(drawn, values, **colours)
    axes.add_collection(drawn)
    axes.autoscale_view()
    return drawn


def colour(drawn: Collection, values: Array, cmap: str = "YlOrRd", **limits: float) -> None:
    """Give a collection its values and colours."""
    drawn.set_array(values)
    drawn.set_cmap(cmap)
    drawn.set_clim(limits.get("vmin", float(values.min())), limits.get("vmax", float(values.max())))


def checked_values(patches: Patches, values: ArrayLike) -> Array:
    """Values (m,), one for each patch."""
    array = np.asarray(values, dtype=float)
    if array.shape != (patches.size,):
        raise ValueError(f"values: expected shape ({patches.size},), got {array.shape}")
    return array


def with_unit(what: str, unit: str) -> str:
    """A label with its unit in brackets."""
    return f"{what} ({unit})" if unit else what


def figure_of(
    size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A figure with its axes."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "dislok[plot]"') from error
    return plt.subplots(rows, columns, figsize=size, layout="constrained", **options)
