"""
Seismograms in a layered crust
==============================

A strike-slip earthquake at 12 km depth in a crust of four layers: how does the ground move while the waves
pass, and where does it stay afterwards?
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from dislok import okada, propagator, stf

# %%
# Crust, source and stations
# --------------------------
# Layers are given from the top: kilometres, km/s and g/cm³; the last one goes on for ever. The source is a
# moment tensor (N m; x is east, y north, z up) whose moment is released by a triangle of 6 s. Stations stand
# along a line, every 5 km.

crust = propagator.LayeredModel(
    thickness=[2.0, 13.0, 17.0, np.inf],
    vp=[4.8, 6.0, 6.7, 7.8],
    vs=[2.7, 3.5, 3.9, 4.5],
    rho=[2.4, 2.7, 2.9, 3.3],
)
moment = 4e18 * np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
source = propagator.PointSource(x=0.0, y=0.0, depth=12.0, moment=moment)
distance = np.arange(5.0, 121.0, 5.0)
azimuth = np.radians(25.0)
stations = propagator.Stations(distance * np.cos(azimuth), distance * np.sin(azimuth))

# %%
# A record section
# ----------------
# The displacement begins at zero and ends at the static offset; nothing is taken off. North is the component
# along which the shear waves are strongest here. The records of all stations, with their derivatives with
# the six elements of the moment tensor and with the place and the time of the source, come from one call.

pulse = stf.Triangle(6.0)
made = propagator.kernels(crust, source, stations, dt=0.5, n=140, start=-10.0, stf=pulse, accuracy=1e-3)
begin = time.process_time()
made = propagator.kernels(crust, source, stations, dt=0.5, n=140, start=-10.0, stf=pulse, accuracy=1e-3)
spent = time.process_time() - begin
print(f"all kernels of {len(distance)} stations: {1e3 * spent:.0f} ms of CPU time, error {made.accuracy:.0e}")

figure, ax = plt.subplots(figsize=(7, 6), layout="constrained")
for r, record in zip(distance, made.seismogram[:, 1], strict=True):
    ax.plot(made.times, r + 4.0 * record / np.abs(record).max(), color="C0", lw=1)
for speed, name in ((6.0, "P"), (3.5, "S")):
    ax.plot(np.hypot(distance, 12.0) / speed, distance, color="0.4", lw=1, ls="--")
    ax.text(np.hypot(118.0, 12.0) / speed, 124.0, name, ha="center")
ax.set(xlabel="time (s)", ylabel="distance (km)", xlim=(-10.0, 60.0), ylim=(0.0, 130.0))
ax.set_title("Displacement north, each record to its own scale")
plt.show()

# %%
# From waves to the static offset
# -------------------------------
# `statics` is the limit of frequency zero, with a kernel of its own: the records settle there.

still = propagator.statics(crust, source, stations)
figure, axes = plt.subplots(1, 3, figsize=(8.5, 3), sharex=True, layout="constrained")
for ax, name, i in zip(axes, ("east", "north", "up"), range(3), strict=True):
    for station, color in ((2, "C0"), (5, "C1"), (9, "C2")):
        ax.plot(made.times, 1e3 * made.seismogram[station, i], color=color, label=f"{distance[station]:g} km")
        ax.axhline(1e3 * still[station, i], color=color, lw=1, ls=":")
    ax.set(title=name, xlabel="time (s)")
axes[0].set_ylabel("displacement (mm)")
axes[2].legend(title="distance")
plt.show()

# %%
# The same crust without layers
# -----------------------------
# In a homogeneous half-space the offset of a double couple is that of Okada's point source. `dislok.okada`
# computes it in closed form, here the propagator with integrals over wavenumber; they agree to many digits.
# Layers change the offset by tens of per cent.

vp, vs, rho = 6.0, 3.5, 2.7
uniform = propagator.LayeredModel([np.inf], [vp], [vs], [rho])
mu, nu = 1e9 * rho * vs**2, 0.5 * (vp**2 - 2.0 * vs**2) / (vp**2 - vs**2)
point = okada.Point(0.0, 0.0, 12e3, strike=0.0, dip=90.0, rake=0.0, potency=4e18 / mu)
ground = 1e3 * np.column_stack([stations.x, stations.y])
closed = okada.displacement(ground, point, nu=nu)
integrated = propagator.statics(uniform, source, stations, accuracy=1e-9)
worst = np.abs(integrated - closed).max() / np.abs(closed).max()
print(f"largest difference from Okada: {worst:.0e} of the largest offset")

figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(distance, 1e3 * closed[:, 1], color="k", label="half-space, Okada")
ax.plot(distance, 1e3 * integrated[:, 1], "o", color="C1", mfc="none", label="half-space, propagator")
ax.plot(distance, 1e3 * still[:, 1], ".-", color="C0", label="layers, propagator")
ax.set(xlabel="distance (km)", ylabel="static offset north (mm)")
ax.legend()
plt.show()
