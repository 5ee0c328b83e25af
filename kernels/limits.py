"""Which numbers no formula can take: the first offender in one compiled pass, of any family."""

from __future__ import annotations

from dislok.kernels.cpu import kernel


@kernel
def first_not_finite(values):
    """Place of the first number of `values` (any length, flat) that is NaN or infinite, or -1."""
    if not count_not_finite(values):
        return -1
    for k in range(values.size):
        if values[k] - values[k] != 0.0:
            return k
    return -1


@kernel
def count_not_finite(values):
    """How many numbers are NaN or infinite; a loop without a way out, which LLVM turns into vector code."""
    count = 0
    for k in range(values.size):
        count += values[k] - values[k] != 0.0
    return count


@kernel
def first_above(obs):
    """The first observer (row of `obs`, shape (n, 3)) whose height is positive, or -1."""
    count = 0
    for i in range(len(obs)):
        count += obs[i, 2] > 0.0
    if count:
        for i in range(len(obs)):
            if obs[i, 2] > 0.0:
                return i
    return -1
