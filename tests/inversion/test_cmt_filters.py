"""Filters: their responses, their continuation below the real axis, and records that end on a step."""

import numpy as np
import pytest
from scipy import signal

from dislok.inversion.cmt.filters import Butterworth, CosineLowpass, apply, check
from dislok.inversion.cmt.noise import autocovariance, factor, whiten


def test_cosine_has_the_papers_corners():
    """One up to 0.05 Hz, half way between the corners a half, zero from 0.2 Hz (O'Toole et al. 2012)."""
    frequency = np.array([0.0, 0.05, 0.125, 0.2, 0.3])
    response = CosineLowpass(0.05, 0.2).response(2 * np.pi * frequency + 0j)
    np.testing.assert_allclose(response, [1, 1, 0.5, 0, 0], atol=1e-15)


@pytest.mark.parametrize("low, high, kind", [(0.0, 0.1, "low"), (0.02, np.inf, "high"), (0.02, 0.1, "band")])
def test_butterworth_is_scipys(low, high, kind):
    """Low-pass and high-pass are scipy's; the band-pass is one after the other."""
    omega = 2 * np.pi * np.linspace(1e-3, 0.4, 50)
    expected = np.ones_like(omega, dtype=complex)
    for corner, side in ((high, "low"), (low, "high")):
        if 0 < corner < np.inf:
            b, a = signal.butter(4, 2 * np.pi * corner, side, analog=True)
            expected = expected * signal.freqs(b, a, omega)[1]
    got = Butterworth(low, high, 4, zero_phase=False).response(omega + 0j)
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    both = Butterworth(low, high, 4, zero_phase=True).response(omega + 0j)
    np.testing.assert_allclose(both, np.abs(expected) ** 2, rtol=1e-10)


@pytest.mark.parametrize("band", [CosineLowpass(0.05, 0.2), Butterworth(0.02, 0.1), Butterworth(0.0, 0.1)])
def test_continuation_is_analytic(band):
    """Below the real axis the derivative along the frequency is that across it (Cauchy and Riemann)."""
    omega, h = 2 * np.pi * np.array([0.01, 0.07, 0.12]) - 0.01j, 1e-5
    along = (band.response(omega + h) - band.response(omega - h)) / (2 * h)
    across = (band.response(omega + 1j * h) - band.response(omega - 1j * h)) / (2j * h)
    np.testing.assert_allclose(along, across, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("band", [CosineLowpass(0.05, 0.2), Butterworth(0.0, 0.1)])
def test_step_keeps_its_levels(band):
    """A record that ends on a step rests at zero before and on the step after, as if it went on for ever."""
    record = np.where(np.arange(400) < 200, 0.0, 1.0)
    filtered = apply(band, record, 1.0)
    np.testing.assert_allclose(filtered[:100], 0.0, atol=3e-3)
    np.testing.assert_allclose(filtered[300:], 1.0, atol=3e-3)
    assert filtered[199:201].mean() == pytest.approx(0.5, abs=1e-3)


def test_long_and_cut_record_agree():
    """Cutting a record where it rests changes nothing."""
    record = np.tanh((np.arange(600) - 300) / 7.0)
    band = CosineLowpass(0.05, 0.2)
    np.testing.assert_allclose(
        apply(band, record[150:450], 1.0), apply(band, record, 1.0)[150:450], atol=1e-4
    )


def test_high_pass_removes_a_constant():
    np.testing.assert_allclose(apply(Butterworth(0.02, np.inf), np.full(200, 3.0), 1.0), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    "band, words",
    [
        (CosineLowpass(0.2, 0.05), "0 <= low < high"),
        (Butterworth(0.1, 0.05), "order"),
        (CosineLowpass(0.3, 0.8), "above the Nyquist frequency 0.5 Hz"),
    ],
)
def test_impossible_bands_are_refused(band, words):
    with pytest.raises(ValueError, match=words):
        check(band, 0.5)


def test_covariance_is_that_of_filtered_noise(rng):
    """Sample covariance of 3000 filtered noise records against the model, within its scatter."""
    band, n = CosineLowpass(0.05, 0.2), 40
    decay = np.exp(-1 / 20.0)
    size = (3000, 600)
    correlated = signal.lfilter([np.sqrt(1 - decay**2)], [1, -decay], rng.standard_normal(size))
    filtered = apply(band, 2.0 * correlated + rng.standard_normal(size), 1.0)[:, 300 : 300 + n]
    # The mean before the window is gone in practice; here the process has mean zero, so its level counts.
    model = autocovariance((1.0, 2.0, 20.0), band, 1.0, n)
    got = np.array([(filtered[:, : n - k] * filtered[:, k:]).mean() for k in range(n)])
    np.testing.assert_allclose(got, model, atol=0.06 * model[0])


def test_whitened_noise_is_white(rng):
    covariance = autocovariance((1.0, 2.0, 20.0), CosineLowpass(0.05, 0.2), 1.0, 30)
    matrix = covariance[np.abs(np.subtract.outer(np.arange(30), np.arange(30)))]
    root = factor(matrix)
    white = whiten(root, root @ rng.standard_normal((30, 4000)))
    np.testing.assert_allclose(white @ white.T / 4000, np.eye(30), atol=0.1)
