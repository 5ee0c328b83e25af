"""Motion where nothing is recognised: that of the places around where something is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .carrying import correlation
from .planes import Level, blur


@dataclass(frozen=True)
class Trust:
    """When the search is believed.

    Attributes
    ----------
    sigma : float
        Window of the correlation, standard deviation in pixels of the level.
    chance : float
        Correlation that says nothing: what the best of many hypotheses reaches without any likeness.
    half : float
        Excess over `chance` at which a pixel counts as much as its surroundings.
    near, far : float
        Windows of the surroundings; the far one counts where the near one knows nothing.
    """

    sigma: float = 2.5
    chance: float = 0.3
    half: float = 0.2
    near: float = 4.0
    far: float = 16.0


def calmed(level: Level, field: np.ndarray, how: Trust) -> np.ndarray:
    """The motion drawn towards that of its surroundings as far as it is not recognised."""
    rho, mass = correlation(level, field, how.sigma)
    trust = np.where(mass < 0.3, 0, np.maximum(rho - how.chance, 0) ** 2).astype(np.float32)
    weight = blur(trust, how.near) + np.float32(0.01) * blur(trust, how.far)
    if not weight.any():
        return field
    doubt = np.float32(how.half**2)
    out = []
    for plane in field:
        near, far = blur(trust * plane, how.near), blur(trust * plane, how.far)
        around = (near + np.float32(0.01) * far) / np.maximum(weight, np.float32(1e-12))
        out.append((trust * plane + doubt * around) / (trust + doubt))
    return np.stack(out).astype(np.float32)
