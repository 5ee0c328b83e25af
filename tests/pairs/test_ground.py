"""Distributions, random fields, procedural ground, and what changes between two dates."""

import numpy as np
import pytest

from dislok.nn import pairs
from dislok.nn.pairs import fields, ground, light, procedural, sensor
from dislok.nn.pairs.distributions import Choice, Fixed, LogUniform, Mixture, Normal, Uniform

SHAPE = (96, 120)


@pytest.mark.parametrize(
    ("distribution", "low", "high", "mean"),
    [
        (Fixed(3.0), 3, 3, 3),
        (Uniform(-2, 4), -2, 4, 1),
        (LogUniform(0.01, 1), 0.01, 1, 0.99 / np.log(100)),
        (Normal(1, 2), -np.inf, np.inf, 1),
        (Normal(0, 1, low=0), 0, np.inf, np.sqrt(2 / np.pi)),
        (Choice((1, 5), (3, 1)), 1, 5, 2),
        (Mixture((Fixed(0.0), Uniform(1, 3)), (1, 3)), 0, 3, 1.5),
    ],
)
def test_distributions(rng, distribution, low, high, mean):
    drawn = np.array([distribution.draw(rng) for _ in range(4000)])
    assert low <= drawn.min() and drawn.max() <= high
    assert abs(drawn.mean() - mean) <= 5 * drawn.std() / np.sqrt(4000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Uniform(2, 1), "low must not exceed high"),
        (lambda: LogUniform(0, 1), "low is 0; it must be positive"),
        (lambda: Normal(0, -1), "std is -1"),
        (lambda: Normal(0, 1, low=9), "beyond three std"),
        (lambda: Choice(()), "must not be empty"),
        (lambda: Choice((1, 2), (1,)), "1 weights for 2 values"),
        (lambda: Choice((1, 2), (0, 0)), "nor all zero"),
    ],
)
def test_distributions_that_cannot_be(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("slope", [1.2, 2.0, 2.8, 3.4])
def test_spectra_have_the_slope_asked_for(rng, slope):
    found = [fields.spectral_slope(fields.power_law(rng, (320, 400), slope)) for _ in range(6)]
    assert abs(np.mean(found) - slope) < 0.1


def test_spectra_are_measured_right(rng):
    assert abs(fields.spectral_slope(rng.standard_normal((256, 256)))) < 0.1


def test_fields_are_normalised_and_can_be_stretched(rng):
    field = fields.power_law(rng, SHAPE, 2.0, stretch=(8.0, 90.0))
    assert field.dtype == np.float32 and field.shape == SHAPE
    np.testing.assert_allclose([field.mean(), field.std()], [0, 1], atol=1e-5)
    assert np.abs(np.diff(field, axis=0)).mean() > 2 * np.abs(np.diff(field, axis=1)).mean()
    assert (fields.normalised(np.full(SHAPE, 3.0)) == 0).all()


def test_smooth_fields_are_smooth(rng):
    drawn = np.stack([fields.smooth(rng, SHAPE) for _ in range(200)])
    assert 0.7 < drawn.std() < 1.3
    assert np.abs(np.diff(drawn, axis=1)).max() < 0.4


@pytest.mark.parametrize("maker", [*procedural.KINDS.values(), procedural.Blend(), procedural.AnyGround()])
def test_ground(maker):
    first, second = (maker.draw(np.random.default_rng(4), SHAPE) for _ in range(2))
    other = maker.draw(np.random.default_rng(5), SHAPE)
    assert first.shape == SHAPE and first.albedo.dtype == np.float32
    assert first.albedo.min() > 0 and 0.5 < first.albedo.mean() < 2
    np.testing.assert_array_equal(first.albedo, second.albedo)
    assert first.kind and first.numbers == second.numbers
    assert not np.array_equal(first.albedo, other.albedo)


@pytest.mark.parametrize("maker", [procedural.Terrain(), procedural.Dunes()])
def test_relief_is_as_steep_as_drawn(rng, maker):
    got = maker.draw(rng, SHAPE)
    by_row, by_column = np.gradient(got.height)
    np.testing.assert_allclose(
        np.sqrt(np.mean(by_row**2 + by_column**2)), got.numbers["steepness"], rtol=1e-4
    )


def test_dunes_repeat_with_their_wavelength(rng):
    got = procedural.Dunes(Fixed(16.0), Fixed(90.0), Fixed(0.05)).draw(rng, (128, 256))
    power = np.abs(np.fft.rfft(got.height, axis=1)).mean(0)
    assert abs(256 / power[1:].argmax() - 16) < 2


def test_leaves_have_edges_and_all_sizes(rng):
    """Gradients are mostly small with few large ones: much heavier tails than a Gaussian field's."""

    def kurtosis(image):
        steps = np.diff(np.log(image), axis=1)
        return np.mean((steps - steps.mean()) ** 4) / steps.var() ** 2

    leaves = procedural.DeadLeaves(grain=Fixed(0.0)).draw(rng, (256, 256)).albedo
    assert kurtosis(leaves) > 8 > 4 > kurtosis(procedural.Fractal().draw(rng, (256, 256)).albedo)


def test_windows_and_what_cannot_be_drawn(rng):
    texture = procedural.Terrain().draw(rng, SHAPE)
    part = texture.window(10, 20, (30, 40))
    np.testing.assert_array_equal(part.height, texture.height[10:40, 20:60])
    with pytest.raises(ValueError, match="reaches beyond \\(96, 120\\)"):
        texture.window(80, 0, (30, 40))
    with pytest.raises(ValueError, match="at least 8 by 8"):
        procedural.AnyGround().draw(rng, (4, 90))


def test_images_become_ground(rng):
    image = rng.uniform(200, 4000, SHAPE)
    image[3, 4] = np.nan
    texture = pairs.of_image(image)
    assert not texture.valid[3, 4] and texture.valid.sum() == image.size - 1
    np.testing.assert_allclose(texture.albedo[texture.valid].mean(), 1, rtol=1e-3)
    assert np.corrcoef(texture.albedo[texture.valid], image[texture.valid])[0, 1] > 0.999
    with pytest.raises(ValueError, match="a.tif: no pixel can be used"):
        pairs.of_image(np.full(SHAPE, np.nan), kind="a.tif")
    with pytest.raises(ValueError, match="all pixels that can be used have the value 7.0"):
        pairs.of_image(np.full(SHAPE, 7))


def test_light_on_a_slope():
    """A plane that rises to the east by 1 in 10: brighter in the morning, after Lambert."""
    height = 0.1 * np.arange(60.0) * np.ones((50, 1))
    for azimuth in (90.0, 270.0, 0.0):
        got = light.shading(height, azimuth, 30.0, shadows=False)
        sun = np.array([np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))]) * np.cos(np.radians(30))
        direct = (np.sin(np.radians(30)) - 0.1 * sun[0]) / np.sqrt(1.01) / np.sin(np.radians(30))
        np.testing.assert_allclose(got, 0.75 * direct + 0.25, rtol=1e-4)
    with pytest.raises(ValueError, match="above the horizon"):
        light.shading(height, 0.0, 0.0)


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 180.0, 270.0])
def test_shadows_have_the_length_of_the_sun(azimuth):
    """A tower 10 pixels high under a sun of 45 degrees casts a shadow 10 pixels long, away from the sun."""
    height = np.zeros((61, 61), np.float32)
    height[30, 30] = 10.0
    dark = light.shading(height, azimuth, 45.0) < light.shading(height, azimuth, 45.0, shadows=False) - 0.05
    away = -np.array([-np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))])
    for distance in (3, 6, 8):
        assert dark[tuple(np.rint(30 + distance * away).astype(int))]
    for distance in (13, -4, -9):
        assert not dark[tuple(np.rint(30 + distance * away).astype(int))]


def test_a_sun_that_does_not_move_changes_nothing(rng):
    texture = procedural.Terrain().draw(rng, SHAPE)
    first, second, numbers = ground.Sun(probability=0.0).light(texture, rng)
    assert not numbers["moves"]
    np.testing.assert_array_equal(first, second)
    flat = procedural.Fractal().draw(rng, SHAPE)
    first, second, _ = ground.Sun(probability=1.0, turn=Fixed(90.0)).light(flat, rng)
    assert first == 1.0 and second.shape == SHAPE and second.std() > 1e-3


def test_cover_is_as_strong_and_as_coloured_as_asked(rng):
    cover = ground.Cover(1.0, Fixed(0.5), Fixed(2.0))
    factor, numbers = cover.factor(0.2, (256, 256), rng)
    np.testing.assert_allclose(np.log(factor).std(), 0.1, rtol=1e-3)
    assert numbers == {"strength": 0.5, "slope": 2.0}
    assert abs(fields.spectral_slope(np.log(factor)) - 2.0) < 0.3


def test_patches_cover_the_part_asked_for(rng):
    factor, _ = ground.Patches(1.0, Fixed(0.1), Fixed(2.0)).factor(0.3, SHAPE, rng)
    assert abs((factor != 1).mean() - 0.1) < 0.01
    np.testing.assert_allclose(factor[factor != 1], np.exp(0.6), rtol=1e-5)


@pytest.mark.parametrize(
    "part",
    [ground.Cover(0.0), ground.Patches(0.0), ground.Haze(0.0)],
)
def test_ground_that_stays(rng, part):
    assert part.factor(0.3, SHAPE, rng) == (1.0, {})


@pytest.mark.parametrize(
    "part",
    [sensor.Radiometry(0.0), sensor.Blur(0.0), sensor.Stripes(0.0), sensor.Noise(0.0), sensor.Clouds(0.0)]
    + [sensor.Gaps(0.0)],
)
def test_cameras_that_do_nothing(rng, part):
    image = rng.uniform(1, 2, SHAPE).astype(np.float32)
    assert part.apply(image, rng)[0] is image


def test_cameras(rng):
    image = rng.uniform(1, 2, SHAPE).astype(np.float32)
    got, numbers = sensor.Radiometry(1.0, Fixed(2.0), Fixed(0.0), Fixed(1.0)).apply(image, rng)
    np.testing.assert_allclose(got, 2 * image, rtol=1e-5)
    got, _ = sensor.Noise(1.0, Fixed(0.1)).apply(image, rng)
    np.testing.assert_allclose((got - image).std(), 0.1 * image.std(), rtol=0.05)
    got, _ = sensor.Stripes(1.0, Fixed(0.1), Fixed(True)).apply(image, rng)
    assert np.ptp(got - image, axis=0).max() < 1e-6 < np.ptp(got - image)
    got, _ = sensor.Blur(1.0, Fixed(0.8)).apply(image, rng)
    assert got.std() < 0.6 * image.std() and got.dtype == np.float32
    np.testing.assert_allclose(got.mean(), image.mean(), rtol=1e-3)


def test_clouds_and_gaps_cover_the_part_asked_for(rng):
    image = rng.uniform(1, 2, SHAPE).astype(np.float32)
    got, known, _ = sensor.Clouds(1.0, Fixed(0.2), Fixed(3.0), Fixed(True)).apply(image, rng)
    assert 0.1 < (got > 2.2).mean() < 0.35
    assert not known[got > 2.4].any()
    assert sensor.Clouds(1.0, known=Fixed(False)).apply(image, rng)[1] is None
    for kind in ("edge", "lines"):
        got, known, _ = sensor.Gaps(1.0, Fixed(kind), Fixed(0.2)).apply(image, rng)
        np.testing.assert_array_equal(np.isnan(got), ~known)
        assert abs((~known).mean() - 0.2) < 0.05


def test_misregistration(rng):
    right, down, numbers = sensor.Misregistration(1.0, Fixed(0.3), Fixed(0.0), Fixed(0.0)).draw(SHAPE, rng)
    np.testing.assert_allclose(right, 0.3)
    np.testing.assert_allclose(down, 0.3)
    right, down, _ = sensor.Misregistration(1.0, Fixed(0.0), Fixed(1e-3), Fixed(0.0)).draw(SHAPE, rng)
    np.testing.assert_allclose(np.diff(right, axis=1), 1e-3, atol=1e-6)
    assert sensor.Misregistration(0.0).draw(SHAPE, rng) == (0.0, 0.0, {})


def test_recipes_name_their_parts():
    assert pairs.Recipe().without("clouds", "sun").clouds is None
    assert pairs.Recipe.plain().cover is None and not pairs.Recipe.plain().resample_both
    with pytest.raises(ValueError, match="'cloud' is no part of a recipe; choose from blur, clouds"):
        pairs.Recipe().without("cloud")
