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

from dislok.kernels.raw import SHARED, CupyEngine, Engine, defined, suffix, summed

from .sources import WANTED

FOLDER = Path(__file__).resolve().parent
SOURCES = (FOLDER / "kernels.cu", FOLDER / "pair.cuh", FOLDER / "formula.cuh", *SHARED)

#: Parameters and slip components of each kind of source.
PARAMETERS = {"rectangle": 10, "point": 9}
SLIPS = {"rectangle": 3, "point": 4}
WIDTH = {"displacement": 3, "gradient": 9, "both": 12}

#: Loop and functor, in `kernels.cu`, of each operation.
OPERATIONS = {
    "field": ("for_observers", "Field"),
    "greens": ("for_pairs", "Greens"),
    "adjoint": ("for_sources", "Adjoint"),
    "jacobian": ("for_pairs", "Jacobian"),
    "vjp_source": ("for_sources", "VjpSource"),
    "vjp_observer": ("for_observers", "VjpObserver"),
    "jvp": ("for_observers", "Jvp"),
    "hessian": ("for_pairs", "Hessian"),
    "vjp2_source": ("for_sources", "Vjp2Source"),
    "vjp2_observer": ("for_observers", "Vjp2Observer"),
    "jvp2": ("for_observers", "Jvp2"),
}

Array = Any


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
    loop, functor = OPERATIONS[entry.operation]
    real = {"f32": "float", "f64": "double"}[entry.real]
    chosen = {"NAME": entry.name, "LOOP": loop, "OP": functor, "REAL": real}
    chosen |= {"KIND": entry.kind.title(), "OF": entry.of.title()}
    return defined("OKADA", SOURCES, chosen)


class Operations:
    """The backend functions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def field(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Displacement or gradient, summed over sources.

        Parameters
        ----------
        kind : {"rectangle", "point"}
        obs : cupy.ndarray, shape (n, 3)
            East, north, up.
        src : cupy.ndarray, shape (m, 10) or (m, 9)
            Rectangles: x, y, depth, length, width, strike, dip, rake, slip, opening. Points: x, y, depth,
            strike, dip, rake, potency, opening, inflation. Degrees.
        nu : float
            Poisson's ratio.
        origin : (float, float)
            Fractions of the length along strike and of the width down dip at which (x, y, depth) sits; two
            arrays (m,) where that differs between sources.
        of : {"displacement", "gradient"}
            c = 3 components, or c = 9, row-major [i, j] = du_i / dx_j.
        pairs : bool
            Source i with observer i instead of every source with every observer.
        out : cupy.ndarray, optional
            Where to write.

        Returns
        -------
        cupy.ndarray, shape (n, c)
            NaN at observers on a rectangle's edge or at a point source.
        """
        return self._sum(
            "field", kind, obs, src, nu, origin, of, pairs, over="sources", width=WIDTH[of], out=out
        )

    def field_both(self, kind, obs, src, nu, origin, pairs, out=None, threads=None):
        """Displacement and gradient in one pass, (n, 12); arguments as in `field`."""
        return self._sum(
            "field", kind, obs, src, nu, origin, "both", pairs, over="sources", width=WIDTH["both"], out=out
        )

    def greens(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Field of unit strike slip, dip slip, opening, inflation; (n, c, m, B), pairs: (n, c, B)."""
        return self._each("greens", kind, obs, src, nu, origin, of, pairs, (SLIPS[kind],), out)

    def jacobian(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Derivatives of the field by the source's parameters, (n, c, m, P); pairs: (n, c, P)."""
        return self._each("jacobian", kind, obs, src, nu, origin, of, pairs, (PARAMETERS[kind],), out)

    def hessian(self, kind, obs, src, nu, origin, of, pairs, out=None, threads=None):
        """Second derivatives with respect to the source's parameters, (n, c, m, P, P), or (n, c, P, P)."""
        return self._each("hessian", kind, obs, src, nu, origin, of, pairs, (PARAMETERS[kind],) * 2, out)

    def vjp(self, kind, obs, src, nu, origin, of, pairs, cot, wanted=WANTED, threads=None):
        """Gradient of sum(cot * field) by obs (n, 3), src (m, P) and nu (an array without axes); cot (n, c).

        None for those which are not `wanted`.
        """
        shared = (kind, obs, src, nu, origin, of, pairs)
        p, by_obs = PARAMETERS[kind], None
        if "obs" in wanted:
            by_obs = self._sum("vjp_observer", *shared, over="sources", width=3, cot=cot)
        if wanted == ("obs",):
            return by_obs, None, None
        by_src = self._sum("vjp_source", *shared, over="observers", width=p + 1, cot=cot)
        of_src = by_src[:, :p].copy() if "src" in wanted else None
        return by_obs, of_src, by_src[:, p].sum() if "nu" in wanted else None

    def jvp(self, kind, obs, src, nu, origin, of, pairs, t_obs, t_src, t_nu, threads=None):
        """Derivative of the field along (t_obs, t_src, t_nu), (n, c)."""
        shared = (kind, obs, src, nu, origin, of, pairs)
        return self._sum(
            "jvp", *shared, over="sources", width=WIDTH[of], obs_t=t_obs, src_t=t_src, nu_dot=t_nu
        )

    def vjp2(self, kind, obs, src, nu, origin, of, pairs, cot, t_obs, t_src, threads=None):
        """Gradient of sum(cot * jvp(t)) by obs (n, 3) and src (m, P), t held fixed."""
        shared = (kind, obs, src, nu, origin, of, pairs)
        given = {"cot": cot, "obs_t": t_obs, "src_t": t_src}
        by_obs = self._sum("vjp2_observer", *shared, over="sources", width=3, **given)
        return by_obs, self._sum("vjp2_source", *shared, over="observers", width=PARAMETERS[kind], **given)

    def jvp2(self, kind, obs, src, nu, origin, of, pairs, t_obs, t_src, s_obs, s_src, threads=None):
        """Second derivative of the field along t and s, (n, c)."""
        shared = (kind, obs, src, nu, origin, of, pairs)
        given = {"obs_t": t_obs, "src_t": t_src, "obs_s": s_obs, "src_s": s_src}
        return self._sum("jvp2", *shared, over="sources", width=WIDTH[of], **given)

    def apply(self, kind, obs, src, nu, origin, of, s, threads=None):
        """Green's matrix times s (m, 3 or 4), matrix-free, (n, c)."""
        return self._sum(
            "field", kind, obs, src, nu, origin, of, False, over="sources", width=WIDTH[of], slip=s
        )

    def apply_adjoint(self, kind, obs, src, nu, origin, of, r, threads=None):
        """Transposed Green's matrix times r (n, c), matrix-free, (m, 3 or 4)."""
        return self._sum(
            "adjoint", kind, obs, src, nu, origin, of, False, over="observers", width=SLIPS[kind], cot=r
        )

    def _each(self, operation, kind, obs, src, nu, origin, of, pairs, tail, out):
        """Run an operation that writes `tail` for every pair; (n, c, m, *tail), pairs: (n, c, *tail)."""
        n, m = len(obs), len(src)
        if out is None:
            out = self.engine.empty((n, WIDTH[of], *(() if pairs else (m,)), *tail), obs.dtype)
        self._launch(operation, kind, obs, src, nu, origin, of, pairs, n if pairs else n * m, out)
        return out

    def _sum(self, operation, kind, obs, src, nu, origin, of, pairs, *, over, width, out=None, **given):
        """Run an operation that sums over sources (or observers); (n, width) (or (m, width))."""
        places, terms = (len(obs), len(src)) if over == "sources" else (len(src), len(obs))
        if out is None:
            out = self.engine.empty((places, width), obs.dtype)

        def run(tasks, chunks, parts):
            self._launch(operation, kind, obs, src, nu, origin, of, pairs, tasks, parts, chunks, **given)

        entry = Entry(operation, kind, of, suffix(obs.dtype))
        return summed(self.engine, entry, run, places, 1 if pairs else terms, out)

    def _launch(
        self, operation, kind, obs, src, nu, origin, of, pairs, tasks, out, chunks=1, *,
        slip=None, cot=None, obs_t=None, src_t=None, obs_s=None, src_s=None, nu_dot=0.0,
    ):  # fmt: skip
        """Run one entry with the arguments of `Arguments` in `kernels.cu`."""
        real = np.dtype(obs.dtype).type
        sizes = [np.int64(k) for k in (len(obs), len(src), chunks, bool(pairs))]
        own = getattr(origin[0], "ndim", 0)
        alike, of_each = ((0.0, 0.0), origin) if own else (origin, (None, None))
        reals = [real(x) for x in (nu, *alike, nu_dot)]
        arguments = (*sizes, *reals, obs, src, *of_each, slip, cot, obs_t, src_t, obs_s, src_s, out)
        self.engine.launch(Entry(operation, kind, of, suffix(obs.dtype)), tasks, arguments)


@functools.cache
def module(entry: Entry) -> Any:
    """The `cupy.RawModule` of one entry; CuPy compiles it for each device."""
    import cupy

    return cupy.RawModule(code=SOURCES[0].read_text(), options=options(entry))


_CUPY = Operations(CupyEngine(module, "okada_sum"))


def __getattr__(name: str) -> Any:
    """The functions of every backend, under their names."""
    return getattr(_CUPY, name)
