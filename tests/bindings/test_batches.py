"""Many models at once: sources of shape (B, k) give what a loop over the models gives."""

import numpy as np
import pytest

from dislok import okada
from dislok.kernels import threads

COUNT, SIZE = 5, 2
OPERATIONS = ["displacement", "gradient", "strain", "stress", "greens", "jacobian", "hessian"]
WITH_GRADIENT = ["greens", "jacobian"]


@pytest.fixture
def obs(rng):
    places = rng.normal(size=(7, 3)) * (20.0, 20.0, 0.0) - (0.0, 0.0, 1.0)
    places[-1, :2] = 4e3, 5e3  # by quadrature
    return places


def rectangles(rng, count=COUNT, size=SIZE):
    """Fields of every shape that broadcasts."""
    return okada.Rectangle(
        x=rng.normal(size=(count, size)),
        y=0.0,
        depth=rng.uniform(5, 9, (count, 1)),
        length=rng.uniform(1, 5, size),
        width=2.0,
        strike=30.0,
        dip=rng.uniform(10, 80, (count, size)),
        rake=rng.uniform(0, 90, (1, size)),
        slip=rng.normal(size=(count, size)),
    )


def points(rng, count=COUNT, size=SIZE):
    return okada.Point(
        rng.normal(size=(count, size)), 0.0, 6.0, 20.0, 50.0, potency=2.0, inflation=rng.normal(size=size)
    )


def model(source, b, count=COUNT, size=SIZE):
    """One of the models."""
    return type(source)(*(np.broadcast_to(field, (count, size))[b] for field in source))


def extra(operation):
    return {"mu": 3.0} if operation == "stress" else {}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("make", [rectangles, points])
def test_same_as_a_loop(operation, make, obs, rng):
    source, run = make(rng), getattr(okada, operation)
    got = run(obs, source, **extra(operation))
    for b in range(COUNT):
        want = run(obs, model(source, b), **extra(operation))
        assert got[b].shape == want.shape
        np.testing.assert_allclose(got[b], want, rtol=1e-13, atol=1e-15 * np.abs(want).max())


@pytest.mark.parametrize("operation", WITH_GRADIENT)
def test_gradients_of_operations(operation, obs, rng):
    source, run = rectangles(rng), getattr(okada, operation)
    got = run(obs, source, of="gradient")
    assert got.shape[:2] == (COUNT, len(obs))
    np.testing.assert_array_equal(got[3], run(obs, model(source, 3), of="gradient"))


def test_one_source_a_model_is_not_summed(obs, rng):
    source = rectangles(rng, size=1)
    got = okada.displacement(obs, source)
    for b in range(COUNT):
        np.testing.assert_array_equal(got[b], okada.displacement(obs, model(source, b, size=1)))


def test_surface_single_precision_and_fields(obs, rng):
    source = rectangles(rng)
    flat = obs[:, :2].astype(np.float32)
    single = type(source)(*(np.float32(field) for field in source))
    got = okada.displacement(flat, single)
    assert got.dtype == np.float32 and got.shape == (COUNT, len(obs), 3)
    np.testing.assert_allclose(got, okada.displacement(flat.astype(float), source), rtol=1e-3, atol=1e-6)
    u, g = okada.fields(obs, source)
    np.testing.assert_allclose(u, okada.displacement(obs, source), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(g, okada.gradient(obs, source), rtol=1e-12, atol=1e-15)


def test_threads_give_the_same_numbers(rng, monkeypatch):
    obs, source = rng.normal(size=(30, 2)) * 20, rectangles(rng, 200, 3)
    alone = okada.displacement(obs, source, threads=1)
    monkeypatch.setattr("dislok.kernels.pairs.batches.default_threads", lambda: 3)
    np.testing.assert_array_equal(okada.displacement(obs, source), alone)
    assert threads.default_threads() >= 1


def test_out_is_filled(obs, rng):
    source = rectangles(rng)
    for operation, shape in (("gradient", (3, 3)), ("jacobian", (3, SIZE, 10)), ("strain", (6,))):
        out = np.full((COUNT, len(obs), *shape), np.nan)
        assert getattr(okada, operation)(obs, source, out=out) is out
        np.testing.assert_array_equal(out, getattr(okada, operation)(obs, source))
    with pytest.raises(ValueError, match=r"out must have shape \(5, 7, 3\)"):
        okada.displacement(obs, source, out=np.empty((7, 3)))


def test_nothing_to_compute(obs, rng):
    assert okada.displacement(obs[:0], rectangles(rng)).shape == (COUNT, 0, 3)
    none = okada.Rectangle(np.empty((0, 2)), 0.0, 5.0, 1.0, 1.0, 0.0, 45.0)
    assert okada.jacobian(obs, none).shape == (0, len(obs), 3, 2, 10)
    empty = okada.Rectangle(np.empty((4, 0)), 0.0, 5.0, 1.0, 1.0, 0.0, 45.0)
    assert not okada.displacement(obs, empty).any()


def test_offenders_are_named_by_model_and_source(obs, rng):
    source = rectangles(rng)
    depth = np.broadcast_to(source.depth, (COUNT, SIZE)).copy()
    depth[3, 1] = -1.0
    with pytest.raises(ValueError, match=r"source.depth\[3, 1\] is -1.0"):
        okada.displacement(obs, source._replace(depth=depth))
    depth[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"source.depth\[3, 1\] is nan"):
        okada.displacement(obs, source._replace(depth=depth))
    with pytest.raises(ValueError, match=r"source.depth has shape \(4, 1\), which does not fit"):
        okada.displacement(obs, source._replace(depth=np.ones((4, 1))))
    with pytest.raises(ValueError, match="pairs=True takes sources of one model"):
        okada.displacement(obs, source, pairs=True)
    with pytest.raises(ValueError, match="the operation with s takes sources of one model"):
        okada.apply(obs, source, np.ones((COUNT * SIZE, 3)))
    with pytest.raises(ValueError, match="at most two dimensions"):
        okada.displacement(obs, source._replace(x=np.ones((2, COUNT, SIZE))))


# ---------------------------------------------------------------------------------------------- torch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def tensors(torch, source):
    return type(source)(*(torch.tensor(np.broadcast_to(field, (COUNT, SIZE)).copy()) for field in source))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_tensors_give_the_same_numbers(operation, obs, rng, torch):
    source = rectangles(rng)
    want = getattr(okada, operation)(obs, source, **extra(operation))
    got = getattr(okada, operation)(torch.tensor(obs), tensors(torch, source), **extra(operation))
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-14 * np.abs(want).max())


def test_tensors_have_the_gradients_of_a_loop(obs, rng, torch):
    source = tensors(torch, rectangles(rng))
    source = source._replace(dip=source.dip.requires_grad_(), slip=source.slip.requires_grad_())
    places = torch.tensor(obs, requires_grad=True)
    weights = torch.tensor(rng.normal(size=(COUNT, len(obs), 3)))
    inputs = source.dip, source.slip, places
    got = torch.autograd.grad((weights * okada.displacement(places, source)).sum(), inputs)
    loop = [okada.displacement(places, type(source)(*(f[b] for f in source))) for b in range(COUNT)]
    want = torch.autograd.grad((weights * torch.stack(loop)).sum(), inputs)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


def test_second_derivatives_of_tensors(obs, rng, torch):
    source = tensors(torch, rectangles(rng))

    def misfit(dip):
        return okada.displacement(torch.tensor(obs), source._replace(dip=dip)).square().sum()

    def single(dip, b):
        mine = type(source)(*(field[b] for field in source))._replace(dip=dip)
        return okada.displacement(torch.tensor(obs), mine).square().sum()

    got = torch.autograd.functional.hessian(misfit, source.dip)
    for b in range(COUNT):
        want = torch.autograd.functional.hessian(lambda dip, b=b: single(dip, b), source.dip[b])
        torch.testing.assert_close(got[b, :, b], want, rtol=1e-9, atol=1e-12)
        assert not got[b, :, (b + 1) % COUNT].any()  # models know nothing of each other
