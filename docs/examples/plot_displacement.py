"""
Displacement of the ground above a fault
========================================

A fault 30 km long dips 35° to the south-east. It slips 2.5 m, obliquely. How does the ground move, and how
does a profile across the fault change when the same slip happens deeper?
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok import okada

# %%
# The source
# ----------
# Places and sizes are in kilometres here, slip in metres, angles in degrees: lengths share any one unit,
# and the displacement comes out in the unit of slip. ``origin="topcenter"`` says that ``(x, y, depth)`` is
# the middle of the upper edge.

fault = okada.Rectangle(
    x=0.0, y=0.0, depth=1.5, length=30.0, width=16.0, strike=40.0, dip=35.0, rake=60.0, slip=2.5
)

# %%
# A map
# -----
# Observers of shape ``(n, 2)`` stand on the ground. The result has one row for each: east, north, up.

axis = np.linspace(-40.0, 40.0, 201)
east, north = np.meshgrid(axis, axis)
ground = np.column_stack([east.ravel(), north.ravel()])
u = okada.displacement(ground, fault, origin="topcenter").reshape(201, 201, 3)


def outline(fault):
    """Corners of the fault seen from above, beginning with the upper edge."""
    strike, dip = np.radians([fault.strike, fault.dip])
    along = fault.length / 2 * np.array([np.sin(strike), np.cos(strike)])
    across = fault.width * np.cos(dip) * np.array([np.cos(strike), -np.sin(strike)])
    return np.array([-along, along, along + across, across - along]) + [fault.x, fault.y]


figure, ax = plt.subplots(figsize=(7, 5.6), layout="constrained")
mesh = ax.pcolormesh(east, north, u[..., 2], cmap="RdBu_r", vmin=-1.2, vmax=1.2)
figure.colorbar(mesh, ax=ax, label="up (m)", extend="both")
few = np.s_[5::10, 5::10]
arrows = ax.quiver(east[few], north[few], u[..., 0][few], u[..., 1][few], scale=9, width=0.003)
ax.quiverkey(arrows, 0.12, 0.95, 0.5, "0.5 m", labelpos="E")
corners = outline(fault)
ax.plot(*corners[[1, 2, 3, 0]].T, color="k", lw=1, ls="--")
ax.plot(*corners[:2].T, color="k", lw=2.5)
ax.set(
    xlabel="east (km)", ylabel="north (km)", aspect="equal", title="The ground above an oblique reverse fault"
)
plt.show()

# %%
# A profile, and depth
# --------------------
# The fields of a source broadcast, and ``pairs=True`` pairs observer *i* with source *i* instead of
# summing. Below, one profile meets four faults: 351 observers times 4 depths are 1404 pairs, computed in
# one call.

along_profile = np.linspace(-30.0, 40.0, 351)
depths = np.array([0.0, 1.5, 5.0, 10.0])
across = np.array([np.cos(np.radians(40.0)), -np.sin(np.radians(40.0))])
observers = np.repeat(along_profile[:, None] * across, len(depths), axis=0)
faults = fault._replace(depth=np.tile(depths, len(along_profile)))
profile = okada.displacement(observers, faults, origin="topcenter", pairs=True)
profile = profile.reshape(len(along_profile), len(depths), 3)

figure, axes = plt.subplots(2, 1, figsize=(7, 5.4), sharex=True, layout="constrained")
for i, depth in enumerate(depths):
    axes[0].plot(along_profile, profile[:, i, :2] @ across, color=f"C{i}")
    axes[1].plot(along_profile, profile[:, i, 2], color=f"C{i}", label=f"{depth:g} km")
axes[0].set(ylabel="across strike (m)", title="A profile across faults whose upper edges lie at four depths")
axes[1].set(ylabel="up (m)", xlabel="distance from the upper edge, positive where the fault dips to (km)")
axes[1].legend(title="upper edge")
plt.show()

# %%
# Where the fault breaks the ground, the profile has a step. The observer exactly on the trace would be on
# an edge of the rectangle, where no value is right: there the result is NaN, and the line has a gap.
print(profile[np.argmin(abs(along_profile)), 0])
