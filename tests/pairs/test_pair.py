"""Displacement, and pairs of images with the truth on both grids."""

import dataclasses
import json

import numpy as np
import pytest

from dislok import images
from dislok.nn import pairs
from dislok.nn.pairs import sensor
from dislok.nn.pairs.displacement import self_affine
from dislok.nn.pairs.distributions import Fixed

SHAPE = (128, 144)
STRAIGHT = {"roughness": Fixed(0.0), "variation": Fixed(0.0), "zone": Fixed(0.0), "tip": Fixed(False)}


def drawn(seed, limits, fault=None, recipe=None, shape=SHAPE):
    rng = np.random.default_rng(seed)
    fault = pairs.ScrewFault() if fault is None else fault
    moved = pairs.amplitude_in(fault.draw(rng, shape), rng, limits)
    ground = pairs.Fractal(slope=Fixed(3.4)).draw(rng, moved.right.shape)
    return pairs.make_pair(ground, moved, rng, recipe)


def equal(a, b):
    """Whether two pairs are the same, bit for bit."""
    arrays = [
        (x.pre, x.post, x.flow_pre.values, x.flow_post.values, x.flow_pre.valid, x.flow_post.valid)
        for x in (a, b)
    ]
    return a.meta == b.meta and all(
        np.array_equal(x, y, equal_nan=True) for x, y in zip(*arrays, strict=True)
    )


def test_one_state_makes_one_pair():
    first, second, other = (drawn(seed, pairs.RANGES[2]) for seed in (3, 3, 4))
    assert equal(first, second) and not equal(first, other)


def test_threads_change_nothing(rng):
    moved = pairs.ScrewFault().draw(rng, SHAPE).scaled(9.0)
    ground = pairs.Terrain().draw(rng, moved.right.shape)
    one, two = (pairs.make_pair(ground, moved, np.random.default_rng(1), threads=n) for n in (1, 2))
    assert equal(one, two)


@pytest.mark.parametrize("limits", pairs.RANGES)
def test_truth_brings_the_images_together(limits):
    """Warped by the truth on its grid, each image is the other but for interpolation, at every amplitude."""
    pair = drawn(8, limits, recipe=pairs.Recipe.plain())
    assert limits[0] <= pair.meta["amplitude"] <= limits[1]
    scale = np.nanstd(pair.pre)
    for here, there, flow, way in (
        (pair.pre, pair.post, pair.flow_pre, 1), (pair.post, pair.pre, pair.flow_post, -1),
    ):  # fmt: skip
        back = images.warp(np.nan_to_num(there), way * flow.right, way * flow.down)
        usable = flow.valid & back.valid
        # near the trace a spline of the other image sees both sides of the jump
        if way == 1:
            usable &= pair.distance > 8
        assert usable.mean() > 0.2
        assert np.median(np.abs(back.values - here)[usable]) < 0.02 * scale
    assert pair.correlation() > 0.97


def test_both_truths_agree():
    """The displacement at the place that a pixel's ground has gone to is that of the pixel."""
    pair = drawn(9, (5, 15), recipe=pairs.Recipe.plain())
    rows, columns = np.nonzero(pair.flow_pre.valid & (pair.distance > 12))
    at = np.rint(rows + pair.flow_pre.down[rows, columns]).astype(int)
    beside = np.rint(columns + pair.flow_pre.right[rows, columns]).astype(int)
    assert pair.flow_post.valid[at, beside].mean() > 0.99
    here, there = pair.flow_pre.values[rows, columns], pair.flow_post.values[at, beside]
    near = pair.flow_post.valid[at, beside]
    assert np.abs(here - there)[near].max() < 0.05 * pair.meta["amplitude"]


def test_the_jump_is_sharp():
    """Across a straight trace the truth on both grids jumps from one pixel to the next, by the slip."""
    fault = pairs.ScrewFault(strike=Fixed(0.0), offset=Fixed(0.0), depth=Fixed(2000.0), **STRAIGHT)
    pair = drawn(1, (6, 6), fault, pairs.Recipe.plain())
    for flow in (pair.flow_pre, pair.flow_post):
        row = flow.values[60, :, 1]
        steps = np.abs(np.diff(row))
        assert (steps > 1).sum() == 1 and steps.max() > 11.9
    # the fault's right hand, east, moves along strike: north
    assert pair.flow_pre.values[60, -1, 1] > 0 > pair.flow_pre.values[60, 0, 1]


def test_depth_decides_how_far_it_is_felt(rng):
    """One depth away from the trace a wall moves half as far as beside it."""
    fault = pairs.ScrewFault(strike=Fixed(90.0), offset=Fixed(0.0), depth=Fixed(40.0), **STRAIGHT)
    moved = fault.draw(rng, (161, 161), margin=20)
    profile = np.abs(moved.right[:, 100])
    middle = (len(profile) - 1) // 2
    np.testing.assert_allclose(profile[middle + 40], 0.25, atol=0.01)
    np.testing.assert_allclose(profile[middle + 1], 0.5, atol=0.01)


def test_a_tip_ends_the_jump(rng):
    fault = pairs.ScrewFault(strike=Fixed(90.0), offset=Fixed(0.0), **STRAIGHT | {"tip": Fixed(True)})
    moved = fault.draw(rng, (128, 128))
    step = np.abs(np.diff(moved.right, axis=0)).max(0)
    end = int(moved.traces[0][:, 0].min())
    assert step[: end - 4].max() < 0.03 and step[end + 40] > 0.4


@pytest.mark.parametrize("hurst", [0.6, 0.8])
def test_traces_are_self_affine(rng, hurst):
    """Differences over a distance grow as its power: the exponent within 0.1 of the one asked for."""
    lags = np.array([4, 8, 16, 32, 64])
    sizes = []
    for _ in range(60):
        line = self_affine(rng, 2048, hurst)
        sizes.append([np.mean((line[lag:] - line[:-lag]) ** 2) for lag in lags])
    slope = np.polyfit(np.log(lags), np.log(np.mean(sizes, 0)), 1)[0] / 2
    assert abs(slope - hurst) < 0.1


def test_amplitudes(rng):
    moved = pairs.ScrewFault().draw(rng, SHAPE)
    found = [pairs.amplitude_in(moved, rng, (1, 5)).amplitude for _ in range(300)]
    assert 1 <= min(found) and max(found) <= 5.001 and abs(np.mean(found) - 3) < 0.3
    logs = [np.log(pairs.amplitude_in(moved, rng, (0.01, 1), "log").amplitude) for _ in range(300)]
    assert abs(np.mean(logs) - np.log(0.1)) < 0.3
    metres = pairs.of_metres(np.full(SHAPE, 3.0), np.full(SHAPE, 6.0), 1.5)
    assert metres.right[0, 0] == 2.0 and metres.down[0, 0] == -4.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, r: pairs.amplitude_in(m, r, (0, 1)), "must be positive and in order"),
        (lambda m, r: pairs.amplitude_in(m, r, (1, 2), "linear"), "law is 'linear'"),
        (lambda m, r: pairs.amplitude_in(m.scaled(0), r, (1, 2)), "nothing moves"),
        (lambda m, r: pairs.of_metres(m.right, m.down, 0), "spacing is 0"),
        (lambda m, r: pairs.Displacement(m.right, m.down[1:]), "right and down must be"),
        (lambda m, r: dataclasses.replace(m, margin=500), "leaves nothing"),
        (lambda m, r: dataclasses.replace(m, traces=(np.zeros((1, 2)),)), "traces\\[0\\] must be"),
        (lambda m, r: dataclasses.replace(m, traces=m.traces * 9), "at most 8 traces"),
        (
            lambda m, r: pairs.make_pair(pairs.Fractal().draw(r, SHAPE), m, r),
            "texture is \\(128, 144\\) pixels",
        ),
    ],
)
def test_errors(rng, call, words):
    moved = pairs.ScrewFault().draw(rng, SHAPE)
    with pytest.raises(ValueError, match=words):
        call(moved, rng)


def only(**parts):
    return dataclasses.replace(pairs.Recipe.plain(), **parts)


def test_misregistration_is_in_the_truth_or_not():
    error = sensor.Misregistration(1.0, Fixed(0.4), Fixed(0.0), Fixed(0.0), in_truth=True)
    with_it = drawn(5, (1, 1), recipe=only(misregistration=error))
    without = drawn(5, (1, 1), recipe=only(misregistration=dataclasses.replace(error, in_truth=False)))
    plain = drawn(5, (1, 1), recipe=pairs.Recipe.plain())
    np.testing.assert_array_equal(with_it.post, without.post)
    np.testing.assert_array_equal(without.flow_pre.values, plain.flow_pre.values)
    added = with_it.flow_pre.values - plain.flow_pre.values
    np.testing.assert_allclose(added - np.array([0.4, -0.4]), 0, atol=1e-5)
    assert with_it.correlation() > 0.999 > without.correlation()


def test_what_is_not_seen_is_not_valid():
    gaps = sensor.Gaps(1.0, Fixed("lines"), Fixed(0.2))
    pair = drawn(6, (5, 5), recipe=only(gaps=gaps))
    assert np.isnan(pair.pre).any() and np.isnan(pair.post).any()
    assert not pair.valid[np.isnan(pair.pre)].any()
    assert not pair.flow_post.valid[np.isnan(pair.post)].any()
    back = images.warp(pair.post, pair.flow_pre.right, pair.flow_pre.down, order=3)
    assert 0.2 < pair.valid.mean() < 0.75
    assert (back.valid & ~pair.valid & ~np.isnan(pair.pre) & (pair.distance > 9)).mean() < 0.01


def test_invalid_ground_is_invalid_in_both_images(rng):
    moved = pairs.ScrewFault().draw(rng, SHAPE).scaled(3.0)
    image = rng.uniform(1, 2, moved.right.shape)
    image[90:100, 90:110] = np.nan
    pair = pairs.make_pair(pairs.of_image(image), moved, rng, pairs.Recipe.plain())
    for date in (pair.pre, pair.post):
        assert 150 < np.isnan(date).sum() < 900
    assert not pair.valid[np.isnan(pair.pre)].any()


@pytest.mark.parametrize(
    "part", ["sun", "cover", "patches", "haze", "radiometry", "blur", "stripes", "noise"]
)
def test_every_part_changes_the_images_and_not_the_truth(part):
    """Alone and always on, each part changes the second image; the truth stays what it is."""
    alone = dataclasses.replace(getattr(pairs.Recipe(), part), probability=1.0)
    plain, changed = (drawn(2, (2, 2), recipe=r) for r in (pairs.Recipe.plain(), only(**{part: alone})))
    assert not np.array_equal(plain.post, changed.post)
    np.testing.assert_array_equal(plain.flow_pre.values, changed.flow_pre.values)
    np.testing.assert_array_equal(plain.valid, changed.valid)
    assert 0.3 < changed.correlation() < 0.99999


def test_default_pairs_look_like_two_dates():
    """Most correlate above 0.9, nearly all above 0.5; every number is in the record."""
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        moved = pairs.amplitude_in(pairs.ScrewFault().draw(rng, (96, 96)), rng, pairs.RANGES[seed % 3])
        pair = pairs.make_pair(pairs.AnyGround().draw(rng, moved.right.shape), moved, rng)
        json.dumps(pair.meta)
        found.append(pair.correlation() if pair.valid.mean() > 0.1 else np.nan)
    found = np.array(found)[~np.isnan(found)]
    assert len(found) >= 28
    assert 0.4 < (found > 0.9).mean() < 0.9 and (found > 0.5).mean() > 0.9


def test_both_images_are_resampled():
    """Neither image is the scene itself: both grids lie a part of a pixel aside; the truth is unchanged."""
    plain, both = (drawn(7, (2, 2), recipe=only(resample_both=b)) for b in (False, True))
    np.testing.assert_array_equal(plain.flow_pre.values, both.flow_pre.values)
    assert not np.array_equal(plain.pre, both.pre)
    assert 0.5 < np.corrcoef(plain.pre[both.valid], both.pre[both.valid])[0, 1] < 0.9999
    assert both.correlation() > 0.95
