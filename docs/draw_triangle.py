"""Draw `docs/images/triangle.png`: the order of a triangle's vertices, its normal, strike and dip.

python docs/draw_triangle.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from draw_geometry import AXIS, FAULT, QUIET, SLIP, arrow
from matplotlib.patches import Arc

# east, north, up; counterclockwise from above, dipping to the east
VERTICES = np.array([[0.0, 0.0, -6.0], [18.0, 6.0, -24.0], [2.0, 26.0, -8.0]])


def frame(vertices):
    """Strike, dip and normal vectors, as `dislok.tde.frame` has them."""
    normal = np.cross(vertices[1] - vertices[0], vertices[2] - vertices[0])
    normal = normal / np.linalg.norm(normal)
    strike = np.cross([0.0, 0.0, 1.0], normal)
    strike = strike / np.linalg.norm(strike)
    return strike, np.cross(normal, strike), normal


def label(ax, points):
    middle = points.mean(axis=0)
    for k, point in enumerate(points):
        outwards = (point - middle) / np.linalg.norm(point - middle)
        ax.plot(*point, "o", color=AXIS, ms=6)
        ax.text(*(point + 2.0 * outwards), f"P{k + 1}", ha="center", va="center", weight="bold")


def towards_reader(ax, place, up=True):
    """The sign of an arrow out of the paper, or into it."""
    ax.plot(*place, "o", ms=13, mfc="white", mec=SLIP, mew=1.6)
    ax.plot(*place, "o" if up else "x", ms=4 if up else 8, color=SLIP, mew=1.6)


def draw_map(ax):
    strike, dip, _ = frame(VERTICES)
    flat = VERTICES[:, :2]
    ax.fill(*flat.T, color=FAULT, zorder=0)
    ax.plot(*flat[[0, 1, 2, 0]].T, color=AXIS, lw=1.5)
    label(ax, flat)
    middle = flat.mean(axis=0)
    ax.add_patch(Arc(middle, 8, 8, theta1=200, theta2=480, color=QUIET, lw=1.2))
    end = middle + 4 * np.array([np.cos(np.radians(480)), np.sin(np.radians(480))])
    arrow(ax, end + [0.3, 0.2], end + [-0.9, -0.5], "", color=QUIET)
    towards_reader(ax, middle)
    ax.text(14.5, -2.0, "normal,\ntowards you", color=SLIP, ha="center", va="center")
    start = np.array([-6.0, 5.0])
    arrow(ax, start, start + 11 * strike[:2], "strike", (0, 9))
    arrow(ax, start, start + 11 * dip[:2], "dip", (-12, 0))
    arrow(ax, (14, 18), (22, 17), "the triangle dips to\nthe right of strike", (16, 18), QUIET)
    arrow(ax, (-16, 20), (-16, 27), "north", (0, 8), QUIET)
    arrow(ax, (-16, 20), (-9, 20), "east", (16, 0), QUIET)
    ax.set(title="From above: counterclockwise", xlim=(-20, 34), ylim=(-6, 33), aspect="equal")


def draw_section(ax):
    slope = np.radians(45.0)
    down = np.array([np.cos(slope), -np.sin(slope)])
    normal = np.array([np.sin(slope), np.cos(slope)])
    top = np.array([0.0, -5.0])
    ax.axhline(0, color="#5d8a4a", lw=2)
    ax.fill_between([-14, 32], 0, -30, color="#f5f1ea", zorder=-1)
    ax.plot(*np.array([top, top + 30 * down]).T, color=AXIS, lw=3)
    place = top + 7 * down
    arrow(ax, place, place + 6 * normal, "normal", (18, 2), SLIP)
    place = top + 15 * down + 1.2 * normal
    arrow(ax, place + 3 * down, place - 4 * down, "dip slip > 0", (40, 6), SLIP)
    place = top + 15 * down - 1.2 * normal
    arrow(ax, place - 4 * down, place + 3 * down, "", color=SLIP)
    for sign in (1.0, -1.0):
        place = top + 24 * down + 0.6 * sign * normal
        arrow(ax, place, place + 4.5 * sign * normal, "opening > 0" if sign > 0 else "", (30, 6), SLIP)
    place = np.array([-8.0, -18.0])
    towards_reader(ax, place, up=False)
    ax.text(place[0], place[1] - 3, "strike,\naway from you", color=SLIP, ha="center", va="top")
    ax.text(31, 1, "ground, z = 0", ha="right", va="bottom", color="#5d8a4a")
    ax.set(title="Section: the side of the normal moves", xlim=(-14, 32), ylim=(-30, 6), aspect="equal")


def draw_level(ax):
    shape = np.array([[0.0, 0.0], [12.0, 2.0], [3.0, 11.0]])
    for shift, order, strike, words in (
        (0.0, [0, 1, 2], 1.0, "counterclockwise:\nnormal up,\nstrike north"),
        (26.0, [0, 2, 1], -1.0, "clockwise:\nnormal down,\nstrike south"),
    ):
        points = (shape + [shift, 6.0])[order]
        ax.fill(*points.T, color=FAULT, zorder=0)
        ax.plot(*points[[0, 1, 2, 0]].T, color=AXIS, lw=1.5)
        label(ax, points)
        middle = points.mean(axis=0)
        towards_reader(ax, middle, strike > 0)
        tail = np.array([shift - 5.0, 11.5 - 4 * strike])
        arrow(ax, tail, tail + [0, 8 * strike], "strike", (0, 9 * strike))
        ax.text(middle[0] + 1, 0.0, words, ha="center", va="top")
    ax.set(title="Level triangles, from above", xlim=(-9, 44), ylim=(-11, 25), aspect="equal")


def main():
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    for draw, ax in zip((draw_map, draw_section, draw_level), axes, strict=True):
        draw(ax)
        ax.set_axis_off()
        ax.set_anchor("N")
    figure.savefig(Path(__file__).parent / "images" / "triangle.png", dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
