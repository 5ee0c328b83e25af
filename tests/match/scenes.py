"""Pairs of images with known motion, made from splines of random ground."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def ground(rng: np.random.Generator, shape: tuple[int, int], beta: float = 2.2) -> np.ndarray:
    """Random ground whose power falls with frequency to the power of -beta, smooth at the pixel scale."""
    size = [2 * n for n in shape]
    rows, columns = np.fft.fftfreq(size[0]), np.fft.rfftfreq(size[1])
    radius = np.hypot(rows[:, None], columns)
    radius[0, 0] = 1
    white = np.fft.rfft2(rng.standard_normal(size))
    image = np.fft.irfft2(white * radius ** (-beta / 2) * np.exp(-((radius / 0.35) ** 4)), size)
    image = image[: shape[0], : shape[1]]
    return 1000 + 200 * (image - image.mean()) / image.std()


def moved(ground: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The image that shows at [r + down, c + right] what `ground` shows at [r, c]."""
    rows, columns = np.mgrid[: ground.shape[0], : ground.shape[1]].astype(float)
    back_r, back_c = rows.copy(), columns.copy()
    for _ in range(30):
        where = [back_r, back_c]
        back_r = rows - ndimage.map_coordinates(down, where, order=1, mode="nearest")
        back_c = columns - ndimage.map_coordinates(right, where, order=1, mode="nearest")
    return ndimage.map_coordinates(ground, [back_r, back_c], order=5, mode="mirror")


def noisy(image: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """The image with white noise of a share of its deviation."""
    return image + share * image.std() * rng.standard_normal(image.shape)


def fault(shape: tuple[int, int], slip: float, depth: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    """Motion (right, down) of a strike-slip fault along the middle row, by half the slip on each side."""
    distance = np.arange(shape[0])[:, None] - (shape[0] - 1) / 2 + np.zeros(shape)
    right = slip / np.pi * np.arctan(depth / np.abs(distance)) * np.sign(distance)
    return right, np.zeros(shape)
