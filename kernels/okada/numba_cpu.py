"""Okada's dislocations on the CPU: vector kernels over blocks of pairs, threads over parts of the work.

Every (observer, source) pair becomes a lane. Lanes are sorted into blocks of `LANES` that are evaluated alike
(closed form, or quadrature of so many points), the numbers of a block lie in rows of `LANES`, and each kernel
is a loop over the lanes of a block with nothing but arithmetic in it, which LLVM turns into vector code. Work
memory is a few megabytes a thread whatever the number of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES, accumulate, load, store
from dislok.kernels.scalar import number, scalar, value
from dislok.kernels.threads import default_threads, executor

from .pair import (
    FRAME_ROWS,
    HESSIAN,
    LEVELS,
    PAIR,
    VARIABLES,
    far_node,
    far_node_surface,
    near,
    near_corner,
    near_surface,
    packed,
    pair_adjoint,
    pair_adjoint_gradient,
    pair_first,
    pair_gradient,
    pair_greens,
    pair_greens_gradient,
    pair_jacobian_gradient,
    pair_jvp,
    pair_jvp2,
    pair_jvp_gradient,
    pair_second,
    pair_value,
    pair_vjp,
    pair_vjp2,
    pair_vjp_gradient,
)
from .sources import (
    CENTRE,
    COMPONENTS,
    LENGTH_ROWS,
    NODES,
    ORDERS,
    PARAMETERS,
    REACH,
    RULES,
    SLIP_COMPONENTS,
    SWITCH,
    TABLE,
    WEIGHTS,
    edge_table,
    method_code,
    table_row,
)
from .third import (
    DIRECTION,
    far_node_third,
    near_corner_third,
    pair_jvp2_gradient,
    pair_third,
    pair_vjp2_gradient,
)

# Rows of a block: the pair, what is contracted with (cotangents, tangents), the frame's rows or the result.
PAIR_ROWS = len(PAIR)
EXTRA = PAIR_ROWS
UNIT = PAIR.index("unit")
FRAME = 64
# A block is this many numbers apart from the next, per level.
RESULT_ROWS = {
    "value": 3,
    "gradient": 12,
    "greens": 12,
    "greens_gradient": 36,
    "first": 42,
    "second": 285,
    "third": 234,
}
# Pairs handled at once by one thread, so that the rows stay in the second-level cache.
CHUNK = {
    "value": 4096,
    "gradient": 4096,
    "greens": 4096,
    "greens_gradient": 1024,
    "first": 1024,
    "second": 256,
    "third": 192,
}

# ------------------------------------------------------------------------------------------ kernels
#
# Made by functions, because they differ only in the formula they call and in how many rows they move.

_FRAME_AT = np.uint64(FRAME * LANES)
_EXTRA_AT = np.uint64(EXTRA * LANES)


def _near(formula: Callable[..., Any], level: str) -> Any:
    """Frame rows of blocks by a closed form."""
    index = LEVELS.index(level)

    def near(rows, stride, begin, end, nu, eps):
        for block in range(begin, end):
            base = np.uint64(block * stride)
            for i in range(np.uint64(LANES)):
                pair = load(rows, base + i, PAIR_ROWS)
                store(rows, base + _FRAME_AT + i, formula(index, pair, number(nu), number(eps)))

    return kernel(near)


def _corners(formula: Callable[..., Any], level: str) -> Any:
    """Frame rows of blocks by a closed form, corner by corner so that the code stays small."""
    count = FRAME_ROWS[level]

    def corners(rows, stride, begin, end, nu, eps):
        for block in range(begin, end):
            base = np.uint64(block * stride)
            frame = base + _FRAME_AT
            for i in range(np.uint64(count * LANES)):
                rows[frame + i] = 0.0
            for corner in range(4):
                right, upper = np.uint64(corner // 2), np.uint64(corner % 2)
                sign = rows.dtype.type(1.0 if right == upper else -1.0)
                al = base + (_AL + right) * np.uint64(LANES)
                aw = base + (_AW + upper) * np.uint64(LANES)
                for i in range(np.uint64(LANES)):
                    pair = load(rows, base + i, PAIR_ROWS)
                    along = load(rows, base + _EXTRA_AT + i, DIRECTION)
                    (edge_l,) = load(rows, al + i, 1)
                    (edge_w,) = load(rows, aw + i, 1)
                    (rate_l,) = load(rows, al + _RATE + i, 1)
                    (rate_w,) = load(rows, aw + _RATE + i, 1)
                    terms = formula(pair, along, number(nu), number(eps), edge_l, edge_w, rate_l, rate_w)
                    accumulate(rows, frame + i, terms, sign)

    return kernel(corners)


def _far(formula: Callable[..., Any], level: str) -> Any:
    """Frame rows of blocks by quadrature, with a rule of its own for each block."""
    index, count = ALL_LEVELS.index(level), FRAME_ROWS[level]

    def far(rows, stride, begin, end, nu, along, across):
        one = rows.dtype.type(1.0)
        for block in range(begin, end):
            base = np.uint64(block * stride)
            frame = base + _FRAME_AT
            for i in range(np.uint64(count * LANES)):
                rows[frame + i] = 0.0
            for j in range(along[block]):
                g = rows.dtype.type(NODES[along[block], j])
                for k in range(across[block]):
                    h = rows.dtype.type(NODES[across[block], k])
                    weight = rows.dtype.type(WEIGHTS[along[block], j] * WEIGHTS[across[block], k])
                    for i in range(np.uint64(LANES)):
                        pair = load(rows, base + i, PAIR_ROWS)
                        way = load(rows, base + _EXTRA_AT + i, DIRECTION)
                        terms = formula(index, pair, way, number(nu), number(g), number(h), number(weight))
                        accumulate(rows, frame + i, terms, one)

    return kernel(far)


# Third derivatives are taken along the direction in the extra rows; to the others it means nothing.


@scalar
def second_corner(pair, direction, nu, eps, al, aw, rate_l, rate_w):
    """`near_corner`, whatever the direction."""
    return near_corner(pair, nu, eps, al, aw, rate_l, rate_w)


@scalar
def node(level, pair, direction, nu, g, h, weight):
    """`far_node`, whatever the direction."""
    return far_node(level, pair, nu, g, h, weight)


@scalar
def node_surface(level, pair, direction, nu, g, h, weight):
    """`far_node_surface`, whatever the direction."""
    return far_node_surface(level, pair, nu, g, h, weight)


@scalar
def node_third(level, pair, direction, nu, g, h, weight):
    """`far_node_third`, which is of one level."""
    return far_node_third(pair, direction, nu, g, h, weight)


def _finish(formula: Callable[..., Any], level: str, extra_rows: int = 0) -> Any:
    """Result rows of blocks in place of the frame's, contracted with `extra_rows` where there are any."""
    count = FRAME_ROWS[level]
    extra_count = max(extra_rows, 1)

    def finish(rows, stride, begin, end):
        for block in range(begin, end):
            base = np.uint64(block * stride)
            for i in range(np.uint64(LANES)):
                pair = load(rows, base + i, PAIR_ROWS)
                extra = load(rows, base + _EXTRA_AT + i, extra_count)
                frame = load(rows, base + _FRAME_AT + i, count)
                store(rows, base + _FRAME_AT + i, formula(pair, extra, frame))

    return kernel(finish)


ALL_LEVELS = (*LEVELS, "third")
_AL, _AW = np.uint64(PAIR.index("al1")), np.uint64(PAIR.index("aw1"))
_RATE = np.uint64((PAIR.index("l1") - PAIR.index("al1")) * LANES)

NEAR = {level: _near(near, level) for level in LEVELS[:-1]}
NEAR |= {"second": _corners(second_corner, "second"), "third": _corners(near_corner_third, "third")}
# an observer at the surface needs fewer terms, but not for second derivatives, which include those with z
NEAR_SURFACE = NEAR | {level: _near(near_surface, level) for level in LEVELS[:-1]}
FAR = {level: _far(node, level) for level in LEVELS} | {"third": _far(node_third, "third")}
FAR_SURFACE = FAR | {level: _far(node_surface, level) for level in LEVELS[:-1]}

finish_value = _finish(pair_value, "value")
finish_gradient = _finish(pair_gradient, "gradient")
finish_greens = _finish(pair_greens, "greens")
finish_greens_gradient = _finish(pair_greens_gradient, "greens_gradient")
finish_adjoint = _finish(pair_adjoint, "greens", 3)
finish_adjoint_gradient = _finish(pair_adjoint_gradient, "greens_gradient", 9)
finish_first = _finish(pair_first, "first")
finish_vjp = _finish(pair_vjp, "first", 3)
finish_jvp = _finish(pair_jvp, "first", 13)
finish_second = _finish(pair_second, "second")
finish_jacobian_gradient = _finish(pair_jacobian_gradient, "second")
finish_vjp_gradient = _finish(pair_vjp_gradient, "second", 9)
finish_jvp_gradient = _finish(pair_jvp_gradient, "second", 13)
finish_vjp2 = _finish(pair_vjp2, "second", 16)
finish_jvp2 = _finish(pair_jvp2, "second", 26)
finish_third = _finish(pair_third, "third", 13)
finish_vjp2_gradient = _finish(pair_vjp2_gradient, "third", 22)
finish_jvp2_gradient = _finish(pair_jvp2_gradient, "third", 26)


# ---------------------------------------------------------------------------------- sorting of pairs


@kernel
def classify(obs, i0, i1, source, reach, switch, amplification, codes):
    """Codes of the pairs of one source with observers i0 to i1.

    0 for the closed form, else 1 + 8 * (place in `ORDERS` of the rule along the length) + (of that across).
    """
    depth = source[CENTRE + 2]
    a, b = source[CENTRE + 3], source[CENTRE + 4]
    x, y = source[0] + source[CENTRE], source[1] + source[CENTRE + 1]
    largest = max(a, b)
    near, far = (reach[7] * largest) ** 2, (switch * largest) ** 2
    limit = amplification * (4.0 * a * b)
    places = obs.reshape(-1)
    for k in range(np.uint64(i1 - i0)):
        at = (np.uint64(i0) + k) * np.uint64(3)
        east, north, z = places[at] - x, places[at + np.uint64(1)] - y, places[at + np.uint64(2)]
        up = z + depth
        code = method_code(
            number(east * east + north * north + up * up), number(depth - z), near, far, limit, a, b, reach
        )
        codes[k] = np.int64(value(code))


@kernel
def schedule(obs, table, paired, part, start, room, reach, switch, amplification, lanes, blocks):
    """Sort the next pairs of a part of the work into blocks.

    `part` is (first observer, last, first source, last); `start` counts pairs, source by source. Writes
    observer and source of every lane (the last of a block repeated), and of every block: points along and
    across, lanes in use. Returns the next `start`, the number of blocks and how many use the closed form.
    """
    i0, i1, j0, j1 = part
    width = i1 - i0
    count = width if paired else width * (j1 - j0)
    n = min(count - start, (room - len(ORDERS) - 1) * LANES)
    codes = np.empty(n, np.int64)
    heads = np.zeros(len(ORDERS) + 1, np.int64)
    limits = (reach[0], reach[1], reach[2], reach[3], reach[4], reach[5], reach[6], reach[7])
    k = 0
    while k < n:
        i, j, run = next_run(start + k, n - k, part, paired)
        classify(obs, i, i + run, table[j], limits, switch, amplification, codes[k : k + run])
        if alike(codes, k, run):
            heads[(codes[k] + 7) // 8] += run
        else:
            for each in range(k, k + run):
                heads[(codes[each] + 7) // 8] += 1
        k += run
    total = 0
    near = 0
    for key in range(len(ORDERS) + 1):
        used = heads[key]
        heads[key] = total * LANES
        total += (used + LANES - 1) // LANES
        if key == 0:
            near = total
        for block in range(heads[key] // LANES, total):
            blocks[block, 0] = RULES[max(key - 1, 0)]
            blocks[block, 1] = 0
            blocks[block, 2] = min(LANES, used - (block * LANES - heads[key]))
    k = 0
    while k < n:
        i, j, run = next_run(start + k, n - k, part, paired)
        step = run if alike(codes, k, run) else 1
        for each in range(k, k + run, step):
            key = (codes[each] + 7) // 8
            place(lanes, heads[key], step, i + each - k, j)
            for block in range(heads[key] // LANES, (heads[key] + step - 1) // LANES + 1):
                blocks[block, 1] = max(blocks[block, 1], (codes[each] + 7) % 8)
            heads[key] += step
        k += run
    for block in range(total):
        blocks[block, 1] = RULES[blocks[block, 1]]
        last = block * LANES + blocks[block, 2] - 1
        for lane in range(last + 1, (block + 1) * LANES):
            lanes[lane, 0] = lanes[last, 0]
            lanes[lane, 1] = lanes[last, 1]
    return start + n, total, near


@kernel
def next_run(at, left, part, paired):
    """Observer, source and number of the pairs that follow with the same source."""
    i0, i1, j0, _ = part
    if paired:
        return i0 + at, i0 + at, 1
    i = i0 + at % (i1 - i0)
    return i, j0 + at // (i1 - i0), min(left, i1 - i)


@kernel
def alike(codes, start, count):
    """Whether a run of codes has one value."""
    different = np.int64(0)
    head = codes[start]
    for k in range(np.uint64(start), np.uint64(start + count)):
        different += np.int64(codes[k] != head)
    return different == 0


@kernel
def place(lanes, at, count, observer, source):
    """Write consecutive observers of one source to consecutive lanes."""
    for k in range(np.uint64(count)):
        lanes[np.uint64(at) + k, np.uint64(0)] = observer + np.int64(k)
        lanes[np.uint64(at) + k, np.uint64(1)] = source


@kernel
def fill(rows, stride, obs, table, lanes, blocks, near, total, owners):
    """Write the rows of `PAIR`; lengths in the source's unit or, for quadrature, in that of the distance.

    `owners` remembers the source whose numbers a block of the closed form holds from the call before.
    """
    lane_count = np.uint64(LANES)
    for block in range(total):
        base = np.uint64(block * stride)
        first = np.uint64(block * LANES)
        unit = base + np.uint64(UNIT) * lane_count
        for k in range(lane_count):
            i, j = np.uint64(lanes[first + k, 0]), np.uint64(lanes[first + k, 1])
            rows[base + k] = obs[i, 0] - table[j, 0]
            rows[base + lane_count + k] = obs[i, 1] - table[j, 1]
            rows[base + lane_count + lane_count + k] = obs[i, 2]
        source = lanes[first, 1]
        one_source = source == lanes[first + lane_count - np.uint64(1), 1]
        scaled = np.uint64(len(LENGTH_ROWS))
        if one_source and block < near and owners[block] == source:
            scaled = np.uint64(3)
        elif one_source:
            for r in range(np.uint64(3), np.uint64(PAIR_ROWS)):
                number = rows.dtype.type(table[source, r - np.uint64(1)])
                place = base + r * lane_count
                for k in range(lane_count):
                    rows[place + k] = number
        else:
            for k in range(lane_count):
                source = np.uint64(lanes[first + k, 1])
                for r in range(np.uint64(3), np.uint64(PAIR_ROWS)):
                    rows[base + r * lane_count + k] = table[source, r - np.uint64(1)]
        owners[block] = lanes[first, 1] if one_source and block < near else -1
        if block >= near:
            depth = base + np.uint64(3) * lane_count
            for k in range(lane_count):
                level = max(abs(rows[base + k]), abs(rows[base + lane_count + k]))
                up = rows[depth + k] - rows[depth - lane_count + k]
                rows[unit + k] = math.ldexp(1.0, -math.frexp(max(level, up))[1])
        for r in range(scaled):
            place = base + LENGTH_ROWS[r] * lane_count
            for k in range(lane_count):
                rows[place + k] *= rows[unit + k]


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
        place = np.uint64(block * stride + at * LANES)
        for k in range(np.uint64(blocks[block, 2])):
            owner = np.uint64(lanes[np.uint64(block * LANES) + k, np.uint64(column)])
            for c in range(np.uint64(count)):
                out[owner, c] += rows[place + c * np.uint64(LANES) + k]


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
    lane_count = np.uint64(LANES)
    for block in range(total):
        base = np.uint64(block * stride + at * LANES)
        for k in range(blocks[block, 2]):
            i = np.uint64(lanes[block * LANES + k, 0])
            j = np.uint64(0 if paired else lanes[block * LANES + k, 1])
            for c in range(np.uint64(index.shape[0])):
                for v in range(np.uint64(index.shape[1])):
                    out[i, c, j, v] = rows[base + np.uint64(index[c, v]) * lane_count + np.uint64(k)]


# ------------------------------------------------------------------------------------------- sources


@kernel
def fill_rectangles(src, fa, fb, table):
    """Rows of `TABLE` of rectangles."""
    for j in range(len(src)):
        x, y, depth, length, width = src[j, 0], src[j, 1], src[j, 2], src[j, 3], src[j, 4]
        strike, dip, rake, slip, opening = src[j, 5], src[j, 6], src[j, 7], src[j, 8], src[j, 9]
        place = (number(x), number(y), number(depth), number(length), number(width))
        angles = (number(strike), number(dip), number(rake))
        parameters = (*place, *angles, number(slip), number(opening))
        unit = number(math.ldexp(1.0, -math.frexp(max(length, width))[1]))
        row = table_row(0, parameters, number(fa[j]), number(fb[j]), unit)
        for k in range(len(row)):
            table[j, k] = value(row[k])


@kernel
def fill_points(src, fa, fb, table):
    """Rows of `TABLE` of points."""
    for j in range(len(src)):
        place = (number(src[j, 0]), number(src[j, 1]), number(src[j, 2]))
        angles = (number(src[j, 3]), number(src[j, 4]), number(src[j, 5]))
        parameters = (*place, *angles, number(src[j, 6]), number(src[j, 7]), number(src[j, 8]))
        row = table_row(1, parameters, number(fa[j]), number(fb[j]), number(0.5))
        for k in range(len(row)):
            table[j, k] = value(row[k])


def source_rows(kind: str, src: np.ndarray, origin: tuple[Any, Any]) -> np.ndarray:
    """`source_table` by compiled code; an origin may be one for each source."""
    src = np.ascontiguousarray(src, np.float64)
    fa, fb = (np.broadcast_to(np.asarray(f, np.float64), len(src)) for f in origin)
    table = np.empty((len(src), len(TABLE)))
    (fill_rectangles if kind == "rectangle" else fill_points)(src, fa, fb, table)
    return table


# -------------------------------------------------------------------------------------------- launch

# Below this many pairs a call stays in the caller's thread.
SERIAL = 4096


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
    clear : callable, optional
        ``clear(work, part)`` makes ready what a part of the work writes to, in the thread that does it.
    """

    def __init__(
        self,
        level: str,
        finish: Callable,
        consume: Callable,
        prepare: Callable | None = None,
        clear: Callable | None = None,
    ):
        self.level = level
        self.finish = finish
        self.consume = consume
        self.prepare = prepare
        self.clear = clear


class Problem:
    """Observers, sources and elastic constants of one call.

    Parameters
    ----------
    obs : array, shape (n, 3)
    table : array
        From `source_rows`.
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
        if task.clear is not None:
            task.clear(work, part)
        at = FRAME
        stride = (at + max(FRAME_ROWS[task.level], RESULT_ROWS[task.level])) * LANES
        pairs = (part[1] - part[0]) * (1 if self.paired else part[3] - part[2])
        room = min(CHUNK[task.level], pairs + LANES) // LANES + len(ORDERS) + 1
        rows = np.empty(room * stride, self.dtype)
        lanes = np.empty((room * LANES, 2), np.int64)
        blocks = np.empty((room, 3), np.int64)
        owners = np.full(room, -1)
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
            fill(rows, stride, self.obs, self.table, lanes, blocks, near, total, owners)
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
            kernels = NEAR_SURFACE if self.surface else NEAR
            kernels[level](rows, stride, 0, near, self.nu, self.eps)
        if near < total:
            kernels = FAR_SURFACE if self.surface else FAR
            kernels[level](rows, stride, near, total, self.nu, blocks[:total, 0], blocks[:total, 1])

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
    futures = [executor(threads).submit(problem.run, task, part, work) for part, work in jobs]
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
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Result rows added up over the sources, shape (n, count); in `out` if given."""
    groups = len(problem.parts(threads or default_threads()))
    if out is None:
        out = np.empty((len(problem.obs), count), problem.dtype)
    sums = out[None] if groups == 1 else np.empty((groups, *out.shape), out.dtype)

    def clear(work, part):
        work[part[0] : part[1]] = 0.0

    def consume(work, rows, stride, at, lanes, blocks, total):
        add_up(rows, stride, at + first_row, count, 0, lanes, blocks, total, work)

    if not problem.pairs:
        sums[...] = 0.0
    _launch(problem, Task(level, finish, consume, prepare, clear), lambda group, k: sums[group], threads)
    if groups > 1:
        np.sum(sums, axis=0, out=out)
    return out


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


def _kept_along(
    problem: Problem, axis: np.ndarray, index: np.ndarray, out: np.ndarray, threads: int | None
) -> None:
    """`_kept` for the second derivatives' derivatives along an axis of the observers."""
    direction = np.zeros_like(problem.obs) + axis.astype(problem.dtype)
    fixed = np.zeros((len(problem.table), 11), problem.dtype)

    def prepare(rows, stride, lanes, total):
        tangents(rows, stride, EXTRA, direction, fixed, 0.0, lanes, total)

    def consume(work, rows, stride, at, lanes, blocks, total):
        keep(rows, stride, at, index, problem.paired, lanes, blocks, total, work)

    _launch(problem, Task("third", finish_third, consume, prepare), lambda group, k: out, threads)


# ---------------------------------------------------------------------------------------- operations


def _problem(kind, obs, src, nu, origin, paired) -> Problem:
    return Problem(obs, source_rows(kind, src, origin), nu, paired)


def field(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Displacement (n, 3) or its gradient (n, 9), summed over the sources."""
    level, finish = ("value", finish_value) if of == "displacement" else ("gradient", finish_gradient)
    problem = _problem(kind, obs, src, nu, origin, pairs)
    count = COMPONENTS[of]
    return _observer_sums(problem, level, finish, 0 if count == 3 else 3, count, None, threads, out)


def field_both(kind, obs, src, nu, origin, pairs, out=None, threads=None):
    """Displacement and gradient in one pass, (n, 12)."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _observer_sums(problem, "gradient", finish_gradient, 0, 12, None, threads, out)


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
    table = source_rows(kind, src, origin)
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
    index = HESSIAN * np.arange(3)[:, None] + both[None, :]
    problem = _problem(kind, obs, src, nu, origin, pairs)
    trailing = (len(columns), len(columns))
    if of == "displacement":
        return _pairwise(problem, "second", finish_second, 42 + index, trailing, out, threads)
    n, m = len(problem.obs), len(problem.table)
    if out is None:
        out = np.empty((n, 9, *(() if pairs else (m,)), *trailing), problem.dtype)
    columns_of_gradient = out.reshape(n, 3, 3, 1 if pairs else m, len(both))
    for j in range(3):
        _kept_along(problem, np.eye(3)[j], index, columns_of_gradient[:, :, j], threads)
    return out


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
    level, finish, of_cot, of_tangent = (
        ("second", finish_vjp2, 0, 3) if of == "displacement" else ("third", finish_vjp2_gradient, 13, 0)
    )

    def prepare(rows, stride, lanes, total):
        spread(rows, stride, EXTRA + of_cot, cot, 0, lanes, total)
        tangents(rows, stride, EXTRA + of_tangent, t_obs, full, 0.0, lanes, total)

    problem = _problem(kind, obs, src, nu, origin, pairs)
    of_obs, of_src, _ = _gradient_sums(problem, level, finish, prepare, False, threads)
    return of_obs, np.ascontiguousarray(of_src[:, PARAMETERS[kind]])


def jvp2(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None):
    """Second derivative of `field` along two tangents."""
    full, other = _all_variables(kind, t_src), _all_variables(kind, s_src)

    def prepare(rows, stride, lanes, total):
        tangents(rows, stride, EXTRA, t_obs, full, 0.0, lanes, total)
        tangents(rows, stride, EXTRA + 13, s_obs, other, 0.0, lanes, total)

    level, finish = ("second", finish_jvp2) if of == "displacement" else ("third", finish_jvp2_gradient)
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _observer_sums(problem, level, finish, 0, COMPONENTS[of], prepare, threads)


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
