"""Draw `docs/images/faultdeform_gallery.png` and `docs/images/faultdeform_griddata.png`.

python docs/draw_faultdeform.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import griddata

from dislok.nn.faultdeform import PAPER, draw

IMAGES = Path(__file__).parent / "images"
PIXEL = 0.015


def gallery():
    """Horizontal motion of twenty earthquakes along their strike, and their traces."""
    figure, axes = plt.subplots(4, 5, figsize=(10, 8.6), layout="constrained")
    for seed, axis in enumerate(axes.flat):
        quake = draw(np.random.default_rng(100 + seed), triangles=8000)
        told = quake.metadata
        half = 0.65 * told["length"]
        x = np.linspace(-half, half, 200)
        strike = np.deg2rad(told["strike"])
        moved = quake.on_grid(x, x[::-1], tolerance=1e-3)[..., :2] @ [np.sin(strike), np.cos(strike)]
        top = np.abs(moved).max()
        extent = (-half, half, -half, half)
        axis.imshow(moved, cmap="RdBu_r", vmin=-top, vmax=top, extent=extent, interpolation="none")
        for line in quake.trace:
            axis.plot(*line.T, "k", lw=0.6)
        kind = told["mechanism"] + ("" if quake.trace else ", blind") + (", zone" if quake.zone_width else "")
        title = f"Mw {told['magnitude']:.1f}, {told['length']:.0f} km, dip {told['dip']:.0f}°\n{kind}, "
        title += f"±{top:.1f} m"
        axis.set_title(title, fontsize=7)
        axis.set(xticks=[], yticks=[])
    figure.savefig(IMAGES / "faultdeform_gallery.png", dpi=80)


def window(quake, size):
    """Axes of a square of pixels around the trace's middle."""
    line = quake.trace[0]
    middle = line[len(line) // 2]
    steps = PIXEL * (np.arange(size) - 0.5 * (size - 1))
    return middle[0] + steps, middle[1] - steps


def points_of(quake, x, y, finest):
    """Points that are `finest` pixels apart at the trace and farther apart away from it."""
    rng = np.random.default_rng(1)
    size, found, spacing, inner = PIXEL * len(x), [], finest * PIXEL, 0.0
    while True:
        outer = np.inf if spacing > size / 24 else 6.0 * spacing
        axis = np.arange(-0.55 * size, 0.55 * size, spacing)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) + [x.mean(), y.mean()]
        grid += spacing * rng.uniform(-0.3, 0.3, grid.shape)
        distance = np.abs(quake.distance(*grid.T))
        found.append(grid[(distance >= inner) & (distance < outer)])
        if np.isinf(outer):
            return np.concatenate(found)
        inner, spacing = outer, 2.0 * spacing


def griddata_errors():
    """What interpolating across the trace does to the step."""
    quake = draw(np.random.default_rng(3), **PAPER, length=(20.0, 22.0), triangles=8000)
    x, y = window(quake, 128)
    exact = quake.on_grid(x, y)
    top = np.linalg.norm(exact, axis=2).max()
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
    part = int(np.argmax([np.ptp(exact[..., c]) for c in (0, 1)]))
    axes[0].imshow(exact[..., part], cmap="RdBu_r", interpolation="none")
    axes[0].set_title("on the pixels: the step is a step", fontsize=8)
    for axis, finest in zip(axes[1:3], (1.0, 4.0), strict=True):
        points = points_of(quake, x, y, finest)
        blurred = griddata(points, quake.at(points), tuple(np.meshgrid(x, y)), "linear")
        wrong = np.linalg.norm(blurred - exact, axis=2) / top
        image = axis.imshow(wrong, cmap="magma", vmin=0, vmax=1, interpolation="none")
        axis.set_title(
            f"griddata, points {finest:g} px apart at the trace:\nerror over the largest motion", fontsize=8
        )
        distance = np.abs(quake.distance(x[None], y[:, None])) / PIXEL
        bins = np.arange(0.0, 24.5, 1.0)
        mean = [wrong[(distance >= a) & (distance < a + 1)].mean() for a in bins]
        largest = [wrong[(distance >= a) & (distance < a + 1)].max() for a in bins]
        (curve,) = axes[3].semilogy(bins + 0.5, mean, label=f"griddata, {finest:g} px: mean")
        axes[3].semilogy(bins + 0.5, largest, ":", color=curve.get_color(), label="largest")
    figure.colorbar(image, ax=axes[2])
    axes[3].axhline(1e-4, color="0.3", lw=0.8, ls="--", label="on_grid: at most")
    axes[3].set(xlabel="distance from the trace (px)", ylim=(1e-5, 3))
    axes[3].legend(fontsize=6)
    for axis in axes[:3]:
        axis.set(xticks=[], yticks=[])
    figure.savefig(IMAGES / "faultdeform_griddata.png", dpi=80)


if __name__ == "__main__":
    gallery()
    griddata_errors()
