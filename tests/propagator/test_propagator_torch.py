"""Torch tensors through the public functions: derivatives of both modes, first and second."""

import numpy as np
import pytest
import torch

from dislok import propagator
from dislok.propagator import LayeredModel, PointSource, Stations

CRUST = LayeredModel([5.0, 15.0, np.inf], [5.0, 6.0, 8.0], [2.9, 3.46, 4.5], [2.5, 2.7, 3.3])
STATIONS = Stations([13.0, -20.0, 55.0], [4.0, 31.0, -70.0])
FEW = Stations([13.0, -20.0], [4.0, 31.0])
MOMENT = np.array([1.0, -2.0, 1.5, 0.3, 0.4, -0.5]) * 1e18
SOURCE = PointSource(0.0, 0.0, 12.0, MOMENT, time=2.0)
RECORD = {"lowpass": (0.05, 0.2), "accuracy": 1e-2}


def tensors():
    layers = [torch.tensor(np.asarray(a, dtype=float), requires_grad=True) for a in CRUST.layers()[:4]]
    place = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.5, [1.0, 2.0], 12.0, 1.0)]
    return place, torch.tensor(MOMENT / 1e18, requires_grad=True), layers


@pytest.mark.parametrize("static", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_torch_derivatives_are_differences(static):
    place, moment, layers = tensors()
    inputs = [*place, moment, *layers]

    def loss(x, y, depth, time, m, *properties):
        source = PointSource(x, y, depth, m * 1e18, time=time)
        model = LayeredModel(*properties)
        if static:
            motion = propagator.statics(model, source, STATIONS, accuracy=1e-9)
        else:
            motion = propagator.seismograms(model, source, STATIONS, 1.0, 48, **RECORD)
        weights = torch.linspace(-1.0, 2.0, motion.numel(), dtype=motion.dtype).reshape(motion.shape)
        return 1e3 * (weights * motion).sum()

    slopes = torch.autograd.grad(loss(*inputs), inputs)
    for n, (value, slope) in enumerate(zip(inputs, slopes, strict=True)):
        for k in range(value.numel()):
            if not torch.isfinite(value.flatten()[k]) or (static and n == 3):
                continue

            def at(step, n=n, k=k):
                others = [v.detach().clone() for v in inputs]
                others[n].view(-1)[k] += step
                return loss(*others).item()

            step = 1e-4
            difference = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
            assert abs(slope.flatten()[k].item() - difference) < 1e-7 * slope.abs().max() + 1e-9, (n, k)


def number(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def offsets(x, y, depth, moment):
    """Offsets in mm of two sources at two stations."""
    return 1e3 * propagator.statics(CRUST, PointSource(x, y, depth, 1e18 * moment), FEW, accuracy=1e-9)


def place_and_moment():
    moment = np.stack([MOMENT, MOMENT[::-1]]) / 1e18
    return number(0.5), number([1.0, 2.0]), number([12.0, 7.0]), number(moment)


def test_both_modes_are_differences():
    inputs = place_and_moment()
    torch.autograd.gradcheck(offsets, inputs, eps=1e-4, atol=1e-6, check_forward_ad=True, fast_mode=True)


def test_both_modes_through_the_layers():
    layers = [number(np.asarray(a, dtype=float)) for a in (CRUST.vp, CRUST.vs, CRUST.rho)]

    def motion(*properties):
        model = LayeredModel(CRUST.thickness, *properties)
        return 1e3 * propagator.statics(model, SOURCE, FEW, accuracy=1e-9)

    torch.autograd.gradcheck(motion, layers, eps=1e-4, atol=1e-6, check_forward_ad=True, fast_mode=True)


def test_functional_jacobians_agree():
    inputs = place_and_moment()
    forward = torch.func.jacfwd(offsets, argnums=(0, 1, 2, 3))(*inputs)
    backward = torch.func.jacrev(offsets, argnums=(0, 1, 2, 3))(*inputs)
    for a, b in zip(forward, backward, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12 * float(b.detach().abs().max()))
    tangents = tuple(torch.ones_like(v) for v in inputs)
    _, along = torch.func.jvp(offsets, inputs, tangents)
    summed = sum(a.reshape(2, 2, 3, -1).sum(-1) for a in backward)
    assert torch.allclose(along, summed, rtol=1e-12)


def test_records_in_forward_mode():
    moment = number(MOMENT / 1e18)

    def motion(time):
        source = SOURCE._replace(moment=1e18 * moment, time=time)
        return propagator.seismograms(CRUST, source, FEW, 1.0, 32, **RECORD)

    _, along = torch.func.jvp(motion, (number(2.0),), (torch.ones((), dtype=torch.float64),))
    kernel = propagator.location_kernels(CRUST, SOURCE, FEW, 1.0, 32, **RECORD)[:, 3]
    assert np.abs(along.detach().numpy() - kernel).max() < 1e-13 * np.abs(kernel).max()


def test_second_derivatives_with_moment_and_place():
    """Of moment with itself (none) and with the place of the source, in every order of the two modes."""
    x, y, depth, moment = place_and_moment()

    def energy(m):
        return (offsets(x.detach(), y.detach(), depth.detach(), m) ** 2).sum()

    curvature = torch.func.hessian(energy)(moment).reshape(12, 12)
    jacobian = torch.func.jacrev(offsets, argnums=3)(x, y, depth, moment).reshape(12, 12)
    assert torch.allclose(curvature, 2.0 * jacobian.T @ jacobian, rtol=1e-10)

    def slope(d):
        return torch.func.jacrev(offsets, argnums=3)(x, y, d, moment.detach())

    step = 1e-3
    moved = [slope(depth.detach() + s * step) for s in (2, 1, -1, -2)]
    truth = (8.0 * (moved[1] - moved[2]) - (moved[0] - moved[3])) / (12.0 * step)
    for outer in (torch.func.jacfwd, torch.func.jacrev):
        mixed = outer(slope)(depth).sum(-1)
        assert (mixed - truth).abs().max() < 1e-7 * truth.abs().max()
    turned = torch.func.jacrev(lambda m: torch.func.jacrev(offsets, argnums=2)(x, y, depth, m))(moment)
    assert torch.allclose(turned.movedim(3, -1), torch.func.jacfwd(slope)(depth), rtol=1e-10)


def test_unknown_second_derivatives_raise():
    x, y, depth, moment = place_and_moment()
    (slope,) = torch.autograd.grad(offsets(x, y, depth, moment).sum(), depth, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivatives .* not for location with .*depth"):
        slope.sum().backward()
    with pytest.raises(NotImplementedError, match="second derivatives"):
        torch.func.hessian(lambda d: (offsets(x, y, d, moment) ** 2).sum())(depth)


def test_tensors_of_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="moment must be a floating-point tensor, got torch.int64"):
        propagator.statics(CRUST, SOURCE._replace(moment=torch.arange(6)), FEW)


def test_matrix_moments():
    moment = torch.eye(3, dtype=torch.float64, requires_grad=True)
    motion = propagator.statics(CRUST, SOURCE._replace(moment=moment), STATIONS)
    (slope,) = torch.autograd.grad(motion.sum(), moment)
    kernels = propagator.static_kernels(CRUST, SOURCE, STATIONS, location=False).moment.sum(axis=(0, 2))
    assert np.allclose(slope.detach().numpy()[[0, 1, 2], [0, 1, 2]], kernels[:3], rtol=1e-12)
    assert np.allclose(2.0 * slope.detach().numpy()[[0, 0, 1], [1, 2, 2]], kernels[3:], rtol=1e-12)
    with pytest.raises(ValueError, match="symmetric"):
        propagator.statics(CRUST, SOURCE._replace(moment=torch.arange(9.0).reshape(3, 3)), STATIONS)
