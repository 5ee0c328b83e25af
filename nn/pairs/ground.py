"""Changes of the ground between two dates: another sun, other plants, other fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dislok.arrays import ArrayLike, Record

from .distributions import Distribution, LogUniform, Mixture, Normal, Uniform
from .fields import Shape, power_law, smooth
from .light import shading
from .procedural import steep
from .textures import Texture

Numbers = Record


@dataclass(frozen=True)
class Sun:
    """Light and shadows of the sun, which stands elsewhere at the second date.

    Attributes
    ----------
    probability : float
        How often it stands elsewhere; else both dates have one sun.
    azimuth, elevation : Distribution
        At the first date, degrees.
    turn, rise : Distribution
        How far it has moved at the second.
    steepness : Distribution
        Of a fractal relief (root mean square of the gradient) that is invented where a texture has none; an
        image then keeps its own light at the first date.
    shadows : bool
        Whether relief casts shadows.
    """

    probability: float = 0.7
    azimuth: Distribution = Uniform(90.0, 270.0)
    elevation: Distribution = Uniform(25.0, 65.0)
    turn: Distribution = Normal(0.0, 8.0)
    rise: Distribution = Normal(0.0, 4.0)
    steepness: Distribution = LogUniform(0.005, 0.08)
    shadows: bool = True

    def light(self, texture: Texture, rng: np.random.Generator) -> tuple[ArrayLike, ArrayLike, Numbers]:
        """Light at both dates, each a plane (h, w) or 1, and what was drawn."""
        moves = bool(rng.random() < self.probability)
        names = ("azimuth", "elevation", "turn", "rise", "steepness")
        numbers = {name: getattr(self, name).draw(rng) for name in names} | {"moves": moves}
        if texture.height is None and not moves:
            return 1.0, 1.0, numbers
        own, height = texture.height is None, texture.height
        if height is None:
            height = steep(power_law(rng, texture.shape, 3.2), numbers["steepness"])
        first = shading(height, numbers["azimuth"], numbers["elevation"], shadows=self.shadows)
        if not moves:
            return first, first, numbers
        elevation = float(np.clip(numbers["elevation"] + numbers["rise"], 5.0, 90.0))
        second = shading(height, numbers["azimuth"] + numbers["turn"], elevation, shadows=self.shadows)
        return (1.0, second / first, numbers) if own else (first, second, numbers)


@dataclass(frozen=True)
class Cover:
    """Plants, moisture, snow: the ground's brightness changes by a factor that is a coloured random field.

    Attributes
    ----------
    probability : float
    strength : Distribution
        Standard deviation of the change of log brightness as a part of that of the image. The default keeps
        the correlation of both dates above 0.9 in about two thirds of the pairs.
    slope : Distribution
        Of the change's power spectrum.
    """

    probability: float = 0.9
    strength: Distribution = Mixture((LogUniform(0.02, 0.3), Uniform(0.3, 0.9)), (0.75, 0.25))
    slope: Distribution = Uniform(0.5, 2.5)

    def factor(self, spread: float, shape: Shape, rng: np.random.Generator) -> tuple[ArrayLike, Numbers]:
        """What the brightness is multiplied by; `spread` is the standard deviation of its logarithm."""
        if rng.random() >= self.probability:
            return 1.0, {}
        numbers = {"strength": self.strength.draw(rng), "slope": self.slope.draw(rng)}
        field = power_law(rng, shape, numbers["slope"])
        return np.exp(np.float32(numbers["strength"] * spread) * field), numbers


@dataclass(frozen=True)
class Patches:
    """Fields that were harvested, water that came, roofs that went: areas with another brightness.

    Attributes
    ----------
    probability : float
    part : Distribution
        Of the area that changes.
    change : Distribution
        Of log brightness in each area, in standard deviations of the image's.
    """

    probability: float = 0.3
    part: Distribution = LogUniform(0.005, 0.15)
    change: Distribution = Normal(0.0, 1.0)

    def factor(self, spread: float, shape: Shape, rng: np.random.Generator) -> tuple[ArrayLike, Numbers]:
        """What the brightness is multiplied by."""
        if rng.random() >= self.probability:
            return 1.0, {}
        numbers = {"part": self.part.draw(rng), "change": self.change.draw(rng)}
        field = power_law(rng, shape, 3.0, longest=64.0)
        changed = field > np.quantile(field, 1 - numbers["part"])
        return np.exp(np.float32(numbers["change"] * spread) * changed), numbers


@dataclass(frozen=True)
class Haze:
    """Illumination that varies smoothly over the image.

    Attributes
    ----------
    probability : float
    strength : Distribution
        Standard deviation of its logarithm.
    """

    probability: float = 0.5
    strength: Distribution = LogUniform(0.01, 0.2)

    def factor(self, spread: float, shape: Shape, rng: np.random.Generator) -> tuple[ArrayLike, Numbers]:
        """What the brightness is multiplied by."""
        if rng.random() >= self.probability:
            return 1.0, {}
        numbers = {"strength": self.strength.draw(rng)}
        return np.exp(np.float32(numbers["strength"]) * smooth(rng, shape)), numbers
