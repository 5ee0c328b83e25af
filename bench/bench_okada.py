"""The comparisons under pytest-benchmark: `pytest bench/bench_okada.py -o python_functions="bench_*"`.

Each case is a group; dislok and every other code that is installed stand in it with the same observers. The
tables of `python -m bench` time them in turn and are the better comparison; this suite is for following one
code's speed over time.
"""

from collections.abc import Callable, Iterator

import pytest

from bench import ours, peers, suite
from bench.cases import CASES, THREADED, Case

CODES = ("dislok", *(kind.name for kind in peers.KNOWN))


@pytest.fixture(scope="session")
def found() -> dict[str, peers.Peer | peers.Absent]:
    """Every other code under its name: present, or absent with the reason."""
    present, absent = peers.find()
    return {code.name: code for code in (*present, *absent)}


@pytest.fixture
def one_core() -> Iterator[None]:
    """One core and one thread."""
    with suite.threads(1):
        yield


@pytest.fixture
def two_cores() -> Iterator[None]:
    """Two cores and two threads; skips where there are not two."""
    if len(suite.usable_cores()) < 2:
        pytest.skip("only one core may be used")
    with suite.threads(2):
        yield


def _marked(operation: str) -> Callable:
    """Parametrise over the cases of an operation and the codes."""
    cases = [pytest.param(c, id=c.name) for c in CASES if c.operation == operation]
    return lambda function: pytest.mark.parametrize("case", cases)(
        pytest.mark.parametrize("code", CODES)(function)
    )


def _measure(benchmark, case: Case, code: str, found: dict, threads: int = 1) -> None:
    problem = case.problem()
    if code == "dislok":
        run: peers.Run | None = ours.run(case.operation, problem, threads)
    elif isinstance(found[code], peers.Absent):
        pytest.skip(found[code].reason)
    else:
        run = found[code].run(case.operation, problem, threads)
    if run is None or code in case.leave_out:
        pytest.skip(f"{code} is not measured on this")
    call = run.parts[0] if run.parts else run.call
    benchmark.group = f"{case.name}, {threads} thread{'s' * (threads > 1)}"
    benchmark.pedantic(call, rounds=5, warmup_rounds=1)
    pieces = len(run.parts) or 1
    benchmark.extra_info.update(
        observers=len(problem.obs),
        pairs=problem.pairs,
        pieces=pieces,
        pairs_per_second=problem.pairs / pieces / _median(benchmark),
    )


def _median(benchmark) -> float:
    # Without timing (--benchmark-disable) there are no statistics.
    return benchmark.stats["median"] if benchmark.stats else float("nan")


@_marked("displacement")
def bench_displacement(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@_marked("fields")
def bench_displacement_and_gradient(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@_marked("greens")
def bench_greens(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@_marked("jacobian")
def bench_jacobian(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@_marked("jacobian of gradient")
def bench_jacobian_of_gradient(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@_marked("hessian")
def bench_hessian(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@_marked("vjp")
def bench_vjp(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@_marked("vjp of fields")
def bench_vjp_of_fields(benchmark, one_core, found, case, code):
    _measure(benchmark, case, code, found)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in THREADED])
@pytest.mark.parametrize("threads", (1, 2))
def bench_threads(benchmark, two_cores, found, case, threads):
    _measure(benchmark, case, "dislok", found, threads)
