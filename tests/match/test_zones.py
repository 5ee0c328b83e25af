"""Zones in which motion changes fast: their kernels against plain NumPy, and what they are for."""

from dataclasses import replace

import numpy as np
import pytest

from dislok.kernels.images import spline, zone
from dislok.nn.match import Settings, match, zones
from dislok.nn.match.inputs import prepare
from dislok.nn.match.planes import pyramid
from dislok.nn.match.refining import Refine, refined

from . import scenes

SHAPE = (128, 160)
HOW = zones.Zone()


def sheared(slip, width):
    """Motion of a zone `width` rows wide along the middle row, between rigid sides; its distance to it."""
    distance = np.arange(SHAPE[0])[:, None] - (SHAPE[0] - 1) / 2 + np.zeros(SHAPE)
    return slip * np.clip(distance / width, -0.5, 0.5), distance


@pytest.fixture(scope="module")
def zone_pair():
    """Images of a zone 12 rows wide with a slip of 18 px, the motion, and the distance to its middle."""
    rng = np.random.default_rng(11)
    right, distance = sheared(18.0, 12.0)
    image = scenes.ground(rng, SHAPE)
    post = scenes.moved(image, right, 0 * right)
    return scenes.noisy(image, rng, 0.02), scenes.noisy(post, rng, 0.02), right, distance


def level_of(pre, post):
    pair, _, _ = prepare(pre, post, None)
    return pyramid(pair.pre, pair.post, pair.seen_pre, pair.seen_post, (10.0,))[0]


def rooms(count):
    return np.full((2, 3 * count), zone.HUGE, np.float32)


def test_a_message_is_the_least_over_all_neighbours(rng):
    cost, before = rng.random(23).astype(np.float32), 5 * rng.random(23).astype(np.float32)
    now = np.empty(23, np.float32)
    zone.message(cost, before, np.float32(0.3), rooms(23), now)
    k = np.arange(23)
    least = (before[None] + 0.3 * np.abs(k[:, None] - k[None])).min(1)
    np.testing.assert_allclose(now, cost + least - least.min(), atol=1e-5)


def test_paths_join_pixels_of_a_row_and_of_a_column_and_stop_at_gaps(rng):
    mask = np.array([[1, 1, 0, 1], [1, 1, 1, 0]], bool)
    rows, columns = np.nonzero(mask)
    index = np.full(mask.shape, -1, np.int64)
    index[mask] = np.arange(len(rows))
    volume = rng.random((len(rows), 7)).astype(np.float32)
    tolls = np.full(len(rows), 0.2, np.float32)
    for direction, (dr, dc) in enumerate(((0, 1), (0, -1), (1, 0), (-1, 0))):
        total, truth = np.zeros_like(volume), {}
        zone.paths(volume, index, rows, columns, direction, tolls, total)
        order = range(len(rows)) if direction % 2 == 0 else range(len(rows) - 1, -1, -1)
        for p in order:
            truth[p] = volume[p].copy()
            at = rows[p] - dr, columns[p] - dc
            if 0 <= at[0] < 2 and 0 <= at[1] < 4 and mask[at]:
                out = np.empty(7, np.float32)
                zone.message(volume[p], truth[index[at]], np.float32(0.2), rooms(7), out)
                truth[p] = out
        np.testing.assert_allclose(total, [truth[p] for p in range(len(rows))], atol=1e-6)


def test_cost_is_that_of_the_correlation_in_the_window(rng):
    pre, post = (rng.standard_normal((30, 40)).astype(np.float32) for _ in range(2))
    seen = np.ones_like(pre)
    seen[14, 21] = 0
    rows, columns = (each.ravel() for each in np.mgrid[:30, :40])
    index = np.arange(1200).reshape(30, 40)
    low, high = np.zeros((2, 1200), np.float32), np.ones((2, 1200), np.float32) * [[3.0], [1.0]]
    weights = np.linspace(0, 1, 5).astype(np.float32)
    images = np.empty((1200, 5), np.float32)
    valid = np.ones(pre.shape, bool)
    motions = low, high.astype(np.float32)
    clean = np.empty(1200, bool)
    zone.warped(spline.coefficients(post), valid, *motions, weights, rows, columns, images, clean, 0, 1200)
    np.testing.assert_allclose(images[:, 0], post.ravel(), atol=1e-5)
    np.testing.assert_allclose(images[index[4, 6], -1], post[5, 9], atol=1e-5)
    assert np.isnan(images[index[29, 39], -1])
    offsets, taps = zones.turned(HOW.windows[0], HOW.ways)
    out = np.empty((1200, 5), np.float32)
    way = np.full(1200, 3)
    nats = np.float32(5.0), np.float32(0.02)
    zone.costs(pre, seen, images, clean, index, rows, columns, way, offsets, taps, *nats, out, 0, 1200)
    p, k = index[15, 20], 2
    y, x = 15 + offsets[3, :, 0], 20 + offsets[3, :, 1]
    b = images[index[y, x], k].astype(float)
    weight = np.where(np.isfinite(b), taps[3] * seen[y, x], 0)
    b, weight = np.nan_to_num(b), weight / weight.sum()
    a, b = pre[y, x] - weight @ pre[y, x], b - weight @ b
    rho = max(weight @ (a * b) / np.sqrt((weight @ a**2) * (weight @ b**2)), 0)
    assert out[p, k] == pytest.approx(5 * np.log(1 - rho**2 + 0.02), abs=2e-3)


def test_windows_lie_along_their_direction():
    offsets, taps = zones.turned(HOW.windows[0], HOW.ways)
    np.testing.assert_allclose(taps.sum(1), 1, atol=1e-5)
    assert set(offsets[0, :20, 0]) <= {-1, 0, 1} and np.abs(offsets[0, :, 1]).max() >= 10
    assert set(offsets[HOW.ways // 2, :20, 1]) <= {-1, 0, 1}
    quarter = offsets[HOW.ways // 4, np.argsort(-taps[HOW.ways // 4])[:7]]
    assert np.abs(quarter[:, 0] - quarter[:, 1]).max() <= 1


def test_medians_are_where_half_of_the_chance_lies_below():
    weights = np.linspace(0, 1, 5).astype(np.float32)
    chance = np.array([[0, 0, 1, 0, 0], [0.5, 0, 0, 0, 0.5], [0.6, 0, 0, 0, 0.4], [0.1, 0.2, 0.3, 0.4, 0]])
    found = zones.median(chance, weights)
    assert found[0] == pytest.approx(0.5) and found[2] == pytest.approx(0.25 * (0.5 / 0.6 - 0.5))
    assert found[1] == pytest.approx(0.125)
    assert found[3] == pytest.approx(0.5 + 0.25 * (0.2 / 0.3 - 0.5))


def test_windows_of_all_lengths_say_something_and_what_they_say_is_added(zone_pair):
    pre, post, _, distance = zone_pair
    start = np.stack([np.where(distance < 5, -9.0, 9.0), 0 * distance]).astype(np.float32)
    level = level_of(pre, post)
    fields = [
        zones.zoned(level, start, replace(HOW, windows=each)).field
        for each in (HOW.windows, HOW.windows[:1], HOW.windows[1:])
    ]
    assert all((each != start).any() for each in fields)
    assert (fields[0] != fields[1]).any() and (fields[0] != fields[2]).any()


def test_sums_of_blocks(rng):
    field, trust = rng.standard_normal((2, 8, 12)).astype(np.float32), rng.random((8, 12)).astype(np.float32)
    along = np.stack([np.ones((2, 3)), np.zeros((2, 3))]).astype(np.float32)
    middle = np.full((2, 3), 0.1, np.float32)
    out = np.empty((6, 2, 3), np.float32)

    def sums(plane):
        return plane.reshape(2, 4, 3, 4).sum((1, 3))

    zone.squares(field, trust, out, 0, 2)
    u, v = field
    for plane, found in zip((1, u, v, u * u, v * v, u * v), out, strict=True):
        np.testing.assert_allclose(found, sums(trust * plane), atol=1e-5)
    zone.split(field, trust, along, middle, out, 0, 2)
    low = u < 0.1
    np.testing.assert_allclose(out[1], sums(trust * low * u), atol=1e-5)
    np.testing.assert_allclose(out[3], sums(trust * ~low), atol=1e-5)
    ranges = np.empty((2, 3), np.float32)
    zone.extremes(field, ranges, 0, 2)
    most = [np.ptp(p.reshape(2, 4, 3, 4).transpose(0, 2, 1, 3).reshape(2, 3, 16), axis=-1) for p in field]
    np.testing.assert_allclose(ranges, np.maximum(*most), atol=1e-6)


def test_smooth_motion_has_no_zone(rng):
    image = scenes.ground(rng, SHAPE)
    level = level_of(image, image)
    assert zones.zoned(level, np.zeros((2, *SHAPE), np.float32), HOW) is None
    ramp = np.stack([np.linspace(0, 12, SHAPE[1])[None] + np.zeros((SHAPE[0], 1)), np.zeros(SHAPE)])
    assert zones.zoned(level, ramp.astype(np.float32), HOW) is None


def test_a_zone_is_found_from_a_step_in_the_wrong_place(zone_pair):
    pre, post, right, distance = zone_pair
    start = np.stack([np.where(distance < 5, -9.0, 9.0), 0 * right]).astype(np.float32)
    found = zones.zoned(level_of(pre, post), start, HOW)
    inside = (np.abs(distance) < 7)[:, 24:-24]
    before, after = (np.abs(each[0] - right)[:, 24:-24][inside] for each in (start, found.field))
    assert before.mean() > 4 and after.mean() < 0.5
    assert (found.weight[np.abs(distance) < 5] > 0).all() and not found.weight[np.abs(distance) > 40].any()


def test_match_measures_a_zone_better_than_without(zone_pair):
    pre, post, right, distance = zone_pair
    near = (np.abs(distance) < 9)[:, 24:-24]
    without = replace(Settings(), zone=replace(HOW, least=1e9))
    errors = [
        np.hypot(each.right - right, each.down)[:, 24:-24][near].mean()
        for each in (match(pre, post), match(pre, post, settings=without))
    ]
    assert errors[0] < 0.7 and errors[0] < 0.8 * errors[1]


def test_what_is_held_stays_and_leads_its_neighbours(rng):
    image = scenes.ground(rng, SHAPE)
    level = level_of(image, image)
    wrong = np.full((2, *SHAPE), 0.8, np.float32)
    weight = np.zeros(SHAPE, np.float32)
    weight[40:80, 50:90] = 1e4
    free = refined(level, wrong, Refine(eps=0.2, rounds=15)).field
    held = refined(level, wrong, Refine(eps=0.2, rounds=15), (wrong, weight)).field
    assert np.abs(free).mean() < 0.05
    np.testing.assert_allclose(held[:, 41:79, 51:89], 0.8, atol=0.05)
    assert np.abs(held[:, :20]).mean() < 0.1
