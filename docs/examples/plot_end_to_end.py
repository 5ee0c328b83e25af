"""
From two images straight to the fault
=====================================

The usual way from two images to a fault has two steps: measure how each pixel has moved, then find the fault
whose displacement fits. Every link of the chain *fault → triangles → displacement → image warped back* is
differentiable here, so the misfit of the images themselves can be made small, with nothing in between. Its
uncertainty comes from the noise of the pixels, not from a guess about the errors of a displacement map.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from dislok import images, tde
from dislok.nn.match import match
from dislok.nn.pairs import Terrain

torch.set_default_dtype(torch.float64)

# %%
# A small, shallow fault, so that a small image holds it: 1.2 km long, 6 m of slip, seen with pixels of 10 m.
# Seven numbers describe it; its upper edge is 60 m deep.

NAMES = ("east (px)", "north (px)", "strike (°)", "dip (°)", "length (px)", "width (px)", "slip (px)")
TRUTH = torch.tensor([6.0, -4.0, 35.0, 70.0, 120.0, 50.0, 0.6])
START = torch.tensor([12.0, 2.0, 45.0, 80.0, 90.0, 35.0, 0.3])
TOP, SIZE, NOISE = 6.0, 160, 0.03

axis = torch.arange(SIZE) - (SIZE - 1) / 2
north, east = torch.meshgrid(-axis, axis, indexing="ij")  # row 0 lies in the north
ground = torch.stack((east.ravel(), north.ravel()), 1)


def triangles(fault):
    """Two triangles that make the rectangle, (2, 3, 3)."""
    x, y, strike, dip, length, width = fault[:6]
    strike, dip = torch.deg2rad(strike), torch.deg2rad(dip)
    zero = torch.zeros(())
    along = torch.stack((torch.sin(strike), torch.cos(strike), zero)) * length / 2
    across = torch.stack(
        (torch.cos(strike) * torch.cos(dip), -torch.sin(strike) * torch.cos(dip), -torch.sin(dip))
    )
    middle = torch.stack((x, y, torch.tensor(-TOP)))
    a, b = middle - along, middle + along
    return torch.stack(
        (torch.stack((a, b, b + width * across)), torch.stack((a, b + width * across, a + width * across)))
    )


def displacement(fault):
    """How far each pixel moves to the right and down (pixels), (2, h, w)."""
    slip = torch.stack((fault[6], torch.zeros(()), torch.zeros(())))
    moved = tde.displacement(ground, triangles(fault), slip)
    return torch.stack((moved[:, 0], -moved[:, 1])).reshape(2, SIZE, SIZE)


# %%
# Procedural ground after the earthquake, the same ground before it, and noise in both.

rng = np.random.default_rng(11)
texture = Terrain().draw(rng, (SIZE, SIZE)).albedo
texture = torch.tensor((texture - texture.mean()) / texture.std(), dtype=torch.float64)
right, down = displacement(TRUTH)
pre, known = images.warp(texture, right, down)
pre, post = (plane + NOISE * torch.tensor(rng.standard_normal((SIZE, SIZE))) for plane in (pre, texture))
inside = known.clone()
inside[:8], inside[-8:], inside[:, :8], inside[:, -8:] = False, False, False, False


def misfit(fault):
    """Difference of the images once the one after is warped back by a fault."""
    back, _ = images.warp(post, *displacement(fault))
    return (back - pre)[inside]


# %%
# Gauss-Newton steps, damped while they do not lead downhill. The Jacobian goes through warp and triangles in
# one forward-mode pass for each parameter.


def fitted(residual, fault, steps=25):
    """The least-squares fault, its standard deviations, and the residual on the way."""
    damping, history = 1e-2, []
    for _ in range(steps):
        r, J = residual(fault), torch.func.jacfwd(residual)(fault)
        history.append(r.square().mean().sqrt().item())
        normal = J.T @ J
        while damping < 1e6:
            step = torch.linalg.solve(normal + damping * torch.diag(normal.diagonal()), -J.T @ r)
            trial = fault + step
            if (trial[4:6] > 0).all() and residual(trial).square().sum() < r.square().sum():
                fault, damping = trial, damping / 5
                break
            damping *= 4
        else:
            break
        if (step / fault).abs().max() < 1e-6:
            break
    covariance = torch.linalg.inv(normal) * residual(fault).square().mean()
    return fault, covariance.diagonal().sqrt(), history


direct, deviation, history = fitted(misfit, START)

# %%
# The two-step way: a displacement map by the matching engine, then the fault that fits it best. Its errors
# are correlated from pixel to pixel, which its formal deviations do not know.

measured = match(pre.numpy(), post.numpy())
usable = torch.tensor(measured.valid) & inside
field = torch.tensor(np.stack((measured.right, measured.down)), dtype=torch.float64)


def map_misfit(fault):
    """Difference between the displacement of a fault and the map."""
    return (displacement(fault) - field)[:, usable].ravel()


two_step, formal, _ = fitted(map_misfit, START)

print(f"{'':12s} {'truth':>8s} {'start':>8s}   from the images      from the map")
for i, name in enumerate(NAMES):
    print(
        f"{name:12s} {TRUTH[i]:8.2f} {START[i]:8.2f}   "
        f"{direct[i]:8.3f} ± {deviation[i]:.3f}   {two_step[i]:8.3f} ± {formal[i]:.3f}"
    )

# %%
# The ground, the true motion along strike, and how far off each way is.

scale = displacement(TRUTH).abs().max()
figure, axes = plt.subplots(1, 4, figsize=(13, 3.4), layout="constrained")
axes[0].imshow(pre, cmap="gray")
axes[0].set_title("ground before")
shown = axes[1].imshow(displacement(TRUTH)[1], cmap="RdBu_r", vmin=-scale, vmax=scale)
axes[1].set_title("true motion southwards (px)")
figure.colorbar(shown, ax=axes[1], shrink=0.8)
errors = {
    "map of the engine": field[1] - displacement(TRUTH)[1],
    "fault from the images": displacement(direct)[1] - displacement(TRUTH)[1],
}
for ax, (title, error) in zip(axes[2:], errors.items(), strict=True):
    shown = ax.imshow(error, cmap="RdBu_r", vmin=-0.1, vmax=0.1)
    ax.set_title(f"error: {title} (px)", fontsize=9)
figure.colorbar(shown, ax=axes[3], shrink=0.8)
for ax in axes:
    ax.set_xticks([])
    ax.set_yticks([])
plt.show()
