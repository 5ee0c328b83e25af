"""Distributions that numbers of a recipe are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dislok.gate import Given


class Distribution(Protocol):
    """Anything that draws a number."""

    def draw(self, rng: np.random.Generator) -> Given:
        """One value."""


@dataclass(frozen=True)
class Fixed:
    """Always the same value."""

    value: Given

    def draw(self, rng: np.random.Generator) -> Given:
        """The value; the generator is not used."""
        return self.value


@dataclass(frozen=True)
class Uniform:
    """Evenly between two numbers."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the order."""
        _ordered(self.low, self.high)

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform:
    """Evenly in the logarithm, between two positive numbers."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check sign and order."""
        if not self.low > 0:
            raise ValueError(f"low is {self.low!r}; it must be positive")
        _ordered(self.low, self.high)

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return float(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))


@dataclass(frozen=True)
class Normal:
    """Gaussian, drawn again until it lies between two limits."""

    mean: float
    std: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        """Check that there is something to draw."""
        if not self.std >= 0:
            raise ValueError(f"std is {self.std!r}; it must not be negative")
        _ordered(self.low, self.high)
        if self.low > self.mean + 3 * self.std or self.high < self.mean - 3 * self.std:
            raise ValueError(f"low {self.low!r} and high {self.high!r} lie beyond three std of the mean")

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        while True:
            value = float(rng.normal(self.mean, self.std))
            if self.low <= value <= self.high:
                return value


@dataclass(frozen=True)
class Choice:
    """One of several values, with weights."""

    values: Sequence[Given]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        """Check that weights belong to values."""
        if not len(self.values):
            raise ValueError("values must not be empty")
        if self.weights is not None:
            if len(self.weights) != len(self.values):
                raise ValueError(f"{len(self.weights)} weights for {len(self.values)} values")
            if min(self.weights) < 0 or not sum(self.weights) > 0:
                raise ValueError(f"weights must not be negative nor all zero, got {list(self.weights)}")

    def draw(self, rng: np.random.Generator) -> Given:
        """One value."""
        if self.weights is None:
            return self.values[int(rng.integers(len(self.values)))]
        share = np.cumsum(self.weights) / np.sum(self.weights)
        return self.values[min(int(np.searchsorted(share, rng.random(), "right")), len(self.values) - 1)]


@dataclass(frozen=True)
class Mixture:
    """One of several distributions, with weights."""

    parts: Sequence[Distribution]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        """Check as a choice does."""
        Choice(self.parts, self.weights)

    def draw(self, rng: np.random.Generator) -> Given:
        """One value of one of them."""
        return Choice(self.parts, self.weights).draw(rng).draw(rng)


def _ordered(low: float, high: float) -> None:
    if not low <= high:
        raise ValueError(f"low is {low!r} and high is {high!r}; low must not exceed high")
