"""Doubt about motion, and where it cannot be used."""

from __future__ import annotations

import numpy as np

from ...kernels.images import claims
from .engine import Result
from .filling import Fill
from .planes import blur

# Calibrated on generated pairs; see docs/flow-engine.rst.
WINDOW = 8.0
FACTOR = 1.5
FLOOR = 0.003
NEARBY = 2.0
SLIP = 1.5
UNLIKE = 1.0


def deviation(result: Result) -> np.ndarray:
    """Standard deviation of motion to the right and down, (h, w, 2), px.

    The inverse of what the pixels in a window say together, the doubt about where a step lies, and what a
    poor likeness of the images leaves open.
    """
    area = np.float32(4 * np.pi * WINDOW**2)
    a, b, d = (area * blur(np.ascontiguousarray(plane), WINDOW) for plane in result.precision)
    determinant = np.maximum(a * d - b * b, 1e-12)
    formal = np.stack([d, a], -1) / determinant[..., None]
    steps = np.stack([spread(plane, result.level.seen_pre) for plane in result.field], -1)
    unlike = UNLIKE * np.maximum(1 - result.look.likeness, 0) ** 2
    variance = FACTOR**2 * formal + (SLIP * steps) ** 2 + unlike[..., None] ** 2 + FLOOR**2
    return np.sqrt(variance).astype(np.float32)


def spread(plane: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Standard deviation of a plane in a small window."""
    weight = np.maximum(blur(seen, NEARBY), 1e-6)
    mean = blur(plane * seen, NEARBY) / weight
    away = (plane - mean) * seen
    return np.sqrt(np.maximum(blur(away * away, NEARBY) / weight, 0))


def usable(result: Result) -> np.ndarray:
    """Pixels whose motion both images show, that are recognised, and that no other claims with more right."""
    height, width = result.level.shape
    inside = (result.mass > 0.3) & result.look.known(Fill())
    owner = np.full((height, width), -1, np.int64)
    field = np.ascontiguousarray(result.field)
    claims.claim(field, np.ascontiguousarray(result.rho), owner)
    free = np.ones((height, width), np.bool_)
    claims.hidden(field, owner, free)
    return inside & free
