"""The public functions on a CUDA device: the numbers of the CPU, on the device and stream of the caller."""

import numpy as np
import pytest

from dislok import okada

pytestmark = pytest.mark.gpu

FIELDS = ["displacement", "gradient", "strain", "stress"]
MATRICES = ["greens", "jacobian", "hessian"]
BACKENDS = pytest.mark.parametrize("backend", ["cupy", "numba-cuda"])


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    if not module.cuda.is_available():
        pytest.skip("this torch is built without CUDA")
    return module


@pytest.fixture
def obs(rng):
    return rng.uniform([-40, -40, -20], [40, 40, 0], (500, 3))


@pytest.fixture
def faults(rng):
    return okada.Rectangle(
        x=rng.uniform(-20, 20, 7),
        y=3.0,
        depth=2.0,
        length=12.0,
        width=8.0,
        strike=30.0,
        dip=rng.uniform(5, 90, 7),
    )


def moved(source, put):
    return source._replace(x=put(source.x), dip=put(source.dip))


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * np.abs(expected).max())


@BACKENDS
@pytest.mark.parametrize("name", [*FIELDS, *MATRICES])
def test_cupy_arrays(cupy, obs, faults, name, backend):
    function = getattr(okada, name)
    found = function(cupy.asarray(obs), moved(faults, cupy.asarray), backend=backend)
    assert isinstance(found, cupy.ndarray)
    assert_same(found.get(), function(obs, faults))


@BACKENDS
def test_cupy_products_pairs_and_out(cupy, obs, faults, rng, backend):
    s, r = rng.normal(size=(7, 3)), rng.normal(size=(500, 3))
    there = cupy.asarray(obs), moved(faults, cupy.asarray)
    found = okada.apply(*there, cupy.asarray(s), backend=backend)
    assert_same(found.get(), okada.apply(obs, faults, s))
    found = okada.apply_adjoint(*there, cupy.asarray(r), backend=backend)
    assert_same(found.get(), okada.apply_adjoint(obs, faults, r))
    found = okada.strain(there[0][:7], there[1], pairs=True, backend=backend)
    assert_same(found.get(), okada.strain(obs[:7], faults, pairs=True))
    out = cupy.empty((500, 3))
    assert okada.displacement(*there, out=out, backend=backend) is out
    assert_same(out.get(), okada.displacement(obs, faults))


def test_cupy_follows_the_stream_of_the_caller(cupy, obs, faults):
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        found = okada.fields(cupy.asarray(obs), moved(faults, cupy.asarray))
    stream.synchronize()
    for part, expected in zip(found, okada.fields(obs, faults), strict=True):
        assert_same(part.get(), expected)


def test_values_on_a_device_are_checked_when_asked(cupy, obs, faults):
    obs[3, 2] = 1.0
    with pytest.raises(ValueError, match=r"^obs\[3, 2\] is 1.0"):
        okada.check(cupy.asarray(obs), moved(faults, cupy.asarray))


@pytest.mark.parametrize("name", [*FIELDS, *MATRICES])
def test_tensors_on_a_device(torch, obs, faults, name):
    function = getattr(okada, name)
    there = torch.tensor(obs, device="cuda")
    found = function(there, moved(faults, lambda a: torch.tensor(a, device="cuda")))
    assert found.device == there.device
    assert_same(found.cpu().numpy(), function(obs, faults))


def test_gradients_on_a_device(torch, obs, faults):
    grads = []
    for device in ("cuda", "cpu"):
        depth = torch.tensor(2.0, dtype=torch.float64, device=device, requires_grad=True)
        source = moved(faults, lambda a, device=device: torch.tensor(a, device=device))._replace(depth=depth)
        (okada.strain(torch.tensor(obs, device=device), source) ** 2).sum().backward()
        grads.append(float(depth.grad))
    assert grads[0] == pytest.approx(grads[1], rel=1e-8)


def test_dc3d_on_a_device(torch, rng):
    """The drop-in, also exactly on the fault and on the prolongation of its edges."""
    from dislok.okadatorch import DC3D

    x = torch.tensor([0.0, 3.0, 8.0, 2.5, -7.0, 1.0], dtype=torch.float64)
    y = torch.tensor([0.0, 2.0, 0.0, 5.0, 0.0, 0.0], dtype=torch.float64)
    z = torch.tensor([-5.0, -1.0, -5.0, 0.0, -3.0, -4.0], dtype=torch.float64)
    found = []
    for device in ("cuda", "cpu"):
        edges = [torch.tensor(v, dtype=torch.float64, device=device) for v in (-4.3, 3.1, -2.7, 1.9)]
        there = [a.to(device) for a in (x, y, z)]
        values, code = DC3D(2 / 3, *there, 5.0, 90.0, *edges, 1.0, 0.5, 0.2)
        found.append(torch.stack([*values, code.double()]).cpu().numpy())
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-11)
