"""Vector code for blocks of pairs of triangles and observers: a function for each method and level."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES, accumulate, load, store
from dislok.kernels.pairs.blocks import CHUNK, FINISH, FIRST, GROUP, METHOD, NONE
from dislok.kernels.pairs.code import Code, apart, compiled
from dislok.kernels.scalar import number, scalar, value

from . import levels, pair
from .finish import FINISHES, ROWS, Finish
from .levels import ALL, DIRECTION, DIRECTIONS
from .pair import IMAGE, LEVELS, LIFT_ROW, OWN, PLAN_ROW, ROW, method
from .triangles import LIFT_NODES, nodes_of

# First column of a triangle that says where each method serves.
PLAN = ROW
OBS, TRI = 3, PLAN + PLAN_ROW  # columns before those that belong to an operation
FULL, HALF, SURFACE = 0, 1, 2  # SURFACE: the half-space, all observers at z = 0
# Places of code; the codes of `pair.method` behind those of the first two methods are rules.
NEAR, LIFTED, FAR = FIRST, FIRST + 1, FIRST + 2


@scalar
def near(level, where, triangle, obs, nu, eps):
    """Rows of a level by the closed form, in full space, in half space, or at its surface."""
    if where == SURFACE:
        return pair.near_surface(level, triangle, obs, nu, eps)
    return pair.near(level, where, triangle, obs, nu, eps)


def _classify(real: type) -> Callable[..., None]:
    """How each lane is computed, as `pair.method` says."""

    def classify(obs, tri, obs_width, tri_width, count, codes):
        low, high = real(np.inf), real(0.0)
        for begin in range(0, count, LANES):
            o, t = np.uint64(begin * obs_width), np.uint64(begin * tri_width + PLAN * LANES)
            for lane in range(np.uint64(LANES)):
                found = value(method(load(tri, t + lane, PLAN_ROW), load(obs, o + lane, 3)))
                codes[np.uint64(begin) + lane] = found
                low = min(low, found)
                high = max(high, found)
        codes[CHUNK], codes[CHUNK + 1] = low, high

    return classify


def _closed_form(level: str, where: int, real: type) -> Callable[..., None]:
    index = LEVELS.index(level)

    def closed_form(obs, tri, rows, groups, nu, eps, lift, which):
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

    def lifted(obs, tri, rows, groups, nu, eps, lift, which):
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
    formula, index, count = levels.side, ALL.index(level), ROWS[level]
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

    def one_part(obs, tri, rows, groups, nu, eps, lift, which):
        own(obs, tri, rows, groups, nu, eps)

    def two_parts(obs, tri, rows, groups, nu, eps, lift, which):
        own(obs, tri, rows, groups, nu, eps)
        image(obs, tri, rows, groups, nu, eps)

    return two_parts if where == HALF else one_part


def _quadrature(level: str, half: int, nodes: np.ndarray, counts: np.ndarray) -> Callable[..., None]:
    formula, index, real = levels.far, ALL.index(level), nodes.dtype.type
    of_obs, of_tri = (size * max(DIRECTIONS.get(level, 0), 1) for size in (3, DIRECTION))
    first_obs, first_tri = OBS * LANES, TRI * LANES

    def quadrature(obs, tri, rows, groups, nu, eps, lift, which):
        apart()
        rule = int(which) - 2
        for k in range(counts[rule]):
            c2, c3, weight = number(nodes[rule, k, 0]), number(nodes[rule, k, 1]), number(nodes[rule, k, 2])
            for group in range(np.uint64(groups)):
                for lane in range(np.uint64(GROUP)):
                    i = group * np.uint64(GROUP) + lane
                    triangle, place = load(tri, i, ROW), load(obs, i, 3)
                    own = load(obs, np.uint64(first_obs) + i, of_obs)
                    its = load(tri, np.uint64(first_tri) + i, of_tri)
                    found = formula(index, half, triangle, place, number(nu), c2, c3, weight, own, its)
                    accumulate(rows, i, found, real(1.0))

    return quadrature


def _finish(operation: Finish) -> Callable[..., None]:
    formula, count = operation.formula, ROWS[operation.level]
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


# ------------------------------------------------------------------------------------------ addresses


@cache
def _method_code(place: int, level: str, where: int, dtype: np.dtype) -> int:
    """Address of a method's code for a level; where there is no lift, the closed form serves."""
    if place == LIFTED and level not in LEVELS:
        return _method_code(NEAR, level, where, dtype)
    if where == SURFACE and (place != NEAR or DIRECTIONS.get(level)):
        return _method_code(place, level, HALF, dtype)
    if place == FAR:
        return compiled(_quadrature(level, where, *nodes_of(dtype)), place, dtype)
    form = _lifted if place == LIFTED else _closed_form if level in LEVELS else _closed_form_by_sides
    return compiled(form(level, where, dtype.type), place, dtype)


@cache
def _classify_code(dtype: np.dtype) -> int:
    return compiled(_classify(dtype.type), METHOD, dtype)


@cache
def _finish_code(name: str, dtype: np.dtype) -> int:
    return compiled(_finish(FINISHES[name]), FINISH, dtype)


@cache
def code_of(name: str, where: int, dtype: np.dtype) -> Code:
    """Code of an operation in one of the three: full space, half space, its surface."""
    operation = FINISHES[name]
    count = ROWS[operation.level]

    def make(place: int) -> int:
        if place == FINISH:
            return _finish_code(name, dtype)
        if place == METHOD:
            return _classify_code(dtype)
        return _method_code(place, operation.level, where, dtype)

    code = Code(FAR + 1 - FIRST, make, count, 2 * count)
    if operation.formula is None:
        code.addresses[FINISH] = NONE
    return code
