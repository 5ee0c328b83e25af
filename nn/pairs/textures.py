"""Pieces of ground: from images, or procedural ones, so that everything runs and is tested without imagery.

A `Texture` is how bright the ground is under even light and, where it has one, its height, from which light
and shadows of any sun follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dislok.arrays import Record

Shape = tuple[int, int]


@dataclass(frozen=True)
class Texture:
    """A piece of ground.

    Attributes
    ----------
    albedo : ndarray, shape (h, w), float32
        Brightness under even light, positive; about 1 on average.
    height : ndarray, shape (h, w), float32, or None
        Height in pixels; None where the image knows nothing of its relief.
    valid : ndarray, shape (h, w), bool, or None
        Pixels that can be used; None: all.
    kind : str
        What made it, or where it is from.
    numbers : dict
        What was drawn.
    """

    albedo: np.ndarray
    height: np.ndarray | None = None
    valid: np.ndarray | None = None
    kind: str = ""
    numbers: Record = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """Rows and columns."""
        return self.albedo.shape[0], self.albedo.shape[1]

    def window(self, top: int, left: int, shape: Shape) -> Texture:
        """A part of it, without a copy.

        Raises
        ------
        ValueError
            If the part reaches beyond it.
        """
        if min(top, left) < 0 or top + shape[0] > self.shape[0] or left + shape[1] > self.shape[1]:
            raise ValueError(f"a window of {shape} at ({top}, {left}) reaches beyond {self.shape}")
        part = slice(top, top + shape[0]), slice(left, left + shape[1])
        height, valid = (None if a is None else a[part] for a in (self.height, self.valid))
        return Texture(self.albedo[part], height, valid, self.kind, self.numbers)


def of_image(image: np.ndarray, *, valid: np.ndarray | None = None, kind: str = "image") -> Texture:
    """An image as a texture: its brightness scaled to a mean of 1 and kept positive.

    Parameters
    ----------
    image : ndarray, shape (h, w)
    valid : ndarray, shape (h, w), bool, optional
        Pixels that can be used; those that are not finite cannot.
    kind : str, optional
        Where it is from; messages begin with it.

    Raises
    ------
    ValueError
        If no pixel can be used, or all that can have one value.
    """
    values = np.asarray(image, np.float32)
    usable = np.isfinite(values) if valid is None else np.isfinite(values) & valid
    if not usable.any():
        raise ValueError(f"{kind}: no pixel can be used")
    low, high = (float(a) for a in np.percentile(values[usable], (0.1, 99.9)))
    if not high > low:
        raise ValueError(f"{kind}: all pixels that can be used have the value {low!r}")
    clean = np.where(usable, values, np.float32(np.median(values[usable])))
    albedo = np.clip(clean - (low - 0.05 * (high - low)), 1e-3 * (high - low), None)
    return Texture(albedo / albedo[usable].mean(), None, None if usable.all() else usable, kind)
