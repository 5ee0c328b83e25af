"""
Thousands of triangles, a million pixels
========================================

A curved fault of 2000 triangles with rough slip, the ground above it on a grid of 1200 by 1200 pixels, and an
inversion of 5000 observations for 6000 unknowns. A direct sum for the map would take three thousand million
pairs; interpolation where the field is smooth takes a few of a thousand. The Green's matrix is compressed.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import lsqr

from dislok import tde

rng = np.random.default_rng(7)
along, down = 50, 20
s, d = np.meshgrid(np.linspace(-40.0, 40.0, along + 1), np.linspace(0.0, 22.0, down + 1), indexing="ij")
dip = np.radians(45.0 + 15.0 * np.sin(s / 18.0))
points = np.stack([6.0 * np.sin(s / 14.0) + d * np.cos(dip), s, -0.3 - d * np.sin(dip)], axis=-1).reshape(
    -1, 3
)
corner = (np.arange(along)[:, None] * (down + 1) + np.arange(down)).ravel()
cells = np.concatenate(
    [
        np.stack([corner, corner + 1, corner + down + 1], axis=1),
        np.stack([corner + 1, corner + down + 2, corner + down + 1], axis=1),
    ]
)
middle = points[cells].mean(axis=1)

# %%
# The vertices run so that the normals point up: then strike is north, and slip up dip is reverse. It has
# asperities of several sizes.

patches = rng.uniform([-35.0, -16.0, 2.0], [35.0, -2.0, 8.0], (25, 3))
distance = np.hypot(middle[:, None, 1] - patches[:, 0], middle[:, None, 2] - patches[:, 1])
size = np.exp(-((distance / patches[:, 2]) ** 2)) @ rng.uniform(0.3, 1.2, 25)
slip = np.column_stack([0.4 * size, size, np.zeros(len(cells))])

# %%
# The map
# -------
# `dislok.tde.on_grid` keeps the tolerance: an error of less than 1e-4 of the largest displacement.

east, north = np.linspace(-70.0, 70.0, 1200), np.linspace(-75.0, 75.0, 1200)
u = tde.on_grid(east, north, (points, cells), slip, tolerance=1e-4)

# %%
# The matrix
# ----------
# `dislok.tde.operator` is a linear operator of SciPy. Here it is the matrix of a damped least-squares
# problem, which recovers slip from noisy displacements at 5000 places.

places = rng.uniform([-60.0, -65.0], [60.0, 65.0], (5000, 2))
matrix = tde.operator(places, (points, cells), tolerance=1e-4)
print(matrix.report)
data = matrix.apply(slip) + 0.005 * rng.standard_normal((5000, 3))
found = lsqr(matrix, data.ravel(), damp=0.05, iter_lim=200)[0].reshape(-1, 3)

figure, axes = plt.subplots(1, 4, figsize=(14, 4.6), layout="constrained")
for ax, values, title in zip(axes, np.moveaxis(u, -1, 0)[[0, 2]], ("east", "up"), strict=False):
    limit = np.abs(values).max()
    image = ax.imshow(
        values,
        origin="lower",
        extent=(east[0], east[-1], north[0], north[-1]),
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
    )
    ax.set(title=f"{title}, on the grid", xlabel="east (km)")
    figure.colorbar(image, ax=ax, label="m", shrink=0.7)
for ax, values, title in zip(axes[2:], (slip[:, 1], found[:, 1]), ("up-dip slip", "recovered"), strict=True):
    image = ax.tripcolor(*points[:, [0, 1]].T, cells, values, vmin=0, vmax=slip[:, 1].max(), cmap="magma_r")
    ax.set(title=title, aspect="equal", xlabel="east (km)", xlim=(-25, 45))
    figure.colorbar(image, ax=ax, label="m", shrink=0.7)
axes[0].set_ylabel("north (km)")
plt.show()
