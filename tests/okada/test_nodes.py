"""The gradient of a point source in one piece is the derivative of Okada's displacement, to many digits."""

import numpy as np
import pytest

from dislok.kernels.okada import formula, nodes, pair

mpmath = pytest.importorskip("mpmath")
mpf = mpmath.mpf
STEP = mpf(10) ** -20
DIPS = (0.0, 90.0, 180.0, 35.0, 110.0, 1e-9)
PURE = [*np.eye(4).tolist(), [0.3, -1.2, 0.7, 0.4]]


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(60):
        yield


def source(rng, dip, at_surface):
    """x, y, z, depth, sine and cosine of the dip, elastic constants."""
    x, y, c = (mpf(float(v)) for v in (*rng.normal(size=2), rng.uniform(0.2, 3)))
    z = mpf(0) if at_surface else mpf(-float(rng.uniform(0, 3)))
    angle = mpmath.radians(mpf(dip))
    return [x, y, z, c, mpmath.sin(angle), mpmath.cos(angle)], formula.elastic(
        mpf(float(rng.uniform(0.1, 0.4)))
    )


def derivative(function, place, k):
    sides = []
    for sign in (1, -1):
        moved = list(place)
        moved[k] += sign * STEP
        sides.append(np.array(function(*moved), dtype=object))
    return (sides[0] - sides[1]) / (2 * STEP)


def largest(values):
    return max(abs(v) for v in np.ravel(values))


@pytest.mark.parametrize("slips", PURE, ids=["strike", "dip", "opening", "inflation", "all"])
@pytest.mark.parametrize("dip", DIPS)
def test_gradient_is_the_derivative(rng, dip, slips):
    potency = [mpf(s) for s in slips]
    place, m = source(rng, dip, False)
    got = np.array(nodes.point_gradient(*place, potency, m), dtype=object).reshape(4, 3)

    def displacement(*where):
        return formula.point(*where, potency, m)

    want = np.array([displacement(*place), *(derivative(displacement, place, k) for k in range(3))])
    assert largest(got - want) < 1e-35 * largest(want)


@pytest.mark.parametrize("slips", PURE, ids=["strike", "dip", "opening", "inflation", "all"])
@pytest.mark.parametrize("dip", DIPS)
def test_gradient_at_the_surface(rng, dip, slips):
    potency = [mpf(s) for s in slips]
    place, m = source(rng, dip, True)
    got = nodes.surface_gradient(*place[:2], *place[3:], potency, m)
    want = nodes.point_gradient(*place, potency, m)
    assert largest(np.array(got) - np.array(want[:9])) < 1e-50 * largest(want)


@pytest.mark.parametrize("formula_of", [pair.far_node, pair.far_node_surface])
def test_a_node_has_the_same_rows_on_every_level(rng, formula_of):
    """Rows of the gradient are the first four of each component of those with all first derivatives."""
    given = dict.fromkeys(pair.PAIR, mpf(0))
    given |= {name: mpf(float(v)) for name, v in zip(pair.PAIR, rng.normal(size=len(pair.PAIR)), strict=True)}
    given["depth"], given["unit"], given["turn"] = mpf(3), mpf(1), mpf(1)
    given["z"] = mpf(0) if formula_of is pair.far_node_surface else mpf(-1)
    for name, angle in (("dip", mpf("0.7")), ("strike", mpf(2)), ("rake", mpf(-1))):
        given[f"sin_{name}"], given[f"cos_{name}"] = mpmath.sin(angle), mpmath.cos(angle)
    place = list(given.values()), mpf("0.27"), mpf("0.2"), mpf("0.7"), mpf("0.5")
    got, first = (formula_of(pair.LEVELS.index(level), *place) for level in ("gradient", "first"))
    want = [first[8 * i + k] for i in range(3) for k in range(4)]
    assert largest(np.array(got) - np.array(want)) < 1e-50 * largest(want)
