"""Cameras and the sky on an image: blur, stripes, noise, clouds, missing and misplaced pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dislok.arrays import ArrayLike, Record
from dislok.kernels.images.noise import normal
from dislok.kernels.images.smooth import blurred

from .distributions import Choice, Distribution, LogUniform, Normal, Uniform
from .fields import Shape, power_law

Numbers = Record


@dataclass(frozen=True)
class Radiometry:
    """Gain, offset and gamma of the second date against the first.

    Attributes
    ----------
    probability : float
    gain, gamma : Distribution
    offset : Distribution
        In standard deviations of the image.
    """

    probability: float = 0.8
    gain: Distribution = LogUniform(0.6, 1.6)
    offset: Distribution = Normal(0.0, 0.3)
    gamma: Distribution = LogUniform(0.8, 1.25)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Numbers]:
        """The image as that camera has it."""
        if rng.random() >= self.probability:
            return image, {}
        numbers = {name: getattr(self, name).draw(rng) for name in ("gain", "offset", "gamma")}
        mean, spread = float(image.mean()), float(image.std())
        curve = (np.maximum(image, 1e-3 * mean) / np.float32(mean)) ** np.float32(numbers["gamma"])
        return np.float32(numbers["gain"] * mean) * curve + np.float32(numbers["offset"] * spread), numbers


@dataclass(frozen=True)
class Blur:
    """The camera's modulation transfer, a Gaussian, drawn for each date.

    Attributes
    ----------
    probability : float
    sigma : Distribution
        In pixels.
    """

    probability: float = 0.8
    sigma: Distribution = LogUniform(0.3, 0.9)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Numbers]:
        """The blurred image."""
        if rng.random() >= self.probability:
            return image, {}
        sigma = self.sigma.draw(rng)
        return blurred(image, sigma, 3.5), {"sigma": sigma}


@dataclass(frozen=True)
class Stripes:
    """Unequal detectors: each column, or row, has a gain of its own.

    Attributes
    ----------
    probability : float
    strength : Distribution
        Standard deviation in those of the image.
    columns : Distribution
        Whether stripes run down the columns.
    """

    probability: float = 0.3
    strength: Distribution = LogUniform(0.003, 0.05)
    columns: Distribution = Choice((True, False), (0.8, 0.2))

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Numbers]:
        """The striped image."""
        if rng.random() >= self.probability:
            return image, {}
        numbers = {"strength": self.strength.draw(rng), "columns": self.columns.draw(rng)}
        size = np.float32(numbers["strength"] * image.std())
        axes = (1, -1) if numbers["columns"] else (-1, 1)
        count = image.shape[1 if numbers["columns"] else 0]
        stripes = rng.standard_normal((count,), dtype=np.float32)
        return image + size * stripes.reshape(axes), numbers


@dataclass(frozen=True)
class Noise:
    """White noise, drawn for each date.

    Attributes
    ----------
    probability : float
    strength : Distribution
        Standard deviation in those of the image.
    """

    probability: float = 1.0
    strength: Distribution = LogUniform(0.005, 0.05)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Numbers]:
        """The noisy image."""
        if rng.random() >= self.probability:
            return image, {}
        strength = self.strength.draw(rng)
        noise = normal(rng, image.shape)
        noise *= np.float32(strength * image.std())
        return np.add(image, noise, out=noise), {"strength": strength}


@dataclass(frozen=True)
class Clouds:
    """Clouds and their shadows, drawn for each date.

    Attributes
    ----------
    probability : float
    part : Distribution
        Of the area that they cover.
    brightness : Distribution
        In means of the image.
    known : Distribution
        Whether a mask excludes them from the truth; others are for the network to find out.
    """

    probability: float = 0.08
    part: Distribution = LogUniform(0.01, 0.3)
    brightness: Distribution = Uniform(1.5, 4.0)
    known: Distribution = Choice((True, False), (0.7, 0.3))

    def apply(
        self, image: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None, Numbers]:
        """The image under clouds, and which pixels can still be used."""
        if rng.random() >= self.probability:
            return image, None, {}
        numbers = {name: getattr(self, name).draw(rng) for name in ("part", "brightness", "known")}
        field = power_law(rng, image.shape, 3.2)
        veil = np.clip(2 * (field - np.quantile(field, 1 - numbers["part"])) + 0.2, 0.0, 1.0)
        away = rng.integers(4, 24, 2) * rng.choice([-1, 1], 2)
        shade = np.roll(veil, tuple(away), (0, 1))
        darker = image * (1 - np.float32(0.6) * shade)
        clouded = darker + veil * (np.float32(numbers["brightness"] * image.mean()) - darker)
        known = (veil < 0.1) & (shade < 0.1) if numbers["known"] else None
        return clouded.astype(np.float32), known, numbers


@dataclass(frozen=True)
class Gaps:
    """Missing pixels, drawn for each date: the scene's edge, or lines that were not recorded.

    Attributes
    ----------
    probability : float
    kind : Distribution
        "edge" or "lines".
    part : Distribution
        Of the area.
    """

    probability: float = 0.05
    kind: Distribution = Choice(("edge", "lines"))
    part: Distribution = Uniform(0.02, 0.25)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None, Numbers]:
        """The image with NaN where nothing was recorded, and which pixels can still be used."""
        if rng.random() >= self.probability:
            return image, None, {}
        numbers = {"kind": self.kind.draw(rng), "part": self.part.draw(rng)}
        turn = rng.uniform(0, 2 * np.pi)
        h, w = image.shape
        across = np.arange(w) * np.cos(turn) + np.arange(h)[:, None] * np.sin(turn)
        if numbers["kind"] == "edge":
            missing = across > np.quantile(across, 1 - numbers["part"])
        else:
            period = rng.uniform(16, 48)
            missing = across % period < numbers["part"] * period
        return np.where(missing, np.float32(np.nan), image), ~missing, numbers


@dataclass(frozen=True)
class Misregistration:
    """Pixels of the second date lie elsewhere than they say.

    Shift, scale and turn, and the platform's jitter.

    Attributes
    ----------
    probability : float
    shift : Distribution
        Pixels, for each axis.
    strain : Distribution
        Pixels per pixel, for each of the four derivatives.
    jitter, period : Distribution
        Amplitude and period, in pixels, of a wave along the columns for each axis.
    in_truth : bool
        Whether the truth is what the images show, this included; else it is the ground's own displacement,
        and this is an error of the labels.
    """

    probability: float = 0.3
    shift: Distribution = Normal(0.0, 0.15)
    strain: Distribution = Normal(0.0, 1e-4)
    jitter: Distribution = LogUniform(0.003, 0.05)
    period: Distribution = LogUniform(60.0, 2000.0)
    in_truth: bool = True

    def draw(self, size: Shape, rng: np.random.Generator) -> tuple[ArrayLike, ArrayLike, Numbers]:
        """Displacement (right, down), planes of this size or 0, that it adds."""
        if rng.random() >= self.probability:
            return 0.0, 0.0, {}
        numbers: Numbers = {"shift": [self.shift.draw(rng) for _ in range(2)]}
        numbers["strain"] = [self.strain.draw(rng) for _ in range(4)]
        numbers["jitter"] = [self.jitter.draw(rng) for _ in range(2)]
        numbers["period"] = [self.period.draw(rng) for _ in range(2)]
        numbers["phase"] = [float(rng.uniform(0, 2 * np.pi)) for _ in range(2)]
        rows, columns = np.arange(size[0])[:, None] - size[0] / 2, np.arange(size[1]) - size[1] / 2
        planes = []
        for k in range(2):
            wave = 2 * np.pi * rows / numbers["period"][k] + numbers["phase"][k]
            plane = numbers["shift"][k] + numbers["jitter"][k] * np.sin(wave)
            plane = plane + numbers["strain"][2 * k] * columns + numbers["strain"][2 * k + 1] * rows
            planes.append(plane.astype(np.float32))
        return planes[0], planes[1], numbers
