"""Which numbers no formula can take: the first offender in one compiled pass, of any family."""

from __future__ import annotations

from dislok.kernels.cpu import kernel

LARGEST = {8: 1e70, 4: 1e30}
"""Largest sizes of numbers that go into formulas, by their bytes: powers of larger ones would overflow."""

_LARGEST_OF_8, _LARGEST_OF_4 = LARGEST[8], LARGEST[4]


@kernel
def largest(size):
    """`LARGEST` of numbers of `size` bytes."""
    return _LARGEST_OF_8 if size == 8 else _LARGEST_OF_4


@kernel
def first_not_finite(values):
    """Place of the first number of `values` (flat) that is NaN or larger than `LARGEST`, or -1."""
    limit = largest(values.itemsize)
    if not count_not_finite(values, limit):
        return -1
    for k in range(values.size):
        if not abs(values[k]) <= limit:
            return k
    return -1


@kernel
def count_not_finite(values, limit):
    """How many numbers are NaN or too large; a loop without a way out, which LLVM turns into vector code."""
    count = 0
    for k in range(values.size):
        count += not abs(values[k]) <= limit
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
