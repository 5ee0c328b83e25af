"""The other codes: what imports here is wrapped so that only its own work lies inside the clock.

A wrapper turns a problem into a `Run`: `call` is timed, `result` (outside the clock) turns what came out into
dislok's layout, so that every timed result is also compared with ours. Where a code does less or more than
was asked, `NOTES` says so.
"""

import importlib
import importlib.metadata
import itertools
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import dc3d
from .problems import NU, Problem

NOTES = {
    "DC3D": "always computes displacement and gradient; rotations into and out of the fault's frame are not "
    "timed; float64 arguments; the Green's matrix takes one call per slip component",
    "okada4py": "always computes displacement, gradient and stress",
    "pyrocko": "always computes displacement and gradient",
    "torchdeform": "displacement and its backward only",
    "OkadaTorch": "nine parameters (no opening): gradient() is called for each, hessian() for each pair",
}
HESSIAN_PIECES = 9
PARAMETERS = ("x_fault", "y_fault", "depth", "length", "width", "strike", "dip", "rake", "slip")


class Run(NamedTuple):
    """One timed call.

    Attributes
    ----------
    call : callable
        The work; takes nothing.
    result : callable
        Turns what `call` returned into an array in dislok's layout.
    parts : tuple of callables
        The same work in equal pieces, where all of it takes minutes; `result` also takes what one of them
        returned, and leaves NaN where it says nothing.
    """

    call: Callable[[], Any]
    result: Callable[[Any], NDArray]
    parts: tuple[Callable[[], Any], ...] = ()


class Absent(NamedTuple):
    """A code that cannot be measured here, and why."""

    name: str
    reason: str


def outer(gradient: NDArray, turn: NDArray) -> NDArray:
    """Tensor [..., i, j] from a frame whose axes are the rows of `turn`, shape (..., 3, 3)."""
    return np.einsum("ai,nab,bj->nij", turn, gradient, turn)


class Dc3d:
    """Okada's Fortran, compiled here with optimisation."""

    name = "DC3D"

    def __init__(self) -> None:
        dc3d.library()
        self.version = f"{dc3d.PACKAGE}, {dc3d.compiler_version()} {' '.join(dc3d.FLAGS)}"

    def run(self, operation: str, problem: Problem, threads: int) -> Run | None:
        if (
            operation not in ("displacement", "fields", "greens")
            or problem.obs.dtype != np.float64
            or threads != 1
        ):
            return None
        strike = problem.src[0, 3 if problem.kind == "point" else 5]
        obs = problem.obs.copy()
        obs[:, :2] = dc3d.frame(obs[:, :2], strike)
        src = self._point(problem.src) if problem.kind == "point" else self._rectangle(problem.src)
        turn = np.eye(3)
        turn[:2, :2] = dc3d.frame(np.eye(2), strike).T
        if operation == "greens":
            out = np.empty((len(obs), 3, len(src), 3))
            return Run(
                lambda: dc3d.call("greens", obs, src, NU, out), lambda g: np.einsum("ai,namb->nimb", turn, g)
            )
        out = np.empty((len(obs), 12))
        name = "point" if problem.kind == "point" else "rectangle"
        return Run(lambda: dc3d.call(name, obs, src, NU, out), lambda u: self._layout(u, turn, operation))

    @staticmethod
    def _rectangle(src: NDArray) -> NDArray:
        x, y, depth, length, width, strike, dip, rake, slip, opening = src.T
        place = dc3d.frame(np.stack([x, y], axis=1), strike[0]).T
        shear = slip * np.cos(np.deg2rad(rake)), slip * np.sin(np.deg2rad(rake))
        zero = np.zeros_like(x)
        return np.ascontiguousarray(
            np.stack([*place, depth, dip, zero, length, -width, zero, *shear, opening], axis=1)
        )

    @staticmethod
    def _point(src: NDArray) -> NDArray:
        x, y, depth, strike, dip, rake, potency, opening, inflation = src.T
        place = dc3d.frame(np.stack([x, y], axis=1), strike[0]).T
        shear = potency * np.cos(np.deg2rad(rake)), potency * np.sin(np.deg2rad(rake))
        return np.ascontiguousarray(np.stack([*place, depth, dip, *shear, opening, inflation], axis=1))

    @staticmethod
    def _layout(u: NDArray, turn: NDArray, operation: str) -> NDArray:
        shift = u[:, :3] @ turn
        if operation == "displacement":
            return shift
        # The Fortran lists the x-derivatives of all components first.
        gradient = outer(u[:, 3:].reshape(-1, 3, 3).transpose(0, 2, 1), turn)
        return np.concatenate([shift, gradient.reshape(-1, 9)], axis=1)


class Okada4py:
    """The C++ translation that the Classic Slip Inversion code calls."""

    name = "okada4py"

    def __init__(self) -> None:
        self.okada92 = importlib.import_module("okada4py").okada92
        self.version = version("okada4py")

    def run(self, operation: str, problem: Problem, threads: int) -> Run | None:
        if operation not in ("displacement", "fields") or problem.kind == "point":
            return None
        if problem.obs.dtype != np.float64 or threads != 1:
            return None
        columns = [np.ascontiguousarray(c) for c in problem.obs.T] + self._source(problem.src)
        width = 3 if operation == "displacement" else 12
        return Run(lambda: self.okada92(*columns, 30e9, NU), lambda out: self._layout(out)[:, :width])

    @staticmethod
    def _source(src: NDArray) -> list[NDArray]:
        x, y, depth, length, width, strike, dip, rake, slip, opening = src.T
        middle = centre(src)
        shear = slip * np.cos(np.deg2rad(rake)), slip * np.sin(np.deg2rad(rake))
        return [np.ascontiguousarray(c) for c in (*middle.T, length, width, dip, strike, *shear, opening)]

    @staticmethod
    def _layout(out: tuple) -> NDArray:
        return np.concatenate([out[0].reshape(-1, 3), out[1].reshape(-1, 9)], axis=1)


class Pyrocko:
    """The C extension behind pyrocko's Okada sources."""

    name = "pyrocko"

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.okada = importlib.import_module("pyrocko.modelling.okada_ext").okada
        self.version = version("pyrocko")

    def run(self, operation: str, problem: Problem, threads: int) -> Run | None:
        if (
            operation not in ("displacement", "fields")
            or problem.kind == "point"
            or problem.obs.dtype != np.float64
        ):
            return None
        x, y, depth, length, width, strike, dip, rake, slip, opening = problem.src.T
        zero = np.zeros_like(x)
        geometry = np.ascontiguousarray(
            np.stack([y, x, depth, strike, dip, zero, length, -width, zero], axis=1)
        )
        shear = slip * np.cos(np.deg2rad(rake)), slip * np.sin(np.deg2rad(rake))
        amount = np.ascontiguousarray(np.stack([*shear, opening], axis=1))
        obs = np.ascontiguousarray(problem.obs[:, [1, 0, 2]] * [1.0, 1.0, -1.0])
        columns = 3 if operation == "displacement" else 12
        # lambda = mu is nu = 0.25.
        return Run(
            lambda: self.okada(
                geometry, amount, obs, 30e9, 30e9, nthreads=threads, rotate_sdn=0, stack_sources=1
            ),
            lambda out: self._layout(out.reshape(-1, 12))[:, :columns],
        )

    @staticmethod
    def _layout(out: NDArray) -> NDArray:
        turn = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
        # North, east and down; the derivatives with respect to north of all components first.
        gradient = outer(out[:, 3:].reshape(-1, 3, 3).transpose(0, 2, 1), turn)
        return np.concatenate([out[:, :3] @ turn, gradient.reshape(-1, 9)], axis=1)


class Torchdeform:
    """Batched sources for torch; its default (exact) gradient mode."""

    name = "torchdeform"

    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")
        self.module = importlib.import_module("torchdeform")
        self.version = version("torchdeform")

    def run(self, operation: str, problem: Problem, threads: int) -> Run | None:
        if operation not in ("displacement", "vjp") or problem.kind == "point" or len(problem.src) != 1:
            return None
        torch = self.torch
        dtype = torch.from_numpy(problem.obs[:0].copy()).dtype
        model = (self.module.OkadaSourceSimple if problem.surface else self.module.OkadaSource)(
            poisson_ratio=NU, internal_dtype=dtype
        )
        obs = [torch.from_numpy(problem.obs[None, :, i].copy()) for i in range(2 if problem.surface else 3)]
        source = [torch.tensor([v], dtype=dtype) for v in self._source(problem.src[0])]
        if operation == "displacement":
            return Run(lambda: self._displacement(model, obs, source), self._stack)
        for value in source:
            value.requires_grad_(True)
        # Its parameters are others than ours, so only the loss can be compared.
        return Run(
            lambda: backward(torch, self._enu(model(*obs, *source)), source),
            lambda out: loss_and_gradient(out)[:, :1],
        )

    @staticmethod
    def _source(row: NDArray) -> list[float]:
        _, _, _, length, width, strike, dip, rake, slip, opening = row
        x, y, depth = centre(row[None])[0]
        s, d, r = np.deg2rad([strike, dip, rake])
        # Its across-strike axis points the other way: found by comparing its numbers with Okada's Fortran.
        return [x, y, d, s + np.pi, depth, length, width, -slip * np.cos(r), slip * np.sin(r), opening]

    def _displacement(self, model: Any, obs: list, source: list) -> Any:
        with self.torch.no_grad():
            return model(*obs, *source)

    @staticmethod
    def _enu(out: Any) -> list:
        return [out.e, out.n, out.u]

    def _stack(self, out: Any) -> NDArray:
        return np.stack([np.asarray(c[0]) for c in self._enu(out)], axis=1)


class OkadaTorch:
    """The reference for derivatives: Okada's formulas in torch operations, differentiated by torch.func."""

    name = "OkadaTorch"
    operations = (
        "displacement",
        "fields",
        "jacobian",
        "jacobian of gradient",
        "hessian",
        "vjp",
        "vjp of fields",
    )

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.torch = importlib.import_module("torch")
        self.wrapper = importlib.import_module("OkadaTorch").OkadaWrapper()
        self.version = version("OkadaTorch")

    def run(self, operation: str, problem: Problem, threads: int) -> Run | None:
        if operation not in self.operations or len(problem.src) != 1:
            return None
        if problem.src[0, -1] != 0.0 or problem.kind == "point" and problem.src[0, -2] != 0.0:
            return None
        coords = self._coords(problem)
        params = self._params(problem)
        return {
            "displacement": self._compute,
            "fields": self._compute,
            "jacobian": self._jacobian,
            "jacobian of gradient": self._jacobian,
            "hessian": self._hessian,
            "vjp": self._vjp,
            "vjp of fields": self._vjp,
        }[operation](operation, coords, params)

    def _coords(self, problem: Problem) -> dict:
        names = ("x", "y") if problem.surface else ("x", "y", "z")
        return {
            k: self.torch.from_numpy(problem.obs[:, i].copy()).to(self.device) for i, k in enumerate(names)
        }

    def _params(self, problem: Problem) -> dict:
        if problem.kind == "point":
            names: tuple[str, ...] = ("x_fault", "y_fault", "depth", "strike", "dip", "rake", "slip")
        else:
            names = PARAMETERS
        dtype = self.torch.from_numpy(problem.src[:0].copy()).dtype
        return {
            k: self.torch.tensor(float(v), dtype=dtype, device=self.device)
            for k, v in zip(names, problem.src[0], strict=False)
        }

    def _compute(self, operation: str, coords: dict, params: dict) -> Run:
        strain = operation == "fields"
        return Run(lambda: self.wrapper.compute(coords, params, compute_strain=strain, nu=NU), rows)

    def _jacobian(self, operation: str, coords: dict, params: dict) -> Run:
        strain = operation == "jacobian of gradient"

        def call() -> list:
            return [self.wrapper.gradient(coords, params, k, compute_strain=strain, nu=NU) for k in params]

        def result(out: list) -> NDArray:
            full = np.stack([rows(one) for one in out], axis=-1)
            return full[:, 3:] if strain else full

        return Run(call, result)

    def _hessian(self, operation: str, coords: dict, params: dict) -> Run:
        pairs = list(itertools.combinations_with_replacement(params, 2))

        def some(chosen: list) -> list:
            return [(a, b, self.wrapper.hessian(coords, params, a, b, False, nu=NU)) for a, b in chosen]

        def result(out: list) -> NDArray:
            index = {k: i for i, k in enumerate(params)}
            full = np.full((len(coords["x"]), 3, len(params), len(params)), np.nan)
            for a, b, one in out:
                full[:, :, index[a], index[b]] = full[:, :, index[b], index[a]] = rows(one)
            return full

        # Neighbours in the list cost alike, so every piece takes pairs from all over it.
        pieces = HESSIAN_PIECES if len(pairs) % HESSIAN_PIECES == 0 else 1
        parts = tuple(partial(some, pairs[k::pieces]) for k in range(pieces))
        return Run(lambda: some(pairs), result, parts)

    def _vjp(self, operation: str, coords: dict, params: dict) -> Run:
        leaves = {k: v.clone().requires_grad_(True) for k, v in params.items()}
        strain = operation == "vjp of fields"

        def call() -> tuple:
            out = self.wrapper.compute(coords, leaves, compute_strain=strain, nu=NU)
            return backward(self.torch, out, list(leaves.values()))

        return Run(call, loss_and_gradient)


def backward(torch: Any, out: list, leaves: list) -> tuple:
    """Half the sum of squares of the tensors `out`, and its gradient with respect to `leaves`."""
    loss = sum(0.5 * torch.sum(u * u) for u in out)
    return loss.detach(), torch.autograd.grad(loss, leaves)


def loss_and_gradient(out: tuple) -> NDArray:
    """What `backward` returned in one row, shape (1, 1 + number of leaves)."""
    loss, gradient = out
    return np.array([[float(loss), *(float(g) for g in gradient)]])


def rows(out: list) -> NDArray:
    """A list of 3 or 12 tensors (n,), x-derivatives of all components first, as (n, 3) or (n, 12) with [i, j]
    row-major.
    """
    columns = [np.asarray(c.detach().cpu()) for c in out]
    if len(columns) == 3:
        return np.stack(columns, axis=1)
    order = [0, 1, 2, 3, 6, 9, 4, 7, 10, 5, 8, 11]
    return np.stack([columns[i] for i in order], axis=1)


def centre(src: NDArray) -> NDArray:
    """East, north and depth of the middle of rectangles given by their top left corners, shape (m, 3)."""
    x, y, depth, length, width, strike, dip = src.T[:7]
    s, d = np.deg2rad(strike), np.deg2rad(dip)
    a, b = length / 2, width / 2 * np.cos(d)
    return np.stack(
        [x + a * np.sin(s) + b * np.cos(s), y + a * np.cos(s) - b * np.sin(s), depth + width / 2 * np.sin(d)],
        axis=1,
    )


def version(package: str) -> str:
    """The installed version, or a word when the package lies on the path without having been installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "from the path"


Peer = Dc3d | Okada4py | Pyrocko | Torchdeform | OkadaTorch
KNOWN: tuple[type[Peer], ...] = (Dc3d, Okada4py, Pyrocko, Torchdeform, OkadaTorch)


def find() -> tuple[list[Peer], list[Absent]]:
    """The codes that can be measured here, and those that cannot, with the reason.

    Every folder in `dc3d.cache_folder()` is put at the end of the import path, so that a code that is not on
    a package index can be cloned or built there.
    """
    _extend_path()
    present: list[Peer] = []
    absent: list[Absent] = []
    for kind in KNOWN:
        try:
            present.append(kind())
        except (ImportError, AttributeError, dc3d.Unavailable) as error:
            absent.append(Absent(kind.name, f"{type(error).__name__}: {error}"))
    return present, absent


def _extend_path() -> None:
    folder = dc3d.cache_folder()
    if folder.is_dir():
        sys.path.extend(str(p) for p in sorted(folder.iterdir()) if p.is_dir() and str(p) not in sys.path)
