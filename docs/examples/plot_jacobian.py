"""
What each parameter of a fault does to the ground
=================================================

The Jacobian says how the displacement changes with each of the ten numbers that describe a rectangle. It is
exact, and comes from the same pass as the displacement. An inversion steps along it; here it is drawn.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok import okada

fault = okada.Rectangle(
    x=0.0, y=0.0, depth=8.0, length=20.0, width=12.0, strike=60.0, dip=50.0, rake=110.0, slip=1.0
)
axis = np.linspace(-20.0, 20.0, 151)
east, north = np.meshgrid(axis, axis)
ground = np.column_stack([east.ravel(), north.ravel()])

# %%
# The last axis of the Jacobian follows the fields of the source, so that names can be zipped with columns.

jacobian = okada.jacobian(ground, fault, origin="center")
print(jacobian.shape)
up = dict(zip(fault._fields, jacobian[:, 2, 0, :].T, strict=True))

strike, dip = np.radians([fault.strike, fault.dip])
along = fault.length / 2 * np.array([np.sin(strike), np.cos(strike)])
across = fault.width / 2 * np.cos(dip) * np.array([np.cos(strike), -np.sin(strike)])
corners = np.array([-along - across, along - across, along + across, across - along])

units = {"strike": "mm/°", "dip": "mm/°", "rake": "mm/°", "slip": "mm/m", "opening": "mm/m"}
figure, axes = plt.subplots(2, 5, figsize=(13, 5.4), sharex=True, sharey=True, layout="constrained")
for ax, (name, values) in zip(axes.flat, up.items(), strict=True):
    limit = 1e3 * np.abs(values).max()
    mesh = ax.pcolormesh(
        east, north, 1e3 * values.reshape(east.shape), cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    ax.plot(*corners[[1, 2, 3, 0]].T, color="k", lw=0.8, ls="--")
    ax.plot(*corners[:2].T, color="k", lw=1.8)
    ax.set(title=name, aspect="equal")
    figure.colorbar(mesh, ax=ax, label=units.get(name, "mm/km"), shrink=0.8)
figure.supxlabel("east (km)")
figure.supylabel("north (km)")
figure.suptitle("Vertical displacement with respect to each parameter")
plt.show()

# %%
# What a network can tell apart
# -----------------------------
# Two parameters whose columns are nearly parallel cannot be told apart by these observers. Here width and
# slip pull the same way, and so do length and slip: a network knows their product, the moment, better than
# each of them. Dip trades with the position across strike; strike and rake stand apart.

geometry = [name for name in fault._fields if name != "opening"]
columns = np.stack([jacobian[:, :, 0, i].ravel() for i in range(len(geometry))])
columns /= np.linalg.norm(columns, axis=1, keepdims=True)
correlation = columns @ columns.T

figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
image = ax.imshow(correlation, cmap="RdBu_r", vmin=-1, vmax=1)
ax.set_xticks(range(len(geometry)), geometry, rotation=45, ha="right")
ax.set_yticks(range(len(geometry)), geometry)
figure.colorbar(image, ax=ax, label="cosine of the angle between columns")
plt.show()

# %%
# The curvature
# -------------
# `dislok.okada.hessian` holds all second derivatives, also the mixed ones: how the effect of dip changes
# with depth.

hessian = okada.hessian(ground, fault, origin="center")
i, j = fault._fields.index("dip"), fault._fields.index("depth")
mixed = 1e3 * hessian[:, 2, 0, i, j].reshape(east.shape)

figure, ax = plt.subplots(figsize=(6, 4.8), layout="constrained")
limit = np.abs(mixed).max()
mesh = ax.pcolormesh(east, north, mixed, cmap="RdBu_r", vmin=-limit, vmax=limit)
ax.plot(*corners[[1, 2, 3, 0]].T, color="k", lw=0.8, ls="--")
ax.plot(*corners[:2].T, color="k", lw=1.8)
ax.set(xlabel="east (km)", ylabel="north (km)", aspect="equal", title="Up with respect to dip and depth")
figure.colorbar(mesh, ax=ax, label="mm per degree and km")
plt.show()
