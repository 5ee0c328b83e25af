"""The engine's kernels against plain NumPy and SciPy."""

import numpy as np
import pytest
from scipy import ndimage

from dislok.kernels.images import claims, hypothesis, masks, sgm, smooth, spline, variational, zncc
from dislok.nn.match import planes
from dislok.nn.match.carrying import correlation
from dislok.nn.match.planes import Level


def random_planes(rng, count, shape=(40, 52)):
    return [ndimage.gaussian_filter(rng.standard_normal(shape), 1.0).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("sigma", [0.8, 2.0, 7.5])
def test_windows_are_gaussian_sums_with_zeros_outside(rng, sigma):
    plane = rng.standard_normal((37, 50)).astype(np.float32)
    taps = smooth.taps(sigma)
    along, out = np.empty_like(plane), np.empty_like(plane)
    smooth.rows(plane, taps, along, 0, 37)
    smooth.columns(along, taps, out, 0, 20)
    smooth.columns(along, taps, out, 20, 37)
    both = np.concatenate([taps[:0:-1], taps])
    truth = ndimage.correlate1d(plane.astype(float), both, axis=0, mode="constant")
    truth = ndimage.correlate1d(truth, both, axis=1, mode="constant")
    assert both.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(out, truth, atol=2e-6)


def test_warp_is_the_interpolating_spline(rng):
    plane, right, down = random_planes(rng, 3)
    right, down = 4 * right, 4 * down
    valid = np.ones(plane.shape, bool)
    valid[10:14, 20:25] = False
    image, inside = np.empty_like(plane), np.empty_like(plane)
    spline.warp(spline.coefficients(plane), valid, right, down, image, inside, 0, plane.shape[0])
    rows, columns = np.mgrid[: plane.shape[0], : plane.shape[1]]
    y, x = rows + down, columns + right
    truth = ndimage.map_coordinates(plane.astype(float), [y, x], order=3, mode="mirror")
    seen = (y >= 0) & (x >= 0) & (y <= plane.shape[0] - 1) & (x <= plane.shape[1] - 1)
    near = np.clip(np.rint([y, x]).astype(int), 0, np.array(plane.shape)[:, None, None] - 1)
    seen &= valid[near[0], near[1]]
    np.testing.assert_array_equal(inside, seen)
    np.testing.assert_allclose(image[seen], truth[seen], atol=2e-5)
    assert not image[~seen].any()


def plain_correlation(pre, seen, image, inside, taps):
    """Correlation in windows, in double precision."""
    both = np.concatenate([taps[:0:-1], taps]).astype(float)
    mass = (seen * inside).astype(float)

    def window(plane):
        along = ndimage.correlate1d(plane, both, axis=1, mode="constant")
        return ndimage.correlate1d(along, both, axis=0, mode="constant")

    weight = window(mass)
    safe = np.maximum(weight, 1e-12)
    a, b = window(mass * pre) / safe, window(mass * image) / safe
    aa, bb = window(mass * pre**2.0) / safe - a * a, window(mass * image**2.0) / safe - b * b
    return (window(mass * pre * image) / safe - a * b) / np.sqrt(np.maximum(aa * bb, 1e-12)), weight


def test_agreement_of_any_rectangle_is_correlation_in_windows(rng):
    pre, post, right, down = random_planes(rng, 4)
    right, down = 3 * right, 3 * down
    seen, valid = np.ones_like(pre), np.ones(pre.shape, bool)
    seen[5:9, 30:40] = 0
    coefficients, taps = spline.coefficients(post), smooth.taps(1.5)
    image, inside = np.empty_like(pre), np.empty_like(pre)
    spline.warp(coefficients, valid, right, down, image, inside, 0, pre.shape[0])
    truth, weight = plain_correlation(pre, seen, image, inside, taps)
    known = level_of(pre, post).known(1.5)
    for place in ((0, 40, 0, 52), (3, 17, 11, 52), (30, 40, 0, 9)):
        r0, r1, c0, c1 = place
        rho, mass = (np.empty((r1 - r0, c1 - c0), np.float32) for _ in range(2))
        zncc.agreement(pre, seen, known, coefficients, valid, right, down, (0, 0), taps, place, rho, mass)
        np.testing.assert_allclose(mass, weight[r0:r1, c0:c1], atol=1e-6)
        good = mass > 0.2
        np.testing.assert_allclose(rho[good], truth[r0:r1, c0:c1][good], atol=2e-4)


def level_of(pre, post):
    one = np.ones_like(pre)
    return Level(pre, post, one, one)


def test_agreement_inside_needs_half_of_the_sums_and_is_the_same(rng):
    """Rectangles in which all is seen take another way than those with gaps."""
    pre, post = random_planes(rng, 2, (200, 90))
    taps, coefficients = smooth.taps(2.0), spline.coefficients(post)
    zero, one, valid = np.zeros_like(pre), np.ones_like(pre), np.ones(pre.shape, bool)
    known, place = level_of(pre, post).known(2.0), (0, 200, 0, 90)
    rho, mass = np.empty_like(pre), np.empty_like(pre)
    zncc.agreement(pre, one, known, coefficients, valid, zero, zero, (0, 0), taps, place, rho, mass)
    truth, weight = plain_correlation(pre, one, post, one, taps)
    np.testing.assert_allclose(mass, weight, atol=1e-6)
    np.testing.assert_allclose(rho, truth, atol=3e-4)


@pytest.mark.parametrize("factor", [2, 4])
def test_blocks_are_the_reverse_of_enlarging_and_windows_of_them_gaussian(rng, factor):
    shape = (37, 50)
    blocks = tuple(-(-n // factor) for n in shape)
    plane, small = rng.random(shape).astype(np.float32), rng.random(blocks).astype(np.float32)
    means, large = np.empty(blocks, np.float32), np.empty(shape, np.float32)
    smooth.gather_blocks(plane, factor, means, 0, blocks[0])
    smooth.enlarge(small, factor, large, 0, 20)
    smooth.enlarge(small, factor, large, 20, 37)
    assert (plane * large).sum() == pytest.approx(factor**2 * (means * small).sum(), rel=1e-5)
    impulse = np.zeros((128, 128), np.float32)
    impulse[61, 64] = 1
    sigma = 2.0 * factor
    exact, quick = planes.blurred(impulse, sigma), planes.blur(impulse, sigma)
    assert np.abs(exact - quick).max() < 0.04 * exact.max()
    assert quick.sum() == pytest.approx(1, abs=1e-4)


def test_correlation_in_wide_windows_is_nearly_that_of_all_pixels(rng):
    pre, post = random_planes(rng, 2, (128, 144))
    post = 0.6 * pre + 0.4 * post
    level, field = level_of(pre, post), np.zeros((2, 128, 144), np.float32)
    rho, mass = correlation(level, field, 8.0)
    truth, weight = plain_correlation(pre, np.ones_like(pre), post, np.ones_like(pre), smooth.taps(8.0))
    inside = (slice(12, -12),) * 2
    np.testing.assert_allclose(mass[inside], weight[inside], atol=0.02)
    assert np.abs(rho - truth)[inside].max() < 0.05


@pytest.mark.parametrize("width", [20, 600])
def test_waves_are_relaxations_one_after_another(rng, width):
    out = 0.2 * rng.random(variational.room(60, width).shape).astype(np.float32)
    one, two, omega = out.copy(), out.copy(), np.float32(1.5)
    for sweep in range(10):
        variational.relax(out.ravel(), out.shape[3], sweep % 2, omega, 0, 60, 0, out.shape[3] - 2)
    variational.wave(one, 10, omega, 0, 60, False, False)
    variational.wave(two, 10, omega, 0, 25, False, True)
    variational.wave(two, 10, omega, 25, 60, True, False)
    variational.mend(two, 10, omega, 25)
    np.testing.assert_array_equal(one, out)
    np.testing.assert_array_equal(two, out)


def test_search_finds_the_shift_of_each_half(rng):
    image = ndimage.gaussian_filter(rng.standard_normal((48, 60)), 0.8).astype(np.float32)
    post = np.vstack([np.roll(image[:24], 2, axis=1), np.roll(image[24:], -3, axis=1)])
    rows, columns = np.arange(-2, 3), np.pad(np.arange(-4, 5), 1, constant_values=-60)
    shifts = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    taps = smooth.taps(1.5)

    def moments(plane):
        window = [
            ndimage.gaussian_filter(each, 1.5, mode="constant", truncate=3)
            for each in (plane**0, plane, plane**2)
        ]
        return np.stack([window[0], window[1] / window[0], window[2] / window[0]]).astype(np.float32)

    volume = np.empty((48, 60, len(shifts)), np.float32)
    sgm.costs(image, post, moments(image), moments(post), shifts, taps, np.float32(10), volume, 0, 30)
    sgm.costs(image, post, moments(image), moments(post), shifts, taps, np.float32(10), volume, 30, 48)
    total = np.zeros_like(volume)
    for direction in range(4):
        sgm.paths(volume, 11, np.float32(3), np.float32(20), total, direction, 0, 48 if direction < 2 else 60)
    u, v = np.empty((48, 60), np.float32), np.empty((48, 60), np.float32)
    sgm.winners(total, shifts, u, v, 0, 48)
    inner = slice(8, -8)
    assert (u[:20, inner] == 2).all() and (u[28:, inner] == -3).all()
    assert not v[:20, inner].any() and not v[28:, inner].any()


def plain_path(volume, ny, nx, one, far):
    """Costs along a path to the right, label by label."""
    height, width, labels = volume.shape
    grid = [(k // nx, k % nx) for k in range(labels)]
    out = np.zeros_like(volume)
    for r in range(height):
        before = np.zeros(labels)
        for c in range(width):
            least = before.min() if c else 0.0
            for k, (y, x) in enumerate(grid):
                near = [before[j] for j, (p, q) in enumerate(grid) if max(abs(p - y), abs(q - x)) == 1]
                best = min([before[k], least + far] + [value + one for value in near])
                out[r, c, k] = volume[r, c, k] + best - least
            before = out[r, c]
    return out


@pytest.mark.parametrize("direction", range(4))
def test_path_costs_match_their_definition(rng, direction):
    volume = -rng.random((4, 5, 12)).astype(np.float32) * 8
    apart = np.full((4, 5, 3, 6), sgm.HUGE, np.float32)
    apart[..., 1:-1] = volume.reshape(4, 5, 3, 4)
    apart, lines = apart.reshape(4, 5, 18), 4 if direction < 2 else 5
    sums = np.zeros_like(apart)
    sgm.paths(apart, 6, np.float32(0.5), np.float32(2.0), sums, direction, 0, lines)
    total = sums.reshape(4, 5, 3, 6)[..., 1:-1].reshape(volume.shape)
    turn = (lambda a: a, lambda a: a[:, ::-1], lambda a: a.swapaxes(0, 1), lambda a: a[::-1].swapaxes(0, 1))[
        direction
    ]
    truth = plain_path(turn(volume), 3, 4, 0.5, 2.0)
    np.testing.assert_allclose(turn(total), truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("toll", "taken"), [(0.5, True), (50.0, False)])
def test_a_pixel_takes_what_matches_better_only_with_enough_gain_or_company(rng, toll, taken):
    pre = ndimage.gaussian_filter(rng.standard_normal((40, 40)), 1.0).astype(np.float32)
    post = np.roll(pre, 3, axis=1)
    known = level_of(pre, post).known(2.0)
    images = (pre, np.ones_like(pre), known, spline.coefficients(post), np.ones(pre.shape, bool))
    wide, score = np.zeros((2, 56, 56), np.float32), np.full((40, 40), 1.01, np.float32)
    new = np.zeros((3, 40, 40), np.float32)
    rules, move = np.array([toll, 0.01, 0.25], np.float32), (np.float32(3), np.float32(0))
    place, taps = (8, 32, 8, 30), smooth.taps(2.0)
    count = hypothesis.consider(images, (wide, 8, score), (wide, (8, 8), move), taps, rules, place, new)
    assert count == (24 * 22 if taken else 0)
    assert (new[0, 8:32, 8:30] == (3 if taken else 0)).all()
    assert not new[0, :8].any() and not new[0, :, 30:].any()


def test_a_sweep_tries_what_is_worth_it_and_settles_what_was_taken(rng):
    pre = ndimage.gaussian_filter(rng.standard_normal((40, 40)), 1.0).astype(np.float32)
    known, post = level_of(pre, pre).known(2.0), spline.coefficients(np.roll(pre, 3, axis=1))
    images = (pre, np.ones_like(pre), known, post, np.ones(pre.shape, bool))
    wide, score = np.zeros((2, 56, 56), np.float32), np.full((40, 40), 1.01, np.float32)
    score[:, 20:] = 0.02
    new = np.stack([*wide[:, 8:48, 8:48], score])
    changed, limits = np.zeros((3, 3, 5), np.int64), np.array([0.25, 0.1], np.float32)
    rules, move = np.array([0.5, 0.01, 0.25], np.float32), (np.float32(3), np.float32(0))
    tried, present = (wide, (8, 8), move), (wide, 8, score)
    how = smooth.taps(2.0), rules, limits
    hypothesis.sweep(images, present, tried, *how, np.zeros((3, 3), bool), 16, new, changed, 0, 40)
    assert not new[:2].any() and not changed.any()
    hypothesis.sweep(images, present, tried, *how, np.ones((3, 3), bool), 16, new, changed, 0, 40)
    assert not wide.any()
    hypothesis.settle(new, wide, 8, score, changed)
    assert (wide[0, 16:40, 16:26] == 3).all() and (score[8:32, 8:18] < 0.1).all()
    assert not wide[:, :, 28:].any()
    assert changed[..., 3].max() == 20 and changed[..., 4].sum() == 40 * 20


def test_votes_count_the_neighbours_that_already_move_so():
    wide = np.zeros((2, 30, 30), np.float32)
    wide[0, :, 15:] = 4
    agree = hypothesis.votes(wide, 15, 14, np.float32(4), np.float32(0), hypothesis.RING)
    assert agree == sum(dx > 0 for _, dx in hypothesis.RING) / len(hypothesis.RING)
    assert hypothesis.votes(wide, 15, 6, np.float32(4), np.float32(0), hypothesis.RING) == 0


def test_the_better_claim_hides_the_other():
    field = np.zeros((2, 12, 30), np.float32)
    field[0, :, :10] = 8
    rho = np.ones((12, 30), np.float32)
    rho[:, 10:18] = 0.5
    owner, free = np.full((12, 30), -1, np.int64), np.ones((12, 30), bool)
    claims.claim(field, rho, owner)
    claims.hidden(field, owner, free)
    assert free[:, :10].all() and free[:, 18:].all()
    assert not free[:, 10:18].any()


@pytest.mark.parametrize("size", [3, 9])
def test_squares_of_one_value_are_found_up_to_the_border(rng, size):
    image = np.float32(rng.integers(0, 4, (40, 52)))
    for rows, columns in ((slice(0, 7), slice(3, 20)), (slice(20, 40), slice(40, 52)), (slice(12, 25), 30)):
        image[rows, columns] = 7
    image[10:22, 10:22] = 3
    truth = ndimage.maximum_filter(image, size) == ndimage.minimum_filter(image, size)
    found = masks.uniform(image, size)
    assert truth.any()
    np.testing.assert_array_equal(found, truth)
    assert masks.uniform(np.arange(400.0).reshape(20, 20), size) is None
