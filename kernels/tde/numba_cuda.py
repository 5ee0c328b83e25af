"""Triangular dislocations on CUDA devices: the formulas of the CPU, compiled for the device by Numba.

A thread computes one pair (`greens`, `jacobian`), or the sum over the triangles at one observer, or that over
the observers for one triangle; see :mod:`dislok.kernels.cuda` for sums, arrays and streams. What is alike for
all observers of a triangle is computed once, in float64, by a thread for each triangle.

The functions have the signatures of `numba_cpu`, with `stream` in addition; `vjp` returns the derivative with
respect to Poisson's ratio as an array without axes. ``threads`` belongs to the common signature and is not
used.

Kernels are compiled when they are first needed, for one operation, space and dtype each.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import cuda

from dislok.kernels.cuda import Launch, compiled, flat
from dislok.kernels.names import Array, Kernel
from dislok.kernels.rows import accumulate, clear, load, load_double, store
from dislok.kernels.scalar import number, value

from . import burgers_derivatives as burgers
from . import device
from .device import EXTRA, LIFT, PLAN, TRIANGLE
from .operations import EXTRAS, NAMES, OPERATIONS
from .pair import IMAGE, LIFT_ROW, OWN, PLAN_ROW, ROW, SURFACE, method
from .triangles import LIFT_NODES, nodes_of

COMPONENTS = {"displacement": 3, "gradient": 9}
# Codes of `method`; from the second one on they are rules.
LIFTED, FIRST_RULE = 1, 2

# ------------------------------------------------------------------------------------------- kernels
#
# Made by functions, once for each operation and dtype; what differs is known when they are compiled.


@cache
def prepare_kernel(place: int, bits: int) -> Kernel:
    """Kernel that makes the columns of the triangles for an operation, one thread each."""
    width, formula = EXTRA + EXTRAS[OPERATIONS[NAMES[place]].extra], device.columns

    def prepare(tri, slip, t_tri, t_slip, s_tri, s_slip, t_nu, count, out):
        j = cuda.grid(1)
        if j < count:
            triangle = load_double(tri, j * 9, 9) + load_double(slip, j * 3, 3)
            t = load_double(t_tri, j * 9, 9) + load_double(t_slip, j * 3, 3)
            s = load_double(s_tri, j * 9, 9) + load_double(s_slip, j * 3, 3)
            store(out, j * width, 0, width, formula(place, bits, triangle, t, s, number(t_nu)))

    return compiled(prepare)


@cache
def operation_kernel(place: int, half: int, bits: int) -> Kernel:
    """Kernel of the operation with this place in `NAMES`, for a space and float32 or float64.

    A thread writes one pair, or sums every `parts`-th pair of its owner, an observer or a triangle. The rows
    of the level, which do not fit in registers, are in the thread's local memory.
    """
    this = OPERATIONS[NAMES[place]]
    real = np.dtype(f"f{bits // 8}").type
    rows, size, kept, width, axes = this.rows, this.size, len(this.kept), this.width, this.axes
    each, by_triangle, per_axis = this.by == "pair", this.by == "triangle", this.per_axis
    in_half, lifts, components = bool(half), device.has_lift(place), kept // width
    has_surface = in_half and device.has_surface(place)
    # numbers to load of what may not be wanted: at least one, which the compiler drops unused
    cots, own_count, columns = this.cot or 1, EXTRAS[this.extra] or 1, EXTRA + EXTRAS[this.extra]
    rules, counts = nodes_of(np.dtype(real))
    most, rules, lift_nodes = 3 * rules.shape[1], rules.ravel(), np.array(LIFT_NODES, real).ravel()
    unit_vectors, eps, one = np.eye(3).astype(real).ravel(), np.finfo(real).eps, real(1.0)

    def triangles(obs, tri, cot, t_obs, s_obs, nu, tasks, owners, others, parts, paired, out):
        t = cuda.grid(1)
        if t >= tasks:
            return
        node, lift_node = cuda.const.array_like(rules), cuda.const.array_like(lift_nodes)
        nodes, axis_at = cuda.const.array_like(counts), cuda.const.array_like(unit_vectors)
        frame, total = cuda.local.array(rows, real), cuda.local.array(size, real)
        clear(total, size)
        if each and not paired:
            owner, begin = t // others, t % others
        elif paired:
            owner, begin = t, t
        else:
            owner, begin = t % owners, t // owners
        end = begin + 1 if each or paired else others
        poisson, blur = number(nu), number(eps)
        for other in range(begin, end, parts):
            i, j = owner, other
            if by_triangle:
                i, j = other, owner
            row, spot = load(tri, j * columns, ROW), load(obs, i * 3, 3)
            own, of_cot = load(tri, j * columns + columns - own_count, own_count), load(cot, i * cots, cots)
            of_t, of_s = load(t_obs, i * 3, 3), load(s_obs, i * 3, 3)
            way = value(method(load(tri, j * columns + PLAN, PLAN_ROW), spot))
            for axis in range(axes):
                given = (load(axis_at, axis * 3, 3), of_t, of_s, of_cot, own)
                clear(frame, rows)
                closed = True
                if way >= FIRST_RULE:
                    closed = False
                    which = int(way) - FIRST_RULE
                    for k in range(nodes[which]):
                        point = load(node, which * most + 3 * k, 3)
                        terms = device.far(place, half, row, spot, poisson, point, given)
                        accumulate(frame, 0, 1, terms, one)
                if lifts:
                    if way == LIFTED:
                        closed = False
                        ways = load(tri, j * columns + LIFT, LIFT_ROW)
                        for k in range(9):
                            at, turn = load(lift_node, k // 3 * 2, 2), number(real(k % 3))
                            terms = device.lifted(place, OWN, row, ways, spot, poisson, blur, at, turn)
                            accumulate(frame, 0, 1, terms, one)
                            if in_half:
                                terms = device.lifted(place, IMAGE, row, ways, spot, poisson, blur, at, turn)
                                accumulate(frame, 0, 1, terms, one)
                if has_surface:
                    if closed and spot[2] == 0.0:
                        closed = False
                        for k in range(3):
                            turn = number(real(k))
                            terms = device.side(place, SURFACE, row, spot, poisson, blur, turn, given)
                            accumulate(frame, 0, 1, terms, one)
                if closed:
                    for k in range(3):
                        turn = number(real(k))
                        terms = device.side(place, OWN, row, spot, poisson, blur, turn, given)
                        accumulate(frame, 0, 1, terms, one)
                        if in_half:
                            terms = device.side(place, IMAGE, row, spot, poisson, blur, turn, given)
                            accumulate(frame, 0, 1, terms, one)
                numbers = device.outcome(place, load(frame, 0, rows), given)
                if each:
                    wide = 1 if paired else others
                    at = ((owner * components * axes + axis) * wide + (0 if paired else begin)) * width
                    store(out, at, axes * wide * width, width, numbers)
                else:
                    accumulate(total, axis * kept if per_axis else 0, 1, numbers, one)
        if not each:
            # what does not fit in a row lies behind all rows
            numbers = device.ordered(place, load(total, 0, size))
            store(out, t * width, (tasks - t) * width + t, width, numbers)

    return compiled(triangles)


@cache
def carry_kernel(bends: int) -> Kernel:
    """Kernel that carries gradients of the table's vertices and Burgers vectors to vertices and slips.

    `bends`: the sums are those of a tangent, and the Burgers vector's second derivatives count.
    """

    def carry(tri, slip, t_tri, t_slip, sums, width, by_slip, by_width, by_first, count, of_tri, of_slip):
        j = cuda.grid(1)
        if j < count:
            triangle = load_double(tri, j * 9, 9) + load_double(slip, j * 3, 3)
            found = burgers.carried(triangle + load_double(sums, j * width, TRIANGLE))
            if bends:
                t = load_double(t_tri, j * 9, 9) + load_double(t_slip, j * 3, 3)
                g = load_double(by_slip, j * by_width + by_first, 3)
                found = device.added(found, burgers.bent(triangle + g + t))
            store(of_tri, j * 9, 0, 9, found[:9])
            store(of_slip, j * 3, 0, 3, found[9:])

    return compiled(carry)


# -------------------------------------------------------------------------------------------- launch


class Call(Launch):
    """The arrays of one call on the device.

    Parameters
    ----------
    obs, tri, nu, space, pairs
        As in `field`.
    slip : array, shape (m, 3), or None
        None where only unit slips count.
    stream : stream, int or None
    t, s : tuple, optional
        Tangents of observers, vertices and slip.
    t_nu : float
        Tangent of Poisson's ratio.
    """

    def __init__(self, obs, tri, slip, nu, space, pairs, stream, t=None, s=None, t_nu=0.0):
        super().__init__(obs, len(tri), nu, pairs, stream)
        self.half = int(space == "half")
        with self.scope:
            self.tri = flat(tri)
            # in the place of what is not given stand numbers that are not used
            self.slip = self.tri if slip is None else flat(slip)
            nothing = (self.obs, self.tri, self.slip)
            self.t, self.s = (nothing if each is None else tuple(map(flat, each)) for each in (t, s))
        self.t_nu = float(t_nu)

    def _columns(self, place: int) -> Array:
        """What threads read of the triangles."""
        width = EXTRA + EXTRAS[OPERATIONS[NAMES[place]].extra]
        out = flat(self.empty((max(self.m, 1) * width,)))
        arrays = self.tri, self.slip, *self.t[1:], *self.s[1:]
        self.start(prepare_kernel(place, self.bits), self.m, *arrays, self.t_nu, self.m, out)
        return out

    def _runner(self, operation: str, of: str, cot: Array | None) -> Kernel:
        """What starts the kernel of an operation."""
        place = NAMES.index((operation, of))
        kernel = operation_kernel(place, self.half, self.bits)

        def run(tasks, owners, others, parts, out):
            arrays = self.obs if cot is None else flat(cot), self.t[0], self.s[0]
            numbers = (self.nu, tasks, owners, others, parts, self.paired)
            self.start(kernel, tasks, self.obs, self._columns(place), *arrays, *numbers, out)

        return run

    def of_pairs(self, operation: str, of: str, width: int, out: Array | None) -> Array:
        """Run an operation that writes (n, c, m, width), for pairs (n, c, width)."""
        shape = (self.n, COMPONENTS[of], *(() if self.paired else (self.m,)), width)
        return self.each(self._runner(operation, of, None), shape, 1, out)

    def of_owners(self, operation: str, of: str, cot: Array | None = None, out: Array | None = None) -> Array:
        """Run an operation that writes the sums of observers, (n, count), or of triangles, (m, count)."""
        this = OPERATIONS[operation, of]
        run = self._runner(operation, of, cot)
        return self.sum(run, this.by == "triangle", this.size, this.width, out)

    def carried(self, sums: Array, by_slip: Array | None = None, first: int = 0) -> tuple[Array, Array]:
        """Gradients with respect to vertices (m, 3, 3) and slip (m, 3) from sums of triangles.

        `by_slip`, from column `first` on: the derivative's own gradient with respect to the Burgers vector,
        where the sums are those of a tangent.
        """
        with self.scope:
            of_tri, of_slip = self.empty((self.m, 3, 3)), self.empty((self.m, 3))
            bends = sums if by_slip is None else by_slip
            given = (flat(sums), sums.shape[1], flat(bends), bends.shape[1], first)
            arrays = self.tri, self.slip, *self.t[1:]
            results = flat(of_tri), flat(of_slip)
            self.start(carry_kernel(int(by_slip is not None)), self.m, *arrays, *given, self.m, *results)
        return of_tri, of_slip


# ---------------------------------------------------------------------------------------- operations


def field(obs, tri, slip, nu, space, of, pairs, out=None, threads=None, stream=None):
    """Displacement or its gradient, summed over the triangles.

    Parameters
    ----------
    obs : array on the device, shape (n, 3)
        East, north, up.
    tri : array on the device, shape (m, 3, 3)
        Vertices in rows.
    slip : array on the device, shape (m, 3)
        Along strike, up dip, opening.
    nu : float
        Poisson's ratio.
    space : {"half", "full"}
    of : {"displacement", "gradient"}
        c = 3 components, or c = 9, row-major [i, j] = du_i / dx_j.
    pairs : bool
        Triangle i with observer i instead of every triangle with every observer.
    out : array on the device, optional
        Where to write.
    stream : stream or int, optional
        Where to run.

    Returns
    -------
    array, shape (n, c)
        NaN on sides and vertices.
    """
    return Call(obs, tri, slip, nu, space, pairs, stream).of_owners("field", of, out=out)


def field_both(obs, tri, slip, nu, space, pairs, out=None, threads=None, stream=None):
    """Displacement and gradient in one pass, (n, 12); arguments as in `field`."""
    return Call(obs, tri, slip, nu, space, pairs, stream).of_owners("field", "both", out=out)


def apply(obs, tri, nu, space, of, s, threads=None, stream=None):
    """Green's functions times slip `s` (m, 3), without the matrix: (n, 3) or (n, 9)."""
    return Call(obs, tri, s, nu, space, False, stream).of_owners("field", of)


def apply_adjoint(obs, tri, nu, space, of, r, threads=None, stream=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip (m, 3)."""
    return Call(obs, tri, None, nu, space, False, stream).of_owners("adjoint", of, r)


def greens(obs, tri, nu, space, of, pairs, out=None, threads=None, stream=None):
    """Response to unit slips along strike, up dip, opening: (n, c, m, 3), or (n, c, 3) for pairs."""
    return Call(obs, tri, None, nu, space, pairs, stream).of_pairs("greens", of, 3, out)


def jacobian(obs, tri, slip, nu, space, of, pairs, out=None, threads=None, stream=None):
    """Derivatives with respect to the nine coordinates of the vertices: (n, c, m, 9), or (n, c, 9)."""
    return Call(obs, tri, slip, nu, space, pairs, stream).of_pairs("jacobian", of, 9, out)


def vjp(obs, tri, slip, nu, space, of, pairs, cot, threads=None, stream=None):
    """Gradient of ``sum(cot * field)`` with observers, vertices, slip and nu (an array without axes)."""
    call = Call(obs, tri, slip, nu, space, pairs, stream)
    sums, of_nu = call.of_owners("vjp", of, cot)
    return call.of_owners("vjp_observer", of, cot), *call.carried(sums), of_nu


def jvp(obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, t_nu, threads=None, stream=None):
    """Derivative of `field` along tangents of observers (n, 3), vertices (m, 3, 3), slip (m, 3) and nu."""
    call = Call(obs, tri, slip, nu, space, pairs, stream, (t_obs, t_tri, t_slip), t_nu=t_nu)
    return call.of_owners("jvp", of)


def vjp2(obs, tri, slip, nu, space, of, pairs, cot, t_obs, t_tri, t_slip, threads=None, stream=None):
    """Gradient of ``sum(cot * jvp(t))`` with observers, vertices and slip; tangents held fixed."""
    call = Call(obs, tri, slip, nu, space, pairs, stream, (t_obs, t_tri, t_slip))
    sums = call.of_owners("vjp2", of, cot)
    # of the displacement, the derivative's own gradient with respect to the Burgers vector comes with the
    # sums
    by_slip, first = (sums, TRIANGLE) if of == "displacement" else (call.of_owners("vjp", of, cot)[0], 9)
    return call.of_owners("vjp2_observer", of, cot), *call.carried(sums, by_slip, first)


def jvp2(
    obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, s_obs, s_tri, s_slip,
    threads=None, stream=None,
):  # fmt: skip
    """Second derivative of `field` along two tangents."""
    t, s = (t_obs, t_tri, t_slip), (s_obs, s_tri, s_slip)
    call = Call(obs, tri, slip, nu, space, pairs, stream, t, s)
    if of == "displacement":
        return call.of_owners("jvp2", of)
    return call.added(call.of_owners("bend", of), call.of_owners("jvp2", of))
