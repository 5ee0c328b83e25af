"""Facts about earthquakes and pairs, as text among the arrays."""

from __future__ import annotations

import json

import numpy as np

from dislok.arrays import Record
from dislok.gate import Given
from dislok.large.blocks import Blocks


def as_bytes(value: Given, length: int) -> np.ndarray:
    """JSON text in an array of bytes, with zeros behind it.

    Raises
    ------
    ValueError
        If it is longer.
    """
    text = json.dumps(value, sort_keys=True, default=_plain).encode()
    if len(text) > length:
        raise ValueError(f"there is room for {length} bytes about an earthquake, and {len(text)} are needed")
    return np.frombuffer(text.ljust(length, b"\0"), np.uint8)


def _plain(value: Given) -> Given:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def about(blocks: Blocks, k: int) -> Record:
    """What is known about earthquake k and its pairs."""
    return json.loads(np.asarray(blocks.arrays["about"][k]).tobytes().rstrip(b"\0"))
