"""B-splines that pass through the pixels of an image (Unser, Aldroubi & Eden 1993).

An image is the sum of a B-spline of order 3 or 5 at every pixel times a coefficient. The coefficients come
from the pixels by a recursive filter, forth and back along each axis, once for each pole (box 2 there);
beyond its edges an image is its own mirror image, with the edge pixel as the mirror. Between pixel ``i`` and
pixel ``i + 1``, at ``i + t``, order + 1 coefficients count: tap k is that of pixel ``i - (order - 1) / 2 +
k``.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import comb, factorial, log, sqrt

import numpy as np

ORDERS = (3, 5)
POLES = {
    3: (sqrt(3.0) - 2.0,),
    5: (
        sqrt(67.5 - sqrt(4436.25)) + sqrt(26.25) - 6.5,
        sqrt(67.5 + sqrt(4436.25)) - sqrt(26.25) - 6.5,
    ),
}


def gain(order: int) -> float:
    """What makes the filter keep a constant, along one axis: the product of (1 - z)(1 - 1/z)."""
    return float(np.prod([(1.0 - z) * (1.0 - 1.0 / z) for z in POLES[order]]))


def horizon(pole: float, eps: float) -> int:
    """How many pixels away a pixel counts less than `eps`."""
    return int(np.ceil(log(eps) / log(abs(pole))))


@cache
def pieces(order: int) -> tuple[tuple[Fraction, ...], ...]:
    """Weights of the taps as polynomials: row j, tap k holds the factor of t**j, exactly.

    The spline is the sum over i of (-1)**i binomial(n + 1, i) (x + (n + 1)/2 - i)**n / n! where the bracket
    is positive (Unser et al., eq. 2.3 of part I), at x = t + (n - 1)/2 - k.
    """
    n = order
    rows = [[Fraction(0)] * (n + 1) for _ in range(n + 1)]
    for k in range(n + 1):
        for i in range(n - k + 1):  # the bracket is t + (n - k - i), positive for these i
            sign = (-1) ** i * comb(n + 1, i)
            for j in range(n + 1):
                rows[j][k] += Fraction(sign * comb(n, j) * (n - k - i) ** (n - j), factorial(n))
    return tuple(map(tuple, rows))


def lanes(order: int) -> int:
    """Numbers of a vector that holds the taps of one row; the last ones may weigh nothing."""
    return 8 if order == 5 else 4


@cache
def weights(order: int, dtype: str) -> np.ndarray:
    """`pieces` and their derivative as numbers, the highest power first: (2, order + 1, lanes)."""
    table = np.zeros((2, order + 1, lanes(order)))
    for j, row in enumerate(pieces(order)):
        table[0, order - j, : order + 1] = [float(x) for x in row]
        if j:
            table[1, order - j + 1, : order + 1] = [float(j * x) for x in row]
    return table.astype(dtype)
