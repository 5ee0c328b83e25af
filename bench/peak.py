"""What one core can do at best, measured: fused multiply-adds, divisions, square roots."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

LENGTH = 512  # numbers: they stay in the first-level cache
CHAIN = 16
REPEATS = 4000


class Peak(NamedTuple):
    """Measured rates of one core, float64.

    Attributes
    ----------
    gigaflops : float
        1e9 operations a second in fused multiply-adds, each counted as two.
    divide, root : float
        Nanoseconds for one division or square root, vectorised, many at a time.
    """

    gigaflops: float
    divide: float
    root: float


@numba.njit(fastmath={"contract"}, error_model="numpy", nogil=True)
def _multiply_add(x: NDArray, a: float, b: float, repeats: int) -> None:
    for _ in range(repeats):
        for i in range(x.size):
            y = x[i]
            # Long enough that loads and stores do not count; neighbours of the array fill the latency.
            for _ in range(CHAIN):
                y = y * a + b
            x[i] = y


@numba.njit(error_model="numpy", nogil=True)
def _divide(x: NDArray, a: float, b: float, repeats: int) -> None:
    for _ in range(repeats):
        for i in range(x.size):
            x[i] = a / x[i]


@numba.njit(error_model="numpy", nogil=True)
def _root(x: NDArray, a: float, b: float, repeats: int) -> None:
    for _ in range(repeats):
        for i in range(x.size):
            x[i] = np.sqrt(x[i])


def _best(kernel: Callable, dtype: type = np.float64, rounds: int = 7) -> float:
    """Seconds for one element of one pass, the best of some rounds."""
    x: NDArray = np.full(LENGTH, 1.5, dtype)
    a, b = dtype(0.75), dtype(0.25)
    kernel(x, a, b, 1)
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        kernel(x, a, b, REPEATS)
        seconds.append(time.perf_counter() - begin)
    return min(seconds) / (LENGTH * REPEATS)


def gigaflops(dtype: type = np.float64) -> float:
    """1e9 operations a second in fused multiply-adds of one core, each counted as two."""
    return 2 * CHAIN / _best(_multiply_add, dtype) / 1e9


def measure() -> Peak:
    """Rates of the core that this runs on; the best of several rounds, since the rest is the machine's
    noise.
    """
    return Peak(gigaflops(), _best(_divide) * 1e9, _best(_root) * 1e9)
