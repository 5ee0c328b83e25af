"""Okada's dislocations on the CPU: vectorised Numba kernels over blocks of pairs, threads over parts of the work.

Every (observer, source) pair becomes a lane. Lanes are sorted into blocks of `LANES` that are evaluated alike
(closed form, or quadrature of so many points), the numbers of a block lie in rows of `LANES`, and each kernel
is a loop over the lanes of a block with nothing but arithmetic in it, which LLVM turns into vector code. Work
memory is a few megabytes a thread whatever the number of pairs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dislok.kernels.cpu import kernel
from dislok.kernels.scalar import JetType, cos_degrees, number, scalar, sin_degrees

from . import pair as _pair
from .pair import FRAME_ROWS, HESSIAN, PAIR, VARIABLES, packed

LANES = 64
# Rows of a block: the pair, what is contracted with (cotangents and tangents), the frame's rows, the result.
PAIR_ROWS = len(PAIR)
EXTRA = PAIR_ROWS
FRAME = 64
# A block is this many numbers apart from the next, per level.
RESULT_ROWS = {"value": 3, "gradient": 12, "greens": 12, "greens_gradient": 36, "first": 42, "second": 285}
# Pairs handled at once by one thread, so that the rows stay in the second-level cache.
CHUNK = {
    "value": 2048,
    "gradient": 2048,
    "greens": 2048,
    "greens_gradient": 1024,
    "first": 1024,
    "second": 256,
}

# Gauss-Legendre nodes and weights on [0, 1]; row n holds the rule with n points.
ORDERS = (1, 2, 3, 4, 5, 6, 8, 12)
NODES = np.zeros((13, 12))
WEIGHTS = np.zeros((13, 12))
for _n in ORDERS:
    _x, _w = np.polynomial.legendre.leggauss(_n)
    NODES[_n, :_n], WEIGHTS[_n, :_n] = 0.5 * (_x + 1.0), 0.5 * _w


# ------------------------------------------------------------------------------ rows and registers


@intrinsic
def load(typing: Any, rows: Any, at: Any, count: Any) -> Any:
    """`count` numbers that lie `LANES` apart, from element `at`."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = types.UniTuple(JetType(64 if rows.dtype == types.float64 else 32), count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, signature, args)
        parts = [builder.load(_row(builder, pointer, k)) for k in range(count.literal_value)]
        return cgutils.pack_array(builder, parts)

    return result(rows, types.uint64, count), generate


@intrinsic
def store(typing: Any, rows: Any, at: Any, numbers: Any) -> Any:
    """Write a tuple of numbers `LANES` apart, from element `at`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, signature, args)
        for k in range(len(numbers)):
            builder.store(builder.extract_value(args[2], k), _row(builder, pointer, k))
        return context.get_dummy_value()

    return types.none(rows, types.uint64, numbers), generate


@intrinsic
def accumulate(typing: Any, rows: Any, at: Any, numbers: Any, sign: Any) -> Any:
    """Add `sign` times a tuple of numbers to rows `LANES` apart, from element `at`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element(context, builder, signature, args)
        flags = ("contract", "nsz")
        for k in range(len(numbers)):
            place = _row(builder, pointer, k)
            term = builder.fmul(args[3], builder.extract_value(args[2], k), flags=flags)
            builder.store(builder.fadd(builder.load(place), term, flags=flags), place)
        return context.get_dummy_value()

    return types.none(rows, types.uint64, numbers, rows.dtype), generate


def _element(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, value=args[0])
    return builder.gep(array.data, [args[1]], inbounds=True)


def _row(builder: Any, pointer: Any, k: int) -> Any:
    return builder.gep(pointer, [ir.Constant(ir.IntType(64), k * LANES)], inbounds=True)


# ------------------------------------------------------------------- formulas, one name for each level


@scalar
def _near_value(pair, nu, eps):
    return _pair.near("value", pair, nu, eps)


@scalar
def _near_gradient(pair, nu, eps):
    return _pair.near("gradient", pair, nu, eps)


@scalar
def _near_greens(pair, nu, eps):
    return _pair.near("greens", pair, nu, eps)


@scalar
def _near_greens_gradient(pair, nu, eps):
    return _pair.near("greens_gradient", pair, nu, eps)


@scalar
def _near_first(pair, nu, eps):
    return _pair.near("first", pair, nu, eps)


@scalar
def _near_surface_value(pair, nu, eps):
    return _pair.near_surface("value", pair, nu, eps)


@scalar
def _near_surface_gradient(pair, nu, eps):
    return _pair.near_surface("gradient", pair, nu, eps)


@scalar
def _near_surface_greens(pair, nu, eps):
    return _pair.near_surface("greens", pair, nu, eps)


@scalar
def _near_surface_greens_gradient(pair, nu, eps):
    return _pair.near_surface("greens_gradient", pair, nu, eps)


@scalar
def _near_surface_first(pair, nu, eps):
    return _pair.near_surface("first", pair, nu, eps)


@scalar
def _near_corner(pair, nu, eps, al, aw, rate_l, rate_w):
    return _pair.near_corner(pair, nu, eps, al, aw, rate_l, rate_w)


@scalar
def _far_value(pair, nu, g, h, weight):
    return _pair.far("value", pair, nu, g, h, weight)


@scalar
def _far_gradient(pair, nu, g, h, weight):
    return _pair.far("gradient", pair, nu, g, h, weight)


@scalar
def _far_greens(pair, nu, g, h, weight):
    return _pair.far("greens", pair, nu, g, h, weight)


@scalar
def _far_greens_gradient(pair, nu, g, h, weight):
    return _pair.far("greens_gradient", pair, nu, g, h, weight)


@scalar
def _far_first(pair, nu, g, h, weight):
    return _pair.far("first", pair, nu, g, h, weight)


@scalar
def _far_second(pair, nu, g, h, weight):
    return _pair.far("second", pair, nu, g, h, weight)


@scalar
def _finish_value(pair, extra, frame):
    return _pair.finish_value(pair, frame)


@scalar
def _finish_gradient(pair, extra, frame):
    return _pair.finish_gradient(pair, frame)


@scalar
def _finish_greens(pair, extra, frame):
    return _pair.finish_greens(pair, frame)


@scalar
def _finish_greens_gradient(pair, extra, frame):
    return _pair.finish_greens_gradient(pair, frame)


@scalar
def _finish_adjoint(pair, extra, frame):
    return _adjoint(_pair.finish_greens(pair, frame), extra[:3])


@scalar
def _finish_adjoint_gradient(pair, extra, frame):
    return _adjoint(_pair.finish_greens_gradient(pair, frame), extra[:9])


@scalar
def _finish_first(pair, extra, frame):
    return _pair.finish_first(pair, frame)


@scalar
def _finish_vjp(pair, extra, frame):
    return _pair.transposed_product(_pair.finish_first(pair, frame), extra[:3], False)


@scalar
def _finish_jvp(pair, extra, frame):
    return _pair.product(_pair.finish_first(pair, frame), extra[:13], 3, False)


@scalar
def _finish_second(pair, extra, frame):
    return _pair.finish_second(pair, frame)


@scalar
def _finish_jacobian_gradient(pair, extra, frame):
    return _jacobian_gradient(_pair.finish_second(pair, frame))


@scalar
def _finish_vjp_gradient(pair, extra, frame):
    return _pair.transposed_product(_pair.finish_second(pair, frame), extra[:9], True)


@scalar
def _finish_jvp_gradient(pair, extra, frame):
    return _pair.product(_pair.finish_second(pair, frame), extra[:13], 9, True)


@scalar
def _finish_vjp2(pair, extra, frame):
    return _pair.transposed_second(_pair.finish_second(pair, frame), extra[:3], extra[3:16])


@scalar
def _finish_jvp2(pair, extra, frame):
    return _pair.second_product(_pair.finish_second(pair, frame), extra[:13], extra[13:26])


def _adjoint(greens, weights):
    count = len(weights)
    return [_pair.dot(greens[count * k : count * (k + 1)], weights) for k in range(4)]


def _jacobian_gradient(out):
    return [x for c in range(9) for x in _pair.jacobian_row(out, c, True)]


# ------------------------------------------------------------------------------------------ kernels


@kernel
def near_value(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(rows, base + np.uint64(FRAME * LANES) + i, _near_value(pair, number(nu), number(eps)))


@kernel
def near_gradient(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(rows, base + np.uint64(FRAME * LANES) + i, _near_gradient(pair, number(nu), number(eps)))


@kernel
def near_greens(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(rows, base + np.uint64(FRAME * LANES) + i, _near_greens(pair, number(nu), number(eps)))


@kernel
def near_greens_gradient(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(
                rows,
                base + np.uint64(FRAME * LANES) + i,
                _near_greens_gradient(pair, number(nu), number(eps)),
            )


@kernel
def near_first(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(rows, base + np.uint64(FRAME * LANES) + i, _near_first(pair, number(nu), number(eps)))


@kernel
def near_surface_value(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(
                rows, base + np.uint64(FRAME * LANES) + i, _near_surface_value(pair, number(nu), number(eps))
            )


@kernel
def near_surface_gradient(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(
                rows,
                base + np.uint64(FRAME * LANES) + i,
                _near_surface_gradient(pair, number(nu), number(eps)),
            )


@kernel
def near_surface_greens(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(
                rows, base + np.uint64(FRAME * LANES) + i, _near_surface_greens(pair, number(nu), number(eps))
            )


@kernel
def near_surface_greens_gradient(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(
                rows,
                base + np.uint64(FRAME * LANES) + i,
                _near_surface_greens_gradient(pair, number(nu), number(eps)),
            )


@kernel
def near_surface_first(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            store(
                rows, base + np.uint64(FRAME * LANES) + i, _near_surface_first(pair, number(nu), number(eps))
            )


@kernel
def near_second(rows, stride, begin, end, nu, eps):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        frame = base + np.uint64(FRAME * LANES)
        rows[frame : frame + np.uint64(228 * LANES)] = 0.0
        for corner in range(4):
            right, upper = np.uint64(corner // 2), np.uint64(corner % 2)
            sign = rows.dtype.type(1.0 if right == upper else -1.0)
            al = base + (np.uint64(8) + right) * np.uint64(LANES)
            aw = base + (np.uint64(10) + upper) * np.uint64(LANES)
            four = np.uint64(4 * LANES)
            for i in range(np.uint64(LANES)):
                pair = load(rows, base + i, PAIR_ROWS)
                (edge_l,) = load(rows, al + i, 1)
                (edge_w,) = load(rows, aw + i, 1)
                (rate_l,) = load(rows, al + four + i, 1)
                (rate_w,) = load(rows, aw + four + i, 1)
                terms = _near_corner(pair, number(nu), number(eps), edge_l, edge_w, rate_l, rate_w)
                accumulate(rows, frame + i, terms, sign)


@kernel
def far_value(rows, stride, begin, end, nu, along, across):
    one = rows.dtype.type(1.0)
    for block in range(begin, end):
        base = np.uint64(block * stride)
        frame = base + np.uint64(FRAME * LANES)
        rows[frame : frame + np.uint64(3 * LANES)] = 0.0
        for j in range(along[block]):
            g = rows.dtype.type(NODES[along[block], j])
            for k in range(across[block]):
                h = rows.dtype.type(NODES[across[block], k])
                weight = rows.dtype.type(WEIGHTS[along[block], j] * WEIGHTS[across[block], k])
                for i in range(np.uint64(LANES)):
                    pair = load(rows, base + i, PAIR_ROWS)
                    terms = _far_value(pair, number(nu), number(g), number(h), number(weight))
                    accumulate(rows, frame + i, terms, one)


@kernel
def far_gradient(rows, stride, begin, end, nu, along, across):
    one = rows.dtype.type(1.0)
    for block in range(begin, end):
        base = np.uint64(block * stride)
        frame = base + np.uint64(FRAME * LANES)
        rows[frame : frame + np.uint64(12 * LANES)] = 0.0
        for j in range(along[block]):
            g = rows.dtype.type(NODES[along[block], j])
            for k in range(across[block]):
                h = rows.dtype.type(NODES[across[block], k])
                weight = rows.dtype.type(WEIGHTS[along[block], j] * WEIGHTS[across[block], k])
                for i in range(np.uint64(LANES)):
                    pair = load(rows, base + i, PAIR_ROWS)
                    terms = _far_gradient(pair, number(nu), number(g), number(h), number(weight))
                    accumulate(rows, frame + i, terms, one)


@kernel
def far_greens(rows, stride, begin, end, nu, along, across):
    one = rows.dtype.type(1.0)
    for block in range(begin, end):
        base = np.uint64(block * stride)
        frame = base + np.uint64(FRAME * LANES)
        rows[frame : frame + np.uint64(12 * LANES)] = 0.0
        for j in range(along[block]):
            g = rows.dtype.type(NODES[along[block], j])
            for k in range(across[block]):
                h = rows.dtype.type(NODES[across[block], k])
                weight = rows.dtype.type(WEIGHTS[along[block], j] * WEIGHTS[across[block], k])
                for i in range(np.uint64(LANES)):
                    pair = load(rows, base + i, PAIR_ROWS)
                    terms = _far_greens(pair, number(nu), number(g), number(h), number(weight))
                    accumulate(rows, frame + i, terms, one)


@kernel
def far_greens_gradient(rows, stride, begin, end, nu, along, across):
    one = rows.dtype.type(1.0)
    for block in range(begin, end):
        base = np.uint64(block * stride)
        frame = base + np.uint64(FRAME * LANES)
        rows[frame : frame + np.uint64(48 * LANES)] = 0.0
        for j in range(along[block]):
            g = rows.dtype.type(NODES[along[block], j])
            for k in range(across[block]):
                h = rows.dtype.type(NODES[across[block], k])
                weight = rows.dtype.type(WEIGHTS[along[block], j] * WEIGHTS[across[block], k])
                for i in range(np.uint64(LANES)):
                    pair = load(rows, base + i, PAIR_ROWS)
                    terms = _far_greens_gradient(pair, number(nu), number(g), number(h), number(weight))
                    accumulate(rows, frame + i, terms, one)


@kernel
def far_first(rows, stride, begin, end, nu, along, across):
    one = rows.dtype.type(1.0)
    for block in range(begin, end):
        base = np.uint64(block * stride)
        frame = base + np.uint64(FRAME * LANES)
        rows[frame : frame + np.uint64(39 * LANES)] = 0.0
        for j in range(along[block]):
            g = rows.dtype.type(NODES[along[block], j])
            for k in range(across[block]):
                h = rows.dtype.type(NODES[across[block], k])
                weight = rows.dtype.type(WEIGHTS[along[block], j] * WEIGHTS[across[block], k])
                for i in range(np.uint64(LANES)):
                    pair = load(rows, base + i, PAIR_ROWS)
                    terms = _far_first(pair, number(nu), number(g), number(h), number(weight))
                    accumulate(rows, frame + i, terms, one)


@kernel
def far_second(rows, stride, begin, end, nu, along, across):
    one = rows.dtype.type(1.0)
    for block in range(begin, end):
        base = np.uint64(block * stride)
        frame = base + np.uint64(FRAME * LANES)
        rows[frame : frame + np.uint64(228 * LANES)] = 0.0
        for j in range(along[block]):
            g = rows.dtype.type(NODES[along[block], j])
            for k in range(across[block]):
                h = rows.dtype.type(NODES[across[block], k])
                weight = rows.dtype.type(WEIGHTS[along[block], j] * WEIGHTS[across[block], k])
                for i in range(np.uint64(LANES)):
                    pair = load(rows, base + i, PAIR_ROWS)
                    terms = _far_second(pair, number(nu), number(g), number(h), number(weight))
                    accumulate(rows, frame + i, terms, one)


@kernel
def finish_value(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 1)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 3)
            store(rows, base + np.uint64(67 * LANES) + i, _finish_value(pair, extra, frame))


@kernel
def finish_gradient(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 1)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 12)
            store(rows, base + np.uint64(76 * LANES) + i, _finish_gradient(pair, extra, frame))


@kernel
def finish_greens(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 1)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 12)
            store(rows, base + np.uint64(76 * LANES) + i, _finish_greens(pair, extra, frame))


@kernel
def finish_greens_gradient(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 1)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 48)
            store(rows, base + np.uint64(112 * LANES) + i, _finish_greens_gradient(pair, extra, frame))


@kernel
def finish_adjoint(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 3)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 12)
            store(rows, base + np.uint64(76 * LANES) + i, _finish_adjoint(pair, extra, frame))


@kernel
def finish_adjoint_gradient(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 9)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 48)
            store(rows, base + np.uint64(112 * LANES) + i, _finish_adjoint_gradient(pair, extra, frame))


@kernel
def finish_first(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 1)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 39)
            store(rows, base + np.uint64(103 * LANES) + i, _finish_first(pair, extra, frame))


@kernel
def finish_vjp(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 3)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 39)
            store(rows, base + np.uint64(103 * LANES) + i, _finish_vjp(pair, extra, frame))


@kernel
def finish_jvp(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 13)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 39)
            store(rows, base + np.uint64(103 * LANES) + i, _finish_jvp(pair, extra, frame))


@kernel
def finish_second(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 1)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 228)
            store(rows, base + np.uint64(292 * LANES) + i, _finish_second(pair, extra, frame))


@kernel
def finish_jacobian_gradient(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 1)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 228)
            store(rows, base + np.uint64(292 * LANES) + i, _finish_jacobian_gradient(pair, extra, frame))


@kernel
def finish_vjp_gradient(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 9)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 228)
            store(rows, base + np.uint64(292 * LANES) + i, _finish_vjp_gradient(pair, extra, frame))


@kernel
def finish_jvp_gradient(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 13)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 228)
            store(rows, base + np.uint64(292 * LANES) + i, _finish_jvp_gradient(pair, extra, frame))


@kernel
def finish_vjp2(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 16)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 228)
            store(rows, base + np.uint64(292 * LANES) + i, _finish_vjp2(pair, extra, frame))


@kernel
def finish_jvp2(rows, stride, begin, end):
    for block in range(begin, end):
        base = np.uint64(block * stride)
        for i in range(np.uint64(LANES)):
            pair = load(rows, base + i, PAIR_ROWS)
            extra = load(rows, base + np.uint64(EXTRA * LANES) + i, 26)
            frame = load(rows, base + np.uint64(FRAME * LANES) + i, 228)
            store(rows, base + np.uint64(292 * LANES) + i, _finish_jvp2(pair, extra, frame))


# ---------------------------------------------------------------------------------- sorting of pairs
#
# A row of the table of sources: east, north of the reference point; `PAIR` from "depth" on; then what decides
# how a pair is evaluated.

TABLE = ("x", "y", *PAIR[3:], "centre_x", "centre_y", "centre_depth", "half_length", "half_width", "is_point")
WIDTH_OF_TABLE = len(TABLE)
CENTRE = TABLE.index("centre_x")
UNIT = PAIR.index("unit")
# Columns of `PAIR` that are lengths (and not rates).
LENGTH_ROWS = np.array([PAIR.index(n) for n in ("east", "north", "z", "depth", "al1", "al2", "aw1", "aw2")])

# Least distance, in half-lengths, at which a rule with so many points (`ORDERS`) is as good as the dtype.
REACH = {
    np.dtype(np.float64): np.array([4e6, 1600.0, 110.0, 28.0, 13.0, 8.0, 4.5, 2.6]),
    np.dtype(np.float32): np.array([3000.0, 40.0, 10.0, 5.0, 3.4, 2.6, 1.8, 1.4]),
}
# Distance in half-lengths beyond which the quadrature is used, and amplification of rounding in the closed form
# beyond which it is used already at the reach of the largest rule.
SWITCH = {np.dtype(np.float64): (20.0, 2e6), np.dtype(np.float32): (6.0, 3e3)}


@kernel
def rule(ratio, reach):
    """Number of quadrature points for a distance of so many half-lengths."""
    if ratio >= reach[0]:
        return 1
    if ratio >= reach[1]:
        return 2
    if ratio >= reach[2]:
        return 3
    if ratio >= reach[3]:
        return 4
    if ratio >= reach[4]:
        return 5
    if ratio >= reach[5]:
        return 6
    if ratio >= reach[6]:
        return 8
    return 12


@kernel
def classify(x, y, z, source, reach, switch, amplification):
    """0 for the closed form, else the numbers of points along length and width as 16 n + m."""
    if source[CENTRE + 5] != 0.0:
        return 17
    east = x - source[0] - source[CENTRE]
    north = y - source[1] - source[CENTRE + 1]
    depth = source[CENTRE + 2]
    a, b = source[CENTRE + 3], source[CENTRE + 4]
    largest = max(a, b)
    r2 = east * east + north * north + (z + depth) * (z + depth)
    near = reach[7] * largest
    if r2 < near * near:
        return 0
    far = switch * largest
    if r2 < far * far:
        # rounding grows with R^2/(L W), and for sources close to the surface with (R/depth)^2
        h = depth - z
        if r2 * r2 < amplification * (4.0 * a * b) * (h * h):
            return 0
    r = math.sqrt(r2)
    return 16 * rule(r / a, reach) + rule(r / b, reach)


@kernel
def schedule(obs, table, paired, part, start, room, reach, switch, amplification, lanes, blocks):
    """Sort the next pairs of a part of the work into blocks.

    `part` is (first observer, last, first source, last); `start` counts pairs, source by source. Writes
    observer and source of every lane (the last of a block repeated), and of every block: points along and
    across, lanes in use. Returns the next `start`, the number of blocks and how many use the closed form.
    """
    i0, i1, j0, j1 = part
    count = i1 - i0 if paired else (i1 - i0) * (j1 - j0)
    n = min(count - start, (room - len(ORDERS) - 1) * LANES)
    codes = np.empty(n, np.int32)
    heads = np.zeros(13, np.int64)
    i, j = (i0 + start, i0 + start) if paired else (i0 + start % (i1 - i0), j0 + start // (i1 - i0))
    first_i, first_j = i, j
    for k in range(n):
        code = classify(obs[i, 0], obs[i, 1], obs[i, 2], table[j], reach, switch, amplification)
        codes[k] = code
        heads[code // 16] += 1
        i += 1
        if paired:
            j += 1
        elif i == i1:
            i = i0
            j += 1
    total = 0
    near = 0
    for key in range(13):
        used = heads[key]
        heads[key] = total * LANES
        total += (used + LANES - 1) // LANES
        if key == 0:
            near = total
        for block in range(heads[key] // LANES, total):
            blocks[block, 0] = key
            blocks[block, 1] = 1
            blocks[block, 2] = 0
    i, j = first_i, first_j
    for k in range(n):
        key = codes[k] // 16
        lane = heads[key]
        heads[key] += 1
        lanes[lane, 0] = i
        lanes[lane, 1] = j
        block = lane // LANES
        blocks[block, 1] = max(blocks[block, 1], codes[k] % 16)
        blocks[block, 2] += 1
        i += 1
        if paired:
            j += 1
        elif i == i1:
            i = i0
            j += 1
    for block in range(total):
        used = blocks[block, 2]
        for lane in range(block * LANES + used, (block + 1) * LANES):
            lanes[lane, 0] = lanes[block * LANES + used - 1, 0]
            lanes[lane, 1] = lanes[block * LANES + used - 1, 1]
    return start + n, total, near


@kernel
def fill(rows, stride, obs, table, lanes, blocks, total):
    """Write the rows of `PAIR`; lengths in the source's unit for the closed form, in the distance's far away."""
    for block in range(total):
        base = block * stride
        source = lanes[block * LANES, 1]
        alike = source == lanes[(block + 1) * LANES - 1, 1]
        if alike:
            for r in range(3, PAIR_ROWS):
                rows[base + r * LANES : base + (r + 1) * LANES] = table[source, r - 1]
        for k in range(LANES):
            i, j = lanes[block * LANES + k, 0], lanes[block * LANES + k, 1]
            if not alike:
                for r in range(3, PAIR_ROWS):
                    rows[base + r * LANES + k] = table[j, r - 1]
            rows[base + k] = obs[i, 0] - table[j, 0]
            rows[base + LANES + k] = obs[i, 1] - table[j, 1]
            rows[base + 2 * LANES + k] = obs[i, 2]
        if blocks[block, 0] != 0:
            for k in range(LANES):
                east, north = float(rows[base + k]), float(rows[base + LANES + k])
                up = float(rows[base + 3 * LANES + k]) - float(rows[base + 2 * LANES + k])
                rows[base + UNIT * LANES + k] = math.ldexp(
                    1.0, -math.frexp(max(abs(east), max(abs(north), abs(up))))[1]
                )
        for r in LENGTH_ROWS:
            for k in range(LANES):
                rows[base + r * LANES + k] *= rows[base + UNIT * LANES + k]


@kernel
def spread(rows, stride, at, values, column, lanes, total):
    """Copy the rows of `values` that the lanes' observers (column 0) or sources (1) own into the blocks."""
    for block in range(total):
        for c in range(values.shape[1]):
            place = block * stride + (at + c) * LANES
            for k in range(LANES):
                rows[place + k] = values[lanes[block * LANES + k, column], c]


@kernel
def tangents(rows, stride, at, of_obs, of_src, of_nu, lanes, total):
    """Tangents of the pair's `VARIABLES` from those of observers, sources (eleven columns) and nu."""
    for block in range(total):
        for k in range(LANES):
            i, j = lanes[block * LANES + k, 0], lanes[block * LANES + k, 1]
            place = block * stride + at * LANES + k
            for c in range(11):
                rows[place + c * LANES] = of_src[j, c]
            rows[place] -= of_obs[i, 0]
            rows[place + LANES] -= of_obs[i, 1]
            rows[place + 11 * LANES] = of_obs[i, 2]
            rows[place + 12 * LANES] = of_nu


# ------------------------------------------------------------------------------- what becomes of rows


@kernel
def add_up(rows, stride, at, count, column, lanes, blocks, total, out):
    """Add result rows to the observers (column 0) or sources (1) of the lanes."""
    for block in range(total):
        for c in range(count):
            place = block * stride + (at + c) * LANES
            for k in range(blocks[block, 2]):
                out[lanes[block * LANES + k, column], c] += rows[place + k]


@kernel
def add_gradients(rows, stride, at, lanes, blocks, total, of_obs, of_src, of_nu):
    """Add a gradient with `VARIABLES` (the last may be missing) to observers, sources and nu."""
    for block in range(total):
        place = block * stride + at * LANES
        for k in range(blocks[block, 2]):
            i, j = lanes[block * LANES + k, 0], lanes[block * LANES + k, 1]
            of_obs[i, 0] -= rows[place + k]
            of_obs[i, 1] -= rows[place + LANES + k]
            of_obs[i, 2] += rows[place + 11 * LANES + k]
            for c in range(11):
                of_src[j, c] += rows[place + c * LANES + k]
            if of_nu.size:
                of_nu[0] += rows[place + 12 * LANES + k]


@kernel
def keep(rows, stride, at, index, paired, lanes, blocks, total, out):
    """Store result rows ``index[c, v]`` as ``out[observer, c, source, v]`` (source 0 for pairs)."""
    for block in range(total):
        base = block * stride + at * LANES
        for k in range(blocks[block, 2]):
            i = lanes[block * LANES + k, 0]
            j = 0 if paired else lanes[block * LANES + k, 1]
            for c in range(index.shape[0]):
                for v in range(index.shape[1]):
                    out[i, c, j, v] = rows[base + index[c, v] * LANES + k]


# ------------------------------------------------------------------------------------------- sources


def source_table(kind: str, src: np.ndarray, origin: tuple[float, float]) -> np.ndarray:
    """What the kernels need of each source, in the columns of `TABLE` (float64)."""
    src = np.asarray(src, np.float64)
    rectangle = kind == "rectangle"
    if rectangle:
        x, y, depth, length, width, strike, dip, rake, slip, opening = src.T
        fa, fb = origin
        inflation = np.zeros_like(x)
    else:
        x, y, depth, strike, dip, rake, slip, opening, inflation = src.T
        length = width = np.ones_like(x)
        fa = fb = 0.5
    out = {"x": x, "y": y, "depth": depth, "slip": slip, "u3": opening, "u4": inflation}
    sd, cd = sin_degrees(dip), cos_degrees(dip)
    # below the horizontal the same plane is the one at dip + 180 degrees, seen from its other side
    turned = sd < 0.0
    out["turn"] = turn = np.where(turned, -1.0, 1.0)
    out["sin_dip"], out["cos_dip"] = turn * sd + 0.0, turn * cd + 0.0
    out["sin_strike"], out["cos_strike"] = sin_degrees(strike), cos_degrees(strike)
    out["sin_rake"], out["cos_rake"] = sin_degrees(rake), cos_degrees(rake)
    out["u1"], out["u2"] = turn * (slip * out["cos_rake"]), slip * out["sin_rake"]
    down, up = (1.0 - fb), fb
    out["al1"], out["al2"] = -fa * length, (1.0 - fa) * length
    out["aw1"], out["aw2"] = (
        np.where(turned, -up * width, -down * width),
        np.where(turned, down * width, up * width),
    )
    out["l1"], out["l2"] = np.full_like(x, fa), np.full_like(x, fa - 1.0)
    out["w1"], out["w2"] = np.where(turned, up, down), np.where(turned, -down, -up)
    along, across = 0.5 * (out["al1"] + out["al2"]), 0.5 * (out["aw1"] + out["aw2"])
    level = across * out["cos_dip"]
    out["centre_x"] = along * out["sin_strike"] - level * out["cos_strike"]
    out["centre_y"] = along * out["cos_strike"] + level * out["sin_strike"]
    out["centre_depth"] = depth - across * out["sin_dip"]
    out["half_length"], out["half_width"] = 0.5 * length, 0.5 * width
    out["unit"] = np.ldexp(1.0, -np.frexp(np.maximum(length, width))[1])
    out["is_point"] = np.full_like(x, 0.0 if rectangle else 1.0)
    return np.ascontiguousarray(np.stack([out[name] for name in TABLE], axis=1))


def edge_table(depth, dip, al1, al2, aw1, aw2, slips) -> np.ndarray:
    """Table of rectangles given by their edges in their own frame, as Okada's DC3D has them.

    The frame's x axis points east and its y axis north; `slips` has the columns strike slip, dip slip, opening.
    """
    x = np.zeros_like(depth)
    src = np.stack([x, x, depth, al2 - al1, aw2 - aw1, x + 90.0, dip, x, x + 1.0, slips[:, 2]], axis=1)
    table = source_table("rectangle", src, (0.5, 0.5))
    column = {name: table[:, TABLE.index(name)] for name in TABLE}
    turned = column["turn"] < 0.0
    column["al1"][:], column["al2"][:] = al1, al2
    column["aw1"][:], column["aw2"][:] = np.where(turned, -aw2, aw1), np.where(turned, -aw1, aw2)
    column["u1"][:], column["u2"][:] = column["turn"] * slips[:, 0], slips[:, 1]
    across = 0.5 * (column["aw1"] + column["aw2"])
    column["centre_x"][:] = 0.5 * (al1 + al2)
    column["centre_y"][:] = across * column["cos_dip"]
    column["centre_depth"][:] = depth - across * column["sin_dip"]
    return table


# -------------------------------------------------------------------------------------------- launch

PARAMETERS = {"rectangle": tuple(range(10)), "point": (0, 1, 2, 5, 6, 7, 8, 9, 10)}
SLIP_COMPONENTS = {"rectangle": 3, "point": 4}
COMPONENTS = {"displacement": 3, "gradient": 9}
# Below this many pairs a call stays in the caller's thread.
SERIAL = 4096

_pool: ThreadPoolExecutor | None = None
_pool_owner: tuple[int, int] = (0, 0)


def default_threads() -> int:
    """Number of threads that a call may use: Numba's setting."""
    return int(numba.get_num_threads())


def _executor(threads: int) -> ThreadPoolExecutor:
    """The pool of worker threads, made anew after a fork."""
    global _pool, _pool_owner
    owner = (os.getpid(), threads)
    if _pool is None or _pool_owner != owner:
        _pool, _pool_owner = ThreadPoolExecutor(threads, thread_name_prefix="dislok"), owner
    return _pool


class Task:
    """One operation on all pairs: which rows to compute, and what becomes of them.

    Parameters
    ----------
    level : str
        Key of `FRAME_ROWS`.
    finish : callable
        Kernel that turns the frame's rows into the result's.
    consume : callable
        ``consume(work, rows, stride, at, lanes, blocks, total)`` with the result's rows at row `at`.
    prepare : callable, optional
        ``prepare(rows, stride, lanes, total)`` writes what is contracted with.
    """

    def __init__(self, level: str, finish: Callable, consume: Callable, prepare: Callable | None = None):
        self.level = level
        self.finish = finish
        self.consume = consume
        self.prepare = prepare


class Problem:
    """Observers, sources and elastic constants of one call.

    Parameters
    ----------
    obs : array, shape (n, 3)
    table : array
        From `source_table`.
    nu : float
    paired : bool
        Source i with observer i only.
    """

    def __init__(self, obs: np.ndarray, table: np.ndarray, nu: float, paired: bool):
        self.obs = obs
        self.table = table
        self.dtype = obs.dtype
        self.nu = self.dtype.type(nu)
        self.eps = self.dtype.type(8.0 * np.finfo(self.dtype).eps)
        self.paired = paired
        self.surface = bool(len(obs)) and not obs[:, 2].any()
        self.pairs = len(obs) if paired else len(obs) * len(table)
        self.stopped = False

    def run(self, task: Task, part: tuple[int, int, int, int], work: Any) -> None:
        """Evaluate the pairs of a part (observers from, to; sources from, to)."""
        at = FRAME + FRAME_ROWS[task.level]
        stride = (at + RESULT_ROWS[task.level]) * LANES
        pairs = (part[1] - part[0]) * (1 if self.paired else part[3] - part[2])
        room = min(CHUNK[task.level], pairs + LANES) // LANES + len(ORDERS) + 1
        rows = np.empty(room * stride, self.dtype)
        lanes = np.empty((room * LANES, 2), np.int64)
        blocks = np.empty((room, 3), np.int64)
        start = 0
        while start < pairs and not self.stopped:
            start, total, near = schedule(
                self.obs,
                self.table,
                self.paired,
                part,
                start,
                room,
                REACH[self.dtype],
                *SWITCH[self.dtype],
                lanes,
                blocks,
            )
            fill(rows, stride, self.obs, self.table, lanes, blocks, total)
            if task.prepare is not None:
                task.prepare(rows, stride, lanes, total)
            self._frames(task.level, rows, stride, near, total, blocks)
            task.finish(rows, stride, 0, total)
            task.consume(work, rows, stride, at, lanes, blocks, total)

    def _frames(
        self, level: str, rows: np.ndarray, stride: int, near: int, total: int, blocks: np.ndarray
    ) -> None:
        """The frame's rows of all blocks: `near` by the closed form, the rest by quadrature."""
        if near:
            kernel = KERNELS[("near_surface" if self.surface and level != "second" else "near"), level]
            kernel(rows, stride, 0, near, self.nu, self.eps)
        if near < total:
            KERNELS["far", level](rows, stride, near, total, self.nu, blocks[:total, 0], blocks[:total, 1])

    def parts(self, threads: int) -> list[list[tuple[int, int, int, int]]]:
        """Parts of the work, in groups by sources; two parts of a group share no observer."""
        n, m = len(self.obs), len(self.table)
        wanted = 1 if self.pairs <= SERIAL or threads == 1 else 4 * threads
        rows = min(wanted, -(-n // LANES)) or 1
        columns = 1 if self.paired else min(-(-wanted // rows), m) or 1
        edges = _edges(n, rows)
        if self.paired:
            return [[(i0, i1, i0, i1) for i0, i1 in edges]]
        return [[(i0, i1, j0, j1) for i0, i1 in edges] for j0, j1 in _edges(m, columns)]


def _edges(n: int, parts: int) -> list[tuple[int, int]]:
    cuts = [n * k // parts for k in range(parts + 1)]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def _launch(problem: Problem, task: Task, works: Callable[[int, int], Any], threads: int | None) -> None:
    """Run all parts; ``works(group, k)`` is what part k of a group of sources writes to."""
    threads = threads or default_threads()
    jobs = [
        (part, works(group, k))
        for group, parts in enumerate(problem.parts(threads))
        for k, part in enumerate(parts)
        if problem.pairs
    ]
    if threads == 1 or len(jobs) == 1:
        for part, work in jobs:
            problem.run(task, part, work)
        return
    futures = [_executor(threads).submit(problem.run, task, part, work) for part, work in jobs]
    try:
        for future in futures:
            future.result()
    finally:
        problem.stopped = True
        for future in futures:
            future.cancel()


def _observer_sums(
    problem: Problem,
    level: str,
    finish: Callable,
    first_row: int,
    count: int,
    prepare: Callable | None,
    threads: int | None,
) -> np.ndarray:
    """Result rows added up over the sources, shape (n, count)."""
    groups = len(problem.parts(threads or default_threads()))
    sums = np.zeros((groups, len(problem.obs), count), problem.dtype)

    def consume(work, rows, stride, at, lanes, blocks, total):
        add_up(rows, stride, at + first_row, count, 0, lanes, blocks, total, work)

    _launch(problem, Task(level, finish, consume, prepare), lambda group, k: sums[group], threads)
    return sums[0] if groups == 1 else sums.sum(axis=0)


def _source_sums(
    problem: Problem, level: str, finish: Callable, prepare: Callable, threads: int | None
) -> np.ndarray:
    """Four result rows added up over the observers, shape (m, 4)."""
    parts = max(len(group) for group in problem.parts(threads or default_threads()))
    sums = np.zeros((parts, len(problem.table), 4), problem.dtype)

    def consume(work, rows, stride, at, lanes, blocks, total):
        add_up(rows, stride, at, 4, 1, lanes, blocks, total, work)

    _launch(problem, Task(level, finish, consume, prepare), lambda group, k: sums[k], threads)
    return sums.sum(axis=0)


def _gradient_sums(
    problem: Problem, level: str, finish: Callable, prepare: Callable, with_nu: bool, threads: int | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """A gradient added up over the pairs: by observer (n, 3), by source (m, 11), by nu."""
    groups = problem.parts(threads or default_threads())
    parts = max(len(group) for group in groups)
    of_obs = np.zeros((len(groups), len(problem.obs), 3), problem.dtype)
    of_src = np.zeros((parts, len(problem.table), 11), problem.dtype)
    of_nu = np.zeros((len(groups), parts, int(with_nu)), problem.dtype)

    def consume(work, rows, stride, at, lanes, blocks, total):
        add_gradients(rows, stride, at, lanes, blocks, total, *work)

    _launch(
        problem,
        Task(level, finish, consume, prepare),
        lambda g, k: (of_obs[g], of_src[k], of_nu[g, k]),
        threads,
    )
    return of_obs.sum(axis=0), of_src.sum(axis=0), float(of_nu.sum())


def _kept(
    problem: Problem, level: str, finish: Callable, index: np.ndarray, out: np.ndarray, threads: int | None
) -> None:
    """Write result rows ``index[c, v]`` of every pair to ``out[n, c, m, v]``."""

    def consume(work, rows, stride, at, lanes, blocks, total):
        keep(rows, stride, at, index, problem.paired, lanes, blocks, total, work)

    _launch(problem, Task(level, finish, consume), lambda group, k: out, threads)


# ---------------------------------------------------------------------------------------- operations


def _problem(kind, obs, src, nu, origin, paired) -> Problem:
    return Problem(obs, source_table(kind, src, origin), nu, paired)


def field(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Displacement (n, 3) or its gradient (n, 9), summed over the sources."""
    level, finish = ("value", finish_value) if of == "displacement" else ("gradient", finish_gradient)
    problem = _problem(kind, obs, src, nu, origin, pairs)
    count = COMPONENTS[of]
    return _into(out, _observer_sums(problem, level, finish, 0 if count == 3 else 3, count, None, threads))


def field_both(kind, obs, src, nu, origin, pairs, out=None, threads=None):
    """Displacement and gradient in one pass, (n, 12)."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _into(out, _observer_sums(problem, "gradient", finish_gradient, 0, 12, None, threads))


def dc3d(x, y, z, depth, dip, al1, al2, aw1, aw2, slips, nu, threads=None):
    """Displacement and gradient (n, 12) of rectangles given by their edges, in their own frame, row by row.

    Parameters
    ----------
    x, y, z, depth, dip, al1, al2, aw1, aw2 : array, shape (n,)
        As in Okada's DC3D: x along strike, y up dip, dip in degrees.
    slips : array, shape (n, 3)
        Strike slip, dip slip, opening.
    """
    table = edge_table(*(np.asarray(a, np.float64) for a in (depth, dip, al1, al2, aw1, aw2, slips)))
    obs = np.ascontiguousarray(np.stack([x, y, z], axis=1))
    return _observer_sums(Problem(obs, table, nu, True), "gradient", finish_gradient, 0, 12, None, threads)


def apply(kind, obs, src, nu, origin, of, s, threads=None):
    """Greens' functions times slip components `s` (m, B), without the matrix: (n, 3) or (n, 9)."""
    table = source_table(kind, src, origin)
    components = np.zeros((len(table), 4))
    components[:, : s.shape[1]] = s
    components[:, 0] *= table[:, TABLE.index("turn")]
    at = TABLE.index("u1")
    table[:, at : at + 4] = components
    level, finish = ("value", finish_value) if of == "displacement" else ("gradient", finish_gradient)
    count = COMPONENTS[of]
    return _observer_sums(
        Problem(obs, table, nu, False), level, finish, 0 if count == 3 else 3, count, None, threads
    )


def apply_adjoint(kind, obs, src, nu, origin, of, r, threads=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip components (m, B)."""
    problem = _problem(kind, obs, src, nu, origin, False)
    displacement = of == "displacement"

    def prepare(rows, stride, lanes, total):
        spread(rows, stride, EXTRA, r, 0, lanes, total)

    level, finish = (
        ("greens", finish_adjoint) if displacement else ("greens_gradient", finish_adjoint_gradient)
    )
    return _source_sums(problem, level, finish, prepare, threads)[:, : SLIP_COMPONENTS[kind]]


def greens(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Response to unit slip components: (n, c, m, B), or (n, c, B) for pairs."""
    count, slips = COMPONENTS[of], SLIP_COMPONENTS[kind]
    level, finish = ("greens", finish_greens) if count == 3 else ("greens_gradient", finish_greens_gradient)
    index = np.arange(count)[:, None] + count * np.arange(slips)[None, :]
    return _pairwise(
        _problem(kind, obs, src, nu, origin, pairs), level, finish, index, (slips,), out, threads
    )


def jacobian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Derivatives with the source's parameters: (n, c, m, P), or (n, c, P) for pairs."""
    columns = np.array(PARAMETERS[kind])
    count = COMPONENTS[of]
    level, finish, first_row = (
        ("first", finish_first, 3) if count == 3 else ("second", finish_jacobian_gradient, 0)
    )
    index = first_row + len(VARIABLES) * np.arange(count)[:, None] + columns[None, :]
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _pairwise(problem, level, finish, index, (len(columns),), out, threads)


def hessian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Second derivatives with the source's parameters: (n, c, m, P, P), or (n, c, P, P) for pairs."""
    columns = PARAMETERS[kind]
    both = np.array([packed(a, b) for a in columns for b in columns])
    index = 42 + HESSIAN * np.arange(3)[:, None] + both[None, :]
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _pairwise(problem, "second", finish_second, index, (len(columns), len(columns)), out, threads)


def vjp(kind, obs, src, nu, origin, of, pairs, cot, threads=None):
    """Gradient of ``sum(cot * field)`` with observers (n, 3), parameters (m, P) and nu."""
    displacement = of == "displacement"

    def prepare(rows, stride, lanes, total):
        spread(rows, stride, EXTRA, cot, 0, lanes, total)

    level, finish = ("first", finish_vjp) if displacement else ("second", finish_vjp_gradient)
    problem = _problem(kind, obs, src, nu, origin, pairs)
    of_obs, of_src, of_nu = _gradient_sums(problem, level, finish, prepare, True, threads)
    return of_obs, np.ascontiguousarray(of_src[:, PARAMETERS[kind]]), of_nu


def jvp(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, t_nu, threads=None):
    """Derivative of `field` along tangents of observers (n, 3), parameters (m, P) and nu."""
    displacement = of == "displacement"
    full = _all_variables(kind, t_src)

    def prepare(rows, stride, lanes, total):
        tangents(rows, stride, EXTRA, t_obs, full, float(t_nu), lanes, total)

    level, finish = ("first", finish_jvp) if displacement else ("second", finish_jvp_gradient)
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _observer_sums(problem, level, finish, 0, COMPONENTS[of], prepare, threads)


def vjp2(kind, obs, src, nu, origin, of, pairs, cot, t_obs, t_src, threads=None):
    """Gradient of ``sum(cot * jvp(t))`` with observers (n, 3) and parameters (m, P); tangents held fixed."""
    full = _all_variables(kind, t_src)

    def prepare(rows, stride, lanes, total):
        spread(rows, stride, EXTRA, cot, 0, lanes, total)
        tangents(rows, stride, EXTRA + 3, t_obs, full, 0.0, lanes, total)

    problem = _problem(kind, obs, src, nu, origin, pairs)
    of_obs, of_src, _ = _gradient_sums(problem, "second", finish_vjp2, prepare, False, threads)
    return of_obs, np.ascontiguousarray(of_src[:, PARAMETERS[kind]])


def jvp2(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None):
    """Second derivative of `field` along two tangents."""
    full, other = _all_variables(kind, t_src), _all_variables(kind, s_src)

    def prepare(rows, stride, lanes, total):
        tangents(rows, stride, EXTRA, t_obs, full, 0.0, lanes, total)
        tangents(rows, stride, EXTRA + 13, s_obs, other, 0.0, lanes, total)

    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _observer_sums(problem, "second", finish_jvp2, 0, 3, prepare, threads)


def _all_variables(kind: str, t_src: np.ndarray) -> np.ndarray:
    """Tangents of a source's parameters in the columns of `VARIABLES` up to the inflation."""
    full = np.zeros((len(t_src), 11), t_src.dtype)
    full[:, PARAMETERS[kind]] = t_src
    return full


def _pairwise(problem: Problem, level, finish, index, trailing, out, threads):
    """Allocate or take the output of an operation on every pair, and fill it."""
    n, m = len(problem.obs), len(problem.table)
    shape = (n, index.shape[0], *(() if problem.paired else (m,)), *trailing)
    if out is None:
        out = np.empty(shape, problem.dtype)
    view = out.reshape(n, index.shape[0], 1 if problem.paired else m, index.shape[1])
    _kept(problem, level, finish, index, view, threads)
    return out


def _into(out, result):
    if out is None:
        return result
    out[...] = result
    return out


KERNELS: dict[tuple[str, str], Callable] = {
    (name, level): globals()[f"{name}_{level}"]
    for name in ("near", "near_surface", "far")
    for level in FRAME_ROWS
    if f"{name}_{level}" in globals()
}
