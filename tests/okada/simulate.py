"""Runs the Numba CUDA backend of a family in Numba's simulator: ``python simulate.py FAMILY TASKS RESULTS``.

TASKS is a pickled list of (function, positional arguments, number of threads worth starting); RESULTS becomes
one of lists of arrays. The function "table" makes okada's table of sources from (kind, src, origin, slips).
The environment must hold NUMBA_ENABLE_CUDASIM=1 before Numba is imported.
"""

import importlib
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
from numba import cuda

from dislok.kernels import cuda as launching


def nan_filled(shape, dtype=np.float64, **others):
    """Memory in which a number that no thread wrote shows."""
    return cuda.to_device(np.full(shape, np.nan, dtype))


def on_device(argument):
    """Arrays as the simulator's."""
    if isinstance(argument, tuple):
        return tuple(map(on_device, argument))
    return cuda.to_device(argument) if isinstance(argument, np.ndarray) else argument


def on_host(result):
    """A result as a list of arrays."""
    parts = result if isinstance(result, tuple) else (result,)
    return [part.copy_to_host() for part in parts]


def table(kind, src, origin, slips):
    """The table of sources."""
    from dislok.kernels.okada import numba_cuda

    call = numba_cuda.Call(kind, src, src, 0.25, origin, False, None, slips)
    return call.table.reshape(len(src), numba_cuda.WIDTH_OF_TABLE)


def main() -> None:
    """Run the tasks."""
    warnings.simplefilter("ignore")  # of NumPy, where a selected formula divides by zero
    cuda.device_array = nan_filled
    launching.FEWEST_BLOCKS = 1
    family, given, found = sys.argv[1:]
    numba_cuda = importlib.import_module(f"dislok.kernels.{family}.numba_cuda")
    results = []
    for function, arguments, parallel in pickle.loads(Path(given).read_bytes()):
        launching.PARALLEL = parallel
        run = table if function == "table" else getattr(numba_cuda, function)
        results.append(on_host(run(*map(on_device, arguments))))
    Path(found).write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main()
