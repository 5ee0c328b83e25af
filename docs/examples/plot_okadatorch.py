"""
Moving from OkadaTorch
======================

Programs written for OkadaTorch run on dislok's kernels when their import line changes. This example makes
such a call, checks it against `dislok.okada`, and shows what the same work looks like there.
"""

import matplotlib.pyplot as plt
import torch

from dislok import okada
from dislok.okadatorch import OkadaWrapper

torch.set_default_dtype(torch.float64)

# %%
# As written for OkadaTorch
# -------------------------
# Dictionaries of tensors go in, lists of tensors come out.

axis = torch.linspace(-30.0, 30.0, 121)
y, x = torch.meshgrid(axis, axis, indexing="ij")
coords = {"x": x, "y": y}
params = {
    "x_fault": torch.tensor(0.0),
    "y_fault": torch.tensor(0.0),
    "depth": torch.tensor(4.0),
    "length": torch.tensor(20.0),
    "width": torch.tensor(12.0),
    "strike": torch.tensor(30.0),
    "dip": torch.tensor(90.0),
    "rake": torch.tensor(0.0),
    "slip": torch.tensor(1.5),
}
wrapper = OkadaWrapper()
ux, uy, uz = wrapper.compute(coords, params, compute_strain=False)
dx_ddip, dy_ddip, dz_ddip = wrapper.gradient(coords, params, "dip", compute_strain=False)

# %%
# The same, with dislok's own names
# ---------------------------------
# One source, one array of observers; the Jacobian holds the derivatives with respect to every parameter at
# once.

obs = torch.stack([x.ravel(), y.ravel()], dim=-1)
fault = okada.Rectangle(0.0, 0.0, 4.0, 20.0, 12.0, strike=30.0, dip=90.0, rake=0.0, slip=1.5)
u = okada.displacement(obs, fault)
jacobian = okada.jacobian(obs, fault)

old = torch.stack([ux, uy, uz], dim=-1).reshape(-1, 3)
print("largest difference of the displacements:", float((u - old).abs().max()))
by_dip = jacobian[:, :, 0, fault._fields.index("dip")]
old_by_dip = torch.stack([dx_ddip, dy_ddip, dz_ddip], dim=-1).reshape(-1, 3)
print("largest difference of the derivatives:  ", float((by_dip - old_by_dip).abs().max()))

# %%
# This fault is vertical and its rake is zero. The derivative with respect to dip is not zero there: tilting a
# strike-slip fault lifts the ground at one of its ends and lowers it at the other.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.3), sharey=True, layout="constrained")
for ax, values, title, unit in [
    (axes[0], uy, "north", "m"),
    (axes[1], 1e3 * dz_ddip, "up with respect to dip", "mm per degree"),
]:
    limit = float(values.abs().max())
    mesh = ax.pcolormesh(x, y, values, cmap="RdBu_r", vmin=-limit, vmax=limit)
    figure.colorbar(mesh, ax=ax, label=unit)
    ax.plot([0, 10], [0, 20 * 3**0.5 / 2], color="k", lw=2.5)
    ax.set(title=title, xlabel="east (km)", aspect="equal")
axes[0].set_ylabel("north (km)")
plt.show()

# %%
# Optimisers
# ----------
# Parameters that ask for derivatives get them, in both interfaces. A few steps of Adam towards a fault that
# slipped along another rake:

target = okada.displacement(obs, fault._replace(rake=40.0))
rake = torch.tensor(0.0, requires_grad=True)
optimizer = torch.optim.Adam([rake], lr=2.0)
for _ in range(60):
    optimizer.zero_grad()
    loss = (okada.displacement(obs, fault._replace(rake=rake)) - target).square().sum()
    loss.backward()
    optimizer.step()
print(f"rake after 60 steps: {rake.item():.2f}°, it was 40°")
