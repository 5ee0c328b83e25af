"""dislok's side of the clock: the public functions, checks included, with `out=` where the others fill a
given array too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dislok import backends, okada

from .peers import PARAMETERS, Run, backward, loss_and_gradient
from .problems import NU, Problem


def run(operation: str, problem: Problem, threads: int) -> Run:
    """One timed call of `operation` on `problem`.

    Raises
    ------
    ValueError
        If there is no such operation.
    """
    if operation.startswith("vjp"):
        return _vjp(operation, problem, threads)
    if operation == "fields":
        return _fields(problem, threads)
    function, of, tail = {
        "displacement": (okada.displacement, None, ()),
        "greens": (okada.greens, "displacement", (3,)),
        "jacobian": (okada.jacobian, "displacement", (problem.src.shape[1],)),
        "jacobian of gradient": (okada.jacobian, "gradient", (problem.src.shape[1],)),
        "hessian": (okada.hessian, "displacement", (problem.src.shape[1],) * 2),
    }[operation]
    return _single(function, of, tail, problem, threads)


def sources(problem: Problem) -> Any:
    """The sources as the public functions take them."""
    return (okada.Point if problem.kind == "point" else okada.Rectangle)(*problem.src.T.copy())


def _single(function: Callable, of: str | None, tail: tuple, problem: Problem, threads: int) -> Run:
    n, m = len(problem.obs), len(problem.src)
    components = (3, 3) if of == "gradient" else (3,)
    out = np.empty((n, *components, *((m, *tail) if tail else ())), problem.obs.dtype)
    chosen = {} if of is None else {"of": of}
    source = sources(problem)

    def call() -> NDArray:
        return function(problem.obs, source, nu=NU, threads=threads, out=out, **chosen)

    return Run(call, lambda got: _alone(got.reshape(n, -1, *out.shape[1 + len(components) :]), tail, m))


def _alone(result: NDArray, tail: tuple, m: int) -> NDArray:
    """Without the axis of the sources where there is one source; Green's matrices keep it."""
    return result[:, :, 0] if tail and tail != (3,) and m == 1 else result


def _fields(problem: Problem, threads: int) -> Run:
    n = len(problem.obs)
    out = np.empty((n, 3), problem.obs.dtype), np.empty((n, 3, 3), problem.obs.dtype)
    source = sources(problem)
    return Run(
        lambda: okada.fields(problem.obs, source, nu=NU, threads=threads, out=out),
        lambda got: np.concatenate([got[0], got[1].reshape(n, 9)], axis=1),
    )


def _vjp(operation: str, problem: Problem, threads: int) -> Run:
    """Value and gradient through torch: half the sum of squares, with respect to the parameters that
    OkadaTorch has.
    """
    import torch

    obs = torch.from_numpy(problem.obs)
    values = [torch.tensor(float(v), dtype=obs.dtype) for v in problem.src[0]]
    for value in values[: len(PARAMETERS)]:
        value.requires_grad_(True)
    source = okada.Rectangle(*values)
    leaves = values[: len(PARAMETERS)]

    def call() -> tuple:
        if operation == "vjp":
            out = [okada.displacement(obs, source, nu=NU, threads=threads)]
        else:
            out = list(okada.fields(obs, source, nu=NU, threads=threads))
        return backward(torch, out, leaves)

    return Run(call, loss_and_gradient)


def kernel(operation: str, problem: Problem, threads: int) -> Callable[[], Any]:
    """The same work one floor down, without the checks of the public functions: (obs, src) go straight to the
    kernel.
    """
    kernels = backends.load("numba")
    geometry = (problem.kind, problem.obs, problem.src, NU, (0.0, 0.0))
    n, m, p = len(problem.obs), len(problem.src), problem.src.shape[1]
    if operation == "fields":
        out = np.empty((n, 12), problem.obs.dtype)
        return lambda: kernels.field_both(*geometry, False, out=out, threads=threads)
    shape = {"displacement": (n, 3), "jacobian": (n, 3, m, p), "hessian": (n, 3, m, p, p)}[operation]
    out = np.empty(shape, problem.obs.dtype)
    name = "field" if operation == "displacement" else operation
    return lambda: getattr(kernels, name)(*geometry, "displacement", False, out=out, threads=threads)
