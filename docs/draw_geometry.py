"""Draw `docs/images/geometry.png`: what the ten numbers of a rectangular source mean.

python docs/draw_geometry.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Arc

FAULT, SLIP, AXIS, QUIET = "#c6dbef", "#c0392b", "#333333", "#8a8a8a"
LENGTH, WIDTH, DEPTH, STRIKE, DIP, RAKE = 40.0, 22.0, 6.0, 35.0, 55.0, 60.0


def directions(strike, dip):
    """Unit vectors (east, north, up) along strike, down dip, and horizontally towards the side it dips to."""
    s, d = np.radians([strike, dip])
    along = np.array([np.sin(s), np.cos(s), 0.0])
    across = np.array([np.cos(s), -np.sin(s), 0.0])
    return along, across * np.cos(d) - np.array([0, 0, 1]) * np.sin(d), across


def arrow(ax, tail, head, text, offset=(0, 0), color=AXIS, **style):
    ax.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.6, **style})
    ax.annotate(text, head, offset, textcoords="offset points", color=color, ha="center", va="center")


def draw_map(ax):
    along, down, across = directions(STRIKE, DIP)
    corners = np.array([0 * along, LENGTH * along, LENGTH * along + WIDTH * down, WIDTH * down])[:, :2]
    ax.fill(*corners.T, color=FAULT, zorder=0)
    ax.plot(*corners[[1, 2, 3, 0]].T, color=QUIET, lw=1)
    ax.plot(*corners[:2].T, color=AXIS, lw=3, solid_capstyle="butt")
    ax.plot([0, 0], [0, 24], color=QUIET, lw=1, ls="--")
    ax.add_patch(Arc((0, 0), 30, 30, theta1=90 - STRIKE, theta2=90, color=AXIS, lw=1.2))
    ax.text(4.6, 17, "strike", ha="center", va="center")
    ax.plot(0, 0, "o", color=AXIS, ms=7)
    ax.text(-1.5, -1.5, "(x, y)\norigin “topleft”", ha="right", va="top")
    middle = (LENGTH * along + WIDTH * down)[:2] / 2
    ax.plot(*middle, "o", color=AXIS, ms=5, mfc="white")
    ax.text(middle[0] + 1.2, middle[1] - 1.2, "“center”", va="top")
    ax.text(
        *((0.62 * LENGTH * along - 3.0 * across)[:2]),
        "length",
        rotation=90 - STRIKE,
        ha="center",
        va="center",
    )
    start = (LENGTH * along + 0.5 * WIDTH * down)[:2] + 1.5 * along[:2]
    arrow(ax, start, start + 9 * across[:2], "dips to the\nright of strike", (44, -10))
    arrow(ax, (-20, 26), (-20, 34), "y, north", (0, 8), QUIET)
    arrow(ax, (-20, 26), (-12, 26), "x, east", (22, 0), QUIET)
    ax.set(title="From above", xlim=(-26, 50), ylim=(-10, 40), aspect="equal")


def draw_section(ax):
    dip = np.radians(DIP)
    top = np.array([0.0, -DEPTH])
    bottom = top + WIDTH * np.array([np.cos(dip), -np.sin(dip)])
    ax.axhline(0, color="#5d8a4a", lw=2)
    ax.fill_between([-14, 30], 0, -32, color="#f5f1ea", zorder=-1)
    ax.plot(*np.array([top, bottom]).T, color=AXIS, lw=3)
    ax.plot(*top, "o", color=AXIS, ms=7)
    arrow(ax, (0, 0), top, "", color=AXIS, shrinkA=0, shrinkB=4)
    ax.text(-1, -DEPTH / 2, "depth", ha="right", va="center")
    ax.plot([0, 14], [-DEPTH, -DEPTH], color=QUIET, lw=1, ls="--")
    ax.add_patch(Arc(top, 14, 14, theta1=-DIP, theta2=0, color=AXIS, lw=1.2))
    ax.text(8.7, -DEPTH - 4, "dip", va="center", ha="center")
    middle = (top + bottom) / 2
    ax.text(middle[0] - 2.2, middle[1] - 1.5, "width", rotation=-DIP, ha="center", va="center")
    normal = np.array([np.sin(dip), np.cos(dip)])
    for side, sign in ((normal, 1), (-normal, -1)):
        tail = middle + 0.22 * (bottom - top) + 0.3 * side
        arrow(ax, tail, tail + 4.5 * side, "opening" if sign > 0 else "", (24, 6), SLIP)
    arrow(ax, (-10, -28), (-10, -21), "z, up", (0, 8), QUIET)
    ax.text(29, 1, "ground, z = 0", ha="right", va="bottom", color="#5d8a4a")
    ax.set(title="Section across strike", xlim=(-14, 30), ylim=(-32, 6), aspect="equal")


def draw_plane(ax):
    ax.fill([0, LENGTH, LENGTH, 0], [0, 0, -WIDTH, -WIDTH], color=FAULT, zorder=0)
    ax.plot([0, LENGTH], [0, 0], color=AXIS, lw=3, solid_capstyle="butt")
    ax.plot(0, 0, "o", color=AXIS, ms=7)
    center = np.array([LENGTH / 2 - 2, -WIDTH / 2 - 3])
    rake = np.radians(RAKE)
    ax.plot([center[0], center[0] + 14], [center[1]] * 2, color=QUIET, lw=1, ls="--")
    head = center + 13 * np.array([np.cos(rake), np.sin(rake)])
    arrow(ax, center, head, "slip", (12, 2), SLIP)
    ax.add_patch(Arc(center, 11, 11, theta1=0, theta2=RAKE, color=AXIS, lw=1.2))
    ax.text(center[0] + 8.5, center[1] + 3.6, "rake", ha="center", va="center")
    arrow(ax, (0, 3.5), (LENGTH, 3.5), "along strike", (-52, 8), AXIS)
    arrow(ax, (-3.5, 0), (-3.5, -WIDTH), "down\ndip", (-16, 50), AXIS)
    ax.set(title="On the fault: how the hanging wall moves", xlim=(-13, 45), ylim=(-26, 9), aspect="equal")


def main():
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), width_ratios=[1.15, 1, 1.15], layout="constrained")
    for draw, ax in zip((draw_map, draw_section, draw_plane), axes, strict=True):
        draw(ax)
        ax.set_axis_off()
        ax.set_anchor("N")
    figure.savefig(Path(__file__).parent / "images" / "geometry.png", dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
