"""Offsets by numba-cuda in Numba's simulator and by the CPU: ``python simulate_public.py RESULTS``.

The environment must hold NUMBA_ENABLE_CUDASIM=1 before Numba is imported.
"""

import pickle
import sys
import warnings
from pathlib import Path

import host_cupy
import numpy as np

cupy = host_cupy.install()

from dislok import propagator  # noqa: E402


def main() -> None:
    """Compute two sources at one station."""
    warnings.simplefilter("ignore")  # of NumPy, where a selected formula divides by zero
    model = propagator.LayeredModel([9.0, np.inf], [6.0, 8.0], [3.46, 4.5], [2.7, 3.3])
    where = (np.array([0.0, 1.0]), np.array([0.5, 0.0]), np.array([12.0, 7.0]))
    moment, x, y = np.array([1.0, -2.0, 1.5, 0.3, 0.4, -0.5]) * 1e18, np.array([8.0]), np.array([-3.0])
    results = []
    for to, backend in ((cupy.asarray, "numba-cuda"), (np.asarray, "numba")):
        source = propagator.PointSource(*map(to, where), to(moment))
        stations = propagator.Stations(to(x), to(y))
        made = propagator.static_kernels(model, source, stations, accuracy=0.05, backend=backend)
        results.append([np.array(field) for field in (made.seismogram, made.moment, made.location)])
    Path(sys.argv[1]).write_bytes(pickle.dumps(list(zip(*results, strict=True))))


if __name__ == "__main__":
    main()
