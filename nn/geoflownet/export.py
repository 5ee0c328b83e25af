"""Networks in other forms: ONNX files and torch.export programs, for images of any size."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn


class _Finest(nn.Module):
    """Only the first of a network's outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[0]


def exported(network: nn.Module, channels: int = 2) -> torch.export.ExportedProgram:
    """The finest displacement as a ``torch.export`` program for batches and images of any size above 16.

    Parameters
    ----------
    network : Module
        Takes (n, channels, h, w) and returns a tuple whose first element is kept.
    channels : int
        Input channels.
    """
    auto = torch.export.Dim.DYNAMIC
    shapes = ({0: auto, 2: auto, 3: auto},)
    # Unequal odd sizes, so that no two dimensions are taken to be one.
    example = torch.zeros(2, channels, 83, 117)
    return torch.export.export(_Finest(network).eval(), (example,), dynamic_shapes=shapes)


def onnx(network: nn.Module, path: str | Path, channels: int = 2) -> None:
    """Write the finest displacement as an ONNX model, input ``images`` and output ``flow``, of any size.

    Needs onnx and onnxscript.
    """
    torch.onnx.export(
        exported(network, channels),
        (),
        str(path),
        input_names=["images"],
        output_names=["flow"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
