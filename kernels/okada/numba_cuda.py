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

import math
from functools import cache

import numpy as np
from numba import cuda
from numba.core import types

from dislok.kernels.cuda import Launch, compiled, flat
from dislok.kernels.names import Array, Kernel
from dislok.kernels.rows import accumulate, bind, clear, load, store
from dislok.kernels.scalar import number, value
from dislok.kernels.scalar.lane import FORMATS

from .operations import (
    NAMES,
    OPERATIONS,
    closed_form,
    corner,
    distance,
    method,
    node,
    outcome,
    own_slips,
    pair_of,
)
from .sources import (
    COMPONENTS,
    KINDS,
    NODES,
    PARAMETERS,
    RULES,
    SLIP_COMPONENTS,
    TABLE,
    WANTED,
    WEIGHTS,
    WIDTH_OF_TABLE,
    largest_side,
    table_row,
)

# Places in a row of the table of sources.
AL, AW, UNIT = (TABLE.index(name) for name in ("al1", "aw1", "unit"))
RATE = TABLE.index("l1") - AL


def reciprocal_scale(length):
    """The largest power of two by which a positive `length` stays below 1; 1 for zero."""
    return type(length)(math.ldexp(1.0, -math.frexp(length)[1]))


def _reciprocal_scale_type(length):
    return length if isinstance(length, types.Float) else None


def _reciprocal_scale_code(context, builder, signature, args):
    fmt = FORMATS[signature.return_type.bitwidth]
    exponent = ((1 << fmt.bits - 1) - 1) >> fmt.mantissa << fmt.mantissa
    # with E the exponent's field, length < 2^(E + 1 - bias)
    field = builder.and_(builder.bitcast(args[0], fmt.integer), fmt.integer(exponent))
    scale = builder.bitcast(builder.sub(fmt.integer((2 * fmt.bias - 1) << fmt.mantissa), field), fmt.type)
    return builder.select(builder.icmp_unsigned("==", field, fmt.integer(0)), fmt.type(1.0), scale)


bind(reciprocal_scale, _reciprocal_scale_type, _reciprocal_scale_code)

# ------------------------------------------------------------------------------------------- kernels
#
# Made by functions, once for each operation and dtype; what differs is known when they are compiled.


@cache
def prepare_kernel(kind: str, slips: int) -> Kernel:
    """Kernel that makes the table of sources, one thread each; `slips` components replace their own."""
    which, parameters = KINDS.index(kind), len(PARAMETERS[kind])
    width, first_slip = WIDTH_OF_TABLE, TABLE.index("u1")

    def prepare(src, own, fa, fb, fa_of, fb_of, each, count, table):
        j = cuda.grid(1)
        if j < count:
            given = load(src, j * parameters, parameters)
            unit = reciprocal_scale(value(largest_side(which, given)))
            if each:
                fa, fb = fa_of[j], fb_of[j]
            row = table_row(which, given, number(fa), number(fb), number(unit))
            store(table, j * width, 0, width, row)
            if slips:
                components = own_slips(row, load(own, j * slips, slips))
                store(table, j * width + first_slip, 0, 4, components)

    return compiled(prepare)


@cache
def operation_kernel(place: int, bits: int) -> Kernel:
    """Kernel of the operation with this place in `NAMES`, for float32 or float64.

    A thread writes one pair (or its derivative along one axis), or sums every `parts`-th pair of its owner,
    an observer or a source. Local arrays that do not fit in registers, which are the rows of the levels
    "second" and "third", are in the thread's local memory.
    """
    this = OPERATIONS[NAMES[place]]
    real = np.dtype(f"f{bits // 8}").type
    rows, size, width, axes = this.rows, this.size, this.width, this.axes
    rectangle, by_corners = this.kind == "rectangle", this.level in ("second", "third")
    each, by_source = this.by == "pair", this.by == "source"
    kept, components = (1, size // width) if each else (size, 1)
    # numbers to load of what the pair is contracted with: at least one, which the compiler drops unused
    cots, parameters = this.cot or 1, len(PARAMETERS[this.kind])
    rules, columns = RULES, WIDTH_OF_TABLE
    nodes, weights, unit_vectors = NODES.astype(real), WEIGHTS.astype(real), np.eye(3).astype(real).ravel()
    eps, one, eight = real(8.0 * np.finfo(real).eps), real(1.0), real(8.0)

    def okada(
        obs, table, cot, t_obs, t_src, s_obs, s_src, nu, t_nu, tasks, owners, others, parts, paired, out
    ):
        t = cuda.grid(1)
        if t >= tasks:
            return
        rule = cuda.const.array_like(rules)
        node_at, weight_of = cuda.const.array_like(nodes), cuda.const.array_like(weights)
        frame, total = cuda.local.array(rows, real), cuda.local.array(kept, real)
        clear(total, kept)
        first, axis = t // axes, t % axes
        if each and not paired:
            owner, begin = first // others, first % others
        elif paired:
            owner, begin = first, first
        else:
            owner, begin = first % owners, first // owners
        end = begin + 1 if each or paired else others
        for other in range(begin, end, parts):
            i, j = owner, other
            if by_source:
                i, j = other, owner
            row, observer = load(table, j * columns, columns), load(obs, i * 3, 3)
            if axes > 1:
                of_obs = load(cuda.const.array_like(unit_vectors), axis * 3, 3)
            else:
                of_obs = load(t_obs, i * 3, 3)
            of_src = load(t_src, j * parameters, parameters)
            code = 8
            if rectangle:
                code = int(eight * value(method(bits, row, observer)))
            unit = value(row[UNIT])
            if code > 0:
                unit = reciprocal_scale(value(distance(row, observer)))
            pair = pair_of(row, observer, number(unit))
            if code > 0:
                clear(frame, rows)
                along, across = rule[code // 8 - 1], rule[code % 8]
                for a in range(along):
                    for b in range(across):
                        weight = number(weight_of[along, a] * weight_of[across, b])
                        g, h = number(node_at[along, a]), number(node_at[across, b])
                        if not by_corners and observer[2] == 0.0:
                            terms = node(place, 1, pair, number(nu), g, h, weight, of_obs, of_src)
                        else:
                            terms = node(place, 0, pair, number(nu), g, h, weight, of_obs, of_src)
                        accumulate(frame, 0, 1, terms, one)
            elif by_corners:
                clear(frame, rows)
                for k in range(4):
                    right, upper = j * columns + AL + k // 2, j * columns + AW + k % 2
                    al, aw = load(table, right, 1)[0] * unit, load(table, upper, 1)[0] * unit
                    rate_l, rate_w = load(table, right + RATE, 1)[0], load(table, upper + RATE, 1)[0]
                    terms = corner(
                        place, pair, number(nu), number(eps), al, aw, rate_l, rate_w, of_obs, of_src
                    )
                    accumulate(frame, 0, 1, terms, one if k == 0 or k == 3 else -one)
            elif observer[2] == 0.0:
                store(frame, 0, 0, rows, closed_form(place, 1, pair, number(nu), number(eps)))
            else:
                store(frame, 0, 0, rows, closed_form(place, 0, pair, number(nu), number(eps)))
            numbers = outcome(
                place,
                pair,
                load(frame, 0, rows),
                load(cot, i * cots, cots),
                of_obs,
                of_src,
                load(s_obs, i * 3, 3),
                load(s_src, j * parameters, parameters),
                number(t_nu),
            )
            if each:
                wide = 1 if paired else others
                at = ((owner * components * axes + axis) * wide + (0 if paired else begin)) * width
                store(out, at, axes * wide * width, width, numbers)
            else:
                accumulate(total, 0, 1, numbers, one)
        if not each:
            # what does not fit in a row lies behind all rows
            store(out, t * width, (tasks - t) * width + t, width, load(total, 0, kept))

    return compiled(okada)


# -------------------------------------------------------------------------------------------- launch


class Call(Launch):
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
        super().__init__(obs, len(src), nu, pairs, stream)
        self.kind = kind
        with self.scope:
            self.src = flat(src)
            self.table = self._table(origin, slips)

    def _table(self, origin: tuple[float, float], slips: Array | None) -> Array:
        table = flat(self.empty((max(self.m, 1) * WIDTH_OF_TABLE,)))
        own = table if slips is None else flat(slips)
        kernel = prepare_kernel(self.kind, 0 if slips is None else slips.shape[1])
        each = bool(getattr(origin[0], "ndim", 0))
        fa, fb = (self.real(x) for x in ((0.0, 0.0) if each else origin))
        # in the place of reference points that are alike stands an array that is not read
        of_each = [flat(a) for a in origin] if each else [self.src, self.src]
        self.start(kernel, self.m, self.src, own, fa, fb, *of_each, each, self.m, table)
        return table

    def _runner(self, operation: str, of: str, given: Array = (None,) * 5, t_nu: float = 0.0) -> Kernel:
        """Starter of the kernel of an operation; `given` holds its cotangent and tangents, or None."""
        kernel = operation_kernel(NAMES.index((operation, of, self.kind)), self.bits)

        def run(tasks, owners, others, parts, out):
            # in the place of what an operation does not need stands an array of the same length
            absent = (self.obs, self.obs, self.src, self.obs, self.src)
            arrays = [missing if a is None else flat(a) for a, missing in zip(given, absent, strict=True)]
            numbers = (self.nu, self.real(t_nu), tasks, owners, others, parts, self.paired)
            self.start(kernel, tasks, self.obs, self.table, *arrays, *numbers, out)

        return run

    def of_pairs(self, operation: str, of: str, tail: tuple[int, ...], out: Array | None) -> Array:
        """Run an operation that writes (n, c, m, *tail), for pairs (n, c, *tail)."""
        shape = (self.n, COMPONENTS[of], *(() if self.paired else (self.m,)), *tail)
        axes = OPERATIONS[operation, of, self.kind].axes
        return self.each(self._runner(operation, of), shape, axes, out)

    def of_owners(self, operation, of, given=(None,) * 5, t_nu=0.0, out=None) -> Array:
        """Run an operation that writes the sums of observers, (n, count), or of sources, (m, count)."""
        this = OPERATIONS[operation, of, self.kind]
        run = self._runner(operation, of, given, t_nu)
        return self.sum(run, this.by == "source", this.size, this.width, out)


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
        Fractions of the length along strike and of the width down dip at which (x, y, depth) sits; two arrays
        (m,) where that differs between sources.
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
    return Call(kind, obs, src, nu, origin, pairs, stream).of_owners("field", of, out=out)


def field_both(kind, obs, src, nu, origin, pairs, out=None, threads=None, stream=None):
    """Displacement and gradient in one pass, (n, 12); arguments as in `field`."""
    return Call(kind, obs, src, nu, origin, pairs, stream).of_owners("field", "both", out=out)


def apply(kind, obs, src, nu, origin, of, s, threads=None, stream=None):
    """Greens' functions times slip components `s` (m, B), without the matrix: (n, 3) or (n, 9)."""
    return Call(kind, obs, src, nu, origin, False, stream, slips=s).of_owners("field", of)


def apply_adjoint(kind, obs, src, nu, origin, of, r, threads=None, stream=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip components (m, B)."""
    given = (r, None, None, None, None)
    return Call(kind, obs, src, nu, origin, False, stream).of_owners("adjoint", of, given)


def greens(kind, obs, src, nu, origin, of, pairs, out=None, threads=None, stream=None):
    """Response to unit slip components: (n, c, m, B), or (n, c, B) for pairs."""
    tail = (SLIP_COMPONENTS[kind],)
    return Call(kind, obs, src, nu, origin, pairs, stream).of_pairs("greens", of, tail, out)


def jacobian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None, stream=None):
    """Derivatives with respect to the source's parameters: (n, c, m, P), or (n, c, P) for pairs."""
    tail = (len(PARAMETERS[kind]),)
    return Call(kind, obs, src, nu, origin, pairs, stream).of_pairs("jacobian", of, tail, out)


def hessian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None, stream=None):
    """Second derivatives with respect to the source's parameters: (n, c, m, P, P), or (n, c, P, P)."""
    tail = (len(PARAMETERS[kind]),) * 2
    return Call(kind, obs, src, nu, origin, pairs, stream).of_pairs("hessian", of, tail, out)


def vjp(kind, obs, src, nu, origin, of, pairs, cot, wanted=WANTED, threads=None, stream=None):
    """Gradient of ``sum(cot * field)`` with observers (n, 3), parameters (m, P) and nu (no axes).

    None for those which are not `wanted`.
    """
    call = Call(kind, obs, src, nu, origin, pairs, stream)
    given = (cot, None, None, None, None)
    of_obs = call.of_owners("vjp_observer", of, given) if "obs" in wanted else None
    if wanted == ("obs",):
        return of_obs, None, None
    of_src, of_nu = call.of_owners("vjp", of, given)
    return of_obs, of_src if "src" in wanted else None, of_nu if "nu" in wanted else None


def jvp(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, t_nu, threads=None, stream=None):
    """Derivative of `field` along tangents of observers (n, 3), parameters (m, P) and nu (a float)."""
    given = (None, t_obs, t_src, None, None)
    return Call(kind, obs, src, nu, origin, pairs, stream).of_owners("jvp", of, given, t_nu)


def vjp2(kind, obs, src, nu, origin, of, pairs, cot, t_obs, t_src, threads=None, stream=None):
    """Gradient of ``sum(cot * jvp(t))`` with observers (n, 3) and parameters (m, P); tangents held fixed."""
    call = Call(kind, obs, src, nu, origin, pairs, stream)
    given = (cot, t_obs, t_src, None, None)
    return call.of_owners("vjp2_observer", of, given), call.of_owners("vjp2", of, given)


def jvp2(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None, stream=None):
    """Second derivative of `field` along two tangents."""
    given = (None, t_obs, t_src, s_obs, s_src)
    return Call(kind, obs, src, nu, origin, pairs, stream).of_owners("jvp2", of, given)
