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
    NumPy arrays in, NumPy arrays out; CuPy arrays in, CuPy arrays out, on the current stream. torch tensors,
    float32 or float64, come out differentiable with respect to the image and the displacement, backward and
    forward and under `torch.func`; CUDA tensors need CuPy. On a device pixels that are not finite are not
    looked for: name them by ``valid=``.

References
----------
Unser, M., Aldroubi, A. & Eden, M. (1993). B-spline signal processing, parts I and II. IEEE Trans. Signal
Process. 41, 821-848.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from dislok import backends
from dislok.arrays import Array, ArrayLike, common_framework, eager, is_tensor
from dislok.backends import check_threads
from dislok.kernels.names import Namespace

from .planes import (
    SMALLEST,
    check_order,
    check_origin,
    displacements,
    each,
    known_pixels,
    lead_of,
    nearest_known,
    read,
    space_of,
    stacked,
)

__all__ = ["Coefficients", "Slopes", "Warped", "adjoint", "coefficients", "slopes", "warp"]


class Warped(NamedTuple):
    """Values at displaced pixels, and where they are valid; each (..., h, w)."""

    values: Array
    valid: Array


class Slopes(NamedTuple):
    """Values at displaced pixels, where they are valid, and derivatives with respect to the displacement."""

    values: Array
    valid: Array
    by_right: Array
    by_down: Array


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

    plane: Array
    cells: Array | None
    order: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image."""
        *lead, h, w = self.plane.shape
        return (*lead, h - 4, w - 6)


def coefficients(
    image: ArrayLike, order: int = 5, *, valid: ArrayLike | None = None, threads: int | None = None
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
    xp = space_of(image)
    check_threads(threads, xp is not np)
    if is_tensor(image):
        raise TypeError("coefficients() takes arrays; warp() takes the tensor itself and keeps gradients")
    pixels = read(image, xp=xp)
    known = known_pixels(pixels, valid, xp)
    if known is not None:
        nearest = xp.asarray(nearest_known(known))
        pixels = xp.take_along_axis(pixels.reshape(nearest.shape), nearest, -1).reshape(pixels.shape)
        pixels[xp.asarray(~known.any((-2, -1)))] = np.nan
    kernels, lead = _kernels(xp), pixels.shape[:-2]
    planes = [kernels.coefficients(plane, order, threads) for plane in each(pixels)]
    if known is None:
        return Coefficients(stacked(planes, lead, xp), None, order)
    cells = stacked([_kernels().supported(plane, order) for plane in each(known)], lead)
    return Coefficients(stacked(planes, lead, xp), xp.asarray(cells), order)


@eager
def warp(
    image: ArrayLike,
    right: ArrayLike,
    down: ArrayLike,
    *,
    order: int | None = None,
    valid: ArrayLike | None = None,
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
    image: ArrayLike,
    right: ArrayLike,
    down: ArrayLike,
    *,
    order: int | None = None,
    valid: ArrayLike | None = None,
    origin: tuple[int, int] = (0, 0),
    threads: int | None = None,
) -> Slopes:
    """What :func:`warp` returns, and the derivatives of the values by `right` and `down`, in one pass."""
    return Slopes(*_run("slopes", image, right, down, order, valid, origin, threads))


@eager
def adjoint(
    cotangent: ArrayLike,
    right: ArrayLike,
    down: ArrayLike,
    shape: tuple[int, int],
    *,
    order: int = 5,
    origin: tuple[int, int] = (0, 0),
    threads: int | None = None,
) -> Array:
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
        raise TypeError("adjoint() takes arrays; of tensors, warp() has it as its backward")
    xp = space_of(cotangent, right, down)
    check_threads(threads, xp is not np)
    if len(shape) != 2 or min(shape) < SMALLEST:
        raise ValueError(f"shape must be two numbers of at least {SMALLEST} pixels, got {shape}")
    given = read(cotangent, "cotangent", 1, xp)
    fields = displacements(right, down, given.dtype, xp)
    lead = lead_of(given.shape[:-2], fields[0].shape[:-2], ("cotangent", "right"))
    if given.shape[-2:] != fields[0].shape[-2:]:
        raise ValueError(f"cotangent is {given.shape[-2:]} pixels, but right {fields[0].shape[-2:]}")
    kernels, place = _kernels(xp), check_origin(origin)
    planes = zip(*(each(a, lead, xp) for a in (*fields, given)), strict=True)
    return stacked([kernels.adjoint(order, shape, *three, place, threads) for three in planes], lead, xp)


def _run(
    what: str,
    image: ArrayLike,
    right: ArrayLike,
    down: ArrayLike,
    order: int | None,
    valid: ArrayLike | None,
    *rest: Any,
) -> list:
    origin, threads = rest
    plane = image.plane if isinstance(image, Coefficients) else image
    framework = common_framework({"image": plane, "right": right, "down": down})
    if framework == "torch":
        return _run_torch(what, image, right, down, order, valid, *rest)
    xp = space_of(plane, right, down)
    check_threads(threads, xp is not np)
    if not isinstance(image, Coefficients):
        image = xp.asarray(image)
    made = of_image(image, order, valid, threads)
    fields = displacements(right, down, made.plane.dtype, xp)
    lead = lead_of(made.plane.shape[:-2], fields[0].shape[:-2], ("image", "right"))
    kernel, place = getattr(_kernels(xp), what), check_origin(origin)
    cells = [None] * int(np.prod(lead)) if made.cells is None else each(made.cells, lead, xp)
    planes = zip(each(made.plane, lead, xp), *(each(a, lead, xp) for a in fields), cells, strict=True)
    found = [kernel(made.order, *four, place, threads) for four in planes]
    return [stacked(list(parts), lead, xp) for parts in zip(*found, strict=True)]


def _run_torch(
    what: str,
    image: ArrayLike,
    right: ArrayLike,
    down: ArrayLike,
    order: int | None,
    valid: ArrayLike | None,
    *rest: Any,
) -> list:
    from dislok.autograd import images as differentiable

    origin, threads = rest
    order = 5 if order is None else order
    check_order(order)
    planes, known = differentiable.inputs(image, right, down, valid)
    check_threads(threads, planes[0].device.type == "cuda")
    lead = lead_of(planes[0].shape[:-2], planes[1].shape[:-2], ("image", "right"))
    cells = None
    if known is not None:
        planes[0] = differentiable.filled(planes[0], known, nearest_known(known))
        cells = np.stack([_kernels().supported(plane, order) for plane in each(known, lead)])
    shape = (int(planes[0].shape[-2]), int(planes[0].shape[-1]))
    spec = differentiable.Spec(order, shape, check_origin(origin), threads, cells)
    return differentiable.apply(what, spec, lead, *planes)


def of_image(
    image: ArrayLike, order: int | None, valid: ArrayLike | None, threads: int | None
) -> Coefficients:
    """The coefficients of what a caller gave."""
    if not isinstance(image, Coefficients):
        return coefficients(image, 5 if order is None else order, valid=valid, threads=threads)
    if order not in (None, image.order):
        raise ValueError(f"order is {order}, but the coefficients are of order {image.order}")
    if valid is not None:
        raise ValueError("valid= belongs to coefficients(): coefficients know which pixels are valid")
    return image


def _kernels(xp: Namespace = np) -> ModuleType:
    return backends.load("numba" if xp is np else "cupy", "images")
