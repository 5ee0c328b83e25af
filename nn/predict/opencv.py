"""Optical flow of OpenCV (extra `opencv`): DeepFlow on normalised images and dense inverse search."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from ..flow import FlowMap
from .inputs import Array, Mask, checked_pair, eight_bit, landed, normalised


def deepflow(pre: Array, post: Array, *, valid: Mask | None = None, sigma: float = 8.0) -> FlowMap:
    """Displacement by OpenCV's DeepFlow (Weinzaepfel et al. 2013) after local normalisation.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    sigma : float
        Standard deviation of the Gaussian window of the normalisation (px).

    Returns
    -------
    FlowMap
        In the frame of `pre`; its error and its score are None.

    Raises
    ------
    ImportError
        Where OpenCV with its contributed modules is not installed.
    """
    cv2 = _opencv("optflow")
    pre, post, good = checked_pair(pre, post, valid)
    pair = (eight_bit(normalised(image, good, sigma), good, -3.0, 3.0) for image in (pre, post))
    return _flow(cv2.optflow.createOptFlow_DeepFlow().calc(*pair, None), good)


def dis(
    pre: Array, post: Array, *, valid: Mask | None = None, iterations: tuple[int, int] = (50, 20)
) -> FlowMap:
    """Displacement by OpenCV's dense inverse search (Kroeger et al. 2016), down to the finest scale.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    iterations : (int, int)
        Of the search of each patch, and of the variational refinement.

    Returns
    -------
    FlowMap
        In the frame of `pre`; its error and its score are None.

    Raises
    ------
    ImportError
        Where OpenCV is not installed.
    """
    cv2 = _opencv()
    pre, post, good = checked_pair(pre, post, valid)
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchSize(8)
    search.setGradientDescentIterations(iterations[0])
    search.setVariationalRefinementIterations(iterations[1])
    pair = (eight_bit(image, good, *np.percentile(image[good], (0.5, 99.5))) for image in (pre, post))
    return _flow(search.calc(*pair, None), good)


def _opencv(module: str | None = None) -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise ImportError('this method needs OpenCV: pip install "dislok[opencv]"') from error
    if module is not None and not hasattr(cv2, module):
        raise ImportError(
            f"this OpenCV lacks its contributed module {module}: "
            'pip uninstall the other opencv packages, then pip install "dislok[opencv]"'
        )
    return cv2


def _flow(moved: Array, good: Mask) -> FlowMap:
    values = np.stack([moved[..., 0], -moved[..., 1]], axis=-1).astype(np.float32)
    return FlowMap(values, None, good & landed(good, values), "pre", None)
