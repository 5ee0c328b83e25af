"""Sources taken in parts give what the families give of them."""

import numpy as np
import pytest
from large_cases import case, elements, ground

from dislok import tde
from dislok.large.elements import TriangleElements, on_host

FAMILIES = ["triangle", "rectangle", "point"]


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_a_matrix_and_of_a_sum(rng, family):
    module, sources, slip = case(family, rng, 30)
    obs, some = ground(rng, 9, 2.0), np.array([7, 2, 11])
    parts = elements(module, sources, slip)
    whole = module.greens(obs, sources)
    got = parts.greens(obs, some, "displacement")
    np.testing.assert_allclose(got, whole[:, :, some], rtol=0, atol=1e-13 * np.abs(whole).max())
    rest = np.setdiff1d(np.arange(parts.count), some)
    total = parts.displacement(obs, some) + parts.displacement(obs, rest)
    want = module.displacement(obs, sources, *slip)
    np.testing.assert_allclose(total, want, rtol=0, atol=1e-12 * np.abs(want).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_corners_hold_the_element(rng, family):
    """The displacement is singular, or jumps, nowhere outside the box of the corners."""
    module, sources, slip = case(family, rng, 30)
    corners = elements(module, sources, slip).corners
    assert corners.shape[0] >= 28 and corners.shape[2] == 3
    assert (corners[..., 2] <= 1e-12).all()
    if family == "triangle":
        np.testing.assert_array_equal(corners, sources[0][sources[1]])
    if family == "rectangle":
        along = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
        np.testing.assert_allclose(along, sources.length, rtol=1e-12)
        np.testing.assert_allclose(-corners[:, 0, 2], sources.depth, rtol=1e-12)


def test_one_slip_for_all_triangles(rng):
    _, sources, _ = case("triangle", rng, 30)
    obs, slip = ground(rng, 5), [0.5, 1.0, 0.1]
    got = TriangleElements(tde, sources, slip, 0.25, "half").displacement(obs, slice(None))
    np.testing.assert_array_equal(got, tde.displacement(obs, sources, slip))


def test_arrays_of_devices_are_refused():
    array = type("ndarray", (np.ndarray,), {"__module__": "cupy"})
    with pytest.raises(TypeError, match="obs is a CuPy array; this works on arrays on the CPU"):
        on_host("obs", np.zeros(3).view(array))


def test_what_tells_problems_apart(rng):
    _, sources, slip = case("triangle", rng, 30)
    one, other = (TriangleElements(tde, sources, slip[0], nu, "half").facts for nu in (0.25, 0.3))
    assert str(one) != str(other)
