"""Speed, memory and share of the machine's peak of dislok's kernels, beside the other codes that compute the
same.

`python -m bench` prints the tables; `pytest bench/bench_okada.py -o python_functions="bench_*"` runs the same
cases under pytest-benchmark. No other code is part of this folder: what is installed is measured, the rest is
named as absent.
"""

import os

# One core is measured: a second thread of linear algebra would share it, and wait for it by spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
