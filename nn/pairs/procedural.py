"""Ground that nobody has seen.

Photographs of the ground have power spectra that fall with frequency to the power 2 or so, sharp edges
between objects of all sizes that hide one another, and relief. Each class here makes one kind of it; its
attributes are distributions.

References
----------
Lee, A. B., Mumford, D. & Huang, J. (2001). Occlusion models for natural images: a statistical study of a
scale-invariant dead leaves model. Int. J. Comput. Vis. 41, 35-59.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from scipy import special

from dislok.arrays import Record, Values
from dislok.kernels.images.noise import normal

from .distributions import Choice, Distribution, LogUniform, Uniform
from .fields import power_law
from .textures import Shape, Texture


class Maker(Protocol):
    """Anything that draws a piece of ground."""

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """One of this many rows and columns."""
        ...


def _drawn(maker: Any, rng: np.random.Generator) -> Record:
    """A value of each attribute."""
    return {field.name: getattr(maker, field.name).draw(rng) for field in fields(maker)}


def brightness(field: np.ndarray, contrast: float) -> np.ndarray:
    """A field of mean 0 and standard deviation 1 as positive brightness: exp(contrast * field)."""
    return np.exp(np.float32(contrast) * field)


def steep(height: np.ndarray, steepness: float) -> np.ndarray:
    """Heights scaled so that the root mean square of their gradient is `steepness`."""
    by_row, by_column = np.gradient(height)
    now = np.sqrt(np.mean(by_row**2 + by_column**2))
    return np.ascontiguousarray(height * (steepness / now if now > 0 else 0.0), np.float32)


@dataclass(frozen=True)
class Fractal:
    """A field with power spectral density frequency**-slope, and this contrast of its logarithm."""

    slope: Distribution = Uniform(1.2, 3.4)
    contrast: Distribution = Uniform(0.1, 0.4)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """One of this many rows and columns."""
        numbers = _drawn(self, rng)
        albedo = brightness(power_law(rng, shape, numbers["slope"]), numbers["contrast"])
        return Texture(albedo, None, None, "fractal", numbers)


@dataclass(frozen=True)
class Terrain:
    """Fractal mountains under a fractal cover.

    Attributes
    ----------
    slope : Distribution
        Of the heights' power spectrum.
    steepness : Distribution
        Root mean square of the heights' gradient.
    ridged : Distribution
        How far heights are folded at their mean, which makes crests and plains: 0 ... 1.
    cover, cover_slope : Distribution
        Contrast and spectrum of the ground's own brightness.
    """

    slope: Distribution = Uniform(2.8, 3.8)
    steepness: Distribution = LogUniform(0.05, 0.5)
    ridged: Distribution = Choice((0.0, 0.5, 1.0))
    cover: Distribution = Uniform(0.03, 0.25)
    cover_slope: Distribution = Uniform(1.2, 2.6)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """One of this many rows and columns."""
        numbers = _drawn(self, rng)
        height, fold = power_law(rng, shape, numbers["slope"]), np.float32(numbers["ridged"])
        height = steep((1 - fold) * height - fold * np.abs(height), numbers["steepness"])
        albedo = brightness(power_law(rng, shape, numbers["cover_slope"]), numbers["cover"])
        return Texture(albedo, height, None, "terrain", numbers)


@dataclass(frozen=True)
class Dunes:
    """Waves of sand or ridges: gentle on one flank and steep on the other, with forks and bends.

    Attributes
    ----------
    wavelength : Distribution
        In pixels.
    azimuth : Distribution
        Across the crests, degrees.
    disorder : Distribution
        Standard deviation of the waves' phase, in cycles.
    steepness : Distribution
        Root mean square of the heights' gradient.
    cover : Distribution
        Contrast of the ground's own brightness.
    """

    wavelength: Distribution = LogUniform(6.0, 48.0)
    azimuth: Distribution = Uniform(0.0, 360.0)
    disorder: Distribution = Uniform(0.3, 1.5)
    steepness: Distribution = LogUniform(0.1, 0.5)
    cover: Distribution = Uniform(0.01, 0.08)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """One of this many rows and columns."""
        numbers = _drawn(self, rng)
        turn, length = np.radians(numbers["azimuth"]), numbers["wavelength"]
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        along = (columns * np.sin(turn) - rows * np.cos(turn)) / length
        bend = power_law(rng, shape, 5.0, longest=8 * length)
        phase = (2 * np.pi * (along + numbers["disorder"] * bend)).astype(np.float32)
        # a sine that is pushed to one side has one steep flank
        wave = np.sin(phase + np.float32(0.6) * np.sin(phase))
        height = wave * (1 + np.float32(0.3) * power_law(rng, shape, 5.0, longest=6 * length))
        albedo = brightness(power_law(rng, shape, 1.6), numbers["cover"])
        return Texture(albedo, steep(height, numbers["steepness"]), None, "dunes", numbers)


@dataclass(frozen=True)
class DeadLeaves:
    """Objects of all sizes that hide one another: fields, roofs, bushes (Lee et al. 2001).

    Attributes
    ----------
    smallest, largest : Distribution
        Radii in pixels, between which their density falls as radius**-3.
    rectangles : Distribution
        Which part of them are rectangles, in two directions; the others are ellipses.
    contrast : Distribution
        Standard deviation of the logarithm of their brightness.
    grain : Distribution
        Contrast of white noise on them.
    """

    smallest: Distribution = LogUniform(1.5, 4.0)
    largest: Distribution = LogUniform(20.0, 120.0)
    rectangles: Distribution = Uniform(0.0, 1.0)
    contrast: Distribution = Uniform(0.15, 0.45)
    grain: Distribution = Uniform(0.01, 0.08)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """One of this many rows and columns."""
        from dislok.kernels.images import paint

        numbers = _drawn(self, rng)
        field = np.zeros(shape, np.float32)
        paint.leaves(field, _leaves(rng, shape, numbers))
        grains = normal(rng, shape)
        albedo = np.exp(np.float32(numbers["contrast"]) * field + np.float32(numbers["grain"]) * grains)
        return Texture(albedo, None, None, "dead_leaves", numbers)


def _leaves(rng: np.random.Generator, shape: Shape, numbers: Values) -> np.ndarray:
    """Rows for `paint.leaves` that cover the image about three times."""
    low, high = numbers["smallest"], max(numbers["largest"], 2 * numbers["smallest"])
    ratio = (low / high) ** 2
    area = 2 * np.pi * low**2 * np.log(high / low) / (1 - ratio)  # mean of pi r**2 at this density
    count = int(np.ceil(3 * (shape[0] + high) * (shape[1] + high) / area))
    radius = low / np.sqrt(1 - rng.random(count) * (1 - ratio))
    x, y = (rng.uniform(-high / 2, n + high / 2, count) for n in (shape[1], shape[0]))
    flat = rng.uniform(0.4, 1.0, count)
    square = rng.random(count) < numbers["rectangles"]
    turn = rng.uniform(0, np.pi, count)
    turn[square] = rng.uniform(0, np.pi) + np.pi / 2 * rng.integers(2, size=int(square.sum()))
    grey, slopes = rng.standard_normal(count), rng.standard_normal((2, count)) * 0.3 / radius
    columns = (x, y, radius, radius * flat, np.cos(turn), np.sin(turn), square, grey, *slopes)
    return np.column_stack(columns).astype(np.float64)


@dataclass(frozen=True)
class Blend:
    """Two other kinds, each where a smooth field says, so that they meet along a wandering border.

    `sharpness` says how abruptly: the larger, the narrower the border.
    """

    sharpness: Distribution = LogUniform(2.0, 40.0)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """One of this many rows and columns."""
        numbers, makers = _drawn(self, rng), list(KINDS.values())
        first, second = (makers[int(k)].draw(rng, shape) for k in rng.permutation(len(makers))[:2])
        share = special.expit(np.float32(numbers["sharpness"]) * power_law(rng, shape, 3.5))
        albedo = first.albedo**share * second.albedo ** (1 - share)
        height = None
        for texture, part in ((first, share), (second, 1 - share)):
            if texture.height is not None:
                height = texture.height * part + (0.0 if height is None else height)
        numbers |= {"first": first.kind, "second": second.kind}
        return Texture(albedo, height, None, "blend", numbers)


KINDS: dict[str, Maker] = {
    "fractal": Fractal(),
    "terrain": Terrain(),
    "dunes": Dunes(),
    "dead_leaves": DeadLeaves(),
}


@dataclass(frozen=True)
class AnyGround:
    """Ground of a random kind, one of `makers`, each as often as another."""

    makers: tuple[Maker, ...] = (*KINDS.values(), Blend())

    def draw(self, rng: np.random.Generator, shape: Shape) -> Texture:
        """One of this many rows and columns.

        Raises
        ------
        ValueError
            If the shape is smaller than 8 by 8 pixels.
        """
        if min(shape) < 8:
            raise ValueError(f"shape is {shape}; textures have at least 8 by 8 pixels")
        return self.makers[int(rng.integers(len(self.makers)))].draw(rng, shape)
