"""Triangular dislocations on the CPU: vector code for blocks of pairs, one compiled call for each thread.

What is linear in the Burgers vector and the same for all observers of a triangle (its frame, and how that
turns with the vertices) is done once for each triangle, before or after the loop over pairs.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.names import Function
from dislok.kernels.pairs.blocks import at_surface
from dislok.kernels.pairs.code import Code
from dislok.kernels.pairs.launch import PairSet, Sums

from . import burgers_derivatives as burgers
from .compiled import FULL, HALF, SURFACE, code_of
from .levels import DIRECTION
from .triangles import each, lifts, plan, table

COMPONENTS = {"displacement": 3, "gradient": 9}
# Operation of a field, and the rows of its result.
FIELD = {"displacement": ("value", (0, 3)), "gradient": ("gradient", (3, 12))}

# ---------------------------------------------------------------------------------------- launch


class Triangles(PairSet):
    """Observers and triangles of one call.

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

    beside = True

    def __init__(
        self, obs: np.ndarray, tri: np.ndarray, slip: np.ndarray | None, nu: float, space: str, paired: bool
    ) -> None:
        super().__init__(obs, len(tri), nu, np.finfo(obs.dtype).eps, paired)
        surface = space == "half" and at_surface(obs)
        self.where = FULL if space == "full" else SURFACE if surface else HALF
        self.tri, self.slip = tri, slip
        self.rows, self.order = table(tri, slip)
        self.plan = plan(self.rows, self.dtype.name)

    def columns(self, of_src: np.ndarray | None) -> tuple[np.ndarray, int]:
        """The table's rows, the plan, what belongs to triangles, and how narrow ones are lifted."""
        # lifted from so many heights of its longest side, unless the rules have taken over by then
        narrow = self.plan[:, 10] < 4.0 * self.plan[:, 11]
        parts = [self.rows, self.plan, *([] if of_src is None else [of_src])]
        last = sum(part.shape[1] for part in parts)
        parts += [lifts(self.rows)[0]] if narrow.any() else []
        return np.concatenate(parts, axis=1, dtype=self.dtype), last

    def code(self, name: str) -> Code:
        """Code of an operation where the observers are."""
        return code_of(name, self.where, self.dtype)

    def each(self, formula: Function, found: int, *parts: np.ndarray) -> np.ndarray:
        """What a formula of `burgers` makes of every triangle and what belongs to it, (m, `found`)."""
        assert self.slip is not None
        return each(formula, found, self.tri, self.slip, *parts)


# ------------------------------------------------------------------------------------ operations


def field(obs, tri, slip, nu, space, of, pairs, out=None, threads=None):
    """Displacement (n, 3) or its gradient (n, 9), summed over the triangles."""
    return _summed(Triangles(obs, tri, slip, nu, space, pairs), *FIELD[of], out, threads)


def field_both(obs, tri, slip, nu, space, pairs, out=None, threads=None):
    """Displacement and gradient in one pass, (n, 12)."""
    return _summed(Triangles(obs, tri, slip, nu, space, pairs), "gradient", (0, 12), out, threads)


def _summed(pairs: Triangles, name: str, span: tuple[int, int], out, threads, **parts):
    return pairs.summed(pairs.code(name), span, out, threads, **parts)


def apply(obs, tri, nu, space, of, s, threads=None):
    """Greens' functions times slip `s` (m, 3), without the matrix: (n, 3) or (n, 9)."""
    return field(obs, tri, s, nu, space, of, False, threads=threads)


def apply_adjoint(obs, tri, nu, space, of, r, threads=None):
    """The transpose of `apply`: residuals (n, 3) or (n, 9) to slip (m, 3)."""
    name = "slips" if of == "displacement" else "slips_gradient"
    problem = Triangles(obs, tri, None, nu, space, False)
    return problem.launch(problem.code(name), r, sums=Sums(of_src=(0, 3)), threads=threads)[1]


def greens(obs, tri, nu, space, of, pairs, out=None, threads=None):
    """Response to unit slips along strike, up dip, opening: (n, c, m, 3), or (n, c, 3) for pairs."""
    name, index = _greens_rows(of)
    problem = Triangles(obs, tri, None, nu, space, pairs)
    return problem.kept(problem.code(name), index, out, threads)


def _greens_rows(of: str) -> tuple[str, np.ndarray]:
    """Operation of responses to unit slips, and its rows for each component and slip."""
    count = COMPONENTS[of]
    name, rows = ("greens", 3) if count == 3 else ("greens_gradient", 12)
    return name, rows - count + np.arange(count)[:, None] + rows * np.arange(3)


def jacobian(obs, tri, slip, nu, space, of, pairs, out=None, threads=None):
    """Derivatives with respect to the nine coordinates of the vertices: (n, c, m, 9), or (n, c, 9)."""
    problem = Triangles(obs, tri, slip, nu, space, pairs)
    of_tri = problem.each(burgers.slopes, 30)
    index = np.arange(27).reshape(3, 9)
    if of == "displacement":
        return problem.kept(problem.code("jacobian"), index, out, threads, of_src=of_tri)
    if out is None:
        out = np.empty((len(obs), 9, *(() if pairs else (len(tri),)), 9), problem.dtype)
    of_tri = np.concatenate([np.zeros((len(tri), DIRECTION)), of_tri], axis=1)
    for j in range(3):
        kept = problem.places(index, out, j, 3)
        problem.launch(problem.code("jacobian_along"), _axis(obs, j), of_tri, kept=[kept], threads=threads)
    return out


def _axis(obs: np.ndarray, j: int) -> np.ndarray:
    """The direction of axis j for every observer."""
    return np.zeros_like(obs) + np.eye(3, dtype=obs.dtype)[j]


def vjp(obs, tri, slip, nu, space, of, pairs, cot, threads=None):
    """Gradient of ``sum(cot * field)`` with observers (n, 3), vertices (m, 3, 3), slip (m, 3) and nu."""
    problem = Triangles(obs, tri, slip, nu, space, pairs)
    if of == "displacement":
        sums = Sums(of_obs=(0, 3), of_src=(3, 16))
        of_obs, of_tri = problem.launch(problem.code("adjoint"), cot, sums=sums, threads=threads)
    else:
        still = np.zeros((len(tri), DIRECTION))
        parts = [_adjoint_along(problem, _axis(obs, j), still, cot[:, j::3], threads) for j in range(3)]
        of_obs, of_tri = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    g_tri, g_slip = _parted(problem, problem.each(burgers.carried, 12, of_tri[:, :12]))
    return of_obs, g_tri, g_slip, float(of_tri[:, 12].sum(dtype=np.float64))


def _adjoint_along(problem: Triangles, t_obs, direction, cot, threads) -> tuple[np.ndarray, np.ndarray]:
    """Sums by observer (3) and by triangle (16) of the operation "adjoint_along"."""
    of_obs = np.concatenate([t_obs, cot], axis=1)
    sums = Sums(of_obs=(0, 3), of_src=(3, 19))
    return problem.launch(problem.code("adjoint_along"), of_obs, direction, sums, threads=threads)


def _parted(problem: Triangles, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients with respect to vertices (m, 3, 3) and slip (m, 3) from rows of both (m, 12)."""
    found = found.astype(problem.dtype)
    return found[:, :9].copy().reshape(-1, 3, 3), found[:, 9:].copy()


def jvp(obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, t_nu, threads=None):
    """Derivative of `field` along tangents of observers (n, 3), vertices (m, 3, 3), slip (m, 3) and nu."""
    problem = Triangles(obs, tri, slip, nu, space, pairs)
    direction = _direction(problem, t_tri, t_slip, t_nu)
    if of == "displacement":
        return _summed(problem, "tangent", (0, 3), None, threads, of_obs=t_obs, of_src=direction)
    none = np.zeros((len(tri), DIRECTION))
    of_tri = np.concatenate([none, direction, none[:, :3]], axis=1)
    out = np.empty((len(obs), 3, 3), problem.dtype)
    for j in range(3):
        of_obs = np.concatenate([_axis(obs, j), t_obs], axis=1)
        along = {"of_obs": of_obs, "of_src": of_tri}
        out[:, :, j] = _summed(problem, "tangent_along", (0, 3), None, threads, **along)
    return out.reshape(-1, 9)


def _direction(problem: Triangles, t_tri, t_slip, t_nu: float = 0.0) -> np.ndarray:
    """Tangents of the table's vertices (9), Burgers vector (3) and nu, (m, `DIRECTION`)."""
    return problem.each(burgers.direction, DIRECTION, t_tri, t_slip, np.full((len(t_tri), 1), t_nu))


def vjp2(obs, tri, slip, nu, space, of, pairs, cot, t_obs, t_tri, t_slip, threads=None):
    """Gradient of ``sum(cot * jvp(t))`` with observers, vertices and slip; tangents held fixed."""
    problem = Triangles(obs, tri, slip, nu, space, pairs)
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


def _bent_gradient(problem: Triangles, j: int, t_obs, direction, cot, threads):
    """Sums by observer (3) and triangle (13) along axis j and a direction; Burgers slopes (3) along j."""
    axis, still = _axis(problem.obs, j), np.zeros_like(direction)
    of_obs = np.concatenate([axis, t_obs, cot], axis=1)
    of_tri = np.concatenate([still, direction], axis=1)
    sums = Sums(of_obs=(0, 3), of_src=(3, 16))
    twice = problem.launch(problem.code("adjoint_twice"), of_obs, of_tri, sums, threads=threads)
    once = _adjoint_along(problem, axis, still, cot, threads)
    return *twice, once[1][:, 9:12]


def jvp2(
    obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, s_obs, s_tri, s_slip, threads=None
):  # fmt: skip
    """Second derivative of `field` along two tangents."""
    problem = Triangles(obs, tri, slip, nu, space, pairs)
    t, s = _direction(problem, t_tri, t_slip), _direction(problem, s_tri, s_slip)
    bend = problem.each(burgers.bend, 3, t_tri, t_slip, s_tri, s_slip)
    if of == "displacement":
        of_obs, of_tri = np.concatenate([t_obs, s_obs], axis=1), np.concatenate([t, s, bend], axis=1)
        return _summed(problem, "tangent_along", (0, 3), None, threads, of_obs=of_obs, of_src=of_tri)
    out = np.empty((len(obs), 3, 3), problem.dtype)
    still = np.zeros_like(t)
    bent = np.concatenate([still[:, :9], bend, still[:, :1]], axis=1)
    for j in range(3):
        axis = _axis(obs, j)
        twice = {
            "of_obs": np.concatenate([axis, t_obs, s_obs], axis=1),
            "of_src": np.concatenate([still, t, s], axis=1),
        }
        once = {
            "of_obs": np.concatenate([axis, np.zeros_like(axis)], axis=1),
            "of_src": np.concatenate([still, bent, still[:, :3]], axis=1),
        }
        out[:, :, j] = _summed(problem, "tangent_twice", (0, 3), None, threads, **twice)
        out[:, :, j] += _summed(problem, "tangent_along", (0, 3), None, threads, **once)
    return out.reshape(-1, 9)
