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

from dislok.kernels.names import Array, Kernel
from dislok.kernels.raw import SHARED, CupyEngine, Engine, defined, selected, suffix, summed

from .operations import OPERATIONS

FOLDER = Path(__file__).resolve().parent
SOURCES = (FOLDER / "kernels.cu", FOLDER / "pair.cuh", FOLDER / "formula.cuh", *SHARED)

VERTICES, SLIPS = 9, 3
NONE = (None, None, None)


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
    by = OPERATIONS[entry.operation, entry.of].by
    return defined("TDE", SOURCES, {"NAME": entry.name, **selected(entry.operation, by, entry)})


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
        """Displacement (n, 3) or its gradient (n, 9), summed over the triangles."""
        return self._sum("field", Problem(obs, tri, slip, nu, space, of, pairs), out)

    def field_both(self, obs, tri, slip, nu, space, pairs, out=None, threads=None):
        """Displacement and gradient side by side, (n, 12)."""
        return self.field(obs, tri, slip, nu, space, "both", pairs, out)

    def greens(self, obs, tri, nu, space, of, pairs, out=None, threads=None):
        """Field of unit slips, (n, c, m, 3), or (n, c, 3) for pairs."""
        return self._each("greens", Problem(obs, tri, None, nu, space, of, pairs), out)

    def jacobian(self, obs, tri, slip, nu, space, of, pairs, out=None, threads=None):
        """Derivatives with respect to the vertices' coordinates, (n, c, m, 9), or (n, c, 9) for pairs."""
        return self._each("jacobian", Problem(obs, tri, slip, nu, space, of, pairs), out)

    def apply(self, obs, tri, nu, space, of, s, threads=None):
        """Green's matrix times s (m, 3), matrix-free, (n, c)."""
        return self.field(obs, tri, s, nu, space, of, False)

    def apply_adjoint(self, obs, tri, nu, space, of, r, threads=None):
        """Transposed Green's matrix times r (n, c), matrix-free, (m, 3)."""
        return self._sum("adjoint", Problem(obs, tri, None, nu, space, of, False), cot=r)

    def vjp(self, obs, tri, slip, nu, space, of, pairs, cot, threads=None):
        """Gradients of sum(cot * field): (n, 3), (m, 3, 3), (m, 3), and that of nu, an array without axes."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        of_obs, sums = self._sum("vjp_observer", problem, cot=cot), self._sum("vjp", problem, cot=cot)
        return of_obs, *_parted(sums), sums[:, VERTICES + SLIPS].sum()

    def jvp(self, obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, t_nu, threads=None):
        """Derivative of the field along (t_obs, t_tri, t_slip, t_nu), (n, c)."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        return self._sum("jvp", problem, along=(t_obs, t_tri, t_slip), nu_dot=t_nu)

    def vjp2(self, obs, tri, slip, nu, space, of, pairs, cot, t_obs, t_tri, t_slip, threads=None):
        """Gradients of sum(cot * jvp(t)) at fixed t: (n, 3), (m, 3, 3), (m, 3)."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        given = {"cot": cot, "along": (t_obs, t_tri, t_slip)}
        out = self.engine.empty((len(tri), VERTICES + SLIPS), obs.dtype)
        return self._sum("vjp2_observer", problem, **given), *_parted(
            self._sum("vjp2", problem, out, **given)
        )

    def jvp2(
        self, obs, tri, slip, nu, space, of, pairs, t_obs, t_tri, t_slip, s_obs, s_tri, s_slip, threads=None
    ):
        """Second derivative of the field along t and s, (n, c)."""
        problem = Problem(obs, tri, slip, nu, space, of, pairs)
        return self._sum("jvp2", problem, along=(t_obs, t_tri, t_slip), then=(s_obs, s_tri, s_slip))

    def _each(self, name: str, problem: Problem, out: Array | None) -> Array:
        """Run an operation that writes `width` numbers a pair: (n, c, m, width), for pairs (n, c, width)."""
        this, n, m = OPERATIONS[name, problem.of], len(problem.obs), len(problem.tri)
        if out is None:
            shape = (n, this.size // this.width, *(() if problem.pairs else (m,)), this.width)
            out = self.engine.empty(shape, problem.obs.dtype)
        self._launch(name, problem, n if problem.pairs else n * m, 1, out)
        return out

    def _sum(self, name: str, problem: Problem, out: Array | None = None, **given: Any) -> Array:
        """Run an operation that sums over triangles, (n, size), or over observers, (m, size)."""
        this, places, terms = OPERATIONS[name, problem.of], len(problem.obs), len(problem.tri)
        if this.by == "triangle":
            places, terms = terms, places
        if out is None:
            out = self.engine.empty((places, this.size), problem.obs.dtype)

        def run(tasks, chunks, parts):
            self._launch(name, problem, tasks, chunks, parts, **given)

        entry = Entry(name, problem.of, suffix(problem.obs.dtype))
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
def module(entry: Entry) -> Kernel:
    """The `cupy.RawModule` of one entry; CuPy compiles it for each device."""
    import cupy

    return cupy.RawModule(code=SOURCES[0].read_text(), options=options(entry))


_CUPY = Operations(CupyEngine(module, "tde_sum"))


def __getattr__(name: str) -> Any:
    """The functions of every backend, under their names."""
    return getattr(_CUPY, name)
