"""Networks that search, at work: from two images to a displacement map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dislok import gate as gates
from dislok import images
from dislok.kernels.images.masks import landing
from dislok.nn.flow import FlowMap
from dislok.nn.geoflownet.normalise import NORMALISATIONS
from dislok.nn.geoflownet.tiles import tiled
from dislok.nn.geoflownet.unet import FlowUNet
from dislok.nn.geoflownet.weights import cached
from dislok.nn.predict.inputs import checked_pair

SHIPPED = Path(__file__).with_name("geoflownet_a.safetensors")
CORE = 512  # pixels of a tile that are kept


def geoflownet(
    pre: np.ndarray,
    post: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    weights: str = "",
    passes: int = 1,
) -> FlowMap:
    """Displacement by a network that searches, by default GeoFlowNet-A with an eighth of its channels.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    weights : str
        File of weights of a network with two channels and an output at full resolution; empty for the
        shipped ones.
    passes : int
        How often it is applied, each time to the images in register so far as is known by then.

    Returns
    -------
    FlowMap
        In the frame of `pre`; its error and its score are None: these networks do not state any.

    Raises
    ------
    ValueError
        If the file holds another kind of network, or `passes` is not positive.
    """
    passes = gates.count(1)("passes", passes)
    pre, post, good = checked_pair(pre, post, valid)
    network, normalisation = _network(Path(weights) if weights else SHIPPED)
    before, after = (NORMALISATIONS[normalisation](image, good) for image in (pre, post))
    field = _found(network, before, after)
    for _ in range(passes - 1):
        field += _found(network, before, images.warp(after, *field, order=3)[0])
    values = np.stack((field[0], -field[1]), -1)
    return FlowMap(values, None, good & landing(good, *field), "pre", None)


def _found(network: FlowUNet, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The field of one pass (2, h, w), towards higher columns and rows."""
    seen = torch.from_numpy(np.nan_to_num(np.stack((before, after))))
    return np.asarray(tiled(network, seen, CORE).numpy(), np.float32)


def _network(path: Path) -> tuple[FlowUNet, str]:
    """The network, and how its images were normalised in training."""
    network, facts = cached(path)
    if not isinstance(network, FlowUNet) or network.channels != 2 or network.strides[0] != 1:
        raise ValueError(f"{path} holds no network that finds a field at full resolution from two images")
    normalisation = facts.get("normalisation", "image")
    if normalisation not in NORMALISATIONS:
        known = ", ".join(NORMALISATIONS)
        raise ValueError(f"{path}: normalisation must be one of {known}, not {normalisation!r}")
    return network, normalisation
