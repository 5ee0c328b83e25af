"""The prior takes nothing from motion that bends: what it took is given back."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from dislok.kernels.images import variational
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


def test_the_shape_of_a_motion_is_free(rng):
    """Equations without data whose prior pulls towards a shape are solved by that shape."""
    shape = rng.standard_normal((2, 12, 14)).astype(np.float32)
    out = variational.room(12, 14)
    variational.attach(shape, np.full((12, 14), 1e-3, np.float32), out, 0, 12)
    flat, alpha = np.zeros_like(shape), np.ones((12, 14), np.float32)
    variational.stiffness(*flat, alpha, np.float32(0.1), np.float32(1.0), out, 0, 12)
    variational.relieve(shape, out, 0, 12)
    variational.invert(out, *shape, 0, 12)
    for sweep in range(40):
        variational.relax(out, sweep % 2, np.float32(1.0), 0, 12)
    found = np.empty_like(shape)
    variational.unpack(out, *found, 0, 12)
    np.testing.assert_allclose(found, shape, atol=1e-4)


@pytest.mark.parametrize("axis", [1, 2])
def test_shapes_are_smoothed_along_a_step_not_across(axis, rng):
    field = 0.05 * rng.standard_normal((2, 40, 40)).astype(np.float32)
    field[(slice(None),) * axis + (slice(20, None),)] += 8
    found = smoothed(field, Refine())
    low, high = np.split(found, 2, axis=axis)
    assert low.std() < 0.02 and abs(high.mean() - low.mean() - 8) < 0.02
    assert low.max() < 0.2 and high.min() > 7.8
