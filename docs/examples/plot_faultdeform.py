"""
A random earthquake on a rough fault
====================================

One seed makes one earthquake: a rough trace with two segments, slip that varies over the fault, and the
motion of the ground on the pixels of an image, exact up to the trace.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok.nn.faultdeform import draw

rng = np.random.default_rng(24)
earthquake = draw(
    rng, length=(25.0, 30.0), mechanism={"strike-slip": 1.0}, segments=(0.0, 1.0), blind=0.0, zone=0.0
)
told = earthquake.metadata
print(f"{earthquake}: {told['length']:.1f} km by {told['width']:.1f} km, dip {told['dip']:.0f}°")
print(f"moment {earthquake.moment:.3g} N m, by the law {told['law']}")

# %%
# Slip on the fault, seen from its side, on triangles that grow with depth.
strike = np.deg2rad(told["strike"])
along = earthquake.points[:, :2] @ [np.sin(strike), np.cos(strike)]
slip = np.linalg.norm(earthquake.slip, axis=1)
fig, ax = plt.subplots(figsize=(9, 3.5), layout="constrained")
image = ax.tripcolor(along, earthquake.points[:, 2], earthquake.cells, slip, cmap="magma_r")
ax.triplot(along, earthquake.points[:, 2], earthquake.cells, color="k", lw=0.1)
ax.set(xlabel="along strike (km)", ylabel="up (km)")
fig.colorbar(image, label="slip (m)")

# %%
# How the ground moves: all around, and on the pixels of 15 m where the trace passes.
far = np.linspace(-22.0, 22.0, 400)
line = earthquake.trace[0]
middle = line[len(line) // 2]
steps = 0.015 * (np.arange(64) - 31.5)
fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, x, y in zip(axes, (far, middle[0] + steps), (far[::-1], middle[1] - steps), strict=True):
    moved = earthquake.on_grid(x, y)[..., :2] @ [np.sin(strike), np.cos(strike)]
    top = np.abs(moved).max()
    extent = (x[0], x[-1], y[-1], y[0])
    image = ax.imshow(moved, cmap="RdBu_r", vmin=-top, vmax=top, extent=extent, interpolation="none")
    for trace in earthquake.trace:
        ax.plot(*trace.T, "k", lw=0.7)
    ax.set(xlim=extent[:2], ylim=extent[2:], xlabel="east (km)", ylabel="north (km)")
    fig.colorbar(image, ax=ax, label="motion along strike (m)", shrink=0.8)

# %%
# Half a pixel to either side of the trace the ground has moved apart by the slip of the triangle there.
pieces = 0.5 * (line[1:] + line[:-1])
steps = np.diff(line, axis=0)
right = np.stack([steps[:, 1], -steps[:, 0]], axis=1) / np.linalg.norm(steps, axis=1)[:, None]
jump = earthquake.at(pieces + 0.0075 * right) - earthquake.at(pieces - 0.0075 * right)
fig, ax = plt.subplots(figsize=(9, 3), layout="constrained")
place = pieces @ [np.sin(strike), np.cos(strike)]
ax.plot(
    place,
    np.linalg.norm(earthquake.trace_slip[0], axis=1),
    "k",
    lw=2,
    label="slip of the triangle at the trace",
)
ax.plot(place, np.linalg.norm(jump, axis=1), "r--", lw=1, label="step of the ground, ± half a pixel")
ax.set(xlabel="along strike (km)", ylabel="m")
ax.legend()
plt.show()
