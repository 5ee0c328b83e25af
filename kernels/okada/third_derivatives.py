"""Third derivatives of the displacement: what `pair` gives with second derivatives, along a direction.

All numbers of a pair carry their tangent along one direction in the variables of `pair.VARIABLES` (nu left
out), and so do the rows of level "second" that come of them. One evaluation thus gives every third derivative
of which one leg is that direction, which is all that a product with a tangent needs; the Hessian of the
gradient takes three, along east, north and up.
"""

from dislok.kernels.scalar import primal, scalar, tangent, with_tangent

from .pair import (
    DEGREE,
    DEPTH,
    DIP,
    INFLATION,
    LENGTH,
    NU,
    OBSERVER,
    OPENING,
    PAIR,
    RAKE,
    SLIP,
    SLIPS,
    STRIKE,
    WIDTH,
    Field,
    X,
    Y,
    Z,
    corner_rows,
    factor,
    named,
    node_rows,
    place_of,
    second,
    to_caller,
    with_observer,
)

DIRECTION = 13  # numbers of a direction: one for each of `VARIABLES`, the last unused


def moved(pair, direction):
    """The numbers of a pair with their tangents along a direction given in the caller's units."""
    unit, ss, cs, sd, cd, sr, cr, turn, slip, l1, l2, w1, w2 = named(
        pair,
        "unit", "sin_strike", "cos_strike", "sin_dip", "cos_dip", "sin_rake", "cos_rake",
        "turn", "slip", "l1", "l2", "w1", "w2",
    )  # fmt: skip
    strike, dip, rake = (DEGREE * direction[a] for a in (STRIKE, DIP, RAKE))
    slopes = {
        "east": -direction[X] * unit,
        "north": -direction[Y] * unit,
        "z": direction[Z] * unit,
        "depth": direction[DEPTH] * unit,
        "al1": edge_slope(pair, direction, l1, LENGTH),
        "al2": edge_slope(pair, direction, l2, LENGTH),
        "aw1": edge_slope(pair, direction, w1, WIDTH),
        "aw2": edge_slope(pair, direction, w2, WIDTH),
        "sin_strike": cs * strike,
        "cos_strike": -ss * strike,
        "sin_dip": cd * dip,
        "cos_dip": -sd * dip,
        "sin_rake": cr * rake,
        "cos_rake": -sr * rake,
        "slip": direction[SLIP],
        "u1": turn * (cr * direction[SLIP] - slip * sr * rake),
        "u2": sr * direction[SLIP] + slip * cr * rake,
        "u3": direction[OPENING],
        "u4": direction[INFLATION],
    }
    return [with_tangent(x, slopes.get(name, 0)) for name, x in zip(PAIR, pair, strict=True)]


def edge_slope(pair, direction, rate, a):
    """Tangent of an edge's offset, which grows by -`rate` with the length or width `a`."""
    (unit,) = named(pair, "unit")
    return -rate * (direction[a] * unit)


def apart(numbers):
    """All values, then all tangents."""
    return [primal(x) for x in numbers] + [tangent(x) for x in numbers]


@scalar
def near_corner_third(pair, direction, nu, eps, al, aw, rate_l, rate_w):
    """Rows of level "third" of one corner: those of `near_corner` but nu's, and their tangents."""
    al = with_tangent(al, edge_slope(pair, direction, rate_l, LENGTH))
    aw = with_tangent(aw, edge_slope(pair, direction, rate_w, WIDTH))
    return apart(corner_rows("third", moved(pair, direction), nu, eps, al, aw, rate_l, rate_w))


@scalar
def far_node_third(pair, direction, nu, g, h, weight):
    """Rows of level "third" of one node of a quadrature."""
    return apart(node_rows("third", moved(pair, direction), nu, g, h, weight))


class Thirds:
    """Third derivatives along a direction, from the rows of level "third"."""

    def __init__(self, pair, direction, frame):
        count = len(frame) // 2
        rows = [with_tangent(x, t) for x, t in zip(frame[:count], frame[count:], strict=True)]
        self.pair = moved(pair, direction)
        self.place = place_of(self.pair)
        self.own = Field.of_rows(rows, 36)
        slips = [a for a in SLIPS if a != NU]
        self.fields = {a: Field.of_rows(rows[108 + 24 * k : 132 + 24 * k], 8) for k, a in enumerate(slips)}

    def along(self, a, b):
        """Derivative along the direction of the second derivative of (ux, uy, uz) with two variables."""
        (unit,) = named(self.pair, "unit")
        column = second(self.pair, self.own, self.fields, self.place, a, b)
        scaled = [factor(a, unit) * (factor(b, unit) * x) for x in column]
        return [tangent(x) for x in to_caller(self.pair, scaled)]

    def of_gradient(self, j, b):
        """The same of the derivative of column j of the gradient with variable b."""
        a = OBSERVER[j]
        return [x if a == Z else -x for x in self.along(a, b)]


@scalar
def pair_third(pair, extra, frame):
    """Derivatives along the direction `extra` of the second derivatives (3 x 78)."""
    thirds = Thirds(pair, extra[:DIRECTION], frame)
    columns = [thirds.along(a, b) for a in range(NU) for b in range(a + 1)]
    return [column[i] for i in range(3) for column in columns]


@scalar
def pair_vjp2_gradient(pair, extra, frame):
    """Derivatives of ``cotangent . (derivative of the gradient along a direction)`` (12 + 3).

    They are with `VARIABLES` but the last, then with the observer's coordinates. `extra` holds the direction
    (13), then the cotangent (9).
    """
    thirds = Thirds(pair, extra[:DIRECTION], frame)
    cotangent = extra[DIRECTION : DIRECTION + 9]
    return with_observer(
        [
            sum(cotangent[3 * i + j] * x for j in range(3) for i, x in enumerate(thirds.of_gradient(j, b)))
            for b in range(NU)
        ]
    )


@scalar
def pair_jvp2_gradient(pair, extra, frame):
    """Second derivative of the gradient along two tangents (9): `extra` holds one (13), then the other."""
    thirds = Thirds(pair, extra[:DIRECTION], frame)
    other = extra[DIRECTION : 2 * DIRECTION]
    columns = [[thirds.of_gradient(j, b) for b in range(NU)] for j in range(3)]
    return [sum(columns[j][b][i] * other[b] for b in range(NU)) for i in range(3) for j in range(3)]
