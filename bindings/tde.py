"""Displacement, strain and stress of triangular dislocations in an elastic half-space or full space.

The solution is that of Nikkhoo & Walter (2015): a triangle across which the displacement jumps by a constant
slip, without the artefacts of older solutions.

Conventions
    x is east, y north and z up. In the half-space (``space="half"``) the surface is at z = 0, observers and
    triangles have z <= 0; in the full space there is no surface. Coordinates share one unit, and displacement
    comes out in the unit of slip. Strain and stress are positive in tension. The last axis is the component.
Vertex order
    The normal of a triangle is (P2 - P1) × (P3 - P1): seen from the side to which it points, the vertices run
    counterclockwise. Exchanging two vertices turns it around, and with it strike. :func:`orient` makes the
    triangles of a mesh agree.
Slip
    Along strike, up dip, and opening, in the frame of each triangle, which :func:`frame` returns: strike is
    ẑ × normal, dip is normal × strike. The side of the normal moves by the slip against the other side.
    Where the normal points up, that side is the hanging wall, the triangle dips to the right of strike, and
    positive slip is left-lateral, reverse, and opening, as for :mod:`dislok.okada`. A level triangle takes
    north for strike if its normal points up, and south if it points down. A vertical triangle is no special
    case: its normal is level, and its dip vector points up.
Triangles
    An array of vertices (m, 3, 3), row k of a triangle being its vertex k + 1 in east, north, up; or a tuple
    of points (p, 3) and cells (m, 3) of a mesh, whose triangles share points. Vertices (B, k, 3, 3) and slip
    (B, k, 3), which broadcast, are B models of k triangles each: results then begin with an axis B, and sums
    are those over the triangles of a model. `apply`, `apply_adjoint` and ``pairs=True`` take one model.
Arrays
    NumPy arrays in, NumPy arrays out; the same for torch tensors, which come out differentiable with respect
    to observers, vertices or points, slip and Poisson's ratio, and for CuPy arrays. See :mod:`dislok.arrays`.
Checks
    Inputs are checked before any work, and an error names the first offender and its value. Values are
    checked on the CPU; on a CUDA device that would make the stream wait. :func:`check` looks at the values
    wherever they are.
Singular points
    On the sides and vertices of a triangle every result is NaN. Exactly on a triangle it is that of the side
    of the normal; the other side's displacement is less by the slip.
Memory
    Nothing of the size observers × triangles is made but what is returned.
Threads
    ``threads=`` limits the threads of a call on the CPU; None takes Numba's number, which is that of the
    processors that this process may use. Processes that fork after a call may go on calling.

References
----------
Nikkhoo, M. & Walter, T. R. (2015). Triangular dislocation: an analytical, artefact-free solution.
Geophys. J. Int. 201, 1119-1141.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from dislok import backends, launches, small
from dislok.arrays import Array, ArrayLike, Space, check_finite, eager, flag, guard, reject
from dislok.calls import (
    Call,
    check_call,
    components_of,
    deliver,
    factor,
    flat,
    flattened,
    modulus,
    poisson,
    strain_of,
    stress_of,
    symmetric,
    target,
)
from dislok.launches import from_gradient, launch, product
from dislok.triangles import Triangles, check_vertices, frame, orient, read, vertices

if TYPE_CHECKING:
    from dislok.large.elements import TriangleElements
    from dislok.large.grid import Tile
    from dislok.large.hierarchical import HierarchicalMatrix
    from dislok.large.lowrank import Factors

__all__ = [
    "apply",
    "apply_adjoint",
    "check",
    "displacement",
    "factors",
    "fields",
    "frame",
    "gradient",
    "greens",
    "grid_tiles",
    "jacobian",
    "on_grid",
    "operator",
    "orient",
    "strain",
    "stress",
]

SPACES = ("half", "full")
# Numbers of a Jacobian with the vertices that are summed into one with the points of a mesh at a time.
_PART = 1 << 21


@eager
def displacement(
    obs: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    nu: float | Array = 0.25,
    space: str = "half",
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Displacement of all triangles together at each observer.

    Parameters
    ----------
    obs : array_like, shape (n, 3) or (n, 2)
        East, north and up of the observers, z <= 0 in the half-space; or east and north of observers at its
        surface.
    triangles : array_like, shape (m, 3, 3), or tuple of two arrays
        Vertices; or points (p, 3) and cells (m, 3) of a mesh.
    slip : array_like, shape (m, 3) or (3,)
        Slip along strike, up dip, and opening, of each triangle or of all.
    nu : float, optional
        Poisson's ratio, in [0, 0.5). May be a zero-dimensional tensor where the others are tensors.
    space : {"half", "full"}, optional
        Whether there is a free surface at z = 0.
    pairs : bool, optional
        Triangle i with observer i alone, nothing summed; one triangle then goes with all observers.
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
        If a shape does not fit; if a value is not finite, an observer or vertex lies above the surface, a
        triangle is degenerate or `nu` is out of range; if a name is unknown or `out` cannot be used.
    ImportError
        If the backend for CUDA arrays is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from dislok import tde
    >>> triangle = np.array([[[0.0, 0.0, -1.0], [10.0, 0.0, -1.0], [0.0, 5.0, -6.0]]])
    >>> tde.displacement(np.array([[5.0, 2.0]]), triangle, [0.0, 1.0, 0.0]).shape
    (1, 3)
    """
    if pairs is False and backend is None and out is None and threads is None:
        found = small.field("tde", "displacement", obs, triangles, slip, nu, space)
        if found is not None:
            return found
    call = _prepare(obs, triangles, nu, space, pairs, backend, threads, _given(slip))
    return launch(call, "field", "displacement", (), out)


@eager
def gradient(
    obs: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    nu: float | Array = 0.25,
    space: str = "half",
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Gradient of the displacement of all triangles together at each observer.

    Parameters
    ----------
    obs, triangles, slip, nu, space, pairs, backend, threads
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
        found = small.field("tde", "gradient", obs, triangles, slip, nu, space)
        if found is not None:
            return found.reshape(-1, 3, 3)
    call = _prepare(obs, triangles, nu, space, pairs, backend, threads, _given(slip))
    return launch(call, "field", "gradient", (), out)


@eager
def fields(
    obs: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    nu: float | Array = 0.25,
    space: str = "half",
    pairs: bool = False,
    backend: str | None = None,
    out: tuple[Array, Array] | None = None,
    threads: int | None = None,
) -> tuple[Array, Array]:
    """Displacement and its gradient, computed together in one pass.

    Parameters
    ----------
    obs, triangles, slip, nu, space, pairs, backend, threads
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
    call = _prepare(obs, triangles, nu, space, pairs, backend, threads, _given(slip))
    return launches.fields(call, out)


@eager
def strain(
    obs: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    nu: float | Array = 0.25,
    space: str = "half",
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Strain of all triangles together at each observer.

    Parameters
    ----------
    obs, triangles, slip, nu, space, pairs, backend, threads
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
        found = small.field("tde", "gradient", obs, triangles, slip, nu, space)
        if found is not None:
            return symmetric(found)
    call = _prepare(obs, triangles, nu, space, pairs, backend, threads, _given(slip))
    return from_gradient(call, strain_of, out)


@eager
def stress(
    obs: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    mu: float | Array = 30e9,
    nu: float | Array = 0.25,
    space: str = "half",
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """Change of stress by all triangles together at each observer.

    Hooke's law: σ = λ tr(ε) I + 2 μ ε with λ = 2 μ ν / (1 - 2 ν).

    Parameters
    ----------
    mu : float, optional
        Shear modulus; in Pa for a stress in Pa, where slip and lengths are in the same unit.
    obs, triangles, slip, nu, space, pairs, backend, threads
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
    call = _prepare(obs, triangles, nu, space, pairs, backend, threads, _given(slip))
    return from_gradient(call, partial(stress_of, mu=modulus(mu, call.space), nu=call.nu), out)


@eager
def greens(
    obs: ArrayLike,
    triangles: Triangles,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    mu: float | Array = 30e9,
    space: str = "half",
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
    chunks: int | tuple[int, ...] | None = None,
) -> Array:
    """Green's matrix: what each triangle does with unit slip in each direction.

    Parameters
    ----------
    of : {"displacement", "gradient", "strain", "stress"}, optional
        What is computed.
    mu : float, optional
        Shear modulus, for stress.
    obs, triangles, nu, space, pairs, backend, threads
        As of :func:`displacement`.
    out : array, optional
        As of :func:`displacement`, of the shape that is returned.
    chunks : int or tuple, optional
        Observers and triangles of a block. The result is then a dask array whose blocks are calls of this
        function, and :func:`dislok.scale.store` writes it to Zarr; `pairs`, `backend` and `out` do not go
        with it.

    Returns
    -------
    array, shape (n, 3, m, 3) or, of the gradient, (n, 3, 3, m, 3), of strain and stress, (n, 6, m, 3)
        The last axis counts the unit slips: along strike, up dip, opening. Reshaped to (3 n, 3 m) it is the
        matrix of a least-squares problem. Without the m axis if `pairs`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    if chunks is not None:
        if pairs or backend is not None or out is not None:
            raise ValueError("pairs=, backend= and out= do not go with chunks=")
        elements = _elements(triangles, None, nu, space, threads).with_mu(mu)
        from dislok import scale

        return scale.greens(obs, elements, of=of, chunks=chunks)
    call = _prepare(obs, triangles, nu, space, pairs, backend, threads)
    return launches.greens(call, of, mu, 3, out)


@eager
def apply(
    obs: ArrayLike,
    triangles: Triangles,
    s: ArrayLike,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    space: str = "half",
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """The Green's matrix times slip, without making the matrix.

    Parameters
    ----------
    s : array_like, shape (m, 3)
        Slip of each triangle along strike, up dip, and opening.
    of : {"displacement", "gradient"}, optional
        What is computed.
    obs, triangles, nu, space, backend, threads
        As of :func:`displacement`.
    out : array, shape (n, 3) or (n, 3, 3), optional
        As of :func:`displacement`; receives a copy.

    Returns
    -------
    array, shape (n, 3) or (n, 3, 3)
        The sum over triangles and unit slips of :func:`greens` times `s`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does; also if the shape of `s` does not fit.
    """
    call = _prepare(obs, triangles, nu, space, False, backend, threads, s=s)
    values = factor(call, "s", (call.m, 3))
    return product(call, "apply", of, values, (call.n, *components_of(of)), out)


@eager
def apply_adjoint(
    obs: ArrayLike,
    triangles: Triangles,
    r: ArrayLike,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    space: str = "half",
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
    obs, triangles, nu, space, backend, threads
        As of :func:`displacement`.
    out : array, shape (m, 3), optional
        As of :func:`displacement`; receives a copy.

    Returns
    -------
    array, shape (m, 3)
        The sum over observers and components of :func:`greens` times `r`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does; also if the shape of `r` does not fit.
    """
    call = _prepare(obs, triangles, nu, space, False, backend, threads, r=r)
    values = flat(call, of, factor(call, "r", (call.n, *components_of(of))))
    return product(call, "apply_adjoint", of, values, (call.m, 3), out)


@eager
def jacobian(
    obs: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    of: str = "displacement",
    nu: float | Array = 0.25,
    space: str = "half",
    pairs: bool = False,
    backend: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """First derivatives with respect to the coordinates of every vertex, exact.

    The components of slip are held fixed: the slip vector turns with the triangle.

    Parameters
    ----------
    of : {"displacement", "gradient"}, optional
        What is differentiated.
    obs, triangles, slip, nu, space, pairs, backend, threads
        As of :func:`displacement`.
    out : array, optional
        As of :func:`displacement`, of the shape that is returned.

    Returns
    -------
    array
        For triangles (m, 3, 3) of shape (n, 3, m, 9) or, of the gradient, (n, 3, 3, m, 9): the last axis
        counts P1x, P1y, P1z, P2x, ..., P3z. For a mesh of points (p, 3) of shape (n, 3, p, 3) or
        (n, 3, 3, p, 3): derivatives with respect to its points. If `pairs`, always with respect to the nine
        coordinates of the pair's triangle, without the m axis.

    Raises
    ------
    TypeError, ValueError, ImportError
        As :func:`displacement` does.
    """
    call = _prepare(obs, triangles, nu, space, pairs, backend, threads, _given(slip))
    if call.cells is None or call.pairs or call.batch is not None:
        return launch(call, "jacobian", of, call.of_sources(9), out)
    if call.space.framework == "torch":
        found = launch(call, "jacobian", of, call.of_sources(9), None)
        return deliver(call.space, _tensor_at_points(call, found), out)
    result = target(call, (call.n, *components_of(of), call.p, 3), out)
    result.fill(0)
    step = max(1, _PART // (81 * max(call.m, 1)))
    for start in range(0, call.n, step):
        part = replace(call, obs=call.obs[start : start + step])
        found = launch(part, "jacobian", of, part.of_sources(9), None)
        _add_at_points(part, found, result[start : start + step])
    return result


@eager
def operator(
    obs: ArrayLike,
    triangles: Triangles,
    *,
    of: str = "displacement",
    tolerance: float = 1e-4,
    tolerance_by: str = "matrix",
    nu: float = 0.25,
    mu: float = 30e9,
    space: str = "half",
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
    obs, triangles, nu, space, threads
        As of :func:`displacement`, in NumPy or tensors on the CPU that require no gradients.

    Returns
    -------
    HierarchicalMatrix, shape (3 n, 3 m)
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

    elements = _elements(triangles, None, nu, space, threads).with_mu(mu)
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
    triangles: Triangles,
    blocks: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
    *,
    of: str = "displacement",
    tolerance: float = 1e-4,
    tolerance_by: str = "matrix",
    nu: float = 0.25,
    mu: float = 30e9,
    space: str = "half",
    threads: int | None = None,
) -> Factors | list[Factors]:
    """Far blocks of the Green's matrix, each as the product of two factors.

    Parameters
    ----------
    blocks : sequence of pairs, optional
        Observers and triangles of each block: slices or vectors of their numbers. Without it, there is one
        block of everything.
    of, tolerance, tolerance_by, mu
        As of :func:`operator`; the error is measured for each block.
    obs, triangles, nu, space, threads
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

    elements = _elements(triangles, None, nu, space, threads).with_mu(mu)
    return compute(obs, elements, blocks, of, tolerance, tolerance_by)


@eager
def on_grid(
    x: ArrayLike,
    y: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    tolerance: float = 1e-4,
    nu: float = 0.25,
    space: str = "half",
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
    triangles, slip, nu, space, threads
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

    elements = _elements(triangles, slip, nu, space, threads)
    return grid.on_grid(x, y, elements, tolerance=tolerance, out=out, marks=marks, progress=progress)


@eager
def grid_tiles(
    x: ArrayLike,
    y: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike,
    *,
    tolerance: float = 1e-4,
    nu: float = 0.25,
    space: str = "half",
    threads: int | None = None,
) -> Iterator[Tile]:
    """What :func:`on_grid` computes, one tile after the other, for what is done with each at once.

    Parameters
    ----------
    x, y, triangles, slip, tolerance, nu, space, threads
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

    elements = _elements(triangles, slip, nu, space, threads)
    return grid.tiles(x, y, elements, tolerance=tolerance)


@eager
def check(
    obs: ArrayLike,
    triangles: Triangles,
    slip: ArrayLike | None = None,
    *,
    nu: float | Array = 0.25,
    space: str = "half",
    pairs: bool = False,
) -> None:
    """Check everything about the inputs of a call, also the values of CUDA arrays, and compute nothing.

    Parameters
    ----------
    obs, triangles, slip, nu, space, pairs
        As of :func:`displacement`. CUDA arrays are copied to the host for this, which waits for the device.

    Raises
    ------
    TypeError, ValueError
        As :func:`displacement` does.
    """
    _check(_shapes(obs, triangles, nu, space, pairs, slip), wait=True)


_LARGEST_FLOAT32 = 1e9


def _elements(
    triangles: Triangles, slip: ArrayLike | None, nu: float, space: str, threads: int | None
) -> TriangleElements:
    """The triangles as elements of large problems."""
    from dislok.large.elements import TriangleElements

    return TriangleElements(cast(Any, sys.modules[__name__]), triangles, slip, nu, space, threads)


@dataclass(frozen=True)
class _Call(Call):
    """A call of this family: `sources` are vertices (m, 3, 3) and, where it is wanted, slip (m, 3)."""

    family: ClassVar[str] = "tde"

    medium: str = "half"
    name: str = "triangles"
    cells: np.ndarray | None = None
    p: int = 0

    @property
    def geometry(self) -> tuple[Any, ...]:
        return self.obs, *self.sources, self.nu, self.medium

    def batches(self) -> ModuleType:
        from dislok.kernels.tde import batches

        return batches

    def derivatives(self) -> ModuleType:
        from dislok.autograd import tde as autograd

        return autograd


def _prepare(
    obs: ArrayLike,
    triangles: Triangles,
    nu: float | Array,
    medium: str,
    pairs: bool,
    backend: str | None,
    threads: int | None,
    slip: ArrayLike | None = None,
    **factors: ArrayLike,
) -> _Call:
    call = _shapes(obs, triangles, nu, medium, pairs, slip, **factors)
    name = backends.select(call.space.framework, call.space.on_cuda, backend)
    backends.check_threads(threads, call.space.on_cuda)
    _check(call)
    return replace(call, backend=name, threads=threads)


def _given(slip: ArrayLike | None) -> ArrayLike:
    """The slip of a call that cannot do without."""
    if slip is None:
        raise TypeError("slip must be an array or numbers, got None")
    return slip


def _shapes(
    obs: ArrayLike,
    triangles: Triangles,
    nu: float | Array,
    medium: str,
    pairs: bool,
    slip: ArrayLike | None = None,
    **factors: ArrayLike,
) -> _Call:
    """All inputs in one space, with shapes that fit; values not looked at."""
    if medium not in SPACES:
        raise ValueError(f"unknown space {medium!r}; choose from {', '.join(map(repr, SPACES))}")
    paired = flag("pairs", pairs)
    mesh = read(triangles)
    slips = {} if slip is None else {"slip": slip}
    space, arrays = guard({"obs": obs, mesh.name: mesh.points, **slips, "nu": nu, **factors})
    points = _observers(arrays["obs"], medium, space)
    sources = {"triangles": vertices(mesh, arrays[mesh.name], space, batches=True)}
    if slips:
        sources["slip"] = arrays["slip"]
    batch = _batch_of(sources)
    if batch is not None:
        unfit = {"pairs=True": paired} | {f"the operation with {name}": True for name in factors}
        shapes = {"triangles": (3, 3), "slip": (3,)}
        sources = flattened(unfit, {n: (array, shapes[n]) for n, array in sources.items()}, batch, space)
    else:
        sources = _of_one_model(sources, points.shape[0] if paired else None)
    ratio = poisson(nu, arrays["nu"], space)
    extra = {name: arrays[name] for name in factors}
    count = 0 if mesh.cells is None else arrays[mesh.name].shape[0]
    return _Call(
        points, tuple(sources.values()), ratio, paired, space, extra,
        batch=batch, medium=medium, name=mesh.name, cells=mesh.cells, p=count,
    )  # fmt: skip


def _batch_of(sources: dict[str, Array]) -> tuple[int, int] | None:
    """Shape (B, k) of triangles (B, k, 3, 3) and slips (B, k, 3); None where neither has a leading axis."""
    tri, slip = sources["triangles"], sources.get("slip")
    if tri.ndim != 4 and (slip is None or slip.ndim != 3):
        return None
    leading = [tuple(tri.shape[:-2])] + ([] if slip is None else [tuple(slip.shape[:-1])])
    shape: tuple[int, ...]
    try:
        shape = np.broadcast_shapes(*leading)
    except ValueError:
        shape = ()
    if len(shape) != 2 or (slip is not None and slip.shape[-1] != 3):
        given = "" if slip is None else f" and slip {tuple(slip.shape)}"
        raise ValueError(
            "batches of models have triangles (B, k, 3, 3) and slip (B, k, 3), which broadcast; "
            f"got triangles {tuple(tri.shape)}{given}"
        )
    models, count = (int(size) for size in shape)
    return models, count


def _of_one_model(sources: dict[str, Array], rows: int | None) -> dict[str, Array]:
    """Triangles (m, 3, 3) and slips (m, 3); of pairs as many as there are observers."""
    tri = sources["triangles"]
    if rows is not None:
        tri = _rows("triangles", tri, rows, "with pairs=True one for each observer")
    slips = {name: _slips(slip, tri.shape[0]) for name, slip in sources.items() if name == "slip"}
    return {"triangles": tri, **slips}


def _observers(obs: Array, medium: str, space: Space) -> Array:
    if obs.ndim == 2 and obs.shape[1] == 3:
        return obs
    if obs.ndim != 2 or obs.shape[1] != 2:
        raise ValueError(f"obs must have shape (n, 3), or (n, 2) at the surface, got {tuple(obs.shape)}")
    if medium == "full":
        raise ValueError("obs must have shape (n, 3) in the full space, which has no surface; got (n, 2)")
    return space.at_surface(obs)


def _slips(slip: Array, m: int) -> Array:
    if slip.ndim not in (1, 2) or slip.shape[-1] != 3:
        raise ValueError(f"slip must have shape ({m}, 3) or (3,), got {tuple(slip.shape)}")
    return _rows("slip", slip.reshape(-1, 3), m, "one row for each triangle")


def _rows(name: str, array: Array, count: int, why: str) -> Array:
    """An array of `count` rows, or of one that is repeated."""
    if array.shape[0] == count:
        return array
    if array.shape[0] != 1:
        raise ValueError(f"{name} must have length {count}, {why}; got {array.shape[0]}")
    if hasattr(array, "expand"):
        return array.expand(count, *array.shape[1:]).contiguous()
    return array.repeat(count, axis=0)


def _check(call: _Call, wait: bool = False) -> None:
    """Check every value that can be seen; those on a device only if `wait`."""
    places = partial(_check_places, call.name, call.medium == "half", call.batch)
    check_call(call, places, wait, **dict(zip(["slip"], call.sources[1:], strict=False)))


def _check_places(
    name: str, half: bool, batch: tuple[int, int] | None, obs: np.ndarray, tri: np.ndarray
) -> None:
    check_finite("obs", obs)
    if half and obs.size and obs[:, 2].max() > 0:
        above = obs > 0
        above[:, :2] = False
        reject("obs", obs, above, "observers must not be above the surface (z <= 0)")
    tri = tri if batch is None else tri.reshape(*batch, 3, 3)
    check_vertices("triangles", tri, half)
    for what, places in (("obs", obs), (name, tri)):
        # Fourth powers of distances must not overflow.
        if places.dtype == np.float32 and places.size and np.abs(places).max() > _LARGEST_FLOAT32:
            rule = f"its size must be at most {_LARGEST_FLOAT32:g} in float32: choose a larger unit of length"
            reject(what, places, np.abs(places) > _LARGEST_FLOAT32, rule)


def _tensor_at_points(call: _Call, found: Array) -> Array:
    """Derivatives with respect to points of a mesh (..., p, 3) from those to vertices (..., m, 9)."""
    torch = sys.modules["torch"]
    where = torch.as_tensor(call.cells, device=found.device).reshape(-1)
    lead = found.shape[:-2]
    values = found.reshape(-1, 3 * call.m, 3)
    return values.new_zeros(len(values), call.p, 3).index_add(1, where, values).reshape(*lead, call.p, 3)


def _add_at_points(call: _Call, found: Array, result: Array) -> None:
    """Add derivatives with respect to vertices (..., m, 9) to those to the points of a mesh (..., p, 3)."""
    assert call.cells is not None
    where = call.cells.ravel()
    values = found.reshape(*found.shape[:-2], 3 * call.m, 3)
    order = np.argsort(where, kind="stable")
    first = np.searchsorted(where[order], where[order])
    rank = np.arange(len(order)) - first
    # every round meets a point at most once
    for k in range(int(rank.max(initial=-1)) + 1):
        these = order[rank == k]
        result[..., where[these], :] += values[..., these, :]
