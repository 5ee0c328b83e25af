"""
Strain, stress and where aftershocks are brought closer
=======================================================

An earthquake loads some of its neighbours and relieves others. The usual measure is the Coulomb stress on
planes of a given orientation: the shear stress in the direction of slip plus a friction coefficient times
the normal stress, tension positive. All of it follows from the stress at depth.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok import okada

# %%
# A strike-slip earthquake
# ------------------------
# Metres everywhere, so that strain has no unit and `dislok.okada.stress` comes out in the unit of ``mu``:
# pascal.

fault = okada.Rectangle(
    x=0.0, y=0.0, depth=8e3, length=24e3, width=12e3, strike=20.0, dip=90.0, rake=0.0, slip=1.0
)
axis = np.linspace(-40e3, 40e3, 241)
east, north = np.meshgrid(axis, axis)
at_depth = np.column_stack([east.ravel(), north.ravel(), np.full(east.size, -8e3)])

# %%
# Stress on a plane
# -----------------
# The six components xx, yy, zz, xy, xz, yz become a symmetric matrix; the traction on a plane is that
# matrix times the plane's normal.


def plane(strike, dip, rake):
    """Unit normal into the hanging wall, and the direction in which that slips: east, north, up."""
    s, d, r = np.radians([strike, dip, rake])
    along = np.array([np.sin(s), np.cos(s), 0.0])
    up_dip = np.array([-np.cos(s) * np.cos(d), np.sin(s) * np.cos(d), np.sin(d)])
    return np.cross(along, up_dip), np.cos(r) * along + np.sin(r) * up_dip


def coulomb(stress, strike, dip, rake, friction=0.4):
    """Coulomb stress on planes of one orientation; positive brings them closer to slip."""
    tensor = stress[:, [[0, 3, 4], [3, 1, 5], [4, 5, 2]]]
    normal, slip = plane(strike, dip, rake)
    traction = tensor @ normal
    return traction @ slip + friction * (traction @ normal)


stress = okada.stress(at_depth, fault, origin="center", mu=32e9)
parallel = coulomb(stress, strike=20.0, dip=90.0, rake=0.0)
reverse = coulomb(stress, strike=110.0, dip=45.0, rake=90.0)

# %%
# Planes like the one that slipped are loaded off its ends and relieved beside it; the pattern for reverse
# faults that strike across it is another.

along = 12.0 * np.array([np.sin(np.radians(20.0)), np.cos(np.radians(20.0))])
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), sharey=True, layout="constrained")
titles = ["on parallel left-lateral planes", "on reverse planes that strike 110°"]
for ax, values, title in zip(axes, [parallel, reverse], titles, strict=True):
    mesh = ax.pcolormesh(
        east / 1e3, north / 1e3, values.reshape(east.shape) / 1e5, cmap="RdBu_r", vmin=-3, vmax=3
    )
    ax.plot(*np.array([-along, along]).T, color="k", lw=2.5)
    ax.set(title=title, xlabel="east (km)", aspect="equal")
axes[0].set_ylabel("north (km)")
figure.colorbar(mesh, ax=axes, label="Coulomb stress (bar)", extend="both")
figure.suptitle("Coulomb stress at 8 km depth")
plt.show()

# %%
# A section
# ---------
# A thrust in section, below the ground: the strain of volume, from `dislok.okada.strain`. Inside the earth
# the observers have three coordinates, and ``z`` is negative.

thrust = okada.Rectangle(
    x=0.0, y=0.0, depth=6e3, length=30e3, width=12e3, strike=0.0, dip=30.0, rake=90.0, slip=1.0
)
across, height = np.meshgrid(np.linspace(-25e3, 25e3, 251), np.linspace(-20e3, 0.0, 101))
section = np.column_stack([across.ravel(), np.zeros(across.size), height.ravel()])
strain = okada.strain(section, thrust, origin="center").reshape(*across.shape, 6)

figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
volume = strain[..., :3].sum(-1) * 1e6
mesh = ax.pcolormesh(across / 1e3, height / 1e3, volume, cmap="RdBu_r", vmin=-30, vmax=30)
half = 6.0 * np.array([np.cos(np.radians(30.0)), -np.sin(np.radians(30.0))])
ax.plot(*np.array([[0, -6.0] - half, [0, -6.0] + half]).T, color="k", lw=2.5)
ax.set(xlabel="east (km)", ylabel="z (km)", aspect="equal", title="Change of volume around a thrust")
figure.colorbar(mesh, ax=ax, label="10⁻⁶, expansion positive", extend="both", shrink=0.8)
plt.show()
