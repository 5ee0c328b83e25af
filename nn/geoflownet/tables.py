"""Layer tables of the U-shaped networks: what is published, as data.

FlowNetS is Dosovitskiy et al. (2015), FlowNet2-SD Ilg et al. (2017), StrainNet-f Boukhtache et al. (2021),
GeoFlowNet A and B Montagnon et al. (2025).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Conv:
    """A convolution followed by a leaky ReLU: its name, output channels at width 1, kernel and stride."""

    name: str
    out: int
    kernel: int = 3
    stride: int = 1


@dataclass(frozen=True)
class Table:
    """A U-shaped network that maps two stacked images to five displacement fields.

    Attributes
    ----------
    name : str
        Architecture.
    channels : int
        Input channels that the publication uses.
    stages : tuple of tuple of Conv
        The encoder. The last stage is the bottom of the U; the four before it are joined on the way up.
    decoder : tuple of int
        Output channels of the four transposed convolutions (kernel 4, stride 2) at width 1, deepest first.
    joined : bool
        Whether a linear convolution mixes each concatenation before its displacement is read off.
    bias : bool
        Whether the decoder's layers have biases.
    """

    name: str
    channels: int
    stages: tuple[tuple[Conv, ...], ...]
    decoder: tuple[int, int, int, int] = (512, 256, 128, 64)
    joined: bool = False
    bias: bool = False

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per pixel of each output, finest first."""
        found, stride = [], 1
        for stage in self.stages:
            for conv in stage:
                stride *= conv.stride
            found.append(stride)
        return tuple(found[-5:])


def _contracting(first: int) -> tuple[tuple[Conv, ...], ...]:
    """Stages 3 to 6, which all of the family share; `first` is the kernel of the third."""
    return (
        (Conv("conv3", 256, first, 2), Conv("conv3_1", 256)),
        (Conv("conv4", 512, 3, 2), Conv("conv4_1", 512)),
        (Conv("conv5", 512, 3, 2), Conv("conv5_1", 512)),
        (Conv("conv6", 1024, 3, 2), Conv("conv6_1", 1024)),
    )


GEOFLOWNET_A = Table("geoflownet_a", 2, ((Conv("conv1", 64),), (Conv("conv2", 128),), *_contracting(3)))
GEOFLOWNET_B = Table("geoflownet_b", 2, ((Conv("conv1", 64, 7),), (Conv("conv2", 128, 5),), *_contracting(5)))
STRAINNET_F = Table("strainnet_f", 6, ((Conv("conv1", 64, 7),), (Conv("conv2", 128, 5),), *_contracting(5)))
FLOWNET2_SD = Table(
    "flownet2_sd",
    6,
    (
        (Conv("conv0", 64),),
        (Conv("conv1", 64, 3, 2), Conv("conv1_1", 128)),
        (Conv("conv2", 128, 3, 2), Conv("conv2_1", 128)),
        *_contracting(3),
    ),
    joined=True,
    bias=True,
)
TABLES = {table.name: table for table in (GEOFLOWNET_A, GEOFLOWNET_B, STRAINNET_F, FLOWNET2_SD)}
