"""What is between two dates: water, sand, clouds, burn scars and shadows over a fifth of the image."""

import numpy as np
import pytest
from scipy import ndimage

from dislok.nn.match import match

from . import scenes

SHAPE = (208, 224)
INSIDE = (slice(24, -24), slice(24, -24))


def spots(rng):
    """A smooth mask, from 0 to 1, of a fifth of the image in a few spots."""
    field = scenes.ground(rng, SHAPE, 5.0)
    return np.clip(ndimage.gaussian_filter((field > np.quantile(field, 0.8)).astype(float), 1.0), 0, 1)


def waves(rng, level, strength):
    return level + strength * ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.2)


def covered(image, mask, cover):
    return image * (1 - mask) + mask * cover


def water(rng, pre, post, mask, moved):
    return covered(pre, mask, waves(rng, 600, 20)), covered(post, moved, waves(rng, 600, 20))


def sand(rng, pre, post, mask, moved):
    return covered(pre, mask, waves(rng, 1100, 8)), covered(post, moved, waves(rng, 1100, 8))


def cloud(rng, pre, post, mask, moved):
    return pre, covered(post, mask, 2000 + 0.5 * scenes.ground(rng, SHAPE, 3.0))


def burn(rng, pre, post, mask, moved):
    return pre, post * (1 - 0.6 * moved) + moved * waves(rng, 0, 30)


def shadow(rng, pre, post, mask, moved):
    return pre, post * (1 - 0.75 * mask)


@pytest.mark.parametrize("change", [water, sand, cloud, burn, shadow])
@pytest.mark.parametrize("slip", [0.0, 6.0])
def test_valid_pixels_are_not_off_by_a_pixel(change, slip):
    rng = np.random.default_rng(17)
    right, down = scenes.fault(SHAPE, slip) if slip else np.zeros((2, *SHAPE))
    ground, mask = scenes.ground(rng, SHAPE), spots(rng)
    planes = change(rng, ground, scenes.moved(ground, right, down), mask, scenes.moved(mask, right, down))
    found = match(*(plane + 6 * rng.standard_normal(SHAPE) for plane in planes))
    wrong = np.hypot(found.right - right, found.down - down) > 1
    use = found.valid[INSIDE]
    assert use[mask[INSIDE] < 0.01].mean() > 0.9
    assert wrong[INSIDE][use].mean() < 0.002
    # Where a cloud hides the trace, nothing tells which side a pixel is on: it is not called valid.
    assert wrong[INSIDE].mean() < (0.15 if change is cloud else 0.005)
