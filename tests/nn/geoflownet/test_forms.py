"""Passes with warping; weights in files; other forms of a network."""

import json

import numpy as np
import pytest
import torch

from dislok.nn import geoflownet
from dislok.nn.geoflownet import weights
from dislok.nn.geoflownet.iterated import warped


@pytest.fixture
def network():
    torch.manual_seed(3)
    return geoflownet.geoflownet_a(1 / 16).eval()


def test_warping_moves_a_wave_by_its_phase():
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    image = torch.sin(0.2 * columns + 0.15 * rows)[None, None]
    flow = torch.tensor([1.3, -2.6])[None, :, None, None].expand(1, 2, 40, 50)
    moved = torch.sin(0.2 * (columns + 1.3) + 0.15 * (rows - 2.6))
    inside = (slice(5, -5), slice(5, -5))
    # torch's kernel does not reproduce slopes; this is its error, not a tolerance of ours.
    assert (warped(image, flow)[0, 0][inside] - moved[inside]).abs().max() < 0.015


def test_warping_by_nothing_is_nothing():
    image = torch.randn(2, 3, 17, 23)
    assert (warped(image, torch.zeros(2, 2, 17, 23)) - image).abs().max() < 1e-5


def test_warping_has_gradients():
    torch.manual_seed(0)
    image = torch.randn(1, 1, 9, 8, dtype=torch.float64, requires_grad=True)
    flow = (0.3 + torch.rand(1, 2, 9, 8, dtype=torch.float64) * 0.4).requires_grad_()
    assert torch.autograd.gradcheck(warped, (image, flow), atol=1e-6)


def test_passes_share_weights_and_add_up(network):
    iterated = geoflownet.Iterated(network, 3)
    assert sum(p.numel() for p in iterated.parameters()) == sum(p.numel() for p in network.parameters())
    images = torch.randn(1, 2, 48, 48)
    with torch.inference_mode():
        last, middle, first = iterated(images)
        assert torch.equal(first, network(images)[0])
        again = torch.cat((images[:, :1], warped(images[:, 1:], first)), 1)
        assert torch.equal(middle, first + network(again)[0])
        assert not torch.equal(last, middle)


def test_coarse_networks_are_raised_between_passes():
    iterated = geoflownet.Iterated(geoflownet.flownet2_sd(1 / 32), 2)
    assert iterated(torch.randn(1, 6, 70, 61))[0].shape == (1, 2, 70, 61)


@pytest.mark.parametrize("passes, channels, words", [(0, 2, "passes"), (2, 3, "even number")])
def test_passes_are_checked(passes, channels, words):
    with pytest.raises(ValueError, match=words):
        geoflownet.Iterated(geoflownet.geoflownet_a(1 / 16, channels), passes)


@pytest.mark.parametrize("passes", [None, 3])
def test_weights_come_back(network, tmp_path, passes):
    network = network if passes is None else geoflownet.Iterated(network, passes)
    path = tmp_path / "net.safetensors"
    geoflownet.save(network, path, hours=1.5, seeds=[1, 2])
    again = geoflownet.load(path)
    assert again.settings() == network.settings()
    images = torch.randn(1, 2, 40, 33)
    with torch.inference_mode():
        assert torch.equal(again(images)[0], network(images)[0])
    assert weights.card(path) == {"hours": 1.5, "seeds": [1, 2]}
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_half_the_bytes(network, tmp_path):
    for half in (False, True):
        geoflownet.save(network, tmp_path / f"{half}.safetensors", half=half)
    sizes = {half: (tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True)}
    assert sizes[True] < 0.55 * sizes[False]
    again = geoflownet.load(tmp_path / "True.safetensors")
    assert again.conv1.weight.dtype == torch.float32
    assert torch.allclose(again.conv1.weight, network.conv1.weight, rtol=1e-3, atol=1e-6)


def rewritten(source, target, **changes):
    tensors, facts = weights._read(source)
    from safetensors.torch import save_file

    save_file({**tensors, **changes.pop("tensors", {})}, target, {**facts, **changes})
    return target


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"format": "other"}, "not written by dislok"),
        ({"version": "99"}, "version '99'; this dislok reads 1"),
        ({"settings": "{"}, "'settings' cannot be read"),
        ({"settings": "[]"}, "not a table"),
        ({"settings": json.dumps({"architecture": "resnet"})}, "unknown architecture 'resnet'"),
        ({"settings": json.dumps({"architecture": "geoflownet_a", "depth": 3})}, "settings of geoflownet_a"),
        ({"tensors": {"conv1.bias": torch.zeros(5)}}, "does not fit its network: conv1.bias"),
        ({"tensors": {"extra": torch.zeros(5)}}, "does not fit its network: extra"),
    ],
)
def test_strange_files_are_refused(network, tmp_path, changes, words):
    geoflownet.save(network, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=words):
        geoflownet.load(rewritten(tmp_path / "net.safetensors", tmp_path / "odd.safetensors", **changes))


def test_files_that_are_something_else(tmp_path):
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04\x95 not tensors at all")
    with pytest.raises(ValueError, match="not a safetensors file"):
        geoflownet.load(tmp_path / "pickle.safetensors")
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        geoflownet.load(tmp_path / "absent.safetensors")


def test_only_safetensors_are_written(network, tmp_path):
    with pytest.raises(ValueError, match=r"\.safetensors"):
        geoflownet.save(network, tmp_path / "net.pt")


def test_torch_export_takes_any_size(network):
    program = geoflownet.exported(network).module()
    for shape in ((1, 2, 64, 48), (3, 2, 51, 97)):
        images = torch.randn(shape)
        with torch.inference_mode():
            assert torch.allclose(program(images), network(images)[0], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("passes", [None, 2])
def test_onnx_gives_the_same(network, tmp_path, passes):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = network if passes is None else geoflownet.Iterated(network, passes)
    geoflownet.onnx(network, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    for shape in ((1, 2, 64, 64), (2, 2, 97, 51)):
        images = torch.randn(shape)
        with torch.inference_mode():
            expected = network(images)[0].numpy()
        got = session.run(["flow"], {"images": images.numpy()})[0]
        np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_compiled_gives_the_same(network):
    compiled = torch.compile(network)
    images = torch.randn(1, 2, 64, 64)
    with torch.no_grad():
        assert torch.allclose(compiled(images)[0], network(images)[0], atol=1e-4)
