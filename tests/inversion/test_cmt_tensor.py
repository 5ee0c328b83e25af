"""Moment tensors as unknowns: constraints, tangents, and the best tensor at a fixed place."""

import numpy as np
import pytest
from cmt_cases import mechanism

from dislok import convert
from dislok.inversion.cmt import tensor as tensors


@pytest.fixture
def design(rng):
    """A well-posed but badly scaled design of two tensors."""
    return rng.standard_normal((80, 2, 6)) * np.array([1, 1, 1, 1, 1e-3, 1e-3])


def test_rows_and_matrices(rng):
    tensor = rng.standard_normal((5, 6))
    full = tensors.matrix(tensor)
    np.testing.assert_array_equal(full, np.swapaxes(full, 1, 2))
    np.testing.assert_array_equal(tensors.row(full), tensor)
    np.testing.assert_allclose(tensors.size(tensor), np.linalg.norm(full, axis=(1, 2)) / np.sqrt(2))


@pytest.mark.parametrize("constraint", tensors.CONSTRAINTS)
def test_tangents_are_slopes_of_steps(constraint, rng):
    """Tangents equal central differences of the step along the surface to 1e-9."""
    tensor = mechanism(30, 80, 20, 6.6) / 1e18
    basis = tensors.tangents(tensor, constraint)
    h = 1e-5
    for i, unit in enumerate(np.eye(basis.shape[1])):
        ahead, behind = (tensors.moved(tensor, s * h * unit, constraint) for s in (1, -1))
        np.testing.assert_allclose((ahead - behind) / (2 * h), basis[:, i], atol=1e-8)


def test_double_couples_stay_double_couples(rng):
    tensor = mechanism(30, 80, 20, 6.6)
    for step in rng.standard_normal((5, 4)):
        tensor = tensors.moved(tensor, step, "double_couple")
        values = np.linalg.eigvalsh(tensors.matrix(tensor))
        np.testing.assert_allclose(values / values[2], [-1, 0, 1], atol=1e-12)


@pytest.mark.parametrize("constraint", tensors.CONSTRAINTS)
def test_best_recovers_exact_data(constraint, design):
    """Noise-free data of tensors that obey the constraint give these tensors back."""
    truth = np.stack([mechanism(30, 80, 20, 6.6), mechanism(200, 40, 95, 6.2)]) / 1e18
    if constraint == "full":
        truth[:, :3] += 0.3
    data = np.einsum("mke,ke->m", design, truth)
    got = tensors.best(design, data, constraint, None, None)
    np.testing.assert_allclose(got, truth, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("constraint", tensors.CONSTRAINTS)
def test_best_is_a_minimum(constraint, design, rng):
    """No small step along the surface fits noisy data better."""
    data = rng.standard_normal(80)
    best = tensors.best(design, data, constraint, None, None)

    def misfit(tensor):
        return float(((data - np.einsum("mke,ke->m", design, tensor)) ** 2).sum())

    k = tensors.tangents(best[0], constraint).shape[1]
    for step in 1e-4 * rng.standard_normal((40, 2 * k)):
        assert misfit(tensors.moved_all(best, step, constraint)) >= misfit(best)


def test_prior_pulls_the_moment(design, rng):
    """A tight prior sets every moment; a wide one changes nothing."""
    truth = np.stack([mechanism(30, 80, 20, 6.6)] * 2) / 1e18
    data = np.einsum("mke,ke->m", design, truth) + 0.01 * rng.standard_normal(80)
    tight = tensors.best(design, data, "deviatoric", None, tensors.MomentPrior(3.0, 1e-4))
    np.testing.assert_allclose(tensors.size(tight), 3.0, rtol=1e-3)
    wide = tensors.best(design, data, "deviatoric", None, tensors.MomentPrior(3.0, 1e5))
    np.testing.assert_allclose(
        wide, tensors.best(design, data, "deviatoric", None, None), rtol=1e-4, atol=1e-4
    )


def test_prior_slopes_are_differences(rng):
    tensor, prior, h = rng.standard_normal((2, 6)), tensors.MomentPrior(2.0, 0.3), 1e-6
    slope = tensors.prior_slope(tensor, prior)
    for i, unit in enumerate(np.eye(12).reshape(12, 2, 6)):
        ahead, behind = (tensors.prior_residual(tensor + s * h * unit, prior) for s in (1, -1))
        np.testing.assert_allclose((ahead - behind) / (2 * h), slope[:, i], atol=1e-7)


def test_nearest_double_couple_shares_the_axes(rng):
    tensor = tensors.nearest_double_couple(rng.standard_normal((4, 6)))
    np.testing.assert_allclose(convert.double_couple(tensors.matrix(tensor)).clvd, 0.0, atol=1e-12)
