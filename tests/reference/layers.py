"""Motion of layered half-spaces in high precision: Thomson and Haskell's matrices with mpmath.

The equations of motion of plane waves exp(i k x), as first-order equations in depth, y' = A y + s0 δ + s1 δ',
are solved by matrix exponentials of each layer, in so many digits that nothing needs to be stable; s0 and s1
are the source as it stands in Cauchy's equations, and y jumps there by s0 + A s1. `spectra.py` sums the
waves. Nothing here is shared with the package.

Time goes as exp(i omega t); depth and the third component are positive down. Units: km, km/s, g/cm³, GPa; a
layer is thickness, vp, vs, rho and, where it loses energy, qp and qs at 1 Hz.
"""

from typing import NamedTuple

import numpy as np
from mpmath import cosh, inf, log, mpc, mpf, pi, sinh, sqrt, tanh

# Sources of each system: force and moment in the wave's own axes, along it, across it, down.
ALONG = ("f_r", "f_z", "m_rr", "m_rz", "m_zz")
ACROSS = ("f_t", "m_rt", "m_tz")


class Medium(NamedTuple):
    """The equations of one layer: A, the squares of its eigenvalues."""

    matrix: list
    squares: list


def moduli(layer, omega):
    """Of P and of S waves, and the density."""
    _, vp, vs, rho = (mpf(v) for v in layer[:4])
    lost = [mpf(0), mpf(0)]
    if len(layer) > 4 and omega != 0:
        lost = [2 / (pi * mpf(q)) * log(mpc(0, 1) * omega / (2 * pi)) if q else mpf(0) for q in layer[4:]]
    return rho * vp**2 * (1 + lost[0]), rho * vs**2 * (1 + lost[1]), rho


def along(layer, k, omega):
    """P and SV waves: y = u_r, u_z, sigma_rz, sigma_zz."""
    sigma, mu, rho = moduli(layer, omega)
    w, ratio = rho * omega**2, mpc(0, 1) * k * (sigma - 2 * mu) / sigma
    ik = mpc(0, 1) * k
    matrix = [
        [0, -ik, 1 / mu, 0],
        [-ratio, 0, 0, 1 / sigma],
        [4 * mu * (sigma - mu) / sigma * k**2 - w, 0, 0, -ratio],
        [0, -w, -ik, 0],
    ]
    return Medium(matrix, [k**2 - w / sigma, k**2 - w / mu])


def across(layer, k, omega):
    """SH waves: y = u_t, sigma_tz."""
    _, mu, rho = moduli(layer, omega)
    w = rho * omega**2
    return Medium([[0, 1 / mu], [mu * k**2 - w, 0]], [k**2 - w / mu])


def times(matrix, columns):
    """A matrix times columns, each a list; zeros cost nothing."""
    return [
        [sum((a * v for a, v in zip(row, column, strict=True) if a != 0), mpf(0)) for row in matrix]
        for column in columns
    ]


def combined(factors, sets):
    """Sums of sets of columns with factors."""
    return [
        [sum(f * v for f, v in zip(factors, values, strict=True)) for values in zip(*same, strict=True)]
        for same in zip(*sets, strict=True)
    ]


def carried(medium, height, columns):
    """exp(A height) times columns: what interpolates the exponential at the eigenvalues of A."""
    powers = [columns]
    for _ in range(2 * len(medium.squares) - 1):
        powers.append(times(medium.matrix, powers[-1]))
    roots = [sqrt(square) for square in medium.squares]
    even = [cosh(root * height) for root in roots]
    odd = [sinh(root * height) / root for root in roots]
    if len(roots) == 1:
        return combined([even[0], odd[0]], powers)
    p, s = medium.squares
    if p == s:
        slopes = height * odd[0] / 2, (height * even[0] - odd[0]) / (2 * p)
    else:
        slopes = (even[0] - even[1]) / (p - s), (odd[0] - odd[1]) / (p - s)
    return combined([even[0] - slopes[0] * p, odd[0] - slopes[1] * p, *slopes], powers)


def decaying(medium):
    """Columns of all that decays downward: the image of the product of A - nu."""
    size, count = len(medium.matrix), len(medium.squares)
    columns = [[mpf(i == j) for i in range(size)] for j in range(size - count, size)]
    for square in medium.squares:
        columns = combined([1, -sqrt(square)], [times(medium.matrix, columns), columns])
    return columns


def ground(layers, k, omega, size):
    """Columns at the top of the first solid layer: motion with no traction, or with that of an ocean."""
    count = size // 2
    columns = [[mpf(i == j) for i in range(size)] for j in range(count)]
    if layers[0][2] == 0 and count == 2:
        sigma, _, rho = moduli(layers[0], omega)
        w = rho * omega**2
        root = sqrt(k**2 - w / sigma)
        columns[1][3] = -w * tanh(root * mpf(layers[0][0])) / root
    return columns


def solved(rows, right):
    """x of rows x = right, where both are lists of lists and right has several columns."""
    rows = [[*a, *b] for a, b in zip(rows, right, strict=True)]
    size = len(rows)
    for i in range(size):
        best = max(range(i, size), key=lambda j: abs(rows[j][i]))
        rows[i], rows[best] = rows[best], rows[i]
        for j in range(size):
            if j != i and rows[j][i] != 0:
                factor = rows[j][i] / rows[i][i]
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [[v / row[i] for v in row[size:]] for i, row in enumerate(rows)]


def pieces(layers, *depths):
    """The solid layers cut at depths: (top, bottom, layer), the half-space as far as the last cut."""
    depths = [mpf(depth) for depth in depths]
    found, top = [], mpf(0)
    for layer in layers:
        bottom = top + layer[0] if layer[0] != inf else max(top, *depths)
        edges = sorted({top, bottom, *(d for d in depths if top < d < bottom)})
        if layer[2]:
            found += [(a, b, layer) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        top = bottom
    return found


def to_receiver(equations, layers, receiver, depth, k, omega):
    """What jumps of each element of y at the source do to the displacement at the receiver, and A there."""
    media = {id(layer): equations(layer, k, omega) for layer in layers if layer[2]}
    size = len(next(iter(media.values())).matrix)
    receiver, depth = mpf(receiver), mpf(depth)
    upper, lower = ground(layers, k, omega, size), decaying(media[id(layers[-1])])
    seen, above = None, receiver < depth
    cut = pieces(layers, receiver, depth)
    start = cut[0][0] if cut else receiver
    if above and receiver == start:
        seen = upper
    for top, bottom, layer in cut:
        if bottom <= depth:
            upper = carried(media[id(layer)], bottom - top, upper)
            seen = upper if above and bottom == receiver else seen
    for top, bottom, layer in reversed(cut):
        if not above and bottom == receiver:
            seen = lower
        if top >= depth:
            lower = carried(media[id(layer)], top - bottom, lower)
    count = size // 2
    none = [[mpf(0)] * count] * count
    motion = [column[:count] for column in seen]
    jump = [*lower, *([-v for v in column] for column in upper)]
    weights = solved(jump, [*none, *motion] if above else [*motion, *none])
    here = next(layer for layer, bottom in bottoms(layers) if depth < bottom)
    return [list(row) for row in zip(*weights, strict=True)], media[id(here)]


def bottoms(layers):
    """Layers with the depths of their lower ends; what lies on an interface belongs to the layer below."""
    depth = mpf(0)
    for layer in layers:
        depth += layer[0]
        yield layer, depth


def jumps(medium, k):
    """Jumps of y at the source for `ALONG` or `ACROSS`, and their derivatives with its depth."""
    ik, size = mpc(0, 1) * k, len(medium.matrix)
    direct = {
        "f_r": (2, -1),
        "f_z": (3, -1),
        "m_rr": (2, ik),
        "m_rz": (3, ik),
        "f_t": (1, -1),
        "m_rt": (1, ik),
    }
    double = {"m_rz": 2, "m_zz": 3, "m_tz": 1}
    found = []
    for name in ALONG if size == 4 else ACROSS:
        jump = [mpf(0)] * size
        if name in double:
            unit = [mpf(i == double[name]) for i in range(size)]
            jump = times(medium.matrix, [unit])[0]
        if name in direct:
            place, value = direct[name]
            jump[place] += value
        found.append(jump)
    return found, [[-v for v in column] for column in times(medium.matrix, found)]


def response(layers, receiver, depth, k, omega):
    """(2, 3, 8): displacement along the wave, across and down for `ALONG` and `ACROSS`, and d/d(depth)."""
    made = np.zeros((2, 3, 8), dtype=object)
    for equations, rows, columns in ((along, [0, 2], slice(0, 5)), (across, [1], slice(5, 8))):
        weights, medium = to_receiver(equations, layers, receiver, depth, k, omega)
        for kind, those in enumerate(jumps(medium, k)):
            made[kind, rows, columns] = np.array(times(weights, those), dtype=object).T
    return made
