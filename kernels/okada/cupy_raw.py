"""Okada's kernels on CuPy arrays: the CUDA C++ of `kernels.cu`, launched on the current stream.

The functions have the signatures of every backend of this folder (`numba_cpu`, `numba_cuda`): no checks,
C-contiguous arrays of one dtype (float32 or float64) on the current device, angles in degrees. ``threads``
belongs to the common signature; a GPU has no use for it. Nothing here waits for the device: the derivative
with respect to Poisson's ratio that `vjp` returns is an array without axes.

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
from .sources import PARAMETERS, WANTED

FOLDER = Path(__file__).resolve().parent
SOURCES = (FOLDER / "kernels.cu", FOLDER / "pair.cuh", FOLDER / "formula.cuh", *SHARED)


class Entry(NamedTuple):
    """One entry of `kernels.cu`."""

    operation: str
    kind: str
    of: str
    real: str  # "f32" or "f64"

    @property
    def name(self) -> str:
        """Its name there."""
        return "_".join(("okada", *self))


def options(entry: Entry) -> tuple[str, ...]:
    """Compiler options that select one entry of `kernels.cu`; full IEEE arithmetic, never fast-math."""
    this = OPERATIONS[entry.operation, entry.of, entry.kind]
    chosen = {"NAME": entry.name, "KIND": entry.kind.title(), **selected(entry.operation, this.by, entry)}
    return defined("OKADA", SOURCES, chosen)


class Problem(NamedTuple):
    """What every operation is given."""

    kind: str
    obs: Array
    src: Array
    nu: float
    origin: tuple[Array, Array]
    of: str
    pairs: bool


class Operations:
    """The backend functions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def field(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Displacement (n, 3) or its gradient (n, 9), summed over the sources."""
        return self._sum("field", Problem(kind, obs, src, nu, origin, of, pairs), out)

    def field_both(self, kind, obs, src, nu, origin, pairs, out=None, threads=None):
        """Displacement and gradient in one pass, (n, 12)."""
        return self._sum("field", Problem(kind, obs, src, nu, origin, "both", pairs), out)

    def greens(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Response to unit slip components: (n, c, m, B), or (n, c, B) for pairs."""
        return self._each("greens", Problem(kind, obs, src, nu, origin, of, pairs), out)

    def jacobian(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Derivatives with respect to the source's parameters: (n, c, m, P), or (n, c, P) for pairs."""
        return self._each("jacobian", Problem(kind, obs, src, nu, origin, of, pairs), out)

    def hessian(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Second derivatives with respect to the source's parameters, (n, c, m, P, P), or (n, c, P, P)."""
        found = self._each("hessian", Problem(kind, obs, src, nu, origin, of, pairs), out)
        return found.reshape(*found.shape[: 2 if pairs else 3], *(len(PARAMETERS[kind]),) * 2)

    def vjp(self, kind, obs, src, nu, origin, of, pairs, cot, wanted=WANTED, threads=None):
        """Gradient of sum(cot * field) with respect to obs (n, 3), src (m, P) and nu (an array without axes).

        None for those which are not `wanted`.
        """
        problem, p = Problem(kind, obs, src, nu, origin, of, pairs), len(PARAMETERS[kind])
        of_obs = self._sum("vjp_observer", problem, cot=cot) if "obs" in wanted else None
        if wanted == ("obs",):
            return of_obs, None, None
        sums = self._sum("vjp", problem, cot=cot)
        of_src = sums[:, :p].copy() if "src" in wanted else None
        return of_obs, of_src, sums[:, p].sum() if "nu" in wanted else None

    def jvp(self, kind, obs, src, nu, origin, of, pairs, t_obs, t_src, t_nu, threads=None):
        """Derivative of the field along (t_obs, t_src, t_nu), (n, c)."""
        problem = Problem(kind, obs, src, nu, origin, of, pairs)
        return self._sum("jvp", problem, along=(t_obs, t_src), nu_dot=t_nu)

    def vjp2(self, kind, obs, src, nu, origin, of, pairs, cot, t_obs, t_src, threads=None):
        """Gradient of sum(cot * jvp(t)) with respect to obs (n, 3) and src (m, P), t held fixed."""
        problem, given = Problem(kind, obs, src, nu, origin, of, pairs), {"cot": cot, "along": (t_obs, t_src)}
        return self._sum("vjp2_observer", problem, **given), self._sum("vjp2", problem, **given)

    def jvp2(self, kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None):
        """Second derivative of the field along t and s, (n, c)."""
        problem = Problem(kind, obs, src, nu, origin, of, pairs)
        return self._sum("jvp2", problem, along=(t_obs, t_src), then=(s_obs, s_src))

    def apply(self, kind, obs, src, nu, origin, of, s, threads=None):
        """Green's matrix times s (m, B), matrix-free, (n, c)."""
        return self._sum("field", Problem(kind, obs, src, nu, origin, of, False), slip=s)

    def apply_adjoint(self, kind, obs, src, nu, origin, of, r, threads=None):
        """Transposed Green's matrix times r (n, c), matrix-free, (m, B)."""
        return self._sum("adjoint", Problem(kind, obs, src, nu, origin, of, False), cot=r)

    def _each(self, name: str, problem: Problem, out: Array | None) -> Array:
        """Run an operation that writes `width` numbers a pair: (n, c, m, width), for pairs (n, c, width)."""
        this, n, m = OPERATIONS[name, problem.of, problem.kind], len(problem.obs), len(problem.src)
        if out is None:
            components = this.size * this.axes // this.width
            shape = (n, components, *(() if problem.pairs else (m,)), this.width)
            out = self.engine.empty(shape, problem.obs.dtype)
        self._launch(name, problem, n if problem.pairs else n * m, out)
        return out

    def _sum(self, name: str, problem: Problem, out: Array | None = None, **given: Any) -> Array:
        """Run an operation that sums over sources, (n, size), or over observers, (m, size)."""
        this = OPERATIONS[name, problem.of, problem.kind]
        places, terms = len(problem.obs), len(problem.src)
        if this.by == "source":
            places, terms = terms, places
        if out is None:
            out = self.engine.empty((places, this.size), problem.obs.dtype)

        def run(tasks, chunks, parts):
            self._launch(name, problem, tasks, parts, chunks, **given)

        return summed(self.engine, _entry(name, problem), run, places, 1 if problem.pairs else terms, out)

    def _launch(
        self, name, problem, tasks, out, chunks=1, *,
        slip=None, cot=None, along=(None, None), then=(None, None), nu_dot=0.0,
    ):  # fmt: skip
        """Run one entry with the arguments of `Arguments` in `kernels.cu`."""
        _, obs, src, nu, origin, _, pairs = problem
        real = np.dtype(obs.dtype).type
        sizes = [np.int64(k) for k in (len(obs), len(src), chunks, bool(pairs))]
        own = getattr(origin[0], "ndim", 0)
        alike, of_each = ((0.0, 0.0), origin) if own else (origin, (None, None))
        reals = [real(x) for x in (nu, *alike, nu_dot)]
        arguments = (*sizes, *reals, obs, src, *of_each, slip, cot, *along, *then, out)
        self.engine.launch(_entry(name, problem), tasks, arguments)


def _entry(name: str, problem: Problem) -> Entry:
    return Entry(name, problem.kind, problem.of, suffix(problem.obs.dtype))


@functools.cache
def module(entry: Entry) -> Kernel:
    """The `cupy.RawModule` of one entry; CuPy compiles it for each device."""
    import cupy

    return cupy.RawModule(code=SOURCES[0].read_text(), options=options(entry))


_CUPY = Operations(CupyEngine(module, "okada_sum"))


def __getattr__(name: str) -> Any:
    """The functions of every backend, under their names."""
    return getattr(_CUPY, name)
