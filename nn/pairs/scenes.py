"""Images as ground: windows of many scenes, and splits in which no scene is in two parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from dislok import images

from .distributions import Distribution, LogUniform
from .textures import Shape, Texture


def split(
    scenes: Iterable[str], shares: Mapping[str, float], rng: np.random.Generator
) -> dict[str, tuple[str, ...]]:
    """Scenes shared out: every date and every window of a scene is in one part alone.

    Parameters
    ----------
    scenes : iterable of str
        Names; one name for all dates of a scene. Their order does not matter.
    shares : mapping of str to float
        How much of them each part gets, such as ``{"train": 0.7, "validation": 0.15, "test": 0.15}``.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        The names in each part, sorted; each part that has a share has at least one.

    Raises
    ------
    ValueError
        If there are fewer scenes than parts, or shares are not positive.
    """
    names = sorted(set(scenes))
    if not shares or min(shares.values()) <= 0:
        raise ValueError(f"shares must be positive, got {dict(shares)}")
    if len(names) < len(shares):
        raise ValueError(f"{len(names)} scenes cannot be split into {len(shares)} parts")
    mixed = [names[k] for k in rng.permutation(len(names))]
    sums = np.cumsum(list(shares.values())) / sum(shares.values())
    ends = [int(round(s * len(names))) for s in sums]
    for k in range(len(ends)):  # at least one for each, and enough for those that follow
        ends[k] = min(max(ends[k], k + 1, (ends[k - 1] if k else 0) + 1), len(names) - (len(ends) - 1 - k))
    starts = [0, *ends[:-1]]
    return {part: tuple(sorted(mixed[a:b])) for part, a, b in zip(shares, starts, ends, strict=True)}


BORDER = 8
"""Pixels of a scene beyond a window, for its interpolation."""


@dataclass(frozen=True)
class Library:
    """Ground that is cut from images.

    Attributes
    ----------
    scenes : sequence of Texture
        Each as often as its area says; see `of_image`.
    scale : Distribution
        Pixels of the scene in one of the ground: above 1 the scene is seen from farther away, and blurred as
        a camera would.
    empty : float
        Largest part of the pixels that may hold nothing.
    tries : int
        Windows that are drawn before it gives up.
    """

    scenes: Sequence[Texture]
    scale: Distribution = LogUniform(0.7, 2.0)
    empty: float = 0.05
    tries: int = 50

    def check(self, shape: Shape) -> None:
        """See that windows of a size can be cut at the scale of the images.

        Raises
        ------
        ValueError
            If no scene is large enough.
        """
        need = shape[0] + BORDER, shape[1] + BORDER
        if not any(s.shape[0] >= need[0] and s.shape[1] >= need[1] for s in self.scenes):
            largest = max(self.scenes, key=lambda s: min(s.shape))
            raise ValueError(
                f"windows of {shape[0]} x {shape[1]} pixels are cut from images "
                f"of at least {need[0]} x {need[1]}; "
                f"the largest, {largest.kind}, has {largest.shape[0]} x {largest.shape[1]}"
            )

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """A window of one of the scenes.

        Raises
        ------
        ValueError
            If none is large enough, or none that was drawn held enough.
        """
        for _ in range(self.tries):
            scale = self.scale.draw(rng)
            need = (int(np.ceil(shape[0] * scale)) + BORDER, int(np.ceil(shape[1] * scale)) + BORDER)
            fit = [s for s in self.scenes if s.shape[0] >= need[0] and s.shape[1] >= need[1]]
            if not fit:
                continue
            areas = np.array([s.shape[0] * s.shape[1] for s in fit], float)
            scene = fit[int(rng.choice(len(fit), p=areas / areas.sum()))]
            top, left = (int(rng.integers(a - b + 1)) for a, b in zip(scene.shape, need, strict=True))
            part = scene.window(top, left, need)
            if part.valid is None or 1 - part.valid.mean() <= self.empty:
                numbers = {"scale": scale, "top": top, "left": left}
                return _scaled(part, shape, scale, numbers)
        raise ValueError(f"no window of {shape} pixels was found in {len(self.scenes)} scenes")


def _scaled(part: Texture, shape: Shape, scale: float, numbers: dict) -> Texture:
    """A window seen with another size of pixels."""
    albedo = part.albedo
    if scale > 1:
        albedo = ndimage.gaussian_filter(albedo, 0.5 * np.sqrt(scale**2 - 1))
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    right = np.broadcast_to((scale - 1) * columns, shape).astype(np.float32)
    down = np.broadcast_to((scale - 1) * rows, shape).astype(np.float32)
    seen = images.warp(albedo, right, down, valid=part.valid, origin=(3, 3), threads=1)
    positive = np.maximum(seen.values, np.float32(1e-3))
    return Texture(positive, None, None if seen.valid.all() else seen.valid, part.kind, numbers)
