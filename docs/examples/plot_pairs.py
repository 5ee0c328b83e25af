"""
Pairs of images with exact displacement
=======================================

Ground that nobody has seen, a fault through it, a second date with another sun and other plants: what a
network learns from. The truth is known on the grids of both images, and jumps from one pixel to the next.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok import images
from dislok.nn import pairs

# %%
# Four pairs
# ----------
# One of each range of amplitudes, on four kinds of ground. White is what is seen in one image alone.

kinds = (pairs.Terrain(), pairs.Dunes(), pairs.DeadLeaves(), pairs.Blend())
made = []
for number, (kind, limits) in enumerate(zip(kinds, pairs.RANGES, strict=True)):
    rng = np.random.default_rng(number)
    moved = pairs.amplitude_in(pairs.ScrewFault().draw(rng, (256, 256)), rng, limits)
    made.append(pairs.make_pair(kind.draw(rng, moved.right.shape), moved, rng))

figure, axes = plt.subplots(4, 4, figsize=(9, 9), layout="constrained")
for row, pair in zip(axes, made, strict=True):
    for ax, image in zip(row, (pair.pre, pair.post), strict=False):
        low, high = np.nanpercentile(image, (1, 99))
        ax.imshow(image, cmap="gray", vmin=low, vmax=high)
    flow = np.where(pair.valid[..., None], pair.flow_pre.values, np.nan)
    size = np.nanmax(np.abs(flow))
    for ax, part in zip(row[2:], np.moveaxis(flow, -1, 0), strict=True):
        picture = ax.imshow(part, cmap="RdBu_r", vmin=-size, vmax=size)
    figure.colorbar(picture, ax=row[3], label="px")
for ax, title in zip(axes[0], ("first date", "second date", "east", "north"), strict=True):
    ax.set_title(title)
for ax in axes.ravel():
    ax.set(xticks=[], yticks=[])

# %%
# The two grids
# -------------
# The same displacement on the grid of the first and of the second image: where the ground has moved by tens
# of pixels, they are different maps. Warped by the one that belongs to it, the second image is the first
# again, but for what has changed.

pair = made[3]
back = images.warp(pair.post, pair.flow_pre.right, pair.flow_pre.down)
both = pair.valid & pair.flow_post.valid
apart = np.linalg.norm(pair.flow_pre.values - pair.flow_post.values, axis=-1)
print(f"largest displacement {pair.meta['amplitude']:.1f} px")
print(f"the grids differ by up to {apart[both].max():.1f} px")
print(f"correlation of the first image with the second, warped back: {pair.correlation():.3f}")

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
axes[0].imshow(np.where(pair.valid, pair.pre, np.nan), cmap="gray")
axes[1].imshow(np.where(pair.valid & back.valid, back.values, np.nan), cmap="gray")
picture = axes[2].imshow(np.where(both, apart, np.nan), vmax=np.percentile(apart[both], 98))
figure.colorbar(picture, ax=axes[2], label="px")
for ax, title in zip(axes, ("first date", "second date, warped back", "grids apart"), strict=True):
    ax.set(title=title, xticks=[], yticks=[])
plt.show()
