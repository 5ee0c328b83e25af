"""`match` on pairs with known motion, and what it says about bad ones."""

import numpy as np
import pytest

from dislok.nn.flow import FlowMap
from dislok.nn.match import NoMatch, Settings, doubt, match, trace

from . import scenes

SHAPE = (160, 192)
INSIDE = (slice(24, -24), slice(24, -24))


@pytest.fixture(scope="module")
def pair():
    """A fault with 6 px of slip, 3 % noise, and its motion."""
    rng = np.random.default_rng(5)
    right, down = scenes.fault(SHAPE, 6.0)
    image = scenes.ground(rng, SHAPE)
    post = scenes.moved(image, right, down)
    return scenes.noisy(image, rng, 0.03), scenes.noisy(post, rng, 0.03), right, down


@pytest.fixture(scope="module")
def found(pair):
    return match(pair[0], pair[1])


def length(found, right, down):
    return np.hypot(found.right - right, found.down - down)


def test_a_fault_is_measured_and_stays_sharp(pair, found):
    error = length(found, *pair[2:])[INSIDE]
    assert isinstance(found, FlowMap) and found.frame == "pre"
    assert np.median(error) < 0.03
    middle = SHAPE[0] // 2
    step = np.median(found.right[middle + 6] - found.right[middle - 7])
    assert step == pytest.approx(np.median(pair[2][middle + 6] - pair[2][middle - 7]), abs=0.1)
    rows = np.abs(np.arange(SHAPE[0]) - (SHAPE[0] - 1) / 2)[:, None] + np.zeros(SHAPE)
    assert np.mean(length(found, *pair[2:])[INSIDE][(rows > 3)[INSIDE]] > 1) < 0.002


def test_shading_does_not_hide_that_fine_texture_has_gone_far():
    rng = np.random.default_rng(8)
    image, dark = scenes.ground(rng, SHAPE), np.tanh(np.arange(SHAPE[1]) / 20 - 4) + np.zeros(SHAPE)
    right = np.where(np.arange(SHAPE[0])[:, None] > SHAPE[0] // 2, 14.0, -14.0) + np.zeros(SHAPE)
    first, second = (
        scenes.noisy(each, rng, 0.02) + 2000 * dark for each in (image, scenes.moved(image, right, 0 * right))
    )
    found = match(first, second)
    far = (np.abs(np.arange(SHAPE[0]) - SHAPE[0] / 2) > 8)[:, None] & (np.abs(np.arange(SHAPE[1]) - 96) < 60)
    assert np.mean(length(found, right, 0 * right)[INSIDE][far[INSIDE]] > 1) < 0.01


def test_each_level_has_a_window_of_its_normalisation():
    with pytest.raises(ValueError, match="contrast must be 4 positive windows"):
        Settings(contrast=(10.0, 10.0, 3.0))


def test_error_and_score_tell_good_from_bad(pair, found):
    error = length(found, *pair[2:])
    assert (found.error > 0).all() and found.error.dtype == np.float32
    far = np.abs(np.arange(SHAPE[0]) - SHAPE[0] / 2) > 20
    normal = error[far][:, 24:-24] / np.hypot(*np.moveaxis(found.error, -1, 0))[far][:, 24:-24]
    assert 0.2 < np.sqrt(np.mean(normal**2)) < 2
    assert np.median(found.score) > 0.9
    assert found.valid[INSIDE].mean() > 0.9


def test_the_other_frame_has_the_motion_of_what_the_other_image_shows(pair):
    right = np.full(SHAPE, 3.3)
    post = scenes.moved(pair[0], right, 0 * right)
    back = match(pair[0], post, reference="post")
    assert back.frame == "post"
    np.testing.assert_allclose(back.values[INSIDE][..., 0], 3.3, atol=0.05)
    np.testing.assert_allclose(back.values[INSIDE][..., 1], 0, atol=0.05)


def test_gain_offset_and_dtype_change_nothing_much(pair, found):
    dark = np.uint16(np.clip(0.4 * pair[1] + 70, 0, 65535))
    again = match(pair[0].astype(np.float32), dark)
    apart = np.hypot(*np.moveaxis(again.values - found.values, -1, 0))[INSIDE]
    assert np.median(apart) < 0.01


def test_pixels_without_data_change_nothing_far_away_and_are_not_valid(pair, found):
    pre, post = pair[0].copy(), pair[1].copy()
    pre[20:40, 30:60] = np.nan
    valid = np.ones(SHAPE, bool)
    valid[120:130, 100:140] = False
    post[~valid] = 1e9
    holes = match(pre, post, valid=(None, valid))
    assert not holes.valid[20:40, 30:60].any() and np.isfinite(holes.values).all()
    assert np.median(length(holes, *pair[2:])[INSIDE]) < 0.03


def test_images_of_other_size_and_a_far_shift(rng):
    image = scenes.ground(rng, (260, 300))
    pre, post = image[:160, :192], image[90:250, 80:280]
    got = match(pre, post)
    assert got.shape == (160, 192)
    overlap = got.values[100:150, 100:180]
    np.testing.assert_allclose(overlap[..., 0], -80, atol=0.05)
    np.testing.assert_allclose(overlap[..., 1], 90, atol=0.05)


def test_trace_gives_planes_of_one_shape(pair, found):
    told = trace(pair[0], pair[1], count=2)
    assert told.pre.shape == told.post.shape == told.cost.shape == SHAPE
    assert told.hypotheses.shape == (2, 2, *SHAPE) and told.costs.shape == (2, *SHAPE)
    np.testing.assert_array_equal(told.field[0], found.right)
    assert (np.diff(told.costs, axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: (a * np.nan, a), "pre has no valid pixel"),
        (lambda a: (a, a * 0 + 7), "post has the value 7 in all"),
        (lambda a: (a, np.random.default_rng(8).standard_normal(a.shape)), "nothing of pre is recognised"),
    ],
)
def test_a_hopeless_pair_says_why(pair, change, words):
    with pytest.raises(NoMatch, match=words):
        match(*change(pair[0]))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.zeros((3, 80, 80)), np.zeros((80, 80))), ValueError, "pre must be an image of shape"),
        ((np.zeros((80, 80)), np.zeros((30, 80))), ValueError, "post must have at least 64"),
        ((np.zeros((80, 80), complex), np.zeros((80, 80))), TypeError, "pre must hold real numbers"),
    ],
)
def test_wrong_input_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        match(*arguments)


def test_wrong_options_are_named():
    image = np.random.default_rng(0).random((80, 80))
    with pytest.raises(ValueError, match="reference must be one of"):
        match(image, image, reference="mid")
    with pytest.raises(ValueError, match=r"valid \(pre\) must be booleans of shape \(80, 80\)"):
        match(image, image, valid=np.ones((80, 80)))


def test_fill_and_saturation_are_not_ground(pair):
    """In areas of one value nothing can be told, and nothing is said; the ground beside them is measured."""
    pre, post, right, down = (plane.copy() for plane in pair)
    fill = slice(40, 90), slice(60, 120)
    pre[fill] = post[fill] = 0.0
    post[100:140, 20:50] = 4095.0
    found = match(pre, post)
    assert not found.valid[fill].any() and not found.valid[104:136, 24:46].any()
    assert found.valid[INSIDE].mean() > 0.5
    assert (length(found, right, down)[found.valid] > 1).mean() < 0.01


def test_tensors_are_served_on_the_cpu_and_refused_elsewhere(pair, found):
    torch = pytest.importorskip("torch")
    tensors = [torch.asarray(plane) for plane in pair[:2]]
    np.testing.assert_array_equal(match(*tensors).values, found.values)
    with pytest.raises(TypeError, match="pre is on meta; match works on the CPU alone"):
        match(tensors[0].to("meta"), tensors[1])
    with pytest.raises(TypeError, match="post is on meta"):
        trace(tensors[0], tensors[1].to("meta"))
    seen = torch.ones(SHAPE, dtype=torch.bool)
    with pytest.raises(TypeError, match=r"valid \(pre\) is on meta"):
        match(*tensors, valid=seen.to("meta"))
    rough = match(tensors[0].bfloat16(), tensors[1].bfloat16(), valid=seen)
    assert np.median(length(rough, *pair[2:])[INSIDE]) < 0.1


def test_both_ways_removes_pixels_alone(pair, found):
    both = match(*pair[:2], both_ways=True)
    np.testing.assert_array_equal(both.values, found.values)
    np.testing.assert_array_equal(both.error, found.error)
    assert not (both.valid & ~found.valid).any() and both.valid[INSIDE].mean() > 0.9
    right = length(found, *pair[2:]) < 0.2
    assert (found.valid & ~both.valid & right)[INSIDE].mean() < 0.02


def test_motion_leads_back_only_where_the_way_back_is_its_opposite():
    there = np.zeros((2, 6, 8), np.float32)
    there[0], there[1] = 2.0, 1.0
    back = np.zeros((2, 7, 8), np.float32)
    back[0], back[1] = -2.0, -1.4
    back[:, 4, 5] = 7.0
    found = doubt.leads_back(there, back)
    assert not found[:, 6:].any() and not found[3, 3]
    assert found[:, :6].sum() == 6 * 6 - 1


@pytest.mark.parametrize(("strength", "share"), [(200, 0.9), (300, 0.25)])
def test_ground_that_resembles_itself_little_is_recognised_in_wide_windows(strength, share):
    """Noise as strong as the ground and stronger, on both dates; a lake among it is not called valid."""
    rng, shape = np.random.default_rng(0), (224, 256)
    ground, right = scenes.ground(rng, shape), np.full(shape, 2.0)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(rows - 112, columns - 128)
    pre, post = (
        each + strength * rng.standard_normal(shape)
        for each in (ground, scenes.moved(ground, right, 0 * right))
    )
    found = match(pre, np.where(away < 45, 1000 + strength * rng.standard_normal(shape), post))
    inside = (slice(24, -24),) * 2
    wrong = length(found, right, 0 * right) > 1
    assert np.median(found.score) < 0.3
    assert found.valid[inside][away[inside] > 45].mean() > share
    assert (wrong & found.valid)[inside].mean() < 0.002
    assert found.valid[away < 25].mean() < 0.1
