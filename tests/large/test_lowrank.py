"""Single far blocks as factors, errors by rows, and matrices of strain and stress."""

import numpy as np
import pytest
from large_cases import case, mesh

from dislok import okada, tde
from dislok.large import skeletons

FAMILIES = ["triangle", "rectangle", "point"]
PARTS = {"displacement": 3, "gradient": 9, "strain": 6, "stress": 6}


def far(rng, n):
    """Observers beside the sources of `case`, about as far as these are long."""
    return rng.uniform([70, -20, -20], [110, 20, 0], (n, 3))


def full(module, obs, sources, of="displacement"):
    return module.greens(obs, sources, of=of).reshape(len(obs) * PARTS[of], -1)


def relative(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


def own(got, want, n):
    """Largest error of an observer's rows, relative to themselves."""
    wrong, size = (np.linalg.norm(a.reshape(n, -1), axis=1) for a in (got - want, want))
    return float((wrong / size).max())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-7])
def test_factors_are_the_block(family, tolerance, rng):
    module, sources, _ = case(family, rng, 300)
    obs = far(rng, 250)
    found, exact = module.factors(obs, sources, tolerance=tolerance), full(module, obs, sources)
    assert relative(found.u @ found.v, exact) < 1.5 * tolerance
    assert max(found[2:]) <= tolerance
    assert found.u.shape[1] < 0.25 * min(exact.shape)
    by_row = module.factors(obs, sources, tolerance=tolerance, tolerance_by="row")
    assert own(by_row.u @ by_row.v, exact, len(obs)) < 2 * tolerance


def test_far_observers_are_as_exact_as_near_ones(rng):
    """Some of them a hundred times as far away: the matrix as a whole does not care for them."""
    sources = mesh(12, 8, 0.2)
    obs = np.concatenate([far(rng, 150), 100.0 * far(rng, 50)])
    obs[:, 2] = 0.0
    exact = full(tde, obs, sources)
    careless = tde.factors(obs, sources, tolerance=1e-4)
    careful = tde.factors(obs, sources, tolerance=1e-4, tolerance_by="row")
    assert own(careless.u @ careless.v, exact, len(obs)) > 1e-3
    assert own(careful.u @ careful.v, exact, len(obs)) < 2e-4


def test_lists_of_blocks(rng):
    sources, obs = mesh(12, 8, 0.2), far(rng, 120)
    exact = full(tde, obs, sources).reshape(120, 3, -1, 3)
    pick = np.array([5, 3, 100])
    blocks = [(slice(0, 60), slice(10, 100)), (slice(60, None), slice(None)), (pick, np.arange(7))]
    found = tde.factors(obs, sources, blocks)
    assert len(found) == 3
    for (i, j), each in zip(blocks, found, strict=True):
        part = exact[i][:, :, j]
        assert relative(each.u @ each.v, part.reshape(each.u.shape[0], -1)) < 1.5e-4


@pytest.mark.parametrize(
    ("blocks", "error", "words"),
    [
        ("all", TypeError, "blocks must be a sequence of pairs"),
        ([(slice(None),)], TypeError, r"blocks\[0\] must be two values"),
        ([(np.array([500]), slice(None))], ValueError, r"blocks\[0\]\[0\] has 500; there are 50"),
        ([(slice(None), slice(0, 0))], ValueError, r"blocks\[0\]\[1\] is empty"),
        ([(slice(None), [0.5])], TypeError, r"blocks\[0\]\[1\] must be a slice or a vector of integers"),
    ],
)
def test_blocks_that_are_none(blocks, error, words, rng):
    with pytest.raises(error, match=words):
        tde.factors(far(rng, 50), mesh(4, 4, 0.2), blocks)


def test_options_are_checked(rng):
    obs, sources = far(rng, 50), mesh(4, 4, 0.2)
    for call in (tde.factors, tde.operator):
        with pytest.raises(ValueError, match="tolerance_by must be one of matrix, row"):
            call(obs, sources, tolerance_by="column")
        with pytest.raises(ValueError, match="mu must be positive"):
            call(obs, sources, of="stress", mu=-1.0)
    with pytest.raises(ValueError, match="lies on an edge"):
        tde.factors(np.asarray(sources[0])[:3], sources)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_operator_of_one_far_block_is_its_factors(dtype, rng):
    sources, obs = mesh(12, 8, 0.2), far(rng, 300)
    matrix, exact = tde.operator(obs, sources, dtype=dtype), full(tde, obs, sources)
    assert not matrix.near
    assert matrix.far[0].shape[0] == matrix.report.largest_rank
    slip, residual = rng.standard_normal((len(sources[1]), 3)), rng.standard_normal(obs.shape)
    assert relative(matrix.apply(slip).ravel(), exact @ slip.ravel()) < 1e-3
    assert relative(matrix.apply_adjoint(residual).ravel(), exact.T @ residual.ravel()) < 1e-3
    assert relative(matrix.matmat(np.eye(matrix.shape[1])), exact) < 1.5e-4
    assert 0 < max(matrix.report[1:3]) <= 1e-4
    assert matrix.report.share < 0.2


def test_a_far_block_is_kept(tmp_path, rng):
    """Its factors are made once."""
    sources, obs = mesh(12, 8, 0.2), far(rng, 100)
    first = tde.operator(obs, sources, folder=tmp_path)
    again = tde.operator(obs, sources, folder=tmp_path)
    assert np.array_equal(first.rows.factors[0], again.rows.factors[0])


@pytest.mark.parametrize("of", ["strain", "stress"])
@pytest.mark.parametrize("family", FAMILIES)
def test_matrices_of_strain_and_stress(family, of, rng):
    """They are those of the gradient, by Hooke's law, and sum to the fields."""
    module, sources, _ = case(family, rng, 20)
    obs = far(rng, 12)
    more = {"mu": 2e10} if of == "stress" else {}
    matrix = module.greens(obs, sources, of=of, nu=0.3, **more)
    assert matrix.shape[:2] == (12, 6)
    slip = np.zeros(matrix.shape[2:])
    slip[:, :3] = rng.standard_normal((len(slip), 3))
    field = getattr(module, of)
    if module is tde:
        exact = field(obs, sources, slip, nu=0.3, **more)
    else:
        strike_slip, dip_slip, opening = slip.T[:3]
        names = ("potency" if family == "point" else "slip", "opening", "rake")
        size, rake = np.hypot(strike_slip, dip_slip), np.degrees(np.arctan2(dip_slip, strike_slip))
        moved = sources._replace(**dict(zip(names, (size, opening, rake), strict=True)))
        exact = field(obs, moved._replace(inflation=0.0) if family == "point" else moved, nu=0.3, **more)
    assert np.abs(np.einsum("nkmb,mb->nk", matrix, slip) - exact).max() < 1e-12 * np.abs(exact).max()
    out = np.empty_like(matrix)
    assert module.greens(obs, sources, of=of, nu=0.3, out=out, **more) is out
    assert np.array_equal(out, matrix)
    found = module.factors(obs, sources, of=of, nu=0.3, tolerance=1e-6, **more)
    assert relative(found.u @ found.v, matrix.reshape(72, -1)) < 1e-5


def test_operators_of_stress_near_and_far(monkeypatch, rng):
    monkeypatch.setattr(skeletons, "LEAF", 12)
    sources = mesh(8, 6, 0.2)
    obs = rng.uniform([-40, -40, -30], [40, 40, -20], (150, 3))
    matrix = tde.operator(obs, sources, of="stress", mu=3.0, tolerance=1e-3)
    exact = tde.greens(obs, sources, of="stress", mu=3.0).reshape(900, -1)
    assert relative(matrix.matmat(np.eye(matrix.shape[1])), exact) < 1.5e-3
    slip = rng.standard_normal((len(sources[1]), 3))
    assert matrix.apply(slip).shape == (150, 6)
    assert relative(matrix.apply(slip), tde.stress(obs, sources, slip, mu=3.0)) < 1e-2


def test_tolerance_by_row_near_and_far(monkeypatch, rng):
    """Observers up to ten lengths of the fault away: each is as exact as was asked for."""
    monkeypatch.setattr(skeletons, "LEAF", 12)
    sources = mesh(12, 8, 0.2)
    obs = np.column_stack([rng.uniform(-300, 300, (250, 2)), np.zeros(250)])
    exact = full(tde, obs, sources)
    errors = {}
    for by in ("matrix", "row"):
        matrix = tde.operator(obs, sources, tolerance=1e-3, tolerance_by=by)
        errors[by] = own(matrix.matmat(np.eye(matrix.shape[1])), exact, len(obs))
        if by == "row":
            assert matrix.report.row_error == pytest.approx(errors[by], rel=0.5)
    assert errors["row"] < 1e-3 < errors["matrix"]


def test_matrices_of_tensors_and_batches(rng):
    torch = pytest.importorskip("torch")
    sources, obs = mesh(3, 2, 0.2), far(rng, 4)
    places, points = (torch.as_tensor(each).requires_grad_() for each in (obs, sources[0]))
    tensor = tde.greens(places, (points, sources[1]), of="strain")
    assert np.array_equal(tensor.detach().numpy(), tde.greens(obs, sources, of="strain"))
    tensor.sum().backward()
    assert points.grad.abs().max() > 0
    many = okada.Rectangle(np.zeros((2, 3)), 0.0, 5.0, 1.0, 1.0, 0.0, 90.0)
    with pytest.raises(ValueError, match="one model at a time"):
        okada.greens(obs, many, of="strain")


def test_chunks_of_strain(rng):
    pytest.importorskip("dask")
    sources, obs = mesh(4, 3, 0.2), far(rng, 10)
    lazy = tde.greens(obs, sources, of="stress", mu=5.0, chunks=(4, 9))
    assert np.array_equal(lazy.compute(), tde.greens(obs, sources, of="stress", mu=5.0))
