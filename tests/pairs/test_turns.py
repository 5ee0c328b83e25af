"""Squares in eight ways: planes, vectors, traces and alignments turn together."""

import dataclasses

import numpy as np
import pytest

from dislok.nn import pairs
from dislok.nn.pairs import turns
from dislok.nn.pairs.distributions import Fixed

SIZE = 24


@pytest.mark.parametrize("way", range(8))
def test_places_and_vectors_turn_with_planes(rng, way):
    """A marked pixel, and the one its vector points to, are found where places and vectors say."""
    plane = rng.normal(size=(SIZE, SIZE))
    right, down = np.zeros((2, SIZE, SIZE))
    right[5, 7], down[5, 7] = 3.0, -2.0
    got = turns.turned_plane(plane, way)
    column, row = turns.turned_places(np.array([[7.0, 5.0]]), SIZE, way)[0].round().astype(int)
    assert got[row, column] == plane[5, 7]
    u, v = turns.turned_vectors(right, down, way)
    assert np.count_nonzero(u) + np.count_nonzero(v) == 2
    assert got[row + int(v[row, column]), column + int(u[row, column])] == plane[5 - 2, 7 + 3]
    x, y = turns.matrix(way) @ (np.array([column, row]) - (SIZE - 1) / 2) + (SIZE - 1) / 2
    np.testing.assert_allclose([x, y], [7, 5])


@pytest.mark.parametrize("way", range(8))
def test_a_turned_fault_steps_at_its_turned_trace(way):
    fault = pairs.ScrewFault(zone=Fixed(0.0), tip=Fixed(False))
    moved = pairs.amplitude_in(
        fault.draw(np.random.default_rng(3), (96, 96), 16), np.random.default_rng(0), (4, 4)
    )
    got = moved.turned(way)
    assert got.amplitude == pytest.approx(moved.amplitude) and got.numbers["turn"] == way
    step = np.hypot(np.diff(got.right, axis=1), np.diff(got.down, axis=1)) > 2
    crossed = np.diff(got.distances()[0] > 0, axis=1)
    assert crossed.any() and (step == crossed).mean() > 0.9995
    with pytest.raises(ValueError, match="only squares"):
        dataclasses.replace(moved, right=moved.right[:-1], down=moved.down[:-1]).turned(1)


def dated(rng, size=320, right=0.4, slope=2e-3):
    """Two dates of one scene, the second shifted and stretched, as windows that can be used."""
    from dislok import images

    ground = pairs.Fractal(slope=Fixed(1.8)).draw(rng, (size, size)).albedo
    columns = np.arange(size) * np.ones((size, 1))
    move = (right + slope * (columns - size / 2)).astype(np.float32)
    # what the first shows at p, the second shows at p + move
    second = images.warp(ground, -move, np.full_like(move, 0.2)).values
    second = second + 0.01 * second.std() * rng.normal(size=second.shape)
    found = pairs.align(ground, second)
    assert found.correlation > 0.98
    return pairs.DateWindow(pairs.of_image(ground), pairs.of_image(second), found, (0, 0)), move


def scenario(ground, **options):
    kinds = {"crop": 96, "window": 192, "margin": 16, "reuse": 8, "ranges": ((1.0, 4.0),)}
    return pairs.Scenario(ground=ground, recipe=pairs.Recipe.plain(), **kinds, **options)


def test_scenarios_of_two_dates_have_the_truth_of_the_ground(rng):
    """In all eight ways the dates' own shift is out of the images, and truth brings them together."""
    window, _ = dated(rng)
    made = list(scenario(pairs.TwoDates([window])).pairs(1, 0))
    assert len(made) == 8
    for pair in made:
        assert pair.correlation() > 0.97
        assert pair.meta["ground"] == {"second": "image"}


def test_alignment_may_be_part_of_the_truth(rng):
    """Then images are resampled by the motion alone, and the truth has the dates' shift on top of it."""
    window, _ = dated(rng)
    with_it = list(scenario(pairs.TwoDates([window], in_truth=True)).pairs(1, 0))
    without = list(scenario(pairs.TwoDates([window])).pairs(1, 0))
    for a, b in zip(with_it, without, strict=True):
        np.testing.assert_array_equal(a.pre, b.pre)
        assert a.correlation() > 0.97
        more = a.flow_pre.values - b.flow_pre.values
        assert 0.25 < np.abs(more).max() < 1.2 and np.abs(more[10, 10] - more[-10, -10]).max() > 0.1
        assert a.meta["alignment"]["in_truth"]
    still = dataclasses.replace(window.alignment, terms=np.zeros_like(window.alignment.terms))
    wrong = pairs.TwoDates([dataclasses.replace(window, alignment=still)])
    assert next(scenario(wrong).pairs(1, 0)).correlation() < next(iter(without)).correlation() - 0.01


def test_streams_of_two_dates_are_reproducible(rng):
    window, _ = dated(rng)
    made = scenario(pairs.TwoDates([window], in_truth=True))
    for a, b in zip(made.group(2, 5), made.group(2, 5), strict=True):
        np.testing.assert_array_equal(a.post, b.post)
    with pytest.raises(ValueError, match="no window of two dates"):
        pairs.TwoDates([])
    with pytest.raises(ValueError, match="windows have 320 at most"):
        pairs.TwoDates([window]).draw(rng, (400, 400))


class Counted:
    """A fault that counts how often it was drawn."""

    def __init__(self):
        self.count = 0

    def draw(self, rng, shape, margin):
        self.count += 1
        return pairs.ScrewFault().draw(rng, shape, margin)


def test_one_fault_makes_many_pairs():
    """One map, turned and with amplitudes of its own in each pair; no two flows and no two images agree."""
    fault = Counted()
    made = dataclasses.replace(scenario(pairs.AnyGround(), fault=fault, same_fault=True), reuse=20)
    found = list(made.pairs(3, 1))
    assert fault.count == 1 and len(found) == 20
    assert len({p.flow_pre.values.tobytes() for p in found}) == 20
    assert len({p.pre.tobytes() for p in found}) >= 8
    ways = [p.meta["displacement"]["turn"] for p in found]
    assert sorted(set(ways)) == list(range(8))
    later = list(made.pairs(3, 1, skip=17))
    np.testing.assert_array_equal(later[0].post, found[17].post)
