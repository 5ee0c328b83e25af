"""Displacement, strain and stress of dislocations in an elastic half-space, and their derivatives.

The solutions are those of Okada (1985, 1992): a homogeneous, isotropic half-space with a free surface at z =
0.

Conventions
    x is east, y north and z up, so observers have z <= 0; depth is positive downwards. Coordinates, depths,
    lengths and widths share one unit, and displacement comes out in the unit of slip. Angles are degrees, and
    derivatives with respect to angles are per degree. Strike, dip and rake are those of Aki & Richards;
    opening is positive. Strain and stress are positive in tension. The last axis is the component.
Arrays
    NumPy arrays in, NumPy arrays out; the same for torch tensors, which come out differentiable, and for CuPy
    arrays. See :mod:`dislok.arrays` for dtypes, layouts and what may be mixed.
Checks
    Inputs are checked before any work, and an error names the first offender and its value. Shapes and dtypes
    are always checked. Values are checked on the CPU; on a CUDA device that would make the stream wait.
    :func:`check` looks at the values wherever they are.
Singular points
    On the edges and corners of a rectangle, and at a point source, every result is NaN. Exactly on a
    rectangle it is the mean of both sides.
Memory
    Nothing of the size observers × sources is made but what is returned. Besides its result and, where the
    inputs have to be converted, their copies, a call needs a few MB.
Threads
    ``threads=`` limits the threads of a call on the CPU; None takes Numba's number, which is that of the
    processors that this process may use. Processes that fork after a call may go on calling.

References
----------
Okada, Y. (1985). Surface deformation due to shear and tensile faults in a half-space.
Bull. Seism. Soc. Am. 75, 1135-1154.

Okada, Y. (1992). Internal deformation due to shear and tensile faults in a half-space.
Bull. Seism. Soc. Am. 82, 1018-1040.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from dislok import backends, launches, small
from dislok.arrays import Array, ArrayLike, Space, check_observers, eager, flag, guard, is_plain
from dislok.calls import (
    Call,
    check_call,
    components_of,
    factor,
    flat,
    flattened,
    modulus,
    poisson,
    strain_of,
    stress_of,
    symmetric,
)
from dislok.launches import from_gradient, launch, product
from dislok.sources import (
    ORIGINS,
    UNIT_SOURCES,
    Point,
    Rectangle,
    Source,
    batch_of,
    check_values,
    fractions,
    kind_of,
    named_fields,
    origin_of,
    stack,
)

if TYPE_CHECKING:
    from dislok.large.elements import OkadaElements
    from dislok.large.grid import Tile
    from dislok.large.hierarchical import HierarchicalMatrix
    from dislok.large.lowrank import Factors

__all__ = [
    "ORIGINS",
    "Point",
    "Rectangle",
    "apply",
    "apply_adjoint",
    "check",
    "displacement",
    "factors",
    "fields",
    "gradient",
    "greens",
    "grid_tiles",
    "hessian",
    "jacobian",
    "on_grid",
    "operator",
    "strain",
    "stress",
]


@eager
def displacement(
    obs: ArrayLike,
    source: Source,
    *,
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Displacement of all sources together at each observer.

    Parameters
    ----------
    obs : array_like, shape (n, 3) or (n, 2)
        East, north and up (z <= 0) of the observers, or east and north of observers at the surface.
    source : Rectangle or Point
        The m sources.
    nu : float, optional
        Poisson's ratio, in [0, 0.5). May be a zero-dimensional tensor where the others are tensors.
    origin : str, optional
        Where (x, y, depth) sits on a rectangle: a key of `ORIGINS`, as "topleft", "center" or "bottomright".
        By default what the rectangles carry, see :meth:`Rectangle.with_origin`, or "topleft"; another than
        they carry is refused. Points ignore it.
    pairs : bool, optional
        Source i with observer i alone, nothing summed; the sources then broadcast to the n observers.
    backend : {"numba", "cupy", "numba-cuda"}, optional
        What computes; see :mod:`dislok.backends`.
    out : array, shape (n, 3), optional
        C-contiguous array of the inputs' framework and dtype that receives the result. A torch result is
        copied there, without gradients.
    threads : int, optional
        Most threads of a call on the CPU.

    Returns
    -------
    array, shape (n, 3)
        East, north and up displacement, in the unit of slip.

    Raises
    ------
    TypeError
        If the inputs mix frameworks or dtypes, or if a dtype or kind of object is not supported.
    ValueError
        If a shape does not fit; if a value is not finite, an observer lies above the surface, a depth is
        negative, a length or width is not positive, a fault sticks out of the ground or `nu` is out of range;
        if a name is unknown or `out` cannot be used.
    ImportError
        If the backend for CUDA arrays is not installed.

    Notes
    -----
    Okada (1985) for observers at the surface and Okada (1992) below it, in forms that lose no digits near
    edges, at any dip, and far away. Observers that are all at z = 0 are computed faster.

    Examples
    --------
    >>> import numpy as np
    >>> from dislok import okada
    >>> fault = okada.Rectangle(x=0, y=0, depth=1, length=20, width=10, strike=30, dip=60, rake=90, slip=2)
    >>> okada.displacement(np.array([[5.0, 2.0]]), fault).shape
    (1, 3)
    """
    if pairs is False and backend is None and out is None and threads is None:
        found = small.field("okada", "displacement", obs, source, nu, origin)
        if found is not None:
            return found
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    return launch(call, "field", "displacement", (), out)


@eager
def gradient(
    obs: ArrayLike,
    source: Source,
    *,
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Gradient of the displacement of all sources together at each observer.

    Parameters
    ----------
    obs, source, nu, origin, pairs, backend, threads
        As of :func:`displacement`.
    out : array, shape (n, 3, 3), optional
        As of :func:`displacement`.

    Returns
    -------
    array, shape (n, 3, 3)
        ``[i, j]`` is ∂uᵢ/∂xⱼ, in units of slip over length.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    if pairs is False and backend is None and out is None and threads is None:
        found = small.field("okada", "gradient", obs, source, nu, origin)
        if found is not None:
            return found.reshape(-1, 3, 3)
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    return launch(call, "field", "gradient", (), out)


@eager
def fields(
    obs: ArrayLike,
    source: Source,
    *,
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: tuple[Array, Array] | None = None,
    threads: int | None = None,
) -> tuple[Array, Array]:
    """Displacement and its gradient, computed together in one pass.

    Parameters
    ----------
    obs, source, nu, origin, pairs, backend, threads
        As of :func:`displacement`.
    out : tuple of two arrays, shapes (n, 3) and (n, 3, 3), optional
        As of :func:`displacement`.

    Returns
    -------
    displacement : array, shape (n, 3)
        In the unit of slip.
    gradient : array, shape (n, 3, 3)
        ``[i, j]`` is ∂uᵢ/∂xⱼ.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    return launches.fields(call, out)


@eager
def strain(
    obs: ArrayLike,
    source: Source,
    *,
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Strain of all sources together at each observer.

    Parameters
    ----------
    obs, source, nu, origin, pairs, backend, threads
        As of :func:`displacement`.
    out : array, shape (n, 6), optional
        As of :func:`displacement`.

    Returns
    -------
    array, shape (n, 6)
        Tensor strain xx, yy, zz, xy, xz, yz, positive in tension: xy is (∂u_x/∂y + ∂u_y/∂x) / 2.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    if pairs is False and backend is None and out is None and threads is None:
        found = small.field("okada", "gradient", obs, source, nu, origin)
        if found is not None:
            return symmetric(found)
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    return from_gradient(call, strain_of, out)


@eager
def stress(
    obs: ArrayLike,
    source: Source,
    *,
    mu: float | Array = 30e9,
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Change of stress by all sources together at each observer.

    Hooke's law: σ = λ tr(ε) I + 2 μ ε with λ = 2 μ ν / (1 - 2 ν).

    Parameters
    ----------
    mu : float, optional
        Shear modulus; in Pa for a stress in Pa, where slip and lengths are in the same unit.
    obs, source, nu, origin, pairs, backend, threads
        As of :func:`displacement`.
    out : array, shape (n, 6), optional
        As of :func:`displacement`.

    Returns
    -------
    array, shape (n, 6)
        Stress xx, yy, zz, xy, xz, yz in the unit of `mu`, positive in tension.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does; also if `mu` is not positive.
    """
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    stiffness = modulus(mu, call.space)
    return from_gradient(call, lambda g: stress_of(g, stiffness, call.nu), out)


@eager
def greens(
    obs: ArrayLike,
    source: Source,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    mu: float | Array = 30e9,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
    chunks: int | tuple[int, ...] | None = None,
) -> Array:
    """Green's matrix: what each source does with unit slip in each direction.

    The slip, rake and opening of the sources (for points also their potency and inflation) play no part.

    Parameters
    ----------
    of : {"displacement", "gradient", "strain", "stress"}, optional
        What is computed.
    mu : float, optional
        Shear modulus, for stress.
    obs, source, nu, origin, pairs, backend, threads
        As of :func:`displacement`.
    out : array, optional
        As of :func:`displacement`, of the shape that is returned.
    chunks : int or tuple, optional
        Observers and sources of a block. The result is then a dask array whose blocks are calls of this
        function, and :func:`dislok.scale.store` writes it to Zarr; `pairs`, `backend` and `out` do not go
        with it.

    Returns
    -------
    array, shape (n, 3, m, b) or, of the gradient, (n, 3, 3, m, b), of strain and stress, (n, 6, m, b)
        b counts the unit sources: along strike, up dip (hanging wall against foot wall, rake 90), opening,
        and for points inflation. Without the m axis if `pairs`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    if chunks is not None:
        if pairs or backend is not None or out is not None:
            raise ValueError("pairs=, backend= and out= do not go with chunks=")
        elements = _elements(source, nu, origin, threads).with_mu(mu)
        from dislok import scale

        return scale.greens(obs, elements, of=of, chunks=chunks)
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    return launches.greens(call, of, mu, UNIT_SOURCES[call.kind], out)


@eager
def apply(
    obs: ArrayLike,
    source: Source,
    s: ArrayLike,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    origin: str | None = None,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """The Green's matrix times slip, without making the matrix.

    Parameters
    ----------
    s : array_like, shape (m, b)
        Slip of each source along strike, up dip, and opening; for points potencies, with inflation as the
        fourth.
    of : {"displacement", "gradient"}, optional
        What is computed.
    obs, source, nu, origin, backend, threads
        As of :func:`displacement`.
    out : array, shape (n, 3) or (n, 3, 3), optional
        As of :func:`displacement`; receives a copy.

    Returns
    -------
    array, shape (n, 3) or (n, 3, 3)
        The sum over sources and unit sources of :func:`greens` times `s`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does; also if the shape of `s` does not fit.
    """
    call = _prepare(obs, source, nu, origin, False, backend, threads, s=s)
    values = factor(call, "s", (call.m, UNIT_SOURCES[call.kind]))
    return product(call, "apply", of, values, (call.n, *components_of(of)), out)


@eager
def apply_adjoint(
    obs: ArrayLike,
    source: Source,
    r: ArrayLike,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    origin: str | None = None,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """The transposed Green's matrix times residuals, without making the matrix.

    Parameters
    ----------
    r : array_like, shape (n, 3) or, of the gradient, (n, 3, 3)
        Residuals at the observers.
    of : {"displacement", "gradient"}, optional
        What the residuals are residuals of.
    obs, source, nu, origin, backend, threads
        As of :func:`displacement`.
    out : array, shape (m, b), optional
        As of :func:`displacement`; receives a copy.

    Returns
    -------
    array, shape (m, b)
        The sum over observers and components of :func:`greens` times `r`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does; also if the shape of `r` does not fit.
    """
    call = _prepare(obs, source, nu, origin, False, backend, threads, r=r)
    values = flat(call, of, factor(call, "r", (call.n, *components_of(of))))
    return product(call, "apply_adjoint", of, values, (call.m, UNIT_SOURCES[call.kind]), out)


@eager
def jacobian(
    obs: ArrayLike,
    source: Source,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """First derivatives with respect to every parameter of every source, exact.

    Parameters
    ----------
    of : {"displacement", "gradient"}, optional
        What is differentiated.
    obs, source, nu, origin, pairs, backend, threads
        As of :func:`displacement`.
    out : array, optional
        As of :func:`displacement`, of the shape that is returned.

    Returns
    -------
    array, shape (n, 3, m, p) or, of the gradient, (n, 3, 3, m, p)
        p counts the fields of the source in their order: 10 for rectangles, 9 for points. Angles count in
        degrees. Without the m axis if `pairs`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    return launch(call, "jacobian", of, call.of_sources(call.p), out)


@eager
def hessian(
    obs: ArrayLike,
    source: Source,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Second derivatives with respect to every pair of parameters of every source, exact.

    Parameters of different sources have no common second derivative, since sources add up.

    Parameters
    ----------
    of : {"displacement", "gradient"}, optional
        What is differentiated.
    obs, source, nu, origin, pairs, backend, threads
        As of :func:`displacement`.
    out : array, optional
        As of :func:`displacement`, of the shape that is returned.

    Returns
    -------
    array, shape (n, 3, m, p, p) or, of the gradient, (n, 3, 3, m, p, p)
        Symmetric in its last two axes, which count the fields of the source in their order. Without the m
        axis if `pairs`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    call = _prepare(obs, source, nu, origin, pairs, backend, threads)
    return launch(call, "hessian", of, call.of_sources(call.p, call.p), out)


@eager
def operator(
    obs: ArrayLike,
    source: Source,
    *,
    of: str = "displacement",
    tolerance: float = 1e-4,
    tolerance_by: str = "matrix",
    nu: float = 0.25,
    mu: float = 30e9,
    origin: str | None = None,
    dtype: str = "float64",
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
    threads: int | None = None,
) -> HierarchicalMatrix:
    """The Green's matrix, compressed: for so many pairs that the full one would not fit.

    Parameters
    ----------
    of : {"displacement", "gradient", "strain", "stress"}, optional
        What is computed.
    tolerance : float, optional
        Largest Frobenius norm of the error over that of the matrix. It is checked on random rows and columns,
        and kept.
    tolerance_by : {"matrix", "row"}, optional
        With "row", the tolerance holds for each observer's rows relative to themselves, also where motion is
        small; it is checked on random observers.
    mu : float, optional
        Shear modulus, for stress.
    dtype : {"float64", "float32"}, optional
        In what the matrix is stored and multiplied; it is computed in float64.
    folder : path, optional
        Where finished pieces are kept, so that an interrupted call goes on where it was when it is repeated.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.
    obs, source, nu, origin, threads
        As of :func:`displacement`, in NumPy or tensors on the CPU that require no gradients.

    Returns
    -------
    HierarchicalMatrix, shape (3 n, b m)
        A `scipy.sparse.linalg.LinearOperator`, whose methods ``apply`` and ``apply_adjoint`` take and return
        what the functions of these names do, also tensors, which are differentiable. Of the gradient it has
        9 n rows, of strain and stress 6 n.

    Raises
    ------
    TypeError, ValueError
        As :func:`displacement` does; also if an observer lies on an edge, where the matrix has no value, or
        if `folder` holds the pieces of another matrix.
    RuntimeError
        If the tolerance was not reached.

    See Also
    --------
    dislok.large.hierarchical : How it works, and what the result can do.
    """
    from dislok.large.skeletons import build

    elements = _elements(source, nu, origin, threads).with_mu(mu)
    return build(
        obs,
        elements,
        of=of,
        tolerance=tolerance,
        by=tolerance_by,
        dtype=dtype,
        folder=folder,
        progress=progress,
    )


@eager
def factors(
    obs: ArrayLike,
    source: Source,
    blocks: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
    *,
    of: str = "displacement",
    tolerance: float = 1e-4,
    tolerance_by: str = "matrix",
    nu: float = 0.25,
    mu: float = 30e9,
    origin: str | None = None,
    threads: int | None = None,
) -> Factors | list[Factors]:
    """Far blocks of the Green's matrix, each as the product of two factors.

    Parameters
    ----------
    blocks : sequence of pairs, optional
        Observers and sources of each block: slices or vectors of their numbers. Without it, there is one
        block of everything.
    of, tolerance, tolerance_by, mu
        As of :func:`operator`; the error is measured for each block.
    obs, source, nu, origin, threads
        As of :func:`displacement`, in NumPy or tensors on the CPU that require no gradients.

    Returns
    -------
    dislok.large.lowrank.Factors, or list of them
        With ``u`` (n c, k), ``v`` (k, m b) and the measured errors; `greens`, reshaped, is about ``u @ v``.

    Raises
    ------
    TypeError, ValueError
        As :func:`displacement` does; also if a block names what is not there.
    RuntimeError
        If the tolerance was not reached, because observers are not far.
    """
    from dislok.large.lowrank import factors as compute

    elements = _elements(source, nu, origin, threads).with_mu(mu)
    return compute(obs, elements, blocks, of, tolerance, tolerance_by)


@eager
def on_grid(
    x: ArrayLike,
    y: ArrayLike,
    source: Source,
    *,
    tolerance: float = 1e-4,
    nu: float = 0.25,
    origin: str | None = None,
    out: ArrayLike | None = None,
    marks: str | os.PathLike[str] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
    threads: int | None = None,
) -> Array:
    """Displacement at z = 0 on a grid of many points, interpolated where it is smooth.

    Parameters
    ----------
    x, y : array_like, shapes (w,) and (h,)
        East coordinates of the columns and north coordinates of the rows, rising or falling.
    tolerance : float, optional
        Largest error of a component over the largest displacement on the grid. It is checked at random points
        of every tile, and kept.
    out : array, shape (h, w, 3), optional
        What receives the result tile by tile: anything that has a shape and can be assigned to in slices, as
        a memory map or a Zarr array, so that the whole need not fit into memory.
    marks : path, optional
        File that remembers which tiles of `out` are finished, so that an interrupted call goes on where it
        was when it is repeated.
    progress : callable, optional
        Called as ``progress("tiles", done, total)``.
    source, nu, origin, threads
        As of :func:`displacement`, in NumPy or tensors on the CPU that require no gradients.

    Returns
    -------
    array, shape (h, w, 3)
        East, north and up displacement in float64, ``[j, i]`` at ``(x[i], y[j])``; or `out`.

    Raises
    ------
    TypeError, ValueError
        As :func:`displacement` does; also if an axis turns back, or if `marks` belongs to another grid.
    RuntimeError
        If the tolerance was not reached.
    """
    from dislok.large import grid

    elements = _elements(source, nu, origin, threads)
    return grid.on_grid(x, y, elements, tolerance=tolerance, out=out, marks=marks, progress=progress)


@eager
def grid_tiles(
    x: ArrayLike,
    y: ArrayLike,
    source: Source,
    *,
    tolerance: float = 1e-4,
    nu: float = 0.25,
    origin: str | None = None,
    threads: int | None = None,
) -> Iterator[Tile]:
    """What :func:`on_grid` computes, one tile after the other, for what is done with each at once.

    Parameters
    ----------
    x, y, source, tolerance, nu, origin, threads
        As of :func:`on_grid`.

    Yields
    ------
    Tile
        ``rows``, ``columns`` (slices), ``values`` of shape (rows, columns, 3), and ``error``, the largest
        that was seen, over the largest displacement.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As :func:`on_grid` does.
    """
    from dislok.large import grid

    elements = _elements(source, nu, origin, threads)
    return grid.tiles(x, y, elements, tolerance=tolerance)


@eager
def check(
    obs: ArrayLike,
    source: Source,
    *,
    nu: float | Array = 0.25,
    origin: str | None = None,
    pairs: bool = False,
) -> None:
    """Check everything about the inputs of a call, also the values of CUDA arrays, and compute nothing.

    Parameters
    ----------
    obs, source, nu, origin, pairs
        As of :func:`displacement`. CUDA arrays are copied to the host for this, which waits for the device.

    Raises
    ------
    TypeError, ValueError
        As :func:`displacement` does.
    """
    _check(_shapes(obs, source, nu, origin, pairs), wait=True)


def _elements(source: Source, nu: float, origin: str | None, threads: int | None) -> OkadaElements:
    """The sources as elements of large problems."""
    from dislok.large.elements import OkadaElements

    return OkadaElements(cast(Any, sys.modules[__name__]), source, nu, origin, threads)


@dataclass(frozen=True)
class _Call(Call):
    """A call of this family: `sources` is a table with a column for each field."""

    family: ClassVar[str] = "okada"
    writes_both: ClassVar[bool] = True

    kind: str = "rectangle"
    origin: tuple[float, float] = (0.0, 0.0)

    @property
    def p(self) -> int:
        """Number of parameters of a source."""
        return int(self.sources[0].shape[1])

    @property
    def geometry(self) -> tuple[Any, ...]:
        return self.kind, self.obs, *self.sources, self.nu, self.origin

    def batches(self) -> ModuleType:
        from dislok.kernels.okada import batches

        return batches

    def derivatives(self) -> ModuleType:
        from dislok.autograd import okada as autograd

        return autograd


def _prepare(
    obs: ArrayLike,
    source: Source,
    nu: float | Array,
    origin: str | None,
    pairs: bool,
    backend: str | None,
    threads: int | None,
    **factors: ArrayLike,
) -> _Call:
    call = _shapes(obs, source, nu, origin, pairs, backend, threads, **factors)
    _check(call)
    return call


def _shapes(
    obs: ArrayLike,
    source: Source,
    nu: float | Array,
    origin: str | None,
    pairs: bool,
    backend: str | None = None,
    threads: int | None = None,
    **factors: ArrayLike,
) -> _Call:
    """All inputs in one space, with shapes that fit; values not looked at."""
    kind = kind_of(source)
    at = fractions(origin_of(source, origin))
    one = all(map(is_plain, source))
    named = {} if one else named_fields(source)
    guarded_nu = {} if is_plain(nu) else {"nu": nu}
    space, arrays = guard({"obs": obs, **named, **guarded_nu, **factors})
    points = _observers(arrays["obs"], space)
    paired = flag("pairs", pairs)
    rows = points.shape[0] if paired else None
    fields = {name: arrays[name] for name in named}
    batch = batch_of(fields)
    if batch is not None:
        unfit = {"pairs=True": paired} | {f"the operation with {name}": True for name in factors}
        fields = flattened(unfit, {name: (field, ()) for name, field in fields.items()}, batch, space)
    if one:
        src = space.repeated(source, 1 if rows is None else rows)
    else:
        src = stack(fields, space, rows)
    ratio = poisson(nu, arrays.get("nu"), space)
    extra = {name: arrays[name] for name in factors}
    name = backends.select(space.framework, space.on_cuda, backend)
    backends.check_threads(threads, space.on_cuda)
    return _Call(points, (src,), ratio, paired, space, extra, name, threads, batch, kind, at)


def _observers(obs: Array, space: Space) -> Array:
    if obs.ndim != 2 or obs.shape[1] not in (2, 3):
        raise ValueError(f"obs must have shape (n, 3), or (n, 2) at the surface, got {tuple(obs.shape)}")
    return obs if obs.shape[1] == 3 else space.at_surface(obs)


def _check(call: _Call, wait: bool = False) -> None:
    """Check every value that can be seen; those on a device only if `wait`."""
    check_call(call, partial(_check_tables, call.kind, call.origin, call.batch), wait)


def _check_tables(
    kind: str, origin: tuple[float, float], batch: tuple[int, int] | None, obs: np.ndarray, src: np.ndarray
) -> None:
    check_observers(obs)
    check_values(kind, src, origin, batch)
