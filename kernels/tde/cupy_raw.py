"""Triangular dislocations on CuPy arrays: the CUDA C++ of `kernels.cu`, launched on the current stream.

The functions have the signatures of every backend of this folder (`numba_cpu`, `numba_cuda`): no checks,
C-contiguous arrays of one dtype (float32 or float64) on the current device. ``threads`` belongs to the common
signature; a GPU has no use for it. Nothing here waits for the device: the derivative with respect to
Poisson's ratio that `vjp` returns is an array without axes.

`Operations` is what the functions do on any `Engine`, which makes arrays and launches entries of the source.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dislok.kernels.raw import SHARED, CupyEngine, Engine, defined, suffix, summed

FOLDER = Path(__file__).resolve().parent
SOURCES = (FOLDER / "kernels.cu", FOLDER / "pair.cuh", FOLDER / "formula.cuh", *SHARED)

WIDTH = {"displacement": 3, "gradient": 9, "both": 12}
VERTICES, SLIPS = 9, 3
NONE = (None, None, None)

#: Loop and functor, in `kernels.cu`, of each operation.
OPERATIONS = {
    "field": ("for_observers", "Value"),
    "greens": ("for_pairs", "Greens"),
    "adjoint": ("for_sources", "Adjoint"),
    "jacobian": ("for_pairs", "Jacobian"),
    "vjp_triangle": ("for_sources", "VjpTriangle"),
    "vjp_observer": ("for_observers", "VjpObserver"),
    "jvp": ("for_observers", "Jvp"),
    "vjp2_triangle": ("for_sources", "Vjp2Triangle"),
    "vjp2_observer": ("for_observers", "Vjp2Observer"),
    "jvp2": ("for_observers", "Jvp2"),
}

Array = Any


class Entry(NamedTuple):
    """One entry of `kernels.cu`."""

    operation: str
    of: str
    real: str  # "f32" or "f64"

    @property
    def name(self) -> str:
        """Its name there."""
        return "_".join(("tde", *self))


def options(entry: Entry) -> tuple[str, ...]:
    """Compiler options that select one entry of `kernels.cu`."""
    loop, functor = OPERATIONS[entry.operation]
    real = {"f32": "float", "f64": "double"}[entry.real]
    chosen = {"NAME": entry.name, "LOOP": loop, "OP": functor, "OF": entry.of.title(), "REAL": real}
    return defined("TDE", SOURCES, chosen)


class Problem(NamedTuple):
    """What every operation is given."""

    obs: Array
    tri: Array
    slip: Array | None
    nu: float
    space: str
    of: str
    pairs: bool


class Operations:
    """The backend functions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def field(self, obs, tri, slip, nu, space, of, pairs, out=None, threads=None):
        """Displacement or gradient, summed over triangles.

        Parameters
        ----------
        obs : cupy.ndarray, shape (n, 3)
            East, north, up.
        tri : cupy.ndarray, shape (m, 3, 3)
            Vertices in rows.
        slip : cupy.ndarray, shape (m, 3)
            Along strike, up dip, opening.
        nu : float
            Poisson's ratio.
        space : {"half", "full"}
        of : {"displacement", "gradient"}
            c = 3 components, or c = 9, row-major [i, j] = du_i / dx_j.
        pairs : bool
            Triangle i with observer i instead of every triangle with every observer.
        out : cupy.ndarray, optional
            Where to write.

        Returns
        -------
        cupy.ndarray, shape (n, c)
            NaN on sides and vertices.
        """
        return self._by_observer("field", Problem(obs, tri, slip, nu, space, of, pairs), WIDTH[of], out)

    def field_both(self, obs, tri, slip, nu, space, pairs, out=None, threads=None):
        """Displacement and gradient side by side, (n, 12)."""
        return self.field(obs, tri, slip, nu, space, "both", pairs, out)

    def greens(self, obs, tri, nu, space, of, pairs, out=None, threads=None):
        """Field of unit slips, (n, c, m, 3); (n, c, 3) in pairs."""
        return self._each("greens", Problem(obs, tri, None, nu, space, of, pairs), SLIPS, out)

    def jacobian(self, obs, tri, slip, nu, space, of, pairs, out=None, threads=None):
        """Derivatives with respect to the vertices' coordinates, (n, c, m, 9); (n, c, 9) in pairs."""
        return self._each("jacobian", Problem(obs, tri, slip, nu, space, of, pairs), VERTICES, out)

    def apply(self, obs, tri, nu, space, of, s, threads=None):
        """Green's matrix times s (m, 3), matrix-free, (n, c)."""
        return self.field(obs, tri, s, nu, space, of, False)

    def apply_adjoint(self, obs, tri, nu, space, of, r, threads=None):
        """Transposed Green's matrix times r (n, c), matrix-free, (m, 3)."""
        return self._by_triangle("adjoint", Problem(obs, tri, None, nu, space, of, False), SLIPS, cot=r)

    def vjp(self, obs, tri, slip, nu, space, of, pairs, cot, threads=None):
        """Gradients of sum(cot * field): (n, 3), (m, 3, 3), (m, 3), and with nu an array without axes."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        by_obs = self._by_observer("vjp_observer", problem, 3, cot=cot)
        sums = self._by_triangle("vjp_triangle", problem, VERTICES + SLIPS + 1, cot=cot)
        return by_obs, *_parted(sums), sums[:, VERTICES + SLIPS].sum()

    def jvp(self, obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, t_nu, threads=None):
        """Derivative of the field along (t_obs, t_tri, t_slip, t_nu), (n, c)."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        return self._by_observer("jvp", problem, WIDTH[of], along=(t_obs, t_tri, t_slip), nu_dot=t_nu)

    def vjp2(self, obs, tri, slip, nu, space, of, pairs, cot, t_obs, t_tri, t_slip, threads=None):
        """Gradients of sum(cot * jvp(t)) at fixed t: (n, 3), (m, 3, 3), (m, 3)."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        given = {"cot": cot, "along": (t_obs, t_tri, t_slip)}
        by_obs = self._by_observer("vjp2_observer", problem, 3, **given)
        return by_obs, *_parted(self._by_triangle("vjp2_triangle", problem, VERTICES + SLIPS, **given))

    def jvp2(
        self, obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, s_obs, s_tri, s_slip, threads=None
    ):
        """Second derivative of the field along t and s, (n, c)."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        given = {"along": (t_obs, t_tri, t_slip), "then": (s_obs, s_tri, s_slip)}
        return self._by_observer("jvp2", problem, WIDTH[of], **given)

    def _each(self, operation: str, problem: Problem, width: int, out: Array | None) -> Array:
        """Run an operation that writes so many numbers a pair: (n, c, m, width), pairs (n, c, width)."""
        n, m = len(problem.obs), len(problem.tri)
        if out is None:
            shape = (n, WIDTH[problem.of], *(() if problem.pairs else (m,)), width)
            out = self.engine.empty(shape, problem.obs.dtype)
        self._launch(operation, problem, n if problem.pairs else n * m, 1, out)
        return out

    def _by_observer(self, operation, problem, width, out=None, **given):
        """Run an operation that sums over triangles, (n, width)."""
        return self._sum(operation, problem, len(problem.obs), len(problem.tri), width, out, given)

    def _by_triangle(self, operation, problem, width, **given):
        """Run an operation that sums over observers, (m, width)."""
        return self._sum(operation, problem, len(problem.tri), len(problem.obs), width, None, given)

    def _sum(self, operation, problem, places, terms, width, out, given):
        if out is None:
            out = self.engine.empty((places, width), problem.obs.dtype)

        def run(tasks, chunks, parts):
            self._launch(operation, problem, tasks, chunks, parts, **given)

        entry = Entry(operation, problem.of, suffix(problem.obs.dtype))
        return summed(self.engine, entry, run, places, 1 if problem.pairs else terms, out)

    def _launch(self, operation, problem, tasks, chunks, out, *, cot=None, along=NONE, then=NONE, nu_dot=0.0):
        """Run one entry with the arguments of `Arguments` in `kernels.cu`."""
        obs, tri, slip, nu, space, of, pairs = problem
        real = np.dtype(obs.dtype).type
        sizes = [np.int64(k) for k in (len(obs), len(tri), chunks, bool(pairs), space == "half")]
        arguments = (*sizes, real(nu), real(nu_dot), obs, tri, slip, cot, *along, *then, out)
        self.engine.launch(Entry(operation, of, suffix(obs.dtype)), tasks, arguments)


def _parted(sums: Array) -> tuple[Array, Array]:
    """Gradients with respect to vertices (m, 3, 3) and slip (m, 3) from rows that begin with them."""
    return sums[:, :VERTICES].copy().reshape(-1, 3, 3), sums[:, VERTICES : VERTICES + SLIPS].copy()


@functools.cache
def module(entry: Entry) -> Any:
    """The `cupy.RawModule` of one entry; CuPy compiles it for each device."""
    import cupy

    return cupy.RawModule(code=SOURCES[0].read_text(), options=options(entry))


_CUPY = Operations(CupyEngine(module, "tde_sum"))


def __getattr__(name: str) -> Any:
    """The functions of every backend, under their names."""
    return getattr(_CUPY, name)
