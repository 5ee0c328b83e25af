"""Vector code for blocks of pairs of triangles and observers: a function for each way of computing a level.

Each takes blocks of rows of lanes. Code is known by its address, so that one loop (`blocks.run`) serves every
operation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from dislok.kernels.cpu import address, kernel
from dislok.kernels.lanes import LANES, accumulate, load, store
from dislok.kernels.scalar import number, scalar

from . import directions, pair
from .blocks import FAR, FINISH, GROUP, LIFTED, NEAR, PLAN
from .directions import ALL, DIRECTION, DIRECTIONS
from .pair import IMAGE, LEVELS, LIFT_ROW, OWN, PLAN_ROW, ROW
from .recipes import OPERATIONS, ROWS, Operation
from .triangles import LIFT_NODES, nodes_of

OBS, TRI = 3, PLAN + PLAN_ROW  # columns before those that belong to an operation
FULL, HALF, SURFACE = 0, 1, 2  # SURFACE: the half-space, all observers at z = 0

_compiling = Lock()


@intrinsic
def apart(typing: Any) -> Any:
    """Promise that the arrays of the function that calls this do not overlap: LLVM need not make sure."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for argument in builder.function.args:
            if argument.type.is_pointer:
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), generate


@scalar
def near(level, where, triangle, obs, nu, eps):
    """Rows of a level by the closed form, in full space, in half space, or at its surface."""
    if where == SURFACE:
        return pair.near_surface(level, triangle, obs, nu, eps)
    return pair.near(level, where, triangle, obs, nu, eps)


def _closed_form(level: str, where: int, real: type) -> Callable[..., None]:
    index = LEVELS.index(level)

    def closed_form(obs, tri, rows, groups, nu, eps, lift):
        apart()
        for group in range(np.uint64(groups)):
            for lane in range(np.uint64(GROUP)):
                i = group * np.uint64(GROUP) + lane
                triangle, place = load(tri, i, ROW), load(obs, i, 3)
                found = near(index, where, triangle, place, number(nu), number(eps))
                accumulate(rows, i, found, real(1.0))

    return closed_form


def _lifted(level: str, half: int, real: type) -> Callable[..., None]:
    index, formula = LEVELS.index(level), pair.lifted
    nodes: np.ndarray = np.array(LIFT_NODES, real)

    def lifted(obs, tri, rows, groups, nu, eps, lift):
        apart()
        for k in range(len(nodes)):
            node, weight = number(nodes[k, 0]), number(nodes[k, 1])
            for group in range(np.uint64(groups)):
                for lane in range(np.uint64(GROUP)):
                    i = group * np.uint64(GROUP) + lane
                    triangle, place = load(tri, i, ROW), load(obs, i, 3)
                    way = load(tri, np.uint64(lift) + i, LIFT_ROW)
                    found = formula(index, half, triangle, way, place, number(nu), number(eps), node, weight)
                    accumulate(rows, i, found, real(1.0))

    return lifted


def _sides(level: str, part: int, real: type) -> Callable[..., None]:
    """All sides of a part of the field one after the other; in one piece it would be very long code."""
    formula, index, count = directions.side, ALL.index(level), ROWS[level]
    # what a level does not read is loaded from somewhere, which the compiler drops
    of_obs, of_tri = (size * max(DIRECTIONS[level], 1) for size in (3, DIRECTION))
    first_obs, first_tri = OBS * LANES, TRI * LANES

    def sides(obs, tri, rows, groups, nu, eps):
        apart()
        for side in range(3):
            for group in range(np.uint64(groups)):
                for lane in range(np.uint64(GROUP)):
                    i = group * np.uint64(GROUP) + lane
                    triangle, place = load(tri, i, ROW), load(obs, i, 3)
                    own = load(obs, np.uint64(first_obs) + i, of_obs)
                    its = load(tri, np.uint64(first_tri) + i, of_tri)
                    found = formula(
                        index, part, triangle, place, number(nu), number(eps), own, its, number(real(side))
                    )
                    # to add so many rows at once is not made vector code
                    store(rows, np.uint64(count * LANES) + i, found)
            for r in range(np.uint64(count)):
                for lane in range(np.uint64(GROUP) * np.uint64(groups)):
                    k = r * np.uint64(LANES) + lane
                    rows[k] += rows[np.uint64(count * LANES) + k]

    return sides


def _closed_form_by_sides(level: str, where: int, real: type) -> Callable[..., None]:
    """The triangle's own sides, then those of the image; at the surface both are one."""
    own = kernel(_sides(level, pair.SURFACE if where == SURFACE else OWN, real))
    image = kernel(_sides(level, IMAGE, real))

    def one_part(obs, tri, rows, groups, nu, eps, lift):
        own(obs, tri, rows, groups, nu, eps)

    def two_parts(obs, tri, rows, groups, nu, eps, lift):
        own(obs, tri, rows, groups, nu, eps)
        image(obs, tri, rows, groups, nu, eps)

    return two_parts if where == HALF else one_part


def _quadrature(level: str, half: int, nodes: np.ndarray, counts: np.ndarray) -> Callable[..., None]:
    formula, index, real = directions.far, ALL.index(level), nodes.dtype.type
    of_obs, of_tri = (size * max(DIRECTIONS.get(level, 0), 1) for size in (3, DIRECTION))
    first_obs, first_tri = OBS * LANES, TRI * LANES

    def quadrature(obs, tri, rows, groups, nu, which):
        apart()
        for k in range(counts[which]):
            c2, c3, weight = (
                number(nodes[which, k, 0]),
                number(nodes[which, k, 1]),
                number(nodes[which, k, 2]),
            )
            for group in range(np.uint64(groups)):
                for lane in range(np.uint64(GROUP)):
                    i = group * np.uint64(GROUP) + lane
                    triangle, place = load(tri, i, ROW), load(obs, i, 3)
                    own = load(obs, np.uint64(first_obs) + i, of_obs)
                    its = load(tri, np.uint64(first_tri) + i, of_tri)
                    found = formula(index, half, triangle, place, number(nu), c2, c3, weight, own, its)
                    accumulate(rows, i, found, real(1.0))

    return quadrature


def _finish(operation: Operation) -> Callable[..., None]:
    formula, count = operation.finish, ROWS[operation.level]
    assert formula is not None
    of_obs, of_tri = max(operation.of_obs, 1), max(operation.of_tri, 1)
    first_obs, first_tri = OBS * LANES, TRI * LANES

    def finish(obs, tri, rows, groups):
        apart()
        for group in range(np.uint64(groups)):
            for lane in range(np.uint64(GROUP)):
                i = group * np.uint64(GROUP) + lane
                own = load(obs, np.uint64(first_obs) + i, of_obs)
                its = load(tri, np.uint64(first_tri) + i, of_tri)
                store(rows, i, formula(own, its, load(rows, i, count)))

    return finish


# ------------------------------------------------------------------------------------- addresses


def _native(dtype: np.dtype) -> Any:
    return types.float64 if dtype == np.float64 else types.float32


@cache
def _method_code(way: int, level: str, where: int, dtype: np.dtype) -> int:
    """Address of a method's code for a level; where there is no lift, the closed form serves."""
    if way == LIFTED and level not in LEVELS:
        return _method_code(NEAR, level, where, dtype)
    if where == SURFACE and (way != NEAR or DIRECTIONS.get(level)):
        return _method_code(way, level, HALF, dtype)
    native = _native(dtype)
    pointer = types.CPointer(native)
    blocks = pointer, pointer, pointer, types.int64, native
    if way == FAR:
        return address(_quadrature(level, where, *nodes_of(dtype)), *blocks, types.int64)
    form = _lifted if way == LIFTED else _closed_form if level in LEVELS else _closed_form_by_sides
    return address(form(level, where, dtype.type), *blocks, native, types.int64)


@cache
def _finish_code(name: str, dtype: np.dtype) -> int:
    if OPERATIONS[name].finish is None:
        return 0
    pointer = types.CPointer(_native(dtype))
    return address(_finish(OPERATIONS[name]), pointer, pointer, pointer, types.int64)


@cache
def codes(name: str, dtype: np.dtype) -> np.ndarray:
    """Addresses for `run`: in full space, half space, at its surface; 0 where code has not been asked for."""
    code = np.zeros((3, 4), np.int64)
    code[:, FINISH] = _finish_code(name, dtype)
    return code


def code_of(name: str, where: int, dtype: np.dtype) -> np.ndarray:
    """Addresses for `run` in one of the three."""
    return codes(name, dtype)[where]


def compile_code(way: int, name: str, where: int, dtype: np.dtype) -> None:
    """Fill in an address of `code_of`."""
    with _compiling:
        code_of(name, where, dtype)[way] = _method_code(way, OPERATIONS[name].level, where, dtype)
