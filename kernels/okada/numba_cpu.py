"""Okada's dislocations on the CPU: sources as rows of numbers, and what each operation asks of the loop."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.pairs.blocks import at_surface
from dislok.kernels.pairs.code import Code
from dislok.kernels.pairs.launch import PairSet, Sums, matrix
from dislok.kernels.scalar import number, value

from .compiled import code_of
from .operations import OPERATIONS, Operation
from .pair import pair_parameters
from .sources import COMPONENTS, KINDS, PARAMETERS, TABLE, WANTED, edge_table, table_row

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


class Sources(PairSet):
    """Observers and sources of one call.

    Parameters
    ----------
    obs : array, shape (n, 3)
    table : array, shape (m, len(TABLE))
    nu : float
    paired : bool
        Source i with observer i only.
    """

    def __init__(self, obs: np.ndarray, table: np.ndarray, nu: float, paired: bool) -> None:
        super().__init__(obs, len(table), nu, 8.0 * np.finfo(obs.dtype).eps, paired)
        self.table = np.ascontiguousarray(table, obs.dtype)
        self.surface = bool(at_surface(obs))

    def columns(self, of_src: np.ndarray | None) -> tuple[np.ndarray, int]:
        """The table's rows and what belongs to sources."""
        parts = [self.table] if of_src is None else [self.table, of_src]
        columns = np.concatenate(parts, axis=1, dtype=self.dtype) if len(parts) > 1 else self.table
        return columns, columns.shape[1]

    def code(self, operation: Operation, rows: tuple[int, ...]) -> Code:
        """Code that computes these result rows of an operation where the observers are."""
        # what does not depend on the kind of source is compiled once
        kind = operation.kind if operation.tangents else KINDS[0]
        alike = operation._replace(kind=kind, by="pair", kept=rows, width=0)
        return code_of(alike, rows, self.surface, self.dtype)

    def observers(self, operation: Operation, out=None, threads=None, of_obs=None, of_src=None):
        """An operation that keeps sums of observers: (n, count)."""
        first, last = operation.kept[0], operation.kept[-1] + 1
        code = self.code(operation, tuple(range(last)))
        return self.summed(code, (first, last), out, threads, of_obs=of_obs, of_src=of_src)

    def pairs(self, operation: Operation, out=None, threads=None):
        """An operation that keeps numbers of every pair: (n, c, m, v), or (n, c, v) for pairs."""
        rows, index = distinct(operation.kept)
        return self.kept(self.code(operation, rows), index.reshape(-1, operation.width), out, threads)


@cache
def distinct(kept: tuple[int, ...]) -> tuple[tuple[int, ...], np.ndarray]:
    """Rows without repetition, and the place among them of each that is kept."""
    rows, places = np.unique(kept, return_inverse=True)
    return tuple(map(int, rows)), places


# ---------------------------------------------------------------------------------------- operations


def _sources(kind, obs, src, nu, origin, paired) -> Sources:
    return Sources(obs, source_rows(kind, src, origin), nu, paired)


def field(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Displacement (n, 3) or its gradient (n, 9), summed over the sources."""
    return _sources(kind, obs, src, nu, origin, pairs).observers(OPERATIONS["field", of, kind], out, threads)


def field_both(kind, obs, src, nu, origin, pairs, out=None, threads=None):
    """Displacement and gradient in one pass, (n, 12); `out` may be two arrays, (n, 3) and (n, 3, 3)."""
    problem, operation = _sources(kind, obs, src, nu, origin, pairs), OPERATIONS["field", "both", kind]
    if not isinstance(out, tuple):
        return problem.observers(operation, out, threads)
    code = problem.code(operation, operation.kept)
    if problem.alone:
        kept = [matrix(np.arange(3), np.arange(3), out[0], 3, 0)]
        kept += [matrix(np.arange(3, 12), np.arange(9), out[1], 9, 0)]
        problem.launch(code, kept=kept, threads=threads)
    else:
        found, _ = problem.launch(code, sums=Sums(of_obs=(0, 12)), threads=threads)
        out[0][...], out[1][...] = found[:, :3], found[:, 3:].reshape(-1, 3, 3)
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
    return Sources(obs, table, nu, True).observers(OPERATIONS["field", "both", "rectangle"], None, threads)


def apply(kind, obs, src, nu, origin, of, s, threads=None):
    """Greens' functions times slip components `s` (m, B), without the matrix: (n, 3) or (n, 9)."""
    table = source_rows(kind, src, origin)
    components = np.zeros((len(table), 4))
    components[:, : s.shape[1]] = s
    components[:, 0] *= table[:, TABLE.index("turn")]
    at = TABLE.index("u1")
    table[:, at : at + 4] = components
    return Sources(obs, table, nu, False).observers(OPERATIONS["field", of, kind], None, threads)


def apply_adjoint(kind, obs, src, nu, origin, of, r, threads=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip components (m, B)."""
    problem, operation = _sources(kind, obs, src, nu, origin, False), OPERATIONS["adjoint", of, kind]
    sums = Sums(of_src=(0, operation.size))
    return problem.launch(problem.code(operation, operation.kept), r, sums=sums, threads=threads)[1]


def greens(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Response to unit slip components: (n, c, m, B), or (n, c, B) for pairs."""
    return _sources(kind, obs, src, nu, origin, pairs).pairs(OPERATIONS["greens", of, kind], out, threads)


def jacobian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Derivatives with respect to the source's parameters: (n, c, m, P), or (n, c, P) for pairs."""
    return _sources(kind, obs, src, nu, origin, pairs).pairs(OPERATIONS["jacobian", of, kind], out, threads)


def hessian(kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
    """Second derivatives with respect to the source's parameters: (n, c, m, P, P), for pairs (n, c, P, P)."""
    problem, operation = _sources(kind, obs, src, nu, origin, pairs), OPERATIONS["hessian", of, kind]
    n, m, p = len(obs), () if pairs else (len(src),), len(PARAMETERS[kind])
    if out is None:
        out = np.empty((n, COMPONENTS[of], *m, p, p), problem.dtype)
    if of == "displacement":
        problem.pairs(at_the_surface(operation) if problem.surface else operation, out, threads)
        return out
    rows, index = distinct(operation.kept)
    code = problem.code(operation, rows)
    for j, axis in enumerate(np.eye(3, dtype=problem.dtype)):
        kept = problem.places(index.reshape(3, -1), out, j, 3)
        problem.launch(code, np.zeros_like(obs) + axis, kept=[kept], threads=threads)
    return out


def at_the_surface(hessian: Operation) -> Operation:
    """Second derivatives of the displacement, of observers that do without derivatives with respect to z."""
    return hessian._replace(level="parameters", formula=pair_parameters)


def vjp(kind, obs, src, nu, origin, of, pairs, cot, wanted=WANTED, threads=None):
    """Gradient of ``sum(cot * field)`` with respect to observers (n, 3), parameters (m, P) and nu.

    None for those which are not `wanted`: to leave out the observers saves the derivatives with respect to z.
    """
    of_obs, of_src = _gradients("vjp", kind, obs, src, nu, origin, of, pairs, wanted, threads, cot)
    count = len(PARAMETERS[kind]) if "src" in wanted else 0
    of_nu = float(of_src[:, count].sum(dtype=np.float64)) if "nu" in wanted else None
    return of_obs if "obs" in wanted else None, of_src[:, :count] if count else None, of_nu


def _gradients(name, kind, obs, src, nu, origin, of, pairs, wanted, threads, of_obs, of_src=None):
    """Sums of gradients of observers, and of sources with those of nu behind, as far as they are `wanted`."""
    problem = _sources(kind, obs, src, nu, origin, pairs)
    by_source, by_observer = (OPERATIONS[each, of, kind] for each in (name, f"{name}_observer"))
    kept = {"src": PARAMETERS[kind], "nu": by_source.kept[len(PARAMETERS[kind]) :], "obs": by_observer.kept}
    rows = tuple(row for each in kept for row in kept[each] if each in wanted)
    of_sources = sum(row not in by_observer.kept for row in rows)
    sums = Sums((of_sources, len(rows)), (0, of_sources))
    return problem.launch(problem.code(by_source, rows), of_obs, of_src, sums, threads=threads)


def jvp(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, t_nu, threads=None):
    """Derivative of `field` along tangents of observers (n, 3), parameters (m, P) and nu."""
    problem = _sources(kind, obs, src, nu, origin, pairs)
    return problem.observers(OPERATIONS["jvp", of, kind], None, threads, t_obs, _with_nu(t_src, t_nu))


def _with_nu(t_src, t_nu=0.0):
    """Tangents of sources with that of Poisson's ratio behind."""
    return np.concatenate([t_src, np.full((len(t_src), 1), t_nu, t_src.dtype)], axis=1)


def vjp2(kind, obs, src, nu, origin, of, pairs, cot, t_obs, t_src, threads=None):
    """Gradient of ``sum(cot * jvp(t))`` with respect to observers and parameters; tangents held fixed."""
    of_obs = np.concatenate([cot, t_obs], axis=1)
    given = of_obs, _with_nu(t_src)
    return _gradients("vjp2", kind, obs, src, nu, origin, of, pairs, ("obs", "src"), threads, *given)


def jvp2(kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None):
    """Second derivative of `field` along two tangents."""
    problem = _sources(kind, obs, src, nu, origin, pairs)
    of_obs = np.concatenate([t_obs, s_obs], axis=1)
    of_src = np.concatenate([_with_nu(t_src), _with_nu(s_src)], axis=1)
    return problem.observers(OPERATIONS["jvp2", of, kind], None, threads, of_obs, of_src)
