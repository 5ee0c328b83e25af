"""Samples: the same number gives the same one, turned with their vectors, and what they say is true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_training import config

from dislok import images, store
from dislok.nn.flow import FlowMap
from dislok.nn.geoflownet import normalise
from dislok.nn.geoflownet.inputs import CHANNELS, MOVES, SCALES, Planes, features, planes
from dislok.nn.train import bank, samples
from dislok.nn.train.sources import Bank, Grounds, MadePairs, draw_pair, turned_sample

QUIET = {"data": {"crop": 64, "ranges": [[1.0, 3.0]]}}


def made(tmp_path, **data):
    return MadePairs(config(tmp_path, data={**QUIET["data"], **data}))


def test_a_number_gives_the_same_sample(tmp_path):
    source = made(tmp_path)
    first, again, other = (source.sample(number) for number in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.images, other.images)
    assert first.images.shape == (2, 64, 64) and first.truth.shape == (2, 64, 64)
    assert not np.array_equal(source.sample(3, validation=True).images, first.images)


def test_a_data_set_of_three_pairs_is_cropped_anew(tmp_path):
    source = made(tmp_path, count=3, window=80)
    first, again = source.sample(1), source.sample(4)
    assert not np.array_equal(first.images, again.images)
    # Both are parts of one pair, whose images are normalised as wholes.
    values = set(first.images[0].ravel().tolist()) & set(again.images[0].ravel().tolist())
    assert len(values) > 500


def test_only_early_ranges_in_early_stages(tmp_path):
    changes = {"ranges": [[0.1, 0.2], [3.0, 4.0]], "crop": 48}
    settings = config(tmp_path, data=changes, schedule={"stages": [[0.5, 1]]})
    source = MadePairs(settings)
    early = [np.abs(source.sample(number).truth).max() for number in range(8)]
    late = [np.abs(source.sample(number).truth).max() for number in range(60, 68)]
    # What cameras add to the motion of the ground, a few tenths of a pixel, is part of the truth.
    assert max(early) < 1 and max(late) > 2.5


def test_pairs_that_are_kept_are_the_same_in_half_precision(tmp_path):
    quiet = {"count": 3, "window": 80, "noise": 0.0, "turn": False}
    plain, kept = made(tmp_path, **quiet), made(tmp_path, keep=True, **quiet)
    for number in (1, 4, 7):
        for a, b in zip(plain.sample(number), kept.sample(number), strict=True):
            assert np.allclose(a, b, rtol=1e-3, atol=1e-3)
    assert kept._kept.cache_info().hits == 2
    assert np.array_equal(plain.sample(1, validation=True).truth, kept.sample(1, validation=True).truth)


def test_normalised_around_each_pixel(rng):
    image = rng.standard_normal((90, 120)) * np.linspace(1, 9, 120) + np.linspace(0, 500, 90)[:, None]
    known = np.ones(image.shape, bool)
    known[:20, :20] = False
    values = normalise.local(image, known)
    assert values.dtype == np.float32 and not values[~known].any()
    assert values[30:60, 20:50].std() == pytest.approx(values[30:60, 70:100].std(), rel=0.2)
    assert abs(values[30:60, 30:90].mean()) < 0.1
    assert np.allclose(values, normalise.local(3 * image + 1e4, known), atol=2e-3)


@pytest.mark.slow
def test_earthquakes_move_the_ground_too(tmp_path):
    sample = made(tmp_path, faults="earthquakes").sample(0)
    assert 0.5 < np.abs(sample.truth).max() < 4 and sample.weight.any()


def test_grounds_are_cut_from_images(tmp_path, rng):
    from dislok import raster

    pixels = (1000 + 100 * rng.standard_normal((200, 220))).astype(np.uint16)
    raster.write(tmp_path / "ground.tif", raster.Raster(pixels))
    source = made(tmp_path, textures=[str(tmp_path / "ground.tif")])
    assert source.grounds.images[0].shape == (200, 220)
    kinds = {draw_pair(48, (1.0, 2.0), source.grounds, np.random.default_rng(n))[1] for n in range(12)}
    assert kinds == {"procedural", "image 0"}


@pytest.fixture
def dated(tmp_path, rng):
    """Files of one scene at two dates: new noise, brighter, shifted by part of a pixel."""
    from scipy import ndimage

    from dislok import raster

    ground = 40 * ndimage.gaussian_filter(rng.standard_normal((210, 210)), 1.5)
    later = 1.3 * ndimage.shift(ground, (0.3, -0.2), order=5, mode="mirror")
    names = tmp_path / "first.tif", tmp_path / "second.tif"
    for name, plane in zip(names, (ground, later), strict=True):
        noisy = 1000 + 100 * plane / plane.std() + 8 * rng.standard_normal(plane.shape)
        raster.write(name, raster.Raster(noisy.astype(np.float32)))
    return [str(name) for name in names]


def test_real_second_dates_are_among_the_grounds(tmp_path, dated):
    """Their own shift is not in the truth, and the second image is that of the second file."""
    source = made(tmp_path, dates=[dated], crop=64)
    drawn = [draw_pair(64, (1.0, 2.0), source.grounds, np.random.default_rng(n)) for n in range(30)]
    kinds = [kind for _, kind in drawn]
    assert set(kinds) == {"procedural", "two dates"} and 1 <= kinds.count("two dates") <= 12
    pair = drawn[kinds.index("two dates")][0]
    assert pair.correlation() > 0.9
    assert np.median(pair.post) / np.median(pair.pre) == pytest.approx(1.0, abs=0.2)


def test_dates_that_cannot_be_used_are_refused(tmp_path, dated, rng):
    from dislok import raster

    raster.write(dated[1], raster.Raster(rng.standard_normal((210, 210)).astype(np.float32)))
    with pytest.raises(ValueError, match="no window of two dates"):
        made(tmp_path, dates=[dated], crop=64)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_vectors_turn_with_the_pixels(quarters, mirrored, rng):
    shape = (9, 9)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    field = np.stack((np.full(shape, 2.0), np.full(shape, -1.0)))  # right 2, down -1
    moved = samples.turned_vectors(field, quarters, mirrored)
    seen = [samples.turned(plane, quarters, mirrored) for plane in (rows, columns)]
    here = (4, 4)
    there = (here[0] + int(moved[1][here]), here[1] + int(moved[0][here]))
    assert seen[0][there] - seen[0][here] == -1
    assert seen[1][there] - seen[1][here] == 2


def test_normalised_by_median_and_spread():
    image = np.random.default_rng(0).normal(100, 5, (50, 50))
    image[0, 0] = 1e9
    valid = np.ones(image.shape, bool)
    valid[:, 40:] = False
    scaled = normalise.whole(image, valid)
    assert abs(np.median(scaled[valid])) < 1e-6
    assert scaled[valid].std() == pytest.approx(1, abs=0.1)
    assert scaled[0, 0] == normalise.LIMIT and not scaled[:, 40:].any()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_flat_images_are_zero(value):
    image = np.full((8, 8), value)
    assert not normalise.whole(image, np.ones(image.shape, bool)).any()
    assert not normalise.whole(image, np.zeros(image.shape, bool)).any()


def test_missing_textures_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.tif: no such file"):
        made(tmp_path, textures=[str(tmp_path / "absent.tif")])


def moved_pair(rng, shape=(80, 90), by=(1.3, -0.7)):
    """Rough ground and the same moved by a constant: pre[r, c] = post[r + down, c + right]."""
    from scipy import ndimage

    ground = ndimage.gaussian_filter(rng.standard_normal((2 * shape[0], 2 * shape[1])), 1.2)
    post = ground[: shape[0], : shape[1]]
    field = np.empty((2, *shape), np.float32)
    field[0], field[1] = by
    back = images.warp(np.ascontiguousarray(post, np.float32), field[0], field[1])
    return np.asarray(back.values), np.asarray(post, np.float32), field


def test_features_of_the_truth_fit(rng):
    pre, post, field = moved_pair(rng)
    seen = features(planes(pre), planes(post), *field)
    assert seen.shape == (CHANNELS, *pre.shape) and seen.dtype == np.float32
    inside = (slice(12, -12), slice(12, -12))
    for scale in range(len(SCALES)):
        difference = seen[scale] - seen[len(SCALES) + scale]
        assert np.abs(difference[inside]).max() < 0.2
    wrong = features(planes(pre), planes(post), *(field + 1))
    misfit = 2 * len(SCALES) + 2
    assert (wrong[misfit] - seen[misfit])[inside].min() > 1


def test_least_squares_steps_lead_to_the_truth(rng):
    pre, post, field = moved_pair(rng)
    start = field + np.array([0.2, -0.1], np.float32)[:, None, None]
    steps = features(planes(pre), planes(post), *start)[-6:].reshape(2, 3, *pre.shape)
    inside = (slice(15, -15), slice(15, -15))
    for step in steps:
        assert np.abs(np.median(step[0][inside]) + 0.2) < 0.04
        assert np.abs(np.median(step[1][inside]) - 0.1) < 0.02
    # The wider window is surer of itself.
    assert np.median(steps[1, 2][inside]) < np.median(steps[0, 2][inside])


def test_alternatives_are_motions_of_the_surroundings(rng):
    pre, post, field = moved_pair(rng)
    stepped = field.copy()
    stepped[0, :, 45:] += 3
    seen = features(planes(pre), planes(post), *stepped)
    best = seen[-3 * MOVES : -3 * MOVES + 3]
    # Just right of the step the motion from its left is right.
    assert np.median(best[0, 20:-20, 46:49]) == pytest.approx(-3)
    assert not best[1].any()


def test_unknown_pixels_are_marked(rng):
    pre, post, field = moved_pair(rng)
    post[30:40, 30:40] = np.nan
    seen = features(planes(pre), planes(post), *field)
    known = seen[2 * len(SCALES) + 3]
    assert not known[33:37, 33:36].any() and known[50:70, 50:70].all()
    assert np.isfinite(seen).all()


def test_features_turn_with_the_pair(rng):
    pre, post, field = moved_pair(rng, (64, 64))
    zero = np.zeros((2, 64, 64), np.float32)
    plain = features(planes(pre), planes(post), *field)
    for quarters, mirrored in ((1, False), (2, True), (3, True)):

        def turn(plane, quarters=quarters, mirrored=mirrored):
            return np.ascontiguousarray(samples.turned(plane, quarters, mirrored))

        vectors = np.ascontiguousarray(samples.turned_vectors(field, quarters, mirrored))
        direct = features(planes(turn(pre)), planes(turn(post)), *vectors)
        whole = turned_sample(plain, zero, np.ones((64, 64)), quarters, mirrored).images
        inside = (slice(None), slice(20, -20), slice(20, -20))
        close = np.abs(direct - whole)[inside] < 1e-3
        # Alternatives with equal misfits may change places.
        assert close[: -3 * MOVES].all() and close.mean() > 0.95


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A bank of ten pairs whose engine is off by a known field."""
    folder = tmp_path_factory.mktemp("bank")
    pieces = store.Pieces(folder, "known")
    for number in range(10):
        rng = np.random.default_rng(number)
        pair, _ = draw_pair(96, (1.0, 3.0), Grounds([]), rng)
        off = np.array([0.3, -0.2], np.float32)  # east, north
        found = FlowMap(pair.flow_pre.values + off, None, pair.valid)
        pieces.keep(f"pair-{number:05d}", lambda pair=pair, found=found: bank.piece(pair, found))
    return folder


def bank_config(kept, tmp_path):
    data = {"kind": "bank", "folder": str(kept), "crop": 48, "turn": True, "noise": 0.1}
    return config(tmp_path, network={"architecture": "scarp", "width": 0.25}, data=data)


def test_a_banks_truth_is_what_the_engine_missed(kept, tmp_path):
    source = Bank(bank_config(kept, tmp_path))
    for number in range(3):
        sample = source.sample(number, validation=True)
        assert sample.images.shape == (CHANNELS, 48, 48)
        known = sample.weight > 0
        assert np.allclose(sample.truth[0][known], -0.3, atol=1e-5)
        assert np.allclose(sample.truth[1][known], -0.2, atol=1e-5)
    lengths = {round(float(np.hypot(*source.sample(n).truth).max()), 3) for n in range(30)}
    assert max(lengths) == pytest.approx(0.361, abs=2e-3) and len(lengths) > 3


def test_a_bank_is_trained_on(kept, tmp_path):
    from dislok.nn.train.loop import Trainer

    settings = bank_config(kept, tmp_path)
    trainer = Trainer(settings, Bank(settings))
    assert trainer.run()


def test_an_empty_bank(tmp_path):
    with pytest.raises(ValueError, match="holds too few pairs: 0"):
        Bank(bank_config(tmp_path, tmp_path))


def test_planes_of_nothing():
    nothing = planes(np.full((8, 9), np.nan))
    assert isinstance(nothing, Planes) and not nothing.valid.any() and not nothing.values.any()


@given(quarters=st.integers(0, 7), seed=st.integers(0, 99))
def test_turning_back_is_doing_nothing(quarters, seed):
    field = np.random.default_rng(seed).standard_normal((2, 5, 5))
    there = samples.turned_vectors(field, quarters, False)
    assert np.array_equal(samples.turned_vectors(there, -quarters % 4, False), field)
    assert np.array_equal(samples.turned_vectors(samples.turned_vectors(field, 0, True), 0, True), field)
    length = np.sort(np.hypot(*there).ravel())
    assert np.allclose(length, np.sort(np.hypot(*field).ravel()))
