"""Triangles as differentiable tensors: gradients of both orders, transforms, meshes, layouts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.func import grad, hessian, jacfwd, jacrev, vmap  # noqa: E402

from dislok import tde  # noqa: E402
from dislok.autograd import tde as tde_autograd  # noqa: E402

DOUBLE = {"dtype": torch.float64}
OBS = torch.tensor([[0.3, 0.9, -0.2], [1.4, -0.6, -0.1]], **DOUBLE)
POINTS = torch.tensor([[0.0, 0.0, -0.6], [1.0, 0.1, -0.8], [0.2, 1.1, -1.2], [1.3, 1.0, -1.7]], **DOUBLE)
CELLS = np.array([[0, 1, 2], [1, 3, 2]])
SLIP = torch.tensor([[1.0, 0.5, 0.2], [-0.3, 0.4, 0.6]], **DOUBLE)
NU = torch.tensor(0.27, **DOUBLE)
TIGHT = {"eps": 1e-5, "atol": 1e-7, "rtol": 1e-6}
SPACES = pytest.mark.parametrize("space", ["half", "full"])


def leaves(*tensors):
    return tuple(t.clone().requires_grad_() for t in tensors)


def close(got, want, rtol=1e-10):
    assert got.shape == want.shape
    assert ((got - want).abs().max() / want.abs().max().clamp_min(1e-300)).item() < rtol


def displacement(obs, points, slip, nu=0.25, space="half"):
    return tde.displacement(obs, (points, CELLS), slip, nu=nu, space=space)


@SPACES
def test_first_order(space):
    """With respect to observers, shared points, slip and Poisson's ratio, both modes."""
    assert torch.autograd.gradcheck(
        lambda *a: displacement(*a, space=space),
        leaves(OBS, POINTS, SLIP, NU),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
        **TIGHT,
    )


@pytest.mark.slow
@SPACES
def test_second_order(space):
    assert torch.autograd.gradgradcheck(
        lambda *a: displacement(*a, space=space),
        leaves(OBS, POINTS, SLIP, NU),
        check_fwd_over_rev=True,
        **TIGHT,
    )


@pytest.mark.slow
@pytest.mark.parametrize("function", [tde.strain, tde.stress])
def test_strain_and_stress(function):
    more = {"mu": 2.0} if function is tde.stress else {}
    assert torch.autograd.gradcheck(
        lambda o, p, s, nu: function(o, (p, CELLS), s, nu=nu, space="full", **more),
        leaves(OBS, POINTS, SLIP, NU),
        check_forward_ad=True,
        **TIGHT,
    )
    assert torch.autograd.gradgradcheck(
        lambda o, p, s: function(o, (p, CELLS), s, space="full", **more),
        leaves(OBS[:1], POINTS, SLIP),
        **TIGHT,
    )


def test_loose_triangles_and_pairs():
    tri = POINTS[torch.as_tensor(CELLS)]
    for pairs in (False, True):
        assert torch.autograd.gradcheck(
            lambda o, t, s, pairs=pairs: tde.displacement(o, t, s, space="full", pairs=pairs),
            leaves(OBS, tri, SLIP),
            check_forward_ad=True,
            **TIGHT,
        )


def test_matrices():
    """Green's matrix and products: the derivatives that an inversion asks for."""
    assert torch.autograd.gradcheck(
        lambda o, p: tde.greens(o, (p, CELLS), space="full"),
        leaves(OBS, POINTS),
        check_forward_ad=True,
        **TIGHT,
    )
    r = torch.cos(torch.arange(6.0, **DOUBLE)).reshape(2, 3)
    assert torch.autograd.gradcheck(
        lambda o, p, r: tde.apply_adjoint(o, (p, CELLS), r, space="full"), leaves(OBS, POINTS, r), **TIGHT
    )
    assert torch.autograd.gradcheck(
        lambda o, p, s: tde.apply(o, (p, CELLS), s, space="full"), leaves(OBS, POINTS, SLIP), **TIGHT
    )


def test_slip_alone_needs_the_transposed_matrix_alone(monkeypatch):
    monkeypatch.setattr("dislok.autograd.products.Vjp", None)
    (slip,) = leaves(SLIP)
    value = displacement(OBS, POINTS, slip)
    (back,) = torch.autograd.grad((value**2).sum() / 2, slip)
    close(back, tde.apply_adjoint(OBS, (POINTS, CELLS), value.detach()))


@pytest.mark.parametrize("transform", [jacfwd, jacrev])
def test_jacobian_of_the_points(transform):
    got = transform(lambda p: displacement(OBS, p, SLIP))(POINTS)
    close(got, tde.jacobian(OBS, (POINTS, CELLS), SLIP))
    plain = tde.jacobian(OBS.numpy(), (POINTS.numpy(), CELLS), SLIP.numpy())
    close(got, torch.from_numpy(plain))


@pytest.mark.slow
def test_hessian_of_a_loss():
    def loss(points):
        return displacement(OBS, points, SLIP, space="full").sin().sum()

    got = hessian(loss)(POINTS)
    step = 1e-5
    for k in range(4):
        ahead, behind = (grad(loss)(POINTS + h * torch.eye(4, **DOUBLE)[k][:, None]) for h in (step, -step))
        close(got[:, :, k].sum(-1), (ahead - behind) / (2 * step), 1e-7)


def test_vmap():
    batch = torch.stack([POINTS, POINTS * 1.01, POINTS * 0.99])
    want = torch.stack([displacement(OBS, p, SLIP) for p in batch])
    close(vmap(lambda p: displacement(OBS, p, SLIP))(batch), want, 1e-13)
    want = torch.stack([displacement(o, POINTS, SLIP) for o in (OBS, OBS * 1.1)])
    close(vmap(lambda o: displacement(o, POINTS, SLIP))(torch.stack([OBS, OBS * 1.1])), want, 1e-13)


def test_values_are_those_of_numpy():
    for name in ("displacement", "gradient", "strain", "stress"):
        got = getattr(tde, name)(OBS, (POINTS, torch.as_tensor(CELLS)), SLIP)
        want = getattr(tde, name)(OBS.numpy(), (POINTS.numpy(), CELLS), SLIP.numpy())
        close(got, torch.from_numpy(want), 1e-15)
    close(tde.frame((POINTS, CELLS)), torch.from_numpy(tde.frame((POINTS.numpy(), CELLS))), 1e-15)
    assert tde.displacement(OBS.float(), (POINTS.float(), CELLS), SLIP.float()).dtype == torch.float32


def test_bad_values_are_named_inside_transforms():
    above = POINTS + torch.tensor([0.0, 0.0, 1.0], **DOUBLE)
    with pytest.raises(ValueError, match="triangles must not reach above the surface"):
        grad(lambda p: displacement(OBS, p, SLIP).sum())(above)


def test_out_carries_no_gradients():
    out = torch.empty(2, 3, **DOUBLE)
    assert tde.displacement(OBS, (POINTS, CELLS), SLIP, out=out) is out
    with pytest.raises(ValueError, match="cannot carry gradients"):
        displacement_into(out)


def displacement_into(out):
    return tde.displacement(OBS, (POINTS.clone().requires_grad_(), CELLS), SLIP, out=out)


def test_rows_of_sources():
    rows = tde_autograd.joined(POINTS[torch.as_tensor(CELLS)], SLIP)
    family = tde_autograd.Triangles("half")
    src, slip = family.unstack(family.stack(rows, SLIP))
    close(slip, SLIP)
    assert not src[:, 9:].any() and family.unit_slips(rows).shape == (3, 12)
