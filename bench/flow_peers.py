"""Other codes' displacement between two images, on their own terms: 8-bit images, some locally normalised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

Estimate = tuple[np.ndarray, np.ndarray]


def find() -> dict[str, Callable[[np.ndarray, np.ndarray], Estimate]]:
    """Methods by name; none where OpenCV is absent."""
    try:
        import cv2
    except ImportError:
        return {}
    if not hasattr(cv2, "optflow"):
        return {"DIS": lambda pre, post: run(tuned_dis(cv2), *stretched(pre, post))}
    deep = cv2.optflow.createOptFlow_DeepFlow
    return {
        "LN + DeepFlow": lambda pre, post: run(deep(), normalised(pre, 8), normalised(post, 8)),
        "LN(20) + DeepFlow": lambda pre, post: run(deep(), normalised(pre, 20), normalised(post, 20)),
        "DeepFlow": lambda pre, post: run(deep(), *stretched(pre, post)),
        "DIS": lambda pre, post: run(tuned_dis(cv2), *stretched(pre, post)),
        "LN + DIS": lambda pre, post: run(tuned_dis(cv2), normalised(pre, 8), normalised(post, 8)),
    }


def tuned_dis(cv2: Any) -> Any:
    """Dense inverse search down to single pixels."""
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(0)
    flow.setPatchSize(8)
    flow.setPatchStride(3)
    flow.setGradientDescentIterations(50)
    flow.setVariationalRefinementIterations(20)
    return flow


def run(flow: Any, pre: np.ndarray, post: np.ndarray) -> Estimate:
    """Displacement to the right and down."""
    found = flow.calc(pre, post, None)
    return found[..., 0], found[..., 1]


def stretched(*images: np.ndarray) -> list[np.ndarray]:
    """Eight bits between the 1st and the 99th percentile of the first image."""
    low, high = np.percentile(images[0], [1, 99])
    return [np.uint8(np.clip((image - low) / (high - low) * 255, 0, 255)) for image in images]


def normalised(image: np.ndarray, sigma: float) -> np.ndarray:
    """Eight bits of the image less its local mean over its local standard deviation, cut at three."""
    image = image.astype(np.float64)
    mean = gaussian_filter(image, sigma)
    spread = np.sqrt(np.maximum(gaussian_filter(image**2, sigma) - mean**2, 0))
    return np.uint8(np.clip((image - mean) / (spread + 1e-3 * image.std()) / 3 * 127 + 128, 0, 255))
