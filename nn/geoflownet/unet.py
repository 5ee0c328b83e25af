"""The U-shaped networks, built from their layer tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dislok.nn.geoflownet.tables import FLOWNET2_SD, GEOFLOWNET_A, GEOFLOWNET_B, STRAINNET_F, Conv, Table

SLOPE = 0.1
LEVELS = (6, 5, 4, 3, 2)


class FlowUNet(nn.Module):
    """A network that maps two stacked images to displacement at five resolutions.

    Parameters
    ----------
    table : Table
        The architecture.
    width : float
        Factor on the number of channels of every hidden layer.
    channels : int, optional
        Input channels; by default those of the publication: the first half is the image before.

    Notes
    -----
    Values are in pixels of the input at every resolution. Images may have any size: what a transposed
    convolution makes too large is cut off at the right and below.
    """

    def __init__(self, table: Table, width: float = 1.0, channels: int | None = None) -> None:
        super().__init__()
        if not width > 0:
            raise ValueError(f"width is a factor on the number of channels and must be positive: {width!r}")
        self.table, self.width = table, float(width)
        self.channels = table.channels if channels is None else int(channels)
        if self.channels < 1:
            raise ValueError(f"channels must be at least 1: {channels!r}")
        self._build_encoder()
        self._build_decoder()
        self.apply(_start)

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per pixel of each of the five outputs, finest first."""
        return self.table.strides

    def settings(self) -> dict[str, object]:
        """What builds this network again."""
        return {"architecture": self.table.name, "width": self.width, "channels": self.channels}

    def _scaled(self, count: int) -> int:
        return max(1, round(count * self.width))

    def _build_encoder(self) -> None:
        before = self.channels
        for conv in (conv for stage in self.table.stages for conv in stage):
            out = self._scaled(conv.out)
            layer = nn.Conv2d(before, out, conv.kernel, conv.stride, (conv.kernel - 1) // 2)
            self.add_module(conv.name, layer)
            before = out

    def _build_decoder(self) -> None:
        bias = self.table.bias
        below = self._scaled(self.table.stages[-1][-1].out)
        self.add_module("flow6", nn.Conv2d(below, 2, 3, padding=1, bias=bias))
        for level, count, stage in zip(
            LEVELS[1:], self.table.decoder, self.table.stages[-2::-1], strict=False
        ):
            out = self._scaled(count)
            self.add_module(f"deconv{level}", nn.ConvTranspose2d(below, out, 4, 2, 1, bias=bias))
            self.add_module(f"up{level}", nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=bias))
            below = self._scaled(stage[-1].out) + out + 2
            read = below
            if self.table.joined:
                read = out
                self.add_module(f"inter{level}", nn.Conv2d(below, out, 3, padding=1))
            self.add_module(f"flow{level}", nn.Conv2d(read, 2, 3, padding=1, bias=bias))

    def encode(self, images: Tensor) -> list[Tensor]:
        """Features at the end of each stage, finest first."""
        features, now = [], images
        for stage in self.table.stages:
            now = self._stage(stage, now)
            features.append(now)
        return features

    def _stage(self, stage: tuple[Conv, ...], now: Tensor) -> Tensor:
        for conv in stage:
            now = F.leaky_relu(self.get_submodule(conv.name)(now), SLOPE)
        return now

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Displacement (n, 2, ., .) in pixels towards higher columns and rows, finest resolution first."""
        features = self.encode(images)
        below = features[-1]
        flows = [self._read("flow6", below)]
        for level, skip in zip(LEVELS[1:], features[-2::-1], strict=False):
            raised = F.leaky_relu(self.get_submodule(f"deconv{level}")(below), SLOPE)
            upward = self.get_submodule(f"up{level}")(flows[-1].to(raised.dtype))
            below = torch.cat((skip, _cut(raised, skip), _cut(upward.to(skip.dtype), skip)), 1)
            mixed = self.get_submodule(f"inter{level}")(below) if self.table.joined else below
            flows.append(self._read(f"flow{level}", mixed))
        finest_first = flows[::-1]
        return finest_first[0], finest_first[1], finest_first[2], finest_first[3], finest_first[4]

    def _read(self, name: str, features: Tensor) -> Tensor:
        """Displacement from features, in the precision of the weights even where half precision is on."""
        head = self.get_submodule(name)
        if not torch.is_autocast_enabled(features.device.type):
            return head(features)
        with torch.autocast(features.device.type, enabled=False):
            return head(features.float())


def _cut(tensor: Tensor, like: Tensor) -> Tensor:
    """The part of a tensor that lies over another, from the upper left corner."""
    h, w = like.shape[-2:]
    if torch.compiler.is_exporting():
        # A slice would tie the program to sizes that need the same cuts; a copy does not.
        return F.pad(tensor, (0, w - tensor.shape[-1], 0, h - tensor.shape[-2]))
    return tensor[..., :h, :w]


def _start(layer: nn.Module) -> None:
    """Kaiming-normal weights for the leaky ReLU's slope; biases zero."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(layer.weight, SLOPE)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def geoflownet_a(width: float = 1.0, channels: int = 2) -> FlowUNet:
    """GeoFlowNet-A: kernels of 3 and full resolution in the first two stages; 38 002 512 parameters.

    Parameters
    ----------
    width : float
        Factor on the number of channels: a half has a quarter of the parameters.
    channels : int
        Input channels: image before, image after.
    """
    return FlowUNet(GEOFLOWNET_A, width, channels)


def geoflownet_b(width: float = 1.0, channels: int = 2) -> FlowUNet:
    """GeoFlowNet-B: StrainNet-f on two channels; 38 662 992 parameters. See `geoflownet_a`."""
    return FlowUNet(GEOFLOWNET_B, width, channels)


def strainnet_f(width: float = 1.0, channels: int = 6) -> FlowUNet:
    """StrainNet-f (Boukhtache et al. 2021), each image in three channels; 38 675 536 parameters."""
    return FlowUNet(STRAINNET_F, width, channels)


def flownet2_sd(width: float = 1.0, channels: int = 6) -> FlowUNet:
    """FlowNet2-SD (Ilg et al. 2017), outputs at a quarter of the resolution and below; 45 371 666."""
    return FlowUNet(FLOWNET2_SD, width, channels)


BUILDERS = {
    "flownet2_sd": flownet2_sd,
    "geoflownet_a": geoflownet_a,
    "geoflownet_b": geoflownet_b,
    "strainnet_f": strainnet_f,
}
