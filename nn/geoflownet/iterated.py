"""A network in passes: each sees the second image warped back by what was found before."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dislok.nn.geoflownet.unet import FlowUNet


def warped(image: Tensor, flow: Tensor) -> Tensor:
    """Values of an image where each pixel has moved to.

    Parameters
    ----------
    image : Tensor, shape (n, c, h, w)
        The image after.
    flow : Tensor, shape (n, 2, h, w)
        Displacement in pixels towards higher columns and rows.

    Returns
    -------
    Tensor, shape (n, c, h, w)
        ``image[row + flow[1], column + flow[0]]`` by bicubic convolution (1 % of the amplitude of
        waves of 25 pixels); beyond the border, the border's values. Differentiable with respect to both.
    """
    h, w = image.shape[-2:]
    rows = torch.arange(h, device=flow.device, dtype=flow.dtype)[:, None]
    columns = torch.arange(w, device=flow.device, dtype=flow.dtype)
    # grid_sample's coordinates run from -1 to 1 between the centres of the outermost pixels.
    x = (columns + flow[:, 0]) * (2 / max(w - 1, 1)) - 1
    y = (rows + flow[:, 1]) * (2 / max(h - 1, 1)) - 1
    grid = torch.stack((x, y), -1)
    return F.grid_sample(image, grid.to(image.dtype), "bicubic", "border", align_corners=True)


class Iterated(nn.Module):
    """One network applied several times with the same weights, with a warp in between.

    Parameters
    ----------
    backbone : FlowUNet
        A network on two images of as many channels each as half its input has.
    passes : int
        How often it is applied.

    Notes
    -----
    The principle of MicroFlow (Bertrand et al. 2025), which has weights of its own for each pass.
    """

    def __init__(self, backbone: FlowUNet, passes: int = 3) -> None:
        super().__init__()
        if backbone.channels % 2:
            raise ValueError(f"two images need an even number of channels, not {backbone.channels}")
        if passes < 1:
            raise ValueError(f"passes must be at least 1: {passes!r}")
        self.backbone, self.passes = backbone, int(passes)

    def settings(self) -> dict[str, object]:
        """What builds this network again."""
        return {**self.backbone.settings(), "passes": self.passes}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Displacement (n, 2, h, w) in pixels after each pass, last pass first."""
        before, after = images.chunk(2, 1)
        found = [self._step(images)]
        for _ in range(self.passes - 1):
            last = found[-1]
            found.append(last + self._step(torch.cat((before, warped(after, last)), 1)))
        return tuple(found[::-1])

    def _step(self, images: Tensor) -> Tensor:
        flow = self.backbone(images)[0]
        if self.backbone.strides[0] == 1:
            return flow
        return F.interpolate(flow, images.shape[-2:], mode="bilinear", align_corners=False)
