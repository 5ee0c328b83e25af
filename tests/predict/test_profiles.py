"""Profiles, offsets, widths and strain: fields that are known, and what the errors cover."""

import numpy as np
import pytest
from scipy import ndimage

from dislok.nn.predict import profiles
from dislok.nn.predict.strain import strain

SIZE = 240


def fault(width, slip=2.0, angle=30.0, size=SIZE):
    """Displacement of a left-lateral arctangent zone through the middle, and the ends of its trace."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    a = np.radians(angle)
    along = np.array([np.cos(a), np.sin(a)])  # row, column
    across = rows * along[1] - columns * along[0]
    parallel = slip / np.pi * np.arctan(across / width) if width else slip / 2 * np.sign(across)
    values = np.stack([parallel * along[1], -parallel * along[0]], -1)
    middle = (size - 1) / 2
    begin, end = middle - 80 * along, middle + 80 * along
    return values, tuple(begin), tuple(end)


def correlated(rng, shape, sigma, length):
    noise = ndimage.gaussian_filter(rng.standard_normal((*shape, 2)), (length, length, 0))
    return sigma * noise / noise.std()


ALL = np.ones((SIZE, SIZE), bool)


@pytest.mark.parametrize("angle", [0, 30, 90, 200])
def test_offset_and_its_sign(angle):
    values, begin, end = fault(0.5, 2.0, angle)
    profile = profiles.stacked(values, ALL, begin, end, 30)
    found = profiles.offset(profile, 8, 30)
    # What the arctangent still lacks from 8 px on, slip w / (pi x) on a side, is at most 0.08 in all.
    assert found.value[0] == pytest.approx(2.0, abs=0.085)
    assert found.value[1] == pytest.approx(0, abs=1e-6)


def test_right_is_right():
    # A trace towards east (columns grow): what lies to its right is south; it moves to the east by 1.
    values = np.zeros((60, 60, 2))
    values[30:, :, 0] = 1
    profile = profiles.stacked(values, np.ones((60, 60), bool), (29.5, 5), (29.5, 55), 15)
    right = profile.distance > 2
    np.testing.assert_allclose(profile.values[right, 0], 1, atol=1e-9)
    np.testing.assert_allclose(profile.values[profile.distance < -2, 0], 0, atol=1e-9)


@pytest.mark.parametrize("length", [1, 4])
def test_error_of_the_offset_covers(length, rng):
    values, begin, end = fault(0.0)
    exact = profiles.offset(profiles.stacked(values, ALL, begin, end, 30), 4, 30).value
    z = []
    for _ in range(150):
        noisy = values + correlated(rng, ALL.shape, 0.2, length)
        found = profiles.offset(profiles.stacked(noisy, ALL, begin, end, 30), 4, 30)
        z.extend((found.value - exact) / found.error)
    z = np.abs(z)
    # 300 draws: three standard deviations of the share are 0.08 and 0.04.
    assert 0.60 < (z < 1).mean() < 0.77
    assert 0.90 < (z < 2).mean() < 0.985


@pytest.mark.parametrize("width", [2.0, 4.0, 8.0])
def test_zone_width_by_strain(width):
    values, begin, end = fault(width)
    found = profiles.zone_width(profiles.stacked(values, ALL, begin, end, 60))
    truth = 2 * width * np.sqrt(2.0 / (np.pi * width * profiles.STRAIN) - 1)
    assert found.value == pytest.approx(truth, rel=0.02)
    assert found.begin == pytest.approx(-found.end, abs=0.1)


def test_zone_width_with_noise(rng):
    values, begin, end = fault(3.0)
    truth = 2 * 3 * np.sqrt(2.0 / (np.pi * 3 * profiles.STRAIN) - 1)
    z, found = [], []
    for _ in range(30):
        noisy = values + correlated(rng, ALL.shape, 0.02, 3)
        width = profiles.zone_width(profiles.stacked(noisy, ALL, begin, end, 60), window=7)
        z.append((width.value - truth) / width.error)
        found.append(width.value)
    assert np.mean(found) == pytest.approx(truth, rel=0.15)
    assert (np.abs(z) < 2).mean() > 0.7


def test_a_step_is_seen_as_wide_as_the_window():
    values, begin, end = fault(0.0, angle=90)
    found = profiles.zone_width(profiles.stacked(values, ALL, begin, end, 40))
    assert found.value < 6


def test_no_strain_no_zone():
    values, begin, end = fault(4.0, slip=0.001)
    assert profiles.zone_width(profiles.stacked(values, ALL, begin, end, 40)).value == 0


def test_arctangent(rng):
    values, begin, end = fault(4.0, slip=-1.5)
    values = values + correlated(rng, ALL.shape, 0.03, 2)
    found = profiles.arctangent(profiles.stacked(values, ALL, begin, end, 70))
    for (value, error), truth in zip(found, (-1.5, 4.0, 0.0), strict=True):
        assert abs(value - truth) < 3 * error
        assert error < 0.3


def test_missing_pixels_are_left_out():
    values, begin, end = fault(0.5, angle=0)
    valid = ALL.copy()
    valid[100:140, 60:110] = False
    values[~valid] = 1e6
    found = profiles.offset(profiles.stacked(values, valid, begin, end, 30), 8, 30)
    assert abs(found.value[0]) < 2.1


def test_refusals():
    values, begin, end = fault(1.0)
    with pytest.raises(ValueError, match="at least 10 px"):
        profiles.stacked(values, ALL, (5, 5), (6, 6), 30)
    with pytest.raises(ValueError, match="fewer than ten lines"):
        profiles.stacked(values, ~ALL, begin, end, 30)
    with pytest.raises(ValueError, match="three distances"):
        profiles.offset(profiles.stacked(values, ALL, begin, end, 30), 40, 50)


def test_strain_of_a_linear_field_is_exact(rng):
    rows, columns = np.indices((80, 90)).astype(float)
    e, n = columns, -rows
    values = np.stack([1e-3 * e + 2e-3 * n, -4e-4 * e + 3e-3 * n], -1)
    valid = rng.random(rows.shape) > 0.3
    found = strain(values, valid, sigma=rng.uniform(0.01, 0.05, values.shape))
    core = (slice(10, -10),) * 2
    for plane, truth in (
        (found.east, 1e-3),
        (found.north, 3e-3),
        (found.shear, 8e-4),
        (found.dilatation, 4e-3),
        (found.rotation, -1.2e-3),
        (found.largest_shear, np.hypot(1e-3, 8e-4)),
    ):
        np.testing.assert_allclose(plane[core], truth, rtol=1e-6)


def test_a_turn_is_no_strain():
    rows, columns = np.indices((60, 60)).astype(float)
    values = 1e-3 * np.stack([rows, columns], -1)
    found = strain(values, np.ones(rows.shape, bool))
    np.testing.assert_allclose(found.rotation, 1e-3, rtol=1e-9)
    np.testing.assert_allclose(found.largest_shear, 0, atol=1e-15)


@pytest.mark.parametrize("length", [0.0, 2.0, 5.0])
def test_strain_error_covers(length, rng):
    shape = (400, 400)
    noise = correlated(rng, shape, 0.1, max(length, 1e-3))
    found = strain(noise, np.ones(shape, bool), sigma=np.full((*shape, 2), 0.1), correlation=length)
    core = (slice(40, -40, 10),) * 2
    z = np.stack([found.east / found.error[0], found.north / found.error[3]])[(slice(None), *core)]
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.4
    # Differences of neighbours would scatter by 0.07 per pixel where errors are independent.
    if not length:
        assert found.east[core].std() < 0.001


def test_strain_where_little_is_valid():
    values = np.zeros((60, 60, 2))
    valid = np.zeros((60, 60), bool)
    valid[30, 30] = True
    assert np.isnan(strain(values, valid).east).all()
