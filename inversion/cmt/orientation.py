"""Directions of channels, and the east, north, up motion that channels of any directions have recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .filters import Array

MISALIGNED = 0.035
"""Share of another component in one that is still called by its name: 2°."""

PARALLEL = 10.0
"""Angle (degrees) between two channels of an instrument below which one of them cannot be what it says."""

AMPLIFIED = 4.0
"""Factor by which channels that point nearly the same way may enlarge noise."""

CONTRADICTION = 5.0
"""Angle (degrees) between a channel's name and its metadata from which they contradict each other."""

NAMELESS = "?"
"""How the names of channels begin that have none of their own."""

_NAMED = {"E": (90.0, 0.0), "N": (0.0, 0.0), "Z": (0.0, -90.0), "U": (0.0, -90.0)}
_WORDS = {"EW": "E", "NS": "N", "UD": "U"}
_DIGITS = "0123456789"


class Direction(NamedTuple):
    """Azimuth (degrees clockwise from north) and dip (degrees downwards) of positive motion."""

    azimuth: float
    dip: float

    @property
    def vector(self) -> Array:
        """East, north and up of its unit vector."""
        azimuth, dip = np.deg2rad([self.azimuth, self.dip])
        return np.array([np.cos(dip) * np.sin(azimuth), np.cos(dip) * np.cos(azimuth), -np.sin(dip)])

    def angle(self, other: Direction) -> float:
        """Angle to another direction in degrees."""
        return float(np.rad2deg(np.arccos(np.clip(self.vector @ other.vector, -1.0, 1.0))))


def by_name(channel: str, siblings: Sequence[str] = ()) -> Direction | None:
    """The direction that a channel's name promises, or None where it promises none.

    Parameters
    ----------
    channel : str
        E, N, Z or U at its end, or EW, NS, UD and a number.
    siblings : sequence of str
        The other channels of the instrument: U beside V or W is an oblique axis.
    """
    letter = letter_of(channel)
    if letter == "U" and {letter_of(other) for other in siblings} & {"V", "W"}:
        return None
    return Direction(*_NAMED[letter]) if letter in _NAMED else None


def letter_of(channel: str) -> str:
    """The letter or figure of a channel's name that says its direction."""
    word = channel.upper().rstrip(_DIGITS)[-2:] if len(channel) > 1 else ""
    return _WORDS.get(word, channel.upper()[-1:])


def instrument_of(channel: str) -> str:
    """The part of a channel's name that all channels of its instrument share."""
    if channel.startswith(NAMELESS):
        return NAMELESS
    word = channel.upper().rstrip(_DIGITS)[-2:]
    if word in _WORDS:
        head, tail = channel.upper().split(word, 1)
        return head + tail
    return channel.upper()[:-1]


def contradiction(name: Direction | None, metadata: Direction) -> float:
    """Angle (degrees) between what a name promises and what metadata say; 0 where they agree."""
    angle = name.angle(metadata) if name else 0.0
    return angle if angle > CONTRADICTION else 0.0


def parallel(directions: Sequence[Direction]) -> list[bool]:
    """Which channels of an instrument point the same way as another one, or the opposite way."""
    axes = np.array([direction.vector for direction in directions])
    close = np.abs(axes @ axes.T) > np.cos(np.deg2rad(PARALLEL))
    return [bool(row.sum() > 1) for row in close]


def unmixing(directions: Sequence[Direction]) -> tuple[Array, list[int]]:
    """How east, north and up follow from channels.

    Parameters
    ----------
    directions : sequence of Direction
        Of k channels, in any number and at any angles to each other.

    Returns
    -------
    matrix : ndarray, shape (3, k)
        Times the channels' samples: east, north, up. Rows of components that they do not hold are NaN.
    known : list of int
        The other rows.
    """
    axes = np.array([direction.vector for direction in directions])
    matrix = np.linalg.pinv(axes, rcond=0.05)
    seen = matrix @ axes
    resolved = np.linalg.norm(seen - np.eye(3), axis=1) < MISALIGNED
    calm = np.linalg.norm(matrix, axis=1) < AMPLIFIED
    known = np.flatnonzero(resolved & calm)
    # Elements that are rounding alone would spread gaps from one component to another.
    matrix = np.where(np.abs(matrix) < 1e-9, 0.0, matrix)
    table = np.full(matrix.shape, np.nan)
    table[known] = matrix[known]
    return table, known.tolist()


def mixed(matrix: Array, channels: Array) -> Array:
    """East, north, up (3, n) of channels (k, n); a gap of a channel is one of the components made from it."""
    values = np.full((3, channels.shape[1]), np.nan)
    for row, weights in zip(values, matrix, strict=True):
        if np.isfinite(weights).all():
            parts = np.flatnonzero(weights)
            row[:] = np.einsum("k,kn->n", weights[parts], channels[parts])
    return values
