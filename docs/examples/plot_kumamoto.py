"""
The fault of the 2016 Kumamoto earthquake
=========================================

On 15 April 2016 at 16:25 UTC an earthquake of magnitude 7 struck Kyushu, Japan. This is ``dislok demo``
step by step: offsets that dislok measured in real GNSS records, the fault that made them, and how well it
is known.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok.inversion import plot
from dislok.inversion.demo import PUBLISHED, kumamoto_problem
from dislok.inversion.events import kumamoto2016

# %%
# The offsets
# -----------
# The table ships with dislok. `dislok.inversion.gnss.static_offsets` measured it in 1 Hz displacement
# records of the Japanese network GEONET (Geospatial Information Authority of Japan; the records as
# published with Murray et al., 2023, and Ruhl et al., 2019): the median of two minutes before the
# earthquake, the median after the shaking, and an uncertainty that knows that such noise is correlated over
# minutes.

table = kumamoto2016()
print(f"{len(table.station)} stations; the largest offsets (m):")
for i in np.argsort(-np.linalg.norm(table.offset, axis=1))[:5]:
    (east, north, up), errors = table.offset[i], table.sigma[i].round(4)
    print(f"  {table.station[i]}  east {east:+.3f}  north {north:+.3f}  up {up:+.3f}  +- {errors}")

# %%
# The problem
# -----------
# One rectangle of uniform slip, nine unknowns, kilometres around the epicentre. The earthquake was not one
# rectangle: a tenth of each station's offset is added to its error, and the loss lets the worst stations
# go.

problem = kumamoto_problem()
print(problem.faults[0])

# %%
# The answer
# ----------
# Six searches; the rake and the slip are solved linearly inside each. A local minimum that a search may
# fall into shows in the list.

result = problem.solve(starts=6, seed=3, progress=print)
print()
print(result.summary())

# %%
# The National Research Institute for Earth Science and Disaster Resilience (NIED) publishes strike 224 and
# dip 65 degrees for its fault model, with Mw 7.0 to 7.1.

plot.fit_map(result, title=f"Kumamoto 2016: Mw {result.magnitude:.2f}")
plt.show()

# %%
# What is left over is largest next to the fault, where one plane of uniform slip is too simple.

plot.residuals(result)
plt.show()

# %%
# How well is it known?
# ---------------------
# The fault reaches the surface: its depth ends on its bound, and no normal curve describes that. The
# No-U-Turn sampler draws from the posterior itself. Few draws are enough for a picture.

samples = problem.sample(result, chains=4, draws=250, warmup=100, seed=3)
print(samples.summary())
plot.marginals(result, samples, reference=PUBLISHED)
plt.show()
