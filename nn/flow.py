"""Displacement between two images, and on which image's grid it lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FRAMES = ("pre", "post")


@dataclass(frozen=True)
class FlowMap:
    """Horizontal displacement of the ground between two images, in pixels, with its error.

    In the frame ``"pre"`` the value at a pixel is how far the ground has moved that the *first* image shows
    there: ``pre[row, column]`` shows what ``post[row - north, column + east]`` shows. In the frame
    ``"post"`` it is how far the ground has moved that the *second* image shows there: ``post[row, column]``
    shows what ``pre[row + north, column - east]`` shows. Where the ground moves far, the two differ.

    Attributes
    ----------
    values : ndarray, shape (h, w, 2), float32
        East (towards higher columns) and north (towards lower rows) displacement in pixels.
    error : ndarray, shape (h, w, 2), float32, or None
        Standard deviation of `values`.
    valid : ndarray, shape (h, w), bool
        Where `values` can be used; elsewhere they may be NaN.
    frame : "pre" or "post"
    score : ndarray, shape (h, w), float32, or None
        How well the images agree there: zero-mean normalised cross-correlation, at most 1.
    """

    values: np.ndarray
    error: np.ndarray | None
    valid: np.ndarray
    frame: str = "pre"
    score: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def right(self) -> np.ndarray:
        """Displacement towards higher columns, (h, w), contiguous: what kernels take."""
        return np.ascontiguousarray(self.values[..., 0])

    @property
    def down(self) -> np.ndarray:
        """Displacement towards higher rows, (h, w), contiguous: what kernels take."""
        return -self.values[..., 1]
