"""The GPU part: both CUDA backends on arrays that stay on the device, timed with events, medians."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dislok import backends, okada

from .cases import Case, chosen
from .measure import spread
from .peers import OkadaTorch
from .problems import NU
from .suite import Settings, nanoseconds, spread_row

BACKENDS = ("cupy", "numba-cuda")
ROUNDS = 11
CASES = (
    Case("displacement, surface", "displacement", surface=True, n=10_000_000),
    Case("displacement, inside", "displacement", n=10_000_000),
    Case("displacement, inside, far", "displacement", where="far", n=10_000_000),
    Case("displacement + gradient, inside", "fields", n=4_000_000),
    Case("Jacobian of displacement, inside", "jacobian", n=2_000_000),
    Case("Hessian of displacement, inside", "hessian", n=200_000),
    Case("value + VJP of displacement, inside", "vjp", n=2_000_000),
)
# OkadaTorch keeps hundreds of temporaries of the size of the observers.
OTHER = 1_000_000


class NoDevice(RuntimeError):
    """There is no CUDA device, or what drives it is not installed."""


def usable() -> dict[str, Any]:
    """The CUDA backends that can be used, by name.

    Raises
    ------
    NoDevice
        If there is none; the message says why for each.
    """
    found = {s.name: s for s in backends.available() if s.name in BACKENDS}
    ready = {name: s for name, s in found.items() if s.usable}
    if not ready:
        raise NoDevice(
            "; ".join(f"{name}: {s.reason}" for name, s in found.items()) or "no CUDA backend is known"
        )
    return ready


def rows(settings: Settings, say: Callable[[str], Any]) -> list[dict]:
    """Each case in both precisions on each backend, and OkadaTorch on the same device where torch sees it."""
    ready = usable()
    found = []
    for case in chosen(CASES, settings.only):
        for dtype in (np.float64, np.float32):
            say(f"gpu: {case.name} {np.dtype(dtype).name}")
            found += _case(case._replace(dtype=dtype), list(ready), settings)
    return found


def _case(case: Case, ready: list[str], settings: Settings) -> list[dict]:
    size, least = settings.size(case), min(OTHER, settings.size(case))
    offered = {name: (_call(case, name, size), size) for name in ready} | {
        "OkadaTorch": (_other(case, least), least)
    }
    calls = {name: (call, n) for name, (call, n) in offered.items() if call is not None}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(-1, 2 if settings.quick else ROUNDS):
        for name, (call, _) in calls.items():
            taken = event_seconds(call)
            if round_number >= 0:  # the first round compiles and fills the memory pools
                seconds[name].append(taken)
    sizes = {name: n for name, (_, n) in calls.items()}
    return [_row(case, name, seconds, sizes) for name in calls]


def _row(case: Case, name: str, seconds: dict[str, list[float]], sizes: dict[str, int]) -> dict:
    per_pair = {k: np.array(v) / sizes[k] for k, v in seconds.items()}
    faster = spread(per_pair[name] / per_pair["cupy"]) if "cupy" in per_pair and name != "cupy" else None
    return {
        "case": case.name,
        "dtype": np.dtype(case.dtype).name,
        "code": name,
        "observers": sizes[name],
        "ns": nanoseconds(seconds[name], sizes[name]),
        "times_faster": None if faster is None else spread_row(faster),
    }


def event_seconds(call: Callable[[], Any]) -> float:
    """Seconds on the device between two events around a call, on the default stream."""
    import cupy

    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    call()
    end.record()
    end.synchronize()
    return cupy.cuda.get_elapsed_time(begin, end) / 1e3


def _call(case: Case, backend: str, n: int) -> Callable[[], Any] | None:
    """dislok's work on device arrays; value and VJP go through torch, which takes the default backend
    alone.
    """
    import cupy

    problem = case.problem(n)
    if case.operation == "vjp":
        return _vjp(problem) if backend == "cupy" else None
    obs = cupy.asarray(problem.obs)
    source = okada.Rectangle(*(cupy.asarray(c.copy()) for c in problem.src.T))
    p = problem.src.shape[1]
    common: dict[str, Any] = {"nu": NU, "backend": backend}
    if case.operation == "fields":
        out = cupy.empty((n, 3), obs.dtype), cupy.empty((n, 3, 3), obs.dtype)
        return lambda: okada.fields(obs, source, out=out, **common)
    tail = {"displacement": (), "jacobian": (1, p), "hessian": (1, p, p)}[case.operation]
    room = cupy.empty((n, 3, *tail), obs.dtype)
    function = getattr(okada, case.operation)
    return lambda: function(obs, source, out=room, **common)


def _vjp(problem: Any) -> Callable[[], Any] | None:
    torch = _torch()
    if torch is None:
        return None
    obs = torch.from_numpy(problem.obs).cuda()
    leaves = [
        torch.tensor(float(v), dtype=obs.dtype, device="cuda", requires_grad=True) for v in problem.src[0]
    ]

    def call() -> Any:
        u = okada.displacement(obs, okada.Rectangle(*leaves), nu=NU)
        return torch.autograd.grad(0.5 * torch.sum(u * u), leaves)

    return call


def _torch() -> Any:
    """torch if it is installed and sees the device."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def _other(case: Case, n: int) -> Callable[[], Any] | None:
    if _torch() is None:
        return None
    try:
        peer = OkadaTorch("cuda")
    except ImportError:
        return None
    run = peer.run(case.operation, case.problem(n), 1)
    if run is None:
        return None
    return _whole(run.parts) if run.parts else run.call


def _whole(parts: tuple[Callable[[], Any], ...]) -> Callable[[], Any]:
    def call() -> None:
        for part in parts:
            part()

    return call
