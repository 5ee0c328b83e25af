"""Small calls of every operation: what compiles its kernels before they are needed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dislok.arrays import Record
from dislok.kernels.backend import kernel_of

DTYPES = ("float64", "float32")
#: Operations that the derivatives of torch tensors are made of.
_DERIVATIVES = ("vjp", "jvp", "vjp2", "jvp2")


class Task(NamedTuple):
    """Kernels that one process compiles: those of an operation in a precision."""

    family: str
    operation: str
    dtype: str

    def __str__(self) -> str:
        return f"{self.family}.{self.operation}, {self.dtype}"


class Done(NamedTuple):
    """A task, the seconds it took, and how many kernels had to be compiled for it."""

    task: Task
    seconds: float
    compiled: int


def observers(dtype: str) -> list[np.ndarray]:
    """At the surface and inside, each near the sources and far from them."""
    places = np.array([[1.0, 2.0, 0.0], [300.0, 200.0, 0.0], [3e4, 2e4, 0.0]])
    return [places.astype(dtype), (places - (0.0, 0.0, 1.5)).astype(dtype)]


def _okada(operation: str, dtype: str) -> None:
    """All kinds of sources, and displacement as well as gradient."""
    from dislok import okada

    kinds: Record = {
        "rectangle": okada.Rectangle(0.0, 0.0, 3.0, 4.0, 2.0, 30.0, 40.0, 20.0, 1.0, 0.1),
        "point": okada.Point(0.0, 0.0, 3.0, 30.0, 40.0, 20.0, 1.0, 0.1, 0.2),
    }
    for obs in observers(dtype):
        for kind, source in kinds.items():
            slips = np.ones((1, 3 if kind == "rectangle" else 4), dtype)
            given = {"apply": [slips], "apply_adjoint": [np.ones_like(obs)]}.get(operation, [])
            if operation in _DERIVATIVES:
                _okada_derivatives(operation, kind, obs, np.array([source], dtype))
                continue
            run = partial(getattr(okada, operation), obs, source, *given)
            _with_gradient(run, operation)


def _okada_derivatives(operation: str, kind: str, obs: np.ndarray, src: np.ndarray) -> None:
    from dislok.kernels.okada import numba_cpu

    for of, count in (("displacement", 3), ("gradient", 9)):
        both = np.ones_like(obs), np.ones_like(src)
        given = _contractions(operation, np.ones((len(obs), count), obs.dtype), both)
        kernel_of(numba_cpu, operation)(kind, obs, src, 0.25, (0.0, 0.0), of, False, *given)


def _contractions(operation: str, cot: np.ndarray, way: tuple[np.ndarray, ...]) -> list[Any]:
    """What a derivative is contracted with: cotangents, tangents, tangent of Poisson's ratio."""
    given: dict[str, list[Any]] = {"vjp": [cot], "jvp": [*way, 1.0], "vjp2": [cot, *way]}
    return given.get(operation, [*way, *way])


def _tde(operation: str, dtype: str) -> None:
    """Half space and full space; a plain triangle and a narrow one."""
    from dislok import tde

    if operation == "on_grid":
        _grid_of_many()
        return
    plain = np.array([[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.0, 6.0, -4.0]]], dtype)
    narrow = np.array([[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.5, 0.50001, -2.0]]], dtype)
    slip = np.ones((1, 3), dtype)
    for obs in observers(dtype):
        for space in tde.SPACES:
            for tri in (plain, narrow):
                if operation in _DERIVATIVES:
                    _tde_derivatives(operation, obs, tri, slip, space)
                    continue
                given = {"greens": [], "apply_adjoint": [np.ones_like(obs)]}.get(operation, [slip])
                _with_gradient(partial(getattr(tde, operation), obs, tri, *given, space=space), operation)


def _grid_of_many() -> None:
    """A grid over so many triangles that they are summed by clusters."""
    from dislok import tde
    from dislok.large.far import FEW

    x = np.arange(FEW) - 0.5 * FEW
    triangles = np.zeros((FEW, 3, 3)) + [[0.0, 0.0, -1.0], [1.0, 0.2, -1.5], [0.2, 1.0, -2.0]]
    triangles[..., 0] += x[:, None]
    axis = np.linspace(-60.0, 60.0, 40)
    tde.on_grid(axis, axis, triangles, np.ones(3), threads=1)


def _tde_derivatives(operation: str, obs: np.ndarray, tri: np.ndarray, slip: np.ndarray, space: str) -> None:
    from dislok.kernels.tde import numba_cpu

    for of, count in (("displacement", 3), ("gradient", 9)):
        way = np.ones_like(obs), np.ones_like(tri), np.ones_like(slip)
        given = _contractions(operation, np.ones((len(obs), count), obs.dtype), way)
        kernel_of(numba_cpu, operation)(obs, tri, slip, 0.25, space, of, False, *given)


def _with_gradient(run: partial, operation: str) -> None:
    run()
    if operation in ("greens", "jacobian", "hessian", "apply", "apply_adjoint"):
        if operation == "apply_adjoint":  # its residuals have another shape
            obs, source, cot = run.args
            run = partial(run.func, obs, source, np.ones((len(obs), 3, 3), cot.dtype), **run.keywords)
        run(of="gradient")


def _propagator(operation: str, dtype: str, most: int = 4) -> None:
    """Layers without and with attenuation, moments and forces."""
    from dislok import propagator

    layers = ([15.0, np.inf], [6.0, 7.8], [3.5, 4.4], [2.7, 3.3])
    stations = propagator.Stations([30.0, -60.0], [40.0, 20.0])
    moment, force = [1.0, -2.0, 1.0, 0.3, 0.1, 0.2], [1.0, 2.0, 3.0]
    qualities: list[tuple] = [(None, None), ([400.0, 800.0], [200.0, 400.0])]
    kinds = [(quality, forces) for quality in qualities for forces in (None, force)]
    for (qp, qs), forces in kinds[:most]:
        model = propagator.LayeredModel(*layers, qp=qp, qs=qs)
        if operation == "greens":
            _greens(model, stations)
            continue
        source = propagator.PointSource(0.0, 0.0, 12.0, moment=moment, force=forces)
        record = () if operation.startswith("static") else (1.0, 16)
        getattr(propagator, operation)(model, source, stations, *record)


def _greens(model: Any, stations: Any) -> None:
    from dislok import okada, propagator

    propagator.greens(model, okada.Rectangle(0.0, 0.0, 3.0, 4.0, 2.0, 30.0, 40.0), stations)
    propagator.greens(model, [[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.0, 6.0, -4.0]]], stations)


_OKADA = "displacement fields strain greens apply apply_adjoint jacobian hessian".split()
FAMILIES: dict[str, tuple[Callable[[str, str], None], tuple[str, ...]]] = {
    "okada": (_okada, (*_OKADA, *_DERIVATIVES)),
    "tde": (_tde, (*(name for name in _OKADA if name != "hessian"), *_DERIVATIVES, "on_grid")),
    "propagator": (
        _propagator,
        ("statics", "seismograms", "layer_kernels", "static_layer_kernels", "greens"),
    ),
}


def tasks(
    families: Sequence[str], dtypes: Sequence[str], only: Mapping[str, Sequence[str]] | None = None
) -> list[Task]:
    """The tasks of some families, the longest first; layers are computed in double precision only."""
    found = [
        Task(family, operation, dtype)
        for family in families
        for operation in (only or {name: each[1] for name, each in FAMILIES.items()})[family]
        for dtype in (dtypes if family != "propagator" else DTYPES[:1])
    ]
    return sorted(found, key=lambda task: task.operation not in ("hessian", "vjp2", "jvp2", "jacobian"))


#: What a first call most often is: code for it comes with a package that brings machine code along.
FIRST = {
    "okada": "displacement gradient fields strain stress greens jacobian".split(),
    "tde": "displacement gradient fields strain stress greens jacobian".split(),
    "propagator": "statics seismograms".split(),
}


def ship(folder: Path, jobs: int) -> Iterator[tuple[str, Done]]:
    """Compile `FIRST` for every level of processors that this one can run, into ``folder/level/family``.

    Yields level and task when it is done. A level that this processor cannot run is left out, because to
    compile is to call.
    """
    from dislok.kernels import keeping

    for level in keeping.levels():
        with tempfile.TemporaryDirectory() as kept:
            # read by Numba when the processes that compile import it
            told = {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": kept}
            before = {name: os.environ.get(name) for name in told}
            os.environ.update(told, NUMBA_DISABLE_INTEL_SVML="1")
            try:
                for done in compile_all(list(FIRST), DTYPES[:1], jobs, FIRST):
                    yield level, done
            finally:
                for name, value in before.items():
                    os.environ.pop(name) if value is None else os.environ.update({name: value})
            shutil.copytree(Path(kept, "dislok"), folder / level, dirs_exist_ok=True)


def rehearse(task: Task) -> Done:
    """Do a task in this process."""
    from dislok.kernels import keeping

    start, before = time.perf_counter(), len(keeping.compiled)
    FAMILIES[task.family][0](task.operation, task.dtype)
    return Done(task, time.perf_counter() - start, len(keeping.compiled) - before)


def once(family: str, operation: str) -> None:
    """One ordinary call of a public function: two observers, one source, double precision."""
    from dislok import okada, tde

    if family == "propagator":
        return _propagator(operation, DTYPES[0], 1)
    obs = observers(DTYPES[0])[1][:2]
    source: Any = okada.Rectangle(0.0, 0.0, 3.0, 4.0, 2.0, 30.0, 40.0, 20.0, 1.0, 0.1)
    of_source: tuple[Any, ...] = (source,)
    if family == "tde":
        source = np.array([[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.0, 6.0, -4.0]]])
        still = operation in ("greens", "apply", "apply_adjoint")
        of_source = (source,) if still else (source, np.ones((1, 3)))
    factor = {"apply": (np.ones((1, 3)),), "apply_adjoint": (np.ones_like(obs),)}.get(operation, ())
    keywords = {"mu": 30e9} if operation == "stress" else {}
    getattr(okada if family == "okada" else tde, operation)(obs, *of_source, *factor, **keywords)


def compile_all(
    families: Sequence[str], dtypes: Sequence[str], jobs: int, only: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Done]:
    """Compile kernels of some families in so many processes; yields each task when it is done.

    What all operations of a family have in common is compiled first, so that no two processes do it.
    """
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    rest = tasks(families, dtypes, only)
    common = [task for task in rest if task.operation == FAMILIES[task.family][1][0]]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for some in (common, [task for task in rest if task not in common]):
            futures = [pool.submit(rehearse, task) for task in some]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
