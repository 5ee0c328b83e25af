"""Images as the networks that search take them: without their own brightness and contrast."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dislok.nn.geoflownet.inputs import SCALES, planes

MAD = 1.4826  # standard deviations of a normal distribution per median absolute deviation
LIMIT = 6.0  # standard deviations beyond which images are cut off


def whole(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """An image less its median, over its robust standard deviation, cut off at 6; zero where unknown."""
    if not known.any():
        return np.zeros(image.shape, np.float32)
    values = image[known]
    centre = np.median(values)
    spread = MAD * np.median(np.abs(values - centre)) or float(values.std()) or 1.0
    return np.where(known, np.clip((image - centre) / spread, -LIMIT, LIMIT), 0).astype(np.float32)


def local(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """An image less the mean around each pixel, over the deviation there; zero where unknown."""
    found = planes(image, known, SCALES[:1]).values[0]
    return np.asarray(found, np.float32)


NORMALISATIONS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "image": whole,
    "local": local,
}
