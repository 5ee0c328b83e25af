"""Columns of the Numba CUDA backend in Numba's simulator: ``python simulate.py TASKS RESULTS``.

TASKS is a pickled list of arguments of `columns`; RESULTS becomes one of arrays. The environment must hold
NUMBA_ENABLE_CUDASIM=1 before Numba is imported.
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
from numba import cuda

from dislok.kernels.propagator import numba_cuda


def zeros(count):
    """An array of the simulated device."""
    return cuda.to_device(np.zeros(count))


def main() -> None:
    """Run the tasks."""
    warnings.simplefilter("ignore")  # of NumPy, where a selected formula divides by zero
    tasks = pickle.loads(Path(sys.argv[1]).read_bytes())
    results = [numba_cuda.columns(*task, cuda.to_device, zeros).copy_to_host() for task in tasks]
    Path(sys.argv[2]).write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main()
