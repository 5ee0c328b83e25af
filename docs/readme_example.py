import numpy as np

from dislok import okada

# A reverse fault: kilometres for places and sizes, metres for slip, degrees for angles.
fault = okada.Rectangle(x=0, y=0, depth=2, length=40, width=20, strike=30, dip=40, rake=90, slip=3)
east, north = np.meshgrid(np.linspace(-25, 50, 201), np.linspace(-20, 55, 201))
obs = np.column_stack([east.ravel(), north.ravel()])

u = okada.displacement(obs, fault)  # (n, 3): east, north, up, in metres
strain = okada.strain(obs, fault)  # (n, 6): xx, yy, zz, xy, xz, yz, in metres per kilometre
jacobian = okada.jacobian(obs, fault)  # (n, 3, 1, 10): exact, by x, y, depth, length, ..., opening
