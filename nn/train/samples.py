"""Pairs as networks take them: cropped, turned, with noise, normalised; all of it decided by numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dislok.nn.train.config import Config

NEAR = 8.0  # pixels


class Sample(NamedTuple):
    """One pair.

    Attributes
    ----------
    images : ndarray, shape (channels, h, w), float32
        What the network sees: the image before and the one after, or the features of the refining network.
    truth : ndarray, shape (2, h, w), float32
        What it should say: pixels towards higher columns and rows. Zero where it is not known.
    weight : ndarray, shape (h, w), float32
        How much each pixel counts; zero where the truth is not known.
    """

    images: np.ndarray
    truth: np.ndarray
    weight: np.ndarray


class Batch(NamedTuple):
    """Several samples, as tensors with a leading axis."""

    images: Tensor
    truth: Tensor
    weight: Tensor


class Source(Protocol):
    """Where samples come from: a number always gives the same one, whoever asks, and when."""

    def sample(self, index: int, *, validation: bool = False) -> Sample:
        """The sample of a number; those for validation share nothing with those for training."""
        ...


class Numbered(Dataset):
    """A source as torch's loaders want it."""

    def __init__(self, source: Source, validation: bool = False) -> None:
        self.source, self.validation = source, validation

    def __getitem__(self, index: int) -> Sample:
        return self.source.sample(index, validation=self.validation)


def collate(samples: Sequence[Sample]) -> Batch:
    """A batch of samples of one size."""
    return Batch(*(torch.from_numpy(np.stack(parts)) for parts in zip(*samples, strict=True)))


def generator(seed: int, *numbers: int) -> np.random.Generator:
    """The generator of one purpose, which the numbers name."""
    return np.random.default_rng([seed, *numbers])


def turned(planes: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
    """Planes (..., h, w) turned anticlockwise by quarters, then mirrored left to right."""
    planes = np.rot90(planes, quarters, (-2, -1))
    return planes[..., ::-1] if mirrored else planes


def turned_vectors(field: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
    """The same of a field (2, h, w) towards higher columns and rows: its vectors turn with it."""
    right, down = field
    for _ in range(quarters % 4):
        right, down = down, -right
    right, down = turned(right, quarters, mirrored), turned(down, quarters, mirrored)
    return np.stack((-right if mirrored else right, down))


def turn_of(config: Config, rng: np.random.Generator) -> tuple[int, bool]:
    """By how many quarters a sample is turned, and whether it is mirrored."""
    if not config.data.turn:
        return 0, False
    return int(rng.integers(4)), bool(rng.random() < 0.5)


def with_noise(image: np.ndarray, most: float, rng: np.random.Generator) -> np.ndarray:
    """White noise of a random standard deviation up to `most`."""
    if not most:
        return image
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return image + np.float32(rng.uniform(0, most)) * noise


def window(shape: Sequence[int], size: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A random square of an image, or all of a smaller one."""
    first = [int(rng.integers(0, max(1, length - size + 1))) for length in shape]
    ends = [min(start + size, length) for start, length in zip(first, shape, strict=True)]
    return slice(first[0], ends[0]), slice(first[1], ends[1])


def ranges_at(index: int, config: Config) -> int:
    """How many of the ranges the sample of a number may come from: more and more as stages pass."""
    schedule = config.schedule
    done = index / (schedule.steps * schedule.epochs * schedule.batch)
    for share, count in schedule.stages:
        if done < share:
            return count
    return len(config.data.ranges)
