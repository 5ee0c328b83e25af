"""Observers on edges: NaN for them, and gradients that they do not spoil for all others."""

import pytest

torch = pytest.importorskip("torch")

from dislok import okada, tde  # noqa: E402

OBS = torch.tensor([[0.0, 5.0, -2.0], [3.0, 2.0, -1.0], [-4.0, 1.0, 0.0]], dtype=torch.float64)
GOOD = OBS[1:]
VALUES = (0.0, 0.0, 2.0, 10.0, 5.0, 0.0, 90.0, 20.0, 1.0, 0.0)
TRIANGLE = [[[0.0, 4, -2], [0, 6, -2], [3, 7, -9]]]


def parameters():
    return [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in VALUES]


def masked(u):
    return torch.where(u.isfinite(), u, 0).pow(2).sum()


@pytest.mark.parametrize("name", ["displacement", "gradient", "fields", "strain", "jacobian"])
def test_rectangles(name):
    def value(obs, fields):
        found = getattr(okada, name)(obs, okada.Rectangle(*fields))
        return found if name == "fields" else (found,)

    some, all_ = parameters(), parameters()
    for found in value(OBS, all_):
        assert found[0].isnan().any() and found[1:].isfinite().all()
    sum(map(masked, value(OBS, all_))).backward()
    sum(map(masked, value(GOOD, some))).backward()
    for a, b in zip(all_, some, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-14)


def test_observers_and_second_derivatives():
    obs = OBS.clone().requires_grad_()
    fields = parameters()
    (first,) = torch.autograd.grad(
        masked(okada.displacement(obs, okada.Rectangle(*fields))), fields[2], create_graph=True
    )
    by_obs, by_dip = torch.autograd.grad(first, [obs, fields[6]])
    assert by_obs.isfinite().all() and not by_obs[0].any() and by_obs[1:].any()
    assert by_dip.isfinite()


@pytest.mark.parametrize("name", ["displacement", "gradient", "fields"])
def test_triangles(name):
    def value(obs, points, slip):
        found = getattr(tde, name)(obs, points, slip)
        return found if name == "fields" else (found,)

    grads = []
    for obs in (OBS, GOOD):
        points = torch.tensor(TRIANGLE, dtype=torch.float64, requires_grad=True)
        slip = torch.tensor([[1.0, 0.5, 0.2]], dtype=torch.float64, requires_grad=True)
        sum(map(masked, value(obs, points, slip))).backward()
        grads.append((points.grad, slip.grad))
    for a, b in zip(*grads, strict=True):
        assert b.any()
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_pairs():
    fields = [torch.full((3,), v, dtype=torch.float64, requires_grad=True) for v in VALUES]
    masked(okada.displacement(OBS, okada.Rectangle(*fields), pairs=True)).backward()
    assert all(f.grad.isfinite().all() and f.grad[0] == 0 for f in fields)


def test_values_are_not_touched():
    """Without gradients, and where no observer is on an edge, everything is as it was."""
    plain = okada.displacement(OBS.numpy(), okada.Rectangle(*VALUES))
    found = okada.displacement(OBS, okada.Rectangle(*parameters()))
    assert torch.equal(found.detach()[1:], torch.from_numpy(plain)[1:])
    assert found[0].isnan().any()
