"""Okada's dislocations on the CPU: vector kernels over blocks of pairs, threads over parts of the work.

The numbers of a block lie in rows of `LANES`, and each formula is a loop over the lanes of a block with
nothing but arithmetic in it, which LLVM turns into vector code. `blocks.run` sorts the pairs into blocks,
calls that code and puts the results where they belong. Work memory is one block a thread, whatever the number
of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numba import from_dtype, types

from dislok.kernels.cpu import address, kernel
from dislok.kernels.lanes import LANES, accumulate, load, store
from dislok.kernels.scalar import number, scalar, value
from dislok.kernels.threads import default_threads, share

from .blocks import CHUNK, EXTRA, FAR, FINISH, FRAME, PAIR_ROWS, ROOM, run
from .pair import (
    FRAME_ROWS,
    HESSIAN,
    LEVELS,
    NU,
    PAIR,
    VARIABLES,
    far_node,
    far_node_parameters,
    far_node_surface,
    near,
    near_surface,
    near_surface_parameters,
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
    pair_parameters,
    pair_second,
    pair_value,
    pair_vjp,
    pair_vjp2,
    pair_vjp_gradient,
)
from .sources import (
    COMPONENTS,
    KINDS,
    NODES,
    PARAMETERS,
    REACH,
    SLIP_COMPONENTS,
    SWITCH,
    TABLE,
    WANTED,
    WEIGHTS,
    edge_table,
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


class Operation(NamedTuple):
    """What is computed of a pair.

    Parameters
    ----------
    level : str
        Key of `FRAME_ROWS`: the rows in the frame that the result is made of.
    formula : callable
        Result rows from the pair, what they are contracted with, and the rows in the frame.
    rows : int
        Number of result rows.
    extra : int
        Number of rows that they are contracted with.
    """

    level: str
    formula: Callable[..., Any]
    rows: int
    extra: int = 0

    @property
    def fused(self) -> bool:
        """Whether the closed form gives the result's rows at once."""
        return self.level not in ("second", "third")


VALUE = Operation("value", pair_value, 3)
GRADIENT = Operation("gradient", pair_gradient, 12)
FIELD = {"displacement": VALUE, "gradient": GRADIENT}
FIELD_ROWS = {"displacement": (0, 3), "gradient": (3, 9)}  # first, number
GREENS = {
    "displacement": Operation("greens", pair_greens, 12),
    "gradient": Operation("greens_gradient", pair_greens_gradient, 36),
}
ADJOINT = {
    "displacement": Operation("greens", pair_adjoint, 4, 3),
    "gradient": Operation("greens_gradient", pair_adjoint_gradient, 4, 9),
}
JVP = {
    "displacement": Operation("first", pair_jvp, 3, 13),
    "gradient": Operation("second", pair_jvp_gradient, 9, 13),
}
VJP2 = {
    "displacement": Operation("second", pair_vjp2, 15, 16),
    "gradient": Operation("third", pair_vjp2_gradient, 15, 22),
}
JVP2 = {
    "displacement": Operation("second", pair_jvp2, 3, 26),
    "gradient": Operation("third", pair_jvp2_gradient, 9, 26),
}


def kept(level: str, formula: Callable[..., Any], index: np.ndarray, extra: int = 0) -> Kept:
    """The operation of which only the result rows `index` are wanted, and their places among those it has."""
    wanted, places = np.unique(index, return_inverse=True)
    chosen = tuple(int(k) for k in wanted)

    @scalar
    def picked(pair, extra, frame):
        out = formula(pair, extra, frame)
        return [out[k] for k in chosen]

    picked.__qualname__ = f"{formula.__qualname__} {chosen}"
    return Operation(level, picked, len(chosen), extra), places.reshape(index.shape)


Kept = tuple[Operation, np.ndarray]


def _jacobian(kind: str, of: str) -> Kept:
    """Rows of the derivatives of each component with the parameters."""
    columns = np.array(PARAMETERS[kind])
    index = len(VARIABLES) * np.arange(COMPONENTS[of])[:, None] + columns
    if of == "displacement":
        return kept("first", pair_first, 3 + index)
    return kept("second", pair_jacobian_gradient, index)


def _hessian(kind: str, level: str) -> Kept:
    """Rows of the second derivatives of the displacement, or of theirs along a direction."""
    columns = PARAMETERS[kind]
    both = np.array([packed(a, b) for a in columns for b in columns])
    index = HESSIAN * np.arange(3)[:, None] + both
    if level == "third":
        return kept(level, pair_third, index, DIRECTION)
    return kept(level, pair_parameters if level == "parameters" else pair_second, 42 + index)


@cache
def vjp_of(kind: str, of: str, wanted: tuple[str, ...]) -> tuple[Operation, dict[str, np.ndarray]]:
    """Gradient of a combination of the components, and the rows of it with each of those `wanted`."""
    places = {"obs": len(VARIABLES) + np.arange(3), "src": np.array(PARAMETERS[kind]), "nu": np.array([NU])}
    index = np.concatenate([places[name] for name in wanted])
    if of == "displacement":
        operation, rows = kept("first", pair_vjp, index, 3)
    else:
        operation, rows = kept("second", pair_vjp_gradient, index, 9)
    parts = np.split(rows, np.cumsum([len(places[name]) for name in wanted])[:-1])
    return operation, dict(zip(wanted, parts, strict=True))


JACOBIAN = {(kind, of): _jacobian(kind, of) for kind in KINDS for of in COMPONENTS}
HESSIANS = {
    (kind, level): _hessian(kind, level) for kind in KINDS for level in ("second", "parameters", "third")
}

# --------------------------------------------------------------------------------- code for a block
#
# Made by functions, because it differs only in the formulas it calls and in how many rows they move. `rows`
# points to the block's numbers.

_EXTRA_AT = np.uint64(EXTRA * LANES)
_FRAME_AT = np.uint64(FRAME * LANES)
_SECOND = LEVELS.index("second")
_AL, _AW = np.uint64(PAIR.index("al1")), np.uint64(PAIR.index("aw1"))
_RATE = np.uint64((PAIR.index("l1") - PAIR.index("al1")) * LANES)


def closed_form(operation: Operation, surface: bool) -> Callable[..., None]:
    """Result rows by the closed form."""
    index, finish = ALL_LEVELS.index(operation.level), operation.formula
    frame, extra_count = near_surface if surface else near, max(operation.extra, 1)
    if operation.level == "parameters":
        frame = near_parameters

    def closed_form(rows, nu, eps):
        for i in range(np.uint64(LANES)):
            pair = load(rows, i, PAIR_ROWS)
            extra = load(rows, _EXTRA_AT + i, extra_count)
            store(rows, _FRAME_AT + i, finish(pair, extra, frame(index, pair, number(nu), number(eps))))

    return closed_form


def whole(rows, nu, eps):
    """Frame rows of level "second" by the closed form."""
    for i in range(np.uint64(LANES)):
        pair = load(rows, i, PAIR_ROWS)
        store(rows, _FRAME_AT + i, near(_SECOND, pair, number(nu), number(eps)))


def corners(real: type) -> Callable[..., None]:
    """Frame rows of level "third" by the closed form, corner by corner so that the code stays small."""
    count = np.uint64(FRAME_ROWS["third"] * LANES)

    def corners(rows, nu, eps):
        for i in range(count):
            rows[_FRAME_AT + i] = real(0.0)
        for corner in range(4):
            right, upper = np.uint64(corner // 2), np.uint64(corner % 2)
            sign = real(1.0 if right == upper else -1.0)
            al, aw = (_AL + right) * np.uint64(LANES), (_AW + upper) * np.uint64(LANES)
            for i in range(np.uint64(LANES)):
                pair = load(rows, i, PAIR_ROWS)
                along = load(rows, _EXTRA_AT + i, DIRECTION)
                (edge_l,) = load(rows, al + i, 1)
                (edge_w,) = load(rows, aw + i, 1)
                (rate_l,) = load(rows, al + _RATE + i, 1)
                (rate_w,) = load(rows, aw + _RATE + i, 1)
                terms = near_corner_third(
                    pair, along, number(nu), number(eps), edge_l, edge_w, rate_l, rate_w
                )
                accumulate(rows, _FRAME_AT + i, terms, sign)

    return corners


def quadrature(level: str, surface: bool, real: type) -> Callable[..., None]:
    """Frame rows by quadrature with so many points along and across."""
    index, count = ALL_LEVELS.index(level), np.uint64(FRAME_ROWS[level] * LANES)
    usual = node_surface if surface and level != "second" else node
    formula = {"third": node_third, "parameters": node_parameters}.get(level, usual)

    def quadrature(rows, nu, along, across):
        for i in range(count):
            rows[_FRAME_AT + i] = real(0.0)
        for j in range(along):
            g = real(NODES[along, j])
            for k in range(across):
                h = real(NODES[across, k])
                weight = real(WEIGHTS[along, j] * WEIGHTS[across, k])
                for i in range(np.uint64(LANES)):
                    pair = load(rows, i, PAIR_ROWS)
                    way = load(rows, _EXTRA_AT + i, DIRECTION)
                    terms = formula(index, pair, way, number(nu), number(g), number(h), number(weight))
                    accumulate(rows, _FRAME_AT + i, terms, real(1.0))

    return quadrature


def finish(operation: Operation) -> Callable[..., None]:
    """Result rows in place of the frame's."""
    count, formula, extra_count = FRAME_ROWS[operation.level], operation.formula, max(operation.extra, 1)

    def finish(rows):
        for i in range(np.uint64(LANES)):
            pair = load(rows, i, PAIR_ROWS)
            extra = load(rows, _EXTRA_AT + i, extra_count)
            store(rows, _FRAME_AT + i, formula(pair, extra, load(rows, _FRAME_AT + i, count)))

    return finish


# Third derivatives are taken along the direction in the extra rows; to the others it means nothing.


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


@scalar
def near_parameters(level, pair, nu, eps):
    """`near_surface_parameters`, which is of one level."""
    return near_surface_parameters(pair, nu, eps)


@scalar
def node_parameters(level, pair, direction, nu, g, h, weight):
    """`far_node_parameters`, which is of one level."""
    return far_node_parameters(pair, nu, g, h, weight)


ALL_LEVELS = (*LEVELS, "third", "parameters")

_compiling = Lock()


def code_for(place: int, operation: Operation, surface: bool, native: Any) -> int:
    """Address of the code that `run` wants at `place` for numbers of type `native`; compiled if need be.

    Second derivatives include those with z and so have no shorter form for observers at the surface.
    """
    with _compiling:
        surface = surface and operation.fused
        if place == FAR:
            return _quadrature(operation.level, surface, native)
        if place == FINISH:
            return address(finish(operation), types.CPointer(native))
        if operation.fused:
            return address(closed_form(operation, surface), types.CPointer(native), native, native)
        return _frame(operation.level, native)


@cache
def _frame(level: str, native: Any) -> int:
    code = corners(real_type(native)) if level == "third" else whole
    return address(code, types.CPointer(native), native, native)


@cache
def _quadrature(level: str, surface: bool, native: Any) -> int:
    code = quadrature(level, surface, real_type(native))
    return address(code, types.CPointer(native), native, types.int64, types.int64)


@cache
def codes(operation: Operation, dtype: np.dtype) -> np.ndarray:
    """Addresses for `run`, 0 where there is no code yet: for observers anywhere, and at the surface."""
    return np.zeros((2, 3), np.int64)


def real_type(native: Any) -> type:
    """NumPy's name of a Numba float type."""
    return np.float64 if native is types.float64 else np.float32


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
        row = table_row(0, parameters, number(fa[j % len(fa)]), number(fb[j % len(fb)]), unit)
        for k in range(len(row)):
            table[j, k] = value(row[k])


@kernel
def fill_points(src, fa, fb, table):
    """Rows of `TABLE` of points."""
    for j in range(len(src)):
        place = (number(src[j, 0]), number(src[j, 1]), number(src[j, 2]))
        angles = (number(src[j, 3]), number(src[j, 4]), number(src[j, 5]))
        parameters = (*place, *angles, number(src[j, 6]), number(src[j, 7]), number(src[j, 8]))
        row = table_row(1, parameters, number(fa[j % len(fa)]), number(fb[j % len(fb)]), number(0.5))
        for k in range(len(row)):
            table[j, k] = value(row[k])


def source_rows(kind: str, src: np.ndarray, origin: tuple[Any, Any]) -> np.ndarray:
    """`source_table` by compiled code; an origin may be one for each source."""
    src = np.ascontiguousarray(src, np.float64)
    fa, fb = (np.asarray(f, np.float64).reshape(-1) for f in origin)
    table = np.empty((len(src), len(TABLE)))
    (fill_rectangles if kind == "rectangle" else fill_points)(src, fa, fb, table)
    return table


# -------------------------------------------------------------------------------------------- launch

# Up to this many pairs a call stays in the caller's thread, by the rows in the frame: to wake another one and
# to start a part there takes as long as some thousand pairs.
SERIAL = {
    "value": 1 << 14,
    "gradient": 1 << 13,
    "greens": 1 << 13,
    "greens_gradient": 1 << 12,
    "first": 1 << 12,
    "parameters": 1 << 12,
    "second": 1 << 10,
    "third": 1 << 9,
}
# Pairs between two looks at whether the call has been given up.
PIECE = 1 << 15

# Results of more bytes are written past the caches.
CACHED = 1 << 22

# What `run` takes: see there.
SINKS = 3
Part = tuple[int, int, int, int]
Sink = tuple[np.ndarray, np.ndarray, np.ndarray, int, int, bool, bool]
Sinks = tuple[Sink, ...]
Inputs = tuple[Any, Any]
Way = tuple[np.ndarray, np.ndarray, float, int]


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
        self.constants = (self.dtype.type(nu), self.dtype.type(8.0 * np.finfo(self.dtype).eps))
        self.paired = paired
        self.surface = bool(len(obs)) and at_surface(obs)
        self.pairs = len(obs) if paired else len(obs) * len(table)
        self.stopped = False

    def evaluate(self, operation: Operation, part: Part, inputs: Inputs, sinks: Sinks) -> None:
        """Evaluate the pairs of a part and put the results into the sinks."""
        code = codes(operation, self.dtype)[int(self.surface)]
        rows = FRAME + max(FRAME_ROWS[operation.level], operation.rows)
        work = (
            np.empty(rows * LANES, self.dtype),
            np.empty(max(len(sink[1]) for sink in sinks) * LANES, self.dtype),
            np.empty(CHUNK, np.int64),
            np.empty((ROOM * LANES, 2), np.int64),
            np.empty((ROOM, 3), np.int64),
        )
        rules = (REACH[self.dtype], *SWITCH[self.dtype])
        geometry = (self.obs, self.table, self.paired)
        pairs = (part[1] - part[0]) * (1 if self.paired else part[3] - part[2])
        start = 0
        while start < pairs and not self.stopped:
            stop = min(start + PIECE, pairs)
            start, missing = run(
                geometry,
                part,
                start,
                stop,
                rules,
                code,
                operation.fused,
                self.constants,
                *inputs,
                sinks,
                work,
            )
            if missing >= 0:
                code[missing] = code_for(missing, operation, self.surface, from_dtype(self.dtype))

    def stop(self) -> None:
        """Let `evaluate` end early."""
        self.stopped = True

    def parts(self, threads: int | None, operation: Operation) -> list[list[Part]]:
        """Parts of the work, in groups by sources; two parts of a group share no observer."""
        n, m = len(self.obs), len(self.table)
        threads, serial = threads or default_threads(), SERIAL[operation.level]
        if self.pairs <= serial or threads == 1:
            return [[(0, n, 0, n if self.paired else m)]]
        # few parts of small work: each costs the interpreter's time, which threads cannot share
        wanted = max(threads, min(4 * threads, self.pairs // (2 * serial)))
        rows = min(wanted, -(-n // LANES)) or 1
        columns = 1 if self.paired else min(-(-wanted // rows), m) or 1
        edges = _edges(n, rows)
        if self.paired:
            return [[(i0, i1, i0, i1) for i0, i1 in edges]]
        return [[(i0, i1, j0, j1) for i0, i1 in edges] for j0, j1 in _edges(m, columns)]

    def shares(self, part: Part) -> bool:
        """Whether several pairs of a part have the same observer."""
        return not self.paired and part[3] - part[2] != 1


@kernel
def at_surface(obs):
    """Whether all observers have z = 0."""
    for i in range(len(obs)):
        if obs[i, 2] != 0.0:
            return False
    return True


def _edges(n: int, parts: int) -> list[tuple[int, int]]:
    cuts = [n * k // parts for k in range(parts + 1)]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def _launch(
    problem: Problem,
    operation: Operation,
    sinks: Callable[[int, int, Part], list[Sink]],
    threads: int | None,
    inputs: Inputs | None = None,
) -> None:
    """Run all parts; ``sinks(group, k, part)`` are part k's of a group, made in the thread that runs it."""
    threads = threads or default_threads()
    given = inputs or _uncontracted(problem.dtype)

    def evaluate(group: int, k: int, part: Part) -> None:
        wanted = sinks(group, k, part)
        full = (*wanted, *[_no_sink(problem.dtype)] * (SINKS - len(wanted)))
        problem.evaluate(operation, part, given, full)

    jobs = [
        (group, k, part)
        for group, parts in enumerate(problem.parts(threads, operation))
        for k, part in enumerate(parts)
    ]
    if problem.pairs:
        share(evaluate, jobs, threads, problem.stop)


def sink(out: np.ndarray, index: Any, to: Any, by_observer: int, by_source: int, add: bool = True) -> Sink:
    """Where result rows `index` go: elements `to` after so many numbers for each observer and each source.

    `out` must be C-contiguous. What the caches can't hold goes past them.
    """
    index, to = _whole(index), _whole(to)
    streamed = out.nbytes > CACHED and not add and out.ctypes.data % out.itemsize == 0
    streamed = streamed and np.array_equal(to, np.arange(by_observer))
    return out.reshape(-1), index, to, by_observer, by_source, add, streamed


@cache
def _no_sink(dtype: np.dtype) -> Sink:
    return sink(np.empty(0, dtype), (), (), 0, 0)


def _whole(numbers: Any) -> np.ndarray:
    return np.ascontiguousarray(numbers, np.int64).reshape(-1)


def contracted(
    dtype: Any, cot: np.ndarray | None = None, column: int = 0, at: int = 0, ways: Sequence[Way] = ()
) -> Inputs:
    """What a result is contracted with: `cot` of observers (column 0) or sources (1) from extra row `at` on.

    `ways` are tangents: of observers, of sources in the columns of `VARIABLES`, of nu, and their extra row.
    """
    if cot is None:
        cot = np.empty((0, 0), dtype)
    nothing = (np.empty((0, 3), dtype), np.empty((0, 11), dtype), 0.0, 0)
    full = [*ways, *[nothing] * (2 - len(ways))]
    return (
        (np.ascontiguousarray(cot), EXTRA + at, column),
        tuple((np.ascontiguousarray(o), s, float(v), EXTRA + row) for o, s, v, row in full),
    )


@cache
def _uncontracted(dtype: np.dtype) -> Inputs:
    return contracted(dtype)


def _observer_sums(
    problem: Problem,
    operation: Operation,
    first_row: int,
    outs: Sequence[np.ndarray],
    threads: int | None,
    inputs: Inputs | None = None,
) -> None:
    """Consecutive result rows added up over the sources, into arrays (n, ...) that share them."""
    groups = len(problem.parts(threads, operation))
    n = len(problem.obs)
    widths = [math.prod(out.shape[1:]) for out in outs]
    sums = [out.reshape(1, n, width) for out, width in zip(outs, widths, strict=True)]
    if groups > 1:
        sums = [np.empty((groups, n, width), problem.dtype) for width in widths]
    begins = [first_row + sum(widths[:k]) for k in range(len(widths))]

    @cache
    def made(group, add):
        return [
            sink(each[group], np.arange(begin, begin + width), np.arange(width), width, 0, add)
            for each, begin, width in zip(sums, begins, widths, strict=True)
        ]

    def sinks(group, k, part):
        add = problem.shares(part)
        if add:
            for each in sums:
                each[group, part[0] : part[1]] = 0.0
        return made(group, add)

    if not problem.pairs:
        for each in sums:
            each[...] = 0.0
    _launch(problem, operation, sinks, threads, inputs)
    if groups > 1:
        for each, out in zip(sums, outs, strict=True):
            np.sum(each, axis=0, out=out.reshape(each.shape[1:]))


def _source_sums(problem: Problem, operation: Operation, threads: int | None, inputs: Inputs) -> np.ndarray:
    """Four result rows added up over the observers, shape (m, 4)."""
    parts = max(len(group) for group in problem.parts(threads, operation))
    sums = np.zeros((parts, len(problem.table), 4), problem.dtype)
    rows = np.arange(4)
    _launch(problem, operation, lambda group, k, part: [sink(sums[k], rows, rows, 0, 4)], threads, inputs)
    return sums.sum(axis=0)


def _gradient_sums(
    problem: Problem, operation: Operation, rows: dict[str, np.ndarray], threads: int | None, inputs: Inputs
) -> dict[str, np.ndarray]:
    """A gradient added up over the pairs: by "obs" (n, 3), by "src" (m, P), by "nu" (1, 1).

    `rows` tells the result rows of each that is wanted.
    """
    groups = problem.parts(threads, operation)
    parts, n, m = max(len(group) for group in groups), len(problem.obs), len(problem.table)
    # By observer for each group, by source for each part of a group, by nu for each part.
    apart = {"obs": (len(groups), 1, n), "src": (1, parts, m), "nu": (len(groups), parts, 1)}
    sums = {name: np.zeros((*apart[name], len(index)), problem.dtype) for name, index in rows.items()}

    def sinks(group, k, part):
        found = []
        for name, index in rows.items():
            out = sums[name][group % apart[name][0], k % apart[name][1]]
            widths = {"obs": (len(index), 0), "src": (0, len(index)), "nu": (0, 0)}[name]
            add = name != "obs" or problem.shares(part)
            found.append(sink(out, index, np.arange(len(index)), *widths, add))
        return found

    _launch(problem, operation, sinks, threads, inputs)
    return {
        name: each[0, 0] if each.shape[:2] == (1, 1) else each.sum(axis=(0, 1)) for name, each in sums.items()
    }


def _kept(
    problem: Problem, operation: Operation, index: np.ndarray, to: np.ndarray, widths: tuple[int, int],
    out: np.ndarray, threads: int | None, inputs: Inputs | None = None,
) -> None:  # fmt: skip
    """Write result rows `index` of every pair to places `to`, `widths` apart for each observer and source."""
    wanted = [sink(out, index, to, *widths, False)]
    _launch(problem, operation, lambda group, k, part: wanted, threads, inputs)


# ---------------------------------------------------------------------------------------- operations


def _problem(kind, obs, src, nu, origin, paired) -> Problem:
    return Problem(obs, source_rows(kind, src, origin), nu, paired)


def _sums(problem, operation, first_row, count, out, threads, inputs=None):
    """Result rows added up over the sources, (n, count), in `out` if given."""
    if out is None:
        out = np.empty((len(problem.obs), count), problem.dtype)
    _observer_sums(problem, operation, first_row, (out,), threads, inputs)
    return out


def field(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Displacement (n, 3) or its gradient (n, 9), summed over the sources."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _sums(problem, FIELD[of], *FIELD_ROWS[of], out, threads)


def field_both(kind, obs, src, nu, origin, pairs, out=None, threads=None):
    """Displacement and gradient in one pass, (n, 12); `out` may be two arrays, (n, 3) and (n, 3, 3)."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    if out is None:
        out = np.empty((len(obs), 12), problem.dtype)
    _observer_sums(problem, GRADIENT, 0, out if isinstance(out, tuple) else (out,), threads)
    return out


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
    return _sums(Problem(obs, table, nu, True), GRADIENT, 0, 12, None, threads)


def apply(kind, obs, src, nu, origin, of, s, threads=None):
    """Greens' functions times slip components `s` (m, B), without the matrix: (n, 3) or (n, 9)."""
    table = source_rows(kind, src, origin)
    components = np.zeros((len(table), 4))
    components[:, : s.shape[1]] = s
    components[:, 0] *= table[:, TABLE.index("turn")]
    at = TABLE.index("u1")
    table[:, at : at + 4] = components
    return _sums(Problem(obs, table, nu, False), FIELD[of], *FIELD_ROWS[of], None, threads)


def apply_adjoint(kind, obs, src, nu, origin, of, r, threads=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip components (m, B)."""
    problem = _problem(kind, obs, src, nu, origin, False)
    return _source_sums(problem, ADJOINT[of], threads, contracted(problem.dtype, r))[
        :, : SLIP_COMPONENTS[kind]
    ]


def greens(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Response to unit slip components: (n, c, m, B), or (n, c, B) for pairs."""
    count, slips = COMPONENTS[of], SLIP_COMPONENTS[kind]
    index = np.arange(count)[:, None] + count * np.arange(slips)[None, :]
    return _pairwise(_problem(kind, obs, src, nu, origin, pairs), GREENS[of], index, (slips,), out, threads)


def jacobian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Derivatives with the source's parameters: (n, c, m, P), or (n, c, P) for pairs."""
    operation, index = JACOBIAN[kind, of]
    problem = _problem(kind, obs, src, nu, origin, pairs)
    return _pairwise(problem, operation, index, (index.shape[1],), out, threads)


def hessian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Second derivatives with the source's parameters: (n, c, m, P, P), or (n, c, P, P) for pairs."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    trailing = (len(PARAMETERS[kind]),) * 2
    if of == "displacement":
        # observers at the surface do without derivatives with z
        level = "parameters" if problem.surface else "second"
        return _pairwise(problem, *HESSIANS[kind, level], trailing, out, threads)
    operation, index = HESSIANS[kind, "third"]
    n, m = len(problem.obs), 1 if pairs else len(problem.table)
    if out is None:
        out = np.empty((n, 9, *(() if pairs else (m,)), *trailing), problem.dtype)
    fixed = np.zeros((len(problem.table), 11), problem.dtype)
    for j, axis in enumerate(np.eye(3, dtype=problem.dtype)):
        inputs = contracted(problem.dtype, ways=[(np.zeros_like(obs) + axis, fixed, 0.0, 0)])
        to, widths = _places(problem, 3 * np.arange(3) + j, 9, index.shape[1])
        _kept(problem, operation, index, to, widths, out, threads, inputs)
    return out


def vjp(kind, obs, src, nu, origin, of, pairs, cot, wanted=WANTED, threads=None):
    """Gradient of ``sum(cot * field)`` with observers (n, 3), parameters (m, P) and nu.

    None for those which are not `wanted`: to leave out the observers saves the derivatives with z.
    """
    problem = _problem(kind, obs, src, nu, origin, pairs)
    operation, rows = vjp_of(kind, of, wanted)
    found = _gradient_sums(problem, operation, rows, threads, contracted(problem.dtype, cot))
    of_nu = float(found["nu"].item()) if "nu" in found else None
    return found.get("obs"), found.get("src"), of_nu


def jvp(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, t_nu, threads=None):
    """Derivative of `field` along tangents of observers (n, 3), parameters (m, P) and nu."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    ways = [(t_obs, _all_variables(kind, t_src), t_nu, 0)]
    return _sums(problem, JVP[of], 0, COMPONENTS[of], None, threads, contracted(problem.dtype, ways=ways))


def vjp2(kind, obs, src, nu, origin, of, pairs, cot, t_obs, t_src, threads=None):
    """Gradient of ``sum(cot * jvp(t))`` with observers (n, 3) and parameters (m, P); tangents held fixed."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    of_cot, of_tangent = (0, 3) if of == "displacement" else (13, 0)
    ways = [(t_obs, _all_variables(kind, t_src), 0.0, of_tangent)]
    inputs = contracted(problem.dtype, cot, at=of_cot, ways=ways)
    rows = {"obs": VJP2[of].rows - 3 + np.arange(3), "src": np.array(PARAMETERS[kind])}
    found = _gradient_sums(problem, VJP2[of], rows, threads, inputs)
    return found["obs"], found["src"]


def jvp2(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None):
    """Second derivative of `field` along two tangents."""
    problem = _problem(kind, obs, src, nu, origin, pairs)
    ways = [
        (t_obs, _all_variables(kind, t_src), 0.0, 0),
        (s_obs, _all_variables(kind, s_src), 0.0, DIRECTION),
    ]
    return _sums(problem, JVP2[of], 0, COMPONENTS[of], None, threads, contracted(problem.dtype, ways=ways))


def _all_variables(kind: str, t_src: np.ndarray) -> np.ndarray:
    """Tangents of a source's parameters in the columns of `VARIABLES` up to the inflation."""
    full = np.zeros((len(t_src), 11), t_src.dtype)
    full[:, PARAMETERS[kind]] = t_src
    return full


def _places(problem: Problem, components: np.ndarray, count: int, size: int) -> tuple[np.ndarray, tuple]:
    """Where `size` numbers of each of `components` out of `count` lie in an array (n, count, m, size).

    They are relative to the second result: numbers for each observer and for each source.
    """
    m = 1 if problem.paired else len(problem.table)
    widths = (count * m * size, 0 if problem.paired else size)
    return components[:, None] * m * size + np.arange(size), widths


def _pairwise(problem: Problem, operation, index, trailing, out, threads):
    """Fill the output of an operation on every pair, which is made if there is none."""
    n, m = len(problem.obs), len(problem.table)
    count, size = index.shape
    if out is None:
        out = np.empty((n, count, *(() if problem.paired else (m,)), *trailing), problem.dtype)
    to, widths = _places(problem, np.arange(count), count, size)
    _kept(problem, operation, index, to, widths, out, threads)
    return out
