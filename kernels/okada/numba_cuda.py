"""Okada's dislocations on CUDA devices: the formulas of the CPU, compiled for the device by Numba.

A thread computes one pair (`greens`, `jacobian`, `hessian`), or the sum over the sources at one observer, or
that over the observers for one source. Long sums are cut into interleaved parts with a thread each, and these
are added in a fixed order: no atomics, the same numbers in every run. Nothing waits for the device, and no
result goes through the host.

The functions have the signatures of `numba_cpu`, with `stream` in addition. Arrays are C-contiguous, of one
dtype and on Numba's current device: CuPy arrays, torch tensors that do not require a gradient, or Numba's
device arrays; the results are of the same kind. ``threads`` belongs to the common signature and is not used.
`stream` is a stream of Numba, CuPy or torch, or its address; by default it is torch's current stream for
tensors, and otherwise CuPy's current stream where CuPy is imported, else the default stream.

Kernels are compiled when they are first needed, for one operation, kind of source and dtype each.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import cuda
from numba.core import cgutils, imputils, types
from numba.core.typing import templates

from dislok.kernels.cpu import fingerprint
from dislok.kernels.scalar import ZERO, JetType, absolute, maximum, number, scalar, value
from dislok.kernels.scalar.lane import FORMATS

from . import pair as formulas
from .pair import FRAME_ROWS, HESSIAN, LEVELS, NU, PAIR, VARIABLES, X, Y, Z, far_node, near_corner, packed
from .sources import (
    COMPONENTS,
    KINDS,
    LENGTH_ROWS,
    NODES,
    PARAMETERS,
    REACH,
    RULES,
    SLIP_COMPONENTS,
    SWITCH,
    TABLE,
    WEIGHTS,
    WIDTH_OF_TABLE,
    largest_side,
    method_code,
    table_row,
)

Array = Any
THREADS = 128  # of a block
# Threads worth starting: sums of fewer are cut into parts.
PARALLEL = 1 << 16
# Parts into which the sum over all pairs (of the derivative with nu) is cut.
LAST_PARTS = 1024

# ------------------------------------------------------------------------- arrays and tuples of numbers
#
# Plain Python, which the simulator runs; compiled code gets loads and stores at constant distances, which
# leave small local arrays in registers.


def load(array, at, count):
    """`count` numbers from element `at` on; `count` is known when the code is compiled."""
    return tuple(array[at + k] for k in range(count))


def store(array, at, jump, row, numbers):
    """Write a tuple in rows of `row` numbers (known when the code is compiled) that begin `jump` apart."""
    for k, x in enumerate(numbers):
        array[at + (k // row) * jump + k % row] = x


def clear(array, count):
    """Set the first `count` elements (known when the code is compiled) to zero."""
    for k in range(count):
        array[k] = 0.0


def accumulate(array, numbers, sign):
    """Add `sign` times a tuple to the first elements of an array."""
    for k, x in enumerate(numbers):
        array[k] += sign * x


def reciprocal_scale(length):
    """The largest power of two by which a positive `length` stays below 1; 1 for zero."""
    return type(length)(math.ldexp(1.0, -math.frexp(length)[1]))


def _load_type(array, at, count):
    if not isinstance(count, types.IntegerLiteral):
        return None
    return types.UniTuple(JetType(array.dtype.bitwidth), count.literal_value)


def _load_code(context, builder, signature, args):
    parts = [
        builder.load(_element(context, builder, signature, args, k))
        for k in range(signature.return_type.count)
    ]
    return cgutils.pack_array(builder, parts)


def _store_type(array, at, jump, row, numbers):
    return types.none if isinstance(row, types.IntegerLiteral) else None


def _store_code(context, builder, signature, args):
    _, at, jump, row, _ = args
    length = signature.args[3].literal_value
    for k in range(len(signature.args[4])):
        start = builder.add(at, builder.mul(jump, ir.Constant(at.type, k // length)))
        place = _element(context, builder, signature, (args[0], start), k % length)
        builder.store(builder.extract_value(args[4], k), place)
    return context.get_dummy_value()


def _clear_type(array, count):
    return types.none if isinstance(count, types.IntegerLiteral) else None


def _clear_code(context, builder, signature, args):
    begin = ir.Constant(ir.IntType(64), 0)
    for k in range(signature.args[1].literal_value):
        place = _element(context, builder, signature, (args[0], begin), k)
        builder.store(ir.Constant(place.type.pointee, 0.0), place)
    return context.get_dummy_value()


def _accumulate_type(array, numbers, sign):
    return types.none


def _accumulate_code(context, builder, signature, args):
    flags = ("contract", "nsz")
    begin = ir.Constant(ir.IntType(64), 0)
    for k in range(len(signature.args[1])):
        place = _element(context, builder, signature, (args[0], begin), k)
        term = builder.fmul(args[2], builder.extract_value(args[1], k), flags=flags)
        builder.store(builder.fadd(builder.load(place), term, flags=flags), place)
    return context.get_dummy_value()


def _reciprocal_scale_type(length):
    return length if isinstance(length, types.Float) else None


def _reciprocal_scale_code(context, builder, signature, args):
    fmt = FORMATS[signature.return_type.bitwidth]
    exponent = ((1 << fmt.bits - 1) - 1) >> fmt.mantissa << fmt.mantissa
    # with E the exponent's field, length < 2^(E + 1 - bias)
    field = builder.and_(builder.bitcast(args[0], fmt.integer), fmt.integer(exponent))
    scale = builder.bitcast(builder.sub(fmt.integer((2 * fmt.bias - 1) << fmt.mantissa), field), fmt.type)
    return builder.select(builder.icmp_unsigned("==", field, fmt.integer(0)), fmt.type(1.0), scale)


def _element(context: Any, builder: Any, signature: Any, args: Any, k: int) -> Any:
    """Pointer to element ``args[1] + k`` of the array ``args[0]``."""
    array = context.make_array(signature.args[0])(context, builder, value=args[0])
    start = builder.gep(array.data, [args[1]], inbounds=True)
    return builder.gep(start, [ir.Constant(ir.IntType(64), k)], inbounds=True)


def _bind(function: Callable, typer: Callable, code: Callable) -> None:
    """Give compiled code an implementation of a Python function; indices become 64-bit integers."""

    def generic(self: Any, args: Any, kws: Any) -> Any:
        result = typer(*args)
        if result is None:
            return None
        wide = [types.int64 if ty in types.integer_domain else ty for ty in args]
        return templates.signature(result, *wide)

    members = {"key": function, "generic": generic, "prefer_literal": True}
    template = type(f"Device_{function.__name__}", (templates.AbstractTemplate,), members)
    templates.builtin_registry.register_global(function, types.Function(template))
    imputils.builtin_registry.lower(function, types.VarArg(types.Any))(code)


_bind(load, _load_type, _load_code)
_bind(store, _store_type, _store_code)
_bind(reciprocal_scale, _reciprocal_scale_type, _reciprocal_scale_code)
_bind(clear, _clear_type, _clear_code)
_bind(accumulate, _accumulate_type, _accumulate_code)

# ------------------------------------------------------------------------------- what a thread computes


class Recipe(NamedTuple):
    """What is computed of a pair, and to whom it belongs.

    Parameters
    ----------
    kind : str
    by : {"pair", "observer", "source"}
        A thread writes the result of a pair, or the sum of an observer or of a source.
    level : str
        Rows in the frame that the result is made of.
    formula : callable
        Result rows from the pair, what it is contracted with, and the rows in the frame.
    pick : callable
        The numbers that are kept, from the result rows.
    count : int
        How many they are.
    row : int
        How many of them lie side by side; the rest of a sum goes to the end of the array.
    cot, tangents : int
        Numbers of an observer that the result is contracted with, and tangents of observers and sources.
    """

    kind: str
    by: str
    level: str
    formula: Callable
    pick: Callable
    count: int
    row: int
    cot: int = 0
    tangents: int = 0


def _recipe(kind, by, level, formula, rows, row=None, cot=0, tangents=0) -> Recipe:
    """The recipe that keeps the result rows `rows`."""
    rows = list(rows)

    def pick(numbers):
        return [numbers[k] for k in rows]

    return Recipe(kind, by, level, formula, pick, len(rows), row or len(rows), cot, tangents)


def _by_observer(recipe: Recipe) -> Recipe:
    """The recipe that keeps a gradient's derivatives with the observer's coordinates."""

    def pick(numbers):
        return [-numbers[X], -numbers[Y], numbers[Z]]

    return recipe._replace(by="observer", pick=pick, count=3, row=3)


def _displacements(kind: str) -> dict[str, Recipe]:
    """Recipes of what is done with the displacement."""
    columns, slips = PARAMETERS[kind], SLIP_COMPONENTS[kind]
    first = len(VARIABLES)
    greens = [c + 3 * b for c in range(3) for b in range(slips)]
    jacobian = [3 + first * c + v for c in range(3) for v in columns]
    both = [packed(a, b) for a in columns for b in columns]
    hessian = [42 + HESSIAN * c + k for c in range(3) for k in both]
    vjp = _recipe(kind, "source", "first", formulas.pair_vjp, (*columns, NU), len(columns), cot=3)
    vjp2 = _recipe(kind, "source", "second", formulas.pair_vjp2, columns, cot=3, tangents=1)
    return {
        "field": _recipe(kind, "observer", "value", formulas.pair_value, range(3)),
        "greens": _recipe(kind, "pair", "greens", formulas.pair_greens, greens, slips),
        "adjoint": _recipe(kind, "source", "greens", formulas.pair_adjoint, range(slips), cot=3),
        "jacobian": _recipe(kind, "pair", "first", formulas.pair_first, jacobian, len(columns)),
        "hessian": _recipe(kind, "pair", "second", formulas.pair_second, hessian, len(both)),
        "jvp": _recipe(kind, "observer", "first", formulas.pair_jvp, range(3), tangents=1),
        "jvp2": _recipe(kind, "observer", "second", formulas.pair_jvp2, range(3), tangents=2),
        "vjp_source": vjp,
        "vjp_observer": _by_observer(vjp),
        "vjp2_source": vjp2,
        "vjp2_observer": _by_observer(vjp2),
    }


def _gradients(kind: str) -> dict[str, Recipe]:
    """Recipes of what is done with the displacement's gradient."""
    columns, slips = PARAMETERS[kind], SLIP_COMPONENTS[kind]
    greens = [c + 9 * b for c in range(9) for b in range(slips)]
    jacobian = [len(VARIABLES) * c + v for c in range(9) for v in columns]
    vjp = _recipe(kind, "source", "second", formulas.pair_vjp_gradient, (*columns, NU), len(columns), cot=9)
    return {
        "field": _recipe(kind, "observer", "gradient", formulas.pair_gradient, range(3, 12)),
        "greens": _recipe(kind, "pair", "greens_gradient", formulas.pair_greens_gradient, greens, slips),
        "adjoint": _recipe(
            kind, "source", "greens_gradient", formulas.pair_adjoint_gradient, range(slips), cot=9
        ),
        "jacobian": _recipe(kind, "pair", "second", formulas.pair_jacobian_gradient, jacobian, len(columns)),
        "jvp": _recipe(kind, "observer", "second", formulas.pair_jvp_gradient, range(9), tangents=1),
        "vjp_source": vjp,
        "vjp_observer": _by_observer(vjp),
    }


def _all_recipes() -> dict[tuple[str, str, str], Recipe]:
    """Recipes by (operation, of, kind)."""
    recipes = {}
    for kind in KINDS:
        both = _recipe(kind, "observer", "gradient", formulas.pair_gradient, range(12))
        families = {
            "displacement": _displacements(kind),
            "gradient": _gradients(kind),
            "both": {"field": both},
        }
        for of, family in families.items():
            recipes |= {(name, of, kind): recipe for name, recipe in family.items()}
    return recipes


RECIPES = _all_recipes()
# Compiled code names a recipe by its place.
NAMES = tuple(RECIPES)


def tangent(kind, of_observer, of_source, of_nu):
    """Tangent in `VARIABLES` of a pair, from those of the observer, the source's parameters and nu."""
    full = [ZERO] * len(VARIABLES)
    for v, x in zip(PARAMETERS[kind], of_source, strict=True):
        full[v] = x
    full[X] = full[X] - of_observer[0]
    full[Y] = full[Y] - of_observer[1]
    full[Z], full[NU] = of_observer[2], of_nu
    return full


@scalar
def outcome(place, pair, frame, cot, t_obs, t_src, s_obs, s_src, t_nu):
    """The numbers that a recipe keeps of a pair."""
    recipe = RECIPES[NAMES[place]]
    extra = list(cot[: recipe.cot])
    if recipe.tangents > 0:
        extra += tangent(recipe.kind, t_obs, t_src, t_nu)
    if recipe.tangents > 1:
        extra += tangent(recipe.kind, s_obs, s_src, ZERO)
    return recipe.pick(recipe.formula(pair, extra, frame))


@scalar
def closed_form(level, surface, pair, nu, eps):
    """Rows in the frame of a rectangle."""
    return (formulas.near_surface if surface else formulas.near)(level, pair, nu, eps)


# --------------------------------------------------------------------------------- geometry of a pair

AL, AW, RATE, UNIT = (TABLE.index(name) for name in ("al1", "aw1", "l1", "unit"))
RATE -= AL
_LENGTHS = frozenset(int(k) for k in LENGTH_ROWS)


def entries(row, *names):
    """Columns of a row of the table of sources."""
    return [row[TABLE.index(name)] for name in names]


@scalar
def method(bits, row, place):
    """`method_code` of a pair, computed with the source's unit of length so that squares stay in range."""
    dtype = np.dtype(f"f{bits // 8}")
    x, y, cx, cy, unit = entries(row, "x", "y", "centre_x", "centre_y", "unit")
    depth, a, b = (unit * x for x in entries(row, "centre_depth", "half_length", "half_width"))
    east, north = unit * (place[0] - (x + cx)), unit * (place[1] - (y + cy))
    z = unit * place[2]
    up = z + depth
    switch, amplification = SWITCH[dtype]
    reach = [float(r) for r in REACH[dtype]]
    largest = maximum(a, b)
    near, far = reach[7] * largest, switch * largest
    limit = (4.0 * amplification) * (a * b)
    r2 = east * east + north * north + up * up
    return method_code(r2, depth - z, near * near, far * far, limit, a, b, reach)


@scalar
def distance(row, place):
    """The largest difference in a coordinate between the observer and the reference point or its image."""
    x, y, depth = entries(row, "x", "y", "depth")
    level = maximum(absolute(place[0] - x), absolute(place[1] - y))
    return maximum(level, depth - place[2])


@scalar
def pair_of(row, place, unit):
    """The numbers of `PAIR`, lengths times `unit`."""
    numbers = [place[0] - row[0], place[1] - row[1], place[2], *row[2 : len(PAIR) - 1]]
    return [unit * x if k in _LENGTHS else unit if PAIR[k] == "unit" else x for k, x in enumerate(numbers)]


# ------------------------------------------------------------------------------------------- kernels
#
# Made by functions, once for each recipe and dtype; what differs is known when they are compiled.


def _compiled(function: Callable) -> Any:
    """Kernel from a function; machine code is kept on disk, for these sources only."""
    try:
        dispatcher = cuda.jit(cache=True)(function)
    except RuntimeError:  # no folder to keep machine code in
        return cuda.jit(function)
    store_of_code = getattr(dispatcher, "_cache", None)  # the simulator has none
    if store_of_code is not None:
        store_of_code._cache_file._source_stamp = fingerprint()
    return dispatcher


@cache
def prepare_kernel(kind: str, slips: int) -> Any:
    """Kernel that makes the table of sources, one thread each; `slips` components replace their own."""
    which, parameters = KINDS.index(kind), len(PARAMETERS[kind])
    width, first_slip = WIDTH_OF_TABLE, TABLE.index("u1")

    def prepare(src, own, fa, fb, count, table):
        j = cuda.grid(1)
        if j < count:
            given = load(src, j * parameters, parameters)
            unit = reciprocal_scale(value(largest_side(which, given)))
            row = table_row(which, given, number(fa), number(fb), number(unit))
            store(table, j * width, 0, width, row)
            if slips:
                components = own_slips(row, load(own, j * slips, slips))
                store(table, j * width + first_slip, 0, 4, components)

    return _compiled(prepare)


@scalar
def own_slips(row, slips):
    """Columns u1 to u4 of the table for given slip components."""
    (turn,) = entries(row, "turn")
    return [turn * slips[0], *slips[1:], *[0.0 * turn] * (4 - len(slips))]


@cache
def operation_kernel(place: int, bits: int) -> Any:
    """Kernel of the recipe with this place in `NAMES`, for float32 or float64.

    A thread writes one pair, or sums every `parts`-th pair of its owner, an observer or a source.
    """
    recipe = RECIPES[NAMES[place]]
    real = np.dtype(f"f{bits // 8}").type
    level, rows, count, length = (
        LEVELS.index(recipe.level),
        FRAME_ROWS[recipe.level],
        recipe.count,
        recipe.row,
    )
    second, rectangle = recipe.level == "second", recipe.kind == "rectangle"
    each, by_source = recipe.by == "pair", recipe.by == "source"
    kept = 1 if each else count
    cots, parameters = recipe.cot, len(PARAMETERS[recipe.kind])
    obs_t, src_t, obs_s, src_s = (n * (recipe.tangents > k) for k in (0, 1) for n in (3, parameters))
    # what a recipe does not need is loaded from the first elements, and dropped by the compiler
    loads = [max(n, 1) for n in (cots, obs_t, src_t, obs_s, src_s)]
    load_cot, load_obs_t, load_src_t, load_obs_s, load_src_s = loads
    nodes, weights, rules = NODES.astype(real), WEIGHTS.astype(real), RULES
    eps, width = real(8.0 * np.finfo(real).eps), WIDTH_OF_TABLE

    def okada(
        obs, table, cot, t_obs, t_src, s_obs, s_src, nu, t_nu, tasks, owners, others, parts, paired, out
    ):
        t = cuda.grid(1)
        if t >= tasks:
            return
        one = real(1)
        node, weight_of, rule = (
            cuda.const.array_like(nodes),
            cuda.const.array_like(weights),
            cuda.const.array_like(rules),
        )
        frame = cuda.local.array(rows, real)
        total = cuda.local.array(kept, real)
        clear(total, kept)
        if each:
            owner = t if paired else t // others
            begin = t if paired else t % others
            end = begin + 1
        else:
            owner = t % owners
            begin = owner if paired else t // owners
            end = begin + 1 if paired else others
        for other in range(begin, end, parts):
            i, j = owner, other
            if by_source:
                i, j = other, owner
            row = load(table, j * width, width)
            observer = load(obs, i * 3, 3)
            code = 1
            if rectangle:
                code = int(value(method(bits, row, observer)))
            unit = value(row[UNIT])
            if code > 0:
                unit = reciprocal_scale(value(distance(row, observer)))
            pair = pair_of(row, observer, number(unit))
            if code > 0:
                clear(frame, rows)
                along, across = rule[(code - 1) // 8], rule[(code - 1) % 8]
                for a in range(along):
                    for b in range(across):
                        weight = weight_of[along, a] * weight_of[across, b]
                        g, h = node[along, a], node[across, b]
                        terms = far_node(level, pair, number(nu), number(g), number(h), number(weight))
                        accumulate(frame, terms, one)
            elif rectangle:
                if second:
                    clear(frame, rows)
                    for corner in range(4):
                        right, upper = corner // 2, corner % 2
                        sign = one if right == upper else -one
                        at_l, at_w = j * width + AL + right, j * width + AW + upper
                        al, aw = (
                            number(unit) * load(table, at_l, 1)[0],
                            number(unit) * load(table, at_w, 1)[0],
                        )
                        rate_l, rate_w = load(table, at_l + RATE, 1)[0], load(table, at_w + RATE, 1)[0]
                        terms = near_corner(pair, number(nu), number(eps), al, aw, rate_l, rate_w)
                        accumulate(frame, terms, sign)
                elif observer[2] == 0.0:
                    store(frame, 0, 0, rows, closed_form(level, 1, pair, number(nu), number(eps)))
                else:
                    store(frame, 0, 0, rows, closed_form(level, 0, pair, number(nu), number(eps)))
            numbers = outcome(
                place,
                pair,
                load(frame, 0, rows),
                load(cot, i * cots, load_cot),
                load(t_obs, i * obs_t, load_obs_t),
                load(t_src, j * src_t, load_src_t),
                load(s_obs, i * obs_s, load_obs_s),
                load(s_src, j * src_s, load_src_s),
                number(t_nu),
            )
            if each:
                columns = 1 if paired else others
                first = begin if not paired else 0
                components = count // length
                store(out, (owner * components * columns + first) * length, columns * length, length, numbers)
            else:
                accumulate(total, numbers, one)
        if not each:
            # what does not fit in a row lies behind all rows
            store(out, t * length, (tasks - t) * length + t, length, load(total, 0, kept))

    return _compiled(okada)


@cache
def total_kernel() -> Any:
    """Kernel that adds up every `out.size`-th number of a part of an array, a thread for each."""

    def total(numbers, begin, end, out):
        k = cuda.grid(1)
        if k < out.size:
            add = out.dtype.type(0)
            for at in range(begin + k, end, out.size):
                add += numbers[at]
            out[k] = add

    return _compiled(total)


# -------------------------------------------------------------------------------------------- launch


def framework_of(array: Array) -> str:
    """Name of the package that an array comes from."""
    return type(array).__module__.partition(".")[0]


def flat(array: Array) -> Any:
    """One-dimensional view of a C-contiguous array on the device; it waits for nothing."""
    if not getattr(array, "__cuda_ndarray__", False):
        # the work is on the array's own stream: synchronising, which is the default here, would stop the host
        array = cuda.as_cuda_array(array, sync=False)
    return array.reshape(array.size)


def current_stream(array: Array) -> Any:
    """The stream that work on an array belongs to."""
    if framework_of(array) == "torch":
        import torch

        return torch.cuda.current_stream(array.device)
    cupy = sys.modules.get("cupy")
    return cupy.cuda.get_current_stream() if cupy is not None else 0


def stream_for_numba(stream: Any) -> Any:
    """A stream of any package, or its address, as one of Numba's."""
    if hasattr(stream, "__cuda_stream__"):
        stream = stream.__cuda_stream__()[1]
    elif hasattr(stream, "cuda_stream"):  # of torch
        stream = stream.cuda_stream
    return cuda.external_stream(int(stream)) if stream else 0


def allocator(like: Array, stream: Any) -> Callable[[Sequence[int]], Array]:
    """Function that makes arrays of a shape, of the package and dtype of `like`, for use on a stream."""
    framework = framework_of(like)
    if framework == "torch":
        return like.new_empty
    if framework == "cupy":
        import cupy

        return lambda shape: cupy.empty(shape, like.dtype)
    return lambda shape: cuda.device_array(shape, like.dtype, stream=stream)


def made_current(like: Array, stream: Any) -> Any:
    """Context in which the package of `like` allocates for `stream`, one of Numba's that a caller gave."""
    framework = framework_of(like)
    if framework == "torch":
        import torch

        return torch.cuda.stream(torch.cuda.ExternalStream(int(stream), device=like.device))
    if framework == "cupy":
        import cupy

        return cupy.cuda.Stream.from_external(stream)
    return contextlib.nullcontext()


def parts_of(owners: int, others: int) -> int:
    """Into how many parts a sum over `others` is cut, for each of `owners`; known from the shapes alone."""
    return max(1, min(others, PARALLEL // max(owners, 1)))


class Call:
    """The arrays of one call on the device.

    Parameters
    ----------
    kind, obs, src, nu, origin, pairs
        As in `field`.
    stream : stream, int or None
    slips : array, shape (m, B), optional
        Slip components in place of the sources' own.
    """

    def __init__(self, kind, obs, src, nu, origin, pairs, stream, slips=None):
        self.kind, self.paired = kind, bool(pairs)
        self.n, self.m = len(obs), len(src)
        self.stream = stream_for_numba(current_stream(obs) if stream is None else stream)
        self.scope = contextlib.nullcontext() if stream is None else made_current(obs, self.stream)
        self.empty = allocator(obs, self.stream)
        self.obs = flat(obs)
        self.real = np.dtype(self.obs.dtype).type
        self.nu = self.real(nu)
        with self.scope:
            self.table = self._table(src, origin, slips)

    def _table(self, src: Array, origin: tuple[float, float], slips: Array | None) -> Any:
        table = flat(self.empty((max(self.m, 1) * WIDTH_OF_TABLE,)))
        own = table if slips is None else flat(slips)
        kernel = prepare_kernel(self.kind, 0 if slips is None else slips.shape[1])
        fa, fb = (self.real(x) for x in origin)
        self._launch(kernel, self.m, flat(src) if self.m else table, own, fa, fb, self.m, table)
        return table

    def _launch(self, kernel: Any, tasks: int, *arguments: Any) -> None:
        if tasks:
            kernel[-(-tasks // THREADS), THREADS, self.stream](*arguments)

    def _add_up(self, numbers: Any, begin: int, end: int, out: Any) -> None:
        self._launch(total_kernel(), out.size, numbers, begin, end, out)

    def _run(self, operation, of, tasks, owners, others, parts, out, given, t_nu=0.0):
        """Run the kernel of a recipe; `given` holds its cotangent and tangents, some of them None."""
        kernel = operation_kernel(NAMES.index((operation, of, self.kind)), 8 * self.obs.dtype.itemsize)
        arrays = [self.obs if a is None else flat(a) for a in given]
        numbers = (self.nu, self.real(t_nu), tasks, owners, others, parts, self.paired)
        self._launch(kernel, tasks, self.obs, self.table, *arrays, *numbers, out)

    def each(self, operation: str, of: str, tail: tuple[int, ...], out: Array | None) -> Array:
        """Run an operation that writes (n, c, m, *tail), for pairs (n, c, *tail)."""
        with self.scope:
            if out is None:
                out = self.empty((self.n, COMPONENTS[of], *(() if self.paired else (self.m,)), *tail))
            if self.n and self.m:
                tasks = self.n if self.paired else self.n * self.m
                self._run(operation, of, tasks, self.n, self.m, 1, flat(out), (None,) * 5)
        return out

    def sum(self, operation, of, given=(None,) * 5, t_nu=0.0, out=None) -> Array:
        """Run an operation that writes the sums of observers, (n, count), or of sources, (m, count)."""
        recipe = RECIPES[operation, of, self.kind]
        owners, others = (self.m, self.n) if recipe.by == "source" else (self.n, self.m)
        parts = 1 if self.paired else parts_of(owners, others)
        tasks = owners * parts if others else 0
        with self.scope:
            if out is None:
                out = self.empty((owners, recipe.row))
            whole = tasks and parts == 1 and recipe.count == recipe.row
            numbers = flat(out) if whole else flat(self.empty((max(tasks * recipe.count, 1),)))
            self._run(operation, of, tasks, owners, others, parts, numbers, given, t_nu)
            if not whole and owners:
                self._add_up(numbers, 0, tasks * recipe.row, flat(out))
        return out if recipe.count == recipe.row else (out, self._rest(numbers, tasks, recipe))

    def _rest(self, numbers: Any, tasks: int, recipe: Recipe) -> Array:
        """Sum (an array without axes) of what lies behind all rows: the derivative with nu."""
        with self.scope:
            few, rest = flat(self.empty((LAST_PARTS,))), self.empty((1,))
            self._add_up(numbers, tasks * recipe.row, tasks * recipe.count, few)
            self._add_up(few, 0, LAST_PARTS, flat(rest))
        return rest.reshape(())


# ---------------------------------------------------------------------------------------- operations


def field(kind, obs, src, nu, origin, of, pairs, out=None, threads=None, stream=None):
    """Displacement or its gradient, summed over the sources.

    Parameters
    ----------
    kind : {"rectangle", "point"}
    obs : array on the device, shape (n, 3)
        East, north, up.
    src : array on the device, shape (m, 10) or (m, 9)
        Rectangles: x, y, depth, length, width, strike, dip, rake, slip, opening. Points: x, y, depth, strike,
        dip, rake, potency, opening, inflation. Degrees.
    nu : float
        Poisson's ratio.
    origin : (float, float)
        Fractions of the length along strike and of the width down dip at which (x, y, depth) sits.
    of : {"displacement", "gradient"}
        c = 3 components, or c = 9, row-major [i, j] = du_i / dx_j.
    pairs : bool
        Source i with observer i instead of every source with every observer.
    out : array on the device, optional
        Where to write.
    stream : stream or int, optional
        Where to run.

    Returns
    -------
    array, shape (n, c)
        NaN at observers on a rectangle's edge or at a point source.
    """
    return Call(kind, obs, src, nu, origin, pairs, stream).sum("field", of, out=out)


def field_both(kind, obs, src, nu, origin, pairs, out=None, threads=None, stream=None):
    """Displacement and gradient in one pass, (n, 12); arguments as in `field`."""
    return Call(kind, obs, src, nu, origin, pairs, stream).sum("field", "both", out=out)


def apply(kind, obs, src, nu, origin, of, s, threads=None, stream=None):
    """Greens' functions times slip components `s` (m, B), without the matrix: (n, 3) or (n, 9)."""
    return Call(kind, obs, src, nu, origin, False, stream, slips=s).sum("field", of)


def apply_adjoint(kind, obs, src, nu, origin, of, r, threads=None, stream=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip components (m, B)."""
    given = (r, None, None, None, None)
    return Call(kind, obs, src, nu, origin, False, stream).sum("adjoint", of, given)


def greens(kind, obs, src, nu, origin, of, pairs, out=None, threads=None, stream=None):
    """Response to unit slip components: (n, c, m, B), or (n, c, B) for pairs."""
    tail = (SLIP_COMPONENTS[kind],)
    return Call(kind, obs, src, nu, origin, pairs, stream).each("greens", of, tail, out)


def jacobian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None, stream=None):
    """Derivatives with the source's parameters: (n, c, m, P), or (n, c, P) for pairs."""
    tail = (len(PARAMETERS[kind]),)
    return Call(kind, obs, src, nu, origin, pairs, stream).each("jacobian", of, tail, out)


def hessian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None, stream=None):
    """Second derivatives with the source's parameters: (n, c, m, P, P), or (n, c, P, P) for pairs."""
    tail = (len(PARAMETERS[kind]),) * 2
    return Call(kind, obs, src, nu, origin, pairs, stream).each("hessian", of, tail, out)


def vjp(kind, obs, src, nu, origin, of, pairs, cot, threads=None, stream=None):
    """Gradient of ``sum(cot * field)`` with observers (n, 3), parameters (m, P) and nu (no axes)."""
    call = Call(kind, obs, src, nu, origin, pairs, stream)
    given = (cot, None, None, None, None)
    of_src, of_nu = call.sum("vjp_source", of, given)
    return call.sum("vjp_observer", of, given), of_src, of_nu


def jvp(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, t_nu, threads=None, stream=None):
    """Derivative of `field` along tangents of observers (n, 3), parameters (m, P) and nu (a float)."""
    given = (None, t_obs, t_src, None, None)
    return Call(kind, obs, src, nu, origin, pairs, stream).sum("jvp", of, given, t_nu)


def vjp2(kind, obs, src, nu, origin, of, pairs, cot, t_obs, t_src, threads=None, stream=None):
    """Gradient of ``sum(cot * jvp(t))`` with observers (n, 3) and parameters (m, P); tangents held fixed."""
    call = Call(kind, obs, src, nu, origin, pairs, stream)
    given = (cot, t_obs, t_src, None, None)
    return call.sum("vjp2_observer", of, given), call.sum("vjp2_source", of, given)


def jvp2(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None, stream=None):
    """Second derivative of `field` along two tangents."""
    given = (None, t_obs, t_src, s_obs, s_src)
    return Call(kind, obs, src, nu, origin, pairs, stream).sum("jvp2", of, given)
