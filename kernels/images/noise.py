"""Normal random numbers in vectors: each is a function of a key and of its own number.

A counter is mixed by the last step of SplitMix64 (Steele, Lea & Flood 2014; Stafford's variant 13), and two
halves of the result become two normal numbers (Box & Muller 1958).
"""

from __future__ import annotations

import math

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.scalar import cos, log, scalar, sin, sqrt, value

STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
LOW = np.uint64(0xFFFFFF)
UNIT = np.float32(2.0**-24)
TURN = 2.0 * math.pi


@scalar
def two(u, v):
    """Two normal numbers of two even ones, of which the first is not 0."""
    size = sqrt(-2.0 * log(u))
    return [size * cos(TURN * v), size * sin(TURN * v)]


@kernel
def _fill(key, out):
    half = np.uint64(len(out) // 2)
    for i in range(half):
        z = key + (i + np.uint64(1)) * STEP
        z = (z ^ (z >> np.uint64(30))) * FIRST
        z = (z ^ (z >> np.uint64(27))) * SECOND
        z = z ^ (z >> np.uint64(31))
        u = (np.float32(np.int32(z >> np.uint64(40))) + np.float32(0.5)) * UNIT
        v = np.float32(np.int32((z >> np.uint64(8)) & LOW)) * UNIT
        pair = two(u, v)
        out[i] = value(pair[0])
        out[half + i] = value(pair[1])


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal numbers of mean 0 and standard deviation 1, float32; a draw from `rng` is their key."""
    count = math.prod(shape)
    out = np.empty(count + count % 2, np.float32)
    _fill(rng.integers(2**64, dtype=np.uint64), out)
    return out[:count].reshape(shape)
