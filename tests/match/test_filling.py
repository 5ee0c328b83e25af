"""Motion that is not recognised gives way to what is around."""

import numpy as np
import pytest
from scipy import ndimage

from dislok.nn.match import NoMatch, filling, match

from . import scenes

SHAPE = (144, 176)


def test_known_pixels_keep_their_motion_and_others_lie_between(rng):
    field = np.stack([np.linspace(0, 4, 45)[None] + np.zeros((37, 1)), np.full((37, 45), -1.0)])
    known = np.ones((37, 45), bool)
    known[8:25, 10:30] = False
    damaged = np.where(known, field, 50).astype(np.float32)
    out = filling.spread_from(damaged, known)
    np.testing.assert_array_equal(out[:, known], damaged[:, known])
    assert np.abs(out - field)[:, ~known].max() < 0.6
    np.testing.assert_allclose(out[1], -1, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (7, 3)])
def test_halving_keeps_sums_and_enlarging_keeps_lines(rng, shape):
    planes = rng.random((2, *shape)).astype(np.float32)
    small = filling.halved(planes)
    assert small.shape[1:] == tuple(-(-n // 2) for n in shape)
    np.testing.assert_allclose(small.sum((1, 2)), planes.sum((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(filling.enlarged(np.full_like(small, 3), shape), 3, rtol=1e-6)


def test_enlarged_lines_are_lines_inside():
    line = np.arange(12.0)[None, None] + np.zeros((1, 10, 1))
    fine = filling.enlarged(line, (20, 24))
    np.testing.assert_allclose(fine[0, 8, 6:-6], (np.arange(24) / 2 - 0.25)[6:-6], atol=1e-6)


def test_roughness_is_the_mean_gradient():
    ramp = np.stack([0.25 * np.arange(60.0)[None] + np.zeros((50, 1)), np.zeros((50, 60))]).astype(np.float32)
    np.testing.assert_allclose(filling.roughness(ramp, 3.0)[12:-12, 12:-12], 0.25, atol=1e-4)
    wild = 100 * np.random.default_rng(1).standard_normal((2, 50, 60)).astype(np.float32)
    assert filling.roughness(wild, 3.0)[12:-12, 12:-12].min() > 0.99


def test_water_takes_the_motion_of_its_shores(rng):
    """A third of the images shows nothing common; the ground moves by 4 px."""
    right = np.full(SHAPE, 4.0)
    ground = scenes.ground(rng, SHAPE)
    post = scenes.moved(ground, right, 0 * right)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    water = (rows - 70) ** 2 + (columns - 90) ** 2 < 42**2
    images = []
    for image, at in ((ground, water), (post, np.roll(water, 4, 1))):
        waves = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.2)
        images.append(np.where(at, 800 + 60 * waves, image))
    found = match(*images)
    error = np.hypot(found.right - 4, found.down)[16:-16, 16:-16]
    inside = water[16:-16, 16:-16]
    assert (error > 1).mean() < 0.01 and error[~inside].mean() < 0.15
    deep = (rows - 70) ** 2 + (columns - 90) ** 2 < 22**2
    assert found.valid[deep].mean() < 0.3 and found.valid[16:-16, 16:-16][~inside].mean() > 0.8


@pytest.mark.parametrize("beta", [1.0, 2.2, 3.5])
def test_two_textures_that_have_nothing_in_common_are_refused(rng, beta):
    with pytest.raises(NoMatch, match="stands out from chance in"):
        match(scenes.ground(rng, (192, 192), beta), scenes.ground(rng, (192, 192), beta))
