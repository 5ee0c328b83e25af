"""Images at displaced pixels: interpolation by splines that pass through every pixel, with derivatives.

Conventions
    An image is (h, w); row 0 is its northern edge. ``right`` and ``down`` are displacements in pixels towards
    higher columns and higher rows. The value at (r, c) is that of the image at (r + down, c + right), so that
    an image taken after an earthquake, warped by the displacement on the grid of the one before, looks like
    that one.
Splines
    B-splines of order 5 (quintic) or 3 (cubic) through every pixel, the image mirrored at its edges. Those of
    order 5 have an error below 1/100 of a pixel for every wave longer than three pixels.
Validity
    Pixels that are NaN or infinite, or that ``valid=`` excludes, are not used: a result is valid where all
    taps of the spline, 6 by 6 or 4 by 4 pixels, are valid and inside the image. Elsewhere the value is that
    of the nearest edge of the image, or one to which the nearest valid pixels have contributed; it is NaN
    where the displacement is not a number. Pixels beyond an edge are those of the mirror.
Numbers
    float32 and float64 images are kept; integers of one or two bytes become float32, other numbers float64.
    Displacements take the image's dtype. Leading axes, ``(..., h, w)``, hold several images, and broadcast.
Arrays
    NumPy arrays in, NumPy arrays out. torch tensors, float32 or float64, come out differentiable with respect
    to the image and the displacement, backward and forward and under `torch.func`; CUDA tensors need CuPy,
    and there pixels that are not finite are not looked for: name them by ``valid=``.

References
----------
Unser, M., Aldroubi, A. & Eden, M. (1993). B-spline signal processing, parts I and II. IEEE Trans. Signal
Process. 41, 821-848.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dislok.arrays import common_framework, eager, is_tensor
from dislok.backends import check_threads

__all__ = ["Coefficients", "Slopes", "Warped", "adjoint", "coefficients", "slopes", "warp"]

ORDERS = (3, 5)
SMALLEST = 4  # pixels of an axis that the margins of the coefficients need


class Warped(NamedTuple):
    """Values at displaced pixels, and where they are valid; each (..., h, w)."""

    values: Any
    valid: Any


class Slopes(NamedTuple):
    """Values at displaced pixels, where they are valid, and their derivatives by the displacement."""

    values: Any
    valid: Any
    by_right: Any
    by_down: Any


class Coefficients(NamedTuple):
    """An image as a sum of splines: made once, warped often.

    Attributes
    ----------
    plane : ndarray, shape (..., h + 4, w + 6)
        The coefficients with mirrored margins.
    cells : ndarray, shape (..., h, w), bool, or None
        Where all taps of the spline between a pixel and the one to its lower right are valid; None:
        everywhere.
    order : int
    """

    plane: Any
    cells: Any
    order: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image."""
        *lead, h, w = self.plane.shape
        return (*lead, h - 4, w - 6)


def coefficients(
    image: Any, order: int = 5, *, valid: Any = None, threads: int | None = None
) -> Coefficients:
    """Coefficients of an image's splines, to be warped as often as one likes.

    Parameters
    ----------
    image : array_like, shape (..., h, w)
        At least 4 by 4 pixels. Those that are not finite are invalid.
    order : {5, 3}, optional
    valid : array_like, shape (..., h, w), bool, optional
        Which pixels can be used.
    threads : int, optional
        Most threads.

    Raises
    ------
    TypeError
        If the image does not hold real numbers, or `valid` no truth values.
    ValueError
        If a shape does not fit or the order is neither 3 nor 5.
    """
    check_order(order)
    check_threads(threads, False)
    if is_tensor(image):
        raise TypeError(
            "coefficients() takes NumPy arrays; warp() takes the tensor itself and keeps gradients"
        )
    pixels = read(image)
    known = _known(pixels, valid)
    if known is not None:
        nearest = nearest_known(known)
        pixels = np.take_along_axis(pixels.reshape(nearest.shape), nearest, -1).reshape(pixels.shape)
        pixels[~known.any((-2, -1))] = np.nan
    kernels = _kernels()
    lead = pixels.shape[:-2]
    planes = [kernels.coefficients(each, order, threads) for each in _each(pixels)]
    cells = None if known is None else [kernels.supported(each, order) for each in _each(known)]
    return Coefficients(_stacked(planes, lead), None if cells is None else _stacked(cells, lead), order)


@eager
def warp(
    image: Any,
    right: Any,
    down: Any,
    *,
    order: int | None = None,
    valid: Any = None,
    origin: tuple[int, int] = (0, 0),
    threads: int | None = None,
) -> Warped:
    """Values of an image at displaced pixels.

    Parameters
    ----------
    image : array_like, shape (..., h, w), or Coefficients
        The image, or what :func:`coefficients` made of it.
    right, down : array_like, shape (..., height, width)
        Displacement of each pixel of the result, in pixels.
    order : {5, 3}, optional
        Order of the splines, 5 unless the coefficients say otherwise.
    valid : array_like, shape (..., h, w), bool, optional
        Which pixels of the image can be used; coefficients know it.
    origin : tuple of int, optional
        Row and column of the image on which the first pixel of the result lies: results can be windows.
    threads : int, optional
        Most threads.

    Returns
    -------
    Warped
        Values (..., height, width) and where they are valid.

    Raises
    ------
    TypeError, ValueError
        As :func:`coefficients`; or if the displacements' shapes do not fit.
    """
    return Warped(*_run("warp", image, right, down, order, valid, origin, threads))


@eager
def slopes(
    image: Any,
    right: Any,
    down: Any,
    *,
    order: int | None = None,
    valid: Any = None,
    origin: tuple[int, int] = (0, 0),
    threads: int | None = None,
) -> Slopes:
    """What :func:`warp` returns, and the derivatives of the values by `right` and `down`, in one pass."""
    return Slopes(*_run("slopes", image, right, down, order, valid, origin, threads))


@eager
def adjoint(
    cotangent: Any,
    right: Any,
    down: Any,
    shape: tuple[int, int],
    *,
    order: int = 5,
    origin: tuple[int, int] = (0, 0),
    threads: int | None = None,
) -> Any:
    """What is adjoint to :func:`warp` as a linear function of the image.

    Parameters
    ----------
    cotangent : array_like, shape (..., height, width)
        A number for each value of the warped image.
    right, down : array_like, shape (..., height, width)
    shape : tuple of int
        Rows and columns of the image.
    order, origin, threads
        As for :func:`warp`.

    Returns
    -------
    ndarray, shape (..., h, w)
        Derivative of the sum of cotangent times value by each pixel of the image.
    """
    check_order(order)
    if common_framework({"cotangent": cotangent, "right": right, "down": down}) == "torch":
        raise TypeError("adjoint() takes NumPy arrays; of tensors, warp() has it as its backward")
    check_threads(threads, False)
    if len(shape) != 2 or min(shape) < SMALLEST:
        raise ValueError(f"shape must be two numbers of at least {SMALLEST} pixels, got {shape}")
    given = read(cotangent, "cotangent", 1)
    fields = displacements(right, down, given.dtype)
    lead = lead_of(given.shape[:-2], fields[0].shape[:-2], ("cotangent", "right"))
    if given.shape[-2:] != fields[0].shape[-2:]:
        raise ValueError(f"cotangent is {given.shape[-2:]} pixels, but right {fields[0].shape[-2:]}")
    kernels, place = _kernels(), check_origin(origin)
    each = zip(*(_each(a, lead) for a in (*fields, given)), strict=True)
    return _stacked([kernels.adjoint(order, shape, *three, place, threads) for three in each], lead)


def _run(what: str, image: Any, right: Any, down: Any, order: int | None, valid: Any, *rest: Any) -> list:
    origin, threads = rest
    plane = image.plane if isinstance(image, Coefficients) else image
    framework = common_framework({"image": plane, "right": right, "down": down})
    if framework == "cupy":
        raise TypeError(
            "CuPy arrays go to dislok.kernels.images.cupy_raw, or as torch tensors to this function"
        )
    if framework == "torch":
        return _run_torch(what, image, right, down, order, valid, *rest)
    made = of_image(image, order, valid, threads)
    check_threads(threads, False)
    fields = displacements(right, down, made.plane.dtype)
    lead = lead_of(made.plane.shape[:-2], fields[0].shape[:-2], ("image", "right"))
    kernel, place = getattr(_kernels(), what), check_origin(origin)
    cells = [None] * int(np.prod(lead)) if made.cells is None else _each(made.cells, lead)
    each = zip(_each(made.plane, lead), *(_each(a, lead) for a in fields), cells, strict=True)
    found = [kernel(made.order, *four, place, threads) for four in each]
    return [_stacked(list(parts), lead) for parts in zip(*found, strict=True)]


def _run_torch(
    what: str, image: Any, right: Any, down: Any, order: int | None, valid: Any, *rest: Any
) -> list:
    from dislok import images_autograd

    origin, threads = rest
    order = 5 if order is None else order
    check_order(order)
    planes, known = images_autograd.inputs(image, right, down, valid)
    check_threads(threads, planes[0].device.type == "cuda")
    lead = lead_of(planes[0].shape[:-2], planes[1].shape[:-2], ("image", "right"))
    cells = None
    if known is not None:
        planes[0] = images_autograd.filled(planes[0], known, nearest_known(known))
        cells = np.stack([_kernels().supported(each, order) for each in _each(known, lead)])
    shape = (int(planes[0].shape[-2]), int(planes[0].shape[-1]))
    spec = images_autograd.Spec(order, shape, check_origin(origin), threads, cells)
    return images_autograd.apply(what, spec, lead, *planes)


def of_image(image: Any, order: int | None, valid: Any, threads: int | None) -> Coefficients:
    """The coefficients of what a caller gave."""
    if not isinstance(image, Coefficients):
        return coefficients(image, 5 if order is None else order, valid=valid, threads=threads)
    if order not in (None, image.order):
        raise ValueError(f"order is {order}, but the coefficients are of order {image.order}")
    if valid is not None:
        raise ValueError("valid= belongs to coefficients(): coefficients know which pixels are valid")
    return image


def check_order(order: int) -> None:
    """Raise a `ValueError` for an order that there is no kernel for."""
    if order not in ORDERS:
        raise ValueError(f"order is {order!r}; choose 5 (quintic) or 3 (cubic)")


def check_origin(origin: tuple[int, int]) -> tuple[int, int]:
    """Row and column as integers."""
    if len(origin) != 2 or not all(isinstance(x, (int, np.integer)) for x in origin):
        raise ValueError(f"origin must be two integers, row and column, got {origin!r}")
    return int(origin[0]), int(origin[1])


def read(image: Any, name: str = "image", least: int = SMALLEST) -> np.ndarray:
    """Real numbers (..., h, w), at least so many pixels each way, as C-contiguous float32 or float64."""
    found = np.asarray(image)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {found.dtype}")
    small = found.dtype.itemsize <= (4 if found.dtype.kind == "f" else 2)
    if found.ndim < 2 or min(found.shape[-2:]) < least:
        raise ValueError(f"{name} must be (..., h, w), {least} by {least} or more, got shape {found.shape}")
    return np.ascontiguousarray(found, np.float32 if small else np.float64)


def displacements(right: Any, down: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two planes (..., h, w) of one shape, C-contiguous."""
    planes = []
    for name, value in (("right", right), ("down", down)):
        found = np.asarray(value)
        if found.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold real numbers, got dtype {found.dtype}")
        if found.ndim < 2:
            raise ValueError(f"{name} must be (..., h, w), got shape {found.shape}")
        planes.append(np.ascontiguousarray(found, dtype))
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


def _known(pixels: np.ndarray, valid: Any) -> np.ndarray | None:
    """Which pixels can be used; None for all."""
    finite = np.isfinite(pixels)
    if valid is None:
        return None if finite.all() else finite
    mask = np.asarray(valid)
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


def _each(array: np.ndarray, lead: tuple[int, ...] | None = None) -> Iterator[np.ndarray]:
    """The planes of an array, with its leading axes broadcast."""
    if lead is not None and array.shape[:-2] != lead:
        array = np.broadcast_to(array, (*lead, *array.shape[-2:]))
    for index in np.ndindex(array.shape[:-2]):
        yield array[index]


def _stacked(planes: list[np.ndarray], lead: tuple[int, ...]) -> np.ndarray:
    return planes[0] if not lead else np.stack(planes).reshape(*lead, *planes[0].shape)


def _kernels() -> Any:
    from dislok.kernels.images import numba_cpu

    return numba_cpu
