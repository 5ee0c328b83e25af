"""Bessel functions J0 and J1, and the complementary error function, of arrays on the processor.

Importing `scipy.special` takes longer than a small call does.

References
----------
Clenshaw, C. W. (1962). Chebyshev series for mathematical functions. NPL Mathematical Tables 5, HMSO.
"""

from __future__ import annotations

import math

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.names import Array

# Below 8: J0 and J1 / x in Chebyshev polynomials of 2 (x/8)^2 - 1. Above: P and x Q / 8 of
# J_m(x) = sqrt(2 / (pi x)) (P cos(c) - Q sin(c)), c = x - (2 m + 1) pi / 4, in those of 2 (8/x)^2 - 1.
_J0 = np.array([
    0.15772797147489012, -0.00872344235285222129, 0.26517861320333681, -0.370094993872649779,
    0.158067102332097261, -0.0348937694114088852, 0.0048191800694676045, -0.000460626166206275048,
    0.0000324603288210050808, -1.76194690776215075e-6, 7.60816359241878187e-8, -2.6792535305576729e-9,
    7.84869631447946442e-11, -1.94383468673701657e-12, 4.12532059563437393e-14,
    -7.58850812544754634e-16, 1.2218515873961411e-17,
])  # fmt: skip
_J1 = np.array([
    0.0810448463256581151, -0.148975145067652109, 0.160999262357209703, -0.0826804917668179066,
    0.0222136396549660354, -0.00364694060076927596, 0.000405033772835482183, -0.0000325555486685725852,
    1.98587740499151674e-6, -9.52198475675043618e-8, 3.68713375909714824e-9, -1.17802662269588484e-10,
    3.16015458034800332e-12, -7.22175523965177343e-14, 1.42321440035139423e-15,
    -2.44419729161904639e-17,
])  # fmt: skip
_P0 = np.array([
    0.999460349347518665, -0.000536522046813211742, 3.07518478751947462e-6, -5.1705945376060977e-8,
    1.63064646351513831e-9, -7.86409137723707e-11, 5.16826238734919246e-12, -4.30457886992539122e-13,
    4.32659574315494056e-14, -5.06903409593523608e-15, 6.7480722157338737e-16, -1.00115137234677858e-16,
    1.63059192337441847e-17, -2.8808661694828712e-18,
])  # fmt: skip
_Q0 = np.array([
    -0.0155558546053370091, 0.000068385199426116496, -7.41449841106064726e-7, 1.79724572479689918e-8,
    -7.27191593686631998e-10, 4.22012190466873844e-11, -3.20674742099663474e-12,
    3.00614512535170631e-13, -3.336328185322427e-14, 4.25522504024546112e-15, -6.09993013164005001e-16,
    9.66212897030325674e-17, -1.66860652143781463e-17, 3.10824404867381443e-18,
])  # fmt: skip
_P1 = np.array([
    1.0009030408600137, 0.000898989833085940856, -3.98728430048890852e-6, 6.17763396064429853e-8,
    -1.87189074910630661e-9, 8.8168986595823389e-11, -5.7048636403956447e-12, 4.69919551523054238e-13,
    -4.68422378399048922e-14, 5.45267489604471717e-15, -7.22118084227401792e-16,
    1.06676891143354125e-16, -1.7312313216116335e-17, 3.04929911976658723e-18,
])  # fmt: skip
_Q1 = np.array([
    0.0467777870695353252, -0.0000962772354915707932, 9.13861525795545412e-7, -2.09597813840834225e-8,
    8.22919332765055413e-10, -4.68636368817694523e-11, 3.51521879496860809e-12,
    -3.26431567432789993e-13, 3.59677658291652919e-14, -4.56125239507729719e-15,
    6.50828295778338395e-16, -1.02691475318232429e-16, 1.76763554877647916e-17,
    -3.28345198729816146e-18,
])  # fmt: skip


def j0(x: np.ndarray) -> np.ndarray:
    """J0 of an array, x >= 0, to 1e-15."""
    return _of(_j0, x)


def j1(x: np.ndarray) -> np.ndarray:
    """J1 of an array, x >= 0, to 1e-15."""
    return _of(_j1, x)


def erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x) of an array."""
    return _of(_erfc, x)


def _of(function: Array, x: np.ndarray) -> np.ndarray:
    given = np.ascontiguousarray(x, np.float64)
    result = np.empty(given.shape)
    function(given.reshape(-1), result.reshape(-1))
    return result


@kernel
def series(coefficients, t):
    """Clenshaw's sum of Chebyshev polynomials."""
    later, last = 0.0, 0.0
    for k in range(len(coefficients) - 1, 0, -1):
        later, last = coefficients[k] + 2.0 * t * later - last, later
    return coefficients[0] + t * later - last


@kernel
def _j0(x, result):
    for i in range(len(x)):
        near = 0.125 * x[i]
        if near < 1.0:
            result[i] = series(_J0, 2.0 * near * near - 1.0)
        else:
            far = 1.0 / near
            t = 2.0 * far * far - 1.0
            s, c = math.sin(x[i]), math.cos(x[i])
            p, q = series(_P0, t), far * series(_Q0, t)
            result[i] = (p * (c + s) - q * (s - c)) / math.sqrt(math.pi * x[i])


@kernel
def _j1(x, result):
    for i in range(len(x)):
        near = 0.125 * x[i]
        if near < 1.0:
            result[i] = x[i] * series(_J1, 2.0 * near * near - 1.0)
        else:
            far = 1.0 / near
            t = 2.0 * far * far - 1.0
            s, c = math.sin(x[i]), math.cos(x[i])
            p, q = series(_P1, t), far * series(_Q1, t)
            result[i] = (p * (s - c) + q * (s + c)) / math.sqrt(math.pi * x[i])


@kernel
def _erfc(x, result):
    for i in range(len(x)):
        result[i] = math.erfc(x[i])
