"""Warped tensors and their derivatives, by every road that torch knows."""

import numpy as np
import pytest

from dislok import images

torch = pytest.importorskip("torch")
SHAPE = (9, 11)


@pytest.fixture
def case(rng):
    """Image, right and down that need gradients; displacements that keep away from whole pixels and edges."""

    def tensor(values):
        return torch.tensor(values, requires_grad=True)

    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    away = rng.uniform(0.2, 0.8, (2, *SHAPE))
    right = rng.integers(1, SHAPE[1] - 2, SHAPE) + away[0] - columns
    down = rng.integers(1, SHAPE[0] - 2, SHAPE) + away[1] - rows
    return tensor(rng.normal(size=SHAPE)), tensor(right), tensor(down)


def values(*planes, order=5):
    return images.warp(*planes, order=order).values


@pytest.mark.parametrize("order", [3, 5])
def test_the_numbers_are_those_of_numpy(case, order):
    got = images.warp(*case, order=order)
    want = images.warp(*(t.detach().numpy() for t in case), order=order)
    np.testing.assert_array_equal(got.values.detach(), want.values)
    np.testing.assert_array_equal(got.valid, want.valid)
    assert got.valid.dtype == torch.bool and not got.valid.requires_grad and got.values.requires_grad


@pytest.mark.parametrize("order", [3, 5])
def test_gradcheck(case, order):
    assert torch.autograd.gradcheck(lambda *p: values(*p, order=order), case, check_forward_ad=True)


def test_gradients_of_each_alone(case):
    whole = torch.autograd.grad(values(*case).sin().sum(), case)
    for k, alone in enumerate(whole):
        only = [t if j == k else t.detach() for j, t in enumerate(case)]
        np.testing.assert_allclose(torch.autograd.grad(values(*only).sin().sum(), only[k])[0], alone)


def test_transforms_agree(case):
    """jacfwd, jacrev, and vmap of them are one Jacobian."""
    plain = tuple(t.detach() for t in case)
    forward = torch.func.jacfwd(values, (0, 1, 2))(*plain)
    backward = torch.func.jacrev(values, (0, 1, 2))(*plain)
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    tangents = [torch.randn(3, *SHAPE, dtype=torch.float64) for _ in plain]
    along = torch.func.vmap(lambda *t: torch.func.jvp(values, plain, t)[1])(*tangents)
    want = sum(torch.einsum("abcd,ncd->nab", j, t) for j, t in zip(forward, tangents, strict=True))
    np.testing.assert_allclose(along, want, atol=1e-10)


def test_vmap_is_a_loop(case):
    image, right, down = (t.detach() for t in case)
    stack = torch.stack([image, 2 * image, image.flip(0)])
    got = torch.func.vmap(values, (0, None, None))(stack, right, down)
    np.testing.assert_array_equal(got, torch.stack([values(one, right, down) for one in stack]))


def test_leading_axes(case):
    image, right, down = (t.detach() for t in case)
    stack = torch.stack([image, 2 * image])[:, None].requires_grad_()
    got = values(stack, right, down)
    assert got.shape == (2, 1, *SHAPE)
    got.sum().backward()
    np.testing.assert_allclose(stack.grad[0, 0], stack.grad[1, 0])


def test_compiled_programs_see_the_same_gradients(case):
    step = torch.compile(lambda *p: (values(*p) ** 2).sum(), backend="eager")
    for a, b in zip(
        torch.autograd.grad(step(*case), case),
        torch.autograd.grad((values(*case) ** 2).sum(), case),
        strict=True,
    ):
        np.testing.assert_allclose(a, b)


def test_second_derivatives_by_the_displacement_are_refused(case):
    first = torch.autograd.grad(values(*case).pow(2).sum(), case[1], create_graph=True)[0]
    with pytest.raises(NotImplementedError, match="second derivatives of warped images"):
        torch.autograd.grad(first.sum(), case[1])


def test_second_derivatives_by_the_image_are_known(case):
    image, right, down = case[0], case[1].detach(), case[2].detach()
    assert torch.autograd.gradgradcheck(lambda i: values(i, right, down) ** 2, (image,))


def test_invalid_pixels_get_no_gradient_of_their_own(case):
    image, right, down = case
    holes = torch.zeros(SHAPE, dtype=torch.bool)
    holes[4, 5] = True
    broken = torch.where(holes, torch.nan, image.detach()).requires_grad_()
    for given, valid in ((broken, None), (image, ~holes)):
        got = images.warp(given, right, down, valid=valid)
        want = images.warp(broken.detach().numpy(), right.detach().numpy(), down.detach().numpy())
        np.testing.assert_array_equal(got.values.detach(), want.values)
        np.testing.assert_array_equal(got.valid, want.valid)
        grad = torch.autograd.grad(got.values.sum(), given)[0]
        assert grad[4, 5] == 0 and torch.isfinite(grad).all() and (grad != 0).sum() > 50


def test_slopes_of_tensors(case):
    got = images.slopes(*case)
    grad = torch.autograd.grad(values(*case).sum(), case[1:])
    np.testing.assert_allclose(got.by_right.detach(), grad[0])
    np.testing.assert_allclose(got.by_down.detach(), grad[1])


def test_float32_stays(case):
    image, right, down = (t.detach().float() for t in case)
    assert values(image, right, down).dtype == torch.float32
    assert values(image, right.double(), down.double()).dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda i, r, d: (i.detach().numpy(), r, d),
            TypeError,
            "image is a NumPy array but right is a torch",
        ),
        (lambda i, r, d: (i.half(), r, d), TypeError, "image must be float32 or float64, got torch.float16"),
        (lambda i, r, d: (i[:3], r, d), ValueError, "4 by 4 or more, got shape \\(3, 11\\)"),
        (lambda i, r, d: (i, r[1:], d), ValueError, "right has shape \\(8, 11\\), but down \\(9, 11\\)"),
        (lambda i, r, d: (i, r, d > 0), TypeError, "down must hold real numbers"),
    ],
)
def test_errors(case, change, error, words):
    with pytest.raises(error, match=words):
        images.warp(*change(*case))


def test_functions_that_take_numpy_alone(case):
    with pytest.raises(TypeError, match="coefficients\\(\\) takes arrays"):
        images.coefficients(case[0])
    with pytest.raises(TypeError, match="adjoint\\(\\) takes arrays"):
        images.adjoint(*case, SHAPE)
