"""Displacement maps into inversions: places, errors, and a fault that is found with its uncertainty."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage, stats

from dislok import okada
from dislok.inversion.fault import FaultModel, Problem
from dislok.inversion.slip import PixelOffsets

N, PIXEL = 256, 100.0
TRUTH = {
    "x": 1.0,
    "y": -0.5,
    "depth": 1.0,
    "length": 8.0,
    "width": 5.0,
    "strike": 25.0,
    "dip": 75.0,
    "rake": 10.0,
}


def quake(slip=4.0):
    """Displacement (h, w, 2) in metres of a fault under a map of 25.6 km."""
    axis = (np.arange(N) - (N - 1) / 2) * PIXEL / 1000
    east, north = np.meshgrid(axis, -axis)
    half = TRUTH["length"] / 2
    a = np.radians(TRUTH["strike"])
    corner = {"x": TRUTH["x"] - half * np.sin(a), "y": TRUTH["y"] - half * np.cos(a)}
    fault = okada.Rectangle(**(TRUTH | corner), slip=slip)
    obs = np.column_stack([east.ravel(), north.ravel()])
    return okada.displacement(obs, fault).reshape(N, N, 3)[..., :2]


def a_map(rng, sigma=0.2, length=3.0):
    """A map in pixels whose errors are correlated over `length` px and as large as it says."""
    noise = ndimage.gaussian_filter(rng.standard_normal((N, N, 2)), (length, length, 0))
    values = quake() / PIXEL + sigma / PIXEL * noise / noise.std()
    error = np.full(values.shape, sigma / PIXEL, np.float32)
    return SimpleNamespace(values=values, error=error, valid=np.ones((N, N), bool), frame="pre")


def test_cells_lie_where_the_map_says(rng):
    found = a_map(rng)
    found.values = np.stack(np.meshgrid(np.arange(N), -np.arange(N)), -1).astype(float)
    data = PixelOffsets.from_map(found, pixel=PIXEL, threshold=1e9, nuisance=None, smallest=32)
    # East of the value's column: 100 m a pixel, the middle at zero.
    np.testing.assert_allclose(data.xy * 1000, data.observed + [-12750, 12750])
    assert data.labels == ("E", "N") and data.cells is not None and len(data.cells.xy) == len(data.xy)


def test_errors_cover_the_means(rng):
    z = []
    for _ in range(6):
        found = a_map(rng)
        found.values -= quake() / PIXEL
        data = PixelOffsets.from_map(
            found, pixel=PIXEL, threshold=1e9, largest=32, correlation=5.0, smallest=32
        )
        z.append(data.values / data.sigma.ravel())
    # A Gaussian of 3 px is an exponential of 5 px no better than this.
    assert 0.7 < np.std(z) < 1.3


def test_errors_measured_where_the_ground_rests(rng):
    # The map boasts of a third of its errors; the ground rests everywhere.
    found = a_map(rng)
    found.values -= quake() / PIXEL
    found.error = found.error / 3
    words = {"pixel": PIXEL, "threshold": 1e9, "largest": 32, "smallest": 32}
    data = PixelOffsets.from_map(found, rest=found.valid, **words)
    assert 0.6 < np.std(data.values / data.sigma.ravel()) < 1.4
    boasting = PixelOffsets.from_map(found, correlation=5.0, **words)
    assert np.std(boasting.values / boasting.sigma.ravel()) > 2


def test_errors_measured_in_what_a_model_leaves(rng):
    found, words = a_map(rng), {"pixel": PIXEL, "threshold": 1e9, "largest": 32, "smallest": 32}
    found.error = found.error / 3
    data = PixelOffsets.from_map(found, explained=quake(), **words)
    at_rest = a_map(np.random.default_rng(0))
    at_rest.values, at_rest.error = found.values - quake() / PIXEL, found.error
    still = PixelOffsets.from_map(at_rest, rest=found.valid, **words)
    np.testing.assert_allclose(data.sigma, still.sigma, rtol=1e-6)
    assert np.median(data.sigma / PixelOffsets.from_map(found, correlation=5.0, **words).sigma) > 2
    with pytest.raises(ValueError, match="explained: expected shape"):
        PixelOffsets.from_map(found, explained=quake()[..., 0], **words)


def test_cells_across_a_rupture_are_left_out(rng):
    found = a_map(rng, 0.01)
    found.values[...] = 0
    found.values[:, 131:, 1] = 0.05
    data = PixelOffsets.from_map(found, pixel=PIXEL, threshold=0.2)
    assert set(np.round(data.observed[:, 1], 6)) == {0.0, 5.0}


def test_pixels_beside_a_rupture_are_left_out(rng):
    found = a_map(rng, 0.01)
    # The map's rupture is as wide as the windows that measured it.
    found.values[..., 1] = 0.04 / (1 + np.exp(-(np.arange(N) - 130.5) / 3.0))
    line = [[0.3, -13.0], [0.3, 13.0]]
    words = {"pixel": PIXEL, "threshold": 9.0, "smallest": 16, "largest": 16}
    data = PixelOffsets.from_map(found, rupture=line, margin=20, **words)
    values = data.observed[:, 1] / PIXEL
    assert ((values < 1e-3) | (values > 0.039)).all() and (values > 0.039).sum() > 60
    mixed = PixelOffsets.from_map(found, **words).observed[:, 1] / PIXEL
    assert ((mixed > 2e-3) & (mixed < 0.038)).any()
    assert len(data.xy) < len(mixed)
    for wrong, message in ((line[:1], "rupture: expected at"), ([1.0, 2.0], "rupture must have shape")):
        with pytest.raises(ValueError, match=message):
            PixelOffsets.from_map(found, rupture=wrong, **words)


def test_fault_is_within_its_uncertainty(rng):
    data = PixelOffsets.from_map(a_map(rng), pixel=PIXEL, largest=32, smallest=16, correlation=5.0)
    guess = okada.Rectangle(0, 0, 2, 6, 4, 0, 85, 0, 2).with_origin("topcenter")
    bounds = {"x": (-8, 8), "y": (-8, 8), "depth": (0, 5), "length": (1, 20), "width": (1, 12)}
    result = Problem(data, FaultModel(guess, bounds=bounds), length_unit=1000).solve(starts=1)
    truth = np.array([(TRUTH | {"slip": 4.0})[name] for name in result.names])
    off = result.values - truth
    covariance = result.covariance_gauss_newton if result.covariance is None else result.covariance
    assert off @ np.linalg.solve(covariance, off) < stats.chi2.ppf(0.99, len(truth))
    moment = 30e9 * 8e3 * 5e3 * 4.0
    assert result.moment.sum() == pytest.approx(moment, rel=0.1)


def test_refusals(rng):
    found = a_map(rng)
    for change, words, message in (
        ({}, {}, "pixel: expected metres"),
        ({"error": None}, {"pixel": 1.0}, "states no error"),
        ({"frame": "post"}, {"pixel": 1.0}, "frame 'pre'"),
        ({"valid": np.zeros((N, N), bool)}, {"pixel": 1.0}, "no pixel"),
        ({}, {"pixel": 1.0, "correlation": 0.0}, "correlation: expected > 0"),
    ):
        with pytest.raises(ValueError, match=message):
            PixelOffsets.from_map(SimpleNamespace(**(vars(found) | change)), **words)
    with pytest.raises(ValueError, match="a file says itself"):
        PixelOffsets.from_map("map.tif", pixel=3.0)
