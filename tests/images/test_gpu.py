"""Warped images on a CUDA device: CuPy's kernels and torch tensors against the CPU."""

import numpy as np
import pytest

from dislok import images
from dislok.kernels.images import numba_cpu

pytestmark = pytest.mark.gpu
SHAPE = (65, 83)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [3, 5])
def test_cupy_kernels_agree_with_the_cpu(rng, order, dtype):
    import cupy

    from dislok.kernels.images import cupy_raw

    image, cot = rng.normal(size=(2, *SHAPE)).astype(dtype)
    right, down = rng.uniform(-5, 5, (2, *SHAPE)).astype(dtype)
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    on_device = [cupy.asarray(a) for a in (right, down)]
    plane = cupy_raw.coefficients(cupy.asarray(image), order)
    want = numba_cpu.coefficients(image, order)
    np.testing.assert_allclose(plane.get(), want, atol=tolerance)
    for a, b in zip(
        cupy_raw.slopes(order, plane, *on_device), numba_cpu.slopes(order, want, right, down), strict=True
    ):
        np.testing.assert_allclose(a.get(), b, atol=tolerance)
    back = cupy_raw.adjoint(order, SHAPE, *on_device, cupy.asarray(cot))
    np.testing.assert_allclose(back.get(), numba_cpu.adjoint(order, SHAPE, right, down, cot), atol=tolerance)


def test_tensors_on_a_device(rng):
    torch = pytest.importorskip("torch")
    planes = [rng.normal(size=SHAPE), *rng.uniform(-5, 5, (2, *SHAPE))]
    here = [torch.tensor(p, requires_grad=True) for p in planes]
    there = [torch.tensor(p, device="cuda", requires_grad=True) for p in planes]
    results = [images.warp(*given) for given in (here, there)]
    np.testing.assert_allclose(results[1].values.detach().cpu(), results[0].values.detach(), atol=1e-11)
    np.testing.assert_array_equal(results[1].valid.cpu(), results[0].valid)
    for result in results:
        result.values.sin().sum().backward()
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(b.grad.cpu(), a.grad, atol=1e-10)
