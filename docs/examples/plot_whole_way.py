"""
Two images, a displacement map, a fault and its slip
====================================================

The usual way in two steps, with honest errors at each: the matching engine measures how every pixel has
moved and states an error; cells of a quadtree carry that to the inversion, each predicted by the mean of the
displacement over it. From files the same is ``dislok flow``, ``dislok fault`` and ``dislok slip``.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok import images
from dislok.inversion import plot
from dislok.inversion.fault import FaultModel, Problem
from dislok.inversion.mesh import Grid
from dislok.inversion.slip import PixelOffsets, SlipModel, SlipProblem
from dislok.inversion.slip import plot as slip_plot
from dislok.nn.match import match
from dislok.okada import Rectangle, displacement

# %%
# The images
# ----------
# Rough ground with pixels of ten metres. A buried fault, 1.6 km long, moves it by less than a pixel;
# the image before is the ground after it, warped back, and both have noise.

N, PIXEL = 448, 10.0
TRUTH = Rectangle(-0.1, 0.1, 0.4, 1.6, 1.0, 20.0, 70.0, 15.0, 80.0).with_origin("topcenter")

rng = np.random.default_rng(4)
axis = (np.arange(N) - (N - 1) / 2) * PIXEL / 1000
east, north = np.meshgrid(axis, -axis)  # row 0 lies in the north
moved = displacement(np.column_stack([east.ravel(), north.ravel()]), TRUTH).reshape(N, N, 3) / PIXEL

frequency = np.hypot(np.fft.fftfreq(N)[:, None], np.fft.rfftfreq(N))
frequency[0, 0] = 1.0
waves = np.fft.rfft2(rng.standard_normal((N, N))) / frequency**1.4
ground = np.fft.irfft2(waves * np.exp(-((frequency / 0.42) ** 8)), s=(N, N))
ground = (ground - ground.mean()) / ground.std()
before, known = images.warp(ground, moved[..., 0], -moved[..., 1])
before = np.where(known, before, 0.0)
pre, post = (plane + 0.04 * rng.standard_normal((N, N)) for plane in (before, ground))

# %%
# The map
# -------

found = match(pre, post)
error = (found.values - moved[..., :2])[found.valid]
print(f"largest motion {np.linalg.norm(moved[..., :2], axis=-1).max():.2f} px")
print(f"error of the map {error.std():.3f} px, stated {np.median(found.error[found.valid]):.3f} px")
figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
axes[0].imshow(pre, cmap="gray")
axes[0].set_title("ground before")
for ax, values, title in (
    (axes[1], moved, "true motion northwards (px)"),
    (axes[2], found.values, "measured"),
):
    shown = ax.imshow(values[..., 1], cmap="RdBu_r", vmin=-0.8, vmax=0.8)
    ax.set_title(title)
figure.colorbar(shown, ax=axes[2], shrink=0.8)
for ax in axes:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# The fault
# ---------
# Some four hundred cells stand for two hundred thousand pixels, with the full covariance of their errors.
# Then nine unknowns from wide bounds, and their uncertainty.

data = PixelOffsets.from_map(found, pixel=PIXEL, largest=32)
guess = Rectangle(0.0, 0.0, 0.3, 1.0, 1.0, 0.0, 80.0).with_origin("topcenter")
bounds = {
    "x": (-1.5, 1.5), "y": (-1.5, 1.5), "depth": (0, 1), "length": (0.3, 4), "width": (0.2, 3),
    "strike": (-60, 90), "dip": (30, 90),
}  # fmt: skip
result = Problem(data, FaultModel(guess, bounds=bounds), length_unit=1000).solve(starts=2)
print(result.summary())
truth = np.array([getattr(TRUTH, name) for name in result.names])
off = result.values - truth
print(f"\nchi-square of the truth {off @ np.linalg.solve(result.covariance, off):.1f}; 95 % lie below 16.9")
plot.offsets(result)
plt.show()

# %%

plot.marginals(result, reference=dict(zip(result.names, truth, strict=True)))
plt.show()

# %%
# Its slip
# --------
# On the plane that was found, in patches of two hundred metres.

plane = Rectangle(*result.parameters[0]).with_origin("topcenter")
grid = Grid(plane, 8, 5)
data = PixelOffsets.from_map(found, pixel=PIXEL, largest=32, near=grid.outlines)
slip = SlipProblem(data, SlipModel(grid, order=1, edges="free"), length_unit=1000).solve("abic")
print(slip.summary())
slip_plot.slip_section(slip, title="Slip; 80 m everywhere is true")
plt.show()
