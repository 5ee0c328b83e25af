"""Many models of triangles at once: what a loop over the models gives."""

import numpy as np
import pytest

from dislok import tde

COUNT, SIZE = 5, 3
OPERATIONS = ["displacement", "gradient", "strain", "stress", "jacobian"]


@pytest.fixture
def obs(rng):
    places = rng.normal(size=(7, 3)) * (20.0, 20.0, 0.0) - (0.0, 0.0, 1.0)
    places[-1, :2] = 4e3, 5e3  # by quadrature
    return places


@pytest.fixture
def tri(rng):
    found = rng.normal(size=(COUNT, SIZE, 3, 3)) * 4 - (0, 0, 30)
    found[1, 2] = [[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.5, 0.50001, -2.0]]  # narrow: lifted
    return found


@pytest.fixture
def slip(rng):
    return rng.normal(size=(COUNT, SIZE, 3))


def extra(operation):
    return {"mu": 3.0} if operation == "stress" else {}


@pytest.mark.parametrize("space", tde.SPACES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_same_as_a_loop(operation, space, obs, tri, slip):
    run, given = getattr(tde, operation), {"space": space, **extra(operation)}
    got = run(obs, tri, slip, **given)
    for b in range(COUNT):
        want = run(obs, tri[b], slip[b], **given)
        assert got[b].shape == want.shape
        np.testing.assert_allclose(got[b], want, rtol=1e-12, atol=1e-14 * np.abs(want).max())


@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_green_and_jacobian(of, obs, tri, slip):
    matrix, slopes = tde.greens(obs, tri, of=of), tde.jacobian(obs, tri, slip, of=of)
    for b in range(COUNT):
        np.testing.assert_allclose(matrix[b], tde.greens(obs, tri[b], of=of), rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(
            slopes[b], tde.jacobian(obs, tri[b], slip[b], of=of), rtol=1e-11, atol=1e-14
        )


@pytest.mark.parametrize("n", [1, 7, 70])
@pytest.mark.parametrize("size", [1, 20, 80])
def test_lanes_along_either_side(n, size, rng):
    obs, tri = rng.normal(size=(n, 2)) * 20, rng.normal(size=(3, size, 3, 3)) * 4 - (0, 0, 30)
    slip = rng.normal(size=(3, size, 3))
    got, matrix = tde.displacement(obs, tri, slip), tde.greens(obs, tri)
    for b in range(3):
        want = tde.displacement(obs, tri[b], slip[b])
        np.testing.assert_allclose(got[b], want, rtol=1e-12, atol=1e-14 * np.abs(want).max())
        np.testing.assert_allclose(matrix[b], tde.greens(obs, tri[b]), rtol=1e-12, atol=1e-16)


def test_what_is_the_same_for_all_models_is_given_once(obs, tri, slip):
    one = tde.displacement(obs, tri, slip[0, 0])
    np.testing.assert_array_equal(
        one[2], tde.displacement(obs, tri, np.tile(slip[0, 0], (COUNT, SIZE, 1)))[2]
    )
    many = tde.displacement(obs, tri[0], slip)
    np.testing.assert_allclose(
        many, np.einsum("nimk,bmk->bni", tde.greens(obs, tri[0]), slip), rtol=1e-9, atol=1e-12
    )
    mesh = tri[0].reshape(-1, 3), np.arange(3 * SIZE).reshape(SIZE, 3)
    np.testing.assert_array_equal(tde.displacement(obs, mesh, slip), many)


def test_single_precision_fields_threads_and_out(obs, tri, slip, monkeypatch):
    single = tde.displacement(*(a.astype(np.float32) for a in (obs, tri, slip)))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, tde.displacement(obs, tri, slip), rtol=2e-3, atol=1e-5)
    u, g = tde.fields(obs, tri, slip)
    np.testing.assert_allclose(u, tde.displacement(obs, tri, slip), rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(g, tde.gradient(obs, tri, slip), rtol=1e-11, atol=1e-15)
    for operation, shape in (("gradient", (3, 3)), ("jacobian", (3, SIZE, 9)), ("strain", (6,))):
        out = np.full((COUNT, len(obs), *shape), np.nan)
        assert getattr(tde, operation)(obs, tri, slip, out=out) is out
        np.testing.assert_array_equal(out, getattr(tde, operation)(obs, tri, slip))
    with pytest.raises(ValueError, match=r"out must have shape \(5, 7, 3\)"):
        tde.displacement(obs, tri, slip, out=np.empty((7, 3)))


def test_threads_give_the_same_numbers(rng, monkeypatch):
    obs, tri = rng.normal(size=(30, 2)) * 20, rng.normal(size=(200, 2, 3, 3)) * 4 - (0, 0, 30)
    alone = tde.displacement(obs, tri, np.ones(3), threads=1)
    monkeypatch.setattr("dislok.kernels.pairs.batches.default_threads", lambda: 3)
    np.testing.assert_array_equal(tde.displacement(obs, tri, np.ones(3)), alone)


def test_nothing_to_compute(obs, tri, slip):
    assert tde.displacement(obs[:0], tri, slip).shape == (COUNT, 0, 3)
    assert tde.jacobian(obs, tri[:0], slip[:0]).shape == (0, len(obs), 3, SIZE, 9)
    assert not tde.displacement(obs, tri[:, :0], slip[:, :0]).any()


def test_offenders_are_named_by_model_and_triangle(obs, tri, slip):
    high = tri.copy()
    high[3, 1, 2, 2] = 1.0
    with pytest.raises(ValueError, match=r"triangles\[3, 1, 2, 2\] is 1.0"):
        tde.displacement(obs, high, slip)
    high[3, 1] = high[3, 1, 0]
    with pytest.raises(ValueError, match=r"triangles\[3, 1\] is degenerate"):
        tde.gradient(obs, high, slip, space="full")
    with pytest.raises(
        ValueError, match=r"triangles \(B, k, 3, 3\) and slip \(B, k, 3\), which broadcast; got"
    ):
        tde.displacement(obs, tri, slip[:4])
    with pytest.raises(ValueError, match="pairs=True takes sources of one model"):
        tde.displacement(obs, tri, slip, pairs=True)
    with pytest.raises(ValueError, match="the operation with s takes sources of one model"):
        tde.apply(obs, tri, slip[0])
    with pytest.raises(ValueError, match="triangles must have shape"):
        tde.frame(tri)


# ---------------------------------------------------------------------------------------------- torch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("operation", [*OPERATIONS, "greens"])
def test_tensors_give_the_same_numbers(operation, obs, tri, slip, torch):
    given = [obs, tri, slip][: 2 if operation == "greens" else 3]
    want = getattr(tde, operation)(*given, **extra(operation))
    got = getattr(tde, operation)(*map(torch.tensor, given), **extra(operation))
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-10, atol=1e-13 * np.abs(want).max())


def test_tensors_have_the_gradients_of_a_loop(obs, tri, slip, rng, torch):
    inputs = [torch.tensor(each, requires_grad=True) for each in (obs, tri, slip)]
    weights = torch.tensor(rng.normal(size=(COUNT, len(obs), 3)))
    got = torch.autograd.grad((weights * tde.displacement(*inputs)).sum(), inputs)
    loop = [tde.displacement(inputs[0], inputs[1][b], inputs[2][b]) for b in range(COUNT)]
    want = torch.autograd.grad((weights * torch.stack(loop)).sum(), inputs)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
