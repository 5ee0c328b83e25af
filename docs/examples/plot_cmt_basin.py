"""
From how far away the source is found
=====================================

Noise-free records of table 3 of O'Toole et al. (2012), and searches that begin at wrong places and wrong
times. The plain iteration moves all unknowns by full steps. Variable projection with damping is steadier;
low frequencies first and the best of several times widen the basin; `search` looks everywhere within reach
before it settles.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok.inversion.cmt import Sources, gauss_newton, minimise, search
from dislok.inversion.cmt.demo import problem, synthetic, true_source

clean, truth = problem(synthetic(seed=None)), true_source()
methods = {
    "plain Gauss-Newton": lambda start: gauss_newton(clean, start, iterations=12),
    "damped, tensor solved for": lambda start: minimise(clean, start),
    "low frequencies first": lambda start: search(clean, start, reach=0.0),
    "every place within reach": lambda start: search(clean, start),
}

# %%
# Three directions for every distance and error of time; the depth is wrong by up to 12 km.

distances, late = [15.0, 30.0, 50.0, 70.0], [0.0, 12.0]
rng = np.random.default_rng(5)
share = {name: np.zeros((len(late), len(distances))) for name in methods}
for i, seconds in enumerate(late):
    for j, distance in enumerate(distances):
        for direction in rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3:
            start = Sources.at(
                truth.east + distance * np.cos(direction),
                truth.north + distance * np.sin(direction),
                truth.depth + rng.uniform(-12, 12),
                truth.time + seconds * rng.choice([-1, 1]),
            )
            for name, method in methods.items():
                share[name][i, j] += (method(start).state.misfit < 1e-3) / 3

# %%
# Share of the searches that end at the true source.

figure, axes = plt.subplots(1, 4, figsize=(14, 3.2), layout="constrained", sharey=True)
for panel, (name, table) in zip(axes, share.items(), strict=True):
    picture = panel.imshow(table, vmin=0, vmax=1, cmap="YlGnBu", origin="lower", aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        panel.text(
            j, i, f"{100 * value:.0f} %", ha="center", va="center", color="white" if value > 0.6 else "black"
        )
    panel.set_xticks(range(len(distances)), [f"{d:.0f}" for d in distances])
    panel.set_yticks(range(len(late)), [f"{t:.0f}" for t in late])
    panel.set(title=name, xlabel="distance of the start (km)")
axes[0].set_ylabel("error of its time (s)")
plt.show()
