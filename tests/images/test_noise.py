"""Noise, blur and light on whole planes: their statistics, and the plain sums that they stand for."""

import numpy as np
import pytest
from scipy import ndimage, stats

from dislok.kernels.images import noise, paint, screw, smooth
from dislok.kernels.images.masks import landing
from dislok.kernels.threads import portions


def test_noise_is_normal_and_white():
    got = noise.normal(np.random.default_rng(5), (701, 900))
    assert got.dtype == np.float32
    flat = got.ravel().astype(float)
    assert abs(flat.mean()) < 5e-3 and abs(flat.std() - 1) < 5e-3
    assert stats.kstest(flat[::3], "norm").pvalue > 1e-3
    assert abs(stats.kurtosis(flat)) < 0.03 and 4 < np.abs(flat).max() < 6
    power = np.abs(np.fft.rfft2(got)) ** 2 / got.size
    rings = power[1:, 1:].reshape(-1)[:312_000].reshape(-1, 1000).mean(1)
    assert 0.8 < rings.min() and rings.max() < 1.2
    for lag in (1, 2, 900, len(flat) // 2):
        assert abs(np.corrcoef(flat[:-lag], flat[lag:])[0, 1]) < 5e-3


def test_noise_follows_its_generator():
    one, two, other = (noise.normal(np.random.default_rng(k), (31, 7)) for k in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).min() > 0
    rng = np.random.default_rng(1)
    assert np.abs(noise.normal(rng, (31, 7)) - noise.normal(rng, (31, 7))).min() > 0
    assert noise.normal(rng, (0, 4)).shape == (0, 4)


@pytest.mark.parametrize("sigma", [0.3, 0.9, 2.5])
def test_blur_is_that_of_scipy(rng, sigma):
    image = rng.normal(size=(40, 57)).astype(np.float32)
    want = ndimage.gaussian_filter(image, sigma, truncate=np.ceil(3.5 * sigma) / sigma)
    np.testing.assert_allclose(smooth.blurred(image, sigma, 3.5), want, atol=2e-6)


@pytest.mark.parametrize("end", [-np.inf, -20.0])
@pytest.mark.parametrize("zone", [0.0, 6.0])
def test_screw_is_its_formula(rng, end, zone):
    """The textbook formula, with NumPy's arc tangent, hyperbolic tangent and square roots."""
    offsets, variation = 0.1 * rng.normal(size=400).cumsum(), 0.1 * rng.normal(size=400)
    out = np.empty((90, 110), np.float32)
    screw.screw(
        np.array([50.0, 40.0]), np.array([0.6, 0.8]), offsets, variation, 32.0, end, 60.0, 70.0, zone, out
    )
    columns, rows = np.meshgrid(np.arange(110) - 50.0, np.arange(90) - 40.0)
    along, place = 0.6 * columns + 0.8 * rows, np.arange(400) - 200.0
    d = 0.6 * rows - 0.8 * columns - np.interp(along, place, offsets)
    slip = 1 + np.interp(along, place, variation) / (1 + (d / 32) ** 2)
    if end > -np.inf:
        reach = (np.hypot(along - end, d) + along - end) / 120
        slip = slip * np.sqrt(1 - np.maximum(1 - reach, 0) ** 2)
    step = np.tanh(2 * d / zone) if zone else np.sign(d)
    np.testing.assert_allclose(out, slip * np.arctan2(70, np.abs(d)) / np.pi * step, atol=2e-7)


def test_shadows_of_a_ridge_are_those_of_rays(rng):
    """A long ridge across a slanting sun: dark as far as rays say, to a pixel of softness."""
    rows, columns = np.mgrid[:80, :90].astype(np.float32)
    height = 12 * np.exp(-(((rows - 60 + 0.3 * columns) / 2) ** 2))
    down, right, up = 0.8 * np.cos(0.6), -0.6 * np.cos(0.6), np.sin(0.6)
    out = np.empty_like(height)
    paint.light(height, out, down, right, up, 0.0, True)
    level, rise = np.hypot(down, right), up / np.hypot(down, right)
    dark = np.zeros(height.shape, bool)
    for step in np.arange(1, 40, 0.25):
        at = rows + step * down / level, columns + step * right / level
        dark |= ndimage.map_coordinates(height, at, order=1) > height + rise * step + 1.0
    lit = np.empty_like(height)
    paint.light(height, lit, down, right, up, 0.0, False)
    inner = (slice(2, 60), slice(30, -2))
    shaded = out < 0.5 * lit
    differ = (shaded != dark)[inner] & (lit[inner] > 0.1)
    border = ndimage.binary_dilation(dark, iterations=2) & ~ndimage.binary_erosion(dark, iterations=2)
    assert not (differ & ~border[inner]).any()
    assert dark[inner].mean() > 0.1


def test_landing_is_where_all_four_pixels_hold(rng):
    mask = rng.random((20, 23)) < 0.8
    right, down = rng.uniform(-4, 4, (2, 20, 23)).astype(np.float32)
    right[3], down[3] = 1.0, -2.0
    right[5, 5] = np.nan
    got = landing(mask, right, down)
    for r in range(20):
        for c in range(23):
            x, y = c + float(right[r, c]), r + float(down[r, c])
            want = 0 <= x <= 22 and 0 <= y <= 19
            if want:
                near = {(int(f(y)), int(g(x))) for f in (np.floor, np.ceil) for g in (np.floor, np.ceil)}
                want = all(mask[i] for i in near)
            assert got[r, c] == want


@pytest.mark.parametrize(
    ("count", "unit", "size", "threads"), [(7, 16, 5, 1), (512, 16, 512, 1), (8000, 16, 8000, 2)]
)
def test_portions_make_up_the_whole(count, unit, size, threads):
    found = portions(count, unit, size, threads)
    assert found[0][0] == 0 and found[-1][1] == count
    assert all(a[1] == b[0] for a, b in zip(found, found[1:], strict=False))
    assert all((end - begin) % unit == 0 for begin, end in found[:-1])
    assert all((end - begin - unit) * size <= 1_000_000 for begin, end in found)
    assert threads == 1 or len(found) >= 2 * threads
    assert threads > 1 or count * size > 1_000_000 or len(found) == 1
