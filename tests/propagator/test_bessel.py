"""Bessel functions and the complementary error function beside mpmath and SciPy."""

import math
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import scipy.special

from dislok.kernels.propagator import bessel


@pytest.mark.parametrize("order", [0, 1])
def test_bessel_functions(order, rng):
    edges = [0.0, 1e-300, 1e-8, np.nextafter(8.0, 0.0), 8.0]
    x = np.concatenate([edges, rng.uniform(0, 30, 800), 10 ** rng.uniform(0, 6, 400)])
    got = (bessel.j0, bessel.j1)[order](x.reshape(-1, 5)).ravel()
    truth = np.array([float(mpmath.besselj(order, mpmath.mpf(float(each)))) for each in x])
    # where they are small, as at large x, so is the error
    assert (np.abs(got - truth) * np.sqrt(np.maximum(x, 1.0))).max() < 1.5e-15
    assert got[0] == 1.0 - order


def test_zeros_of_bessel_functions():
    """But for the rounding of the zeros themselves, times the slope there."""
    for order, function in ((0, bessel.j0), (1, bessel.j1)):
        zeros = scipy.special.jn_zeros(order, 200)
        rounding = np.spacing(zeros) * np.sqrt(2 / (np.pi * zeros))
        assert (np.abs(function(zeros)) < rounding + 5e-16).all()


def test_complementary_error_function(rng):
    x = rng.uniform(-30, 30, (20, 3))
    assert bessel.erfc(x) == pytest.approx(np.vectorize(math.erfc)(x), rel=1e-15)


def test_the_propagator_needs_no_special_functions_of_scipy():
    """Importing them takes longer than a small call."""
    code = "import sys, dislok.propagator; print('scipy.special' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
