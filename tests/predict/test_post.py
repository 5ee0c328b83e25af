"""Post-processing and series: what must go goes, what must stay stays."""

import numpy as np
import pytest
from scipy import ndimage

from dislok.nn.predict import post
from dislok.nn.predict.coregister import deramped, phase_shift
from dislok.nn.predict.series import invert, pairs_of, to_first

SHAPE = (120, 140)
ALL = np.ones(SHAPE, bool)


@pytest.fixture
def step():
    values = np.zeros((*SHAPE, 2), np.float32)
    values[:, 70:, 1] = 2
    return values


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_surface_goes_and_a_patch_that_moved_stays(order, rng):
    y, x = (np.linspace(-1, 1, n) for n in SHAPE)
    grid = np.meshgrid(y, x, indexing="ij")
    surface = 0.7 + order * 0.4 * grid[1] - (order == 2) * 0.3 * grid[0] * grid[1]
    values = np.stack([surface, -surface], -1) + rng.normal(0, 0.02, (*SHAPE, 2))
    values[20:50, 20:60] += 3
    fresh, coefficients = deramped(values, ALL, order)
    still = np.ones(SHAPE, bool)
    still[20:50, 20:60] = False
    assert np.abs(fresh[still].mean(axis=0)).max() < 0.01
    np.testing.assert_allclose(fresh[20:50, 20:60].mean(axis=(0, 1)), 3, atol=0.02)
    np.testing.assert_allclose(coefficients[0], [0.7, -0.7], atol=0.01)


def test_ramp_from_ground_at_rest(rng):
    x = np.linspace(-1, 1, SHAPE[1])
    values = np.zeros((*SHAPE, 2)) + x[:, None] * 0.5
    moved = values.copy()
    moved[:, 60:] += 1
    stable = ALL.copy()
    stable[:, 60:] = False
    fresh, _ = deramped(moved, ALL, 1, stable=stable)
    np.testing.assert_allclose(fresh[:, 60:], 1, atol=1e-5)
    with pytest.raises(ValueError, match="needs 30 usable pixels"):
        deramped(moved, ALL & False, 1)


def test_reference(step):
    fresh, offset = post.referenced(step + np.float32(0.3), ALL, np.arange(SHAPE[1])[None] * ALL < 60)
    np.testing.assert_allclose(offset, 0.3, atol=1e-6)
    assert fresh[0, -1, 1] == pytest.approx(2, abs=1e-6)
    with pytest.raises(ValueError, match="no valid pixel"):
        post.referenced(step, ALL, ~ALL)


def test_stripes_go_and_an_oblique_step_stays(rng):
    row, column = np.indices((240, 280))
    side = column > 140 + 0.8 * (row - 120)
    step = np.stack([0.0 * side, 2.0 * side], -1).astype(np.float32)
    stripes = rng.normal(0, 0.3, (240, 1, 2)) + rng.normal(0, 0.3, (1, 280, 2))
    holes = rng.random(side.shape) > 0.1
    fresh = post.destriped(step + stripes, holes, width=61)
    rest = (fresh - step)[holes]
    # White stripes (0.42 in all) have broad parts too, which stay: 0.3 * 1.25 / sqrt(61) of each kind.
    assert rest[:, 0].std() < 0.15
    assert rest[:, 1].std() < 0.20
    jump = fresh[side & holes, 1].mean() - fresh[~side & holes, 1].mean()
    assert jump == pytest.approx(2, abs=0.15)


def test_outliers_are_found_and_steps_are_none(step, rng):
    noisy = step + rng.normal(0, 0.05, step.shape)
    wild = rng.random(SHAPE) < 0.01
    noisy[wild, 0] += 3
    found = post.outliers(noisy, ALL, 6)
    assert found[wild].mean() > 0.98
    assert found[~wild].mean() < 0.002


def test_median_is_that_of_scipy_and_leaves_out_what_is_not_valid(rng):
    plane, valid = rng.random(SHAPE).astype(np.float32), rng.random(SHAPE) > 0.2
    got = post.windowed_median(plane, ALL, 5)
    np.testing.assert_array_equal(got[2:-2, 2:-2], ndimage.median_filter(plane, 5)[2:-2, 2:-2])
    got = post.windowed_median(plane, valid, 5)
    for r, c in ((0, 0), (50, 60), (119, 139)):
        window = slice(max(0, r - 2), r + 3), slice(max(0, c - 2), c + 3)
        assert got[r, c] == pytest.approx(np.median(plane[window][valid[window]]))


def test_edges_survive_smoothing(step, rng):
    noisy = step + rng.normal(0, 0.2, step.shape).astype(np.float32)
    for fresh in (post.median_filtered(noisy, ALL, 7), post.total_variation(noisy, ALL, 0.3)):
        assert np.abs(fresh - step)[:, :60].std() < 0.05
        # Half of the step lies where it was, to a pixel.
        middle = fresh[20:-20, :, 1].mean(axis=0)
        assert middle[68] < 0.5 and middle[71] > 1.5


def test_total_variation_minimises(rng):
    # Its energy is below that of small changes of its result, and uneven weights are obeyed.
    data = rng.normal(0, 1, (12, 14, 2)).astype(np.float32)
    sigma = rng.uniform(0.5, 2, data.shape).astype(np.float32)
    inverse = 1 / (sigma**2).sum(-1)
    weight = inverse / inverse.mean()

    def energy(u):
        d = np.zeros((2, *u.shape))
        d[0, :-1], d[1, :, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
        return (
            0.4 * np.sqrt((d**2).sum(axis=(0, 3))).sum() + 0.5 * (weight[..., None] * (u - data) ** 2).sum()
        )

    best = post.total_variation(data, np.ones(data.shape[:2], bool), 0.4, sigma=sigma, rounds=3000)
    for size in (0.1, 0.01):
        for _ in range(20):
            assert energy(best) <= energy(best + size * rng.normal(0, 1, best.shape)) + 1e-4


def test_steps_are_checked():
    for steps, message in ((post.Steps(median=4), "odd"), (post.Steps(outliers=-1.0), "outliers")):
        with pytest.raises(ValueError, match=message):
            steps.check()


def test_phase_shift_of_noise(rng):
    image = rng.standard_normal((200, 240))
    right, down, clear = phase_shift(image, np.roll(image, (7, -31), (0, 1)))
    assert (right, down) == (-31, 7) and clear > 5
    assert phase_shift(image, rng.standard_normal(image.shape))[2] < 1.5


def test_pairs():
    assert pairs_of(4, "next") == [(0, 1), (1, 2), (2, 3)]
    assert pairs_of(4, "next2") == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]
    assert len(pairs_of(4, "all")) == 6


def test_network_is_least_squares_with_errors_that_cover(rng):
    pairs, shape = pairs_of(4, "all"), (60, 60)
    truth = np.array([[0, 0], [1, -1], [3, 0.5], [2, 2]])
    sigma = np.array([0.1, 0.2, 0.1, 0.3, 0.1, 0.2])[:, None, None, None]
    clean = np.stack([np.broadcast_to(truth[j] - truth[i], (*shape, 2)) for i, j in pairs])
    values = clean + sigma * rng.standard_normal(clean.shape)
    valid = np.ones((6, *shape), bool)
    found = invert(pairs, values, np.broadcast_to(sigma, values.shape), valid)
    z = (found.values[1:] - truth[1:, None, None]) / found.error[1:]
    # The error is never made smaller by a lucky closure: it covers a little more than it says.
    assert 0.66 < (np.abs(z) < 1).mean() < 0.80
    assert np.sqrt(np.mean(found.closure**2)) == pytest.approx(1, abs=0.03)


def test_a_contradiction_is_told(rng):
    pairs = [(0, 1), (1, 2), (0, 2)]
    values = np.zeros((3, 4, 4, 2))
    values[2] = 1
    found = invert(pairs, values, np.full(values.shape, 0.1), np.ones((3, 4, 4), bool))
    assert found.closure.min() > 5 and found.error[2].min() > 0.3


def test_dates_without_a_chain_are_missing():
    values = np.zeros((2, 3, 3, 2))
    valid = np.ones((2, 3, 3), bool)
    valid[1, 1, 1] = False
    found = invert([(0, 1), (1, 2)], values, np.ones(values.shape), valid)
    assert np.isnan(found.values[1:, 1, 1]).all()
    assert np.isfinite(found.values[:, 0, 0]).all() and np.isnan(found.closure).all()


def test_pairs_meet_on_the_first_grid():
    # The ground has moved 3 px to the east when the second pair begins: its map lies 3 px farther.
    h, w = 20, 40
    first, second = np.zeros((h, w, 2)), np.zeros((h, w, 2))
    first[..., 0] = 3
    second[:, 23:, 1] = 1
    values, valid = np.stack([first, second]), np.ones((2, h, w), bool)
    moved, _, good = to_first([(0, 1), (1, 2)], values, np.ones(values.shape), valid)
    assert (moved[1, :, 20:37, 1] == 1).all() and (moved[1, :, :20, 1] == 0).all()
    assert not good[1, :, 37:].any()
