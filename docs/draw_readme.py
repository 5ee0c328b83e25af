"""Draw `docs/images/readme.png`: what the ten lines of the README compute.

python docs/draw_readme.py
"""

from pathlib import Path
from runpy import run_path

import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent


def outline(fault):
    """East and north of the four corners seen from above, the upper edge first."""
    strike, dip = np.radians([fault.strike, fault.dip])
    along = fault.length * np.array([np.sin(strike), np.cos(strike)])
    across = fault.width * np.cos(dip) * np.array([np.cos(strike), -np.sin(strike)])
    return np.array([0 * along, along, along + across, across]) + [fault.x, fault.y]


def panel(figure, ax, run, values, limit, title, unit, shape=(201, 201)):
    mesh = ax.pcolormesh(
        run["east"],
        run["north"],
        values.reshape(shape),
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        rasterized=True,
    )
    corners = outline(run["fault"])
    ax.plot(*corners[[1, 2, 3, 0]].T, color="#333333", lw=1, ls="--")
    ax.plot(*corners[:2].T, color="#333333", lw=2.2)
    ax.set(title=title, aspect="equal", xlabel="east (km)")
    figure.colorbar(mesh, ax=ax, label=unit, shrink=0.72, extend="both")


def main():
    run = run_path(str(HERE / "readme_example.py"))
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained", sharey=True)
    u, strain, jacobian = run["u"], run["strain"], run["jacobian"]
    panel(figure, axes[0], run, u[:, 2], 1.8, "displacement: up, arrows horizontal", "m")
    few = np.zeros((201, 201), dtype=bool)
    few[8::16, 8::16] = True
    keep = few.ravel()
    axes[0].quiver(
        run["obs"][keep, 0], run["obs"][keep, 1], u[keep, 0], u[keep, 1], scale=14, width=0.004, zorder=3
    )
    panel(figure, axes[1], run, strain[:, :3].sum(1) * 1e3, 60, "strain: change of volume", "10⁻⁶")
    panel(
        figure,
        axes[2],
        run,
        jacobian[:, 2, 0, 6] * 1e3,
        20,
        "jacobian: up with respect to dip",
        "mm per degree",
    )
    axes[0].set_ylabel("north (km)")
    figure.savefig(HERE / "images" / "readme.png", dpi=110)


if __name__ == "__main__":
    main()
