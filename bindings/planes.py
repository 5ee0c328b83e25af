"""Images as planes of numbers: what :mod:`dislok.images` reads, checks and takes apart."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from dislok.arrays import Array, ArrayLike
from dislok.kernels.names import Namespace

ORDERS = (3, 5)
SMALLEST = 4  # pixels of an axis that the margins of the coefficients need


def check_order(order: int) -> None:
    """Raise a `ValueError` for an order that there is no kernel for."""
    if order not in ORDERS:
        raise ValueError(f"order is {order!r}; choose 5 (quintic) or 3 (cubic)")


def check_origin(origin: tuple[int, int]) -> tuple[int, int]:
    """Row and column as integers."""
    if len(origin) != 2 or not all(isinstance(x, (int, np.integer)) for x in origin):
        raise ValueError(f"origin must be two integers, row and column, got {origin!r}")
    return int(origin[0]), int(origin[1])


def read(image: ArrayLike, name: str = "image", least: int = SMALLEST, xp: Namespace = np) -> Array:
    """Real numbers (..., h, w), at least so many pixels each way, as C-contiguous float32 or float64."""
    found = xp.asarray(image)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {found.dtype}")
    small = found.dtype.itemsize <= (4 if found.dtype.kind == "f" else 2)
    if found.ndim < 2 or min(found.shape[-2:]) < least:
        raise ValueError(f"{name} must be (..., h, w), {least} by {least} or more, got shape {found.shape}")
    return xp.ascontiguousarray(found, np.float32 if small else np.float64)


def displacements(
    right: ArrayLike, down: ArrayLike, dtype: DTypeLike, xp: Namespace = np
) -> tuple[Array, Array]:
    """Two planes (..., h, w) of one shape, C-contiguous."""
    planes = []
    for name, value in (("right", right), ("down", down)):
        found = xp.asarray(value)
        if found.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold real numbers, got dtype {found.dtype}")
        if found.ndim < 2:
            raise ValueError(f"{name} must be (..., h, w), got shape {found.shape}")
        planes.append(xp.ascontiguousarray(found, dtype))
    if planes[0].shape != planes[1].shape:
        raise ValueError(f"right has shape {planes[0].shape}, but down {planes[1].shape}")
    return planes[0], planes[1]


def lead_of(a: Sequence[int], b: Sequence[int], names: tuple[str, str]) -> tuple[int, ...]:
    """The leading axes that two arrays share."""
    try:
        return np.broadcast_shapes(tuple(a), tuple(b))
    except ValueError:
        raise ValueError(
            f"leading axes {tuple(a)} of {names[0]} and {tuple(b)} of {names[1]} do not fit"
        ) from None


def known_pixels(pixels: ArrayLike, valid: ArrayLike | None, xp: Namespace = np) -> np.ndarray | None:
    """Which pixels can be used; None for all. Values on a device are not looked at."""
    finite = np.isfinite(pixels) if xp is np else np.ones(pixels.shape, bool)
    if valid is None:
        return None if finite.all() else finite
    mask = xp.asnumpy(valid) if xp is not np and isinstance(valid, xp.ndarray) else np.asarray(valid)
    if mask.dtype != np.bool_:
        raise TypeError(f"valid must be boolean, got dtype {mask.dtype}")
    if mask.shape != pixels.shape:
        raise ValueError(f"valid has shape {mask.shape}, but image {pixels.shape}")
    known = mask & finite
    return None if known.all() else known


def nearest_known(known: np.ndarray) -> np.ndarray:
    """For every pixel the flat index of the nearest known one, whose value does least harm; (..., h w)."""
    from scipy import ndimage

    *lead, h, w = known.shape
    found = np.tile(np.arange(h * w), (*lead, 1))
    for index in np.ndindex(tuple(lead)):
        if known[index].any():
            rows, columns = ndimage.distance_transform_edt(
                ~known[index], return_distances=False, return_indices=True
            )
            found[index] = (rows.astype(np.int64) * w + columns).reshape(-1)
    return found


def each(array: ArrayLike, lead: tuple[int, ...] | None = None, xp: Namespace = np) -> Iterator[Array]:
    """The planes of an array, with its leading axes broadcast."""
    if lead is not None and array.shape[:-2] != lead:
        array = xp.broadcast_to(array, (*lead, *array.shape[-2:]))
    for index in np.ndindex(array.shape[:-2]):
        yield array[index]


def stacked(planes: list[Array], lead: tuple[int, ...], xp: Namespace = np) -> Array:
    """Planes with leading axes."""
    return planes[0] if not lead else xp.stack(planes).reshape(*lead, *planes[0].shape)


def space_of(*values: ArrayLike) -> Namespace:
    """CuPy if one of these is an array of it, else NumPy."""
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and any(isinstance(value, cupy.ndarray) for value in values) else np
