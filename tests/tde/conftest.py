"""Triangles, observers and reference data for the tests of triangular dislocations."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def shared_reference(shared):
    """High-precision truth of 2380 triangles, Jacobians with the vertices, the authors' MATLAB results."""
    return np.load(shared / "refs" / "okada_tde.npz")


@pytest.fixture(scope="session", params=["shipped", "shared"])
def reference(request, dislocations):
    """Truth that `tests/reference/make.py` made, and the larger set where it is there."""
    return dislocations if request.param == "shipped" else request.getfixturevalue("shared_reference")


@pytest.fixture
def scene(rng):
    """Observers (n, 3), triangles (n, 3, 3), slips (n, 3) ; all sizes and distances of order 1."""
    count = 60
    tri = rng.normal(size=(count, 3, 3)) - (0.0, 0.0, 4.0)
    tri[:, :, 2] = -np.abs(tri[:, :, 2]) - 0.01
    obs = 3.0 * rng.normal(size=(count, 3))
    obs[:, 2] = -np.abs(obs[:, 2])
    return obs, tri, rng.normal(size=(count, 3))
