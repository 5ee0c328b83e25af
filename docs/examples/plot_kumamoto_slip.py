"""
The slip of the 2016 Kumamoto earthquake
========================================

Where on the fault did the ground slip on 15 April 2016, and how much of that do the GNSS stations know? The
fault is the plane of the National Research Institute for Earth Science and Disaster Resilience (NIED): strike
224 and dip 65 degrees through the place where the rupture began, 32.7557 N, 130.7616 E, 13.58 km deep. From
strong-motion records on a curved fault, Kubo et al. (2016, Earth Planets Space 68:161) found a largest slip
of 3.8 m and a moment of 5.5e19 N m, Mw 7.1; NIED's moment tensor has 4.4e19 N m, Mw 7.0.
"""

import matplotlib.pyplot as plt
import numpy as np

from dislok.convert import double_couple
from dislok.inversion.mesh.plot import patch_3d
from dislok.inversion.slip import SlipModel, SlipProblem, plot
from dislok.inversion.slip.demo import kumamoto_data, kumamoto_fault

# %%
# The offsets and the fault
# -------------------------
# Stations within 100 km, in kilometres around the epicentre. A twentieth of each offset is added to its error
# for what an elastic half-space is not. The upper edge of the fault lies where the plane through the
# hypocentre meets the ground; `dislok.inversion.mesh.trace_mesh` fills it with triangles, and would do so for
# a curved trace and a listric profile too.

data = kumamoto_data()
fault = kumamoto_fault(patch=2.5)
print(f"{len(data.xy)} stations")
print(fault)

# %%
# The slip
# --------
# Rakes within 45 degrees of -160: right-lateral, with the northern side going down. Slip may reach the ground
# and fades at the other edges. Akaike's Bayesian criterion says how smooth it is. ``dislok demo slip`` does
# the same.

problem = SlipProblem(data, SlipModel(fault, rake=-160.0, spread=45.0), length_unit=1000)
chosen = problem.choose("abic")
plot.choice(chosen)
plt.show()

# %%

result = problem.solve(chosen)
print(result.summary())
plot.slip_section(result, title=f"Kumamoto 2016: Mw {result.magnitude:.2f}")
plt.show()

# %%
# The moment is a third below that from the strong motion and nearer to that of the moment tensor; where the
# slip is large and how large agree. The sum of all patches as one moment tensor:

whole = double_couple(result.moment_tensor)
for plane in range(2):
    print(f"strike {whole.strike[plane]:.0f}, dip {whole.dip[plane]:.0f}, rake {whole.rake[plane]:.0f}")
print("NIED's moment tensor: 226, 84, -142 and 131, 53, -7")

# %%
# Measured and predicted offsets, and the fault in space, seen from the south-east.

plot.fit_map(result, radius=50)
plt.show()

# %%

patch_3d(fault, np.linalg.norm(result.slip[0], axis=1), label="slip (m)", unit="km", view=(30.0, -40.0))
plt.show()

# %%
# How well is it known?
# ---------------------
# The diagonal of the resolution says how much of a patch's own slip comes back: a third next to the nearest
# station, a few hundredths elsewhere. Fourteen numbers in all are determined by the data; a single triangle's
# slip is mostly that of its surroundings.

plot.slip_section(result, what="restoration")
plt.show()
