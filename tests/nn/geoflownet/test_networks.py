"""The networks are those of the tables: sizes, outputs, reach; tiles equal the whole image."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dislok.nn import geoflownet
from dislok.nn.geoflownet import unet
from dislok.nn.geoflownet.tables import TABLES
from dislok.nn.geoflownet.unet import BUILDERS

COUNTS = {
    "geoflownet_a": 38_002_512,
    "geoflownet_b": 38_662_992,
    "flownet2_sd": 45_371_666,
    "strainnet_f": 38_675_536,
}
HALOS = {"geoflownet_a": 96, "geoflownet_b": 112, "flownet2_sd": 448, "strainnet_f": 112}


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small(name: str, width: float = 1 / 16) -> torch.nn.Module:
    torch.manual_seed(7)
    return BUILDERS[name](width).eval()


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_at_full_width(name):
    with torch.device("meta"):
        assert count(BUILDERS[name]()) == COUNTS[name]


@pytest.mark.parametrize("width, expected", [(1 / 2, 9_521_264), (1 / 4, 2_390_784), (1 / 8, 603_080)])
def test_parameters_of_narrow_networks(width, expected):
    assert count(geoflownet.geoflownet_a(width)) == expected


def test_table_of_geoflownet_a_layer_by_layer():
    with torch.device("meta"):
        shapes = {
            name: tuple(layer.weight.shape) for name, layer in geoflownet.geoflownet_a().named_children()
        }
    assert shapes == {
        "conv1": (64, 2, 3, 3), "conv2": (128, 64, 3, 3),
        "conv3": (256, 128, 3, 3), "conv3_1": (256, 256, 3, 3),
        "conv4": (512, 256, 3, 3), "conv4_1": (512, 512, 3, 3),
        "conv5": (512, 512, 3, 3), "conv5_1": (512, 512, 3, 3),
        "conv6": (1024, 512, 3, 3), "conv6_1": (1024, 1024, 3, 3),
        "deconv5": (1024, 512, 4, 4), "deconv4": (1026, 256, 4, 4),
        "deconv3": (770, 128, 4, 4), "deconv2": (386, 64, 4, 4),
        "flow6": (2, 1024, 3, 3), "flow5": (2, 1026, 3, 3), "flow4": (2, 770, 3, 3),
        "flow3": (2, 386, 3, 3), "flow2": (2, 194, 3, 3),
        "up5": (2, 2, 4, 4), "up4": (2, 2, 4, 4), "up3": (2, 2, 4, 4), "up2": (2, 2, 4, 4),
    }  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("size", [(64, 64), (97, 51), (1, 33)])
def test_five_outputs_at_any_size(name, size):
    network = small(name)
    with torch.inference_mode():
        flows = network(torch.randn(2, network.channels, *size))
    assert [tuple(flow.shape) for flow in flows] == [
        (2, 2, -(-size[0] // stride), -(-size[1] // stride)) for stride in network.strides
    ]


def test_starts_kaiming_normal_with_zero_biases():
    torch.manual_seed(1)
    network = geoflownet.geoflownet_a(1 / 2)
    weight = network.conv5.weight
    expected = (2 / (1 + 0.1**2) / (weight.shape[1] * 9)) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.01)
    assert not network.conv5.bias.any()


@pytest.mark.parametrize("name", COUNTS)
def test_receptive_field_is_where_the_gradient_is(name):
    network = small(name).double()
    # Positive weights: nothing cancels, so that whatever is connected has a gradient.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().clamp_(min=1e-3)
    finest, size = network.strides[0], 4 * network.strides[-1] + 2 * HALOS[name]
    image = torch.ones(1, network.channels, size, 1 + network.strides[-1], dtype=torch.float64)
    image.requires_grad_()
    row = network.table.strides[-1] // finest * (HALOS[name] // network.strides[-1] + 1) + 3
    network(image)[0][0, 0, row, 0].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == geoflownet.receptive_field(network.table, row)


def test_reach_of_the_sixteen_phases():
    for name, reach in (("geoflownet_a", (-108, 93)), ("geoflownet_b", (-112, 97))):
        spans = [geoflownet.receptive_field(TABLES[name], 160 + phase) for phase in range(16)]
        low = min(span[0] - 160 - phase for phase, span in enumerate(spans))
        high = max(span[1] - 160 - phase for phase, span in enumerate(spans))
        assert (low, high) == reach


@pytest.mark.parametrize("name", HALOS)
def test_halo(name):
    assert geoflownet.halo(TABLES[name]) == HALOS[name]


def made_exact(network: torch.nn.Module) -> torch.nn.Module:
    """Few weights, all powers of two: no sum is rounded, in whatever order it is taken."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in network.parameters():
            kept = torch.rand(parameter.shape, generator=generator) < 4 / parameter[0].numel()
            parameter.copy_(kept * (1 - 2 * (torch.rand(parameter.shape, generator=generator) < 0.5)))
    return network.double()


@pytest.mark.parametrize("name", ["geoflownet_a", "geoflownet_b"])
@pytest.mark.parametrize("size", [(297, 21), (21, 297)])
def test_tiles_are_the_whole_image_bit_for_bit(monkeypatch, name, size):
    monkeypatch.setattr(unet, "SLOPE", 0.125)
    network = made_exact(small(name))
    images = torch.randint(-8, 8, (2, *size), generator=torch.Generator().manual_seed(5)).double()
    with torch.inference_mode():
        whole = network(images[None])[0][0]
    assert whole.abs().max() > 0
    done: list[float] = []
    assert torch.equal(geoflownet.tiled(network, images, core=48, progress=done.append), whole)
    assert done == sorted(done) and done[-1] == 1
    assert not torch.equal(geoflownet.tiled(network, images, core=48, halo=16), whole)


def test_a_smaller_halo_leaves_seams():
    network = small("geoflownet_a").double()
    images = torch.randn(2, 400, 48, dtype=torch.float64)
    with torch.inference_mode():
        whole = network(images[None])[0][0]
    seams = {
        halo: (geoflownet.tiled(network, images, core=64, halo=halo) - whole).abs().max() / whole.std()
        for halo in (64, 80, 96)
    }
    assert seams[96] < 1e-13
    assert seams[80] > 1e-9 and seams[64] > seams[80]


def test_tiles_of_single_precision_differ_by_rounding():
    network = small("geoflownet_a")
    images = torch.randn(2, 40, 333)
    with torch.inference_mode():
        whole = network(images[None])[0][0]
    assert (geoflownet.tiled(network, images, core=96) - whole).abs().max() < 1e-5 * whole.abs().max()


def test_an_origin_off_sixteen_changes_the_result():
    network = small("geoflownet_a")
    images = torch.randn(1, 2, 256, 256)
    with torch.inference_mode():
        whole, moved = network(images)[0], network(images[..., 8:, :])[0]
        kept = network(images[..., 16:, :])[0]
    middle = (..., slice(112, 128), slice(112, 128))
    assert (whole[..., 8:, :][middle] - moved[middle]).abs().max() > 1e-3
    assert (whole[..., 16:, :][middle] - kept[middle]).abs().max() < 1e-5


@pytest.mark.parametrize(
    "changes, words",
    [({"core": 100}, "core must be"), ({"core": 0}, "core must be"), ({"halo": 50}, "halo must be")],
)
def test_tiles_must_lie_on_the_period(changes, words):
    with pytest.raises(ValueError, match=words):
        geoflownet.tiled(small("geoflownet_a"), torch.zeros(2, 64, 64), **changes)


def test_tiles_want_the_networks_channels():
    with pytest.raises(ValueError, match=r"images must be \(2, h, w\), not \(3, 64, 64\)"):
        geoflownet.tiled(small("geoflownet_a"), torch.zeros(3, 64, 64))


@pytest.mark.parametrize("width", [0, -1.0, float("nan")])
def test_width_is_checked(width):
    with pytest.raises(ValueError, match="width"):
        geoflownet.geoflownet_a(width)


def test_channels_are_checked():
    with pytest.raises(ValueError, match="channels"):
        geoflownet.geoflownet_a(1 / 16, 0)


def test_half_precision_keeps_the_outputs_single():
    network = small("geoflownet_a", 1 / 8).to(memory_format=torch.channels_last)
    images = torch.randn(1, 2, 64, 64).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        single = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(images)
    assert all(flow.dtype == torch.float32 for flow in half)
    assert 0 < (half[0] - single[0]).abs().max() < 0.05 * single[0].abs().max()


def test_importing_the_package_loads_no_torch():
    code = "import sys, dislok.nn.geoflownet; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
    )


def test_unknown_name():
    with pytest.raises(AttributeError, match="geoflownet_c.*geoflownet_a"):
        geoflownet.geoflownet_c  # noqa: B018


@given(name=st.sampled_from(sorted(TABLES)), low=st.integers(-300, 300), more=st.integers(0, 40))
def test_pixels_see_together_what_each_of_them_sees(name, low, more):
    table = TABLES[name]
    alone = [geoflownet.receptive_field(table, pixel) for pixel in range(low, low + more + 1)]
    together = geoflownet.receptive_field(table, low, low + more)
    assert together == (min(span[0] for span in alone), max(span[1] for span in alone))
    period, finest = table.strides[-1], table.strides[0]
    moved = geoflownet.receptive_field(table, low + period // finest)
    assert moved == tuple(end + period for end in alone[0])
