"""Losses of trainings. Every loss is the mean over the pairs of a batch of one number for each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dislok.nn.geoflownet.scarp import Refined

SMALL = 0.05  # pixels at which the refining loss turns from proportional to logarithmic
MOST = 50.0  # pixels of error beyond which the scale need not follow
EPSILON = 1e-8


def endpoint_error(flow: Tensor, truth: Tensor) -> Tensor:
    """Length of the difference of two fields (n, 2, h, w), for each pixel (n, h, w)."""
    return torch.sqrt(((flow - truth) ** 2).sum(1) + EPSILON)


def mean_over(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over the pixels of each pair: (n, h, w) to (n,); zero where nothing has weight."""
    return (values * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(EPSILON)


def multi_scale(
    flows: Sequence[Tensor], truth: Tensor, weight: Tensor, scales: Sequence[float], relative: float = 0.0
) -> Tensor:
    """The paper's loss: endpoint errors at several resolutions, averaged with weights.

    Parameters
    ----------
    flows : sequence of Tensor
        Fields (n, 2, ., .) in pixels of the input, finest first.
    truth : Tensor, shape (n, 2, h, w)
        The true field; averaged over areas for the coarser ones, its values kept.
    weight : Tensor, shape (n, h, w)
        Weight of each pixel; zero where the truth is not known.
    scales : sequence of float
        Weight of each field of `flows`.
    relative : float
        If positive, each pair's loss is divided by the rms of its motion and this many pixels.

    Returns
    -------
    Tensor, shape ()
    """
    shares = list(scales)[: len(flows)]
    errors = [_at_scale(flow, truth, weight) for flow in flows]
    total = torch.stack([share * error for share, error in zip(shares, errors, strict=True)]).sum(0) / sum(
        shares
    )
    if relative:
        rms = torch.sqrt(mean_over((truth**2).sum(1), weight))
        total = total / (rms + relative)
    return total.mean()


def _at_scale(flow: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    if flow.shape[-2:] == truth.shape[-2:]:
        return mean_over(endpoint_error(flow, truth), weight)
    size = (flow.shape[-2], flow.shape[-1])
    share = F.adaptive_avg_pool2d(weight[:, None], size)
    coarse = F.adaptive_avg_pool2d(truth * weight[:, None], size) / share.clamp_min(EPSILON)
    return mean_over(endpoint_error(flow, coarse), share[:, 0])


def refining(said: Refined, truth: Tensor, weight: Tensor, likelihood: float) -> Tensor:
    """Loss of a network that corrects a field and says how far off it still is.

    Parameters
    ----------
    said : Refined
    truth : Tensor, shape (n, 2, h, w)
        The right change (pixels).
    weight : Tensor, shape (n, h, w)
        Weight of each pixel.
    likelihood : float
        Weight of the likelihoods of the error's scale (Laplace) and of less than a pixel being left. Neither
        moves the change: a network must not gain by being wrong where it says so.
    """
    error = endpoint_error(said.change, truth)
    left = error.detach().clamp(max=MOST)
    scale = said.log_scale.clamp(-6, 5)
    surprise = scale + left * torch.exp(-scale)
    doubt = F.binary_cross_entropy_with_logits(said.trust, (left < 1).to(said.trust.dtype), reduction="none")
    pixels = torch.asinh(error / SMALL) + likelihood * (surprise + doubt)
    return mean_over(pixels, weight).mean()
