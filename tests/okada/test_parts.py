"""How a call's work is shared by threads."""

import numpy as np
import pytest

from dislok import okada
from dislok.kernels.okada.compiled import SERIAL
from dislok.kernels.okada.numba_cpu import Sources
from dislok.kernels.okada.operations import OPERATIONS
from dislok.kernels.pairs.launch import _workers


@pytest.mark.parametrize(("name", "level"), [("field", "value"), ("greens", "greens")])
def test_small_work_stays_with_the_caller_and_large_is_shared(name, level):
    """What a pair costs decides."""
    operation = OPERATIONS[name, "displacement", "rectangle"]
    sources = Sources(np.zeros((2, 3)), np.zeros((1, 40)), 0.25, False)
    code = sources.code(operation, operation.kept)
    most = SERIAL[level]
    assert [_workers(code, n, n, 4) for n in (most, most + 1, 10**6)] == [1, 4, 4]
    assert _workers(code, 100, 10**6, 4) == 2  # as many as there are blocks of lanes


@pytest.mark.parametrize("of", ["displacement", "gradient"])
@pytest.mark.parametrize(("n", "m"), [(30_000, 1), (9_000, 3), (2, 20_000)])
def test_threads_change_nothing(n, m, of, rng):
    obs = np.column_stack([rng.uniform(-50, 50, (n, 2)), np.zeros(n)])
    source = okada.Rectangle(np.linspace(0, 30, m), 0.0, 2.0, 3.0, 2.0, 30.0, 60.0, 90.0)
    one, two = (getattr(okada, of)(obs, source, threads=k) for k in (1, 2))
    assert np.abs(one - two).max() <= 1e-13 * np.abs(one).max()
