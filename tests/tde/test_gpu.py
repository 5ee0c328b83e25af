"""The backends of the triangles on a GPU against the CPU."""

import importlib

import numpy as np
import pytest

from dislok import tde
from dislok.kernels.tde import numba_cpu

pytestmark = pytest.mark.gpu

#: Normwise, over the whole result, on random input.
AGREEMENT = {np.float64: 1e-10, np.float32: 2e-3}


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip("cupy")


def arguments_of(function, scene, of, dtype, rng):
    """Arguments after (obs, tri): what stands before and behind (nu, space, of, pairs)."""
    obs, tri, slip = scene
    c = 3 if of == "displacement" else 9
    directions = [0.1 * rng.normal(size=a.shape) for a in (obs, tri, slip)]
    cot = rng.normal(size=(len(obs), c))
    slips = () if function in ("greens", "apply", "apply_adjoint") else (slip,)
    behind = {
        "apply": (slip,),
        "apply_adjoint": (cot,),
        "vjp": (False, cot),
        "jvp": (False, *directions, 0.3),
        "vjp2": (False, cot, *directions),
        "jvp2": (False, *directions, *directions[:1], 2.0 * tri, slip),
    }.get(function, (False,))
    return [
        a.astype(dtype) if isinstance(a, np.ndarray) else a
        for a in (obs, tri, *slips, 0.3, "half", of, *behind)
    ]


FUNCTIONS = ("field", "greens", "jacobian", "apply", "apply_adjoint", "vjp", "jvp", "vjp2", "jvp2")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("of", ["displacement", "gradient"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("backend", ["cupy_raw", "numba_cuda"])
def test_agrees_with_the_cpu(cupy, scene, rng, backend, function, of, dtype):
    kernels = importlib.import_module(f"dislok.kernels.tde.{backend}")
    arguments = arguments_of(function, scene, of, dtype, rng)
    there = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
    found, expected = getattr(kernels, function)(*there), getattr(numba_cpu, function)(*arguments)
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for a, b in pairs:
        a = a.get()
        assert a.shape == np.shape(b)
        assert np.linalg.norm(a - b) <= AGREEMENT[dtype] * np.linalg.norm(b)


@pytest.mark.parametrize("backend", [None, "cupy", "numba-cuda"])
def test_public_functions_take_arrays_on_the_device(cupy, scene, backend):
    there = [cupy.asarray(a) for a in scene]
    for function in (tde.displacement, tde.gradient, tde.strain):
        found = function(*there, backend=backend)
        assert isinstance(found, cupy.ndarray)
        np.testing.assert_allclose(found.get(), function(*scene), rtol=1e-8, atol=1e-9)


def test_gradients_on_a_device(scene):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch is built without CUDA")
    grads = []
    for device in ("cuda", "cpu"):
        obs, tri, slip = (torch.tensor(a, device=device, requires_grad=True) for a in scene)
        (tde.displacement(obs, tri, slip) ** 2).sum().backward()
        grads.append([a.grad.cpu().numpy() for a in (obs, tri, slip)])
    for a, b in zip(*grads, strict=True):
        assert np.linalg.norm(a - b) <= 1e-9 * np.linalg.norm(b)
