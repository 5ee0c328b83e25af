"""
A fault from GNSS offsets
=========================

Thirty stations moved when a fault slipped. Which fault was it, and how well do the stations know? The data
are made here, with noise, from a fault that is then to be found.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok import okada
from dislok.inversion.fault import FaultModel, Gnss, Problem

# %%
# The data
# --------
# Kilometres, metres, degrees; x, y and depth are the middle of the upper edge. Horizontal offsets are known
# to 4 mm, vertical ones to 10 mm.

rng = np.random.default_rng(3)
truth = okada.Rectangle(
    x=3.0, y=-2.0, depth=2.0, length=28.0, width=14.0, strike=35.0, dip=55.0, rake=150.0, slip=1.6
).with_origin("topcenter")
stations = rng.uniform(-45.0, 45.0, (30, 2))
sigma = np.array([0.004, 0.004, 0.010])
offsets = okada.displacement(stations, truth) + sigma * rng.standard_normal((30, 3))

# %%
# The question
# ------------
# The first guess is far off. Bounds keep the search among faults that make sense; what has no bounds is
# free. The guess says which of its points x, y and depth mean, and so do all results.

guess = okada.Rectangle(
    x=0.0, y=0.0, depth=5.0, length=20.0, width=10.0, strike=0.0, dip=45.0, rake=180.0, slip=1.0
).with_origin("topcenter")
fault = FaultModel(
    guess,
    bounds={
        "x": (-30.0, 30.0),
        "y": (-30.0, 30.0),
        "depth": (0.0, 15.0),
        "length": (2.0, 80.0),
        "width": (2.0, 30.0),
    },
)
problem = Problem(Gnss(stations, offsets, sigma), fault, length_unit=1000.0)

# %%
# The answer
# ----------
# Eight searches begin at the guess and at random places; each steps along the exact Jacobian. The
# uncertainty follows from the exact second derivatives at the best point.

result = problem.solve(starts=8, seed=0)
print(result.summary())

# %%
# Beside the truth, in units of the stated uncertainty:

known = np.array([getattr(truth, name) for name in result.names])
for name, value, error, true in zip(result.names, result.values, result.sigma, known, strict=True):
    off = (value - true) / error
    print(f"{name:7s} {value:9.3f} ± {error:6.3f}   true {true:7.2f}   off by {off:+.1f} sigma")

# %%
# The pictures of a fit come with the package.

from dislok.inversion import plot  # noqa: E402

plot.fit_map(result)
plt.show()
