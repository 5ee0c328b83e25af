"""What wrong crusts move, what they explain of residuals, and when no uncertainty is stated."""

from dataclasses import replace

import numpy as np
import pytest
from cmt_cases import clean

from dislok.inversion.cmt import crusts, disturbed, minimise, quality, result, summary
from dislok.inversion.cmt.demo import problem, synthetic, true_source
from dislok.inversion.cmt.posterior import _inverse
from dislok.inversion.cmt.problem import evaluate, jacobian


@pytest.fixture(scope="module")
def solved():
    """The demonstration's solution with errors as residuals show them."""
    found = minimise(problem(synthetic(), "ENU"), true_source())
    return minimise(quality.weighed(found.state), found.state.sources)


@pytest.fixture(scope="module")
def changes(solved):
    return crusts.in_other_crusts(solved.state, np.random.default_rng(0), 6)


def _left(state, changes):
    matrix = jacobian(state)[0]
    return (changes.T - matrix @ (_inverse(matrix)[0] @ changes.T)).T


def test_the_same_crust_changes_nothing(solved):
    got = crusts.in_other_crusts(solved.state, np.random.default_rng(0), 2, 0.0)
    assert np.abs(got).max() < 1e-9 * np.abs(solved.state.system.problem.target).max()


def test_steps_are_those_of_an_inversion_in_the_other_crust():
    """A crust off by 0.3 %: the linear step is where a search in that crust ends, to a fifth of it."""
    state = minimise(clean(), true_source()).state
    whole = state.system.problem
    (change,) = crusts.in_other_crusts(state, np.random.default_rng(3), 1, 0.003)
    matrix, _, split = jacobian(state)
    step = (_inverse(matrix)[0] @ change)[split:]
    model = disturbed(whole.model, np.random.default_rng(3), 0.003)
    end = minimise(whole.with_model(model), state.sources).state.sources
    moved = end.values(whole.unknowns) - state.sources.values(whole.unknowns)
    assert np.abs(moved).max() > 0.05
    np.testing.assert_allclose(step, moved, atol=0.2 * np.abs(moved).max())


def test_what_crusts_explain_is_taken_from_the_residuals(solved, changes, rng):
    """A change as large as crusts make it is chance; six times as large it is more than that."""
    state = solved.state
    left = _left(state, changes)
    noise = 0.05 * np.sqrt((left**2).mean()) * rng.standard_normal(len(state.residual))
    usual = state._replace(residual=left[0] + noise)
    found = crusts.explained(usual, left, changes)
    assert found.factor == 1.0
    assert found.residual @ found.residual < 0.3 * usual.residual @ usual.residual
    large = crusts.explained(state._replace(residual=6 * left[0] + noise), left, changes)
    assert large.factor > 2.0
    pure = crusts.explained(state._replace(residual=noise), left, changes)
    np.testing.assert_allclose(pure.residual, noise, atol=0.5 * np.abs(noise).max())


def test_wrong_crusts_widen_the_uncertainty(solved, changes):
    alone = result.conclude(solved)
    wide = result.conclude(solved, changes=changes)
    assert wide.crusts == 6 and "6 other crusts would change" in wide.summary()
    for name in ("depth", "time"):
        assert wide.sigma()[name] > 1.2 * alone.sigma()[name]
    twice = result.conclude(solved, changes=2 * changes)
    assert all(twice.sigma()[name] > wide.sigma()[name] for name in ("depth", "time"))


def test_no_uncertainty_where_a_point_explains_nothing():
    """The opposite of the earthquake leaves four times its variance: numbers without errors, said so."""
    whole, truth = clean(), true_source()
    wrong = evaluate(whole, truth.with_tensor(-truth.tensor), refit=False)
    found = minimise(whole, truth)._replace(state=wrong, others=())
    outcome = result.conclude(found, "nothing")
    assert outcome.errors == "none" and np.isnan(list(outcome.sigma().values())).all()
    text = outcome.summary()
    assert "no uncertainty is stated: the model does not explain the data (variance reduction -300 %" in text
    assert result.conclude(found, errors="data").errors == "data"


def test_how_much_must_be_explained(solved):
    """Half; four fifths near a long rupture; noise excused, but for a third of all."""
    outcome = result.conclude(solved)
    (fit,) = outcome.fits

    def explained(reduction, beyond=0.0, near=False):
        share = np.sqrt(1 - reduction)
        shown = replace(fit, predicted=fit.observed * (1 - share))
        tensor = outcome.centroids[0].tensor * (300 if near else 1)
        moved = replace(outcome, fits=(shown,), centroids=(replace(outcome.centroids[0], tensor=tensor),))
        return summary.explains(moved, beyond)

    assert explained(0.51) and not explained(0.49)
    assert explained(0.4, 0.6) and not explained(0.29, 0.9)
    assert explained(0.81, near=True) and not explained(0.79, near=True) and explained(0.5, 0.9, near=True)


def test_noise_before_the_earthquake_is_excused():
    records = synthetic()
    found = minimise(problem(records, "ENU"), true_source())
    raw = result.total_reduction(result.fits(found.state))
    assert raw < quality.beyond_noise(found.state) <= 1.0
    silent = minimise(clean(), true_source())
    assert quality.beyond_noise(silent.state) == pytest.approx(1.0, abs=1e-6)
