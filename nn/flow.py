"""Displacement between two images, and on which image's grid it lives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

FRAMES = ("pre", "post")
TEAR = 0.5  # pixels of displacement from a pixel to the next above which ground counts as torn, not strained


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

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises
        ------
        ValueError
            That names the attribute, the shape that was expected and the one that came.
        """
        if self.frame not in FRAMES:
            raise ValueError(f"frame is {self.frame!r}; choose from {', '.join(map(repr, FRAMES))}")
        if self.values.ndim != 3 or self.values.shape[2] != 2:
            raise ValueError(f"values must be (h, w, 2), east and north, got shape {self.values.shape}")
        wanted = {"error": self.values.shape, "valid": self.shape, "score": self.shape}
        for name, shape in wanted.items():
            given = getattr(self, name)
            if given is not None and given.shape != shape:
                raise ValueError(f"{name} must have shape {shape} like values, got {given.shape}")
        if self.valid is None or self.valid.dtype != np.bool_:
            kind = "None" if self.valid is None else self.valid.dtype
            raise ValueError(f"valid must be an array of bool, got {kind}")

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

    def to_post(self, *, tear: float = TEAR) -> FlowMap:
        """The same displacement on the grid of the second image.

        The value of each pixel is carried to where the ground has moved, and the grid is filled by linear
        interpolation between pixels that moved together; see :meth:`to_pre`.
        """
        return self if self.frame == "post" else self._carried("post", 1.0, tear)

    def to_pre(self, *, tear: float = TEAR) -> FlowMap:
        """The same displacement on the grid of the first image.

        Parameters
        ----------
        tear : float, optional
            Pixels by which the displacement may change from a pixel to the next; where it changes more, as
            across a rupture, the two are taken for two pieces of ground, and nothing is interpolated between.

        Returns
        -------
        FlowMap
            Where the ground of no pixel, or of two pieces of ground, comes to lie, it is not valid. Errors
            and scores are carried along. A map that is on this grid already is returned as it is.
        """
        return self if self.frame == "pre" else self._carried("pre", -1.0, tear)

    def _carried(self, frame: str, way: float, tear: float) -> FlowMap:
        from dislok.kernels.images.carry import carry

        if not tear > 0:
            raise ValueError(f"tear is {tear!r}; it must be a positive number of pixels")
        usable = self.valid & np.isfinite(self.values).all(-1)
        right, down = (np.where(usable, way * a, 0.0).astype(np.float32) for a in (self.right, self.down))
        parts = [self.values[..., 0], self.values[..., 1]]
        parts += [] if self.error is None else [self.error[..., 0], self.error[..., 1]]
        parts += [] if self.score is None else [self.score]
        planes, valid = carry(right, down, usable, np.stack(parts).astype(np.float32), tear)
        taken = iter(planes)
        pair = partial(np.stack, axis=-1)
        values = pair([next(taken), next(taken)])
        error = None if self.error is None else pair([next(taken), next(taken)])
        return FlowMap(values, error, valid, frame, None if self.score is None else next(taken))
