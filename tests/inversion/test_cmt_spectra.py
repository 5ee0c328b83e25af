"""Spectra with the tensor left open: the same as those of given tensors, and slopes equal to differences."""

import numpy as np
import pytest

from dislok import propagator
from dislok.inversion.cmt.demo import CRUST

OMEGA = 2 * np.pi * np.array([0.0, 0.03, 0.1]) - 0.015j
STATIONS = propagator.Stations(np.array([40.0, -20.0, 5.0]), np.array([10.0, 60.0, -35.0]))
TENSORS = 1e18 * np.array([[1.0, 2.0, -1.0, 0.5, 0.3, -0.7], [0.1, 0.2, 1.0, -0.5, 0.3, 0.7]])


def sources(x=0.0, y=0.0, depth=0.0):
    return propagator.PointSource(
        np.array([0.0, 3.0]) + x, np.array([0.0, -4.0]) + y, np.array([30.0, 12.0]) + depth
    )


@pytest.mark.parametrize("omega", [OMEGA, np.zeros(1)])
def test_open_tensors_give_the_spectra_of_given_ones(omega):
    found = propagator.spectral_kernels(CRUST, sources(), STATIONS, omega, accuracy=1e-6)
    given = propagator.spectra(CRUST, sources()._replace(moment=TENSORS), STATIONS, omega, accuracy=1e-6)
    got = np.einsum("knecw,ke->kncw", found.moment, TENSORS)
    np.testing.assert_allclose(got, given, atol=1e-5 * np.abs(given).max())


def test_slopes_are_differences():
    """To 1e-6 of the largest; interfaces are far from both sources."""
    found = propagator.spectral_kernels(CRUST, sources(), STATIONS, OMEGA, accuracy=1e-7)
    slopes, h = found.location(TENSORS), 1e-3
    for i, name in enumerate(("x", "y", "depth")):
        ahead, behind = (
            propagator.spectral_kernels(
                CRUST, sources(**{name: s * h}), STATIONS, OMEGA, accuracy=1e-7
            ).moment
            for s in (1, -1)
        )
        difference = np.einsum("knecw,ke->kncw", (ahead - behind) / (2 * h), TENSORS)
        np.testing.assert_allclose(slopes[:, :, i], difference, atol=2e-6 * np.abs(difference).max())


def test_growing_motion_is_refused():
    with pytest.raises(ValueError, match="negative imaginary parts"):
        propagator.spectral_kernels(CRUST, sources(), STATIONS, OMEGA.real + 0.1)
