"""Scarp: a small network that refines what the matching engine has found."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dislok.nn.geoflownet.inputs import CHANNELS, MOVES, SMALL

WIDTHS = (32, 48, 64, 96)
BLOCK = 2
SLOPE = 0.1
STEP = 0.1  # pixels of residual per unit of output
KEEP = 4.0  # how much more likely, in logarithms, the present motion is before anything is learned


class Refined(NamedTuple):
    """What the network says of each pixel.

    Attributes
    ----------
    change : Tensor, shape (n, 2, h, w)
        What is to be added to the motion towards higher columns and rows (pixels).
    log_scale : Tensor, shape (n, h, w)
        Logarithm of the error's scale (pixels): the mean length that is left.
    trust : Tensor, shape (n, h, w)
        Logit of the probability that less than a pixel of error is left.
    """

    change: Tensor
    log_scale: Tensor
    trust: Tensor


class Scarp(nn.Module):
    """A U-shaped network over `dislok.nn.geoflownet.inputs.features`.

    It weighs the present motion against those of the surroundings and against least-squares steps, adds a
    residual, and says how far off the result may be. The same weights serve every pass. It works on blocks
    of two by two pixels, each of them with channels of its own, which halves the work.

    Parameters
    ----------
    width : float
        Factor on the number of channels, (32, 48, 64, 96) at strides (2, 4, 8, 16).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        if not width > 0:
            raise ValueError(f"width is a factor on the number of channels and must be positive: {width!r}")
        self.width = float(width)
        sizes = [max(1, round(size * width)) for size in WIDTHS]
        below = [BLOCK**2 * CHANNELS, *sizes[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(_conv(a, b, 1 if level == 0 else 2), _conv(b, b))
            for level, (a, b) in enumerate(zip(below, sizes, strict=True))
        )
        self.lift = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.up = nn.ModuleList(_conv(2 * a, a) for a in sizes[:-1])
        self.head = nn.Conv2d(sizes[0], BLOCK**2 * (4 + 1 + MOVES), 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def settings(self) -> dict[str, object]:
        """What builds this network again."""
        return {"architecture": "scarp", "width": self.width}

    def forward(self, features: Tensor) -> Refined:
        """Refine; `features` are (n, CHANNELS, h, w)."""
        out = self._body(features)
        others = _parts(features)[:, :, :2]
        logits = torch.cat((out[:, 4:5] + KEEP, out[:, 5:]), 1)
        weights = logits.softmax(1)[:, 1:, None]
        change = STEP * out[:, :2] + (weights * others).sum(1)
        return Refined(change, out[:, 2] - 2.5, out[:, 3] + 3.0)

    def _body(self, features: Tensor) -> Tensor:
        """Output channels of each pixel."""
        h, w = features.shape[-2:]
        even = F.pad(_gentle(features), (0, -w % BLOCK, 0, -h % BLOCK), mode="replicate")
        now = F.pixel_unshuffle(even, BLOCK)
        skips = []
        for block in self.down:
            now = block(now)
            skips.append(now)
        steps = list(zip(self.lift, self.up, skips[:-1], strict=True))[::-1]
        for lift, join, skip in steps:
            # Fewer channels before raising the resolution, because that is where the work is.
            raised = F.interpolate(lift(now), skip.shape[-2:], mode="bilinear", align_corners=False)
            now = join(torch.cat((skip, raised), 1))
        return F.pixel_shuffle(self.head(now), BLOCK)[..., :h, :w]


def _parts(features: Tensor) -> Tensor:
    """The moves of the input, (n, MOVES, 3, h, w): right, down, how good they are."""
    return features[:, -3 * MOVES :].unflatten(1, (MOVES, 3))


def _gentle(features: Tensor) -> Tensor:
    """The input with the motion of its moves on a logarithmic scale."""
    parts = _parts(features)
    motion = torch.asinh(parts[:, :, :2] / SMALL)
    others = torch.cat((motion, parts[:, :, 2:]), 2).flatten(1, 2)
    return torch.cat((features[:, : -3 * MOVES], others), 1)


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(before, after, 3, stride, 1)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.Sequential(layer, nn.LeakyReLU(SLOPE))
