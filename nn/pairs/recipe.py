"""One recipe of all that may happen between two dates."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from .ground import Cover, Haze, Patches, Sun
from .sensor import Blur, Clouds, Gaps, Misregistration, Noise, Radiometry, Stripes


@dataclass(frozen=True)
class Recipe:
    """The second date of a pair, and the cameras of both. None switches a part off.

    ``Recipe(clouds=None, noise=Noise(strength=Fixed(0.02)))`` changes two parts of the default;
    `Recipe.plain()` switches all of them off.

    Attributes
    ----------
    sun, cover, patches, haze
        What changes on the ground: see `dislok.nn.pairs.ground`.
    radiometry, blur, stripes, noise, clouds, gaps, misregistration
        What cameras and sky do: see `dislok.nn.pairs.sensor`.
    resample_both : bool
        Move the pixel grid of both dates by a random part of a pixel, so that not the second image alone has
        been interpolated, which a network would notice.
    """

    sun: Sun | None = Sun()
    cover: Cover | None = Cover()
    patches: Patches | None = Patches()
    haze: Haze | None = Haze()
    radiometry: Radiometry | None = Radiometry()
    blur: Blur | None = Blur()
    stripes: Stripes | None = Stripes()
    noise: Noise | None = Noise()
    clouds: Clouds | None = Clouds()
    gaps: Gaps | None = Gaps()
    misregistration: Misregistration | None = Misregistration()
    resample_both: bool = True

    @staticmethod
    def plain() -> Recipe:
        """Nothing changes but the ground's place."""
        off = {field.name: None for field in fields(Recipe) if field.name != "resample_both"}
        return Recipe(**off, resample_both=False)

    def without(self, *names: str) -> Recipe:
        """The recipe with some parts switched off.

        Raises
        ------
        ValueError
            If it has no part of that name.
        """
        known = {field.name for field in fields(self)} - {"resample_both"}
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is no part of a recipe; choose from {', '.join(sorted(known))}")
        return replace(self, **dict.fromkeys(names))  # type: ignore[arg-type]
