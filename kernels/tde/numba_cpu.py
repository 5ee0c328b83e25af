"""Triangular dislocations on the CPU: vector code for blocks of pairs, one compiled call for each thread.

What is linear in the Burgers vector and the same for all observers of a triangle (its frame, and how that
turns with the vertices) is done once for each triangle, before or after the loop over pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dislok.kernels.lanes import LANES
from dislok.kernels.threads import default_threads, share

from . import burgers
from .blocks import CHUNK, MISSING, run
from .codes import FULL, HALF, SURFACE, TRI, code_of, compile_code
from .directions import DIRECTION
from .recipes import OPERATIONS, ROWS
from .triangles import each, lifts, plan, table

# Below this many pairs a call stays in the caller's thread.
SERIAL = 4096
COMPONENTS = {"displacement": 3, "gradient": 9}
# Operation of a field, and the rows of its result.
FIELD = {"displacement": ("value", (0, 3)), "gradient": ("gradient", (3, 12))}

# ---------------------------------------------------------------------------------------- launch


class Sums(NamedTuple):
    """Result rows (from, to) that are summed over the triangles, and over the observers."""

    of_obs: tuple[int, int] = (0, 0)
    of_tri: tuple[int, int] = (0, 0)


NOTHING = Sums()


class Matrix(NamedTuple):
    """Result rows that are kept for every pair, and where they go.

    Attributes
    ----------
    rows, to : array of int
        Rows, and their places relative to a pair's.
    out : array
        Flat.
    by_obs, by_tri : int
        How far apart the pairs of neighbouring observers, and of neighbouring triangles, lie.
    """

    rows: np.ndarray
    to: np.ndarray
    out: np.ndarray
    by_obs: int
    by_tri: int


class Problem:
    """Observers and triangles of one call, as `run` wants them.

    Parameters
    ----------
    obs : array, shape (n, 3)
    tri : array, shape (m, 3, 3)
    slip : array, shape (m, 3), or None
    nu : float
    space : str
        "half" or "full".
    paired : bool
        Triangle i with observer i only.
    """

    def __init__(
        self, obs: np.ndarray, tri: np.ndarray, slip: np.ndarray | None, nu: float, space: str, paired: bool
    ) -> None:
        self.obs = obs
        self.dtype = obs.dtype
        self.nu = nu
        surface = space == "half" and not obs[:, 2].any()
        self.where = FULL if space == "full" else SURFACE if surface else HALF
        self.paired = paired
        self.tri, self.slip = tri, slip
        self.rows, self.order = table(tri, slip)
        self.plan = plan(self.rows, self.dtype.name)

    def columns(self, of_tri: np.ndarray | None) -> np.ndarray:
        """The table's rows, the plan, what belongs to triangles, and how narrow ones are lifted."""
        # lifted from so many heights of its longest side, unless the rules have taken over by then
        narrow = self.plan[:, 10] < 4.0 * self.plan[:, 11]
        parts = [self.rows, self.plan, *([] if of_tri is None else [of_tri])]
        parts += [lifts(self.rows)[0]] if narrow.any() else []
        return np.concatenate(parts, axis=1, dtype=self.dtype)

    def each(self, formula: Callable[..., Any], found: int, *parts: np.ndarray) -> np.ndarray:
        """What a formula of `burgers` makes of every triangle and what belongs to it, (m, `found`)."""
        assert self.slip is not None
        return each(formula, found, self.tri, self.slip, *parts)

    def along(self, kept: bool) -> tuple[bool, bool]:
        """Whether lanes run along the observers and along the triangles.

        Where every pair is kept, neighbouring triangles lie side by side; else the longer side is shared out.
        """
        if self.paired:
            return True, True
        n, m = len(self.obs), len(self.rows)
        by_triangles = m >= min(n, LANES) if kept else m > n and n < 16 * LANES
        return not by_triangles, by_triangles


def launch(
    problem: Problem,
    name: str,
    of_obs: np.ndarray | None = None,
    of_tri: np.ndarray | None = None,
    sums: Sums = NOTHING,
    matrix: Matrix | None = None,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Run an operation on all pairs.

    Parameters
    ----------
    problem : Problem
    name : str
        Key of `OPERATIONS`.
    of_obs, of_tri : array, shapes (n, k) and (m, k), optional
        What belongs to observers and triangles beside their places.
    sums : Sums
        Rows that are summed.
    matrix : Matrix, optional
        Rows that are kept.
    threads : int, optional

    Returns
    -------
    array, array, shapes (n, k) and (m, k)
        Sums over the triangles of each observer, and over the observers of each triangle.
    """
    dtype = problem.dtype
    obs = problem.obs if of_obs is None else np.concatenate([problem.obs, of_obs], axis=1)
    obs, tri = np.ascontiguousarray(obs, dtype), problem.columns(of_tri)
    lift = TRI + (0 if of_tri is None else of_tri.shape[1])
    along = problem.along(matrix is not None)
    n, m = len(obs), len(tri)
    lanes = n if along[0] else m
    workers = _workers(lanes, n if problem.paired else n * m, threads)
    chunk = min(CHUNK, -(-lanes // (4 * workers * LANES)) * LANES)
    by_lane, others = _spans(along, sums)
    lane_sums = np.zeros((lanes, by_lane[1] - by_lane[0]), dtype)
    other_sums = np.zeros((workers, 0 if all(along) else n + m - lanes, others[1] - others[0]), dtype)
    kept = matrix or Matrix(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, dtype), 0, 0)
    case = name, problem.where, dtype
    constants = dtype.type(problem.nu), np.finfo(dtype).eps
    count = ROWS[OPERATIONS[name].level]
    stop = np.zeros(1, np.int64)

    def work(worker: int) -> None:
        run(
            obs, tri, along, chunk, (worker, workers), lift, code_of(*case), constants, count,
            (by_lane, lane_sums), (others, other_sums[worker]), tuple(kept),
            _scratch(obs, tri, along, count, lane_sums.shape[1]), stop,
        )  # fmt: skip

    def give_up() -> None:
        stop[0] = 1

    jobs = [(worker,) for worker in range(workers)]
    share(work, jobs, workers, give_up)
    while stop[0]:
        compile_code(int(stop[0]) - MISSING, *case)
        stop[0], other_sums[...] = 0, 0.0
        share(work, jobs, workers, give_up)
    total = other_sums[0] if workers == 1 else other_sums.sum(axis=0)
    if problem.paired:
        cut = sums.of_obs[1] - sums.of_obs[0]
        return lane_sums[:, :cut], lane_sums[:, cut:]
    return (lane_sums, total) if along[0] else (total, lane_sums)


def _spans(along: tuple[bool, bool], sums: Sums) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows that are summed for each lane, and for each member of the other side."""
    if all(along):
        spans = [span for span in sums if span[1] > span[0]]
        return (spans[0][0], spans[-1][1]) if spans else (0, 0), (0, 0)
    return (sums.of_obs, sums.of_tri) if along[0] else (sums.of_tri, sums.of_obs)


def _workers(lanes: int, pairs: int, threads: int | None) -> int:
    if pairs <= SERIAL:
        return 1
    return max(1, min(threads or default_threads(), -(-lanes // LANES)))


def _scratch(obs, tri, along: tuple[bool, bool], count: int, summed: int) -> tuple[Any, ...]:
    """Work memory of `run` for `count` rows of results and as many to add; `summed` of them for each lane."""
    dtype = obs.dtype
    sizes = [a.shape[1] * (CHUNK if runs else LANES) for a, runs in ((obs, along[0]), (tri, along[1]))]
    sizes += [a.shape[1] * LANES for a in (obs, tri)] + [2 * count * LANES, summed * CHUNK, CHUNK]
    return (*(np.empty(size, dtype) for size in sizes), np.empty(CHUNK + 1, np.int64))


# ------------------------------------------------------------------------------------ operations


def field(obs, tri, slip, nu, space, of, pairs, out=None, threads=None):
    """Displacement (n, 3) or its gradient (n, 9), summed over the triangles."""
    return _summed(Problem(obs, tri, slip, nu, space, pairs), *FIELD[of], out, threads)


def field_both(obs, tri, slip, nu, space, pairs, out=None, threads=None):
    """Displacement and gradient in one pass, (n, 12)."""
    return _summed(Problem(obs, tri, slip, nu, space, pairs), "gradient", (0, 12), out, threads)


def _summed(problem: Problem, name: str, span: tuple[int, int], out, threads, **parts):
    found, _ = launch(problem, name, sums=Sums(of_obs=span), threads=threads, **parts)
    if out is None:
        return found
    out[...] = found
    return out


def apply(obs, tri, nu, space, of, s, threads=None):
    """Greens' functions times slip `s` (m, 3), without the matrix: (n, 3) or (n, 9)."""
    return field(obs, tri, s, nu, space, of, False, threads=threads)


def apply_adjoint(obs, tri, nu, space, of, r, threads=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip (m, 3)."""
    name = "slips" if of == "displacement" else "slips_gradient"
    problem = Problem(obs, tri, None, nu, space, False)
    return launch(problem, name, of_obs=r, sums=Sums(of_tri=(0, 3)), threads=threads)[1]


def greens(obs, tri, nu, space, of, pairs, out=None, threads=None):
    """Response to unit slips along strike, up dip, opening: (n, c, m, 3), or (n, c, 3) for pairs."""
    name, index = _greens_rows(of)
    return _kept(Problem(obs, tri, None, nu, space, pairs), name, index, None, out, threads)


def _greens_rows(of: str) -> tuple[str, np.ndarray]:
    """Operation of responses to unit slips, and its rows for each component and slip."""
    count = COMPONENTS[of]
    name, rows = ("greens", 3) if count == 3 else ("greens_gradient", 12)
    return name, rows - count + np.arange(count)[:, None] + rows * np.arange(3)


def jacobian(obs, tri, slip, nu, space, of, pairs, out=None, threads=None):
    """Derivatives with the nine coordinates of the vertices: (n, c, m, 9), or (n, c, 9) for pairs."""
    problem = Problem(obs, tri, slip, nu, space, pairs)
    of_tri = problem.each(burgers.slopes, 30)
    index = np.arange(27).reshape(3, 9)
    if of == "displacement":
        return _kept(problem, "jacobian", index, of_tri, out, threads)
    if out is None:
        out = np.empty((len(obs), 9, *(() if pairs else (len(tri),)), 9), problem.dtype)
    of_tri = np.concatenate([np.zeros((len(tri), DIRECTION)), of_tri], axis=1)
    for j in range(3):
        along = {"of_obs": _axis(obs, j), "of_tri": of_tri, "sums": NOTHING, "threads": threads}
        launch(problem, "jacobian_along", matrix=_matrix(problem, index, out, j, 3), **along)
    return out


def _axis(obs: np.ndarray, j: int) -> np.ndarray:
    """The direction of axis j for every observer."""
    return np.zeros_like(obs) + np.eye(3, dtype=obs.dtype)[j]


def _kept(problem: Problem, name: str, index: np.ndarray, of_tri: np.ndarray | None, out, threads):
    """Result rows ``index[c, v]`` of every pair as (n, c, m, v), or (n, c, v) for pairs."""
    if out is None:
        m = () if problem.paired else (len(problem.rows),)
        out = np.empty((len(problem.obs), len(index), *m, index.shape[1]), problem.dtype)
    launch(problem, name, of_tri=of_tri, matrix=_matrix(problem, index, out), threads=threads)
    return out


def _matrix(problem: Problem, index: np.ndarray, out: np.ndarray, first: int = 0, step: int = 1) -> Matrix:
    """Result rows ``index[c, v]`` to ``out[n, first + step * c, m, v]``, without m for pairs."""
    m = 1 if problem.paired else len(problem.rows)
    count, size = index.shape
    to = m * size * (first + step * np.arange(count)[:, None]) + np.arange(size)
    by_obs = step * count * m * size
    return Matrix(index.ravel(), to.ravel(), out.reshape(-1), by_obs, 0 if problem.paired else size)


def vjp(obs, tri, slip, nu, space, of, pairs, cot, threads=None):
    """Gradient of ``sum(cot * field)`` with observers (n, 3), vertices (m, 3, 3), slip (m, 3) and nu."""
    problem = Problem(obs, tri, slip, nu, space, pairs)
    if of == "displacement":
        sums = Sums(of_obs=(0, 3), of_tri=(3, 16))
        of_obs, of_tri = launch(problem, "adjoint", of_obs=cot, sums=sums, threads=threads)
    else:
        still = np.zeros((len(tri), DIRECTION))
        parts = [_adjoint_along(problem, _axis(obs, j), still, cot[:, j::3], threads) for j in range(3)]
        of_obs, of_tri = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    g_tri, g_slip = _parted(problem, problem.each(burgers.carried, 12, of_tri[:, :12]))
    return of_obs, g_tri, g_slip, float(of_tri[:, 12].sum(dtype=np.float64))


def _adjoint_along(problem: Problem, t_obs, direction, cot, threads) -> tuple[np.ndarray, np.ndarray]:
    """Sums by observer (3) and by triangle (16) of the operation "adjoint_along"."""
    of_obs = np.concatenate([t_obs, cot], axis=1)
    sums = Sums(of_obs=(0, 3), of_tri=(3, 19))
    return launch(problem, "adjoint_along", of_obs=of_obs, of_tri=direction, sums=sums, threads=threads)


def _parted(problem: Problem, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients with vertices (m, 3, 3) and slip (m, 3) from rows of both (m, 12)."""
    found = found.astype(problem.dtype)
    return found[:, :9].copy().reshape(-1, 3, 3), found[:, 9:].copy()


def jvp(obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, t_nu, threads=None):
    """Derivative of `field` along tangents of observers (n, 3), vertices (m, 3, 3), slip (m, 3) and nu."""
    problem = Problem(obs, tri, slip, nu, space, pairs)
    direction = _direction(problem, t_tri, t_slip, t_nu)
    if of == "displacement":
        return _summed(problem, "tangent", (0, 3), None, threads, of_obs=t_obs, of_tri=direction)
    none = np.zeros((len(tri), DIRECTION))
    of_tri = np.concatenate([none, direction, none[:, :3]], axis=1)
    out = np.empty((len(obs), 3, 3), problem.dtype)
    for j in range(3):
        of_obs = np.concatenate([_axis(obs, j), t_obs], axis=1)
        along = {"of_obs": of_obs, "of_tri": of_tri}
        out[:, :, j] = _summed(problem, "tangent_along", (0, 3), None, threads, **along)
    return out.reshape(-1, 9)


def _direction(problem: Problem, t_tri, t_slip, t_nu: float = 0.0) -> np.ndarray:
    """Tangents of the table's vertices (9), Burgers vector (3) and nu, (m, `DIRECTION`)."""
    return problem.each(burgers.direction, DIRECTION, t_tri, t_slip, np.full((len(t_tri), 1), t_nu))


def vjp2(obs, tri, slip, nu, space, of, pairs, cot, t_obs, t_tri, t_slip, threads=None):
    """Gradient of ``sum(cot * jvp(t))`` with observers, vertices and slip; tangents held fixed."""
    problem = Problem(obs, tri, slip, nu, space, pairs)
    direction = _direction(problem, t_tri, t_slip)
    if of == "displacement":
        of_obs, of_tri = _adjoint_along(problem, t_obs, direction, cot, threads)
        with_slip = of_tri[:, 13:]
    else:
        parts = [_bent_gradient(problem, j, t_obs, direction, cot[:, j::3], threads) for j in range(3)]
        of_obs, of_tri, with_slip = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    found = problem.each(burgers.carried, 12, of_tri[:, :12])
    found += problem.each(burgers.bent, 12, with_slip, t_tri, t_slip)
    return (of_obs, *_parted(problem, found))


def _bent_gradient(problem: Problem, j: int, t_obs, direction, cot, threads):
    """Sums by observer (3) and triangle (13) along axis j and a direction; Burgers slopes (3) along j."""
    axis, still = _axis(problem.obs, j), np.zeros_like(direction)
    of_obs = np.concatenate([axis, t_obs, cot], axis=1)
    of_tri = np.concatenate([still, direction], axis=1)
    sums = Sums(of_obs=(0, 3), of_tri=(3, 16))
    twice = launch(problem, "adjoint_twice", of_obs=of_obs, of_tri=of_tri, sums=sums, threads=threads)
    once = _adjoint_along(problem, axis, still, cot, threads)
    return *twice, once[1][:, 9:12]


def jvp2(
    obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, s_obs, s_tri, s_slip, threads=None
):  # fmt: skip
    """Second derivative of `field` along two tangents."""
    problem = Problem(obs, tri, slip, nu, space, pairs)
    t, s = _direction(problem, t_tri, t_slip), _direction(problem, s_tri, s_slip)
    bend = problem.each(burgers.bend, 3, t_tri, t_slip, s_tri, s_slip)
    if of == "displacement":
        of_obs, of_tri = np.concatenate([t_obs, s_obs], axis=1), np.concatenate([t, s, bend], axis=1)
        return _summed(problem, "tangent_along", (0, 3), None, threads, of_obs=of_obs, of_tri=of_tri)
    out = np.empty((len(obs), 3, 3), problem.dtype)
    still = np.zeros_like(t)
    bent = np.concatenate([still[:, :9], bend, still[:, :1]], axis=1)
    for j in range(3):
        axis = _axis(obs, j)
        twice = {
            "of_obs": np.concatenate([axis, t_obs, s_obs], axis=1),
            "of_tri": np.concatenate([still, t, s], axis=1),
        }
        once = {
            "of_obs": np.concatenate([axis, np.zeros_like(axis)], axis=1),
            "of_tri": np.concatenate([still, bent, still[:, :3]], axis=1),
        }
        out[:, :, j] = _summed(problem, "tangent_twice", (0, 3), None, threads, **twice)
        out[:, :, j] += _summed(problem, "tangent_along", (0, 3), None, threads, **once)
    return out.reshape(-1, 9)
