"""Real images: splits by scene, windows at other scales, two dates and how they lie on one another."""

import numpy as np
import pytest

from dislok import images, raster
from dislok.nn import pairs
from dislok.nn.pairs import align
from dislok.nn.pairs.distributions import Fixed

PLACE = (10.0, 0.0, 5000.0, 0.0, -10.0, 9000.0)


@pytest.fixture
def ground(rng):
    return pairs.Fractal(slope=Fixed(2.4)).draw(rng, (420, 460)).albedo * 1000


def later(ground, rng, *, right=0.0, down=0.0, noise=0.05):
    """A second date that lies elsewhere, with noise and another gain."""
    moved = images.warp(ground, -right + np.zeros(ground.shape), -down + np.zeros(ground.shape)).values
    return 0.8 * moved + 50 + noise * ground.std() * rng.standard_normal(ground.shape)


def test_no_scene_is_in_two_parts(rng):
    names = [f"scene-{k}" for k in range(14)] * 3
    shares = {"train": 10, "validation": 2, "test": 2}
    got = pairs.split(names, shares, rng)
    assert {part: len(g) for part, g in got.items()} == shares
    assert sorted(sum(got.values(), ())) == sorted(set(names))
    again = pairs.split(names[::-1], shares, np.random.default_rng(20160416))
    assert got == again


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_every_part_has_a_scene(rng, count):
    got = pairs.split(map(str, range(count)), {"a": 0.98, "b": 0.01, "c": 0.01}, rng)
    assert min(map(len, got.values())) >= 1 and sum(map(len, got.values())) == count


def test_splits_that_cannot_be(rng):
    with pytest.raises(ValueError, match="1 scenes cannot be split into 2 parts"):
        pairs.split(["a", "a"], {"x": 1, "y": 1}, rng)
    with pytest.raises(ValueError, match="shares must be positive"):
        pairs.split(["a", "b"], {"x": 1, "y": 0}, rng)


def test_libraries_cut_windows_of_scenes(rng, ground):
    library = pairs.Library([pairs.of_image(ground, kind="a.tif")], scale=Fixed(1.0))
    got = library.draw(rng, (64, 70))
    top, left = got.numbers["top"] + 3, got.numbers["left"] + 3
    part = ground[top : top + 64, left : left + 70]
    assert got.kind == "a.tif" and np.corrcoef(got.albedo.ravel(), part.ravel())[0, 1] > 0.9999


@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_libraries_change_the_scale(rng, scale):
    """A wave of 24 pixels of the scene has 24 / scale pixels in the ground."""
    wave = 2 + np.sin(2 * np.pi * np.arange(400) / 24) * np.ones((400, 1))
    got = pairs.Library([pairs.of_image(wave)], scale=Fixed(scale)).draw(rng, (128, 192))
    power = np.abs(np.fft.rfft((got.albedo - got.albedo.mean()) * np.hanning(192), 4096, axis=1)).mean(0)
    assert abs(4096 / power.argmax() - 24 / scale) < 0.03 * 24 / scale


def test_libraries_without_a_window(rng, ground):
    with pytest.raises(ValueError, match="no window of \\(512, 512\\) pixels was found in 1 scenes"):
        pairs.Library([pairs.of_image(ground)], scale=Fixed(1.0)).draw(rng, (512, 512))
    holes = np.where(rng.random(ground.shape) < 0.3, np.nan, ground)
    with pytest.raises(ValueError, match="no window"):
        pairs.Library([pairs.of_image(holes)], tries=3).draw(rng, (64, 64))


@pytest.mark.parametrize(("right", "down"), [(0.0, 0.0), (0.3, -0.2), (3.4, -5.7)])
def test_alignment_finds_the_shift(rng, ground, right, down):
    found = align(ground, later(ground, rng, right=right, down=down), order=0)
    np.testing.assert_allclose(found.terms[:, 0], [right, down], atol=0.02)
    assert found.correlation > 0.97 and found.spread < 0.1 and found.tiles > 50


def test_alignment_finds_slopes_and_ignores_what_moved(rng, ground):
    """One part in a thousand of stretching is found, although a fifth of the area has moved by itself."""
    rows, columns = np.mgrid[: ground.shape[0], : ground.shape[1]].astype(float)
    right = 1e-3 * (columns - 200) + 0.4
    right[:, :90] += 0.8
    found = align(ground, later(ground, rng, right=right), order=1)
    got, _ = found.at(columns, rows)
    assert np.abs(got - right)[20:-20, 130:-20].max() < 0.06


def test_alignment_without_anything_to_hold_on_to(rng, ground):
    with pytest.raises(ValueError, match="0 tiles of 64 pixels can be used; an alignment needs 6"):
        align(ground[:60, :60], ground[:60, :60])
    with pytest.raises(ValueError, match="order is 3"):
        align(ground, ground, order=3)
    with pytest.raises(ValueError, match="one shape"):
        align(ground, ground[1:])


def test_windows_of_two_dates(rng, ground):
    """Windows that do not correlate, or hold nothing, are left out."""
    second = later(ground, rng, right=0.4, down=-0.3).astype(np.float32)
    second[210:, :205] = rng.uniform(second.min(), second.max(), second[210:, :205].shape)
    second[:200, 250:] = -1
    first = raster.Raster(ground.astype(np.float32), PLACE, "EPSG:32633", name="one")
    other = raster.Raster(second, PLACE, "EPSG:32633", -1.0, name="two")
    found = list(pairs.windows(first, other, 210))
    assert [w.corner for w in found] == [(0, 0), (210, 210)]
    np.testing.assert_allclose(found[0].alignment.terms[:, 0], [0.4, -0.3], atol=0.03)
    assert len(list(pairs.windows(first, other, 210, correlation=0.9999))) == 0
    with pytest.raises(ValueError, match="one and two have \\(420, 460\\) pixels in common, less than 500"):
        next(pairs.windows(first, other, 500))


def test_pairs_of_two_dates(rng, ground):
    """The truth is the fault's displacement alone: the dates' own shift is taken out."""
    second = later(ground, rng, right=0.6, down=-0.4, noise=0.02)
    moved = pairs.amplitude_in(pairs.ScrewFault().draw(rng, (300, 300), 60), rng, (3, 3))
    size = moved.right.shape
    one, two = (pairs.of_image(a[: size[0], : size[1]]) for a in (ground, second))
    alignment = pairs.align(one.albedo, two.albedo)
    aligned = pairs.make_pair(one, moved, rng, second=two, alignment=alignment)
    without = pairs.make_pair(one, moved, np.random.default_rng(1), second=two)
    np.testing.assert_array_equal(aligned.flow_pre.values, without.flow_pre.values)
    assert aligned.correlation() > 0.99 > without.correlation()
    rest = align(
        aligned.pre,
        images.warp(np.nan_to_num(aligned.post), aligned.flow_pre.right, aligned.flow_pre.down).values,
        valid=aligned.valid,
        order=0,
    )
    np.testing.assert_allclose(rest.terms, 0, atol=0.03)


def test_second_dates_that_do_not_fit(rng, ground):
    moved = pairs.ScrewFault().draw(rng, (300, 300), 60)
    one = pairs.of_image(ground[:420, :420])
    with pytest.raises(ValueError, match="alignment belongs to a second date"):
        pairs.make_pair(one, moved, rng, alignment=pairs.align(ground, ground))
    with pytest.raises(ValueError, match="second is \\(419, 420\\) pixels, but texture \\(420, 420\\)"):
        pairs.make_pair(one, moved, rng, second=pairs.of_image(ground[:419, :420]))


def test_real_dates(shared):
    """Two stable dates of one place, two years apart, lie within a fraction of a pixel of one another."""
    first, second = (
        raster.read(shared / "images" / name)
        for name in ("pair_nanjing_20000503_b5.tif", "pair_nanjing_20020712_b5.tif")
    )
    size = min(*first.shape, *second.shape, 512)
    found = align(*(r.values[:size, :size].astype(float) for r in (first, second)))
    assert np.abs(found.terms[:, 0]).max() < 1.0 and found.spread < 0.25 and found.correlation > 0.5
