"""The shipped network at work: a displacement map made better, with its standard deviation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from dislok.nn.flow import FlowMap
from dislok.nn.geoflownet.inputs import Planes, features, planes
from dislok.nn.geoflownet.scarp import Scarp
from dislok.nn.geoflownet.weights import cached

SHIPPED = Path(__file__).with_name("scarp.safetensors")
PASSES = 1
CORE, MARGIN = 768, 128  # pixels of a tile that are kept, and around them: more than the network sees
BEYOND = 8  # pixels of the image after, beyond the largest motion
RAYLEIGH = 1.2533  # mean length of an error whose components have a standard deviation of one


def scarp(
    pre: np.ndarray,
    post: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    reach: float = 64.0,
    passes: int = PASSES,
) -> FlowMap:
    """Displacement by the matching engine, refined by the shipped network.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    reach : float
        Farthest motion to look for (px).
    passes : int
        How often the network is applied.

    Returns
    -------
    FlowMap
        In the frame of `pre`, with error and score.
    """
    from dislok.nn.match import Settings, match

    seen = None if valid is None else (valid, valid)
    found = match(pre, post, valid=seen, settings=Settings(reach=reach))
    return refine(pre, post, found, valid=valid, passes=passes)


def refine(
    pre: np.ndarray,
    post: np.ndarray,
    found: FlowMap,
    *,
    valid: np.ndarray | None = None,
    network: str | Path | None = None,
    passes: int = PASSES,
) -> FlowMap:
    """A displacement map, made better by the network.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        The two images; NaN where missing.
    found : FlowMap
        What is known so far, on either frame.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    network : path, optional
        File of weights of a `Scarp`; by default the shipped ones.
    passes : int
        How often it is applied, each time to the images in register so far as is known by then.

    Returns
    -------
    FlowMap
        In the frame of `found`, with the standard deviation that the network states. Where `found` is not
        valid or the network expects more than a pixel of error, the result is not valid. Scores are those
        of `found`.

    Raises
    ------
    ValueError
        If a shape does not fit, or `passes` is not positive.
    """
    _check(pre, post, found, valid, passes)
    backwards = found.frame == "post"
    if backwards:
        pre, post = post, pre
    sign = -1 if backwards else 1
    field = sign * np.nan_to_num(np.stack((found.right, found.down)).astype(np.float32))
    model, law = _network(SHIPPED if network is None else Path(network))
    before, after = planes(pre, valid), planes(post, valid)
    scale = np.ones(found.shape, np.float32)
    trust = np.ones(found.shape, bool)
    for _ in range(passes):
        field, scale, trust = _refined(model, before, after, field)
    deviation = (np.exp(law[0]) * scale ** law[1]).astype(np.float32)
    return FlowMap(
        values=sign * np.stack((field[0], -field[1]), -1),
        error=np.stack((deviation, deviation), -1),
        valid=found.valid & trust & before.valid,
        frame=found.frame,
        score=found.score,
    )


def _check(pre: np.ndarray, post: np.ndarray, found: FlowMap, valid: np.ndarray | None, passes: int) -> None:
    for name, plane in (("pre", pre), ("post", post), ("valid", valid)):
        if plane is not None and plane.shape != found.shape:
            raise ValueError(f"{name} must have the shape of the map, {found.shape}, not {plane.shape}")
    if passes < 1:
        raise ValueError(f"passes must be at least 1: {passes!r}")


def _network(path: Path) -> tuple[Scarp, tuple[float, float]]:
    """The network, and how standard deviations follow from its scale: ``exp(a) * scale ** b``."""
    network, facts = cached(path)
    if not isinstance(network, Scarp):
        raise ValueError(f"{path} holds no network that refines maps")
    a, b = facts.get("deviation", (-float(np.log(RAYLEIGH)), 1.0))
    return network, (float(a), float(b))


def _refined(
    network: Scarp, pre: Planes, post: Planes, field: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One pass, tile by tile: the new field, the scale of its error, and where it is trusted."""
    result, scale = field.copy(), np.empty(field.shape[1:], np.float32)
    trust = np.empty(field.shape[1:], bool)
    for core, part in _tiles(pre.valid.shape):
        seen, inner = _seen(pre, post, field, part)
        with torch.inference_mode():
            said = network(torch.from_numpy(seen[None]))
        kept = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(core, part, strict=True))
        change = said.change[0].numpy()[:, inner[0], inner[1]][:, kept[0], kept[1]]
        result[:, core[0], core[1]] += change
        scale[core] = np.exp(said.log_scale[0].numpy()[inner][kept])
        trust[core] = said.trust[0].numpy()[inner][kept] > 0
    return result, scale, trust


def _seen(
    pre: Planes, post: Planes, field: np.ndarray, part: tuple[slice, slice]
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Features of a part, computed on as much more as the motion there needs, and where the part is in it."""
    reach = int(np.abs(field[:, part[0], part[1]]).max()) + BEYOND
    # The network works on blocks of 16 pixels: wider by whole ones.
    reach = -(-reach // 16) * 16
    rows, columns = (
        slice(max(each.start - reach, 0), min(each.stop + reach, length))
        for each, length in zip(part, pre.valid.shape, strict=True)
    )
    cut = [Planes(each.values[:, rows, columns], each.valid[rows, columns]) for each in (pre, post)]
    motion = np.ascontiguousarray(field[:, rows, columns])
    inner = (
        slice(part[0].start - rows.start, part[0].stop - rows.start),
        slice(part[1].start - columns.start, part[1].stop - columns.start),
    )
    return features(cut[0], cut[1], motion[0], motion[1]), inner


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Parts that are kept, and what is computed for each."""
    for row in range(0, shape[0], CORE):
        for column in range(0, shape[1], CORE):
            core = tuple(slice(a, min(a + CORE, n)) for a, n in zip((row, column), shape, strict=True))
            part = tuple(
                slice(max(each.start - MARGIN, 0), min(each.stop + MARGIN, n))
                for each, n in zip(core, shape, strict=True)
            )
            yield (core[0], core[1]), (part[0], part[1])
