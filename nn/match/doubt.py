"""Doubt about motion, and where it cannot be used."""

from __future__ import annotations

import numpy as np

from ...kernels.images import claims
from .engine import Result
from .filling import Fill, recognised
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


# Distance (px) at which two ways between the images are at odds.
ODDS = 1.0


def leads_back(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Pixels (h, w) whose motion (2, h, w), followed by that found the other way round, leads back to them.

    `back` lives on the grid of the other image, of any size.
    """
    rows, columns = (np.arange(n) for n in there.shape[1:])
    right, down = np.rint(columns + there[0]), np.rint(rows[:, None] + there[1])
    height, width = back.shape[1:]
    inside = (right >= 0) & (right < width) & (down >= 0) & (down < height)
    at = down.clip(0, height - 1).astype(np.intp), right.clip(0, width - 1).astype(np.intp)
    away = there + back[(slice(None), *at)]
    return inside & (np.hypot(away[0], away[1]) < ODDS)


def usable(result: Result, how: Fill) -> np.ndarray:
    """Pixels whose motion both images show, that are recognised, and that no other claims with more right."""
    height, width = result.level.shape
    field = np.ascontiguousarray(result.field)
    inside = (result.mass > 0.3) & recognised(result.level, field, result.look, how)
    owner = np.full((height, width), -1, np.int64)
    claims.claim(field, np.ascontiguousarray(result.rho), owner)
    free = np.ones((height, width), np.bool_)
    claims.hidden(field, owner, free)
    return inside & free
