"""A network on images of any size: tile by tile, with the result of the whole image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dislok.nn.geoflownet.reach import halo as reach_of
from dislok.nn.geoflownet.unet import FlowUNet


def tiled(
    network: FlowUNet,
    images: Tensor,
    core: int = 1024,
    halo: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """Displacement of large images, computed in tiles.

    Parameters
    ----------
    network : FlowUNet
        The network; set to evaluation by the caller.
    images : Tensor, shape (channels, h, w)
        What the network takes.
    core : int
        Edge of the part of a tile that is kept; a multiple of the network's largest stride.
    halo : int, optional
        Pixels around it; by default those with which the result equals the whole image's.
    progress : callable, optional
        Told the share of the tiles that is done.

    Returns
    -------
    Tensor, shape (2, h, w)
        The finest displacement; smaller by its stride where that is not 1.
    """
    period, finest = network.strides[-1], network.strides[0]
    margin = reach_of(network.table) if halo is None else halo
    for name, value in (("core", core), ("halo", margin)):
        if value % period or value < 0 or (name == "core" and not value):
            raise ValueError(f"{name} must be a positive multiple of the largest stride, {period}: {value}")
    if images.ndim != 3 or images.shape[0] != network.channels:
        raise ValueError(f"images must be ({network.channels}, h, w), not {tuple(images.shape)}")
    h, w = images.shape[-2:]
    result = images.new_empty((2, -(-h // finest), -(-w // finest)))
    todo = list(_cores(h, w, core))
    for count, (row, column) in enumerate(todo, 1):
        top, left = max(row - margin, 0), max(column - margin, 0)
        part = images[:, top : row + core + margin, left : column + core + margin]
        with torch.inference_mode():
            flow = network(part[None])[0][0]
        kept = flow[:, (row - top) // finest :, (column - left) // finest :]
        kept = kept[:, : core // finest, : core // finest]
        r, c = row // finest, column // finest
        result[:, r : r + kept.shape[1], c : c + kept.shape[2]] = kept
        if progress is not None:
            progress(count / len(todo))
    return result


def _cores(h: int, w: int, core: int) -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(0, h, core) for column in range(0, w, core))
