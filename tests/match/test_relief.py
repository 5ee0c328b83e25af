"""The prior takes nothing from motion that bends: what it took is given back."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from dislok.nn.match import Settings, match
from dislok.nn.match.refining import Refine, smoothed

N = 224


def bent():
    """Motion (2, h, w) of waves of some 90 pixels, and its Laplacian."""
    r, c = np.mgrid[:N, :N] / 14.0
    field = np.stack([0.8 * np.sin(c) * np.cos(0.7 * r), 0.6 * np.cos(0.8 * c + 1) * np.sin(r)])
    return field, np.stack([ndimage.laplace(plane) for plane in field])


def pair(field, rng):
    """Ground of all wavelengths, seen before and after with noise of a hundredth."""
    wide = ndimage.gaussian_filter(rng.standard_normal((2 * N, 2 * N)), 1.2)
    ground = ndimage.spline_filter(wide / wide.std(), 5)
    r, c = np.mgrid[:N, :N] + N / 2.0
    post = ndimage.map_coordinates(ground, [r, c], order=5, prefilter=False)
    pre = ndimage.map_coordinates(ground, [r + field[1], c + field[0]], order=5, prefilter=False)
    return [(each + 0.1 * rng.standard_normal(each.shape)).astype(np.float32) for each in (pre, post)]


def flattening(found, field, curvature):
    """Regression of the error on the Laplacian (px²), away from the border."""
    inside = np.s_[:, 24:-24, 24:-24]
    error = (np.stack([found.right, found.down]) - field)[inside]
    return float((error * curvature[inside]).sum() / (curvature[inside] ** 2).sum())


def test_what_bends_is_not_flattened(rng):
    field, curvature = bent()
    images = pair(field, rng)
    plain = Settings()
    stiff = replace(plain, refine=replace(plain.refine, relief=0))
    without, relieved = (flattening(match(*images, settings=how), field, curvature) for how in (stiff, plain))
    assert without > 8
    assert abs(relieved) < 0.4 * without


@pytest.mark.parametrize("axis", [1, 2])
def test_shapes_are_smoothed_along_a_step_not_across(axis, rng):
    field = 0.05 * rng.standard_normal((2, 40, 40)).astype(np.float32)
    field[(slice(None),) * axis + (slice(20, None),)] += 8
    found = smoothed(field, Refine())
    low, high = np.split(found, 2, axis=axis)
    assert low.std() < 0.02 and abs(high.mean() - low.mean() - 8) < 0.02
    assert low.max() < 0.2 and high.min() > 7.8
