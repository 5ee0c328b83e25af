"""What every launch needs of a source and of the choice of method, in float64, made once for a call."""

from __future__ import annotations

import numpy as np

from dislok.kernels.scalar import cos_degrees, maximum, scalar, sin_degrees, where

from .pair import PAIR

KINDS = ("rectangle", "point")
PARAMETERS = {"rectangle": tuple(range(10)), "point": (0, 1, 2, 5, 6, 7, 8, 9, 10)}
SLIP_COMPONENTS = {"rectangle": 3, "point": 4}
COMPONENTS = {"displacement": 3, "gradient": 9}
# Gauss-Legendre nodes and weights on [0, 1]; row n holds the rule with n points.
ORDERS = (1, 2, 3, 4, 5, 6, 8, 12)
RULES = np.array(ORDERS)
NODES = np.zeros((13, 12))
WEIGHTS = np.zeros((13, 12))
for _n in ORDERS:
    _x, _w = np.polynomial.legendre.leggauss(_n)
    NODES[_n, :_n], WEIGHTS[_n, :_n] = 0.5 * (_x + 1.0), 0.5 * _w

# A row of the table of sources: east, north of the reference point; `PAIR` from "depth" on; then what decides
# how a pair is evaluated.

TABLE = ("x", "y", *PAIR[3:], "centre_x", "centre_y", "centre_depth", "half_length", "half_width")
WIDTH_OF_TABLE = len(TABLE)
CENTRE = TABLE.index("centre_x")
# What a gradient can be taken with.
WANTED = ("obs", "src", "nu")
# Columns of `PAIR` that are lengths (and not rates).
LENGTH_ROWS = np.array(
    [PAIR.index(n) for n in ("east", "north", "z", "depth", "al1", "al2", "aw1", "aw2")], np.uint64
)

# Least distance, in half-lengths, at which a rule with so many points (`ORDERS`) is as good as the dtype.
REACH = {
    np.dtype(np.float64): np.array([4e6, 1600.0, 110.0, 28.0, 13.0, 8.0, 4.5, 2.6]),
    np.dtype(np.float32): np.array([3000.0, 40.0, 10.0, 5.0, 3.4, 2.6, 1.8, 1.4]),
}
# Distance in half-lengths beyond which the quadrature is used, and amplification of rounding in the closed
# form beyond which it is used already at the reach of the largest rule.
SWITCH = {np.dtype(np.float64): (20.0, 2e6), np.dtype(np.float32): (6.0, 3e3)}


def source_table(kind: str, src: np.ndarray, origin: tuple[float, float]) -> np.ndarray:
    """What the kernels need of each source, in the columns of `TABLE` (float64)."""
    parameters = tuple(np.asarray(src, np.float64).T)
    unit = np.ldexp(1.0, -np.frexp(largest_side(KINDS.index(kind), parameters))[1])
    row = table_row(KINDS.index(kind), parameters, *origin, unit)
    shape = parameters[0].shape
    return np.ascontiguousarray(np.stack([np.broadcast_to(column, shape) for column in row], axis=1))


@scalar
def largest_side(kind, parameters):
    """The larger of length and width; a point has 1."""
    if KINDS[kind] == "point":
        return 1.0
    return maximum(parameters[3], parameters[4])


@scalar
def table_row(kind, parameters, fa, fb, unit):
    """A row of `TABLE` from a source's parameters.

    `kind` is a place in `KINDS`, (fa, fb) the origin; `unit` is the largest power of two by which
    `largest_side` stays below 1.
    """
    rectangle = KINDS[kind] == "rectangle"
    if rectangle:
        x, y, depth, length, width, strike, dip, rake, slip, opening = parameters
        inflation = 0.0
    else:
        x, y, depth, strike, dip, rake, slip, opening, inflation = parameters
        length = width = 1.0
        fa = fb = 0.5
    sd, cd = sin_degrees(dip), cos_degrees(dip)
    # below the horizontal the same plane is the one at dip + 180 degrees, seen from its other side
    turned = sd < 0.0
    one = 0.0 * sd + 1.0
    turn = where(turned, -one, one)
    sd, cd = without_sign_of_zero(turn * sd), without_sign_of_zero(turn * cd)
    ss, cs = sin_degrees(strike), cos_degrees(strike)
    sr, cr = sin_degrees(rake), cos_degrees(rake)
    down, up = (1.0 - fb) * one, fb * one
    al1, al2 = -fa * length, (1.0 - fa) * length
    aw1, aw2 = where(turned, -up, -down) * width, where(turned, down, up) * width
    along, across = 0.5 * (al1 + al2), 0.5 * (aw1 + aw2)
    level = across * cd
    row = {
        "x": x, "y": y, "depth": depth, "sin_strike": ss, "cos_strike": cs, "sin_dip": sd, "cos_dip": cd,
        "al1": al1, "al2": al2, "aw1": aw1, "aw2": aw2, "l1": fa, "l2": fa - 1.0,
        "w1": where(turned, up, down), "w2": where(turned, -down, -up),
        "u1": turn * (slip * cr), "u2": slip * sr, "u3": opening, "u4": inflation,
        "slip": slip, "turn": turn, "sin_rake": sr, "cos_rake": cr, "unit": unit,
        "centre_x": along * ss - level * cs, "centre_y": along * cs + level * ss,
        "centre_depth": depth - across * sd,
        # a point needs one node at any distance
        "half_length": 0.5 * length if rectangle else 0.0, "half_width": 0.5 * width if rectangle else 0.0,
    }  # fmt: skip
    return [row[name] for name in TABLE]


def without_sign_of_zero(x):
    """`x`, but 0 for -0."""
    return where(x == 0.0, 0.0, x)


def edge_table(depth, dip, al1, al2, aw1, aw2, slips) -> np.ndarray:
    """Table of rectangles given by their edges in their own frame, as Okada's DC3D has them.

    The frame's x axis points east and its y axis north; columns of `slips`: strike slip, dip slip, opening.
    """
    x = np.zeros_like(depth)
    src = np.stack([x, x, depth, al2 - al1, aw2 - aw1, x + 90.0, dip, x, x + 1.0, slips[:, 2]], axis=1)
    table = source_table("rectangle", src, (0.5, 0.5))
    column = {name: table[:, TABLE.index(name)] for name in TABLE}
    turned = column["turn"] < 0.0
    column["al1"][:], column["al2"][:] = al1, al2
    column["aw1"][:], column["aw2"][:] = np.where(turned, -aw2, aw1), np.where(turned, -aw1, aw2)
    column["u1"][:], column["u2"][:] = column["turn"] * slips[:, 0], slips[:, 1]
    across = 0.5 * (column["aw1"] + column["aw2"])
    column["centre_x"][:] = 0.5 * (al1 + al2)
    column["centre_y"][:] = across * column["cos_dip"]
    column["centre_depth"][:] = depth - across * column["sin_dip"]
    return table


@scalar
def method_code(r2, h, near, far, limit, a, b, reach):
    """How a pair is evaluated: 0 by the closed form, else 1 + (place in `ORDERS` along) + (place across) / 8.

    r2 is the squared distance of the source's centre, h the depth of the centre below the observer's image,
    `near` and `far` the squared distances within which only and beyond which never the closed form is used,
    a and b half the length and width. Between the two, rounding decides: it grows with R^2/(L W) and, for
    sources close to the surface, with (R/h)^2.
    """
    places = []
    zero = 0.0 * a
    for half in (a, b):
        squared = half * half
        places.append(sum(where(r2 < (reach[k] * reach[k]) * squared, 1.0, zero) for k in range(7)))
    rule = 1.0 + places[0] + 0.125 * places[1]
    by_rounding = where(r2 < far, where(r2 * r2 < limit * (h * h), zero, rule), rule)
    code = where(r2 < near, zero, by_rounding)
    # the code becomes places in an array, also where a length is not a number
    return where(code >= 0.0, code, 1.0)
