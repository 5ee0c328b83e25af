"""
Slip from an interferogram
==========================

A hundred and fifty thousand pixels with correlated errors: a quadtree keeps what matters, and the errors of
its cells follow from the data. The interferogram is made here, on a
curved fault that slips where it is to be found.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle as Square

from dislok.convert import line_of_sight
from dislok.inversion.mesh import listric, trace_mesh
from dislok.inversion.quadtree import Noise, noise_model, quadtree
from dislok.inversion.slip import Los, SlipModel, SlipProblem, plot

# %%
# The interferogram
# -----------------
# A listric fault with a bent trace, a reverse slip of a metre and a half, a satellite that looks from the
# west. The atmosphere adds 8 mm that are correlated over 6 km, and a corner is lost under water.

rng = np.random.default_rng(8)
fault = trace_mesh([[-3.0, -14.0], [0.0, 0.0], [6.0, 12.0]], listric(12.0, (65.0, 35.0), top=1.0), patch=2.5)
centre = fault.centroids.mean(axis=0)
amount = 1.5 * np.exp(-np.sum((fault.centroids - centre) ** 2, axis=1) / 30.0)
truth = amount[:, None] * [0.3, 1.0, 0.0]

n, step = 400, 0.15
axis = (np.arange(n) - n / 2) * step
pixels = np.stack(np.meshgrid(axis, axis), axis=-1)
look = line_of_sight(incidence=38.0, heading=-12.0)
signal = (fault.apply(pixels.reshape(-1, 2), truth) @ look).reshape(n, n)


def atmosphere(noise):
    lag = np.minimum(np.arange(2 * n), 2 * n - np.arange(2 * n)) * step
    power = np.fft.fft2(noise.covariance(np.hypot(lag[:, None], lag))).real
    wave = rng.standard_normal((2 * n, 2 * n)) + 1j * rng.standard_normal((2 * n, 2 * n))
    return np.fft.fft2(np.sqrt(np.maximum(power, 0)) * wave)[:n, :n].real / (2 * n)


known = Noise(white=0.002, correlated=0.008, distance=6.0, lag=np.zeros(0), semivariance=np.zeros(0))
image = signal + atmosphere(known)
image[:90, 300:] = np.nan

# %%
# Its errors
# ----------
# Measured where the ground is at rest: pairs of pixels differ the more, the farther apart they are.

rest = np.hypot(pixels[..., 0] - 3, pixels[..., 1]) > 18
noise = noise_model(image, (step, step), rest=rest, farthest=20.0)
print(f"white {1000 * noise.white:.1f} mm")
print(f"correlated {1000 * noise.correlated:.1f} mm over {noise.distance:.1f} km")
figure, axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
axes.plot(noise.lag, 1e6 * noise.semivariance, "o", ms=4, color="#20252b", label="measured")
axes.plot(noise.lag, 1e6 * noise.variogram(noise.lag), color="#d1495b", label="model")
axes.set(xlabel="distance (km)", ylabel="semivariance (mm²)", ylim=(0, None))
axes.legend(frameon=False)
plt.show()

# %%
# The quadtree
# ------------
# Squares are divided until what varies inside them is below 15 mm.

cells = quadtree(image, 0.015, origin=(axis[0], axis[0]), spacing=(step, step), smallest=4, largest=64)
print(f"{len(cells.xy)} cells for {np.isfinite(image).sum()} pixels")
figure, axes = plt.subplots(figsize=(6.2, 5.4), layout="constrained")
half = step / 2
extent = (axis[0] - half, axis[-1] + half, axis[0] - half, axis[-1] + half)
shown = axes.imshow(image, origin="lower", extent=extent, cmap="RdBu_r", vmin=-0.6, vmax=0.6)
for row, column, size in zip(cells.row, cells.column, cells.size, strict=True):
    corner = (axis[column] - half, axis[row] - half)
    axes.add_patch(Square(corner, size * step, size * step, fill=False, lw=0.3, ec="#20252b"))
axes.set(xlabel="east (km)", ylabel="north (km)")
figure.colorbar(shown, label="towards the satellite (m)", shrink=0.85)
plt.show()

# %%
# The slip
# --------
# The covariance of the cells goes into the inversion, each cell is predicted by its mean, and a ramp is
# solved with the slip.

data = Los.from_cells(cells, look, noise, near=fault.outlines, nuisance="ramp")
problem = SlipProblem(data, SlipModel(fault, rake=90.0, spread=45.0), length_unit=1000)
result = problem.solve("abic")
print(result.summary())
print(f"true largest slip {amount.max():.2f} m, true Mw {fault.magnitude(truth, length_unit=1000):.2f}")
plot.slip_section(result)
plt.show()

# %%

plot.data_map(result)
plt.show()
