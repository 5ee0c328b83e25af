"""Earthquakes on triangles as displacement of pixels."""

import numpy as np
import pytest

from dislok.nn import pairs
from dislok.nn.faultdeform import draw
from dislok.nn.pairs import quakes
from dislok.nn.pairs.distributions import Fixed


@pytest.fixture(scope="module")
def earthquake():
    return draw(np.random.default_rng(3), length=(8.0, 9.0), pixel=0.1)


def test_pixels_move_as_the_ground_does(earthquake):
    moved = quakes.of_earthquake(earthquake, 100.0, (48, 64), 4, tolerance=1e-6)
    assert moved.shape == (48, 64)
    east, north = 0.1 * (10 - 63 / 2), -0.1 * (20 - 47 / 2)
    want = earthquake.at([[east, north]])[0]
    got = np.array([moved.right[24, 14], -moved.down[24, 14]]) * 100
    np.testing.assert_allclose(got, want[:2], atol=1e-4)


def test_sides_are_those_of_the_earthquake(earthquake):
    """Each pixel lies on that side of the trace on which the earthquake has it."""
    moved = quakes.of_earthquake(earthquake, 100.0, (48, 64), 4)
    distance = moved.distances()
    x, y = 0.1 * (np.arange(64) - 31.5), -0.1 * (np.arange(48) - 23.5)
    own = earthquake.distance(x, y[:, None]) / 0.1
    inner = np.abs(own) < 3
    assert inner.any() and len(distance) == len(earthquake.trace)
    each = moved.inner(distance)
    got = np.take_along_axis(each, np.abs(each).argmin(0)[None], 0)[0]
    sure = inner & (np.abs(own) > 0.1)
    assert (np.sign(got) == np.sign(own))[sure].mean() > 0.99


@pytest.mark.slow
def test_pairs_of_earthquakes(rng):
    fault = quakes.Earthquakes(spacing=Fixed(60.0))
    moved = fault.draw(np.random.default_rng(2), (64, 64), 20)
    again = fault.draw(np.random.default_rng(2), (64, 64), 20)
    np.testing.assert_array_equal(moved.right, again.right)
    assert moved.numbers["kind"] == "earthquake" and moved.amplitude > 0
    moved = pairs.amplitude_in(moved, rng, (2, 4))
    pair = pairs.make_pair(pairs.Fractal(slope=Fixed(3.4)).draw(rng, moved.right.shape), moved, rng,
                           pairs.Recipe.plain())  # fmt: skip
    assert pair.valid.mean() > 0.6 and pair.correlation() > 0.97
